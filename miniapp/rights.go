package miniapp

import (
	"cmp"
	"context"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/vault/reveal"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/checkin"
)

// visitJSON is a visit as whoever made it reads it.
type visitJSON struct {
	ScanID    string `json:"scan_id"`
	At        string `json:"at"`
	Venue     string `json:"venue"`
	Door      string `json:"door"`
	Address   string `json:"address"`
	Direction string `json:"direction"`
	Health    string `json:"health"`
	Decision  string `json:"decision"`
}

// visits lists what the caller scanned. Looking at one's own record is not
// written to the audit.
func (h *Handler) visits(c *fiber.Ctx) error {
	ctx, cancel := web.Deadline(c, platformWait)
	defer cancel()

	person, err := h.resident(ctx, c)
	if err != nil {
		return err
	}
	limit := 0
	if text := c.Query("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 {
			return &venue.Invalid{Field: "limit", Reason: "shape"}
		}
	}
	page, err := h.Retention.History.Visits(ctx, person, c.Query("before"), limit)
	if err != nil {
		return err
	}
	list, places := make([]visitJSON, 0, len(page.Visits)), map[venue.Code]checkin.Place{}
	for _, s := range page.Visits {
		place, known := places[s.Door]
		if !known {
			if place, err = h.placeOf(ctx, s.Door); err != nil {
				return err
			}
			places[s.Door] = place
		}
		list = append(list, visitJSON{
			ScanID: s.Key.ID(), At: venue.FormatInstant(s.At), Venue: place.Venue.Name, Door: place.Door.Name, Address: place.Venue.Address,
			Direction: directionWord(s.Direction), Health: s.Health.String(), Decision: s.Decision.String(),
		})
	}
	out := fiber.Map{"scans": list}
	if page.Next != "" {
		out["next"] = page.Next
	}
	return c.JSON(out)
}

func (h *Handler) placeOf(ctx context.Context, door venue.Code) (checkin.Place, error) {
	place, err := h.Places.Place(ctx, door)
	if isNotFound(err) {
		place.Venue.Name, err = cmp.Or(place.Venue.Name, goneVenue), nil
	}
	return place, err
}

func directionWord(d venue.Direction) string {
	switch d {
	case venue.In:
		return "in"
	case venue.Out:
		return "out"
	}
	return "unknown"
}

const accessPage = 50

type accessJSON struct {
	At          string `json:"at"`
	Role        string `json:"role"`
	RoleName    string `json:"role_name"`
	Purpose     string `json:"purpose"`
	PurposeName string `json:"purpose_name"`
}

// accesses lists who looked at the caller since they registered, by role and
// purpose: the official's name, reason and case are not theirs to know.
func (h *Handler) accesses(c *fiber.Ctx) error {
	ctx, cancel := web.Deadline(c, platformWait)
	defer cancel()

	person, err := h.resident(ctx, c)
	if err != nil {
		return err
	}
	since, err := h.People.Registered(ctx, person)
	if err != nil {
		return err
	}
	list, next := []accessJSON{}, ""
	if !since.IsZero() {
		if list, next, err = h.accessesSince(ctx, person, since, c.Query("after")); err != nil {
			return err
		}
	}
	out := fiber.Map{"accesses": list}
	if next != "" {
		out["next"] = next
	}
	return c.JSON(out)
}

func (h *Handler) accessesSince(ctx context.Context, person venue.PersonID, since time.Time, after string) ([]accessJSON, string, error) {
	rows, more, err := h.Trail.By(ctx, audit.Filter{
		Object: audit.Object{Kind: audit.KindPerson, ID: h.People.AuditID(person)}, Action: reveal.Action, From: since,
	}, audit.Page{After: after, Limit: accessPage})
	if err != nil {
		return nil, "", err
	}
	list := make([]accessJSON, 0, len(rows))
	for _, row := range rows {
		e := row.Event
		if e.Outcome != string(access.Allowed) {
			continue
		}
		role := e.Details[reveal.DetailRole]
		list = append(list, accessJSON{
			At: venue.FormatInstant(e.At), Role: role, RoleName: cmp.Or(roleNames[role], otherRole),
			Purpose: e.Purpose, PurposeName: cmp.Or(purposeNames[e.Purpose], otherPurpose),
		})
	}
	next := ""
	if more {
		next = rows[len(rows)-1].ID()
	}
	return list, next, nil
}

// withdraw ends the caller's registration (撤回同意).
func (h *Handler) withdraw(c *fiber.Ctx) error {
	ctx, cancel := web.Deadline(c, platformWait)
	defer cancel()

	session, person, err := h.registered(ctx, c)
	if err != nil {
		return err
	}
	if _, err := h.Trail.Append(ctx, audit.Event{
		Actor: audit.ActorResident, Action: "consent.withdraw",
		Object: audit.Object{Kind: audit.KindPerson, ID: h.People.AuditID(person)},
	}); err != nil {
		return err
	}
	erased, err := h.Retention.Withdraw(ctx, session.Account, person)
	h.Ended.LookAgain()
	if isNotFound(err) {
		return web.ErrUnauthorized // done before, and this session with it
	} else if err != nil {
		return err
	}
	if erased == 0 {
		return c.JSON(fiber.Map{"withdrawn": true, "erased_on": nil, "message": withdrawn("")})
	}
	day := erased.String()
	return c.JSON(fiber.Map{"withdrawn": true, "erased_on": day, "message": withdrawn(day)})
}
