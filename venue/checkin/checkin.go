// Package checkin turns one scan of a venue code into a record and a prompt.
//
//	validate → resolve door → ask health → decide → record → prompt
//
// Checkin reads in that order. A scan is recorded whatever the decision: the
// people turned back at a door are the ones an investigator will ask about. It
// is durable before anybody is answered, and one request is one visit however
// often a phone repeats it.
package checkin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// Place is a door with everything that a scan at it needs to know.
type Place struct {
	Door  venue.Door
	Venue venue.Venue
}

// Doors finds places by their code.
type Doors interface {
	// Resolve finds a door; venue.ErrNotFound if nothing by that code may be
	// scanned, for whatever reason, in the same time for every reason.
	Resolve(ctx context.Context, code venue.Code) (Place, error)
}

// Health reads colours. It never fails and answers within its own budget.
type Health interface {
	Colour(ctx context.Context, person venue.PersonID) venue.Reading
}

// People knows persons, as little as is needed.
type People interface {
	// Named finds or makes the person of an ID number. Not sure: the number is
	// another name's, and nothing about its owner may be told.
	Named(ctx context.Context, who venue.Identity) (id venue.PersonID, sure bool, err error)
	Masked(ctx context.Context, person venue.PersonID) (string, error)
}

// Sealer makes a scan's key and seals who made it.
type Sealer interface {
	ScanKey(owner, subject venue.PersonID, at time.Time, request string, n int) (key, prior venue.ScanKey, err error)
	SealPerson(day venue.Day, row venue.ScanKey, person venue.PersonID) ([]byte, error)
	ContentHash(content []byte) [16]byte
}

// Log remembers scans, durably before it returns.
type Log interface {
	Append(ctx context.Context, batch []venue.Scan) ([]venue.ScanOutcome, error)
}

// Outbox takes word of an alarm, once per message id.
type Outbox interface {
	Post(ctx context.Context, messages ...venue.Message) error
}

// Service checks people in. Its fields are set once, before the first use.
type Service struct {
	Doors  Doors
	Health Health
	People People
	Sealer Sealer
	Log    Log
	Alarms Alarms
	Clock  venue.Clock // civil
	Policy Policy
	// Unknown is told when each scan was received that the sweep must look at:
	// its colour is unknown, or what became of it. It must not block.
	Unknown func(at time.Time)
}

// Request is one scan as a phone sends it.
type Request struct {
	Person     venue.PersonID
	Code       venue.Code
	RequestID  string // the phone's own name for this scan, 1–64 characters
	Direction  venue.Direction
	Presence   venue.Presence
	Companions []venue.Identity
}

// Checkin records one scan and says what the person at the door should see.
//
// A health service that does not answer is not an error: the decision is Hold,
// and the door keeper looks at the phone. Repeating a Request with the same ID
// within 24 hours records nothing and gives the same prompt; with other content
// it is venue.ErrConflict. A code that may not be scanned is venue.ErrNotFound.
// A store that is away is no error either, if Log keeps scans meanwhile: the
// prompt may lack the name, and only companions are refused (ErrCompanions).
func (s *Service) Checkin(ctx context.Context, r Request) (venue.Prompt, error) {
	if err := s.validate(r); err != nil {
		return venue.Prompt{}, err
	}
	place, err := s.Doors.Resolve(ctx, r.Code)
	if err != nil {
		return venue.Prompt{}, fmt.Errorf("resolve door: %w", err)
	}
	party, err := s.party(ctx, r)
	if err != nil {
		return venue.Prompt{}, fmt.Errorf("identify party: %w", err)
	}
	scans, err := s.scans(r, place, party, s.ask(ctx, party))
	if err != nil {
		return venue.Prompt{}, fmt.Errorf("prepare scan: %w", err)
	}
	stored, err := s.record(ctx, scans)
	if err != nil {
		return venue.Prompt{}, fmt.Errorf("record scan: %w", err)
	}
	s.raise(ctx, place, stored)
	return s.prompt(ctx, place, r, stored)
}

func (s *Service) validate(r Request) error {
	switch {
	case r.RequestID == "" || len(r.RequestID) > 64 || strings.ContainsFunc(r.RequestID, func(c rune) bool { return c < '!' || c > '~' }):
		return &venue.Invalid{Field: "request_id", Reason: "shape"}
	case len(r.Companions) > s.Policy.Companions:
		return &venue.Invalid{Field: "companions", Reason: "too_many"}
	}
	for i, c := range r.Companions {
		if slices.ContainsFunc(r.Companions[:i], func(o venue.Identity) bool { return o.ID.Reveal() == c.ID.Reveal() }) {
			return &venue.Invalid{Field: "companions", Reason: "twice"}
		}
	}
	return nil
}

// member is one of a party. Only of somebody sure is the colour asked at the
// door.
type member struct {
	person venue.PersonID
	sure   bool
}

// ErrCompanions: companions can not be looked up now; without them the scan is
// recorded.
var ErrCompanions = fmt.Errorf("companions can not be looked up: %w", venue.ErrUnavailable)

// party is the person and their companions, in order.
func (s *Service) party(ctx context.Context, r Request) ([]member, error) {
	party := []member{{r.Person, true}}
	for _, c := range r.Companions {
		id, sure, err := s.People.Named(ctx, c)
		if errors.Is(err, venue.ErrUnavailable) {
			return nil, fmt.Errorf("%w (%w)", ErrCompanions, err)
		} else if err != nil {
			return nil, err
		}
		if id == r.Person {
			return nil, &venue.Invalid{Field: "companions", Reason: "self"}
		}
		party = append(party, member{id, sure})
	}
	return party, nil
}

// ask reads every colour at once: a party waits no longer than one person.
func (s *Service) ask(ctx context.Context, party []member) []venue.Reading {
	readings := make([]venue.Reading, len(party))
	var wg sync.WaitGroup
	for i, m := range party[1:] {
		if m.sure {
			wg.Go(func() { readings[i+1] = s.Health.Colour(ctx, m.person) })
		}
	}
	readings[0] = s.Health.Colour(ctx, party[0].person)
	wg.Wait()
	return readings
}

// scans makes one row for each of the party.
func (s *Service) scans(r Request, place Place, party []member, readings []venue.Reading) ([]venue.Scan, error) {
	now := venue.Millis(s.Clock.Now())
	day, hash := venue.DayOf(now), s.Sealer.ContentHash(r.content())
	scans := make([]venue.Scan, len(party))
	for i, m := range party {
		scan := venue.Scan{
			At: now, Received: now, Door: place.Door.Code, Unit: place.Door.Unit,
			Direction: r.Direction, Presence: r.Presence, Method: venue.MethodPhone,
			Health: readings[i].Health, HealthAt: readings[i].At,
			Decision: s.Policy.Decide(readings[i].Health, place.Venue.Sentinel), Hash: hash,
		}
		var err error
		if scan.Key, scan.Prior, err = s.Sealer.ScanKey(r.Person, m.person, now, r.RequestID, i); err != nil {
			return nil, err
		}
		if scan.Person, err = s.Sealer.SealPerson(day, scan.Key, m.person); err != nil {
			return nil, err
		}
		if i > 0 {
			scan.Method = venue.MethodCompanion
			if scan.Proxy, err = s.Sealer.SealPerson(day, scan.Key, r.Person); err != nil {
				return nil, err
			}
		}
		scans[i] = scan
	}
	return scans, nil
}

// content is what a repeat must agree in. Presence is left out: a phone that
// retries may have learnt where it is in between.
func (r Request) content() []byte {
	b := append([]byte(r.Code), byte(0), byte(r.Direction))
	for _, c := range r.Companions {
		b = append(append(b, 0), c.ID.Reveal()...)
		b = append(append(b, 0), c.Name.Reveal()...)
	}
	return b
}

// record appends the party's rows and returns them as the memory has them. The
// person's own goes first: only it has the same key whatever the companions
// are, so that a request which differs in them stores nothing.
func (s *Service) record(ctx context.Context, scans []venue.Scan) ([]venue.ScanOutcome, error) {
	stored, err := s.append(ctx, scans[:1])
	if err != nil || len(scans) == 1 {
		return stored, err
	}
	others, err := s.append(ctx, scans[1:])
	return append(stored, others...), err
}

func (s *Service) append(ctx context.Context, scans []venue.Scan) ([]venue.ScanOutcome, error) {
	outcomes, err := s.Log.Append(ctx, scans)
	if err != nil {
		s.Unknown(scans[0].Received) // it may be stored all the same: have the sweep look
		return nil, err
	}
	if slices.ContainsFunc(outcomes, func(o venue.ScanOutcome) bool { return o.Kind == venue.ScanConflict }) {
		return nil, venue.ErrConflict
	}
	return outcomes, nil
}

// raise sees to the rows that somebody must look at: red ones alarm now,
// unknown ones, when they are new, are asked for again. Posting is repeatable
// and a sweep finds what a crash kept from being posted, so a failure here fails
// no scan.
func (s *Service) raise(ctx context.Context, place Place, stored []venue.ScanOutcome) {
	for _, o := range stored {
		switch scan := o.Stored; {
		case scan.Health == venue.HealthRed && s.Alarms.Raise(ctx, place, scan, false) != nil:
			s.Unknown(scan.Received) // have the sweep look
		case scan.Health == venue.HealthUnknown && o.Kind == venue.ScanNew:
			s.Unknown(scan.Received)
		}
	}
}

func (s *Service) prompt(ctx context.Context, place Place, r Request, stored []venue.ScanOutcome) (venue.Prompt, error) {
	own := stored[0].Stored
	name, err := s.People.Masked(ctx, r.Person)
	if errors.Is(err, venue.ErrUnavailable) {
		name = "" // the visit is recorded, and the door does not wait for a name
	} else if err != nil {
		return venue.Prompt{}, fmt.Errorf("name in prompt: %w", err)
	}
	p := venue.Prompt{
		ScanID: own.Key.ID(), At: own.At, Name: name,
		Venue: place.Venue.Name, Door: place.Door.Name, Address: place.Venue.Address,
		Health: own.Health, Decision: own.Decision,
	}
	strictest := own
	var whose string
	for i, o := range stored[1:] {
		scan := o.Stored
		c := venue.CompanionPrompt{ScanID: scan.Key.ID(), Name: r.Companions[i].Name.String(), Health: scan.Health, Decision: scan.Decision}
		p.Companions = append(p.Companions, c)
		if scan.Decision > strictest.Decision {
			strictest, whose = scan, c.Name
		}
	}
	p.Decision = strictest.Decision
	p.Title, p.Advice = s.Policy.Words(place.Venue.Division, strictest.Health, strictest.Decision, whose)
	return p, nil
}

// Alarms tells those who answer for a place that a red code was shown there.
type Alarms struct {
	Outbox Outbox
	// Officers are those of the territory in which a place lies.
	Officers func(ctx context.Context, division venue.Division) ([]venue.ChatAccount, error)
	Clock    venue.Clock
}

// Raise posts the alarm of one red scan to the venue's managers and the
// territory's officers, once however often it is called for the same scan.
func (a Alarms) Raise(ctx context.Context, place Place, scan venue.Scan, recheck bool) error {
	officers, err := a.Officers(ctx, place.Venue.Division)
	if err != nil {
		return fmt.Errorf("find the territory's officers: %w", err)
	}
	to := append(slices.Clone(place.Venue.Managers), officers...)
	var messages []venue.Message
	for _, account := range to {
		messages = append(messages, venue.Message{
			ID: "alarm:" + scan.Key.ID() + ":" + account.Key(), Kind: venue.MessageAlarm,
			To:  venue.Recipient{Channel: account.Channel, ID: account.ID},
			Due: a.Clock.Now(), Day: venue.DayOf(scan.At),
			Units: []venue.UnitMention{{Unit: place.Door.Unit}},
			Alarm: &venue.AlarmFacts{
				Venue: place.Venue.Name, Door: place.Door.Name, Address: place.Venue.Address,
				At: scan.At, ScanID: scan.Key.ID(), Recheck: recheck,
			},
		})
	}
	return a.Outbox.Post(ctx, messages...)
}
