package sim

import (
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
)

// OrigHost is the header in which the product's transport names the host that
// a redirected call was meant for.
const OrigHost = "X-Orig-Host"

// Fault modes, in the words of PUT /sim/faults/{service}.
var modes = []string{"none", "refuse", "hang", "slow", "500", "garbage", "wrongperson", "ratelimit"}

const (
	modeNone = iota
	modeRefuse
	modeHang
	modeSlow
	mode500
	modeGarbage
	modeWrongPerson
	modeRateLimit
)

const (
	slowness    = 2 * time.Second
	longestHang = 30 * time.Second // a hanging call is dropped, unanswered, after this
)

// service is one outside service as the product sees it, with its fault.
type service struct {
	name    string
	mode    atomic.Int32
	calls   atomic.Int64
	limited fiber.Handler // what it says when asked too often
}

// call is one kind of platform call. wrong asks for another person's valid
// answer, from those calls whose answers are about a person.
type call struct {
	service *service
	method  string
	answer  func(c *fiber.Ctx, wrong bool) error
}

func (s *Sim) services() {
	s.health = &service{name: "health", limited: healthLimited}
	s.wechat = &service{name: "wechat", limited: quotaUsedUp}
	s.wecom = &service{name: "wecom", limited: quotaUsedUp}
	s.alipay = &service{name: "alipay", limited: s.gatewayLimited}
}

func (s *Sim) service(name string) *service {
	for _, v := range []*service{s.health, s.wechat, s.wecom, s.alipay} {
		if v.name == name {
			return v
		}
	}
	return nil
}

const (
	weixinHost = "api.weixin.qq.com"
	wecomHost  = "qyapi.weixin.qq.com"
)

// platforms answers platform calls and lets everything else pass on.
func (s *Sim) platforms() fiber.Handler {
	weixin := map[string]call{
		"/sns/jscode2session":              {s.wechat, fiber.MethodGet, s.code2Session},
		"/cgi-bin/stable_token":            {s.wechat, fiber.MethodPost, s.stableToken},
		"/cgi-bin/token":                   {s.wechat, fiber.MethodGet, s.plainToken},
		"/wxa/business/getuserphonenumber": {s.wechat, fiber.MethodPost, s.userPhoneNumber},
		"/cgi-bin/message/subscribe/send":  {s.wechat, fiber.MethodPost, s.sendSubscribe},
		"/cgi-bin/message/template/send":   {s.wechat, fiber.MethodPost, s.sendTemplate},
		"/cgi-bin/message/custom/send":     {s.wechat, fiber.MethodPost, s.sendCustom},
	}
	wecom := map[string]call{
		"/cgi-bin/gettoken":     {s.wecom, fiber.MethodGet, s.wecomToken},
		"/cgi-bin/webhook/send": {s.wecom, fiber.MethodPost, s.sendWebhook},
		"/cgi-bin/message/send": {s.wecom, fiber.MethodPost, s.sendApp},
	}
	// Served under any host: the gateway has several, the province's is the
	// operator's to configure.
	anywhere := map[string]call{
		"/health/v1/query": {s.health, fiber.MethodPost, s.queryHealth},
		"/gateway.do":      {s.alipay, fiber.MethodPost, s.gateway},
	}
	return func(c *fiber.Ctx) error {
		path := c.Path()
		host, _, _ := strings.Cut(c.Get(OrigHost), ":")
		k, ok := anywhere[path]
		if !ok && (host == "" || host == weixinHost) {
			k, ok = weixin[path]
		}
		if !ok && (host == "" || host == wecomHost) {
			k, ok = wecom[path]
		}
		if !ok {
			if host != "" {
				return c.SendStatus(fiber.StatusNotFound)
			}
			return c.Next()
		}
		return s.answer(c, k)
	}
}

// answer applies the service's fault to a call.
func (s *Sim) answer(c *fiber.Ctx, k call) error {
	k.service.calls.Add(1)
	switch k.service.mode.Load() {
	case modeRefuse:
		return drop(c)
	case modeHang:
		s.wait(longestHang)
		return drop(c)
	case modeSlow:
		if !s.wait(slowness) {
			return drop(c)
		}
	case mode500:
		return c.Status(fiber.StatusInternalServerError).SendString("Internal Server Error")
	case modeGarbage:
		c.Type("html")
		return c.SendString("<html><body>系统升级中</body></html>")
	case modeRateLimit:
		return k.service.limited(c)
	case modeWrongPerson:
		return s.checked(c, k, true)
	}
	return s.checked(c, k, false)
}

func (s *Sim) checked(c *fiber.Ctx, k call, wrong bool) error {
	if c.Method() == k.method {
		return k.answer(c, wrong)
	}
	if k.service == s.wechat || k.service == s.wecom {
		if k.method == fiber.MethodGet {
			return errcode(c, 43001, "require GET method")
		}
		return errcode(c, 43002, "require POST method")
	}
	return c.SendStatus(fiber.StatusMethodNotAllowed)
}

// wait passes d of real time; false means that the world closed meanwhile.
func (s *Sim) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.closing:
		return false
	}
}

// drop ends the connection without a byte of answer.
func drop(c *fiber.Ctx) error {
	c.Context().HijackSetNoResponse(true)
	c.Context().Hijack(func(net.Conn) {})
	return nil
}

// errcode is how WeChat and WeCom refuse: inside a 200.
func errcode(c *fiber.Ctx, code int, message string) error {
	return c.JSON(struct {
		Code    int    `json:"errcode"`
		Message string `json:"errmsg"`
	}{code, message})
}

func quotaUsedUp(c *fiber.Ctx) error { return errcode(c, 45009, "api freq out of limit") }
