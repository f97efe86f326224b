package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/venuecode/venuecode/vault"
)

// program is a run of the program in a process of its own.
func program(args ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), asProgram+"=1")
	return c
}

// spawned is a quiet demo in a process of its own; kill ends it as a power cut
// would.
func spawned(t *testing.T, data, clock string) (d *town, kill func()) {
	t.Helper()
	return spawnedOn(t, embeddedMemory, data, clock)
}

// realTime is the clock of a demo that shares its memory: its jobs run under a lease,
// a short one.
const realTime = ""

// spawnedOn is one on another memory.
func spawnedOn(t *testing.T, memory, data, clock string) (d *town, kill func()) {
	t.Helper()
	c := program("demo", "--quiet", "--json", "--listen", "127.0.0.1:0", "--sim-listen", "127.0.0.1:0", "--data", data, "--store", memory)
	if clock == realTime {
		c.Args, c.Env = append(c.Args, "--speed", "1"), append(c.Env, asProgram+"="+hasty)
	} else {
		c.Args = append(c.Args, "--clock", clock)
	}
	complaints := &record{}
	c.Stderr = complaints
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = c.Process.Kill()
		_ = c.Wait() // it was killed: that is no error here
		visitor.CloseIdleConnections()
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		kill()
		t.Fatalf("the demo did not start: %v\n%s", err, complaints.String())
	}
	d = &town{t: t, memory: memory, data: data, log: complaints}
	d.meet(line)
	return d, kill
}

// runs gives what a command prints, what it complains of, and its exit code.
func runs(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	c := program(args...)
	var out, complaints bytes.Buffer
	c.Stdout, c.Stderr = &out, &complaints
	err := c.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return out.String(), complaints.String(), c.ProcessState.ExitCode()
}

// oneLine is the answer of a command with --json.
func oneLine(t *testing.T, what, out string, into any) {
	t.Helper()
	if strings.Count(out, "\n") != 1 || json.Unmarshal([]byte(out), into) != nil {
		t.Errorf("%s --json printed %q, want one line of JSON", what, out)
	}
}

func TestAKilledPlatformContinues(t *testing.T) {
	data := t.TempDir()
	d, kill := spawned(t, data, halfPastTwo)
	hall := d.doorOf("青禾市民中心")
	wang := d.view.Residents[0]
	phone := d.phone("wechat", wang)
	token, _ := d.login("wechat", phone)
	scan := func(id string) reply {
		return d.ask(http.MethodPost, "/api/v1/scans", token, fmt.Sprintf(`{"code":%q,"request_id":%q,"direction":"in"}`, hall.Code, id))
	}
	first := scan("before-the-fall")
	want(t, "scan", first.status, http.StatusOK)
	d.inGroup("g-gov", "s003", "上报 12")
	d.at("15:20:00")
	want(t, "reminders by 15:20", len(d.pushed("g-gov", "reminder")), 1)

	// Down at 15:30, back at 15:35.
	kill()
	d, kill = spawned(t, data, "2022-05-18T15:35:00+08:00")
	want(t, "clock", d.now().Format("15:04:05"), "15:35:00")
	late := soon(t, "the reminder that was missed", func() []string {
		all := d.pushed("g-gov", "reminder")
		return all[1:]
	})
	want(t, "missed reminders", len(late), 1)
	wantText(t, "missed reminder", late[0], "（迟发）", "以下 10 个单位", "尽快")
	wantNo(t, "missed reminder", late[0], "教育体育局")
	wantText(t, "report that stands", d.alone("s003", wecomChat, "查"), "扫码 12 次")

	// The phone scans on; its session holds; the same request is one record.
	want(t, "session", d.ask(http.MethodGet, "/api/v1/me", token, "").status, http.StatusOK)
	again := scan("before-the-fall")
	want(t, "the same request after a restart", again.body, first.body)
	want(t, "a scan after a restart", d.scan(phone, d.doorOf("青禾市民中心"), nil).Decision, "admit")
	wantText(t, "counts", d.alone("s001", wecomChat, "查"), "扫码 2 次，其中有效 2 次，共 1 人")

	d.at("15:50:00")
	want(t, "reminders by 15:50", len(d.pushed("g-gov", "reminder")), 3)
	d.at("16:12:00")
	want(t, "digests", len(d.pushed("g-gov", "digest")), 1)
	said := len(d.heard("/sim/groups/g-gov"))

	// Down again; the clock never runs back, and nothing is said twice.
	kill()
	d, kill = spawned(t, data, halfPastTwo)
	if now := d.now(); now.Format("15:04:05") < "16:12:00" {
		t.Errorf("the clock went back to %s", now)
	}
	d.pass("10m")
	want(t, "lines in the group after a second restart", len(d.heard("/sim/groups/g-gov")), said)
	want(t, "session", d.ask(http.MethodGet, "/api/v1/me", token, "").status, http.StatusOK)

	// A second process may not have the same folder.
	_, stderr, code := runs(t, "demo", "--quiet", "--listen", "127.0.0.1:0", "--sim-listen", "127.0.0.1:0", "--data", data)
	want(t, "exit code of a second process", code, exitFailed)
	wantText(t, "its error", stderr, data)
	want(t, "the first one", d.ask(http.MethodGet, "/api/v1/me", token, "").status, http.StatusOK)

	t.Run("tools", func(t *testing.T) { toolsOf(t, d, data) })

	// A month on. Sessions have ended, phones log in again; and the colour that
	// was green before is not believed when nobody answers.
	kill()
	d, _ = spawned(t, data, "2022-06-17T14:40:00+08:00")
	r := d.ask(http.MethodGet, "/api/v1/me", token, "")
	why, _ := r.refusal()
	want(t, "a session of 30 days ago", fmt.Sprint(r.status, why), "401unauthorized")
	d.fault("health", "hang")
	p := d.scan(phone, d.doorOf("青禾市民中心"), nil)
	want(t, "green once, silence now", p.Health+" "+p.Decision, "unknown hold")
	d.fault("health", "none")
	want(t, "and with an answer", d.scan(phone, d.doorOf("青禾市民中心"), nil).Decision, "admit")

	// A correction after the deadline stands once headquarters has accepted it.
	d.alone("s001", wecomChat, "上报 5")
	if _, stderr, code := runs(t, "correction", "accept", "市府办", "--data", data); code != exitFailed {
		t.Errorf("nothing waits for a decision: exit code %d %s", code, stderr)
	}
	d.pass("85m")
	wantText(t, "更正", d.alone("s001", wecomChat, "更正 2"), "更正待批")
	var decided struct {
		Unit     string
		Standing int
	}
	out, stderr, code := runs(t, "correction", "accept", "市府办", "--data", data, "--json")
	oneLine(t, "correction", out, &decided)
	if code != 0 || decided.Standing != 2 {
		t.Errorf("correction accept: %d %s %s", code, out, stderr)
	}
	wantText(t, "查", d.alone("s001", wecomChat, "查"), "扫码 2 次")
}

// toolsOf asks the tools of the server that runs on data.
func toolsOf(t *testing.T, d *town, data string) {
	var checked struct {
		Rows, Hours int
		Differ      []any
	}
	out, stderr, code := runs(t, "verify", "counts", "--data", data, "--json")
	oneLine(t, "verify", out, &checked)
	if code != 0 || checked.Rows != 2 || checked.Hours == 0 || len(checked.Differ) != 0 {
		t.Errorf("verify counts: %d %s %s", code, out, stderr)
	}

	var made struct{ Code, Unit string }
	unit := d.view.Units[0].ID
	out, stderr, code = runs(t, "bind-code", unit, "--data", data, "--json")
	oneLine(t, "bind-code", out, &made)
	if code != 0 || made.Unit != unit {
		t.Fatalf("bind-code: %d %s %s", code, out, stderr)
	}
	wantText(t, "绑定", d.alone("newcomer", wecomChat, "绑定 "+made.Code), "绑定成功")

	var rotated struct{ Newest int }
	out, stderr, code = runs(t, "keys", "rotate", "session", "--data", data, "--json")
	oneLine(t, "keys rotate", out, &rotated)
	if code != 0 || rotated.Newest != 2 {
		t.Errorf("keys rotate: %d %s %s", code, out, stderr)
	}
	if _, stderr, code = runs(t, "keys", "rotate", "index", "--data", data); code != exitFailed {
		t.Errorf("the index key was rotated: exit code %d %s", code, stderr)
	}
	var status vault.Status
	out, stderr, code = runs(t, "keys", "status", "--data", data, "--json")
	oneLine(t, "keys status", out, &status)
	if code != 0 || status.Suite != "intl" || len(status.Days) == 0 || !slices.Contains(status.Keys, vault.KeyStatus{Name: "session", Newest: 2, Kept: 2, Rotates: true}) {
		t.Errorf("keys status: %d %s %s", code, out, stderr)
	}
	var plan struct{ Days []vault.CertifiedDay }
	out, stderr, code = runs(t, "purge", "--plan", "--data", data, "--json")
	oneLine(t, "purge --plan", out, &plan)
	if code != 0 || plan.Days == nil || len(plan.Days) != 0 {
		t.Errorf("purge --plan: %d %s %s", code, out, stderr)
	}

	to := filepath.Join(t.TempDir(), "backup")
	var copied struct {
		To    string
		Bytes int64
	}
	out, stderr, code = runs(t, "backup", to, "--data", data, "--json")
	oneLine(t, "backup", out, &copied)
	if code != 0 || copied.To != to || copied.Bytes == 0 {
		t.Errorf("backup: %d %s %s", code, out, stderr)
	}
	if files, err := os.ReadDir(to); err != nil || len(files) == 0 {
		t.Errorf("nothing in the backup: %v", err)
	}
	if _, _, code = runs(t, "backup", to, "--data", data); code != exitFailed {
		t.Errorf("a backup over another one: exit code %d", code)
	}

	cityFile := filepath.Join("..", "..", "internal", "city", "city.yaml")
	_, stderr, code = runs(t, "load", cityFile, "--data", data)
	want(t, "exit code of load into a full registry", code, exitFailed)
	wantText(t, "its error", stderr, "doors already")

	// Nobody has this one: the tool opens the memory itself.
	empty := t.TempDir()
	for _, dir := range []string{"data", "keys"} {
		if err := os.Mkdir(filepath.Join(empty, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var n struct{ Units, Venues, Doors int }
	out, stderr, code = runs(t, "load", cityFile, "--data", empty, "--json")
	oneLine(t, "load", out, &n)
	// The demo's register has doors of its own beside those of the file.
	if code != 0 || n.Units != len(d.view.Units) || n.Doors == 0 || n.Doors > len(d.view.Doors) {
		t.Errorf("load: %d %s %s", code, out, stderr)
	}
}

// TestWhatWasAnsweredSurvivesAPowerCut: everybody who got a prompt has a record,
// and the prompt is the same when asked for again.
func TestWhatWasAnsweredSurvivesAPowerCut(t *testing.T) {
	data := t.TempDir()
	d, kill := spawned(t, data, halfPastTwo)
	hall := d.doorOf("青禾市民中心")
	token, _ := d.login("alipay", d.phone("alipay", d.view.Residents[0]))
	body := func(id string) string { return fmt.Sprintf(`{"code":%q,"request_id":%q}`, hall.Code, id) }

	const phones, enough = 4, 40
	var answered [phones]map[string]string
	var answers atomic.Int64
	busy := make(chan struct{})
	var wg sync.WaitGroup
	for i := range phones {
		answered[i] = map[string]string{}
		wg.Go(func() {
			for n := 0; ; n++ {
				id := fmt.Sprint(i, "-", n)
				response, err := visitor.Do(newRequest(t, http.MethodPost, d.product+"/api/v1/scans", token, body(id)))
				if err != nil {
					return // the lights went out
				}
				text, err := io.ReadAll(response.Body)
				_ = response.Body.Close()
				if err != nil || response.StatusCode != http.StatusOK {
					return
				}
				answered[i][id] = string(text)
				if answers.Add(1) == enough {
					close(busy)
				}
			}
		})
	}
	select {
	case <-busy:
	case <-time.After(visitor.Timeout):
		t.Errorf("%d answers in %s", answers.Load(), visitor.Timeout)
	}
	kill()
	wg.Wait()

	d, _ = spawned(t, data, halfPastTwo)
	total := 0
	for _, prompts := range answered {
		total += len(prompts)
	}
	kept := d.counted("s001")
	if kept < total || kept > total+phones {
		t.Errorf("%d records of %d scans that were answered", kept, total)
	}
	for _, prompts := range answered {
		for id, text := range prompts {
			want(t, "scan "+id+" again", d.ask(http.MethodPost, "/api/v1/scans", token, body(id)).body, text)
		}
	}
	want(t, "records after asking again", d.counted("s001"), kept)
}

func TestATemporaryDemoLeavesNothingBehind(t *testing.T) {
	folder := t.TempDir()
	c := program("demo", "--json", "--listen", "127.0.0.1:0", "--sim-listen", "127.0.0.1:0")
	c.Env = append(c.Env, "TMPDIR="+folder)
	var complaints bytes.Buffer
	c.Stderr = &complaints
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() }) // ended already, if all is well
	lines := bufio.NewReader(out)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatalf("the demo did not start: %v\n%s", err, complaints.String())
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(lines)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil || len(rest) > 0 || complaints.Len() > 0 {
		t.Errorf("after SIGTERM: %v, stdout %q, stderr %q", err, rest, complaints.String())
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestExitCodes(t *testing.T) {
	folder := t.TempDir()
	bad := filepath.Join(folder, "bad.yaml")
	if err := os.WriteFile(bad, []byte("listen: nowhere\nlog: {level: loud}\n"+
		"retention: {visits_days: 61, vault_days: 29, counts_days: 29, messages_days: 801, audit_days: 179, idempotency: 1h}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
	}{
		{"--version", 0},
		{"config", 0},
		{"demo --help", 0},
		{"frobnicate", exitUsage},
		{"demo --frobnicate", exitUsage},
		{"demo more", exitUsage},
		{"demo --clock yesterday", exitUsage},
		{"demo --speed -1", exitUsage},
		{"demo --city " + filepath.Join(folder, "none.yaml"), exitUsage},
		{"demo --city " + bad, exitUsage},
		{"serve", exitUsage},
		{"serve --config " + filepath.Join(folder, "none.yaml"), exitFailed},
		{"serve --config " + bad, exitFailed},
		{"bench scans --people 6", exitUsage},
		{"bench scans --store somewhere", exitUsage},
		{"backup", exitUsage},
		{"backup somewhere", exitUsage}, // of what?
		{"backup somewhere --data " + filepath.Join(folder, "none"), exitFailed},
		{"backup a b", exitUsage},
		{"verify counts more", exitUsage},
		{"verify frobnicate", exitUsage},
		{"verify", exitUsage},
		{"bind-code", exitUsage},
		{"correction", exitUsage},
		{"correction accept", exitUsage},
		{"load", exitUsage},
		{"keys", exitUsage},
		{"keys rotate", exitUsage},
		{"keys custodian", exitUsage},
		{"keys custodian --suite rot13 --to " + filepath.Join(folder, "key"), exitFailed},
		{"keys escrow", exitUsage},
		{"keys restore --escrow x", exitUsage},
		{"purge", exitUsage},
		{"purge --plan --run", exitUsage},
		{"purge --run --through 2022-05-01", exitUsage},
		{"sunset", exitUsage},
		{"sunset --run", exitUsage},
		{"sunset --run --resume --to x", exitUsage},
		{"sunset --run --resume --data " + folder, exitFailed},
		{"certificate", exitUsage},
		{"certificate show one", exitUsage},
		{"certificate verify x", exitUsage},
	} {
		out, stderr, code := runs(t, strings.Fields(c.args)...)
		if code != c.code {
			t.Errorf("venuecode %s: exit code %d, want %d\n%s", c.args, code, c.code, stderr)
		}
		if c.code != 0 && (out != "" || !strings.HasPrefix(stderr, "venuecode: ")) {
			t.Errorf("venuecode %s: a fault goes to stderr alone; stdout %q, stderr %q", c.args, out, stderr)
		}
	}
	_, stderr, _ := runs(t, "serve", "--config", bad)
	wantText(t, "every fault at once", stderr, "listen", "log.level", "host", "division", "retention.visits_days: must be within 14..60",
		"retention.vault_days", "retention.counts_days", "retention.messages_days", "retention.audit_days", "retention.idempotency")
	if left, err := os.ReadDir(folder); err != nil || slices.ContainsFunc(left, func(e os.DirEntry) bool { return e.IsDir() }) {
		t.Errorf("wrong usage left folders behind: %v %v", left, err)
	}
}

func TestWhoDidWhatCanBeShown(t *testing.T) {
	data := t.TempDir()
	_, kill := spawned(t, data, "2022-05-18T14:30:00+08:00")
	defer kill()
	if _, stderr, code := runs(t, "bind-code", "教体局", "--data", data); code != 0 {
		t.Fatalf("bind-code: %d %s", code, stderr)
	}
	var report struct{ Rows, Found int }
	out, stderr, code := runs(t, "audit", "verify", "--data", data, "--json")
	oneLine(t, "audit verify", out, &report)
	if code != 0 || report.Rows == 0 || report.Found != 0 {
		t.Errorf("audit verify: %d %s %s", code, out, stderr)
	}
	file := filepath.Join(t.TempDir(), "trail")
	if _, stderr, code := runs(t, "audit", "export", file, "--data", data); code != 0 {
		t.Fatalf("audit export: %d %s", code, stderr)
	}
	trail, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, "the trail", string(trail), `"bind_code.make"`, `"audit.export"`, `"operator"`)
	if _, _, code := runs(t, "audit", "export", file, "--data", data); code != exitFailed {
		t.Errorf("an export over another file: exit code %d", code)
	}
}
