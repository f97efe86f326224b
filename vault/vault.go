package vault

import (
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// Vault seals, opens and blinds. It is safe for concurrent use, and its hot
// paths take no lock.
type Vault struct {
	ring   *keyring
	random io.Reader

	index   *macPool
	request *macPool
	days    sync.Map // venue.Day → *dayKey
	series  sync.Map // name → *series
	looked  atomic.Pointer[look]

	rotating sync.Mutex
}

// dayKey is a day's random key, split for its two uses.
type dayKey struct {
	pseudonym *macPool
	reference *sealKey
}

type options struct {
	dir      string
	random   io.Reader
	suite    string
	provider KeyProvider
}

// Option is a choice in Open.
type Option func(*options)

// WithSuite names the suite, "intl" or "gm". It is chosen once: a keyring of
// the other is refused. Without it a new keyring is intl, and one that is there
// keeps its own.
func WithSuite(name string) Option { return func(o *options) { o.suite = name } }

// WithProvider has root and epoch keys held elsewhere than in files beside the
// keyring.
func WithProvider(p KeyProvider) Option { return func(o *options) { o.provider = p } }

// Open reads the key folder, making its keys on the first start. random is
// crypto/rand.Reader outside tests.
func Open(keys string, random io.Reader, choices ...Option) (*Vault, error) {
	o := options{dir: keys, random: random, provider: NewFiles(keys)}
	for _, choose := range choices {
		choose(&o)
	}
	ring, err := openKeyring(o)
	if err != nil {
		return nil, err
	}
	v := &Vault{ring: ring, random: random}
	for name, use := range map[string]func(key []byte){
		"index/1":   func(k []byte) { v.index = ring.suite.macPool(k) },
		"request/1": func(k []byte) { v.request = ring.suite.macPool(k) },
	} {
		key, err := ring.ensure(name)
		if err != nil {
			return nil, err
		}
		use(key)
	}
	_, err = v.keys("session", true)
	return v, err
}

// IndexEpoch is the number of the key that Blind uses, kept beside what it
// finds so that the index can be rebuilt under another.
const IndexEpoch = 1

// Blind turns a private value into a name under which it can be found but from
// which, without the key, it can not be guessed: 128 bits, URL-safe.
func (v *Vault) Blind(kind, value string) string {
	sum := v.index.sum([]byte(kind), []byte{0}, []byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// ScanKey is the key of the scan that a person's request makes: companion n of
// it, or 0 for the person. The same from any process, without the store. prior
// is its key if the request had been made the day before; zero if that day has
// no key, and then no rows.
func (v *Vault) ScanKey(owner, subject venue.PersonID, at time.Time, request string, n int) (key, prior venue.ScanKey, err error) {
	day := venue.DayOf(at)
	today, err := v.day(day, true)
	if err != nil {
		return key, prior, err
	}
	id := v.request.sum(owner[:], []byte("scan\x00"), []byte{byte(n)}, []byte(request))
	sum := today.pseudonym.sum(subject[:])
	copy(key[:16], sum[:16])
	copy(key[16:], id[:16])
	if yesterday, err := v.day(day-1, false); err == nil {
		sum := yesterday.pseudonym.sum(subject[:])
		copy(prior[:16], sum[:16])
		copy(prior[16:], id[:16])
	}
	return key, prior, nil
}

// Pseudonym is the name under which a day's scans of a person lie; ErrNoKey if
// the day's key is gone, or never was.
func (v *Vault) Pseudonym(day venue.Day, p venue.PersonID) (out [16]byte, err error) {
	k, err := v.day(day, false)
	if err != nil {
		return out, err
	}
	sum := k.pseudonym.sum(p[:])
	copy(out[:], sum[:16])
	return out, nil
}

// ContentHash is a keyed hash by which two requests are the same or not.
func (v *Vault) ContentHash(content []byte) (h [16]byte) {
	sum := v.request.sum([]byte("content\x00"), content)
	copy(h[:], sum[:16])
	return h
}

// SealPerson seals a reference to a person for a scan row. It opens only for
// that row (its key) on that day.
func (v *Vault) SealPerson(day venue.Day, row venue.ScanKey, p venue.PersonID) ([]byte, error) {
	k, err := v.day(day, true)
	if err != nil {
		return nil, err
	}
	return k.reference.seal(v.random, p[:], row[:])
}

// OpenPerson opens a reference. ErrNoKey once the day has been destroyed.
func (v *Vault) OpenPerson(day venue.Day, row venue.ScanKey, sealed []byte) (p venue.PersonID, err error) {
	k, err := v.day(day, false)
	if err != nil {
		return p, err
	}
	b, err := k.reference.open(sealed, row[:])
	if err != nil || len(b) != len(p) {
		return p, fmt.Errorf("person reference: %w", ErrWrongKey)
	}
	copy(p[:], b)
	return p, nil
}

// SealToken makes a bearer token of claims: URL-safe text that only this vault
// reads and nobody can alter.
func (v *Vault) SealToken(claims []byte) (string, error) {
	keys, err := v.keys("session", false)
	if err != nil {
		return "", err
	}
	b, err := keys.newest.seal(v.random, claims, []byte("session"))
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// OpenToken reads a token's claims; ErrWrongKey for anything SealToken did not
// make.
func (v *Vault) OpenToken(token string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || base64.RawURLEncoding.EncodeToString(b) != token { // one session has one token
		return nil, ErrWrongKey
	}
	return v.open("session", b, []byte("session"))
}

// Seal seals a value that belongs to no person: a webhook key, say. use is
// bound in: what was sealed for one use does not open for another.
func (v *Vault) Seal(use string, plain []byte) ([]byte, error) {
	keys, err := v.keys("document", true)
	if err != nil {
		return nil, err
	}
	return keys.newest.seal(v.random, plain, []byte(use))
}

// Open opens what Seal sealed for the same use.
func (v *Vault) Open(use string, sealed []byte) ([]byte, error) {
	return v.open("document", sealed, []byte(use))
}

// EnsureDay makes the day's key if there is none, so that the first scan after
// midnight does not wait for a file to be written.
func (v *Vault) EnsureDay(day venue.Day) error {
	_, err := v.day(day, true)
	return err
}

// ForgetThrough destroys the keys of a day and of all days before it, and tells
// how many there were: who scanned on those days can be read by nobody any
// more, nor with any copy of the keyring made before. Called again after an
// error it completes what was left.
func (v *Vault) ForgetThrough(last venue.Day) (int, error) {
	n, err := v.ring.destroy(func(name string) bool {
		day, ok := dayNamed(name)
		return ok && day <= last
	})
	v.forget()
	return n, err
}

func dayName(day venue.Day) string { return "day/" + day.String() }

func dayNamed(name string) (day venue.Day, ok bool) {
	text, ok := strings.CutPrefix(name, "day/")
	if !ok {
		return 0, false
	}
	day, err := venue.ParseDay(text)
	return day, err == nil
}

func (v *Vault) day(day venue.Day, create bool) (*dayKey, error) {
	if err := v.Check(); err != nil {
		return nil, err
	}
	if k, ok := v.days.Load(day); ok {
		return k.(*dayKey), nil
	}
	name := dayName(day)
	get := v.ring.get
	if create {
		get = v.ring.ensure
	}
	key, err := get(name)
	if err != nil {
		return nil, err
	}
	suite := v.ring.suite
	pseudonym, reference := split(suite.hash, key, "pseudonym", keySize), split(suite.hash, key, "reference", keySize)
	k, _ := v.days.LoadOrStore(day, &dayKey{suite.macPool(pseudonym), suite.sealKey(uint32(day), reference)})
	if _, err := v.ring.get(name); err != nil { // destroyed in the meantime
		v.days.Delete(day)
		return nil, err
	}
	return k.(*dayKey), nil
}
