package platform

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// gateway is Alipay's side: it checks our signature and signs its answers.
type gateway struct {
	*httptest.Server
	calls  atomic.Int64
	ours   *rsa.PrivateKey // the app's, whose public half Alipay knows
	theirs *rsa.PrivateKey // Alipay's
	forge  atomic.Bool     // sign with a key that is not Alipay's
	answer atomic.Value    // func(form url.Values) string
	h      atomic.Value    // http.HandlerFunc; not nil: instead of answer
}

// keys are made once: they are slow to make.
var keys = sync.OnceValue(func() (k [3]*rsa.PrivateKey) {
	for i := range k {
		var err error
		if k[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			panic(err)
		}
	}
	return k
})

var aesKey = bytes.Repeat([]byte{7}, 16)

func newGateway(t testing.TB) *gateway {
	t.Helper()
	g := &gateway{ours: keys()[0], theirs: keys()[1]}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.calls.Add(1)
		if h, _ := g.h.Load().(http.HandlerFunc); h != nil {
			h(w, r)
			return
		}
		_ = r.ParseForm()
		f := r.PostForm
		if r.URL.Path != "/gateway.do" || r.Header.Get("X-Orig-Host") != "openapi.alipay.com" {
			t.Errorf("asked %s of %q", r.URL.Path, r.Header.Get("X-Orig-Host"))
		}
		if at, err := time.ParseInLocation(time.DateTime, f.Get("timestamp"), venue.Zone); err != nil || time.Since(at).Abs() > time.Minute {
			t.Errorf("timestamp %q is not the time in China", f.Get("timestamp"))
		}
		sig, _ := base64.StdEncoding.DecodeString(f.Get("sign"))
		sum := sha256.Sum256([]byte(signContent(f, "sign")))
		if rsa.VerifyPKCS1v15(&g.ours.PublicKey, crypto.SHA256, sum[:], sig) != nil {
			io.WriteString(w, `{"error_response":{"code":"40002","msg":"Invalid Arguments","sub_code":"isv.invalid-signature","sub_msg":"验签出错"}}`)
			return
		}
		key := g.theirs
		if g.forge.Load() {
			key = g.ours
		}
		// By hand: the signature covers the very bytes of the node.
		node, body := strings.ReplaceAll(f.Get("method"), ".", "_")+"_response", g.answer.Load().(func(url.Values) string)(f)
		fmt.Fprintf(w, `{"%s":%s,"sign":"%s"}`, node, body, rsa2(key, body))
	}))
	t.Cleanup(g.Close)
	return g
}

func signContent(f url.Values, ignore ...string) string {
	var pairs []string
	for k, v := range f {
		for _, v := range v {
			if !slices.Contains(ignore, k) && v != "" {
				pairs = append(pairs, k+"="+v)
			}
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

func rsa2(key *rsa.PrivateKey, s string) string {
	sum := sha256.Sum256([]byte(s))
	b, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(b)
}

func (g *gateway) config() AlipayConfig {
	private, _ := x509.MarshalPKCS8PrivateKey(g.ours)
	public, _ := x509.MarshalPKIXPublicKey(&g.theirs.PublicKey)
	return AlipayConfig{
		AppID:           "2021000000000001",
		PrivateKey:      base64.StdEncoding.EncodeToString(private),
		AlipayPublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		PhoneKey:        base64.StdEncoding.EncodeToString(aesKey),
		HTTP:            HTTP{Base: g.URL, Timeout: 5 * time.Second},
	}
}

func (g *gateway) client(t testing.TB) *Alipay {
	t.Helper()
	a, err := NewAlipay(g.config())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// seal encrypts as Alipay does for the phone button.
func seal(plain string) string {
	pad := 16 - len(plain)%16
	b := append([]byte(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
	block, _ := aes.NewCipher(aesKey)
	cipher.NewCBCEncrypter(block, make([]byte, 16)).CryptBlocks(b, b)
	return base64.StdEncoding.EncodeToString(b)
}

// phonePayload is what my.getPhoneNumber gives the app.
func (g *gateway) phonePayload(plain string) string {
	ct := seal(plain)
	return fmt.Sprintf(`{"response":"%s","sign":"%s","sign_type":"RSA2","encrypt_type":"AES","charset":"UTF-8"}`, ct, rsa2(g.theirs, `"`+ct+`"`))
}

const goodPhone = `{"code":"10000","msg":"Success","mobile":"13800138000"}`

func TestAlipayLoginNeedsNoUserID(t *testing.T) {
	g := newGateway(t)
	a := g.client(t)
	for _, tc := range []struct{ name, body, want string }{
		{"a new app", `{"open_id":"074a-1","access_token":"composeB","expires_in":31536000,"auth_start":"2026-11-22 10:00:00"}`, "074a-1"},
		{"an old app", `{"user_id":"2088000000000001","access_token":"composeB"}`, "2088000000000001"},
		{"both", `{"user_id":"2088000000000001","open_id":"074a-1","access_token":"composeB"}`, "074a-1"},
	} {
		g.answer.Store(func(f url.Values) string {
			if f.Get("code") != canaryCode || f.Get("grant_type") != "authorization_code" || f.Has("encrypt_type") {
				t.Errorf("%s: asked %v", tc.name, f)
			}
			return tc.body
		})
		got, err := a.Login(t.Context(), canaryCode)
		if err != nil || got.Reveal() != tc.want {
			t.Errorf("%s: %q, %v", tc.name, got.Reveal(), err)
		}
	}
}

func TestAlipayFailuresSayWhatToDo(t *testing.T) {
	g := newGateway(t)
	a := g.client(t)
	login := func() error { _, err := a.Login(t.Context(), canaryCode); return err }
	send := func() error { return a.Template(t.Context(), Message{To: openID(t), Template: "T"}) }
	says := func(s string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, s) }
	}
	refusal := func(code, sub string) http.HandlerFunc {
		return says(fmt.Sprintf(`{"error_response":{"code":"%s","msg":"%s","sub_code":"%s","sub_msg":"%s"}}`, code, canarySecret, sub, canarySecret))
	}
	for _, tc := range []struct {
		name string
		h    http.HandlerFunc
		kind Kind
		code int64
	}{
		{"a used code", refusal("40002", "isv.code-invalid"), BadCode, 40002},
		{"our signature refused", refusal("40002", "isv.invalid-signature"), Token, 40002},
		{"too many calls", refusal("40005", "isv.app-call-limited"), RateLimited, 40005},
		{"Alipay is ill", refusal("20000", "isp.unknow-error"), Down, 20000},
		{"no permission", refusal("40006", "isv.insufficient-isv-permissions"), Refused, 40006},
		{"a sub-code that is none", refusal("40006", canarySecret+" "+canaryCode), Refused, 40006},
		{"an error that is null", says(`{"error_response":null}`), Down, 0},
		{"an error that is empty", says(`{"error_response":{}}`), Down, 0},
		{"an answer that is null", says(`{"alipay_system_oauth_token_response":null,"alipay_open_app_mini_templatemessage_send_response":null}`), Down, 0},
		{"an answer that is a string", says(`{"alipay_system_oauth_token_response":"AAAA","alipay_open_app_mini_templatemessage_send_response":"AAAA","sign":"x"}`), Down, 0},
		{"an answer that is nothing", says(`{}`), Down, 0},
		{"garbage", says(`<html>` + canaryCode), Down, 0},
		{"502", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "<html>", 502) }, Down, 0},
		{"429", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(429) }, RateLimited, 0},
		{"huge", says(`{"x":"` + strings.Repeat("x", maxAnswer) + `"}`), Down, 0},
		{"cut off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, Down, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g.h.Store(tc.h)
			wantKind(t, login(), tc.kind, tc.code)
			wantKind(t, send(), tc.kind, tc.code)
		})
	}
	g.h.Store(http.HandlerFunc(nil))

	for _, body := range []string{`{}`, `{"access_token":"t"}`, `{"open_id":"o1"}`, `{"access_token":"t","open_id":"o 1"}`, `[]`} {
		g.answer.Store(func(url.Values) string { return body })
		wantKind(t, login(), Down, 0)
	}
	// Signed business refusals are no error to the SDK.
	g.answer.Store(func(url.Values) string {
		return `{"code":"40004","msg":"Business Failed","sub_code":"TEMPLATE_ILLEGAL"}`
	})
	wantKind(t, login(), Refused, 40004)
	wantKind(t, send(), Refused, 40004)

	g.answer.Store(func(url.Values) string { return `{"access_token":"t","open_id":"o1","code":"10000"}` })
	g.forge.Store(true)
	wantKind(t, login(), Down, 0)
	wantKind(t, send(), Down, 0)
}

func TestAlipayTimeoutAndLeaving(t *testing.T) {
	g := newGateway(t)
	g.h.Store(http.HandlerFunc(hang))
	c := g.config()
	c.HTTP.Timeout = 50 * time.Millisecond
	a, err := NewAlipay(c)
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Login(t.Context(), "c1")
	wantKind(t, err, Down, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = a.Login(ctx, "c1")
	wantKind(t, err, Down, 0)
}

func TestAlipayCodesThatAreNoneMakeNoCall(t *testing.T) {
	g := newGateway(t)
	for _, code := range []string{"", "a b", "a&b", strings.Repeat("x", 129)} {
		_, err := g.client(t).Login(t.Context(), code)
		wantKind(t, err, BadCode, 0)
	}
	if n := g.calls.Load(); n != 0 {
		t.Errorf("%d calls went out", n)
	}
}

func TestAlipayTemplateWritesTheWireForm(t *testing.T) {
	g := newGateway(t)
	g.answer.Store(func(f url.Values) string {
		var biz struct {
			To   string `json:"to_open_id"`
			ID   string `json:"user_template_id"`
			Page string `json:"page"`
			Data string `json:"data"`
		}
		if err := json.Unmarshal([]byte(f.Get("biz_content")), &biz); err != nil || f.Has("encrypt_type") {
			t.Errorf("biz_content %v, form %v", err, f)
		}
		if biz.To != canaryOpenID || biz.ID != "T1" || biz.Page != "pages/x" || biz.Data != `{"keyword1":{"value":"迟报"}}` {
			t.Errorf("sent %+v", biz)
		}
		return `{"code":"10000","msg":"Success"}`
	})
	err := g.client(t).Template(t.Context(), Message{To: openID(t), Template: "T1", Page: "pages/x", Data: map[string]string{"keyword1": "迟报"}})
	if err != nil || g.calls.Load() != 1 {
		t.Fatalf("%v after %d calls", err, g.calls.Load())
	}
}

func TestAlipayPhoneOpensGoodPayloads(t *testing.T) {
	g := newGateway(t)
	a := g.client(t)
	raw := g.phonePayload(goodPhone)
	for name, raw := range map[string]string{
		"as sent":        raw,
		"escaped slants": strings.ReplaceAll(raw, "/", `\/`),
	} {
		if p, err := a.Phone(t.Context(), raw); err != nil || p.Reveal() != "13800138000" {
			t.Errorf("%s: %q, %v", name, p.Reveal(), err)
		}
	}
	if n := g.calls.Load(); n != 0 {
		t.Errorf("%d calls went out", n)
	}
}

func TestAlipayPhoneRefusesHostilePayloads(t *testing.T) {
	g := newGateway(t)
	a := g.client(t)
	ct := seal(goodPhone)
	sign := rsa2(g.theirs, `"`+ct+`"`)
	payload := func(response, sign, more string) string {
		return fmt.Sprintf(`{"response":%s,"sign":"%s"%s}`, response, sign, more)
	}
	signed := func(response string) string { return payload(response, rsa2(g.theirs, response), "") }
	other := keys()[2]
	for name, raw := range map[string]string{
		"nothing":                     "",
		"not JSON":                    "<xml/>",
		"null":                        "null",
		"a null response":             `{"response":null}`,
		"a null error":                `{"error_response":null}`,
		"half a block":                `{"response":"AAAA","sign":"x"}`,
		"half a block, signed":        signed(`"AAAA"`),
		"an empty response, signed":   signed(`""`),
		"not base64, signed":          signed(`"!!!!"`),
		"an object, signed":           signed(`{"code":"10000","mobile":"13800138000"}`),
		"another key's bytes, signed": signed(`"` + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 64)) + `"`),
		"no signature":                payload(`"`+ct+`"`, "", ""),
		"a broken signature":          payload(`"`+ct+`"`, sign[4:]+"AAAA", ""),
		"somebody's signature":        payload(`"`+ct+`"`, rsa2(other, `"`+ct+`"`), ""),
		"a certificate we never had":  payload(`"`+ct+`"`, sign, `,"alipay_cert_sn":"evil"`),
		"too long":                    payload(`"`+ct+`"`, sign, `,"x":"`+strings.Repeat("x", 4096)+`"`),
		"a business failure":          g.phonePayload(`{"code":"40001","msg":"Missing"}`),
		"null inside":                 g.phonePayload(`null`),
		"not JSON inside":             g.phonePayload(`oops`),
		"no number inside":            g.phonePayload(`{"code":"10000","mobile":"12345"}`),
	} {
		p, err := a.Phone(t.Context(), raw)
		if !p.IsZero() || err == nil {
			t.Errorf("%s: %v, %v", name, p, err)
			continue
		}
		wantKind(t, err, BadCode, 0)
		if want := "alipay phone: bad code"; err.Error() != want {
			t.Errorf("%s: tells more than the others: %v", name, err)
		}
	}
	if n := g.calls.Load(); n != 0 {
		t.Errorf("%d calls went out", n)
	}

	c := g.config()
	c.PhoneKey = ""
	keyless, err := NewAlipay(c)
	if err != nil {
		t.Fatal(err)
	}
	_, err = keyless.Phone(t.Context(), g.phonePayload(goodPhone))
	wantKind(t, err, Refused, 0)
}

func (g *gateway) notification() url.Values {
	v := url.Values{}
	for k, s := range map[string]string{
		"app_id": "2021000000000001", "charset": "UTF-8", "version": "1.1", "sign_type": "RSA2",
		"notify_id": "n1", "msg_method": "alipay.open.app.message.topic", "biz_content": `{"text":"上报 321"}`,
		"utc_timestamp": "1700000000123",
	} {
		v.Set(k, s)
	}
	return g.sign(v)
}

func (g *gateway) sign(v url.Values) url.Values {
	v.Set("sign", rsa2(g.theirs, signContent(v, "sign", "sign_type", "alipay_cert_sn")))
	return v
}

func TestAlipayNotificationIsRead(t *testing.T) {
	g := newGateway(t)
	got, err := g.client(t).VerifyNotification(g.notification())
	want := Notification{ID: "n1", Method: "alipay.open.app.message.topic", Content: `{"text":"上报 321"}`, At: time.UnixMilli(1700000000123).UTC()}
	if err != nil || got != want {
		t.Fatalf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestForgedAlipayNotificationsAreRefused(t *testing.T) {
	g := newGateway(t)
	a := g.client(t)
	for name, change := range map[string]func(url.Values){
		"other words":                  func(v url.Values) { v.Set("biz_content", `{"text":"上报 1"}`) },
		"one field more":               func(v url.Values) { v.Set("x", "y") },
		"one field less":               func(v url.Values) { v.Del("utc_timestamp") },
		"a field twice":                func(v url.Values) { v.Add("biz_content", v.Get("biz_content")) },
		"a field twice, signed":        func(v url.Values) { v["biz_content"] = []string{"1", "2"}; g.sign(v) },
		"no signature":                 func(v url.Values) { v.Del("sign") },
		"a signature that is none":     func(v url.Values) { v.Set("sign", "!!") },
		"signed by us":                 func(v url.Values) { v.Set("sign", rsa2(g.ours, signContent(v, "sign", "sign_type"))) },
		"an older kind of signature":   func(v url.Values) { v.Set("sign_type", "RSA") },
		"for another app, signed":      func(v url.Values) { v.Set("app_id", "1"); g.sign(v) },
		"an unknown certificate":       func(v url.Values) { v.Set("alipay_cert_sn", "evil") },
		"the SDK's name for our key":   func(v url.Values) { v.Set("alipay_cert_sn", "alipay-public-key") },
		"an empty certificate, signed": func(v url.Values) { v.Set("alipay_cert_sn", ""); g.sign(v) },
	} {
		v := g.notification()
		change(v)
		if n, err := a.VerifyNotification(v); !errors.Is(err, venue.ErrInvalid) || n != (Notification{}) {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
	if _, err := a.VerifyNotification(nil); !errors.Is(err, venue.ErrInvalid) {
		t.Errorf("nothing: %v", err)
	}
	if n := g.calls.Load(); n != 0 {
		t.Errorf("%d calls went out", n)
	}
}

func TestNewAlipayRefusesBadKeysWithoutQuotingThem(t *testing.T) {
	g := newGateway(t)
	for name, change := range map[string]func(*AlipayConfig){
		"no app id":                func(c *AlipayConfig) { c.AppID = "" },
		"no private key":           func(c *AlipayConfig) { c.PrivateKey = "" },
		"a private key that isn't": func(c *AlipayConfig) { c.PrivateKey = canarySecret },
		"half a private key":       func(c *AlipayConfig) { c.PrivateKey = c.PrivateKey[:400] },
		"no public key":            func(c *AlipayConfig) { c.AlipayPublicKey = "" },
		"a public key that isn't":  func(c *AlipayConfig) { c.AlipayPublicKey = canarySecret },
		"a phone key that isn't":   func(c *AlipayConfig) { c.PhoneKey = canarySecret },
		"a short phone key":        func(c *AlipayConfig) { c.PhoneKey = "AAAA" },
		"a base that isn't":        func(c *AlipayConfig) { c.HTTP.Base = canarySecret },
	} {
		c := g.config()
		change(&c)
		_, err := NewAlipay(c)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		wantNoSecret(t, err)
	}
}

// Whatever a phone sends: no panic, no call, and only what Alipay signed opens.
func FuzzAlipayPhone(f *testing.F) {
	g := newGateway(f)
	a := g.client(f)
	good := g.phonePayload(goodPhone)
	for _, s := range []string{good, `{"response":null}`, `{"error_response":null}`, `{"response":"AAAA","sign":"x"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		p, err := a.Phone(context.Background(), raw)
		if err == nil && p.Reveal() != "13800138000" {
			t.Fatalf("%q opened as something else", raw)
		}
		if err != nil && err.Error() != "alipay phone: bad code" {
			t.Fatalf("%q: %v", raw, err)
		}
		if g.calls.Load() != 0 {
			t.Fatalf("%q made a call", raw)
		}
	})
}
