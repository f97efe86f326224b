package bot

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// What is wrong with a callback. None of it is told to the sender.
var (
	// ErrSignature: not signed with our token, or changed on the way.
	ErrSignature = errors.New("callback signature is wrong")
	// ErrCipher: signed, but not a message under our key.
	ErrCipher = errors.New("callback does not decrypt")
	// ErrReceiver: a good message, to somebody else.
	ErrReceiver = errors.New("callback is for another receiver")
)

// Crypt opens and seals the callbacks of WeCom and of a WeChat service account
// in safe mode. The scheme (SHA-1 over sorted parts, AES-256-CBC, a fixed IV) is
// the platforms'; the SDK's own opener does not check signatures and fails for
// the smart robot's empty receiver.
//
// Open proves who sent a message, not when: the caller checks that the timestamp
// is recent and the message new.
type Crypt struct {
	token     string
	receiveID string
	block     cipher.Block
	iv        []byte
}

const (
	// headLen is 16 random bytes and the message's length.
	headLen = 16 + 4
	// padTo is the platforms' PKCS #7 block, twice that of AES.
	padTo = 32
)

// NewCrypt takes a callback's settings as the platform's console shows them.
// encodingAESKey has 43 characters of base64 for 32 bytes. receiveID is the corp
// id, the app id, or empty for a smart robot.
func NewCrypt(token, encodingAESKey, receiveID string) (*Crypt, error) {
	if token == "" {
		return nil, errors.New("callback token is empty")
	}
	// The console's keys are random letters and digits, so the last character's
	// two spare bits may be set: base64's Strict would refuse good keys.
	key, err := base64.StdEncoding.DecodeString(encodingAESKey + "=")
	if err != nil || len(encodingAESKey) != 43 || len(key) != 32 {
		return nil, errors.New("callback EncodingAESKey is not 43 characters of base64")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return &Crypt{token, receiveID, block, key[:aes.BlockSize]}, nil
}

func (c *Crypt) sign(ts, nonce, enc string) string {
	parts := []string{c.token, ts, nonce, enc}
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, "")))
	return hex.EncodeToString(sum[:])
}

// Open gives the message inside enc: the Encrypt element, the encrypt field or
// the echostr of a callback whose query carries sig, ts and nonce. The platforms
// sign these joined without separators, so characters may wander from one to
// the next unnoticed: the caller takes a ts of ten digits only.
func (c *Crypt) Open(sig, ts, nonce, enc string) ([]byte, error) {
	if subtle.ConstantTimeCompare([]byte(sig), []byte(c.sign(ts, nonce, enc))) != 1 {
		return nil, ErrSignature
	}
	b, err := base64.StdEncoding.DecodeString(enc)
	if err != nil || len(b) == 0 || len(b)%padTo != 0 {
		return nil, ErrCipher
	}
	cipher.NewCBCDecrypter(c.block, c.iv).CryptBlocks(b, b)
	pad := int(b[len(b)-1])
	if pad < 1 || pad > padTo || pad > len(b)-headLen {
		return nil, ErrCipher
	}
	b = b[:len(b)-pad]
	n, rest := uint64(binary.BigEndian.Uint32(b[16:headLen])), b[headLen:]
	if n > uint64(len(rest)) {
		return nil, ErrCipher
	}
	if string(rest[n:]) != c.receiveID {
		return nil, ErrReceiver
	}
	return rest[:n:n], nil
}

// Seal encrypts and signs an answer; random gives 16 bytes.
func (c *Crypt) Seal(ts, nonce string, msg []byte, random io.Reader) (enc, sig string, err error) {
	size := headLen + len(msg) + len(c.receiveID)
	pad := padTo - size%padTo
	b := make([]byte, 16, size+pad)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", "", fmt.Errorf("seal callback answer: %w", err)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(msg)))
	b = append(append(b, msg...), c.receiveID...)
	for range pad {
		b = append(b, byte(pad))
	}
	cipher.NewCBCEncrypter(c.block, c.iv).CryptBlocks(b, b)
	enc = base64.StdEncoding.EncodeToString(b)
	return enc, c.sign(ts, nonce, enc), nil
}

// Format keeps the token and key out of any print.
func (c Crypt) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "crypt(…)") }
