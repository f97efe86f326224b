package main

import (
	"net/http"
	"testing"
)

// described is what the console says of when, where and how strict a venue is.
type described struct {
	Hours            string
	Lng, Lat, Radius float64
	Sentinel         bool
	History          []change
}

// placesAreDescribed: when a place is open, where it is, and whether it is a sentinel.
func placesAreDescribed(t *testing.T, d *town) {
	of := func(venue string) described {
		t.Helper()
		return shown[described](d, "checker", "/console/venues/"+venue)
	}
	hall := d.placesOf(d.view.Units[0].ID)["青禾市民中心"]
	want(t, "the demo's hours", of(hall).Hours, "周一至周五 08:30-12:00、14:00-18:00")

	// The page asks when a shop is open, in the words of whoever fills it in.
	form, id := gym(), d.applyID()
	for field, value := range map[string]string{"id": id, "unit_name": "青禾市夜宵铺", "uscc": "", "name": "夜宵铺", "category": "small_place", "doors": "正门", "hours": "晚上"} {
		form.Set(field, value)
	}
	r := d.fills("/apply/new", form)
	wantText(t, "what is wrong", faultsOf(r.body)["hours"], "看不懂")
	wantNo(t, "what a shop is not asked", r.body, `name="lng"`, `name="radius"`)
	form.Set("hours", "每天18:00～次日2:00")
	wantText(t, "the application", d.fills("/apply/new", form).body, "等待审核")
	var made applied
	d.does("township", "/console/applications/"+id+"/approve", object{}).json(t, &made)
	want(t, "as it is kept", of(made.Venue).Hours, "18:00-02:00")

	// A phone knows where the shop is, and judges the distance by that.
	phone := d.phone("wechat", d.view.Residents[61])
	d.scan(phone, d.doorOf("青禾市民中心"), nil)
	token, _ := d.login("wechat", phone)
	d.by(token, http.MethodPost, "/api/v1/applications", fill(object{"unit_name": "青禾市渡口茶摊", "name": "渡口茶摊", "category": "small_place", "address": "渡口东侧凉亭", "request_id": "teahouse-01",
		"hours": "全天", "lng": "112.871", "lat": "33.201", "radius": "60"})).json(t, &made)
	d.does("township", "/console/applications/"+made.ID+"/approve", object{}).json(t, &made)
	tea := made.Venue
	is := of(tea)
	want(t, "as it is kept", say(is.Hours, is.Lng, is.Lat, is.Radius), "全天 112.871 33.201 60")
	var at struct{ Lng, Lat, Radius float64 }
	d.ask(http.MethodGet, "/api/v1/codes/"+made.Codes[0], "", "").json(t, &at)
	want(t, "what a phone is told", say(at.Lng, at.Lat, at.Radius), "112.871 33.201 60")

	// A sentinel is stricter at once, until it is none.
	who := d.view.Residents[62]
	d.colour(who.ID, "yellow")
	yellow, door := d.phone("alipay", who), d.hung(made.Codes[0])
	want(t, "yellow", d.scan(yellow, door, nil).Decision, "restrict")
	want(t, "made one by its unit", d.as("unit", http.MethodPost, "/console/venues/"+hall+"/sentinel", object{"reason": "试试"}).status, http.StatusNotFound)
	d.does("township", "/console/venues/"+tea+"/sentinel", object{"reason": "渡口人员往来多"})
	wantText(t, "the page after that", d.page("township", "/console/venues/"+tea), "取消哨点", "渡口人员往来多")
	until(t, everywhere, "yellow at a sentinel", func() bool { return d.scan(yellow, door, nil).Decision == "refuse" })
	d.does("checker", "/console/venues/"+tea+"/unsentinel", object{"reason": "渡口停航"})
	until(t, everywhere, "yellow at a sentinel no longer", func() bool { return d.scan(yellow, door, nil).Decision == "restrict" })
	want(t, "history", of(tea).History[0], change{"unsentinel", "checker", "渡口停航"})
	want(t, "what was done to it", say(d.acted("venue:"+tea)), "[township venue.sentinel 渡口人员往来多 checker venue.unsentinel 渡口停航]")
}
