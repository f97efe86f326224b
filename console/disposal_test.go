package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

// graveyard is what was destroyed, and is to be.
type graveyard struct {
	today venue.Day
	lines []json.RawMessage
}

func (d *desk) disposal(s vault.Signer) graveyard {
	d.t.Helper()
	g := graveyard{today: venue.DayOf(d.civil.Now())}
	for n := range 2 {
		line, err := vault.Certificate{Number: int64(n + 1), Kind: vault.KindPurge, Days: []vault.CertifiedDay{{Day: 1, Rows: 5, Key: true}},
			Order: vault.Order{AskedBy: "sys<1>", RunBy: vault.RunBySystem}, Ended: time.Unix(0, 0).In(venue.Zone)}.Signed(s)
		if err != nil {
			d.t.Fatal(err)
		}
		g.lines = append(g.lines, line)
	}
	return g
}

func (g graveyard) Due() (due, latest venue.Day) { return g.today - 31, g.today - 15 }

func (g graveyard) Plan(_ context.Context, through venue.Day) ([]vault.CertifiedDay, error) {
	return []vault.CertifiedDay{{Day: through, Rows: 7, Key: true}}, nil
}

func (g graveyard) Certificates(context.Context) ([]json.RawMessage, error) { return g.lines, nil }

func (g graveyard) Certificate(_ context.Context, number int64) (json.RawMessage, error) {
	if number < 1 || int(number) > len(g.lines) {
		return nil, venue.ErrNotFound
	}
	return g.lines[number-1], nil
}

func (g graveyard) Names() []string { return []string{"code.example.gov.cn", "410482", ""} }

func TestWhatIsAskedForIsCheckedFirst(t *testing.T) {
	d := newDesk(t)
	sys, sec := d.login("sysadmin"), d.login("secadmin")
	for _, c := range []struct {
		token, path, body string
		status            int
		field             string
	}{
		{sys, "purges", `{"through":"2022-05-04","reason":"测试所需"}`, 422, "through"},
		{sys, "purges", `{"through":"4 May","reason":"测试所需"}`, 422, "through"},
		{sys, "purges", `{"through":"2022-05-03","reason":"短"}`, 422, "reason"},
		{sys, "purges", `{"through":"2022-05-03","reason":"请联系13812345678"}`, 422, "reason"},
		{sys, "purges", `{"through":"2022-05-03","reason":"测试所需"}`, 200, ""},
		{sys, "sunset", `{"confirm":"yes","reason":"测试所需"}`, 422, "confirm"},
		{sys, "sunset", `{"confirm":"","reason":"测试所需"}`, 422, "confirm"},
		{sys, "sunset", `{"confirm":"410482","reason":"疫情结束"}`, 200, ""},
		{sec, "escrows", `{"days":8,"custodian":"ABCD-EFGH-IJKL-MNOP-QRST-UVWX-YZ23-4567","reason":"测试所需"}`, 422, "days"},
		{sec, "escrows", `{"days":0,"custodian":"ABCD-EFGH-IJKL-MNOP-QRST-UVWX-YZ23-4567","reason":"测试所需"}`, 422, "days"},
		{sec, "escrows", `{"days":"x","custodian":"ABCD-EFGH-IJKL-MNOP-QRST-UVWX-YZ23-4567","reason":"测试所需"}`, 400, ""},
		{sec, "escrows", `{"days":7,"custodian":"ABCD EFGH IJKL MNOP QRST UVWX YZ23 4567","reason":"测试所需"}`, 422, "custodian"},
		{sec, "escrows", `{"days":7,"custodian":"venuecode-custodian-private-intl-1:AAAA","reason":"测试所需"}`, 422, "custodian"},
		{sec, "escrows", `{"days":"7","custodian":"ABCD-EFGH-IJKL-MNOP-QRST-UVWX-YZ23-4567","reason":"测试所需"}`, 200, ""},
	} {
		got := d.call("POST", "/console/"+c.path, c.token, c.body)
		var refused struct {
			Error struct{ Field string }
		}
		_ = json.Unmarshal([]byte(got.body), &refused)
		if got.status != c.status || refused.Error.Field != c.field {
			t.Errorf("%s %s: %d %s", c.path, c.body, got.status, got.body)
		}
	}
	var list struct{ Requests []request }
	got := d.call("GET", "/console/requests", sec, "")
	if json.Unmarshal([]byte(got.body), &list) != nil || len(list.Requests) != 2 ||
		!slices.ContainsFunc(list.Requests, func(r request) bool {
			return r.Act == "escrow" && r.Subject == "7 ABCD-EFGH-IJKL-MNOP-QRST-UVWX-YZ23-4567"
		}) {
		t.Errorf("requests: %d %s", got.status, got.body)
	}
}

func TestTwoPeopleApproveInABrowser(t *testing.T) {
	d := newDesk(t)
	sys, sec := d.login("sysadmin"), d.login("secadmin")
	got := d.browse("POST", "/console/purges", sys, url.Values{"csrf": {formToken(sys)}, "through": {"2022-05-01"}, "reason": {"提前清理 <b>"}})
	if got.status != 303 || got.header.Get("Location") != requestsPage {
		t.Fatalf("ask: %d %s", got.status, got.body)
	}
	own := d.browse("GET", "/console/requests", sys, nil).body
	page := d.browse("GET", "/console/requests", sec, nil).body
	if strings.Contains(own, "/approve") || !strings.Contains(own, "撤回") || strings.Contains(page, "<b>") || !strings.Contains(page, "提前清理") {
		t.Errorf("pages:\n%s\n%s", own, page)
	}
	_, rest, _ := strings.Cut(page, `formaction="/console/requests/`)
	id, _, _ := strings.Cut(rest, "/")
	path := "/console/requests/" + id + "/approve"
	for name, c := range map[string]struct {
		status   int
		token    string
		code     string
		sentence string
	}{
		"no code":          {401, sec, "", "动态码"},
		"not their office": {404, d.login("signer"), d.code("signer"), "没有找到"},
		"who asked":        {404, sys, d.code("sysadmin"), "没有找到"},
	} {
		got := d.browse("POST", path, c.token, url.Values{"csrf": {formToken(c.token)}, "totp": {c.code}})
		if got.status != c.status || !strings.Contains(got.body, c.sentence) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if _, err := d.h.Access.Take(t.Context(), "purge", id); err == nil {
		t.Fatal("taken before it was approved")
	}
	got = d.browse("POST", path, sec, url.Values{"csrf": {formToken(sec)}, "totp": {d.code("secadmin")}})
	if got.status != 303 {
		t.Fatalf("approve: %d %s", got.status, got.body)
	}
	if again := d.call("POST", path, sec, fmt.Sprintf(`{"totp":%q}`, d.code("secadmin"))); again.status != 409 {
		t.Errorf("approved twice: %d %s", again.status, again.body)
	}
	if page := d.browse("GET", "/console/requests", sec, nil).body; !strings.Contains(page, "已批准") || strings.Contains(page, "/approve") {
		t.Errorf("the page when approved: %s", page)
	}
	r, err := d.h.Access.Take(t.Context(), "purge", id)
	if err != nil || r.Approver != "secadmin" || r.Subject != "2022-05-01" {
		t.Errorf("take: %+v %v", r, err)
	}
	for action, rows := range map[string]int{string(access.ActAsk): 1, string(access.ActTake): 1} {
		if n := len(d.rows(audit.Filter{Action: action})); n != rows {
			t.Errorf("%d rows of %s", n, action)
		}
	}
}

func TestCertificatesAreShownAsTheyWereSigned(t *testing.T) {
	d := newDesk(t)
	token := d.login("auditor")
	lines := d.h.Disposal.(graveyard).lines
	if got := d.call("GET", "/console/certificates/2", token, ""); got.status != 200 || got.body != string(lines[1]) {
		t.Errorf("one: %d %s, want %s", got.status, got.body, lines[1])
	}
	for _, number := range []string{"0", "3", "-1", "x"} {
		if got := d.call("GET", "/console/certificates/"+number, token, ""); got.status != 404 {
			t.Errorf("%s: %d", number, got.status)
		}
	}
	got := d.call("GET", "/console/certificates", token, "")
	if want := fmt.Sprintf(`{"certificates":[%s,%s]}`, lines[1], lines[0]); got.body != want {
		t.Errorf("all: %s", got.body)
	}
	page := d.browse("GET", "/console/certificates", token, nil)
	if page.status != 200 || strings.Contains(page.body, "sys<1>") || !strings.Contains(page.body, "数据销毁") {
		t.Errorf("page: %d %s", page.status, page.body)
	}
}
