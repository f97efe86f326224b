package miniapp

import (
	"context"
	_ "embed"
	"html/template"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/poster"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/checkin"
)

//go:embed page/door.html
var doorHTML string

var doorPage = template.Must(template.New("door").Parse(doorHTML))

// scanned is the code in what a phone read: a link or, if that is "", a code. What
// is neither ours may be an old code, or nothing: then "" is resolved like any
// unknown one, with the same answer in the same time.
func (h *Handler) scanned(ctx context.Context, link, code string) (venue.Code, error) {
	parsed, err := venue.ParseCode(code)
	if link != "" {
		code = link
		parsed, err = venue.ParseLink(link, h.Host)
	}
	if err != nil {
		return h.OldCodes.Old(ctx, code)
	}
	return parsed, nil
}

// place is that of the code in the path. No old code is looked up there: many of
// them are serial numbers.
func (h *Handler) place(c *fiber.Ctx) (checkin.Place, error) {
	ctx, cancel := web.Deadline(c, h.Reply)
	defer cancel()

	code, err := venue.ParseCode(c.Params("code"))
	if err != nil {
		if code, err = h.OldCodes.Old(ctx, ""); err != nil {
			return checkin.Place{}, err
		}
	}
	return h.resolve(ctx, code)
}

func (h *Handler) resolve(ctx context.Context, code venue.Code) (checkin.Place, error) {
	place, err := h.Doors.Resolve(ctx, code)
	if isNotFound(err) {
		return place, web.ErrCodeInvalid
	}
	return place, err
}

// link shows the same as code of any link that a scan takes, former systems' too.
// It wants a session, or whoever counts through serial numbers has the list of
// all places.
func (h *Handler) link(c *fiber.Ctx) error {
	ctx, cancel := web.Deadline(c, h.Reply)
	defer cancel()

	if _, err := h.session(ctx, c); err != nil {
		return err
	}
	code, err := h.scanned(ctx, c.Query("link"), "")
	if err != nil {
		return err
	}
	place, err := h.resolve(ctx, code)
	if err != nil {
		return err
	}
	return showPlace(c, place)
}

// code shows what a person may see before scanning. The phone judges near or
// far itself: its position is never sent.
func (h *Handler) code(c *fiber.Ctx) error {
	place, err := h.place(c)
	if err != nil {
		return err
	}
	return showPlace(c, place)
}

func showPlace(c *fiber.Ctx, place checkin.Place) error {
	v := place.Venue
	if !v.Located() {
		v.Radius = 0 // not known: every phone would be far from 0, 0
	}
	return c.JSON(fiber.Map{
		"code": place.Door.Code, "venue": v.Name, "door": place.Door.Name, "address": v.Address,
		"lng": v.Lng, "lat": v.Lat, "radius": v.Radius,
	})
}

// door is the page behind a printed code, for whoever scans it with something
// that is neither WeChat nor Alipay.
func (h *Handler) door(c *fiber.Ctx) error {
	place, err := h.place(c)
	if err != nil && err != error(web.ErrCodeInvalid) {
		return err
	}
	c.Type("html", "utf-8")
	c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; style-src 'unsafe-inline'")
	if err != nil {
		c.Status(fiber.StatusNotFound)
		return doorPage.Execute(c, nil)
	}
	return doorPage.Execute(c, struct {
		checkin.Place
		Serial, Host string // as its poster has them
		Apps         poster.Apps
	}{place, poster.Serial(place.Door.Code), h.Host, h.Apply.Paper.Apps})
}

// domainCheck serves the files by which the platforms check that the domain is
// ours.
func (h *Handler) domainCheck(c *fiber.Ctx) error {
	content, ok := h.DomainChecks[c.Params("file")+".txt"]
	if !ok {
		return fiber.ErrNotFound
	}
	return c.Type("txt").SendString(content)
}
