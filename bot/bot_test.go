package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/venuecode/venuecode/internal/sim"
	"github.com/venuecode/venuecode/venue"
)

func TestANumberIsReportedOverEveryChannel(t *testing.T) {
	for _, path := range paths {
		w := newWorld(t)
		got := w.say(path, from(path), "@场所码助手 上报326次")
		want := "已收到：市教育体育局 5月18日（5月17日16:00–5月18日16:00）扫码 326 次，15:42 上报。如有误请回复“更正 数字”，2 分钟内可回复“撤回”。"
		if got != want {
			t.Errorf("%s: %s\nwant %s", path, got, want)
		}
		s := w.desk.last
		if s.Unit != edu || s.Count != 326 || s.Kind != venue.EntryReport || !s.At.Equal(afternoon) || !s.Sent.Equal(afternoon) {
			t.Errorf("%s: handed in %+v", path, s)
		}
		account := venue.ChatAccount{Channel: venue.ChannelWeComApp, ID: "wanglei"}
		if path == sim.ServicePath {
			account = venue.ChatAccount{Channel: venue.ChannelService, ID: "b(oWanger)"}
		}
		if s.By != account {
			t.Errorf("%s: by %+v", path, s.By)
		}
	}
}

func TestEveryAddressIsVerified(t *testing.T) {
	w := newWorld(t)
	echo := func(path, text string) sim.Callback {
		c, err := sim.EchoCallback(w.keys, path, text, machine, "nonce1")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, path := range paths {
		c := echo(path, "1616140317555161061")
		r, err := c.Request(context.Background(), "http://door.example")
		if err != nil {
			t.Fatal(err)
		}
		resp, err := w.app.Test(r, -1)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Content-Type") + " " + resp.Header.Get("X-Content-Type-Options"); got != "text/plain nosniff" {
			t.Errorf("%s: headers %q", path, got)
		}

		c = echo(path, "42")
		if status, body := w.call(c); status != 200 || string(body) != "42" {
			t.Errorf("%s: %d %q", path, status, body)
		}
		for name, change := range map[string]func(url.Values){
			"another signature": func(q url.Values) { q.Set(sigName(path), strings.Repeat("0", 40)) },
			"another nonce":     func(q url.Values) { q.Set("nonce", "other") },
			"no echo":           func(q url.Values) { q.Del("echostr") },
			"no signature":      func(q url.Values) { q.Del(sigName(path)) },
			"an old timestamp":  func(q url.Values) { q.Set("timestamp", "1409659589") },
		} {
			c := echo(path, "42")
			change(c.Query)
			if status, body := w.call(c); status < 400 || status > 499 || string(body) == "42" {
				t.Errorf("%s: with %s: %d %q", path, name, status, body)
			}
		}
	}
	// WeChat's signature does not cover its echo.
	c := echo(sim.ServicePath, "<script>alert(1)</script>")
	if status, _ := w.call(c); status != 400 {
		t.Errorf("an echo that is a page: %d", status)
	}
}

func sigName(path string) string {
	if path == sim.ServicePath {
		return "signature"
	}
	return "msg_signature"
}

func TestACapturedMessageIsNotReadBackAsAnEcho(t *testing.T) {
	for _, path := range paths[:2] {
		w := newWorld(t)
		c := w.build(path, w.message("wanglei", "上报 326"))
		var sealed string
		if path == sim.RobotPath {
			sealed, _ = robot{}.sealed(c.Body)
		} else {
			sealed, _ = xmlWire{}.sealed(c.Body)
		}
		c.Method = http.MethodGet
		c.Query.Set("echostr", sealed)
		if status, body := w.call(c); status != 400 || strings.Contains(string(body), "326") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

func TestABadCallIsRefusedAndNobodyIsAsked(t *testing.T) {
	flip := func(b []byte, at int) []byte {
		b = slices.Clone(b)
		b[at] ^= 1
		return b
	}
	for _, path := range paths {
		sealedAt := func(c sim.Callback) int { // a byte inside the cipher text
			if path == sim.RobotPath {
				return strings.Index(string(c.Body), `":"`) + 20
			}
			return strings.LastIndex(string(c.Body), "<![CDATA[") + 29
		}
		for _, tc := range []struct {
			name   string
			status int
			code   string
			change func(w *world, c *sim.Callback)
		}{
			{"signed by somebody else", 403, "forged", func(w *world, c *sim.Callback) { c.Query.Set("msg_signature", strings.Repeat("a", 40)) }},
			{"a bit of the cipher text flipped", 403, "forged", func(w *world, c *sim.Callback) { c.Body = flip(c.Body, sealedAt(*c)) }},
			{"under another nonce", 403, "forged", func(w *world, c *sim.Callback) { c.Query.Set("nonce", "other") }},
			{"under another time", 403, "forged", func(w *world, c *sim.Callback) { c.Query.Set("timestamp", fmt.Sprint(machine.Unix()+1)) }},
			{"five minutes and a second old", 403, "stale", func(w *world, c *sim.Callback) {
				w.machine.Add((301 * time.Second).Milliseconds())
			}},
			{"five minutes and a second early", 403, "stale", func(w *world, c *sim.Callback) {
				w.machine.Add((-301 * time.Second).Milliseconds())
			}},
			{"without a signature", 400, "incomplete", func(w *world, c *sim.Callback) { c.Query.Del("msg_signature") }},
			{"without a timestamp", 400, "incomplete", func(w *world, c *sim.Callback) { c.Query.Del("timestamp") }},
			{"without a nonce", 400, "incomplete", func(w *world, c *sim.Callback) { c.Query.Del("nonce") }},
			{"with a nonce beyond measure", 400, "incomplete", func(w *world, c *sim.Callback) { c.Query.Set("nonce", strings.Repeat("n", 65)) }},
			{"with a signed number as time", 400, "incomplete", func(w *world, c *sim.Callback) { c.Query.Set("timestamp", "+1") }},
			{"without a body", 400, "malformed", func(w *world, c *sim.Callback) { c.Body = nil }},
			{"in the other format", 400, "malformed", func(w *world, c *sim.Callback) {
				c.Body = []byte(`<xml><Encrypt>x</Encrypt></xml>`)
				if path != sim.RobotPath {
					c.Body = []byte(`{"encrypt":"x"}`)
				}
			}},
			{"with an empty cipher text", 400, "malformed", func(w *world, c *sim.Callback) { *c = emptied(*c) }},
			{"for another receiver", 403, "forged", func(w *world, c *sim.Callback) {
				k := map[string][2]string{
					sim.RobotPath:   {w.keys.Robot.Token, w.keys.Robot.AESKey},
					sim.AppPath:     {w.keys.WeCom.Token, w.keys.WeCom.AESKey},
					sim.ServicePath: {w.keys.Service.Token, w.keys.Service.AESKey},
				}[path]
				*c = w.reseal(*c, k[0], k[1], "wwSomebodyElse", "<xml></xml>")
			}},
			{"sealed with another key", 403, "forged", func(w *world, c *sim.Callback) {
				token := map[string]string{sim.RobotPath: w.keys.Robot.Token, sim.AppPath: w.keys.WeCom.Token, sim.ServicePath: w.keys.Service.Token}[path]
				*c = w.reseal(*c, token, strings.Repeat("A", 43), "", "<xml></xml>")
			}},
			{"with content nobody can read", 400, "malformed", func(w *world, c *sim.Callback) { *c = w.raw(path, "上报 326") }},
			{"from nobody", 400, "malformed", func(w *world, c *sim.Callback) {
				*c = w.raw(path, `<xml><MsgType>text</MsgType><Content>上报 1</Content><MsgId>1</MsgId></xml>`)
				if path == sim.RobotPath {
					*c = w.raw(path, `{"msgid":"1","msgtype":"text","text":{"content":"上报 1"}}`)
				}
			}},
			{"with more than 64 KiB", 413, "too_large", func(w *world, c *sim.Callback) { c.Body = make([]byte, 64<<10+1) }},
		} {
			w := newWorld(t)
			c := w.build(path, w.message(from(path), "上报 326"))
			tc.change(w, &c)
			status, code := w.refusal(c)
			if status != tc.status || code != tc.code {
				t.Errorf("%s: a call %s: %d %q, want %d %q", path, tc.name, status, code, tc.status, tc.code)
			}
			if n := w.desk.called(); n != 0 {
				t.Errorf("%s: a call %s reached the desk %d times", path, tc.name, n)
			}
			if len(w.memory.kept) != 0 {
				t.Errorf("%s: a call %s is remembered", path, tc.name)
			}
		}
	}
}

func emptied(c sim.Callback) sim.Callback {
	c.Body = []byte(`<xml><Encrypt></Encrypt></xml>`)
	if c.Path == sim.RobotPath {
		c.Body = []byte(`{"encrypt":""}`)
	}
	return c
}

// refusal sends a call and reads the stable code of what came back.
func (w *world) refusal(c sim.Callback) (int, string) {
	w.t.Helper()
	r, err := c.Request(context.Background(), "http://door.example")
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := w.app.Test(r, -1)
	if err != nil { // fasthttp closes on too large a body before the request is read
		if strings.Contains(err.Error(), "body size exceeds") {
			return 413, "too_large"
		}
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct {
		Error struct{ Code, Message string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		w.t.Fatalf("%d: %v", resp.StatusCode, err)
	}
	if body.Error.Message == "" {
		w.t.Errorf("%d %s has no sentence", resp.StatusCode, body.Error.Code)
	}
	return resp.StatusCode, body.Error.Code
}

func TestTheEdgeOfFreshnessIsFresh(t *testing.T) {
	for _, age := range []time.Duration{-300 * time.Second, 300 * time.Second} {
		w := newWorld(t)
		c := w.build(sim.AppPath, w.message("wanglei", "上报 326"))
		w.machine.Add(age.Milliseconds())
		if w.answerOf(c); w.desk.called() != 1 {
			t.Errorf("at %s the desk was called %d times", age, w.desk.called())
		}
	}
}

// The hole of the platform's own SDK: without encrypt_type it believes plain
// text under a signature that covers no text at all.
func TestTheServiceAccountTakesNoPlainText(t *testing.T) {
	w := newWorld(t)
	plain := `<xml><ToUserName>gh</ToUserName><FromUserName>oWanger</FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType><Content>上报 999</Content><MsgId>9</MsgId></xml>`
	for _, tc := range []struct {
		name   string
		code   string
		change func(c *sim.Callback)
	}{
		{"plain text without encrypt_type", "plaintext", func(c *sim.Callback) { c.Query.Del("encrypt_type"); c.Body = []byte(plain) }},
		{"plain text as raw", "plaintext", func(c *sim.Callback) { c.Query.Set("encrypt_type", "raw"); c.Body = []byte(plain) }},
		{"plain text said to be encrypted", "malformed", func(c *sim.Callback) { c.Body = []byte(plain) }},
		{"plain text with only the weak signature", "incomplete", func(c *sim.Callback) { c.Query.Del("msg_signature"); c.Body = []byte(plain) }},
		{"a sealed text without encrypt_type", "plaintext", func(c *sim.Callback) { c.Query.Del("encrypt_type") }},
	} {
		c := w.build(sim.ServicePath, w.message("oWanger", "上报 326"))
		tc.change(&c)
		if status, code := w.refusal(c); status/100 != 4 || code != tc.code {
			t.Errorf("%s: %d %q, want %q", tc.name, status, code, tc.code)
		}
	}
	if n := w.desk.called(); n != 0 {
		t.Errorf("the desk was called %d times", n)
	}
}

func TestTheSameCallTwiceIsRefused(t *testing.T) {
	for _, path := range paths {
		w := newWorld(t)
		c := w.build(path, w.message(from(path), "上报 326"))
		w.answerOf(c)
		for _, later := range []time.Duration{0, 200 * time.Second} {
			w.machine.Add(later.Milliseconds())
			if status, code := w.refusal(c); status != 403 || code != "replayed" {
				t.Errorf("%s: %d %q", path, status, code)
			}
		}
		if n := w.desk.called(); n != 1 {
			t.Errorf("%s: the desk was called %d times", path, n)
		}
	}
}

func TestARetryGetsTheSameAnswerAndIsOneReport(t *testing.T) {
	for _, path := range paths {
		w := newWorld(t)
		m := w.message(from(path), "上报 326")
		first := w.answerOf(w.build(path, m))
		w.civil.Add((3 * time.Hour).Milliseconds()) // the answer does not change with the hour
		for i := range 3 {
			m.Nonce = fmt.Sprintf("retry%d", i)
			if again := w.answerOf(w.build(path, m)); again != first {
				t.Errorf("%s: %s\nfirst %s", path, again, first)
			}
		}
		if n := w.desk.called(); n != 1 {
			t.Errorf("%s: the desk was called %d times", path, n)
		}
	}
}

func TestRetriesAtTheSameTimeAreOneReport(t *testing.T) {
	for _, path := range paths {
		w := newWorld(t)
		w.desk.slow = 20 * time.Millisecond
		m := w.message(from(path), "上报 326")
		var wg sync.WaitGroup
		replies := make([]string, 8)
		for i := range replies {
			m.Nonce = fmt.Sprintf("retry%d", i)
			c := w.build(path, m)
			wg.Go(func() {
				_, body := w.call(c)
				replies[i], _ = sim.OpenReply(w.keys, path, body)
			})
		}
		wg.Wait()
		if n := w.desk.called(); n != 1 {
			t.Errorf("%s: the desk was called %d times", path, n)
		}
		for _, r := range replies {
			if r != replies[0] || !strings.Contains(r, "326") {
				t.Errorf("%s: %q beside %q", path, r, replies[0])
			}
		}
	}
}

func TestTheSameIDOnTwoChannelsIsTwoMessages(t *testing.T) {
	w := newWorld(t)
	m := w.message("wanglei", "上报 326")
	w.answerOf(w.build(sim.AppPath, m))
	w.answerOf(w.build(sim.RobotPath, m))
	if n := w.desk.called(); n != 2 {
		t.Errorf("the desk was called %d times", n)
	}
}

func TestWhenNothingCanBeDoneTheSameWordsWorkAgain(t *testing.T) {
	for name, fault := range map[string]func(*fakeDesk){
		"the store is away": func(d *fakeDesk) { d.fail = fmt.Errorf("keep: %w", venue.ErrUnavailable) },
		"a fault of ours":   func(d *fakeDesk) { d.fail = errors.New("unexpected") },
		"the store is slow": func(d *fakeDesk) { d.slow = time.Minute },
	} {
		for _, path := range paths {
			if name == "the store is slow" && path != sim.AppPath {
				continue // a second each
			}
			w := newWorld(t)
			fault(w.desk)
			m := w.message(from(path), "上报 326")
			start := time.Now()
			if got := w.answerOf(w.build(path, m)); got != textBusy {
				t.Errorf("%s, %s: %s", path, name, got)
			}
			if took := time.Since(start); took > 1500*time.Millisecond {
				t.Errorf("%s, %s: answered after %s", path, name, took)
			}
			w.desk.fail, w.desk.slow = nil, 0
			m.Nonce = "again"
			if got := w.answerOf(w.build(path, m)); !strings.Contains(got, "326") {
				t.Errorf("%s, %s, then well: %s", path, name, got)
			}
		}
	}
}

func TestWhatIsNoTextIsAnsweredKindlyOrNotAtAll(t *testing.T) {
	w := newWorld(t)
	user := `<FromUserName>%s</FromUserName><ToUserName>x</ToUserName><CreateTime>1652859730</CreateTime>`
	xml := func(rest string) string {
		return "<xml>" + fmt.Sprintf(user, "oWanger") + rest + "</xml>"
	}
	robotMsg := func(kind, rest string) string {
		return `{"msgid":"m` + kind + `","chattype":"single","from":{"userid":"wanglei"},"msgtype":"` + kind + `"` + rest + `}`
	}
	hello := textHello(w.h.Policy)
	for _, tc := range []struct {
		name, path, plain, want string
	}{
		{"an image to the robot", sim.RobotPath, robotMsg("image", `,"image":{"url":"https://x"}`), textOnlyText},
		{"text and image mixed", sim.RobotPath, robotMsg("mixed", `,"mixed":{"msg_item":[{"msgtype":"text","text":{"content":"上报 5"}}]}`), textOnlyText},
		{"a voice, whatever was made of it", sim.RobotPath, robotMsg("voice", `,"voice":{"content":"上报三百"}`), textOnlyText},
		{"an event of the robot", sim.RobotPath, robotMsg("event", `,"event":{"eventtype":"enter_chat"}`), ""},
		{"a stream asked for again", sim.RobotPath, robotMsg("stream", `,"stream":{"id":"1"}`), ""},
		{"an image to the app", sim.AppPath, xml("<MsgType>image</MsgType><MsgId>1</MsgId>"), textOnlyText},
		{"an event of the app", sim.AppPath, xml("<MsgType>event</MsgType><Event>enter_agent</Event>"), ""},
		{"an image to the service account", sim.ServicePath, xml("<MsgType>image</MsgType><MsgId>2</MsgId>"), textOnlyText},
		{"somebody subscribes", sim.ServicePath, xml("<MsgType>event</MsgType><Event>subscribe</Event>"), hello},
		{"somebody leaves", sim.ServicePath, xml("<MsgType>event</MsgType><Event>unsubscribe</Event>"), ""},
		{"a location", sim.ServicePath, xml("<MsgType>event</MsgType><Event>LOCATION</Event>"), ""},
	} {
		c := w.raw(tc.path, tc.plain)
		status, body := w.call(c)
		if status != 200 {
			t.Errorf("%s: %d %s", tc.name, status, body)
			continue
		}
		got, err := sim.OpenReply(w.keys, tc.path, body)
		if err != nil || got != tc.want {
			t.Errorf("%s: %q, %v, want %q", tc.name, got, err, tc.want)
		}
		if tc.want == "" && tc.path == sim.ServicePath && string(body) != "success" {
			t.Errorf("%s: WeChat hears %q", tc.name, body)
		}
	}
	if n := w.desk.called(); n != 0 {
		t.Errorf("the desk was called %d times", n)
	}
}

func TestAQuotedNumberIsSomebodyElses(t *testing.T) {
	w := newWorld(t)
	plain := `{"msgid":"q1","chatid":"wrGroup","chattype":"group","from":{"userid":"wanglei"},"msgtype":"text",
		"text":{"content":"@场所码助手 上报 12"},"quote":{"msgtype":"text","text":{"content":"上报 999"}}}`
	if got := w.answerOf(w.raw(sim.RobotPath, plain)); !strings.Contains(got, "扫码 12 次") {
		t.Error(got)
	}
}

func TestAMessageWithoutIDIsKnownByItsSenderAndSecond(t *testing.T) {
	w := newWorld(t)
	plain := `<xml><FromUserName>%s</FromUserName><CreateTime>%d</CreateTime><MsgType>text</MsgType><Content>上报 8</Content></xml>`
	for _, tc := range []struct {
		from string
		at   int64
		want int
	}{{"oWanger", 1652859730, 1}, {"oWanger", 1652859730, 1}, {"oWanger", 1652859731, 2}} {
		w.answerOf(w.raw(sim.ServicePath, fmt.Sprintf(plain, tc.from, tc.at)))
		if n := w.desk.called(); n != tc.want {
			t.Errorf("after %d: the desk was called %d times, want %d", tc.at, n, tc.want)
		}
	}
	if strings.Contains(strings.ReplaceAll(w.memory.keys(), "b(oWanger)", ""), "oWanger") {
		t.Error("an openid is kept as a key:", w.memory.keys())
	}
}

func TestXMLKnowsNoEntitiesOfItsOwn(t *testing.T) {
	w := newWorld(t)
	bomb := `<!DOCTYPE x [<!ENTITY a "上报 1"><!ENTITY f SYSTEM "file:///etc/passwd">]>`
	for _, body := range []string{
		bomb + `<xml><Encrypt>&f;</Encrypt></xml>`,
		bomb + `<xml><Encrypt>&a;</Encrypt></xml>`,
		strings.Repeat("<a>", 20000),
		`<?xml version="1.0" encoding="GBK"?><xml><Encrypt>x</Encrypt></xml>`,
	} {
		c := w.build(sim.AppPath, w.message("wanglei", "上报 1"))
		c.Body = []byte(body)
		if status, code := w.refusal(c); status != 400 || code != "malformed" {
			t.Errorf("%.40s: %d %s", body, status, code)
		}
	}
}

// Whatever goes right or wrong, neither words nor names reach the log.
func TestNothingPrivateIsLogged(t *testing.T) {
	for _, path := range paths {
		w := newWorld(t)
		userid := "canaryuser9"
		for _, fail := range []error{nil, venue.ErrUnavailable,
			fmt.Errorf("binding of %s (%s) saying 上报 424242: lost", userid, w.h.Blind(userid))} {
			w.desk.fail = fail
			w.people["wecom_app:"+userid] = venue.Binding{Unit: edu}
			w.people["service_account:"+w.h.Blind(userid)] = venue.Binding{Unit: edu}
			w.say(path, userid, "上报 424242")
			w.say(path, "canarystranger", "绑定 DOWN1")
			c := w.build(path, w.message(userid, "上报 424242"))
			w.answerOf(c)
			w.refusal(c)
			c.Query.Set("timestamp", "1")
			w.refusal(c)
			c.Query.Del("timestamp")
			w.refusal(c)
		}
		for _, private := range []string{userid, "canarystranger", "424242", "DOWN1", "msg_signature"} {
			if strings.Contains(w.log.String(), private) {
				t.Errorf("%s: the log holds %s: %s", path, private, w.log.String())
			}
		}
		if !strings.Contains(w.log.String(), "message not answered") {
			t.Errorf("%s: faults of ours are not logged", path)
		}
	}
}

func TestAWayInThatIsNotSetUpIsNotThere(t *testing.T) {
	w := newWorld(t)
	other := newWorld(t)
	other.h.Robot = nil
	app := newApp(other)
	c := w.build(sim.RobotPath, w.message("wanglei", "上报 1"))
	r, err := c.Request(context.Background(), "http://door.example")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := app.Test(r, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 404 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestSignaturesAreRememberedLongEnoughAndBounded(t *testing.T) {
	var s signatures
	now := machine
	if !s.add("a", now) || s.add("a", now) {
		t.Error("the second time is not noticed")
	}
	for _, wait := range []time.Duration{time.Minute, 9 * time.Minute} {
		now = now.Add(wait)
		s.add("other", now)
		if s.add("a", now) {
			t.Errorf("forgotten within ten minutes, after %s", wait)
		}
	}
	for i := range 3 * remembered {
		s.add(fmt.Sprint(i), now)
	}
	if n := len(s.newer) + len(s.older); n > 2*remembered {
		t.Errorf("%d signatures are kept", n)
	}
	if s.add(fmt.Sprint(3*remembered-1), now) {
		t.Error("the last is forgotten")
	}
}

// FuzzBodies: whatever is posted, signed by us or not, there is no panic and no
// fault, and nothing unsigned reaches the desk.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "<xml/>", `{"encrypt":"AAAA"}`, `<xml><Encrypt>AAAA</Encrypt></xml>`, "上报 326", `{"encrypt":{"a":[]}}`,
		`{"msgid":"1","chattype":"group","chatid":"wrGroup","from":{"userid":"wanglei"},"create_time":-1,"msgtype":"text","text":{"content":"@x 上报 3"}}`,
		`{"msgid":"1","from":{"userid":"wanglei"},"create_time":9223372036854775807,"msgtype":"text","text":{"content":"查"}}`,
		`<xml><ToUserName>a]]&gt;b</ToUserName><FromUserName>wanglei</FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType><Content>差异</Content><MsgId>1</MsgId></xml>`,
		`<xml><FromUserName>wanglei</FromUserName><CreateTime>-9223372036854775808</CreateTime><MsgType>text</MsgType><Content>撤回</Content></xml>`,
	} {
		for i := range paths {
			f.Add(uint8(i), false, seed)
			f.Add(uint8(i), true, seed)
		}
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, at uint8, sealed bool, body string) {
		w.t, w.memory.kept = t, map[string]*answer{}
		path := paths[int(at)%len(paths)]
		c := w.build(path, w.message(from(path), "x"))
		if sealed {
			if len(body) > 30000 {
				return
			}
			c = w.raw(path, body)
		} else {
			c.Body = []byte(body)
		}
		before := w.desk.called()
		r := httptest.NewRequest(c.Method, c.Path+"?"+c.Query.Encode(), strings.NewReader(string(c.Body)))
		resp, err := w.app.Test(r, -1)
		if err != nil {
			if len(c.Body) > 64<<10 {
				return
			}
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode >= 500 || strings.Contains(w.log.String(), "panicked") {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
		if !sealed && (resp.StatusCode < 400 || w.desk.called() != before) {
			t.Errorf("%s: an unsigned body: %d", path, resp.StatusCode)
		}
	})
}
