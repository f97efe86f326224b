package vault_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/venue"
)

func TestTheSuiteIsChosenOnce(t *testing.T) {
	for _, c := range []struct {
		first, then string
		opens       bool
	}{
		{"", "", true}, {"", "intl", true}, {"intl", "", true}, {"intl", "intl", true}, {"gm", "gm", true}, {"gm", "", true},
		{"intl", "gm", false}, {"gm", "intl", false}, {"", "gm", false}, {"gm", "rot13", false},
	} {
		dir := t.TempDir()
		v := open(t, dir, vault.WithSuite(c.first))
		want := c.first
		if want == "" {
			want = "intl"
		}
		sealed := must[[]byte](t)(v.Seal("use", []byte("x")))
		if got := v.Status().Suite; got != want || sealed[0] != map[string]byte{"intl": 1, "gm": 2}[want] {
			t.Errorf("made as %q: suite %s, head %d", c.first, got, sealed[0])
		}
		before := listing(t, dir)
		again, err := vault.Open(dir, rand.Reader, vault.WithSuite(c.then))
		if (err == nil) != c.opens {
			t.Errorf("made as %q, opened as %q: %v", c.first, c.then, err)
		}
		if err != nil {
			if listing(t, dir) != before {
				t.Errorf("a refused folder was changed")
			}
			continue
		}
		if got, err := again.Open("use", sealed); err != nil || string(got) != "x" {
			t.Errorf("made as %q, opened as %q: %q, %v", c.first, c.then, got, err)
		}
	}
	dir := t.TempDir()
	if _, err := vault.Open(dir, rand.Reader, vault.WithSuite("rot13")); err == nil || len(names(t, dir)) != 0 {
		t.Errorf("a suite that does not exist: %v, made %v", err, names(t, dir))
	}
}

func TestTheGMSuiteDoesEverything(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	v := open(t, dir, vault.WithSuite("gm"))
	e := must[*embedded.Engine](t)(embedded.Open(embedded.Options{Dir: t.TempDir(), Schemas: store.Schemas}))
	t.Cleanup(func() { e.Close() })
	clock := venue.ClockFunc(func() time.Time { return noon })
	people := vault.NewPeople(v, e, clock, "419981")
	account, err := people.Account(ctx, "wechat", "o1")
	if err != nil {
		t.Fatal(err)
	}
	id := must[venue.PersonID](t)(people.Register(ctx, account.ID, facts(t, zhang, idA, phone, false)))
	token := must[string](t)(v.SealToken([]byte("claims")))
	key, _, err := v.ScanKey(id, id, noon, "r", 0)
	if err != nil {
		t.Fatal(err)
	}
	ref := must[[]byte](t)(v.SealPerson(venue.DayOf(noon), key, id))

	again := open(t, dir)
	if who, err := vault.NewPeople(again, e, clock, "419981").Open(ctx, id); err != nil || who.ID.Reveal() != idA {
		t.Errorf("person: %v", err)
	}
	if got, err := again.OpenToken(token); err != nil || string(got) != "claims" {
		t.Errorf("session: %v", err)
	}
	if got, err := again.OpenPerson(venue.DayOf(noon), key, ref); err != nil || got != id {
		t.Errorf("reference: %v", err)
	}
	if k, _, err := again.ScanKey(id, id, noon, "r", 0); err != nil || k != key {
		t.Errorf("scan key: %v", err)
	}
}

func TestWhatWasSealedBeforeARotationOpensAfter(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	v, other := open(t, dir), open(t, dir) // other: another process
	e := must[*embedded.Engine](t)(embedded.Open(embedded.Options{Dir: t.TempDir(), Schemas: store.Schemas}))
	t.Cleanup(func() { e.Close() })
	people := vault.NewPeople(v, e, venue.ClockFunc(func() time.Time { return noon }), "419981")

	var documents [][]byte
	var tokens []string
	var persons []venue.PersonID
	for round := range 4 {
		documents = append(documents, must[[]byte](t)(v.Seal("use", []byte{byte(round)})))
		tokens = append(tokens, must[string](t)(v.SealToken([]byte{byte(round)})))
		account, err := people.Account(ctx, "wechat", fmt.Sprint(round))
		if err != nil {
			t.Fatal(err)
		}
		number := []string{idA, idB, "110105194912310118", "110105194912310134"}[round]
		persons = append(persons, must[venue.PersonID](t)(people.Register(ctx, account.ID, facts(t, zhang, number, phone, true))))
		if n := documents[round][4]; n != byte(round+1) {
			t.Errorf("round %d sealed under key %d", round, n)
		}
		for name, v := range map[string]*vault.Vault{"here": v, "elsewhere": other, "after a restart": open(t, dir)} {
			for i := range documents {
				if b, err := v.Open("use", documents[i]); err != nil || b[0] != byte(i) {
					t.Fatalf("%s, round %d, document %d: %v", name, round, i, err)
				}
				if b, err := v.OpenToken(tokens[i]); err != nil || b[0] != byte(i) {
					t.Fatalf("%s, round %d, token %d: %v", name, round, i, err)
				}
				p := vault.NewPeople(v, e, venue.ClockFunc(func() time.Time { return noon }), "419981")
				if who, err := p.Open(ctx, persons[i]); err != nil || who.Name.Reveal() != zhang {
					t.Fatalf("%s, round %d, person %d: %v", name, round, i, err)
				}
			}
		}
		for _, name := range []string{"session", "document", "division/419981"} {
			if n, err := v.Rotate(name); err != nil || n != uint32(round+2) {
				t.Fatalf("rotate %s: key %d, %v", name, n, err)
			}
		}
	}
	for _, k := range v.Status().Keys {
		want := vault.KeyStatus{Name: k.Name, Newest: 1, Kept: 1}
		if slices.Contains([]string{"session", "document", "division/419981"}, k.Name) {
			want = vault.KeyStatus{Name: k.Name, Newest: 5, Kept: 5, Rotates: true}
		}
		if k != want {
			t.Errorf("status %+v, want %+v", k, want)
		}
	}
}

func TestARotationIsRefused(t *testing.T) {
	v := open(t, t.TempDir())
	if err := v.EnsureDay(venue.DayOf(noon)); err != nil {
		t.Fatal(err)
	}
	before := v.Status()
	for name, want := range map[string]error{
		"index": venue.ErrInvalid, "request": venue.ErrInvalid, "day/2022-10-12": venue.ErrInvalid, "": venue.ErrInvalid,
		"session/1": venue.ErrInvalid, "document": venue.ErrNotFound, "division/110000": venue.ErrNotFound, "division/": venue.ErrNotFound,
	} {
		if n, err := v.Rotate(name); !errors.Is(err, want) {
			t.Errorf("%q: key %d, %v; want %v", name, n, err, want)
		}
	}
	if after := v.Status(); len(after.Keys) != len(before.Keys) || after.Epoch != before.Epoch {
		t.Errorf("changed: %+v to %+v", before, after)
	}
}

func TestSixteenSealAndOpenWhileKeysRotateAndDaysGo(t *testing.T) {
	v := open(t, t.TempDir())
	must[[]byte](t)(v.Seal("use", nil))
	day := venue.DayOf(noon)
	for i := range venue.Day(8) {
		if err := v.EnsureDay(day - i); err != nil {
			t.Fatal(err)
		}
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	var done atomic.Int64
	for g := range 16 {
		wg.Go(func() {
			var old []byte
			var oldToken string
			for n := 0; !stop.Load() || n == 0; n++ {
				b, err := v.Seal("use", []byte{byte(g)})
				if old == nil {
					old = b
				}
				token, err2 := v.SealToken([]byte{byte(g)})
				if oldToken == "" {
					oldToken = token
				}
				key, _, err3 := v.ScanKey(person(byte(g)), person(byte(g)), noon, "r", n%6)
				ref, err4 := v.SealPerson(day, key, person(byte(g)))
				if err := errors.Join(err, err2, err3, err4); err != nil {
					t.Error(err)
					return
				}
				for _, sealed := range [][]byte{old, b} {
					if got, err := v.Open("use", sealed); err != nil || got[0] != byte(g) {
						t.Errorf("document: %v", err)
					}
				}
				for _, token := range []string{oldToken, token} {
					if got, err := v.OpenToken(token); err != nil || got[0] != byte(g) {
						t.Errorf("token: %v", err)
					}
				}
				if got, err := v.OpenPerson(day, key, ref); err != nil || got != person(byte(g)) {
					t.Errorf("reference: %v", err)
				}
				done.Add(1)
			}
		})
	}
	for i := range venue.Day(7) {
		for _, name := range []string{"session", "document"} {
			if _, err := v.Rotate(name); err != nil {
				t.Error(err)
			}
		}
		if n, err := v.ForgetThrough(day - 7 + i); err != nil || n != 1 {
			t.Errorf("%d days destroyed, %v", n, err)
		}
	}
	stop.Store(true)
	wg.Wait()
	if s := v.Status(); s.Epoch != 8 || len(s.Days) != 1 || done.Load() < 16 {
		t.Errorf("%+v after %d rounds", s, done.Load())
	}
}
