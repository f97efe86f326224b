package store_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// Two towns: a and its kid teach in one, b heals in the other.
var towns = store.Registered{
	Groups: []venue.Group{
		{ID: "ga", Name: "甲镇群", Division: "410482001", Sector: "教育"}, {ID: "gb", Name: "乙镇群", Division: "410482002", Sector: "卫健"},
		{ID: "gall", Name: "全市群", Division: "410482", Sector: "机关"},
	},
	Units: []venue.Unit{
		{ID: "a", Name: "甲校", Division: "410482001", Sectors: []string{"教育"}, Group: "ga", Duty: venue.DutyReports},
		{ID: "kid", Name: "甲校分部", Parent: "a", Division: "410482001", Sectors: []string{"教育"}, Group: "ga", Duty: venue.DutyReports},
		{ID: "b", Name: "乙院", Division: "410482002", Sectors: []string{"卫健"}, Group: "gb", Duty: venue.DutyReports},
		{ID: "far", Name: "甲校外地部", Parent: "a", Division: "410483", Sectors: []string{"教育"}, Group: "ga", Duty: venue.DutyReports},
	},
	Venues: []venue.Venue{{ID: "va", Unit: "a", Name: "甲校园"}, {ID: "vb", Unit: "b", Name: "乙院区"}},
	Doors: []venue.Door{
		{Code: "A000000000000001", Venue: "va", Unit: "a", Name: "东门"}, {Code: "A000000000000002", Venue: "va", Unit: "a", Name: "西门"},
		{Code: "B000000000000001", Venue: "vb", Unit: "b", Name: "正门"},
	},
	Since: noon,
}

var (
	townA   = venue.NewScope(venue.ScopeTerritory, []venue.Division{"410482001"}, nil, "")
	townB   = venue.NewScope(venue.ScopeTerritory, []venue.Division{"410482002"}, nil, "")
	county  = venue.NewScope(venue.ScopeTerritory, []venue.Division{"410482"}, nil, "")
	schools = venue.NewScope(venue.ScopeSector, []venue.Division{"410482"}, []string{"教育"}, "")
	unitA   = venue.NewScope(venue.ScopeUnit, nil, nil, "a")
	nobody  = venue.Scope{}
)

// newOffice is an office over two towns, with a message about each of them.
func newOffice(t *testing.T, e store.Engine) *store.Office {
	t.Helper()
	r := store.NewRegistry(e, newClock(noon))
	put(t, r, towns)
	put(t, r, store.Registered{Units: []venue.Unit{{ID: "new", Division: "410482003", Duty: venue.DutyExempt}}})
	outbox := store.NewCollection[store.OutboxRow](e, store.Outbox)
	about := func(units ...venue.UnitID) (m []venue.UnitMention) {
		for _, u := range units {
			m = append(m, venue.UnitMention{Unit: u})
		}
		return m
	}
	for i, m := range []venue.Message{
		{ID: "both", Kind: venue.MessageReminder, To: venue.Recipient{Channel: venue.ChannelRobot, ID: "gall"}, Units: about("a", "b", "gone")},
		{ID: "digest", Kind: venue.MessageDigest, To: venue.Recipient{Channel: venue.ChannelRobot, ID: "gb"}, Digest: &venue.Digest{MissingNames: []string{"乙院"}}},
		{ID: "difference", Kind: venue.MessageDifference, To: venue.Recipient{Channel: venue.ChannelWeComApp, ID: "s001"}, Units: about("a")},
		{ID: "alarm", Kind: venue.MessageAlarm, To: venue.Recipient{Channel: venue.ChannelService, ID: "blind"}, Units: about("kid")},
		{ID: "to nobody in particular", Kind: venue.MessageDifference, To: venue.Recipient{Channel: venue.ChannelWeComApp, ID: "ga"}},
		{ID: "no such group", Kind: venue.MessageDigest, To: venue.Recipient{Channel: venue.ChannelRobot, ID: "gone"}},
		{ID: "resident", Kind: venue.MessageRecheck, To: venue.Recipient{Channel: venue.ChannelSubscribe, ID: "account"}, Units: about("a", "b")},
		{ID: "resident too", Kind: venue.MessageAlarm, To: venue.Recipient{Channel: venue.ChannelAlipay, ID: "account"}, Units: about("a", "b")},
	} {
		row := store.OutboxRow{Message: m, State: store.OutboxSent, Posted: noon.Add(time.Duration(i) * time.Minute)}
		if err := outbox.Insert(context.Background(), m.ID, row); err != nil {
			t.Fatal(err)
		}
	}
	scan := venue.Scan{Key: venue.ScanKey{1}, At: noon, Received: noon, Door: "A000000000000001", Unit: "a", Health: venue.HealthRed, Decision: venue.Refuse}
	if _, err := e.Append(context.Background(), []venue.Scan{scan}); err != nil {
		t.Fatal(err)
	}
	register := store.NewRegister(e, r, xored{}, newClock(noon))
	if _, err := register.UpdateApplication(context.Background(), "x1", true, func(a *registry.Application) error {
		*a = registry.Application{ID: "x1", State: registry.StatePending, Division: "410482001"}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := register.Print(context.Background(), registry.Batch{ID: "x1", Division: "410482001", Codes: []venue.Code{"BLANK00000000000", "A000000000000003"}}); err != nil {
		t.Fatal(err)
	}
	entry := registry.Entry{Venue: venue.Venue{ID: "old", Unit: "a", Name: "甲旧校区", Division: "410482001", Status: venue.StatusIncomplete}, Doors: []string{"旧门"}}
	entry.Manager.Name, _ = venue.ParsePersonName(manager)
	entry.Manager.Phone, _ = venue.ParsePhone("13900000002")
	if _, err := register.EnterVenues(context.Background(), []store.VenueEntry{{Entry: entry, Codes: []venue.Code{"A000000000000003"}}}, officer); err != nil {
		t.Fatal(err)
	}
	if err := register.Keep(context.Background(), registry.Posting{ID: "x1", Venue: "old"}); err != nil {
		t.Fatal(err)
	}
	return register.Show(store.NewOffice(e, r))
}

// given are the arguments by which something is found, by type.
var given = map[reflect.Type]reflect.Value{
	reflect.TypeFor[venue.UnitID]():   reflect.ValueOf(venue.UnitID("a")),
	reflect.TypeFor[venue.GroupID]():  reflect.ValueOf(venue.GroupID("ga")),
	reflect.TypeFor[int]():            reflect.ValueOf(100),
	reflect.TypeFor[venue.Day]():      reflect.ValueOf(venue.DayOf(noon)),
	reflect.TypeFor[venue.ScanKey]():  reflect.ValueOf(venue.ScanKey{1}),
	reflect.TypeFor[venue.VenueID]():  reflect.ValueOf(venue.VenueID("old")),
	reflect.TypeFor[venue.Code]():     reflect.ValueOf(venue.Code("A000000000000003")),
	reflect.TypeFor[venue.Division](): reflect.ValueOf(venue.Division("410482001")),
	reflect.TypeFor[string]():         reflect.ValueOf("x1"),
	reflect.TypeFor[registry.State](): reflect.ValueOf(registry.StatePending),
}

// TestTheOfficeAnswersNobodyWithoutAScope calls every method there is. One whose
// arguments it does not know fails: give it some by which it finds something.
func TestTheOfficeAnswersNobodyWithoutAScope(t *testing.T) {
	o := reflect.ValueOf(newOffice(t, openStore(t)))
	if o.NumMethod() < 4 {
		t.Fatalf("only %d methods", o.NumMethod())
	}
	for i := range o.NumMethod() {
		name, method := o.Type().Method(i).Name, o.Method(i)
		takes := method.Type()
		if takes.NumIn() < 2 || takes.In(0) != reflect.TypeFor[context.Context]() || takes.In(1) != reflect.TypeFor[venue.Scope]() {
			t.Errorf("%s does not begin with a context and a scope", name)
			continue
		}
		ask := func(scope venue.Scope) (found bool, err error) {
			in := []reflect.Value{reflect.ValueOf(t.Context()), reflect.ValueOf(scope)}
			instants := []time.Time{noon.Add(-time.Hour), noon.Add(time.Hour)} // from, to
			for j := 2; j < takes.NumIn(); j++ {
				v, ok := given[takes.In(j)]
				switch {
				case takes.In(j) == reflect.TypeFor[time.Time]() && len(instants) > 0:
					v, instants = reflect.ValueOf(instants[0]), instants[1:]
				case name == "Units" && j == 2, name == "Ungrouped" && j == 3:
					v = reflect.ValueOf(venue.UnitID("")) // from the beginning
				case name == "Incomplete" && j == 2, name == "Batches" && j == 2, name == "Applications" && j == 3:
					v = reflect.Zero(takes.In(j)) // likewise
				case name == "Alarms" && takes.In(j) == reflect.TypeFor[int]() && j == 3:
					v = reflect.ValueOf(0) // without the first none
				case !ok:
					t.Fatalf("%s takes a %s: add one to given", name, takes.In(j))
				}
				in = append(in, v)
			}
			return foundIn(method.Call(in))
		}
		if found, err := ask(nobody); found || err != nil && !errors.Is(err, venue.ErrNotFound) {
			t.Errorf("%s: found %v with no scope, %v", name, found, err)
		}
		if found, err := ask(county); !found || err != nil {
			t.Errorf("%s: found %v where all is in scope, %v: then the above means nothing", name, found, err)
		}
	}
}

// foundIn tells whether results of a method hold anything but an error.
func foundIn(results []reflect.Value) (found bool, err error) {
	for _, r := range results {
		switch {
		case r.Type() == reflect.TypeFor[error]():
			err, _ = r.Interface().(error)
		case r.Kind() == reflect.Func: // an iter.Seq2
			for v, e := range r.Seq2() {
				if err, _ = e.Interface().(error); err == nil {
					found = found || !v.IsZero()
				}
			}
		case r.Kind() == reflect.Slice || r.Kind() == reflect.Map:
			found = found || r.Len() > 0
		default:
			found = found || !r.IsZero()
		}
	}
	return found, err
}

func TestAnOfficialFindsUnitsAndDoorsInScope(t *testing.T) {
	o := newOffice(t, openStore(t))
	for _, c := range []struct {
		name                string
		scope               venue.Scope
		units, below, doors string // below and at the doors of a; "-": out of scope
	}{
		{"the town of a", townA, "a kid", "kid", "东门 西门"},
		{"the other town", townB, "b", "-", "-"},
		{"both", county, "a kid b new", "kid", "东门 西门"},
		{"the sector", schools, "a kid", "kid", "东门 西门"},
		{"a itself", unitA, "a", "", "东门 西门"},
		{"a unit that is not there", venue.NewScope(venue.ScopeUnit, nil, nil, "gone"), "", "-", "-"},
		{"nobody", nobody, "", "-", "-"},
	} {
		units, more, err := o.Units(t.Context(), c.scope, "", 0)
		if got := ids(units); got != c.units || more || err != nil {
			t.Errorf("%s: units %q, %v, %v; want %q", c.name, got, more, err, c.units)
		}
		below, err := o.Below(t.Context(), c.scope, "a")
		if got := cmp.Or(map[bool]string{true: "-"}[errors.Is(err, store.ErrOutOfScope)], ids(below)); got != c.below {
			t.Errorf("%s: below a %q, %v; want %q", c.name, got, err, c.below)
		}
		places, err := o.Doors(t.Context(), c.scope, "a")
		var doors []string
		for _, p := range places {
			if p.Venue.ID == "old" {
				continue
			}
			if doors = append(doors, p.Door.Name); p.Venue.Name != "甲校园" {
				t.Errorf("%s: %s is at %q", c.name, p.Door.Name, p.Venue.Name)
			}
		}
		if got := cmp.Or(map[bool]string{true: "-"}[errors.Is(err, store.ErrOutOfScope)], strings.Join(doors, " ")); got != c.doors {
			t.Errorf("%s: doors %q, %v; want %q", c.name, got, err, c.doors)
		}
		if _, err := o.Unit(t.Context(), c.scope, "nosuchunit"); !errors.Is(err, venue.ErrNotFound) || errors.Is(err, store.ErrOutOfScope) {
			t.Errorf("%s: absent: %v", c.name, err)
		}
		if _, _, err := o.Units(t.Context(), c.scope, "far", 1); !errors.Is(err, store.ErrOutOfScope) {
			t.Errorf("%s: a page behind a unit out of scope: %v", c.name, err)
		}
	}
}

func ids(units []venue.Unit) string {
	var s []string
	for _, u := range units {
		s = append(s, string(u.ID))
	}
	return strings.Join(s, " ")
}

// yielding counts the documents that are read by an index.
type yielding struct {
	store.Engine
	n int
}

func (y *yielding) Find(ctx context.Context, collection string, q store.Query) iter.Seq2[store.Document, error] {
	return func(yield func(store.Document, error) bool) {
		for d, err := range y.Engine.Find(ctx, collection, q) {
			y.n++
			if !yield(d, err) {
				return
			}
		}
	}
}

func TestPagesOfUnitsAreTheListAndNothingElseIsRead(t *testing.T) {
	e := &yielding{Engine: openStore(t)}
	r := store.NewRegistry(e, newClock(noon))
	divisions := []venue.Division{"410481", "410482", "410482000", "410482001", "410482001002", "410482002", "410482002000", "410483", "420000"}
	var all []venue.Unit
	for i := range 90 {
		all = append(all, venue.Unit{ID: venue.UnitID(fmt.Sprintf("u%02d", i*37%90)), Division: divisions[i%len(divisions)], Sectors: []string{[]string{"教育", "卫健"}[i%2]}})
	}
	put(t, r, store.Registered{Units: all})
	slices.SortFunc(all, func(a, b venue.Unit) int {
		return cmp.Or(cmp.Compare(a.Division, b.Division), cmp.Compare(a.ID, b.ID))
	})
	o := store.NewOffice(e, r)
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]venue.ScopeKind{venue.ScopeNone, venue.ScopeTerritory, venue.ScopeSector, venue.ScopeUnit}).Draw(t, "kind")
		in := rapid.SliceOfN(rapid.SampledFrom(append(divisions, "", "410400")), 0, 4).Draw(t, "divisions")
		scope := venue.NewScope(kind, in, []string{"教育"}, "u07")
		limit := rapid.IntRange(1, 20).Draw(t, "limit")
		reached := 0 // in the divisions of the scope, whatever the sector
		for _, u := range all {
			if venue.NewScope(venue.ScopeTerritory, in, nil, "").Covers(u) {
				reached++
			}
		}
		var want []venue.Unit
		for _, u := range all {
			if scope.Covers(u) {
				want = append(want, u)
			}
		}
		e.n = 0
		list, more, err := o.Units(context.Background(), scope, "", 0)
		if err != nil || more || ids(list) != ids(want) {
			t.Fatalf("the list is %q, %v, %v; want %q", ids(list), more, err, ids(want))
		}
		if e.n > reached {
			t.Fatalf("%d units were read, %d are in reach", e.n, reached)
		}
		var got []venue.Unit
		for more = true; more; {
			var after venue.UnitID
			if len(got) > 0 {
				after = got[len(got)-1].ID
			}
			var page []venue.Unit
			if page, more, err = o.Units(context.Background(), scope, after, limit); err != nil || len(page) > limit || more && len(page) < limit {
				t.Fatalf("a page of %d of at most %d, %v, %v", len(page), limit, more, err)
			}
			got = append(got, page...)
		}
		if ids(got) != ids(want) {
			t.Fatalf("the pages are %q, want %q", ids(got), ids(want))
		}
	})
}

func TestTheLedgerShowsWhatIsAboutTheScope(t *testing.T) {
	o := newOffice(t, openStore(t))
	for _, c := range []struct {
		name  string
		scope venue.Scope
		want  string // kind group units, newest first
	}{
		{"the town of a", townA, "alarm -> kid; difference -> a; reminder 全市群 -> a"},
		{"the other town", townB, "digest 乙镇群 -> ; reminder 全市群 -> b"},
		{"both", county, "alarm -> kid; difference -> a; digest 乙镇群 -> ; reminder 全市群 -> a b"},
		{"the sector", schools, "alarm -> kid; difference -> a; reminder 全市群 -> a"},
		{"a itself", unitA, "difference -> a; reminder 全市群 -> a"},
		{"nobody", nobody, ""},
	} {
		lines, more, err := o.Ledger(t.Context(), c.scope, noon, noon.Add(time.Hour), 100)
		var got []string
		for _, l := range lines {
			got = append(got, strings.Join(strings.Fields(string(l.Kind)+" "+l.Group), " ")+" -> "+ids(l.Units))
		}
		if strings.Join(got, "; ") != c.want || more || err != nil {
			t.Errorf("%s: %q, %v, %v; want %q", c.name, strings.Join(got, "; "), more, err, c.want)
		}
	}
}

func TestPagesOfTheLedgerMissNothingPostedAtOnce(t *testing.T) {
	e := openStore(t)
	o := newOffice(t, e)
	outbox := store.NewCollection[store.OutboxRow](e, store.Outbox)
	begin := noon.Add(24 * time.Hour)
	for i := range 30 { // five of each instant
		m := venue.Message{ID: fmt.Sprintf("m%02d", i), Kind: venue.MessageReminder, Day: venue.Day(i), Units: []venue.UnitMention{{Unit: "a"}}}
		if err := outbox.Insert(t.Context(), m.ID, store.OutboxRow{Message: m, Posted: begin.Add(time.Duration(i/5) * time.Millisecond)}); err != nil {
			t.Fatal(err)
		}
	}
	for limit := 1; limit < 32; limit++ {
		seen, to := map[venue.Day]bool{}, begin.Add(time.Hour)
		for more := true; more; {
			var lines []store.LedgerLine
			var err error
			if lines, more, err = o.Ledger(t.Context(), townA, begin, to, limit); err != nil || len(lines) > limit+4 {
				t.Fatalf("limit %d: %d lines, %v", limit, len(lines), err)
			}
			for _, l := range lines {
				if seen[l.Day] {
					t.Fatalf("limit %d: a line is on two pages", limit)
				}
				seen[l.Day] = true
				to = l.Posted
			}
		}
		if len(seen) != 30 {
			t.Errorf("limit %d: %d lines of 30", limit, len(seen))
		}
	}
}
