package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/venuecode/venuecode/internal/canary"
	"github.com/venuecode/venuecode/internal/sim"
	"github.com/venuecode/venuecode/venue"
)

// raw counts for s001: 扫码 N 次 of what 查 answers.
var rawCount = regexp.MustCompile(`平台统计截至.*：扫码 (\d+) 次`)

// counted is how many scans the unit of a member of staff has.
func (d *town) counted(userid string) int {
	d.t.Helper()
	said := d.alone(userid, wecomChat, "查")
	m := rawCount.FindStringSubmatch(said)
	if m == nil {
		d.t.Fatalf("查 answers %q", said)
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

var faultModes = []string{"refuse", "hang", "slow", "500", "garbage", "wrongperson", "ratelimit"}

// TestWhatMustHold is what stays true while the services outside misbehave and
// phones repeat themselves.
func TestWhatMustHold(t *testing.T) {
	d := quietTown(t)
	people := d.view.Residents
	hall := d.doorOf("青禾市民中心")

	t.Run("a colour that is not known is never green", func(t *testing.T) {
		d.t = t
		for i, mode := range faultModes {
			phone := d.phone([]string{"wechat", "alipay"}[i%2], people[i])
			asked := metric(t, d, "venuecode_health_asked_total")
			d.fault("health", mode)
			r := d.tryScan(phone, hall, nil)
			var p prompt
			r.json(t, &p)
			want(t, mode, fmt.Sprint(r.status, p.Health, p.Decision), "200unknownhold")
			if r.took > promptly {
				t.Errorf("%s: the answer took %s", mode, r.took)
			}
			if metric(t, d, "venuecode_health_asked_total") == asked {
				t.Errorf("%s: nobody was asked", mode)
			}
			d.fault("health", "none")
			want(t, "after "+mode, d.scan(phone, hall, nil).Decision, "admit")
		}
		// Nor for a whole party, nor behind an open breaker.
		phone := d.phone("wechat", people[10])
		d.fault("health", "hang")
		for range 3 {
			r := d.tryScan(phone, hall, object{"companions": people[11:16]})
			var p prompt
			r.json(t, &p)
			want(t, "party", p.Health+" "+p.Decision, "unknown hold")
			for _, c := range p.Companions {
				want(t, "companion", c.Health+" "+c.Decision, "unknown hold")
			}
			if r.took > promptly {
				t.Errorf("a party's answer took %s", r.took)
			}
		}
		d.fault("health", "none")
		want(t, "records", d.counted("s001"), 2*len(faultModes)+3*6)
	})

	t.Run("a request that is repeated is one record", func(t *testing.T) {
		d.t = t
		token, _ := d.login("wechat", d.phone("wechat", people[20]))
		other, _ := d.login("alipay", d.phone("alipay", people[21]))
		body := fmt.Sprintf(`{"code":%q,"request_id":"again","direction":"in"}`, hall.Code)
		before := d.counted("s001")
		bodies := make([]string, 30)
		var wg sync.WaitGroup
		for i := range bodies {
			wg.Go(func() {
				r := d.ask(http.MethodPost, "/api/v1/scans", token, body)
				bodies[i] = fmt.Sprint(r.status, r.body)
			})
		}
		wg.Wait()
		if all := slices.Compact(slices.Sorted(slices.Values(bodies))); len(all) != 1 || !strings.HasPrefix(all[0], "200") {
			t.Errorf("%d different answers: %v", len(all), all)
		}
		want(t, "records of 30 requests", d.counted("s001")-before, 1)

		// The answer is that of the first time, whatever has changed since.
		d.colour(people[20].ID, "red")
		d.pass("1h")
		want(t, "an hour later", "200"+d.ask(http.MethodPost, "/api/v1/scans", token, body).body, bodies[0])
		for name, changed := range map[string]string{
			"another door":      fmt.Sprintf(`{"code":%q,"request_id":"again","direction":"in"}`, d.doorOf("供销超市钟楼店").Code),
			"another direction": fmt.Sprintf(`{"code":%q,"request_id":"again","direction":"out"}`, hall.Code),
			"a companion": fmt.Sprintf(`{"code":%q,"request_id":"again","direction":"in","companions":[{"name":%q,"id_number":%q}]}`,
				hall.Code, people[22].Name, people[22].ID),
		} {
			r := d.ask(http.MethodPost, "/api/v1/scans", token, changed)
			code, _ := r.refusal()
			want(t, name, fmt.Sprint(r.status, code), "409conflict")
		}
		want(t, "somebody else's request of that name", d.ask(http.MethodPost, "/api/v1/scans", other, body).status, http.StatusOK)
		want(t, "records", d.counted("s001")-before, 2)
	})

	t.Run("a login code serves once", func(t *testing.T) {
		d.t = t
		for i, app := range []string{"wechat", "alipay"} {
			login := fmt.Sprintf(`{"app":%q,"login_code":%q}`, app, d.loginCode(d.phone(app, people[30+i])))
			want(t, app, d.ask(http.MethodPost, "/api/v1/sessions", "", login).status, http.StatusOK)
			r := d.ask(http.MethodPost, "/api/v1/sessions", "", login)
			code, field := r.refusal()
			want(t, app+" again", fmt.Sprint(r.status, code, field), "422invalid_fieldlogin_code")
		}
	})

	t.Run("logins while a platform misbehaves", func(t *testing.T) {
		d.t = t
		for i, app := range []string{"wechat", "alipay"} {
			phone := d.phone(app, people[40+i])
			t.Run(app, func(t *testing.T) {
				t.Parallel()
				d := *d
				d.t = t
				for _, mode := range []string{"refuse", "500", "garbage", "ratelimit", "slow", "hang"} {
					secret := d.loginCode(phone)
					d.fault(app, mode)
					r := d.ask(http.MethodPost, "/api/v1/sessions", "", fmt.Sprintf(`{"app":%q,"login_code":%q}`, app, secret))
					status := http.StatusServiceUnavailable
					if mode == "slow" {
						status = http.StatusOK
					} else if code, _ := r.refusal(); code != "unavailable" || r.header.Get("Retry-After") == "" {
						t.Errorf("%s: refused with %q, Retry-After %q", mode, code, r.header.Get("Retry-After"))
					}
					want(t, mode, r.status, status)
					wantNo(t, "the refusal", r.body, secret, "errcode", "45009", "http://")
					if r.took > 6*time.Second {
						t.Errorf("%s: the answer took %s", mode, r.took)
					}
					d.fault(app, "none")
				}
				_, registered := d.login(app, phone)
				want(t, "login afterwards", registered, true)
			})
		}
	})

	t.Run("a forgotten access token is fetched anew", func(t *testing.T) {
		d.t = t
		red := d.phone("wechat", people[50])
		d.colour(people[50].ID, "red")
		before := len(d.told("s001", "【预警】"))
		for _, app := range []string{"wechat", "alipay", "wecom", "service_account"} {
			d.control(http.MethodPost, "/sim/tokens/expire", object{"app": app}, nil)
		}
		d.phone("wechat", people[51]) // asks the platform for the phone number
		d.scan(red, hall, nil)
		soon(t, "alarm", func() []string { return d.told("s001", "【预警】")[before:] })
		d.alone("s005", serviceChat, "上报 41")
		soon(t, "difference", func() []string { return d.told("s005", "【核查】") })
	})

	t.Run("what WeCom does not take goes out later, once", func(t *testing.T) {
		d.t = t
		// Now 15:30 has passed.
		d.fault("wecom", "ratelimit") // 45009 in a 200
		d.at("15:50:00")
		want(t, "reminders while limited", len(d.pushed("g-gov", "reminder")), 2)
		d.fault("wecom", "none")
		d.pass("3m")
		reminders := d.pushed("g-gov", "reminder")
		want(t, "reminders after the limit", len(reminders), 3)
		wantNo(t, "reminder", reminders[len(reminders)-1], "卫生健康委员会")

		for _, mode := range []string{"500", "refuse", "garbage"} {
			d.fault("wecom", mode)
			if mode == "500" {
				var moved struct{ Deferred int }
				d.control(http.MethodPost, "/sim/clock", object{"now": "2022-05-18T16:10:00+08:00"}, &moved)
				if moved.Deferred == 0 {
					t.Error("no delivery was deferred")
				}
			}
			d.pass("2m")
			want(t, "digests while WeCom is in "+mode, len(d.pushed("g-gov", "digest")), 0)
		}
		d.fault("wecom", "none")
		d.pass("15m")
		for _, g := range []string{"g-gov", "g-town", "g-edu", "g-biz"} {
			want(t, "digests in "+g, len(d.pushed(g, "digest")), 1)
		}
		d.pass("2h")
		want(t, "digests in the evening", len(d.pushed("g-gov", "digest")), 1)
	})
}

func metric(t *testing.T, d *town, name string) float64 {
	t.Helper()
	for _, l := range strings.Split(d.metrics(), "\n") {
		if rest, ok := strings.CutPrefix(l, name+" "); ok {
			v, err := strconv.ParseFloat(rest, 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// Canaries: texts that would be recognised wherever they came out.
var canaries = []resident{{Name: "麒麟丹砂"}, {Name: "貔貅青黛"}, {Name: "饕餮朱砂"}}

const canaryText = "上报 3131 朱鹮白鹇"

// TestHostileCallers: whoever calls may lie in every byte.
func TestHostileCallers(t *testing.T) {
	abroad := quietTown(t)
	foreign, _ := abroad.login("wechat", abroad.phone("wechat", abroad.view.Residents[0]))
	abroad.stop()

	d := quietTown(t)
	for i := range canaries {
		canaries[i].ID, canaries[i].Phone = d.view.Residents[100+i].ID, d.view.Residents[100+i].Phone
	}
	hall := d.doorOf("青禾市民中心")
	phone := d.phone("wechat", canaries[0])
	token, _ := d.login("wechat", phone)
	d.fault("wechat", "wrongperson") // nobody else has WeChat: it speaks of a stranger
	stranger, registered := d.login("wechat", phone)
	d.fault("wechat", "none")
	want(t, "a stranger is registered", registered, false)
	scanBody := fmt.Sprintf(`{"code":%q,"request_id":"hostile"}`, hall.Code)
	run := func(name string, f func(*testing.T)) {
		t.Run(name, func(t *testing.T) { d.t = t; f(t) })
	}

	run("codes that are none are all alike", func(t *testing.T) {
		unknown, err := venue.NewCode(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		codes := []string{string(unknown), "x", "0000000000000001", strings.Repeat("9", 300), "%00", "%E6%89%AB", "..%2F..%2Fetc", hall.Code[:15], "none.html"}
		for _, path := range []string{"/api/v1/codes/", "/v/"} {
			first := d.ask(http.MethodGet, path+codes[0], token, "")
			want(t, path, first.status, http.StatusNotFound)
			for _, code := range codes[1:] {
				wantSame(t, path+code, d.ask(http.MethodGet, path+code, token, ""), first)
			}
		}
		first := d.ask(http.MethodPost, "/api/v1/scans", token, fmt.Sprintf(`{"code":%q,"request_id":"none"}`, unknown))
		code, _ := first.refusal()
		want(t, "scan", fmt.Sprint(first.status, code), "404code_invalid")
		for _, where := range []string{
			`"code":"x"`, `"code":""`, `"code":"麒麟"`, `"link":"http://example.org/v/` + hall.Code + `"`, `"link":"` + hall.Link + `x"`,
			`"link":"javascript:alert(1)"`, `"link":"` + strings.Replace(hall.Link, hall.Code, string(unknown), 1) + `"`, `"x":1`,
		} {
			wantSame(t, where, d.ask(http.MethodPost, "/api/v1/scans", token, `{`+where+`,"request_id":"none"}`), first)
		}
	})

	run("bodies that are not what they should be", func(t *testing.T) {
		for _, body := range []string{
			``, `{`, `null,`, `[]`, `"text"`, `7`, `{"code":5}`, `{"code":{"$ne":""}}`, `{"request_id":["a"]}`, `{"companions":{}}`, `{"companions":[7]}`,
			strings.Repeat("[", 30000), strings.Repeat(`{"a":`, 10001) + "1" + strings.Repeat("}", 10001), "\xff\xfe{}", `{"code":"x"} trailing`,
		} {
			for method, path := range map[string]string{"/api/v1/scans": http.MethodPost, "/api/v1/sessions": http.MethodPost, "/api/v1/me": http.MethodPut} {
				r := d.ask(path, method, token, body)
				code, _ := r.refusal()
				if r.status/100 != 4 || code == "" {
					t.Errorf("%s with %.20q: %d %s", method, body, r.status, r.body)
				}
			}
		}
		r := d.ask(http.MethodPost, "/api/v1/scans", token, `{"code":5}`)
		code, _ := r.refusal()
		want(t, "a wrong type", fmt.Sprint(r.status, code), "400bad_json")
	})

	run("fields that do not pass", func(t *testing.T) {
		me := func(change object) string {
			body := object{"name": canaries[1].Name, "id_type": "resident_id", "id_number": canaries[1].ID, "phone": canaries[1].Phone, "consent": true}
			maps.Copy(body, change)
			b, _ := json.Marshal(body)
			return string(b)
		}
		id := canaries[1].ID
		wrong := id[:17] + string('0'+(id[17]-'0'+1)%10)
		if id[17] == 'X' {
			wrong = id[:17] + "0"
		}
		for _, c := range []struct {
			change object
			field  string
		}{
			{object{"name": ""}, "name"},
			{object{"name": "麒麟\u202e砂"}, "name"},
			{object{"name": strings.Repeat("麒", 51)}, "name"},
			{object{"name": "=1+1"}, "name"},
			{object{"id_number": wrong}, "id_number"},
			{object{"id_number": "419981202202310011"}, "id_number"},
			{object{"id_number": ""}, "id_number"},
			{object{"id_type": "passport"}, "id_type"},
			{object{"phone": "12345"}, "phone"},
			{object{"phone": ""}, "phone"},
			{object{"phone_code": "made-up"}, "phone_code"},
			{object{"consent": false}, "consent"},
			{object{"consent": nil}, "consent"},
		} {
			r := d.ask(http.MethodPut, "/api/v1/me", stranger, me(c.change))
			code, field := r.refusal()
			if r.status != http.StatusUnprocessableEntity || code != "invalid_field" || field != c.field {
				t.Errorf("%v: %d %s, want 422 naming %s", c.change, r.status, r.body, c.field)
			}
			wantNo(t, "the refusal", r.body, id, wrong, canaries[1].Name, canaries[1].Phone)
		}
		// Name and number alone open nobody's record.
		r := d.ask(http.MethodPut, "/api/v1/me", stranger, me(object{"name": canaries[0].Name, "id_number": canaries[0].ID}))
		want(t, "somebody else's number", r.status, http.StatusConflict)
		want(t, "and one is still nobody", d.ask(http.MethodPost, "/api/v1/scans", stranger, scanBody).status, http.StatusForbidden)

		companion := func(who ...resident) string {
			b, _ := json.Marshal(object{"code": hall.Code, "request_id": "party", "companions": who})
			return string(b)
		}
		six := slices.Clone(d.view.Residents[110:116])
		for body, field := range map[string]string{
			fmt.Sprintf(`{"code":%q}`, hall.Code):                                          "request_id",
			fmt.Sprintf(`{"code":%q,"request_id":"a b"}`, hall.Code):                       "request_id",
			fmt.Sprintf(`{"code":%q,"request_id":%q}`, hall.Code, strings.Repeat("a", 65)): "request_id",
			fmt.Sprintf(`{"code":%q,"request_id":"a","direction":"up"}`, hall.Code):        "direction",
			fmt.Sprintf(`{"code":%q,"request_id":"a","presence":"31.2,121.4"}`, hall.Code): "presence",
			companion(six...):                               "companions",
			companion(six[0], six[0]):                       "companions",
			companion(canaries[0]):                          "companions",
			companion(resident{Name: six[0].Name, ID: "1"}): "id_number",
			companion(resident{Name: "", ID: six[0].ID}):    "name",
		} {
			r := d.ask(http.MethodPost, "/api/v1/scans", token, body)
			if _, got := r.refusal(); r.status != http.StatusUnprocessableEntity || got != field {
				t.Errorf("%s: %d %s, want 422 naming %s", body, r.status, r.body, field)
			}
		}
		for _, body := range []string{`{"app":"qq","login_code":"x"}`, `{"app":"wechat","login_code":"made-up"}`, `{"app":"wechat"}`, `{"app":"alipay","login_code":"made-up"}`} {
			want(t, body, d.ask(http.MethodPost, "/api/v1/sessions", "", body).status, http.StatusUnprocessableEntity)
		}
		want(t, "records of refused scans", d.counted("s001"), 0)
	})

	run("who is not who they say", func(t *testing.T) {
		forged := map[string]string{"none": "", "a word": "x", "a foreign one": foreign, "cut": token[:len(token)-1], "longer": token + "A", "long": strings.Repeat("A", 6000)}
		for i := 0; i < len(token); i += max(1, len(token)/12) {
			b := []byte(token)
			b[i] = flipped(b[i])
			forged[fmt.Sprint("changed at ", i)] = string(b)
		}
		for name, token := range forged {
			for path, method := range map[string]string{"/api/v1/scans": http.MethodPost, "/api/v1/me": http.MethodGet} {
				r := d.ask(method, path, token, scanBody)
				code, _ := r.refusal()
				want(t, name+" "+path, fmt.Sprint(r.status, code), "401unauthorized")
			}
			want(t, name+" registers", d.ask(http.MethodPut, "/api/v1/me", token, `{}`).status, http.StatusUnauthorized)
		}
		request := newRequest(t, http.MethodGet, d.product+"/api/v1/me", "", "")
		request.Header.Set("Authorization", "Basic "+token)
		want(t, "another scheme", send(t, request).status, http.StatusUnauthorized)
		want(t, "in the query", d.ask(http.MethodGet, "/api/v1/me?token="+token+"&access_token="+token, "", "").status, http.StatusUnauthorized)
		for path, method := range map[string]string{"/api/v1/scans": http.MethodPost, "/api/v1/me": http.MethodGet} {
			r := d.ask(method, path, stranger, scanBody)
			code, _ := r.refusal()
			want(t, "not registered", fmt.Sprint(r.status, code), "403not_registered")
		}
	})

	run("bodies that are too large, or only look small", func(t *testing.T) {
		limit := 64 << 10
		full := `{"x":"` + strings.Repeat("a", limit-8) + `"}`
		want(t, "64 KiB", d.ask(http.MethodPost, "/api/v1/scans", token, full).status, http.StatusUnprocessableEntity)
		r := d.ask(http.MethodPost, "/api/v1/scans", token, full+" ")
		code, _ := r.refusal()
		want(t, "a byte more", fmt.Sprint(r.status, code), "413too_large")

		bomb := gzipped(t, 16<<20)
		if len(bomb) >= limit {
			t.Fatalf("the bomb has %d bytes", len(bomb))
		}
		for _, path := range []string{"/api/v1/scans", "/callbacks/wecom/robot", "/nowhere"} {
			for _, encoding := range []string{"gzip", "deflate", "br", "gzip, gzip", "identity"} {
				request := newRequest(t, http.MethodPost, d.product+path, token, string(bomb))
				request.Header.Set("Content-Encoding", encoding)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				r := send(t, request)
				runtime.ReadMemStats(&after)
				want(t, path+" "+encoding, r.status, http.StatusUnsupportedMediaType)
				if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
					t.Errorf("%s: %d MB were allocated", encoding, grown>>20)
				}
			}
		}
		want(t, "a long header", d.ask(http.MethodGet, "/api/v1/me", strings.Repeat("a", 20<<10), "").status, http.StatusRequestHeaderFieldsTooLarge)
		want(t, "another method", d.ask(http.MethodDelete, "/api/v1/scans", token, "").status, http.StatusMethodNotAllowed)
		want(t, "another path", d.ask(http.MethodGet, "/api/v1/nowhere", token, "").status, http.StatusNotFound)
	})

	run("a request hidden behind a refused one is not heard", func(t *testing.T) {
		hidden := fmt.Sprintf("POST /api/v1/scans HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", token, len(scanBody), scanBody)
		head := "POST /api/v1/scans HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + token + "\r\n"
		filler := strings.Repeat(" ", 65537)
		for _, c := range []struct{ name, request, status string }{
			{"too large", head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(filler)) + filler + hidden, "413"},
			{"too large, the rest unread", head + "Content-Length: 99999999\r\n\r\n" + hidden, "413"},
			{"too large in chunks", head + "Transfer-Encoding: chunked\r\n\r\n10001\r\n" + filler + "\r\n0\r\n\r\n" + hidden, "413"},
			{"compressed", head + "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc" + hidden, "415"},
			{"two lengths", head + "Content-Length: 0\r\nContent-Length: " + strconv.Itoa(len(hidden)) + "\r\n\r\n" + hidden, "400"},
			{"length and chunks", head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, "400"},
			{"chunks and length", head + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + hidden, "400"},
			{"an unknown coding", head + "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + hidden, "400"},
			{"a length with a sign", head + "Content-Length: +5\r\n\r\n0\r\n\r\n" + hidden, "400"},
		} {
			answers := overTCP(t, d.product, c.request)
			if n := strings.Count(answers, "HTTP/1.1 "); n != 1 || !strings.HasPrefix(answers, "HTTP/1.1 "+c.status) {
				t.Errorf("%s: %d answers, want one %s:\n%.600s", c.name, n, c.status, answers)
			}
		}
		want(t, "records", d.counted("s001"), 0)
	})

	run("callbacks that no platform made", func(t *testing.T) { forgedCallbacks(t, d) })

	run("nothing private comes out", func(t *testing.T) {
		d.scan(phone, hall, object{"companions": canaries[2:]})
		d.fault("wechat", "500")
		d.fault("wecom", "garbage")
		d.colour(canaries[0].ID, "red")
		fresh := d.phone("alipay", resident{canaries[1].Name, canaries[1].ID, canaries[1].Phone})
		d.colour(canaries[1].ID, "red")
		d.scan(fresh, hall, nil)
		login := d.loginCode(phone)
		for _, r := range []reply{ // faults of ours, which are logged
			d.ask(http.MethodPost, "/api/v1/sessions", "", fmt.Sprintf(`{"app":"wechat","login_code":%q}`, login)),
			d.ask(http.MethodPut, "/api/v1/me", token, fmt.Sprintf(`{"name":%q,"id_number":%q,"phone_code":%q,"consent":true}`, canaries[0].Name, canaries[0].ID, login)),
		} {
			want(t, "with the platform away", r.status, http.StatusServiceUnavailable)
		}
		d.inGroup("g-gov", "s003", canaryText)
		d.pass("1m")
		searched := private(t, d, append(forgeries, token, stranger, foreign, login))
		metrics := d.metrics()
		d.stop()
		for _, wrong := range []string{"message failed", "request failed"} {
			if log := d.log.String(); !strings.Contains(log, wrong) {
				t.Errorf("no %q, so the log proves nothing:\n%.2000s", wrong, log)
			}
		}
		for what, text := range searched {
			wantNo(t, "log ("+what+")", short(d.log.String(), text), text)
			wantNo(t, "metrics ("+what+")", short(metrics, text), text)
		}
		wantSealed(t, filepath.Join(d.data, "data"), searched, hall.Venue)
	})
}

// short keeps a failure readable: the text around what must not be there.
func short(text, around string) string {
	i := strings.Index(text, around)
	if i < 0 {
		return ""
	}
	return text[max(0, i-200):min(len(text), i+len(around)+200)]
}

// wantSame: nothing in the answer tells the two apart.
func wantSame(t *testing.T, what string, got, expected reply) {
	t.Helper()
	for _, r := range []reply{got, expected} {
		r.header.Del("Date")
	}
	if got.status != expected.status || got.body != expected.body || !maps.EqualFunc(got.header, expected.header, slices.Equal[[]string]) {
		t.Errorf("%s: answered %d %v %q, want %d %v %q", what, got.status, got.header, got.body, expected.status, expected.header, expected.body)
	}
}

func flipped(b byte) byte {
	if b == 'A' {
		return 'B'
	}
	return 'A'
}

func gzipped(t *testing.T, size int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.CopyN(w, zeros{}, int64(size)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// overTCP sends bytes as they are and gives all that comes back until the other
// side closes; it must.
func overTCP(t *testing.T, base, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(machine.Now().Add(3 * time.Second))
	go func() { _, _ = io.WriteString(c, request) }() // the other side may close before all is sent
	answers, err := io.ReadAll(c)
	var slow net.Error
	if e, ok := err.(net.Error); ok {
		slow = e
	}
	if slow != nil && slow.Timeout() {
		t.Errorf("the connection stays open after:\n%.300s", answers)
	}
	return string(answers)
}

// forgeries are the texts of the callbacks below, which must not be in a log.
var forgeries = []string{"上报 998 白泽"}

func forgedCallbacks(t *testing.T, d *town) {
	k := d.keys()
	openid := sim.ServiceOpenID("s003")
	n := 0
	genuine := func(at time.Time) sim.Incoming {
		n++
		return sim.Incoming{MsgID: strconv.Itoa(7000 + n), From: "s003", Chat: "g-gov", Text: forgeries[0], Sent: d.now(), At: at, Nonce: "nonce" + strconv.Itoa(n)}
	}
	call := func(c sim.Callback) reply {
		t.Helper()
		request, err := c.Request(context.Background(), d.product)
		if err != nil {
			t.Fatal(err)
		}
		return send(t, request)
	}
	refused := func(what string, c sim.Callback, status int, code string) {
		t.Helper()
		r := call(c)
		got, _ := r.refusal()
		want(t, c.Path+", "+what, fmt.Sprint(r.status, got), fmt.Sprint(status, code))
	}
	otherReceiver, otherKey, otherToken := k, k, k
	otherReceiver.WeCom.CorpID, otherReceiver.Service.AppID = "ww0000000000000000", "wx0000000000000000"
	otherKey.Robot.AESKey, otherKey.WeCom.AESKey, otherKey.Service.AESKey = k.WeCom.AESKey, k.Service.AESKey, k.Robot.AESKey
	otherToken.Robot.Token, otherToken.WeCom.Token, otherToken.Service.Token = "abcdef", "abcdef", "abcdef"

	for _, door := range []struct {
		path  string
		build func(sim.Keys, sim.Incoming) (sim.Callback, error)
	}{{sim.RobotPath, sim.RobotCallback}, {sim.AppPath, sim.AppCallback}, {sim.ServicePath, sim.ServiceCallback}} {
		made := func(k sim.Keys, at time.Time) sim.Callback {
			t.Helper()
			m := genuine(at)
			if door.path == sim.ServicePath {
				m.From = openid
			}
			c, err := door.build(k, m)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		now := machine.Now()

		refused("of another key", made(otherKey, now), 403, "forged")
		refused("of another token", made(otherToken, now), 403, "forged")
		if door.path != sim.RobotPath { // a robot's messages name no receiver
			refused("for another receiver", made(otherReceiver, now), 403, "forged")
		}
		refused("of five minutes ago", made(k, now.Add(-302*time.Second)), 403, "stale")
		refused("of the future", made(k, now.Add(302*time.Second)), 403, "stale")

		c := made(k, now)
		i := bytes.Index(c.Body, []byte("ncrypt")) + 40
		for ; i < len(c.Body)-40; i += 31 {
			changed := c
			changed.Body = bytes.Clone(c.Body)
			changed.Body[i] = flipped(changed.Body[i])
			refused(fmt.Sprint("changed at ", i), changed, 403, "forged")
		}
		for _, name := range []string{"msg_signature", "timestamp", "nonce"} {
			changed := c
			changed.Query = maps.Clone(c.Query)
			changed.Query.Del(name)
			refused("without "+name, changed, 400, "incomplete")
			changed.Query.Set(name, strings.Repeat("9", 40))
			if r := call(changed); r.status != 403 && r.status != 400 {
				t.Errorf("%s with another %s: %d", c.Path, name, r.status)
			}
		}
		changed := c
		changed.Query = maps.Clone(c.Query)
		changed.Query.Set("timestamp", strconv.FormatInt(now.Unix()+1, 10))
		refused("with another timestamp", changed, 403, "forged")
		for name, body := range map[string]string{
			"empty": "", "not sealed": "<xml><Content>" + forgeries[0] + "</Content></xml>", "plain JSON": `{"text":{"content":"上报 998"}}`,
			"an entity": `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml><Encrypt>&e;</Encrypt></xml>`, "deep": strings.Repeat("<a>", 9000),
		} {
			changed := c
			changed.Body = []byte(body)
			r := call(changed)
			if r.status != 400 && r.status != 403 {
				t.Errorf("%s, %s: %d %s", c.Path, name, r.status, r.body)
			}
			wantNo(t, c.Path+", "+name, r.body, "root:")
		}
		changed.Body = bytes.Repeat([]byte("a"), 64<<10+1)
		refused("too large", changed, 413, "too_large")

		echo, err := sim.EchoCallback(k, door.path, "echo", now, "n-echo")
		if err != nil {
			t.Fatal(err)
		}
		want(t, "echo", call(echo).body, "echo")
		for _, name := range []string{"signature", "msg_signature"} {
			if echo.Query.Has(name) {
				echo.Query.Set(name, strings.Repeat("0", 40))
			}
		}
		refused("echo with another signature", echo, 403, "forged")
	}

	// The service account's plain mode is closed, even correctly signed.
	m := genuine(machine.Now())
	m.From = openid
	c, err := sim.ServiceCallback(k, m)
	if err != nil {
		t.Fatal(err)
	}
	plain := "<xml><ToUserName>a</ToUserName><FromUserName>" + openid + "</FromUserName><CreateTime>1652857200</CreateTime><MsgType>text</MsgType><Content>上报 998</Content><MsgId>1</MsgId></xml>"
	downgraded := c
	downgraded.Query = maps.Clone(c.Query)
	downgraded.Body = []byte(plain)
	refused("plain in safe mode", downgraded, 400, "malformed")
	downgraded.Query.Del("encrypt_type")
	refused("plain", downgraded, 403, "plaintext")
	downgraded.Query.Set("encrypt_type", "raw")
	refused("plain", downgraded, 403, "plaintext")

	if r := send(t, newRequest(t, http.MethodPost, d.product+"/callbacks/alipay", "", "notify_type=x&sign=AAAA&sign_type=RSA2")); r.status/100 != 4 {
		t.Errorf("a forged notice of Alipay: %d %s", r.status, r.body)
	}

	wantText(t, "查 after all that", d.alone("s003", wecomChat, "查"), "尚未上报")

	// The same builders do make what is heard, once.
	m = genuine(machine.Now())
	m.Text = "上报 4"
	heard := func() string {
		t.Helper()
		c, err := sim.RobotCallback(k, m)
		if err != nil {
			t.Fatal(err)
		}
		r := call(c)
		said, err := sim.OpenReply(k, c.Path, []byte(r.body))
		if err != nil {
			t.Fatalf("%d %s: %v", r.status, r.body, err)
		}
		refused("again", c, 403, "replayed")
		return said
	}
	first := heard()
	wantText(t, "a genuine one", first, "4 次", "已收到")
	m.Nonce = "retry" // as a platform tries again: another signature, the same message
	want(t, "the platform's retry", heard(), first)
	wantNo(t, "查", d.alone("s003", wecomChat, "查"), "更正")
}

// private is everything that must stay inside, by what it is.
func private(t *testing.T, d *town, more []string) map[string]string {
	t.Helper()
	found := map[string]string{"chat text": "朱鹮白鹇"}
	for i, c := range canaries {
		found[fmt.Sprint("name ", i)] = c.Name
		found[fmt.Sprint("id ", i)] = c.ID
		found[fmt.Sprint("phone ", i)] = c.Phone
	}
	for i, s := range more {
		found[fmt.Sprint("token or text ", i)] = s
	}
	world, err := os.ReadFile(filepath.Join(d.data, "world", "world.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range regexp.MustCompile(`"openid":"([^"]+)"`).FindAllStringSubmatch(string(world), -1) {
		found[fmt.Sprint("openid ", i)] = m[1]
	}
	found["openid of staff"] = sim.ServiceOpenID("s003")
	k := d.keys()
	maps.Copy(found, map[string]string{
		"wechat secret": k.Wechat.Secret, "service secret": k.Service.Secret, "service token": k.Service.Token, "service key": k.Service.AESKey,
		"wecom secret": k.WeCom.Secret, "app token": k.WeCom.Token, "app key": k.WeCom.AESKey, "robot token": k.Robot.Token, "robot key": k.Robot.AESKey,
		"alipay key": k.Alipay.AppPrivate[:60], "alipay phone key": k.Alipay.AESKey, "health credential": k.Health,
	})
	for group, key := range k.Webhooks {
		found["webhook of "+group] = key
	}
	for what, text := range found {
		if len(text) < 4 {
			t.Fatalf("%s is no canary: %q", what, text)
		}
	}
	return found
}

// wantSealed searches every file of a folder, in all the ways in which a text
// may lie there unsealed. What is open must be found, or the search is blind.
func wantSealed(t *testing.T, folder string, searched map[string]string, open string) {
	t.Helper()
	secret := maps.Clone(searched)
	maps.DeleteFunc(secret, func(what, _ string) bool { // numbers are no secret; the log is where texts must not be
		return strings.HasPrefix(what, "chat") || strings.HasPrefix(what, "token or text")
	})
	finder := canary.NewFinder(secret)
	found := false
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found = found || bytes.Contains(content, []byte(open))
		for _, what := range finder.Find(content) {
			t.Errorf("%s holds %s", e.Name(), what)
		}
		return nil
	})
	if err != nil || !found {
		t.Errorf("the search found %s: %t; %v", open, found, err)
	}
}
