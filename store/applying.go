package store

import (
	"context"

	"github.com/venuecode/venuecode/venue/registry"
)

// ApplicationsOf lists the last limit applications that an account sent in for
// no unit of its own, the newest first, without their forms.
func (r *Register) ApplicationsOf(ctx context.Context, account string, limit int) (list []registry.Application, err error) {
	rows, err := r.applications.All(ctx, Query{Index: "account", Equal: []any{account}, Reverse: true, Limit: limit})
	for _, row := range rows {
		if row.Value.Unit != "" {
			continue
		}
		row.Value.Form = nil
		a, _ := r.application(row)
		list = append(list, a)
	}
	return list, err
}
