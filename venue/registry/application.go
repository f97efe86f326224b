package registry

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// State is where an application stands.
type State string

// The states.
const (
	StateDraft    State = "draft"    // 草稿
	StatePending  State = "pending"  // 待审
	StateMaking   State = "making"   // approved, and not all of it is written: run again it completes
	StateApproved State = "approved" // 已通过
	StateRejected State = "rejected" // 已退回, with a reason; may be sent in again
)

// Application is a form on its way to a code. Nobody can guess its id: who applied
// without a login finds it again by that alone. It is drawn or, of a row of a
// unit's file or a resident's request, a keyed hash, so that the same again is the same.
type Application struct {
	ID    string
	State State
	Form  Form // empty once it is approved: the register has it

	// What lists show of it.
	UnitName, Name string
	USCC           venue.USCC
	Division       venue.Division // of the venue
	Category       venue.Category
	Proof          bool

	Sender  Sender
	At      time.Time // when it was sent in, or saved
	Decider Who       // empty account: by policy
	Decided time.Time

	Made Made
}

// Sender is who applies, and by which door they came.
type Sender struct {
	Channel string // form, console, miniapp …
	Account string // "" without a login
	// Unit is the unit for which a login answers; "" if it answers for none.
	Unit venue.UnitID
}

// same tells whether both are one applicant: whoever answers for the unit or,
// without one, the account. The forms without a login are told apart by their ids.
func (s Sender) same(o Sender) bool {
	return s.Unit == o.Unit && (s.Unit != "" || s.Channel == o.Channel && s.Account == o.Account)
}

// Made is what approval makes of an entry: drawn before anything is written.
type Made struct {
	Unit  venue.UnitID
	Venue venue.VenueID
	Codes []venue.Code // of the doors, in the form's order
}

// Policy says who is approved without an officer.
type Policy struct {
	// Auto are the classes of which a unit that is approved already gets further
	// codes at once (policy).
	Auto []venue.Category
}

// Automatic tells whether an entry needs no officer: its class is one of Auto,
// and a login answers for the unit, which is in good standing. Whoever knows a
// USCC is not yet its owner.
func (p Policy) Automatic(e Entry, unit venue.Unit, sender Sender) bool {
	return sender.Unit != "" && unit.ID == sender.Unit && !unit.Pending() && !unit.Closed() &&
		!e.Proof && slices.Contains(p.Auto, e.Venue.Category)
}

// AuditID names the application in the audit, whose readers may not open it: its id is
// the right to see it. An id is 128 bits that nobody can guess, so that its hash needs no key.
func (a Application) AuditID() string {
	sum := sha256.Sum256([]byte("audit-application\x00" + a.ID))
	return hex.EncodeToString(sum[:16])
}

// IsID tells whether s has the shape of what NewID draws.
func IsID(s string) bool {
	b, err := base64.RawURLEncoding.DecodeString(s)
	return err == nil && len(b) == idBytes
}
