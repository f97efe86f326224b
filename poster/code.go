package poster

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"

	"github.com/skip2/go-qrcode"

	"github.com/venuecode/venuecode/venue"
)

const (
	// quiet is the white around a code, in modules (ISO/IEC 18004).
	quiet = 4

	// largestVersion bounds a code to 41 × 41 modules, so that on A4 one measures
	// 3.5 mm. From 2 m a phone's main camera (26 mm equivalent, 1920 pixels across
	// the preview) sees 0.69 pixels a millimetre, 2.4 a module, which decoders
	// still read; 2 are too few. TestACodeIsReadFromTwoMetres looks through such a
	// camera.
	largestVersion = 6
)

// symbol is a QR code without its quiet zone: true is dark, row by row.
type symbol [][]bool

// encode takes the highest error correction with which the code is read from
// far enough: level H, which survives a fifth of it being torn off, up to 58
// bytes; for longer links Q. (The library calls them Highest and High.)
func encode(link string) (symbol, error) {
	if link == "" {
		return nil, &venue.Invalid{Field: "link", Reason: "missing"}
	}
	for _, level := range []qrcode.RecoveryLevel{qrcode.Highest, qrcode.High} {
		q, err := qrcode.New(link, level)
		if err == nil && q.VersionNumber <= largestVersion {
			q.DisableBorder = true
			return q.Bitmap(), nil
		}
	}
	return nil, &venue.Invalid{Field: "link", Reason: "length"}
}

// Check tells whether a link fits into a code that is read from two metres: up
// to 74 bytes, some more when it has digits or capitals in a row. Reasons:
// "missing", "length".
func Check(link string) error {
	_, err := encode(link)
	return err
}

// runs calls f for each horizontal run of dark modules.
func (s symbol) runs(f func(x, y, length int)) {
	for y, row := range s {
		for x := 0; x < len(row); x++ {
			from := x
			for x < len(row) && row[x] {
				x++
			}
			if x > from {
				f(from, y, x-from)
			}
		}
	}
}

// PNG writes the bare code with its quiet zone, for those who design a sign of
// their own: pixels a module, 1 to 64, never smoothed.
func PNG(w io.Writer, link string, pixels int) error {
	s, err := encode(link)
	if err != nil {
		return err
	}
	if pixels < 1 || pixels > 64 {
		return &venue.Invalid{Field: "pixels", Reason: "range"}
	}
	side := (len(s) + 2*quiet) * pixels
	img := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	s.runs(func(x, y, length int) {
		dark := bytes.Repeat([]byte{1}, length*pixels)
		for line := range pixels {
			copy(img.Pix[img.PixOffset((x+quiet)*pixels, (y+quiet)*pixels+line):], dark)
		}
	})
	if err := png.Encode(w, img); err != nil {
		return fmt.Errorf("write a code as PNG: %w", err)
	}
	return nil
}
