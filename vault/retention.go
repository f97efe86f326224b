package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Retention destroys what has been kept long enough (rules §6), every night at
// half past three, and certifies it. Run by hand, earlier days go the same way:
//
//	plan → record → draft → keys → rows → certificate → record
//
// The draft says what there was while it still can be counted. Whatever is cut
// short behind it is completed by the next run, and has one certificate.
type Retention struct {
	Vault        *Vault
	Scans        store.ScanLog
	Meta         store.Collection[store.MetaRow]
	Certificates *Certificates
	// Record writes to the audit trail: RecordDestroy before anything is
	// destroyed, and if that fails nothing is; RecordDestroyed with number and
	// SHA-256 of the certificate. Nil: nobody keeps a trail.
	Record    func(ctx context.Context, actor, action string, details map[string]string) error
	VisitDays int         // days a scan is kept
	Clock     venue.Clock // civil

	turn sync.Mutex // one destruction at a time
	due  time.Time
	cut  atomic.Bool // one by hand was cut short: complete it now
}

// What Record is given, as action.
const (
	RecordDestroy   = "visits.destroy"
	RecordDestroyed = "visits.destroyed"
)

// VisitFloor is the least that visits are kept, days (rules §6: 14…60): nobody
// destroys later ones by hand.
const VisitFloor = 14

// RunBySystem stands in certificates for the nightly job.
const RunBySystem = "system"

const (
	purgedThrough = "purged-through"
	purgeDraft    = "purge-draft"
)

// Name names the job.
func (r *Retention) Name() string { return "retention" }

// Next is at the start, then every night; at once if Destroy was cut short.
func (r *Retention) Next(context.Context) (time.Time, bool, error) {
	if r.due.IsZero() || r.cut.Load() {
		return r.Clock.Now(), true, nil
	}
	return r.due, true, nil
}

// Run destroys every day that is due; run again, it goes on where it failed.
func (r *Retention) Run(ctx context.Context, now time.Time) (ran, deferred int, err error) {
	r.turn.Lock()
	defer r.turn.Unlock()
	ran, _, err = r.resume(ctx, now)
	if err != nil {
		return ran, 0, err
	}
	r.cut.Store(false)
	days, _, err := r.destroy(ctx, r.Due(now), Order{RunBy: RunBySystem}, now)
	if ran += days; err != nil {
		return ran, 0, err
	}
	r.due = venue.DayOf(now).At(3, 30)
	if !r.due.After(now) {
		r.due = (venue.DayOf(now) + 1).At(3, 30)
	}
	return ran, 0, nil
}

// Due is the newest day that is destroyed at now by itself.
func (r *Retention) Due(now time.Time) venue.Day {
	return venue.DayOf(now) - venue.Day(r.VisitDays) - 1
}

// Latest is the newest day that may be destroyed by hand at now.
func (r *Retention) Latest(now time.Time) venue.Day { return venue.DayOf(now) - VisitFloor - 1 }

// Destroy destroys the days through one, earlier than they are due, and gives
// the signed certificate. One that was cut short before is completed first.
// *venue.Invalid if that day is behind Latest; venue.ErrNotFound if there is
// nothing to destroy.
func (r *Retention) Destroy(ctx context.Context, through venue.Day, o Order) (json.RawMessage, error) {
	now := r.Clock.Now()
	if through > r.Latest(now) {
		return nil, fmt.Errorf("destroy: %w", &venue.Invalid{Field: "through", Reason: "too_late"})
	}
	r.turn.Lock()
	defer r.turn.Unlock()
	if _, _, err := r.resume(ctx, now); err != nil {
		return nil, err
	}
	_, line, err := r.destroy(ctx, through, o, now)
	switch {
	case err != nil:
		r.cut.Store(true)
		return nil, err
	case line == nil:
		return nil, fmt.Errorf("days through %s: %w", through, venue.ErrNotFound)
	}
	return line, nil
}

// Plan lists the days through one of which Destroy, or a night's run, would
// destroy something, oldest first, and changes nothing. An earlier run that was
// cut short is not in it: it is completed by itself.
func (r *Retention) Plan(ctx context.Context, through venue.Day) ([]CertifiedDay, error) {
	due := map[venue.Day]CertifiedDay{}
	for _, day := range r.Vault.Status().Days {
		if day <= through {
			due[day] = CertifiedDay{Day: day, Key: true}
		}
	}
	row, err := r.Meta.Get(ctx, purgedThrough)
	if err != nil && !errors.Is(err, venue.ErrNotFound) {
		return nil, fmt.Errorf("read how far has been purged: %w", err)
	}
	if err == nil {
		for day := venue.Day(row.Value.Value) + 1; day <= through; day++ {
			due[day] = CertifiedDay{Day: day, Key: due[day].Key}
		}
	}
	plan := make([]CertifiedDay, 0, len(due))
	for _, day := range slices.Sorted(maps.Keys(due)) {
		d := due[day]
		check, err := r.Scans.VerifyCounts(ctx, day, day, nil)
		switch {
		case err == nil:
			d.Rows = check.Rows
		case ctx.Err() != nil || errors.Is(err, venue.ErrUnavailable):
			return nil, fmt.Errorf("count the rows of %s: %w", day, err)
		default: // a row is damaged: that saves no day from its end
			d.Uncounted = true
		}
		if d.Key || d.Rows > 0 || d.Uncounted {
			plan = append(plan, d)
		}
	}
	return plan, nil
}

// destroy destroys the days through one. line is nil if there was nothing.
func (r *Retention) destroy(ctx context.Context, through venue.Day, o Order, now time.Time) (days int, line json.RawMessage, err error) {
	row, err := r.Meta.Get(ctx, purgedThrough)
	if errors.Is(err, venue.ErrNotFound) { // the first start: nothing is due yet
		row = store.Row[store.MetaRow]{ID: purgedThrough, Value: store.MetaRow{Value: int64(r.Due(now))}}
		err = r.Meta.Insert(ctx, purgedThrough, row.Value)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read how far has been purged: %w", err)
	}
	plan, err := r.Plan(ctx, through)
	if err != nil {
		return 0, nil, err
	}
	if len(plan) == 0 {
		if through > venue.Day(row.Value.Value) {
			err = r.purged(ctx, through)
		}
		return 0, nil, err
	}
	draft, err := r.Certificates.Draft(ctx, KindPurge, r.Vault, plan, o, now)
	if err != nil {
		return 0, nil, err
	}
	if err := r.record(ctx, o.RunBy, RecordDestroy, map[string]string{
		"through": through.String(), "certificate": strconv.FormatInt(draft.Number, 10),
	}); err != nil {
		return 0, nil, err
	}
	text, err := json.Marshal(draft)
	if err != nil {
		return 0, nil, fmt.Errorf("draft a certificate: %w", err)
	}
	if err := r.Meta.Insert(ctx, purgeDraft, store.MetaRow{Value: int64(through), Text: string(text)}); err != nil {
		return 0, nil, fmt.Errorf("draft a certificate: %w", err)
	}
	return r.resume(ctx, now)
}

// Still runs f while nothing is being destroyed: what f lists as a copy of the
// keys is seen by every certificate of a later destruction.
func (r *Retention) Still(f func() error) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	return f()
}

// Complete completes a destruction that was cut short, if there is one, and
// begins none.
func (r *Retention) Complete(ctx context.Context) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	_, _, err := r.resume(ctx, r.Clock.Now())
	return err
}

// Again purges a memory that was put back from a copy: what was destroyed since
// the copy was made is there again, but for its keys. days are those of which it
// has scans, in order. Days that are due go, and of those that may be destroyed
// by hand the first ones without a key: somebody had them destroyed.
func (r *Retention) Again(ctx context.Context, days []venue.Day) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	now := r.Clock.Now()
	if _, _, err := r.resume(ctx, now); err != nil || len(days) == 0 {
		return err
	}
	through, keys := r.Due(now), r.Vault.Status().Days
	for _, day := range days {
		if day > r.Latest(now) || slices.Contains(keys, day) {
			break
		}
		through = max(through, day)
	}
	_, err := r.Meta.Update(ctx, purgedThrough, true, func(m *store.MetaRow) error {
		if before := int64(days[0]) - 1; m.Value == 0 || before < m.Value { // 0: no night has passed yet
			m.Value = before
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note that days are to be purged again: %w", err)
	}
	_, _, err = r.destroy(ctx, through, Order{RunBy: RunBySystem}, now)
	return err
}

// First is the first day that no run up to an instant destroys: the oldest of
// which a copy of the keys that lives until then may have the key.
func (r *Retention) First(until time.Time) venue.Day { return r.Due(until) + 1 }

// resume completes what is drafted, if anything is.
func (r *Retention) resume(ctx context.Context, now time.Time) (days int, line json.RawMessage, err error) {
	row, err := r.Meta.Get(ctx, purgeDraft)
	if errors.Is(err, venue.ErrNotFound) {
		return 0, nil, nil
	}
	var draft Certificate
	if err == nil {
		err = json.Unmarshal([]byte(row.Value.Text), &draft)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read the draft of a certificate: %w", err)
	}
	// All in one change of epoch, the keys before any row: nobody can read the
	// rows even if the rest fails.
	through := venue.Day(row.Value.Value)
	if _, err := r.Vault.ForgetThrough(through); err != nil {
		return 0, nil, fmt.Errorf("destroy the keys of days through %s: %w", through, err)
	}
	for _, d := range draft.Days {
		if err := r.Scans.PurgeDay(ctx, d.Day); err != nil {
			return days, nil, fmt.Errorf("remove the rows of %s: %w", d.Day, err)
		}
		days++
	}
	if err := r.purged(ctx, through); err != nil {
		return days, nil, err
	}
	draft.Ended, draft.EpochAfter = civil(now), r.Vault.Status().Epoch
	if draft.UnreadableFrom, err = r.Certificates.Unreadable(ctx, draft.Days, now.Add(Noticed)); err != nil {
		return days, nil, err
	}
	if line, err = r.Certificates.issue(ctx, draft); err != nil {
		return days, nil, err
	}
	sum := sha256.Sum256(line)
	if err := r.record(ctx, draft.RunBy, RecordDestroyed, map[string]string{
		"certificate": strconv.FormatInt(draft.Number, 10), "sha256": hex.EncodeToString(sum[:]),
	}); err != nil {
		return days, nil, err
	}
	if err := r.Meta.Delete(ctx, purgeDraft, row.Rev); err != nil {
		return days, nil, fmt.Errorf("put the draft of a certificate away: %w", err)
	}
	return days, line, nil
}

// purged notes how far has been purged; a day by hand may be ahead of the
// nights.
func (r *Retention) purged(ctx context.Context, through venue.Day) error {
	_, err := r.Meta.Update(ctx, purgedThrough, true, func(m *store.MetaRow) error {
		m.Value = max(m.Value, int64(through))
		return nil
	})
	if err != nil {
		return fmt.Errorf("note that %s has been purged: %w", through, err)
	}
	return nil
}

func (r *Retention) record(ctx context.Context, actor, action string, details map[string]string) error {
	if r.Record == nil {
		return nil
	}
	return r.Record(ctx, actor, action, details)
}
