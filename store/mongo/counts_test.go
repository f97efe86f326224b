package mongo_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/venuecode/venuecode/internal/faultproxy"
	"github.com/venuecode/venuecode/internal/mongotest"
	"github.com/venuecode/venuecode/store/mongo"
	"github.com/venuecode/venuecode/store/storetest"
	"github.com/venuecode/venuecode/venue"
)

// machine is a clock that a test moves.
type machine struct{ ms atomic.Int64 }

func (m *machine) Now() time.Time           { return time.UnixMilli(m.ms.Load()) }
func (m *machine) advance(by time.Duration) { m.ms.Add(by.Milliseconds()) }

// development is the development server's options with a clock of the test's.
func development(uri string, m *machine) mongo.Options {
	m.ms.Store(storetest.Noon.UnixMilli())
	o := server{uri: uri, development: true}.options(database())
	o.Machine = m
	return o
}

// TestCountsStayExactWhileHoursAreSealed lets time pass between scans, so that
// hours are sealed, marked and sealed again by two processes, and purges days, at
// times half-way.
func TestCountsStayExactWhileHoursAreSealed(t *testing.T) {
	ctx := context.Background()
	proxy := faultproxy.Start(t, mongotest.Start(t).Address())
	var clock machine
	o := development(proxy.URI(), &clock)
	engines := []*mongo.Engine{open(t, o), open(t, o)}
	doors := []venue.Code{"D", "门"}
	var all []venue.Scan
	purged := map[venue.Day]bool{}
	n, interrupted := 0, 0

	rapid.Check(t, func(rt *rapid.T) {
		e := rapid.SampledFrom(engines).Draw(rt, "process")
		clock.advance(rapid.SampledFrom([]time.Duration{0, time.Minute, 6 * time.Minute, 16 * time.Minute, 4 * time.Hour}).Draw(rt, "pass"))
		var batch []venue.Scan
		for range rapid.IntRange(0, 3).Draw(rt, "scans") {
			n++
			at := clock.Now().Add(-rapid.SampledFrom([]time.Duration{0, time.Second, 7 * time.Minute, time.Hour, 20 * time.Hour}).Draw(rt, "ago"))
			s := storetest.Scan(n, n, rapid.SampledFrom(doors).Draw(rt, "door"), at)
			batch = append(batch, storetest.Late(s, clock.Now().Sub(s.At)))
		}
		if len(batch) > 0 {
			storetest.Append(rt, e, batch...)
			all = append(all, batch...)
		}
		if today := venue.DayOf(clock.Now()); rapid.IntRange(0, 3).Draw(rt, "purge") == 0 {
			day := today - venue.Day(rapid.IntRange(1, 2).Draw(rt, "days ago"))
			spoilt := rapid.SampledFrom([]string{"", "insert", "update", "update", "drop"}).Draw(rt, "spoilt")
			fault := rapid.SampledFrom([]faultproxy.Fault{faultproxy.Refuse, faultproxy.Half, faultproxy.Lost}).Draw(rt, "fault")
			wait := rapid.IntRange(0, 1).Draw(rt, "requests before")
			proxy.On(func(command string) faultproxy.Fault {
				if command != spoilt {
					return faultproxy.None
				}
				if wait--; wait >= 0 {
					return faultproxy.None
				}
				return fault
			})
			err := e.PurgeDay(ctx, day)
			proxy.On(nil)
			if err != nil {
				interrupted++
				count(rt, engines, all, venue.Span{Door: doors[0], From: day.Start(), To: (day + 1).Start()})
				if err := e.PurgeDay(ctx, day); err != nil {
					rt.Fatal(err)
				}
			}
			purged[day] = true
		}
		from := clock.Now().Add(-time.Duration(rapid.IntRange(0, 80).Draw(rt, "hours")) * time.Hour)
		to := from.Add(time.Duration(rapid.IntRange(0, 80*60).Draw(rt, "minutes")) * time.Minute)
		for day := range purged { // only whole hours are left of a purged day
			if from.Before((day + 1).Start()) {
				from = from.Truncate(time.Hour)
			}
			if !to.Before(day.Start()) {
				to = to.Truncate(time.Hour)
			}
		}
		count(rt, engines, all, venue.Span{Door: rapid.SampledFrom(doors).Draw(rt, "at"), From: from, To: to})
	})
	if !testing.Short() && interrupted == 0 { // a short run may have none
		t.Fatalf("%d purges, %d interrupted: nothing is proved", len(purged), interrupted)
	}
	last := venue.DayOf(clock.Now())
	for day := venue.DayOf(storetest.Noon) - 1; day <= last; day++ {
		if purged[day] {
			continue
		}
		check, err := engines[0].VerifyCounts(ctx, day, day, nil)
		if err != nil || len(check.Differ) > 0 {
			t.Fatalf("recount of %s: %+v %v", day, check, err)
		}
	}
}

// count asks one process after the other.
func count(t storetest.TB, engines []*mongo.Engine, all []venue.Scan, span venue.Span) {
	t.Helper()
	want := 0
	for _, s := range all {
		if s.Door == span.Door && !s.At.Before(span.From) && s.At.Before(span.To) {
			want++
		}
	}
	for _, e := range slices.Concat(engines, engines[:1]) {
		got, err := e.CountScans(context.Background(), []venue.Span{span}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Fatalf("%+v counts %d, want %d", span, got, want)
		}
	}
}

// TestAPurgeOfManyDoors is one of more doors than are written at once, some of
// which have counts already.
func TestAPurgeOfManyDoors(t *testing.T) {
	ctx := context.Background()
	var clock machine
	e := open(t, development(mongotest.Start(t).URI(), &clock))
	const doors = 130
	today := venue.DayOf(storetest.Noon)
	var batch []venue.Scan
	var spans []venue.Span
	for i := range doors {
		door := venue.Code(fmt.Sprint("D", i))
		batch = append(batch, storetest.Scan(i, 1, door, storetest.Noon))
		spans = append(spans, venue.Span{Door: door, From: today.Start(), To: (today + 1).Start()})
	}
	storetest.Append(t, e, batch...)
	clock.advance(3 * time.Hour)
	counts := func(what string, spans []venue.Span, want int) {
		t.Helper()
		if n, err := e.CountScans(ctx, spans, time.Time{}); err != nil || n != want {
			t.Fatalf("%s: %d %v, want %d", what, n, err, want)
		}
	}
	counts("sealed", spans[100:110], 10)
	if err := e.PurgeDay(ctx, today); err != nil {
		t.Fatal(err)
	}
	counts("purged", spans[95:105], 10)
	counts("purged, at the end", spans[doors-5:], 5)
	storetest.Append(t, e, storetest.Scan(1, 9, "D100", storetest.Noon))
	counts("one more since", spans[100:101], 2)
	check, err := e.VerifyCounts(ctx, today, today, nil)
	if err != nil || check.Hours != doors || check.Rows != 1 || len(check.Differ) != 100 {
		t.Fatalf("recount: %d hours, %d rows, %d differ, %v", check.Hours, check.Rows, len(check.Differ), err)
	}
	if err := e.PurgeCounts(ctx, today); err != nil {
		t.Fatal(err)
	}
	counts("counts of earlier days purged", spans[95:96], 1)
	if err := e.PurgeCounts(ctx, today+1); err != nil {
		t.Fatal(err)
	}
	counts("counts of a day with a row purged", spans[95:96], 1)
	if err := e.PurgeDay(ctx, today); err != nil {
		t.Fatal(err)
	}
	if err := e.PurgeCounts(ctx, today+1); err != nil {
		t.Fatal(err)
	}
	counts("counts purged", spans[95:96], 0)
}
