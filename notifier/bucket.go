package notifier

import (
	"context"
	"sync"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// buckets count what each group robot said in the last minute of the civil
// clock. A window that slides, so that no minute, wherever it begins, has more.
// They are in memory, and filled from the outbox when a term begins.
type buckets struct {
	perMinute int
	mu        sync.Mutex
	said      map[string][]time.Time // by webhook key, at most perMinute, oldest first
}

// take notes one message at now, or says when there is room: for the first
// that waits (behind 0) and for those behind it, in order.
func (b *buckets) take(key string, now time.Time) (free func(behind int) time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.said[key]
	for len(s) > 0 && !s[0].Add(time.Minute).After(now) {
		s = s[1:]
	}
	if len(s) < b.perMinute {
		b.said[key] = append(s, now)
		return nil
	}
	b.said[key] = s
	full := append([]time.Time(nil), s...)
	return func(behind int) time.Time {
		rounds := time.Duration(behind/len(full) + 1)
		return full[behind%len(full)].Add(rounds*time.Minute + time.Duration(behind)*time.Millisecond)
	}
}

// recall fills the buckets with what the outbox says went out in the last minute:
// by the leader before, or by this process before it was started anew. A group
// that is not found, or a clock that differs from the other's, costs at worst a
// refusal, which is tried again.
func (n *Notifier) recall(ctx context.Context, now time.Time) error {
	said := map[string][]time.Time{}
	for row, err := range n.o.Outbox.Find(ctx, store.Query{Index: "due", Equal: []any{store.OutboxSent}, From: now.Add(-time.Minute)}) {
		if err != nil {
			return err
		}
		to, at := row.Value.Message.To, row.Value.Sent
		if to.Channel != venue.ChannelRobot {
			continue
		}
		_, key, err := n.o.Directory.Group(ctx, venue.GroupID(to.ID))
		if err != nil {
			continue
		}
		if at.After(now) {
			at = now
		}
		for range row.Value.Parts {
			said[key] = append(said[key], at)
		}
	}
	n.buckets.mu.Lock()
	defer n.buckets.mu.Unlock()
	n.buckets.said = said
	return nil
}
