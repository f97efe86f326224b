package venue

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fold turns the full-width forms of ASCII (U+FF01–U+FF5E) and the ideographic
// space into ASCII. Not NFKC, which would also rewrite characters of names.
func Fold(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '\uFF01' && r <= '\uFF5E':
			return r - '\uFF01' + '!'
		case r == '\u3000':
			return ' '
		}
		return r
	}, s)
}

// upper raises ASCII letters only: unicode.ToUpper would make an I of a
// Turkish dotless ı and an S of ſ, and let look-alikes into identifiers.
func upper(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
}

// compact folds an identifier, raises it and drops the blanks and hyphens
// that people put between its groups.
func compact(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || isHyphen(r) {
			return -1
		}
		return r
	}, upper(Fold(s)))
}

// isHyphen also knows the dashes (U+2010–U+2015) and the minus sign that word
// processors make of a hyphen.
func isHyphen(r rune) bool { return r == '-' || r >= '\u2010' && r <= '\u2015' || r == '\u2212' }

// isMiddleDot tells the dots that keyboards and word processors put where
// names and plates have a U+00B7.
func isMiddleDot(r rune) bool { return r == '·' || r == '•' || r == '‧' || r == '・' }

// invisible lists what has no place in a name: controls, bidi marks, tags,
// zero-width and other characters that print nothing. Two names that look the
// same must be the same.
var invisible = []*unicode.RangeTable{
	unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp,
	unicode.Other_Default_Ignorable_Code_Point,
	unicode.Variation_Selector,
	unicode.Noncharacter_Code_Point,
}

const brailleBlank = '\u2800'

// legible tells whether s is UTF-8 in which every character can be seen.
func legible(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r == utf8.RuneError || r == brailleBlank || unicode.In(r, invisible...) {
			return false
		}
	}
	return true
}
