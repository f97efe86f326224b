package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/intake"
)

func TestARegisterIsImported(t *testing.T) {
	d := quietTown(t)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	run := func(code int, args ...string) (r intake.Result) {
		t.Helper()
		out, stderr, got := runs(t, append(append([]string{"import"}, args...), "--json")...)
		if got != code || strings.Count(strings.TrimSpace(out), "\n") > 0 {
			t.Fatalf("%v: %d %s\n%s", args, got, stderr, out)
		}
		parse(t, out, &r)
		return r
	}
	const head = "单位名称,统一社会信用代码,上级单位,所属区划,行业,在册人数,联系人,联系电话\n"
	good := head + "青禾商贸有限公司,91350100M000100Y43,,419981001,商贸,12,张三丰,13900000001\n"
	units := file("units.csv", good)
	if r := run(0, "units", units, "--check", "--data", d.data); r.Rows != 1 || r.OK != 1 || r.Errors == nil {
		t.Errorf("checked: %+v", r)
	}
	if r := run(exitFailed, "units", units, "--check"); r.Bad != 1 || r.Errors[0].Message != "没有这个区划代码，请核对。" {
		t.Errorf("checked against the shipped divisions: %+v", r)
	}
	if r := run(exitFailed, "units", file("nowhere.csv", strings.Replace(good, "419981001", "419981099", 1)), "--data", d.data); r.Bad != 1 || r.Errors[0].Field != "所属区划" {
		t.Errorf("in a township that the city does not have: %+v", r)
	}
	mixed := file("mixed.csv", good+"青禾坏码,9135010,,419981001,,,,\n")
	if r := run(exitFailed, "units", mixed, "--data", d.data); r.Bad != 1 || r.Errors[0].Row != 3 || r.Errors[0].Field != "统一社会信用代码" {
		t.Errorf("with a bad row: %+v", r)
	}
	bad := filepath.Join(dir, "bad.xlsx")
	run(exitPartly, "units", mixed, "--partial", "--errors", bad, "--data", d.data)
	run(exitFailed, "units", bad, "--check") // it is read as it is, to be mended
	old := file("legacy.csv", "原码内容,场所名称,单位名称,详细地址\nhttps://csm.example.com/q?id=7,青禾老店,青禾商贸有限公司,\n")
	for range 2 {
		if r := run(0, "legacy", old, "--data", d.data); r.OK != 1 {
			t.Errorf("old codes: %+v", r)
		}
	}
	phone := d.phone("wechat", d.view.Residents[0])
	var got struct {
		Status int
		Body   struct{ Venue, Decision string }
	}
	d.control(http.MethodPost, "/sim/phones/"+phone+"/scans", object{"link": "https://csm.example.com/q?id=7"}, &got)
	want(t, "an old code scanned", fmt.Sprint(got.Status, " ", got.Body.Venue, " ", got.Body.Decision), "200 青禾老店 admit")

	template := filepath.Join(dir, "template.xlsx")
	if _, stderr, code := runs(t, "import", "venues", "--template", template); code != 0 {
		t.Fatal(stderr)
	}
	if r := run(0, "venues", template, "--check"); r.Rows != 0 {
		t.Errorf("the example is a row: %+v", r)
	}
	page := file("page.csv", "<html>")
	if _, stderr, code := runs(t, "import", "units", page, "--data", d.data); code != exitFailed || !strings.Contains(stderr, "网页") {
		t.Errorf("a page: %d %s", code, stderr)
	}
	if _, _, code := runs(t, "import", "units"); code != exitUsage {
		t.Errorf("without a file: %d", code)
	}
	help, _, _ := runs(t, "import", "units", "--help")
	wantText(t, "the help", help, "单位名称 *", "统一社会信用代码 *", "联系电话")
}

func TestARegisterOfSubjectsIsImported(t *testing.T) {
	d := quietTown(t)
	file := filepath.Join(t.TempDir(), "subjects.csv")
	text := "名称,统一社会信用代码,地址,所属区划,行业,状态,免设原因\n甲店,,东街1号,419981001,餐饮,存续,\n乙店,,东街2号,419981002,餐饮,注销,\n丙店,,东街3号,419981002,餐饮,存续（在营）,停业改造\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	token, _ := d.official("checker")
	for _, c := range []struct{ gone, differs string }{{"53", `"new":3,"changed":0,"same":0`}, {"0", `"new":0,"changed":0,"same":3`}} { // the demo's own go
		out, stderr, code := runs(t, "import", "subjects", file, "--data", d.data, "--json", "--gone", c.gone)
		want(t, "the answer", fmt.Sprint(code, " ", strings.TrimSpace(out), stderr), `0 {"rows":3,"ok":3,"proof":0,"bad":0,"errors":[],"subjects":{`+c.differs+`,"gone":`+c.gone+`}}`)
		var got struct {
			Have, Must int
			Rows       []struct {
				Division, Sector string
				Have, Must       int
			}
		}
		d.ask(http.MethodGet, "/console/coverage", token, "").json(t, &got)
		want(t, "coverage", fmt.Sprint(got.Have, got.Must, got.Rows), "0 1 [{419981001 餐饮 0 1}]")
	}
}

// TestAWrongFileDoesNotEmptyTheRegister: whoever takes the wrong one, or half of one,
// has said how many are gone.
func TestAWrongFileDoesNotEmptyTheRegister(t *testing.T) {
	d := quietTown(t)
	file := filepath.Join(t.TempDir(), "subjects.csv")
	take := func(code, from, to int, flags ...string) (said string) {
		t.Helper()
		text := "名称,地址,所属区划\n"
		for i := from; i < to; i++ {
			text += fmt.Sprintf("第%d店,东街%[1]d号,419981001\n", i)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, stderr, got := runs(t, append([]string{"import", "subjects", file, "--data", d.data}, flags...)...)
		if got != code {
			t.Fatalf("%d to %d %v: exit code %d, want %d: %s%s", from, to, flags, got, code, out, stderr)
		}
		return out + stderr
	}
	wantText(t, "instead of the demo's", take(exitFailed, 0, 230), "230 new, 0 changed, 0 the same, 53 gone", "nothing was imported")
	take(0, 0, 230, "--gone", "53")
	wantText(t, "a look", take(0, 0, 231, "--dry-run"), "1 new, 0 changed, 230 the same, 0 gone; looked at only")
	wantText(t, "20 of 230 are few", take(0, 20, 230), "0 new, 0 changed, 210 the same, 20 gone")
	wantText(t, "21 of 210 are a tenth", take(0, 41, 230), "189 the same, 21 gone")
	wantText(t, "19 of 189 and more than a tenth, but few", take(0, 60, 230), "170 the same, 19 gone")
	const held = "21 subjects would be gone; nothing was imported"
	wantText(t, "21 of 170", take(exitFailed, 81, 232), "2 new, 0 changed, 149 the same, 21 gone", held, "--gone 21 imports it all the same")
	wantText(t, "a look at them", take(exitFailed, 81, 232, "--dry-run"), held, "looked at only")
	wantText(t, "another number", take(exitFailed, 81, 232, "--gone", "22"), held)
	wantText(t, "another number of a few", take(exitFailed, 61, 230, "--gone", "2"), "1 subjects would be gone")
	if _, _, code := runs(t, "import", "subjects", file, "--data", d.data, "--gone", "x"); code != exitUsage {
		t.Errorf("no number: %d", code)
	}
	if _, _, code := runs(t, "import", "units", file, "--data", d.data, "--gone", "21"); code != exitUsage {
		t.Errorf("of units: %d", code)
	}
	wantText(t, "that number", take(0, 81, 232, "--gone", "21"), "2 new, 0 changed, 149 the same, 21 gone")
	wantText(t, "once more", take(0, 81, 232), "0 new, 0 changed, 151 the same, 0 gone")
	wantText(t, "they are back", take(0, 70, 232), "0 new, 11 changed, 151 the same, 0 gone")
	if err := os.WriteFile(file, []byte("名称,地址,所属区划\n第81店,东街81号,没有的街道\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := runs(t, "import", "subjects", file, "--data", d.data, "--gone", "161"); code != exitFailed || !strings.Contains(stderr, "1 of 1 rows are bad") {
		t.Errorf("a bad row: %d %s", code, stderr)
	}
	help, _, _ := runs(t, "import", "subjects", "--help")
	wantText(t, "the help", help, "--gone", "--dry-run")
}
