package sim

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	randv2 "math/rand/v2"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// code2Session exchanges a js code for an openid. On a load test's path.
func (s *Sim) code2Session(c *fiber.Ctx, wrong bool) error {
	switch {
	case c.Query("appid") != s.keys.Wechat.AppID:
		return errcode(c, 40013, "invalid appid")
	case c.Query("secret") != s.keys.Wechat.Secret:
		return errcode(c, 40125, "invalid appsecret")
	case c.Query("grant_type") != "authorization_code":
		return errcode(c, 40002, "invalid grant_type")
	}
	p, outcome := s.logins.take(c.Query("js_code"), s.machine.Now())
	switch outcome {
	case codeUnknown:
		return errcode(c, 40029, "invalid code")
	case codeUsed:
		return errcode(c, 40163, "code been used")
	}
	if wrong {
		p = s.phones.other(p)
	}
	var key [16]byte
	binary.NativeEndian.PutUint64(key[:], randv2.Uint64())
	binary.NativeEndian.PutUint64(key[8:], randv2.Uint64())
	b := make([]byte, 0, 128)
	b = append(b, `{"session_key":"`...)
	b = base64.StdEncoding.AppendEncode(b, key[:])
	b = append(b, `","openid":"`...)
	b = append(b, p.OpenID...)
	b = append(b, `"}`...)
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Send(b)
}

type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int64  `json:"expires_in"`
}

// stableToken gives the same token until it expires, unless forced. It lives
// apart from the plain one.
func (s *Sim) stableToken(c *fiber.Ctx, _ bool) error {
	var in struct {
		GrantType    string `json:"grant_type"`
		AppID        string `json:"appid"`
		Secret       string `json:"secret"`
		ForceRefresh bool   `json:"force_refresh"`
	}
	if json.Unmarshal(c.Body(), &in) != nil {
		return errcode(c, 47001, "data format error")
	}
	if in.GrantType != "client_credential" {
		return errcode(c, 40002, "invalid grant_type")
	}
	app, code, reason := s.weixinApp(in.AppID, in.Secret)
	if code != 0 {
		return errcode(c, code, reason)
	}
	t, left := s.tokens.get(app, "stable", s.machine.Now(), in.ForceRefresh)
	return c.JSON(tokenAnswer{t, int64(left.Seconds())})
}

// plainToken gives a new token each time and ends the one before.
func (s *Sim) plainToken(c *fiber.Ctx, _ bool) error {
	if c.Query("grant_type") != "client_credential" {
		return errcode(c, 40002, "invalid grant_type")
	}
	app, code, reason := s.weixinApp(c.Query("appid"), c.Query("secret"))
	if code != 0 {
		return errcode(c, code, reason)
	}
	t, left := s.tokens.get(app, "plain", s.machine.Now(), true)
	return c.JSON(tokenAnswer{t, int64(left.Seconds())})
}

func (s *Sim) weixinApp(id, secret string) (app string, code int, reason string) {
	var want string
	switch id {
	case s.keys.Wechat.AppID:
		app, want = appWechat, s.keys.Wechat.Secret
	case s.keys.Service.AppID:
		app, want = appService, s.keys.Service.Secret
	default:
		return "", 40013, "invalid appid"
	}
	if secret != want {
		return "", 40125, "invalid appsecret"
	}
	return app, 0, ""
}

// weixinCaller admits a call that must carry app's token. When it does not, the
// refusal has been written and ok is false.
func (s *Sim) weixinCaller(c *fiber.Ctx, app string) (ok bool, err error) {
	given, refusal := s.tokens.check(c.Query("access_token"), s.machine.Now(), 40001)
	switch {
	case refusal == 42001:
		return false, errcode(c, 42001, "access_token expired")
	case refusal != 0:
		return false, errcode(c, refusal, "invalid credential, access_token is invalid or not latest")
	case given != app:
		return false, errcode(c, 48001, "api unauthorized")
	}
	return true, nil
}

func (s *Sim) userPhoneNumber(c *fiber.Ctx, wrong bool) error {
	if ok, err := s.weixinCaller(c, appWechat); !ok {
		return err
	}
	var in struct {
		Code string `json:"code"`
	}
	if json.Unmarshal(c.Body(), &in) != nil {
		return errcode(c, 47001, "data format error")
	}
	p, outcome := s.phoneCodes.take(in.Code, s.machine.Now())
	switch outcome {
	case codeUnknown:
		return errcode(c, 40029, "invalid code")
	case codeUsed:
		return errcode(c, 40163, "code been used")
	}
	if wrong {
		p = s.phones.other(p)
	}
	return c.JSON(fiber.Map{
		"errcode": 0, "errmsg": "ok",
		"phone_info": fiber.Map{
			"phoneNumber": p.Phone, "purePhoneNumber": p.Phone, "countryCode": "86",
			"watermark": fiber.Map{"timestamp": s.machine.Now().Unix(), "appid": s.keys.Wechat.AppID},
		},
	})
}

type templateData map[string]struct {
	Value any `json:"value"`
}

// text is the card as a person reads it, one field a line.
func (d templateData) text() string {
	var lines []string
	for _, k := range slices.Sorted(maps.Keys(d)) {
		lines = append(lines, k+"："+fmt.Sprint(d[k].Value))
	}
	return strings.Join(lines, "\n")
}

// sendSubscribe delivers a subscribe message to a phone that has agreed to one
// more.
func (s *Sim) sendSubscribe(c *fiber.Ctx, _ bool) error {
	if ok, err := s.weixinCaller(c, appWechat); !ok {
		return err
	}
	var in struct {
		ToUser     string       `json:"touser"`
		TemplateID string       `json:"template_id"`
		Page       string       `json:"page"`
		Data       templateData `json:"data"`
	}
	if json.Unmarshal(c.Body(), &in) != nil {
		return errcode(c, 47001, "data format error")
	}
	p := s.phones.holder(appWechat, in.ToUser)
	switch {
	case p == nil:
		return errcode(c, 40003, "invalid openid")
	case in.TemplateID == "":
		return errcode(c, 40037, "invalid template_id")
	case len(in.Data) == 0:
		return errcode(c, 47003, "argument invalid! data.empty")
	}
	m := Message{
		From: fromRobot, Channel: appWechat, Type: "subscribe",
		Text: in.Data.text(), Template: in.TemplateID, Page: in.Page,
	}
	seq, err := s.sayWithin(phoneTalk(p.ID), s.subscriptions, m)
	if err == errTalkFull {
		return errcode(c, 43101, "user refuse to accept the msg")
	}
	if err != nil {
		return s.busy(c, err)
	}
	return c.JSON(msgAnswer{"ok", 0, seq})
}

type msgAnswer struct {
	Message string `json:"errmsg"`
	Code    int    `json:"errcode"`
	MsgID   int64  `json:"msgid"`
}

// sendTemplate delivers a template message of the service account.
func (s *Sim) sendTemplate(c *fiber.Ctx, _ bool) error {
	if ok, err := s.weixinCaller(c, appService); !ok {
		return err
	}
	var in struct {
		ToUser     string       `json:"touser"`
		TemplateID string       `json:"template_id"`
		URL        string       `json:"url"`
		Data       templateData `json:"data"`
	}
	if json.Unmarshal(c.Body(), &in) != nil {
		return errcode(c, 47001, "data format error")
	}
	userid := s.follower(in.ToUser)
	switch {
	case userid == "":
		return errcode(c, 43004, "require subscribe")
	case in.TemplateID == "":
		return errcode(c, 40037, "invalid template_id")
	}
	seq, err := s.say(chatTalk(userid), Message{
		From: fromRobot, Channel: appService, Type: "template",
		Text: in.Data.text(), Template: in.TemplateID, Page: in.URL,
	})
	if err != nil {
		return s.busy(c, err)
	}
	return c.JSON(msgAnswer{"ok", 0, seq})
}

// sendCustom delivers a customer-service text of the service account.
func (s *Sim) sendCustom(c *fiber.Ctx, _ bool) error {
	if ok, err := s.weixinCaller(c, appService); !ok {
		return err
	}
	var in struct {
		ToUser  string `json:"touser"`
		MsgType string `json:"msgtype"`
		Text    struct {
			Content string `json:"content"`
		} `json:"text"`
	}
	if json.Unmarshal(c.Body(), &in) != nil {
		return errcode(c, 47001, "data format error")
	}
	userid := s.follower(in.ToUser)
	switch {
	case userid == "":
		return errcode(c, 43004, "require subscribe")
	case in.MsgType != "text":
		return errcode(c, 40008, "invalid message type")
	case in.Text.Content == "":
		return errcode(c, 44004, "empty content")
	case len(in.Text.Content) > maxTextBytes:
		return errcode(c, 45002, "content size out of limit")
	}
	_, err := s.say(chatTalk(userid), Message{
		From: fromRobot, Channel: appService, Type: "text", Text: in.Text.Content,
	})
	if err != nil {
		return s.busy(c, err)
	}
	return errcode(c, 0, "ok")
}

// follower is who has that openid with the service account: listed staff, and
// whoever has written to it.
func (s *Sim) follower(openid string) string {
	for _, m := range s.dir.Load().city.Staff {
		if ServiceOpenID(m.UserID) == openid {
			return m.UserID
		}
	}
	for _, userid := range s.talks.chatters() {
		if ServiceOpenID(userid) == openid {
			return userid
		}
	}
	return ""
}

// busy is the answer when the world cannot remember.
func (s *Sim) busy(c *fiber.Ctx, err error) error {
	s.log.Error("simulator cannot remember", "error", err)
	return errcode(c, -1, "system busy")
}
