package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/errgroup"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/checkin"
)

// Registry knows units, venues, doors and who answers for them. Finding a door
// stays out of the store: a bounded cache serves it, read anew when the registry's
// version has changed, which is looked at every couple of seconds. While the store
// is away the cache serves as it is.
type Registry struct {
	units       Collection[venue.Unit]
	groups      Collection[venue.Group]
	venues      Collection[venue.Venue]
	doors       Collection[venue.Door]
	tenures     Collection[venue.Tenure]
	bindings    Collection[venue.Binding]
	territories Collection[venue.Territory]
	meta        Collection[MetaRow]
	oldCodes    Collection[OldCodeRow]
	names       Collection[RegisterNameRow]

	machine venue.Clock
	places  *lru.Cache[venue.Code, cachedPlace]
	old     *lru.Cache[string, venue.Code] // by id of the old code
	filling atomic.Int64                   // raised when the registry changes: what was read before is of former times
	version atomic.Int64                   // of what the cache holds
	looked  atomic.Int64                   // unix ms, machine: when the version was last looked at
}

type cachedPlace struct {
	checkin.Place
	filling int64
}

const (
	cachedPlaces = 1 << 15
	lookEvery    = 2 * time.Second        // another process's change is seen within this, and a read
	lookFor      = 150 * time.Millisecond // a look that takes longer is taken again later
	registryVer  = "registry"
	absentKey    = "-" // looked up where there is nothing to look up, so that it costs the same
)

// NewRegistry opens the registry.
func NewRegistry(docs Documents, machine venue.Clock) *Registry {
	places, _ := lru.New[venue.Code, cachedPlace](cachedPlaces)
	old, _ := lru.New[string, venue.Code](cachedPlaces)
	return &Registry{
		units:       NewCollection[venue.Unit](docs, Units),
		groups:      NewCollection[venue.Group](docs, Groups),
		venues:      NewCollection[venue.Venue](docs, Venues),
		doors:       NewCollection[venue.Door](docs, Doors),
		tenures:     NewCollection[venue.Tenure](docs, Tenures),
		bindings:    NewCollection[venue.Binding](docs, Bindings),
		territories: NewCollection[venue.Territory](docs, Territories),
		meta:        NewCollection[MetaRow](docs, Meta),
		oldCodes:    NewCollection[OldCodeRow](docs, OldCodes),
		names:       NewCollection[RegisterNameRow](docs, RegisterNames),
		machine:     machine, places: places, old: old,
	}
}

// Resolve finds the place of a door that may be scanned. Malformed ("" stands
// for it, once Old does not know it either), unknown and revoked codes are all
// venue.ErrNotFound after the same three look-ups.
func (r *Registry) Resolve(ctx context.Context, code venue.Code) (checkin.Place, error) {
	if err := r.refresh(ctx); err != nil {
		return checkin.Place{}, err
	}
	filling := r.filling.Load()
	known, ok := r.places.Get(code)
	if ok && known.filling == filling {
		return known.Place, nil
	}
	p, err := r.resolve(ctx, code, ok)
	switch {
	case err == nil:
		r.places.Add(code, cachedPlace{p, filling})
	case ok && unheard(err):
		return known.Place, nil // as it was when the store went away
	case errors.Is(err, venue.ErrNotFound):
		r.places.Remove(code)
		if code != "" { // whoever has none has looked for an old code
			_, _ = r.oldCodes.Get(ctx, absentKey)
		}
	}
	return p, err
}

// resolve reads the place of a door that may be scanned. It does not wait long if
// it is known from former times.
func (r *Registry) resolve(ctx context.Context, code venue.Code, known bool) (p checkin.Place, err error) {
	if known {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, lookFor)
		defer cancel()
	}
	door, err := r.doors.Get(ctx, cmp.Or(string(code), absentKey))
	if err != nil && !errors.Is(err, venue.ErrNotFound) {
		return p, err
	}
	v, err := r.venues.Get(ctx, cmp.Or(string(door.Value.Venue), absentKey))
	if err != nil {
		return p, err
	}
	if !door.Value.Status.Scannable() || !v.Value.Status.Scannable() {
		return p, fmt.Errorf("door is not in use: %w", venue.ErrNotFound)
	}
	return checkin.Place{Door: door.Value, Venue: v.Value}, nil
}

// Warm reads doors that nobody has scanned yet into the cache, as many as it
// holds: they can be scanned should the store go away. It takes as long as it
// takes, in the background.
func (r *Registry) Warm(ctx context.Context) error {
	filling := r.filling.Load()
	for row, err := range r.doors.Find(ctx, Query{Limit: cachedPlaces}) {
		if err != nil {
			return fmt.Errorf("read doors ahead: %w", err)
		}
		if door := row.Value; door.Status.Scannable() && !r.places.Contains(door.Code) {
			v, err := r.venues.Get(ctx, string(door.Venue))
			if err != nil {
				return fmt.Errorf("read doors ahead: %w", err)
			}
			if v.Value.Status.Scannable() {
				r.places.Add(door.Code, cachedPlace{checkin.Place{Door: door, Venue: v.Value}, filling})
			}
		}
	}
	return nil
}

// Place finds the place of a door whether or not it may still be scanned;
// venue.ErrNotFound if there never was one.
func (r *Registry) Place(ctx context.Context, code venue.Code) (checkin.Place, error) {
	door, err := r.doors.Get(ctx, string(code))
	if err != nil {
		return checkin.Place{}, err
	}
	v, err := r.venues.Get(ctx, string(door.Value.Venue))
	return checkin.Place{Door: door.Value, Venue: v.Value}, err
}

// forget makes the cache's places those of former times: they serve only while
// the store is away. A look-up under way may still put one in.
func (r *Registry) forget() { r.filling.Add(1) }

// refresh makes the cache's places old if the registry has changed.
func (r *Registry) refresh(ctx context.Context) error {
	now, looked := r.machine.Now().UnixMilli(), r.looked.Load()
	if now-looked < lookEvery.Milliseconds() || !r.looked.CompareAndSwap(looked, now) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	row, err := r.meta.Get(ctx, registryVer)
	if unheard(err) {
		return nil
	} else if err != nil && !errors.Is(err, venue.ErrNotFound) {
		r.looked.Store(looked)
		return fmt.Errorf("read registry version: %w", err)
	}
	if r.version.Swap(row.Value.Value) != row.Value.Value {
		r.forget()
	}
	return nil
}

// unheard tells whether the store said nothing: what was known goes on being
// true, and whoever scans does not wait.
func unheard(err error) bool {
	return errors.Is(err, venue.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)
}

// changed tells every process that the registry changed: what these units are or
// have, or, without any, whatever it may be.
func (r *Registry) changed(ctx context.Context, units ...venue.UnitID) error {
	err := touch(ctx, r.meta, registryVer, units...)
	r.forget()
	return err
}

// touched is how many changes a version remembers one by one.
const touched = 100

// touch counts a version up and notes what changed. It comes after the change is
// written: who has seen the version reads the change.
func touch[ID ~string](ctx context.Context, meta Collection[MetaRow], version string, ids ...ID) error {
	_, err := meta.Update(ctx, version, true, func(m *MetaRow) error {
		m.Value++
		if len(ids) == 0 || len(ids) > touched {
			m.Since, m.Recent = m.Value, nil
			return nil
		}
		for _, id := range ids {
			m.Recent = append(m.Recent, Touch{m.Value, string(id)})
		}
		for len(m.Recent) > touched {
			m.Since, m.Recent = m.Recent[0].At, m.Recent[1:]
		}
		return nil
	})
	return err
}

// since lists what changed after a version was seen; not ok if it may have been
// anything.
func (m MetaRow) since(seen int64) (ids []string, ok bool) {
	for _, t := range m.Recent {
		if t.At > seen {
			ids = append(ids, t.ID)
		}
	}
	return ids, seen >= m.Since && seen <= m.Value
}

// Unit reads a unit; venue.ErrNotFound.
func (r *Registry) Unit(ctx context.Context, id venue.UnitID) (venue.Unit, error) {
	row, err := r.units.Get(ctx, string(id))
	return row.Value, err
}

// Children lists the units directly below one, by id.
func (r *Registry) Children(ctx context.Context, id venue.UnitID) ([]venue.Unit, error) {
	return values(r.units.All(ctx, Query{Index: "parent", Equal: []any{string(id)}}))
}

// UnitsOf lists the units that report in a group, by id.
func (r *Registry) UnitsOf(ctx context.Context, group venue.GroupID) ([]venue.Unit, error) {
	return values(r.units.All(ctx, Query{Index: "group", Equal: []any{string(group)}}))
}

// Groups lists the office directors' groups, by id.
func (r *Registry) Groups(ctx context.Context) ([]venue.Group, error) {
	return values(r.groups.All(ctx, Query{}))
}

// Group reads a group; venue.ErrNotFound.
func (r *Registry) Group(ctx context.Context, id venue.GroupID) (venue.Group, error) {
	row, err := r.groups.Get(ctx, string(id))
	return row.Value, err
}

// AddGroup enters a group; venue.ErrExists.
func (r *Registry) AddGroup(ctx context.Context, g venue.Group) error {
	return r.groups.Insert(ctx, string(g.ID), g)
}

// ChangeGroup changes a group; venue.ErrNotFound.
func (r *Registry) ChangeGroup(ctx context.Context, id venue.GroupID, change func(*venue.Group)) error {
	_, err := r.groups.Update(ctx, string(id), false, func(g *venue.Group) error { change(g); return nil })
	return err
}

// Tenures lists which doors a unit owned, and when, oldest first.
func (r *Registry) Tenures(ctx context.Context, unit venue.UnitID) ([]venue.Tenure, error) {
	return values(r.tenures.All(ctx, Query{Index: "unit", Equal: []any{string(unit)}}))
}

// Accounts lists the chat accounts bound to a unit.
func (r *Registry) Accounts(ctx context.Context, unit venue.UnitID) ([]venue.ChatAccount, error) {
	rows, err := r.bindings.All(ctx, Query{Index: "unit", Equal: []any{string(unit)}})
	var accounts []venue.ChatAccount
	for _, row := range rows {
		accounts = append(accounts, row.Value.Account)
	}
	return accounts, err
}

// Binding tells which unit a chat account reports for; venue.ErrNotFound.
func (r *Registry) Binding(ctx context.Context, account venue.ChatAccount) (venue.Binding, error) {
	row, err := r.bindings.Get(ctx, account.Key())
	return row.Value, err
}

// Officers lists who answers for a division: those of its most specific
// territory that has any.
func (r *Registry) Officers(ctx context.Context, d venue.Division) ([]venue.ChatAccount, error) {
	for _, id := range territoryIDs(d) {
		row, err := r.territories.Get(ctx, id)
		if errors.Is(err, venue.ErrNotFound) {
			continue
		}
		if err != nil || len(row.Value.Officers) > 0 {
			return row.Value.Officers, err
		}
	}
	return nil, nil
}

// territoryIDs names the territories in which a division lies, itself first.
// Trailing zeros stand for a larger division, so one division has one id.
func territoryIDs(d venue.Division) []string {
	s := string(d)
	if d.Level() == 0 {
		return nil
	}
	var ids []string
	for ; len(s) > 6; s = s[:len(s)-3] { // 12 → 9 → 6 digits
		if !strings.HasSuffix(s, "000") {
			ids = append(ids, s)
		}
	}
	return slices.Compact(append(ids, s, s[:4]+"00", s[:2]+"0000"))
}

// Registered is everything that one call puts into the registry.
type Registered struct {
	Territories []venue.Territory
	Groups      []venue.Group
	Units       []venue.Unit
	Venues      []venue.Venue
	Doors       []venue.Door
	Bindings    []venue.Binding
	Since       time.Time // from when on the units own their doors
}

// Put writes new entries and overwrites known ones by their id; of two of a name
// the first is the one that applications find. It can be run again after a failure. A door that changes hands ends the old tenure.
func (r *Registry) Put(ctx context.Context, in Registered) error {
	var err error
	for _, v := range in.Territories {
		if v.Division.Level() == 0 {
			err = errors.Join(err, &venue.Invalid{Field: "division", Reason: "shape"})
			continue
		}
		err = errors.Join(err, set(ctx, r.territories, territoryIDs(v.Division)[0], v))
	}
	for _, v := range in.Groups {
		err = errors.Join(err, set(ctx, r.groups, string(v.ID), v))
	}
	for _, v := range in.Units {
		_, e := r.units.Update(ctx, string(v.ID), true, func(u *venue.Unit) error {
			v.Changes = max(v.Changes, u.Changes) // their numbers are the history's
			*u = v
			return nil
		})
		_, claimed := r.claim(ctx, unitName(v), string(v.ID))
		err = errors.Join(err, e, claimed)
	}
	for _, v := range in.Venues {
		_, e := r.venues.Update(ctx, string(v.ID), true, func(p *venue.Venue) error {
			v.Changes = max(v.Changes, p.Changes)
			*p = v
			return nil
		})
		_, claimed := r.claim(ctx, venueName(v), string(v.ID))
		err = errors.Join(err, e, claimed)
	}
	for _, v := range in.Bindings {
		err = errors.Join(err, set(ctx, r.bindings, v.Account.Key(), v))
	}
	for _, v := range in.Doors {
		err = errors.Join(err, r.putDoor(ctx, v, in.Since))
	}
	return errors.Join(err, r.changed(ctx, in.units()...))
}

// units are those about which something is put in. A door that changes hands is
// about one that is not known here: then there are none, which stands for all.
func (in Registered) units() (ids []venue.UnitID) {
	if len(in.Venues)+len(in.Doors) > 0 {
		return nil
	}
	for _, u := range in.Units {
		ids = append(ids, u.ID)
	}
	return ids
}

// claim takes a name for an id, and answers whose it is.
func (r *Registry) claim(ctx context.Context, name, id string) (string, error) {
	for {
		row, err := r.names.Get(ctx, name) // a name that is taken costs no write
		if !errors.Is(err, venue.ErrNotFound) {
			return row.Value.ID, err
		}
		if added, err := insert(ctx, r.names, name, RegisterNameRow{id}); err != nil || added {
			return id, err
		}
	}
}

// standing follows merged units to the one that stands for them.
func (r *Registry) standing(ctx context.Context, id venue.UnitID) (venue.Unit, error) {
	for {
		u, err := r.Unit(ctx, id)
		if err != nil || u.Into == "" {
			return u, err
		}
		id = u.Into
	}
}

// claimAll claims the names of many, and answers whose they are. A name that
// nobody has is taken without looking first.
func claimAll[T any, ID ~string](ctx context.Context, r *Registry, list []T, name func(T) string, id func(T) ID) ([]ID, error) {
	names, rows, holders := make([]string, len(list)), make([]Row[RegisterNameRow], len(list)), make([]ID, len(list))
	for i, v := range list {
		names[i], holders[i] = name(v), id(v)
		rows[i] = Row[RegisterNameRow]{ID: names[i], Value: RegisterNameRow{string(holders[i])}}
	}
	added, err := r.names.InsertAll(ctx, rows)
	if err != nil {
		return nil, err
	}
	there, err := r.names.GetAll(ctx, whose(names, added, false))
	for i, name := range names {
		if added[i] || err != nil {
			continue
		}
		row, ok := there[name]
		if !ok { // it was given up just now
			row.ID, err = r.claim(ctx, name, string(holders[i]))
		}
		holders[i] = ID(row.ID)
	}
	return holders, err
}

// whose are those of a list of which another says so.
func whose[T any](list []T, says []bool, so bool) (some []T) {
	for i, v := range list {
		if says[i] == so {
			some = append(some, v)
		}
	}
	return some
}

// forEach does something about each that a list says so of, many at a time.
func forEach(ctx context.Context, of []bool, so bool, do func(ctx context.Context, i int) error) error {
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(together)
	for i, is := range of {
		if is == so {
			g.Go(func() error { return do(within, i) })
		}
	}
	return g.Wait()
}

// putDoor writes the tenures first: run again, even at a later instant, it
// finds them done. Two open tenures of a door would count its scans twice.
func (r *Registry) putDoor(ctx context.Context, d venue.Door, since time.Time) error {
	old, err := r.doors.Get(ctx, string(d.Code))
	switch {
	case errors.Is(err, venue.ErrNotFound):
		err = set(ctx, r.tenures, string(d.Code)+":first", venue.Tenure{Door: d.Code, Unit: d.Unit, Since: since})
	case err == nil && old.Value.Unit != d.Unit:
		err = r.transfer(ctx, d.Code, old.Value.Unit, d.Unit, since)
	}
	if err != nil {
		return err
	}
	return set(ctx, r.doors, string(d.Code), d)
}

// transfer ends a door's tenure with one unit and begins that with another.
func (r *Registry) transfer(ctx context.Context, door venue.Code, from, to venue.UnitID, since time.Time) error {
	open := func(unit venue.UnitID) (rows []Row[venue.Tenure], err error) {
		rows, err = r.tenures.All(ctx, Query{Index: "unit", Equal: []any{string(unit)}})
		return slices.DeleteFunc(rows, func(row Row[venue.Tenure]) bool {
			return row.Value.Door != door || !row.Value.Until.IsZero()
		}), err
	}
	ending, err := open(from)
	if err != nil {
		return err
	}
	for _, row := range ending {
		row.Value.Until = since
		if _, err := r.tenures.Replace(ctx, row); err != nil {
			return err
		}
	}
	begun, err := open(to)
	if err != nil || len(begun) > 0 {
		return err
	}
	id := string(door) + ":" + strconv.FormatInt(since.UnixMilli(), 10)
	return set(ctx, r.tenures, id, venue.Tenure{Door: door, Unit: to, Since: since})
}

// Bind ties a chat account to a unit; whoever it reported for before, it does no
// longer.
func (r *Registry) Bind(ctx context.Context, b venue.Binding) error {
	return set(ctx, r.bindings, b.Account.Key(), b)
}

// UnitNames lists the names of all units, for telling whether a line of chat
// names one.
func (r *Registry) UnitNames(ctx context.Context) (map[venue.UnitID][]string, error) {
	names := map[venue.UnitID][]string{}
	for row, err := range r.units.Find(ctx, Query{}) {
		if err != nil {
			return nil, err
		}
		u := row.Value
		names[u.ID] = slices.DeleteFunc([]string{u.Name, u.ShortName}, func(s string) bool { return s == "" })
	}
	return names, nil
}

// Doors lists every door with its place, in the order of the codes. One whose
// venue is still being entered is not among them.
func (r *Registry) Doors(ctx context.Context) ([]checkin.Place, error) {
	return r.doorsOf(ctx, Query{})
}

func (r *Registry) doorsOf(ctx context.Context, q Query) ([]checkin.Place, error) {
	rows, err := r.doors.All(ctx, q)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = string(row.Value.Venue)
	}
	venues, err := r.venues.GetAll(ctx, ids)
	var places []checkin.Place
	for i, row := range rows {
		if v, ok := venues[ids[i]]; ok { // doors are written before their venue
			places = append(places, checkin.Place{Door: row.Value, Venue: v})
		}
	}
	return places, err
}

// set writes v under id whatever was there.
func set[T any](ctx context.Context, c Collection[T], id string, v T) error {
	_, err := c.Update(ctx, id, true, func(old *T) error { *old = v; return nil })
	return err
}

func values[T any](rows []Row[T], err error) ([]T, error) {
	var out []T
	for _, row := range rows {
		out = append(out, row.Value)
	}
	return out, err
}
