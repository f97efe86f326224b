package console

import (
	"bytes"
	"errors"
	"io"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/intake"
	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/sheet"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

const (
	proposalPage = 20 // subjects of a page
	importsShown = 5
	faultsShown  = 200
)

type proposedUnit struct {
	named
	NameLike    int `json:"name_likeness"` // in percent, as the others
	AddressLike int `json:"address_likeness"`
	Like        int `json:"likeness"`
}

type proposal struct {
	missingRow
	Units []proposedUnit `json:"units"`
}

type imported struct {
	At       instant        `json:"at"`
	By       string         `json:"by"`
	Division venue.Division `json:"division"`
	Place    string         `json:"division_name,omitempty"`
	store.SubjectCounts
}

type subjects struct {
	question
	Total   int        `json:"total"` // subjects without a unit
	Rows    []proposal `json:"rows"`
	Next    string     `json:"next,omitempty"`
	Imports []imported `json:"imports"`
}

// subjects lists those without a unit, with units that may be them, for a person
// to decide.
func (h *Handler) subjects(c *call) (answer, error) {
	q, f, err := h.filter(c)
	if err != nil {
		return answer{}, err
	}
	after, err := behind(c)
	if err != nil {
		return answer{}, err
	}
	scope := c.by.Scope()
	list, total, asOf, err := h.Coverage.Proposals(c.ctx, scope, f, after, proposalPage)
	if err != nil {
		return answer{}, filled(err)
	}
	imports, err := h.Coverage.Imports(c.ctx, scope, importsShown)
	if err != nil {
		return answer{}, err
	}
	q.of(asOf)
	out := subjects{question: q, Total: total, Rows: []proposal{}, Imports: []imported{}}
	for _, p := range list {
		row := proposal{missingRow: h.missingRow(p.MissingSubject), Units: []proposedUnit{}}
		for _, u := range p.Units {
			row.Units = append(row.Units, proposedUnit{named{u.ID, u.Name}, u.Likeness.Name, u.Likeness.Address, u.Likeness.Total})
		}
		out.Rows = append(out.Rows, row)
	}
	if len(list) == proposalPage {
		last := list[len(list)-1].Gapped
		out.Next = pageBehind(last.Division, last.ID)
	}
	for _, i := range imports {
		out.Imports = append(out.Imports, imported{instant(i.At), i.By, i.Division, h.Divisions.FullName(i.Division), i.SubjectCounts})
	}
	return answer{page: "subjects", data: out}, nil
}

func (h *Handler) confirmSubject(c *call) (answer, error) { return h.decideSubject(c, true) }
func (h *Handler) refuseSubject(c *call) (answer, error)  { return h.decideSubject(c, false) }

// decideSubject keeps what an official says of a subject and a unit.
func (h *Handler) decideSubject(c *call, same bool) (answer, error) {
	var q struct{ Unit venue.UnitID }
	if err := c.read(&q); err != nil {
		return answer{}, err
	}
	if q.Unit == "" {
		return answer{}, &venue.Invalid{Field: "unit", Reason: "missing"}
	}
	id, action := c.Params("id"), "subject.refuse"
	if same {
		action = "subject.confirm"
	}
	event := audit.Event{Actor: c.by.User(), Action: action, Object: audit.Object{Kind: "subject", ID: id}, Details: map[string]string{"unit": string(q.Unit)}}
	err := h.Coverage.Decide(c.ctx, c.by.Scope(), id, q.Unit, same, c.by.User(), func() error {
		_, err := h.Trail.Append(c.ctx, event)
		return err
	})
	return answer{to: "/console/subjects"}, err
}

type subjectFault struct {
	Row     int    `json:"row"`
	Field   string `json:"field"`
	Message string `json:"message"`
}

type subjectPlan struct {
	store.SubjectCounts
	Errors   []subjectFault `json:"errors"` // the first
	Done     bool           `json:"done"`
	Mark     string         `json:"mark,omitempty"` // of what was looked at, for the import
	Division venue.Division `json:"division"`
	Place    string         `json:"division_name,omitempty"`
}

// importSubjects says what the import of a file would change, or, given the mark of
// what was looked at, does it.
func (h *Handler) importSubjects(c *call) (answer, error) {
	body, err := upload(c)
	if err != nil {
		return answer{}, err
	}
	f := store.SubjectFile{Divisions: h.Divisions, By: c.by.User(), Mark: c.FormValue("mark"), Partial: c.FormValue("partial") != ""}
	if f.Division, err = venue.ParseDivision(c.FormValue("division")); err != nil {
		return answer{}, err
	}
	s, err := sheet.Open(bytes.NewReader(body), int64(len(body)), intake.Subjects.Layout)
	if err != nil {
		return answer{}, refusedSheet(err)
	}
	f.Rows = intake.SubjectRows(s)
	out := subjectPlan{Errors: []subjectFault{}, Division: f.Division, Place: h.Divisions.FullName(f.Division)}
	var plan *store.SubjectPlan
	if f.Mark == "" {
		plan, err = h.Coverage.Plan(c.ctx, c.by.Scope(), f)
	} else {
		plan, err = h.Coverage.Import(c.ctx, c.by.Scope(), f, func() error {
			_, err := h.Trail.Append(c.ctx, audit.Event{Actor: f.By, Action: "subjects.import", Object: audit.Object{Kind: "division", ID: string(f.Division)}})
			return err
		})
		out.Done = err == nil && (plan.Bad == 0 || f.Partial)
	}
	if err != nil {
		return answer{}, refusedSheet(err)
	}
	out.SubjectCounts = plan.SubjectCounts
	if !out.Done && (plan.Bad == 0 || f.Partial) {
		out.Mark = plan.Mark
	}
	for _, fault := range plan.Faults[:min(len(plan.Faults), faultsShown)] {
		out.Errors = append(out.Errors, subjectFault{fault.Row, intake.Subjects.Heading(fault.Field), intake.Sentence(fault.Invalid)})
	}
	return answer{page: "plan", data: out}, nil
}

// upload is the file of a form.
func upload(c *call) ([]byte, error) {
	head, err := c.FormFile("file")
	if err != nil {
		return nil, &venue.Invalid{Field: "file", Reason: "missing"}
	}
	file, err := head.Open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

// refusedSheet is what a person reads about a file that is refused as a whole.
func refusedSheet(err error) error {
	var refusal *sheet.Refusal
	if errors.As(err, &refusal) {
		return &web.Error{Status: fiber.StatusUnprocessableEntity, Code: "sheet_refused", Message: sheet.Sentence(refusal)}
	}
	return err
}

// subjectTemplate is an empty sheet of the register.
func (h *Handler) subjectTemplate(c *call) (answer, error) {
	var b bytes.Buffer
	if err := intake.Subjects.Layout.Template(&b); err != nil {
		return answer{}, err
	}
	c.Set(fiber.HeaderContentType, xlsxType)
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="subjects.xlsx"`)
	return answer{}, c.Send(b.Bytes())
}
