package main

import (
	"fmt"
	"image/jpeg"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// everyState: whoever opens the demo finds something in each state that the
// console shows.
func everyState(t *testing.T, d *town) {
	venues, units := map[string]string{}, map[string]string{}
	for _, id := range d.units() {
		u := shown[struct{ Name, Status string }](d, "checker", "/console/units/"+id)
		units[u.Status] += u.Name
		list := shown[struct {
			Doors []struct{ Venue struct{ Name, Status string } }
		}](d, "checker", "/console/doors?unit="+id)
		for _, o := range list.Doors {
			venues[o.Venue.Status] = o.Venue.Name
		}
	}
	want(t, "venues", fmt.Sprint(slices.Sorted(maps.Keys(venues))), "[active closed incomplete pending suspended]")
	want(t, "units", fmt.Sprint(slices.Sorted(maps.Keys(units))), "[ closed pending]")
	wantText(t, "units that are no more", units["closed"], "青禾市望河书店", "青禾市晚晴裁缝铺")
	ended := shown[struct{ Changes []change }](d, "checker", "/console/units/"+d.units()["青禾市晚晴裁缝铺"]+"/history").Changes
	want(t, "who closed one, and why", ended[0], change{"close", "township", "店主歇业"})
	breakfast := d.placesOf(d.units()["青禾市早春豆浆铺"])["早春豆浆铺"]
	look := d.place(breakfast).Postings[0]
	want(t, "what an applicant shows", say(look.Finding, look.By, look.Photo), "posted applicant true")
	wantText(t, "its page", d.page("township", "/console/venues/"+breakfast), "申请人自报")
	picture, err := jpeg.Decode(strings.NewReader(d.as("township", http.MethodGet, "/console/postings/"+look.ID+"/photo", nil).body))
	if err != nil {
		t.Fatal(err)
	}
	want(t, "its photo", d.read(picture), d.hung(d.place(breakfast).Doors[0].Code).Link)
	blank := d.batches()
	want(t, "blank codes", say(len(blank), blank[0].Count, blank[0].Used), "1 12 0")
	for state, names := range map[string]string{
		"pending": "文昌路便利店 东街口腔诊所", "rejected": "春晓理发店", "approved": "望河书屋 政务培训中心",
	} {
		wantText(t, "applications "+state, d.page("township", "/console/applications?state="+state), strings.Fields(names)...)
	}
	wantText(t, "what needs proof", d.page("township", "/console/applications"), "需核对登记证件")
	wantText(t, "the unit's own", d.page("unit", "/console/applications"), "草稿", "已通过")
	wantText(t, "the completion list", d.page("checker", "/console/incomplete"), "青禾市老年活动中心")
	c := d.covers("coverage", func(c covered) bool { return c.Must > 0 })
	for _, gap := range []string{"unit", "posting"} {
		if c.Lack[gap] == 0 {
			t.Errorf("nobody lacks %s", gap)
		}
	}
}

// anotherTown: a township does not learn what is registered in another.
func anotherTown(t *testing.T, d *town) {
	id := d.applyID()
	form := gym()
	for field, value := range map[string]string{"id": id, "unit_name": "钟楼街道鼓乐行", "uscc": "", "division": "419981002", "name": "鼓乐行", "category": "small_place", "address": "鼓楼路9号", "doors": "正门"} {
		form.Set(field, value)
	}
	wantText(t, "the application", d.fills("/apply/new", form).body, "等待审核")
	wantText(t, "what the checker sees", d.page("checker", "/console/applications"), "鼓乐行")
	there := d.units()["钟楼街道办事处"]
	home := d.placesOf(there)["鼓楼里小区"]
	code := d.place(home).Doors[0].Code
	for _, path := range []string{"/console/applications", "/console/units", "/console/incomplete", "/console/coverage", "/console/coverage/missing", "/console/posters?division=419981001&as=html"} {
		wantNo(t, path, d.as("township", http.MethodGet, path, nil).body, "鼓乐行", "鼓楼里小区", "钟楼街道办事处", `"419981002"`)
	}
	begun := len(d.acted("route:GET /console/venues/:id"))
	for _, c := range []struct{ method, path string }{
		{http.MethodGet, "/console/applications/" + id},
		{http.MethodPost, "/console/applications/" + id + "/approve"},
		{http.MethodPost, "/console/applications/" + id + "/reject"},
		{http.MethodGet, "/console/units/" + there},
		{http.MethodGet, "/console/units/" + there + "/history"},
		{http.MethodGet, "/console/venues/" + home},
		{http.MethodPost, "/console/venues/" + home + "/suspend"},
		{http.MethodPost, "/console/venues/" + home + "/transfer"},
		{http.MethodPost, "/console/doors/" + code + "/posted"},
		{http.MethodGet, "/console/doors?unit=" + there},
		{http.MethodGet, "/console/posters?door=" + code},
		{http.MethodGet, "/console/posters?unit=" + there},
		{http.MethodGet, "/console/posters?division=419981002"},
		{http.MethodGet, "/console/coverage?division=419981002"},
		{http.MethodGet, "/console/coverage/missing.xlsx?division=419981002"},
		{http.MethodGet, "/console/coverage/deadline?division=419981002"},
		{http.MethodGet, "/console/coverage/draft?division=419981002"},
		{http.MethodGet, "/console/codes/silent?division=419981002"},
	} {
		var body object
		if c.method == http.MethodPost {
			body = object{"reason": "越权尝试", "unit": there}
		}
		got, none := d.as("township", c.method, c.path, body), d.as("township", http.MethodGet, "/console/venues/v_none", nil)
		want(t, c.method+" "+c.path, say(got.status, got.body), say(http.StatusNotFound, none.body))
	}
	tried := d.acted("route:GET /console/venues/:id")
	want(t, "what the audit has of it", strings.Join(tried[begun:], ", "), "township console.denied scope")
	want(t, "the application", shown[applied](d, "checker", "/console/applications/"+id).State, "pending")
	want(t, "the place", d.place(home).Status, "active")
}
