// Package spool keeps taking scans while the store is away.
//
// An Engine stands before another one, which may not answer: a scan that is not
// taken there in time is kept in a synced local log, answered, and brought to
// the store when it is back, the oldest first. Whoever scans again meanwhile is
// told of the scan that waits. Everything else goes straight through, and fails
// at once while the store is known to be away.
//
// docs/decisions/0025-spool.md tells why.
package spool

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Schema is the one collection of the local log.
var Schema = store.Schema{Name: "spooled", Indexes: []store.Index{{Name: "at", Fields: []string{"at"}}}} // scan key → waiting

// waiting is a scan that waits for the store, sealed as it will lie there.
type waiting struct {
	At    time.Time // when it happened
	Prior []byte    // venue.Scan.Prior, which a stored scan does not have
	Scan  []byte    // see store.AppendScan
}

// Options of an Engine.
type Options struct {
	Store store.Engine
	// Local keeps what waits; opened with Schema, durable, and closed with the
	// Engine. It belongs to this process and outlives it.
	Local   store.Engine
	Civil   venue.Clock // a scan that waited was received by the store when it came there
	Machine venue.Clock
	Logger  *slog.Logger
	// Kept tells whether the scans of a day are still kept. Of a day that was
	// destroyed meanwhile nothing reaches the store.
	Kept func(venue.Day) bool
	// Arrived, if not nil, is told of scans that were brought to the store late. It
	// must not block.
	Arrived func([]venue.Scan)
}

// Engine is a store.Engine whose Append does not need the store.
type Engine struct {
	store.Engine
	o    Options
	rows store.Collection[waiting]

	spooling atomic.Bool // scans are kept here: the store did not take some
	down     atomic.Bool // the store has not answered since it was asked

	mu     sync.Mutex // guards what follows
	n      int        // scans that wait
	oldest time.Time  // when the oldest of them happened
	late   Late

	stuck bool // run's own: what waits did not get there, and that was told

	wake    chan struct{}
	stop    context.CancelFunc
	running sync.WaitGroup
}

// Late is what came late to the store, by way of this process: the oldest of it
// happened at From, the last of it came at At, civil. Zero: nothing since the
// start.
type Late struct{ From, At time.Time }

const (
	askEvery   = 500 * time.Millisecond // while the store is away
	askFor     = time.Second            // how long it may take to answer then
	group      = 512                    // scans that are brought to the store at once
	groupFor   = 5 * time.Second        // how long it may take them
	together   = 64                     // local deletions that share a commit
	noDeadline = 5 * time.Second        // the store's time for a caller who sets none
)

// ErrAway is every answer but Append's while the store is known to be away.
var ErrAway = fmt.Errorf("the store is away: %w", venue.ErrUnavailable)

// New puts an Engine before a store. What still waits from the last time is
// counted, and brought to the store in the background.
func New(ctx context.Context, o Options) (*Engine, error) {
	e := &Engine{Engine: o.Store, o: o, rows: store.NewCollection[waiting](o.Local, Schema), wake: make(chan struct{}, 1)}
	for row, err := range e.rows.Find(ctx, store.Query{Index: "at"}) {
		if err != nil {
			return nil, fmt.Errorf("count what waits for the store: %w", err)
		}
		e.count(1, row.Value.At)
	}
	ctx, e.stop = context.WithCancel(context.WithoutCancel(ctx))
	e.running.Go(func() { e.run(ctx) })
	return e, nil
}

// Append remembers scans; see store.ScanLog. The store has half of the time that
// the caller has; a batch that it does not take is kept here. ErrUnavailable if
// that can not be done either: nothing of the batch may be assumed then.
func (e *Engine) Append(ctx context.Context, batch []venue.Scan) ([]store.Outcome, error) {
	if waits, err := e.waits(ctx, batch); err != nil {
		return nil, err
	} else if waits || e.spooling.Load() {
		return e.keep(ctx, batch)
	}
	outcomes, err := e.straight(ctx, batch)
	if err == nil || ctx.Err() != nil || !errors.Is(err, venue.ErrUnavailable) {
		return outcomes, err
	}
	e.spool(err)
	return e.keep(ctx, batch)
}

func (e *Engine) straight(ctx context.Context, batch []venue.Scan) ([]store.Outcome, error) {
	patience := noDeadline
	if deadline, ok := ctx.Deadline(); ok {
		patience = deadline.Sub(e.o.Machine.Now()) / 2
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return e.Engine.Append(ctx, batch)
}

// spool has scans kept here until the store is heard of again.
func (e *Engine) spool(cause error) {
	if !e.spooling.Swap(true) {
		e.o.Logger.Warn("store: scans were not taken in time and are kept here", "error", cause)
		e.look()
	}
}

// waits tells whether one of a batch, or what it repeats, waits here.
func (e *Engine) waits(ctx context.Context, batch []venue.Scan) (bool, error) {
	if e.State().Waiting == 0 {
		return false, nil
	}
	for _, s := range batch {
		for _, key := range []venue.ScanKey{s.Key, s.Prior} {
			if key == (venue.ScanKey{}) {
				continue
			}
			if _, err := e.rows.Get(ctx, id(key)); err == nil {
				return true, nil
			} else if !errors.Is(err, venue.ErrNotFound) {
				return false, fmt.Errorf("look among what waits: %w", err)
			}
		}
	}
	return false, nil
}

func id(key venue.ScanKey) string { return hex.EncodeToString(key[:]) }

// keep remembers a batch in the local log. Its scans share a commit.
func (e *Engine) keep(ctx context.Context, batch []venue.Scan) ([]store.Outcome, error) {
	outcomes := make([]store.Outcome, len(batch))
	g, ctx := errgroup.WithContext(ctx)
	for i := range batch {
		g.Go(func() (err error) {
			outcomes[i], err = e.keepOne(ctx, batch[i])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("keep scans until the store is back: %w", err)
	}
	return outcomes, nil
}

func (e *Engine) keepOne(ctx context.Context, s venue.Scan) (o store.Outcome, err error) {
	row := waiting{At: s.At, Scan: store.AppendScan(nil, &s)}
	ids := []string{id(s.Key)}
	if s.Prior != (venue.ScanKey{}) {
		row.Prior = s.Prior[:]
		ids = append(ids, id(s.Prior)) // the same request, sent before midnight
	}
	for {
		for _, id := range ids {
			there, err := e.rows.Get(ctx, id)
			if errors.Is(err, venue.ErrNotFound) {
				continue
			} else if err != nil {
				return o, err
			}
			o.Kind = venue.ScanRepeated
			if o.Stored, err = store.DecodeScan(there.Value.Scan); err == nil && o.Stored.Hash != s.Hash {
				o.Kind = venue.ScanConflict
			}
			return o, err
		}
		// To the end, once begun: what is in the log must have been counted.
		err := e.rows.Insert(context.WithoutCancel(ctx), ids[0], row)
		if errors.Is(err, venue.ErrExists) {
			continue // the same request, at the same time
		} else if err != nil {
			return o, err
		}
		e.count(1, s.At)
		if !e.spooling.Load() { // it is over: nobody may come to look
			e.look()
		}
		o.Kind = venue.ScanNew
		o.Stored, err = store.DecodeScan(row.Scan) // as it will be read again
		return o, err
	}
}

// count notes that n more scans wait, the oldest of which happened at an
// instant.
func (e *Engine) count(n int, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.n == 0 || at.Before(e.oldest) {
		e.oldest = at
	}
	e.n += n
}

// State is how it stands.
type State struct {
	Direct  bool      // scans go straight to the store
	Waiting int       // scans that wait here
	Oldest  time.Time // when the oldest of them happened; zero if none waits
	Late    Late
}

// State tells how it stands.
func (e *Engine) State() State {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := State{Direct: !e.spooling.Load(), Waiting: e.n, Late: e.late}
	if e.n > 0 {
		s.Oldest = e.oldest
	}
	return s
}

// Check answers nil while scans are taken, here or there.
func (e *Engine) Check(ctx context.Context) error {
	if e.spooling.Load() {
		return e.o.Local.Check(ctx)
	}
	return e.Engine.Check(ctx)
}

// PurgeDay removes the rows of a day here and there; see store.ScanLog.
func (e *Engine) PurgeDay(ctx context.Context, day venue.Day) error {
	rows, err := e.rows.All(ctx, store.Query{Index: "at", From: day.Start(), To: (day + 1).Start()})
	if err == nil {
		err = e.forget(ctx, rows)
	}
	if err != nil {
		return fmt.Errorf("remove what waits: %w", err)
	}
	return e.Engine.PurgeDay(ctx, day)
}

// Close lets go of the store and of the log. What waits stays in it.
func (e *Engine) Close() error {
	e.stop()
	e.running.Wait()
	return errors.Join(e.Engine.Close(), e.o.Local.Close())
}
