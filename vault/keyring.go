package vault

import (
	"bytes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/venuecode/venuecode/internal/durable"
	"github.com/venuecode/venuecode/venue"
)

// Errors that an operator acts on. They name files, never key material.
var (
	ErrNoKey    = errors.New("there is no such key")
	ErrWrongKey = errors.New("key does not open this")
)

// KeyringFile is the keyring's name in the key folder.
const KeyringFile = "keyring.json"

const (
	keySize  = 32
	rootName = "root"
)

// Versions of the keyring file. In the first, the root key wrapped the keys
// alone, so that whoever kept an old copy kept the days destroyed since.
const (
	ringOfRoot  = 1
	ringOfEpoch = 2
)

// keyring holds named keys in one file that is rewritten whole and synced. They
// are wrapped under root key and epoch key together, and both lie with the
// provider. To destroy a key is to begin a new epoch without it.
//
// The order within a change of epoch makes it safe to be cut short anywhere:
// the new epoch key is put, the file written, the old epoch key deleted. The
// file says which epoch it is of; the one before and the one after are swept.
type keyring struct {
	dir      string
	random   io.Reader
	provider KeyProvider
	suite    *suite
	root     []byte

	mu sync.RWMutex
	ringState
	others bool // what another process did has come in since refresh last told
}

// ringState is what the file says; keys is never written to, only replaced.
type ringState struct {
	epoch uint32 // 0: not yet under an epoch key
	wrap  cipher.AEAD
	keys  map[string][]byte
	text  []byte // of the file
}

type ringJSON struct {
	Version int               `json:"version"`
	Suite   string            `json:"suite"`
	Epoch   uint32            `json:"epoch,omitempty"`
	Keys    map[string]string `json:"keys"` // name → base64(nonce ‖ sealed key)
}

// openKeyring reads the folder, or makes a new keyring in an empty one. A
// keyring without its root or epoch key, a root key without its keyring, or one
// with another's, is refused and left as it is: new keys beside old data would
// open nothing and find nobody. A keyring of the first version is brought under
// an epoch key.
func openKeyring(o options) (*keyring, error) {
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return nil, fmt.Errorf("key folder: %w", err)
	}
	r := &keyring{dir: o.dir, random: o.random, provider: o.provider}
	unlock, err := lockFolder(r.dir)
	if err != nil {
		return nil, fmt.Errorf("lock key folder: %w", err)
	}
	defer unlock()

	file, text, err := r.read()
	lost := errors.Is(err, fs.ErrNotExist)
	if err != nil && !lost {
		return nil, err
	}
	r.root, err = r.provider.Get(rootName)
	switch {
	case errors.Is(err, ErrNoKey) && len(file.Keys) == 0 && file.Epoch == 0:
		// The first start, or one that was cut short: the empty keyring is
		// written first, so that a root key alone always means a lost keyring.
		if file, text, err = r.create(o.suite); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, fmt.Errorf("%s: nothing in it can be opened: %w", r.path(), err)
	case lost:
		return nil, fmt.Errorf("%s is missing beside its root key: nothing sealed can be opened without it", r.path())
	}
	if r.suite, err = suiteNamed(file.Suite); err != nil {
		return nil, err
	}
	if o.suite != "" && o.suite != file.Suite {
		return nil, fmt.Errorf("%s is of the suite %s, not %s: it is chosen once, before the first start", r.path(), file.Suite, o.suite)
	}
	if r.ringState, err = r.unwrap(file, text); err != nil {
		return nil, err
	}
	if r.epoch == 0 {
		return r, r.renew(r.keys)
	}
	return r, r.sweep()
}

// create writes an empty keyring and makes its root key.
func (r *keyring) create(suite string) (file ringJSON, text []byte, err error) {
	if suite == "" {
		suite = intl.name
	}
	if r.suite, err = suiteNamed(suite); err != nil {
		return file, nil, err
	}
	if _, err := r.save(ringState{}); err != nil {
		return file, nil, err
	}
	if r.root, err = r.newKey(rootName); err != nil {
		return file, nil, err
	}
	if err := r.provider.Put(rootName, r.root); err != nil {
		return file, nil, err
	}
	return r.read()
}

func (r *keyring) newKey(name string) ([]byte, error) {
	key := make([]byte, keySize)
	if _, err := io.ReadFull(r.random, key); err != nil {
		return nil, fmt.Errorf("make key %s: %w", name, err)
	}
	return key, nil
}

func (r *keyring) path() string { return filepath.Join(r.dir, KeyringFile) }

func (r *keyring) read() (file ringJSON, text []byte, err error) {
	if text, err = os.ReadFile(r.path()); err != nil {
		return file, nil, fmt.Errorf("read keyring: %w", err)
	}
	err = json.Unmarshal(text, &file)
	if _, e := suiteNamed(file.Suite); err != nil || e != nil || file.Version != ringOfRoot && file.Version != ringOfEpoch ||
		file.Epoch == 0 && file.Version == ringOfEpoch && len(file.Keys) > 0 {
		return file, nil, fmt.Errorf("%s is not a keyring this program can read", r.path())
	}
	return file, text, nil
}

// unwrap opens every key of the file.
func (r *keyring) unwrap(file ringJSON, text []byte) (s ringState, err error) {
	s = ringState{wrap: aesGCM(r.root), keys: make(map[string][]byte, len(file.Keys)), text: text}
	if file.Version == ringOfEpoch && file.Epoch > 0 {
		s.epoch = file.Epoch
		key, err := r.provider.Get(epochName(s.epoch))
		if errors.Is(err, ErrNoKey) {
			return s, fmt.Errorf("%s is of epoch %d: %w; a keyring that is older than the last purge can not be opened any more", r.path(), s.epoch, err)
		} else if err != nil {
			return s, fmt.Errorf("open %s: %w", r.path(), err)
		}
		s.wrap = r.wrapping(key)
	}
	for name, text := range file.Keys {
		b, err := base64.StdEncoding.DecodeString(text)
		if err == nil && len(b) > nonceSize {
			b, err = s.wrap.Open(nil, b[:nonceSize], b[nonceSize:], []byte(name))
		}
		if err != nil || len(b) != keySize {
			return s, fmt.Errorf("%s: key %q: %w; are the root.key and the epoch key beside it those it was made with?", r.path(), name, ErrWrongKey)
		}
		s.keys[name] = b
	}
	return s, nil
}

// wrapping is made of root key and epoch key: an old file opens with neither
// alone.
func (r *keyring) wrapping(epoch []byte) cipher.AEAD {
	mixed := r.suite.macPool(r.root).sum([]byte("epoch\x00"), epoch)
	return r.suite.aead(mixed[:])
}

func epochName(n uint32) string { return "epoch/" + strconv.FormatUint(uint64(n), 10) }

// renew begins an epoch in which there are these keys and no others. Whatever
// copy of the file was made before opens no more once it returns.
func (r *keyring) renew(keys map[string][]byte) error {
	if err := r.sweep(); err != nil {
		return err
	}
	next := ringState{epoch: r.epoch + 1, keys: keys}
	name := epochName(next.epoch)
	key, err := r.newKey(name)
	if err != nil {
		return err
	}
	if err := r.provider.Put(name, key); err != nil {
		return fmt.Errorf("begin an epoch of keys: %w", err)
	}
	next.wrap = r.wrapping(key)
	if next.text, err = r.save(next); err != nil {
		return err
	}
	r.ringState = next
	return r.sweep()
}

// sweep deletes the epoch keys that a change cut short left: the one before,
// and the one after, which wraps nothing yet.
func (r *keyring) sweep() error {
	for _, n := range []uint32{r.epoch - 1, r.epoch + 1} {
		if n == 0 || n > r.epoch+1 {
			continue
		}
		if err := r.provider.Delete(epochName(n)); err != nil {
			return fmt.Errorf("delete the key of epoch %d: %w", n, err)
		}
	}
	return nil
}

// begin starts a change: nobody else changes the keyring until unlock, and what
// another process has changed is known. Without it the one that writes last
// would take the other's new keys away, and with a day's key the day.
func (r *keyring) begin() (unlock func(), err error) {
	if unlock, err = lockFolder(r.dir); err != nil {
		return nil, fmt.Errorf("lock key folder: %w", err)
	}
	file, text, err := r.read()
	if errors.Is(err, fs.ErrNotExist) {
		return unlock, nil // taken away under us: the change writes it again
	}
	state := r.ringState
	if err == nil {
		state, err = r.unwrap(file, text)
	}
	if err != nil {
		unlock()
		return nil, err
	}
	r.others = r.others || !bytes.Equal(text, r.text)
	r.ringState = state
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

// change reads the keyring anew and has edit say which keys there shall be: nil
// for those there are. It is on disk when change returns.
func (r *keyring) change(edit func(keys map[string][]byte) (map[string][]byte, error)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	unlock, err := r.begin()
	if err != nil {
		return err
	}
	defer unlock()
	keys, err := edit(r.keys)
	if err != nil || keys == nil {
		return err
	}
	next := r.ringState
	next.keys = keys
	if next.text, err = r.save(next); err != nil {
		return err
	}
	r.ringState = next
	return nil
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
func (r *keyring) ensure(name string) (key []byte, err error) {
	if k, err := r.get(name); err == nil {
		return k, nil
	}
	err = r.change(func(keys map[string][]byte) (map[string][]byte, error) {
		if key = keys[name]; key != nil {
			return nil, nil
		}
		if key, err = r.newKey(name); err != nil {
			return nil, err
		}
		return with(keys, name, key), nil
	})
	if err != nil {
		return nil, err
	}
	return key, nil
}

func with(keys map[string][]byte, name string, key []byte) map[string][]byte {
	keys = maps.Clone(keys)
	keys[name] = key
	return keys
}

// destroy destroys the keys that gone says, all in one change of epoch: when it
// returns, nothing on disk opens them, nor any copy of the keyring file made
// before. It reports how many went; called again after an error it completes
// what was left. The bytes in memory are left to the collector: somebody may be
// reading them.
func (r *keyring) destroy(gone func(name string) bool) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	unlock, err := r.begin()
	if err != nil {
		return 0, err
	}
	defer unlock()
	left := maps.Clone(r.keys)
	maps.DeleteFunc(left, func(name string, _ []byte) bool { return gone(name) })
	if n = len(r.keys) - len(left); n == 0 {
		return 0, r.sweep()
	}
	return n, r.renew(left)
}

// series lists the keys name/1, name/2 … by number.
func (r *keyring) series(name string) map[uint32][]byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return seriesOf(r.keys, name)
}

func seriesOf(keys map[string][]byte, name string) map[uint32][]byte {
	found := map[uint32][]byte{}
	for full, key := range keys {
		if text, ok := strings.CutPrefix(full, name+"/"); ok {
			if n, err := strconv.ParseUint(text, 10, 32); err == nil && n > 0 {
				found[uint32(n)] = key
			}
		}
	}
	return found
}

// extend adds the next key of a series that has begun, and gives its number.
func (r *keyring) extend(name string) (number uint32, err error) {
	err = r.change(func(keys map[string][]byte) (map[string][]byte, error) {
		for n := range seriesOf(keys, name) {
			number = max(number, n)
		}
		if number == 0 {
			return nil, fmt.Errorf("key %s: %w", name, venue.ErrNotFound)
		}
		number++
		full := fmt.Sprintf("%s/%d", name, number)
		key, err := r.newKey(full)
		if err != nil {
			return nil, err
		}
		return with(keys, full, key), nil
	})
	return number, err
}

// refresh takes over what another process has changed, and tells whether one has
// since it was last asked, be it that a change of ours took it over. The file's
// bytes say so, since nonces are new in each: its time and number may be those of
// the one before.
func (r *keyring) refresh() (changed bool, err error) {
	text, err := os.ReadFile(r.path())
	if err != nil {
		return false, fmt.Errorf("read keyring: %w", err)
	}
	r.mu.RLock()
	same := bytes.Equal(text, r.text)
	r.mu.RUnlock()
	if !same {
		if err = r.change(func(map[string][]byte) (map[string][]byte, error) { return nil, nil }); err != nil {
			return false, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	changed, r.others = r.others, false
	return changed, nil
}

func (r *keyring) save(s ringState) (text []byte, err error) {
	file := ringJSON{Version: ringOfEpoch, Suite: r.suite.name, Epoch: s.epoch, Keys: map[string]string{}}
	for name, key := range s.keys {
		nonce := make([]byte, nonceSize)
		if _, err := io.ReadFull(r.random, nonce); err != nil {
			return nil, fmt.Errorf("wrap key %s: %w", name, err)
		}
		file.Keys[name] = base64.StdEncoding.EncodeToString(s.wrap.Seal(nonce, nonce, key, []byte(name)))
	}
	if text, err = json.MarshalIndent(file, "", " "); err != nil {
		return nil, fmt.Errorf("encode keyring: %w", err)
	}
	if err := durable.Replace(r.path(), text, 0o600); err != nil {
		return nil, fmt.Errorf("write keyring: %w", err)
	}
	return text, nil
}
