package miniapp_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/miniapp"
	"github.com/venuecode/venuecode/poster"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/checkin"
	"github.com/venuecode/venuecode/venue/registry"
)

var update = flag.Bool("update", false, "write the golden files")

var noon = time.Date(2022, 10, 12, 4, 0, 0, 0, time.UTC) // 12:00 in venue.Zone

const (
	idNumber = "11010519491231002X"
	phone    = "13812348000"
	hostile  = `<script>alert("店")</script>&"'`
)

// world is the residents' door with the real vault and memory behind it.
type world struct {
	t       *testing.T
	app     *fiber.App
	handler *miniapp.Handler
	code    venue.Code // of a door in use
	evil    venue.Code // of a door with a hostile name
	closed  venue.Code
	now     atomic.Int64
	machine atomic.Int64 // unix ms
	trail   *audit.Trail
	docs    store.Documents
	colour  atomic.Int32
	log     bytes.Buffer
}

// platform knows the login code "ok-<openid>" and the phone code "phone-<number>".
type platform struct{}

func (platform) Login(_ context.Context, code string) (string, error) {
	if code == "silent" {
		return "", fmt.Errorf("login: %w", venue.ErrUnavailable)
	}
	if openid, ok := strings.CutPrefix(code, "ok-"); ok {
		return openid, nil
	}
	return "", fmt.Errorf("login: errcode 40029: %w", venue.ErrInvalid)
}

func (platform) Phone(_ context.Context, code string) (venue.Phone, error) {
	number, ok := strings.CutPrefix(code, "phone-")
	if !ok {
		return venue.Phone{}, fmt.Errorf("phone: errcode 40029: %w", venue.ErrInvalid)
	}
	return venue.ParsePhone(number)
}

func (w *world) Now() time.Time { return time.UnixMilli(w.now.Load()) }

func (w *world) Colour(context.Context, venue.PersonID) venue.Reading {
	return venue.Reading{Health: venue.Health(w.colour.Load()), At: noon}
}

func (w *world) Post(context.Context, ...venue.Message) error { return nil }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	w.now.Store(noon.UnixMilli())
	w.machine.Store(noon.UnixMilli())
	w.colour.Store(int32(venue.HealthGreen))
	engine, err := embedded.Open(embedded.Options{Dir: t.TempDir(), Schemas: store.Schemas})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	keys, err := vault.Open(t.TempDir(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	doors := store.NewRegistry(engine, w)
	for _, c := range []*venue.Code{&w.code, &w.evil, &w.closed} {
		if *c, err = venue.NewCode(rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	if err := doors.Put(context.Background(), store.Registered{
		Since: noon,
		Venues: []venue.Venue{
			{ID: "v1", Unit: "u1", Name: "青禾市民中心", Address: "洗月街道文昌路1号", Lng: 112.87705, Lat: 33.19755, Radius: 150, Division: "419981001", Status: venue.StatusActive},
			{ID: "v2", Unit: "u1", Name: hostile, Address: hostile, Radius: 150, Status: venue.StatusActive},
		},
		Doors: []venue.Door{
			{Code: w.code, Venue: "v1", Unit: "u1", Name: "南门", Status: venue.StatusActive},
			{Code: w.evil, Venue: "v2", Unit: "u1", Name: hostile, Status: venue.StatusActive},
			{Code: w.closed, Venue: "v1", Unit: "u1", Name: "北门", Status: venue.StatusClosed},
		},
	}); err != nil {
		t.Fatal(err)
	}
	people := vault.NewPeople(keys, engine, w, "419981")
	ended, err := store.OpenRevocations(context.Background(), engine, w, venue.ClockFunc(func() time.Time { return time.UnixMilli(w.machine.Load()) }), miniapp.SessionLife)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := audit.NewFileSigner(t.TempDir(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if w.trail, err = audit.Open(context.Background(), audit.Options{Docs: engine, Signer: signer, Clock: w, Random: rand.Reader}); err != nil {
		t.Fatal(err)
	}
	w.docs = engine
	divisions, err := (*venue.Divisions)(nil).With(venue.NamedDivision{Code: "410000", Name: "河南省"}, venue.NamedDivision{Code: "419981", Name: "青禾市"}, venue.NamedDivision{Code: "419981001", Name: "洗月街道"})
	if err != nil {
		t.Fatal(err)
	}
	register := store.NewRegister(engine, doors, keys, w)
	w.handler = &miniapp.Handler{
		Platforms: map[string]miniapp.Platform{"wechat": platform{}, "alipay": platform{}},
		Tokens:    keys, Ended: ended, People: people, Doors: doors, Places: doors, OldCodes: doors, Trail: w.trail, Clock: w,
		Retention: &vault.PersonRetention{
			History: vault.History{People: people, Scans: engine}, Sessions: ended, VisitDays: 30, VaultDays: 60,
		},
		Checkin: &checkin.Service{
			Doors: doors, Health: w, People: people, Sealer: keys, Log: engine, Clock: w, Unknown: func(time.Time) {},
			Alarms: checkin.Alarms{Outbox: w, Officers: doors.Officers, Clock: w},
			Policy: checkin.Policy{SentinelYellow: venue.Hold, Companions: 5, Words: miniapp.Words(func(_ venue.Division, h venue.Health) []string {
				return []string{"建议 " + h.String()}
			})},
		},
		Host: "code.example.gov.cn", Reply: 5 * time.Second, Consent: "2022-05", ConsentText: "告知书", Operator: "指挥部", Contact: "0375-0000000",
		Apply: miniapp.Apply{
			Desk: &registry.Service{Applications: register, Book: register, Random: rand.Reader, Clock: w}, Rows: register, Postings: register, Payload: doors.Payload, City: "419981",
			Paper:    poster.Paper{Host: "code.example.gov.cn", Operator: "指挥部", Contact: "0375-0000000", KeptDays: 30, Apps: poster.Apps{WeChat: true, Alipay: true}, Divisions: divisions},
			Channels: []miniapp.Channels{{Division: "洗月街道", List: []miniapp.Channel{{Name: "便民服务中心", At: "文昌路2号"}, {Name: "政务服务网", At: "https://example.org/a"}}}},
		},
		DomainChecks: map[string]string{"abcDEF123.txt": "content-1"},
	}
	w.app = web.New(web.Options{Name: "test", BodyLimit: 64 << 10, Larger: w.handler.Admit, Machine: w, Log: slog.New(slog.NewTextHandler(&w.log, nil))})
	w.handler.Routes(w.app)
	return w
}

type m = map[string]any

func (w *world) call(method, path, token string, body any) (int, string, http.Header) {
	w.t.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			w.t.Fatal(err)
		}
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, path, in)
	if err != nil {
		w.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return w.send(req)
}

func (w *world) send(req *http.Request) (int, string, http.Header) {
	w.t.Helper()
	resp, err := w.app.Test(req, 10_000)
	if errors.Is(err, fasthttp.ErrBodyTooLarge) { // the server answers it, Test does not
		return http.StatusRequestEntityTooLarge, "", nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

func (w *world) read(body string) (out m) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		w.t.Fatalf("%s: %v", body, err)
	}
	return out
}

func (w *world) login(app, openid string) string {
	w.t.Helper()
	status, body, _ := w.call("POST", "/api/v1/sessions", "", m{"app": app, "login_code": "ok-" + openid})
	if status != 200 {
		w.t.Fatalf("login: %d %s", status, body)
	}
	return w.read(body)["token"].(string)
}

func (w *world) resident(openid string) string {
	w.t.Helper()
	token := w.login("wechat", openid)
	status, body, _ := w.call("PUT", "/api/v1/me", token, registration(nil))
	if status != 200 {
		w.t.Fatalf("register: %d %s", status, body)
	}
	return w.read(body)["token"].(string)
}

func registration(change m) m {
	r := m{"name": "张三丰", "id_type": "resident_id", "id_number": idNumber, "phone": phone, "consent": true}
	for k, v := range change {
		if r[k] = v; v == nil {
			delete(r, k)
		}
	}
	return r
}

func TestLogin(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name   string
		body   any
		status int
		want   string
	}{
		{"a good code", m{"app": "wechat", "login_code": "ok-1"}, 200, `"registered":false`},
		{"the other app", m{"app": "alipay", "login_code": "ok-1"}, 200, `"token":`},
		{"a used code", m{"app": "wechat", "login_code": "used"}, 422, `"field":"login_code","reason":"expired"`},
		{"no code", m{"app": "wechat"}, 422, `"field":"login_code"`},
		{"an app there is not", m{"app": "dingtalk", "login_code": "ok-1"}, 422, `"field":"app"`},
		{"a silent platform", m{"app": "wechat", "login_code": "silent"}, 503, `"code":"unavailable"`},
		{"not JSON", `{`, 400, `"code":"bad_json"`},
		{"no body", nil, 400, `"code":"bad_json"`},
		{"a list", `[]`, 400, `"code":"bad_json"`},
	} {
		status, body, _ := w.call("POST", "/api/v1/sessions", "", c.body)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s, want %d %s", c.name, status, body, c.status, c.want)
		}
		if strings.Contains(body, "40029") {
			t.Errorf("%s: the platform's words are shown", c.name)
		}
	}
	w.resident("1")
	if _, body, _ := w.call("POST", "/api/v1/sessions", "", m{"app": "wechat", "login_code": "ok-1"}); w.read(body)["registered"] != true {
		t.Errorf("after registering: %s", body)
	}
}

func TestRegistering(t *testing.T) {
	for _, c := range []struct {
		name   string
		change m
		status int
		want   string
	}{
		{"consent is true", nil, 200, `"consent":"2022-05"`},
		{"consent names a version", m{"consent": "2022-04"}, 200, `"consent":"2022-04"`},
		{"consent is false", m{"consent": false}, 422, `"field":"consent","reason":"required"`},
		{"consent is missing", m{"consent": nil}, 422, `"field":"consent"`},
		{"consent is empty", m{"consent": ""}, 422, `"field":"consent"`},
		{"consent is a number", m{"consent": 1}, 422, `"field":"consent"`},
		{"consent is an object", m{"consent": m{}}, 422, `"field":"consent"`},
		{"consent is a name", m{"consent": "张三丰"}, 422, `"field":"consent"`},
		{"consent is a number of somebody", m{"consent": idNumber}, 422, `"field":"consent"`},
		{"consent is a novel", m{"consent": strings.Repeat("a", 33)}, 422, `"field":"consent"`},
		{"a verified phone", m{"phone": nil, "phone_code": "phone-" + phone}, 200, `"phone":"138****8000"`},
		{"a phone code used before", m{"phone": nil, "phone_code": "used"}, 422, `"field":"phone_code","reason":"expired"`},
		{"no phone", m{"phone": nil}, 422, `"field":"phone"`},
		{"no id type", m{"id_type": nil}, 200, `"id_type":"resident_id"`},
		{"a passport", m{"id_type": "passport"}, 422, `"field":"id_type"`},
		{"a wrong check character", m{"id_number": "110105194912310021"}, 422, `"field":"id_number","reason":"check"`},
		{"a name of signs", m{"name": "123"}, 422, `"field":"name"`},
		{"full-width digits", m{"id_number": "１１０１０５１９４９１２３１００２ｘ"}, 200, `"id_number":"1****************X"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			token := w.login("wechat", "1")
			status, body, _ := w.call("PUT", "/api/v1/me", token, registration(c.change))
			if status != c.status || !strings.Contains(body, c.want) {
				t.Errorf("%d %s, want %d %s", status, body, c.status, c.want)
			}
			for _, private := range []string{"三丰", idNumber, phone, "110105194912310021"} {
				if strings.Contains(body, private) || strings.Contains(w.log.String(), private) {
					t.Errorf("the answer or the log holds %s: %s", private, body)
				}
			}
			want := 403
			if c.status == 200 {
				want = 200
			}
			if status, body, _ := w.call("GET", "/api/v1/me", token, nil); status != want || want == 200 && !strings.Contains(body, `"name":"张*"`) {
				t.Errorf("then GET /me: %d %s", status, body)
			}
		})
	}
}

func TestSessions(t *testing.T) {
	w := newWorld(t)
	token := w.resident("1")
	unauthorized := func(name, token string) {
		t.Helper()
		for _, route := range []string{"GET /api/v1/me", "PUT /api/v1/me", "POST /api/v1/scans"} {
			method, path, _ := strings.Cut(route, " ")
			if status, body, _ := w.call(method, path, token, `{`); status != 401 || !strings.Contains(body, `"code":"unauthorized"`) {
				t.Errorf("%s, %s: %d %s", name, route, status, body)
			}
		}
	}
	unauthorized("no token", "")
	unauthorized("a forged token", "AAAA")
	other := "x"
	if token[20:21] == other {
		other = "y"
	}
	unauthorized("an altered token", token[:20]+other+token[21:])
	unauthorized("a foreign token", newWorld(t).resident("1"))
	w.now.Add(miniapp.SessionLife.Milliseconds() - 1)
	if status, _, _ := w.call("GET", "/api/v1/me", token, nil); status != 200 {
		t.Errorf("at its last millisecond: %d", status)
	}
	w.now.Add(1)
	unauthorized("an expired token", token)
}

func TestSessionClaims(t *testing.T) {
	w := newWorld(t)
	account, person := strings.Repeat("ab_-", 5)+"aA", venue.PersonID{1, 2, 3}
	for _, s := range []miniapp.Session{
		{App: "wechat", Account: account, Family: -7, Person: person, Expires: noon.Add(time.Hour).UTC()},
		{App: "alipay", Account: account, Expires: noon.Add(time.Millisecond).UTC()},
	} {
		token, err := miniapp.Issue(w.handler.Tokens, s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := miniapp.Read(w.handler.Tokens, token, noon)
		if err != nil || got.App != s.App || got.Account != s.Account || got.Family != s.Family || got.Person != s.Person || !got.Expires.Equal(s.Expires) {
			t.Errorf("read %+v, %v; want %+v", got, err, s)
		}
	}
	for name, s := range map[string]miniapp.Session{
		"another app": {App: "service_account", Account: account, Expires: noon}, "no account": {App: "wechat"}, "not an account": {App: "wechat", Account: "?"},
	} {
		if _, err := miniapp.Issue(w.handler.Tokens, s); !errors.Is(err, venue.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, claims := range map[string][]byte{
		"nothing": nil, "short": make([]byte, 49), "another version": append([]byte{1, 1}, make([]byte, 48)...),
		"another app": append([]byte{2, 9}, bytes.Repeat([]byte{0x01}, 48)...), "long": append([]byte{2, 1}, make([]byte, 49)...),
	} {
		token, err := w.handler.Tokens.SealToken(claims)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := miniapp.Read(w.handler.Tokens, token, time.Time{}); !errors.Is(err, web.ErrUnauthorized) || s != (miniapp.Session{}) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func TestScanning(t *testing.T) {
	w := newWorld(t)
	token := w.resident("1")
	link := w.code.Link(w.handler.Host)
	const oldLink = "https://csm.example.com/q?id=10001&t=%E5%BA%97"
	if _, err := store.NewRegister(w.docs, w.handler.Doors.(*store.Registry), w.handler.Tokens.(*vault.Vault), w).KeepOld(context.Background(), []string{oldLink}, []venue.Code{w.code}); err != nil {
		t.Fatal(err)
	}
	n := 0
	scan := func(change m) m {
		n++
		b := m{"code": w.code, "request_id": fmt.Sprint("r", n)}
		for k, v := range change {
			if b[k] = v; v == nil {
				delete(b, k)
			}
		}
		return b
	}
	nfd := m{"name": "Jose\u0301", "id_number": "110101199003070134"}
	nfc := m{"name": "Jos\u00e9", "id_number": "110101199003070134"}
	for _, c := range []struct {
		name   string
		body   any
		status int
		want   string
	}{
		{"a code", scan(nil), 200, `"decision":"admit","title":"请通行","advice":["建议 green"],"name":"张*","companions":[]}`},
		{"a code as typed", scan(m{"code": strings.ToLower(string(w.code))}), 200, `"venue":"青禾市民中心","door":"南门","address":"洗月街道文昌路1号"`},
		{"a link", scan(m{"code": nil, "link": link}), 200, `"at":"2022-10-12T12:00:00.000+08:00"`},
		{"another host's link", scan(m{"code": nil, "link": "https://evil.example/v/" + string(w.code)}), 404, `"code":"code_invalid"`},
		{"what a former system printed", scan(m{"code": nil, "link": oldLink}), 200, `"venue":"青禾市民中心","door":"南门"`},
		{"the same, typed", scan(m{"code": oldLink + "\n"}), 200, `"venue":"青禾市民中心"`},
		{"what it printed elsewhere", scan(m{"code": nil, "link": oldLink + "0"}), 404, `"code":"code_invalid"`},
		{"no code", scan(m{"code": nil}), 404, `"code":"code_invalid"`},
		{"a closed door", scan(m{"code": w.closed}), 404, `"code":"code_invalid"`},
		{"no request id", scan(m{"request_id": nil}), 422, `"field":"request_id"`},
		{"a direction there is not", scan(m{"direction": "up"}), 422, `"field":"direction"`},
		{"a presence only devices have", scan(m{"presence": "staffed"}), 422, `"field":"presence"`},
		{"every direction and presence", scan(m{"direction": "out", "presence": "far"}), 200, `"scan_id"`},
		{"a companion", scan(m{"companions": []m{nfd}}), 200, `"name":"J*","health":"green","decision":"admit"}]`},
		{"composed otherwise, the same name", scan(m{"companions": []m{nfc}}), 200, `"health":"green","decision":"admit"}]`},
		{"a companion without a number", scan(m{"companions": []m{{"name": "李四"}}}), 422, `"field":"id_number"`},
		{"oneself as companion", scan(m{"companions": []m{{"name": "张三丰", "id_number": idNumber}}}), 422, `"field":"companions","reason":"self"`},
		{"the first again, elsewhere", m{"code": w.evil, "request_id": "r1"}, 409, `"code":"conflict"`},
		{"not JSON", `{"code":`, 400, `"code":"bad_json"`},
		{"a request id that is a number", `{"request_id":1}`, 400, `"code":"bad_json"`},
	} {
		status, body, _ := w.call("POST", "/api/v1/scans", token, c.body)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s, want %d %s", c.name, status, body, c.status, c.want)
		}
		if strings.Contains(body, idNumber) || strings.Contains(body, "三丰") {
			t.Errorf("%s: clear text in %s", c.name, body)
		}
	}
	_, first, _ := w.call("POST", "/api/v1/scans", token, m{"code": w.code, "request_id": "r1"})
	w.colour.Store(int32(venue.HealthRed))
	if _, again, _ := w.call("POST", "/api/v1/scans", token, m{"code": w.code, "request_id": "r1"}); again != first {
		t.Errorf("repeated\n%s\nfirst\n%s", again, first)
	}
	if status, body, _ := w.call("POST", "/api/v1/scans", w.login("wechat", "stranger"), scan(nil)); status != 403 || !strings.Contains(body, "not_registered") {
		t.Errorf("somebody not registered: %d %s", status, body)
	}
	early := w.login("alipay", "late") // a token from before the registration
	w.call("PUT", "/api/v1/me", early, registration(m{"name": "李四", "id_number": "110101199003070134"}))
	if status, body, _ := w.call("POST", "/api/v1/scans", early, scan(nil)); status != 200 {
		t.Errorf("a token from before the registration: %d %s", status, body)
	}
}

func TestCodesThatNobodyMayScanLookAlike(t *testing.T) {
	w := newWorld(t)
	unknown, err := venue.NewCode(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"/api/v1/codes/", "/v/"} {
		var want string
		for _, code := range []string{string(unknown), string(w.closed), "0", "%20", "%3Cscript%3E", strings.Repeat("A", 300), string(w.code) + "0", "码"} {
			status, body, header := w.call("GET", prefix+url.PathEscape(code), "", nil)
			got := fmt.Sprint(status, header.Get("Content-Type"), body)
			if want == "" {
				want = got
			}
			if status != 404 || got != want {
				t.Errorf("%s%.20s: %s\nwant, as for an unknown one, %s", prefix, code, got, want)
			}
		}
	}
	if status, body, _ := w.call("GET", "/api/v1/codes/"+string(w.evil), "", nil); status != 200 || !strings.Contains(body, `"lat":0,"lng":0,"radius":0`) {
		t.Errorf("a venue of which nobody knows where it is: %d %s", status, body)
	}
	status, body, _ := w.call("GET", "/api/v1/codes/"+string(w.code), "", nil)
	if want := fmt.Sprintf(`{"address":"洗月街道文昌路1号","code":"%s","door":"南门","lat":33.19755,"lng":112.87705,"radius":150,"venue":"青禾市民中心"}`, w.code); status != 200 || body != want {
		t.Errorf("%d %s, want %s", status, body, want)
	}
}

func TestWhereALinkIsBeforeItIsScanned(t *testing.T) {
	w := newWorld(t)
	token := w.login("wechat", "1") // not registered yet
	long := "旧码|" + strings.Repeat("7", store.MaxPayload-len("旧码|"))
	unknown, err := venue.NewCode(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	old := store.NewRegister(w.docs, w.handler.Doors.(*store.Registry), w.handler.Tokens.(*vault.Vault), w)
	for payload, code := range map[string]venue.Code{"https://csm.example.com/q?id=10001&t=%E5%BA%97": w.code, long: w.code, "10002": w.closed} {
		if _, err := old.KeepOld(t.Context(), []string{payload}, []venue.Code{code}); err != nil {
			t.Fatal(err)
		}
	}
	at := func(link, token string) string {
		status, body, header := w.call("GET", "/api/v1/codes?link="+url.QueryEscape(link), token, nil)
		return fmt.Sprint(status, header.Get("Cache-Control"), body)
	}
	_, place, _ := w.call("GET", "/api/v1/codes/"+string(w.code), "", nil)
	for name, link := range map[string]string{"ours": w.code.Link(w.handler.Host), "a former system's": "https://csm.example.com/q?id=10001&t=%E5%BA%97", "the longest": long} {
		if got := at(link, token); got != "200no-store"+place {
			t.Errorf("%s: %s, want %s", name, got, place)
		}
	}
	want := at(unknown.Link(w.handler.Host), token)
	if !strings.HasPrefix(want, "404") || !strings.Contains(want, "code_invalid") {
		t.Errorf("unknown: %s", want)
	}
	for name, link := range map[string]string{"closed": w.closed.Link(w.handler.Host), "a former system's, closed": "10002", "another host's": "https://evil.example/v/" + string(w.code),
		"nothing": "", "too long": long + "7", "a former system's, changed": "https://csm.example.com/q?id=10001", "no text": "\xff\x00"} {
		if got := at(link, token); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if got := at(w.code.Link(w.handler.Host), ""); !strings.HasPrefix(got, "401") {
		t.Errorf("without a session: %s", got)
	}
	for _, serial := range []string{"/api/v1/codes/", "/v/"} {
		if status, _, _ := w.call("GET", serial+"10001", "", nil); status != 404 {
			t.Errorf("%s of a serial number: %d", serial, status)
		}
	}
}

func TestThePageBehindACode(t *testing.T) {
	w := newWorld(t)
	for name, path := range map[string]string{"door": "/v/" + string(w.code), "invalid": "/v/NOTHING", "hostile": "/v/" + string(w.evil)} {
		_, body, header := w.call("GET", path, "", nil)
		if header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: headers %v", name, header)
		}
		if strings.Contains(body, "<script") || strings.Contains(body, `"店"`) {
			t.Errorf("%s: a name became markup", name)
		}
		for _, code := range []venue.Code{w.code, w.evil} { // random
			body = strings.ReplaceAll(body, poster.Serial(code), "7K3M-9QX2-ABCD-EFGH")
		}
		golden := filepath.Join("testdata", name+".html")
		if *update {
			if err := os.WriteFile(golden, []byte(body), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if body != string(want) {
			t.Errorf("%s: the page is\n%s\nwant\n%s\n(-update writes it)", name, body, want)
		}
	}
}

func TestDomainCheckFiles(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/abcDEF123.txt", "/v/abcDEF123.txt"} {
		if status, body, h := w.call("GET", path, "", nil); status != 200 || body != "content-1" || !strings.HasPrefix(h.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %d %s %s", path, status, body, h.Get("Content-Type"))
		}
	}
	for _, path := range []string{"/other.txt", "/v/other.txt", "/abcDEF123", "/ABCDEF123.txt", "/..%2fabcDEF123.txt"} {
		if status, body, _ := w.call("GET", path, "", nil); status != 404 || strings.Contains(body, "content-1") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

func TestConsentAndTheNoOpAreServedAsConfigured(t *testing.T) {
	w := newWorld(t)
	if status, body, _ := w.call("GET", "/api/v1/consent", "", nil); status != 200 || body != `{"contact":"0375-0000000","operator":"指挥部","text":"告知书","version":"2022-05"}` {
		t.Errorf("%d %s", status, body)
	}
	if status, _, _ := w.call("POST", "/api/v1/noop", w.resident("1"), m{}); status != 404 {
		t.Errorf("the benchmark's endpoint answers %d in production", status)
	}
	if status, _, _ := w.call("POST", "/callbacks/alipay", "", nil); status != 404 {
		t.Errorf("notifications are taken without a key: %d", status)
	}
}

func TestAnAppSwitchedOffEndsItsSessions(t *testing.T) {
	w := newWorld(t)
	token := w.login("alipay", "1")
	delete(w.handler.Platforms, "alipay")
	status, body, _ := w.call("PUT", "/api/v1/me", token, registration(m{"phone": nil, "phone_code": "phone-" + phone}))
	if status != 401 {
		t.Fatalf("%d %s", status, body)
	}
}

func TestWordsNameTheCompanionWhoDecided(t *testing.T) {
	words := miniapp.Words(func(d venue.Division, h venue.Health) []string { return []string{string(d), h.String()} })
	for decision, want := range map[venue.Decision]string{venue.Admit: "请通行", venue.Restrict: "限制通行", venue.Refuse: "禁止通行", venue.Hold: "请稍候，待核验"} {
		title, advice := words("419981", venue.HealthRed, decision, "")
		if title != want || len(advice) != 2 || advice[0] != "419981" {
			t.Errorf("%s: %q %v", decision, title, advice)
		}
		if title, _ := words("", venue.HealthRed, decision, "李*"); title != "同行人 李*："+want {
			t.Errorf("%s for a companion: %q", decision, title)
		}
	}
}
