package venue

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// person is what other packages build of private values, with fields that fmt
// may call methods on and fields that it may not.
type person struct {
	Name  PersonName
	ID    IDNumber
	Phone *Phone
	name  PersonName
	id    IDNumber
	phone *Phone
}

const (
	clearName  = "欧阳娜娜"
	clearID    = "410482198505121238"
	clearPhone = "13800138000"
)

func private3(t testing.TB) (PersonName, IDNumber, Phone) {
	t.Helper()
	n, err1 := ParsePersonName(clearName)
	i, err2 := ParseIDNumber(clearID, day(t, "2022-05-18"))
	p, err3 := ParsePhone(clearPhone)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return n, i, p
}

// leaks are the parts that the masks hide, in every coding a printer may use.
func leaks() []string {
	var all []string
	for _, hidden := range []string{"阳娜娜", "娜娜", clearID[1:17], clearID[6:14], clearPhone[:7], clearPhone[3:]} {
		h := hex.EncodeToString([]byte(hidden))
		ascii := strconv.QuoteToASCII(hidden)
		all = append(all, hidden, h, strings.ToUpper(h),
			strings.Trim(ascii, `"`),
			fmt.Sprintf("% x", hidden), fmt.Sprint([]byte(hidden)), fmt.Sprint([]rune(hidden)),
			base64.StdEncoding.EncodeToString([]byte(hidden)))
	}
	return all
}

func wantMasked(t *testing.T, how, out string) {
	t.Helper()
	for _, l := range leaks() {
		if strings.Contains(out, strings.Trim(l, "[]")) {
			t.Errorf("%s shows %q: %s", how, l, out)
		}
	}
}

// shapes holds the values alone and in everything that can hold them.
func shapes(n PersonName, i IDNumber, p Phone) map[string]any {
	who := person{n, i, &p, n, i, &p}
	return map[string]any{
		"name": n, "id": i, "phone": p,
		"pointers": []any{&n, &i, &p},
		"struct":   who, "pointer to struct": &who,
		"slices":          []any{[]PersonName{n}, []IDNumber{i}, []Phone{p}},
		"slice of struct": []person{who}, "array": [1]person{who},
		"map values": map[string]person{"x": who}, "map keys": map[IDNumber]Phone{i: p},
		"embedded":   struct{ IDNumber }{i},
		"unexported": struct{ m map[string]any }{map[string]any{"x": []any{n, i, p, who}}},
		"interface":  struct{ v any }{who},
	}
}

func TestPrivateValuesStayMaskedInFmt(t *testing.T) {
	n, i, p := private3(t)
	verbs := []string{"%v", "%+v", "%#v", "%s", "%q", "%+q", "%#q", "%x", "%X", "% x", "%#x", "%d", "%c", "%U", "%b", "%o", "%O",
		"%e", "%g", "%t", "%p", "%w", "%z", "%30v", "%-30s", "%.3s", "%T"}
	for name, v := range shapes(n, i, p) {
		for _, verb := range verbs {
			wantMasked(t, verb+" of "+name, fmt.Sprintf(verb, v))
			wantMasked(t, verb+" of an error with "+name, fmt.Errorf("look up "+verb+": %w", v, ErrNotFound).Error())
		}
		noVerb := "x"
		wantMasked(t, "an extra argument "+name, fmt.Sprintf(noVerb, v))
		wantMasked(t, "Sprint of "+name, fmt.Sprint(v)+fmt.Sprintln(v))
	}
}

func TestWhatTheMasksShow(t *testing.T) {
	n, i, p := private3(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%d"} {
		want := "欧* 4****************8 138****8000"
		if got := fmt.Sprintf(verb+" "+verb+" "+verb, n, i, p); got != want {
			t.Errorf("%s: got %s, want %s", verb, got, want)
		}
	}
	if got, want := fmt.Sprintf("%q|%12s|%-12v|", p, p, p), `"138****8000"| 138****8000|138****8000 |`; got != want {
		t.Errorf("quoted and padded: got %s, want %s", got, want)
	}
	if n.GoString() != "欧*" || n.String() != "欧*" {
		t.Errorf("got %s and %s", n.GoString(), n.String())
	}
	if n.Reveal() != clearName || i.Reveal() != clearID || p.Reveal() != clearPhone {
		t.Error("Reveal does not give what was parsed")
	}
}

func TestPrivateValuesStayMaskedInEncodings(t *testing.T) {
	n, i, p := private3(t)
	for name, v := range shapes(n, i, p) {
		b, err := json.Marshal(v)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantMasked(t, "JSON of "+name, string(b))

		var html strings.Builder
		page := template.Must(template.New("").Parse(`{{.}}<a title="{{.}}" href="?q={{.}}"></a><script>let x={{.}}</script>`))
		if err := page.Execute(&html, v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantMasked(t, "HTML of "+name, html.String())
	}
	b, err := json.Marshal(person{Name: n, ID: i, Phone: &p})
	if want := `{"Name":"欧*","ID":"4****************8","Phone":"138****8000"}`; string(b) != want || err != nil {
		t.Errorf("JSON: got %s, %v; want %s", b, err, want)
	}
	b, err = xml.Marshal(person{Name: n, ID: i, Phone: &p})
	if err != nil {
		t.Error(err)
	}
	wantMasked(t, "XML", string(b))
}

func TestPrivateValuesStayMaskedInLogs(t *testing.T) {
	n, i, p := private3(t)
	for name, v := range shapes(n, i, p) {
		var out bytes.Buffer
		for _, h := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
			l := slog.New(h)
			l.Info("scan", "v", v, slog.Group("g", "v", v))
			l.With("v", v).WithGroup("g").Info("scan", "err", fmt.Errorf("at %v: %w", v, ErrStale))
		}
		wantMasked(t, "log of "+name, out.String())
	}
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("scan", "phone", p)
	if !strings.Contains(out.String(), "phone=138****8000") {
		t.Errorf("the log does not show the mask: %s", &out)
	}
}

func TestPrivateValuesAreMadeOnlyByParse(t *testing.T) {
	for _, v := range []any{&PersonName{}, &IDNumber{}, &Phone{}} {
		typ := reflect.TypeOf(v)
		for _, m := range []string{"UnmarshalText", "UnmarshalJSON", "UnmarshalBinary", "GobDecode", "Scan"} {
			if _, ok := typ.MethodByName(m); ok {
				t.Errorf("%v has %s", typ, m)
			}
		}
		if err := json.Unmarshal([]byte(`"13800138000"`), v); err == nil {
			t.Errorf("%v was read from JSON", typ)
		}
	}
}

func TestPrivateValuesCompareByClearText(t *testing.T) {
	n, i, p := private3(t)
	n2, i2, p2 := private3(t)
	if n != n2 || i != i2 || p != p2 {
		t.Error("the same text parsed twice is not equal")
	}
	other, err := ParsePhone("13899998000")
	if err != nil || other.String() != p.String() || other == p {
		t.Errorf("another number under the same mask: %v, equal %v", err, other == p)
	}
}

func TestZeroPrivateValues(t *testing.T) {
	var who person
	if !who.Name.IsZero() || !who.ID.IsZero() || who.ID.Reveal() != "" || who.Name.String() != "" {
		t.Error("the zero value is not empty")
	}
	b, err := json.Marshal(struct {
		ID IDNumber `json:"id,omitzero"`
	}{})
	if string(b) != "{}" || err != nil {
		t.Errorf("omitzero: got %s, %v", b, err)
	}
	_ = fmt.Sprintf("%v %#v %d %q", who, who, who.ID, who.Name)
}
