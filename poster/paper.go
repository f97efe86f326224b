package poster

import (
	"strings"
	"unicode/utf8"

	"github.com/venuecode/venuecode/venue"
)

// Paper is what all posters of a city have in common.
type Paper struct {
	Host, Hotline, Operator, Contact string
	KeptDays                         int // how long visits are kept
	Apps                             Apps
	Divisions                        *venue.Divisions
}

// Door is what the poster of a door says. payload is what its former code held,
// "" for none; one that is too long to be printed gives way to the door's own.
// What is longer than a poster has room for ends in …: it is told apart by its
// code.
func (p Paper) Door(v venue.Venue, d venue.Door, payload string) Door {
	if payload == "" || Check(payload) != nil {
		payload = d.Code.Link(p.Host)
	}
	division := p.Divisions.FullName(v.Division)
	// People begin an address with the name of their town.
	address := v.Address
	for rest := division; rest != ""; rest = rest[utf8.RuneLen([]rune(rest)[0]):] {
		if after, ok := strings.CutPrefix(address, rest); ok && after != "" {
			address = after
			break
		}
	}
	if v.Zone != "" {
		address += v.Zone
	}
	if address == "" {
		address = "–"
	}
	return Door{
		Link: payload, Serial: Serial(d.Code), Venue: clip(v.Name, 60), Short: clip(v.ShortName, 8), Door: clip(d.Name, 20),
		Division: clip(division, 40), Address: clip(address, 100), Hotline: clip(p.Hotline, 40), Operator: clip(p.Operator, 60), Contact: clip(p.Contact, 60),
		KeptDays: p.KeptDays, Apps: p.Apps,
	}
}

// Blank is what the poster of a code says that is printed before anybody knows
// where it will hang, for the officers of a division to give out.
func (p Paper) Blank(code venue.Code, d venue.Division) Door {
	blank := p.Door(venue.Venue{Name: textBlank, Division: d}, venue.Door{Code: code}, "")
	blank.Blank, blank.Address = true, ""
	return blank
}

// Serial is a code in groups of four, as it is printed and people type it.
func Serial(c venue.Code) string {
	var groups []string
	for s := string(c); s != ""; {
		n := min(4, len(s))
		groups, s = append(groups, s[:n]), s[n:]
	}
	return strings.Join(groups, "-")
}

func clip(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}
