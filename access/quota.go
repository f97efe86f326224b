package access

import (
	"context"
	"fmt"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Quota caps what an account may reveal in a day, across all processes.
type Quota struct {
	rows  store.Collection[store.OfficialQuotaRow]
	limit int
	civil venue.Clock
}

// NewQuota opens it; limit < 1 allows nothing.
func NewQuota(docs store.Documents, limit int, civil venue.Clock) *Quota {
	return &Quota{store.NewCollection[store.OfficialQuotaRow](docs, store.OfficialQuotas), limit, civil}
}

// Take uses n of the day's allowance, durably, before anything is shown, and
// says how many are left. ErrQuota, with nothing taken, if n are not left.
func (q *Quota) Take(ctx context.Context, by Login, n int) (left int, err error) {
	if by.User() == "" {
		return 0, ErrSession
	}
	if n < 1 {
		return 0, &venue.Invalid{Field: "count", Reason: "range"}
	}
	day := venue.DayOf(q.civil.Now())
	row, err := q.rows.Update(ctx, by.User()+":"+day.String(), true, func(r *store.OfficialQuotaRow) error {
		if n > q.limit-r.Used {
			return ErrQuota
		}
		r.Day, r.Used = int32(day), r.Used+n
		return nil
	})
	if err != nil {
		return max(0, q.limit-row.Value.Used), fmt.Errorf("reveal quota: %w", err)
	}
	return q.limit - row.Value.Used, nil
}
