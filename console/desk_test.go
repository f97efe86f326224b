package console

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

// opened is a venue with the doors 正门 and 后门, applied for by unit-a.
func (d *desk) opened(unit, town string) (made applied) {
	d.t.Helper()
	made = decode[applied](d.t, d.call("POST", "/console/applications", unit, with(pharmacy, map[string]any{"uscc": ""})), 200)
	return decode[applied](d.t, d.call("POST", "/console/applications/"+made.ID+"/approve", town, `{}`), 200)
}

func TestBlankCodesArePrintedAndHungUp(t *testing.T) {
	d := newDesk(t, access.RoleUnitAdmin, access.RoleTownship, access.RoleRegulator)
	d.add("neighbour", "邻居", grantOn("b", access.RoleTownship))
	unit, town, regulator, neighbour := d.login("unit_admin"), d.login("township"), d.login("regulator"), d.login("neighbour")
	made := d.opened(unit, town)
	type batch struct {
		ID          string
		Count, Used int
	}
	const id = "BBBBBBBBBBBBBBBBBBBBBB"
	for range 2 { // a browser that sends twice
		printed := decode[batch](t, d.call("POST", "/console/blanks", town, `{"id":"`+id+`","division":"410482001","count":"3"}`), 200)
		if printed.ID != id || printed.Count != 3 {
			t.Fatalf("printed: %+v", printed)
		}
	}
	for _, c := range []struct {
		who, body string
		want      int
	}{
		{town, `{"division":"410482001","count":0}`, 422}, {town, `{"division":"410482001","count":2001}`, 422}, {town, `{"division":"410482001","count":"x"}`, 400},
		{town, `{"division":"410482001","count":1,"id":"short"}`, 422}, {town, `{"division":"410482002","count":1}`, 404},
		{neighbour, `{"division":"410482002","count":1,"id":"` + id + `"}`, 404}, // another town's batch by its id
		{regulator, `{"division":"410482001","count":1}`, 404}, {unit, `{"division":"410482001","count":1}`, 404},
	} {
		if got := d.call("POST", "/console/blanks", c.who, c.body); got.status != c.want {
			t.Errorf("%s: %d, want %d: %s", c.body, got.status, c.want, got.body)
		}
	}
	page := d.browse("GET", "/console/blanks/"+id+"/posters", town, nil)
	serials := regexp.MustCompile(`[0-9A-Z]{4}(-[0-9A-Z]{4}){3}`).FindAllString(page.body, -1)
	if page.status != 200 || len(serials) != 3 || !strings.Contains(page.body, "待启用") || !strings.Contains(page.body, "code.example.org") {
		t.Fatalf("the sheet: %d, serials %v", page.status, serials)
	}
	for as, begins := range map[string]string{"pdf": "%PDF-", "zip": "PK", "svg": "PK"} {
		if got := d.call("GET", "/console/blanks/"+id+"/posters?as="+as, town, ""); got.status != 200 || !strings.HasPrefix(got.body, begins) {
			t.Errorf("as %s: %d %.20q", as, got.status, got.body)
		}
	}
	if got := d.call("GET", "/console/blanks/"+id+"/posters", neighbour, ""); got.status != 404 {
		t.Errorf("another town prints it: %d", got.status)
	}
	code, err := venue.ParseCode(serials[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.registry.Resolve(t.Context(), code); err == nil {
		t.Error("a blank code is scanned")
	}
	activate := func(who, code, venue, name string) reply {
		body, _ := json.Marshal(map[string]string{"code": code, "venue": venue, "name": name})
		return d.call("POST", "/console/blanks/activate", who, string(body))
	}
	mistyped := serials[0][:18] + "0"
	if mistyped == serials[0] {
		mistyped = serials[0][:18] + "1"
	}
	for _, c := range []struct {
		name, who, code, venue, door string
		want                         int
	}{
		{"no code", town, "", made.Venue, "侧门", 422}, {"a mistyped code", town, mistyped, made.Venue, "侧门", 422},
		{"no blank code", town, "A0000000000CCC9E", made.Venue, "侧门", 404}, {"a door's", town, made.Codes[0], made.Venue, "侧门", 404},
		{"a venue out of scope", town, serials[0], "venue-unit-b", "侧门", 404}, {"another town's code", neighbour, serials[0], "venue-unit-b", "侧门", 404},
		{"a door's name again", town, serials[0], made.Venue, "正门", 409},
		{"the serial, by the code of another door", town, serials[0], made.Codes[0], "侧门", 200},
		{"again", town, serials[0], made.Venue, "侧门", 409}, {"elsewhere", town, serials[0], "venue-unit-a", "侧门", 409},
		{"the link, by the unit itself", unit, "https://code.example.org/v/" + strings.ReplaceAll(serials[1], "-", ""), made.Venue, "货运门", 200},
	} {
		if got := activate(c.who, c.code, c.venue, c.door); got.status != c.want {
			t.Errorf("%s: %d, want %d: %s", c.name, got.status, c.want, got.body)
		}
	}
	if got := d.call("POST", "/console/venues/venue-unit-b/doors", neighbour, `{"name":"侧门","code":"`+serials[2]+`"}`); got.status != 404 {
		t.Errorf("another town's code at a new door: %d %s", got.status, got.body)
	}
	if p, err := d.registry.Resolve(t.Context(), code); err != nil || p.Door.Name != "侧门" || string(p.Venue.ID) != made.Venue {
		t.Errorf("the code is scanned at %+v, %v", p, err)
	}
	list := decode[struct{ Batches []batch }](t, d.call("GET", "/console/blanks", town, ""), 200).Batches
	if i := slices.IndexFunc(list, func(b batch) bool { return b.ID == id }); i < 0 || list[i].Used != 2 {
		t.Errorf("listed: %+v", list)
	}
	got := d.call("GET", "/console/blanks/"+id+"/posters?as=zip", town, "")
	if z, err := zip.NewReader(bytes.NewReader([]byte(got.body)), int64(len(got.body))); err != nil || len(z.File) != 2 || !strings.Contains(z.File[0].Name, serials[2]) {
		t.Errorf("what is left of the batch: %v, %d files", err, len(z.File))
	}
	if _ = activate(town, serials[2], made.Venue, "东门"); d.call("GET", "/console/blanks/"+id+"/posters", town, "").status != 409 {
		t.Error("a batch that is used up is printed")
	}
	rows := d.rows(audit.Filter{Actor: "township", Action: "blanks.print"})
	if len(rows) != 2 || rows[0].Event.Details["count"] != "3" || rows[0].Event.Object.ID != id {
		t.Errorf("%d rows of the audit: %+v", len(rows), rows)
	}
}

func TestAManagerIsBoundFromThePageAndRemovedThere(t *testing.T) {
	d := newDesk(t, access.RoleUnitAdmin, access.RoleTownship, access.RoleSigner)
	unit, town, signer := d.login("unit_admin"), d.login("township"), d.login("signer")
	made := d.opened(unit, town)
	place := "/console/venues/" + made.Venue
	type issued struct{ Code, Send, Expires string }
	code := decode[issued](t, d.call("POST", place+"/bind-code", unit, `{}`), 200)
	if len(code.Code) != 8 || code.Send != "绑定 "+code.Code || !strings.HasPrefix(code.Expires, "2022-05-19T09:00") {
		t.Errorf("issued: %+v", code)
	}
	page := d.browse("POST", "/console/units/unit-a/bind-code", town, url.Values{"csrf": {formToken(town)}})
	shown := regexp.MustCompile(`绑定 ([0-9A-Z]{8})<`).FindStringSubmatch(page.body)
	if page.status != 200 || shown == nil {
		t.Fatalf("the page: %d %s", page.status, page.body)
	}
	codes := d.h.ChatCodes.(interface {
		Bind(ctx context.Context, account venue.ChatAccount, code string) (venue.Bound, error)
	})
	account := venue.ChatAccount{Channel: venue.ChannelWeComApp, ID: "canary.manager"}
	if b, err := codes.Bind(t.Context(), account, code.Code); err != nil || b.Unit != "unit-a" {
		t.Fatalf("%+v, %v", b, err)
	}
	if b, err := codes.Bind(t.Context(), account, shown[1]); err != nil || b.Unit != "unit-a" {
		t.Errorf("%+v, %v", b, err)
	}
	type managers struct {
		Managers []struct{ ID, Channel, Account, Since string }
	}
	got := decode[managers](t, d.call("GET", place, signer, ""), 200).Managers
	if len(got) != 1 || got[0].Account != "c***r" || got[0].Since == "" || got[0].Channel != "wecom_app" {
		t.Fatalf("%+v", got)
	}
	for _, path := range []string{place, "/console/units/unit-a/history"} {
		if page := d.browse("GET", path, town, nil); strings.Contains(page.body, account.ID) || !strings.Contains(page.body, "绑定负责人") {
			t.Errorf("%s shows who was bound, or that nobody was", path)
		}
	}
	remove := `{"manager":"` + got[0].ID + `"}`
	for _, c := range []struct {
		path, who, body string
		want            int
	}{
		{place, signer, remove, 404}, {"/console/venues/venue-unit-a", town, remove, 404}, {place, town, `{"manager":""}`, 404},
		{place, town, remove, 200}, {place, town, remove, 404},
	} {
		if got := d.call("POST", c.path+"/managers/remove", c.who, c.body); got.status != c.want {
			t.Errorf("%s: %d, want %d: %s", c.path, got.status, c.want, got.body)
		}
	}
	if got := decode[managers](t, d.call("GET", place, town, ""), 200).Managers; len(got) > 0 {
		t.Errorf("removed: %+v", got)
	}
	if d.call("POST", place+"/close", town, `{"reason":"停业"}`); d.call("POST", place+"/bind-code", town, `{}`).status != 409 {
		t.Error("a code for a closed venue")
	}
	for _, r := range d.rows(audit.Filter{}) {
		if b, _ := json.Marshal(r.Event); strings.Contains(string(b), code.Code) || strings.Contains(string(b), shown[1]) || strings.Contains(string(b), account.ID) {
			t.Errorf("in the audit: %s", b)
		}
	}
	if strings.Contains(d.log.String(), code.Code) {
		t.Error("a code is in the log")
	}
	if n := len(d.rows(audit.Filter{Action: "bind_code.make"})); n != 3 {
		t.Errorf("%d rows of the audit about codes", n)
	}
}

func TestAUnitIsClosedForGood(t *testing.T) {
	d := newDesk(t, access.RoleUnitAdmin, access.RoleTownship)
	unit, town := d.login("unit_admin"), d.login("township")
	made := d.opened(unit, town)
	for _, c := range []struct {
		who, path, body string
		want            int
	}{
		{unit, "unit-a", `{"reason":"停办"}`, 404}, {town, "unit-b", `{"reason":"停办"}`, 404}, {town, "unit-a", `{}`, 422},
		{town, "unit-a", `{"reason":"停办"}`, 200}, {town, "unit-a", `{"reason":"停办"}`, 409},
	} {
		if got := d.call("POST", "/console/units/"+c.path+"/close", c.who, c.body); got.status != c.want {
			t.Errorf("%s %s: %d, want %d: %s", c.path, c.body, got.status, c.want, got.body)
		}
	}
	page := d.browse("GET", "/console/units/unit-a", town, nil)
	if !strings.Contains(page.body, "注销") || strings.Contains(page.body, "/close") || strings.Contains(page.body, "bind-code") {
		t.Errorf("the page of a closed unit: %s", page.body)
	}
	if _, err := d.registry.Resolve(t.Context(), venue.Code(made.Codes[0])); err == nil {
		t.Error("its code is scanned")
	}
	if board := d.call("GET", "/console/board", town, ""); !strings.Contains(board.body, `"state":"exempt"`) {
		t.Errorf("the board: %s", board.body)
	}
	if got := d.call("POST", "/console/units/unit-a/bind-code", town, `{}`); got.status != 409 {
		t.Errorf("a code to report for it: %d", got.status)
	}
	if rows := d.rows(audit.Filter{Action: "unit.close"}); len(rows) != 2 {
		t.Errorf("%d rows of the audit", len(rows))
	}
}

func TestWhatIsMeantIsFoundOrChosen(t *testing.T) {
	d := newDesk(t, access.RoleUnitAdmin, access.RoleTownship)
	unit, town := d.login("unit_admin"), d.login("township")
	made := d.opened(unit, town)
	transfer := "/console/venues/" + made.Venue + "/transfer"
	page := d.browse("POST", transfer, town, url.Values{"csrf": {formToken(town)}, "unit": {"甲"}, "reason": {"机构<改>革"}})
	for _, part := range []string{"甲校金丝雀", "甲分部金丝雀", `name="unit" value="kid-a"`, `name="reason" value="机构&lt;改&gt;革"`, `action="` + transfer + `"`} {
		if page.status != 409 || !strings.Contains(page.body, part) {
			t.Errorf("%d: the page to choose from lacks %s: %s", page.status, part, page.body)
		}
	}
	type candidates struct {
		Error      struct{ Code, Message string }
		Candidates []struct{ ID string }
	}
	if got := decode[candidates](t, d.call("POST", transfer, town, `{"unit":"甲","reason":"机构改革"}`), 409); got.Error.Code != "ambiguous" || len(got.Candidates) != 2 {
		t.Errorf("%+v", got)
	}
	for _, c := range []struct {
		name, path, body string
		want             int
	}{
		{"the beginning of but one name", transfer, `{"unit":"甲分","reason":"机构改革"}`, 409},
		{"one out of scope", transfer, `{"unit":"乙院金丝雀","reason":"机构改革"}`, 404},
		{"a code out of scope", transfer, `{"unit":"B0000000000BBB1Z","reason":"机构改革"}`, 404},
		{"nothing", transfer, `{"unit":"不存在的单位","reason":"机构改革"}`, 404},
		{"a whole name", transfer, `{"unit":"甲分部金丝雀","reason":"机构改革"}`, 200},
		{"what is too long", transfer, `{"unit":"` + strings.Repeat("长", 600) + `","reason":"机构改革"}`, 422},
		{"a venue by a door's link", "/console/venues/" + made.Venue + "/merge", `{"into":"https://code.example.org/v/A0000000000AAA1W","reason":"重复登记"}`, 200},
		{"a unit by a door's code", "/console/units/kid-a/merge", `{"into":"A000-0000-000A-AA1W","reason":"机构改革"}`, 200},
	} {
		if got := d.call("POST", c.path, town, c.body); got.status != c.want {
			t.Errorf("%s: %d, want %d: %s", c.name, got.status, c.want, got.body)
		}
	}
	if u, err := d.registry.Unit(t.Context(), "kid-a"); err != nil || u.Into != "unit-a" {
		t.Errorf("%+v, %v", u, err)
	}
	found := d.browse("GET", "/console/find?q="+url.QueryEscape("甲校"), town, nil)
	for _, part := range []string{"甲校金丝雀", "甲校园金丝雀", "名称中间的字查不到"} {
		if found.status != 200 || !strings.Contains(found.body, part) {
			t.Errorf("%d: the page lacks %s", found.status, part)
		}
	}
}

func TestAVenueIsMendedWithoutNamingItsManagerAgain(t *testing.T) {
	d := newDesk(t, access.RoleUnitAdmin, access.RoleTownship, access.RoleSigner)
	unit, town, signer := d.login("unit_admin"), d.login("township"), d.login("signer")
	made := d.opened(unit, town)
	place := "/console/venues/" + made.Venue
	page := d.browse("GET", place+"/correct", town, nil)
	for part, want := range map[string]bool{"138****4321": true, "司*": true, "不填不改": true, "13887654321": false, "司马青": false, "applicant_name": false, "unit_name": false, `name="doors"`: false} {
		if strings.Contains(page.body, part) != want {
			t.Errorf("the form: %s is there: %t", part, !want)
		}
	}
	form := func(more map[string]any) string {
		return with(map[string]any{"name": "康宁大药房东街总店", "category": "key_place", "place": "410482001", "address": "东街12号"}, more)
	}
	contacts := func(who string) (c struct {
		Full               bool
		Applicant, Manager struct{ Name, Phone string }
	}) {
		got := d.call("GET", place+"/contacts", who, "")
		if got.status != 200 || json.Unmarshal([]byte(got.body), &c) != nil {
			t.Fatalf("%d %s", got.status, got.body)
		}
		return c
	}
	if got := d.call("POST", place+"/correct", town, form(nil)); got.status != 200 {
		t.Fatalf("without a manager: %d %s", got.status, got.body)
	}
	if c := contacts(unit); !c.Full || c.Manager.Phone != "13887654321" || c.Applicant.Name != "欧阳明德" {
		t.Errorf("the unit sees %+v", c)
	}
	if c := contacts(signer); c.Full || c.Manager.Phone != "138****4321" || c.Applicant.Name != "欧*" {
		t.Errorf("the signer sees %+v", c)
	}
	if got := d.call("POST", place+"/correct", town, form(map[string]any{"manager_name": "司马青"})); got.status != 422 || !strings.Contains(got.body, "manager_phone") {
		t.Errorf("half a manager: %d %s", got.status, got.body)
	}
	faulty := d.browse("POST", place+"/correct", town, url.Values{"csrf": {formToken(town)}, "name": {"店"}, "place": {"410482001"}, "address": {"东街12号"}, "category": {"key_place"}})
	if faulty.status != 422 || !strings.Contains(faulty.body, `class="fault">`) || strings.Contains(faulty.body, "unit_name") {
		t.Errorf("the form with a fault: %d %s", faulty.status, faulty.body)
	}
	if got := d.call("POST", place+"/correct", town, form(map[string]any{"manager_name": "诸葛丹", "manager_phone": "13911112222"})); got.status != 200 {
		t.Fatalf("another manager: %d %s", got.status, got.body)
	}
	if c := contacts(town); c.Manager.Phone != "13911112222" || c.Applicant.Phone != "13812345678" {
		t.Errorf("the township sees %+v", c)
	}
	if n := len(d.rows(audit.Filter{Action: "venue.contacts"})); n != 2 {
		t.Errorf("%d looks in the audit, want the unit's and the township's", n)
	}
}
