package console

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

type venuePage struct {
	venueOf
	position
	ShortName    string        `json:"short_name,omitempty"`
	DivisionName string        `json:"division_name,omitempty"`
	Zone         string        `json:"zone,omitempty"`
	Plate        venue.Plate   `json:"plate,omitzero"`
	Hours        venue.Hours   `json:"hours,omitempty"`
	Parent       venue.VenueID `json:"parent,omitempty"`
	Into         venue.VenueID `json:"into,omitempty"`
	Unit         named         `json:"unit"`
	Doors        []venueDoor   `json:"doors"`
	Managers     []managerRow  `json:"managers"`
	Postings     []postingRow  `json:"postings"`
	History      []historyRow  `json:"history"`
}

// position is left out where nobody has said.
type position struct {
	Lng    float64 `json:"lng,omitempty"` // degrees, GCJ-02
	Lat    float64 `json:"lat,omitempty"`
	Radius float64 `json:"radius,omitempty"` // metres
}

type venueDoor struct {
	Code   venue.Code   `json:"code"`
	Name   string       `json:"name"`
	Status venue.Status `json:"status"`
	Posted instant      `json:"posted,omitzero"`
}

// venue shows a place, its doors and what was done to it.
func (h *Handler) venue(c *call) (answer, error) {
	p, err := h.Office.Venue(c.ctx, c.by.Scope(), venue.VenueID(c.Params("id")))
	if err != nil {
		return answer{}, err
	}
	v := p.Venue
	changes, err := h.Office.VenueHistory(c.ctx, c.by.Scope(), v.ID, historyPage)
	if err != nil {
		return answer{}, err
	}
	out := venuePage{
		venueOf:   venueOf{v.ID, v.Name, v.Type, v.Category, v.Division, v.Address, v.Sentinel, v.Status},
		ShortName: v.ShortName, DivisionName: h.Divisions.FullName(v.Division), Zone: v.Zone, Plate: v.Plate, Hours: v.Hours, Parent: v.Parent, Into: v.Into,
		Unit: named{ID: v.Unit}, Doors: []venueDoor{}, Managers: h.managers(v, changes), History: historyRows(changes),
	}
	if v.Located() {
		out.position = position{v.Lng, v.Lat, v.Radius}
	}
	if u, err := h.Office.Unit(c.ctx, c.by.Scope(), v.Unit); err == nil { // a venue may lie in scope, and its unit not
		out.Unit.Name = u.Name
	}
	looks, err := h.Office.Postings(c.ctx, c.by.Scope(), v.ID, postingsPage)
	if err != nil {
		return answer{}, err
	}
	names := map[venue.Code]string{}
	for _, d := range p.Doors {
		names[d.Code] = d.Name
	}
	out.Postings = []postingRow{}
	for _, l := range looks {
		out.Postings = append(out.Postings, postingRow{l.ID, l.Door, names[l.Door], l.Finding, l.Remark, l.Has, instant(l.At), l.By})
	}
	for _, d := range p.Doors {
		row := venueDoor{d.Code, d.Name, d.Status, instant(d.Posted)}
		if d.Status.Scannable() && !v.Status.Scannable() {
			row.Status = v.Status // which is what a scan there is told
		}
		out.Doors = append(out.Doors, row)
	}
	return answer{page: "venue", data: out}, nil
}

// venueAct is what is done to a venue.
type venueAct struct {
	Door    venue.Code // of one door; "": of the venue
	Unit    venue.UnitID
	Into    venue.VenueID
	Name    string
	Code    string // printed in advance
	Manager string // see managerRow
	Reason  string
	id      venue.VenueID
	by      registry.Who
}

// judge does something to a venue in scope for which a reason must be given.
func (h *Handler) judge(c *call, action string, do func(ctx context.Context, q venueAct) error) (answer, error) {
	return h.alter(c, action, true, do)
}

func (h *Handler) alter(c *call, action string, reason bool, do func(ctx context.Context, q venueAct) error) (answer, error) {
	p, err := h.Office.Venue(c.ctx, c.by.Scope(), venue.VenueID(c.Params("id")))
	if err != nil {
		return answer{}, err
	}
	var q venueAct
	if err := c.read(&q); err != nil {
		return answer{}, err
	}
	q.id, q.by = p.Venue.ID, registry.Who{Account: c.by.User()}
	if reason {
		if q.by.Reason, err = because(q.Reason); err != nil {
			return answer{}, err
		}
	}
	var choose *answer
	if q.Unit != "" {
		q.Unit, choose, err = meant(h, c, "unit", q.Unit)
	}
	if err == nil && q.Into != "" && choose == nil {
		q.Into, choose, err = meant(h, c, "into", q.Into)
	}
	if choose != nil {
		return *choose, nil
	}
	if err == nil {
		err = h.act(c, action, "venue", string(q.id), q.by.Reason)
	}
	if err == nil {
		err = do(c.ctx, q)
	}
	return answer{to: "/console/venues/" + string(q.id)}, err
}

func (h *Handler) suspend(c *call) (answer, error) {
	return h.judge(c, "venue.suspend", func(ctx context.Context, q venueAct) error {
		_, err := h.Applying.Suspend(ctx, q.id, q.Door, q.by)
		return err
	})
}

func (h *Handler) resume(c *call) (answer, error) {
	return h.judge(c, "venue.resume", func(ctx context.Context, q venueAct) error {
		_, err := h.Applying.Resume(ctx, q.id, q.Door, q.by)
		return err
	})
}

func (h *Handler) close(c *call) (answer, error) {
	return h.judge(c, "venue.close", func(ctx context.Context, q venueAct) error {
		_, err := h.Applying.Close(ctx, q.id, q.Door, q.by)
		return err
	})
}

func (h *Handler) setSentinel(c *call) (answer, error) {
	return h.judge(c, "venue.sentinel", func(ctx context.Context, q venueAct) error {
		_, err := h.Applying.SetSentinel(ctx, q.id, true, q.by)
		return err
	})
}

func (h *Handler) clearSentinel(c *call) (answer, error) {
	return h.judge(c, "venue.unsentinel", func(ctx context.Context, q venueAct) error {
		_, err := h.Applying.SetSentinel(ctx, q.id, false, q.by)
		return err
	})
}

func (h *Handler) transfer(c *call) (answer, error) {
	return h.judge(c, "venue.transfer", func(ctx context.Context, q venueAct) error {
		_, err := h.Applying.Transfer(ctx, q.id, q.Unit, q.by)
		return err
	})
}

func (h *Handler) merge(c *call) (answer, error) {
	return h.judge(c, "venue.merge", func(ctx context.Context, q venueAct) error {
		_, err := h.Applying.Merge(ctx, q.id, q.Into, q.by)
		return err
	})
}

// addDoor adds a door with a fresh code, or with one that was printed in advance.
func (h *Handler) addDoor(c *call) (answer, error) {
	return h.alter(c, "venue.add_door", false, func(ctx context.Context, q venueAct) error {
		if strings.TrimSpace(q.Code) == "" {
			_, err := h.Applying.AddDoor(ctx, q.id, q.Name, q.by)
			return err
		}
		return h.hang(c, q.Code, q.id, q.Name, q.by)
	})
}

func (h *Handler) renameDoor(c *call) (answer, error) {
	return h.alter(c, "venue.rename_door", false, func(ctx context.Context, q venueAct) error {
		_, err := h.Applying.RenameDoor(ctx, q.id, q.Door, q.Name, q.by)
		return err
	})
}

type incompleteList struct {
	Venues []venueRow    `json:"venues"`
	Next   venue.VenueID `json:"next,omitempty"` // ?after= of the next page
}

type venueRow struct {
	venueOf
	DivisionName string `json:"division_name,omitempty"`
	Unit         named  `json:"unit"`
}

func (h *Handler) venueRow(c *call, v venue.Venue) venueRow {
	row := venueRow{venueOf{v.ID, v.Name, v.Type, v.Category, v.Division, v.Address, v.Sentinel, v.Status}, h.Divisions.FullName(v.Division), named{ID: v.Unit}}
	if u, err := h.Office.Unit(c.ctx, c.by.Scope(), v.Unit); err == nil {
		row.Unit.Name = u.Name
	}
	return row
}

// incomplete lists the venues that came with an old code and lack something.
func (h *Handler) incomplete(c *call) (answer, error) {
	venues, more, err := h.Office.Incomplete(c.ctx, c.by.Scope(), venue.VenueID(c.Query("after")), unitsPage)
	if err != nil {
		return answer{}, err
	}
	out := incompleteList{Venues: []venueRow{}}
	for _, v := range venues {
		out.Venues = append(out.Venues, h.venueRow(c, v))
	}
	if more {
		out.Next = venues[len(venues)-1].ID
	}
	return answer{page: "incomplete", data: out}, nil
}

// incompleteSheet is the whole list.
func (h *Handler) incompleteSheet(c *call) (answer, error) {
	return answer{}, h.workbook(c, incompleteVenues, func(ctx context.Context, begin beginning) error {
		var row func(...string) error
		for after, more := venue.VenueID(""), true; more; {
			var venues []venue.Venue
			var err error
			if venues, more, err = h.Office.Incomplete(ctx, c.by.Scope(), after, unitsPage); err == nil && row == nil {
				row, err = begin(fmt.Sprintf(incompleteTitle, minuteOf(h.Clock.Now())))
			}
			for _, v := range venues {
				after = v.ID
				unit := ""
				if u, err := h.Office.Unit(ctx, c.by.Scope(), v.Unit); err == nil {
					unit = u.Name
				}
				if err == nil {
					err = row(v.Name, unit, string(v.Division), h.Divisions.FullName(v.Division), v.Address, v.Type)
				}
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// mendPage is the form by which a venue is mended, or what it lacks filled in.
func (h *Handler) mendPage(c *call) (answer, error) {
	p, f, err := h.mending(c)
	if err != nil || c.json {
		return answer{data: shown{f}}, err
	}
	page, err := h.mendForm(c, p, f)
	return answer{page: "apply", data: page}, err
}

// mendForm asks for what may be mended. What is only completed asks for all that an
// application does; otherwise unit and doors are mended elsewhere, and a manager
// that is not filled in stays.
func (h *Handler) mendForm(c *call, p registry.Place, f registry.Form) (formPage, error) {
	page := h.formPage("venue.correct", "/console/venues/"+string(p.Venue.ID)+"/correct", "", f)
	page.Back = "/console/venues/" + string(p.Venue.ID)
	if p.Venue.Status == venue.StatusIncomplete {
		page.Title = "venue.complete"
		return page, nil
	}
	_, manager, err := h.Office.Contacts(c.ctx, c.by.Scope(), p.Venue.ID)
	page.Parts = slices.Delete(page.Parts, 0, 1) // the unit's
	for i := range page.Parts {
		part := &page.Parts[i]
		part.Fields = slices.DeleteFunc(part.Fields, func(f web.FormField) bool { return f.Name == "doors" || strings.HasPrefix(f.Name, "applicant_") })
		for j := range part.Fields {
			switch field := &part.Fields[j]; field.Name {
			case "place":
				field.Required, field.Hint = true, ""
			case "manager_name":
				field.Required, field.Hint = false, kept(manager.Name.String())
			case "manager_phone":
				field.Required, field.Hint = false, kept(manager.Phone.String())
			}
		}
	}
	return page, err
}

// mending is the venue in scope, as a form.
func (h *Handler) mending(c *call) (p registry.Place, f registry.Form, err error) {
	if p, err = h.Office.Venue(c.ctx, c.by.Scope(), venue.VenueID(c.Params("id"))); err != nil {
		return p, f, err
	}
	u, err := h.Office.Unit(c.ctx, c.by.Scope(), p.Venue.Unit)
	if err != nil {
		return p, f, err
	}
	f = unitForm(u)
	f.Describe(p.Venue)
	for _, d := range p.Doors {
		f.Doors = append(f.Doors, d.Name)
	}
	return p, f, nil
}

// correct mends a venue; one with an old code that lacked something is whole
// afterwards, under the same code.
func (h *Handler) correct(c *call) (answer, error) {
	p, _, err := h.mending(c)
	if err != nil {
		return answer{}, err
	}
	var q formSent
	if err := c.read(&q); err != nil {
		return answer{}, err
	}
	action, by := "venue.correct", registry.Who{Account: c.by.User()}
	if p.Venue.Status == venue.StatusIncomplete {
		action = "venue.complete"
	}
	if err := h.act(c, action, "venue", string(p.Venue.ID), ""); err != nil {
		return answer{}, err
	}
	f := q.form()
	var faults registry.Faults
	if p.Venue.Status == venue.StatusIncomplete {
		faults, err = h.Applying.Complete(c.ctx, p.Venue.ID, f, by)
	} else {
		_, faults, err = h.Applying.Correct(c.ctx, p.Venue.ID, f, by)
	}
	if len(faults) > 0 {
		page, err := h.mendForm(c, p, f)
		if err != nil {
			return answer{}, err
		}
		return h.faulty(c, page, faults)
	}
	return answer{to: "/console/venues/" + string(p.Venue.ID)}, err
}
