package store_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	mathrand "math/rand/v2"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/venue"
)

// fleet is some processes and a store that fails, on one true time. Whatever
// takes time lets the others go on meanwhile; only a process that waits does not
// beat again. Each has a clock of its own, which is wrong and runs wrong.
type fleet struct {
	t     *testing.T
	rng   *mathrand.Rand
	now   time.Duration // true
	pace  store.LeasePace
	chaos bool
	two   bool // two led at once

	doc     *store.Document
	late    []func() // writes of which nobody knows, still on their way
	members []*member
	tokens  map[int64]*member
}

type member struct {
	*store.Lease
	offset time.Time
	rate   float64
	busy   bool
	until  time.Duration // stopped before
	next   time.Duration // beat
}

var errLost = fmt.Errorf("no answer: %w", venue.ErrUnavailable)

func newFleet(t *testing.T, seed uint64, pace store.LeasePace) *fleet {
	f := &fleet{t: t, rng: mathrand.New(mathrand.NewPCG(seed, 5)), pace: pace, tokens: map[int64]*member{}}
	for range 3 {
		m := &member{
			offset: time.UnixMilli(1652855400_000 + f.rng.Int64N(240_000)), rate: 0.95 + f.rng.Float64()/10,
			next: time.Duration(f.rng.Int64N(int64(pace.Beat))),
		}
		clock := venue.ClockFunc(func() time.Time { return m.offset.Add(time.Duration(float64(f.now) * m.rate)) })
		var err error
		if m.Lease, err = store.NewLease(f, "jobs", pace, clock, rand.Reader); err != nil {
			t.Fatal(err)
		}
		f.members = append(f.members, m)
	}
	return f
}

// pass lets true time pass.
func (f *fleet) pass(d time.Duration) {
	const step = 100 * time.Millisecond
	for end := f.now + d; f.now < end; {
		f.now += min(step, end-f.now)
		if len(f.late) > 0 && f.rng.IntN(100) == 0 {
			write := f.late[0]
			f.late = f.late[1:]
			write()
		}
		for _, m := range f.members {
			if m.busy || f.now < m.next || f.now < m.until {
				continue
			}
			m.busy = true
			f.see() // a process that wakes up acts before it beats
			if err := m.Beat(f.t.Context()); err != nil && !errors.Is(err, venue.ErrUnavailable) {
				f.t.Fatal(err)
			}
			m.busy, m.next = false, f.now+f.pace.Beat
			if f.chaos && f.rng.IntN(40) == 0 {
				m.until = f.now + time.Duration(f.rng.Int64N(int64(time.Minute)))
			}
		}
		f.see()
	}
}

// see asks everybody, also those that stand still: they will act on the answer
// when they go on.
func (f *fleet) see() {
	var leads *member
	for _, m := range f.members {
		token, ok := m.Token()
		if !ok {
			continue
		}
		if leads != nil {
			f.two = true
		}
		leads = m
		if before := f.tokens[token]; before != nil && before != m {
			f.t.Fatalf("token %d was given out twice", token)
		}
		for t, o := range f.tokens {
			if o != m && t > token {
				f.two = true
			}
		}
		f.tokens[token] = m
	}
}

func (f *fleet) leader() *member {
	for _, m := range f.members {
		if _, ok := m.Token(); ok {
			return m
		}
	}
	return nil
}

// way is the time that a message takes; now and then its process is stopped
// meanwhile. Lost: it never arrives.
func (f *fleet) way() (lost bool) {
	if !f.chaos {
		f.pass(10 * time.Millisecond)
		return false
	}
	longest := time.Second
	if f.rng.IntN(30) == 0 {
		longest = time.Minute
	}
	f.pass(time.Duration(f.rng.Int64N(int64(longest))))
	return f.rng.IntN(12) == 0
}

func (f *fleet) Get(context.Context, string, string) (store.Document, error) {
	if f.way() {
		return store.Document{}, errLost
	}
	if f.doc == nil {
		return store.Document{}, venue.ErrNotFound
	}
	d := *f.doc
	if f.way() {
		return store.Document{}, errLost
	}
	return d, nil
}

func (f *fleet) Insert(_ context.Context, _, id string, body bson.Raw) error {
	return f.write(func() error {
		if f.doc != nil {
			return venue.ErrExists
		}
		f.doc = &store.Document{ID: id, Rev: 1, Body: body}
		return nil
	})
}

func (f *fleet) Replace(_ context.Context, _ string, d store.Document) (int64, error) {
	next := store.Document{ID: d.ID, Rev: d.Rev + 1, Body: d.Body}
	return next.Rev, f.write(func() error {
		if f.doc.Rev != d.Rev {
			return venue.ErrStale
		}
		f.doc = &next
		return nil
	})
}

// write may fail before it is done or after, or be done long after it failed.
func (f *fleet) write(do func() error) error {
	if f.way() {
		if f.rng.IntN(2) == 0 {
			f.late = append(f.late, func() { _ = do() })
		}
		return errLost
	}
	err := do()
	if f.way() {
		return errLost
	}
	return err
}

func (f *fleet) GetAll(context.Context, string, []string) ([]store.Document, error) {
	panic("never many")
}
func (f *fleet) InsertAll(context.Context, string, []store.Document) ([]bool, error) {
	panic("never many")
}
func (f *fleet) Delete(context.Context, string, string, int64) error { panic("never deleted") }
func (f *fleet) Find(context.Context, string, store.Query) iter.Seq2[store.Document, error] {
	panic("never listed")
}

func TestAtMostOneLeadsAndSoonOneDoes(t *testing.T) {
	for seed := range uint64(300) {
		f := newFleet(t, seed, store.DefaultLeasePace)
		soon := func(what string) {
			t.Helper()
			f.pass(30 * time.Second)
			if f.leader() == nil {
				t.Fatalf("seed %d: nobody leads 30 s after %s", seed, what)
			}
		}
		f.pass(f.pace.Beat + time.Second)
		if f.leader() == nil {
			t.Fatalf("seed %d: nobody leads after the start", seed)
		}
		f.chaos = true
		f.pass(4 * time.Minute)
		f.chaos, f.late = false, nil
		for _, m := range f.members {
			m.until = 0
		}
		soon("the faults ended")

		stopped := f.leader()
		stopped.until = f.now + 40*time.Second
		soon("the leader was stopped")
		if f.leader() == stopped {
			t.Fatalf("seed %d: a stopped process leads", seed)
		}
		f.pass(20 * time.Second) // it goes on

		killed := f.leader()
		killed.until = 1 << 60
		soon("the leader was killed")
		f.pass(time.Minute)
		if f.two {
			t.Fatalf("seed %d: two led at once", seed)
		}
	}
}

// TestTheModelFindsTwoLeaders: the processes take over before a holder has
// ceased to trust in its beat.
func TestTheModelFindsTwoLeaders(t *testing.T) {
	pace := store.LeasePace{Beat: 3 * time.Second, Hold: 20 * time.Second, Idle: 15 * time.Second}
	for seed := range uint64(300) {
		f := newFleet(t, seed, pace)
		f.chaos = true
		if f.pass(4 * time.Minute); f.two {
			return
		}
	}
	t.Error("nobody noticed")
}

func TestALeaseThatIsGivenBackIsTakenAtOnce(t *testing.T) {
	ctx := t.Context()
	e, err := embedded.Open(embedded.Options{Dir: t.TempDir(), Schemas: store.Schemas})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	clock := &hand{}
	clock.ms.Store(1652855400_000)
	member := func() *store.Lease {
		l, err := store.NewLease(e, "jobs", store.DefaultLeasePace, clock, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	a, b := member(), member()
	beat := func(l *store.Lease, leads bool) (token int64) {
		t.Helper()
		if err := l.Beat(ctx); err != nil {
			t.Fatal(err)
		}
		token, ok := l.Token()
		if ok != leads {
			t.Fatalf("leads: %t, want %t", ok, leads)
		}
		return token
	}
	first := beat(a, true)
	beat(b, false)
	term, end, ok := a.Term(ctx)
	defer end()
	if !ok || term.Err() != nil {
		t.Fatal("the leader has no term")
	}
	if _, _, ok := b.Term(ctx); ok {
		t.Fatal("another has one")
	}
	if err := b.Release(ctx); err != nil { // nothing to give
		t.Fatal(err)
	}
	if same := beat(a, true); same != first {
		t.Fatalf("the token changed from %d to %d within a term", first, same)
	}
	if err := a.Release(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case <-term.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the term goes on")
	}
	if second := beat(b, true); second <= first {
		t.Fatalf("token %d after %d", second, first)
	}
	beat(a, false)

	// Stopped for longer than Hold, and nobody else was there: it leads on, in a
	// term of its own.
	term, end, _ = b.Term(ctx)
	defer end()
	clock.pass(store.DefaultLeasePace.Hold)
	if _, ok := b.Token(); ok {
		t.Fatal("a beat is trusted in for too long")
	}
	<-term.Done()
	beat(b, true)
	if _, _, ok := b.Term(ctx); !ok {
		t.Fatal("no new term")
	}
	if n := a.Takeovers() + b.Takeovers(); n != 0 {
		t.Errorf("%d takeovers, and nobody was silent", n)
	}
}
