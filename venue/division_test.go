package venue

import "testing"

func TestParseDivision(t *testing.T) {
	for _, c := range []struct {
		name, in, reason string
		level            DivisionLevel
	}{
		{"province", "410000", "", LevelProvince},
		{"province ending in 0", "500000", "", LevelProvince},
		{"prefecture", "410400", "", LevelPrefecture},
		{"prefecture ending in 0", "411000", "", LevelPrefecture},
		{"county", "410482", "", LevelCounty},
		{"county in nine digits", "410482000", "", LevelCounty},
		{"county in twelve digits", "410482000000", "", LevelCounty},
		{"province in twelve digits", "410000000000", "", LevelProvince},
		{"township", "410482001", "", LevelTownship},
		{"township in twelve digits", "410482100000", "", LevelTownship},
		{"village", "410482100201", "", LevelVillage},
		{"Hong Kong", "810000", "", LevelProvince},
		{"province 10", "100000", "shape", 0},
		{"province 66", "660000", "shape", 0},
		{"province 83 is only on permits", "830000", "shape", 0},
		{"five digits", "41048", "shape", 0},
		{"seven digits", "4104821", "shape", 0},
		{"ten digits", "4104821000", "shape", 0},
		{"letters", "41O482", "shape", 0},
		{"empty", "", "shape", 0},
	} {
		got, err := ParseDivision(c.in)
		wantInvalid(t, c.name, err, "division", c.reason)
		if got.Level() != c.level {
			t.Errorf("%s: level %d, want %d", c.name, got.Level(), c.level)
		}
	}
	if got, err := ParseDivision("　４１０４８２ "); got != "410482" || err != nil {
		t.Errorf("full-width with blanks: got %q, %v", got, err)
	}
}

func TestDivisionContains(t *testing.T) {
	for _, c := range []struct {
		d, o Division
		want bool
	}{
		{"410000", "410482", true},
		{"410000", "410400", true},
		{"410000", "410482100201", true},
		{"410400", "410482", true},
		{"410482", "410482", true},
		{"410482", "410482100", true},
		{"410482", "410482000000", true},
		{"410482000000", "410482", true},
		{"410482100", "410482100201", true},
		{"410482100000", "410482100201", true},
		{"500000", "500101", true},

		{"410482", "410400", false},
		{"410400", "410000", false},
		{"410482", "410481", false},
		{"410400", "411000", false},
		{"410000", "420000", false},
		{"410482100", "410482", false},
		{"410482100201", "410482100", false},
		{"410482100201", "410482100202", false},
		{"", "410482", false},
		{"", "", false},
		{"41", "410482", false},
		{"410000", "", false},
		{"410000", "41", false},
	} {
		if got := c.d.Contains(c.o); got != c.want {
			t.Errorf("%q contains %q: %v, want %v", c.d, c.o, got, c.want)
		}
	}
}

func FuzzDivision(f *testing.F) {
	f.Add("410000", "410482", "410482100201")
	f.Add("410482000000", "410482", "４１０４８２１００")
	f.Fuzz(func(t *testing.T, x, y, z string) {
		a, err := ParseDivision(x)
		if err != nil {
			return
		}
		if again, err := ParseDivision(string(a)); again != a || err != nil {
			t.Errorf("%q parsed again: %q, %v", a, again, err)
		}
		if !a.Contains(a) {
			t.Errorf("%q does not contain itself", a)
		}
		b, c := Division(y), Division(z)
		if a.Contains(b) && a.Level() > b.Level() {
			t.Errorf("%q contains the larger %q", a, b)
		}
		if a.Contains(b) && b.Contains(c) && !a.Contains(c) {
			t.Errorf("%q contains %q contains %q, but the first not the last", a, b, c)
		}
	})
}
