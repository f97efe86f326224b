package sheet

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// count tells how many rows of a sheet have something in them, limit + 1 at
// most, and what is merged downwards. It looks for words in the bytes, because
// a sheet of any size must be refused within a second; rows goes by the tags.
func (b *book) count(name string, limit int) (n int, merged map[place]int, err error) {
	f := b.parts[name]
	if f == nil {
		return 0, nil, errDamaged
	}
	part, err := f.Open()
	if err != nil {
		return 0, nil, errDamaged
	}
	defer part.Close()
	text := bufio.NewReaderSize(part, 64<<10)
	merged = map[place]int{}
	for some := false; ; {
		chunk, err := text.Peek(text.Size())
		if err != nil && err != io.EOF {
			return 0, nil, errDamaged
		}
		rest := chunk
		for {
			row, after, ends := bytes.Cut(rest, []byte("row>"))
			some = some || hasValue(row)
			if !ends {
				break
			}
			if some {
				if n++; n > limit {
					return n, nil, nil
				}
			}
			some, rest = false, after
		}
		for _, m := range merge.FindAllSubmatch(rest, -1) { // below all rows
			from, _ := strconv.Atoi(string(m[2]))
			to, _ := strconv.Atoi(string(m[3]))
			if from < to {
				merged[place{from, column(string(m[1]))}] = to
			}
		}
		switch {
		case len(merged) > maxMerges:
			return 0, nil, refuse(ReasonSize)
		case err == io.EOF:
			return n, merged, nil
		}
		_, _ = text.Discard(len(chunk) - min(len(rest), 64)) // a word may go on in the next chunk
	}
}

func hasValue(b []byte) bool {
	return bytes.Contains(b, []byte("v>")) || bytes.Contains(b, []byte("is>"))
}

var merge = regexp.MustCompile(`mergeCell ref="([A-Z]{1,3})(\d{1,7}):[A-Z]{1,3}(\d{1,7})"`)

// column is the number of a column's letters, from 0; -1 if they are none.
func column(letters string) int {
	n := 0
	for _, c := range []byte(letters) {
		if c < 'A' || c > 'Z' || n > lastColumn {
			return -1
		}
		n = n*26 + int(c-'A') + 1
	}
	return n - 1
}

// rows calls yield with the rows of a sheet from the top, until it says no.
func (b *book) rows(name string, yield func(Row) bool) error {
	t, err := b.tokens(name)
	if err != nil {
		return err
	}
	defer t.close()
	type holding struct {
		cell
		to int
	}
	held := map[int]holding{} // by column, what is merged into the rows that come
	last := 0
	for {
		token, err := t.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "row" {
			continue
		}
		row := Row{Number: last + 1, Hidden: isTrue(attr(start, "hidden"))}
		if r := attr(start, "r"); r != "" {
			if row.Number, err = strconv.Atoi(r); err != nil {
				return errDamaged
			}
		}
		if row.Number <= last || row.Number > lastRow {
			return errDamaged
		}
		last = row.Number
		if row.cells, err = b.cells(t, last); err != nil {
			return err
		}
		if row.blank() {
			continue
		}
		if len(b.merged) > 0 {
			for i, h := range held {
				if last > h.to {
					delete(held, i)
				} else if i >= len(row.cells) || row.cells[i].blank() {
					row.cells, _ = put(row.cells, i, last, h.cell)
				}
			}
			for i, c := range row.cells {
				if to, ok := b.merged[place{last, i}]; ok {
					held[i] = holding{c, to}
				}
			}
		}
		if !yield(row) {
			return nil
		}
	}
}

// cells reads up to the end of the row just begun.
func (b *book) cells(t *tokens, row int) (cells []cell, err error) {
	last := -1
	for depth := t.depth; t.depth >= depth; {
		token, err := t.next()
		if err != nil {
			return nil, damagedAtEnd(err)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "c" {
			continue
		}
		i := last + 1
		if r := attr(start, "r"); r != "" {
			i = column(strings.TrimRight(r, "0123456789"))
		}
		if i <= last || i >= lastColumn {
			return nil, errDamaged
		}
		last = i
		kind, style := attr(start, "t"), attr(start, "s")
		c, err := b.cell(t, kind, style)
		if err != nil {
			return nil, err
		}
		if cells, err = put(cells, i, row, c); err != nil {
			return nil, err
		}
	}
	return cells, nil
}

// cell reads up to the end of the cell just begun.
func (b *book) cell(t *tokens, kind, style string) (c cell, err error) {
	value, inline, computed, valued := "", "", false, false
	for depth := t.depth; t.depth >= depth; {
		token, err := t.next()
		if err != nil {
			return c, damagedAtEnd(err)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch start.Name.Local {
		case "v":
			valued = true
			value, err = t.value()
		case "is":
			inline, err = t.texts()
		case "f":
			computed = true
			_, err = t.value()
		}
		if err != nil {
			return c, err
		}
	}
	switch kind {
	case "s":
		if value == "" {
			return c, nil
		}
		i, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil {
			return c, errDamaged
		}
		text, err := b.text(i)
		return seen(text), err
	case "inlineStr":
		return seen(inline), nil
	case "e":
		return cell{value, ReasonFormula}, nil
	case "b":
		return cell{text: map[bool]string{true: "TRUE", false: "FALSE"}[isTrue(value)]}, nil
	}
	switch {
	case computed && !valued:
		return cell{fault: ReasonFormula}, nil
	case kind == "str", kind == "d", value == "":
		return seen(unescape(value)), nil
	}
	var f format
	if i, err := strconv.Atoi(style); err == nil && i >= 0 && i < len(b.formats) {
		f = b.formats[i]
	}
	return b.number(value, f), nil
}

// format is what a style makes of a number, as far as it matters here.
type format struct {
	date, clock bool
	zeros       int // digits, with zeros before
}

// exact is where the 15 digits end that a sheet keeps of a number.
const exact = 1e15

// number is a number as it is seen, with all the digits that a sheet keeps: a
// thousand is 1000, whatever stands between its digits. An identifier of more
// digits has lost some, and says so.
func (b *book) number(value string, f format) cell {
	x, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	switch {
	case err != nil || math.IsNaN(x) || math.IsInf(x, 0):
		return cell{value, ReasonFormula}
	case math.Abs(x) >= exact: // in the form that is known again for what it is
		return cell{strconv.FormatFloat(x, 'E', 14, 64), ReasonDigits}
	case f.date || f.clock:
		if s := b.date(x, f); s != "" {
			return cell{text: s}
		}
	}
	x, _ = strconv.ParseFloat(strconv.FormatFloat(x, 'e', 14, 64), 64) // 0.30000000000000004
	s := strconv.FormatFloat(x, 'f', -1, 64)
	if missing := f.zeros - len(s); missing > 0 && x >= 0 && !strings.Contains(s, ".") {
		s = strings.Repeat("0", missing) + s
	}
	return cell{text: s}
}

// date is the day or time that a number is shown as, "" if it is none.
func (b *book) date(x float64, f format) string {
	if b.date1904 {
		x += 1462
	}
	if x < 0 || x >= 2_958_466 { // the year 10000
		return ""
	}
	begin := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	if x < 60 && !b.date1904 { // the format has a 29 February 1900
		begin = begin.AddDate(0, 0, 1)
	}
	day, part := math.Modf(x)
	at := begin.AddDate(0, 0, int(day)).Add(time.Duration(math.Round(part*86400)) * time.Second)
	switch {
	case !f.clock:
		return at.Format("2006-01-02")
	case at.Second() != 0 && f.date:
		return at.Format("2006-01-02 15:04:05")
	case at.Second() != 0:
		return at.Format("15:04:05")
	case f.date:
		return at.Format("2006-01-02 15:04")
	}
	return at.Format("15:04")
}

// readStyles keeps of each style what its format makes of a number.
func (b *book) readStyles() error {
	if b.parts[b.stylings] == nil {
		return nil
	}
	codes, inCells := map[string]string{}, false
	return b.each(b.stylings, func(_ *tokens, t xml.StartElement) error {
		switch t.Name.Local {
		case "numFmt":
			codes[attr(t, "numFmtId")] = attr(t, "formatCode")
		case "cellXfs":
			inCells = true
		case "cellStyles", "dxfs":
			inCells = false
		case "xf":
			if inCells {
				id := attr(t, "numFmtId")
				f, ok := builtin[id]
				if code, own := codes[id]; own && !ok {
					f = formatOf(code)
				}
				b.formats = append(b.formats, f)
			}
		}
		if len(codes) > maxStyles || len(b.formats) > maxStyles {
			return refuse(ReasonSize)
		}
		return nil
	})
}

// builtin are the formats for which there is no code: ECMA-376-1 18.8.30, with
// those of Chinese programs.
var builtin = func() map[string]format {
	m := map[string]format{"22": {date: true, clock: true}}
	for _, days := range [][2]int{{14, 17}, {27, 31}, {36, 36}, {50, 54}, {57, 58}} {
		for i := days[0]; i <= days[1]; i++ {
			m[strconv.Itoa(i)] = format{date: true}
		}
	}
	for _, times := range [][2]int{{18, 21}, {32, 35}, {45, 47}, {55, 56}} {
		for i := times[0]; i <= times[1]; i++ {
			m[strconv.Itoa(i)] = format{clock: true}
		}
	}
	return m
}()

var (
	literal  = regexp.MustCompile(`"[^"]*"|\\.|_.|\*.|\[[^\]]*\]`)
	allZeros = regexp.MustCompile(`^0{2,18}$`)
)

// formatOf reads a format's code: yyyy"年"m"月", h:mm, 000000.
func formatOf(code string) format {
	code, _, _ = strings.Cut(strings.ToLower(literal.ReplaceAllString(code, "")), ";")
	if allZeros.MatchString(code) {
		return format{zeros: len(code)}
	}
	if code == "general" {
		return format{}
	}
	f := format{clock: strings.ContainsAny(code, "hs")}
	f.date = strings.ContainsAny(code, "yd") || !f.clock && strings.Contains(code, "m")
	return f
}
