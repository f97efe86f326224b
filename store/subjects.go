package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// The register of subjects.
var (
	Subjects         = Schema{Name: "subjects", Indexes: []Index{{Name: "division", Fields: []string{"division"}}}}        // Subject.ID → registry.Subject
	SubjectDecisions = Schema{Name: "subject_decisions"}                                                                   // unit, or unit:subject where it is refused → registry.Decision
	SubjectImports   = Schema{Name: "subject_imports", Indexes: []Index{{Name: "at", Fields: []string{"at"}}}}             // instant and account → SubjectImportRow
	CoverageDays     = Schema{Name: "coverage_days", Indexes: []Index{{Name: "day", Fields: []string{"day", "division"}}}} // day:division → CoverageDayRow
)

// Versions, counted in Meta, of what is read as a whole.
const (
	subjectsVer  = "subjects"
	decisionsVer = "subject_decisions"

	importUnderWay = "importing" // the text of subjectsVer
)

// SubjectImportRow is an import that was carried out to its end.
type SubjectImportRow struct {
	At       time.Time // civil
	By       string    // account
	Division venue.Division
	SubjectCounts
}

// SubjectCounts is what an import finds, or did. OK + Proof + Bad are the rows;
// New + Changed + Same are those that are taken.
type SubjectCounts struct {
	Rows    int `json:"rows"`
	OK      int `json:"ok"`
	Proof   int `json:"proof"` // taken, though the check character of their USCC is wrong
	Bad     int `json:"bad"`
	New     int `json:"new"`
	Changed int `json:"changed"` // or back again
	Same    int `json:"same"`
	Gone    int `json:"gone"` // in the register before, and not any more
}

// Sweeping tells whether so many are gone that it may be the wrong file: more than
// twenty, and more than a tenth of those that were there.
func (n SubjectCounts) Sweeping() bool {
	return n.Gone > 20 && 10*n.Gone > n.Gone+n.Same+n.Changed
}

// SubjectRow is a row of a sheet, with what is wrong with its cells as such.
type SubjectRow struct {
	Number int
	Form   registry.SubjectForm
	Faults []*venue.Invalid
}

// SubjectFault is what is wrong with a field of a row.
type SubjectFault struct {
	Row int
	*venue.Invalid
}

// SubjectFile is a register that was sent in.
type SubjectFile struct {
	// Rows can be ranged over as often as one likes.
	Rows iter.Seq2[SubjectRow, error]
	// Division is what the file is the register of: a row elsewhere is a fault, and
	// what it does not have of there is gone.
	Division venue.Division
	// Divisions are what a row may name, by code or by the one of its name in
	// Division; nil: any code.
	Divisions *venue.Divisions
	// Partial takes the good rows of a file that has bad ones. Then nothing is
	// gone: a bad row may be anybody's.
	Partial bool
	By      string // account
	// Mark, unless it is "", is that of the plan which somebody has looked at: if it
	// would be another now, nothing is done.
	Mark     string
	Progress func(done, of int) // may be nil
}

// SubjectPlan is what an import would do. Faults are the first ten thousand.
type SubjectPlan struct {
	SubjectCounts
	Faults []SubjectFault
	Mark   string // of this file and this outcome

	rows map[string]subjectRow
	gone []string
}

type subjectRow struct {
	digest [16]byte
	fate   subjectFate
}

type subjectFate uint8

const (
	subjectNew subjectFate = iota
	subjectChanged
	subjectSame
)

const mostFaults = 10_000

// Census keeps the subjects: who must have a code.
type Census struct {
	docs      Documents
	subjects  Collection[registry.Subject]
	decisions Collection[registry.Decision]
	imports   Collection[SubjectImportRow]
	meta      Collection[MetaRow]
	civil     venue.Clock

	importing sync.Mutex
	changes   atomic.Int64 // made by this process
}

// NewCensus opens it.
func NewCensus(docs Documents, civil venue.Clock) *Census {
	return &Census{
		docs: docs, civil: civil,
		subjects:  NewCollection[registry.Subject](docs, Subjects),
		decisions: NewCollection[registry.Decision](docs, SubjectDecisions),
		imports:   NewCollection[SubjectImportRow](docs, SubjectImports),
		meta:      NewCollection[MetaRow](docs, Meta),
	}
}

// Plan says what the import of a file would do, and does nothing. Memory is some
// hundred bytes a row.
func (c *Census) Plan(ctx context.Context, f SubjectFile) (*SubjectPlan, error) {
	if f.Division.Level() == 0 {
		return nil, &venue.Invalid{Field: "division", Reason: "shape"}
	}
	p, sum := &SubjectPlan{rows: map[string]subjectRow{}}, sha256.New()
	for row, err := range f.Rows {
		if err != nil {
			return nil, err
		}
		p.Rows++
		s, proof, faults := f.check(row)
		id := s.ID()
		if _, twice := p.rows[id]; twice && len(faults) == 0 {
			field := "name"
			if s.USCC != "" {
				field = "uscc"
			}
			faults = []*venue.Invalid{{Field: field, Reason: "twice"}}
		}
		switch {
		case len(faults) > 0:
			p.Bad++
			for _, invalid := range faults {
				if len(p.Faults) < mostFaults {
					p.Faults = append(p.Faults, SubjectFault{row.Number, invalid})
				}
			}
			continue
		case proof:
			p.Proof++
		default:
			p.OK++
		}
		digest := s.Digest()
		p.rows[id] = subjectRow{digest: digest}
		fmt.Fprintf(sum, "%d %x\n", row.Number, digest)
	}
	if err := c.compare(ctx, f, p); err != nil {
		return nil, fmt.Errorf("compare the register: %w", err)
	}
	fmt.Fprint(sum, f.Division, p.SubjectCounts)
	p.Mark = hex.EncodeToString(sum.Sum(nil)[:16])
	return p, nil
}

// Subject is what the register means by a row, as its own Check has it.
func (f SubjectFile) Subject(form registry.SubjectForm) (s registry.Subject, proof bool, faults []*venue.Invalid) {
	if d, ok := f.Divisions.Named(strings.TrimSpace(venue.Fold(form.Division)), f.Division); ok {
		form.Division = string(d)
	}
	if s, proof, faults = form.Check(); s.Division.Level() >= venue.LevelCounty && !f.Divisions.Has(s.Division) {
		faults = append(faults, &venue.Invalid{Field: "division", Reason: registry.ReasonUnknown})
	}
	return s, proof, faults
}

func (f SubjectFile) check(row SubjectRow) (s registry.Subject, proof bool, faults []*venue.Invalid) {
	s, proof, faults = f.Subject(row.Form)
	if len(faults) == 0 && !f.Division.Contains(s.Division) {
		faults = append(faults, &venue.Invalid{Field: "division", Reason: "outside"})
	}
	if len(row.Faults) > 0 { // a cell that lost digits is not also of the wrong shape
		faults = row.Faults
	}
	return s, proof, faults
}

// compare finds the fate of each row, and those that are gone.
func (c *Census) compare(ctx context.Context, f SubjectFile, p *SubjectPlan) error {
	seen := make(map[string]bool, len(p.rows))
	note := func(id string, there registry.Subject) {
		in := p.rows[id]
		if in.fate = subjectChanged; in.digest == there.Digest() && there.Gone == 0 {
			in.fate = subjectSame
		}
		p.rows[id], seen[id] = in, true
	}
	from, to := f.Division.Range()
	for row, err := range c.subjects.Find(ctx, Query{Index: "division", From: from, To: to}) {
		if err != nil {
			return err
		}
		if _, ok := p.rows[row.ID]; ok {
			note(row.ID, row.Value)
		} else if row.Value.Gone == 0 {
			p.gone = append(p.gone, row.ID)
		}
	}
	// What is not there may have been registered elsewhere.
	for some := range slices.Chunk(unseen(p.rows, seen), inAPiece) {
		found, err := c.subjects.GetAll(ctx, some)
		if err != nil {
			return err
		}
		for id, there := range found {
			note(id, there)
		}
	}
	for _, in := range p.rows {
		switch in.fate {
		case subjectNew:
			p.New++
		case subjectChanged:
			p.Changed++
		case subjectSame:
			p.Same++
		}
	}
	if p.Bad > 0 {
		p.gone = nil
	}
	p.Gone = len(p.gone)
	return nil
}

func unseen(rows map[string]subjectRow, seen map[string]bool) (ids []string) {
	for id := range rows {
		if !seen[id] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Import carries a file out: all of it, or, with a bad row and not Partial,
// nothing. Cut off anywhere it is done again, and does what is left. Nothing is
// deleted. venue.ErrConflict if another import is under way here, or if the plan
// would be another than the one with the Mark.
func (c *Census) Import(ctx context.Context, f SubjectFile) (*SubjectPlan, error) {
	if !c.importing.TryLock() {
		return nil, fmt.Errorf("another import is under way: %w", venue.ErrConflict)
	}
	defer c.importing.Unlock()
	p, err := c.Plan(ctx, f)
	if err != nil || p.Bad > 0 && !f.Partial {
		return p, err
	}
	if f.Mark != "" && f.Mark != p.Mark {
		return p, fmt.Errorf("the register or the file is another than was looked at: %w", venue.ErrConflict)
	}
	if err := c.carryOut(ctx, f, p); err != nil {
		return p, err
	}
	now := c.civil.Now()
	err = c.imports.Insert(ctx, venue.FormatInstant(now)+":"+f.By, SubjectImportRow{At: venue.Millis(now), By: f.By, Division: f.Division, SubjectCounts: p.SubjectCounts})
	if err != nil && !errors.Is(err, venue.ErrExists) {
		return p, fmt.Errorf("note the import: %w", err)
	}
	return p, nil
}

// carryOut writes what differs. While it is under way, or was cut off, the version
// says so: then whoever does it again tells of what was written before, too.
func (c *Census) carryOut(ctx context.Context, f SubjectFile, p *SubjectPlan) error {
	before, err := c.meta.Get(ctx, subjectsVer)
	if err != nil && !errors.Is(err, venue.ErrNotFound) {
		return fmt.Errorf("read the version of the register: %w", err)
	}
	if p.New+p.Changed+p.Gone == 0 && before.Value.Text == "" {
		return nil
	}
	if _, err := c.meta.Update(ctx, subjectsVer, true, func(m *MetaRow) error { m.Text = importUnderWay; return nil }); err != nil {
		return fmt.Errorf("begin an import: %w", err)
	}
	if err := c.write(ctx, f, p); err != nil {
		return fmt.Errorf("write the register: %w", err)
	}
	if _, err := c.meta.Update(ctx, subjectsVer, true, func(m *MetaRow) error { m.Value, m.Text = m.Value+1, ""; return nil }); err != nil {
		return fmt.Errorf("end an import: %w", err)
	}
	c.changes.Add(1)
	return nil
}

// write lets many rows share the store's commits; those that are new are written
// together.
func (c *Census) write(ctx context.Context, f SubjectFile, p *SubjectPlan) error {
	today := venue.DayOf(c.civil.Now())
	done := 0
	step := func() {
		if done++; f.Progress != nil && done%1000 == 0 {
			f.Progress(done, p.Rows+p.Gone)
		}
	}
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(together)
	var fresh []Row[registry.Subject]
	add := func() {
		rows := fresh
		fresh = nil
		g.Go(func() error {
			added, err := c.subjects.InsertAll(within, rows)
			if err != nil {
				return err
			}
			return forEach(within, added, false, func(ctx context.Context, i int) error { // another process was faster
				return set(ctx, c.subjects, rows[i].ID, rows[i].Value)
			})
		})
	}
	for row, err := range f.Rows {
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		step()
		s, _, faults := f.check(row)
		id := s.ID()
		in, ok := p.rows[id]
		if len(faults) > 0 || !ok || in.digest != s.Digest() || in.fate == subjectSame {
			continue
		}
		isNew := in.fate == subjectNew
		in.fate = subjectSame // a second row of the id was refused
		p.rows[id] = in
		if !isNew {
			g.Go(func() error { return set(within, c.subjects, id, s) })
		} else if fresh = append(fresh, Row[registry.Subject]{ID: id, Value: s}); len(fresh) == atOnce {
			add()
		}
	}
	add()
	for _, id := range p.gone {
		step()
		g.Go(func() error {
			_, err := c.subjects.Update(within, id, false, func(s *registry.Subject) error { s.Gone = today; return nil })
			return err
		})
	}
	return g.Wait()
}

// Imports lists the last imports, the newest first.
func (c *Census) Imports(ctx context.Context, limit int) ([]SubjectImportRow, error) {
	return values(c.imports.All(ctx, Query{Index: "at", Reverse: true, Limit: limit}))
}

// decide keeps what somebody said of a unit and a subject. venue.ErrConflict if
// the unit stands for another subject by somebody's word.
func (c *Census) decide(ctx context.Context, d registry.Decision) error {
	refusal := string(d.Unit) + ":" + d.Subject
	var err error
	if d.Same {
		if err = c.decisions.Insert(ctx, string(d.Unit), d); errors.Is(err, venue.ErrExists) {
			var row Row[registry.Decision]
			if row, err = c.decisions.Get(ctx, string(d.Unit)); err == nil && row.Value.Subject != d.Subject {
				err = fmt.Errorf("the unit stands for another subject: %w", venue.ErrConflict)
			}
		}
		if err == nil {
			err = c.forget(ctx, refusal)
		}
	} else {
		if err = set(ctx, c.decisions, refusal, d); err == nil {
			var row Row[registry.Decision]
			if row, err = c.decisions.Get(ctx, string(d.Unit)); err == nil && row.Value.Subject == d.Subject {
				err = c.forget(ctx, string(d.Unit))
			} else if errors.Is(err, venue.ErrNotFound) {
				err = nil
			}
		}
	}
	if err != nil {
		return fmt.Errorf("keep a decision: %w", err)
	}
	if _, err := c.meta.Update(ctx, decisionsVer, true, func(m *MetaRow) error { m.Value++; return nil }); err != nil {
		return fmt.Errorf("tell of a decision: %w", err)
	}
	c.changes.Add(1)
	return nil
}

func (c *Census) forget(ctx context.Context, decision string) error {
	if err := c.decisions.Delete(ctx, decision, 0); err != nil && !errors.Is(err, venue.ErrNotFound) {
		return err
	}
	return nil
}
