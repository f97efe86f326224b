package venue

import (
	"strings"
	"testing"
)

func TestParsePersonName(t *testing.T) {
	for _, c := range []struct{ name, in, want, mask, reason string }{
		{"Chinese", "张三", "张三", "张*", ""},
		{"one character", "张", "张", "张*", ""},
		{"aligned with a wide blank", "　张　三　", "张三", "张*", ""},
		{"dot kept", "阿卜杜·热合曼", "阿卜杜·热合曼", "阿*", ""},
		{"bullet", "阿卜杜•热合曼", "阿卜杜·热合曼", "阿*", ""},
		{"hyphenation point", "阿卜杜‧热合曼", "阿卜杜·热合曼", "阿*", ""},
		{"katakana dot", "阿卜杜・热合曼", "阿卜杜·热合曼", "阿*", ""},
		{"full-width stop", "阿卜杜．热合曼", "阿卜杜·热合曼", "阿*", ""},
		{"blanks around the dot", "阿卜杜 • 热合曼", "阿卜杜·热合曼", "阿*", ""},
		{"several dots", "买买提•阿卜杜．热合曼", "买买提·阿卜杜·热合曼", "买*", ""},
		{"a radical out of a PDF before the dot", "\u2f0e•乙", "冫·乙", "冫*", ""},
		{"a stop that ends is a stop", "Smith Jr．", "Smith Jr.", "S*", ""},
		{"ASCII stop kept", "J.R. Smith", "J.R. Smith", "J*", ""},
		{"case kept, blanks single", " Anna  McDonald ", "Anna McDonald", "A*", ""},
		{"full-width Latin", "Ａｎｎａ　Ｌｉ", "Anna Li", "A*", ""},
		{"composed accent", "Jos\u00e9", "José", "J*", ""},
		{"combining accent", "Jose\u0301", "Jose\u0301", "J*", ""},
		{"rare character beyond the BMP", "𠮷田", "𠮷田", "𠮷*", ""},
		{"rare character in the private use area", "\ue863\ue864", "\ue863\ue864", "\ue863*", ""},
		{"compatibility ideograph stays, this is not NFKC", "\uf900", "\uf900", "\uf900*", ""},
		{"25 Chinese characters", strings.Repeat("买", 25), strings.Repeat("买", 25), "买*", ""},
		{"50 characters", strings.Repeat("a", 50), strings.Repeat("a", 50), "a*", ""},
		{"51 characters", strings.Repeat("a", 51), "", "", "length"},
		{"empty", "", "", "", "length"},
		{"blank", " 　\n", "", "", "length"},
		{"digits only", "12345", "", "", "shape"},
		{"full-width digits only", "１２３", "", "", "shape"},
		{"signs only", "·-·", "", "", "shape"},
		{"line feed", "张\n三", "", "", "character"},
		{"tab", "张\t三", "", "", "character"},
		{"right-to-left override", "张\u202e三", "", "", "character"},
		{"isolate", "张\u2066三", "", "", "character"},
		{"zero-width space", "张\u200b三", "", "", "character"},
		{"zero-width joiner", "张\u200d三", "", "", "character"},
		{"byte order mark", "\ufeff张三", "", "", "character"},
		{"tag", "张三\U000e0041", "", "", "character"},
		{"variation selector", "张\ufe00三", "", "", "character"},
		{"ideographic variation selector", "张\U000e0100三", "", "", "character"},
		{"Hangul filler", "张\u3164三", "", "", "character"},
		{"Braille blank", "张\u2800三", "", "", "character"},
		{"soft hyphen", "张\u00ad三", "", "", "character"},
		{"replacement character", "张\ufffd三", "", "", "character"},
		{"not UTF-8", "\xd5\xc5\xc8\xfd", "", "", "character"},
	} {
		got, err := ParsePersonName(c.in)
		wantInvalid(t, c.name, err, "name", c.reason)
		if got.Reveal() != c.want || got.String() != c.mask {
			t.Errorf("%s: got %q shown as %q, want %q shown as %q", c.name, got.Reveal(), got, c.want, c.mask)
		}
	}
}

func TestParseTitle(t *testing.T) {
	for _, c := range []struct{ name, in, want, reason string }{
		{"plain", "汝州市第一人民医院", "汝州市第一人民医院", ""},
		{"folded and trimmed", "　Ａ座１号门（东）\n", "A座1号门(东)", ""},
		{"inner blank kept", "东门 1", "东门 1", ""},
		{"shortest", "东门", "东门", ""},
		{"longest", "一二三四五六七八九十", "一二三四五六七八九十", ""},
		{"too short", " 门 ", "", "length"},
		{"too long", "一二三四五六七八九十甲", "", "length"},
		{"line feed", "东\n门", "", "character"},
		{"bidi", "东\u202e门", "", "character"},
		{"tag", "东门\U000e0041", "", "character"},
		{"zero-width", "东\u200b门", "", "character"},
		{"not UTF-8", "\xb6\xab\xc3\xc5", "", "character"},
		{"look-alikes", "\u0410TM一厅", "", "mixed"},
		{"look-alikes behind", "Apple\u03bf店", "", "mixed"},
		{"words of two scripts", "Wi-Fi \u0410\u0422\u041c", "Wi-Fi \u0410\u0422\u041c", ""},
		{"letters beside Chinese ones", "A座东\u03b2门", "A座东\u03b2门", ""},
		{"radicals", "\u2f08民\u2f24\u2f46\u2fd5", "人民大无龠", ""},
	} {
		got, err := ParseTitle("door", c.in, 2, 10)
		wantInvalid(t, c.name, err, "door", c.reason)
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzParsePersonName(f *testing.F) {
	for _, s := range []string{"张　三", "阿卜杜 ． 热合曼", "Ａ．B•c‧・·d", "J． Smith", "Jose\u0301", "\u2f0e•乙"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParsePersonName(s)
		if err != nil {
			return
		}
		if again, err := ParsePersonName(n.Reveal()); again != n || err != nil {
			t.Errorf("%q parsed again: %q, %v", n.Reveal(), again.Reveal(), err)
		}
		if !legible(n.Reveal()) {
			t.Errorf("%q is not legible", n.Reveal())
		}
	})
}

func FuzzParseTitle(f *testing.F) {
	f.Add("　Ａ座１号门（东）")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTitle("door", s, 1, 60)
		if err != nil {
			return
		}
		if again, err := ParseTitle("door", got, 1, 60); again != got || err != nil {
			t.Errorf("%q parsed again: %q, %v", got, again, err)
		}
	})
}
