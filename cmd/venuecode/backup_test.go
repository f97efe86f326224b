package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/venuecode/venuecode/configs"
	"github.com/venuecode/venuecode/internal/city"
	"github.com/venuecode/venuecode/internal/mongotest"
	"github.com/venuecode/venuecode/internal/schedule"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/backup"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

func backupOf(t *testing.T, a *app) (folder string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "backup")
	question, _ := json.Marshal(map[string]string{"to": folder})
	if _, err := backupTool(t.Context(), a, question, func(progress) {}); err != nil {
		t.Fatal(err)
	}
	return folder
}

func restoreOf(config *configs.Config, clock *schedule.Clock, folder string) restore {
	return restore{
		config: config, from: folder, say: func(progress) {},
		clock: func(*configs.Config, time.Time) (*schedule.Clock, error) { return clock, nil },
	}
}

func putBack(t *testing.T, config *configs.Config, clock *schedule.Clock, folder string) {
	t.Helper()
	if _, err := restoreOf(config, clock, folder).run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// standing is a civil clock that shows one instant.
func standing(t *testing.T, at time.Time) *schedule.Clock {
	t.Helper()
	clock, err := schedule.NewClock(schedule.Standing, at, "", machine)
	if err != nil {
		t.Fatal(err)
	}
	return clock
}

// openedApp is a platform on a memory, until the test is over.
func openedApp(t *testing.T, config *configs.Config, clock *schedule.Clock) *app {
	t.Helper()
	a, err := newApp(config, clock, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// elsewhere is the same platform with another memory.
func elsewhere(t *testing.T, config *configs.Config, memory string) *configs.Config {
	t.Helper()
	b := *config
	b.DataDir = filepath.Join(t.TempDir(), "data")
	text := fmt.Sprintf("test: true\nstore: %q\n", memory)
	other, err := configs.LoadBytes("test", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	b.Store = other.Store
	return &b
}

// TestWhatWasDestroyedSinceABackupIsDestroyedAgain: the keys are gone, and with
// the restored memory nobody has the rows either.
func TestWhatWasDestroyedSinceABackupIsDestroyedAgain(t *testing.T) {
	ctx := t.Context()
	config, _, _ := idleConfig(t)
	begun, err := time.Parse(time.RFC3339, halfPastTwo)
	if err != nil {
		t.Fatal(err)
	}
	today := venue.DayOf(begun)
	byHand, later := today-20, today-10
	a := openedApp(t, config, standing(t, begun))
	if _, _, err := a.retention.Run(ctx, begun); err != nil { // nothing is due yet
		t.Fatal(err)
	}
	const persons = 450 // more than retention looks at in one go
	var person venue.PersonID
	for _, who := range city.People("419981", persons, 1) {
		id, err := venue.ParseIDNumber(who.IDNumber, today)
		if err != nil {
			t.Fatal(err)
		}
		name, err := venue.ParsePersonName(who.Name)
		if err != nil {
			t.Fatal(err)
		}
		if person, _, err = a.people.Named(ctx, venue.Identity{Name: name, ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	door, err := venue.NewCode(random)
	if err != nil {
		t.Fatal(err)
	}
	for _, day := range []venue.Day{byHand, later, today} {
		if err := a.vault.EnsureDay(day); err != nil {
			t.Fatal(err)
		}
		at := day.At(12, 0)
		key, _, err := a.vault.ScanKey(person, person, at, "request", 0)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := a.vault.SealPerson(day, key, person)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.engine.Append(ctx, []venue.Scan{{Key: key, At: at, Received: at, Door: door, Health: venue.HealthGreen, Person: sealed}}); err != nil {
			t.Fatal(err)
		}
	}
	sessions := func(a *app) store.Collection[store.OfficialSessionRow] {
		return store.NewCollection[store.OfficialSessionRow](a.engine, store.OfficialSessions)
	}
	if err := sessions(a).Insert(ctx, "s", store.OfficialSessionRow{User: "u", Created: begun, Seen: begun}); err != nil {
		t.Fatal(err)
	}
	folder := backupOf(t, a)
	if _, err := a.retention.Destroy(ctx, byHand, vault.Order{RunBy: operator}); err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct {
		name, memory string
		days         int // that have passed
		scans        []venue.Day
		persons      int64
	}{
		{"five days later", "embedded", 5, []venue.Day{later, today}, persons},
		{"in MongoDB", mongotest.Start(t).URI(), 5, []venue.Day{later, today}, persons},
		{"half a year later", "embedded", 180, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := elsewhere(t, config, c.memory)
			clock := standing(t, begun.Add(time.Duration(c.days)*24*time.Hour))
			putBack(t, config, clock, folder)
			b := openedApp(t, config, clock)
			var scans []venue.Day
			for _, day := range []venue.Day{byHand, later, today} {
				for scan, err := range b.engine.AtDoor(ctx, door, day.Start(), (day + 1).Start()) {
					if err != nil {
						t.Fatal(err)
					}
					if p, err := b.vault.OpenPerson(day, scan.Key, scan.Person); err != nil || p != person {
						t.Errorf("%s does not open: %v", day, err)
					}
					scans = append(scans, day)
				}
				n, err := b.engine.CountScans(ctx, []venue.Span{{Door: door, From: day.At(12, 0), To: day.At(13, 0)}}, time.Time{})
				if err != nil || n != 1 {
					t.Errorf("%s: %d scans are counted, %v", day, n, err)
				}
			}
			if !slices.Equal(scans, c.scans) {
				t.Errorf("scans of %v, want those of %v", scans, c.scans)
			}
			if all, err := b.estate(ctx); err != nil || all.Persons != c.persons {
				t.Errorf("%d persons, %v", all.Persons, err)
			}
			if rows, err := sessions(b).All(ctx, store.Query{}); err != nil || len(rows) != 0 {
				t.Errorf("%d officials are logged in, %v", len(rows), err)
			}
			lines, err := b.certificates.List(ctx)
			var made vault.Certificate
			if err == nil && len(lines) == 1 {
				err = json.Unmarshal(lines[0], &made)
			}
			if err != nil || made.Rows != int64(3-len(c.scans)) {
				t.Errorf("certificates %s, %v", lines, err)
			}
			for _, action := range []string{"backup", "restore", vault.RecordDestroyed} {
				rows, _, err := b.trail.By(ctx, audit.Filter{Action: action}, audit.Page{})
				if err != nil || len(rows) != 1 {
					t.Errorf("%d rows of %s in the trail, %v", len(rows), action, err)
				}
			}
			if report, err := b.verifyTrail(ctx, nil, func(int64) {}); err != nil || report.Found != 0 {
				t.Errorf("the trail: %+v, %v", report, err)
			}
			if check, err := verifyTool(ctx, b, json.RawMessage(`{"days":60}`), func(progress) {}); err != nil || c.scans != nil && check.(store.CountCheck).Rows == 0 {
				t.Errorf("the counts: %+v, %v", check, err)
			}
		})
	}
}

func TestARestoreCutShortIsRunAgain(t *testing.T) {
	died := errors.New("the process died")
	a := idleApp(t)
	folder, other := backupOf(t, a), backupOf(t, a)
	for _, step := range []string{"mark", "load", "destroy"} {
		t.Run(step, func(t *testing.T) {
			config := elsewhere(t, a.config, "embedded")
			r := restoreOf(config, a.clock, folder)
			r.cut = func(at string) error {
				if at == step {
					return died
				}
				return nil
			}
			if _, err := r.run(t.Context()); !errors.Is(err, died) {
				t.Fatalf("not cut short: %v", err)
			}
			if _, err := newApp(config, a.clock, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "restore") {
				t.Fatalf("a memory that is half there is served: %v", err)
			}
			if _, err := restoreOf(config, a.clock, other).run(t.Context()); err == nil || !strings.Contains(err.Error(), "another backup") {
				t.Errorf("with another backup: %v", err)
			}
			r.cut = nil
			if _, err := r.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			openedApp(t, config, a.clock)
		})
	}
}

func TestARestoreIsRefused(t *testing.T) {
	a := idleApp(t)
	folder := backupOf(t, a)
	manifest := filepath.Join(folder, backup.ManifestFile)
	whole, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	otherKeys := t.TempDir()
	if _, err := vault.Open(otherKeys, random); err != nil {
		t.Fatal(err)
	}
	lived := elsewhere(t, a.config, "embedded")
	if err := dataDir(lived); err != nil {
		t.Fatal(err)
	}
	b, err := newApp(lived, a.clock, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.close(); err != nil {
		t.Fatal(err)
	}
	for why, c := range map[string]struct {
		config *configs.Config
		keys   string
		edit   func(string) string
	}{
		"not empty":            {config: lived},
		"has no keys":          {keys: t.TempDir()},
		"not those of this":    {keys: otherKeys},
		"not a whole backup":   {edit: func(s string) string { return strings.Replace(s, `"rows": `, `"rows": 9`, 1) }},
		"schema version 9":     {edit: func(s string) string { return strings.Replace(s, `"schema": 1`, `"schema": 9`, 1) }},
		"has no manifest.json": {edit: func(string) string { return "" }},
	} {
		config := c.config
		if config == nil {
			config = elsewhere(t, a.config, "embedded")
		}
		if c.keys != "" {
			config.KeysDir = c.keys
		}
		if c.edit != nil {
			text := c.edit(string(whole))
			if text == string(whole) {
				t.Fatalf("%s: nothing to edit", why)
			}
			if err := os.WriteFile(manifest, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if text == "" {
				if err := os.Remove(manifest); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := restoreOf(config, a.clock, folder).run(t.Context()); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", why, err)
		}
		if _, err := os.Stat(filepath.Join(config.DataDir, "store")); c.config == nil && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: a memory was made: %v", why, err)
		}
		if err := os.WriteFile(manifest, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The one that was there is as it was, and serves.
	openedApp(t, lived, a.clock)
}

func TestAMemoryOfAnotherVersionIsRefused(t *testing.T) {
	config, clock, log := idleConfig(t)
	a, err := newApp(config, clock, log)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := migrateTool(t.Context(), a, json.RawMessage(`{"dry":true}`), nil)
	if done, _ := answer.(migrated); err != nil || done.From != 1 || done.To != 1 || len(done.Steps)+len(done.Leftovers) != 0 {
		t.Errorf("a new memory: %+v, %v", answer, err)
	}
	_, err = store.NewCollection[store.MetaRow](a.engine, store.Meta).Update(t.Context(), "schema", false, func(v *store.MetaRow) error { v.Value = 9; return nil })
	if err := errors.Join(err, a.close()); err != nil {
		t.Fatal(err)
	}
	for _, open := range []opener{newApp, openOld} {
		if _, err := open(config, clock, log); err == nil || !strings.Contains(err.Error(), "run a newer one") {
			t.Errorf("a memory of a newer program: %v", err)
		}
	}

	store.Steps = []store.Step{{To: 10, What: "nothing"}}
	defer func() { store.Steps = nil }()
	if _, err := newApp(config, clock, log); err == nil || !strings.Contains(err.Error(), "venuecode migrate") {
		t.Errorf("a memory of an older program: %v", err)
	}
	if a, err = openOld(config, clock, log); err != nil {
		t.Fatal(err)
	}
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
}

// TestADemoRemembersWhereItsMemoryIs: without an address its folder is not taken
// for an empty memory; and it moves into the folder by backup and restore.
func TestADemoRemembersWhereItsMemoryIs(t *testing.T) {
	data, uri := t.TempDir(), mongotest.Start(t).URI()
	d := startTown(t, demoFlags{data: data, clock: halfPastTwo, quiet: true, store: uri})
	phone := d.phone("wechat", d.view.Residents[0])
	d.scan(phone, d.doorOf("青禾市民中心"), nil)
	folder := filepath.Join(t.TempDir(), "backup")
	var made backedUp
	out, stderr, code := runs(t, "backup", folder, "--data", data, "--store", uri, "--json")
	if oneLine(t, "backup", out, &made); code != 0 || made.To != folder || made.Rows == 0 {
		t.Fatalf("backup beside the server: %d %s %s", code, out, stderr)
	}
	if _, stderr, code := runs(t, "restore", folder, "--data", data, "--store", uri); code != exitFailed || !strings.Contains(stderr, "a server runs") {
		t.Errorf("restore beside the server: %d %s", code, stderr)
	}
	d.stop()

	err := filepath.WalkDir(data, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), strings.TrimPrefix(strings.TrimSuffix(uri, "/"), "mongodb://")) {
			t.Errorf("%s has the address", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := runs(t, "verify", "counts", "--data", data); code != exitUsage || !strings.Contains(stderr, "--store") {
		t.Errorf("without an address: %d %s", code, stderr)
	}
	if _, stderr, code := runs(t, "verify", "counts", "--data", data, "--store", "embedded"); code != exitFailed || !strings.Contains(stderr, "MongoDB") {
		t.Errorf("with another memory: %d %s", code, stderr)
	}
	if _, err := os.Stat(filepath.Join(data, "data", "store")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty memory was made: %v", err)
	}
	if _, stderr, code := runs(t, "verify", "--data", data, "--store", uri); code != 0 {
		t.Errorf("with the address: %d %s", code, stderr)
	}
	if _, stderr, code := runs(t, "restore", folder, "--data", data, "--store", uri); code != exitFailed || !strings.Contains(stderr, "not empty") {
		t.Errorf("over the memory: %d %s", code, stderr)
	}

	if out, stderr, code := runs(t, "verify", "backup", folder); code != 0 || !strings.Contains(out, made.SHA256) {
		t.Errorf("verify backup: %d %s %s", code, out, stderr)
	}
	if out, stderr, code := runs(t, "restore", folder, "--data", data, "--store", "embedded"); code != 0 || !strings.Contains(out, fmt.Sprintf("%d rows", made.Rows)) {
		t.Fatalf("restore into the folder: %d %s %s", code, out, stderr)
	}
	var all struct {
		Counts store.CountCheck
		Audit  audit.Report
	}
	out, stderr, code = runs(t, "verify", "--data", data, "--json")
	if oneLine(t, "verify", out, &all); code != 0 || all.Audit.Rows == 0 || all.Audit.Found != 0 {
		t.Errorf("verify: %d %s %s", code, out, stderr)
	}
	d = startTown(t, demoFlags{data: data, clock: halfPastTwo, quiet: true})
	want(t, "the clock", d.now().Format(time.RFC3339), halfPastTwo)
	want(t, "a scan after the move", d.scan(phone, d.doorOf("青禾市民中心"), nil).Decision, "admit")
	wantText(t, "counts", d.alone("s001", wecomChat, "查"), "扫码 2 次")
}
