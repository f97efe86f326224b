package platform

import (
	"context"
	"errors"
	"fmt"

	"github.com/silenceper/wechat/v2/credential"
	"github.com/silenceper/wechat/v2/officialaccount"
	"github.com/silenceper/wechat/v2/officialaccount/config"
	"github.com/silenceper/wechat/v2/officialaccount/message"
)

// ServiceConfig names a WeChat service account.
type ServiceConfig struct {
	AppID  string
	Secret string `json:"-"`
	Tokens *Tokens
}

// Format keeps the secret out of any print.
func (c ServiceConfig) Format(f fmt.State, _ rune) { printed(f, "ServiceConfig", c.AppID) }

// ServiceAccount is the account that unit staff follow and report to. Messages
// come in through package bot; these go out.
type ServiceAccount struct {
	access   *access
	customer *message.Manager
	template *message.Template
}

// NewServiceAccount makes the client. It makes no call.
func NewServiceAccount(c ServiceConfig) (*ServiceAccount, error) {
	if c.AppID == "" || c.Secret == "" || c.Tokens == nil {
		return nil, errors.New("service account: app id, secret or tokens missing")
	}
	if err := installed(); err != nil {
		return nil, err
	}
	a := &access{service: service{"service", wechatKinds, wechatStale}, app: "service:" + c.AppID, tokens: c.Tokens}
	oa := officialaccount.NewOfficialAccount(&config.Config{
		AppID: c.AppID, AppSecret: c.Secret, Cache: &a.noted, UseStableAK: true,
	})
	a.source = oa.GetContext().AccessTokenHandle.(credential.AccessTokenContextHandle)
	oa.SetAccessTokenHandle(a)
	// The SDK makes these two on first use, without a lock.
	return &ServiceAccount{a, oa.GetCustomerMessageManager(), oa.GetTemplate()}, nil
}

// Send answers a person who wrote within the last 48 hours; later it is Refused
// (errcode 45015) and a Template is the way. Text is 1 to MaxText bytes. The
// SDK's call takes no context: once begun it runs to its outcome, within
// HTTP.Timeout.
func (s *ServiceAccount) Send(ctx context.Context, to OpenID, text string) error {
	text, err := cleanText(text)
	if err != nil {
		return err
	}
	return s.access.do(ctx, "text", func() error {
		return s.customer.Send(message.NewCustomerTextMessage(to.Reveal(), text))
	})
}

// Template sends a template message to a follower. Context as with Send.
func (s *ServiceAccount) Template(ctx context.Context, m Message) error {
	data := make(map[string]*message.TemplateDataItem, len(m.Data))
	for k, v := range m.Data {
		data[k] = &message.TemplateDataItem{Value: clean(v)}
	}
	return s.access.do(ctx, "template", func() error {
		_, err := s.template.Send(&message.TemplateMessage{
			ToUser: m.To.Reveal(), TemplateID: m.Template, URL: m.Page, Data: data, ClientMsgID: m.ID,
		})
		return err
	})
}
