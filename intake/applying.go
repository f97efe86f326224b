package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// applyReader takes a unit's own file of venues. It enters none: what comes of a
// row is what comes of the same form (registry.Service.Submit), so that a file is
// no way around an officer.
type applyReader struct {
	*venueReader
	from  registry.Sender
	asked []asking // by place
}

// asking is a form as it is sent in.
type asking struct {
	id   string // "": nothing to ask for
	form registry.Form
}

// How many applications are read, or sent in within one Write, at once.
const (
	looking = 16
	sending = 4
)

// Row refuses what is not a unit's to say.
func (r *applyReader) Row(number int, get func(string) string) (bool, registry.Faults) {
	if s := clean(get("sentinel")); s != "" && s != "否" {
		return false, fault("sentinel", reasonOffice)
	}
	return r.venueReader.Row(number, get)
}

func (r *applyReader) Match(ctx context.Context, proof map[int]bool) (map[int]registry.Faults, error) {
	units, err := r.within(ctx)
	if err != nil {
		return nil, err
	}
	missing, venues := map[int]registry.Faults{}, make([]venue.Venue, len(r.places))
	for i := range r.places {
		p := &r.places[i]
		unit, ok := units[p.uscc]
		if !ok {
			p.drop(missing, "uscc", reasonForeign)
			continue
		}
		if !unit.Pending() {
			for _, n := range p.numbers {
				delete(proof, n)
			}
		}
		v := &p.entry.Venue
		v.Unit, v.Division = unit.ID, cmp.Or(v.Division, unit.Division)
		if p.inside != "" {
			v.Parent, err = r.desk.Register.VenueOf(ctx, unit.ID, p.inside)
			if errors.Is(err, venue.ErrNotFound) {
				p.drop(missing, "inside", reasonLater)
			} else if err != nil {
				return nil, err
			}
		}
		venues[i] = *v
	}
	there, err := r.desk.Register.VenuesOf(ctx, venues)
	if err != nil {
		return nil, err
	}
	r.asked = make([]asking, len(r.places))
	against := make([]registry.Faults, len(r.places))
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(looking)
	for i, p := range r.places {
		if p.dropped || there[i] != "" {
			continue
		}
		g.Go(func() (err error) {
			r.asked[i] = asking{r.id(p.entry.Venue), r.form(p, units[p.uscc])}
			against[i], err = r.against(within, r.asked[i])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i, faults := range against {
		for _, f := range faults {
			r.places[i].drop(missing, f.Field, f.Reason)
		}
	}
	return missing, nil
}

// within are the units that the rows name and for which the sender may ask: their
// own, and those below it.
func (r *applyReader) within(ctx context.Context) (map[venue.USCC]venue.Unit, error) {
	found, err := r.units(ctx)
	for uscc, u := range found {
		below, e := r.below(ctx, u)
		if err = errors.Join(err, e); !below {
			delete(found, uscc)
		}
	}
	return found, err
}

// mostAbove is how far down from the sender's unit another may be.
const mostAbove = 32

// below tells whether a unit is the sender's, or stands below it.
func (r *applyReader) below(ctx context.Context, u venue.Unit) (bool, error) {
	if u.ID == r.from.Unit {
		return true, nil
	}
	steps := 0
	for above, err := range venue.Above(u, func(id venue.UnitID) (venue.Unit, error) { return r.desk.Register.Unit(ctx, id) }) {
		if steps++; steps == mostAbove || errors.Is(err, venue.ErrNotFound) {
			return false, nil
		}
		if err != nil || above.ID == r.from.Unit {
			return err == nil, err
		}
	}
	return false, nil
}

// id is under what a place is asked for: the same from file to file, and nobody
// else's.
func (r *applyReader) id(v venue.Venue) string {
	return r.desk.Blind("application", strings.Join([]string{string(r.from.Unit), string(v.Unit), v.Name, v.Zone, string(v.Plate)}, "\x1f"))
}

// form is a row as a form has it. Nobody asks a file who applies: it is whoever
// manages the place.
func (r *applyReader) form(p place, u venue.Unit) registry.Form {
	manager := p.entry.Manager
	name, phone := registry.NewTyped(manager.Name.Reveal()), registry.NewTyped(manager.Phone.Reveal())
	f := registry.Form{
		UnitName: u.Name, USCC: string(p.uscc), Division: string(u.Division), Doors: p.entry.Doors,
		ApplicantName: name, ApplicantPhone: phone, ManagerName: name, ManagerPhone: phone,
	}
	f.Describe(p.entry.Venue)
	return f
}

// against is what stands against sending a form in. Of one that was sent in as it
// is there is nothing more to say, unless it came back.
func (r *applyReader) against(ctx context.Context, ask asking) (registry.Faults, error) {
	faults, err := r.desk.Applying.Check(ctx, ask.form)
	if err != nil || len(faults) > 0 {
		return faults, err
	}
	a, err := r.desk.Applying.Applications.Application(ctx, ask.id)
	if errors.Is(err, venue.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	same := reflect.DeepEqual(a.Form, ask.form)
	switch {
	case a.State == registry.StateApproved:
		return fault("name", reasonFormer), nil
	case a.State == registry.StateRejected && same:
		return fault("name", reasonRejected), nil
	case a.State == registry.StatePending && !same:
		return fault("name", reasonPending), nil
	}
	return nil, nil
}

func (r *applyReader) Write(ctx context.Context, from, to int) error {
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(sending)
	for i := from; i < to; i++ {
		if ask := r.asked[i]; ask.id != "" && !r.places[i].dropped {
			g.Go(func() error { return r.submit(within, ask) })
		}
	}
	return g.Wait()
}

// submit sends a form in. What has changed since the file was looked at is
// venue.ErrConflict: then it is looked at again.
func (r *applyReader) submit(ctx context.Context, ask asking) error {
	_, faults, err := r.desk.Applying.Submit(ctx, ask.id, ask.form, r.from)
	var refused *registry.Refused
	switch {
	case errors.Is(err, venue.ErrExists): // somebody else entered it; the application waits
		return nil
	case len(faults) > 0, errors.As(err, &refused) && refused.Rule != registry.RuleClosed:
		return fmt.Errorf("a row of the file: %w", venue.ErrConflict)
	}
	return err
}
