package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/internal/canary"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

// agreed has one official ask and another approve; it gives the request's id.
func (d *town) agreed(asker, path, body, approver string) string {
	d.t.Helper()
	document := readDocument(d.t)
	token, _ := d.official(asker)
	asked := d.ask(http.MethodPost, path, token, body)
	document.wantAnswer(d.t, http.MethodPost, path, asked)
	var request struct{ ID, State string }
	asked.json(d.t, &request)
	token, who := d.official(approver)
	list := d.ask(http.MethodGet, "/console/requests", token, "")
	document.wantAnswer(d.t, http.MethodGet, "/console/requests", list)
	wantText(d.t, "the approver's list", list.body, request.ID)
	at := "/console/requests/" + request.ID
	without := d.ask(http.MethodPost, at+"/approve", token, `{}`)
	want(d.t, "an approval without a code", without.status, http.StatusUnauthorized)
	approved := d.ask(http.MethodPost, at+"/approve", token, fmt.Sprintf(`{"totp":%q}`, codeOf(d.t, who.TOTP, 1)))
	document.wantAnswer(d.t, http.MethodPost, "/console/requests/{id}/approve", approved)
	approved.json(d.t, &request)
	want(d.t, "state when approved", request.State, "approved")
	return request.ID
}

func rowsLeft(t *testing.T, data string) int {
	t.Helper()
	var checked struct{ Rows int }
	out, _, _ := runs(t, "verify", "counts", "--data", data, "--json")
	oneLine(t, "verify counts", out, &checked)
	return checked.Rows
}

func TestTwoOfficialsHaveADayDestroyedAndItIsCertified(t *testing.T) {
	data, kept := t.TempDir(), t.TempDir()
	d, kill := spawned(t, data, halfPastTwo)
	defer kill()
	phone := d.phone("wechat", d.view.Residents[0])
	d.scan(phone, d.doorOf("青禾市民中心"), nil)
	d.pass("384h") // 3 June
	d.scan(phone, d.doorOf("青禾市民中心"), nil)
	want(t, "rows before", rowsLeft(t, data), 2)

	file := filepath.Join(kept, "certificate.json")
	purge := []string{"purge", "--run", "--data", data, "--json", "--certificate", file}
	out, stderr, code := runs(t, purge...)
	if code != exitFailed || out != "" {
		t.Errorf("without a request: %d %s", code, out)
	}
	wantText(t, "its error", stderr, "system admin asks at /console/purges", "security admin approves at /console/requests")
	var plan struct{ Days []vault.CertifiedDay }
	out, stderr, code = runs(t, "purge", "--plan", "--through", "2022-05-19", "--data", data, "--json")
	oneLine(t, "purge --plan", out, &plan)
	if code != 0 || len(plan.Days) != 2 || plan.Days[0].Rows != 1 || !plan.Days[0].Key {
		t.Errorf("purge --plan: %d %s %s", code, out, stderr)
	}
	if _, _, code = runs(t, "purge", "--plan", "--through", "2022-05-20", "--data", data); code != exitFailed {
		t.Errorf("a plan for a day 14 days old: exit code %d", code)
	}

	id := d.agreed("sysadmin", "/console/purges", `{"through":"2022-05-19","reason":"演示提前销毁"}`, "secadmin")
	out, stderr, code = runs(t, purge...)
	var made vault.Certificate
	oneLine(t, "purge --run", out, &made)
	if code != 0 || made.Number != 1 || made.Rows != 1 || made.Keys != 2 || made.Order != (vault.Order{Request: id, AskedBy: "sysadmin", ApprovedBy: "secadmin", RunBy: operator}) {
		t.Fatalf("purge --run: %d %s %s", code, out, stderr)
	}
	want(t, "rows after", rowsLeft(t, data), 1)
	if _, _, code = runs(t, "purge", "--run", "--data", data, "--request", id); code != exitFailed {
		t.Errorf("a request used twice: exit code %d", code)
	}
	key := filepath.Join(data, "keys", audit.PublicFile)
	if out, stderr, code = runs(t, "certificate", "verify", file, "--key", key, "--json"); code != 0 {
		t.Errorf("certificate verify: %d %s", code, stderr)
	}
	line, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "the certificate that verify prints", out, string(line))
	shown, _, _ := runs(t, "certificate", "show", "1", "--data", data)
	want(t, "the certificate as it is shown", shown, string(line))
	if err := os.WriteFile(file, []byte(strings.Replace(string(line), `"rows":1`, `"rows":2`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, code = runs(t, "certificate", "verify", file, "--key", key); code != exitFailed {
		t.Errorf("a certificate that was altered: exit code %d", code)
	}

	d.pass("408h") // 20 June: a night has destroyed 20 May, on which nobody came
	var all struct{ Certificates []vault.Certificate }
	out, _, _ = runs(t, "certificate", "list", "--data", data, "--json")
	oneLine(t, "certificate list", out, &all)
	if c := all.Certificates; len(c) != 2 || c[1].Number != 2 || c[1].RunBy != vault.RunBySystem || c[1].Keys != 1 || c[1].Rows != 0 {
		t.Errorf("certificates: %s", out)
	}
	trail := filepath.Join(kept, "trail")
	if _, stderr, code := runs(t, "audit", "export", trail, "--from", "2022-05-18", "--to", "2022-06-20", "--data", data); code != 0 {
		t.Fatalf("audit export: %s", stderr)
	}
	text, err := os.ReadFile(trail)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(line[:len(line)-1])
	wantText(t, "the trail", string(text), "requests.ask", "requests.approve", "requests.take", "visits.destroy", hex.EncodeToString(sum[:]), "演示提前销毁", id)
}

func TestAnEndedPlatformLeavesACertificateAndTheTrail(t *testing.T) {
	data, to := t.TempDir(), filepath.Join(t.TempDir(), "kept")
	d, kill := spawned(t, data, halfPastTwo)
	defer kill()
	who := d.view.Residents[0]
	d.scan(d.phone("wechat", who), d.doorOf("青禾市民中心"), nil)
	var plan estate
	out, stderr, code := runs(t, "sunset", "--plan", "--data", data, "--json")
	oneLine(t, "sunset --plan", out, &plan)
	if code != 0 || plan.Rows != 1 || plan.Persons != 1 || plan.Keys < 5 {
		t.Errorf("sunset --plan: %d %s %s", code, out, stderr)
	}
	id := d.agreed("sysadmin", "/console/sunset", fmt.Sprintf(`{"confirm":%q,"reason":"疫情结束"}`, plan.Division), "signer")
	for name, args := range map[string][]string{
		"another request": {"--request", "nobody's", "--to", to},
		"into the data":   {"--request", id, "--to", filepath.Join(data, "data", "kept")},
		"into a full one": {"--request", id, "--to", data},
	} {
		if _, stderr, code := runs(t, append([]string{"sunset", "--run", "--data", data}, args...)...); code != exitFailed {
			t.Fatalf("%s: exit code %d %s", name, code, stderr)
		}
	}
	out, stderr, code = runs(t, "sunset", "--run", "--request", id, "--to", to, "--data", data, "--json")
	var made vault.Certificate
	oneLine(t, "sunset --run", out, &made)
	if code != 0 || made.Kind != vault.KindSunset || made.Rows != 1 || made.Persons != 1 || made.AskedBy != "sysadmin" || made.ApprovedBy != "signer" || made.UnreadableFrom.Before(made.Ended) {
		t.Fatalf("sunset --run: %d %s %s", code, out, stderr)
	}
	wantText(t, "progress", stderr, "destroying the keys", "removing the data")
	if _, err := visitor.Get(d.product + "/livez"); err == nil {
		t.Error("the server still answers")
	}
	wantEnded(t, filepath.Join(data, "data"), filepath.Join(data, "keys"), to, made)
	finder := canary.NewFinder(map[string]string{"name": who.Name, "ID number": who.ID, "phone": who.Phone})
	for _, dir := range []string{filepath.Join(data, "data"), to} {
		err := fs.WalkDir(os.DirFS(dir), ".", func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			b, err := os.ReadFile(filepath.Join(dir, path))
			if found := finder.Find(b); len(found) > 0 {
				t.Errorf("%s holds a resident: %v", path, found)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(to, endTrail))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	want(t, "the trail that the certificate names", made.Trail, hex.EncodeToString(sum[:]))
	wantText(t, "the trail", string(text), "requests.ask", "requests.approve", "requests.take", "sunset.run", "疫情结束")
	for _, args := range [][]string{
		{"demo", "--quiet", "--json", "--listen", "127.0.0.1:0", "--sim-listen", "127.0.0.1:0", "--data", data, "--clock", halfPastTwo},
		{"purge", "--plan", "--data", data},
		{"sunset", "--plan", "--data", data},
	} {
		out, stderr, code := runs(t, args...)
		if code != exitFailed || out != "" {
			t.Errorf("%v: %d %s", args, code, out)
		}
		wantText(t, args[0]+" afterwards", stderr, "was ended", `"kind":"sunset"`)
	}
	if _, _, code := runs(t, "sunset", "--run", "--resume", "--data", data); code != exitFailed {
		t.Errorf("an end of what has ended: exit code %d", code)
	}
	wantEnded(t, filepath.Join(data, "data"), filepath.Join(data, "keys"), to, made)
}

// TestAnEndCompletesAPurgeThatWasCutShort: its days must stand in a certificate,
// and its number in no other.
func TestAnEndCompletesAPurgeThatWasCutShort(t *testing.T) {
	config, clock, log := idleConfig(t)
	a, err := newApp(config, clock, log)
	if err != nil {
		t.Fatal(err)
	}
	today := venue.DayOf(clock.Now())
	for _, day := range []venue.Day{today - 20, today} {
		if err := a.vault.EnsureDay(day); err != nil {
			t.Fatal(err)
		}
	}
	a.retention.Record = func(ctx context.Context, actor, action string, details map[string]string) error {
		if action == vault.RecordDestroyed {
			return errors.New("the process died")
		}
		return a.recordDestruction(ctx, actor, action, details)
	}
	if _, _, err := a.retention.Run(t.Context(), clock.Now()); err != nil { // the first start: nothing is due
		t.Fatal(err)
	}
	if _, err := a.retention.Destroy(t.Context(), today-20, vault.Order{RunBy: operator}); err == nil {
		t.Fatal("was not cut short")
	}
	rows, err := a.certificates.List(t.Context())
	if err != nil || len(rows) != 1 {
		t.Fatalf("%d certificates, %v", len(rows), err)
	}
	if err := errors.Join(a.engine.Delete(t.Context(), store.Certificates.Name, "000000000001", 0), a.close()); err != nil { // it died earlier still
		t.Fatal(err)
	}
	to := t.TempDir()
	e := ending{Order: vault.Order{Request: "r1", RunBy: operator}, Began: venue.Millis(clock.Now()).In(venue.Zone), To: to}
	if err := e.keep(config); err != nil {
		t.Fatal(err)
	}
	line, err := sunset{config: config, clock: clock, say: func(progress) {}}.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var last, first vault.Certificate
	earlier, err := os.ReadFile(filepath.Join(to, endCertificates))
	if err = errors.Join(err, json.Unmarshal(line, &last), json.Unmarshal(earlier, &first)); err != nil {
		t.Fatalf("%v: %q", err, earlier)
	}
	if first.Number != 1 || first.Kind != vault.KindPurge || len(first.Days) != 1 || last.Number != 2 || len(last.Days) != 1 {
		t.Errorf("certificates %+v, then %+v", first, last)
	}
}

func TestWhatIsKeptLiesNowhereInWhatIsDestroyed(t *testing.T) {
	config, _, _ := idleConfig(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(config.DataDir, link); err != nil {
		t.Fatal(err)
	}
	if err := keptFolder(config, filepath.Join(link, "kept")); err == nil {
		t.Error("through a link into the data")
	}
	direct := config.DataDir
	config.DataDir = link
	if err := keptFolder(config, filepath.Join(direct, "kept")); err == nil {
		t.Error("into the data, which the configuration names by a link")
	}
	if err := keptFolder(config, filepath.Join(t.TempDir(), "kept")); err != nil {
		t.Errorf("elsewhere: %v", err)
	}
}

// wantEnded looks at what is left.
func wantEnded(t *testing.T, data, keys, to string, made vault.Certificate) {
	t.Helper()
	for dir, names := range map[string][]string{
		data: {endedFile}, keys: {endedFile}, to: {audit.PublicFile, endTrail, endCertificate, endCertificates},
	} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var left []string
		for _, e := range entries {
			left = append(left, e.Name())
		}
		slices.Sort(names)
		if !slices.Equal(left, names) {
			t.Errorf("left in %s: %v, want %v", filepath.Base(dir), left, names)
		}
	}
	public, err := audit.ReadPublicKey(filepath.Join(to, audit.PublicFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{filepath.Join(data, endedFile), filepath.Join(keys, endedFile), filepath.Join(to, endCertificate)} {
		line, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c, err := vault.VerifyCertificate(line, public)
		if err != nil || c.Number != made.Number || !c.Ended.Equal(made.Ended) {
			t.Errorf("%s: %+v, %v", filepath.Base(file), c, err)
		}
	}
}

func TestAnEndCutShortAnywhereIsCompleted(t *testing.T) {
	died := errors.New("the process died")
	for _, step := range []string{"", "writing out", "destroying the keys", "removing the data", "signing the certificate", "destroying the signing key"} {
		t.Run(step, func(t *testing.T) {
			config, clock, log := idleConfig(t)
			a, err := newApp(config, clock, log)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(a.vault.EnsureDay(venue.DayOf(clock.Now())), a.close()); err != nil {
				t.Fatal(err)
			}
			to := t.TempDir()
			e := ending{Order: vault.Order{Request: "r1", AskedBy: "a", ApprovedBy: "b", RunBy: operator}, Began: venue.Millis(clock.Now()).In(venue.Zone), To: to}
			if err := e.keep(config); err != nil {
				t.Fatal(err)
			}
			s := sunset{config: config, clock: clock, say: func(progress) {}, cut: func(at string) error {
				if at == step {
					return died
				}
				return nil
			}}
			var line []byte
			if step != "" {
				if _, err := s.run(t.Context()); !errors.Is(err, died) {
					t.Fatalf("was not cut short: %v", err)
				}
				if _, err := newApp(config, clock, log); err == nil {
					t.Fatal("a half-ended platform started")
				}
			}
			s.cut = nil
			if line, err = s.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			var made vault.Certificate
			if err := json.Unmarshal(line, &made); err != nil || made.AskedBy != "a" || made.Keys == 0 || len(made.Days) != 1 {
				t.Errorf("certificate %s, %v", line, err)
			}
			wantEnded(t, config.DataDir, config.KeysDir, to, made)
			if _, err := newApp(config, clock, log); err == nil || !strings.Contains(err.Error(), "was ended") {
				t.Errorf("an ended platform started: %v", err)
			}
		})
	}
}
