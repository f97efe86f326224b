package checkin

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// Recheck finds the scans that somebody must look at and sees to them: it asks
// again for colours that were unknown at the door, and makes sure that every
// red one was alarmed, also when a crash came between record and alarm.
//
// Nothing is queued: the scans themselves are the queue, found by the memory's
// attention index behind a kept cursor. Rows do not change; what is learnt is
// kept beside them.
type Recheck struct {
	Scans   Attention
	Outcome Outcomes
	Health  Prober
	Sealed  Opener
	Doors   Doors
	Alarms  Alarms
	// Tell sends word to the resident that the held code has been verified.
	Tell  func(ctx context.Context, person venue.PersonID, scan venue.Scan, reading venue.Reading) error
	Clock venue.Clock // civil
	// Look is how often it sweeps though nobody has told of a scan: other
	// processes record some too. 0: there are none, and it sweeps when told.
	Look time.Duration

	mu    sync.Mutex
	begun bool
	due   time.Time     // zero: nothing known to be waiting
	pause time.Duration // until the next sweep, while scans wait
	// Told by Waiting since the last sweep began:
	told   bool
	oldest time.Time // received; the sweep looks no later than from there
	newest time.Time
}

// Attention yields red and unknown scans by the instant they were received.
type Attention interface {
	Attention(ctx context.Context, from, to time.Time) iter.Seq2[venue.Scan, error]
}

// Outcomes keeps what re-checks found, and how far the sweep has come.
type Outcomes interface {
	Done(ctx context.Context, scanID string) (bool, error)
	Keep(ctx context.Context, scanID string, r venue.Reading, at time.Time) error
	Cursor(ctx context.Context) (time.Time, error)
	MoveCursor(ctx context.Context, to time.Time) error
}

// Prober asks the health-code service past cache and breaker;
// venue.ErrUnavailable while it does not answer.
type Prober interface {
	Probe(ctx context.Context, person venue.PersonID) (venue.Reading, error)
}

// Opener opens the person reference of a scan.
type Opener interface {
	OpenPerson(day venue.Day, row venue.ScanKey, sealed []byte) (venue.PersonID, error)
}

const (
	recheckEvery = 5 * time.Second  // doubled while the service stays silent,
	recheckMost  = 50 * time.Second // up to this: re-checked ≤ 60 s after recovery (rules §2)
	recheckBatch = 500              // answered in one run, so that other jobs get their turn
	recheckGroup = 8                // asked at the same time
	recheckFor   = 24 * time.Hour   // after that nobody waits at the door any more
	// settle is how long a row may take from being received to being found: the
	// cursor stays behind by it.
	settle = 2 * time.Minute
)

// Name names the job.
func (r *Recheck) Name() string { return "recheck" }

// Waiting tells that a scan received at t needs a look. It never blocks.
func (r *Recheck) Waiting(t time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.told || t.Before(r.oldest) {
		r.oldest = t
	}
	if !r.told || t.After(r.newest) {
		r.newest = t
	}
	r.told = true
}

// Next is when the sweep runs again: once at the start, then while scans wait,
// and every Look.
func (r *Recheck) Next(context.Context) (time.Time, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.begun {
		return r.Clock.Now(), true, nil
	}
	if r.told && r.due.IsZero() {
		r.due = r.newest.Add(recheckEvery)
	}
	return r.due, !r.due.IsZero(), nil
}

// Run sweeps once. It stops asking when nobody of a group gets an answer: the
// service is still away, and the rest can wait. After a full batch it is due
// again at once, behind the other jobs.
func (r *Recheck) Run(ctx context.Context, now time.Time) (ran, deferred int, err error) {
	r.mu.Lock()
	told, oldest, newest := r.told, r.oldest, r.newest
	r.told = false // what is told from here on may be too late for this sweep
	r.mu.Unlock()
	waiting, ran, err := r.sweep(ctx, now, told, oldest)

	if told && err != nil { // it may not have come to look
		r.Waiting(oldest)
		r.Waiting(newest)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun = true
	switch {
	case err == nil && !waiting:
		r.due, r.pause = time.Time{}, 0
		if r.Look > 0 {
			r.due = now.Add(r.Look)
		}
		return ran, 0, nil
	case err == nil && ran >= recheckBatch:
		r.due, r.pause = now, 0
		return ran, 0, nil
	case ran > 0 || r.pause == 0:
		r.pause = recheckEvery
	default:
		r.pause = min(r.pause*2, recheckMost)
	}
	r.due = now.Add(r.pause)
	return ran, 1, err
}

// sweep looks at everything from the cursor on, or from the oldest scan that
// was told of: one that was long in being stored may lie behind the cursor.
func (r *Recheck) sweep(ctx context.Context, now time.Time, told bool, oldest time.Time) (waiting bool, ran int, err error) {
	cursor, err := r.Outcome.Cursor(ctx)
	if err != nil {
		return false, 0, fmt.Errorf("read cursor: %w", err)
	}
	from := cursor
	if told && oldest.Before(from) {
		from = oldest
	}
	if floor := now.Add(-recheckFor); from.Before(floor) {
		from = floor
	}
	next := now.Add(-settle)
	keep := func(scan venue.Scan) { // the cursor may not pass what still waits
		waiting = true
		if scan.Received.Before(next) {
			next = scan.Received
		}
	}
	var group []venue.Scan
	var faults error
	silent := false
	flush := func() {
		unanswered := 0
		for i, err := range r.each(ctx, group, now) {
			switch {
			case err == nil:
				ran++
				continue
			case errors.Is(err, venue.ErrUnavailable):
				unanswered++
			default:
				faults = errors.Join(faults, err)
			}
			keep(group[i])
		}
		// One whom the service can not answer for must not keep the others waiting.
		silent = len(group) > 0 && unanswered == len(group)
		group = group[:0]
	}
	for scan, err := range r.Scans.Attention(ctx, from, now.Add(time.Millisecond)) {
		if err != nil {
			return true, ran, fmt.Errorf("find scans that wait: %w", err)
		}
		if silent || ran >= recheckBatch {
			keep(scan)
			break
		}
		done, err := r.Outcome.Done(ctx, scan.Key.ID())
		if err != nil {
			return true, ran, err
		}
		if done {
			continue
		}
		if group = append(group, scan); len(group) == recheckGroup {
			flush()
		}
	}
	flush()
	if !next.Equal(cursor) { // back, too, if one behind it waits
		if err := r.Outcome.MoveCursor(ctx, next); err != nil {
			return true, ran, fmt.Errorf("move cursor: %w", err)
		}
	}
	return waiting, ran, faults
}

// each sees to a few scans at the same time.
func (r *Recheck) each(ctx context.Context, group []venue.Scan, now time.Time) []error {
	errs := make([]error, len(group))
	var wg sync.WaitGroup
	for i, scan := range group {
		wg.Go(func() { errs[i] = r.one(ctx, scan, now) })
	}
	wg.Wait()
	return errs
}

func (r *Recheck) one(ctx context.Context, scan venue.Scan, now time.Time) error {
	reading, learnt := venue.Reading{Health: scan.Health, At: scan.HealthAt}, false
	var person venue.PersonID
	if scan.Health == venue.HealthUnknown {
		var err error
		if person, err = r.Sealed.OpenPerson(venue.DayOf(scan.At), scan.Key, scan.Person); err != nil {
			return fmt.Errorf("open scan: %w", err)
		}
		if reading, err = r.Health.Probe(ctx, person); err != nil {
			return fmt.Errorf("ask again: %w", err)
		}
		learnt = reading.Health != venue.HealthUnknown
	}
	if reading.Health == venue.HealthRed {
		place, err := r.Doors.Resolve(ctx, scan.Door)
		if err != nil && !errors.Is(err, venue.ErrNotFound) {
			return fmt.Errorf("find the door: %w", err)
		}
		if err == nil { // a door closed since then has nobody left to call
			if err := r.Alarms.Raise(ctx, place, scan, learnt); err != nil {
				return fmt.Errorf("raise alarm: %w", err)
			}
		}
	}
	if learnt {
		if err := r.Tell(ctx, person, scan, reading); err != nil {
			return fmt.Errorf("tell the resident: %w", err)
		}
	}
	return r.Outcome.Keep(ctx, scan.Key.ID(), reading, now)
}
