package bot

import (
	"bytes"
	"crypto/subtle"
	"strconv"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/venue"
)

// Refusals of a call. Their codes are stable; what exactly is wrong with a
// signature or a cipher text is not told.
var (
	errIncomplete = &web.Error{Status: fiber.StatusBadRequest, Code: "incomplete", Message: "回调参数不完整"}
	errMalformed  = &web.Error{Status: fiber.StatusBadRequest, Code: "malformed", Message: "回调内容无法识别"}
	errPlaintext  = &web.Error{Status: fiber.StatusForbidden, Code: "plaintext", Message: "只接受安全模式的回调"}
	errStale      = &web.Error{Status: fiber.StatusForbidden, Code: "stale", Message: "回调已过期"}
	errForged     = &web.Error{Status: fiber.StatusForbidden, Code: "forged", Message: "回调校验不通过"}
	errReplayed   = &web.Error{Status: fiber.StatusForbidden, Code: "replayed", Message: "回调重复"}
)

const (
	// fresh is how far a call's timestamp may be off, either way.
	fresh = 300 * time.Second
	// Longer parameters are nobody's: a nonce has some ten characters, an echo
	// some hundred.
	maxNonce = 64
	maxEcho  = 1024
)

// door is one way in.
type door struct {
	*Handler
	path  string
	crypt *Crypt
	wire  wire
}

// wire is how one platform writes its calls and reads our answers.
type wire interface {
	channel() venue.Channel
	// sealed takes the cipher text out of a body.
	sealed(body []byte) (string, bool)
	// message reads what was in it.
	message(plain []byte) (incoming, bool)
	// passive writes an answer.
	passive(in incoming, text string, at time.Time) []byte
	// envelope puts the sealed answer into a body.
	envelope(enc, sig, nonce string, ts int64) (contentType string, body []byte)
	// silence is the body that means no answer.
	silence() string
}

// call is what the query of a callback says.
type call struct{ sig, ts, nonce string }

// call reads the query and refuses what is incomplete or not recent. Freshness
// goes by the machine clock, since the platforms know no other.
func (d door) call(c *fiber.Ctx) (call, error) {
	q := call{c.Query("msg_signature"), c.Query("timestamp"), c.Query("nonce")}
	if d.clear() {
		switch {
		case c.Method() != fiber.MethodPost:
			q.sig = c.Query("signature")
		// Unsigned, and without it the platform's own SDK takes any plain text.
		case c.Query("encrypt_type") != "aes":
			return q, errPlaintext
		}
	}
	sec, err := strconv.ParseUint(q.ts, 10, 40)
	if err != nil || len(q.sig) != 40 || q.nonce == "" || len(q.nonce) > maxNonce {
		return q, errIncomplete
	}
	if age := d.Machine.Now().Sub(time.Unix(int64(sec), 0)); age > fresh || age < -fresh {
		return q, errStale
	}
	return q, nil
}

// clear tells whether the platform checks the address without encryption.
func (d door) clear() bool { return d.wire.channel() == venue.ChannelService }

// open proves that a sealed text is ours and new.
func (d door) open(q call, sealed string) ([]byte, error) {
	plain, err := d.crypt.Open(q.sig, q.ts, q.nonce, sealed)
	if err != nil {
		return nil, errForged
	}
	// After the proof: nobody else can fill the memory.
	if !d.seen.add(d.path+q.sig, d.Machine.Now()) {
		return nil, errReplayed
	}
	return plain, nil
}

// verify answers the platform's check of the address with its echo.
func (d door) verify(c *fiber.Ctx) error {
	q, err := d.call(c)
	if err != nil {
		return err
	}
	echo := c.Query("echostr")
	if echo == "" || len(echo) > maxEcho {
		return errIncomplete
	}
	plain := []byte(echo)
	if d.clear() {
		if subtle.ConstantTimeCompare([]byte(q.sig), []byte(d.crypt.sign(q.ts, q.nonce, ""))) != 1 {
			return errForged
		}
	} else if plain, err = d.open(q, echo); err != nil {
		return err
	}
	// A captured message must not be read back by presenting it as an echo; and
	// what WeChat's signature does not cover must not become a page.
	if bytes.ContainsAny(plain, "<>{}") {
		return errMalformed
	}
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderContentType, fiber.MIMETextPlain)
	return c.Send(plain)
}

// reply seals an answer.
func (d door) reply(c *fiber.Ctx, q call, plain []byte) error {
	ts := d.Machine.Now().Unix()
	enc, sig, err := d.crypt.Seal(strconv.FormatInt(ts, 10), q.nonce, plain, d.Random)
	if err != nil {
		return err
	}
	contentType, body := d.wire.envelope(enc, sig, q.nonce, ts)
	c.Set(fiber.HeaderContentType, contentType)
	return c.Send(body)
}

const (
	// remember is how long one call could stay fresh: from one end to the other.
	remember = 2 * fresh
	// remembered bounds each of the two halves of the memory: 80 calls a second,
	// twenty times what 5,000 units send in their last minute.
	remembered = 50_000
)

// signatures remembers the calls of at least the last ten minutes, in this
// process; across processes and restarts the message's id stops a repeat.
type signatures struct {
	mu           sync.Mutex
	newer, older map[string]struct{}
	since        time.Time
}

// add remembers a call; false if it was there already.
func (s *signatures) add(key string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newer == nil || now.Sub(s.since) >= remember || len(s.newer) >= remembered {
		s.newer, s.older, s.since = make(map[string]struct{}), s.newer, now
	}
	if _, ok := s.newer[key]; ok {
		return false
	}
	if _, ok := s.older[key]; ok {
		return false
	}
	s.newer[key] = struct{}{}
	return true
}
