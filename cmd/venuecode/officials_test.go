package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/venuecode/venuecode/vault/audit"
)

// demoOnes are the logins that the demo keeps in its folder.
func demoOnes(t *testing.T, data string) (logins []demoLogin) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(data, "world", "logins.json"))
	if err != nil {
		t.Fatal(err)
	}
	parse(t, string(b), &logins)
	return logins
}

// codeOf is an official's code, that many steps of 30 s from now; each is good
// once, and one step ahead is accepted.
func codeOf(t *testing.T, secret string, ahead int) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, machine.Now().Add(time.Duration(ahead)*30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func (d *town) tryLogIn(user, password, code string) reply {
	d.t.Helper()
	return d.ask(http.MethodPost, "/console/login", "", fmt.Sprintf(`{"user":%q,"password":%q,"totp":%q}`, user, password, code))
}

// logIn opens a session at the console.
func (d *town) logIn(user, password, code string) (token string) {
	d.t.Helper()
	got := d.tryLogIn(user, password, code)
	var session struct{ Token string }
	if got.json(d.t, &session); session.Token == "" {
		d.t.Fatalf("login of %s: %d %s", user, got.status, got.body)
	}
	return session.Token
}

// official logs one of the demo's officials in.
func (d *town) official(user string) (token string, who demoLogin) {
	d.t.Helper()
	who = d.loginOf(user)
	return d.logIn(user, who.Password, codeOf(d.t, who.TOTP, 0)), who
}

func (d *town) loginOf(user string) demoLogin {
	d.t.Helper()
	logins := demoOnes(d.t, d.data)
	return logins[slices.IndexFunc(logins, func(l demoLogin) bool { return l.User == user })]
}

func TestOfficialsOfTheDemoLogInAndTheirSecretsStayOut(t *testing.T) {
	here := quietTown(t)
	d := readDocument(t)
	roles := map[string]bool{}
	var secrets []string
	tokens := map[string]string{}
	for _, l := range demoOnes(t, here.data) {
		roles[string(l.Role)] = true
		got := here.tryLogIn(l.User, l.Password, codeOf(t, l.TOTP, 0))
		want(t, l.User+": status", got.status, http.StatusOK)
		d.wantAnswer(t, http.MethodPost, "/console/login", got)
		var session struct {
			Token      string
			MustChange bool `json:"must_change"`
		}
		got.json(t, &session)
		want(t, l.User+" must change", session.MustChange, false)
		tokens[l.User] = session.Token
		secrets = append(secrets, l.Password, l.TOTP, session.Token)
		home := here.ask(http.MethodGet, "/console", session.Token, "")
		d.wantAnswer(t, http.MethodGet, "/console", home)
	}
	for _, role := range strings.Fields("township regulator checker signer tracer approver auditor sysadmin secadmin") {
		want(t, role+" has a login", roles[role], true)
	}
	seen := map[string]int{}
	for _, user := range []string{"checker", "township", "regulator"} {
		var board struct{ Rows []struct{ Unit string } }
		here.ask(http.MethodGet, "/console/board", tokens[user], "").json(t, &board)
		seen[user] = len(board.Rows)
	}
	if all := len(here.view.Units); seen["checker"] < all || seen["township"] == 0 || seen["township"] >= all || seen["regulator"] == 0 || seen["regulator"] >= all {
		t.Errorf("of %d units officials see %v", len(here.view.Units), seen)
	}
	for _, c := range []struct{ user, method, path, template, body string }{
		{"secadmin", "GET", "/console/accounts", "", ""},
		{"secadmin", "POST", "/console/accounts", "", `{"user":"new.signer","name":"新","roles":["signer"],"divisions":["419981"]}`},
		{"secadmin", "POST", "/console/accounts", "", `{"user":"new.checker","name":"新","roles":["checker"],"divisions":["419981"]}`},
		{"secadmin", "POST", "/console/accounts", "", `{"user":"x","name":"新","roles":["checker"]}`},
		{"secadmin", "POST", "/console/accounts/signer/disable", "/console/accounts/{user}/disable", `{}`},
		{"secadmin", "GET", "/console/changes", "", ""},
		{"secadmin", "POST", "/console/changes/none/approve", "/console/changes/{id}/approve", `{}`},
		{"secadmin", "POST", "/console/changes/none/approve", "/console/changes/{id}/approve", `{"totp":"000000"}`},
		{"auditor", "GET", "/console/audit", "", ""},
		{"secadmin", "GET", "/console/keys", "", ""},
		{"secadmin", "POST", "/console/keys/rotate", "", `{"key":"session"}`},
		{"secadmin", "POST", "/console/keys/rotate", "", `{"key":"index"}`},
		{"auditor", "POST", "/console/audit/verify", "", `{}`},
		{"auditor", "GET", "/console/audit/export?from=2022-05-18&to=2022-05-18", "/console/audit/export", ""},
		{"auditor", "GET", "/console/audit/export?from=2022-01-01&to=2022-05-18", "/console/audit/export", ""},
		{"regulator", "POST", "/console/logout-everywhere", "", `{}`},
		{"regulator", "GET", "/console", "", ""},
		{"tracer", "GET", "/console/audit", "", ""},
		{"nobody", "GET", "/console/audit", "", ""},
		{"township", "GET", "/console/board?day=2022-05-18", "/console/board", ""},
		{"nobody", "GET", "/console/board", "", ""},
		{"sysadmin", "GET", "/console/board", "", ""},
		{"township", "GET", "/console/units", "", ""},
		{"checker", "GET", "/console/units/" + here.view.Units[0].ID, "/console/units/{id}", ""},
		{"township", "GET", "/console/units/" + here.view.Units[0].ID, "/console/units/{id}", ""},
		{"checker", "GET", "/console/doors?unit=" + here.view.Units[0].ID, "/console/doors", ""},
		{"checker", "GET", "/console/doors", "", ""},
		{"checker", "GET", "/console/ledger", "", ""},
	} {
		if c.template == "" {
			c.template = c.path
		}
		d.wantAnswer(t, c.method, c.template, here.ask(c.method, c.path, tokens[c.user], c.body))
	}
	trail := here.ask(http.MethodGet, "/console/audit", tokens["auditor"], "").body
	if !json.Valid([]byte(trail)) || !strings.Contains(trail, "console.denied") {
		t.Errorf("the tracer's attempt is not in the trail: %.300s", trail)
	}
	for _, secret := range secrets {
		if strings.Contains(here.log.String(), secret) || strings.Contains(trail, secret) {
			t.Error("a secret of an official is in the log or in the trail")
		}
	}
	first := demoOnes(t, here.data)
	here.stop()
	again := startTown(t, demoFlags{clock: halfPastTwo, quiet: true, data: here.data})
	want(t, "logins after a restart", fmt.Sprint(demoOnes(t, again.data)), fmt.Sprint(first))
}

func TestBootstrapMakesTwoSecurityAdminsOnce(t *testing.T) {
	a := idleApp(t)
	question := json.RawMessage(`[{"User":"zhang.san","Name":"张三"},{"User":"li.si","Name":"李四"}]`)
	answer, err := bootstrapTool(t.Context(), a, question, nil)
	if err != nil {
		t.Fatal(err)
	}
	made := answer.(bootstrapped).Accounts
	want(t, "accounts", len(made), 2)
	_, login, err := a.officials.Login(t.Context(), made[0].User, made[0].Password, codeOf(t, made[0].TOTP, 0), "127.0.0.1")
	if err != nil || !login.MustChange() {
		t.Errorf("the first login: %v, must change %v", err, login.MustChange())
	}
	if _, err := bootstrapTool(t.Context(), a, question, nil); err == nil || !strings.Contains(err.Error(), "accounts already") {
		t.Errorf("a second bootstrap: %v", err)
	}
}

func TestACopyOfTheCheckpointsThatIsGoneIsMissed(t *testing.T) {
	a := idleApp(t)
	path := t.TempDir() + "/copy"
	a.config.Audit.Copy = path
	ctx := t.Context()
	signer, err := audit.NewFileSigner(a.config.KeysDir, random)
	if err != nil {
		t.Fatal(err)
	}
	trail, err := audit.Open(ctx, audit.Options{Docs: a.engine, Signer: signer, Clock: a.clock, Random: random, Sinks: []audit.Sink{audit.FileSink{Label: auditCopy, Path: path}}})
	if err != nil {
		t.Fatal(err)
	}
	if report, err := (proof{a.trail, a}).Verify(ctx); err != nil || report.Found != 0 {
		t.Errorf("before anything was sent: %+v, %v", report, err)
	}
	if err := trail.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if report, err := (proof{a.trail, a}).Verify(ctx); err != nil || report.Found != 0 {
		t.Errorf("with the copy: %+v, %v", report, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if report, err := (proof{a.trail, a}).Verify(ctx); err != nil || report.Found == 0 {
		t.Errorf("without: %+v, %v", report, err)
	}
}

// TestAToolBeforeTheFirstStart: who makes the accounts first is told what comes first.
func TestAToolBeforeTheFirstStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "venuecode.yaml")
	if err := os.WriteFile(file, []byte("test: true\ndata_dir: data\nkeys_dir: keys\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := runs(t, "accounts", "bootstrap", "wangli", "王丽", "zhaojun", "赵军", "--config", file)
	if code != exitFailed || !strings.Contains(stderr, "venuecode serve --config FILE") {
		t.Errorf("%d %s", code, stderr)
	}
}
