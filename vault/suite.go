package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"slices"
	"sync"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"
)

// suite is a set of algorithms under one name. Every key is 32 random bytes in
// either suite.
type suite struct {
	id   byte // first byte of what it seals
	name string
	hash func() hash.Hash
	aead func(key []byte) cipher.AEAD
	// envelope seals to somebody who has no key of ours.
	envelope envelope
}

// The suites. Their ids are in stored data and never change their meaning.
var (
	intl = &suite{1, "intl", sha256.New, aesGCM, hpkeEnvelope{}}
	gm   = &suite{2, "gm", sm3.New, func(key []byte) cipher.AEAD {
		// SM4 takes 16 bytes; split off, so that they are of no use in the other suite.
		return sm4GCM(split(sm3.New, key, "sm4-gcm", 16))
	}, sm2Envelope{}}
	suites = []*suite{intl, gm}
)

func suiteOf(is func(*suite) bool) (*suite, error) {
	if i := slices.IndexFunc(suites, is); i >= 0 {
		return suites[i], nil
	}
	return nil, ErrWrongKey
}

func suiteNamed(name string) (*suite, error) {
	s, err := suiteOf(func(s *suite) bool { return s.name == name })
	if err != nil {
		return nil, fmt.Errorf("there is no suite %q; there are intl and gm", name)
	}
	return s, nil
}

func aesGCM(key []byte) cipher.AEAD { return newGCM(aes.NewCipher(key)) }
func sm4GCM(key []byte) cipher.AEAD { return newGCM(sm4.NewCipher(key)) }

func newGCM(block cipher.Block, err error) cipher.AEAD {
	if err != nil {
		panic("vault: " + err.Error()) // the size is checked where keys are read
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("vault: " + err.Error())
	}
	return aead
}

// split derives a key of n bytes for one use.
func split(h func() hash.Hash, key []byte, use string, n int) []byte {
	out, err := hkdf.Expand(h, key, use, n)
	if err != nil {
		panic("vault: " + err.Error()) // only for more than 255 hashes
	}
	return out
}

// A sealed value is: suite (1 byte) ‖ key number (4) ‖ nonce (12) ‖ ciphertext
// and tag. The head is bound in: no bit of it can change either.
const (
	sealedHead = 1 + 4
	nonceSize  = 12 // of GCM in both suites
)

// numberOf reads the number of the key that sealed a value.
func numberOf(sealed []byte) (uint32, error) {
	if len(sealed) < sealedHead+nonceSize {
		return 0, ErrWrongKey
	}
	return binary.BigEndian.Uint32(sealed[1:]), nil
}

// sealKey is one key by which values are sealed in its suite, and opened
// whichever suite sealed them.
type sealKey struct {
	number uint32
	key    []byte
	suite  *suite
	aead   cipher.AEAD
}

func (s *suite) sealKey(number uint32, key []byte) *sealKey {
	return &sealKey{number, key, s, s.aead(key)}
}

func (k *sealKey) seal(random io.Reader, plain, bound []byte) ([]byte, error) {
	out := make([]byte, sealedHead+nonceSize, sealedHead+nonceSize+len(plain)+k.aead.Overhead())
	out[0] = k.suite.id
	binary.BigEndian.PutUint32(out[1:], k.number)
	nonce := out[sealedHead:]
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return k.aead.Seal(out, nonce, plain, slices.Concat(out[:sealedHead], bound)), nil
}

func (k *sealKey) open(sealed, bound []byte) ([]byte, error) {
	if len(sealed) < sealedHead+nonceSize {
		return nil, ErrWrongKey
	}
	aead := k.aead
	if sealed[0] != k.suite.id {
		other, err := suiteOf(func(s *suite) bool { return s.id == sealed[0] })
		if err != nil {
			return nil, err
		}
		aead = other.aead(k.key)
	}
	n := sealedHead + nonceSize
	plain, err := aead.Open(nil, sealed[sealedHead:n], sealed[n:], slices.Concat(sealed[:sealedHead], bound))
	if err != nil {
		return nil, ErrWrongKey
	}
	return plain, nil
}

// macPool lends keyed HMAC states: keying one costs more than using it.
type macPool struct{ pool sync.Pool }

func (s *suite) macPool(key []byte) *macPool {
	return &macPool{sync.Pool{New: func() any { return hmac.New(s.hash, key) }}}
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
