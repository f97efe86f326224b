package sim

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/venuecode/venuecode/venue"
)

// Message is one line of a group, of a one-to-one chat, or among the messages
// that a phone received.
type Message struct {
	Seq  int64  `json:"seq"` // increasing over the whole world
	At   string `json:"at"`  // civil
	From string `json:"from"`
	// Kind is reply, reminder, onetap, digest, notice or chat. The wire does
	// not carry it: for what the product pushes it is read off the tag that
	// its texts begin with.
	Kind     string   `json:"kind"`
	Channel  string   `json:"channel,omitempty"`
	Type     string   `json:"type"`
	Text     string   `json:"text"`
	Mentions []string `json:"mentions"`
	Template string   `json:"template,omitempty"`
	Page     string   `json:"page,omitempty"`
}

// fromRobot is who speaks for the product, in whatever channel.
const fromRobot = "robot"

// The one-to-one channel that is not an app with access tokens of its own; the
// other is appService.
const channelApp = "wecom_app"

const (
	kindReply  = "reply"
	kindNotice = "notice"
	kindChat   = "chat"
)

// kinds are the tags by which the product's texts say what they are.
var kinds = map[string]string{
	"提醒":   "reminder",
	"一键确认": "onetap",
	"日报":   "digest",
	"通报":   kindNotice,
	"警告":   kindNotice,
	"预警":   kindNotice,
}

// kindOf reads the tags at the start of a text, past any markdown: 【迟发】【提醒】
// is a reminder.
func kindOf(text string) string {
	rest := strings.TrimLeft(text, " \t\r\n#*>")
	for strings.HasPrefix(rest, "【") {
		tag, after, ok := strings.Cut(strings.TrimPrefix(rest, "【"), "】")
		if !ok {
			break
		}
		if k, known := kinds[tag]; known {
			return k
		}
		rest = strings.TrimLeft(after, " *")
	}
	return kindChat
}

// talk is one conversation. Its lock orders its lines: a line that can be read
// has every earlier one before it, and is on disk.
type talk struct {
	mu       sync.RWMutex
	messages []Message
}

func (t *talk) after(seq int64) []Message {
	t.mu.RLock()
	defer t.mu.RUnlock()
	i, _ := slices.BinarySearchFunc(t.messages, seq+1, func(m Message, seq int64) int {
		return int(m.Seq - seq)
	})
	return append([]Message{}, t.messages[i:]...)
}

// talkBook holds all conversations, by what they are and whose.
type talkBook struct {
	mu  sync.RWMutex
	of  map[string]*talk
	seq atomic.Int64
}

const chatPrefix = "chat:"

func groupTalk(id string) string    { return "group:" + id }
func chatTalk(userid string) string { return chatPrefix + userid }
func phoneTalk(id string) string    { return "phone:" + id }

func (b *talkBook) get(name string) *talk {
	b.mu.RLock()
	t := b.of[name]
	b.mu.RUnlock()
	if t != nil {
		return t
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if t = b.of[name]; t == nil {
		t = &talk{}
		b.of[name] = t
	}
	return t
}

// after gives the lines of a conversation past seq; none where nobody spoke.
func (b *talkBook) after(name string, seq int64) []Message {
	b.mu.RLock()
	t := b.of[name]
	b.mu.RUnlock()
	if t == nil {
		return []Message{}
	}
	return t.after(seq)
}

// chatters are those who have a one-to-one chat.
func (b *talkBook) chatters() []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var all []string
	for name := range b.of {
		if userid, ok := strings.CutPrefix(name, chatPrefix); ok {
			all = append(all, userid)
		}
	}
	return all
}

func (b *talkBook) records() []record {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var all []record
	for _, name := range slices.Sorted(maps.Keys(b.of)) {
		for _, m := range b.of[name].messages {
			all = append(all, record{Message: &messageRecord{name, m}})
		}
	}
	return all
}

// errTalkFull is what a conversation with a limit says when it is reached.
var errTalkFull = errors.New("sim: no more messages agreed to")

// say adds a line to a conversation: remembered first, then seen. It gives the
// line's seq.
func (s *Sim) say(name string, m Message) (int64, error) { return s.sayWithin(name, 0, m) }

// sayWithin is say for a conversation of at most limit lines; 0 is no limit.
func (s *Sim) sayWithin(name string, limit int, m Message) (int64, error) {
	t := s.talks.get(name)
	t.mu.Lock()
	defer t.mu.Unlock()
	if limit > 0 && len(t.messages) >= limit {
		return 0, errTalkFull
	}
	m.Seq = s.talks.seq.Add(1)
	m.At = venue.FormatInstant(s.civil.Now())
	if m.Kind == "" {
		m.Kind = kindOf(m.Text)
	}
	if m.Mentions == nil {
		m.Mentions = []string{}
	}
	if err := s.journal.append(record{Message: &messageRecord{name, m}}); err != nil {
		return 0, err
	}
	t.messages = append(t.messages, m)
	return m.Seq, nil
}
