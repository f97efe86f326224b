package venue

import (
	"encoding/json"
	"os"
	"testing"
)

func TestVectors(t *testing.T) {
	type set struct{ OK, Proof, Bad []string }
	var v struct{ USCC, ID, Plate set }
	b, err := os.ReadFile("testdata/identifiers.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	today := day(t, "2022-05-18")
	parse := map[string]func(string) (proof bool, err error){
		"uscc":  func(s string) (bool, error) { _, proof, err := ParseUSCC(s); return proof, err },
		"id":    func(s string) (bool, error) { _, err := ParseIDNumber(s, today); return false, err },
		"plate": func(s string) (bool, error) { _, err := ParsePlate(s); return false, err },
	}
	for kind, s := range map[string]set{"uscc": v.USCC, "id": v.ID, "plate": v.Plate} {
		if len(s.OK) == 0 || len(s.Bad) == 0 {
			t.Errorf("%s: no vectors", kind)
		}
		check := func(in string, wantProof, wantOK bool) {
			if proof, err := parse[kind](in); proof != wantProof || (err == nil) != wantOK {
				t.Errorf("%s %q: proof %v, error %v; want proof %v, accepted %v", kind, in, proof, err, wantProof, wantOK)
			}
		}
		for _, in := range s.OK {
			check(in, false, true)
		}
		for _, in := range s.Proof {
			check(in, true, true)
		}
		for _, in := range s.Bad {
			check(in, false, false)
		}
	}
	if len(v.USCC.Proof) == 0 {
		t.Error("uscc: no vectors that need proof")
	}
}

func day(t testing.TB, s string) Day {
	t.Helper()
	d, err := ParseDay(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
