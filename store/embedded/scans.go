package embedded

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// entry is a scan on its way in: all its keys and values, made by the caller so
// that the committer only looks up and copies.
type entry struct {
	key, prior  rowKey
	row         []byte
	door, delay []byte
	unusual     []byte // nil if the delay is usual
	attention   []byte // nil if the health is known and not red
	hour        []byte
	found       []byte // the row that was there already; set by the committer
}

// Append remembers scans; see store.ScanLog.
func (e *Engine) Append(ctx context.Context, batch []venue.Scan) ([]store.Outcome, error) {
	if len(batch) == 0 {
		return nil, ctx.Err()
	}
	if err := e.room(); err != nil {
		return nil, fmt.Errorf("append scans: %w", err)
	}
	outcomes := make([]store.Outcome, len(batch))
	entries := make([]entry, len(batch))
	for i := range batch {
		s := &outcomes[i].Stored
		*s = asStored(batch[i])
		entries[i] = makeEntry(s, batch[i].Prior)
	}
	err := e.write(ctx, func(g *group) error { return appendScans(g, entries) })
	if err != nil {
		return nil, fmt.Errorf("append scans: %w", err)
	}
	for i := range entries {
		o := &outcomes[i]
		o.Kind = venue.ScanNew
		if entries[i].found == nil {
			continue
		}
		there, err := store.DecodeScan(entries[i].found)
		if err != nil {
			return nil, fmt.Errorf("append scans: %w", err)
		}
		o.Kind = venue.ScanRepeated
		if there.Hash != o.Stored.Hash {
			o.Kind = venue.ScanConflict
		}
		o.Stored = there
	}
	return outcomes, nil
}

// asStored is s as it will be read again.
func asStored(s venue.Scan) venue.Scan {
	s.Prior = venue.ScanKey{}
	s.At, s.Received = venue.Millis(s.At), venue.Millis(s.Received)
	if !s.HealthAt.IsZero() {
		s.HealthAt = venue.Millis(s.HealthAt)
	}
	if len(s.Person) == 0 {
		s.Person = nil
	}
	if len(s.Proxy) == 0 {
		s.Proxy = nil
	}
	return s
}

func makeEntry(s *venue.Scan, prior venue.ScanKey) entry {
	day, at, received := venue.DayOf(s.At), s.At.UnixMilli(), s.Received.UnixMilli()
	delay := received - at
	e := entry{key: makeRowKey(day, s.Key)}
	if prior != (venue.ScanKey{}) {
		e.prior = makeRowKey(day-1, prior)
	}
	// One allocation for the row and, nearly always, all its keys.
	buf := store.AppendScan(make([]byte, 0, 640), s)
	cut := func(from int) []byte { return buf[from:len(buf):len(buf)] }
	e.row = cut(0)

	n := len(buf)
	buf = appendDoor(buf, prefixDoor, day, s.Door)
	buf = append(appendMoment(buf, at), s.Key[:]...)
	e.door = cut(n)
	n = len(buf)
	buf = appendDelay(buf, delay)
	e.delay = cut(n)
	n = len(buf)
	buf = appendHour(buf, s.Door, day, at)
	e.hour = cut(n)
	if delay < 0 || delay > store.LateAfter.Milliseconds() {
		e.unusual = bytes.Clone(e.door)
		e.unusual[0] = prefixUnusual
	}
	if s.Health == venue.HealthRed || s.Health == venue.HealthUnknown {
		n = len(buf)
		buf = appendDay(buf, prefixAttention, day)
		buf = append(appendMoment(buf, received), s.Key[:]...)
		e.attention = cut(n)
	}
	return e
}

// appendScans looks everything up before it adds anything.
func appendScans(g *group, entries []entry) (err error) {
	for i := range entries {
		en := &entries[i]
		if en.found, err = g.row(&en.key); err != nil {
			return err
		}
		if en.found == nil && en.prior != (rowKey{}) {
			if en.found, err = g.row(&en.prior); err != nil {
				return err
			}
		}
	}
	for i := range entries {
		en := &entries[i]
		if en.found == nil { // an earlier scan of this very batch?
			if en.found = g.rows[en.key]; en.found == nil {
				en.found = g.rows[en.prior]
			}
		}
		if en.found != nil {
			continue
		}
		g.rows[en.key] = en.row
		g.hours[string(en.hour)]++
		// Setting fails only on a closed batch.
		_ = g.batch.Set(en.key[:], en.row, nil)
		_ = g.batch.Set(en.door, en.delay, nil)
		if en.unusual != nil {
			_ = g.batch.Set(en.unusual, en.delay, nil)
		}
		if en.attention != nil {
			_ = g.batch.Set(en.attention, nil, nil)
		}
	}
	return nil
}

// Scan reads one row; see store.ScanLog.
func (e *Engine) Scan(ctx context.Context, day venue.Day, key venue.ScanKey) (venue.Scan, error) {
	leave, err := e.enter(ctx)
	if err != nil {
		return venue.Scan{}, fmt.Errorf("read scan: %w", err)
	}
	defer leave()
	s, ok, err := e.scan(e.db, day, key)
	if err == nil && !ok {
		err = venue.ErrNotFound
	}
	if err != nil {
		return venue.Scan{}, fmt.Errorf("read scan: %w", err)
	}
	return s, nil
}

func (e *Engine) scan(from pebble.Reader, day venue.Day, key venue.ScanKey) (s venue.Scan, ok bool, err error) {
	k := makeRowKey(day, key)
	raw, closer, err := from.Get(k[:])
	if err == pebble.ErrNotFound {
		return s, false, nil
	}
	if err != nil {
		return s, false, err
	}
	defer closer.Close()
	s, err = store.DecodeScan(raw)
	return s, err == nil, err
}

// stream makes an iteration out of a reading function: it enters, hands each
// row out, tells of an error with the last pair, and always leaves.
func (e *Engine) stream(ctx context.Context, what string, read func(yield func(venue.Scan) bool) error) iter.Seq2[venue.Scan, error] {
	return store.Stream(func(yield func(venue.Scan) bool) error {
		leave, err := e.enter(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		defer leave()
		rows := 0
		var gaveUp error
		err = read(func(s venue.Scan) bool {
			rows++
			if gaveUp = e.goOn(ctx, rows); gaveUp != nil {
				return false
			}
			return yield(s)
		})
		if err = cmp.Or(gaveUp, err); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	})
}

// AtDoor yields the scans of a door; see store.ScanLog.
func (e *Engine) AtDoor(ctx context.Context, door venue.Code, from, to time.Time) iter.Seq2[venue.Scan, error] {
	return e.stream(ctx, "scans at door", func(yield func(venue.Scan) bool) error {
		return e.doorEntries(ctx, prefixDoor, door, firstMs(from), firstMs(to),
			func(day venue.Day, key venue.ScanKey, _, _ int64) (bool, error) {
				s, ok, err := e.scan(e.db, day, key)
				if err != nil || !ok { // not ok: purged since
					return err == nil, err
				}
				return yield(s), nil
			})
	})
}

// OfPerson yields a person's scans of a day; see store.ScanLog. They lie side by
// side but in the order of their ids, and are few.
func (e *Engine) OfPerson(ctx context.Context, day venue.Day, pseudonym [16]byte) iter.Seq2[venue.Scan, error] {
	return e.stream(ctx, "scans of person", func(yield func(venue.Scan) bool) error {
		it, err := e.within(e.db, append(appendDay(nil, prefixRow, day), pseudonym[:]...))
		if err != nil {
			return err
		}
		defer it.Close()
		var scans []venue.Scan
		for ok := it.First(); ok; ok = it.Next() {
			if err := e.goOn(ctx, len(scans)); err != nil {
				return err
			}
			raw, err := it.ValueAndErr()
			if err != nil {
				return err
			}
			s, err := store.DecodeScan(raw)
			if err != nil {
				return err
			}
			scans = append(scans, s)
		}
		if err := it.Error(); err != nil {
			return err
		}
		slices.SortFunc(scans, func(a, b venue.Scan) int {
			return cmp.Or(a.At.Compare(b.At), bytes.Compare(a.Key[:], b.Key[:]))
		})
		for _, s := range scans {
			if !yield(s) {
				return nil
			}
		}
		return nil
	})
}

// Attention yields red and unknown scans as they came in; see store.ScanLog.
// The entries lie by day of At, for the sake of the purge; days that had any in
// the span are merged.
func (e *Engine) Attention(ctx context.Context, from, to time.Time) iter.Seq2[venue.Scan, error] {
	return e.stream(ctx, "scans for attention", func(yield func(venue.Scan) bool) error {
		view := e.db.NewSnapshot()
		defer view.Close()
		days, err := e.attentive(view, firstMs(from), firstMs(to))
		defer func() {
			for _, it := range days {
				it.Close()
			}
		}()
		if err != nil {
			return err
		}
		for len(days) > 0 {
			first := 0
			for i := range days {
				if bytes.Compare(days[i].Key()[1+dayLen:], days[first].Key()[1+dayLen:]) < 0 {
					first = i
				}
			}
			it := days[first]
			_, key, ok := tail(it.Key())
			if !ok {
				return fmt.Errorf("attention entry: wrong length")
			}
			s, ok, err := e.scan(view, dayOfKey(it.Key()), key)
			if err != nil {
				return err
			}
			if ok && !yield(s) {
				return nil
			}
			if !it.Next() {
				if err := it.Error(); err != nil {
					return err
				}
				it.Close()
				days = slices.Delete(days, first, first+1)
			}
		}
		return nil
	})
}

// attentive opens, for each day with entries received in [from, to), an
// iterator that stands on the first of them.
func (e *Engine) attentive(view pebble.Reader, from, to int64) (open []*pebble.Iterator, err error) {
	if from >= to {
		return nil, nil
	}
	all, err := e.within(view, []byte{prefixAttention})
	if err != nil {
		return nil, err
	}
	defer all.Close()
	for ok := all.First(); ok; {
		day := appendDay(nil, prefixAttention, dayOfKey(all.Key()))
		it, err := view.NewIter(&pebble.IterOptions{
			LowerBound: appendMoment(day[:len(day):len(day)], from),
			UpperBound: appendMoment(day[:len(day):len(day)], to),
		})
		if err != nil {
			return open, err
		}
		if it.First() {
			open = append(open, it)
		} else if err := it.Close(); err != nil {
			return open, err
		}
		ok = all.SeekGE(behind(day))
	}
	return open, all.Error()
}

// within iterates over the keys that begin with prefix.
func (e *Engine) within(from pebble.Reader, prefix []byte) (*pebble.Iterator, error) {
	return from.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: behind(prefix)})
}

// days are the first and the last day that have keys under a letter.
func days(it *pebble.Iterator, prefix byte) (first, last venue.Day, ok bool) {
	if !it.SeekGE([]byte{prefix}) || it.Key()[0] != prefix {
		return 0, 0, false
	}
	first = dayOfKey(it.Key())
	if !it.SeekLT([]byte{prefix + 1}) || it.Key()[0] != prefix {
		return 0, 0, false
	}
	return first, dayOfKey(it.Key()), true
}

// daysOf are the days that [from, to) meets; a span without sensible ends is cut
// to the days that have keys.
func daysOf(it *pebble.Iterator, prefix byte, from, to int64) (first, last venue.Day) {
	first, last = venue.DayOf(time.UnixMilli(from)), venue.DayOf(time.UnixMilli(to-1))
	if last-first > 31 {
		low, high, ok := days(it, prefix)
		if !ok {
			return 0, -1
		}
		return max(first, low), min(last, high)
	}
	return first, last
}

// doorEntries visits the index entries of a door with from ≤ at < to in order,
// in prefixDoor or prefixUnusual, until visit says false.
func (e *Engine) doorEntries(ctx context.Context, prefix byte, door venue.Code, from, to int64,
	visit func(day venue.Day, key venue.ScanKey, at, delay int64) (more bool, err error),
) error {
	it, err := e.within(e.db, []byte{prefix})
	if err != nil {
		return err
	}
	defer it.Close()
	return e.walkDoor(ctx, it, prefix, door, from, to, visit)
}

// walkDoor is doorEntries on an iterator at hand.
func (e *Engine) walkDoor(ctx context.Context, it *pebble.Iterator, prefix byte, door venue.Code, from, to int64,
	visit func(day venue.Day, key venue.ScanKey, at, delay int64) (more bool, err error),
) error {
	if from >= to {
		return nil
	}
	first, last := daysOf(it, prefix, from, to)
	rows := 0
	for day := first; day <= last; day++ {
		head := appendDoor(nil, prefix, day, door)
		end := appendMoment(head[:len(head):len(head)], to)
		for ok := it.SeekGE(appendMoment(head[:len(head):len(head)], from)); ok && bytes.Compare(it.Key(), end) < 0; ok = it.Next() {
			rows++
			if err := e.goOn(ctx, rows); err != nil {
				return err
			}
			at, key, ok := tail(it.Key())
			if !ok {
				return fmt.Errorf("door entry: wrong length")
			}
			raw, err := it.ValueAndErr()
			if err != nil {
				return err
			}
			delay, err := delayOf(raw)
			if err != nil {
				return err
			}
			if more, err := visit(day, key, at, delay); !more || err != nil {
				return err
			}
		}
		if err := cmp.Or(it.Error(), e.goOn(ctx, int(day))); err != nil {
			return err
		}
	}
	return it.Error()
}
