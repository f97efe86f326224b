package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/venuecode/venuecode/internal/city"
	"github.com/venuecode/venuecode/internal/mongotest"
	"github.com/venuecode/venuecode/internal/sim"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/venue"
)

// rush is residents who scan at a `serve` process, whatever becomes of it: so
// many a second, each scan sent again under its id until it is answered.
type rush struct {
	t      *testing.T
	memory string // where the rows are: "embedded", or the URI of the server itself
	dir    string // of the process
	file   string // its configuration
	sim    *sim.Sim
	tokens []string
	doors  []venue.Code
	begun  time.Time

	server  *server // only the test's own goroutine starts and ends it
	url     atomic.Value
	phones  *http.Client
	heard   chan struct{}  // of a prompt that has just come
	waiting sync.WaitGroup // for an answer

	mu    sync.Mutex
	scans []*scanned
}

// scanned is what became of one scan.
type scanned struct {
	n        int
	due      time.Time
	answered time.Time     // the first prompt; zero: none yet
	first    time.Duration // until the first answer of any kind, from when it was due
	ids      []string      // of every prompt
	refused  int           // answers that were no prompt
	unheard  int           // sent without an answer
}

const rushPeople = 20

// newRush starts a server on a store and signs residents in. store is the way to
// memory, and may lead through a proxy.
func newRush(t *testing.T, store, memory string) *rush {
	t.Helper()
	r := &rush{
		t: t, memory: memory, dir: t.TempDir(), begun: machine.Now(), heard: make(chan struct{}),
		phones: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}},
	}
	t.Cleanup(r.phones.CloseIdleConnections)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if r.sim, err = sim.New(sim.Options{Civil: machine, Machine: machine}); err != nil {
		t.Fatal(err)
	}
	simulators := listen(r.sim.App(), listener, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _, _ = r.sim.Close(), simulators.end(t.Context()) })
	keys := filepath.Join(r.dir, "keys")
	r.settle(keys)

	base, k := "http://"+listener.Addr().String(), r.sim.Keys()
	r.file = configFile(t, section{
		"data_dir": filepath.Join(r.dir, "data"), "keys_dir": keys, "store": store, "platforms_base": base,
		"wechat": section{"app_id": k.Wechat.AppID, "secret": k.Wechat.Secret},
		"health": section{"base": base, "credential": k.Health},
	})
	r.start()
	for _, who := range city.People(city.Default().Division, rushPeople, 1) {
		r.tokens = append(r.tokens, r.signIn(resident{who.Name, who.IDNumber, who.Phone}))
	}
	return r
}

// settle gives the memory its doors.
func (r *rush) settle(keys string) {
	r.t.Helper()
	secrets, err := vault.Open(keys, rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	entries := smallTown(r.t, secrets, r.begun)
	for _, d := range entries.Doors {
		r.doors = append(r.doors, d.Code)
	}
	engine := openMemory(r.t, r.memory, r.dir, machine)
	if err := store.NewRegistry(engine, machine).Put(r.t.Context(), entries); err != nil {
		r.t.Fatal(err)
	}
	if err := engine.Close(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rush) start() {
	r.t.Helper()
	r.server = startServer(r.t, r.file)
	r.url.Store(r.server.url)
}

func (r *rush) signIn(who resident) (token string) {
	r.t.Helper()
	phone, err := r.sim.NewPhone("wechat", who.Name, who.ID, who.Phone)
	if err != nil {
		r.t.Fatal(err)
	}
	d := &town{t: r.t, product: r.server.url}
	got := d.ask(http.MethodPost, "/api/v1/sessions", "", fmt.Sprintf(`{"app":"wechat","login_code":%q}`, r.sim.LoginCode(phone)))
	var session struct{ Token string }
	got.json(r.t, &session)
	d.registerAgain(session.Token, who)
	return session.Token
}

// offer has scans come at a rate until ctx ends, whether or not earlier ones have
// been answered.
func (r *rush) offer(ctx context.Context, rate int) {
	start := machine.Now()
	for i := 0; ; i++ {
		due := start.Add(time.Duration(i) * time.Second / time.Duration(rate))
		select {
		case <-ctx.Done():
			return
		case <-time.After(due.Sub(machine.Now())):
		}
		r.mu.Lock()
		s := &scanned{n: len(r.scans), due: due}
		r.scans = append(r.scans, s)
		r.mu.Unlock()
		r.waiting.Go(func() { r.send(s) })
	}
}

// send sends a scan until it is answered, after ever longer pauses.
func (r *rush) send(s *scanned) {
	pause := 50 * time.Millisecond
	for machine.Now().Sub(s.due) < tooLong && r.t.Context().Err() == nil {
		id, status := r.scan(s)
		now := machine.Now()
		r.mu.Lock()
		if s.first == 0 && status != 0 {
			s.first = now.Sub(s.due)
		}
		switch {
		case id != "":
			if s.ids = append(s.ids, id); s.answered.IsZero() {
				s.answered = now
			}
		case status == 0:
			s.unheard++
		default:
			s.refused++
		}
		r.mu.Unlock()
		if id != "" {
			select {
			case r.heard <- struct{}{}:
			default:
			}
			return
		}
		time.Sleep(pause)
		pause = min(2*pause, 8*time.Second)
	}
}

// scan sends it once; no id if it was refused, and no status if nobody answered.
func (r *rush) scan(s *scanned) (id string, status int) {
	body := fmt.Sprintf(`{"code":%q,"request_id":"n%d","direction":"in"}`, r.doors[s.n%len(r.doors)], s.n)
	request, err := http.NewRequest(http.MethodPost, r.url.Load().(string)+"/api/v1/scans", strings.NewReader(body))
	if err != nil {
		return "", 0
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+r.tokens[s.n%len(r.tokens)])
	response, err := r.phones.Do(request)
	if err != nil {
		return "", 0
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	var prompt struct {
		ScanID string `json:"scan_id"`
	}
	if err != nil || response.StatusCode == http.StatusOK && json.Unmarshal(text, &prompt) != nil {
		return "", 0
	}
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusServiceUnavailable {
		r.t.Errorf("a scan is answered %d %s", response.StatusCode, text)
	}
	return prompt.ScanID, response.StatusCode
}

// check waits for the last answers, has some phones ask once more, ends the
// server, and holds what the memory has against what was answered.
func (r *rush) check() {
	r.t.Helper()
	r.waiting.Wait()
	for i := range min(40, len(r.scans)) {
		s := r.scans[i*len(r.scans)/40]
		if id, _ := r.scan(s); id != "" {
			s.ids = append(s.ids, id)
		}
	}
	if err := r.server.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Error(err)
	}
	if err := r.server.Wait(); err != nil {
		r.t.Errorf("the server ended with: %v\n%s", err, r.server.log.String())
	}
	engine := openMemory(r.t, r.memory, r.dir, machine)
	defer engine.Close()
	from, to := r.begun.Add(-time.Minute), machine.Now().Add(time.Minute)
	rows := map[string]int{}
	for _, door := range r.doors {
		n := 0
		for row, err := range engine.AtDoor(r.t.Context(), door, from, to) {
			if err != nil {
				r.t.Fatal(err)
			}
			rows[row.Key.ID()]++
			n++
		}
		counted, err := engine.CountScans(r.t.Context(), []venue.Span{{Door: door, From: from, To: to}}, time.Time{})
		if err != nil || counted != n {
			r.t.Errorf("%d rows at a door are counted as %d %v", n, counted, err)
		}
	}
	check, err := engine.VerifyCounts(r.t.Context(), venue.DayOf(from), venue.DayOf(to), nil)
	if err != nil || len(check.Differ) > 0 {
		r.t.Errorf("counts: %+v %v", check, err)
	}
	unheard, unanswered, lost, doubled := 0, 0, 0, 0
	for _, s := range r.scans {
		unheard += s.unheard
		if len(s.ids) == 0 {
			unanswered++
			continue
		}
		if rows[s.ids[0]] == 0 {
			lost++
		}
		if rows[s.ids[0]] > 1 || len(slices.Compact(s.ids)) > 1 {
			doubled++
		}
	}
	r.t.Logf("%d scans, sent without an answer %d times", len(r.scans), unheard)
	if len(r.scans) == 0 || unanswered+lost+doubled > 0 || len(rows) != len(r.scans) {
		r.t.Errorf("of %d scans %d were not answered, %d answered ones are lost and %d doubled; there are %d rows", len(r.scans), unanswered, lost, doubled, len(rows))
	}
}

// TestAnAcknowledgedScanIsThereOnceHoweverOftenTheServerIsKilled: under load, as
// soon as somebody has got a prompt.
func TestAnAcknowledgedScanIsThereOnceHoweverOftenTheServerIsKilled(t *testing.T) {
	kill := func(t *testing.T, memory string, kills int, seed uint64) {
		r, moments := newRush(t, memory, memory), mathrand.New(mathrand.NewPCG(4, seed))
		ctx, end := context.WithCancel(t.Context())
		var crowd sync.WaitGroup
		crowd.Go(func() { r.offer(ctx, 80) })
		begun := machine.Now()
		var down time.Duration
		for range kills {
			time.Sleep(time.Duration(100+moments.IntN(400)) * time.Millisecond)
			select {
			case <-r.heard:
			case <-time.After(tooLong):
				t.Fatal("nobody is answered")
			}
			r.server.kill()
			killed := machine.Now()
			r.start()
			down += machine.Now().Sub(killed)
		}
		t.Logf("%d kills in %s, each time away for %s", kills, machine.Now().Sub(begun), down/time.Duration(kills))
		end()
		crowd.Wait()
		r.check()
	}
	// A scan that was there already costs the development server a look at every
	// row, so that 200 kills in one memory would end with nobody being answered.
	rounds, folder := 1, 5
	if long {
		rounds, folder = 10, 200
	}
	for seed := range rounds {
		t.Run("MongoDB", func(t *testing.T) { kill(t, mongotest.Start(t).URI(), 20, uint64(seed)) })
	}
	t.Run("embedded", func(t *testing.T) { kill(t, embeddedMemory, folder, 0) })
}
