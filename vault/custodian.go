package vault

import (
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"

	"github.com/emmansun/gmsm/sm2"

	"github.com/venuecode/venuecode/venue"
)

// PublicKey is a custodian's: copies of keys are sealed to it.
type PublicKey struct {
	suite *suite
	point []byte // 32 bytes of X25519, or 65 of an SM2 point
}

// PrivateKey is a custodian's, and never comes near the server. It shows itself
// only masked: fmt prints an address of what it holds.
type PrivateKey struct {
	suite  *suite
	secret *[]byte // 32 bytes in either suite
}

const (
	publicPrefix  = "venuecode-custodian-"
	privatePrefix = "venuecode-custodian-private-"
)

// NewPrivateKey makes a custodian's key in a suite, "intl" or "gm".
func NewPrivateKey(suite string, random io.Reader) (PrivateKey, error) {
	s, err := suiteNamed(suite)
	if err != nil {
		return PrivateKey{}, err
	}
	secret, err := s.envelope.generate(random)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("make a custodian's key: %w", err)
	}
	return PrivateKey{s, &secret}, nil
}

// ParsePrivateKey reads what Reveal gave; *venue.Invalid.
func ParsePrivateKey(text string) (PrivateKey, error) {
	s, secret, err := parseKey(text, privatePrefix)
	if err == nil {
		_, err = s.envelope.public(secret)
	}
	if err != nil {
		return PrivateKey{}, &venue.Invalid{Field: "key", Reason: "is no custodian's private key"}
	}
	return PrivateKey{s, &secret}, nil
}

// ParsePublicKey reads what String gave; *venue.Invalid.
func ParsePublicKey(text string) (PublicKey, error) {
	s, point, err := parseKey(text, publicPrefix)
	if err == nil {
		err = s.envelope.check(point)
	}
	if err != nil {
		return PublicKey{}, &venue.Invalid{Field: "custodian", Reason: "is no custodian's public key"}
	}
	return PublicKey{s, point}, nil
}

func parseKey(text, prefix string) (*suite, []byte, error) {
	for _, s := range suites {
		if text, ok := strings.CutPrefix(strings.TrimSpace(text), prefix+s.name+"-1:"); ok {
			b, err := base64.StdEncoding.DecodeString(text)
			return s, b, err
		}
	}
	return nil, nil, ErrWrongKey
}

// Public is the key that the custodian gives out.
func (k PrivateKey) Public() PublicKey {
	point, err := k.suite.envelope.public(*k.secret)
	if err != nil {
		panic("vault: " + err.Error()) // it was made or parsed
	}
	return PublicKey{k.suite, point}
}

// Reveal writes the key for its file, in clear.
func (k PrivateKey) Reveal() string {
	return privatePrefix + k.suite.name + "-1:" + base64.StdEncoding.EncodeToString(*k.secret)
}

func (k PrivateKey) String() string { return "***" }

// Format answers every verb with the mask.
func (k PrivateKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// MarshalText writes the mask.
func (k PrivateKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// LogValue logs the mask.
func (k PrivateKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// String writes the key for its file.
func (k PublicKey) String() string {
	return publicPrefix + k.suite.name + "-1:" + base64.StdEncoding.EncodeToString(k.point)
}

// Fingerprint is the name by which people compare and approve a key: 160 bits
// of its hash, eight groups of four.
func (k PublicKey) Fingerprint() string {
	h := k.suite.hash()
	h.Write([]byte(k.String()))
	text := base32.StdEncoding.EncodeToString(h.Sum(nil)[:20])
	var groups []string
	for group := range slices.Chunk([]byte(text), 4) {
		groups = append(groups, string(group))
	}
	return strings.Join(groups, "-")
}

var fingerprint = regexp.MustCompile(`^[A-Z2-7]{4}(-[A-Z2-7]{4}){7}$`)

// IsFingerprint tells whether a text has the shape of a Fingerprint: no key has.
func IsFingerprint(text string) bool { return fingerprint.MatchString(text) }

// envelope is how a suite seals to somebody's public key, binding more in.
type envelope interface {
	generate(random io.Reader) (secret []byte, err error)
	public(secret []byte) (point []byte, err error)
	check(point []byte) error
	seal(random io.Reader, point, plain, bound []byte) ([]byte, error)
	open(secret, sealed, bound []byte) ([]byte, error)
}

// hpkeEnvelope is RFC 9180 in base mode: X25519, HKDF-SHA256, AES-256-GCM. Its
// randomness is the machine's own.
type hpkeEnvelope struct{}

var (
	kem      = hpke.DHKEM(ecdh.X25519())
	hpkeInfo = []byte("venuecode escrow 1")
)

const encapsulated = 32 // bytes of an X25519 point

func (hpkeEnvelope) generate(io.Reader) ([]byte, error) {
	k, err := kem.GenerateKey()
	if err != nil {
		return nil, err
	}
	return k.Bytes()
}

func (hpkeEnvelope) public(secret []byte) ([]byte, error) {
	k, err := kem.NewPrivateKey(secret)
	if err != nil {
		return nil, err
	}
	return k.PublicKey().Bytes(), nil
}

func (hpkeEnvelope) check(point []byte) error {
	_, err := kem.NewPublicKey(point)
	return err
}

func (hpkeEnvelope) seal(_ io.Reader, point, plain, bound []byte) ([]byte, error) {
	k, err := kem.NewPublicKey(point)
	if err != nil {
		return nil, err
	}
	start, sender, err := hpke.NewSender(k, hpke.HKDFSHA256(), hpke.AES256GCM(), hpkeInfo)
	if err != nil {
		return nil, err
	}
	sealed, err := sender.Seal(bound, plain)
	return slices.Concat(start, sealed), err
}

func (hpkeEnvelope) open(secret, sealed, bound []byte) ([]byte, error) {
	k, err := kem.NewPrivateKey(secret)
	if err != nil || len(sealed) < encapsulated {
		return nil, ErrWrongKey
	}
	receiver, err := hpke.NewRecipient(sealed[:encapsulated], k, hpke.HKDFSHA256(), hpke.AES256GCM(), hpkeInfo)
	if err != nil {
		return nil, ErrWrongKey
	}
	plain, err := receiver.Open(bound, sealed[encapsulated:])
	if err != nil {
		return nil, ErrWrongKey
	}
	return plain, nil
}

// sm2Envelope encrypts a random key by SM2 (GM/T 0003.4, C1 ‖ C3 ‖ C2), and by
// it the content as the suite seals everything. The encrypted key is bound in.
type sm2Envelope struct{}

const encryptedKey = 65 + 32 + keySize

func (sm2Envelope) generate(random io.Reader) ([]byte, error) {
	k, err := sm2.GenerateKey(random)
	if err != nil {
		return nil, err
	}
	raw, err := k.ECDH()
	if err != nil {
		return nil, err
	}
	return raw.Bytes(), nil
}

func (sm2Envelope) public(secret []byte) ([]byte, error) {
	k, err := sm2.NewPrivateKey(secret)
	if err != nil {
		return nil, err
	}
	raw, err := k.ECDH()
	if err != nil {
		return nil, err
	}
	return raw.PublicKey().Bytes(), nil
}

func (sm2Envelope) check(point []byte) error {
	_, err := sm2.NewPublicKey(point)
	return err
}

func (sm2Envelope) seal(random io.Reader, point, plain, bound []byte) ([]byte, error) {
	k, err := sm2.NewPublicKey(point)
	if err != nil {
		return nil, err
	}
	key := make([]byte, keySize)
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, err
	}
	head, err := sm2.Encrypt(random, k, key, nil)
	if err != nil {
		return nil, err
	}
	sealed, err := gm.sealKey(1, key).seal(random, plain, slices.Concat(bound, head))
	return slices.Concat(head, sealed), err
}

func (sm2Envelope) open(secret, sealed, bound []byte) ([]byte, error) {
	k, err := sm2.NewPrivateKey(secret)
	if err != nil || len(sealed) < encryptedKey {
		return nil, ErrWrongKey
	}
	head, sealed := sealed[:encryptedKey], sealed[encryptedKey:]
	key, err := sm2.Decrypt(k, head)
	if err != nil || len(key) != keySize {
		return nil, ErrWrongKey
	}
	return gm.sealKey(1, key).open(sealed, slices.Concat(bound, head))
}
