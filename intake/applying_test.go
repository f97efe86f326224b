package intake_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/intake"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// asking is a town in which a unit applies, and whoever answers for it. Small places
// need no officer.
func asking(t *testing.T) (*town, registry.Sender) {
	t.Helper()
	c := newTown(t)
	c.desk.Applying = &registry.Service{Applications: c.desk.Register, Book: c.desk.Register, Blanks: c.desk.Register, Random: rand.Reader, Clock: clock,
		Policy: registry.Policy{Auto: []venue.Category{venue.CategorySmallPlace}}}
	take(t, c.desk, "units", unitHead+"青禾商场,"+uscc(1)+",,419981001,,,,\n青禾分店,"+uscc(2)+",青禾商场,419981001,,,,\n", intake.Options{})
	u, err := c.desk.Register.UnitOf(t.Context(), venue.USCC(uscc(1)))
	if err != nil {
		t.Fatal(err)
	}
	return c, registry.Sender{Channel: "import", Account: "mall", Unit: u.ID}
}

func askedFor() string {
	var b strings.Builder
	b.WriteString(venueHead)
	for i, of := range []struct {
		uscc     string
		category string
	}{{uscc(1), "五"}, {uscc(1), "二"}, {uscc(2), "五"}, {uscc(1), "五"}} {
		fmt.Fprintf(&b, "%s,第%d店,,%s,文昌路1号,正门、后门,,,,司马青黛,13900000002\n", of.uscc, i, of.category)
	}
	return b.String()
}

// TestAUnitsFileThatWasCutOffIsCompleted ends the process at each insertion of a
// file, and takes it again.
func TestAUnitsFileThatWasCutOffIsCompleted(t *testing.T) {
	text := askedFor()
	whole, from := asking(t)
	take(t, whole.desk, "venues", text, intake.Options{From: from})
	want := whole.counts()
	if got := fmt.Sprint(whole.all(store.Applications), whole.all(store.Venues)); got != "4 2" {
		t.Fatalf("applications and venues: %s", got)
	}
	for cut := int64(0); ; cut++ {
		c, from := asking(t)
		c.engine.left.Store(cut)
		_, err := intake.Take(t.Context(), kindOf("venues"), strings.NewReader(text), int64(len(text)), c.desk, intake.Options{From: from, Today: today})
		if err != nil && !errors.Is(err, venue.ErrUnavailable) {
			t.Fatal(err)
		}
		ended := err != nil
		c.engine.left.Store(-1)
		for range 2 {
			if r := take(t, c.desk, "venues", text, intake.Options{From: from}); r.Bad > 0 {
				t.Fatalf("cut at %d: %+v", cut, r)
			}
			if _, err := c.desk.Applying.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := c.counts(); got != want {
			t.Errorf("cut at %d:\n%s\nwant\n%s", cut, got, want)
		}
		if !ended {
			if cut < 10 {
				t.Errorf("%d insertions are not the whole file", cut)
			}
			return
		}
	}
}

// TestUnitsInACircleHaveNoEnd: whose parent is below them is nobody's.
func TestUnitsInACircleHaveNoEnd(t *testing.T) {
	c, from := asking(t)
	err := c.registry.Put(t.Context(), store.Registered{Units: []venue.Unit{
		{ID: "x", Name: "甲行", USCC: venue.USCC(uscc(7)), Division: "419981001", Parent: "y"},
		{ID: "y", Name: "乙行", USCC: venue.USCC(uscc(8)), Division: "419981001", Parent: "x"},
		{ID: "z", Name: "丙行", USCC: venue.USCC(uscc(9)), Division: "419981001", Parent: "gone"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(askedFor(), uscc(1), uscc(7)) + fmt.Sprintf("%s,店,,五,文昌路1号,正门,,,,司马青黛,13900000002\n", uscc(9))
	if r := take(t, c.desk, "venues", text, intake.Options{From: from, Partial: true}); r.Bad != 4 || r.OK != 1 {
		t.Errorf("%+v", r)
	}
}
