package bot

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/silenceper/wechat/v2/util"
)

const (
	testToken = "QDG6eK"
	testKey   = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
	testCorp  = "wx5823bf96d3bd56c7"
)

func newCrypt(t testing.TB, receiver string) *Crypt {
	t.Helper()
	c, err := NewCrypt(testToken, testKey, receiver)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNewCryptIsStrict(t *testing.T) {
	for _, tc := range []struct {
		name, token, key string
		ok               bool
	}{
		{"the console's settings", testToken, testKey, true},
		{"a key whose last character has spare bits set", testToken, testKey[:42] + "9", true},
		{"no token", "", testKey, false},
		{"no key", testToken, "", false},
		{"a key one short", testToken, testKey[:42], false},
		{"a key one long", testToken, testKey + "A", false},
		{"a key already padded", testToken, testKey + "=", false},
		{"a key with a line end", testToken, testKey[:20] + "\n" + testKey[20:42], false},
		{"a key with a line end beside 43 characters", testToken, testKey + "\n", false},
		{"a key in the URL alphabet", testToken, "-" + testKey[1:], false},
	} {
		_, err := NewCrypt(tc.token, tc.key, testCorp)
		if (err == nil) != tc.ok {
			t.Errorf("%s: error %v", tc.name, err)
		}
		if err != nil && strings.Contains(err.Error(), testKey[:20]) {
			t.Errorf("%s: the error quotes the key", tc.name)
		}
	}
}

// The example of WeCom's own documentation of callback verification.
func TestOpenKnowsTheDocumentedEcho(t *testing.T) {
	const (
		sig   = "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3"
		ts    = "1409659589"
		nonce = "263014780"
		echo  = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="
	)
	got, err := newCrypt(t, testCorp).Open(sig, ts, nonce, echo)
	if err != nil || string(got) != "1616140317555161061" {
		t.Fatalf("Open = %q, %v", got, err)
	}
}

func TestSDKAndCryptUnderstandEachOther(t *testing.T) {
	c := newCrypt(t, testCorp)
	for n := range 70 { // past two padding blocks
		msg := bytes.Repeat([]byte("报"), n)
		enc, sig, err := c.Seal("1700000000", "n", msg, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if want := util.Signature(testToken, "1700000000", "n", enc); sig != want {
			t.Fatalf("%d characters: signature %s, the SDK's %s", n, sig, want)
		}
		_, got, err := util.DecryptMsg(testCorp, enc, testKey)
		if err != nil || !bytes.Equal(got, msg) {
			t.Fatalf("%d characters: the SDK reads %q, %v", n, got, err)
		}

		theirs, err := util.EncryptMsg([]byte("0123456789abcdef"), msg, testCorp, testKey)
		if err != nil {
			t.Fatal(err)
		}
		sig = util.Signature(testToken, "1700000000", "n", string(theirs))
		if got, err := c.Open(sig, "1700000000", "n", string(theirs)); err != nil || !bytes.Equal(got, msg) {
			t.Fatalf("%d characters: we read the SDK's as %q, %v", n, got, err)
		}
	}
}

func TestSmartRobotHasNoReceiver(t *testing.T) {
	c := newCrypt(t, "")
	enc, sig, err := c.Seal("1", "2", []byte(`{"msgid":"m"}`), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Open(sig, "1", "2", enc); err != nil || string(got) != `{"msgid":"m"}` {
		t.Fatalf("Open = %q, %v", got, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	c := newCrypt(t, testCorp)
	enc, sig, err := c.Seal("1700000000", "abc", []byte("上报 321"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signed := func(enc string) (string, string, string, string) {
		return c.sign("1700000000", "abc", enc), "1700000000", "abc", enc
	}
	other := newCrypt(t, "another")
	for _, tc := range []struct {
		name string
		open func() ([]byte, error)
		want error
	}{
		{"no signature", func() ([]byte, error) { return c.Open("", "1700000000", "abc", enc) }, ErrSignature},
		{"another time", func() ([]byte, error) { return c.Open(sig, "1700000001", "abc", enc) }, ErrSignature},
		{"another nonce", func() ([]byte, error) { return c.Open(sig, "1700000000", "abd", enc) }, ErrSignature},
		{"a shorter signature", func() ([]byte, error) { return c.Open(sig[:39], "1700000000", "abc", enc) }, ErrSignature},
		{"another receiver", func() ([]byte, error) { return other.Open(sig, "1700000000", "abc", enc) }, ErrReceiver},
		{"nothing, signed", func() ([]byte, error) { return c.Open(signed("")) }, ErrCipher},
		{"not base64, signed", func() ([]byte, error) { return c.Open(signed("上报")) }, ErrCipher},
		{"half a block, signed", func() ([]byte, error) { return c.Open(signed("AAAAAAAAAAA=")) }, ErrCipher},
		{"one block, signed", func() ([]byte, error) { return c.Open(signed(enc[:20] + "AA==")) }, ErrCipher},
	} {
		if got, err := tc.open(); !errors.Is(err, tc.want) || got != nil {
			t.Errorf("%s: %q, %v; want %v", tc.name, got, err, tc.want)
		}
	}
}

func TestSealWithoutRandomnessFails(t *testing.T) {
	broken := errors.New("no entropy")
	if _, _, err := newCrypt(t, "").Seal("1", "2", nil, iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Fatalf("error %v", err)
	}
}

func TestCryptPrintsNoSecret(t *testing.T) {
	c := newCrypt(t, testCorp)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		for _, v := range []any{c, *c, struct{ C Crypt }{*c}} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, testToken) || !strings.Contains(s, "crypt(…)") {
				t.Errorf("%s: %s", verb, s)
			}
		}
	}
}

func FuzzSealOpen(f *testing.F) {
	f.Add("1700000000", "n", []byte("上报 321"), testCorp)
	f.Add("", "", []byte{}, "")
	f.Fuzz(func(t *testing.T, ts, nonce string, msg []byte, receiver string) {
		c := newCrypt(t, receiver)
		enc, sig, err := c.Seal(ts, nonce, msg, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Open(sig, ts, nonce, enc); err != nil || !bytes.Equal(got, msg) {
			t.Fatalf("Open(Seal(%q)) = %q, %v", msg, got, err)
		}
	})
}

// One bit anywhere in what the sender gives, and the message is refused.
func FuzzOpenFlippedBit(f *testing.F) {
	f.Add([]byte("上报 321"), uint16(0))
	f.Add([]byte(""), uint16(9999))
	f.Fuzz(func(t *testing.T, msg []byte, at uint16) {
		c := newCrypt(t, testCorp)
		enc, sig, err := c.Seal("1700000000", "nonce", msg, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		parts := [4][]byte{[]byte(sig), []byte("1700000000"), []byte("nonce"), []byte(enc)}
		i := int(at)
		for p := 0; ; p = (p + 1) % 4 {
			if i < 8*len(parts[p]) {
				parts[p][i/8] ^= 1 << (i % 8)
				break
			}
			i -= 8 * len(parts[p])
		}
		got, err := c.Open(string(parts[0]), string(parts[1]), string(parts[2]), string(parts[3]))
		if !errors.Is(err, ErrSignature) {
			t.Fatalf("bit %d: %q, %v", at, got, err)
		}
	})
}

// Whatever is signed with our token, Open gives what was sealed or an error.
func FuzzOpenSignedGarbage(f *testing.F) {
	f.Add("AAAA")
	f.Add("P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ==")
	f.Fuzz(func(t *testing.T, enc string) {
		c := newCrypt(t, testCorp)
		got, err := c.Open(c.sign("1", "2", enc), "1", "2", enc)
		if err != nil {
			if got != nil || !(errors.Is(err, ErrCipher) || errors.Is(err, ErrReceiver)) {
				t.Fatalf("%q, %v", got, err)
			}
			return
		}
		// The platform's own reading must agree.
		_, theirs, err := util.DecryptMsg(testCorp, enc, testKey)
		if err != nil || !bytes.Equal(got, theirs) {
			t.Fatalf("we read %q, the SDK %q, %v", got, theirs, err)
		}
	})
}
