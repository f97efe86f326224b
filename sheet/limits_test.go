package sheet_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/venuecode/venuecode/sheet"
)

// zipOf is an archive of one sheet that write makes.
func zipOf(t testing.TB, parts map[string]func(w io.Writer)) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	add := func(name string, write func(w io.Writer)) {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		write(w)
	}
	base(t, z)
	for name, write := range parts {
		add(name, write)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// base adds what every workbook has.
func base(t testing.TB, z *zip.Writer) {
	t.Helper()
	b := archive("xl/_rels/workbook.xml.rels", relations)
	r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.File {
		if err := z.Copy(f); err != nil {
			t.Fatal(err)
		}
	}
}

// filled writes a sheet of n rows below its headings, with ten different values
// in each.
func filled(n int) func(w io.Writer) {
	return func(w io.Writer) {
		fmt.Fprint(w, `<worksheet><dimension ref="A1:C2"/><sheetData>`, head)
		r := rand.New(rand.NewPCG(1, 2))
		var row []byte
		for i := range n {
			number := strconv.Itoa(i + 2)
			row = append(row[:0], `<row r="`+number+`">`...)
			for c := range 10 {
				row = append(row, `<c r="`+string(rune('A'+c))+number+`" t="str"><v>`...)
				row = append(strconv.AppendInt(row, r.Int64N(1e9), 10), `</v></c>`...)
			}
			_, _ = w.Write(append(row, `</row>`...))
		}
		fmt.Fprint(w, `</sheetData></worksheet>`)
	}
}

func repeated(before, s string, n int, after string) func(w io.Writer) {
	return func(w io.Writer) {
		fmt.Fprint(w, before)
		for chunk := strings.Repeat(s, 1000); n > 0; n -= 1000 {
			fmt.Fprint(w, chunk)
		}
		fmt.Fprint(w, after)
	}
}

// junk makes the ratio of an archive look harmless.
func junk(n int64) func(w io.Writer) {
	return func(w io.Writer) { _, _ = io.CopyN(w, rand.NewChaCha8([32]byte{}), n) }
}

func TestBombsAreRefusedAtOnceAndWithoutMemory(t *testing.T) {
	const sheet1, media = "xl/worksheets/sheet1.xml", "xl/media/image1.png"
	type parts = map[string]func(w io.Writer)
	for name, c := range map[string]struct {
		make   func() []byte
		reason string
	}{
		"a row too many": {func() []byte { return zipOf(t, parts{sheet1: filled(sheet.MaxRows + 1)}) }, sheet.ReasonRows},
		"a million rows": {func() []byte {
			return zipOf(t, parts{sheet1: repeated(`<worksheet><sheetData>`, `<row><c><v>1</v></c></row>`, 1<<20, `</sheetData></worksheet>`), media: junk(1 << 20)})
		}, sheet.ReasonRows},
		"text of many rows": {func() []byte {
			return []byte("信用代码,场所名称\n" + strings.Repeat("a,b,c,d,e,f,g,h\n", sheet.MaxRows+1))
		}, sheet.ReasonRows},
		"one that unpacks":    {func() []byte { return zipOf(t, parts{sheet1: repeated(`<worksheet><sheetData>`, "\x00", 20<<20, "")}) }, sheet.ReasonSize},
		"a picture that does": {func() []byte { return zipOf(t, parts{media: repeated("", "\x00", 20<<20, "")}) }, sheet.ReasonSize},
		"many that do":        {func() []byte { return saying(t, "xl/media/image1.png", 257<<20, junk(3<<20)) }, sheet.ReasonSize},
		"one that lies": {func() []byte {
			return saying(t, sheet1, 1000, repeated("<worksheet><sheetData>"+head, "<row></row>", 4<<20, ""))
		}, sheet.ReasonDamaged},
		"one tag": {func() []byte {
			return zipOf(t, parts{sheet1: repeated(`<worksheet><sheetData>`+head+`<row `, `a="" `, 4<<20, "/>"), media: junk(1 << 20)})
		}, sheet.ReasonDamaged},
		"one text": {func() []byte {
			return zipOf(t, parts{sheet1: repeated(`<worksheet><sheetData>`+head+`<row><c t="str"><v>`, "x", 24<<20, "</v></c></row></sheetData></worksheet>"), media: junk(1 << 20)})
		}, sheet.ReasonDamaged},
		"texts without end": {func() []byte {
			return zipOf(t, parts{"xl/sharedStrings.xml": repeated("<sst>", "<si/>", 4<<20, "</sst>"), sheet1: filled(1), media: junk(1 << 20)})
		}, sheet.ReasonSize},
		"tags in tags": {func() []byte {
			return zipOf(t, parts{sheet1: repeated(`<worksheet><sheetData>`+head, `<a>`, 8<<20, ""), media: junk(1 << 20)})
		}, sheet.ReasonDamaged},
		"a directory of many": {func() []byte { return crowd(t, 200_000) }, sheet.ReasonDamaged},
		"ten million rows of nothing": {func() []byte {
			return zipOf(t, parts{sheet1: repeated(`<worksheet><sheetData>`+head, `<row/>`, 10<<20, `</sheetData></worksheet>`), media: junk(1 << 20)})
		}, sheet.ReasonDamaged},
		"cells of nothing": {func() []byte {
			return zipOf(t, parts{sheet1: repeated(`<worksheet><sheetData>`+head+`<row>`, `<c/>`, 10<<20, `</row></sheetData></worksheet>`), media: junk(1 << 20)})
		}, sheet.ReasonDamaged},
		"a forged extent": {func() []byte {
			return zipOf(t, parts{sheet1: repeated(`<worksheet><dimension ref="A1:C2"/><sheetData>`+head, `<row r="9"><c r="A9"><v>1</v></c></row>`, sheet.MaxRows+100, `</sheetData></worksheet>`), media: junk(1 << 20)})
		}, sheet.ReasonRows},
		"a thousand sheets": {func() []byte { return sheets(t, 1000, 240<<10) }, sheet.ReasonEmpty},
		"an archive in it":  {func() []byte { return zipped("a.xlsx", string(crowd(t, 100))) }, sheet.ReasonFormat},
		"entities of entities": {func() []byte {
			return zipOf(t, parts{sheet1: repeated(`<!DOCTYPE w [<!ENTITY a "`+strings.Repeat("x", 50_000)+`">]><worksheet><sheetData>`+head+`<row><c t="str"><v>`, `&a;`, 1<<20, `</v></c></row></sheetData></worksheet>`), media: junk(1 << 20)})
		}, sheet.ReasonDamaged},
		"one entity, often": {func() []byte {
			return zipOf(t, parts{sheet1: repeated(`<worksheet><sheetData>`+head+`<row><c t="str"><v>`, `&a;`, 4<<20, `</v></c></row></sheetData></worksheet>`), media: junk(1 << 20)})
		}, sheet.ReasonDamaged},
		"more texts than anybody writes": {func() []byte {
			return zipOf(t, parts{"xl/sharedStrings.xml": repeated("<sst>", "<si><t>abcdefghijklmnopqrstuvwxyz0</t></si>", 1_900_000, "</sst>"), sheet1: filled(1), media: junk(1 << 20)})
		}, sheet.ReasonSize},
		"a long text among them": {func() []byte {
			return zipOf(t, parts{"xl/sharedStrings.xml": repeated("<sst><si><t>", "x", 45<<20, "</t></si></sst>"), sheet1: repeated(`<worksheet><sheetData>`+head, `<row><c t="s"><v>0</v></c></row>`, 1000, `</sheetData></worksheet>`), media: junk(1 << 20)})
		}, sheet.ReasonDamaged},
		"styles without end": {func() []byte {
			return zipOf(t, parts{"xl/styles.xml": repeated("<styleSheet><cellXfs>", "<xf/>", 8<<20, "</cellXfs></styleSheet>"), sheet1: filled(1), media: junk(1 << 20)})
		}, sheet.ReasonSize},
		"a line of text":      {func() []byte { return []byte("信用代码,场所名称\n" + strings.Repeat("x", 31<<20)) }, sheet.ReasonCell},
		"a line of commas":    {func() []byte { return []byte("信用代码,场所名称\n" + strings.Repeat(",", 31<<20) + "x") }, sheet.ReasonColumns},
		"a mark never closed": {func() []byte { return []byte("信用代码,场所名称\n\"" + strings.Repeat("x\n", 15<<20)) }, sheet.ReasonQuotes},
		"blank lines":         {func() []byte { return []byte(strings.Repeat("\n", 31<<20)) }, sheet.ReasonRows},
	} {
		t.Run(name, func(t *testing.T) {
			b := c.make()
			if len(b) > sheet.MaxSize {
				t.Fatalf("%d MB", len(b)>>20)
			}
			var took time.Duration
			peak := extra(func() {
				start := time.Now()
				refused(t, b, c.reason)
				took = time.Since(start)
			})
			t.Logf("%d kB: %s, %d MB", len(b)>>10, took.Round(time.Millisecond), peak>>20)
			if peak > 64<<20 {
				t.Errorf("%d MB of extra memory, want at most 64", peak>>20)
			}
			if took > 5*time.Second { // 1 s on a machine that does nothing else
				t.Errorf("took %s", took)
			}
		})
	}
	refused(t, make([]byte, sheet.MaxSize+1), sheet.ReasonSize)
}

// sheets is a workbook of n sheets with size blanks in each.
func sheets(t testing.TB, n, size int) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	add := func(name, text string) {
		w, err := z.Create(name)
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var list, relations strings.Builder
	blanks := `<worksheet><sheetData>` + strings.Repeat(" ", size) + `</sheetData></worksheet>`
	for i := range n {
		fmt.Fprintf(&list, `<sheet name="s%d" r:id="s%[1]d"/>`, i)
		fmt.Fprintf(&relations, `<Relationship Id="s%d" Type="x/worksheet" Target="worksheets/%[1]d.xml"/>`, i)
		add(fmt.Sprintf("xl/worksheets/%d.xml", i), blanks)
	}
	add("_rels/.rels", `<Relationships><Relationship Id="w" Type="x/officeDocument" Target="xl/workbook.xml"/></Relationships>`)
	add("xl/workbook.xml", `<workbook><sheets>`+list.String()+`</sheets></workbook>`)
	add("xl/_rels/workbook.xml.rels", `<Relationships>`+relations.String()+`</Relationships>`)
	w, err := z.Create("xl/media/image1.png")
	if err != nil {
		t.Fatal(err)
	}
	junk(3 << 20)(w)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// saying is an archive with a part that says it has size bytes.
func saying(t testing.TB, name string, size uint64, write func(w io.Writer)) []byte {
	t.Helper()
	var packed, b bytes.Buffer
	f, err := flate.NewWriter(&packed, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	write(f)
	z := zip.NewWriter(&b)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	base(t, z)
	w, err := z.CreateRaw(&zip.FileHeader{Name: name, Method: zip.Deflate, CompressedSize64: uint64(packed.Len()), UncompressedSize64: size})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.Write(packed.Bytes()); err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func crowd(t testing.TB, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := range n {
		if _, err := z.CreateHeader(&zip.FileHeader{Name: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// extra is how much more the heap holds at its fullest while f runs.
func extra(f func()) uint64 {
	var m runtime.MemStats
	heap := func() uint64 { runtime.ReadMemStats(&m); return m.HeapAlloc }
	runtime.GC()
	before := heap()
	done, peak := make(chan struct{}), make(chan uint64)
	go func() {
		most := before
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				peak <- most - before
				return
			case <-tick.C:
				most = max(most, heap())
			}
		}
	}()
	f()
	close(done)
	return <-peak
}

// TestTheLargestSheetIsRead: the cap is on rows with something in them.
func TestTheLargestSheetIsRead(t *testing.T) {
	var rows strings.Builder
	rows.WriteString(head)
	for i := range sheet.MaxRows {
		fmt.Fprintf(&rows, `<row><c t="str"><v>%d</v></c></row>`, i*7919%1000003)
	}
	rows.WriteString(strings.Repeat(`<row><c s="1"/></row>`, 100_000)) // somebody drew a frame
	s, err := open(raw(rows.String(), ""))
	if err != nil || s.Len != sheet.MaxRows {
		t.Fatalf("%v", err)
	}
	n := 0
	for _, err := range s.Rows() {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != sheet.MaxRows {
		t.Errorf("%d rows", n)
	}
}

// TestTextsAreReadAsFarAsTheyAreAskedFor reads a sheet with five texts of its own in
// each row and five that many share; with VENUECODE_LONG it is the largest, and what
// it costs is told (docs/performance.md).
func TestTextsAreReadAsFarAsTheyAreAskedFor(t *testing.T) {
	rows := 500
	if os.Getenv("VENUECODE_LONG") != "" {
		rows = sheet.MaxRows
	}
	for what, last := range map[string]bool{"headings first": false, "headings last": true} {
		b := shared(t, rows, last)
		var s *sheet.Sheet
		var err error
		used := processorTime(t)
		peak := extra(func() { s, err = open(b) })
		opened := processorTime(t) - used
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for row, err := range s.Rows() {
			if err != nil {
				t.Fatal(err)
			}
			if got, want := line(row), fmt.Sprintf("%d:甲%d|乙%d||", n+2, 5*n, 5*n+1); got != want {
				t.Fatalf("got %s, want %s", got, want)
			}
			n++
		}
		if n != rows {
			t.Errorf("%d rows", n)
		}
		t.Logf("%s: %d bytes opened in %s of processor time and %d MB, opened and read in %s", what, len(b), opened, peak>>20, processorTime(t)-used)
	}
}

// shared is a sheet whose texts are shared strings, those of its headings the first
// or the last of them.
func shared(t testing.TB, rows int, last bool) []byte {
	const heads = "<si><t>信用代码</t></si><si><t>场所名称</t></si>"
	first, head := 2, 0
	if last {
		first, head = 0, 5*rows
	}
	r := rand.New(rand.NewPCG(1, 2))
	return zipOf(t, map[string]func(io.Writer){
		"xl/sharedStrings.xml": func(w io.Writer) {
			fmt.Fprint(w, "<sst>")
			if !last {
				fmt.Fprint(w, heads)
			}
			for i := range 5 * rows {
				fmt.Fprintf(w, "<si><t>%c%d</t></si>", []rune("甲乙丙丁戊")[i%5], i)
			}
			fmt.Fprint(w, heads, "</sst>")
		},
		"xl/worksheets/sheet1.xml": func(w io.Writer) {
			fmt.Fprintf(w, `<worksheet><sheetData><row r="1"><c r="A1" t="s"><v>%d</v></c><c r="B1" t="s"><v>%d</v></c></row>`, head, head+1)
			for i := range rows {
				fmt.Fprintf(w, `<row r="%d">`, i+2)
				for c := range 10 {
					at := first + 5*i + c
					if c >= 5 {
						at = first + r.IntN(100)
					}
					fmt.Fprintf(w, `<c r="%c%d" s="1" t="s"><v>%d</v></c>`, 'A'+c, i+2, at)
				}
				fmt.Fprint(w, "</row>")
			}
			fmt.Fprint(w, "</sheetData></worksheet>")
		},
	})
}

func processorTime(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func FuzzRead(f *testing.F) {
	f.Add(archive())
	f.Add(raw(head+`<row r="2"><c r="A2"><v>1</v></c><c r="B2" t="inlineStr"><is><t>=1+1</t></is></c></row>`, `<mergeCells><mergeCell ref="A2:A4"/></mergeCells>`))
	f.Add([]byte("信用代码,场所名称\na,'=b\n"))
	f.Add([]byte("\xd0\xc5\xd3\xc3\xb4\xfa\xc2\xeb,\xb3\xa1\xcb\xf9\xc3\xfb\xb3\xc6\n"))
	f.Fuzz(func(t *testing.T, b []byte) { roundTrip(t, b) })
}

// FuzzReadSheet has the fuzzer at what lies in an archive, which it would
// hardly find the way into.
func FuzzReadSheet(f *testing.F) {
	f.Add(head+`<row r="2"><c r="A2" t="s"><v>0</v></c><c r="B2" s="1"><v>4.4846E+4</v></c></row>`, `<si><t>U</t></si>`, `<cellXfs><xf/><xf numFmtId="14"/></cellXfs>`)
	f.Add(head+`<row r="2"><c r="A2" t="inlineStr"><is><t>''-_x005F_x0041_</t></is></c></row></sheetData><mergeCells><mergeCell ref="A2:B3"/></mergeCells>`, ``, ``)
	f.Fuzz(func(t *testing.T, rows, texts, styles string) {
		roundTrip(t, archive(
			"xl/worksheets/sheet1.xml", `<worksheet><sheetData>`+rows+`</sheetData></worksheet>`,
			"xl/sharedStrings.xml", `<sst>`+texts+`</sst>`, "xl/styles.xml", `<styleSheet>`+styles+`</styleSheet>`,
			"xl/_rels/workbook.xml.rels", relations))
	})
}

const relations = `<Relationships><Relationship Id="s1" Type="x/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="t" Type="x/sharedStrings" Target="sharedStrings.xml"/><Relationship Id="y" Type="x/styles" Target="styles.xml"/></Relationships>`

func BenchmarkRead(b *testing.B) {
	files := map[string][]byte{"xlsx": zipOf(b, map[string]func(io.Writer){"xl/worksheets/sheet1.xml": filled(50_000)})}
	var text strings.Builder
	text.WriteString("信用代码,场所名称\n")
	for i := range 50_000 {
		fmt.Fprintf(&text, "U%d,场所%[1]d,%[1]d,c,d,e,f,g,h,i\n", i)
	}
	files["csv"] = []byte(text.String())
	for name, file := range files {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s, err := open(file)
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for range s.Rows() {
					n++
				}
				if n != 50_000 {
					b.Fatal(n)
				}
			}
		})
	}
}
