package console

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/vault/reveal"
	"github.com/venuecode/venuecode/venue"
)

// Identities shows who somebody is, to whoever may know.
type Identities interface {
	Alarms(ctx context.Context, by access.Login, day venue.Day, page int) (reveal.List, error)
	Reveal(ctx context.Context, by access.Login, q reveal.Request) (reveal.Identity, error)
}

// civil is an instant as the outside reads it.
type civil struct{ time.Time }

// MarshalJSON writes venue.InstantFormat.
func (t civil) MarshalJSON() ([]byte, error) { return json.Marshal(venue.FormatInstant(t.Time)) }

// alarm is a scan in red. Nobody's name is in it.
type alarm struct {
	At       civil          `json:"at"`
	Unit     venue.UnitID   `json:"unit"`
	UnitName string         `json:"unit_name"`
	Venue    string         `json:"venue"`
	Door     string         `json:"door"`
	Address  string         `json:"address"`
	Health   venue.Health   `json:"health"`
	Decision venue.Decision `json:"decision"`
	Person   string         `json:"person"` // for POST /console/reveals
}

type alarmList struct {
	Day   venue.Day `json:"day"`
	Total int       `json:"total"` // of all pages
	Rows  []alarm   `json:"rows"`
	Next  int       `json:"next,omitempty"` // ?page=
}

func (h *Handler) alarms(c *call) (answer, error) {
	var day venue.Day
	if text := c.Query("day"); text != "" {
		var err error
		if day, err = venue.ParseDay(text); err != nil {
			return answer{}, err
		}
	}
	page := 1
	if text := c.Query("page"); text != "" {
		var err error
		if page, err = strconv.Atoi(text); err != nil {
			return answer{}, &venue.Invalid{Field: "page", Reason: "shape"}
		}
	}
	list, err := h.Identities.Alarms(c.ctx, c.by, day, page)
	if err != nil {
		return answer{}, err
	}
	out := alarmList{Day: list.Day, Total: list.Total, Rows: []alarm{}}
	for _, r := range list.Rows {
		out.Rows = append(out.Rows, alarm{civil{r.At}, r.Unit, r.UnitName, r.Venue, r.Door, r.Address, r.Health, r.Decision, r.Person})
	}
	if page*reveal.PageRows < list.Total {
		out.Next = page + 1
	}
	return answer{page: "alarms", data: out}, nil
}

// identity holds in clear who somebody is: shown this once, to whoever the audit
// names, and never logged.
type identity struct {
	Name     string `json:"name"`
	IDNumber string `json:"id_number"`
	Phone    string `json:"phone"` // "" of a companion who never registered
	Until    civil  `json:"until"`

	// Of the page, which masks itself again: no script runs here, so the browser
	// is told to go back to the list.
	Day     venue.Day `json:"-"`
	Seconds int       `json:"-"`
}

func (h *Handler) reveal(c *call) (answer, error) {
	var q struct {
		Person, Reason, Case string
		Purpose              reveal.Purpose
		Day                  venue.Day // of a form: the list it is on
	}
	if err := c.read(&q); err != nil {
		return answer{}, err
	}
	who, err := h.Identities.Reveal(c.ctx, c.by, reveal.Request{Handle: q.Person, Purpose: q.Purpose, Reason: q.Reason, Case: q.Case})
	var purpose *reveal.PurposeRefused
	switch {
	case errors.As(err, &purpose):
		return answer{}, errPurpose
	case errors.Is(err, access.ErrQuota):
		return answer{}, errQuota
	case err != nil:
		return answer{}, err
	}
	// The only place where an identity leaves the platform in clear. Reveal has
	// written it down.
	return answer{page: "identity", data: identity{
		Name: who.Name.Reveal(), IDNumber: who.ID.Reveal(), Phone: who.Phone.Reveal(), Until: civil{who.Until},
		Day: q.Day, Seconds: int(reveal.Shown.Seconds()),
	}}, nil
}
