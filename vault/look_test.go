package vault

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// hand is a clock that stands until moved, either way.
type hand struct{ ms atomic.Int64 }

func (h *hand) Now() time.Time { return time.UnixMilli(h.ms.Load()) }

func (h *hand) pass(d time.Duration) { h.ms.Add(d.Milliseconds()) }

// pair is two processes on one key folder, of which the second has looked.
type pair struct {
	*testing.T
	dir           string
	clock         *hand
	first, second *Vault
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{T: t, dir: filepath.Join(t.TempDir(), "keys"), clock: &hand{}}
	p.clock.ms.Store(1652855400_000)
	for _, v := range []**Vault{&p.first, &p.second} {
		var err error
		if *v, err = Open(p.dir, rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	p.look()
	return p
}

func (p *pair) look() {
	p.Helper()
	if err := p.second.Look(p.clock); err != nil {
		p.Fatal(err)
	}
}

// seal has a process use the keys of some days.
func (p *pair) seal(v *Vault, days ...venue.Day) (sealed [][]byte) {
	p.Helper()
	for _, day := range days {
		b, err := v.SealPerson(day, venue.ScanKey{}, venue.PersonID{1})
		if err != nil {
			p.Fatal(err)
		}
		sealed = append(sealed, b)
	}
	return sealed
}

func TestADayThatAnotherProcessDestroysIsGoneHere(t *testing.T) {
	for name, meanwhile := range map[string]func(*Vault) error{
		"the file is read":                 func(*Vault) error { return nil },
		"it was read for a key of our own": func(v *Vault) error { return v.EnsureDay(102) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			sealed := p.seal(p.first, 100, 101)
			p.look()
			p.seal(p.second, 100, 101)
			opens := func(day venue.Day) error {
				_, err := p.second.OpenPerson(day, venue.ScanKey{}, sealed[day-100])
				return err
			}
			if err := errors.Join(opens(100), opens(101)); err != nil {
				t.Fatalf("a day that another process made: %v", err)
			}
			if _, err := p.first.ForgetThrough(100); err != nil {
				t.Fatal(err)
			}
			if err := meanwhile(p.second); err != nil {
				t.Fatal(err)
			}
			p.look()
			if err := opens(100); !errors.Is(err, ErrNoKey) {
				t.Errorf("a destroyed day opens: %v", err)
			}
			if _, err := p.second.Pseudonym(100, venue.PersonID{1}); !errors.Is(err, ErrNoKey) {
				t.Errorf("a destroyed day has pseudonyms: %v", err)
			}
			if _, there := p.second.days.Load(venue.Day(100)); there || p.second.ring.keys[dayName(100)] != nil {
				t.Error("its key is still in memory")
			}
			if err := opens(101); err != nil {
				t.Errorf("the day that is left: %v", err)
			}
		})
	}
}

func TestWhatAnotherProcessRotatedSealsHere(t *testing.T) {
	p := newPair(t)
	number, err := p.first.Rotate("session")
	if err != nil {
		t.Fatal(err)
	}
	p.look()
	keys, err := p.second.keys("session", false)
	if err != nil || keys.newest.number != number {
		t.Errorf("sealed by %+v, %v; want number %d", keys, err, number)
	}
}

// TestWithoutTheFolderNoDayIsUsedForLong: nobody knows then what was destroyed.
func TestWithoutTheFolderNoDayIsUsedForLong(t *testing.T) {
	elsewhere := func(dir string) string { return dir + "-elsewhere" }
	for name, lose := range map[string]func(t *testing.T, p *pair) (back func()){
		"out of reach": func(t *testing.T, p *pair) func() {
			if err := os.Rename(p.dir, elsewhere(p.dir)); err != nil {
				t.Fatal(err)
			}
			return func() { _ = os.Rename(elsewhere(p.dir), p.dir) }
		},
		"an old keyring in its place": func(t *testing.T, p *pair) func() {
			p.seal(p.first, 98)
			path := filepath.Join(p.dir, KeyringFile)
			old, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.first.ForgetThrough(99); err != nil {
				t.Fatal(err)
			}
			new, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			put := func(b []byte) {
				if err := errors.Join(os.Remove(path), os.WriteFile(path, b, 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			put(old)
			return func() { put(new) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			p.seal(p.first, 99)
			p.look()
			p.seal(p.second, 99, 100)
			back := lose(t, p)
			for range 6 {
				p.clock.pass(LookEvery)
				if err := p.second.Look(p.clock); err == nil {
					t.Fatal("it has seen the folder")
				}
				p.seal(p.second, 100)
			}
			if p.second.Check() != nil {
				t.Error("refused too early")
			}
			p.clock.pass(time.Millisecond)
			for what, use := range map[string]func() error{
				"seal":   func() error { _, err := p.second.SealPerson(100, venue.ScanKey{}, venue.PersonID{1}); return err },
				"open":   func() error { _, err := p.second.OpenPerson(100, venue.ScanKey{}, nil); return err },
				"find":   func() error { _, err := p.second.Pseudonym(100, venue.PersonID{1}); return err },
				"create": func() error { return p.second.EnsureDay(102) },
				"check":  p.second.Check,
			} {
				if err := use(); !errors.Is(err, venue.ErrUnavailable) {
					t.Errorf("%s: %v", what, err)
				}
			}
			back()
			p.look()
			p.seal(p.second, 100)
			if days := p.second.Status().Days; slices.Contains(days, 99) == (name != "out of reach") {
				t.Errorf("days: %v", days)
			}
		})
	}
}

// TestALookDoesNotOutliveAStandstill: while the process stands still another
// destroys, and the clock that is asked later may have been set back.
func TestALookDoesNotOutliveAStandstill(t *testing.T) {
	at := time.Now() // with its monotonic reading
	for name, now := range map[string]time.Time{
		"stopped":             at.Add(lookTrust + time.Second),
		"the machine stopped": at.Add(time.Second).Round(0).Add(lookTrust),
	} {
		l := &look{venue.ClockFunc(func() time.Time { return now }), at}
		if err := l.stale(); !errors.Is(err, venue.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (&look{venue.ClockFunc(func() time.Time { return at.Add(lookTrust) }), at}).stale(); err != nil {
		t.Error(err)
	}
}
