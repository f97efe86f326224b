package vault_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/venue"
)

var noon = time.Date(2022, 10, 12, 4, 0, 0, 0, time.UTC) // 12:00 in venue.Zone

func open(t testing.TB, dir string, choices ...vault.Option) *vault.Vault {
	t.Helper()
	v, err := vault.Open(dir, rand.Reader, choices...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func person(n byte) (p venue.PersonID) { p[0], p[15] = n, 0xA5; return p }

func TestTheKeyringIsMadeOnceAndReadAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	first := open(t, dir)
	sealed := must[[]byte](t)(first.Seal("webhook", []byte("secret")))
	before := must[[]byte](t)(os.ReadFile(filepath.Join(dir, "keyring.json")))

	again := open(t, dir)
	if got, err := again.Open("webhook", sealed); err != nil || string(got) != "secret" {
		t.Fatalf("opened again: %q, %v", got, err)
	}
	if a, b := first.Blind("id", "x"), again.Blind("id", "x"); a != b {
		t.Fatal("the index key changed on the second start")
	}
	if after := must[[]byte](t)(os.ReadFile(filepath.Join(dir, "keyring.json"))); !bytes.Equal(before, after) {
		t.Fatal("the second start rewrote the keyring")
	}
}

func TestKeyFilesAreTheOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	open(t, dir)
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "root.key"): 0o600, filepath.Join(dir, "epoch-1.key"): 0o600, filepath.Join(dir, "keyring.json"): 0o600} {
		if got := must[os.FileInfo](t)(os.Stat(path)).Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", filepath.Base(path), got, want)
		}
	}
}

func TestAFileLeftByACrashNeitherStaysNorLendsItsMode(t *testing.T) {
	dir := t.TempDir()
	v := open(t, dir)
	left := filepath.Join(dir, "keyring.json.new")
	if err := os.WriteFile(left, []byte("half a key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := v.EnsureDay(venue.DayOf(noon)); err != nil {
		t.Fatal(err)
	}
	if mode := must[os.FileInfo](t)(os.Stat(filepath.Join(dir, "keyring.json"))).Mode().Perm(); mode != 0o600 {
		t.Errorf("keyring has mode %o", mode)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file left by the crash is still there: %v", err)
	}
	open(t, dir)
}

func TestACrashBeforeTheRenameKeepsTheOldKeyring(t *testing.T) {
	dir := t.TempDir()
	v := open(t, dir)
	sealed := must[[]byte](t)(v.Seal("use", []byte("x")))
	if err := os.WriteFile(filepath.Join(dir, "keyring.json.new"), []byte(`{"version":1,`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := open(t, dir).Open("use", sealed); err != nil || string(got) != "x" {
		t.Fatalf("after the crash: %q, %v", got, err)
	}
}

func TestAWrongKeyFolderIsRefusedNamingTheFile(t *testing.T) {
	other := t.TempDir()
	open(t, other)
	otherRoot := must[[]byte](t)(os.ReadFile(filepath.Join(other, "root.key")))

	otherEpoch := must[[]byte](t)(os.ReadFile(filepath.Join(other, "epoch-1.key")))

	cases := []struct {
		name  string
		spoil func(t *testing.T, dir string)
		want  []string
	}{
		{"root key missing", func(t *testing.T, dir string) { remove(t, dir, "root.key") }, []string{"root.key", "missing", "keyring.json"}},
		{"keyring missing", func(t *testing.T, dir string) { remove(t, dir, "keyring.json") }, []string{"keyring.json", "missing", "root key"}},
		{"another's root key", func(t *testing.T, dir string) { write(t, dir, "root.key", otherRoot) }, []string{"keyring.json", "root.key"}},
		{"root key is garbage", func(t *testing.T, dir string) { write(t, dir, "root.key", []byte("hello")) }, []string{"root.key", "no valid root key"}},
		{"root key too short", func(t *testing.T, dir string) { write(t, dir, "root.key", []byte("venuecode-root-1:AAAA")) }, []string{"root.key"}},
		{"epoch key missing", func(t *testing.T, dir string) { remove(t, dir, "epoch-1.key") }, []string{"epoch-1.key", "missing", "keyring.json"}},
		{"another's epoch key", func(t *testing.T, dir string) { write(t, dir, "epoch-1.key", otherEpoch) }, []string{"keyring.json", "epoch key"}},
		{"epoch key is garbage", func(t *testing.T, dir string) { write(t, dir, "epoch-1.key", []byte("hello")) }, []string{"epoch-1.key", "no valid epoch key"}},
		{"keyring of an epoch long gone", func(t *testing.T, dir string) {
			write(t, dir, "keyring.json", []byte(`{"version":2,"suite":"intl","epoch":9,"keys":{"index/1":"AAAA"}}`))
		}, []string{"keyring.json", "epoch 9"}},
		{"keyring is garbage", func(t *testing.T, dir string) { write(t, dir, "keyring.json", []byte("{}")) }, []string{"keyring.json"}},
		{"keyring of another suite", func(t *testing.T, dir string) {
			write(t, dir, "keyring.json", []byte(`{"version":1,"suite":"rot13","keys":{}}`))
		}, []string{"keyring.json"}},
		{"a wrapped key was altered", func(t *testing.T, dir string) {
			b := must[[]byte](t)(os.ReadFile(filepath.Join(dir, "keyring.json")))
			i := bytes.Index(b, []byte(`"index/1": "`)) + len(`"index/1": "`)
			b[i+20] ^= 1
			write(t, dir, "keyring.json", b)
		}, []string{"keyring.json", "index/1"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			open(t, dir)
			secret := must[[]byte](t)(os.ReadFile(filepath.Join(dir, "root.key")))
			c.spoil(t, dir)
			before := listing(t, dir)
			_, err := vault.Open(dir, rand.Reader)
			if err == nil {
				t.Fatal("opened")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not name %s", err, w)
				}
			}
			_, text, _ := strings.Cut(strings.TrimSpace(string(secret)), ":")
			if strings.Contains(err.Error(), text) {
				t.Error("the error tells the root key")
			}
			if after := listing(t, dir); before != after {
				t.Errorf("a refused folder was changed:\n%s\nto\n%s", before, after)
			}
		})
	}
}

func TestAFirstStartCutShortCanBeMadeAgain(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "keyring.json", []byte(`{"version":1,"suite":"intl","keys":{}}`)) // the root key was next
	sealed := must[[]byte](t)(open(t, dir).Seal("use", []byte("x")))
	if _, err := open(t, dir).Open("use", sealed); err != nil {
		t.Fatal(err)
	}
}

func TestARandomSourceThatFailsMakesNoKeys(t *testing.T) {
	dir := t.TempDir()
	if _, err := vault.Open(dir, io.LimitReader(rand.Reader, 40)); err == nil {
		t.Fatal("opened with keys of nothing")
	}
	open(t, dir) // and the next start is not in its way
}

func TestWhatIsSealedOpensForItsUseOnly(t *testing.T) {
	v := open(t, t.TempDir())
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		use, other := rapid.String().Draw(t, "use"), rapid.String().Draw(t, "other")
		sealed, err := v.Seal(use, plain)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := v.Open(use, sealed); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("opened %x, %v; want %x", got, err, plain)
		}
		if _, err := v.Open(other, sealed); (err == nil) != (use == other) {
			t.Fatalf("sealed for %q, opened for %q: %v", use, other, err)
		}
	})
}

func TestAFlippedBitNeverOpens(t *testing.T) {
	v := open(t, t.TempDir())
	day, key := venue.DayOf(noon), venue.ScanKey{1, 2, 3}
	sealed := must[[]byte](t)(v.Seal("use", []byte("张三")))
	ref := must[[]byte](t)(v.SealPerson(day, key, person(1)))
	for i := range len(sealed) * 8 {
		b := bytes.Clone(sealed)
		b[i/8] ^= 1 << (i % 8)
		if _, err := v.Open("use", b); !errors.Is(err, vault.ErrWrongKey) {
			t.Fatalf("bit %d flipped: %v, want ErrWrongKey", i, err)
		}
	}
	for i := range len(ref) * 8 {
		b := bytes.Clone(ref)
		b[i/8] ^= 1 << (i % 8)
		if _, err := v.OpenPerson(day, key, b); !errors.Is(err, vault.ErrWrongKey) {
			t.Fatalf("bit %d of a reference flipped: %v, want ErrWrongKey", i, err)
		}
	}
	for n := range sealed {
		if _, err := v.Open("use", sealed[:n]); !errors.Is(err, vault.ErrWrongKey) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
}

func TestAPersonReferenceIsBoundToItsRowAndDay(t *testing.T) {
	v := open(t, t.TempDir())
	day, key := venue.DayOf(noon), venue.ScanKey{1}
	for _, d := range []venue.Day{day, day + 1} {
		if err := v.EnsureDay(d); err != nil {
			t.Fatal(err)
		}
	}
	ref := must[[]byte](t)(v.SealPerson(day, key, person(7)))
	if got, err := v.OpenPerson(day, key, ref); err != nil || got != person(7) {
		t.Fatalf("opened %v, %v", got == person(7), err)
	}
	if _, err := v.OpenPerson(day, venue.ScanKey{2}, ref); !errors.Is(err, vault.ErrWrongKey) {
		t.Errorf("moved to another row: %v", err)
	}
	if _, err := v.OpenPerson(day+1, key, ref); !errors.Is(err, vault.ErrWrongKey) {
		t.Errorf("moved to another day: %v", err)
	}
	if again := must[[]byte](t)(v.SealPerson(day, key, person(7))); bytes.Equal(ref, again) {
		t.Error("sealed twice, the same bytes: a nonce was used twice")
	}
}

func TestTheBlindIndexIsDeterministicAndKeyed(t *testing.T) {
	v, other := open(t, t.TempDir()), open(t, t.TempDir())
	rapid.Check(t, func(t *rapid.T) {
		kinds := rapid.SampledFrom([]string{"id_number", "phone", "account/wechat"})
		a, b := kinds.Draw(t, "a"), kinds.Draw(t, "b")
		x, y := rapid.String().Draw(t, "x"), rapid.String().Draw(t, "y")
		if same := v.Blind(a, x) == v.Blind(b, y); same != (a == b && x == y) {
			t.Fatalf("Blind(%q, %q) and Blind(%q, %q): same = %v", a, x, b, y, same)
		}
		if v.Blind(a, x) == other.Blind(a, x) {
			t.Fatal("another keyring finds the same name")
		}
	})
}

func TestTheScanKeyIsTheSameFromAnyProcess(t *testing.T) {
	dir := t.TempDir()
	v := open(t, dir)
	first, _, err := v.ScanKey(person(1), person(1), noon, "r1", 0)
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := open(t, dir).ScanKey(person(1), person(1), noon, "r1", 0)
	if err != nil || again != first {
		t.Fatalf("after a restart: same = %v, %v", again == first, err)
	}
	differs := func(what string, owner, subject venue.PersonID, at time.Time, request string, n int) {
		t.Helper()
		k, _, err := v.ScanKey(owner, subject, at, request, n)
		if err != nil || k == first {
			t.Errorf("another %s: same = %v, %v", what, k == first, err)
		}
	}
	differs("person", person(2), person(2), noon, "r1", 0)
	differs("companion number", person(1), person(1), noon, "r1", 1)
	differs("request", person(1), person(1), noon, "r2", 0)
	differs("day", person(1), person(1), noon.AddDate(0, 0, 1), "r1", 0)
	if k, _, _ := v.ScanKey(person(2), person(1), noon, "r1", 0); k.ID() == first.ID() || k.Pseudonym() != first.Pseudonym() {
		t.Error("scanned by somebody else: want another id under the same pseudonym")
	}
}

func TestPriorIsYesterdaysKey(t *testing.T) {
	v := open(t, t.TempDir())
	yesterday, prior, err := v.ScanKey(person(1), person(2), noon, "r", 3)
	if err != nil || prior != (venue.ScanKey{}) {
		t.Fatalf("on the first day prior is not zero, %v", err)
	}
	for _, at := range []time.Time{noon.AddDate(0, 0, 1), (venue.DayOf(noon) + 1).Start(), (venue.DayOf(noon) + 2).Start().Add(-time.Millisecond)} {
		_, prior, err = v.ScanKey(person(1), person(2), at, "r", 3)
		if err != nil || prior != yesterday {
			t.Errorf("at %s prior is not the key of the day before, %v", at, err)
		}
	}
}

func TestTwoDaysLinkNobody(t *testing.T) {
	v := open(t, t.TempDir())
	seen := map[[16]byte]bool{}
	for day := venue.DayOf(noon); day < venue.DayOf(noon)+20; day++ {
		if _, err := v.Pseudonym(day, person(1)); !errors.Is(err, vault.ErrNoKey) {
			t.Fatalf("a day without scans has a pseudonym: %v", err)
		}
		if err := v.EnsureDay(day); err != nil {
			t.Fatal(err)
		}
		seen[must[[16]byte](t)(v.Pseudonym(day, person(1)))] = true
	}
	if len(seen) != 20 {
		t.Fatalf("%d pseudonyms on 20 days", len(seen))
	}
}

func TestADayWhoseKeyIsDestroyedCanNotBeRead(t *testing.T) {
	dir := t.TempDir()
	v := open(t, dir)
	day, key := venue.DayOf(noon), venue.ScanKey{9}
	ref := must[[]byte](t)(v.SealPerson(day, key, person(1)))
	kept := must[[]byte](t)(v.SealPerson(day+1, key, person(1)))
	if n, err := v.ForgetThrough(day); err != nil || n != 1 {
		t.Fatalf("%d days destroyed, %v", n, err)
	}
	for name, v := range map[string]*vault.Vault{"at once": v, "after a restart": open(t, dir)} {
		if _, err := v.OpenPerson(day, key, ref); !errors.Is(err, vault.ErrNoKey) {
			t.Errorf("%s: %v, want ErrNoKey", name, err)
		}
		if got, err := v.OpenPerson(day+1, key, kept); err != nil || got != person(1) {
			t.Errorf("%s: the other day: %v", name, err)
		}
	}
	if n, err := v.ForgetThrough(day); err != nil || n != 0 {
		t.Errorf("destroyed twice: %d, %v", n, err)
	}
}

func TestFiftyWhoNeedADaysKeyAtOnceGetOne(t *testing.T) {
	dir := t.TempDir()
	vaults := []*vault.Vault{open(t, dir), open(t, dir), open(t, dir)} // as three processes would
	keys := make([]venue.ScanKey, 50)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], _, err = vaults[i%3].ScanKey(person(1), person(1), noon, "r", 0); err != nil {
				t.Error(err)
			}
			if err := vaults[i%3].EnsureDay(venue.DayOf(noon) + venue.Day(i%10)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, k := range keys {
		if k != keys[0] {
			t.Fatalf("caller %d has another key", i)
		}
	}
	late := open(t, dir)
	for i := range 10 { // no writer took another's key away
		day := venue.DayOf(noon) + venue.Day(i)
		want := must[[16]byte](t)(late.Pseudonym(day, person(1)))
		for n, v := range vaults {
			if err := v.EnsureDay(day); err != nil {
				t.Fatal(err)
			}
			if got := must[[16]byte](t)(v.Pseudonym(day, person(1))); got != want {
				t.Fatalf("day %d: vault %d has another key than the folder", i, n)
			}
		}
	}
}

func TestATokenOpensUnalteredAndHereOnly(t *testing.T) {
	v, other := open(t, t.TempDir()), open(t, t.TempDir())
	rapid.Check(t, func(t *rapid.T) {
		claims := rapid.SliceOf(rapid.Byte()).Draw(t, "claims")
		token, err := v.SealToken(claims)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := v.OpenToken(token); err != nil || !bytes.Equal(got, claims) {
			t.Fatalf("opened %x, %v", got, err)
		}
		if _, err := other.OpenToken(token); !errors.Is(err, vault.ErrWrongKey) {
			t.Fatalf("a foreign token: %v", err)
		}
		i := rapid.IntRange(0, len(token)-1).Draw(t, "i")
		c := rapid.SampledFrom([]byte("ABab01-_=\n.")).Draw(t, "c")
		altered := token[:i] + string(c) + token[i+1:]
		if _, err := v.OpenToken(altered); altered != token && !errors.Is(err, vault.ErrWrongKey) {
			t.Fatalf("character %d altered: %v", i, err)
		}
		if _, err := v.OpenToken(token[:i] + "\n" + token[i:]); !errors.Is(err, vault.ErrWrongKey) {
			t.Fatalf("a line feed inside: %v", err)
		}
	})
}

func FuzzOpenToken(f *testing.F) {
	v := open(f, f.TempDir())
	f.Add("")
	f.Add("AQAAAAE")
	f.Add(must[string](f)(open(f, f.TempDir()).SealToken([]byte("claims"))))
	f.Fuzz(func(t *testing.T, token string) {
		if claims, err := v.OpenToken(token); !errors.Is(err, vault.ErrWrongKey) || claims != nil {
			t.Fatalf("%q opens: %x, %v", token, claims, err)
		}
	})
}

func BenchmarkScanKeyAndSealPerson(b *testing.B)   { benchmarkSealing(b, "intl") }
func BenchmarkScanKeyAndSealPersonGM(b *testing.B) { benchmarkSealing(b, "gm") }

func benchmarkSealing(b *testing.B, suite string) {
	v := open(b, b.TempDir(), vault.WithSuite(suite))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			key, _, err := v.ScanKey(person(1), person(1), noon, "0123456789abcdef", 0)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := v.SealPerson(venue.DayOf(noon), key, person(1)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, dir, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	for _, e := range must[[]os.DirEntry](t)(os.ReadDir(dir)) {
		b.WriteString(e.Name() + "\n" + string(must[[]byte](t)(os.ReadFile(filepath.Join(dir, e.Name())))))
	}
	return b.String()
}
