package sim

import (
	"crypto/rand"
	"hash/maphash"
	randv2 "math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// cryptoRandom makes keys; everything else is only unlikely to repeat.
var cryptoRandom = rand.Reader

// token is 32 characters of [0-9a-z], cheap enough for a load test.
func token() string {
	var b [32]byte
	out := b[:0]
	for len(out) < len(b) {
		out = strconv.AppendUint(out, randv2.Uint64(), 36)
	}
	return string(out[:len(b)])
}

// codeLife is how long a login or phone code may be exchanged.
const codeLife = 5 * time.Minute

// codeBook holds codes that may be exchanged once within codeLife. It is
// sharded, since every login of a load test passes here twice.
type codeBook struct {
	prefix string
	seed   maphash.Seed
	shards [32]codeShard
}

type codeShard struct {
	mu   sync.Mutex
	of   map[string]*code
	fifo []*code // oldest first: all live equally long
}

type code struct {
	text    string
	phone   *phone
	expires time.Time
	used    bool
}

func newCodeBook(prefix string) *codeBook {
	b := &codeBook{prefix: prefix, seed: maphash.MakeSeed()}
	for i := range b.shards {
		b.shards[i].of = map[string]*code{}
	}
	return b
}

func (b *codeBook) shard(text string) *codeShard {
	return &b.shards[maphash.String(b.seed, text)%uint64(len(b.shards))]
}

// issue makes a code for a phone.
func (b *codeBook) issue(p *phone, now time.Time) string {
	k := &code{text: b.prefix + token(), phone: p, expires: now.Add(codeLife)}
	h := b.shard(k.text)
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.fifo) > 0 && now.After(h.fifo[0].expires) {
		delete(h.of, h.fifo[0].text)
		h.fifo = h.fifo[1:]
	}
	h.of[k.text] = k
	h.fifo = append(h.fifo, k)
	return k.text
}

type exchange int

const (
	exchanged exchange = iota
	codeUnknown
	codeUsed
)

// take exchanges a code. An expired code is unknown.
func (b *codeBook) take(text string, now time.Time) (*phone, exchange) {
	h := b.shard(text)
	h.mu.Lock()
	defer h.mu.Unlock()
	k := h.of[text]
	switch {
	case k == nil || now.After(k.expires):
		return nil, codeUnknown
	case k.used:
		return nil, codeUsed
	}
	k.used = true
	return k.phone, exchanged
}

// Apps that hold access tokens, as POST /sim/tokens/expire names them.
const (
	appWechat  = "wechat"
	appService = "service_account"
	appWeCom   = "wecom"
	appAlipay  = "alipay"
)

// tokenLife is what the platforms call expires_in.
const tokenLife = 7200 * time.Second

// tokenBook holds access tokens. An expired one is remembered as such for a
// while: the platforms tell 42001 from 40001.
type tokenBook struct {
	mu      sync.Mutex
	of      map[string]accessToken
	current map[string]string // app + kind → token
}

type accessToken struct {
	app     string
	expires time.Time
}

// get gives the current token of an app and how long it still lives. renew
// asks for a new one, which ends the old one.
func (b *tokenBook) get(app, kind string, now time.Time, renew bool) (string, time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	slot := app + "/" + kind
	old := b.current[slot]
	if t, ok := b.of[old]; ok && now.Before(t.expires) {
		if !renew {
			return old, t.expires.Sub(now)
		}
		delete(b.of, old)
	}
	for text, t := range b.of {
		if now.Sub(t.expires) > tokenLife {
			delete(b.of, text)
		}
	}
	text := token() + token()
	b.of[text] = accessToken{app, now.Add(tokenLife)}
	b.current[slot] = text
	return text, tokenLife
}

// check tells whose token it is, or the errcode it is refused with: unknown
// for one never given or forgotten, 42001 for one that is too old.
func (b *tokenBook) check(text string, now time.Time, unknown int) (app string, refusal int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t, ok := b.of[text]
	switch {
	case !ok:
		return "", unknown
	case !now.Before(t.expires):
		return "", 42001
	}
	return t.app, 0
}

// forget drops all tokens of an app and tells how many there were.
func (b *tokenBook) forget(app string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for text, t := range b.of {
		if t.app == app {
			delete(b.of, text)
			n++
		}
	}
	return n
}

// rateBook counts what each webhook sent within the last minute.
type rateBook struct {
	mu   sync.Mutex
	sent map[string][]time.Time
}

const robotsPerMinute = 20

// allow says whether a webhook may send at now, and counts it if so. A full
// minute must have passed since the message twenty before.
func (b *rateBook) allow(key string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	recent := b.sent[key][:0:0]
	for _, t := range b.sent[key] {
		if now.Sub(t) < time.Minute {
			recent = append(recent, t)
		}
	}
	ok := len(recent) < robotsPerMinute
	if ok {
		recent = append(recent, now)
	}
	b.sent[key] = recent
	return ok
}

// msgID is a message id as WeChat makes them: an integer of 63 bits.
func msgID() string { return strconv.FormatInt(randv2.Int64(), 10) }
