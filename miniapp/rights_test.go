package miniapp_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

// other is a registration of somebody else.
var other = m{"name": "李四", "id_number": "110101199003070134", "phone": "13900001111"}

func (w *world) ok(method, path, token string, body any) m {
	w.t.Helper()
	status, answer, _ := w.call(method, path, token, body)
	if status != 200 {
		w.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	return w.read(answer)
}

func (w *world) refused(status int, method, path, token string) {
	w.t.Helper()
	if got, answer, _ := w.call(method, path, token, nil); got != status {
		w.t.Errorf("%s %s: %d %s, want %d", method, path, got, answer, status)
	}
}

func (w *world) pass(d time.Duration) { w.now.Add(d.Milliseconds()) }

func TestVisitsAreOnesOwn(t *testing.T) {
	w := newWorld(t)
	mine := w.resident("1")
	theirs := w.login("wechat", "2")
	theirs = w.ok("PUT", "/api/v1/me", theirs, registration(other))["token"].(string)
	scan := func(token, id string, change m) {
		t.Helper()
		body := m{"code": w.code, "request_id": id, "direction": "in"}
		for k, v := range change {
			body[k] = v
		}
		w.ok("POST", "/api/v1/scans", token, body)
		w.pass(time.Minute)
	}
	scan(mine, "r1", nil)
	scan(theirs, "r1", m{"companions": []m{{"name": "张三丰", "id_number": idNumber}}})
	scan(mine, "r2", m{"direction": "out", "code": w.evil})

	got := w.ok("GET", "/api/v1/me/scans", mine, nil)["scans"].([]any)
	if len(got) != 2 {
		t.Fatalf("%d visits, want 2: %v", len(got), got)
	}
	newest, oldest := got[0].(m), got[1].(m)
	if newest["direction"] != "out" || newest["venue"] != hostile {
		t.Errorf("the newest: %v", newest)
	}
	for field, want := range map[string]string{
		"at": "2022-10-12T12:00:00.000+08:00", "venue": "青禾市民中心", "door": "南门", "address": "洗月街道文昌路1号",
		"direction": "in", "health": "green", "decision": "admit",
	} {
		if oldest[field] != want {
			t.Errorf("%s: %v, want %v", field, oldest[field], want)
		}
	}
	// One visit a page; a door that is closed since still has its name.
	w.close(w.code)
	page := w.ok("GET", "/api/v1/me/scans?limit=1", mine, nil)
	page = w.ok("GET", "/api/v1/me/scans?limit=1&before="+page["next"].(string), mine, nil)
	if visits := page["scans"].([]any); len(visits) != 1 || visits[0].(m)["scan_id"] != oldest["scan_id"] || visits[0].(m)["venue"] != "青禾市民中心" || page["next"] != nil {
		t.Errorf("the second page: %v", page)
	}
	for _, bad := range []string{"limit=0", "limit=x", "limit=-1", "before=x"} {
		w.refused(422, "GET", "/api/v1/me/scans?"+bad, mine)
	}
	w.refused(401, "GET", "/api/v1/me/scans", "")
	w.refused(403, "GET", "/api/v1/me/scans", w.login("wechat", "3"))
}

// close takes a door out of use.
func (w *world) close(code venue.Code) {
	w.t.Helper()
	registry := w.handler.Places.(*store.Registry)
	place, err := registry.Place(context.Background(), code)
	if err != nil {
		w.t.Fatal(err)
	}
	place.Door.Status = venue.StatusClosed
	if err := registry.Put(context.Background(), store.Registered{Doors: []venue.Door{place.Door}}); err != nil {
		w.t.Fatal(err)
	}
}

func TestWhoLookedAtMe(t *testing.T) {
	w := newWorld(t)
	mine := w.resident("1")
	id := w.person("1")
	look := func(person venue.PersonID, e audit.Event) {
		t.Helper()
		e.Actor, e.Object = "wang.li", audit.Object{Kind: audit.KindPerson, ID: w.handler.People.AuditID(person)}
		e.Reason, e.Case = "核实去向", "2022-017"
		if _, err := w.trail.Append(context.Background(), e); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
	}
	allowed := audit.Event{Action: "identity.reveal", Purpose: "tracing", Outcome: "allowed", Details: map[string]string{"role": "tracer"}}
	look(id, allowed)
	look(venue.PersonID{1}, allowed)
	look(id, audit.Event{Action: "identity.reveal", Purpose: "tracing", Outcome: "refused"})
	look(id, audit.Event{Action: "something.else", Purpose: "tracing", Outcome: "allowed"})
	look(id, audit.Event{Action: "identity.reveal", Purpose: "unheard_of", Outcome: "allowed", Details: map[string]string{"role": "other"}})

	status, body, _ := w.call("GET", "/api/v1/me/accesses", mine, nil)
	want := `{"accesses":[` +
		`{"at":"2022-10-12T12:04:00.000+08:00","role":"other","role_name":"工作人员","purpose":"unheard_of","purpose_name":"疫情防控"},` +
		`{"at":"2022-10-12T12:00:00.000+08:00","role":"tracer","role_name":"流调人员","purpose":"tracing","purpose_name":"流行病学调查"}]}`
	if status != 200 || body != want {
		t.Errorf("%d %s\nwant %s", status, body, want)
	}
	for range 55 {
		look(id, allowed)
	}
	page := w.ok("GET", "/api/v1/me/accesses", mine, nil)
	n := len(page["accesses"].([]any))
	page = w.ok("GET", "/api/v1/me/accesses?after="+page["next"].(string), mine, nil)
	if n += len(page["accesses"].([]any)); n != 57 || page["next"] != nil {
		t.Errorf("%d looks on two pages, then %v", n, page["next"])
	}
	w.refused(422, "GET", "/api/v1/me/accesses?after=x", mine)

	// Whoever registers the number next is not told what was looked at before.
	w.ok("DELETE", "/api/v1/me", mine, nil)
	w.pass(time.Minute)
	stranger := w.login("alipay", "9")
	stranger = w.ok("PUT", "/api/v1/me", stranger, registration(m{"phone": "13900002222"}))["token"].(string)
	if got := w.ok("GET", "/api/v1/me/accesses", stranger, nil)["accesses"].([]any); len(got) != 0 {
		t.Errorf("a later registration reads %v", got)
	}
}

func (w *world) person(openid string) venue.PersonID {
	w.t.Helper()
	account, err := w.handler.People.Account(context.Background(), "wechat", openid)
	if err != nil || account.Person.IsZero() {
		w.t.Fatal(account, err)
	}
	return account.Person
}

func TestWithdrawing(t *testing.T) {
	w := newWorld(t)
	proven := m{"phone": nil, "phone_code": "phone-" + phone}
	early := w.login("wechat", "1") // names no person
	mine := w.ok("PUT", "/api/v1/me", early, registration(proven))["token"].(string)
	second := w.ok("PUT", "/api/v1/me", w.login("alipay", "1"), registration(proven))["token"].(string)
	bystander := w.ok("PUT", "/api/v1/me", w.login("wechat", "2"), registration(other))["token"].(string)
	w.ok("GET", "/api/v1/me", early, nil)
	w.ok("POST", "/api/v1/scans", mine, m{"code": w.code, "request_id": "r1"})
	id := w.person("1")

	_, body, _ := w.call("DELETE", "/api/v1/me", second, nil)
	want := `{"erased_on":"2022-11-12","message":"已撤回同意，手机号码和登录账号已删除。依法须保存的到访记录加密封存，除疫情防控外不作他用，将于 2022-11-12 到期删除，身份信息同时销毁。","withdrawn":true}`
	if body != want {
		t.Errorf("%s\nwant %s", body, want)
	}
	for name, token := range map[string]string{"of before the registration": early, "of the one app": mine, "of the other app": second} {
		for _, call := range []string{"GET /api/v1/me", "GET /api/v1/me/scans", "GET /api/v1/me/accesses", "PUT /api/v1/me", "DELETE /api/v1/me", "POST /api/v1/scans"} {
			method, path, _ := strings.Cut(call, " ")
			if status, _, _ := w.call(method, path, token, `{}`); status != 401 {
				t.Errorf("the session %s, %s: %d", name, call, status)
			}
		}
	}
	w.ok("GET", "/api/v1/me", bystander, nil)
	for _, app := range []string{"wechat", "alipay"} {
		if got := w.ok("POST", "/api/v1/sessions", "", m{"app": app, "login_code": "ok-1"}); got["registered"] != false {
			t.Errorf("%s: %v", app, got)
		}
	}
	rows, _, err := w.trail.By(context.Background(), audit.Filter{Actor: audit.ActorResident}, audit.Page{})
	if err != nil || len(rows) != 1 || rows[0].Event.Action != "consent.withdraw" || rows[0].Event.Object.ID != w.handler.People.AuditID(id) {
		t.Errorf("the audit has %v, %v", rows, err)
	}

	// At the same instant, and with a phone typed in: the number is free.
	again := w.ok("PUT", "/api/v1/me", w.login("wechat", "1"), registration(m{"phone": "13900002222"}))["token"].(string)
	if got := w.ok("GET", "/api/v1/me/scans", again, nil)["scans"].([]any); len(got) != 0 {
		t.Errorf("the history of before: %v", got)
	}
	w.pass(time.Minute)
	w.ok("POST", "/api/v1/scans", again, m{"code": w.code, "request_id": "r2"})
	if got := w.ok("GET", "/api/v1/me/scans", again, nil)["scans"].([]any); len(got) != 1 {
		t.Errorf("the history since: %v", got)
	}
}

func TestWithdrawingWithoutVisits(t *testing.T) {
	w := newWorld(t)
	mine := w.resident("1")
	id := w.person("1")
	if got := w.ok("DELETE", "/api/v1/me", mine, nil); got["erased_on"] != nil || got["withdrawn"] != true || !strings.Contains(fmt.Sprint(got["message"]), "随即销毁") {
		t.Errorf("%v", got)
	}
	w.pass(10 * time.Second)
	if _, _, err := w.handler.Retention.Run(context.Background(), w.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.handler.People.Open(context.Background(), id); err == nil {
		t.Error("the record is still there")
	}
}

// Another process learns of it within two seconds and a read.
func TestAWithdrawalElsewhereEndsSessionsHere(t *testing.T) {
	w := newWorld(t)
	mine := w.resident("1")
	account, err := w.handler.People.Account(context.Background(), "wechat", "1")
	if err != nil {
		t.Fatal(err)
	}
	w.machine.Add(1000)
	w.ok("GET", "/api/v1/me", mine, nil)
	if _, err := w.handler.Retention.Withdraw(context.Background(), account.ID, account.Person); err != nil {
		t.Fatal(err)
	}
	w.machine.Add(2000)
	w.refused(401, "GET", "/api/v1/me", mine)
}

func TestAWithdrawalThatIsNotWrittenDownDoesNotHappen(t *testing.T) {
	w := newWorld(t)
	mine := w.resident("1")
	if err := w.trail.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.refused(503, "DELETE", "/api/v1/me", mine)
	w.ok("GET", "/api/v1/me", mine, nil)
}

func TestANewNoticeIsAskedForAgain(t *testing.T) {
	w := newWorld(t)
	mine := w.resident("1")
	session := func() any {
		return w.ok("POST", "/api/v1/sessions", "", m{"app": "wechat", "login_code": "ok-1"})["consent_required"]
	}
	me := func() any { return w.ok("GET", "/api/v1/me", mine, nil)["consent_required"] }
	if session() != false || me() != false {
		t.Error("asked for the notice in force")
	}
	w.handler.Consent = "2022-06"
	if session() != true || me() != true {
		t.Error("not asked for the new notice")
	}
	if got := w.ok("PUT", "/api/v1/me", mine, registration(nil)); got["consent_required"] != false || session() != false || me() != false {
		t.Errorf("asked again after agreeing: %v", got)
	}
}
