package schedule

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/venuecode/venuecode/internal/durable"
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

func writeInstant(file string, t time.Time) error {
	return durable.Replace(file, []byte(venue.FormatInstant(t)+"\n"), 0o600)
}
