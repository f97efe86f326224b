package poster

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"codeberg.org/go-pdf/fpdf"

	"github.com/venuecode/venuecode/venue"
)

var update = flag.Bool("update", false, "write the golden files anew")

// hostile are doors that somebody might register, with good will or bad.
var hostile = func() map[string]Door {
	with := func(change func(d *Door)) Door {
		d := ordinary
		change(&d)
		return d
	}
	named := func(s string) Door {
		return with(func(d *Door) { d.Venue, d.Short, d.Door = s, "", string([]rune(s)[:1])+"门" })
	}
	return map[string]Door{
		"ordinary":      ordinary,
		"40 characters": named("青禾市洗月街道文昌社区新时代文明实践中心暨退役军人服务站与老年人日间照料服务中心"),
		"everything long": {
			Link: "https://changsuoma.yiqingfangkong.qinghe.gov.cn/v/7K3M9QX2ABCDEFGH", Serial: strings.Repeat("7K3M-", 8), Venue: strings.Repeat("门", 60), Short: strings.Repeat("口", 8),
			Door: strings.Repeat("东", 20), Division: strings.Repeat("县", 40), Address: strings.Repeat("路", 100), Hotline: strings.Repeat("9", 40),
			Operator: strings.Repeat("部", 60), Contact: strings.Repeat("W", 60), KeptDays: 60,
		},
		"one long word":    named(strings.Repeat("W", 60)),
		"beyond U+FFFF":    named("𠮷祥饭店"),
		"emoji":            named("🏥👨‍👩‍👧药店🇨🇳"),
		"bidi":             named("银\u202e行\u2066支行\u200f"),
		"Arabic, Hebrew":   named("清真 مسجد שלום"),
		"formula":          named("=HYPERLINK(\"http://x\")"),
		"script":           named("<script>alert('1')</script>&amp;</svg>]]>"),
		"PDF's own signs":  named("(((\\)\\(\\\r\n) Tj ET (%PDF"),
		"controls":         named("药\x00店\x1b\x7f\u0085\u2028"),
		"not UTF-8":        named("药\xff\xfe店"),
		"private use":      named("\uE000\uF8FF店"),
		"tags":             named("店\U000E0041\U000E007F\uFE0F"),
		"combining":        named("ȩ́̂̃cole" + strings.Repeat("\u0301", 40)),
		"template":         named("{{.Title}}${x}"),
		"an old code":      with(func(d *Door) { d.Link = "豫QH旧码|0042" }),
		"blank":            with(func(d *Door) { d.Blank, d.Venue, d.Short, d.Door, d.Address = true, "待启用", "", "", "" }),
		"nothing optional": with(func(d *Door) { d.Short, d.Division, d.Hotline = "", "", "" }),
	}
}()

// sketch remembers where things are drawn.
type sketch struct {
	texts []mark
	eye   mark // the code with its quiet zone
	said  string
}

type mark struct{ left, top, right, bottom float64 }

func (m mark) overlaps(o mark) bool {
	return m.left < o.right && o.left < m.right && m.top < o.bottom && o.top < m.bottom
}

func (s *sketch) box(_, _, _, _, _ float64, _ ink) {}

func (s *sketch) text(x, y float64, centred bool, in style, text string) {
	width := glyphs().width(text) * in.size
	if centred {
		x -= width / 2
	}
	s.texts = append(s.texts, mark{x, y - 0.8*in.size, x + width, y + 0.1*in.size})
	s.said += text
}

func (s *sketch) code(x, y, module float64, c symbol) {
	edge, side := quiet*module, module*float64(len(c))
	s.eye = mark{x - edge, y - edge, x + side + edge, y + side + edge}
}

func TestNothingIsCutOffOrDrawnOverAnother(t *testing.T) {
	for name, d := range hostile {
		d, code, err := d.ready()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s := inPlace(t, name, d, code)
		said := strings.ReplaceAll(s.said, " ", "")
		for _, part := range []string{d.Serial, d.Venue, d.Short, d.Door, d.Division + d.Address, d.Hotline, d.Operator, d.Contact, d.host(), textHeading, textNoPhone} {
			if !strings.Contains(said, strings.ReplaceAll(part, " ", "")) {
				t.Errorf("%s: the poster does not say %q", name, part)
			}
		}
	}
}

func inPlace(t *testing.T, name string, d Door, code symbol) sketch {
	t.Helper()
	var s sketch
	d.draw(&s, code)
	if s.eye.left < 0 || s.eye.right > pageWidth || s.eye.bottom-s.eye.top < 165 {
		t.Errorf("%s: the code is at %v", name, s.eye)
	}
	for i, m := range s.texts {
		if m.left < margin-0.5 || m.right > pageWidth-margin+0.5 || m.top < 6 || m.bottom > 297-5 {
			t.Errorf("%s: text %d leaves the page: %v", name, i, m)
		}
		if m.overlaps(s.eye) || slices.ContainsFunc(s.texts[i+1:], m.overlaps) {
			t.Errorf("%s: text %d is drawn over another or the quiet zone: %v", name, i, m)
		}
	}
	return s
}

// rect is a dark rectangle of a code, in whatever unit.
type rect struct{ x, y, w, h float64 }

// codeOf looks at the rectangles of a file as a scanner would.
func codeOf(rects []rect) (string, error) {
	if len(rects) == 0 {
		return "", errors.New("no code")
	}
	module, left, top, right := math.Inf(1), math.Inf(1), math.Inf(1), 0.0
	for _, r := range rects {
		module, left, top, right = min(module, r.h), min(left, r.x), min(top, r.y), max(right, r.x+r.w)
	}
	n := int(math.Round((right - left) / module))
	s := make(symbol, n)
	for i := range s {
		s[i] = make([]bool, n)
	}
	at := func(v float64) int { return int(math.Round(v / module)) }
	for _, r := range rects {
		for x := at(r.x - left); x < at(r.x-left+r.w); x++ {
			s[at(r.y-top)][x] = true
		}
	}
	return read(drawn(s, 4))
}

var (
	svgRun = regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1`)
	pdfRun = regexp.MustCompile(`(-?[\d.]+) (-?[\d.]+) ([\d.]+) ([\d.]+) re`)
	stream = regexp.MustCompile(`(?s)stream\n(.*?)\nendstream`)
)

func rectsOf(t *testing.T, pattern *regexp.Regexp, text string) (rects []rect) {
	t.Helper()
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		v := []float64{0, 0, 0, 1}
		for i, s := range m[1:] {
			f, err := strconv.ParseFloat(s, 64)
			if err != nil {
				t.Fatal(err)
			}
			v[i] = f
		}
		rects = append(rects, rect{v[0], v[1], v[2], v[3]})
	}
	return rects
}

// pagesOf are what a PDF draws, page by page.
func pagesOf(t *testing.T, pdf []byte) (pages []string) {
	t.Helper()
	for _, m := range stream.FindAllSubmatch(pdf, -1) {
		r, err := zlib.NewReader(bytes.NewReader(m[1]))
		if err != nil {
			continue // the map of characters is not packed
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(" re")) {
			pages = append(pages, string(b))
		}
	}
	return pages
}

func TestWhateverTheNameTheCodeIsRead(t *testing.T) {
	for name, d := range hostile {
		for _, sheet := range []Sheet{A4, A5} {
			var svg, page, pdf bytes.Buffer
			if err := errors.Join(SVG(&svg, sheet, d), HTML(&page, sheet, d, d), PDF(&pdf, sheet, d, d)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got, err := codeOf(rectsOf(t, svgRun, svg.String())); got != d.Link {
				t.Errorf("%s: the SVG is read as %q, %v", name, got, err)
			}
			pages := pagesOf(t, pdf.Bytes())
			if len(pages) != 2 {
				t.Fatalf("%s: %d pages", name, len(pages))
			}
			// A PDF counts from below.
			rects := rectsOf(t, pdfRun, pages[1])
			for i := range rects {
				rects[i].y = -rects[i].y
			}
			if got, err := codeOf(rects); got != d.Link {
				t.Errorf("%s: the PDF is read as %q, %v", name, got, err)
			}
			for i, one := range strings.SplitAfter(page.String(), "</svg>")[:2] {
				if got, err := codeOf(rectsOf(t, svgRun, one)); got != d.Link {
					t.Errorf("%s: poster %d of the page is read as %q, %v", name, i+1, got, err)
				}
			}
			if strings.Count(page.String(), "<svg ") != 2 || strings.Count(page.String(), "</svg>") != 2 || strings.Contains(page.String(), "<script") {
				t.Errorf("%s: the page is not two posters", name)
			}
			wellFormed(t, name, svg.Bytes())
		}
	}
}

// wellFormed reads the SVG and wants every text in it to be one that is meant.
func wellFormed(t *testing.T, name string, svg []byte) {
	t.Helper()
	r := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := r.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if e, ok := token.(xml.StartElement); ok && !slices.Contains([]string{"svg", "title", "text", "rect", "path"}, e.Name.Local) {
			t.Errorf("%s: the SVG has an element %s", name, e.Name.Local)
		}
	}
}

func TestWhatThePDFCanNotShowIsNamed(t *testing.T) {
	for name, want := range map[string]string{"ordinary": "", "beyond U+FFFF": "𠮷", "emoji": "🏥👨👩👧🇨🇳", "Arabic, Hebrew": "مسجدשלו", "not UTF-8": "\uFFFD", "bidi": ""} {
		got := string(hostile[name].Missing())
		for _, r := range want {
			if !strings.ContainsRune(got, r) {
				t.Errorf("%s: %q is not named in %q", name, r, got)
			}
		}
		if want == "" && got != "" {
			t.Errorf("%s: %q is named", name, got)
		}
	}
	var pdf, svg bytes.Buffer
	d := hostile["beyond U+FFFF"]
	if err := errors.Join(PDF(&pdf, A4, d), SVG(&svg, A4, d)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(svg.String(), ">𠮷祥饭店<") {
		t.Error("the SVG has not kept the character")
	}
	if text := "\x30\x13\x79\x65\x99\x6d\x5e\x97"; !strings.Contains(pagesOf(t, pdf.Bytes())[0], text) { // 〓祥饭店
		t.Error("the PDF has no sign in its place")
	}
}

// TestCharactersOfNamesAreInTheFont: those of Henan's divisions that fonts of GB
// 2312 lack, and of names.
func TestCharactersOfNamesAreInTheFont(t *testing.T) {
	for _, r := range "浉瀍渑郏鄢淅淇睢柘郾偃荥尉杞氾镕堃喆玥珺祎垚昇" {
		if !glyphs().has(r) {
			t.Errorf("%c is not in the font", r)
		}
	}
	for _, r := range textHeading + textEnter + textApps(Apps{true, true}) + textApps(Apps{}) + textSerial + textKeep + textVerify + textNoPhone + textAddress + textHotline + textPrivacy("", "", 30) + string(substitute) {
		if !glyphs().has(r) {
			t.Errorf("%c of our own texts is not in the font", r)
		}
	}
	p := fpdf.New("P", "mm", "A4", "")
	p.AddUTF8FontFromBytes(family, "", []byte(typeface))
	p.SetFont(family, "", 1000)
	p.SetFontUnitSize(1)
	for r := range glyphs() {
		if got, want := glyphs().width(string(r)), p.GetStringWidth(string(r)); math.Abs(got-want) > 1e-6 {
			t.Errorf("%q: width %.3f, the PDF library's is %.3f", r, got, want)
		}
	}
	if n := len(glyphs()); n < 8500 {
		t.Errorf("the font has %d characters", n)
	}
}

func TestWhatMayNotBePrinted(t *testing.T) {
	for _, c := range []struct {
		want   venue.Invalid
		change func(d *Door)
	}{
		{venue.Invalid{Field: "venue", Reason: "missing"}, func(d *Door) { d.Venue = "\u202e\x00 " }},
		{venue.Invalid{Field: "venue", Reason: "length"}, func(d *Door) { d.Venue = strings.Repeat("店", 3400) }},
		{venue.Invalid{Field: "short", Reason: "length"}, func(d *Door) { d.Short = "青禾市民中心大楼九" }},
		{venue.Invalid{Field: "door", Reason: "missing"}, func(d *Door) { d.Door = "" }},
		{venue.Invalid{Field: "serial", Reason: "missing"}, func(d *Door) { d.Serial = "" }},
		{venue.Invalid{Field: "address", Reason: "missing"}, func(d *Door) { d.Address = "" }},
		{venue.Invalid{Field: "operator", Reason: "missing"}, func(d *Door) { d.Operator = "" }},
		{venue.Invalid{Field: "contact", Reason: "missing"}, func(d *Door) { d.Contact = "" }},
		{venue.Invalid{Field: "kept_days", Reason: "range"}, func(d *Door) { d.KeptDays = 0 }},
		{venue.Invalid{Field: "link", Reason: "length"}, func(d *Door) { d.Link += strings.Repeat("x", 60) }},
	} {
		d := ordinary
		c.change(&d)
		var out bytes.Buffer
		for what, err := range map[string]error{"SVG": SVG(&out, A4, d), "HTML": HTML(&out, A4, d), "PDF": PDF(&out, A4, ordinary, d)} {
			var invalid *venue.Invalid
			if !errors.As(err, &invalid) || *invalid != c.want || out.Len() > 0 {
				t.Errorf("%s: got %v and %d bytes, want %v", what, err, out.Len(), &c.want)
			}
		}
	}
	for _, n := range []int{0, Largest + 1} {
		if err := PDF(io.Discard, A4, make([]Door, n)...); !errors.Is(err, venue.ErrInvalid) {
			t.Errorf("%d doors: %v", n, err)
		}
	}
}

func TestTheSameDoorIsTheSameBytes(t *testing.T) {
	var svg bytes.Buffer
	if err := SVG(&svg, A4, ordinary); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "poster.svg")
	if *update {
		if err := os.WriteFile(golden, svg.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || !bytes.Equal(svg.Bytes(), want) {
		t.Errorf("the poster is not that of %s (%v)", golden, err)
	}
	// At once: the PDF library writes into the font that it is given.
	var group sync.WaitGroup
	pdfs := make([]bytes.Buffer, 4)
	for i := range pdfs {
		group.Go(func() {
			if err := PDF(&pdfs[i], A4, ordinary, hostile["emoji"]); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for i := range pdfs {
		if !bytes.Equal(pdfs[i].Bytes(), pdfs[0].Bytes()) {
			t.Errorf("PDF %d differs", i)
		}
	}
}

func doorsOf(doors ...Door) func(func(Door, error) bool) {
	return func(yield func(Door, error) bool) {
		for _, d := range doors {
			if !yield(d, nil) {
				return
			}
		}
	}
}

// printedAt is another day in Greenwich.
var printedAt = time.Date(2022, 5, 18, 15, 30, 0, 0, time.UTC)

func TestAnArchiveHasAFileForEachDoor(t *testing.T) {
	nasty := ordinary
	nasty.Venue, nasty.Door = "../../𠮷\\CON:店", "a/b."
	for _, kind := range []Kind{KindPDF, KindSVG, KindPNG} {
		var a, b bytes.Buffer
		if err := errors.Join(Archive(&a, A5, kind, printedAt, doorsOf(ordinary, nasty)), Archive(&b, A5, kind, printedAt, doorsOf(ordinary, nasty))); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Errorf("%s: the same doors, other bytes", kind)
		}
		z, err := zip.NewReader(bytes.NewReader(a.Bytes()), int64(a.Len()))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range z.File {
			names = append(names, f.Name)
			if !f.Modified.Equal(printedAt) || f.Modified.Format(time.DateTime) != "2022-05-18 23:30:00" {
				t.Errorf("%s is dated %s", f.Name, f.Modified)
			}
			if strings.ContainsAny(f.Name, `/\:*?"<>|`) || len(f.Name) > 255 || !utf8.ValidString(f.Name) {
				t.Errorf("file name %q", f.Name)
			}
		}
		want := []string{fmt.Sprintf("00001_青禾市民中心_地下车库入口_7K3M-9QX2-ABCD-EFGH.%s", kind), fmt.Sprintf("00002_______𠮷_CON_店_a_b__7K3M-9QX2-ABCD-EFGH.%s", kind), textIndex}
		if !slices.Equal(names, want) {
			t.Errorf("files %q, want %q", names, want)
		}
		index, err := z.Open(textIndex)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(index)
		if err != nil || !strings.Contains(string(text), textTotal(2)) || strings.Contains(string(text), textMissing([]rune("𠮷"))) != (kind == KindPDF) {
			t.Errorf("%s: index %q, %v", kind, text, err)
		}
	}
	broken := errors.New("the store is gone")
	var cut bytes.Buffer
	err := Archive(&cut, A4, KindSVG, printedAt, func(yield func(Door, error) bool) { _ = yield(ordinary, nil) && yield(Door{}, broken) })
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := zip.NewReader(bytes.NewReader(cut.Bytes()), int64(cut.Len())); err == nil {
		t.Error("an archive that was cut short opens")
	}
}

// TestAPosterNamesTheAppsThatThereAre: whoever follows it with another is led nowhere.
func TestAPosterNamesTheAppsThatThereAre(t *testing.T) {
	for apps, want := range map[Apps]string{
		{true, true}: "请用微信或支付宝“扫一扫”", {WeChat: true}: "请用微信“扫一扫”", {Alipay: true}: "请用支付宝“扫一扫”", {}: "请用手机“扫一扫”",
	} {
		d := Paper{Host: "code.qinghe.gov.cn", Operator: "指挥部", Contact: "0398-6660000", KeptDays: 30, Apps: apps}.Blank("7K3M9QX2ABCDEFGH", "")
		var svg bytes.Buffer
		if err := SVG(&svg, A4, d); err != nil || !strings.Contains(svg.String(), ">"+want+"<") {
			t.Errorf("%+v: it lacks %s, %v", apps, want, err)
		}
	}
}

func TestThePageNeedsNothingFromElsewhere(t *testing.T) {
	var page bytes.Buffer
	if err := HTML(&page, A5, ordinary); err != nil {
		t.Fatal(err)
	}
	if text := page.String(); !strings.Contains(text, "@page{size:A5;margin:0}") || strings.Contains(text, "style=") || strings.Contains(text, "href") || strings.Contains(text, "src=") {
		t.Error("the page does not print by itself")
	}
	_, style, _ := strings.Cut(page.String(), "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	if !strings.Contains(Policy, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
		t.Errorf("%s does not allow the page's style", Policy)
	}
}

func FuzzPoster(f *testing.F) {
	for _, d := range hostile {
		f.Add(d.Link, d.Venue, d.Door, d.Address)
	}
	f.Fuzz(func(t *testing.T, link, name, door, address string) {
		d := ordinary
		d.Link, d.Venue, d.Door, d.Short, d.Address = link, name, door, "", address
		ready, code, err := d.ready()
		if err != nil {
			if !errors.Is(err, venue.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		inPlace(t, name, ready, code)
		svg, err := drawing(A4, d)
		if err != nil {
			t.Fatal(err)
		}
		wellFormed(t, name, svg)
		for _, r := range glyphs().printable(ready.Venue + ready.Door + ready.Address) {
			if !glyphs().has(r) {
				t.Fatalf("%U would fail the PDF", r)
			}
		}
	})
}
