package poster

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"html/template"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/venuecode/venuecode/venue"
)

// SVG writes one poster. Its characters are those of whoever looks at it: it
// names fonts and carries none.
func SVG(w io.Writer, sheet Sheet, d Door) error {
	b, err := drawing(sheet, d)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// HTML writes a page that a browser prints, one sheet for each door, in their
// order. It needs nothing from anywhere, and Policy of whoever serves it.
func HTML(w io.Writer, sheet Sheet, doors ...Door) error {
	if len(doors) == 0 || len(doors) > Largest {
		return &venue.Invalid{Field: "doors", Reason: "count"}
	}
	v := struct {
		Title, Style, Print any
		Posters             []template.HTML
	}{Title: textHeading, Print: textPrint(sheet), Style: template.CSS(styleOf(sheet))}
	for i, d := range doors {
		b, err := drawing(sheet, d)
		if err != nil {
			return fmt.Errorf("poster %d: %w", i+1, err)
		}
		v.Posters = append(v.Posters, template.HTML(b)) // every text in it is escaped
	}
	return page.Execute(w, v)
}

var page = template.Must(template.New("").Parse(`<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
<style>{{.Style}}</style>
</head>
<body>
<p>{{.Print}}</p>
{{- range .Posters}}
{{.}}
{{- end}}
</body>
</html>
`))

// styleOf is that of the page: one poster fills one sheet to the edge.
func styleOf(s Sheet) string {
	w, h := s.size()
	return fmt.Sprintf("@page{size:%s;margin:0}body{margin:0}svg{display:block;width:%gmm;height:%gmm;break-after:page;print-color-adjust:exact;-webkit-print-color-adjust:exact}"+
		"svg:last-of-type{break-after:auto}@media screen{body{background:#ddd;padding:8px}svg{margin:8px auto 24px;background:#fff;max-width:100%%;height:auto}p{font:18px/1.6 sans-serif;color:#000;max-width:38em;margin:8px auto}}@media print{p{display:none}}", s, w, h)
}

// Policy is the Content-Security-Policy under which HTML's page shows: its own
// style and nothing else.
var Policy = func() string {
	policy := "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src"
	for _, s := range []Sheet{A4, A5} {
		sum := sha256.Sum256([]byte(styleOf(s)))
		policy += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return policy
}()

func drawing(sheet Sheet, d Door) ([]byte, error) {
	d, s, err := d.ready()
	if err != nil {
		return nil, err
	}
	w, h := sheet.size()
	var b svgCanvas
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%gmm" height="%gmm" viewBox="0 0 210 297" xml:lang="zh-CN" font-family="%s">`, w, h, fonts)
	b.WriteString("<title>")
	b.escape(strings.TrimSpace(d.Venue + " " + d.Door))
	b.WriteString("</title>")
	d.draw(&b, s)
	b.WriteString("</svg>\n")
	return b.Bytes(), nil
}

const fonts = "Noto Sans SC,Noto Sans CJK SC,Source Han Sans SC,Microsoft YaHei,PingFang SC,SimHei,sans-serif"

type svgCanvas struct{ bytes.Buffer }

// attr writes a length, to a thousandth of a millimetre.
func (c *svgCanvas) attr(name string, v float64) {
	fmt.Fprintf(c, ` %s="%s"`, name, decimal(v))
}

func decimal(v float64) string { return strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64) }

func (c *svgCanvas) escape(s string) { _ = xml.EscapeText(c, []byte(s)) } // a buffer never fails

func (c *svgCanvas) box(x, y, w, h, r float64, in ink) {
	c.WriteString("<rect")
	c.attr("x", x)
	c.attr("y", y)
	c.attr("width", w)
	c.attr("height", h)
	c.attr("rx", r)
	fmt.Fprintf(c, ` fill="#%06X"/>`, in)
}

func (c *svgCanvas) text(x, y float64, centred bool, in style, s string) {
	c.WriteString("<text")
	c.attr("x", x)
	c.attr("y", y)
	c.attr("font-size", in.size)
	if centred {
		c.WriteString(` text-anchor="middle"`)
	}
	if in.bold {
		c.WriteString(` font-weight="700"`)
	}
	fmt.Fprintf(c, ` fill="#%06X">`, in.ink)
	c.escape(s)
	c.WriteString("</text>")
}

func (c *svgCanvas) code(x, y, module float64, s symbol) {
	fmt.Fprintf(c, `<path transform="translate(%s %s) scale(%s)" fill="#000" shape-rendering="crispEdges" d="`, decimal(x), decimal(y), strconv.FormatFloat(module, 'f', 6, 64))
	s.runs(func(col, row, length int) { fmt.Fprintf(c, "M%d %dh%dv1h-%dz", col, row, length, length) })
	c.WriteString(`"/>`)
}
