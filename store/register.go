package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// The collections of the register (docs/decisions/0026-register.md).
var (
	Applications = Schema{Name: "applications", Indexes: []Index{ // random id → ApplicationRow
		{Name: "state", Fields: []string{"state", "division", "at"}},
		{Name: "due", Fields: []string{"state", "at"}},
		{Name: "unit", Fields: []string{"unit", "at"}},
		{Name: "account", Fields: []string{"account", "at"}},
	}}
	ChangeRows = Schema{Name: "register_changes", Indexes: []Index{ // unit:ID:number, venue:ID:number → ChangeRow
		{Name: "open", Fields: []string{"open", "at"}},
		{Name: "unit", Fields: []string{"of", "at"}},
	}}
	RegisterNames = Schema{Name: "register_names"}                                                                          // what is registered once → RegisterNameRow
	Contacts      = Schema{Name: "contacts"}                                                                                // unit:ID, venue:ID → ContactRow
	OldCodes      = Schema{Name: "old_codes", Indexes: []Index{{Name: "door", Fields: []string{"door"}}}}                   // SHA-256 of the payload → OldCodeRow
	BlankBatches  = Schema{Name: "blank_batches", Indexes: []Index{{Name: "division", Fields: []string{"division", "at"}}}} // random id → BlankBatchRow
	BlankCodes    = Schema{Name: "blank_codes", Indexes: []Index{{Name: "batch", Fields: []string{"batch", "venue"}}}}      // Code → BlankCodeRow
	Rosters       = Schema{Name: "rosters", Indexes: []Index{{Name: "unit", Fields: []string{"unit"}}}}                     // unit:blind index of the ID number → RosterRow
)

// ApplicationRow is an application. What was filled in is sealed, all of it.
type ApplicationRow struct {
	State string // registry.State
	Form  []byte // sealed; empty once approved

	UnitName, Name string
	USCC           string
	Division       string
	Category       venue.Category
	Proof          bool

	Channel string
	Account string
	Unit    string // for which a login answered
	At      time.Time

	Decider string
	Reason  string
	Decided time.Time
	Made    registry.Made
}

// ChangeRow is a line of the register's history. It is written before what it
// says is done; Open until that is so.
type ChangeRow struct {
	Change registry.Change
	Of     string // the unit in whose history it stands
	At     time.Time
	Open   bool
	Frees  string // the name that it gives up; see RegisterNames
}

// RegisterNameRow says which unit or venue has a name that there is once: a
// USCC, a name in a division, a venue's name within its unit.
type RegisterNameRow struct{ ID string }

// ContactRow is whom to reach about a unit or venue, sealed.
type ContactRow struct {
	Applicant []byte
	Manager   []byte
}

// OldCodeRow leads from a code of a former system to its door, for ever.
type OldCodeRow struct {
	Door    string
	Payload string // to print the same QR code again
	At      time.Time
}

// BlankBatchRow is a batch of codes printed in advance.
type BlankBatchRow struct {
	Division string
	Codes    []venue.Code
	At       time.Time
	By       registry.Who
}

// BlankCodeRow is a code printed in advance.
type BlankCodeRow struct {
	Batch string
	Venue string // for which it is kept, or at which it hangs; "" while blank
}

// RosterRow is one of a unit's staff, of whom nothing is known but the index.
type RosterRow struct {
	Unit string
	At   time.Time // of the first import that named them
}

// Sealer seals what belongs to one use and opens it for the same.
type Sealer interface {
	Seal(use string, plain []byte) ([]byte, error)
	Open(use string, sealed []byte) ([]byte, error)
}

// Register keeps applications, changes, old and blank codes. It writes the
// documents that the Registry reads.
type Register struct {
	reg          *Registry
	applications Collection[ApplicationRow]
	changes      Collection[ChangeRow]
	contacts     Collection[ContactRow]
	batches      Collection[BlankBatchRow]
	blanks       Collection[BlankCodeRow]
	rosters      Collection[RosterRow]
	postings     Collection[PostingRow]
	photos       Collection[PostingPhotoRow]
	sealer       Sealer
	clock        venue.Clock // civil
}

var (
	_ registry.Applications = (*Register)(nil)
	_ registry.Book         = (*Register)(nil)
	_ registry.Blanks       = (*Register)(nil)
)

// NewRegister opens it over a registry that is open.
func NewRegister(docs Documents, r *Registry, sealer Sealer, civil venue.Clock) *Register {
	return &Register{
		reg:          r,
		applications: NewCollection[ApplicationRow](docs, Applications),
		changes:      NewCollection[ChangeRow](docs, ChangeRows),
		contacts:     NewCollection[ContactRow](docs, Contacts),
		batches:      NewCollection[BlankBatchRow](docs, BlankBatches),
		blanks:       NewCollection[BlankCodeRow](docs, BlankCodes),
		rosters:      NewCollection[RosterRow](docs, Rosters),
		postings:     NewCollection[PostingRow](docs, PostingRows),
		photos:       NewCollection[PostingPhotoRow](docs, PostingPhotos),
		sealer:       sealer, clock: civil,
	}
}

// What is sealed, opens for its own id only.
const (
	applicationUse = "application/"
	contactUse     = "contact/"
)

// Application reads one; venue.ErrNotFound.
func (r *Register) Application(ctx context.Context, id string) (registry.Application, error) {
	row, err := r.applications.Get(ctx, cmp.Or(id, absentKey))
	if err != nil {
		return registry.Application{}, err
	}
	return r.application(row)
}

func (r *Register) application(row Row[ApplicationRow]) (registry.Application, error) {
	v := row.Value
	a := registry.Application{
		ID: row.ID, State: registry.State(v.State), UnitName: v.UnitName, Name: v.Name, USCC: venue.USCC(v.USCC),
		Division: venue.Division(v.Division), Category: v.Category, Proof: v.Proof,
		Sender: registry.Sender{Channel: v.Channel, Account: v.Account, Unit: venue.UnitID(v.Unit)}, At: v.At.UTC(),
		Decider: registry.Who{Account: v.Decider, Reason: v.Reason}, Decided: v.Decided.UTC(), Made: v.Made,
	}
	if len(v.Form) == 0 {
		return a, nil
	}
	plain, err := r.sealer.Open(applicationUse+row.ID, v.Form)
	if err == nil && json.Unmarshal(plain, &a.Form) != nil {
		err = errors.New("form is not what was sealed")
	}
	if err != nil {
		return a, fmt.Errorf("open application: %w", err)
	}
	return a, nil
}

// UpdateApplication reads, changes and writes back; see registry.Applications.
func (r *Register) UpdateApplication(ctx context.Context, id string, create bool, change func(*registry.Application) error) (a registry.Application, err error) {
	_, err = r.applications.Update(ctx, id, create, func(v *ApplicationRow) error {
		a = registry.Application{}
		if v.State != "" {
			if a, err = r.application(Row[ApplicationRow]{ID: id, Value: *v}); err != nil {
				return err
			}
		}
		if err := change(&a); err != nil {
			return err
		}
		*v = ApplicationRow{
			State: string(a.State), UnitName: a.UnitName, Name: a.Name, USCC: string(a.USCC), Division: string(a.Division),
			Category: a.Category, Proof: a.Proof, Channel: a.Sender.Channel, Account: a.Sender.Account, Unit: string(a.Sender.Unit),
			At: a.At, Decider: a.Decider.Account, Reason: a.Decider.Reason, Decided: a.Decided, Made: a.Made,
		}
		if a.State == registry.StateApproved {
			return nil
		}
		plain, err := a.Form.Reveal()
		if err == nil {
			v.Form, err = r.sealer.Seal(applicationUse+id, plain)
		}
		return err
	})
	return a, err
}

// Unmade lists the applications that were approved and not made to the end.
func (r *Register) Unmade(ctx context.Context) (ids []string, err error) {
	for row, err := range r.applications.Find(ctx, Query{Index: "state", Equal: []any{string(registry.StateMaking)}}) {
		if err != nil {
			return ids, err
		}
		ids = append(ids, row.ID)
	}
	return ids, nil
}

// insert adds a document unless it is there.
func insert[T any](ctx context.Context, c Collection[T], id string, v T) (added bool, err error) {
	err = c.Insert(ctx, id, v)
	if errors.Is(err, venue.ErrExists) {
		return false, nil
	}
	return err == nil, err
}

// release gives a name up if it still is the id's.
func (r *Register) release(ctx context.Context, name, id string) error {
	row, err := r.reg.names.Get(ctx, name)
	if err == nil && row.Value.ID == id {
		err = r.reg.names.Delete(ctx, name, row.Rev)
	}
	if errors.Is(err, venue.ErrNotFound) || errors.Is(err, venue.ErrStale) {
		return nil
	}
	return err
}

// unitName is under what a unit is registered once: its USCC, or, of one that
// has none, its name in its division.
func unitName(u venue.Unit) string {
	if u.USCC != "" {
		return "uscc:" + string(u.USCC)
	}
	return "unit:" + string(u.Division) + ":" + u.Name
}

// venueName is under what a venue is registered once.
func venueName(v venue.Venue) string {
	return fmt.Sprintf("venue:%s:%s\x1f%s\x1f%s", v.Unit, v.Name, v.Zone, v.Plate)
}

// UnitsNamed lists the units of a name, but for those that another stands for.
func (r *Register) UnitsNamed(ctx context.Context, name string) ([]venue.Unit, error) {
	units, err := values(r.reg.units.All(ctx, Query{Index: "name", Equal: []any{name}}))
	return slices.DeleteFunc(units, venue.Unit.Closed), err
}

// DivisionNamed finds the division whose territory has a name; venue.ErrNotFound
// if there is none, or more than one.
func (r *Register) DivisionNamed(ctx context.Context, name string) (found venue.Division, err error) {
	for row, err := range r.reg.territories.Find(ctx, Query{}) {
		switch {
		case err != nil:
			return "", err
		case row.Value.Name != name:
		case found != "":
			return "", fmt.Errorf("two divisions of a name: %w", venue.ErrNotFound)
		default:
			found = row.Value.Division
		}
	}
	if found == "" {
		return "", fmt.Errorf("division: %w", venue.ErrNotFound)
	}
	return found, nil
}

// VenueOf finds a unit's venue by its name; venue.ErrNotFound.
func (r *Register) VenueOf(ctx context.Context, unit venue.UnitID, name string) (venue.VenueID, error) {
	row, err := r.reg.names.Get(ctx, venueName(venue.Venue{Unit: unit, Name: name}))
	return venue.VenueID(row.Value.ID), err
}

// VenuesOf tells of each venue which one its unit has of the name, zone and plate,
// or will have; "" if none.
func (r *Register) VenuesOf(ctx context.Context, venues []venue.Venue) ([]venue.VenueID, error) {
	names, ids := make([]string, len(venues)), make([]venue.VenueID, len(venues))
	for i, v := range venues {
		names[i] = venueName(v)
	}
	rows, err := r.reg.names.GetAll(ctx, names)
	for i, name := range names {
		ids[i] = venue.VenueID(rows[name].ID)
	}
	return ids, err
}

// UnitOf finds the unit of a USCC, or the one that stands for it; venue.ErrNotFound,
// also if that is closed.
func (r *Register) UnitOf(ctx context.Context, uscc venue.USCC) (venue.Unit, error) {
	row, err := r.reg.names.Get(ctx, "uscc:"+cmp.Or(string(uscc), absentKey))
	if err != nil {
		return venue.Unit{}, err
	}
	u, err := r.reg.standing(ctx, venue.UnitID(row.Value.ID))
	if err == nil && u.Closed() {
		return venue.Unit{}, fmt.Errorf("unit is closed: %w", venue.ErrNotFound)
	}
	return u, err
}

// allStanding is standing for many, by the ids asked for; those that there are not
// are left out.
func (r *Register) allStanding(ctx context.Context, ids []venue.UnitID) (map[venue.UnitID]venue.Unit, error) {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = string(id)
	}
	found, err := r.reg.units.GetAll(ctx, texts)
	units := make(map[venue.UnitID]venue.Unit, len(found))
	for id, u := range found {
		if u.Into != "" && err == nil {
			u, err = r.reg.standing(ctx, u.Into)
		}
		units[venue.UnitID(id)] = u
	}
	return units, err
}

// UnitsOf is UnitOf for many; those that there are not are left out.
func (r *Register) UnitsOf(ctx context.Context, usccs []venue.USCC) (map[venue.USCC]venue.Unit, error) {
	names := make([]string, len(usccs))
	for i, uscc := range usccs {
		names[i] = unitName(venue.Unit{USCC: uscc})
	}
	rows, err := r.reg.names.GetAll(ctx, names)
	if err != nil {
		return nil, err
	}
	var ids []venue.UnitID
	for _, row := range rows {
		ids = append(ids, venue.UnitID(row.ID))
	}
	units, err := r.allStanding(ctx, ids)
	found := make(map[venue.USCC]venue.Unit, len(units))
	for i, uscc := range usccs {
		if u, ok := units[venue.UnitID(rows[names[i]].ID)]; ok && !u.Closed() {
			found[uscc] = u
		}
	}
	return found, err
}

// ClaimUnits takes units' names in the register for them and answers with the
// ids under which they are, or will be. A name that leads to a closed unit, by way
// of one that was merged into it, is free.
func (r *Register) ClaimUnits(ctx context.Context, units []venue.Unit) ([]venue.UnitID, error) {
	ids, _, err := r.claimUnits(ctx, units)
	return ids, err
}

// claimUnits is ClaimUnits; there are those that had the name before, or stand for
// them, by the id that is answered.
func (r *Register) claimUnits(ctx context.Context, units []venue.Unit) (ids []venue.UnitID, there map[venue.UnitID]venue.Unit, err error) {
	if ids, err = claimAll(ctx, r.reg, units, unitName, func(u venue.Unit) venue.UnitID { return u.ID }); err != nil {
		return nil, nil, err
	}
	var others []venue.UnitID
	for i, u := range units {
		if ids[i] != u.ID {
			others = append(others, ids[i])
		}
	}
	if there, err = r.allStanding(ctx, others); err != nil {
		return nil, nil, err
	}
	freed := false
	for i, u := range units {
		if ids[i] != u.ID && there[ids[i]].Closed() {
			if err := r.release(ctx, unitName(u), string(ids[i])); err != nil {
				return nil, nil, err
			}
			freed = true
		}
	}
	if freed {
		return r.claimUnits(ctx, units)
	}
	return ids, there, nil
}

// UnitEntry is a unit to be written, with whom to reach about it.
type UnitEntry struct {
	Unit    venue.Unit
	Contact registry.Person
}

// EnterUnits writes units under their ids, each once: run again it completes. One
// whose USCC, or whose name in the division, is registered is used as it is. The
// answers are the units as they are then. All are a step further before any is two
// steps further, so that a step costs the store a few writes.
func (r *Register) EnterUnits(ctx context.Context, entries []UnitEntry, by registry.Who) ([]venue.Unit, error) {
	units, known := make([]venue.Unit, len(entries)), make([]bool, len(entries))
	for i, e := range entries {
		units[i] = e.Unit
	}
	ids, there, err := r.claimUnits(ctx, units)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		if u, ok := there[id]; ok && id != units[i].ID {
			units[i], known[i] = u, true
		} else { // new, or it was cut off
			units[i].ID = id
		}
	}
	var reached []reachable
	var changes []Row[ChangeRow]
	var rows []Row[venue.Unit]
	now := venue.Millis(r.clock.Now())
	for i, u := range units {
		if known[i] {
			continue
		}
		key := "unit:" + string(u.ID)
		reached = append(reached, reachable{id: key, manager: entries[i].Contact})
		changes = append(changes, entering(key, registry.Change{By: by, At: now, Unit: &u, Of: u.ID}))
		rows = append(rows, Row[venue.Unit]{ID: string(u.ID), Value: u})
	}
	if err := r.reach(ctx, reached...); err != nil {
		return nil, err
	}
	if _, err := r.changes.InsertAll(ctx, changes); err != nil {
		return nil, err
	}
	if _, err = r.reg.units.InsertAll(ctx, rows); err == nil {
		err = r.hang(ctx, units)
	}
	return units, err
}

// hang looks whether units stand below one that has ended, and puts them where its
// end has put those that it found. Who ends a unit looks for them once more when that
// is written, and who enters or moves one looks here afterwards: none is left.
func (r *Register) hang(ctx context.Context, units []venue.Unit) error {
	for range mostEnds {
		var above []string
		for _, u := range units {
			if u.Parent != "" {
				above = append(above, string(u.Parent))
			}
		}
		parents, err := r.reg.units.GetAll(ctx, above)
		moved := false
		for i, u := range units {
			p := parents[string(u.Parent)]
			if !p.Closed() || err != nil {
				continue
			}
			var row Row[venue.Unit]
			row, err = r.reg.units.Update(ctx, string(u.ID), false, func(u *venue.Unit) error {
				switch {
				case u.Parent != p.ID: // by whoever ends it
				case p.Into != "" && p.Into != u.ID:
					u.Parent = p.Into
				default:
					*u = registry.Orphan(*u, p.Parent)
				}
				return nil
			})
			units[i], moved = row.Value, true
		}
		if !moved || err != nil {
			return err
		}
	}
	return nil
}

// mostEnds is how many units above each other may end while one is entered.
const mostEnds = 8

// entering is the first line of the history of unit:ID or venue:ID.
func entering(key string, c registry.Change) Row[ChangeRow] {
	c.Act = registry.ActEnter
	return Row[ChangeRow]{ID: changeID(key, 0), Value: ChangeRow{Change: c, Of: string(c.Of), At: c.At}}
}

// Enter writes an entry; see registry.Book.
func (r *Register) Enter(ctx context.Context, e registry.Entry, m registry.Made, by registry.Who) (registry.Made, error) {
	unit := e.Unit
	if unit.ID == "" {
		unit.ID = m.Unit
		if e.ParentUSCC != "" {
			parent, err := r.UnitOf(ctx, e.ParentUSCC)
			if err != nil && !errors.Is(err, venue.ErrNotFound) {
				return m, err
			}
			unit.Parent = parent.ID
		}
		units, err := r.EnterUnits(ctx, []UnitEntry{{Unit: unit}}, by)
		if err != nil {
			return m, err
		}
		m.Unit = units[0].ID
	}
	unit, err := r.reg.standing(ctx, m.Unit)
	if err != nil {
		return m, err
	}
	if unit.Closed() {
		return m, &registry.Refused{Rule: registry.RuleClosed}
	}
	m.Unit = unit.ID
	e.Venue.ID, e.Venue.Unit = m.Venue, unit.ID
	if unit.Pending() {
		e.Venue.Status = venue.StatusPending
	}
	entered, err := r.EnterVenues(ctx, []VenueEntry{{e, m.Codes}}, by)
	if err == nil && entered[0].ID != m.Venue {
		err = fmt.Errorf("venue of the unit: %w", venue.ErrExists)
	}
	return m, errors.Join(err, r.reg.changed(ctx, m.Unit))
}

// ClaimVenues takes venues' names in the register for them and answers with the
// ids under which they are, or will be.
func (r *Register) ClaimVenues(ctx context.Context, venues []venue.Venue) ([]venue.VenueID, error) {
	return claimAll(ctx, r.reg, venues, venueName, func(v venue.Venue) venue.VenueID { return v.ID })
}

// VenueEntry is a venue to be written, whose unit is there, with a code for each
// of its doors.
type VenueEntry struct {
	registry.Entry
	Codes []venue.Code
}

// EnteredVenue says what became of a VenueEntry.
type EnteredVenue struct {
	ID    venue.VenueID
	Known bool // it was there, or meant, before: its doors are those
}

// EnterVenues writes venues with their doors, each once, in steps like
// EnterUnits. One that has the name already is used as it is. What was cut off
// while it was written is completed, as it was meant then. The caller tells the
// other processes (Entered).
func (r *Register) EnterVenues(ctx context.Context, entries []VenueEntry, by registry.Who) ([]EnteredVenue, error) {
	venues := make([]venue.Venue, len(entries))
	for i, e := range entries {
		venues[i] = e.Venue
	}
	ids, err := r.ClaimVenues(ctx, venues)
	if err != nil {
		return nil, err
	}
	entered := make([]EnteredVenue, len(entries))
	var taken []string
	for i, id := range ids {
		if id != venues[i].ID {
			taken = append(taken, string(id))
		}
		venues[i].ID, entered[i].ID = id, id
	}
	found, err := r.reg.venues.GetAll(ctx, taken)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		_, entered[i].Known = found[string(id)]
	}
	var reached []reachable
	var changes []Row[ChangeRow]
	var of []int // the entry of each change
	now := venue.Millis(r.clock.Now())
	for i, v := range venues {
		if entered[i].Known {
			continue
		}
		key := "venue:" + string(v.ID)
		c := registry.Change{By: by, At: now, Venue: &v, Of: v.Unit}
		for n, name := range entries[i].Doors {
			c.Doors = append(c.Doors, venue.Door{Code: entries[i].Codes[n], Venue: v.ID, Unit: v.Unit, Name: name, Status: venue.StatusActive})
		}
		reached = append(reached, reachable{key, entries[i].Applicant, entries[i].Manager})
		changes, of = append(changes, entering(key, c)), append(of, i)
	}
	if err := r.reach(ctx, reached...); err != nil {
		return nil, err
	}
	meant, err := r.changes.InsertAll(ctx, changes)
	if err != nil {
		return nil, err
	}
	before, err := r.changes.GetAll(ctx, idsThere(changes, meant))
	if err != nil {
		return nil, err
	}
	for n, added := range meant {
		if added {
			continue
		}
		stands, ok := before[changes[n].ID]
		if !ok {
			return nil, fmt.Errorf("the change of a venue: %w", venue.ErrNotFound)
		}
		entered[of[n]].Known, changes[n].Value = true, stands
	}
	return entered, r.open(ctx, changes, by)
}

// open writes the venues that changes say have been entered: the tenures of their
// doors, the doors, and last the venues themselves. What became of their units
// meanwhile reaches them too.
func (r *Register) open(ctx context.Context, changes []Row[ChangeRow], by registry.Who) error {
	var tenures []Row[venue.Tenure]
	var doors []Row[venue.Door]
	var venues []Row[venue.Venue]
	var of []string // the unit of each
	for _, row := range changes {
		c := row.Value.Change
		for _, d := range c.Doors {
			tenures = append(tenures, Row[venue.Tenure]{ID: string(d.Code) + ":first", Value: venue.Tenure{Door: d.Code, Unit: d.Unit, Since: c.At}})
			doors = append(doors, Row[venue.Door]{ID: string(d.Code), Value: d})
		}
		venues = append(venues, Row[venue.Venue]{ID: string(c.Venue.ID), Value: *c.Venue})
		of = append(of, string(c.Venue.Unit))
	}
	if _, err := r.reg.tenures.InsertAll(ctx, tenures); err != nil {
		return err
	}
	if _, err := r.reg.doors.InsertAll(ctx, doors); err != nil {
		return err
	}
	if _, err := r.reg.venues.InsertAll(ctx, venues); err != nil {
		return err
	}
	units, err := r.reg.units.GetAll(ctx, of)
	late := make([]bool, len(venues))
	for i, v := range venues {
		unit, ok := units[of[i]]
		if !ok && err == nil {
			err = fmt.Errorf("unit of a venue: %w", venue.ErrNotFound)
		}
		late[i] = unit.Closed() || v.Value.Status == venue.StatusPending && !unit.Pending()
	}
	if err != nil {
		return err
	}
	return forEach(ctx, late, true, func(ctx context.Context, i int) error {
		v := venues[i].Value
		if !units[of[i]].Closed() {
			return r.wake(ctx, v.ID, by)
		}
		into, err := r.reg.standing(ctx, v.Unit)
		switch {
		case err != nil:
			return err
		case into.Closed():
			return r.shut(ctx, v, by)
		}
		return r.move(ctx, v, into, by)
	})
}

// Entered tells every process what EnterUnits and EnterVenues have written.
func (r *Register) Entered(ctx context.Context) error { return r.reg.changed(ctx) }

// Unit reads a unit; venue.ErrNotFound.
func (r *Register) Unit(ctx context.Context, id venue.UnitID) (venue.Unit, error) {
	return r.reg.Unit(ctx, id)
}

// Place reads a venue with its doors, by code; venue.ErrNotFound.
func (r *Register) Place(ctx context.Context, id venue.VenueID) (registry.Place, error) {
	v, err := r.reg.venues.Get(ctx, cmp.Or(string(id), absentKey))
	if err != nil {
		return registry.Place{}, err
	}
	doors, err := values(r.reg.doors.All(ctx, Query{Index: "name", Equal: []any{string(id)}}))
	return registry.Place{Venue: v.Value, Doors: doors}, err
}

// Reach keeps whom to reach about a venue; see registry.Book.
func (r *Register) Reach(ctx context.Context, id venue.VenueID, applicant, manager registry.Person) error {
	return r.reach(ctx, reachable{"venue:" + string(id), applicant, manager})
}

// ReachUnit keeps whom to reach about a unit.
func (r *Register) ReachUnit(ctx context.Context, id venue.UnitID, contact registry.Person) error {
	return r.reach(ctx, reachable{id: "unit:" + string(id), manager: contact})
}

// Reached opens whom to reach about a venue; zero where nobody is known. Whoever
// shows it writes the audit entry.
func (r *Register) Reached(ctx context.Context, id venue.VenueID) (applicant, manager registry.Person, err error) {
	return r.reached(ctx, "venue:"+string(id))
}

// ReachedUnit opens whom to reach about a unit.
func (r *Register) ReachedUnit(ctx context.Context, id venue.UnitID) (registry.Person, error) {
	_, contact, err := r.reached(ctx, "unit:"+string(id))
	return contact, err
}

func (r *Register) reached(ctx context.Context, id string) (applicant, manager registry.Person, err error) {
	row, err := r.contacts.Get(ctx, id)
	if errors.Is(err, venue.ErrNotFound) {
		return applicant, manager, nil
	} else if err != nil {
		return applicant, manager, err
	}
	return r.openContact(id, row.Value)
}

func (r *Register) openContact(id string, row ContactRow) (applicant, manager registry.Person, err error) {
	open := func(use string, sealed []byte) (p registry.Person) {
		if err != nil || sealed == nil {
			return p
		}
		plain, e := r.sealer.Open(contactUse+use+id, sealed)
		var texts [2]string
		if e == nil {
			e = json.Unmarshal(plain, &texts)
		}
		if e == nil {
			p.Name, e = venue.ParsePersonName(texts[0])
		}
		if e == nil {
			p.Phone, e = venue.ParsePhone(texts[1])
		}
		if e != nil {
			err = errors.New("contact can not be opened") // json quotes what it could not read
		}
		return p
	}
	applicant, manager = open("applicant/", row.Applicant), open("manager/", row.Manager)
	return applicant, manager, err
}

// reachable is whom to reach about unit:ID or venue:ID; a unit has no applicant.
type reachable struct {
	id                 string
	applicant, manager registry.Person
}

// reach keeps whom to reach; of whom nobody is said, those known stay. Where the
// same persons are known nothing is written: a file that is done again has them all.
func (r *Register) reach(ctx context.Context, all ...reachable) error {
	var rows []Row[ContactRow]
	var persons []reachable
	for _, one := range all {
		row := Row[ContactRow]{ID: one.id}
		var err error
		if row.Value.Applicant, err = r.sealPerson("applicant/"+one.id, one.applicant); err != nil {
			return err
		}
		if row.Value.Manager, err = r.sealPerson("manager/"+one.id, one.manager); err != nil {
			return err
		}
		if row.Value.Applicant != nil || row.Value.Manager != nil {
			rows, persons = append(rows, row), append(persons, one)
		}
	}
	done, err := r.contacts.InsertAll(ctx, rows)
	if err != nil {
		return err
	}
	known, err := r.contacts.GetAll(ctx, idsThere(rows, done))
	if err != nil {
		return err
	}
	for i, p := range persons {
		if row, is := known[p.id]; is && !done[i] {
			applicant, manager, err := r.openContact(p.id, row)
			nobody := registry.Person{}
			done[i] = err == nil && (p.applicant == nobody || p.applicant == applicant) && (p.manager == nobody || p.manager == manager)
		}
	}
	return forEach(ctx, done, false, func(ctx context.Context, i int) error {
		_, err := r.contacts.Update(ctx, rows[i].ID, true, func(c *ContactRow) error {
			if sealed := rows[i].Value.Applicant; sealed != nil {
				c.Applicant = sealed
			}
			if sealed := rows[i].Value.Manager; sealed != nil {
				c.Manager = sealed
			}
			return nil
		})
		return err
	})
}

// idsThere are the ids of the rows that were not added, since they were there.
func idsThere[T any](rows []Row[T], added []bool) (there []string) {
	for i, row := range rows {
		if !added[i] {
			there = append(there, row.ID)
		}
	}
	return there
}

// sealPerson seals a person for one use; nobody is nil.
func (r *Register) sealPerson(use string, p registry.Person) ([]byte, error) {
	if p == (registry.Person{}) {
		return nil, nil
	}
	plain, err := json.Marshal([2]string{p.Name.Reveal(), p.Phone.Reveal()})
	if err == nil {
		plain, err = r.sealer.Seal(contactUse+use, plain)
	}
	if err != nil {
		return nil, fmt.Errorf("seal contact: %w", err)
	}
	return plain, nil
}

// changeID names a change: by what it changes, unit:ID or venue:ID, and its
// number.
func changeID(key string, number int64) string { return fmt.Sprintf("%s:%010d", key, number) }
