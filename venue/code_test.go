package venue

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// seeded gives the same random bytes for the same seed.
func seeded(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

func mustCode(t testing.TB, seed byte) Code {
	t.Helper()
	c, err := NewCode(seeded(seed))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantInvalid fails unless err is *Invalid with that field and reason; reason
// "" means that there must be no error.
func wantInvalid(t testing.TB, what string, err error, field, reason string) {
	t.Helper()
	if reason == "" {
		if err != nil {
			t.Errorf("%s: %v, want no error", what, err)
		}
		return
	}
	var inv *Invalid
	if !errors.As(err, &inv) || !errors.Is(err, ErrInvalid) {
		t.Errorf("%s: %v, want *Invalid", what, err)
	} else if *inv != (Invalid{field, reason}) {
		t.Errorf("%s: %v, want %s: %s", what, inv, field, reason)
	}
}

func TestNewCode(t *testing.T) {
	seen := map[Code]bool{}
	for i := range 200 {
		c := mustCode(t, byte(i))
		if got, err := ParseCode(string(c)); got != c || err != nil {
			t.Fatalf("ParseCode(%s) = %s, %v", c, got, err)
		}
		if seen[c] {
			t.Fatalf("%s was drawn twice", c)
		}
		seen[c] = true
	}
	if _, err := NewCode(bytes.NewReader(make([]byte, 14))); err == nil {
		t.Error("a code was made of too few random bytes")
	}
}

func TestEachOfTheFifteenBytesMatters(t *testing.T) {
	base := make([]byte, 15)
	zero, _ := NewCode(bytes.NewReader(base))
	for i := range base {
		b := bytes.Clone(base)
		b[i] = 0b11111
		if c, _ := NewCode(bytes.NewReader(b)); c[i] == zero[i] {
			t.Errorf("byte %d does not show in the code", i)
		}
	}
}

func TestParseCode(t *testing.T) {
	const code = "AB10XTZ9MK3VQ2CP"
	for _, c := range []struct{ name, in, reason string }{
		{"canonical", code, ""},
		{"lower case", "ab10xtz9mk3vq2cp", ""},
		{"full-width", "ＡＢ１０ＸＴＺ９ＭＫ３ＶＱ２ＣＰ", ""},
		{"I for 1 and O for 0", "ABIOXTZ9MK3VQ2CP", ""},
		{"l for 1 and o for 0", "abloxtz9mk3vq2cp", ""},
		{"groups with hyphens and blanks", " AB10-XTZ9 MK3V–Q2CP　", ""},
		{"32 characters before cleaning", code + strings.Repeat(" ", 16), ""},
		{"33 characters before cleaning", code + strings.Repeat(" ", 17), "shape"},
		{"empty", "", "shape"},
		{"15 characters", code[1:], "shape"},
		{"17 characters", code + "0", "shape"},
		{"U is not a digit", "UB10XTZ9MK3VQ2CP", "shape"},
		{"Kelvin sign is not K", "AB10XTZ9M\u212A3VQ2", "shape"},
		{"another character", "AB10XTZ9MK3VQ2CW", "check"},
	} {
		got, err := ParseCode(c.in)
		wantInvalid(t, c.name, err, "code", c.reason)
		if c.reason == "" && got != code {
			t.Errorf("%s: got %q", c.name, got)
		}
		if c.reason != "" && got != "" {
			t.Errorf("%s: refused, yet gave %q", c.name, got)
		}
	}
}

func TestEveryWrongCharacterAndEveryExchangeIsFound(t *testing.T) {
	for seed := range byte(20) {
		c := mustCode(t, seed)
		for i := range c {
			for _, r := range crockford {
				wrong := []byte(c)
				wrong[i] = byte(r)
				if _, err := ParseCode(string(wrong)); (err == nil) != (wrong[i] == c[i]) {
					t.Fatalf("%s with %c at %d: %v", c, r, i, err)
				}
			}
			for j := range i {
				wrong := []byte(c)
				wrong[i], wrong[j] = wrong[j], wrong[i]
				if _, err := ParseCode(string(wrong)); (err == nil) != (c[i] == c[j]) {
					t.Fatalf("%s with %d and %d exchanged: %v", c, j, i, err)
				}
			}
		}
	}
}

func TestLink(t *testing.T) {
	c := mustCode(t, 1)
	for host, want := range map[string]string{
		"code.example.cn":      "https://code.example.cn/v/",
		"code.example.cn:8443": "https://code.example.cn:8443/v/",
		"127.0.0.1:8080":       "http://127.0.0.1:8080/v/",
		"[::1]:8080":           "http://[::1]:8080/v/",
		"localhost:8080":       "http://localhost:8080/v/",
		"127.0.0.1":            "https://127.0.0.1/v/",
		"10.0.0.1:8080":        "https://10.0.0.1:8080/v/",
	} {
		link := c.Link(host)
		if link != want+string(c) {
			t.Errorf("Link(%s) = %s", host, link)
		}
		if got, err := ParseLink(link, host); got != c || err != nil {
			t.Errorf("ParseLink(%s) = %s, %v", link, got, err)
		}
	}
}

func TestParseLink(t *testing.T) {
	const host = "code.example.cn"
	code := string(mustCode(t, 1))
	last := "0"
	if strings.HasSuffix(code, last) {
		last = "1"
	}
	for _, c := range []struct{ name, link, host, reason string }{
		{"as printed", "https://code.example.cn/v/" + code, host, ""},
		{"query and fragment are ignored", "https://code.example.cn/v/" + code + "?from=wx&x=%20#top", host, ""},
		{"http", "http://code.example.cn/v/" + code, host, "host"},
		{"http on loopback", "http://127.0.0.1:8080/v/" + code, "127.0.0.1:8080", ""},
		{"https on loopback", "https://127.0.0.1:8080/v/" + code, "127.0.0.1:8080", ""},
		{"another port on loopback", "http://127.0.0.1:8081/v/" + code, "127.0.0.1:8080", "host"},
		{"no scheme", "//code.example.cn/v/" + code, host, "host"},
		{"another scheme", "weixin://code.example.cn/v/" + code, host, "host"},
		{"another host", "https://code.example.com/v/" + code, host, "host"},
		{"our host as a label of another", "https://code.example.cn.evil.cn/v/" + code, host, "host"},
		{"our host as user", "https://code.example.cn@evil.cn/v/" + code, host, "host"},
		{"a user at our host", "https://evil@code.example.cn/v/" + code, host, "host"},
		{"an empty user at our host", "https://@code.example.cn/v/" + code, host, "host"},
		{"backslash", `https://evil.cn\@code.example.cn/v/` + code, host, "shape"},
		{"explicit port", "https://code.example.cn:443/v/" + code, host, "host"},
		{"no host configured", "https:///v/" + code, "", "host"},
		{"opaque", "https:code.example.cn/v/" + code, host, "host"},
		{"bare code", code, host, "host"},
		{"longer path", "https://code.example.cn/v/" + code + "/", host, "shape"},
		{"path before", "https://code.example.cn/x/v/" + code, host, "shape"},
		{"double slash", "https://code.example.cn//v/" + code, host, "shape"},
		{"another path", "https://code.example.cn/w/" + code, host, "shape"},
		{"dots", "https://code.example.cn/x/../v/" + code, host, "shape"},
		{"lower case code", "https://code.example.cn/v/" + strings.ToLower(code), host, "shape"},
		{"blank in the code", "https://code.example.cn/v/" + code[:4] + "%20" + code[4:], host, "shape"},
		{"escaped letter", fmt.Sprintf("https://code.example.cn/v/%%%02X%s", code[0], code[1:]), host, "shape"},
		{"wrong check character", "https://code.example.cn/v/" + code[:15] + last, host, "check"},
		{"control character", "https://code.example.cn/v/" + code + "\n", host, "shape"},
		{"empty", "", host, "host"},
	} {
		got, err := ParseLink(c.link, c.host)
		wantInvalid(t, c.name, err, "code", c.reason)
		if c.reason == "" && string(got) != code {
			t.Errorf("%s: got %q", c.name, got)
		}
	}
}

func FuzzParseCode(f *testing.F) {
	f.Add("AB10-XTZ9-MK3V-Q2CP", byte(3), byte(4))
	f.Add("oooo oooo oooo oooo", byte(15), byte(31))
	f.Fuzz(func(t *testing.T, s string, at, to byte) {
		c, err := ParseCode(s)
		if err != nil {
			wantInvalid(t, "refusal", err, "code", err.(*Invalid).Reason)
			// Then a drawn code, so that every input tests something.
			c, err = NewCode(bytes.NewReader(append([]byte(s), make([]byte, 15)...)))
			if err != nil {
				t.Fatal(err)
			}
		}
		if again, err := ParseCode(string(c)); again != c || err != nil {
			t.Fatalf("ParseCode(%q) = %q, %v", c, again, err)
		}
		i := int(at) % codeLength
		wrong := []byte(c)
		wrong[i] = crockford[to%32]
		if _, err := ParseCode(string(wrong)); wrong[i] != c[i] && err == nil {
			t.Errorf("%s passes for %s", wrong, c)
		}
		i %= codeLength - 1
		wrong = []byte(c)
		wrong[i], wrong[i+1] = wrong[i+1], wrong[i]
		if _, err := ParseCode(string(wrong)); wrong[i] != c[i] && err == nil {
			t.Errorf("%s passes for %s", wrong, c)
		}
	})
}

func FuzzParseLink(f *testing.F) {
	f.Add("https://code.example.cn/v/AB10XTZ9MK3VQ2CP?x#y", "code.example.cn")
	f.Add("http://127.0.0.1:80/v/0000000000000000", "127.0.0.1:80")
	f.Fuzz(func(t *testing.T, link, host string) {
		c, err := ParseLink(link, host)
		if err != nil {
			return
		}
		if again, err := ParseLink(c.Link(host), host); again != c || err != nil {
			t.Errorf("%q of %q prints as %q: %v", c, link, c.Link(host), err)
		}
		_, rest, _ := strings.Cut(link, ":")
		if !strings.HasPrefix(rest, "//"+host+"/v/"+string(c)) {
			t.Errorf("%q was taken for a link of %q", link, host)
		}
	})
}

func ExampleParseCode() {
	code, err := ParseCode("abio-xtz9-mk3v-q2cp")
	fmt.Println(code, err)
	_, err = ParseCode("abio-xtz9-mk3v-q2pc")
	fmt.Println(err)
	// Output:
	// AB10XTZ9MK3VQ2CP <nil>
	// code: check
}

func TestACodeIsReadAsPeopleCopyIt(t *testing.T) {
	const code = "A0000000000AAA1W"
	for _, s := range []string{code, " a000-0000-000a-aa1w ", "https://code.example.org/v/" + code, "http://elsewhere/v/" + code + "?from=wx#top"} {
		if got, err := ParseCopied(s); err != nil || got != code {
			t.Errorf("%q: %s, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "/", "https://code.example.org/v/", "https://code.example.org/v/" + code + "/x", code[:15] + "X"} {
		if got, err := ParseCopied(s); err == nil {
			t.Errorf("%q: %s", s, got)
		}
	}
}
