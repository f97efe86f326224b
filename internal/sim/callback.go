package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Where the product listens for the platforms.
const (
	ServicePath = "/callbacks/wechat"
	AppPath     = "/callbacks/wecom/app"
	RobotPath   = "/callbacks/wecom/robot"
)

// Callback is one call that a platform makes to the product. The builders make
// genuine ones; a test forges by changing what they made.
type Callback struct {
	Method      string
	Path        string
	Query       url.Values
	ContentType string
	Body        []byte
}

// Request aims the callback at a product's base URL.
func (c Callback) Request(ctx context.Context, base string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, c.Method, base+c.Path+"?"+c.Query.Encode(), bytes.NewReader(c.Body))
	if err != nil {
		return nil, fmt.Errorf("build callback %s: %w", c.Path, err)
	}
	if c.ContentType != "" {
		r.Header.Set("Content-Type", c.ContentType)
	}
	return r, nil
}

// Incoming is a message on its way to the product. Sent is the civil instant
// at which the person sent it, in the message to the second; At is the machine
// instant that the call is signed with.
type Incoming struct {
	MsgID string // digits for the XML channels
	From  string // userid, or the openid for the service account
	Chat  string // the group; robot only
	Text  string
	Sent  time.Time
	At    time.Time
	Nonce string
}

// RobotCallback is a mention of the smart robot in a group.
func RobotCallback(k Keys, m Incoming) (Callback, error) {
	plain, err := json.Marshal(map[string]any{
		"msgid": m.MsgID, "aibotid": k.Robot.ID, "chatid": m.Chat, "chattype": "group",
		"from": map[string]string{"userid": m.From}, "create_time": m.Sent.Unix(),
		"msgtype": "text", "text": map[string]string{"content": m.Text},
	})
	if err != nil {
		return Callback{}, err
	}
	c, err := k.robotCrypt()
	if err != nil {
		return Callback{}, err
	}
	sealed := c.Seal(plain)
	body, err := json.Marshal(map[string]string{"encrypt": sealed})
	if err != nil {
		return Callback{}, err
	}
	return Callback{
		Method: http.MethodPost, Path: RobotPath, Query: signed(c, m, sealed),
		ContentType: "application/json", Body: body,
	}, nil
}

// AppCallback is a one-to-one message to the WeCom application.
func AppCallback(k Keys, m Incoming) (Callback, error) {
	c, err := k.appCrypt()
	if err != nil {
		return Callback{}, err
	}
	sealed := c.Seal(textXML(k.WeCom.CorpID, m, "<AgentID>"+k.WeCom.AgentID+"</AgentID>"))
	return Callback{
		Method: http.MethodPost, Path: AppPath, Query: signed(c, m, sealed), ContentType: "text/xml",
		Body: []byte("<xml><ToUserName>" + cdata(k.WeCom.CorpID) + "</ToUserName><AgentID>" +
			cdata(k.WeCom.AgentID) + "</AgentID><Encrypt>" + cdata(sealed) + "</Encrypt></xml>"),
	}, nil
}

// ServiceCallback is a one-to-one message to the service account in safe mode,
// which carries both signatures.
func ServiceCallback(k Keys, m Incoming) (Callback, error) {
	c, err := k.serviceCrypt()
	if err != nil {
		return Callback{}, err
	}
	sealed := c.Seal(textXML(k.Service.Account, m, ""))
	q := signed(c, m, sealed)
	q.Set("signature", sortedSHA1(k.Service.Token, q.Get("timestamp"), m.Nonce))
	q.Set("openid", m.From)
	q.Set("encrypt_type", "aes")
	return Callback{
		Method: http.MethodPost, Path: ServicePath, Query: q, ContentType: "text/xml",
		Body: []byte("<xml><ToUserName>" + cdata(k.Service.Account) + "</ToUserName><Encrypt>" +
			cdata(sealed) + "</Encrypt></xml>"),
	}, nil
}

// EchoCallback is the GET by which a platform checks a callback address: the
// product answers with the echo. The service account sends it in the clear.
func EchoCallback(k Keys, path, echo string, at time.Time, nonce string) (Callback, error) {
	m := Incoming{At: at, Nonce: nonce}
	if path == ServicePath {
		ts := strconv.FormatInt(at.Unix(), 10)
		return Callback{Method: http.MethodGet, Path: path, Query: url.Values{
			"signature": {sortedSHA1(k.Service.Token, ts, nonce)},
			"timestamp": {ts}, "nonce": {nonce}, "echostr": {echo},
		}}, nil
	}
	c, err := k.crypt(path)
	if err != nil {
		return Callback{}, err
	}
	sealed := c.Seal([]byte(echo))
	q := signed(c, m, sealed)
	q.Set("echostr", sealed)
	return Callback{Method: http.MethodGet, Path: path, Query: q}, nil
}

// OpenReply reads the text of a passive reply that the product gave on path.
// An empty body and "success" are no reply: "" without an error.
func OpenReply(k Keys, path string, body []byte) (string, error) {
	trimmed := strings.TrimSpace(string(body))
	if trimmed == "" || trimmed == "success" {
		return "", nil
	}
	c, err := k.crypt(path)
	if err != nil {
		return "", err
	}
	if path == RobotPath {
		return openRobotReply(c, body)
	}
	return openXMLReply(c, body)
}

func openRobotReply(c *Crypt, body []byte) (string, error) {
	var outer struct {
		Encrypt      string          `json:"encrypt"`
		MsgSignature string          `json:"msgsignature"`
		Timestamp    json.RawMessage `json:"timestamp"` // a number, but some write a string
		Nonce        string          `json:"nonce"`
	}
	if err := json.Unmarshal(body, &outer); err != nil {
		return "", fmt.Errorf("read robot reply: %w", err)
	}
	plain, err := c.Open(outer.MsgSignature, strings.Trim(string(outer.Timestamp), `"`), outer.Nonce, outer.Encrypt)
	if err != nil {
		return "", fmt.Errorf("open robot reply: %w", err)
	}
	var inner struct {
		MsgType string `json:"msgtype"`
		Text    struct {
			Content string `json:"content"`
		} `json:"text"`
		Stream struct {
			ID      string `json:"id"`
			Finish  bool   `json:"finish"`
			Content string `json:"content"`
		} `json:"stream"`
	}
	if err := json.Unmarshal(plain, &inner); err != nil {
		return "", fmt.Errorf("read robot reply: %w", err)
	}
	switch {
	case inner.MsgType == "text":
		return inner.Text.Content, nil
	case inner.MsgType == "stream" && inner.Stream.Finish:
		return inner.Stream.Content, nil
	}
	return "", fmt.Errorf("robot reply is neither text nor a finished stream")
}

func openXMLReply(c *Crypt, body []byte) (string, error) {
	var outer struct {
		Encrypt      string
		MsgSignature string
		TimeStamp    string
		Nonce        string
	}
	if err := xml.Unmarshal(body, &outer); err != nil {
		return "", fmt.Errorf("read reply: %w", err)
	}
	plain, err := c.Open(outer.MsgSignature, outer.TimeStamp, outer.Nonce, outer.Encrypt)
	if err != nil {
		return "", fmt.Errorf("open reply: %w", err)
	}
	if len(plain) == 0 {
		return "", nil
	}
	var inner struct{ MsgType, Content string }
	if err := xml.Unmarshal(plain, &inner); err != nil {
		return "", fmt.Errorf("read reply: %w", err)
	}
	if inner.MsgType != "text" {
		return "", fmt.Errorf("reply is not a text")
	}
	return inner.Content, nil
}

func (k Keys) robotCrypt() (*Crypt, error) { return NewCrypt(k.Robot.Token, k.Robot.AESKey, "") }

func (k Keys) appCrypt() (*Crypt, error) {
	return NewCrypt(k.WeCom.Token, k.WeCom.AESKey, k.WeCom.CorpID)
}

func (k Keys) serviceCrypt() (*Crypt, error) {
	return NewCrypt(k.Service.Token, k.Service.AESKey, k.Service.AppID)
}

func (k Keys) crypt(path string) (*Crypt, error) {
	switch path {
	case RobotPath:
		return k.robotCrypt()
	case AppPath:
		return k.appCrypt()
	case ServicePath:
		return k.serviceCrypt()
	}
	return nil, fmt.Errorf("no platform calls %s", path)
}

func signed(c *Crypt, m Incoming, sealed string) url.Values {
	ts := strconv.FormatInt(m.At.Unix(), 10)
	return url.Values{
		"msg_signature": {c.Sign(ts, m.Nonce, sealed)},
		"timestamp":     {ts},
		"nonce":         {m.Nonce},
	}
}

func textXML(to string, m Incoming, extra string) []byte {
	return []byte("<xml><ToUserName>" + cdata(to) + "</ToUserName><FromUserName>" + cdata(m.From) +
		"</FromUserName><CreateTime>" + strconv.FormatInt(m.Sent.Unix(), 10) +
		"</CreateTime><MsgType>" + cdata("text") + "</MsgType><Content>" + cdata(m.Text) +
		"</Content><MsgId>" + m.MsgID + "</MsgId>" + extra + "</xml>")
}

// cdata cannot hold its own end; splitting there keeps any text whole.
func cdata(s string) string {
	return "<![CDATA[" + strings.ReplaceAll(s, "]]>", "]]]]><![CDATA[>") + "]]>"
}
