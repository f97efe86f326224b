package access

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/venuecode/venuecode/venue"
)

func TestPasswords(t *testing.T) {
	for _, c := range []struct{ name, password, reason string }{
		{"four words", "correct horse battery staple", ""},
		{"twelve characters", "blue lamp 7x", ""},
		{"twelve Chinese characters", "春眠不觉晓处处闻啼鸟夜来", ""},
		{"eleven", "blue lamp 7", "length"},
		{"eleven Chinese characters are 33 bytes", "春眠不觉晓处处闻啼鸟夜", "length"},
		{"eleven characters in twelve code points", "blue lamp e\u0301", "length"},
		{"empty", "", "length"},
		{"longer than anybody types", strings.Repeat("correct horse ", 100), "length"},
		{"the user name inside", "my zhang.san pass", "user"},
		{"in capitals", "MY ZHANG.SAN PASS", "user"},
		{"a famous one with digits", "Password2022!", "common"},
		{"signs in front", "!!!iloveyou!!!", "common"},
		{"pinyin", "woaini5201314", "common"},
		{"the city's own", "venuecode2022", "common"},
		{"a few characters again and again", "abababababab", "common"},
		{"the keyboard", "qwertyuiopas", "common"},
		{"the keyboard backwards", "poiuytrewqasd"[:10] + "qq", ""},
		{"digits in a row", "123456789012", "common"},
		{"digits backwards", "987654321098", "common"},
		{"a phone number", "13912345678 ", "common"},
		{"the alphabet", "abcdefghijklmn", "common"},
		{"a control character", "blue lamp\x00 sings", "shape"},
		{"not text", "blue lamp \xff sings", "shape"},
	} {
		err := CheckPassword("zhang.san", c.password)
		var invalid *venue.Invalid
		switch {
		case c.reason == "" && err != nil:
			t.Errorf("%s: refused: %v", c.name, err)
		case c.reason != "" && (!errors.As(err, &invalid) || invalid.Reason != c.reason || invalid.Field != "password"):
			t.Errorf("%s: got %v, want %s", c.name, err, c.reason)
		}
	}
}

func TestTwoKeyboardsSpellTheSamePassword(t *testing.T) {
	h := newHasher(cheap, rand.Reader)
	composed, decomposed := "caf\u00e9 au lait 42", "cafe\u0301 au lait 42"
	encoded, err := h.make(context.Background(), composed)
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]bool{composed: true, decomposed: true, "cafe au lait 42": false, "ｃafé au lait 42": false} {
		if got, err := h.matches(context.Background(), password, encoded); got != want || err != nil {
			t.Errorf("%q: got %v, %v; want %v", password, got, err, want)
		}
	}
}

func TestAHashIsSaltedAndNamesItsCost(t *testing.T) {
	h := newHasher(cheap, rand.Reader)
	a, _ := h.make(context.Background(), "correct horse battery")
	b, _ := h.make(context.Background(), "correct horse battery")
	if a == b || !strings.HasPrefix(a, "$argon2id$v=19$m=8,t=1,p=1$") {
		t.Errorf("got %q and %q", a, b)
	}
	dear := newHasher(cost{memory: 64, passes: 2, threads: 2}, rand.Reader)
	if ok, err := dear.matches(context.Background(), "correct horse battery", a); !ok || err != nil {
		t.Errorf("an older cost no longer opens: %v, %v", ok, err)
	}
}

func FuzzCheckPassword(f *testing.F) {
	for _, s := range []string{"correct horse battery", "春眠不觉晓处处闻啼鸟夜来", "caf\u00e9 au lait 42", "\xff", "officer officer"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, password string) {
		err := CheckPassword("officer", password)
		if err != nil {
			if !errors.Is(err, venue.ErrInvalid) || len(password) > 3 && strings.Contains(err.Error(), password) {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		n := normal(password)
		if utf8.RuneCountInString(n) < minPassword || strings.Contains(strings.ToLower(n), "officer") || len(password) > maxPassword {
			t.Fatalf("accepted %q", password)
		}
		if err := CheckPassword("officer", norm.NFD.String(password)); err != nil && len(norm.NFD.String(password)) <= maxPassword {
			t.Fatalf("%q decomposed: %v", password, err)
		}
	})
}

// Whatever is read back is in bounds and is exactly what would be written.
func FuzzParseHash(f *testing.F) {
	good := hash{cheap, make([]byte, saltSize), make([]byte, sumSize)}.String()
	f.Add(good)
	f.Add(strings.Replace(good, "m=8", "m=4000000000", 1))
	f.Add(strings.Replace(good, "t=1", "t=0", 1))
	f.Add(strings.Replace(good, "p=1", "p=0", 1))
	f.Add(strings.Replace(good, "argon2id", "argon2i", 1))
	f.Add(good + "A")
	f.Add("$$$$$")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parseHash(s)
		if err != nil {
			return
		}
		if h.String() != s || h.cost.memory > maxMemory || h.cost.passes < 1 || h.cost.passes > maxPasses || h.cost.threads < 1 || h.cost.threads > maxThreads || len(h.salt) != saltSize || len(h.sum) != sumSize {
			t.Fatalf("%q read as %+v", s, h)
		}
	})
}
