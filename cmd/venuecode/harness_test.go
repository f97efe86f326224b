package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/venuecode/venuecode/internal/sim"
)

// The tests of this package know the platform only as others do: by HTTP, to it
// and to the simulators that stand around it. One demo runs at a time, since the
// platforms' SDK has one client for the whole process.

// asProgram makes the test binary be the program, so that it can be killed.
const asProgram = "VENUECODE_TEST_AS_PROGRAM"

// hasty is the value of asProgram for a program with a short lease, which takes over
// the files of another that ended as soon.
const hasty = "hasty"

func TestMain(m *testing.M) {
	if as := os.Getenv(asProgram); as != "" {
		if as == hasty {
			leasePace, uploadsEvery = hastyPace, 3*time.Second
		}
		for _, ours := range []string{asProgram, "VENUECODE_LONG", "VENUECODE_MONGO"} {
			_ = os.Unsetenv(ours) // `serve` would take it for an option
		}
		main()
	}
	os.Exit(m.Run())
}

// town is a running demo as its visitors see it.
type town struct {
	t                 *testing.T
	product, sim, ops string
	data              string  // the --data folder
	memory            string  // of a demo in a process of its own: --store
	log               *record // of every level, if the demo is in this process
	view              townView
	sessions          map[string]string // of officials at the console, by user
	stop              func()
}

type townView struct {
	Units     []struct{ ID, Name, Duty string }
	Doors     []door
	Residents []resident
	Staff     []struct{ UserID, Unit, Name, Group string }
}

type door struct {
	Code, Link, Unit, Venue, Name string
	Sentinel                      bool
}

type resident struct {
	Name  string `json:"name"`
	ID    string `json:"id_number"`
	Phone string `json:"phone"`
}

// record keeps what is written to it.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

// halfPastTwo is when most of these afternoons begin.
const halfPastTwo = "2022-05-18T14:30:00+08:00"

// quietTown is a demo in this process whose clock stands at half past two.
func quietTown(t *testing.T) *town {
	return startTown(t, demoFlags{clock: halfPastTwo, quiet: true})
}

func startTown(t *testing.T, f demoFlags) *town {
	t.Helper()
	if f.data == "" {
		f.data = t.TempDir()
	}
	log, out := &record{}, &record{}
	f.listen, f.simListen, f.store, f.json = "127.0.0.1:0", "127.0.0.1:0", cmp.Or(f.store, "embedded"), true
	f.log = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx, cancel := context.WithCancel(context.Background())
	ended, ready := make(chan error, 1), make(chan struct{})
	go func() { ended <- demo(ctx, f, out, func(string, string) { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		cancel()
		t.Fatalf("the demo did not start: %v", err)
	}
	d := &town{t: t, data: f.data, log: log}
	d.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the demo ended with: %v", err)
		}
	})
	t.Cleanup(d.stop)
	d.meet([]byte(out.String()))
	return d
}

// meet reads the first line that a demo prints, and looks around.
func (d *town) meet(line []byte) {
	d.t.Helper()
	var first struct{ Event, URL, Sim, Operations string }
	if err := json.Unmarshal(line, &first); err != nil || first.Event != "ready" {
		d.t.Fatalf("the first line is %q", line)
	}
	d.product, d.sim, d.ops, d.sessions = first.URL, first.Sim, first.Operations, map[string]string{}
	d.control(http.MethodGet, "/sim/city", nil, &d.view)
}

// On a machine that others keep busy too, sixteen days of the simulated clock take
// more than twenty seconds; what must hold has three times its time.
const (
	tooLong    = 2 * time.Minute            // when a test, or a phone, gives up waiting for what must come
	promptly   = 3 * 800 * time.Millisecond // a scan is answered
	everywhere = 3 * 5 * time.Second        // every process sees a change of the register
)

var visitor = &http.Client{Timeout: tooLong}

// reply is an answer of the platform.
type reply struct {
	status int
	header http.Header
	body   string
	took   time.Duration
}

func (r reply) json(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), into); err != nil {
		t.Fatalf("not JSON: %q", r.body)
	}
}

// refusal is the code of an error and the field it names.
func (r reply) refusal() (code, field string) {
	var e struct {
		Error struct{ Code, Field, Message string }
	}
	if json.Unmarshal([]byte(r.body), &e) != nil || e.Error.Message == "" {
		return "", ""
	}
	return e.Error.Code, e.Error.Field
}

func send(t *testing.T, request *http.Request) reply {
	t.Helper()
	begun := machine.Now()
	response, err := visitor.Do(request)
	// A refusal that comes while the body is still on its way closes the
	// connection, and the answer may be lost with it: nothing was taken, so ask
	// again.
	for range 9 {
		if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) || request.GetBody == nil {
			break
		}
		if request.Body, err = request.GetBody(); err != nil {
			t.Fatal(err)
		}
		response, err = visitor.Do(request)
	}
	if err != nil {
		t.Fatalf("%s %s: %v", request.Method, request.URL.Path, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", request.Method, request.URL.Path, err)
	}
	return reply{response.StatusCode, response.Header, string(body), machine.Now().Sub(begun)}
}

func newRequest(t *testing.T, method, url, token, body string) *http.Request {
	t.Helper()
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return request
}

// ask calls the platform's API with a body as it is.
func (d *town) ask(method, path, token, body string) reply {
	d.t.Helper()
	return send(d.t, newRequest(d.t, method, d.product+path, token, body))
}

// control calls the simulators; anything but 200 ends the test.
func (d *town) control(method, path string, in, out any) {
	d.t.Helper()
	if r := d.try(method, path, in); r.status != http.StatusOK {
		d.t.Fatalf("%s %s: %d %s", method, path, r.status, r.body)
	} else if out != nil {
		r.json(d.t, out)
	}
}

func (d *town) try(method, path string, in any) reply {
	d.t.Helper()
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			d.t.Fatal(err)
		}
	}
	return send(d.t, newRequest(d.t, method, d.sim+path, "", string(body)))
}

type object = map[string]any

// session is that of an official, who logs in once.
func (d *town) session(user string) (token string) {
	d.t.Helper()
	if d.sessions[user] == "" {
		d.sessions[user], _ = d.official(user)
	}
	return d.sessions[user]
}

// as has an official call the console as a program does.
func (d *town) as(user, method, path string, body object) reply {
	d.t.Helper()
	return d.by(d.session(user), method, path, body)
}

// by calls the platform with a token.
func (d *town) by(token, method, path string, body object) reply {
	d.t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			d.t.Fatal(err)
		}
	}
	return d.ask(method, path, token, string(text))
}

// does is an official's call that must succeed.
func (d *town) does(user, path string, body object) reply {
	d.t.Helper()
	r := d.as(user, http.MethodPost, path, body)
	if r.status != http.StatusOK {
		d.t.Fatalf("%s: %s: %d %s", user, path, r.status, r.body)
	}
	return r
}

// shown is what the console tells an official.
func shown[T any](d *town, user, path string) (v T) {
	d.t.Helper()
	r := d.as(user, http.MethodGet, path, nil)
	if r.status != http.StatusOK {
		d.t.Fatalf("%s: %s: %d %s", user, path, r.status, r.body)
	}
	r.json(d.t, &v)
	return v
}

// page is what an official's browser shows.
func (d *town) page(user, path string) string {
	d.t.Helper()
	request := newRequest(d.t, http.MethodGet, d.product+path, "", "")
	request.Header = http.Header{"Accept": {"text/html"}}
	request.AddCookie(&http.Cookie{Name: "venuecode_console", Value: d.session(user)})
	r := send(d.t, request)
	if r.status != http.StatusOK {
		d.t.Fatalf("%s: %s: %d %s", user, path, r.status, r.body)
	}
	return r.body
}

// fills sends a page's form.
func (d *town) fills(path string, form url.Values) reply {
	d.t.Helper()
	request := newRequest(d.t, http.MethodPost, d.product+path, "", form.Encode())
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return send(d.t, request)
}

// submits fills in a form of the console, as a browser does.
func (d *town) submits(user, path string, form url.Values) reply {
	d.t.Helper()
	_, secret, _ := strings.Cut(d.page(user, path), `name="csrf" value="`)
	secret, _, _ = strings.Cut(secret, `"`)
	form.Set("csrf", secret)
	request := newRequest(d.t, http.MethodPost, d.product+path, "", form.Encode())
	request.Header = http.Header{"Accept": {"text/html"}, "Content-Type": {"application/x-www-form-urlencoded"}}
	request.AddCookie(&http.Cookie{Name: "venuecode_console", Value: d.session(user)})
	return send(d.t, request)
}

// at moves the civil clock to a time of 18 May, as 15:59:59.999.
func (d *town) at(clock string) {
	d.t.Helper()
	d.control(http.MethodPost, "/sim/clock", object{"now": "2022-05-18T" + clock + "+08:00"}, nil)
}

func (d *town) pass(span string) {
	d.t.Helper()
	d.control(http.MethodPost, "/sim/clock", object{"advance": span}, nil)
}

func (d *town) now() time.Time {
	d.t.Helper()
	var clock struct{ Now time.Time }
	d.control(http.MethodGet, "/sim/clock", nil, &clock)
	return clock.Now
}

// phone registers somebody who lives here.
func (d *town) phone(app string, who resident) string {
	d.t.Helper()
	var made struct{ ID string }
	d.control(http.MethodPost, "/sim/phones", object{"app": app, "name": who.Name, "id_number": who.ID, "phone": who.Phone}, &made)
	return made.ID
}

type prompt struct {
	Health, Decision, Title, Name, Venue, Door, At string
	Advice                                         []string
	Companions                                     []struct{ Name, Health, Decision string }
}

// scan has a phone scan until it has a prompt; more are further fields of the
// simulator's call. A server that is busy says so, and the phone sends the scan again.
func (d *town) scan(phone string, at door, more object) prompt {
	d.t.Helper()
	in := object{"request_id": rand.Text()}
	maps.Copy(in, more)
	r := d.tryScan(phone, at, in)
	for range 9 {
		if r.status != http.StatusServiceUnavailable {
			break
		}
		r = d.tryScan(phone, at, in)
	}
	if r.status != http.StatusOK {
		d.t.Fatalf("scan: %d %s", r.status, r.body)
	}
	var p prompt
	r.json(d.t, &p)
	return p
}

func (d *town) tryScan(phone string, at door, more object) reply {
	d.t.Helper()
	in := object{"link": at.Link}
	for k, v := range more {
		in[k] = v
	}
	var got struct {
		Status int
		Body   json.RawMessage
	}
	begun := machine.Now()
	d.control(http.MethodPost, "/sim/phones/"+phone+"/scans", in, &got)
	return reply{status: got.Status, body: string(got.Body), took: machine.Now().Sub(begun)}
}

// loginCode is what the phone's platform gives its mini-program.
func (d *town) loginCode(phone string) string {
	d.t.Helper()
	var made struct {
		Code string `json:"login_code"`
	}
	d.control(http.MethodPost, "/sim/phones/"+phone+"/login-codes", nil, &made)
	return made.Code
}

// login opens a session as the phone's mini-program does.
func (d *town) login(app, phone string) (token string, registered bool) {
	d.t.Helper()
	r := d.ask(http.MethodPost, "/api/v1/sessions", "", fmt.Sprintf(`{"app":%q,"login_code":%q}`, app, d.loginCode(phone)))
	if r.status != http.StatusOK {
		d.t.Fatalf("login: %d %s", r.status, r.body)
	}
	var session struct {
		Token      string
		Registered bool
	}
	r.json(d.t, &session)
	return session.Token, session.Registered
}

func (d *town) colour(id, colour string) {
	d.t.Helper()
	d.control(http.MethodPut, "/sim/health/"+id, object{"color": colour}, nil)
}

func (d *town) fault(service, mode string) {
	d.t.Helper()
	d.control(http.MethodPut, "/sim/faults/"+service, object{"mode": mode}, nil)
}

// inGroup has somebody mention the robot and gives its reply.
func (d *town) inGroup(group, from, text string) string {
	d.t.Helper()
	var got struct{ Reply string }
	d.control(http.MethodPost, "/sim/groups/"+group+"/messages", object{"from": from, "text": text}, &got)
	return got.Reply
}

const (
	wecomChat   = "wecom_app"
	serviceChat = "service_account"
)

// alone has somebody write one to one.
func (d *town) alone(from, channel, text string) string {
	d.t.Helper()
	var got struct{ Reply string }
	d.control(http.MethodPost, "/sim/chats/"+from+"/messages", object{"channel": channel, "text": text}, &got)
	return got.Reply
}

type message struct {
	From, Kind, Channel, Type, Text string
	Mentions                        []string
}

func (d *town) heard(path string) []message {
	d.t.Helper()
	var got struct{ Messages []message }
	d.control(http.MethodGet, path+"/messages", nil, &got)
	return got.Messages
}

// pushed are what the platform said in a group by itself, of one kind.
func (d *town) pushed(group, kind string) []string {
	d.t.Helper()
	var texts []string
	for _, m := range d.heard("/sim/groups/" + group) {
		if m.From == "robot" && m.Kind == kind {
			texts = append(texts, m.Text)
		}
	}
	return texts
}

// told are the one-to-one messages that begin with a tag.
func (d *town) told(userid, tag string) []string {
	d.t.Helper()
	var texts []string
	for _, m := range d.heard("/sim/chats/" + userid) {
		if m.From == "robot" && strings.HasPrefix(m.Text, tag) {
			texts = append(texts, m.Text)
		}
	}
	return texts
}

// soon waits for what is done in the background.
func soon[T any](t *testing.T, what string, look func() []T) (got []T) {
	t.Helper()
	until(t, tooLong, what, func() bool { got = look(); return len(got) > 0 })
	return got
}

// say writes values with blanks between them.
func say(values ...any) string { return strings.TrimSuffix(fmt.Sprintln(values...), "\n") }

// until looks until it is so.
func until(t *testing.T, patience time.Duration, what string, so func() bool) {
	t.Helper()
	for end := machine.Now().Add(patience); !so(); time.Sleep(10 * time.Millisecond) {
		if machine.Now().After(end) {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

func (d *town) doorOf(venue string) door {
	d.t.Helper()
	for _, o := range d.view.Doors {
		if o.Venue == venue {
			return o
		}
	}
	d.t.Fatalf("no venue %s", venue)
	return door{}
}

// keys are the secrets that the simulated platforms share with the product.
func (d *town) keys() (k sim.Keys) {
	d.t.Helper()
	b, err := os.ReadFile(filepath.Join(d.data, "world", "keys.json"))
	if err == nil {
		err = json.Unmarshal(b, &k)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return k
}

func (d *town) metrics() string {
	d.t.Helper()
	return send(d.t, newRequest(d.t, http.MethodGet, d.ops+"/metrics", "", "")).body
}

func want[T comparable](t *testing.T, what string, got, expected T) {
	t.Helper()
	if got != expected {
		t.Errorf("%s: %v, want %v", what, got, expected)
	}
}

func wantText(t *testing.T, what, got string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(got, part) {
			t.Errorf("%s lacks %q:\n%s", what, part, got)
		}
	}
}

func wantNo(t *testing.T, what, got string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if part != "" && strings.Contains(got, part) {
			t.Errorf("%s must not contain %q:\n%s", what, part, got)
		}
	}
}
