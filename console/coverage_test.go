package console

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

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
	for _, want := range []string{"<td>1</td><td>2</td>", "50.0%", "教育", "名录外在用场所码 1"} {
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

// upload sends a form with a file.
func (d *desk) upload(token string, fields map[string]string, name, file string) reply {
	d.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, v := range fields {
		_ = w.WriteField(k, v)
	}
	part, err := w.CreateFormFile("file", name)
	if err != nil {
		d.t.Fatal(err)
	}
	_, _ = io.WriteString(part, file)
	_ = w.Close()
	r := httptest.NewRequest(http.MethodPost, "/console/subjects/import", &b)
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := d.app.Test(r, -1)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(body)}
}

func TestARegisterIsLookedAtBeforeItIsImported(t *testing.T) {
	d := newDesk(t, access.RoleChecker)
	token := d.login("checker")
	const heads = "名称,统一社会信用代码,地址,所属区划,行业,状态,免设原因\n"
	file := heads + "甲店,,东街1号,410482001,餐饮,存续,\n乙店,,东街2号,410482001,餐饮,注销,\n"
	at := map[string]string{"division": "410482001"}
	looked := d.upload(token, at, "a.csv", file)
	for _, want := range []string{`"rows":2`, `"new":2`, `"gone":2`, `"done":false`, `"mark":"`} {
		if looked.status != 200 || !strings.Contains(looked.body, want) {
			t.Fatalf("looked at, without %s: %d %s", want, looked.status, looked.body)
		}
	}
	must := func() (n int) {
		d.machine.ms.Add(time.Hour.Milliseconds() / 100)
		var got struct{ Must int }
		d.fetch("/console/coverage", d.login("checker"), &got)
		return got.Must
	}
	if n := must(); n != 2 {
		t.Errorf("looking at it changed something: %d must", n)
	}
	_, mark, _ := strings.Cut(looked.body, `"mark":"`)
	mark, _, _ = strings.Cut(mark, `"`)
	go1 := map[string]string{"division": "410482001", "mark": mark}
	if got := d.upload(token, go1, "a.csv", heads+"丙店,,东街1号,410482001,餐饮,,\n"); got.status != 409 {
		t.Errorf("another file: %d %s", got.status, got.body)
	}
	if got := d.upload(token, go1, "a.csv", file); got.status != 200 || !strings.Contains(got.body, `"done":true`) {
		t.Errorf("imported: %d %s", got.status, got.body)
	}
	if n := must(); n != 1 {
		t.Errorf("%d must after the import, want 1", n)
	}
	bad := d.upload(token, at, "a.csv", heads+"甲店,9141,东街1号,410482001,餐饮,开心,\n,,,410481,,,\n")
	for _, want := range []string{`"bad":2`, `{"row":2,"field":"统一社会信用代码","message":"应为 18 位`, `"field":"状态"`, `"row":3,"field":"名称","message":"字数不符合要求。"`} {
		if !strings.Contains(bad.body, want) {
			t.Errorf("faults lack %s: %s", want, bad.body)
		}
	}
	if strings.Contains(bad.body, `"mark"`) {
		t.Error("a file with bad rows may be imported")
	}
	if got := d.upload(token, at, "a.html", "<html>"); got.status != 422 || !strings.Contains(got.body, "这个文件实际是网页") {
		t.Errorf("a page: %d %s", got.status, got.body)
	}
	if got := d.upload(token, map[string]string{"division": "410482"}, "a.csv", file); got.status != 404 {
		t.Errorf("a register of more than the scope: %d %s", got.status, got.body)
	}
}
