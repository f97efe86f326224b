package city

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/venuecode/venuecode/configs"
	"github.com/venuecode/venuecode/venue"
)

func TestTheDefaultCityIsWhole(t *testing.T) {
	c := Default()
	r, err := c.Registered(rand.Reader, time.Unix(0, 0), func(venue.GroupID) ([]byte, error) { return []byte("k"), nil })
	if err != nil {
		t.Fatal(err)
	}
	classes := map[venue.Category]int{}
	for _, v := range r.Venues {
		classes[v.Category]++
	}
	if len(r.Units) < 35 || len(r.Doors) < 110 || len(classes) != 6 {
		t.Errorf("got %d units, %d doors, %d classes; want about 40, 120 and all six", len(r.Units), len(r.Doors), len(classes))
	}
	codes := map[venue.Code]bool{}
	for _, d := range r.Doors {
		codes[d.Code] = true
	}
	if len(codes) != len(r.Doors) {
		t.Error("two doors share a code")
	}
}

func TestResidentsHavePapersThatPassAndThatNobodyElseHas(t *testing.T) {
	people := People("419981", 60_000, 1)
	ids, phones := map[string]bool{}, map[string]bool{}
	for i, p := range people {
		if ids[p.IDNumber] || phones[p.Phone] {
			t.Fatalf("resident %d shares papers with another", i)
		}
		ids[p.IDNumber], phones[p.Phone] = true, true
		if i%50 != 0 {
			continue
		}
		if _, err := venue.ParseIDNumber(p.IDNumber, venue.DayOf(time.Date(2022, 5, 18, 0, 0, 0, 0, time.UTC))); err != nil {
			t.Fatalf("resident %d: ID number: %v", i, err)
		}
		if _, err := venue.ParsePhone(p.Phone); err != nil {
			t.Fatalf("resident %d: phone: %v", i, err)
		}
		if _, err := venue.ParsePersonName(p.Name); err != nil {
			t.Fatalf("resident %d: name: %v", i, err)
		}
	}
}

func TestAFaultyCityFileNamesEveryFault(t *testing.T) {
	_, err := Parse([]byte(`
name: 测试市
division: "99"
units:
  - {name: 甲局, group: g1, duty: sometimes, parent: 乙局, venues: [{name: 大院, category: 9, division: "419981", hours: 8点开门, doors: []}]}
  - {name: 甲局分局, group: g1, duty: reports, division: "41998"}
`))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"division", "no group", "sometimes", "no unit", "category 9", "doors and address", "hours: shape", "is part of", "甲局分局: division"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %q: %v", want, err)
		}
	}
}

func TestTheCityLiesInHenan(t *testing.T) {
	list, err := configs.Divisions().With(Default().Divisions()...)
	if err != nil {
		t.Fatal(err)
	}
	if got := list.FullName("419981001"); got != "河南省青禾市洗月街道" {
		t.Errorf("got %q", got)
	}
	for _, u := range Default().Units {
		for _, v := range u.Venues {
			if list.Name(v.Division) == "" {
				t.Errorf("%s lies in %s, which is not listed", v.Name, v.Division)
			}
		}
	}
}
