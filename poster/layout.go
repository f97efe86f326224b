package poster

import (
	"strings"
	"unicode"
)

// ink is a colour, 0xRRGGBB.
type ink uint32

const (
	black ink = 0x111111
	grey  ink = 0x555555
	blue  ink = 0x0B4EA2
	pale  ink = 0xE7EFF9
	white ink = 0xFFFFFF
)

func (i ink) rgb() (r, g, b int) { return int(i >> 16), int(i >> 8 & 0xFF), int(i & 0xFF) }

// style is how a line of text looks. It is as large as size in millimetres; what is
// bold is drawn with the same font.
type style struct {
	size float64
	bold bool
	ink  ink
}

// canvas is what a page is drawn on. All measures are millimetres of A4 from the
// upper left corner.
type canvas interface {
	// box fills a rectangle with corners of radius r.
	box(x, y, w, h, r float64, in ink)
	// text writes one line whose baseline is y, from x on or around x.
	text(x, y float64, centred bool, in style, s string)
	// code draws the dark modules in black, the first at (x, y).
	code(x, y, module float64, s symbol)
}

const (
	pageWidth = 210.0
	middle    = pageWidth / 2
	margin    = 9.0 // few printers reach the edge
	column    = pageWidth - 2*margin
	codeSide  = 172.0 // of the code with its quiet zone and the border around it
	border    = 0.9
	rise      = 0.36 // of the size: how far a baseline lies below the middle of a character
)

// moduleOf is how large a module is printed.
func moduleOf(s symbol) float64 { return (codeSide - 2*border) / float64(len(s)+2*quiet) }

// draw is the poster.
func (d Door) draw(c canvas, s symbol) {
	c.box(margin, 8, column, 19, 4, blue)
	c.text(margin+9, 22.4, false, style{14, true, white}, textHeading)
	c.text(margin+62, 16.8, false, style{7, true, white}, textEnter)
	c.text(margin+62, 23.8, false, style{5, false, white}, textApps(d.Apps))
	if d.Blank {
		blank(c, 29, 72)
	} else {
		d.names(c, 29, 72)
	}

	const top = 74.0
	c.box(margin, top, column, codeSide, 4, blue)
	c.box(margin+border, top+border, column-2*border, codeSide-2*border, 4-border, white)
	module := moduleOf(s)
	half := module * float64(len(s)) / 2
	c.code(middle-half, top+codeSide/2-half, module, s)

	y := top + codeSide
	c.text(middle, y+5.4, true, style{4.4, false, grey}, textSerial+d.Serial+"　"+textKeep)
	y += 7.2
	if host := d.host(); host != "" {
		const high, blank = 8.6, "　"
		c.box(margin, y, column, high, 2, pale)
		size, _ := fit(textVerify+blank+host, 1, 5.6, column-4)
		verify := glyphs().width(textVerify+blank) * size
		from := middle - (verify+glyphs().width(host)*size)/2
		c.text(from, y+high/2+rise*size, false, style{size, false, black}, textVerify)
		c.text(from+verify, y+high/2+rise*size, false, style{size, true, blue}, host)
		y += high
	}
	last := textAddress + d.Division + d.Address
	if d.Blank {
		last = textIssued + d.Division
	}
	if d.Hotline != "" {
		last += "　" + textHotline + d.Hotline
	}
	y = stack(c, y+0.8, style{5, true, black}, 1, textNoPhone)
	y = stack(c, y, style{3.5, false, black}, 2, last)
	stack(c, y, style{2.9, false, grey}, 3, textPrivacy(d.Operator, d.Contact, d.KeptDays))
}

// blank is room for the names, between two heights: what is written or stuck over
// the pale word is read.
func blank(c canvas, from, to float64) {
	const rim, line = 0.6, 12.0
	c.box(margin, from, column, to-from, 4, blue)
	c.box(margin+rim, from+rim, column-2*rim, to-from-2*rim, 4-rim, white)
	c.text(margin+4, from+6.5, false, style{4, false, grey}, textName)
	c.text(middle, from+25, true, style{20, true, pale}, textBlank)
	c.box(margin+4, to-line, column-8, 0.3, 0, grey)
	c.text(margin+4, to-line+6, false, style{4, false, grey}, textDoor)
	c.text(middle+45, from+6.5, true, style{3.6, false, grey}, textActivate)
}

// names stand between two heights, as large as there is room: the short name if
// there is one, the full one, and the door's on a plate.
func (d Door) names(c canvas, from, to float64) {
	large, full := d.Venue, ""
	if d.Short != "" && d.Short != d.Venue {
		large, full = d.Short, d.Venue
	}
	const lead, gap, rim = 1.12, 1.6, 1.0
	for scale := 1.0; ; scale *= 0.97 {
		size, lines := balance(large, 19*scale, column)
		fullSize, fullLines := balance(full, 6*scale, column)
		doorSize, door := fit(d.Door, 1, 10*scale, column-14)
		height := lead*(size*float64(len(lines))+fullSize*float64(len(fullLines))+doorSize) + gap + 2*rim
		if height > to-from {
			continue
		}
		y := from + (to-from-height)/2
		write := func(in style, lines []string) {
			for _, line := range lines {
				c.text(middle, y+(lead/2+rise)*in.size, true, in, line)
				y += lead * in.size
			}
		}
		write(style{size, true, black}, lines)
		write(style{fullSize, false, black}, fullLines)
		y += gap + rim
		width, high := glyphs().width(door[0])*doorSize+12, lead*doorSize+2*rim
		c.box(middle-width/2, y-rim, width, high, high/2, blue)
		write(style{doorSize, true, white}, door)
		return
	}
}

// stack writes a text across the column in at most so many lines, smaller if it
// must, and tells where the next begins.
func stack(c canvas, y float64, in style, most int, s string) float64 {
	size, lines := fit(s, most, in.size, column)
	in.size = size
	for _, line := range lines {
		y += size * 1.3
		c.text(margin, y, false, in, line)
	}
	return y + 0.7
}

// fit breaks s into at most so many lines, at the largest size up to most
// millimetres.
func fit(s string, lines int, most, width float64) (size float64, broken []string) {
	for size = most; ; size *= 0.97 {
		// Browsers have other Latin letters, and bold ones are wider.
		if broken = wrap(s, 0.97*width/size); len(broken) <= lines {
			return size, broken
		}
	}
}

// balance is fit with two lines about as long as each other: a name broken
// before its last character reads badly.
func balance(s string, most, width float64) (size float64, broken []string) {
	size, broken = fit(s, 2, most, width)
	for w := glyphs().width(s) / 2; len(broken) == 2 && w < width/size; w += 0.5 {
		if even := wrap(s, w); len(even) == 2 {
			return size, even
		}
	}
	return size, broken
}

// wrap breaks s into lines no wider than width ems: between Chinese characters
// anywhere but before a closing sign, between Latin words, and within a word
// only when it is wider than a line.
func wrap(s string, width float64) []string {
	var lines []string
	rest := []rune(s)
	for len(rest) > 0 {
		n, used := 0, 0.0
		for n < len(rest) {
			if used += glyphs().width(string(rest[n])); used > width {
				break
			}
			n++
		}
		n = max(n, 1)
		if n < len(rest) {
			for at := n; at > 0; at-- {
				if breakable(rest[at-1], rest[at]) {
					n = at
					break
				}
			}
		}
		lines = append(lines, strings.TrimSpace(string(rest[:n])))
		for rest = rest[n:]; len(rest) > 0 && rest[0] == ' '; rest = rest[1:] {
		}
	}
	return lines
}

// breakable tells whether a line may end between two characters.
func breakable(before, after rune) bool {
	switch {
	case strings.ContainsRune("，。、；：！？）》】〉」』”’%·", after), strings.ContainsRune("（《【〈「『“‘", before):
		return false
	case before == ' ' || after == ' ':
		return true
	}
	word := func(r rune) bool {
		return r < 0x2E80 && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-._/:@&'", r))
	}
	return !word(before) || !word(after)
}
