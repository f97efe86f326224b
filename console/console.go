// Package console is the door for officials: the register and what is missing in
// it, what they may see of the city, accounts, roles and the audit.
//
//	table → Routes → gate (who is it, may they) → handler → page or JSON
//
// Every route is a row of one table and names the permission it needs; there is
// no other way to register one. Whatever an account may not do answers as if it
// were not there, and the attempt is written to the audit trail first. So does
// whatever lies outside the account's scope.
//
// Browsers log in by form and carry a cookie; their forms carry a token that
// only pages of this session can know. Programs carry the token as a bearer, and
// are answered in JSON.
package console

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/text/unicode/norm"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/intake"
	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/poster"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// Trail is where acts are written and read again.
type Trail interface {
	Append(ctx context.Context, e audit.Event) (id string, err error)
	By(ctx context.Context, f audit.Filter, p audit.Page) (rows []audit.Row, more bool, err error)
}

// OldCodes knows what former systems printed.
type OldCodes interface {
	// Payload is what a door's QR code holds if it came with an old one, else "".
	Payload(ctx context.Context, door venue.Code) (string, error)
}

// ChatCodes makes the one-time codes by which people are bound in chat, and knows
// the managers who were.
type ChatCodes interface {
	// Make makes a code by which somebody reports for a unit.
	Make(ctx context.Context, unit venue.UnitID) (string, error)
	// MakeManager makes one by which somebody hears of red codes at a venue.
	MakeManager(ctx context.Context, id venue.VenueID) (string, error)
	// ManagerID names a manager to those who may not know the account.
	ManagerID(id venue.VenueID, account venue.ChatAccount) string
	// RemoveManager undoes what MakeManager's code did; venue.ErrNotFound.
	RemoveManager(ctx context.Context, id venue.VenueID, manager string, by registry.Who) error
}

// Handler serves the console. All fields are required but Insecure.
type Handler struct {
	Access     *access.Service
	Trail      Trail
	Proof      Proof
	Keys       Keys
	Disposal   Disposal
	Identities Identities
	Machine    venue.Clock // for how long an answer may take to be read
	Office     *store.Office
	Boards     Boards
	Incomplete func() time.Time // since when scans may not have come to the memory yet; zero: all have
	Clock      venue.Clock      // civil
	Divisions  *venue.Divisions
	Coverage   *store.Coverage
	Regulators *registry.Regulators
	Division   venue.Division // the city's
	Applying   *registry.Service
	ChatCodes  ChatCodes
	OldCodes   OldCodes
	Postings   registry.Postings
	Groups     Groups
	// SealWebhook seals the key by which words get into a group.
	SealWebhook func(key string) ([]byte, error)
	Paper       poster.Paper
	Uploads     *intake.Uploads
	Log         *slog.Logger // of what an answer can not tell any more
	// Insecure lets the cookie travel without TLS: for tests and demos on the
	// loopback address.
	Insecure bool

	walking sync.Mutex // held by the one walk over the trail
	printer printer
}

// What a route may need besides a permission.
const (
	public    = access.Permission("public") // no login
	anyone    = access.PasswordChange       // every login has it, a forced change of password too
	cookie    = "venuecode_console"         // holds the session's token
	within    = 10 * time.Second            // for a request; a login waits its turn to hash
	doneQuery = "done"                      // what was done, a key of doneWords
	denied    = "console.denied"            // the action of an attempt in the audit
	beyond    = "scope"                     // its reason, where something is there and not for the asker
)

// route is a row of the table.
type route struct {
	method, path string
	need         access.Permission
	handle       func(h *Handler, c *call) (answer, error)
}

// table is every route of the console.
var table = []route{
	{fiber.MethodGet, "/console/style.css", public, (*Handler).style},
	{fiber.MethodGet, "/console/login", public, (*Handler).loginPage},
	{fiber.MethodPost, "/console/login", public, (*Handler).login},
	{fiber.MethodPost, "/console/logout", anyone, (*Handler).logout},
	{fiber.MethodGet, "/console/password", anyone, (*Handler).passwordPage},
	{fiber.MethodPost, "/console/password", anyone, (*Handler).password},
	{fiber.MethodGet, "/console", anyone, (*Handler).home},
	{fiber.MethodGet, "/console/accounts", access.AccountsRead, (*Handler).accounts},
	{fiber.MethodPost, "/console/accounts", access.AccountsWrite, (*Handler).create},
	{fiber.MethodPost, "/console/accounts/:user/roles", access.AccountsWrite, (*Handler).setRoles},
	{fiber.MethodPost, "/console/accounts/:user/disable", access.AccountsWrite, (*Handler).disable},
	{fiber.MethodPost, "/console/accounts/:user/enable", access.AccountsWrite, (*Handler).enable},
	{fiber.MethodPost, "/console/accounts/:user/reset-password", access.AccountsWrite, (*Handler).resetPassword},
	{fiber.MethodPost, "/console/accounts/:user/reset-totp", access.AccountsWrite, (*Handler).resetTOTP},
	{fiber.MethodGet, "/console/changes", access.AccountsRead, (*Handler).changes},
	{fiber.MethodPost, "/console/changes/:id/approve", access.AccountsApprove, (*Handler).approve},
	{fiber.MethodPost, "/console/changes/:id/reject", access.AccountsApprove, (*Handler).reject},
	{fiber.MethodGet, "/console/audit", access.AuditRead, (*Handler).audit},
	{fiber.MethodGet, "/console/keys", access.KeysRotate, (*Handler).keys},
	{fiber.MethodPost, "/console/keys/rotate", access.KeysRotate, (*Handler).rotateKey},
	{fiber.MethodPost, "/console/audit/verify", access.AuditVerify, (*Handler).verifyAudit},
	{fiber.MethodGet, "/console/audit/export", access.AuditExport, (*Handler).exportAudit},
	{fiber.MethodPost, "/console/logout-everywhere", anyone, (*Handler).logoutEverywhere},
	{fiber.MethodGet, "/console/requests", access.RequestsDecide, (*Handler).requests},
	{fiber.MethodPost, "/console/requests/:id/approve", access.RequestsDecide, (*Handler).approveRequest},
	{fiber.MethodPost, "/console/requests/:id/reject", access.RequestsDecide, (*Handler).rejectRequest},
	{fiber.MethodGet, "/console/purges", access.DisposalRead, (*Handler).purges},
	{fiber.MethodPost, "/console/purges", access.PurgePlan, (*Handler).askPurge},
	{fiber.MethodPost, "/console/sunset", access.SunsetPlan, (*Handler).askSunset},
	{fiber.MethodPost, "/console/escrows", access.KeysEscrow, (*Handler).askEscrow},
	{fiber.MethodGet, "/console/certificates", access.DisposalRead, (*Handler).certificates},
	{fiber.MethodGet, "/console/certificates/:number", access.DisposalRead, (*Handler).certificate},
	{fiber.MethodGet, "/console/board", access.BoardRead, (*Handler).board},
	{fiber.MethodGet, "/console/units", access.UnitsRead, (*Handler).units},
	{fiber.MethodGet, "/console/units/:id", access.UnitsRead, (*Handler).unit},
	{fiber.MethodGet, "/console/doors", access.DoorsRead, (*Handler).doors},
	{fiber.MethodGet, "/console/ledger", access.LedgerRead, (*Handler).ledger},
	{fiber.MethodGet, "/console/coverage", access.CoverageRead, (*Handler).coverage},
	{fiber.MethodGet, "/console/coverage/missing", access.CoverageRead, (*Handler).missing},
	{fiber.MethodGet, "/console/coverage/missing.xlsx", access.CoverageRead, (*Handler).missingSheet},
	{fiber.MethodGet, "/console/coverage/deadline", access.CoverageRead, (*Handler).deadline},
	{fiber.MethodGet, "/console/coverage/deadline.xlsx", access.CoverageRead, (*Handler).deadlineSheet},
	{fiber.MethodGet, "/console/coverage/trend", access.CoverageRead, (*Handler).trend},
	{fiber.MethodGet, "/console/coverage/regulators", access.CoverageRead, (*Handler).regulators},
	{fiber.MethodGet, "/console/coverage/draft", access.NoticesDraft, (*Handler).draftNotice},
	{fiber.MethodGet, "/console/codes/silent", access.CoverageRead, (*Handler).silent},
	{fiber.MethodGet, "/console/codes/silent.xlsx", access.CoverageRead, (*Handler).silentSheet},
	{fiber.MethodGet, "/console/subjects", access.RegisterImport, (*Handler).subjects},
	{fiber.MethodPost, "/console/subjects/:id/confirm", access.RegisterImport, (*Handler).confirmSubject},
	{fiber.MethodPost, "/console/subjects/:id/refuse", access.RegisterImport, (*Handler).refuseSubject},
	{fiber.MethodGet, "/console/imports", access.RegisterSend, (*Handler).imports},
	{fiber.MethodPost, "/console/imports", access.RegisterSend, (*Handler).sendImport},
	{fiber.MethodGet, "/console/imports/template/:kind", access.RegisterSend, (*Handler).importTemplate},
	{fiber.MethodGet, "/console/imports/:id", access.RegisterSend, (*Handler).importPage},
	{fiber.MethodGet, "/console/imports/:id/problems.xlsx", access.RegisterSend, (*Handler).importProblems},
	{fiber.MethodPost, "/console/imports/:id/run", access.RegisterSend, (*Handler).runImport},
	{fiber.MethodPost, "/console/imports/:id/discard", access.RegisterSend, (*Handler).discardImport},
	{fiber.MethodGet, "/console/alarms", access.ContactsRead, (*Handler).alarms},
	{fiber.MethodPost, "/console/reveals", access.RevealIdentity, (*Handler).reveal},
	{fiber.MethodGet, "/console/applications", access.UnitsRead, (*Handler).applications},
	{fiber.MethodPost, "/console/applications", access.UnitsWrite, (*Handler).apply},
	{fiber.MethodGet, "/console/applications/new", access.UnitsWrite, (*Handler).applyPage},
	{fiber.MethodPost, "/console/applications/approve", access.CodesReview, (*Handler).approveApplications},
	{fiber.MethodGet, "/console/applications/:id", access.UnitsRead, (*Handler).application},
	{fiber.MethodPost, "/console/applications/:id/approve", access.CodesReview, (*Handler).approveApplication},
	{fiber.MethodPost, "/console/applications/:id/reject", access.CodesReview, (*Handler).rejectApplication},
	{fiber.MethodGet, "/console/units/:id/history", access.UnitsRead, (*Handler).unitHistory},
	{fiber.MethodPost, "/console/units/:id/prove", access.CodesReview, (*Handler).prove},
	{fiber.MethodPost, "/console/units/:id/merge", access.CodesReview, (*Handler).mergeUnits},
	{fiber.MethodGet, "/console/incomplete", access.UnitsRead, (*Handler).incomplete},
	{fiber.MethodGet, "/console/incomplete.xlsx", access.UnitsRead, (*Handler).incompleteSheet},
	{fiber.MethodPost, "/console/doors/:code/posted", access.VenuesWrite, (*Handler).posted},
	{fiber.MethodGet, "/console/postings/:id/photo", access.UnitsRead, (*Handler).postingPhoto},
	{fiber.MethodGet, "/console/posters", access.DoorsRead, (*Handler).posters},
	{fiber.MethodGet, "/console/venues/:id", access.UnitsRead, (*Handler).venue},
	{fiber.MethodGet, "/console/venues/:id/correct", access.VenuesWrite, (*Handler).mendPage},
	{fiber.MethodPost, "/console/venues/:id/correct", access.VenuesWrite, (*Handler).correct},
	{fiber.MethodPost, "/console/venues/:id/doors", access.VenuesWrite, (*Handler).addDoor},
	{fiber.MethodPost, "/console/venues/:id/doors/rename", access.VenuesWrite, (*Handler).renameDoor},
	{fiber.MethodPost, "/console/venues/:id/suspend", access.CodesReview, (*Handler).suspend},
	{fiber.MethodPost, "/console/venues/:id/resume", access.CodesReview, (*Handler).resume},
	{fiber.MethodPost, "/console/venues/:id/close", access.CodesReview, (*Handler).close},
	{fiber.MethodPost, "/console/venues/:id/sentinel", access.CodesReview, (*Handler).setSentinel},
	{fiber.MethodPost, "/console/venues/:id/unsentinel", access.CodesReview, (*Handler).clearSentinel},
	{fiber.MethodPost, "/console/venues/:id/transfer", access.CodesReview, (*Handler).transfer},
	{fiber.MethodPost, "/console/venues/:id/merge", access.CodesReview, (*Handler).merge},
	{fiber.MethodGet, "/console/venues/:id/contacts", access.UnitsRead, (*Handler).contacts},
	{fiber.MethodPost, "/console/venues/:id/bind-code", access.VenuesWrite, (*Handler).managerCode},
	{fiber.MethodPost, "/console/venues/:id/managers/remove", access.VenuesWrite, (*Handler).removeManager},
	{fiber.MethodPost, "/console/units/:id/bind-code", access.VenuesWrite, (*Handler).reporterCode},
	{fiber.MethodPost, "/console/units/:id/close", access.CodesReview, (*Handler).closeUnit},
	{fiber.MethodGet, "/console/groups", access.DutiesWrite, (*Handler).groups},
	{fiber.MethodPost, "/console/groups", access.GroupsWrite, (*Handler).addGroup},
	{fiber.MethodGet, "/console/groups/:id", access.DutiesWrite, (*Handler).group},
	{fiber.MethodPost, "/console/groups/:id", access.GroupsWrite, (*Handler).changeGroup},
	{fiber.MethodGet, "/console/ungrouped", access.DutiesWrite, (*Handler).ungrouped},
	{fiber.MethodPost, "/console/duties", access.DutiesWrite, (*Handler).setDuties},
	{fiber.MethodPost, "/console/units/:id/duty", access.DutiesWrite, (*Handler).setDuty},
	{fiber.MethodGet, "/console/find", access.UnitsRead, (*Handler).find},
	{fiber.MethodGet, "/console/blanks", access.CodesReview, (*Handler).blanks},
	{fiber.MethodPost, "/console/blanks", access.CodesReview, (*Handler).printBlanks},
	{fiber.MethodGet, "/console/blanks/activate", access.VenuesWrite, (*Handler).activatePage},
	{fiber.MethodPost, "/console/blanks/activate", access.VenuesWrite, (*Handler).activate},
	{fiber.MethodGet, "/console/blanks/:id/posters", access.CodesReview, (*Handler).blankPosters},
}

// Routes registers the table. A row whose need is neither public nor some
// role's permission is a mistake of the program, which then does not start.
func (h *Handler) Routes(app fiber.Router) { h.register(app, table) }

func (h *Handler) register(app fiber.Router, rows []route) {
	for _, r := range rows {
		if r.need != public && r.need != anyone && !given(r.need) {
			panic(fmt.Sprintf("%s %s needs %q, which no role gives", r.method, r.path, r.need))
		}
		app.Add(r.method, r.path, func(c *fiber.Ctx) error { return h.gate(c, r) })
	}
}

func given(p access.Permission) bool {
	return slices.ContainsFunc(access.Roles(), func(r access.Role) bool { return slices.Contains(r.Permissions(), p) })
}

// call is a request of somebody known, or of anybody on a public route.
type call struct {
	*fiber.Ctx
	ctx   context.Context
	by    access.Login
	token string // of the session
	json  bool   // how to answer
}

// answer is what to show: data as JSON, or on a page; after a form that changed
// something, to is where the browser goes.
type answer struct {
	status int // 0: 200
	page   string
	data   any
	to     string
}

// gate decides about every request before its handler sees it.
func (h *Handler) gate(f *fiber.Ctx, r route) error {
	ctx, cancel := web.Deadline(f, within)
	defer cancel()
	guard(f)
	c := &call{Ctx: f, ctx: ctx, json: asksJSON(f)}
	a, err := h.pass(c, r)
	if err == nil {
		err = h.answer(c, a)
	}
	if err != nil {
		return h.refuse(c, r, err)
	}
	return nil
}

func (h *Handler) pass(c *call, r route) (answer, error) {
	unsafe := r.method != fiber.MethodGet
	bearer := web.Bearer(c.Ctx)
	if unsafe && bearer == "" && foreign(c.Ctx) {
		return answer{}, errForm
	}
	if r.need == public {
		return r.handle(h, c)
	}
	if c.token = bearer; bearer == "" {
		c.token = c.Cookies(cookie)
	}
	var err error
	if c.by, err = h.Access.Authenticate(c.ctx, c.token); err != nil {
		return answer{}, err
	}
	if unsafe && bearer == "" && subtle.ConstantTimeCompare([]byte(c.FormValue("csrf")), []byte(formToken(c.token))) != 1 {
		return answer{}, errForm
	}
	if !c.by.May(r.need) {
		return answer{}, h.deny(c, r, string(access.RulePermission))
	}
	a, err := r.handle(h, c)
	if errors.Is(err, store.ErrOutOfScope) {
		return answer{}, h.deny(c, r, beyond)
	}
	return a, err
}

// deny writes the attempt down and answers as if there were nothing here.
func (h *Handler) deny(c *call, r route, reason string) error {
	_, err := h.Trail.Append(c.ctx, audit.Event{
		Actor: c.by.User(), Action: denied, Object: audit.Object{Kind: "route", ID: r.method + " " + r.path},
		Outcome: string(access.Refused), Reason: reason,
	})
	if err != nil {
		return fmt.Errorf("record a refusal: %w", err)
	}
	return fiber.ErrNotFound
}

// note writes down what the asker may do and is about to.
func (h *Handler) note(c *call, e audit.Event) error {
	e.Actor, e.Outcome = c.by.User(), string(access.Allowed)
	_, err := h.Trail.Append(c.ctx, e)
	return err
}

// guard keeps answers out of caches and pages out of frames.
func guard(c *fiber.Ctx) {
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	c.Vary(fiber.HeaderAccept)
}

func asksJSON(c *fiber.Ctx) bool {
	return web.Bearer(c) != "" || sentJSON(c) || c.Accepts(fiber.MIMETextHTML, fiber.MIMEApplicationJSON) == fiber.MIMEApplicationJSON
}

func sentJSON(c *fiber.Ctx) bool {
	return strings.HasPrefix(c.Get(fiber.HeaderContentType), fiber.MIMEApplicationJSON)
}

// foreign tells whether a browser says that another site's page asks. It guards
// the login, which has no session yet that its form could belong to.
func foreign(c *fiber.Ctx) bool {
	site := c.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}

// formToken proves that a form is from a page of the session. It tells nothing
// about the session's token.
func formToken(session string) string {
	sum := sha256.Sum256([]byte("console form\x00" + session))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// setCookie keeps the session's token in the browser, or takes it away if "".
func (h *Handler) setCookie(c *call, token string) {
	k := &fiber.Cookie{Name: cookie, Value: token, Path: "/console", HTTPOnly: true, Secure: !h.Insecure, SameSite: fiber.CookieSameSiteStrictMode, SessionOnly: token != ""}
	if token == "" {
		k.MaxAge, k.Expires = -1, time.Unix(1, 0)
	}
	c.Cookie(k)
}

// read fills q from JSON, or from a form's fields by their JSON names; a list's
// field may be repeated. Texts are composed (NFC), as package venue expects names.
func (c *call) read(q any) error {
	body := c.Body()
	if !sentJSON(c.Ctx) {
		fields := map[string]any{}
		c.Request().PostArgs().VisitAll(func(k, v []byte) {
			name, value := string(k), string(v)
			if list, ok := strings.CutSuffix(name, "[]"); ok {
				have, _ := fields[list].([]string)
				fields[list] = append(have, strings.FieldsFunc(value, between)...)
				return
			}
			fields[name] = value
		})
		var err error
		if body, err = json.Marshal(fields); err != nil {
			return err
		}
	}
	if json.Unmarshal(norm.NFC.Bytes(body), q) != nil {
		return errJSON
	}
	return nil
}

// between is what people put between the items of a list.
func between(r rune) bool { return strings.ContainsRune(" ,，、;；\t\r\n", r) }

// answer sends what a handler came to.
func (h *Handler) answer(c *call, a answer) error {
	if a.status != 0 {
		c.Status(a.status)
	}
	switch {
	case c.json && a.data == nil && a.to != "":
		return c.JSON(done{true})
	case c.json && a.data != nil:
		return c.JSON(a.data)
	case a.page != "":
		return h.render(c, a.page, a.data)
	case a.to != "":
		return c.Redirect(a.to+said(c.Route().Path), fiber.StatusSeeOther)
	case a.data != nil:
		return c.JSON(a.data)
	}
	return nil // sent already
}

// said is the query by which the page that follows a form tells what was done; ""
// where the page itself shows it.
func said(path string) string {
	name := strings.NewReplacer("/:", ".", "/", ".").Replace(strings.TrimPrefix(path, "/console/"))
	if doneWords[name] == "" {
		return ""
	}
	return "?" + doneQuery + "=" + name
}

type done struct {
	Done bool `json:"done"`
}

// refuse makes an error what the asker may know of it.
func (h *Handler) refuse(c *call, r route, err error) error {
	err = plain(err)
	if errors.Is(err, errSession) && !c.json {
		h.setCookie(c, "")
		return c.Redirect("/console/login", fiber.StatusSeeOther)
	}
	status, sentence := web.Sentence(err)
	if c.json || status >= fiber.StatusInternalServerError {
		return err
	}
	var invalid *venue.Invalid
	if errors.As(err, &invalid) {
		sentence = invalidSentence(invalid)
	}
	c.Status(status)
	if r.method == fiber.MethodPost && r.path == "/console/login" {
		return h.render(c, "login", sentence)
	}
	return h.render(c, "refused", sentence)
}

// plain gives errors of package access their status and sentence.
func plain(err error) error {
	var f *access.Forbidden
	var refused *registry.Refused
	switch {
	case errors.As(err, &refused) && refusals[refused.Rule] != nil:
		return refusals[refused.Rule]
	case errors.Is(err, venue.ErrExists):
		return errSame
	case errors.As(err, &f) && f.Rule == access.RulePermission:
		return fiber.ErrNotFound
	case errors.As(err, &f):
		if refusal, ok := rules[f.Rule]; ok {
			return refusal
		}
		return fiber.ErrNotFound
	case errors.Is(err, access.ErrLogin):
		return errLogin
	case errors.Is(err, access.ErrSession):
		return errSession
	}
	return err
}
