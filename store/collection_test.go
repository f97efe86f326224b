package store_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/store/storetest"
	"github.com/venuecode/venuecode/venue"
)

func openStore(t *testing.T) store.Engine {
	t.Helper()
	e, err := embedded.Open(embedded.Options{Dir: t.TempDir(), Schemas: store.Schemas})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func TestUpdateReadsAgainWhenSomebodyElseWasFaster(t *testing.T) {
	ctx := context.Background()
	c := store.NewCollection[store.MetaRow](openStore(t), store.Meta)
	if err := c.Insert(ctx, "cursor", store.MetaRow{Value: 1}); err != nil {
		t.Fatal(err)
	}
	calls := 0
	row, err := c.Update(ctx, "cursor", false, func(m *store.MetaRow) error {
		if calls++; calls == 1 {
			if _, err := c.Replace(ctx, store.Row[store.MetaRow]{ID: "cursor", Rev: 1, Value: store.MetaRow{Value: 10}}); err != nil {
				t.Fatal(err)
			}
		}
		m.Value++
		return nil
	})
	if err != nil || calls != 2 || row.Value.Value != 11 || row.Rev != 3 {
		t.Fatalf("after %d calls: %+v, %v; want value 11 at revision 3 after 2", calls, row, err)
	}
}

func TestUpdateCreatesWhatIsAbsentEvenInARace(t *testing.T) {
	ctx := context.Background()
	c := store.NewCollection[store.MetaRow](openStore(t), store.Meta)
	calls := 0
	row, err := c.Update(ctx, "cursor", true, func(m *store.MetaRow) error {
		if calls++; calls == 1 { // somebody else creates it meanwhile
			if err := c.Insert(ctx, "cursor", store.MetaRow{Value: 10}); err != nil {
				t.Fatal(err)
			}
		}
		m.Value++
		return nil
	})
	if err != nil || row.Value.Value != 11 || row.Rev != 2 {
		t.Fatalf("got %+v, %v; want value 11 at revision 2", row, err)
	}
	if _, err := c.Update(ctx, "absent", false, func(*store.MetaRow) error { return nil }); !errors.Is(err, venue.ErrNotFound) {
		t.Fatalf("without create: %v", err)
	}
}

func TestAnUpdateThatRefusesWritesNothing(t *testing.T) {
	ctx := context.Background()
	c := store.NewCollection[store.MetaRow](openStore(t), store.Meta)
	refusal := errors.New("refused")
	if _, err := c.Update(ctx, "cursor", true, func(*store.MetaRow) error { return refusal }); !errors.Is(err, refusal) {
		t.Fatalf("got %v", err)
	}
	if _, err := c.Get(ctx, "cursor"); !errors.Is(err, venue.ErrNotFound) {
		t.Fatalf("got %v", err)
	}
}

func TestSentinelsPassThroughCollections(t *testing.T) {
	ctx := context.Background()
	c := store.NewCollection[venue.Door](openStore(t), store.Doors)
	door := venue.Door{Code: "a", Venue: "v", Unit: "u", Name: "东门"}
	if err := c.Insert(ctx, "a", door); err != nil {
		t.Fatal(err)
	}
	if err := c.Insert(ctx, "b", door); !errors.Is(err, venue.ErrExists) {
		t.Errorf("two doors of a venue share a name: %v", err)
	}
	if _, err := c.Replace(ctx, store.Row[venue.Door]{ID: "a", Rev: 7, Value: door}); !errors.Is(err, venue.ErrStale) {
		t.Errorf("replace: %v", err)
	}
	if err := c.Delete(ctx, "b", 0); !errors.Is(err, venue.ErrNotFound) {
		t.Errorf("delete: %v", err)
	}
	rows, err := c.All(ctx, store.Query{Index: "unit", Equal: []any{"u"}})
	if err != nil || len(rows) != 1 || rows[0].Value != door || rows[0].ID != "a" || rows[0].Rev != 1 {
		t.Errorf("all: %+v, %v", rows, err)
	}
	if _, err := c.All(ctx, store.Query{Index: "colour"}); err == nil {
		t.Error("an unknown index is no error")
	}
}

func TestPrivateValuesAreNotStoredInClear(t *testing.T) {
	type inside struct {
		Contact struct{ Numbers []venue.Phone }
	}
	for name, f := range map[string]func(){
		"a phone":            func() { store.NewCollection[struct{ Phone venue.Phone }](nil, store.Meta) },
		"a name":             func() { store.NewCollection[struct{ Name venue.PersonName }](nil, store.Meta) },
		"an ID number":       func() { store.NewCollection[struct{ ID *venue.IDNumber }](nil, store.Meta) },
		"a phone far inside": func() { store.NewCollection[inside](nil, store.Meta) },
		"a value of a map":   func() { store.NewCollection[map[string]venue.Phone](nil, store.Meta) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "in clear") {
					t.Fatalf("panic %v", p)
				}
			}()
			f()
		})
	}
}

func TestTheDeclaredRowsHaveNoPrivateValues(t *testing.T) {
	store.NewCollection[venue.Unit](nil, store.Units)
	store.NewCollection[venue.Group](nil, store.Groups)
	store.NewCollection[venue.Venue](nil, store.Venues)
	store.NewCollection[venue.Door](nil, store.Doors)
	store.NewCollection[venue.Tenure](nil, store.Tenures)
	store.NewCollection[venue.Binding](nil, store.Bindings)
	store.NewCollection[venue.Report](nil, store.Reports)
	store.NewCollection[store.PersonRow](nil, store.Persons)
	store.NewCollection[store.OutboxRow](nil, store.Outbox)
}

func anyScan(t *rapid.T) venue.Scan {
	instant := func(label string) time.Time {
		return time.UnixMilli(rapid.Int64Range(-1e13, 1e13).Draw(t, label)).UTC()
	}
	small := func(label string) uint8 { return rapid.Uint8().Draw(t, label) }
	bytes := func(label string) []byte {
		if b := rapid.SliceOfN(rapid.Byte(), 0, 80).Draw(t, label); len(b) > 0 {
			return b
		}
		return nil // the stored form does not tell nil from empty
	}
	s := venue.Scan{
		At: instant("at"), Received: instant("received"),
		Door: venue.Code(rapid.String().Draw(t, "door")), Unit: venue.UnitID(rapid.String().Draw(t, "unit")),
		Direction: venue.Direction(small("direction")), Presence: venue.Presence(small("presence")),
		Method: venue.Method(small("method")), Health: venue.Health(small("health")), Decision: venue.Decision(small("decision")),
		Person: bytes("person"), Proxy: bytes("proxy"),
	}
	if rapid.Bool().Draw(t, "asked") {
		s.HealthAt = instant("health at")
	}
	copy(s.Key[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"))
	copy(s.Hash[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "hash"))
	return s
}

func TestAStoredScanComesBackWithEveryField(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyScan(t)
		before := rapid.SliceOf(rapid.Byte()).Draw(t, "before")
		raw := store.AppendScan(before[:len(before):len(before)], &want)[len(before):]
		got, err := store.DecodeScan(raw)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, %v\nwant %+v", got, err, want)
		}
		if h, ok := store.ScanHash(raw); !ok || h != want.Hash {
			t.Fatalf("hash %x, %v; want %x", h, ok, want.Hash)
		}
		for i := range raw {
			raw[i] = 0xAA
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatal("the decoded scan shares memory with its stored form")
		}
	})
}

// Whatever decodes has a stored form that decodes to the same.
func FuzzDecodeScan(f *testing.F) {
	s := storetest.Scan(1, 1, "门", storetest.Noon)
	s.Proxy = []byte("proxy")
	f.Add(store.AppendScan(nil, &s))
	f.Add(store.AppendScan(nil, &venue.Scan{At: storetest.Noon}))
	f.Add([]byte{5, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, _ = store.ScanHash(raw)
		s, err := store.DecodeScan(raw)
		if err != nil {
			return
		}
		again, err := store.DecodeScan(store.AppendScan(nil, &s))
		if err != nil || len(again.Person) != len(s.Person) || again.Key != s.Key || again.Hash != s.Hash || again.Door != s.Door {
			t.Fatalf("%x: got %+v, %v; want %+v", raw, again, err, s)
		}
	})
}
