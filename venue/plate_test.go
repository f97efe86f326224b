package venue

import (
	"strings"
	"testing"
)

func TestParsePlate(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"ordinary", "豫D12345", "豫D12345"},
		{"dot", "豫D·12345", "豫D12345"},
		{"bullet, blanks and hyphen", " 豫d • 12-345 ", "豫D12345"},
		{"full-width", "豫Ｄ１２３４５", "豫D12345"},
		{"new energy, small", "豫DD12345", "豫DD12345"},
		{"new energy, small, with a letter", "豫DFA2345", "豫DFA2345"},
		{"new energy, large", "豫D12345F", "豫D12345F"},
		{"learner", "豫D1234学", "豫D1234学"},
		{"trailer", "豫D1234挂", "豫D1234挂"},
		{"police", "豫D1234警", "豫D1234警"},
		{"police of the province", "豫O1234警", "豫O1234警"},
		{"Hong Kong", "粤Z1234港", "粤Z1234港"},
		{"Macao", "粤ZA123澳", "粤ZA123澳"},
		{"consulate, new", "粤A1234领", "粤A1234领"},
		{"consulate, old", "沪22401领", "沪22401领"},
		{"embassy before", "使224578", "使224578"},
		{"embassy after", "224·578使", "224578使"},
		{"trolleybus", "京A1234电", "京A1234电"},
		{"trolleybus, old", "京01234电", "京01234电"},
		{"fire service", "豫X1234应急", "豫X1234应急"},

		{"I", "豫D1234I", ""},
		{"O", "豫DO1234", ""},
		{"office I", "豫I12345", ""},
		{"office O without 警", "豫O12345", ""},
		{"no province", "D12345", ""},
		{"no such province", "宝D12345", ""},
		{"too short", "豫D123", ""},
		{"too long", "豫D1234567", ""},
		{"eight, neither small nor large", "豫D123456", ""},
		{"new energy, small, a letter too many", "豫DFAB345", ""},
		{"new energy at both ends", "豫DD1234F", ""},
		{"learner with five", "豫D12345学", ""},
		{"Hong Kong of another province", "豫D1234港", ""},
		{"embassy with five", "使12345", ""},
		{"embassy twice", "使123456使", ""},
		{"Cyrillic В", "豫В12345", ""},
		{"line feed does not end a plate", "豫D1234\n港", ""},
		{"empty", "", ""},
	} {
		reason := ""
		if c.want == "" {
			reason = "shape"
		}
		got, err := ParsePlate(c.in)
		wantInvalid(t, c.name, err, "plate", reason)
		if string(got) != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzParsePlate(f *testing.F) {
	for _, s := range []string{"豫D·12345", "豫dd12345", "使224·578", "豫Ｘ1234应急"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePlate(s)
		if err != nil {
			return
		}
		if again, err := ParsePlate(string(p)); again != p || err != nil {
			t.Errorf("%q parsed again: %q, %v", p, again, err)
		}
		if strings.ContainsAny(string(p), "IO·- ") && !strings.HasSuffix(string(p), "警") {
			t.Errorf("%q holds what no plate has", p)
		}
	})
}
