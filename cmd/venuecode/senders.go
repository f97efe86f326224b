package main

import (
	"context"

	"github.com/venuecode/venuecode/configs"
	"github.com/venuecode/venuecode/notifier"
	"github.com/venuecode/venuecode/platform"
	"github.com/venuecode/venuecode/venue"
)

// The notifier's recipients are plain text, the platforms' are openids.
type serviceSender struct{ account *platform.ServiceAccount }

func (s serviceSender) Send(ctx context.Context, openid, text string) error {
	to, err := platform.ParseOpenID(openid)
	if err != nil {
		return err
	}
	return s.account.Send(ctx, to, text)
}

// cardSender fills the template of a mini-program.
type cardSender struct {
	send      func(context.Context, platform.Message) error
	templates configs.SubscribeTemplates
}

func (s cardSender) SendCard(ctx context.Context, openid string, card notifier.Card) error {
	to, err := platform.ParseOpenID(openid)
	if err != nil {
		return err
	}
	return s.send(ctx, platform.Message{
		To: to, Template: s.templates.Recheck, Page: "pages/scan/index",
		Data: map[string]string{"thing1": card.Title, "thing2": card.Place, "time3": card.Time, "thing4": card.Note},
	})
}

// directory opens the sealed addresses for the notifier.
type directory struct{ *app }

func (d directory) Group(ctx context.Context, id venue.GroupID) (name, webhook string, err error) {
	group, err := d.registry.Group(ctx, id)
	if err != nil {
		return "", "", err
	}
	key, err := d.vault.Open(webhookUse, group.Webhook)
	return group.Name, string(key), err
}

func (d directory) Address(ctx context.Context, to venue.Recipient) (string, error) {
	if to.Channel == venue.ChannelWeComApp {
		return to.ID, nil
	}
	return d.people.OpenID(ctx, to.ID)
}
