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
