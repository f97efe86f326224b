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
	for range 2 {
		out, stderr, code := runs(t, "import", "subjects", file, "--data", d.data, "--json")
		want(t, "the answer", fmt.Sprint(code, " ", strings.TrimSpace(out), stderr), `0 {"rows":3,"ok":3,"proof":0,"bad":0,"errors":[]}`)
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
