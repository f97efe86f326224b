package vault

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/venuecode/venuecode/internal/durable"
	"github.com/venuecode/venuecode/venue"
)

// KeyProvider holds the few keys that wrap all others: "root", which stays, and
// "epoch/1", "epoch/2" …, of which the last is left. Files here; a hardware
// module or a secrets service elsewhere. What it has deleted it must not be
// able to give back, nor any copy of it: destruction rests on that.
//
// Calls come one at a time, under the lock of the key folder.
type KeyProvider interface {
	// Put keeps a new key of 32 bytes; it is durable when Put returns.
	// venue.ErrExists if there is one of that name.
	Put(name string, key []byte) error
	// Get reads a key; ErrNoKey if there is none of that name.
	Get(name string) ([]byte, error)
	// Delete destroys a key for good; it is gone when Delete returns. No error
	// if there is none.
	Delete(name string) error
}

// Files is the provider of one folder: root.key, epoch-7.key. A key is deleted
// by overwriting its file with zeros before it is removed. That is as much as a
// program can do on a disk: one that writes elsewhere instead of over (SSD,
// copy-on-write, snapshots) may keep the old block for a time.
type Files struct{ dir string }

// NewFiles keeps keys in dir, which must be the program's alone.
func NewFiles(dir string) *Files { return &Files{dir} }

var keyName = regexp.MustCompile(`^[a-z]+(/[1-9][0-9]*)?$`)

// path is the file of a key; kind is the first part of its name.
func (f *Files) path(name string) (path, kind string, err error) {
	if !keyName.MatchString(name) {
		return "", "", &venue.Invalid{Field: "name", Reason: "is not the name of a wrapping key"}
	}
	kind, _, _ = strings.Cut(name, "/")
	return filepath.Join(f.dir, strings.ReplaceAll(name, "/", "-")+".key"), kind, nil
}

// Put writes the key's file.
func (f *Files) Put(name string, key []byte) error {
	path, kind, err := f.path(name)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s: %w", path, venue.ErrExists)
	}
	text := "venuecode-" + kind + "-1:" + base64.StdEncoding.EncodeToString(key) + "\n"
	if err := durable.Replace(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write %s key: %w", kind, err)
	}
	return nil
}

// Get reads the key's file.
func (f *Files) Get(name string) ([]byte, error) {
	path, kind, err := f.path(name)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is missing: %w", path, ErrNoKey)
	} else if err != nil {
		return nil, fmt.Errorf("read %s key: %w", kind, err)
	}
	text, ok := strings.CutPrefix(strings.TrimSpace(string(b)), "venuecode-"+kind+"-1:")
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) != keySize {
		return nil, fmt.Errorf("%s is no valid %s key", path, kind)
	}
	return key, nil
}

// Delete overwrites and removes the key's file, and what a crash left of it.
func (f *Files) Delete(name string) error {
	path, kind, err := f.path(name)
	if err != nil {
		return err
	}
	if err := durable.Destroy(path); err != nil {
		return fmt.Errorf("destroy %s key: %w", kind, err)
	}
	return nil
}
