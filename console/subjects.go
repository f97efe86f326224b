package console

import (
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

const (
	proposalPage = 20 // subjects of a page
	importsShown = 5
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
