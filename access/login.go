package access

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Lockout: the first one after maxFailures, then after each further as many,
// each time twice as long. Machine clock: it limits abuse.
const (
	maxFailures  = 5
	firstLockout = 15 * time.Minute
	longLockout  = 24 * time.Hour
)

// Login is somebody who has proved who they are. Only this package makes one;
// the zero Login may do nothing and sees nothing.
type Login struct {
	user, name string
	grant      Grant
	may        []Permission
	scope      venue.Scope
	mustChange bool
	epoch      int64
	session    string
}

// User is the account.
func (l Login) User() string { return l.user }

// Name is what colleagues call them.
func (l Login) Name() string { return l.name }

// Roles lists the account's roles.
func (l Login) Roles() []Role { return slices.Clone(l.grant.Roles) }

// Permissions lists what may be done.
func (l Login) Permissions() []Permission { return slices.Clone(l.may) }

// May tells whether p may be done.
func (l Login) May(p Permission) bool { return slices.Contains(l.may, p) }

// Scope is what may be seen. Repositories ask for it.
func (l Login) Scope() venue.Scope { return l.scope }

// MustChange tells that the password was handed out: until its owner has chosen
// another, nothing else is permitted.
func (l Login) MustChange() bool { return l.mustChange }

func loginOf(user, session string, o store.OfficialRow) Login {
	l := Login{user: user, name: o.Name, grant: grantOf(o.Grant), mustChange: o.MustChange, epoch: o.Epoch, session: session}
	if o.MustChange {
		l.may = []Permission{PasswordChange}
		return l
	}
	l.may = append(l.grant.permissions(), PasswordChange)
	l.scope = l.grant.scope()
	return l
}

// attempt is one try at proving who one is, and what came of it.
type attempt struct {
	user     string
	row      store.OfficialRow // or nobody
	known    bool
	password bool // fits
	step     int64
}

// Login opens a session: user name, password and the current code give a token
// and who it is. from is the caller's network address, for the audit.
//
// Everything that can be wrong is ErrLogin, with the same work done: one hash,
// one code, one record, one write. venue.ErrUnavailable says nothing about
// anybody: too many try at once.
func (s *Service) Login(ctx context.Context, user, password, code, from string) (token string, l Login, err error) {
	a, err := s.try(ctx, user, password, code)
	if err != nil {
		return "", Login{}, fmt.Errorf("login: %w", err)
	}
	event := Event{Act: ActLogin, From: from}
	if a.known {
		event.Subject = a.user
	}
	fault := a.fault(s.machine.Now())
	if fault == "" {
		var row store.Row[store.OfficialRow]
		row, fault, err = s.accept(ctx, a)
		if err != nil {
			return "", Login{}, fmt.Errorf("login: %w", err)
		}
		a.row = row.Value
	}
	if fault != "" {
		return "", Login{}, s.fail(ctx, a, event, fault)
	}
	event.Outcome, event.Actor = Allowed, a.user
	if err := s.record(ctx, event); err != nil {
		return "", Login{}, fmt.Errorf("login: %w", err)
	}
	token, session, err := s.openSession(ctx, a.user, a.row.Epoch)
	if err != nil {
		return "", Login{}, fmt.Errorf("login: %w", err)
	}
	return token, loginOf(a.user, session, a.row), nil
}

// try does all the work of checking, whoever it is.
func (s *Service) try(ctx context.Context, user, password, code string) (a attempt, err error) {
	a.row = s.nobody
	if name, shape := parseUser(user); shape == nil {
		a.user = name
		row, err := s.officials.Get(ctx, name)
		switch {
		case err == nil:
			a.row, a.known = row.Value, true
		case !errors.Is(err, venue.ErrNotFound):
			return a, err
		}
	}
	owner := ""
	if a.known {
		owner = a.user
	}
	if a.password, err = s.passwordFits(ctx, owner, a.row.Password, password); err != nil {
		return a, err
	}
	a.step, err = s.stepOf(owner, a.row.TOTP, code)
	return a, err
}

// fault is what is wrong with the attempt, for the audit alone; "" if nothing.
func (a attempt) fault(now time.Time) string {
	switch {
	case !a.known:
		return "unknown"
	case now.Before(a.row.LockedUntil):
		return "locked"
	case a.row.Disabled:
		return "disabled"
	case !a.password:
		return "password"
	case a.step == 0:
		return "code"
	case a.step <= a.row.Step:
		return "code_used"
	}
	return ""
}

// accept uses the code up. What was checked is checked again on the row as it
// is now: two logins with one code, or a login and the end of the account, must
// not both come through.
func (s *Service) accept(ctx context.Context, a attempt) (row store.Row[store.OfficialRow], fault string, err error) {
	stop := errors.New("refused")
	row, err = s.officials.Update(ctx, a.user, false, func(o *store.OfficialRow) error {
		now := a
		now.row = *o
		if fault = now.fault(s.machine.Now()); fault != "" {
			return stop
		}
		if !bytes.Equal(o.Password, a.row.Password) || !bytes.Equal(o.TOTP, a.row.TOTP) {
			fault = "changed"
			return stop
		}
		o.Step, o.Failed, o.LockedUntil = a.step, 0, time.Time{}
		return nil
	})
	if errors.Is(err, stop) {
		err = nil
	}
	return row, fault, err
}

// fail counts and records a failed attempt and says ErrLogin.
func (s *Service) fail(ctx context.Context, a attempt, event Event, fault string) error {
	event.Outcome, event.Reason = Refused, fault
	now := s.machine.Now()
	if a.known {
		if locks := lockout(a.row.Failed + 1); locks > 0 {
			event.Detail = "locked for " + locks.String()
		}
	}
	recorded := s.record(ctx, event)
	var err error
	if a.known {
		_, err = s.officials.Update(ctx, a.user, false, func(o *store.OfficialRow) error {
			if now.Before(o.LockedUntil) {
				return nil // written all the same: equal work
			}
			o.Failed++
			if d := lockout(o.Failed); d > 0 {
				o.LockedUntil = venue.Millis(now.Add(d))
			}
			return nil
		})
	} else {
		err = s.countNobody(ctx, a.user)
	}
	if err = errors.Join(recorded, err); err != nil {
		return fmt.Errorf("login: %w", err)
	}
	return ErrLogin
}

// lockout is how long the failure of that number locks; 0 if it does not.
func lockout(failures int) time.Duration {
	if failures < maxFailures || failures%maxFailures != 0 {
		return 0
	}
	d := firstLockout
	for range failures/maxFailures - 1 {
		if d *= 2; d >= longLockout {
			return longLockout
		}
	}
	return d
}

// countNobody writes as much as a wrong password does, so that the time of a
// write tells nothing. The rows are few, whatever names are tried.
func (s *Service) countNobody(ctx context.Context, user string) error {
	id := "login/" + s.blinder.Blind("login_decoy", user)[:2]
	_, err := s.decoys.Update(ctx, id, true, func(m *store.MetaRow) error {
		m.Value++
		return nil
	})
	return err
}

// Confirm proves once more, by a code, that it is still the same person: before
// a signature or an approval. It fails, and counts, as a login does.
func (s *Service) Confirm(ctx context.Context, by Login, code string) error {
	row, err := s.current(ctx, by)
	if err != nil {
		return err
	}
	a := attempt{user: by.user, row: row.Value, known: true, password: true}
	if a.step, err = s.stepOf(by.user, row.Value.TOTP, code); err != nil {
		return fmt.Errorf("confirm: %w", err)
	}
	event := Event{Act: ActConfirm, Actor: by.user, Subject: by.user}
	fault := a.fault(s.machine.Now())
	if fault == "" {
		if _, fault, err = s.accept(ctx, a); err != nil {
			return fmt.Errorf("confirm: %w", err)
		}
	}
	if fault != "" {
		return s.fail(ctx, a, event, fault)
	}
	event.Outcome = Allowed
	return s.record(ctx, event)
}

// ChangePassword replaces one's own password and ends all of one's sessions. A
// new one that is not good enough is a *venue.Invalid: see CheckPassword, and
// reason "reused" for one of the last. A wrong old one is ErrLogin, and counts.
func (s *Service) ChangePassword(ctx context.Context, by Login, old, password string) error {
	if err := CheckPassword(by.user, password); err != nil {
		return err
	}
	row, err := s.current(ctx, by)
	if err != nil {
		return err
	}
	o := row.Value
	a := attempt{user: by.user, row: o, known: true, step: o.Step + 1}
	if a.password, err = s.passwordFits(ctx, by.user, o.Password, old); err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	event := Event{Act: ActPassword, Actor: by.user, Subject: by.user}
	if fault := a.fault(s.machine.Now()); fault != "" {
		return s.fail(ctx, a, event, fault)
	}
	for _, former := range append([][]byte{o.Password}, o.Former...) {
		used, err := s.passwordFits(ctx, by.user, former, password)
		if err != nil {
			return fmt.Errorf("change password: %w", err)
		}
		if used {
			return &venue.Invalid{Field: "password", Reason: "reused"}
		}
	}
	sealed, err := s.hashPassword(ctx, by.user, password)
	if err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	event.Outcome = Allowed
	if err := s.record(ctx, event); err != nil {
		return err
	}
	_, err = s.officials.Update(ctx, by.user, false, func(now *store.OfficialRow) error {
		if !bytes.Equal(now.Password, o.Password) || now.Epoch != by.epoch || now.Disabled {
			return fmt.Errorf("change password: %w", ErrSession)
		}
		setPassword(now, sealed, "")
		s.stamp(now, by.user)
		return nil
	})
	s.known.Purge()
	return err
}

func (s *Service) hashPassword(ctx context.Context, user, password string) ([]byte, error) {
	encoded, err := s.hasher.make(ctx, password)
	if err != nil {
		return nil, err
	}
	return s.sealPassword(user, encoded)
}

// setPassword replaces a password; from is who hands it out, "" for the owner.
func setPassword(o *store.OfficialRow, sealed []byte, from string) {
	if o.Password != nil {
		o.Former = append([][]byte{o.Password}, o.Former...)
		o.Former = o.Former[:min(len(o.Former), keepFormer)]
	}
	o.Password, o.PasswordFrom, o.MustChange = sealed, from, from != ""
	o.Epoch++
}

// stamp notes who changed an account.
func (s *Service) stamp(o *store.OfficialRow, by string) {
	o.Changed, o.ChangedBy = venue.Millis(s.civil.Now()), by
}
