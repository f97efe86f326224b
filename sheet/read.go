package sheet

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/venuecode/venuecode/venue"
)

// Sheet is a file that can be read: its headings are found and its rows
// counted.
type Sheet struct {
	Name     string   // of the sheet that is read, "" in a .csv
	Others   []string // sheets with something in them that are not read
	Headings []string // as written but trimmed, left to right; "" over a column without one
	Unknown  []string // headings that the layout does not have
	// Len is how many rows below the headings seem to have something in them,
	// for whoever shows progress: some may prove blank.
	Len int

	layout Layout
	at     map[string]int // column by field
	below  int            // number of the row with the headings
	rows   iter.Seq2[Row, error]
}

// Row is a row with something in it.
type Row struct {
	Number int  // as the program shows it in which the sheet was made, from 1
	Hidden bool // by hand or by a filter
	cells  []cell
	at     map[string]int
}

// Format keeps what stands in a row out of any print.
func (r Row) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "sheet.Row(%d)", r.Number) }

// cell is what a person sees in a cell, or why nobody can know what was meant.
type cell struct{ text, fault string }

func (c cell) blank() bool { return c.fault == "" && strings.TrimSpace(c.text) == "" }

// Get is the text of a field, as it is seen: not trimmed, not folded, and "" in
// a sheet without that column. A number is plain digits, a date 2022-10-12, a
// time 15:04. *venue.Invalid with ReasonDigits or ReasonFormula if there is no
// telling.
func (r Row) Get(field string) (string, error) {
	i, ok := r.at[field]
	if !ok || i >= len(r.cells) {
		return "", nil
	}
	if c := r.cells[i]; c.fault != "" {
		return "", &venue.Invalid{Field: field, Reason: c.fault}
	}
	return r.cells[i].text, nil
}

func (r Row) blank() bool {
	return !slices.ContainsFunc(r.cells, func(c cell) bool { return !c.blank() })
}

// text is what stands in column i.
func (r Row) text(i int) string {
	if i >= len(r.cells) {
		return ""
	}
	return r.cells[i].text
}

// Open finds in size bytes the first sheet that can be seen and has something
// in it, and in its first rows the headings. Headings match in any order, with
// blanks, in full width, and with a mark such as * or （必填）. What can not be
// read is a *Refusal.
//
// It takes as long as unpacking does, and little memory: rows come later. r must
// stay as it is while they do.
func Open(r io.ReaderAt, size int64, layout Layout) (*Sheet, error) {
	if size > MaxSize {
		return nil, &Refusal{Reason: ReasonSize, Limit: MaxSize}
	}
	head := make([]byte, min(size, 4<<10))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return nil, err
	}
	s := &Sheet{layout: layout}
	count, err := 0, error(nil)
	if isZip(head) {
		count, err = s.openXLSX(r, size)
	} else if reason := notText(head, r, size); reason != "" {
		err = refuse(reason)
	} else {
		count, err = s.openCSV(r, size)
	}
	if err != nil {
		return nil, err
	}
	above, err := s.findHeadings()
	if err != nil {
		return nil, err
	}
	if s.Len = count - above; s.Len > MaxRows {
		return nil, &Refusal{Reason: ReasonRows, Limit: MaxRows}
	}
	return s, nil
}

// Rows yields the rows below the headings that have something in them. Left
// out are the example that the template came with and the 共 N 行 below what
// Writer wrote. After an error there is nothing more, and what came before is
// not the whole sheet. It can be ranged over again.
func (s *Sheet) Rows() iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		n := 0
		for row, err := range s.rows {
			switch {
			case err != nil:
				yield(Row{}, err)
				return
			case row.Number <= s.below || row.blank():
				continue
			}
			if n++; n > MaxRows {
				yield(Row{}, &Refusal{Reason: ReasonRows, Limit: MaxRows})
				return
			}
			row.at = s.at
			if !s.isExample(row) && !isTotal(row) && !yield(row, nil) {
				return
			}
		}
	}
}

// isExample tells the template's example, left where it was.
func (s *Sheet) isExample(row Row) bool {
	some := false
	for _, c := range s.layout.Columns {
		text, err := row.Get(c.Field)
		if err != nil || text != c.Example {
			return false
		}
		some = some || text != ""
	}
	return some
}

var totalShape = regexp.MustCompile(`^共 \d+ 行$`)

func isTotal(row Row) bool {
	return totalShape.MatchString(row.text(0)) &&
		!slices.ContainsFunc(row.cells[1:], func(c cell) bool { return !c.blank() })
}

// findHeadings takes the first row that has all required columns, and tells how
// many rows with something in them it is, itself and those above it. If none
// has, it is the one with most columns that is said to lack some.
func (s *Sheet) findHeadings() (above int, err error) {
	names := map[string]string{} // field by heading
	for _, c := range s.layout.Columns {
		for _, h := range append([]string{c.Heading}, c.Aliases...) {
			names[headingKey(h)] = c.Field
		}
	}
	best, lacking := -1, error(refuse(ReasonEmpty))
	for row, err := range s.rows {
		if err != nil {
			return 0, err
		}
		if row.blank() {
			continue
		}
		above++
		at, missing, err := s.columns(row, names)
		if len(missing) == 0 {
			s.below = row.Number
			return above, err
		}
		if len(at) > best {
			best, lacking = len(at), &Refusal{Reason: ReasonMissing, Sheet: s.Name, Headings: missing}
		}
		if above == headingWithin {
			break
		}
	}
	return 0, lacking
}

// columns takes a row for the headings.
func (s *Sheet) columns(row Row, names map[string]string) (at map[string]int, missing []string, err error) {
	at = map[string]int{}
	var headings, unknown, twice []string
	for i := range row.cells {
		heading := strings.TrimSpace(clean(row.text(i)))
		headings = append(headings, heading)
		key := headingKey(heading)
		field, known := names[key]
		if !known {
			key, _, _ = strings.Cut(key, "(") // 在册人数（人）
			field, known = names[key]
		}
		switch _, again := at[field]; {
		case heading == "" || heading == problemHeading || heading == rowHeading:
		case !known:
			unknown = append(unknown, heading)
		case again:
			twice = append(twice, field)
		default:
			at[field] = i
		}
	}
	for _, c := range s.layout.Columns {
		if _, ok := at[c.Field]; !ok && c.Required {
			missing = append(missing, c.Heading)
		}
	}
	if len(missing) > 0 {
		return at, missing, nil
	}
	if len(twice) > 0 {
		r := &Refusal{Reason: ReasonDuplicate, Sheet: s.Name}
		for _, c := range s.layout.Columns {
			if slices.Contains(twice, c.Field) {
				r.Headings = append(r.Headings, c.Heading)
			}
		}
		return at, nil, r
	}
	s.Headings, s.Unknown, s.at = headings, unknown, at
	return at, nil, nil
}

// headingKey is a heading without what differs from one office to the next.
func headingKey(h string) string {
	h = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '*' {
			return -1
		}
		return r
	}, strings.ToUpper(venue.Fold(clean(h))))
	h = strings.TrimSuffix(h, ":")
	return strings.TrimSuffix(h, venue.Fold(requiredMark))
}

// isZip: .xlsx is one, and so is .ods.
func isZip(head []byte) bool {
	return bytes.HasPrefix(head, []byte("PK\x03\x04")) || bytes.HasPrefix(head, []byte("PK\x05\x06"))
}

// notText is why something that is no archive is no .csv either.
func notText(head []byte, r io.ReaderAt, size int64) (reason string) {
	switch {
	case len(head) == 0:
		return ReasonEmpty
	case bytes.HasPrefix(head, []byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")):
		// The container of .xls, and of an .xlsx under a password.
		if contains(r, size, "E\x00n\x00c\x00r\x00y\x00p\x00t\x00e\x00d\x00P\x00a\x00c\x00k\x00a\x00g\x00e\x00") {
			return ReasonPassword
		}
		return ReasonXLS
	case len(head) > 3 && head[0] == 0x09 && head[2] <= 0x08 && head[3] == 0: // BIFF of before there were containers
		return ReasonXLS
	case bytes.HasPrefix(head, []byte("\xFF\xFE")), bytes.HasPrefix(head, []byte("\xFE\xFF")):
		return ReasonEncoding // UTF-16
	case bytes.HasPrefix(bytes.TrimSpace(bytes.TrimPrefix(head, []byte(bom))), []byte("<")):
		return ReasonHTML
	case bytes.IndexByte(head[:min(len(head), 16)], 0) >= 0, bytes.HasPrefix(head, []byte("%PDF")):
		return ReasonFormat // a NUL further down is somebody's value, and the caller's to judge
	}
	return ""
}

// contains looks for a short text in all of r.
func contains(r io.ReaderAt, size int64, text string) bool {
	buf := make([]byte, 64<<10)
	for at := int64(0); at < size; at += int64(len(buf) - len(text)) {
		n, err := r.ReadAt(buf, at)
		if bytes.Contains(buf[:n], []byte(text)) {
			return true
		}
		if err != nil {
			return false
		}
	}
	return false
}
