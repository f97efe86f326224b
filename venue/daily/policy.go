package daily

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// Midnight as a Policy's Window makes the window the civil day.
const Midnight = "midnight"

// TimeOfDay is a civil time of a day. Hours above 23 lie on the day after, so
// that what belongs to a day can happen past its midnight.
type TimeOfDay struct{ Hour, Minute int }

// ParseTimeOfDay reads "15:30"; hours up to 29.
func ParseTimeOfDay(s string) (TimeOfDay, error) {
	var t TimeOfDay
	if len(s) == 5 && s[2] == ':' {
		if _, err := fmt.Sscanf(s, "%02d:%02d", &t.Hour, &t.Minute); err == nil && t.valid() && t.String() == s {
			return t, nil
		}
	}
	return TimeOfDay{}, &venue.Invalid{Field: "time of day", Reason: "shape"}
}

// On is the instant at which d reaches the time.
func (t TimeOfDay) On(d venue.Day) time.Time { return d.At(t.Hour, t.Minute) }

func (t TimeOfDay) String() string { return fmt.Sprintf("%02d:%02d", t.Hour, t.Minute) }

func (t TimeOfDay) valid() bool {
	return t.Hour >= 0 && t.Hour < 30 && t.Minute >= 0 && t.Minute < 60
}

func (t TimeOfDay) minutes() int { return t.Hour*60 + t.Minute }

// Policy holds what the notice leaves to headquarters. Every value is shown
// wherever it decides something.
type Policy struct {
	// Window is Midnight, or the Deadline as text: then the window of a day is
	// the 24 hours before that day's deadline.
	Window string
	// Deadline is strict: an instant before it is on time, the deadline itself
	// is late. With a midnight window it may lie inside the window; what is
	// reported after it is late, and still judged as of its own instant.
	Deadline TimeOfDay

	OneTap    []TimeOfDay // 平台统计 N 次, to those missing; before the deadline
	Reminders []TimeOfDay // to those missing; before the deadline
	Digest    TimeOfDay   // the day in numbers; at or after the deadline

	TolMin      int           // scans by which a number may always differ
	TolPercent  int           // percent of the records by which it may differ, rounded up
	Settle      time.Duration // records younger than this need not be in a number
	Withdraw    time.Duration // how long a number can be taken back, inclusive
	SourceGrace time.Duration // from the window's end, after which nobody waits for a source
	Max         int           // largest number accepted
}

// DefaultPolicy is the notice's: every day before 16:00.
func DefaultPolicy() Policy {
	return Policy{
		Window:      "16:00",
		Deadline:    TimeOfDay{16, 0},
		OneTap:      []TimeOfDay{{15, 40}},
		Reminders:   []TimeOfDay{{15, 0}, {15, 30}, {15, 50}},
		Digest:      TimeOfDay{16, 10},
		TolMin:      2,
		TolPercent:  1,
		Settle:      30 * time.Minute,
		Withdraw:    120 * time.Second,
		SourceGrace: 24 * time.Hour,
		Max:         MaxCount,
	}
}

// Validate names every fault at once, each as a *venue.Invalid.
func (p Policy) Validate() error {
	var faults []error
	check := func(ok bool, field, reason string) {
		if !ok {
			faults = append(faults, &venue.Invalid{Field: field, Reason: reason})
		}
	}
	check(p.Deadline.valid() && p.Deadline.minutes() > 0 && p.Deadline.minutes() <= 24*60, "deadline", "range")
	check(p.Window == Midnight || p.Window == p.Deadline.String(), "window", "must be midnight or the deadline")
	for _, list := range []struct {
		field string
		times []TimeOfDay
	}{{"one tap", p.OneTap}, {"reminders", p.Reminders}} {
		for _, t := range list.times {
			check(t.valid() && t.minutes() < p.Deadline.minutes(), list.field, "must be before the deadline")
		}
		rising := func(a, b TimeOfDay) int { return a.minutes() - b.minutes() }
		check(slices.IsSortedFunc(list.times, rising) && len(slices.Compact(slices.Clone(list.times))) == len(list.times),
			list.field, "must rise")
	}
	check(p.Digest.valid() && p.Digest.minutes() >= p.Deadline.minutes(), "digest", "must not be before the deadline")
	check(p.TolMin >= 0, "tolerance", "range")
	check(p.TolPercent >= 0 && p.TolPercent <= 100, "tolerance percent", "range")
	check(p.Settle >= 0 && p.Settle <= 24*time.Hour, "settle", "range")
	check(p.Withdraw >= 0 && p.Withdraw <= 24*time.Hour, "withdraw", "range")
	check(p.SourceGrace >= 0, "source grace", "range")
	check(p.Max > 0 && p.Max <= MaxCount, "max", "range")
	return errors.Join(faults...)
}

// WindowOn is the window that is named after d.
func (p Policy) WindowOn(d venue.Day) venue.Window {
	if p.Window == Midnight {
		return venue.Window{Start: d.Start(), End: (d + 1).Start()}
	}
	return venue.Window{Start: p.Deadline.On(d - 1), End: p.Deadline.On(d)}
}

// WindowOf is the window that a plain 上报 given at t belongs to: the one named
// after the civil day of t. From the deadline to midnight that is the window
// just closed; from 00:00 on the one that closes that day (D8).
func (p Policy) WindowOf(t time.Time) (venue.Day, venue.Window) {
	d := venue.DayOf(t)
	return d, p.WindowOn(d)
}

// Late tells whether a number for d given at t comes after the deadline.
func (p Policy) Late(d venue.Day, t time.Time) bool { return !t.Before(p.Deadline.On(d)) }
