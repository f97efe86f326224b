package spool_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/store/spool"
	"github.com/venuecode/venuecode/store/storetest"
	"github.com/venuecode/venuecode/venue"
)

var machine = venue.ClockFunc(time.Now)

// remote is a store that goes away in the ways in which one does.
type remote struct {
	store.Engine
	fault atomic.Int32
	asked atomic.Int64 // by Check
}

// What a remote does with a call.
const (
	there   = iota
	refuses // fails at once
	silent  // never answers
	deaf    // does as it is told, and never answers
	slow    // takes no scan in time, and everything else
)

func (r *remote) fail(ctx context.Context) error {
	switch r.fault.Load() {
	case refuses:
		return fmt.Errorf("no connection: %w", venue.ErrUnavailable)
	case silent, deaf:
		<-ctx.Done()
		return fmt.Errorf("not in time: %w (%w)", venue.ErrUnavailable, ctx.Err())
	}
	return nil
}

func (r *remote) Append(ctx context.Context, batch []venue.Scan) ([]store.Outcome, error) {
	if f := r.fault.Load(); f == deaf {
		_, _ = r.Engine.Append(context.WithoutCancel(ctx), batch)
	} else if f == slow {
		<-ctx.Done()
		return nil, fmt.Errorf("not in time: %w (%w)", venue.ErrUnavailable, ctx.Err())
	}
	if err := r.fail(ctx); err != nil {
		return nil, err
	}
	return r.Engine.Append(ctx, batch)
}

func (r *remote) Check(ctx context.Context) error {
	r.asked.Add(1)
	if err := r.fail(ctx); err != nil {
		return err
	}
	return r.Engine.Check(ctx)
}

func (r *remote) Get(ctx context.Context, collection, id string) (store.Document, error) {
	if err := r.fail(ctx); err != nil {
		return store.Document{}, err
	}
	return r.Engine.Get(ctx, collection, id)
}

// site is a store with a spool before it.
type site struct {
	*spool.Engine
	remote *remote
	store  *embedded.Engine // behind remote
	dir    string           // of the local log

	mu      sync.Mutex
	civil   time.Time
	gone    map[venue.Day]bool // days that are destroyed
	arrived []venue.Scan
	log     bytes.Buffer
}

// Write is the log's.
func (s *site) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

func (s *site) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.civil
}

func newSite(t *testing.T) *site {
	s := &site{dir: filepath.Join(t.TempDir(), "spool"), civil: storetest.Noon, gone: map[venue.Day]bool{}}
	s.store = openEmbedded(t, filepath.Join(t.TempDir(), "store"), storetest.Schemas)
	s.remote = &remote{Engine: s.store}
	s.start(t)
	t.Cleanup(func() { s.Close() })
	return s
}

func (s *site) start(t *testing.T) {
	t.Helper()
	var err error
	s.Engine, err = spool.New(context.Background(), spool.Options{
		Store: s.remote, Local: openEmbedded(t, s.dir, []store.Schema{spool.Schema}),
		Civil: s, Machine: machine, Logger: slog.New(slog.NewJSONHandler(s, nil)),
		Kept: func(d venue.Day) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return !s.gone[d]
		},
		Arrived: func(batch []venue.Scan) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.arrived = append(s.arrived, batch...)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func openEmbedded(t *testing.T, dir string, schemas []store.Schema) *embedded.Engine {
	t.Helper()
	e, err := embedded.Open(embedded.Options{Dir: dir, Schemas: schemas})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// scan has the time that a phone has.
func (s *site) scan(scan venue.Scan) (store.Outcome, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 400*time.Millisecond)
	defer cancel()
	outcomes, err := s.Append(ctx, []venue.Scan{scan})
	if err != nil {
		return store.Outcome{}, err
	}
	return outcomes[0], nil
}

func (s *site) want(t *testing.T, scan venue.Scan, kind venue.ScanOutcomeKind) store.Outcome {
	t.Helper()
	o, err := s.scan(scan)
	if err != nil || o.Kind != kind {
		t.Fatalf("outcome %d %v, want %d", o.Kind, err, kind)
	}
	return o
}

// settle waits until nothing waits and scans go straight.
func (s *site) settle(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if now := s.State(); now.Direct && now.Waiting == 0 {
			return
		}
	}
	t.Fatalf("it does not settle: %+v", s.State())
}

func at(n int) time.Time { return storetest.Noon.Add(time.Duration(n) * time.Second) }

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Harness{Open: func(t *testing.T) store.Engine {
		e, err := spool.New(context.Background(), spool.Options{
			Store: openEmbedded(t, filepath.Join(t.TempDir(), "store"), storetest.Schemas),
			Local: openEmbedded(t, filepath.Join(t.TempDir(), "spool"), []store.Schema{spool.Schema}),
			Civil: machine, Machine: machine, Logger: slog.New(slog.DiscardHandler),
			Kept: func(venue.Day) bool { return true },
		})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}})
}

// Whichever way the store goes away, everybody is answered and everything gets
// there, once, in its content as it was told.
func TestScansAreTakenWhileTheStoreIsAway(t *testing.T) {
	for name, fault := range map[string]int32{"refuses": refuses, "silent": silent, "deaf": deaf, "slow": slow} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.want(t, storetest.Scan(0, 0, "D", at(0)), venue.ScanNew)
			s.remote.fault.Store(fault)
			told := map[venue.ScanKey]venue.Scan{}
			for n := range 5 {
				scan := storetest.Scan(1, n, "DOOR", at(n))
				told[scan.Key] = s.want(t, scan, venue.ScanNew).Stored
			}
			first := storetest.Scan(1, 0, "DOOR", at(0))
			first.At, first.Received = at(60), at(60) // the phone sends it again
			if o := s.want(t, first, venue.ScanRepeated); !o.Stored.At.Equal(at(0)) {
				t.Errorf("a repeat is told of a scan at %v", o.Stored.At)
			}
			first.Hash[0]++
			s.want(t, first, venue.ScanConflict)
			if now := s.State(); now.Direct || now.Waiting != 5 || !now.Oldest.Equal(at(0)) {
				t.Errorf("state is %+v", now)
			}
			if err := s.Check(t.Context()); err != nil {
				t.Errorf("it takes scans, but says %v", err)
			}

			s.mu.Lock()
			s.civil = at(100)
			s.mu.Unlock()
			s.remote.fault.Store(there)
			s.settle(t)
			rows := storetest.Collect(t, s.store.OfPerson(t.Context(), venue.DayOf(storetest.Noon), storetest.Pseudonym(1)))
			if len(rows) != len(told) {
				t.Fatalf("%d scans came there, want %d", len(rows), len(told))
			}
			for _, row := range rows {
				want := told[row.Key]
				if fault != deaf && !row.Received.Equal(at(100)) {
					t.Errorf("a scan that waited was received at %v", row.Received)
				}
				if row.Received = want.Received; fmt.Sprint(row) != fmt.Sprint(want) {
					t.Errorf("came as %+v, was told as %+v", row, want)
				}
			}
			if late := s.State().Late; !late.From.Equal(at(0)) || !late.At.Equal(at(100)) {
				t.Errorf("came late: %+v", late)
			}
			s.want(t, storetest.Scan(1, 9, "D", at(101)), venue.ScanNew)
			first.Hash[0]--
			s.want(t, first, venue.ScanRepeated)
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.arrived) != 5 {
				t.Errorf("told of %d arrivals", len(s.arrived))
			}
			log := strings.ToLower(s.log.String())
			if !strings.Contains(log, "kept here") || !strings.Contains(log, "straight to it again") {
				t.Errorf("the log says %s", log)
			}
			for _, secret := range []string{"door", "sealed reference", hex.EncodeToString(first.Key[:4]), base64.StdEncoding.EncodeToString(first.Person[:12])} {
				if strings.Contains(log, strings.ToLower(secret)) {
					t.Errorf("the log has %q", secret)
				}
			}
		})
	}
}

func TestNobodyWaitsForAStoreThatIsAway(t *testing.T) {
	s := newSite(t)
	s.remote.fault.Store(silent)
	s.want(t, storetest.Scan(1, 1, "D", at(0)), venue.ScanNew)
	var err error
	for end := time.Now().Add(20 * time.Second); !errors.Is(err, spool.ErrAway); {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err = s.Get(ctx, "plain", "x")
		cancel()
		if time.Now().After(end) {
			t.Fatalf("still asked: %v", err)
		}
	}
	// Without a deadline: these would wait for ever.
	_, replaced := s.Replace(t.Context(), "plain", store.Document{ID: "x"})
	_, found := storetest.Last(s.Find(t.Context(), "plain", store.Query{}))
	for what, err := range map[string]error{
		"insert": s.Insert(t.Context(), "plain", "x", nil), "replace": replaced, "delete": s.Delete(t.Context(), "plain", "x", 0), "find": found,
	} {
		if !errors.Is(err, spool.ErrAway) || !errors.Is(err, venue.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	s.remote.fault.Store(there)
	s.settle(t)
	if _, err := s.Get(t.Context(), "plain", "x"); !errors.Is(err, venue.ErrNotFound) {
		t.Errorf("when it is back: %v", err)
	}
	asked := s.remote.asked.Load()
	for n := range 50 {
		s.want(t, storetest.Scan(2, n, "D", at(n)), venue.ScanNew)
	}
	if now := s.remote.asked.Load(); now != asked {
		t.Errorf("asked %d times though all is well", now-asked)
	}
}

// A repeat may come on the next day, to a store that is back while the first
// still waits, or to the next process.
func TestWhatWaitsIsKnownAcrossMidnightAndRestart(t *testing.T) {
	s := newSite(t)
	s.remote.fault.Store(refuses)
	midnight := (venue.DayOf(storetest.Noon) + 1).Start()
	first := storetest.Scan(1, 1, "D", midnight.Add(-time.Second))
	s.want(t, first, venue.ScanNew)
	again := storetest.Scan(1, 2, "D", midnight.Add(time.Second))
	again.Hash, again.Prior = first.Hash, first.Key
	s.want(t, again, venue.ScanRepeated)

	if err := s.Engine.Close(); err != nil {
		t.Fatal(err)
	}
	s.store = openEmbedded(t, filepath.Join(t.TempDir(), "store"), storetest.Schemas)
	s.remote = &remote{Engine: s.store}
	s.remote.fault.Store(refuses)
	s.start(t)
	if now := s.State(); now.Waiting != 1 || !now.Oldest.Equal(first.At) {
		t.Fatalf("after a restart: %+v", now)
	}
	s.want(t, again, venue.ScanRepeated)
	s.remote.fault.Store(there)
	s.settle(t)
	s.want(t, again, venue.ScanRepeated)
	if rows := storetest.Collect(t, s.store.OfPerson(t.Context(), venue.DayOf(first.At), storetest.Pseudonym(1))); len(rows) != 1 || !rows[0].At.Equal(first.At) {
		t.Fatalf("there are %v", rows)
	}
}

func TestADestroyedDayDoesNotComeBack(t *testing.T) {
	s := newSite(t)
	s.remote.fault.Store(refuses)
	today := venue.DayOf(storetest.Noon)
	for n := range 3 { // of today, yesterday and the day before
		s.want(t, storetest.Scan(n, 1, "D", at(-n*24*3600)), venue.ScanNew)
	}
	s.mu.Lock()
	s.gone[today-2] = true // by another process, which knows nothing of what waits here
	s.mu.Unlock()
	if err := s.PurgeDay(t.Context(), today-1); err != nil {
		t.Fatal(err)
	}
	s.remote.fault.Store(there)
	s.settle(t)
	if rows := storetest.Collect(t, s.store.AtDoor(t.Context(), "D", time.Time{}, at(1))); len(rows) != 1 || venue.DayOf(rows[0].At) != today {
		t.Fatalf("there are %v", rows)
	}
}

// Many phones, a store that comes and goes, and processes that end: everything
// acknowledged is there once.
func TestNothingIsLostOrDoubled(t *testing.T) {
	s := newSite(t)
	const people, each = 8, 40
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	weather, calm := context.WithCancel(ctx)
	var wg, sky sync.WaitGroup
	sky.Go(func() {
		random := rand.New(rand.NewPCG(1, 2))
		for weather.Err() == nil {
			s.remote.fault.Store(int32(random.IntN(slow + 1)))
			time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
		}
	})
	for person := range people {
		wg.Go(func() {
			for n := range each {
				scan := storetest.Scan(person, n, "D", at(n))
				for range 1 + n%2 { // phones repeat
					for ctx.Err() == nil {
						if _, err := s.scan(scan); err == nil {
							break
						} else if !errors.Is(err, venue.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("scan: %v", err)
							return
						}
					}
				}
			}
		})
	}
	wg.Wait()
	calm()
	sky.Wait()
	s.remote.fault.Store(there)
	s.settle(t)
	for person := range people {
		rows := storetest.Collect(t, s.store.OfPerson(ctx, venue.DayOf(storetest.Noon), storetest.Pseudonym(person)))
		if len(rows) != each {
			t.Errorf("%d scans of person %d, want %d", len(rows), person, each)
		}
	}
	check, err := s.VerifyCounts(ctx, 0, venue.DayOf(storetest.Noon), nil)
	if err != nil || check.Rows != people*each || len(check.Differ) > 0 {
		t.Errorf("counts: %+v %v", check, err)
	}
}
