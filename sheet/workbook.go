package sheet

import (
	"archive/zip"
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/width"

	"github.com/venuecode/venuecode/venue"
)

// workbook writes the parts of an .xlsx: begin, then sheet and its rows for each
// of the names, then end.
type workbook struct {
	archive *zip.Writer
	part    *bufio.Writer
	sheets  int
	row     int // written of this sheet
}

// Styles, by their place in styles.
const (
	styleText = iota + 1
	styleHeading
	styleWrapped
)

const (
	mainSpace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
	relSpace  = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	pkgSpace  = "http://schemas.openxmlformats.org/package/2006/"
	mediaType = "application/vnd.openxmlformats-officedocument.spreadsheetml."

	// Format 49 is text.
	styles = `<styleSheet xmlns="` + mainSpace + `"><fonts count="2"><font><sz val="11"/><name val="宋体"/></font><font><b/><sz val="11"/><name val="宋体"/></font></fonts>` +
		`<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>` +
		`<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>` +
		`<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>` +
		`<cellXfs count="4"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>` +
		`<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>` +
		`<xf numFmtId="49" fontId="1" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1"/>` +
		`<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyAlignment="1"><alignment vertical="top" wrapText="1"/></xf></cellXfs>` +
		`<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>`
)

// begin writes everything but the sheets.
func (b *workbook) begin(w io.Writer, names ...string) error {
	b.archive = zip.NewWriter(w)
	var types, sheets, relations strings.Builder
	for i, name := range names {
		if n := utf16Len(name); n == 0 || n > 31 || clean(name) != name || strings.ContainsAny(name, `[]:*?/\'`) {
			return &venue.Invalid{Field: "name", Reason: "shape"}
		}
		fmt.Fprintf(&types, `<Override PartName="/xl/worksheets/sheet%d.xml" ContentType="%sworksheet+xml"/>`, i+1, mediaType)
		fmt.Fprintf(&sheets, `<sheet name="%s" sheetId="%d" r:id="rId%[2]d"/>`, escape(name), i+1)
		fmt.Fprintf(&relations, `<Relationship Id="rId%d" Type="%s/worksheet" Target="worksheets/sheet%[1]d.xml"/>`, i+1, relSpace)
	}
	for _, part := range [][2]string{
		{"[Content_Types].xml", `<Types xmlns="` + pkgSpace + `content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
			`<Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="` + mediaType + `sheet.main+xml"/>` +
			`<Override PartName="/xl/styles.xml" ContentType="` + mediaType + `styles+xml"/>` + types.String() + `</Types>`},
		{"_rels/.rels", `<Relationships xmlns="` + pkgSpace + `relationships"><Relationship Id="rId1" Type="` + relSpace + `/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
		{"xl/workbook.xml", `<workbook xmlns="` + mainSpace + `" xmlns:r="` + relSpace + `"><sheets>` + sheets.String() + `</sheets></workbook>`},
		{"xl/_rels/workbook.xml.rels", `<Relationships xmlns="` + pkgSpace + `relationships">` + relations.String() + `<Relationship Id="styles" Type="` + relSpace + `/styles" Target="styles.xml"/></Relationships>`},
		{"xl/styles.xml", styles},
	} {
		w, err := b.create(part[0])
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, xml.Header+part[1]); err != nil {
			return err
		}
	}
	return nil
}

// create begins a part. Like those of spreadsheet programs they are as old as
// the format can say: people date the file, and some tools refuse a day of 0.
func (b *workbook) create(name string) (io.Writer, error) {
	return b.archive.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: oldest})
}

var oldest = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// sheet begins the next sheet with its titles and headings, which stay in sight.
func (b *workbook) sheet(columns []Column, titles ...string) error {
	if err := b.endSheet(); err != nil {
		return err
	}
	b.sheets, b.row = b.sheets+1, 0
	part, err := b.create(fmt.Sprintf("xl/worksheets/sheet%d.xml", b.sheets))
	if err != nil {
		return err
	}
	b.part = bufio.NewWriterSize(part, 32<<10)
	above := len(titles) + 1
	fmt.Fprintf(b.part, `%s<worksheet xmlns="%s"><sheetViews><sheetView workbookViewId="0"><pane ySplit="%d" topLeftCell="A%d" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><cols>`,
		xml.Header, mainSpace, above, above+1)
	var headings []string
	for i, c := range columns {
		if c.Width == 0 {
			c.Width = min(max(float64(columnsOf(c.Heading)+4), 10), 60)
		}
		fmt.Fprintf(b.part, `<col min="%d" max="%[1]d" width="%g" style="%d" customWidth="1"/>`, i+1, c.Width, styleText)
		headings = append(headings, c.Heading)
	}
	_, _ = b.part.WriteString(`</cols><sheetData>`) // a bufio.Writer keeps its error for Flush
	for _, title := range titles {
		if err := b.write(styleHeading, title); err != nil {
			return err
		}
	}
	return b.write(styleHeading, headings...)
}

// write adds a row.
func (b *workbook) write(style int, texts ...string) error {
	b.row++
	row, p := strconv.Itoa(b.row), b.part
	_, _ = p.WriteString(`<row r="` + row + `">`)
	for i, text := range texts {
		if text = disarm(clean(text)); text == "" {
			continue
		}
		if len(text) > maxCell && utf16Len(text) > maxCell {
			return &Refusal{Reason: ReasonCell, Limit: maxCell, Row: b.row}
		}
		_, _ = p.WriteString(`<c r="` + letters(i) + row + `" s="` + strconv.Itoa(style) + `" t="inlineStr"><is><t xml:space="preserve">`)
		_, _ = p.WriteString(escape(text))
		_, _ = p.WriteString(`</t></is></c>`)
	}
	_, err := p.WriteString(`</row>`)
	return err
}

func (b *workbook) endSheet() error {
	if b.part == nil {
		return nil
	}
	_, _ = b.part.WriteString(`</sheetData></worksheet>`)
	return b.part.Flush()
}

func (b *workbook) end() error {
	if err := b.endSheet(); err != nil {
		return err
	}
	return b.archive.Close()
}

// letters names a column, from 0.
func letters(i int) (name string) {
	for i++; i > 0; i = (i - 1) / 26 {
		name = string(rune('A'+(i-1)%26)) + name
	}
	return name
}

// escape writes a text for XML, and so that what looks like unescape's business
// is not.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if s[i] == '_' && escaped.MatchString(s[i:min(i+7, len(s))]) {
			b.WriteString("_x005F")
		}
		b.WriteByte(s[i])
	}
	s = b.String()
	b.Reset()
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}

// columnsOf is how wide a text is: Chinese characters take two.
func columnsOf(s string) (n int) {
	for _, r := range s {
		n++
		if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
			n++
		}
	}
	return n
}
