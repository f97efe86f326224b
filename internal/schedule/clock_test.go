package schedule

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/venuecode/venuecode/venue"
)

var (
	afternoon = time.Date(2022, 5, 22, 6, 30, 0, 0, time.UTC) // 14:30 in Shanghai
	boot      = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

// machine is a machine clock that a test sets, back too.
type machine struct {
	mu  sync.Mutex
	now time.Time
}

func (m *machine) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

func (m *machine) pass(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
}

func mustClock(t *testing.T, mode Mode, start time.Time, file string, m venue.Clock) *Clock {
	t.Helper()
	c, err := NewClock(mode, start, file, m)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func wantInstant(t *testing.T, what string, got, want time.Time) {
	t.Helper()
	if !got.Equal(want) {
		t.Errorf("%s: got %s, want %s", what, venue.FormatInstant(got), venue.FormatInstant(want))
	}
}

func TestAStandingClockStands(t *testing.T) {
	m := &machine{now: boot}
	c := mustClock(t, Standing, afternoon, "", m)
	m.pass(time.Hour)
	wantInstant(t, "an hour later", c.Now(), afternoon)
	if _, comes := c.until(afternoon.Add(time.Second)); comes {
		t.Error("a standing clock waits for an instant that never comes")
	}
}

func TestARunningClockPassesSpeedSecondsASecond(t *testing.T) {
	m := &machine{now: boot}
	c := mustClock(t, 60, afternoon, "", m)
	m.pass(90 * time.Second)
	wantInstant(t, "after 90 s at 60", c.Now(), afternoon.Add(90*time.Minute))
	if d, comes := c.until(c.Now().Add(time.Hour)); !comes || d < time.Minute || d > time.Minute+time.Second {
		t.Errorf("an hour at 60: waits %v, %v; want a minute", d, comes)
	}
}

func TestTheClockNeverRunsBack(t *testing.T) {
	for _, mode := range []Mode{Real, 1, 60} {
		m := &machine{now: boot}
		c := mustClock(t, mode, afternoon, "", m)
		m.pass(time.Minute)
		told := c.Now()
		m.pass(-time.Hour)
		wantInstant(t, "machine set back", c.Now(), told)
	}
}

func TestARestartTakesTheLaterOfStoredAndAsked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clock")
	m := &machine{now: boot}
	c := mustClock(t, Standing, afternoon, file, m)
	if err := c.set(afternoon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	wantInstant(t, "asked earlier", mustClock(t, Standing, afternoon, file, m).Now(), afternoon.Add(time.Hour))
	wantInstant(t, "not asked", mustClock(t, Standing, time.Time{}, file, m).Now(), afternoon.Add(time.Hour))
	wantInstant(t, "asked later", mustClock(t, Standing, afternoon.Add(2*time.Hour), file, m).Now(), afternoon.Add(2*time.Hour))
}

func TestARealClockStandsUntilTheMachineHasCaughtUp(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clock")
	m := &machine{now: boot}
	mustClock(t, Standing, boot.Add(time.Hour), file, m)
	c := mustClock(t, Real, time.Time{}, file, m)
	wantInstant(t, "at once", c.Now(), boot.Add(time.Hour))
	m.pass(2 * time.Hour)
	wantInstant(t, "caught up", c.Now(), boot.Add(2*time.Hour))
}

// The clock is abandoned without a word, as SIGKILL does, at many moments.
func TestAKilledRunningClockNeverRunsBackAndSkipsLittle(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clock")
	m := &machine{now: boot}
	var told time.Time
	for i := range 20 {
		c := mustClock(t, 60, afternoon, file, m)
		first := c.Now()
		if first.Before(told) {
			t.Fatalf("life %d starts at %s, the life before told %s", i, first, told)
		}
		if skipped := first.Sub(told); i > 0 && skipped > 60*lead {
			t.Fatalf("life %d skipped %v", i, skipped)
		}
		for range i * 7 {
			m.pass(130 * time.Millisecond)
			told = c.Now()
		}
		told = c.Now()
	}
}

func TestARunningClockWritesSeldom(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clock")
	m := &machine{now: boot}
	c := mustClock(t, 60, afternoon, file, m)
	writes := map[time.Time]bool{}
	for range 1000 { // 10 s of the machine's time
		m.pass(10 * time.Millisecond)
		c.Now()
		writes[c.kept] = true
	}
	if len(writes) > 10 {
		t.Errorf("%d synced writes in 10 s, want at most one a second", len(writes))
	}
}

func TestAClockThatCanNotBeKeptStands(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	m := &machine{now: boot}
	c := mustClock(t, 60, afternoon, filepath.Join(dir, "clock"), m)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	m.pass(time.Hour)
	if now := c.Now(); now.After(c.kept) {
		t.Errorf("told %s, kept only %s", now, c.kept)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	m.pass(time.Minute)
	wantInstant(t, "writable again", c.Now(), afternoon.Add(61*time.Hour))
}

func TestAClockNeedsAStart(t *testing.T) {
	m := &machine{now: boot}
	if _, err := NewClock(Standing, time.Time{}, "", m); !errors.Is(err, venue.ErrInvalid) {
		t.Errorf("no start: got %v", err)
	}
	if _, err := NewClock(-3, afternoon, "", m); !errors.Is(err, venue.ErrInvalid) {
		t.Errorf("speed -3: got %v", err)
	}
	file := filepath.Join(t.TempDir(), "clock")
	if err := os.WriteFile(file, []byte("half past two\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewClock(Standing, afternoon, file, m); err == nil {
		t.Error("a damaged file was taken for none")
	}
}
