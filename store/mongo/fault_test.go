package mongo_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/venuecode/venuecode/internal/faultproxy"
	"github.com/venuecode/venuecode/internal/mongotest"
	"github.com/venuecode/venuecode/store/mongo"
	"github.com/venuecode/venuecode/store/storetest"
	"github.com/venuecode/venuecode/venue"
)

const (
	appenders = 4
	each      = 15
	// soon is a timeout short enough for tests and long enough for a busy machine.
	soon = 2 * time.Second
)

// appendAll appends scans from several goroutines, each again until it is
// acknowledged. between is called after each of one of them.
func appendAll(t *testing.T, e *mongo.Engine, between func(n int)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	appendOf := func(person int, between func(n int)) {
		for n := range each {
			s := storetest.Scan(person, n, "D", storetest.Noon.Add(time.Duration(n)*time.Second))
			for tried := 0; ; tried++ {
				outcomes, err := e.Append(ctx, []venue.Scan{s})
				if err == nil {
					if k := outcomes[0].Kind; k == venue.ScanConflict || k == venue.ScanRepeated && tried == 0 {
						t.Errorf("scan %d of %d, tried %d times before, is %d", n, person, tried, k)
					}
					break
				}
				if !errors.Is(err, venue.ErrUnavailable) || ctx.Err() != nil {
					t.Errorf("append: %v, want unavailable", err)
					return
				}
			}
			between(n)
		}
	}
	var wg sync.WaitGroup
	for person := 1; person < appenders; person++ {
		wg.Go(func() { appendOf(person, func(int) {}) })
	}
	appendOf(0, between)
	wg.Wait()
}

// wantAll expects every scan of appendAll once, and the counts to agree.
func wantAll(t *testing.T, e *mongo.Engine) {
	t.Helper()
	ctx := context.Background()
	today := venue.DayOf(storetest.Noon)
	for person := range appenders {
		rows := storetest.Collect(t, e.OfPerson(ctx, today, storetest.Pseudonym(person)))
		if len(rows) != each {
			t.Fatalf("%d rows of %d, want %d", len(rows), person, each)
		}
	}
	span := venue.Span{Door: "D", From: today.Start(), To: (today + 1).Start()}
	if n, err := e.CountScans(ctx, []venue.Span{span}, time.Time{}); err != nil || n != appenders*each {
		t.Fatalf("counted %d %v, want %d", n, err, appenders*each)
	}
}

func TestAppendUnderFaultsLosesAndDoublesNothing(t *testing.T) {
	for name, fault := range map[string]faultproxy.Fault{
		"connections closed before the request": faultproxy.Refuse,
		"connections closed within the request": faultproxy.Half,
		"answers lost":                          faultproxy.Lost,
		"connections half-open":                 faultproxy.Silent,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait more than they work
			proxy := faultproxy.Start(t, mongotest.Start(t).Address())
			o := server{uri: proxy.URI(), development: true}.options(database())
			o.Timeout = soon
			e := open(t, o)
			hits := 0
			proxy.On(func(command string) faultproxy.Fault {
				// Each costs half a second: the driver asks a server that failed no sooner.
				if (command == "insert" || command == "update" || command == "find") && hits < 6 && rand.IntN(3) == 0 {
					hits++
					return fault
				}
				return faultproxy.None
			})
			appendAll(t, e, func(int) {})
			proxy.On(nil)
			if hits == 0 {
				t.Fatal("no request met the fault")
			}
			wantAll(t, e)
		})
	}
}

func TestAppendWhileTheServerIsKilledLosesAndDoublesNothing(t *testing.T) {
	s := mongotest.Start(t)
	o := server{uri: s.URI(), development: true}.options(database())
	o.Timeout = soon
	e := open(t, o)
	appendAll(t, e, func(n int) {
		if n%4 == 1 {
			s.Restart(t)
		}
	})
	wantAll(t, e)
}

// TestConcurrentCallersShareAnInsert: while one group is on its way, those who
// come wait for the next and go together.
func TestConcurrentCallersShareAnInsert(t *testing.T) {
	proxy := faultproxy.Start(t, mongotest.Start(t).Address())
	e := open(t, server{uri: proxy.URI(), development: true}.options(database()))
	storetest.Append(t, e, storetest.Scan(0, 0, "D", storetest.Noon)) // the day is made
	inserts := 0
	proxy.On(func(command string) faultproxy.Fault {
		if command == "insert" {
			inserts++
		}
		return faultproxy.None
	})
	proxy.Delay(100 * time.Millisecond)
	const callers = 200
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			if _, err := e.Append(context.Background(), []venue.Scan{storetest.Scan(1, i, "D", storetest.Noon)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	proxy.On(nil)
	if inserts > callers/4 {
		t.Errorf("%d callers needed %d inserts", callers, inserts)
	}
	if n := len(storetest.Collect(t, e.OfPerson(context.Background(), venue.DayOf(storetest.Noon), storetest.Pseudonym(1)))); n != callers {
		t.Errorf("%d rows, want %d", n, callers)
	}
}

func TestAServerThatIsAwayIsUnavailableInTimeAndBackSoon(t *testing.T) {
	ctx := context.Background()
	proxy := faultproxy.Start(t, mongotest.Start(t).Address())
	o := server{uri: proxy.URI(), development: true}.options(database())
	o.Timeout = soon
	var log syncBuffer
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	e := open(t, o)
	storetest.Append(t, e, storetest.Scan(1, 1, "D", storetest.Noon))
	proxy.Away(true)
	start := time.Now()
	for what, err := range map[string]error{
		"check":  e.Check(ctx),
		"insert": e.Insert(ctx, "plain", "1", storetest.Body(t, struct{}{})),
		"append": errorOf(e.Append(ctx, []venue.Scan{storetest.Scan(1, 2, "D", storetest.Noon)})),
		"count":  errorOf(e.CountScans(ctx, []venue.Span{{Door: "D", To: storetest.Noon}}, time.Time{})),
	} {
		if !errors.Is(err, venue.ErrUnavailable) {
			t.Errorf("%s: %v, want unavailable", what, err)
		}
	}
	if took := time.Since(start); took > 6*soon {
		t.Errorf("four calls took %v, with a timeout of %v", took, soon)
	}
	proxy.Away(false)
	start = time.Now()
	for e.Check(ctx) != nil {
		if time.Since(start) > 15*time.Second {
			t.Fatal("still unavailable 15 s after the server came back")
		}
	}
	storetest.Append(t, e, storetest.Scan(1, 3, "D", storetest.Noon))
	said := log.String()
	if gone, back := strings.Index(said, "no MongoDB primary"), strings.LastIndex(said, "primary is there"); gone < 0 || back < gone {
		t.Errorf("the log says\n%s", said)
	}
}

// syncBuffer is a buffer that several goroutines write to.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func errorOf[T any](_ T, err error) error { return err }
