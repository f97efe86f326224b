package poster

import (
	"archive/zip"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode"

	"github.com/venuecode/venuecode/venue"
)

// Kind is what an Archive holds for each door.
type Kind string

// The kinds, named like the files' endings.
const (
	KindPDF Kind = "pdf"
	KindSVG Kind = "svg"
	KindPNG Kind = "png" // the bare code, see PNG
)

// archivePixels a module make a PNG of 12 cm at 200 dots an inch.
const archivePixels = 20

// Archive writes a ZIP with one file for each door, numbered in their order, and
// a list of them that states their number and the characters that a PDF lacks.
// It holds one poster in memory at a time. A door that can not be printed ends it
// as venue.ErrInvalid; what was written by then has no directory and opens
// nowhere, so that nobody takes it for the whole.
func Archive(w io.Writer, sheet Sheet, kind Kind, doors iter.Seq2[Door, error]) error {
	z := zip.NewWriter(w)
	create := func(name string) (io.Writer, error) {
		return z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate}) // no time: the same doors, the same bytes
	}
	var index strings.Builder
	index.WriteString("\ufeff") // or Windows' editor takes it for GBK
	n := 0
	for d, err := range doors {
		n++
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%05d_%s_%s_%s.%s", n, fileName(d.Venue, 30), fileName(d.Door, 12), fileName(d.Serial, 24), kind)
		f, err := create(name)
		if err != nil {
			return fmt.Errorf("write archive of posters: %w", err)
		}
		missing := ""
		switch kind {
		case KindPDF:
			err, missing = PDF(f, sheet, d), textMissing(d.Missing())
		case KindSVG:
			err = SVG(f, sheet, d)
		case KindPNG:
			err = PNG(f, d.Link, archivePixels)
		default:
			err = &venue.Invalid{Field: "kind", Reason: "unknown"}
		}
		if err != nil {
			return fmt.Errorf("poster %d of the archive: %w", n, err)
		}
		index.WriteString(name + "\t" + missing + "\r\n")
	}
	index.WriteString(textTotal(n) + "\r\n")
	f, err := create(textIndex)
	if err == nil {
		_, err = io.WriteString(f, index.String())
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return fmt.Errorf("write archive of posters: %w", err)
	}
	return nil
}

// fileName keeps letters and digits of at most so many characters: no folder, no
// device and no sign that a system reads as something else.
func fileName(s string, most int) string {
	rs := []rune(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' {
			return r
		}
		return '_'
	}, visible(s)))
	return string(rs[:min(len(rs), most)])
}
