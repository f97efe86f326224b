package poster

import (
	"archive/zip"
	"cmp"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
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

// PerVolume is how many doors a PDF of Volumes has at most: what one person
// carries.
const PerVolume = 200

// Archive writes a ZIP with one file for each door, numbered in their order, and
// a list of them that states their number and the characters that a PDF lacks. The
// files are dated at, by the civil clock. It holds one poster in memory at a time.
// A door that can not be printed ends it as venue.ErrInvalid; what was written by
// then has no directory and opens nowhere, so that nobody takes it for the whole.
func Archive(w io.Writer, sheet Sheet, kind Kind, at time.Time, doors iter.Seq2[Door, error]) error {
	a := newArchive(w, at)
	n := 0
	for d, err := range doors {
		n++
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%05d_%s_%s_%s.%s", n, fileName(d.Venue, 30), fileName(d.Door, 12), fileName(d.Serial, 24), kind)
		f, err := a.create(name)
		if err != nil {
			return err
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
		a.list(name, missing)
	}
	return a.close(n)
}

// Volumes is Archive with PDFs of many doors each, which take a tenth of the time:
// of doors that follow each other and lie in one division, named by it and by their
// numbers in it. The list says on which page each is. It holds one volume in memory
// at a time.
func Volumes(w io.Writer, sheet Sheet, at time.Time, doors iter.Seq2[Door, error]) error {
	a := newArchive(w, at)
	n, in := 0, map[string]int{} // doors of each division
	var volume []Door
	bind := func() error {
		if len(volume) == 0 {
			return nil
		}
		division := cmp.Or(fileName(volume[0].Division, 40), textPosters)
		before := in[division]
		in[division] += len(volume)
		name := fmt.Sprintf("%s_%04d-%04d.%s", division, before+1, in[division], KindPDF)
		f, err := a.create(name)
		if err != nil {
			return err
		}
		if err := PDF(f, sheet, volume...); err != nil {
			return fmt.Errorf("%d posters of the archive, up to %d: %w", len(volume), n, err)
		}
		for i, d := range volume {
			a.list(name, textPage(i+1), visible(d.Venue), visible(d.Door), visible(d.Serial), textMissing(d.Missing()))
		}
		volume = volume[:0]
		return nil
	}
	for d, err := range doors {
		if err != nil {
			return err
		}
		if len(volume) == PerVolume || len(volume) > 0 && volume[0].Division != d.Division {
			if err := bind(); err != nil {
				return err
			}
		}
		n, volume = n+1, append(volume, d)
	}
	if err := bind(); err != nil {
		return err
	}
	return a.close(n)
}

// archive is a ZIP with a list of what is in it.
type archive struct {
	zip   *zip.Writer
	at    time.Time
	index strings.Builder
}

func newArchive(w io.Writer, at time.Time) *archive {
	a := &archive{zip: zip.NewWriter(w), at: at.In(venue.Zone)}
	a.index.WriteString("\ufeff") // or Windows' editor takes it for GBK
	return a
}

// create begins a file.
func (a *archive) create(name string) (io.Writer, error) {
	f, err := a.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: a.at})
	if err != nil {
		return nil, fmt.Errorf("write archive of posters: %w", err)
	}
	return f, nil
}

// list adds a line to the list.
func (a *archive) list(columns ...string) {
	a.index.WriteString(strings.Join(columns, "\t") + "\r\n")
}

// close ends an archive of n posters.
func (a *archive) close(n int) error {
	a.list(textTotal(n))
	f, err := a.create(textIndex)
	if err != nil {
		return err
	}
	if _, err = io.WriteString(f, a.index.String()); err == nil {
		err = a.zip.Close()
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
