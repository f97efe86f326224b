package daily

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/venuecode/venuecode/venue"
)

// assess counts and judges an entry at its frozen doors.
func (s *Service) assess(ctx context.Context, w venue.Window, e venue.Entry) (venue.Assessment, error) {
	now := venue.Millis(s.Clock.Now())
	l := s.Policy.limits(w, e.Kind, e.AsOf)
	f := Found{Doors: len(e.Spans) > 0, Expired: !now.Before(w.End.Add(s.Policy.SourceGrace))}
	high := within(e.Spans, l.high)

	// Who still waits is asked before counting, and Low is counted before High:
	// what arrives in between can then only speak for the unit.
	var err error
	if f.Doors {
		if f.Waiting, err = s.Sources.Waiting(ctx, e.Spans, l.high.End.Add(-tick)); err != nil {
			return venue.Assessment{}, fmt.Errorf("ask the sources: %w", err)
		}
		if f.Low, err = s.Counter.Undoubted(ctx, within(e.Spans, l.low), e.AsOf); err != nil {
			return venue.Assessment{}, fmt.Errorf("count what had arrived: %w", err)
		}
		if f.High, err = s.Counter.Raw(ctx, high, e.AsOf); err != nil {
			return venue.Assessment{}, fmt.Errorf("count what happened: %w", err)
		}
		if f.Recent, err = s.Counter.Raw(ctx, within(e.Spans, l.recent), e.AsOf); err != nil {
			return venue.Assessment{}, fmt.Errorf("count what is recent: %w", err)
		}
		if f.Counts, err = s.Counter.Counts(ctx, high); err != nil {
			return venue.Assessment{}, fmt.Errorf("take the three counts: %w", err)
		}
	}
	if n := len(e.Judged); n > 0 {
		// Flags that were taken up again, or records that a count overlooked, must
		// not make a verdict worse.
		f.Low, f.High = min(f.Low, e.Judged[n-1].Low), max(f.High, e.Judged[n-1].High)
	}
	a := s.Policy.Judge(e.Count, f)
	a.At = now
	return a, nil
}

// Rejudge judges the standing number again, after late records, new watermarks
// or an appeal. A judging that differs is added behind the earlier ones; if the
// verdict itself changed, its reporter is told. Not changed: all is as it was.
func (s *Service) Rejudge(ctx context.Context, unit venue.UnitID, day venue.Day) (changed bool, err error) {
	r, err := s.report(ctx, unit, day)
	if err != nil {
		return false, err
	}
	i := standing(&r)
	if i < 0 {
		return false, nil
	}
	before := r.Entries[i]
	result, err := s.assess(ctx, r.Window, before)
	if err != nil {
		return false, err
	}
	if alike(lastOf(before), result) {
		return false, nil
	}
	kept, err := s.Reports.Update(ctx, unit, day, func(r *venue.Report) error {
		if len(r.Entries[i].Judged) != len(before.Judged) {
			return errRepeated // somebody else judged meanwhile, on the same records
		}
		r.Entries[i].Judged = append(r.Entries[i].Judged, result)
		return nil
	})
	if errors.Is(err, errRepeated) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("judge %s for %s again: %w", unit, day, err)
	}
	if lastOf(before).Verdict == result.Verdict {
		return true, nil
	}
	u, err := s.Registry.Unit(ctx, unit)
	if err != nil {
		return true, fmt.Errorf("unit %s: %w", unit, err)
	}
	return true, s.tell(ctx, u, kept, i)
}

// Settle judges again every number of the day whose verdict is pending, with late
// the others too, since records came that they were judged without, and says how
// many changed. What one unit's number meets does not keep the others from being
// judged.
func (s *Service) Settle(ctx context.Context, day venue.Day, late bool) (changed int, err error) {
	all, err := s.Reports.OfDay(ctx, day)
	if err != nil {
		return 0, fmt.Errorf("reports of %s: %w", day, err)
	}
	var faults []error
	for _, r := range all {
		e := r.Standing()
		if e == nil || !late && lastOf(*e).Verdict != venue.VerdictPending {
			continue
		}
		ok, err := s.Rejudge(ctx, r.Unit, day)
		if ok {
			changed++
		}
		faults = append(faults, err)
	}
	return changed, errors.Join(faults...)
}

// standing is the index of r.Standing, or −1.
func standing(r *venue.Report) int {
	for i, e := range slices.Backward(r.Entries) {
		if stands(e) {
			return i
		}
	}
	return -1
}

// alike tells whether two judgings say the same, whenever they were made.
func alike(a, b venue.Assessment) bool {
	b.At = a.At
	return reflect.DeepEqual(a, b)
}
