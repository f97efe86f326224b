package sheet

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/venuecode/venuecode/venue"
)

// Writer writes one sheet of text as an .xlsx, row after row, straight to where
// it goes: nothing is kept, on disk or in memory. The headings stay in sight,
// and the last line says how many rows there are.
//
// Each value is a text for whoever opens the file, and begins with an
// apostrophe if it could run as a formula elsewhere. What can not be seen is
// left out of it. Open and Rows give the rest back as it was.
type Writer struct {
	book    workbook
	columns []Column
	rows    int
	err     error
}

// NewWriter begins a sheet with titles above its headings.
func NewWriter(w io.Writer, name string, columns []Column, titles ...string) (*Writer, error) {
	x := &Writer{columns: columns}
	if len(columns) == 0 || len(columns) > maxColumns {
		return nil, &venue.Invalid{Field: "columns", Reason: "length"}
	}
	if x.err = x.book.begin(w, name); x.err == nil {
		x.err = x.book.sheet(columns, titles...)
	}
	return x, x.err
}

// Write adds a row: a text for each column, from the left; what is not given is
// blank. A *Refusal says that the format has no room for another row, or that a
// text has more than 32,767 characters. Nothing is cut: after an error the file
// is not to be used.
func (w *Writer) Write(texts ...string) error {
	switch {
	case w.err != nil:
	case len(texts) > len(w.columns):
		w.err = &venue.Invalid{Field: "columns", Reason: "length"}
	case w.book.row == lastRow-1: // the total takes the last
		w.err = &Refusal{Reason: ReasonRows, Limit: lastRow}
	default:
		w.rows++
		w.err = w.book.write(styleText, texts...)
	}
	return w.err
}

// Close adds the total and ends the file.
func (w *Writer) Close() error {
	if w.err == nil {
		w.err = w.book.write(styleText, fmt.Sprintf(totalText, w.rows))
	}
	if w.err == nil {
		w.err = w.book.end()
	}
	return w.err
}

// Problems is the file that goes back to who sent one: the rows that were not
// taken, in the columns that they had, each with its problems and its number.
// These are mended and sent again as they are; the two columns are not read.
type Problems struct {
	*Writer
	columns []int // of the sheet that was read
}

// Problems begins such a file.
func (s *Sheet) Problems(w io.Writer) (*Problems, error) {
	p := &Problems{}
	var columns []Column
	for i, h := range s.Headings {
		if h != problemHeading && h != rowHeading {
			p.columns, columns = append(p.columns, i), append(columns, Column{Heading: h})
		}
	}
	columns = append(columns, Column{Heading: problemHeading, Width: 60}, Column{Heading: rowHeading})
	var err error
	p.Writer, err = NewWriter(w, s.layout.Name, columns)
	return p, err
}

// Add adds a row that Rows yielded, with what is wrong with it, for a person.
func (p *Problems) Add(row Row, problems ...string) error {
	texts := make([]string, 0, len(p.columns)+2)
	for _, i := range p.columns {
		texts = append(texts, row.text(i))
	}
	return p.Write(append(texts, strings.Join(problems, "；"), strconv.Itoa(row.Number))...)
}

// Template writes an empty sheet of the layout with an example, every cell set
// to text so that no number loses digits, and a second sheet that explains.
func (l Layout) Template(w io.Writer) error {
	var columns []Column
	var example []string
	notes := []Column{{Heading: notesHeadings[0], Width: 24}, {Heading: notesHeadings[1]}, {Heading: notesHeadings[2], Width: 80}, {Heading: notesHeadings[3], Width: 32}}
	var lines [][]string
	for _, c := range l.Columns {
		required := no
		if c.Required {
			required = yes
		}
		lines = append(lines, []string{c.Heading, required, c.Help, c.Example})
		example = append(example, c.Example)
		if c.Required {
			c.Heading += requiredMark
		}
		columns = append(columns, c)
	}
	for _, note := range append(strings.Split(fmt.Sprintf(notesCommon, MaxRows), "\n"), l.Notes...) {
		lines = append(lines, []string{"", "", note})
	}
	var b workbook
	if err := b.begin(w, l.Name, notesSheet); err != nil {
		return err
	}
	if err := b.sheet(columns); err != nil {
		return err
	}
	if err := b.write(styleText, example...); err != nil {
		return err
	}
	if err := b.sheet(notes); err != nil {
		return err
	}
	for _, line := range lines {
		if err := b.write(styleWrapped, line...); err != nil {
			return err
		}
	}
	return b.end()
}
