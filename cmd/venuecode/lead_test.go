package main

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/venuecode/venuecode/configs"
	"github.com/venuecode/venuecode/internal/mongotest"
	"github.com/venuecode/venuecode/internal/schedule"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/mongo"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/venue"
)

// hastyPace has a test see a takeover in seconds.
var hastyPace = store.LeasePace{Beat: 500 * time.Millisecond, Hold: 3 * time.Second, Idle: 6 * time.Second}

// robots stand in for the groups' webhooks and count what they are told.
type robots struct {
	mu   sync.Mutex
	told map[string]int // place → alarms
}

var shop = regexp.MustCompile(`店[0-9]+号`)

func (r *robots) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	r.mu.Lock()
	r.told[shop.FindString(string(body))]++
	r.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"errcode":0,"errmsg":"ok"}`)
}

func (r *robots) count(place string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.told[place]
}

// server is a `serve` process.
type server struct {
	*exec.Cmd
	url, ops string
	log      record // since it serves
}

// section is a part of a configuration file.
type section = map[string]any

// configFile is a configuration for tests, with what is given beside it.
func configFile(t *testing.T, given section) string {
	t.Helper()
	all := section{"test": true, "listen": "127.0.0.1:0", "ops_listen": "127.0.0.1:0"}
	maps.Copy(all, given)
	text, err := yaml.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// startServer runs a server until the test ends, with a short lease.
func startServer(t *testing.T, file string) *server {
	t.Helper()
	s := &server{Cmd: program("serve", "--config", file)}
	s.Env = append(s.Env, asProgram+"="+hasty)
	log, err := s.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	var lines []string
	for in := bufio.NewScanner(log); in.Scan(); {
		var line struct{ Msg, Listen, Operations string }
		_ = json.Unmarshal(in.Bytes(), &line)
		if lines = append(lines, in.Text()); line.Msg == "serving" {
			s.url, s.ops = line.Listen, line.Operations
			go func() { _, _ = io.Copy(&s.log, log) }()
			return s
		}
	}
	t.Fatalf("it does not serve:\n%s", strings.Join(lines, "\n"))
	return nil
}

func (s *server) kill() {
	_ = s.Process.Kill()
	_ = s.Wait() // it was killed: that is no error here
}

func (s *server) leads(t *testing.T) bool {
	t.Helper()
	return strings.Contains(send(t, newRequest(t, http.MethodGet, s.ops+"/metrics", "", "")).body, "\nvenuecode_leader 1\n")
}

// TestAnotherProcessTakesOver: two processes on one MongoDB. The one that runs
// the jobs is stopped, goes on, and the other is killed.
func TestAnotherProcessTakesOver(t *testing.T) {
	ctx := t.Context()
	uri, keys := mongotest.Start(t).URI(), t.TempDir()
	groups := &robots{told: map[string]int{}}
	platforms := httptest.NewServer(groups)
	defer platforms.Close()

	memory, err := mongo.Open(ctx, mongo.Options{URI: uri, Schemas: store.Schemas, Machine: machine, AllowStandalone: true, FullIndexes: true})
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	secrets, err := vault.Open(keys, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	outbox, registry := store.NewCollection[store.OutboxRow](memory, store.Outbox), store.NewRegistry(memory, machine)
	posted := 0
	post := func(n int) (places []string) {
		t.Helper()
		for range n {
			posted++
			place, group := fmt.Sprintf("店%d号", posted), venue.GroupID(fmt.Sprintf("g%d", posted))
			key, err := secrets.Seal(webhookUse, []byte(group))
			if err != nil {
				t.Fatal(err)
			}
			if err := registry.Put(ctx, store.Registered{Groups: []venue.Group{{ID: group, Name: "群", Webhook: key}}}); err != nil {
				t.Fatal(err)
			}
			now := venue.Millis(machine.Now())
			m := venue.Message{
				ID: "alarm:" + place, Kind: venue.MessageAlarm, To: venue.Recipient{Channel: venue.ChannelRobot, ID: string(group)},
				Day: venue.DayOf(now), Alarm: &venue.AlarmFacts{Venue: place, At: now},
			}
			if err := outbox.Insert(ctx, m.ID, store.OutboxRow{Message: m, State: store.OutboxPending, Due: now, Posted: now}); err != nil {
				t.Fatal(err)
			}
			places = append(places, place)
		}
		return places
	}
	within := func(d time.Duration, what string, done func() bool) {
		t.Helper()
		for end := machine.Now().Add(d); !done(); time.Sleep(20 * time.Millisecond) {
			if machine.Now().After(end) {
				t.Fatalf("not within %s: %s", d, what)
			}
		}
	}
	heard := func(what string, places []string) {
		t.Helper()
		within(30*time.Second, what, func() bool {
			for _, p := range places {
				if groups.count(p) == 0 {
					return false
				}
			}
			return true
		})
	}

	serve := func() *server {
		return startServer(t, configFile(t, section{
			"data_dir": filepath.Join(t.TempDir(), "data"), "keys_dir": keys, "store": uri, "platforms_base": platforms.URL,
		}))
	}
	first := serve()
	within(30*time.Second, "the first leads", func() bool { return first.leads(t) })
	second := serve()
	heard("the first alarms", post(6))
	alone := func() {
		t.Helper()
		if first.leads(t) && second.leads(t) {
			t.Error("both lead")
		}
	}
	alone()

	behind := post(6)
	if err := first.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	heard("alarms though the leader was stopped", append(behind, post(6)...))
	within(30*time.Second, "the second leads", func() bool { return second.leads(t) })
	if err := first.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	heard("alarms after it went on", post(6))
	alone()

	behind = post(6)
	second.kill()
	heard("alarms though the leader was killed", append(behind, post(6)...))
	within(30*time.Second, "the first leads again", func() bool { return first.leads(t) })
	within(30*time.Second, "everything is recorded as sent", func() bool {
		rows, err := outbox.All(ctx, store.Query{Index: "due", Equal: []any{store.OutboxPending}})
		return err == nil && len(rows) == 0
	})
	first.kill()
	groups.mu.Lock()
	defer groups.mu.Unlock()
	for place, n := range groups.told {
		if n > 2 {
			t.Errorf("%s was told %d times", place, n)
		}
	}
}

// TestADayDestroyedByAnotherProcessIsGoneHere: the one that serves notices it by
// itself.
func TestADayDestroyedByAnotherProcessIsGoneHere(t *testing.T) {
	dir, keys := t.TempDir(), t.TempDir()
	config, err := configs.Load(configFile(t, section{
		"data_dir": filepath.Join(dir, "data"), "keys_dir": keys, "store": mongotest.Start(t).URI(), "platforms_base": "http://127.0.0.1:9",
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := dataDir(config); err != nil {
		t.Fatal(err)
	}
	clock, err := schedule.NewClock(schedule.Real, time.Time{}, "", machine)
	if err != nil {
		t.Fatal(err)
	}
	a, err := newApp(config, clock, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", config.Listen)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.serve(t.Context(), listener); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.close(); err != nil {
			t.Error(err)
		}
	}()
	other, err := vault.Open(keys, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for day := venue.Day(100); day < 103; day++ { // at first the jobs of the start read the keyring, too
		if err := a.vault.EnsureDay(day); err != nil {
			t.Fatal(err)
		}
		if n, err := other.ForgetThrough(day); err != nil || n != 1 {
			t.Fatalf("%d days destroyed, %v", n, err)
		}
		for end := machine.Now().Add(6 * vault.LookEvery); ; time.Sleep(20 * time.Millisecond) {
			_, err := a.vault.Pseudonym(day, venue.PersonID{1})
			if errors.Is(err, vault.ErrNoKey) {
				break
			}
			if machine.Now().After(end) {
				t.Fatalf("the day is still there: %v", err)
			}
		}
	}
}
