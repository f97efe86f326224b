package store_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

func TestAnOfficeKnowsItsGroupsAndThoseAroundIt(t *testing.T) {
	ctx := t.Context()
	o := newOffice(t, openStore(t))
	for _, c := range []struct {
		name  string
		scope venue.Scope
		want  string
	}{
		{"a town", townA, "ga gall"},
		{"the other", townB, "gall gb"},
		{"the county", county, "ga gall gb"},
		{"a sector", schools, "ga"},
		{"a unit", unitA, ""},
		{"nobody", nobody, ""},
	} {
		groups, err := o.Groups(ctx, c.scope)
		var ids []string
		for _, g := range groups {
			ids = append(ids, string(g.ID))
		}
		if got := strings.Join(ids, " "); err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
		for _, id := range []venue.GroupID{"ga", "gall", "gb"} {
			_, err := o.Group(ctx, c.scope, id)
			if slices.Contains(ids, string(id)) != (err == nil) || err != nil && !errors.Is(err, store.ErrOutOfScope) {
				t.Errorf("%s: group %s: %v", c.name, id, err)
			}
		}
	}
	if units, err := o.UnitsOf(ctx, county, "ga"); err != nil || ids(units) != "a kid" { // one is in another county
		t.Errorf("%s, %v", ids(units), err)
	}
	if _, err := o.UnitsOf(ctx, townB, "ga"); !errors.Is(err, store.ErrOutOfScope) {
		t.Error(err)
	}
}

func TestAGroupIsEnteredOnce(t *testing.T) {
	ctx := t.Context()
	r := store.NewRegistry(openStore(t), newClock(noon))
	g := venue.Group{ID: "g", Name: "一个群", Division: "410482", Webhook: []byte("sealed")}
	if err := r.AddGroup(ctx, g); err != nil {
		t.Fatal(err)
	}
	if err := r.AddGroup(ctx, venue.Group{ID: "g", Name: "另一个群"}); !errors.Is(err, venue.ErrExists) {
		t.Error(err)
	}
	if err := r.ChangeGroup(ctx, "g", func(g *venue.Group) { g.Name = "改名" }); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Group(ctx, "g"); err != nil || got.Name != "改名" || string(got.Webhook) != "sealed" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := r.ChangeGroup(ctx, "none", func(*venue.Group) {}); !errors.Is(err, venue.ErrNotFound) {
		t.Error(err)
	}
}

// TestTheUngroupedAreListedWhileTheyJoin reads page by page and puts half of each
// page into a group: nobody is left out, and nobody's territory or duty is read in
// vain.
func TestTheUngroupedAreListedWhileTheyJoin(t *testing.T) {
	ctx := t.Context()
	e := &yielding{Engine: openStore(t)}
	b := newBureau(t, e)
	on := venue.DayOf(noon)
	var all, want []venue.Unit
	for i := range 240 {
		u := venue.Unit{ID: venue.UnitID(fmt.Sprintf("u%03d", i*37%240)), Division: []venue.Division{"410482001", "410482002", "410483"}[i%3], Duty: venue.DutyExempt}
		switch i / 3 % 8 {
		case 0:
			u.Duty, u.Group = venue.DutyReports, "g"
		case 1:
			u.Duty = venue.DutyCovered
		case 2:
			u.Group, u.DutyUntil = "g", on-1 // due again
		case 3:
			u.Status = venue.StatusClosed
		case 4:
			u.DutyUntil = on // its last day
		case 5:
			u.DutyUntil = on - 1
		}
		all = append(all, u)
		if k := i / 3 % 8; k > 4 && u.Division != "410483" {
			want = append(want, u)
		}
	}
	put(t, b.registry, store.Registered{Units: all})
	o := b.register.Show(store.NewOffice(e, b.registry))
	var got []venue.Unit
	e.n = 0
	for after, more := venue.UnitID(""), true; more; {
		var page []venue.Unit
		var err error
		if page, more, err = o.Ungrouped(ctx, county, on, after, 7); err != nil {
			t.Fatal(err)
		}
		got, after = append(got, page...), page[len(page)-1].ID
		read := e.n
		for i := 0; i < len(page); i += 2 {
			if _, err := b.JoinGroup(ctx, page[len(page)-1-i].ID, "g", officer); err != nil {
				t.Fatal(err)
			}
		}
		e.n = read
	}
	slices.SortFunc(want, func(a, b venue.Unit) int {
		return cmp.Or(cmp.Compare(a.Division, b.Division), cmp.Compare(a.ID, b.ID))
	})
	if ids(got) != ids(want) {
		t.Errorf("the pages are %s, want %s", ids(got), ids(want))
	}
	if most := 2 * 10 * 5 * 2; e.n > most { // closed and exempt for a day are read too, and one behind each page
		t.Errorf("%d read, at most %d are exempt, ungrouped and in reach", e.n, most)
	}
	for _, scope := range []venue.Scope{nobody, unitA} {
		if page, _, err := o.Ungrouped(ctx, scope, on, "", 7); err != nil || len(page) > 0 {
			t.Errorf("%v, %v", page, err)
		}
	}
}

// TestWhoIsAbove: a unit is covered by the nearest above that is not covered itself,
// if that reports, and nobody covers themselves.
func TestWhoIsAbove(t *testing.T) {
	ctx := t.Context()
	b := newBureau(t, openStore(t))
	put(t, b.registry, store.Registered{Units: []venue.Unit{
		{ID: "top", Duty: venue.DutyReports, Group: "g"},
		{ID: "middle", Parent: "top", Duty: venue.DutyCovered},
		{ID: "shop", Parent: "middle", Duty: venue.DutyExempt},
		{ID: "idle", Duty: venue.DutyExempt},
		{ID: "stall", Parent: "idle", Duty: venue.DutyExempt},
		{ID: "alone", Duty: venue.DutyExempt},
		{ID: "x", Parent: "y", Duty: venue.DutyReports, Group: "g"}, {ID: "y", Parent: "x", Duty: venue.DutyCovered},
	}})
	for unit, ok := range map[venue.UnitID]bool{"shop": true, "stall": false, "alone": false, "x": false} {
		_, err := b.Cover(ctx, unit, officer)
		if ok != (err == nil) || err != nil && !errors.Is(err, venue.ErrConflict) {
			t.Errorf("%s: %v", unit, err)
		}
		u, err := b.register.Unit(ctx, unit)
		if err != nil || (u.Duty == venue.DutyCovered) != ok {
			t.Errorf("%s: %+v, %v", unit, u, err)
		}
	}
	for _, until := range []venue.Day{venue.DayOf(noon) - 1, venue.DayOf(noon) + 367} {
		if _, err := b.Exempt(ctx, "alone", until, officer); !errors.Is(err, venue.ErrInvalid) {
			t.Error(err)
		}
	}
	if _, err := b.Exempt(ctx, "alone", venue.DayOf(noon), officer); err != nil {
		t.Error(err)
	}
	// Behind the deadline nobody is excused any more who was missing at it.
	b.Late = func(d venue.Day, at time.Time) bool { return d == venue.DayOf(noon) && at.Equal(noon) }
	if _, err := b.Exempt(ctx, "top", venue.DayOf(noon), officer); !errors.Is(err, venue.ErrInvalid) {
		t.Error(err)
	}
	if _, err := b.Exempt(ctx, "top", venue.DayOf(noon)+1, officer); err != nil {
		t.Error(err)
	}
	if u, err := b.register.Unit(ctx, "top"); err != nil || u.DutyOn(venue.DayOf(noon)) != venue.DutyReports || u.DutyOn(venue.DayOf(noon)+1) != venue.DutyExempt {
		t.Errorf("%+v, %v", u, err)
	}
	if u, err := b.register.Unit(ctx, "alone"); err != nil || u.DutyReason != officer.Reason || u.DutyUntil != venue.DayOf(noon) || u.Changes != 1 {
		t.Errorf("%+v, %v", u, err)
	}
}
