package platform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/silenceper/wechat/v2/util"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// The canaries stand for everything that must never be told.
const (
	canarySecret  = "canary-app-secret"
	canaryCode    = "canary-login-code"
	canaryWebhook = "canary-webhook-key"
	canaryOpenID  = "oCANARYopenid_0123456789-abc"
)

var canaries = []string{canarySecret, canaryCode, canaryWebhook, canaryOpenID, "tok-", "13800138000", "weixin.qq.com"}

// far is the platforms' side: one handler per host and path, and what it saw.
type far struct {
	*httptest.Server
	mu     sync.Mutex
	routes map[string]http.HandlerFunc
	calls  map[string]int
	token  int // the number of the last token given out
}

// newFar starts it, knowing only how to give tokens, and points the SDK to it.
func newFar(t *testing.T) *far {
	t.Helper()
	f := &far{routes: map[string]http.HandlerFunc{}, calls: map[string]int{}}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := r.Header.Get("X-Orig-Host") + r.URL.Path
		f.mu.Lock()
		f.calls[at]++
		h := f.routes[at]
		f.mu.Unlock()
		if h == nil {
			http.Error(w, "no such api "+at, http.StatusNotFound)
			return
		}
		h(w, r)
	}))
	t.Cleanup(f.Close)
	give := func(w http.ResponseWriter) {
		f.mu.Lock()
		f.token++
		n := f.token
		f.mu.Unlock()
		fmt.Fprintf(w, `{"errcode":0,"access_token":"tok-%d","expires_in":7200}`, n)
	}
	f.on(stableToken, func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			AppID, Secret string
		}
		if json.NewDecoder(r.Body).Decode(&q) != nil || q.Secret != canarySecret {
			io.WriteString(w, `{"errcode":40125,"errmsg":"invalid appsecret"}`)
			return
		}
		give(w)
	})
	f.on(corpToken, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("corpsecret") != canarySecret {
			io.WriteString(w, `{"errcode":40001,"errmsg":"invalid credential"}`)
			return
		}
		give(w)
	})
	f.install(t, 5*time.Second)
	return f
}

const (
	stableToken = "api.weixin.qq.com/cgi-bin/stable_token"
	corpToken   = "qyapi.weixin.qq.com/cgi-bin/gettoken"
	session     = "api.weixin.qq.com/sns/jscode2session"
	phoneNumber = "api.weixin.qq.com/wxa/business/getuserphonenumber"
	subscribing = "api.weixin.qq.com/cgi-bin/message/subscribe/send"
	customer    = "api.weixin.qq.com/cgi-bin/message/custom/send"
	templating  = "api.weixin.qq.com/cgi-bin/message/template/send"
	appMessage  = "qyapi.weixin.qq.com/cgi-bin/message/send"
	webhookSend = "qyapi.weixin.qq.com/cgi-bin/webhook/send"
)

func (f *far) install(t *testing.T, timeout time.Duration) {
	t.Helper()
	if err := Install(HTTP{Base: f.URL, Timeout: timeout}); err != nil {
		t.Fatal(err)
	}
}

func (f *far) on(at string, h http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.routes[at] = h
}

// says answers a path with fixed text.
func (f *far) says(at, body string) {
	f.on(at, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) })
}

// forgets answers errcode until it is asked with a token other than tok-1.
func (f *far) forgets(at string, code int, body string) {
	f.on(at, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("access_token") == "tok-1" {
			fmt.Fprintf(w, `{"errcode":%d,"errmsg":"access_token expired"}`, code)
			return
		}
		io.WriteString(w, body)
	})
}

func (f *far) count(at string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[at]
}

// alone are the tokens of a process whose store is away.
func alone() *Tokens { return NewTokens(away{}, nil, venue.ClockFunc(time.Now)) }

type away struct{ store.Documents }

func (away) Get(context.Context, string, string) (store.Document, error) {
	return store.Document{}, venue.ErrUnavailable
}

func openID(t testing.TB) OpenID {
	t.Helper()
	o, err := ParseOpenID(canaryOpenID)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// wantKind checks an error's kind and code, and that it tells no secret.
func wantKind(t *testing.T, err error, kind Kind, code int64) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v is no *Error", err)
	}
	if e.Kind != kind || e.Code != code {
		t.Errorf("error %v: kind %v code %d, want %v %d", err, e.Kind, e.Code, kind, code)
	}
	wantNoSecret(t, err)
	down, invalid := errors.Is(err, venue.ErrUnavailable), errors.Is(err, venue.ErrInvalid)
	if down != (kind == Down || kind == RateLimited) || invalid != (kind == BadCode) {
		t.Errorf("error %v: unavailable %v, invalid %v", err, down, invalid)
	}
}

func wantNoSecret(t *testing.T, err error) {
	t.Helper()
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Error("x", "err", err)
	all := log.String() + fmt.Sprintf("%v %+v %#v %s", err, err, err, errors.Unwrap(err))
	for _, c := range canaries {
		if strings.Contains(all, c) {
			t.Errorf("the error tells %q: %s", c, all)
		}
	}
}

// hang never answers. It reads the body, else the server would not notice that
// we left.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// op is one call of one client, with the path it ends at and a good answer.
type op struct {
	name, at, good string
	token          string // where its token comes from; empty when it needs none
	call           func(context.Context) error
}

// ops makes fresh clients, that have no tokens, and every call they have.
func ops(t *testing.T) []op {
	t.Helper()
	wx, err := NewWeChat(WeChatConfig{AppID: "wx1", Secret: canarySecret, Tokens: alone()})
	if err != nil {
		t.Fatal(err)
	}
	sa, err := NewServiceAccount(ServiceConfig{AppID: "wx2", Secret: canarySecret, Tokens: alone()})
	if err != nil {
		t.Fatal(err)
	}
	wc, err := NewWeCom(WeComConfig{CorpID: "ww1", Secret: canarySecret, AgentID: "1000002", Tokens: alone()})
	if err != nil {
		t.Fatal(err)
	}
	to := openID(t)
	ok := `{"errcode":0,"errmsg":"ok"}`
	msg := Message{To: to, Template: "T", Data: map[string]string{"thing1": "文化路菜市场"}}
	return []op{
		{"login", session, `{"openid":"` + canaryOpenID + `","session_key":"k"}`, "", func(ctx context.Context) error {
			_, err := wx.Login(ctx, canaryCode)
			return err
		}},
		{"phone", phoneNumber, `{"errcode":0,"phone_info":{"phoneNumber":"13800138000","purePhoneNumber":"13800138000","countryCode":"86"}}`, stableToken, func(ctx context.Context) error {
			_, err := wx.Phone(ctx, canaryCode)
			return err
		}},
		{"subscribe", subscribing, ok, stableToken, func(ctx context.Context) error { return wx.Subscribe(ctx, msg) }},
		{"text", customer, ok, stableToken, func(ctx context.Context) error { return sa.Send(ctx, to, "已收到 321") }},
		{"template", templating, ok, stableToken, func(ctx context.Context) error { return sa.Template(ctx, msg) }},
		{"app", appMessage, ok, corpToken, func(ctx context.Context) error { return wc.SendApp(ctx, "zhangsan", "今日未上报") }},
		{"group", webhookSend, ok, "", func(ctx context.Context) error {
			return wc.SendGroup(ctx, canaryWebhook, "今日未上报", []string{"zhangsan", "@all"})
		}},
	}
}

func TestEveryCallSucceeds(t *testing.T) {
	f := newFar(t)
	for _, o := range ops(t) {
		f.says(o.at, o.good)
		if err := o.call(t.Context()); err != nil {
			t.Errorf("%s: %v", o.name, err)
		}
		if n := f.count(o.at); n != 1 {
			t.Errorf("%s: %d calls", o.name, n)
		}
	}
}

func TestErrcodesSayWhatToDo(t *testing.T) {
	f := newFar(t)
	for _, o := range ops(t) {
		want := map[int64]Kind{-1: Down, 45009: RateLimited, 48001: Refused, 99999: Refused}
		switch o.name {
		case "login", "phone":
			want[40029], want[40163] = BadCode, BadCode
		case "subscribe", "template":
			want[43101], want[43004] = Gone, Gone
		case "text":
			want[45015] = Refused
		case "app":
			want[40001], want[60111] = Token, Gone
		case "group":
			want[93000] = Gone
		}
		for code, kind := range want {
			before := f.count(o.at)
			f.says(o.at, fmt.Sprintf(`{"errcode":%d,"errmsg":"%s errcode=1"}`, code, canarySecret))
			err := o.call(t.Context())
			wantKind(t, err, kind, code)
			if !strings.Contains(err.Error(), " "+o.name+": ") {
				t.Errorf("%s: the error does not name what was done: %v", o.name, err)
			}
			if n := f.count(o.at) - before; n != 1 {
				t.Errorf("%s: errcode %d was tried %d times", o.name, code, n)
			}
		}
	}
}

func TestNoAnswerIsDownAndTellsNoSecret(t *testing.T) {
	huge := `{"errcode":0,"openid":"` + strings.Repeat("o", maxAnswer) + `"}`
	for _, fault := range []struct {
		name, why string
		kind      Kind
		h         http.HandlerFunc
	}{
		{"500", "status 500", Down, func(w http.ResponseWriter, r *http.Request) { http.Error(w, r.URL.String(), 500) }},
		{"429", "status 429", RateLimited, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(429) }},
		{"elsewhere", "status 302", Down, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/stolen", 302) }},
		{"not JSON", "unreadable answer", Down, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>"+r.URL.String()) }},
		{"other JSON", "unreadable answer", Down, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, `{"errcode":"`+r.URL.RawQuery+`"}`) }},
		{"empty", "unreadable answer", Down, func(w http.ResponseWriter, r *http.Request) {}},
		{"huge", "answer too long", Down, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, huge) }},
		{"cut off", "connection", Down, func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }},
		{"silent", "timeout", Down, hang},
		{"silent after the head", "timeout", Down, func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			hang(w, r)
		}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			f := newFar(t)
			if fault.why == "timeout" {
				f.install(t, 50*time.Millisecond)
			}
			for _, o := range ops(t) {
				f.on(o.at, fault.h)
				err := o.call(t.Context())
				wantKind(t, err, fault.kind, 0)
				var e *Error
				if errors.As(err, &e); e != nil && e.Why != fault.why {
					t.Errorf("%s: %v, want %s", o.name, err, fault.why)
				}
				if f.count("/stolen") != 0 {
					t.Errorf("%s: followed a redirection", o.name)
				}
			}
			// The same on the way to the token.
			f.on(stableToken, fault.h)
			f.on(corpToken, fault.h)
			for _, o := range ops(t) {
				if o.token == "" {
					continue
				}
				before := f.count(o.at)
				wantKind(t, o.call(t.Context()), fault.kind, 0)
				if f.count(o.at) != before {
					t.Errorf("%s: called without a token", o.name)
				}
			}
		})
	}
}

func TestNobodyListensIsDown(t *testing.T) {
	f := newFar(t)
	all := ops(t)
	f.Close()
	for _, o := range all {
		wantKind(t, o.call(t.Context()), Down, 0)
	}
}

func TestForgottenTokenIsFetchedOnceMore(t *testing.T) {
	for _, code := range []int{40001, 40014, 42001} {
		for i := range 7 {
			f := newFar(t)
			o := ops(t)[i]
			if o.token == "" || (o.token == corpToken && code == 40001) {
				continue
			}
			f.forgets(o.at, code, o.good)
			if err := o.call(t.Context()); err != nil {
				t.Errorf("%s after %d: %v", o.name, code, err)
			}
			if got := [2]int{f.count(o.token), f.count(o.at)}; got != [2]int{2, 2} {
				t.Errorf("%s after %d: %d token fetches and %d calls, want 2 and 2", o.name, code, got[0], got[1])
			}
			// The new token stays.
			if err := o.call(t.Context()); err != nil || f.count(o.token) != 2 {
				t.Errorf("%s again: %v, %d token fetches", o.name, err, f.count(o.token))
			}
		}
	}
}

func TestTokenRefusedTwiceIsTold(t *testing.T) {
	f := newFar(t)
	for _, o := range ops(t) {
		if o.token == "" {
			continue
		}
		f.says(o.at, `{"errcode":42001,"errmsg":"access_token expired"}`)
		wantKind(t, o.call(t.Context()), Token, 42001)
		if n := f.count(o.at); n != 2 {
			t.Errorf("%s: tried %d times, want 2", o.name, n)
		}
	}
}

func TestWrongSecretIsTold(t *testing.T) {
	f := newFar(t)
	f.says(stableToken, `{"errcode":40125,"errmsg":"invalid appsecret `+canarySecret+`"}`)
	f.says(corpToken, `{"errcode":40001,"errmsg":"invalid credential"}`)
	for _, o := range ops(t) {
		switch o.token {
		case stableToken:
			wantKind(t, o.call(t.Context()), Token, 40125)
		case corpToken:
			wantKind(t, o.call(t.Context()), Token, 40001)
		}
	}
}

func TestAnswerWithoutTokenIsNotRemembered(t *testing.T) {
	f := newFar(t)
	wx, err := NewWeChat(WeChatConfig{AppID: "wx1", Secret: canarySecret, Tokens: alone()})
	if err != nil {
		t.Fatal(err)
	}
	good := f.routes[stableToken]
	f.says(stableToken, `{"expires_in":7200}`)
	f.says(subscribing, `{"errcode":0}`)
	wantKind(t, wx.Subscribe(t.Context(), Message{To: openID(t)}), Down, 0)
	f.on(stableToken, good)
	if err := wx.Subscribe(t.Context(), Message{To: openID(t)}); err != nil {
		t.Fatal(err)
	}
	if n := f.count(stableToken); n != 2 {
		t.Errorf("%d token fetches, want 2", n)
	}
}

func TestFiftyCallersFetchOneToken(t *testing.T) {
	for i := range 7 {
		f := newFar(t)
		o := ops(t)[i]
		if o.token == "" {
			continue
		}
		together := func() {
			t.Helper()
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() {
					if err := o.call(t.Context()); err != nil {
						t.Errorf("%s: %v", o.name, err)
					}
				})
			}
			all.Wait()
		}
		f.says(o.at, o.good)
		together()
		if n := f.count(o.token); n != 1 {
			t.Errorf("%s: %d token fetches, want 1", o.name, n)
		}
		f.forgets(o.at, 42001, o.good)
		together()
		if n := f.count(o.token); n != 2 {
			t.Errorf("%s: %d token fetches after it was forgotten, want 2", o.name, n)
		}
	}
}

func TestWaitersShareOneFailedFetch(t *testing.T) {
	f := newFar(t)
	f.install(t, 100*time.Millisecond)
	f.on(stableToken, hang)
	o := ops(t)[2]
	start := time.Now()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { wantKind(t, o.call(t.Context()), Down, 0) })
	}
	all.Wait()
	// One after the other, as the SDK's lock would have it, takes 2 s.
	if d := time.Since(start); d > time.Second {
		t.Errorf("20 callers waited %v for a platform that is down", d)
	}
}

func TestCallerWhoLeavesDoesNotWait(t *testing.T) {
	f := newFar(t)
	release := make(chan struct{})
	defer close(release)
	for _, at := range []string{stableToken, corpToken, session} {
		f.on(at, func(w http.ResponseWriter, r *http.Request) { <-release })
	}
	for _, o := range ops(t) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if o.name == "group" {
			cancel()
		}
		start := time.Now()
		wantKind(t, o.call(ctx), Down, 0)
		cancel()
		if d := time.Since(start); d > 500*time.Millisecond {
			t.Errorf("%s: took %v", o.name, d)
		}
	}
}

func TestNothingIsSentAfterTheCallerLeft(t *testing.T) {
	f := newFar(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, o := range ops(t) {
		f.says(o.at, o.good)
		if err := o.call(t.Context()); err != nil { // the token is now cached
			t.Fatalf("%s: %v", o.name, err)
		}
		wantKind(t, o.call(gone), Down, 0)
		if n := f.count(o.at); n != 1 {
			t.Errorf("%s: %d calls, want 1", o.name, n)
		}
	}
}

func TestBaseMayHaveAPath(t *testing.T) {
	var got string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Host + " " + r.URL.Path + " for " + r.Header.Get("X-Orig-Host") + "?" + r.URL.Query().Get("js_code")
		io.WriteString(w, `{"openid":"o1"}`)
	}))
	defer s.Close()
	if err := Install(HTTP{Base: s.URL + "/outside/"}); err != nil {
		t.Fatal(err)
	}
	wx, err := NewWeChat(WeChatConfig{AppID: "wx1", Secret: "s", Tokens: alone()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wx.Login(t.Context(), "c1"); err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimPrefix(s.URL, "http://") + " /outside/sns/jscode2session for api.weixin.qq.com?c1"; got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
}

func TestInstallRefusesWhatIsNoAddress(t *testing.T) {
	for _, base := range []string{"127.0.0.1:8081", "ftp://x", "http://", "://", "/x"} {
		if err := Install(HTTP{Base: base}); err == nil {
			t.Errorf("Install accepted %q", base)
		}
	}
}

func TestClientsBeforeInstallAreRefused(t *testing.T) {
	kept := util.DefaultHTTPClient
	defer func() { util.DefaultHTTPClient = kept }()
	util.DefaultHTTPClient = http.DefaultClient
	if _, err := NewWeChat(WeChatConfig{AppID: "a", Secret: "s", Tokens: alone()}); err == nil {
		t.Error("NewWeChat would use the client without a timeout")
	}
	if _, err := NewServiceAccount(ServiceConfig{AppID: "a", Secret: "s", Tokens: alone()}); err == nil {
		t.Error("NewServiceAccount would use the client without a timeout")
	}
	if _, err := NewWeCom(WeComConfig{Tokens: alone()}); err == nil {
		t.Error("NewWeCom would use the client without a timeout")
	}
}

func TestInstallLeavesTheDefaultClientAlone(t *testing.T) {
	newFar(t)
	if util.DefaultHTTPClient == http.DefaultClient || http.DefaultClient.Transport != nil {
		t.Error("Install changed http.DefaultClient")
	}
}

func TestOpenIDPrintsMasked(t *testing.T) {
	o := openID(t)
	hidden := struct{ who OpenID }{o}
	shown := struct{ Who OpenID }{o}
	for _, v := range []any{o, &o, hidden, &hidden, shown, []OpenID{o}, map[OpenID]int{o: 1}} {
		b, _ := json.Marshal(v)
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		all := string(b) + log.String() + fmt.Sprint(v)
		for _, verb := range "vsqdxXTpwc" {
			all += fmt.Sprintf("%"+string(verb)+" %+"+string(verb)+" %#"+string(verb), v, v, v)
		}
		if strings.Contains(all, canaryOpenID) || strings.Contains(all, fmt.Sprintf("%x", canaryOpenID)) {
			t.Errorf("%T tells the openid: %s", v, all)
		}
	}
	if fmt.Sprint(o) != "openid(…)" || o.Reveal() != canaryOpenID || (OpenID{}).Reveal() != "" {
		t.Errorf("prints %v, reveals %q", o, o.Reveal())
	}
	for _, s := range []string{"", "a b", "a&b", "中", strings.Repeat("a", 129)} {
		if _, err := ParseOpenID(s); !errors.Is(err, venue.ErrInvalid) {
			t.Errorf("ParseOpenID(%q): %v", s, err)
		}
	}
}
