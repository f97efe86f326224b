package store

import (
	"context"
	"errors"
	"strings"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// Found is what there is in scope of something that an official has in hand.
type Found struct {
	By     FoundBy
	Units  []venue.Unit
	Venues []venue.Venue
	More   bool // there may be more than are listed
}

// FoundBy is as what the text was read.
type FoundBy string

// What a text may be.
const (
	FoundByCode FoundBy = "code" // a code, a link or what an old code holds: the venue of the door, and its unit
	FoundByUSCC FoundBy = "uscc" // the unit and its venues
	FoundByName FoundBy = "name" // that a unit's or a venue's name begins with
)

// lookedMost bounds how many names are read for one question: where there are more
// that begin alike, a longer beginning is asked for.
const lookedMost = 2000

// Find looks for units and venues in scope, at most limit of each: by a code, a
// link or the payload of an old code, by a USCC, or by the beginning of a name, also
// of one before which the text left out lead, such as the city's name. Names are
// read in the order of their index, those of other territories passed over.
func (o *Office) Find(ctx context.Context, scope venue.Scope, text, lead string, limit int) (f Found, err error) {
	if scope.IsZero() {
		return f, nil
	}
	code, err := venue.ParseCopied(text)
	if err != nil {
		if code, err = o.registry.Old(ctx, text); err != nil {
			return f, err
		}
	}
	if code != "" {
		f.By = FoundByCode
		p, err := o.Door(ctx, scope, code)
		if err != nil {
			return f, absent(err)
		}
		f.Venues = append(f.Venues, p.Venue)
		u, err := o.Unit(ctx, scope, p.Venue.Unit)
		if err == nil {
			f.Units = append(f.Units, u)
		}
		return f, absent(err)
	}
	if uscc, _, err := registry.ParseUSCC(text); err == nil {
		f.By = FoundByUSCC
		u, err := o.register.UnitOf(ctx, uscc)
		if err != nil || !scope.Covers(u) {
			return f, absent(err)
		}
		f.Units = append(f.Units, u)
		all := func(venue.Venue) (bool, error) { return true, nil }
		f.Venues, f.More, err = pick(ctx, o.registry.venues, Query{Index: "unit", Equal: []any{string(u.ID)}}, limit, all, nil)
		return f, err
	}
	f.By = FoundByName
	if text = strings.TrimSpace(venue.Fold(text)); text == "" {
		return f, nil
	}
	units := remember(o.registry.units)
	venueInScope := func(v venue.Venue) (bool, error) {
		if scope.CoversDivision(v.Division) {
			return true, nil
		}
		u, err := units(ctx, string(v.Unit))
		return scope.Covers(u), err
	}
	unitInScope := func(u venue.Unit) (bool, error) { return scope.Covers(u), nil }
	beginnings := []string{text}
	if lead != "" && !strings.HasPrefix(text, lead) && !strings.HasPrefix(lead+text, text) { // else the same names twice
		beginnings = append(beginnings, lead+text)
	}
	for _, from := range beginnings {
		q := Query{Index: "name", From: from, To: from + "\U0010FFFF"}
		var moreUnits, moreVenues bool
		if f.Units, moreUnits, err = pick(ctx, o.registry.units, q, limit, unitInScope, f.Units); err != nil {
			return f, err
		}
		if f.Venues, moreVenues, err = pick(ctx, o.registry.venues, q, limit, venueInScope, f.Venues); err != nil {
			return f, err
		}
		f.More = f.More || moreUnits || moreVenues
	}
	return f, nil
}

// pick appends to list, until it has limit documents, those that are wanted, and
// tells whether it stopped before the end.
func pick[T any](ctx context.Context, c Collection[T], q Query, limit int, wanted func(T) (bool, error), list []T) (_ []T, more bool, err error) {
	looked := 0
	for row, err := range c.Find(ctx, q) {
		if err != nil {
			return list, false, err
		}
		if looked++; looked > lookedMost {
			return list, true, nil
		}
		switch ok, err := wanted(row.Value); {
		case err != nil:
			return list, false, err
		case !ok:
		case len(list) >= limit:
			return list, true, nil
		default:
			list = append(list, row.Value)
		}
	}
	return list, false, nil
}

// absent forgives that there is nothing, or nothing in scope: a list leaves it out.
func absent(err error) error {
	if errors.Is(err, venue.ErrNotFound) {
		return nil
	}
	return err
}
