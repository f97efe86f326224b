package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestTheCityAnswersWithEveryListAndField(t *testing.T) {
	w := open(t, nil)
	var out map[string][]map[string]any
	var raw map[string]json.RawMessage
	w.must("GET", "/sim/city", nil, &raw)
	delete(raw, "robot")
	b, _ := json.Marshal(raw)
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	for list, fields := range map[string][]string{
		"units":     {"id", "name", "duty"},
		"doors":     {"code", "link", "unit", "venue", "name", "class", "sentinel", "status"},
		"residents": {"name", "id_number", "phone"},
		"staff":     {"userid", "unit", "name", "group"},
		"groups":    {"id", "name"},
	} {
		if len(out[list]) == 0 {
			t.Errorf("no %s", list)
			continue
		}
		for _, f := range fields {
			if _, ok := out[list][0][f]; !ok {
				t.Errorf("%s have no %s", list, f)
			}
		}
	}
	empty := open(t, func(o *Options) { o.City = City{} })
	empty.must("GET", "/sim/city", nil, &raw)
	if string(raw["doors"]) != "[]" {
		t.Errorf("no doors are %s, want []", raw["doors"])
	}
}

func TestTheClock(t *testing.T) {
	w := open(t, nil)
	fixed := open(t, func(o *Options) { o.Control = nil })
	for _, c := range []struct {
		name   string
		on     *world
		body   any
		status int
		now    string
	}{
		{"moved to an instant", w, map[string]string{"now": "2022-05-20T16:00:00.000+08:00"}, 200, "2022-05-20T16:00:00.000+08:00"},
		{"moved to an instant written in UTC", w, map[string]string{"now": "2022-05-20T08:00:01Z"}, 200, "2022-05-20T16:00:01.000+08:00"},
		{"moved on", w, map[string]string{"advance": "90s"}, 200, "2022-05-20T16:01:31.000+08:00"},
		{"moved back", w, map[string]string{"now": "2022-05-20T15:00:00.000+08:00"}, 409, ""},
		{"moved back by a duration", w, map[string]string{"advance": "-1s"}, 409, ""},
		{"moved twice", w, map[string]string{"now": "2022-05-20T18:00:00+08:00", "advance": "1s"}, 400, ""},
		{"not moved", w, map[string]string{}, 400, ""},
		{"moved to nonsense", w, map[string]string{"now": "16:00"}, 400, ""},
		{"moved by nonsense", w, map[string]string{"advance": "soon"}, 400, ""},
		{"moved where nobody can", fixed, map[string]string{"advance": "1s"}, 409, ""},
	} {
		var out struct {
			Now           string
			Ran, Deferred int
			Error         struct{ Code, Message string }
		}
		status := c.on.do("POST", "/sim/clock", c.body, &out)
		if status != c.status || out.Now != c.now {
			t.Errorf("%s: %d %q, want %d %q", c.name, status, out.Now, c.status, c.now)
		}
		if status == 200 && (out.Ran != 3 || out.Deferred != 1) {
			t.Errorf("%s: ran %d, deferred %d", c.name, out.Ran, out.Deferred)
		}
		if status != 200 && (out.Error.Code == "" || out.Error.Message == "") {
			t.Errorf("%s: refused without a reason", c.name)
		}
	}
	var out struct {
		Now     string
		Movable bool
		Speed   float64
	}
	w.must("GET", "/sim/clock", nil, &out)
	if out.Now != "2022-05-20T16:01:31.000+08:00" || !out.Movable {
		t.Errorf("the clock reads %+v", out)
	}
}

func TestBadControlInputIsRefused(t *testing.T) {
	w := open(t, nil)
	type m = map[string]string
	for _, c := range []struct {
		name, method, path string
		body               any
		want               int
	}{
		{"a phone for no app", "POST", "/sim/phones", m{"app": "qq", "name": "a", "id_number": "b", "phone": "c"}, 400},
		{"a phone for nobody", "POST", "/sim/phones", m{"app": "wechat"}, 400},
		{"a phone nobody has", "POST", "/sim/phones/p0/scans", m{"link": "x"}, 404},
		{"its messages", "GET", "/sim/phones/p0/messages", nil, 404},
		{"a colour there is not", "PUT", "/sim/health/11010119900307803X", m{"color": "blue"}, 400},
		{"a colour for no number", "PUT", "/sim/health/1", m{"color": "red"}, 400},
		{"a group there is not", "GET", "/sim/groups/g9/messages", nil, 404},
		{"writing to it", "POST", "/sim/groups/g9/messages", m{"from": "wang", "text": "x"}, 404},
		{"writing nothing", "POST", "/sim/groups/g1/messages", m{"from": "wang", "text": " "}, 400},
		{"nobody writing", "POST", "/sim/groups/g1/messages", m{"text": "x"}, 400},
		{"no channel", "POST", "/sim/chats/wang/messages", m{"channel": "sms", "text": "x"}, 400},
		{"a userid that is none", "GET", "/sim/chats/%E7%8E%8B/messages", nil, 400},
		{"messages after nonsense", "GET", "/sim/groups/g1/messages?after=x", nil, 400},
		{"a service there is not", "PUT", "/sim/faults/sms", m{"mode": "none"}, 404},
		{"a mode there is not", "PUT", "/sim/faults/health", m{"mode": "angry"}, 400},
		{"tokens of no app", "POST", "/sim/tokens/expire", m{"app": "sms"}, 400},
		{"no body", "POST", "/sim/clock", nil, 400},
		{"a route there is not", "GET", "/sim/nothing", nil, 404},
	} {
		var out struct {
			Error struct{ Code, Message string }
		}
		if got := w.do(c.method, c.path, c.body, &out); got != c.want || out.Error.Code == "" || out.Error.Message == "" {
			t.Errorf("%s: %d %+v, want %d", c.name, got, out.Error, c.want)
		}
	}
}

func TestAPhoneRegistersAndScansAsTheAppDoes(t *testing.T) {
	for _, app := range []string{"wechat", "alipay"} {
		t.Run(app, func(t *testing.T) {
			p := fakeProduct(t, testKeys())
			w := open(t, func(o *Options) { o.Product = p.URL })
			id := w.phoneOf(app)
			me := p.me[0]
			if me["name"] != "张三" || me["id_type"] != "resident_id" || me["id_number"] != "11010119900307803X" ||
				me["consent"] != true || me["phone_code"] == "" || me["phone"] != nil {
				t.Errorf("registered as %v", me)
			}
			scan := func(in map[string]any) (int, map[string]any) {
				in["link"] = "https://code.example/v/D1"
				var out struct {
					Status int
					Body   map[string]any
				}
				w.must("POST", "/sim/phones/"+id+"/scans", in, &out)
				return out.Status, out.Body
			}
			if status, body := scan(map[string]any{"direction": "in", "companions": []map[string]string{{"name": "李四", "id_number": "x"}}}); status != 200 || body["decision"] != "admit" {
				t.Errorf("the phone got %d %v", status, body)
			}
			scan(map[string]any{"request_id": "r1", "location": map[string]float64{"lat": 23.001, "lng": 113}})
			scan(map[string]any{"location": map[string]float64{"lat": 23.01, "lng": 113}})
			scan(map[string]any{"location": map[string]any{}})
			if p.logins != 1 {
				t.Errorf("logged in %d times, want once", p.logins)
			}
			want := []any{nil, "near", "far", "unknown"}
			for i, s := range p.scans {
				if s["presence"] != want[i] || s["location"] != nil || s["request_id"] == "" {
					t.Errorf("scan %d was sent as %v, want presence %v", i, s, want[i])
				}
			}
			first := p.scans[0]
			if first["direction"] != "in" || len(first["companions"].([]any)) != 1 || first["link"] != "https://code.example/v/D1" {
				t.Errorf("sent %v", first)
			}
			if p.scans[1]["request_id"] != "r1" || p.scans[0]["request_id"] == p.scans[2]["request_id"] {
				t.Error("request ids are not the caller's, or not fresh")
			}

			clear(p.sessions) // the product forgets
			if status, _ := scan(map[string]any{}); status != 200 || p.logins != 2 {
				t.Errorf("after a refused session: %d with %d logins, want 200 with 2", status, p.logins)
			}
		})
	}
}

func TestARefusedRegistrationIsPassedOnAndLeavesNoPhone(t *testing.T) {
	p := fakeProduct(t, testKeys())
	p.refuse = 422
	w := open(t, func(o *Options) { o.Product = p.URL })
	var out struct {
		Error struct{ Message string }
	}
	status := w.do("POST", "/sim/phones", map[string]string{"app": "wechat", "name": "张三", "id_number": "1", "phone": "2"}, &out)
	if status != 422 || out.Error.Message != "证件号码不正确" {
		t.Errorf("gave %d %+v", status, out)
	}
	var list struct{ Phones []any }
	w.must("GET", "/sim/phones", nil, &list)
	if len(list.Phones) != 0 {
		t.Errorf("%d phones are left", len(list.Phones))
	}
}

func TestASilentProductIsABadGateway(t *testing.T) {
	w := open(t, nil)
	dead := open(t, func(o *Options) { o.Product = "http://127.0.0.1:1" })
	for _, on := range []*world{w, dead} {
		if got := on.do("POST", "/sim/groups/g1/messages", map[string]string{"from": "wang", "text": "查"}, nil); got != 502 {
			t.Errorf("gave %d, want 502", got)
		}
		if got := on.messages("/sim/groups/g1/messages"); len(got) != 1 {
			t.Errorf("the group shows %d lines, want what was written", len(got))
		}
	}
}

func TestWhatIsWrittenArrivesSealedAndTheReplyIsShown(t *testing.T) {
	p := fakeProduct(t, testKeys())
	w := open(t, func(o *Options) { o.Product = p.URL })
	p.reply = func(path string, plain []byte) []byte {
		return sealReply(testKeys(), path, "收到 <@wang>")
	}
	for _, c := range []struct {
		name, path string
		body       map[string]string
		heard      []string
		channel    string
	}{
		{"in a group", "/sim/groups/g1/messages", map[string]string{"from": "wang", "text": "上报 326"},
			[]string{`"chatid":"g1"`, `"userid":"wang"`, `"content":"@场所码助手 上报 326"`, `"chattype":"group"`, `"create_time":1653030000`}, ""},
		{"in a group, with the mention", "/sim/groups/g2/messages", map[string]string{"from": "li", "text": "@场所码助手 查"},
			[]string{`"content":"@场所码助手 查"`}, ""},
		{"to the application", "/sim/chats/wang/messages", map[string]string{"channel": "wecom_app", "text": "a]]>b"},
			[]string{"<FromUserName><![CDATA[wang]]>", "a]]]]><![CDATA[>b", "<CreateTime>1653030000</CreateTime>"}, "wecom_app"},
		{"to the service account", "/sim/chats/newcomer/messages", map[string]string{"channel": "service_account", "text": "绑定 8888"},
			[]string{ServiceOpenID("newcomer"), "绑定 8888"}, "service_account"},
	} {
		var out struct{ Reply string }
		w.must("POST", c.path, c.body, &out)
		if out.Reply != "收到 <@wang>" {
			t.Errorf("%s: reply %q", c.name, out.Reply)
		}
		heard := p.heard[len(p.heard)-1]
		for _, part := range c.heard {
			if !strings.Contains(heard, part) {
				t.Errorf("%s: heard %s, want %s in it", c.name, heard, part)
			}
		}
		got := w.messages(c.path)
		if len(got) != 2 || got[0].Text != c.body["text"] || got[0].Kind != "chat" || got[0].Channel != c.channel ||
			got[1].From != "robot" || got[1].Kind != "reply" || fmt.Sprint(got[1].Mentions) != "[wang]" || got[1].Seq <= got[0].Seq {
			t.Errorf("%s: shows %+v", c.name, got)
		}
		if later := w.messages(fmt.Sprintf("%s?after=%d", c.path, got[0].Seq)); len(later) != 1 || later[0].Seq != got[1].Seq {
			t.Errorf("%s: after the first line there are %+v", c.name, later)
		}
	}
	// Who has written to the service account can be written to.
	if got := w.follower(ServiceOpenID("newcomer")); got != "newcomer" {
		t.Errorf("the newcomer's openid belongs to %q", got)
	}
}

func TestNoReplyAndBadReplies(t *testing.T) {
	p := fakeProduct(t, testKeys())
	w := open(t, func(o *Options) { o.Product = p.URL })
	for _, c := range []struct {
		name  string
		reply string
		want  int
	}{
		{"nothing", "", 200},
		{"success", "success", 200},
		{"plain text", "收到", 502},
		{"another's seal", string(sealReply(testKeys(), RobotPath, "x")), 502},
	} {
		p.mu.Lock()
		p.reply = func(string, []byte) []byte { return []byte(c.reply) }
		p.mu.Unlock()
		var out struct{ Reply string }
		got := w.do("POST", "/sim/chats/wang/messages", map[string]string{"channel": "wecom_app", "text": "x"}, &out)
		if got != c.want || out.Reply != "" {
			t.Errorf("%s: %d %q, want %d", c.name, got, out.Reply, c.want)
		}
	}
}

// The product calls back while it is being called: nothing may be locked.
func TestTheProductMayCallBackWhileItIsCalled(t *testing.T) {
	p := fakeProduct(t, testKeys())
	w := open(t, func(o *Options) { o.Product = p.URL })
	bot := w.sdk().work.GetRobot()
	key := w.Keys().Webhooks["g1"]
	p.reply = func(path string, _ []byte) []byte {
		if _, err := bot.RobotBroadcast(key, webhookText("【通报】x")); err != nil {
			t.Error(err)
		}
		return sealReply(testKeys(), path, "收到")
	}
	w.must("POST", "/sim/groups/g1/messages", map[string]string{"from": "wang", "text": "上报 1"}, nil)
	var order []string
	for _, m := range w.messages("/sim/groups/g1/messages") {
		order = append(order, m.Kind)
	}
	if got := fmt.Sprint(order); got != "[chat notice reply]" {
		t.Errorf("the group shows %s", got)
	}
}

func TestEchoCallbacksVerifyAddresses(t *testing.T) {
	k := testKeys()
	for _, path := range []string{RobotPath, AppPath, ServicePath} {
		c, err := EchoCallback(k, path, "12345", time.Unix(1653030000, 0), "n")
		if err != nil {
			t.Fatal(err)
		}
		q := c.Query
		if path == ServicePath {
			if q.Get("echostr") != "12345" || q.Get("signature") != sortedSHA1(k.Service.Token, "1653030000", "n") {
				t.Errorf("%s: %v", path, q)
			}
			continue
		}
		crypt, err := k.crypt(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := crypt.Open(q.Get("msg_signature"), q.Get("timestamp"), q.Get("nonce"), q.Get("echostr"))
		if err != nil || string(got) != "12345" {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
}

func TestFaults(t *testing.T) {
	w := open(t, nil)
	auth := w.sdk().mini.GetAuth()
	me, other := w.newPhone("wechat"), w.newPhone("wechat")
	health := func(ctx context.Context) (int, string, error) {
		req, _ := http.NewRequestWithContext(ctx, "POST", w.url+"/health/v1/query", strings.NewReader(`{"id_number":"11010119900307803X"}`))
		req.Header.Set("Authorization", "Bearer "+w.Keys().Health)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b), err
	}
	set := func(service, mode string) {
		t.Helper()
		w.must("PUT", "/sim/faults/"+service, map[string]string{"mode": mode}, nil)
	}
	w.must("PUT", "/sim/health/11010119900307803X", map[string]string{"color": "yellow"}, nil)

	set("health", "refuse")
	if _, _, err := health(t.Context()); err == nil {
		t.Error("a refusing service answered")
	}
	set("health", "hang")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	if _, _, err := health(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a hanging service gave %v", err)
	}
	cancel()
	set("health", "500")
	if status, _, _ := health(t.Context()); status != 500 {
		t.Errorf("500 gave %d", status)
	}
	set("health", "garbage")
	if status, body, _ := health(t.Context()); status != 200 || json.Valid([]byte(body)) {
		t.Errorf("garbage gave %d %s", status, body)
	}
	set("health", "ratelimit")
	if status, _, _ := health(t.Context()); status != 429 {
		t.Errorf("ratelimit gave %d", status)
	}
	set("health", "wrongperson")
	if _, body, _ := health(t.Context()); strings.Contains(body, "11010119900307803X") || !strings.Contains(body, `"green"`) {
		t.Errorf("wrongperson gave %s", body)
	}
	set("health", "slow")
	began := time.Now()
	if status, body, _ := health(t.Context()); status != 200 || !strings.Contains(body, "yellow") || time.Since(began) < slowness {
		t.Errorf("slow gave %d %s after %v", status, body, time.Since(began))
	}
	set("health", "none")
	if _, body, _ := health(t.Context()); !strings.Contains(body, "yellow") {
		t.Errorf("none gave %s", body)
	}

	set("wechat", "wrongperson")
	if got, err := auth.Code2SessionContext(t.Context(), w.LoginCode(me)); err != nil || got.OpenID != w.phones.get(other).OpenID {
		t.Errorf("wrongperson gave %+v, %v", got, err)
	}
	set("wechat", "ratelimit")
	if got, _ := auth.Code2SessionContext(t.Context(), w.LoginCode(me)); got.ErrCode != 45009 {
		t.Errorf("ratelimit gave %d, want 45009", got.ErrCode)
	}
	var out struct{ Faults map[string]string }
	w.must("GET", "/sim/faults", nil, &out)
	if fmt.Sprint(out.Faults) != "map[alipay:none health:none wechat:ratelimit wecom:none]" {
		t.Errorf("lists %v", out.Faults)
	}
}

func TestAWorldSurvivesARestart(t *testing.T) {
	p := fakeProduct(t, testKeys())
	dir := t.TempDir()
	again := func(o *Options) { o.Product, o.World, o.Keys = p.URL, dir, Keys{} }
	w := open(t, again)
	id := w.phoneOf("wechat")
	openid := w.phones.get(id).OpenID
	keys := w.Keys()
	for range 3 { // overwritten colours are not kept
		w.must("PUT", "/sim/health/11010119900307803X", map[string]string{"color": "red"}, nil)
	}
	p.mu.Lock()
	p.reply = func(path string, _ []byte) []byte { return sealReply(keys, path, "好") }
	p.mu.Unlock()
	// The fake product holds other keys, so it refuses; the line is still said.
	w.do("POST", "/sim/groups/g1/messages", map[string]string{"from": "wang", "text": "查"}, nil)
	said := w.messages("/sim/groups/g1/messages")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := w.do("PUT", "/sim/health/11010119900307803X", map[string]string{"color": "green"}, nil); got != 503 {
		t.Errorf("a closed world answered %d, want 503", got)
	}
	// A crash in the middle of a write leaves a line without an end.
	path := filepath.Join(dir, worldFile)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"phone":{"id":"p`)
	f.Close()

	w = open(t, again)
	if got := w.phones.get(id); got == nil || got.OpenID != openid {
		t.Fatalf("the phone is now %+v", got)
	}
	if got := w.colours.get("11010119900307803X"); got != "red" {
		t.Errorf("the colour is now %s", got)
	}
	if got := w.messages("/sim/groups/g1/messages"); fmt.Sprint(got) != fmt.Sprint(said) {
		t.Errorf("the group shows %v, want %v", got, said)
	}
	if a, b := w.Keys(), keys; a.Webhooks["g1"] != b.Webhooks["g1"] || a.Robot != b.Robot || a.Alipay != b.Alipay {
		t.Error("the keys changed")
	}
	w.must("PUT", "/sim/health/11010119900307803X", map[string]string{"color": "green"}, nil)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(b), "\n"); n != 4 { // phone, colour, line, the new colour
		t.Errorf("the memory has %d lines, want 4:\n%s", n, b)
	}
	seq, err := w.say(groupTalk("g1"), Message{From: "li", Type: "text", Text: "x"})
	if err != nil || seq <= said[0].Seq {
		t.Errorf("the next line has seq %d, %v", seq, err)
	}
}

func TestADamagedWorldIsNotOpened(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, worldFile), []byte("{\n{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := New(Options{Civil: newClock(), Machine: newClock(), World: dir, Keys: testKeys()})
	if err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("gave %v", err)
	}
}

func TestManyWritersShareTheJournal(t *testing.T) {
	dir := t.TempDir()
	w := open(t, func(o *Options) { o.World = dir })
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 20 {
				if _, err := w.say(groupTalk(fmt.Sprintf("g%d", i%3)), Message{From: "wang", Type: "text", Text: "x"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	for i := range 3 {
		last := int64(0)
		for _, m := range w.talks.after(groupTalk(fmt.Sprintf("g%d", i)), 0) {
			if m.Seq <= last {
				t.Fatalf("group %d: %d after %d", i, m.Seq, last)
			}
			last = m.Seq
		}
	}
	n := 0
	if err := readWorld(dir, func(record) { n++ }); err != nil || n != 160 {
		t.Errorf("read %d records, %v; want 160", n, err)
	}
}

func TestGroupsListTheirMembers(t *testing.T) {
	w := open(t, nil)
	var out struct {
		Groups []struct {
			ID, Name string
			Members  []string
		}
	}
	w.must("GET", "/sim/groups", nil, &out)
	if fmt.Sprint(out.Groups) != "[{g1 教体局群 [wang li]} {g2 卫健局群 []}]" {
		t.Errorf("lists %v", out.Groups)
	}
}

func TestThePageIsServedWhole(t *testing.T) {
	w := open(t, func(o *Options) { o.Product = "http://product.example" })
	for path, want := range map[string]string{
		"/":               `href="http://product.example/openapi.json"`,
		"/page/style.css": ".prompt[data-color=red]",
		"/page/app.js":    `"use strict"`,
	} {
		resp, err := http.Get(w.url + path)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || !strings.Contains(string(b), want) {
			t.Errorf("%s: %d, without %s", path, resp.StatusCode, want)
		}
	}
}

func TestKeysDoNotPrint(t *testing.T) {
	k := testKeys()
	for _, s := range []string{fmt.Sprint(k), fmt.Sprintf("%+v %#v", k, k)} {
		if strings.Contains(s, k.Health) || strings.Contains(s, k.WeCom.Secret) {
			t.Error("keys print themselves")
		}
	}
}
