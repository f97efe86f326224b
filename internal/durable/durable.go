// Package durable puts whole files in place and takes them away, so that a crash
// leaves the one state or the other, and what was done survives a power cut.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

const suffix = ".new" // of a file that is being written

// Replace gives the file at path a new content and mode, whole or not at all.
// Until it returns without error the old content may still be there.
func Replace(path string, b []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path+suffix, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	err = f.Chmod(mode) // one left by a crash keeps whatever mode it had
	if err == nil {
		_, err = f.Write(b)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+suffix, path); err != nil {
		return err
	}
	return Sync(filepath.Dir(path))
}

// Destroy overwrites the file at path in place, then removes it, and before it
// what a Replace that was cut short left. Each is on disk before the next. A file
// that is not there is destroyed already.
func Destroy(path string) error {
	for _, p := range []string{path + suffix, path} {
		if err := shred(p); err != nil {
			return err
		}
	}
	return nil
}

func shred(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.Write(make([]byte, info.Size()))
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return Sync(filepath.Dir(path))
}

// Sync puts on disk which files a folder has.
func Sync(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
