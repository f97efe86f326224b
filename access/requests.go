package access

import (
	"context"
	"encoding/hex"
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

// TakeLife is how long an approved request may wait to be done, civil. Until it
// is decided it may wait ChangeLife.
const TakeLife = 24 * time.Hour

// requested are the acts of Pairs that wait as requests; the others have ways
// of their own.
var requested = []string{"purge", "sunset", "escrow"}

// Request is an act that one account asks for and another must approve before
// anybody can do it: see Pairs.
type Request struct {
	ID       string
	Act      string // of a Pair: "purge", "sunset", "escrow"
	Subject  string // what exactly, in the act's own words
	Reason   string
	By       string
	At       time.Time // civil
	State    string    // store.OfficialRequestWaiting …
	Approver string    // "" until then
	Approved time.Time // zero until then
}

func requestOf(id string, r store.OfficialRequestRow) Request {
	q := Request{ID: id, Act: r.Act, Subject: r.Subject, Reason: r.Reason, By: r.By, At: r.At, State: r.State}
	if r.State == store.OfficialRequestApproved || r.State == store.OfficialRequestUsed {
		q.Approver, q.Approved = r.Decider, r.Decided
	}
	return q
}

// stands tells whether something can still become of a request.
func (s *Service) stands(r store.OfficialRequestRow) bool {
	now := s.civil.Now()
	return r.State == store.OfficialRequestWaiting && now.Sub(r.At) <= ChangeLife ||
		r.State == store.OfficialRequestApproved && now.Sub(r.Decided) <= TakeLife
}

// inState finds those in a state of which something may still become; older ones
// only wait to be forgotten.
func (s *Service) inState(state string) store.Query {
	return store.Query{Index: "state", Equal: []any{state}, From: venue.Millis(s.civil.Now().Add(-ChangeLife - TakeLife))}
}

// Ask keeps a request for the other account of the act's pair. The reason has 4
// to 200 characters, the subject 1 to 200. *Forbidden; *venue.Invalid.
func (s *Service) Ask(ctx context.Context, by Login, act, subject, reason string) (Request, error) {
	pair, ok := PairFor(act)
	if !ok || !slices.Contains(requested, act) {
		return Request{}, &venue.Invalid{Field: "act", Reason: "unknown"}
	}
	e := Event{Act: ActAsk, Actor: by.user, Detail: act}
	if err := s.begin(ctx, by, pair.Ask, e); err != nil {
		return Request{}, err
	}
	row := store.OfficialRequestRow{Act: act, By: by.user, At: venue.Millis(s.civil.Now()), State: store.OfficialRequestWaiting}
	var err error
	if row.Subject, err = sentence("subject", subject, 1); err != nil {
		return Request{}, err
	}
	if row.Reason, err = sentence("reason", reason, 4); err != nil {
		return Request{}, err
	}
	raw := make([]byte, 16)
	if _, err := io.ReadFull(s.random, raw); err != nil {
		return Request{}, fmt.Errorf("ask: %w", err)
	}
	e.Request = hex.EncodeToString(raw)
	e.Outcome, e.Detail = Proposed, fmt.Sprintf("%s %s: %s", act, row.Subject, row.Reason)
	var invalid *venue.Invalid
	if err := s.record(ctx, e); errors.As(err, &invalid) { // the trail takes nobody's number
		return Request{}, &venue.Invalid{Field: "reason", Reason: invalid.Reason}
	} else if err != nil {
		return Request{}, err
	}
	return requestOf(e.Request, row), s.requests.Insert(ctx, e.Request, row)
}

// sentence checks what somebody typed: at least that many characters, at most
// 200, on one line.
func sentence(field, text string, least int) (string, error) {
	text = strings.TrimSpace(text)
	if n := utf8.RuneCountInString(text); n < least || n > 200 {
		return "", &venue.Invalid{Field: field, Reason: "length"}
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		return "", &venue.Invalid{Field: field, Reason: "shape"}
	}
	return text, nil
}

// Requests lists those that wait to be decided, then those that wait to be done,
// each oldest first: of the acts that by may ask for or decide on.
func (s *Service) Requests(ctx context.Context, by Login) ([]Request, error) {
	acts := slices.DeleteFunc(slices.Clone(requested), func(act string) bool {
		pair, _ := PairFor(act)
		return !by.May(pair.Ask) && !by.May(pair.Check)
	})
	if len(acts) == 0 {
		return nil, s.forbid(ctx, Event{Act: "requests.read", Actor: by.user}, RulePermission)
	}
	if _, err := s.current(ctx, by); err != nil {
		return nil, err
	}
	var list []Request
	for _, state := range []string{store.OfficialRequestWaiting, store.OfficialRequestApproved} {
		for row, err := range s.requests.Find(ctx, s.inState(state)) {
			if err != nil {
				return nil, fmt.Errorf("list requests: %w", err)
			}
			if s.stands(row.Value) && slices.Contains(acts, row.Value.Act) {
				list = append(list, requestOf(row.ID, row.Value))
			}
		}
	}
	return list, nil
}

// pendingRequest reads a request of which something can become, with its pair,
// for somebody who takes part in that; venue.ErrNotFound.
func (s *Service) pendingRequest(ctx context.Context, by Login, e Event, id string) (store.OfficialRequestRow, Pair, error) {
	row, err := s.requests.Get(ctx, id)
	if err != nil {
		return row.Value, Pair{}, err
	}
	pair, _ := PairFor(row.Value.Act)
	if !by.May(pair.Check) && !by.May(pair.Ask) {
		return row.Value, pair, s.forbid(ctx, e, RulePermission)
	}
	if _, err := s.current(ctx, by); err != nil {
		return row.Value, pair, err
	}
	if !s.stands(row.Value) {
		return row.Value, pair, fmt.Errorf("request: %w", venue.ErrNotFound)
	}
	return row.Value, pair, nil
}

// ApproveRequest lets the act be done, once, within TakeLife. Whoever approves
// is not who asked, who still must be in office, and proves by a code that it is
// them: ErrLogin if the code is not right. venue.ErrNotFound if nothing waits
// under that id; *Forbidden.
func (s *Service) ApproveRequest(ctx context.Context, by Login, id, totp string) (Request, error) {
	e := Event{Act: ActApproveRequest, Actor: by.user, Request: id}
	row, pair, err := s.pendingRequest(ctx, by, e, id)
	if err != nil {
		return Request{}, err
	}
	e.Detail = fmt.Sprintf("%s %s by=%s", row.Act, row.Subject, row.By)
	if row.State != store.OfficialRequestWaiting {
		return Request{}, fmt.Errorf("request: %w", venue.ErrConflict)
	}
	if err := pair.Approve(row.By, by); err != nil {
		return Request{}, s.asForbidden(ctx, e, err)
	}
	if may, err := s.stillMay(ctx, row.By, pair.Ask); err != nil {
		return Request{}, err
	} else if !may {
		return Request{}, s.forbid(ctx, e, RuleRequester)
	}
	if err := s.Confirm(ctx, by, totp); err != nil {
		return Request{}, err
	}
	return s.settleRequest(ctx, e, id, store.OfficialRequestWaiting, func(r *store.OfficialRequestRow, now time.Time) {
		r.State, r.Decider, r.Decided = store.OfficialRequestApproved, by.user, now
	})
}

// stillMay tells whether an account is in office and has a permission.
func (s *Service) stillMay(ctx context.Context, user string, p Permission) (bool, error) {
	row, err := s.officials.Get(ctx, user)
	if errors.Is(err, venue.ErrNotFound) {
		return false, nil
	}
	return err == nil && !row.Value.Disabled && loginOf(user, "", row.Value).May(p), err
}

// RejectRequest drops a request, approved or not, that has not been done yet:
// whoever may decide on it, or who asked for it.
func (s *Service) RejectRequest(ctx context.Context, by Login, id string) (Request, error) {
	e := Event{Act: ActRejectRequest, Actor: by.user, Request: id}
	row, pair, err := s.pendingRequest(ctx, by, e, id)
	if err != nil {
		return Request{}, err
	}
	e.Detail = fmt.Sprintf("%s %s by=%s", row.Act, row.Subject, row.By)
	if !by.May(pair.Check) && by.user != row.By {
		return Request{}, s.forbid(ctx, e, RulePermission)
	}
	return s.settleRequest(ctx, e, id, row.State, func(r *store.OfficialRequestRow, now time.Time) {
		r.State, r.Decider, r.Decided = store.OfficialRequestRejected, by.user, now
	})
}

// Take uses an approved request, once: whoever takes it does the act now. With
// id "" it is the only approved one of the act. venue.ErrNotFound if none waits
// to be done; venue.ErrConflict if several do, or somebody else was faster. Both
// who asked and who approved must still be in office: *Forbidden.
func (s *Service) Take(ctx context.Context, act, id string) (Request, error) {
	var found []store.Row[store.OfficialRequestRow]
	for row, err := range s.requests.Find(ctx, s.inState(store.OfficialRequestApproved)) {
		if err != nil {
			return Request{}, fmt.Errorf("take request: %w", err)
		}
		if row.Value.Act == act && (id == "" || row.ID == id) && s.stands(row.Value) {
			found = append(found, row)
		}
	}
	switch len(found) {
	case 0:
		return Request{}, fmt.Errorf("approved request to %s: %w", act, venue.ErrNotFound)
	case 1:
	default:
		return Request{}, fmt.Errorf("%d approved requests to %s: %w", len(found), act, venue.ErrConflict)
	}
	r := found[0].Value
	e := Event{Act: ActTake, Request: found[0].ID, Detail: fmt.Sprintf("%s %s by=%s approved=%s", act, r.Subject, r.By, r.Decider)}
	pair, _ := PairFor(act)
	asks, err := s.stillMay(ctx, r.By, pair.Ask)
	if err != nil {
		return Request{}, err
	}
	checks, err := s.stillMay(ctx, r.Decider, pair.Check)
	if err != nil {
		return Request{}, err
	}
	if !asks || !checks {
		return Request{}, s.forbid(ctx, e, RuleRequester)
	}
	return s.settleRequest(ctx, e, found[0].ID, store.OfficialRequestApproved, func(r *store.OfficialRequestRow, now time.Time) {
		r.State, r.Used = store.OfficialRequestUsed, now
	})
}

// settleRequest records a step, then makes it if the request still is where it
// was: venue.ErrConflict.
func (s *Service) settleRequest(ctx context.Context, e Event, id, from string, step func(*store.OfficialRequestRow, time.Time)) (Request, error) {
	e.Outcome = Allowed
	if err := s.record(ctx, e); err != nil {
		return Request{}, err
	}
	now := venue.Millis(s.civil.Now())
	row, err := s.requests.Update(ctx, id, false, func(r *store.OfficialRequestRow) error {
		if r.State != from {
			return fmt.Errorf("request: %w", venue.ErrConflict)
		}
		step(r, now)
		return nil
	})
	return requestOf(row.ID, row.Value), err
}
