package platform

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"github.com/silenceper/wechat/v2/credential"
	"github.com/silenceper/wechat/v2/util"
	"github.com/silenceper/wechat/v2/work"
	"github.com/silenceper/wechat/v2/work/config"
	"github.com/silenceper/wechat/v2/work/message"
	"github.com/silenceper/wechat/v2/work/robot"

	"github.com/venuecode/venuecode/venue"
)

// MaxText is the most bytes of UTF-8, not characters, that one text message of
// WeCom or the service account holds. WeCom cuts longer ones without a word.
const MaxText = 2048

// wecomKinds: what is not listed is Refused.
var wecomKinds = map[int64]Kind{
	-1:    Down,  // busy
	40001: Token, // here a wrong secret; no fresh token helps
	40013: Token, // corp id
	40014: Token,
	42001: Token,
	60020: Token,       // our address is not on the list
	45009: RateLimited, // a robot's 21st message of the minute, too
	45033: RateLimited, // too many at once
	60111: Gone,        // no such userid
	81013: Gone,        // none of the recipients can be reached
	93000: Gone,        // no such webhook
}

var (
	// A userid begins with a letter or digit: "@all" would tell the whole
	// company, and "a|b" two people.
	userID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$`)
	// The SDK puts webhook keys into URLs as they come.
	webhookKey = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

// WeComConfig names a self-built app. With the first three empty only groups
// can be reached.
type WeComConfig struct {
	CorpID  string
	Secret  string `json:"-"`
	AgentID string // decimal; two apps of a corp without it would share one token
	Tokens  *Tokens
}

// Format keeps the secret out of any print.
func (c WeComConfig) Format(f fmt.State, _ rune) { printed(f, "WeComConfig", c.CorpID) }

// WeCom reaches unit staff one by one through an app, and groups through their
// webhook robots.
type WeCom struct {
	service service
	agent   string
	access  *access // nil without an app
	robot   *robot.Client
}

// NewWeCom makes the client. It makes no call.
func NewWeCom(c WeComConfig) (*WeCom, error) {
	if err := installed(); err != nil {
		return nil, err
	}
	w := &WeCom{
		service: service{"wecom", wecomKinds, func(code int64) bool { return code == 40014 || code == 42001 }},
		agent:   c.AgentID,
	}
	if c.Tokens == nil {
		return nil, errors.New("wecom: tokens missing")
	}
	a := &access{service: w.service, app: "wecom:" + c.CorpID + ":" + c.AgentID, tokens: c.Tokens}
	wk := work.NewWork(&config.Config{
		CorpID: c.CorpID, CorpSecret: c.Secret, AgentID: c.AgentID, Cache: &a.noted,
	})
	w.robot = wk.GetRobot()
	switch {
	case c.CorpID == "" && c.Secret == "" && c.AgentID == "":
		return w, nil
	case c.CorpID == "" || c.Secret == "" || c.AgentID == "":
		return nil, errors.New("wecom: corp id, secret or agent id missing")
	}
	a.source = wk.GetContext().AccessTokenHandle.(credential.AccessTokenContextHandle)
	w.access = a
	return w, nil
}

// SendApp writes 1 to MaxText bytes to one member. A member who is unknown, has
// left or does not see the app is Gone.
func (w *WeCom) SendApp(ctx context.Context, userid, text string) error {
	if !userID.MatchString(userid) {
		return &venue.Invalid{Field: "userid", Reason: "shape"}
	}
	text, err := cleanText(text)
	if err != nil {
		return err
	}
	if w.access == nil {
		return &Error{Service: w.service.name, Op: "app", Kind: Refused, Why: "no app configured"}
	}
	msg := message.SendTextRequest{
		SendRequestCommon: &message.SendRequestCommon{ToUser: userid, MsgType: "text", AgentID: w.agent},
		Text:              message.TextField{Content: text},
	}
	return w.access.do(ctx, "app", func() error {
		token, err := w.access.GetAccessTokenContext(ctx)
		if err != nil {
			return err
		}
		// The SDK's own Send writes < > & as \u003c …, which WeCom refuses (40033).
		b, err := util.PostJSONContext(ctx,
			"https://qyapi.weixin.qq.com/cgi-bin/message/send?access_token="+url.QueryEscape(token), msg)
		if err != nil {
			return err
		}
		var r message.SendResponse
		if err := util.DecodeWithError(b, &r, "app"); err != nil {
			return err
		}
		// errcode is 0 even if the only recipient was dropped.
		if r.InvalidUser != "" || r.UnlicensedUser != "" {
			return &Error{Service: w.service.name, Op: "app", Kind: Gone, Why: "recipient dropped"}
		}
		return nil
	})
}

// SendGroup writes 1 to MaxText bytes to the group of a webhook, mentioning
// members by userid, or everybody by "@all". A webhook takes 20 messages a
// minute; the 21st is RateLimited. The SDK's call takes no context: once begun
// it runs to its outcome, within HTTP.Timeout.
func (w *WeCom) SendGroup(ctx context.Context, key, text string, mentions []string) error {
	if !webhookKey.MatchString(key) {
		return &venue.Invalid{Field: "webhook", Reason: "shape"}
	}
	for _, m := range mentions {
		if m != "@all" && !userID.MatchString(m) {
			return &venue.Invalid{Field: "mention", Reason: "shape"}
		}
	}
	text, err := cleanText(text)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return w.service.fail("group", err)
	}
	var o robot.WebhookSendTextOption
	o.MsgType, o.Text.Content = "text", text
	o.Text.MentionedList = append([]string{}, mentions...)
	o.Text.MentionedMobileList = []string{}
	info, err := w.robot.RobotBroadcast(key, o)
	if err == nil && info.ErrCode != 0 {
		err = &info // the SDK reports a refusal as success
	}
	return w.service.fail("group", err)
}

// clean takes out what JSON can write only as \uXXXX, which WeCom refuses:
// control characters, the two Unicode line separators, broken UTF-8.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\u2028' || r == '\u2029':
			return '\n'
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

func cleanText(s string) (string, error) {
	s = clean(s)
	if s == "" || len(s) > MaxText {
		return "", &venue.Invalid{Field: "text", Reason: "length"}
	}
	return s, nil
}
