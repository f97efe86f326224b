package vault

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// PersonRetention lets go of people: of those who withdraw when no visit of
// theirs is kept any more, of all others VaultDays after their last scan
// (rules §6). A scan writes nothing to its person. Each record says on which day
// to look at it again, early enough to see every scan before it is purged; who
// is due is found by that day.
//
// A record ends in two steps, so that a scan under way never points at nobody:
// its number and its accounts cease to lead to it, and once every request that
// began before is over, and has left no visit, it is destroyed.
type PersonRetention struct {
	History
	// Record writes to the audit trail how many are about to be destroyed; if it
	// fails, nobody is. Nil: nobody keeps a trail.
	Record func(ctx context.Context, persons int) error
	// Sessions that were ended are remembered until they would have expired.
	Sessions interface {
		Sweep(ctx context.Context, now time.Time) (int, error)
	}
	VisitDays int // days a scan is kept: 14 to 60
	VaultDays int // days a person is kept after their last scan; at least VisitDays count
	// Restored is the day of the copy that the memory was just put back from. It
	// has no later scan that could be unseen, and no request is under way. 0 of
	// any other memory.
	Restored venue.Day

	mu   sync.Mutex
	due  time.Time
	wish time.Time // when somebody wants it back, since the last run began; zero if nobody
}

const (
	// settled is longer than a request takes, and than an ended session is still
	// taken by another process.
	settled = 10 * time.Second
	// firstLook days after a record was made no scan has been purged yet, however
	// short visits are kept.
	firstLook = 13
	// personBatch bounds one run; what is left comes due at once.
	personBatch = 200
)

// Name names the job.
func (r *PersonRetention) Name() string { return "person_retention" }

// Next is at the start, then every night at four: the night's purge is over.
func (r *PersonRetention) Next(context.Context) (time.Time, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.due.IsZero() {
		return r.People.clock.Now(), true, nil
	}
	return r.due, true, nil
}

// Run looks at the people of the day, one batch; run again, it goes on where it
// failed.
func (r *PersonRetention) Run(ctx context.Context, now time.Time) (ran, deferred int, err error) {
	r.mu.Lock()
	r.wish = time.Time{}
	r.mu.Unlock()
	today := venue.DayOf(now)
	rows, err := r.People.persons.All(ctx, store.Query{Index: "check", To: int32(today + 1), Limit: personBatch})
	if err != nil {
		return 0, 0, fmt.Errorf("find people to look at: %w", err)
	}
	next := today.At(4, 0)
	if !next.After(now) {
		next = (today + 1).At(4, 0)
	}
	if len(rows) == personBatch {
		next = now
	}
	var over []store.Row[store.PersonRow]
	for _, row := range rows {
		row, e := r.look(ctx, row, now)
		switch {
		case errors.Is(e, venue.ErrNotFound), errors.Is(e, venue.ErrStale): // somebody else saw to them
		case e != nil:
			err = errors.Join(err, e)
		case row.Value.Ending.IsZero():
			ran++
		case row.Value.Ending.Add(settled).After(now) && r.Restored == 0:
			next = row.Value.Ending.Add(settled)
		case row.Value.Check <= int32(today):
			over = append(over, row)
		}
	}
	err = errors.Join(err, r.destroy(ctx, over))
	if _, e := r.Sessions.Sweep(ctx, now); e != nil || err != nil {
		return ran, 0, errors.Join(err, e)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.due = next; !r.wish.IsZero() && r.wish.Before(next) {
		r.due = r.wish
	}
	return ran + len(over), 0, nil
}

// soon has the job come back once requests under way are over.
func (r *PersonRetention) soon(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wish = now.Add(settled)
	if !r.due.IsZero() && r.wish.Before(r.due) {
		r.due = r.wish
	}
}

// look writes down what is to become of a person, and gives the record as it is
// then. One whose time has come is ending and stays due.
func (r *PersonRetention) look(ctx context.Context, row store.Row[store.PersonRow], now time.Time) (store.Row[store.PersonRow], error) {
	id, err := venue.ParsePersonKey(row.ID)
	if err != nil {
		return row, err
	}
	today, v := venue.DayOf(now), &row.Value
	if !v.Withdrawn.IsZero() { // once more, if it was cut short
		if err := r.People.untie(ctx, row.ID, v.Withdrawn); err != nil {
			return row, err
		}
	}
	visits, keep := venue.Day(r.VisitDays), venue.Day(max(r.VaultDays, r.VisitDays))
	leaving := !v.Withdrawn.IsZero() || !v.Ending.IsZero()
	after := venue.Day(v.LastDay)
	if leaving {
		after = 0 // whatever is kept at all
	}
	last, seen, err := r.lastDay(ctx, id, after, today)
	if err != nil {
		return row, err
	}
	if seen {
		v.LastDay = int32(last)
	}
	unseen := today - visits - 1
	if r.Restored != 0 {
		unseen = min(unseen, r.Restored)
	}
	if unseen >= venue.Day(v.Looked) { // we were down: assume the best for tracing
		v.LastDay = max(v.LastDay, int32(unseen))
	}
	v.Looked = int32(today)
	over := venue.Day(v.LastDay)+keep < today
	if leaving {
		over = !seen
	}
	switch {
	case over:
		return r.end(ctx, id, row, now)
	case leaving:
		v.Check = int32(max(today+1, last+visits+1))
	default:
		v.Check = int32(max(today+1, min(today+visits-1, venue.Day(v.LastDay)+keep+1)))
	}
	return r.People.persons.Replace(ctx, row)
}

// end sees to it that nothing leads to a record any more. The number goes last:
// until then the record is found by it, and is refused.
func (r *PersonRetention) end(ctx context.Context, id venue.PersonID, row store.Row[store.PersonRow], now time.Time) (store.Row[store.PersonRow], error) {
	p, v := r.People, &row.Value
	v.Check = int32(venue.DayOf(now))
	if v.Ending.IsZero() {
		v.Ending = latest(venue.Millis(now), v.Registered)
		v.Registered, v.Phone, v.Consent = time.Time{}, nil, ""
	}
	row, err := p.persons.Replace(ctx, row)
	if err != nil {
		return row, err
	}
	p.masks.Remove(id)
	if err := p.untie(ctx, row.ID, row.Value.Ending); err != nil {
		return row, err
	}
	who, err := p.open(id, row.Value)
	if err != nil {
		return row, err
	}
	return row, p.unlist(ctx, who.ID, id)
}

// destroy deletes records to which nothing leads and no visit points.
func (r *PersonRetention) destroy(ctx context.Context, rows []store.Row[store.PersonRow]) error {
	if len(rows) > 0 && r.Record != nil {
		if err := r.Record(ctx, len(rows)); err != nil {
			return err
		}
	}
	for _, row := range rows {
		err := r.People.persons.Delete(ctx, row.ID, row.Rev)
		if err != nil && !errors.Is(err, venue.ErrNotFound) && !errors.Is(err, venue.ErrStale) {
			return fmt.Errorf("destroy a person's record: %w", err)
		}
	}
	return nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
