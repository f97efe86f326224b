package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// CoverageDayRow is the coverage of a division at the end of a day.
type CoverageDayRow struct {
	Day      int32
	Division string // down to the township
	Parts    []CoveragePart
}

// CoveragePart is that of a sector.
type CoveragePart struct {
	Sector     string
	Have, Must int
}

// ErrFilling: the picture of the register is being read for the first time since
// the start. It is a venue.ErrUnavailable: a few seconds later it is there.
var ErrFilling = fmt.Errorf("the picture of the register is being filled: %w", venue.ErrUnavailable)

const (
	fillFor  = 2 * time.Second // how long who asks first waits
	inAPiece = 1000            // subjects of a long list that are read together
	// restFor is how many times as long as it took the picture is not read again: a
	// city that changes all the time does not read itself all the time.
	restFor = 10
)

// Coverage is who must have a code and who has one, as officials read it. Every
// method takes the scope of whoever asks.
//
// A compact picture is kept in memory. What changes is noted with the version of
// the register (see Touch), so that a look every two seconds reads the units that
// changed, and all of them only if it may have been anything. Nobody waits for
// that longer than lookFor: the answer is then as of the look before, and says so.
type Coverage struct {
	census   *Census
	office   *Office
	registry *Registry
	engine   Engine
	days     Collection[CoverageDayRow]
	places   Collection[placeStanding]
	doors    Collection[doorStanding]
	civil    venue.Clock
	machine  venue.Clock

	mu      sync.RWMutex
	picture *registry.Picture // nil: nothing was read yet
	asOf    AsOf

	looks sync.Mutex // held to read and write what follows
	now   *look      // nil: none is under way
	next  time.Time  // machine: nothing is looked for before …
	rest  time.Time  // … nor before this, though this process has changed something
	local int64      // changes of this process that the last look saw
	seen  versions
}

// AsOf says of when an answer is.
type AsOf struct {
	At time.Time // civil
	// Importing: the register is being imported, or was not to the end.
	Importing bool
}

// look is one that is under way.
type look struct {
	done chan struct{} // closed at its end
	err  error         // then
}

type versions struct{ registry, subjects, decisions int64 }

// NewCoverage opens it; nothing is read until somebody asks, or Fill is called.
func NewCoverage(engine Engine, office *Office, census *Census, civil, machine venue.Clock) *Coverage {
	return &Coverage{
		census: census, office: office, registry: office.registry, engine: engine,
		days: NewCollection[CoverageDayRow](engine, CoverageDays), civil: civil, machine: machine,
		places: NewCollection[placeStanding](engine, Venues), doors: NewCollection[doorStanding](engine, Doors),
	}
}

// Fill reads the picture, so that who asks first need not wait.
func (c *Coverage) Fill(ctx context.Context) error {
	l := c.begin()
	if l == nil {
		return nil
	}
	select {
	case <-l.done:
		return l.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin starts a look if one is due, and gives the one under way; nil if there is
// none.
func (c *Coverage) begin() *look {
	c.looks.Lock()
	defer c.looks.Unlock()
	now := c.machine.Now()
	local := c.census.changes.Load() + c.registry.filling.Load()
	if c.now != nil || now.Before(c.rest) || now.Before(c.next) && local == c.local {
		return c.now
	}
	l := &look{done: make(chan struct{})}
	c.now, c.local = l, local
	go func() { // who asks may leave; the next one finds what was read
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		began := c.machine.Now()
		l.err = c.read(ctx)
		c.looks.Lock()
		ended := c.machine.Now()
		c.now, c.rest, c.next = nil, ended.Add(restFor*ended.Sub(began)), ended.Add(lookEvery)
		c.looks.Unlock()
		close(l.done)
	}()
	return l
}

// ask puts a question to the picture, as fresh as it can be had soon.
func (c *Coverage) ask(ctx context.Context, question func(*registry.Picture)) (asOf AsOf, err error) {
	if l := c.begin(); l != nil {
		c.mu.RLock()
		patience := lookFor
		if c.picture == nil {
			patience = fillFor
		}
		c.mu.RUnlock()
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-l.done:
			err = l.err
		case <-timer.C:
		case <-ctx.Done():
			return asOf, ctx.Err()
		}
	}
	day := venue.DayOf(c.civil.Now())
	c.mu.RLock()
	for c.picture != nil && !c.picture.Summed(day) {
		c.mu.RUnlock()
		c.mu.Lock()
		c.picture.Sum(day)
		c.mu.Unlock()
		c.mu.RLock()
	}
	defer c.mu.RUnlock()
	if c.picture == nil {
		if err == nil {
			err = ErrFilling
		}
		return asOf, err
	}
	question(c.picture)
	return c.asOf, nil
}

// read brings the picture up to date. Versions are read before what they are of:
// what changes meanwhile is read once more.
func (c *Coverage) read(ctx context.Context) error {
	asOf, first := AsOf{At: c.civil.Now()}, c.picture == nil // only a look writes it
	var now versions
	var changed []string
	known := true
	for _, v := range []struct {
		name string
		to   *int64
	}{{registryVer, &now.registry}, {subjectsVer, &now.subjects}, {decisionsVer, &now.decisions}} {
		row, err := c.registry.meta.Get(ctx, v.name)
		if err != nil && !errors.Is(err, venue.ErrNotFound) {
			return fmt.Errorf("read the version of the register: %w", err)
		}
		*v.to = row.Value.Value
		switch v.name {
		case registryVer:
			changed, known = row.Value.since(c.seen.registry)
		case subjectsVer:
			asOf.Importing = row.Value.Text == importUnderWay
		}
	}
	var units, subjects *registry.Picture
	var some []registry.Holding
	var decisions []registry.Decision
	var err error
	if first || !known {
		if units, err = c.readUnits(ctx); err != nil {
			return err
		}
	} else {
		for _, id := range changed {
			h, err := c.readUnit(ctx, venue.UnitID(id))
			if errors.Is(err, venue.ErrNotFound) { // it was going to be one
				continue
			} else if err != nil {
				return err
			}
			some = append(some, h)
		}
	}
	if first || now.subjects != c.seen.subjects {
		subjects = registry.NewPicture()
		for row, err := range c.census.subjects.Find(ctx, Query{}) {
			if err != nil {
				return fmt.Errorf("read the register: %w", err)
			}
			subjects.Subject(row.ID, row.Value)
		}
	}
	if first || now.decisions != c.seen.decisions {
		if decisions, err = values(c.census.decisions.All(ctx, Query{})); err != nil {
			return fmt.Errorf("read what was said of units and subjects: %w", err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if first {
		c.picture = registry.NewPicture()
	}
	if units != nil {
		c.picture.Units(units)
	}
	for _, h := range some {
		c.picture.Unit(h)
	}
	if subjects != nil {
		c.picture.Subjects(subjects)
	}
	if first || now.decisions != c.seen.decisions {
		c.picture.Decided(decisions)
	}
	c.picture.Sum(venue.DayOf(asOf.At)) // who asks need not wait for that either
	c.asOf, c.seen = asOf, now
	return nil
}

// What of venues and doors is read when all are.
type (
	placeStanding struct{ Status venue.Status }
	doorStanding  struct {
		Unit   venue.UnitID
		Venue  venue.VenueID
		Status venue.Status
		Posted time.Time
	}
)

// readUnits reads what every unit has. Doors, which are most, are read one after
// the other and not kept.
func (c *Coverage) readUnits(ctx context.Context) (*registry.Picture, error) {
	others := map[venue.VenueID]venue.Status{} // of those that are not active
	for row, err := range c.places.Find(ctx, Query{}) {
		if err != nil {
			return nil, fmt.Errorf("read venues: %w", err)
		}
		if row.Value.Status != venue.StatusActive {
			others[venue.VenueID(row.ID)] = row.Value.Status
		}
	}
	since := map[venue.Code]time.Time{}
	for row, err := range c.registry.tenures.Find(ctx, Query{}) {
		if err != nil {
			return nil, fmt.Errorf("read tenures: %w", err)
		}
		if row.Value.Until.IsZero() {
			since[row.Value.Door] = row.Value.Since
		}
	}
	holdings := map[venue.UnitID]*registry.Holding{}
	for row, err := range c.registry.units.Find(ctx, Query{}) {
		if err != nil {
			return nil, fmt.Errorf("read units: %w", err)
		}
		h := holdingOf(row.Value)
		holdings[h.ID] = &h
	}
	for row, err := range c.doors.Find(ctx, Query{}) {
		if err != nil {
			return nil, fmt.Errorf("read doors: %w", err)
		}
		d := row.Value
		if h := holdings[d.Unit]; h != nil {
			at, other := others[d.Venue]
			if !other {
				at = venue.StatusActive
			}
			hold(h, d, at, since[venue.Code(row.ID)])
		}
	}
	p := registry.NewPicture()
	for _, h := range holdings {
		p.Unit(*h)
	}
	return p, nil
}

// readUnit reads what one unit has.
func (c *Coverage) readUnit(ctx context.Context, id venue.UnitID) (registry.Holding, error) {
	u, err := c.registry.Unit(ctx, id)
	if err != nil {
		return registry.Holding{}, fmt.Errorf("read a unit: %w", err)
	}
	tenures, err := c.registry.Tenures(ctx, id)
	if err != nil {
		return registry.Holding{}, fmt.Errorf("read the tenures of a unit: %w", err)
	}
	places, err := c.registry.doorsOf(ctx, Query{Index: "unit", Equal: []any{string(id)}})
	if err != nil {
		return registry.Holding{}, fmt.Errorf("read the doors of a unit: %w", err)
	}
	h := holdingOf(u)
	for _, p := range places {
		hold(&h, doorStanding{p.Door.Unit, p.Door.Venue, p.Door.Status, p.Door.Posted}, p.Venue.Status, openSince(tenures, p.Door.Code))
	}
	return h, nil
}

// openSince is since when a unit has a door that it still has.
func openSince(tenures []venue.Tenure, door venue.Code) time.Time {
	i := slices.IndexFunc(tenures, func(t venue.Tenure) bool { return t.Door == door && t.Until.IsZero() })
	if i < 0 {
		return time.Time{}
	}
	return tenures[i].Since
}

func holdingOf(u venue.Unit) registry.Holding {
	switch {
	case u.Into != "": // whatever it had is the other's now
		return registry.Holding{ID: u.ID, USCC: u.USCC, Into: u.Into, Ended: true}
	case u.Closed(): // its USCC is free
		return registry.Holding{ID: u.ID, Ended: true}
	}
	return registry.Holding{ID: u.ID, Name: u.Name, USCC: u.USCC, Parent: u.Parent, Division: u.Division, Sectors: u.Sectors}
}

// hold counts a door at a place of a status, which the unit has since an instant.
func hold(h *registry.Holding, d doorStanding, at venue.Status, since time.Time) {
	if !d.Status.Scannable() || !at.Scannable() {
		return
	}
	h.Codes++
	h.Coded = earliest(h.Coded, since)
	if d.Status == venue.StatusActive && at == venue.StatusActive {
		h.Active = true
		h.Posted = earliest(h.Posted, d.Posted)
	}
}

// Summary answers what coverage is of the scope, or of a part of it; ErrOutOfScope
// if the filter asks for more.
func (c *Coverage) Summary(ctx context.Context, scope venue.Scope, f registry.Filter) (s registry.Summary, asOf AsOf, err error) {
	if !scope.Admits(f.Division, f.Sector) {
		return s, asOf, ErrOutOfScope
	}
	asOf, err = c.ask(ctx, func(p *registry.Picture) { s = p.Coverage(scope, f) })
	return s, asOf, err
}

// ByRegulator is coverage by regulator; ErrOutOfScope like Summary.
func (c *Coverage) ByRegulator(ctx context.Context, scope venue.Scope, f registry.Filter, of *registry.Regulators) (rows, totals []registry.RegulatorRow, unnamed []string, asOf AsOf, err error) {
	if !scope.Admits(f.Division, f.Sector) {
		return nil, nil, nil, asOf, ErrOutOfScope
	}
	asOf, err = c.ask(ctx, func(p *registry.Picture) { rows, totals, unnamed = p.ByRegulator(scope, f, of) })
	return rows, totals, unnamed, asOf, err
}

// MissingSubject is a subject that must have a posted code and has not.
type MissingSubject struct {
	registry.Gapped
	registry.Subject
	UnitName string // "" without a unit, or one that is out of scope
}

// Missing lists them, in the order of registry.Picture.Missing and with its
// paging, and says how many there are in all. ErrOutOfScope like Summary.
func (c *Coverage) Missing(ctx context.Context, scope venue.Scope, f registry.Filter, gap registry.Gap, after registry.Gapped, limit int) (list []MissingSubject, total int, asOf AsOf, err error) {
	err = c.EachMissing(ctx, scope, f, gap, after, limit, func(n int, at AsOf) error {
		total, asOf = n, at
		return nil
	}, func(m MissingSubject) error {
		list = append(list, m)
		return nil
	})
	return list, total, asOf, err
}

// EachMissing is Missing for a list of any length: begin is told how many there
// are in all and as of when, then they are yielded one by one.
func (c *Coverage) EachMissing(ctx context.Context, scope venue.Scope, f registry.Filter, gap registry.Gap, after registry.Gapped, limit int, begin func(total int, asOf AsOf) error, yield func(MissingSubject) error) error {
	if !scope.Admits(f.Division, f.Sector) {
		return ErrOutOfScope
	}
	var all []registry.Gapped
	var total int
	asOf, err := c.ask(ctx, func(p *registry.Picture) { all, total = p.Missing(scope, f, gap, after, limit) })
	if err == nil {
		err = begin(total, asOf)
	}
	if err != nil {
		return err
	}
	for some := range slices.Chunk(all, inAPiece) {
		ids, of := make([]string, len(some)), make([]string, len(some))
		for i, m := range some {
			ids[i], of[i] = m.ID, string(m.Unit)
		}
		subjects, err := c.census.subjects.GetAll(ctx, ids)
		if err != nil {
			return fmt.Errorf("read subjects: %w", err)
		}
		units, err := c.registry.units.GetAll(ctx, of)
		if err != nil {
			return fmt.Errorf("read the units of subjects: %w", err)
		}
		for _, m := range some {
			s, ok := subjects[m.ID]
			if !ok {
				return fmt.Errorf("read subjects: %w", venue.ErrNotFound)
			}
			out := MissingSubject{Gapped: m, Subject: s}
			if u := units[string(m.Unit)]; scope.Covers(u) {
				out.UnitName = u.Name
			}
			if err := yield(out); err != nil {
				return err
			}
		}
	}
	return nil
}

// Deadline is what was not done before an announced instant; see
// registry.Picture.Deadline. ErrOutOfScope like Summary, and for a root.
func (c *Coverage) Deadline(ctx context.Context, scope venue.Scope, f registry.Filter, root venue.UnitID, at time.Time, after registry.Gapped, limit int) (d registry.Deadline, asOf AsOf, err error) {
	if !scope.Admits(f.Division, f.Sector) {
		return d, asOf, ErrOutOfScope
	}
	if root != "" {
		if _, err := c.office.Unit(ctx, scope, root); err != nil {
			return d, asOf, err
		}
	}
	asOf, err = c.ask(ctx, func(p *registry.Picture) { d = p.Deadline(scope, f, root, at, after, limit) })
	return d, asOf, err
}

// Proposed is a subject without a unit, and units that may be it.
type Proposed struct {
	MissingSubject
	Units []ProposedUnit // the likeliest by name first
}

// ProposedUnit is a unit that may be a subject, and why.
type ProposedUnit struct {
	ID   venue.UnitID
	Name string
	registry.Likeness
}

// Proposals lists subjects without a unit, with units that may be them; see
// Missing. Nothing follows until somebody decides.
func (c *Coverage) Proposals(ctx context.Context, scope venue.Scope, f registry.Filter, after registry.Gapped, limit int) (list []Proposed, total int, asOf AsOf, err error) {
	missing, total, asOf, err := c.Missing(ctx, scope, f, registry.GapUnit, after, limit)
	if err != nil {
		return nil, 0, asOf, err
	}
	var named []registry.Named
	for _, m := range missing {
		named = append(named, registry.Named{ID: m.Gapped.ID, Subject: m.Subject})
	}
	var found map[string][]registry.Holding
	if _, err = c.ask(ctx, func(p *registry.Picture) { found = p.Candidates(scope, named) }); err != nil {
		return nil, 0, asOf, err
	}
	list = make([]Proposed, len(named))
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(together)
	for i, n := range named {
		list[i] = Proposed{MissingSubject: missing[i], Units: make([]ProposedUnit, len(found[n.ID]))}
		for k, h := range found[n.ID] {
			g.Go(func() error {
				venues, err := values(c.registry.venues.All(within, Query{Index: "unit", Equal: []any{string(h.ID)}}))
				var addresses []string
				for _, v := range venues {
					addresses = append(addresses, v.Address)
				}
				list[i].Units[k] = ProposedUnit{h.ID, h.Name, n.Compare(h.Name, addresses)}
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, 0, asOf, err
	}
	return list, total, asOf, nil
}

// Decide keeps that a unit is a subject, or is not, once record has written that
// down; both must be in scope. venue.ErrConflict if the unit stands for another.
func (c *Coverage) Decide(ctx context.Context, scope venue.Scope, subject string, unit venue.UnitID, same bool, by string, record func() error) error {
	row, err := c.census.subjects.Get(ctx, subject)
	if err != nil {
		return err
	}
	if !scope.CoversSector(row.Value.Division, row.Value.Sector) {
		return ErrOutOfScope
	}
	u, err := c.office.Unit(ctx, scope, unit)
	if err != nil {
		return err
	}
	if same && u.USCC != "" && string(u.USCC) != subject {
		if _, err := c.census.subjects.Get(ctx, string(u.USCC)); err == nil {
			return fmt.Errorf("the register knows the unit by its USCC: %w", venue.ErrConflict)
		} else if !errors.Is(err, venue.ErrNotFound) {
			return err
		}
	}
	if err := record(); err != nil {
		return fmt.Errorf("record a decision: %w", err)
	}
	return c.census.decide(ctx, registry.Decision{Unit: unit, Subject: subject, Same: same, By: by, At: venue.Millis(c.civil.Now())})
}

// Forsakes tells whether a merger of units leaves a subject without one; see
// registry.Picture.Forsakes. Both units are in the scope of whoever asks.
func (c *Coverage) Forsakes(ctx context.Context, merged, into venue.UnitID) (forsakes bool, err error) {
	_, err = c.ask(ctx, func(p *registry.Picture) { forsakes = p.Forsakes(merged, into) })
	return forsakes, err
}

// Imports lists the last imports of divisions in scope, the newest first.
func (c *Coverage) Imports(ctx context.Context, scope venue.Scope, limit int) (list []SubjectImportRow, err error) {
	for row, err := range c.census.imports.Find(ctx, Query{Index: "at", Reverse: true}) {
		if err != nil {
			return nil, fmt.Errorf("list imports: %w", err)
		}
		if scope.CoversDivision(row.Value.Division) {
			list = append(list, row.Value)
		}
		if len(list) == limit {
			break
		}
	}
	return list, nil
}

// SilentDoor is a door in use that nobody scanned.
type SilentDoor struct {
	Unit  venue.Unit
	Venue venue.Venue
	Door  venue.Door
}

// doorsLooked is how many doors one call of Silent asks the counts of.
const doorsLooked = 3000

// Silent lists the doors in use of units in scope, behind the unit after, that the
// unit has had for some days and that nobody scanned in these. It ends behind the
// unit with which it has limit of them, or has looked at many doors, and gives the
// unit to continue behind; "" at the end.
func (c *Coverage) Silent(ctx context.Context, scope venue.Scope, f registry.Filter, days int, after venue.UnitID, limit int) (list []SilentDoor, looked int, next venue.UnitID, err error) {
	if !scope.Admits(f.Division, f.Sector) {
		return nil, 0, "", ErrOutOfScope
	}
	now := c.civil.Now()
	from := now.Add(-time.Duration(days) * 24 * time.Hour)
	count := func(door venue.Code) (int, error) {
		return c.engine.CountScans(ctx, []venue.Span{{Door: door, From: from, To: now}}, time.Time{})
	}
	for {
		units, more, err := c.office.Units(ctx, scope, after, 100)
		if err != nil {
			return nil, 0, "", err
		}
		for _, u := range units {
			after = u.ID
			if f.Division != "" && !f.Division.Contains(u.Division) || f.Sector != "" && !slices.Contains(u.Sectors, f.Sector) {
				continue
			}
			places, err := c.registry.doorsOf(ctx, Query{Index: "unit", Equal: []any{string(u.ID)}})
			if err != nil {
				return nil, 0, "", err
			}
			tenures, err := c.registry.Tenures(ctx, u.ID)
			if err != nil {
				return nil, 0, "", err
			}
			for _, p := range places {
				if since := openSince(tenures, p.Door.Code); since.After(from) || !p.Door.Status.Scannable() || !p.Venue.Status.Scannable() {
					continue
				}
				looked++
				if n, err := count(p.Door.Code); err != nil {
					return nil, 0, "", fmt.Errorf("count the scans of a door: %w", err)
				} else if n == 0 {
					list = append(list, SilentDoor{u, p.Venue, p.Door})
				}
			}
			if len(list) >= limit || looked >= doorsLooked {
				return list, looked, after, nil
			}
		}
		if !more {
			return list, looked, "", nil
		}
	}
}

// CoverageDay is the coverage of a scope on a day.
type CoverageDay struct {
	Day venue.Day
	registry.Coverage
}

// Trend is coverage at the end of each day from one to another that was kept, the
// oldest first. ErrOutOfScope like Summary.
func (c *Coverage) Trend(ctx context.Context, scope venue.Scope, f registry.Filter, from, to venue.Day) (days []CoverageDay, err error) {
	if !scope.Admits(f.Division, f.Sector) {
		return nil, ErrOutOfScope
	}
	_, stems := scope.Reach()
	if f.Division != "" {
		stem, _ := f.Division.Range()
		stems = []string{stem}
	}
	for day := from; day <= to; day++ {
		sum, kept := CoverageDay{Day: day}, false
		for _, stem := range stems {
			for row, err := range c.days.Find(ctx, Query{Index: "day", Equal: []any{int32(day)}, From: stem, To: stem + ":"}) {
				if err != nil {
					return nil, fmt.Errorf("read coverage of a day: %w", err)
				}
				for _, part := range row.Value.Parts {
					if (f.Sector == "" || f.Sector == part.Sector) && scope.CoversSector(venue.Division(row.Value.Division), part.Sector) {
						sum.Have, sum.Must, kept = sum.Have+part.Have, sum.Must+part.Must, true
					}
				}
			}
		}
		if kept {
			days = append(days, sum)
		}
	}
	return days, nil
}

// CoverageTrend keeps the coverage of each day, shortly before it ends; at a start
// that of the day so far.
type CoverageTrend struct {
	Coverage *Coverage
	Clock    venue.Clock // civil

	due time.Time
}

// Name names the job.
func (t *CoverageTrend) Name() string { return "coverage_trend" }

// Next is at the start, then every night.
func (t *CoverageTrend) Next(context.Context) (time.Time, bool, error) {
	if t.due.IsZero() {
		return t.Clock.Now(), true, nil
	}
	return t.due, true, nil
}

// Run keeps the day's rows; run again it writes them over.
func (t *CoverageTrend) Run(ctx context.Context, now time.Time) (ran, deferred int, err error) {
	c, day := t.Coverage, venue.DayOf(now)
	if err := c.Fill(ctx); err != nil {
		return 0, 0, fmt.Errorf("read the picture of the register: %w", err)
	}
	var rows []registry.CoverageRow
	if _, err := c.ask(ctx, func(p *registry.Picture) { rows = p.Townships() }); err != nil {
		return 0, 0, fmt.Errorf("ask for coverage: %w", err)
	}
	divisions := map[venue.Division]*CoverageDayRow{}
	for _, r := range rows {
		if divisions[r.Division] == nil {
			divisions[r.Division] = &CoverageDayRow{Day: int32(day), Division: string(r.Division)}
		}
		d := divisions[r.Division]
		d.Parts = append(d.Parts, CoveragePart{r.Sector, r.Have, r.Must})
	}
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(together)
	for division, row := range divisions {
		g.Go(func() error { return set(within, c.days, day.String()+":"+string(division), *row) })
	}
	if err := g.Wait(); err != nil {
		return 0, 0, fmt.Errorf("keep coverage of %s: %w", day, err)
	}
	if t.due = day.At(23, 55); !t.due.After(now) {
		t.due = (day + 1).At(23, 55)
	}
	return len(divisions), 0, nil
}
