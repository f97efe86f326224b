package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/venuecode/venuecode/configs"
	"github.com/venuecode/venuecode/internal/city"
	"github.com/venuecode/venuecode/internal/mongotest"
	"github.com/venuecode/venuecode/internal/schedule"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/store/mongo"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/daily"
)

// long: tests may take minutes (make long).
var long = os.Getenv("VENUECODE_LONG") == "1"

// TestBothEnginesTellTheSameOfADay gives a seeded day of scans to either engine
// and has staff report in front of it. What is counted must be what was sent; all
// that is said must be the same.
//
// The development server reads every row of a day for each count at a door, so
// that 20,000 scans take it minutes: they are for the long run.
func TestBothEnginesTellTheSameOfADay(t *testing.T) {
	scans := 2_500
	if long {
		scans = 20_000
	}
	day := newSeededDay(t, scans)
	ours, theirs := day.live(t, embeddedMemory), day.live(t, mongotest.Start(t).URI())
	if len(ours) != len(theirs) {
		t.Fatalf("%d and %d things were seen", len(ours), len(theirs))
	}
	for i := range ours {
		if ours[i] != theirs[i] {
			t.Errorf("embedded\n%s\nMongoDB\n%s", ours[i], theirs[i])
		}
	}
}

const embeddedMemory = "embedded"

// openMemory opens the embedded engine of a process that has its data in dir, or
// a MongoDB by its URI.
func openMemory(t *testing.T, memory, dir string, clock venue.Clock) (engine store.Engine) {
	t.Helper()
	var err error
	if memory == embeddedMemory {
		engine, err = embedded.Open(embedded.Options{Dir: filepath.Join(dir, "data", "store"), Schemas: store.Schemas, Machine: clock})
	} else {
		engine, err = mongo.Open(t.Context(), mongo.Options{URI: memory, Schemas: store.Schemas, Machine: clock, AllowStandalone: true, FullIndexes: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// seededDay is what happens from 16:00 to 16:00 in a small town.
type seededDay struct {
	day        venue.Day
	window     venue.Window
	keys       string // the folder
	registered store.Registered
	batches    [][]venue.Scan // as they arrive
	kept       []venue.Scan   // what must be there: each once, in the order of AtDoor
	asked      []question
}

// question is a count that an engine is asked for.
type question struct {
	span      venue.Span
	arrivedBy time.Time // zero: whenever
}

// count answers it without an engine.
func (d *seededDay) count(q question) (n int) {
	for _, s := range d.kept {
		if s.Door == q.span.Door && !s.At.Before(q.span.From) && s.At.Before(q.span.To) && (q.arrivedBy.IsZero() || !s.Received.After(q.arrivedBy)) {
			n++
		}
	}
	return n
}

func newSeededDay(t *testing.T, scans int) *seededDay {
	t.Helper()
	day, err := venue.ParseDay(demoDay)
	if err != nil {
		t.Fatal(err)
	}
	d := &seededDay{day: day, window: venue.Window{Start: (day - 1).At(16, 0), End: day.At(16, 0)}, keys: t.TempDir()}
	secrets, err := vault.Open(d.keys, rand.NewChaCha8([32]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	d.registered = smallTown(t, secrets, d.window.Start.AddDate(0, 0, -7))
	random := rand.New(rand.NewPCG(20220518, 16))
	people := make([]venue.PersonID, 1500)
	for i := range people {
		for j := range people[i] {
			people[i][j] = byte(random.Uint32())
		}
	}
	var sent []venue.Scan
	for n := range scans {
		sent = append(sent, d.scan(t, secrets, random, people, n)...)
	}
	slices.SortFunc(d.kept, func(a, b venue.Scan) int { return cmp.Or(a.At.Compare(b.At), bytes.Compare(a.Key[:], b.Key[:])) })
	slices.SortStableFunc(sent, func(a, b venue.Scan) int { return a.Received.Compare(b.Received) })
	d.batches = slices.Collect(slices.Chunk(sent, 1000))
	within := func(span time.Duration) time.Duration {
		return time.Duration(random.Int64N(int64(span))).Truncate(time.Millisecond)
	}
	for range 12 {
		from := d.window.Start.Add(within(24 * time.Hour))
		q := question{span: venue.Span{Door: d.door(random).Code, From: from, To: from.Add(within(6 * time.Hour))}}
		if random.IntN(3) > 0 {
			q.arrivedBy = q.span.To.Add(-within(time.Hour))
		}
		d.asked = append(d.asked, q)
	}
	return d
}

// smallTown has seven doors of units that report, that another reports for, and
// that need not. The development server gets no faster.
func smallTown(t *testing.T, secrets *vault.Vault, since time.Time) store.Registered {
	t.Helper()
	town := *city.Default()
	town.Units = slices.DeleteFunc(slices.Clone(town.Units), func(u city.Unit) bool {
		return !slices.Contains([]string{"教体局", "商务局", "市场监管局", "药监科", "民政局", "档案馆"}, u.Short)
	})
	for i := range town.Units {
		u := &town.Units[i]
		if u.Short == "档案馆" {
			u.Parent = ""
		}
		for j := range u.Venues {
			u.Venues[j].Doors = u.Venues[j].Doors[:1]
		}
	}
	registered, err := town.Registered(rand.NewChaCha8([32]byte{2}), since, func(g venue.GroupID) ([]byte, error) {
		return secrets.Seal(webhookUse, []byte(g))
	})
	if err != nil {
		t.Fatal(err)
	}
	return registered
}

func (d *seededDay) door(random *rand.Rand) venue.Door {
	return d.registered.Doors[random.IntN(len(d.registered.Doors))]
}

// scan is the n-th request as phones send it: a row, a companion's beside some,
// and for some the same once more, over midnight too, or something else under
// the same id. A few arrive late, as from a gate.
func (d *seededDay) scan(t *testing.T, secrets *vault.Vault, random *rand.Rand, people []venue.PersonID, n int) (sent []venue.Scan) {
	within := func(span time.Duration) time.Duration { return time.Duration(random.Int64N(int64(span))) }
	somebody := func() venue.PersonID { return people[random.IntN(len(people))] }
	at, late := d.window.Start.Add(within(24*time.Hour)), time.Duration(0)
	if random.IntN(2) == 0 { // by day
		at = d.day.At(7, 0).Add(within(9 * time.Hour))
	}
	if random.IntN(33) == 0 {
		late = within(20 * time.Minute)
	}
	door, owner, request := d.door(random), somebody(), fmt.Sprint("r", n)
	row := func(at time.Time, who venue.PersonID, companion int, content string) venue.Scan {
		at = venue.Millis(at)
		s := venue.Scan{
			At: at, Received: venue.Millis(at.Add(late)), Door: door.Code, Unit: door.Unit, Direction: venue.In, Presence: venue.PresenceNear,
			Health: venue.HealthGreen, HealthAt: at, Decision: venue.Admit, Hash: secrets.ContentHash([]byte(content)),
		}
		switch {
		case n%100 == 0:
			s.Health, s.Decision = venue.HealthRed, venue.Refuse
		case n%50 == 1:
			s.Health, s.Decision = venue.HealthYellow, venue.Restrict
		}
		var errs [3]error
		s.Key, s.Prior, errs[0] = secrets.ScanKey(owner, who, at, request, companion)
		s.Person, errs[1] = secrets.SealPerson(venue.DayOf(at), s.Key, who)
		if companion > 0 {
			s.Method = venue.MethodCompanion
			s.Proxy, errs[2] = secrets.SealPerson(venue.DayOf(at), s.Key, owner)
		}
		if err := cmp.Or(errs[0], errs[1], errs[2]); err != nil {
			t.Fatal(err)
		}
		return s
	}
	sent = append(sent, row(at, owner, 0, request))
	if other := somebody(); random.IntN(40) == 0 && other != owner {
		sent = append(sent, row(at, other, 1, request))
	}
	for _, s := range sent {
		s.Prior = venue.ScanKey{}
		d.kept = append(d.kept, s)
	}
	if random.IntN(40) == 0 {
		sent = append(sent, row(at.Add(late+within(3*time.Hour)), owner, 0, request))
	}
	if random.IntN(200) == 0 {
		sent = append(sent, row(at.Add(late+time.Minute), owner, 0, "something else"))
	}
	return sent
}

// live puts the day into a memory and has its afternoon in front of it. It gives
// what was seen, which must not hang on the engine.
func (d *seededDay) live(t *testing.T, memory string) (seen []string) {
	t.Helper()
	see := func(what string, v any) {
		t.Helper()
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, what+": "+string(b))
	}
	// A store whose caller sets no deadline takes 10 s for an operation; the
	// development server may take longer for 20,000 rows.
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	dir := t.TempDir()
	for _, outcomes := range d.fill(ctx, t, memory, dir) {
		see("outcomes", outcomes)
	}
	box := &mailbox{}
	platforms := httptest.NewServer(box)
	defer platforms.Close()
	a := d.open(t, memory, dir, platforms.URL)
	defer func() {
		if err := a.close(); err != nil {
			t.Error(err)
		}
	}()
	d.afternoon(ctx, t, a, see)
	wantText(t, "what was said", strings.Join(box.told, "\n"), "应报 4，已报 3，迟报 1", "【预警】", "【核查】", "以下 1 个单位")
	for _, message := range slices.Sorted(slices.Values(box.told)) {
		see("message", message)
	}
	rows, err := store.NewCollection[store.OutboxRow](a.engine, store.Outbox).All(ctx, store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		see("outbox", row)
	}
	d.verify(ctx, t, memory, a.engine)
	return seen
}

// fill writes the day's rows at the time at which they come in, by the machine's
// clock too, so that hours are over when they are counted.
func (d *seededDay) fill(ctx context.Context, t *testing.T, memory, dir string) (seen []map[venue.ScanOutcomeKind]int) {
	t.Helper()
	var now time.Time
	engine := openMemory(t, memory, dir, venue.ClockFunc(func() time.Time { return now }))
	for _, batch := range d.batches {
		now = batch[len(batch)-1].Received
		outcomes, err := engine.Append(ctx, batch)
		if err != nil {
			t.Fatal(err)
		}
		kinds := map[venue.ScanOutcomeKind]int{}
		for _, o := range outcomes {
			kinds[o.Kind]++
		}
		seen = append(seen, kinds)
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	return seen
}

// open opens the platform on a memory at 14:30.
func (d *seededDay) open(t *testing.T, memory, dir, platforms string) *app {
	t.Helper()
	config, err := configs.Load(configFile(t, section{
		"data_dir": filepath.Join(dir, "data"), "keys_dir": d.keys, "store": memory, "platforms_base": platforms,
		"wecom": section{"corp_id": "corp", "agent_id": "1", "secret": "s", "app": section{"token": "token", "encoding_aes_key": strings.Repeat("a", 43)}},
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := dataDir(config); err != nil {
		t.Fatal(err)
	}
	clock, err := schedule.NewClock(0, d.day.At(14, 30), "", machine)
	if err != nil {
		t.Fatal(err)
	}
	a, err := newApp(config, clock, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.registry.Put(t.Context(), d.registered); err != nil {
		t.Fatal(err)
	}
	return a
}

// afternoon: one unit reports what is so, one far too much, one confirms and
// corrects after the deadline, one is late.
func (d *seededDay) afternoon(ctx context.Context, t *testing.T, a *app, see func(what string, v any)) {
	t.Helper()
	move := func(to time.Time) {
		t.Helper()
		if _, err := a.runner.MoveTo(ctx, to); err != nil {
			t.Fatal(err)
		}
	}
	report := func(at time.Time, short string, kind venue.EntryKind, count int) (r daily.Receipt) {
		t.Helper()
		move(at)
		unit := d.registered.Units[slices.IndexFunc(d.registered.Units, func(u venue.Unit) bool { return u.ShortName == short })]
		reporter := d.registered.Bindings[slices.IndexFunc(d.registered.Bindings, func(b venue.Binding) bool { return b.Unit == unit.ID })]
		r, err := a.reports.Report(ctx, daily.Submission{
			Unit: unit.ID, By: venue.ChatAccount{Channel: venue.ChannelRobot, ID: reporter.Account.ID}, Message: short + at.String(), Kind: kind, Count: count, At: at,
		})
		if err != nil {
			t.Fatal(err)
		}
		see("report", r)
		return r
	}
	board := func() {
		t.Helper()
		b, err := a.reports.Board(ctx, d.day, d.registered.Units)
		if err != nil {
			t.Fatal(err)
		}
		see("board", b)
	}
	at := d.day.At(14, 50)
	r := report(at, "教体局", venue.EntryReport, 30)
	own := r.Entry.Spans[0]
	own.To = at.Add(time.Millisecond)
	want(t, "scans of a unit", r.Result.High, d.count(question{span: own}))
	want(t, "verdict", report(d.day.At(15, 20), "市场监管局", venue.EntryReport, len(d.kept)).Result.Verdict, venue.VerdictOver)
	move(d.day.At(15, 41))
	want(t, "verdict", report(d.day.At(15, 45), "商务局", venue.EntryConfirm, 0).Result.Verdict, venue.VerdictConsistent)
	board()
	want(t, "late", report(d.day.At(16, 5), "民政局", venue.EntryReport, 3).Late, true)
	report(d.day.At(16, 6), "商务局", venue.EntryCorrect, 4)
	move(d.day.At(16, 12))
	board()
}

// verify holds the rows and their counts against what was sent.
func (d *seededDay) verify(ctx context.Context, t *testing.T, memory string, engine store.Engine) {
	t.Helper()
	for _, door := range d.registered.Doors {
		var rows, truth []venue.Scan
		for row, err := range engine.AtDoor(ctx, door.Code, d.window.Start, d.window.End) {
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, row)
		}
		for _, s := range d.kept {
			if s.Door == door.Code {
				truth = append(truth, s)
			}
		}
		if !reflect.DeepEqual(rows, truth) {
			t.Errorf("%s: the %d rows of a door are not the %d that were sent", memory, len(rows), len(truth))
		}
		d.ask(ctx, t, memory, engine, question{span: venue.Span{Door: door.Code, From: d.window.Start, To: d.window.End}})
		for from := d.window.Start; from.Before(d.window.End); from = from.Add(time.Hour) {
			d.ask(ctx, t, memory, engine, question{span: venue.Span{Door: door.Code, From: from, To: from.Add(time.Hour)}})
		}
	}
	for _, q := range d.asked {
		d.ask(ctx, t, memory, engine, q)
	}
	reds := 0
	for row, err := range engine.Attention(ctx, d.window.Start, d.window.End.Add(time.Hour)) {
		if err != nil {
			t.Fatal(err)
		}
		if reds++; !slices.ContainsFunc(d.kept, func(s venue.Scan) bool { return reflect.DeepEqual(s, row) }) {
			t.Errorf("%s: nobody sent %+v", memory, row)
		}
	}
	want(t, "red scans", reds, len(slices.DeleteFunc(slices.Clone(d.kept), func(s venue.Scan) bool { return s.Health != venue.HealthRed })))
	check, err := engine.VerifyCounts(ctx, d.day-1, d.day, nil)
	if err != nil || check.Rows != int64(len(d.kept)) || len(check.Differ) != 0 {
		t.Errorf("%s: %+v %v, want %d rows", memory, check, err, len(d.kept))
	}
}

func (d *seededDay) ask(ctx context.Context, t *testing.T, memory string, engine store.Engine, q question) {
	t.Helper()
	n, err := engine.CountScans(ctx, []venue.Span{q.span}, q.arrivedBy)
	if err != nil {
		t.Fatal(err)
	}
	if truth := d.count(q); n != truth {
		t.Errorf("%s: %d scans in %v by %v, want %d", memory, n, q.span, q.arrivedBy, truth)
	}
}

// mailbox stands in for the platforms and keeps what is sent to them.
type mailbox struct {
	mu   sync.Mutex
	told []string
}

func (m *mailbox) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	if request.Method == http.MethodPost {
		m.mu.Lock()
		m.told = append(m.told, string(body))
		m.mu.Unlock()
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"errcode":0,"errmsg":"ok","access_token":"t","expires_in":7200}`)
}
