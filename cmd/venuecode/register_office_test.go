package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/venuecode/venuecode/venue"
)

// stands is a unit as the board of today has it, "" if it is not there.
func (d *town) stands(unit string) string {
	d.t.Helper()
	for _, row := range shown[struct {
		Rows []struct{ Unit, State string }
	}](d, "checker", "/console/board").Rows {
		if row.Unit == unit {
			return row.State
		}
	}
	return ""
}

func aUnitCloses(t *testing.T, d *town) {
	const name, uscc = "青禾纺织有限公司", "91419981MA0005384P"
	unit := d.units()[name]
	places := d.placesOf(unit)
	phone, gate := d.phone("wechat", d.view.Residents[45]), d.doorOf("青禾纺织厂区")
	d.scan(phone, gate, nil)
	want(t, "on the board", d.stands(unit), "missing")
	due := shown[struct{ Due int }](d, "checker", "/console/board").Due

	path := "/console/units/" + unit + "/close"
	want(t, "without a reason", d.as("checker", http.MethodPost, path, object{"reason": ""}).status, http.StatusUnprocessableEntity)
	want(t, "in another town", d.as("township", http.MethodPost, path, object{"reason": "工厂关停"}).status, http.StatusNotFound)
	d.does("checker", path, object{"reason": "工厂关停"})
	d.scanned(phone, gate, http.StatusNotFound)
	for place, id := range places {
		is := d.place(id)
		want(t, place, is.Status+" "+is.History[0].Act+" "+is.History[0].Reason, "closed close 工厂关停")
	}
	want(t, "due", shown[struct{ Due int }](d, "checker", "/console/board").Due, due-1)
	if state := d.stands(unit); state != "exempt" && state != "" {
		t.Errorf("on the board it is %s", state)
	}
	wantText(t, "who reported for it", d.alone("s065", wecomChat, "上报 5"), "还没有绑定单位")
	page := d.page("checker", "/console/units/"+unit)
	wantText(t, "its page", page, name, "已注销")
	history := shown[struct{ Changes []change }](d, "checker", "/console/units/"+unit+"/history").Changes
	if !slices.Contains(history, change{"close", "checker", "工厂关停"}) {
		t.Errorf("its history: %v", history)
	}
	want(t, "the audit", fmt.Sprint(d.acted("unit:"+unit)), "[checker unit.close 工厂关停]")
	if r := d.as("checker", http.MethodPost, path, object{"reason": "再次关停"}); r.status != http.StatusConflict {
		t.Errorf("closed twice: %d %s", r.status, r.body)
	}

	// Its number is registered again, as another unit with other codes.
	form, id := gym(), d.applyID()
	for field, value := range map[string]string{"id": id, "unit_name": "青禾新纺有限公司", "uscc": uscc, "division": "419981102", "sectors": "工业",
		"name": "新纺厂区", "category": "organisation", "type": "工厂", "address": "工业路16号东院", "doors": "东门"} {
		form.Set(field, value)
	}
	wantText(t, "the application", d.fills("/apply/new", form).body, "等待审核")
	var made applied
	d.does("checker", "/console/applications/"+id+"/approve", object{}).json(t, &made)
	if made.State != "approved" || made.Unit == "" || made.Unit == unit {
		t.Fatalf("registered again: %+v", made)
	}
	want(t, "where a phone is", d.scanned(phone, d.hung(made.Codes[0]), http.StatusOK).Venue, "新纺厂区")
	want(t, "whose number it is", d.finds("checker", uscc).Units[0].ID, made.Unit)
	want(t, "the code of the old one", d.tryScan(phone, gate, nil).status, http.StatusNotFound)
}

// peopleInChat: officials hand out codes, and whoever sends one to the robot
// reports for a unit or hears of red codes at a venue.
func peopleInChat(t *testing.T, d *town) {
	units := d.units()
	hall := d.doorOf("青禾市福利院")
	home := d.placesOf(hall.Unit)["青禾市福利院"]
	code := func(path string) (code, send string) {
		t.Helper()
		var made struct{ Code, Send string }
		d.does("checker", path+"/bind-code", object{}).json(t, &made)
		return made.Code, made.Send
	}
	red := func(who resident) {
		t.Helper()
		d.colour(who.ID, "red")
		want(t, "a red code", d.scan(d.phone("wechat", who), hall, nil).Decision, "refuse")
	}
	people, tag := d.view.Residents, "【预警】"

	manager, send := code("/console/venues/" + home)
	want(t, "what to send", send, "绑定 "+manager)
	wantText(t, "the manager's greeting", d.alone("m901", wecomChat, send), "绑定成功", "“青禾市福利院”的负责人")
	wantText(t, "the code once more", d.alone("m902", wecomChat, send), "绑定码不正确")
	type managed struct {
		Managers []struct{ ID, Channel, Account, Since string }
	}
	managers := func() managed { t.Helper(); return shown[managed](d, "checker", "/console/venues/"+home) }
	is := managers().Managers
	want(t, "managers", len(is), 2)
	last := is[len(is)-1]
	wantNo(t, "the venue's page", d.page("checker", "/console/venues/"+home), "m901", manager)
	if last.Since == "" || last.ID == "" || last.Account == "m901" {
		t.Errorf("the manager: %+v", last)
	}
	red(people[50])
	alarms := soon(t, "the manager's alarm", func() []string { return d.told("m901", tag) })
	wantText(t, "the alarm", alarms[0], "青禾市福利院", "红码")
	wantNo(t, "the alarm", alarms[0], people[50].Name, people[50].ID, people[50].Phone)

	had := len(d.told("s013", tag)) // who managed it before
	d.does("checker", "/console/venues/"+home+"/managers/remove", object{"manager": last.ID})
	want(t, "managers", len(managers().Managers), 1)
	wantText(t, "the code of who was removed", d.alone("m901", wecomChat, send), "绑定码不正确")
	d.pass("1m") // what is told in a burst is told together
	red(people[51])
	until(t, tooLong, "the other manager's alarm", func() bool { return len(d.told("s013", tag)) > had })
	want(t, "what is told to who was removed", len(d.told("m901", tag)), 1)
	want(t, "the audit", fmt.Sprint(d.acted("venue:"+home)), "[checker bind_code.make checker venue.remove_manager]")

	// A reporter reports.
	_, send = code("/console/units/" + units["青禾职业技术学校"])
	wantText(t, "the reporter's greeting", d.alone("r901", wecomChat, send), "绑定成功", "上报", "职业技术学校")
	wantText(t, "the reporter's number", d.alone("r901", wecomChat, "上报 37"), "37")
	want(t, "on the board", d.stands(units["青禾职业技术学校"]), "reported")
	want(t, "another town's unit", d.as("township", http.MethodPost, "/console/units/"+units["青禾职业技术学校"]+"/bind-code", object{}).status, http.StatusNotFound)
}

// hit is what /console/find finds.
type hit struct {
	By            string
	Units, Venues []struct{ ID, Name string }
	More          bool
}

func (d *town) finds(user, text string) hit {
	d.t.Helper()
	return shown[hit](d, user, "/console/find?q="+url.QueryEscape(text))
}

// inHand: a code, a number or the beginning of a name is enough to find something,
// but not to do something to it.
func inHand(t *testing.T, d *town) {
	units := d.units()
	lake := d.doorOf("月湖公园")
	for text, expected := range map[string]string{
		lake.Code:                      "code 青禾市城市管理局 月湖公园",
		strings.ToLower(lake.Link):     "code 青禾市城市管理局 月湖公园",
		"豫QH旧码|1002|柳河":                "code 柳河镇人民政府 柳河镇农贸大棚",
		"12419981000006284B":           "uscc 青禾市人民医院",
		"青禾市人民医":                       "name 青禾市人民医院",
		"人民医":                          "name 青禾市人民医院",
		"月湖公":                          "name  月湖公园",
		"湖公园":                          "name  ",
		"http://elsewhere.example/v/1": "name  ",
	} {
		is := d.finds("checker", text)
		got := is.By + " "
		for _, u := range is.Units {
			got += u.Name
		}
		got += " "
		for i, v := range is.Venues {
			if is.By != "uscc" && i == 0 {
				got += v.Name
			}
		}
		want(t, "found by "+text, strings.TrimSpace(got), strings.TrimSpace(expected))
	}
	wantText(t, "the page", d.page("checker", "/console/find?q="+url.QueryEscape("实验小学")), "青禾市实验小学", "实验小学校园")
	want(t, "their own town's", len(d.finds("township", "月亮湾社区").Units), 1)
	want(t, "another town's", len(d.finds("township", "钟楼街道办").Units), 0)

	// A beginning gives what to choose from; nothing is done.
	place := d.placesOf(units["青禾市文化广电和旅游局"])["青禾市博物馆"]
	owner := d.place(place).Unit.ID
	transfer := func(to string) (r reply, c struct {
		Error      struct{ Code string }
		Candidates []struct{ ID, Name, Of, Mark string }
	}) {
		t.Helper()
		r = d.as("checker", http.MethodPost, "/console/venues/"+place+"/transfer", object{"unit": to, "reason": "划转"})
		if r.status == http.StatusConflict {
			r.json(t, &c)
		}
		return r, c
	}
	r, c := transfer("青禾市市")
	want(t, "the beginning of one name", say(r.status, c.Error.Code, len(c.Candidates)), "409 ambiguous 1")
	r, c = transfer("青禾市")
	if r.status != http.StatusConflict || len(c.Candidates) < 9 || c.Candidates[0].ID == "" || c.Candidates[0].Of == "" {
		t.Errorf("the beginning of many names: %d %s", r.status, r.body)
	}
	for _, one := range c.Candidates {
		if !strings.HasPrefix(one.Name, "青禾市") || one.Name == "青禾市晚晴裁缝铺" {
			t.Errorf("a candidate is %s", one.Name)
		}
	}
	want(t, "whose it is", d.place(place).Unit.ID, owner)
	r, _ = transfer("没有这个单位")
	want(t, "a name that nobody has", r.status, http.StatusNotFound)
	r, _ = transfer("12419981000005792B") // by its USCC
	want(t, "by a number", say(r.status, d.place(place).Unit.Name), "200 青禾市档案馆")
	r, _ = transfer("青禾市文化广电和旅游局")
	want(t, "by its whole name", say(r.status, d.place(place).Unit.ID), "200 "+owner)
}

// workbook are the rows of a file that is taken away.
func (d *town) workbook(user, path string) [][]string {
	d.t.Helper()
	r := d.as(user, http.MethodGet, path, nil)
	book, err := excelize.OpenReader(strings.NewReader(r.body))
	if err != nil {
		d.t.Fatalf("%s: %d %v", path, r.status, err)
	}
	defer book.Close()
	rows, err := book.GetRows(book.GetSheetName(0))
	if err != nil || len(rows) == 0 {
		d.t.Fatalf("%s: %d rows, %v", path, len(rows), err)
	}
	return rows
}

// lists: what is taken away has as many rows as the pages say.
func lists(t *testing.T, d *town) {
	at := url.QueryEscape(venue.FormatInstant(d.now()))
	late := shown[struct {
		Without  struct{ Total int } `json:"without_code"`
		Unposted struct{ Total int }
	}](d, "checker", "/console/coverage/deadline?at="+at)
	incomplete := shown[struct{ Venues []struct{ Name string } }](d, "checker", "/console/incomplete").Venues
	some := []int{late.Without.Total, late.Unposted.Total, len(incomplete)}
	if d.memory == embeddedMemory { // a night takes the development server 20 s
		d.pass("24h") // sessions end with it
		who := d.loginOf("checker")
		d.sessions["checker"] = d.logIn("checker", who.Password, codeOf(t, who.TOTP, 1))
	}
	silent := 0
	for after := ""; ; {
		page := shown[struct {
			Rows []any
			Next string
		}](d, "checker", "/console/codes/silent?days=1&after="+after)
		if silent, after = silent+len(page.Rows), page.Next; after == "" {
			break
		}
	}
	if d.memory == embeddedMemory {
		some = append(some, silent)
	}
	if slices.Contains(some, 0) {
		t.Errorf("nothing to list: %v", some)
	}
	for path, n := range map[string]int{
		"/console/coverage/deadline.xlsx?list=without_code&at=" + at: late.Without.Total,
		"/console/coverage/deadline.xlsx?list=unposted&at=" + at:     late.Unposted.Total,
		"/console/incomplete.xlsx":                                   len(incomplete),
		"/console/codes/silent.xlsx?days=1":                          silent,
	} {
		rows := d.workbook("checker", path) // a title, the headings, and how many there are
		want(t, path, say(len(rows), rows[len(rows)-1][0]), say(n+3, fmt.Sprintf("共 %d 行", n)))
	}
}
