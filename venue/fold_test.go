package venue

import "testing"

func TestFold(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"full-width letters and digits", "ＡＢｚ０９", "ABz09"},
		{"both ends of the block", "！～", "!~"},
		{"ideographic space", "张　三", "张 三"},
		{"Chinese text stays", "汝州市。、《》", "汝州市。、《》"},
		{"half-width katakana stays, this is not NFKC", "ｱ①Ⅹ", "ｱ①Ⅹ"},
	} {
		if got := Fold(c.in); got != c.want {
			t.Errorf("%s: Fold(%q) = %q, want %q", c.name, c.in, got, c.want)
		}
	}
}

func TestUpperRaisesAsciiOnly(t *testing.T) {
	if got, want := upper("az ıſⅹµ"), "AZ ıſⅹµ"; got != want {
		t.Errorf("upper = %q, want %q", got, want)
	}
}

func TestCompactDropsBlanksAndEveryHyphen(t *testing.T) {
	if got := compact(" a-b‐c‑d–e—f―g−h－i\u00a0j\tk　l "); got != "ABCDEFGHIJKL" {
		t.Errorf("compact = %q", got)
	}
}

func FuzzFold(f *testing.F) {
	f.Add("Ａ　～b")
	f.Fuzz(func(t *testing.T, s string) {
		if once := Fold(s); Fold(once) != once {
			t.Errorf("Fold(%q) is not stable", s)
		}
	})
}
