package embedded

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Dump yields everything, of one moment; see store.Archive.
func (e *Engine) Dump(ctx context.Context) iter.Seq2[store.Part, error] {
	return store.Stream(func(yield func(store.Part) bool) error {
		leave, err := e.enter(ctx)
		if err != nil {
			return fmt.Errorf("dump: %w", err)
		}
		defer leave()
		view := e.db.NewSnapshot()
		defer view.Close()
		part := func(name string, read func(yield func(bson.Raw) bool) error) bool {
			return yield(store.Part{Name: name, Rows: store.Stream(func(yield func(bson.Raw) bool) error {
				if err := read(yield); err != nil {
					return fmt.Errorf("dump %s: %w", name, err)
				}
				return nil
			})})
		}
		first, last, ok, err := countedDays(view)
		if err != nil {
			return fmt.Errorf("dump: %w", err)
		}
		for day := first; ok && day <= last; day++ {
			if !part(store.ScansName(day), func(yield func(bson.Raw) bool) error { return e.dumpDay(ctx, view, day, yield) }) {
				return nil
			}
		}
		for _, s := range slices.Backward(e.schemas) {
			if !part(s.Name, func(yield func(bson.Raw) bool) error { return e.dumpDocuments(ctx, view, e.collections[s.Name], yield) }) {
				return nil
			}
		}
		return nil
	})
}

// dumpDay yields a day's rows, and of each door the counts that no row stands
// behind.
func (e *Engine) dumpDay(ctx context.Context, view pebble.Reader, day venue.Day, yield func(bson.Raw) bool) error {
	stopped := false
	counted, err := e.recount(ctx, view, day, func(raw bson.Raw) bool {
		stopped = !yield(raw)
		return !stopped
	})
	if stopped || err != nil {
		return err
	}
	var gone store.Gone
	tell := func() bool { return gone.Hours == [24]int64{} || yield(store.EncodeGone(nil, gone)) }
	err = e.eachHour(view, day, func(door venue.Code, hour int, kept int64) bool {
		if door != gone.Door {
			if stopped = !tell(); stopped {
				return false
			}
			gone = store.Gone{Door: door}
		}
		if hours := counted[door]; hours != nil {
			kept -= hours[hour]
		}
		gone.Hours[hour] = max(0, kept)
		return true
	})
	if err == nil && !stopped {
		tell()
	}
	return err
}

func (e *Engine) dumpDocuments(ctx context.Context, view pebble.Reader, c *collection, yield func(bson.Raw) bool) error {
	it, err := e.within(view, c.prefix)
	if err != nil {
		return err
	}
	defer it.Close()
	var buf []byte
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		if err := e.goOn(ctx, n); err != nil {
			return err
		}
		n++
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		d, err := decode(string(it.Key()[len(c.prefix):]), value)
		if err != nil {
			return err
		}
		if buf = store.EncodeDocument(buf[:0], d); !yield(buf) {
			return nil
		}
	}
	return it.Error()
}

// Load adds rows; see store.Archive.
func (e *Engine) Load(ctx context.Context, part string, rows []bson.Raw) (err error) {
	if day, ok := store.ScansDay(part); ok {
		var gone []store.Gone
		if gone, err = store.LoadScans(ctx, e, day, rows); err == nil && len(gone) > 0 {
			err = e.write(ctx, func(g *group) error { return e.loadGone(g, day, gone) })
		}
	} else {
		err = e.loadDocuments(ctx, part, rows)
	}
	if err != nil {
		return fmt.Errorf("load %s: %w", part, err)
	}
	return nil
}

func (e *Engine) loadDocuments(ctx context.Context, name string, rows []bson.Raw) error {
	c, err := e.collection(name)
	if err != nil {
		return err
	}
	documents, keys := make([]store.Document, len(rows)), make([][][]byte, len(rows))
	for i, raw := range rows {
		if documents[i], err = store.DecodeDocument(raw); err != nil {
			return err
		}
		if err := documents[i].Body.Validate(); err != nil {
			return errBody
		}
		if keys[i], err = c.keys(documents[i].ID, documents[i].Body); err != nil {
			return err
		}
	}
	return e.write(ctx, func(g *group) error {
		for i, d := range documents {
			key := c.key(d.ID)
			there, err := g.get(key)
			if err != nil {
				return err
			}
			if there != nil {
				continue
			}
			if err := c.free(g, keys[i], nil); err != nil {
				return err
			}
			g.set(key, encode(d.Rev, d.Body))
			c.reindex(g, d.ID, nil, keys[i])
		}
		return nil
	})
}

// loadGone sets the counts of doors to what is gone and what is there.
func (e *Engine) loadGone(g *group, day venue.Day, gone []store.Gone) error {
	it, err := g.db.NewIter(nil)
	if err != nil {
		return err
	}
	defer it.Close()
	start := dayStart(day)
	for _, door := range gone {
		err := e.walkDoor(context.Background(), it, prefixDoor, door.Door, start, start+dayMs, func(_ venue.Day, _ venue.ScanKey, at, _ int64) (bool, error) {
			door.Hours[(at-start)/hourMs]++
			return true, nil
		})
		if err != nil {
			return err
		}
		for h, n := range door.Hours {
			if n == 0 {
				continue
			}
			if err := g.batch.Set(appendHour(nil, door.Door, day, start+int64(h)*hourMs), binary.BigEndian.AppendUint64(nil, uint64(n)), nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// Leftovers are none: opening drops the indexes that are not declared.
func (e *Engine) Leftovers(ctx context.Context) ([]string, error) {
	leave, err := e.enter(ctx)
	if err != nil {
		return nil, err
	}
	leave()
	return nil, nil
}

// DropLeftovers has none to drop.
func (e *Engine) DropLeftovers(ctx context.Context) error {
	_, err := e.Leftovers(ctx)
	return err
}
