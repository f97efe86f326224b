package console

import (
	"context"
	"encoding/json"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/poster"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

const (
	batchesPage  = 20 // of up to 2,000 codes each, of which the used ones are counted
	blanksPath   = "/console/blanks"
	activatePath = blanksPath + "/activate"
)

type batchRow struct {
	ID           string         `json:"id"`
	Division     venue.Division `json:"division"`
	DivisionName string         `json:"division_name,omitempty"`
	At           instant        `json:"at"`
	By           string         `json:"by"`
	Count        int            `json:"count"`
	Used         int            `json:"used"` // hang at a door, or are kept for a venue
}

type batchList struct {
	Batches   []batchRow   `json:"batches"`
	Next      string       `json:"next,omitempty"` // ?after= of the next page
	ID        string       `json:"-"`              // for the next batch, so that sending twice prints once
	Most      int          `json:"-"`
	Divisions []web.Choice `json:"-"`
}

func (h *Handler) batchRow(b registry.Batch, used int) batchRow {
	return batchRow{b.ID, b.Division, h.Divisions.FullName(b.Division), instant(b.At), b.By.Account, len(b.Codes), used}
}

// blanks lists the batches of codes that were printed in advance.
func (h *Handler) blanks(c *call) (answer, error) {
	scope := c.by.Scope()
	list, more, err := h.Office.Batches(c.ctx, scope, c.Query("after"), batchesPage)
	if err != nil {
		return answer{}, err
	}
	out := batchList{Batches: []batchRow{}, Most: registry.MaxBatch}
	for _, b := range list {
		out.Batches = append(out.Batches, h.batchRow(b.Batch, b.Used))
	}
	if more {
		out.Next = list[len(list)-1].ID
	}
	out.Divisions = slices.DeleteFunc(web.DivisionChoices(h.Divisions, h.Division), func(d web.Choice) bool { return !scope.CoversDivision(venue.Division(d.Value)) })
	out.ID, err = registry.NewID(h.Applying.Random)
	return answer{page: "blanks", data: out}, err
}

// printBlanks draws a batch for a division in scope.
func (h *Handler) printBlanks(c *call) (answer, error) {
	var q struct {
		ID       string
		Division string
		Count    json.Number
	}
	if err := c.read(&q); err != nil {
		return answer{}, err
	}
	n, err := strconv.Atoi(q.Count.String())
	if err != nil || n < 1 || n > registry.MaxBatch {
		return answer{}, &venue.Invalid{Field: "count", Reason: "range"}
	}
	d, err := h.division(c, q.Division)
	switch {
	case err != nil:
	case !c.by.Scope().CoversDivision(d):
		err = store.ErrOutOfScope
	case q.ID == "":
		q.ID, err = registry.NewID(h.Applying.Random)
	case !registry.IsID(q.ID):
		err = &venue.Invalid{Field: "id", Reason: "shape"}
	}
	if err != nil {
		return answer{}, err
	}
	if err = h.note(c, audit.Event{Action: "blanks.print", Object: audit.Object{Kind: "batch", ID: q.ID},
		Details: map[string]string{"division": string(d), "count": strconv.Itoa(n)}}); err != nil {
		return answer{}, err
	}
	b, err := h.Applying.Print(c.ctx, q.ID, d, n, registry.Who{Account: c.by.User()})
	if err == nil && !c.by.Scope().CoversDivision(b.Division) { // the id was another's
		err = store.ErrOutOfScope
	}
	return answer{data: h.batchRow(b, 0), to: blanksPath}, err
}

// blankPosters sends what is printed of a batch: the codes that still are blank.
// See print for ?as= and ?sheet=.
func (h *Handler) blankPosters(c *call) (answer, error) {
	b, err := h.Office.Batch(c.ctx, c.by.Scope(), c.Params("id"))
	if err == nil && len(b.Codes) == 0 {
		err = errNoBlanks
	}
	if err != nil {
		return answer{}, err
	}
	return h.print(c, "blanks-"+string(b.Division), len(b.Codes), func(context.Context) iter.Seq2[poster.Door, error] {
		return func(yield func(poster.Door, error) bool) {
			for _, code := range b.Codes {
				if !yield(h.Paper.Blank(code, b.Division), nil) {
					return
				}
			}
		}
	})
}

// activation hangs a blank code at a door, from a phone that stands before it.
type activation struct {
	Code  string        `json:"code"`
	Venue venue.VenueID `json:"venue"` // or whatever find finds it by
	Name  string        `json:"name"`  // of the door
}

// activatePage asks which code hangs where.
func (h *Handler) activatePage(c *call) (answer, error) {
	return answer{page: "activate", data: activation{c.Query("code"), venue.VenueID(c.Query("venue")), c.Query("name")}}, nil
}

func (h *Handler) activate(c *call) (answer, error) {
	var q activation
	if err := c.read(&q); err != nil {
		return answer{}, err
	}
	for _, f := range []struct{ name, text string }{{"code", q.Code}, {"venue", string(q.Venue)}, {"doors", q.Name}} {
		if strings.TrimSpace(f.text) == "" {
			return answer{}, &venue.Invalid{Field: f.name, Reason: "missing"}
		}
	}
	id, choose, err := meant(h, c, "venue", q.Venue)
	if choose != nil {
		return *choose, nil
	}
	if err == nil {
		err = h.act(c, "venue.add_door", "venue", string(id), "")
	}
	if err == nil {
		err = h.hang(c, q.Code, id, q.Name, registry.Who{Account: c.by.User()})
	}
	return answer{to: "/console/venues/" + string(id)}, err
}

// hang activates a code, typed or copied, at a venue in scope.
func (h *Handler) hang(c *call, copied string, at venue.VenueID, name string, by registry.Who) error {
	code, err := venue.ParseCopied(copied)
	if err == nil {
		_, err = h.Office.Blank(c.ctx, c.by.Scope(), code, at)
	}
	if err == nil {
		_, err = h.Applying.Activate(c.ctx, code, at, name, by)
	}
	return err
}
