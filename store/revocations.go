package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// RevocationRows lists the families of sessions that were ended before they
// expired.
var RevocationRows = Schema{Name: "revocations", Indexes: []Index{{Name: "at", Fields: []string{"at"}}}} // AccountRow.Family → RevocationRow

// RevocationRow is when a family was ended, civil.
type RevocationRow struct {
	At time.Time
}

// RevocationID is the id of a family's row.
func RevocationID(family int64) string { return strconv.FormatInt(family, 10) }

// Revocations knows which families of sessions were ended. Asking stays out of
// the store: what has been ended since the last look is read every couple of
// seconds, by every process.
type Revocations struct {
	rows    Collection[RevocationRow]
	machine venue.Clock
	civil   venue.Clock
	life    time.Duration

	ended  sync.Map     // family → civil unix ms at which it was ended
	looked atomic.Int64 // unix ms, machine
	seen   atomic.Int64 // unix ms, civil: the newest row read
}

// revokedLate is how much later than its instant a row may come to be read: its
// write took a while, or the clocks of two processes differ.
const revokedLate = 2 * time.Minute

// OpenRevocations reads the list. A session lives no longer than life on the
// civil clock, and its row is needed no longer.
func OpenRevocations(ctx context.Context, docs Documents, civil, machine venue.Clock, life time.Duration) (*Revocations, error) {
	r := &Revocations{rows: NewCollection[RevocationRow](docs, RevocationRows), machine: machine, civil: civil, life: life}
	return r, r.refresh(ctx)
}

// Revoked tells whether a family was ended, two seconds and a read ago at the
// latest, or before the store went away.
func (r *Revocations) Revoked(ctx context.Context, family int64) (bool, error) {
	if err := r.refresh(ctx); err != nil && !unheard(err) {
		return false, err
	}
	_, ended := r.ended.Load(family)
	return ended, nil
}

// LookAgain has the next caller read what was ended: this process did it.
func (r *Revocations) LookAgain() { r.looked.Store(0) }

func (r *Revocations) refresh(ctx context.Context) error {
	now, looked := r.machine.Now().UnixMilli(), r.looked.Load()
	if now-looked < lookEvery.Milliseconds() || !r.looked.CompareAndSwap(looked, now) {
		return nil
	}
	if looked != 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, lookFor)
		defer cancel()
	}
	seen, civil := r.seen.Load(), r.civil.Now()
	from := civil.Add(-r.life)
	// A row from the future, of a clock that was wrong, hides none of today's.
	if tail := time.UnixMilli(min(seen, civil.UnixMilli())).Add(-revokedLate); tail.After(from) {
		from = tail
	}
	for row, err := range r.rows.Find(ctx, Query{Index: "at", From: from}) {
		if looked != 0 && unheard(err) {
			return nil
		} else if err != nil {
			r.looked.Store(looked)
			return fmt.Errorf("read ended sessions: %w", err)
		}
		family, err := strconv.ParseInt(row.ID, 10, 64)
		if err != nil {
			return errors.New("read ended sessions: a row is of no family") // strconv would quote it
		}
		at := row.Value.At.UnixMilli()
		r.ended.Store(family, at)
		seen = max(seen, at)
	}
	r.seen.Store(seen)
	return nil
}

// Sweep forgets the families whose sessions have all expired by now, and tells
// how many.
func (r *Revocations) Sweep(ctx context.Context, now time.Time) (int, error) {
	expired := now.Add(-r.life)
	r.ended.Range(func(family, at any) bool {
		if at.(int64) < expired.UnixMilli() {
			r.ended.Delete(family)
		}
		return true
	})
	rows, err := r.rows.All(ctx, Query{Index: "at", To: expired})
	if err != nil {
		return 0, fmt.Errorf("find expired revocations: %w", err)
	}
	for i, row := range rows {
		if err := r.rows.Delete(ctx, row.ID, 0); err != nil && !errors.Is(err, venue.ErrNotFound) {
			return i, fmt.Errorf("forget a revocation: %w", err)
		}
	}
	return len(rows), nil
}
