package storetest

import (
	"bytes"
	"cmp"
	"context"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// full is a scan with every field set.
func full() venue.Scan {
	s := Late(Scan(1, 1, "CS-0000-0000-001", Noon.Add(123*time.Millisecond)), 456*time.Millisecond)
	s.Unit, s.Direction, s.Presence = "单位甲", venue.Out, venue.PresenceStaffed
	s.Method, s.Health, s.Decision = venue.MethodSentry, venue.HealthRed, venue.Refuse
	s.Proxy = []byte{0, 1, 2, 255}
	return s
}

func scans(t *testing.T, h Harness) {
	ctx := context.Background()
	today := venue.DayOf(Noon)
	minutes := func(n int) time.Time { return Noon.Add(time.Duration(n) * time.Minute) }

	t.Run("a scan is read back with every field", func(t *testing.T) {
		e := h.open(t)
		bare := venue.Scan{Key: Key(2, 1), At: Noon, Received: Noon, Door: "D"}
		Append(t, e, full(), bare)
		for _, want := range []venue.Scan{full(), bare} {
			got, err := e.Scan(ctx, today, want.Key)
			must(t, err)
			sameScans(t, "read back", []venue.Scan{got}, want)
		}
	})
	t.Run("a scan that is not there, or not on that day, is ErrNotFound", func(t *testing.T) {
		e := h.open(t)
		Append(t, e, full())
		_, err := e.Scan(ctx, today, Key(1, 2))
		wantErr(t, err, venue.ErrNotFound)
		_, err = e.Scan(ctx, today-1, full().Key)
		wantErr(t, err, venue.ErrNotFound)
		_, err = e.Scan(ctx, today+1, full().Key)
		wantErr(t, err, venue.ErrNotFound)
	})
	t.Run("instants come back in UTC, cut to milliseconds, whatever zone they came in", func(t *testing.T) {
		e := h.open(t)
		s := full()
		s.At = s.At.In(venue.Zone).Add(999 * time.Microsecond)
		s.Received = s.Received.Add(1)
		s.HealthAt = s.HealthAt.In(time.FixedZone("", -3600))
		outcomes, err := e.Append(ctx, []venue.Scan{s})
		must(t, err)
		sameScans(t, "told as stored", []venue.Scan{outcomes[0].Stored}, full())
		got, err := e.Scan(ctx, today, s.Key)
		must(t, err)
		sameScans(t, "read back", []venue.Scan{got}, full())
	})
	t.Run("an empty batch is no error", func(t *testing.T) {
		outcomes, err := h.open(t).Append(ctx, nil)
		must(t, err)
		if len(outcomes) != 0 {
			t.Fatalf("%d outcomes", len(outcomes))
		}
	})
	t.Run("a repeat is told with the row already known", func(t *testing.T) {
		e := h.open(t)
		Append(t, e, full())
		again := full()
		again.At, again.Received = again.At.Add(time.Minute), again.Received.Add(time.Minute)
		again.Health = venue.HealthGreen // asked again, answered otherwise: not content
		wantOutcome(t, e, again, venue.ScanRepeated, full())
		if n := len(Collect(t, e.OfPerson(ctx, today, Pseudonym(1)))); n != 1 {
			t.Fatalf("%d visits, want 1", n)
		}
	})
	t.Run("the same id with other content is a conflict and nothing is stored", func(t *testing.T) {
		e := h.open(t)
		Append(t, e, full())
		other := full()
		other.Hash[3]++
		other.Door = "another"
		wantOutcome(t, e, other, venue.ScanConflict, full())
		sameScans(t, "at the other door", Collect(t, e.AtDoor(ctx, "another", minutes(-60), minutes(60))))
	})
	t.Run("scans of one batch may repeat each other", func(t *testing.T) {
		e := h.open(t)
		other := full()
		other.Hash[0]++
		outcomes, err := e.Append(ctx, []venue.Scan{full(), Scan(9, 9, "D", Noon), full(), other})
		must(t, err)
		for i, want := range []venue.ScanOutcomeKind{venue.ScanNew, venue.ScanNew, venue.ScanRepeated, venue.ScanConflict} {
			if outcomes[i].Kind != want {
				t.Fatalf("outcome %d is %d, want %d", i, outcomes[i].Kind, want)
			}
		}
		sameScans(t, "conflict", []venue.Scan{outcomes[3].Stored}, full())
		wantCount(t, e, "CS-0000-0000-001", 1)
	})
	t.Run("a repeat after midnight is found under Prior on the day before", func(t *testing.T) {
		e := h.open(t)
		midnight := (today + 1).Start()
		first := Scan(1, 7, "D", midnight.Add(-time.Second))
		Append(t, e, first)
		again := first
		again.Key, again.Prior = Key(2, 7), first.Key // another day, another pseudonym
		again.At, again.Received = midnight.Add(time.Second), midnight.Add(time.Second)
		wantOutcome(t, e, again, venue.ScanRepeated, first)
		again.Hash[0]++
		wantOutcome(t, e, again, venue.ScanConflict, first)
		again.Key, again.Prior = Key(2, 8), Key(1, 8)
		wantOutcome(t, e, again, venue.ScanNew, again)
	})
	t.Run("Prior is looked for on the day before only", func(t *testing.T) {
		e := h.open(t)
		first := Scan(1, 7, "D", Noon)
		Append(t, e, first)
		for _, later := range []time.Duration{0, 48 * time.Hour} {
			s := Scan(2, int(later), "D", Noon.Add(later))
			s.Prior = first.Key
			wantOutcome(t, e, s, venue.ScanNew, s)
		}
	})
	t.Run("of concurrent callers with one id exactly one is new and all hear of the same row", func(t *testing.T) {
		e := h.open(t)
		var mu sync.Mutex
		var stored []venue.Scan
		news := 0
		inParallel(t, h.crowd(50), func(i int) error {
			s := full()
			s.At = s.At.Add(time.Duration(i) * time.Millisecond)
			outcomes, err := e.Append(ctx, []venue.Scan{s, Scan(100+i, i, "D", Noon)})
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			stored = append(stored, outcomes[0].Stored)
			if outcomes[0].Kind == venue.ScanNew {
				news++
			} else if outcomes[0].Kind != venue.ScanRepeated {
				t.Errorf("outcome %d, want repeated", outcomes[0].Kind)
			}
			return nil
		})
		if news != 1 {
			t.Fatalf("%d are new, want 1", news)
		}
		for _, s := range stored {
			sameScans(t, "heard of", []venue.Scan{s}, stored[0])
		}
		wantCount(t, e, "CS-0000-0000-001", 1)
		wantCount(t, e, "D", h.crowd(50))
	})
	t.Run("a cancelled context appends nothing new to wait for", func(t *testing.T) {
		_, err := h.open(t).Append(cancelled(), []venue.Scan{full()})
		wantErr(t, err, context.Canceled)
	})
	t.Run("a door's scans come oldest first, ties by key, with from ≤ At < to", func(t *testing.T) {
		e := h.open(t)
		door := venue.Code("门")
		var all []venue.Scan
		for i := range 40 {
			s := Scan(i*7%40, i, door, minutes(i/4*30)) // twenty hours, across midnight, four of each instant
			all = append(all, s)
		}
		shuffled := slices.Clone(all)
		rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		Append(t, e, shuffled...)
		Append(t, e, Scan(99, 1, "门2", Noon), Scan(99, 2, "", Noon), Scan(99, 3, "门\x00", Noon))
		slices.SortFunc(all, byAt)
		for _, c := range [][2]time.Time{
			{minutes(-1), minutes(5000)}, {minutes(0), minutes(270)}, {minutes(30), minutes(31)},
			{minutes(30).Add(1), minutes(60)}, {minutes(30), minutes(60).Add(1)}, {minutes(60), minutes(30)},
			{{}, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)},
		} {
			var want []venue.Scan
			for _, s := range all {
				if !s.At.Before(c[0]) && s.At.Before(c[1]) {
					want = append(want, s)
				}
			}
			sameScans(t, c[0].String(), Collect(t, e.AtDoor(ctx, door, c[0], c[1])), want...)
		}
	})
	t.Run("a door nobody passed yields nothing, not ErrNotFound", func(t *testing.T) {
		e := h.open(t)
		Append(t, e, full())
		sameScans(t, "nobody", Collect(t, e.AtDoor(ctx, "CS-0000-0000-002", minutes(-60), minutes(60))))
		sameScans(t, "prefix", Collect(t, e.AtDoor(ctx, "CS-0000-0000-00", minutes(-60), minutes(60))))
	})
	t.Run("a person's scans of the day come oldest first, ties by key", func(t *testing.T) {
		e := h.open(t)
		mine := []venue.Scan{
			Scan(5, 3, "A", minutes(0)), Scan(5, 1, "B", minutes(10)), Scan(5, 2, "C", minutes(10)), Scan(5, 0, "A", minutes(20)),
		}
		Append(t, e, mine[3], mine[2], Scan(6, 1, "A", minutes(5)), mine[0], mine[1], Scan(5, 9, "A", Noon.Add(24*time.Hour)))
		sameScans(t, "of person", Collect(t, e.OfPerson(ctx, today, Pseudonym(5))), mine...)
		sameScans(t, "of nobody", Collect(t, e.OfPerson(ctx, today, Pseudonym(4))))
	})
	t.Run("red and unknown scans come as they were received, ties by key", func(t *testing.T) {
		e := h.open(t)
		red := func(n int, at, received time.Time) venue.Scan {
			return Late(Colour(Scan(n, n, "D", at), venue.HealthRed), received.Sub(at))
		}
		unknown := func(n int, at, received time.Time) venue.Scan {
			return Late(Colour(Scan(n, n, "D", at), venue.HealthUnknown), received.Sub(at))
		}
		want := []venue.Scan{
			red(4, minutes(-3000), minutes(1)), // happened two days ago
			unknown(2, minutes(2), minutes(2)),
			red(3, minutes(1), minutes(2)),
			red(5, minutes(-1500), minutes(2)),
			unknown(1, minutes(3), minutes(3)),
		}
		Append(t, e, want[4], want[1], want[3], want[0], want[2],
			Colour(Scan(6, 6, "D", minutes(2)), venue.HealthYellow), Scan(7, 7, "D", minutes(2)),
			red(8, minutes(0), minutes(0)), red(9, minutes(0), minutes(4)))
		sameScans(t, "attention", Collect(t, e.Attention(ctx, minutes(1), minutes(4))), want...)
		sameScans(t, "none", Collect(t, e.Attention(ctx, minutes(4), minutes(1))))
	})
	t.Run("a consumer may stop an iteration", func(t *testing.T) {
		e := h.open(t)
		for i := range 5 {
			Append(t, e, Colour(Scan(1, i, "D", minutes(i)), venue.HealthRed))
		}
		for s := range e.AtDoor(ctx, "D", minutes(0), minutes(9)) {
			sameScans(t, "first", []venue.Scan{s}, Colour(Scan(1, 0, "D", minutes(0)), venue.HealthRed))
			break
		}
		for range e.OfPerson(ctx, today, Pseudonym(1)) {
			break
		}
		for range e.Attention(ctx, minutes(0), minutes(9)) {
			break
		}
		must(t, e.Close()) // nothing is held
	})
	t.Run("a cancelled context ends every reading of scans", func(t *testing.T) {
		e := h.open(t)
		Append(t, e, full())
		_, err := e.Scan(cancelled(), today, full().Key)
		wantErr(t, err, context.Canceled)
		_, err = Last(e.AtDoor(cancelled(), full().Door, minutes(-1), minutes(1)))
		wantErr(t, err, context.Canceled)
		_, err = Last(e.OfPerson(cancelled(), today, Pseudonym(1)))
		wantErr(t, err, context.Canceled)
		_, err = Last(e.Attention(cancelled(), minutes(-1), minutes(1)))
		wantErr(t, err, context.Canceled)
		_, err = e.CountScans(cancelled(), []venue.Span{{Door: "D", From: minutes(0), To: minutes(1)}}, time.Time{})
		wantErr(t, err, context.Canceled)
		_, err = e.VerifyCounts(cancelled(), today, today, nil)
		wantErr(t, err, context.Canceled)
		wantErr(t, e.PurgeDay(cancelled(), today), context.Canceled)
		wantErr(t, e.PurgeCounts(cancelled(), today), context.Canceled)
	})
	t.Run("an iteration ends soon after its context", func(t *testing.T) {
		e := h.open(t)
		many := h.crowd(2000)
		var batch []venue.Scan
		for i := range many {
			batch = append(batch, Scan(i, i, "D", minutes(0).Add(time.Duration(i)*time.Millisecond)))
		}
		Append(t, e, batch...)
		short, cancel := context.WithCancel(ctx)
		defer cancel()
		rows := 0
		var last error
		for _, err := range e.AtDoor(short, "D", minutes(0), minutes(60)) {
			if last = err; err == nil {
				rows++
			}
			cancel()
		}
		wantErr(t, last, context.Canceled)
		if rows >= many {
			t.Fatalf("all %d rows came", rows)
		}
	})
	t.Run("a purge removes the rows that happened on its day, and only these", func(t *testing.T) {
		e := h.open(t)
		edge := today.Start()
		before := Colour(Scan(1, 1, "D", edge.Add(-time.Millisecond)), venue.HealthRed)
		first := Colour(Scan(1, 2, "D", edge), venue.HealthRed)
		final := Late(Colour(Scan(1, 3, "D", edge.Add(24*time.Hour-time.Millisecond)), venue.HealthUnknown), 72*time.Hour)
		next := Colour(Scan(1, 4, "D", edge.Add(24*time.Hour)), venue.HealthRed)
		Append(t, e, before, first, final, next)
		must(t, e.PurgeDay(ctx, today))
		_, err := e.Scan(ctx, today, first.Key)
		wantErr(t, err, venue.ErrNotFound)
		_, err = e.Scan(ctx, today, final.Key)
		wantErr(t, err, venue.ErrNotFound)
		far := edge.Add(240 * time.Hour)
		sameScans(t, "at door", Collect(t, e.AtDoor(ctx, "D", edge.Add(-time.Hour), far)), before, next)
		sameScans(t, "attention", Collect(t, e.Attention(ctx, edge.Add(-time.Hour), far)), before, next)
		sameScans(t, "of person", Collect(t, e.OfPerson(ctx, today, Pseudonym(1))))
		n, err := e.CountScans(ctx, []venue.Span{{Door: "D", From: edge, To: edge.Add(24 * time.Hour)}}, time.Time{})
		must(t, err)
		if n != 2 {
			t.Fatalf("the hours of the day count %d, want 2: hour counts stay", n)
		}
		must(t, e.PurgeDay(ctx, today)) // again, and a day without rows
		must(t, e.PurgeDay(ctx, today+300))
	})
	t.Run("a purge does not stall writers", func(t *testing.T) {
		e := h.open(t)
		inParallel(t, 4, func(i int) error {
			for n := range h.crowd(40) {
				if i == 0 {
					if err := e.PurgeDay(ctx, today-1); err != nil {
						return err
					}
					continue
				}
				s := []venue.Scan{Scan(i, n, "D", Noon), Scan(i, 1000+n, "D", Noon.Add(-24*time.Hour))}
				if _, err := e.Append(ctx, s); err != nil {
					return err
				}
			}
			return nil
		})
		if n := len(Collect(t, e.AtDoor(ctx, "D", minutes(-1), minutes(1)))); n != 3*h.crowd(40) {
			t.Fatalf("%d rows of today, want %d", n, 3*h.crowd(40))
		}
		must(t, e.PurgeDay(ctx, today-1))
		sameScans(t, "purged", Collect(t, e.AtDoor(ctx, "D", today.Start().Add(-24*time.Hour), today.Start())))
	})
	if h.Reopen != nil {
		t.Run("a repeat is known after opening again", func(t *testing.T) {
			e := h.open(t)
			Append(t, e, full())
			e = h.Reopen(t, e)
			defer e.Close()
			wantOutcome(t, e, full(), venue.ScanRepeated, full())
			wantCount(t, e, full().Door, 1)
			sameScans(t, "attention", Collect(t, e.Attention(ctx, minutes(-1), minutes(1))), full())
		})
	}
}

func byAt(a, b venue.Scan) int {
	return cmp.Or(a.At.Compare(b.At), bytes.Compare(a.Key[:], b.Key[:]))
}

func wantOutcome(t TB, e store.ScanLog, s venue.Scan, kind venue.ScanOutcomeKind, stored venue.Scan) {
	t.Helper()
	outcomes, err := e.Append(context.Background(), []venue.Scan{s})
	must(t, err)
	if len(outcomes) != 1 || outcomes[0].Kind != kind {
		t.Fatalf("outcomes %+v, want one of kind %d", outcomes, kind)
	}
	stored.Prior = venue.ScanKey{}
	if !reflect.DeepEqual(outcomes[0].Stored, stored) {
		t.Fatalf("stored\n%+v\nwant\n%+v", outcomes[0].Stored, stored)
	}
}

// wantCount counts the rows at a door around Noon in two ways.
func wantCount(t TB, e store.ScanLog, door venue.Code, want int) {
	t.Helper()
	span := venue.Span{Door: door, From: venue.DayOf(Noon).Start(), To: (venue.DayOf(Noon) + 1).Start()}
	n, err := e.CountScans(context.Background(), []venue.Span{span}, time.Time{})
	must(t, err)
	if rows := len(Collect(t, e.AtDoor(context.Background(), door, span.From, span.To))); n != want || rows != want {
		t.Fatalf("door %q counts %d and has %d rows, want %d", door, n, rows, want)
	}
}
