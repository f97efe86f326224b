package poster

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"github.com/venuecode/venuecode/venue"
)

// read is an independent decoder.
func read(img image.Image) (string, error) {
	bitmap, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		return "", err
	}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true})
	if err != nil {
		return "", err
	}
	return result.GetText(), nil
}

func mustEncode(t testing.TB, link string) symbol {
	t.Helper()
	s, err := encode(link)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// links are of each length that a code takes, digits and capitals at the end.
func links(t testing.TB) (list []string) {
	random := rand.NewChaCha8([32]byte{7})
	for host := "a.cn"; ; host = "x" + host {
		code, err := venue.NewCode(random)
		if err != nil {
			t.Fatal(err)
		}
		link := code.Link(host)
		if Check(link) != nil {
			return list
		}
		list = append(list, link)
	}
}

func TestACodeSaysItsLink(t *testing.T) {
	all := links(t)
	if longest := len(all[len(all)-1]); longest < 70 {
		t.Errorf("the longest link has %d bytes: a city's domain would not fit", longest)
	}
	for _, link := range append(all, "豫QH旧码|0042", "http://127.0.0.1:8080/v/0123456789ABCDEF") {
		var b bytes.Buffer
		if err := PNG(&b, link, 4); err != nil {
			t.Fatalf("%s: %v", link, err)
		}
		img, err := png.Decode(&b)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := read(img); got != link {
			t.Errorf("%s is read as %q, %v", link, got, err)
		}
	}
}

// TestALinkHasLevelHAsLongAsItFits asks the independent decoder for the level:
// decision 0023 promises H up to 58 bytes, a host of 31.
func TestALinkHasLevelHAsLongAsItFits(t *testing.T) {
	level := func(link string) string {
		bitmap, err := gozxing.NewBinaryBitmapFromImage(drawn(mustEncode(t, link), 4))
		if err != nil {
			t.Fatal(err)
		}
		result, err := qrcode.NewQRCodeReader().Decode(bitmap, nil)
		if err != nil || result.GetText() != link {
			t.Fatalf("%s is not read: %v", link, err)
		}
		return fmt.Sprint(result.GetResultMetadata()[gozxing.ResultMetadataType_ERROR_CORRECTION_LEVEL])
	}
	code := venue.Code("7K3M9QX2ABCDEFGH")
	for host, want := range map[string]string{
		"code.example.gov.cn": "H", "csm.qinghe.gov.cn": "H", "changsuoma.pds.henan.gov.cn": "H", strings.Repeat("x", 28) + ".cn": "H", strings.Repeat("x", 44) + ".cn": "Q",
	} {
		if got := level(code.Link(host)); got != want {
			t.Errorf("%s: level %s, want %s", host, got, want)
		}
	}
	for _, link := range links(t) {
		if n := len(link); n <= 58 && level(link) != "H" || n > 64 && level(link) != "Q" {
			t.Errorf("%d bytes: level %s", n, level(link))
		}
	}
}

func TestALinkThatNobodyCouldReadFromFarIsRefused(t *testing.T) {
	for link, reason := range map[string]string{"": "missing", "https://" + strings.Repeat("x", 80) + ".cn/v/0": "length", strings.Repeat("x", 9000): "length"} {
		var invalid *venue.Invalid
		if err := Check(link); !errors.As(err, &invalid) || *invalid != (venue.Invalid{Field: "link", Reason: reason}) {
			t.Errorf("%d bytes: got %v, want link: %s", len(link), err, reason)
		}
	}
	for _, link := range links(t) {
		if n := len(mustEncode(t, link)); n > 17+4*largestVersion {
			t.Errorf("%s: %d modules", link, n)
		}
	}
}

// camera takes a picture of a code on A4: pixels a millimetre, turned by degrees, grey
// on grey, unsharp, with some noise.
func camera(s symbol, pixels, degrees float64, random *rand.Rand) image.Image {
	module := moduleOf(s)
	extent := module * float64(len(s)+2*quiet)
	n := int(extent*pixels*1.5) + 8
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	dx, dy := random.Float64(), random.Float64()
	img := image.NewGray(image.Rect(0, 0, n, n))
	const parts = 5 // of a pixel, each way; a lens mixes in a quarter of its neighbours
	for y := range n {
		for x := range n {
			dark := 0
			for i := range parts * parts {
				px := float64(x) + 1.25*(float64(i%parts)+0.5)/parts + dx - float64(n)/2
				py := float64(y) + 1.25*(float64(i/parts)+0.5)/parts + dy - float64(n)/2
				col := int(math.Floor((px*cos+py*sin)/pixels/module + float64(len(s))/2))
				row := int(math.Floor((py*cos-px*sin)/pixels/module + float64(len(s))/2))
				if row >= 0 && row < len(s) && col >= 0 && col < len(s) && s[row][col] {
					dark++
				}
			}
			img.SetGray(x, y, color.Gray{Y: uint8(200 - 140*dark/(parts*parts) + random.IntN(13) - 6)})
		}
	}
	return img
}

// TestACodeIsReadFromTwoMetres: pictures of an A4 sheet as the preview of a phone
// has them, a 26 mm lens and 1920 pixels across.
func TestACodeIsReadFromTwoMetres(t *testing.T) {
	const pixels = 1920 / (2000 * 36.0 / 26) // a millimetre of the sheet
	random := rand.New(rand.NewPCG(1, 2))
	all := links(t)
	for _, link := range []string{all[0], all[len(all)/2], all[len(all)-1]} {
		s, seen := mustEncode(t, link), 0
		for i := range 16 {
			if got, _ := read(camera(s, pixels, 2*float64(i%8), random)); got == link {
				seen++
			}
		}
		if seen < 15 { // a phone takes thirty a second
			t.Errorf("%d bytes, modules of %.2f mm: read in %d of 16 pictures", len(link), moduleOf(s), seen)
		}
	}
}

// TestATornCodeIsRead: a fifth of its modules is gone, in a strip from top to
// bottom anywhere between the three eyes.
func TestATornCodeIsRead(t *testing.T) {
	for _, link := range []string{ordinary.Link, links(t)[12]} {
		whole := mustEncode(t, link)
		n := len(whole)
		tries, seen := 0, 0
		for x := 9; x+n/5+1 <= n-8; x++ {
			torn := make(symbol, n)
			for y := range whole {
				torn[y] = append([]bool(nil), whole[y]...)
			}
			for i := range (n*n + 4) / 5 {
				torn[i%n][x+i/n] = false
			}
			tries++
			if got, _ := read(drawn(torn, 4)); got == link {
				seen++
			}
		}
		if seen < tries-1 || tries < 10 {
			t.Errorf("%s: read in %d of %d", link, seen, tries)
		}
	}
}

// drawn is a code in black and white.
func drawn(s symbol, pixels int) image.Image {
	side := (len(s) + 2*quiet) * pixels
	img := image.NewGray(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			row, col := y/pixels-quiet, x/pixels-quiet
			if row < 0 || row >= len(s) || col < 0 || col >= len(s) || !s[row][col] {
				img.SetGray(x, y, color.Gray{Y: 255})
			}
		}
	}
	return img
}
