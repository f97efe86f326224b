package daily

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// One test for each ruling on daily reports, named by its number.

// shop is a world with one reporting unit "A" that has the door "a".
func shop() *world {
	w := newWorld()
	w.unit("A", "", venue.DutyReports)
	w.door("a", "A")
	return w
}

func verdictIs(t *testing.T, a venue.Assessment, want venue.Verdict, low, high int) {
	t.Helper()
	if a.Verdict != want || a.Low != low || a.High != high {
		t.Fatalf("judged %s with [%d, %d], want %s with [%d, %d]", a.Verdict, a.Low, a.High, want, low, high)
	}
}

func refusedFor(t *testing.T, err error, want Why) *Refusal {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || r.Why != want {
		t.Fatalf("got %v, want a refusal for %s", err, want)
	}
	return r
}

func TestD1ALateBatchOfAGateMakesNobodyUnder(t *testing.T) {
	w := shop()
	w.scans("a", 10, clock(today, "10:00"))
	for range 50 {
		w.facts = append(w.facts, fact{door: "a", at: clock(today, "11:00"), received: clock(today, "15:30"), person: "p"})
	}
	r := w.say(t, venue.EntryReport, "A", 10, clock(today, "15:00"))
	verdictIs(t, r.Result, venue.VerdictConsistent, 10, 10)

	w.now = clock(today, "15:40")
	changed, err := w.service().Rejudge(context.Background(), "A", today)
	if err != nil || !changed {
		t.Fatalf("judging again after the batch: changed %v, %v", changed, err)
	}
	e := w.kept(t, "A", today).Standing()
	if len(e.Judged) != 2 {
		t.Fatalf("%d judgings kept, want both", len(e.Judged))
	}
	verdictIs(t, e.Judged[1], venue.VerdictConsistent, 10, 60)
	// A number that counted the swipes at the gate itself is right as well.
	w.say(t, venue.EntryCorrect, "A", 60, clock(today, "15:41"))
	verdictIs(t, lastOf(*w.kept(t, "A", today).Standing()), venue.VerdictConsistent, 60, 60)
}

func TestD2NothingAtOrAfterTheEndCounts(t *testing.T) {
	w := shop()
	w.scans("a", 100, clock(today-1, "15:59:59.999")) // before the window
	w.scans("a", 1, clock(today-1, "16:00"))
	w.scans("a", 20, clock(today, "15:29:59.999"))
	w.scans("a", 30, clock(today, "15:30"))
	w.scans("a", 40, clock(today, "15:59:59.999"))
	w.scans("a", 500, clock(today, "16:00"))
	for _, c := range []struct {
		at        string
		low, high int
	}{
		{"15:29:59.998", 1, 1},
		{"15:29:59.999", 1, 21}, // the record of t itself counts
		{"15:59:59.999", 1, 91}, // t − 30 min is excluded
		{"16:00", 21, 91},
		{"16:00:00.001", 51, 91},
		{"16:20", 51, 91},
		{"16:29:59.999", 51, 91},
		{"16:30", 91, 91}, // lo reaches the end and no further
		{"23:59:59.999", 91, 91},
	} {
		r := w.say(t, venue.EntryReport, "A", c.high, clock(today, c.at))
		if r.Result.Low != c.low || r.Result.High != c.high {
			t.Errorf("at %s: [%d, %d], want [%d, %d]", c.at, r.Result.Low, r.Result.High, c.low, c.high)
		}
	}
}

func TestD3AConfirmationGivesTheNumberLastShownAsOfThen(t *testing.T) {
	w := shop()
	w.scans("a", 40, clock(today, "10:00"))
	if _, err := w.try(venue.EntryConfirm, "A", 0, clock(today, "11:00")); err == nil {
		t.Fatal("a confirmation of a number nobody showed was kept")
	} else {
		refusedFor(t, err, RefusedNotShown)
	}
	w.now = clock(today, "12:00")
	st, err := w.service().Status(context.Background(), "A", w.now)
	if err != nil || st.Counts.Raw != 40 || !st.Doors {
		t.Fatalf("status %+v, %v", st, err)
	}
	w.scans("a", 300, clock(today, "12:10"))
	r := w.say(t, venue.EntryConfirm, "A", 7, clock(today, "15:30"))
	if r.Entry.Count != 40 || r.Late {
		t.Fatalf("confirmed %d, late %v; want the 40 shown, on time", r.Entry.Count, r.Late)
	}
	if !r.Entry.AsOf.Equal(clock(today, "12:00")) || !r.Entry.At.Equal(clock(today, "15:30")) {
		t.Fatalf("compared as of %v, received %v", r.Entry.AsOf, r.Entry.At)
	}
	verdictIs(t, r.Result, venue.VerdictConsistent, 40, 40)
}

func TestD3WhatWasShownIsComparedAtTheDoorsOfThen(t *testing.T) {
	w := shop()
	w.unit("B", "A", venue.DutyCovered)
	w.door("b", "B")
	w.scans("b", 80, clock(today, "10:00"))
	w.now = clock(today, "12:00")
	if _, err := w.service().Status(context.Background(), "A", w.now); err != nil {
		t.Fatal(err)
	}
	w.change("B", func(u *venue.Unit) { u.Duty = venue.DutyReports })
	r := w.say(t, venue.EntryConfirm, "A", 0, clock(today, "15:00"))
	verdictIs(t, r.Result, venue.VerdictConsistent, 80, 80)
}

func TestD3ALateConfirmationIsLateButComparedAsOfWhenItWasShown(t *testing.T) {
	w := shop()
	w.scans("a", 40, clock(today, "10:00"))
	w.now = clock(today, "15:50")
	if _, err := w.service().Status(context.Background(), "A", w.now); err != nil {
		t.Fatal(err)
	}
	w.scans("a", 9, clock(today, "15:55"))
	r := w.say(t, venue.EntryConfirm, "A", 0, clock(today, "16:00"))
	if !r.Late || r.Entry.Count != 40 || r.Result.High != 40 {
		t.Fatalf("late %v, count %d, high %d; want late, 40 of 40", r.Late, r.Entry.Count, r.Result.High)
	}
}

func TestD4FlagsLowerTheLowerBoundForEverAndVoidsAfterTStillCountAbove(t *testing.T) {
	w := shop()
	at := clock(today, "10:00")
	w.scans("a", 10, at)
	w.facts = append(w.facts,
		fact{door: "a", at: at, received: at, person: "flagged before", flagged: clock(today, "11:00")},
		fact{door: "a", at: at, received: at, person: "flagged and released", flagged: clock(today, "11:00"), released: clock(today, "12:00")},
		fact{door: "a", at: at, received: at, person: "flagged later", flagged: clock(today, "15:30")},
		fact{door: "a", at: at, received: at, person: "voided before", voided: clock(today, "14:00")},
		fact{door: "a", at: at, received: at, person: "voided at t", voided: clock(today, "15:00")},
		fact{door: "a", at: at, received: at, person: "voided later", voided: clock(today, "15:00:00.001")},
	)
	r := w.say(t, venue.EntryReport, "A", 12, clock(today, "15:00"))
	verdictIs(t, r.Result, venue.VerdictConsistent, 12, 14)
	w.now = clock(today, "15:45")
	if _, err := w.service().Rejudge(context.Background(), "A", today); err != nil {
		t.Fatal(err)
	}
	a := lastOf(*w.kept(t, "A", today).Standing())
	verdictIs(t, a, venue.VerdictConsistent, 10, 14)
	if want := (venue.Counts{Raw: 13, Effective: 11, People: 13}); a.Counts != want {
		t.Fatalf("counts %+v, want %+v", a.Counts, want)
	}
}

func TestD5WithASourceMissingAfter24HoursNobodyIsOver(t *testing.T) {
	for _, c := range []struct {
		name string
		n    int
		want venue.Verdict
	}{
		{"within the bounds", 100, venue.VerdictConsistent},
		{"above them", 200, venue.VerdictPending},
		{"below them", 50, venue.VerdictUnder},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := shop()
			w.scans("a", 100, clock(today, "10:00"))
			w.gates = []gate{{door: "a", mark: clock(today, "09:00")}}
			r := w.say(t, venue.EntryReport, "A", c.n, clock(today, "15:00"))
			verdictIs(t, r.Result, venue.VerdictPending, 100, 100)
			for _, look := range []struct {
				at   time.Time
				want venue.Verdict
			}{
				{clock(today+1, "15:59:59.999"), venue.VerdictPending},
				{clock(today+1, "16:00"), c.want},
			} {
				w.now = look.at
				if _, err := w.service().Settle(context.Background(), today, false); err != nil {
					t.Fatal(err)
				}
				a := lastOf(*w.kept(t, "A", today).Standing())
				if a.Verdict != look.want || !slices.Equal(a.Waiting, []string{"gate0"}) {
					t.Fatalf("at %v: %s waiting for %v; want %s and the missing source named", look.at, a.Verdict, a.Waiting, look.want)
				}
			}
		})
	}
}

func TestD6AUnitForWhichNoDoorCountsHasNothingToCompare(t *testing.T) {
	w := newWorld()
	w.unit("A", "", venue.DutyReports)
	w.unit("B", "A", venue.DutyReports)
	w.door("b", "B")
	w.gates = []gate{{door: "b"}}
	w.scans("b", 100, clock(today, "10:00"))
	r := w.say(t, venue.EntryReport, "A", 30, clock(today, "15:00"))
	verdictIs(t, r.Result, venue.VerdictNone, 0, 0)
	// There is no number to confirm either.
	_, err := w.try(venue.EntryConfirm, "A", 0, clock(today, "15:01"))
	refusedFor(t, err, RefusedNotShown)
	w.now = clock(today+2, "15:00")
	if changed, err := w.service().Rejudge(context.Background(), "A", today); changed || err != nil {
		t.Fatalf("judged again: changed %v, %v", changed, err)
	}
	w.now = clock(today+2, "15:01")
	st, err := w.service().Status(context.Background(), "A", w.now)
	if err != nil || st.Doors {
		t.Fatalf("status %+v, %v", st, err)
	}
	_, err = w.try(venue.EntryConfirm, "A", 0, clock(today+2, "15:02"))
	refusedFor(t, err, RefusedNotShown)
}

func TestD7ADoorCountsForTheNearestUnitUpwardThatReports(t *testing.T) {
	w := newWorld()
	w.unit("top", "", venue.DutyReports)
	w.unit("covered", "top", venue.DutyCovered)
	w.unit("exempt", "covered", venue.DutyExempt)
	w.unit("own", "covered", venue.DutyReports)
	w.unit("under", "own", venue.DutyCovered)
	for i, u := range []string{"top", "covered", "exempt", "own", "under"} {
		w.door("door-"+u, u)
		w.scans("door-"+u, 1<<(2*i), clock(today, "10:00"))
	}
	if r := w.say(t, venue.EntryReport, "top", 21, clock(today, "15:00")); r.Result.High != 1+4+16 {
		t.Errorf("top answers for %d, want its own, the covered and the exempt unit's: 21", r.Result.High)
	}
	if r := w.say(t, venue.EntryReport, "own", 320, clock(today, "15:00")); r.Result.High != 64+256 {
		t.Errorf("own answers for %d, want its own and the one under it: 320", r.Result.High)
	}
	_, err := w.try(venue.EntryReport, "covered", 4, clock(today, "15:00"))
	if r := refusedFor(t, err, RefusedCovered); r.Above != "单位top" {
		t.Errorf("a covered unit is told that %q reports for it", r.Above)
	}
	_, err = w.try(venue.EntryReport, "exempt", 4, clock(today, "15:00"))
	refusedFor(t, err, RefusedExempt)
	_, err = w.try(venue.EntryReport, "nobody", 4, clock(today, "15:00"))
	if !errors.Is(err, venue.ErrNotFound) {
		t.Errorf("an unknown unit: %v", err)
	}
}

func TestD7AScanCountsForTheOwnerOfTheDoorWhenItHappened(t *testing.T) {
	w := newWorld()
	w.unit("A", "", venue.DutyReports)
	w.unit("B", "", venue.DutyReports)
	noon := clock(today, "12:00")
	w.tenures = []venue.Tenure{
		{Door: "x", Unit: "A", Since: (today - 9).Start(), Until: noon},
		{Door: "x", Unit: "B", Since: noon},
	}
	w.scans("x", 10, noon.Add(-time.Millisecond))
	w.scans("x", 5, noon)
	if r := w.say(t, venue.EntryReport, "A", 10, clock(today, "15:00")); r.Result.High != 10 {
		t.Errorf("the former owner answers for %d, want 10", r.Result.High)
	}
	if r := w.say(t, venue.EntryReport, "B", 5, clock(today, "15:00")); r.Result.High != 5 {
		t.Errorf("the new owner answers for %d, want 5", r.Result.High)
	}
}

func TestD7ParentsAndDutiesAreFrozenWithTheReport(t *testing.T) {
	w := shop()
	w.unit("B", "A", venue.DutyCovered)
	w.door("b", "B")
	w.scans("a", 10, clock(today, "10:00"))
	w.scans("b", 30, clock(today, "10:00"))
	w.say(t, venue.EntryReport, "A", 40, clock(today, "14:00"))
	w.change("B", func(u *venue.Unit) { u.Duty = venue.DutyReports })
	w.now = clock(today, "14:30")
	if changed, err := w.service().Rejudge(context.Background(), "A", today); changed || err != nil {
		t.Fatalf("a later change of duty changed the judging: %v, %v", changed, err)
	}
	// A number given after the change is judged by the duties of its own t.
	r := w.say(t, venue.EntryReport, "A", 10, clock(today, "15:00"))
	verdictIs(t, r.Result, venue.VerdictConsistent, 10, 10)
}

func TestD7AnExemptionPastItsLastDayIsOver(t *testing.T) {
	w := shop()
	w.change("A", func(u *venue.Unit) { u.Duty, u.DutyUntil = venue.DutyExempt, today })
	_, err := w.try(venue.EntryReport, "A", 0, clock(today, "15:59"))
	refusedFor(t, err, RefusedExempt)
	w.say(t, venue.EntryReport, "A", 0, clock(today+1, "00:00"))
}

// TestD7AUnitIsDueFromItsFirstDay: before that nobody asks it, and its doors are the
// unit's above.
func TestD7AUnitIsDueFromItsFirstDay(t *testing.T) {
	w := city()
	w.unit("N", "A", venue.DutyReports)
	w.change("N", func(u *venue.Unit) { u.DutyFrom = today + 1 })
	w.door("n", "N")
	w.scans("n", 7, clock(today, "09:00"))
	g := w.stages()
	ctx := context.Background()
	named := func(until time.Time) (said string) {
		from := len(w.messages)
		drive(t, w, g, until)
		for _, m := range w.messages[from:] {
			for _, u := range m.Units {
				said += string(u.Unit)
			}
			if m.Digest != nil {
				said += strings.Join(m.Digest.MissingNames, "")
			}
		}
		return said
	}
	if said := named(clock(today, "15:59:59")); strings.Contains(said, "N") {
		t.Errorf("on the day before its first it is named: %s", said)
	}
	_, err := w.try(venue.EntryReport, "N", 7, clock(today, "15:59"))
	if r := refusedFor(t, err, RefusedNotYet); r.From != today+1 {
		t.Errorf("told to begin on %s", r.From)
	}
	if r := w.say(t, venue.EntryReport, "A", 7, clock(today, "15:59")); r.Result.High != 7 {
		t.Errorf("the unit above answers for %d", r.Result.High)
	}
	if said := named(clock(today, "23:00")); strings.Contains(said, "单位N") {
		t.Errorf("the digest misses it: %s", said)
	}

	// From then on it is like the others.
	w.scans("n", 5, clock(today, "18:00"))
	if said := named(clock(today+1, "15:00")); !strings.Contains(said, "N") {
		t.Errorf("on its first day it is not reminded: %s", said)
	}
	if r := w.say(t, venue.EntryReport, "A", 0, clock(today+1, "15:20")); r.Result.High != 0 {
		t.Errorf("the unit above still answers for %d", r.Result.High)
	}
	if r := w.say(t, venue.EntryReport, "N", 5, clock(today+1, "15:20")); r.Result.Verdict != venue.VerdictConsistent || r.Result.High != 5 {
		t.Errorf("%+v", r.Result)
	}
	units, _ := w.UnitsOf(ctx, "g")
	for day, want := range map[venue.Day]State{today: StateExempt, today + 1: StateReported} {
		b, err := w.service().Board(ctx, day, units)
		if err != nil {
			t.Fatal(err)
		}
		if row := b.Rows[slices.IndexFunc(b.Rows, func(r Row) bool { return r.Unit == "N" })]; row.State != want {
			t.Errorf("%s on the board of %s", row.State, day)
		}
	}
}

func TestD8TheDeadlineIsStrict(t *testing.T) {
	for _, c := range []struct {
		kind venue.EntryKind
		at   time.Time
		day  venue.Day
		late bool
	}{
		{venue.EntryReport, clock(today, "00:00"), today, false},
		{venue.EntryReport, clock(today, "15:59:59.999"), today, false},
		{venue.EntryReport, clock(today, "16:00:00.000"), today, true},
		{venue.EntryReport, clock(today, "23:59:59.999"), today, true},
		{venue.EntryReport, clock(today+1, "00:00"), today + 1, false},
		{venue.EntryMakeup, clock(today, "00:00"), today - 1, true},
		{venue.EntryMakeup, clock(today, "15:59:59.999"), today - 1, true},
		{venue.EntryMakeup, clock(today, "23:59:59.999"), today - 1, true},
	} {
		w := shop()
		r := w.say(t, c.kind, "A", 0, c.at)
		if r.Day != c.day || r.Late != c.late || r.Entry.Kind != c.kind {
			t.Errorf("%s at %s: %s for %s, late %v; want %s, late %v", c.kind, venue.FormatInstant(c.at), r.Entry.Kind, r.Day, r.Late, c.day, c.late)
		}
		if want := (venue.Window{Start: clock(c.day-1, "16:00"), End: clock(c.day, "16:00")}); r.Window != want {
			t.Errorf("window %v, want %v", r.Window, want)
		}
	}
}

func TestD8AMakeupIsComparedAtTheWindowsEnd(t *testing.T) {
	w := shop()
	w.scans("a", 10, clock(today-1, "15:59:59.999"))
	w.scans("a", 20, clock(today-1, "16:00"))
	r := w.say(t, venue.EntryMakeup, "A", 10, clock(today, "09:00"))
	verdictIs(t, r.Result, venue.VerdictConsistent, 10, 10)
	if r.Result.Recent != 0 {
		t.Errorf("a make-up has %d recent records", r.Result.Recent)
	}
}

func TestD8WhatWasSentInTimeWhileWeWereDownIsOnTime(t *testing.T) {
	sent, received := clock(today, "15:58:00"), clock(today, "16:07:00")
	submit := func(down func(from, to time.Time) bool, sent time.Time) Receipt {
		w := shop()
		w.scans("a", 5, clock(today, "15:00"))
		w.scans("a", 90, clock(today, "15:29")) // settled at 16:07, not at 15:58
		w.now = received
		s := w.service()
		s.Down = down
		r, err := s.Report(context.Background(), Submission{Unit: "A", By: director, Kind: venue.EntryReport, Count: 5, At: received, Sent: sent})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	yes := func(from, to time.Time) bool { return from.Equal(sent) && to.Equal(received) }
	no := func(time.Time, time.Time) bool { return false }

	r := submit(yes, sent)
	if r.Late || !r.Entry.Sent.Equal(sent) || !r.Entry.At.Equal(received) {
		t.Errorf("late %v, sent %v, received %v; want on time with both times", r.Late, r.Entry.Sent, r.Entry.At)
	}
	if r.Result.Verdict != venue.VerdictConsistent {
		t.Errorf("judged %s by records that were not settled when it was sent", r.Result.Verdict)
	}
	if r := submit(no, sent); !r.Late {
		t.Error("on time, though we were there to receive it")
	}
	if r := submit(nil, sent); !r.Late {
		t.Error("on time, though we were never down")
	}
	always := func(time.Time, time.Time) bool { return true }
	if r := submit(always, clock(today, "16:00")); !r.Late {
		t.Error("on time, though sent at the deadline")
	}
	if r := submit(always, received.Add(time.Hour)); !r.Entry.AsOf.Equal(received) {
		t.Error("a message from the future was believed")
	}
}

func TestD8AMessageThatWaitedOverMidnightStaysWithTheWindowItWasSentFor(t *testing.T) {
	w := shop()
	w.now = clock(today+1, "00:05")
	s := w.service()
	s.Down = func(time.Time, time.Time) bool { return true }
	r, err := s.Report(context.Background(), Submission{Unit: "A", By: director, Kind: venue.EntryReport, At: w.now, Sent: clock(today, "15:59")})
	if err != nil || r.Day != today || r.Late {
		t.Fatalf("for %s, late %v, %v; want %s on time", r.Day, r.Late, err, today)
	}
}

func TestD9ASecondNumberBeforeTheDeadlineIsACorrection(t *testing.T) {
	w := shop()
	w.scans("a", 10, clock(today, "10:00"))
	w.scans("a", 10, clock(today, "15:35"))
	first := w.say(t, venue.EntryReport, "A", 10, clock(today, "15:30"))
	second := w.say(t, venue.EntryReport, "A", 20, clock(today, "15:59:59.999"))
	if first.Entry.Kind != venue.EntryReport || first.Former != nil || !first.Entry.Sent.IsZero() {
		t.Fatalf("the first is kept as %s, former %v", first.Entry.Kind, first.Former)
	}
	if second.Entry.Kind != venue.EntryCorrect || second.Entry.Awaiting || second.Former == nil || *second.Former != 10 {
		t.Fatalf("the second is kept as %+v, former %v", second.Entry, second.Former)
	}
	w.standsAt(t, "A", today, 20, false)
	r := w.kept(t, "A", today)
	if len(r.Entries) != 2 {
		t.Fatalf("%d numbers kept, want the history", len(r.Entries))
	}
	// Each is compared as of its own t.
	verdictIs(t, lastOf(r.Entries[0]), venue.VerdictConsistent, 10, 10)
	verdictIs(t, lastOf(r.Entries[1]), venue.VerdictConsistent, 10, 20)
}

func TestD9ACorrectionWithoutAReportIsAReport(t *testing.T) {
	w := shop()
	if r := w.say(t, venue.EntryCorrect, "A", 3, clock(today, "15:00")); r.Entry.Kind != venue.EntryReport || r.Late {
		t.Fatalf("kept as %s, late %v", r.Entry.Kind, r.Late)
	}
	w = shop()
	if r := w.say(t, venue.EntryCorrect, "A", 3, clock(today, "16:00")); r.Entry.Kind != venue.EntryReport || !r.Late || r.Entry.Awaiting {
		t.Fatalf("after the deadline kept as %+v, late %v", r.Entry, r.Late)
	}
}

func TestD9ACorrectionAfterTheDeadlineWaitsForApproval(t *testing.T) {
	for _, kind := range []venue.EntryKind{venue.EntryReport, venue.EntryCorrect, venue.EntryConfirm} {
		w := shop()
		w.scans("a", 30, clock(today, "10:00"))
		w.say(t, venue.EntryReport, "A", 10, clock(today, "15:59:59.999"))
		r := w.say(t, kind, "A", 30, clock(today, "16:00"))
		if !r.Entry.Awaiting || r.Late || r.Former == nil || *r.Former != 10 {
			t.Fatalf("%s: %+v, late %v, former %v; want awaiting, on time, 10", kind, r.Entry, r.Late, r.Former)
		}
		w.standsAt(t, "A", today, 10, false)
		b, err := w.service().Board(context.Background(), today, w.units)
		if err != nil || b.Awaiting != 1 || !b.Rows[0].Awaiting || *b.Rows[0].Reported != 10 {
			t.Fatalf("board %+v, %v", b, err)
		}
		if _, err := w.service().Decide(context.Background(), "A", today, 1, true, "d1"); err != nil {
			t.Fatal(err)
		}
		w.standsAt(t, "A", today, 30, false)
		_, err = w.service().Decide(context.Background(), "A", today, 1, false, "d2")
		refusedFor(t, err, RefusedNotAwaiting)
	}
}

func TestD9ARefusedCorrectionNeverStands(t *testing.T) {
	w := shop()
	w.say(t, venue.EntryReport, "A", 10, clock(today, "15:00"))
	w.say(t, venue.EntryCorrect, "A", 30, clock(today, "17:00"))
	if _, err := w.service().Decide(context.Background(), "A", today, 1, false, "d1"); err != nil {
		t.Fatal(err)
	}
	w.standsAt(t, "A", today, 10, false)
	if _, err := w.service().Decide(context.Background(), "A", today, 7, true, "d1"); !errors.Is(err, venue.ErrNotFound) {
		t.Fatalf("a decision on nothing: %v", err)
	}
}

func TestD9TheFirstStandingNumberDecidesWhetherTheUnitIsLate(t *testing.T) {
	w := shop()
	w.say(t, venue.EntryReport, "A", 10, clock(today, "15:59:30"))
	w.standsAt(t, "A", today, 10, false)
	withdraw(t, w, "A", director, clock(today, "16:00:30"))
	if r := w.say(t, venue.EntryReport, "A", 11, clock(today, "16:01")); !r.Late || r.Entry.Awaiting {
		t.Fatalf("late %v, awaiting %v; want late, since nothing on time stands", r.Late, r.Entry.Awaiting)
	}
	w.standsAt(t, "A", today, 11, true)
	// A correction of a late number keeps the unit late.
	w.say(t, venue.EntryCorrect, "A", 12, clock(today, "16:02"))
	w.standsAt(t, "A", today, 11, true)
	if _, err := w.service().Decide(context.Background(), "A", today, 2, true, ""); err != nil {
		t.Fatal(err)
	}
	w.standsAt(t, "A", today, 12, true)
}

func TestD9WhatStandsFirstIsDecidedAnewWhenANumberIsTakenBack(t *testing.T) {
	w := shop()
	w.say(t, venue.EntryReport, "A", 10, clock(today, "15:59:30"))
	w.now = clock(today, "16:00:10")
	li := venue.ChatAccount{Channel: venue.ChannelRobot, ID: "li"}
	if _, err := w.service().Report(context.Background(), Submission{Unit: "A", By: li, Kind: venue.EntryCorrect, Count: 20, At: w.now}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.service().Decide(context.Background(), "A", today, 1, true, ""); err != nil {
		t.Fatal(err)
	}
	w.standsAt(t, "A", today, 20, false)
	if out := withdraw(t, w, "A", director, clock(today, "16:01")); !out.Late || out.Stands.Count != 20 {
		t.Fatalf("%+v", out)
	}
	w.standsAt(t, "A", today, 20, true)
}

func TestD3AnOlderNumberDoesNotReplaceTheOneLastShown(t *testing.T) {
	w := shop()
	w.scans("a", 5, clock(today, "10:00"))
	w.scans("a", 5, clock(today, "12:00"))
	for _, at := range []string{"13:00", "11:00"} { // the slower of two processes comes last
		w.now = clock(today, "13:00")
		if _, err := w.service().Status(context.Background(), "A", clock(today, at)); err != nil {
			t.Fatal(err)
		}
	}
	if r := w.say(t, venue.EntryConfirm, "A", 0, clock(today, "15:00")); r.Entry.Count != 10 {
		t.Fatalf("confirmed %d, want the 10 shown last", r.Entry.Count)
	}
}

func withdraw(t *testing.T, w *world, unit string, who venue.ChatAccount, at time.Time) Withdrawal {
	t.Helper()
	w.now = at
	out, err := w.service().Withdraw(context.Background(), venue.UnitID(unit), who, "", at)
	if err != nil {
		t.Fatalf("withdraw at %s: %v", venue.FormatInstant(at), err)
	}
	return out
}

func TestD10WithinTwoMinutesTheNumberBeforeStandsAgain(t *testing.T) {
	w := shop()
	w.say(t, venue.EntryReport, "A", 10, clock(today, "15:00"))
	w.say(t, venue.EntryCorrect, "A", 20, clock(today, "15:59:00"))
	out := withdraw(t, w, "A", director, clock(today, "16:01:00.000")) // across the deadline
	if out.Removed.Count != 20 || out.Stands == nil || out.Stands.Count != 10 || out.Late {
		t.Fatalf("%+v", out)
	}
	w.standsAt(t, "A", today, 10, false)
	// One's last number is the first one now, and that is an hour old.
	_, err := w.service().Withdraw(context.Background(), "A", director, "", clock(today, "16:01:01"))
	if r := refusedFor(t, err, RefusedTooLate); r.Age != time.Hour+time.Minute+time.Second {
		t.Fatalf("refused with age %v", r.Age)
	}
	w.standsAt(t, "A", today, 10, false)
}

func TestD10AMillisecondMoreIsTooLate(t *testing.T) {
	w := shop()
	w.say(t, venue.EntryReport, "A", 10, clock(today, "15:00"))
	_, err := w.service().Withdraw(context.Background(), "A", director, "", clock(today, "15:02:00.001"))
	refusedFor(t, err, RefusedTooLate)
	w.standsAt(t, "A", today, 10, false)
	out := withdraw(t, w, "A", director, clock(today, "15:02:00.000"))
	if out.Stands != nil || out.Removed.Count != 10 {
		t.Fatalf("%+v", out)
	}
	_, err = w.service().Withdraw(context.Background(), "A", director, "", clock(today, "15:02:00"))
	refusedFor(t, err, RefusedNothing)
}

func TestD10AWaitingCorrectionAndAMakeupCanBeWithdrawn(t *testing.T) {
	w := shop()
	w.say(t, venue.EntryReport, "A", 10, clock(today, "15:00"))
	w.say(t, venue.EntryCorrect, "A", 20, clock(today, "16:30"))
	if out := withdraw(t, w, "A", director, clock(today, "16:31")); !out.Removed.Awaiting || out.Stands.Count != 10 {
		t.Fatalf("%+v", out)
	}
	w.say(t, venue.EntryMakeup, "A", 30, clock(today, "23:59:30"))
	if out := withdraw(t, w, "A", director, clock(today+1, "00:01:30")); out.Day != today-1 || out.Removed.Count != 30 {
		t.Fatalf("%+v", out)
	}
	w.say(t, venue.EntryReport, "A", 40, clock(today+1, "23:59:59"))
	if out := withdraw(t, w, "A", director, clock(today+2, "00:00:01")); out.Day != today+1 || out.Removed.Count != 40 {
		t.Fatalf("%+v", out)
	}
}

func TestD10OneTakesBackOnesOwn(t *testing.T) {
	w := shop()
	w.say(t, venue.EntryReport, "A", 10, clock(today, "15:00"))
	other := venue.ChatAccount{Channel: venue.ChannelRobot, ID: "li"}
	_, err := w.service().Withdraw(context.Background(), "A", other, "", clock(today, "15:01"))
	refusedFor(t, err, RefusedNothing)
	blind := venue.ChatAccount{Channel: venue.ChannelService, ID: director.ID}
	_, err = w.service().Withdraw(context.Background(), "A", blind, "", clock(today, "15:01"))
	refusedFor(t, err, RefusedNothing)
	// The robot and the app know a person by the same userid.
	withdraw(t, w, "A", venue.ChatAccount{Channel: venue.ChannelWeComApp, ID: director.ID}, clock(today, "15:01"))
}

func TestD10TheSameWithdrawalTwiceTakesBackOneNumber(t *testing.T) {
	w := shop()
	w.say(t, venue.EntryReport, "A", 10, clock(today, "15:00:00"))
	w.say(t, venue.EntryCorrect, "A", 20, clock(today, "15:00:10"))
	for range 2 {
		out, err := w.service().Withdraw(context.Background(), "A", director, "m9", clock(today, "15:00:20"))
		if err != nil || out.Removed.Count != 20 {
			t.Fatalf("%+v, %v", out, err)
		}
	}
	w.standsAt(t, "A", today, 10, false)
}

func TestD11PendingUntilEveryGateHasPassedT(t *testing.T) {
	w := shop()
	w.unit("B", "", venue.DutyReports)
	w.door("b", "B")
	w.scans("a", 10, clock(today, "10:00"))
	w.gates = []gate{{door: "a", mark: clock(today, "14:59:59.999")}, {door: "b"}}
	r := w.say(t, venue.EntryReport, "A", 99, clock(today, "15:00"))
	if r.Result.Verdict != venue.VerdictPending || r.Result.Distance != 89 || !slices.Equal(r.Result.Waiting, []string{"gate0"}) {
		t.Fatalf("%+v; want pending for the gate at its own door only, with the numbers", r.Result)
	}
	if n, err := w.service().Settle(context.Background(), today, false); n != 0 || err != nil {
		t.Fatalf("settled %d, %v while the gate is silent", n, err)
	}
	w.gates[0].mark = clock(today, "15:00") // up to and including
	w.now = clock(today, "15:05")
	if n, err := w.service().Settle(context.Background(), today, false); n != 1 || err != nil {
		t.Fatalf("settled %d, %v", n, err)
	}
	verdictIs(t, lastOf(*w.kept(t, "A", today).Standing()), venue.VerdictOver, 10, 10)
	if n := len(w.messages); n != 2 || w.messages[1].Verdict.Result.Verdict != venue.VerdictOver {
		t.Fatalf("%d messages; the reporter hears the first numbers and the verdict", n)
	}
}

func TestD11WhatCanNoLongerCountIsNotWaitedFor(t *testing.T) {
	w := shop()
	w.gates = []gate{{door: "a", mark: clock(today, "15:59:59.999")}}
	if r := w.say(t, venue.EntryReport, "A", 0, clock(today, "18:00")); r.Result.Verdict != venue.VerdictConsistent {
		t.Fatalf("%s, though the gate has delivered the whole window", r.Result.Verdict)
	}
}

func TestD12NoPercentOfNothingAndRecentRecords(t *testing.T) {
	w := shop()
	r := w.say(t, venue.EntryReport, "A", 8, clock(today, "09:30"))
	if _, ok := r.Result.Percent(); ok || r.Result.Verdict != venue.VerdictOver || r.Result.Distance != 8 {
		t.Fatalf("%+v has a percent of nothing", r.Result)
	}
	w.scans("a", 50, clock(today, "14:29:59.999"))
	w.scans("a", 3, clock(today, "14:30"))
	w.scans("a", 4, clock(today, "15:00"))
	w.scans("a", 5, clock(today, "15:00:00.001"))
	r = w.say(t, venue.EntryReport, "A", 57, clock(today, "15:00"))
	if r.Result.Recent != 7 || r.Result.Distance != 0 {
		t.Fatalf("recent %d, distance %d; want 7 and none", r.Result.Recent, r.Result.Distance)
	}
	r = w.say(t, venue.EntryReport, "A", 114, clock(today, "15:00"))
	if p, ok := r.Result.Percent(); !ok || p != 100 {
		t.Fatalf("57 above 57 is %v %%, %v", p, ok)
	}
}

func TestD13TheMidnightPolicy(t *testing.T) {
	w := shop()
	s := func() *Service {
		s := w.service()
		s.Policy.Window = Midnight
		return s
	}
	report := func(kind venue.EntryKind, n int, at time.Time) Receipt {
		t.Helper()
		w.now = at
		r, err := s().Report(context.Background(), Submission{Unit: "A", By: director, Kind: kind, Count: n, At: at})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	w.scans("a", 100, clock(today-1, "23:59:59.999"))
	w.scans("a", 10, clock(today, "00:00"))
	w.scans("a", 20, clock(today, "15:00"))
	w.scans("a", 30, clock(today, "23:59:59.999"))
	w.scans("a", 500, clock(today+1, "00:00"))

	r := report(venue.EntryReport, 30, clock(today, "15:40"))
	if want := (venue.Window{Start: today.Start(), End: (today + 1).Start()}); r.Window != want || r.Late {
		t.Fatalf("window %v, late %v", r.Window, r.Late)
	}
	verdictIs(t, r.Result, venue.VerdictConsistent, 30, 30) // stops at t
	if got := w.kept(t, "A", today).Policy; got != Midnight {
		t.Fatalf("kept under policy %q", got)
	}
	w.reports = map[string]string{}
	if r = report(venue.EntryReport, 30, clock(today, "16:00")); !r.Late || r.Result.High != 30 {
		t.Fatalf("at the deadline: late %v of %d", r.Late, r.Result.High)
	}
	w.reports = map[string]string{}
	r = report(venue.EntryMakeup, 60, clock(today+1, "00:10"))
	if r.Day != today || !r.Late {
		t.Fatalf("make-up for %s, late %v", r.Day, r.Late)
	}
	verdictIs(t, r.Result, venue.VerdictConsistent, 60, 60) // the whole day, settled or not
}

func TestD14ARollUpAddsTheUnitsBelowThatReport(t *testing.T) {
	w := newWorld()
	w.unit("bureau", "", venue.DutyReports)
	w.unit("schools", "bureau", venue.DutyCovered)
	w.unit("s1", "schools", venue.DutyReports)
	w.unit("s2", "schools", venue.DutyReports)
	w.unit("annex", "s1", venue.DutyReports)
	w.unit("closed", "bureau", venue.DutyExempt)
	for n, u := range map[int]string{1: "bureau", 20: "s1", 300: "annex"} {
		w.say(t, venue.EntryReport, u, n, clock(today, "15:00"))
	}
	for unit, want := range map[venue.UnitID]Rollup{
		"bureau":  {Total: 321, Due: 4, Missing: 1},
		"schools": {Total: 320, Due: 3, Missing: 1},
		"s1":      {Total: 320, Due: 2},
		"s2":      {Due: 1, Missing: 1},
		"annex":   {Total: 300, Due: 1},
		"closed":  {},
	} {
		got, err := w.service().Rollup(context.Background(), unit, today)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", unit, got, err, want)
		}
	}
	// Who becomes covered later is in the number of the unit above, not twice.
	w.change("annex", func(u *venue.Unit) { u.Duty = venue.DutyCovered })
	if got, err := w.service().Rollup(context.Background(), "s1", today); err != nil || got.Total != 20 {
		t.Errorf("s1 with a covered annex: %+v, %v", got, err)
	}
}

func TestTheSameMessageTwiceIsOneReport(t *testing.T) {
	w := shop()
	send := func(at time.Time) (Receipt, error) {
		w.now = at
		return w.service().Report(context.Background(), Submission{Unit: "A", By: director, Message: "m1", Kind: venue.EntryReport, Count: 4, At: at})
	}
	// The first attempt keeps the number but dies before the reporter is told.
	w.postErr = errors.New("outbox down")
	if _, err := send(clock(today, "15:59:59")); err == nil {
		t.Fatal("a message that could not be posted was acknowledged")
	}
	w.postErr = nil
	for _, at := range []time.Time{clock(today, "16:00:04"), clock(today, "23:59:59"), clock(today+1, "00:00:01")} {
		r, err := send(at)
		if err != nil || !r.Repeated || r.Late || r.Day != today || r.Former != nil {
			t.Fatalf("retry at %v: %+v, %v", at, r, err)
		}
	}
	if n := len(w.kept(t, "A", today).Entries); n != 1 || len(w.messages) != 1 {
		t.Fatalf("%d numbers and %d messages, want one of each", n, len(w.messages))
	}
}

func TestTheDifferenceGoesToTheReporterAlone(t *testing.T) {
	for _, c := range []struct {
		from venue.ChatAccount
		to   venue.Recipient
	}{
		{venue.ChatAccount{Channel: venue.ChannelRobot, ID: "zhang"}, venue.Recipient{Channel: venue.ChannelWeComApp, ID: "zhang"}},
		{venue.ChatAccount{Channel: venue.ChannelWeComApp, ID: "zhang"}, venue.Recipient{Channel: venue.ChannelWeComApp, ID: "zhang"}},
		{venue.ChatAccount{Channel: venue.ChannelService, ID: "blind"}, venue.Recipient{Channel: venue.ChannelService, ID: "blind"}},
	} {
		w := shop()
		w.scans("a", 50, clock(today, "10:00"))
		w.now = clock(today, "15:00")
		if _, err := w.service().Report(context.Background(), Submission{Unit: "A", By: c.from, Kind: venue.EntryReport, Count: 9, At: w.now}); err != nil {
			t.Fatal(err)
		}
		m := w.messages[0]
		if m.To != c.to || m.Kind != venue.MessageDifference || m.Verdict.Result.Verdict != venue.VerdictUnder || m.Verdict.Reported != 9 || m.Verdict.Unit != "单位A" || len(m.Units) != 1 || m.Units[0].Unit != "A" {
			t.Errorf("from %v: %+v %+v", c.from, m, m.Verdict)
		}
	}
}

func TestANumberOutOfBoundsIsRefused(t *testing.T) {
	for n, ok := range map[int]bool{-1: false, 0: true, 1_000_000: true, 1_000_001: false} {
		w := shop()
		_, err := w.try(venue.EntryReport, "A", n, clock(today, "15:00"))
		if (err == nil) != ok || err != nil && !errors.Is(err, venue.ErrInvalid) {
			t.Errorf("%d: %v", n, err)
		}
	}
}

func TestTwoNumbersAtOnceAreAReportAndACorrection(t *testing.T) {
	w := shop()
	w.now = clock(today, "15:00")
	s := w.service()
	const many = 20
	var wg sync.WaitGroup
	kinds := make([]venue.EntryKind, many)
	for i := range many {
		wg.Go(func() {
			r, err := s.Report(context.Background(), Submission{
				Unit: "A", By: director, Message: fmt.Sprint("m", i), Kind: venue.EntryReport, Count: i, At: clock(today, "15:00"),
			})
			if err != nil || r.Entry.Count != i {
				t.Errorf("number %d: kept %d, %v", i, r.Entry.Count, err)
			}
			kinds[i] = r.Entry.Kind
		})
	}
	wg.Wait()
	slices.Sort(kinds)
	if kinds[many-1] != venue.EntryReport || kinds[many-2] != venue.EntryCorrect {
		t.Fatalf("%v; want one report and corrections", kinds)
	}
	if n := len(w.kept(t, "A", today).Entries); n != many {
		t.Fatalf("%d numbers kept of %d", n, many)
	}
}

func TestTheSameMessageAtOnceIsOneReport(t *testing.T) {
	w := shop()
	w.now = clock(today, "15:00")
	sub := Submission{Unit: "A", By: director, Message: "m", Kind: venue.EntryReport, Count: 7, At: w.now}
	w.race = func() { // the other process is quicker
		if _, err := w.service().Report(context.Background(), sub); err != nil {
			t.Error(err)
		}
	}
	r, err := w.service().Report(context.Background(), sub)
	if err != nil || !r.Repeated || len(w.kept(t, "A", today).Entries) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestAReportStaysWithTheWindowItWasOpenedWith(t *testing.T) {
	w := shop()
	w.say(t, venue.EntryReport, "A", 0, clock(today, "10:00"))
	s := w.service()
	s.Policy.Window = Midnight
	w.now = clock(today, "11:00")
	r, err := s.Report(context.Background(), Submission{Unit: "A", By: director, Kind: venue.EntryReport, At: w.now})
	if err != nil || !r.Window.Start.Equal(clock(today-1, "16:00")) {
		t.Fatalf("window %v, %v", r.Window, err)
	}
}

func TestRefusalsSayNothingOfAnybody(t *testing.T) {
	r := &Refusal{Why: RefusedCovered, Above: "某某单位"}
	if strings.Contains(r.Error(), "某某") {
		t.Fatalf("%q", r.Error())
	}
}

func TestARecordThatACountOverlookedMakesNoVerdictWorse(t *testing.T) {
	w := shop()
	w.scans("a", 10, clock(today, "10:00"))
	w.say(t, venue.EntryReport, "A", 10, clock(today, "15:00"))
	w.scans("a", 40, clock(today, "10:01")) // was on its way into the store
	w.now = clock(today, "15:10")
	if changed, err := w.service().Rejudge(context.Background(), "A", today); !changed || err != nil {
		t.Fatalf("changed %v, %v", changed, err)
	}
	verdictIs(t, lastOf(*w.kept(t, "A", today).Standing()), venue.VerdictConsistent, 10, 50)
	if n := len(w.messages); n != 1 {
		t.Errorf("%d messages; a verdict that stays is told once", n)
	}
	w.facts = w.facts[:0] // nor does one that gets lost
	if _, err := w.service().Rejudge(context.Background(), "A", today); err != nil {
		t.Fatal(err)
	}
	verdictIs(t, lastOf(*w.kept(t, "A", today).Standing()), venue.VerdictConsistent, 0, 50)
}

func TestOverlappingTenuresCountARecordOnce(t *testing.T) {
	w := shop()
	w.door("a", "A")
	w.unit("B", "A", venue.DutyCovered)
	w.tenures = append(w.tenures, venue.Tenure{Door: "a", Unit: "B", Since: clock(today, "09:00"), Until: clock(today, "11:00")})
	w.scans("a", 10, clock(today, "10:00"))
	r := w.say(t, venue.EntryReport, "A", 10, clock(today, "15:00"))
	verdictIs(t, r.Result, venue.VerdictConsistent, 10, 10)
	if len(r.Entry.Spans) != 1 {
		t.Errorf("doors frozen as %v", r.Entry.Spans)
	}
}

func TestUnitsThatStandAboveEachOtherDoNotGoRoundForEver(t *testing.T) {
	w := newWorld()
	w.unit("A", "B", venue.DutyCovered)
	w.unit("B", "A", venue.DutyCovered)
	_, err := w.try(venue.EntryReport, "A", 1, clock(today, "15:00"))
	if r := refusedFor(t, err, RefusedCovered); r.Above != "" {
		t.Errorf("%q reports for it", r.Above)
	}
	w.change("A", func(u *venue.Unit) { u.Duty = venue.DutyReports })
	w.door("b", "B")
	w.scans("b", 5, clock(today, "10:00"))
	if r := w.say(t, venue.EntryReport, "A", 5, clock(today, "15:00")); r.Result.High != 5 {
		t.Errorf("answers for %d, want 5", r.Result.High)
	}
	if got, err := w.service().Rollup(context.Background(), "A", today); err != nil || got != (Rollup{Total: 5, Due: 1}) {
		t.Errorf("rolled up to %+v, %v", got, err)
	}
}
