package miniapp

import (
	"context"
	"errors"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/text/unicode/norm"

	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/checkin"
)

type scanBody struct {
	Code       string          `json:"code"`
	Link       string          `json:"link"`
	RequestID  string          `json:"request_id"`
	Direction  string          `json:"direction"`
	Presence   string          `json:"presence"`
	Companions []companionBody `json:"companions"`
}

type companionBody struct {
	Name string `json:"name"`
	ID   string `json:"id_number"`
}

var directions = map[string]venue.Direction{"": venue.DirectionUnknown, "unknown": venue.DirectionUnknown, "in": venue.In, "out": venue.Out}

var presences = map[string]venue.Presence{
	"": venue.PresenceStatic, "none": venue.PresenceStatic,
	"unknown": venue.PresenceUnknown, "near": venue.PresenceNear, "far": venue.PresenceFar,
}

// scan records a visit, then answers the prompt.
func (h *Handler) scan(c *fiber.Ctx) error {
	ctx, cancel := web.Deadline(c, h.Reply)
	defer cancel()

	request, err := h.incoming(ctx, c)
	if err != nil {
		return err
	}
	prompt, err := h.Checkin.Checkin(ctx, request)
	if isNotFound(err) {
		return web.ErrCodeInvalid
	} else if errors.Is(err, checkin.ErrCompanions) {
		return errCompanions
	} else if err != nil {
		return err
	}
	return c.JSON(render(prompt))
}

var errCompanions = &web.Error{Status: fiber.StatusServiceUnavailable, Code: "companions_unavailable", Message: "暂时无法登记同行人，请同行人各自扫码"}

// incoming is who scans what.
func (h *Handler) incoming(ctx context.Context, c *fiber.Ctx) (r checkin.Request, err error) {
	person, err := h.resident(ctx, c)
	if err != nil {
		return r, err
	}
	var body scanBody
	if err := decode(c, &body); err != nil {
		return r, err
	}
	return h.request(ctx, person, body)
}

func (h *Handler) request(ctx context.Context, person venue.PersonID, b scanBody) (r checkin.Request, err error) {
	r = checkin.Request{Person: person, RequestID: b.RequestID}
	if r.Code, err = h.scanned(ctx, b.Link, b.Code); err != nil {
		return r, err
	}
	var ok bool
	if r.Direction, ok = directions[b.Direction]; !ok {
		return r, &venue.Invalid{Field: "direction", Reason: "shape"}
	}
	if r.Presence, ok = presences[b.Presence]; !ok {
		return r, &venue.Invalid{Field: "presence", Reason: "shape"}
	}
	for _, c := range b.Companions {
		var who venue.Identity
		if who.Name, err = venue.ParsePersonName(norm.NFC.String(c.Name)); err != nil {
			return r, err
		}
		if who.ID, err = venue.ParseIDNumber(c.ID, venue.DayOf(h.Clock.Now())); err != nil {
			return r, err
		}
		r.Companions = append(r.Companions, who)
	}
	return r, nil
}

// promptJSON is a prompt on the wire.
type promptJSON struct {
	ScanID     string          `json:"scan_id"`
	At         string          `json:"at"`
	Venue      string          `json:"venue"`
	Door       string          `json:"door"`
	Address    string          `json:"address"`
	Health     string          `json:"health"`
	Decision   string          `json:"decision"`
	Title      string          `json:"title"`
	Advice     []string        `json:"advice"`
	Name       string          `json:"name"`
	Companions []companionJSON `json:"companions"`
}

type companionJSON struct {
	ScanID   string `json:"scan_id"`
	Name     string `json:"name"`
	Health   string `json:"health"`
	Decision string `json:"decision"`
}

func render(p venue.Prompt) promptJSON {
	out := promptJSON{
		ScanID: p.ScanID, At: venue.FormatInstant(p.At), Venue: p.Venue, Door: p.Door, Address: p.Address,
		Health: p.Health.String(), Decision: p.Decision.String(), Title: p.Title, Advice: p.Advice, Name: p.Name,
		Companions: []companionJSON{},
	}
	for _, c := range p.Companions {
		out.Companions = append(out.Companions, companionJSON{c.ScanID, c.Name, c.Health.String(), c.Decision.String()})
	}
	return out
}

// noop does what scan does but the work: the same middleware, session check and
// body decoding, and an answer of the same size. Benchmarks divide by it.
func (h *Handler) noop(c *fiber.Ctx) error {
	ctx, cancel := web.Deadline(c, h.Reply)
	defer cancel()

	request, err := h.incoming(ctx, c)
	if err != nil {
		return err
	}
	title, advice := h.Checkin.Policy.Words("", venue.HealthGreen, venue.Admit, "")
	return c.JSON(render(venue.Prompt{
		ScanID: "00000000000000000000000000000000", At: h.Clock.Now(), Venue: string(request.Code), Door: "南门",
		Address: "演示路一号市民中心一楼大厅", Health: venue.HealthGreen, Decision: venue.Admit,
		Title: title, Advice: advice, Name: "张*",
	}))
}

func isNotFound(err error) bool { return errors.Is(err, venue.ErrNotFound) }
