package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/storetest"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/daily"
	"github.com/venuecode/venuecode/venue/registry"
)

const aDay = 24 * time.Hour

var keep = store.Keep{Visits: 30 * aDay, Counts: 60 * aDay, Messages: 50 * aDay, Audit: 90 * aDay, Replies: 48 * time.Hour}

// shaky is a store of which, after some more calls, one fails, and if it is the
// one that removes, it may have done so.
type shaky struct {
	store.Engine
	left atomic.Int64 // calls until then; never if not positive
}

var errShaken = fmt.Errorf("shaken: %w", venue.ErrUnavailable)

func (s *shaky) fails() bool { return s.left.Add(-1) == 0 }

func (s *shaky) Delete(ctx context.Context, collection, id string, rev int64) error {
	if s.fails() {
		if s.left.Load()%2 == 0 {
			_ = s.Engine.Delete(ctx, collection, id, rev)
		}
		return errShaken
	}
	return s.Engine.Delete(ctx, collection, id, rev)
}

func (s *shaky) PurgeCounts(ctx context.Context, before venue.Day) error {
	if s.fails() {
		return errShaken
	}
	return s.Engine.PurgeCounts(ctx, before)
}

// thing is one that is kept for a time: what puts it there, and whether it is
// due at an instant.
type thing struct {
	collection string
	put        func(t storetest.TB, e store.Engine, id string, at time.Time) string // the id it has in its collection
	due        func(at, now time.Time) bool
}

func insert[T any](schema store.Schema, row func(id string, at time.Time) T) func(storetest.TB, store.Engine, string, time.Time) string {
	return func(t storetest.TB, e store.Engine, id string, at time.Time) string {
		t.Helper()
		if err := store.NewCollection[T](e, schema).Insert(context.Background(), id, row(id, at)); err != nil {
			t.Fatal(err)
		}
		return id
	}
}

func older(than time.Duration) func(at, now time.Time) bool {
	return func(at, now time.Time) bool { return at.Before(now.Add(-than)) }
}

func olderDay(than time.Duration) func(at, now time.Time) bool {
	return func(at, now time.Time) bool { return venue.DayOf(at) < venue.DayOf(now.Add(-than)) }
}

func never(time.Time, time.Time) bool { return false }

func message(state string) func(storetest.TB, store.Engine, string, time.Time) string {
	return insert(store.Outbox, func(id string, at time.Time) store.OutboxRow {
		return store.OutboxRow{Message: venue.Message{ID: id}, State: state, Due: at}
	})
}

func accountChange(state string) func(storetest.TB, store.Engine, string, time.Time) string {
	return insert(store.OfficialChanges, func(_ string, at time.Time) store.OfficialChangeRow {
		return store.OfficialChangeRow{State: state, At: at}
	})
}

func request(state string) func(storetest.TB, store.Engine, string, time.Time) string {
	return insert(store.OfficialRequests, func(_ string, at time.Time) store.OfficialRequestRow {
		return store.OfficialRequestRow{State: state, At: at}
	})
}

func application(state registry.State) func(storetest.TB, store.Engine, string, time.Time) string {
	return insert(store.Applications, func(_ string, at time.Time) store.ApplicationRow {
		return store.ApplicationRow{State: string(state), At: at}
	})
}

// things are written down apart from the table that they judge.
var things = map[string][]thing{
	"replies": {{"callbacks", insert(store.Callbacks, func(_ string, at time.Time) store.CallbackRow { return store.CallbackRow{At: at} }), older(keep.Replies)}},
	"bind_codes": {{"bind_codes", insert(store.BindCodeRows, func(_ string, at time.Time) store.BindCodeRow {
		return store.BindCodeRow{Unit: "u", Expires: at, UsedBy: "x"}
	}), older(0)}},
	"coverage_days": {{"coverage_days", insert(store.CoverageDays, func(_ string, at time.Time) store.CoverageDayRow {
		return store.CoverageDayRow{Day: int32(venue.DayOf(at))}
	}), olderDay(keep.Counts)}},
	"subject_imports": {{"subject_imports", insert(store.SubjectImports, func(_ string, at time.Time) store.SubjectImportRow {
		return store.SubjectImportRow{At: at}
	}), older(keep.Audit)}},
	"postings": {{"postings", insert(store.PostingRows, func(_ string, at time.Time) store.PostingRow {
		return store.PostingRow{At: at}
	}), older(keep.Counts)}},
	"posting_photos": {{"posting_photos", insert(store.PostingPhotos, func(_ string, at time.Time) store.PostingPhotoRow {
		return store.PostingPhotoRow{At: at}
	}), older(keep.Counts)}},
	"upload_pieces": {{"upload_pieces", insert(store.UploadPieces, func(_ string, at time.Time) store.UploadPieceRow {
		return store.UploadPieceRow{At: at}
	}), older(store.UploadKept)}},
	"uploads": {{"uploads", insert(store.UploadRows, func(_ string, at time.Time) store.UploadRow {
		return store.UploadRow{State: store.UploadDone, At: at}
	}), older(keep.Counts)}},
	"reveal_quotas": {{"official_quotas", insert(store.OfficialQuotas, func(_ string, at time.Time) store.OfficialQuotaRow {
		return store.OfficialQuotaRow{Day: int32(venue.DayOf(at)), Used: 1}
	}), olderDay(aDay)}},
	"processes": {{"processes", insert(store.ProcessRows, func(_ string, at time.Time) store.ProcessRow { return store.ProcessRow{Seen: at} }), older(keep.Sources)}},
	"rechecks": {{"rechecks", func(t storetest.TB, e store.Engine, id string, at time.Time) string {
		if err := store.NewRechecked(e).Keep(context.Background(), id, venue.Reading{}, at); err != nil {
			t.Fatal(err)
		}
		return id
	}, older(keep.Visits)}},
	"reports": {{"reports", func(t storetest.TB, e store.Engine, id string, at time.Time) string {
		day := venue.DayOf(at)
		_, err := store.NewReporting(e, byKey{}).Update(context.Background(), venue.UnitID(id), day, func(r *venue.Report) error {
			r.Unit, r.Day = venue.UnitID(id), day
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return id + ":" + day.String()
	}, olderDay(keep.Counts)}},
	"stages": {{"stages", func(t storetest.TB, e store.Engine, id string, at time.Time) string {
		day := venue.DayOf(at)
		if err := store.NewReporting(e, byKey{}).Mark(context.Background(), day, id, at, daily.FateSent); err != nil {
			t.Fatal(err)
		}
		return day.String() + ":" + id
	}, olderDay(keep.Counts)}},
	"messages": {
		{"outbox", message(store.OutboxSent), older(keep.Messages)},
		{"outbox", message(store.OutboxDropped), older(keep.Messages)},
		{"outbox", message(store.OutboxDead), older(keep.Messages)},
		{"outbox", message(store.OutboxPending), never},
	},
	"account_changes": {
		{"official_changes", accountChange(store.OfficialChangeDone), older(keep.Audit)},
		{"official_changes", accountChange(store.OfficialChangeRejected), older(keep.Audit)},
		{"official_changes", accountChange(store.OfficialChangePending), older(keep.Audit)},
	},
	"applications": {
		{"applications", application(registry.StateDraft), older(keep.Visits)},
		{"applications", application(registry.StateRejected), older(keep.Visits)},
		{"applications", application(registry.StatePending), never},
		{"applications", application(registry.StateApproved), never},
	},
	"requests": {
		{"official_requests", request(store.OfficialRequestUsed), older(keep.Audit)},
		{"official_requests", request(store.OfficialRequestRejected), older(keep.Audit)},
		{"official_requests", request(store.OfficialRequestApproved), older(keep.Audit)},
		{"official_requests", request(store.OfficialRequestWaiting), older(keep.Audit)},
	},
}

// evidence is a row that the trail got.
type evidence struct {
	kind   string
	before time.Time
	n      int
}

func TestEverythingIsKeptForItsTimeAndNoLonger(t *testing.T) {
	ctx := context.Background()
	e := &shaky{Engine: openStore(t)}
	clock := newClock(noon)
	kinds := slices.Sorted(maps.Keys(things))
	if since, err := store.NewReporting(e, byKey{}).Since(ctx, noon); err != nil || !since.Equal(noon) {
		t.Fatal(err)
	}
	type one struct {
		kind, collection, id string
		at                   time.Time
		due                  func(at, now time.Time) bool
	}
	var there []one
	hours := map[venue.Day]int{} // hour counts
	var trail []evidence
	var untold atomic.Int64 // the row of the trail that can not be written; none if not positive
	job := &store.Expiry{Kinds: store.Kinds(e, keep), Clock: clock, Record: func(_ context.Context, kind string, before time.Time, n int) error {
		if untold.Add(-1) == 0 {
			return errShaken
		}
		trail = append(trail, evidence{kind, before, n})
		return nil
	}}
	present := func(t storetest.TB) map[string]bool {
		have := map[string]bool{}
		for _, list := range things {
			for d, err := range e.Find(ctx, list[0].collection, store.Query{}) {
				if err != nil {
					t.Fatal(err)
				}
				have[list[0].collection+"/"+d.ID] = true
			}
		}
		return have
	}
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		next, _, _ := job.Next(ctx)
		clock.advance(next.Sub(clock.Now()) + time.Duration(rapid.IntRange(0, 40*24).Draw(t, "hours"))*time.Hour)
		now := clock.Now()
		for range rapid.IntRange(0, 12).Draw(t, "things") {
			n++
			kind := rapid.SampledFrom(kinds).Draw(t, "kind")
			x := rapid.SampledFrom(things[kind]).Draw(t, "thing")
			// Ages like to sit on the edge, of the time or of its day.
			age := map[string]time.Duration{"replies": keep.Replies, "reveal_quotas": aDay, "processes": keep.Sources, "rechecks": keep.Visits, "reports": keep.Counts,
				"stages": keep.Counts, "messages": keep.Messages, "account_changes": keep.Audit, "requests": keep.Audit, "applications": keep.Visits}[kind]
			at := now.Add(-age)
			if rapid.Bool().Draw(t, "of the day") {
				at = venue.DayOf(at).Start()
			}
			at = at.Add(rapid.SampledFrom([]time.Duration{-40 * aDay, -time.Hour, -time.Millisecond, 0, time.Millisecond, time.Hour, aDay}).Draw(t, "off"))
			id := x.put(t, e, fmt.Sprint("n", n), at)
			there = append(there, one{kind, x.collection, id, at, x.due})
		}
		if rapid.Bool().Draw(t, "counted") {
			day := venue.DayOf(now.Add(-keep.Counts)) + venue.Day(rapid.IntRange(-2, 2).Draw(t, "count's day"))
			n++
			storetest.Append(t, e, storetest.Scan(n, n, "D", day.At(hours[day]%24, 0)))
			hours[day]++ // each in an hour of its own
			if err := e.PurgeDay(ctx, day); err != nil {
				t.Fatal(err)
			}
		}

		wanted := map[string]int{}
		var rest []one
		for _, o := range there {
			if o.due(o.at, now) {
				wanted[o.kind]++
			} else {
				rest = append(rest, o)
			}
		}
		for day, n := range hours {
			if olderDay(keep.Counts)(day.Start(), now) {
				wanted["hour_counts"] += min(n, 24)
				delete(hours, day)
			}
		}
		told := map[string]int{}
		run := func() error {
			trail = nil
			_, _, err := job.Run(ctx, now)
			for _, row := range trail {
				told[row.kind] = max(told[row.kind], row.n)
			}
			return err
		}
		e.left.Store(int64(rapid.IntRange(0, 20).Draw(t, "the call that fails")))
		untold.Store(int64(rapid.IntRange(0, 4).Draw(t, "the row that can not be written")))
		first := run()
		e.left.Store(-1)
		untold.Store(-1)
		have := present(t)
		for _, o := range rest {
			if !have[o.collection+"/"+o.id] {
				t.Fatalf("%s of %s went at %s", o.kind, o.at, now)
			}
		}
		if first != nil {
			if !errors.Is(first, venue.ErrUnavailable) {
				t.Fatal(first)
			}
			if next, _, _ := job.Next(ctx); next.After(now) {
				t.Fatalf("after a failure the job is next due at %s", next)
			}
			for kind, n := range wanted { // one that fails does not keep the others
				if _, ok := told[kind]; !ok && n > 0 && !strings.Contains(first.Error(), kind) {
					t.Fatalf("%s was not tried: %v", kind, first)
				}
			}
			if err := run(); err != nil {
				t.Fatal(err)
			}
		}
		there = rest
		want := map[string]bool{"stages/since": true}
		for _, o := range rest {
			want[o.collection+"/"+o.id] = true
		}
		if have := present(t); !maps.Equal(have, want) {
			t.Fatalf("there are %v\nwant %v", slices.Sorted(maps.Keys(have)), slices.Sorted(maps.Keys(want)))
		}
		check, err := e.VerifyCounts(ctx, 0, venue.DayOf(now.Add(-keep.Counts))-1, nil)
		if err != nil || check.Hours != 0 {
			t.Fatalf("%d hour counts are left, %v", check.Hours, err)
		}
		// The trail names every kind of which something went, and how many.
		if !maps.Equal(told, positive(wanted)) {
			t.Fatalf("the trail tells %v, %v went", told, wanted)
		}
		if next, _, _ := job.Next(ctx); !next.After(now) || next.Sub(now) > aDay || !next.Equal(venue.DayOf(next).At(3, 40)) {
			t.Fatalf("at %s the job is next due at %s", now, next)
		}
		if trail = nil; run() != nil || len(trail) > 0 {
			t.Fatalf("again, the trail tells %v", trail)
		}
	})
}

func positive(m map[string]int) map[string]int {
	out := map[string]int{}
	for k, n := range m {
		if n > 0 {
			out[k] = n
		}
	}
	return out
}

func TestMoreThanAStepIsForgottenInOneRun(t *testing.T) {
	ctx := context.Background()
	e := openStore(t)
	for i := range 1200 {
		things["replies"][0].put(t, e, fmt.Sprint(i), noon)
	}
	var told []int
	job := &store.Expiry{Kinds: store.Kinds(e, keep), Clock: newClock(noon), Record: func(_ context.Context, _ string, _ time.Time, n int) error {
		told = append(told, n)
		return nil
	}}
	if ran, _, err := job.Run(ctx, noon.Add(48*time.Hour+time.Millisecond)); err != nil || ran != 1 || !slices.Equal(told, []int{1200}) {
		t.Fatalf("ran %d, told %v, %v", ran, told, err)
	}
	for d := range e.Find(ctx, "callbacks", store.Query{}) {
		t.Fatalf("%s is left", d.ID)
	}
}

func TestHourCountsWaitForTheirRows(t *testing.T) {
	ctx := context.Background()
	e := openStore(t)
	day := venue.DayOf(noon)
	storetest.Append(t, e, storetest.Scan(1, 1, "D", noon))
	var trail []evidence
	job := &store.Expiry{Kinds: store.Kinds(e, keep), Clock: newClock(noon), Record: func(_ context.Context, kind string, before time.Time, n int) error {
		trail = append(trail, evidence{kind, before, n})
		return nil
	}}
	now := noon.Add(keep.Counts + aDay)
	if _, _, err := job.Run(ctx, now); !errors.Is(err, venue.ErrConflict) || len(trail) > 0 {
		t.Fatalf("with rows: %v, %v", err, trail)
	}
	if err := e.PurgeDay(ctx, day); err != nil {
		t.Fatal(err)
	}
	if _, _, err := job.Run(ctx, now); err != nil || !slices.Equal(trail, []evidence{{"hour_counts", now.Add(-keep.Counts), 1}}) {
		t.Fatalf("without: %v, %v", err, trail)
	}
}
