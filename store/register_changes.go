package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// standing is how a unit or venue is before a change.
type standing struct {
	key  string // unit:ID or venue:ID
	last int64  // number of the last change
	name string // under which it is registered
}

// Change makes the next change to a venue; see registry.Book.
func (r *Register) Change(ctx context.Context, id venue.VenueID, by registry.Who, plan func(registry.Place) (registry.Change, error)) (registry.Change, error) {
	return r.next(ctx, by, func() (now standing, c registry.Change, err error) {
		p, err := r.Place(ctx, id)
		if err != nil {
			return now, c, err
		}
		now = standing{"venue:" + string(id), p.Venue.Changes, venueName(p.Venue)}
		c, err = plan(p)
		c.Of = cmp.Or(c.Of, p.Venue.Unit)
		return now, c, err
	})
}

// ChangeUnit makes the next change to a unit; see registry.Book.
func (r *Register) ChangeUnit(ctx context.Context, id venue.UnitID, by registry.Who, plan func(venue.Unit) (registry.Change, error)) (registry.Change, error) {
	return r.next(ctx, by, func() (now standing, c registry.Change, err error) {
		u, err := r.Unit(ctx, cmp.Or(id, absentKey))
		if err != nil {
			return now, c, err
		}
		now = standing{"unit:" + string(id), u.Changes, unitName(u)}
		c, err = plan(u)
		c.Of = id
		return now, c, err
	})
}

// next writes the change with the next number down and carries it out. If one
// stands there already it was cut off, or somebody else is at it: that is carried
// out first, and the plan made anew.
func (r *Register) next(ctx context.Context, by registry.Who, plan func() (standing, registry.Change, error)) (registry.Change, error) {
	for {
		now, c, planned := plan()
		if now.key == "" {
			return c, planned
		}
		id := changeID(now.key, now.last+1)
		switch row, err := r.changes.Get(ctx, id); {
		case err == nil:
			if err := r.carryOut(ctx, row); err != nil {
				return c, err
			}
			continue
		case !errors.Is(err, venue.ErrNotFound):
			return c, err
		case planned != nil:
			return registry.Change{}, planned
		}
		c.Number, c.By, c.At = now.last+1, by, venue.Millis(r.clock.Now())
		number(&c)
		row := Row[ChangeRow]{ID: id, Value: ChangeRow{Change: c, Of: string(c.Of), At: c.At, Open: true}}
		if name := nameOf(c); name != now.name {
			row.Value.Frees = now.name
			if err := r.take(ctx, name, owner(c)); err != nil {
				return registry.Change{}, err
			}
		}
		if added, err := insert(ctx, r.changes, id, row.Value); err != nil {
			return c, err
		} else if added {
			return c, r.carryOut(ctx, row)
		}
	}
}

// number writes a change's number into what it makes. A document takes only
// numbers above its own, so that a process which stood still undoes nothing.
func number(c *registry.Change) {
	if c.Unit != nil {
		c.Unit.Changes = c.Number
		return
	}
	c.Venue.Changes = c.Number
	for i := range c.Doors {
		if c.Doors[i].Venue == c.Venue.ID {
			c.Doors[i].Changes = c.Number
		}
	}
}

// nameOf is under what the unit or venue of a change is registered then; "" of
// one that is closed. A merged unit keeps its name: whoever asks for it is led
// to the other.
func nameOf(c registry.Change) string {
	switch {
	case c.Unit != nil && c.Unit.Closed() && c.Unit.Into == "":
	case c.Unit != nil:
		return unitName(*c.Unit)
	case c.Venue.Status != venue.StatusClosed:
		return venueName(*c.Venue)
	}
	return ""
}

// owner is the id of what a change is about.
func owner(c registry.Change) string {
	if c.Unit != nil {
		return string(c.Unit.ID)
	}
	return string(c.Venue.ID)
}

// take claims a name for an id. This comes before the change is written down:
// once it is, nothing may refuse it.
func (r *Register) take(ctx context.Context, name, id string) error {
	if name == "" {
		return nil
	}
	holder, err := r.reg.claim(ctx, name, id)
	if err == nil && holder != id {
		err = fmt.Errorf("the name in the register: %w", venue.ErrExists)
	}
	return err
}

// carryOut does what a change says and notes that it is done. Every step may
// have been done before, and may be done by several at once.
func (r *Register) carryOut(ctx context.Context, row Row[ChangeRow]) error {
	c := row.Value.Change
	var err error
	if c.Unit != nil {
		err = r.carryUnit(ctx, c)
	} else {
		err = r.carryVenue(ctx, c)
	}
	if name := row.Value.Frees; err == nil && name != "" {
		err = r.free(ctx, c, name)
	}
	switch c.Act {
	case registry.ActGroup, registry.ActCover, registry.ActExempt: // neither a door nor a subject is another by that
	default:
		if err == nil {
			err = r.reg.changed(ctx, touchedBy(c)...)
		}
	}
	if err != nil {
		return fmt.Errorf("carry out %s: %w", c.Act, err)
	}
	_, err = r.changes.Update(ctx, row.ID, false, func(v *ChangeRow) error { v.Open = false; return nil })
	return err
}

// touchedBy lists the units that are, or have, something else since a change;
// none, which stands for all, after a unit's end, which reaches those below.
func touchedBy(c registry.Change) []venue.UnitID {
	if c.Unit != nil && c.Unit.Closed() {
		return nil
	}
	units := []venue.UnitID{c.Of}
	if c.Unit != nil {
		units = append(units, c.Unit.ID)
	} else {
		units = append(units, c.Venue.Unit)
	}
	for _, d := range c.Doors {
		units = append(units, d.Unit)
	}
	slices.Sort(units)
	return slices.DeleteFunc(slices.Compact(units), func(id venue.UnitID) bool { return id == "" })
}

// free gives up the name that a change gives up, unless a later one took it back.
func (r *Register) free(ctx context.Context, c registry.Change, name string) error {
	if c.Unit != nil {
		u, err := r.Unit(ctx, c.Unit.ID)
		if c.Unit = &u; err != nil {
			return err
		}
	} else {
		v, err := r.reg.venues.Get(ctx, string(c.Venue.ID))
		if c.Venue = &v.Value; err != nil {
			return err
		}
	}
	if nameOf(c) == name {
		return nil
	}
	return r.release(ctx, name, owner(c))
}

func (r *Register) carryVenue(ctx context.Context, c registry.Change) error {
	for _, d := range c.Doors {
		if err := r.carryDoor(ctx, c, d); err != nil {
			return err
		}
	}
	_, err := r.reg.venues.Update(ctx, string(c.Venue.ID), false, func(v *venue.Venue) error {
		if v.Changes < c.Number {
			*v = *c.Venue
		}
		return nil
	})
	return err
}

// carryDoor writes a door, its tenure first: two that are open would count its
// scans twice. A door that has left the venue, or has a later change, stays as it
// is. A name that was taken meanwhile, in the venue that a merged one's doors go
// to, is numbered: a code must not die of it.
func (r *Register) carryDoor(ctx context.Context, c registry.Change, d venue.Door) error {
	old, err := r.reg.doors.Get(ctx, string(d.Code))
	fresh := errors.Is(err, venue.ErrNotFound)
	switch {
	case fresh:
		_, err = insert(ctx, r.reg.tenures, string(d.Code)+":first", venue.Tenure{Door: d.Code, Unit: d.Unit, Since: c.At})
	case err != nil:
	case old.Value.Venue != c.Venue.ID || old.Value.Changes >= c.Number:
		return nil
	case old.Value.Unit != d.Unit:
		err = r.reg.transfer(ctx, d.Code, old.Value.Unit, d.Unit, c.At)
	}
	if err != nil {
		return err
	}
	put := func() error {
		if fresh {
			return r.reg.doors.Insert(ctx, string(d.Code), d)
		}
		old.Value = d
		_, err := r.reg.doors.Replace(ctx, old)
		return err
	}
	name := d.Name
	err = put()
	for n := 2; errors.Is(err, venue.ErrExists); n++ {
		if fresh { // it may be the code that is there: somebody else carried this out
			if _, err := r.reg.doors.Get(ctx, string(d.Code)); !errors.Is(err, venue.ErrNotFound) {
				return err
			}
		}
		d.Name = fmt.Sprintf("%s(%d)", name, n)
		err = put()
	}
	if errors.Is(err, venue.ErrStale) { // somebody else carries the same out
		return r.carryDoor(ctx, c, d)
	}
	return err
}

func (r *Register) carryUnit(ctx context.Context, c registry.Change) error {
	end := func() error {
		switch c.Act {
		case registry.ActMerge:
			return r.moveAll(ctx, c)
		case registry.ActClose:
			return r.closeAll(ctx, c)
		}
		return nil
	}
	if err := end(); err != nil {
		return err
	}
	if _, err := r.reg.units.Update(ctx, string(c.Unit.ID), false, func(u *venue.Unit) error {
		if u.Changes < c.Number {
			*u = registry.Orphan(*c.Unit, u.Parent) // the end of the unit above is no change of this one
		}
		return nil
	}); err != nil {
		return err
	}
	switch {
	case c.Unit.Closed():
		return end() // of what came meanwhile
	case c.Unit.Pending():
		return nil
	}
	rows, err := r.reg.venues.All(ctx, Query{Index: "unit", Equal: []any{string(c.Unit.ID)}})
	for _, row := range rows {
		if row.Value.Status == venue.StatusPending && err == nil {
			err = r.wake(ctx, row.Value.ID, c.By)
		}
	}
	return err
}

// wake puts a venue into use that waited for its unit's proof.
func (r *Register) wake(ctx context.Context, id venue.VenueID, by registry.Who) error {
	_, err := r.Change(ctx, id, by, registry.Place.Proved)
	return already(err)
}

// already forgives an act that has been done.
func already(err error) error {
	var refused *registry.Refused
	if errors.As(err, &refused) && (refused.Rule == registry.RuleAlready || refused.Rule == registry.RuleClosed) {
		return nil
	}
	return err
}

// moveAll makes what is a merged unit's the other's: venues that are not closed,
// units below, and who reports.
func (r *Register) moveAll(ctx context.Context, c registry.Change) error {
	from := []any{string(c.Unit.ID)}
	into, err := r.reg.standing(ctx, c.Unit.Into)
	if err != nil {
		return err
	}
	venues, err := r.reg.venues.All(ctx, Query{Index: "unit", Equal: from})
	for _, row := range venues {
		if err == nil && row.Value.Status != venue.StatusClosed {
			err = r.move(ctx, row.Value, into, c.By)
		}
	}
	if err != nil {
		return err
	}
	if err := r.rise(ctx, into, *c.Unit); err != nil {
		return err
	}
	if err := r.place(ctx, c.Unit.ID, into.ID); err != nil {
		return err
	}
	bound, err := r.reg.bindings.All(ctx, Query{Index: "unit", Equal: from})
	for _, row := range bound {
		if err == nil {
			_, err = r.reg.bindings.Update(ctx, row.ID, false, func(b *venue.Binding) error { b.Unit = into.ID; return nil })
		}
	}
	return err
}

// rise has the unit that another is merged into stand where that stood, if it is
// below it, however far: what lies between comes below the one, and nobody stands
// below themselves.
func (r *Register) rise(ctx context.Context, into, merged venue.Unit) error {
	for above, err := range venue.Above(into, func(id venue.UnitID) (venue.Unit, error) { return r.reg.Unit(ctx, id) }) {
		switch {
		case errors.Is(err, venue.ErrNotFound):
			return nil
		case err != nil:
			return err
		case above.ID != merged.ID:
			continue
		}
		row, err := r.reg.units.Update(ctx, string(into.ID), false, func(u *venue.Unit) error {
			*u = registry.Orphan(*u, merged.Parent)
			return nil
		})
		if err != nil {
			return err
		}
		return r.hang(ctx, []venue.Unit{row.Value})
	}
	return nil
}

// place has the units below one stand below another, which may be ending as well.
func (r *Register) place(ctx context.Context, from, below venue.UnitID) error {
	children, err := r.reg.units.All(ctx, Query{Index: "parent", Equal: []any{string(from)}})
	units := make([]venue.Unit, len(children))
	for i, row := range children {
		if err == nil {
			row, err = r.reg.units.Update(ctx, row.ID, false, func(u *venue.Unit) error {
				if u.Parent == from {
					*u = registry.Orphan(*u, below)
				}
				return nil
			})
			units[i] = row.Value
		}
	}
	if err != nil {
		return err
	}
	return r.hang(ctx, units)
}

// closeAll ends what was a closed unit's: its venues close, the units below it go
// to the one above, and nobody reports for it. Who is bound to another unit by now
// stays so.
func (r *Register) closeAll(ctx context.Context, c registry.Change) error {
	of := []any{string(c.Unit.ID)}
	venues, err := r.reg.venues.All(ctx, Query{Index: "unit", Equal: of})
	for _, row := range venues {
		if err == nil && row.Value.Status != venue.StatusClosed {
			err = r.shut(ctx, row.Value, c.By)
		}
	}
	if err != nil {
		return err
	}
	if err := r.place(ctx, c.Unit.ID, c.Unit.Parent); err != nil {
		return err
	}
	bound, err := r.reg.bindings.All(ctx, Query{Index: "unit", Equal: of})
	for _, row := range bound {
		if err == nil {
			err = r.reg.bindings.Delete(ctx, row.ID, row.Rev)
		}
		if errors.Is(err, venue.ErrNotFound) || errors.Is(err, venue.ErrStale) {
			err = nil
		}
	}
	return err
}

// shut closes a venue whose unit is closed, unless it has another by now.
func (r *Register) shut(ctx context.Context, v venue.Venue, by registry.Who) error {
	_, err := r.Change(ctx, v.ID, by, func(p registry.Place) (registry.Change, error) {
		if p.Venue.Unit != v.Unit {
			return registry.Change{}, &registry.Refused{Rule: registry.RuleAlready}
		}
		return p.Close("")
	})
	return already(err)
}

// move transfers a venue, unless somebody else did. If the other unit has one of
// its name, it gets a number behind it.
func (r *Register) move(ctx context.Context, v venue.Venue, into venue.Unit, by registry.Who) error {
	for n := 1; ; n++ {
		_, err := r.Change(ctx, v.ID, by, func(p registry.Place) (registry.Change, error) {
			if p.Venue.Unit != v.Unit {
				return registry.Change{}, &registry.Refused{Rule: registry.RuleAlready}
			}
			if n > 1 {
				p.Venue.Name = fmt.Sprintf("%s(%d)", v.Name, n)
			}
			return p.Transfer(into)
		})
		if !errors.Is(err, venue.ErrExists) {
			return already(err)
		}
	}
}

// Settle completes the changes that were cut off; see registry.Book.
func (r *Register) Settle(ctx context.Context) (n int, err error) {
	rows, err := r.changes.All(ctx, Query{Index: "open", Equal: []any{true}})
	for _, row := range rows {
		if e := r.carryOut(ctx, row); e != nil {
			err = errors.Join(err, e)
		} else {
			n++
		}
	}
	return n, err
}

// History lists what was done to a unit and its venues, the newest first.
func (r *Register) History(ctx context.Context, unit venue.UnitID, limit int) ([]registry.Change, error) {
	rows, err := r.changes.All(ctx, Query{Index: "unit", Equal: []any{string(unit)}, Reverse: true, Limit: limit})
	var changes []registry.Change
	for _, row := range rows {
		changes = append(changes, row.Value.Change)
	}
	return changes, err
}

// Print remembers a batch of blank codes; see registry.Blanks.
func (r *Register) Print(ctx context.Context, b registry.Batch) (registry.Batch, error) {
	row := BlankBatchRow{Division: string(b.Division), Codes: b.Codes, At: b.At, By: b.By}
	added, err := insert(ctx, r.batches, b.ID, row)
	if err != nil {
		return b, err
	}
	if !added {
		if b, err = r.Batch(ctx, b.ID); err != nil {
			return b, err
		}
	}
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(together)
	for _, code := range b.Codes {
		g.Go(func() error {
			_, err := insert(within, r.blanks, string(code), BlankCodeRow{Batch: b.ID})
			return err
		})
	}
	return b, g.Wait()
}

// Batch reads a batch of blank codes; venue.ErrNotFound.
func (r *Register) Batch(ctx context.Context, id string) (registry.Batch, error) {
	row, err := r.batches.Get(ctx, cmp.Or(id, absentKey))
	return batchOf(row), err
}

func batchOf(row Row[BlankBatchRow]) registry.Batch {
	v := row.Value
	return registry.Batch{ID: row.ID, Division: venue.Division(v.Division), Codes: v.Codes, At: v.At.UTC(), By: v.By}
}

// used are the codes of a batch that are blank no longer.
func (r *Register) used(ctx context.Context, batch string) (map[venue.Code]bool, error) {
	used := map[venue.Code]bool{}
	for row, err := range r.blanks.Find(ctx, Query{Index: "batch", Equal: []any{batch}, From: " "}) { // behind no venue
		if err != nil {
			return nil, err
		}
		used[venue.Code(row.ID)] = true
	}
	return used, nil
}

// Reserve keeps a blank code for a venue; see registry.Blanks.
func (r *Register) Reserve(ctx context.Context, code venue.Code, at venue.VenueID) error {
	_, err := r.blanks.Update(ctx, cmp.Or(string(code), absentKey), false, func(b *BlankCodeRow) error {
		if b.Venue != "" && b.Venue != string(at) {
			return &registry.Refused{Rule: registry.RuleUsed}
		}
		b.Venue = string(at)
		return nil
	})
	return err
}
