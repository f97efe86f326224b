package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

func documents(t *testing.T, h Harness) {
	ctx := context.Background()
	x := thing{Owner: "a", Name: "x", N: 1, At: Noon}

	t.Run("a document that is not there is ErrNotFound for Get, Replace and Delete", func(t *testing.T) {
		e := h.open(t)
		_, err := e.Get(ctx, "things", "1")
		wantErr(t, err, venue.ErrNotFound)
		_, err = e.Replace(ctx, "things", store.Document{ID: "1", Rev: 1, Body: x.body(t)})
		wantErr(t, err, venue.ErrNotFound)
		wantErr(t, e.Delete(ctx, "things", "1", 0), venue.ErrNotFound)
		wantErr(t, e.Delete(ctx, "things", "1", 3), venue.ErrNotFound)
	})
	t.Run("an inserted document has revision 1 and its body", func(t *testing.T) {
		e := h.open(t)
		must(t, e.Insert(ctx, "things", "1", x.body(t)))
		d, err := e.Get(ctx, "things", "1")
		must(t, err)
		var got thing
		must(t, bson.Unmarshal(d.Body, &got))
		got.At = got.At.UTC()
		if d.ID != "1" || d.Rev != 1 || got != x {
			t.Fatalf("got %+v %+v", d, got)
		}
	})
	t.Run("a taken id is ErrExists and changes nothing", func(t *testing.T) {
		e := h.open(t)
		must(t, e.Insert(ctx, "plain", "1", Body(t, bson.M{"v": 1})))
		wantErr(t, e.Insert(ctx, "plain", "1", Body(t, bson.M{"v": 2})), venue.ErrExists)
		d, err := e.Get(ctx, "plain", "1")
		must(t, err)
		if d.Body.Lookup("v").AsInt64() != 1 || d.Rev != 1 {
			t.Fatalf("got %v", d)
		}
	})
	t.Run("taken values of a unique index are ErrExists for Insert and Replace and change nothing", func(t *testing.T) {
		e := h.open(t)
		must(t, e.Insert(ctx, "things", "1", x.body(t)))
		wantErr(t, e.Insert(ctx, "things", "2", x.body(t)), venue.ErrExists)
		_, err := e.Get(ctx, "things", "2")
		wantErr(t, err, venue.ErrNotFound)
		y := thing{Owner: "a", Name: "y", N: 2, At: Noon}
		must(t, e.Insert(ctx, "things", "2", y.body(t)))
		y.Name = "x"
		_, err = e.Replace(ctx, "things", store.Document{ID: "2", Rev: 1, Body: y.body(t)})
		wantErr(t, err, venue.ErrExists)
		d, err := e.Get(ctx, "things", "2")
		must(t, err)
		if d.Rev != 1 || d.Body.Lookup("name").StringValue() != "y" {
			t.Fatalf("got %v", d)
		}
		y.Owner = "b" // the same name with another owner is another tuple
		_, err = e.Replace(ctx, "things", store.Document{ID: "2", Rev: 1, Body: y.body(t)})
		must(t, err)
	})
	t.Run("values of a unique index are free again when their document changed or is gone", func(t *testing.T) {
		e := h.open(t)
		must(t, e.Insert(ctx, "things", "1", x.body(t)))
		y := x
		y.Name = "y"
		_, err := e.Replace(ctx, "things", store.Document{ID: "1", Rev: 1, Body: y.body(t)})
		must(t, err)
		must(t, e.Insert(ctx, "things", "2", x.body(t)))
		must(t, e.Delete(ctx, "things", "1", 0))
		must(t, e.Insert(ctx, "things", "3", y.body(t)))
	})
	t.Run("Replace counts the revision and refuses any other as ErrStale", func(t *testing.T) {
		e := h.open(t)
		must(t, e.Insert(ctx, "things", "1", x.body(t)))
		for rev := int64(1); rev < 4; rev++ {
			got, err := e.Replace(ctx, "things", store.Document{ID: "1", Rev: rev, Body: x.body(t)})
			must(t, err)
			if got != rev+1 {
				t.Fatalf("revision %d, want %d", got, rev+1)
			}
		}
		for _, rev := range []int64{0, 1, 3, 5} {
			_, err := e.Replace(ctx, "things", store.Document{ID: "1", Rev: rev, Body: x.body(t)})
			wantErr(t, err, venue.ErrStale)
		}
	})
	t.Run("Delete takes its revision, or any for 0", func(t *testing.T) {
		e := h.open(t)
		must(t, e.Insert(ctx, "plain", "1", Body(t, bson.M{})))
		wantErr(t, e.Delete(ctx, "plain", "1", 2), venue.ErrStale)
		must(t, e.Delete(ctx, "plain", "1", 1))
		must(t, e.Insert(ctx, "plain", "1", Body(t, bson.M{})))
		must(t, e.Delete(ctx, "plain", "1", 0))
		_, err := e.Get(ctx, "plain", "1")
		wantErr(t, err, venue.ErrNotFound)
	})
	t.Run("Chinese ids and values are kept and ordered by their bytes", func(t *testing.T) {
		e := h.open(t)
		ids := []string{"开福区", "a", "岳麓区:门", "阿", "z", "芙蓉区"}
		for i, id := range ids {
			must(t, e.Insert(ctx, "things", id, thing{Owner: id, Name: id, N: int64(i), At: Noon}.body(t)))
		}
		slices.Sort(ids)
		var byID, byOwner []string
		for _, d := range Collect(t, e.Find(ctx, "things", store.Query{})) {
			byID = append(byID, d.ID)
		}
		for _, d := range Collect(t, e.Find(ctx, "things", store.Query{Index: "owner"})) {
			byOwner = append(byOwner, d.Body.Lookup("owner").StringValue())
		}
		if !slices.Equal(byID, ids) || !slices.Equal(byOwner, ids) {
			t.Fatalf("ids %q, owners %q, want %q", byID, byOwner, ids)
		}
	})
	t.Run("parallel compare-and-swap increments lose nothing", func(t *testing.T) {
		e := h.open(t)
		type counter struct{ V int64 }
		c := store.NewCollection[counter](e, Schemas[1])
		must(t, c.Insert(ctx, "n", counter{}))
		workers, each := h.crowd(16), h.crowd(50)
		inParallel(t, workers, func(int) error {
			for range each {
				if _, err := c.Update(ctx, "n", false, func(n *counter) error { n.V++; return nil }); err != nil {
					return err
				}
			}
			return nil
		})
		row, err := c.Get(ctx, "n")
		must(t, err)
		if want := int64(workers * each); row.Value.V != want || row.Rev != want+1 {
			t.Fatalf("value %d at revision %d, want %d", row.Value.V, row.Rev, want)
		}
	})
	t.Run("of parallel inserts with the same id exactly one wins", func(t *testing.T) {
		e := h.open(t)
		race(t, h.crowd(32), func(i int) error {
			return e.Insert(ctx, "plain", "1", Body(t, bson.M{"i": i}))
		})
	})
	t.Run("of parallel inserts with the same unique values exactly one wins", func(t *testing.T) {
		e := h.open(t)
		race(t, h.crowd(32), func(i int) error {
			return e.Insert(ctx, "things", fmt.Sprint(i), thing{Owner: "a", Name: "x", N: int64(i), At: Noon}.body(t))
		})
		if n := len(Collect(t, e.Find(ctx, "things", store.Query{}))); n != 1 {
			t.Fatalf("%d documents, want 1", n)
		}
	})
	t.Run("of many ids the documents are read that there are, each once", func(t *testing.T) {
		e := h.open(t)
		for i, id := range []string{"a", "开福区", "b", "1"} {
			must(t, e.Insert(ctx, "plain", id, Body(t, bson.M{"v": i})))
		}
		must(t, e.Delete(ctx, "plain", "b", 0))
		rev, err := e.Replace(ctx, "plain", store.Document{ID: "1", Rev: 1, Body: Body(t, bson.M{"v": 7})})
		must(t, err)
		got, err := e.GetAll(ctx, "plain", []string{"开福区", "1", "b", "no", "1", ""})
		must(t, err)
		slices.SortFunc(got, func(a, b store.Document) int { return strings.Compare(a.ID, b.ID) })
		if len(got) != 2 || got[0].ID != "1" || got[0].Rev != rev || got[0].Body.Lookup("v").AsInt64() != 7 || got[1].ID != "开福区" || got[1].Rev != 1 || got[1].Body.Lookup("v").AsInt64() != 1 {
			t.Fatalf("got %v", got)
		}
		if got, err := e.GetAll(ctx, "plain", nil); err != nil || len(got) != 0 {
			t.Fatalf("of none: %v, %v", got, err)
		}
		_, err = e.GetAll(cancelled(), "plain", []string{"a"})
		wantErr(t, err, context.Canceled)
	})
	t.Run("of many documents those are added that Insert would add, each at revision 1", func(t *testing.T) {
		e := h.open(t)
		must(t, e.Insert(ctx, "things", "there", x.body(t)))
		doc := func(id, name string, n int64) store.Document {
			return store.Document{ID: id, Rev: 7, Body: thing{Owner: "a", Name: name, N: n, At: Noon}.body(t)}
		}
		docs := []store.Document{
			doc("1", "one", 1), doc("there", "another", 2), doc("2", "x", 3), doc("3", "three", 4), doc("3", "four", 5), doc("4", "three", 6), doc("岳麓区", "五", 7),
		}
		added, err := e.InsertAll(ctx, "things", docs)
		must(t, err)
		if want := []bool{true, false, false, true, false, false, true}; !slices.Equal(added, want) {
			t.Fatalf("added %v, want %v", added, want)
		}
		for i, d := range docs {
			got, err := e.Get(ctx, "things", d.ID)
			if !added[i] {
				continue
			}
			must(t, err)
			if got.Rev != 1 || !bytes.Equal(got.Body, d.Body) {
				t.Fatalf("%s: got %v", d.ID, got)
			}
		}
		if got := Collect(t, e.Find(ctx, "things", store.Query{Index: "owner", Equal: []any{"a"}})); len(got) != 4 {
			t.Fatalf("%d documents by the index, want 4", len(got))
		}
		added, err = e.InsertAll(ctx, "things", docs)
		must(t, err)
		if slices.Contains(added, true) {
			t.Fatalf("again: added %v", added)
		}
		added, err = e.InsertAll(ctx, "things", nil)
		must(t, err)
		if len(added) != 0 {
			t.Fatalf("of none: added %v", added)
		}
	})
	t.Run("of many documents none is added if one has no place in an index", func(t *testing.T) {
		e := h.open(t)
		_, err := e.InsertAll(ctx, "things", []store.Document{{ID: "1", Body: x.body(t)}, {ID: "2", Body: Body(t, bson.M{"owner": "a"})}})
		if err == nil {
			t.Fatal("a document outside of its index was taken")
		}
		_, err = e.Get(ctx, "things", "1")
		wantErr(t, err, venue.ErrNotFound)
	})
	t.Run("many callers that add the same many documents add each once", func(t *testing.T) {
		e := h.open(t)
		docs := make([]store.Document, 20)
		for i := range docs {
			docs[i] = store.Document{ID: fmt.Sprint(i), Body: Body(t, bson.M{})}
		}
		var wins [20]atomic.Int32
		inParallel(t, h.crowd(8), func(int) error {
			added, err := e.InsertAll(ctx, "plain", docs)
			for i, a := range added {
				if a {
					wins[i].Add(1)
				}
			}
			return err
		})
		for i := range wins {
			if n := wins[i].Load(); n != 1 {
				t.Errorf("document %d was added %d times", i, n)
			}
		}
	})
	t.Run("a cancelled context changes nothing and is told", func(t *testing.T) {
		e := h.open(t)
		wantErr(t, e.Insert(cancelled(), "plain", "1", Body(t, bson.M{})), context.Canceled)
		_, err := e.InsertAll(cancelled(), "plain", []store.Document{{ID: "1", Body: Body(t, bson.M{})}})
		wantErr(t, err, context.Canceled)
		_, err = e.Get(cancelled(), "plain", "1")
		wantErr(t, err, context.Canceled)
		_, err = e.Get(ctx, "plain", "1")
		wantErr(t, err, venue.ErrNotFound)
		_, err = Last(e.Find(cancelled(), "plain", store.Query{}))
		wantErr(t, err, context.Canceled)
	})
	t.Run("a document without a field of an index is refused", func(t *testing.T) {
		e := h.open(t)
		if err := e.Insert(ctx, "things", "1", Body(t, bson.M{"owner": "a"})); err == nil {
			t.Fatal("a document outside of its index was taken")
		}
	})
	if h.Reopen != nil {
		t.Run("documents, revisions and indexes are there after opening again", func(t *testing.T) {
			e := h.open(t)
			must(t, e.Insert(ctx, "things", "1", x.body(t)))
			_, err := e.Replace(ctx, "things", store.Document{ID: "1", Rev: 1, Body: x.body(t)})
			must(t, err)
			e = h.Reopen(t, e)
			defer e.Close()
			d, err := e.Get(ctx, "things", "1")
			must(t, err)
			if d.Rev != 2 || !bytes.Equal(d.Body, x.body(t)) {
				t.Fatalf("got %v", d)
			}
			wantErr(t, e.Insert(ctx, "things", "2", x.body(t)), venue.ErrExists)
			if n := len(Collect(t, e.Find(ctx, "things", store.Query{Index: "owner", Equal: []any{"a"}}))); n != 1 {
				t.Fatalf("%d found, want 1", n)
			}
		})
	}
}

// inParallel runs f in n goroutines; each must succeed.
func inParallel(t TB, n int, f func(i int) error) {
	t.Helper()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	must(t, errors.Join(errs...))
}

// race runs f in n goroutines: one succeeds, all others are ErrExists.
func race(t TB, n int, f func(i int) error) {
	t.Helper()
	var mu sync.Mutex
	won := 0
	inParallel(t, n, func(i int) error {
		err := f(i)
		if errors.Is(err, venue.ErrExists) {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		won++
		return err
	})
	if won != 1 {
		t.Fatalf("%d won, want 1", won)
	}
}

func queries(t *testing.T, h Harness) {
	ctx := context.Background()
	e := h.open(t)
	// Equal values on purpose: ties go by id.
	minute := func(n int) time.Time { return Noon.Add(time.Duration(n) * time.Minute) }
	for i, x := range []thing{
		{Owner: "a", N: -2}, {Owner: "a", N: 5}, {Owner: "a", N: 5}, {Owner: "a", N: 5},
		{Owner: "a", N: 1 << 40}, {Owner: "ab", N: 0}, {Owner: "a\x00b", N: 7}, {Owner: "b", N: 3},
	} {
		x.Name, x.At = fmt.Sprint(i), minute(i/2)
		must(t, e.Insert(ctx, "things", fmt.Sprint(i), x.body(t)))
	}
	for _, c := range []struct {
		sentence string
		q        store.Query
		want     string
	}{
		{"without an index the order is that of the ids", store.Query{}, "01234567"},
		{"without an index the range is over ids, its end left out", store.Query{From: "2", To: "5"}, "234"},
		{"ids last first", store.Query{From: "2", Reverse: true}, "765432"},
		{"an index orders by its fields, ties by id", store.Query{Index: "owner"}, "01234657"},
		{"an index last first, ties reversed too", store.Query{Index: "owner", Reverse: true}, "75643210"},
		{"equality on the leading field", store.Query{Index: "owner", Equal: []any{"a"}}, "01234"},
		{"equality on every field", store.Query{Index: "owner", Equal: []any{"a", 5}}, "123"},
		{"numbers are equal by value, whatever their width", store.Query{Index: "owner", Equal: []any{"a", int32(5)}}, "123"},
		{"equality with a value nobody has yields nothing", store.Query{Index: "owner", Equal: []any{"c"}}, ""},
		{"a range over the next field, start included, end left out", store.Query{Index: "owner", Equal: []any{"a"}, From: -2, To: 5}, "0"},
		{"a range with an open end", store.Query{Index: "owner", Equal: []any{"a"}, From: int64(5)}, "1234"},
		{"a range with an open start", store.Query{Index: "owner", Equal: []any{"a"}, To: int64(6)}, "0123"},
		{"a range over the first field", store.Query{Index: "owner", From: "ab"}, "57"},
		{"an empty range yields nothing", store.Query{Index: "owner", Equal: []any{"a"}, From: 6, To: 5}, ""},
		{"a range over times is by instant", store.Query{Index: "at", From: minute(1).In(venue.Zone), To: minute(3)}, "2345"},
		{"a range over times between whole milliseconds", store.Query{Index: "at", From: minute(1).Add(1)}, "4567"},
		{"times last first", store.Query{Index: "at", To: minute(2), Reverse: true}, "3210"},
		{"at most Limit documents", store.Query{Index: "owner", Limit: 3}, "012"},
		{"a unique index finds by equality", store.Query{Index: "name", Equal: []any{"a", "3"}}, "3"},
		{"a unique index finds by its leading field", store.Query{Index: "name", Equal: []any{"a"}, From: "2"}, "234"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			got := ""
			for _, d := range Collect(t, e.Find(ctx, "things", c.q)) {
				got += d.ID
			}
			if got != c.want {
				t.Fatalf("found %q, want %q", got, c.want)
			}
			// The same in pages of every size.
			for size := 1; size < 4 && c.q.Limit == 0; size++ {
				got, q := "", c.q
				q.Limit = size
				for {
					page := Collect(t, e.Find(ctx, "things", q))
					for _, d := range page {
						got += d.ID
						q.After = &d
					}
					if len(page) < size {
						break
					}
				}
				if got != c.want {
					t.Fatalf("found %q in pages of %d, want %q", got, size, c.want)
				}
			}
		})
	}
	for _, c := range []struct {
		sentence   string
		collection string
		q          store.Query
	}{
		{"an unknown index is an error, never a full scan", "things", store.Query{Index: "colour"}},
		{"an unknown collection is an error", "nothings", store.Query{}},
		{"more values than fields are an error", "things", store.Query{Index: "at", Equal: []any{Noon, 1}}},
		{"a range without a field left for it is an error", "things", store.Query{Index: "at", Equal: []any{Noon}, From: 1}},
		{"a value of another type is an error", "things", store.Query{Index: "owner", Equal: []any{1.5}}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if rows, err := Last(e.Find(ctx, c.collection, c.q)); err == nil || rows > 0 {
				t.Fatalf("%d documents and %v, want an error", rows, err)
			}
		})
	}
	t.Run("a consumer may stop and may write inside the iteration", func(t *testing.T) {
		e := h.open(t)
		for i := range 5 {
			must(t, e.Insert(ctx, "things", fmt.Sprint(i), thing{Owner: "a", Name: fmt.Sprint(i), At: Noon}.body(t)))
		}
		for d, err := range e.Find(ctx, "things", store.Query{Index: "owner"}) {
			must(t, err)
			if d.ID == "3" {
				break
			}
			must(t, e.Delete(ctx, "things", d.ID, d.Rev))
		}
		if left := Collect(t, e.Find(ctx, "things", store.Query{})); len(left) != 2 {
			t.Fatalf("%d left, want 2", len(left))
		}
	})
	t.Run("a changed document is found at its new place only", func(t *testing.T) {
		e := h.open(t)
		must(t, e.Insert(ctx, "things", "1", thing{Owner: "a", Name: "x", At: Noon}.body(t)))
		_, err := e.Replace(ctx, "things", store.Document{ID: "1", Rev: 1, Body: thing{Owner: "b", Name: "x", At: Noon}.body(t)})
		must(t, err)
		if n := len(Collect(t, e.Find(ctx, "things", store.Query{Index: "owner", Equal: []any{"a"}}))); n != 0 {
			t.Fatalf("%d at the old place", n)
		}
		if n := len(Collect(t, e.Find(ctx, "things", store.Query{Index: "owner", Equal: []any{"b"}}))); n != 1 {
			t.Fatalf("%d at the new place", n)
		}
	})
}
