package access

import (
	"context"
	"errors"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// ActSeed is what Seed is recorded as.
const ActSeed Act = "accounts.seed"

// Seed makes an account whose password and TOTP secret (base32) the caller knows
// already, without a second security admin and without a forced change. It is for
// demos and tests, and must not be reachable in a city. An account that is there
// already stays as it is.
func (s *Service) Seed(ctx context.Context, d Draft, password, totp string) error {
	s.admin.Lock()
	defer s.admin.Unlock()
	d, err := d.check()
	if err != nil {
		return err
	}
	if _, err := s.officials.Get(ctx, d.User); !errors.Is(err, venue.ErrNotFound) {
		return err
	}
	if _, err := stepOf(totp, "", s.machine.Now()); err != nil {
		return err
	}
	now := venue.Millis(s.civil.Now())
	row := store.OfficialRow{Name: d.Name, Grant: d.Grant.row(), Created: now, Changed: now}
	sealed, err := s.hashPassword(ctx, d.User, password)
	if err != nil {
		return err
	}
	setPassword(&row, sealed, "")
	if row.TOTP, err = s.sealTOTP(d.User, totp); err != nil {
		return err
	}
	if err := s.record(ctx, Event{Act: ActSeed, Subject: d.User, Outcome: Allowed, Detail: d.Grant.String()}); err != nil {
		return err
	}
	if err := s.officials.Insert(ctx, d.User, row); err != nil {
		return err
	}
	return s.settle(ctx, d.User)
}
