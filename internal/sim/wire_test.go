package sim

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/silenceper/wechat/v2/credential"
	"github.com/silenceper/wechat/v2/miniprogram"
	minicfg "github.com/silenceper/wechat/v2/miniprogram/config"
	"github.com/silenceper/wechat/v2/miniprogram/subscribe"
	"github.com/silenceper/wechat/v2/officialaccount"
	oacfg "github.com/silenceper/wechat/v2/officialaccount/config"
	oamessage "github.com/silenceper/wechat/v2/officialaccount/message"
	"github.com/silenceper/wechat/v2/util"
	"github.com/silenceper/wechat/v2/work"
	workcfg "github.com/silenceper/wechat/v2/work/config"
	workmessage "github.com/silenceper/wechat/v2/work/message"
	"github.com/silenceper/wechat/v2/work/robot"
	"github.com/smartwalle/alipay/v3"

	"github.com/venuecode/venuecode/venue"
)

// safeCache stands in for the SDK's, whose reads race with its writes.
type safeCache struct{ m sync.Map }

func (c *safeCache) Get(k string) interface{} {
	if v, ok := c.m.Load(k); ok {
		return v
	}
	return nil
}
func (c *safeCache) Set(k string, v interface{}, _ time.Duration) error { c.m.Store(k, v); return nil }
func (c *safeCache) IsExist(k string) bool                              { _, ok := c.m.Load(k); return ok }
func (c *safeCache) Delete(k string) error                              { c.m.Delete(k); return nil }

type sdks struct {
	cache *safeCache
	mini  *miniprogram.MiniProgram
	oa    *officialaccount.OfficialAccount
	work  *work.Work
	ali   *alipay.Client
	phone *alipay.Client // decodes phone numbers: its key would encrypt every request
}

// sdk points the real SDKs at a world. The WeChat SDK's client is one for the
// process, so these tests cannot run in parallel.
func (w *world) sdk() sdks {
	w.t.Helper()
	old := util.DefaultHTTPClient
	util.DefaultHTTPClient = w.client()
	w.t.Cleanup(func() { util.DefaultHTTPClient = old })
	k := w.Keys()
	c := &safeCache{}
	out := sdks{cache: c}
	out.mini = miniprogram.NewMiniProgram(&minicfg.Config{AppID: k.Wechat.AppID, AppSecret: k.Wechat.Secret, Cache: c, UseStableAK: true})
	out.oa = officialaccount.NewOfficialAccount(&oacfg.Config{AppID: k.Service.AppID, AppSecret: k.Service.Secret, Cache: c, UseStableAK: true})
	out.work = work.NewWork(&workcfg.Config{CorpID: k.WeCom.CorpID, CorpSecret: k.WeCom.Secret, AgentID: k.WeCom.AgentID, Cache: c})
	newAli := func() *alipay.Client {
		a, err := alipay.New(k.Alipay.AppID, k.Alipay.AppPrivate, true,
			alipay.WithHTTPClient(w.client()), alipay.WithTimeLocation(venue.Zone))
		if err != nil {
			w.t.Fatal(err)
		}
		if err := a.LoadAliPayPublicKey(k.Alipay.AlipayPublic); err != nil {
			w.t.Fatal(err)
		}
		return a
	}
	out.ali, out.phone = newAli(), newAli()
	if err := out.phone.SetEncryptKey(k.Alipay.AESKey); err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) newPhone(app string) string {
	w.t.Helper()
	id, err := w.NewPhone(app, "张三", "11010119900307803X", "13800138000")
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func TestWechatLoginCodeIsExchangedOnceWithinFiveMinutes(t *testing.T) {
	w := open(t, nil)
	auth := w.sdk().mini.GetAuth()
	id := w.newPhone("wechat")

	code := w.LoginCode(id)
	got, err := auth.Code2SessionContext(t.Context(), code)
	if err != nil || got.OpenID != w.phones.get(id).OpenID || got.SessionKey == "" {
		t.Fatalf("first exchange gave %+v, %v", got, err)
	}
	if got, _ := auth.Code2SessionContext(t.Context(), code); got.ErrCode != 40163 {
		t.Errorf("a used code gave errcode %d, want 40163", got.ErrCode)
	}
	if got, _ := auth.Code2SessionContext(t.Context(), "never-issued"); got.ErrCode != 40029 {
		t.Errorf("an unknown code gave errcode %d, want 40029", got.ErrCode)
	}
	late := w.LoginCode(id)
	w.machine.forward(t, 5*time.Minute+time.Millisecond)
	if got, _ := auth.Code2SessionContext(t.Context(), late); got.ErrCode != 40029 {
		t.Errorf("an expired code gave errcode %d, want 40029", got.ErrCode)
	}
	w.LoginCode(id) // the civil clock has nothing to say here
	w.civil.forward(t, time.Hour)
	if got, err := auth.Code2SessionContext(t.Context(), w.LoginCode(id)); err != nil {
		t.Errorf("a fresh code gave %+v, %v", got, err)
	}
}

func TestWechatPhoneNumberCode(t *testing.T) {
	w := open(t, nil)
	auth := w.sdk().mini.GetAuth()
	code, err := w.PhoneCode(w.newPhone("wechat"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := auth.GetPhoneNumberContext(t.Context(), code)
	if err != nil || got.PhoneInfo.PurePhoneNumber != "13800138000" || got.PhoneInfo.WaterMark.AppID != w.Keys().Wechat.AppID {
		t.Fatalf("gave %+v, %v", got, err)
	}
	_, err = auth.GetPhoneNumberContext(t.Context(), code)
	if ce := (*util.CommonError)(nil); !errors.As(err, &ce) || ce.ErrCode != 40163 {
		t.Errorf("a used phone code gave %v, want 40163", err)
	}
}

// errCode is what an SDK error says, 0 for none.
func errCode(err error) int64 {
	var ce *util.CommonError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &ce):
		return ce.ErrCode
	}
	var n int64
	if _, after, ok := strings.Cut(err.Error(), "errcode="); ok {
		fmt.Sscanf(after, "%d", &n)
	}
	return n
}

func TestSubscribeMessagesArriveUntilNoneIsLeft(t *testing.T) {
	w := open(t, func(o *Options) { o.Subscriptions = 2 })
	sub := w.sdk().mini.GetSubscribe()
	id := w.newPhone("wechat")
	m := &subscribe.Message{
		ToUser: w.phones.get(id).OpenID, TemplateID: "t1", Page: "pages/me",
		Data: map[string]*subscribe.DataItem{"thing1": {Value: "请核对"}, "time2": {Value: "15:00"}},
	}
	for range 2 {
		if err := sub.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	if got := errCode(sub.Send(m)); got != 43101 {
		t.Errorf("the third of two gave %d, want 43101", got)
	}
	stranger := *m
	stranger.ToUser = "oNobody"
	if got := errCode(sub.Send(&stranger)); got != 40003 {
		t.Errorf("an unknown openid gave %d, want 40003", got)
	}
	got := w.messages("/sim/phones/" + id + "/messages")
	if len(got) != 2 || got[0].Text != "thing1：请核对\ntime2：15:00" || got[0].At != "2022-05-20T15:00:00.000+08:00" {
		t.Errorf("the phone shows %+v", got)
	}
}

func TestAccessTokensExpireAndAreForgotten(t *testing.T) {
	w := open(t, nil)
	s := w.sdk()
	oaKey := credential.CacheKeyOfficialAccountPrefix + "_stable_access_token_" + w.Keys().Service.AppID
	workKey := credential.CacheKeyWorkPrefix + "_access_token_" + w.Keys().WeCom.CorpID + "_" + w.Keys().WeCom.AgentID
	template := func() int64 {
		_, err := s.oa.GetTemplate().Send(&oamessage.TemplateMessage{ToUser: ServiceOpenID("wang"), TemplateID: "t"})
		return errCode(err)
	}
	app := func() int64 {
		_, err := s.work.GetMessage().SendText(workmessage.SendTextRequest{
			SendRequestCommon: &workmessage.SendRequestCommon{ToUser: "wang", AgentID: w.Keys().WeCom.AgentID},
			Text:              workmessage.TextField{Content: "x"},
		})
		return errCode(err)
	}
	for _, step := range []struct {
		name string
		do   func()
		oa   int64
		work int64
	}{
		{"fresh tokens are good", func() {}, 0, 0},
		{"after two hours they have expired", func() { w.machine.forward(t, 2*time.Hour) }, 42001, 42001},
		{"new ones are given", func() { s.cache.Delete(oaKey); s.cache.Delete(workKey) }, 0, 0},
		{"the platform forgets the service account's", func() {
			w.must("POST", "/sim/tokens/expire", map[string]string{"app": "service_account"}, nil)
		}, 40001, 0},
		{"and the corporation's", func() {
			w.must("POST", "/sim/tokens/expire", map[string]string{"app": "wecom"}, nil)
		}, 40001, 40014},
		{"and gives others", func() { s.cache.Delete(oaKey); s.cache.Delete(workKey) }, 0, 0},
	} {
		step.do()
		if got := template(); got != step.oa {
			t.Errorf("%s: service account got %d, want %d", step.name, got, step.oa)
		}
		if got := app(); got != step.work {
			t.Errorf("%s: WeCom got %d, want %d", step.name, got, step.work)
		}
	}
}

func TestTokensOfAnotherAppOpenNothing(t *testing.T) {
	w := open(t, nil)
	s := w.sdk()
	token, err := s.oa.GetAccessToken()
	if err != nil {
		t.Fatal(err)
	}
	resp, err := w.client().Post("https://api.weixin.qq.com/cgi-bin/message/subscribe/send?access_token="+token, "", strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out util.CommonError
	json.NewDecoder(resp.Body).Decode(&out)
	if out.ErrCode != 48001 {
		t.Errorf("the service account's token gave %d, want 48001", out.ErrCode)
	}
}

func TestPlainTokenEndsTheOneBeforeAndStableDoesNot(t *testing.T) {
	w := open(t, nil)
	s := w.sdk()
	k := w.Keys().Wechat
	stable, err := s.mini.GetContext().GetAccessToken()
	if err != nil {
		t.Fatal(err)
	}
	var plain []string
	for range 2 {
		r, err := credential.GetTokenFromServerContext(t.Context(),
			"https://api.weixin.qq.com/cgi-bin/token?grant_type=client_credential&appid="+k.AppID+"&secret="+k.Secret)
		if err != nil || r.ExpiresIn != 7200 {
			t.Fatalf("gave %+v, %v", r, err)
		}
		plain = append(plain, r.AccessToken)
	}
	for i, want := range map[string]int{plain[0]: 40001, plain[1]: 0, stable: 0} {
		if _, got := w.tokens.check(i, w.machine.Now(), 40001); got != want {
			t.Errorf("a token is answered %d, want %d", got, want)
		}
	}
}

func webhookText(text string, mention ...string) robot.WebhookSendTextOption {
	var o robot.WebhookSendTextOption
	o.MsgType, o.Text.Content, o.Text.MentionedList = "text", text, mention
	return o
}

func TestRobotBroadcast(t *testing.T) {
	w := open(t, nil)
	bot := w.sdk().work.GetRobot()
	key := w.Keys().Webhooks["g1"]
	long := strings.Repeat("字", 683) // 2049 bytes
	for _, c := range []struct {
		name string
		key  string
		o    any
		want int64
	}{
		{"a reminder", key, webhookText("【提醒】王老师请上报", "wang", "wang"), 0},
		{"a late digest", key, webhookText("【迟发】【日报】应报 1 家"), 0},
		{"markdown with a mention in it", key, map[string]any{"msgtype": "markdown", "markdown": map[string]string{"content": "**【预警】**<@li> 请看"}}, 0},
		{"a wrong key", "nobody", webhookText("x"), 93000},
		{"no key", "", webhookText("x"), 93000},
		{"a text of 2049 bytes", key, webhookText(long), 40058},
		{"an empty text", key, webhookText(""), 44004},
		{"a type that is not known", key, map[string]any{"msgtype": "song"}, 40008},
	} {
		info, err := bot.RobotBroadcast(c.key, c.o)
		if err != nil || info.ErrCode != c.want {
			t.Errorf("%s gave %d, %v; want %d", c.name, info.ErrCode, err, c.want)
		}
	}
	got := w.messages("/sim/groups/g1/messages")
	want := []struct{ kind, typ, mentions string }{
		{"reminder", "text", "[wang]"}, {"digest", "text", "[]"}, {"notice", "markdown", "[li]"},
	}
	if len(got) != len(want) {
		t.Fatalf("the group shows %d lines, want %d", len(got), len(want))
	}
	for i, m := range got {
		if m.From != "robot" || m.Kind != want[i].kind || m.Type != want[i].typ || fmt.Sprint(m.Mentions) != want[i].mentions {
			t.Errorf("line %d is %+v, want %+v", i, m, want[i])
		}
	}
}

func TestTheTwentyFirstRobotMessageOfAMinuteIsRefused(t *testing.T) {
	w := open(t, nil)
	bot := w.sdk().work.GetRobot()
	k := w.Keys()
	send := func(group string) int64 {
		info, err := bot.RobotBroadcast(k.Webhooks[group], webhookText("x"))
		if err != nil {
			t.Fatal(err)
		}
		return info.ErrCode
	}
	for i := range 20 {
		w.civil.forward(t, time.Second)
		if got := send("g1"); got != 0 {
			t.Fatalf("message %d gave %d", i+1, got)
		}
	}
	if got := send("g1"); got != 45009 {
		t.Errorf("message 21 gave %d, want 45009", got)
	}
	if got := send("g2"); got != 0 {
		t.Errorf("another group's webhook gave %d, want 0", got)
	}
	w.machine.forward(t, time.Hour)
	if got := send("g1"); got != 45009 {
		t.Errorf("the machine clock freed the webhook: %d", got)
	}
	w.civil.forward(t, 41*time.Second) // the first message is now a minute old
	if got := send("g1"); got != 0 {
		t.Errorf("a minute after the first message gave %d, want 0", got)
	}
	if got := send("g1"); got != 45009 {
		t.Errorf("the place of the second message gave %d, want 45009", got)
	}
}

func TestApplicationMessages(t *testing.T) {
	w := open(t, nil)
	msg := w.sdk().work.GetMessage()
	send := func(to, agent, text string) (*workmessage.SendResponse, int64) {
		r, err := msg.SendText(workmessage.SendTextRequest{
			SendRequestCommon: &workmessage.SendRequestCommon{ToUser: to, AgentID: agent},
			Text:              workmessage.TextField{Content: text},
		})
		return r, errCode(err)
	}
	agent := w.Keys().WeCom.AgentID
	if r, code := send("wang|?|li", agent, "差异 <12> & 3 次"); code != 0 || r.InvalidUser != "?" || r.MsgID == "" {
		t.Errorf("gave %+v, %d", r, code)
	}
	if _, code := send("wang", "1", "x"); code != 40056 {
		t.Errorf("a wrong agent gave %d, want 40056", code)
	}
	if _, code := send("", agent, "x"); code != 81013 {
		t.Errorf("nobody gave %d, want 81013", code)
	}
	if _, code := send("wang", agent, strings.Repeat("字", 700)); code != 0 {
		t.Errorf("a long text gave %d, want 0", code)
	}
	got := w.messages("/sim/chats/wang/messages")
	if len(got) != 2 || got[0].Text != "差异 <12> & 3 次" || got[0].Channel != "wecom_app" || got[0].From != "robot" {
		t.Fatalf("the chat shows %+v", got)
	}
	if n := len(got[1].Text); n != 2046 {
		t.Errorf("a long text was cut to %d bytes, want 2046", n)
	}
	if got := w.messages("/sim/chats/li/messages"); len(got) != 1 {
		t.Errorf("the second recipient has %d messages, want 1", len(got))
	}
}

func TestServiceAccountMessages(t *testing.T) {
	w := open(t, nil)
	oa := w.sdk().oa
	if _, err := oa.GetTemplate().Send(&oamessage.TemplateMessage{
		ToUser: ServiceOpenID("li"), TemplateID: "t1",
		Data: map[string]*oamessage.TemplateDataItem{"thing1": {Value: "未报"}},
	}); err != nil {
		t.Fatal(err)
	}
	manager := oa.GetCustomerMessageManager()
	if err := manager.Send(oamessage.NewCustomerTextMessage(ServiceOpenID("li"), "【警告】请处理")); err != nil {
		t.Fatal(err)
	}
	if got := errCode(manager.Send(oamessage.NewCustomerTextMessage("oa_stranger", "x"))); got != 43004 {
		t.Errorf("a stranger gave %d, want 43004", got)
	}
	got := w.messages("/sim/chats/li/messages")
	if len(got) != 2 || got[0].Type != "template" || got[0].Text != "thing1：未报" ||
		got[1].Type != "text" || got[1].Kind != "notice" || got[1].Channel != "service_account" {
		t.Errorf("the chat shows %+v", got)
	}
}

func TestAlipayLoginAndPhoneNumber(t *testing.T) {
	w := open(t, nil)
	s := w.sdk()
	id := w.newPhone("alipay")
	code := w.LoginCode(id)
	login := alipay.SystemOauthToken{GrantType: "authorization_code", Code: code}
	got, err := s.ali.SystemOauthToken(t.Context(), login)
	if err != nil || got.OpenId != w.phones.get(id).OpenID || got.AccessToken == "" || got.UserId != "" {
		t.Fatalf("gave %+v, %v", got, err)
	}
	_, err = s.ali.SystemOauthToken(t.Context(), login)
	if ae := (*alipay.Error)(nil); !errors.As(err, &ae) || ae.Code != "40002" || ae.SubCode != "isv.code-invalid" {
		t.Errorf("a used code gave %v", err)
	}
	data, err := w.PhoneCode(id)
	if err != nil {
		t.Fatal(err)
	}
	number, err := s.phone.DecodePhoneNumber(t.Context(), data)
	if err != nil || !number.Code.IsSuccess() || number.Mobile != "13800138000" {
		t.Errorf("the number is %+v, %v", number, err)
	}
}

func TestAlipayRefusesForgedRequests(t *testing.T) {
	w := open(t, nil)
	s := w.sdk()
	v, err := s.ali.URLValues(alipay.SystemOauthToken{GrantType: "authorization_code", Code: w.LoginCode(w.newPhone("alipay"))})
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(url.Values){
		"another code":       func(f url.Values) { f.Set("code", "x") },
		"an added parameter": func(f url.Values) { f.Set("extra", "1") },
		"no signature":       func(f url.Values) { f.Del("sign") },
		"another app":        func(f url.Values) { f.Set("app_id", "2021") },
		"another hash":       func(f url.Values) { f.Set("sign_type", "RSA") },
	} {
		f := url.Values{}
		for k, x := range v {
			f[k] = append([]string(nil), x...)
		}
		change(f)
		resp, err := http.PostForm(w.url+"/gateway.do", f)
		if err != nil {
			t.Fatal(err)
		}
		var out struct {
			Error *alipay.Error `json:"error_response"`
		}
		err = json.NewDecoder(resp.Body).Decode(&out)
		resp.Body.Close()
		if err != nil || out.Error == nil || out.Error.Code != "40002" {
			t.Errorf("%s was answered %+v, %v", name, out.Error, err)
		}
	}
}

func TestAlipayTemplateMessagePlainAndEncrypted(t *testing.T) {
	w := open(t, nil)
	s := w.sdk()
	id := w.newPhone("alipay")
	for name, c := range map[string]*alipay.Client{"plain": s.ali, "encrypted": s.phone} {
		p := alipay.NewPayload("alipay.open.app.mini.templatemessage.send").
			AddBizField("to_open_id", w.phones.get(id).OpenID).
			AddBizField("user_template_id", "t1").
			AddBizField("page", "pages/me").
			AddBizField("data", `{"keyword1":{"value":"请核对"}}`)
		var r alipay.Error
		if err := c.Request(t.Context(), p, &r); err != nil || r.Code != "10000" {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		p.AddBizField("to_open_id", "nobody")
		if err := c.Request(t.Context(), p, &r); err != nil || r.Code != "40004" {
			t.Errorf("%s to nobody: %+v, %v", name, r, err)
		}
	}
	if got := w.messages("/sim/phones/" + id + "/messages"); len(got) != 2 || got[0].Text != "keyword1：请核对" {
		t.Errorf("the phone shows %+v", got)
	}
}

func TestHealthService(t *testing.T) {
	w := open(t, nil)
	ask := func(credential, body string) (int, map[string]string) {
		req, _ := http.NewRequest("POST", "https://health.example/health/v1/query", strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+credential)
		resp, err := w.client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var out map[string]string
		json.NewDecoder(resp.Body).Decode(&out)
		return resp.StatusCode, out
	}
	key := w.Keys().Health
	const zhang = `{"id_number":"11010119900307803X","name":"张三"}`
	if status, out := ask(key, zhang); status != 200 || out["color"] != "green" ||
		out["id_number"] != "11010119900307803X" || out["at"] != "2022-05-20T15:00:00.000+08:00" {
		t.Errorf("everyone is green until set; got %d %v", status, out)
	}
	w.must("PUT", "/sim/health/11010119900307803x", map[string]string{"color": "red"}, nil)
	if _, out := ask(key, zhang); out["color"] != "red" {
		t.Errorf("after red was set: %v", out)
	}
	if status, _ := ask("other", zhang); status != 401 {
		t.Errorf("a wrong credential gave %d, want 401", status)
	}
	if status, _ := ask(key, `{"id_number":"\"}"}`); status != 400 {
		t.Errorf("nonsense gave %d, want 400", status)
	}
	if n := w.Calls("health"); n != 4 {
		t.Errorf("counted %d calls, want 4", n)
	}
}

func TestUnknownHostsAndPathsAreNotFound(t *testing.T) {
	w := open(t, nil)
	for _, u := range []string{
		"https://api.weixin.qq.com/cgi-bin/gettoken", // WeCom's
		"https://qyapi.weixin.qq.com/sns/jscode2session",
		"https://example.com/sim/city", // a redirected call never reaches control
	} {
		resp, err := w.client().Get(u)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 404 {
			t.Errorf("%s gave %d, want 404", u, resp.StatusCode)
		}
	}
}

// openIncoming opens a callback as the product would: with the SDK's primitives
// where they work, which is everywhere but for the robot's empty receiver.
func openIncoming(k Keys, path string, q url.Values, body []byte) ([]byte, error) {
	ts, nonce, sig := q.Get("timestamp"), q.Get("nonce"), q.Get("msg_signature")
	if path == RobotPath {
		var in struct{ Encrypt string }
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
		c, err := k.robotCrypt()
		if err != nil {
			return nil, err
		}
		return c.Open(sig, ts, nonce, in.Encrypt)
	}
	token, key, receiver := k.WeCom.Token, k.WeCom.AESKey, k.WeCom.CorpID
	if path == ServicePath {
		token, key, receiver = k.Service.Token, k.Service.AESKey, k.Service.AppID
		if q.Get("encrypt_type") != "aes" || q.Get("signature") != util.Signature(token, ts, nonce) {
			return nil, ErrSignature
		}
	}
	var in struct{ Encrypt string }
	if err := xml.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	if sig != util.Signature(token, ts, nonce, in.Encrypt) {
		return nil, ErrSignature
	}
	_, plain, err := util.DecryptMsg(receiver, in.Encrypt, key)
	return plain, err
}

// sealReply seals a passive reply as the product would.
func sealReply(k Keys, path, text string) []byte {
	const ts, nonce = "1653030000", "n1"
	if path == RobotPath {
		c, _ := k.robotCrypt()
		plain, _ := json.Marshal(map[string]any{
			"msgtype": "stream", "stream": map[string]any{"id": "1", "finish": true, "content": text},
		})
		enc := c.Seal(plain)
		b, _ := json.Marshal(map[string]any{
			"encrypt": enc, "msgsignature": c.Sign(ts, nonce, enc), "timestamp": 1653030000, "nonce": nonce,
		})
		return b
	}
	token, key, receiver := k.WeCom.Token, k.WeCom.AESKey, k.WeCom.CorpID
	if path == ServicePath {
		token, key, receiver = k.Service.Token, k.Service.AESKey, k.Service.AppID
	}
	plain := "<xml><MsgType>text</MsgType><Content><![CDATA[" + text + "]]></Content></xml>"
	enc, err := util.EncryptMsg([]byte("0123456789abcdef"), []byte(plain), receiver, key)
	if err != nil {
		panic(err)
	}
	return []byte(fmt.Sprintf("<xml><Encrypt>%s</Encrypt><MsgSignature>%s</MsgSignature><TimeStamp>%s</TimeStamp><Nonce>%s</Nonce></xml>",
		enc, util.Signature(token, ts, nonce, string(enc)), ts, nonce))
}
