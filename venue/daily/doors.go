package daily

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// doors are the spans of w that count for unit: its own doors and those of
// every unit below it for which no nearer unit reports. Below a unit that
// reports itself nobody looks any further (D7). Duties are those of the day of
// t; doors that change hands later are unknown at t.
func (s *Service) doors(ctx context.Context, unit venue.UnitID, w venue.Window, t time.Time) ([]venue.Span, error) {
	var spans []venue.Span
	err := s.below(ctx, unit, func(u venue.Unit) bool {
		return !reports(u, venue.DayOf(t))
	}, func(u venue.UnitID) error {
		tenures, err := s.Registry.Tenures(ctx, u)
		if err != nil {
			return fmt.Errorf("doors of unit %s: %w", u, err)
		}
		for _, tenure := range tenures {
			if span, ok := tenure.In(w); ok && !tenure.Since.After(t) {
				spans = append(spans, span)
			}
		}
		return nil
	})
	return merge(spans), err
}

// below visits unit and then those under it that enter admits, once each.
func (s *Service) below(ctx context.Context, unit venue.UnitID, enter func(venue.Unit) bool, visit func(venue.UnitID) error) error {
	seen := map[venue.UnitID]bool{unit: true}
	for todo := []venue.UnitID{unit}; len(todo) > 0; todo = todo[1:] {
		if err := visit(todo[0]); err != nil {
			return err
		}
		children, err := s.Registry.Children(ctx, todo[0])
		if err != nil {
			return fmt.Errorf("units below %s: %w", todo[0], err)
		}
		for _, c := range children {
			if !seen[c.ID] && enter(c) {
				seen[c.ID] = true
				todo = append(todo, c.ID)
			}
		}
	}
	return nil
}

// merge joins spans of one door that meet or overlap, so that no record is
// counted twice, and puts them in order.
func merge(spans []venue.Span) []venue.Span {
	slices.SortFunc(spans, func(a, b venue.Span) int {
		return cmp.Or(cmp.Compare(a.Door, b.Door), a.From.Compare(b.From))
	})
	var out []venue.Span
	for _, s := range spans {
		if n := len(out); n > 0 && out[n-1].Door == s.Door && !s.From.After(out[n-1].To) {
			out[n-1].To = later(out[n-1].To, s.To)
			continue
		}
		out = append(out, s)
	}
	return out
}

// reporter is the unit if it reports itself at t; otherwise a *Refusal that
// says why not, and who reports for it.
func (s *Service) reporter(ctx context.Context, id venue.UnitID, t time.Time) (venue.Unit, error) {
	unit, err := s.Registry.Unit(ctx, id)
	if err != nil {
		return venue.Unit{}, fmt.Errorf("unit %s: %w", id, err)
	}
	day := venue.DayOf(t)
	if reports(unit, day) {
		return unit, nil
	}
	switch {
	case unit.Duty == venue.DutyReports:
		return venue.Unit{}, &Refusal{Why: RefusedNotYet, From: unit.DutyFrom}
	case unit.DutyOn(day) == venue.DutyExempt:
		return venue.Unit{}, &Refusal{Why: RefusedExempt}
	}
	for above, err := range venue.Above(unit, func(id venue.UnitID) (venue.Unit, error) { return s.Registry.Unit(ctx, id) }) {
		if err != nil {
			return venue.Unit{}, fmt.Errorf("unit above %s: %w", id, err)
		}
		if reports(above, day) {
			return venue.Unit{}, &Refusal{Why: RefusedCovered, Above: above.Name}
		}
	}
	return venue.Unit{}, &Refusal{Why: RefusedCovered}
}

// reports tells whether u reports itself on d: every unit does that is neither
// covered nor exempt.
func reports(u venue.Unit, d venue.Day) bool {
	duty := u.DutyOn(d)
	return duty != venue.DutyCovered && duty != venue.DutyExempt
}
