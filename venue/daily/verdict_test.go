package daily

import (
	"testing"

	"github.com/venuecode/venuecode/venue"
)

func TestJudge(t *testing.T) {
	p := DefaultPolicy()
	found := func(low, high int) Found { return Found{Doors: true, Low: low, High: high} }
	waiting := func(f Found, expired bool) Found {
		f.Waiting, f.Expired = []string{"gate"}, expired
		return f
	}
	for _, c := range []struct {
		name     string
		n        int
		f        Found
		want     venue.Verdict
		distance int
	}{
		{"two scans may always differ above", 2, found(0, 0), venue.VerdictConsistent, 0},
		{"three above nothing are over", 3, found(0, 0), venue.VerdictOver, 3},
		{"two scans may always differ below", 8, found(10, 10), venue.VerdictConsistent, 0},
		{"three below are under", 7, found(10, 10), venue.VerdictUnder, 3},
		{"one percent of 200 is two", 203, found(0, 200), venue.VerdictOver, 3},
		{"one percent of 201 is three, rounded up", 204, found(0, 201), venue.VerdictConsistent, 0},
		{"one percent is of the upper count, for the lower bound too", 97, found(100, 201), venue.VerdictConsistent, 0},
		{"the distance is from the count, not from the tolerance", 1011, found(0, 1000), venue.VerdictOver, 11},
		{"anything between the counts is consistent", 500, found(0, 1000), venue.VerdictConsistent, 0},
		{"while a source may deliver nothing is said", 500, waiting(found(0, 10), false), venue.VerdictPending, 490},
		{"not even that it agrees", 10, waiting(found(10, 10), false), venue.VerdictPending, 0},
		{"a missing source may cover what is above", 500, waiting(found(0, 10), true), venue.VerdictPending, 490},
		{"a missing source changes nothing below", 1, waiting(found(10, 10), true), venue.VerdictUnder, 9},
		{"a missing source does not hinder agreement", 10, waiting(found(10, 10), true), venue.VerdictConsistent, 0},
		{"without a door there is nothing to compare", 500, Found{High: 9}, venue.VerdictNone, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := p.Judge(c.n, c.f)
			if a.Verdict != c.want || a.Distance != c.distance {
				t.Fatalf("%d in [%d, %d] ± %d: %s by %d, want %s by %d", c.n, a.Low, a.High, a.Tolerance, a.Verdict, a.Distance, c.want, c.distance)
			}
		})
	}
}

// worse orders the verdicts by what they say of a unit.
var worse = map[venue.Verdict]int{
	venue.VerdictNone: 0, venue.VerdictConsistent: 0, venue.VerdictPending: 1, venue.VerdictUnder: 2, venue.VerdictOver: 2,
}

func FuzzJudge(f *testing.F) {
	f.Add(10, uint16(8), uint16(4), uint16(3), uint16(2), false, false)
	f.Add(1_000_000, uint16(0), uint16(65535), uint16(65535), uint16(65535), true, true)
	f.Add(202, uint16(0), uint16(201), uint16(0), uint16(1), true, false)
	f.Fuzz(func(t *testing.T, n int, low, width, lower, wider uint16, waits, expired bool) {
		if n < 0 || n > MaxCount {
			n = int(uint(n) % (MaxCount + 1))
		}
		p := DefaultPolicy()
		found := Found{Doors: true, Low: int(low), High: int(low) + int(width), Expired: expired}
		if waits {
			found.Waiting = []string{"gate"}
		}
		a := p.Judge(n, found)
		accused := a.Verdict == venue.VerdictOver || a.Verdict == venue.VerdictUnder
		if accused && n >= found.Low && n <= found.High {
			t.Fatalf("%d lies within [%d, %d] and is called %s", n, found.Low, found.High, a.Verdict)
		}
		if accused && (n-found.High)*100 <= found.High && n > found.High {
			t.Fatalf("%d is within one percent of %d and is called %s", n, found.High, a.Verdict)
		}
		if waits && a.Verdict == venue.VerdictOver {
			t.Fatal("over while a source is missing")
		}
		if waits && !expired && a.Verdict != venue.VerdictPending {
			t.Fatalf("%s while a source may deliver", a.Verdict)
		}
		if a.Verdict == venue.VerdictConsistent && a.Distance != 0 {
			t.Fatalf("consistent by %d", a.Distance)
		}
		// What is learnt later widens the counts, and that never hurts.
		found.Low, found.High = max(0, found.Low-int(lower)), found.High+int(wider)
		if b := p.Judge(n, found); worse[b.Verdict] > worse[a.Verdict] {
			t.Fatalf("wider counts turn %s into %s", a.Verdict, b.Verdict)
		}
	})
}
