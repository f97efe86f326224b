package storetest

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/venuecode/venuecode/venue"
)

func counts(t *testing.T, h Harness) {
	ctx := context.Background()
	today := venue.DayOf(Noon)

	t.Run("counts are exact for any spans and any arrival", func(t *testing.T) {
		e := h.open(t)
		var all []venue.Scan
		n := 0
		doors := []venue.Code{"D", "D2", "门"}
		// Three days; instants like to sit on the edges of hours and days, delays
		// on the edges of what is late, and some clocks run ahead.
		instant := rapid.Custom(func(t *rapid.T) time.Time {
			hour := (today - 1).Start().Add(time.Duration(rapid.IntRange(0, 72).Draw(t, "hour")) * time.Hour)
			return hour.Add(rapid.OneOf(
				rapid.Just(time.Duration(0)),
				rapid.Just(-time.Millisecond),
				rapid.Just(time.Millisecond),
				rapid.Custom(func(t *rapid.T) time.Duration {
					return time.Duration(rapid.IntRange(0, 3600_000).Draw(t, "ms")) * time.Millisecond
				}),
			).Draw(t, "within"))
		})
		delay := rapid.OneOf(
			rapid.SampledFrom([]time.Duration{
				0, time.Millisecond, 5*time.Minute - time.Millisecond, 5 * time.Minute,
				5*time.Minute + time.Millisecond, time.Hour, 30 * time.Hour, -time.Millisecond, -time.Hour,
			}),
			rapid.Custom(func(t *rapid.T) time.Duration {
				return time.Duration(rapid.IntRange(-60_000, 900_000).Draw(t, "ms")) * time.Millisecond
			}),
		)
		rapid.Check(t, func(rt *rapid.T) {
			var batch []venue.Scan
			for range rapid.IntRange(0, 5).Draw(rt, "scans") {
				n++
				s := Late(Scan(n, n, rapid.SampledFrom(doors).Draw(rt, "door"), instant.Draw(rt, "at")), delay.Draw(rt, "delay"))
				batch = append(batch, s)
			}
			if len(batch) > 0 {
				Append(rt, e, batch...)
				all = append(all, batch...)
			}
			var spans []venue.Span
			for range rapid.IntRange(0, 4).Draw(rt, "spans") {
				spans = append(spans, venue.Span{
					Door: rapid.SampledFrom(doors).Draw(rt, "door"), From: instant.Draw(rt, "from"), To: instant.Draw(rt, "to"),
				})
			}
			var by time.Time
			if rapid.Bool().Draw(rt, "arrival") {
				by = instant.Draw(rt, "by").Add(delay.Draw(rt, "later"))
				if len(all) > 0 && rapid.Bool().Draw(rt, "on a row") {
					by = all[rapid.IntRange(0, len(all)-1).Draw(rt, "row")].Received
				}
			}
			want := 0
			for _, s := range all {
				for _, span := range spans {
					if s.Door == span.Door && !s.At.Before(span.From) && s.At.Before(span.To) && (by.IsZero() || !s.Received.After(by)) {
						want++
					}
				}
			}
			got, err := e.CountScans(ctx, spans, by)
			must(rt, err)
			if got != want {
				rt.Fatalf("counted %d, want %d", got, want)
			}
		})
		rows := int64(0)
		check, err := e.VerifyCounts(ctx, today-2, today+3, func(n int64) { rows = n })
		must(t, err)
		if check.Rows != int64(len(all)) || rows != check.Rows || len(check.Differ) > 0 || len(all) > 0 && check.Hours == 0 {
			t.Fatalf("recount of %d rows, %d told: %+v", len(all), rows, check)
		}
	})
	t.Run("a span without scans counts nothing and spans without ends count all", func(t *testing.T) {
		e := h.open(t)
		Append(t, e, Scan(1, 1, "D", Noon), Scan(1, 2, "D", Noon.Add(-40*24*time.Hour)))
		far := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
		for _, c := range []struct {
			span venue.Span
			want int
		}{
			{venue.Span{Door: "D", To: far}, 2},
			{venue.Span{Door: "D", From: Noon, To: far}, 1},
			{venue.Span{Door: "D", To: Noon}, 1},
			{venue.Span{Door: "D", From: far}, 0},
			{venue.Span{Door: "E", To: far}, 0},
			{venue.Span{Door: "", To: far}, 0},
		} {
			for _, by := range []time.Time{{}, far} {
				got, err := e.CountScans(ctx, []venue.Span{c.span}, by)
				must(t, err)
				if got != c.want {
					t.Fatalf("%v arrived by %v: %d, want %d", c.span, by, got, c.want)
				}
			}
		}
	})
	t.Run("each scan counts once per span", func(t *testing.T) {
		e := h.open(t)
		Append(t, e, Scan(1, 1, "D", Noon))
		span := venue.Span{Door: "D", From: Noon.Add(-time.Hour), To: Noon.Add(time.Hour)}
		got, err := e.CountScans(ctx, []venue.Span{span, span}, time.Time{})
		must(t, err)
		if got != 2 {
			t.Fatalf("counted %d, want 2", got)
		}
	})
	t.Run("a purge of counts takes the days before one, and keeps those that have rows", func(t *testing.T) {
		e := h.open(t)
		// Rows and the counts of each day, whatever comes in whatever order: late
		// rows reach days that were purged, counts and all.
		const days = 6
		var rows, kept [days]int
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			switch day := rapid.IntRange(0, days-1).Draw(rt, "day"); rapid.IntRange(0, 3).Draw(rt, "act") {
			case 0:
				must(rt, e.PurgeDay(ctx, today+venue.Day(day)))
				rows[day] = 0
			case 1:
				must(rt, e.PurgeCounts(ctx, today+venue.Day(day)))
				for i := range day {
					if rows[i] == 0 {
						kept[i] = 0
					}
				}
			default:
				n++
				Append(rt, e, Scan(n, n, "D", (today+venue.Day(day)).At(rapid.IntRange(0, 23).Draw(rt, "hour"), 30)))
				rows[day]++
				kept[day]++
			}
			for day := range venue.Day(days) {
				got, err := e.CountScans(ctx, []venue.Span{{Door: "D", From: (today + day).Start(), To: (today + day + 1).Start()}}, time.Time{})
				must(rt, err)
				if got != kept[day] {
					rt.Fatalf("%s counts %d, want %d", today+day, got, kept[day])
				}
				check, err := e.VerifyCounts(ctx, today+day, today+day, nil)
				must(rt, err)
				if int(check.Rows) != rows[day] || len(check.Differ) > 0 != (kept[day] != rows[day]) || check.Hours > 0 != (kept[day] > 0) {
					rt.Fatalf("recount of %s with %d rows and a count of %d: %+v", today+day, rows[day], kept[day], check)
				}
			}
		})
	})
	t.Run("a purge of counts does not stall writers, and misses none of them", func(t *testing.T) {
		e := h.open(t)
		inParallel(t, 4, func(i int) error {
			for n := range h.crowd(60) {
				day := today - venue.Day(n%3)
				var err error
				switch i {
				case 0:
					err = e.PurgeDay(ctx, day)
				case 1:
					err = e.PurgeCounts(ctx, today+1)
				default:
					_, err = e.Append(ctx, []venue.Scan{Scan(i, n, "D", day.At(12, 0))})
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		for day := today - 2; day <= today; day++ {
			must(t, e.PurgeDay(ctx, day))
		}
		must(t, e.PurgeCounts(ctx, today)) // all but those of today
		Append(t, e, Scan(9, 9, "D", (today-1).At(12, 0)))
		check, err := e.VerifyCounts(ctx, today-2, today-1, nil)
		must(t, err)
		if check.Rows != 1 || check.Hours != 1 || len(check.Differ) > 0 {
			t.Fatalf("a late row behind the purge: %+v", check)
		}
	})
	if h.Reopen != nil {
		t.Run("purged counts are gone after opening again", func(t *testing.T) {
			e := h.open(t)
			Append(t, e, Scan(1, 1, "D", Noon), Scan(2, 2, "D", Noon.Add(24*time.Hour)))
			must(t, e.PurgeDay(ctx, today))
			must(t, e.PurgeCounts(ctx, today+2))
			e = h.Reopen(t, e)
			defer e.Close()
			wantCount(t, e, "D", 0)
			check, err := e.VerifyCounts(ctx, today, today+1, nil)
			must(t, err)
			if check.Hours != 1 || check.Rows != 1 || len(check.Differ) > 0 {
				t.Fatalf("recount: %+v", check)
			}
		})
	}
	t.Run("repeats and conflicts do not count", func(t *testing.T) {
		e := h.open(t)
		s := Scan(1, 1, "D", Noon)
		Append(t, e, s)
		for i := range 5 {
			s.Hash[0] = byte(i)
			_, err := e.Append(ctx, []venue.Scan{s, s})
			must(t, err)
		}
		wantCount(t, e, "D", 1)
		check, err := e.VerifyCounts(ctx, today, today, nil)
		must(t, err)
		if check.Rows != 1 || check.Hours != 1 || len(check.Differ) != 0 {
			t.Fatalf("recount: %+v", check)
		}
	})
}
