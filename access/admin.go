package access

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Draft is an account to be.
type Draft struct {
	User  string
	Name  string // 1 to 40 characters, as colleagues know them
	Grant Grant
}

// Result is what an administrative act came to: done, perhaps with credentials
// to hand out, or a change that waits for a second security admin.
type Result struct {
	Change string // the pending change's id; "" if done
	Issued Issued
}

// Account is an account as a list shows it. Its password and secret are nowhere.
type Account struct {
	User, Name         string
	Grant              Grant
	Disabled           bool
	MustChange         bool
	LockedUntil        time.Time // machine clock; zero if not locked
	Created, Changed   time.Time
	CreatedBy, Changer string
}

// Accounts lists all accounts by user name.
func (s *Service) Accounts(ctx context.Context, by Login) ([]Account, error) {
	if !by.May(AccountsRead) {
		return nil, s.forbid(ctx, Event{Act: "accounts.read", Actor: by.user}, RulePermission)
	}
	if _, err := s.current(ctx, by); err != nil {
		return nil, err
	}
	var list []Account
	for row, err := range s.officials.Find(ctx, store.Query{}) {
		if err != nil {
			return nil, fmt.Errorf("list accounts: %w", err)
		}
		list = append(list, s.accountOf(row))
	}
	return list, nil
}

func (s *Service) accountOf(row store.Row[store.OfficialRow]) Account {
	o := row.Value
	a := Account{User: row.ID, Name: o.Name, Grant: grantOf(o.Grant), Disabled: o.Disabled, MustChange: o.MustChange,
		Created: o.Created, Changed: o.Changed, CreatedBy: o.CreatedBy, Changer: o.ChangedBy}
	if s.machine.Now().Before(o.LockedUntil) {
		a.LockedUntil = o.LockedUntil
	}
	return a
}

// begin checks what every administrative act asks: the permission, that the
// actor still is who they were, and that nobody acts on their own account.
func (s *Service) begin(ctx context.Context, by Login, p Permission, e Event) error {
	if by.user == "" {
		return ErrSession
	}
	if !by.May(p) {
		return s.forbid(ctx, e, RulePermission)
	}
	if _, err := s.current(ctx, by); err != nil {
		return err
	}
	if e.Subject == by.user {
		return s.forbid(ctx, e, RuleSelf)
	}
	return nil
}

// mayGive tells whether by may turn one grant into another: every role gained,
// kept in another place, or lost must be theirs to give.
func mayGive(by Login, was, will Grant) error {
	for _, r := range slices.Concat(was.Roles, will.Roles) {
		if !slices.ContainsFunc(by.grant.Roles, func(own Role) bool { return slices.Contains(offices[own].gives, r) }) {
			return &Forbidden{RuleGrant}
		}
	}
	return nil
}

// reserved stand in the audit for those who are not accounts.
var reserved = []string{"system", "resident", "operator", "unknown", "applicant"}

func (d Draft) check() (Draft, error) {
	user, err := parseUser(d.User)
	if err != nil {
		return d, err
	}
	if slices.Contains(reserved, user) {
		return d, &venue.Invalid{Field: "user", Reason: "reserved"}
	}
	d.User, d.Name = user, strings.TrimSpace(d.Name)
	if n := utf8.RuneCountInString(d.Name); n < 1 || n > 40 {
		return d, &venue.Invalid{Field: "name", Reason: "length"}
	}
	if !utf8.ValidString(d.Name) || strings.ContainsFunc(d.Name, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		return d, &venue.Invalid{Field: "name", Reason: "shape"}
	}
	d.Grant, err = d.Grant.check()
	return d, err
}

// Create makes an account with a one-time password and a TOTP secret. One with a
// sensitive role waits for a second security admin. venue.ErrExists; *Forbidden;
// *venue.Invalid.
func (s *Service) Create(ctx context.Context, by Login, d Draft) (Result, error) {
	s.admin.Lock()
	defer s.admin.Unlock()
	e := Event{Act: ActCreate, Actor: by.user}
	user, err := parseUser(d.User)
	if err != nil {
		return Result{}, err
	}
	e.Subject = user
	if err := s.begin(ctx, by, AccountsWrite, e); err != nil {
		return Result{}, err
	}
	if d, err = d.check(); err != nil {
		return Result{}, s.asForbidden(ctx, e, err)
	}
	e.Detail = d.Grant.String()
	if err := mayGive(by, Grant{}, d.Grant); err != nil {
		return Result{}, s.asForbidden(ctx, e, err)
	}
	if _, err := s.officials.Get(ctx, d.User); err == nil {
		return Result{}, fmt.Errorf("create account: %w", venue.ErrExists)
	} else if !errors.Is(err, venue.ErrNotFound) {
		return Result{}, err
	}
	if d.Grant.sensitive() {
		return s.propose(ctx, e, store.OfficialChangeRow{Kind: changeCreate, User: d.User, Name: d.Name, Grant: d.Grant.row()})
	}
	issued, err := s.create(ctx, e, d, by.user, by.user)
	return Result{Issued: issued}, err
}

// create records and makes an account. from hands the credentials out.
func (s *Service) create(ctx context.Context, e Event, d Draft, by, from string) (Issued, error) {
	now := venue.Millis(s.civil.Now())
	o := store.OfficialRow{Name: d.Name, Grant: d.Grant.row(), CreatedBy: by, Created: now, ChangedBy: from, Changed: now}
	issued, err := s.issuePassword(ctx, d.User, from, &o)
	if err != nil {
		return Issued{}, err
	}
	code, err := s.issueTOTP(d.User, from, &o)
	if err != nil {
		return Issued{}, err
	}
	issued.TOTP, issued.URL = code.TOTP, code.URL
	e.Outcome = Allowed
	if err := s.record(ctx, e); err != nil {
		return Issued{}, err
	}
	if err := s.officials.Insert(ctx, d.User, o); err != nil {
		return Issued{}, err
	}
	return issued, s.settle(ctx, d.User)
}

// issuePassword gives o a password that its owner must replace: 80 random bits.
func (s *Service) issuePassword(ctx context.Context, user, from string, o *store.OfficialRow) (Issued, error) {
	raw := make([]byte, 10)
	if _, err := io.ReadFull(s.random, raw); err != nil {
		return Issued{}, fmt.Errorf("make password: %w", err)
	}
	password := handout.EncodeToString(raw)
	sealed, err := s.hashPassword(ctx, user, password)
	if err != nil {
		return Issued{}, err
	}
	setPassword(o, sealed, from)
	return Issued{User: user, Password: secret(password)}, nil
}

// handout has no letters that are read as others when copied by hand.
var handout = base32.NewEncoding("abcdefghjkmnpqrstuvwxyz23456789-").WithPadding(base32.NoPadding)

func (s *Service) issueTOTP(user, from string, o *store.OfficialRow) (Issued, error) {
	code, url, err := newTOTP(user, s.random)
	if err != nil {
		return Issued{}, err
	}
	if o.TOTP, err = s.sealTOTP(user, code); err != nil {
		return Issued{}, err
	}
	o.TOTPFrom, o.Step = from, 0
	o.Epoch++
	return Issued{User: user, TOTP: secret(code), URL: secret(url)}, nil
}

// SetRoles gives an account other roles, or other places for them, and ends its
// sessions. More power with a sensitive role waits for a second security admin;
// taking power away does not.
func (s *Service) SetRoles(ctx context.Context, by Login, user string, g Grant) (Result, error) {
	s.admin.Lock()
	defer s.admin.Unlock()
	e, row, err := s.subject(ctx, by, ActGrant, user)
	if err != nil {
		return Result{}, err
	}
	if g, err = g.check(); err != nil {
		return Result{}, s.asForbidden(ctx, e, err)
	}
	was := grantOf(row.Value.Grant)
	e.Detail = fmt.Sprintf("%s → %s", was, g)
	if err := mayGive(by, was, g); err != nil {
		return Result{}, s.asForbidden(ctx, e, err)
	}
	if g.sensitive() && !g.within(was) {
		return s.propose(ctx, e, store.OfficialChangeRow{Kind: changeGrant, User: row.ID, Was: was.row(), Grant: g.row()})
	}
	return Result{}, s.grant(ctx, e, row.ID, was, g)
}

// grant records and makes the change, if the account still has what it had.
func (s *Service) grant(ctx context.Context, e Event, user string, was, will Grant) error {
	lost := slices.DeleteFunc(slices.Clone(was.Roles), func(r Role) bool { return slices.Contains(will.Roles, r) })
	return s.change(ctx, e, user, lost, func(o *store.OfficialRow) error {
		if !grantOf(o.Grant).equal(was) {
			return fmt.Errorf("change roles: %w", venue.ErrConflict)
		}
		o.Grant = will.row()
		return nil
	})
}

// Disable shuts an account out; *Forbidden for one of the last two holders of a
// role that checks another.
func (s *Service) Disable(ctx context.Context, by Login, user string) error {
	s.admin.Lock()
	defer s.admin.Unlock()
	e, row, err := s.subject(ctx, by, ActDisable, user)
	if err != nil || row.Value.Disabled {
		return err
	}
	was := grantOf(row.Value.Grant)
	if err := mayGive(by, was, Grant{}); err != nil {
		return s.asForbidden(ctx, e, err)
	}
	return s.change(ctx, e, row.ID, was.Roles, func(o *store.OfficialRow) error {
		if !grantOf(o.Grant).equal(was) {
			return fmt.Errorf("disable account: %w", venue.ErrConflict)
		}
		o.Disabled = true
		return nil
	})
}

// Enable lets an account in again; with a sensitive role that waits for a second
// security admin, as giving the role did.
func (s *Service) Enable(ctx context.Context, by Login, user string) (Result, error) {
	s.admin.Lock()
	defer s.admin.Unlock()
	e, row, err := s.subject(ctx, by, ActEnable, user)
	if err != nil || !row.Value.Disabled {
		return Result{}, err
	}
	was := grantOf(row.Value.Grant)
	if err := mayGive(by, was, was); err != nil {
		return Result{}, s.asForbidden(ctx, e, err)
	}
	if was.sensitive() {
		return s.propose(ctx, e, store.OfficialChangeRow{Kind: changeEnable, User: row.ID, Was: was.row(), Grant: was.row()})
	}
	return Result{}, s.enable(ctx, e, row.ID, was)
}

func (s *Service) enable(ctx context.Context, e Event, user string, was Grant) error {
	return s.change(ctx, e, user, nil, func(o *store.OfficialRow) error {
		if !grantOf(o.Grant).equal(was) {
			return fmt.Errorf("enable account: %w", venue.ErrConflict)
		}
		o.Disabled, o.Failed, o.LockedUntil = false, 0, time.Time{}
		return nil
	})
}

// ResetPassword hands out a one-time password, ends all sessions and any
// lockout. For an account with a sensitive role it is refused to whoever handed
// out its TOTP secret: with both, one person could be the other.
func (s *Service) ResetPassword(ctx context.Context, by Login, user string) (Issued, error) {
	return s.reset(ctx, by, user, ActResetPass, func(o store.OfficialRow) string { return o.TOTPFrom },
		func(o *store.OfficialRow, id string) (Issued, error) { return s.issuePassword(ctx, id, by.user, o) })
}

// ResetTOTP hands out a new TOTP secret and ends all sessions. The same rule: for
// a sensitive account, not by whoever handed out the password it still has.
func (s *Service) ResetTOTP(ctx context.Context, by Login, user string) (Issued, error) {
	return s.reset(ctx, by, user, ActResetTOTP, func(o store.OfficialRow) string { return o.PasswordFrom },
		func(o *store.OfficialRow, id string) (Issued, error) { return s.issueTOTP(id, by.user, o) })
}

func (s *Service) reset(ctx context.Context, by Login, user string, act Act,
	other func(store.OfficialRow) string, issue func(*store.OfficialRow, string) (Issued, error)) (issued Issued, err error) {
	s.admin.Lock()
	defer s.admin.Unlock()
	e, row, err := s.subject(ctx, by, act, user)
	if err != nil {
		return Issued{}, err
	}
	was := grantOf(row.Value.Grant)
	if err := mayGive(by, was, was); err != nil {
		return Issued{}, s.asForbidden(ctx, e, err)
	}
	fresh := row.Value // made once, outside the retries: hashing takes its time
	if issued, err = issue(&fresh, row.ID); err != nil {
		return Issued{}, err
	}
	err = s.change(ctx, e, row.ID, nil, func(o *store.OfficialRow) error {
		if was.sensitive() && other(*o) == by.user {
			return &Forbidden{RuleFactors}
		}
		if o.Epoch != row.Value.Epoch {
			return fmt.Errorf("reset: %w", venue.ErrConflict)
		}
		o.Password, o.Former, o.PasswordFrom, o.MustChange = fresh.Password, fresh.Former, fresh.PasswordFrom, fresh.MustChange
		o.TOTP, o.TOTPFrom, o.Step = fresh.TOTP, fresh.TOTPFrom, max(fresh.Step, o.Step)
		if act == ActResetTOTP {
			o.Step = 0
		}
		o.Failed, o.LockedUntil = 0, time.Time{}
		return nil
	})
	if err != nil {
		return Issued{}, err
	}
	return issued, nil
}

// subject begins an act on an existing account.
func (s *Service) subject(ctx context.Context, by Login, act Act, user string) (Event, store.Row[store.OfficialRow], error) {
	e := Event{Act: act, Actor: by.user}
	user, err := parseUser(user)
	if err != nil {
		return e, store.Row[store.OfficialRow]{}, err
	}
	e.Subject = user
	if err := s.begin(ctx, by, AccountsWrite, e); err != nil {
		return e, store.Row[store.OfficialRow]{}, err
	}
	row, err := s.officials.Get(ctx, user)
	return e, row, err
}

// change makes an administrative change to an account, in the order that keeps
// every promise: off the roster, try the change, record, write (a new epoch ends
// the sessions), settle the roster. lost are the roles that the account gives up.
func (s *Service) change(ctx context.Context, e Event, user string, lost []Role, edit func(*store.OfficialRow) error) (err error) {
	if err := s.leave(ctx, user, lost); err != nil {
		return s.asForbidden(ctx, e, err)
	}
	defer func() { err = errors.Join(err, s.settle(ctx, user)) }()
	row, err := s.officials.Get(ctx, user)
	if err != nil {
		return err
	}
	if err := edit(&row.Value); err != nil {
		return s.asForbidden(ctx, e, err)
	}
	e.Outcome = Allowed
	if err := s.record(ctx, e); err != nil {
		return err
	}
	_, err = s.officials.Update(ctx, user, false, func(o *store.OfficialRow) error {
		if err := edit(o); err != nil {
			return err
		}
		o.Epoch++
		s.stamp(o, e.Actor)
		return nil
	})
	s.known.Purge()
	return err
}
