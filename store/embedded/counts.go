package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// CountScans counts; see store.ScanLog.
//
// Whole hours come from the hour counts, the rest from the door index. What had
// arrived by T is, with L = store.LateAfter:
//
//	At ≤ T − L       all but the unusual ones received after T
//	T − L < At ≤ T   counted one by one, the delay is in the index
//	T < At           only the unusual ones received by T (a gate's clock runs fast)
//
// On a purged day only whole hours are left to count, until these go too.
func (e *Engine) CountScans(ctx context.Context, spans []venue.Span, arrivedBy time.Time) (int, error) {
	n, err := e.countScans(ctx, spans, arrivedBy)
	if err != nil {
		return 0, fmt.Errorf("count scans: %w", err)
	}
	return n, nil
}

func (e *Engine) countScans(ctx context.Context, spans []venue.Span, arrivedBy time.Time) (int, error) {
	leave, err := e.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	// One state for all of it: counts and index agree only within a commit.
	view := e.db.NewSnapshot()
	defer view.Close()
	it, err := view.NewIter(nil)
	if err != nil {
		return 0, err
	}
	defer it.Close()
	c := counter{e: e, ctx: ctx, it: it}
	for i, s := range spans {
		if err := e.goOn(ctx, i); err != nil {
			return 0, err
		}
		from, to := firstMs(s.From), firstMs(s.To)
		if arrivedBy.IsZero() {
			c.all(s.Door, from, to)
			continue
		}
		t := arrivedBy.UnixMilli()
		settled := t - store.LateAfter.Milliseconds() + 1
		c.all(s.Door, from, min(to, settled))
		c.n -= c.some(prefixUnusual, s.Door, from, min(to, settled), func(at, delay int64) bool { return at+delay > t })
		c.n += c.some(prefixDoor, s.Door, max(from, settled), min(to, t+1), func(at, delay int64) bool { return at+delay <= t })
		c.n += c.some(prefixUnusual, s.Door, max(from, t+1), to, func(at, delay int64) bool { return at+delay <= t })
	}
	return int(c.n), c.err
}

// counter adds up on one iterator; after an error it does nothing more.
type counter struct {
	e   *Engine
	ctx context.Context
	it  *pebble.Iterator
	n   int64
	err error
}

// all adds the scans of a door with from ≤ at < to.
func (c *counter) all(door venue.Code, from, to int64) {
	if from >= to || c.err != nil {
		return
	}
	first := -floorDiv(-from, hourMs) * hourMs // midnight in venue.Zone is a whole hour in UTC
	last := floorDiv(to, hourMs) * hourMs
	if first >= last {
		c.n += c.some(prefixDoor, door, from, to, nil)
		return
	}
	c.n += c.some(prefixDoor, door, from, first, nil)
	c.hours(door, first, last)
	c.n += c.some(prefixDoor, door, last, to, nil)
}

// hours adds the hour counts of whole hours.
func (c *counter) hours(door venue.Code, from, to int64) {
	first, last := daysOf(c.it, prefixHour, from, to)
	for day := first; day <= last && c.err == nil; day++ {
		head := appendDoor(nil, prefixHour, day, door)
		start := dayStart(day)
		low := append(head[:len(head):len(head)], byte(max(0, from-start)/hourMs))
		for ok := c.it.SeekGE(low); ok && bytes.HasPrefix(c.it.Key(), head); ok = c.it.Next() {
			if hour := int64(c.it.Key()[len(head)]); start+hour*hourMs >= to {
				break
			}
			n, err := hourCount(c.it)
			c.fail(err)
			c.n += n
		}
		c.fail(c.it.Error())
		c.fail(c.e.goOn(c.ctx, int(day)))
	}
}

// some is how many entries of a door's index with from ≤ at < to are wanted.
func (c *counter) some(prefix byte, door venue.Code, from, to int64, want func(at, delay int64) bool) (n int64) {
	if from >= to || c.err != nil {
		return 0
	}
	c.fail(c.e.walkDoor(c.ctx, c.it, prefix, door, from, to, func(_ venue.Day, _ venue.ScanKey, at, delay int64) (bool, error) {
		if want == nil || want(at, delay) {
			n++
		}
		return true, nil
	}))
	return n
}

func (c *counter) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

func hourCount(it *pebble.Iterator) (int64, error) {
	v, err := it.ValueAndErr()
	if err != nil {
		return 0, err
	}
	if len(v) != 8 {
		return 0, fmt.Errorf("hour count is not a number")
	}
	return int64(binary.BigEndian.Uint64(v)), nil
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// VerifyCounts recounts; see store.ScanLog. Each day is one consistent look,
// writers go on. A purged day differs in every hour until its counts go too.
func (e *Engine) VerifyCounts(ctx context.Context, from, to venue.Day, progress func(rows int64)) (store.CountCheck, error) {
	var check store.CountCheck
	leave, err := e.enter(ctx)
	if err != nil {
		return check, fmt.Errorf("verify counts: %w", err)
	}
	defer leave()
	if progress == nil {
		progress = func(int64) {}
	}
	first, last, ok, err := countedDays(e.db)
	if err != nil {
		return check, fmt.Errorf("verify counts: %w", err)
	}
	if !ok {
		return check, nil
	}
	for day := max(from, first); day <= min(to, last); day++ {
		if err := e.verifyDay(ctx, day, &check, progress); err != nil {
			return check, fmt.Errorf("verify counts of %s: %w", day, err)
		}
	}
	progress(check.Rows)
	return check, nil
}

// countedDays are the first and last day with rows or hour counts.
func countedDays(view pebble.Reader) (first, last venue.Day, ok bool, err error) {
	it, err := view.NewIter(nil)
	if err != nil {
		return 0, 0, false, err
	}
	defer it.Close()
	first, last, ok = days(it, prefixRow)
	first2, last2, ok2 := days(it, prefixHour)
	switch {
	case ok && ok2:
		first, last = min(first, first2), max(last, last2)
	case ok2:
		first, last = first2, last2
	}
	return first, last, ok || ok2, it.Error()
}

// listed is how many differing hours a CountCheck lists.
const listed = 100

func (e *Engine) verifyDay(ctx context.Context, day venue.Day, check *store.CountCheck, progress func(int64)) error {
	view := e.db.NewSnapshot()
	defer view.Close()
	counted, err := e.recount(ctx, view, day, func(bson.Raw) bool {
		if check.Rows++; check.Rows%(16*patience) == 0 {
			progress(check.Rows)
		}
		return true
	})
	if err != nil {
		return err
	}
	compare := func(door venue.Code, hour int, kept, rows int64) {
		check.Hours++
		if kept != rows && len(check.Differ) < listed {
			check.Differ = append(check.Differ, store.HourDiff{
				Door: door, Hour: time.UnixMilli(dayStart(day) + int64(hour)*hourMs).UTC(), Kept: kept, Rows: rows,
			})
		}
	}
	err = e.eachHour(view, day, func(door venue.Code, hour int, kept int64) bool {
		var rows int64
		if hours := counted[door]; hours != nil {
			rows, hours[hour] = hours[hour], 0
		}
		compare(door, hour, kept, rows)
		return true
	})
	for door, hours := range counted { // what no kept count has claimed
		for hour, rows := range hours {
			if rows > 0 {
				compare(door, hour, 0, rows)
			}
		}
	}
	return err
}

// eachHour visits the hour counts of a day, door by door, until visit says no.
func (e *Engine) eachHour(view pebble.Reader, day venue.Day, visit func(door venue.Code, hour int, kept int64) bool) error {
	it, err := e.within(view, appendDay(nil, prefixHour, day))
	if err != nil {
		return err
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		door, rest, err := cutText(it.Key()[1+dayLen:])
		if err != nil || len(rest) != 1 || rest[0] >= 24 {
			return fmt.Errorf("hour count under a wrong key")
		}
		kept, err := hourCount(it)
		if err != nil {
			return err
		}
		if !visit(venue.Code(door), int(rest[0]), kept) {
			return nil
		}
	}
	return it.Error()
}

// recount visits every row of a day, until visit says no, and counts them: 200
// bytes for each door that was passed.
func (e *Engine) recount(ctx context.Context, view pebble.Reader, day venue.Day, visit func(bson.Raw) bool) (map[venue.Code]*[24]int64, error) {
	it, err := e.within(view, appendDay(nil, prefixRow, day))
	if err != nil {
		return nil, err
	}
	defer it.Close()
	counted := map[venue.Code]*[24]int64{}
	rows := 0
	for ok := it.First(); ok; ok = it.Next() {
		raw, err := it.ValueAndErr()
		if err != nil {
			return nil, err
		}
		door, _ := bson.Raw(raw).Lookup("d").StringValueOK()
		at, ok := bson.Raw(raw).Lookup("a").DateTimeOK()
		hour := (at - dayStart(day)) / hourMs
		if !ok || hour < 0 || hour >= 24 {
			return nil, fmt.Errorf("a row lies on a day that is not its own")
		}
		hours := counted[venue.Code(door)]
		if hours == nil {
			hours = new([24]int64)
			counted[venue.Code(door)] = hours
		}
		hours[hour]++
		if !visit(raw) {
			break
		}
		rows++
		if err := e.goOn(ctx, rows); err != nil {
			return nil, err
		}
	}
	return counted, it.Error()
}
