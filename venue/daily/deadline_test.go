package daily

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// city has one group with two units that report, one covered and one exempt.
func city() *world {
	w := newWorld()
	w.groups = []venue.Group{{ID: "g", Name: "办公室主任群"}, {ID: "empty"}}
	for id, duty := range map[string]venue.Duty{"C": venue.DutyCovered, "X": venue.DutyExempt} {
		w.unit(id, "A", duty)
	}
	w.unit("A", "", venue.DutyReports)
	w.unit("B", "", venue.DutyReports)
	w.door("a", "A")
	w.door("b", "B")
	w.accounts["A"] = []venue.ChatAccount{
		{Channel: venue.ChannelRobot, ID: "zhang"}, {Channel: venue.ChannelWeComApp, ID: "zhang"},
		{Channel: venue.ChannelService, ID: "blind"}, {Channel: venue.ChannelRobot, ID: "li"},
	}
	w.accounts["B"] = []venue.ChatAccount{{Channel: venue.ChannelWeComApp, ID: "wang"}}
	return w
}

// drive is a scheduler: it moves the clock from one due stage to the next.
func drive(t *testing.T, w *world, g *Stages, until time.Time) {
	t.Helper()
	for range 100 {
		due, ok, err := g.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if !ok || due.After(until) {
			w.now = later(w.now, until)
			return
		}
		w.now = later(w.now, due)
		if ran, _, err := g.Run(context.Background(), w.now); err != nil || ran == 0 {
			t.Fatalf("run at %s: %d stages, %v", venue.FormatInstant(w.now), ran, err)
		}
	}
	t.Fatal("the stages never come to rest")
}

// heard are the messages of the stages: when, what, and late or not.
func (w *world) heard() []string {
	var out []string
	for _, m := range w.messages {
		s := m.Due.In(venue.Zone).Format("02 15:04 ") + string(m.Kind)
		if m.Late {
			s += " late"
		}
		for _, u := range m.Units {
			s += " " + string(u.Unit)
		}
		out = append(out, s)
	}
	return out
}

func wantHeard(t *testing.T, w *world, want ...string) {
	t.Helper()
	if got := w.heard(); !slices.Equal(got, want) {
		t.Fatalf("heard\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestADaysStagesInTheirOrder(t *testing.T) {
	w := city()
	drive(t, w, w.stages(), clock(today+1, "14:00"))
	wantHeard(t, w,
		"18 15:00 reminder A B", "18 15:30 reminder A B", "18 15:40 onetap A B", "18 15:50 reminder A B", "18 16:10 digest")
	for _, m := range w.messages {
		if m.To != (venue.Recipient{Channel: venue.ChannelRobot, ID: "g"}) || m.Day != today {
			t.Errorf("%+v", m)
		}
	}
	if got := w.messages[0].Units[0]; !slices.Equal(got.Accounts, []string{"zhang", "li"}) || got.Name != "单位A" {
		t.Errorf("A is called as %+v", got)
	}
	if id := w.messages[1].ID; id != "reminder-15:30:2022-05-18:g" {
		t.Errorf("id %q is not stage, day and group", id)
	}
}

func TestOnlyTheMissingAreReminded(t *testing.T) {
	w := city()
	g := w.stages()
	drive(t, w, g, clock(today, "15:10"))
	w.say(t, venue.EntryReport, "A", 0, clock(today, "15:10"))
	drive(t, w, g, clock(today, "15:45"))
	w.say(t, venue.EntryReport, "B", 0, clock(today, "15:45"))
	drive(t, w, g, clock(today, "16:10"))
	w.messages = slices.DeleteFunc(w.messages, func(m venue.Message) bool { return m.Kind == venue.MessageDifference })
	wantHeard(t, w, "18 15:00 reminder A B", "18 15:30 reminder B", "18 15:40 onetap B", "18 16:10 digest")
	if w.fates[today.String()+" reminder-15:50"] != FateSent {
		t.Error("a reminder with nobody to remind is not over")
	}
}

func TestTheDigestIsTheDayInNumbers(t *testing.T) {
	w := city()
	w.unit("D", "", venue.DutyReports)
	w.unit("E", "", venue.DutyReports)
	w.door("e", "E")
	g := w.stages()
	drive(t, w, g, clock(today, "14:00"))
	w.scans("a", 30, clock(today, "10:00"))
	w.say(t, venue.EntryReport, "A", 30, clock(today, "15:59"))
	w.say(t, venue.EntryReport, "B", 50, clock(today, "16:05"))
	w.say(t, venue.EntryReport, "D", 4, clock(today, "15:59")) // no door: nothing to doubt
	w.say(t, venue.EntryCorrect, "A", 31, clock(today, "16:06"))
	drive(t, w, g, clock(today, "16:10"))
	got := w.messages[len(w.messages)-1].Digest
	want := venue.Digest{Due: 4, Reported: 2, Late: 1, Missing: 1, Exempt: 1, Covered: 1, Doubtful: 1, MissingNames: []string{"单位E"}, Total: 84, TopUp: 1}
	if got == nil || fmt.Sprint(*got) != fmt.Sprint(want) {
		t.Fatalf("digest %+v, want %+v", got, want)
	}
}

func TestTheBoardCountsAtTheDoorsOfTheMissing(t *testing.T) {
	w := city()
	w.scans("a", 30, clock(today, "10:00"))
	w.scans("b", 7, clock(today, "10:00"))
	w.say(t, venue.EntryReport, "A", 20, clock(today, "15:00"))
	b, err := w.service().Board(context.Background(), today, w.units)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[venue.UnitID]Row{}
	for _, r := range b.Rows {
		rows[r.Unit] = r
	}
	if a := rows["A"]; a.State != StateReported || *a.Reported != 20 || a.Verdict != venue.VerdictUnder || *a.Counts != (venue.Counts{Raw: 30, Effective: 30, People: 30}) {
		t.Errorf("A: %+v %+v", a, a.Counts)
	}
	if r := rows["B"]; r.State != StateMissing || r.Reported != nil || r.Verdict != venue.VerdictNone || r.Counts.Raw != 7 {
		t.Errorf("B: %+v", r)
	}
	if rows["C"].State != StateCovered || rows["X"].State != StateExempt || rows["C"].Counts != nil {
		t.Errorf("C: %+v, X: %+v", rows["C"], rows["X"])
	}
	if b.Due != 2 || b.Reported != 1 || b.Late != 0 || b.Missing != 1 || b.Doubtful != 1 {
		t.Errorf("heads %+v", b)
	}
}

func TestTheOneTapShowsWhatAConfirmationThenMeans(t *testing.T) {
	w := city()
	w.unit("D", "", venue.DutyReports) // has no door, and so nothing to confirm
	g := w.stages()
	drive(t, w, g, clock(today, "15:00"))
	w.scans("a", 12, clock(today, "15:20"))
	w.scans("a", 50, clock(today, "15:41"))
	drive(t, w, g, clock(today, "15:45"))
	m := w.messages[len(w.messages)-1]
	if len(m.Units) != 2 || m.Units[0].Unit != "A" || m.Units[0].Shown != 12 || m.Units[1].Shown != 0 {
		t.Fatalf("one tap %+v", m.Units)
	}
	r := w.say(t, venue.EntryConfirm, "A", 0, clock(today, "15:55"))
	if r.Entry.Count != 12 || r.Result.Verdict != venue.VerdictConsistent || r.Result.High != 12 {
		t.Fatalf("confirmed %d, %+v", r.Entry.Count, r.Result)
	}
	if r := w.say(t, venue.EntryConfirm, "B", 0, clock(today, "15:55")); r.Entry.Count != 0 {
		t.Fatalf("confirmed %d of none", r.Entry.Count)
	}
}

func TestAOneTapTriedAgainShowsTheSameNumber(t *testing.T) {
	w := city()
	g := w.stages()
	drive(t, w, g, clock(today, "15:39"))
	w.scans("a", 5, clock(today, "15:20"))
	w.now = clock(today, "15:40")
	w.postErr = errors.New("outbox down")
	if _, _, err := g.Run(context.Background(), w.now); err == nil {
		t.Fatal("a stage that could not be posted is over")
	}
	w.postErr = nil
	w.scans("a", 5, clock(today, "15:40:30"))
	w.now = clock(today, "15:41")
	drive(t, w, g, clock(today, "15:41"))
	if got := w.messages[len(w.messages)-1].Units[0].Shown; got != 5 || w.kept(t, "A", today).Shown != 5 {
		t.Fatalf("shown %d, remembered %d; want 5", got, w.kept(t, "A", today).Shown)
	}
}

func TestAStageRunsOnceAcrossRestarts(t *testing.T) {
	w := city()
	drive(t, w, w.stages(), clock(today, "15:35"))
	// Another process, or the same after a restart, finds it done.
	drive(t, w, w.stages(), clock(today, "15:35"))
	if n, _, err := w.stages().Run(context.Background(), w.now); n != 0 || err != nil {
		t.Fatalf("%d stages ran again, %v", n, err)
	}
	// One that died before it could mark posts the same message again.
	delete(w.fates, today.String()+" reminder-15:30")
	drive(t, w, w.stages(), clock(today, "15:35"))
	wantHeard(t, w, "18 15:00 reminder A B", "18 15:30 reminder A B")
}

func TestAProcessThatWasDown(t *testing.T) {
	before := []string{"18 15:00 reminder A B"}
	for _, c := range []struct {
		name string
		back time.Time
		want []string
	}{
		{"half a minute too late is not late", clock(today, "15:30:30"), []string{"18 15:30 reminder A B"}},
		{"sends the missed reminder late", clock(today, "15:37"), []string{"18 15:37 reminder late A B"}},
		{"sends of two reminders the latest", clock(today, "15:55"), []string{"18 15:55 onetap late A B", "18 15:55 reminder late A B"}},
		{"has no use for a one tap after the deadline", clock(today, "16:05"), []string{"18 16:05 reminder late A B"}},
		{"has no use for a reminder once the digest is due", clock(today, "16:10"), []string{"18 16:10 digest"}},
		{"sends the digest late", clock(today, "20:00"), []string{"18 20:00 digest late"}},
		{"sends it until twelve hours later", clock(today+1, "04:10"), []string{"19 04:10 digest late"}},
		{"has no use for it then", clock(today+1, "04:10:00.001"), nil},
		{"has no use for what is older than yesterday", clock(today+3, "09:00"), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := city()
			drive(t, w, w.stages(), clock(today, "15:05"))
			w.now = c.back
			g := w.stages()
			for range 2 { // once
				if _, _, err := g.Run(context.Background(), w.now); err != nil {
					t.Fatal(err)
				}
			}
			wantHeard(t, w, append(slices.Clone(before), c.want...)...)
			if next, ok, err := g.Next(context.Background()); err != nil || !ok || !next.After(w.now) {
				t.Errorf("next is %v, %v, %v; want one that lies ahead", next, ok, err)
			}
		})
	}
}

func TestTheVeryFirstStartOwesNothingOfBefore(t *testing.T) {
	w := city()
	w.now = clock(today, "15:30")
	drive(t, w, w.stages(), clock(today, "15:35"))
	wantHeard(t, w, "18 15:30 reminder A B")
	w = city()
	w.now = clock(today, "15:30:00.001")
	drive(t, w, w.stages(), clock(today, "15:45"))
	wantHeard(t, w, "18 15:40 onetap A B")
}

func TestNobodyIsAskedOnADayOff(t *testing.T) {
	w := city()
	g := w.stages()
	g.Off = func(d venue.Day) bool { return d < today+3 }
	next, ok, err := g.Next(context.Background())
	if err != nil || !ok || !next.Equal(clock(today+3, "15:00")) {
		t.Fatalf("next is %v, %v, %v", next, ok, err)
	}
	w.now = clock(today, "23:00")
	if ran, _, err := g.Run(context.Background(), w.now); ran != 0 || err != nil || len(w.messages) != 0 {
		t.Fatalf("%d stages ran, %v", ran, err)
	}
	g.Off = func(venue.Day) bool { return true }
	if _, ok, err := g.Next(context.Background()); ok || err != nil {
		t.Fatalf("a stage on no day: %v, %v", ok, err)
	}
}

func TestADigestPastMidnightBelongsToTheDayBefore(t *testing.T) {
	w := city()
	g := w.stages()
	g.Service.Policy.Window, g.Service.Policy.Deadline, g.Service.Policy.Digest = Midnight, TimeOfDay{24, 0}, TimeOfDay{24, 10}
	drive(t, w, g, clock(today+1, "00:05"))
	drive(t, w, g, clock(today+1, "14:00"))
	last := w.messages[len(w.messages)-1]
	if last.Kind != venue.MessageDigest || last.Day != today || !last.Due.Equal(clock(today+1, "00:10")) || last.Late {
		t.Fatalf("%+v", last)
	}
}

func TestAMessageIsFreshWhenItGoesOut(t *testing.T) {
	w := city()
	g := w.stages()
	drive(t, w, g, clock(today, "15:40"))
	reminder, tap := w.messages[1], w.messages[2]
	fresh := func(m venue.Message, want ...string) {
		t.Helper()
		got, ok, err := g.Fresh(context.Background(), m)
		if err != nil || ok != (len(want) > 0) {
			t.Fatalf("fresh %v, %v; want %v", ok, err, want)
		}
		var units []string
		for _, u := range got.Units {
			units = append(units, string(u.Unit))
		}
		if ok && !slices.Equal(units, want) {
			t.Fatalf("still names %v, want %v", units, want)
		}
	}
	fresh(reminder, "A", "B")
	w.say(t, venue.EntryReport, "A", 0, clock(today, "15:41"))
	fresh(reminder, "B")
	fresh(tap, "B")
	if len(tap.Units) != 2 {
		t.Fatal("the posted message itself was changed")
	}

	// What B saw in the meantime is what its confirmation means.
	w.scans("b", 9, clock(today, "15:20"))
	w.now = clock(today, "15:45")
	if _, err := w.service().Status(context.Background(), "B", w.now); err != nil {
		t.Fatal(err)
	}
	if m, _, err := g.Fresh(context.Background(), tap); err != nil || m.Units[0].Shown != 9 {
		t.Fatalf("shows %d, %v; want 9", m.Units[0].Shown, err)
	}

	gone := tap
	gone.Units = []venue.UnitMention{{Unit: "dissolved"}}
	fresh(gone)

	w.now = clock(today, "16:00")
	fresh(tap)
	fresh(reminder, "B")
	w.say(t, venue.EntryReport, "B", 9, clock(today, "16:01"))
	fresh(reminder)
	w.now = clock(today, "16:10")
	if m, ok, err := g.Fresh(context.Background(), venue.Message{Kind: venue.MessageDigest}); !ok || err != nil || m.Kind != venue.MessageDigest {
		t.Fatal("other messages stay as they are")
	}
}

func TestAReminderHasNoUseOnceTheDigestIsDue(t *testing.T) {
	w := city()
	g := w.stages()
	drive(t, w, g, clock(today, "15:50"))
	w.now = clock(today, "16:10")
	if _, ok, err := g.Fresh(context.Background(), w.messages[0]); ok || err != nil {
		t.Fatalf("fresh %v, %v", ok, err)
	}
}

func TestMissingNamesThoseOfTheCurrentWindow(t *testing.T) {
	w := city()
	w.say(t, venue.EntryReport, "A", 0, clock(today, "15:00"))
	missing := func() string {
		m, err := w.stages().Missing(context.Background(), "g")
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(m)
	}
	if got := missing(); got != "[{B 单位B [wang] 0}]" {
		t.Errorf("missing %s", got)
	}
	w.now = clock(today, "23:59:59.999")
	if got := missing(); got != "[{B 单位B [wang] 0}]" {
		t.Errorf("after the deadline missing %s", got)
	}
	w.now = clock(today+1, "00:00")
	if got := missing(); got != "[{A 单位A [zhang li] 0} {B 单位B [wang] 0}]" {
		t.Errorf("the next day missing %s", got)
	}
}
