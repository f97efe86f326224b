package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/venuecode/venuecode/internal/mongotest"
)

// TestAFileOfUnitsAndVenues: bad rows keep it out, mended rows come in, and a
// demo that is killed in the middle is completed by sending the file again.
func TestAFileOfUnitsAndVenues(t *testing.T) { aFile(t, embeddedMemory, 2000) }

// TestAFileOfUnitsAndVenuesOnMongoDB is the same in the other memory, whose
// development server takes a minute for some hundred rows.
func TestAFileOfUnitsAndVenuesOnMongoDB(t *testing.T) {
	n := 40
	if long {
		n = 400
	}
	aFile(t, mongotest.Start(t).URI(), n)
}

func aFile(t *testing.T, memory string, n int) {
	data := t.TempDir()
	d, kill := spawnedOn(t, memory, data, halfPastTwo)
	var u, v strings.Builder
	for i := range n {
		fmt.Fprintf(&u, "青禾第%05d商行,%s,,419981103,商务,3,张三丰,139%08d\n", i, uscc(i), i)
		fmt.Fprintf(&v, "%s,第%05d商行门店,五,金穗路%d号院,前门、后门,舒敏,138%08d\n", uscc(i), i, i, i)
	}
	units, venues := unitHead+u.String(), venueHead+v.String()
	begun := len(d.units())
	more := func() int { return len(d.units()) - begun }

	// Three bad rows: nothing comes in, and of each it is said what is wrong.
	spoilt := units + "青禾坏码商行,9141,,419981103,,,,\n青禾无名商行,,,419981103,,,,\n青禾证件商行," + d.view.Residents[0].ID + ",,419981103,,,,\n"
	wrong := filepath.Join(t.TempDir(), "wrong.xlsx")
	r := d.imports(exitFailed, "units", spoilt, "--errors", wrong)
	want(t, "a file with bad rows", say(r.Rows, r.OK, r.Bad), say(n+3, n, 3))
	want(t, "units more", more(), 0)
	book, err := excelize.OpenFile(wrong)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := book.GetRows(book.GetSheetName(0))
	if err != nil {
		t.Fatal(err)
	}
	said := fmt.Sprint(rows)
	wantText(t, "the workbook of errors", said, "青禾坏码商行", "应为 18 位", "青禾无名商行", "未填写", "青禾证件商行", "这是身份证号码", fmt.Sprint(n+2), "共 3 行")
	wantNo(t, "the workbook of errors", said, "青禾第00001商行")

	// The workbook itself, mended in place, is sent again.
	for i, row := range rows {
		if len(row) > 1 && strings.HasPrefix(row[0], "青禾") {
			if err := book.SetCellStr(book.GetSheetName(0), fmt.Sprintf("B%d", i+1), uscc(n+i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	mended := filepath.Join(t.TempDir(), "mended.xlsx")
	if err := book.SaveAs(mended); err != nil {
		t.Fatal(err)
	}
	asked := machine.Now()
	want(t, "the good rows of it", d.imports(exitPartly, "units", spoilt, "--partial").OK, n)
	took := machine.Now().Sub(asked)
	want(t, "units more", more(), n)
	out, stderr, code := runs(t, d.importing("units", mended, "--json")...)
	wantText(t, "the mended rows: "+stderr, say(code, out), `0 {"rows":3,"ok":3,"proof":0,"bad":0`)
	want(t, "units more", more(), n+3)

	// A power cut in the middle of the venues, which are more work than the units.
	// In MongoDB few go side by side, and none is seen before all are.
	first := d.units()["青禾第00000商行"]
	file := filepath.Join(t.TempDir(), "venues.csv")
	if err := os.WriteFile(file, []byte(venues), 0o600); err != nil {
		t.Fatal(err)
	}
	tool := program(d.importing("venues", file)...)
	if err := tool.Start(); err != nil {
		t.Fatal(err)
	}
	started := machine.Now()
	until(t, tooLong, "the middle of the venues", func() bool {
		if memory == embeddedMemory {
			return len(d.placesOf(first)) > 0
		}
		return machine.Now().Sub(started) > took/2
	})
	kill()
	if err := tool.Wait(); err == nil {
		t.Log("all was written before the cut")
	}
	sessions := d.sessions
	d, _ = spawnedOn(t, memory, data, halfPastTwo)
	d.sessions = sessions // they outlive it
	doors := func() (least, most int) {
		least = 2
		names := d.units()
		for i := 0; i < n; i += cmp.Or(n/200, 1) {
			is := shown[struct{ Doors []any }](d, "checker", "/console/doors?unit="+names[fmt.Sprintf("青禾第%05d商行", i)])
			least, most = min(least, len(is.Doors)), max(most, len(is.Doors))
		}
		return least, most
	}
	least, most := doors()
	t.Logf("after the cut a unit has between %d and %d doors", least, most)
	for range 2 {
		want(t, "units once more", d.imports(0, "units", units).OK, n)
		want(t, "venues once more", d.imports(0, "venues", venues).OK, n)
		want(t, "units more", more(), n+3)
		least, most := doors()
		want(t, "doors of a unit", say(least, most), "2 2")
	}
}
