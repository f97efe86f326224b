package store_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/store/storetest"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/daily"
)

var noon = storetest.Noon

// handClock is a clock moved by hand.
type handClock struct{ ms atomic.Int64 }

func newClock(t time.Time) *handClock        { c := &handClock{}; c.ms.Store(t.UnixMilli()); return c }
func (c *handClock) Now() time.Time          { return time.UnixMilli(c.ms.Load()).UTC() }
func (c *handClock) advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// counting counts what the store is read for.
type counting struct {
	store.Engine
	gets   atomic.Int64
	before func(collection, id string) // of a Get
}

func (c *counting) Get(ctx context.Context, collection, id string) (store.Document, error) {
	c.gets.Add(1)
	d, err := c.Engine.Get(ctx, collection, id)
	if c.before != nil {
		c.before(collection, id)
	}
	return d, err
}

const door = venue.Code("0123456789ABCDEF")

func place(status venue.Status) store.Registered {
	return store.Registered{
		Units:  []venue.Unit{{ID: "u1", Name: "市民中心"}, {ID: "u2", Name: "物业公司"}},
		Venues: []venue.Venue{{ID: "v1", Unit: "u1", Name: "大厅", Status: status}},
		Doors:  []venue.Door{{Code: door, Venue: "v1", Unit: "u1", Name: "南门", Status: venue.StatusActive}},
		Since:  noon,
	}
}

func put(t *testing.T, r *store.Registry, in store.Registered) {
	t.Helper()
	if err := r.Put(context.Background(), in); err != nil {
		t.Fatal(err)
	}
}

func TestAChangeByAnotherProcessIsSeenWithinTwoSeconds(t *testing.T) {
	ctx := context.Background()
	e := &counting{Engine: openStore(t)}
	clock := newClock(noon)
	here, there := store.NewRegistry(e, clock), store.NewRegistry(e, clock)
	put(t, there, place(venue.StatusActive))
	if p, err := here.Resolve(ctx, door); err != nil || p.Venue.Name != "大厅" || p.Door.Name != "南门" {
		t.Fatalf("%+v, %v", p, err)
	}
	before := e.gets.Load()
	for range 100 {
		if _, err := here.Resolve(ctx, door); err != nil {
			t.Fatal(err)
		}
	}
	if n := e.gets.Load() - before; n != 0 {
		t.Fatalf("%d reads for a hundred scans at a known door", n)
	}
	put(t, there, place(venue.StatusSuspended))
	if _, err := there.Resolve(ctx, door); !errors.Is(err, venue.ErrNotFound) {
		t.Fatalf("where it was changed: %v", err)
	}
	clock.advance(2 * time.Second)
	if _, err := here.Resolve(ctx, door); !errors.Is(err, venue.ErrNotFound) {
		t.Fatalf("two seconds later: %v", err)
	}
}

// away is a store that says nothing, after a time or at once.
type away struct {
	store.Engine
	away, silent bool
}

func (a *away) Get(ctx context.Context, collection, id string) (store.Document, error) {
	if a.away && a.silent {
		<-ctx.Done()
		return store.Document{}, ctx.Err()
	} else if a.away {
		return store.Document{}, fmt.Errorf("no answer: %w", venue.ErrUnavailable)
	}
	return a.Engine.Get(ctx, collection, id)
}

func (a *away) Find(ctx context.Context, collection string, q store.Query) iter.Seq2[store.Document, error] {
	if _, err := a.Get(ctx, collection, "x"); a.away {
		return func(yield func(store.Document, error) bool) { yield(store.Document{}, err) }
	}
	return a.Engine.Find(ctx, collection, q)
}

func TestKnownDoorsAreScannedWhileTheStoreIsAway(t *testing.T) {
	for _, silent := range []bool{false, true} {
		ctx := context.Background()
		e := &away{Engine: openStore(t), silent: silent}
		clock := newClock(noon)
		here, there := store.NewRegistry(e, clock), store.NewRegistry(e, clock)
		put(t, there, place(venue.StatusActive))
		want := func(what string, wanted error) {
			t.Helper()
			if p, err := here.Resolve(ctx, door); !errors.Is(err, wanted) || err == nil && p.Door.Name != "南门" {
				t.Fatalf("%s: %+v, %v; want %v", what, p, err, wanted)
			}
		}
		want("at first", nil)
		put(t, there, place(venue.StatusActive)) // a change: the cache is of former times
		clock.advance(2 * time.Second)
		e.away = true
		want("away", nil)
		clock.advance(2 * time.Second)
		want("still away", nil)
		e.away = false
		put(t, there, place(venue.StatusSuspended))
		clock.advance(2 * time.Second)
		want("suspended", venue.ErrNotFound)
		put(t, here, place(venue.StatusSuspended))
		e.away = true
		ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if p, err := here.Resolve(ctx, door); err == nil || errors.Is(err, venue.ErrNotFound) {
			t.Fatalf("a door that was seen suspended: %+v, %v", p, err)
		}
	}
}

func TestDoorsThatNobodyScannedAreKnownToo(t *testing.T) {
	ctx := context.Background()
	e := &away{Engine: openStore(t)}
	here, there := store.NewRegistry(e, newClock(noon)), store.NewRegistry(e, newClock(noon))
	put(t, there, place(venue.StatusActive))
	if err := here.Warm(ctx); err != nil {
		t.Fatal(err)
	}
	e.away = true
	if p, err := here.Resolve(ctx, door); err != nil || p.Door.Name != "南门" || p.Venue.Name != "大厅" {
		t.Errorf("%+v, %v", p, err)
	}
	e.away = false
	put(t, there, place(venue.StatusSuspended))
	here = store.NewRegistry(e, newClock(noon))
	if err := here.Warm(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := here.Resolve(ctx, door); !errors.Is(err, venue.ErrNotFound) {
		t.Errorf("a suspended door: %v", err)
	}
}

func TestAChangeDuringALookUpDoesNotStayUnseen(t *testing.T) {
	ctx := context.Background()
	e := &counting{Engine: openStore(t)}
	clock := newClock(noon)
	r := store.NewRegistry(e, clock)
	put(t, r, place(venue.StatusActive))
	changed := false
	e.before = func(collection, id string) { // the venue was read as active
		if collection == "venues" && id == "v1" && !changed {
			changed = true
			put(t, r, place(venue.StatusSuspended))
		}
	}
	if _, err := r.Resolve(ctx, door); err != nil || !changed {
		t.Fatalf("the look-up under way: %v, changed %v", err, changed)
	}
	if _, err := r.Resolve(ctx, door); !errors.Is(err, venue.ErrNotFound) {
		t.Fatalf("the next one: %v, want ErrNotFound", err)
	}
}

func TestCodesThatMayNotBeScannedAreAlike(t *testing.T) {
	ctx := context.Background()
	e := &counting{Engine: openStore(t)}
	r := store.NewRegistry(e, newClock(noon))
	in := store.Registered{Since: noon}
	for _, status := range []venue.Status{venue.StatusBlank, venue.StatusPending, venue.StatusActive, venue.StatusIncomplete, venue.StatusSuspended, venue.StatusClosed} {
		in.Venues = append(in.Venues, venue.Venue{ID: venue.VenueID(status), Unit: "u1", Status: status})
		in.Doors = append(in.Doors,
			venue.Door{Code: venue.Code("venue-" + status), Venue: venue.VenueID(status), Unit: "u1", Name: "a", Status: venue.StatusActive},
			venue.Door{Code: venue.Code("door-" + status), Venue: "active", Unit: "u1", Name: string(status), Status: status})
	}
	in.Doors = append(in.Doors, venue.Door{Code: "no-venue", Venue: "gone", Unit: "u1", Name: "b", Status: venue.StatusActive})
	put(t, r, in)
	old := store.NewCollection[store.OldCodeRow](e, store.OldCodes)
	cost := func(code venue.Code) (int64, error) {
		_, err := r.Resolve(ctx, code)
		before := e.gets.Load()
		_, err = r.Resolve(ctx, code)
		return e.gets.Load() - before, err
	}
	costOld := func(payload string) (n int64, err error) {
		for range 2 {
			before := e.gets.Load()
			code, oldErr := r.Old(ctx, payload)
			if oldErr != nil {
				return 0, oldErr
			}
			_, err = r.Resolve(ctx, code)
			n = e.gets.Load() - before
		}
		return n, err
	}
	want, err := costOld("")
	if !errors.Is(err, venue.ErrNotFound) {
		t.Fatalf("a malformed code: %v", err)
	}
	for _, code := range []venue.Code{
		"0000000000000000", "venue-blank", "venue-pending", "venue-suspended", "venue-closed",
		"door-blank", "door-pending", "door-suspended", "door-closed", "no-venue",
	} {
		if n, err := cost(code); !errors.Is(err, venue.ErrNotFound) || n != want {
			t.Errorf("%s: %v after %d reads; want ErrNotFound after %d, as a malformed one", code, err, n, want)
		}
	}
	for payload, code := range map[string]venue.Code{
		"https://csm.example.com/q?id=1": "", "10001": "", strings.Repeat("x", store.MaxPayload+1): "",
		`{"id":"closed"}`: "door-closed", "https://csm.example.com/q?id=2": "venue-suspended",
	} {
		if code != "" {
			sum := sha256.Sum256([]byte(payload))
			if err := old.Insert(ctx, base64.RawURLEncoding.EncodeToString(sum[:]), store.OldCodeRow{Door: string(code), Payload: payload}); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := costOld(payload); !errors.Is(err, venue.ErrNotFound) || n != want {
			t.Errorf("old code of %q: %v after %d reads; want ErrNotFound after %d", code, err, n, want)
		}
	}
	for _, code := range []venue.Code{"venue-active", "venue-incomplete", "door-active", "door-incomplete"} {
		if _, err := r.Resolve(ctx, code); err != nil {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func TestADoorWhoseVenueIsNotWrittenYetHidesNoOther(t *testing.T) {
	r := store.NewRegistry(openStore(t), newClock(noon))
	put(t, r, store.Registered{Since: noon, Venues: []venue.Venue{{ID: "v1", Unit: "u1", Status: venue.StatusActive}}, Doors: []venue.Door{
		{Code: "A1", Venue: "v1", Unit: "u1", Name: "a", Status: venue.StatusActive}, {Code: "A2", Venue: "v2", Unit: "u1", Name: "a", Status: venue.StatusActive},
	}})
	if places, err := r.Doors(t.Context()); err != nil || len(places) != 1 || places[0].Door.Code != "A1" {
		t.Errorf("%+v, %v", places, err)
	}
}

func TestADoorThatChangesHandsEndsTheTenure(t *testing.T) {
	ctx := context.Background()
	r := store.NewRegistry(openStore(t), newClock(noon))
	hands := func(to venue.UnitID, since time.Time) {
		t.Helper()
		in := place(venue.StatusActive)
		in.Doors[0].Unit, in.Since = to, since
		put(t, r, in)
	}
	later, latest := noon.Add(time.Hour), noon.Add(2*time.Hour)
	hands("u1", noon)
	hands("u1", later) // the same owner again changes nothing
	hands("u2", later)
	hands("u1", latest)
	for unit, want := range map[venue.UnitID][]venue.Tenure{
		"u1": {{Door: door, Unit: "u1", Since: noon, Until: later}, {Door: door, Unit: "u1", Since: latest}},
		"u2": {{Door: door, Unit: "u2", Since: later, Until: latest}},
	} {
		if got, err := r.Tenures(ctx, unit); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s had\n%+v, %v\nwant\n%+v", unit, got, err, want)
		}
	}
}

// failing fails every write to a collection.
type failing struct {
	store.Engine
	collection string
}

func (f *failing) Insert(ctx context.Context, c, id string, body bson.Raw) error {
	if c == f.collection {
		return fmt.Errorf("insert: %w", venue.ErrUnavailable)
	}
	return f.Engine.Insert(ctx, c, id, body)
}

func (f *failing) InsertAll(ctx context.Context, c string, docs []store.Document) ([]bool, error) {
	if c == f.collection {
		return nil, fmt.Errorf("insert: %w", venue.ErrUnavailable)
	}
	return f.Engine.InsertAll(ctx, c, docs)
}

func (f *failing) Replace(ctx context.Context, c string, d store.Document) (int64, error) {
	if c == f.collection {
		return 0, fmt.Errorf("replace: %w", venue.ErrUnavailable)
	}
	return f.Engine.Replace(ctx, c, d)
}

func TestAPutCutShortAndRunAgainLeavesOneOpenTenure(t *testing.T) {
	ctx := context.Background()
	for _, transfer := range []bool{false, true} {
		e := &failing{Engine: openStore(t)}
		r := store.NewRegistry(e, newClock(noon))
		in := place(venue.StatusActive)
		if transfer {
			put(t, r, in)
			in.Doors[0].Unit = "u2"
		}
		e.collection = store.Doors.Name
		for i := range 3 {
			in.Since = noon.Add(time.Duration(i+1) * time.Hour)
			if err := r.Put(ctx, in); !errors.Is(err, venue.ErrUnavailable) {
				t.Fatalf("cut short: %v", err)
			}
		}
		e.collection = ""
		in.Since = noon.Add(9 * time.Hour)
		put(t, r, in)
		var open []venue.Tenure
		for _, unit := range []venue.UnitID{"u1", "u2"} {
			all, err := r.Tenures(ctx, unit)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range all {
				if x.Until.IsZero() {
					open = append(open, x)
				}
			}
		}
		if len(open) != 1 || open[0].Unit != in.Doors[0].Unit {
			t.Errorf("transfer = %v: open tenures %+v, want one of %s", transfer, open, in.Doors[0].Unit)
		}
	}
}

func TestOfficersAreThoseOfTheMostSpecificTerritoryThatHasAny(t *testing.T) {
	ctx := context.Background()
	r := store.NewRegistry(openStore(t), newClock(noon))
	officer := func(id string) []venue.ChatAccount {
		return []venue.ChatAccount{{Channel: venue.ChannelWeComApp, ID: id}}
	}
	put(t, r, store.Registered{Territories: []venue.Territory{
		{Division: "410000", Officers: officer("province")},
		{Division: "410400", Officers: officer("prefecture")},
		{Division: "410482000000", Officers: officer("county")}, // the same county as 410482
		{Division: "410482101", Officers: officer("township")},
		{Division: "410482102"},
		{Division: "410482101003", Officers: officer("village")},
	}})
	for d, want := range map[venue.Division]string{
		"410482101003": "village", "410482101004": "township", "410482101": "township", "410482101000": "township",
		"410482102":    "county", // nobody is named for the township
		"410482103001": "county", "410482": "county", "410482000": "county", "410481": "prefecture", "410400": "prefecture",
		"411700001": "province", "410000": "province", "420100": "", "": "", "41": "",
	} {
		got, err := r.Officers(ctx, d)
		id := ""
		if len(got) > 0 {
			id = got[0].ID
		}
		if err != nil || id != want {
			t.Errorf("%s: %q, %v; want %q", d, id, err, want)
		}
	}
	if err := r.Put(ctx, store.Registered{Territories: []venue.Territory{{Division: "4104"}}}); !errors.Is(err, venue.ErrInvalid) {
		t.Errorf("a territory of no division: %v", err)
	}
}

func blind(kind, value string) string { return "keyed(" + kind + "," + fmt.Sprintf("%x", value) + ")" }

func TestBindCodes(t *testing.T) {
	ctx := context.Background()
	e := openStore(t)
	clock := newClock(noon)
	r := store.NewRegistry(e, clock)
	put(t, r, place(venue.StatusActive))
	// A byte gives the character of its five low bits.
	codes := store.NewBindCodes(e, r, blind, bytes.NewReader(append([]byte{0, 1, 0x20, 0x21, 1, 0, 0xE0, 0xFF}, make([]byte, 1<<10)...)), clock)
	code, err := codes.Make(ctx, "u1")
	if err != nil || code != "0101100Z" {
		t.Fatalf("made %q, %v", code, err)
	}
	if _, err := codes.Make(ctx, "nobody"); !errors.Is(err, venue.ErrNotFound) {
		t.Errorf("for no unit: %v", err)
	}
	me, you := venue.ChatAccount{Channel: venue.ChannelWeComApp, ID: "me"}, venue.ChatAccount{Channel: venue.ChannelWeComApp, ID: "you"}
	refused := func(what string, who venue.ChatAccount, code string) {
		t.Helper()
		var invalid *venue.Invalid
		if _, err := codes.Bind(ctx, who, code); !errors.As(err, &invalid) || invalid.Field != "bind_code" {
			t.Errorf("%s: %v, want it refused", what, err)
		}
	}
	refused("a wrong code", me, "ZZZZZZZZ")
	refused("no code", me, "")
	// As people type it: look-alikes, hyphens, blanks, small and full-width letters.
	b, err := codes.Bind(ctx, me, " oLo-i１ＯOz ")
	if err != nil || b.Unit != "u1" || b.Account != me || !b.Since.Equal(noon) {
		t.Fatalf("bound %+v, %v", b, err)
	}
	if got, err := r.Binding(ctx, me); err != nil || got.Unit != "u1" {
		t.Errorf("the registry says %+v, %v", got, err)
	}
	refused("a used code", you, code)
	if _, err := codes.Bind(ctx, me, code); err != nil {
		t.Errorf("the same account repeats its own: %v", err)
	}
	clock.advance(store.BindCodeLife + time.Millisecond)
	refused("one's own, too old", me, code)

	codes = store.NewBindCodes(e, r, blind, rand.Reader, clock)
	fresh, err := codes.Make(ctx, "u2")
	if err != nil || len(fresh) != 8 || strings.ContainsAny(fresh, "ILOU") {
		t.Fatalf("made %q, %v", fresh, err)
	}
	clock.advance(store.BindCodeLife)
	if _, err := codes.Bind(ctx, me, fresh); err != nil {
		t.Errorf("at the last instant: %v", err)
	}
	if got, _ := r.Binding(ctx, me); got.Unit != "u2" {
		t.Errorf("still reports for %s", got.Unit)
	}
	late, _ := codes.Make(ctx, "u2")
	clock.advance(store.BindCodeLife + time.Millisecond)
	refused("a code too old", you, late)

	for d, err := range e.Find(ctx, store.BindCodeRows.Name, store.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []string{code, fresh, late} {
			if strings.Contains(d.ID, c) || bytes.Contains(d.Body, []byte(c)) {
				t.Errorf("the store holds a code in clear")
			}
		}
	}
}

func TestABindCodeIsGoodForOneOfManyAtOnce(t *testing.T) {
	ctx := context.Background()
	e := openStore(t)
	clock := newClock(noon)
	r := store.NewRegistry(e, clock)
	put(t, r, place(venue.StatusActive))
	codes := store.NewBindCodes(e, r, blind, rand.Reader, clock)
	code, err := codes.Make(ctx, "u1")
	if err != nil {
		t.Fatal(err)
	}
	var bound atomic.Int64
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			_, err := codes.Bind(ctx, venue.ChatAccount{Channel: venue.ChannelWeComApp, ID: fmt.Sprint(i)}, code)
			if err == nil {
				bound.Add(1)
			} else if !errors.Is(err, venue.ErrInvalid) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if accounts, err := r.Accounts(ctx, "u1"); err != nil || bound.Load() != 1 || len(accounts) != 1 {
		t.Fatalf("%d bound, %d in the registry, %v", bound.Load(), len(accounts), err)
	}
}

// byKey opens references that are the person's number in clear.
type byKey struct{ err error }

func (b byKey) OpenPerson(_ venue.Day, _ venue.ScanKey, sealed []byte) (p venue.PersonID, err error) {
	copy(p[:], sealed)
	return p, b.err
}

func TestCountsTellPeopleApartAcrossMidnight(t *testing.T) {
	ctx := context.Background()
	e := openStore(t)
	midnight := (venue.DayOf(noon) + 1).Start()
	visit := func(n int, who string, d venue.Code, at time.Time) {
		s := storetest.Scan(n, 0, d, at) // another pseudonym each time, as over midnight
		s.Person = []byte(who)
		storetest.Append(t, e, s)
	}
	visit(1, "张", "A", midnight.Add(-time.Hour))
	visit(2, "张", "A", midnight.Add(time.Hour)) // the same person next day
	visit(3, "张", "B", midnight)                // and at the other door
	visit(4, "李", "B", midnight.Add(-time.Millisecond))
	visit(5, "王", "A", midnight.Add(2*time.Hour)) // at the end: outside
	visit(6, "赵", "C", midnight)                  // another's door
	spans := []venue.Span{
		{Door: "A", From: midnight.Add(-2 * time.Hour), To: midnight.Add(2 * time.Hour)},
		{Door: "B", From: midnight.Add(-2 * time.Hour), To: midnight.Add(2 * time.Hour)},
	}
	got, err := store.NewReporting(e, byKey{}).Counts(ctx, spans)
	if want := (venue.Counts{Raw: 4, Effective: 4, People: 2}); err != nil || got != want {
		t.Fatalf("counted %+v, %v; want %+v", got, err, want)
	}
	if got, err := store.NewReporting(e, byKey{}).Counts(ctx, nil); err != nil || got != (venue.Counts{}) {
		t.Fatalf("no doors: %+v, %v", got, err)
	}
	sealed := errors.New("sealed")
	if _, err := store.NewReporting(e, byKey{sealed}).Counts(ctx, spans); !errors.Is(err, sealed) {
		t.Fatalf("a reference that does not open: %v, want the error and no number", err)
	}
}

func TestAReplyIsGivenOnceAndOutlivesARestart(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	start := func() (*embedded.Engine, *store.Replies) {
		e, err := embedded.Open(embedded.Options{Dir: dir, Schemas: store.Schemas})
		if err != nil {
			t.Fatal(err)
		}
		return e, store.NewReplies(e, newClock(noon))
	}
	e, replies := start()
	var runs atomic.Int64
	answer := func(context.Context) (string, error) { return fmt.Sprint("第", runs.Add(1)), nil }
	other := store.NewReplies(e, newClock(noon)) // as another process would
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			r := replies
			if i%10 == 9 {
				r = other
			}
			if got, err := r.Once(ctx, "m1", answer); err != nil || !strings.HasPrefix(got, "第") {
				t.Errorf("caller %d: %q, %v", i, got, err)
			}
		})
	}
	wg.Wait()
	stands, err := replies.Once(ctx, "m1", answer)
	if err != nil || runs.Load() > 2 {
		t.Fatalf("answered %d times by two processes, %v", runs.Load(), err)
	}
	down := errors.New("down")
	if _, err := replies.Once(ctx, "m2", func(context.Context) (string, error) { return "half", down }); !errors.Is(err, down) {
		t.Fatalf("got %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e, replies = start()
	defer e.Close()
	before := runs.Load()
	if got, err := replies.Once(ctx, "m1", answer); err != nil || got != stands || runs.Load() != before {
		t.Fatalf("after a restart %q, %v; want %q, remembered", got, err, stands)
	}
	if got, err := replies.Once(ctx, "m2", func(context.Context) (string, error) { return "whole", nil }); err != nil || got != "whole" {
		t.Fatalf("after a failure %q, %v", got, err)
	}
}

func TestAStageIsMarkedOnceAndSinceIsTheFirstCallEver(t *testing.T) {
	ctx := context.Background()
	e := openStore(t)
	r := store.NewReporting(e, byKey{})
	day := venue.DayOf(noon)
	if done, err := r.Done(ctx, day, "digest"); done || err != nil {
		t.Fatalf("%v, %v", done, err)
	}
	for _, fate := range []string{"sent", "late"} {
		if err := r.Mark(ctx, day, "digest", noon, daily.Fate(fate)); err != nil {
			t.Fatal(err)
		}
	}
	row, err := store.NewCollection[store.StageRow](e, store.Stages).Get(ctx, day.String()+":digest")
	if err != nil || row.Value.Fate != "sent" {
		t.Fatalf("%+v, %v: the first mark stays", row.Value, err)
	}
	if done, err := r.Done(ctx, day, "digest"); !done || err != nil {
		t.Fatalf("%v, %v", done, err)
	}
	for i := range 3 {
		if since, err := r.Since(ctx, noon.Add(time.Duration(i)*time.Hour)); err != nil || !since.Equal(noon) {
			t.Fatalf("since %s, %v; want %s", since, err, noon)
		}
	}
	down := store.NewReporting(&failing{openStore(t), store.Stages.Name}, byKey{})
	if _, err := down.Since(ctx, noon); !errors.Is(err, venue.ErrUnavailable) {
		t.Fatalf("with the store down: %v, want ErrUnavailable", err)
	}
}

func TestRecheckedKeepsTheFirstOutcomeAndTheCursor(t *testing.T) {
	ctx := context.Background()
	r := store.NewRechecked(openStore(t))
	if c, err := r.Cursor(ctx); err != nil || !c.IsZero() {
		t.Fatalf("cursor %s, %v", c, err)
	}
	for _, to := range []time.Time{noon.Add(time.Hour), noon} { // it may go back
		if err := r.MoveCursor(ctx, to); err != nil {
			t.Fatal(err)
		}
		if c, err := r.Cursor(ctx); err != nil || !c.Equal(to) {
			t.Fatalf("cursor %s, %v; want %s", c, err, to)
		}
	}
	for _, h := range []venue.Health{venue.HealthRed, venue.HealthGreen} {
		if err := r.Keep(ctx, "scan", venue.Reading{Health: h, At: noon}, noon); err != nil {
			t.Fatal(err)
		}
	}
	if done, err := r.Done(ctx, "scan"); !done || err != nil {
		t.Fatalf("%v, %v", done, err)
	}
	if done, err := r.Done(ctx, "another"); done || err != nil {
		t.Fatalf("%v, %v", done, err)
	}
}

// TestAVenueFromBeforeItHadHours: a row that lacks what came later reads as not known,
// and hours come back as they were put.
func TestAVenueFromBeforeItHadHours(t *testing.T) {
	e := openStore(t)
	r := store.NewRegistry(e, newClock(noon))
	in := place(venue.StatusActive)
	in.Venues[0].Hours, in.Venues[0].Sentinel = "周一至周五 08:00-18:00", true
	put(t, r, in)
	d, err := e.Get(t.Context(), store.Venues.Name, "v1")
	if err != nil {
		t.Fatal(err)
	}
	var fields bson.M
	if err := bson.Unmarshal(d.Body, &fields); err != nil || fields["hours"] != "周一至周五 08:00-18:00" {
		t.Fatalf("stored as %v, %v", fields["hours"], err)
	}
	delete(fields, "hours")
	if d.Body, err = bson.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Replace(t.Context(), store.Venues.Name, d); err != nil {
		t.Fatal(err)
	}
	p, err := store.NewRegistry(e, newClock(noon)).Resolve(t.Context(), door)
	if err != nil || p.Venue.Hours != "" || !p.Venue.Sentinel || p.Venue.Name != "大厅" {
		t.Errorf("%+v, %v", p.Venue, err)
	}
}
