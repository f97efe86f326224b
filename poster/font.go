package poster

import (
	_ "embed"
	"encoding/binary"
	"strings"
	"sync"
)

// typeface is a part of Noto Sans SC; font/subset.sh makes it, font/OFL.txt is
// its licence.
//
//go:embed font/NotoSansSC-subset.ttf
var typeface string

// Licence is the font's, the SIL Open Font License. It goes along with a program
// that holds the font, not with what is printed.
//
//go:embed font/OFL.txt
var Licence string

// substitute stands for a character that the font lacks; printers have used it
// for that since lead.
const substitute = '〓'

// metrics are the advances of the font's characters, in thousandths of an em.
type metrics map[rune]uint16

// has tells whether the font has the character.
func (m metrics) has(r rune) bool { _, ok := m[r]; return ok }

// width is that of a text of size 1.
func (m metrics) width(s string) float64 {
	sum := 0
	for _, r := range s {
		if advance, ok := m[r]; ok {
			sum += int(advance)
		} else {
			sum += int(m[substitute])
		}
	}
	return float64(sum) / 1000
}

// printable is s with what the font lacks replaced.
func (m metrics) printable(s string) string {
	return strings.Map(func(r rune) rune {
		if m.has(r) {
			return r
		}
		return substitute
	}, s)
}

// glyphs reads the advances of the font above: its tables cmap (format 4, Windows
// Unicode) and hmtx, with 1000 units an em. A test compares them with the PDF library's.
var glyphs = sync.OnceValue(func() metrics {
	ttf := []byte(typeface)
	u16 := func(at int) int { return int(binary.BigEndian.Uint16(ttf[at:])) }
	u32 := func(at int) int { return int(binary.BigEndian.Uint32(ttf[at:])) }
	table := map[string]int{}
	for i := range u16(4) {
		record := 12 + 16*i
		table[string(ttf[record:record+4])] = u32(record + 8)
	}
	long := u16(table["hhea"] + 34) // glyphs from here on have the last one's advance
	advance := func(glyph int) uint16 { return uint16(u16(table["hmtx"] + 4*min(glyph, long-1))) }

	cmap := table["cmap"]
	for i := range u16(cmap + 2) {
		if record := cmap + 4 + 8*i; u32(record) == 3<<16|1 {
			cmap += u32(record + 4)
			break
		}
	}
	all := metrics{}
	segments := u16(cmap+6) / 2
	ends := cmap + 14
	starts := ends + 2*segments + 2
	deltas := starts + 2*segments
	offsets := deltas + 2*segments
	for i := range segments {
		for r := u16(starts + 2*i); r <= u16(ends+2*i) && r < 0xFFFF; r++ {
			glyph, at := r, offsets+2*i
			if offset := u16(at); offset != 0 {
				glyph = u16(at + offset + 2*(r-u16(starts+2*i)))
			}
			if glyph = (glyph + u16(deltas+2*i)) & 0xFFFF; glyph != 0 {
				all[rune(r)] = advance(glyph)
			}
		}
	}
	return all
})
