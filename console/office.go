package console

import (
	"context"
	"errors"
	"time"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/daily"
)

// Boards says how units stand on a day. Which units, the scope has decided.
type Boards interface {
	Board(ctx context.Context, day venue.Day, units []venue.Unit) (daily.Board, error)
}

const (
	unitsPage  = 100 // units of a page
	ledgerPage = 100 // messages of a page, more if they were posted at once
	// few is the number of people below which a count of them is not shown to
	// others than their own unit (rules §6, ruling S1).
	few = 5
)

// instant is a time as this door writes it.
type instant time.Time

func (i instant) String() string               { return venue.FormatInstant(time.Time(i)) }
func (i instant) MarshalText() ([]byte, error) { return []byte(i.String()), nil }
func (i instant) IsZero() bool                 { return time.Time(i).IsZero() }

// day reads a day of the query; today without one.
func (h *Handler) day(c *call) (venue.Day, error) {
	if q := c.Query("day"); q != "" {
		return venue.ParseDay(q)
	}
	return h.today(), nil
}

func (h *Handler) today() venue.Day { return venue.DayOf(h.Clock.Now()) }

// days lead to the day before and the day after, of which a future one is
// nothing to look at.
type days struct {
	Day    venue.Day  `json:"day"`
	Before venue.Day  `json:"-"`
	After  *venue.Day `json:"-"`
}

func (h *Handler) days(day venue.Day) days {
	d := days{Day: day, Before: day - 1}
	if next := day + 1; next <= h.today() {
		d.After = &next
	}
	return d
}

type boardRow struct {
	Unit      venue.UnitID  `json:"unit"`
	Name      string        `json:"name"`
	State     daily.State   `json:"state"`
	Reported  *int          `json:"reported"`
	Raw       *int          `json:"raw"`
	Effective *int          `json:"effective"`
	People    *int          `json:"people"`
	Few       bool          `json:"people_suppressed"`
	Awaiting  bool          `json:"awaiting"`
	Verdict   venue.Verdict `json:"verdict"`
}

type board struct {
	days
	AsOf     instant    `json:"as_of,omitzero"` // the counts lack some of what happened since; zero: nothing
	Due      int        `json:"due"`
	Reported int        `json:"reported"`
	Late     int        `json:"late"`
	Missing  int        `json:"missing"`
	Exempt   int        `json:"exempt"`
	Covered  int        `json:"covered"`
	Doubtful int        `json:"doubtful"`
	Awaiting int        `json:"awaiting"`
	Total    int        `json:"total"`
	Rows     []boardRow `json:"rows"`
}

// asOf is the instant up to which the counts of a day are complete; zero if they
// are altogether.
func (h *Handler) asOf(day venue.Day) instant {
	if since := h.Incomplete(); since.Before((day + 1).Start()) {
		return instant(since)
	}
	return instant{}
}

func (h *Handler) board(c *call) (answer, error) {
	day, err := h.day(c)
	if err != nil {
		return answer{}, err
	}
	units, _, err := h.Office.Units(c.ctx, c.by.Scope(), "", 0)
	if err != nil {
		return answer{}, err
	}
	b, err := h.Boards.Board(c.ctx, day, units)
	if err != nil {
		return answer{}, err
	}
	out := board{days: h.days(day), AsOf: h.asOf(day), Due: b.Due, Reported: b.Reported, Late: b.Late, Missing: b.Missing,
		Exempt: b.Exempt, Covered: b.Covered, Doubtful: b.Doubtful, Awaiting: b.Awaiting, Total: b.Total, Rows: []boardRow{}}
	own, _ := c.by.Scope().Reach()
	for _, r := range b.Rows {
		row := boardRow{Unit: r.Unit, Name: r.Name, State: r.State, Reported: r.Reported, Awaiting: r.Awaiting, Verdict: r.Verdict}
		if n := r.Counts; n != nil {
			row.Raw, row.Effective, row.People = &n.Raw, &n.Effective, &n.People
			if r.Unit != own && 0 < n.People && n.People < few {
				row.People, row.Few = nil, true
			}
		}
		out.Rows = append(out.Rows, row)
	}
	return answer{page: "board", data: out}, nil
}

// named is a unit to point at.
type named struct {
	ID   venue.UnitID `json:"id"`
	Name string       `json:"name"`
}

func namesOf(units []venue.Unit) []named {
	list := []named{}
	for _, u := range units {
		list = append(list, named{u.ID, u.Name})
	}
	return list
}

type unitRow struct {
	named
	Division     venue.Division `json:"division"`
	DivisionName string         `json:"division_name,omitempty"` // in full, if it is listed
	Sectors      []string       `json:"sectors"`
	Duty         venue.Duty     `json:"duty"`             // today
	Status       venue.Status   `json:"status,omitempty"` // pending: its register entry must be seen; closed; else nothing
}

func (h *Handler) rowOf(u venue.Unit) unitRow {
	row := unitRow{named{u.ID, u.Name}, u.Division, h.Divisions.FullName(u.Division), append([]string{}, u.Sectors...), u.DutyOn(h.today()), ""}
	if u.Pending() || u.Closed() {
		row.Status = u.Status
	}
	return row
}

type unitList struct {
	Units []unitRow    `json:"units"`
	Next  venue.UnitID `json:"next,omitempty"` // ?after= of the next page
}

func (h *Handler) units(c *call) (answer, error) {
	units, more, err := h.Office.Units(c.ctx, c.by.Scope(), venue.UnitID(c.Query("after")), unitsPage)
	if err != nil {
		return answer{}, err
	}
	out := unitList{Units: []unitRow{}}
	for _, u := range units {
		out.Units = append(out.Units, h.rowOf(u))
	}
	if more {
		out.Next = units[len(units)-1].ID
	}
	return answer{page: "units", data: out}, nil
}

type unitPage struct {
	unitRow
	ShortName  string     `json:"short_name,omitempty"`
	USCC       venue.USCC `json:"uscc,omitempty"`
	Headcount  int        `json:"headcount"`
	DutyReason string     `json:"duty_reason,omitempty"`
	DutyUntil  venue.Day  `json:"duty_until,omitzero"` // the last day of an exemption
	DutyFrom   venue.Day  `json:"duty_from,omitzero"`  // it has the next duty from then on, and not yet
	DutyNext   venue.Duty `json:"duty_next,omitempty"`
	Group      *groupRef  `json:"group,omitempty"`  // if its name may be known
	Parent     *named     `json:"parent,omitempty"` // if it is in scope
	Below      []named    `json:"below"`            // those in scope
	Form       *duties    `json:"-"`                // nil: the asker decides nothing about it
}

func (h *Handler) unit(c *call) (answer, error) {
	scope := c.by.Scope()
	u, err := h.Office.Unit(c.ctx, scope, venue.UnitID(c.Params("id")))
	if err != nil {
		return answer{}, err
	}
	out := unitPage{unitRow: h.rowOf(u), ShortName: u.ShortName, USCC: u.USCC, Headcount: u.Headcount}
	if err := h.reporting(c, u, &out); err != nil {
		return answer{}, err
	}
	above, err := h.Office.Unit(c.ctx, scope, u.Parent)
	if err == nil {
		out.Parent = &named{above.ID, above.Name}
	} else if !errors.Is(err, venue.ErrNotFound) {
		return answer{}, err
	}
	below, err := h.Office.Below(c.ctx, scope, u.ID)
	if err != nil {
		return answer{}, err
	}
	out.Below = namesOf(below)
	return answer{page: "unit", data: out}, nil
}

type doorRow struct {
	Code   venue.Code   `json:"code"`
	Name   string       `json:"name"`
	Status venue.Status `json:"status"`
	Posted instant      `json:"posted,omitzero"` // when somebody confirmed that it hangs there
	Venue  venueOf      `json:"venue"`
}

type venueOf struct {
	ID       venue.VenueID  `json:"id"`
	Name     string         `json:"name"`
	Type     string         `json:"type"`
	Category venue.Category `json:"category"`
	Division venue.Division `json:"division"`
	Address  string         `json:"address"`
	Sentinel bool           `json:"sentinel"`
	Status   venue.Status   `json:"status"`
}

type doorList struct {
	Unit  named     `json:"unit"`
	Doors []doorRow `json:"doors"`
}

// doors shows those of a unit; without one, of whoever has but one.
func (h *Handler) doors(c *call) (answer, error) {
	scope, id := c.by.Scope(), venue.UnitID(c.Query("unit"))
	if id == "" {
		if id, _ = scope.Reach(); id == "" {
			return answer{}, &venue.Invalid{Field: "unit", Reason: "missing"}
		}
	}
	u, err := h.Office.Unit(c.ctx, scope, id)
	if err != nil {
		return answer{}, err
	}
	places, err := h.Office.Doors(c.ctx, scope, id)
	if err != nil {
		return answer{}, err
	}
	out := doorList{Unit: named{u.ID, u.Name}, Doors: []doorRow{}}
	for _, p := range places {
		v := p.Venue
		out.Doors = append(out.Doors, doorRow{p.Door.Code, p.Door.Name, p.Door.Status, instant(p.Door.Posted),
			venueOf{v.ID, v.Name, v.Type, v.Category, v.Division, v.Address, v.Sentinel, v.Status}})
	}
	return answer{page: "doors", data: out}, nil
}

type ledgerLine struct {
	Kind     venue.MessageKind `json:"kind"`
	Channel  venue.Channel     `json:"channel"`
	Group    string            `json:"group,omitempty"` // without one it goes to a person
	Units    []named           `json:"units"`
	Day      venue.Day         `json:"day"`
	Late     bool              `json:"late"`
	Posted   instant           `json:"posted"`
	Due      instant           `json:"due"`
	State    string            `json:"state"`
	Attempts int               `json:"attempts"`
	Sent     instant           `json:"sent,omitzero"`
	Outcome  string            `json:"outcome,omitempty"`
}

type ledger struct {
	days
	Lines []ledgerLine `json:"lines"`
	Next  instant      `json:"next,omitzero"` // ?before= of the next page
}

// ledger shows the messages posted on a day, the newest first.
func (h *Handler) ledger(c *call) (answer, error) {
	day, err := h.day(c)
	if err != nil {
		return answer{}, err
	}
	to := (day + 1).Start()
	if q := c.Query("before"); q != "" {
		before, err := time.Parse(venue.InstantFormat, q)
		if err != nil {
			return answer{}, &venue.Invalid{Field: "before", Reason: "shape"}
		}
		if before.Before(to) {
			to = before
		}
	}
	lines, more, err := h.Office.Ledger(c.ctx, c.by.Scope(), day.Start(), to, ledgerPage)
	if err != nil {
		return answer{}, err
	}
	out := ledger{days: h.days(day), Lines: []ledgerLine{}}
	for _, l := range lines {
		out.Lines = append(out.Lines, ledgerLine{l.Kind, l.Channel, l.Group, namesOf(l.Units), l.Day, l.Late,
			instant(l.Posted), instant(l.Due), l.State, l.Attempts, instant(l.Sent), l.Outcome})
	}
	if more {
		out.Next = instant(lines[len(lines)-1].Posted)
	}
	return answer{page: "ledger", data: out}, nil
}
