package console

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/intake"
	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

const (
	applicationsPage = 100
	applicationsPath = "/console/applications"
)

// act writes down what is about to be done to something in the register.
func (h *Handler) act(c *call, action, kind, id, reason string) error {
	return h.note(c, audit.Event{Action: action, Object: audit.Object{Kind: kind, ID: id}, Reason: reason})
}

// because is the reason that goes with what is done to others.
func because(reason string) (string, error) {
	return venue.ParseTitle("reason", reason, 2, 200)
}

type applicationRow struct {
	ID           string         `json:"id"`
	AuditID      string         `json:"audit_id"` // what the audit calls it
	State        registry.State `json:"state"`
	UnitName     string         `json:"unit_name"`
	Name         string         `json:"name"`
	USCC         venue.USCC     `json:"uscc,omitempty"`
	Division     venue.Division `json:"division"`
	DivisionName string         `json:"division_name,omitempty"`
	Category     venue.Category `json:"category"`
	Proof        bool           `json:"proof"`
	At           instant        `json:"at"`
	Channel      string         `json:"channel"`
	Decider      string         `json:"decider,omitempty"`
	Decided      instant        `json:"decided,omitzero"`
	Reason       string         `json:"reason,omitempty"`
	Unit         venue.UnitID   `json:"unit,omitempty"`
	Venue        venue.VenueID  `json:"venue,omitempty"`
	Codes        []venue.Code   `json:"codes,omitempty"`
}

func (h *Handler) applicationRow(a registry.Application) applicationRow {
	row := applicationRow{
		ID: a.ID, AuditID: a.AuditID(), State: a.State, UnitName: a.UnitName, Name: a.Name, USCC: a.USCC, Division: a.Division, DivisionName: h.Divisions.FullName(a.Division),
		Category: a.Category, Proof: a.Proof, At: instant(a.At), Channel: a.Sender.Channel,
		Decider: a.Decider.Account, Reason: a.Decider.Reason,
	}
	if a.State != registry.StatePending && a.State != registry.StateDraft {
		row.Decided = instant(a.Decided)
	}
	if a.State == registry.StateApproved {
		row.Unit, row.Venue, row.Codes = a.Made.Unit, a.Made.Venue, a.Made.Codes
	}
	return row
}

type applicationList struct {
	State        registry.State   `json:"state"`
	States       []registry.State `json:"-"`
	Applications []applicationRow `json:"applications"`
	Next         string           `json:"next,omitempty"` // ?after= of the next page
}

// Several are those that may be approved without a look at each: where the unit's
// register entry must be seen, an officer looks.
func (l applicationList) Several() (ids []string) {
	for _, a := range l.Applications {
		if !a.Proof {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// applications lists those of a state: what waits, unless somebody asks for
// others; a unit all of its own.
func (h *Handler) applications(c *call) (answer, error) {
	own, _ := c.by.Scope().Reach()
	out := applicationList{State: registry.State(c.Query("state")), Applications: []applicationRow{},
		States: []registry.State{registry.StatePending, registry.StateApproved, registry.StateRejected}}
	switch out.State {
	case registry.StatePending, registry.StateApproved, registry.StateRejected, registry.StateMaking:
	case registry.StateDraft, "":
		if own == "" {
			out.State = registry.StatePending
		}
	default:
		return answer{}, &venue.Invalid{Field: "state", Reason: "unknown"}
	}
	list, more, err := h.Office.Applications(c.ctx, c.by.Scope(), out.State, c.Query("after"), applicationsPage)
	if err != nil {
		return answer{}, err
	}
	for _, a := range list {
		out.Applications = append(out.Applications, h.applicationRow(a))
	}
	if more {
		out.Next = list[len(list)-1].ID
	}
	return answer{page: "applications", data: out}, nil
}

type applicationPage struct {
	applicationRow
	Form  *shown         `json:"form,omitempty"` // until it is approved; then the register has it
	Parts []web.FormPart `json:"-"`
	Own   bool           `json:"-"` // it may be changed and sent in by whoever looks
}

// shown is a form for the eyes of who asked for it.
type shown struct{ form registry.Form }

func (s shown) MarshalJSON() ([]byte, error) { return s.form.Reveal() }

// application shows one. Whom to reach is shown in full to those who decide and
// to the unit itself; that somebody looked is written down first.
func (h *Handler) application(c *call) (answer, error) {
	a, err := h.Office.Application(c.ctx, c.by.Scope(), c.Params("id"))
	if err != nil {
		return answer{}, err
	}
	out := applicationPage{applicationRow: h.applicationRow(a)}
	if a.State != registry.StateApproved {
		form := a.Form
		mine := a.Sender.Unit != "" && c.by.May(access.UnitsWrite)
		out.Own = mine && (a.State == registry.StateDraft || a.State == registry.StateRejected)
		if mine || c.by.May(access.CodesReview) {
			err = h.act(c, "application.read", "application", a.AuditID(), "")
		} else {
			form = form.Masked()
		}
		out.Form, out.Parts = &shown{form}, web.Form(form.Values(), nil, web.DivisionChoices(h.Divisions, h.Division))
	}
	return answer{page: "application", data: out}, err
}

// tick is true in JSON, or a form's value.
type tick bool

func (t *tick) UnmarshalJSON(b []byte) error {
	*t = tick(string(b) != `""` && string(b) != "false" && string(b) != "null")
	return nil
}

func (h *Handler) approveApplication(c *call) (answer, error) {
	var q struct {
		ProofSeen tick `json:"proof_seen"`
	}
	return h.decide(c, &q, func(a registry.Application) (registry.Application, error) {
		if err := h.act(c, "application.approve", "application", a.AuditID(), ""); err != nil {
			return registry.Application{}, err
		}
		return h.Applying.Approve(c.ctx, a.ID, registry.Who{Account: c.by.User()}, bool(q.ProofSeen))
	})
}

func (h *Handler) rejectApplication(c *call) (answer, error) {
	var q struct{ Reason string }
	return h.decide(c, &q, func(a registry.Application) (registry.Application, error) {
		reason, err := because(q.Reason)
		if err == nil {
			err = h.act(c, "application.reject", "application", a.AuditID(), reason)
		}
		if err != nil {
			return registry.Application{}, err
		}
		return h.Applying.Reject(c.ctx, a.ID, registry.Who{Account: c.by.User(), Reason: reason})
	})
}

// decide does something to an application in scope.
func (h *Handler) decide(c *call, q any, do func(registry.Application) (registry.Application, error)) (answer, error) {
	a, err := h.Office.Application(c.ctx, c.by.Scope(), c.Params("id"))
	if err == nil {
		err = c.read(q)
	}
	if err == nil {
		a, err = do(a)
	}
	if err != nil {
		return answer{}, err
	}
	return answer{data: h.applicationRow(a), to: applicationsPath + "/" + a.ID}, nil
}

// formSent is an application as a page or a program sends it.
type formSent struct {
	registry.Form
	ID    string `json:"id"`   // of one that was saved or sent back; a page draws one, so that sending twice sends once
	Save  tick   `json:"save"` // keep it as it is, unchecked
	Doors lines  `json:"doors"`
}

// lines is a list in JSON; of a form, one a line.
type lines []string

func (l *lines) UnmarshalJSON(b []byte) error {
	if json.Unmarshal(b, (*[]string)(l)) == nil {
		return nil
	}
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	*l = strings.Split(strings.ReplaceAll(text, "\r", ""), "\n")
	return nil
}

// form is what was filled in.
func (f formSent) form() registry.Form {
	f.Form.Doors = f.Doors
	return f.Form
}

// formPage is the application form, empty or as it was filled in.
type formPage struct {
	Title  string
	To     string // where it is sent
	Back   string // to the page that it is about, if any
	ID     string
	Parts  []web.FormPart
	Faults int
	Draft  bool // it may be kept unchecked
}

func (h *Handler) formPage(title, to, id string, f registry.Form) formPage {
	return formPage{Title: title, To: to, ID: id, Parts: web.Form(f.Values(), nil, web.DivisionChoices(h.Divisions, h.Division))}
}

// applyPage is the form: empty but for what is known of the unit, or of an
// application that was saved or sent back.
func (h *Handler) applyPage(c *call) (answer, error) {
	own, _ := c.by.Scope().Reach()
	u, err := h.Office.Unit(c.ctx, c.by.Scope(), own)
	if err != nil {
		return answer{}, err
	}
	id, f := c.Query("id"), unitForm(u)
	if id != "" {
		a, err := h.Office.Application(c.ctx, c.by.Scope(), id)
		if err != nil {
			return answer{}, err
		}
		f = a.Form
	} else if id, err = registry.NewID(h.Applying.Random); err != nil {
		return answer{}, err
	}
	page := h.formPage("apply", applicationsPath, id, f)
	page.Draft = true
	if c.json {
		return answer{data: struct {
			ID   string `json:"id"`
			Form shown  `json:"form"`
		}{id, shown{f}}}, nil
	}
	return answer{page: "apply", data: page}, nil
}

// unitForm is a form in which the unit's part is filled in.
func unitForm(u venue.Unit) registry.Form {
	f := registry.Form{UnitName: u.Name, USCC: string(u.USCC), UnitKind: string(u.Kind), Division: string(u.Division), Sectors: strings.Join(u.Sectors, "、")}
	if u.Headcount > 0 {
		f.Headcount = fmt.Sprint(u.Headcount)
	}
	return f
}

// apply saves an application of the unit, or sends it in.
func (h *Handler) apply(c *call) (answer, error) {
	var q formSent
	if err := c.read(&q); err != nil {
		return answer{}, err
	}
	if q.ID != "" && !registry.IsID(q.ID) {
		return answer{}, &venue.Invalid{Field: "id", Reason: "shape"}
	}
	own, _ := c.by.Scope().Reach()
	from := registry.Sender{Channel: "console", Account: c.by.User(), Unit: own}
	f := q.form()
	var a registry.Application
	var faults registry.Faults
	var err error
	if q.Save {
		a, err = h.Applying.Save(c.ctx, q.ID, f, from)
	} else {
		a, faults, err = h.Applying.Submit(c.ctx, q.ID, f, from)
	}
	if len(faults) > 0 {
		page := h.formPage("apply", applicationsPath, q.ID, f)
		page.Draft = true
		return h.faulty(c, page, faults)
	} else if err != nil {
		return answer{}, err
	}
	return answer{data: h.applicationRow(a), to: applicationsPath + "/" + a.ID}, nil
}

// faulty shows a form again with what is wrong beside each field.
func (h *Handler) faulty(c *call, page formPage, faults registry.Faults) (answer, error) {
	wrong := web.NewFormError(faults, intake.Sentence)
	if c.json {
		return answer{}, wrong
	}
	page.Faults = len(faults)
	for _, part := range page.Parts {
		for i, f := range part.Fields {
			for _, fault := range wrong.Faults {
				if fault.Field == f.Name {
					part.Fields[i].Fault = cmp.Or(part.Fields[i].Fault, fault.Message)
				}
			}
		}
	}
	return answer{status: fiber.StatusUnprocessableEntity, page: "apply", data: page}, nil
}

// historyRow is a line of a history.
type historyRow struct {
	At     instant      `json:"at"`
	Act    registry.Act `json:"act"`
	By     string       `json:"by,omitempty"` // an account; "" by policy
	Reason string       `json:"reason,omitempty"`
	What   string       `json:"what"`
	Status venue.Status `json:"status,omitempty"`
	Doors  []string     `json:"doors,omitempty"`
}

func historyRows(changes []registry.Change) []historyRow {
	rows := []historyRow{}
	for _, c := range changes {
		row := historyRow{At: instant(c.At), Act: c.Act, By: c.By.Account, Reason: c.By.Reason}
		if channel, id, ok := strings.Cut(row.By, ":"); ok && c.Act == registry.ActManager { // a chat account's own doing
			row.By = channel + ":" + venue.ChatAccount{ID: id}.Masked()
		}
		if c.Unit != nil {
			row.What, row.Status = c.Unit.Name, c.Unit.Status
		} else {
			row.What, row.Status = c.Venue.Name, c.Venue.Status
		}
		for _, d := range c.Doors {
			row.Doors = append(row.Doors, d.Name)
		}
		rows = append(rows, row)
	}
	return rows
}

const historyPage = 200

type history struct {
	Unit    named        `json:"unit"`
	Changes []historyRow `json:"changes"`
}

// unitHistory shows what was done to a unit and its venues.
func (h *Handler) unitHistory(c *call) (answer, error) {
	id := venue.UnitID(c.Params("id"))
	u, err := h.Office.Unit(c.ctx, c.by.Scope(), id)
	if err != nil {
		return answer{}, err
	}
	changes, err := h.Office.History(c.ctx, c.by.Scope(), id, historyPage)
	if err != nil {
		return answer{}, err
	}
	return answer{page: "history", data: history{named{u.ID, u.Name}, historyRows(changes)}}, nil
}

// prove notes that the officer has seen the unit's register entry.
func (h *Handler) prove(c *call) (answer, error) {
	return h.unitAct(c, "unit.prove", func(ctx context.Context, id venue.UnitID, _ venue.UnitID, by registry.Who) error {
		_, err := h.Applying.Prove(ctx, id, by)
		return err
	})
}

// mergeUnits has another unit stand for one.
func (h *Handler) mergeUnits(c *call) (answer, error) {
	return h.unitAct(c, "unit.merge", func(ctx context.Context, id, into venue.UnitID, by registry.Who) error {
		_, err := h.Applying.MergeUnits(ctx, id, into, by)
		return err
	})
}

// warning is a page that asks whether what was filled in is meant.
type warning struct {
	Error  choiceError `json:"error"`
	To     string      `json:"-"`
	Filled []typed     `json:"-"`
}

// Act is what the word is for what is being done.
func (w warning) Act() string { return path.Base(w.To) }

// warn asks once more where a merger leaves somebody of the register without a unit.
// The page sends the unit that was found: what is confirmed is a merger into that.
func (h *Handler) warn(c *call, merged, into venue.UnitID) (*answer, error) {
	forsakes, err := h.Coverage.Forsakes(c.ctx, merged, into)
	if err != nil || !forsakes {
		return nil, filled(err)
	}
	page := warning{choiceError{errListed.Code, errListed.Message}, c.Path(), append(c.fields("into"), typed{"into", string(into)})}
	return &answer{status: fiber.StatusConflict, page: "warning", data: page}, nil
}

// closeUnit ends a unit with its venues.
func (h *Handler) closeUnit(c *call) (answer, error) {
	return h.unitAct(c, "unit.close", func(ctx context.Context, id, _ venue.UnitID, by registry.Who) error {
		_, err := h.Applying.CloseUnit(ctx, id, by)
		return err
	})
}

func (h *Handler) unitAct(c *call, action string, do func(ctx context.Context, id, into venue.UnitID, by registry.Who) error) (answer, error) {
	u, err := h.Office.Unit(c.ctx, c.by.Scope(), venue.UnitID(c.Params("id")))
	if err != nil {
		return answer{}, err
	}
	var q struct {
		Into    venue.UnitID
		Confirm tick
		Reason  string
	}
	if err := c.read(&q); err != nil {
		return answer{}, err
	}
	reason, err := because(q.Reason)
	if err == nil && q.Into != "" {
		var page *answer
		if q.Into, page, err = meant(h, c, "into", q.Into); err == nil && page == nil && !q.Confirm {
			page, err = h.warn(c, u.ID, q.Into)
		}
		if page != nil {
			return *page, nil
		}
	}
	if err == nil {
		err = h.act(c, action, "unit", string(u.ID), reason)
	}
	if err == nil {
		err = do(c.ctx, u.ID, q.Into, registry.Who{Account: c.by.User(), Reason: reason})
	}
	return answer{to: "/console/units/" + string(u.ID)}, err
}
