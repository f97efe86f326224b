package audit

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/venue"
)

var schemas = []store.Schema{store.Audit, store.AuditCheckpoints, store.AuditSinks}

// desk is a store, a key and a clock that stands until it is moved.
type desk struct {
	t      testing.TB
	dir    string
	docs   store.Engine
	signer Signer
	mu     sync.Mutex
	now    time.Time
	sinks  []Sink
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	dir := t.TempDir()
	signer, err := NewFileSigner(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, dir: dir, signer: signer, now: time.Date(2022, 5, 18, 2, 0, 0, 0, time.UTC)}
	d.docs = d.openStore()
	t.Cleanup(func() { d.docs.Close() })
	return d
}

func (d *desk) openStore() store.Engine {
	e, err := embedded.Open(embedded.Options{Dir: filepath.Join(d.dir, "data"), Schemas: schemas})
	if err != nil {
		d.t.Fatal(err)
	}
	return e
}

func (d *desk) Now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *desk) advance(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(by)
}

func (d *desk) fileSink(name string) FileSink {
	return FileSink{name, filepath.Join(d.dir, name+".jsonl")}
}

func (d *desk) open() *Trail {
	d.t.Helper()
	trail, err := Open(context.Background(), Options{Docs: d.docs, Signer: d.signer, Clock: d, Random: rand.Reader, Sinks: d.sinks})
	if err != nil {
		d.t.Fatal(err)
	}
	return trail
}

func (d *desk) append(trail *Trail, n int) {
	d.t.Helper()
	for i := range n {
		if _, err := trail.Append(context.Background(), reveal(i)); err != nil {
			d.t.Fatal(err)
		}
	}
}

// appendAtOnce has several callers write at the same time, into several chains.
func (d *desk) appendAtOnce(trail *Trail, callers, each int) {
	d.t.Helper()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := range each {
				if _, err := trail.Append(context.Background(), reveal(i)); err != nil {
					d.t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func (d *desk) run(trail *Trail) (ran, deferred int) {
	d.t.Helper()
	ran, deferred, err := trail.Run(context.Background(), d.Now())
	if err != nil {
		d.t.Fatal(err)
	}
	return ran, deferred
}

func (d *desk) verify(copies map[string]io.Reader) Report {
	d.t.Helper()
	report, err := Verify(context.Background(), d.docs, d.signer.Public(), copies, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	return report
}

func (d *desk) whole(copies map[string]io.Reader) Report {
	d.t.Helper()
	r := d.verify(copies)
	if r.Found != 0 || len(r.Findings) != 0 {
		d.t.Fatalf("an untouched trail has findings: %v", r.Findings)
	}
	return r
}

func (d *desk) count(collection string) (n int) {
	d.t.Helper()
	for _, err := range d.docs.Find(context.Background(), collection, store.Query{}) {
		if err != nil {
			d.t.Fatal(err)
		}
		n++
	}
	return n
}

func reveal(i int) Event {
	return Event{
		Actor: fmt.Sprintf("officer-%d", i%3), Action: "reveal", Object: Object{KindPerson, fmt.Sprintf("p%d", i%5)},
		Purpose: "流调", Reason: "核实同时空人员", Case: "2022-017", Outcome: "shown", Details: map[string]string{"field": "phone", "n": fmt.Sprint(i)},
	}
}

func (d *desk) copyOf(s FileSink) []byte {
	d.t.Helper()
	b, err := os.ReadFile(s.Path)
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

func kinds(r Report) (out []Kind) {
	for _, f := range r.Findings {
		out = append(out, f.Kind)
	}
	return out
}

func TestAnUntouchedTrailIsWhole(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	if os.Getenv("VENUECODE_LONG") == "" { // each opens a store
		if err := flag.Set("rapid.checks", "40"); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		d := newDesk(t)
		defer d.docs.Close()
		sink := d.fileSink("outside")
		d.sinks = []Sink{sink}
		trail := d.open()
		rows := 0
		for range rapid.IntRange(1, 9).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"append", "at once", "hour", "crash", "restart", "week", "drop"}).Draw(rt, "step") {
			case "append":
				d.append(trail, 3)
				rows += 3
			case "at once":
				d.appendAtOnce(trail, 4, 3)
				rows += 12
			case "hour":
				d.advance(time.Hour)
				d.run(trail)
			case "crash": // nothing is closed; the store keeps what was acknowledged
				trail = d.open()
			case "restart":
				if err := trail.Close(ctx); err != nil {
					rt.Fatal(err)
				}
				trail = d.open()
			case "week":
				d.run(trail)
				d.advance(8 * 24 * time.Hour)
			case "drop":
				before := d.count(store.Audit.Name)
				d.run(trail)
				if _, err := trail.DropBefore(ctx, d.Now().Add(-10*24*time.Hour)); err != nil {
					rt.Fatal(err)
				}
				if d.count(store.Audit.Name) < before {
					rows = -1 << 20 // how many are left is another test's question
				}
			}
			d.sinks = []Sink{sink}
			var copies map[string]io.Reader
			if b, err := os.ReadFile(sink.Path); err == nil {
				copies = map[string]io.Reader{"outside": bytes.NewReader(b)}
			}
			r, err := Verify(ctx, d.docs, d.signer.Public(), copies, nil)
			if err != nil || r.Found != 0 {
				rt.Fatalf("findings %v, %v", r.Findings, err)
			}
			if got := int(r.Rows) - r.Chains; rows >= 0 && got != rows {
				rt.Fatalf("%d rows besides beginnings, want %d", got, rows)
			}
		}
	})
}

func TestRowsOfConcurrentCallersAreAllThereOnce(t *testing.T) {
	d := newDesk(t)
	trail := d.open()
	d.appendAtOnce(trail, 32, 20)
	if err := trail.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	r := d.whole(nil)
	if got := int(r.Rows) - r.Chains; got != 640 || r.Chains > 32 || r.Unvouched != 0 {
		t.Errorf("%d rows in %d chains, %d not vouched for; want 640 in at most 32, 0", got, r.Chains, r.Unvouched)
	}
	if _, err := trail.Append(context.Background(), reveal(0)); !errors.Is(err, venue.ErrUnavailable) {
		t.Errorf("append after close: %v, want ErrUnavailable", err)
	}
	if err := trail.Close(context.Background()); err != nil {
		t.Errorf("second close: %v", err)
	}
}

func TestOneCallerAtATimeWritesOneChain(t *testing.T) {
	d := newDesk(t)
	trail := d.open()
	d.append(trail, 20)
	if r := d.whole(nil); r.Chains != 1 || r.Rows != 21 {
		t.Errorf("%d chains, %d rows; want 1, 21", r.Chains, r.Rows)
	}
}

// flaky fails inserts, before or after they took effect.
type flaky struct {
	store.Documents
	mu     sync.Mutex
	before bool
	after  bool
}

func (f *flaky) set(before, after bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.after = before, after
}

func (f *flaky) Insert(ctx context.Context, collection, id string, body bson.Raw) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.before {
		return venue.ErrUnavailable
	}
	if err := f.Documents.Insert(ctx, collection, id, body); err != nil || !f.after {
		return err
	}
	return venue.ErrUnavailable
}

func TestARowOfUnknownFateLeavesNoGap(t *testing.T) {
	for name, after := range map[string]bool{"lost": false, "stored but not acknowledged": true} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			docs := &flaky{Documents: d.docs}
			trail, err := Open(context.Background(), Options{Docs: docs, Signer: d.signer, Clock: d, Random: rand.Reader})
			if err != nil {
				t.Fatal(err)
			}
			docs.set(!after, after)
			for range 3 {
				if _, err := trail.Append(context.Background(), reveal(1)); !errors.Is(err, venue.ErrUnavailable) {
					t.Fatalf("append: %v, want ErrUnavailable", err)
				}
			}
			docs.set(false, false)
			d.append(trail, 2)
			if err := trail.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
			if r := d.whole(nil); r.Rows < 4 {
				t.Errorf("%d rows, want the beginning, two acknowledged and those of unknown fate", r.Rows)
			}
		})
	}
}

func TestAnIntruderInAChainDoesNotStopTheTrail(t *testing.T) {
	d := newDesk(t)
	trail := d.open()
	d.append(trail, 1)
	forged, body := newRow(trail.first.Chain, 3, Hash{}, reveal(9))
	if err := d.docs.Insert(context.Background(), store.Audit.Name, forged.ID(), body); err != nil {
		t.Fatal(err)
	}
	if _, err := trail.Append(context.Background(), reveal(1)); !errors.Is(err, errIntruder) {
		t.Errorf("append behind an intruder: %v", err)
	}
	d.append(trail, 3)
	if r := d.verify(nil); !slices.Contains(kinds(r), Edit) {
		t.Errorf("findings %v, want the intruder", r.Findings)
	}
}

func TestTheNextProcessVouchesForOneThatDied(t *testing.T) {
	d := newDesk(t)
	trail := d.open()
	d.append(trail, 5)
	if r := d.whole(nil); r.Unvouched != 6 {
		t.Fatalf("%d rows not vouched for, want 6", r.Unvouched)
	}
	second := d.open()
	// Before its first checkpoint its link alone betrays that rows went.
	if err := d.docs.Delete(context.Background(), store.Audit.Name, rowID(trail.first.Chain, 6), 0); err != nil {
		t.Fatal(err)
	}
	if got := kinds(d.verify(nil)); !slices.Equal(got, []Kind{Truncation}) {
		t.Errorf("end of the dead process's chain removed: %v, want truncation", got)
	}
	due, ok, err := second.Next(context.Background())
	if err != nil || !ok || due.After(d.Now()) {
		t.Errorf("next checkpoint at %v, %v, %v; want at once", due, ok, err)
	}
}

func TestCheckpointsAreHourlyWhenThereIsSomethingToSay(t *testing.T) {
	ctx := context.Background()
	d := newDesk(t)
	d.advance(20 * time.Minute)
	trail := d.open()
	d.run(trail)
	if _, ok, _ := trail.Next(ctx); ok {
		t.Error("something is due though nothing grew")
	}
	d.append(trail, 1)
	due, ok, err := trail.Next(ctx)
	if want := d.Now().Truncate(time.Hour).Add(time.Hour); err != nil || !ok || !due.Equal(want) {
		t.Errorf("due %v, %v, %v; want %v", due, ok, err, want)
	}
	d.advance(30 * time.Minute)
	d.run(trail)
	if n := d.count(store.AuditCheckpoints.Name); n != 1 {
		t.Errorf("%d checkpoints before the hour, want 1", n)
	}
	d.advance(10 * time.Minute)
	d.run(trail)
	d.advance(time.Hour)
	d.run(trail)
	if n := d.count(store.AuditCheckpoints.Name); n != 2 {
		t.Errorf("%d checkpoints after two hours of which one was busy, want 2", n)
	}
	d.whole(nil)
}

func TestTwoProcessesShareOneSequenceOfCheckpoints(t *testing.T) {
	d := newDesk(t)
	a, b := d.open(), d.open()
	for range 3 {
		d.append(a, 2)
		d.append(b, 3)
		d.advance(time.Hour)
		d.run(b)
		d.run(a)
	}
	for _, trail := range []*Trail{a, b} {
		if err := trail.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if r := d.whole(nil); r.Checkpoints != 6 || r.Unvouched != 0 {
		t.Errorf("%d checkpoints, %d rows not vouched for; want 6, 0", r.Checkpoints, r.Unvouched)
	}
}

func TestAMissingHourIsMissed(t *testing.T) {
	d := newDesk(t)
	trail := d.open()
	for range 4 {
		d.append(trail, 1)
		d.advance(time.Hour)
	}
	if got := kinds(d.verify(nil)); !slices.Equal(got, []Kind{MissingCheckpoint}) {
		t.Errorf("three hours without a checkpoint: %v", got)
	}
}

func TestAnotherKeyIsRefused(t *testing.T) {
	d := newDesk(t)
	if err := d.open().Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	other, err := NewFileSigner(t.TempDir(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), Options{Docs: d.docs, Signer: other, Clock: d, Random: rand.Reader}); !errors.Is(err, errForged) {
		t.Errorf("open with another key: %v", err)
	}
	r, err := Verify(context.Background(), d.docs, other.Public(), nil, nil)
	if got := kinds(r); err != nil || !slices.Contains(got, ForgedCheckpoint) || !slices.Contains(got, UnlinkedChain) {
		t.Errorf("verified with another key: %v, %v", got, err)
	}
}

func TestKeysAreKept(t *testing.T) {
	dir := t.TempDir()
	first, err := NewFileSigner(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	again, err := NewFileSigner(dir, rand.Reader)
	if err != nil || !first.Public().Equal(again.Public()) {
		t.Fatalf("another key the second time (%v)", err)
	}
	public, err := ReadPublicKey(filepath.Join(dir, PublicFile))
	if err != nil || !public.Equal(first.Public()) {
		t.Errorf("public key file: %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, KeyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v; want 0600", info.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(dir, KeyFile), []byte("venuecode-audit-key-1:AAAA\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewFileSigner(dir, rand.Reader); err == nil {
		t.Error("a key cut short was taken")
	}
	if err := os.Remove(filepath.Join(dir, KeyFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := NewFileSigner(dir, rand.Reader); err == nil {
		t.Error("a new key was made beside the public part of a lost one")
	}
}

func TestConsolesFindRows(t *testing.T) {
	ctx := context.Background()
	d := newDesk(t)
	trail := d.open()
	start := d.Now()
	for i := range 30 {
		d.advance(time.Minute)
		if _, err := trail.Append(ctx, reveal(i)); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		f    Filter
		want int
	}{
		"everything":              {Filter{}, 31},
		"one actor":               {Filter{Actor: "officer-1"}, 10},
		"one person":              {Filter{Object: Object{KindPerson, "p2"}}, 6},
		"both":                    {Filter{Actor: "officer-1", Object: Object{KindPerson, "p1"}}, 2},
		"an action":               {Filter{Action: ActionBegin}, 1},
		"a span, its end outside": {Filter{From: start.Add(time.Minute), To: start.Add(11 * time.Minute)}, 10},
		"an actor in a span":      {Filter{Actor: "officer-0", From: start, To: start.Add(7 * time.Minute)}, 2},
		"nobody":                  {Filter{Actor: "officer-9"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var got []Row
			for page, more := (Page{Limit: 4}), true; more; {
				rows, next, err := trail.By(ctx, c.f, page)
				if err != nil {
					t.Fatal(err)
				}
				if more = next; more && len(rows) != 4 {
					t.Fatalf("a page of %d before the last", len(rows))
				}
				got = append(got, rows...)
				if len(rows) > 0 {
					page.After = rows[len(rows)-1].ID()
				}
			}
			if len(got) != c.want {
				t.Errorf("%d rows, want %d", len(got), c.want)
			}
			if !slices.IsSortedFunc(got, func(a, b Row) int { return b.Event.At.Compare(a.Event.At) }) {
				t.Error("not the newest first")
			}
		})
	}
	rows, more, err := trail.By(ctx, Filter{Object: Object{KindPerson, "p3"}}, Page{})
	if err != nil || more || len(rows) != 6 || rows[0].Event.Actor == "" {
		t.Errorf("accesses: %d rows, %t, %v; want 6", len(rows), more, err)
	}
	if _, _, err := trail.By(ctx, Filter{}, Page{After: "no:000000000001"}); !errors.Is(err, venue.ErrInvalid) {
		t.Errorf("page behind a row that is not there: %v", err)
	}
}

func TestAnEventNeedsActorAndAction(t *testing.T) {
	d := newDesk(t)
	trail := d.open()
	for name, e := range map[string]Event{
		"no actor":          {Action: "reveal"},
		"no action":         {Actor: "a"},
		"long reason":       {Actor: "a", Action: "b", Reason: strings.Repeat("长", 1000)},
		"broken text":       {Actor: "a", Action: "b", Outcome: "\xff"},
		"colon in the kind": {Actor: "a", Action: "b", Object: Object{"a:b", "c"}},
	} {
		if _, err := trail.Append(context.Background(), e); !errors.Is(err, venue.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	if n := d.count(store.Audit.Name); n != 1 {
		t.Errorf("%d rows, want the beginning only", n)
	}
}

func TestRetentionDropsWholeChainsWithATombstone(t *testing.T) {
	ctx := context.Background()
	d := newDesk(t)
	sink := d.fileSink("outside")
	d.sinks = []Sink{sink}
	trail := d.open()
	for range 6 { // six weeks, so several chains
		d.append(trail, 4)
		d.run(trail)
		d.advance(8 * 24 * time.Hour)
	}
	before := d.whole(nil)
	cutoff := d.Now().Add(-25 * 24 * time.Hour)
	drops, err := trail.DropBefore(ctx, cutoff)
	if err != nil || len(drops) == 0 || len(drops) >= before.Chains {
		t.Fatalf("dropped %d of %d chains, %v", len(drops), before.Chains, err)
	}
	r := d.whole(nil)
	if len(r.Dropped) != len(drops) || r.Chains != before.Chains-len(drops) {
		t.Errorf("the report says %d dropped and %d left; want %d and %d", len(r.Dropped), r.Chains, len(drops), before.Chains-len(drops))
	}
	rows, _, err := trail.By(ctx, Filter{To: cutoff}, Page{})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		for _, drop := range drops {
			if row.Chain == drop.Chain {
				t.Fatalf("row %s is still there", row.ID())
			}
		}
	}
	again, err := trail.DropBefore(ctx, cutoff)
	if err != nil || len(again) != 0 {
		t.Errorf("once more: %v, %v; want nothing", again, err)
	}
	if err := trail.Close(ctx); err != nil {
		t.Fatal(err)
	}
	copies := func() map[string]io.Reader {
		return map[string]io.Reader{"outside": bytes.NewReader(d.copyOf(sink))}
	}
	d.whole(copies())
	d.append(d.open(), 1)
	d.whole(copies())
}

func TestRetentionGoesOnWhereItFailed(t *testing.T) {
	ctx := context.Background()
	d := newDesk(t)
	trail := d.open()
	d.append(trail, 10)
	d.run(trail)
	d.advance(40 * 24 * time.Hour)
	d.append(trail, 1)
	v, err := droppedSoFar(ctx, trail)
	if err != nil {
		t.Fatal(err)
	}
	drop, err := v.whole(ctx, trail.first.Chain)
	if err != nil {
		t.Fatal(err)
	}
	if err := trail.checkpoint(ctx, []Drop{drop}); err != nil { // and then it died, with half of the rows gone
		t.Fatal(err)
	}
	for i := range int64(5) {
		if err := d.docs.Delete(ctx, store.Audit.Name, rowID(trail.first.Chain, 2*i+1), 0); err != nil {
			t.Fatal(err)
		}
	}
	d.whole(nil)
	if _, err := trail.DropBefore(ctx, d.Now().Add(-30*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if r := d.whole(nil); r.Rows != 2 || len(r.Dropped) != 1 {
		t.Errorf("%d rows left, %d chains dropped; want 2, 1", r.Rows, len(r.Dropped))
	}
}

func TestRetentionKeepsWhatIsEvidence(t *testing.T) {
	ctx := context.Background()
	d := newDesk(t)
	trail := d.open()
	d.append(trail, 10)
	d.run(trail)
	d.advance(40 * 24 * time.Hour)
	if err := d.docs.Delete(ctx, store.Audit.Name, rowID(trail.first.Chain, 11), 0); err != nil {
		t.Fatal(err)
	}
	if drops, err := trail.DropBefore(ctx, d.Now()); !errors.Is(err, ErrTampered) || len(drops) != 0 {
		t.Errorf("dropped %v, %v; want ErrTampered", drops, err)
	}
	if got := kinds(d.verify(nil)); !slices.Equal(got, []Kind{Truncation}) {
		t.Errorf("findings %v, want the truncation", got)
	}
}

func TestRetentionSparesTheLastWeek(t *testing.T) {
	d := newDesk(t)
	trail := d.open()
	d.append(trail, 10)
	d.advance(24 * time.Hour)
	d.run(trail)
	if drops, err := trail.DropBefore(context.Background(), d.Now().Add(time.Hour)); err != nil || len(drops) != 0 {
		t.Errorf("dropped %v, %v; want nothing: the chain may still be written", drops, err)
	}
}
