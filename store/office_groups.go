package store

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/venue"
)

// Groups lists the office directors' groups that an office may put units into, by
// id: its own, and those of a larger division around its own.
func (o *Office) Groups(ctx context.Context, scope venue.Scope) ([]venue.Group, error) {
	all, err := o.registry.Groups(ctx)
	return slices.DeleteFunc(all, func(g venue.Group) bool { return !knows(scope, g) }), err
}

// Group reads one of them; venue.ErrNotFound, ErrOutOfScope.
func (o *Office) Group(ctx context.Context, scope venue.Scope, id venue.GroupID) (venue.Group, error) {
	g, err := o.registry.Group(ctx, id)
	if err == nil && !knows(scope, g) {
		return venue.Group{}, ErrOutOfScope
	}
	return g, err
}

func knows(scope venue.Scope, g venue.Group) bool {
	return scope.CoversSector(g.Division, g.Sector) || slices.ContainsFunc(scope.Territory(), g.Division.Contains)
}

// UnitsOf lists the units in scope that are in a group, by id; venue.ErrNotFound,
// ErrOutOfScope.
func (o *Office) UnitsOf(ctx context.Context, scope venue.Scope, id venue.GroupID) ([]venue.Unit, error) {
	if _, err := o.Group(ctx, scope, id); err != nil {
		return nil, err
	}
	units, err := o.registry.UnitsOf(ctx, id)
	return slices.DeleteFunc(units, func(u venue.Unit) bool { return !scope.Covers(u) }), err
}

// Ungrouped lists at most limit units in scope behind the unit after ("" the
// beginning), by division and id, that nobody asks for a number only because they
// are in no group, and tells whether there are more. It reads no other territory,
// and none that report.
func (o *Office) Ungrouped(ctx context.Context, scope venue.Scope, on venue.Day, after venue.UnitID, limit int) (units []venue.Unit, more bool, err error) {
	q := Query{Index: "duty", Equal: []any{string(venue.DutyExempt), ""}}
	if after != "" {
		u, err := o.Unit(ctx, scope, after)
		if err != nil {
			return nil, false, err
		}
		u.Duty, u.Group = venue.DutyExempt, "" // it may be in a group by now
		body, err := bson.Marshal(u)
		if err != nil {
			return nil, false, err
		}
		q.After = &Document{ID: string(after), Body: body}
	}
	_, stems := scope.Reach()
	for _, stem := range stems {
		q.From, q.To = stem, stem+":" // the byte behind the digits
		for row, err := range o.registry.units.Find(ctx, q) {
			switch u := row.Value; {
			case err != nil:
				return nil, false, err
			case !scope.Covers(u), u.Closed(), u.DutyUntil >= on:
			case len(units) == limit:
				return units, true, nil
			default:
				units = append(units, u)
			}
		}
	}
	return units, false, nil
}
