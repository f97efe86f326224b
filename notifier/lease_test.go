package notifier

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/venuecode/venuecode/internal/schedule"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/venue"
)

// member is what one of several processes has of its own.
type member struct {
	*Notifier
	lease  *store.Lease
	runner *schedule.Runner

	mu   sync.Mutex
	sent map[string]int
	hold chan struct{} // calls wait until it is closed
	held chan struct{}
}

func (m *member) SendGroup(_ context.Context, _ string, text string, _ []string) error {
	if m.hold != nil {
		m.held <- struct{}{}
		<-m.hold
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent[text]++
	return nil
}

// TestALeaderThatStoodStillRepeatsAtMostWhatItHadInItsHands: one process is
// stopped while it sends, another takes over and sends everything, the first
// goes on.
func TestALeaderThatStoodStillRepeatsAtMostWhatItHadInItsHands(t *testing.T) {
	ctx := t.Context()
	engine, err := embedded.Open(embedded.Options{Dir: t.TempDir(), Schemas: store.Schemas})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	var passed atomic.Int64
	machine := venue.ClockFunc(func() time.Time { return day.At(16, 10).Add(time.Duration(passed.Load())) })
	outbox := store.NewCollection[store.OutboxRow](engine, store.Outbox)
	join := func() *member {
		m := &member{sent: map[string]int{}}
		if m.lease, err = store.NewLease(engine, "jobs", store.DefaultLeasePace, machine, rand.Reader); err != nil {
			t.Fatal(err)
		}
		clock, err := schedule.NewClock(schedule.Real, time.Time{}, "", machine)
		if err != nil {
			t.Fatal(err)
		}
		log, metrics := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
		m.runner = schedule.NewRunner(schedule.Options{Clock: clock, Log: log, Metrics: metrics, Lead: m.lease, Poll: time.Millisecond})
		m.Notifier = New(Options{
			Outbox: outbox, Clock: clock, Directory: book{}, Log: log, Metrics: metrics,
			Senders: Senders{Group: m}, Token: m.lease.Token, Wake: m.runner.Wake,
		})
		m.runner.Add(m.Notifier)
		return m
	}
	beat := func(m *member) {
		t.Helper()
		if err := m.lease.Beat(ctx); err != nil {
			t.Fatal(err)
		}
	}
	a, b := join(), join()
	a.hold, a.held = make(chan struct{}), make(chan struct{}, parallel)
	beat(a)
	beat(b)
	const groups = 40
	for i := range groups {
		if err := a.Post(ctx, venue.Message{
			ID: fmt.Sprintf("digest:%d", i), Kind: venue.MessageDigest, Day: day,
			To: venue.Recipient{Channel: venue.ChannelRobot, ID: fmt.Sprint(i)}, Digest: &venue.Digest{Due: i, Total: i},
		}); err != nil {
			t.Fatal(err)
		}
	}
	loops, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { a.runner.Loop(loops) })
	wg.Go(func() { b.runner.Loop(loops) })
	for range parallel {
		<-a.held
	}
	pending := func() int {
		rows, err := outbox.All(ctx, store.Query{Index: "due", Equal: []any{store.OutboxPending}})
		if err != nil {
			t.Fatal(err)
		}
		return len(rows)
	}
	if n := pending(); n != groups {
		t.Fatalf("%d messages wait while the leader stands still, want %d", n, groups)
	}
	for range 8 {
		passed.Add(int64(store.DefaultLeasePace.Beat))
		beat(b)
	}
	if b.lease.Takeovers() != 1 {
		t.Fatal("nobody took over within 24 s")
	}
	for end := time.Now().Add(30 * time.Second); pending() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d messages were never sent", pending())
		}
	}
	close(a.hold) // the stopped one goes on where it was
	stop()
	wg.Wait()
	if n := len(b.sent); n != groups {
		t.Errorf("the new leader sent %d messages, want %d", n, groups)
	}
	for text, n := range b.sent {
		if n+a.sent[text] > 2 {
			t.Errorf("sent %d times", n+a.sent[text])
		}
	}
	if n := len(a.sent); n != parallel {
		t.Errorf("the one that stood still sent %d messages, want the %d it had in its hands", n, parallel)
	}
}

// TestAClaimOfALaterTermIsLeftAlone: the one that stood still has read the row
// after the new leader claimed it, and its clock lies to it.
func TestAClaimOfALaterTermIsLeftAlone(t *testing.T) {
	token := int64(7)
	w := newWorld(t, day.At(16, 10), func(o *Options) { o.Token = func() (int64, bool) { return token, true } })
	m := venue.Message{ID: "digest:1", Kind: venue.MessageDigest, Day: day, To: venue.Recipient{Channel: venue.ChannelRobot, ID: "1"}, Digest: &venue.Digest{}}
	row := store.OutboxRow{Message: m, State: store.OutboxPending, Due: day.At(16, 10), Posted: day.At(16, 10), Token: 8}
	if err := w.outbox.Insert(t.Context(), m.ID, row); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Run(t.Context(), w.clock.Now()); err != nil || len(w.sent) != 0 {
		t.Fatalf("sent %d, %v", len(w.sent), err)
	}
	token = 9
	if _, err := w.Run(t.Context(), w.clock.Now()); err != nil || len(w.sent) != 1 {
		t.Fatalf("sent %d, %v", len(w.sent), err)
	}
	if got, err := w.outbox.Get(t.Context(), m.ID); err != nil || got.Value.Token != 9 || got.Value.State != store.OutboxSent {
		t.Fatalf("%+v, %v", got.Value, err)
	}
}

func TestWhatWasSentIsRecordedThoughTheProcessStops(t *testing.T) {
	w := newWorld(t, day.At(16, 10), nil)
	ctx, stop := context.WithCancel(t.Context())
	w.answer = func(string) error { stop(); return nil }
	for _, id := range []string{"1", "2"} {
		w.post(venue.Message{ID: id, Kind: venue.MessageDigest, Day: day, To: venue.Recipient{Channel: venue.ChannelRobot, ID: "1"}, Digest: &venue.Digest{}})
	}
	if _, err := w.Run(ctx, w.clock.Now()); err == nil {
		t.Error("it was to stop and went on")
	}
	if first, second := w.row("1").State, w.row("2").State; first != store.OutboxSent || second != store.OutboxPending {
		t.Errorf("the one that went out is %s, the one behind it %s", first, second)
	}
}
