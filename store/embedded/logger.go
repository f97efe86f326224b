package embedded

import (
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
)

// logger leads Pebble's own words to ours.
type logger struct{ to *slog.Logger }

func (l logger) Infof(format string, args ...any) {
	l.to.Debug("store: " + fmt.Sprintf(format, args...))
}

func (l logger) Errorf(format string, args ...any) {
	l.to.Error("store: " + fmt.Sprintf(format, args...))
}

// Fatalf must not return: Pebble's state is lost. In the committer the panic is
// caught and the engine refuses writes from then on; elsewhere it ends the
// process, and what was acknowledged is found again at the next opening.
func (l logger) Fatalf(format string, args ...any) {
	text := "store: " + fmt.Sprintf(format, args...)
	l.to.Error(text)
	panic(text)
}

// listener reports only what an operator should look at.
func listener(to *slog.Logger) *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) { to.Error("store: background work failed", "error", err) },
		DiskSlow:        func(i pebble.DiskSlowInfo) { to.Warn("store: disk is slow", "took", i.Duration) },
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) { to.Warn("store: writes wait for the disk", "reason", i.Reason) },
		WriteStallEnd:   func() { to.Info("store: writes go on") },
	}
}
