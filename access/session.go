package access

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Sessions, on the civil clock.
const (
	IdleLimit     = 15 * time.Minute // since the last request
	AbsoluteLimit = 12 * time.Hour   // since the login
	MaxSessions   = 5                // of one account; a further login ends the oldest
)

const (
	tokenSize = 32              // random bytes
	freshness = 2 * time.Second // how long what was read of a session is believed
	maxKnown  = 4096            // sessions remembered
)

// recent is a session as it was read lately.
type recent struct {
	login   Login
	read    time.Time // machine
	seen    time.Time // civil, as stored
	created time.Time // civil
}

// openSession makes a token; only its keyed hash is kept.
func (s *Service) openSession(ctx context.Context, user string, epoch int64) (token, id string, err error) {
	raw := make([]byte, tokenSize)
	if _, err := io.ReadFull(s.random, raw); err != nil {
		return "", "", fmt.Errorf("make token: %w", err)
	}
	token = base64.RawURLEncoding.EncodeToString(raw)
	id = s.sessionID(token)
	now := venue.Millis(s.civil.Now())
	if err := s.sessions.Insert(ctx, id, store.OfficialSessionRow{User: user, Epoch: epoch, Created: now, Seen: now}); err != nil {
		return "", "", err
	}
	return token, id, s.trimSessions(ctx, user, id)
}

func (s *Service) sessionID(token string) string { return s.blinder.Blind("official_session", token) }

// trimSessions ends the oldest of an account that has too many, never the one
// just made: on a clock that stands still all are of one age.
func (s *Service) trimSessions(ctx context.Context, user, made string) error {
	rows, err := s.sessions.All(ctx, store.Query{Index: "user", Equal: []any{user}, Reverse: true})
	if err != nil || len(rows) <= MaxSessions {
		return err
	}
	others := slices.DeleteFunc(rows, func(r store.Row[store.OfficialSessionRow]) bool { return r.ID == made })
	for _, row := range others[MaxSessions-1:] {
		if err := s.endSession(ctx, row.ID); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) endSession(ctx context.Context, id string) error {
	err := s.sessions.Delete(ctx, id, 0)
	s.known.Remove(id)
	if errors.Is(err, venue.ErrNotFound) {
		return nil
	}
	return err
}

// Authenticate says whose token it is; ErrSession for every token that opens
// nothing: unknown, logged out, idle too long, too old, or of an account that
// has changed since. What changed elsewhere is noticed within two seconds.
func (s *Service) Authenticate(ctx context.Context, token string) (Login, error) {
	if len(token) != base64.RawURLEncoding.EncodedLen(tokenSize) {
		return Login{}, ErrSession
	}
	id := s.sessionID(token)
	now, machine := venue.Millis(s.civil.Now()), s.machine.Now()
	if r, ok := s.known.Get(id); ok && within(machine.Sub(r.read)) && within(now.Sub(r.seen)) && now.Sub(r.created) <= AbsoluteLimit {
		return r.login, nil
	}
	return s.readSession(ctx, id, now, machine)
}

func within(age time.Duration) bool { return age >= 0 && age < freshness }

func (s *Service) readSession(ctx context.Context, id string, now, machine time.Time) (Login, error) {
	over := errors.New("over")
	row, err := s.sessions.Update(ctx, id, false, func(r *store.OfficialSessionRow) error {
		if now.Sub(r.Seen) > IdleLimit || now.Sub(r.Created) > AbsoluteLimit {
			return over
		}
		if now.After(r.Seen) {
			r.Seen = now
		}
		return nil
	})
	if errors.Is(err, over) {
		_ = s.endSession(ctx, id) // over either way; Sweep takes what stays
		return Login{}, ErrSession
	}
	if errors.Is(err, venue.ErrNotFound) {
		return Login{}, ErrSession
	} else if err != nil {
		return Login{}, fmt.Errorf("authenticate: %w", err)
	}
	account, err := s.officials.Get(ctx, row.Value.User)
	if err != nil && !errors.Is(err, venue.ErrNotFound) {
		return Login{}, fmt.Errorf("authenticate: %w", err)
	}
	if err != nil || account.Value.Disabled || account.Value.Epoch != row.Value.Epoch {
		_ = s.endSession(ctx, id)
		return Login{}, ErrSession
	}
	l := loginOf(row.Value.User, id, account.Value)
	s.known.Add(id, recent{login: l, read: machine, seen: row.Value.Seen, created: row.Value.Created})
	return l, nil
}

// current reads the account behind a login; ErrSession if it has changed since.
func (s *Service) current(ctx context.Context, by Login) (store.Row[store.OfficialRow], error) {
	if by.user == "" {
		return store.Row[store.OfficialRow]{}, ErrSession
	}
	row, err := s.officials.Get(ctx, by.user)
	if errors.Is(err, venue.ErrNotFound) || err == nil && (row.Value.Disabled || row.Value.Epoch != by.epoch) {
		return row, ErrSession
	}
	return row, err
}

// Logout ends the session.
func (s *Service) Logout(ctx context.Context, by Login) error {
	if by.session == "" {
		return ErrSession
	}
	if err := s.record(ctx, Event{Act: ActLogout, Actor: by.user, Subject: by.user, Outcome: Allowed}); err != nil {
		return err
	}
	return s.endSession(ctx, by.session)
}

// LogoutEverywhere ends all sessions of the account.
func (s *Service) LogoutEverywhere(ctx context.Context, by Login) error {
	if _, err := s.current(ctx, by); err != nil {
		return err
	}
	if err := s.record(ctx, Event{Act: ActLogout, Actor: by.user, Subject: by.user, Outcome: Allowed, Detail: "everywhere"}); err != nil {
		return err
	}
	_, err := s.officials.Update(ctx, by.user, false, func(o *store.OfficialRow) error {
		o.Epoch++
		return nil
	})
	s.known.Purge()
	return err
}

// Sweep forgets sessions that are too old for anybody. A job calls it.
func (s *Service) Sweep(ctx context.Context) error {
	before := venue.Millis(s.civil.Now().Add(-AbsoluteLimit))
	for row, err := range s.sessions.Find(ctx, store.Query{Index: "created", To: before}) {
		if err == nil {
			err = s.endSession(ctx, row.ID)
		}
		if err != nil {
			return fmt.Errorf("sweep sessions: %w", err)
		}
	}
	return nil
}
