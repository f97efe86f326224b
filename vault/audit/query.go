package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Filter selects rows; a zero field selects all.
type Filter struct {
	From, To time.Time // From ≤ At < To
	Actor    string
	Object   Object
	Action   string
}

func (f Filter) selects(e Event) bool {
	return (f.From.IsZero() || !e.At.Before(f.From)) && (f.To.IsZero() || e.At.Before(f.To)) &&
		(f.Actor == "" || e.Actor == f.Actor) && (f.Object == (Object{}) || e.Object == f.Object) &&
		(f.Action == "" || e.Action == f.Action)
}

// query finds the narrowest index.
func (f Filter) query() store.Query {
	q := store.Query{Index: "at"}
	switch {
	case f.Object != (Object{}):
		q = store.Query{Index: "object", Equal: []any{f.Object.key()}}
	case f.Actor != "":
		q = store.Query{Index: "actor", Equal: []any{f.Actor}}
	}
	if !f.From.IsZero() {
		q.From = f.From
	}
	if !f.To.IsZero() {
		q.To = f.To
	}
	return q
}

// Page is a part of a list.
type Page struct {
	After string // Row.ID of the last row of the page before; "" is the first page
	Limit int    // rows; 0 or more than 500 is 500
}

const maxPage = 500

// By lists rows, the newest first. more tells whether there is another page. A
// row that is not as it was written is an error: run Verify. *venue.Invalid if
// the page before ended at a row that is not there.
func (t *Trail) By(ctx context.Context, f Filter, p Page) (rows []Row, more bool, err error) {
	q := f.query()
	q.Reverse = true
	if p.Limit <= 0 || p.Limit > maxPage {
		p.Limit = maxPage
	}
	if p.After != "" {
		d, err := t.docs.Get(ctx, store.Audit.Name, p.After)
		if isNotFound(err) {
			return nil, false, &venue.Invalid{Field: "after", Reason: "unknown"}
		}
		if err != nil {
			return nil, false, fmt.Errorf("list audit rows: %w", err)
		}
		q.After = &d
	}
	for d, err := range t.docs.Find(ctx, store.Audit.Name, q) {
		if err != nil {
			return nil, false, fmt.Errorf("list audit rows: %w", err)
		}
		row, err := readRow(d)
		if err != nil {
			return nil, false, fmt.Errorf("audit row %s: %w", d.ID, err)
		}
		if !f.selects(row.Event) {
			continue
		}
		if len(rows) == p.Limit {
			return rows, true, nil
		}
		rows = append(rows, row)
	}
	return rows, false, nil
}

// KindPerson is the kind of objects that are people, by the blinded id that the
// caller used when appending.
const KindPerson = "person"

func isNotFound(err error) bool { return errors.Is(err, venue.ErrNotFound) }
