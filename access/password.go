package access

import (
	_ "embed"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/venuecode/venuecode/venue"
)

const (
	minPassword  = 12   // characters
	maxPassword  = 1024 // bytes after NFC; a bound on work, not on taste
	keepFormer   = 5    // passwords that may not come back
	fewestRunes  = 5    // different characters
	minUserMatch = 3    // shorter names are in everything
)

//go:embed common.txt
var commonList string

var common = func() map[string]bool {
	set := map[string]bool{}
	for line := range strings.Lines(commonList) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			set[trimmed(line)] = true
		}
	}
	return set
}()

// normal is the form in which a password is judged and hashed: NFC, never NFKC,
// so that two keyboards spell the same and no character is lost.
func normal(password string) string {
	if len(password) > maxPassword {
		return ""
	}
	return norm.NFC.String(password)
}

// CheckPassword says whether an account may choose a password: a *venue.Invalid
// of field "password" with reason "length", "user" (contains the user name),
// "common" or "shape" (not text).
func CheckPassword(user, password string) error {
	invalid := func(reason string) error { return &venue.Invalid{Field: "password", Reason: reason} }
	if !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl) {
		return invalid("shape")
	}
	password = normal(password)
	if utf8.RuneCountInString(password) < minPassword {
		return invalid("length")
	}
	lower := strings.ToLower(password)
	if len(user) >= minUserMatch && strings.Contains(lower, strings.ToLower(user)) {
		return invalid("user")
	}
	if common[trimmed(lower)] || repeats(lower) {
		return invalid("common")
	}
	return nil
}

// trimmed is a password without the digits and signs that people put around a
// word to please a rule.
func trimmed(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return !unicode.IsLetter(r) })
}

// repeats tells of few characters, a word said again, or one run of the
// keyboard or the digits.
func repeats(s string) bool {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	if len(seen) < fewestRunes {
		return true
	}
	for _, row := range []string{"01234567890123456789", "qwertyuiopasdfghjklzxcvbnm", "abcdefghijklmnopqrstuvwxyz"} {
		if strings.Contains(row, s) || strings.Contains(reverse(row), s) {
			return true
		}
	}
	return trimmed(s) == "" && len(s) < 16 // digits and signs alone: dates, phone numbers
}

func reverse(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}
