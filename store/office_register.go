package store

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/checkin"
	"github.com/venuecode/venuecode/venue/registry"
)

// Show has officials read what r keeps, each what is in their scope.
func (r *Register) Show(o *Office) *Office {
	o.register = r
	return o
}

// Applications lists at most limit applications of a state in scope, by division
// and the oldest first, behind the application after ("" the beginning), without
// their forms, and tells whether there are more. Of a unit's scope they are the
// unit's own, the newest first; "" is then every state. Drafts are nobody else's.
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

// covers tells whether an application is in scope: where the venue is to be, wherever
// the unit is (属地), and, of a regulator, by the sectors of the unit once there is one.
func (o *Office) covers(ctx context.Context, scope venue.Scope, a registry.Application) bool {
	if own, _ := scope.Reach(); own != "" {
		return a.Sender.Unit == own
	}
	if a.State == registry.StateDraft {
		return false
	}
	if scope.CoversDivision(a.Division) {
		return true
	}
	u, err := o.register.Unit(ctx, cmp.Or(a.Sender.Unit, absentKey))
	if errors.Is(err, venue.ErrNotFound) {
		u, err = o.register.UnitOf(ctx, a.USCC)
	}
	return err == nil && slices.ContainsFunc(u.Sectors, func(sector string) bool { return scope.CoversSector(a.Division, sector) })
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

// VenueHistory lists the last limit changes of a venue, the newest first;
// venue.ErrNotFound, ErrOutOfScope.
func (o *Office) VenueHistory(ctx context.Context, scope venue.Scope, id venue.VenueID, limit int) (changes []registry.Change, err error) {
	p, err := o.Venue(ctx, scope, id)
	if err != nil {
		return nil, err
	}
	for n := p.Venue.Changes; n >= 0 && len(changes) < limit; n-- {
		row, err := o.register.changes.Get(ctx, changeID("venue:"+string(id), n))
		if errors.Is(err, venue.ErrNotFound) { // it came before there was a history
			continue
		} else if err != nil {
			return nil, err
		}
		changes = append(changes, row.Value.Change)
	}
	return changes, nil
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

// Batch reads a batch of blank codes of a division in scope, with those of its codes
// that still are blank; venue.ErrNotFound, ErrOutOfScope.
func (o *Office) Batch(ctx context.Context, scope venue.Scope, id string) (registry.Batch, error) {
	b, err := o.register.Batch(ctx, id)
	if err != nil {
		return b, err
	}
	if !scope.CoversDivision(b.Division) {
		return registry.Batch{}, ErrOutOfScope
	}
	used, err := o.register.used(ctx, b.ID)
	b.Codes = slices.DeleteFunc(b.Codes, func(c venue.Code) bool { return used[c] })
	return b, err
}

// Stock is a batch of blank codes with how many of them hang at a door, or are
// kept for a venue.
type Stock struct {
	registry.Batch
	Used int
}

// Batches lists at most limit batches of blank codes of divisions in scope behind
// the batch after ("" the beginning), by division and the newest first, and tells
// whether there are more.
func (o *Office) Batches(ctx context.Context, scope venue.Scope, after string, limit int) (list []Stock, more bool, err error) {
	q := Query{Index: "division", Reverse: true}
	if after != "" {
		d, err := o.engine.Get(ctx, BlankBatches.Name, after)
		if err != nil {
			return nil, false, err
		}
		q.After = &d
	}
	_, stems := scope.Reach()
	for _, stem := range slices.Backward(stems) {
		q.From, q.To = stem, stem+":" // the byte behind the digits
		for row, err := range o.register.batches.Find(ctx, q) {
			switch b := batchOf(row); {
			case err != nil:
				return nil, false, err
			case !scope.CoversDivision(b.Division):
			case len(list) == limit:
				return list, true, nil
			default:
				used, err := o.register.used(ctx, b.ID)
				if err != nil {
					return nil, false, err
				}
				list = append(list, Stock{b, len(used)})
			}
		}
	}
	return list, false, nil
}

// Blank reads the batch of a code that was printed in advance and may be hung at a
// venue in scope: one of a division in scope, or in which the venue lies.
// venue.ErrNotFound, ErrOutOfScope.
func (o *Office) Blank(ctx context.Context, scope venue.Scope, code venue.Code, at venue.VenueID) (registry.Batch, error) {
	p, err := o.Venue(ctx, scope, at)
	if err != nil {
		return registry.Batch{}, err
	}
	row, err := o.register.blanks.Get(ctx, cmp.Or(string(code), absentKey))
	if err != nil {
		return registry.Batch{}, err
	}
	b, err := o.register.Batch(ctx, row.Value.Batch)
	if err == nil && !scope.CoversDivision(b.Division) && !b.Division.Contains(p.Venue.Division) {
		return registry.Batch{}, ErrOutOfScope
	}
	return b, err
}

// Contacts opens whom to reach about a venue; zero where nobody is known. Whoever
// shows them in full writes the audit entry. venue.ErrNotFound, ErrOutOfScope.
func (o *Office) Contacts(ctx context.Context, scope venue.Scope, id venue.VenueID) (applicant, manager registry.Person, err error) {
	if _, err := o.Venue(ctx, scope, id); err != nil {
		return applicant, manager, err
	}
	return o.register.Reached(ctx, id)
}

// Door finds the place of a door, in use or not; venue.ErrNotFound, ErrOutOfScope.
func (o *Office) Door(ctx context.Context, scope venue.Scope, code venue.Code) (checkin.Place, error) {
	p, err := o.registry.Place(ctx, code)
	if err == nil {
		_, err = o.Venue(ctx, scope, p.Venue.ID)
	}
	if err != nil {
		return checkin.Place{}, err
	}
	return p, nil
}

// DoorsIn lists at most limit doors in use in a division that is in scope, those that
// lack nothing first, by division and venue, and tells whether there are more; ErrOutOfScope.
func (o *Office) DoorsIn(ctx context.Context, scope venue.Scope, d venue.Division, limit int) (places []checkin.Place, more bool, err error) {
	if !scope.CoversDivision(d) {
		return nil, false, ErrOutOfScope
	}
	from, to := d.Range()
	var some []venue.Venue
	add := func() error { // the doors of some
		doors := make([][]venue.Door, len(some))
		g, within := errgroup.WithContext(ctx)
		g.SetLimit(together)
		for i, v := range some {
			g.Go(func() (err error) {
				doors[i], err = values(o.registry.doors.All(within, Query{Index: "name", Equal: []any{string(v.ID)}}))
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		for i, v := range some {
			for _, door := range doors[i] {
				if door.Status.Scannable() {
					places = append(places, checkin.Place{Door: door, Venue: v})
				}
			}
		}
		some = some[:0]
		return nil
	}
	for _, status := range []venue.Status{venue.StatusActive, venue.StatusIncomplete} {
		for row, err := range o.registry.venues.Find(ctx, Query{Index: "status", Equal: []any{string(status)}, From: from, To: to}) {
			if err == nil {
				if some = append(some, row.Value); len(some) == inAPiece {
					err = add()
				}
			}
			if err != nil {
				return nil, false, err
			}
			if len(places) > limit {
				return places[:limit], true, nil
			}
		}
	}
	if err := add(); err != nil {
		return nil, false, err
	}
	if len(places) > limit {
		return places[:limit], true, nil
	}
	return places, false, nil
}
