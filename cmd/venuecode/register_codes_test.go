package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"image/png"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/internal/mongotest"
	"github.com/venuecode/venuecode/venue"
)

const oldHead = "原码内容,场所名称,单位名称,详细地址\n"

var drawnCode = regexp.MustCompile(`<path transform="translate[^>]*>`)

func oldCodes(t *testing.T, d *town) {
	const payload, owner = "豫QH旧码|1002|柳河", "柳河镇人民政府"
	unit := d.units()[owner]
	file := oldHead + payload + ",柳河镇农贸大棚," + owner + ",\n豫QH旧码|1003|柳河,柳河镇农贸大棚," + owner + ",\n"
	want(t, "imported while the demo runs", d.imports(0, "legacy", file).OK, 2)

	// A poster that has hung for years is scanned as before, and the record kept.
	phone := d.phone("wechat", d.view.Residents[30])
	token, _ := d.login("wechat", phone)
	old := "/api/v1/codes?link=" + url.QueryEscape(payload)
	want(t, "asked by nobody", d.ask(http.MethodGet, old, "", "").status, http.StatusUnauthorized)
	var place struct{ Venue, Door string }
	before := d.counted("s031")
	d.ask(http.MethodGet, old, token, "").json(t, &place)
	want(t, "before the scan", place.Venue, "柳河镇农贸大棚")
	want(t, "the unit's scans", d.counted("s031"), before)
	p := d.scan(phone, door{Link: payload}, nil)
	want(t, "the prompt", p.Venue+" "+p.Door+" "+p.Decision, place.Venue+" "+place.Door+" admit")
	d.pass("1s")
	want(t, "the unit's scans", d.counted("s031"), before+1)

	venue := d.placesOf(unit)["柳河镇农贸大棚"]
	was := d.place(venue)
	want(t, "as it came", say(was.Status, len(was.Doors)), "incomplete 2")
	wantText(t, "the completion list", d.page("checker", "/console/incomplete"), "柳河镇农贸大棚")
	drawn := func() (png, svg string) {
		t.Helper()
		poster := func(as string) string {
			return d.as("checker", http.MethodGet, "/console/posters?door="+was.Doors[0].Code+"&as="+as, nil).body
		}
		return poster("png"), drawnCode.FindString(poster("svg"))
	}
	png, svg := drawn()

	// It is completed at the console: faults beside their fields first, then whole.
	path := "/console/venues/" + venue + "/correct"
	wantText(t, "the form", d.page("checker", path), "补全场所信息", "柳河镇农贸大棚", "11419981000005915T")
	short := fill(object{"unit_name": owner, "uscc": "11419981000005915T", "division": "419981101", "name": "柳河镇农贸大棚", "category": "functional_unit"})
	refused := d.as("checker", http.MethodPost, path, short)
	wantText(t, "what it lacks", refused.body, `"field":"address"`, `"field":"zone"`)
	want(t, "its answer", refused.status, http.StatusUnprocessableEntity)
	short["address"], short["zone"] = "柳河镇柳荫路50号", "1号棚"
	d.does("checker", path, short)
	is := d.place(venue)
	want(t, "whole", say(is.Status, is.Unit.ID == unit, is.Doors), say("active", true, was.Doors))
	want(t, "history", fmt.Sprint(acts(is.History)), "[enter complete]")
	wantNo(t, "the completion list", d.page("checker", "/console/incomplete"), "柳河镇农贸大棚")
	if after, drawing := drawn(); len(png) == 0 || png != after || len(svg) == 0 || svg != drawing {
		t.Error("the code on the wall is another one than on the new poster")
	}
	want(t, "where a phone is", d.scanned(phone, door{Link: payload}, http.StatusOK).Venue, "柳河镇农贸大棚")

	// The same file again adds nothing and undoes nothing.
	units := len(d.units())
	want(t, "imported again", d.imports(0, "legacy", file).OK, 2)
	want(t, "units", len(d.units()), units)
	want(t, "the place", fmt.Sprint(d.place(venue)), fmt.Sprint(is))
}

// batch is what was printed in advance, as the console lists it.
type batch struct {
	ID, Division, By string
	Count, Used      int
}

func (d *town) batches() []batch {
	d.t.Helper()
	return shown[struct{ Batches []batch }](d, "checker", "/console/blanks").Batches
}

// blankSheets are the links on the sheets of a batch, which say the same in every
// form.
func (d *town) blankSheets(id string) (links []string) {
	d.t.Helper()
	get := func(as string) string {
		d.t.Helper()
		r := d.as("township", http.MethodGet, "/console/blanks/"+id+"/posters?as="+as, nil)
		if r.status != http.StatusOK {
			d.t.Fatalf("the sheets as %s: %d %s", as, r.status, r.body)
		}
		return r.body
	}
	for _, code := range inPDF(d.t, get("pdf")) {
		links = append(links, d.read(code))
	}
	for _, as := range []string{"svg", "png"} {
		archive := get(as)
		files, err := zip.NewReader(strings.NewReader(archive), int64(len(archive)))
		if err != nil {
			d.t.Fatal(err)
		}
		var read []string
		for _, f := range files.File {
			if !strings.HasSuffix(f.Name, as) {
				continue
			}
			body, err := fs.ReadFile(files, f.Name)
			if err != nil {
				d.t.Fatal(err)
			}
			code := inSVG(string(body))
			if as == "png" {
				if code, err = png.Decode(bytes.NewReader(body)); err != nil {
					d.t.Fatal(err)
				}
			}
			read = append(read, d.read(code))
		}
		want(d.t, "the sheets as "+as, fmt.Sprint(read), fmt.Sprint(links))
	}
	html := get("html")
	want(d.t, "sheets on a page", strings.Count(html, "<svg"), len(links))
	wantText(d.t, "the sheets", html, "待启用")
	return links
}

func blankCodes(t *testing.T, d *town) {
	// Sent twice, the page's form prints once.
	begun := len(d.batches())
	_, id, _ := strings.Cut(d.page("township", "/console/blanks"), `name="id" value="`)
	id, _, _ = strings.Cut(id, `"`)
	for range 2 {
		d.does("township", "/console/blanks", object{"id": id, "division": "419981001", "count": 5})
	}
	want(t, "batches", len(d.batches()), begun+1)
	batchOf := func(id string) batch {
		t.Helper()
		list := d.batches()
		return list[slices.IndexFunc(list, func(b batch) bool { return b.ID == id })]
	}
	want(t, "the batch", batchOf(id), batch{id, "419981001", "township", 5, 0})
	for _, c := range []struct {
		more object
		want int
	}{{object{"count": 2001}, 422}, {object{"count": 0}, 422}, {object{"division": "419981002"}, 404}, {object{"division": "419981"}, 404}} {
		form := object{"division": "419981001", "count": 1}
		maps.Copy(form, c.more)
		want(t, fmt.Sprint(c.more), d.as("township", http.MethodPost, "/console/blanks", form).status, c.want)
	}
	links := d.blankSheets(id)
	want(t, "different codes", len(slices.Compact(slices.Sorted(slices.Values(links)))), 5)

	phone, places := d.phone("wechat", d.view.Residents[35]), d.placesOf(d.units()["青禾市文化广电和旅游局"])
	library, museum := places["青禾市图书馆"], places["青禾市博物馆"]
	nobody, err := venue.NewCode(random)
	if err != nil {
		t.Fatal(err)
	}
	unknown, side := d.tryScan(phone, d.hung(string(nobody)), nil), door{Link: links[0]}
	before := d.tryScan(phone, side, nil)
	want(t, "a blank code, and one of which nobody knows", say(before.status, before.body), say(unknown.status, unknown.body))
	want(t, "unknown", unknown.status, http.StatusNotFound)

	// Whoever stands at the door has scanned the sheet's link, and activates it
	// there, once.
	const page = "/console/blanks/activate"
	hang := func(code, venue, name string) reply {
		t.Helper()
		return d.as("township", http.MethodPost, page, object{"code": code, "venue": venue, "name": name})
	}
	want(t, "a code that nobody has printed", hang(string(nobody), "青禾市图书馆", "儿童馆门").status, http.StatusNotFound)
	choose := d.submits("township", page, url.Values{"code": {links[0]}, "venue": {"图书"}, "name": {"儿童馆门"}})
	want(t, "a beginning of a name", choose.status, http.StatusConflict)
	wantText(t, "what there is to choose from", choose.body, "青禾市图书馆", library, links[0], "儿童馆门")
	want(t, "a scan after that", d.tryScan(phone, side, nil).status, http.StatusNotFound)
	activated := d.submits("township", page, url.Values{"code": {links[0]}, "venue": {"青禾市图书馆"}, "name": {"儿童馆门"}})
	wantText(t, "the venue's page", activated.body, "青禾市图书馆", "儿童馆门", "启用空白码")
	p := d.scanned(phone, side, http.StatusOK)
	want(t, "where a phone is", p.Venue+" "+p.Door, "青禾市图书馆 儿童馆门")
	again := hang(links[0], museum, "侧门")
	why, _ := again.refusal()
	want(t, "activated somewhere else", say(again.status, why), "409 register_used")
	want(t, "activated once more", hang(links[0], library, "南侧门").status, http.StatusConflict)
	want(t, "where a phone is", d.scan(phone, side, nil).Venue, "青禾市图书馆")

	// By the number that is printed below it, from the venue's page; what the venue
	// refuses does not use it up.
	typed := strings.ToLower(links[1][strings.LastIndex(links[1], "/")+1:])
	add := func(name string) int {
		t.Helper()
		return d.as("township", http.MethodPost, "/console/venues/"+library+"/doors", object{"code": typed, "name": name}).status
	}
	want(t, "a name that is taken", add("儿童馆门"), http.StatusConflict)
	want(t, "another name", add("自习室门"), http.StatusOK)
	want(t, "where a phone is", d.scanned(phone, door{Link: links[1]}, http.StatusOK).Door, "自习室门")
	is := d.place(library)
	want(t, "doors and history", say(len(is.Doors), acts(is.History)), "4 [activate activate]")

	want(t, "a reprint", fmt.Sprint(d.blankSheets(id)), fmt.Sprint(links[2:]))
	want(t, "the batch", batchOf(id).Used, 2)
	want(t, "what was done to it", fmt.Sprint(d.acted("batch:"+id)), "[township blanks.print township blanks.print]")

	// Another town's are not there.
	var there batch
	d.does("checker", "/console/blanks", object{"division": "419981002", "count": 1}).json(t, &there)
	sheet := d.as("checker", http.MethodGet, "/console/blanks/"+there.ID+"/posters?as=svg", nil).body
	want(t, "its sheet", d.as("township", http.MethodGet, "/console/blanks/"+there.ID+"/posters?as=svg", nil).status, http.StatusNotFound)
	want(t, "its code", hang(d.read(inSVG(sheet)), library, "后门").status, http.StatusNotFound)
}

const (
	unitHead  = "单位名称,统一社会信用代码,上级单位,所属区划,行业,在册人数,联系人,联系电话\n"
	venueHead = "单位统一社会信用代码,场所名称,类别,详细地址,出入口,管理人员,管理人员电话\n"
)

func placesChange(t *testing.T, d *town) {
	people := d.view.Residents
	phone, other := d.phone("wechat", people[40]), d.phone("alipay", people[41])
	names := d.units()
	school, high := names["青禾市实验小学"], names["青禾市第一高级中学"]
	campus := d.placesOf(school)["实验小学校园"]
	gate := d.hung(d.place(campus).Doors[0].Code)
	act := func(what string, body object) {
		t.Helper()
		body["reason"] = "按会议纪要办理"
		d.does("township", what, body)
	}

	// A transfer: what was scanned before is the former unit's, what comes after
	// the new one's.
	d.scan(phone, gate, nil)
	d.pass("1m")
	schoolHad, highHad := d.raw(school), d.raw(high)
	act("/console/venues/"+campus+"/transfer", object{"unit": high})
	d.pass("1m")
	d.scan(phone, gate, nil)
	d.scan(other, gate, nil)
	d.pass("1m")
	want(t, "the former unit's", d.raw(school), schoolHad)
	want(t, "the new unit's", d.raw(high), highHad+2)
	if schoolHad == 0 {
		t.Error("the scan before the transfer is nobody's")
	}

	// One door, then the whole place, is suspended and comes back.
	inner := d.hung(d.place(campus).Doors[1].Code)
	act("/console/venues/"+campus+"/suspend", object{"door": inner.Code})
	d.scanned(phone, inner, http.StatusNotFound)
	d.scanned(phone, gate, http.StatusOK)
	act("/console/venues/"+campus+"/suspend", object{})
	d.scanned(phone, gate, http.StatusNotFound)
	act("/console/venues/"+campus+"/resume", object{})
	d.scanned(phone, gate, http.StatusOK)
	want(t, "the door that was suspended by itself", d.tryScan(phone, inner, nil).status, http.StatusNotFound)
	act("/console/venues/"+campus+"/resume", object{"door": inner.Code})
	d.scanned(phone, inner, http.StatusOK)
	act("/console/venues/"+campus+"/close", object{"door": inner.Code})
	d.scanned(phone, inner, http.StatusNotFound)
	if r := d.as("township", http.MethodPost, "/console/venues/"+campus+"/close", object{"door": gate.Code, "reason": "停办"}); r.status != http.StatusConflict {
		t.Errorf("its last door is closed: %d %s", r.status, r.body)
	}
	if r := d.as("township", http.MethodPost, "/console/venues/"+campus+"/resume", object{"door": inner.Code, "reason": "恢复"}); r.status != http.StatusConflict {
		t.Errorf("a closed code comes back: %d %s", r.status, r.body)
	}
	history := d.place(campus).History
	want(t, "history", fmt.Sprint(acts(history)), "[transfer suspend suspend resume resume close]")
	want(t, "by whom and why", history[0], change{"close", "township", "按会议纪要办理"})
	page := d.page("township", "/console/venues/"+campus)
	wantText(t, "the page", page, "青禾市第一高级中学", "转移", "停用", "恢复", "注销", "按会议纪要办理", "township")

	// Two entries of one place become one: its codes go on, under another name if
	// theirs is taken. Then two entries of one unit.
	d.imports(0, "units", unitHead+"青禾市云溪书店,"+uscc(9001)+",,419981001,商务,5,张三丰,13900000001\n"+
		"云溪书店有限公司,"+uscc(9002)+",,419981001,商务,5,张三丰,13900000001\n")
	d.imports(0, "venues", venueHead+uscc(9001)+",云溪书店,六,文昌路77号,正门,舒敏,19900000041\n"+
		uscc(9001)+",云溪书吧,六,文昌路77号,正门,舒敏,19900000041\n"+uscc(9002)+",云溪书店二店,六,文昌路79号,正门,舒敏,19900000041\n")
	names = d.units()
	first, second := names["青禾市云溪书店"], names["云溪书店有限公司"]
	shops := d.placesOf(first)
	shop, bar := shops["云溪书店"], shops["云溪书吧"]
	barDoor := d.hung(d.place(bar).Doors[0].Code)
	want(t, "where a phone is", d.scan(phone, barDoor, nil).Venue, "云溪书吧")
	act("/console/venues/"+bar+"/merge", object{"into": shop})
	until(t, everywhere, "the merged door", func() bool {
		p := d.scan(phone, barDoor, nil)
		return p.Venue+" "+p.Door == "云溪书店 正门(2)"
	})
	want(t, "the merged venue", say(d.place(bar).Status, d.place(bar).Into == shop, len(d.place(shop).Doors)), "closed true 2")
	act("/console/units/"+second+"/merge", object{"into": first})
	moved := d.placesOf(first)["云溪书店二店"]
	want(t, "whose it is", d.place(moved).Unit.ID, first)
	want(t, "its history", fmt.Sprint(acts(d.place(moved).History)), "[enter transfer]")
	var gone struct{ Status string }
	d.as("township", http.MethodGet, "/console/units/"+second, nil).json(t, &gone)
	want(t, "the merged unit", gone.Status, "closed")
	want(t, "the merged unit's history", fmt.Sprint(d.acted("unit:"+second)), "[township unit.merge 按会议纪要办理]")

	act("/console/venues/"+shop+"/close", object{})
	d.scanned(phone, barDoor, http.StatusNotFound)
	want(t, "what was done to the shop", fmt.Sprint(d.acted("venue:"+shop)), "[township venue.close 按会议纪要办理]")
}

// raw is how many scans the board has of a unit that has not reported yet.
func (d *town) raw(unit string) int {
	d.t.Helper()
	board := shown[struct {
		Rows []struct {
			Unit string
			Raw  *int
		}
	}](d, "checker", "/console/board")
	for _, row := range board.Rows {
		if row.Unit == unit && row.Raw != nil {
			return *row.Raw
		}
	}
	d.t.Fatalf("the board has no scans of %s", unit)
	return 0
}

// twins are two processes on one MongoDB, with the same keys and officials, and
// simulators of their own; kill ends the first.
func twins(t *testing.T, clock string) (here, there *town, kill func()) {
	t.Helper()
	uri, data := mongotest.Start(t).URI(), [2]string{t.TempDir(), t.TempDir()}
	here, kill = spawnedOn(t, uri, data[0], clock)
	err := errors.Join(os.Symlink(filepath.Join(data[0], "keys"), filepath.Join(data[1], "keys")),
		os.CopyFS(filepath.Join(data[1], "world"), os.DirFS(filepath.Join(data[0], "world"))))
	if err != nil {
		t.Fatal(err)
	}
	there, _ = spawnedOn(t, uri, data[1], clock)
	there.sessions = here.sessions // are good at either
	return here, there, kill
}

// TestAChangeIsSeenByEveryProcess: two processes on one MongoDB; what an official
// does at the one is seen by whoever scans at the other.
func TestAChangeIsSeenByEveryProcess(t *testing.T) {
	here, there, _ := twins(t, halfPastTwo)
	lake, phone := here.doorOf("月湖公园"), there.phone("wechat", there.view.Residents[0])
	gate, park := there.hung(lake.Code), here.placesOf(lake.Unit)["月湖公园"]
	want(t, "a scan at the other process", there.scan(phone, gate, nil).Decision, "admit")
	act := func(what string) {
		t.Helper()
		here.does("checker", "/console/venues/"+park+what, object{"reason": "汛期封园", "door": gate.Code, "name": "南大门"})
	}
	act("/suspend")
	there.scanned(phone, gate, http.StatusNotFound)
	act("/resume")
	there.scanned(phone, gate, http.StatusOK)
	act("/doors/rename")
	until(t, everywhere, "the new name", func() bool { return there.scan(phone, gate, nil).Door == "南大门" })
	who := there.view.Residents[1]
	there.colour(who.ID, "yellow")
	yellow := there.phone("alipay", who)
	want(t, "yellow", there.scan(yellow, gate, nil).Decision, "restrict")
	act("/sentinel")
	until(t, everywhere, "a sentinel", func() bool { return there.scan(yellow, gate, nil).Decision == "refuse" })
	// A code of which the other has just said that nobody knows it.
	const payload = "豫QH旧码|2001|两处"
	want(t, "an old code before it is imported", there.tryScan(phone, door{Link: payload}, nil).status, http.StatusNotFound)
	here.imports(0, "legacy", oldHead+payload+",两处小店,,\n")
	want(t, "where a phone is", there.scanned(phone, door{Link: payload}, http.StatusOK).Venue, "两处小店")
	act("/close")
	there.scanned(phone, gate, http.StatusNotFound)
	// Coverage follows too.
	have := there.covers("the other's coverage", func(c covered) bool { return c.Must > 0 }).Have
	here.looks("checker", here.doorOf("教育体育局办公楼").Code, "posted", nil)
	there.covers("a code posted at the one process", func(c covered) bool { return c.Have == have+1 })
}
