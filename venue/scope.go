package venue

import (
	"slices"
	"strings"
)

// ScopeKind is how a role sees the city.
type ScopeKind uint8

// The kinds. The zero kind sees no business data at all.
const (
	ScopeNone      ScopeKind = iota
	ScopeTerritory           // 属地: everything in its divisions
	ScopeSector              // 行业: its sectors, inside its divisions
	ScopeUnit                // one unit
)

// Scope is the part of the city that a login may know of. No repository answers
// without one, and what lies outside it is not found. Nobody can change or store
// what is inside; the zero Scope covers nothing.
type Scope struct {
	kind      ScopeKind
	divisions []Division
	sectors   []string
	unit      UnitID
}

// NewScope makes a Scope. Only package access may call it, from a login that it
// has checked: a scope made anywhere else would be a permission nobody gave.
//
// What a kind does not read is dropped: a unit's scope has no divisions.
func NewScope(kind ScopeKind, divisions []Division, sectors []string, unit UnitID) Scope {
	switch kind {
	case ScopeTerritory:
		return Scope{kind: kind, divisions: slices.Clone(divisions)}
	case ScopeSector:
		return Scope{kind: kind, divisions: slices.Clone(divisions), sectors: slices.Clone(sectors)}
	case ScopeUnit:
		return Scope{kind: kind, unit: unit}
	}
	return Scope{}
}

// Covers tells whether u may be known. A unit's scope covers that unit alone:
// who asks for its descendants asks by way of it.
func (s Scope) Covers(u Unit) bool {
	switch s.kind {
	case ScopeTerritory:
		return s.reaches(u.Division)
	case ScopeSector:
		return s.reaches(u.Division) && slices.ContainsFunc(u.Sectors, s.oversees)
	case ScopeUnit:
		return s.unit != "" && u.ID == s.unit
	}
	return false
}

// CoversDivision tells whether everything in d may be known. A regulator's
// scope covers no division, only its sectors in one: see CoversSector.
func (s Scope) CoversDivision(d Division) bool {
	return s.kind == ScopeTerritory && s.reaches(d)
}

// Territory lists the divisions of which everything may be known. Only a
// territory's scope has any.
func (s Scope) Territory() []Division {
	if s.kind != ScopeTerritory {
		return nil
	}
	return slices.Clone(s.divisions)
}

// Divisions lists those that everything in scope lies in, in order and none within
// another. A unit's scope has none.
func (s Scope) Divisions() (list []Division) {
	_, stems := s.Reach()
	for _, stem := range stems {
		list = append(list, Division(widen(stem)))
	}
	return list
}

// CoversSector tells whether everything of a sector in d may be known.
func (s Scope) CoversSector(d Division, sector string) bool {
	return s.CoversDivision(d) || s.kind == ScopeSector && s.reaches(d) && s.oversees(sector)
}

// Admits tells whether a question about a sector in d asks for nothing that is
// out of scope. "" as either stands for all of it that is in scope.
func (s Scope) Admits(d Division, sector string) bool {
	switch s.kind {
	case ScopeTerritory:
		return d == "" || s.reaches(d)
	case ScopeSector:
		return (d == "" || s.reaches(d)) && (sector == "" || s.oversees(sector))
	}
	return false
}

// Reach is where a repository looks, so that it need not look everywhere: at the
// one unit of a unit's scope, or where division codes begin like one of stems,
// which are in order and none within another. Only Covers says what may be known
// of what is found there.
func (s Scope) Reach() (unit UnitID, stems []string) {
	if s.kind == ScopeUnit {
		return s.unit, nil
	}
	for _, d := range s.divisions {
		if stem := d.stem(); stem != "" {
			stems = append(stems, stem)
		}
	}
	slices.Sort(stems)
	outer := stems[:0]
	for _, stem := range stems { // what lies within another comes right behind it
		if n := len(outer); n == 0 || !strings.HasPrefix(stem, outer[n-1]) {
			outer = append(outer, stem)
		}
	}
	return "", outer
}

// IsZero tells whether s covers nothing.
func (s Scope) IsZero() bool { return s.kind == ScopeNone }

func (s Scope) reaches(d Division) bool {
	return slices.ContainsFunc(s.divisions, func(own Division) bool { return own.Contains(d) })
}

// oversees: an empty name is no sector, whatever a careless list says.
func (s Scope) oversees(sector string) bool {
	return sector != "" && slices.Contains(s.sectors, sector)
}
