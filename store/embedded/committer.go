package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/venuecode/venuecode/venue"
)

const (
	queueLen   = 1024    // writes that may wait
	groupLen   = 1024    // writes that share a commit
	groupBytes = 4 << 20 // a group is closed when it is this big
)

// request is one write. run reads the present through the group, checks, and
// only then adds its changes; if it returns an error it has added nothing, or
// whole documents of many. It may be run more than once, and after its caller
// has given up.
type request struct {
	run  func(*group) error
	err  error
	done chan struct{}
}

// write has run committed together with whatever else waits and returns when
// it is durable. If ctx ends first, its error is returned and the write may
// still happen.
func (e *Engine) write(ctx context.Context, run func(*group) error) error {
	leave, err := e.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	r := &request{run: run, done: make(chan struct{})}
	select {
	case e.queue <- r:
	case <-ctx.Done():
		return fmt.Errorf("too many writes wait: %w (%w)", venue.ErrUnavailable, ctx.Err())
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commitAll is the committer: it runs until the queue is closed and empty.
func (e *Engine) commitAll() {
	defer close(e.committed)
	g := &group{
		db:     e.db,
		known:  map[string][]byte{},
		rows:   map[rowKey][]byte{},
		hours:  map[string]uint64{},
		purged: map[venue.Day]bool{},
	}
	var taken []*request
	for first := range e.queue {
		taken = e.gather(g, append(taken[:0], first))
		e.settle(g, taken)
		g.end()
		for _, r := range taken {
			close(r.done)
		}
		clear(taken)
	}
}

// gather runs the request at hand and all that wait, until the group is full.
func (e *Engine) gather(g *group, taken []*request) []*request {
	g.begin()
	for {
		r := taken[len(taken)-1]
		if cause := e.broken.Load(); cause != nil {
			r.err = *cause
		} else if !e.try(g, r) {
			e.replay(g, taken)
		}
		if len(taken) >= groupLen || g.batch.Len() >= groupBytes {
			return taken
		}
		select {
		case next, open := <-e.queue:
			if !open {
				return taken
			}
			taken = append(taken, next)
		default:
			return taken
		}
	}
}

// replay begins the group again without the request that panicked, which may
// have added half of its changes.
func (e *Engine) replay(g *group, taken []*request) {
again:
	g.begin()
	for _, r := range taken {
		if r.err == nil && !e.try(g, r) {
			goto again
		}
	}
}

// try runs a request; false if it panicked, which is its own error only.
func (e *Engine) try(g *group, r *request) (calm bool) {
	defer func() {
		if p := recover(); p != nil {
			e.logger.Error("store: a write failed inside", "panic", p)
			r.err = errors.New("a write failed inside")
			calm = false
		}
	}()
	r.err = r.run(g)
	return true
}

// settle makes the group durable. If that fails, nobody in it has an answer and
// the engine takes no more writes.
func (e *Engine) settle(g *group, taken []*request) {
	start := e.now()
	changed, err := g.commit()
	if err != nil {
		cause := fmt.Errorf("commit failed, restart is needed: %w (%w)", venue.ErrUnavailable, err)
		e.broken.Store(&cause)
		e.logger.Error("store: commit failed", "error", err)
		for _, r := range taken {
			r.err = cause
		}
		g.batch = nil // Pebble may still hold it
		return
	}
	e.stats.requests.Add(int64(len(taken)))
	e.stats.rows.Add(int64(len(g.rows)))
	if changed {
		_ = e.measure() // whoever comes next is told
		e.stats.groups.Add(1)
		e.stats.lastCommit.Store(e.now() - start)
	}
}

// now is the machine clock in nanoseconds; always 0 without one.
func (e *Engine) now() int64 {
	if e.machine == nil {
		return 0
	}
	return e.machine.Now().UnixNano()
}

// group collects the changes that share one commit. What it reads is the
// committed state with those changes on top.
type group struct {
	db     *pebble.DB
	batch  *pebble.Batch
	lookup *pebble.Iterator  // of the committed state; made by the first that asks
	known  map[string][]byte // changed documents and unique entries; nil: deleted
	rows   map[rowKey][]byte // new rows
	hours  map[string]uint64 // rows to be added to the hour counts
	purged map[venue.Day]bool
}

func (g *group) begin() {
	g.end()
	g.batch = g.db.NewBatch()
}

func (g *group) end() {
	if g.lookup != nil {
		_ = g.lookup.Close() // its errors were seen with each lookup
		g.lookup = nil
	}
	if g.batch != nil {
		_ = g.batch.Close()
		g.batch = nil
	}
	clear(g.known)
	clear(g.rows)
	clear(g.hours)
	clear(g.purged)
}

// commit writes the group and waits for the disk. An empty group has nothing to
// wait for: all it has read was synced before.
func (g *group) commit() (changed bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	if g.lookup != nil {
		_ = g.lookup.Close()
		g.lookup = nil
	}
	var n [8]byte
	for hour, rows := range g.hours {
		binary.BigEndian.PutUint64(n[:], rows)
		if err := g.batch.Merge([]byte(hour), n[:], nil); err != nil {
			return false, err
		}
	}
	if g.batch.Empty() {
		return false, nil
	}
	return true, g.batch.Commit(pebble.Sync)
}

// row is the stored form of a row, nil if there is none.
func (g *group) row(k *rowKey) ([]byte, error) {
	if row, ok := g.rows[*k]; ok {
		return row, nil
	}
	if g.purged[dayOfKey(k[:])] {
		return nil, nil
	}
	return g.committed(k[:])
}

// committed is the value under a key before the group, nil if there is none.
func (g *group) committed(key []byte) ([]byte, error) {
	if g.lookup == nil {
		it, err := newLookup(g.db)
		if err != nil {
			return nil, err
		}
		g.lookup = it
	}
	return lookUp(g.lookup, key)
}

// newLookup is for looking up many keys. Not DB.Get: only an iterator consults the
// filters of the last level, where most keys lie and a new one never does.
func newLookup(from pebble.Reader) (*pebble.Iterator, error) {
	return from.NewIter(&pebble.IterOptions{UseL6Filters: true})
}

// lookUp copies a value out; nil if there is none.
func lookUp(it *pebble.Iterator, key []byte) ([]byte, error) {
	if !it.SeekPrefixGE(key) || !bytes.Equal(it.Key(), key) {
		return nil, it.Error()
	}
	value, err := it.ValueAndErr()
	return append([]byte{}, value...), err // never nil, even if empty
}

// get is the value under a key of documents or unique entries, nil if none.
func (g *group) get(key []byte) ([]byte, error) {
	if v, ok := g.known[string(key)]; ok {
		return v, nil
	}
	return g.committed(key)
}

// forget lets the rows of a day be gone for the rest of the group.
func (g *group) forget(day venue.Day) {
	g.purged[day] = true
	for k := range g.rows {
		if dayOfKey(k[:]) == day {
			delete(g.rows, k)
		}
	}
}

// forgetCounts lets the hour counts of the days before one be gone, but for days
// that have rows.
func (g *group) forgetCounts(before venue.Day) error {
	keep, err := g.daysWithRows(before)
	if err != nil {
		return err
	}
	from := []byte{prefixHour}
	for _, day := range append(keep, before) {
		if to := appendDay(nil, prefixHour, day); bytes.Compare(from, to) < 0 {
			_ = g.batch.DeleteRange(from, to, nil) // fails only on a closed batch
		}
		from = appendDay(nil, prefixHour, day+1)
	}
	for hour := range g.hours { // of rows that came and went within this group
		if day := dayOfKey([]byte(hour)); day < before && !slices.Contains(keep, day) {
			delete(g.hours, hour)
		}
	}
	return nil
}

// daysWithRows are the days before one that have rows, in order.
func (g *group) daysWithRows(before venue.Day) (days []venue.Day, err error) {
	for k := range g.rows {
		if day := dayOfKey(k[:]); day < before {
			days = append(days, day)
		}
	}
	it, err := g.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixRow}, UpperBound: appendDay(nil, prefixRow, before)})
	if err != nil {
		return nil, err
	}
	defer it.Close()
	for ok := it.First(); ok; {
		day := dayOfKey(it.Key())
		if !g.purged[day] {
			days = append(days, day)
		}
		ok = it.SeekGE(appendDay(nil, prefixRow, day+1))
	}
	slices.Sort(days)
	return slices.Compact(days), it.Error()
}

func (g *group) set(key, value []byte) {
	g.known[string(key)] = value
	_ = g.batch.Set(key, value, nil) // fails only on a closed batch
}

func (g *group) delete(key []byte) {
	g.known[string(key)] = nil
	_ = g.batch.Delete(key, nil)
}

// get copies a value out of the database; nil if there is none.
func get(from pebble.Reader, key []byte) ([]byte, error) {
	v, closer, err := from.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v = append([]byte{}, v...) // never nil, even if empty
	return v, closer.Close()
}

// hourMerger adds: the operands and the value are 8-byte numbers.
var hourMerger = &pebble.Merger{
	Name: "venuecode.add",
	Merge: func(_, value []byte) (pebble.ValueMerger, error) {
		s := &sum{}
		return s, s.MergeNewer(value)
	},
}

type sum struct{ n uint64 }

func (s *sum) MergeNewer(value []byte) error {
	if len(value) != 8 {
		return errors.New("hour count is not a number")
	}
	s.n += binary.BigEndian.Uint64(value)
	return nil
}

func (s *sum) MergeOlder(value []byte) error { return s.MergeNewer(value) }

func (s *sum) Finish(bool) ([]byte, io.Closer, error) {
	return binary.BigEndian.AppendUint64(nil, s.n), nil, nil
}
