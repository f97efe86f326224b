package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/checkin"
)

// ErrOutOfScope: it is there, but not for whoever asks. It is a
// venue.ErrNotFound to them; their door writes the attempt down.
var ErrOutOfScope = fmt.Errorf("out of scope: %w", venue.ErrNotFound)

// Office is the memory as officials read it. Every method takes the scope of
// whoever asks, and none answers without one: what lies outside is
// ErrOutOfScope, or left out of a list.
type Office struct {
	engine   Engine
	registry *Registry
	register *Register
	outbox   Collection[OutboxRow]
}

// NewOffice opens it.
func NewOffice(engine Engine, registry *Registry) *Office {
	return &Office{engine: engine, registry: registry, outbox: NewCollection[OutboxRow](engine, Outbox)}
}

// Unit reads a unit; venue.ErrNotFound, ErrOutOfScope.
func (o *Office) Unit(ctx context.Context, scope venue.Scope, id venue.UnitID) (venue.Unit, error) {
	u, err := o.registry.Unit(ctx, id)
	if err == nil && !scope.Covers(u) {
		return venue.Unit{}, ErrOutOfScope
	}
	return u, err
}

// Units lists at most limit units in scope behind the unit after, by division
// and id, and tells whether there are more. A limit of 0 is none, and after ""
// the beginning. It reads no other territory.
func (o *Office) Units(ctx context.Context, scope venue.Scope, after venue.UnitID, limit int) (units []venue.Unit, more bool, err error) {
	q := Query{Index: "division"}
	if after != "" {
		u, err := o.Unit(ctx, scope, after)
		if err != nil {
			return nil, false, err
		}
		body, err := bson.Marshal(u)
		if err != nil {
			return nil, false, err
		}
		q.After = &Document{ID: string(after), Body: body}
	}
	own, stems := scope.Reach()
	if own != "" && own != after {
		u, err := o.Unit(ctx, scope, own)
		if err == nil {
			units = []venue.Unit{u}
		} else if errors.Is(err, venue.ErrNotFound) {
			err = nil
		}
		return units, false, err
	}
	for _, stem := range stems {
		q.From, q.To = stem, stem+":" // the byte behind the digits
		for row, err := range o.registry.units.Find(ctx, q) {
			switch {
			case err != nil:
				return nil, false, err
			case !scope.Covers(row.Value):
			case limit > 0 && len(units) == limit:
				return units, true, nil
			default:
				units = append(units, row.Value)
			}
		}
	}
	return units, false, nil
}

// Below lists those of the units directly below one that are in scope too;
// venue.ErrNotFound, ErrOutOfScope.
func (o *Office) Below(ctx context.Context, scope venue.Scope, id venue.UnitID) ([]venue.Unit, error) {
	if _, err := o.Unit(ctx, scope, id); err != nil {
		return nil, err
	}
	units, err := o.registry.Children(ctx, id)
	return slices.DeleteFunc(units, func(u venue.Unit) bool { return !scope.Covers(u) }), err
}

// Doors lists the doors that a unit owns, each with its venue, by code;
// venue.ErrNotFound, ErrOutOfScope.
func (o *Office) Doors(ctx context.Context, scope venue.Scope, unit venue.UnitID) ([]checkin.Place, error) {
	if _, err := o.Unit(ctx, scope, unit); err != nil {
		return nil, err
	}
	return o.registry.doorsOf(ctx, Query{Index: "unit", Equal: []any{string(unit)}})
}

// LedgerLine is a message that should go out, and what became of it. It has
// neither the words nor the person they go to.
type LedgerLine struct {
	Kind     venue.MessageKind
	Channel  venue.Channel
	Group    string       // its name; "" where the message goes to one person
	Units    []venue.Unit // those in scope that it is about
	Day      venue.Day
	Late     bool
	Posted   time.Time
	Due      time.Time // the next attempt, of one that is pending
	State    string    // OutboxPending, …
	Attempts int
	Sent     time.Time // zero until sent
	Outcome  string    // the last failure, in words of ours
}

// Ledger lists the messages posted in [from, to), the newest first, that go to a
// group all of which is in scope, or are about a unit in scope. Word to residents
// is never among them. Behind the first limit lines it ends where the instant of
// posting changes, and tells whether there are more: before the last line's.
func (o *Office) Ledger(ctx context.Context, scope venue.Scope, from, to time.Time, limit int) (lines []LedgerLine, more bool, err error) {
	if scope.IsZero() {
		return nil, false, nil
	}
	all, err := o.registry.Groups(ctx)
	if err != nil {
		return nil, false, err
	}
	groups := map[string]venue.Group{}
	for _, g := range all {
		groups[string(g.ID)] = g
	}
	units := map[venue.UnitID]*venue.Unit{} // nil: gone, or not in scope
	for row, err := range o.outbox.Find(ctx, Query{Index: "posted", From: from, To: to, Reverse: true}) {
		if err != nil {
			return nil, false, err
		}
		v, m := row.Value, row.Value.Message
		if m.Kind == venue.MessageRecheck || m.To.Channel == venue.ChannelSubscribe || m.To.Channel == venue.ChannelAlipay {
			continue
		}
		line := LedgerLine{
			Kind: m.Kind, Channel: m.To.Channel, Day: m.Day, Late: m.Late,
			Posted: v.Posted, Due: v.Due, State: v.State, Attempts: v.Attempts, Sent: v.Sent, Outcome: v.Outcome,
		}
		for _, mention := range m.Units {
			u, known := units[mention.Unit]
			if !known {
				switch read, err := o.Unit(ctx, scope, mention.Unit); {
				case err == nil:
					u = &read
				case !errors.Is(err, venue.ErrNotFound):
					return nil, false, err
				}
				units[mention.Unit] = u
			}
			if u != nil {
				line.Units = append(line.Units, *u)
			}
		}
		var group venue.Group
		if m.To.Channel == venue.ChannelRobot {
			group = groups[m.To.ID]
		}
		if len(line.Units) == 0 && !scope.CoversSector(group.Division, group.Sector) {
			continue
		}
		line.Group = group.Name
		if n := len(lines); n > 0 && n >= limit && !lines[n-1].Posted.Equal(line.Posted) {
			return lines, true, nil
		}
		lines = append(lines, line)
	}
	return lines, false, nil
}
