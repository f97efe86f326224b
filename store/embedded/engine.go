// Package embedded is the default engine: one process, one folder, on Pebble.
//
// Readers go straight to Pebble. Writers queue for the one committer, which
// takes all that wait, checks each against the store and against the ones
// before it, and makes them durable with a single synced commit; only then does
// anybody get an answer. Because nobody else writes, a check never races.
//
// keys.go has the key space, committer.go the writing, scans.go the scan log
// and documents.go the documents.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Options say where the memory lies and what is in it.
type Options struct {
	Dir     string         // made if absent; belongs to one process at a time
	Schemas []store.Schema // every collection; indexes that are new are built on opening
	Logger  *slog.Logger   // nil: silent
	Machine venue.Clock    // measures commits for Stats; nil: not measured

	files vfs.FS // tests only
}

// InUseError: another process, or another Engine of this one, holds the folder.
type InUseError struct{ Dir string }

func (e *InUseError) Error() string {
	return e.Dir + " is in use by another venuecode process"
}

func (e *InUseError) Unwrap() error { return venue.ErrUnavailable }

// Engine keeps the memory in one folder.
type Engine struct {
	db          *pebble.DB
	files       vfs.FS
	dir         string
	lock        *pebble.Lock
	logger      *slog.Logger
	machine     venue.Clock
	schemas     []store.Schema
	collections map[string]*collection

	queue     chan *request
	committed chan struct{} // closed when the committer has ended
	broken    atomic.Pointer[error]
	short     atomic.Bool // of room on the disk
	stats     counters

	mu      sync.Mutex // guards closing against new users
	closing atomic.Bool
	users   sync.WaitGroup
	closed  error
	close   sync.Once
}

var _ store.Engine = (*Engine)(nil)

// Open opens the memory in a folder, and makes it there if there is none.
// *InUseError if somebody holds the folder.
func Open(o Options) (_ *Engine, err error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.files == nil {
		o.files = vfs.Default
	}
	e := &Engine{
		files:     o.files,
		dir:       o.Dir,
		logger:    o.Logger,
		machine:   o.Machine,
		schemas:   o.Schemas,
		queue:     make(chan *request, queueLen),
		committed: make(chan struct{}),
	}
	if e.collections, err = declare(o.Schemas); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := o.files.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	e.lock, err = pebble.LockDirectory(o.Dir, o.files)
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) || errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("open store: %w", err)
	} else if err != nil {
		return nil, fmt.Errorf("open store: %w", &InUseError{o.Dir})
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open store %s: %w", o.Dir, err), e.lock.Close())
		}
	}()
	settings := settings(o)
	settings.Lock = e.lock
	if e.db, err = pebble.Open(o.Dir, settings); err != nil {
		return nil, err
	}
	if err := e.prepare(); err != nil {
		return nil, errors.Join(err, e.db.Close())
	}
	go e.commitAll()
	return e, nil
}

// settings keep Pebble within some 100 MB at the busiest hour. Memory tables are
// reserved out of CacheSize: four of 16 MB leave at least 32 MB for blocks. With
// less, the filters that make a new scan's look-up cheap are read from disk
// each time, and appending is ten times slower.
func settings(o Options) *pebble.Options {
	s := &pebble.Options{
		FS:                          o.files,
		FormatMajorVersion:          pebble.FormatNewest,
		Merger:                      hourMerger,
		CacheSize:                   96 << 20,
		MemTableSize:                16 << 20,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       24,
		LBaseMaxBytes:               64 << 20,
		MaxOpenFiles:                500,
		WALBytesPerSync:             512 << 10,
		// Two at once leave a two-core machine nothing for whoever scans meanwhile:
		// the 99th percentile doubles.
		CompactionConcurrencyRange: func() (lower, upper int) { return 1, 1 },
		// A purge gives its disk space back soon, though nothing else is written.
		FlushDelayDeleteRange: 10 * time.Second,
		Logger:                logger{o.Logger},
		EventListener:         listener(o.Logger),
	}
	for i := range s.Levels {
		s.Levels[i].BlockSize = 8 << 10
		s.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		s.Levels[i].FilterType = pebble.TableFilter
	}
	return s
}

var errClosed = fmt.Errorf("the store is closed: %w", venue.ErrUnavailable)

// enter lets the caller use the database until it calls leave; Close waits.
func (e *Engine) enter(ctx context.Context) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing.Load() {
		return nil, errClosed
	}
	e.users.Add(1)
	return e.users.Done, nil
}

// patience is how many rows a reader takes before it looks whether anybody
// still wants them.
const patience = 256

// goOn is asked with each row read; now and then it looks up.
func (e *Engine) goOn(ctx context.Context, rows int) error {
	if rows%patience != 0 {
		return nil
	}
	if e.closing.Load() {
		return errClosed
	}
	return ctx.Err()
}

// reserve is what is left of a disk, bytes: a commit that the disk does not take
// stops the engine until it is opened again, and a purge, which gives space back,
// first takes some.
const reserve = 128 << 20

// room refuses what would fill the disk. Nothing is refused that removes. While
// there was room after the last group, nobody looks again.
func (e *Engine) room() error {
	if !e.short.Load() {
		return nil
	}
	return e.measure()
}

func (e *Engine) measure() error {
	disk, err := e.files.GetDiskUsage(e.dir)
	short := err == nil && disk.AvailBytes < reserve // who can not tell how much is left does not refuse
	e.short.Store(short)
	if !short {
		return nil
	}
	return fmt.Errorf("the disk is full, %d MB are left of it: %w", disk.AvailBytes>>20, venue.ErrUnavailable)
}

// Check answers nil while the engine can take a write.
func (e *Engine) Check(ctx context.Context) error {
	leave, err := e.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if cause := e.broken.Load(); cause != nil {
		return *cause
	}
	return e.measure()
}

// Close waits for the writes under way and for readers to take notice, then
// lets go of the folder. It must not be called from inside an iteration.
func (e *Engine) Close() error {
	e.close.Do(func() {
		e.mu.Lock()
		e.closing.Store(true)
		e.mu.Unlock()
		e.users.Wait()
		close(e.queue)
		<-e.committed
		if cause := e.broken.Load(); cause != nil {
			// After a failed commit Pebble may hold its own locks for ever. What
			// was acknowledged is on disk; the rest of the folder's fate is the
			// next opening's.
			e.closed = *cause
			return
		}
		if err := errors.Join(e.db.Close(), e.lock.Close()); err != nil {
			e.closed = fmt.Errorf("close store: %w", err)
		}
	})
	return e.closed
}

// Stats are the engine's own numbers, for metrics.
type Stats struct {
	Groups     int64         // synced commits
	Requests   int64         // writes answered by them
	Rows       int64         // scans stored
	LastCommit time.Duration // of the last group, its sync included
	QueueLen   int           // writes that wait now
	DiskBytes  uint64        // what the folder takes
	CacheBytes int64         // blocks held in memory
}

type counters struct{ groups, requests, rows, lastCommit atomic.Int64 }

// Stats tells the numbers of now; the zero Stats after Close.
func (e *Engine) Stats() Stats {
	leave, err := e.enter(context.Background())
	if err != nil {
		return Stats{}
	}
	defer leave()
	m := e.db.Metrics()
	return Stats{
		Groups:     e.stats.groups.Load(),
		Requests:   e.stats.requests.Load(),
		Rows:       e.stats.rows.Load(),
		LastCommit: time.Duration(e.stats.lastCommit.Load()),
		QueueLen:   len(e.queue),
		DiskBytes:  m.DiskSpaceUsage(),
		CacheBytes: m.BlockCache.Size,
	}
}
