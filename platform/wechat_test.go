package platform

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/venue"
)

func newWeChat(t *testing.T) *WeChat {
	t.Helper()
	wx, err := NewWeChat(WeChatConfig{AppID: "wx1", Secret: canarySecret, Tokens: alone()})
	if err != nil {
		t.Fatal(err)
	}
	return wx
}

func TestLoginGivesTheOpenIDOnce(t *testing.T) {
	f := newFar(t)
	used := false
	f.on(session, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		switch {
		case q.Get("appid") != "wx1" || q.Get("secret") != canarySecret || q.Get("js_code") != "c1":
			io.WriteString(w, `{"errcode":40029,"errmsg":"invalid code"}`)
		case used:
			io.WriteString(w, `{"errcode":40163,"errmsg":"code been used"}`)
		default:
			used = true
			io.WriteString(w, `{"openid":"`+canaryOpenID+`","session_key":"k","unionid":"u"}`)
		}
	})
	wx := newWeChat(t)
	got, err := wx.Login(t.Context(), "c1")
	if err != nil || got.Reveal() != canaryOpenID {
		t.Fatalf("Login = %q, %v", got.Reveal(), err)
	}
	_, err = wx.Login(t.Context(), "c1")
	wantKind(t, err, BadCode, 40163)
	var invalid *venue.Invalid
	if !errors.As(err, &invalid) || invalid.Field != "login_code" {
		t.Errorf("a used code names %+v", invalid)
	}
	_, err = wx.Login(t.Context(), "c2")
	wantKind(t, err, BadCode, 40029)
	if n := f.count(stableToken); n != 0 {
		t.Errorf("login fetched %d access tokens", n)
	}
}

func TestCodesThatAreNoneMakeNoCall(t *testing.T) {
	f := newFar(t)
	wx := newWeChat(t)
	for _, code := range []string{"", "x&appid=EVIL", "x#", "x y", "x%26", "码", "x\n", strings.Repeat("x", 129)} {
		_, err := wx.Login(t.Context(), code)
		wantKind(t, err, BadCode, 0)
		_, err = wx.Phone(t.Context(), code)
		wantKind(t, err, BadCode, 0)
	}
	if len(f.calls) != 0 {
		t.Errorf("calls went out: %v", f.calls)
	}
}

func TestLoginWithoutOpenIDIsDown(t *testing.T) {
	f := newFar(t)
	wx := newWeChat(t)
	for _, body := range []string{`{}`, `{"openid":""}`, `{"openid":"a b"}`, `null`} {
		f.says(session, body)
		_, err := wx.Login(t.Context(), "c1")
		wantKind(t, err, Down, 0)
	}
}

func TestPhoneIsMainlandOnly(t *testing.T) {
	f := newFar(t)
	wx := newWeChat(t)
	answer := func(pure, country string) {
		f.says(phoneNumber, `{"errcode":0,"phone_info":{"phoneNumber":"x","purePhoneNumber":"`+pure+`","countryCode":"`+country+`"}}`)
	}
	answer("13800138000", "86")
	if p, err := wx.Phone(t.Context(), "c1"); err != nil || p.Reveal() != "13800138000" {
		t.Fatalf("Phone = %q, %v", p.Reveal(), err)
	}
	// A foreign number may look like one of ours.
	answer("13800138000", "1")
	if _, err := wx.Phone(t.Context(), "c1"); !errors.Is(err, venue.ErrInvalid) {
		t.Errorf("a foreign number: %v", err)
	} else {
		wantNoSecret(t, err)
	}
	answer("", "")
	_, err := wx.Phone(t.Context(), "c1")
	wantKind(t, err, Down, 0)
}

func TestSubscribeWritesTheWireForm(t *testing.T) {
	f := newFar(t)
	var got struct {
		ToUser     string `json:"touser"`
		TemplateID string `json:"template_id"`
		Page       string `json:"page"`
		Data       map[string]struct{ Value string }
	}
	f.on(subscribing, func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.URL.Query().Get("access_token") != "tok-1" {
			t.Errorf("body %v, query %s", err, r.URL.RawQuery)
		}
		io.WriteString(w, `{"errcode":0,"errmsg":"ok"}`)
	})
	err := newWeChat(t).Subscribe(t.Context(), Message{
		To: openID(t), Template: "T1", Page: "pages/report", Data: map[string]string{"thing1": "3月1日\x00扫码"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.ToUser != canaryOpenID || got.TemplateID != "T1" || got.Page != "pages/report" || got.Data["thing1"].Value != "3月1日扫码" {
		t.Errorf("sent %+v", got)
	}
}

func TestServiceAccountWritesTheWireForm(t *testing.T) {
	f := newFar(t)
	bodies := map[string]string{}
	for _, at := range []string{customer, templating} {
		f.on(at, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			bodies[at] = string(b)
			io.WriteString(w, `{"errcode":0,"errmsg":"ok","msgid":7}`)
		})
	}
	sa, err := NewServiceAccount(ServiceConfig{AppID: "wx2", Secret: canarySecret, Tokens: alone()})
	if err != nil {
		t.Fatal(err)
	}
	if err := sa.Send(t.Context(), openID(t), "更正 <321>"); err != nil {
		t.Fatal(err)
	}
	if err := sa.Template(t.Context(), Message{To: openID(t), Template: "T2", Page: "https://x/", ID: "m1", Data: map[string]string{"first": "迟报"}}); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string][]string{
		customer:   {`"touser":"` + canaryOpenID + `"`, `"msgtype":"text"`, `"content":"更正 <321>"`},
		templating: {`"touser":"` + canaryOpenID + `"`, `"template_id":"T2"`, `"url":"https://x/"`, `"client_msg_id":"m1"`, `"value":"迟报"`},
	} {
		for _, w := range want {
			if !strings.Contains(bodies[at], w) {
				t.Errorf("%s lacks %s: %s", at, w, bodies[at])
			}
		}
	}
	if n := f.count(stableToken); n != 1 {
		t.Errorf("%d token fetches for two messages", n)
	}
	for _, text := range []string{"", "\x00\x01", strings.Repeat("报", 683)} {
		if err := sa.Send(t.Context(), openID(t), text); !errors.Is(err, venue.ErrInvalid) {
			t.Errorf("%d bytes: %v", len(text), err)
		}
	}
}
