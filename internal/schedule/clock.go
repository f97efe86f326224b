package schedule

import (
	"fmt"
	"sync"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// Mode is how the civil clock runs: a positive Mode is the civil seconds that
// pass in one second of the machine.
type Mode float64

const (
	Standing Mode = 0  // moves only when moved
	Real     Mode = -1 // is the machine's clock
)

// lead is how much of the machine's time a running clock stores ahead: what a
// restart may skip, and how long one synced write lasts.
const lead = 2 * time.Second

// Clock is the civil clock. It never runs back: not when the machine's clock is
// set back, not over a restart, not after SIGKILL. Safe for concurrent use.
type Clock struct {
	mode    Mode
	machine venue.Clock
	file    string

	mu     sync.Mutex
	last   time.Time // the latest instant anybody was told
	kept   time.Time // what the file holds, never before last
	from   time.Time // a running clock showed this …
	fromAt time.Time // … when the machine's showed this
	retry  time.Time // machine; no write before, after one failed
}

// NewClock starts a civil clock at the later of start and what file holds. With
// file "" nothing is kept. Real mode ignores start and writes nothing; if file
// holds an instant ahead of the machine, the clock stands there until the
// machine has caught up. Start may be zero if file holds an instant.
func NewClock(mode Mode, start time.Time, file string, machine venue.Clock) (*Clock, error) {
	c := &Clock{mode: mode, machine: machine, file: file}
	stored, err := readInstant(file)
	if err != nil {
		return nil, fmt.Errorf("read the civil clock: %w", err)
	}
	if mode == Real {
		c.last = stored
		return c, nil
	}
	if mode < 0 {
		return nil, fmt.Errorf("civil clock: %w", &venue.Invalid{Field: "speed", Reason: "range"})
	}
	if start = venue.Millis(start); stored.After(start) {
		start = stored
	}
	if start.Before(time.Unix(0, 0)) {
		return nil, fmt.Errorf("civil clock: %w", &venue.Invalid{Field: "clock", Reason: "missing"})
	}
	return c, c.set(start)
}

// Now is the civil instant, UTC, in whole milliseconds.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.reading()
	if !t.After(c.last) {
		return c.last
	}
	// Nobody may be told an instant that a restart could go behind. While the
	// file can not be written the clock stands.
	if c.mode > 0 && c.file != "" && t.After(c.kept) {
		now := c.machine.Now()
		if now.Before(c.retry) {
			return c.last
		}
		if err := c.keep(t); err != nil {
			c.retry = now.Add(time.Second)
			return c.last
		}
	}
	c.last = t
	return t
}

// Mode tells how the clock runs.
func (c *Clock) Mode() Mode { return c.mode }

func (c *Clock) reading() time.Time {
	switch {
	case c.mode == Real:
		return venue.Millis(c.machine.Now())
	case c.mode == Standing:
		return c.last
	}
	passed := float64(c.machine.Now().Sub(c.fromAt)) * float64(c.mode)
	return venue.Millis(c.from.Add(time.Duration(passed)))
}

// set moves a clock that is not Real to t, or leaves it if it is there already
// or beyond.
func (c *Clock) set(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	t = venue.Millis(t)
	if r := c.reading(); !t.After(c.last) || c.mode > 0 && !c.fromAt.IsZero() && !t.After(r) {
		return nil
	}
	if err := c.keep(t); err != nil {
		return err
	}
	c.last, c.from, c.fromAt = t, t, c.machine.Now()
	return nil
}

// keep writes t, and the lead of a running clock, before anybody is told t.
func (c *Clock) keep(t time.Time) error {
	if c.file == "" {
		return nil
	}
	if c.mode > 0 {
		t = t.Add(time.Duration(float64(lead) * float64(c.mode)))
	}
	if err := writeInstant(c.file, t); err != nil {
		return fmt.Errorf("keep the civil clock: %w", err)
	}
	c.kept = t
	return nil
}

// until is how long the machine must wait for t; false if t does not come by
// itself.
func (c *Clock) until(t time.Time) (time.Duration, bool) {
	d := t.Sub(c.Now())
	switch {
	case d <= 0:
		return 0, true
	case c.mode == Standing:
		return 0, false
	case c.mode == Real:
		return d, true
	}
	// Rounded up: a wait that ends just before t would be another wait.
	return time.Duration(float64(d)/float64(c.mode)) + time.Millisecond, true
}
