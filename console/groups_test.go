package console

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

const hook = "693a91f6-7a0c-4bc4-97a0-0ec2sifa5aaa"

// TestAWebhookGoesInAndNeverComesOut: into the store sealed, and into no answer, page,
// log or row of the audit.
func TestAWebhookGoesInAndNeverComesOut(t *testing.T) {
	d := newDesk(t, access.RoleChecker, access.RoleTownship)
	checker, town := d.login("checker"), d.login("township")
	var given []string
	seal := d.h.SealWebhook
	d.h.SealWebhook = func(key string) ([]byte, error) {
		given = append(given, key)
		return seal(key)
	}
	add := func(id, webhook, division string) reply {
		t.Helper()
		body, _ := json.Marshal(map[string]string{"id": id, "name": "新建群", "division": division, "sector": "商贸", "webhook": webhook})
		return d.call("POST", "/console/groups", checker, string(body))
	}
	answers := ""
	for name, c := range map[string]struct{ id, webhook, division, says string }{
		"no number":            {"", hook, "410482001", "群编号"},
		"a number with blanks": {"wr 1", hook, "410482001", "群编号"},
		"no webhook":           {"wr1", "", "410482001", "消息推送地址"},
		"half a webhook":       {"wr1", hook[:9], "410482001", "消息推送地址"},
		"another side":         {"wr1", hook, "410482002", "区划"},
		"the whole county":     {"wr1", hook, "410482", "区划"},
	} {
		form := url.Values{"csrf": {formToken(checker)}, "id": {c.id}, "name": {"新建群"}, "division": {c.division}, "webhook": {c.webhook}}
		shown := d.browse("POST", "/console/groups", checker, form)
		got := add(c.id, c.webhook, c.division)
		if answers += shown.body + got.body; got.status != 422 || !strings.Contains(shown.body, c.says) {
			t.Errorf("%s: %d %s", name, got.status, shown.body)
		}
	}
	made := add("wrNew_1", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key="+hook, "410482001")
	if group := decode[groupRow](t, made, 200); group.ID != "wrNew_1" || group.Division != "410482001" || group.Sector != "商贸" {
		t.Errorf("%+v", group)
	}
	again := add("wrNew_1", hook, "410482001")
	if again.status != 409 || !strings.Contains(again.body, "group_exists") {
		t.Errorf("twice: %d %s", again.status, again.body)
	}
	sealed := func() []byte {
		t.Helper()
		g, err := d.registry.Group(t.Context(), "wrNew_1")
		if err != nil {
			t.Fatal(err)
		}
		return g.Webhook
	}
	was := sealed()
	if given[0] != hook || len(was) == 0 || strings.Contains(string(was), hook) {
		t.Fatalf("sealed is %q", given)
	}
	changed := d.call("POST", "/console/groups/wrNew_1", checker, `{"name":"改名群","division":"410482001"}`)
	if got, err := d.registry.Group(t.Context(), "wrNew_1"); changed.status != 200 || got.Name != "改名群" || got.Sector != "" || string(got.Webhook) != string(was) {
		t.Errorf("%d: %+v, %v", changed.status, got, err)
	}
	if got := d.call("POST", "/console/groups/wrNew_1", checker, `{"name":"改名群","division":"410482001","webhook":"`+strings.ToUpper(hook)+`"}`); got.status != 200 || string(sealed()) == string(was) {
		t.Errorf("another webhook: %d", got.status)
	}
	if got := d.call("POST", "/console/groups/group-all", checker, `{"name":"改名群","division":"410482001"}`); got.status != 404 {
		t.Errorf("a larger division's: %d", got.status)
	}
	for _, session := range []string{checker, town} {
		for _, page := range []string{"/console/groups", "/console/groups/wrNew_1", "/console/ungrouped", "/console/units/unit-a"} {
			shown := d.browse("GET", page, session, nil)
			if answers += shown.body + d.call("GET", page, session, "").body; shown.status != 200 || !strings.Contains(shown.body, "改名群") && page != "/console/ungrouped" {
				t.Errorf("%s: %d %s", page, shown.status, shown.body)
			}
		}
	}
	var noted []string
	for _, row := range d.rows(audit.Filter{Object: audit.Object{Kind: "group", ID: "wrNew_1"}}) {
		noted = append(noted, row.Event.Action+" "+row.Event.Details["webhook"])
	}
	if got := strings.Join(noted, ", "); got != "group.change new, group.change , group.add new, group.add new" {
		t.Errorf("the audit: %s", got)
	}
	for _, row := range d.rows(audit.Filter{}) {
		answers += fmt.Sprintf("%+v", row)
	}
	answers += made.body + again.body + changed.body + d.log.String()
	if strings.Contains(strings.ToLower(answers), hook) {
		t.Error("the webhook is told")
	}
}

// TestAFaultOfADutyOrAGroupIsNamed: on a page, by the words beside its field.
func TestAFaultOfADutyOrAGroupIsNamed(t *testing.T) {
	d := newDesk(t, access.RoleChecker)
	token := d.login("checker")
	group := func(name string) url.Values {
		return url.Values{"id": {"wr1"}, "name": {name}, "division": {"410482001"}, "webhook": {hook}}
	}
	many := url.Values{"ids[]": slices.Repeat([]string{"unit-a"}, mostNamed+1), "duty": {"covered"}}
	for says, c := range map[string]struct {
		path string
		form url.Values
	}{
		"群名称长度不符合要求":      {"/console/groups", group("群")},
		"群名称含有疑似证件号码或手机号": {"/console/groups", group("请打13912345678")},
		"免报的最后一天不能为空":     {"/console/units/unit-a/duty", url.Values{"duty": {"exempt"}, "until": {""}, "reason": {"停业"}}},
		"免报的最后一天最早是今天（已过截止时间的，是明天），最晚是一年以后": {"/console/units/unit-a/duty", url.Values{"duty": {"exempt"}, "until": {"2022-05-01"}, "reason": {"停业"}}},
		"上报群不能为空":      {"/console/units/unit-a/duty", url.Values{"duty": {"reports"}, "group": {""}}},
		"请先勾选要办理的":     {"/console/duties", url.Values{"duty": {"covered"}}},
		"一次最多办理 500 个": {"/console/duties", many},
	} {
		c.form.Set("csrf", formToken(token))
		if got := d.browse("POST", c.path, token, c.form); got.status != 422 || !strings.Contains(got.body, says) {
			t.Errorf("%s: %d %s", says, got.status, got.body)
		}
	}
	if page := d.browse("GET", "/console/groups", token, nil); strings.Contains(page.body, "姓名") {
		t.Error("a group is asked for its 姓名")
	}
}

func TestAGroupIsSuggestedByDivisionAndSector(t *testing.T) {
	group := func(id venue.GroupID, d venue.Division, sector string) venue.Group {
		return venue.Group{ID: id, Division: d, Sector: sector}
	}
	city, town, other := group("city", "410400", ""), group("town", "410482001", ""), group("other", "410482002", "")
	schools, townSchools := group("schools", "410400", "教育"), group("town-schools", "410482001", "教育")
	for name, c := range map[string]struct {
		sectors []string
		groups  []venue.Group
		want    venue.GroupID
	}{
		"none":                                 {nil, nil, ""},
		"of another town":                      {nil, []venue.Group{other}, ""},
		"of another sector":                    {[]string{"卫健"}, []venue.Group{schools, townSchools}, ""},
		"the narrowest":                        {nil, []venue.Group{city, town, other}, "town"},
		"of its sector":                        {[]string{"教育"}, []venue.Group{city, schools}, "schools"},
		"of its sector, whatever comes first":  {[]string{"教育"}, []venue.Group{schools, city}, "schools"},
		"of its town before that of a sector":  {[]string{"教育"}, []venue.Group{schools, town}, "town"},
		"of its sector in its town":            {[]string{"商贸", "教育"}, []venue.Group{schools, town, townSchools}, "town-schools"},
		"of two, the first by id, as they are": {nil, []venue.Group{group("a", "410482001", ""), group("b", "410482001", "")}, "a"},
	} {
		if got := suggest(venue.Unit{Division: "410482001", Sectors: c.sectors}, c.groups); got.ID != c.want {
			t.Errorf("%s: %q, want %q", name, got.ID, c.want)
		}
	}
}

// TestFiveHundredUnitsComeIntoAGroupAtOnce, each as if alone.
func TestFiveHundredUnitsComeIntoAGroupAtOnce(t *testing.T) {
	d := newDesk(t, access.RoleTownship, access.RoleUnitAdmin)
	town := d.login("township")
	var in store.Registered
	var ids []string
	for i := range 498 {
		u := venue.Unit{ID: venue.UnitID(fmt.Sprintf("shop%03d", i)), Name: fmt.Sprintf("第%d商店", i), Division: "410482001", Sectors: []string{"教育"}, Duty: venue.DutyExempt}
		in.Units, ids = append(in.Units, u), append(ids, string(u.ID))
	}
	in.Units = append(in.Units, venue.Unit{ID: "unproved", Name: "待核商店", Division: "410482001", Duty: venue.DutyExempt, Status: venue.StatusPending})
	if err := d.registry.Put(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	list := decode[ungroupedList](t, d.call("GET", "/console/ungrouped", town, ""), 200)
	if len(list.Units) != unitsPage || list.Next == "" || list.Units[0].Suggested == nil || list.Units[0].Suggested.ID != "group-a" {
		t.Errorf("%d units, %+v", len(list.Units), list.Units[0])
	}
	page := d.browse("GET", "/console/ungrouped", town, nil).body
	if !strings.Contains(page, `<option value="group-a" selected>`) || strings.Contains(page, `<option value="group-all" selected>`) {
		t.Error("what is suggested for all is not chosen")
	}
	if left := d.call("POST", "/console/duties", town, `{"ids":["shop000","unit-b"],"duty":"reports","group":"group-a"}`); left.status != 404 {
		t.Errorf("with another town's unit: %d", left.status)
	}

	form := url.Values{"csrf": {formToken(town)}, "duty": {"reports"}, "group": {"group-a"}, "ids[]": append(ids, "unproved", "unit-a")}
	shown := d.browse("POST", "/console/duties", town, form)
	if shown.status != 200 || !strings.Contains(shown.body, "已办理 498 家") || !strings.Contains(shown.body, "待核商店") || !strings.Contains(shown.body, "甲校金丝雀") {
		t.Errorf("%d %s", shown.status, shown.body)
	}
	for _, id := range ids {
		u, err := d.registry.Unit(t.Context(), venue.UnitID(id))
		if err != nil || u.Group != "group-a" || u.DutyFrom != d.h.today()+1 || u.DutyOn(d.h.today()) != venue.DutyExempt {
			t.Fatalf("%+v, %v", u, err)
		}
	}
	if rows := d.rows(audit.Filter{Object: audit.Object{Kind: "unit", ID: ids[7]}}); len(rows) != 1 || rows[0].Event.Action != "unit.duty" || rows[0].Event.Details["group"] != "group-a" {
		t.Errorf("the audit: %+v", rows)
	}
	list = decode[ungroupedList](t, d.call("GET", "/console/ungrouped", town, ""), 200)
	if len(list.Units) != 1 || list.Units[0].ID != "unproved" || list.Units[0].Status != venue.StatusPending {
		t.Errorf("left: %+v", list)
	}
	too := map[string]any{"ids": append(ids, "unproved", "unit-a", "kid-a"), "duty": "covered"}
	body, _ := json.Marshal(too)
	for name, body := range map[string]string{"too many": string(body), "none": `{"duty":"covered"}`, "no duty": `{"ids":["unit-a"]}`, "no group": `{"ids":["unit-a"],"duty":"reports"}`} {
		if got := d.call("POST", "/console/duties", town, body); got.status != 422 {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
}

func TestHowAUnitReportsIsSetOnItsPage(t *testing.T) {
	d := newDesk(t, access.RoleTownship, access.RoleUnitAdmin)
	town, unit := d.login("township"), d.login("unit_admin")
	today := d.h.today()
	set := func(body string) reply {
		t.Helper()
		return d.call("POST", "/console/units/kid-a/duty", town, body)
	}
	is := func() unitPage {
		t.Helper()
		return decode[unitPage](t, d.call("GET", "/console/units/kid-a", town, ""), 200)
	}
	for name, body := range map[string]string{
		"an exemption without a reason":    fmt.Sprintf(`{"duty":"exempt","until":%q}`, today+1),
		"without a last day":               `{"duty":"exempt","reason":"停业装修"}`,
		"whose last day is past":           fmt.Sprintf(`{"duty":"exempt","reason":"停业装修","until":%q}`, today-1),
		"whose last day is years ahead":    fmt.Sprintf(`{"duty":"exempt","reason":"停业装修","until":%q}`, today+400),
		"no such duty":                     `{"duty":"rests"}`,
		"a reason that is hardly one":      `{"duty":"covered","reason":"-"}`,
		"a reason in invisible characters": `{"duty":"covered","reason":"停\u202e业"}`,
	} {
		if got := set(body); got.status != 422 || is().Duty != venue.DutyReports {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if got := set(fmt.Sprintf(`{"duty":"exempt","reason":"停业装修","until":%q}`, today+3)); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if u := is(); u.Duty != venue.DutyExempt || u.DutyReason != "停业装修" || u.DutyUntil != today+3 || u.Group == nil || u.Group.ID != "group-a" {
		t.Errorf("exempt: %+v", u)
	}
	d.civil.ms.Add(4 * 24 * 3600_000)
	town = d.login("township")
	if u := is(); u.Duty != venue.DutyReports || u.DutyReason != "" || u.DutyUntil != 0 {
		t.Errorf("afterwards: %+v", u)
	}
	if got := set(`{"duty":"covered"}`); got.status != 200 || is().Duty != venue.DutyCovered {
		t.Errorf("covered: %d %s", got.status, got.body)
	}
	if got := set(`{"duty":"covered"}`); got.status != 409 {
		t.Errorf("covered twice: %d", got.status)
	}
	if got := d.call("POST", "/console/units/unit-a/duty", town, `{"duty":"covered"}`); got.status != 409 || !strings.Contains(got.body, "register_above") {
		t.Errorf("covered by nobody: %d %s", got.status, got.body)
	}
	if got := set(`{"duty":"reports","group":"group-all"}`); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if u := is(); u.Duty != venue.DutyCovered || u.DutyFrom != d.h.today()+1 || u.Group.ID != "group-all" {
		t.Errorf("in another group: %+v", u)
	}
	page := d.browse("GET", "/console/units/kid-a", town, nil).body
	if !strings.Contains(page, "自行上报，自 "+(d.h.today()+1).String()) || !strings.Contains(page, "确定报送方式") {
		t.Error(page)
	}
	if page := d.browse("GET", "/console/units/unit-a", unit, nil).body; strings.Contains(page, "确定报送方式") || strings.Contains(page, "甲群") {
		t.Error("a unit decides about itself")
	}
	history := decode[struct{ Changes []struct{ Act, By string } }](t, d.call("GET", "/console/units/kid-a/history", town, ""), 200)
	var acts []string
	for _, c := range history.Changes {
		acts = append(acts, c.Act+" "+c.By)
	}
	if got := strings.Join(acts, ", "); got != "group township, cover township, exempt township" {
		t.Errorf("its history: %s", got)
	}
	d.h.Applying.Late = func(venue.Day, time.Time) bool { return true }
	body := fmt.Sprintf(`{"duty":"exempt","reason":"停业装修","until":%q}`, d.h.today()+3)
	if got := d.call("POST", "/console/units/unit-a/duty", town, body); got.status != 200 {
		t.Fatalf("behind the deadline: %d %s", got.status, got.body)
	}
	u := decode[unitPage](t, d.call("GET", "/console/units/unit-a", town, ""), 200)
	if u.Duty != venue.DutyReports || u.DutyFrom != d.h.today()+1 || u.DutyNext != venue.DutyExempt {
		t.Errorf("exempt from tomorrow: %+v", u)
	}
	if page := d.browse("GET", "/console/units/unit-a", town, nil).body; !strings.Contains(page, "；免报，自 "+(d.h.today()+1).String()) {
		t.Error(page)
	}
}
