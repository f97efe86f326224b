package schedule

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// office leads or not, as it is told.
type office struct {
	mu     sync.Mutex
	cancel context.CancelFunc // nil: it does not lead
}

func (o *office) Term(ctx context.Context) (context.Context, context.CancelFunc, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.cancel == nil {
		return ctx, func() {}, false
	}
	ctx, o.cancel = context.WithCancel(ctx)
	return ctx, o.cancel, true
}

func (o *office) lead(leads bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case leads:
		o.cancel = func() {}
	case o.cancel != nil:
		o.cancel()
		o.cancel = nil
	}
}

// chore runs at once, each time that it is let.
type chore struct {
	name string
	do   func(context.Context)
}

func (c chore) Name() string { return c.name }
func (c chore) Next(context.Context) (time.Time, bool, error) {
	return afternoon, true, nil
}
func (c chore) Run(ctx context.Context, _ time.Time) (Result, error) {
	c.do(ctx)
	return Result{Ran: 1}, ctx.Err()
}

func reported(t *testing.T, reg *prometheus.Registry, metric string) (jobs []string) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == metric {
			for _, m := range f.GetMetric() {
				jobs = append(jobs, m.GetLabel()[0].GetValue())
			}
		}
	}
	return jobs
}

func TestOnlyTheLeaderRunsWorks(t *testing.T) {
	c := mustClock(t, Real, time.Time{}, "", &machine{now: afternoon.Add(time.Hour)})
	reg, o := prometheus.NewRegistry(), &office{}
	log := &lockedBuffer{}
	r := NewRunner(Options{Clock: c, Log: slog.New(slog.NewTextHandler(log, nil)), Metrics: reg, Lead: o})
	var inside func(context.Context)
	own, shared := 0, 0
	r.Add(chore{"shared", func(ctx context.Context) {
		shared++
		inside(ctx)
	}})
	r.AddEverywhere(chore{"own", func(context.Context) { own++ }})
	ctx := t.Context()
	look := func() { r.turn.Lock(); defer r.turn.Unlock(); r.step(ctx) }

	look()
	if shared != 0 || own != 1 {
		t.Fatalf("nobody leads: shared %d, own %d", shared, own)
	}
	o.lead(true)
	inside = func(ctx context.Context) {
		if ctx.Err() != nil {
			t.Error("the term was over when it began")
		}
	}
	look()
	if shared != 1 {
		t.Fatalf("the leader ran it %d times", shared)
	}
	if jobs := reported(t, reg, "venuecode_job_last_success_timestamp_seconds"); !slices.Contains(jobs, "shared") {
		t.Errorf("the leader tells of %q", jobs)
	}
	inside = func(ctx context.Context) {
		o.lead(false)
		<-ctx.Done()
	}
	look()
	look()
	if shared != 2 || own < 2 {
		t.Errorf("after the term: shared %d, own %d", shared, own)
	}
	if jobs := reported(t, reg, "venuecode_job_last_success_timestamp_seconds"); slices.Contains(jobs, "shared") {
		t.Errorf("it leads no more and tells of %q", jobs)
	}
	if log.String() != "" {
		t.Errorf("the end of a term is no failure: %s", log)
	}
}
