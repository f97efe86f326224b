package store

import (
	"time"

	"github.com/venuecode/venuecode/venue"
)

// The collections. A document's id is named with each.
var (
	Units = Schema{Name: "units", Indexes: []Index{ // UnitID → venue.Unit
		{Name: "parent", Fields: []string{"parent"}}, {Name: "name", Fields: []string{"name"}}, {Name: "group", Fields: []string{"group"}}, {Name: "division", Fields: []string{"division"}},
		{Name: "duty", Fields: []string{"duty", "group", "division"}}}}
	Venues = Schema{Name: "venues", Indexes: []Index{ // VenueID → venue.Venue
		{Name: "unit", Fields: []string{"unit"}}, {Name: "status", Fields: []string{"status", "division"}}, {Name: "name", Fields: []string{"name"}}}}
	Groups       = Schema{Name: "groups"}                                                                                                                             // GroupID → venue.Group
	Doors        = Schema{Name: "doors", Indexes: []Index{{Name: "unit", Fields: []string{"unit"}}, {Name: "name", Fields: []string{"venue", "name"}, Unique: true}}} // Code → venue.Door
	Tenures      = Schema{Name: "tenures", Indexes: []Index{{Name: "unit", Fields: []string{"unit", "since"}}}}                                                       // door:first, then door:since ms → venue.Tenure
	Persons      = Schema{Name: "persons", Indexes: []Index{{Name: "check", Fields: []string{"check"}}}}                                                              // person id → PersonRow
	PersonIDs    = Schema{Name: "person_ids"}                                                                                                                         // blind index → PersonIDRow
	Accounts     = Schema{Name: "accounts", Indexes: []Index{{Name: "person", Fields: []string{"person"}}}}                                                           // blind index of app and openid → AccountRow
	Bindings     = Schema{Name: "bindings", Indexes: []Index{{Name: "unit", Fields: []string{"unit"}}}}                                                               // ChatAccount.Key → venue.Binding
	BindCodeRows = Schema{Name: "bind_codes", Indexes: []Index{{Name: "expires", Fields: []string{"expires"}}}}                                                       // keyed hash of the code → BindCodeRow
	Reports      = Schema{Name: "reports", Indexes: []Index{{Name: "day", Fields: []string{"day", "unit"}}}}                                                          // unit:day → venue.Report
	Stages       = Schema{Name: "stages"}                                                                                                                             // day:stage → StageRow
	Outbox       = Schema{Name: "outbox", Indexes: []Index{{Name: "due", Fields: []string{"state", "due"}}, {Name: "posted", Fields: []string{"posted"}}}}            // message id → OutboxRow
	Callbacks    = Schema{Name: "callbacks", Indexes: []Index{{Name: "at", Fields: []string{"at"}}}}                                                                  // channel:msgid → CallbackRow
	Rechecks     = Schema{Name: "rechecks", Indexes: []Index{{Name: "at", Fields: []string{"at"}}}}                                                                   // scan id → RecheckRow
	Meta         = Schema{Name: "meta"}                                                                                                                               // name → MetaRow
	Territories  = Schema{Name: "territories"}                                                                                                                        // division code → venue.Territory
)

// The audit trail. Its documents are what vault/audit writes, byte for byte.
var (
	Audit = Schema{Name: "audit", Indexes: []Index{ // chain:seq → a row of the trail
		{Name: "at", Fields: []string{"at"}}, {Name: "actor", Fields: []string{"actor", "at"}}, {Name: "object", Fields: []string{"object", "at"}}}}
	AuditCheckpoints = Schema{Name: "audit_checkpoints"} // number → a signed line
	AuditSinks       = Schema{Name: "audit_sinks"}       // sink name → MetaRow, the last number it has
)

// Escrows lists the copies of keys that were handed to a custodian.
var Escrows = Schema{Name: "escrows", Indexes: []Index{{Name: "expires", Fields: []string{"expires"}}}} // id of the request → EscrowRow

// Certificates lists what was destroyed.
var Certificates = Schema{Name: "certificates"} // number → CertificateRow

// PlatformTokens are the access tokens of the platforms.
var PlatformTokens = Schema{Name: "platform_tokens"} // platform:app id → PlatformTokenRow

// Schemas lists every collection; an engine is opened with it. What is written
// because of something else stands behind it, so that a copy, which is read from
// behind, has both or neither: a checkpoint and the rows it vouches for, a
// person's number and the person, a stage and its messages.
var Schemas = []Schema{
	Audit, AuditCheckpoints, AuditSinks,
	Applications, ChangeRows, RegisterNames, Contacts, BlankBatches, BlankCodes, OldCodes, Rosters, PostingPhotos, PostingRows,
	Units, Groups, Venues, Doors, Tenures, Territories, Persons, PersonIDs, Accounts, Bindings, BindCodeRows,
	Reports, Outbox, Stages, Callbacks, Rechecks, Escrows, Certificates, Meta,
	Officials, OfficialSessions, OfficialChanges, OfficialRequests, OfficialQuotas, OfficialRoster,
	RevocationRows, LeaseRows, ProcessRows, PlatformTokens,
	Subjects, SubjectDecisions, SubjectImports, CoverageDays,
	UploadPieces, UploadRows,
}

// PersonRow is one person, sealed under a key of their own that is wrapped
// under their division's key.
type PersonRow struct {
	Key      []byte // the person's own key, wrapped
	Name     []byte // sealed
	IDType   string // "resident_id"
	IDNumber []byte // sealed
	Phone    []byte // sealed; empty unless registered
	Division string // whose key wraps Key
	Consent  string // version agreed to; empty unless registered
	Created  time.Time

	Registered time.Time // without interruption since then; zero: nobody's account leads here
	Withdrawn  time.Time // when the consent was withdrawn; zero again once somebody registers
	Ending     time.Time // when the number ceased to lead here: the record is about to go

	LastDay int32 // the last day of a registration, of a renewal or, as far as known, of a scan
	Looked  int32 // every scan of an earlier day is in LastDay
	Check   int32 // the day on which retention looks again
}

// PersonIDRow leads from a blind index (of an ID number) to the person.
type PersonIDRow struct {
	Person string
	Epoch  int32 // of the index key
}

// AccountRow is one mini-program account.
type AccountRow struct {
	App     string // "wechat" or "alipay"
	OpenID  []byte // sealed
	Family  int64  // random: the sessions given out for this row, which end together
	Created time.Time

	Person     string    // "" until registered
	Registered time.Time // the PersonRow.Registered that it is tied to; of another it is void
}

// BindCodeRow is a one-time code by which a chat account binds to a unit, or
// becomes a manager of a venue.
type BindCodeRow struct {
	Unit    string
	Venue   string // "": it binds to the unit
	Expires time.Time
	UsedBy  string // ChatAccount.Key; "" while unused
	Done    bool   // the manager of a venue was bound: repeating it binds nobody again
}

// StageRow remembers that a stage of a day was reached.
type StageRow struct {
	At   time.Time // when it ran, civil
	Fate string    // daily.Fate: sent, late, skipped
}

// States of a message in the outbox.
const (
	OutboxPending = "pending"
	OutboxSent    = "sent"
	OutboxDead    = "dead"    // never deliverable; a person must look
	OutboxDropped = "dropped" // nothing left to say when its turn came
)

// OutboxRow is a message that should go out, with what became of it: a line of
// the ledger.
type OutboxRow struct {
	Message  venue.Message
	State    string
	Due      time.Time // next attempt, civil; when it ended, once there is none
	Posted   time.Time
	Attempts int
	Parts    int       // parts already delivered, of a message too long for one
	Sent     time.Time // zero until sent
	Token    int64     // of the leader's term that claimed it last; 0: there was one process
	Outcome  string    // last failure in words of ours; no identities, no URLs
}

// CallbackRow remembers the answer given to one chat message, so that the same
// message again gets the same answer and is one report.
type CallbackRow struct {
	At    time.Time
	Reply string
}

// RecheckRow is the outcome of asking again for a colour that was unknown at
// the door. The scan itself never changes.
type RecheckRow struct {
	Health   venue.Health
	HealthAt time.Time
	At       time.Time
}

// MetaRow keeps a single value by name: a version, a cursor.
type MetaRow struct {
	Value int64
	Text  string
	// Of a version: what changed later than version Since. Before that it may
	// have been anything.
	Since  int64
	Recent []Touch
}

// Touch is something that changed as the version became At.
type Touch struct {
	At int64
	ID string
}

// EscrowRow is a copy of keys that somebody else holds until it expires.
type EscrowRow struct {
	Made, Expires time.Time // civil
	Oldest        int32     // the first day whose key is in it
	By, Approver  string    // accounts
}

// CertificateRow is a certificate of destruction, byte for byte as it was signed.
type CertificateRow struct{ Line []byte }

// PlatformTokenRow is the access token of one app. A process that goes for a new
// one takes the old one away first: others wait, as long as that revision is young.
type PlatformTokenRow struct {
	Token    []byte    // sealed; nil: there is none
	Expires  time.Time // machine; not used from then on
	Fetching bool
}
