package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/internal/canary"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/vault/reveal"
	"github.com/venuecode/venuecode/venue"
)

// oneAlarm stands for package reveal: one alarm, of one person, to whoever asks
// for tracing.
type oneAlarm struct {
	trail *audit.Trail
	err   error
}

const (
	hisName   = "欧阳明德"
	hisID     = "11010519491231002X"
	hisPhone  = "13812348000"
	hisHandle = "aHandleOfThisAccount"
)

var alarmed = time.Date(2022, 5, 18, 8, 30, 0, 250e6, venue.Zone)

func (r *oneAlarm) Alarms(_ context.Context, _ access.Login, day venue.Day, page int) (reveal.List, error) {
	if day == 0 {
		day = venue.DayOf(alarmed)
	}
	list := reveal.List{Day: day, Total: reveal.PageRows + 1}
	list.Rows = []reveal.Row{{At: alarmed, Unit: "u1", UnitName: "一中", Venue: "<b>教学楼</b>", Door: "东门", Address: "广成路1号",
		Health: venue.HealthRed, Decision: venue.Refuse, Person: hisHandle}}
	if page > 2 {
		list.Rows = nil
	}
	return list, r.err
}

func (r *oneAlarm) Reveal(ctx context.Context, by access.Login, q reveal.Request) (who reveal.Identity, err error) {
	switch {
	case r.err != nil:
		return who, r.err
	case q.Purpose != reveal.Tracing:
		return who, &reveal.PurposeRefused{}
	case q.Handle != hisHandle:
		return who, venue.ErrNotFound
	}
	if _, err := r.trail.Append(ctx, audit.Event{Actor: by.User(), Action: reveal.Action, Purpose: string(q.Purpose), Reason: q.Reason, Case: q.Case, Outcome: "allowed"}); err != nil {
		return who, err
	}
	who.Until = alarmed.Add(reveal.Shown)
	var errs [3]error
	who.Name, errs[0] = venue.ParsePersonName(hisName)
	who.ID, errs[1] = venue.ParseIDNumber(hisID, venue.DayOf(alarmed))
	who.Phone, errs[2] = venue.ParsePhone(hisPhone)
	return who, errors.Join(errs[:]...)
}

func TestATracerRevealsWhoWasRed(t *testing.T) {
	d := newDesk(t)
	d.h.Identities = &oneAlarm{trail: d.trail}
	token := d.login("tracer")
	got := d.call("GET", "/console/alarms?day=2022-05-18", token, ``)
	if want := `{"day":"2022-05-18","total":51,"rows":[{"at":"2022-05-18T08:30:00.250+08:00","unit":"u1","unit_name":"一中","venue":"\u003cb\u003e教学楼\u003c/b\u003e","door":"东门","address":"广成路1号","health":"red","decision":"refuse","person":"aHandleOfThisAccount"}],"next":2}`; got.status != 200 || got.body != want {
		t.Errorf("alarms: %d %s", got.status, got.body)
	}
	got = d.call("GET", "/console/alarms?page=3", token, ``)
	if want := `{"day":"2022-05-18","total":51,"rows":[]}`; got.status != 200 || got.body != want {
		t.Errorf("the third page: %d %s", got.status, got.body)
	}
	const q = `{"person":"aHandleOfThisAccount","purpose":"tracing","reason":"核实红码人员去向","case":"2022-017"}`
	got = d.call("POST", "/console/reveals", token, q)
	if want := `{"name":"欧阳明德","id_number":"11010519491231002X","phone":"13812348000","until":"2022-05-18T08:32:00.250+08:00"}`; got.status != 200 || got.body != want {
		t.Errorf("reveal: %d %s", got.status, got.body)
	}
	if got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("it may be cached: %q", got.header.Get("Cache-Control"))
	}
	for _, c := range []struct {
		name, method, path, body string
		err                      error
		status                   int
		code, says               string
	}{
		{"the police", "POST", "/console/reveals", strings.Replace(q, "tracing", "law_enforcement", 1), nil, 422, "purpose_refused", "不得用于其他目的（《中华人民共和国个人信息保护法》第六条）"},
		{"no purpose", "POST", "/console/reveals", `{}`, nil, 422, "purpose_refused", "不得用于其他目的"},
		{"another's hisHandle", "POST", "/console/reveals", strings.Replace(q, hisHandle, "x", 1), nil, 404, "not_found", ""},
		{"the quota is used up", "POST", "/console/reveals", q, fmt.Errorf("reveal quota: %w", access.ErrQuota), 429, "quota", "今日可查看身份信息的次数已用完"},
		{"a phone number as reason", "POST", "/console/reveals", q, &venue.Invalid{Field: "reason", Reason: "private"}, 422, "invalid_field", ""},
		{"the trail is down", "POST", "/console/reveals", q, venue.ErrUnavailable, 503, "unavailable", ""},
		{"no JSON", "POST", "/console/reveals", `{"person":1}`, nil, 400, "bad_json", ""},
		{"no day", "GET", "/console/alarms?day=18.5.", ``, nil, 422, "invalid_field", ""},
		{"no page", "GET", "/console/alarms?page=two", ``, nil, 422, "invalid_field", ""},
	} {
		d.h.Identities = &oneAlarm{d.trail, c.err}
		got := d.call(c.method, c.path, token, c.body)
		if got.status != c.status || !strings.Contains(got.body, `"code":"`+c.code+`"`) || !strings.Contains(got.body, c.says) || strings.Contains(got.body, hisName) {
			t.Errorf("%s: %d %s", c.name, got.status, got.body)
		}
		if c.status == 429 && got.header.Get("Retry-After") != "" {
			t.Errorf("%s: try again in %s s", c.name, got.header.Get("Retry-After"))
		}
	}
	d.wantNowhere(t)
}

// wantNowhere looks for the person in what stays: log and audit.
func (d *desk) wantNowhere(t *testing.T) {
	t.Helper()
	rows, err := json.Marshal(d.rows(audit.Filter{}))
	if err != nil {
		t.Fatal(err)
	}
	if found := canary.NewFinder(map[string]string{"name": hisName, "id": hisID, "phone": hisPhone}).Find(slices.Concat([]byte(d.log.String()), rows)); len(found) > 0 {
		t.Errorf("the log or the audit holds %v", found)
	}
}

var scripted = regexp.MustCompile(`(?i)<script|javascript:|\son\w+=`)

func TestThePageOfAnIdentityMasksItself(t *testing.T) {
	d := newDesk(t)
	d.h.Identities = &oneAlarm{trail: d.trail}
	session := d.login("tracer")
	list := d.browse("GET", "/console/alarms?day=2022-05-18", session, nil)
	for _, part := range []string{`action="/console/reveals"`, `value="aHandleOfThisAccount"`, `name="day" value="2022-05-18"`, "流行病学调查", "2022-05-18 08:30:00", "红码", "禁止", "&lt;b&gt;教学楼", "?day=2022-05-18&amp;page=2", "合计 51"} {
		if !strings.Contains(list.body, part) {
			t.Errorf("the list lacks %s:\n%s", part, list.body)
		}
	}
	form := url.Values{"csrf": {formToken(session)}, "person": {hisHandle}, "day": {"2022-05-18"}, "purpose": {"tracing"}, "reason": {"核实红码人员去向"}, "case": {"2022-017"}}
	shown := d.browse("POST", "/console/reveals", session, form)
	for _, part := range []string{hisName, hisID, hisPhone, "2022-05-18 08:32:00", `<meta http-equiv="refresh" content="120;url=/console/alarms?day=2022-05-18">`} {
		if !strings.Contains(shown.body, part) {
			t.Errorf("the page lacks %s:\n%s", part, shown.body)
		}
	}
	if shown.status != 200 || shown.header.Get("Cache-Control") != "no-store" || shown.header.Get("Location") != "" {
		t.Errorf("%d, cached as %q, sent to %q", shown.status, shown.header.Get("Cache-Control"), shown.header.Get("Location"))
	}
	for name, page := range map[string]reply{"list": list, "identity": shown} {
		if scripted.MatchString(page.body) {
			t.Errorf("the %s has a script:\n%s", name, page.body)
		}
	}
	form.Set("purpose", "law_enforcement")
	if got := d.browse("POST", "/console/reveals", session, form); got.status != 422 || !strings.Contains(got.body, "不得用于其他目的") {
		t.Errorf("another purpose: %d %s", got.status, got.body)
	}
	form.Set("csrf", "")
	if got := d.browse("POST", "/console/reveals", session, form); got.status != 400 {
		t.Errorf("a form from elsewhere: %d", got.status)
	}
	auditor := d.login("auditor")
	if page := d.browse("GET", "/console/audit", auditor, nil); !strings.Contains(page.body, "<td class=\"line\" data-label=\"结果\">允许</td><td data-label=\"用途、事由、案件\"><div>流行病学调查</div><div>核实红码人员去向</div><div>2022-017</div></td>") {
		t.Errorf("the audit does not say what for:\n%s", page.body)
	}
	d.wantNowhere(t)
}

func TestPurposesAndColoursHaveNames(t *testing.T) {
	for _, p := range reveal.Purposes {
		if purposeNames[p] == "" {
			t.Errorf("purpose %s has no name", p)
		}
	}
	for h := venue.HealthUnknown; h <= venue.HealthRed; h++ {
		if healthNames[h] == "" {
			t.Errorf("health %s has no name", h)
		}
	}
	for decision := venue.Admit; decision <= venue.Refuse; decision++ {
		if decisionNames[decision] == "" {
			t.Errorf("decision %s has no name", decision)
		}
	}
}
