package access

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// offices of the people in these tests: two of each role that asks or checks.
func newOffice(t *testing.T) *world {
	w := newWorld(t)
	for user, r := range map[string]Role{"sys1": RoleSystemAdmin, "sys2": RoleSystemAdmin, "sec1": RoleSecurityAdmin,
		"sec2": RoleSecurityAdmin, "sec3": RoleSecurityAdmin, "sign1": RoleSigner, "aud1": RoleAuditor, "town1": RoleTownship} {
		w.add(user, r)
	}
	return w
}

// approve steps up with a code that was not used before.
func (w *world) approve(user, id string) (Request, error) {
	l := w.as(user)
	w.machine.advance(stepSize)
	return w.s.ApproveRequest(w.ctx, l, id, w.code(user, 0))
}

func (w *world) ask(user, act, subject string) Request {
	w.t.Helper()
	return must[Request](w.t)(w.s.Ask(w.ctx, w.as(user), act, subject, "测试所需"))
}

func TestWhoAsksAndWhoDecides(t *testing.T) {
	w := newOffice(t)
	for _, c := range []struct{ act, asker, wrongAsker, checker, wrongChecker string }{
		{"purge", "sys1", "sec1", "sec1", "sign1"},
		{"sunset", "sys1", "sign1", "sign1", "sec1"},
		{"escrow", "sec1", "sys1", "sec2", "sign1"},
	} {
		_, err := w.s.Ask(w.ctx, w.as(c.wrongAsker), c.act, "x", "测试所需")
		wantRule(t, c.act+" asked by "+c.wrongAsker, err, RulePermission)
		r := w.ask(c.asker, c.act, "x")
		if e := w.audit.last(); e.Act != ActAsk || e.Outcome != Proposed || e.Actor != c.asker || e.Request != r.ID || !strings.Contains(e.Detail, "测试所需") {
			t.Errorf("%s: recorded %+v", c.act, e)
		}
		for _, user := range []string{c.wrongChecker, "aud1", "town1"} {
			_, err := w.approve(user, r.ID)
			wantRule(t, c.act+" approved by "+user, err, RulePermission)
			_, err = w.s.RejectRequest(w.ctx, w.as(user), r.ID)
			wantRule(t, c.act+" rejected by "+user, err, RulePermission)
		}
		_, err = w.approve(c.asker, r.ID)
		if rule := RuleFourEyes; c.act == "escrow" {
			wantRule(t, c.act+" approved by the asker", err, rule)
		} else {
			wantRule(t, c.act+" approved by the asker", err, RulePermission)
		}
		_, err = w.s.Take(w.ctx, c.act, r.ID)
		wantErr(t, c.act+" taken before it is approved", err, venue.ErrNotFound)
		got := must[Request](t)(w.approve(c.checker, r.ID))
		if got.State != store.OfficialRequestApproved || got.Approver != c.checker || !got.Approved.Equal(w.civil.Now()) {
			t.Errorf("%s: approved as %+v", c.act, got)
		}
		_, err = w.approve(c.checker, r.ID)
		wantErr(t, c.act+" approved twice", err, venue.ErrConflict)
		for _, other := range []string{"purge", "sunset", "escrow"} {
			if other != c.act {
				_, err = w.s.Take(w.ctx, other, r.ID)
				wantErr(t, c.act+" taken as "+other, err, venue.ErrNotFound)
			}
		}
		taken := must[Request](t)(w.s.Take(w.ctx, c.act, ""))
		if taken.ID != r.ID || taken.State != store.OfficialRequestUsed || taken.By != c.asker || taken.Approver != c.checker || w.audit.last().Act != ActTake {
			t.Errorf("%s: taken as %+v, recorded %+v", c.act, taken, w.audit.last())
		}
		_, err = w.s.Take(w.ctx, c.act, r.ID)
		wantErr(t, c.act+" taken twice", err, venue.ErrNotFound)
	}
}

func TestAnApprovalNeedsACodeAndAnAskerInOffice(t *testing.T) {
	w := newOffice(t)
	r := w.ask("sys1", "purge", "2022-05-01")
	sec := w.as("sec1")
	used := w.code("sec1", 0)
	for _, code := range []string{"", "000000", used} { // none, a wrong one, the login's
		_, err := w.s.ApproveRequest(w.ctx, sec, r.ID, code)
		wantErr(t, "approved with the code "+code, err, ErrLogin)
	}
	_, err := w.s.Take(w.ctx, "purge", r.ID)
	wantErr(t, "taken", err, venue.ErrNotFound)

	w.add("sys3", RoleSystemAdmin)
	if err := w.s.Disable(w.ctx, w.as("sec2"), "sys1"); err != nil {
		t.Fatal(err)
	}
	_, err = w.approve("sec1", r.ID)
	wantRule(t, "the asker is disabled", err, RuleRequester)
	r = w.ask("sys2", "purge", "2022-05-01")
	w.audit.broken = errors.New("no trail")
	_, err = w.s.ApproveRequest(w.ctx, sec, r.ID, w.code("sec1", 0))
	w.audit.broken = nil
	if err == nil {
		t.Error("approved without a record")
	}
	_, err = w.s.Take(w.ctx, "purge", r.ID)
	wantErr(t, "taken", err, venue.ErrNotFound)
}

func TestWhatSomebodyAskedOrApprovedWhoIsOutOfOfficeIsNotDone(t *testing.T) {
	w := newOffice(t)
	w.add("sys3", RoleSystemAdmin)
	w.add("sec4", RoleSecurityAdmin)
	for _, c := range []struct{ asker, approver, leaves string }{{"sys1", "sec1", "sec1"}, {"sys1", "sec3", "sys1"}} {
		r := w.ask(c.asker, "purge", "2022-05-01")
		must[Request](t)(w.approve(c.approver, r.ID))
		if err := w.s.Disable(w.ctx, w.as("sec2"), c.leaves); err != nil {
			t.Fatal(err)
		}
		_, err := w.s.Take(w.ctx, "purge", r.ID)
		wantRule(t, c.leaves+" is out of office", err, RuleRequester)
		if e := w.audit.last(); e.Act != ActTake || e.Outcome != Refused || e.Request != r.ID {
			t.Errorf("recorded %+v", e)
		}
	}
}

func TestRequestsExpireAndCanBeDropped(t *testing.T) {
	w := newOffice(t)
	late := w.ask("sys1", "purge", "2022-05-01")
	w.civil.advance(ChangeLife + time.Millisecond)
	_, err := w.approve("sec1", late.ID)
	wantErr(t, "approved too late", err, venue.ErrNotFound)

	r := w.ask("sys1", "purge", "2022-05-01")
	w.civil.advance(ChangeLife)
	must[Request](t)(w.approve("sec1", r.ID))
	w.civil.advance(TakeLife + time.Millisecond)
	_, err = w.s.Take(w.ctx, "purge", r.ID)
	wantErr(t, "taken too late", err, venue.ErrNotFound)

	withdrawn, rejected, approved := w.ask("sys1", "purge", "2022-05-01"), w.ask("sys1", "purge", "2022-05-02"), w.ask("sys1", "purge", "2022-05-03")
	_, err = w.s.RejectRequest(w.ctx, w.as("sys2"), withdrawn.ID)
	wantRule(t, "withdrawn by a colleague", err, RulePermission)
	must[Request](t)(w.approve("sec1", approved.ID))
	for user, r := range map[string]Request{"sys1": withdrawn, "sec1": rejected, "sec2": approved} {
		if got := must[Request](t)(w.s.RejectRequest(w.ctx, w.as(user), r.ID)); got.State != store.OfficialRequestRejected || got.Approver != "" {
			t.Errorf("dropped by %s: %+v", user, got)
		}
		_, err = w.approve("sec1", r.ID)
		wantErr(t, "approved after it was dropped", err, venue.ErrNotFound)
		_, err = w.s.Take(w.ctx, "purge", r.ID)
		wantErr(t, "taken after it was dropped", err, venue.ErrNotFound)
	}
}

func TestOneOfManyTakersWins(t *testing.T) {
	w := newOffice(t)
	first, second := w.ask("sys1", "purge", "2022-05-01"), w.ask("sys2", "purge", "2022-05-02")
	must[Request](t)(w.approve("sec1", first.ID))
	must[Request](t)(w.approve("sec2", second.ID))
	_, err := w.s.Take(w.ctx, "purge", "")
	wantErr(t, "one of two", err, venue.ErrConflict)
	var wg sync.WaitGroup
	won := make(chan Request, 20)
	for range cap(won) {
		s := w.process()
		wg.Go(func() {
			r, err := s.Take(w.ctx, "purge", first.ID)
			if err == nil {
				won <- r
			} else if !errors.Is(err, venue.ErrConflict) && !errors.Is(err, venue.ErrNotFound) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Errorf("%d took it", len(won))
	}
	if r := must[Request](t)(w.s.Take(w.ctx, "purge", "")); r.ID != second.ID {
		t.Errorf("the other one: %+v", r)
	}
}

func TestEachSeesTheRequestsOfTheirPairs(t *testing.T) {
	w := newOffice(t)
	w.ask("sys1", "purge", "2022-05-01")
	w.ask("sys1", "sunset", "host")
	w.ask("sec1", "escrow", "3 key")
	for user, want := range map[string][]string{"sys2": {"purge", "sunset"}, "sec2": {"purge", "escrow"}, "sign1": {"sunset"}} {
		var acts []string
		for _, r := range must[[]Request](t)(w.s.Requests(w.ctx, w.as(user))) {
			acts = append(acts, r.Act)
		}
		slices.Sort(acts)
		slices.Sort(want)
		if !slices.Equal(acts, want) {
			t.Errorf("%s sees %v, want %v", user, acts, want)
		}
	}
	_, err := w.s.Requests(w.ctx, w.as("aud1"))
	wantRule(t, "an auditor", err, RulePermission)
}

func TestWhatIsAskedForHasAReason(t *testing.T) {
	w := newOffice(t)
	sys := w.as("sys1")
	for _, c := range []struct{ act, subject, reason, field string }{
		{"purge", "2022-05-01", "短短短", "reason"},
		{"purge", "2022-05-01", strings.Repeat("长", 201), "reason"},
		{"purge", "2022-05-01", "两行\n文字", "reason"},
		{"purge", " ", "理由充分", "subject"},
		{"purge", strings.Repeat("长", 201), "理由充分", "subject"},
		{"notices", "x", "理由充分", "act"},
		{"lunch", "x", "理由充分", "act"},
	} {
		_, err := w.s.Ask(w.ctx, sys, c.act, c.subject, c.reason)
		var invalid *venue.Invalid
		if !errors.As(err, &invalid) || invalid.Field != c.field {
			t.Errorf("%s %q %q: %v, want field %s", c.act, c.subject, c.reason, err, c.field)
		}
	}
	if list := must[[]Request](t)(w.s.Requests(w.ctx, sys)); len(list) != 0 {
		t.Errorf("kept all the same: %+v", list)
	}
}
