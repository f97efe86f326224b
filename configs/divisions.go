package configs

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/venuecode/venuecode/venue"
)

//go:embed divisions.csv
var shippedDivisions []byte

// Divisions is the list that comes with the program: Henan down to the county.
// divisions.csv names its source and date.
var Divisions = sync.OnceValue(func() *venue.Divisions {
	list, faults := addDivisions(nil, "divisions.csv", shippedDivisions)
	if faults != nil {
		panic(faults) // embedded, and tested
	}
	return list
})

// largestDivisions bounds a list of divisions, in bytes: a province has some
// 50,000 villages, of 40 bytes each.
const largestDivisions = 16 << 20

// mostRowFaults is where a list of faults ends that nobody reads to its end.
const mostRowFaults = 100

// divisions reads the list that adds to the shipped one.
func (l *loader) divisions(c *Config) {
	c.Divisions = Divisions()
	if c.DivisionsFile == "" {
		return
	}
	path, err := l.rooted(c.DivisionsFile)
	if err != nil {
		l.fault("divisions", "must be a file")
		return
	}
	b, err := readSmall(path, largestDivisions)
	if err != nil {
		l.fault("divisions", "refers to a file that can not be read, or is no plain file of at most 16 MiB")
		return
	}
	c.DivisionsFile = path
	list, faults := addDivisions(c.Divisions, path, b)
	if faults != nil {
		l.fault("divisions", "refers to a list with faults")
		l.elsewhere = append(l.elsewhere, faults...)
		return
	}
	c.Divisions = list
}

// ownDivision looks that the division that runs this is listed: nothing can be
// registered in one that is not.
func (l *loader) ownDivision(c *Config) {
	if d := venue.Division(c.Division); !l.test && d != "" && l.sound("division", "divisions") && c.Divisions.Name(d) == "" {
		l.fault("division", "is in no list, so that nothing could be registered there: the shipped one has Henan, divisions adds others")
	}
}

// addDivisions reads lines of code,name: UTF-8, with a heading or without, those that
// begin with # ignored. Faults name the line.
func addDivisions(list *venue.Divisions, name string, b []byte) (*venue.Divisions, Faults) {
	if !utf8.Valid(b) {
		return nil, Faults{{Source: name, Problem: "is not UTF-8: save it as CSV UTF-8"}}
	}
	in := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(b, []byte("\ufeff"))))
	in.Comment, in.FieldsPerRecord, in.LazyQuotes = '#', -1, true
	var rows []venue.NamedDivision
	var lines []int
	var faults Faults
	for first := true; ; first = false {
		record, err := in.Read()
		if err == io.EOF {
			break
		}
		if broken := (*csv.ParseError)(nil); errors.As(err, &broken) {
			faults = append(faults, Fault{Source: name, Line: broken.Line, Problem: rowProblems["row"]})
			continue
		}
		switch line, _ := in.FieldPos(0); {
		case first && !strings.ContainsAny(record[0], "0123456789０１２３４５６７８９"): // a heading
		case len(record) != 2:
			faults = append(faults, Fault{Source: name, Line: line, Problem: rowProblems["row"]})
		default:
			rows, lines = append(rows, venue.NamedDivision{Code: venue.Division(record[0]), Name: record[1]}), append(lines, line)
		}
	}
	list, err := list.With(rows...)
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			var f venue.RowFault
			if errors.As(err, &f) {
				faults = append(faults, Fault{Key: f.Err.Field, Source: name, Line: lines[f.Row], Problem: rowProblems[f.Err.Reason]})
			}
		}
	}
	if len(faults) > mostRowFaults {
		more := len(faults) - mostRowFaults
		faults = append(faults[:mostRowFaults], Fault{Source: name, Problem: fmt.Sprintf("and %d faults more", more)})
	}
	return list, faults
}

var rowProblems = map[string]string{
	"row":       "must be a code and a name, with a comma between them",
	"shape":     "must be a division's code of 2, 4, 6, 9 or 12 digits",
	"repeated":  "stands in this list twice",
	"orphan":    "lies in a division that is neither in this list nor in the shipped one",
	"character": "holds control, direction or invisible characters",
	"length":    "must be 1 to 40 characters",
	"mixed":     "mixes letters of different scripts within one word",
}
