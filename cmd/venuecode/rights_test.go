package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// history is what a session reads of its owner's visits.
func (d *town) history(token string) (venues []string) {
	d.t.Helper()
	r := d.ask(http.MethodGet, "/api/v1/me/scans", token, "")
	if r.status != http.StatusOK {
		d.t.Fatalf("visits: %d %s", r.status, r.body)
	}
	var page struct{ Scans []struct{ Venue string } }
	r.json(d.t, &page)
	for _, s := range page.Scans {
		venues = append(venues, s.Venue)
	}
	return venues
}

func TestResidentsRights(t *testing.T) {
	here := quietTown(t)
	who, friend := here.view.Residents[0], here.view.Residents[1]
	first, second := here.view.Doors[0], here.view.Doors[1]
	wechat, alipay, theirs := here.phone("wechat", who), here.phone("alipay", who), here.phone("wechat", friend)
	mine, _ := here.login("wechat", wechat)
	other, _ := here.login("alipay", alipay)

	here.scan(wechat, first, nil)
	here.scan(theirs, second, object{"companions": []object{{"name": who.Name, "id_number": who.ID}}})
	want(t, "visits", fmt.Sprint(here.history(mine)), fmt.Sprint([]string{first.Venue}))
	want(t, "visits in the other app", fmt.Sprint(here.history(other)), fmt.Sprint([]string{first.Venue}))

	gone := here.ask(http.MethodDelete, "/api/v1/me", mine, "")
	want(t, "withdrawing", gone.status, http.StatusOK)
	wantText(t, "the answer", gone.body, `"erased_on":"2022-06-18"`, "已撤回同意")
	for _, token := range []string{mine, other} {
		want(t, "a session of before", here.ask(http.MethodGet, "/api/v1/me", token, "").status, http.StatusUnauthorized)
	}
	session, registered := here.login("wechat", wechat)
	want(t, "registered after withdrawing", registered, false)
	want(t, "a visitor who is not registered", here.ask(http.MethodGet, "/api/v1/me/scans", session, "").status, http.StatusForbidden)

	here.registerAgain(session, who)
	session, registered = here.login("wechat", wechat)
	want(t, "registered again", registered, true)
	want(t, "visits of before", len(here.history(session)), 0)
	if _, registered := here.login("alipay", alipay); registered {
		t.Error("the other app came back by itself")
	}
	here.pass("1m")
	here.scan(wechat, second, nil)
	want(t, "visits since", fmt.Sprint(here.history(session)), fmt.Sprint([]string{second.Venue}))
	wantNo(t, "the log", here.log.String(), who.Name, who.ID, who.Phone)
}

// registerAgain types the facts in, as after a withdrawal.
func (d *town) registerAgain(session string, who resident) {
	d.t.Helper()
	body := fmt.Sprintf(`{"name":%q,"id_number":%q,"phone":%q,"consent":true}`, who.Name, who.ID, who.Phone)
	if r := d.ask(http.MethodPut, "/api/v1/me", session, body); r.status != http.StatusOK || !strings.Contains(r.body, `"consent_required":false`) {
		d.t.Fatalf("registering again: %d %s", r.status, r.body)
	}
}
