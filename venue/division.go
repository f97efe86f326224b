package venue

import (
	"slices"
	"strings"
)

// Division is the code of an administrative division 行政区划: six digits (GB/T
// 2260), nine with the township, twelve with the village. Trailing zeros stand
// for a larger division: 410000 is a province, 410400 a prefecture, and
// 410482000000 the same county as 410482.
type Division string

// DivisionLevel tells how large a division is.
type DivisionLevel int

// The levels, from large to small; 0 is what is not a division.
const (
	LevelProvince DivisionLevel = 1 + iota
	LevelPrefecture
	LevelCounty
	LevelTownship
	LevelVillage
)

// ParseDivision reads a code of 6, 9 or 12 digits. Whether there is such a
// division only the list of divisions knows. The reason of a refusal is
// "shape".
func ParseDivision(s string) (Division, error) {
	s = strings.TrimSpace(Fold(s))
	if !isDivision(s) {
		return "", &Invalid{Field: "division", Reason: "shape"}
	}
	return Division(s), nil
}

// Level tells how large d is.
func (d Division) Level() DivisionLevel {
	return DivisionLevel(max(slices.Index(levelDigits[:], len(d.stem())), 0))
}

// At is the division of a level that d lies in, and d itself if it is no smaller
// than that. One division has one result, however many zeros its code ends in.
func (d Division) At(level DivisionLevel) Division {
	stem := d.stem()
	if stem == "" || level < LevelProvince || level > LevelVillage {
		return d
	}
	stem = stem[:min(len(stem), levelDigits[level])]
	return Division(stem + strings.Repeat("0", max(6-len(stem), 0)))
}

// levelDigits is how many digits a level's code has before its zeros.
var levelDigits = [...]int{0, 2, 4, 6, 9, 12}

// Contains tells whether o is d or lies in it. What is not a division contains
// nothing and lies nowhere: a scope that was never set must not see everything.
func (d Division) Contains(o Division) bool {
	return d.Level() != 0 && o.Level() != 0 && strings.HasPrefix(string(o), d.stem())
}

// Range is where, in the order of their bytes, the codes lie of d and of all in
// it: from ≤ code < to. What is not a division has an empty one.
func (d Division) Range() (from, to string) {
	if from = d.stem(); from == "" {
		return "", ""
	}
	return from, from + ":" // the byte behind the digits
}

// stem is the part of the code that all codes in d begin with, "" when d is
// not a division.
func (d Division) stem() string {
	s := string(d)
	if !isDivision(s) {
		return ""
	}
	if len(s) == 12 {
		s = strings.TrimSuffix(s, "000")
	}
	if len(s) == 9 {
		s = strings.TrimSuffix(s, "000")
	}
	if len(s) == 6 {
		s = strings.TrimSuffix(s, "00")
	}
	if len(s) == 4 {
		s = strings.TrimSuffix(s, "00")
	}
	return s
}

// isDivision is no regular expression because Contains runs once a row.
func isDivision(s string) bool {
	if len(s) != 6 && len(s) != 9 && len(s) != 12 || !isDigits(s) {
		return false
	}
	province := s[:2]
	return province >= "11" && province <= "65" || province == "71" || province == "81" || province == "82"
}
