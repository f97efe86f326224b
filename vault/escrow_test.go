package vault_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/venuecode/venuecode/internal/canary"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/venue"
)

func custodian(t testing.TB, suite string) vault.PrivateKey {
	t.Helper()
	return must[vault.PrivateKey](t)(vault.NewPrivateKey(suite, rand.Reader))
}

// restored opens what a copy is restored to.
func restored(t testing.TB, copied []byte, key vault.PrivateKey, now time.Time) *vault.Vault {
	t.Helper()
	dir := filepath.Join(must[string](t)(os.MkdirTemp(t.TempDir(), "")), "keys")
	if _, err := vault.RestoreEscrow(copied, key, now, dir, rand.Reader); err != nil {
		t.Fatal(err)
	}
	return open(t, dir)
}

func TestACopyOfTheKeysOpensAllButTheDaysLeftOut(t *testing.T) {
	for _, suite := range []string{"intl", "gm"} {
		t.Run(suite, func(t *testing.T) {
			v := open(t, t.TempDir(), vault.WithSuite(suite))
			day, row := venue.DayOf(noon), venue.ScanKey{9}
			refs := map[venue.Day][]byte{}
			for d := day - 3; d <= day+1; d++ {
				refs[d] = must[[]byte](t)(v.SealPerson(d, row, person(1)))
			}
			sealed := must[[]byte](t)(v.Seal("webhook", []byte("secret")))
			if _, err := v.Rotate("session"); err != nil {
				t.Fatal(err)
			}
			token := must[string](t)(v.SealToken([]byte("claims")))
			scan, _, err := v.ScanKey(person(1), person(1), noon, "r", 0)
			if err != nil {
				t.Fatal(err)
			}

			key := custodian(t, suite)
			copied := must[[]byte](t)(v.Escrow(key.Public(), day-1, noon, noon.Add(vault.MaxEscrow)))
			head := must[vault.EscrowHead](t)(vault.ReadEscrow(copied))
			want := vault.EscrowHead{Version: 1, Suite: suite, Custodian: key.Public().Fingerprint(), Made: noon, Expires: noon.Add(vault.MaxEscrow), Oldest: day - 1}
			if head != want {
				t.Errorf("head %+v, want %+v", head, want)
			}
			again := restored(t, copied, key, head.Expires.Add(-time.Millisecond))
			if s := again.Status(); s.Suite != suite || s.Epoch != 1 || !slices.Equal(s.Days, []venue.Day{day - 1, day, day + 1}) || !slices.Equal(s.Keys, v.Status().Keys) {
				t.Errorf("restored %+v of %+v", s, v.Status())
			}
			for d, ref := range refs {
				got, err := again.OpenPerson(d, row, ref)
				if d < day-1 && !errors.Is(err, vault.ErrNoKey) || d >= day-1 && (err != nil || got != person(1)) {
					t.Errorf("%s of a copy from %s on: %v", d, day-1, err)
				}
			}
			if b, err := again.Open("webhook", sealed); err != nil || string(b) != "secret" {
				t.Errorf("document: %v", err)
			}
			if b, err := again.OpenToken(token); err != nil || string(b) != "claims" {
				t.Errorf("session: %v", err)
			}
			if k, _, err := again.ScanKey(person(1), person(1), noon, "r", 0); err != nil || k != scan || again.Blind("id", "x") != v.Blind("id", "x") {
				t.Errorf("request or index key: %v", err)
			}
		})
	}
}

func TestACopyOfTheKeysIsMadeOnlyForItsSuiteAndAWeek(t *testing.T) {
	v := open(t, t.TempDir())
	for name, c := range map[string]struct {
		to    vault.PublicKey
		life  time.Duration
		field string
	}{
		"another suite":  {custodian(t, "gm").Public(), time.Hour, "custodian"},
		"no key":         {vault.PublicKey{}, time.Hour, "custodian"},
		"no life":        {custodian(t, "intl").Public(), 0, "expires"},
		"less than none": {custodian(t, "intl").Public(), -time.Hour, "expires"},
		"too long":       {custodian(t, "intl").Public(), vault.MaxEscrow + time.Millisecond, "expires"},
	} {
		_, err := v.Escrow(c.to, 0, noon, noon.Add(c.life))
		var invalid *venue.Invalid
		if !errors.As(err, &invalid) || invalid.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestACopyOfTheKeysIsRefused(t *testing.T) {
	for _, suite := range []string{"intl", "gm"} {
		key := custodian(t, suite)
		v := open(t, t.TempDir(), vault.WithSuite(suite))
		expires := noon.Add(time.Hour)
		copied := must[[]byte](t)(v.Escrow(key.Public(), 0, noon, expires))
		dir := filepath.Join(t.TempDir(), "keys")
		refused := func(what string, copied []byte, key vault.PrivateKey, now time.Time, dir, say string, is error) {
			t.Helper()
			_, err := vault.RestoreEscrow(copied, key, now, dir, rand.Reader)
			if err == nil || !strings.Contains(err.Error(), say) || is != nil && !errors.Is(err, is) {
				t.Errorf("%s, %s: %v", suite, what, err)
			}
		}
		refused("at its end", copied, key, expires, dir, "expired at 2022-10-12T13:00", nil)
		refused("for another custodian", copied, custodian(t, suite), noon, dir, key.Public().Fingerprint(), vault.ErrWrongKey)
		refused("in another suite", copied, custodian(t, map[string]string{"intl": "gm", "gm": "intl"}[suite]), noon, dir, "custodian", vault.ErrWrongKey)
		refused("with another life", bytes.Replace(copied, []byte(`"expires":"2022`), []byte(`"expires":"2032`), 1), key, noon, dir, "altered", vault.ErrWrongKey)
		refused("cut short", copied[:len(copied)-1], key, noon, dir, "altered", vault.ErrWrongKey)
		refused("of nothing", nil, key, noon, dir, "no copy", venue.ErrInvalid)
		refused("of its head alone", copied[:bytes.IndexByte(copied, '\n')+1], key, noon, dir, "altered", vault.ErrWrongKey)
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: a refused copy left a folder: %v", suite, err)
		}
		there := t.TempDir()
		open(t, there)
		before := listing(t, there)
		refused("over keys", copied, key, noon, there, "not empty", venue.ErrExists)
		if listing(t, there) != before {
			t.Errorf("%s: the keys that were there were changed", suite)
		}
	}
}

func TestNoBitOfACopyCanChange(t *testing.T) {
	for _, suite := range []string{"intl", "gm"} {
		key := custodian(t, suite)
		copied := must[[]byte](t)(open(t, t.TempDir(), vault.WithSuite(suite)).Escrow(key.Public(), 0, noon, noon.Add(time.Hour)))
		for i := range copied {
			copied[i] ^= 1 << (i % 8)
			dir := filepath.Join(t.TempDir(), "keys")
			if _, err := vault.RestoreEscrow(copied, key, noon, dir, rand.Reader); err == nil {
				t.Errorf("%s: byte %d of %d was changed and the copy restored", suite, i, len(copied))
			}
			copied[i] ^= 1 << (i % 8)
		}
		restored(t, copied, key, noon)
	}
}

// The rule by which a purge never has to wait for a copy.
func TestNoCopyHasTheKeyOfADayThatIsPurgedInItsLife(t *testing.T) {
	v, key := open(t, t.TempDir()), custodian(t, "intl")
	first := venue.DayOf(noon)
	for d := range venue.Day(70) {
		if err := v.EnsureDay(first + d); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		made := first.Start().Add(time.Duration(rapid.Int64Range(0, int64(70*24*time.Hour/time.Millisecond)).Draw(r, "made")) * time.Millisecond)
		life := time.Duration(rapid.Int64Range(1, int64(vault.MaxEscrow/time.Millisecond)).Draw(r, "life")) * time.Millisecond
		keep := rapid.IntRange(14, 60).Draw(r, "visits_days")
		job := &vault.Retention{VisitDays: keep}
		copied := must[[]byte](t)(v.Escrow(key.Public(), job.First(made.Add(life)), made, made.Add(life)))
		days := restored(t, copied, key, made).Status().Days
		// The last instant at which it is alive, on a calendar of its own.
		last := made.Add(life - time.Millisecond).In(venue.Zone)
		purged := time.Date(last.Year(), last.Month(), last.Day()-keep-1, 0, 0, 0, 0, venue.Zone).Format(time.DateOnly)
		for _, d := range days {
			if d.String() <= purged {
				r.Errorf("made %s for %s with %d days kept: has %s, though %s is purged in its life", made, life, keep, d, purged)
			}
		}
		// And nothing else is left out.
		for _, d := range v.Status().Days {
			if d >= venue.DayOf(made.Add(life))-venue.Day(keep) && !slices.Contains(days, d) {
				r.Errorf("made %s for %s with %d days kept: lacks %s", made, life, keep, d)
			}
		}
	})
}

func TestNeitherTheKeyringNorALivingCopyOpensAPurgedDay(t *testing.T) {
	ctx := context.Background()
	const keep = 14
	dir := t.TempDir()
	v, key, row := open(t, dir), custodian(t, "intl"), venue.ScanKey{9}
	engine := must[*embedded.Engine](t)(embedded.Open(embedded.Options{Dir: t.TempDir(), Schemas: store.Schemas}))
	t.Cleanup(func() { engine.Close() })
	job := &vault.Retention{Vault: v, Scans: engine, Meta: store.NewCollection[store.MetaRow](engine, store.Meta), Certificates: vault.NewCertificates(engine, signer(t), "419981"), VisitDays: keep}
	refs := map[venue.Day][]byte{}
	var copies [][]byte
	purged, looks := 0, 0
	for n := range 30 {
		now := noon.AddDate(0, 0, n)
		today := venue.DayOf(now)
		refs[today] = must[[]byte](t)(v.SealPerson(today, row, person(1)))
		if n%4 == 0 {
			expires := now.Add(time.Duration(1+n%6)*24*time.Hour + time.Hour) // still alive when its last day's purge has been
			copies = append(copies, must[[]byte](t)(v.Escrow(key.Public(), job.First(expires), now, expires)))
		}
		if _, _, err := job.Run(ctx, now); err != nil {
			t.Fatal(err)
		}
		readers := []*vault.Vault{v}
		for _, c := range copies {
			if head := must[vault.EscrowHead](t)(vault.ReadEscrow(c)); now.Before(head.Expires) {
				readers = append(readers, restored(t, c, key, now))
			}
		}
		for d, ref := range refs {
			if d > today-keep-1 {
				continue
			}
			purged++
			for _, reader := range readers {
				looks++
				if _, err := reader.OpenPerson(d, row, ref); !errors.Is(err, vault.ErrNoKey) {
					t.Errorf("on %s %s can be read: %v", today, d, err)
				}
			}
		}
	}
	if purged == 0 || looks <= purged {
		t.Errorf("%d purged days, %d looks: nothing was shown", purged, looks)
	}
}

// A copy with the epoch key would open an old keyring file, and so the days that
// are not in the copy.
func TestNoKeyLiesInClearInACopyNorAWrappingKeyInWhatItSeals(t *testing.T) {
	for _, suite := range []string{"intl", "gm"} {
		source := &recorder{}
		dir := t.TempDir()
		v := must[*vault.Vault](t)(vault.Open(dir, source, vault.WithSuite(suite)))
		day := venue.DayOf(noon)
		for d := range venue.Day(3) {
			if err := v.EnsureDay(day + d); err != nil {
				t.Fatal(err)
			}
		}
		made := source.since()
		values := map[string]string{}
		for i, k := range made {
			values[fmt.Sprint("key ", i)] = string(k)
		}
		finder := canary.NewFinder(values)
		if n := len(finder.Find(bytes.Join(made, nil))); n != len(made) || n < 7 {
			t.Fatalf("the search finds %d of %d keys: it proves nothing", n, len(made))
		}
		key := custodian(t, suite)
		copied := must[[]byte](t)(v.Escrow(key.Public(), day, noon, noon.Add(time.Hour)))
		if found := finder.Find(copied); len(found) > 0 {
			t.Errorf("%s: in clear in the copy: %v", suite, found)
		}

		old := must[[]byte](t)(os.ReadFile(filepath.Join(dir, "keyring.json")))
		there := filepath.Join(t.TempDir(), "keys")
		if _, err := vault.RestoreEscrow(copied, key, noon, there, rand.Reader); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"root.key", "epoch-1.key"} {
			if b := must[[]byte](t)(os.ReadFile(filepath.Join(dir, name))); len(finder.Find(b)) == 0 {
				t.Errorf("%s: the search does not find %s: it proves nothing", suite, name)
			}
			if b := must[[]byte](t)(os.ReadFile(filepath.Join(there, name))); len(finder.Find(b)) > 0 {
				t.Errorf("%s: the copy brought %s along", suite, name)
			}
		}
		write(t, there, "keyring.json", old)
		if _, err := vault.Open(there, rand.Reader); !errors.Is(err, vault.ErrWrongKey) {
			t.Errorf("%s: an old keyring beside what was restored: %v", suite, err)
		}
	}
}

func TestKeysAreRestoredThroughTheProvider(t *testing.T) {
	key, from := custodian(t, "intl"), open(t, t.TempDir())
	ref := must[[]byte](t)(from.SealPerson(venue.DayOf(noon), venue.ScanKey{}, person(1)))
	copied := must[[]byte](t)(from.Escrow(key.Public(), 0, noon, noon.Add(time.Hour)))

	dir, p := t.TempDir(), environment{t}
	if _, err := vault.RestoreEscrow(copied, key, noon, dir, rand.Reader, vault.WithProvider(p)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"root", "epoch/1"} {
		if _, err := p.Get(name); err != nil {
			t.Errorf("%s was not put: %v", name, err)
		}
	}
	if left := names(t, dir); !slices.Equal(left, []string{"keyring.json"}) {
		t.Errorf("in the folder: %v", left)
	}
	if got, err := open(t, dir, vault.WithProvider(p)).OpenPerson(venue.DayOf(noon), venue.ScanKey{}, ref); err != nil || got != person(1) {
		t.Error(err)
	}
	// A provider that has keys keeps them.
	root := must[[]byte](t)(p.Get("root"))
	if _, err := vault.RestoreEscrow(copied, key, noon, t.TempDir(), rand.Reader, vault.WithProvider(p)); !errors.Is(err, venue.ErrExists) {
		t.Errorf("over a provider's keys: %v", err)
	}
	if now := must[[]byte](t)(p.Get("root")); !bytes.Equal(now, root) {
		t.Error("the provider's root key was changed")
	}
}

func TestARestoreCutShortIsNoKeyFolder(t *testing.T) {
	key := custodian(t, "intl")
	copied := must[[]byte](t)(open(t, t.TempDir()).Escrow(key.Public(), 0, noon, noon.Add(time.Hour)))
	base := t.TempDir()
	for n := int64(32); n < 100; n += 8 { // after the root key, and before each nonce
		dir := filepath.Join(base, fmt.Sprint(n))
		if _, err := vault.RestoreEscrow(copied, key, noon, dir, &limited{n}); err == nil {
			t.Fatalf("restored with %d bytes of randomness", n)
		}
		if _, err := vault.Open(dir, rand.Reader); err == nil || !strings.Contains(err.Error(), "missing") {
			t.Errorf("opened after %d bytes: %v", n, err)
		}
		if _, err := vault.RestoreEscrow(copied, key, noon, dir, rand.Reader); !errors.Is(err, venue.ErrExists) {
			t.Errorf("restored over it: %v", err)
		}
	}
}

// limited is a random source that fails after so many bytes.
type limited struct{ left int64 }

func (l *limited) Read(b []byte) (int, error) {
	if l.left -= int64(len(b)); l.left < 0 {
		return 0, errDied
	}
	return rand.Read(b)
}

func TestACustodiansKeysAreReadAsTheyWereWritten(t *testing.T) {
	for _, suite := range []string{"intl", "gm"} {
		key := custodian(t, suite)
		private, err := vault.ParsePrivateKey(key.Reveal() + "\n")
		if err != nil || private.Reveal() != key.Reveal() {
			t.Fatalf("%s: private key: %v", suite, err)
		}
		public, err := vault.ParsePublicKey(private.Public().String() + "\n")
		if err != nil || public.Fingerprint() != key.Public().Fingerprint() || len(public.Fingerprint()) != 39 {
			t.Errorf("%s: public key: %v, fingerprint %q", suite, err, public.Fingerprint())
		}
		for name, text := range map[string]string{
			"nothing": "", "a private key": key.Reveal(), "a short one": public.String()[:60], "zeros": public.String()[:27] + strings.Repeat("A", 60),
		} {
			if _, err := vault.ParsePublicKey(text); !errors.Is(err, venue.ErrInvalid) {
				t.Errorf("%s: %s is a public key: %v", suite, name, err)
			}
		}
		if _, err := vault.ParsePrivateKey(public.String()); !errors.Is(err, venue.ErrInvalid) {
			t.Errorf("%s: a public key is a private one: %v", suite, err)
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", key, "in", struct{ K vault.PrivateKey }{key})
		type outer struct{ k vault.PrivateKey }
		shown := log.String() + fmt.Sprintf("%v %+v %#v %s %x %d %v %+v %#v", key, key, key, key, key, key, outer{key}, &outer{key}, outer{key})
		if found := canary.NewFinder(map[string]string{"key": key.Reveal()[len(key.Reveal())-44:]}).Find([]byte(shown)); len(found) > 0 {
			t.Errorf("%s: printed: %v", suite, found)
		}
	}
	if _, err := vault.NewPrivateKey("rot13", rand.Reader); err == nil {
		t.Error("a key of a suite that does not exist")
	}
}
