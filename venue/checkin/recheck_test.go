package checkin_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/checkin"
)

// scan lets person n scan, under a request id of its own, and expects no error.
func (w *world) scan(n int, h venue.Health) string {
	w.t.Helper()
	w.colours[who(n)] = h
	r := request(fmt.Sprintf("%d-%d", n, len(w.rows)))
	r.Person = who(n)
	p, err := w.Checkin(ctx, r)
	if err != nil {
		w.t.Fatal(err)
	}
	return p.ScanID
}

func TestAnOutageOfManyIsMadeUpForWithinAMinute(t *testing.T) {
	for _, people := range []int{1, 7, 8, 9, 499, 500, 501, 3000} {
		t.Run(fmt.Sprint(people), func(t *testing.T) {
			w := newWorld(t)
			w.advance(0)
			w.silent = true
			red := 0
			for n := range people {
				h := venue.HealthGreen
				if n%10 == 3 {
					h = venue.HealthRed
					red++
				}
				w.scan(n, h)
				if n%50 == 0 {
					w.advance(time.Second)
				}
			}
			w.probes = 0
			w.advance(10 * time.Minute)
			if w.probes > 8*20 {
				t.Errorf("%d calls to a dead service in ten minutes", w.probes)
			}
			if len(w.done) != 0 || w.alarms() != 0 {
				t.Fatal("settled without an answer")
			}
			w.silent = false
			w.advance(time.Minute)
			if len(w.done) != people || len(w.told) != people || w.alarms() != red {
				t.Fatalf("a minute later %d of %d settled, %d told, %d of %d alarmed", len(w.done), people, len(w.told), w.alarms(), red)
			}
			for _, m := range w.posted {
				if !m.Alarm.Recheck {
					t.Fatal("the alarm does not say that it comes from asking again")
				}
			}
			if _, waiting, _ := w.recheck.Next(ctx); waiting {
				t.Error("still due with nothing to do")
			}
		})
	}
}

func TestACrashBetweenRecordAndAlarmIsFoundAtTheNextStart(t *testing.T) {
	w := newWorld(t)
	w.advance(5 * time.Minute)
	w.postErr = errDown
	w.scan(1, venue.HealthRed)
	w.postErr = nil
	w.restart() // what was told to the sweep is forgotten
	w.advance(time.Second)
	if w.alarms() != 1 {
		t.Fatalf("%d alarms, want 1", w.alarms())
	}
	w.restart()
	w.advance(time.Hour)
	if w.alarms() != 1 || len(w.kept) != 1 {
		t.Fatalf("%d alarms, settled %d times", w.alarms(), len(w.kept))
	}
}

func TestARestartGoesOnWhereTheOutageWas(t *testing.T) {
	w := newWorld(t)
	w.advance(0)
	w.silent = true
	id := w.scan(1, venue.HealthGreen)
	w.advance(3 * time.Hour)
	w.restart()
	w.silent = false
	w.advance(time.Second)
	if h, ok := w.done[id]; !ok || h != venue.HealthGreen {
		t.Fatalf("settled as %v, %v", h, ok)
	}
}

func TestAPersonWithoutACodeIsAskedForOnceMore(t *testing.T) {
	w := newWorld(t)
	w.advance(0)
	w.scan(1, venue.HealthUnknown)
	w.advance(time.Hour)
	if w.probes != 1 || len(w.done) != 1 || len(w.told) != 0 {
		t.Fatalf("%d probes, %d settled, %d told", w.probes, len(w.done), len(w.told))
	}
}

func TestOneThatFailsDoesNotKeepTheOthersWaiting(t *testing.T) {
	for name, spoil := range map[string]func(w *world, first int){
		"its reference does not open":      func(w *world, i int) { w.rows[i].Person = []byte("broken") },
		"the service never answers for it": func(w *world, i int) { w.lost[who(i)] = true },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.advance(0)
			w.silent = true
			for n := range 40 {
				w.scan(n, venue.HealthGreen)
				w.advance(time.Second)
			}
			w.silent = false
			for i := range 5 { // the first to be asked for
				spoil(w, i)
			}
			w.advance(5 * time.Minute)
			if len(w.done) != 35 {
				t.Fatalf("%d of 35 settled", len(w.done))
			}
			if due, ok, _ := w.recheck.Next(ctx); !ok || due.After(w.Now().Add(time.Minute)) {
				t.Fatalf("the five are given up: %s, %v", due, ok)
			}
			w.advance(25 * time.Hour) // after a day nobody waits at the door any more
			if _, waiting, _ := w.recheck.Next(ctx); waiting {
				t.Fatal("still tried after a day")
			}
		})
	}
}

func TestAFaultIsReported(t *testing.T) {
	w := newWorld(t)
	w.silent = true
	w.scan(1, venue.HealthGreen)
	w.silent = false
	w.rows[0].Person = nil
	if _, _, err := w.recheck.Run(ctx, w.Now()); !errors.Is(err, errBroken) {
		t.Fatalf("got %v", err)
	}
}

func TestAScanToldOfDuringASweepIsNotForgotten(t *testing.T) {
	// With a standing clock many scans carry the same instant; one may be stored
	// behind the sweep that its predecessor caused.
	w := newWorld(t)
	w.advance(0)
	w.silent = true
	w.scan(1, venue.HealthGreen)
	w.setNow(noon.Add(5 * time.Second))
	w.silent = false
	tell := w.recheck.Tell
	w.recheck.Tell = func(c2 ctxT, p venue.PersonID, s venue.Scan, r venue.Reading) error {
		w.recheck.Tell = tell
		late := w.rows[0] // another of the same instant
		late.Key[31] ^= 0xFF
		w.mu.Lock()
		w.rows = append(w.rows, late)
		w.mu.Unlock()
		w.recheck.Waiting(late.Received)
		return tell(c2, p, s, r)
	}
	w.advance(time.Minute)
	if len(w.done) != 2 {
		t.Fatalf("%d of 2 settled", len(w.done))
	}
}

func TestAScanStoredFarBehindTheCursorIsFound(t *testing.T) {
	w := newWorld(t)
	w.advance(0)
	w.advance(3 * time.Hour)
	w.scan(1, venue.HealthUnknown)
	w.advance(time.Minute) // the cursor is past noon by hours
	w.silent = true
	late := w.rows[0]
	late.Key[31] ^= 0xFF
	late.At, late.Received = noon, noon // its request was under way when the clock was moved
	w.rows = append(w.rows, late)
	w.recheck.Waiting(late.Received)
	w.advance(10 * time.Minute)
	w.silent = false
	w.advance(time.Minute)
	if _, ok := w.done[late.Key.ID()]; !ok {
		t.Fatal("never looked at")
	}
}

func TestEveryUnknownScanIsSettledOnceAndEveryRedOneRaised(t *testing.T) {
	steps := []string{"scan", "scan", "outage", "recovery", "restart", "wait", "post fails", "crash"}
	for seed := range uint64(120) {
		w := newWorld(t)
		rng := rand.New(rand.NewPCG(seed, 1))
		unknown, red := map[string]bool{}, 0
		person := 0
		for range 1 + rng.IntN(25) {
			switch steps[rng.IntN(len(steps))] {
			case "scan":
				for range rng.IntN(40) {
					person++
					h := venue.Health(1 + rng.IntN(3))
					held := w.silent
					w.colours[who(person)] = h
					r := request(fmt.Sprint(person))
					r.Person = who(person)
					p, err := w.Checkin(ctx, r)
					if err != nil {
						t.Fatal(err)
					}
					if held {
						unknown[p.ScanID] = true
					}
					if h == venue.HealthRed {
						red++
					}
					if rng.IntN(4) == 0 {
						w.advance(time.Duration(rng.IntN(3000)) * time.Millisecond)
					}
				}
			case "outage":
				w.silent = true
			case "recovery":
				w.silent = false
			case "restart":
				w.restart()
			case "wait":
				w.advance(time.Duration(rng.IntN(400)) * time.Second)
			case "post fails":
				w.postErr = errDown
			case "crash":
				w.crash = errDown
				w.advance(10 * time.Second)
				w.crash = nil
				w.restart()
			}
			if rng.IntN(2) == 0 {
				w.postErr = nil
			}
		}
		w.silent, w.postErr = false, nil
		w.restart()
		w.advance(2 * time.Minute)
		times := map[string]int{}
		for _, id := range w.kept {
			times[id]++
		}
		for id := range unknown {
			if times[id] != 1 {
				t.Fatalf("seed %d: an unknown scan was settled %d times", seed, times[id])
			}
		}
		if w.alarms() != red {
			t.Fatalf("seed %d: %d alarms of %d red scans", seed, w.alarms(), red)
		}
		for id, n := range times {
			if n != 1 {
				t.Fatalf("seed %d: %s settled %d times", seed, id, n)
			}
		}
	}
}

func TestAScanThatAnotherProcessRecordedIsFound(t *testing.T) {
	w := newWorld(t)
	w.recheck.Look = 5 * time.Second
	w.scan(1, venue.HealthUnknown)
	w.advance(time.Minute)
	other := w.rows[0]
	other.Key[31] ^= 0xFF
	other.Received = w.Now()
	w.rows = append(w.rows, other) // and nobody tells
	w.advance(w.recheck.Look)
	if _, ok := w.done[other.Key.ID()]; !ok {
		t.Fatal("not looked at within 5 s")
	}
}

func TestTheJobIsNotDueWithoutAScanThatWaits(t *testing.T) {
	w := newWorld(t)
	if due, ok, _ := w.recheck.Next(ctx); !ok || !due.Equal(noon) {
		t.Fatalf("at the start: %s, %v", due, ok)
	}
	w.advance(time.Hour)
	w.scan(1, venue.HealthGreen)
	if _, ok, _ := w.recheck.Next(ctx); ok {
		t.Fatal("due for a green scan")
	}
	if w.recheck.Name() != "recheck" {
		t.Fatal("the job has another name")
	}
}

var _ checkin.Prober = (*world)(nil)
