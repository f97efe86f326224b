package access

import (
	"errors"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/venuecode/venuecode/internal/declared"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

func TestTheTableIsComplete(t *testing.T) {
	if got, want := convert[string](Roles()), declared.Of(t, ".", "Role"); !slices.Equal(got, want) || len(want) != 12 {
		t.Errorf("roles in the table %v, declared %v", got, want)
	}
	var held []string
	for _, r := range Roles() {
		held = append(held, convert[string](r.Permissions())...)
		if len(r.Permissions()) == 0 {
			t.Errorf("%s may do nothing", r)
		}
	}
	held = append(held, string(PasswordChange))
	if got, want := tidy(held), declared.Of(t, ".", "Permission"); !slices.Equal(got, want) {
		t.Errorf("permissions held %v, declared %v", got, want)
	}
}

func TestEveryRuleIsQuoted(t *testing.T) {
	for _, rule := range declared.Of(t, ".", "Rule") {
		if Rule(rule).Text() == "" {
			t.Errorf("%s says nothing", rule)
		}
	}
}

// The permissions that show what residents, units or divisions did.
var business = []Permission{UnitsRead, UnitsWrite, VenuesWrite, DoorsRead, CodesReview, RegisterSend, RegisterEnter, RegisterImport, CoverageRead, GroupsWrite, DutiesWrite, ScansAssist, BoardRead, ReportsApprove,
	ReportsPaste, LedgerRead, NoticesRead, NoticesDraft, NoticesSign, CasesOpen, CasesRead, CasesApprove, ContactsRead, ContactsExport, RevealIdentity}

func TestNoRoleSeesEverything(t *testing.T) {
	for _, r := range Roles() {
		sees := slices.ContainsFunc(r.Permissions(), func(p Permission) bool { return slices.Contains(business, p) })
		switch r {
		case RoleSystemAdmin, RoleSecurityAdmin, RoleAuditor:
			if sees || r.View() != venue.ScopeNone {
				t.Errorf("%s sees business data: %v", r, r.Permissions())
			}
		default:
			if r.View() == venue.ScopeNone {
				t.Errorf("%s sees nothing", r)
			}
			if slices.Contains(r.Permissions(), AuditRead) || slices.Contains(r.Permissions(), AccountsRead) {
				t.Errorf("%s watches the watchers: %v", r, r.Permissions())
			}
		}
		if slices.Contains(r.Permissions(), RevealIdentity) != (r == RoleTracer) {
			t.Errorf("%s reveals identities", r)
		}
	}
}

func TestPairsCheckEachOther(t *testing.T) {
	for _, p := range Pairs {
		if !slices.Contains(p.Asks.Permissions(), p.Ask) || !slices.Contains(p.Checks.Permissions(), p.Check) {
			t.Errorf("%s: %s may not %s, or %s may not %s", p.Act, p.Asks, p.Ask, p.Checks, p.Check)
		}
		for _, r := range Roles() {
			may := r.Permissions()
			if p.Asks != p.Checks && slices.Contains(may, p.Ask) && slices.Contains(may, p.Check) {
				t.Errorf("%s: %s alone does both", p.Act, r)
			}
		}
		if p.because == "" {
			t.Errorf("%s: no reason", p.Act)
		}
	}
	for _, act := range []string{"purge", "tracing", "sunset", "escrow", "notices", "accounts", "security"} {
		if _, ok := PairFor(act); !ok {
			t.Errorf("no pair for %s", act)
		}
	}
	if _, ok := PairFor("lunch"); ok {
		t.Error("a pair nobody declared")
	}
	for rule := range text {
		if rule.Text() == "" {
			t.Errorf("rule %s can not be quoted", rule)
		}
	}
}

func TestWhoAsksIsNotWhoApproves(t *testing.T) {
	purge, _ := PairFor("purge")
	login := func(user string, r Role) Login { return Login{user: user, may: r.Permissions()} }
	for _, c := range []struct {
		name  string
		asker string
		by    Login
		rule  Rule
	}{
		{"another person of the other role", "sys1", login("sec1", RoleSecurityAdmin), ""},
		{"the same person", "sec1", login("sec1", RoleSecurityAdmin), RuleFourEyes},
		{"nobody asked", "", login("sec1", RoleSecurityAdmin), RuleFourEyes},
		{"another person of the asking role", "sys1", login("sys2", RoleSystemAdmin), RulePermission},
		{"nobody approves", "sys1", Login{}, RulePermission},
	} {
		err := purge.Approve(c.asker, c.by)
		if c.rule == "" && err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if c.rule != "" {
			wantRule(t, c.name, err, c.rule)
		}
	}
}

func TestSensitiveRoles(t *testing.T) {
	var got []Role
	for _, r := range Roles() {
		if r.Sensitive() {
			got = append(got, r)
		}
		if gives := len(offices[r].gives) > 0; gives != (r == RoleSecurityAdmin) {
			t.Errorf("%s gives roles: %v", r, gives)
		}
	}
	want := tidy([]Role{RoleSigner, RoleTracer, RoleApprover, RoleAuditor, RoleSecurityAdmin})
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestGrants(t *testing.T) {
	county := []venue.Division{"410482"}
	for _, c := range []struct {
		name  string
		grant Grant
		field string // *venue.Invalid of that field
		rule  Rule
	}{
		{"a township officer", Grant{Roles: []Role{RoleTownship}, Divisions: county}, "", ""},
		{"two roles with one view", Grant{Roles: []Role{RoleTracer, RoleChecker}, Divisions: county}, "", ""},
		{"an auditor has no place", Grant{Roles: []Role{RoleAuditor}}, "", ""},
		{"no role", Grant{}, "roles", ""},
		{"an unknown role", Grant{Roles: []Role{"king"}}, "roles", ""},
		{"the province has no account", Grant{Roles: []Role{RoleProvince}, Divisions: county}, "", RuleMachine},
		{"two views", Grant{Roles: []Role{RoleTownship, RoleSystemAdmin}, Divisions: county}, "", RuleOneView},
		{"territory and sector", Grant{Roles: []Role{RoleTownship, RoleRegulator}, Divisions: county, Sectors: []string{"教育"}}, "", RuleOneView},
		{"applicant and approver", Grant{Roles: []Role{RoleTracer, RoleApprover}, Divisions: county}, "", RulePairs},
		{"drafter and signer", Grant{Roles: []Role{RoleChecker, RoleSigner}, Divisions: county}, "", RulePairs},
		{"another drafter and signer", Grant{Roles: []Role{RoleTownship, RoleSigner}, Divisions: county}, "", RulePairs},
		{"security admin and auditor", Grant{Roles: []Role{RoleSecurityAdmin, RoleAuditor}}, "", RulePairs},
		{"system admin and auditor", Grant{Roles: []Role{RoleSystemAdmin, RoleAuditor}}, "", RulePairs},
		{"system and security admin", Grant{Roles: []Role{RoleSystemAdmin, RoleSecurityAdmin}}, "", RulePairs},
		{"a territory without division", Grant{Roles: []Role{RoleTownship}}, "divisions", ""},
		{"what is no division", Grant{Roles: []Role{RoleTownship}, Divisions: []venue.Division{"4104"}}, "division", ""},
		{"an empty division", Grant{Roles: []Role{RoleTownship}, Divisions: []venue.Division{""}}, "division", ""},
		{"a regulator without sector", Grant{Roles: []Role{RoleRegulator}, Divisions: county}, "sectors", ""},
		{"an empty sector", Grant{Roles: []Role{RoleRegulator}, Divisions: county, Sectors: []string{" "}}, "sectors", ""},
		{"a unit admin without unit", Grant{Roles: []Role{RoleUnitAdmin}}, "unit", ""},
		{"a place that no role reads", Grant{Roles: []Role{RoleSystemAdmin}, Divisions: county}, "divisions", ""},
		{"a unit that no role reads", Grant{Roles: []Role{RoleTownship}, Divisions: county, Unit: "u1"}, "unit", ""},
		{"too many divisions", Grant{Roles: []Role{RoleTownship}, Divisions: manyDivisions()}, "divisions", ""},
	} {
		got, err := c.grant.check()
		var invalid *venue.Invalid
		switch {
		case c.rule != "":
			wantRule(t, c.name, err, c.rule)
		case c.field != "":
			if !errors.As(err, &invalid) || invalid.Field != c.field {
				t.Errorf("%s: got %v, want field %s", c.name, err, c.field)
			}
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && !reflect.DeepEqual(got, Grant{}) {
			t.Errorf("%s: a refused grant still gives %+v", c.name, got)
		}
	}
}

func manyDivisions() (d []venue.Division) {
	for i := range maxPlaces + 1 {
		d = append(d, venue.Division("4104820"+strconv.Itoa(10+i)))
	}
	return d
}

// No set of roles that is admitted can do both sides of a check, or look with
// one role where another acts.
func TestNoAdmittedGrantChecksItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := Grant{Roles: rapid.SliceOfN(rapid.SampledFrom(Roles()), 1, 4).Draw(t, "roles"), Divisions: []venue.Division{"410482"}, Sectors: []string{"教育"}, Unit: "u1"}
		switch g.Roles[0].View() {
		case venue.ScopeTerritory:
			g.Sectors, g.Unit = nil, ""
		case venue.ScopeSector:
			g.Unit = ""
		case venue.ScopeUnit:
			g.Divisions, g.Sectors = nil, nil
		default:
			g.Divisions, g.Sectors, g.Unit = nil, nil, ""
		}
		got, err := g.check()
		if err != nil {
			if !errors.Is(err, ErrForbidden) {
				t.Fatalf("%v: %v", g, err)
			}
			return
		}
		l := loginOf("x", "", rowOf(got))
		for _, p := range Pairs {
			if p.Asks != p.Checks && l.May(p.Ask) && l.May(p.Check) {
				t.Fatalf("%v does both sides of %s", g.Roles, p.Act)
			}
		}
		if l.Scope().IsZero() != (got.Roles[0].View() == venue.ScopeNone) {
			t.Fatalf("%v: scope %+v", g.Roles, l.Scope())
		}
		if back := grantOf(got.row()); !back.equal(got) || !got.within(got) {
			t.Fatalf("stored %v, read %v", got, back)
		}
	})
}

func TestMoreIsNotWithinLess(t *testing.T) {
	base := Grant{Roles: []Role{RoleTracer}, Divisions: []venue.Division{"410482"}}
	for name, more := range map[string]Grant{
		"a role":     {Roles: []Role{RoleTracer, RoleChecker}, Divisions: base.Divisions},
		"a division": {Roles: base.Roles, Divisions: []venue.Division{"410482", "410481"}},
		"a sector":   {Roles: base.Roles, Divisions: base.Divisions, Sectors: []string{"教育"}},
		"a unit":     {Roles: base.Roles, Divisions: base.Divisions, Unit: "u1"},
	} {
		if more.within(base) || more.equal(base) {
			t.Errorf("%s more counts as no more", name)
		}
		if name != "a unit" && !base.within(more) {
			t.Errorf("without %s is not less", name)
		}
	}
}

func rowOf(g Grant) store.OfficialRow { return store.OfficialRow{Grant: g.row()} }
