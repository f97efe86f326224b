package access

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// actors makes an account of every role that has one, and returns their logins.
func (w *world) actors() map[Role]Login {
	logins := map[Role]Login{}
	for _, r := range Roles() {
		if offices[r].machine {
			continue
		}
		w.add("actor."+string(r), r)
		logins[r] = w.as("actor." + string(r))
	}
	return logins
}

func TestNobodyPromotesThemselvesOrGivesWhatIsNotTheirs(t *testing.T) {
	w := newWorld(t)
	w.add("target", RoleVenueStaff)
	logins := w.actors()
	logins[""] = Login{}
	for actor, by := range logins {
		for _, role := range Roles() {
			name := fmt.Sprintf("%s gives %s", actor, role)
			created := strings.ReplaceAll("new."+string(actor)+"."+string(role), "_", ".")[:min(32, len("new.")+len(actor)+1+len(role))]
			result, err := w.s.Create(w.ctx, by, Draft{created, "新人", grantFor(role)})
			_, missing := w.s.officials.Get(w.ctx, created)
			switch {
			case actor == "":
				wantErr(t, name, err, ErrSession)
			case actor != RoleSecurityAdmin:
				wantRule(t, name, err, RulePermission)
			case role == RoleProvince:
				wantRule(t, name, err, RuleMachine)
			case role.Sensitive():
				if err != nil || result.Change == "" || !result.Issued.Password.IsZero() {
					t.Errorf("%s: %+v, %v; want it to wait", name, result, err)
				}
			default:
				if err != nil || result.Change != "" || missing != nil {
					t.Errorf("%s: %+v, %v", name, result, err)
				}
				continue
			}
			if !errors.Is(missing, venue.ErrNotFound) {
				t.Errorf("%s: the account is there", name)
			}

			_, err = w.s.SetRoles(w.ctx, by, by.User(), grantFor(role))
			switch {
			case actor == "":
				wantErr(t, name+" to nobody", err, venue.ErrInvalid)
			case actor == RoleSecurityAdmin:
				wantRule(t, name+" to themselves", err, RuleSelf)
			default:
				wantRule(t, name+" to themselves", err, RulePermission)
			}
			if actor != RoleSecurityAdmin && actor != "" {
				_, err = w.s.SetRoles(w.ctx, by, "target", grantFor(role))
				wantRule(t, name+" to another", err, RulePermission)
				_, err = w.s.Approve(w.ctx, by, "any")
				wantRule(t, name+" by approving", err, RulePermission)
			}
		}
		if by.User() == "" {
			continue
		}
		for what, act := range map[string]func(string) error{
			"disable":  func(u string) error { return w.s.Disable(w.ctx, by, u) },
			"enable":   func(u string) error { _, err := w.s.Enable(w.ctx, by, u); return err },
			"password": func(u string) error { _, err := w.s.ResetPassword(w.ctx, by, u); return err },
			"totp":     func(u string) error { _, err := w.s.ResetTOTP(w.ctx, by, u); return err },
		} {
			self, other := RulePermission, RulePermission
			if actor == RoleSecurityAdmin {
				self, other = RuleSelf, ""
			}
			wantRule(t, fmt.Sprintf("%s: %s of oneself", actor, what), act(by.User()), self)
			if other != "" {
				wantRule(t, fmt.Sprintf("%s: %s of another", actor, what), act("target"), other)
			}
		}
		if got := grantOf(w.row(by.User()).Grant); !got.equal(grantFor(actor)) {
			t.Errorf("%s is now %v", actor, got)
		}
	}
	if e := w.audit.last(); e.Outcome != Refused || e.Reason == "" {
		t.Errorf("a refusal is recorded as %+v", e)
	}
}

func TestASensitiveRoleNeedsTwoSecurityAdmins(t *testing.T) {
	w := newWorld(t)
	w.add("one", RoleSecurityAdmin)
	w.add("two", RoleSecurityAdmin)
	w.add("clerk", RoleTownship)
	one, two, clerk := w.as("one"), w.as("two"), w.as("clerk")
	change := must[Result](t)(w.s.Create(w.ctx, one, Draft{"tracer", "流调", grantFor(RoleTracer)})).Change
	if _, _, err := w.tryLogin("tracer"); err != ErrLogin {
		t.Errorf("login before the approval: %v", err)
	}
	list := must[[]Change](t)(w.s.Changes(w.ctx, two))
	if len(list) != 1 || list[0].ID != change || list[0].By != "one" || list[0].User != "tracer" || !list[0].Grant.equal(grantFor(RoleTracer)) {
		t.Errorf("waiting: %+v", list)
	}
	_, err := w.s.Changes(w.ctx, clerk)
	wantRule(t, "a clerk lists changes", err, RulePermission)
	_, err = w.s.Accounts(w.ctx, clerk)
	wantRule(t, "a clerk lists accounts", err, RulePermission)
	_, err = w.s.Approve(w.ctx, one, change)
	wantRule(t, "who asked approves", err, RuleFourEyes)
	_, err = w.s.Approve(w.ctx, clerk, change)
	wantRule(t, "a clerk approves", err, RulePermission)
	_, err = w.s.Approve(w.ctx, two, "0123")
	wantErr(t, "no such change", err, venue.ErrNotFound)

	w.keep(must[Result](t)(w.s.Approve(w.ctx, two, change)).Issued)
	_, err = w.s.Approve(w.ctx, two, change)
	wantErr(t, "approved twice", err, venue.ErrNotFound)
	if _, l := w.login("tracer"); !l.MustChange() {
		t.Error("a handed out password must be changed")
	}
	if o := w.row("tracer"); o.CreatedBy != "one" || o.ChangedBy != "two" {
		t.Errorf("created by %s, approved by %s", o.CreatedBy, o.ChangedBy)
	}

	// More places for a sensitive role wait, fewer do not.
	wider := grantFor(RoleTracer)
	wider.Divisions = []venue.Division{"410000"}
	result := must[Result](t)(w.s.SetRoles(w.ctx, one, "tracer", wider))
	if result.Change == "" || !grantOf(w.row("tracer").Grant).equal(grantFor(RoleTracer)) {
		t.Error("a wider scope did not wait")
	}
	if err := w.s.Reject(w.ctx, two, result.Change); err != nil {
		t.Fatal(err)
	}
	_, err = w.s.Approve(w.ctx, two, result.Change)
	wantErr(t, "rejected, then approved", err, venue.ErrNotFound)

	// A clerk becomes a signer; meanwhile they were given something else.
	result = must[Result](t)(w.s.SetRoles(w.ctx, one, "clerk", grantFor(RoleSigner)))
	must[Result](t)(w.s.SetRoles(w.ctx, two, "clerk", grantFor(RoleRegulator)))
	_, err = w.s.Approve(w.ctx, two, result.Change)
	wantErr(t, "changed meanwhile", err, venue.ErrConflict)

	// A change waits three days.
	result = must[Result](t)(w.s.SetRoles(w.ctx, one, "clerk", grantFor(RoleSigner)))
	w.civil.advance(ChangeLife + time.Millisecond)
	_, err = w.s.Approve(w.ctx, w.as("two"), result.Change)
	wantErr(t, "too late", err, venue.ErrNotFound)
	if n := len(must[[]Change](t)(w.s.Changes(w.ctx, two))); n != 0 {
		t.Errorf("%d changes still wait", n)
	}

	// Nobody approves their own promotion, and who asked must still be in office.
	w.add("three", RoleSecurityAdmin)
	w.add("four", RoleSecurityAdmin)
	change = must[Result](t)(w.s.Create(w.ctx, w.as("three"), Draft{"mole", "某人", grantFor(RoleAuditor)})).Change
	if err := w.s.Disable(w.ctx, one, "three"); err != nil {
		t.Fatal(err)
	}
	_, err = w.s.Approve(w.ctx, two, change)
	wantRule(t, "asked by somebody who left", err, RuleRequester)
	change = must[Result](t)(w.s.Enable(w.ctx, one, "three")).Change
	if change == "" {
		t.Fatal("enabling a security admin did not wait")
	}
	_, err = w.s.Approve(w.ctx, Login{user: "three", may: RoleSecurityAdmin.Permissions(), epoch: w.row("three").Epoch}, change)
	wantErr(t, "a disabled account approves its own return", err, ErrSession)
	must[Result](t)(w.s.Approve(w.ctx, two, change))
	w.login("three")
}

func TestNobodyHandsOutBothFactorsOfASensitiveAccount(t *testing.T) {
	w := newWorld(t)
	w.add("one", RoleSecurityAdmin)
	w.add("two", RoleSecurityAdmin)
	w.add("signer", RoleSigner)
	w.add("clerk", RoleTownship)
	one, two := w.as("one"), w.as("two")
	w.keep(must[Issued](t)(w.s.ResetPassword(w.ctx, one, "signer")))
	before := w.row("signer")
	_, err := w.s.ResetTOTP(w.ctx, one, "signer")
	wantRule(t, "the same one resets the code", err, RuleFactors)
	if !bytes.Equal(before.TOTP, w.row("signer").TOTP) {
		t.Error("refused, and yet reset")
	}
	w.keep(must[Issued](t)(w.s.ResetTOTP(w.ctx, two, "signer")))
	_, l := w.login("signer")
	if err := w.s.ChangePassword(w.ctx, l, w.keys["signer"].password, "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	_, err = w.s.ResetPassword(w.ctx, two, "signer")
	wantRule(t, "who knows the code resets the password, later", err, RuleFactors)
	must[Issued](t)(w.s.ResetPassword(w.ctx, one, "signer"))

	// Elsewhere one person may: door staff lose everything at once.
	must[Issued](t)(w.s.ResetPassword(w.ctx, one, "clerk"))
	must[Issued](t)(w.s.ResetTOTP(w.ctx, one, "clerk"))
}

func TestAResetUnlocksAndKeepsTheOtherFactor(t *testing.T) {
	w := newWorld(t)
	w.add("one", RoleSecurityAdmin)
	w.add("clerk", RoleTownship)
	old := w.keys["clerk"]
	for range maxFailures {
		w.s.Login(w.ctx, "clerk", "wrong", "", "")
	}
	issued := must[Issued](t)(w.s.ResetPassword(w.ctx, w.as("one"), "clerk"))
	if !issued.TOTP.IsZero() || issued.User != "clerk" {
		t.Errorf("issued %+v", issued)
	}
	if _, _, err := w.tryLogin("clerk"); err != ErrLogin {
		t.Errorf("the old password: %v", err)
	}
	w.keep(issued)
	w.login("clerk")
	issued = must[Issued](t)(w.s.ResetTOTP(w.ctx, w.as("one"), "clerk"))
	if !issued.Password.IsZero() || !strings.HasPrefix(issued.URL.Reveal(), "otpauth://totp/venuecode:clerk?") {
		t.Errorf("issued %+v", issued)
	}
	if _, _, err := w.tryLogin("clerk"); err != ErrLogin {
		t.Errorf("the old code: %v", err)
	}
	w.keep(issued)
	w.login("clerk")
	if w.keys["clerk"].totp == old.totp {
		t.Error("the secret did not change")
	}
}

func TestOfARoleThatChecksTwoHoldersStay(t *testing.T) {
	w := newWorld(t)
	w.add("one", RoleSecurityAdmin)
	w.add("two", RoleSecurityAdmin)
	for _, u := range []string{"app1", "app2", "app3"} {
		w.add(u, RoleApprover)
	}
	w.add("clerk", RoleTownship)
	one := w.as("one")
	wantErr(t, "the third", w.s.Disable(w.ctx, one, "app3"), nil)
	wantErr(t, "again", w.s.Disable(w.ctx, one, "app3"), nil)
	wantRule(t, "one of two", w.s.Disable(w.ctx, one, "app1"), RuleTwoHolders)
	_, err := w.s.SetRoles(w.ctx, one, "app1", grantFor(RoleTownship))
	wantRule(t, "strip one of two", err, RuleTwoHolders)
	wantRule(t, "one of two security admins", w.s.Disable(w.ctx, one, "two"), RuleTwoHolders)
	wantErr(t, "a role that checks nobody", w.s.Disable(w.ctx, one, "clerk"), nil)
	if e := w.audit.last(); e.Act != ActDisable || e.Outcome != Allowed || e.Subject != "clerk" || e.Actor != "one" {
		t.Errorf("recorded %+v", e)
	}
	if _, _, err := w.tryLogin("app1"); err != nil {
		t.Errorf("who could not be disabled: %v", err)
	}
	change := must[Result](t)(w.s.Enable(w.ctx, one, "app3")).Change
	must[Result](t)(w.s.Approve(w.ctx, w.as("two"), change))
	must[Result](t)(w.s.SetRoles(w.ctx, one, "app1", grantFor(RoleTownship)))
	w.login("app3")
	wantRule(t, "two again", w.s.Disable(w.ctx, one, "app3"), RuleTwoHolders)
}

func TestTheLastTwoDoNotLeaveAtTheSameMoment(t *testing.T) {
	w := newWorld(t)
	w.add("one", RoleSecurityAdmin)
	w.add("two", RoleSecurityAdmin)
	users := []string{"app1", "app2", "app3", "app4"}
	for _, u := range users {
		w.add(u, RoleApprover)
	}
	var wg sync.WaitGroup
	admins := []Login{w.as("one"), w.as("two")}
	for i, u := range users {
		s := w.process() // each in a process of its own: no mutex helps
		wg.Go(func() {
			var f *Forbidden
			if err := s.Disable(w.ctx, admins[i%2], u); err != nil && (!errors.As(err, &f) || f.Rule != RuleTwoHolders) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	left := 0
	for _, u := range users {
		if !w.row(u).Disabled {
			left++
		}
	}
	if left != minHolders {
		t.Errorf("%d holders left, want %d", left, minHolders)
	}
}

// Whatever security admins do, in whatever order: what a role's holders were,
// two or more, they stay; and the roster says what the accounts say.
func TestTheRosterFollowsTheAccounts(t *testing.T) {
	w := newWorld(t)
	w.add("one", RoleSecurityAdmin)
	w.add("two", RoleSecurityAdmin)
	var users []string
	for i, r := range []Role{RoleApprover, RoleApprover, RoleApprover, RoleTracer, RoleTracer, RoleTownship} {
		u := fmt.Sprintf("user%d", i)
		w.add(u, r)
		users = append(users, u)
	}
	one, two := w.as("one"), w.as("two")
	holders := func() map[string][]string {
		truth := map[string][]string{}
		for row, err := range w.s.officials.Find(w.ctx, store.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range row.Value.Grant.Roles {
				if paired(Role(r)) && !row.Value.Disabled {
					truth[r] = append(truth[r], row.ID)
				}
			}
		}
		return truth
	}
	rapid.Check(t, func(t *rapid.T) {
		before := holders()
		u := rapid.SampledFrom(users).Draw(t, "user")
		g := grantFor(rapid.SampledFrom([]Role{RoleApprover, RoleTracer, RoleTownship, RoleSigner}).Draw(t, "role"))
		var result Result
		var err error
		switch rapid.IntRange(0, 3).Draw(t, "act") {
		case 0:
			err = w.s.Disable(w.ctx, one, u)
		case 1:
			result, err = w.s.Enable(w.ctx, one, u)
		default:
			result, err = w.s.SetRoles(w.ctx, one, u, g)
		}
		if err == nil && result.Change != "" {
			_, err = w.s.Approve(w.ctx, two, result.Change)
		}
		if err != nil && !errors.Is(err, ErrForbidden) {
			t.Fatal(err)
		}
		after := holders()
		for role, had := range before {
			if len(had) >= minHolders && len(after[role]) < minHolders {
				t.Fatalf("%s: from %v to %v", role, had, after[role])
			}
		}
		row, err := w.s.roster.Get(w.ctx, rosterID)
		if err != nil {
			t.Fatal(err)
		}
		for role, users := range row.Value.Holders {
			slices.Sort(users)
			if !slices.Equal(users, after[role]) {
				t.Fatalf("roster of %s: %v, accounts: %v", role, users, after[role])
			}
		}
	})
}

func TestBootstrap(t *testing.T) {
	w := newWorld(t)
	first, second := Founder{"Sec.One", "甲"}, Founder{"sec.two", "乙"}
	for name, pair := range map[string][2]Founder{
		"twice the same": {first, {"sec.one", "丙"}}, "no name": {first, {"", "丙"}}, "no display name": {first, {"sec.two", " "}},
	} {
		if _, err := w.s.Bootstrap(w.ctx, pair[0], pair[1]); !errors.Is(err, venue.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Cut short after the first account, then repeated.
	w.audit.before = func(e Event) {
		if e.Subject == "sec.one" {
			w.audit.broken = errors.New("disk full")
		}
	}
	if _, err := w.s.Bootstrap(w.ctx, first, second); err == nil {
		t.Fatal("the second record failed, and nobody noticed")
	}
	w.audit.before, w.audit.broken = nil, nil
	if _, err := w.s.Bootstrap(w.ctx, Founder{"somebody", "某"}, second); !errors.Is(err, venue.ErrExists) {
		t.Errorf("other names beside what is left: %v", err)
	}
	issued, err := w.s.Bootstrap(w.ctx, first, second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.Bootstrap(w.ctx, first, second); !errors.Is(err, venue.ErrExists) {
		t.Errorf("a second time: %v", err)
	}
	for _, i := range issued {
		w.keep(i)
		_, l := w.login(i.User)
		if !l.MustChange() || l.May(AccountsWrite) {
			t.Errorf("%s need not change the password", i.User)
		}
		if err := w.s.ChangePassword(w.ctx, l, i.Password.Reveal(), "correct horse battery"); err != nil {
			t.Fatal(err)
		}
		w.keep(Issued{User: i.User, Password: secret("correct horse battery")})
	}
	change := must[Result](t)(w.s.Create(w.ctx, w.as("sec.one"), Draft{"auditor", "审计", grantFor(RoleAuditor)})).Change
	must[Result](t)(w.s.Approve(w.ctx, w.as("sec.two"), change))

	for _, user := range []string{"clerk", "sec.one"} {
		w = newWorld(t)
		w.add(user, RoleTownship)
		if _, err := w.s.Bootstrap(w.ctx, first, second); !errors.Is(err, venue.ErrExists) {
			t.Errorf("where there is %s: %v", user, err)
		}
	}
}

func TestABootstrapCutShortLeavesNobodyOnTheRoster(t *testing.T) {
	w := newWorld(t)
	w.add("gone", RoleSecurityAdmin)
	if err := w.s.officials.Delete(w.ctx, "gone", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.Bootstrap(w.ctx, Founder{"sec.one", "甲"}, Founder{"sec.two", "乙"}); err != nil {
		t.Fatal(err)
	}
	row := must[store.Row[store.OfficialRosterRow]](t)(w.s.roster.Get(w.ctx, rosterID))
	if got := row.Value.Holders[string(RoleSecurityAdmin)]; !slices.Equal(got, []string{"sec.one", "sec.two"}) {
		t.Errorf("holders %v", got)
	}
}

// An account ends in another process just while this one puts it on the roster.
func TestTheRosterIsSettledByWhatTheAccountIsInTheEnd(t *testing.T) {
	w := newWorld(t)
	w.add("one", RoleTracer)
	w.docs.hook = func(collection string) {
		if collection != store.OfficialRoster.Name {
			return
		}
		w.docs.hook = nil
		if _, err := w.s.officials.Update(w.ctx, "two", false, func(o *store.OfficialRow) error {
			o.Disabled = true
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	w.add("two", RoleTracer)
	row := must[store.Row[store.OfficialRosterRow]](t)(w.s.roster.Get(w.ctx, rosterID))
	if got := row.Value.Holders[string(RoleTracer)]; w.docs.hook != nil || !slices.Equal(got, []string{"one"}) {
		t.Errorf("holders %v", got)
	}
}

func TestOnlyWhoMayGiveARoleGivesOrTakesIt(t *testing.T) {
	sec, sys := Login{grant: grantFor(RoleSecurityAdmin)}, Login{grant: grantFor(RoleSystemAdmin)}
	township, province := grantFor(RoleTownship), grantFor(RoleProvince)
	wantErr(t, "a security admin gives", mayGive(sec, Grant{}, township), nil)
	wantErr(t, "and takes", mayGive(sec, township, Grant{}), nil)
	wantRule(t, "a system admin gives", mayGive(sys, Grant{}, township), RuleGrant)
	wantRule(t, "or takes", mayGive(sys, township, Grant{}), RuleGrant)
	wantRule(t, "nobody makes a province", mayGive(sec, Grant{}, province), RuleGrant)
}

// Each act, once with the audit broken: nothing stored changes (a lost code, a
// counted failure apart). Then with it working: when the record is written, the
// effect is not yet to be seen.
func TestNothingHappensUnrecorded(t *testing.T) {
	w := newWorld(t)
	for _, u := range []string{"one", "two", "three"} {
		w.add(u, RoleSecurityAdmin)
	}
	w.add("clerk", RoleTownship)
	w.add("off", RoleTownship)
	one, two := w.as("one"), w.as("two")
	if err := w.s.Disable(w.ctx, one, "off"); err != nil {
		t.Fatal(err)
	}
	_, clerk := w.login("clerk")
	approve := must[Result](t)(w.s.Create(w.ctx, one, Draft{"tracer", "流调", grantFor(RoleTracer)})).Change
	reject := must[Result](t)(w.s.Create(w.ctx, one, Draft{"tracer2", "流调", grantFor(RoleTracer)})).Change
	for _, c := range []struct {
		name string
		act  func() error
	}{
		{"create", func() error {
			_, err := w.s.Create(w.ctx, one, Draft{"fresh", "新人", grantFor(RoleTownship)})
			return err
		}},
		{"propose", func() error {
			_, err := w.s.Create(w.ctx, one, Draft{"signer", "签发", grantFor(RoleSigner)})
			return err
		}},
		{"approve", func() error { _, err := w.s.Approve(w.ctx, two, approve); return err }},
		{"reject", func() error { return w.s.Reject(w.ctx, two, reject) }},
		{"change password", func() error {
			return w.s.ChangePassword(w.ctx, clerk, w.keys["clerk"].password, "correct horse battery")
		}},
		{"roles", func() error { _, err := w.s.SetRoles(w.ctx, one, "clerk", grantFor(RoleRegulator)); return err }},
		{"disable", func() error { return w.s.Disable(w.ctx, one, "three") }},
		{"enable", func() error { _, err := w.s.Enable(w.ctx, one, "off"); return err }},
		{"reset password", func() error { _, err := w.s.ResetPassword(w.ctx, one, "clerk"); return err }},
		{"reset code", func() error { _, err := w.s.ResetTOTP(w.ctx, one, "off"); return err }},
		{"logout", func() error { return w.s.Logout(w.ctx, two) }},
		{"logout everywhere", func() error { return w.s.LogoutEverywhere(w.ctx, one) }},
	} {
		// The roster steps aside and comes back; its revision is no effect.
		before := w.dump()
		w.audit.broken = errors.New("disk full")
		if err := c.act(); err == nil || errors.Is(err, ErrForbidden) {
			t.Errorf("%s without a record: %v", c.name, err)
		}
		w.audit.broken = nil
		if !sameButRoster(before, w.dump()) {
			t.Errorf("%s took effect without a record", c.name)
		}
		recorded := false
		w.audit.before = func(e Event) {
			recorded = true
			if !sameButRoster(before, w.dump()) {
				t.Errorf("%s took effect before its record", c.name)
			}
		}
		if err := c.act(); err != nil || !recorded {
			t.Errorf("%s: recorded %v, %v", c.name, recorded, err)
		}
		w.audit.before = nil
		if bytes.Equal(before, w.dump()) {
			t.Errorf("%s had no effect at all", c.name)
		}
	}
	w.add("late", RoleTownship)
	w.audit.broken = errors.New("disk full")
	if token, _, err := w.tryLogin("late"); err == nil || token != "" || errors.Is(err, ErrLogin) {
		t.Errorf("login without a record: %q, %v", token, err)
	}
	if _, _, err := w.s.Login(w.ctx, "late", "wrong", "", ""); err == nil || w.row("late").Failed != 1 {
		t.Errorf("a guess without a record: %v, %d counted", err, w.row("late").Failed)
	}
}

// sameButRoster compares dumps, not minding the roster.
func sameButRoster(a, b []byte) bool {
	cut := func(d []byte) []byte { i := bytes.Index(d, []byte("official_roster ")); return d[:max(i, 0)] }
	return bytes.Equal(cut(a), cut(b)) && len(cut(a)) > 0
}

func TestSecretsAreNowhere(t *testing.T) {
	w := newWorld(t)
	w.add("one", RoleSecurityAdmin)
	w.add("two", RoleSecurityAdmin)
	var said strings.Builder // everything that somebody might print
	say := func(v any, err error) {
		fmt.Fprintf(&said, "%v %+v %#v %v\n", v, v, v, err)
		text, _ := json.Marshal(v)
		said.Write(text)
		slog.New(slog.NewJSONHandler(&said, nil)).Info("said", "v", v, "err", err)
	}
	secrets := map[string]string{"typed as a name": "hunter2.as.name", "a wrong password": "Wrong-Canary-Password"}
	admin := w.as("one")
	result, err := w.s.Create(w.ctx, admin, Draft{"clerk", "文员", grantFor(RoleTownship)})
	say(result, err)
	say(&result.Issued, nil)
	w.keep(result.Issued)
	secrets["handed out"], secrets["secret"] = result.Issued.Password.Reveal(), result.Issued.TOTP.Reveal()
	token, l := w.login("clerk")
	secrets["token"] = token
	say(l, nil)
	secrets["chosen"] = "Chosen-Canary-Password"
	say(nil, w.s.ChangePassword(w.ctx, l, "Wrong-Canary-Password", "Chosen-Canary-Password"))
	say(nil, w.s.ChangePassword(w.ctx, l, result.Issued.Password.Reveal(), "Chosen-Canary-Password"))
	_, _, err = w.s.Login(w.ctx, "hunter2.as.name", "Wrong-Canary-Password", "", "")
	say(nil, err)
	_, err = w.s.Authenticate(w.ctx, token)
	say(nil, err)
	issued, err := w.s.ResetTOTP(w.ctx, admin, "clerk")
	say(issued, err)
	secrets["new secret"] = issued.TOTP.Reveal()
	accounts, err := w.s.Accounts(w.ctx, admin)
	say(accounts, err)
	w.audit.broken = errors.New("disk full")
	_, _, err = w.s.Login(w.ctx, "clerk", "Chosen-Canary-Password", "123456", "")
	say(nil, err)
	w.audit.broken = nil
	for _, e := range w.audit.events {
		say(e, nil)
	}
	found := map[string]string{"what was said": said.String(), "what is stored": string(w.dump())}
	for what, s := range secrets {
		if s == "" {
			t.Fatalf("%s: no canary", what)
		}
		for _, form := range []string{s, strings.ToLower(s), base64.StdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s)), hex.EncodeToString([]byte(s))} {
			for where, text := range found {
				if strings.Contains(text, form) {
					t.Errorf("%s is in %s", what, where)
				}
			}
		}
	}
	if strings.Contains(found["what is stored"], "argon2id") {
		t.Error("a hash is stored unsealed")
	}
	if !strings.Contains(found["what is stored"], "clerk") || !strings.Contains(found["what was said"], mask) {
		t.Error("this test looked at nothing")
	}
}

func TestACredentialDoesNotWorkInAnotherRow(t *testing.T) {
	w := newWorld(t)
	w.add("mine", RoleTownship)
	w.add("theirs", RoleTownship)
	mine := w.row("mine")
	if _, err := w.s.officials.Update(w.ctx, "theirs", false, func(o *store.OfficialRow) error {
		o.Password, o.TOTP = mine.Password, mine.TOTP
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if token, _, err := w.s.Login(w.ctx, "theirs", w.keys["mine"].password, w.code("mine", 0), ""); err == nil || token != "" {
		t.Error("whoever can write rows can log in as anybody")
	}
}
