package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/venuecode/venuecode/internal/durable"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/store/spool"
	"github.com/venuecode/venuecode/venue"
)

// openEngine opens the memory. Before one that may be away, there is a spool.
func (a *app) openEngine() (err error) {
	if a.engine, err = openStore(a.config, a.log); err != nil || a.config.Embedded() {
		return err
	}
	local, err := embedded.Open(embedded.Options{
		Dir: filepath.Join(a.config.DataDir, "spool"), Schemas: []store.Schema{spool.Schema}, Logger: a.log, Machine: machine,
	})
	if err != nil {
		return errors.Join(err, a.engine.Close())
	}
	a.spool, err = spool.New(context.Background(), spool.Options{
		Store: a.engine, Local: local, Civil: a.clock, Machine: machine, Logger: a.log,
		Kept:    func(day venue.Day) bool { return slices.Contains(a.vault.Status().Days, day) },
		Arrived: a.arrived,
	})
	if err != nil {
		return errors.Join(err, local.Close(), a.engine.Close())
	}
	a.engine = a.spool
	return nil
}

// arrived has those that came late looked at, if somebody must.
func (a *app) arrived(batch []venue.Scan) {
	recheck := a.recheck.Load()
	if recheck == nil {
		return // its first sweep finds them
	}
	for _, s := range batch {
		if s.Health == venue.HealthRed || s.Health == venue.HealthUnknown {
			recheck.Waiting(s.Received)
		}
	}
	a.runner.Wake()
}

// held is what this process keeps of scans.
func (a *app) held() store.Held {
	if a.spool == nil {
		return store.Held{}
	}
	s := a.spool.State()
	return store.Held{Waiting: s.Waiting, Oldest: s.Oldest, LateFrom: s.Late.From, LateAt: s.Late.At}
}

// joinProcesses has this process tell the others what it keeps, under the name
// that its data folder has.
func (a *app) joinProcesses() error {
	path := filepath.Join(a.config.DataDir, "process")
	name, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		var id [8]byte
		if _, err := io.ReadFull(random, id[:]); err != nil {
			return fmt.Errorf("name this process: %w", err)
		}
		name = []byte(hex.EncodeToString(id[:]))
		err = durable.Replace(path, append(name, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("name this process: %w", err)
	}
	a.processes = store.NewProcesses(a.engine, strings.TrimSpace(string(name)), a.held, machine)
	return nil
}

// incomplete is since when scans may be missing in the memory; zero if all are
// there.
func (a *app) incomplete() time.Time {
	if a.processes != nil {
		return a.processes.Incomplete()
	}
	return a.held().Oldest
}

// late is since when scans happened that came late, and when the last came.
func (a *app) late() (from, at time.Time) {
	if a.processes != nil {
		return a.processes.Late()
	}
	h := a.held()
	return h.LateFrom, h.LateAt
}

// sources knows what has not come yet: what processes keep while the store is
// away. Everything else is there when it happens.
type sources struct{ incomplete func() time.Time }

func (s sources) Waiting(_ context.Context, _ []venue.Span, through time.Time) ([]string, error) {
	if since := s.incomplete(); since.IsZero() || since.After(through) {
		return nil, nil
	}
	return []string{venue.SourceSpool}, nil
}

// spoolMetrics tell how the spool stands; of no spool, that all goes straight.
func (a *app) spoolMetrics(metrics prometheus.Registerer) {
	gauge := func(name, help string, value func() float64) {
		metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("venuecode_spool_waiting", "Scans that this process keeps until the store is back.", func() float64 {
		return float64(a.held().Waiting)
	})
	gauge("venuecode_spool_oldest_seconds", "Age of the oldest scan that this process keeps; 0 if it keeps none.", func() float64 {
		if h := a.held(); h.Waiting > 0 {
			return max(0, a.clock.Now().Sub(h.Oldest).Seconds())
		}
		return 0
	})
	gauge("venuecode_store_direct", "1 if scans go straight to the store, 0 while they are kept here.", func() float64 {
		if a.spool != nil && !a.spool.State().Direct {
			return 0
		}
		return 1
	})
}

// readiness is nil while scans are taken, and says where they go.
func (a *app) readiness(ctx context.Context) (string, error) {
	if err := a.engine.Check(ctx); err != nil {
		return "", err
	}
	switch h := a.held(); {
	case a.spool != nil && !a.spool.State().Direct:
		return fmt.Sprintf("ok, but the store is away: %d scans wait here", h.Waiting), nil
	case h.Waiting > 0:
		return fmt.Sprintf("ok, the store is back: %d scans still wait here", h.Waiting), nil
	}
	return "ok", nil
}
