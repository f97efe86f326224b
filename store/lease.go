package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// LeaseRows lists what only one process does at a time, and which one does it.
var LeaseRows = Schema{Name: "leases"} // name → LeaseRow

// LeaseRow is who holds a lease. Every beat of the holder writes it again: while
// its revision grows, the holder lives. It is never deleted.
type LeaseRow struct {
	Holder string // of a process, random; "" once it was given back
	Token  int64  // counts the terms: whoever has the greater one came later
}

// LeasePace is how a lease is kept, in time of the machine. Hold is well below
// Idle: in between nobody acts, and it is what a clock may go wrong by.
type LeasePace struct {
	Beat time.Duration // from one beat to the next
	Hold time.Duration // a holder trusts in a beat for that long, from before it was sent
	Idle time.Duration // others take over when they have seen no beat for that long
}

// DefaultLeasePace has a holder replaced 26 s after it fell silent at the latest,
// and the time that two beats take in the store.
var DefaultLeasePace = LeasePace{Beat: 3 * time.Second, Hold: 10 * time.Second, Idle: 20 * time.Second}

// Lease is this process's part in a lease. No two machines' clocks are ever
// compared: a holder measures how long ago it sent its last beat, everybody else
// how long they have been looking at the same one. It is safe for concurrent use,
// but for Beat and Release, which one goroutine calls.
type Lease struct {
	rows    Collection[LeaseRow]
	name    string
	holder  string
	pace    LeasePace
	machine venue.Clock

	rev    int64     // the revision seen last …
	seenAt time.Time // … and when it was seen first

	mu      sync.Mutex // guards what follows
	token   int64      // of the last term
	sentAt  time.Time  // when the last beat that arrived was sent; zero: not held
	term    context.Context
	endTerm context.CancelFunc
	taken   int // terms that began because another holder fell silent
}

// NewLease makes the part of one process, which holds nothing yet. random names
// it; crypto/rand.Reader outside tests. machine must be the machine's clock with
// its monotonic reading, which goes on while the process is stopped.
func NewLease(docs Documents, name string, pace LeasePace, machine venue.Clock, random io.Reader) (*Lease, error) {
	var holder [16]byte
	if _, err := io.ReadFull(random, holder[:]); err != nil {
		return nil, fmt.Errorf("name the holder of a lease: %w", err)
	}
	ended, end := context.WithCancel(context.Background())
	end()
	return &Lease{
		rows: NewCollection[LeaseRow](docs, LeaseRows), name: name, holder: hex.EncodeToString(holder[:]),
		pace: pace, machine: machine, term: ended, endTerm: end,
	}, nil
}

// Beat renews the lease, takes it if nobody has it or its holder is silent, or
// looks whether the holder is. After an error nobody knows whether the beat
// arrived, and what was held is held until Hold is over.
func (l *Lease) Beat(ctx context.Context) error {
	l.Token() // ends a term that ran out while the process stood still
	sent := l.machine.Now()
	row, err := l.rows.Get(ctx, l.name)
	if errors.Is(err, venue.ErrNotFound) {
		// Were the row ever lost, the next would still begin above all before.
		row = Row[LeaseRow]{ID: l.name, Value: LeaseRow{Holder: l.holder, Token: sent.Unix()}}
		if err = l.rows.Insert(ctx, l.name, row.Value); errors.Is(err, venue.ErrExists) {
			return nil // somebody was faster
		} else if err != nil {
			return fmt.Errorf("begin lease %s: %w", l.name, err)
		}
		row.Rev = 1
		l.arrived(row, sent, false)
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at lease %s: %w", l.name, err)
	}
	now := l.machine.Now() // not before the row was read: it may be the later beat's
	if row.Rev != l.rev {
		l.rev, l.seenAt = row.Rev, now
	}
	silent := false
	if row.Value.Holder != l.holder {
		l.lost()
		silent = row.Value.Holder != ""
		if silent && now.Sub(l.seenAt) < l.pace.Idle {
			return nil
		}
		row.Value.Holder = l.holder
		row.Value.Token++
	}
	row, err = l.rows.Replace(ctx, row)
	if errors.Is(err, venue.ErrStale) {
		return nil // somebody was faster, or an earlier beat of ours was late
	} else if err != nil {
		return fmt.Errorf("beat for lease %s: %w", l.name, err)
	}
	l.arrived(row, sent, silent)
	return nil
}

// arrived notes a beat that was sent at an instant.
func (l *Lease) arrived(row Row[LeaseRow], sent time.Time, taken bool) {
	l.rev, l.seenAt = row.Rev, sent
	l.mu.Lock()
	defer l.mu.Unlock()
	l.token, l.sentAt = row.Value.Token, sent
	if taken {
		l.taken++
	}
	if l.holds() && l.term.Err() != nil {
		l.term, l.endTerm = context.WithCancel(context.Background())
	}
}

// lost notes that somebody else has it.
func (l *Lease) lost() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sentAt = time.Time{}
	l.endTerm()
}

// holds tells whether the last beat can still be trusted in; l.mu is held. Of
// the machine's two clocks the one that went further decides: the monotonic one
// stands while a virtual machine does, the other may be set back.
func (l *Lease) holds() bool {
	if l.sentAt.IsZero() {
		return false
	}
	now := l.machine.Now()
	return max(now.Sub(l.sentAt), now.Round(0).Sub(l.sentAt.Round(0))) < l.pace.Hold
}

// Token is the fencing token of the present term; not ok if this process does
// not hold the lease. Ask right before what must not be done twice.
func (l *Lease) Token() (token int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.holds() {
		l.endTerm()
		return 0, false
	}
	return l.token, true
}

// Term is a context within ctx that ends with the present term: when the lease
// is lost, or when Hold is over and somebody notices. Not ok: nothing is held.
func (l *Lease) Term(ctx context.Context) (term context.Context, end context.CancelFunc, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.holds() || l.term.Err() != nil {
		return ctx, func() {}, false
	}
	term, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(l.term, cancel)
	return term, func() { stop(); cancel() }, true
}

// Takeovers is how often this process took the lease from one that was silent.
func (l *Lease) Takeovers() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.taken
}

// Release gives the lease back, so that nobody need wait. What was done under
// it is over.
func (l *Lease) Release(ctx context.Context) error {
	l.lost()
	row, err := l.rows.Get(ctx, l.name)
	if err == nil && row.Value.Holder == l.holder {
		row.Value.Holder = ""
		_, err = l.rows.Replace(ctx, row)
	}
	if err != nil && !errors.Is(err, venue.ErrNotFound) && !errors.Is(err, venue.ErrStale) {
		return fmt.Errorf("give back lease %s: %w", l.name, err)
	}
	return nil
}
