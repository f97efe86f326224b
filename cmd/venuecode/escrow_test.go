package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

// custodianOf makes a custodian's key pair with the tool.
func custodianOf(t *testing.T, suite string) (private, public, fingerprint string) {
	t.Helper()
	private = filepath.Join(t.TempDir(), "custodian")
	var made struct{ Private, Public, Fingerprint string }
	out, stderr, code := runs(t, "keys", "custodian", "--suite", suite, "--to", private, "--json")
	oneLine(t, "keys custodian", out, &made)
	if code != 0 || made.Private != private || made.Public != private+".pub" {
		t.Fatalf("keys custodian: %d %s %s", code, out, stderr)
	}
	if info, err := os.Stat(private); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the private key: %v %v", info.Mode(), err)
	}
	text, err := os.ReadFile(made.Public)
	if err != nil {
		t.Fatal(err)
	}
	lone := filepath.Join(t.TempDir(), "lone")
	if err := os.WriteFile(lone+".pub", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := runs(t, "keys", "custodian", "--to", lone); code != exitFailed || !strings.Contains(stderr, "there already") {
		t.Errorf("beside another's public key: %d %s", code, stderr)
	}
	if _, err := os.Stat(lone); err == nil {
		t.Error("a private key was left beside another's public key")
	}
	if _, stderr, code := runs(t, "keys", "custodian", "--to", private); code != exitFailed || !strings.Contains(stderr, "there already") {
		t.Errorf("over another key: %d %s", code, stderr)
	}
	return private, string(text), made.Fingerprint
}

func TestACopyOfTheKeysIsWrittenAsApprovedAndRestored(t *testing.T) {
	ctx := t.Context()
	a := idleApp(t)
	today := venue.DayOf(a.clock.Now())
	for d := today - 40; d <= today; d++ {
		if err := a.vault.EnsureDay(d); err != nil {
			t.Fatal(err)
		}
	}
	private, public, fingerprint := custodianOf(t, "intl")
	_, other, _ := custodianOf(t, "gm")
	to := filepath.Join(t.TempDir(), "copy")
	request := access.Request{ID: "r1", Act: "escrow", Subject: "3 " + fingerprint, By: "secadmin", Approver: "secadmin2"}
	copies := store.NewCollection[store.EscrowRow](a.engine, store.Escrows)
	wantNone := func(what string) {
		t.Helper()
		if rows, err := copies.All(ctx, store.Query{}); err != nil || len(rows) != 0 {
			t.Errorf("%s: a copy is on the list: %v", what, err)
		}
		if _, err := os.Stat(to); err == nil {
			t.Errorf("%s: the file is there", what)
		}
	}
	for _, c := range []struct {
		what, subject, custodian string
		days                     int
		say                      string
	}{
		{"longer than approved", request.Subject, public, 4, "3 are approved"},
		{"for less than no time", request.Subject, public, -1, "3 are approved"},
		{"for another custodian", request.Subject, other, 0, fingerprint},
		{"approved for too long", "8 " + fingerprint, public, 0, "seven days"},
		{"approved for nothing", "", public, 0, "how many days"},
		{"for no key", request.Subject, "hello", 0, "public key"},
	} {
		r := request
		r.Subject = c.subject
		if _, err := a.escrow(ctx, r, escrowQuestion{Custodian: c.custodian, File: to, Days: c.days}); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v", c.what, err)
		}
		wantNone(c.what)
	}
	question, err := json.Marshal(escrowQuestion{public, to, 0, "nosuch"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keysEscrowTool(ctx, a, question, nil); err == nil || !strings.Contains(err.Error(), `no approved request "nosuch"`) {
		t.Errorf("without a request: %v", err)
	}
	wantNone("without a request")

	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := a.escrow(ended, request, escrowQuestion{Custodian: public, File: to}); err == nil {
		t.Error("a copy that nobody could write down was made")
	}
	wantNone("not written down")

	made, err := a.escrow(ctx, request, escrowQuestion{Custodian: public, File: to, Days: 2})
	if err != nil {
		t.Fatal(err)
	}
	oldest := venue.DayOf(made.Head.Expires) - venue.Day(a.config.Retention.VisitsDays)
	want(t, "life", made.Head.Expires.Sub(made.Head.Made), 48*time.Hour)
	want(t, "oldest day", made.Head.Oldest, oldest)
	row, err := copies.Get(ctx, "r1")
	if err != nil {
		t.Fatal(err)
	}
	want(t, "row", row.Value, store.EscrowRow{Made: made.Head.Made, Expires: made.Head.Expires, Oldest: int32(oldest), By: "secadmin", Approver: "secadmin2"})
	living, err := officeKeys{a.vault, a}.Escrows(ctx)
	if err != nil || len(living) != 1 {
		t.Errorf("%d copies live, %v", len(living), err)
	}
	// The newest row: the call that had ended may have left one too.
	rows, _, err := a.trail.By(ctx, audit.Filter{Action: "keys.escrow"}, audit.Page{})
	if err != nil || len(rows) == 0 || rows[0].Event.Details["sha256"] != made.SHA256 || rows[0].Event.Details["custodian"] != fingerprint {
		t.Errorf("in the trail: %+v %v", rows, err)
	}
	if _, err := a.escrow(ctx, request, escrowQuestion{Custodian: public, File: to + "2"}); err == nil {
		t.Error("one request made two copies")
	}

	dir := filepath.Join(t.TempDir(), "keys")
	var back struct {
		Folder, SHA256 string
		Head           vault.EscrowHead
	}
	out, stderr, code := runs(t, "keys", "restore", "--escrow", to, "--key", private, "--to", dir, "--json")
	oneLine(t, "keys restore", out, &back)
	if code != 0 || back.Folder != dir || back.SHA256 != made.SHA256 || back.Head != made.Head {
		t.Errorf("keys restore: %d %s %s", code, out, stderr)
	}
	v, err := vault.Open(dir, random)
	if err != nil {
		t.Fatal(err)
	}
	days := v.Status().Days
	want(t, "days", [3]venue.Day{venue.Day(len(days)), days[0], days[len(days)-1]}, [3]venue.Day{today - oldest + 1, oldest, today})
	if _, stderr, code := runs(t, "keys", "restore", "--escrow", to, "--key", private, "--to", dir); code != exitFailed || !strings.Contains(stderr, "not empty") {
		t.Errorf("over keys: %d %s", code, stderr)
	}
	if _, stderr, code := runs(t, "keys", "restore", "--escrow", to, "--key", private+".pub", "--to", dir+"2"); code != exitFailed || !strings.Contains(stderr, "private key") {
		t.Errorf("with a public key: %d %s", code, stderr)
	}
}

// The drill of docs/operations.md.
func TestABackupRunsWithKeysThatWereRestored(t *testing.T) {
	ctx := t.Context()
	a := idleApp(t)
	question := json.RawMessage(`[{"User":"zhang.san","Name":"张三"},{"User":"li.si","Name":"李四"}]`)
	answer, err := bootstrapTool(ctx, a, question, nil)
	if err != nil {
		t.Fatal(err)
	}
	private, public, fingerprint := custodianOf(t, "intl")
	copied := filepath.Join(t.TempDir(), "copy")
	request := access.Request{ID: "r1", Act: "escrow", Subject: "1 " + fingerprint, By: "zhang.san", Approver: "li.si"}
	if _, err := a.escrow(ctx, request, escrowQuestion{Custodian: public, File: copied}); err != nil {
		t.Fatal(err)
	}
	config := *a.config
	config.DataDir, config.KeysDir = t.TempDir(), filepath.Join(t.TempDir(), "keys")
	folder := backupOf(t, a)
	if out, stderr, code := runs(t, "keys", "restore", "--escrow", copied, "--key", private, "--to", config.KeysDir); code != 0 || !strings.Contains(out, "SHA-256") {
		t.Fatalf("keys restore: %d %s %s", code, out, stderr)
	}
	putBack(t, &config, a.clock, folder)
	b, err := newApp(&config, a.clock, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	}()
	made := answer.(bootstrapped).Accounts[0]
	if _, _, err := b.officials.Login(ctx, made.User, made.Password, codeOf(t, made.TOTP, 0), "127.0.0.1"); err != nil {
		t.Errorf("what was sealed before does not open: %v", err)
	}
}
