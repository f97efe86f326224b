package spool

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// look has run look at once.
func (e *Engine) look() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// run asks for the store while it is away and brings it what waits. Nobody is
// asked while all goes straight.
func (e *Engine) run(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.wake:
		case <-pause.C: // at the start
		}
		for !e.settled(ctx) {
			pause.Reset(askEvery)
			select {
			case <-ctx.Done():
				return
			case <-pause.C:
			}
		}
	}
}

// ask tells whether the store takes writes. Of one that scans go straight to
// that is taken for granted.
func (e *Engine) ask(ctx context.Context) bool {
	if !e.spooling.Load() {
		return true
	}
	call, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	if err := e.Engine.Check(call); err != nil {
		if ctx.Err() == nil && !e.down.Swap(true) {
			e.o.Logger.Warn("store: away", "error", err)
		}
		return false
	}
	e.down.Store(false)
	e.spooling.Store(false)
	e.o.Logger.Info("store: scans go straight to it again", "waiting", e.State().Waiting)
	return true
}

// settled tells whether the store is there and nothing waits any more.
func (e *Engine) settled(ctx context.Context) bool {
	if !e.ask(ctx) {
		return false
	}
	for e.State().Waiting > 0 {
		if err := e.bring(ctx); err != nil {
			if ctx.Err() == nil && !e.stuck {
				e.o.Logger.Error("store: what waits here does not get there", "error", err)
			}
			e.stuck = true
			return false
		}
		e.stuck = false
	}
	return true
}

// bring brings the store the oldest that wait. A scan is forgotten here only
// when it is there; brought twice, it is there once.
func (e *Engine) bring(ctx context.Context) error {
	rows, err := e.rows.All(ctx, store.Query{Index: "at", Limit: group})
	if err != nil {
		return err
	}
	now := venue.Millis(e.o.Civil.Now())
	var batch []venue.Scan
	for _, row := range rows {
		scan, err := store.DecodeScan(row.Value.Scan)
		if err != nil {
			return err
		}
		if !e.o.Kept(venue.DayOf(scan.At)) {
			continue
		}
		copy(scan.Prior[:], row.Value.Prior)
		if scan.Received.Before(now) {
			scan.Received = now
		}
		batch = append(batch, scan)
	}
	if dropped := len(rows) - len(batch); dropped > 0 {
		e.o.Logger.Warn("store: scans of days that were destroyed meanwhile are dropped", "scans", dropped)
	}
	if err := e.deliver(ctx, batch); err != nil {
		return err
	}
	if err := e.forget(ctx, rows); err != nil {
		return err
	}
	return e.arrived(ctx, batch, now)
}

func (e *Engine) deliver(ctx context.Context, batch []venue.Scan) error {
	if len(batch) == 0 {
		return nil
	}
	call, cancel := context.WithTimeout(ctx, groupFor)
	defer cancel()
	outcomes, err := e.Engine.Append(call, batch)
	if err != nil && ctx.Err() == nil {
		e.spool(err)
	}
	for _, o := range outcomes {
		if o.Kind == venue.ScanConflict {
			// The phone sent its request again, with other content, to a process that
			// did not know of this one: there is a record of the visit.
			e.o.Logger.Warn("store: a scan that waited is there already, with other content")
		}
	}
	return err
}

// forget removes rows from the log.
func (e *Engine) forget(ctx context.Context, rows []store.Row[waiting]) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(together)
	for _, row := range rows {
		g.Go(func() error {
			err := e.rows.Delete(ctx, row.ID, 0)
			if err == nil {
				e.count(-1, row.Value.At)
			} else if errors.Is(err, venue.ErrNotFound) {
				err = nil // a purge was faster
			}
			return err
		})
	}
	return g.Wait()
}

// arrived notes that a batch has come to the store at an instant, and which is
// the oldest scan now that waits.
func (e *Engine) arrived(ctx context.Context, batch []venue.Scan, now time.Time) error {
	next, err := e.rows.All(ctx, store.Query{Index: "at", Limit: 1})
	if err != nil {
		return err
	}
	if len(batch) > 0 && e.o.Arrived != nil {
		e.o.Arrived(batch)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(next) > 0 {
		e.oldest = next[0].Value.At
	}
	if len(batch) > 0 {
		from := batch[0].At
		if !e.late.From.IsZero() && e.late.From.Before(from) {
			from = e.late.From
		}
		e.late = Late{From: from, At: now}
	}
	return nil
}
