package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Retention destroys what has been kept long enough (rules §6), every night at
// half past three: of each day that is too old the key first, so that nobody
// can read the rows even if the rest fails, then the rows.
type Retention struct {
	Vault *Vault
	Scans store.ScanLog
	Meta  store.Collection[store.MetaRow]
	// Replies to chat messages are remembered so that a retry is one report;
	// longer than the platforms retry, they are only a record of who wrote when.
	Replies interface {
		Forget(ctx context.Context, before time.Time) (int, error)
	}
	VisitDays int         // days a scan is kept
	Clock     venue.Clock // civil

	due time.Time
}

const (
	replyLife     = 48 * time.Hour
	purgedThrough = "purged-through"
)

// Name names the job.
func (r *Retention) Name() string { return "retention" }

// Next is at the start, then every night.
func (r *Retention) Next(context.Context) (time.Time, bool, error) {
	if r.due.IsZero() {
		return r.Clock.Now(), true, nil
	}
	return r.due, true, nil
}

// Run destroys every day that is due; run again, it goes on where it failed.
func (r *Retention) Run(ctx context.Context, now time.Time) (ran, deferred int, err error) {
	last := venue.DayOf(now) - venue.Day(r.VisitDays) - 1
	row, err := r.Meta.Get(ctx, purgedThrough)
	if errors.Is(err, venue.ErrNotFound) { // the first start: nothing is that old yet
		row = store.Row[store.MetaRow]{ID: purgedThrough, Value: store.MetaRow{Value: int64(last)}}
		err = r.Meta.Insert(ctx, purgedThrough, row.Value)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read how far has been purged: %w", err)
	}
	for day := venue.Day(row.Value.Value) + 1; day <= last; day++ {
		if err := r.destroy(ctx, day); err != nil {
			return ran, 0, err
		}
		ran++
	}
	if _, err := r.Replies.Forget(ctx, now.Add(-replyLife)); err != nil {
		return ran, 0, fmt.Errorf("forget replies: %w", err)
	}
	r.due = venue.DayOf(now).At(3, 30)
	if !r.due.After(now) {
		r.due = (venue.DayOf(now) + 1).At(3, 30)
	}
	return ran, 0, nil
}

func (r *Retention) destroy(ctx context.Context, day venue.Day) error {
	if err := r.Vault.ForgetDay(day); err != nil {
		return fmt.Errorf("destroy the key of %s: %w", day, err)
	}
	if err := r.Scans.PurgeDay(ctx, day); err != nil {
		return fmt.Errorf("remove the rows of %s: %w", day, err)
	}
	_, err := r.Meta.Update(ctx, purgedThrough, false, func(m *store.MetaRow) error { m.Value = int64(day); return nil })
	if err != nil {
		return fmt.Errorf("note that %s has been purged: %w", day, err)
	}
	return nil
}
