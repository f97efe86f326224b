package sheet_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"github.com/venuecode/venuecode/internal/declared"
	"github.com/venuecode/venuecode/sheet"
	"github.com/venuecode/venuecode/venue"
)

// shops is what the tests read and write.
var shops = sheet.Layout{
	Name: "场所",
	Columns: []sheet.Column{
		{Field: "uscc", Heading: "统一社会信用代码", Aliases: []string{"信用代码"}, Required: true, Help: "18 位", Example: "91410100MA0000000X"},
		{Field: "name", Heading: "场所名称", Required: true, Help: "门头上的名称", Example: "示例超市"},
		{Field: "staff", Heading: "在册人数"},
		{Field: "shop", Heading: "门店编号"},
	},
	Notes: []string{"一店一码。"},
}

func open(b []byte) (*sheet.Sheet, error) {
	return sheet.Open(bytes.NewReader(b), int64(len(b)), shops)
}

// read gives the rows as 3:uscc|name|staff|shop, with what is wrong in place of
// a value.
func read(t testing.TB, b []byte) []string {
	t.Helper()
	s, err := open(b)
	if err != nil {
		t.Fatal(err)
	}
	return lines(t, s)
}

func lines(t testing.TB, s *sheet.Sheet) (got []string) {
	t.Helper()
	for row, err := range s.Rows() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, line(row))
	}
	return got
}

func line(row sheet.Row) string {
	texts := []string{}
	for _, c := range shops.Columns {
		text, err := row.Get(c.Field)
		if err != nil {
			text = "!" + err.Error()
		}
		texts = append(texts, text)
	}
	return fmt.Sprintf("%d:%s", row.Number, strings.Join(texts, "|"))
}

func same(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n %q\nwant\n %q", got, want)
	}
}

// refused checks that a file is refused as a whole, for a reason that a person
// is told something about.
func refused(t testing.TB, b []byte, reason string) *sheet.Refusal {
	t.Helper()
	s, err := open(b)
	if err == nil {
		for _, e := range s.Rows() {
			err = errors.Join(err, e)
		}
	}
	var r *sheet.Refusal
	var invalid *venue.Invalid
	if !errors.As(err, &r) || r.Reason != reason || !errors.As(err, &invalid) || !errors.Is(err, venue.ErrInvalid) {
		t.Fatalf("got %v, want a refusal for %s", err, reason)
	}
	if text := sheet.Sentence(err); text == "" || strings.Contains(text, "%") {
		t.Errorf("%s: the sentence is %q", reason, text)
	}
	return r
}

// made is a workbook by another program.
func made(t testing.TB, fill func(f *excelize.File)) []byte {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	fill(f)
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func set(t testing.TB, f *excelize.File, name string, rows ...[]any) {
	t.Helper()
	for i, row := range rows {
		if err := f.SetSheetRow(name, fmt.Sprint("A", i+1), &row); err != nil {
			t.Fatal(err)
		}
	}
}

func of(t testing.TB, rows ...[]any) []byte {
	return made(t, func(f *excelize.File) { set(t, f, "Sheet1", rows...) })
}

var headings = []any{"统一社会信用代码", "场所名称", "在册人数", "门店编号"}

func TestHeadingsAreFoundWhateverTheirOrderAndDress(t *testing.T) {
	for name, row := range map[string][]any{
		"as declared":    {"统一社会信用代码", "场所名称"},
		"other order":    {"场所名称", "统一社会信用代码"},
		"alias":          {"信用代码", "场所名称"},
		"stars":          {"*统一社会信用代码", "场所名称 *"},
		"marks":          {"统一社会信用代码（必填）", "场所名称(必填)"},
		"explained":      {"统一社会信用代码（18位）", "场所名称（门头名称）："},
		"blanks":         {"统一社会信用代码\n", "　场 所 名 称 "},
		"invisible":      {"\uFEFF统一社会信用代码", "场所\u200b名称"},
		"full width":     {"统一社会信用代码＊", "场所名称："},
		"more than ours": {"序号", "统一社会信用代码", "备注", "场所名称"},
	} {
		t.Run(name, func(t *testing.T) {
			value := make([]any, len(row))
			for i, h := range row {
				switch {
				case strings.Contains(h.(string), "信用"):
					value[i] = "U"
				case strings.Contains(strings.ReplaceAll(strings.ReplaceAll(h.(string), " ", ""), "\u200b", ""), "场所"):
					value[i] = "N"
				}
			}
			same(t, read(t, of(t, []any{"某县场所登记表"}, []any{"填报单位：", "", "填报时间："}, nil, row, value)), "5:U|N||")
		})
	}
}

func TestHeadingsThatDoNotDo(t *testing.T) {
	r := refused(t, of(t, []any{"登记表"}, []any{"场所", "地址"}, []any{"a", "b"}), sheet.ReasonMissing)
	same(t, r.Headings, "统一社会信用代码", "场所名称")
	r = refused(t, of(t, []any{"登记表"}, []any{"门店编号", "场所名称"}, []any{"a", "b"}), sheet.ReasonMissing)
	same(t, append(r.Headings, r.Sheet), "统一社会信用代码", "Sheet1")
	r = refused(t, of(t, []any{"信用代码", "场所名称", "统一社会信用代码*"}), sheet.ReasonDuplicate)
	same(t, r.Headings, "统一社会信用代码")
	rows := [][]any{}
	for i := range 10 {
		rows = append(rows, []any{fmt.Sprint("标题", i)})
	}
	refused(t, of(t, append(rows, headings)...), sheet.ReasonMissing)
	same(t, read(t, of(t, append(rows[1:], headings, []any{"U"})...)), "11:U|||")
	s, err := open(of(t, []any{"统一社会信用代码", "备注", "场所名称", "", "序号"}))
	if err != nil {
		t.Fatal(err)
	}
	same(t, s.Unknown, "备注", "序号")
	same(t, s.Headings, "统一社会信用代码", "备注", "场所名称", "", "序号")
}

// TestACellIsWhatAPersonSees: numbers by every way of typing them, dates,
// formulas. The style's code is in the second place.
func TestACellIsWhatAPersonSees(t *testing.T) {
	for name, c := range map[string]struct {
		value any
		code  string
		want  string
	}{
		"text":                        {"91410100MA0000000X", "", "91410100MA0000000X"},
		"blanks stay":                 {" 甲 ", "", " 甲 "},
		"phone":                       {13800138000, "", "13800138000"},
		"number in text format":       {13800138000, "@", "13800138000"},
		"thousands":                   {1200, "#,##0.00", "1200"},
		"fraction":                    {0.1 + 0.2, "", "0.3"},
		"negative":                    {-3, "", "-3"},
		"15 digits":                   {410101199003071, "0", "410101199003071"},
		"ID typed as a number":        {410101199003071234, "0", "!staff: digits"},
		"the same, shown in short":    {4.10101199003071e17, "", "!staff: digits"},
		"16 digits":                   {1000000000000000, "", "!staff: digits"},
		"what a .csv makes of it":     {"4.10101E+17", "", "!staff: digits"},
		"a plus is no exponent":       {"A1.5E+17", "", "A1.5E+17"},
		"leading zeros":               {371, "0000", "0371"},
		"date":                        {44846, "yyyy/m/d", "2022-10-12"},
		"Chinese date":                {44846, `yyyy"年"m"月"d"日";@`, "2022-10-12"},
		"month and day":               {44846, `[$-804]m"月"d"日"`, "2022-10-12"},
		"first days":                  {1, "yyyy-mm-dd", "1900-01-01"},
		"after the day there was not": {61, "yyyy-mm-dd", "1900-03-01"},
		"date and time":               {44846.5, "yyyy/m/d h:mm", "2022-10-12 12:00"},
		"time":                        {0.75, "h:mm", "18:00"},
		"seconds":                     {0.5 + 1.0/86400, "h:mm:ss", "12:00:01"},
		"red is no day":               {5, "[Red]0;[Blue]-0", "5"},
		"a word is no date":           {5, `0"day"`, "5"},
		"true":                        {true, "", "TRUE"},
	} {
		t.Run(name, func(t *testing.T) {
			b := made(t, func(f *excelize.File) {
				set(t, f, "Sheet1", headings, []any{"U", "N", c.value})
				if c.code != "" {
					style, err := f.NewStyle(&excelize.Style{CustomNumFmt: &c.code})
					if err := errors.Join(err, f.SetCellStyle("Sheet1", "C2", "C2", style)); err != nil {
						t.Fatal(err)
					}
				}
			})
			same(t, read(t, b), "2:U|N|"+c.want+"|")
		})
	}
	for name, c := range map[string][2]string{
		"error":                  {`<c r="C2" t="e"><v>#N/A</v></c>`, "!staff: formula"},
		"formula and its value":  {`<c r="C2"><f>1+1</f><v>2</v></c>`, "2"},
		"formula and its text":   {`<c r="C2" t="str"><f>A1</f><v>甲</v></c>`, "甲"},
		"formula that is blank":  {`<c r="C2" t="str"><f>A1</f><v></v></c>`, ""},
		"formula never computed": {`<c r="C2"><f>1+1</f></c>`, "!staff: formula"},
		"shared formula, never":  {`<c r="C2"><f t="shared" si="0"/></c>`, "!staff: formula"},
		"no number":              {`<c r="C2"><v>NaN</v></c>`, "!staff: formula"},
		"rich text":              {`<c r="C2" t="inlineStr"><is><r><t>甲</t></r><r><t xml:space="preserve"> 乙</t></r><rPh><t>jia</t></rPh></is></c>`, "甲 乙"},
		"escaped":                {`<c r="C2" t="inlineStr"><is><t>a_x000D__x005F_x0041_&#10;&lt;</t></is></c>`, "a\r_x0041_\n<"},
		"no references":          {`<c t="str"><v>2</v></c>`, "2"},
	} {
		t.Run(name, func(t *testing.T) {
			same(t, read(t, raw(head+`<row r="2"><c r="A2" t="str"><v>U</v></c><c r="B2" t="str"><v>N</v></c>`+c[0]+`</row>`, "")), "2:U|N|"+c[1]+"|")
		})
	}
}

const head = `<row r="1"><c r="A1" t="str"><v>信用代码</v></c><c r="B1" t="str"><v>场所名称</v></c><c r="C1" t="str"><v>在册人数</v></c></row>`

// raw is a workbook with rows as they are given, and what comes after them.
func raw(rows, after string) []byte {
	return archive("xl/worksheets/sheet1.xml", `<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>`+rows+`</sheetData>`+after+`</worksheet>`)
}

// archive is a workbook with some parts replaced or added.
func archive(parts ...string) []byte {
	all := map[string]string{
		"_rels/.rels":                `<Relationships><Relationship Id="a" Type="x/officeDocument" Target="/xl/workbook.xml"/></Relationships>`,
		"xl/workbook.xml":            `<workbook xmlns:r="r"><sheets><sheet name="表一" sheetId="1" r:id="s1"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels": `<Relationships><Relationship Id="s1" Type="x/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`,
	}
	for i := 0; i < len(parts); i += 2 {
		all[parts[i]] = parts[i+1]
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(all)) { // the fuzzer wants the same each time
		w, _ := z.Create(name)
		_, _ = io.WriteString(w, all[name])
	}
	_ = z.Close()
	return b.Bytes()
}

func TestRowsKeepTheirNumbers(t *testing.T) {
	same(t, read(t, of(t, nil, headings, nil, []any{"a", "b"}, []any{" ", ""}, []any{"c"})), "4:a|b||", "6:c|||")
	same(t, read(t, []byte("\n信用代码,场所名称\n\n\na,b\n\"x\ny\nz\",c\n,,\n\nd,\"e\nf\"\ng")), "5:a|b||", "6:x\ny\nz|c||", "9:d|e\nf||", "10:g|||")
}

func TestWhatIsMergedDownwardsCountsForEachRow(t *testing.T) {
	b := made(t, func(f *excelize.File) {
		set(t, f, "Sheet1", []any{"登记表"}, headings, []any{"U1", "甲"}, []any{"", "乙"}, []any{"", "丙"}, []any{"", "丁"}, []any{"U2", "戊"})
		if err := errors.Join(f.MergeCell("Sheet1", "A1", "D1"), f.MergeCell("Sheet1", "A3", "A5"), f.MergeCell("Sheet1", "C7", "C9")); err != nil {
			t.Fatal(err)
		}
	})
	same(t, read(t, b), "3:U1|甲||", "4:U1|乙||", "5:U1|丙||", "6:|丁||", "7:U2|戊||")
}

func TestTheFirstSheetThatCanBeSeenIsRead(t *testing.T) {
	b := made(t, func(f *excelize.File) {
		for _, name := range []string{"隐藏", "空", "东街", "西街", "也空", "填写说明"} {
			if _, err := f.NewSheet(name); err != nil {
				t.Fatal(err)
			}
		}
		set(t, f, "隐藏", headings, []any{"hidden"})
		set(t, f, "东街", headings, []any{"a", "b"}, []any{"c", "d"})
		set(t, f, "西街", headings, []any{"e"})
		set(t, f, "填写说明", []any{"说明"})
		if err := errors.Join(f.SetSheetVisible("隐藏", false), f.SetRowVisible("东街", 3, false)); err != nil {
			t.Fatal(err)
		}
	})
	s, err := open(b)
	if err != nil {
		t.Fatal(err)
	}
	same(t, []string{s.Name, fmt.Sprint(s.Others), fmt.Sprint(s.Len)}, "东街", "[西街]", "2")
	var hidden []string
	for row := range s.Rows() {
		hidden = append(hidden, fmt.Sprint(row.Hidden))
	}
	same(t, hidden, "false", "true")
}

func TestTextInItsEncodings(t *testing.T) {
	text := "统一社会信用代码,场所名称,在册人数\r\nU,𠮷野家 龘 😀,3\r\n\"a\"\"b\",\"c,d\",\"=\"\"0123\"\"\"\r\n"
	want := []string{"2:U|𠮷野家 龘 😀|3|", `3:a"b|c,d|0123|`}
	gb, err := simplifiedchinese.GB18030.NewEncoder().Bytes([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"UTF-8": []byte(text), "marked": []byte("\uFEFF" + text), "GB18030": gb} {
		t.Run(name, func(t *testing.T) { same(t, read(t, b), want...) })
	}
	t.Run("at every boundary of a chunk", func(t *testing.T) {
		for pad := range 8 {
			long := text + strings.Repeat("x", pad) + "," + strings.Repeat("龘", 6000) + "\n"
			s, err := open([]byte(long))
			if err != nil || s.Len != 3 {
				t.Fatalf("pad %d: %v", pad, err)
			}
		}
	})
	wide, _ := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().Bytes([]byte(text))
	refused(t, wide, sheet.ReasonEncoding)
	refused(t, []byte("\uFEFF"+text+"\xff"), sheet.ReasonEncoding)
	refused(t, append(gb, 0xff, '\n'), sheet.ReasonEncoding)
	if r := refused(t, []byte("信用代码,场所名称\na,b\nc,\"d\ne,f\n"), sheet.ReasonQuotes); r.Row != 3 {
		t.Errorf("row %d, want 3", r.Row)
	}
}

func TestHostileValuesArePassedOn(t *testing.T) {
	long := strings.Repeat("长", 10_000/3)
	for name, v := range map[string]string{
		"10 kB": long, "control": "a\x01b", "NUL": "a\x00b", "bidi": "a\u202eb", "tag": "a\U000e0041b", "emoji": "👨‍👩‍👧", "U+20BB7": "𠮷", "broken": "a\uFFFDb",
	} {
		t.Run(name, func(t *testing.T) {
			if name != "broken" { // in a .csv that is an encoding nobody knows, unless it is UTF-8
				same(t, read(t, []byte("信用代码,场所名称\nU,"+v+"\n")), "2:U|"+v+"||")
			}
			x := strings.NewReplacer("\x01", "_x0001_", "\x00", "_x0000_").Replace(v)
			same(t, read(t, raw(head+`<row r="2"><c r="B2" t="inlineStr"><is><t>`+x+`</t></is></c></row>`, "")), "2:|"+v+"||")
		})
	}
}

func TestFilesThatAreNoSheets(t *testing.T) {
	xls := append([]byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"), make([]byte, 4096)...)
	var locked bytes.Buffer
	f := excelize.NewFile()
	if err := f.Write(&locked, excelize.Options{Password: "x"}); err != nil {
		t.Fatal(err)
	}
	plain := of(t, headings, []any{"U"})
	for name, c := range map[string]struct {
		b      []byte
		reason string
	}{
		"nothing":         {nil, sheet.ReasonEmpty},
		"blank sheet":     {of(t), sheet.ReasonEmpty},
		"blank text":      {[]byte("\n\n,,\n"), sheet.ReasonEmpty},
		"old workbook":    {xls, sheet.ReasonXLS},
		"older workbook":  {[]byte("\x09\x08\x08\x00\x00\x05\x05\x00"), sheet.ReasonXLS},
		"binary workbook": {archive("xl/workbook.bin", ""), sheet.ReasonXLS},
		"password":        {locked.Bytes(), sheet.ReasonPassword},
		"OpenDocument":    {archive("mimetype", "application/vnd.oasis.opendocument.spreadsheet"), sheet.ReasonODS},
		"page":            {[]byte("\uFEFF\r\n<html><table><tr><td>统一社会信用代码"), sheet.ReasonHTML},
		"XML of 2003":     {[]byte(`<?xml version="1.0"?><Workbook/>`), sheet.ReasonHTML},
		"picture":         {[]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), sheet.ReasonFormat},
		"PDF":             {[]byte("%PDF-1.7\n"), sheet.ReasonFormat},
		"program":         {[]byte("\x7fELF\x02\x01\x01\x00\x00\x00"), sheet.ReasonFormat},
		"other archive":   {zipped("a.txt", "x"), sheet.ReasonFormat},
		"document":        {zipped("_rels/.rels", `<Relationships><Relationship Id="a" Type="x/officeDocument" Target="word/document.xml"/></Relationships>`), sheet.ReasonFormat},
		"archive cut off": {plain[:len(plain)/2], sheet.ReasonDamaged},
		"only its head":   {plain[:100], sheet.ReasonDamaged},
	} {
		t.Run(name, func(t *testing.T) { refused(t, c.b, c.reason) })
	}
}

func zipped(name, text string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, _ := z.Create(name)
	_, _ = io.WriteString(w, text)
	_ = z.Close()
	return b.Bytes()
}

// TestADamagedFileIsNeverAShorterOne: at least one library gives the rows
// before the damage and no error.
func TestADamagedFileIsNeverAShorterOne(t *testing.T) {
	var rows strings.Builder
	for i := range 300 {
		fmt.Fprintf(&rows, `<row r="%d"><c r="A%[1]d" t="str"><v>U%[1]d</v></c></row>`, i+2)
	}
	whole := `<worksheet><sheetData>` + head + rows.String() + `</sheetData></worksheet>`
	if n := len(read(t, archive("xl/worksheets/sheet1.xml", whole))); n != 300 {
		t.Fatalf("%d rows", n)
	}
	t.Run("cut", func(t *testing.T) {
		for i := len(head) + 100; i < len(whole); i += 97 {
			refused(t, archive("xl/worksheets/sheet1.xml", whole[:i]), sheet.ReasonDamaged)
		}
	})
	t.Run("a byte is another", func(t *testing.T) {
		b := archive("xl/worksheets/sheet1.xml", whole)
		r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.File {
			if f.Name != "xl/worksheets/sheet1.xml" {
				continue
			}
			at, _ := f.DataOffset()
			for i := at; i < at+int64(f.CompressedSize64); i += 7 {
				c := bytes.Clone(b)
				c[i] ^= 0x55
				refused(t, c, sheet.ReasonDamaged)
			}
		}
	})
	for name, rows := range map[string]string{
		"rows in disorder":     head + `<row r="3"><c r="A3"><v>1</v></c></row><row r="2"><c r="A2"><v>1</v></c></row>`,
		"a row twice":          head + `<row r="1"><c r="A1"><v>1</v></c></row>`,
		"row beyond the last":  head + `<row r="1048577"><c r="A1"><v>1</v></c></row>`,
		"row of no number":     head + `<row r="x"><c r="A1"><v>1</v></c></row>`,
		"cells in disorder":    head + `<row r="2"><c r="B2"><v>1</v></c><c r="A2"><v>1</v></c></row>`,
		"cell of no column":    head + `<row r="2"><c r="$2"><v>1</v></c></row>`,
		"column beyond":        head + `<row r="2"><c r="XFE2"><v>1</v></c></row>`,
		"column far beyond":    head + `<row r="2"><c r="` + strings.Repeat("Z", 99) + `2"><v>1</v></c></row>`,
		"text that is nowhere": head + `<row r="2"><c r="A2" t="s"><v>7</v></c></row>`,
		"text below zero":      head + `<row r="2"><c r="A2" t="s"><v>-1</v></c></row>`,
		"entity":               head + `<row r="2"><c r="A2" t="str"><v>&x;</v></c></row>`,
		"tags not closed":      head + `<row r="2"><c r="A2"><v>1</c></row>`,
		"tags in tags":         head + strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100),
		"declaration":          `<!DOCTYPE a [<!ENTITY x "y">]>` + head,
	} {
		t.Run(name, func(t *testing.T) { refused(t, raw(rows, ""), sheet.ReasonDamaged) })
	}
}

func TestLimitsOfCellsAndColumns(t *testing.T) {
	cell := func(ref string, text string) []byte {
		return raw(head+`<row r="2"><c r="`+ref+`2" t="inlineStr"><is><t>`+text+`</t></is></c></row>`, "")
	}
	same(t, read(t, cell("A", strings.Repeat("字", 32_767)))[:1], "2:"+strings.Repeat("字", 32_767)+"|||")
	if r := refused(t, cell("A", strings.Repeat("字", 32_768)), sheet.ReasonCell); r.Row != 2 {
		t.Errorf("row %d, want 2", r.Row)
	}
	refused(t, cell("A", strings.Repeat("𠮷", 16_384)), sheet.ReasonCell)
	refused(t, []byte("信用代码,场所名称\n"+strings.Repeat("x", 32_768)), sheet.ReasonCell)
	same(t, read(t, cell("IV", "x")), "2:|||")
	refused(t, cell("IW", "x"), sheet.ReasonColumns)
	same(t, read(t, cell("XFD", " ")))
	refused(t, []byte("信用代码,场所名称\n"+strings.Repeat(",", 256)+"x"), sheet.ReasonColumns)
	same(t, read(t, []byte("信用代码,场所名称\na"+strings.Repeat(",", 9999))), "2:a|||")
}

func TestEveryReasonHasASentence(t *testing.T) {
	for _, reason := range declared.Of(t, ".", "Reason") {
		refused, wrong := sheet.Sentence(&sheet.Refusal{Reason: reason}), sheet.Sentence(&venue.Invalid{Reason: reason})
		if (refused == "") == (wrong == "") || strings.Contains(refused, "%!") { // of a file, or of a cell
			t.Errorf("%s: of a file %q, of a cell %q", reason, refused, wrong)
		}
	}
}
