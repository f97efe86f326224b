package vault

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"slices"
	"sync"
	"time"

	"crypto/cipher"

	"github.com/venuecode/venuecode/venue"
)

// Vault seals, opens and blinds. It is safe for concurrent use, and its hot
// paths take no lock.
type Vault struct {
	ring   *keyring
	random io.Reader

	index   *macPool
	request *macPool
	session cipher.AEAD
	days    sync.Map // venue.Day → *dayKey
	sealers sync.Map // key name → cipher.AEAD
}

// dayKey is a day's random key, split for its two uses.
type dayKey struct {
	pseudonym *macPool
	reference cipher.AEAD
}

// Open reads the key folder, making its keys on the first start. random is
// crypto/rand.Reader outside tests.
func Open(keys string, random io.Reader) (*Vault, error) {
	ring, err := openKeyring(keys, random)
	if err != nil {
		return nil, err
	}
	v := &Vault{ring: ring, random: random}
	for name, use := range map[string]func(key []byte){
		"index/1":   func(k []byte) { v.index = newMACPool(k) },
		"request/1": func(k []byte) { v.request = newMACPool(k) },
		"session/1": func(k []byte) { v.session = newAEAD(k) },
	} {
		key, err := ring.ensure(name)
		if err != nil {
			return nil, err
		}
		use(key)
	}
	return v, nil
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
	return v.seal(k.reference, uint32(day), p[:], row[:])
}

// OpenPerson opens a reference. ErrNoKey once the day has been destroyed.
func (v *Vault) OpenPerson(day venue.Day, row venue.ScanKey, sealed []byte) (p venue.PersonID, err error) {
	k, err := v.day(day, false)
	if err != nil {
		return p, err
	}
	b, err := open(k.reference, sealed, row[:])
	if err != nil || len(b) != len(p) {
		return p, fmt.Errorf("person reference: %w", ErrWrongKey)
	}
	copy(p[:], b)
	return p, nil
}

// SealToken makes a bearer token of claims: URL-safe text that only this vault
// reads and nobody can alter.
func (v *Vault) SealToken(claims []byte) (string, error) {
	b, err := v.seal(v.session, 1, claims, []byte("session"))
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
	return open(v.session, b, []byte("session"))
}

// Seal seals a value that belongs to no person: a webhook key, say. use is
// bound in: what was sealed for one use does not open for another.
func (v *Vault) Seal(use string, plain []byte) ([]byte, error) {
	aead, err := v.sealer("document/1", true)
	if err != nil {
		return nil, err
	}
	return v.seal(aead, 1, plain, []byte(use))
}

// Open opens what Seal sealed for the same use.
func (v *Vault) Open(use string, sealed []byte) ([]byte, error) {
	aead, err := v.sealer("document/1", false)
	if err != nil {
		return nil, err
	}
	return open(aead, sealed, []byte(use))
}

// EnsureDay makes the day's key if there is none, so that the first scan after
// midnight does not wait for a file to be written.
func (v *Vault) EnsureDay(day venue.Day) error {
	_, err := v.day(day, true)
	return err
}

// ForgetDay destroys a day's key: who scanned on that day can be read by nobody
// any more.
func (v *Vault) ForgetDay(day venue.Day) error {
	if err := v.ring.remove(dayName(day)); err != nil {
		return err
	}
	v.days.Delete(day)
	return nil
}

func dayName(day venue.Day) string { return "day/" + day.String() }

func (v *Vault) day(day venue.Day, create bool) (*dayKey, error) {
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
	pseudonym, err := hkdf.Expand(sha256.New, key, "pseudonym", keySize)
	if err != nil {
		return nil, fmt.Errorf("split %s: %w", name, err)
	}
	reference, err := hkdf.Expand(sha256.New, key, "reference", keySize)
	if err != nil {
		return nil, fmt.Errorf("split %s: %w", name, err)
	}
	k, _ := v.days.LoadOrStore(day, &dayKey{newMACPool(pseudonym), newAEAD(reference)})
	return k.(*dayKey), nil
}

func (v *Vault) sealer(name string, create bool) (cipher.AEAD, error) {
	if a, ok := v.sealers.Load(name); ok {
		return a.(cipher.AEAD), nil
	}
	get := v.ring.get
	if create {
		get = v.ring.ensure
	}
	key, err := get(name)
	if err != nil {
		return nil, err
	}
	a, _ := v.sealers.LoadOrStore(name, newAEAD(key))
	return a.(cipher.AEAD), nil
}

// A sealed value is: suite (1 byte, 1 = intl) ‖ key number (4) ‖ nonce (12) ‖
// ciphertext and tag. The head is bound in: no bit of it can change either.
const sealedHead = 1 + 4

func (v *Vault) seal(aead cipher.AEAD, key uint32, plain, bound []byte) ([]byte, error) {
	out := make([]byte, sealedHead+aead.NonceSize(), sealedHead+aead.NonceSize()+len(plain)+aead.Overhead())
	out[0] = 1
	binary.BigEndian.PutUint32(out[1:], key)
	nonce := out[sealedHead:]
	if _, err := io.ReadFull(v.random, nonce); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return aead.Seal(out, nonce, plain, slices.Concat(out[:sealedHead], bound)), nil
}

func open(aead cipher.AEAD, sealed, bound []byte) ([]byte, error) {
	n := sealedHead + aead.NonceSize()
	if len(sealed) < n || sealed[0] != 1 {
		return nil, ErrWrongKey
	}
	plain, err := aead.Open(nil, sealed[sealedHead:n], sealed[n:], slices.Concat(sealed[:sealedHead], bound))
	if err != nil {
		return nil, ErrWrongKey
	}
	return plain, nil
}

// macPool lends keyed HMAC-SHA-256 states: keying one costs more than using it.
type macPool struct{ pool sync.Pool }

func newMACPool(key []byte) *macPool {
	return &macPool{sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

func (m *macPool) sum(parts ...[]byte) (out [32]byte) {
	h := m.pool.Get().(hash.Hash)
	h.Reset()
	for _, p := range parts {
		h.Write(p)
	}
	h.Sum(out[:0])
	m.pool.Put(h)
	return out
}
