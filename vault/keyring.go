package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// Errors that an operator acts on. They name files, never key material.
var (
	ErrNoKey    = errors.New("key is not in the keyring")
	ErrWrongKey = errors.New("key does not open this")
)

const (
	keySize     = 32
	rootFile    = "root.key"
	ringFile    = "keyring.json"
	rootPrefix  = "venuecode-root-1:"
	suiteIntl   = "intl" // AES-256-GCM, HMAC-SHA-256
	ringVersion = 1
)

// keyring holds named keys, wrapped under the root key, in one file that is
// rewritten whole and synced.
type keyring struct {
	dir    string
	random io.Reader
	root   cipher.AEAD

	mu   sync.RWMutex
	keys map[string][]byte
}

type ringJSON struct {
	Version int               `json:"version"`
	Suite   string            `json:"suite"`
	Keys    map[string]string `json:"keys"` // name → base64(nonce ‖ sealed key)
}

// openKeyring reads the folder, or makes a new keyring in an empty one. One of
// the two files without the other, or with another's, is refused: new keys
// beside old data would open nothing and find nobody.
func openKeyring(dir string, random io.Reader) (*keyring, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("key folder: %w", err)
	}
	unlock, err := lockFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("lock key folder: %w", err)
	}
	defer unlock()
	ring, rootPath, ringPath := &keyring{dir: dir, random: random, keys: map[string][]byte{}}, filepath.Join(dir, rootFile), filepath.Join(dir, ringFile)

	wrapped, ringErr := os.ReadFile(ringPath)
	root, err := os.ReadFile(rootPath)
	switch {
	case errors.Is(err, fs.ErrNotExist) && (errors.Is(ringErr, fs.ErrNotExist) || isEmptyRing(wrapped)):
		// The first start, or one that was cut short: the empty keyring is
		// written first, so that a root key alone always means a lost keyring.
		if err := ring.save(); err != nil {
			return nil, err
		}
		if root, err = newRoot(rootPath, random); err != nil {
			return nil, err
		}
		wrapped, ringErr = os.ReadFile(ringPath)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s is missing beside %s: nothing sealed can be opened without it", rootPath, ringFile)
	case err != nil:
		return nil, fmt.Errorf("read root key: %w", err)
	case errors.Is(ringErr, fs.ErrNotExist):
		return nil, fmt.Errorf("%s is missing beside %s: nothing sealed can be opened without it", ringPath, rootFile)
	}
	text, ok := strings.CutPrefix(strings.TrimSpace(string(root)), rootPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) != keySize {
		return nil, fmt.Errorf("%s is not a root key", rootPath)
	}
	ring.root = newAEAD(key)
	if ringErr != nil {
		return nil, fmt.Errorf("read keyring: %w", ringErr)
	}
	ring.keys, err = ring.unwrap(ringPath, wrapped)
	return ring, err
}

func newRoot(path string, random io.Reader) ([]byte, error) {
	key := make([]byte, keySize)
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, fmt.Errorf("make root key: %w", err)
	}
	root := []byte(rootPrefix + base64.StdEncoding.EncodeToString(key) + "\n")
	if err := writeSynced(path, root); err != nil {
		return nil, fmt.Errorf("write root key: %w", err)
	}
	return root, nil
}

func isEmptyRing(wrapped []byte) bool {
	var file ringJSON
	return json.Unmarshal(wrapped, &file) == nil && file.Version == ringVersion && len(file.Keys) == 0
}

// unwrap opens every key of the keyring file.
func (r *keyring) unwrap(path string, wrapped []byte) (map[string][]byte, error) {
	var file ringJSON
	if err := json.Unmarshal(wrapped, &file); err != nil || file.Version != ringVersion || file.Suite != suiteIntl {
		return nil, fmt.Errorf("%s is not a keyring this program can read", path)
	}
	keys := make(map[string][]byte, len(file.Keys))
	for name, text := range file.Keys {
		b, err := base64.StdEncoding.DecodeString(text)
		if n := r.root.NonceSize(); err == nil && len(b) > n {
			b, err = r.root.Open(nil, b[:n], b[n:], []byte(name))
		}
		if err != nil || len(b) != keySize {
			return nil, fmt.Errorf("%s: key %q: %w; is %s the one it was made with?", path, name, ErrWrongKey, rootFile)
		}
		keys[name] = b
	}
	return keys, nil
}

// begin starts a change: nobody else changes the keyring until unlock, and what
// another process has changed is known. Without it the one that writes last
// would take the other's new keys away, and with a day's key the day.
func (r *keyring) begin() (unlock func(), err error) {
	if unlock, err = lockFolder(r.dir); err != nil {
		return nil, fmt.Errorf("lock key folder: %w", err)
	}
	path := filepath.Join(r.dir, ringFile)
	wrapped, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return unlock, nil // taken away under us: the change writes it again
	}
	keys := r.keys
	if err == nil {
		keys, err = r.unwrap(path, wrapped)
	}
	if err != nil {
		unlock()
		return nil, fmt.Errorf("read keyring: %w", err)
	}
	r.keys = keys
	return unlock, nil
}

// lockFolder keeps other processes, and other keyrings of this one, from
// changing the folder.
func lockFolder(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return func() { d.Close() }, nil
}

// get reads a key; ErrNoKey if there is none of that name.
func (r *keyring) get(name string) ([]byte, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if k := r.keys[name]; k != nil {
		return k, nil
	}
	return nil, fmt.Errorf("%s: %w", name, ErrNoKey)
}

// ensure reads a key, making it at random if there is none. It is on disk when
// ensure returns.
func (r *keyring) ensure(name string) ([]byte, error) {
	if k, err := r.get(name); err == nil {
		return k, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	unlock, err := r.begin()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if k := r.keys[name]; k != nil {
		return k, nil
	}
	key := make([]byte, keySize)
	if _, err := io.ReadFull(r.random, key); err != nil {
		return nil, fmt.Errorf("make key %s: %w", name, err)
	}
	r.keys[name] = key
	if err := r.save(); err != nil {
		delete(r.keys, name)
		return nil, err
	}
	return key, nil
}

// remove destroys a key; it is gone from disk when remove returns.
func (r *keyring) remove(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	unlock, err := r.begin()
	if err != nil {
		return err
	}
	defer unlock()
	key, ok := r.keys[name]
	if !ok {
		return nil
	}
	delete(r.keys, name)
	if err := r.save(); err != nil {
		r.keys[name] = key
		return err
	}
	return nil // the bytes are left to the collector: somebody may be reading them
}

func (r *keyring) save() error {
	file := ringJSON{Version: ringVersion, Suite: suiteIntl, Keys: map[string]string{}}
	for name, key := range r.keys {
		nonce := make([]byte, r.root.NonceSize())
		if _, err := io.ReadFull(r.random, nonce); err != nil {
			return fmt.Errorf("wrap key %s: %w", name, err)
		}
		file.Keys[name] = base64.StdEncoding.EncodeToString(r.root.Seal(nonce, nonce, key, []byte(name)))
	}
	b, err := json.MarshalIndent(file, "", " ")
	if err != nil {
		return fmt.Errorf("encode keyring: %w", err)
	}
	if err := writeSynced(filepath.Join(r.dir, ringFile), b); err != nil {
		return fmt.Errorf("write keyring: %w", err)
	}
	return nil
}

// writeSynced replaces path with b: after it returns, b is there even if the
// power goes; before, the old content.
func writeSynced(path string, b []byte) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = f.Chmod(0o600) // one left by a crash keeps whatever mode it had
	if err == nil {
		_, err = f.Write(b)
	}
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func newAEAD(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("vault: " + err.Error()) // the size is checked where keys are read
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("vault: " + err.Error())
	}
	return aead
}
