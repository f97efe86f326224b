package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

const (
	missingPage  = 100 // subjects of a page
	deadlinePage = 200 // units of a list, on a page
	trendDays    = 90  // at most, and unless less are asked for 30
	silentDays   = 7   // unless others are asked for
	silentMost   = 60
)

// question is what coverage is asked of, and of when the answer is.
type question struct {
	Division  venue.Division `json:"division,omitempty"`
	Place     string         `json:"division_name,omitempty"`
	Places    []web.Choice   `json:"-"` // to choose from
	Sector    string         `json:"sector,omitempty"`
	Class     venue.Category `json:"class,omitempty"`
	AsOf      instant        `json:"as_of,omitzero"`
	Importing bool           `json:"importing,omitempty"` // the register is being imported, or was not to the end
}

// filter reads what is asked of.
func (h *Handler) filter(c *call) (q question, f registry.Filter, err error) {
	q.Sector = c.Query("sector")
	if text := c.Query("division"); text != "" {
		if q.Division, err = h.division(c, text); err != nil {
			return q, f, err
		}
		q.Place = h.Divisions.FullName(q.Division)
	}
	if !c.json {
		q.Places = h.divisions(c, q.Division)
	}
	if text := c.Query("class"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < int(venue.CategoryOrganisation) || n > int(venue.CategoryOther) {
			return q, f, &venue.Invalid{Field: "class", Reason: "range"}
		}
		q.Class = venue.Category(n)
	}
	return q, registry.Filter{Division: q.Division, Sector: q.Sector, Category: q.Class}, nil
}

// about names what is asked of.
func (q question) about() string {
	about := cmp.Or(q.Place, string(q.Division), wholeScope)
	if q.Sector != "" {
		about += q.Sector + "行业"
	}
	if q.Class != 0 {
		about += names["class"][strconv.Itoa(int(q.Class))]
	}
	return about
}

// of says of when an answer is.
func (q *question) of(a store.AsOf) { q.AsOf, q.Importing = instant(a.At), a.Importing }

// filled makes a picture that is not there yet a sentence of its own.
func filled(err error) error {
	if errors.Is(err, store.ErrFilling) {
		return errFilling
	}
	return err
}

type coverageRow struct {
	Division venue.Division `json:"division,omitempty"`
	Place    string         `json:"division_name,omitempty"`
	Sector   *string        `json:"sector,omitempty"` // "" is none given
	registry.Coverage
}

type classRow struct {
	Class venue.Category `json:"class"` // 0: none given
	registry.Coverage
}

type coverage struct {
	question
	registry.Coverage
	Rows      []coverageRow        `json:"rows"`
	Divisions []coverageRow        `json:"divisions"` // the lowest first, as sectors
	Sectors   []coverageRow        `json:"sectors"`
	Classes   []classRow           `json:"classes"`
	Lack      map[registry.Gap]int `json:"lack"`
	Idle      int                  `json:"not_required"` // cancelled, revoked, moved, exempt, or not in the last register
	Outside   int                  `json:"outside_register"`
}

// summary is the coverage that was asked for.
func (h *Handler) summary(c *call) (q question, s registry.Summary, err error) {
	q, f, err := h.filter(c)
	if err != nil {
		return q, s, err
	}
	s, asOf, err := h.Coverage.Summary(c.ctx, c.by.Scope(), f)
	q.of(asOf)
	return q, s, filled(err)
}

func (h *Handler) coverage(c *call) (answer, error) {
	q, s, err := h.summary(c)
	if err != nil {
		return answer{}, err
	}
	out := coverage{question: q, Coverage: s.Coverage, Lack: s.Lack, Idle: s.Idle, Outside: s.Outside, Classes: []classRow{},
		Rows: h.coverageRows(s.Rows, true, true), Divisions: h.coverageRows(s.Divisions, true, false), Sectors: h.coverageRows(s.Sectors, false, true)}
	for class, sum := range s.Classes {
		if sum.Must > 0 {
			out.Classes = append(out.Classes, classRow{venue.Category(class), sum})
		}
	}
	return answer{page: "coverage", data: out}, nil
}

func (h *Handler) coverageRows(rows []registry.CoverageRow, division, sector bool) []coverageRow {
	out := make([]coverageRow, len(rows))
	for i, r := range rows {
		out[i].Coverage = r.Coverage
		if division {
			out[i].Division, out[i].Place = r.Division, h.Divisions.Name(r.Division)
		}
		if sector {
			out[i].Sector = &r.Sector
		}
	}
	return out
}

type missingRow struct {
	ID       string         `json:"id"`
	Name     string         `json:"name"`
	USCC     venue.USCC     `json:"uscc,omitempty"`
	Address  string         `json:"address,omitempty"`
	Division venue.Division `json:"division"`
	Place    string         `json:"division_name,omitempty"`
	Sector   string         `json:"sector,omitempty"`
	Gap      registry.Gap   `json:"gap"`
	Unit     venue.UnitID   `json:"unit,omitempty"` // if it is in scope
	UnitName string         `json:"unit_name,omitempty"`
}

type missing struct {
	question
	Gap   registry.Gap `json:"gap,omitempty"`
	Total int          `json:"total"`
	Rows  []missingRow `json:"rows"`
	Next  string       `json:"next,omitempty"` // ?after= of the next page
}

// behind reads where a page of subjects begins: division and id.
func behind(c *call) (registry.Gapped, error) {
	text := c.Query("after")
	if text == "" {
		return registry.Gapped{}, nil
	}
	division, id, ok := strings.Cut(text, "-")
	if _, err := venue.ParseDivision(division); !ok || err != nil {
		return registry.Gapped{}, &venue.Invalid{Field: "after", Reason: "shape"}
	}
	return registry.Gapped{Division: venue.Division(division), ID: id}, nil
}

func pageBehind(division venue.Division, id string) string { return string(division) + "-" + id }

// lacking reads which gap is asked for.
func lacking(c *call) (registry.Gap, error) {
	switch g := registry.Gap(c.Query("gap")); g {
	case "", registry.GapUnit, registry.GapCode, registry.GapIncomplete, registry.GapPosting:
		return g, nil
	}
	return "", &venue.Invalid{Field: "gap", Reason: "unknown"}
}

func (h *Handler) missingRow(m store.MissingSubject) missingRow {
	d := m.Gapped.Division
	row := missingRow{ID: m.Gapped.ID, Name: m.Name, USCC: m.USCC, Address: m.Address, Division: d, Place: h.Divisions.FullName(d), Sector: m.Sector, Gap: m.Gap, UnitName: m.UnitName}
	if m.UnitName != "" {
		row.Unit = m.Unit
	}
	return row
}

func (h *Handler) missing(c *call) (answer, error) {
	q, f, err := h.filter(c)
	if err != nil {
		return answer{}, err
	}
	gap, err := lacking(c)
	if err != nil {
		return answer{}, err
	}
	after, err := behind(c)
	if err != nil {
		return answer{}, err
	}
	list, total, asOf, err := h.Coverage.Missing(c.ctx, c.by.Scope(), f, gap, after, missingPage)
	if err != nil {
		return answer{}, filled(err)
	}
	q.of(asOf)
	out := missing{question: q, Gap: gap, Total: total, Rows: make([]missingRow, 0, len(list))}
	for _, m := range list {
		out.Rows = append(out.Rows, h.missingRow(m))
	}
	if len(list) == missingPage {
		last := list[len(list)-1].Gapped
		out.Next = pageBehind(last.Division, last.ID)
	}
	return answer{page: "missing", data: out}, nil
}

// missingSheet is the whole list, in the columns of the register.
func (h *Handler) missingSheet(c *call) (answer, error) {
	q, f, err := h.filter(c)
	if err != nil {
		return answer{}, err
	}
	gap, err := lacking(c)
	if err != nil {
		return answer{}, err
	}
	err = h.workbook(c, missingList, func(ctx context.Context, begin beginning) error {
		var row func(...string) error
		return h.Coverage.EachMissing(ctx, c.by.Scope(), f, gap, registry.Gapped{}, 0, func(total int, asOf store.AsOf) (err error) {
			row, err = begin(fmt.Sprintf(missingTitle, q.about(), minuteOf(asOf.At), total))
			return err
		}, func(m store.MissingSubject) error {
			r := h.missingRow(m)
			return row(r.Name, string(r.USCC), r.Address, string(r.Division), r.Place, r.Sector, names["gap"][string(r.Gap)], r.UnitName)
		})
	})
	return answer{}, filled(err)
}

type deadlineRow struct {
	named
	Division venue.Division `json:"division"`
	Place    string         `json:"division_name,omitempty"`
	Coded    instant        `json:"coded,omitzero"`
	Posted   instant        `json:"posted,omitzero"`
}

// Lists of a deadline, as ?list= names them.
const (
	listWithout  = "without_code"
	listUnposted = "unposted"
)

type deadlineList struct {
	Kind  string        `json:"-"`
	Total int           `json:"total"`
	Rows  []deadlineRow `json:"rows"`
	Next  string        `json:"next,omitempty"` // ?after= of the list's next page
}

type deadline struct {
	question
	At       instant      `json:"at"`
	Unit     venue.UnitID `json:"unit,omitempty"` // and those below it
	Units    int          `json:"units"`
	Without  deadlineList `json:"without_code"`
	Unposted deadlineList `json:"unposted"`
	List     string       `json:"-"` // which alone was asked for; "": both
}

// Lists are those that the page shows.
func (d deadline) Lists() (shown []deadlineList) {
	for _, l := range []deadlineList{d.Without, d.Unposted} {
		if d.List == "" || d.List == l.Kind {
			shown = append(shown, l)
		}
	}
	return shown
}

// judged reads what is asked of a deadline, and judges; without an instant, by the
// end of today.
func (h *Handler) judged(c *call, after registry.Gapped, limit int) (out deadline, d registry.Deadline, err error) {
	q, f, err := h.filter(c)
	if err != nil {
		return out, d, err
	}
	at := (h.today() + 1).Start()
	if text := c.Query("at"); text != "" {
		if at, err = parseInstant(text); err != nil {
			return out, d, err
		}
	}
	q.Class = 0 // a unit has none
	out = deadline{question: q, At: instant(at), Unit: venue.UnitID(c.Query("unit")), List: c.Query("list")}
	if out.List != "" && out.List != listWithout && out.List != listUnposted {
		return out, d, &venue.Invalid{Field: "list", Reason: "unknown"}
	}
	d, asOf, err := h.Coverage.Deadline(c.ctx, c.by.Scope(), f, out.Unit, at, after, limit)
	out.of(asOf)
	out.Units = d.Units
	return out, d, filled(err)
}

// deadline shows both lists from their beginning, or a page of one.
func (h *Handler) deadline(c *call) (answer, error) {
	after, err := behind(c)
	if err != nil {
		return answer{}, err
	}
	out, d, err := h.judged(c, after, deadlinePage+1) // one more tells that there is one
	if err != nil {
		return answer{}, err
	}
	if out.List == "" && after.ID != "" {
		return answer{}, &venue.Invalid{Field: "list", Reason: "missing"}
	}
	list := func(kind string, late registry.Late) deadlineList {
		l := deadlineList{Kind: kind, Total: late.Total, Rows: []deadlineRow{}}
		if out.List != "" && out.List != kind {
			return l
		}
		for _, u := range late.Units[:min(len(late.Units), deadlinePage)] {
			l.Rows = append(l.Rows, deadlineRow{named{u.ID, u.Name}, u.Division, h.Divisions.FullName(u.Division), instant(u.Coded), instant(u.Posted)})
		}
		if len(late.Units) > deadlinePage {
			last := l.Rows[deadlinePage-1]
			l.Next = pageBehind(last.Division, string(last.ID))
		}
		return l
	}
	out.Without, out.Unposted = list(listWithout, d.WithoutAny), list(listUnposted, d.Unposted)
	return answer{page: "deadline", data: out}, nil
}

// deadlineSheet is one of the lists, whole.
func (h *Handler) deadlineSheet(c *call) (answer, error) {
	if c.Query("list") == "" {
		return answer{}, &venue.Invalid{Field: "list", Reason: "missing"}
	}
	out, d, err := h.judged(c, registry.Gapped{}, 0)
	if err != nil {
		return answer{}, err
	}
	l, late := deadlineLists[out.List], d.WithoutAny
	if out.List == listUnposted {
		late = d.Unposted
	}
	return answer{}, h.workbook(c, l, func(_ context.Context, begin beginning) error {
		row, err := begin(fmt.Sprintf(deadlineTitle, out.about(), l.name, minuteOf(time.Time(out.At)), minuteOf(time.Time(out.AsOf)), late.Total))
		for _, u := range late.Units {
			if err == nil {
				err = row(u.Name, string(u.USCC), string(u.Division), h.Divisions.FullName(u.Division), strings.Join(u.Sectors, "、"), minuteOf(u.Coded), minuteOf(u.Posted))
			}
		}
		return err
	})
}

// parseInstant reads an instant as programs write it, or as a page's field does,
// which has no zone.
func parseInstant(text string) (time.Time, error) {
	for _, format := range []string{time.RFC3339, "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(format, text, venue.Zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, &venue.Invalid{Field: "at", Reason: "shape"}
}

type trendRow struct {
	Day venue.Day `json:"day"`
	registry.Coverage
}

type trend struct {
	question
	Days  []trendRow `json:"days"`
	Asked int        `json:"-"` // how many days
}

// trend shows the days that were kept, and today as it is.
func (h *Handler) trend(c *call) (answer, error) {
	q, f, err := h.filter(c)
	if err != nil {
		return answer{}, err
	}
	q.Class, f.Category = 0, 0 // days are kept without
	n, err := count(c, "days", 30, trendDays)
	if err != nil {
		return answer{}, err
	}
	today := h.today()
	days, err := h.Coverage.Trend(c.ctx, c.by.Scope(), f, today-venue.Day(n)+1, today-1)
	if err != nil {
		return answer{}, err
	}
	s, asOf, err := h.Coverage.Summary(c.ctx, c.by.Scope(), f)
	if err != nil {
		return answer{}, filled(err)
	}
	q.of(asOf)
	out := trend{question: q, Asked: n}
	for _, d := range append(days, store.CoverageDay{Day: today, Coverage: s.Coverage}) {
		out.Days = append(out.Days, trendRow(d))
	}
	return answer{page: "trend", data: out}, nil
}

// count reads a number of the query from 1 to most.
func count(c *call, field string, usual, most int) (int, error) {
	text := c.Query(field)
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, &venue.Invalid{Field: field, Reason: "range"}
	}
	return n, nil
}

type regulatorRow struct {
	Regulator string         `json:"regulator"` // "": nobody is named
	Division  venue.Division `json:"division,omitempty"`
	Place     string         `json:"division_name,omitempty"`
	registry.Coverage
}

type regulators struct {
	question
	registry.Coverage                // of the whole
	Totals            []regulatorRow `json:"totals"`
	Rows              []regulatorRow `json:"rows"`
	Unnamed           []string       `json:"unnamed"` // types or sectors for which nobody is named
}

func (h *Handler) regulators(c *call) (answer, error) {
	q, f, err := h.filter(c)
	if err != nil {
		return answer{}, err
	}
	scope := c.by.Scope()
	rows, totals, unnamed, asOf, err := h.Coverage.ByRegulator(c.ctx, scope, f, h.Regulators)
	if err != nil {
		return answer{}, filled(err)
	}
	s, _, err := h.Coverage.Summary(c.ctx, scope, f)
	if err != nil {
		return answer{}, filled(err)
	}
	q.of(asOf)
	list := func(rows []registry.RegulatorRow) []regulatorRow {
		out := []regulatorRow{}
		for _, r := range rows {
			out = append(out, regulatorRow{r.Name, r.Division, h.Divisions.Name(r.Division), r.Coverage})
		}
		return out
	}
	return answer{page: "regulators", data: regulators{q, s.Coverage, list(totals), list(rows), append([]string{}, unnamed...)}}, nil
}

type silentRow struct {
	Unit  named        `json:"unit"`
	Venue string       `json:"venue"`
	Door  string       `json:"door"`
	Code  venue.Code   `json:"code"`
	State venue.Status `json:"status"`
	Guard bool         `json:"sentinel"`
}

type silent struct {
	question
	Days   int          `json:"days"`
	Looked int          `json:"looked"` // doors of this page
	Rows   []silentRow  `json:"rows"`
	Next   venue.UnitID `json:"next,omitempty"` // ?after= of the next page
}

// silence reads what is asked of silent codes.
func (h *Handler) silence(c *call) (q question, f registry.Filter, days int, err error) {
	if q, f, err = h.filter(c); err == nil {
		days, err = count(c, "days", silentDays, silentMost)
	}
	return q, f, days, err
}

// silent lists codes that nobody scanned for some days.
func (h *Handler) silent(c *call) (answer, error) {
	q, f, days, err := h.silence(c)
	if err != nil {
		return answer{}, err
	}
	list, looked, next, err := h.Coverage.Silent(c.ctx, c.by.Scope(), f, days, venue.UnitID(c.Query("after")), missingPage)
	if err != nil {
		return answer{}, err
	}
	out := silent{question: q, Days: days, Looked: looked, Rows: []silentRow{}, Next: next}
	for _, d := range list {
		out.Rows = append(out.Rows, silentRow{named{d.Unit.ID, d.Unit.Name}, d.Venue.Name, d.Door.Name, d.Door.Code, d.Door.Status, d.Venue.Sentinel})
	}
	return answer{page: "silent", data: out}, nil
}

// silentSheet is the whole list. Whoever leaves before its end is not waited for.
func (h *Handler) silentSheet(c *call) (answer, error) {
	q, f, days, err := h.silence(c)
	if err != nil {
		return answer{}, err
	}
	q.Class = 0 // a unit has none
	return answer{}, h.workbook(c, silentList, func(ctx context.Context, begin beginning) error {
		var row func(...string) error
		for after := venue.UnitID(""); row == nil || after != ""; {
			doors, _, next, err := h.Coverage.Silent(ctx, c.by.Scope(), f, days, after, missingPage)
			if err == nil && row == nil {
				row, err = begin(fmt.Sprintf(silentTitle, q.about(), days, minuteOf(h.Clock.Now())))
			}
			for _, d := range doors {
				if err == nil {
					err = row(d.Unit.Name, d.Venue.Name, d.Door.Name, string(d.Door.Code), names["status"][string(d.Door.Status)], string(d.Unit.Division), h.Divisions.FullName(d.Unit.Division), d.Venue.Address)
				}
			}
			if err != nil {
				return err
			}
			after = next
		}
		return nil
	})
}

type draft struct {
	question
	registry.Coverage
	Text string `json:"text"`
}

// draftNotice words what coverage is, for an official to go on from. It is not
// kept and goes to nobody.
func (h *Handler) draftNotice(c *call) (answer, error) {
	q, s, err := h.summary(c)
	if err != nil {
		return answer{}, err
	}
	return answer{page: "draft", data: draft{q, s.Coverage, coverageNotice(q, s, h.coverageRows(s.Divisions, true, false))}}, nil
}
