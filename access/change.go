package access

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Kinds of changes that wait for a second security admin.
const (
	changeCreate = "create"
	changeGrant  = "grant"
	changeEnable = "enable"
)

// ChangeLife is how long a change may wait, civil.
const ChangeLife = 72 * time.Hour

// Change is one that waits.
type Change struct {
	ID         string
	Kind       string // "create", "grant", "enable"
	User, Name string
	Was, Grant Grant
	By         string
	At         time.Time
}

// propose records and keeps a change for a second security admin.
func (s *Service) propose(ctx context.Context, e Event, c store.OfficialChangeRow) (Result, error) {
	raw := make([]byte, 16)
	if _, err := io.ReadFull(s.random, raw); err != nil {
		return Result{}, fmt.Errorf("propose change: %w", err)
	}
	id := hex.EncodeToString(raw)
	c.By, c.At, c.State = e.Actor, venue.Millis(s.civil.Now()), store.OfficialChangePending
	e.Outcome, e.Detail = Proposed, e.Detail+" change="+id
	if err := s.record(ctx, e); err != nil {
		return Result{}, err
	}
	return Result{Change: id}, s.changes.Insert(ctx, id, c)
}

// Changes lists those that wait, oldest first.
func (s *Service) Changes(ctx context.Context, by Login) ([]Change, error) {
	if !by.May(AccountsRead) {
		return nil, s.forbid(ctx, Event{Act: "accounts.read", Actor: by.user}, RulePermission)
	}
	if _, err := s.current(ctx, by); err != nil {
		return nil, err
	}
	var list []Change
	for row, err := range s.changes.Find(ctx, store.Query{Index: "state", Equal: []any{store.OfficialChangePending},
		From: venue.Millis(s.civil.Now().Add(-ChangeLife))}) {
		if err != nil {
			return nil, fmt.Errorf("list changes: %w", err)
		}
		c := row.Value
		list = append(list, Change{row.ID, c.Kind, c.User, c.Name, grantOf(c.Was), grantOf(c.Grant), c.By, c.At})
	}
	return list, nil
}

// pending reads a change that still waits; venue.ErrNotFound.
func (s *Service) pending(ctx context.Context, id string) (store.OfficialChangeRow, error) {
	row, err := s.changes.Get(ctx, id)
	if err == nil && (row.Value.State != store.OfficialChangePending || s.civil.Now().Sub(row.Value.At) > ChangeLife) {
		err = fmt.Errorf("change: %w", venue.ErrNotFound)
	}
	return row.Value, err
}

// Approve makes a change that another security admin asked for. Neither of them
// may be its subject. Credentials go to whoever approves. venue.ErrConflict if
// the account has changed since.
func (s *Service) Approve(ctx context.Context, by Login, id string) (Result, error) {
	s.admin.Lock()
	defer s.admin.Unlock()
	e := Event{Act: ActApprove, Actor: by.user, Detail: "change=" + id}
	if !by.May(AccountsApprove) { // nor learn which changes there are
		return Result{}, s.forbid(ctx, Event{Act: ActApprove, Actor: by.user}, RulePermission)
	}
	c, err := s.pending(ctx, id)
	if err != nil {
		return Result{}, err
	}
	was, will := grantOf(c.Was), grantOf(c.Grant)
	e.Subject, e.Detail = c.User, fmt.Sprintf("%s change=%s by=%s %s → %s", c.Kind, id, c.By, was, will)
	if err := s.begin(ctx, by, AccountsApprove, e); err != nil {
		return Result{}, err
	}
	if err := s.secondPair(ctx, by, c); err != nil {
		return Result{}, s.asForbidden(ctx, e, err)
	}
	var result Result
	switch c.Kind {
	case changeCreate:
		result.Issued, err = s.create(ctx, e, Draft{c.User, c.Name, will}, c.By, by.user)
	case changeGrant:
		err = s.grant(ctx, e, c.User, was, will)
	case changeEnable:
		err = s.enable(ctx, e, c.User, was)
	default:
		err = fmt.Errorf("change of kind %q: %w", c.Kind, venue.ErrNotFound)
	}
	if err != nil {
		return Result{}, err
	}
	return result, s.decide(ctx, id, store.OfficialChangeDone, by.user)
}

// secondPair checks the two people: different, both allowed to give what is
// given, and the first one still in office.
func (s *Service) secondPair(ctx context.Context, by Login, c store.OfficialChangeRow) error {
	accounts, _ := PairFor("accounts")
	if err := accounts.Approve(c.By, by); err != nil {
		return err
	}
	asker, err := s.officials.Get(ctx, c.By)
	if err != nil {
		return err
	}
	first := loginOf(c.By, "", asker.Value)
	if asker.Value.Disabled || !first.May(accounts.Ask) {
		return &Forbidden{RuleRequester}
	}
	for _, l := range []Login{first, by} {
		if err := mayGive(l, grantOf(c.Was), grantOf(c.Grant)); err != nil {
			return err
		}
	}
	return nil
}

// Reject drops a change; whoever asked for it may withdraw it so.
func (s *Service) Reject(ctx context.Context, by Login, id string) error {
	s.admin.Lock()
	defer s.admin.Unlock()
	if !by.May(AccountsApprove) {
		return s.forbid(ctx, Event{Act: ActReject, Actor: by.user}, RulePermission)
	}
	c, err := s.pending(ctx, id)
	if err != nil {
		return err
	}
	e := Event{Act: ActReject, Actor: by.user, Subject: c.User, Detail: "change=" + id}
	if err := s.begin(ctx, by, AccountsApprove, e); err != nil {
		return err
	}
	e.Outcome = Allowed
	if err := s.record(ctx, e); err != nil {
		return err
	}
	return s.decide(ctx, id, store.OfficialChangeRejected, by.user)
}

func (s *Service) decide(ctx context.Context, id, state, by string) error {
	now := venue.Millis(s.civil.Now())
	_, err := s.changes.Update(ctx, id, false, func(c *store.OfficialChangeRow) error {
		if c.State != store.OfficialChangePending {
			return fmt.Errorf("change: %w", venue.ErrConflict)
		}
		c.State, c.Decider, c.Decided = state, by, now
		return nil
	})
	return err
}
