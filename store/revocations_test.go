package store_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/storetest"
)

type hand struct{ ms atomic.Int64 }

func (h *hand) Now() time.Time       { return time.UnixMilli(h.ms.Load()) }
func (h *hand) pass(d time.Duration) { h.ms.Add(d.Milliseconds()) }

func TestEndedSessionsAreKnownWithinTwoSeconds(t *testing.T) {
	const life = 30 * 24 * time.Hour
	ctx := context.Background()
	e := &away{Engine: openStore(t)}
	civil, machine := &hand{}, &hand{}
	civil.ms.Store(1652855400_000)
	machine.ms.Store(1652855400_000)
	rows := store.NewCollection[store.RevocationRow](e, store.RevocationRows)
	end := func(family int64, at time.Time) {
		t.Helper()
		if err := rows.Insert(ctx, store.RevocationID(family), store.RevocationRow{At: at}); err != nil {
			t.Fatal(err)
		}
	}
	end(-5, civil.Now())
	r, err := store.OpenRevocations(ctx, e, civil, machine, life)
	if err != nil {
		t.Fatal(err)
	}
	want := func(what string, ended bool, families ...int64) {
		t.Helper()
		for _, f := range families {
			if got, err := r.Revoked(ctx, f); err != nil || got != ended {
				t.Errorf("%s: family %d ended: %v, %v", what, f, got, err)
			}
		}
	}
	want("ended before the start", true, -5)
	end(7, civil.Now()) // at the same instant: the demo's clock stands
	want("a look has just been taken", false, 7, 8)
	machine.pass(2 * time.Second)
	want("the next look", true, -5, 7)
	civil.pass(time.Hour)
	end(8, civil.Now())
	machine.pass(2 * time.Second)
	want("the tail", true, 8)
	end(9, civil.Now().Add(-time.Minute)) // its write took a minute
	machine.pass(2 * time.Second)
	want("a late row", true, 9)
	end(10, civil.Now())
	r.LookAgain()
	want("asked to look", true, 10)

	e.away = true // what is known stays true
	machine.pass(2 * time.Second)
	want("the store is away", true, 7, 10)
	r.LookAgain()
	want("asked to look while it is", false, 14)
	e.away = false
	end(14, civil.Now())
	want("it is back", true, 14)
	end(12, civil.Now().Add(time.Hour))
	machine.pass(2 * time.Second)
	want("by a clock that was ahead", true, 12)
	end(13, civil.Now())
	machine.pass(2 * time.Second)
	want("after it", true, 13)

	civil.pass(life)
	end(11, civil.Now())
	machine.pass(2 * time.Second)
	if n, err := r.Sweep(ctx, civil.Now()); err != nil || n != 3 {
		t.Errorf("swept %d, %v; want the three whose sessions have expired", n, err)
	}
	want("swept", false, -5, 7, 9)
	want("not yet expired to the millisecond", true, 8, 10, 11)

	if err := e.Insert(ctx, store.RevocationRows.Name, "no family", storetest.Body(t, store.RevocationRow{At: civil.Now()})); err != nil {
		t.Fatal(err)
	}
	machine.pass(2 * time.Second)
	if _, err := r.Revoked(ctx, 1); err == nil {
		t.Error("a list that can not be read ends nobody")
	}
}
