package checkin_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/checkin"
)

var (
	noon    = time.Date(2022, 10, 12, 4, 0, 0, 0, time.UTC) // 12:00 in venue.Zone
	errDown = fmt.Errorf("disk: %w", venue.ErrUnavailable)
	ctx     = context.Background()
)

// world stands in for everything around check-in: a memory that forgets
// nothing, a health service that can be away, an outbox.
type world struct {
	*checkin.Service
	recheck *checkin.Recheck
	t       testing.TB

	mu      sync.Mutex
	now     time.Time
	steps   []string // in which order the outside was reached
	places  map[venue.Code]checkin.Place
	rows    []venue.Scan
	colours map[venue.PersonID]venue.Health
	doubt   map[string]bool // ID numbers registered under another name
	silent  bool            // the health service is away
	lost    map[venue.PersonID]bool
	probes  int
	logDown error // Append fails …
	applied bool  // … though the rows are stored
	postErr error

	peopleDown error
	posted     map[string]venue.Message
	posts      []string
	done       map[string]venue.Health
	kept       []string
	told       []string
	cursor     time.Time
	crash      error // of every Keep
}

func newWorld(t testing.TB) *world {
	w := &world{
		t: t, now: noon, places: map[venue.Code]checkin.Place{}, colours: map[venue.PersonID]venue.Health{}, doubt: map[string]bool{},
		lost: map[venue.PersonID]bool{}, posted: map[string]venue.Message{}, done: map[string]venue.Health{},
	}
	for code, v := range map[venue.Code]venue.Venue{
		"DOOR":     {Name: "青禾市民中心", Address: "文昌路1号"},
		"SENTINEL": {Name: "康宁药店", Address: "康宁路6号", Sentinel: true},
	} {
		v.Division, v.Managers = "419981001", []venue.ChatAccount{{Channel: venue.ChannelWeComApp, ID: "manager"}}
		w.places[code] = checkin.Place{Door: venue.Door{Code: code, Unit: "unit", Name: "南门"}, Venue: v}
	}
	alarms := checkin.Alarms{Outbox: w, Clock: w, Officers: func(_ context.Context, d venue.Division) ([]venue.ChatAccount, error) {
		return []venue.ChatAccount{{Channel: venue.ChannelService, ID: "officer of " + string(d)}}, nil
	}}
	w.Service = &checkin.Service{
		Doors: w, Health: w, People: w, Sealer: w, Log: w, Alarms: alarms, Clock: w,
		Policy: checkin.Policy{SentinelYellow: venue.Hold, Companions: 5, Words: func(d venue.Division, h venue.Health, dec venue.Decision, whose string) (string, []string) {
			return dec.String() + " " + whose, []string{string(d) + " " + h.String()}
		}},
		Unknown: func(at time.Time) { w.recheck.Waiting(at) },
	}
	w.recheck = &checkin.Recheck{Scans: w, Outcome: w, Health: w, Sealed: w, Doors: w, Alarms: alarms, Tell: w.tell, Clock: w}
	return w
}

func (w *world) restart() {
	r := w.recheck
	w.recheck = &checkin.Recheck{Scans: w, Outcome: w, Health: w, Sealed: w, Doors: w, Alarms: r.Alarms, Tell: w.tell, Clock: w}
}

func (w *world) step(s string) { w.steps = append(w.steps, s) }

func (w *world) lock() func() { w.mu.Lock(); return w.mu.Unlock }

func (w *world) Now() time.Time { defer w.lock()(); return w.now }

func (w *world) Resolve(_ context.Context, code venue.Code) (checkin.Place, error) {
	if p, ok := w.places[code]; ok {
		return p, nil
	}
	return checkin.Place{}, fmt.Errorf("get doors: %w", venue.ErrNotFound)
}

func (w *world) Colour(_ context.Context, p venue.PersonID) venue.Reading {
	defer w.lock()()
	w.step("ask")
	if w.silent || w.lost[p] {
		return venue.Reading{}
	}
	return reading(w.colours[p], w.now)
}

func reading(h venue.Health, at time.Time) venue.Reading {
	if h == venue.HealthUnknown {
		return venue.Reading{}
	}
	return venue.Reading{Health: h, At: at.Add(-time.Minute)}
}

func (w *world) Probe(_ context.Context, p venue.PersonID) (venue.Reading, error) {
	defer w.lock()()
	w.probes++
	if w.silent || w.lost[p] {
		return venue.Reading{}, fmt.Errorf("no reply: %w", venue.ErrUnavailable)
	}
	return reading(w.colours[p], w.now), nil
}

func personOf(id venue.IDNumber) (p venue.PersonID) {
	sum := sha256.Sum256([]byte(id.Reveal()))
	copy(p[:], sum[:])
	return p
}

func (w *world) Named(_ context.Context, who venue.Identity) (venue.PersonID, bool, error) {
	if w.peopleDown != nil {
		return venue.PersonID{}, false, w.peopleDown
	}
	return personOf(who.ID), !w.doubt[who.ID.Reveal()], nil
}

func (w *world) Masked(context.Context, venue.PersonID) (string, error) {
	if w.peopleDown != nil {
		return "", w.peopleDown
	}
	return "张*", nil
}

func (w *world) ScanKey(owner, subject venue.PersonID, at time.Time, request string, n int) (key, prior venue.ScanKey, err error) {
	id := sha256.Sum256(fmt.Appendf(nil, "%x %s %d", owner[:], request, n))
	make := func(day venue.Day) (k venue.ScanKey) {
		pseudonym := sha256.Sum256(fmt.Appendf(nil, "%x %s", subject[:], day))
		copy(k[:16], pseudonym[:])
		copy(k[16:], id[:])
		return k
	}
	return make(venue.DayOf(at)), make(venue.DayOf(at) - 1), nil
}

func (w *world) SealPerson(_ venue.Day, row venue.ScanKey, p venue.PersonID) ([]byte, error) {
	return append(row[:4:4], p[:]...), nil
}

var errBroken = errors.New("reference is broken")

func (w *world) OpenPerson(_ venue.Day, row venue.ScanKey, sealed []byte) (p venue.PersonID, err error) {
	if len(sealed) != 20 || !bytes.Equal(sealed[:4], row[:4]) {
		return p, errBroken
	}
	copy(p[:], sealed[4:])
	return p, nil
}

func (w *world) ContentHash(content []byte) (h [16]byte) {
	sum := sha256.Sum256(content)
	copy(h[:], sum[:])
	return h
}

func (w *world) Append(_ context.Context, batch []venue.Scan) (out []venue.ScanOutcome, err error) {
	defer w.lock()()
	w.step("record")
	if w.logDown != nil && !w.applied {
		return nil, w.logDown
	}
	for _, s := range batch {
		i := slices.IndexFunc(w.rows, func(r venue.Scan) bool { return r.Key == s.Key || r.Key == s.Prior })
		switch {
		case i < 0:
			s.Prior = venue.ScanKey{}
			w.rows = append(w.rows, s)
			out = append(out, venue.ScanOutcome{Kind: venue.ScanNew, Stored: s})
		case w.rows[i].Hash == s.Hash:
			out = append(out, venue.ScanOutcome{Kind: venue.ScanRepeated, Stored: w.rows[i]})
		default:
			out = append(out, venue.ScanOutcome{Kind: venue.ScanConflict})
		}
	}
	return out, w.logDown
}

func (w *world) Attention(_ context.Context, from, to time.Time) iter.Seq2[venue.Scan, error] {
	return func(yield func(venue.Scan, error) bool) {
		unlock := w.lock()
		var found []venue.Scan
		for _, s := range w.rows {
			if (s.Health == venue.HealthRed || s.Health == venue.HealthUnknown) && !s.Received.Before(from) && s.Received.Before(to) {
				found = append(found, s)
			}
		}
		unlock()
		slices.SortFunc(found, func(a, b venue.Scan) int {
			return cmp.Or(a.Received.Compare(b.Received), bytes.Compare(a.Key[:], b.Key[:]))
		})
		for _, s := range found {
			if !yield(s, nil) {
				return
			}
		}
	}
}

func (w *world) Post(_ context.Context, messages ...venue.Message) error {
	defer w.lock()()
	w.step("post")
	if w.postErr != nil {
		return w.postErr
	}
	for _, m := range messages {
		if _, ok := w.posted[m.ID]; !ok {
			w.posted[m.ID] = m
			w.posts = append(w.posts, m.ID)
		}
	}
	return nil
}

func (w *world) tell(_ context.Context, p venue.PersonID, s venue.Scan, r venue.Reading) error {
	defer w.lock()()
	w.told = append(w.told, s.Key.ID()+" "+r.Health.String())
	return nil
}

func (w *world) Done(_ context.Context, id string) (bool, error) {
	defer w.lock()()
	_, ok := w.done[id]
	return ok, nil
}

func (w *world) Keep(_ context.Context, id string, r venue.Reading, _ time.Time) error {
	defer w.lock()()
	if w.crash != nil {
		return w.crash
	}
	if _, ok := w.done[id]; !ok {
		w.done[id] = r.Health
	}
	w.kept = append(w.kept, id)
	return nil
}

func (w *world) Cursor(context.Context) (time.Time, error) { return w.cursor, nil }

func (w *world) MoveCursor(_ context.Context, to time.Time) error { w.cursor = to; return nil }

// advance moves the clock by d and runs the re-check whenever it is due.
func (w *world) advance(d time.Duration) (runs int) {
	w.t.Helper()
	end := w.Now().Add(d)
	for runs < 10_000 {
		due, ok, err := w.recheck.Next(ctx)
		if err != nil {
			w.t.Fatal(err)
		}
		if !ok || due.After(end) {
			w.setNow(end)
			return runs
		}
		if due.After(w.Now()) {
			w.setNow(due)
		}
		runs++
		_, _, _ = w.recheck.Run(ctx, w.Now())
	}
	w.t.Fatal("the re-check is always due")
	return runs
}

func (w *world) setNow(t time.Time) { defer w.lock()(); w.now = t }

func (w *world) alarms() (n int) {
	for _, m := range w.posted {
		if m.Kind == venue.MessageAlarm && m.To.ID == "manager" {
			n++
		}
	}
	return n
}

func who(n int) venue.PersonID { return venue.PersonID{byte(n), byte(n >> 8), 1} }

func companion(t testing.TB, name, id string) venue.Identity {
	t.Helper()
	var c venue.Identity
	var err error
	if c.Name, err = venue.ParsePersonName(name); err != nil {
		t.Fatal(err)
	}
	if c.ID, err = venue.ParseIDNumber(id, venue.DayOf(noon)); err != nil {
		t.Fatal(err)
	}
	return c
}

type ctxT = context.Context
