package embedded

import (
	"context"
	"fmt"

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
