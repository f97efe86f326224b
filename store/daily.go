package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/daily"
)

// Reporting keeps the daily reports, the stages of a day, and counts what they
// are judged by.
type Reporting struct {
	reports Collection[venue.Report]
	stages  Collection[StageRow]
	scans   ScanLog
	sealed  Opener
}

// Opener opens the person reference of a scan row.
type Opener interface {
	OpenPerson(day venue.Day, row venue.ScanKey, sealed []byte) (venue.PersonID, error)
}

var (
	_ daily.Reports   = (*Reporting)(nil)
	_ daily.Counter   = (*Reporting)(nil)
	_ daily.StageLog  = (*Reporting)(nil)
	_ daily.Registry  = (*Registry)(nil)
	_ daily.Directory = (*Registry)(nil)
)

// NewReporting opens it.
func NewReporting(engine Engine, sealed Opener) *Reporting {
	return &Reporting{
		reports: NewCollection[venue.Report](engine, Reports),
		stages:  NewCollection[StageRow](engine, Stages),
		scans:   engine, sealed: sealed,
	}
}

func reportID(unit venue.UnitID, day venue.Day) string { return string(unit) + ":" + day.String() }

// Get reads a report; not ok if nothing was ever kept.
func (r *Reporting) Get(ctx context.Context, unit venue.UnitID, day venue.Day) (venue.Report, bool, error) {
	row, err := r.reports.Get(ctx, reportID(unit, day))
	if errors.Is(err, venue.ErrNotFound) {
		return venue.Report{}, false, nil
	}
	return row.Value, err == nil, err
}

// Update applies change by compare-and-swap.
func (r *Reporting) Update(ctx context.Context, unit venue.UnitID, day venue.Day, change func(*venue.Report) error) (venue.Report, error) {
	row, err := r.reports.Update(ctx, reportID(unit, day), true, change)
	return row.Value, err
}

// OfDay lists the reports of a day.
func (r *Reporting) OfDay(ctx context.Context, day venue.Day) ([]venue.Report, error) {
	return values(r.reports.All(ctx, Query{Index: "day", Equal: []any{int32(day)}}))
}

// Raw counts every record of the spans. Nothing can be voided yet.
func (r *Reporting) Raw(ctx context.Context, spans []venue.Span, _ time.Time) (int, error) {
	return r.scans.CountScans(ctx, spans, time.Time{})
}

// Undoubted counts the records received by an instant. Nothing can be flagged
// yet.
func (r *Reporting) Undoubted(ctx context.Context, spans []venue.Span, arrivedBy time.Time) (int, error) {
	return r.scans.CountScans(ctx, spans, arrivedBy)
}

// Counts is the three numbers as things stand. Persons are the one count that
// costs the rows: pseudonyms change at midnight, so every reference is opened.
func (r *Reporting) Counts(ctx context.Context, spans []venue.Span) (venue.Counts, error) {
	raw, err := r.scans.CountScans(ctx, spans, time.Time{})
	if err != nil {
		return venue.Counts{}, err
	}
	people := map[venue.PersonID]struct{}{}
	for _, s := range spans {
		for scan, err := range r.scans.AtDoor(ctx, s.Door, s.From, s.To) {
			if err != nil {
				return venue.Counts{}, fmt.Errorf("count people: %w", err)
			}
			person, err := r.sealed.OpenPerson(venue.DayOf(scan.At), scan.Key, scan.Person)
			if err != nil {
				return venue.Counts{}, fmt.Errorf("count people: %w", err)
			}
			people[person] = struct{}{}
		}
	}
	return venue.Counts{Raw: raw, Effective: raw, People: len(people)}, nil
}

const sinceStage = "since"

// Since is the instant of the very first call, ever.
func (r *Reporting) Since(ctx context.Context, now time.Time) (time.Time, error) {
	row, err := r.stages.Get(ctx, sinceStage)
	if errors.Is(err, venue.ErrNotFound) {
		if err = r.stages.Insert(ctx, sinceStage, StageRow{At: now}); err == nil || !errors.Is(err, venue.ErrExists) {
			return venue.Millis(now), err
		}
		row, err = r.stages.Get(ctx, sinceStage) // somebody was faster
	}
	return row.Value.At, err
}

func stageID(day venue.Day, stage string) string { return day.String() + ":" + stage }

// Done tells whether a stage of a day is over.
func (r *Reporting) Done(ctx context.Context, day venue.Day, stage string) (bool, error) {
	_, err := r.stages.Get(ctx, stageID(day, stage))
	if errors.Is(err, venue.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Mark notes what became of a stage; the first mark stays.
func (r *Reporting) Mark(ctx context.Context, day venue.Day, stage string, at time.Time, fate daily.Fate) error {
	err := r.stages.Insert(ctx, stageID(day, stage), StageRow{At: at, Fate: string(fate)})
	if errors.Is(err, venue.ErrExists) {
		return nil
	}
	return err
}

// Replies remembers what was answered to which chat message.
type Replies struct {
	rows   Collection[CallbackRow]
	clock  venue.Clock
	flight singleflight.Group
}

// NewReplies opens it.
func NewReplies(docs Documents, civil venue.Clock) *Replies {
	return &Replies{rows: NewCollection[CallbackRow](docs, Callbacks), clock: civil}
}

// Once gives the reply remembered under key, or else runs answer and remembers
// its reply. Of callers at the same time one runs it, the others wait. An error
// is returned and nothing remembered.
func (r *Replies) Once(ctx context.Context, key string, answer func(context.Context) (string, error)) (string, error) {
	reply, err, _ := r.flight.Do(key, func() (any, error) {
		row, err := r.rows.Get(ctx, key)
		if err == nil || !errors.Is(err, venue.ErrNotFound) {
			return row.Value.Reply, err
		}
		reply, err := answer(ctx)
		if err != nil {
			return "", err
		}
		err = r.rows.Insert(ctx, key, CallbackRow{At: r.clock.Now(), Reply: reply})
		if errors.Is(err, venue.ErrExists) { // another process was faster; its answer stands
			row, err := r.rows.Get(ctx, key)
			return row.Value.Reply, err
		}
		return reply, err
	})
	return reply.(string), err
}

// Rechecked keeps what asking again found, and how far the sweep has come.
type Rechecked struct {
	rows Collection[RecheckRow]
	meta Collection[MetaRow]
}

// NewRechecked opens it.
func NewRechecked(docs Documents) *Rechecked {
	return &Rechecked{NewCollection[RecheckRow](docs, Rechecks), NewCollection[MetaRow](docs, Meta)}
}

// Done tells whether a scan has been seen to.
func (r *Rechecked) Done(ctx context.Context, scanID string) (bool, error) {
	_, err := r.rows.Get(ctx, scanID)
	if errors.Is(err, venue.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Keep notes that a scan has been seen to.
func (r *Rechecked) Keep(ctx context.Context, scanID string, reading venue.Reading, at time.Time) error {
	err := r.rows.Insert(ctx, scanID, RecheckRow{Health: reading.Health, HealthAt: reading.At, At: at})
	if errors.Is(err, venue.ErrExists) {
		return nil
	}
	return err
}

const attentionCursor = "attention-cursor"

// Cursor is how far the sweep has come; zero at first.
func (r *Rechecked) Cursor(ctx context.Context) (time.Time, error) {
	row, err := r.meta.Get(ctx, attentionCursor)
	if errors.Is(err, venue.ErrNotFound) {
		return time.Time{}, nil
	}
	return time.UnixMilli(row.Value.Value), err
}

// MoveCursor moves it.
func (r *Rechecked) MoveCursor(ctx context.Context, to time.Time) error {
	return set(ctx, r.meta, attentionCursor, MetaRow{Value: to.UnixMilli()})
}
