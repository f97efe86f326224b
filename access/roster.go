package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// The roster lists who holds the roles that check each other. It is one document
// because two accounts that leave at the same moment are two documents, and no
// write spans both: whoever leaves is taken off the roster first, and who would
// leave fewer than two behind does not leave. It may say too few after a crash
// between the two writes, never too many; the account's next change heals it.

const (
	rosterID   = "roster"
	minHolders = 2
)

// leave takes an account off the roster of roles; *Forbidden, and nothing
// changed, if one of them would keep fewer than two.
func (s *Service) leave(ctx context.Context, user string, roles []Role) error {
	_, err := s.roster.Update(ctx, rosterID, true, func(r *store.OfficialRosterRow) error {
		for _, role := range roles {
			holders := r.Holders[string(role)]
			if !paired(role) || !slices.Contains(holders, user) {
				continue
			}
			if len(holders) <= minHolders {
				return &Forbidden{RuleTwoHolders}
			}
			r.Holders[string(role)] = without(holders, user)
		}
		return nil
	})
	return err
}

// settle makes the roster say of an account what the account says, until it has
// not changed meanwhile.
func (s *Service) settle(ctx context.Context, user string) error {
	for {
		before, err := s.officials.Get(ctx, user)
		if err != nil && !errors.Is(err, venue.ErrNotFound) {
			return fmt.Errorf("settle roster: %w", err)
		}
		_, err = s.roster.Update(ctx, rosterID, true, func(r *store.OfficialRosterRow) error {
			enroll(r, user, before.Value)
			return nil
		})
		if err != nil {
			return fmt.Errorf("settle roster: %w", err)
		}
		after, err := s.officials.Get(ctx, user)
		if err != nil && !errors.Is(err, venue.ErrNotFound) {
			return fmt.Errorf("settle roster: %w", err)
		}
		if after.Rev == before.Rev {
			return nil
		}
	}
}

func enroll(r *store.OfficialRosterRow, user string, o store.OfficialRow) {
	if r.Holders == nil {
		r.Holders = map[string][]string{}
	}
	for role := range offices {
		if !paired(role) {
			continue
		}
		name := string(role)
		r.Holders[name] = without(r.Holders[name], user)
		if !o.Disabled && slices.Contains(o.Grant.Roles, name) {
			r.Holders[name] = append(r.Holders[name], user)
		}
	}
}

func without(users []string, user string) []string {
	return slices.DeleteFunc(slices.Clone(users), func(u string) bool { return u == user })
}

// founded tells whether the first accounts are complete.
func (s *Service) founded(ctx context.Context) (bool, error) {
	row, err := s.roster.Get(ctx, rosterID)
	if errors.Is(err, venue.ErrNotFound) {
		return false, nil
	}
	return err == nil && !row.Value.Founded.IsZero(), err
}

func (s *Service) found(ctx context.Context, at time.Time) error {
	_, err := s.roster.Update(ctx, rosterID, true, func(r *store.OfficialRosterRow) error {
		if !r.Founded.IsZero() {
			return venue.ErrExists
		}
		r.Founded = at
		return nil
	})
	return err
}
