package access

import (
	"slices"

	"github.com/venuecode/venuecode/venue"
)

// Role is what somebody is to the platform. Residents have none: they prove
// themselves to the mini-programs, not here.
type Role string

// The roles.
const (
	RoleVenueStaff    Role = "venue_staff"
	RoleUnitAdmin     Role = "unit_admin"
	RoleTownship      Role = "township"
	RoleRegulator     Role = "regulator"
	RoleChecker       Role = "checker"
	RoleSigner        Role = "signer"
	RoleTracer        Role = "tracer"
	RoleApprover      Role = "approver"
	RoleSystemAdmin   Role = "sysadmin"
	RoleSecurityAdmin Role = "secadmin"
	RoleAuditor       Role = "auditor"
	RoleProvince      Role = "province"
)

// Permission is one thing that may be done. A route names exactly one.
type Permission string

// The permissions.
const (
	PasswordChange Permission = "password.change" // one's own; every login has it

	AccountsRead    Permission = "accounts.read"
	AccountsWrite   Permission = "accounts.write"
	AccountsApprove Permission = "accounts.approve"

	AuditRead   Permission = "audit.read"
	AuditVerify Permission = "audit.verify"
	AuditExport Permission = "audit.export"

	PurgePlan     Permission = "purge.plan"
	PurgeApprove  Permission = "purge.approve"
	SunsetPlan    Permission = "sunset.plan"
	SunsetApprove Permission = "sunset.approve"
	KeysRotate    Permission = "keys.rotate"
	KeysEscrow    Permission = "keys.escrow"
	EscrowApprove Permission = "escrow.approve"

	RequestsDecide Permission = "requests.decide" // see and decide what waits for a second account; of which acts, Pairs says
	DisposalRead   Permission = "disposal.read"   // what is due to be destroyed, and the certificates of what was

	SystemRead    Permission = "system.read" // health, jobs, configuration; no documents
	SystemOperate Permission = "system.operate"

	UnitsRead      Permission = "units.read"
	UnitsWrite     Permission = "units.write"  // one's own unit: applications, doors, people who report
	VenuesWrite    Permission = "venues.write" // what is in scope: add and mend doors, confirm what hangs there, bind who answers in chat
	DoorsRead      Permission = "doors.read"
	CodesReview    Permission = "codes.review"
	RegisterSend   Permission = "register.send"   // files of venues: an officer's enters them, a unit's applies for them
	RegisterEnter  Permission = "register.enter"  // and of units and old codes, of what is in scope
	RegisterImport Permission = "register.import" // and of who must have a code, and who belongs to a unit
	CoverageRead   Permission = "coverage.read"
	GroupsWrite    Permission = "groups.write" // the office directors' groups
	DutiesWrite    Permission = "duties.write" // see the groups, and say which unit reports in which, or need not
	ScansAssist    Permission = "scans.assist" // record for somebody without a phone

	BoardRead      Permission = "board.read"
	ReportsApprove Permission = "reports.approve" // corrections after the deadline
	ReportsPaste   Permission = "reports.paste"   // a group's chat log
	LedgerRead     Permission = "ledger.read"

	NoticesRead  Permission = "notices.read"
	NoticesDraft Permission = "notices.draft"
	NoticesSign  Permission = "notices.sign"

	CasesOpen      Permission = "cases.open"
	CasesRead      Permission = "cases.read" // the application, not what it found
	CasesApprove   Permission = "cases.approve"
	ContactsRead   Permission = "contacts.read" // pseudonyms
	ContactsExport Permission = "contacts.export"
	RevealIdentity Permission = "reveal.identity"

	ProvinceSync Permission = "province.sync"
)

// office is a row of the table: what comes with a role.
type office struct {
	view      venue.ScopeKind
	may       []Permission
	gives     []Role // roles it may give and take
	sensitive bool   // given only with a second security admin's approval
	machine   bool   // no account: it signs its requests
}

// offices is the one table of roles.
var offices = map[Role]office{
	// The person at the door: registers those without a phone, sees no lists.
	RoleVenueStaff: {view: venue.ScopeUnit, may: []Permission{ScansAssist, DoorsRead}},

	// Answers for one unit: its doors, its codes, its own numbers.
	RoleUnitAdmin: {view: venue.ScopeUnit, may: []Permission{ScansAssist, DoorsRead, UnitsRead, UnitsWrite, VenuesWrite, RegisterSend, BoardRead, NoticesRead}},

	// Territory 属地: reviews applications, chases reports, proposes notices.
	RoleTownship: {view: venue.ScopeTerritory, may: []Permission{
		UnitsRead, DoorsRead, VenuesWrite, CodesReview, RegisterSend, RegisterEnter, DutiesWrite, CoverageRead, BoardRead, ReportsPaste, LedgerRead, NoticesRead, NoticesDraft}},

	// The same for a sector; the chat groups are the territory's.
	RoleRegulator: {view: venue.ScopeSector, may: []Permission{
		UnitsRead, DoorsRead, CodesReview, CoverageRead, BoardRead, LedgerRead, NoticesRead, NoticesDraft}},

	// Headquarters' desk: checks everything, decides nothing that punishes.
	RoleChecker: {view: venue.ScopeTerritory, may: []Permission{
		UnitsRead, DoorsRead, VenuesWrite, CodesReview, RegisterSend, RegisterEnter, RegisterImport, GroupsWrite, DutiesWrite, CoverageRead, BoardRead, ReportsApprove, ReportsPaste, LedgerRead, NoticesRead, NoticesDraft}},

	// The named official: signs what others drafted, and ends the emergency.
	RoleSigner: {view: venue.ScopeTerritory, sensitive: true, may: []Permission{
		UnitsRead, CoverageRead, BoardRead, LedgerRead, NoticesRead, NoticesSign, SunsetApprove, RequestsDecide, DisposalRead}},

	// The only role that may see who somebody is, for a purpose and with a case number.
	RoleTracer: {view: venue.ScopeTerritory, sensitive: true, may: []Permission{
		UnitsRead, DoorsRead, CasesOpen, CasesRead, ContactsRead, ContactsExport, RevealIdentity}},

	// Decides on the application; what the case finds is none of its business.
	RoleApprover: {view: venue.ScopeTerritory, sensitive: true, may: []Permission{CasesRead, CasesApprove}},

	// Keeps the machines running and sees no business data; destroying data is
	// proposed here and approved elsewhere.
	RoleSystemAdmin: {may: []Permission{SystemRead, SystemOperate, PurgePlan, SunsetPlan, RequestsDecide, DisposalRead}},

	// Accounts and keys. Gives roles, holds none of the others.
	RoleSecurityAdmin: {sensitive: true, may: []Permission{
		AccountsRead, AccountsWrite, AccountsApprove, KeysRotate, KeysEscrow, EscrowApprove, PurgeApprove, RequestsDecide, DisposalRead},
		gives: []Role{RoleVenueStaff, RoleUnitAdmin, RoleTownship, RoleRegulator, RoleChecker, RoleSigner, RoleTracer, RoleApprover, RoleSystemAdmin, RoleSecurityAdmin, RoleAuditor}},

	// Watches all of the above, the security admins first; changes nothing.
	RoleAuditor: {sensitive: true, may: []Permission{AuditRead, AuditVerify, AuditExport, AccountsRead, DisposalRead}},

	// The provincial platform.
	RoleProvince: {view: venue.ScopeTerritory, machine: true, may: []Permission{ProvinceSync}},
}

// Pair is two roles that check each other: what the first asks for or does, the
// second approves or sees. No account may do both.
type Pair struct {
	Act     string
	Asks    Role
	Ask     Permission
	Checks  Role
	Check   Permission
	because string
}

// Pairs is the list of them. Where both roles are one, the people still differ.
var Pairs = []Pair{
	{"accounts", RoleSecurityAdmin, AccountsWrite, RoleSecurityAdmin, AccountsApprove, "a sensitive role is never one person's gift"},
	{"purge", RoleSystemAdmin, PurgePlan, RoleSecurityAdmin, PurgeApprove, "what is destroyed is gone"},
	{"sunset", RoleSystemAdmin, SunsetPlan, RoleSigner, SunsetApprove, "the emergency is ended by who answers for it, not by who runs the machines"},
	{"escrow", RoleSecurityAdmin, KeysEscrow, RoleSecurityAdmin, EscrowApprove, "nobody holds a copy of all keys by their own decision"},
	{"notices", RoleChecker, NoticesDraft, RoleSigner, NoticesSign, "a penalty is drafted by one and signed by another"},
	{"tracing", RoleTracer, CasesOpen, RoleApprover, CasesApprove, "nobody grants themselves a look at residents"},
	{"security", RoleSecurityAdmin, AccountsWrite, RoleAuditor, AuditVerify, "whoever gives the keys out is watched by somebody else"},
	{"operation", RoleSystemAdmin, SystemOperate, RoleAuditor, AuditVerify, "whoever can stop the machines is watched by somebody else"},
}

// PairFor finds a pair by its act.
func PairFor(act string) (Pair, bool) {
	i := slices.IndexFunc(Pairs, func(p Pair) bool { return p.Act == act })
	if i < 0 {
		return Pair{}, false
	}
	return Pairs[i], true
}

// Approve tells whether by may approve what the account asker asked for; a
// *Forbidden quoting the rule if not.
func (p Pair) Approve(asker string, by Login) error {
	if !by.May(p.Check) {
		return &Forbidden{RulePermission}
	}
	if asker == "" || asker == by.User() {
		return &Forbidden{RuleFourEyes}
	}
	return nil
}

// paired tells whether a role takes part in a check, and so keeps two holders.
func paired(r Role) bool {
	return slices.ContainsFunc(Pairs, func(p Pair) bool { return p.Asks == r || p.Checks == r })
}

// Roles lists all roles, in a stable order.
func Roles() []Role {
	roles := make([]Role, 0, len(offices))
	for r := range offices {
		roles = append(roles, r)
	}
	slices.Sort(roles)
	return roles
}

// Permissions lists what a role may do, in a stable order.
func (r Role) Permissions() []Permission {
	return slices.Sorted(slices.Values(offices[r].may))
}

// Sensitive tells whether giving the role needs a second security admin.
func (r Role) Sensitive() bool { return offices[r].sensitive }

// View is how the role sees the city.
func (r Role) View() venue.ScopeKind { return offices[r].view }
