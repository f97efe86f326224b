package console

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// pharmacy is an application without faults.
var pharmacy = map[string]any{
	"unit_name": "青禾市康宁大药房", "uscc": "91410482MA00000016", "division": "410482001", "name": "康宁大药房东街店", "category": "key_place", "type": "药店",
	"address": "东街12号", "doors": []string{"正门", "后门"}, "applicant_name": "欧阳明德", "applicant_phone": "13812345678", "manager_name": "司马青", "manager_phone": "13887654321",
}

func with(form map[string]any, changes map[string]any) string {
	all := map[string]any{}
	for _, m := range []map[string]any{form, changes} {
		for k, v := range m {
			all[k] = v
		}
	}
	b, _ := json.Marshal(all)
	return string(b)
}

// applied is what a route answers about an application.
type applied struct {
	ID, State, Reason, Venue string
	Codes                    []string
	Form                     map[string]any
}

func decode[T any](t *testing.T, got reply, status int) (v T) {
	t.Helper()
	if got.status != status || json.Unmarshal([]byte(got.body), &v) != nil {
		t.Fatalf("answered %d, want %d: %.400s", got.status, status, got.body)
	}
	return v
}

func TestAUnitAppliesAndItsTownshipDecides(t *testing.T) {
	d := newDesk(t)
	unit, town, signer := d.login("unit_admin"), d.login("township"), d.login("signer")

	draft := decode[applied](t, d.call("POST", "/console/applications", unit, with(pharmacy, map[string]any{"save": true, "uscc": "?"})), 200)
	if draft.State != "draft" {
		t.Fatalf("saved as %s", draft.State)
	}
	path := "/console/applications/" + draft.ID
	if got := d.call("GET", path, town, ""); got.status != 404 {
		t.Errorf("the township reads a draft: %d", got.status)
	}
	sent := decode[applied](t, d.call("POST", "/console/applications", unit, with(pharmacy, map[string]any{"id": draft.ID, "uscc": ""})), 200)
	if sent.ID != draft.ID || sent.State != "pending" {
		t.Fatalf("sent in: %+v", sent)
	}
	if again := d.call("POST", "/console/applications", unit, with(pharmacy, map[string]any{"id": draft.ID, "uscc": "", "address": "西街12号"})); again.status != 409 {
		t.Errorf("changed while it waits: %d", again.status)
	}
	if list := d.call("GET", "/console/applications", town, ""); !strings.Contains(list.body, draft.ID) {
		t.Errorf("the township's list lacks it: %s", list.body)
	}

	seen := decode[applied](t, d.call("GET", path, town, ""), 200)
	if seen.Form["applicant_phone"] != "13812345678" || len(d.rows(audit.Filter{Actor: "township", Action: "application.read"})) != 1 {
		t.Errorf("the township sees %v, and the audit must have it once", seen.Form["applicant_phone"])
	}
	if masked := d.call("GET", path, signer, ""); masked.status != 200 || strings.Contains(masked.body, "13812345678") || strings.Contains(masked.body, "欧阳明德") || !strings.Contains(masked.body, "138****5678") {
		t.Errorf("the signer is shown %s", masked.body)
	}

	if got := d.call("POST", path+"/reject", town, `{"reason":" "}`); got.status != 422 {
		t.Errorf("sent back without a reason: %d", got.status)
	}
	if got := d.call("POST", path+"/reject", town, `{"reason":"请联系13812345678"}`); got.status != 422 {
		t.Errorf("sent back with somebody's number: %d", got.status)
	}
	decode[applied](t, d.call("POST", path+"/reject", town, `{"reason":"门牌号不完整"}`), 200)
	back := decode[applied](t, d.call("GET", path, unit, ""), 200)
	if back.State != "rejected" || back.Reason != "门牌号不完整" || back.Form["address"] != "东街12号" {
		t.Errorf("sent back: %+v", back)
	}
	decode[applied](t, d.call("POST", "/console/applications", unit, with(pharmacy, map[string]any{"id": draft.ID, "uscc": "", "address": "东街12号1层"})), 200)
	made := decode[applied](t, d.call("POST", path+"/approve", town, `{}`), 200)
	if made.State != "approved" || len(made.Codes) != 2 || made.Venue == "" {
		t.Fatalf("approved: %+v", made)
	}
	if twice := decode[applied](t, d.call("POST", path+"/approve", town, `{}`), 200); !slices.Equal(twice.Codes, made.Codes) {
		t.Errorf("approved twice: %v, then %v", made.Codes, twice.Codes)
	}
	if got := d.call("GET", path, town, ""); strings.Contains(got.body, "13812345678") {
		t.Error("an approved application still shows whom to reach")
	}

	place := "/console/venues/" + made.Venue
	for _, step := range []struct {
		who, path, body string
		want            int
	}{
		{unit, "/suspend", `{"reason":"装修"}`, 404}, // who was suspended does not resume itself
		{town, "/suspend", `{"reason":"装修"}`, 200},
		{town, "/suspend", `{"reason":"装修"}`, 409},
		{town, "/resume", `{"reason":"装修结束"}`, 200},
		{unit, "/doors", `{"name":"侧门"}`, 200},
		{unit, "/doors", `{"name":"侧门"}`, 409},
		{unit, "/doors", `{"name":""}`, 422},
		{unit, "/doors", `{"name":"新门","code":"0123456789ABCDEFGH"}`, 422},
		{unit, "/doors/rename", `{"door":"` + made.Codes[1] + `","name":"货运门"}`, 200},
		{town, "/close", `{"door":"` + made.Codes[1] + `","reason":"已封闭"}`, 200},
		{town, "/transfer", `{"unit":"unit-b","reason":"机构改革"}`, 404},
		{town, "/transfer", `{"unit":"kid-a","reason":"机构改革"}`, 200},
		{town, "/merge", `{"into":"venue-unit-a","reason":"重复登记"}`, 200},
		{town, "/close", `{"reason":"停业"}`, 409},
	} {
		if got := d.call("POST", place+step.path, step.who, step.body); got.status != step.want {
			t.Errorf("%s %s: %d, want %d: %s", step.path, step.body, got.status, step.want, got.body)
		}
	}
	history := d.browse("GET", place, town, nil)
	for _, act := range []string{"登记", "停用", "恢复", "增加出入口", "出入口更名", "注销", "转移", "合并", "机构改革"} {
		if !strings.Contains(history.body, act) {
			t.Errorf("the history lacks %s", act)
		}
	}
	if n := len(d.rows(audit.Filter{Actor: "township", Object: audit.Object{Kind: "venue", ID: made.Venue}})); n != 7 {
		t.Errorf("%d rows of the audit about the venue", n)
	}
	for _, r := range d.rows(audit.Filter{}) {
		if b, _ := json.Marshal(r.Event); strings.Contains(string(b), "13812345678") || strings.Contains(string(b), "欧阳明德") {
			t.Errorf("somebody's number is in the audit: %s", r.Event.Action)
		}
	}
}

func TestAFormWithFaultsComesBackAsItWasTyped(t *testing.T) {
	d := newDesk(t, access.RoleUnitAdmin)
	unit := d.login("unit_admin")
	got := d.call("POST", "/console/applications", unit, with(pharmacy, map[string]any{"uscc": "91410482", "doors": []string{"正门", "正门"}, "manager_phone": "1234"}))
	faults := decode[struct {
		Error struct {
			Code   string
			Fields []struct{ Field, Reason, Message string }
		}
	}](t, got, 422).Error
	var fields []string
	for _, f := range faults.Fields {
		fields = append(fields, f.Field+" "+f.Reason)
		if f.Message == "" {
			t.Errorf("%s has no sentence", f.Field)
		}
	}
	slices.Sort(fields)
	if want := []string{"doors twice", "manager_phone shape", "uscc shape"}; faults.Code != "invalid_form" || !slices.Equal(fields, want) {
		t.Errorf("faults %v, want %v", fields, want)
	}
	page := d.browse("POST", "/console/applications", unit, url.Values{"csrf": {formToken(unit)}, "name": {`药房"><script>`}, "doors": {"南门\r\n北 门"}, "uscc": {"91410482"}})
	for _, typed := range []string{`药房&#34;&gt;&lt;script&gt;`, "南门\n北 门", "91410482", "应为 18 位", "未填写"} {
		if page.status != 422 || !strings.Contains(page.body, typed) {
			t.Errorf("%d: the page lacks %s", page.status, typed)
		}
	}
	if n := len(decode[struct{ Applications []any }](t, d.call("GET", "/console/applications", unit, ""), 200).Applications); n != 2 {
		t.Errorf("%d applications are kept, want the two that were there", n)
	}
}

func TestAUnitWhoseNumberNeedsProofWaitsForIt(t *testing.T) {
	d := newDesk(t)
	town := d.login("township")
	// The check character is wrong: everything else is as it should be.
	id := "AAAAAAAAAAAAAAAAAAAAAA"
	form := formOf(t, with(pharmacy, map[string]any{"uscc": "91410482MA00000017"}))
	a, faults, err := d.h.Applying.Submit(t.Context(), id, form, registry.Sender{Channel: "form"})
	if err != nil || len(faults) > 0 || !a.Proof {
		t.Fatalf("sent in: %+v %v %v", a.Proof, faults, err)
	}
	made := decode[struct{ Unit, Venue string }](t, d.call("POST", "/console/applications/"+id+"/approve", town, `{}`), 200)
	status := func() string {
		return decode[struct{ Status string }](t, d.call("GET", "/console/venues/"+made.Venue, town, ""), 200).Status
	}
	if got := status(); got != "pending" {
		t.Errorf("before the proof the venue is %s", got)
	}
	if got := d.call("POST", "/console/units/"+made.Unit+"/prove", town, `{"reason":"已核对营业执照原件"}`); got.status != 200 {
		t.Fatalf("prove: %d %s", got.status, got.body)
	}
	if got := status(); got != "active" {
		t.Errorf("after the proof the venue is %s", got)
	}
	if page := d.browse("GET", "/console/units/"+made.Unit+"/history", town, nil); !strings.Contains(page.body, "核对证件") {
		t.Errorf("the history lacks the proof: %s", page.body)
	}
}

func formOf(t *testing.T, fields string) (f registry.Form) {
	t.Helper()
	if err := json.Unmarshal([]byte(fields), &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestTheTerritoryOfAVenueDecides: whoever's unit it is, an application is opened and
// decided by whom it is listed for, and by nobody else (属地).
func TestTheTerritoryOfAVenueDecides(t *testing.T) {
	d := newDesk(t)
	rows := store.NewCollection[store.ApplicationRow](d.engine, store.Applications)
	for unit, division := range map[venue.UnitID]string{"unit-a": "410482002", "unit-b": "410482001", "kid-b": "410482003"} { // a mall's branch in another town
		if err := rows.Insert(t.Context(), "branch-of-"+string(unit), store.ApplicationRow{State: string(registry.StatePending), UnitName: "总部", Name: "分店",
			Division: division, Category: venue.CategoryOther, Channel: "console", Unit: string(unit), At: d.civil.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := rows.All(t.Context(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	decides := map[string]string{"branch-of-unit-a": "township-b", "branch-of-unit-b": "township-a", "branch-of-kid-b": ""}
	for _, side := range []string{"a", "b"} {
		for _, r := range access.Roles() {
			if r == access.RoleProvince {
				continue
			}
			user := string(r) + "-" + side
			d.add(user, user, grantOn(side, r))
			token := d.login(user)
			listed := ""
			for _, state := range []string{"pending", "rejected"} {
				listed += d.call("GET", "/console/applications?state="+state, token, "").body
			}
			for _, row := range all {
				path := "/console/applications/" + row.ID
				opened := d.call("GET", path, token, "").status == 200
				if opened != strings.Contains(listed, `"`+row.ID+`"`) {
					t.Errorf("%s: %s opens: %t, against the list", user, row.ID, opened)
				}
				// Without a reason nothing comes of it.
				if decided := d.call("POST", path+"/reject", token, `{}`).status == 422; decided && !opened || r == access.RoleTownship && decided != opened {
					t.Errorf("%s: %s is decided: %t", user, row.ID, decided)
				}
				if who, branch := decides[row.ID]; branch && r == access.RoleTownship && opened != (who == user) {
					t.Errorf("%s: the branch %s opens: %t", user, row.ID, opened)
				}
			}
		}
	}
}

// TestAPersonsNumberHangsAtNoDoor: whoever fills in one where all may read it is told
// which field it is.
func TestAPersonsNumberHangsAtNoDoor(t *testing.T) {
	d := newDesk(t, access.RoleUnitAdmin, access.RoleTownship)
	unit, town := d.login("unit_admin"), d.login("township")
	type refused struct {
		Error struct{ Reason, Message string }
	}
	const phone = "139 1234 5678"
	for field, value := range map[string]any{"unit_name": "张记" + phone, "name": "张记" + phone, "zone": phone, "address": "东街12号" + phone, "doors": []string{"正门", phone}} {
		got := d.call("POST", "/console/applications", unit, with(pharmacy, map[string]any{"uscc": "", field: value}))
		if got.status != 422 || !strings.Contains(got.body, `"`+field+`"`) || !strings.Contains(got.body, `"private"`) || !strings.Contains(got.body, "含有疑似证件号码或手机号") {
			t.Errorf("%s: %d %s", field, got.status, got.body)
		}
	}
	made := d.opened(unit, town)
	place := "/console/venues/" + made.Venue
	for path, body := range map[string]string{"/doors": `{"name":"` + phone + `"}`, "/doors/rename": `{"door":"` + made.Codes[0] + `","name":"` + phone + `"}`} {
		if got := decode[refused](t, d.call("POST", place+path, town, body), 422); got.Error.Reason != "private" || !strings.Contains(got.Error.Message, "出入口名称含有疑似证件号码或手机号") {
			t.Errorf("%s: %+v", path, got)
		}
	}
	if page := d.browse("POST", place+"/doors", town, url.Values{"csrf": {formToken(town)}, "name": {phone}}); page.status != 422 || !strings.Contains(page.body, "出入口名称含有疑似证件号码或手机号") {
		t.Errorf("the page: %d %s", page.status, page.body)
	}
}
