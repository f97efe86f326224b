package console

import (
	"regexp"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

func (h *Handler) style(c *call) (answer, error) {
	c.Set(fiber.HeaderContentType, "text/css; charset=utf-8")
	return answer{}, c.SendString(css)
}

func (h *Handler) loginPage(*call) (answer, error) { return answer{page: "login", data: ""}, nil }

func (h *Handler) login(c *call) (answer, error) {
	var q struct{ User, Password, TOTP string }
	if err := c.read(&q); err != nil {
		return answer{}, err
	}
	token, by, err := h.Access.Login(c.ctx, q.User, q.Password, q.TOTP, c.IP())
	if err != nil {
		return answer{}, err
	}
	if c.json {
		return answer{data: struct {
			Token      string `json:"token"`
			MustChange bool   `json:"must_change"`
		}{token, by.MustChange()}}, nil
	}
	h.setCookie(c, token)
	if by.MustChange() {
		return answer{to: "/console/password"}, nil
	}
	return answer{to: "/console"}, nil
}

func (h *Handler) logout(c *call) (answer, error) {
	if err := h.Access.Logout(c.ctx, c.by); err != nil {
		return answer{}, err
	}
	h.setCookie(c, "")
	return answer{to: "/console/login"}, nil
}

func (h *Handler) passwordPage(c *call) (answer, error) {
	return answer{page: "password", data: me(c.by)}, nil
}

func (h *Handler) password(c *call) (answer, error) {
	var q struct {
		Old, Password string
		Repeat        *string // of a form: a slip of the finger would lock its owner out
	}
	if err := c.read(&q); err != nil {
		return answer{}, err
	}
	if q.Repeat != nil && *q.Repeat != q.Password {
		return answer{}, &venue.Invalid{Field: "password", Reason: "repeat"}
	}
	if err := h.Access.ChangePassword(c.ctx, c.by, q.Old, q.Password); err != nil {
		return answer{}, err
	}
	h.setCookie(c, "")
	return answer{to: "/console/login"}, nil
}

// self is who asks.
type self struct {
	User        string              `json:"user"`
	Name        string              `json:"name"`
	Roles       []access.Role       `json:"roles"`
	Permissions []access.Permission `json:"permissions"`
	MustChange  bool                `json:"must_change"`
}

func me(by access.Login) self {
	return self{by.User(), by.Name(), by.Roles(), by.Permissions(), by.MustChange()}
}

func (h *Handler) home(c *call) (answer, error) {
	if c.by.MustChange() && !c.json {
		return answer{to: "/console/password"}, nil
	}
	return answer{page: "home", data: me(c.by)}, nil
}

// grant is access.Grant on the wire.
type grant struct {
	Roles     []access.Role    `json:"roles"`
	Divisions []venue.Division `json:"divisions,omitempty"`
	Sectors   []string         `json:"sectors,omitempty"`
	Unit      venue.UnitID     `json:"unit,omitempty"`
}

type account struct {
	User        string     `json:"user"`
	Name        string     `json:"name"`
	Grant       grant      `json:"grant"`
	Disabled    bool       `json:"disabled"`
	MustChange  bool       `json:"must_change"`
	LockedUntil *time.Time `json:"locked_until,omitempty"`
	Created     time.Time  `json:"created"`
	CreatedBy   string     `json:"created_by,omitempty"`
	Changed     time.Time  `json:"changed"`
	ChangedBy   string     `json:"changed_by,omitempty"`
}

type accountList struct {
	Accounts []account `json:"accounts"`
}

func (h *Handler) accounts(c *call) (answer, error) {
	list, err := h.Access.Accounts(c.ctx, c.by)
	if err != nil {
		return answer{}, err
	}
	out := accountList{Accounts: []account{}}
	for _, a := range list {
		row := account{User: a.User, Name: a.Name, Grant: grant(a.Grant), Disabled: a.Disabled, MustChange: a.MustChange,
			Created: a.Created.In(venue.Zone), CreatedBy: a.CreatedBy, Changed: a.Changed.In(venue.Zone), ChangedBy: a.Changer}
		if !a.LockedUntil.IsZero() {
			until := a.LockedUntil.In(venue.Zone)
			row.LockedUntil = &until
		}
		out.Accounts = append(out.Accounts, row)
	}
	return answer{page: "accounts", data: out}, nil
}

// issued holds credentials in clear: they are shown this once, to whoever hands
// them out, and never logged.
type issued struct {
	User     string `json:"user"`
	Password string `json:"password,omitempty"`
	TOTP     string `json:"totp_secret,omitempty"`
	URL      string `json:"totp_url,omitempty"`
}

// result is what an administrative act came to.
type result struct {
	Change string  `json:"change,omitempty"` // waits for a second security admin
	Issued *issued `json:"issued,omitempty"`
}

func (h *Handler) result(r access.Result, to string, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	out := result{Change: r.Change}
	if i := r.Issued; !i.Password.IsZero() || !i.TOTP.IsZero() {
		out.Issued = &issued{i.User, i.Password.Reveal(), i.TOTP.Reveal(), i.URL.Reveal()}
	}
	if out == (result{}) {
		return answer{to: to}, nil
	}
	return answer{page: "result", data: out}, nil
}

const (
	accountsPage = "/console/accounts"
	changesPage  = "/console/changes"
)

// coded puts the codes of the city's divisions in the place of their names.
func (h *Handler) coded(list []venue.Division) {
	for i, d := range list {
		if code, ok := h.Divisions.Named(string(d), h.Division); ok {
			list[i] = code
		}
	}
}

func (h *Handler) create(c *call) (answer, error) {
	var q struct {
		User, Name string
		grant
	}
	if err := c.read(&q); err != nil {
		return answer{}, err
	}
	h.coded(q.Divisions)
	r, err := h.Access.Create(c.ctx, c.by, access.Draft{User: q.User, Name: q.Name, Grant: access.Grant(q.grant)})
	return h.result(r, accountsPage, err)
}

func (h *Handler) setRoles(c *call) (answer, error) {
	var q grant
	if err := c.read(&q); err != nil {
		return answer{}, err
	}
	h.coded(q.Divisions)
	r, err := h.Access.SetRoles(c.ctx, c.by, c.Params("user"), access.Grant(q))
	return h.result(r, accountsPage, err)
}

func (h *Handler) disable(c *call) (answer, error) {
	return h.result(access.Result{}, accountsPage, h.Access.Disable(c.ctx, c.by, c.Params("user")))
}

func (h *Handler) enable(c *call) (answer, error) {
	r, err := h.Access.Enable(c.ctx, c.by, c.Params("user"))
	return h.result(r, accountsPage, err)
}

func (h *Handler) resetPassword(c *call) (answer, error) {
	i, err := h.Access.ResetPassword(c.ctx, c.by, c.Params("user"))
	return h.result(access.Result{Issued: i}, accountsPage, err)
}

func (h *Handler) resetTOTP(c *call) (answer, error) {
	i, err := h.Access.ResetTOTP(c.ctx, c.by, c.Params("user"))
	return h.result(access.Result{Issued: i}, accountsPage, err)
}

type change struct {
	ID   string    `json:"id"`
	Kind string    `json:"kind"`
	User string    `json:"user"`
	Name string    `json:"name,omitempty"`
	Was  grant     `json:"was"`
	Will grant     `json:"will"`
	By   string    `json:"by"`
	At   time.Time `json:"at"`
}

type changeList struct {
	Changes []change `json:"changes"`
}

func (h *Handler) changes(c *call) (answer, error) {
	list, err := h.Access.Changes(c.ctx, c.by)
	if err != nil {
		return answer{}, err
	}
	out := changeList{Changes: []change{}}
	for _, w := range list {
		out.Changes = append(out.Changes, change{w.ID, w.Kind, w.User, w.Name, grant(w.Was), grant(w.Grant), w.By, w.At.In(venue.Zone)})
	}
	return answer{page: "changes", data: out}, nil
}

// approve asks for a code: whoever has stolen a session has not stolen the
// second pair of eyes.
func (h *Handler) approve(c *call) (answer, error) {
	var q struct{ TOTP string }
	if err := c.read(&q); err != nil {
		return answer{}, err
	}
	if q.TOTP == "" {
		return answer{}, &venue.Invalid{Field: "totp", Reason: "missing"}
	}
	if err := h.Access.Confirm(c.ctx, c.by, q.TOTP); err != nil {
		return answer{}, err
	}
	r, err := h.Access.Approve(c.ctx, c.by, c.Params("id"))
	return h.result(r, changesPage, err)
}

func (h *Handler) reject(c *call) (answer, error) {
	return h.result(access.Result{}, changesPage, h.Access.Reject(c.ctx, c.by, c.Params("id")))
}

type auditRow struct {
	ID    string      `json:"id"`
	Event audit.Event `json:"event"`
}

// auditList is a page of the trail, the newest row first.
type auditList struct {
	Rows   []auditRow `json:"rows"`
	Next   string     `json:"next,omitempty"` // ?after= of the next page
	From   string     `json:"-"`
	To     string     `json:"-"`
	Actor  string     `json:"-"`
	Object string     `json:"-"`
}

const auditPage = 50

// What a look at the trail may be for. It is written into the trail: whoever
// looks for a name there is refused.
var (
	actorShape  = regexp.MustCompile(`^[a-z][a-z0-9._-]{2,31}$`)         // an account, or who acts without one
	objectShape = regexp.MustCompile(`^[a-z_]{1,32}:[!-~][ -~]{0,127}$`) // kind:id
)

// audit shows the trail. Who looks at it, and for whom, is a row itself, written
// first.
func (h *Handler) audit(c *call) (answer, error) {
	out := auditList{Rows: []auditRow{}, From: c.Query("from"), To: c.Query("to"), Actor: c.Query("actor"), Object: c.Query("object")}
	f := audit.Filter{Actor: out.Actor}
	if out.From != "" {
		day, err := venue.ParseDay(out.From)
		if err != nil {
			return answer{}, &venue.Invalid{Field: "from", Reason: "shape"}
		}
		f.From = day.Start()
	}
	if out.To != "" {
		day, err := venue.ParseDay(out.To)
		if err != nil {
			return answer{}, &venue.Invalid{Field: "to", Reason: "shape"}
		}
		f.To = (day + 1).Start()
	}
	if out.Actor != "" && !actorShape.MatchString(out.Actor) {
		return answer{}, &venue.Invalid{Field: "actor", Reason: "shape"}
	}
	if out.Object != "" {
		if !objectShape.MatchString(out.Object) {
			return answer{}, &venue.Invalid{Field: "object", Reason: "shape"}
		}
		kind, id, _ := strings.Cut(out.Object, ":")
		f.Object = audit.Object{Kind: kind, ID: id}
	}
	details := map[string]string{}
	for name, value := range map[string]string{"from": out.From, "to": out.To, "actor": out.Actor, "object": out.Object} {
		if value != "" {
			details[name] = value
		}
	}
	if err := h.note(c, audit.Event{Action: "audit.read", Details: details}); err != nil {
		return answer{}, err
	}
	rows, more, err := h.Trail.By(c.ctx, f, audit.Page{After: c.Query("after"), Limit: auditPage})
	if err != nil {
		return answer{}, err
	}
	for _, r := range rows {
		r.Event.At = r.Event.At.In(venue.Zone)
		out.Rows = append(out.Rows, auditRow{r.ID(), r.Event})
	}
	if more {
		out.Next = rows[len(rows)-1].ID()
	}
	return answer{page: "audit", data: out}, nil
}
