package notifier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/venuecode/venuecode/internal/schedule"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

var day = func() venue.Day { d, _ := venue.ParseDay("2022-05-22"); return d }()

type sending struct {
	to, text string
	mentions []string
	at       time.Time
}

// world is a notifier with everything around it.
type world struct {
	*Notifier
	t      *testing.T
	memory *memory
	outbox store.Collection[store.OutboxRow]
	clock  *schedule.Clock
	runner *schedule.Runner
	log    *bytes.Buffer

	mu     sync.Mutex
	sent   []sending
	answer func(to string) error // nil: delivered
}

func newWorld(t *testing.T, start time.Time, change func(*Options)) *world {
	t.Helper()
	w := &world{t: t, memory: &memory{docs: map[string]store.Document{}}, log: &bytes.Buffer{}}
	w.outbox = store.NewCollection[store.OutboxRow](w.memory, store.Outbox)
	var err error
	machine := venue.ClockFunc(func() time.Time { return start })
	if w.clock, err = schedule.NewClock(schedule.Standing, start, "", machine); err != nil {
		t.Fatal(err)
	}
	log, metrics := slog.New(slog.NewTextHandler(w.log, nil)), prometheus.NewRegistry()
	w.runner = schedule.NewRunner(schedule.Options{Clock: w.clock, Log: log, Metrics: metrics})
	o := Options{
		Outbox: w.outbox, Clock: w.clock, Directory: book{}, Wake: w.runner.Wake, Log: log, Metrics: metrics,
		Policy:  Policy{QuietFrom: 22 * time.Hour, QuietTo: 7 * time.Hour},
		Senders: Senders{Group: w, App: w, Service: w, Subscribe: w},
	}
	if change != nil {
		change(&o)
	}
	w.Notifier = New(o)
	w.runner.Add(w.Notifier)
	return w
}

type book struct{}

func (book) Group(_ context.Context, id venue.GroupID) (string, string, error) {
	if id == "gone" {
		return "", "", venue.ErrNotFound
	}
	return "群" + string(id), "key-" + string(id), nil
}

func (book) Address(_ context.Context, to venue.Recipient) (string, error) { return to.ID, nil }

func (w *world) SendGroup(_ context.Context, key, text string, mentions []string) error {
	return w.take(sending{to: key, text: text, mentions: mentions})
}
func (w *world) SendApp(_ context.Context, id, text string) error {
	return w.take(sending{to: id, text: text})
}
func (w *world) Send(_ context.Context, id, text string) error {
	return w.take(sending{to: id, text: text})
}
func (w *world) SendCard(_ context.Context, id string, c Card) error {
	return w.take(sending{to: id, text: fmt.Sprint(c)})
}

func (w *world) take(s sending) error {
	w.mu.Lock()
	answer := w.answer
	w.mu.Unlock()
	if answer != nil {
		if err := answer(s.to); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s.at = w.clock.Now()
	w.sent = append(w.sent, s)
	return nil
}

func (w *world) post(m ...venue.Message) {
	w.t.Helper()
	if err := w.Post(w.t.Context(), m...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) advance(d time.Duration) schedule.Move {
	w.t.Helper()
	m, err := w.runner.Advance(w.t.Context(), d)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *world) row(id string) store.OutboxRow {
	w.t.Helper()
	r, err := w.outbox.Get(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return r.Value
}

func digestTo(group, id string) venue.Message {
	return venue.Message{ID: id, Kind: venue.MessageDigest, Day: day, To: venue.Recipient{Channel: venue.ChannelRobot, ID: group}, Digest: &venue.Digest{Due: 1, Reported: 1}}
}

func alarmTo(userid, id string) venue.Message {
	return venue.Message{ID: id, Kind: venue.MessageAlarm, Day: day, To: venue.Recipient{Channel: venue.ChannelWeComApp, ID: userid}, Alarm: alarm}
}

func TestPostedTwiceIsSentOnce(t *testing.T) {
	w := newWorld(t, day.At(16, 10), nil)
	w.post(digestTo("g", "a"), digestTo("g", "a"))
	w.post(digestTo("g", "a"))
	if m := w.advance(0); m.Ran != 1 || m.Deferred != 0 {
		t.Errorf("got %+v, want one ran", m)
	}
	w.post(digestTo("g", "a"))
	w.advance(time.Hour)
	if len(w.sent) != 1 {
		t.Errorf("sent %d times, want once", len(w.sent))
	}
	if r := w.row("a"); r.State != store.OutboxSent || r.Attempts != 1 || !r.Sent.Equal(day.At(16, 10)) || r.Outcome != "" {
		t.Errorf("the ledger says %+v", r)
	}
}

func TestAMessageGrowsOldFromWhenItEnded(t *testing.T) {
	w := newWorld(t, day.At(16, 10), nil)
	m := digestTo("g", "a")
	m.Due = day.At(8, 0)
	w.post(m)
	w.advance(0)
	if r := w.row("a"); r.State != store.OutboxSent || !r.Due.Equal(day.At(16, 10)) {
		t.Errorf("the ledger says %+v", r)
	}
}

func TestAMessageWaitsForItsTime(t *testing.T) {
	w := newWorld(t, day.At(15, 0), nil)
	m := digestTo("g", "a")
	m.Due = day.At(16, 10)
	w.post(m)
	w.advance(70*time.Minute - time.Millisecond)
	if len(w.sent) != 0 {
		t.Fatal("sent before it was due")
	}
	w.advance(time.Millisecond)
	if len(w.sent) != 1 {
		t.Fatal("not sent when it was due")
	}
}

func TestAMinuteOfARobotHoldsEighteenAndNothingIsLost(t *testing.T) {
	w := newWorld(t, day.At(16, 10), nil)
	var want []string
	for i := range 40 {
		id := fmt.Sprintf("m%02d", i)
		w.post(digestTo("g", id))
		want = append(want, Number(id))
	}
	if m := w.advance(0); m.Ran != 18 || m.Deferred != 0 {
		t.Fatalf("at once: got %+v, want 18 ran and none deferred", m)
	}
	if r := w.row("m20"); r.State != store.OutboxPending || r.Attempts != 0 || r.Outcome != outcomeMinuteFull {
		t.Errorf("put off: got %+v", r)
	}
	w.advance(59 * time.Second)
	if len(w.sent) != 18 {
		t.Fatalf("within the minute: %d sent, want 18", len(w.sent))
	}
	w.advance(3 * time.Minute)
	var got []string
	for i, s := range w.sent {
		got = append(got, s.text[len(s.text)-6:])
		if i >= 18 && s.at.Sub(w.sent[i-18].at) < time.Minute {
			t.Errorf("message %d came %v after the eighteenth before it", i, s.at.Sub(w.sent[i-18].at))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("sent %v, want all 40 in order %v", got, want)
	}
}

// TestARobotsMinuteOutlivesItsSender: another leader, or the same process started
// anew, goes on counting where the one before ended.
func TestARobotsMinuteOutlivesItsSender(t *testing.T) {
	for name, token := range map[string]func(term int64) func() (int64, bool){
		"a takeover": func(term int64) func() (int64, bool) { return func() (int64, bool) { return term, true } },
		"a restart":  func(int64) func() (int64, bool) { return nil },
	} {
		first := newWorld(t, day.At(16, 10), func(o *Options) { o.Token = token(1) })
		for i := range 15 {
			first.post(digestTo("g", fmt.Sprint("a", i)))
		}
		first.post(digestTo("h", "b"))
		first.advance(0)
		second := newWorld(t, day.At(16, 10).Add(20*time.Second), func(o *Options) { o.Outbox, o.Token = first.outbox, token(2) })
		for i := range 10 {
			second.post(digestTo("g", fmt.Sprint("c", i)))
		}
		second.post(digestTo("h", "d"))
		sent := map[string]int{}
		count := func() int {
			clear(sent)
			for _, s := range second.sent {
				sent[s.to]++
			}
			return sent["key-g"]
		}
		second.advance(39 * time.Second)
		if n := count(); n != 3 || sent["key-h"] != 1 {
			t.Errorf("%s: within the minute %d more, and %d to another group; want 3 and 1", name, n, sent["key-h"])
		}
		if second.advance(2 * time.Second); count() != 10 {
			t.Errorf("%s: %d after the minute, want all 10", name, count())
		}
	}
}

func TestAFailureIsTriedAgainLaterAndLaterAndHoldsWhatIsBehind(t *testing.T) {
	w := newWorld(t, day.At(16, 10), nil)
	w.post(digestTo("g", "a"), digestTo("g", "b"), digestTo("h", "c"))
	w.answer = func(to string) error {
		if to == "key-g" {
			return errors.New("boom")
		}
		return nil
	}
	m := w.advance(34 * time.Second) // 0, 5, 15 s
	if m.Ran != 1 || m.Deferred != 6 {
		t.Errorf("got %+v, want the other group served, three failures and b behind each", m)
	}
	if r := w.row("a"); r.Attempts != 3 || !r.Due.Equal(day.At(16, 10).Add(35*time.Second)) || r.Outcome != outcomeFailed {
		t.Errorf("a: %+v", r)
	}
	if r := w.row("b"); r.Attempts != 0 || r.Outcome != outcomeBehind {
		t.Errorf("b: %+v", r)
	}
	w.answer = nil
	w.advance(time.Minute)
	if len(w.sent) != 3 || !strings.Contains(w.sent[1].text, Number("a")) || !strings.Contains(w.sent[2].text, Number("b")) {
		t.Errorf("sent %+v, want c, a, b", w.sent)
	}
	if n := strings.Count(w.log.String(), "to be tried again"); n != 1 {
		t.Errorf("logged %d times, want once", n)
	}
}

type verdictError struct {
	after time.Duration
	again bool
}

func (e verdictError) Error() string                { return "the platform says no" }
func (e verdictError) Retry() (time.Duration, bool) { return e.after, e.again }

func TestWhatTheErrorKnowsDecides(t *testing.T) {
	for _, c := range []struct {
		name    string
		policy  Policy
		err     error
		state   string
		outcome string
		due     time.Duration
	}{
		{"rate limited waits as long as it must", Policy{}, verdictError{time.Minute, true}, store.OutboxPending, outcomeFailed, time.Minute},
		{"a short wait is not shorter than ours", Policy{}, verdictError{time.Second, true}, store.OutboxPending, outcomeFailed, 5 * time.Second},
		{"wrapped", Policy{}, fmt.Errorf("x: %w", verdictError{time.Minute, true}), store.OutboxPending, outcomeFailed, time.Minute},
		{"refused is dead", Policy{}, verdictError{0, false}, store.OutboxDead, outcomeRefused, 0},
		{"away", Policy{}, venue.ErrUnavailable, store.OutboxPending, outcomeAway, 5 * time.Second},
		{"a timeout", Policy{}, context.DeadlineExceeded, store.OutboxPending, outcomeTimeout, 5 * time.Second},
		{"the last attempt", Policy{MaxAttempts: 1}, errors.New("x"), store.OutboxDead, outcomeGivenUp, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := day.At(16, 10)
			w := newWorld(t, start, func(o *Options) { o.Policy = c.policy })
			w.answer = func(string) error { return c.err }
			w.post(digestTo("g", "a"))
			w.advance(0)
			r := w.row("a")
			if r.State != c.state || r.Outcome != c.outcome || r.Attempts != 1 || !r.Due.Equal(start.Add(c.due)) {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestAMessageDiesAfterTheLastAttemptOrTheLastHour(t *testing.T) {
	w := newWorld(t, day.At(8, 0), func(o *Options) { o.Policy.MaxAttempts = 3 })
	w.answer = func(string) error { return errors.New("x") }
	w.post(digestTo("g", "a"))
	w.advance(time.Hour)
	if r := w.row("a"); r.State != store.OutboxDead || r.Attempts != 3 || r.Outcome != outcomeGivenUp {
		t.Errorf("three attempts: %+v", r)
	}
	w = newWorld(t, day.At(8, 0), func(o *Options) { o.Policy.GiveUp = time.Hour })
	w.answer = func(string) error { return errors.New("x") }
	w.post(digestTo("g", "a"))
	w.advance(59 * time.Minute)
	if r := w.row("a"); r.State != store.OutboxPending {
		t.Errorf("within the hour: %+v", r)
	}
	w.advance(time.Hour)
	if r := w.row("a"); r.State != store.OutboxDead {
		t.Errorf("after the hour: %+v", r)
	}
}

func TestACrashBetweenSendingAndRecordingSendsTheSameNumberAgain(t *testing.T) {
	w := newWorld(t, day.At(16, 10), nil)
	w.post(digestTo("g", "a"))
	w.memory.fail = venue.ErrUnavailable
	if m := w.advance(0); m.Deferred != 1 {
		t.Errorf("got %+v, want it deferred", m)
	}
	w.memory.fail = nil
	w.advance(time.Minute)
	if len(w.sent) != 2 || w.sent[0].text != w.sent[1].text || !strings.HasSuffix(w.sent[1].text, "编号 "+Number("a")) {
		t.Errorf("sent %+v, want the same text with the same number twice", w.sent)
	}
}

func TestPartsAlreadyDeliveredAreNotSentAgain(t *testing.T) {
	fresh := 0
	w := newWorld(t, day.At(15, 0), func(o *Options) {
		o.Fresh = func(_ context.Context, m venue.Message) (venue.Message, bool, error) { fresh++; return m, true, nil }
	})
	m := venue.Message{ID: "a", Kind: venue.MessageReminder, Day: day, To: venue.Recipient{Channel: venue.ChannelRobot, ID: "g"}}
	for i := range 150 {
		m.Units = append(m.Units, venue.UnitMention{Name: fmt.Sprintf("第%d号很长名字的单位", i), Accounts: []string{fmt.Sprintf("user%d", i)}})
	}
	w.post(m)
	calls := 0
	w.answer = func(string) error {
		if calls++; calls == 2 {
			return errors.New("x")
		}
		return nil
	}
	w.advance(0)
	if r := w.row("a"); r.Parts != 1 || r.State != store.OutboxPending {
		t.Fatalf("after the failure: parts %d, %s", r.Parts, r.State)
	}
	w.advance(time.Minute)
	if fresh != 1 {
		t.Errorf("brought up to date %d times; a message half sent must stay as it was", fresh)
	}
	all := ""
	for i, s := range w.sent {
		all += s.text
		if !strings.HasPrefix(s.text, "【提醒】") || !strings.HasSuffix(s.text, fmt.Sprintf("编号 %s（%d/%d）", Number("a"), i+1, len(w.sent))) || len(s.text) > maxBytes {
			t.Errorf("part %d of %d bytes: %s", i+1, len(s.text), s.text)
		}
		for _, user := range s.mentions {
			if !strings.Contains(s.text, "第"+strings.TrimPrefix(user, "user")+"号") {
				t.Errorf("part %d calls %s, whom it does not name", i+1, user)
			}
		}
	}
	for i := range 150 {
		if n := strings.Count(all, fmt.Sprintf("第%d号", i)); n != 1 {
			t.Errorf("unit %d named %d times", i, n)
		}
	}
}

func TestOnlyAlarmsAndAnswersGoOutAtNight(t *testing.T) {
	for _, c := range []struct {
		kind  venue.MessageKind
		night bool
	}{
		{venue.MessageAlarm, true}, {venue.MessageDifference, true},
		{venue.MessageReminder, false}, {venue.MessageDigest, false}, {venue.MessageOneTap, false}, {venue.MessageRecheck, false},
	} {
		for _, start := range []time.Time{day.At(22, 0), day.At(23, 59), (day + 1).At(6, 59)} {
			w := newWorld(t, start, nil)
			m := venue.Message{ID: "a", Kind: c.kind, Day: day, To: venue.Recipient{Channel: venue.ChannelWeComApp, ID: "li"},
				Alarm: alarm, Digest: &venue.Digest{}, Verdict: facts(nil), Units: []venue.UnitMention{{Name: "x"}}}
			w.post(m)
			w.advance(0)
			if got := len(w.sent) == 1; got != c.night {
				t.Errorf("%s at %s: sent %v, want %v", c.kind, venue.FormatInstant(start), got, c.night)
			}
			if _, err := w.runner.MoveTo(t.Context(), (day+1).At(7, 0)); err != nil || len(w.sent) != 1 {
				t.Errorf("%s: %d sent by the morning, %v", c.kind, len(w.sent), err)
			}
		}
	}
	w := newWorld(t, day.At(21, 59), nil)
	w.post(digestTo("g", "a"))
	if w.advance(0); len(w.sent) != 1 {
		t.Error("21:59 is not night")
	}
}

func TestANightsDigestDoesNotHoldAnAlarm(t *testing.T) {
	w := newWorld(t, day.At(23, 0), nil)
	to := venue.Recipient{Channel: venue.ChannelRobot, ID: "g"}
	w.post(digestTo("g", "a"), venue.Message{ID: "b", Kind: venue.MessageAlarm, To: to, Alarm: alarm})
	if w.advance(0); len(w.sent) != 1 || !strings.HasPrefix(w.sent[0].text, "【预警】") {
		t.Errorf("sent %+v, want the alarm", w.sent)
	}
}

func TestWhoHasReportedSinceIsLeftOut(t *testing.T) {
	left := []venue.UnitMention{{Name: "市医保局", Accounts: []string{"zhao"}}}
	w := newWorld(t, day.At(15, 0), func(o *Options) {
		o.Fresh = func(_ context.Context, m venue.Message) (venue.Message, bool, error) {
			m.Units = left
			return m, len(left) > 0, nil
		}
	})
	m := venue.Message{ID: "a", Kind: venue.MessageReminder, Day: day, To: venue.Recipient{Channel: venue.ChannelRobot, ID: "g"},
		Units: []venue.UnitMention{{Name: "市教体局", Accounts: []string{"qian"}}, left[0]}}
	w.post(m)
	w.advance(0)
	if len(w.sent) != 1 || strings.Contains(w.sent[0].text, "市教体局") || !slices.Equal(w.sent[0].mentions, []string{"zhao"}) {
		t.Errorf("sent %+v", w.sent)
	}
	left, m.ID = nil, "b"
	w.post(m)
	w.advance(0)
	if r := w.row("b"); len(w.sent) != 1 || r.State != store.OutboxDropped || r.Outcome != outcomeNothingLeft {
		t.Errorf("nobody left: %+v", r)
	}
}

func TestWhatCanNeverBeDeliveredIsDeadAtOnce(t *testing.T) {
	w := newWorld(t, day.At(15, 0), nil)
	alipay := digestTo("g", "no channel")
	alipay.To.Channel = venue.ChannelAlipay
	card := digestTo("g", "no card")
	card.To.Channel = venue.ChannelSubscribe
	empty := digestTo("g", "no facts")
	empty.Digest = nil
	w.post(alipay, card, empty, digestTo("gone", "no group"))
	w.advance(0)
	for id, outcome := range map[string]string{"no channel": outcomeNoChannel, "no card": outcomeNoChannel, "no facts": outcomeNoWords, "no group": outcomeNobody} {
		if r := w.row(id); r.State != store.OutboxDead || r.Outcome != outcome {
			t.Errorf("%s: %s, %s", id, r.State, r.Outcome)
		}
	}
}

func TestRecipientsAreServedSideBySideAtMostFour(t *testing.T) {
	w := newWorld(t, day.At(15, 0), nil)
	var busy, most atomic.Int32
	w.answer = func(string) error {
		n := busy.Add(1)
		for {
			if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		time.Sleep(2 * time.Millisecond)
		busy.Add(-1)
		return nil
	}
	for i := range 12 {
		for j := range 3 {
			w.post(alarmTo(fmt.Sprint("u", i), fmt.Sprintf("%d/%d", j, i)))
		}
	}
	if m := w.advance(0); m.Ran != 36 {
		t.Errorf("got %+v, want 36 ran", m)
	}
	if n := most.Load(); n != 4 {
		t.Errorf("at most %d at a time, want 4", n)
	}
	next := map[string]int{}
	for _, s := range w.sent {
		if want := fmt.Sprintf("%d/%s", next[s.to], s.to[1:]); !strings.HasSuffix(s.text, Number(want)) {
			t.Errorf("%s got another message before %s", s.to, want)
		}
		next[s.to]++
	}
}

func TestManyPagesAreDrainedInOneRun(t *testing.T) {
	w := newWorld(t, day.At(15, 0), nil)
	for i := range 2*page + 50 {
		w.post(alarmTo(fmt.Sprint("u", i%7), fmt.Sprint(i)))
	}
	if m := w.advance(0); m.Ran != 2*page+50 {
		t.Errorf("got %+v", m)
	}
}

func TestAStopLeavesTheMessageForLater(t *testing.T) {
	w := newWorld(t, day.At(15, 0), nil)
	ctx, cancel := context.WithCancel(t.Context())
	w.answer = func(string) error { cancel(); return context.Canceled }
	w.post(digestTo("g", "a"))
	if _, err := w.runner.Advance(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if r := w.row("a"); r.State != store.OutboxPending || r.Attempts != 0 || !r.Due.Equal(day.At(15, 0)) {
		t.Errorf("got %+v, want it untouched", r)
	}
}

func TestLogsAndLedgerCarryNoKey(t *testing.T) {
	w := newWorld(t, day.At(15, 0), func(o *Options) { o.Policy.MaxAttempts = 2 })
	w.answer = func(string) error { return errors.New("x") }
	w.post(digestTo("g", "a"))
	w.advance(time.Hour)
	if s := w.log.String() + fmt.Sprint(w.row("a")); strings.Contains(s, "key-g") || !strings.Contains(s, "message is dead") {
		t.Errorf("got %s", s)
	}
}

func TestADeliveryPrintsNoAddress(t *testing.T) {
	d := Delivery{Message: venue.Message{ID: "m1", Kind: venue.MessageAlarm}, address: "a-webhook's-key"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if text := fmt.Sprintf(verb+verb, d, &d); strings.Contains(text, d.address) || strings.Contains(text, fmt.Sprintf("%x", d.address)) {
			t.Errorf("%s shows the address: %s", verb, text)
		}
	}
}
