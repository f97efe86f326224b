package daily

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// The oracle says again, scan by scan and upward from the door, what the rules
// say about a number. It shares no code with the service: not the windows, not
// the spans, not the way down from a unit.
type oracle struct {
	low, high int
	doors     bool
	waits     bool
}

// answers is the nearest unit upward from owner, itself included, that reports.
func (w *world) answers(owner venue.UnitID, t time.Time) venue.UnitID {
	for owner != "" {
		for _, u := range w.units {
			if u.ID != owner {
				continue
			}
			if u.DutyOn(venue.DayOf(t)) == venue.DutyReports {
				return u.ID
			}
			owner = u.Parent
			break
		}
	}
	return ""
}

func (w *world) ask(unit venue.UnitID, start, end, t time.Time, makeup bool, upward func(venue.UnitID) venue.UnitID) oracle {
	var o oracle
	last := t
	if !t.Before(end) {
		last = end.Add(-time.Millisecond)
	}
	for _, tn := range w.tenures {
		overlaps := tn.Since.Before(end) && (tn.Until.IsZero() || tn.Until.After(start))
		if tn.Since.After(t) || !overlaps || upward(tn.Unit) != unit {
			continue
		}
		o.doors = true
		for _, g := range w.gates {
			o.waits = o.waits || g.door == tn.Door && g.mark.Before(last)
		}
		for _, f := range w.facts {
			owned := f.door == tn.Door && !f.at.Before(tn.Since) && (tn.Until.IsZero() || f.at.Before(tn.Until))
			if !owned || f.received.After(w.now) || f.at.Before(start) || !f.at.Before(end) {
				continue
			}
			if (makeup || !f.at.After(t)) && !(!f.voided.IsZero() && !f.voided.After(t)) {
				o.high++
			}
			doubted := !f.flagged.IsZero() && !f.flagged.After(w.now) || !f.voided.IsZero() && !f.voided.After(w.now)
			if (makeup || f.at.Before(t.Add(-30*time.Minute))) && !f.received.After(t) && !doubted {
				o.low++
			}
		}
	}
	return o
}

// verdict of rules §3 in as many words.
func (o oracle) verdict(n int, expired bool) venue.Verdict {
	tol := 2
	for tol*100 < o.high {
		tol++
	}
	switch {
	case !o.doors:
		return venue.VerdictNone
	case o.waits && !expired:
		return venue.VerdictPending
	case n > o.high+tol && o.waits:
		return venue.VerdictPending
	case n > o.high+tol:
		return venue.VerdictOver
	case n < o.low-tol:
		return venue.VerdictUnder
	}
	return venue.VerdictConsistent
}

// history makes up a tree of units, doors that change hands, and two days of
// scans that arrive late, are flagged, released and voided.
func history(rng *rand.Rand) *world {
	w := newWorld()
	duties := []venue.Duty{venue.DutyReports, venue.DutyReports, venue.DutyCovered, venue.DutyExempt}
	for i := range 7 {
		parent := ""
		if i > 0 && rng.IntN(5) > 0 {
			parent = fmt.Sprint("u", rng.IntN(i))
		}
		w.unit(fmt.Sprint("u", i), parent, duties[rng.IntN(len(duties))])
	}
	open := clock(today-1, "16:00")
	some := func(from time.Time, within time.Duration) time.Time {
		return from.Add(time.Duration(rng.Int64N(int64(within))).Truncate(time.Millisecond))
	}
	for i := range 6 {
		door := venue.Code(fmt.Sprint("d", i))
		owner := func() venue.UnitID { return venue.UnitID(fmt.Sprint("u", rng.IntN(7))) }
		since := (today - 3).Start()
		for range rng.IntN(3) {
			until := some(open, 24*time.Hour)
			if until.After(since) {
				w.tenures = append(w.tenures, venue.Tenure{Door: door, Unit: owner(), Since: since, Until: until})
				since = until
			}
		}
		w.tenures = append(w.tenures, venue.Tenure{Door: door, Unit: owner(), Since: since})
		if rng.IntN(4) == 0 {
			w.gates = append(w.gates, gate{door: door, mark: some(open, 30*time.Hour)})
		}
	}
	// Much happens near the edges of the window and of the settling time.
	edges := []time.Time{open, clock(today, "15:00"), clock(today, "15:30"), clock(today, "16:00")}
	for i := range 400 {
		at := some(open.Add(-time.Hour), 26*time.Hour)
		if rng.IntN(2) == 0 {
			at = edges[rng.IntN(len(edges))].Add(time.Duration(rng.IntN(5)-2) * time.Millisecond)
		}
		f := fact{door: venue.Code(fmt.Sprint("d", rng.IntN(6))), at: at, received: at, person: fmt.Sprint(i % 90)}
		if rng.IntN(4) == 0 {
			f.received = some(at, 10*time.Hour)
		}
		if rng.IntN(6) == 0 {
			f.flagged = some(f.received, 8*time.Hour)
			if rng.IntN(2) == 0 {
				f.released = some(f.flagged, 3*time.Hour)
			}
		}
		if rng.IntN(9) == 0 {
			f.voided = some(f.received, 8*time.Hour)
		}
		w.facts = append(w.facts, f)
	}
	return w
}

func TestEveryVerdictIsTheOracles(t *testing.T) {
	ctx := context.Background()
	seen := map[venue.Verdict]int{}
	var improved int
	for seed := range uint64(150) {
		rng := rand.New(rand.NewPCG(seed, 3))
		w := history(rng)
		start, end := clock(today-1, "16:00"), clock(today, "16:00")
		for _, u := range w.units {
			kind, at := venue.EntryReport, []time.Time{
				clock(today, "15:00"), clock(today, "15:30"), clock(today, "15:59:59.999"), clock(today, "16:00"), clock(today, "18:00"),
				today.Start().Add(time.Duration(rng.IntN(86_400_000)) * time.Millisecond),
			}[rng.IntN(6)]
			if rng.IntN(4) == 0 {
				kind, at = venue.EntryMakeup, (today + 1).Start().Add(time.Duration(rng.IntN(86_400_000))*time.Millisecond)
			}
			w.now = at
			// The tree of t, since it changes below.
			above := map[venue.UnitID]venue.UnitID{}
			for _, o := range w.units {
				above[o.ID] = w.answers(o.ID, at)
			}
			upward := func(id venue.UnitID) venue.UnitID { return above[id] }
			want := w.ask(u.ID, start, end, at, kind == venue.EntryMakeup, upward)
			n := max(0, want.high+rng.IntN(25)-12)
			if rng.IntN(2) == 0 {
				n = max(0, want.low+rng.IntN(25)-12)
			}
			r, err := w.try(kind, string(u.ID), n, at)
			if above[u.ID] != u.ID {
				if err == nil {
					t.Fatalf("seed %d: %s does not report and was kept", seed, u.ID)
				}
				continue
			}
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			check := func(a venue.Assessment, o oracle) {
				t.Helper()
				verdict := o.verdict(n, !w.now.Before(end.Add(24*time.Hour)))
				if a.Verdict != verdict || a.Low != o.low || a.High != o.high {
					t.Fatalf("seed %d: %s %d of %s at %s, seen at %s: %s in [%d, %d]; want %s in [%d, %d]", seed, kind, n, u.ID,
						venue.FormatInstant(at), venue.FormatInstant(w.now), a.Verdict, a.Low, a.High, verdict, o.low, o.high)
				}
				seen[a.Verdict]++
			}
			check(r.Result, want)

			// Later, the tree is another one, rows came in, flags came and went.
			w.change(fmt.Sprint("u", rng.IntN(7)), func(u *venue.Unit) { u.Duty = venue.DutyExempt })
			before := r.Result
			for _, wait := range []time.Duration{time.Minute, 5 * time.Hour, 40 * time.Hour} {
				w.now = w.now.Add(wait)
				day := today
				if _, err := w.service().Rejudge(ctx, u.ID, day); err != nil {
					t.Fatal(err)
				}
				a := lastOf(*w.kept(t, string(u.ID), day).Standing())
				check(a, w.ask(u.ID, start, end, at, kind == venue.EntryMakeup, upward))
				if before.Verdict != venue.VerdictPending && worse[a.Verdict] > worse[before.Verdict] {
					t.Fatalf("seed %d: a look at %v turned %s into %s", seed, w.now, before.Verdict, a.Verdict)
				}
				if worse[a.Verdict] < worse[before.Verdict] {
					improved++
				}
				before = a
			}
		}
	}
	for _, v := range []venue.Verdict{venue.VerdictNone, venue.VerdictPending, venue.VerdictConsistent, venue.VerdictOver, venue.VerdictUnder} {
		if seen[v] == 0 {
			t.Errorf("no history led to %s: %v", v, seen)
		}
	}
	if improved == 0 {
		t.Error("no verdict ever got better: the histories are too tame")
	}
}

// An honest unit counts people as they pass its doors, on paper. It stops
// counting some time within the last half hour, and knows nothing of flags,
// gates that upload late, or records voided in an office.
func TestAnHonestUnitIsNeverCalledALiar(t *testing.T) {
	ctx := context.Background()
	for seed := range uint64(150) {
		rng := rand.New(rand.NewPCG(seed, 4))
		w := history(rng)
		for i := range w.facts {
			// What an office voided before t is no passage; the paper has it neither.
			if f := &w.facts[i]; !f.voided.IsZero() {
				f.voided = later(f.voided, clock(today, "23:00"))
			}
		}
		at := today.Start().Add(time.Duration(rng.IntN(23*3_600_000)) * time.Millisecond)
		stopped := at.Add(-time.Duration(rng.IntN(30*60_000+1)) * time.Millisecond)
		for _, u := range w.units {
			if w.answers(u.ID, at) != u.ID {
				continue
			}
			n := 0
			for _, tn := range w.tenures {
				for _, f := range w.facts {
					passed := f.door == tn.Door && !f.at.Before(tn.Since) && (tn.Until.IsZero() || f.at.Before(tn.Until)) &&
						w.answers(tn.Unit, at) == u.ID && !tn.Since.After(at)
					if passed && !f.at.Before(clock(today-1, "16:00")) && f.at.Before(clock(today, "16:00")) && f.at.Before(stopped) {
						n++
					}
				}
			}
			// Every gate says how far it has delivered, and says the truth.
			for i, g := range w.gates {
				for _, f := range w.facts {
					if f.door == g.door && f.received.After(at) && !f.at.After(at) {
						w.gates[i].mark = earlier(w.gates[i].mark, f.at.Add(-time.Millisecond))
					}
				}
			}
			for i := range w.facts {
				f := &w.facts[i]
				gated := false
				for _, g := range w.gates {
					gated = gated || g.door == f.door
				}
				if !gated {
					f.received = f.at // the server's own records are there at once
				}
			}
			w.say(t, venue.EntryReport, string(u.ID), n, at)
			for _, wait := range []time.Duration{0, time.Hour, 40 * time.Hour} {
				w.now = w.now.Add(wait)
				if _, err := w.service().Rejudge(ctx, u.ID, today); err != nil {
					t.Fatal(err)
				}
				a := lastOf(*w.kept(t, string(u.ID), today).Standing())
				if a.Verdict == venue.VerdictOver || a.Verdict == venue.VerdictUnder {
					t.Fatalf("seed %d: an honest %d is called %s of [%d, %d]", seed, n, a.Verdict, a.Low, a.High)
				}
			}
		}
	}
}
