package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Withdraw ends the registration to which an account belongs (撤回同意): every
// account of the person is dissolved, every session given out before is over,
// the phone is forgotten. Visits stay, as the law wants, until they are purged;
// then the record goes. erased is that day; zero if no visit is kept, and then
// nothing leads to the record any more when Withdraw returns. venue.ErrNotFound
// if the account's registration has ended before. Cut short anywhere, it can be
// called again, and the nightly run completes it.
func (r *PersonRetention) Withdraw(ctx context.Context, account string, person venue.PersonID) (erased venue.Day, err error) {
	p, now := r.People, venue.Millis(r.People.clock.Now())
	held, err := p.accounts.Get(ctx, account)
	if err != nil {
		return 0, err
	}
	row, err := p.persons.Update(ctx, person.Key(), false, func(v *store.PersonRow) error {
		switch {
		case held.Value.Person != person.Key():
			return fmt.Errorf("account of another: %w", venue.ErrNotFound)
		case !v.Ending.IsZero() || !v.Withdrawn.IsZero() && !held.Value.Registered.After(v.Withdrawn):
			return nil // cut short before
		case !v.Registered.Equal(held.Value.Registered):
			return fmt.Errorf("registered anew since: %w", venue.ErrNotFound)
		}
		v.Withdrawn = latest(now, v.Registered)
		v.Registered, v.Phone, v.Consent = time.Time{}, nil, ""
		v.Check = int32(venue.DayOf(now))
		return nil
	})
	if err != nil {
		return 0, err
	}
	r.soon(now)
	p.masks.Remove(person)
	if err := p.untie(ctx, row.ID, latest(row.Value.Withdrawn, row.Value.Ending)); err != nil {
		return 0, err
	}
	last, kept, err := r.lastDay(ctx, person, 0, venue.DayOf(now))
	if err != nil {
		return 0, err
	}
	if kept {
		return last + venue.Day(r.VisitDays) + 1, nil
	}
	_, err = r.look(ctx, row, now)
	if errors.Is(err, venue.ErrStale) || errors.Is(err, venue.ErrNotFound) {
		err = nil // somebody registers, or the job was faster
	}
	return 0, err
}

// untie dissolves a person's accounts whose registration had ended by then.
func (p *People) untie(ctx context.Context, person string, ended time.Time) error {
	rows, err := p.accounts.All(ctx, store.Query{Index: "person", Equal: []any{person}})
	if err != nil {
		return fmt.Errorf("find the accounts of a person: %w", err)
	}
	for _, row := range rows {
		if row.Value.Registered.After(ended) {
			continue
		}
		if err := p.dissolve(ctx, row); err != nil {
			return err
		}
	}
	return nil
}

// dissolve ends the sessions of an account, then deletes it. The openid's next
// login makes another, with sessions of its own.
func (p *People) dissolve(ctx context.Context, row store.Row[store.AccountRow]) error {
	family := row.Value.Family
	err := p.revoked.Insert(ctx, store.RevocationID(family), store.RevocationRow{At: p.clock.Now()})
	if err != nil && !errors.Is(err, venue.ErrExists) {
		return fmt.Errorf("end sessions: %w", err)
	}
	p.known.Remove(family)
	for {
		err = p.accounts.Delete(ctx, row.ID, row.Rev)
		if errors.Is(err, venue.ErrStale) {
			row, err = p.accounts.Get(ctx, row.ID)
			if err == nil && row.Value.Family == family {
				continue
			}
		}
		if errors.Is(err, venue.ErrNotFound) {
			return nil
		}
		return err
	}
}

// unlist takes away that a number leads to a person.
func (p *People) unlist(ctx context.Context, number venue.IDNumber, person venue.PersonID) error {
	name := p.vault.Blind("id_number", number.Reveal())
	row, err := p.ids.Get(ctx, name)
	if err == nil && row.Value.Person == person.Key() {
		err = p.ids.Delete(ctx, name, row.Rev)
	}
	if errors.Is(err, venue.ErrNotFound) {
		return nil
	}
	return err
}
