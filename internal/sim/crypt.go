package sim

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
)

// The ways in which a sealed message can be wrong.
var (
	ErrSignature = errors.New("sim: signature does not match")
	ErrCipher    = errors.New("sim: not a sealed message")
	ErrReceiver  = errors.New("sim: sealed for somebody else")
)

// Crypt seals and opens callback messages as WeChat and WeCom do: AES-256-CBC
// whose first 16 key bytes are the IV, padded to 32 bytes, around 16 random
// bytes, a big-endian length, the message and the receiver's id; signed by
// SHA-1 over the sorted token, timestamp, nonce and cipher text.
//
// Written apart from the product's own, so that one mistake cannot hide in both.
type Crypt struct {
	token    string
	receiver string
	key      []byte
}

// NewCrypt takes the token, the 43-character encoding AES key and the receiver:
// the corp id, the app id, or "" for a smart robot.
func NewCrypt(token, encodingAESKey, receiver string) (*Crypt, error) {
	key, err := base64.StdEncoding.DecodeString(encodingAESKey + "=")
	if err != nil || len(key) != 32 {
		return nil, errors.New("sim: encoding AES key is not 43 characters of base64")
	}
	return &Crypt{token: token, receiver: receiver, key: key}, nil
}

// Sign is msg_signature.
func (c *Crypt) Sign(timestamp, nonce, sealed string) string {
	return sortedSHA1(c.token, timestamp, nonce, sealed)
}

func sortedSHA1(parts ...string) string {
	slices.Sort(parts)
	h := sha1.Sum([]byte(strings.Join(parts, "")))
	return hex.EncodeToString(h[:])
}

const sealBlock = 32

// Seal encrypts a message for the receiver.
func (c *Crypt) Seal(message []byte) string {
	b := make([]byte, 16, 20+len(message)+len(c.receiver)+sealBlock)
	rand.Read(b) // never fails since Go 1.24
	b = binary.BigEndian.AppendUint32(b, uint32(len(message)))
	b = append(b, message...)
	b = append(b, c.receiver...)
	b = pad(b, sealBlock)
	cipher.NewCBCEncrypter(c.block(), c.key[:aes.BlockSize]).CryptBlocks(b, b)
	return base64.StdEncoding.EncodeToString(b)
}

// Open checks the signature, decrypts and checks the receiver.
func (c *Crypt) Open(signature, timestamp, nonce, sealed string) ([]byte, error) {
	if subtle.ConstantTimeCompare([]byte(signature), []byte(c.Sign(timestamp, nonce, sealed))) != 1 {
		return nil, ErrSignature
	}
	b, err := base64.StdEncoding.Strict().DecodeString(sealed)
	if err != nil || len(b) < sealBlock || len(b)%aes.BlockSize != 0 {
		return nil, ErrCipher
	}
	cipher.NewCBCDecrypter(c.block(), c.key[:aes.BlockSize]).CryptBlocks(b, b)
	b, ok := unpad(b, sealBlock)
	if !ok || len(b) < 20 {
		return nil, ErrCipher
	}
	n := uint64(binary.BigEndian.Uint32(b[16:20]))
	if n > uint64(len(b)-20) {
		return nil, ErrCipher
	}
	if string(b[20+n:]) != c.receiver {
		return nil, ErrReceiver
	}
	return b[20 : 20+n], nil
}

func (c *Crypt) block() cipher.Block {
	b, err := aes.NewCipher(c.key)
	if err != nil {
		panic(err) // NewCrypt admits 32 bytes only
	}
	return b
}

// pad is PKCS #7 to a multiple of size bytes.
func pad(b []byte, size int) []byte {
	n := size - len(b)%size
	return append(b, bytes.Repeat([]byte{byte(n)}, n)...)
}

func unpad(b []byte, size int) ([]byte, bool) {
	if len(b) == 0 {
		return nil, false
	}
	n := int(b[len(b)-1])
	if n < 1 || n > size || n > len(b) {
		return nil, false
	}
	for _, p := range b[len(b)-n:] {
		if int(p) != n {
			return nil, false
		}
	}
	return b[:len(b)-n], true
}

// sealContent is Alipay's content encryption: AES-CBC with an IV of zeros.
func sealContent(key, content []byte) (string, error) {
	blk, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	b := pad(bytes.Clone(content), aes.BlockSize)
	cipher.NewCBCEncrypter(blk, make([]byte, aes.BlockSize)).CryptBlocks(b, b)
	return base64.StdEncoding.EncodeToString(b), nil
}

func openContent(key []byte, sealed string) ([]byte, error) {
	blk, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	b, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil || len(b) == 0 || len(b)%aes.BlockSize != 0 {
		return nil, ErrCipher
	}
	cipher.NewCBCDecrypter(blk, make([]byte, aes.BlockSize)).CryptBlocks(b, b)
	b, ok := unpad(b, aes.BlockSize)
	if !ok {
		return nil, ErrCipher
	}
	return b, nil
}
