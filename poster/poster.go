// Package poster prints what hangs at a door: its name, its code, and what
// somebody who stands before it should know.
//
//	Door → layout, once, in millimetres of A4 → SVG, HTML to print, PDF
//
// A browser has every character; the PDF has those of the font shipped here and
// shows 〓 for the rest, which Missing names. Nothing of a person is printed,
// and the same door always gives the same bytes.
package poster

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/venuecode/venuecode/venue"
)

// Door is what a poster says. Texts are printed as given, without what cannot be
// seen: controls, direction marks, tags.
type Door struct {
	Link     string // what the code holds: venue.Code.Link, or the payload of an old code
	Serial   string // 编号, the code as people type it; up to 40 characters
	Venue    string // full name of the venue, up to 60 characters
	Short    string // 2–8 characters, printed large; empty: the full name is
	Door     string // up to 20 characters
	Division string // full name, up to 40 characters; may be empty
	Address  string // within the division, up to 100 characters
	Hotline  string // who helps and answers, up to 40 characters; may be empty
	Operator string // who processes personal data, up to 60 characters
	Contact  string // of the operator, for the people whose data it is; up to 60 characters
	KeptDays int    // how long visits are kept, in days
	Apps     Apps   // what it is scanned with
	// Blank: the code hangs nowhere yet. Where the names stand there is room to write
	// or stick them on; Venue names the sheet in a list, Door and Address are empty.
	Blank bool
}

// Apps are those in which the city's code opens, because its mini-program is there.
type Apps struct{ WeChat, Alipay bool }

// Sheet is the paper of a poster. The layout is that of A4; A5 is the same,
// smaller, and is read from less far.
type Sheet uint8

// The sheets.
const (
	A4 Sheet = iota
	A5
)

// size is in millimetres, portrait.
func (s Sheet) size() (width, height float64) {
	if s == A5 {
		return 148, 210
	}
	return 210, 297
}

func (s Sheet) String() string {
	if s == A5 {
		return "A5"
	}
	return "A4"
}

// ready is d as it is printed, and its code. Reasons: "missing", "length" (more
// characters than Door allows, or a link that Check refuses), "range" (no days).
func (d Door) ready() (Door, symbol, error) {
	placed := 1
	if d.Blank {
		placed = 0
	}
	for _, f := range []struct {
		name        string
		text        *string
		least, most int
	}{
		{"serial", &d.Serial, 1, 40},
		{"venue", &d.Venue, 1, 60},
		{"short", &d.Short, 0, 8},
		{"door", &d.Door, placed, 20},
		{"division", &d.Division, 0, 40},
		{"address", &d.Address, placed, 100},
		{"hotline", &d.Hotline, 0, 40},
		{"operator", &d.Operator, 1, 60},
		{"contact", &d.Contact, 1, 60},
	} {
		*f.text = visible(*f.text)
		switch n := utf8.RuneCountInString(*f.text); {
		case n < f.least:
			return Door{}, nil, &venue.Invalid{Field: f.name, Reason: "missing"}
		case n > f.most:
			return Door{}, nil, &venue.Invalid{Field: f.name, Reason: "length"}
		}
	}
	if d.KeptDays < 1 {
		return Door{}, nil, &venue.Invalid{Field: "kept_days", Reason: "range"}
	}
	s, err := encode(d.Link)
	return d, s, err
}

// visible drops what prints nothing or turns the text around it, and makes
// blanks single. What is not UTF-8 becomes U+FFFD.
func visible(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.In(r, unicode.C, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) && !unicode.Is(unicode.Co, r):
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// host is what people should see in the address bar after a scan, "" for the
// payload of an old code that is no link.
func (d Door) host() string {
	u, err := url.Parse(d.Link)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	return visible(u.Host)
}

// Missing are the characters of d that a PDF shows as 〓, because its font has
// none below U+10000 for them: rare characters, emoji, other scripts. HTML and SVG
// leave them to the browser.
func (d Door) Missing() []rune {
	var missing []rune
	seen := map[rune]bool{}
	for _, s := range []string{d.Serial, d.Venue, d.Short, d.Door, d.Division, d.Address, d.Hotline, d.Operator, d.Contact} {
		for _, r := range visible(s) {
			if !glyphs().has(r) && !seen[r] {
				seen[r] = true
				missing = append(missing, r)
			}
		}
	}
	return missing
}
