package venue

import (
	"slices"
	"testing"
)

func TestScope(t *testing.T) {
	school := Unit{ID: "u1", Division: "410482001", Sectors: []string{"教育"}}
	clinic := Unit{ID: "u2", Parent: "u1", Division: "410482002", Sectors: []string{"卫健", ""}}
	bare := Unit{ID: "u3", Division: "410482001"}
	nowhere := Unit{ID: "", Sectors: []string{"教育", ""}}
	county := []Division{"410482"}
	for _, c := range []struct {
		name                           string
		scope                          Scope
		school, clinic, bare           bool
		wholeCounty, township, inCount bool // division 410482, division 410482001, 教育 in 410482
	}{
		{"the zero scope covers nothing", Scope{}, false, false, false, false, false, false},
		{"no kind, whatever else is given", NewScope(ScopeNone, county, []string{"教育"}, "u1"), false, false, false, false, false, false},
		{"an unknown kind", NewScope(99, county, []string{"教育"}, "u1"), false, false, false, false, false, false},
		{"a county covers all in it", NewScope(ScopeTerritory, county, nil, ""), true, true, true, true, true, true},
		{"a township covers itself", NewScope(ScopeTerritory, []Division{"410482001"}, nil, ""), true, false, true, false, true, false},
		{"two townships are not the county", NewScope(ScopeTerritory, []Division{"410482001", "410482002"}, nil, ""), true, true, true, false, true, false},
		{"no division covers nothing", NewScope(ScopeTerritory, nil, nil, ""), false, false, false, false, false, false},
		{"an empty division covers nothing", NewScope(ScopeTerritory, []Division{""}, nil, ""), false, false, false, false, false, false},
		{"another county", NewScope(ScopeTerritory, []Division{"410481"}, nil, ""), false, false, false, false, false, false},
		{"a regulator covers its sector", NewScope(ScopeSector, county, []string{"教育"}, ""), true, false, false, false, false, true},
		{"a regulator of nothing", NewScope(ScopeSector, county, nil, ""), false, false, false, false, false, false},
		{"an empty sector matches no empty sector", NewScope(ScopeSector, county, []string{""}, ""), false, false, false, false, false, false},
		{"a regulator without a territory", NewScope(ScopeSector, nil, []string{"教育"}, ""), false, false, false, false, false, false},
		{"a unit covers itself alone", NewScope(ScopeUnit, county, []string{"卫健"}, "u1"), true, false, false, false, false, false},
		{"no unit covers nothing", NewScope(ScopeUnit, county, []string{"教育"}, ""), false, false, false, false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.scope
			for _, g := range []struct {
				what      string
				got, want bool
			}{
				{"school", s.Covers(school), c.school},
				{"clinic", s.Covers(clinic), c.clinic},
				{"unit without sector", s.Covers(bare), c.bare},
				{"a unit without id or division", s.Covers(nowhere), false},
				{"the county", s.CoversDivision("410482"), c.wholeCounty},
				{"the township", s.CoversDivision("410482001"), c.township},
				{"no division", s.CoversDivision(""), false},
				{"a sector of the county", s.CoversSector("410482", "教育"), c.inCount},
			} {
				if g.got != g.want {
					t.Errorf("covers %s: got %v, want %v", g.what, g.got, g.want)
				}
			}
		})
	}
}

func TestScopeIsNotChangedThroughWhatItWasMadeOf(t *testing.T) {
	divisions := []Division{"410482001"}
	s := NewScope(ScopeTerritory, divisions, nil, "")
	divisions[0] = "410000"
	if s.CoversDivision("410482") {
		t.Error("a scope grew after it was made")
	}
}

func TestReachIsNoLargerThanItMustBe(t *testing.T) {
	for _, c := range []struct {
		name  string
		scope Scope
		unit  UnitID
		stems []string
	}{
		{"the zero scope reaches nothing", Scope{}, "", nil},
		{"one within another is not looked at twice", NewScope(ScopeTerritory, []Division{"410482003", "410481", "410482000", "410482001002"}, nil, ""), "", []string{"410481", "410482"}},
		{"neighbours stay two", NewScope(ScopeSector, []Division{"410482002", "410482001"}, []string{"教育"}, ""), "", []string{"410482001", "410482002"}},
		{"a province", NewScope(ScopeTerritory, []Division{"410400", "410000"}, nil, ""), "", []string{"41"}},
		{"what is not a division", NewScope(ScopeTerritory, []Division{"", "9", "410482"}, nil, ""), "", []string{"410482"}},
		{"a unit", NewScope(ScopeUnit, []Division{"410482"}, nil, "u1"), "u1", nil},
	} {
		unit, stems := c.scope.Reach()
		if unit != c.unit || !slices.Equal(stems, c.stems) {
			t.Errorf("%s: %q, %q", c.name, unit, stems)
		}
	}
}

func TestOnlyATerritoryIsListed(t *testing.T) {
	here := []Division{"410482001", "410482002"}
	for kind, want := range map[ScopeKind][]Division{ScopeNone: nil, ScopeTerritory: here, ScopeSector: nil, ScopeUnit: nil} {
		if got := NewScope(kind, here, []string{"教育"}, "u1").Territory(); !slices.Equal(got, want) {
			t.Errorf("kind %d lists %v, want %v", kind, got, want)
		}
	}
	s := NewScope(ScopeTerritory, here, nil, "")
	s.Territory()[0] = "410000"
	if s.CoversDivision("410000") {
		t.Error("a scope grew through its list")
	}
}

func TestTheDivisionsOfAScope(t *testing.T) {
	for _, c := range []struct {
		name  string
		scope Scope
		want  []Division
	}{
		{"the zero scope has none", Scope{}, nil},
		{"a unit's has none", NewScope(ScopeUnit, []Division{"410482"}, nil, "u1"), nil},
		{"one within another goes, whatever its zeros", NewScope(ScopeTerritory, []Division{"410482001", "410400", "410482000000"}, nil, ""), []Division{"410400"}},
		{"a regulator's are in order", NewScope(ScopeSector, []Division{"410482002000", "410482001", "bad"}, []string{"教育"}, ""), []Division{"410482001", "410482002"}},
		{"a province", NewScope(ScopeTerritory, []Division{"410000"}, nil, ""), []Division{"410000"}},
	} {
		if got := c.scope.Divisions(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
