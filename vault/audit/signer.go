package audit

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/venuecode/venuecode/internal/durable"
)

// Signer signs checkpoints. Its key is not where the trail is.
type Signer interface {
	// Sign makes an Ed25519 signature.
	Sign(message []byte) ([]byte, error)
	// Public is what a verifier needs to know.
	Public() ed25519.PublicKey
}

// The files of a FileSigner.
const (
	KeyFile    = "audit-signing.key"
	PublicFile = "audit-signing.pub"

	keyPrefix    = "venuecode-audit-key-1:"
	publicPrefix = "venuecode-audit-pub-1:"
)

// FileSigner keeps its key in a file.
type FileSigner struct{ key ed25519.PrivateKey }

// NewFileSigner reads the key from a folder, which must be there, or makes one
// from random: KeyFile, mode 0600, and PublicFile for verifiers. A public key
// whose private key is gone is refused, and so are two that do not belong
// together: another key would disown every checkpoint there is.
func NewFileSigner(dir string, random io.Reader) (*FileSigner, error) {
	path, public := filepath.Join(dir, KeyFile), filepath.Join(dir, PublicFile)
	known, err := ReadPublicKey(public)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	seed, err := readKeyFile(path, keyPrefix, ed25519.SeedSize)
	switch {
	case errors.Is(err, fs.ErrNotExist) && known != nil:
		return nil, fmt.Errorf("%s is missing beside %s: checkpoints can not go on without it", path, PublicFile)
	case errors.Is(err, fs.ErrNotExist):
		seed = make([]byte, ed25519.SeedSize)
		if _, err := io.ReadFull(random, seed); err != nil {
			return nil, fmt.Errorf("make audit key: %w", err)
		}
		if err := durable.Replace(path, keyFile(keyPrefix, seed), 0o600); err != nil {
			return nil, fmt.Errorf("write audit key: %w", err)
		}
	case err != nil:
		return nil, err
	}
	s := &FileSigner{ed25519.NewKeyFromSeed(seed)}
	if known == nil {
		if err := durable.Replace(public, keyFile(publicPrefix, s.Public()), 0o644); err != nil {
			return nil, fmt.Errorf("write audit key: %w", err)
		}
	} else if !known.Equal(s.Public()) {
		return nil, fmt.Errorf("%s does not belong to %s", path, PublicFile)
	}
	return s, nil
}

// Sign signs; it never fails.
func (s *FileSigner) Sign(message []byte) ([]byte, error) { return ed25519.Sign(s.key, message), nil }

// Public is the key to verify with.
func (s *FileSigner) Public() ed25519.PublicKey { return s.key.Public().(ed25519.PublicKey) }

// DestroyKey destroys the key of a folder: the file is overwritten before it is
// removed, and the public key goes behind it. Run again, it completes what was
// left.
func DestroyKey(dir string) error {
	for _, name := range []string{KeyFile, PublicFile} {
		if err := durable.Destroy(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("destroy audit key: %w", err)
		}
	}
	return durable.Sync(dir)
}

// ReadPublicKey reads a PublicFile.
func ReadPublicKey(path string) (ed25519.PublicKey, error) {
	b, err := readKeyFile(path, publicPrefix, ed25519.PublicKeySize)
	return b, err
}

func readKeyFile(path, prefix string, size int) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read audit key: %w", err)
	}
	text, ok := strings.CutPrefix(strings.TrimSpace(string(b)), prefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) != size {
		return nil, fmt.Errorf("%s is not an audit key", path)
	}
	return key, nil
}

func keyFile(prefix string, key []byte) []byte {
	return []byte(prefix + base64.StdEncoding.EncodeToString(key) + "\n")
}
