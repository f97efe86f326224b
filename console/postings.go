package console

import (
	"strings"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/text/unicode/norm"

	"github.com/venuecode/venuecode/photo"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

type postingRow struct {
	ID      string           `json:"id"`
	Door    venue.Code       `json:"door"`
	Name    string           `json:"name"`
	Finding registry.Finding `json:"finding"`
	Remark  string           `json:"remark,omitempty"`
	Photo   bool             `json:"photo"`
	At      instant          `json:"at"`
	By      string           `json:"by"`
}

const postingsPage = 50

// posted notes what somebody found who looked at a door. The photo, if any, comes
// in a form of several parts, from a phone.
func (h *Handler) posted(c *call) (answer, error) {
	code, err := venue.ParseCode(c.Params("code"))
	if err != nil {
		return answer{}, venue.ErrNotFound
	}
	p, err := h.Office.Door(c.ctx, c.by.Scope(), code)
	if err != nil {
		return answer{}, err
	}
	q := registry.Posting{Door: code, Venue: p.Venue.ID, By: c.by.User()}
	if strings.HasPrefix(c.Get(fiber.HeaderContentType), fiber.MIMEMultipartForm) {
		q.Finding, q.Remark = registry.Finding(c.FormValue("finding")), norm.NFC.String(c.FormValue("remark"))
		file, _ := c.FormFile("photo")
		q.Photo, err = photo.Sent(file)
	} else {
		var body struct {
			Finding registry.Finding
			Remark  string
		}
		err = c.read(&body)
		q.Finding, q.Remark = body.Finding, body.Remark
	}
	if err != nil {
		return answer{}, err
	}
	if q.Remark, err = venue.ParseTitle("remark", q.Remark, 0, 200); err != nil { // before it is in the audit
		return answer{}, err
	}
	if q.Finding == "" {
		q.Finding = registry.FoundPosted
	}
	if err := h.act(c, "door.posted", "venue", string(p.Venue.ID), q.Remark); err != nil {
		return answer{}, err
	}
	if q, err = h.Applying.Post(c.ctx, h.Postings, q); err != nil {
		return answer{}, err
	}
	row := postingRow{q.ID, q.Door, p.Door.Name, q.Finding, q.Remark, q.Photo != nil, instant(q.At), q.By}
	return answer{data: row, to: "/console/venues/" + string(p.Venue.ID)}, nil
}

// postingPhoto shows the photo of a look at a door.
func (h *Handler) postingPhoto(c *call) (answer, error) {
	p, err := h.Office.Posting(c.ctx, c.by.Scope(), c.Params("id"))
	if err == nil && p.Photo == nil {
		err = venue.ErrNotFound
	}
	if err != nil {
		return answer{}, err
	}
	c.Set(fiber.HeaderContentType, "image/jpeg")
	return answer{}, c.Send(p.Photo)
}
