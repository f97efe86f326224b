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

// TestARegisterOfACity takes a register of subjects, with VENUECODE_LONG of 200,000,
// and then what somebody would send a month later: a hundredth is new, another has
// moved, another is gone.
func TestARegisterOfACity(t *testing.T) {
	rows := 2_000
	if os.Getenv("VENUECODE_LONG") != "" {
		rows = 200_000
	}
	c := newTown(t)
	register := func(n int, later bool) string {
		var b strings.Builder
		b.WriteString("名称,统一社会信用代码,地址,所属区划,行业,状态\n")
		for i := range n {
			at := "文昌路"
			if later && i < rows && i%100 == 0 {
				continue
			} else if later && i < rows && i%100 == 50 {
				at = "人民路"
			}
			fmt.Fprintf(&b, "青禾市%d号商店,%s,%s%d号,419981001,商贸,存续\n", i, uscc(i), at, i)
		}
		return b.String()
	}
	calls := &counted{Engine: c.engine.Engine}
	c.engine.Engine = calls
	first, next := register(rows, false), register(rows+rows/100, true)
	for _, f := range []struct {
		what, text string
		want       store.SubjectCounts
		most       int // calls to the store for 100 rows
	}{
		{"subjects", first, store.SubjectCounts{Rows: rows, OK: rows, New: rows}, 3},
		{"subjects again", first, store.SubjectCounts{Rows: rows, OK: rows, Same: rows}, 3},
		{"subjects of a month later", next, store.SubjectCounts{Rows: rows, OK: rows, New: rows / 100, Changed: rows / 100, Same: rows - rows/50, Gone: rows / 100}, 6},
	} {
		began, used := time.Now(), processorTime(t)
		calls.n.Store(0)
		r := take(t, c.desk, "subjects", f.text, intake.Options{})
		if r.Plan == nil || r.Plan.SubjectCounts != f.want {
			t.Fatalf("%s: %+v, want %+v", f.what, r.Plan, f.want)
		}
		t.Logf("%-25s %5.1f s of processor time in %5.1f s, %d calls", f.what, (processorTime(t) - used).Seconds(), time.Since(began).Seconds(), calls.n.Load())
		if n := int(calls.n.Load()); n > f.most*rows/100 {
			t.Errorf("%s: %d calls for %d rows, want %d for 100", f.what, n, rows, f.most)
		}
	}
	if n := c.all(store.Subjects); n != rows+rows/100 {
		t.Errorf("%d subjects, want %d", n, rows+rows/100)
	}
}

// TestANameIsAskedForOnce: files repeat those of a few units and towns.
func TestANameIsAskedForOnce(t *testing.T) {
	c := newTown(t)
	take(t, c.desk, "units", unitHead+"青禾市商务局,"+uscc(0)+",,419981001,机关,3,,\n", intake.Options{})
	calls := &counted{Engine: c.engine.Engine}
	c.engine.Engine = calls
	var units, legacy strings.Builder
	units.WriteString(unitHead)
	legacy.WriteString(legacyHead)
	for i := range 200 {
		above := []string{"青禾市商务局", uscc(0)}[i%2]
		fmt.Fprintf(&units, "青禾市%d号商店,%s,%s,洗月街道,商贸,3,,\n", i, uscc(i+1), above)
		fmt.Fprintf(&legacy, "https://csm.example.com/q?id=%d,旧店%d,%s,文昌路%d号\n", i, i, []string{"青禾市商务局", "不在册的单位"}[i%2], i)
	}
	for kind, f := range map[string]struct {
		text string
		want int64
	}{"units": {units.String(), 4}, "legacy": {legacy.String(), 3}} { // of units: by name, by USCC and then its id, the town; of old codes: each name, and the venues
		calls.n.Store(0)
		if r := take(t, c.desk, kind, f.text, intake.Options{DryRun: true}); r.OK != 200 || calls.n.Load() != f.want {
			t.Errorf("%s: %d good rows after %d calls, want %d", kind, r.OK, calls.n.Load(), f.want)
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
