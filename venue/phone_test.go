package venue

import "testing"

func TestParsePhone(t *testing.T) {
	const number = "13800138000"
	for _, c := range []struct{ name, in, reason string }{
		{"plain", "13800138000", ""},
		{"+86", "+8613800138000", ""},
		{"+86 and groups", "+86 138-0013-8000", ""},
		{"0086", "0086 13800138000", ""},
		{"86", "8613800138000", ""},
		{"full-width", "＋８６　１３８００１３８０００", ""},
		{"prefix twice", "+868613800138000", "shape"},
		{"another country", "+8513800138000", "shape"},
		{"second digit 2", "12800138000", "shape"},
		{"ten digits", "1380013800", "shape"},
		{"twelve digits", "138001380000", "shape"},
		{"landline", "0375-6862345", "shape"},
		{"letters", "1380013800O", "shape"},
		{"bidi marks of an address book", "\u202d13800138000\u202c", "shape"},
		{"empty", "", "shape"},
	} {
		got, err := ParsePhone(c.in)
		wantInvalid(t, c.name, err, "phone", c.reason)
		if c.reason == "" && (got.Reveal() != number || got.String() != "138****8000") {
			t.Errorf("%s: got %q shown as %s", c.name, got.Reveal(), got)
		}
	}
}

func FuzzParsePhone(f *testing.F) {
	f.Add("+86 138-0013-8000")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePhone(s)
		if err != nil {
			return
		}
		if again, err := ParsePhone(p.Reveal()); again != p || err != nil {
			t.Errorf("parsing %q again: %v", p.Reveal(), err)
		}
	})
}
