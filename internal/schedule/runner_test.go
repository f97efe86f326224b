package schedule

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/venuecode/venuecode/venue"
)

// list is a Work that does what was put on it, each at its due time.
type list struct {
	name string
	mu   sync.Mutex
	due  []time.Time
	do   func(now, due time.Time) (again time.Time, err error) // nil: just done
	runs []time.Time
}

func (l *list) put(due ...time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.due = append(l.due, due...)
	slices.SortFunc(l.due, time.Time.Compare)
}

func (l *list) Name() string { return l.name }

func (l *list) Next(context.Context) (time.Time, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.due) == 0 {
		return time.Time{}, false, nil
	}
	return l.due[0], true, nil
}

func (l *list) Run(_ context.Context, now time.Time) (res Result, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.due) > 0 && !l.due[0].After(now) {
		l.runs = append(l.runs, now)
		var again time.Time
		if l.do != nil {
			if again, err = l.do(now, l.due[0]); err != nil {
				return res, err
			}
		}
		l.due = l.due[1:]
		if again.IsZero() {
			res.Ran++
			continue
		}
		res.Deferred++
		l.due = append(l.due, again)
		slices.SortFunc(l.due, time.Time.Compare)
	}
	return res, nil
}

func (l *list) times() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var s []string
	for _, t := range l.runs {
		s = append(s, t.In(venue.Zone).Format("15:04:05"))
	}
	return s
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

func newRunner(c *Clock, works ...Work) (*Runner, *lockedBuffer, *prometheus.Registry) {
	log, reg := &lockedBuffer{}, prometheus.NewRegistry()
	r := NewRunner(Options{Clock: c, Log: slog.New(slog.NewTextHandler(log, nil)), Metrics: reg})
	r.Add(works...)
	return r, log, reg
}

func at(h, m int) time.Time { return venue.DayOf(afternoon).At(h, m) }

func wantMove(t *testing.T, got Move, err error, now time.Time, ran, deferred int) {
	t.Helper()
	if err != nil || !got.Now.Equal(now) || got.Ran != ran || got.Deferred != deferred {
		t.Fatalf("got %+v, %v; want now %s, ran %d, deferred %d", got, err, now, ran, deferred)
	}
}

func TestAMoveRunsEverythingAtItsInstantAndInOrder(t *testing.T) {
	c := mustClock(t, Standing, afternoon, "", &machine{now: boot})
	var order []string
	note := func(name string) func(now, due time.Time) (time.Time, error) {
		return func(now, due time.Time) (time.Time, error) {
			order = append(order, name+now.In(venue.Zone).Format(" 15:04"))
			if !c.Now().Equal(now) {
				t.Errorf("%s: the clock shows %s, now is %s", name, c.Now(), now)
			}
			return time.Time{}, nil
		}
	}
	a, b := &list{name: "a", do: note("a")}, &list{name: "b", do: note("b")}
	a.put(at(14, 0), at(15, 30), at(16, 0), at(18, 0)) // 14:00 is past already
	b.put(at(15, 0), at(16, 0))
	r, _, _ := newRunner(c, a, b)

	m, err := r.MoveTo(t.Context(), at(17, 0))
	wantMove(t, m, err, at(17, 0), 5, 0)
	want := []string{"a 14:30", "b 15:00", "a 15:30", "a 16:00", "b 16:00"}
	if !slices.Equal(order, want) {
		t.Errorf("got %v, want %v", order, want)
	}
	m, err = r.Advance(t.Context(), time.Hour)
	wantMove(t, m, err, at(18, 0), 1, 0)
}

func TestWhatOneWorkPostsAnotherOneFindsInTheSameMove(t *testing.T) {
	c := mustClock(t, Standing, afternoon, "", &machine{now: boot})
	outbox := &list{name: "outbox"}
	stages := &list{name: "stages"}
	stages.do = func(now, _ time.Time) (time.Time, error) {
		outbox.put(now, now.Add(10*time.Minute))
		return time.Time{}, nil
	}
	stages.put(at(15, 0), at(16, 0))
	r, _, _ := newRunner(c, outbox, stages)
	m, err := r.MoveTo(t.Context(), at(16, 0))
	wantMove(t, m, err, at(16, 0), 5, 0)
	if got := strings.Join(outbox.times(), " "); got != "15:00:00 15:10:00 16:00:00" {
		t.Errorf("the outbox ran at %s", got)
	}
}

func TestAFailedDeliveryIsDeferredAndComesBackInTheSameMove(t *testing.T) {
	c := mustClock(t, Standing, afternoon, "", &machine{now: boot})
	fails := 3
	l := &list{name: "outbox", do: func(now, _ time.Time) (time.Time, error) {
		if fails--; fails >= 0 {
			return now.Add(time.Minute), nil
		}
		return time.Time{}, nil
	}}
	l.put(at(15, 0))
	r, _, _ := newRunner(c, l)
	m, err := r.MoveTo(t.Context(), at(15, 1))
	wantMove(t, m, err, at(15, 1), 0, 2)
	m, err = r.MoveTo(t.Context(), at(16, 0))
	wantMove(t, m, err, at(16, 0), 1, 1)
}

func TestAMoveEndsWhateverAWorkDoes(t *testing.T) {
	broken := errors.New("the store is away")
	for _, c := range []struct {
		name string
		work Work
		log  string
	}{
		{"run fails", &list{name: "x", due: []time.Time{at(15, 0)}, do: func(_, _ time.Time) (time.Time, error) { return time.Time{}, broken }}, "job failed"},
		{"next fails", workFunc{next: func() (time.Time, bool, error) { return time.Time{}, false, broken }}, "job failed"},
		{"it gets nowhere", workFunc{next: func() (time.Time, bool, error) { return at(15, 0), true, nil }}, "due as before"},
		{"it says it defers but does not", workFunc{next: func() (time.Time, bool, error) { return at(15, 0), true, nil }, res: Result{Deferred: 1}}, "due as before"},
		{"it says it ran but is never done", workFunc{next: func() (time.Time, bool, error) { return at(15, 0), true, nil }, res: Result{Ran: 1}}, "without end"},
	} {
		for _, mode := range []Mode{Standing, 60} {
			t.Run(fmt.Sprintf("%s at speed %v", c.name, mode), func(t *testing.T) {
				m := &machine{now: boot}
				ticking := venue.ClockFunc(func() time.Time { m.pass(time.Microsecond); return m.Now() })
				other := &list{name: "other"}
				other.put(at(15, 30))
				r, log, _ := newRunner(mustClock(t, mode, afternoon, "", ticking), c.work, other)
				move, err := r.MoveTo(t.Context(), at(16, 0))
				if err != nil || move.Now.Before(at(16, 0)) || move.Deferred == 0 {
					t.Errorf("got %+v, %v; want 16:00 and something deferred", move, err)
				}
				if len(other.times()) != 1 {
					t.Error("the other work was not run")
				}
				if !strings.Contains(log.String(), c.log) {
					t.Errorf("log %q does not say %q", log, c.log)
				}
				if n := strings.Count(log.String(), "job failed"); n > 1 {
					t.Errorf("logged %d times", n)
				}
			})
		}
	}
}

type workFunc struct {
	next func() (time.Time, bool, error)
	res  Result
}

func (workFunc) Name() string                                           { return "odd" }
func (w workFunc) Next(context.Context) (time.Time, bool, error)        { return w.next() }
func (w workFunc) Run(context.Context, time.Time) (res Result, _ error) { return w.res, nil }

func TestBackwardsAndTheRealClockAreConflicts(t *testing.T) {
	m := &machine{now: boot}
	standing, _, _ := newRunner(mustClock(t, Standing, afternoon, "", m))
	if _, err := standing.MoveTo(t.Context(), afternoon.Add(-time.Millisecond)); !errors.Is(err, venue.ErrConflict) {
		t.Errorf("backwards: got %v", err)
	}
	if _, err := standing.Advance(t.Context(), -time.Second); !errors.Is(err, venue.ErrConflict) {
		t.Errorf("backwards by a second: got %v", err)
	}
	move, err := standing.Advance(t.Context(), 0)
	wantMove(t, move, err, afternoon, 0, 0)
	real, _, _ := newRunner(mustClock(t, Real, time.Time{}, "", m))
	if _, err := real.Advance(t.Context(), time.Hour); !errors.Is(err, venue.ErrConflict) {
		t.Errorf("real: got %v", err)
	}
}

func TestAMovedClockIsKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clock")
	m := &machine{now: boot}
	r, _, _ := newRunner(mustClock(t, Standing, afternoon, file, m))
	if _, err := r.Advance(t.Context(), 90*time.Second); err != nil {
		t.Fatal(err)
	}
	wantInstant(t, "reopened", mustClock(t, Standing, afternoon, file, m).Now(), afternoon.Add(90*time.Second))
}

func TestACancelledMoveStops(t *testing.T) {
	l := &list{name: "x"}
	ctx, cancel := context.WithCancel(t.Context())
	l.do = func(now, _ time.Time) (time.Time, error) { cancel(); return now.Add(time.Second), nil }
	l.put(at(15, 0))
	r, _, _ := newRunner(mustClock(t, Standing, afternoon, "", &machine{now: boot}), l)
	if m, err := r.MoveTo(ctx, at(16, 0)); !errors.Is(err, context.Canceled) || !m.Now.Equal(at(15, 0)) {
		t.Errorf("got %+v, %v; want it to stop at 15:00", m, err)
	}
}

// In a synctest bubble time.Now is a machine clock that passes only when
// everybody waits.
func bubble(t *testing.T, f func(t *testing.T, machine venue.Clock)) {
	synctest.Test(t, func(t *testing.T) { f(t, venue.ClockFunc(time.Now)) })
}

func loop(t *testing.T, r *Runner) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { r.Loop(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
}

func TestTheLoopWaitsOnTheMachine(t *testing.T) {
	for _, c := range []struct {
		mode Mode
		real time.Duration // for an hour of the civil clock
	}{{Real, time.Hour}, {1, time.Hour}, {60, time.Minute}, {3600, time.Second}} {
		bubble(t, func(t *testing.T, machine venue.Clock) {
			start := machine.Now()
			clock := mustClock(t, c.mode, start, "", machine)
			var ran time.Time
			l := &list{name: "x", do: func(now, due time.Time) (time.Time, error) {
				if now.Before(due) {
					t.Errorf("speed %v: ran at %s, before it was due at %s", c.mode, now, due)
				}
				ran = machine.Now()
				return time.Time{}, nil
			}}
			l.put(clock.Now().Add(time.Hour))
			r, _, _ := newRunner(clock, l)
			loop(t, r)
			time.Sleep(c.real + 100*time.Millisecond)
			synctest.Wait()
			if took := ran.Sub(start); took < c.real-time.Millisecond || took > c.real+5*time.Millisecond {
				t.Errorf("speed %v: an hour took %v of the machine's time, want %v", c.mode, took, c.real)
			}
		})
	}
}

func TestAWakeIsHeardAtOnce(t *testing.T) {
	for _, mode := range []Mode{Real, 60, Standing} {
		bubble(t, func(t *testing.T, machine venue.Clock) {
			clock := mustClock(t, mode, machine.Now(), "", machine)
			l := &list{name: "x"}
			r, _, _ := newRunner(clock, l)
			loop(t, r)
			synctest.Wait()
			l.put(clock.Now())
			r.Wake()
			r.Wake()
			synctest.Wait()
			if len(l.times()) != 1 {
				t.Errorf("mode %v: ran %d times, want once", mode, len(l.times()))
			}
		})
	}
}

func TestTheLoopBacksOffAndLogsOnce(t *testing.T) {
	bubble(t, func(t *testing.T, machine venue.Clock) {
		clock := mustClock(t, Real, time.Time{}, "", machine)
		start := machine.Now()
		var tries []time.Duration
		sick := &list{name: "sick"}
		sick.do = func(now, _ time.Time) (time.Time, error) {
			tries = append(tries, now.Sub(start))
			if len(tries) < 8 {
				return time.Time{}, errors.New("the store is away")
			}
			return time.Time{}, nil
		}
		well := &list{name: "well"}
		sick.put(start)
		well.put(start, start.Add(10*time.Second))
		r, log, reg := newRunner(clock, sick, well)
		loop(t, r)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		s := time.Second
		if want := []time.Duration{0, 1 * s, 3 * s, 7 * s, 15 * s, 31 * s, 61 * s, 91 * s}; !slices.Equal(tries, want) {
			t.Errorf("tried at %v, want %v", tries, want)
		}
		if len(well.times()) != 2 {
			t.Errorf("the other work ran %d times, want 2", len(well.times()))
		}
		if n := strings.Count(log.String(), "job failed"); n != 1 {
			t.Errorf("logged %d times, want once:\n%s", n, log)
		}
		if got := metric(t, reg, "venuecode_job_failures_total", "sick"); got != 7 {
			t.Errorf("failures: got %v, want 7", got)
		}
		if got := metric(t, reg, "venuecode_job_last_success_timestamp_seconds", "sick"); got < float64(start.Add(91*s).Unix()) {
			t.Errorf("last success: got %v", got)
		}
	})
}

// Not in a bubble: who waits for a mutex keeps a bubble's time from passing.
func TestAMoveAndTheLoopTakeTurns(t *testing.T) {
	clock := mustClock(t, 600, afternoon, "", venue.ClockFunc(time.Now))
	var busy sync.Mutex
	l := &list{name: "x", do: func(now, _ time.Time) (time.Time, error) {
		if !busy.TryLock() {
			t.Error("run twice at a time")
		}
		time.Sleep(100 * time.Microsecond)
		busy.Unlock()
		return now.Add(time.Second), nil
	}}
	l.put(clock.Now())
	r, _, _ := newRunner(clock, l)
	loop(t, r)
	var last time.Time
	for range 20 {
		m, err := r.Advance(t.Context(), 10*time.Second)
		if err != nil || m.Now.Before(last) {
			t.Fatalf("got %+v, %v after %s", m, err, last)
		}
		last = m.Now
		time.Sleep(5 * time.Millisecond)
	}
}

func metric(t *testing.T, reg *prometheus.Registry, name, job string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == job {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no metric %s of %s", name, job)
	return 0
}
