package console

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/pquerna/otp/totp"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/intake"
	"github.com/venuecode/venuecode/internal/declared"
	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/poster"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/vault/reveal"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/daily"
	"github.com/venuecode/venuecode/venue/registry"
)

var update = flag.Bool("update", false, "write the golden files")

type clock struct{ ms atomic.Int64 }

func (c *clock) Now() time.Time { return time.UnixMilli(c.ms.Load()).UTC() }

type official struct{ user, password, totp string }

// desk is a console with an account of every role, or of some.
type desk struct {
	t              *testing.T
	app            *fiber.App
	h              *Handler
	trail          *audit.Trail
	log            *journal
	civil, machine *clock
	officials      map[string]official
	registry       *store.Registry
	intake         *intake.Desk
	uploads        *store.Uploads
	engine         *cutting
	cut, kill      func() // end the process that works on uploads; kill waits for it
	copies         store.Collection[store.EscrowRow]
	secrets        []string // that must be nowhere
	incomplete     time.Time
}

// journal is a log that is read while it is written.
type journal struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lines.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lines.String()
}

// serve has the console listen, and gives its address.
func (d *desk) serve() string {
	d.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		d.t.Fatal(err)
	}
	go d.app.Listener(listener)
	d.t.Cleanup(func() { _ = d.app.Shutdown() })
	d.h.Machine = wall{}
	return "http://" + listener.Addr().String()
}

// wall is the time of connections, which are real; it may lag behind.
type wall struct{ lag time.Duration }

func (w wall) Now() time.Time { return time.Now().Add(-w.lag) }

// take asks for a file and gives it while it comes.
func (d *desk) take(address, token string) *http.Response {
	d.t.Helper()
	r, err := http.NewRequest("GET", address, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { response.Body.Close() })
	return response
}

// logged waits for a line of the log.
func (d *desk) logged(line string) {
	d.t.Helper()
	for end := time.Now().Add(20 * time.Second); !strings.Contains(d.log.String(), line); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			d.t.Fatalf("the log lacks %s: %s", line, d.log)
		}
	}
}

// toTrail is the auditor as the program wires it.
type toTrail struct{ trail *audit.Trail }

func (t toTrail) Record(ctx context.Context, e access.Event) error {
	actor := e.Actor
	if actor == "" {
		actor = "unknown"
	}
	_, err := t.trail.Append(ctx, audit.Event{Actor: actor, Action: string(e.Act), Object: audit.Object{Kind: "account", ID: e.Subject},
		Outcome: string(e.Outcome), Reason: e.Reason, Details: map[string]string{"asked": e.Detail, "from": e.From}})
	return err
}

func newDesk(t *testing.T, roles ...access.Role) *desk {
	t.Helper()
	memory, err := embedded.Open(embedded.Options{Dir: t.TempDir(), Schemas: store.Schemas})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { memory.Close() })
	engine := &cutting{Engine: memory}
	keys := t.TempDir()
	v, err := vault.Open(keys, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := audit.NewFileSigner(keys, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, engine: engine, log: &journal{}, civil: &clock{}, machine: &clock{}, officials: map[string]official{}}
	d.civil.ms.Store(time.Date(2022, 5, 18, 9, 0, 0, 0, venue.Zone).UnixMilli())
	d.machine.ms.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	if d.trail, err = audit.Open(t.Context(), audit.Options{Docs: engine, Signer: signer, Clock: d.civil, Random: rand.Reader}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.trail.Close(context.Background()) })
	officials, err := access.New(access.Options{Docs: engine, Sealer: v, Blinder: v, Auditor: toTrail{d.trail}, Random: rand.Reader, Civil: d.civil, Machine: d.machine})
	if err != nil {
		t.Fatal(err)
	}
	d.copies = store.NewCollection[store.EscrowRow](engine, store.Escrows)
	doors, reporting := store.NewRegistry(engine, d.machine), store.NewReporting(engine, v)
	settle(t, engine, doors, reporting)
	register := store.NewRegister(engine, doors, v, d.civil)
	shelve(t, register)
	codes := store.NewBindCodes(engine, doors, v.Blind, rand.Reader, d.civil)
	codes.Register = register
	d.registry = doors
	log := slog.New(slog.NewJSONHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d.h = &Handler{Log: log, Access: officials, Trail: d.trail, Proof: whole{d.trail, engine, signer.Public()}, Keys: keysOf{v, d}, Disposal: d.disposal(signer), Machine: d.machine,
		Office: register.Show(store.NewOffice(engine, doors)), Clock: d.civil,
		Groups: doors, SealWebhook: func(key string) ([]byte, error) { return v.Seal("webhook", []byte(key)) },
		OldCodes: doors, ChatCodes: codes, Postings: register, Paper: poster.Paper{Host: "code.example.org", Operator: "指挥部", Contact: "0398-6660000", KeptDays: 30, Apps: poster.Apps{WeChat: true}},
		Applying: &registry.Service{Applications: register, Book: register, Blanks: register, Random: rand.Reader, Clock: d.civil,
			Resolve: func(ctx context.Context, code venue.Code) (venue.VenueID, error) {
				p, err := doors.Resolve(ctx, code)
				return p.Venue.ID, err
			}},
		Incomplete: func() time.Time { return d.incomplete },
		Boards:     &daily.Service{Policy: daily.DefaultPolicy(), Registry: doors, Counter: reporting, Reports: reporting, Clock: d.civil}}
	d.h.Identities = &reveal.Service{Office: d.h.Office, Vault: v, Quota: access.NewQuota(engine, 10, d.civil), Trail: d.trail, Clock: d.civil}
	census := store.NewCensus(engine, d.civil)
	d.h.Coverage = store.NewCoverage(engine, d.h.Office, census, d.civil, d.machine)
	d.intake = &intake.Desk{Register: register, Applying: d.h.Applying, Census: census, Division: "410482", Blind: v.Blind, Random: rand.Reader}
	d.uploads = store.NewUploads(engine, v, d.civil)
	d.h.Division, d.h.Uploads = "410482", d.clerk(log)
	d.h.Regulators = registry.NewRegulators([]venue.Regulator{{Name: "教育部门", Types: []string{"教育"}}})
	enlist(t, engine)
	redden(t, engine, v)
	d.app = web.New(web.Options{Name: "test", BodyLimit: 64 << 10, Larger: d.h.Admit, Machine: d.machine, Log: log})
	d.h.Routes(d.app)
	if len(roles) == 0 {
		roles = access.Roles()
	}
	for _, r := range roles {
		if r != access.RoleProvince {
			d.add(string(r), string(r), grantOn("a", r))
		}
	}
	return d
}

func (d *desk) add(user, name string, g access.Grant) {
	d.t.Helper()
	o := official{user, rand.Text(), base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(rand.Text())[:20])}
	if err := d.h.Access.Seed(d.t.Context(), access.Draft{User: user, Name: name, Grant: g}, o.password, o.totp); err != nil {
		d.t.Fatal(err)
	}
	d.officials[user] = o
	d.secrets = append(d.secrets, o.password, o.totp)
}

type reply struct {
	status int
	header http.Header
	body   string
}

func (d *desk) send(r *http.Request) reply {
	d.t.Helper()
	response, err := d.app.Test(r, 20_000)
	if err != nil {
		d.t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, string(b)}
}

// call asks as a program does.
func (d *desk) call(method, path, token, body string) reply {
	d.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return d.send(r)
}

// browse asks as a browser does, with a cookie and a form.
func (d *desk) browse(method, path, session string, form url.Values) reply {
	d.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if session != "" {
		r.AddCookie(&http.Cookie{Name: cookie, Value: session})
	}
	return d.send(r)
}

func (d *desk) code(user string) string {
	d.t.Helper()
	d.machine.ms.Add(30_000)
	c, err := totp.GenerateCode(d.officials[user].totp, d.machine.Now())
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

// confirm is the body that a second pair of eyes sends.
func (d *desk) confirm(user string) string { return fmt.Sprintf(`{"totp":%q}`, d.code(user)) }

func (d *desk) login(user string) (token string) {
	d.t.Helper()
	body := fmt.Sprintf(`{"user":%q,"password":%q,"totp":%q}`, user, d.officials[user].password, d.code(user))
	got := d.call("POST", "/console/login", "", body)
	var session struct{ Token string }
	if json.Unmarshal([]byte(got.body), &session) != nil || got.status != 200 || session.Token == "" {
		d.t.Fatalf("login of %s: %d %s", user, got.status, got.body)
	}
	d.secrets = append(d.secrets, session.Token)
	return session.Token
}

func (d *desk) rows(f audit.Filter) []audit.Row {
	d.t.Helper()
	rows, _, err := d.trail.By(d.t.Context(), f, audit.Page{})
	if err != nil {
		d.t.Fatal(err)
	}
	return rows
}

func TestWithoutASessionNothingIsReached(t *testing.T) {
	d := newDesk(t)
	for _, s := range samples {
		method, path, _ := s.call("unit-a")
		for _, token := range []string{"", "x", strings.Repeat("A", 43)} {
			if got := d.call(method, path, token, `{}`); got.status != 401 {
				t.Errorf("%s %s answered %d with token %q", method, path, got.status, token)
			}
			got := d.browse(method, path, token, url.Values{})
			if got.status != 303 || got.header.Get("Location") != "/console/login" {
				t.Errorf("%s %s sent a browser to %d %s", method, path, got.status, got.header.Get("Location"))
			}
		}
	}
}

func TestEveryServedRouteIsARowOfTheTable(t *testing.T) {
	d := newDesk(t)
	for _, served := range d.app.GetRoutes(true) {
		if served.Method == http.MethodHead {
			continue
		}
		if !slices.ContainsFunc(table, func(r route) bool { return r.method == served.Method && r.path == served.Path }) {
			t.Errorf("%s %s is served and not in the table", served.Method, served.Path)
		}
	}
	for _, need := range []access.Permission{"", "accounts.admin"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a route that needs %q was registered", need)
				}
			}()
			d.h.register(fiber.New(), []route{{"GET", "/console/x", need, (*Handler).home}})
		}()
	}
}

func TestAFailedLoginTellsNobodyWhoHasAnAccount(t *testing.T) {
	d := newDesk(t)
	try := func(user, password, code string) reply {
		return d.call("POST", "/console/login", "", fmt.Sprintf(`{"user":%q,"password":%q,"totp":%q}`, user, password, code))
	}
	auditor := d.officials["auditor"]
	first := try("auditor", "wrong password", "000000")
	for range 5 {
		try("auditor", "wrong password", "000000")
	}
	for name, got := range map[string]reply{
		"a locked account, all right": try("auditor", auditor.password, d.code("auditor")),
		"no such account":             try("nobody.here", "wrong password", "000000"),
		"a name of no shape":          try("<>", "wrong password", "000000"),
		"a wrong code":                try("tracer", d.officials["tracer"].password, "x"),
	} {
		if got.status != 401 || got.body != first.body {
			t.Errorf("%s: %d %s, want 401 %s", name, got.status, got.body, first.body)
		}
	}
}

func TestAFormFromAnotherPageChangesNothing(t *testing.T) {
	d := newDesk(t)
	session := d.login("secadmin")
	other := d.login("secadmin")
	for name, token := range map[string]string{"none": "", "another session's": formToken(other), "the session's own": session} {
		got := d.browse("POST", "/console/accounts/venue_staff/disable", session, url.Values{"csrf": {token}})
		if got.status != 400 {
			t.Errorf("token %s: %d", name, got.status)
		}
	}
	r := httptest.NewRequest("POST", "/console/accounts/venue_staff/disable", strings.NewReader(`{}`))
	r.Header.Set("Content-Type", "application/json")
	r.AddCookie(&http.Cookie{Name: cookie, Value: session})
	if got := d.send(r); got.status != 400 {
		t.Errorf("JSON with a cookie alone: %d", got.status)
	}
	r = httptest.NewRequest("POST", "/console/login", strings.NewReader(`{}`))
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if got := d.send(r); got.status != 400 {
		t.Errorf("a login from another site: %d", got.status)
	}
	got := d.browse("POST", "/console/accounts/venue_staff/disable", session, url.Values{"csrf": {formToken(session)}})
	if got.status != 303 {
		t.Errorf("the page's own form: %d %s", got.status, got.body)
	}
}

func TestABrowserLogsInAndSeesEveryPage(t *testing.T) {
	d := newDesk(t)
	d.add("mallory", `<script>alert("1")</script>`, grantOn("a", access.RoleTownship))
	for _, user := range []string{"secadmin", "sysadmin", "auditor"} {
		o := d.officials[user]
		got := d.browse("POST", "/console/login", "", url.Values{"user": {user}, "password": {o.password}, "totp": {d.code(user)}})
		set := got.header.Get("Set-Cookie")
		for _, part := range []string{"HttpOnly", "secure", "SameSite=Strict", "path=/console"} {
			if !strings.Contains(strings.ToLower(set), strings.ToLower(part)) {
				t.Errorf("the cookie lacks %s", part)
			}
		}
		session := regexp.MustCompile(cookie + `=([^;]+)`).FindStringSubmatch(set)
		if got.status != 303 || session == nil {
			t.Fatalf("login: %d %q", got.status, got.body)
		}
		d.secrets = append(d.secrets, session[1])
		for _, r := range table {
			if r.method != "GET" || r.path == "/console/audit/export" || r.need != anyone && !slices.Contains(access.Role(user).Permissions(), r.need) {
				continue
			}
			if r.path == "/console/certificates/:number" {
				continue // no page: a certificate is read as it was signed
			}
			page := d.browse("GET", r.path, session[1], nil)
			if page.status != 200 || !strings.Contains(page.body, "</html>") || page.header.Get("Cache-Control") != "no-store" || page.header.Get("Content-Security-Policy") == "" {
				t.Errorf("%s: %s: %d %s", user, r.path, page.status, page.body)
			}
			if strings.Contains(page.body, "<script") {
				t.Errorf("%s: %s shows a name as markup", user, r.path)
			}
		}
	}
}

func TestASensitiveAccountNeedsASecondPair(t *testing.T) {
	d := newDesk(t)
	d.add("second", "第二", grantOn("a", access.RoleSecurityAdmin))
	first, second := d.login("secadmin"), d.login("second")
	got := d.call("POST", "/console/accounts", first, `{"user":"new.auditor","name":"新","roles":["auditor"]}`)
	var asked struct{ Change string }
	if json.Unmarshal([]byte(got.body), &asked) != nil || asked.Change == "" {
		t.Fatalf("create: %d %s", got.status, got.body)
	}
	path := "/console/changes/" + asked.Change + "/approve"
	if none := d.call("POST", path, second, `{}`); none.status != 422 || !strings.Contains(none.body, `"totp"`) {
		t.Errorf("without a code: %d %s", none.status, none.body)
	}
	if wrong := d.call("POST", path, second, `{"totp":"000000"}`); wrong.status != 401 || !strings.Contains(wrong.body, "login_failed") {
		t.Errorf("with a wrong code: %d %s", wrong.status, wrong.body)
	}
	if own := d.call("POST", path, first, d.confirm("secadmin")); own.status != 409 || !strings.Contains(own.body, "rule_four_eyes") {
		t.Errorf("one's own: %d %s", own.status, own.body)
	}
	code := d.confirm("second")
	got = d.call("POST", path, second, code)
	var made struct {
		Issued struct{ User, Password, Totp_secret string }
	}
	if json.Unmarshal([]byte(got.body), &made) != nil || made.Issued.Password == "" {
		t.Fatalf("approve: %d %s", got.status, got.body)
	}
	if again := d.call("POST", path, second, code); again.status != 401 {
		t.Errorf("with a code that was used: %d %s", again.status, again.body)
	}
	d.officials["new.auditor"] = official{"new.auditor", made.Issued.Password, made.Issued.Totp_secret}
	d.secrets = append(d.secrets, made.Issued.Password, made.Issued.Totp_secret)
	token := d.login("new.auditor")
	if got := d.call("GET", "/console/audit", token, ``); got.status != 404 {
		t.Errorf("before the first password change the audit answered %d", got.status)
	}
	fresh := "a long fresh sentence 42"
	d.secrets = append(d.secrets, fresh)
	if got := d.call("POST", "/console/password", token, fmt.Sprintf(`{"old":%q,"password":%q}`, made.Issued.Password, fresh)); got.status != 200 {
		t.Fatalf("password: %d %s", got.status, got.body)
	}
	if got := d.call("GET", "/console", token, ``); got.status != 401 {
		t.Errorf("after the change the old session answered %d", got.status)
	}
	d.officials["new.auditor"] = official{"new.auditor", fresh, made.Issued.Totp_secret}
	token = d.login("new.auditor")
	got = d.call("GET", "/console/audit?actor=secadmin", token, ``)
	if got.status != 200 || !strings.Contains(got.body, "accounts.create") {
		t.Errorf("audit: %d %s", got.status, got.body)
	}
	if len(d.rows(audit.Filter{Actor: "new.auditor", Action: "audit.read"})) != 1 {
		t.Error("the look at the audit is not in the audit")
	}
	for _, secret := range d.secrets {
		if strings.Contains(d.log.String(), secret) {
			t.Error("a secret is in the log")
		}
		for _, row := range d.rows(audit.Filter{}) {
			if b, _ := json.Marshal(row.Event); bytes.Contains(b, []byte(secret)) {
				t.Errorf("a secret is in the audit row of %s", row.Event.Action)
			}
		}
	}
}

func TestTheAuditIsReadInPages(t *testing.T) {
	d := newDesk(t)
	token := d.login("auditor")
	for range auditPage {
		d.call("GET", "/console/audit?actor=nobody", token, ``)
	}
	seen, after := map[string]bool{}, ""
	for range 5 {
		var page struct {
			Rows []struct{ ID string }
			Next string
		}
		got := d.call("GET", "/console/audit?actor=auditor&from=2022-05-18&to=2022-05-18&after="+url.QueryEscape(after), token, ``)
		if err := json.Unmarshal([]byte(got.body), &page); err != nil || got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		for _, r := range page.Rows {
			if seen[r.ID] {
				t.Errorf("%s is on two pages", r.ID)
			}
			seen[r.ID] = true
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if len(seen) <= auditPage || after != "" {
		t.Errorf("saw %d rows", len(seen))
	}
	for _, q := range []string{"from=x", "to=18.5.", "object=x", "after=x", "actor=13812345678", "actor=" + url.QueryEscape("欧阳明德"), "object=" + url.QueryEscape("person:欧阳明德")} {
		if got := d.call("GET", "/console/audit?"+q, token, ``); got.status != 422 {
			t.Errorf("%s: %d", q, got.status)
		}
	}
}

func TestTheLoginPageIsAsItWas(t *testing.T) {
	d := newDesk(t)
	got := d.browse("GET", "/console/login", "", nil)
	const golden = "testdata/login.html"
	if *update {
		if err := os.WriteFile(golden, []byte(got.body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || got.body != string(want) {
		t.Errorf("the page differs (%v):\n%s", err, got.body)
	}
}

func TestEverythingHasAText(t *testing.T) {
	for _, r := range access.Roles() {
		if roleNames[r] == "" {
			t.Errorf("role %s has no name", r)
		}
		for _, p := range r.Permissions() {
			if permissionNames[p] == "" {
				t.Errorf("permission %s has no name", p)
			}
		}
	}
	for _, r := range declared.Of(t, "../access", "Rule") {
		if r == string(access.RulePermission) { // of that nothing is said
			continue
		}
		if status, sentence := web.Sentence(plain(&access.Forbidden{Rule: access.Rule(r)})); status != 409 || sentence == "" {
			t.Errorf("rule %s answers %d %q", r, status, sentence)
		}
	}
	for of, c := range map[string]struct {
		dir, name string
		never     []string // on a page
	}{
		"state":       {"../venue/daily", "State", nil},
		"verdict":     {"../venue", "Verdict", nil},
		"duty":        {"../venue", "Duty", nil},
		"status":      {"../venue", "Status", nil},
		"message":     {"../venue", "MessageKind", []string{string(venue.MessageRecheck)}}, // a resident's
		"channel":     {"../venue", "Channel", []string{string(venue.ChannelSubscribe), string(venue.ChannelAlipay)}},
		"gap":         {"../venue/registry", "Gap", []string{""}},
		"finding":     {"../venue/registry", "Finding", nil},
		"application": {"../venue/registry", "State", nil},
		"act":         {"../venue/registry", "Act", nil},
		"upload":      {"../store", "UploadState", nil},
		"delivery":    {"../store", "Outbox", nil},
	} {
		for _, value := range declared.Of(t, c.dir, c.name) {
			if names[of][value] == "" && !slices.Contains(c.never, value) {
				t.Errorf("%s %q has no name", of, value)
			}
		}
	}
	for c := venue.CategoryNone; c <= venue.CategoryOther; c++ {
		if names["category"][fmt.Sprint(c)] == "" || names["class"][fmt.Sprint(c)] == "" {
			t.Errorf("class %d has no name", c)
		}
	}
	for _, kind := range intake.Kinds {
		if names["sheet"][kind.Name] == "" {
			t.Errorf("a sheet of %s has no name", kind.Name)
		}
	}
	for _, k := range declared.Of(t, "../vault/audit", "Kind") {
		if findingNames[audit.Kind(k)] == "" {
			t.Errorf("finding %s has no name", k)
		}
	}
	for _, p := range declared.Of(t, "../vault/reveal", "Purpose") {
		if purposeNames[reveal.Purpose(p)] == "" {
			t.Errorf("purpose %s has no name", p)
		}
	}
	for _, k := range declared.Of(t, "../vault", "Kind") {
		if certificateNames[k] == "" {
			t.Errorf("certificate of %s has no name", k)
		}
	}
	for _, o := range declared.Of(t, "../access", "Outcome") {
		if outcomeNames[o] == "" {
			t.Errorf("outcome %s has no name", o)
		}
	}
	for _, rule := range declared.Of(t, "../venue/registry", "Rule") {
		if refusals[rule] == nil && rule != registry.RuleToday { // an applicant's
			t.Errorf("rule %s of the register has no sentence", rule)
		}
	}
}
