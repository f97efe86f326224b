package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Sealer seals what the rows must not say. use is bound in: what was sealed for
// one use does not open for another.
type Sealer interface {
	Seal(use string, plain []byte) ([]byte, error)
	Open(use string, sealed []byte) ([]byte, error)
}

// Blinder is a keyed hash: the same value gives the same name, and without the
// key nobody can guess which.
type Blinder interface {
	Blind(kind, value string) string
}

// Options are what the service needs; all are required.
type Options struct {
	Docs    store.Documents
	Sealer  Sealer
	Blinder Blinder
	Auditor Auditor
	Random  io.Reader   // crypto/rand.Reader outside tests
	Civil   venue.Clock // sessions, dates
	Machine venue.Clock // lockout, TOTP, cache

	hash cost // zero: standard
}

// Service keeps accounts and sessions. It is safe for concurrent use, and many
// processes may share the documents.
type Service struct {
	officials store.Collection[store.OfficialRow]
	sessions  store.Collection[store.OfficialSessionRow]
	changes   store.Collection[store.OfficialChangeRow]
	requests  store.Collection[store.OfficialRequestRow]
	roster    store.Collection[store.OfficialRosterRow]
	decoys    store.Collection[store.MetaRow]

	sealer  Sealer
	blinder Blinder
	auditor Auditor
	random  io.Reader
	civil   venue.Clock
	machine venue.Clock

	hasher *hasher
	known  *lru.Cache[string, recent] // session id → what was read of it lately
	nobody store.OfficialRow          // what a name without an account is checked against
	admin  sync.Mutex                 // one administrative act at a time
}

// New opens the service.
func New(o Options) (*Service, error) {
	if o.hash == (cost{}) {
		o.hash = standard
	}
	known, err := lru.New[string, recent](maxKnown)
	if err != nil {
		return nil, fmt.Errorf("session cache: %w", err)
	}
	s := &Service{
		officials: store.NewCollection[store.OfficialRow](o.Docs, store.Officials),
		sessions:  store.NewCollection[store.OfficialSessionRow](o.Docs, store.OfficialSessions),
		changes:   store.NewCollection[store.OfficialChangeRow](o.Docs, store.OfficialChanges),
		requests:  store.NewCollection[store.OfficialRequestRow](o.Docs, store.OfficialRequests),
		roster:    store.NewCollection[store.OfficialRosterRow](o.Docs, store.OfficialRoster),
		decoys:    store.NewCollection[store.MetaRow](o.Docs, store.Meta),
		sealer:    o.Sealer, blinder: o.Blinder, auditor: o.Auditor, random: o.Random,
		civil: o.Civil, machine: o.Machine,
		hasher: newHasher(o.hash, o.Random), known: known,
	}
	return s, s.makeNobody()
}

// makeNobody makes the account that names without one are checked against: same
// work, and no password in the world fits.
func (s *Service) makeNobody() error {
	h := hash{s.hasher.cost, make([]byte, saltSize), make([]byte, sumSize)}
	for _, b := range [][]byte{h.salt, h.sum} {
		if _, err := io.ReadFull(s.random, b); err != nil {
			return fmt.Errorf("make decoy: %w", err)
		}
	}
	base32, _, err := newTOTP("nobody", s.random)
	if err != nil {
		return err
	}
	if s.nobody.Password, err = s.sealPassword("", h.String()); err != nil {
		return err
	}
	s.nobody.TOTP, err = s.sealTOTP("", base32)
	return err
}

// Act names what an Event tells of.
type Act string

// The acts.
const (
	ActLogin     Act = "login"
	ActConfirm   Act = "login.confirm"
	ActLogout    Act = "logout"
	ActPassword  Act = "password.change"
	ActBootstrap Act = "accounts.bootstrap"
	ActCreate    Act = "accounts.create"
	ActGrant     Act = "accounts.grant"
	ActDisable   Act = "accounts.disable"
	ActEnable    Act = "accounts.enable"
	ActResetPass Act = "accounts.reset_password"
	ActResetTOTP Act = "accounts.reset_totp"
	ActApprove   Act = "accounts.approve"
	ActReject    Act = "accounts.reject"

	ActAsk            Act = "requests.ask"
	ActApproveRequest Act = "requests.approve"
	ActRejectRequest  Act = "requests.reject"
	ActTake           Act = "requests.take"
)

// Outcome says what was decided about an act.
type Outcome string

// The outcomes. The record is written before the effect, so Allowed means that
// it was about to happen.
const (
	Allowed  Outcome = "allowed"
	Refused  Outcome = "refused"
	Proposed Outcome = "proposed" // waits for a second account
)

// Event is one act as the audit keeps it. It holds names of accounts, never a
// password, code, token or secret — nor what was typed as a user name, unless it
// is one: people type passwords there.
type Event struct {
	At      time.Time // civil
	Actor   string    // account; "" before anybody is known
	Act     Act
	Subject string // account acted on; "" if there is none by that name
	Outcome Outcome
	Reason  string // a stable word, why it was refused
	Detail  string // what was asked for
	Request string // id of the request acted on
	From    string // network address, logins only
}

// Auditor keeps events. Record returns when the event is durable; while it
// fails, nothing that must be recorded happens.
type Auditor interface {
	Record(ctx context.Context, e Event) error
}

func (s *Service) record(ctx context.Context, e Event) error {
	e.At = venue.Millis(s.civil.Now())
	if err := s.auditor.Record(ctx, e); err != nil {
		return fmt.Errorf("record %s: %w", e.Act, err)
	}
	return nil
}

// forbid records that a rule stands against an act and returns it.
func (s *Service) forbid(ctx context.Context, e Event, r Rule) error {
	e.Outcome, e.Reason = Refused, string(r)
	if err := s.record(ctx, e); err != nil {
		return err
	}
	return &Forbidden{r}
}

// asForbidden records err if it is a rule's; other errors pass.
func (s *Service) asForbidden(ctx context.Context, e Event, err error) error {
	var f *Forbidden
	if errors.As(err, &f) {
		return s.forbid(ctx, e, f.Rule)
	}
	return err
}

var userName = regexp.MustCompile(`^[a-z][a-z0-9._-]{2,31}$`)

// parseUser reads a user name: 3 to 32 of a-z 0-9 . _ - beginning with a letter,
// in any case. The reason of a refusal is "shape".
func parseUser(s string) (string, error) {
	s = strings.ToLower(strings.TrimSpace(venue.Fold(s)))
	if !userName.MatchString(s) {
		return "", &venue.Invalid{Field: "user", Reason: "shape"}
	}
	return s, nil
}

// The user is bound into what is sealed: a row's password does not work in
// another row.
func (s *Service) sealPassword(user, encoded string) ([]byte, error) {
	return s.seal("official/password/"+user, encoded)
}

func (s *Service) sealTOTP(user, base32 string) ([]byte, error) {
	return s.seal("official/totp/"+user, base32)
}

func (s *Service) seal(use, plain string) ([]byte, error) {
	sealed, err := s.sealer.Seal(use, []byte(plain))
	if err != nil {
		return nil, fmt.Errorf("seal credential: %w", err)
	}
	return sealed, nil
}

func (s *Service) open(use string, sealed []byte) (string, error) {
	plain, err := s.sealer.Open(use, sealed)
	if err != nil {
		return "", fmt.Errorf("open credential: %w", err)
	}
	return string(plain), nil
}

// passwordFits runs the hash once.
func (s *Service) passwordFits(ctx context.Context, user string, sealed []byte, password string) (bool, error) {
	encoded, err := s.open("official/password/"+user, sealed)
	if err != nil {
		return false, err
	}
	return s.hasher.matches(ctx, password, encoded)
}

// stepOf is the TOTP step whose code this is, now; 0 if there is none.
func (s *Service) stepOf(user string, sealed []byte, code string) (int64, error) {
	base32, err := s.open("official/totp/"+user, sealed)
	if err != nil {
		return 0, err
	}
	return stepOf(base32, code, s.machine.Now())
}
