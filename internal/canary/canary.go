// Package canary finds private values in what leaves the program, whatever form
// they have taken on the way: for tests.
package canary

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/emmansun/gmsm/sm3"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// By fewer bits than enough no form is recognised: chance makes copies of it
// among megabytes of sealed bytes. shortest is the bytes of the shortest form.
const (
	enough   = 48
	shortest = enough / 8
)

// Form is one way a value may be written.
type Form struct {
	Name  string
	Bytes []byte
}

// Forms lists the ways to write a value that anybody can undo or guess: in
// clear, UTF-16, GB18030, escaped for JSON and URLs, hex, base64 wherever it
// begins, and as a plain hash. A form too short to be told from chance is left
// out.
func Forms(value string) []Form {
	var forms []Form
	add := func(name string, b []byte, bits int) { // bits that a byte of it tells
		if len(b)*bits >= enough && !slices.ContainsFunc(forms, func(f Form) bool { return string(f.Bytes) == string(b) }) {
			forms = append(forms, Form{name, b})
		}
	}
	coded := func(name string, b []byte) {
		add(name+" hex", []byte(hex.EncodeToString(b)), 4)
		add(name+" HEX", []byte(strings.ToUpper(hex.EncodeToString(b))), 4)
		for shift := range 3 {
			for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				add(fmt.Sprintf("%s base64+%d", name, shift), fragment(enc, b, shift), 6)
			}
		}
	}
	clear := []byte(value)
	add("clear", clear, 8)
	coded("clear", clear)
	var little, big []byte
	var escaped strings.Builder
	for _, u := range utf16.Encode([]rune(value)) {
		little, big = append(little, byte(u), byte(u>>8)), append(big, byte(u>>8), byte(u))
		if u < 0x80 {
			escaped.WriteByte(byte(u))
		} else {
			fmt.Fprintf(&escaped, `\u%04x`, u)
		}
	}
	add("UTF-16LE", little, 8)
	add("UTF-16BE", big, 8)
	coded("UTF-16LE", little)
	add("JSON escape", []byte(escaped.String()), 8)
	add("quoted", []byte(strings.Trim(strconv.QuoteToASCII(value), `"`)), 8)
	add("URL escape", []byte(url.QueryEscape(value)), 8)
	if gb, err := simplifiedchinese.GB18030.NewEncoder().Bytes(clear); err == nil {
		add("GB18030", gb, 8)
	}
	for name, sum := range map[string][]byte{
		"MD5": of(md5.Sum(clear)), "SHA-1": of20(sha1.Sum(clear)), "SHA-256": of32(sha256.Sum256(clear)), "SM3": of32(sm3.Sum(clear)),
	} {
		add(name, sum, 8)
		coded(name, sum)
	}
	return forms
}

func of(b [16]byte) []byte   { return b[:] }
func of20(b [20]byte) []byte { return b[:] }
func of32(b [32]byte) []byte { return b[:] }

// fragment is what all base64 texts share in which b begins at a byte whose
// position is shift modulo 3: the letters that b alone decides.
func fragment(enc *base64.Encoding, b []byte, shift int) []byte {
	text := enc.EncodeToString(append(make([]byte, shift), b...))
	first, last := (shift*8+5)/6, (shift+len(b))*8/6
	return []byte(text[first:last])
}

// Finder looks for many values at once.
type Finder struct {
	heads map[[shortest]byte][]pattern
}

type pattern struct {
	label string
	bytes []byte
}

// NewFinder looks for values; each is reported by its label, never by itself.
func NewFinder(values map[string]string) *Finder {
	f := &Finder{map[[shortest]byte][]pattern{}}
	for label, value := range values {
		for _, form := range Forms(value) {
			head := [shortest]byte(form.Bytes)
			f.heads[head] = append(f.heads[head], pattern{label + " as " + form.Name, form.Bytes})
		}
	}
	return f
}

// Find lists what b holds, each once, in order.
func (f *Finder) Find(b []byte) []string {
	var found []string
	for i := 0; i+shortest <= len(b); i++ {
		for _, p := range f.heads[[shortest]byte(b[i:])] {
			if len(b)-i >= len(p.bytes) && string(b[i:i+len(p.bytes)]) == string(p.bytes) {
				found = append(found, p.label)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
