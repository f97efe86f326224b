package registry

import (
	"fmt"
	"slices"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// Act is what was done.
type Act string

// The acts. What they do to a unit or venue is in the Change.
const (
	ActEnter      Act = "enter"       // it came into the register: approved, or imported
	ActCorrect    Act = "correct"     // names, address, class …
	ActComplete   Act = "complete"    // an old code's missing fields; scannable before and after
	ActAddDoor    Act = "add_door"    // with a fresh code
	ActActivate   Act = "activate"    // a door whose code was printed in advance
	ActRenameDoor Act = "rename_door" // the code stays
	ActSuspend    Act = "suspend"     // a venue, or one door of it
	ActResume     Act = "resume"
	ActClose      Act = "close" // for good
	ActTransfer   Act = "transfer"
	ActMerge      Act = "merge"   // another stands for it, and its doors are the other's
	ActProve      Act = "prove"   // an officer has seen the register entry
	ActManager    Act = "manager" // somebody bound by one-time code
	ActUnmanage   Act = "unmanage"
	ActSentinel   Act = "sentinel" // 哨点 from then on
	ActUnsentinel Act = "unsentinel"
	ActPost       Act = "post"   // somebody looked whether the code hangs at the door
	ActGroup      Act = "group"  // a unit reports in a chat group
	ActCover      Act = "cover"  // the one above reports for it
	ActExempt     Act = "exempt" // nobody expects a number of it
)

// Who does something, and why. An officer's account, or audit's names for those
// that have none.
type Who struct {
	Account string
	Reason  string // what an official wrote; no private values
}

// Change is one line of the history: what a unit, or a venue with some of its
// doors, is from then on.
type Change struct {
	Number int64 // 1 is the first after it was entered; 0 is that
	Act    Act
	At     time.Time
	By     Who
	Unit   *venue.Unit  // a change to a unit
	Venue  *venue.Venue // a change to a venue
	Doors  []venue.Door // those that change with it, as they then are
	Of     venue.UnitID // whose it was
}

// Place is a venue with its doors, as a change finds it.
type Place struct {
	Venue venue.Venue
	Doors []venue.Door
}

// Refused: the act does not fit what the unit or venue is now. Rule is a stable
// word; each surface owns its sentence. It is a venue.ErrConflict.
type Refused struct{ Rule string }

func (r *Refused) Error() string { return "refused by the rule " + r.Rule }

func (r *Refused) Unwrap() error { return venue.ErrConflict }

// Rules that refuse.
const (
	RuleClosed    = "closed"     // what is closed stays so
	RuleStatus    = "status"     // it is not in a state for this
	RuleProof     = "proof"      // the unit waits for register proof
	RuleSelf      = "self"       // nothing becomes a part of itself
	RuleDoorName  = "door_name"  // two doors of one venue never share a name
	RuleLastDoor  = "last_door"  // a venue keeps a door; close the venue
	RuleAlready   = "already"    // it is so already
	RuleDecided   = "decided"    // an application is decided once
	RuleUsed      = "used"       // the blank code hangs somewhere else, or is kept for there
	RuleDoorCount = "door_count" // more than MaxDoors
	RuleSentinel  = "sentinel"   // a sentinel becomes no part of an ordinary venue
	RuleToday     = "today"      // an applicant has sent enough of this door today
	RuleAbove     = "above"      // no unit above reports
)

func refuse(rule string) error { return &Refused{rule} }

func (p Place) door(code venue.Code) (int, error) {
	i := slices.IndexFunc(p.Doors, func(d venue.Door) bool { return d.Code == code })
	if i < 0 {
		return 0, fmt.Errorf("door of the venue: %w", venue.ErrNotFound)
	}
	return i, nil
}

// lasting is a door that is not closed.
func (p Place) lasting(code venue.Code) (d venue.Door, err error) {
	i, err := p.door(code)
	if err != nil {
		return d, err
	}
	if d = p.Doors[i]; d.Status == venue.StatusClosed {
		err = refuse(RuleClosed)
	}
	return d, err
}

// open refuses what is closed, for whatever is done to it.
func (p Place) open() error {
	if p.Venue.Status == venue.StatusClosed {
		return refuse(RuleClosed)
	}
	return nil
}

// change is a change to the place that has been edited.
func (p Place) change(act Act, doors ...venue.Door) Change {
	return Change{Act: act, Venue: &p.Venue, Doors: doors}
}

// Correct replaces what people may mend: names, class, place, address, hours,
// position, plate. Unit, status, sentinel, managers and doors stay. A place that
// lacked something (incomplete) is in use once it is whole.
func (p Place) Correct(to venue.Venue) (Change, error) {
	if err := p.open(); err != nil {
		return Change{}, err
	}
	act, was := ActCorrect, p.Venue
	to.ID, to.Unit, to.Status, to.Managers, to.Into, to.Changes = was.ID, was.Unit, was.Status, was.Managers, was.Into, was.Changes
	to.Sentinel = was.Sentinel
	if was.Status == venue.StatusIncomplete {
		act, to.Status = ActComplete, venue.StatusActive
	}
	p.Venue = to
	return p.change(act), nil
}

// SetSentinel makes the venue a sentinel, or one no longer.
func (p Place) SetSentinel(is bool) (Change, error) {
	if err := p.open(); err != nil {
		return Change{}, err
	}
	if p.Venue.Sentinel == is {
		return Change{}, refuse(RuleAlready)
	}
	if p.Venue.Sentinel = is; is {
		return p.change(ActSentinel), nil
	}
	return p.change(ActUnsentinel), nil
}

// AddDoor adds a door under a code that nothing else has.
func (p Place) AddDoor(act Act, code venue.Code, name string) (Change, error) {
	if err := p.open(); err != nil {
		return Change{}, err
	}
	if _, err := p.door(code); err == nil {
		return Change{}, refuse(RuleAlready)
	}
	if err := p.free(name); err != nil {
		return Change{}, err
	}
	if len(p.Doors) >= MaxDoors {
		return Change{}, refuse(RuleDoorCount)
	}
	return p.change(act, venue.Door{Code: code, Venue: p.Venue.ID, Unit: p.Venue.Unit, Name: name, Status: venue.StatusActive}), nil
}

func (p Place) free(name string) error {
	if slices.ContainsFunc(p.Doors, func(d venue.Door) bool { return d.Name == name }) {
		return refuse(RuleDoorName)
	}
	return nil
}

// RenameDoor gives a door another name.
func (p Place) RenameDoor(code venue.Code, name string) (Change, error) {
	if err := p.open(); err != nil {
		return Change{}, err
	}
	d, err := p.lasting(code)
	if err != nil {
		return Change{}, err
	}
	if d.Name == name {
		return Change{}, refuse(RuleAlready)
	}
	if err := p.free(name); err != nil {
		return Change{}, err
	}
	d.Name = name
	return p.change(ActRenameDoor, d), nil
}

// Post notes whether a door's code hangs there: since at, or, if at is zero, that
// it does not. Nothing that is known already is a change.
func (p Place) Post(code venue.Code, at time.Time) (Change, error) {
	if err := p.open(); err != nil {
		return Change{}, err
	}
	d, err := p.lasting(code)
	if err != nil {
		return Change{}, err
	}
	if d.Posted.IsZero() == at.IsZero() {
		return Change{}, refuse(RuleAlready)
	}
	d.Posted = at
	return p.change(ActPost, d), nil
}

// Suspend, Resume and Close are of the venue, or of one door if code is not "".
// A door of a suspended venue is not scanned whatever its own status is.
func (p Place) Suspend(code venue.Code) (Change, error) {
	return p.status(ActSuspend, code, venue.StatusSuspended)
}

// Resume ends a suspension.
func (p Place) Resume(code venue.Code) (Change, error) {
	return p.status(ActResume, code, venue.StatusActive)
}

// Close is for good: the codes resolve no more and are never used again.
func (p Place) Close(code venue.Code) (Change, error) {
	return p.status(ActClose, code, venue.StatusClosed)
}

func (p Place) status(act Act, code venue.Code, to venue.Status) (Change, error) {
	if code == "" {
		next, err := next(p.Venue.Status, to)
		if err != nil {
			return Change{}, err
		}
		if p.Venue.Status = next; next == venue.StatusActive && Lacking(p.Venue) {
			p.Venue.Status = venue.StatusIncomplete
		}
		return p.change(act), nil
	}
	if err := p.open(); err != nil {
		return Change{}, err
	}
	i, err := p.door(code)
	if err != nil {
		return Change{}, err
	}
	d := p.Doors[i]
	if d.Status, err = next(d.Status, to); err != nil {
		return Change{}, err
	}
	alive := func(o venue.Door) bool { return o.Code != code && o.Status != venue.StatusClosed }
	if to == venue.StatusClosed && !slices.ContainsFunc(p.Doors, alive) {
		return Change{}, refuse(RuleLastDoor)
	}
	return p.change(act, d), nil
}

// Lacking tells whether a venue came with an old code and misses what the new
// form asks for.
func Lacking(v venue.Venue) bool { return v.Category == venue.CategoryNone || v.Address == "" }

// next is the status that follows on the wish for another.
func next(from, to venue.Status) (venue.Status, error) {
	switch {
	case from == venue.StatusClosed:
		return from, refuse(RuleClosed)
	case from == to:
		return from, refuse(RuleAlready)
	case to == venue.StatusSuspended && !from.Scannable(), to == venue.StatusActive && from != venue.StatusSuspended:
		return from, refuse(RuleStatus)
	}
	return to, nil
}

// Transfer gives the venue and all its doors to another unit. One that waited for
// its unit's proof is in use then: the other has been seen.
func (p Place) Transfer(to venue.Unit) (Change, error) {
	switch {
	case p.open() != nil:
		return Change{}, p.open()
	case to.Closed():
		return Change{}, refuse(RuleClosed)
	case to.Pending():
		return Change{}, refuse(RuleProof)
	case p.Venue.Unit == to.ID:
		return Change{}, refuse(RuleAlready)
	}
	of := p.Venue.Unit
	p.Venue.Unit = to.ID
	if p.Venue.Status == venue.StatusPending {
		p.Venue.Status = venue.StatusActive
	}
	doors := slices.Clone(p.Doors)
	for i := range doors {
		doors[i].Unit = to.ID
	}
	c := p.change(ActTransfer, doors...)
	c.Of = of
	return c, nil
}

// Merge has into stand for the venue: its doors, whose codes go on resolving,
// become doors of the other. Where a name is taken there, a number follows it.
func (p Place) Merge(into Place) (Change, error) {
	switch {
	case p.Venue.ID == into.Venue.ID:
		return Change{}, refuse(RuleSelf)
	case p.open() != nil || into.open() != nil:
		return Change{}, refuse(RuleClosed)
	case into.Venue.Status == venue.StatusPending:
		return Change{}, refuse(RuleStatus)
	case into.Venue.Parent == p.Venue.ID:
		return Change{}, refuse(RuleSelf)
	case p.Venue.Sentinel && !into.Venue.Sentinel: // its doors would become ordinary without a word
		return Change{}, refuse(RuleSentinel)
	}
	taken := slices.Clone(into.Doors)
	doors := slices.Clone(p.Doors)
	for i, d := range doors {
		doors[i].Changes = into.Venue.Changes // numbered as that venue's from now on
		for n := 2; (Place{Doors: taken}).free(doors[i].Name) != nil; n++ {
			doors[i].Name = fmt.Sprintf("%s(%d)", d.Name, n)
		}
		doors[i].Venue, doors[i].Unit = into.Venue.ID, into.Venue.Unit
		taken = append(taken, doors[i])
	}
	of := p.Venue.Unit
	p.Venue.Status, p.Venue.Into = venue.StatusClosed, into.Venue.ID
	c := p.change(ActMerge, doors...)
	c.Of = of
	return c, nil
}

// Manage has somebody hear of red codes at the venue.
func (p Place) Manage(account venue.ChatAccount) (Change, error) {
	if err := p.open(); err != nil {
		return Change{}, err
	}
	if slices.Contains(p.Venue.Managers, account) {
		return Change{}, refuse(RuleAlready)
	}
	p.Venue.Managers = append(slices.Clone(p.Venue.Managers), account)
	return p.change(ActManager), nil
}

// Unmanage has somebody hear of red codes there no longer.
func (p Place) Unmanage(account venue.ChatAccount) (Change, error) {
	if err := p.open(); err != nil {
		return Change{}, err
	}
	i := slices.Index(p.Venue.Managers, account)
	if i < 0 {
		return Change{}, refuse(RuleAlready)
	}
	p.Venue.Managers = slices.Delete(slices.Clone(p.Venue.Managers), i, i+1)
	return p.change(ActUnmanage), nil
}

// CorrectUnit replaces what people may mend of a unit. A USCC may be added or
// mended; one whose check character is wrong needs proof again.
func CorrectUnit(was, to venue.Unit) (Change, error) {
	if was.Closed() {
		return Change{}, refuse(RuleClosed)
	}
	to.ID, to.Group, to.Into, to.Changes, to.Parent = was.ID, was.Group, was.Into, was.Changes, was.Parent
	to.Duty, to.DutyReason, to.DutyUntil, to.DutyFrom, to.Former = was.Duty, was.DutyReason, was.DutyUntil, was.DutyFrom, was.Former
	if to.USCC == was.USCC {
		to.Status = was.Status
	}
	return Change{Act: ActCorrect, Unit: &to}, nil
}

// Prove notes that an officer has seen the unit's register entry: its doors may
// be scanned.
func Prove(u venue.Unit) (Change, error) {
	if !u.Pending() {
		return Change{}, refuse(RuleAlready)
	}
	u.Status = venue.StatusActive
	return Change{Act: ActProve, Unit: &u}, nil
}

// Proved puts a venue into use that waited for its unit's proof.
func (p Place) Proved() (Change, error) {
	if p.Venue.Status != venue.StatusPending {
		return Change{}, refuse(RuleAlready)
	}
	p.Venue.Status = venue.StatusActive
	return p.change(ActProve), nil
}

// MergeUnits has into stand for u: its venues, the units below it and those who
// report for it become the other's.
func MergeUnits(u, into venue.Unit) (Change, error) {
	switch {
	case u.ID == into.ID:
		return Change{}, refuse(RuleSelf)
	case u.Closed() || into.Closed():
		return Change{}, refuse(RuleClosed)
	case into.Pending():
		return Change{}, refuse(RuleProof)
	}
	u.Into = into.ID
	return Change{Act: ActMerge, Unit: ended(u)}, nil
}

// CloseUnit ends a unit: its venues close with it, the units below it go to the
// one above, and whoever reported for it does no longer. Its USCC, or name, may
// be registered again, as another unit.
func CloseUnit(u venue.Unit) (Change, error) {
	if u.Closed() {
		return Change{}, refuse(RuleClosed)
	}
	return Change{Act: ActClose, Unit: ended(u)}, nil
}

// UnitEnded is why nobody expects a number of a unit that is closed or merged.
const UnitEnded = "已注销或合并"

// ended is a unit that is no more: it is in no group, and nobody waits for its
// number.
func ended(u venue.Unit) *venue.Unit {
	u = exempt(u, UnitEnded, 0)
	u.Status, u.Group, u.DutyFrom, u.Former = venue.StatusClosed, "", 0, nil
	return &u
}

// Orphan is a unit whose parent is closed, below the next above. One that was
// covered and has none above is exempt until somebody puts it into a group, like
// a new one: nobody would report for it.
func Orphan(u venue.Unit, above venue.UnitID) venue.Unit {
	if u.Parent = above; above == "" && u.Duty == venue.DutyCovered {
		u = exempt(u, NotInGroup, 0)
		u.Group = ""
	}
	return u
}

func exempt(u venue.Unit, reason string, until venue.Day) venue.Unit {
	u.Duty, u.DutyReason, u.DutyUntil = venue.DutyExempt, reason, until
	return u
}

// since has u's next duty begin on a day, and keeps those until then.
func since(u venue.Unit, day venue.Day) venue.Unit {
	former := append(slices.Clone(u.Former), venue.FormerDuty{Duty: u.DutyOn(u.DutyFrom), From: u.DutyFrom})
	if over := u.DutyUntil + 1; u.DutyOn(over) != u.DutyOn(u.DutyFrom) && over > u.DutyFrom {
		former = append(former, venue.FormerDuty{Duty: u.DutyOn(over), From: over})
	}
	former = slices.DeleteFunc(former, func(was venue.FormerDuty) bool { return was.From >= day })
	u.Former, u.DutyFrom = former[max(0, len(former)-mostFormer):], day
	return u
}

// mostFormer is how many duties are kept of a unit.
const mostFormer = 50

// JoinGroup has a unit report in a group. Where it did not report, it begins with
// the day after today: nobody is called missing in a window of which they heard
// halfway. Where it did, in another group, it goes on.
func JoinGroup(u venue.Unit, group venue.GroupID, today venue.Day) (Change, error) {
	switch {
	case u.Closed():
		return Change{}, refuse(RuleClosed)
	case u.Pending():
		return Change{}, refuse(RuleProof)
	case u.Duty == venue.DutyReports && u.Group == group:
		return Change{}, refuse(RuleAlready)
	case u.DutyOn(today) != venue.DutyReports:
		u = since(u, today+1)
	case u.Duty == venue.DutyExempt: // which is over, or begins tomorrow
		u = since(u, min(u.DutyUntil, today)+1)
	}
	u.Group, u.Duty, u.DutyReason, u.DutyUntil = group, venue.DutyReports, "", 0
	return Change{Act: ActGroup, Unit: &u}, nil
}

// Cover has above, the nearest unit above u that is not covered itself, report for
// u too, from a first day on. It must report, or begin to on the day after.
func Cover(u, above venue.Unit, first venue.Day) (Change, error) {
	switch {
	case u.Closed():
		return Change{}, refuse(RuleClosed)
	case u.Duty == venue.DutyCovered:
		return Change{}, refuse(RuleAlready)
	case above.DutyOn(first+1) != venue.DutyReports:
		return Change{}, refuse(RuleAbove)
	}
	u = since(u, first)
	u.Duty, u.DutyReason, u.DutyUntil = venue.DutyCovered, "", 0
	return Change{Act: ActCover, Unit: &u}, nil
}

// Exempt has nobody expect a number of a unit from a first day up to and including a
// last one. It stays in its group, where it is due again on the day after, but for one that
// was covered: it was not due there.
func Exempt(u venue.Unit, reason string, until, first venue.Day) (Change, error) {
	if u.Closed() {
		return Change{}, refuse(RuleClosed)
	}
	if u.Duty == venue.DutyCovered {
		u.Group = ""
	}
	u = exempt(since(u, first), reason, until)
	return Change{Act: ActExempt, Unit: &u}, nil
}
