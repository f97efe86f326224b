package vault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Retention destroys what has been kept long enough (rules §6), every night at
// half past three: the keys of all days that are too old, then their rows.
type Retention struct {
	Vault *Vault
	Scans store.ScanLog
	Meta  store.Collection[store.MetaRow]
	// Record writes to the audit trail that the days through one are about to be
	// destroyed; if it fails, nothing is. Nil: nobody keeps a trail.
	Record    func(ctx context.Context, through venue.Day) error
	VisitDays int         // days a scan is kept
	Clock     venue.Clock // civil

	due time.Time
}

const purgedThrough = "purged-through"

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
	last := r.last(now)
	row, err := r.Meta.Get(ctx, purgedThrough)
	if errors.Is(err, venue.ErrNotFound) { // the first start: nothing is that old yet
		row = store.Row[store.MetaRow]{ID: purgedThrough, Value: store.MetaRow{Value: int64(last)}}
		err = r.Meta.Insert(ctx, purgedThrough, row.Value)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read how far has been purged: %w", err)
	}
	if first := venue.Day(row.Value.Value) + 1; first <= last && r.Record != nil {
		if err := r.Record(ctx, last); err != nil {
			return 0, 0, err
		}
	}
	// All that are due in one change of epoch, the keys before any row: nobody
	// can read the rows even if the rest fails.
	if _, err := r.Vault.ForgetThrough(last); err != nil {
		return 0, 0, fmt.Errorf("destroy the keys of days through %s: %w", last, err)
	}
	for day := venue.Day(row.Value.Value) + 1; day <= last; day++ {
		if err := r.remove(ctx, day); err != nil {
			return ran, 0, err
		}
		ran++
	}
	r.due = venue.DayOf(now).At(3, 30)
	if !r.due.After(now) {
		r.due = (venue.DayOf(now) + 1).At(3, 30)
	}
	return ran, 0, nil
}

// Due is a day that the next run destroys.
type Due struct {
	Day  venue.Day `json:"day"`
	Rows int64     `json:"rows"`
	Key  bool      `json:"key"` // there is one to destroy
}

// Plan lists the days of which a run at now would destroy something, oldest
// first, and changes nothing.
func (r *Retention) Plan(ctx context.Context, now time.Time) ([]Due, error) {
	last := r.last(now)
	due := map[venue.Day]Due{}
	for _, day := range r.Vault.Status().Days {
		if day <= last {
			due[day] = Due{Day: day, Key: true}
		}
	}
	row, err := r.Meta.Get(ctx, purgedThrough)
	if err != nil && !errors.Is(err, venue.ErrNotFound) {
		return nil, fmt.Errorf("read how far has been purged: %w", err)
	}
	if err == nil {
		for day := venue.Day(row.Value.Value) + 1; day <= last; day++ {
			due[day] = Due{Day: day, Key: due[day].Key}
		}
	}
	plan := make([]Due, 0, len(due))
	for _, day := range slices.Sorted(maps.Keys(due)) {
		check, err := r.Scans.VerifyCounts(ctx, day, day, nil)
		if err != nil {
			return nil, fmt.Errorf("count the rows of %s: %w", day, err)
		}
		if d := due[day]; d.Key || check.Rows > 0 {
			d.Rows = check.Rows
			plan = append(plan, d)
		}
	}
	return plan, nil
}

// last is the newest day that is due.
func (r *Retention) last(now time.Time) venue.Day {
	return venue.DayOf(now) - venue.Day(r.VisitDays) - 1
}

// First is the first day that no run up to an instant destroys: the oldest of
// which a copy of the keys that lives until then may have the key.
func (r *Retention) First(until time.Time) venue.Day { return r.last(until) + 1 }

func (r *Retention) remove(ctx context.Context, day venue.Day) error {
	if err := r.Scans.PurgeDay(ctx, day); err != nil {
		return fmt.Errorf("remove the rows of %s: %w", day, err)
	}
	_, err := r.Meta.Update(ctx, purgedThrough, false, func(m *store.MetaRow) error { m.Value = int64(day); return nil })
	if err != nil {
		return fmt.Errorf("note that %s has been purged: %w", day, err)
	}
	return nil
}
