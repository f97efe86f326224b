package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/storetest"
	"github.com/venuecode/venuecode/venue"
)

func openHere(t testing.TB, o Options) *Engine {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Schemas == nil {
		o.Schemas = storetest.Schemas
	}
	e, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func TestVerifyCountsFindsAWrongHour(t *testing.T) {
	e := openHere(t, Options{})
	ctx := context.Background()
	day := venue.DayOf(storetest.Noon)
	storetest.Append(t, e, storetest.Scan(1, 1, "D", storetest.Noon), storetest.Scan(1, 2, "E", storetest.Noon))
	put := func(door venue.Code, n uint64) {
		key := appendHour(nil, door, day, storetest.Noon.UnixMilli())
		if err := e.db.Set(key, binary.BigEndian.AppendUint64(nil, n), pebble.Sync); err != nil {
			t.Fatal(err)
		}
	}
	put("D", 5)
	put("F", 2)
	if err := e.db.Delete(appendHour(nil, "E", day, storetest.Noon.UnixMilli()), pebble.Sync); err != nil {
		t.Fatal(err)
	}
	check, err := e.VerifyCounts(ctx, day-5, day+5, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []store.HourDiff{
		{Door: "D", Hour: storetest.Noon, Kept: 5, Rows: 1},
		{Door: "F", Hour: storetest.Noon, Kept: 2, Rows: 0},
		{Door: "E", Hour: storetest.Noon, Kept: 0, Rows: 1},
	}
	if fmt.Sprint(check.Differ) != fmt.Sprint(want) || check.Hours != 3 || check.Rows != 2 {
		t.Fatalf("got %+v, want %+v", check, want)
	}
}

func TestAPanicInsideAWriteHurtsNobodyElse(t *testing.T) {
	e := openHere(t, Options{})
	ctx := context.Background()
	// Held up, the committer finds the three in one group.
	hold, held := make(chan struct{}), make(chan struct{})
	go e.write(ctx, func(*group) error { close(held); <-hold; return nil })
	<-held
	var wg sync.WaitGroup
	var broken error
	queued := func(n int) {
		for len(e.queue) < n {
			time.Sleep(time.Millisecond)
		}
	}
	wg.Go(func() { storetest.Append(t, e, storetest.Scan(1, 1, "D", storetest.Noon)) })
	queued(1)
	wg.Go(func() {
		broken = e.write(ctx, func(g *group) error {
			_ = g.batch.Set(appendHour(nil, "half", 1, 0), []byte("half"), nil)
			panic("on purpose")
		})
	})
	queued(2)
	wg.Go(func() { storetest.Append(t, e, storetest.Scan(1, 2, "D", storetest.Noon)) })
	queued(3)
	close(hold)
	wg.Wait()
	if broken == nil || strings.Contains(broken.Error(), "purpose") {
		t.Fatalf("the broken write heard %v", broken)
	}
	day := venue.DayOf(storetest.Noon)
	check, err := e.VerifyCounts(ctx, -1, day+1, nil)
	if err != nil || check.Rows != 2 || check.Hours != 1 || len(check.Differ) > 0 {
		t.Fatalf("recount %+v, %v", check, err)
	}
	if err := e.Check(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestWritesOfOneGroupSeeEachOther(t *testing.T) {
	e := openHere(t, Options{})
	ctx := context.Background()
	day := venue.DayOf(storetest.Noon)
	s := storetest.Scan(1, 1, "D", storetest.Noon)
	storetest.Append(t, e, s)
	// In this order: purge the day and its counts, append the purged
	// scan again, repeat it, insert, insert again, delete, insert.
	body := storetest.Body(t, map[string]any{"v": 1})
	results := inOneGroup(t, e, []func() (any, error){
		func() (any, error) { return "purged", e.PurgeDay(ctx, day) },
		func() (any, error) { return "counts", e.PurgeCounts(ctx, day+1) },
		func() (any, error) { o, err := e.Append(ctx, []venue.Scan{s}); return o[0].Kind, err },
		func() (any, error) { o, err := e.Append(ctx, []venue.Scan{s}); return o[0].Kind, err },
		func() (any, error) { return "inserted", e.Insert(ctx, "plain", "1", body) },
		func() (any, error) { return "again", e.Insert(ctx, "plain", "1", body) },
		func() (any, error) { return "deleted", e.Delete(ctx, "plain", "1", 1) },
		func() (any, error) { return "inserted", e.Insert(ctx, "plain", "1", body) },
	})
	want := []string{
		"purged<nil>", "counts<nil>", fmt.Sprint(venue.ScanNew, nil), fmt.Sprint(venue.ScanRepeated, nil),
		"inserted<nil>", "again" + venue.ErrExists.Error(), "deleted<nil>", "inserted<nil>",
	}
	if fmt.Sprint(results) != fmt.Sprint(want) {
		t.Fatalf("got  %q\nwant %q", results, want)
	}
	if rows := storetest.Collect(t, e.AtDoor(ctx, "D", day.Start(), (day+1).Start())); len(rows) != 1 {
		t.Fatalf("%d rows, want 1", len(rows))
	}
	if check, err := e.VerifyCounts(ctx, day, day, nil); err != nil || check.Hours != 1 || len(check.Differ) > 0 {
		t.Fatalf("recount %+v, %v", check, err)
	}

	// A row that goes in the group in which it came leaves no count behind.
	inOneGroup(t, e, []func() (any, error){
		func() (any, error) { return e.Append(ctx, []venue.Scan{storetest.Scan(2, 2, "D", storetest.Noon)}) },
		func() (any, error) { return nil, e.PurgeDay(ctx, day) },
		func() (any, error) { return nil, e.PurgeCounts(ctx, day+1) },
	})
	if check, err := e.VerifyCounts(ctx, day, day, nil); err != nil || check.Hours != 0 {
		t.Fatalf("recount %+v, %v", check, err)
	}
}

// inOneGroup queues the writes in their order while the committer is held, and
// gives what each answered.
func inOneGroup(t *testing.T, e *Engine, writes []func() (any, error)) []string {
	t.Helper()
	hold, held := make(chan struct{}), make(chan struct{})
	go e.write(context.Background(), func(*group) error { close(held); <-hold; return nil })
	<-held
	var wg sync.WaitGroup
	results := make([]string, len(writes))
	for i, f := range writes {
		wg.Go(func() {
			what, err := f()
			results[i] = fmt.Sprint(what, err)
		})
		for len(e.queue) < i+1 {
			time.Sleep(time.Millisecond)
		}
	}
	groups := e.Stats().Groups
	close(hold)
	wg.Wait()
	if n := e.Stats().Groups - groups; n != 1 {
		t.Fatalf("%d commits, want 1", n)
	}
	return results
}

func TestAWriteThatFindsTheQueueFullIsUnavailable(t *testing.T) {
	e := openHere(t, Options{})
	hold, held := make(chan struct{}), make(chan struct{})
	go e.write(context.Background(), func(*group) error { close(held); <-hold; return nil })
	<-held
	var wg sync.WaitGroup
	for range queueLen {
		wg.Go(func() { _ = e.write(context.Background(), func(*group) error { return nil }) })
	}
	for len(e.queue) < queueLen {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	err := e.write(ctx, func(*group) error { return nil })
	if !errors.Is(err, venue.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	close(hold)
	wg.Wait()
}

func TestAFailedCommitIsToldAndStopsTheEngine(t *testing.T) {
	var failing atomic.Bool
	files := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if failing.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && strings.HasSuffix(op.Path, ".log") {
			return errorfs.ErrInjected
		}
		return nil
	}))
	e := openHere(t, Options{Dir: "data", files: files})
	ctx := context.Background()
	storetest.Append(t, e, storetest.Scan(1, 1, "D", storetest.Noon))
	failing.Store(true)
	for range 2 {
		if _, err := e.Append(ctx, []venue.Scan{storetest.Scan(1, 2, "D", storetest.Noon)}); !errors.Is(err, venue.ErrUnavailable) {
			t.Fatalf("append: %v", err)
		}
	}
	if err := e.Check(ctx); !errors.Is(err, venue.ErrUnavailable) {
		t.Fatalf("check: %v", err)
	}
	if err := e.Close(); !errors.Is(err, venue.ErrUnavailable) {
		t.Fatalf("close: %v", err)
	}
}

// smallDisk has as many bytes left as it is told.
type smallDisk struct {
	vfs.FS
	left atomic.Uint64
}

func (d *smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.left.Load()}, nil
}

func TestAFullDiskIsToldBeforeItStopsTheEngine(t *testing.T) {
	disk := &smallDisk{FS: vfs.NewMem()}
	disk.left.Store(reserve)
	e := openHere(t, Options{Dir: "data", files: disk})
	ctx, day := context.Background(), venue.DayOf(storetest.Noon)
	body := storetest.Body(t, struct{}{})
	storetest.Append(t, e, storetest.Scan(1, 1, "D", storetest.Noon))
	if err := e.Insert(ctx, "plain", "a", body); err != nil {
		t.Fatal(err)
	}

	disk.left.Store(reserve - 1)
	storetest.Append(t, e, storetest.Scan(1, 3, "D", storetest.Noon)) // the group that takes the last of it
	_, appended := e.Append(ctx, []venue.Scan{storetest.Scan(1, 2, "D", storetest.Noon)})
	_, replaced := e.Replace(ctx, "plain", store.Document{ID: "a", Rev: 1, Body: body})
	for what, err := range map[string]error{
		"append": appended, "replace": replaced, "insert": e.Insert(ctx, "plain", "b", body), "check": e.Check(ctx),
	} {
		if !errors.Is(err, venue.ErrUnavailable) || !strings.Contains(err.Error(), "the disk is full, 127 MB are left") {
			t.Errorf("%s on a full disk: %v", what, err)
		}
	}
	if err := errors.Join(e.Delete(ctx, "plain", "a", 0), e.PurgeDay(ctx, day)); err != nil {
		t.Errorf("what gives space back is refused: %v", err)
	}

	disk.left.Store(reserve)
	storetest.Append(t, e, storetest.Scan(1, 2, "D", storetest.Noon))
}

func TestAnIndexDeclaredLaterIsBuiltOnOpening(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	schema := func(indexes ...store.Index) Options {
		return Options{Dir: dir, Schemas: []store.Schema{{Name: "c", Indexes: indexes}}}
	}
	find := func(e *Engine, index string) (ids string) {
		for d, err := range e.Find(ctx, "c", store.Query{Index: index}) {
			if err != nil {
				t.Fatal(err)
			}
			ids += d.ID
		}
		return ids
	}
	e := openHere(t, schema())
	for id, v := range map[string]int{"a": 3, "b": 1, "c": 2} {
		if err := e.Insert(ctx, "c", id, storetest.Body(t, map[string]any{"v": v, "w": -v, "same": 1})); err != nil {
			t.Fatal(err)
		}
	}
	e.Close()
	e = openHere(t, schema(store.Index{Name: "x", Fields: []string{"v"}}))
	if got := find(e, "x"); got != "bca" {
		t.Fatalf("new index finds %q", got)
	}
	e.Close()
	e = openHere(t, schema(store.Index{Name: "x", Fields: []string{"w"}, Unique: true}))
	if got := find(e, "x"); got != "acb" {
		t.Fatalf("changed index finds %q", got)
	}
	if err := e.Insert(ctx, "c", "d", storetest.Body(t, map[string]any{"w": -3})); !errors.Is(err, venue.ErrExists) {
		t.Fatalf("the changed index is not unique: %v", err)
	}
	e.Close()
	e = openHere(t, schema()) // dropped, with its entries
	it, err := e.within(e.db, []byte{prefixIndex})
	if err != nil {
		t.Fatal(err)
	}
	if it.First() {
		t.Fatalf("left over: %q", it.Key())
	}
	it.Close()
	e.Close()
	for _, o := range []Options{
		schema(store.Index{Name: "x", Fields: []string{"same"}, Unique: true}),
		schema(store.Index{Name: "x", Fields: []string{"absent"}}),
		schema(store.Index{Name: "x"}),
		schema(store.Index{Name: "x", Fields: []string{"v"}}, store.Index{Name: "x", Fields: []string{"w"}}),
	} {
		if e, err := Open(o); err == nil {
			e.Close()
			t.Errorf("opened with %+v", o.Schemas)
		}
	}
	e = openHere(t, schema()) // a failed opening lets go of the folder
	if got := find(e, ""); got != "abc" {
		t.Fatalf("documents %q", got)
	}
}

func TestAFolderOfAnotherFormatIsNotOpened(t *testing.T) {
	dir := t.TempDir()
	e := openHere(t, Options{Dir: dir})
	if err := e.db.Set([]byte("mformat"), []byte("99"), pebble.Sync); err != nil {
		t.Fatal(err)
	}
	e.Close()
	if _, err := Open(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), `"99"`) {
		t.Fatalf("got %v", err)
	}
}

func TestStatsTellOfSharedCommits(t *testing.T) {
	var now atomic.Int64
	e := openHere(t, Options{Machine: venue.ClockFunc(func() time.Time { return time.Unix(now.Add(1), 0) })})
	storetest.Append(t, e, storetest.Scan(1, 1, "D", storetest.Noon), storetest.Scan(1, 2, "D", storetest.Noon))
	s := e.Stats()
	if s.Groups != 1 || s.Requests != 1 || s.Rows != 2 || s.LastCommit != time.Second || s.DiskBytes == 0 {
		t.Fatalf("%+v", s)
	}
	e.Close()
	if s := e.Stats(); s != (Stats{}) {
		t.Fatalf("after Close: %+v", s)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1, 16} {
		b.Run(fmt.Sprintf("64callers/batch%d", size), func(b *testing.B) {
			e := openHere(b, Options{})
			var person atomic.Int64
			b.SetParallelism(32)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				batch := make([]venue.Scan, 0, size)
				for pb.Next() {
					n := int(person.Add(1))
					s := storetest.Scan(n*7919, n, venue.Code(fmt.Sprintf("%016d", n%5000)), storetest.Noon.Add(time.Duration(n)*time.Millisecond))
					binary.LittleEndian.PutUint64(s.Key[:], uint64(n)*0x9E3779B97F4A7C15) // as scattered as real ones
					s.Prior = s.Key
					s.Prior[0]++
					if batch = append(batch, s); len(batch) < size {
						continue
					}
					if _, err := e.Append(context.Background(), batch); err != nil {
						b.Fatal(err)
					}
					batch = batch[:0]
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
