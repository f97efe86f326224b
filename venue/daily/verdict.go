package daily

import (
	"slices"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// Found is what the platform has on record beside one number.
type Found struct {
	Doors   bool // whether any door counts for the unit
	Low     int  // undoubted records that had arrived by the instant and were settled
	High    int  // all records up to the instant
	Recent  int  // those of High within the settling time
	Counts  venue.Counts
	Waiting []string // sources that may still deliver something up to the instant
	Expired bool     // nobody waits for them any longer
}

// Judge compares the reported n with what was found.
//
// n is consistent from Low − tolerance to High + tolerance. The distance is
// taken from Low or High themselves, since these are the numbers that people
// are shown. As long as a source has not delivered, the verdict is pending;
// once nobody waits for it, a number above the records stays pending, because
// the missing records might cover it, while one below them is under: nothing
// that arrives later can lower what had arrived (D5). Without a door there is
// nothing to compare (D6).
func (p Policy) Judge(n int, f Found) venue.Assessment {
	if !f.Doors {
		return venue.Assessment{Verdict: venue.VerdictNone}
	}
	a := venue.Assessment{
		Low: f.Low, High: f.High, Recent: f.Recent,
		Tolerance: max(p.TolMin, (f.High*p.TolPercent+99)/100),
		Verdict:   venue.VerdictConsistent,
		Counts:    f.Counts,
		Waiting:   slices.Clone(f.Waiting),
	}
	switch {
	case n > a.High+a.Tolerance:
		a.Verdict, a.Distance = venue.VerdictOver, n-a.High
	case n < a.Low-a.Tolerance:
		a.Verdict, a.Distance = venue.VerdictUnder, a.Low-n
	}
	if len(a.Waiting) > 0 && (!f.Expired || a.Verdict == venue.VerdictOver) {
		a.Verdict = venue.VerdictPending
	}
	return a
}

// tick is the resolution of instants: all that the stores keep.
const tick = time.Millisecond

// limits are the parts of a window that the counts are taken over.
type limits struct {
	low, high, recent venue.Window
}

// limits for a number compared as of t. The record of t itself counts, nothing
// at or after the window's end does (D2). A make-up is compared with the whole
// window (D13).
func (p Policy) limits(w venue.Window, kind venue.EntryKind, t time.Time) limits {
	until := func(end time.Time) venue.Window {
		return venue.Window{Start: w.Start, End: earlier(end, w.End)}
	}
	l := limits{low: until(t.Add(-p.Settle)), high: until(t.Add(tick))}
	l.recent = venue.Window{Start: later(w.Start, t.Add(-p.Settle)), End: l.high.End}
	if kind == venue.EntryMakeup {
		l.low, l.high = w, w
		l.recent.End = earlier(t.Add(tick), w.End)
	}
	return l
}

// within cuts spans to w.
func within(spans []venue.Span, w venue.Window) []venue.Span {
	var out []venue.Span
	for _, s := range spans {
		s.From, s.To = later(s.From, w.Start), earlier(s.To, w.End)
		if s.From.Before(s.To) {
			out = append(out, s)
		}
	}
	return out
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
