package console

import (
	"context"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// bindCode is a one-time code, shown this once.
type bindCode struct {
	Code    string  `json:"code"`
	Send    string  `json:"send"` // to the robot, the app or the service account
	Expires instant `json:"expires"`
	For     string  `json:"-"` // the words about it
	Name    string  `json:"-"` // of the unit or venue
	Back    string  `json:"-"`
}

// reporterCode makes a code by which somebody reports for a unit.
func (h *Handler) reporterCode(c *call) (answer, error) {
	u, err := h.Office.Unit(c.ctx, c.by.Scope(), venue.UnitID(c.Params("id")))
	if err != nil {
		return answer{}, err
	}
	return h.bindCode(c, "unit", string(u.ID), u.Name, func() (string, error) { return h.ChatCodes.Make(c.ctx, u.ID) })
}

// managerCode makes a code by which somebody hears of red codes at a venue.
func (h *Handler) managerCode(c *call) (answer, error) {
	p, err := h.Office.Venue(c.ctx, c.by.Scope(), venue.VenueID(c.Params("id")))
	if err != nil {
		return answer{}, err
	}
	v := p.Venue
	return h.bindCode(c, "venue", string(v.ID), v.Name, func() (string, error) { return h.ChatCodes.MakeManager(c.ctx, v.ID) })
}

func (h *Handler) bindCode(c *call, kind, id, name string, make func() (string, error)) (answer, error) {
	if err := h.act(c, "bind_code.make", kind, id, ""); err != nil {
		return answer{}, err
	}
	code, err := make()
	if err != nil {
		return answer{}, err
	}
	return answer{page: "bindcode", data: bindCode{code, bindCommand(code), instant(venue.Millis(h.Clock.Now().Add(store.BindCodeLife))),
		"bind." + kind, name, "/console/" + kind + "s/" + id}}, nil
}

// managerRow is somebody in chat who hears of red codes at a venue.
type managerRow struct {
	ID      string        `json:"id"`
	Channel venue.Channel `json:"channel"`
	Account string        `json:"account"`        // masked
	Since   instant       `json:"since,omitzero"` // as far as the history shown tells
}

func (h *Handler) managers(v venue.Venue, changes []registry.Change) []managerRow {
	rows := []managerRow{}
	for _, a := range v.Managers {
		row := managerRow{ID: h.ChatCodes.ManagerID(v.ID, a), Channel: a.Channel, Account: a.Masked()}
		for _, c := range changes {
			if c.Act == registry.ActManager && c.By.Account == a.Key() {
				row.Since = instant(c.At)
				break
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// removeManager has somebody hear of red codes at a venue no longer.
func (h *Handler) removeManager(c *call) (answer, error) {
	return h.alter(c, "venue.remove_manager", false, func(ctx context.Context, q venueAct) error {
		return h.ChatCodes.RemoveManager(ctx, q.id, q.Manager, q.by)
	})
}

type contact struct {
	Name  string `json:"name"`
	Phone string `json:"phone"`
}

type contactPage struct {
	Venue     venue.VenueID `json:"venue"`
	Name      string        `json:"venue_name"`
	Full      bool          `json:"full"` // else masked
	Applicant *contact      `json:"applicant,omitempty"`
	Manager   *contact      `json:"manager,omitempty"`
}

// contacts shows whom to reach about a venue: in full to the unit itself and to
// those who decide, which is written down first.
func (h *Handler) contacts(c *call) (answer, error) {
	id := venue.VenueID(c.Params("id"))
	p, err := h.Office.Venue(c.ctx, c.by.Scope(), id)
	if err != nil {
		return answer{}, err
	}
	applicant, manager, err := h.Office.Contacts(c.ctx, c.by.Scope(), id)
	if err != nil {
		return answer{}, err
	}
	own, _ := c.by.Scope().Reach()
	out := contactPage{Venue: id, Name: p.Venue.Name, Full: c.by.May(access.CodesReview) || own != "" && c.by.May(access.UnitsWrite)}
	if out.Full {
		if err := h.act(c, "venue.contacts", "venue", string(id), ""); err != nil {
			return answer{}, err
		}
	}
	show := func(who registry.Person) *contact {
		switch {
		case who == registry.Person{}:
			return nil
		case out.Full:
			return &contact{who.Name.Reveal(), who.Phone.Reveal()}
		}
		return &contact{who.Name.String(), who.Phone.String()}
	}
	out.Applicant, out.Manager = show(applicant), show(manager)
	return answer{page: "contacts", data: out}, nil
}
