package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/venuecode/venuecode/venue"
)

// Work is something that comes due on the civil clock.
type Work interface {
	// Name is the job's name in logs and metrics.
	Name() string
	// Next is the earliest instant at which there is something to do; it may lie
	// in the past. Not ok: there is nothing.
	Next(ctx context.Context) (due time.Time, ok bool, err error)
	// Run does what is due at now or before, and is safe to run twice. What can
	// not be done is given a later due time and counted as deferred; an error is
	// for when not even that was possible.
	Run(ctx context.Context, now time.Time) (Result, error)
}

// Result counts what a Run did.
type Result struct {
	Ran      int // done, whatever came of it
	Deferred int // failed and given a later due time
}

// Move is what came of moving the clock.
type Move struct {
	Now           time.Time
	Ran, Deferred int
}

// Lead gives the works of several processes to one of them at a time.
type Lead interface {
	// Term is a context within ctx that ends soon after this process ceases to
	// lead, and is released by end. Not ok: it does not lead.
	Term(ctx context.Context) (term context.Context, end context.CancelFunc, ok bool)
}

// Options of a Runner. Clock, Log and Metrics are required.
type Options struct {
	Clock   *Clock
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// Poll is the longest the Loop waits before it looks again by itself, for
	// what other processes post; 0 is a minute.
	Poll time.Duration
	// Lead, if given, has the Loop run the works that were given to Add only
	// while this process leads. A clock that is moved belongs to one process, so
	// it goes with the real clock only.
	Lead Lead
}

// Runner runs works in the order in which they come due, one at a time.
type Runner struct {
	clock *Clock
	log   *slog.Logger
	poll  time.Duration
	lead  Lead
	wake  chan struct{}

	turn sync.Mutex // held by the Loop while it runs works, and by a move
	jobs []*job
	led  bool // the Loop led when it looked last

	success  *prometheus.GaugeVec
	failures *prometheus.CounterVec
}

// job is a Work and how it has been doing.
type job struct {
	Work
	everywhere bool      // run whether or not this process leads
	failed     int       // times in a row
	retry      time.Time // machine; the Loop leaves it alone until then
}

// NewRunner makes a Runner without works.
func NewRunner(o Options) *Runner {
	if o.Poll == 0 {
		o.Poll = time.Minute
	}
	r := &Runner{
		clock: o.Clock, log: o.Log, poll: o.Poll, lead: o.Lead, wake: make(chan struct{}, 1),
		success: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "venuecode_job_last_success_timestamp_seconds",
			Help: "Machine time at which the job last had nothing left undone.",
		}, []string{"job"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "venuecode_job_failures_total",
			Help: "Runs of the job that failed.",
		}, []string{"job"}),
	}
	o.Metrics.MustRegister(r.success, r.failures)
	return r
}

// Add gives the Runner works, before it starts.
func (r *Runner) Add(works ...Work) { r.add(works, false) }

// AddEverywhere is Add for works that see to this process's own things, and are
// run by every process.
func (r *Runner) AddEverywhere(works ...Work) { r.add(works, true) }

func (r *Runner) add(works []Work, everywhere bool) {
	for _, w := range works {
		r.jobs = append(r.jobs, &job{Work: w, everywhere: everywhere})
		r.failures.WithLabelValues(w.Name())
	}
}

// Wake tells the Loop that something was posted. It never blocks.
func (r *Runner) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Loop runs works as they come due until ctx ends. With a standing clock only
// what is due already comes due, at a Wake. A Work that fails is left alone for
// 1 s to 30 s of the machine's time; the others go on.
func (r *Runner) Loop(ctx context.Context) {
	for ctx.Err() == nil {
		timer := time.NewTimer(r.quiesce(ctx))
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// quiesce runs everything due and says how long the machine may wait.
func (r *Runner) quiesce(ctx context.Context) time.Duration {
	r.turn.Lock()
	defer r.turn.Unlock()
	for ctx.Err() == nil {
		if d, again := r.step(ctx); !again {
			return d
		}
	}
	return 0
}

// step runs what is due first; not again: nothing is, for so long.
func (r *Runner) step(ctx context.Context) (wait time.Duration, again bool) {
	term, leads := ctx, true
	if r.lead != nil {
		var end context.CancelFunc
		term, end, leads = r.lead.Term(ctx)
		defer end()
	}
	if r.led && !leads {
		r.handOver()
	}
	r.led = leads
	wait = r.poll
	now := r.clock.machine.Now()
	ready := func(j *job) bool {
		if !leads && !j.everywhere {
			return false
		}
		if d := j.retry.Sub(now); d > 0 {
			wait = min(wait, d)
			return false
		}
		return true
	}
	j, due, _ := r.earliest(ctx, ready)
	if j == nil {
		return wait, false
	}
	d, comes := r.clock.until(due)
	if !comes {
		return wait, false
	}
	if d > 0 {
		return min(wait, d), false
	}
	if !j.everywhere {
		ctx = term
	}
	r.run(ctx, j, due)
	return 0, true
}

// handOver forgets how the works of the leader were doing: from here on another
// process tells.
func (r *Runner) handOver() {
	for _, j := range r.jobs {
		if !j.everywhere {
			j.failed, j.retry = 0, time.Time{}
			r.success.DeleteLabelValues(j.Name())
		}
	}
}

// perInstant is the most runs of one Work at one instant of a move.
const perInstant = 10_000

// MoveTo moves the clock to t, running on the way everything that comes due, at
// its instant and in order, and answers when nothing is left. A Work that fails
// or gets nowhere counts as deferred and is tried again when the clock has
// moved on, so a move always ends. Backwards, or with the real clock:
// venue.ErrConflict.
func (r *Runner) MoveTo(ctx context.Context, t time.Time) (Move, error) {
	return r.move(ctx, func(time.Time) time.Time { return venue.Millis(t) })
}

// Advance is MoveTo, d from now.
func (r *Runner) Advance(ctx context.Context, d time.Duration) (Move, error) {
	return r.move(ctx, func(now time.Time) time.Time { return venue.Millis(now.Add(d)) })
}

func (r *Runner) move(ctx context.Context, target func(now time.Time) time.Time) (m Move, err error) {
	if r.clock.mode == Real {
		return m, fmt.Errorf("the real clock can not be moved: %w", venue.ErrConflict)
	}
	r.turn.Lock()
	defer r.turn.Unlock()
	defer func() { m.Now = r.clock.Now() }()

	// The instant of the move, not the clock's reading: a running clock runs on
	// meanwhile, and by its own running nothing is tried again.
	instant := r.clock.Now()
	end := target(instant)
	if end.Before(instant) {
		return m, fmt.Errorf("the civil clock can not be moved back: %w", venue.ErrConflict)
	}
	runs := map[*job]int{} // at this instant; perInstant if it is through with
	jump := func(t time.Time) error {
		if t.After(instant) {
			instant = t
			clear(runs)
		}
		return r.clock.set(t)
	}
	for {
		if err := ctx.Err(); err != nil {
			return m, err
		}
		j, due, broken := r.earliest(ctx, func(j *job) bool { return runs[j] < perInstant })
		for _, b := range broken {
			runs[b] = perInstant
			m.Deferred++
		}
		if j == nil || due.After(end) {
			if instant.Equal(end) {
				return m, nil
			}
			if err := jump(end); err != nil {
				return m, err
			}
			continue // what got nowhere earlier has another try
		}
		if err := jump(due); err != nil {
			return m, err
		}
		did, ok := r.run(ctx, j, due)
		m.Ran += did.Ran
		m.Deferred += did.Deferred
		runs[j]++
		if runs[j] == perInstant {
			r.log.Error("job has work without end at one instant; the move goes on without it", "job", j.Name(), "now", instant)
			ok = false
		}
		if !ok {
			runs[j] = perInstant
			if did.Deferred == 0 {
				m.Deferred++
			}
		}
	}
}

// earliest finds the job that is due first among those that may run; nil if
// none has anything to do. Broken are those that could not say.
func (r *Runner) earliest(ctx context.Context, may func(*job) bool) (first *job, due time.Time, broken []*job) {
	for _, j := range r.jobs {
		if !may(j) {
			continue
		}
		t, ok, err := j.Next(ctx)
		if err != nil {
			r.failed(ctx, j, fmt.Errorf("look what is due: %w", err))
			broken = append(broken, j)
			continue
		}
		if !ok || t.After(r.clock.Now()) {
			r.succeeded(j)
		}
		if ok && (first == nil || t.Before(due)) {
			first, due = j, t
		}
	}
	return first, due, broken
}

var errNowhere = errors.New("it ran and is due as before")

// run runs a job that came due. Not ok: it failed or got nowhere, and would do
// so again at once.
func (r *Runner) run(ctx context.Context, j *job, due time.Time) (did Result, ok bool) {
	did, err := j.Run(ctx, r.clock.Now())
	if err == nil && did.Ran == 0 {
		var next time.Time
		var more bool
		if next, more, err = j.Next(ctx); err == nil && more && next.Equal(due) {
			err = errNowhere
		}
	}
	if err != nil {
		r.failed(ctx, j, err)
		return did, false
	}
	r.succeeded(j)
	return did, true
}

func (r *Runner) failed(ctx context.Context, j *job, err error) {
	if ctx.Err() != nil {
		return // we are stopping, or lead no more; it is not the job's fault
	}
	r.failures.WithLabelValues(j.Name()).Inc()
	if j.failed++; j.failed == 1 {
		r.log.Error("job failed", "job", j.Name(), "error", err)
	}
	wait := min(time.Second<<min(j.failed-1, 5), 30*time.Second)
	j.retry = r.clock.machine.Now().Add(wait)
}

func (r *Runner) succeeded(j *job) {
	if j.failed > 0 {
		r.log.Info("job works again", "job", j.Name(), "failures", j.failed)
		j.failed, j.retry = 0, time.Time{}
	}
	r.success.WithLabelValues(j.Name()).Set(float64(r.clock.machine.Now().UnixMilli()) / 1000)
}
