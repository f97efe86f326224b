// Package intake takes registers that come as spreadsheets.
//
//	sheet → each row by itself → rows beside each other → against the register → written, many at once
//
// Nothing is written before every row has been looked at, and a file with a bad
// row imports nothing unless the sender says so (partial). What is there already
// stays as it is: the same file again adds nothing, and completes what was cut
// off. The console's upload and `venuecode import` both come here.
package intake

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/venuecode/venuecode/sheet"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// Kind is a kind of file that is taken.
type Kind struct {
	Name   string // as the command has it
	Layout sheet.Layout
	// New begins a file.
	New func(d *Desk, o Options) Reader
	// Apply begins a unit's own file, which asks for what an officer's would enter;
	// nil: units send none of the kind.
	Apply func(d *Desk, o Options) Reader
	// whole takes a file at once, instead of New.
	whole func(ctx context.Context, s *sheet.Sheet, d *Desk, o Options) (Result, error)
}

// Kinds are all of them.
var Kinds = []Kind{units, venues, Subjects, legacy, roster}

// KindOf finds one by its name.
func KindOf(name string) (Kind, bool) {
	i := slices.IndexFunc(Kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return Kinds[i], true
}

// Desk is what a file is taken into. One without a Register and a Census looks at
// each row by itself.
type Desk struct {
	Register  *store.Register
	Census    *store.Census
	Applying  *registry.Service // where units' files ask; only they need it
	Division  venue.Division    // the city's: where nobody says
	Divisions *venue.Divisions  // what a row may name; nil: any code
	Host      string            // of our own codes, which are no old ones; "": not known
	// Within tells where an officer may write; nil: everywhere. What lies elsewhere
	// answers as if it were not there.
	Within func(venue.Division) bool
	Blind  func(kind, value string) string
	Random io.Reader
}

func (d *Desk) reaches(division venue.Division) bool { return d.Within == nil || d.Within(division) }

// Reader takes the rows of one file: first all of Row, then Match, then Write of
// all its Jobs, some at a time.
type Reader interface {
	// Row looks at a row, by itself and beside those before it, and keeps it unless
	// there are faults, whose fields are the layout's. proof: an officer must see
	// the register (rules §1).
	Row(number int, get func(field string) string) (proof bool, faults registry.Faults)
	// Match looks for what the rows name in the register, and drops those that name
	// what is not there: the answer says why, by row. Of proof it takes out the rows
	// whose proof has been seen.
	Match(ctx context.Context, proof map[int]bool) (map[int]registry.Faults, error)
	// Jobs is how many things there are to write.
	Jobs() int
	// Write does those from ≤ i < to, each once however often it is called.
	Write(ctx context.Context, from, to int) error
}

// Options say how a file is taken.
type Options struct {
	By      registry.Who
	From    registry.Sender       // of a unit's own file; zero: an officer's
	Today   venue.Day             // civil: nobody is born later
	Partial bool                  // import the good rows of a file that has bad ones
	DryRun  bool                  // look at everything, write nothing
	Mark    string                // of subjects: see store.SubjectFile
	Told    func(done, total int) // progress of the writing; may be nil
}

// Result says what became of a file. OK + Proof + Bad = Rows.
type Result struct {
	Rows   int       `json:"rows"`
	OK     int       `json:"ok"`
	Proof  int       `json:"proof"` // good, and pending until an officer has seen the register
	Bad    int       `json:"bad"`
	Errors []Problem `json:"errors"`

	Plan *store.SubjectPlan `json:"-"` // of subjects: what differs from the register before
}

// Problem is what is wrong with a row, for the person who sent it. It does not
// repeat what stands there.
type Problem struct {
	Row     int    `json:"row"`   // as the sheet numbers it
	Field   string `json:"field"` // the column's heading
	Message string `json:"message"`
}

// What is read and written at once. Many jobs that are written together cost the
// store little more than one; beside those that wait for it others are made ready.
const (
	lookups = 512
	batch   = 256 // jobs
	batches = 4
)

// Take reads a file and, unless it has bad rows or o says otherwise, writes it.
// A file that can not be read as a whole is a *sheet.Refusal.
func Take(ctx context.Context, kind Kind, file io.ReaderAt, size int64, d *Desk, o Options) (Result, error) {
	result := Result{Errors: []Problem{}}
	s, err := sheet.Open(file, size, kind.Layout)
	if err != nil {
		return result, err
	}
	if kind.whole != nil {
		return kind.whole(ctx, s, d, o)
	}
	begin := kind.New
	if o.From.Unit != "" {
		begin = kind.Apply
	}
	reader := begin(d, o)
	proofs, bad := map[int]bool{}, map[int]registry.Faults{}
	for row, err := range s.Rows() {
		if err != nil {
			return result, err
		}
		result.Rows++
		proof, faults := look(reader, kind.Layout, row)
		if len(faults) > 0 {
			bad[row.Number] = faults
		} else if proof {
			proofs[row.Number] = true
		}
		if err := ctx.Err(); err != nil {
			return result, err
		}
	}
	if d.Register != nil {
		missing, err := reader.Match(ctx, proofs)
		if err != nil {
			return result, err
		}
		for row, faults := range missing {
			bad[row] = append(bad[row], faults...)
			delete(proofs, row)
		}
	}
	result.Bad, result.Proof = len(bad), len(proofs)
	result.OK = result.Rows - result.Bad - result.Proof
	for row, faults := range bad {
		for _, f := range faults {
			result.Errors = append(result.Errors, Problem{row, heading(kind.Layout, f.Field), Sentence(f)})
		}
	}
	slices.SortStableFunc(result.Errors, func(a, b Problem) int { return a.Row - b.Row })
	if d.Register == nil || o.DryRun || result.Bad > 0 && !o.Partial {
		return result, nil
	}
	return result, write(ctx, reader, d, o.Told)
}

// look has a reader look at a row. A cell that the sheet has lost is a fault of
// its own, and the reader does not see the row.
func look(reader Reader, layout sheet.Layout, row sheet.Row) (proof bool, faults registry.Faults) {
	texts := map[string]string{}
	for _, c := range layout.Columns {
		text, err := row.Get(c.Field)
		var lost *venue.Invalid
		if errors.As(err, &lost) {
			faults = append(faults, lost)
		}
		texts[c.Field] = compose(text)
	}
	if len(faults) > 0 {
		return false, faults
	}
	return reader.Row(row.Number, func(field string) string { return texts[field] })
}

func write(ctx context.Context, reader Reader, d *Desk, told func(done, total int)) error {
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(batches)
	total := reader.Jobs()
	var done atomic.Int64
	for from := 0; from < total && within.Err() == nil; from += batch {
		to := min(from+batch, total)
		g.Go(func() error {
			err := reader.Write(within, from, to)
			if n := done.Add(int64(to - from)); err == nil && told != nil {
				told(int(n), total)
			}
			return err
		})
	}
	return errors.Join(g.Wait(), ctx.Err(), d.Register.Entered(context.WithoutCancel(ctx)))
}

// Problems writes the rows of a file that were not taken as a workbook to be
// mended and sent again: what stands there, what is wrong, the number it had.
func Problems(w io.Writer, kind Kind, file io.ReaderAt, size int64, result Result) error {
	s, err := sheet.Open(file, size, kind.Layout)
	if err != nil {
		return err
	}
	said := map[int][]string{}
	for _, p := range result.Errors {
		said[p.Row] = append(said[p.Row], p.Field+"："+p.Message)
	}
	out, err := s.Problems(w)
	if err != nil {
		return err
	}
	for row, err := range s.Rows() {
		if err != nil {
			return err
		}
		if problems := said[row.Number]; len(problems) > 0 {
			if err := out.Add(row, problems...); err != nil {
				return err
			}
		}
	}
	return out.Close()
}

// Heading is what a field is called in the sheet.
func (k Kind) Heading(field string) string { return heading(k.Layout, field) }

func heading(layout sheet.Layout, field string) string {
	for _, c := range layout.Columns {
		if c.Field == field {
			return c.Heading
		}
	}
	return field
}

func fault(field, reason string) registry.Faults {
	return registry.Faults{{Field: field, Reason: reason}}
}
