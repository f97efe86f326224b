package notifier

import (
	"sync"
	"time"
)

// buckets count what each group robot said in the last minute of the civil
// clock. A window that slides, so that no minute, wherever it begins, has more.
// In memory only: forgetting costs at worst one refusal, which is tried again.
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
	if b.said == nil {
		b.said = map[string][]time.Time{}
	}
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
