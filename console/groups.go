package console

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// Groups keeps the office directors' groups.
type Groups interface {
	// AddGroup enters one; venue.ErrExists.
	AddGroup(ctx context.Context, g venue.Group) error
	// ChangeGroup changes one; venue.ErrNotFound.
	ChangeGroup(ctx context.Context, id venue.GroupID, change func(*venue.Group)) error
}

const (
	groupsPath = "/console/groups"
	nameMost   = 40 // characters of a group's name, or sector
)

// groupRow is a group without its webhook, which is in no answer.
type groupRow struct {
	ID           venue.GroupID  `json:"id"`
	Name         string         `json:"name"`
	Division     venue.Division `json:"division"`
	DivisionName string         `json:"division_name,omitempty"`
	Sector       string         `json:"sector,omitempty"`
	Count        int            `json:"count"` // of the units in scope that are in it
}

func (h *Handler) groupRow(g venue.Group, count int) groupRow {
	return groupRow{g.ID, g.Name, g.Division, h.Divisions.FullName(g.Division), g.Sector, count}
}

type groupList struct {
	Groups []groupRow `json:"groups"`
	New    groupForm  `json:"-"`
}

// groupForm is what is known of a group, to be filled in.
type groupForm struct {
	groupRow
	Places []web.Choice
}

// groups lists those that the asker may put units into.
func (h *Handler) groups(c *call) (answer, error) {
	list, err := h.Office.Groups(c.ctx, c.by.Scope())
	if err != nil {
		return answer{}, err
	}
	out := groupList{Groups: []groupRow{}, New: groupForm{Places: h.divisions(c, "")}}
	for _, g := range list {
		units, err := h.Office.UnitsOf(c.ctx, c.by.Scope(), g.ID)
		if err != nil {
			return answer{}, err
		}
		out.Groups = append(out.Groups, h.groupRow(g, len(units)))
	}
	return answer{page: "groups", data: out}, nil
}

type groupPage struct {
	groupRow
	Units  []unitRow  `json:"units"`
	Change *groupForm `json:"-"` // nil: it is not the asker's
	Form   duties     `json:"-"`
}

// group shows one with its units.
func (h *Handler) group(c *call) (answer, error) {
	g, err := h.Office.Group(c.ctx, c.by.Scope(), venue.GroupID(c.Params("id")))
	if err != nil {
		return answer{}, err
	}
	units, err := h.Office.UnitsOf(c.ctx, c.by.Scope(), g.ID)
	if err != nil {
		return answer{}, err
	}
	form, _, err := h.duties(c)
	if err != nil {
		return answer{}, err
	}
	out := groupPage{groupRow: h.groupRow(g, len(units)), Units: []unitRow{}, Form: form}
	if h.mine(c, g) {
		out.Change = &groupForm{out.groupRow, h.divisions(c, g.Division)}
	}
	for _, u := range units {
		out.Units = append(out.Units, h.rowOf(u))
	}
	return answer{page: "group", data: out}, nil
}

// mine: a larger division's group may be used, and not changed.
func (h *Handler) mine(c *call, g venue.Group) bool {
	return c.by.May(access.GroupsWrite) && c.by.Scope().CoversDivision(g.Division)
}

// groupSent is a group as a page or a program sends it.
type groupSent struct {
	ID       string
	Name     string
	Division string
	Sector   string
	Webhook  string // the key, or the address with it; of one that is there, "" leaves it as it is
}

// addGroup enters a group. Its id is the chat platform's, which the robot tells
// whoever asks it in a group that is not registered.
func (h *Handler) addGroup(c *call) (answer, error) {
	var q groupSent
	if err := c.read(&q); err != nil {
		return answer{}, err
	}
	q.ID = strings.TrimSpace(q.ID)
	if !chatShape.MatchString(q.ID) {
		return answer{}, &venue.Invalid{Field: "chat", Reason: "shape"}
	}
	g, err := h.groupOf(c, venue.GroupID(q.ID), q)
	if err == nil && g.Webhook == nil {
		err = &venue.Invalid{Field: "webhook", Reason: "missing"}
	}
	if err == nil {
		err = h.noteGroup(c, "group.add", g)
	}
	if err == nil {
		err = h.Groups.AddGroup(c.ctx, g)
	}
	if errors.Is(err, venue.ErrExists) {
		err = errGroupThere
	}
	return answer{data: h.groupRow(g, 0), to: groupsPath}, err
}

// changeGroup changes what is known of a group. Its id stays: another chat is
// another group, and the units are put into that.
func (h *Handler) changeGroup(c *call) (answer, error) {
	was, err := h.Office.Group(c.ctx, c.by.Scope(), venue.GroupID(c.Params("id")))
	if err == nil && !h.mine(c, was) {
		err = store.ErrOutOfScope
	}
	if err != nil {
		return answer{}, err
	}
	var q groupSent
	if err := c.read(&q); err != nil {
		return answer{}, err
	}
	to, err := h.groupOf(c, was.ID, q)
	if err == nil {
		err = h.noteGroup(c, "group.change", to)
	}
	if err == nil {
		err = h.Groups.ChangeGroup(c.ctx, was.ID, func(g *venue.Group) {
			webhook := g.Webhook
			if *g = to; to.Webhook == nil {
				g.Webhook = webhook
			}
		})
	}
	return answer{to: groupsPath + "/" + string(was.ID)}, err
}

var (
	chatShape    = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_@.-]{0,127}$`)
	webhookShape = regexp.MustCompile(`^[0-9A-Za-z_-]{16,64}$`)
)

// groupOf is the group that was sent, its webhook sealed; nil if there was none.
func (h *Handler) groupOf(c *call, id venue.GroupID, q groupSent) (g venue.Group, err error) {
	g.ID = id
	if g.Name, err = venue.ParsePublic("group_name", q.Name, 2, nameMost); err != nil { // the audit has it
		return g, err
	}
	if g.Sector, err = venue.ParseTitle("sector", q.Sector, 0, nameMost); err != nil {
		return g, err
	}
	if g.Division, err = h.division(c, q.Division); err != nil {
		return g, err
	}
	if !c.by.Scope().CoversDivision(g.Division) {
		return g, &venue.Invalid{Field: "division", Reason: "unclear"}
	}
	key := strings.TrimSpace(q.Webhook)
	if key == "" {
		return g, nil
	}
	if address, err := url.Parse(key); err == nil && address.Query().Has("key") {
		key = address.Query().Get("key")
	}
	if !webhookShape.MatchString(key) {
		return g, &venue.Invalid{Field: "webhook", Reason: "shape"}
	}
	g.Webhook, err = h.SealWebhook(key)
	return g, err
}

func (h *Handler) noteGroup(c *call, action string, g venue.Group) error {
	details := map[string]string{"name": g.Name, "division": string(g.Division), "sector": g.Sector}
	if g.Webhook != nil { // what is said in the group goes elsewhere from now on
		details["webhook"] = "new"
	}
	return h.note(c, audit.Event{Action: action, Object: audit.Object{Kind: "group", ID: string(g.ID)}, Details: details})
}

// suggest is the group in which a unit would report by the look of it: that of the
// narrowest division around it, of one of its sectors or of none; zero if there is
// none.
func suggest(u venue.Unit, groups []venue.Group) (best venue.Group) {
	for _, g := range groups {
		own := slices.Contains(u.Sectors, g.Sector)
		if !g.Division.Contains(u.Division) || g.Sector != "" && !own {
			continue
		}
		level, than := g.Division.Level(), best.Division.Level()
		if level > than || level == than && own && best.Sector == "" {
			best = g
		}
	}
	return best
}

// duties is a form by which units are put into a group, or need not report.
type duties struct {
	Groups    []venue.Group // without their webhooks
	Suggested venue.GroupID // "" where the units are not of one mind
	Today     venue.Day
}

// duties suggests a group for units, unless they would be in different ones.
func (h *Handler) duties(c *call, units ...venue.Unit) (d duties, suggested []venue.Group, err error) {
	d.Today = h.today()
	d.Groups, err = h.Office.Groups(c.ctx, c.by.Scope())
	for i := range d.Groups {
		d.Groups[i].Webhook = nil
	}
	for i, u := range units {
		g := suggest(u, d.Groups)
		if suggested = append(suggested, g); i == 0 {
			d.Suggested = g.ID
		} else if d.Suggested != g.ID {
			d.Suggested = ""
		}
	}
	return d, suggested, err
}

type ungroupedRow struct {
	unitRow
	Suggested *groupRef `json:"suggested,omitempty"`
}

type groupRef struct {
	ID   venue.GroupID `json:"id"`
	Name string        `json:"name"`
}

type ungroupedList struct {
	Units []ungroupedRow `json:"units"`
	Next  venue.UnitID   `json:"next,omitempty"` // ?after= of the next page
	Form  duties         `json:"-"`
}

// ungrouped lists the units that nobody asks for a number only because they are in
// no group.
func (h *Handler) ungrouped(c *call) (answer, error) {
	units, more, err := h.Office.Ungrouped(c.ctx, c.by.Scope(), h.today(), venue.UnitID(c.Query("after")), unitsPage)
	if err != nil {
		return answer{}, err
	}
	form, suggested, err := h.duties(c, units...)
	if err != nil {
		return answer{}, err
	}
	out := ungroupedList{Units: []ungroupedRow{}, Form: form}
	for i, u := range units {
		row := ungroupedRow{unitRow: h.rowOf(u)}
		if g := suggested[i]; g.ID != "" {
			row.Suggested = &groupRef{g.ID, g.Name}
		}
		out.Units = append(out.Units, row)
	}
	if more {
		out.Next = units[len(units)-1].ID
	}
	return answer{page: "ungrouped", data: out}, nil
}

// reporting fills in how a unit reports, and the form by which that is changed.
func (h *Handler) reporting(c *call, u venue.Unit, out *unitPage) error {
	if out.Duty == venue.DutyExempt {
		out.DutyReason, out.DutyUntil = u.DutyReason, u.DutyUntil
	}
	if h.today() < u.DutyFrom {
		out.DutyFrom, out.DutyNext = u.DutyFrom, u.Duty
	}
	if out.DutyUntil != 0 && out.DutyUntil < h.today() { // it is over, and no group waits
		out.DutyReason, out.DutyUntil = registry.NotInGroup, 0
	}
	if u.Group != "" {
		switch g, err := h.Office.Group(c.ctx, c.by.Scope(), u.Group); {
		case err == nil:
			out.Group = &groupRef{g.ID, g.Name}
		case !errors.Is(err, venue.ErrNotFound):
			return err
		}
	}
	if !c.by.May(access.DutiesWrite) || u.Closed() {
		return nil
	}
	form, _, err := h.duties(c, u)
	if out.Group != nil {
		form.Suggested = out.Group.ID
	}
	out.Form = &form
	return err
}

// dutySent says how units are to report, as a page or a program sends it.
type dutySent struct {
	IDs    []venue.UnitID // of several
	Duty   venue.Duty
	Group  venue.GroupID // reports
	Until  string        // exempt: the last day
	Reason string        // exempt; of the others it may be ""
	until  venue.Day
}

// readDuty reads what is to become of units.
func (h *Handler) readDuty(c *call) (q dutySent, err error) {
	if err = c.read(&q); err != nil {
		return q, err
	}
	switch q.Duty {
	case venue.DutyReports:
		if q.Group == "" {
			return q, &venue.Invalid{Field: "group", Reason: "missing"}
		}
		_, err = h.Office.Group(c.ctx, c.by.Scope(), q.Group)
	case venue.DutyExempt:
		if q.Until == "" {
			return q, &venue.Invalid{Field: "until", Reason: "missing"}
		}
		if q.until, err = venue.ParseDay(q.Until); err != nil {
			return q, &venue.Invalid{Field: "until", Reason: "shape"}
		}
	case venue.DutyCovered:
	default:
		return q, &venue.Invalid{Field: "duty", Reason: "unknown"}
	}
	if err == nil && (q.Duty == venue.DutyExempt || q.Reason != "") {
		q.Reason, err = because(q.Reason)
	}
	return q, err
}

// assign writes down what is to become of a unit, and does it.
func (h *Handler) assign(c *call, u venue.Unit, q dutySent) error {
	details := map[string]string{"duty": string(q.Duty)}
	switch q.Duty {
	case venue.DutyReports:
		details["group"] = string(q.Group)
	case venue.DutyExempt:
		details["until"] = q.until.String()
	}
	err := h.note(c, audit.Event{Action: "unit.duty", Object: audit.Object{Kind: "unit", ID: string(u.ID)}, Reason: q.Reason, Details: details})
	if err != nil {
		return err
	}
	by := registry.Who{Account: c.by.User(), Reason: q.Reason}
	switch q.Duty {
	case venue.DutyReports:
		_, err = h.Applying.JoinGroup(c.ctx, u.ID, q.Group, by)
	case venue.DutyCovered:
		_, err = h.Applying.Cover(c.ctx, u.ID, by)
	case venue.DutyExempt:
		_, err = h.Applying.Exempt(c.ctx, u.ID, q.until, by)
	}
	return err
}

// setDuty says how a unit reports.
func (h *Handler) setDuty(c *call) (answer, error) {
	u, err := h.Office.Unit(c.ctx, c.by.Scope(), venue.UnitID(c.Params("id")))
	if err != nil {
		return answer{}, err
	}
	q, err := h.readDuty(c)
	if err == nil {
		err = h.assign(c, u, q)
	}
	return answer{to: "/console/units/" + string(u.ID)}, err
}

// assigned is what became of one of several units.
type assigned struct {
	named
	outcome
}

type assignments struct {
	Assigned int        `json:"assigned"`
	Units    []assigned `json:"units"` // as they were named
}

// Rest are those that stay as they were.
func (a assignments) Rest() []assigned { return rest(a.Units) }

// setDuties says how several units report, each as if alone. Where one of them is
// not there, or not in scope, nothing is done.
func (h *Handler) setDuties(c *call) (answer, error) {
	q, err := h.readDuty(c)
	if err != nil {
		return answer{}, err
	}
	if err := notTooMany(q.IDs); err != nil {
		return answer{}, err
	}
	units := make([]venue.Unit, len(q.IDs))
	for i, id := range q.IDs {
		if units[i], err = h.Office.Unit(c.ctx, c.by.Scope(), id); err != nil {
			return answer{}, err
		}
	}
	out := assignments{Units: make([]assigned, len(units))}
	each(len(units), func(i int) {
		u := units[i]
		out.Units[i] = assigned{named{u.ID, u.Name}, h.outcomeOf(c.ctx, audit.Object{Kind: "unit", ID: string(u.ID)}, h.assign(c, u, q))}
	})
	out.Assigned = len(units) - len(out.Rest())
	return answer{page: "assigned", data: out}, nil
}
