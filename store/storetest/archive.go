package storetest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Dump collects a dump: by part its rows, in an order that does not depend on
// the engine. Parts without rows are left out.
func Dump(t TB, a store.Archive) map[string][]bson.Raw {
	t.Helper()
	all := map[string][]bson.Raw{}
	for part, err := range a.Dump(context.Background()) {
		must(t, err)
		var rows []bson.Raw
		for row, err := range part.Rows {
			must(t, err)
			rows = append(rows, bytes.Clone(row))
		}
		if len(rows) > 0 {
			slices.SortFunc(rows, func(a, b bson.Raw) int { return bytes.Compare(a, b) })
			all[part.Name] = rows
		}
	}
	return all
}

// Load puts a dump into a memory.
func Load(t TB, a store.Archive, dump map[string][]bson.Raw) {
	t.Helper()
	for part, rows := range dump {
		for some := range slices.Chunk(rows, 7) {
			must(t, a.Load(context.Background(), part, some))
		}
	}
}

// SameDump holds two dumps against each other.
func SameDump(t TB, got, want map[string][]bson.Raw) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d parts with rows, want %d", len(got), len(want))
	}
	for part, rows := range want {
		if !slices.EqualFunc(got[part], rows, func(a, b bson.Raw) bool { return bytes.Equal(a, b) }) {
			t.Fatalf("%s has %d rows that are not the %d of the original", part, len(got[part]), len(rows))
		}
	}
}

// Lived fills a memory with a bit of everything: changed documents, scans of
// every kind, a day that was purged, and a scan that came for it afterwards.
func Lived(t TB, e store.Engine) {
	t.Helper()
	ctx, today := context.Background(), venue.DayOf(Noon)
	must(t, e.Insert(ctx, "plain", "名称/1", Body(t, bson.M{"v": "一门一码"})))
	for i := range 9 {
		x := thing{Owner: "o", Name: string(rune('a' + i)), N: int64(i), At: venue.Millis(Noon)}
		must(t, e.Insert(ctx, "things", x.Name, x.body(t)))
	}
	d, err := e.Get(ctx, "things", "a")
	must(t, err)
	d.Rev, err = e.Replace(ctx, "things", d)
	must(t, err)
	must(t, e.Delete(ctx, "things", "b", 0))
	for n, at := range []time.Time{Noon, Noon.Add(-24 * time.Hour)} {
		Append(t, e,
			Scan(1, n, "D", at), Scan(2, n, "D", at.Add(time.Second)), Scan(3, n, "E", at.Add(-3*time.Hour)),
			Late(Scan(4, n, "D", at), time.Hour), Colour(Scan(5, n, "D", at), venue.HealthRed))
	}
	must(t, e.PurgeDay(ctx, today-1))
	Append(t, e, Late(Scan(6, 0, "D", Noon.Add(-24*time.Hour)), 24*time.Hour))
}

func archive(t *testing.T, h Harness) {
	ctx := context.Background()
	today := venue.DayOf(Noon)

	t.Run("a memory without rows is Empty, with one it is not", func(t *testing.T) {
		e := h.open(t)
		empty := func() bool {
			t.Helper()
			yes, err := store.Empty(ctx, e)
			must(t, err)
			return yes
		}
		if !empty() {
			t.Fatal("a new memory is not empty")
		}
		must(t, e.Insert(ctx, "plain", "1", Body(t, bson.M{})))
		if empty() {
			t.Fatal("a memory with a document is empty")
		}
		must(t, e.Delete(ctx, "plain", "1", 0))
		Append(t, e, full())
		if empty() {
			t.Fatal("a memory with a scan is empty")
		}
		must(t, e.PurgeDay(ctx, venue.DayOf(full().At)))
		if empty() {
			t.Fatal("a memory with the counts of a day is empty")
		}
	})
	t.Run("what is loaded, twice over, is what was dumped", func(t *testing.T) {
		e, c := h.open(t), h.open(t)
		Lived(t, e)
		dump := Dump(t, e)
		if rows := len(dump[store.ScansName(today)]); rows != 5 {
			t.Fatalf("%d rows of a day, want 5", rows)
		}
		if rows := len(dump[store.ScansName(today-1)]); rows != 3 { // a scan, and the counts of two doors
			t.Fatalf("%d rows of a purged day, want 3", rows)
		}
		Load(t, c, dump)
		SameDump(t, Dump(t, c), dump)
		Load(t, c, dump) // cut short, and done again
		SameDump(t, Dump(t, c), dump)

		check, err := c.VerifyCounts(ctx, today, today, nil)
		must(t, err)
		if check.Rows != 5 || len(check.Differ) > 0 {
			t.Fatalf("the copy's counts: %+v", check)
		}
		for _, door := range []venue.Code{"D", "E"} {
			for _, from := range []time.Time{Noon, Noon.Add(-24 * time.Hour)} {
				span := []venue.Span{{Door: door, From: from.Add(-12 * time.Hour), To: from.Add(12 * time.Hour)}}
				for _, by := range []time.Time{{}, Noon.Add(time.Minute)} {
					want, err := e.CountScans(ctx, span, by)
					must(t, err)
					got, err := c.CountScans(ctx, span, by)
					must(t, err)
					if got != want {
						t.Fatalf("%d scans at %s around %s, want %d", got, door, from, want)
					}
				}
			}
		}
		d, err := c.Get(ctx, "things", "a")
		must(t, err)
		if d.Rev != 2 {
			t.Fatalf("revision %d, want 2", d.Rev)
		}
		x := thing{Owner: "o", Name: "c"}
		wantErr(t, c.Insert(ctx, "things", "other", x.body(t)), venue.ErrExists) // indexes are there
		sameScans(t, "attention", Collect(t, c.Attention(ctx, Noon, Noon.Add(time.Hour))), Collect(t, e.Attention(ctx, Noon, Noon.Add(time.Hour)))...)
	})
	t.Run("a row that is there stays as it is", func(t *testing.T) {
		e := h.open(t)
		row := func(id string, rev int64, x thing) bson.Raw {
			return store.EncodeDocument(nil, store.Document{ID: id, Rev: rev, Body: x.body(t)})
		}
		must(t, e.Load(ctx, "things", []bson.Raw{row("1", 3, thing{Owner: "o", Name: "n"})}))
		must(t, e.Load(ctx, "things", []bson.Raw{row("1", 9, thing{Owner: "o", Name: "m"}), row("2", 1, thing{Owner: "o", Name: "l"})}))
		d, err := e.Get(ctx, "things", "1")
		must(t, err)
		if d.Rev != 3 || !bytes.Equal(d.Body, thing{Owner: "o", Name: "n"}.body(t)) {
			t.Fatalf("the document has become revision %d, %s", d.Rev, d.Body)
		}
		wantErr(t, e.Load(ctx, "things", []bson.Raw{row("3", 1, thing{Owner: "o", Name: "n"})}), venue.ErrExists)

		other := full()
		Append(t, e, full())
		other.Hash[0]++
		wantErr(t, e.Load(ctx, store.ScansName(venue.DayOf(other.At)), []bson.Raw{store.AppendScan(nil, &other)}), venue.ErrConflict)
		wantErr(t, e.Load(ctx, store.ScansName(today+9), []bson.Raw{store.AppendScan(nil, &other)}), venue.ErrInvalid)
		if e.Load(ctx, "nobody's", []bson.Raw{row("1", 1, thing{})}) == nil {
			t.Fatal("a part that nobody declares was loaded")
		}
	})
	t.Run("a dump taken while writing has all that was acknowledged before", func(t *testing.T) {
		e, c := h.open(t), h.open(t)
		var acknowledged atomic.Int64
		stop, written := make(chan struct{}), make(chan error, 1)
		go func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					written <- nil
					return
				default:
				}
				if _, err := e.Append(ctx, []venue.Scan{Scan(7, n, "D", Noon)}); err != nil {
					written <- err
					return
				}
				acknowledged.Store(int64(n + 1))
			}
		}()
		for acknowledged.Load() < 20 {
			time.Sleep(time.Millisecond)
		}
		before := acknowledged.Load()
		dump := Dump(t, e)
		close(stop)
		must(t, <-written)
		Load(t, c, dump)
		if n := int64(len(Collect(t, c.OfPerson(ctx, today, Pseudonym(7))))); n < before {
			t.Fatalf("the copy has %d rows, %d were acknowledged before", n, before)
		}
		check, err := c.VerifyCounts(ctx, today, today, nil)
		must(t, err)
		if len(check.Differ) > 0 {
			t.Fatalf("the copy's counts differ: %+v", check.Differ)
		}
	})
	t.Run("a day that is purged while it is dumped is whole, or stale and then whole", func(t *testing.T) {
		e, c := h.open(t), h.open(t)
		for n := range 9 {
			Append(t, e, Scan(1, n, "D", Noon))
		}
		for part, err := range e.Dump(ctx) {
			must(t, err)
			if part.Name != store.ScansName(today) {
				continue
			}
			var rows []bson.Raw
			read := func() (last error) {
				rows = nil
				for row, err := range part.Rows {
					if err != nil {
						return err
					}
					if rows = append(rows, bytes.Clone(row)); len(rows) == 3 {
						must(t, e.PurgeDay(ctx, today))
					}
				}
				return nil
			}
			if err := read(); errors.Is(err, venue.ErrStale) {
				must(t, read())
			} else {
				must(t, err)
			}
			must(t, c.Load(ctx, part.Name, rows))
		}
		n, err := c.CountScans(ctx, []venue.Span{{Door: "D", From: Noon, To: Noon.Add(time.Hour)}}, time.Time{})
		must(t, err)
		if n != 9 {
			t.Fatalf("the copy counts %d scans, want 9", n)
		}
	})
	t.Run("a dump that nobody reads on, or whose time is up, ends", func(t *testing.T) {
		e := h.open(t)
		Lived(t, e)
		for part, err := range e.Dump(ctx) {
			must(t, err)
			for _, err := range part.Rows {
				must(t, err)
				break
			}
			break
		}
		_, err := Last(e.Dump(cancelled()))
		wantErr(t, err, context.Canceled)
		must(t, e.Close()) // would wait for a reader
	})
	t.Run("nothing is left over of what is declared", func(t *testing.T) {
		e := h.open(t)
		Lived(t, e)
		names, err := e.Leftovers(ctx)
		must(t, err)
		if len(names) > 0 {
			t.Fatalf("left over: %q", names)
		}
		must(t, e.DropLeftovers(ctx))
		must(t, e.Insert(ctx, "things", "z", thing{Owner: "z"}.body(t)))
	})
}
