package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// sent is an upload as the console tells of it.
type sent struct {
	ID, State, By     string
	Rows, OK, Bad     int
	New, Same, Gone   int
	Written, Problems int
	ToWrite           int `json:"to_write"`
	Errors            []struct {
		Row            int
		Field, Message string
	}
}

// sendFile uploads a sheet, as a program does.
func (d *town) sendFile(token, kind, file string) (s sent) {
	d.t.Helper()
	got := d.sendForm(token, "/console/imports", url.Values{"kind": {kind}}, "file", []byte(file))
	if got.status != http.StatusOK {
		d.t.Fatalf("send %s: %d %s", kind, got.status, got.body)
	}
	got.json(d.t, &s)
	return d.until(token, s.ID, "ready")
}

// until waits for a state of an upload, at most half a minute. It does not ask too
// often: each question is a write to the session.
func (d *town) until(token, id, state string) (s sent) {
	d.t.Helper()
	for range 600 {
		d.ask(http.MethodGet, "/console/imports/"+id, token, "").json(d.t, &s)
		if s.State == state {
			return s
		}
		if s.State == "failed" {
			d.t.Fatalf("%+v\n%s", s, d.log)
		}
		time.Sleep(50 * time.Millisecond)
	}
	d.t.Fatalf("%s is %+v, want %s", id, s, state)
	return s
}

func (d *town) runFile(token, id string) {
	d.t.Helper()
	if got := d.ask(http.MethodPost, "/console/imports/"+id+"/run", token, `{}`); got.status != http.StatusOK {
		d.t.Fatalf("run: %d %s", got.status, got.body)
	}
}

// shopUSCC is the USCC of the n-th unit that a test makes up.
func shopUSCC(n int) string {
	s := fmt.Sprintf("92419981MA%07d", n)
	for _, c := range "0123456789ABCDEFGHJKLMNPQRTUWXY" {
		if _, proof, err := venue.ParseUSCC(s + string(c)); err == nil && !proof {
			return s + string(c)
		}
	}
	panic(s)
}

func shopUnits() string {
	return "单位名称,统一社会信用代码,所属区划\n青禾市听雨书店," + shopUSCC(1) + ",419981001\n"
}

func shopVenues(n int) string {
	var b strings.Builder
	b.WriteString("单位统一社会信用代码,场所名称,类别,详细地址,管理人员,管理人员电话\n")
	for i := range n {
		fmt.Fprintf(&b, "%s,听雨书店%d部,五,文昌路33号旁,江远,19900000021\n", shopUSCC(1), i+1)
	}
	return b.String()
}

// TestAFileSentInTheConsoleIsImportedAndScanned goes from a township's file to a
// scan at the new door.
func TestAFileSentInTheConsoleIsImportedAndScanned(t *testing.T) {
	d := quietTown(t)
	token, _ := d.official("township")
	units := d.sendFile(token, "units", shopUnits())
	d.runFile(token, units.ID)
	d.until(token, units.ID, "done")
	venues := d.sendFile(token, "venues", shopVenues(1))
	want(t, "good rows", venues.OK, 1)
	d.runFile(token, venues.ID)
	d.until(token, venues.ID, "done")
	unit := d.unitNamed(token, "青禾市听雨书店")
	var doors struct{ Doors []struct{ Code string } }
	d.ask(http.MethodGet, "/console/doors?unit="+unit, token, "").json(t, &doors)
	want(t, "doors", len(doors.Doors), 1)
	shop := door{Code: doors.Doors[0].Code, Link: "http://" + strings.TrimPrefix(d.product, "http://") + "/v/" + doors.Doors[0].Code}
	d.scan(d.phone("wechat", d.view.Residents[0]), shop, nil)
}

// unitNamed finds a unit on the console's list.
func (d *town) unitNamed(token, name string) string {
	d.t.Helper()
	for after := ""; ; {
		var list struct {
			Units []struct{ ID, Name string }
			Next  string
		}
		d.ask(http.MethodGet, "/console/units?after="+after, token, "").json(d.t, &list)
		for _, u := range list.Units {
			if u.Name == name {
				return u.ID
			}
		}
		if after = list.Next; after == "" {
			d.t.Fatalf("no unit %s", name)
		}
	}
}

// TestAKilledImportIsCompleted kills the program while it writes.
func TestAKilledImportIsCompleted(t *testing.T) {
	data := t.TempDir()
	d, kill := spawned(t, data, halfPastTwo)
	token, _ := d.official("township")
	units := d.sendFile(token, "units", shopUnits())
	d.runFile(token, units.ID)
	d.until(token, units.ID, "done")
	const n = 1500
	venues := d.sendFile(token, "venues", shopVenues(n))
	d.runFile(token, venues.ID)
	kill()

	d, _ = spawned(t, data, halfPastTwo)
	if done := d.until(token, venues.ID, "done"); done.OK != n {
		t.Errorf("completed: %+v", done)
	}
	list := d.ask(http.MethodGet, "/console/doors?unit="+d.unitNamed(token, "青禾市听雨书店"), token, "").body
	want(t, "doors", strings.Count(string(list), `"code":`), n)
}

// filesSent: a township's officer and a checker send registers in the console.
func filesSent(t *testing.T, d *town) {
	town, city := d.session("township"), d.session("checker")
	imported := func(token, kind, file string) sent {
		t.Helper()
		s := d.sendFile(token, kind, file)
		if s.Bad > 0 {
			t.Fatalf("%s: %+v", kind, s)
		}
		d.runFile(token, s.ID)
		return d.until(token, s.ID, "done")
	}

	// What lies beyond the township comes back; the rest comes in when its sender
	// says so.
	file := unitHead + "青禾市听雨茶庄," + uscc(9201) + ",,419981001,商务,5,张三丰,13900000001\n" +
		"青禾市隔壁茶庄," + uscc(9202) + ",,419981002,商务,5,张三丰,13900000001\n"
	units := d.sendFile(town, "units", file)
	want(t, "what was found", say(units.Rows, units.OK, units.Bad, units.Problems), "2 1 1 1")
	want(t, "what is wrong", say(units.Errors[0].Row, units.Errors[0].Field, units.Errors[0].Message), "3 所属区划 不在本名录或可办理的区划内。")
	at := "/console/imports/" + units.ID
	want(t, "imported as it is", d.by(town, http.MethodPost, at+"/run", object{}).status, http.StatusUnprocessableEntity)
	want(t, "another's file", d.by(city, http.MethodGet, at, nil).status, http.StatusNotFound)
	problems := fmt.Sprint(d.workbook("township", at+"/problems.xlsx"))
	wantText(t, "the bad rows", problems, "青禾市隔壁茶庄", "不在本名录或可办理的区划内", "共 1 行")
	wantNo(t, "the bad rows", problems, "听雨茶庄")
	if _, there := d.units()["青禾市听雨茶庄"]; there {
		t.Error("a unit came in before anybody had decided")
	}
	if r := d.by(town, http.MethodPost, at+"/run", object{"partial": true}); r.status != http.StatusOK {
		t.Fatalf("its good rows: %d %s", r.status, r.body)
	}
	d.until(town, units.ID, "done")
	if names := d.units(); names["青禾市听雨茶庄"] == "" || names["青禾市隔壁茶庄"] != "" {
		t.Error("not the good rows alone came in")
	}

	// A place of a unit that lies elsewhere, and one of their own.
	other := d.sendFile(town, "venues", venueHead+"11419981000005669B,市场监管局二楼,五,建设路28号,正门,舒敏,19900000041\n")
	want(t, "what is wrong", say(other.Bad, other.Errors[0].Field, other.Errors[0].Message), "1 单位统一社会信用代码 可办理的区划内没有登记该单位。请先导入单位，或由其所属区划办理。")
	if r := d.by(town, http.MethodPost, "/console/imports/"+other.ID+"/discard", object{}); r.status != http.StatusOK {
		t.Errorf("discarded: %d %s", r.status, r.body)
	}
	d.until(town, other.ID, "discarded")
	imported(town, "venues", venueHead+uscc(9201)+",听雨茶庄,五,文昌路92号,正门、后门,舒敏,19900000041\n")
	shop := d.place(d.placesOf(d.units()["青禾市听雨茶庄"])["听雨茶庄"])
	phone := d.phone("wechat", d.view.Residents[55])
	for _, o := range shop.Doors {
		p := d.scan(phone, d.hung(o.Code), nil)
		want(t, "where a phone is", p.Venue+" "+p.Door, "听雨茶庄 "+o.Name)
	}

	const payload = "豫QH旧码|3001|听雨"
	old := door{Link: payload}
	want(t, "an old code before it is imported", d.tryScan(phone, old, nil).status, http.StatusNotFound)
	imported(town, "legacy", oldHead+payload+",听雨茶庄二楼,青禾市听雨茶庄,\n")
	want(t, "where a phone is", d.scanned(phone, old, http.StatusOK).Venue, "听雨茶庄二楼")

	// A register of subjects is the checker's to send. It says first what would be
	// new and what gone, and the decision is theirs.
	const village = "稻香乡人民政府,114199810000059979,稻香乡金穗路1号,419981103,属地,一,机关办公楼,,,\n青禾民宿联合社,12419981000006899X,稻香乡湖畔路3号,419981103,文化旅游,三,民宿,,,\n" +
		"稻香乡米粉店,,稻香乡金穗路8号,419981103,商务,五,小饭店,,,\n稻香乡水车坊,,稻香乡金穗路9号,419981103,文化旅游,六,,,,\n"
	about := url.Values{"kind": {"subjects"}, "division": {"419981103"}}
	want(t, "sent by a township", d.sendForm(town, "/console/imports", about, "file", []byte(subjectHead+village)).status, http.StatusNotFound)
	before := d.covers("the register", func(c covered) bool { return c.Must > 0 })
	var register sent
	d.sendForm(city, "/console/imports", about, "file", []byte(subjectHead+village)).json(t, &register)
	register = d.until(city, register.ID, "ready")
	want(t, "what it would do", say(register.Rows, register.New, register.Same, register.Gone), "4 2 2 1")
	want(t, "before it is decided", d.covers("coverage", func(covered) bool { return true }).Must, before.Must)
	d.runFile(city, register.ID)
	done := d.until(city, register.ID, "done")
	want(t, "how far it is", say(done.Written, done.ToWrite, done.By), say(done.ToWrite, done.ToWrite, "checker"))
	d.covers("two more, one less", func(c covered) bool { return c.Must == before.Must+1 })

	// Colleagues see that there was one, and the audit has what was done with it.
	for _, s := range shown[struct{ Imports []sent }](d, "checker", "/console/imports").Imports {
		if (s.ID == "") != (s.By != "checker") {
			t.Errorf("the checker is shown %+v", s)
		}
	}
	want(t, "the audit", fmt.Sprint(d.acted("upload:"+units.ID), d.acted("upload:"+other.ID)),
		"[township register.upload township register.import] [township register.upload township register.discard]")
}

// TestAFileGoesOnInAnotherProcess: two processes on one MongoDB. A file is sent to
// one and run in the other, which is killed while it writes: the one that is left
// completes it by itself.
func TestAFileGoesOnInAnotherProcess(t *testing.T) {
	here, there, kill := twins(t, realTime)
	const units, places = 56, 25
	var u, v strings.Builder
	for i := range units {
		fmt.Fprintf(&u, "青禾第%03d商行,%s,,419981001,商务,3,张三丰,13900000001\n", i, uscc(i))
		for k := range places {
			fmt.Fprintf(&v, "%s,第%03d商行%02d店,五,文昌路%d号院,正门,舒敏,19900000041\n", uscc(i), i, k, i)
		}
	}
	token := here.session("township")
	file := there.sendFile(token, "units", unitHead+u.String())
	here.runFile(token, file.ID)
	there.until(token, file.ID, "done")

	file = there.sendFile(token, "venues", venueHead+v.String())
	want(t, "as the other tells", here.until(token, file.ID, "ready").OK, units*places)
	here.runFile(token, file.ID)
	var middle sent
	begun := machine.Now()
	until(t, tooLong, "the middle of the file", func() bool {
		there.ask(http.MethodGet, "/console/imports/"+file.ID, token, "").json(t, &middle)
		return middle.State == "running" && machine.Now().Sub(begun) > 500*time.Millisecond || middle.State == "done"
	})
	kill()
	begun = machine.Now()
	done := there.until(token, file.ID, "done")
	t.Logf("killed at %d of %d (%s), completed %s later", middle.Written, middle.ToWrite, middle.State, machine.Now().Sub(begun))
	want(t, "completed", say(done.OK, done.Bad), say(units*places, 0))
	for i := 0; i < units; i += 11 { // the first and the last, too
		unit := there.unitNamed(token, fmt.Sprintf("青禾第%03d商行", i))
		list := shown[struct{ Doors []struct{ Code string } }](there, "township", "/console/doors?unit="+unit)
		want(t, fmt.Sprintf("doors of the unit %d", i), len(list.Doors), places)
	}
	last := there.placesOf(there.unitNamed(token, "青禾第055商行"))["第055商行24店"]
	is := there.place(last)
	want(t, "history", fmt.Sprint(acts(is.History)), "[enter]")
	want(t, "where a phone is", there.scan(there.phone("wechat", there.view.Residents[0]), there.hung(is.Doors[0].Code), nil).Venue, "第055商行24店")
}
