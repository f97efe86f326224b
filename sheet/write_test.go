package sheet_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
	"pgregory.net/rapid"

	"github.com/venuecode/venuecode/sheet"
	"github.com/venuecode/venuecode/venue"
)

// written is a file of rows.
func written(t testing.TB, columns []sheet.Column, rows [][]string, titles ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := sheet.NewWriter(&b, "场所", columns, titles...)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if err := w.Write(row...); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// others is a sheet as another program reads it.
func others(t testing.TB, b []byte, name string) (*excelize.File, [][]string) {
	t.Helper()
	f, err := excelize.OpenReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	rows, err := f.GetRows(name)
	if err != nil {
		t.Fatal(err)
	}
	return f, rows
}

var hostile = []string{
	"=1+1", "+86 138", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＋1", "－1", "＠a", "﹦1", "−1", " =1", "\u00a0=1", "　＝1", "=cmd|' /C calc'!A0",
	"'=1", "''=1", "'a", "'", "''", "a=1", "1-1", "-", "=", "_x0041_", "_x0041_x0042_", "_x005F_", "__x000d_", "<a>&\"'", "]]>", "a\tb\r\nc\n", " a ", "𠮷野家", "😀", "葛\U000E0100",
}

func TestNoValueRunsAndEachComesBack(t *testing.T) {
	var rows [][]string
	var want []string
	for i, h := range hostile {
		rows = append(rows, []string{h, "x"})
		want = append(want, fmt.Sprintf("%d:%s|x||", i+2, h))
	}
	b := written(t, shops.Columns, rows)
	same(t, read(t, b), want...)
	f, seen := others(t, b, "场所")
	for i := range hostile {
		ref := fmt.Sprint("A", i+2)
		kind, err := f.GetCellType("场所", ref)
		formula, err2 := f.GetCellFormula("场所", ref)
		if errors.Join(err, err2) != nil || kind != excelize.CellTypeInlineString || formula != "" {
			t.Errorf("%q: type %d, formula %q, %v", hostile[i], kind, formula, err)
		}
		if text := seen[i+1][0]; strings.ContainsAny(strings.TrimSpace(text)[:1], "=+-@＝＋－＠﹦−") || strings.ContainsAny(text[:1], "\t\r\n") {
			t.Errorf("%q is shown as %q, which would run in a .csv", hostile[i], text)
		}
	}
}

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	texts := rapid.OneOf(rapid.StringOf(rapid.RuneFrom([]rune("' =+-@＝＋\t\r\n_x0041aE.5<&\"]>龘𠮷😀"))), rapid.StringMatching(`[ '=+\-@_x0041a]{0,12}`))
	rapid.Check(t, func(r *rapid.T) {
		rows := rapid.SliceOfN(rapid.SliceOfN(texts, 3, 3), 0, 5).Draw(r, "rows")
		var want []string
		for i, row := range rows {
			for j := range row {
				if strings.TrimSpace(row[j]) == "" {
					row[j] = "" // what is blank is blank
				}
			}
			rows[i] = append(row, fmt.Sprint("n", i)) // but no row is
			want = append(want, fmt.Sprintf("%d:%s", i+2, strings.Join(rows[i], "|")))
		}
		same(t, read(t, written(t, shops.Columns, rows)), want...)
	})
}

// roundTrip checks that what can be read of b is the same each time that it is
// written and read again.
func roundTrip(t testing.TB, b []byte) {
	s, err := open(b)
	if err != nil {
		if sheet.Sentence(err) == "" {
			t.Fatal(err)
		}
		return
	}
	var first []string
	for range 2 {
		var rows [][]string
		for row, err := range s.Rows() {
			if err != nil {
				return
			}
			var texts []string
			for _, c := range shops.Columns {
				text, _ := row.Get(c.Field)
				texts = append(texts, text)
			}
			rows = append(rows, texts)
		}
		if s, err = open(written(t, shops.Columns, rows)); err != nil {
			t.Fatal(err)
		}
		next := lines(t, s)
		if first != nil && !slices.Equal(first, next) {
			t.Fatalf("%q became %q", first, next)
		}
		first = next
	}
}

func TestWhatCanNotBeSeenIsLeftOut(t *testing.T) {
	b := written(t, shops.Columns, [][]string{{"a\x00\x01b", "a\u202eb\u200b\ufeff", "\u200e=1", "a\U000E0041\u2028b\uFFFEc\xff"}})
	same(t, read(t, b), "2:ab|ab|=1|abc\uFFFD")
	if _, seen := others(t, b, "场所"); seen[1][2] != "'=1" {
		t.Errorf("%q: a mark before it hides a formula", seen[1][2])
	}
}

func TestTheSheetSaysHowManyRowsItHas(t *testing.T) {
	b := written(t, shops.Columns, [][]string{{"a"}, {"b", "共 1 行"}, {"共 9 行", "c"}}, "青禾市 缺码名单", "截至 2022-10-12")
	same(t, read(t, b), "4:a|||", "5:b|共 1 行||", "6:共 9 行|c||")
	f, seen := others(t, b, "场所")
	if last := seen[len(seen)-1][0]; last != "共 3 行" || seen[0][0] != "青禾市 缺码名单" {
		t.Errorf("begins with %q, ends with %q", seen[0][0], last)
	}
	if panes, err := f.GetPanes("场所"); err != nil || !panes.Freeze || panes.YSplit != 3 {
		t.Errorf("panes %+v, %v", panes, err)
	}
}

func TestNothingIsCut(t *testing.T) {
	w, err := sheet.NewWriter(io.Discard, "场所", shops.Columns)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(strings.Repeat("𠮷", 16_383)); err != nil {
		t.Fatal(err)
	}
	var r *sheet.Refusal
	if err := w.Write(strings.Repeat("𠮷", 16_384)); !errors.As(err, &r) || r.Reason != sheet.ReasonCell || !errors.Is(w.Close(), venue.ErrInvalid) {
		t.Errorf("got %v, then %v", err, w.Close())
	}
	if err := w.Write("a", "b", "c", "d", "e"); !errors.Is(err, venue.ErrInvalid) {
		t.Errorf("five cells in four columns: %v", err)
	}
	if _, err := sheet.NewWriter(io.Discard, "a/b", shops.Columns); !errors.Is(err, venue.ErrInvalid) {
		t.Errorf("name of a sheet: %v", err)
	}
	if _, err := sheet.NewWriter(io.Discard, "a", nil); !errors.Is(err, venue.ErrInvalid) {
		t.Errorf("no columns: %v", err)
	}
	full := errors.New("disk full")
	if err := shops.Template(failing{full}); !errors.Is(err, full) {
		t.Errorf("template: got %v", err)
	}
	w, err = sheet.NewWriter(failing{full}, "场所", shops.Columns)
	for range 20_000 {
		err = errors.Join(err, w.Write("some text that fills buffers"))
	}
	if err = errors.Join(err, w.Close()); !errors.Is(err, full) {
		t.Errorf("got %v, want the writer's error", err)
	}
}

type failing struct{ error }

func (f failing) Write([]byte) (int, error) { return 0, f.error }

func TestRowsThatTheFormatHasNoRoomFor(t *testing.T) {
	w, err := sheet.NewWriter(io.Discard, "场所", shops.Columns[:1])
	for i := range 1<<20 - 2 { // headings and total take two
		if err = errors.Join(err, w.Write("")); err != nil {
			t.Fatal(i, err)
		}
	}
	var r *sheet.Refusal
	if err := w.Write("x"); !errors.As(err, &r) || r.Reason != sheet.ReasonRows || r.Limit != 1<<20 {
		t.Errorf("got %v", err)
	}
}

// TestProblemsAreMendedAndSentAgain: the file that goes back has the sender's
// own columns, and is taken as it is.
func TestProblemsAreMendedAndSentAgain(t *testing.T) {
	sent := of(t, []any{"登记表"}, []any{"备注", "场所名称 *", "信用代码", "在册人数"}, []any{"x", "=甲", "U1", 410101199003071234}, []any{"y", "乙", "U2"}, []any{"", "丙", ""})
	s, err := open(sent)
	if err != nil {
		t.Fatal(err)
	}
	back := func(s *sheet.Sheet) []byte {
		var b bytes.Buffer
		p, err := s.Problems(&b)
		for row, e := range s.Rows() {
			if err = errors.Join(err, e); row.Number != 4 || s.Name != "Sheet1" {
				err = errors.Join(err, p.Add(row, "在册人数有误", "代码有误"))
			}
		}
		if err = errors.Join(err, p.Close()); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	b := back(s)
	_, seen := others(t, b, "场所")
	for i, want := range []string{"备注|场所名称 *|信用代码|在册人数|问题|原行号", "x|'=甲|U1|4.10101199003071E+17|在册人数有误；代码有误|3", "|丙|||在册人数有误；代码有误|5", "共 2 行"} {
		if got := strings.Join(seen[i], "|"); got != want {
			t.Errorf("row %d: %q, want %q", i+1, got, want)
		}
	}
	if s, err = open(b); err != nil {
		t.Fatal(err)
	}
	same(t, s.Unknown, "备注")
	same(t, lines(t, s), "2:U1|=甲|!staff: digits|", "3:|丙||")
	if _, seen := others(t, back(s), "场所"); len(seen[0]) != 6 {
		t.Errorf("the second time round there are %q", seen[0])
	}
}

func TestTheTemplateIsReadAsItsLayout(t *testing.T) {
	var b bytes.Buffer
	if err := shops.Template(&b); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		if f.Modified.Day() != 1 || f.ModifiedDate == 0 {
			t.Errorf("%s is dated %s", f.Name, f.Modified)
		}
	}
	s, err := open(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	same(t, lines(t, s)) // the example is no row
	same(t, slices.Concat(s.Unknown, s.Others))
	f, seen := others(t, b.Bytes(), "场所")
	same(t, seen[0], "统一社会信用代码（必填）", "场所名称（必填）", "在册人数", "门店编号")
	// Whoever types below the example types text.
	style, err := f.GetColStyle("场所", "A")
	if err != nil {
		t.Fatal(err)
	}
	if s, err := f.GetStyle(style); err != nil || s.NumFmt != 49 {
		t.Errorf("format %+v, %v; want 49, text", s, err)
	}
	if err := f.SetCellStr("场所", "A3", "91410100MA0000001X"); err != nil {
		t.Fatal(err)
	}
	var filled bytes.Buffer
	if err := f.Write(&filled); err != nil {
		t.Fatal(err)
	}
	same(t, read(t, filled.Bytes()), "3:91410100MA0000001X|||")
	notes, err := f.GetRows("填写说明")
	if err != nil || len(notes) < 6 || strings.Join(notes[1], "|") != "统一社会信用代码|是|18 位|91410100MA0000000X" {
		t.Errorf("notes %q, %v", notes, err)
	}
}

func BenchmarkWrite(b *testing.B) {
	row := strings.Split("91410100MA0000000X 青禾市某某超市 青禾市中心街道1号 419981001 批发和零售业", " ")
	b.ReportAllocs()
	for b.Loop() {
		w, err := sheet.NewWriter(io.Discard, "场所", append(shops.Columns, sheet.Column{Heading: "行业"}))
		for range 50_000 {
			err = errors.Join(err, w.Write(row...))
		}
		if err = errors.Join(err, w.Close()); err != nil {
			b.Fatal(err)
		}
	}
}
