package notifier

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxBytes is the longest text that a group robot takes, in bytes of UTF-8. App
// and service account messages have the same limit.
const maxBytes = 2048

// line is a line of a text with the userids to be called beside it.
type line struct {
	text     string
	mentions []string
}

// part is one message to a chat.
type part struct {
	text     string
	mentions []string
}

// split cuts lines into parts of at most limit bytes, at line ends where a line
// fits into a part, never inside a character. The parts in a row are the lines,
// each ended by a line feed. A person is called only in the part that names
// their unit.
func split(lines []line, limit int) []part {
	var parts []part
	var now part
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			now.text = text.String()
			parts = append(parts, now)
			now = part{}
			text.Reset()
		}
	}
	for _, l := range lines {
		rest := l.text + "\n"
		if text.Len()+len(rest) > limit {
			flush()
		}
		for len(rest) > limit {
			cut := limit
			for cut > limit-utf8.UTFMax && !utf8.RuneStart(rest[cut]) {
				cut--
			}
			text.WriteString(rest[:cut])
			flush()
			rest = rest[cut:]
		}
		text.WriteString(rest)
		for _, m := range l.mentions {
			if !slices.Contains(now.mentions, m) {
				now.mentions = append(now.mentions, m)
			}
		}
	}
	flush()
	return parts
}

// paginate makes the messages that go out: every one with its tag and the
// number, so that a second copy of any can be recognised.
func paginate(tag, number string, lines []line) []part {
	const room = 96 // the longest tag, number and page count take less
	parts := split(lines, maxBytes-room)
	for i := range parts {
		p := &parts[i]
		if i > 0 {
			p.text = tag + continued + "\n" + p.text
		}
		p.text += numberWord + number
		if len(parts) > 1 {
			p.text += fmt.Sprintf(pageWords, i+1, len(parts))
		}
	}
	return parts
}

const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ" // none looks like another

// Number is the short number printed on a message: six characters that follow
// from its id, the same on every copy.
func Number(id string) string {
	h := sha256.Sum256([]byte(id))
	var b [6]byte
	for i := range b {
		b[i] = letters[h[i]&31]
	}
	return string(b[:])
}
