package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// aUnitSendsAFile: its admin asks for many codes at once, and the township approves
// them at once. What needs no officer by form needs none by file.
func aUnitSendsAFile(t *testing.T, d *town) {
	const (
		own      = "114199810000053008" // of the demo's unit account
		stranger = "11419981000005669B"
	)
	name := d.view.Units[0].Name
	d.imports(0, "units", unitHead+"青禾市政务中心后勤处,"+uscc(9301)+","+own+",419981001,机关,5,张三丰,13900000001\n")
	unit := d.session("unit")
	waits := func() (ids []string) {
		t.Helper()
		for after := ""; ; {
			var page struct {
				Applications []applied
				Next         string
			}
			d.by(unit, http.MethodGet, "/console/applications?state=pending&after="+after, nil).json(t, &page)
			for _, a := range page.Applications {
				if strings.HasPrefix(a.Name, "后勤车间") {
					ids = append(ids, a.ID)
				}
			}
			if after = page.Next; after == "" {
				return ids
			}
		}
	}
	sent := func(file string, bad int, body object) sent {
		t.Helper()
		s := d.sendFile(unit, "venues", strings.TrimSuffix(venueHead, "\n")+",所在区划\n"+file)
		want(t, "bad rows", s.Bad, bad)
		if r := d.by(unit, http.MethodPost, "/console/imports/"+s.ID+"/run", body); r.status != http.StatusOK {
			t.Fatalf("run: %d %s", r.status, r.body)
		}
		return d.until(unit, s.ID, "done")
	}

	const places = 40
	row := func(uscc, name, class string) string {
		return uscc + "," + name + "," + class + ",文昌路1号院,正门,舒敏,19900000041,洗月街道\n"
	}
	var file strings.Builder
	for i := range places {
		file.WriteString(row(own, fmt.Sprintf("后勤车间%d", i), "二"))
	}
	file.WriteString(row(own, "政务打印社", "五") + row(uscc(9301), "后勤车间小卖部", "五"))
	file.WriteString(row(stranger, "别家的", "五") + row(uscc(9399), "没有的", "五"))
	done := sent(file.String(), 2, object{"partial": true})
	want(t, "what is another's, and what is not there", say(done.Errors[0].Message == done.Errors[1].Message, done.Errors[0].Message), "true 不是本单位或本单位的下属单位，或者尚未登记，请核对。")
	ids := waits()
	want(t, "waiting", len(ids), places+1)
	at := d.placesOf(d.view.Units[0].ID)
	if at["政务打印社"] == "" || at["后勤车间0"] != "" {
		t.Errorf("places of %s: %v", name, at)
	}
	sent(file.String(), 2, object{"partial": true})
	want(t, "waiting, after the same file", len(waits()), places+1)

	var result struct {
		Approved     int
		Applications []applied
	}
	d.does("township", "/console/applications/approve", object{"ids": ids}).json(t, &result)
	want(t, "approved at once", result.Approved, places+1)
	want(t, "the audit", strings.Join(d.acted("application:"+result.Applications[places].AuditID), ", "), "township application.approve")
	sent(file.String(), 2, object{"partial": true})
	want(t, "waiting, after the same file again", len(waits()), 0)
	want(t, "places", len(d.placesOf(d.view.Units[0].ID)), len(at)+places)
	phone := d.phone("wechat", d.view.Residents[56])
	for _, a := range result.Applications {
		if a.Name == "后勤车间7" || a.Name == "后勤车间小卖部" {
			want(t, "where a phone is", d.scanned(phone, d.hung(a.Codes[0]), http.StatusOK).Venue, a.Name)
		}
	}
	want(t, "the unit below", len(d.placesOf(d.units()["青禾市政务中心后勤处"])), 1)
}
