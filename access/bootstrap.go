package access

import (
	"context"
	"errors"
	"fmt"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Founder is one of the two people a city begins with.
type Founder struct{ User, Name string }

// Bootstrap makes the first two security admins, with one-time passwords. Two,
// because one alone could give nobody a sensitive role. Only while there are no
// accounts; afterwards venue.ErrExists. One that was cut short may be repeated
// with the same names, and gives new credentials.
func (s *Service) Bootstrap(ctx context.Context, first, second Founder) ([2]Issued, error) {
	s.admin.Lock()
	defer s.admin.Unlock()
	var issued [2]Issued
	var drafts [2]Draft
	for i, f := range []Founder{first, second} {
		d, err := Draft{f.User, f.Name, Grant{Roles: []Role{RoleSecurityAdmin}}}.check()
		if err != nil {
			return issued, err
		}
		drafts[i] = d
	}
	if drafts[0].User == drafts[1].User {
		return issued, &venue.Invalid{Field: "user", Reason: "same"}
	}
	if err := s.clearFounding(ctx, drafts); err != nil {
		return issued, fmt.Errorf("bootstrap: %w", err)
	}
	for i, d := range drafts {
		// What the operator sees of both is not one security admin's knowledge.
		e := Event{Act: ActBootstrap, Subject: d.User, Detail: d.Grant.String()}
		var err error
		if issued[i], err = s.create(ctx, e, d, bootstrapper, bootstrapper); err != nil {
			return [2]Issued{}, fmt.Errorf("bootstrap: %w", err)
		}
	}
	if err := s.found(ctx, venue.Millis(s.civil.Now())); err != nil {
		return [2]Issued{}, fmt.Errorf("bootstrap: %w", err)
	}
	return issued, nil
}

// bootstrapper stands where an account's name would; no user name has a colon.
const bootstrapper = "program:bootstrap"

// clearFounding refuses if there are accounts, but for those that a bootstrap
// which was cut short has left.
func (s *Service) clearFounding(ctx context.Context, drafts [2]Draft) error {
	done, err := s.founded(ctx)
	if err != nil {
		return err
	}
	if done {
		return venue.ErrExists
	}
	rows, err := s.officials.All(ctx, store.Query{Limit: len(drafts) + 1})
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.ID != drafts[0].User && row.ID != drafts[1].User || row.Value.CreatedBy != bootstrapper {
			return venue.ErrExists
		}
	}
	for _, row := range rows {
		if err := s.officials.Delete(ctx, row.ID, row.Rev); err != nil && !errors.Is(err, venue.ErrNotFound) {
			return err
		}
	}
	_, err = s.roster.Update(ctx, rosterID, true, func(r *store.OfficialRosterRow) error {
		r.Holders = nil
		return nil
	})
	return err
}
