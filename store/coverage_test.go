package store_test

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// sheetOf makes rows of forms, numbered from 2 like those below headings.
func sheetOf(forms ...registry.SubjectForm) iter.Seq2[store.SubjectRow, error] {
	return func(yield func(store.SubjectRow, error) bool) {
		for i, f := range forms {
			if !yield(store.SubjectRow{Number: i + 2, Form: f}, nil) {
				return
			}
		}
	}
}

func subjectForm(name, division string) registry.SubjectForm {
	return registry.SubjectForm{Name: name, Division: division, Sector: "教育", Address: "路1号"}
}

func fileOf(forms ...registry.SubjectForm) store.SubjectFile {
	return store.SubjectFile{Rows: sheetOf(forms...), Division: "410482", By: "checker"}
}

func recorded() error { return nil }

// census is a register over the two towns.
type census struct {
	engine   store.Engine
	registry *store.Registry
	office   *store.Office
	register *store.Census
	coverage *store.Coverage
	civil    *handClock
	machine  *handClock
}

func newCensus(t *testing.T, e store.Engine) *census {
	c := &census{engine: e, civil: newClock(noon), machine: newClock(noon)}
	c.registry = store.NewRegistry(e, c.machine)
	c.office, c.register = store.NewOffice(e, c.registry), store.NewCensus(e, c.civil)
	c.coverage = store.NewCoverage(e, c.office, c.register, c.civil, c.machine)
	put(t, c.registry, towns)
	return c
}

func (c *census) importing(t *testing.T, f store.SubjectFile) store.SubjectCounts {
	t.Helper()
	p, err := c.register.Import(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return p.SubjectCounts
}

func (c *census) summary(t *testing.T, scope venue.Scope) registry.Summary {
	t.Helper()
	s, _, err := c.coverage.Summary(t.Context(), scope, registry.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAnImportTakesAllAndDeletesNothing(t *testing.T) {
	c := newCensus(t, openStore(t))
	a, b := subjectForm("甲", "410482001"), subjectForm("乙", "410482002")
	counts := func(n, changed, same, gone int) store.SubjectCounts {
		return store.SubjectCounts{Rows: n + changed + same, OK: n + changed + same, New: n, Changed: changed, Same: same, Gone: gone}
	}
	moved := b
	moved.State = "迁出"
	for _, step := range []struct {
		what  string
		forms []registry.SubjectForm
		want  store.SubjectCounts
		must  int
	}{
		{"the first register", []registry.SubjectForm{a, b}, counts(2, 0, 0, 0), 2},
		{"the same again", []registry.SubjectForm{b, a}, counts(0, 0, 2, 0), 2},
		{"one is not in it any more", []registry.SubjectForm{b}, counts(0, 0, 1, 1), 1},
		{"and still is not", []registry.SubjectForm{b}, counts(0, 0, 1, 0), 1},
		{"it is back, and another has moved", []registry.SubjectForm{a, moved}, counts(0, 2, 0, 0), 1},
	} {
		c.civil.advance(time.Hour)
		plan, err := c.register.Plan(t.Context(), fileOf(step.forms...))
		if err != nil || plan.SubjectCounts != step.want {
			t.Errorf("%s: planned %+v, %v", step.what, plan.SubjectCounts, err)
		}
		f := fileOf(step.forms...)
		f.Mark = plan.Mark
		if got := c.importing(t, f); got != step.want {
			t.Errorf("%s: did %+v", step.what, got)
		}
		if got := c.summary(t, county).Must; got != step.must {
			t.Errorf("%s: %d must, want %d", step.what, got, step.must)
		}
	}
	if rows, err := c.coverage.Imports(t.Context(), county, 3); err != nil || len(rows) != 3 || rows[0].Changed != 2 || !rows[0].At.After(rows[1].At) {
		t.Errorf("imports: %+v, %v", rows, err)
	}
	if rows, err := c.coverage.Imports(t.Context(), townA, 3); err != nil || len(rows) != 0 {
		t.Errorf("a town sees the county's imports: %+v, %v", rows, err)
	}
}

func TestAFileWithABadRowImportsNothingUnlessItMay(t *testing.T) {
	c := newCensus(t, openStore(t))
	c.importing(t, fileOf(subjectForm("旧", "410482001")))
	bad := subjectForm("坏", "410482001")
	bad.USCC = "123"
	f := fileOf(subjectForm("好", "410482001"), bad, subjectForm("外", "410481"), subjectForm("好", "410482001"))
	want := store.SubjectCounts{Rows: 4, OK: 1, Bad: 3, New: 1}
	for _, partial := range []bool{false, true} {
		f.Partial = partial
		p, err := c.register.Import(t.Context(), f)
		if err != nil || p.SubjectCounts != want {
			t.Fatalf("partial %v: %+v, %v", partial, p.SubjectCounts, err)
		}
		if got := fmt.Sprint(p.Faults[0].Row, p.Faults[0], p.Faults[1].Row, p.Faults[1], p.Faults[2].Row, p.Faults[2]); len(p.Faults) != 3 || got != "3 uscc: shape 4 division: outside 5 name: twice" {
			t.Errorf("faults: %s", got)
		}
		must := 1 // what was there is not gone: a bad row may be it
		if partial {
			must = 2
		}
		if got := c.summary(t, county).Must; got != must {
			t.Errorf("partial %v: %d must, want %d", partial, got, must)
		}
	}
}

func TestAnImportIsOfWhatWasLookedAt(t *testing.T) {
	c := newCensus(t, openStore(t))
	f := fileOf(subjectForm("甲", "410482001"))
	plan, err := c.register.Plan(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	c.importing(t, fileOf(subjectForm("乙", "410482001"))) // somebody was faster
	f.Mark = plan.Mark
	if _, err := c.register.Import(t.Context(), f); !errors.Is(err, venue.ErrConflict) {
		t.Errorf("another outcome than the one looked at: %v", err)
	}
	again, err := c.register.Plan(t.Context(), f)
	if err != nil || again.Mark == plan.Mark {
		t.Fatalf("two outcomes have one mark: %v", err)
	}
	f.Mark = again.Mark
	f.Rows = sheetOf(subjectForm("丙", "410482001"))
	if _, err := c.register.Import(t.Context(), f); !errors.Is(err, venue.ErrConflict) {
		t.Errorf("another file than the one looked at: %v", err)
	}
}

func TestAnImportCutAnywhereAndDoneAgainIsWhole(t *testing.T) {
	first := []registry.SubjectForm{subjectForm("甲", "410482001"), subjectForm("乙", "410482001"), subjectForm("丙", "410482002")}
	second := []registry.SubjectForm{first[0], subjectForm("丁", "410482001"), first[2]}
	second[2].State = "注销"
	for n, whole := int64(1), false; !whole; n++ {
		e := &crashing{Engine: openStore(t), torn: n%2 == 0}
		e.calm()
		c := newCensus(t, e)
		c.importing(t, fileOf(first...))
		c.summary(t, county)
		e.left.Store(n)
		_, err := c.register.Import(t.Context(), fileOf(second...))
		whole = err == nil
		if err != nil && !errors.Is(err, venue.ErrUnavailable) {
			t.Fatal(err)
		}
		e.calm()
		c.civil.advance(time.Minute)
		c.importing(t, fileOf(second...))
		fresh := newCensus(t, e).summary(t, county)
		c.machine.advance(time.Hour)
		if got := c.summary(t, county); got.Must != 2 || got.Idle != 2 || !reflect.DeepEqual(got, fresh) {
			t.Errorf("cut at write %d: %+v; read anew %+v", n, got, fresh)
		}
	}
}

// TestALookIsAsGoodAsReadingEverything changes the register at random and holds
// the picture that was kept up against one that is read anew.
func TestALookIsAsGoodAsReadingEverything(t *testing.T) {
	e := openStore(t)
	c := newCensus(t, e)
	c.summary(t, county)
	r := rand.New(rand.NewPCG(1, 2))
	usccs := []string{"91410482MA00000A1A", "91410482MA00000A2X", "91410482MA00000A33", ""}
	name := func(n int) string { return fmt.Sprint("单位", n) }
	for step := range 60 {
		switch r.IntN(6) {
		case 0, 1:
			n := r.IntN(5)
			in := store.Registered{Since: c.civil.Now(), Units: []venue.Unit{{ID: venue.UnitID(fmt.Sprint("u", n)), Name: name(n), USCC: venue.USCC(usccs[r.IntN(4)]), Division: "410482001", Sectors: []string{"教育"}}}}
			put(t, c.registry, in)
		case 2, 3:
			n, posted := r.IntN(5), time.Time{}
			if r.IntN(2) == 0 {
				posted = noon
			}
			v := venue.Venue{ID: venue.VenueID(fmt.Sprint("v", n)), Unit: venue.UnitID(fmt.Sprint("u", r.IntN(5))), Status: []venue.Status{venue.StatusActive, venue.StatusActive, venue.StatusSuspended}[r.IntN(3)]}
			put(t, c.registry, store.Registered{Since: c.civil.Now(), Venues: []venue.Venue{v}, Doors: []venue.Door{{
				Code: venue.Code(fmt.Sprint("D", n)), Venue: v.ID, Unit: v.Unit, Name: "门", Posted: posted,
				Status: []venue.Status{venue.StatusActive, venue.StatusIncomplete, venue.StatusSuspended, venue.StatusActive}[r.IntN(4)],
			}}})
		case 4:
			var forms []registry.SubjectForm
			for i, uscc := range usccs[:r.IntN(4)] {
				forms = append(forms, registry.SubjectForm{Name: name(i), USCC: uscc, Division: "410482001", Sector: "教育"})
			}
			c.importing(t, fileOf(append(forms, subjectForm(name(4), "410482001"))...))
		case 5:
			proposed, _, _, err := c.coverage.Proposals(t.Context(), county, registry.Filter{}, registry.Gapped{}, 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range proposed {
				for _, u := range p.Units {
					if err := c.coverage.Decide(t.Context(), county, p.Gapped.ID, u.ID, r.IntN(2) == 0, "checker", recorded); err != nil && !errors.Is(err, venue.ErrConflict) {
						t.Fatal(err)
					}
				}
			}
		}
		c.civil.advance(time.Second)
		c.machine.advance(3 * time.Second)
		got := c.summary(t, county)
		other := store.NewCoverage(e, c.office, c.register, c.civil, c.machine)
		want, _, err := other.Summary(t.Context(), county, registry.Filter{})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("step %d: kept up\n%+v\nread anew\n%+v, %v", step, got, want, err)
		}
	}
}

// TestALookReadsWhateverAChangeReaches holds the picture against one read anew
// after each kind of change to the registry.
func TestALookReadsWhateverAChangeReaches(t *testing.T) {
	b := newBureau(t, openStore(t))
	office, census := store.NewOffice(b.engine, b.registry), store.NewCensus(b.engine, b.clock)
	open := func() *store.Coverage { return store.NewCoverage(b.engine, office, census, b.clock, b.clock) }
	kept := open()
	looks := func(after string) {
		t.Helper()
		b.clock.advance(3 * time.Second)
		var got [2]registry.Deadline
		var sums [2]registry.Summary
		for i, c := range []*store.Coverage{kept, open()} {
			var err error
			if got[i], _, err = c.Deadline(t.Context(), county, registry.Filter{}, "", b.clock.Now(), registry.Gapped{}, 0); err == nil {
				sums[i], _, err = c.Summary(t.Context(), county, registry.Filter{})
			}
			if err != nil {
				t.Fatal(after, err)
			}
		}
		if !reflect.DeepEqual(got[0], got[1]) || !reflect.DeepEqual(sums[0], sums[1]) {
			t.Errorf("after %s: kept up\n%+v %+v\nread anew\n%+v %+v", after, got[0], sums[0], got[1], sums[1])
		}
	}
	looks("nothing")
	var units []venue.UnitID
	var venues []venue.VenueID
	for n := range 4 {
		f := form(n)
		f.Division, f.Place = "410482001", "410482001"
		if n == 3 {
			f.ParentUSCC = uscc(2)
		}
		a, faults, err := b.Submit(t.Context(), "", f, fromForm)
		if err != nil || len(faults) > 0 {
			t.Fatal(faults, err)
		}
		if a, err = b.Approve(t.Context(), a.ID, officer, false); err != nil {
			t.Fatal(err)
		}
		units, venues = append(units, a.Made.Unit), append(venues, a.Made.Venue)
		looks("an approval")
	}
	ctx := t.Context()
	for _, step := range []struct {
		what   string
		change func() (registry.Change, error)
	}{
		{"a suspension", func() (registry.Change, error) { return b.Suspend(ctx, venues[0], "", officer) }},
		{"its end", func() (registry.Change, error) { return b.Resume(ctx, venues[0], "", officer) }},
		{"a transfer", func() (registry.Change, error) { return b.Transfer(ctx, venues[0], units[1], officer) }},
		{"a merger of venues", func() (registry.Change, error) { return b.Merge(ctx, venues[0], venues[2], officer) }},
		{"a closing", func() (registry.Change, error) { return b.Close(ctx, venues[1], "", officer) }},
		{"a merger of units", func() (registry.Change, error) { return b.MergeUnits(ctx, units[2], units[1], officer) }},
	} {
		if _, err := step.change(); err != nil {
			t.Fatal(step.what, err)
		}
		looks(step.what)
	}
	d, _, err := kept.Deadline(t.Context(), county, registry.Filter{}, "", b.clock.Now(), registry.Gapped{}, 0)
	if err != nil || d.Units != 3 {
		t.Errorf("%d units are asked for, want the three that are left: %v", d.Units, err)
	}
}

// TestASubjectIsNotLostWithItsUnit merges the unit that the register knows into one
// that it does not, and ends one of which a person said who it is.
func TestASubjectIsNotLostWithItsUnit(t *testing.T) {
	b := newBureau(t, openStore(t))
	office, census := store.NewOffice(b.engine, b.registry), store.NewCensus(b.engine, b.clock)
	coverage := store.NewCoverage(b.engine, office, census, b.clock, b.clock)
	known, second := form(1), form(2)
	second.UnitName = "第二单位"
	second.USCC, second.Category = "", "small_place"
	var units []venue.UnitID
	for _, f := range []registry.Form{known, second} {
		f.Division, f.Place = "410482001", "410482001"
		a, faults, err := b.Submit(t.Context(), "", f, fromForm)
		if err == nil && len(faults) == 0 {
			a, err = b.Approve(t.Context(), a.ID, officer, false)
		}
		if err != nil || len(faults) > 0 {
			t.Fatal(faults, err)
		}
		units = append(units, a.Made.Unit)
	}
	subject := registry.SubjectForm{Name: "第二单位", USCC: known.USCC, Division: "410482001"}
	if _, err := census.Import(t.Context(), fileOf(subject)); err != nil {
		t.Fatal(err)
	}
	lacks := func(after string, gap registry.Gap, unit venue.UnitID) {
		t.Helper()
		b.clock.advance(3 * time.Second)
		list, _, _, err := coverage.Missing(t.Context(), county, registry.Filter{}, "", registry.Gapped{}, 10)
		if err != nil || len(list) != 1 || list[0].Gap != gap || list[0].Unit != unit {
			t.Errorf("after %s: %+v, %v", after, list, err)
		}
	}
	lacks("an approval", registry.GapPosting, units[0])
	if _, err := b.MergeUnits(t.Context(), units[0], units[1], officer); err != nil {
		t.Fatal(err)
	}
	lacks("a merger", registry.GapPosting, units[1])
	if err := coverage.Decide(t.Context(), county, known.USCC, units[1], true, "checker", recorded); err != nil {
		t.Fatal(err)
	}
	lacks("a decision", registry.GapPosting, units[1])
	if _, err := b.CloseUnit(t.Context(), units[1], officer); err != nil {
		t.Fatal(err)
	}
	lacks("its end", registry.GapUnit, "")
}

func TestAnotherProcessSeesAChangeAtItsNextLook(t *testing.T) {
	e := openStore(t)
	c := newCensus(t, e)
	c.importing(t, fileOf(subjectForm("甲", "410482001")))
	other := store.NewRegistry(e, c.machine)
	theirs := store.NewCoverage(e, store.NewOffice(e, other), store.NewCensus(e, c.civil), c.civil, c.machine)
	if s, _, err := theirs.Summary(t.Context(), county, registry.Filter{}); err != nil || s.Must != 1 {
		t.Fatal(s, err)
	}
	c.importing(t, fileOf(subjectForm("甲", "410482001"), subjectForm("乙", "410482001")))
	c.civil.advance(time.Minute)
	c.machine.advance(2 * time.Second)
	s, asOf, err := theirs.Summary(t.Context(), county, registry.Filter{})
	if err != nil || s.Must != 2 || !asOf.At.Equal(c.civil.Now()) || asOf.Importing {
		t.Errorf("%+v as of %+v, %v", s, asOf, err)
	}
}

func TestCoverageIsAskedWithinAScope(t *testing.T) {
	c := newCensus(t, openStore(t))
	c.importing(t, fileOf(subjectForm("甲校", "410482001"), subjectForm("乙校", "410482002")))
	ctx, id := t.Context(), registry.Subject{Name: "乙校", Address: "路1号", Division: "410482002"}.ID()
	for name, ask := range map[string]func(venue.Scope, registry.Filter) error{
		"summary": func(s venue.Scope, f registry.Filter) error { _, _, err := c.coverage.Summary(ctx, s, f); return err },
		"missing": func(s venue.Scope, f registry.Filter) error {
			_, _, _, err := c.coverage.Missing(ctx, s, f, "", registry.Gapped{}, 0)
			return err
		},
		"deadline": func(s venue.Scope, f registry.Filter) error {
			_, _, err := c.coverage.Deadline(ctx, s, f, "", noon, registry.Gapped{}, 0)
			return err
		},
		"trend": func(s venue.Scope, f registry.Filter) error { _, err := c.coverage.Trend(ctx, s, f, 0, 0); return err },
		"silent": func(s venue.Scope, f registry.Filter) error {
			_, _, _, err := c.coverage.Silent(ctx, s, f, 7, "", 10)
			return err
		},
		"regulators": func(s venue.Scope, f registry.Filter) error {
			_, _, _, _, err := c.coverage.ByRegulator(ctx, s, f, registry.NewRegulators(nil))
			return err
		},
		"proposals": func(s venue.Scope, f registry.Filter) error {
			_, _, _, err := c.coverage.Proposals(ctx, s, f, registry.Gapped{}, 10)
			return err
		},
	} {
		for _, q := range []struct {
			scope venue.Scope
			f     registry.Filter
			out   bool
		}{
			{townA, registry.Filter{}, false}, {townA, registry.Filter{Division: "410482001"}, false}, {townA, registry.Filter{Division: "410482"}, true},
			{townA, registry.Filter{Division: "410482002"}, true}, {schools, registry.Filter{Sector: "教育"}, false}, {schools, registry.Filter{Sector: "卫健"}, true},
			{nobody, registry.Filter{}, true}, {unitA, registry.Filter{}, true},
		} {
			if err := ask(q.scope, q.f); errors.Is(err, store.ErrOutOfScope) != q.out || !q.out && err != nil {
				t.Errorf("%s of %+v: %v", name, q, err)
			}
		}
	}
	for _, d := range []struct {
		scope venue.Scope
		unit  venue.UnitID
		want  error
	}{{townA, "b", store.ErrOutOfScope}, {townB, "a", store.ErrOutOfScope}, {county, "nosuchunit", venue.ErrNotFound}, {county, "b", nil}} {
		if err := c.coverage.Decide(ctx, d.scope, id, d.unit, true, "x", recorded); !errors.Is(err, d.want) {
			t.Errorf("decide %+v: %v", d, err)
		}
	}
}

func TestAUnitStandsForOneSubject(t *testing.T) {
	c := newCensus(t, openStore(t))
	c.importing(t, fileOf(subjectForm("甲校", "410482001"), subjectForm("甲校东", "410482001")))
	ids := map[string]string{}
	list, _, _, err := c.coverage.Missing(t.Context(), county, registry.Filter{}, registry.GapUnit, registry.Gapped{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		ids[m.Name] = m.Gapped.ID
	}
	decide := func(name string, same bool) error {
		return c.coverage.Decide(t.Context(), county, ids[name], "a", same, "x", recorded)
	}
	for i, step := range []struct {
		name string
		same bool
		want error
		left int // subjects without a unit
	}{
		{"甲校", true, nil, 1}, {"甲校", true, nil, 1}, {"甲校东", true, venue.ErrConflict, 1},
		{"甲校", false, nil, 2}, {"甲校东", true, nil, 1}, {"甲校", true, venue.ErrConflict, 1},
		{"甲校东", false, nil, 2}, {"甲校", true, nil, 1}, // a refusal is taken back by confirming
	} {
		if err := decide(step.name, step.same); !errors.Is(err, step.want) || step.want == nil && err != nil {
			t.Errorf("step %d: %v", i, err)
		}
		if got := c.summary(t, county).Lack[registry.GapUnit]; got != step.left {
			t.Errorf("step %d: %d without a unit, want %d", i, got, step.left)
		}
	}
}

func TestTheTrendKeepsTheEndOfEachDay(t *testing.T) {
	c := newCensus(t, openStore(t))
	job := &store.CoverageTrend{Coverage: c.coverage, Clock: c.civil}
	c.importing(t, fileOf(subjectForm("甲校", "410482001"), subjectForm("乙校", "410482002")))
	run := func() {
		t.Helper()
		due, ok, err := job.Next(t.Context())
		if err != nil || !ok {
			t.Fatal(err)
		}
		c.civil.ms.Store(due.UnixMilli())
		c.machine.advance(time.Hour)
		if _, _, err := job.Run(t.Context(), due); err != nil {
			t.Fatal(err)
		}
	}
	run() // at the start
	run() // at five to twelve
	c.importing(t, fileOf(subjectForm("甲校", "410482001")))
	run() // the next night
	first := venue.DayOf(noon)
	for _, q := range []struct {
		scope venue.Scope
		f     registry.Filter
		want  string
	}{
		{county, registry.Filter{}, "[{2022-10-12 {0 2}} {2022-10-13 {0 1}}]"},
		{townA, registry.Filter{}, "[{2022-10-12 {0 1}} {2022-10-13 {0 1}}]"},
		{county, registry.Filter{Division: "410482002"}, "[{2022-10-12 {0 1}} {2022-10-13 {0 0}}]"},
		{schools, registry.Filter{}, "[{2022-10-12 {0 2}} {2022-10-13 {0 1}}]"},
	} {
		got, err := c.coverage.Trend(t.Context(), q.scope, q.f, first-3, first+3)
		if err != nil || fmt.Sprint(got) != q.want {
			t.Errorf("%+v: %v, %v", q.f, got, err)
		}
	}
}

func TestACodeIsSilentThatNobodyScannedForDays(t *testing.T) {
	e := openStore(t)
	c := newCensus(t, e)
	in := towns
	in.Doors, in.Venues = append([]venue.Door(nil), in.Doors...), append([]venue.Venue(nil), in.Venues...)
	for i := range in.Doors {
		in.Doors[i].Status = venue.StatusActive
	}
	for i := range in.Venues {
		in.Venues[i].Status = venue.StatusActive
	}
	put(t, c.registry, in)
	at := noon.Add(8 * 24 * time.Hour)
	if _, err := e.Append(t.Context(), []venue.Scan{{Key: venue.ScanKey{1}, Door: "A000000000000001", At: at, Received: at, Unit: "a"}}); err != nil {
		t.Fatal(err)
	}
	c.civil.ms.Store(at.Add(time.Hour).UnixMilli())
	silent := func(scope venue.Scope, days int, after venue.UnitID, limit int) (codes string) {
		list, _, next, err := c.coverage.Silent(t.Context(), scope, registry.Filter{}, days, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range list {
			codes += string(d.Door.Code[:1]) + string(d.Door.Code[15:]) + " "
		}
		return codes + string(next)
	}
	for want, got := range map[string]string{
		"A2 B1 ": silent(county, 7, "", 10), "A2 ": silent(townA, 7, "", 10), "A2 a": silent(county, 7, "", 1), "B1 ": silent(county, 7, "a", 10),
		"": silent(county, 30, "", 10), // nobody has had one for so long
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestCoverageOfACity measures the city of the issue; with VENUECODE_LONG.
func TestSubjectsLieInListedDivisions(t *testing.T) {
	c := newCensus(t, openStore(t))
	list, err := (*venue.Divisions)(nil).With(venue.NamedDivision{Code: "41", Name: "河南省"}, venue.NamedDivision{Code: "4104", Name: "平顶山市"},
		venue.NamedDivision{Code: "410482", Name: "汝州市"}, venue.NamedDivision{Code: "410482001", Name: "煤山街道"})
	if err != nil {
		t.Fatal(err)
	}
	f := fileOf(subjectForm("甲店", " 煤山街道"), subjectForm("乙店", "410482002"), subjectForm("丙店", "410482001003"), subjectForm("丁店", "410483"), subjectForm("戊店", "没有街道"))
	f.Divisions, f.Partial = list, true
	p, err := c.register.Import(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, fault := range p.Faults {
		said = append(said, fmt.Sprint(fault.Row, " ", fault.Reason))
	}
	if got := strings.Join(said, ", "); got != "3 unknown, 5 unknown, 6 shape" || p.New != 2 {
		t.Errorf("%s; %+v", got, p.SubjectCounts)
	}
}

func TestCoverageOfACity(t *testing.T) {
	subjects := 2_000
	if os.Getenv("VENUECODE_LONG") != "" {
		subjects = 200_000
	}
	c := newCensus(t, openStore(t))
	forms := func(yield func(store.SubjectRow, error) bool) {
		for i := range subjects {
			f := registry.SubjectForm{Name: fmt.Sprint("青禾商行", i), Division: fmt.Sprintf("410482%03d%03d", i%20, i%7), Sector: fmt.Sprint("行业", i%25), Address: fmt.Sprint("人民路", i, "号")}
			if !yield(store.SubjectRow{Number: i + 2, Form: f}, nil) {
				return
			}
		}
	}
	began := time.Now()
	got := c.importing(t, store.SubjectFile{Rows: forms, Division: "410482"})
	imported := time.Since(began)
	if got.New != subjects {
		t.Fatalf("%+v", got)
	}
	began = time.Now()
	if again := c.importing(t, store.SubjectFile{Rows: forms, Division: "410482"}); again.Same != subjects {
		t.Fatalf("%+v", again)
	}
	repeated := time.Since(began)
	in := store.Registered{Since: noon}
	for i := range subjects {
		id := venue.UnitID(fmt.Sprint("u", i))
		in.Units = append(in.Units, venue.Unit{ID: id, Name: fmt.Sprint("青禾商行", i), Division: venue.Division(fmt.Sprintf("410482%03d", i%20)), Sectors: []string{"商务"}})
	}
	fill(t, c.engine, in, subjects*3/2)
	c.machine.advance(time.Hour)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc >> 20
	}
	before := heap()
	began = time.Now()
	if err := c.coverage.Fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	filled, size := time.Since(began), heap()-before
	var first, page time.Duration
	for i := range 5 {
		began = time.Now()
		s := c.summary(t, county)
		if page = time.Since(began); i == 0 {
			first = page
		}
		if s.Must != subjects || s.Outside == 0 || len(s.Rows) == 0 {
			t.Fatalf("%d must, %d rows, %d outside", s.Must, len(s.Rows), s.Outside)
		}
	}
	began = time.Now()
	if _, total, _, err := c.coverage.Missing(t.Context(), county, registry.Filter{}, "", registry.Gapped{}, 100); err != nil || total != subjects {
		t.Fatal(total, err)
	}
	missing := time.Since(began)
	began = time.Now()
	proposed, _, _, err := c.coverage.Proposals(t.Context(), county, registry.Filter{}, registry.Gapped{}, 20)
	if err != nil || len(proposed) != 20 {
		t.Fatal(len(proposed), err)
	}
	t.Logf("%d subjects: import %v, again %v, fill %v, first page %v, page %v, missing %v, proposals %v; the picture takes %d MB",
		subjects, imported, repeated, filled, first, page, missing, time.Since(began), size)
}

// fill writes units, and doors that are spread over them, a venue to each.
func fill(t *testing.T, e store.Engine, in store.Registered, doors int) {
	t.Helper()
	var g errgroup.Group
	g.SetLimit(64)
	units, venues := store.NewCollection[venue.Unit](e, store.Units), store.NewCollection[venue.Venue](e, store.Venues)
	codes, tenures := store.NewCollection[venue.Door](e, store.Doors), store.NewCollection[venue.Tenure](e, store.Tenures)
	for _, u := range in.Units {
		g.Go(func() error { return units.Insert(t.Context(), string(u.ID), u) })
	}
	for i := range doors {
		u, code := in.Units[i%len(in.Units)], venue.Code(fmt.Sprintf("C%015d", i))
		v := venue.Venue{ID: venue.VenueID(fmt.Sprint("v", i)), Unit: u.ID, Name: "门店", Address: "人民路1号", Division: u.Division, Status: venue.StatusActive}
		g.Go(func() error {
			return errors.Join(
				venues.Insert(t.Context(), string(v.ID), v),
				tenures.Insert(t.Context(), string(code)+":first", venue.Tenure{Door: code, Unit: u.ID, Since: noon}),
				codes.Insert(t.Context(), string(code), venue.Door{Code: code, Venue: v.ID, Unit: u.ID, Name: "正门", Status: venue.StatusActive, Posted: noon}))
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}
