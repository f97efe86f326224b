package mongo

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

const (
	writers  = 4    // groups on their way at once
	queueLen = 1024 // batches that may wait
	groupLen = 1024 // scans from which on a group is closed
)

// A day's scans lie in a collection of their own, which a purge drops. A row has
// the fields of store.AppendScan and, if it needs them, two more, so that the
// indexes over these are small:
//
//	q Received of a row of red or unknown health
//	l Received of a row that came before it happened, or later than store.LateAfter
const (
	fieldAttention = "q"
	fieldLate      = "l"
)

// rowKey is where a scan lies.
type rowKey struct {
	day venue.Day
	key venue.ScanKey
}

// entry is a scan on its way in.
type entry struct {
	scan  venue.Scan // as it will be read again
	at    rowKey
	prior rowKey // zero: none
	row   bson.Raw
	first *entry      // an earlier one of the same group that this one repeats
	found *venue.Scan // the row that was there already
}

// request is one caller's batch. Its caller may have given up.
type request struct {
	entries []entry
	err     error
	done    chan struct{}
}

// Append remembers scans; see store.ScanLog.
func (e *Engine) Append(ctx context.Context, batch []venue.Scan) ([]store.Outcome, error) {
	if len(batch) == 0 {
		return nil, ctx.Err()
	}
	r := &request{entries: make([]entry, len(batch)), done: make(chan struct{})}
	for i := range batch {
		r.entries[i] = makeEntry(batch[i])
	}
	if err := e.write(ctx, r); err != nil {
		return nil, fmt.Errorf("append scans: %w", err)
	}
	outcomes := make([]store.Outcome, len(batch))
	for i := range r.entries {
		outcomes[i] = r.entries[i].outcome()
	}
	return outcomes, nil
}

func (en *entry) outcome() store.Outcome {
	there := en.found
	if there == nil && en.first != nil {
		there = cmp.Or(en.first.found, &en.first.scan)
	}
	switch {
	case there == nil:
		return store.Outcome{Kind: venue.ScanNew, Stored: en.scan}
	case there.Hash != en.scan.Hash:
		return store.Outcome{Kind: venue.ScanConflict, Stored: *there}
	}
	return store.Outcome{Kind: venue.ScanRepeated, Stored: *there}
}

func makeEntry(s venue.Scan) entry {
	en := entry{at: rowKey{venue.DayOf(s.At), s.Key}}
	if s.Prior != (venue.ScanKey{}) {
		en.prior = rowKey{en.at.day - 1, s.Prior}
	}
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
	en.scan = s

	row := store.AppendScan(make([]byte, 0, 512), &s)
	row = row[:len(row)-1] // the closing zero
	if s.Health == venue.HealthRed || s.Health == venue.HealthUnknown {
		row = bsoncore.AppendDateTimeElement(row, fieldAttention, s.Received.UnixMilli())
	}
	if delay := s.Received.Sub(s.At); delay < 0 || delay > store.LateAfter {
		row = bsoncore.AppendDateTimeElement(row, fieldLate, s.Received.UnixMilli())
	}
	row = append(row, 0)
	binary.LittleEndian.PutUint32(row, uint32(len(row)))
	en.row = row
	return en
}

// write has a batch written together with whatever else waits. If ctx ends
// first, its error is returned and the batch may still be written.
func (e *Engine) write(ctx context.Context, r *request) error {
	leave, err := e.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	select {
	case e.queue <- r:
	case <-ctx.Done():
		return fmt.Errorf("too many writes wait: %w (%w)", venue.ErrUnavailable, ctx.Err())
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return told(ctx, ctx.Err())
	}
}

// writeAll is one of the writers: it takes all that wait, up to a group, and
// writes it at once. It runs until the queue is closed and empty.
func (e *Engine) writeAll() {
	for first := range e.queue {
		taken, rows := []*request{first}, len(first.entries)
	gather:
		for rows < groupLen {
			select {
			case next, open := <-e.queue:
				if !open {
					break gather
				}
				taken, rows = append(taken, next), rows+len(next.entries)
			default:
				break gather
			}
		}
		group := make([]*entry, 0, rows)
		for _, r := range taken {
			for i := range r.entries {
				group = append(group, &r.entries[i])
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), e.timeout)
		err := e.writeGroup(ctx, group)
		cancel()
		for _, r := range taken {
			r.err = err
			close(r.done)
		}
	}
}

// writeGroup says of each entry what was there, or writes it.
func (e *Engine) writeGroup(ctx context.Context, group []*entry) error {
	if err := e.findPrior(ctx, group); err != nil {
		return err
	}
	firsts := map[rowKey]*entry{}
	fresh := map[venue.Day][]*entry{}
	var all []*entry
	for _, en := range group {
		if en.found != nil {
			continue
		}
		if en.first = cmp.Or(firsts[en.at], firsts[en.prior]); en.first == nil {
			firsts[en.at] = en
			fresh[en.at.day] = append(fresh[en.at.day], en)
			all = append(all, en)
		}
	}
	if err := e.mark(ctx, all); err != nil {
		return err
	}
	for day, entries := range fresh {
		if err := e.makeDay(ctx, day); err != nil {
			return err
		}
		if err := e.insert(ctx, day, entries); err != nil {
			return err
		}
	}
	return nil
}

// findPrior looks for all entries on the days before theirs, once per day.
func (e *Engine) findPrior(ctx context.Context, group []*entry) error {
	wanted := map[venue.Day][]venue.ScanKey{}
	for _, en := range group {
		if en.prior != (rowKey{}) {
			wanted[en.prior.day] = append(wanted[en.prior.day], en.prior.key)
		}
	}
	for day, keys := range wanted {
		there, err := e.rows(ctx, day, keys)
		if err != nil {
			return err
		}
		for _, en := range group {
			if en.prior.day == day && len(there) > 0 {
				en.found = there[en.prior.key]
			}
		}
	}
	return nil
}

// insert writes entries of one day. A row that is there already is read: the
// server answers when a majority has it.
func (e *Engine) insert(ctx context.Context, day venue.Day, entries []*entry) error {
	rows := make([]any, len(entries))
	for i, en := range entries {
		rows[i] = en.row
	}
	_, err := e.scans(day).InsertMany(ctx, rows, options.InsertMany().SetOrdered(false))
	if err == nil {
		return nil
	}
	repeated, ok := duplicates(err)
	if !ok {
		return told(ctx, err)
	}
	keys := make([]venue.ScanKey, len(repeated))
	for i, at := range repeated {
		keys[i] = entries[at].at.key
	}
	there, err := e.rows(ctx, day, keys)
	if err != nil {
		return err
	}
	for _, at := range repeated {
		if entries[at].found = there[entries[at].at.key]; entries[at].found == nil {
			return fmt.Errorf("a scan was there and is not: %w", venue.ErrUnavailable) // its day was purged just now
		}
	}
	return nil
}

// rows reads what there is under some keys of a day.
func (e *Engine) rows(ctx context.Context, day venue.Day, keys []venue.ScanKey) (map[venue.ScanKey]*venue.Scan, error) {
	ids := make(bson.A, len(keys))
	for i := range keys {
		ids[i] = bson.Binary{Data: keys[i][:]}
	}
	cursor, err := e.scans(day).Find(ctx, bson.D{{Key: fieldID, Value: bson.D{{Key: "$in", Value: ids}}}})
	if err != nil {
		return nil, told(ctx, err)
	}
	defer cursor.Close(context.WithoutCancel(ctx))
	there := map[venue.ScanKey]*venue.Scan{}
	for cursor.Next(ctx) {
		s, err := store.DecodeScan(cursor.Current)
		if err != nil {
			return nil, err
		}
		there[s.Key] = &s
	}
	return there, told(ctx, cursor.Err())
}

// made remembers which days' collections have their indexes. It forgets, since
// a purge by another process takes collection and indexes away.
type made struct {
	mu sync.Mutex
	at map[venue.Day]time.Time
}

const madeFor = 5 * time.Minute

func (m *made) recently(day venue.Day, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.at[day]
	return ok && now.Before(at.Add(madeFor))
}

func (m *made) note(day venue.Day, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.at) > 100 {
		clear(m.at)
	}
	m.at[day] = now
}

func (m *made) forget(day venue.Day) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.at, day)
}

// makeDay makes a day's collection with its indexes, and on the day itself the
// next one's ahead, so that nobody waits for it at midnight.
func (e *Engine) makeDay(ctx context.Context, day venue.Day) error {
	now := e.machine.Now()
	days := []venue.Day{day}
	if day == venue.DayOf(now) {
		days = append(days, day+1)
	}
	for _, day := range days {
		if e.made.recently(day, now) {
			continue
		}
		for _, model := range e.scanIndexes() {
			if err := makeIndex(ctx, e.scans(day), model); err != nil {
				return err
			}
		}
		e.made.note(day, now)
	}
	return nil
}

func (e *Engine) scanIndexes() []driver.IndexModel {
	some := func(field string, keys ...string) driver.IndexModel {
		o := options.Index().SetName(field)
		if !e.fullIndexes {
			o.SetPartialFilterExpression(bson.D{{Key: field, Value: bson.D{{Key: "$exists", Value: true}}}})
		}
		return driver.IndexModel{Keys: ascending(keys...), Options: o}
	}
	return []driver.IndexModel{
		{Keys: ascending("d", "a", fieldID), Options: options.Index().SetName("door")},
		some(fieldAttention, fieldAttention, fieldID),
		some(fieldLate, "d", "a", fieldLate),
	}
}
