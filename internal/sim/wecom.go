package sim

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
)

// Longest contents, in bytes of UTF-8.
const (
	maxTextBytes     = 2048
	maxMarkdownBytes = 4096
)

// wecomToken gives the same token until it expires, as the real one does.
func (s *Sim) wecomToken(c *fiber.Ctx, _ bool) error {
	if c.Query("corpid") != s.keys.WeCom.CorpID {
		return errcode(c, 40013, "invalid corpid")
	}
	if c.Query("corpsecret") != s.keys.WeCom.Secret {
		return errcode(c, 40001, "invalid credential")
	}
	t, left := s.tokens.get(appWeCom, "plain", s.machine.Now(), false)
	return c.JSON(struct {
		Code    int    `json:"errcode"`
		Message string `json:"errmsg"`
		tokenAnswer
	}{0, "ok", tokenAnswer{t, int64(left.Seconds())}})
}

// outgoing is the body of a webhook or application message.
type outgoing struct {
	ToUser  string          `json:"touser"`
	AgentID json.RawMessage `json:"agentid"` // a number by the documents, a string by some clients
	MsgType string          `json:"msgtype"`
	Text    struct {
		Content       string   `json:"content"`
		MentionedList []string `json:"mentioned_list"`
	} `json:"text"`
	Markdown   content `json:"markdown"`
	MarkdownV2 content `json:"markdown_v2"`
	TextCard   struct {
		Title       string `json:"title"`
		Description string `json:"description"`
		URL         string `json:"url"`
	} `json:"textcard"`
	TemplateCard struct {
		MainTitle    cardTitle `json:"main_title"`
		SubTitleText string    `json:"sub_title_text"`
		Horizontal   []struct {
			Key   string `json:"keyname"`
			Value string `json:"value"`
		} `json:"horizontal_content_list"`
	} `json:"template_card"`
}

type content struct {
	Content string `json:"content"`
}

type cardTitle struct {
	Title string `json:"title"`
	Desc  string `json:"desc"`
}

// text is what a person reads, and the most bytes it may have; 0 is no limit.
func (o *outgoing) text() (text string, limit int, known bool) {
	switch o.MsgType {
	case "text":
		return o.Text.Content, maxTextBytes, true
	case "markdown":
		return o.Markdown.Content, maxMarkdownBytes, true
	case "markdown_v2":
		return o.MarkdownV2.Content, maxMarkdownBytes, true
	case "textcard":
		return o.TextCard.Title + "\n" + o.TextCard.Description, 0, true
	case "template_card":
		k := o.TemplateCard
		lines := []string{k.MainTitle.Title, k.MainTitle.Desc, k.SubTitleText}
		for _, h := range k.Horizontal {
			lines = append(lines, h.Key+"："+h.Value)
		}
		lines = slices.DeleteFunc(lines, func(l string) bool { return l == "" })
		return strings.Join(lines, "\n"), 0, true
	}
	return "", 0, false
}

// sendWebhook is a group's message push: 20 a minute for each webhook.
func (s *Sim) sendWebhook(c *fiber.Ctx, _ bool) error {
	key := c.Query("key")
	group, ok := s.dir.Load().webhooks[key]
	if !ok || key == "" {
		return errcode(c, 93000, "invalid webhook url")
	}
	var in outgoing
	if json.Unmarshal(c.Body(), &in) != nil {
		return errcode(c, 47001, "data format error")
	}
	text, limit, known := in.text()
	switch {
	case !known || in.MsgType == "textcard":
		return errcode(c, 40008, "invalid message type")
	case text == "":
		return errcode(c, 44004, "content is empty")
	case limit > 0 && len(text) > limit:
		return errcode(c, 40058, in.MsgType+".content exceed max length. invalid Request Parameter")
	case !s.webhookRate.allow(key, s.civil.Now()):
		return errcode(c, 45009, "api freq out of limit")
	}
	_, err := s.say(groupTalk(group), Message{
		From: fromRobot, Kind: kindOf(text), Type: in.MsgType, Text: text,
		Mentions: mentions(in.Text.MentionedList, text),
	})
	if err != nil {
		return s.busy(c, err)
	}
	return errcode(c, 0, "ok")
}

// sendApp is the application's one-to-one message. A text that is too long is
// cut, as the platform documents.
func (s *Sim) sendApp(c *fiber.Ctx, _ bool) error {
	switch _, refusal := s.tokens.check(c.Query("access_token"), s.machine.Now(), 40014); refusal {
	case 0:
	case 42001:
		return errcode(c, 42001, "access_token expired")
	default:
		return errcode(c, refusal, "invalid access_token")
	}
	var in outgoing
	if json.Unmarshal(c.Body(), &in) != nil {
		return errcode(c, 47001, "data format error")
	}
	text, limit, known := in.text()
	switch {
	case strings.Trim(string(in.AgentID), `"`) != s.keys.WeCom.AgentID:
		return errcode(c, 40056, "invalid agentid")
	case !known:
		return errcode(c, 40008, "invalid message type")
	case text == "":
		return errcode(c, 44004, "content is empty")
	}
	if limit > 0 {
		text = cut(text, limit)
	}
	to, invalid := s.recipients(in.ToUser)
	if len(to) == 0 {
		return errcode(c, 81013, "user & party & tag all invalid")
	}
	for _, userid := range to {
		_, err := s.say(chatTalk(userid), Message{
			From: fromRobot, Channel: channelApp, Type: in.MsgType, Text: text,
		})
		if err != nil {
			return s.busy(c, err)
		}
	}
	return c.JSON(struct {
		Code    int    `json:"errcode"`
		Message string `json:"errmsg"`
		Invalid string `json:"invaliduser"`
		MsgID   string `json:"msgid"`
	}{0, "ok", strings.Join(invalid, "|"), token()})
}

// recipients splits touser. Anybody with a well-formed userid is a member of
// the corporation; the city lists only some.
func (s *Sim) recipients(touser string) (to, invalid []string) {
	if touser == "@all" {
		for _, m := range s.dir.Load().city.Staff {
			if !slices.Contains(to, m.UserID) {
				to = append(to, m.UserID)
			}
		}
		return to, nil
	}
	for _, u := range strings.Split(touser, "|") {
		switch {
		case u == "" || slices.Contains(to, u):
		case wellFormedUser.MatchString(u):
			to = append(to, u)
		default:
			invalid = append(invalid, u)
		}
	}
	return to, invalid
}

var (
	wellFormedUser = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_.@-]{0,63}$`)
	mentionTag     = regexp.MustCompile(`<@([0-9A-Za-z][0-9A-Za-z_.@-]{0,63})>`)
)

// mentions are the userids that a message points at: those listed, and those
// written into the text.
func mentions(listed []string, text string) []string {
	all := []string{}
	for _, u := range listed {
		if u != "" && !slices.Contains(all, u) {
			all = append(all, u)
		}
	}
	for _, m := range mentionTag.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(all, m[1]) {
			all = append(all, m[1])
		}
	}
	return all
}

// cut shortens s to at most n bytes, never inside a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
