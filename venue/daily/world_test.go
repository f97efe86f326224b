package daily

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// today is the first day on which the notice asked for a report.
var today = func() venue.Day {
	d, err := venue.ParseDay("2022-05-18")
	if err != nil {
		panic(err)
	}
	return d
}()

// clock reads "15:59:59.999" as an instant of day d.
func clock(d venue.Day, s string) time.Time {
	for _, layout := range []string{"15:04", "15:04:05", "15:04:05.000"} {
		if t, err := time.Parse(layout, s); err == nil {
			return d.Start().Add(t.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)))
		}
	}
	panic("no time of day: " + s)
}

// record of a scan in the world. Zero instants mean "never".
type fact struct {
	door              venue.Code
	at, received      time.Time
	person            string
	flagged, released time.Time
	voided            time.Time
}

// gate is a device at a door that has delivered everything up to mark.
type gate struct {
	door venue.Code
	mark time.Time
}

// world is everything that daily needs, in memory, with its own clock. What
// happens later than now is not yet known to it.
type world struct {
	mu       sync.Mutex
	now      time.Time
	units    []venue.Unit
	tenures  []venue.Tenure
	facts    []fact
	gates    []gate
	groups   []venue.Group
	accounts map[venue.UnitID][]venue.ChatAccount
	reports  map[string]string // JSON, as a store would keep it
	revision map[string]int
	messages []venue.Message
	fates    map[string]Fate
	since    time.Time
	postErr  error
	race     func() // runs between reading a report and keeping its change
}

func newWorld() *world {
	return &world{
		now:      clock(today, "09:00"),
		accounts: map[venue.UnitID][]venue.ChatAccount{},
		reports:  map[string]string{}, revision: map[string]int{}, fates: map[string]Fate{},
	}
}

func (w *world) service() *Service {
	return &Service{Policy: DefaultPolicy(), Registry: w, Counter: w, Sources: w, Reports: w, Outbox: w, Clock: w}
}

func (w *world) stages() *Stages { return &Stages{Service: w.service(), Directory: w, Log: w} }

func (w *world) unit(id string, parent string, duty venue.Duty) {
	w.units = append(w.units, venue.Unit{
		ID: venue.UnitID(id), Name: "单位" + id, Parent: venue.UnitID(parent), Duty: duty, Group: "g",
	})
}

func (w *world) change(id string, how func(*venue.Unit)) {
	for i := range w.units {
		if string(w.units[i].ID) == id {
			how(&w.units[i])
		}
	}
}

// door belongs to the unit since long ago.
func (w *world) door(code, unit string) {
	w.tenures = append(w.tenures, venue.Tenure{Door: venue.Code(code), Unit: venue.UnitID(unit), Since: (today - 30).Start()})
}

// scans are n records at a door, at and received at the same instant, by one
// person each.
func (w *world) scans(door string, n int, at time.Time) {
	for i := range n {
		w.facts = append(w.facts, fact{door: venue.Code(door), at: at, received: at, person: fmt.Sprint(door, at, i)})
	}
}

func (w *world) Now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }

func (w *world) Unit(_ context.Context, id venue.UnitID) (venue.Unit, error) {
	for _, u := range w.units {
		if u.ID == id {
			return u, nil
		}
	}
	return venue.Unit{}, venue.ErrNotFound
}

func (w *world) Children(_ context.Context, id venue.UnitID) (out []venue.Unit, _ error) {
	for _, u := range w.units {
		if u.Parent == id {
			out = append(out, u)
		}
	}
	return out, nil
}

func (w *world) Tenures(_ context.Context, id venue.UnitID) (out []venue.Tenure, _ error) {
	for _, t := range w.tenures {
		if t.Unit == id {
			out = append(out, t)
		}
	}
	return out, nil
}

func (w *world) Groups(context.Context) ([]venue.Group, error) { return w.groups, nil }

func (w *world) UnitsOf(_ context.Context, g venue.GroupID) (out []venue.Unit, _ error) {
	for _, u := range w.units {
		if u.Group == g {
			out = append(out, u)
		}
	}
	return out, nil
}

func (w *world) Accounts(_ context.Context, id venue.UnitID) ([]venue.ChatAccount, error) {
	return w.accounts[id], nil
}

func by(t, limit time.Time) bool { return !t.IsZero() && !t.After(limit) }

// in yields the records that have arrived and lie in the spans.
func (w *world) in(spans []venue.Span) (out []fact) {
	for _, f := range w.facts {
		if f.received.After(w.now) {
			continue
		}
		for _, s := range spans {
			if s.Door == f.door && !f.at.Before(s.From) && f.at.Before(s.To) {
				out = append(out, f)
			}
		}
	}
	return out
}

func (w *world) Raw(_ context.Context, spans []venue.Span, voidedBy time.Time) (n int, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.in(spans) {
		if !by(f.voided, voidedBy) {
			n++
		}
	}
	return n, nil
}

func (w *world) Undoubted(_ context.Context, spans []venue.Span, arrivedBy time.Time) (n int, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.in(spans) {
		if by(f.received, arrivedBy) && !by(f.flagged, w.now) && !by(f.voided, w.now) {
			n++
		}
	}
	return n, nil
}

func (w *world) Counts(_ context.Context, spans []venue.Span) (c venue.Counts, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	people := map[string]bool{}
	for _, f := range w.in(spans) {
		if by(f.voided, w.now) {
			continue
		}
		c.Raw++
		if !by(f.flagged, w.now) || by(f.released, w.now) {
			c.Effective++
		}
		people[f.person] = true
	}
	c.People = len(people)
	return c, nil
}

func (w *world) Waiting(_ context.Context, spans []venue.Span, through time.Time) (out []string, _ error) {
	for i, g := range w.gates {
		if slices.ContainsFunc(spans, func(s venue.Span) bool { return s.Door == g.door }) && g.mark.Before(through) {
			out = append(out, fmt.Sprint("gate", i))
		}
	}
	return out, nil
}

func reportKey(unit venue.UnitID, day venue.Day) string { return day.String() + " " + string(unit) }

func (w *world) read(key string) (r venue.Report, rev int, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text, ok := w.reports[key]
	if ok {
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			panic(err)
		}
	}
	return r, w.revision[key], ok
}

func (w *world) Get(_ context.Context, unit venue.UnitID, day venue.Day) (venue.Report, bool, error) {
	r, _, ok := w.read(reportKey(unit, day))
	return r, ok, nil
}

func (w *world) Update(_ context.Context, unit venue.UnitID, day venue.Day, change func(*venue.Report) error) (venue.Report, error) {
	key := reportKey(unit, day)
	for {
		r, rev, _ := w.read(key)
		if err := change(&r); err != nil {
			return venue.Report{}, err
		}
		if w.race != nil {
			race := w.race
			w.race = nil
			race()
		}
		text, err := json.Marshal(r)
		if err != nil {
			return venue.Report{}, err
		}
		w.mu.Lock()
		won := w.revision[key] == rev
		if won {
			w.reports[key] = string(text)
			w.revision[key]++
		}
		w.mu.Unlock()
		if won {
			kept, _, _ := w.read(key)
			return kept, nil
		}
	}
}

func (w *world) OfDay(_ context.Context, day venue.Day) (out []venue.Report, _ error) {
	for _, u := range w.units {
		if r, _, ok := w.read(reportKey(u.ID, day)); ok {
			out = append(out, r)
		}
	}
	return out, nil
}

func (w *world) Post(_ context.Context, messages ...venue.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.postErr != nil {
		return w.postErr
	}
	for _, m := range messages {
		if !slices.ContainsFunc(w.messages, func(o venue.Message) bool { return o.ID == m.ID }) {
			w.messages = append(w.messages, m)
		}
	}
	return nil
}

func (w *world) Since(_ context.Context, now time.Time) (time.Time, error) {
	if w.since.IsZero() {
		w.since = now
	}
	return w.since, nil
}

func (w *world) Done(_ context.Context, day venue.Day, stage string) (bool, error) {
	_, ok := w.fates[day.String()+" "+stage]
	return ok, nil
}

func (w *world) Mark(_ context.Context, day venue.Day, stage string, _ time.Time, fate Fate) error {
	if _, ok := w.fates[day.String()+" "+stage]; !ok {
		w.fates[day.String()+" "+stage] = fate
	}
	return nil
}

var director = venue.ChatAccount{Channel: venue.ChannelRobot, ID: "zhang"}

// try submits a number at an instant, moving the clock there.
func (w *world) try(kind venue.EntryKind, unit string, n int, at time.Time) (Receipt, error) {
	w.now = at
	return w.service().Report(context.Background(), Submission{
		Unit: venue.UnitID(unit), By: director, Kind: kind, Count: n, At: at,
	})
}

func (w *world) say(t *testing.T, kind venue.EntryKind, unit string, n int, at time.Time) Receipt {
	t.Helper()
	r, err := w.try(kind, unit, n, at)
	if err != nil {
		t.Fatalf("%s %d of %s at %s: %v", kind, n, unit, venue.FormatInstant(at), err)
	}
	return r
}

func (w *world) kept(t *testing.T, unit string, day venue.Day) *venue.Report {
	t.Helper()
	r, ok, err := w.Get(context.Background(), venue.UnitID(unit), day)
	if err != nil || !ok {
		t.Fatalf("report of %s for %s: %v, kept %v", unit, day, err, ok)
	}
	return &r
}

// standsAt checks the number that counts now and whether the unit is late.
func (w *world) standsAt(t *testing.T, unit string, day venue.Day, count int, late bool) {
	t.Helper()
	r := w.kept(t, unit, day)
	e := r.Standing()
	if e == nil {
		t.Fatalf("no number of %s stands for %s, want %d", unit, day, count)
	}
	if e.Count != count || r.Late != late {
		t.Fatalf("%s for %s: %d stands, late %v; want %d, late %v", unit, day, e.Count, r.Late, count, late)
	}
}
