package vault_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/backup"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/venue"
)

// recorder is a random source that remembers the keys it gave: what is read in
// pieces of 32 bytes.
type recorder struct {
	mu   sync.Mutex
	keys [][]byte
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := rand.Read(b)
	if len(b) == 32 {
		r.mu.Lock()
		r.keys = append(r.keys, bytes.Clone(b))
		r.mu.Unlock()
	}
	return n, err
}

// since gives the keys made since the last call.
func (r *recorder) since() [][]byte {
	keys := r.keys
	r.keys = nil
	return keys
}

// stopper is a provider before or after one of whose calls the process dies.
type stopper struct {
	vault.KeyProvider
	before, after string // "put" or "delete"
	dead          bool
}

var errDied = errors.New("the process died")

func (s *stopper) do(what string, call func() error) error {
	if s.dead || what == s.before {
		s.dead = true
		return errDied
	}
	if err := call(); err != nil {
		return err
	}
	if what == s.after {
		s.dead = true
		return errDied
	}
	return nil
}

func (s *stopper) Put(name string, key []byte) error {
	return s.do("put", func() error { return s.KeyProvider.Put(name, key) })
}

func (s *stopper) Delete(name string) error {
	if name == "epoch/2" && !s.dead {
		return s.KeyProvider.Delete(name) // the sweep ahead of the change
	}
	return s.do("delete", func() error { return s.KeyProvider.Delete(name) })
}

func TestAPurgeCutShortAnywhereLosesNothingAndIsCompleted(t *testing.T) {
	overwrite := func(name string, keep int) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			b := must[[]byte](t)(os.ReadFile(filepath.Join(dir, name)))
			clear(b[keep:])
			write(t, dir, name, b)
		}
	}
	cases := []struct {
		name          string
		before, after string
		then          func(t *testing.T, dir string) // what else the crash left
		readable      bool                           // the day, at the next start
	}{
		{"before the new epoch key", "put", "", nil, true},
		{"while the new epoch key is written", "put", "", func(t *testing.T, dir string) { write(t, dir, "epoch-2.key.new", []byte("venuecode-ep")) }, true},
		{"after the new epoch key", "", "put", nil, true},
		{"after the new epoch key, of which the disk kept half", "", "put", overwrite("epoch-2.key", 20), true},
		{"while the keyring is written", "", "put", func(t *testing.T, dir string) { write(t, dir, "keyring.json.new", []byte(`{"version":2,`)) }, true},
		{"after the keyring", "delete", "", nil, false},
		{"while the old epoch key is overwritten", "delete", "", overwrite("epoch-1.key", 30), false},
		{"after the old epoch key is overwritten", "delete", "", overwrite("epoch-1.key", 0), false},
		{"after the old epoch key is deleted", "", "delete", nil, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			v := open(t, dir)
			day, row := venue.DayOf(noon), venue.ScanKey{9}
			ref := must[[]byte](t)(v.SealPerson(day, row, person(1)))
			kept := must[[]byte](t)(v.SealPerson(day+1, row, person(2)))
			blind := v.Blind("id", "x")

			dying := must[*vault.Vault](t)(vault.Open(dir, rand.Reader, vault.WithProvider(&stopper{KeyProvider: vault.NewFiles(dir), before: c.before, after: c.after})))
			if _, err := dying.ForgetThrough(day); !errors.Is(err, errDied) {
				t.Fatalf("was not cut short: %v", err)
			}
			if c.then != nil {
				c.then(t, dir)
			}
			again := open(t, dir)
			if _, err := again.OpenPerson(day, row, ref); (err == nil) != c.readable {
				t.Errorf("the day at the next start: %v, readable: %v", err, c.readable)
			}
			if _, err := again.ForgetThrough(day); err != nil {
				t.Fatalf("completing: %v", err)
			}
			for _, v := range []*vault.Vault{again, open(t, dir)} {
				if _, err := v.OpenPerson(day, row, ref); !errors.Is(err, vault.ErrNoKey) {
					t.Errorf("the day when completed: %v", err)
				}
				if got, err := v.OpenPerson(day+1, row, kept); err != nil || got != person(2) {
					t.Errorf("the other day: %v", err)
				}
				if v.Blind("id", "x") != blind {
					t.Error("the index key changed")
				}
			}
			if left := names(t, dir); !slices.Equal(left, []string{"epoch-2.key", "keyring.json", "root.key"}) {
				t.Errorf("left in the folder: %v", left)
			}
		})
	}
}

func TestAPurgeCutShortIsCompletedByTheSameProcess(t *testing.T) {
	for _, c := range []stopper{{before: "put"}, {after: "put"}, {before: "delete"}, {after: "delete"}} {
		dir := t.TempDir()
		c.KeyProvider = vault.NewFiles(dir)
		open(t, dir)
		v := must[*vault.Vault](t)(vault.Open(dir, rand.Reader, vault.WithProvider(&c)))
		day, row := venue.DayOf(noon), venue.ScanKey{9}
		ref := must[[]byte](t)(v.SealPerson(day, row, person(1)))
		if _, err := v.ForgetThrough(day); !errors.Is(err, errDied) {
			t.Fatalf("was not cut short: %v", err)
		}
		c.dead, c.before, c.after = false, "", "" // the fault passes
		if _, err := v.ForgetThrough(day); err != nil {
			t.Fatal(err)
		}
		if _, err := v.OpenPerson(day, row, ref); !errors.Is(err, vault.ErrNoKey) {
			t.Errorf("the day: %v", err)
		}
		if left := names(t, dir); !slices.Equal(left, []string{"epoch-2.key", "keyring.json", "root.key"}) {
			t.Errorf("left in the folder: %v", left)
		}
	}
}

func TestAnOldKeyringBesideTodaysKeysOpensNothing(t *testing.T) {
	for _, suite := range []string{"intl", "gm"} {
		dir := t.TempDir()
		v := open(t, dir, vault.WithSuite(suite))
		day, row := venue.DayOf(noon), venue.ScanKey{9}
		must[[]byte](t)(v.SealPerson(day, row, person(1)))
		old := must[[]byte](t)(os.ReadFile(filepath.Join(dir, "keyring.json")))
		if _, err := v.ForgetThrough(day); err != nil {
			t.Fatal(err)
		}
		write(t, dir, "keyring.json", old)
		before := listing(t, dir)
		if _, err := vault.Open(dir, rand.Reader); !errors.Is(err, vault.ErrNoKey) {
			t.Errorf("%s: the old keyring: %v", suite, err)
		}
		// Nor when it says that it is of today's epoch.
		var file map[string]any
		if err := json.Unmarshal(old, &file); err != nil {
			t.Fatal(err)
		}
		file["epoch"] = 2
		write(t, dir, "keyring.json", must[[]byte](t)(json.Marshal(file)))
		if _, err := vault.Open(dir, rand.Reader); !errors.Is(err, vault.ErrWrongKey) {
			t.Errorf("%s: the old keyring under today's name: %v", suite, err)
		}
		write(t, dir, "keyring.json", old)
		if listing(t, dir) != before {
			t.Errorf("%s: a refused folder was changed", suite)
		}
	}
}

func TestDestroyedKeysAreNowhereOnDisk(t *testing.T) {
	ctx := context.Background()
	base := t.TempDir()
	data, keys, checkpoint, later := filepath.Join(base, "data"), filepath.Join(base, "keys"), filepath.Join(base, "checkpoint"), filepath.Join(base, "later")
	source := &recorder{}
	v := must[*vault.Vault](t)(vault.Open(keys, source))
	made := source.since()
	root, epoch := made[0], made[1]

	day := venue.DayOf(noon)
	if err := v.EnsureDay(day); err != nil {
		t.Fatal(err)
	}
	dead := [][]byte{epoch, source.since()[0]} // the epoch's and the day's
	engine := must[*embedded.Engine](t)(embedded.Open(embedded.Options{Dir: data, Schemas: store.Schemas}))
	closed := false
	defer func() {
		if !closed {
			engine.Close()
		}
	}()
	door := must[venue.Code](t)(venue.NewCode(rand.Reader))
	for i := range 50 {
		key, _, err := v.ScanKey(person(byte(i)), person(byte(i)), noon, "r", 0)
		if err != nil {
			t.Fatal(err)
		}
		scan := venue.Scan{Key: key, At: noon, Received: noon, Door: door, Person: must[[]byte](t)(v.SealPerson(day, key, person(byte(i))))}
		must[[]store.Outcome](t)(engine.Append(ctx, []venue.Scan{scan}))
	}
	copyTo := func(dir string) {
		t.Helper()
		if _, _, err := backup.Write(ctx, engine, dir, backup.Manifest{}, venue.ClockFunc(func() time.Time { return noon }), func(int64) {}); err != nil {
			t.Fatal(err)
		}
	}
	copyTo(checkpoint)
	job := &vault.Retention{
		Vault: v, Scans: engine, Meta: store.NewCollection[store.MetaRow](engine, store.Meta),
		Certificates: vault.NewCertificates(engine, signer(t), "419981"), VisitDays: 30, Clock: venue.ClockFunc(func() time.Time { return noon }),
	}
	for i, now := range []time.Time{noon, noon.AddDate(0, 0, 30), noon.AddDate(0, 0, 31)} {
		plan := must[[]vault.CertifiedDay](t)(job.Plan(ctx, job.Due(now)))
		if want := []vault.CertifiedDay{{Day: day, Rows: 50, Key: true}}; i == 2 && !slices.Equal(plan, want) || i < 2 && len(plan) != 0 {
			t.Errorf("plan %d: %+v", i, plan)
		}
		if _, _, err := job.Run(ctx, now); err != nil {
			t.Fatal(err)
		}
	}
	if plan := must[[]vault.CertifiedDay](t)(job.Plan(ctx, job.Due(noon.AddDate(0, 0, 31)))); len(plan) != 0 {
		t.Errorf("still due: %+v", plan)
	}
	if lines := must[[]json.RawMessage](t)(job.Certificates.List(ctx)); len(lines) != 1 {
		t.Errorf("%d certificates lie where the keys are looked for, want 1", len(lines))
	}
	live := source.since()[0] // the new epoch's
	if n, err := engine.CountScans(ctx, []venue.Span{{Door: door, From: noon, To: noon.Add(time.Minute)}}, noon.Add(time.Hour)); err != nil || n != 0 {
		t.Fatalf("%d rows are left of the day, %v", n, err)
	}
	copyTo(later)
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	closed = true

	for name, key := range map[string][]byte{"root": root, "epoch": live} {
		if !onDisk(t, base, key) {
			t.Errorf("the search does not find the live %s key: it proves nothing", name)
		}
	}
	for i, key := range dead {
		if onDisk(t, base, key) {
			t.Errorf("destroyed key %d is on the disk", i)
		}
	}
}

// onDisk tells whether a key lies in some file, raw, in hex or in base64.
func onDisk(t *testing.T, dir string, key []byte) (found bool) {
	t.Helper()
	forms := [][]byte{key, []byte(hex.EncodeToString(key)), bytes.ToUpper([]byte(hex.EncodeToString(key)))}
	for shift := range 3 { // base64 of bytes depends on where they start
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := enc.EncodeToString(append(make([]byte, shift), key...))
			forms = append(forms, []byte(text[4:len(text)-2]))
		}
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		for _, form := range forms {
			found = found || bytes.Contains(b, form)
		}
		return err
	})
	if err != nil || files < 5 {
		t.Fatalf("searched %d files, %v", files, err)
	}
	return found
}

func TestANightBeginsOneEpochHoweverManyDaysAreDue(t *testing.T) {
	dir := t.TempDir()
	v := open(t, dir)
	day := venue.DayOf(noon)
	for i := range venue.Day(10) {
		if err := v.EnsureDay(day + i); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []struct {
		through   venue.Day
		destroyed int
		epoch     uint32
		left      int
	}{{day - 1, 0, 1, 10}, {day + 6, 7, 2, 3}, {day + 6, 0, 2, 3}, {day + 7, 1, 3, 2}} {
		n, err := v.ForgetThrough(want.through)
		s := v.Status()
		if err != nil || n != want.destroyed || s.Epoch != want.epoch || len(s.Days) != want.left {
			t.Errorf("through %s: %d destroyed, %v; epoch %d, %d days left; want %+v", want.through, n, err, s.Epoch, len(s.Days), want)
		}
	}
}

func TestAKeyringOfTheFirstVersionIsBroughtUnderAnEpochOnce(t *testing.T) {
	var sealed struct{ Blind, Person, Row, Sealed, Token string }
	if err := json.Unmarshal(must[[]byte](t)(os.ReadFile("testdata/keyring-1/sealed.json")), &sealed); err != nil {
		t.Fatal(err)
	}
	check := func(t *testing.T, v *vault.Vault) {
		t.Helper()
		var row venue.ScanKey
		copy(row[:], must[[]byte](t)(hex.DecodeString(sealed.Row)))
		if v.Blind("id_number", "x") != sealed.Blind {
			t.Error("another index key")
		}
		if b, err := v.Open("webhook", must[[]byte](t)(hex.DecodeString(sealed.Sealed))); err != nil || string(b) != "secret" {
			t.Errorf("document: %v", err)
		}
		if b, err := v.OpenToken(sealed.Token); err != nil || string(b) != "claims" {
			t.Errorf("session: %v", err)
		}
		if p, err := v.OpenPerson(venue.DayOf(noon), row, must[[]byte](t)(hex.DecodeString(sealed.Person))); err != nil || p != person(7) {
			t.Errorf("day: %v", err)
		}
		if key, _, err := v.ScanKey(person(7), person(7), noon, "r1", 0); err != nil || key != row {
			t.Errorf("request: %v", err)
		}
	}
	old := func(t *testing.T) string {
		dir := t.TempDir()
		for _, name := range []string{"root.key", "keyring.json"} {
			write(t, dir, name, must[[]byte](t)(os.ReadFile(filepath.Join("testdata/keyring-1", name))))
		}
		return dir
	}
	dir := old(t)
	check(t, open(t, dir))
	once := listing(t, dir)
	check(t, open(t, dir))
	if listing(t, dir) != once {
		t.Error("the second start changed the folder")
	}
	if left := names(t, dir); !slices.Equal(left, []string{"epoch-1.key", "keyring.json", "root.key"}) {
		t.Errorf("left in the folder: %v", left)
	}
	for _, c := range []stopper{{before: "put"}, {after: "put"}} {
		dir := old(t)
		c.KeyProvider = vault.NewFiles(dir)
		if _, err := vault.Open(dir, rand.Reader, vault.WithProvider(&c)); !errors.Is(err, errDied) {
			t.Fatalf("was not cut short: %v", err)
		}
		check(t, open(t, dir))
	}
	if _, err := vault.Open(old(t), rand.Reader, vault.WithSuite("gm")); err == nil {
		t.Error("an intl keyring was opened as gm")
	}
	dir = old(t)
	remove(t, dir, "root.key")
	if _, err := vault.Open(dir, rand.Reader); !errors.Is(err, vault.ErrNoKey) {
		t.Errorf("without its root key: %v", err)
	}
}

func TestAFirstStartCutShortAnywhereCanBeMadeAgain(t *testing.T) {
	for n := int64(0); n < 232; n += 8 { // five keys, and a nonce each time one is wrapped
		dir := t.TempDir()
		if _, err := vault.Open(dir, io.LimitReader(rand.Reader, n)); err == nil {
			t.Fatalf("opened with %d bytes of randomness", n)
		}
		sealed := must[[]byte](t)(open(t, dir).Seal("use", []byte("x")))
		must[[]byte](t)(open(t, dir).Open("use", sealed))
	}
}

func names(t *testing.T, dir string) (out []string) {
	t.Helper()
	for _, e := range must[[]os.DirEntry](t)(os.ReadDir(dir)) {
		out = append(out, e.Name())
	}
	return out
}
