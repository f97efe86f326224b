package notifier

import (
	"context"

	"github.com/venuecode/venuecode/venue"
)

// Directory knows where people and groups are. venue.ErrNotFound: nobody is
// there any more, and the message is dead.
type Directory interface {
	// Group opens the group's webhook key.
	Group(ctx context.Context, id venue.GroupID) (name, webhook string, err error)
	// Address is a person's userid or openid.
	Address(ctx context.Context, to venue.Recipient) (string, error)
}

// GroupSender posts to a group through its robot and calls people by userid.
type GroupSender interface {
	SendGroup(ctx context.Context, webhook, text string, mentions []string) error
}

// AppSender writes to one person in WeCom.
type AppSender interface {
	SendApp(ctx context.Context, userid, text string) error
}

// ServiceSender writes to one follower of the service account.
type ServiceSender interface {
	Send(ctx context.Context, openid, text string) error
}

// CardSender fills a template of a mini-program.
type CardSender interface {
	SendCard(ctx context.Context, openid string, card Card) error
}

// Card is what a mini-program's template has room for. Each text is at most 20
// characters; what does not apply is empty.
type Card struct {
	Kind  venue.MessageKind // chooses the template: recheck, alarm or reminder
	Title string
	Place string
	Time  string // 2022-05-22 15:04
	Note  string
}

// Senders reach people, by channel. Nil: the channel is not in use.
type Senders struct {
	Group     GroupSender
	App       AppSender
	Service   ServiceSender
	Subscribe CardSender // WeChat mini-program
	Alipay    CardSender
}

// reach tells whether a kind of message can go by a channel.
func (s *Senders) reach(c venue.Channel, kind venue.MessageKind) bool {
	_, short := cardTitles[kind]
	switch c {
	case venue.ChannelRobot:
		return s.Group != nil
	case venue.ChannelWeComApp:
		return s.App != nil
	case venue.ChannelService:
		return s.Service != nil
	case venue.ChannelSubscribe:
		return s.Subscribe != nil && short
	case venue.ChannelAlipay:
		return s.Alipay != nil && short
	}
	return false
}

// cards tells whether a channel shows a card, not a text.
func cards(c venue.Channel) bool {
	return c == venue.ChannelSubscribe || c == venue.ChannelAlipay
}

func (s *Senders) send(ctx context.Context, d Delivery, p part) error {
	switch d.Message.To.Channel {
	case venue.ChannelRobot:
		return s.Group.SendGroup(ctx, d.address, p.text, p.mentions)
	case venue.ChannelWeComApp:
		return s.App.SendApp(ctx, d.address, p.text)
	case venue.ChannelService:
		return s.Service.Send(ctx, d.address, p.text)
	case venue.ChannelSubscribe:
		return s.Subscribe.SendCard(ctx, d.address, d.card)
	default:
		return s.Alipay.SendCard(ctx, d.address, d.card)
	}
}
