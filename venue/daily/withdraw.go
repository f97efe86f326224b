package daily

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// Withdraw takes back the account's own last number for the unit. The number
// before it stands again, if there is one (D10). Later than Policy.Withdraw
// after it was received it stays, and the *Refusal says so. The same message
// twice takes back one number.
func (s *Service) Withdraw(ctx context.Context, unit venue.UnitID, by venue.ChatAccount, message string, at time.Time) (Withdrawal, error) {
	at = venue.Millis(at)
	u, err := s.Registry.Unit(ctx, unit)
	if err != nil {
		return Withdrawal{}, fmt.Errorf("unit %s: %w", unit, err)
	}
	// Shortly after midnight the last number may be yesterday's, or yesterday's
	// make-up for the day before.
	var last time.Time
	var day venue.Day
	for d := venue.DayOf(at); d >= venue.DayOf(at)-2; d-- {
		r, err := s.report(ctx, unit, d)
		if err != nil {
			return Withdrawal{}, err
		}
		if i := revokedBy(&r, message); i >= 0 {
			return withdrawal(u, r, i), nil
		}
		if i := ownLast(&r, by); i >= 0 && r.Entries[i].At.After(last) {
			last, day = r.Entries[i].At, d
		}
	}
	if last.IsZero() {
		return Withdrawal{}, &Refusal{Why: RefusedNothing}
	}
	var index int
	kept, err := s.Reports.Update(ctx, unit, day, func(r *venue.Report) error {
		if index = revokedBy(r, message); index >= 0 {
			return nil
		}
		if index = ownLast(r, by); index < 0 {
			return &Refusal{Why: RefusedNothing}
		}
		e := &r.Entries[index]
		if age := at.Sub(e.At); age > s.Policy.Withdraw {
			return &Refusal{Why: RefusedTooLate, Age: age}
		}
		e.Withdrawn, e.Revoked = at, message
		decideLate(r)
		return nil
	})
	if err != nil {
		return Withdrawal{}, fmt.Errorf("withdraw a number of %s for %s: %w", unit, day, err)
	}
	return withdrawal(u, kept, index), nil
}

// Withdrawal is what there is to say about a number taken back.
type Withdrawal struct {
	Unit    venue.Unit
	Day     venue.Day
	Window  venue.Window
	Removed venue.Entry
	Stands  *venue.Entry // the number that stands now; nil: none does
	Late    bool         // the unit's state now
}

func withdrawal(u venue.Unit, r venue.Report, i int) Withdrawal {
	return Withdrawal{Unit: u, Day: r.Day, Window: r.Window, Removed: r.Entries[i], Stands: r.Standing(), Late: r.Late}
}

func revokedBy(r *venue.Report, message string) int {
	if message == "" {
		return -1
	}
	return slices.IndexFunc(r.Entries, func(e venue.Entry) bool { return e.Revoked == message })
}

// ownLast is the last entry of the same person that was not taken back.
func ownLast(r *venue.Report, by venue.ChatAccount) int {
	for i, e := range slices.Backward(r.Entries) {
		if e.Withdrawn.IsZero() && samePerson(e.By, by) {
			return i
		}
	}
	return -1
}

// samePerson: the robot and the app know a person by one userid.
func samePerson(a, b venue.ChatAccount) bool {
	wecom := func(c venue.Channel) bool { return c == venue.ChannelRobot || c == venue.ChannelWeComApp }
	return a.ID == b.ID && (a.Channel == b.Channel || wecom(a.Channel) && wecom(b.Channel))
}

// Decide accepts or refuses a correction that waits for approval (D9). A
// refused one is kept as withdrawn, with ref, the decision's own id, beside it.
// What was accepted stands with the verdict it had; Rejudge brings it up to date.
func (s *Service) Decide(ctx context.Context, unit venue.UnitID, day venue.Day, entry int, accept bool, ref string) (venue.Report, error) {
	now := venue.Millis(s.Clock.Now())
	r, err := s.Reports.Update(ctx, unit, day, func(r *venue.Report) error {
		if entry < 0 || entry >= len(r.Entries) {
			return venue.ErrNotFound
		}
		e := &r.Entries[entry]
		if !e.Awaiting || !e.Withdrawn.IsZero() {
			return &Refusal{Why: RefusedNotAwaiting}
		}
		e.Awaiting = false
		if !accept {
			e.Withdrawn, e.Revoked = now, ref
		}
		decideLate(r)
		return nil
	})
	if err != nil {
		return venue.Report{}, fmt.Errorf("decide on a correction of %s for %s: %w", unit, day, err)
	}
	return r, nil
}
