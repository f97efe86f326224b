package poster

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"codeberg.org/go-pdf/fpdf"

	"github.com/venuecode/venuecode/venue"
)

// Largest is how many posters one PDF or page may have: the library keeps a
// document in memory until it is whole. Archive has no such bound.
const Largest = 2000

// PDF writes one page for each door, in their order. One that can not be printed
// fails all, as venue.ErrInvalid, with nothing written. Making one takes a core and
// memory: whoever serves it bounds how many are made at a time.
func PDF(w io.Writer, sheet Sheet, doors ...Door) error {
	if len(doors) == 0 || len(doors) > Largest {
		return &venue.Invalid{Field: "doors", Reason: "count"}
	}
	width, height := sheet.size()
	p := fpdf.NewCustom(&fpdf.InitType{UnitStr: "mm", Size: fpdf.SizeType{Wd: width, Ht: height}})
	p.SetAutoPageBreak(false, 0)
	p.SetMargins(0, 0, 0)
	// The same door, the same bytes: no clock and no map's order.
	p.SetCatalogSort(true)
	p.SetCreationDate(time.Unix(0, 0).UTC())
	p.SetModificationDate(time.Unix(0, 0).UTC())
	p.SetProducer("venuecode", false)
	p.SetLang("zh-CN")
	// A copy, because the library writes into what it is given.
	p.AddUTF8FontFromBytes(family, "", []byte(typeface))
	for i, d := range doors {
		d, s, err := d.ready()
		if err != nil {
			return fmt.Errorf("poster %d: %w", i+1, err)
		}
		p.AddPage()
		p.TransformBegin()
		p.TransformScaleXY(100*width/pageWidth, 0, 0)
		d.draw(pdfCanvas{p}, s)
		p.TransformEnd()
	}
	if err := p.Output(w); err != nil {
		return fmt.Errorf("write posters as PDF: %w", err)
	}
	return nil
}

const (
	family        = "noto"
	pointsPerMM   = 72 / 25.4
	boldness      = 0.035 // of the size: how wide the pen is that goes round a bold character
	fillAndStroke = 2
)

type pdfCanvas struct{ *fpdf.Fpdf }

func (p pdfCanvas) box(x, y, w, h, r float64, in ink) {
	p.SetFillColor(in.rgb())
	p.RoundedRect(x, y, w, h, r, "1234", "F")
}

func (p pdfCanvas) text(x, y float64, centred bool, in style, s string) {
	s = glyphs().printable(s)
	if centred {
		x -= glyphs().width(s) * in.size / 2
	}
	p.SetFont(family, "", in.size*pointsPerMM)
	p.SetTextColor(in.ink.rgb())
	mode := 0
	if in.bold {
		mode = fillAndStroke
		p.SetDrawColor(in.ink.rgb())
		p.SetLineWidth(boldness * in.size)
	}
	p.SetTextRenderingMode(mode)
	p.Text(x, y, s)
}

// code fills all modules as one path: filled one by one, viewers show hair lines
// between them.
func (p pdfCanvas) code(x, y, module float64, s symbol) {
	_, height := p.GetPageSize()
	var path strings.Builder
	path.WriteString("0 g")
	number := func(mm float64) {
		path.WriteByte(' ')
		path.WriteString(strconv.FormatFloat(mm*pointsPerMM, 'f', 3, 64))
	}
	s.runs(func(col, row, length int) {
		number(x + float64(col)*module)
		number(height - y - float64(row+1)*module)
		number(float64(length) * module)
		number(module)
		path.WriteString(" re")
	})
	path.WriteString(" f")
	p.RawWriteStr(path.String())
}
