package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// BindCodes makes and redeems the one-time codes by which a chat account is
// bound to a unit. Only a keyed hash of a code is kept.
type BindCodes struct {
	// Register has the managers of venues; needed by those who bind any.
	Register *Register

	rows     Collection[BindCodeRow]
	registry *Registry
	blind    func(kind, value string) string
	random   io.Reader
	clock    venue.Clock // civil
}

// BindCodeLife is how long a code may be redeemed.
const BindCodeLife = 24 * time.Hour

// NewBindCodes opens it. blind is the vault's keyed hash.
func NewBindCodes(docs Documents, registry *Registry, blind func(kind, value string) string, random io.Reader, civil venue.Clock) *BindCodes {
	return &BindCodes{rows: NewCollection[BindCodeRow](docs, BindCodeRows), registry: registry, blind: blind, random: random, clock: civil}
}

// Make makes a code for a unit: eight characters, 40 random bits, good once and
// for BindCodeLife. venue.ErrNotFound if there is no such unit, *registry.Refused
// if it is closed.
func (b *BindCodes) Make(ctx context.Context, unit venue.UnitID) (string, error) {
	u, err := b.registry.Unit(ctx, unit)
	if err == nil && u.Closed() {
		err = &registry.Refused{Rule: registry.RuleClosed}
	}
	if err != nil {
		return "", err
	}
	return b.make(ctx, BindCodeRow{Unit: string(unit)})
}

// MakeManager makes a code by which somebody becomes a manager of a venue: who
// hears of a red code there. venue.ErrNotFound if there is no such venue,
// *registry.Refused if it is closed.
func (b *BindCodes) MakeManager(ctx context.Context, id venue.VenueID) (string, error) {
	v, err := b.registry.venues.Get(ctx, cmp.Or(string(id), absentKey))
	if err == nil && v.Value.Status == venue.StatusClosed {
		err = &registry.Refused{Rule: registry.RuleClosed}
	}
	if err != nil {
		return "", err
	}
	return b.make(ctx, BindCodeRow{Unit: string(v.Value.Unit), Venue: string(id)})
}

func (b *BindCodes) make(ctx context.Context, row BindCodeRow) (string, error) {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	raw := make([]byte, 8)
	if _, err := io.ReadFull(b.random, raw); err != nil {
		return "", fmt.Errorf("make bind code: %w", err)
	}
	for i, r := range raw {
		raw[i] = alphabet[r%32]
	}
	code := string(raw)
	row.Expires = b.clock.Now().Add(BindCodeLife)
	return code, b.rows.Insert(ctx, b.id(code), row)
}

func (b *BindCodes) id(code string) string { return b.blind("bind_code", code) }

// Bind redeems a code, for the unit or the venue that it was made for. A code that
// is wrong, used or too old, or whose unit is closed, is a *venue.Invalid; the same
// account may repeat its own while it is good.
func (b *BindCodes) Bind(ctx context.Context, account venue.ChatAccount, code string) (venue.Bound, error) {
	code = strings.NewReplacer(" ", "", "-", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(venue.Fold(code)))
	refused := &venue.Invalid{Field: "bind_code", Reason: "refused"}
	now := b.clock.Now()
	row, err := b.rows.Update(ctx, b.id(code), false, func(r *BindCodeRow) error {
		if now.After(r.Expires) || r.UsedBy != "" && r.UsedBy != account.Key() {
			return refused
		}
		r.UsedBy = account.Key()
		return nil
	})
	if errors.Is(err, venue.ErrNotFound) {
		return venue.Bound{}, refused
	} else if err != nil {
		return venue.Bound{}, err
	}
	bound := venue.Bound{Binding: venue.Binding{Account: account, Unit: venue.UnitID(row.Value.Unit), Since: now}}
	if id := venue.VenueID(row.Value.Venue); id != "" {
		if row.Value.Done { // a manager who was removed does not come back with it
			v, err := b.registry.venues.Get(ctx, string(id))
			if err == nil && !slices.Contains(v.Value.Managers, account) {
				err = refused
			}
			bound.Manages = v.Value
			return bound, err
		}
		_, err := b.Register.Change(ctx, id, registry.Who{Account: account.Key()}, func(p registry.Place) (registry.Change, error) {
			bound.Manages = p.Venue
			return p.Manage(account)
		})
		if refused := (*registry.Refused)(nil); errors.As(err, &refused) && refused.Rule == registry.RuleAlready {
			err = nil
		}
		if err == nil {
			_, err = b.rows.Update(ctx, b.id(code), false, func(r *BindCodeRow) error { r.Done = true; return nil })
		}
		return bound, err
	}
	unit, err := b.registry.standing(ctx, bound.Unit)
	if err == nil && unit.Closed() {
		err = refused
	}
	if err != nil {
		return venue.Bound{}, err
	}
	bound.Unit = unit.ID
	return bound, b.registry.Bind(ctx, bound.Binding)
}

// ManagerID names a manager of a venue to those who may not know the account.
func (b *BindCodes) ManagerID(id venue.VenueID, account venue.ChatAccount) string {
	return b.blind("manager", string(id)+"\x00"+account.Key())
}

// RemoveManager has somebody, by ManagerID, hear of red codes at a venue no longer;
// venue.ErrNotFound.
func (b *BindCodes) RemoveManager(ctx context.Context, id venue.VenueID, manager string, by registry.Who) error {
	_, err := b.Register.Change(ctx, id, by, func(p registry.Place) (registry.Change, error) {
		for _, account := range p.Venue.Managers {
			if b.ManagerID(id, account) == manager {
				return p.Unmanage(account)
			}
		}
		return registry.Change{}, fmt.Errorf("manager of the venue: %w", venue.ErrNotFound)
	})
	return err
}
