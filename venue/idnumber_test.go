package venue

import (
	"strings"
	"testing"
)

// id18 completes 17 digits.
func id18(digits string) string { return digits + string(idCheck(digits)) }

func TestParseIDNumber(t *testing.T) {
	today := day(t, "2022-05-18")
	for _, c := range []struct{ name, in, want, reason string }{
		{"as printed", "410482198505121238", "410482198505121238", ""},
		{"X", "41048219900307005X", "41048219900307005X", ""},
		{"small x", "41048219900307005x", "41048219900307005X", ""},
		{"Roman ten", "41048219900307005Ⅹ", "41048219900307005X", ""},
		{"small Roman ten", "41048219900307005ⅹ", "41048219900307005X", ""},
		{"full-width", "４１０４８２１９９００３０７００５Ｘ", "41048219900307005X", ""},
		{"blanks and hyphens inside", " 410482 19850512-1238 ", "410482198505121238", ""},
		{"residence permit 81", "810000199408230021", "810000199408230021", ""},
		{"residence permit 82", id18("82000019940823002"), id18("82000019940823002"), ""},
		{"residence permit 83", id18("83000019940823002"), id18("83000019940823002"), ""},
		{"15 digits are upgraded", "410482850512123", "410482198505121238", ""},
		{"15 digits, sequence 995", "410482050512995", id18("41048219050512995"), ""},
		{"15 digits, sequence 996", "410482050512996", "", "sequence"},
		{"15 digits, sequence 999", "410482050512999", "", "sequence"},
		{"18 digits, sequence 996", id18("41048219050512996"), id18("41048219050512996"), ""},
		{"15 digits, no such day", "410482850230123", "", "date"},
		{"15 characters with a letter", "41048285051212X", "", "shape"},
		{"no year is too early", id18("41048218000101001"), id18("41048218000101001"), ""},
		{"29 February of a leap year", id18("41048220000229001"), id18("41048220000229001"), ""},
		{"29 February of 1900", id18("41048219000229001"), "", "date"},
		{"30 February", "410482199002300011", "", "date"},
		{"month 13", id18("41048219901301001"), "", "date"},
		{"day 0", id18("41048219900100001"), "", "date"},
		{"born today", id18("41048220220518001"), id18("41048220220518001"), ""},
		{"born tomorrow", id18("41048220220519001"), "", "date"},
		{"wrong check character", "410482199003070018", "", "check"},
		{"X where there is none", "41048219850512123X", "", "check"},
		{"X inside", "4104821985051212X8", "", "shape"},
		{"17 characters", "41048219850512123", "", "shape"},
		{"19 characters", "4104821985051212388", "", "shape"},
		{"Arabic digits", strings.Repeat("٤", 9), "", "shape"},
		{"letters", "ABCDEFGHIJKLMNOPQR", "", "shape"},
		{"empty", "", "", "shape"},
	} {
		got, err := ParseIDNumber(c.in, today)
		wantInvalid(t, c.name, err, "id_number", c.reason)
		if got.Reveal() != c.want || got.IsZero() != (c.want == "") {
			t.Errorf("%s: got %q, want %q", c.name, got.Reveal(), c.want)
		}
	}
}

func TestEveryWrongCharacterOfAnIDNumberIsRefused(t *testing.T) {
	today := day(t, "2022-05-18")
	for _, ok := range []string{"410482198505121238", "41048219900307005X", "810000199408230021"} {
		for i := range ok {
			for _, r := range "0123456789X" {
				wrong := ok[:i] + string(r) + ok[i+1:]
				if _, err := ParseIDNumber(wrong, today); (err == nil) != (wrong == ok) {
					t.Errorf("%s for %s: %v", wrong, ok, err)
				}
			}
		}
	}
}

func FuzzParseIDNumber(f *testing.F) {
	f.Add("410482198505121238", byte(3), byte(4))
	f.Add("410482 850512 123", byte(17), byte(9))
	f.Add("41048219900307005ⅹ", byte(17), byte(1))
	today := day(f, "2022-05-18")
	f.Fuzz(func(t *testing.T, s string, at, to byte) {
		n, err := ParseIDNumber(s, today)
		if err != nil {
			if !n.IsZero() {
				t.Error("refused, yet not zero")
			}
			return
		}
		if again, err := ParseIDNumber(n.Reveal(), today); again != n || err != nil {
			t.Fatalf("parsing %q again: %v", n.Reveal(), err)
		}
		wrong := []byte(n.Reveal())
		i := int(at) % len(wrong)
		was := wrong[i]
		wrong[i] = '0' + to%10
		if _, err := ParseIDNumber(string(wrong), today); wrong[i] != was && err == nil {
			t.Errorf("%s passes for %s", wrong, n.Reveal())
		}
	})
}
