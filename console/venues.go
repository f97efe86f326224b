package console

import (
	"context"
	"strings"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

type venuePage struct {
	venueOf
	ShortName    string        `json:"short_name,omitempty"`
	DivisionName string        `json:"division_name,omitempty"`
	Zone         string        `json:"zone,omitempty"`
	Plate        venue.Plate   `json:"plate,omitzero"`
	Parent       venue.VenueID `json:"parent,omitempty"`
	Into         venue.VenueID `json:"into,omitempty"`
	Unit         named         `json:"unit"`
	Doors        []venueDoor   `json:"doors"`
	Postings     []postingRow  `json:"postings"`
	History      []historyRow  `json:"history"`
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
		ShortName: v.ShortName, DivisionName: h.Divisions.FullName(v.Division), Zone: v.Zone, Plate: v.Plate, Parent: v.Parent, Into: v.Into,
		Unit: named{ID: v.Unit}, Doors: []venueDoor{}, History: historyRows(changes),
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
		out.Doors = append(out.Doors, venueDoor{d.Code, d.Name, d.Status, instant(d.Posted)})
	}
	return answer{page: "venue", data: out}, nil
}

// venueAct is what is done to a venue.
type venueAct struct {
	Door   venue.Code // of one door; "": of the venue
	Unit   venue.UnitID
	Into   venue.VenueID
	Name   string
	Code   string // printed in advance
	Reason string
	id     venue.VenueID
	by     registry.Who
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
	if q.Unit != "" {
		_, err = h.Office.Unit(c.ctx, c.by.Scope(), q.Unit)
	}
	if err == nil && q.Into != "" {
		_, err = h.Office.Venue(c.ctx, c.by.Scope(), q.Into)
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
		code, err := venue.ParseCode(q.Code)
		if err == nil {
			_, err = h.Applying.Activate(ctx, code, q.id, q.Name, q.by)
		}
		return err
	})
}

func (h *Handler) renameDoor(c *call) (answer, error) {
	return h.alter(c, "venue.rename_door", false, func(ctx context.Context, q venueAct) error {
		_, err := h.Applying.RenameDoor(ctx, q.id, q.Door, q.Name, q.by)
		return err
	})
}

type incompleteList struct {
	Venues []incompleteRow `json:"venues"`
	Next   venue.VenueID   `json:"next,omitempty"` // ?after= of the next page
}

type incompleteRow struct {
	venueOf
	DivisionName string `json:"division_name,omitempty"`
	Unit         named  `json:"unit"`
}

// incomplete lists the venues that came with an old code and lack something.
func (h *Handler) incomplete(c *call) (answer, error) {
	venues, more, err := h.Office.Incomplete(c.ctx, c.by.Scope(), venue.VenueID(c.Query("after")), unitsPage)
	if err != nil {
		return answer{}, err
	}
	out := incompleteList{Venues: []incompleteRow{}}
	for _, v := range venues {
		row := incompleteRow{venueOf{v.ID, v.Name, v.Type, v.Category, v.Division, v.Address, v.Sentinel, v.Status}, h.Divisions.FullName(v.Division), named{ID: v.Unit}}
		if u, err := h.Office.Unit(c.ctx, c.by.Scope(), v.Unit); err == nil {
			row.Unit.Name = u.Name
		}
		out.Venues = append(out.Venues, row)
	}
	if more {
		out.Next = venues[len(venues)-1].ID
	}
	return answer{page: "incomplete", data: out}, nil
}

// mendPage is the form by which a venue is mended, or what it lacks filled in.
func (h *Handler) mendPage(c *call) (answer, error) {
	p, f, err := h.mending(c)
	if err != nil || c.json {
		return answer{data: shown{f}}, err
	}
	return answer{page: "apply", data: h.mendForm(p, f)}, nil
}

func (h *Handler) mendForm(p registry.Place, f registry.Form) formPage {
	page := h.formPage("venue.correct", "/console/venues/"+string(p.Venue.ID)+"/correct", "", f, nil)
	if p.Venue.Status == venue.StatusIncomplete {
		page.Title = "venue.complete"
	}
	return page
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
	v := p.Venue
	f = unitForm(u)
	f.Name, f.ShortName, f.Category, f.Type, f.Place, f.Address = v.Name, v.ShortName, registry.Word(v.Category), v.Type, string(v.Division), v.Address
	f.Inside, f.Zone, f.Plate = string(v.Parent), v.Zone, string(v.Plate)
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
		return h.faulty(c, h.mendForm(p, f), f, faults)
	}
	return answer{to: "/console/venues/" + string(p.Venue.ID)}, err
}
