package checkin_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/checkin"
)

const (
	idMother = "11010519491231002X"
	idSon    = "110101199003070134"
)

func TestDecide(t *testing.T) {
	const (
		unknown, green, yellow, red = venue.HealthUnknown, venue.HealthGreen, venue.HealthYellow, venue.HealthRed
	)
	cases := []struct {
		name     string
		health   venue.Health
		sentinel bool
		yellow   venue.Decision // the policy at sentinel venues
		want     venue.Decision
	}{
		{"green is admitted", green, false, venue.Hold, venue.Admit},
		{"green is admitted at a sentinel venue", green, true, venue.Refuse, venue.Admit},
		{"yellow is restricted", yellow, false, venue.Refuse, venue.Restrict},
		{"yellow at a sentinel venue may be held", yellow, true, venue.Hold, venue.Hold},
		{"yellow at a sentinel venue may be refused", yellow, true, venue.Refuse, venue.Refuse},
		{"red is refused", red, false, venue.Restrict, venue.Refuse},
		{"red is refused at a sentinel venue", red, true, venue.Restrict, venue.Refuse},
		{"unknown is held", unknown, false, venue.Restrict, venue.Hold},
		{"unknown is held at a sentinel venue", unknown, true, venue.Restrict, venue.Hold},
		{"a colour nobody knows is held", venue.Health(9), false, venue.Restrict, venue.Hold},
		{"a colour nobody knows is held at a sentinel venue", venue.Health(255), true, venue.Restrict, venue.Hold},
	}
	for _, c := range cases {
		if got := (checkin.Policy{SentinelYellow: c.yellow}).Decide(c.health, c.sentinel); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestOnlyGreenIsEverAdmitted(t *testing.T) {
	for h := range 256 {
		for _, sentinel := range []bool{false, true} {
			for yellow := venue.Restrict; yellow <= venue.Refuse; yellow++ {
				got := checkin.Policy{SentinelYellow: yellow}.Decide(venue.Health(h), sentinel)
				if (got == venue.Admit) != (venue.Health(h) == venue.HealthGreen) || got == venue.DecisionNone {
					t.Fatalf("health %d, sentinel %v: %s", h, sentinel, got)
				}
			}
		}
	}
}

func request(id string) checkin.Request {
	return checkin.Request{Person: who(1), Code: "DOOR", RequestID: id, Direction: venue.In, Presence: venue.PresenceNear}
}

func TestAScanIsRecordedWhateverTheDecision(t *testing.T) {
	cases := []struct {
		name   string
		health venue.Health
		code   venue.Code
		want   venue.Decision
		alarms int
	}{
		{"green", venue.HealthGreen, "DOOR", venue.Admit, 0},
		{"yellow", venue.HealthYellow, "DOOR", venue.Restrict, 0},
		{"yellow at a sentinel venue", venue.HealthYellow, "SENTINEL", venue.Hold, 0},
		{"red", venue.HealthRed, "DOOR", venue.Refuse, 1},
		{"no code", venue.HealthUnknown, "DOOR", venue.Hold, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.colours[who(1)] = c.health
			r := request("r1")
			r.Code = c.code
			p, err := w.Checkin(ctx, r)
			if err != nil {
				t.Fatal(err)
			}
			if len(w.rows) != 1 || w.alarms() != c.alarms {
				t.Fatalf("%d rows and %d alarms, want 1 and %d", len(w.rows), w.alarms(), c.alarms)
			}
			row, place := w.rows[0], w.places[c.code]
			want := venue.Prompt{
				ScanID: row.Key.ID(), At: noon, Venue: place.Venue.Name, Door: "南门", Address: place.Venue.Address, Health: c.health,
				Decision: c.want, Title: c.want.String() + " ", Advice: []string{"419981001 " + c.health.String()}, Name: "张*",
			}
			if !reflect.DeepEqual(p, want) {
				t.Errorf("prompt\n%+v\nwant\n%+v", p, want)
			}
			if row.Health != c.health || row.Decision != c.want || row.Door != c.code || row.Unit != "unit" || row.Direction != venue.In ||
				row.Presence != venue.PresenceNear || row.Method != venue.MethodPhone || len(row.Proxy) != 0 || !row.At.Equal(noon) || !row.Received.Equal(noon) {
				t.Errorf("row %+v", row)
			}
			if h := reading(c.health, noon); !row.HealthAt.Equal(h.At) {
				t.Errorf("colour as of %s, want %s", row.HealthAt, h.At)
			}
			if i, j := slices.Index(w.steps, "record"), slices.Index(w.steps, "post"); j >= 0 && j < i {
				t.Errorf("told before it was recorded: %v", w.steps)
			}
		})
	}
}

func TestTheServersClockOrdersInWholeMilliseconds(t *testing.T) {
	w := newWorld(t)
	w.now = noon.Add(1234567 * time.Nanosecond)
	p, err := w.Checkin(ctx, request("r"))
	if want := noon.Add(time.Millisecond); err != nil || !p.At.Equal(want) || !w.rows[0].Received.Equal(want) {
		t.Fatalf("at %s, %v; want %s", p.At, err, want)
	}
}

func TestHealthSilentIsHeldAndAskedAgain(t *testing.T) {
	w := newWorld(t)
	w.advance(0)
	w.silent = true
	w.colours[who(1)] = venue.HealthGreen
	p, err := w.Checkin(ctx, request("r1"))
	if err != nil || p.Decision != venue.Hold || p.Health != venue.HealthUnknown || len(w.rows) != 1 {
		t.Fatalf("%+v, %v, %d rows", p, err, len(w.rows))
	}
	if due, ok, _ := w.recheck.Next(ctx); !ok || due.After(noon.Add(time.Minute)) {
		t.Fatalf("asked again at %s, %v", due, ok)
	}
}

func TestTheStoreDownIsAnErrorAndNoAnswer(t *testing.T) {
	for _, applied := range []bool{false, true} {
		w := newWorld(t)
		w.advance(0)
		w.colours[who(1)] = venue.HealthRed
		w.logDown, w.applied = errDown, applied
		p, err := w.Checkin(ctx, request("r1"))
		if !errors.Is(err, venue.ErrUnavailable) || !reflect.DeepEqual(p, venue.Prompt{}) {
			t.Fatalf("answered %+v, %v", p, err)
		}
		if w.alarms() != 0 {
			t.Fatal("alarmed for a scan that may not be there")
		}
		// It may be there: the sweep looks, though the phone never comes again.
		w.advance(10 * time.Second)
		want := 0
		if applied {
			want = 1
		}
		if w.alarms() != want {
			t.Errorf("stored = %v: %d alarms after ten seconds, want %d", applied, w.alarms(), want)
		}
	}
}

// The log may be taken here though nothing else of the store is to be had.
func TestWhileTheStoreIsAwayAScanIsTakenWithoutTheName(t *testing.T) {
	w := newWorld(t)
	w.peopleDown = errDown
	p, err := w.Checkin(ctx, request("r1"))
	if err != nil || p.Name != "" || p.ScanID == "" || len(w.rows) != 1 {
		t.Fatalf("answered %+v, %v; %d rows", p, err, len(w.rows))
	}
	r := request("r2")
	r.Companions = []venue.Identity{companion(t, "李四", idSon)}
	if _, err := w.Checkin(ctx, r); !errors.Is(err, checkin.ErrCompanions) || !errors.Is(err, venue.ErrUnavailable) || len(w.rows) != 1 {
		t.Fatalf("with a companion: %v; %d rows", err, len(w.rows))
	}
	w.peopleDown = errors.New("a damaged record")
	if _, err := w.Checkin(ctx, request("r3")); !errors.Is(err, w.peopleDown) {
		t.Fatalf("a damaged record: %v", err)
	}
}

func TestARepeatIsTheSameVisitAndTheSamePrompt(t *testing.T) {
	w := newWorld(t)
	w.colours[who(1)], w.colours[personOf(companion(t, "李四", idSon).ID)] = venue.HealthRed, venue.HealthGreen
	r := request("r1")
	r.Companions = []venue.Identity{companion(t, "李四", idSon)}
	first, err := w.Checkin(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	w.colours[who(1)] = venue.HealthGreen // meanwhile
	for _, later := range []time.Duration{time.Second, 11*time.Hour + 59*time.Minute, 12 * time.Hour, 23*time.Hour + 59*time.Minute} {
		w.now = noon.Add(later)
		r.Presence = venue.PresenceFar // the phone has learnt where it is
		again, err := w.Checkin(ctx, r)
		if err != nil || !reflect.DeepEqual(first, again) {
			t.Errorf("%s later\n%+v, %v\nwant\n%+v", later, again, err, first)
		}
	}
	if len(w.rows) != 2 || w.alarms() != 1 {
		t.Fatalf("%d rows and %d alarms, want 2 and 1", len(w.rows), w.alarms())
	}
	second := request("r2")
	if _, err := w.Checkin(ctx, second); err != nil || len(w.rows) != 3 {
		t.Fatalf("two real scans: %d rows, %v", len(w.rows), err)
	}
}

func TestOtherContentUnderOneRequestIsAConflictAndStoresNothing(t *testing.T) {
	base := request("r1")
	base.Companions = []venue.Identity{companion(t, "李四", idSon)}
	for name, change := range map[string]func(*checkin.Request){
		"another door":       func(r *checkin.Request) { r.Code = "SENTINEL" },
		"another direction":  func(r *checkin.Request) { r.Direction = venue.Out },
		"no companion":       func(r *checkin.Request) { r.Companions = nil },
		"another companion":  func(r *checkin.Request) { r.Companions = []venue.Identity{companion(t, "王五", idMother)} },
		"one companion more": func(r *checkin.Request) { r.Companions = append(r.Companions, companion(t, "王五", idMother)) },
		"a companion's name": func(r *checkin.Request) { r.Companions = []venue.Identity{companion(t, "李五", idSon)} },
		"companions reordered": func(r *checkin.Request) {
			r.Companions = append([]venue.Identity{companion(t, "王五", idMother)}, r.Companions...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if _, err := w.Checkin(ctx, base); err != nil {
				t.Fatal(err)
			}
			before := len(w.rows)
			r := base
			r.Companions = slices.Clone(base.Companions)
			change(&r)
			if _, err := w.Checkin(ctx, r); !errors.Is(err, venue.ErrConflict) {
				t.Fatalf("got %v, want ErrConflict", err)
			}
			if len(w.rows) != before {
				t.Fatalf("a refused request recorded %d visits", len(w.rows)-before)
			}
		})
	}
}

func TestCompanions(t *testing.T) {
	mother, son := companion(t, "王芳", idMother), companion(t, "李四", idSon)
	cases := []struct {
		name             string
		own, mother, son venue.Health
		want             venue.Decision
		title            string
	}{
		{"all green", venue.HealthGreen, venue.HealthGreen, venue.HealthGreen, venue.Admit, "admit "},
		{"a companion is yellow", venue.HealthGreen, venue.HealthYellow, venue.HealthGreen, venue.Restrict, "restrict 王*"},
		{"the strictest decides", venue.HealthYellow, venue.HealthYellow, venue.HealthRed, venue.Refuse, "refuse 李*"},
		{"one's own comes first among equals", venue.HealthRed, venue.HealthRed, venue.HealthGreen, venue.Refuse, "refuse "},
		{"unknown is stricter than yellow", venue.HealthYellow, venue.HealthUnknown, venue.HealthGreen, venue.Hold, "hold 王*"},
		{"red is stricter than unknown", venue.HealthUnknown, venue.HealthGreen, venue.HealthRed, venue.Refuse, "refuse 李*"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.colours[who(1)], w.colours[personOf(mother.ID)], w.colours[personOf(son.ID)] = c.own, c.mother, c.son
			r := request("r1")
			r.Companions = []venue.Identity{mother, son}
			p, err := w.Checkin(ctx, r)
			if err != nil {
				t.Fatal(err)
			}
			if p.Decision != c.want || p.Title != c.title || p.Health != c.own || len(p.Companions) != 2 {
				t.Fatalf("%s %q %s with %d companions, want %s %q", p.Decision, p.Title, p.Health, len(p.Companions), c.want, c.title)
			}
			if len(w.rows) != 3 {
				t.Fatalf("%d rows, want one each", len(w.rows))
			}
			for i, row := range w.rows {
				owner, err := w.OpenPerson(venue.DayOf(row.At), row.Key, row.Proxy)
				if i == 0 && (len(row.Proxy) != 0 || row.Method != venue.MethodPhone) {
					t.Errorf("one's own row has a proxy")
				}
				if i > 0 && (err != nil || owner != who(1) || row.Method != venue.MethodCompanion || row.Health != p.Companions[i-1].Health || row.Key.ID() != p.Companions[i-1].ScanID) {
					t.Errorf("row %d: %+v, %v", i, row, err)
				}
			}
		})
	}
}

func TestACompanionUnderAnothersNumberTellsNothingOfItsOwner(t *testing.T) {
	w := newWorld(t)
	w.advance(0)
	stranger := companion(t, "某某", idSon)
	w.doubt[idSon] = true
	w.colours[who(1)], w.colours[personOf(stranger.ID)] = venue.HealthGreen, venue.HealthRed
	r := request("r1")
	r.Companions = []venue.Identity{stranger}
	p, err := w.Checkin(ctx, r)
	if err != nil || p.Companions[0].Health != venue.HealthUnknown || p.Decision != venue.Hold {
		t.Fatalf("%+v, %v: the stranger's colour was told", p, err)
	}
	if len(w.rows) != 2 || slices.Index(w.steps, "ask") < 0 || strings.Count(strings.Join(w.steps, " "), "ask") != 1 {
		t.Fatalf("%d rows, steps %v", len(w.rows), w.steps)
	}
}

func TestARequestThatMakesNoSenseIsInvalidAndRecordsNothing(t *testing.T) {
	many := func(t *testing.T, n int) (all []venue.Identity) {
		for i := range n {
			s := fmt.Sprintf("1101011990030%03d", i)[:14] + fmt.Sprintf("%03d", i)
			for _, check := range "0123456789X" {
				if id, err := venue.ParseIDNumber(s[:6]+"19900307"+fmt.Sprintf("%03d", i)+string(check), venue.DayOf(noon)); err == nil {
					c := companion(t, "李四", idSon)
					c.ID = id
					all = append(all, c)
				}
			}
		}
		return all
	}
	self := companion(t, "张三", idMother)
	cases := []struct {
		name, field, reason string
		change              func(*checkin.Request)
	}{
		{"no request id", "request_id", "shape", func(r *checkin.Request) { r.RequestID = "" }},
		{"a request id of 65 characters", "request_id", "shape", func(r *checkin.Request) { r.RequestID = strings.Repeat("a", 65) }},
		{"a request id with a blank", "request_id", "shape", func(r *checkin.Request) { r.RequestID = "a b" }},
		{"a request id with a line feed", "request_id", "shape", func(r *checkin.Request) { r.RequestID = "a\n" }},
		{"a request id in Chinese", "request_id", "shape", func(r *checkin.Request) { r.RequestID = "一" }},
		{"six companions", "companions", "too_many", func(r *checkin.Request) { r.Companions = many(t, 6) }},
		{"a companion twice", "companions", "twice", func(r *checkin.Request) { c := companion(t, "李四", idSon); r.Companions = []venue.Identity{c, c} }},
		{"a companion twice under two names", "companions", "twice", func(r *checkin.Request) {
			r.Companions = []venue.Identity{companion(t, "李四", idSon), companion(t, "王五", idSon)}
		}},
		{"oneself as companion", "companions", "self", func(r *checkin.Request) { r.Person = personOf(self.ID); r.Companions = []venue.Identity{self} }},
	}
	for _, c := range cases {
		w := newWorld(t)
		r := request("r1")
		c.change(&r)
		_, err := w.Checkin(ctx, r)
		var invalid *venue.Invalid
		if !errors.As(err, &invalid) || invalid.Field != c.field || invalid.Reason != c.reason || len(w.rows) != 0 {
			t.Errorf("%s: %v with %d rows, want %s %s", c.name, err, len(w.rows), c.field, c.reason)
		}
	}
	w := newWorld(t)
	r := request(strings.Repeat("a", 64))
	r.Companions = many(t, 5)
	if _, err := w.Checkin(ctx, r); err != nil || len(w.rows) != 6 {
		t.Errorf("five companions and 64 characters: %v with %d rows", err, len(w.rows))
	}
}

func TestACodeThatMayNotBeScannedIsNotFoundBeforeAnythingIsAsked(t *testing.T) {
	for _, code := range []venue.Code{"", "NOBODY"} {
		w := newWorld(t)
		r := request("r1")
		r.Code = code
		if _, err := w.Checkin(ctx, r); !errors.Is(err, venue.ErrNotFound) || len(w.steps) != 0 {
			t.Errorf("%q: %v after %v", code, err, w.steps)
		}
	}
}

func TestARedScanAlarmsManagersAndTerritoryOnceWithoutNaming(t *testing.T) {
	w := newWorld(t)
	w.colours[who(1)] = venue.HealthRed
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := w.Checkin(ctx, request("r1")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	w.advance(time.Minute)
	if len(w.posts) != 2 {
		t.Fatalf("posted %v, want one to the manager and one to the officer", w.posts)
	}
	for _, m := range w.posted {
		if m.Kind != venue.MessageAlarm || m.Alarm == nil || len(m.Units) != 1 || m.Units[0].Unit != "unit" || m.Alarm.Recheck || m.Alarm.Venue != "青禾市民中心" || m.Due.After(noon) || m.Day != venue.DayOf(noon) {
			t.Errorf("message %+v", m)
		}
		if to := m.To.ID; to != "manager" && to != "officer of 419981001" {
			t.Errorf("went to %s", to)
		}
	}
}

func TestAnAlarmThatCouldNotBePostedFailsNoScanAndIsPostedLater(t *testing.T) {
	w := newWorld(t)
	w.advance(0)
	w.colours[who(1)], w.postErr = venue.HealthRed, errDown
	p, err := w.Checkin(ctx, request("r1"))
	if err != nil || p.Decision != venue.Refuse {
		t.Fatalf("%+v, %v", p, err)
	}
	w.advance(30 * time.Second)
	w.postErr = nil
	w.advance(time.Minute)
	if w.alarms() != 1 {
		t.Fatalf("%d alarms, want 1", w.alarms())
	}
}
