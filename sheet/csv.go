package sheet

import (
	"bufio"
	"encoding/csv"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

const bom = "\uFEFF"

// openCSV tells the encoding, and reads all once to count the rows and to know
// that they can be read.
func (s *Sheet) openCSV(r io.ReaderAt, size int64) (count int, err error) {
	utf, err := isUTF8(io.NewSectionReader(r, 0, size))
	if err != nil {
		return 0, err
	}
	head := make([]byte, len(bom))
	_, _ = r.ReadAt(head, 0)
	marked := string(head) == bom
	if marked && !utf {
		return 0, refuse(ReasonEncoding)
	}
	text := func() io.Reader {
		from := 0
		if marked {
			from = len(bom)
		}
		section := io.NewSectionReader(r, int64(from), size-int64(from))
		if utf {
			return section
		}
		return simplifiedchinese.GB18030.NewDecoder().Reader(section)
	}
	s.rows = func(yield func(Row, error) bool) {
		if err := records(text(), !utf, func(n int, fields []string) (bool, error) {
			row, err := Row{Number: n}, error(nil)
			for i, f := range fields {
				if m := forcedText.FindStringSubmatch(f); m != nil {
					f = m[1]
				}
				if row.cells, err = put(row.cells, i, n, seen(f)); err != nil {
					return false, err
				}
			}
			return yield(row, nil), nil
		}); err != nil {
			yield(Row{}, err)
		}
	}
	err = records(text(), !utf, func(_ int, fields []string) (bool, error) {
		if slices.ContainsFunc(fields, func(f string) bool { return strings.TrimSpace(f) != "" }) {
			count++
		}
		if count > MaxRows+headingWithin {
			return false, &Refusal{Reason: ReasonRows, Limit: MaxRows}
		}
		return true, nil
	})
	return count, err
}

// records tells the lines of a .csv until somebody says no, numbered as the rows
// of a sheet would be: a blank line is one, a line break in a cell is not.
// strict refuses what did not decode.
func records(text io.Reader, strict bool, tell func(row int, fields []string) (more bool, err error)) error {
	lines := csv.NewReader(&guard{text: text, row: 1})
	lines.FieldsPerRecord, lines.ReuseRecord = -1, true
	row, end := 0, 0 // of the record before; end is the last of its lines
	for {
		fields, err := lines.Read()
		var parse *csv.ParseError
		switch {
		case err == io.EOF:
			return nil
		case errors.As(err, &parse): // its text goes no further
			return &Refusal{Reason: ReasonQuotes, Row: row + max(parse.StartLine-end, 1)}
		case err != nil:
			return err
		case strict && slices.ContainsFunc(fields, func(f string) bool { return strings.ContainsRune(f, utf8.RuneError) }):
			return refuse(ReasonEncoding)
		}
		first, _ := lines.FieldPos(0)
		last, _ := lines.FieldPos(len(fields) - 1)
		row, end = row+first-end, last+strings.Count(fields[len(fields)-1], "\n")
		if more, err := tell(row, fields); err != nil || !more {
			return err
		}
	}
}

// maxLine is the bytes of a row, which is read as a whole before any of its cells
// can be looked at.
const maxLine = 1 << 20

// guard ends the reading where a row would fill the memory.
type guard struct {
	text              io.Reader
	row, size, commas int
	quoted            bool
}

func (g *guard) Read(p []byte) (int, error) {
	n, err := g.text.Read(p)
	for _, c := range p[:n] {
		g.size++
		switch {
		case c == '"':
			g.quoted = !g.quoted
		case g.quoted:
		case c == '\n':
			g.row, g.size, g.commas = g.row+1, 0, 0
		case c == ',':
			g.commas++
		}
		switch {
		case g.row > lastRow:
			return 0, &Refusal{Reason: ReasonRows, Limit: MaxRows}
		case g.commas >= lastColumn:
			return 0, &Refusal{Reason: ReasonColumns, Limit: maxColumns}
		case g.size <= maxLine:
		case g.quoted:
			return 0, &Refusal{Reason: ReasonQuotes, Row: g.row}
		default:
			return 0, &Refusal{Reason: ReasonCell, Limit: maxCell, Row: g.row}
		}
	}
	return n, err
}

// forcedText is how other systems keep a sheet from making a number of a text.
var forcedText = regexp.MustCompile(`^="([^"]*)"$`)

func isUTF8(r io.Reader) (bool, error) {
	text := bufio.NewReader(r)
	for {
		chunk, err := text.Peek(text.Size())
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return false, err
		}
		cut := len(chunk)
		if err == nil { // a character may go on in the next chunk
			for i := 1; i < utf8.UTFMax; i++ {
				if utf8.RuneStart(chunk[len(chunk)-i]) {
					cut = len(chunk) - i
					break
				}
			}
		}
		if !utf8.Valid(chunk[:cut]) {
			return false, nil
		}
		if err == io.EOF {
			return true, nil
		}
		if cut == 0 { // never so in what is valid
			return false, nil
		}
		_, _ = text.Discard(cut)
	}
}

// put sets cell i of a row, which grows as far as there is something.
func put(cells []cell, i, row int, c cell) ([]cell, error) {
	if c.blank() {
		return cells, nil
	}
	if i >= maxColumns {
		return nil, &Refusal{Reason: ReasonColumns, Limit: maxColumns}
	}
	if len(c.text) > maxCell && utf16Len(c.text) > maxCell {
		return nil, &Refusal{Reason: ReasonCell, Limit: maxCell, Row: row}
	}
	if i >= cap(cells) {
		cells = append(make([]cell, 0, max(i+1, 2*cap(cells), 16)), cells...)
	}
	if i >= len(cells) {
		cells = cells[:i+1]
	}
	cells[i] = c
	return cells, nil
}

func utf16Len(s string) (n int) {
	for _, r := range s {
		if n++; r > 0xFFFF {
			n++
		}
	}
	return n
}

// scientific is how a long number is shown, and saved as a .csv.
var scientific = regexp.MustCompile(`^[+-]?\d(\.\d+)?[Ee]\+\d+$`)

// seen is a text as a cell.
func seen(text string) cell {
	c := cell{text: restore(text)}
	if n := len(text); n >= 4 && n <= 32 && strings.Contains(text, "+") && scientific.MatchString(strings.TrimSpace(text)) {
		c.fault = ReasonDigits
	}
	return c
}
