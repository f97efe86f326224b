// Package sheet reads and writes the spreadsheets that people send and take
// away: .xlsx and .csv, told by their content.
//
//	what is it → is it safe to unpack → which sheet → which row has the headings → rows
//
// Open goes that way and refuses a file as a whole, with the reason; then Rows
// yields what is below the headings. Nothing is believed that a file says of
// itself, nothing is cut off in silence: a damaged file is an error, never a
// shorter one. Nothing is unpacked onto a disk, since a roster is full of
// private values.
//
// What is written is text and nothing but text, and no value of it runs as a
// formula, wherever it is copied to. Reading undoes what that takes.
package sheet

import (
	"fmt"
	"strings"

	"github.com/venuecode/venuecode/venue"
)

// Limits of what is read. An upload above MaxSize bytes or with more than
// MaxRows rows below its headings is refused (policy).
const (
	MaxSize = 32 << 20
	MaxRows = 300_000
)

const (
	maxUnpacked   = 256 << 20 // bytes; a register of 200,000 rows unpacks to 98 MiB
	maxRatio      = 100       // unpacked to packed
	maxColumns    = 256       // of those with something in them
	maxCell       = 32_767    // UTF-16 units, which is all that Excel keeps
	headingWithin = 10        // rows with something in them: titles stand above the headings
)

// Column declares a column of a Layout.
type Column struct {
	Field    string   // what callers and *venue.Invalid name it
	Heading  string   // as a template has it
	Aliases  []string // other headings seen for it
	Required bool     // a sheet without it is refused; a blank cell is the caller's affair
	Help     string   // what to fill in, for the template
	Example  string
	Width    float64 // in characters; 0 goes by the heading
}

// Layout is what a kind of sheet has in it, whatever the order.
type Layout struct {
	Name    string // of the template's sheet
	Columns []Column
	Notes   []string // rules that are not about one column, for the template
}

// Why a file is refused as a whole. What a person does about it says Sentence.
const (
	ReasonSize      = "size"      // above MaxSize, or unpacks to more than anybody means to send
	ReasonRows      = "rows"      // more than Limit rows
	ReasonColumns   = "columns"   // something beyond column Limit
	ReasonCell      = "cell"      // more than Limit characters in a cell of Row
	ReasonXLS       = "xls"       // .xls or .xlsb
	ReasonODS       = "ods"       // OpenDocument
	ReasonHTML      = "html"      // a page or XML under the name of a sheet
	ReasonPassword  = "password"  // encrypted
	ReasonFormat    = "format"    // no sheet at all
	ReasonEncoding  = "encoding"  // text that is neither UTF-8 nor GB18030
	ReasonQuotes    = "quotes"    // a quotation mark in Row of a .csv that nothing closes
	ReasonDamaged   = "damaged"   // begins like a sheet and breaks off
	ReasonEmpty     = "empty"     // nothing in any sheet that can be seen
	ReasonMissing   = "missing"   // no row has all required columns; Headings are missing
	ReasonDuplicate = "duplicate" // Headings stand there twice
)

// Why one cell is not read, as the reason of a *venue.Invalid.
const (
	ReasonDigits  = "digits"  // a number of more than 15 digits: a sheet has lost the rest
	ReasonFormula = "formula" // a formula whose value is an error or was not saved
)

// Refusal says why a whole file was not read or written. It unwraps to a
// *venue.Invalid of the field "file". It holds nothing that a file says but the
// name of a sheet, and that not in Error.
type Refusal struct {
	Reason   string
	Limit    int      // for rows, columns, cell
	Row      int      // for cell, quotes
	Sheet    string   // for missing, duplicate: where the headings were looked for, "" in a .csv
	Headings []string // for missing, duplicate: as declared
}

func (r *Refusal) Error() string {
	text := "sheet: " + r.Reason
	if r.Limit > 0 {
		text += fmt.Sprintf(" above the limit of %d", r.Limit)
	}
	if r.Row > 0 {
		text += fmt.Sprintf(" in row %d", r.Row)
	}
	if len(r.Headings) > 0 {
		text += " " + strings.Join(r.Headings, " ")
	}
	return text
}

func (r *Refusal) Unwrap() error { return &venue.Invalid{Field: "file", Reason: r.Reason} }

func refuse(reason string) *Refusal { return &Refusal{Reason: reason} }
