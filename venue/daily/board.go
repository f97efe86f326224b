package daily

import (
	"context"
	"fmt"

	"github.com/venuecode/venuecode/venue"
)

// State is where a unit stands on a day. Every unit has exactly one.
type State string

const (
	StateReported State = "reported" // 已报, on time
	StateLate     State = "late"     // 迟报
	StateMissing  State = "missing"  // 未报, or not yet
	StateExempt   State = "exempt"   // 免报
	StateCovered  State = "covered"  // a unit above reports for it
)

// Row is one unit's line on the board.
type Row struct {
	Unit     venue.UnitID
	Name     string
	State    State
	Reported *int // the standing number; nil: none
	Awaiting bool // a correction waits for approval (更正待批)
	// Counts are those the number was judged by. Without a number they are the
	// platform's up to now; for units that do not report, nil: their records are
	// counted where somebody reports for them.
	Counts  *venue.Counts
	Verdict venue.Verdict // none without a number
}

// Board is a day of some units. The heads are the rows by state, so that
// Due = Reported + Late + Missing, and with Exempt and Covered all rows.
type Board struct {
	Day                                           venue.Day
	Due, Reported, Late, Missing, Exempt, Covered int
	Doubtful                                      int // over, under or pending: 待核
	Awaiting                                      int // corrections that wait for approval
	Total                                         int // the standing numbers of those due, added up
	Rows                                          []Row
}

// Board says how the units stand on a day, rows in the order of the units. It
// counts afresh at the doors of those that have not reported.
func (s *Service) Board(ctx context.Context, day venue.Day, units []venue.Unit) (Board, error) {
	reported, err := s.reported(ctx, day)
	if err != nil {
		return Board{}, err
	}
	b := board(day, units, reported)
	w := s.Policy.WindowOn(day)
	now := venue.Millis(s.Clock.Now())
	for i, row := range b.Rows {
		if row.State != StateMissing {
			continue
		}
		spans, err := s.doors(ctx, row.Unit, w, now)
		if err != nil {
			return Board{}, err
		}
		counts, err := s.Counter.Counts(ctx, within(spans, s.Policy.limits(w, venue.EntryReport, now).high))
		if err != nil {
			return Board{}, fmt.Errorf("take the three counts of %s: %w", row.Unit, err)
		}
		b.Rows[i].Counts = &counts
	}
	return b, nil
}

// reported are the day's reports by unit.
func (s *Service) reported(ctx context.Context, day venue.Day) (map[venue.UnitID]venue.Report, error) {
	all, err := s.Reports.OfDay(ctx, day)
	if err != nil {
		return nil, fmt.Errorf("reports of %s: %w", day, err)
	}
	out := make(map[venue.UnitID]venue.Report, len(all))
	for _, r := range all {
		out[r.Unit] = r
	}
	return out, nil
}

// board is what the reports alone say.
func board(day venue.Day, units []venue.Unit, reported map[venue.UnitID]venue.Report) Board {
	b := Board{Day: day}
	for _, u := range units {
		r := reported[u.ID]
		row := Row{Unit: u.ID, Name: u.Name, State: state(u, day, r), Verdict: venue.VerdictNone}
		if e := r.Standing(); e != nil {
			a := lastOf(*e)
			row.Reported, row.Counts, row.Verdict = &e.Count, &a.Counts, a.Verdict
		}
		for _, e := range r.Entries {
			if e.Awaiting && e.Withdrawn.IsZero() {
				row.Awaiting = true
				b.Awaiting++
			}
		}
		b.add(row)
	}
	return b
}

func (b *Board) add(row Row) {
	b.Rows = append(b.Rows, row)
	switch row.State {
	case StateReported:
		b.Reported++
	case StateLate:
		b.Late++
	case StateMissing:
		b.Missing++
	case StateExempt:
		b.Exempt++
		return
	case StateCovered:
		b.Covered++
		return
	}
	b.Due++
	if row.Reported != nil {
		b.Total += *row.Reported
	}
	switch row.Verdict {
	case venue.VerdictOver, venue.VerdictUnder, venue.VerdictPending:
		b.Doubtful++
	}
}

// state puts the duty before the number: a unit that became covered after it
// reported is counted where it is covered, not twice.
func state(u venue.Unit, day venue.Day, r venue.Report) State {
	switch {
	case u.DutyOn(day) == venue.DutyExempt:
		return StateExempt
	case u.DutyOn(day) == venue.DutyCovered:
		return StateCovered
	case r.Standing() == nil:
		return StateMissing
	case r.Late:
		return StateLate
	}
	return StateReported
}

// missing are those of the units that are to report on the day and have not.
func missing(day venue.Day, units []venue.Unit, reported map[venue.UnitID]venue.Report) []venue.Unit {
	var out []venue.Unit
	for _, u := range units {
		if state(u, day, reported[u.ID]) == StateMissing {
			out = append(out, u)
		}
	}
	return out
}

// Rollup is a unit's number together with those of the reporting units below.
type Rollup struct {
	Total   int // standing numbers added up; each record at most once (D7)
	Due     int // units in it that are to report, the unit itself included
	Missing int // those of them that have not
}

// Rollup adds up the standing numbers of the unit and of everybody below it who
// reports (D14). A unit that does not report adds nothing of its own: its doors
// are in the number of the unit above.
func (s *Service) Rollup(ctx context.Context, id venue.UnitID, day venue.Day) (Rollup, error) {
	reported, err := s.reported(ctx, day)
	if err != nil {
		return Rollup{}, err
	}
	root, err := s.Registry.Unit(ctx, id)
	if err != nil {
		return Rollup{}, fmt.Errorf("unit %s: %w", id, err)
	}
	units := []venue.Unit{root}
	err = s.below(ctx, id, func(u venue.Unit) bool {
		units = append(units, u)
		return true
	}, func(venue.UnitID) error { return nil })
	if err != nil {
		return Rollup{}, err
	}
	b := board(day, units, reported)
	return Rollup{Total: b.Total, Due: b.Due, Missing: b.Missing}, nil
}
