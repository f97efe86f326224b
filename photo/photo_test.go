package photo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/venue"
)

// corners is a picture whose corners are red, green, blue and white, from the
// upper left on, as it is read.
func corners(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, [2][2]color.RGBA{{{255, 0, 0, 255}, {0, 255, 0, 255}}, {{0, 0, 255, 255}, {255, 255, 255, 255}}}[2*y/h][2*x/w])
		}
	}
	return img
}

func jpegOf(t *testing.T, img image.Image, exif []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	if exif == nil {
		return b.Bytes()
	}
	segment := append([]byte("Exif\x00\x00"), exif...)
	head := binary.BigEndian.AppendUint16([]byte{0xff, 0xd8, 0xff, 0xe1}, uint16(len(segment)+2))
	return append(append(head, segment...), b.Bytes()[2:]...)
}

// held is EXIF that says how the camera was held, and where.
func held(how int, order binary.AppendByteOrder) []byte {
	b := []byte("MM\x00*")
	if order == binary.LittleEndian {
		b = []byte("II*\x00")
	}
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 1)
	b = order.AppendUint16(order.AppendUint16(b, 0x0112), 3)
	b = order.AppendUint32(b, 1)
	b = order.AppendUint16(order.AppendUint16(b, uint16(how)), 0)
	return append(b, "GPS 33.19755N 112.87705E"...)
}

func near(c color.Color) string {
	r, g, b, _ := c.RGBA()
	name := ""
	for i, v := range []uint32{r, g, b} {
		if v > 0x8000 {
			name += string("rgb"[i])
		}
	}
	return name
}

func TestAPictureComesOutUprightSmallAndBare(t *testing.T) {
	// What is stored for a camera held each way, so that the corners come out right.
	for how, stored := range map[int]string{1: "r g b rgb", 2: "g r rgb b", 3: "rgb b g r", 4: "b rgb r g", 5: "r b g rgb", 6: "g rgb r b", 7: "rgb g b r", 8: "b r rgb g"} {
		raw := corners(64, 48)
		names, i := strings.Fields(stored), 0
		for _, half := range []image.Point{{0, 0}, {1, 0}, {0, 1}, {1, 1}} {
			c := map[string]color.RGBA{"r": {255, 0, 0, 255}, "g": {0, 255, 0, 255}, "b": {0, 0, 255, 255}, "rgb": {255, 255, 255, 255}}[names[i]]
			i++
			for y := range 24 {
				for x := range 32 {
					raw.SetRGBA(half.X*32+x, half.Y*24+y, c)
				}
			}
		}
		for _, order := range []binary.AppendByteOrder{binary.BigEndian, binary.LittleEndian} {
			b, err := Clean(jpegOf(t, raw, held(how, order)))
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(b, []byte("GPS")) || bytes.Contains(b, []byte("Exif")) {
				t.Errorf("held %d: the position is kept", how)
			}
			img, err := jpeg.Decode(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			w, h := img.Bounds().Dx(), img.Bounds().Dy()
			got := strings.Join([]string{near(img.At(w/4, h/4)), near(img.At(3*w/4, h/4)), near(img.At(w/4, 3*h/4)), near(img.At(3*w/4, 3*h/4))}, " ")
			if got != "r g b rgb" || (how >= 5) != (h > w) {
				t.Errorf("held %d: corners %s of %d × %d", how, got, w, h)
			}
		}
	}
	b, err := Clean(jpegOf(t, corners(4000, 1000), nil))
	if err != nil {
		t.Fatal(err)
	}
	if c, err := jpeg.DecodeConfig(bytes.NewReader(b)); err != nil || c.Width != maxSide || c.Height != 400 {
		t.Errorf("a wide one is %d × %d, %v", c.Width, c.Height, err)
	}
	var clear bytes.Buffer
	_ = png.Encode(&clear, image.NewNRGBA(image.Rect(0, 0, 9, 9)))
	if b, err = Clean(clear.Bytes()); err != nil {
		t.Fatal(err)
	}
	if img, _ := jpeg.Decode(bytes.NewReader(b)); near(img.At(4, 4)) != "rgb" {
		t.Error("what is transparent is not white")
	}
}

// bomb is a PNG that says it is huge.
func bomb(w, h uint32) []byte {
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte("IHDR"), w), h)
	head = append(head, 8, 2, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	b = append(b, head...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(head))
}

func TestWhatIsNoPictureIsRefused(t *testing.T) {
	whole := jpegOf(t, corners(64, 48), nil)
	for name, c := range map[string]struct {
		b      []byte
		reason string
	}{
		"nothing": {nil, "shape"}, "a page": {[]byte("<html>"), "shape"}, "a GIF": {[]byte("GIF89a........"), "shape"},
		"half a picture": {whole[:len(whole)/2], "shape"}, "a head alone": {whole[:3], "shape"},
		"a bomb": {bomb(50_000, 50_000), "range"}, "a long bomb": {bomb(math.MaxInt32, 1), "range"}, "a bomb whose product overflows": {bomb(1<<30, 1<<30), "shape"},
		"too many bytes": {append(whole, make([]byte, MaxBytes)...), "length"},
	} {
		_, err := Clean(c.b)
		var invalid *venue.Invalid
		if !errors.As(err, &invalid) || invalid.Field != "photo" || invalid.Reason != c.reason && !(c.reason == "shape" && invalid.Reason == "range") {
			t.Errorf("%s: %v, want %s", name, err, c.reason)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 { // nothing of it panics
		b := bytes.Clone(jpegOf(t, corners(16, 16), held(6, binary.BigEndian)))
		for range 1 + random.IntN(8) {
			b[random.IntN(len(b))] = byte(random.Uint32())
		}
		_, _ = Clean(b)
	}
}
