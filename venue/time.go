package venue

import "time"

// Zone is the only civil time zone of the platform: Asia/Shanghai, UTC+8, no
// summer time. A fixed zone, so that no time-zone database is needed.
var Zone = time.FixedZone("Asia/Shanghai", 8*60*60)

// InstantFormat is how instants are written outside: RFC 3339 with
// milliseconds and +08:00.
const InstantFormat = "2006-01-02T15:04:05.000Z07:00"

// FormatInstant writes t for the outside world.
func FormatInstant(t time.Time) string { return t.In(Zone).Format(InstantFormat) }

// Millis cuts t to whole milliseconds UTC, all that the stores keep.
func Millis(t time.Time) time.Time { return time.UnixMilli(t.UnixMilli()).UTC() }

// Clock tells an instant. Two are injected everywhere: the civil clock, which
// may be virtual, and the machine clock, which is real. Only cmd calls time.Now.
type Clock interface{ Now() time.Time }

// ClockFunc makes a function a Clock.
type ClockFunc func() time.Time

// Now tells the instant.
func (f ClockFunc) Now() time.Time { return f() }

// Day is a civil day in Zone, counted from 1970-01-01. It is the only calendar:
// nobody else computes midnight. The zero Day is 1970-01-01 and means "none"
// where a day is optional.
type Day int32

// DayOf is the civil day in which t falls.
func DayOf(t time.Time) Day {
	s := t.Unix() + 8*60*60
	if s < 0 && s%86400 != 0 {
		return Day(s/86400 - 1)
	}
	return Day(s / 86400)
}

// ParseDay reads YYYY-MM-DD.
func ParseDay(s string) (Day, error) {
	t, err := time.ParseInLocation(time.DateOnly, s, Zone)
	if err != nil {
		return 0, &Invalid{Field: "day", Reason: "shape"}
	}
	return DayOf(t), nil
}

// Start is the day's first instant.
func (d Day) Start() time.Time { return time.Unix(int64(d)*86400-8*60*60, 0).UTC() }

// At is the instant h:m of the day.
func (d Day) At(h, m int) time.Time {
	return d.Start().Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute)
}

func (d Day) String() string { return d.Start().In(Zone).Format(time.DateOnly) }

// MarshalText writes YYYY-MM-DD.
func (d Day) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads YYYY-MM-DD.
func (d *Day) UnmarshalText(b []byte) error {
	v, err := ParseDay(string(b))
	if err == nil {
		*d = v
	}
	return err
}

// Window is a half-open span of time, [Start, End).
type Window struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Contains tells whether Start ≤ t < End.
func (w Window) Contains(t time.Time) bool { return !t.Before(w.Start) && t.Before(w.End) }
