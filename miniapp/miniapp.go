package miniapp

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/checkin"
)

// Platform is one app's side of a login: WeChat's or Alipay's.
type Platform interface {
	// Login exchanges a login code for the openid; venue.ErrInvalid for a code
	// that is wrong or used, venue.ErrUnavailable if the platform is silent.
	Login(ctx context.Context, code string) (openid string, err error)
	// Phone exchanges what the phone button gave for the verified number.
	Phone(ctx context.Context, code string) (venue.Phone, error)
}

// Places knows where a door is or was.
type Places interface {
	// Place finds a door that may or may not be scanned any more; venue.ErrNotFound.
	Place(ctx context.Context, code venue.Code) (checkin.Place, error)
}

// OldCodes knows what former systems printed.
type OldCodes interface {
	// Old finds the door of an old code, "" if there is none.
	Old(ctx context.Context, payload string) (venue.Code, error)
}

// Trail is where it is written who looked at whom.
type Trail interface {
	Append(ctx context.Context, e audit.Event) (id string, err error)
	By(ctx context.Context, f audit.Filter, p audit.Page) (rows []audit.Row, more bool, err error)
}

// Handler serves residents. Its fields are set once, before Routes.
type Handler struct {
	Platforms map[string]Platform // "wechat", "alipay"
	Tokens    Tokens
	Ended     *store.Revocations // sessions that were ended early
	People    *vault.People
	Retention *vault.PersonRetention
	Places    Places
	OldCodes  OldCodes
	Trail     Trail
	Checkin   *checkin.Service
	Doors     checkin.Doors
	Clock     venue.Clock // civil

	Host         string        // of the links in printed codes
	Reply        time.Duration // the whole answer to a scan: at most 800 ms
	Consent      string        // version of the notice in force
	ConsentText  string
	Operator     string            // who processes the data
	Contact      string            // of theirs, for questions and corrections
	DomainChecks map[string]string // file name → content, for the platforms' domain checks
	NoOp         bool              // serve the benchmark's no-op endpoint

	Apply Apply

	// Notification checks what Alipay posts; nil: not served.
	Notification func(form url.Values) error
}

// Routes adds the residents' routes.
func (h *Handler) Routes(app fiber.Router) {
	api := app.Group("/api/v1", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderCacheControl, "no-store") // nothing of a person stays in a phone's or a proxy's cache
		return c.Next()
	})
	api.Post("/sessions", h.login)
	api.Get("/consent", h.consent)
	api.Put("/me", h.register)
	api.Get("/me", h.me)
	api.Delete("/me", h.withdraw)
	api.Get("/me/scans", h.visits)
	api.Get("/me/accesses", h.accesses)
	api.Post("/scans", h.scan)
	api.Get("/codes", h.link)
	api.Get("/codes/:code", h.code)
	h.applyRoutes(app, api)
	if h.NoOp {
		api.Post("/noop", h.noop)
	}
	if h.Notification != nil {
		app.Post("/callbacks/alipay", h.notified)
	}
	app.Get("/v/:file.txt", h.domainCheck)
	app.Get("/v/:code", h.door)
	app.Get("/:file.txt", h.domainCheck)
}

// platformWait bounds a login or a phone exchange with the app's platform.
const platformWait = 5 * time.Second

// session is who calls; web.ErrUnauthorized without a valid token.
func (h *Handler) session(ctx context.Context, c *fiber.Ctx) (Session, error) {
	return h.sessionOf(ctx, web.Bearer(c))
}

func (h *Handler) sessionOf(ctx context.Context, token string) (Session, error) {
	s, err := Read(h.Tokens, token, h.Clock.Now())
	if err != nil {
		return s, err
	}
	ended, err := h.Ended.Revoked(ctx, s.Family)
	if err == nil && ended {
		err = web.ErrUnauthorized
	}
	return s, err
}

// resident is the registered person who calls. A token made before they
// registered names only the account.
func (h *Handler) resident(ctx context.Context, c *fiber.Ctx) (venue.PersonID, error) {
	_, person, err := h.registered(ctx, c)
	return person, err
}

// registered is the session of the registered person who calls.
func (h *Handler) registered(ctx context.Context, c *fiber.Ctx) (Session, venue.PersonID, error) {
	s, err := h.session(ctx, c)
	if err != nil || !s.Person.IsZero() {
		return s, s.Person, err
	}
	person, err := h.People.OfAccount(ctx, s.Account, s.Family)
	if isNotFound(err) {
		return s, person, web.ErrNotRegistered
	}
	return s, person, err
}

func decode(c *fiber.Ctx, into any) error {
	if json.Unmarshal(c.Request().Body(), into) != nil {
		return web.ErrBadJSON
	}
	return nil
}
