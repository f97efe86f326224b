package bot

import (
	"context"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/daily"
)

// nameAge is how long the units' names are kept, by the machine clock.
const nameAge = 10 * time.Second

// nameBook holds the units' names in the form in which lines are searched.
type nameBook struct {
	mu   sync.Mutex
	read time.Time
	of   map[venue.UnitID][]string
	keys []nameKey
}

type nameKey struct {
	unit venue.UnitID
	key  string
}

// unitNames are the names to look for in a line of somebody bound to unit: its
// own, and those of all others. Left out of the others is what is contained in
// an own name, because the line may mean just that, and what is too short to be
// told from an ordinary word.
func (h *Handler) unitNames(ctx context.Context, unit venue.UnitID) (own, others []string, err error) {
	of, keys, err := h.allNames(ctx)
	if err != nil {
		return nil, nil, err
	}
	own = of[unit]
	var mine []string
	for _, n := range own {
		mine = append(mine, daily.NameKey(n))
	}
	others = make([]string, 0, len(keys))
	for _, k := range keys {
		if k.unit != unit && !within(k.key, mine) {
			others = append(others, k.key)
		}
	}
	return own, others, nil
}

func within(key string, names []string) bool {
	for _, n := range names {
		if strings.Contains(n, key) {
			return true
		}
	}
	return false
}

// unitName is what to call a unit, "" if it has no name.
func (h *Handler) unitName(ctx context.Context, unit venue.UnitID) (string, error) {
	of, _, err := h.allNames(ctx)
	if err != nil || len(of[unit]) == 0 {
		return "", err
	}
	return of[unit][0], nil
}

// allNames reads the names again when they are old. Nobody waits for another's
// reading, since each message has a deadline of its own.
func (h *Handler) allNames(ctx context.Context) (map[venue.UnitID][]string, []nameKey, error) {
	b, now := &h.names, h.Machine.Now()
	b.mu.Lock()
	of, keys, read := b.of, b.keys, b.read
	b.mu.Unlock()
	if of != nil && now.Sub(read) < nameAge {
		return of, keys, nil
	}
	all, err := h.Names.UnitNames(ctx)
	if err != nil {
		return nil, nil, err
	}
	of, keys = make(map[venue.UnitID][]string, len(all)), nil
	for unit, names := range all {
		for _, n := range names {
			if utf8.RuneCountInString(strings.TrimSpace(n)) < 2 {
				continue
			}
			of[unit] = append(of[unit], n)
			keys = append(keys, nameKey{unit, daily.NameKey(n)})
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of, b.keys, b.read = of, keys, now
	return of, keys, nil
}
