package configs

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// TimeOfDay is minutes since midnight in venue.Zone, 0 to 1439.
type TimeOfDay int

// On is the instant of t on day d.
func (t TimeOfDay) On(d venue.Day) time.Time { return d.At(t.Clock()) }

// Clock is t as hour and minute.
func (t TimeOfDay) Clock() (hour, minute int) { return int(t) / 60, int(t) % 60 }

func (t TimeOfDay) String() string {
	h, m := t.Clock()
	return fmt.Sprintf("%02d:%02d", h, m)
}

// MarshalText writes HH:MM.
func (t TimeOfDay) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Size is a number of bytes.
type Size int64

func (s Size) String() string {
	switch {
	case s != 0 && s%(1<<20) == 0:
		return strconv.FormatInt(int64(s>>20), 10) + "MiB"
	case s != 0 && s%(1<<10) == 0:
		return strconv.FormatInt(int64(s>>10), 10) + "KiB"
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// MarshalText writes the size with its unit.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

var errShape = errors.New("shape")

// measures are the types whose values are numbers that a range can bound, with
// how each is called and read.
var measures = map[reflect.Type]struct {
	name string
	read func(string) (int64, error)
}{
	reflect.TypeFor[int]():           {"a whole number", readInt},
	reflect.TypeFor[time.Duration](): {"a duration such as 300ms, 15s, 2m or 24h", readDuration},
	reflect.TypeFor[TimeOfDay]():     {"a time of the day, 00:00 to 23:59", readTimeOfDay},
	reflect.TypeFor[Size]():          {"a size such as 64KiB or 4MiB", readSize},
}

func readInt(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }

func readDuration(s string) (int64, error) {
	d, err := time.ParseDuration(s)
	return int64(d), err
}

func readTimeOfDay(s string) (int64, error) {
	// Go's layout 15 also takes one digit; "9:5" is more likely a slip.
	t, err := time.Parse("15:04", s)
	if err != nil || len(s) != len("15:04") {
		return 0, errShape
	}
	return int64(t.Hour()*60 + t.Minute()), nil
}

func readSize(s string) (int64, error) {
	for _, unit := range []struct {
		suffix string
		bits   int
	}{{"KiB", 10}, {"MiB", 20}} {
		if digits, ok := strings.CutSuffix(s, unit.suffix); ok {
			n, err := strconv.ParseUint(digits, 10, 31)
			return int64(n) << unit.bits, err
		}
	}
	return 0, errShape
}
