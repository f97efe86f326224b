package miniapp

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/text/unicode/norm"

	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/photo"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// Larger is the limit of a body with a photo and the rest of its form, where one
// is taken; elsewhere 0.
func Larger(method, path string) int {
	if method == fiber.MethodPost && strings.HasSuffix(path, "/posted") &&
		(strings.HasPrefix(path, "/apply/") || strings.HasPrefix(path, "/api/v1/applications/")) {
		return photo.MaxBytes + 64<<10
	}
	return 0
}

// Admit is web.Options.Larger: a photo is held for a resident with a session, or
// for who has the id of an application that was approved.
func (h *Handler) Admit(head web.Head) int {
	n := Larger(head.Method, head.Path)
	if n == 0 {
		return 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), applyWait)
	defer cancel()
	if id, ok := strings.CutPrefix(strings.TrimSuffix(head.Path, "/posted"), "/apply/"); ok {
		if a, err := h.sent(ctx, id); err != nil || a.State != registry.StateApproved {
			return 0
		}
		return n
	}
	if _, err := h.sessionOf(ctx, head.Bearer()); err != nil {
		return 0
	}
	return n
}

// appliedDoor is a door that was applied for, as whoever applied sees it: its code
// alone once it is closed or another unit's.
type appliedDoor struct {
	Code   venue.Code   `json:"code"`
	Link   string       `json:"link"`
	Name   string       `json:"name,omitempty"`
	Status venue.Status `json:"status,omitempty"`
	Posted string       `json:"posted,omitempty"` // since when it is known to hang there
	Since  time.Time    `json:"-"`
}

// Usable tells whether a photo of the door is taken.
func (d appliedDoor) Usable() bool { return d.Name != "" && d.Status != venue.StatusPending }

// doors lists those of an application; none before it is approved.
func (h *Handler) doors(ctx context.Context, a registry.Application) ([]appliedDoor, error) {
	p, err := h.Apply.Desk.Standing(ctx, a)
	if err != nil || a.State != registry.StateApproved { // its codes may be drawn already
		return nil, err
	}
	standing := map[venue.Code]venue.Door{}
	for _, d := range p.Doors {
		standing[d.Code] = d
	}
	var list []appliedDoor
	for _, code := range a.Made.Codes {
		row := appliedDoor{Code: code, Link: code.Link(h.Host)}
		if d, ok := standing[code]; ok {
			row.Name, row.Status, row.Since = d.Name, d.Status, d.Posted
			if !p.Venue.Status.Scannable() {
				row.Status = p.Venue.Status
			}
			if !d.Posted.IsZero() {
				row.Posted = venue.FormatInstant(d.Posted)
			}
		}
		list = append(list, row)
	}
	return list, nil
}

// post takes what an applicant found at a door of their application. The photo is
// made last: it costs the most.
func (h *Handler) post(ctx context.Context, c *fiber.Ctx, a registry.Application) (q registry.Posting, err error) {
	code, _ := venue.ParseCode(c.FormValue("door"))
	q = registry.Posting{Door: code, Finding: registry.Finding(cmp.Or(c.FormValue("finding"), string(registry.FoundPosted))), Remark: norm.NFC.String(c.FormValue("remark"))}
	if audit.LooksPrivate(q.Remark) {
		return q, &venue.Invalid{Field: "remark", Reason: "private"}
	}
	q, err = h.Apply.Desk.Own(ctx, h.Apply.Postings, a, q)
	if refused := (*registry.Refused)(nil); errors.As(err, &refused) && postRefusals[refused.Rule] != nil {
		return q, postRefusals[refused.Rule]
	} else if err != nil {
		return q, err
	}
	file, _ := c.FormFile("photo")
	if q.Photo, err = photo.Sent(file); err != nil {
		return q, err
	}
	if q.Photo == nil {
		return q, &venue.Invalid{Field: "photo", Reason: registry.ReasonRequired}
	}
	return h.Apply.Desk.Post(ctx, h.Apply.Postings, q)
}

// applyPosted takes it from whoever has the id of an application.
func (h *Handler) applyPosted(c *fiber.Ctx) error {
	ctx, cancel := web.Deadline(c, applyWait)
	defer cancel()

	a, err := h.sent(ctx, c.Params("id"))
	if isNotFound(err) {
		return h.applyGone(c)
	}
	var look registry.Posting
	if err == nil {
		look, err = h.post(ctx, c, a)
	}
	if err == nil {
		return c.Redirect("/apply/"+a.ID+"#"+string(look.Door), fiber.StatusSeeOther)
	}
	status, fault := web.Sentence(err)
	if status >= fiber.StatusInternalServerError {
		return err
	}
	c.Status(status)
	return h.applyStateView(ctx, c, a, look.Door, fault)
}

// ownPosted takes it from the resident who sent the application.
func (h *Handler) ownPosted(c *fiber.Ctx) error {
	ctx, cancel := web.Deadline(c, applyWait)
	defer cancel()

	person, err := h.resident(ctx, c)
	if err != nil {
		return err
	}
	a, err := h.Apply.Rows.Application(ctx, c.Params("id"))
	if err != nil {
		return err
	}
	if a.Sender != (registry.Sender{Channel: appChannel, Account: h.People.AuditID(person)}) {
		return venue.ErrNotFound
	}
	if _, err := h.post(ctx, c, a); err != nil {
		return err
	}
	out, err := h.applicationJSON(ctx, a)
	if err != nil {
		return err
	}
	return c.JSON(out)
}
