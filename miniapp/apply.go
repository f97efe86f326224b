package miniapp

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/text/unicode/norm"

	"github.com/venuecode/venuecode/intake"
	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/poster"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// Applications is where applications are read again.
type Applications interface {
	// Application reads one; venue.ErrNotFound.
	Application(ctx context.Context, id string) (registry.Application, error)
	// ApplicationsOf lists those of an account, the newest first.
	ApplicationsOf(ctx context.Context, account string, limit int) ([]registry.Application, error)
}

// Channels are the ways to apply in a division besides this platform.
type Channels struct {
	Division string // its name
	List     []Channel
}

// Channel is one of them: a page or a place.
type Channel struct{ Name, At string }

// IsPage tells whether a browser can go there.
func (c Channel) IsPage() bool { return strings.HasPrefix(c.At, "https://") }

// Apply is what the public entry for units knows (rules §1). Whoever fills in
// its form needs no login, is told nothing of what is registered already, and
// leaves no more than a row that an officer looks at. The random id of the row
// lets who sent it see what became of it.
type Apply struct {
	Desk     *registry.Service
	Rows     Applications
	Postings registry.Postings
	Payload  func(ctx context.Context, door venue.Code) (string, error) // of a door's old code, "" for none
	Paper    poster.Paper
	City     venue.Division
	Channels []Channels
}

const (
	formChannel = "form"
	appChannel  = "miniapp"
	// waitingMost bounds what one resident has waiting.
	waitingMost = 20
	ownMost     = 100 // applications that a resident is shown
	applyWait   = 10 * time.Second
)

//go:embed page/apply.html
var applyHTML string

var applyPage = template.Must(template.New("apply").Funcs(template.FuncMap{
	"state": func(s registry.State) string { return stateWords[s] },
	"door":  func(s venue.Status) string { return doorWords[s] },
	"when":  func(t time.Time) string { return t.In(venue.Zone).Format("2006-01-02 15:04") },
}).Parse(applyHTML))

func (h *Handler) applyRoutes(app, api fiber.Router) {
	api.Get("/applications", h.ownApplications)
	api.Post("/applications", h.apply)
	api.Post("/applications/:id/posted", h.ownPosted)
	app.Get("/apply", func(c *fiber.Ctx) error { return h.applyView(c, "about", h.Apply) })
	app.Get("/apply/new", h.applyForm)
	app.Post("/apply/new", h.applyFilled)
	app.Get("/apply/:id", h.applyState)
	app.Get("/apply/:id/posters", h.applyPosters)
	app.Post("/apply/:id/posted", h.applyPosted)
}

// applyView writes one of the pages: about, form, state or gone.
func (h *Handler) applyView(c *fiber.Ctx, page string, data any) error {
	c.Type("html", "utf-8")
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	return applyPage.ExecuteTemplate(c, page, data)
}

// applyForm is the form: empty, or that of an application that was sent back,
// but for the persons in it. Its id is drawn now, so that sending it twice sends
// it once.
func (h *Handler) applyForm(c *fiber.Ctx) error {
	ctx, cancel := web.Deadline(c, applyWait)
	defer cancel()

	if c.Query("id") != "" {
		a, err := h.sent(ctx, c.Query("id"))
		if err != nil || a.State != registry.StateRejected {
			return c.Redirect("/apply/new", fiber.StatusSeeOther)
		}
		a.Form.ApplicantName, a.Form.ApplicantPhone, a.Form.ManagerName, a.Form.ManagerPhone = registry.Typed{}, registry.Typed{}, registry.Typed{}, registry.Typed{}
		back := h.filledIn(a.ID, a.Form.Values(), nil)
		back.Reason = a.Decider.Reason
		return h.applyView(c, "form", back)
	}
	id, err := registry.NewID(h.Apply.Desk.Random)
	if err != nil {
		return err
	}
	return h.applyView(c, "form", h.filledIn(id, nil, nil))
}

// formView is the form as it was filled in.
type formView struct {
	ID     string
	Parts  []web.FormPart
	Faults int
	Reason string // why it was sent back
}

func (h *Handler) filledIn(id string, values map[string]string, faults []web.Fault) formView {
	parts := web.Form(values, faults, web.DivisionChoices(h.Apply.Paper.Divisions, h.Apply.City))
	for i := range parts {
		parts[i].Fields = slices.DeleteFunc(parts[i].Fields, func(f web.FormField) bool { return f.Desk })
	}
	return formView{ID: id, Parts: parts, Faults: len(faults)}
}

// applyFilled takes the form. What is wrong is shown beside the fields, and
// nothing that was typed is lost.
func (h *Handler) applyFilled(c *fiber.Ctx) error {
	ctx, cancel := web.Deadline(c, applyWait)
	defer cancel()

	values, fields := map[string]string{}, map[string]any{}
	c.Request().PostArgs().VisitAll(func(k, v []byte) { values[string(k)] = norm.NFC.String(string(v)) })
	for name, v := range values {
		fields[name] = v
	}
	fields["doors"] = strings.Split(strings.ReplaceAll(values["doors"], "\r", ""), "\n")
	var f registry.Form
	b, err := json.Marshal(fields)
	if err == nil {
		err = json.Unmarshal(b, &f)
	}
	id := values["id"]
	if err != nil || !registry.IsID(id) {
		return fiber.ErrBadRequest
	}
	a, faults, err := h.Apply.Desk.Submit(ctx, id, f, registry.Sender{Channel: formChannel})
	if len(faults) > 0 {
		c.Status(fiber.StatusUnprocessableEntity)
		return h.applyView(c, "form", h.filledIn(id, values, web.NewFormError(faults, intake.Sentence).Faults))
	} else if err != nil {
		return err
	}
	return c.Redirect("/apply/"+a.ID, fiber.StatusSeeOther)
}

// sent is the application of an id, if it came without a login.
func (h *Handler) sent(ctx context.Context, id string) (a registry.Application, err error) {
	if a, err = h.Apply.Rows.Application(ctx, id); err == nil && a.Sender != (registry.Sender{Channel: formChannel}) {
		err = venue.ErrNotFound
	}
	return a, err
}

// applyState shows whoever has the id what became of the application.
func (h *Handler) applyState(c *fiber.Ctx) error {
	ctx, cancel := web.Deadline(c, applyWait)
	defer cancel()

	a, err := h.sent(ctx, c.Params("id"))
	if isNotFound(err) {
		return h.applyGone(c)
	} else if err != nil {
		return err
	}
	return h.applyStateView(ctx, c, a, "", "")
}

func (h *Handler) applyGone(c *fiber.Ctx) error {
	c.Status(fiber.StatusNotFound)
	return h.applyView(c, "gone", nil)
}

// applyStateView writes the page of an application; fault is why a photo of the
// door at was not taken, "" for none.
func (h *Handler) applyStateView(ctx context.Context, c *fiber.Ctx, a registry.Application, at venue.Code, fault string) error {
	doors, err := h.doors(ctx, a)
	if err != nil {
		return err
	}
	is := func(s venue.Status) func(appliedDoor) bool {
		return func(d appliedDoor) bool { return d.Status == s }
	}
	return h.applyView(c, "state", struct {
		registry.Application
		Doors              []appliedDoor
		Printable, Waiting bool
		Fault              string
		FaultAt            venue.Code
		Hotline            string
	}{a, doors, slices.ContainsFunc(doors, is(venue.StatusActive)), slices.ContainsFunc(doors, is(venue.StatusPending)),
		fault, at, h.Apply.Paper.Hotline})
}

// applyPosters prints the doors of an application that was approved.
func (h *Handler) applyPosters(c *fiber.Ctx) error {
	ctx, cancel := web.Deadline(c, applyWait)
	defer cancel()

	a, err := h.sent(ctx, c.Params("id"))
	if err != nil {
		return err
	}
	var doors []poster.Door
	for _, code := range a.Made.Codes {
		p, err := h.Doors.Resolve(ctx, code)
		if isNotFound(err) { // suspended or closed since
			continue
		}
		var payload string
		if err == nil {
			payload, err = h.Apply.Payload(ctx, code)
		}
		if err != nil {
			return err
		}
		doors = append(doors, h.Apply.Paper.Door(p.Venue, p.Door, payload))
	}
	if len(doors) == 0 {
		return fiber.ErrNotFound
	}
	var b bytes.Buffer
	if err := poster.HTML(&b, poster.A4, doors...); err != nil {
		return err
	}
	c.Set(fiber.HeaderContentSecurityPolicy, poster.Policy)
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Type("html", "utf-8")
	return c.Send(b.Bytes())
}

type applicationJSON struct {
	ID       string         `json:"id"`
	State    registry.State `json:"state"`
	UnitName string         `json:"unit_name"`
	Name     string         `json:"name"`
	At       string         `json:"at"`
	Proof    bool           `json:"proof"`
	Reason   string         `json:"reason,omitempty"`
	Codes    []appliedDoor  `json:"codes,omitempty"`
}

func (h *Handler) applicationJSON(ctx context.Context, a registry.Application) (out applicationJSON, err error) {
	out = applicationJSON{ID: a.ID, State: a.State, UnitName: a.UnitName, Name: a.Name, At: venue.FormatInstant(a.At), Proof: a.Proof}
	if a.State == registry.StateRejected {
		out.Reason = a.Decider.Reason
	}
	out.Codes, err = h.doors(ctx, a)
	return out, err
}

// apply takes an application from a registered resident.
func (h *Handler) apply(c *fiber.Ctx) error {
	ctx, cancel := web.Deadline(c, applyWait)
	defer cancel()

	person, err := h.resident(ctx, c)
	if err != nil {
		return err
	}
	var body struct {
		registry.Form
		ID        string `json:"id"`         // of one that was sent back
		RequestID string `json:"request_id"` // the same again is the same application
	}
	if json.Unmarshal(norm.NFC.Bytes(c.Request().Body()), &body) != nil {
		return web.ErrBadJSON
	}
	account := h.People.AuditID(person)
	if body.ID == "" {
		if n := len(body.RequestID); n < 8 || n > 64 {
			return &venue.Invalid{Field: "request_id", Reason: "length"}
		}
		body.ID = h.People.ApplicationID(person, body.RequestID)
	} else if _, err := h.Apply.Rows.Application(ctx, body.ID); err != nil {
		return err
	}
	own, err := h.Apply.Rows.ApplicationsOf(ctx, account, ownMost)
	if err != nil {
		return err
	}
	waiting := 0
	for _, a := range own {
		if a.State == registry.StatePending && a.ID != body.ID {
			waiting++
		}
	}
	if waiting >= waitingMost {
		return errWaiting
	}
	a, faults, err := h.Apply.Desk.Submit(ctx, body.ID, body.Form, registry.Sender{Channel: appChannel, Account: account})
	if len(faults) > 0 {
		return web.NewFormError(faults, intake.Sentence)
	}
	if err != nil {
		return err
	}
	out, err := h.applicationJSON(ctx, a)
	if err != nil {
		return err
	}
	return c.JSON(out)
}

// ownApplications lists what the caller sent in.
func (h *Handler) ownApplications(c *fiber.Ctx) error {
	ctx, cancel := web.Deadline(c, applyWait)
	defer cancel()

	person, err := h.resident(ctx, c)
	if err != nil {
		return err
	}
	list, err := h.Apply.Rows.ApplicationsOf(ctx, h.People.AuditID(person), ownMost)
	if err != nil {
		return err
	}
	out := []applicationJSON{}
	for _, a := range list {
		row, err := h.applicationJSON(ctx, a)
		if err != nil {
			return err
		}
		out = append(out, row)
	}
	return c.JSON(fiber.Map{"applications": out})
}
