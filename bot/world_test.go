package bot

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/internal/sim"
	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/daily"
)

var (
	_ Desk    = (*daily.Service)(nil)
	_ Roll    = (*daily.Stages)(nil)
	_ Reports = daily.Reports(nil)
)

// The afternoon of 18 May, and a machine that thinks it is another year.
var (
	afternoon = time.Date(2022, 5, 18, 15, 42, 10, 0, venue.Zone)
	machine   = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
)

const (
	edu    = venue.UnitID("u-edu")
	school = venue.UnitID("u-school")
	group  = venue.GroupID("wrGroup")
)

// world is the door with everything behind it faked, reached as a platform
// reaches it.
type world struct {
	t       testing.TB
	app     *fiber.App
	h       *Handler
	keys    sim.Keys
	desk    *fakeDesk
	memory  *fakeMemory
	people  fakePeople
	log     *lockedBuffer
	civil   atomic.Int64 // unix ms
	machine atomic.Int64
	nonce   atomic.Int64
}

// testKeys are those of the three platforms that call.
var testKeys = sim.Keys{
	Service: sim.ServiceKeys{AppID: "wx0123456789abcdef", Account: "gh_0123456789ab", Token: "service-token", AESKey: strings.Repeat("s1", 21) + "A"},
	WeCom:   sim.WeComKeys{CorpID: "ww0123456789abcdef", AgentID: "1000002", Token: "app-token", AESKey: strings.Repeat("a2", 21) + "A"},
	Robot:   sim.RobotKeys{ID: "aib0123456789", Token: "robot-token", AESKey: strings.Repeat("r3", 21) + "A"},
}

func newWorld(t testing.TB) *world {
	t.Helper()
	keys := testKeys
	must := func(c *Crypt, err error) *Crypt {
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	w := &world{
		t: t, keys: keys, log: &lockedBuffer{},
		desk:   &fakeDesk{reports: map[venue.UnitID]venue.Report{}},
		memory: &fakeMemory{kept: map[string]*answer{}},
		people: fakePeople{
			"wecom_app:wanglei":          {Unit: edu},
			"wecom_app:chenjing":         {Unit: school},
			"service_account:b(oWanger)": {Unit: edu},
		},
	}
	w.civil.Store(afternoon.UnixMilli())
	w.machine.Store(machine.UnixMilli())
	clock := func(ms *atomic.Int64) venue.Clock {
		return venue.ClockFunc(func() time.Time { return time.UnixMilli(ms.Load()).UTC() })
	}
	logger := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.h = &Handler{
		Robot:      must(NewCrypt(keys.Robot.Token, keys.Robot.AESKey, "")),
		App:        must(NewCrypt(keys.WeCom.Token, keys.WeCom.AESKey, keys.WeCom.CorpID)),
		Service:    must(NewCrypt(keys.Service.Token, keys.Service.AESKey, keys.Service.AppID)),
		RobotNames: []string{"场所码助手"},
		Blind:      func(openid string) string { return "b(" + openid + ")" },
		Contact:    "市指挥部办公室 0375-0000000",
		Policy:     daily.DefaultPolicy(),
		Desk:       w.desk, Roll: w.desk, Reports: w.desk,
		Directory: w.people, Binder: w.people, Names: fakeNames{}, Memory: w.memory,
		Civil: clock(&w.civil), Machine: clock(&w.machine), Random: rand.Reader, Log: logger,
	}
	w.app = newApp(w)
	return w
}

func newApp(w *world) *fiber.App {
	app := web.New(web.Options{Name: "test", BodyLimit: 64 << 10, Machine: w.h.Machine, Log: w.h.Log})
	w.h.Routes(app)
	return app
}

var paths = []string{sim.RobotPath, sim.AppPath, sim.ServicePath}

// from is somebody bound to the education bureau on the path's platform.
func from(path string) string {
	if path == sim.ServicePath {
		return "oWanger"
	}
	return "wanglei"
}

// message is a new one, signed now.
func (w *world) message(from, text string) sim.Incoming {
	n := w.nonce.Add(1)
	return sim.Incoming{
		MsgID: strconv.FormatInt(7000000+n, 10), From: from, Text: text, Chat: string(group),
		Sent: time.UnixMilli(w.civil.Load()), At: time.UnixMilli(w.machine.Load()), Nonce: fmt.Sprintf("n%09d", n),
	}
}

// build writes a message as the path's platform does.
func (w *world) build(path string, m sim.Incoming) sim.Callback {
	w.t.Helper()
	build := map[string]func(sim.Keys, sim.Incoming) (sim.Callback, error){
		sim.RobotPath: sim.RobotCallback, sim.AppPath: sim.AppCallback, sim.ServicePath: sim.ServiceCallback,
	}[path]
	c, err := build(w.keys, m)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// raw seals any plain text for the path, as its platform would.
func (w *world) raw(path, plain string) sim.Callback {
	w.t.Helper()
	c := w.build(path, w.message("x", "x"))
	k := map[string][3]string{
		sim.RobotPath:   {w.keys.Robot.Token, w.keys.Robot.AESKey, ""},
		sim.AppPath:     {w.keys.WeCom.Token, w.keys.WeCom.AESKey, w.keys.WeCom.CorpID},
		sim.ServicePath: {w.keys.Service.Token, w.keys.Service.AESKey, w.keys.Service.AppID},
	}[path]
	return w.reseal(c, k[0], k[1], k[2], plain)
}

// reseal puts another text, sealed with other settings, into a call.
func (w *world) reseal(c sim.Callback, token, key, receiver, plain string) sim.Callback {
	w.t.Helper()
	crypt, err := sim.NewCrypt(token, key, receiver)
	if err != nil {
		w.t.Fatal(err)
	}
	sealed := crypt.Seal([]byte(plain))
	c.Query.Set("msg_signature", crypt.Sign(c.Query.Get("timestamp"), c.Query.Get("nonce"), sealed))
	if c.Path == sim.RobotPath {
		c.Body = []byte(`{"encrypt":"` + sealed + `"}`)
	} else {
		c.Body = []byte("<xml><Encrypt><![CDATA[" + sealed + "]]></Encrypt></xml>")
	}
	return c
}

// call sends a call and gives what came back.
func (w *world) call(c sim.Callback) (status int, body []byte) {
	w.t.Helper()
	r, err := c.Request(context.Background(), "http://door.example")
	if err != nil {
		w.t.Fatal(err)
	}
	return w.do(r)
}

func (w *world) do(r *http.Request) (int, []byte) {
	w.t.Helper()
	resp, err := w.app.Test(r, -1)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, body
}

// say sends a text and gives the words of the answer.
func (w *world) say(path, from, text string) string {
	w.t.Helper()
	return w.answerOf(w.build(path, w.message(from, text)))
}

func (w *world) answerOf(c sim.Callback) string {
	w.t.Helper()
	status, body := w.call(c)
	if status != 200 {
		w.t.Fatalf("%s: status %d, %s", c.Path, status, body)
	}
	text, err := sim.OpenReply(w.keys, c.Path, body)
	if err != nil {
		w.t.Fatalf("%s: %v", c.Path, err)
	}
	return text
}

// fakeDesk keeps numbers as simply as possible, and remembers being asked.
type fakeDesk struct {
	mu        sync.Mutex
	calls     int
	last      daily.Submission
	reports   map[venue.UnitID]venue.Report
	missing   []venue.UnitMention
	shown     int // times that Status showed a number
	fail      error
	slow      time.Duration
	withdrawn string
}

var unitNames = map[venue.UnitID][]string{
	edu:    {"市教育体育局", "教体局"},
	school: {"市第一高级中学", "一高"},
	"u-1":  {"市"},
	"u-bu": {"教育体育局"},
}

func (d *fakeDesk) called() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

func (d *fakeDesk) enter(ctx context.Context) error {
	if d.slow > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d.slow):
		}
	}
	d.calls++
	return d.fail
}

func (d *fakeDesk) Report(ctx context.Context, s daily.Submission) (daily.Receipt, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.enter(ctx); err != nil {
		return daily.Receipt{}, err
	}
	d.last = s
	p := daily.DefaultPolicy()
	day, _ := p.WindowOf(s.At)
	if s.Kind == venue.EntryMakeup {
		day--
	}
	r := d.reports[s.Unit]
	out := daily.Receipt{Unit: venue.Unit{ID: s.Unit, Name: unitNames[s.Unit][0]}, Day: day, Window: p.WindowOn(day)}
	if e := r.Standing(); e != nil {
		out.Former = &e.Count
	}
	out.Entry = venue.Entry{Kind: s.Kind, Count: s.Count, At: s.At, Sent: s.Sent, AsOf: s.At, By: s.By, Message: s.Message, Late: p.Late(day, s.At)}
	out.Entry.Awaiting = out.Former != nil && out.Entry.Late
	r.Day, r.Window, r.Entries = day, out.Window, append(r.Entries, out.Entry)
	r.Late = r.Entries[0].Late
	out.Late = r.Late
	// Canaries: numbers that belong to the reporter alone.
	out.Result = venue.Assessment{Low: 777001, High: 777002, Verdict: venue.VerdictOver, Distance: 777003}
	d.reports[s.Unit] = r
	return out, nil
}

func (d *fakeDesk) Withdraw(ctx context.Context, unit venue.UnitID, by venue.ChatAccount, message string, at time.Time) (daily.Withdrawal, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.enter(ctx); err != nil {
		return daily.Withdrawal{}, err
	}
	d.withdrawn = message
	r := d.reports[unit]
	if len(r.Entries) == 0 {
		return daily.Withdrawal{}, &daily.Refusal{Why: daily.RefusedNothing}
	}
	last := r.Entries[len(r.Entries)-1]
	r.Entries = r.Entries[:len(r.Entries)-1]
	d.reports[unit] = r
	return daily.Withdrawal{Unit: venue.Unit{Name: unitNames[unit][0]}, Day: r.Day, Window: r.Window, Removed: last, Stands: r.Standing()}, nil
}

func (d *fakeDesk) Status(ctx context.Context, unit venue.UnitID, at time.Time) (daily.Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.enter(ctx); err != nil {
		return daily.Status{}, err
	}
	d.shown++
	p := daily.DefaultPolicy()
	r := d.reports[unit]
	r.Day, r.Window = p.WindowOf(at)
	return daily.Status{
		Unit: venue.Unit{Name: unitNames[unit][0]}, Deadline: p.Deadline.On(r.Day), AsOf: at, Doors: true,
		Counts: venue.Counts{Raw: 777002, Effective: 777001, People: 777000}, Report: r,
	}, nil
}

func (d *fakeDesk) Missing(ctx context.Context, g venue.GroupID) ([]venue.UnitMention, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if g != group {
		return nil, nil
	}
	return d.missing, d.enter(ctx)
}

func (d *fakeDesk) Get(_ context.Context, unit venue.UnitID, day venue.Day) (venue.Report, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.reports[unit]
	return r, ok && r.Day == day, d.fail
}

func (p fakePeople) Group(_ context.Context, id venue.GroupID) (venue.Group, error) {
	if id != group {
		return venue.Group{}, venue.ErrNotFound
	}
	return venue.Group{ID: group}, nil
}

// fakePeople are bindings by account key; the one good code is GOOD-1.
type fakePeople map[string]venue.Binding

var peopleMu sync.Mutex

func (p fakePeople) Binding(_ context.Context, a venue.ChatAccount) (venue.Binding, error) {
	peopleMu.Lock()
	defer peopleMu.Unlock()
	b, ok := p[a.Key()]
	if !ok {
		return b, fmt.Errorf("binding of %s: %w", a.ID, venue.ErrNotFound)
	}
	return b, nil
}

func (p fakePeople) Bind(_ context.Context, a venue.ChatAccount, code string) (venue.Bound, error) {
	peopleMu.Lock()
	defer peopleMu.Unlock()
	switch code {
	case "GOOD1":
		p[a.Key()] = venue.Binding{Account: a, Unit: school}
		return venue.Bound{Binding: p[a.Key()]}, nil
	case "PLACE1": // a manager's
		return venue.Bound{Binding: venue.Binding{Account: a, Unit: school}, Manages: venue.Venue{ID: "v1", Name: "青禾市民中心"}}, nil
	case "USED1":
		return venue.Bound{}, venue.ErrConflict
	case "OLD1":
		return venue.Bound{}, venue.ErrStale
	case "DOWN1":
		return venue.Bound{}, venue.ErrUnavailable
	}
	return venue.Bound{}, venue.ErrNotFound
}

type fakeNames struct{}

func (fakeNames) UnitNames(context.Context) (map[venue.UnitID][]string, error) { return unitNames, nil }

// fakeMemory keeps the contract of Memory, in memory.
type fakeMemory struct {
	mu   sync.Mutex
	kept map[string]*answer
}

type answer struct {
	mu    sync.Mutex
	done  bool
	reply string
}

func (m *fakeMemory) Once(ctx context.Context, key string, run func(context.Context) (string, error)) (string, error) {
	m.mu.Lock()
	a := m.kept[key]
	if a == nil {
		a = &answer{}
		m.kept[key] = a
	}
	m.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done {
		return a.reply, nil
	}
	reply, err := run(ctx)
	if err != nil {
		return "", err
	}
	a.done, a.reply = true, reply
	return reply, nil
}

func (m *fakeMemory) keys() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all strings.Builder
	for k := range m.kept {
		all.WriteString(k + "\n")
	}
	return all.String()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
