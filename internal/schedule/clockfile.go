package schedule

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// readInstant reads one line as venue.FormatInstant writes it; zero if there is
// no file.
func readInstant(file string) (time.Time, error) {
	if file == "" {
		return time.Time{}, nil
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(venue.InstantFormat, strings.TrimSpace(string(b)))
	return t.UTC(), err
}

// writeInstant replaces the file whole: a crash leaves the old or the new one.
func writeInstant(file string, t time.Time) error {
	next := file + ".new"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(venue.FormatInstant(t) + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(next, file); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
