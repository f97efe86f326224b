package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

func TestProcessesTellWhatIsMissing(t *testing.T) {
	docs, ctx := openStore(t), context.Background()
	now := time.Date(2022, 10, 13, 8, 0, 0, 0, time.UTC)
	clock := venue.ClockFunc(func() time.Time { return now })
	held := map[string]*store.Held{"a": {}, "b": {}}
	part := func(name string) *store.Processes {
		return store.NewProcesses(docs, name, func() store.Held { return *held[name] }, clock)
	}
	a, b := part("a"), part("b")
	beat := func(all ...*store.Processes) {
		t.Helper()
		for _, p := range append(all, all...) { // twice: each has seen the others' last
			if err := p.Beat(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := func(what string, since time.Time) {
		t.Helper()
		if got := a.Incomplete(); !got.Equal(since) {
			t.Errorf("%s: incomplete since %v, want %v", what, got, since)
		}
	}
	beat(a, b)
	want("all is there", time.Time{})

	noon := now
	held["b"].Waiting, held["b"].Oldest = 3, noon
	beat(a, b)
	want("the other keeps some", noon)
	held["a"].Waiting, held["a"].Oldest = 1, noon.Add(-time.Minute)
	want("this one keeps an older one", noon.Add(-time.Minute))

	*held["a"] = store.Held{}
	*held["b"] = store.Held{LateFrom: noon, LateAt: noon.Add(time.Hour)}
	beat(a, b)
	want("they came", time.Time{})
	if from, at := a.Late(); !from.Equal(noon) || !at.Equal(noon.Add(time.Hour)) {
		t.Errorf("late from %v at %v", from, at)
	}

	heard := now
	for range 25 {
		now = now.Add(3 * time.Second)
		beat(a)
	}
	want("the other fell silent", heard.Add(-time.Minute))
	beat(b, a)
	want("it is back", time.Time{})

	held["b"].Waiting, held["b"].Oldest = 1, noon
	if err := b.Leave(ctx); err != nil {
		t.Fatal(err)
	}
	beat(a)
	want("it left with a scan", noon)
	held["b"].Waiting = 0
	b = part("b") // started again
	if err := b.Leave(ctx); err != nil {
		t.Fatal(err)
	}
	beat(a)
	now = now.Add(time.Hour)
	want("it left for good", time.Time{})
	if _, err := docs.Get(ctx, "processes", "b"); !errors.Is(err, venue.ErrNotFound) {
		t.Errorf("its row: %v", err)
	}
}
