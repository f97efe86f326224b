package daily

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// Service keeps and judges what units report.
type Service struct {
	Policy   Policy
	Registry Registry
	Counter  Counter
	Sources  Sources
	Reports  Reports
	Outbox   Outbox
	Clock    venue.Clock // civil

	// Down tells whether the platform could not receive at some moment between
	// the two instants. Only then does a message count from the instant at which
	// the chat platform says it was sent (D8). That instant comes inside the
	// signed and encrypted callback, so the sender can not choose it. Nil: the
	// platform was never down.
	Down func(from, to time.Time) bool
}

// Submission is one number on its way in.
type Submission struct {
	Unit    venue.UnitID // which the account is bound to
	By      venue.ChatAccount
	Message string          // the chat platform's id; a known one adds nothing
	Kind    venue.EntryKind // what was asked for; what it is kept as may differ (D9)
	Count   int             // scans; not read for a confirmation
	At      time.Time       // received
	Sent    time.Time       // by the chat platform's clock; zero if unknown
}

// Receipt is what there is to say about a number that was kept. Everything but
// Result may be said in the group.
type Receipt struct {
	Unit   venue.Unit
	Day    venue.Day
	Window venue.Window
	Entry  venue.Entry
	// Late is the unit's state on that day, 迟报 or not, decided by its first
	// standing number (D9).
	Late bool
	// Former is the number that stood before, nil if none did. With
	// Entry.Awaiting it still stands (更正待批).
	Former *int
	// Repeated: the message was known already and nothing was changed.
	Repeated bool
	// Result is for the reporter alone.
	Result venue.Assessment
}

// Why names the reason of a refusal. The surface owns the sentence.
type Why string

const (
	RefusedCovered     Why = "covered"      // Above reports for the unit
	RefusedExempt      Why = "exempt"       // nobody expects a number from the unit
	RefusedNotYet      Why = "not_yet"      // it is to report From a later day
	RefusedNotShown    Why = "not_shown"    // 确认, but no number was shown yet
	RefusedNothing     Why = "nothing"      // 撤回, but nothing of one's own is there
	RefusedTooLate     Why = "too_late"     // 撤回 after Policy.Withdraw
	RefusedNotAwaiting Why = "not_awaiting" // a decision on what does not wait for one
)

// Refusal is a plain no, with the reason to tell the asker.
type Refusal struct {
	Why   Why
	Above string        // covered: the name of the unit that reports for it, if any
	From  venue.Day     // not yet: its first day
	Age   time.Duration // too late: how old the number is
}

func (r *Refusal) Error() string { return "refused: " + string(r.Why) }

// Report keeps a number for the window it belongs to, judges it provisionally,
// and posts the difference to the reporter, one to one.
//
// A second number before the deadline replaces the first; after the deadline
// it waits for approval (D9). 确认 gives the number last shown to the unit and
// is compared as of then (D3). The same message twice is one report. A number
// outside 0…Policy.Max is a *venue.Invalid; a unit that is not to report, or a
// confirmation of nothing, a *Refusal.
func (s *Service) Report(ctx context.Context, sub Submission) (Receipt, error) {
	if sub.Kind != venue.EntryConfirm && (sub.Count < 0 || sub.Count > s.Policy.Max) {
		return Receipt{}, &venue.Invalid{Field: "count", Reason: "range"}
	}
	given := s.given(sub)
	day, _ := s.Policy.WindowOf(given)
	if sub.Kind == venue.EntryMakeup {
		day--
	}
	unit, err := s.reporter(ctx, sub.Unit, given)
	if err != nil {
		return Receipt{}, err
	}
	report, err := s.report(ctx, unit.ID, day)
	if err != nil {
		return Receipt{}, err
	}
	// A retry that crosses midnight finds its number a day earlier.
	for d := day; d >= day-1 && sub.Message != ""; d-- {
		if again, ok, err := s.repeated(ctx, unit, d, sub.Message); err != nil || ok {
			return again, err
		}
	}

	entry := venue.Entry{
		Kind: sub.Kind, Count: sub.Count,
		At: venue.Millis(sub.At), Sent: venue.Millis(sub.Sent), AsOf: given,
		Late: s.Policy.Late(day, given),
		By:   sub.By, Message: sub.Message,
	}
	if sub.Kind == venue.EntryConfirm {
		if report.ShownAt.IsZero() {
			return Receipt{}, &Refusal{Why: RefusedNotShown}
		}
		entry.Count, entry.AsOf, entry.Spans = report.Shown, report.ShownAt, report.ShownSpans
	} else if entry.Spans, err = s.doors(ctx, unit.ID, report.Window, given); err != nil {
		return Receipt{}, err
	}
	result, err := s.assess(ctx, report.Window, entry)
	if err != nil {
		return Receipt{}, err
	}
	entry.Judged = []venue.Assessment{result}

	kept, err := s.Reports.Update(ctx, unit.ID, day, func(r *venue.Report) error {
		s.open(r, unit.ID, day)
		if entryOf(r, sub.Message) >= 0 {
			return errRepeated
		}
		record(r, entry)
		if entry.Kind != venue.EntryConfirm {
			show(r, result.Counts.Raw, given, entry.Spans)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errRepeated) {
		return Receipt{}, fmt.Errorf("keep the report of %s for %s: %w", unit.ID, day, err)
	}
	if err != nil {
		again, _, err := s.repeated(ctx, unit, day, sub.Message)
		return again, err
	}
	// Somebody else's number may have been kept right behind this one.
	i := len(kept.Entries) - 1
	if sub.Message != "" {
		i = entryOf(&kept, sub.Message)
	}
	return receipt(unit, kept, i), s.tell(ctx, unit, kept, i)
}

// errRepeated stops an update that would add a known message again.
var errRepeated = errors.New("message already known")

// given is the instant that decides window, lateness and verdict: when the
// message was received, unless it had to wait because we were down (D8).
func (s *Service) given(sub Submission) time.Time {
	if !sub.Sent.IsZero() && sub.Sent.Before(sub.At) && s.Down != nil && s.Down(sub.Sent, sub.At) {
		return venue.Millis(sub.Sent)
	}
	return venue.Millis(sub.At)
}

// report is what is kept for the day, or a new one.
func (s *Service) report(ctx context.Context, unit venue.UnitID, day venue.Day) (venue.Report, error) {
	r, _, err := s.Reports.Get(ctx, unit, day)
	if err != nil {
		return venue.Report{}, fmt.Errorf("read the report of %s for %s: %w", unit, day, err)
	}
	s.open(&r, unit, day)
	return r, nil
}

// open gives a new report its window. One already kept stays with the window it
// has, whatever the policy says by now.
func (s *Service) open(r *venue.Report, unit venue.UnitID, day venue.Day) {
	if r.Policy == "" {
		r.Unit, r.Day, r.Window, r.Policy = unit, day, s.Policy.WindowOn(day), s.Policy.Window
	}
}

// repeated is the receipt of a message that was kept before. What had to follow
// is posted again, because the first attempt may have ended in between.
func (s *Service) repeated(ctx context.Context, unit venue.Unit, day venue.Day, message string) (Receipt, bool, error) {
	r, err := s.report(ctx, unit.ID, day)
	if err != nil {
		return Receipt{}, false, err
	}
	i := entryOf(&r, message)
	if i < 0 {
		return Receipt{}, false, nil
	}
	again := receipt(unit, r, i)
	again.Repeated = true
	return again, true, s.tell(ctx, unit, r, i)
}

// entryOf is the index of the entry that came with the message, or −1.
func entryOf(r *venue.Report, message string) int {
	if message == "" {
		return -1
	}
	return slices.IndexFunc(r.Entries, func(e venue.Entry) bool { return e.Message == message })
}

// record adds an entry as what it is beside those before it (D9).
func record(r *venue.Report, e venue.Entry) {
	stands := r.Standing() != nil
	switch {
	case e.Kind == venue.EntryReport && stands:
		e.Kind = venue.EntryCorrect
	case e.Kind == venue.EntryCorrect && !stands:
		e.Kind = venue.EntryReport
	}
	e.Awaiting = stands && e.Late
	r.Entries = append(r.Entries, e)
	decideLate(r)
}

// decideLate lets the first standing number decide.
func decideLate(r *venue.Report) {
	first := slices.IndexFunc(r.Entries, stands)
	r.Late = first >= 0 && r.Entries[first].Late
}

func stands(e venue.Entry) bool { return e.Withdrawn.IsZero() && !e.Awaiting }

// show notes a number that the unit gets to see, which 确认 then means. Where no
// door counts there is no number.
func show(r *venue.Report, count int, at time.Time, spans []venue.Span) {
	if len(spans) > 0 && !at.Before(r.ShownAt) {
		r.Shown, r.ShownAt, r.ShownSpans = count, at, spans
	}
}

func receipt(unit venue.Unit, r venue.Report, i int) Receipt {
	e := r.Entries[i]
	out := Receipt{Unit: unit, Day: r.Day, Window: r.Window, Entry: e, Late: r.Late, Result: lastOf(e)}
	before := venue.Report{Entries: r.Entries[:i]}
	if former := before.Standing(); former != nil {
		out.Former = &former.Count
	}
	return out
}

// lastOf is the latest assessment of an entry.
func lastOf(e venue.Entry) venue.Assessment {
	if len(e.Judged) == 0 {
		return venue.Assessment{Verdict: venue.VerdictPending}
	}
	return e.Judged[len(e.Judged)-1]
}

// tell posts the latest assessment of entry i to who gave the number.
func (s *Service) tell(ctx context.Context, unit venue.Unit, r venue.Report, i int) error {
	e := r.Entries[i]
	result := lastOf(e)
	to := venue.Recipient{Channel: e.By.Channel, ID: e.By.ID}
	if to.Channel == venue.ChannelRobot {
		to.Channel = venue.ChannelWeComApp // the same userid, without the group
	}
	err := s.Outbox.Post(ctx, venue.Message{
		ID:    fmt.Sprintf("difference:%s:%s:%d:%d", r.Day, r.Unit, i, len(e.Judged)-1),
		Kind:  venue.MessageDifference,
		To:    to,
		Due:   result.At,
		Day:   r.Day,
		Units: []venue.UnitMention{{Unit: unit.ID, Name: unit.Name}},
		Verdict: &venue.VerdictFacts{
			Unit: unit.Name, Window: r.Window, Kind: e.Kind,
			Reported: e.Count, Late: r.Late, Result: result,
		},
	})
	if err != nil {
		return fmt.Errorf("post the difference of %s for %s: %w", r.Unit, r.Day, err)
	}
	return nil
}

// Status is what a unit sees when it asks (查). Counts are for the asker alone.
type Status struct {
	Unit     venue.Unit
	Deadline time.Time
	AsOf     time.Time
	Doors    bool         // false: no door counts for the unit, there are no counts
	Counts   venue.Counts // up to AsOf
	Report   venue.Report // as kept, its window included
}

// Status says where the unit stands in the window that a report at this instant
// would belong to, and remembers the number it showed, for 确认.
func (s *Service) Status(ctx context.Context, id venue.UnitID, at time.Time) (Status, error) {
	at = venue.Millis(at)
	unit, err := s.reporter(ctx, id, at)
	if err != nil {
		return Status{}, err
	}
	day, _ := s.Policy.WindowOf(at)
	report, err := s.report(ctx, id, day)
	if err != nil {
		return Status{}, err
	}
	out := Status{Unit: unit, Deadline: s.Policy.Deadline.On(day), AsOf: at, Report: report}
	spans, err := s.doors(ctx, id, report.Window, at)
	if err != nil || len(spans) == 0 {
		return out, err
	}
	out.Doors = true
	high := s.Policy.limits(report.Window, venue.EntryReport, at).high
	if out.Counts, err = s.Counter.Counts(ctx, within(spans, high)); err != nil {
		return Status{}, fmt.Errorf("take the three counts of %s: %w", id, err)
	}
	out.Report, err = s.Reports.Update(ctx, id, day, func(r *venue.Report) error {
		s.open(r, id, day)
		show(r, out.Counts.Raw, at, spans)
		return nil
	})
	if err != nil {
		return Status{}, fmt.Errorf("remember the number shown to %s: %w", id, err)
	}
	return out, nil
}
