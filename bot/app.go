package bot

import (
	"encoding/xml"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/venue"
)

// wecomApp is the WeCom application: one to one. XML. It shares the robot's
// userids, and so the bindings.
type wecomApp struct{ xmlWire }

func (wecomApp) channel() venue.Channel { return venue.ChannelWeComApp }

func (wecomApp) silence() string { return "" }

func (wecomApp) message(plain []byte) (incoming, bool) {
	m, ok := readXML(plain)
	if !ok {
		return incoming{}, false
	}
	return m.incoming(venue.ChannelWeComApp, m.FromUserName), true
}

// xmlWire is the form that the application and the service account share.
// encoding/xml knows no external entities and no entities of a message's own.
type xmlWire struct{}

func (xmlWire) sealed(body []byte) (string, bool) {
	var outer struct {
		XMLName xml.Name `xml:"xml"`
		Encrypt string
	}
	err := xml.Unmarshal(body, &outer)
	enc := strings.TrimSpace(outer.Encrypt)
	return enc, err == nil && enc != ""
}

// xmlMessage is the part of a message that matters here.
type xmlMessage struct {
	XMLName      xml.Name `xml:"xml"`
	ToUserName   string
	FromUserName string
	CreateTime   int64
	MsgType      string
	Event        string
	Content      string
	MsgId        string
}

func readXML(plain []byte) (xmlMessage, bool) {
	var m xmlMessage
	err := xml.Unmarshal(plain, &m)
	return m, err == nil && isID(m.FromUserName) && (m.MsgId == "" || isID(m.MsgId))
}

// incoming is the message of somebody known here as account. One without an id,
// as events are, is known by its sender and its second.
func (m xmlMessage) incoming(c venue.Channel, account string) incoming {
	id := m.MsgId
	if id == "" {
		id = account + ":" + time.Unix(m.CreateTime, 0).UTC().Format("20060102T150405")
	}
	in := incoming{from: m.FromUserName, to: m.ToUserName, Message: Message{
		Channel: c,
		ID:      messageID(c, id),
		Account: venue.ChatAccount{Channel: c, ID: account},
		Text:    m.Content,
		Sent:    sentAt(m.CreateTime),
	}}
	switch m.MsgType {
	case "event":
	case "text":
		in.Kind = kindText
	default:
		in.Kind = kindOther
	}
	return in
}

type cdata struct {
	Text string `xml:",cdata"`
}

func (xmlWire) passive(in incoming, text string, at time.Time) []byte {
	return mustXML(struct {
		XMLName                  xml.Name `xml:"xml"`
		ToUserName, FromUserName cdata
		CreateTime               int64
		MsgType, Content         cdata
	}{
		ToUserName: cdata{in.from}, FromUserName: cdata{in.to}, CreateTime: at.Unix(),
		MsgType: cdata{"text"}, Content: cdata{text},
	})
}

func (xmlWire) envelope(enc, sig, nonce string, ts int64) (string, []byte) {
	return fiber.MIMEApplicationXMLCharsetUTF8, mustXML(struct {
		XMLName               xml.Name `xml:"xml"`
		Encrypt, MsgSignature cdata
		TimeStamp             int64
		Nonce                 cdata
	}{Encrypt: cdata{enc}, MsgSignature: cdata{sig}, TimeStamp: ts, Nonce: cdata{nonce}})
}

// mustXML encodes strings and numbers, which can not fail.
func mustXML(v any) []byte {
	b, err := xml.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
