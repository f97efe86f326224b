package venue

import (
	"fmt"
	"testing"
)

func TestParseUSCC(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		proof          bool
		reason         string
	}{
		{"as printed", "11410482005712349G", "11410482005712349G", false, ""},
		{"lower case and blanks around", " 11410482005712349g\n", "11410482005712349G", false, ""},
		{"full-width", "１１４１０４８２００５７１２３４９Ｇ", "11410482005712349G", false, ""},
		{"wrong check character needs proof", "91350100M0001TGQXM", "91350100M0001TGQXM", true, ""},
		{"the letter O is in no code", "11410482OO5712349G", "", false, "shape"},
		{"Z, S and V neither", "11410482ZSV712349G", "", false, "shape"},
		{"blank inside", "11410482 05712349G", "", false, "shape"},
		{"17 characters", "1141048200571234G", "", false, "shape"},
		{"18 bytes of other letters", "汝州汝州汝州", "", false, "shape"},
	} {
		got, proof, err := ParseUSCC(c.in)
		wantInvalid(t, c.name, err, "uscc", c.reason)
		if string(got) != c.want || proof != c.proof {
			t.Errorf("%s: got %q, proof %v; want %q, %v", c.name, got, proof, c.want, c.proof)
		}
	}
}

func TestEveryWrongCharacterOfAUSCCNeedsProof(t *testing.T) {
	for _, ok := range []string{"11410482005712349G", "91410482MA40ABCD1D", "52410482MJY00001X9"} {
		for i := range ok {
			for j := range usccAlphabet {
				wrong := ok[:i] + usccAlphabet[j:j+1] + ok[i+1:]
				if _, proof, err := ParseUSCC(wrong); proof != (wrong != ok) || err != nil {
					t.Errorf("%s for %s: proof %v, %v", wrong, ok, proof, err)
				}
			}
		}
	}
}

func FuzzParseUSCC(f *testing.F) {
	f.Add("11410482005712349g", byte(17), byte(0))
	f.Add("91410482ＭＡ40ABCD1D", byte(0), byte(30))
	f.Fuzz(func(t *testing.T, s string, at, to byte) {
		u, proof, err := ParseUSCC(s)
		if err != nil {
			return
		}
		if again, p, err := ParseUSCC(string(u)); again != u || p != proof || err != nil {
			t.Fatalf("ParseUSCC(%q) = %q, %v, %v", u, again, p, err)
		}
		wrong := []byte(u)
		i := int(at) % usccLength
		wrong[i] = usccAlphabet[int(to)%len(usccAlphabet)]
		if _, p, err := ParseUSCC(string(wrong)); wrong[i] != u[i] && !proof && (err != nil || !p) {
			t.Errorf("%s passes for %s without proof", wrong, u)
		}
	})
}

func ExampleParseUSCC() {
	for _, s := range []string{
		"１１410482005712349g", // full-width, lower case
		"91350100M0001TGQXM", // genuine, though its check character is wrong
		"91410482MA40ABCI1D", // I is in no code
	} {
		u, proof, err := ParseUSCC(s)
		fmt.Println(u, proof, err)
	}
	// Output:
	// 11410482005712349G false <nil>
	// 91350100M0001TGQXM true <nil>
	//  false uscc: shape
}
