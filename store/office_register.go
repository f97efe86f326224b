package store

import (
	"context"
	"slices"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// Show has officials read what r keeps, each what is in their scope.
func (r *Register) Show(o *Office) *Office {
	o.register = r
	return o
}

// Applications lists at most limit applications of a state in scope, by division
// and id, behind the application after ("" the beginning), without their forms,
// and tells whether there are more. Of a unit's scope they are the unit's own.
func (o *Office) Applications(ctx context.Context, scope venue.Scope, state registry.State, after string, limit int) (list []registry.Application, more bool, err error) {
	page := func(q Query, seen func(registry.Application) bool) error {
		for row, err := range o.register.applications.Find(ctx, q) {
			if err != nil {
				return err
			}
			row.Value.Form = nil
			a, _ := o.register.application(row)
			switch {
			case !seen(a):
			case limit > 0 && len(list) == limit:
				more = true
				return nil
			default:
				list = append(list, a)
			}
		}
		return nil
	}
	own, stems := scope.Reach()
	if own != "" {
		passed := after == ""
		err = page(Query{Index: "unit", Equal: []any{string(own)}, Reverse: true}, func(a registry.Application) bool {
			was := passed
			passed = passed || a.ID == after
			return was && (state == "" || a.State == state)
		})
		return list, more, err
	}
	q := Query{Index: "state", Equal: []any{string(state)}}
	if after != "" {
		d, err := o.register.applications.docs.Get(ctx, Applications.Name, after)
		if err != nil {
			return nil, false, err
		}
		q.After = &d
	}
	for _, stem := range stems {
		q.From, q.To = stem, stem+":" // the byte behind the digits
		if err := page(q, func(a registry.Application) bool { return o.covers(ctx, scope, a) }); err != nil || more {
			return list, more, err
		}
	}
	return list, false, nil
}

// covers tells whether an application is in scope: by where the venue is to be
// and, of a regulator, by the sectors of the unit once there is one.
func (o *Office) covers(ctx context.Context, scope venue.Scope, a registry.Application) bool {
	if own, _ := scope.Reach(); own != "" {
		return a.Sender.Unit == own
	}
	if scope.CoversDivision(a.Division) {
		return true
	}
	u, err := o.register.UnitOf(ctx, a.USCC)
	return err == nil && scope.Covers(u)
}

// Application reads one with its form; venue.ErrNotFound, ErrOutOfScope.
func (o *Office) Application(ctx context.Context, scope venue.Scope, id string) (registry.Application, error) {
	a, err := o.register.Application(ctx, id)
	if err == nil && !o.covers(ctx, scope, a) {
		return registry.Application{}, ErrOutOfScope
	}
	return a, err
}

// Venue reads a venue with its doors; venue.ErrNotFound, ErrOutOfScope. It is in
// scope where it lies, or by its unit.
func (o *Office) Venue(ctx context.Context, scope venue.Scope, id venue.VenueID) (registry.Place, error) {
	p, err := o.register.Place(ctx, id)
	if err != nil || scope.CoversDivision(p.Venue.Division) {
		return p, err
	}
	if _, err := o.Unit(ctx, scope, p.Venue.Unit); err != nil {
		return registry.Place{}, err
	}
	return p, nil
}

// History lists what was done to a unit and its venues, the newest first;
// venue.ErrNotFound, ErrOutOfScope.
func (o *Office) History(ctx context.Context, scope venue.Scope, unit venue.UnitID, limit int) ([]registry.Change, error) {
	if _, err := o.Unit(ctx, scope, unit); err != nil {
		return nil, err
	}
	return o.register.History(ctx, unit, limit)
}

// Incomplete lists at most limit venues in scope that came with an old code and
// lack something, by division and id, and tells whether there are more.
func (o *Office) Incomplete(ctx context.Context, scope venue.Scope, after venue.VenueID, limit int) (list []venue.Venue, more bool, err error) {
	q := Query{Index: "status", Equal: []any{string(venue.StatusIncomplete)}}
	own, stems := scope.Reach()
	if own != "" {
		q, stems = Query{Index: "unit", Equal: []any{string(own)}}, []string{""}
	}
	if after != "" {
		d, err := o.engine.Get(ctx, Venues.Name, string(after))
		if err != nil {
			return nil, false, err
		}
		q.After = &d
	}
	for _, stem := range stems {
		if stem != "" {
			q.From, q.To = stem, stem+":"
		}
		for row, err := range o.registry.venues.Find(ctx, q) {
			if err != nil {
				return nil, false, err
			}
			if row.Value.Status != venue.StatusIncomplete {
				continue
			}
			if own == "" && !scope.CoversDivision(row.Value.Division) {
				if u, err := o.registry.Unit(ctx, row.Value.Unit); err != nil || !scope.Covers(u) {
					continue
				}
			}
			if limit > 0 && len(list) == limit {
				return list, true, nil
			}
			list = append(list, row.Value)
		}
	}
	return slices.Clip(list), false, nil
}

// Batch reads a batch of blank codes of a division in scope; venue.ErrNotFound,
// ErrOutOfScope.
func (o *Office) Batch(ctx context.Context, scope venue.Scope, id string) (registry.Batch, error) {
	b, err := o.register.Batch(ctx, id)
	if err == nil && !scope.CoversDivision(b.Division) {
		return registry.Batch{}, ErrOutOfScope
	}
	return b, err
}
