package venue

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// PersonName is the name of a person. It prints as the first character and a
// star: 张*.
type PersonName struct{ private }

// nameMax is in characters: 25 Chinese ones occur, and passports have longer
// names in Latin letters (rulings I3).
const nameMax = 50

// ParsePersonName reads a name: blanks beside a Chinese character dropped
// (张　三 in tables), others single; • ‧ ・ ． between two parts made ·;
// full-width Latin folded; case kept. Reasons: "character" (control, bidi, tag
// or zero-width, or not UTF-8), "length" (none or more than 50 characters),
// "shape" (only digits and signs).
//
// Composed input (NFC) is expected; the surface that takes the name composes
// it first, since the standard library can not.
func ParsePersonName(s string) (PersonName, error) {
	s = strings.TrimSpace(s)
	if !legible(s) {
		return PersonName{}, &Invalid{Field: "name", Reason: "character"}
	}
	s = Fold(dotParts(tighten(s)))
	if n := utf8.RuneCountInString(s); n == 0 || n > nameMax {
		return PersonName{}, &Invalid{Field: "name", Reason: "length"}
	}
	if !strings.ContainsFunc(s, isNamePart) {
		return PersonName{}, &Invalid{Field: "name", Reason: "shape"}
	}
	_, first := utf8.DecodeRuneInString(s)
	return PersonName{conceal(s, s[:first]+"*")}, nil
}

// isNamePart goes by what a part of a name is not, because rare Chinese
// characters live in the private use area or are newer than Go's tables.
func isNamePart(r rune) bool {
	return !unicode.In(r, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.M)
}

// tighten makes runs of blanks one blank, and none beside a Chinese character.
func tighten(s string) string {
	words := strings.Fields(s)
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			last, _ := utf8.DecodeLastRuneInString(words[i-1])
			next, _ := utf8.DecodeRuneInString(w)
			if !unicode.In(last, unicode.Han) && !unicode.In(next, unicode.Han) {
				b.WriteByte(' ')
			}
		}
		b.WriteString(w)
	}
	return b.String()
}

// dotParts writes the dot between two parts of a name as U+00B7. It runs
// before Fold, which would make a full stop of ．
func dotParts(s string) string {
	rs := []rune(s)
	part := func(i int) bool {
		if i < 0 || i >= len(rs) {
			return false
		}
		r := rs[i]
		return isNamePart(r) || unicode.IsMark(r) || r >= firstRadical && r <= lastRadical
	}
	for i, r := range rs {
		if (isMiddleDot(r) || r == '．') && part(i-1) && part(i+1) {
			rs[i] = '·'
		}
	}
	return string(rs)
}

// ParseTitle reads the public name of a unit, venue or door, or an address:
// full-width ASCII folded, trimmed, least to most characters. field names it in
// the *Invalid. Reasons: "character" (as in ParsePersonName), "length", "mixed" (a
// word of letters that only look as if they belonged together).
func ParseTitle(field, s string, least, most int) (string, error) {
	s = strings.TrimSpace(Fold(s))
	if !legible(s) {
		return "", &Invalid{Field: field, Reason: "character"}
	}
	if n := utf8.RuneCountInString(s); n < least || n > most {
		return "", &Invalid{Field: field, Reason: "length"}
	}
	if mixed(s) {
		return "", &Invalid{Field: field, Reason: "mixed"}
	}
	return s, nil
}
