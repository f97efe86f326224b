package platform

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/silenceper/wechat/v2/miniprogram"
	"github.com/silenceper/wechat/v2/miniprogram/auth"
	"github.com/silenceper/wechat/v2/miniprogram/business"
	"github.com/silenceper/wechat/v2/miniprogram/config"
	"github.com/silenceper/wechat/v2/miniprogram/subscribe"
	"github.com/silenceper/wechat/v2/util"

	"github.com/venuecode/venuecode/venue"
)

// service is one platform's name and its reading of errcodes.
type service struct {
	name  string
	kinds map[int64]Kind
	// stale tells that the token is unknown or expired and a fresh one may help.
	stale func(code int64) bool
}

// wechatKinds: what is not listed is Refused.
var wechatKinds = map[int64]Kind{
	-1:    Down, // busy
	40029: BadCode,
	40163: BadCode,     // used
	40001: Token,       // token or secret invalid
	40014: Token,       // token invalid
	42001: Token,       // token expired
	40013: Token,       // app id
	40125: Token,       // app secret
	40164: Token,       // our address is not on the list
	45009: RateLimited, // quota
	45011: RateLimited, // too often for this person
	43101: Gone,        // no subscription left
	43004: Gone,        // does not follow the account
	40003: Gone,        // openid of another app, or none
}

func wechatStale(code int64) bool {
	return slices.Contains([]int64{40001, 40014, 42001}, code)
}

// errcode finds the code in the SDK's errors that carry it only as text.
var errcode = regexp.MustCompile(`errcode=(-?\d+)`)

// fail turns an SDK's error into an *Error, leaving its text behind; nil stays
// nil, and an *Error stays what it is.
func (s service) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	e = &Error{Service: s.name, Op: op}
	var c *util.CommonError
	if errors.As(err, &c) {
		e.Code = c.ErrCode
	} else if e.Kind, e.Why = outage(err); e.Why == "unreadable answer" {
		// Only here: the text of a transport's error quotes what we sent.
		if m := errcode.FindStringSubmatch(err.Error()); m != nil {
			e.Code, _ = strconv.ParseInt(m[1], 10, 64)
		}
	}
	if e.Code != 0 {
		e.Kind, e.Why = s.kinds[e.Code], ""
	}
	return e
}

// unreadable is for an answer that is well-formed and lacks what it is for.
func (s service) unreadable(op string) error {
	return &Error{Service: s.name, Op: op, Kind: Down, Why: "unreadable answer"}
}

// word is the shape of login codes and openids. The SDK puts codes into URLs as
// they come: "x&appid=…" would add a parameter.
var word = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// Message is a filled-in template to one person.
type Message struct {
	To       OpenID
	Template string            // the platform's template id
	Page     string            // where a tap leads: a mini-program page; for the service account a URL
	Data     map[string]string // the template's keyword → text
	ID       string            // service account only: the same ID is sent once
}

// WeChatConfig names a mini-program.
type WeChatConfig struct {
	AppID  string
	Secret string `json:"-"`
	Tokens *Tokens
}

// Format keeps the secret out of any print.
func (c WeChatConfig) Format(f fmt.State, _ rune) { printed(f, "WeChatConfig", c.AppID) }

// WeChat is the residents' mini-program.
type WeChat struct {
	service   service
	access    *access
	auth      *auth.Auth
	business  *business.Business
	subscribe *subscribe.Subscribe
}

// NewWeChat makes the client. It makes no call.
func NewWeChat(c WeChatConfig) (*WeChat, error) {
	if c.AppID == "" || c.Secret == "" || c.Tokens == nil {
		return nil, errors.New("wechat: app id, secret or tokens missing")
	}
	if err := installed(); err != nil {
		return nil, err
	}
	a := &access{service: service{"wechat", wechatKinds, wechatStale}, app: "wechat:" + c.AppID, tokens: c.Tokens}
	mp := miniprogram.NewMiniProgram(&config.Config{
		AppID: c.AppID, AppSecret: c.Secret, Cache: &a.noted,
		// A stable token does not invalidate the one of another process.
		UseStableAK: true,
	})
	a.source = mp.GetContext().AccessTokenContextHandle
	mp.SetAccessTokenContextHandle(a)
	return &WeChat{a.service, a, mp.GetAuth(), mp.GetBusiness(), mp.GetSubscribe()}, nil
}

// Login exchanges the mini-program's login code, good once within five minutes,
// for the person's openid.
func (w *WeChat) Login(ctx context.Context, code string) (OpenID, error) {
	if !word.MatchString(code) {
		return OpenID{}, &Error{Service: w.service.name, Op: "login", Kind: BadCode}
	}
	r, err := w.auth.Code2SessionContext(ctx, code)
	if r.ErrCode != 0 {
		// The SDK's error is plain text here; the answer has the code.
		err = &r.CommonError
	}
	if err != nil {
		return OpenID{}, w.service.fail("login", err)
	}
	id, err := ParseOpenID(r.OpenID)
	if err != nil {
		return OpenID{}, w.service.unreadable("login")
	}
	return id, nil
}

// Phone exchanges the phone button's code, good once within five minutes, for
// the person's number. A number outside mainland China is venue.ErrInvalid.
func (w *WeChat) Phone(ctx context.Context, code string) (venue.Phone, error) {
	if !word.MatchString(code) {
		return venue.Phone{}, &Error{Service: w.service.name, Op: "phone", Kind: BadCode}
	}
	var r business.PhoneInfo
	err := w.access.do(ctx, "phone", func() (err error) {
		r, err = w.business.GetPhoneNumberWithContext(ctx, &business.GetPhoneNumberRequest{Code: code})
		return err
	})
	switch {
	case err != nil:
		return venue.Phone{}, err
	case r.PurePhoneNumber == "":
		return venue.Phone{}, w.service.unreadable("phone")
	case r.CountryCode != "86" && r.CountryCode != "":
		return venue.Phone{}, &venue.Invalid{Field: "phone", Reason: "country"}
	}
	return venue.ParsePhone(r.PurePhoneNumber)
}

// Subscribe sends one subscribe message; each needs a consent the person gave
// before, else Gone. The SDK's call takes no context: once begun it runs to its
// outcome, within HTTP.Timeout.
func (w *WeChat) Subscribe(ctx context.Context, m Message) error {
	data := make(map[string]*subscribe.DataItem, len(m.Data))
	for k, v := range m.Data {
		data[k] = &subscribe.DataItem{Value: clean(v)}
	}
	return w.access.do(ctx, "subscribe", func() error {
		return w.subscribe.Send(&subscribe.Message{
			ToUser: m.To.Reveal(), TemplateID: m.Template, Page: m.Page, Data: data,
		})
	})
}
