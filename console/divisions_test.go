package console

import (
	"net/url"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/venue"
)

// named gives the desk a list of divisions, in which two towns have one name.
func (d *desk) named() {
	d.t.Helper()
	var err error
	d.h.Divisions, err = d.h.Divisions.With([]venue.NamedDivision{{Code: "41", Name: "河南省"}, {Code: "4104", Name: "平顶山市"},
		{Code: "410482", Name: "汝州市"}, {Code: "410482001", Name: "煤山街道"}, {Code: "410482001001", Name: "东大社区"}, {Code: "410482002", Name: "风穴路街道"},
		{Code: "410482003", Name: "城关镇"}, {Code: "410482004", Name: "城关镇"}, {Code: "410481", Name: "舞钢市"}, {Code: "410481001", Name: "垭口街道"}}...)
	if err != nil {
		d.t.Fatal(err)
	}
}

func TestADivisionIsGivenByNameOrCode(t *testing.T) {
	d := newDesk(t, access.RoleTownship, access.RoleRegulator)
	d.named()
	tokens := map[string]string{}
	for _, who := range []string{"township", "regulator"} {
		tokens[who] = d.login(who)
	}
	for _, c := range []struct {
		who, text string
		want      int
		division  string
	}{
		{"township", "煤山街道", 200, "410482001"},
		{"township", " 煤山街道 ", 200, "410482001"},
		{"township", "东大社区", 200, "410482001001"},
		{"township", "410482001", 200, "410482001"},
		{"township", "410482001000", 200, "410482001000"},
		{"township", "风穴路街道", 422, ""}, // elsewhere, like a name that nobody has
		{"township", "汝州市", 422, ""},
		{"township", "没有街道", 422, ""},
		{"township", "410482002", 404, ""},
		{"township", "4104820", 422, ""},
		{"regulator", "410482003", 200, "410482003"},
		{"regulator", "煤山街道", 200, "410482001"},
		{"regulator", "垭口街道", 422, ""},
		{"regulator", "城关镇", 422, ""}, // two have the name
	} {
		got := d.call("GET", "/console/coverage?division="+url.QueryEscape(c.text), tokens[c.who], "")
		if got.status != c.want || c.want == 422 && !strings.Contains(got.body, `"field":"division","reason":"unclear"`) {
			t.Errorf("%s asks for %s: %d %s", c.who, c.text, got.status, got.body)
		} else if c.want == 200 {
			if q := decode[struct{ Division string }](t, got, 200); q.Division != c.division {
				t.Errorf("%s asks for %s: %s", c.who, c.text, q.Division)
			}
		}
	}
	town := tokens["township"]
	if page := d.browse("GET", "/console/coverage?division="+url.QueryEscape("没有街道"), town, nil); page.status != 422 || !strings.Contains(page.body, "区划"+reasonWords["unclear"]) {
		t.Errorf("the page does not say what to do: %d %s", page.status, page.body)
	}
	if got := d.call("POST", "/console/blanks", town, `{"division":"煤山街道","count":1}`); got.status != 200 || !strings.Contains(got.body, `"division":"410482001"`) {
		t.Errorf("blank codes by name: %d %s", got.status, got.body)
	}
	if got := d.call("GET", "/console/posters?division="+url.QueryEscape("煤山街道"), town, ""); got.status != 200 || !strings.Contains(got.body, `"division":"410482001"`) {
		t.Errorf("posters by name: %d %s", got.status, got.body)
	}
}

func TestDivisionsOfTheScopeCanBeChosen(t *testing.T) {
	d := newDesk(t, access.RoleTownship, access.RoleRegulator)
	town, regulator := d.login("township"), d.login("regulator")
	if page := d.browse("GET", "/console/coverage", town, nil).body; !strings.Contains(page, `<input name="division"`) {
		t.Error("nobody has listed divisions, and there is no field for a code")
	}
	d.named()
	const city = `<option value="410482001">　煤山街道</option><option value="410482002">　风穴路街道</option>`
	const own = `<option value="410482001">煤山街道</option><option value="410482001001">　东大社区</option></select>`
	for _, c := range []struct{ token, path, want string }{
		{town, "/console/coverage", `<option value="">全部</option>` + own},
		{town, "/console/coverage/deadline?division=410482001001", `<option value="410482001001" selected>　东大社区</option></select>`},
		{town, "/console/imports", `<option value="410482001" selected>煤山街道</option>`},
		{town, "/console/posters", `<option value="410482001" selected>煤山街道</option>`},
		{regulator, "/console/coverage/trend", `<option value="410482">汝州市</option>` + city},
		{regulator, "/console/coverage/missing?division=410482001001", `<option value="410482001001" selected>东大社区</option></select>`}, // below those that are listed
	} {
		if page := d.browse("GET", c.path, c.token, nil).body; !strings.Contains(page, c.want) || strings.Contains(page, "垭口街道") {
			t.Errorf("%s lacks %s:\n%s", c.path, c.want, page)
		}
	}
}

func TestAnAccountsDivisionsAreGivenByName(t *testing.T) {
	d := newDesk(t, access.RoleSecurityAdmin)
	d.named()
	token := d.login("secadmin")
	made := d.browse("POST", "/console/accounts", token, url.Values{"csrf": {formToken(token)}, "user": {"town.two"}, "name": {"街道办"}, "roles[]": {"township"}, "divisions[]": {"风穴路街道 410482001"}})
	if got := d.call("GET", "/console/accounts", token, ""); !strings.Contains(got.body, `"divisions":["410482001","410482002"]`) {
		t.Errorf("%d %s: %s", made.status, made.body, got.body)
	}
	// Two counties may each have a town of the name: who approves must see which.
	if page := d.browse("GET", "/console/accounts", token, nil).body; !strings.Contains(page, "煤山街道 410482001 风穴路街道 410482002") {
		t.Error("the page does not name them, or not which they are")
	}
}
