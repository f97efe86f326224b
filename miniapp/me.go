package miniapp

import (
	"encoding/json"
	"errors"
	"regexp"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/text/unicode/norm"

	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/venue"
)

// login exchanges a platform's login code for a session.
func (h *Handler) login(c *fiber.Ctx) error {
	ctx, cancel := web.Deadline(c, platformWait)
	defer cancel()

	var body struct {
		App       string `json:"app"`
		LoginCode string `json:"login_code"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	platform, ok := h.Platforms[body.App]
	if !ok {
		return &venue.Invalid{Field: "app", Reason: "shape"}
	}
	openid, err := platform.Login(ctx, body.LoginCode)
	if errors.Is(err, venue.ErrInvalid) {
		return &venue.Invalid{Field: "login_code", Reason: "expired"}
	} else if err != nil {
		return err
	}
	account, err := h.People.Account(ctx, body.App, openid)
	if err != nil {
		return err
	}
	token, err := Issue(h.Tokens, Session{
		App: body.App, Account: account.ID, Family: account.Family, Person: account.Person, Expires: h.Clock.Now().Add(SessionLife),
	})
	if err != nil {
		return err
	}
	return c.JSON(fiber.Map{
		"token": token, "registered": !account.Person.IsZero(), "consent_required": account.Consent != h.Consent,
	})
}

// consent shows the notice that a resident agrees to when registering.
func (h *Handler) consent(c *fiber.Ctx) error {
	return c.JSON(fiber.Map{"version": h.Consent, "text": h.ConsentText, "operator": h.Operator, "contact": h.Contact})
}

type registerBody struct {
	Name      string          `json:"name"`
	IDType    string          `json:"id_type"`
	IDNumber  string          `json:"id_number"`
	Phone     string          `json:"phone"`
	PhoneCode string          `json:"phone_code"`
	Consent   json.RawMessage `json:"consent"`
}

// register makes the caller a resident, once; again with the same facts it
// renews the consent.
func (h *Handler) register(c *fiber.Ctx) error {
	ctx, cancel := web.Deadline(c, platformWait)
	defer cancel()

	session, err := h.session(ctx, c)
	if err != nil {
		return err
	}
	var body registerBody
	if err := decode(c, &body); err != nil {
		return err
	}
	var r vault.Registration
	if r.Consent, err = h.agreed(body.Consent); err != nil {
		return err
	}
	if body.IDType != "" && body.IDType != "resident_id" {
		return &venue.Invalid{Field: "id_type", Reason: "shape"}
	}
	if r.Name, err = venue.ParsePersonName(norm.NFC.String(body.Name)); err != nil {
		return err
	}
	if r.ID, err = venue.ParseIDNumber(body.IDNumber, venue.DayOf(h.Clock.Now())); err != nil {
		return err
	}
	if body.PhoneCode != "" {
		platform, ok := h.Platforms[session.App]
		if !ok { // switched off since the session began
			return web.ErrUnauthorized
		}
		r.Phone, err = platform.Phone(ctx, body.PhoneCode)
		if errors.Is(err, venue.ErrInvalid) {
			return &venue.Invalid{Field: "phone_code", Reason: "expired"}
		}
		r.Proven = err == nil
	} else {
		r.Phone, err = venue.ParsePhone(body.Phone)
	}
	if err != nil {
		return err
	}
	person, err := h.People.Register(ctx, session.Account, r)
	if isNotFound(err) {
		return web.ErrUnauthorized // withdrawn, and this session with it
	} else if err != nil {
		return err
	}
	session.Person = person
	token, err := Issue(h.Tokens, session)
	if err != nil {
		return err
	}
	return c.JSON(h.meJSON(vault.Person{Name: r.Name, ID: r.ID, Phone: r.Phone, Consent: r.Consent}, token))
}

// agreed is the version consented to: true means the notice in force.
func (h *Handler) agreed(raw json.RawMessage) (string, error) {
	var yes bool
	var version string
	switch {
	case json.Unmarshal(raw, &yes) == nil && yes:
		return h.Consent, nil
	case json.Unmarshal(raw, &version) == nil && isVersion(version):
		return version, nil
	}
	return "", &venue.Invalid{Field: "consent", Reason: "required"}
}

var (
	versionShape = regexp.MustCompile(`^[0-9A-Za-z.-]{1,32}$`)
	longNumber   = regexp.MustCompile(`[0-9]{9}`)
)

// isVersion keeps names and numbers of people out of a field that lies open.
func isVersion(s string) bool { return versionShape.MatchString(s) && !longNumber.MatchString(s) }

// me shows the caller's own record, masked.
func (h *Handler) me(c *fiber.Ctx) error {
	ctx, cancel := web.Deadline(c, platformWait)
	defer cancel()

	person, err := h.resident(ctx, c)
	if err != nil {
		return err
	}
	who, err := h.People.Open(ctx, person)
	if err != nil {
		return err
	}
	return c.JSON(h.meJSON(who, ""))
}

// meJSON relies on the private types to mask themselves.
func (h *Handler) meJSON(who vault.Person, token string) fiber.Map {
	out := fiber.Map{
		"registered": true, "name": who.Name, "id_type": "resident_id", "id_number": who.ID, "phone": who.Phone,
		"consent": who.Consent, "consent_required": who.Consent != h.Consent,
	}
	if token != "" {
		out["token"] = token
	}
	return out
}
