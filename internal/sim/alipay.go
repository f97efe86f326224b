package sim

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/venuecode/venuecode/venue"
)

// gateway is POST /gateway.do: a signed form in, a signed JSON out. Unlike the
// other services it has no access token of ours: each request is signed.
func (s *Sim) gateway(c *fiber.Ctx, wrong bool) error {
	form := map[string]string{}
	// The SDK keeps the gateway's URL bare, so the form is the whole request.
	c.Request().PostArgs().VisitAll(func(k, v []byte) { form[string(k)] = string(v) })
	switch {
	case form["app_id"] != s.keys.Alipay.AppID:
		return s.refuse(c, alipayError{"40002", "Invalid Arguments", "isv.invalid-app-id", "无效的AppID参数"})
	case form["sign_type"] != "RSA2":
		return s.refuse(c, alipayError{"40002", "Invalid Arguments", "isv.invalid-signature-type", "无效的签名类型"})
	case !s.signedByApp(form):
		return s.refuse(c, alipayError{"40002", "Invalid Arguments", "isv.invalid-signature", "验签出错"})
	}
	biz := form["biz_content"]
	sealed := form["encrypt_type"] == "AES"
	if sealed {
		plain, err := openContent(s.contentKey, biz)
		if err != nil {
			return s.refuse(c, alipayError{"40002", "Invalid Arguments", "isv.invalid-encrypt", "解密出错"})
		}
		biz = string(plain)
	}
	switch form["method"] {
	case "alipay.system.oauth.token":
		return s.oauthToken(c, form, wrong)
	case "alipay.open.app.mini.templatemessage.send":
		return s.miniTemplate(c, form["method"], biz, sealed)
	}
	return s.refuse(c, alipayError{"40002", "Invalid Arguments", "isv.invalid-method", "不存在的方法名"})
}

// signContent is what both sides sign: the parameters with a value, except
// those ignored, sorted and joined.
func signContent(form map[string]string, ignore string) string {
	var pairs []string
	for _, k := range slices.Sorted(maps.Keys(form)) {
		if k != ignore && form[k] != "" {
			pairs = append(pairs, k+"="+form[k])
		}
	}
	return strings.Join(pairs, "&")
}

func (s *Sim) signedByApp(form map[string]string) bool {
	sig, err := base64.StdEncoding.DecodeString(form["sign"])
	if err != nil {
		return false
	}
	h := sha256.Sum256([]byte(signContent(form, "sign")))
	return rsa.VerifyPKCS1v15(s.appPublic, crypto.SHA256, h[:], sig) == nil
}

// sign signs bytes as Alipay does its answers.
func (s *Sim) sign(b string) (string, error) {
	h := sha256.Sum256([]byte(b))
	sig, err := rsa.SignPKCS1v15(nil, s.alipayKey, crypto.SHA256, h[:])
	return base64.StdEncoding.EncodeToString(sig), err
}

// node writes {"<name>":<body>,"sign":…}. By hand: the signature covers the
// very bytes of body, and any re-encoding would break it.
func (s *Sim) node(c *fiber.Ctx, name, body string) error {
	sig, err := s.sign(body)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "application/json;charset=utf-8")
	return c.SendString(`{"` + name + `":` + body + `,"sign":"` + sig + `"}`)
}

type alipayError struct {
	Code    string `json:"code"`
	Message string `json:"msg"`
	SubCode string `json:"sub_code,omitempty"`
	SubMsg  string `json:"sub_msg,omitempty"`
}

func (s *Sim) refuse(c *fiber.Ctx, e alipayError) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return s.node(c, "error_response", string(b))
}

func (s *Sim) gatewayLimited(c *fiber.Ctx) error {
	return s.refuse(c, alipayError{"40005", "Call Limited", "isv.app-call-limited", "应用调用次数超限"})
}

// oauthToken exchanges an auth code. New apps learn an open_id and no user_id.
func (s *Sim) oauthToken(c *fiber.Ctx, form map[string]string, wrong bool) error {
	if form["grant_type"] != "authorization_code" {
		return s.refuse(c, alipayError{"40002", "Invalid Arguments", "isv.grant-type-invalid", "grant_type参数不正确"})
	}
	p, outcome := s.auths.take(form["code"], s.machine.Now())
	if outcome != exchanged {
		return s.refuse(c, alipayError{"40002", "Invalid Arguments", "isv.code-invalid", "授权码code无效"})
	}
	if wrong {
		p = s.phones.other(p)
	}
	return s.node(c, "alipay_system_oauth_token_response", fmt.Sprintf(
		`{"open_id":"%s","access_token":"composeB%s","expires_in":31536000,"refresh_token":"composeB%s","re_expires_in":31536000,"auth_start":"%s"}`,
		p.OpenID, token(), token(), s.machine.Now().In(venue.Zone).Format("2006-01-02 15:04:05")))
}

// miniTemplate delivers a template message to an Alipay phone.
func (s *Sim) miniTemplate(c *fiber.Ctx, method, biz string, sealed bool) error {
	var in struct {
		ToOpenID   string `json:"to_open_id"`
		ToUserID   string `json:"to_user_id"`
		TemplateID string `json:"user_template_id"`
		Page       string `json:"page"`
		Data       string `json:"data"` // JSON inside a string
	}
	var data templateData
	if json.Unmarshal([]byte(biz), &in) != nil || json.Unmarshal([]byte(in.Data), &data) != nil ||
		in.TemplateID == "" {
		return s.business(c, method, sealed, alipayError{"40002", "Invalid Arguments", "isv.invalid-parameter", "参数无效"})
	}
	p := s.phones.holder(appAlipay, in.ToOpenID)
	if p == nil {
		return s.business(c, method, sealed, alipayError{"40004", "Business Failed", "USER_TEMPLATE_ILLEGAL", "用户不存在或未订阅"})
	}
	_, err := s.sayWithin(phoneTalk(p.ID), s.subscriptions, Message{
		From: fromRobot, Channel: appAlipay, Type: "template",
		Text: data.text(), Template: in.TemplateID, Page: in.Page,
	})
	switch {
	case errors.Is(err, errTalkFull):
		return s.business(c, method, sealed, alipayError{"40004", "Business Failed", "NOT_SUBSCRIBED", "用户未订阅"})
	case err != nil:
		s.log.Error("simulator cannot remember", "error", err)
		return s.business(c, method, sealed, alipayError{"20000", "Service Currently Unavailable", "isp.unknow-error", "系统繁忙"})
	}
	return s.business(c, method, sealed, alipayError{Code: "10000", Message: "Success"})
}

// business answers a method with its outcome, sealed if the request was.
func (s *Sim) business(c *fiber.Ctx, method string, sealed bool, e alipayError) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	body := string(b)
	if sealed {
		text, err := sealContent(s.contentKey, b)
		if err != nil {
			return err
		}
		body = `"` + text + `"`
	}
	return s.node(c, strings.ReplaceAll(method, ".", "_")+"_response", body)
}

// phoneAnswer is what my.getPhoneNumber gives an Alipay mini-program: the
// number sealed with the content key and signed, quotes included.
func (s *Sim) phoneAnswer(number string) (string, error) {
	b, err := json.Marshal(map[string]string{"code": "10000", "msg": "Success", "mobile": number})
	if err != nil {
		return "", err
	}
	sealed, err := sealContent(s.contentKey, b)
	if err != nil {
		return "", err
	}
	sig, err := s.sign(`"` + sealed + `"`)
	if err != nil {
		return "", err
	}
	return `{"response":"` + sealed + `","sign":"` + sig + `","sign_type":"RSA2","encrypt_type":"AES","charset":"UTF-8"}`, nil
}
