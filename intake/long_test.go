package intake_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/intake"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// TestAnImportOfACity takes files of many batches, with VENUECODE_LONG of 50,000
// rows, says what they cost (docs/performance.md), and takes them again.
func TestAnImportOfACity(t *testing.T) {
	rows := 600
	if os.Getenv("VENUECODE_LONG") != "" {
		rows = 50_000
	}
	c := newTown(t)
	var units, venues, legacy strings.Builder
	units.WriteString(unitHead)
	venues.WriteString(venueHead)
	legacy.WriteString(legacyHead)
	for i := range rows {
		above := "" // a hundredth of the units stand above the others, further down in the file
		if i%100 < 99 {
			above = uscc(i/100*100 + 99)
		}
		fmt.Fprintf(&units, "青禾市%d号商店,%s,%s,419981001,商贸,3,欧阳丹砂,139%08d\n", i, uscc(i), above, i)
		fmt.Fprintf(&venues, "%s,商店%d,,五,文昌路%d号一层,南门、北门,,,,司马青黛,139%08d\n", uscc(i), i, i, i)
		fmt.Fprintf(&legacy, "https://csm.example.com/q?id=%d,旧店%d,,文昌路%d号\n", i, i, i)
	}
	calls := &counted{Engine: c.engine.Engine}
	c.engine.Engine = calls
	var counts string
	for i, f := range []struct {
		what, kind, text string
		most             int // calls to the store for 100 rows: with MongoDB each is a round trip
	}{
		{"units", "units", units.String(), 5}, {"venues with two doors", "venues", venues.String(), 10}, {"old codes", "legacy", legacy.String(), 110},
		{"units again", "units", units.String(), 5}, {"venues again", "venues", venues.String(), 10}, {"old codes again", "legacy", legacy.String(), 110},
	} {
		began, used := time.Now(), processorTime(t)
		calls.n.Store(0)
		if r := take(t, c.desk, f.kind, f.text, intake.Options{}); r.OK != rows {
			t.Fatalf("%s: %+v", f.what, r)
		}
		t.Logf("%-22s %5.1f s of processor time in %5.1f s, %d calls", f.what, (processorTime(t) - used).Seconds(), time.Since(began).Seconds(), calls.n.Load())
		if n := int(calls.n.Load()); n > f.most*rows/100 {
			t.Errorf("%s: %d calls for %d rows, want %d for 100", f.what, n, rows, f.most)
		}
		if i == 2 {
			counts = c.counts()
		}
	}
	if again := c.counts(); again != counts {
		t.Errorf("the same again adds something:\n%s\n%s", counts, again)
	}
	if n := c.all(store.Doors); n != 3*rows {
		t.Errorf("%d doors, want %d", n, 3*rows)
	}
	for _, i := range []int{0, rows - 2} {
		u, err := c.desk.Register.UnitOf(t.Context(), venue.USCC(uscc(i)))
		above, err2 := c.desk.Register.UnitOf(t.Context(), venue.USCC(uscc(i/100*100+99)))
		if err != nil || err2 != nil || u.Parent != above.ID {
			t.Errorf("unit %d stands below %q, want %q; %v, %v", i, u.Parent, above.ID, err, err2)
		}
	}
}

// counted counts the calls of documents.
type counted struct {
	store.Engine
	n atomic.Int64
}

func (c *counted) Get(ctx context.Context, collection, id string) (store.Document, error) {
	c.n.Add(1)
	return c.Engine.Get(ctx, collection, id)
}

func (c *counted) GetAll(ctx context.Context, collection string, ids []string) ([]store.Document, error) {
	c.n.Add(1)
	return c.Engine.GetAll(ctx, collection, ids)
}

func (c *counted) Insert(ctx context.Context, collection, id string, body bson.Raw) error {
	c.n.Add(1)
	return c.Engine.Insert(ctx, collection, id, body)
}

func (c *counted) InsertAll(ctx context.Context, collection string, docs []store.Document) ([]bool, error) {
	c.n.Add(1)
	return c.Engine.InsertAll(ctx, collection, docs)
}

func (c *counted) Replace(ctx context.Context, collection string, d store.Document) (int64, error) {
	c.n.Add(1)
	return c.Engine.Replace(ctx, collection, d)
}

func (c *counted) Find(ctx context.Context, collection string, q store.Query) iter.Seq2[store.Document, error] {
	c.n.Add(1)
	return c.Engine.Find(ctx, collection, q)
}

func processorTime(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
