package platform

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/smartwalle/alipay/v3"
	"github.com/smartwalle/ncrypto"

	"github.com/venuecode/venuecode/venue"
)

// AlipayGateway is the real gateway.
const AlipayGateway = "https://openapi.alipay.com/gateway.do"

// AlipayConfig names an Alipay mini-program in public-key mode.
type AlipayConfig struct {
	AppID           string
	PrivateKey      string `json:"-"` // ours, PEM or bare base64, PKCS #1 or #8
	AlipayPublicKey string // theirs, PEM or bare base64
	PhoneKey        string `json:"-"` // base64 AES key of the app; empty: no phone numbers
	Gateway         string // empty: AlipayGateway
	HTTP            HTTP   // with Base, the gateway is Base + /gateway.do
}

// Format keeps the keys out of any print.
func (c AlipayConfig) Format(f fmt.State, _ rune) { printed(f, "AlipayConfig", c.AppID) }

// Alipay is the residents' Alipay mini-program.
type Alipay struct {
	service service
	appID   string
	client  *alipay.Client
	phone   *alipay.Client // an SDK client with a key would encrypt every request
	public  *rsa.PublicKey
}

// NewAlipay makes the client. It makes no call.
func NewAlipay(c AlipayConfig) (*Alipay, error) {
	if c.AppID == "" {
		return nil, errors.New("alipay: app id missing")
	}
	if c.Gateway == "" {
		c.Gateway = AlipayGateway
	}
	hc, err := c.HTTP.client()
	if err != nil {
		return nil, err
	}
	// Not "production" even on the real gateway: that would let the SDK fetch,
	// under its lock, a certificate named by whoever posts to us.
	one := func() (*alipay.Client, error) {
		a, err := alipay.New(c.AppID, c.PrivateKey, false, alipay.WithHTTPClient(hc),
			alipay.WithSandboxGateway(c.Gateway), alipay.WithTimeLocation(venue.Zone))
		if err != nil {
			return nil, errors.New("alipay: private key unreadable")
		}
		if err := a.LoadAliPayPublicKey(c.AlipayPublicKey); err != nil {
			return nil, errors.New("alipay: alipay's public key unreadable")
		}
		return a, nil
	}
	a := &Alipay{service: service{name: "alipay"}, appID: c.AppID}
	if a.client, err = one(); err != nil {
		return nil, err
	}
	if a.public, err = ncrypto.DecodePublicKey([]byte(c.AlipayPublicKey)).PKIX().RSAPublicKey(); err != nil {
		return nil, errors.New("alipay: alipay's public key unreadable")
	}
	if c.PhoneKey == "" {
		return a, nil
	}
	if k, err := base64.StdEncoding.DecodeString(c.PhoneKey); err != nil || (len(k) != 16 && len(k) != 24 && len(k) != 32) {
		return nil, errors.New("alipay: phone key is not a base64 AES key")
	}
	if a.phone, err = one(); err != nil {
		return nil, err
	}
	return a, a.phone.SetEncryptKey(c.PhoneKey)
}

// Login exchanges the mini-program's login code, good once, for the person's
// openid (for apps from before 2023 the user id).
func (a *Alipay) Login(ctx context.Context, code string) (OpenID, error) {
	if !word.MatchString(code) {
		return OpenID{}, &Error{Service: a.service.name, Op: "login", Kind: BadCode}
	}
	var r *alipay.SystemOauthTokenRsp
	err := a.guard("login", func() (err error) {
		r, err = a.client.SystemOauthToken(ctx, alipay.SystemOauthToken{GrantType: "authorization_code", Code: code})
		return err
	})
	if err != nil {
		return OpenID{}, err
	}
	if r == nil {
		return OpenID{}, a.service.unreadable("login")
	}
	// Not r.IsSuccess: it asks for a user id, which new apps are never given.
	if r.AccessToken == "" {
		if r.Code != "" {
			return OpenID{}, a.refusal("login", &r.Error)
		}
		return OpenID{}, a.service.unreadable("login")
	}
	id := r.OpenId
	if id == "" {
		id = r.UserId
	}
	o, err := ParseOpenID(id)
	if err != nil {
		return OpenID{}, a.service.unreadable("login")
	}
	return o, nil
}

// Phone reads the number from what my.getPhoneNumber gave the app. raw comes
// from a phone and may be anything: every fault is the same BadCode, so that
// nobody learns from us how far a forgery got. It makes no outside call.
func (a *Alipay) Phone(ctx context.Context, raw string) (phone venue.Phone, err error) {
	bad := &Error{Service: a.service.name, Op: "phone", Kind: BadCode}
	// The SDK panics on several malformed inputs, and its error on being printed.
	defer func() {
		if recover() != nil {
			phone, err = venue.Phone{}, bad
		}
	}()
	if a.phone == nil {
		return venue.Phone{}, &Error{Service: a.service.name, Op: "phone", Kind: Refused, Why: "no phone key configured"}
	}
	var in struct {
		Response string `json:"response"`
		Sign     string `json:"sign"`
		CertSN   string `json:"alipay_cert_sn"`
	}
	if len(raw) > 4096 || json.Unmarshal([]byte(raw), &in) != nil || in.CertSN != "" {
		return venue.Phone{}, bad
	}
	ct, err := base64.StdEncoding.DecodeString(in.Response)
	if err != nil || len(ct) == 0 || len(ct)%16 != 0 {
		return venue.Phone{}, bad
	}
	// The SDK decrypts before it verifies, which is an oracle; so verify first.
	// The signature covers the string with its quotes.
	sig, err := base64.StdEncoding.DecodeString(in.Sign)
	sum := sha256.Sum256([]byte(`"` + in.Response + `"`))
	if err != nil || rsa.VerifyPKCS1v15(a.public, crypto.SHA256, sum[:], sig) != nil {
		return venue.Phone{}, bad
	}
	// Written anew: the SDK stumbles over "\/", and sees no field but these two.
	b, _ := json.Marshal(map[string]string{"response": in.Response, "sign": in.Sign})
	m, err := a.phone.DecodePhoneNumber(ctx, string(b))
	if err != nil || m == nil || !m.Code.IsSuccess() {
		return venue.Phone{}, bad
	}
	if phone, err = venue.ParsePhone(m.Mobile); err != nil {
		return venue.Phone{}, bad
	}
	return phone, nil
}

// Template sends one template message; m.ID is not used.
func (a *Alipay) Template(ctx context.Context, m Message) error {
	type item struct {
		Value string `json:"value"`
	}
	items := make(map[string]item, len(m.Data))
	for k, v := range m.Data {
		items[k] = item{clean(v)}
	}
	data, err := json.Marshal(items)
	if err != nil {
		return &venue.Invalid{Field: "data", Reason: "shape"}
	}
	p := alipay.NewPayload("alipay.open.app.mini.templatemessage.send").
		AddBizField("to_open_id", m.To.Reveal()).
		AddBizField("user_template_id", m.Template).
		AddBizField("page", m.Page).
		AddBizField("data", string(data))
	var r struct{ alipay.Error }
	if err := a.guard("template", func() error { return a.client.Request(ctx, p, &r) }); err != nil {
		return err
	}
	// A refusal with a good signature is no error to the SDK.
	if r.IsFailure() {
		return a.refusal("template", &r.Error)
	}
	return nil
}

// Notification is a message from Alipay to us.
type Notification struct {
	ID      string    // notify_id: the same message comes again with the same one
	Method  string    // msg_method
	Content string    // biz_content, JSON
	At      time.Time // utc_timestamp; zero when absent
}

// VerifyNotification checks that a posted form is Alipay's and for this app. A
// forgery is venue.ErrInvalid. Messages repeat for a day, so freshness tells
// nothing: the caller remembers ID. It makes no outside call.
func (a *Alipay) VerifyNotification(form url.Values) (Notification, error) {
	forged := &venue.Invalid{Field: "notification", Reason: "sign"}
	for _, v := range form {
		// Get would read the first of several, the signature covers all.
		if len(v) != 1 {
			return Notification{}, forged
		}
	}
	// In public-key mode nobody honest names a certificate.
	if form.Has("alipay_cert_sn") || form.Get("sign") == "" || form.Get("sign_type") != "RSA2" || form.Get("app_id") != a.appID {
		return Notification{}, forged
	}
	if a.client.VerifySign(context.Background(), form) != nil {
		return Notification{}, forged
	}
	n := Notification{ID: form.Get("notify_id"), Method: form.Get("msg_method"), Content: form.Get("biz_content")}
	if ms, err := strconv.ParseInt(form.Get("utc_timestamp"), 10, 64); err == nil {
		n.At = time.UnixMilli(ms).UTC()
	}
	return n, nil
}

// guard runs one SDK call and turns its failure into an *Error. The SDK's error
// may be a nil pointer that panics when printed, so it is never printed.
func (a *Alipay) guard(op string, call func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = a.service.unreadable(op)
		}
	}()
	err = call()
	if err == nil {
		return nil
	}
	var refused *alipay.Error
	if errors.As(err, &refused) {
		if refused == nil {
			return a.service.unreadable(op)
		}
		return a.refusal(op, refused)
	}
	kind, why := outage(err)
	return &Error{Service: a.service.name, Op: op, Kind: kind, Why: why}
}

// subCode has no digits: what has may be a number that was sent.
var subCode = regexp.MustCompile(`^[A-Za-z._-]{1,64}$`)

// refusal reads the gateway's two-storey codes.
func (a *Alipay) refusal(op string, r *alipay.Error) error {
	e := &Error{Service: a.service.name, Op: op, Kind: Refused}
	e.Code, _ = strconv.ParseInt(string(r.Code), 10, 64)
	if subCode.MatchString(r.SubCode) {
		e.Why = r.SubCode
	}
	switch {
	case e.Why == "isv.code-invalid":
		e.Kind = BadCode
	case e.Why == "isv.invalid-signature" || e.Why == "isv.invalid-app-id":
		e.Kind = Token
	case r.Code == alipay.CodeCallLimited:
		e.Kind = RateLimited
	case r.Code == alipay.CodeUnknowError:
		e.Kind = Down
	case r.Code == "":
		return a.service.unreadable(op)
	}
	return e
}
