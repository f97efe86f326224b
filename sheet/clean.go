package sheet

import (
	"strings"
	"unicode"
)

// Programs that open a sheet, or a .csv made of one, run what begins like a
// formula. An apostrophe before it stops that, and is what a person would type;
// one is put before and one taken away, so that a value which has some itself
// comes back as it was.

// signs begin a formula, some of them only where full-width forms are typed.
const signs = "=+-@＝＋－＠﹦﹢﹣﹫\u2212"

// disarm makes a text that runs nowhere.
func disarm(s string) string {
	if runs(s) {
		return "'" + s
	}
	return s
}

// restore undoes disarm.
func restore(s string) string {
	if strings.HasPrefix(s, "'") && runs(s) {
		return s[1:]
	}
	return s
}

// runs tells whether s is a formula, or one behind apostrophes. Blanks do not
// count: some programs drop them.
func runs(s string) bool {
	s = strings.TrimLeft(s, "'")
	if s == "" {
		return false
	}
	if strings.ContainsRune("\t\r\n", rune(s[0])) {
		return true
	}
	s = strings.TrimLeftFunc(s, unicode.IsSpace)
	return strings.IndexAny(s, signs) == 0
}

// clean drops what can not be seen and what XML has no way to write: controls
// but tab and line ends, marks of direction, tags, zero-width characters, fillers.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' {
			return r
		}
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point) {
			return -1
		}
		return r // strings.Map makes U+FFFD of broken UTF-8
	}, s)
}
