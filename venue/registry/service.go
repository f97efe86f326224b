package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// Applications keeps applications; what is private in them is sealed.
type Applications interface {
	// Application reads one; venue.ErrNotFound.
	Application(ctx context.Context, id string) (Application, error)
	// UpdateApplication reads, changes and writes back, again if somebody else was
	// faster. With create an absent one starts as the zero value.
	UpdateApplication(ctx context.Context, id string, create bool, change func(*Application) error) (Application, error)
	// Unmade lists the ids of those in StateMaking.
	Unmade(ctx context.Context) ([]string, error)
}

// Book is the register itself.
type Book interface {
	// Unit reads a unit; venue.ErrNotFound.
	Unit(ctx context.Context, id venue.UnitID) (venue.Unit, error)
	// UnitOf finds the unit of a USCC, or the one that stands for it;
	// venue.ErrNotFound, also if that is closed.
	UnitOf(ctx context.Context, uscc venue.USCC) (venue.Unit, error)
	// Enter writes an entry under the ids and codes of m, each once: run again it
	// completes. A unit that is there already, by USCC or else by name and division,
	// is used as it is, and the answer has its id. venue.ErrExists if the unit has a
	// venue of the name, zone and plate under another id, *Refused with RuleClosed if
	// it is closed.
	Enter(ctx context.Context, e Entry, m Made, by Who) (Made, error)
	// Change makes the next change to a venue, after completing one that was cut
	// off. plan sees the venue as it is then, may be called again, and its error
	// ends the change with nothing written.
	Change(ctx context.Context, id venue.VenueID, by Who, plan func(Place) (Change, error)) (Change, error)
	// ChangeUnit is Change for a unit.
	ChangeUnit(ctx context.Context, id venue.UnitID, by Who, plan func(venue.Unit) (Change, error)) (Change, error)
	// Place reads a venue with its doors; venue.ErrNotFound.
	Place(ctx context.Context, id venue.VenueID) (Place, error)
	// Reach keeps whom to reach about a venue, sealed; zero persons are left as
	// they are.
	Reach(ctx context.Context, id venue.VenueID, applicant, manager Person) error
	// Settle completes the changes that were cut off, and tells how many.
	Settle(ctx context.Context) (int, error)
}

// Blanks keeps codes that were printed in advance.
type Blanks interface {
	// Print remembers a batch; the same id again gives the batch that is there.
	Print(ctx context.Context, b Batch) (Batch, error)
	// Reserve keeps a code for a venue. *Refused with RuleUsed if it is another's,
	// venue.ErrNotFound if it is no blank code.
	Reserve(ctx context.Context, code venue.Code, at venue.VenueID) error
}

// Batch is a number of codes that are printed before anybody knows where they
// will hang.
type Batch struct {
	ID       string
	Division venue.Division // whose officers give them out
	Codes    []venue.Code
	At       time.Time
	By       Who
}

// MaxBatch is the most codes of a batch.
const MaxBatch = 2000

// Service is the register's desk. Its fields are set once, before the first use.
// Who may call what is the surface's to check.
type Service struct {
	Applications Applications
	Book         Book
	Blanks       Blanks
	Policy       Policy
	Divisions    *venue.Divisions // what an application names must be one of them; nil: any
	Random       io.Reader        // cryptographic: codes come from it
	Clock        venue.Clock      // civil
	// Resolve finds the venue of a door's code; venue.ErrNotFound.
	Resolve func(ctx context.Context, code venue.Code) (venue.VenueID, error)
	// Late tells whether a number of a day comes too late at an instant; nil: never.
	Late func(d venue.Day, t time.Time) bool
}

const idBytes = 16

// NewID draws an id that nobody can guess: 128 bits, URL-safe.
func NewID(random io.Reader) (string, error) {
	b := make([]byte, idBytes)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("draw an id: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// Draw draws what approval needs of an entry with so many doors.
func Draw(random io.Reader, doors int) (m Made, err error) {
	unit, err1 := NewID(random)
	place, err2 := NewID(random)
	m.Unit, m.Venue = venue.UnitID("u_"+unit), venue.VenueID("v_"+place)
	err = errors.Join(err1, err2)
	for range doors {
		code, e := venue.NewCode(random)
		m.Codes, err = append(m.Codes, code), errors.Join(err, e)
	}
	return m, err
}

// Save keeps a draft, checked or not. id is "" for a new one.
func (s *Service) Save(ctx context.Context, id string, f Form, from Sender) (Application, error) {
	return s.put(ctx, id, f, from, StateDraft)
}

// Submit sends an application in; id is "" for one that was not saved. If the
// policy allows it is approved at once. Faults are all that is wrong, and then
// nothing is kept. The same again is harmless; another form under the id of one
// that waits is venue.ErrConflict.
func (s *Service) Submit(ctx context.Context, id string, f Form, from Sender) (Application, Faults, error) {
	e, faults, err := s.check(ctx, &f)
	if err != nil || len(faults) > 0 {
		return Application{}, faults, err
	}
	unit, err := s.unitFor(ctx, e, from)
	if err != nil {
		return Application{}, nil, err
	}
	a, err := s.put(ctx, id, f, from, StatePending)
	if err == nil && a.State == StatePending && s.Policy.Automatic(e, unit, from) {
		a, err = s.Approve(ctx, a.ID, Who{}, false)
	}
	return a, nil, err
}

// Check tells all that is wrong with a form, as Submit does, and keeps nothing.
func (s *Service) Check(ctx context.Context, f Form) (Faults, error) {
	_, faults, err := s.check(ctx, &f)
	return faults, err
}

func (s *Service) check(ctx context.Context, f *Form) (Entry, Faults, error) {
	around, err := s.inside(ctx, f)
	if err != nil {
		return Entry{}, nil, err
	}
	e, faults := f.Check()
	return e, slices.Concat(faults, s.unlisted(e), around), nil
}

// unlisted are the faults of an entry whose divisions there are not. An
// application that was sent in before the list knew better is not refused.
func (s *Service) unlisted(e Entry) (faults Faults) {
	if d := e.Unit.Division; d != "" && !s.Divisions.Has(d) {
		faults = append(faults, &venue.Invalid{Field: "division", Reason: ReasonUnknown})
	}
	if d := e.Venue.Division; d != "" && d != e.Unit.Division && !s.Divisions.Has(d) {
		faults = append(faults, &venue.Invalid{Field: "place", Reason: ReasonUnknown})
	}
	return faults
}

// inside makes the id of the venue around of what people have of it: the code,
// or the link, at any of its doors.
func (s *Service) inside(ctx context.Context, f *Form) (Faults, error) {
	if blank(f.Inside) {
		return nil, nil
	}
	if code, err := venue.ParseCopied(f.Inside); err == nil {
		id, err := s.Resolve(ctx, code)
		if err == nil {
			f.Inside = string(id)
		} else if !errors.Is(err, venue.ErrNotFound) {
			return nil, err
		}
	}
	_, err := s.Book.Place(ctx, venue.VenueID(f.Inside))
	if errors.Is(err, venue.ErrNotFound) {
		return Faults{{Field: "inside", Reason: ReasonUnknown}}, nil
	}
	return nil, err
}

// unitFor is the unit that the entry is for, zero if it is new.
func (s *Service) unitFor(ctx context.Context, e Entry, from Sender) (u venue.Unit, err error) {
	switch {
	case e.Unit.USCC != "":
		u, err = s.Book.UnitOf(ctx, e.Unit.USCC)
	case from.Unit != "":
		u, err = s.Book.Unit(ctx, from.Unit)
	}
	if errors.Is(err, venue.ErrNotFound) {
		return venue.Unit{}, nil
	}
	return u, err
}

func (s *Service) put(ctx context.Context, id string, f Form, from Sender, to State) (Application, error) {
	if id == "" {
		var err error
		if id, err = NewID(s.Random); err != nil {
			return Application{}, err
		}
	}
	e, faults := f.Check()
	now := venue.Millis(s.Clock.Now())
	return s.Applications.UpdateApplication(ctx, id, true, func(a *Application) error {
		if a.ID != "" && !a.Sender.same(from) {
			return fmt.Errorf("application of somebody else: %w", venue.ErrNotFound)
		}
		switch a.State {
		case "", StateDraft, StateRejected:
		default:
			if to == StatePending && (a.State != StatePending || reflect.DeepEqual(a.Form, f)) {
				return nil // sent in before
			}
			return refuse(RuleDecided)
		}
		*a = Application{ID: id, State: to, Form: f, Sender: from, At: now, Proof: e.Proof}
		a.UnitName, a.Name, a.USCC = e.Unit.Name, e.Venue.Name, e.Unit.USCC
		a.Division, a.Category = e.Venue.Division, e.Venue.Category
		if to == StatePending && len(faults) > 0 {
			return faults[0]
		}
		return nil
	})
}

// Approve makes of an application what it asks for, once. proofSeen says that
// the officer has seen the unit's register entry; without it a unit whose USCC
// needs proof, and its doors, stay pending. venue.ErrExists if the unit has such
// a venue already, *Refused with RuleClosed if it is closed: the application waits
// on.
func (s *Service) Approve(ctx context.Context, id string, by Who, proofSeen bool) (Application, error) {
	drawn, err := Draw(s.Random, MaxDoors)
	if err != nil {
		return Application{}, err
	}
	now := venue.Millis(s.Clock.Now())
	a, err := s.Applications.UpdateApplication(ctx, id, false, func(a *Application) error {
		switch a.State {
		case StateMaking, StateApproved:
			return nil
		case StatePending:
		default:
			return refuse(RuleStatus)
		}
		e, faults := a.Form.Check()
		if len(faults) > 0 {
			return faults[0]
		}
		a.State, a.Decider, a.Decided = StateMaking, by, now
		a.Proof = e.Proof && !proofSeen
		a.Made = Made{Unit: drawn.Unit, Venue: drawn.Venue, Codes: drawn.Codes[:len(e.Doors)]}
		return nil
	})
	if err != nil {
		return a, err
	}
	return s.make(ctx, a)
}

// make writes what an application was approved for.
func (s *Service) make(ctx context.Context, a Application) (Application, error) {
	if a.State != StateMaking {
		return a, nil
	}
	e, faults := a.Form.Check()
	if len(faults) > 0 {
		return a, faults[0]
	}
	if e.Proof && !a.Proof {
		e.Proof, e.Unit.Status = false, venue.StatusActive
	}
	m := a.Made
	if e.Unit.USCC == "" && a.Sender.Unit != "" {
		m.Unit, e.Unit = a.Sender.Unit, venue.Unit{ID: a.Sender.Unit}
	}
	m, err := s.Book.Enter(ctx, e, m, a.Decider)
	var refused *Refused
	waits := errors.Is(err, venue.ErrExists) || errors.As(err, &refused)
	if err != nil && !waits {
		return a, err
	}
	after, updateErr := s.Applications.UpdateApplication(ctx, a.ID, false, func(a *Application) error {
		if a.State != StateMaking {
			return nil
		}
		if waits {
			a.State, a.Made, a.Decider, a.Decided = StatePending, Made{}, Who{}, time.Time{}
			return nil
		}
		a.State, a.Made, a.Form = StateApproved, m, Form{}
		return nil
	})
	return after, errors.Join(err, updateErr)
}

// Reject sends an application back with a reason, which the applicant is shown.
// It may be sent in again under its id.
func (s *Service) Reject(ctx context.Context, id string, by Who) (Application, error) {
	if _, err := reason(by); err != nil {
		return Application{}, err
	}
	now := venue.Millis(s.Clock.Now())
	return s.Applications.UpdateApplication(ctx, id, false, func(a *Application) error {
		if a.State != StatePending {
			return refuse(RuleDecided)
		}
		a.State, a.Decider, a.Decided = StateRejected, by, now
		return nil
	})
}

// reason is what an official must give.
func reason(by Who) (string, error) {
	if blank(by.Reason) {
		return "", &venue.Invalid{Field: "reason", Reason: ReasonRequired}
	}
	return venue.ParseTitle("reason", by.Reason, 2, 200)
}

// Settle completes everything that was begun and cut off, and tells how much.
func (s *Service) Settle(ctx context.Context) (int, error) {
	n, err := s.Book.Settle(ctx)
	if err != nil {
		return n, err
	}
	ids, err := s.Applications.Unmade(ctx)
	for _, id := range ids {
		a, e := s.Applications.Application(ctx, id)
		if e == nil {
			_, e = s.make(ctx, a)
		}
		if err = errors.Join(err, e); e == nil {
			n++
		}
	}
	return n, err
}

// Correct mends a venue by a form, whose unit and doors are not looked at. A
// manager that is left out stays.
func (s *Service) Correct(ctx context.Context, id venue.VenueID, f Form, by Who) (Change, Faults, error) {
	f.Doors = []string{"-"} // it has its own
	e, faults := f.CheckVenue(false)
	if blank(f.Place) {
		faults = append(faults, &venue.Invalid{Field: "place", Reason: ReasonRequired})
	}
	if faults = append(faults, s.unlisted(e)...); len(faults) > 0 {
		return Change{}, faults, nil
	}
	if err := s.Book.Reach(ctx, id, Person{}, e.Manager); err != nil {
		return Change{}, nil, err
	}
	c, err := s.Book.Change(ctx, id, by, func(p Place) (Change, error) { return p.Correct(e.Venue) })
	return c, nil, err
}

// CorrectUnit mends a unit by the unit's part of a form.
func (s *Service) CorrectUnit(ctx context.Context, id venue.UnitID, f Form, by Who) (Change, Faults, error) {
	u, _, faults := f.CheckUnit()
	if faults = append(faults, s.unlisted(Entry{Unit: u})...); len(faults) > 0 {
		return Change{}, faults, nil
	}
	c, err := s.Book.ChangeUnit(ctx, id, by, func(was venue.Unit) (Change, error) { return CorrectUnit(was, u) })
	return c, nil, err
}

// SetSentinel makes a venue a sentinel, or one no longer.
func (s *Service) SetSentinel(ctx context.Context, id venue.VenueID, is bool, by Who) (Change, error) {
	return s.Book.Change(ctx, id, by, func(p Place) (Change, error) { return p.SetSentinel(is) })
}

// AddDoor adds a door with a fresh code, which is in the change's Doors.
func (s *Service) AddDoor(ctx context.Context, id venue.VenueID, name string, by Who) (Change, error) {
	name, err := doorName(name)
	if err != nil {
		return Change{}, err
	}
	code, err := venue.NewCode(s.Random)
	if err != nil {
		return Change{}, err
	}
	return s.Book.Change(ctx, id, by, func(p Place) (Change, error) { return p.AddDoor(ActAddDoor, code, name) })
}

func doorName(s string) (string, error) { return venue.ParsePublic("doors", s, 1, partMax) }

// RenameDoor gives a door another name; its code stays.
func (s *Service) RenameDoor(ctx context.Context, id venue.VenueID, code venue.Code, name string, by Who) (Change, error) {
	name, err := doorName(name)
	if err != nil {
		return Change{}, err
	}
	return s.Book.Change(ctx, id, by, func(p Place) (Change, error) { return p.RenameDoor(code, name) })
}

// Suspend stops scans at a venue, or at one door of it if code is not "".
func (s *Service) Suspend(ctx context.Context, id venue.VenueID, code venue.Code, by Who) (Change, error) {
	return s.Book.Change(ctx, id, by, func(p Place) (Change, error) { return p.Suspend(code) })
}

// Resume ends a suspension.
func (s *Service) Resume(ctx context.Context, id venue.VenueID, code venue.Code, by Who) (Change, error) {
	return s.Book.Change(ctx, id, by, func(p Place) (Change, error) { return p.Resume(code) })
}

// Close ends a venue, or one door of it, for good.
func (s *Service) Close(ctx context.Context, id venue.VenueID, code venue.Code, by Who) (Change, error) {
	return s.Book.Change(ctx, id, by, func(p Place) (Change, error) { return p.Close(code) })
}

// Transfer gives a venue with its doors to another unit from now on.
func (s *Service) Transfer(ctx context.Context, id venue.VenueID, to venue.UnitID, by Who) (Change, error) {
	if to == "" {
		return Change{}, &venue.Invalid{Field: "unit", Reason: ReasonRequired}
	}
	unit, err := s.Book.Unit(ctx, to)
	if err != nil {
		return Change{}, err
	}
	return s.Book.Change(ctx, id, by, func(p Place) (Change, error) { return p.Transfer(unit) })
}

// Prove notes that the officer has seen the unit's register entry; its venues
// that waited are in use.
func (s *Service) Prove(ctx context.Context, id venue.UnitID, by Who) (Change, error) {
	return s.Book.ChangeUnit(ctx, id, by, Prove)
}

// MergeUnits has one unit stand for another.
func (s *Service) MergeUnits(ctx context.Context, from, into venue.UnitID, by Who) (Change, error) {
	if into == "" {
		return Change{}, &venue.Invalid{Field: "into", Reason: ReasonRequired}
	}
	other, err := s.Book.Unit(ctx, into)
	if err != nil {
		return Change{}, err
	}
	return s.Book.ChangeUnit(ctx, from, by, func(u venue.Unit) (Change, error) { return MergeUnits(u, other) })
}

// CloseUnit ends a unit with its venues for good.
func (s *Service) CloseUnit(ctx context.Context, id venue.UnitID, by Who) (Change, error) {
	return s.Book.ChangeUnit(ctx, id, by, CloseUnit)
}

// JoinGroup has a unit report in a group, which is there.
func (s *Service) JoinGroup(ctx context.Context, id venue.UnitID, group venue.GroupID, by Who) (Change, error) {
	return s.Book.ChangeUnit(ctx, id, by, func(u venue.Unit) (Change, error) { return JoinGroup(u, group, s.today()) })
}

// Cover has the nearest unit above that reports do it for a unit too.
func (s *Service) Cover(ctx context.Context, id venue.UnitID, by Who) (Change, error) {
	return s.Book.ChangeUnit(ctx, id, by, func(u venue.Unit) (Change, error) {
		above, err := s.above(ctx, u)
		if err != nil {
			return Change{}, err
		}
		return Cover(u, above, s.open())
	})
}

// above is the nearest unit above that is not covered; zero if there is none.
func (s *Service) above(ctx context.Context, u venue.Unit) (venue.Unit, error) {
	for above, err := range venue.Above(u, func(id venue.UnitID) (venue.Unit, error) { return s.Book.Unit(ctx, id) }) {
		if err != nil || above.Duty != venue.DutyCovered {
			return above, err
		}
	}
	return venue.Unit{}, nil
}

// Exempt has nobody expect a number of a unit until a day is over: by.Reason says
// why. The day is neither past its deadline nor more than a year ahead; *venue.Invalid.
func (s *Service) Exempt(ctx context.Context, id venue.UnitID, until venue.Day, by Who) (Change, error) {
	first := s.open()
	if until < first || until > first+mostExempt {
		return Change{}, &venue.Invalid{Field: "until", Reason: ReasonRange}
	}
	return s.Book.ChangeUnit(ctx, id, by, func(u venue.Unit) (Change, error) { return Exempt(u, by.Reason, until, first) })
}

// mostExempt is for how many days a unit is exempt: then somebody looks again.
const mostExempt = 366

func (s *Service) today() venue.Day { return venue.DayOf(s.Clock.Now()) }

// open is the first day whose deadline is to come. Who was missing at a deadline is
// not excused behind it.
func (s *Service) open() venue.Day {
	today := s.today()
	if s.Late != nil && s.Late(today, s.Clock.Now()) {
		return today + 1
	}
	return today
}

// Merge has one venue stand for another. Both are seen as they are when it is
// written down.
func (s *Service) Merge(ctx context.Context, from, into venue.VenueID, by Who) (Change, error) {
	if into == "" {
		return Change{}, &venue.Invalid{Field: "into", Reason: ReasonRequired}
	}
	return s.Book.Change(ctx, from, by, func(p Place) (Change, error) {
		other, err := s.Book.Place(ctx, into)
		if err != nil {
			return Change{}, err
		}
		return p.Merge(other)
	})
}

// Complete fills in what a venue with an old code lacks: its codes stay, and it
// is scanned before and after. It becomes the unit's of the form's USCC, or the
// unit that it has is mended. Run again after being cut, it completes.
func (s *Service) Complete(ctx context.Context, id venue.VenueID, f Form, by Who) (Faults, error) {
	p, err := s.Book.Place(ctx, id)
	if err != nil {
		return nil, err
	}
	if p.Venue.Status != venue.StatusIncomplete {
		return nil, refuse(RuleStatus)
	}
	f.Doors = []string{"-"} // it has its own
	e, faults := f.Check()
	if faults = append(faults, s.unlisted(e)...); len(faults) > 0 {
		return faults, nil
	}
	unit, err := s.unitFor(ctx, e, Sender{Unit: p.Venue.Unit})
	switch {
	case err != nil:
	case unit.ID == "":
		_, err = s.Book.ChangeUnit(ctx, p.Venue.Unit, by, func(was venue.Unit) (Change, error) { return CorrectUnit(was, e.Unit) })
	case unit.ID != p.Venue.Unit:
		_, err = s.Transfer(ctx, id, unit.ID, by)
	}
	if err == nil {
		err = s.Book.Reach(ctx, id, e.Applicant, e.Manager)
	}
	if err == nil {
		_, err = s.Book.Change(ctx, id, by, func(p Place) (Change, error) { return p.Correct(e.Venue) })
	}
	return nil, err
}

// Print draws a batch of n blank codes, 1 to MaxBatch. The same id again gives
// the batch that is there; "" draws one.
func (s *Service) Print(ctx context.Context, id string, d venue.Division, n int, by Who) (Batch, error) {
	if n < 1 || n > MaxBatch {
		return Batch{}, &venue.Invalid{Field: "count", Reason: ReasonRange}
	}
	b := Batch{ID: id, Division: d, At: venue.Millis(s.Clock.Now()), By: by}
	var err error
	if id == "" {
		b.ID, err = NewID(s.Random)
	}
	for range n {
		code, e := venue.NewCode(s.Random)
		b.Codes, err = append(b.Codes, code), errors.Join(err, e)
	}
	if err != nil {
		return Batch{}, err
	}
	return s.Blanks.Print(ctx, b)
}

// Activate hangs a blank code at a door of a venue: from now on it resolves, and
// it never hangs anywhere else. What the venue refuses does not use the code up.
func (s *Service) Activate(ctx context.Context, code venue.Code, at venue.VenueID, door string, by Who) (Change, error) {
	door, err := doorName(door)
	if err != nil {
		return Change{}, err
	}
	hang := func(p Place) (Change, error) { return p.AddDoor(ActActivate, code, door) }
	p, err := s.Book.Place(ctx, at)
	if err == nil {
		_, err = hang(p)
	}
	if err == nil {
		err = s.Blanks.Reserve(ctx, code, at)
	}
	if err != nil {
		return Change{}, err
	}
	return s.Book.Change(ctx, at, by, hang)
}
