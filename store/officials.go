package store

import "time"

// The collections of package access. Passwords' hashes and TOTP secrets are
// sealed, tokens kept as keyed hashes only: these rows let nobody in.
var (
	Officials        = Schema{Name: "officials"} // user name in lower case → OfficialRow
	OfficialSessions = Schema{Name: "official_sessions", Indexes: []Index{
		{Name: "user", Fields: []string{"user", "created"}},
		{Name: "created", Fields: []string{"created"}},
	}} // keyed hash of the token → OfficialSessionRow
	OfficialChanges = Schema{Name: "official_changes", Indexes: []Index{
		{Name: "state", Fields: []string{"state", "at"}},
	}} // random id → OfficialChangeRow
	OfficialRequests = Schema{Name: "official_requests", Indexes: []Index{
		{Name: "state", Fields: []string{"state", "at"}},
	}} // random id → OfficialRequestRow
	OfficialQuotas = Schema{Name: "official_quotas", Indexes: []Index{
		{Name: "day", Fields: []string{"day"}},
	}} // user:day → OfficialQuotaRow
	OfficialRoster = Schema{Name: "official_roster"} // "roster" → OfficialRosterRow
)

// OfficialGrant is what an account may do and where.
type OfficialGrant struct {
	Roles     []string
	Divisions []string
	Sectors   []string
	Unit      string
}

// OfficialRow is one official's account.
type OfficialRow struct {
	Name       string // as colleagues know them
	Grant      OfficialGrant
	Password   []byte   // sealed argon2id hash with its parameters
	Former     [][]byte // sealed hashes of earlier passwords, newest first
	TOTP       []byte   // sealed secret
	Step       int64    // the last TOTP step used; a code is good once
	Epoch      int64    // sessions of an earlier epoch are over
	Disabled   bool
	MustChange bool // may do nothing but choose a password

	Failed      int       // logins refused since the last good one
	LockedUntil time.Time // machine clock

	PasswordFrom string // whoever handed the password out; "" once chosen by its owner
	TOTPFrom     string // whoever handed the TOTP secret out

	CreatedBy string
	Created   time.Time
	ChangedBy string
	Changed   time.Time
}

// OfficialSessionRow is one login that has not ended. Instants are civil.
type OfficialSessionRow struct {
	User    string
	Epoch   int64 // OfficialRow.Epoch at login
	Created time.Time
	Seen    time.Time
}

// States of a change that waits for a second security admin.
const (
	OfficialChangePending  = "pending"
	OfficialChangeDone     = "done"
	OfficialChangeRejected = "rejected"
)

// OfficialChangeRow is a change to an account, asked for by one security admin
// and decided by another.
type OfficialChangeRow struct {
	Kind    string // "create", "grant", "enable"
	User    string
	Name    string        // create only
	Was     OfficialGrant // what the account had when this was asked for
	Grant   OfficialGrant
	By      string
	At      time.Time // civil
	State   string
	Decider string
	Decided time.Time
}

// States of a request that waits for a second account.
const (
	OfficialRequestWaiting  = "waiting"
	OfficialRequestApproved = "approved" // to be done, once
	OfficialRequestRejected = "rejected" // or withdrawn
	OfficialRequestUsed     = "used"     // done, or begun
)

// OfficialRequestRow is an act that one account asks for and another decides
// on. Instants are civil.
type OfficialRequestRow struct {
	Act     string
	Subject string
	Reason  string
	By      string
	At      time.Time
	State   string
	Decider string
	Decided time.Time
	Used    time.Time
}

// OfficialQuotaRow counts what an account has revealed on a day.
type OfficialQuotaRow struct {
	Day  int32
	Used int
}

// OfficialRosterRow lists who holds the roles that check each other: one
// document, so that the last but one and the last can not leave at once.
type OfficialRosterRow struct {
	Founded time.Time // when the first accounts were complete; zero before
	Holders map[string][]string
}
