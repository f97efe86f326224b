package sim

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// testClock is a clock that stands until moved; it is also a Control.
type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *testClock {
	return &testClock{now: time.Date(2022, 5, 20, 15, 0, 0, 0, venue.Zone)}
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) Set(_ context.Context, to time.Time) (MoveResult, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if to.Before(c.now) {
		return MoveResult{}, fmt.Errorf("move clock: %w", venue.ErrConflict)
	}
	c.now = to
	return MoveResult{Now: to, Ran: 3, Deferred: 1}, nil
}

func (c *testClock) Advance(ctx context.Context, d time.Duration) (MoveResult, error) {
	return c.Set(ctx, c.Now().Add(d))
}

func (c *testClock) Speed() float64 { return 0 }

// forward moves the clock from a test.
func (c *testClock) forward(t *testing.T, d time.Duration) {
	t.Helper()
	if _, err := c.Advance(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

var testKeys = sync.OnceValue(func() Keys {
	k, err := NewKeys(rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
})

var testCity = City{
	Units:     []CityUnit{{"u1", "兴唐一中", "reports"}},
	Doors:     []CityDoor{{"D1", "https://code.example/v/D1", "u1", "兴唐一中", "东门", "school", false, "active"}},
	Residents: []CityResident{{"张三", "11010119900307803X", "13800138000"}},
	Staff:     []CityStaff{{"wang", "u1", "王老师", "g1"}, {"li", "u1", "李主任", "g1"}},
	Groups:    []CityGroup{{"g1", "教体局群"}, {"g2", "卫健局群"}},
}

type world struct {
	*Sim
	t       *testing.T
	url     string
	civil   *testClock
	machine *testClock
}

// open starts a world; the options given replace the defaults.
func open(t *testing.T, change func(*Options)) *world {
	t.Helper()
	w := &world{t: t, civil: newClock(), machine: newClock()}
	o := Options{
		Civil: w.civil, Machine: w.machine, Control: w.civil,
		City: testCity, Keys: testKeys(),
	}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.Sim = s
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.url = "http://" + ln.Addr().String()
	go s.App().Listener(ln)
	t.Cleanup(w.stop)
	return w
}

func (w *world) stop() {
	if err := w.Close(); err != nil {
		w.t.Error(err)
	}
	if err := w.App().ShutdownWithTimeout(2 * time.Second); err != nil {
		w.t.Error(err)
	}
}

// do calls a control route and decodes the answer into out, if given.
func (w *world) do(method, path string, in, out any) int {
	w.t.Helper()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			w.t.Fatal(err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, w.url+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if out != nil {
		if err := json.Unmarshal(b, out); err != nil {
			w.t.Fatalf("%s %s answered %q", method, path, b)
		}
	}
	return resp.StatusCode
}

func (w *world) must(method, path string, in, out any) {
	w.t.Helper()
	if status := w.do(method, path, in, out); status != 200 {
		w.t.Fatalf("%s %s answered %d", method, path, status)
	}
}

func (w *world) messages(path string) []Message {
	w.t.Helper()
	var out struct{ Messages []Message }
	w.must("GET", path, nil, &out)
	return out.Messages
}

// redirect is the product's transport: everything goes to the simulator, with
// the host that was meant in a header.
type redirect struct{ base *url.URL }

func (r redirect) RoundTrip(q *http.Request) (*http.Response, error) {
	n := q.Clone(q.Context())
	n.Header.Set(OrigHost, q.URL.Host)
	n.URL.Scheme, n.URL.Host, n.Host = r.base.Scheme, r.base.Host, r.base.Host
	return http.DefaultTransport.RoundTrip(n)
}

func (w *world) client() *http.Client {
	base, err := url.Parse(w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	return &http.Client{Timeout: 4 * time.Second, Transport: redirect{base}}
}

// product is a stand-in for the platform under test: just enough of its API,
// and callbacks that answer with what they heard.
type product struct {
	*httptest.Server
	mu       sync.Mutex
	sessions map[string]string // token → login code
	logins   int
	scans    []map[string]any
	me       []map[string]any
	located  int
	heard    []string // callback plain texts
	reply    func(path string, plain []byte) []byte
	refuse   int // status with which PUT /me is refused; 0 accepts
}

func fakeProduct(t *testing.T, k Keys) *product {
	p := &product{sessions: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/sessions", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			App, LoginCode string
			Code           string `json:"login_code"`
		}
		json.NewDecoder(r.Body).Decode(&in)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.logins++
		token := fmt.Sprintf("s%d", p.logins)
		p.sessions[token] = in.Code
		fmt.Fprintf(w, `{"token":%q,"registered":false}`, token)
	})
	authorised := func(h func(w http.ResponseWriter, in map[string]any)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var in map[string]any
			json.NewDecoder(r.Body).Decode(&in)
			p.mu.Lock()
			defer p.mu.Unlock()
			if _, ok := p.sessions[bytesAfter(r.Header.Get("Authorization"), "Bearer ")]; !ok {
				w.WriteHeader(401)
				fmt.Fprint(w, `{"error":{"code":"session","message":"请重新登录"}}`)
				return
			}
			h(w, in)
		}
	}
	mux.HandleFunc("PUT /api/v1/me", authorised(func(w http.ResponseWriter, in map[string]any) {
		if p.refuse != 0 {
			w.WriteHeader(p.refuse)
			fmt.Fprint(w, `{"error":{"code":"id_number","message":"证件号码不正确"}}`)
			return
		}
		p.me = append(p.me, in)
		fmt.Fprint(w, `{"name":"张*"}`)
	}))
	mux.HandleFunc("POST /api/v1/scans", authorised(func(w http.ResponseWriter, in map[string]any) {
		p.scans = append(p.scans, in)
		fmt.Fprint(w, `{"scan_id":"1","at":"2022-05-20T15:00:00.000+08:00","venue":"兴唐一中","door":"东门","health":"green","decision":"admit","title":"通行","advice":["请进"],"name":"张*","companions":[]}`)
	}))
	mux.HandleFunc("GET /api/v1/codes", authorised(func(w http.ResponseWriter, _ map[string]any) {
		p.located++
		fmt.Fprint(w, `{"venue":"兴唐一中","lng":113.0,"lat":23.0,"radius":200}`)
	}))
	for _, path := range []string{RobotPath, AppPath, ServicePath} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			plain, err := openIncoming(k, path, r.URL.Query(), body)
			if err != nil {
				w.WriteHeader(403)
				return
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.heard = append(p.heard, string(plain))
			if p.reply != nil {
				w.Write(p.reply(path, plain))
			}
		})
	}
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func bytesAfter(s, prefix string) string {
	if len(s) < len(prefix) {
		return ""
	}
	return s[len(prefix):]
}

// phoneOf registers the city's first resident.
func (w *world) phoneOf(app string) string {
	w.t.Helper()
	r := testCity.Residents[0]
	var out struct{ ID string }
	w.must("POST", "/sim/phones", map[string]string{
		"app": app, "name": r.Name, "id_number": r.IDNumber, "phone": r.Phone,
	}, &out)
	if out.ID == "" {
		w.t.Fatal("a registered phone has no id")
	}
	return out.ID
}
