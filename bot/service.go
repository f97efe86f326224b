package bot

import "github.com/venuecode/venuecode/venue"

// serviceAccount is the WeChat service account: one to one. XML, in safe mode.
type serviceAccount struct {
	xmlWire
	blind func(openid string) string
}

func (serviceAccount) channel() venue.Channel { return venue.ChannelService }

// silence is what WeChat wants to hear; after an empty answer it may tell the
// person that the account is out of order.
func (serviceAccount) silence() string { return "success" }

func (s serviceAccount) message(plain []byte) (incoming, bool) {
	m, ok := readXML(plain)
	if !ok {
		return incoming{}, false
	}
	in := m.incoming(venue.ChannelService, s.blind(m.FromUserName))
	if m.MsgType == "event" && m.Event == "subscribe" {
		in.Kind = kindHello
	}
	return in, true
}
