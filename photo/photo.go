// Package photo makes of a picture that somebody took one that may be kept: a
// small JPEG with nothing in it but what is seen.
//
//	bytes → JPEG or PNG by content → size before pixels → upright → at most 1600 pixels → JPEG
//
// What a camera writes beside the picture, the position first of all, is not
// carried over: nothing but pixels passes.
package photo

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"mime/multipart"
	"sync"

	"github.com/venuecode/venuecode/venue"
)

const (
	// MaxBytes bounds what is taken.
	MaxBytes = 8 << 20
	// maxPixels bounds what is unpacked: a phone takes 12 or 24 million.
	maxPixels = 25_000_000
	maxSide   = 1600
	quality   = 75
)

// Sent cleans a picture that came with a form; nil for none, which may be a field
// without a file.
func Sent(file *multipart.FileHeader) ([]byte, error) {
	if file == nil || file.Size == 0 {
		return nil, nil
	}
	f, err := file.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return nil, err
	}
	return Clean(b)
}

// cleaning is held while one is made: as a PNG of 16 bits it unpacks to 200 MB.
var cleaning sync.Mutex

// Clean makes the picture, one at a time in the process. *venue.Invalid of the
// field "photo": "length" (more than MaxBytes), "shape" (neither JPEG nor PNG, or
// broken), "range" (no pixels, or too many).
func Clean(b []byte) ([]byte, error) {
	invalid := func(reason string) error { return &venue.Invalid{Field: "photo", Reason: reason} }
	if len(b) > MaxBytes {
		return nil, invalid("length")
	}
	cleaning.Lock()
	defer cleaning.Unlock()
	decode, head := jpeg.Decode, jpeg.DecodeConfig
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xd8\xff")):
	case bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")):
		decode, head = png.Decode, png.DecodeConfig
	default:
		return nil, invalid("shape")
	}
	size, err := head(bytes.NewReader(b))
	if err != nil {
		return nil, invalid("shape")
	}
	if size.Width < 1 || size.Height < 1 || size.Width > maxPixels/size.Height {
		return nil, invalid("range")
	}
	img, err := decode(bytes.NewReader(b))
	if err != nil {
		return nil, invalid("shape")
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, upright(shrink(img), orientation(b)), &jpeg.Options{Quality: quality}); err != nil {
		return nil, invalid("shape")
	}
	return out.Bytes(), nil
}

// shrink makes each pixel the mean of those it stands for; what is transparent is
// white.
func shrink(img image.Image) *image.RGBA {
	from := img.Bounds()
	w, h := from.Dx(), from.Dy()
	if long := max(w, h); long > maxSide {
		w, h = max(1, w*maxSide/long), max(1, h*maxSide/long)
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		top, end := from.Min.Y+y*from.Dy()/h, from.Min.Y+(y+1)*from.Dy()/h
		for x := range w {
			var r, g, b, n uint64
			for sy := top; sy < end; sy++ {
				for sx := from.Min.X + x*from.Dx()/w; sx < from.Min.X+(x+1)*from.Dx()/w; sx++ {
					cr, cg, cb, ca := img.At(sx, sy).RGBA()
					white := uint64(0xffff - ca)
					r, g, b, n = r+uint64(cr)+white, g+uint64(cg)+white, b+uint64(cb)+white, n+1
				}
			}
			out.SetRGBA(x, y, color.RGBA{uint8(r / n >> 8), uint8(g / n >> 8), uint8(b / n >> 8), 0xff})
		}
	}
	return out
}

// upright turns the picture as its camera was held: EXIF orientations 1 to 8.
func upright(img *image.RGBA, how int) *image.RGBA {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	if how < 2 || how > 8 {
		return img
	}
	size := image.Rect(0, 0, w, h)
	if how >= 5 {
		size = image.Rect(0, 0, h, w)
	}
	out := image.NewRGBA(size)
	for y := range size.Dy() {
		for x := range size.Dx() {
			sx, sy := x, y
			if how >= 5 {
				sx, sy = y, x
			}
			if how == 2 || how == 3 || how == 7 || how == 8 {
				sx = w - 1 - sx
			}
			if how == 3 || how == 4 || how == 6 || how == 7 {
				sy = h - 1 - sy
			}
			out.SetRGBA(x, y, img.RGBAAt(sx, sy))
		}
	}
	return out
}

// orientation reads how the camera was held from a JPEG's EXIF, 1 if it does not
// say.
func orientation(b []byte) int {
	for at := 2; at+4 <= len(b) && b[at] == 0xff; {
		marker, length := b[at+1], int(binary.BigEndian.Uint16(b[at+2:]))
		if marker == 0xda || at+2+length > len(b) || length < 2 { // the picture begins, or it is broken
			break
		}
		segment := b[at+4 : at+2+length]
		if tiff, ok := bytes.CutPrefix(segment, []byte("Exif\x00\x00")); ok && marker == 0xe1 && len(tiff) >= 8 {
			return tiffOrientation(tiff)
		}
		at += 2 + length
	}
	return 1
}

func tiffOrientation(tiff []byte) int {
	var order binary.ByteOrder = binary.BigEndian
	if tiff[0] == 'I' {
		order = binary.LittleEndian
	}
	at := int(order.Uint32(tiff[4:]))
	if at < 0 || at+2 > len(tiff) {
		return 1
	}
	for i, n := 0, int(order.Uint16(tiff[at:])); i < n; i++ {
		entry := at + 2 + 12*i
		if entry+12 > len(tiff) {
			break
		}
		if order.Uint16(tiff[entry:]) == 0x0112 {
			return int(order.Uint16(tiff[entry+8:]))
		}
	}
	return 1
}
