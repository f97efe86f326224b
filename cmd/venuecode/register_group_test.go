package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const (
	teaHouse = "青禾云岭茶业有限公司"
	teaGroup = "g-biz"
	teaStaff = "t901" // who reports for it
)

// unitShown is a unit as the console shows it.
type unitShown struct {
	Duty     string
	Reason   string `json:"duty_reason"`
	From     string `json:"duty_from"`
	Group    struct{ ID, Name string }
	Division string
}

// assigned is what became of several units.
type assigned struct {
	Assigned int
	Units    []struct{ ID, Refusal string }
}

func (d *town) assigns(user string, body object) (a assigned) {
	d.t.Helper()
	d.does(user, "/console/duties", body).json(d.t, &a)
	return a
}

// aUnitComesIntoAGroup: it applies, is approved, and a township puts it into a group.
// It is due from the next day on.
func aUnitComesIntoAGroup(t *testing.T, d *town) (unit, code string) {
	form, id := gym(), d.applyID()
	for field, value := range map[string]string{"id": id, "unit_name": teaHouse, "uscc": uscc(900_001), "sectors": "商贸", "name": "云岭茶庄", "type": "茶叶店", "address": "文昌路102号一楼", "doors": "正门"} {
		form.Set(field, value)
	}
	wantText(t, "the application", d.fills("/apply/new", form).body, "等待审核")
	var made applied
	d.does("township", "/console/applications/"+id+"/approve", object{}).json(t, &made)
	path := "/console/units/" + made.Unit

	// Nobody expects a number of it yet, and it is on the list of those.
	is := func() unitShown { t.Helper(); return shown[unitShown](d, "township", path) }
	want(t, "at first", say(is().Duty, is().Reason), "exempt 尚未编入上报群")
	waiting := func() (suggested string, waits bool) {
		t.Helper()
		for _, u := range shown[struct {
			Units []struct {
				ID        string
				Suggested struct{ ID string }
			}
		}](d, "township", "/console/ungrouped").Units {
			if u.ID == made.Unit {
				return u.Suggested.ID, true
			}
		}
		return "", false
	}
	suggested, waits := waiting()
	want(t, "on the list", say(waits, suggested), "true "+teaGroup)
	wantText(t, "the page", d.page("township", "/console/ungrouped"), teaHouse, "企业与商贸单位办公室主任群")

	// Who reports for it is bound, and told that there is nothing to do.
	var bind struct{ Send string }
	d.does("township", path+"/bind-code", object{}).json(t, &bind)
	wantText(t, "the reporter's greeting", d.alone(teaStaff, wecomChat, bind.Send), "绑定成功")
	wantText(t, "while it is exempt", d.inGroup(teaGroup, teaStaff, "上报 5"), "目前免报")

	// The township puts it into the group; who may not, does not.
	in := object{"ids": []string{made.Unit}, "duty": "reports", "group": teaGroup}
	elsewhere := d.units()["青禾职业技术学校"] // in another town
	for name, r := range map[string]reply{
		"a unit":                    d.as("unit", http.MethodPost, "/console/duties", in),
		"with another town's unit":  d.as("township", http.MethodPost, "/console/duties", object{"ids": []string{made.Unit, elsewhere}, "duty": "reports", "group": teaGroup}),
		"into no group":             d.as("township", http.MethodPost, "/console/duties", object{"ids": []string{made.Unit}, "duty": "reports", "group": "g-none"}),
		"another town's unit alone": d.as("township", http.MethodPost, "/console/units/"+elsewhere+"/duty", in),
	} {
		want(t, name, r.status, http.StatusNotFound)
	}
	want(t, "after what was refused", is().Duty, "exempt")
	if a := d.assigns("township", in); a.Assigned != 1 || a.Units[0].Refusal != "" {
		t.Errorf("put into a group: %+v", a)
	}
	if a := d.assigns("township", in); a.Assigned != 0 || !strings.Contains(a.Units[0].Refusal, "已经是这个状态") {
		t.Errorf("and again: %+v", a)
	}
	tomorrow := d.now().AddDate(0, 0, 1).Format("2006-01-02")
	want(t, "then", say(is().Duty, is().From, is().Group.ID), "exempt "+tomorrow+" "+teaGroup)
	_, waits = waiting()
	want(t, "still on the list", waits, false)
	if h := shown[struct{ Changes []change }](d, "township", path+"/history").Changes; !slices.Contains(h, change{"group", "township", ""}) {
		t.Errorf("its history: %v", h)
	}
	want(t, "the audit", fmt.Sprint(d.acted("unit:"+made.Unit)), "[township bind_code.make township unit.duty township unit.duty]")
	wantText(t, "the reporter, today", d.inGroup(teaGroup, teaStaff, "上报 5"), "起每日上报")
	want(t, "on the board", d.stands(made.Unit), "exempt")

	// Headquarters rename the group; its message push stays, and is never shown.
	d.does("checker", "/console/groups/"+teaGroup, object{"name": "商贸单位群", "division": "419981", "sector": "商贸"})
	for _, user := range []string{"checker", "township"} {
		for _, page := range []string{"/console/groups", "/console/groups/" + teaGroup} {
			wantText(t, page+" of "+user, d.page(user, page), "商贸单位群", teaGroup)
			wantNo(t, page+" of "+user, d.page(user, page)+d.as(user, http.MethodGet, page, nil).body, d.keys().Webhooks[teaGroup])
		}
	}
	want(t, "a township changes the city's group", d.as("township", http.MethodPost, "/console/groups/"+teaGroup, object{"name": "别的名字", "division": "419981"}).status, http.StatusNotFound)
	return made.Unit, made.Codes[0]
}

// TestAUnitReportsFromTheDayAfterItCameIntoAGroup, is reminded and judged like the
// others, and not before.
func TestAUnitReportsFromTheDayAfterItCameIntoAGroup(t *testing.T) {
	d := quietTown(t)
	d.at("15:45:00") // the last reminder of the day and the digest are still to come
	unit, code := aUnitComesIntoAGroup(t, d)
	d.at("15:50:00")
	until(t, tooLong, "the last reminder of today", func() bool { return len(d.pushed(teaGroup, "reminder")) > 0 })
	d.at("16:10:00")
	until(t, tooLong, "today's digest", func() bool { return len(d.pushed(teaGroup, "digest")) > 0 })
	today := d.pushed(teaGroup, "reminder")
	for _, said := range append(today, d.pushed(teaGroup, "digest")...) {
		wantNo(t, "what is said today", said, teaHouse)
	}

	d.pass("22h50m") // 15:00 of the next day
	reminded := soon(t, "the first reminder of the next day", func() []string { return d.pushed(teaGroup, "reminder")[len(today):] })
	wantText(t, "the reminder", reminded[0], teaHouse)
	for _, m := range d.heard("/sim/groups/" + teaGroup) {
		if m.Text == reminded[0] && !slices.Contains(m.Mentions, teaStaff) {
			t.Errorf("the reminder calls %v", m.Mentions)
		}
	}
	who := d.loginOf("checker")
	d.sessions["checker"] = d.logIn("checker", who.Password, codeOf(t, who.TOTP, 1))
	want(t, "on the board", d.stands(unit), "missing")
	wantText(t, "who is missing", d.inGroup(teaGroup, teaStaff, "未报"), teaHouse)

	d.scan(d.phone("wechat", d.view.Residents[30]), d.hung(code), nil)
	wantText(t, "the report", d.inGroup(teaGroup, teaStaff, "上报 1"), teaHouse, "1")
	verdict := soon(t, "the verdict", func() []string { return d.told(teaStaff, "【核查】") })
	wantText(t, "the verdict", verdict[0], "一致")
	want(t, "on the board", d.stands(unit), "reported")
}
