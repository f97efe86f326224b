package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// Expiry forgets what has been kept long enough (rules §6), every night at
// twenty to four, when the visits that were due are gone.
type Expiry struct {
	Kinds []Kind
	// Record writes to the audit trail that n things of a kind, from before an
	// instant, are about to go; if it fails, they stay.
	Record func(ctx context.Context, kind string, before time.Time, n int) error
	Clock  venue.Clock // civil

	due time.Time
}

// Kind is something that is kept for a time.
type Kind struct {
	Name string
	Keep time.Duration
	// Forget removes what is from before an instant. First it announces how many
	// that are, once, unless there are none; if that fails, all stay. Run again, it
	// goes on where it failed.
	Forget func(ctx context.Context, before time.Time, announce func(n int) error) error
}

// Name names the job.
func (e *Expiry) Name() string { return "expiry" }

// Next is at the start, then every night.
func (e *Expiry) Next(context.Context) (time.Time, bool, error) {
	if e.due.IsZero() {
		return e.Clock.Now(), true, nil
	}
	return e.due, true, nil
}

// Run forgets what is due of every kind, and says of how many there was
// something. A kind that fails does not keep the others; all are run again.
func (e *Expiry) Run(ctx context.Context, now time.Time) (ran, deferred int, err error) {
	for _, k := range e.Kinds {
		before := venue.Millis(now.Add(-k.Keep))
		failed := k.Forget(ctx, before, func(n int) error {
			ran++
			return e.Record(ctx, k.Name, before, n)
		})
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("forget %s: %w", k.Name, failed))
		}
	}
	if err != nil {
		return ran, 0, err
	}
	e.due = venue.DayOf(now).At(3, 40)
	if !e.due.After(now) {
		e.due = (venue.DayOf(now) + 1).At(3, 40)
	}
	return ran, 0, nil
}

// Keep is for how long things are kept. Where they belong to a day, whole days
// of it are civil days.
type Keep struct {
	Visits, Counts, Messages, Audit, Replies time.Duration
	// Sources is how long a process is remembered that fell silent: as long as a
	// verdict may wait for what it recorded (rules §3).
	Sources time.Duration
}

// Kinds is what the store keeps for a time, but for scans and the audit trail.
// To each belongs an index, so that only what is due is read.
func Kinds(e Engine, keep Keep) []Kind {
	at := func(before time.Time) []Query { return []Query{{Index: "at", To: before}} }
	day := func(before time.Time) []Query { return []Query{{Index: "day", To: int32(venue.DayOf(before))}} }
	expires := func(before time.Time) []Query { return []Query{{Index: "expires", To: before}} }
	id := func(before time.Time) []Query { return []Query{{To: venue.DayOf(before).String()}} } // behind the days lies sinceStage
	states := func(index string, states ...string) func(time.Time) []Query {
		return func(before time.Time) (queries []Query) {
			for _, s := range states {
				queries = append(queries, Query{Index: index, Equal: []any{s}, To: before})
			}
			return queries
		}
	}
	return []Kind{
		{"replies", keep.Replies, forget(e, Callbacks, at)},
		{"bind_codes", 0, forget(e, BindCodeRows, expires)},
		{"reveal_quotas", 24 * time.Hour, forget(e, OfficialQuotas, day)},
		{"processes", keep.Sources, forget(e, ProcessRows, func(before time.Time) []Query { return []Query{{Index: "seen", To: before}} })},
		{"rechecks", keep.Visits, forget(e, Rechecks, at)},
		{"reports", keep.Counts, forget(e, Reports, day)},
		{"stages", keep.Counts, forget(e, Stages, id)},
		{"hour_counts", keep.Counts, forgetCounts(e)},
		{"coverage_days", keep.Counts, forget(e, CoverageDays, day)},
		{"subject_imports", keep.Audit, forget(e, SubjectImports, at)},
		{"postings", keep.Counts, forget(e, PostingRows, at)},
		{"posting_photos", keep.Counts, forget(e, PostingPhotos, at)}, // behind those that lead to them
		{"upload_pieces", UploadKept, forget(e, UploadPieces, at)},
		{"uploads", keep.Counts, forget(e, UploadRows, at)},
		{"messages", keep.Messages, forget(e, Outbox, states("due", OutboxSent, OutboxDropped, OutboxDead))},
		{"account_changes", keep.Audit, forget(e, OfficialChanges, states("state", OfficialChangeDone, OfficialChangeRejected, OfficialChangePending))},
		// Nobody needs the people of an application that came to nothing.
		{"applications", keep.Visits, forget(e, Applications, states("due", string(registry.StateDraft), string(registry.StateRejected)))},
		{"requests", keep.Audit, forget(e, OfficialRequests, states("state", OfficialRequestUsed, OfficialRequestRejected, OfficialRequestApproved, OfficialRequestWaiting))},
	}
}

const (
	forgotten = 500 // documents in a step
	together  = 64  // that share the store's commits
)

// forget removes the documents of a collection that the queries find.
func forget(docs Documents, collection Schema, due func(before time.Time) []Query) func(context.Context, time.Time, func(int) error) error {
	return func(ctx context.Context, before time.Time, announce func(int) error) error {
		n := 0
		for _, q := range due(before) {
			for _, err := range docs.Find(ctx, collection.Name, q) {
				if err != nil {
					return err
				}
				n++
			}
		}
		if n == 0 {
			return nil
		}
		if err := announce(n); err != nil {
			return err
		}
		for _, q := range due(before) {
			q.Limit = forgotten
			for n := forgotten; n == forgotten; {
				var err error
				if n, err = forgetSome(ctx, docs, collection.Name, q); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// forgetSome removes what one query finds and says how many that were. What
// somebody has changed meanwhile stays for the next query.
func forgetSome(ctx context.Context, docs Documents, collection string, q Query) (n int, err error) {
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(together)
	for d, err := range docs.Find(ctx, collection, q) {
		if err != nil {
			return n, errors.Join(err, g.Wait())
		}
		n++
		g.Go(func() error {
			err := docs.Delete(within, collection, d.ID, d.Rev)
			if errors.Is(err, venue.ErrNotFound) || errors.Is(err, venue.ErrStale) {
				return nil
			}
			return err
		})
	}
	return n, g.Wait()
}

// forgetCounts removes the hour counts of days. While a day has rows none go: the
// counts would be missed.
func forgetCounts(scans ScanLog) func(context.Context, time.Time, func(int) error) error {
	return func(ctx context.Context, before time.Time, announce func(int) error) error {
		day := venue.DayOf(before)
		check, err := scans.VerifyCounts(ctx, 0, day-1, nil)
		if err != nil || check.Hours == 0 {
			return err
		}
		if check.Rows > 0 {
			return fmt.Errorf("days before %s have rows: %w", day, venue.ErrConflict)
		}
		if err := announce(int(check.Hours)); err != nil {
			return err
		}
		return scans.PurgeCounts(ctx, day)
	}
}
