package console

import (
	"fmt"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/sheet"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

func TestCoverageIsTwoNumbersWithTheirParts(t *testing.T) {
	d := newDesk(t, access.RoleChecker, access.RoleTownship)
	unit, err := d.registry.Unit(t.Context(), "unit-a")
	if err != nil {
		t.Fatal(err)
	}
	// unit-a is confirmed to be the subject of its name, and its code hangs.
	token := d.login("checker")
	if got := d.call("POST", "/console/subjects/unit-a/confirm", token, `{"unit":"unit-a"}`); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	door := venue.Door{Code: "A0000000000AAA1W", Venue: "venue-unit-a", Unit: unit.ID, Name: "正门", Status: venue.StatusActive, Posted: d.civil.Now()}
	if err := d.registry.Put(t.Context(), store.Registered{Doors: []venue.Door{door}}); err != nil {
		t.Fatal(err)
	}
	d.machine.ms.Add(3000)
	var got struct {
		Have, Must int
		Rows       []struct {
			Division, Sector string
			Have, Must       int
		}
		Outside int            `json:"outside_register"`
		Lack    map[string]int `json:"lack"`
		AsOf    string         `json:"as_of"`
	}
	d.fetch("/console/coverage", token, &got)
	if fmt.Sprint(got.Have, got.Must, got.Rows, got.Outside, got.Lack["unit"]) != "1 2 [{410482001 教育 1 2}] 1 1" || got.AsOf != "2022-05-18T09:00:00.000+08:00" {
		t.Errorf("%+v", got)
	}
	page := d.browse("GET", "/console/coverage", token, nil).body
	for _, want := range []string{"<dd>1 <small>家</small></dd>", "<dd>2 <small>家</small></dd>", "50.0%", "教育", "名录外在用场所码 1"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if page := d.browse("GET", "/console/coverage/trend?days=7", token, nil).body; !strings.Contains(page, `name="days" min="1" max="90" value="7"`) {
		t.Error("the form forgets how many days were asked for")
	}
	draft := d.browse("GET", "/console/coverage/draft", token, nil).body
	for _, want := range []string{"【草稿】", "截至2022年5月18日09时00分", "主体2家，已申领并确认张贴1家，尚缺1家", "未找到对应单位1家", "不得对外发布"} {
		if !strings.Contains(draft, want) {
			t.Errorf("the draft lacks %s", want)
		}
	}
	for path, want := range map[string]int{
		"/console/coverage?division=41048": 422, "/console/coverage?division=410482002": 404, "/console/coverage?division=410482001001": 200,
		"/console/coverage?class=7": 422, "/console/coverage?class=1": 200, "/console/coverage/missing?gap=nothing": 422, "/console/coverage/missing?after=x": 422,
		"/console/coverage/deadline?at=noon": 422, "/console/coverage/deadline?at=2022-05-18T10:00": 200, "/console/coverage/trend?days=91": 422, "/console/codes/silent?days=0": 422,
	} {
		if got := d.call("GET", path, token, ""); got.status != want {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}

func TestTheShareIsCutDown(t *testing.T) {
	share := funcs["share"].(func(have, must int) string)
	for _, c := range []struct {
		have, must int
		want       string
	}{{0, 0, "无应设主体"}, {1, 3, "33.3%"}, {1999, 2000, "99.9%"}, {5, 5, "100.0%"}, {0, 7, "0.0%"}} {
		if got := share(c.have, c.must); got != c.want {
			t.Errorf("%d of %d: %s, want %s", c.have, c.must, got, c.want)
		}
	}
}

func TestTheListOfTheMissingIsASheet(t *testing.T) {
	d := newDesk(t, access.RoleChecker)
	got := d.call("GET", "/console/coverage/missing.xlsx", d.login("checker"), "")
	layout := sheet.Layout{Columns: []sheet.Column{{Field: "name", Heading: "名称", Required: true}, {Field: "gap", Heading: "缺项", Required: true}}}
	s, err := sheet.Open(strings.NewReader(got.body), int64(len(got.body)), layout)
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for row, err := range s.Rows() {
		if err != nil {
			t.Fatal(err)
		}
		name, _ := row.Get("name")
		gap, _ := row.Get("gap")
		rows = append(rows, name+" "+gap)
	}
	if strings.Join(rows, ", ") != "甲分部金丝雀 未找到对应单位, 甲校金丝雀 未找到对应单位" {
		t.Errorf("%q", rows)
	}
}
