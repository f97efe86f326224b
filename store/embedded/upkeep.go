package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/venuecode/venuecode/venue"
)

// PurgeDay removes a day's rows; see store.ScanLog. Readers in the middle of the
// day see the rest of it vanish, or finish with what they had.
func (e *Engine) PurgeDay(ctx context.Context, day venue.Day) error {
	err := e.write(ctx, func(g *group) error {
		for _, prefix := range []byte{prefixRow, prefixDoor, prefixUnusual, prefixAttention} {
			head := appendDay(nil, prefix, day)
			_ = g.batch.DeleteRange(head, behind(head), nil) // fails only on a closed batch
		}
		g.forget(day)
		return nil
	})
	if err != nil {
		return fmt.Errorf("purge %s: %w", day, err)
	}
	return nil
}

// PurgeCounts removes the hour counts of past days; see store.ScanLog.
func (e *Engine) PurgeCounts(ctx context.Context, before venue.Day) error {
	if err := e.write(ctx, func(g *group) error { return g.forgetCounts(before) }); err != nil {
		return fmt.Errorf("purge counts before %s: %w", before, err)
	}
	return nil
}

// Backup copies everything to dir; see store.Engine. On the same file system
// the tables, which never change, are linked and cost no space until the
// original lets go of them. What is there of a failed backup is removed.
func (e *Engine) Backup(ctx context.Context, dir string, progress func(doneBytes int64)) error {
	leave, err := e.enter(ctx)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer leave()
	if progress == nil {
		progress = func(int64) {}
	}
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("backup to %s: %w", dir, venue.ErrExists)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("backup: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- e.db.Checkpoint(dir, pebble.WithFlushedWAL()) }()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			progress(size(dir))
		case err := <-done: // Pebble can not be interrupted, so ctx waits for it
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return fmt.Errorf("backup to %s: %w", dir, errors.Join(err, os.RemoveAll(dir)))
			}
			progress(size(dir))
			return nil
		}
	}
}

// size adds up the files of a folder; some may come and go meanwhile.
func size(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}
