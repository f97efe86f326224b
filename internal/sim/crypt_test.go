package sim

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func testCrypt(tb testing.TB, receiver string) *Crypt {
	tb.Helper()
	k := testKeys()
	c, err := NewCrypt(k.WeCom.Token, k.WeCom.AESKey, receiver)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestWhatIsSealedOpensAgain(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := testCrypt(t, rapid.StringN(0, 20, -1).Draw(r, "receiver"))
		message := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(r, "message")
		sealed := c.Seal(message)
		got, err := c.Open(c.Sign("1", "n", sealed), "1", "n", sealed)
		if err != nil || !bytes.Equal(got, message) {
			r.Fatalf("gave %q, %v; want %q", got, err, message)
		}
	})
}

// Under a signature that is right again, a flipped bit may at worst change the
// message, and is refused otherwise: it never opens as what was sealed.
func TestAFlippedBitIsNoticed(t *testing.T) {
	c := testCrypt(t, "ww1")
	rapid.Check(t, func(r *rapid.T) {
		message := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(r, "message")
		sealed := c.Seal(message)
		raw, err := base64.StdEncoding.DecodeString(sealed)
		if err != nil {
			r.Fatal(err)
		}
		i := rapid.IntRange(0, len(raw)*8-1).Draw(r, "bit")
		raw[i/8] ^= 1 << (i % 8)
		flipped := base64.StdEncoding.EncodeToString(raw)
		if _, err := c.Open(c.Sign("1", "n", sealed), "1", "n", flipped); err != ErrSignature {
			r.Fatalf("under the old signature: %v, want %v", err, ErrSignature)
		}
		if got, err := c.Open(c.Sign("1", "n", flipped), "1", "n", flipped); err == nil && bytes.Equal(got, message) {
			r.Fatalf("bit %d is nowhere in the message", i)
		}
	})
}

func TestForeignMessagesDoNotOpen(t *testing.T) {
	ours, theirs := testCrypt(t, "ww1"), testCrypt(t, "ww2")
	sealed := theirs.Seal([]byte("x"))
	for _, c := range []struct {
		name                  string
		sig, ts, nonce, value string
		want                  error
	}{
		{"another receiver", ours.Sign("1", "n", sealed), "1", "n", sealed, ErrReceiver},
		{"another timestamp", theirs.Sign("1", "n", sealed), "2", "n", sealed, ErrSignature},
		{"another nonce", theirs.Sign("1", "n", sealed), "1", "m", sealed, ErrSignature},
		{"no signature", "", "1", "n", sealed, ErrSignature},
		{"nothing sealed", ours.Sign("1", "n", ""), "1", "n", "", ErrCipher},
		{"half a block", ours.Sign("1", "n", "AAAA"), "1", "n", "AAAA", ErrCipher},
	} {
		if _, err := ours.Open(c.sig, c.ts, c.nonce, c.value); err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestContentEncryptionRoundTrip(t *testing.T) {
	key := []byte("0123456789abcdef")
	rapid.Check(t, func(r *rapid.T) {
		message := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(r, "message")
		sealed, err := sealContent(key, message)
		if err != nil {
			r.Fatal(err)
		}
		got, err := openContent(key, sealed)
		if err != nil || !bytes.Equal(got, message) {
			r.Fatalf("gave %q, %v; want %q", got, err, message)
		}
	})
}

func TestCDATAHoldsAnyText(t *testing.T) {
	if got := cdata("a]]>b"); strings.Count(got, "<![CDATA[") != 2 {
		t.Errorf("gave %s", got)
	}
}

// FuzzOpen: whatever opens was sealed for this receiver under this key, so
// sealing it again opens to the same.
func FuzzOpen(f *testing.F) {
	c := testCrypt(f, "ww1")
	f.Add(c.Seal([]byte("上报 326")))
	f.Add("")
	f.Add(strings.Repeat("A", 64))
	f.Fuzz(func(t *testing.T, sealed string) {
		got, err := c.Open(c.Sign("1", "n", sealed), "1", "n", sealed)
		if err != nil {
			return
		}
		again := c.Seal(got)
		if back, err := c.Open(c.Sign("1", "n", again), "1", "n", again); err != nil || !bytes.Equal(back, got) {
			t.Fatalf("%q came back as %q, %v", got, back, err)
		}
	})
}
