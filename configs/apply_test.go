package configs

import (
	"slices"
	"testing"
)

func TestChannelsAreThoseOfTheNarrowestDivision(t *testing.T) {
	c, err := LoadBytes("test", []byte("test: true\napply:\n  channels:\n    \"410482\": {市级: 大厅}\n    \"410482001\": {乙: 中心, 甲: \"https://example.org/a\"}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for division, want := range map[string][]Channel{
		"410482001003": {{"乙", "中心"}, {"甲", "https://example.org/a"}}, "410482002": {{"市级", "大厅"}}, "410483": nil,
	} {
		if got := c.Apply.For(division); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", division, got, want)
		}
	}
}
