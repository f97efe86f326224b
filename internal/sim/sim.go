package sim

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/venue"
)

// Options are what the program decides about a simulated world.
type Options struct {
	// Product is the base URL of the product, such as http://127.0.0.1:8080.
	// SetProduct may give it later; until then nothing can be delivered.
	Product string
	// World is the folder of the memory; empty keeps it in this process only.
	World string
	// Civil is the city's time, Machine the platforms' own.
	Civil, Machine venue.Clock
	City           City
	// Control moves the civil clock; nil means that nobody can.
	Control Control
	// Keys may be empty: then those of the world are used, or new ones made.
	Keys Keys
	// Subscriptions is how many messages each phone has agreed to receive
	// from the mini-program; 0 means 1000.
	Subscriptions int
	// Extra lets the program add routes of its own.
	Extra func(fiber.Router)
	Log   *slog.Logger
}

// Control moves the civil clock.
type Control interface {
	Now() time.Time
	// Set moves to an instant and Advance by a duration; both answer when
	// every job that came due has run. Backwards, or on the real clock, the
	// error wraps venue.ErrConflict.
	Set(ctx context.Context, to time.Time) (MoveResult, error)
	Advance(ctx context.Context, d time.Duration) (MoveResult, error)
}

// Paced is what a Control may add, so that the page can say how fast the city
// lives: virtual seconds per real second, 0 for a clock that stands still, 1
// for the real clock, which nobody moves.
type Paced interface{ Speed() float64 }

// MoveResult says where the clock arrived, how many jobs ran on the way and how
// many were put off because their delivery failed.
type MoveResult struct {
	Now           time.Time
	Ran, Deferred int
}

// Sim is a running world. Its methods may be used from many goroutines.
type Sim struct {
	civil, machine venue.Clock
	control        Control
	world          string
	subscriptions  int
	log            *slog.Logger
	app            *fiber.App
	client         *http.Client
	product        atomic.Pointer[string]

	keysMu     sync.RWMutex
	keys       Keys
	dir        atomic.Pointer[directory]
	contentKey []byte
	appPublic  *rsa.PublicKey
	alipayKey  *rsa.PrivateKey

	health, wechat, wecom, alipay *service

	journal     *journal
	colours     colours
	phones      phoneBook
	talks       talkBook
	logins      *codeBook // WeChat js codes
	auths       *codeBook // Alipay auth codes
	phoneCodes  *codeBook // WeChat phone number codes
	tokens      tokenBook
	webhookRate rateBook

	closing chan struct{}
	once    sync.Once
}

// New opens a world. The caller serves App and calls Close when done.
func New(o Options) (*Sim, error) {
	if o.Civil == nil || o.Machine == nil {
		return nil, errors.New("open simulators: both clocks are needed")
	}
	if o.World != "" {
		if err := os.MkdirAll(o.World, 0o700); err != nil {
			return nil, fmt.Errorf("open simulators: %w", err)
		}
	}
	keys, err := openKeys(o.Keys, o.World)
	if err != nil {
		return nil, fmt.Errorf("open simulators: %w", err)
	}
	s := &Sim{
		civil: o.Civil, machine: o.Machine, control: o.Control, world: o.World,
		subscriptions: o.Subscriptions, log: o.Log, keys: keys,
		client: &http.Client{
			// A redirect is an answer too: a phone shows it, a platform refuses it.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport:     &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute},
		},
		closing: make(chan struct{}),
		colours: colours{of: map[string]string{}},
		phones:  phoneBook{byID: map[string]*phone{}, byOpenID: map[string]*phone{}},
		talks:   talkBook{of: map[string]*talk{}},
		tokens:  tokenBook{of: map[string]accessToken{}, current: map[string]string{}},
	}
	if s.subscriptions == 0 {
		s.subscriptions = 1000
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.logins, s.auths, s.phoneCodes = newCodeBook("0"), newCodeBook(""), newCodeBook("")
	s.webhookRate.sent = map[string][]time.Time{}
	s.services()
	if err := s.loadAlipayKeys(); err != nil {
		return nil, fmt.Errorf("open simulators: %w", err)
	}
	if err := s.SetCity(o.City); err != nil {
		return nil, fmt.Errorf("open simulators: %w", err)
	}
	if err := readWorld(o.World, s.replay); err != nil {
		return nil, fmt.Errorf("open simulators: %w", err)
	}
	if s.journal, err = startJournal(o.World, s.remembered()); err != nil {
		return nil, fmt.Errorf("open simulators: %w", err)
	}
	s.SetProduct(o.Product)
	s.app = s.routes(o.Extra)
	return s, nil
}

// App is the HTTP side: platform calls, /sim/… and the page.
func (s *Sim) App() *fiber.App { return s.app }

// SetProduct says where the product listens.
func (s *Sim) SetProduct(url string) { s.product.Store(&url) }

// Keys are the ids and secrets in force, webhooks of all known groups included.
func (s *Sim) Keys() Keys {
	s.keysMu.RLock()
	defer s.keysMu.RUnlock()
	k := s.keys
	k.Webhooks = make(map[string]string, len(s.keys.Webhooks))
	for g, key := range s.keys.Webhooks {
		k.Webhooks[g] = key
	}
	return k
}

// SetCity replaces what is known of the city. A group seen for the first time
// is given a webhook key, which it keeps.
func (s *Sim) SetCity(c City) error {
	s.keysMu.Lock()
	defer s.keysMu.Unlock()
	g := generator{r: cryptoRandom}
	fresh := false
	for _, group := range c.Groups {
		if s.keys.Webhooks[group.ID] == "" {
			s.keys.Webhooks[group.ID] = g.webhookKey()
			fresh = true
		}
	}
	if g.err != nil {
		return fmt.Errorf("make webhook keys: %w", g.err)
	}
	if fresh {
		if err := saveKeys(s.keys, s.world); err != nil {
			return err
		}
	}
	s.dir.Store(newDirectory(c, s.keys.Webhooks))
	return nil
}

// Close lets hanging calls go and closes the memory. Call it before shutting
// the App's server down, which waits for calls.
func (s *Sim) Close() error {
	s.once.Do(func() { close(s.closing) })
	s.client.CloseIdleConnections()
	return s.journal.close()
}

// Calls tells how often the product has called a service: health, wechat,
// wecom or alipay.
func (s *Sim) Calls(name string) int64 {
	if v := s.service(name); v != nil {
		return v.calls.Load()
	}
	return 0
}

func (s *Sim) loadAlipayKeys() error {
	k := s.keys.Alipay
	pub, err := base64.StdEncoding.DecodeString(k.AppPublic)
	if err != nil {
		return errors.New("alipay: app public key is not base64")
	}
	parsed, err := x509.ParsePKIXPublicKey(pub)
	if err != nil {
		return errors.New("alipay: app public key is not PKIX")
	}
	pri, err := base64.StdEncoding.DecodeString(k.AlipayPrivate)
	if err != nil {
		return errors.New("alipay: platform private key is not base64")
	}
	parsedKey, err := x509.ParsePKCS8PrivateKey(pri)
	if err != nil {
		return errors.New("alipay: platform private key is not PKCS #8")
	}
	var ok1, ok2 bool
	s.appPublic, ok1 = parsed.(*rsa.PublicKey)
	s.alipayKey, ok2 = parsedKey.(*rsa.PrivateKey)
	if !ok1 || !ok2 {
		return errors.New("alipay: keys are not RSA")
	}
	if s.contentKey, err = base64.StdEncoding.DecodeString(k.AESKey); err != nil || len(s.contentKey) != 16 {
		return errors.New("alipay: AES key is not 16 bytes in base64")
	}
	return nil
}

// replay puts one remembered record back in place.
func (s *Sim) replay(r record) {
	switch {
	case r.Phone != nil:
		s.phones.add(&phone{phoneRecord: *r.Phone})
	case r.Colour != nil:
		s.colours.set(r.Colour.IDNumber, r.Colour.Color)
	case r.Message != nil:
		t := s.talks.get(r.Message.Talk)
		t.messages = append(t.messages, r.Message.Message)
		if r.Message.Seq > s.talks.seq.Load() {
			s.talks.seq.Store(r.Message.Seq)
		}
	}
}

// remembered is everything worth keeping, without what was overwritten.
func (s *Sim) remembered() []record {
	var all []record
	for _, p := range s.phones.list() {
		all = append(all, record{Phone: &p.phoneRecord})
	}
	all = append(all, s.colours.records()...)
	return append(all, s.talks.records()...)
}
