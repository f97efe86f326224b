package bot

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// bind uses up a one-time code. Whatever is wrong with it, the words are the
// same: somebody who guesses must not learn which codes there are.
func (h *Handler) bind(ctx context.Context, m Message, code string) (string, error) {
	back, ok := h.tries.take(m.Account.Key(), h.Machine.Now())
	if !ok {
		return textBindWait, nil
	}
	bound, err := h.Binder.Bind(ctx, m.Account, code)
	if wrongCode(err) {
		return textBindWrong, nil
	}
	back() // neither a success nor a fault of ours is a wrong try
	if err != nil {
		return "", err
	}
	if bound.Manages.ID != "" {
		return textManages(bound.Manages.Name), nil
	}
	name, err := h.unitName(ctx, bound.Unit)
	if err != nil {
		h.Log.Warn("unit's name not found for a greeting", "unit", bound.Unit)
	}
	return textBound(name, h.Policy), nil // the code is used up: this must not fail any more
}

func wrongCode(err error) bool {
	for _, wrong := range []error{venue.ErrNotFound, venue.ErrInvalid, venue.ErrStale, venue.ErrExists, venue.ErrConflict} {
		if errors.Is(err, wrong) {
			return true
		}
	}
	return false
}

const (
	maxTries  = 5
	tryWindow = 10 * time.Minute
	// maxTriers bounds the memory. More accounts than this in one window are an
	// attack, in which counting may start anew.
	maxTriers = 10_000
)

// tryBook counts wrong codes by account, in this process.
type tryBook struct {
	mu sync.Mutex
	of map[string][]time.Time
}

// take counts a try, before it is known to be wrong so that many at once get no
// further; back takes it off again. Not ok: too many, wait.
func (b *tryBook) take(account string, now time.Time) (back func(), ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	recent := after(b.of[account], now.Add(-tryWindow))
	if len(recent) >= maxTries {
		return nil, false
	}
	b.makeRoom(now)
	b.of[account] = append(recent, now)
	return func() { b.back(account, now) }, true
}

func (b *tryBook) back(account string, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, t := range b.of[account] {
		if t.Equal(at) {
			b.of[account] = append(b.of[account][:i:i], b.of[account][i+1:]...)
			return
		}
	}
}

func (b *tryBook) makeRoom(now time.Time) {
	if b.of == nil {
		b.of = make(map[string][]time.Time)
	}
	if len(b.of) < maxTriers {
		return
	}
	for account, tries := range b.of {
		if len(after(tries, now.Add(-tryWindow))) == 0 {
			delete(b.of, account)
		}
	}
	if len(b.of) > maxTriers/2 { // or the sweep would be due again at once
		clear(b.of)
	}
}

// after are the instants later than t, of rising ones.
func after(times []time.Time, t time.Time) []time.Time {
	for len(times) > 0 && !times[0].After(t) {
		times = times[1:]
	}
	return times
}
