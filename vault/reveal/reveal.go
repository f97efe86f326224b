package reveal

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

// Purpose is what an identity may be shown for.
type Purpose string

// The purposes. There are no others: who was where in an epidemic is for ending
// the epidemic.
const (
	Tracing       Purpose = "tracing"        // 流行病学调查
	AreaCheck     Purpose = "area_check"     // 区域核查
	CrossDistrict Purpose = "cross_district" // 跨区域协查
)

// Purposes lists them.
var Purposes = []Purpose{Tracing, AreaCheck, CrossDistrict}

// PurposeRefused: what was asked for is none of the Purposes.
type PurposeRefused struct{}

func (*PurposeRefused) Error() string {
	return "purpose refused: what was collected against the epidemic is used for nothing else"
}

func (*PurposeRefused) Unwrap() error { return venue.ErrInvalid }

// Shown is for how long an identity stays on a page.
const Shown = 2 * time.Minute

// Action is what a reveal, or the refusal of one, is in the audit. A row that
// has a person as its object is one after which the person was shown.
const Action = "identity.reveal"

// DetailRole is where such a row says by which role.
const DetailRole = "role"

// PageRows are the rows of a page of a List.
const PageRows = 50

// Trail is where a reveal is written before it happens.
type Trail interface {
	Append(ctx context.Context, e audit.Event) (id string, err error)
}

// Service is the way from a pseudonym to a name. All fields are required.
type Service struct {
	Office *store.Office
	Vault  *vault.Vault
	People *vault.People
	Quota  *access.Quota
	Trail  Trail
	Clock  venue.Clock // civil
}

// List is a page of a day's alarms, in the order in which they were received.
type List struct {
	Day   venue.Day
	Rows  []Row
	Total int // of all pages
}

// Row is a scan in red, of somebody.
type Row struct {
	At       time.Time
	Unit     venue.UnitID
	UnitName string
	Venue    string
	Door     string
	Address  string
	Health   venue.Health
	Decision venue.Decision
	Person   string // a handle, another one each time; nothing can be told from it
}

// Alarms lists the scans in red received on a day, zero for today, in the scope
// of by. Pages count from 1. access.ErrForbidden without access.ContactsRead.
func (s *Service) Alarms(ctx context.Context, by access.Login, day venue.Day, page int) (List, error) {
	if !by.May(access.ContactsRead) {
		return List{}, &access.Forbidden{Rule: access.RulePermission}
	}
	if day == 0 {
		day = venue.DayOf(s.Clock.Now())
	}
	if page < 1 || page > 1<<20 {
		return List{}, &venue.Invalid{Field: "page", Reason: "range"}
	}
	alarms, total, err := s.Office.Alarms(ctx, by.Scope(), day, (page-1)*PageRows, PageRows)
	if err != nil {
		return List{}, err
	}
	list := List{Day: day, Total: total}
	for _, a := range alarms {
		handle, err := s.handle(by, a.Scan)
		if err != nil {
			return List{}, err
		}
		list.Rows = append(list.Rows, Row{
			At: a.Scan.At, Unit: a.Unit.ID, UnitName: a.Unit.Name, Venue: a.Venue.Name, Door: a.Door.Name, Address: a.Venue.Address,
			Health: a.Scan.Health, Decision: a.Scan.Decision, Person: handle,
		})
	}
	return list, nil
}

// Request is what somebody gives for a look at an identity.
type Request struct {
	Handle  string
	Purpose Purpose
	Reason  string // 4 to 200 characters
	Case    string // 1 to 64: Chinese, letters, digits and 〔〕()-_/
}

// Identity is who somebody is. It prints masked. Whoever shows it masks it again
// at Until.
type Identity struct {
	Name  venue.PersonName
	ID    venue.IDNumber
	Phone venue.Phone // zero of a companion who never registered
	Until time.Time   // civil
}

// Why a reveal was refused, in the audit.
const (
	refusedPermission  = string(access.RulePermission)
	refusedPurpose     = "purpose"
	refusedHandle      = "handle" // forged, or of another account
	refusedScope       = "scope"
	refusedQuota       = "quota"
	refusedUnavailable = "unavailable" // the quota could not be written
)

// Reveal shows who is behind a handle. It may be asked for by whoever has
// access.RevealIdentity (access.ErrForbidden), for one of the Purposes
// (*PurposeRefused), with a reason and a case that hold no private number
// (*venue.Invalid), for a scan in their scope (venue.ErrNotFound for every handle
// that is not theirs), within the day's quota (access.ErrQuota). All these but
// *venue.Invalid are rows of the audit.
//
// The quota is used, then the audit row written, then the record opened. What
// fails leaves the steps before it as they are.
func (s *Service) Reveal(ctx context.Context, by access.Login, q Request) (Identity, error) {
	if !by.May(access.RevealIdentity) {
		return Identity{}, s.refuse(ctx, by, q, refusedPermission, &access.Forbidden{Rule: access.RulePermission})
	}
	if !slices.Contains(Purposes, q.Purpose) {
		return Identity{}, s.refuse(ctx, by, q, refusedPurpose, &PurposeRefused{})
	}
	q, err := q.check()
	if err != nil {
		return Identity{}, err
	}
	event := audit.Event{
		Actor: by.User(), Action: Action, Purpose: string(q.Purpose), Reason: q.Reason, Case: q.Case, Outcome: string(access.Allowed),
		Details: map[string]string{DetailRole: role(by), "fields": "name,id_number,phone"},
	}
	if err := event.Check(); err != nil { // before it costs a place in the quota
		return Identity{}, err
	}
	person, refused, err := s.person(ctx, by, q.Handle)
	if refused != "" {
		return Identity{}, s.refuse(ctx, by, q, refused, err)
	} else if err != nil {
		return Identity{}, fmt.Errorf("reveal: %w", err)
	}
	if _, err := s.Quota.Take(ctx, by, 1); errors.Is(err, access.ErrQuota) {
		return Identity{}, s.refuse(ctx, by, q, refusedQuota, err)
	} else if err != nil {
		return Identity{}, s.refuse(ctx, by, q, refusedUnavailable, err)
	}
	event.Object = audit.Object{Kind: audit.KindPerson, ID: s.People.AuditID(person)}
	if _, err := s.Trail.Append(ctx, event); err != nil {
		return Identity{}, fmt.Errorf("record a reveal: %w", err)
	}
	who, err := s.People.Open(ctx, person)
	if err != nil {
		return Identity{}, fmt.Errorf("reveal: %w", err)
	}
	return Identity{Name: who.Name, ID: who.ID, Phone: who.Phone, Until: venue.Millis(s.Clock.Now().Add(Shown))}, nil
}

// refuse writes the refusal down and gives err back. Of the request only a
// purpose that is a word is in the row: the other texts may hold anything, and
// nobody was shown.
func (s *Service) refuse(ctx context.Context, by access.Login, q Request, why string, err error) error {
	purpose := "other"
	if asWord.MatchString(string(q.Purpose)) {
		purpose = string(q.Purpose)
	}
	_, failed := s.Trail.Append(ctx, audit.Event{
		Actor: by.User(), Action: Action, Purpose: purpose, Reason: why, Outcome: string(access.Refused),
		Details: map[string]string{DetailRole: role(by)},
	})
	if failed != nil {
		return fmt.Errorf("record a refusal: %w", failed)
	}
	return err
}

// role is the one by which by may reveal; of others, all they have.
func role(by access.Login) string {
	var words []string
	for _, r := range by.Roles() {
		if slices.Contains(r.Permissions(), access.RevealIdentity) {
			return string(r)
		}
		words = append(words, string(r))
	}
	return strings.Join(words, ",")
}

var (
	asWord    = regexp.MustCompile(`^[a-z_]{1,32}$`)
	caseShape = regexp.MustCompile(`^[\p{Han}A-Za-z0-9〔〕()_/-]+$`)
)

// The lengths of reason and case, in characters.
const (
	minReason, maxReason = 4, 200
	maxCase              = 64
)

// check gives reason and case in their one form: *venue.Invalid of "reason" or
// "case", with "missing", "length" or "shape".
func (q Request) check() (Request, error) {
	q.Reason = strings.TrimSpace(q.Reason)
	q.Case = strings.TrimSpace(venue.Fold(q.Case))
	invisible := func(r rune) bool { return !unicode.IsGraphic(r) || r == utf8.RuneError }
	switch reason, number := utf8.RuneCountInString(q.Reason), utf8.RuneCountInString(q.Case); {
	case reason == 0:
		return q, &venue.Invalid{Field: "reason", Reason: "missing"}
	case reason < minReason || reason > maxReason:
		return q, &venue.Invalid{Field: "reason", Reason: "length"}
	case strings.ContainsFunc(q.Reason, invisible):
		return q, &venue.Invalid{Field: "reason", Reason: "shape"}
	case number == 0:
		return q, &venue.Invalid{Field: "case", Reason: "missing"}
	case number > maxCase:
		return q, &venue.Invalid{Field: "case", Reason: "length"}
	case !caseShape.MatchString(q.Case):
		return q, &venue.Invalid{Field: "case", Reason: "shape"}
	}
	return q, nil
}

// use binds a handle to the account that it was made for.
func use(by access.Login) string { return "reveal/" + by.User() }

const dayBytes = 4 // of a handle; the key follows

func (s *Service) handle(by access.Login, scan venue.Scan) (string, error) {
	plain := binary.BigEndian.AppendUint32(nil, uint32(venue.DayOf(scan.At)))
	sealed, err := s.Vault.Seal(use(by), append(plain, scan.Key[:]...))
	if err != nil {
		return "", fmt.Errorf("seal a handle: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// person finds whom a handle means; refused is why by may not know. Days whose
// key is destroyed have nobody left.
func (s *Service) person(ctx context.Context, by access.Login, handle string) (id venue.PersonID, refused string, err error) {
	sealed, err := base64.RawURLEncoding.DecodeString(handle)
	if err != nil {
		return id, refusedHandle, fmt.Errorf("handle: %w", venue.ErrNotFound)
	}
	plain, err := s.Vault.Open(use(by), sealed)
	if err != nil || len(plain) != dayBytes+len(venue.ScanKey{}) {
		return id, refusedHandle, fmt.Errorf("handle: %w", venue.ErrNotFound)
	}
	day, key := venue.Day(binary.BigEndian.Uint32(plain)), venue.ScanKey(plain[dayBytes:])
	scan, err := s.Office.Scan(ctx, by.Scope(), day, key)
	if errors.Is(err, store.ErrOutOfScope) {
		return id, refusedScope, err
	} else if err != nil {
		return id, "", err
	}
	id, err = s.Vault.OpenPerson(day, key, scan.Person)
	if errors.Is(err, vault.ErrNoKey) {
		err = fmt.Errorf("the day is destroyed: %w", venue.ErrNotFound)
	}
	return id, "", err
}
