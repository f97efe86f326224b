package miniapp

import (
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

func (h *Handler) place(c *fiber.Ctx) (checkin.Place, error) {
	ctx, cancel := web.Deadline(c, h.Reply)
	defer cancel()

	code, err := venue.ParseCode(c.Params("code"))
	if err != nil {
		code = "" // resolved like any unknown code
	}
	place, err := h.Doors.Resolve(ctx, code)
	if isNotFound(err) {
		return place, web.ErrCodeInvalid
	}
	return place, err
}

// code shows what a person may see before scanning. The phone judges near or
// far itself: its position is never sent.
func (h *Handler) code(c *fiber.Ctx) error {
	place, err := h.place(c)
	if err != nil {
		return err
	}
	v := place.Venue
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
	}{place, poster.Serial(place.Door.Code), h.Host})
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
