package venue

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Code is a venue code 场所码 in canonical form: 16 characters of Crockford's
// base32 in upper case, 75 random bits and a check character. It names one
// door (一门一码), says nothing about it, and is never used again.
type Code string

const (
	codeLength   = 16
	codeMaxTyped = 32 // characters, before blanks and hyphens are dropped

	crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)

// NewCode draws a code from random, which must be cryptographic: who can guess
// a code can forge a visit.
func NewCode(random io.Reader) (Code, error) {
	var b [codeLength]byte
	if _, err := io.ReadFull(random, b[:codeLength-1]); err != nil {
		return "", fmt.Errorf("draw a venue code: %w", err)
	}
	for i := range b {
		b[i] &= 31
	}
	// The last digit's weight is 1, so that what is missing to 0 completes it.
	b[codeLength-1] = codeSum(b[:])
	for i, d := range b {
		b[i] = crockford[d]
	}
	return Code(b[:]), nil
}

// ParseCode reads a code as people type it: either case, full-width, I and L
// for 1, O for 0, with hyphens and blanks, at most 32 characters in all.
// Reasons: "shape", "check".
func ParseCode(s string) (Code, error) {
	if utf8.RuneCountInString(s) > codeMaxTyped {
		return "", &Invalid{Field: "code", Reason: "shape"}
	}
	s = lookAlikes.Replace(compact(s))
	if len(s) != codeLength {
		return "", &Invalid{Field: "code", Reason: "shape"}
	}
	var digits [codeLength]byte
	for i := range digits {
		d := strings.IndexByte(crockford, s[i])
		if d < 0 {
			return "", &Invalid{Field: "code", Reason: "shape"}
		}
		digits[i] = byte(d)
	}
	if codeSum(digits[:]) != 0 {
		return "", &Invalid{Field: "code", Reason: "check"}
	}
	return Code(s), nil
}

// ParseCopied reads a code as people copy it: typed, or the link that holds it, of
// whatever host and with whatever the apps append. Reasons: "shape", "check".
func ParseCopied(s string) (Code, error) {
	s, _, _ = strings.Cut(strings.TrimSpace(Fold(s)), "?")
	s, _, _ = strings.Cut(s, "#")
	return ParseCode(s[strings.LastIndexByte(s, '/')+1:])
}

var lookAlikes = strings.NewReplacer("I", "1", "L", "1", "O", "0")

// codeSum is Σ dᵢ·αⁿ⁻¹⁻ⁱ over GF(2⁵) with α⁵ = α²+1; a code's sum is 0. α has
// order 31, so the 16 weights differ and none is 0: every wrong character and
// every exchange of two characters changes the sum.
func codeSum(digits []byte) byte {
	var sum byte
	for _, d := range digits {
		sum <<= 1
		if sum&32 != 0 {
			sum ^= 0b100101
		}
		sum ^= d
	}
	return sum
}

// Link is what the QR code of the door holds: https://<host>/v/<code>, or http
// when host is a loopback address with a port, as in the demo.
func (c Code) Link(host string) string {
	scheme := "https"
	if isLoopback(host) {
		scheme = "http"
	}
	return scheme + "://" + host + "/v/" + string(c)
}

// ParseLink reads the code from a link that Link printed for host. A query and
// a fragment, which the apps append, are ignored; all else must be exact, the
// code canonical. Reasons: "host" (not our link), "shape", "check".
func ParseLink(link, host string) (Code, error) {
	u, err := url.Parse(link)
	if err != nil {
		return "", &Invalid{Field: "code", Reason: "shape"}
	}
	ours := u.Scheme == "https" || u.Scheme == "http" && isLoopback(host)
	if !ours || host == "" || u.Host != host || u.User != nil {
		return "", &Invalid{Field: "code", Reason: "host"}
	}
	rest, ok := strings.CutPrefix(u.EscapedPath(), "/v/")
	if !ok {
		return "", &Invalid{Field: "code", Reason: "shape"}
	}
	c, err := ParseCode(rest)
	if err != nil {
		return "", err
	}
	if string(c) != rest {
		return "", &Invalid{Field: "code", Reason: "shape"}
	}
	return c, nil
}

func isLoopback(hostport string) bool {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil || port == "" {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
