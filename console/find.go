package console

import (
	"errors"
	"path"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

const (
	foundMost = 50  // of units, and of venues
	typedMost = 512 // characters: the payload of an old code may be as long
)

type found struct {
	By     store.FoundBy `json:"by,omitempty"`
	Units  []unitRow     `json:"units"`
	Venues []venueRow    `json:"venues"`
	More   bool          `json:"more"` // there may be more than are listed
}

// find looks for units and venues by a code, link or old code, by a USCC, or by the
// beginning of a name. What was asked is not repeated: people paste the wrong thing.
func (h *Handler) find(c *call) (answer, error) {
	out := found{Units: []unitRow{}, Venues: []venueRow{}}
	q := c.Query("q")
	if q == "" {
		return answer{page: "find", data: out}, nil
	}
	f, err := h.look(c, q)
	if err != nil {
		return answer{}, err
	}
	out.By, out.More = f.By, f.More
	for _, u := range f.Units {
		out.Units = append(out.Units, h.rowOf(u))
	}
	for _, v := range f.Venues {
		out.Venues = append(out.Venues, h.venueRow(c, v))
	}
	return answer{page: "find", data: out}, nil
}

func (h *Handler) look(c *call, text string) (store.Found, error) {
	if utf8.RuneCountInString(text) > typedMost {
		return store.Found{}, &venue.Invalid{Field: "q", Reason: "length"}
	}
	return h.Office.Find(c.ctx, c.by.Scope(), text, h.Divisions.Name(h.Division), foundMost)
}

// choice is a page from which to choose what was meant. What was filled in goes
// along, so that each button does the whole.
type choice struct {
	Error      choiceError `json:"error"`
	Candidates []candidate `json:"candidates"`
	More       bool        `json:"more"`
	To         string      `json:"-"`
	Field      string      `json:"-"` // in which the chosen id goes
	Filled     []typed     `json:"-"`
}

// Act is what the word is for what is being done.
func (p choice) Act() string { return path.Base(p.To) }

type choiceError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type candidate struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Of   string `json:"of,omitempty"`   // a unit's division, a venue's unit
	Mark string `json:"mark,omitempty"` // a unit's USCC, a venue's address
	Path string `json:"-"`
}

type typed struct{ Name, Value string }

// meant is the id of the unit or venue that a field names: by its id, or as find
// finds it. Where it might be another the answer is a page to choose from: nothing
// is done on the beginning of a name alone.
func meant[ID venue.UnitID | venue.VenueID](h *Handler, c *call, field string, text ID) (ID, *answer, error) {
	var err error
	unit := false
	switch id := any(text).(type) {
	case venue.UnitID:
		unit = true
		_, err = h.Office.Unit(c.ctx, c.by.Scope(), id)
	case venue.VenueID:
		_, err = h.Office.Venue(c.ctx, c.by.Scope(), id)
	}
	if !errors.Is(err, venue.ErrNotFound) || errors.Is(err, store.ErrOutOfScope) {
		return text, nil, err
	}
	f, err := h.look(c, string(text))
	if err != nil {
		return "", nil, err
	}
	page := choice{Error: choiceError{errChoose.Code, errChoose.Message}, More: f.More, To: c.Path(), Field: field, Candidates: h.unitCandidates(f)}
	if !unit {
		page.Candidates = h.venueCandidates(c, f)
	}
	switch one := len(page.Candidates) == 1 && !f.More; {
	case len(page.Candidates) == 0:
		return "", nil, venue.ErrNotFound
	case one && (f.By == store.FoundByCode || f.By == store.FoundByUSCC && unit || page.Candidates[0].Name == string(text)):
		return ID(page.Candidates[0].ID), nil, nil
	}
	page.Filled = c.fields(field)
	return "", &answer{status: fiber.StatusConflict, page: "choose", data: page}, nil
}

// fields is what a browser's form was filled in with, but for one field.
func (c *call) fields(but string) (list []typed) {
	c.Request().PostArgs().VisitAll(func(k, v []byte) {
		if name := string(k); name != "csrf" && name != but {
			list = append(list, typed{name, string(v)})
		}
	})
	return list
}

// Candidates are not closed: to those nothing can be given.

func (h *Handler) unitCandidates(f store.Found) (list []candidate) {
	for _, u := range f.Units {
		if !u.Closed() {
			list = append(list, candidate{string(u.ID), u.Name, h.Divisions.FullName(u.Division), string(u.USCC), "/console/units/"})
		}
	}
	return list
}

func (h *Handler) venueCandidates(c *call, f store.Found) (list []candidate) {
	for _, v := range f.Venues {
		if v.Status != venue.StatusClosed {
			list = append(list, candidate{string(v.ID), v.Name, h.venueRow(c, v).Unit.Name, v.Address, "/console/venues/"})
		}
	}
	return list
}
