package bot

import (
	"encoding/json"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/venue"
)

// robot is the WeCom smart robot: mentions in a group, and one to one. JSON.
type robot struct{}

func (robot) channel() venue.Channel { return venue.ChannelRobot }

func (robot) silence() string { return "" }

func (robot) sealed(body []byte) (string, bool) {
	var outer struct {
		Encrypt string `json:"encrypt"`
	}
	err := json.Unmarshal(body, &outer)
	return outer.Encrypt, err == nil && outer.Encrypt != ""
}

func (robot) message(plain []byte) (incoming, bool) {
	var inner struct {
		MsgID    string `json:"msgid"`
		ChatID   string `json:"chatid"`
		ChatType string `json:"chattype"`
		From     struct {
			UserID string `json:"userid"`
		} `json:"from"`
		CreateTime int64  `json:"create_time"`
		MsgType    string `json:"msgtype"`
		// What is quoted beside it are somebody else's words, and a transcribed
		// voice is a guess: neither is read.
		Text struct {
			Content string `json:"content"`
		} `json:"text"`
	}
	if json.Unmarshal(plain, &inner) != nil {
		return incoming{}, false
	}
	in := incoming{from: inner.From.UserID, Message: Message{
		Channel: venue.ChannelRobot,
		ID:      messageID(venue.ChannelRobot, inner.MsgID),
		Account: venue.ChatAccount{Channel: venue.ChannelWeComApp, ID: inner.From.UserID},
		Text:    inner.Text.Content,
		Sent:    sentAt(inner.CreateTime),
	}}
	if inner.ChatType == "group" {
		in.Group = venue.GroupID(inner.ChatID)
	}
	switch inner.MsgType {
	case "event", "stream": // a stream is asked for again until finished; ours always is
		return in, true
	case "text":
		in.Kind = kindText
	default:
		in.Kind = kindOther
	}
	lost := inner.ChatType == "group" && !isID(inner.ChatID)
	return in, !lost && isID(inner.MsgID) && isID(inner.From.UserID)
}

func (robot) passive(in incoming, text string, _ time.Time) []byte {
	type stream struct {
		ID      string `json:"id"`
		Finish  bool   `json:"finish"`
		Content string `json:"content"`
	}
	return mustJSON(struct {
		MsgType string `json:"msgtype"`
		Stream  stream `json:"stream"`
	}{"stream", stream{in.ID, true, text}})
}

func (robot) envelope(enc, sig, nonce string, ts int64) (string, []byte) {
	return fiber.MIMEApplicationJSON, mustJSON(struct {
		Encrypt      string `json:"encrypt"`
		MsgSignature string `json:"msgsignature"`
		Timestamp    int64  `json:"timestamp"`
		Nonce        string `json:"nonce"`
	}{enc, sig, ts, nonce})
}

// mustJSON encodes strings and numbers, which can not fail.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// messageID tells messages of different platforms apart.
func messageID(c venue.Channel, id string) string { return string(c) + ":" + id }

// isID tells whether a platform's id is there and of a sane length.
func isID(s string) bool { return s != "" && len(s) <= 128 }

// sentAt reads a platform's unix seconds; zero for what is no instant of this era.
func sentAt(sec int64) time.Time {
	if sec <= 0 || sec >= 1<<40 {
		return time.Time{}
	}
	return time.Unix(sec, 0).UTC()
}
