package registry

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// Coverage 覆盖率 is two whole numbers: of the subjects that must have a code, how
// many have a posted one. A subject counts once however many doors it has, so
// that have is never above must. 0 of 0 is "none required".
type Coverage struct {
	Have int `json:"have"`
	Must int `json:"must"`
}

func (c *Coverage) add(o Coverage) { c.Have, c.Must = c.Have+o.Have, c.Must+o.Must }

// Gap is what a subject lacks.
type Gap string

// The gaps, from the widest.
const (
	GapUnit       Gap = "unit"       // no unit is known to be it
	GapCode       Gap = "code"       // its unit has no code in use
	GapIncomplete Gap = "incomplete" // an old code, whose missing fields are not completed
	GapPosting    Gap = "posting"    // a code that nobody has confirmed as posted
	GapNone       Gap = ""           // a posted code
)

var gaps = []Gap{GapUnit, GapCode, GapIncomplete, GapPosting, GapNone}

// Holding is a unit with what it has of codes.
type Holding struct {
	ID       venue.UnitID
	Name     string
	USCC     venue.USCC
	Parent   venue.UnitID
	Division venue.Division
	Sectors  []string
	Ended    bool         // it is closed or merged, and has no codes and no division
	Into     venue.UnitID // the unit that it was merged into

	Codes  int       // doors that may be scanned
	Active bool      // one of them lacks nothing
	Coded  time.Time // since when it has one of them; zero: it has none
	Posted time.Time // since when one that is active hangs there; zero: nobody has said so
}

// Gap is what the unit lacks.
func (h Holding) Gap() Gap {
	switch {
	case h.Codes == 0:
		return GapCode
	case !h.Active:
		return GapIncomplete
	case h.Posted.IsZero():
		return GapPosting
	}
	return GapNone
}

func (h Holding) unit() venue.Unit {
	return venue.Unit{ID: h.ID, Name: h.Name, Division: h.Division, Sectors: h.Sectors}
}

// Decision is what a person said of a unit and a subject. One that holds makes
// the unit stand for the subject, unless the register knows the unit by its USCC.
type Decision struct {
	Unit    venue.UnitID
	Subject string
	Same    bool
	By      string // the account
	At      time.Time
}

// Picture is the register and the units that stand for its subjects, as small as
// coverage needs it: no name of a subject is in it. Fill it, then Sum it for a
// day; what it answers is of that sum. It is not safe for concurrent use but for
// the questions, which all take the scope of whoever asks.
type Picture struct {
	subjects []subject
	place    map[string]int // of a subject, by id
	units    []Holding
	placed   map[venue.UnitID]int
	said     map[venue.UnitID]string   // confirmed: the subject that a unit stands for
	refused  map[Decision]bool         // of unit and subject alone
	left     map[venue.UnitID]*subject // to a unit, by those that were merged into it; of the sum
	cells    map[cellKey]*cell
	outside  map[outsideKey]int

	stale bool
	day   venue.Day
}

type cellKey struct {
	division     venue.Division
	sector, kind string
	category     venue.Category
}

// cell is the subjects that differ in nothing that is asked for.
type cell struct {
	cellKey
	Coverage
	idle int // subjects that need not have a code
	lack [4]int
}

type subject struct {
	*cell
	id    string
	never bool      // it need not have a code
	from  venue.Day // the first day on which it must
	rank  int       // by gaps, of the best of its units
	unit  venue.UnitID
}

func (s *subject) must(on venue.Day) bool { return !s.never && on >= s.from }

// outsideKey is where the codes are of units that stand for no subject.
type outsideKey struct {
	division venue.Division
	sectors  string
}

// NewPicture is the picture of nothing.
func NewPicture() *Picture {
	return &Picture{place: map[string]int{}, placed: map[venue.UnitID]int{}, cells: map[cellKey]*cell{}, stale: true}
}

// Subject puts one in, or puts it anew.
func (p *Picture) Subject(id string, s Subject) {
	key := cellKey{s.Division, s.Sector, s.Type, s.Category}
	c := p.cells[key]
	if c == nil {
		c = &cell{cellKey: key}
		p.cells[key] = c
	}
	in := subject{cell: c, id: id, never: s.State != SubjectActive || s.Gone != 0 || s.Exempt != "" && s.Until == 0}
	if s.Exempt != "" {
		in.from = s.Until + 1
	}
	if i, ok := p.place[id]; ok {
		p.subjects[i] = in
	} else {
		p.place[id], p.subjects = len(p.subjects), append(p.subjects, in)
	}
	p.stale = true
}

// Unit puts one in, or puts it anew.
func (p *Picture) Unit(h Holding) {
	if i, ok := p.placed[h.ID]; ok {
		p.units[i] = h
	} else {
		p.placed[h.ID], p.units = len(p.units), append(p.units, h)
	}
	p.stale = true
}

// Decided puts in all that people said, instead of what was said before. A
// refusal holds against a confirmation of the same.
func (p *Picture) Decided(all []Decision) {
	p.said, p.refused = map[venue.UnitID]string{}, map[Decision]bool{}
	for _, d := range all {
		if !d.Same {
			p.refused[Decision{Unit: d.Unit, Subject: d.Subject}] = true
		}
	}
	for _, d := range all {
		if d.Same && !p.refused[Decision{Unit: d.Unit, Subject: d.Subject}] {
			p.said[d.Unit] = d.Subject
		}
	}
	p.stale = true
}

// Subjects takes the subjects of another picture instead of its own, and Units
// the units: what is read anew as a whole is read beside what is asked.
func (p *Picture) Subjects(of *Picture) {
	p.subjects, p.place, p.cells, p.stale = of.subjects, of.place, of.cells, true
}

// Units see Subjects.
func (p *Picture) Units(of *Picture) { p.units, p.placed, p.stale = of.units, of.placed, true }

// Summed tells whether Sum for a day has nothing to do.
func (p *Picture) Summed(on venue.Day) bool { return !p.stale && p.day == on }

// standsFor is the subject that a unit is; nil if none of the register. A unit that
// is none of its own is the one that it was left.
func (p *Picture) standsFor(h *Holding) *subject {
	if h.Ended {
		return nil
	}
	if s := p.own(h); s != nil {
		return s
	}
	return p.left[h.ID]
}

// own is the subject that a unit is, or was before it ended, by its USCC or by what
// people said.
func (p *Picture) own(h *Holding) *subject {
	if h.USCC != "" {
		if i, ok := p.place[string(h.USCC)]; ok {
			return &p.subjects[i]
		}
	}
	if id, ok := p.said[h.ID]; ok {
		if i, ok := p.place[id]; ok {
			return &p.subjects[i]
		}
	}
	return nil
}

// Forsakes tells whether a subject that must have a code has no unit any more once
// one unit is merged into another: both are in the register, as different ones, and
// the other stays what it is.
func (p *Picture) Forsakes(merged, into venue.UnitID) bool {
	subjectOf := func(id venue.UnitID) *subject {
		i, ok := p.placed[id]
		if !ok {
			return nil
		}
		return p.standsFor(&p.units[i])
	}
	s, other := subjectOf(merged), subjectOf(into)
	if s == nil || other == nil || s == other || !s.must(p.day) {
		return false
	}
	return !slices.ContainsFunc(p.units, func(h Holding) bool { return h.ID != merged && p.standsFor(&h) == s })
}

// inherit leaves the subjects of merged units to those that stand for them. A unit
// stands for one: of several it gets the first by id, of those that are in force if
// any is.
func (p *Picture) inherit() {
	p.left = map[venue.UnitID]*subject{}
	for i := range p.units {
		from := &p.units[i]
		if from.Into == "" {
			continue
		}
		s, into := p.own(from), p.standing(from)
		if s == nil || into == nil || p.refused[Decision{Unit: into.ID, Subject: s.id}] {
			continue
		}
		if had := p.left[into.ID]; had == nil || had.never && !s.never || had.never == s.never && s.id < had.id {
			p.left[into.ID] = s
		}
	}
}

// standing follows a merged unit to the one that stands for it; nil if there is none
// any more. A circle ends.
func (p *Picture) standing(h *Holding) *Holding {
	for steps := 0; h.Ended; steps++ {
		i, ok := p.placed[h.Into]
		if !ok || steps > 50 {
			return nil
		}
		h = &p.units[i]
	}
	return h
}

// Sum counts for a day, if anything has changed since it last did.
func (p *Picture) Sum(on venue.Day) {
	if p.Summed(on) {
		return
	}
	for _, c := range p.cells {
		c.Coverage, c.idle, c.lack = Coverage{}, 0, [4]int{}
	}
	for i := range p.subjects {
		p.subjects[i].rank, p.subjects[i].unit = 0, ""
	}
	p.outside = map[outsideKey]int{}
	p.inherit()
	for i := range p.units {
		h := &p.units[i]
		s := p.standsFor(h)
		if s == nil {
			if h.Codes > 0 {
				p.outside[outsideKey{h.Division, strings.Join(h.Sectors, "\x00")}] += h.Codes
			}
			continue
		}
		if rank := slices.Index(gaps, h.Gap()); rank > s.rank || rank == s.rank && h.ID < s.unit {
			s.rank, s.unit = rank, h.ID
		}
	}
	for i := range p.subjects {
		switch s := &p.subjects[i]; {
		case !s.must(on):
			s.idle++
		case gaps[s.rank] == GapNone:
			s.add(Coverage{1, 1})
		default:
			s.add(Coverage{0, 1})
			s.lack[s.rank]++
		}
	}
	p.stale, p.day = false, on
}

// Filter narrows a question; its zero value asks for all that is in scope.
type Filter struct {
	Division venue.Division
	Sector   string
	Category venue.Category
}

func (f Filter) takes(scope venue.Scope, c cellKey) bool {
	return (f.Division == "" || f.Division.Contains(c.division)) && (f.Sector == "" || f.Sector == c.sector) &&
		(f.Category == 0 || f.Category == c.category) && scope.CoversSector(c.division, c.sector)
}

// CoverageRow is a part of the whole: the subjects of a sector that lie in a
// division. What lies in no smaller division has a row under the larger one's own
// code.
type CoverageRow struct {
	Division venue.Division
	Sector   string
	Coverage
}

// Summary is coverage with its parts, which add up to it. Where nothing is
// required there is no part.
type Summary struct {
	Coverage
	Rows      []CoverageRow // by division and sector
	Divisions []CoverageRow // without sector, the lowest coverage first
	Sectors   []CoverageRow // without division, likewise
	Classes   [7]Coverage   // by venue.Category
	Idle      int           // subjects that need not have a code
	Lack      map[Gap]int   // of those that must and have not
	Outside   int           // codes in use of units that stand for no subject
}

// Coverage answers for all of the scope that the filter leaves. Parts are the
// divisions one level below the filter's, or below those of the scope.
func (p *Picture) Coverage(scope venue.Scope, f Filter) Summary {
	s := Summary{Lack: map[Gap]int{}}
	rows, divisions, sectors := map[CoverageRow]Coverage{}, map[CoverageRow]Coverage{}, map[CoverageRow]Coverage{}
	add := func(to map[CoverageRow]Coverage, row CoverageRow, c Coverage) {
		sum := to[row]
		sum.add(c)
		to[row] = sum
	}
	part := parts(scope, f)
	for key, c := range p.cells {
		if !f.takes(scope, key) || c.Must+c.idle == 0 {
			continue
		}
		s.add(c.Coverage)
		s.Idle += c.idle
		s.Classes[key.category].add(c.Coverage)
		for i, n := range c.lack {
			s.Lack[gaps[i]] += n
		}
		if c.Must == 0 { // none required, and no part to speak of
			continue
		}
		d := part(key.division)
		add(rows, CoverageRow{Division: d, Sector: key.sector}, c.Coverage)
		add(divisions, CoverageRow{Division: d}, c.Coverage)
		add(sectors, CoverageRow{Sector: key.sector}, c.Coverage)
	}
	for key, n := range p.outside {
		of := strings.Split(key.sectors, "\x00")
		inFilter := (f.Division == "" || f.Division.Contains(key.division)) && (f.Sector == "" || slices.Contains(of, f.Sector)) && f.Category == 0
		if inFilter && scope.Covers(venue.Unit{Division: key.division, Sectors: of}) {
			s.Outside += n
		}
	}
	s.Rows = ordered(rows, CoverageRow.byName)
	s.Divisions, s.Sectors = ordered(divisions, CoverageRow.byLowest), ordered(sectors, CoverageRow.byLowest)
	return s
}

// Townships is coverage of all there is, by township and sector.
func (p *Picture) Townships() []CoverageRow {
	sums := map[CoverageRow]Coverage{}
	for key, c := range p.cells {
		row := CoverageRow{Division: key.division.At(venue.LevelTownship), Sector: key.sector}
		sum := sums[row]
		sum.add(c.Coverage)
		sums[row] = sum
	}
	return ordered(sums, CoverageRow.byName)
}

func ordered(sums map[CoverageRow]Coverage, order func(a, b CoverageRow) int) []CoverageRow {
	list := make([]CoverageRow, 0, len(sums))
	for row, sum := range sums {
		row.Coverage = sum
		list = append(list, row)
	}
	slices.SortFunc(list, order)
	return list
}

func (a CoverageRow) byName(b CoverageRow) int {
	return cmp.Or(strings.Compare(string(a.Division), string(b.Division)), strings.Compare(a.Sector, b.Sector))
}

// byLowest ranks by the exact ratio; where nothing is required comes last, and of
// equals the one with more missing first.
func (a CoverageRow) byLowest(b CoverageRow) int {
	if none := cmp.Compare(b2i(a.Must == 0), b2i(b.Must == 0)); none != 0 {
		return none
	}
	return cmp.Or(cmp.Compare(a.Have*b.Must, b.Have*a.Must), cmp.Compare(b.Must-b.Have, a.Must-a.Have), a.byName(b))
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// parts tells in which division of a question's parts another lies.
func parts(scope venue.Scope, f Filter) func(venue.Division) venue.Division {
	if f.Division != "" {
		level := f.Division.Level() + 1
		return func(d venue.Division) venue.Division { return d.At(level) }
	}
	_, stems := scope.Reach()
	return func(d venue.Division) venue.Division {
		for _, stem := range stems {
			if strings.HasPrefix(string(d), stem) {
				return d.At(stemLevel[len(stem)] + 1)
			}
		}
		return d
	}
}

// stemLevel is the level of a division whose code has so many digits before its
// zeros.
var stemLevel = map[int]venue.DivisionLevel{2: venue.LevelProvince, 4: venue.LevelPrefecture, 6: venue.LevelCounty, 9: venue.LevelTownship, 12: venue.LevelVillage}

// Gapped is a subject that must have a posted code and has not.
type Gapped struct {
	ID       string
	Division venue.Division
	Gap      Gap
	Unit     venue.UnitID // "" with GapUnit
}

func (l Gapped) compare(o Gapped) int {
	return cmp.Or(strings.Compare(string(l.Division), string(o.Division)), strings.Compare(l.ID, o.ID))
}

// Missing lists those that must have a posted code and have not, by division and
// id: at most limit of them, behind the one after, and how many there are in all.
// gap narrows to one; "" is all. A limit of 0 is none.
func (p *Picture) Missing(scope venue.Scope, f Filter, gap Gap, after Gapped, limit int) (list []Gapped, total int) {
	taken, most := map[*cell]bool{}, 0
	for key, c := range p.cells {
		if taken[c] = f.takes(scope, key) && c.Have < c.Must; taken[c] {
			most += c.Must - c.Have
		}
	}
	if limit == 0 {
		list = make([]Gapped, 0, most)
	}
	for i := range p.subjects {
		s := &p.subjects[i]
		g := gaps[s.rank]
		if g == GapNone || gap != "" && g != gap || !taken[s.cell] || !s.must(p.day) {
			continue
		}
		total++
		l := Gapped{s.id, s.division, g, s.unit}
		if l.compare(after) <= 0 {
			continue
		}
		if limit == 0 {
			list = append(list, l)
			continue
		}
		if len(list) == limit && l.compare(list[limit-1]) > 0 {
			continue
		}
		i, _ := slices.BinarySearchFunc(list, l, Gapped.compare)
		if list = slices.Insert(list, i, l); len(list) > limit {
			list = list[:limit]
		}
	}
	if limit == 0 {
		slices.SortFunc(list, Gapped.compare)
	}
	return list, total
}

// Deadline is what was not done before an announced instant.
type Deadline struct {
	Units      int  // in the question
	WithoutAny Late // no code, or only since then
	Unposted   Late // a code, and not confirmed as posted before then
}

// Late are units that have not done something, by division and id.
type Late struct {
	Total int
	Units []Holding // those of them that were asked for
}

// add counts h, and lists it if it is one of the first limit behind after; a limit
// of 0 is none.
func (l *Late) add(h *Holding, after Gapped, limit int) {
	l.Total++
	at := Gapped{ID: string(h.ID), Division: h.Division}
	switch {
	case at.compare(after) <= 0:
	case limit == 0:
		l.Units = append(l.Units, *h)
	case len(l.Units) == limit && l.Units[limit-1].compare(at) < 0:
	default:
		i, _ := slices.BinarySearchFunc(l.Units, at, Holding.compare)
		l.Units = slices.Insert(l.Units, i, *h)
		l.Units = l.Units[:min(len(l.Units), limit)]
	}
}

func (h Holding) compare(to Gapped) int {
	return Gapped{ID: string(h.ID), Division: h.Division}.compare(to)
}

// Deadline judges the units in scope: whether they have a code, and had it before
// the instant, and likewise whether it was confirmed as posted. At the instant
// itself is late. With a root only that unit and those below it are asked for. Lists
// begin behind after and have limit units at most, as in Missing.
func (p *Picture) Deadline(scope venue.Scope, f Filter, root venue.UnitID, at time.Time, after Gapped, limit int) Deadline {
	var d Deadline
	before := func(t time.Time) bool { return !t.IsZero() && t.Before(at) }
	for i := range p.units {
		h := &p.units[i]
		inFilter := (f.Division == "" || f.Division.Contains(h.Division)) && (f.Sector == "" || slices.Contains(h.Sectors, f.Sector))
		if !inFilter || !scope.Covers(h.unit()) || !p.below(h, root) {
			continue
		}
		d.Units++
		switch {
		case !before(h.Coded):
			d.WithoutAny.add(h, after, limit)
		case !before(h.Posted):
			d.Unposted.add(h, after, limit)
		}
	}
	if limit == 0 {
		for _, l := range []Late{d.WithoutAny, d.Unposted} {
			slices.SortFunc(l.Units, func(a, b Holding) int { return a.compare(Gapped{ID: string(b.ID), Division: b.Division}) })
		}
	}
	return d
}

// below tells whether a unit is root or below it. A circle of parents ends.
func (p *Picture) below(h *Holding, root venue.UnitID) bool {
	for steps := 0; root != "" && h.ID != root; steps++ {
		i, ok := p.placed[h.Parent]
		if !ok || steps > 50 {
			return false
		}
		h = &p.units[i]
	}
	return true
}

// Named is a subject by name, to look for units that may be it.
type Named struct {
	ID string
	Subject
}

// candidates is how many units are proposed for a subject at most.
const candidates = 5

// Candidates are, for each of some subjects, the units in scope that stand for
// none and whose names are like its own, the likeliest first. Only units whose
// division and the subject's lie in each other are looked at, and none that was
// refused.
func (p *Picture) Candidates(scope venue.Scope, subjects []Named) map[string][]Holding {
	type found struct {
		*Holding
		likeness int
	}
	order := func(a, b found) int {
		return cmp.Or(cmp.Compare(b.likeness, a.likeness), strings.Compare(string(a.ID), string(b.ID)))
	}
	having := map[pair][]int{} // subjects by a pair of their names
	sizes, best := make([]int, len(subjects)), make([][]found, len(subjects))
	for i, s := range subjects {
		name := pairsOf(s.Name)
		sizes[i] = len(name)
		for _, pr := range name {
			having[pr] = append(having[pr], i)
		}
	}
	both := make([]int, len(subjects)) // pairs in common with the unit looked at
	for i := range p.units {
		h := &p.units[i]
		if p.standsFor(h) != nil || !scope.Covers(h.unit()) {
			continue
		}
		name := pairsOf(h.Name)
		clear(both)
		for _, pr := range name {
			for _, i := range having[pr] {
				both[i]++
			}
		}
		for i, s := range subjects {
			f := found{h, dice(both[i], sizes[i], len(name))}
			if f.likeness < likely || len(best[i]) == candidates && order(best[i][candidates-1], f) < 0 ||
				p.refused[Decision{Unit: h.ID, Subject: s.ID}] || !h.Division.Contains(s.Division) && !s.Division.Contains(h.Division) {
				continue
			}
			at, _ := slices.BinarySearchFunc(best[i], f, order)
			best[i] = slices.Insert(best[i], at, f)
			best[i] = best[i][:min(len(best[i]), candidates)]
		}
	}
	out := map[string][]Holding{}
	for i, list := range best {
		for _, f := range list {
			out[subjects[i].ID] = append(out[subjects[i].ID], *f.Holding)
		}
	}
	return out
}
