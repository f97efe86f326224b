package store_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// approved sends a form in and approves it.
func (b *bureau) approved(t *testing.T, f registry.Form) registry.Made {
	t.Helper()
	a, faults, err := b.Submit(t.Context(), "", f, fromForm)
	if err == nil && len(faults) == 0 {
		a, err = b.Approve(t.Context(), a.ID, officer, false)
	}
	if err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	return a.Made
}

func TestAClosedUnitTakesItsPlacesAlongAndLeavesTheRest(t *testing.T) {
	ctx := t.Context()
	b := newBureau(t, openStore(t))
	above, unit, other := b.approved(t, form(1)), b.approved(t, form(2)), b.approved(t, form(3))
	reporter := venue.ChatAccount{Channel: venue.ChannelWeComApp, ID: "s001"}
	set := func(id venue.UnitID, change func(*venue.Unit)) {
		t.Helper()
		u, err := b.register.Unit(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		change(&u)
		if err := b.registry.Put(ctx, store.Registered{Units: []venue.Unit{u}}); err != nil {
			t.Fatal(err)
		}
	}
	set(unit.Unit, func(u *venue.Unit) { u.Parent, u.Group, u.Duty = above.Unit, "g1", venue.DutyReports })
	set(other.Unit, func(u *venue.Unit) { u.Parent, u.Duty = unit.Unit, venue.DutyCovered })
	if err := b.registry.Put(ctx, store.Registered{Bindings: []venue.Binding{{Account: reporter, Unit: unit.Unit}}}); err != nil {
		t.Fatal(err)
	}
	// What was merged into it goes with it.
	merged := b.approved(t, form(4))
	if _, err := b.MergeUnits(ctx, merged.Unit, unit.Unit, officer); err != nil {
		t.Fatal(err)
	}
	if u, _ := b.register.Unit(ctx, merged.Unit); u.DutyOn(1) != venue.DutyExempt {
		t.Errorf("a merged unit is expected to report: %s", u.Duty)
	}

	shop := form(5)
	shop.USCC, shop.Category = "", "二"
	waits, faults, err := b.Submit(ctx, "", shop, registry.Sender{Channel: "console", Unit: unit.Unit})
	if err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	if _, err := b.CloseUnit(ctx, unit.Unit, officer); err != nil {
		t.Fatal(err)
	}
	if _, err := b.CloseUnit(ctx, unit.Unit, officer); !refusedBy(err, registry.RuleClosed) {
		t.Errorf("closed twice: %v", err)
	}
	u, err := b.register.Unit(ctx, unit.Unit)
	if err != nil || !u.Closed() || u.Group != "" || u.DutyOn(1) != venue.DutyExempt || u.DutyReason == "" {
		t.Errorf("%+v, %v", u, err)
	}
	for _, code := range append(unit.Codes, merged.Codes...) {
		if _, err := b.registry.Resolve(ctx, code); !errors.Is(err, venue.ErrNotFound) {
			t.Errorf("a code of the closed unit resolves: %v", err)
		}
	}
	if child, err := b.register.Unit(ctx, other.Unit); err != nil || child.Parent != above.Unit || child.Duty != venue.DutyCovered {
		t.Errorf("the unit below: %+v, %v", child, err)
	}
	if _, err := b.registry.Resolve(ctx, other.Codes[0]); err != nil {
		t.Errorf("its codes: %v", err)
	}
	if _, err := b.registry.Binding(ctx, reporter); !errors.Is(err, venue.ErrNotFound) {
		t.Errorf("somebody reports for it: %v", err)
	}
	if history, err := b.register.History(ctx, unit.Unit, 10); err != nil || len(history) < 4 {
		t.Errorf("%d lines of history, %v", len(history), err)
	}
	if _, err := b.Approve(ctx, waits.ID, officer, false); !refusedBy(err, registry.RuleClosed) {
		t.Errorf("approved for a closed unit: %v", err)
	}
	if a, err := b.register.Application(ctx, waits.ID); err != nil || a.State != registry.StatePending {
		t.Errorf("the application is %s, %v", a.State, err)
	}
	if _, err := b.Transfer(ctx, other.Venue, unit.Unit, officer); !refusedBy(err, registry.RuleClosed) {
		t.Errorf("given a venue: %v", err)
	}

	// Its USCC is free, and so is that of the unit that was merged into it.
	for _, n := range []int{2, 4} {
		anew := b.approved(t, form(n))
		if anew.Unit == unit.Unit || anew.Unit == merged.Unit {
			t.Errorf("%d: registered again as the closed unit", n)
		}
		if _, err := b.registry.Resolve(ctx, anew.Codes[0]); err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}

	// Whom nobody reports for any more is as a new unit.
	if _, err := b.CloseUnit(ctx, above.Unit, officer); err != nil {
		t.Fatal(err)
	}
	if child, err := b.register.Unit(ctx, other.Unit); err != nil || child.Parent != "" || child.Duty != venue.DutyExempt || child.DutyReason != registry.NotInGroup {
		t.Errorf("without any above: %+v, %v", child, err)
	}
}

func refusedBy(err error, rule string) bool {
	var refused *registry.Refused
	return errors.As(err, &refused) && refused.Rule == rule
}

func TestABlankCodeIsNotUsedUpByWhatIsRefused(t *testing.T) {
	ctx := t.Context()
	b := newBureau(t, openStore(t))
	one, other := b.approved(t, form(1)), b.approved(t, form(2))
	batch, err := b.Print(ctx, "", "419981001", 1, officer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Activate(ctx, batch.Codes[0], one.Venue, "南门", officer); !refusedBy(err, registry.RuleDoorName) {
		t.Errorf("a second door of the name: %v", err)
	}
	if _, err := b.Activate(ctx, batch.Codes[0], other.Venue, "侧门", officer); err != nil {
		t.Errorf("at another venue then: %v", err)
	}
}

// meddling is a store where somebody else comes before a write, once.
type meddling struct {
	store.Engine
	before map[string]func(id string) // by the collection
}

func (m *meddling) meddle(collection, id string) {
	if do := m.before[collection]; do != nil {
		delete(m.before, collection)
		do(id)
	}
}

func (m *meddling) Insert(ctx context.Context, collection, id string, body bson.Raw) error {
	m.meddle(collection, id)
	return m.Engine.Insert(ctx, collection, id, body)
}

func (m *meddling) Replace(ctx context.Context, collection string, d store.Document) (int64, error) {
	m.meddle(collection, d.ID)
	return m.Engine.Replace(ctx, collection, d)
}

// TestAVenueEnteredWhileItsUnitEnds: whoever is first, its code is the other unit's
// where the unit is merged, and dead where it is closed.
func TestAVenueEnteredWhileItsUnitEnds(t *testing.T) {
	for name, first := range map[string]string{"the unit ends before the venue is written": store.Venues.Name, "the venue comes before the end is written": store.Units.Name} {
		for _, act := range []registry.Act{registry.ActMerge, registry.ActClose} {
			t.Run(string(act)+": "+name, func(t *testing.T) {
				ctx := t.Context()
				m := &meddling{Engine: openStore(t)}
				b := newBureau(t, m)
				unit, into := b.approved(t, form(1)), b.approved(t, form(2))
				code, err := venue.NewCode(rand.Reader)
				if err != nil {
					t.Fatal(err)
				}
				enter := func(string) {
					v := venue.Venue{ID: "v-late", Unit: unit.Unit, Name: "后到的店", Division: "419981001", Address: "文昌路9号", Category: venue.CategorySmallPlace, Status: venue.StatusActive}
					e := store.VenueEntry{Entry: registry.Entry{Venue: v, Doors: []string{"正门"}}, Codes: []venue.Code{code}}
					if _, err := b.register.EnterVenues(ctx, []store.VenueEntry{e}, officer); err != nil {
						t.Error(err)
					}
				}
				end := func(string) {
					var err error
					if act == registry.ActMerge {
						_, err = b.MergeUnits(ctx, unit.Unit, into.Unit, officer)
					} else {
						_, err = b.CloseUnit(ctx, unit.Unit, officer)
					}
					if err != nil {
						t.Error(err)
					}
				}
				if first == store.Venues.Name {
					m.before = map[string]func(string){first: end}
					enter("")
				} else {
					m.before = map[string]func(string){first: enter}
					end("")
				}
				if err := b.register.Entered(ctx); err != nil || len(m.before) > 0 {
					t.Fatal(err, m.before)
				}
				p, err := b.registry.Resolve(ctx, code)
				if act == registry.ActClose && !errors.Is(err, venue.ErrNotFound) {
					t.Errorf("the venue of a closed unit is scanned: %+v, %v", p, err)
				} else if act == registry.ActMerge && (err != nil || p.Door.Unit != into.Unit || p.Venue.Unit != into.Unit) {
					t.Errorf("the venue is %s's, its door %s's, want %s: %v", p.Venue.Unit, p.Door.Unit, into.Unit, err)
				}
			})
		}
	}
}

// TestAUnitThatTakesTheOneAboveInTakesItsPlace: it does not stand below itself.
func TestAUnitThatTakesTheOneAboveInTakesItsPlace(t *testing.T) {
	ctx := t.Context()
	b := newBureau(t, openStore(t))
	top, above, below := b.approved(t, form(1)), b.approved(t, form(2)), b.approved(t, form(3))
	for id, parent := range map[venue.UnitID]venue.UnitID{above.Unit: top.Unit, below.Unit: above.Unit} {
		u, err := b.register.Unit(ctx, id)
		if u.Parent = parent; err == nil {
			err = b.registry.Put(ctx, store.Registered{Units: []venue.Unit{u}})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.MergeUnits(ctx, above.Unit, below.Unit, officer); err != nil {
		t.Fatal(err)
	}
	if u, err := b.register.Unit(ctx, below.Unit); err != nil || u.Parent != top.Unit {
		t.Errorf("it stands below %q, want %q; %v", u.Parent, top.Unit, err)
	}
}

// TestAUnitEnteredBelowOneThatEnds: whoever is first, it stands below the other unit
// where the one above is merged, and below the next above where that is closed.
func TestAUnitEnteredBelowOneThatEnds(t *testing.T) {
	for _, endsFirst := range []bool{true, false} {
		for _, act := range []registry.Act{registry.ActMerge, registry.ActClose} {
			t.Run(fmt.Sprintf("%s, before the unit is written: %v", act, endsFirst), func(t *testing.T) {
				ctx := t.Context()
				m := &meddling{Engine: openStore(t)}
				b := newBureau(t, m)
				top, above, into := b.approved(t, form(1)), b.approved(t, form(2)), b.approved(t, form(3))
				u, err := b.register.Unit(ctx, above.Unit)
				if u.Parent = top.Unit; err == nil {
					err = b.registry.Put(ctx, store.Registered{Units: []venue.Unit{u}})
				}
				if err != nil {
					t.Fatal(err)
				}
				enter := func(string) {
					late := venue.Unit{ID: "u-late", Name: "后到的单位", Division: "419981001", Parent: above.Unit, Status: venue.StatusActive, Duty: venue.DutyCovered}
					if _, err := b.register.EnterUnits(ctx, []store.UnitEntry{{Unit: late}}, officer); err != nil {
						t.Error(err)
					}
				}
				end := func(string) {
					var err error
					if act == registry.ActMerge {
						_, err = b.MergeUnits(ctx, above.Unit, into.Unit, officer)
					} else {
						_, err = b.CloseUnit(ctx, above.Unit, officer)
					}
					if err != nil {
						t.Error(err)
					}
				}
				if endsFirst {
					m.before = map[string]func(string){store.Units.Name: end}
					enter("")
				} else {
					m.before = map[string]func(string){store.Units.Name: enter}
					end("")
				}
				if len(m.before) > 0 {
					t.Fatal("nobody came before the write")
				}
				want := map[registry.Act]venue.UnitID{registry.ActMerge: into.Unit, registry.ActClose: top.Unit}[act]
				if u, err := b.register.Unit(ctx, "u-late"); err != nil || u.Parent != want || u.Duty != venue.DutyCovered {
					t.Errorf("it is %s below %q, want %q; %v", u.Duty, u.Parent, want, err)
				}
			})
		}
	}
}

// TestAUnitChangedWhileTheOneAboveEnds: the change is made, and it stands where the
// end has put it.
func TestAUnitChangedWhileTheOneAboveEnds(t *testing.T) {
	for _, cover := range []bool{true, false} {
		for _, end := range []string{"merged", "merged into it", "closed", "closed, like the next"} {
			t.Run(fmt.Sprintf("%s, covered: %v", end, cover), func(t *testing.T) {
				ctx := t.Context()
				m := &meddling{Engine: openStore(t)}
				b := newBureau(t, m)
				put(t, b.registry, store.Registered{Units: []venue.Unit{
					{ID: "top", Name: "上级", Duty: venue.DutyReports, Group: "g"}, {ID: "above", Name: "中间", Parent: "top", Duty: venue.DutyReports, Group: "g"},
					{ID: "into", Name: "另一个", Duty: venue.DutyReports, Group: "g"}, {ID: "unit", Name: "下级", Parent: "above", Duty: venue.DutyExempt}}})
				want := venue.UnitID("top")
				m.before = map[string]func(string){store.Units.Name: func(string) {
					var err error
					switch end {
					case "merged":
						want = "into"
						_, err = b.MergeUnits(ctx, "above", "into", officer)
					case "merged into it":
						_, err = b.MergeUnits(ctx, "above", "unit", officer)
					case "closed, like the next":
						want = ""
						if _, err = b.CloseUnit(ctx, "above", officer); err == nil {
							_, err = b.CloseUnit(ctx, "top", officer)
						}
					default:
						_, err = b.CloseUnit(ctx, "above", officer)
					}
					if err != nil {
						t.Error(err)
					}
				}}
				var err error
				if cover {
					_, err = b.Cover(ctx, "unit", officer)
				} else {
					_, err = b.JoinGroup(ctx, "unit", "g", officer)
				}
				if err != nil || len(m.before) > 0 {
					t.Fatal(err, m.before)
				}
				duty := venue.DutyReports
				if cover {
					duty = venue.DutyCovered
				}
				if cover && want == "" {
					duty = venue.DutyExempt // like whatever is covered by nobody
				}
				if u, err := b.register.Unit(ctx, "unit"); err != nil || u.Parent != want || u.Duty != duty {
					t.Errorf("it is %s below %q, want %s below %q; %v", u.Duty, u.Parent, duty, want, err)
				}
			})
		}
	}
}

// TestUnitsAboveEachOtherEndAtOnce: what was below both stands where their ends lead,
// whoever is first.
func TestUnitsAboveEachOtherEndAtOnce(t *testing.T) {
	for _, inner := range []string{"closed", "merged"} {
		for _, outer := range []string{"closed", "merged"} {
			t.Run(inner+" below one that is "+outer, func(t *testing.T) {
				ctx := t.Context()
				m := &meddling{Engine: openStore(t)}
				b := newBureau(t, m)
				put(t, b.registry, store.Registered{Units: []venue.Unit{
					{ID: "top", Name: "上级"}, {ID: "outer", Name: "外层", Parent: "top"}, {ID: "inner", Name: "内层", Parent: "outer"}, {ID: "into", Name: "另一个"}, {ID: "unit", Name: "下级", Parent: "inner"}}})
				ends := func(id venue.UnitID, how string) {
					var err error
					if how == "merged" {
						_, err = b.MergeUnits(ctx, id, "into", officer)
					} else {
						_, err = b.CloseUnit(ctx, id, officer)
					}
					if err != nil {
						t.Error(err)
					}
				}
				m.before = map[string]func(string){store.Units.Name: func(string) { ends("outer", outer) }}
				ends("inner", inner)
				want := venue.UnitID("top")
				if inner == "merged" || outer == "merged" {
					want = "into"
				}
				if u, err := b.register.Unit(ctx, "unit"); err != nil || u.Parent != want || len(m.before) > 0 {
					t.Errorf("it stands below %q, want %q; %v", u.Parent, want, err)
				}
			})
		}
	}
}

// TestAVenueThatWasGivenAwayIsNotClosed: it leaves the unit while another of its
// venues is closed.
func TestAVenueThatWasGivenAwayIsNotClosed(t *testing.T) {
	ctx := t.Context()
	m := &meddling{Engine: openStore(t)}
	b := newBureau(t, m)
	unit, third := b.approved(t, form(1)), b.approved(t, form(2))
	more := form(1)
	more.Name = "另一商场"
	places := []registry.Made{unit, b.approved(t, more)}
	var given registry.Made
	m.before = map[string]func(string){store.Venues.Name: func(closing string) {
		if given = places[0]; string(given.Venue) == closing {
			given = places[1]
		}
		if _, err := b.Transfer(ctx, given.Venue, third.Unit, officer); err != nil {
			t.Error(err)
		}
	}}
	if _, err := b.CloseUnit(ctx, unit.Unit, officer); err != nil {
		t.Fatal(err)
	}
	if p, err := b.registry.Resolve(ctx, given.Codes[0]); err != nil || p.Venue.Unit != third.Unit {
		t.Errorf("%+v, %v", p.Venue, err)
	}
}

func TestACodeForAUnitThatEnds(t *testing.T) {
	ctx := t.Context()
	b := newBureau(t, openStore(t))
	unit, into := b.approved(t, form(1)), b.approved(t, form(2))
	codes := store.NewBindCodes(b.engine, b.registry, func(kind, value string) string { return kind + value }, rand.Reader, b.clock)
	reporter := venue.ChatAccount{Channel: venue.ChannelWeComApp, ID: "s001"}
	make := func(id venue.UnitID) string {
		t.Helper()
		code, err := codes.Make(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	merged, closed := make(unit.Unit), make(into.Unit)
	if _, err := b.MergeUnits(ctx, unit.Unit, into.Unit, officer); err != nil {
		t.Fatal(err)
	}
	if bound, err := codes.Bind(ctx, reporter, merged); err != nil || bound.Unit != into.Unit {
		t.Errorf("of a merged unit: %s, %v; want %s", bound.Unit, err, into.Unit)
	}
	if _, err := b.CloseUnit(ctx, into.Unit, officer); err != nil {
		t.Fatal(err)
	}
	if _, err := codes.Bind(ctx, reporter, closed); !errors.Is(err, venue.ErrInvalid) {
		t.Errorf("of a closed unit: %v", err)
	}
	if _, err := b.registry.Binding(ctx, reporter); !errors.Is(err, venue.ErrNotFound) {
		t.Errorf("somebody reports for a closed unit: %v", err)
	}
}

// TestNobodyStandsBelowThemselves: whatever is merged into whatever, and closed, of
// any tree of units.
func TestNobodyStandsBelowThemselves(t *testing.T) {
	ctx := t.Context()
	b := newBureau(t, openStore(t))
	for seed := range uint64(40) {
		r := mathrand.New(mathrand.NewPCG(seed, 1))
		name := func(i int) venue.UnitID { return venue.UnitID(fmt.Sprintf("t%d-%d", seed, i)) }
		parent, in := map[venue.UnitID]venue.UnitID{}, store.Registered{}
		var roots []venue.UnitID // from the beginning
		for i := range 9 {
			u := venue.Unit{ID: name(i), Name: string(name(i)), Division: "419981001", Duty: venue.DutyCovered, Status: venue.StatusActive}
			if i > 0 && r.IntN(6) > 0 {
				u.Parent = name(r.IntN(i))
			}
			if u.Parent == "" {
				roots = append(roots, u.ID)
			}
			parent[u.ID], in.Units = u.Parent, append(in.Units, u)
		}
		if err := b.registry.Put(ctx, in); err != nil {
			t.Fatal(err)
		}
		did := ""
		for len(parent) > 2 {
			ids := slices.Sorted(maps.Keys(parent))
			gone := ids[r.IntN(len(ids))]
			heir, err := parent[gone], error(nil)
			if r.IntN(4) == 0 {
				did += fmt.Sprintf(" close %s", gone)
				_, err = b.CloseUnit(ctx, gone, officer)
			} else {
				for heir = gone; heir == gone; {
					heir = ids[r.IntN(len(ids))]
				}
				did += fmt.Sprintf(" %s into %s", gone, heir)
				for id := heir; id != ""; id = parent[id] {
					if id == gone {
						parent[heir] = parent[gone]
						break
					}
				}
				_, err = b.MergeUnits(ctx, gone, heir, officer)
			}
			if err != nil {
				t.Fatalf("%s: %v", did, err)
			}
			delete(parent, gone)
			for id, above := range parent {
				if above == gone {
					parent[id] = heir
				}
			}
			for id, above := range parent {
				u, err := b.register.Unit(ctx, id)
				if err != nil || u.Closed() || u.Parent != above || u.Parent == "" && u.Duty == venue.DutyCovered && !slices.Contains(roots, id) {
					t.Fatalf("%s: %s stands below %q, want %q, duty %s, %v", did, id, u.Parent, above, u.Duty, err)
				}
			}
		}
	}
}
