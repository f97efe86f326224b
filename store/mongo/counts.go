package mongo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Hour counts. An hour is sealed when its rows have been counted and the count
// set beside them; until then whoever asks counts the rows. Sealing is right
// only if no write is on its way to the hour, and that is a matter of time by
// the machine's clock:
//
//	an hour is sealed when settled has passed since its end, and since its mark
//	a row for an hour that ended more than unmarked ago marks the hour first
//	a mark made by this process is good for markFor; then the hour is marked again
//
// A write ends or is given up long before the rest of settled is over, and the
// clocks of the machines agree within two minutes. Where scans happen by another
// clock: what is ahead of the machine's is sealed late, what is behind is marked.
const (
	settled  = 15 * time.Minute
	unmarked = 5 * time.Minute
	markFor  = 5 * time.Minute
)

// hourRow has the counts of a door's hours of a day. Maps are by the hour's
// number in its day.
type hourRow struct {
	ID     string               `bson:"_id"`
	Door   string               `bson:"d"`
	Day    int32                `bson:"y"`
	Rev    int64                `bson:"v"`           // counts changes, from 1; 0: not there yet
	Marked map[string]time.Time `bson:"m,omitempty"` // by the machine's clock; an hour with a mark is not sealed
	Sealed map[string]int64     `bson:"n,omitempty"`
	Gone   map[string]int64     `bson:"b,omitempty"` // of rows that were purged; they count beside what is there
	Purged bool                 `bson:"p,omitempty"` // Sealed stands for rows that are being purged
}

type doorDay struct {
	door venue.Code
	day  venue.Day
}

func (d doorDay) id() string { return d.day.String() + "/" + string(d.door) }

// absent is the row of a door's day that has none.
func absent(d doorDay) *hourRow {
	return &hourRow{ID: d.id(), Door: string(d.door), Day: int32(d.day)}
}

func (r *hourRow) doorDay() doorDay { return doorDay{venue.Code(r.Door), venue.Day(r.Day)} }

func hourName(hour int) string { return strconv.Itoa(hour) }

// change is an update of the row as it was read, and of no other.
func (r *hourRow) change(update bson.D) driver.WriteModel {
	rev := bson.E{Key: "v", Value: r.Rev}
	if r.Rev == 0 {
		rev.Value = bson.D{{Key: "$exists", Value: false}}
		update = append(update, bson.E{Key: "$setOnInsert", Value: bson.D{{Key: "d", Value: r.Door}, {Key: "y", Value: r.Day}}})
	}
	update = append(update, bson.E{Key: "$inc", Value: bson.D{{Key: "v", Value: int64(1)}}})
	return driver.NewUpdateOneModel().SetFilter(append(byID(r.ID), rev)).SetUpdate(update).SetUpsert(r.Rev == 0)
}

// changesLen is how many changes go to the server at once. The development
// server has 100 connections to its disk and takes one for each.
const changesLen = 50

// change makes changes of rows of counts; all tells whether none came too late.
func (e *Engine) change(ctx context.Context, changes ...driver.WriteModel) (all bool, err error) {
	all = true
	for some := range slices.Chunk(changes, changesLen) {
		done, err := e.hours.BulkWrite(ctx, some, options.BulkWrite().SetOrdered(false))
		if _, ok := duplicates(err); ok {
			all = false // somebody else has just made the row
			continue
		}
		if err != nil {
			return false, told(ctx, err)
		}
		all = all && done.MatchedCount+done.UpsertedCount+done.DeletedCount == int64(len(some))
	}
	return all, nil
}

// tries is how often something is done again because counts changed meanwhile.
// They change with the first late row in a while, and with a purge.
const tries = 20

var errRestless = fmt.Errorf("the hour counts change all the time: %w", venue.ErrUnavailable)

// sealed is the count of an hour's rows, if it is known without the rows.
func (r *hourRow) sealed(hour string) (n int64, ok bool) {
	if r.Purged {
		return r.Sealed[hour], true
	}
	if _, marked := r.Marked[hour]; marked {
		return 0, false
	}
	n, ok = r.Sealed[hour]
	return n, ok
}

type hourKey struct {
	doorDay
	hour int
}

func hourOf(s *venue.Scan) hourKey {
	day := venue.DayOf(s.At)
	return hourKey{doorDay{s.Door, day}, int((s.At.UnixMilli() - day.Start().UnixMilli()) / hourMs)}
}

func (k hourKey) end() time.Time { return k.day.Start().Add(time.Duration(k.hour+1) * time.Hour) }

// settledAt tells whether an hour may be sealed.
func (r *hourRow) settledAt(now time.Time, k hourKey) bool {
	return !now.Before(k.end().Add(settled)) && !now.Before(r.Marked[hourName(k.hour)].Add(settled))
}

// marks remembers which hours this process has marked, and when.
type marks struct {
	mu sync.Mutex
	at map[hourKey]time.Time
}

func (m *marks) good(k hourKey, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.at[k]
	return ok && now.Before(at.Add(markFor))
}

func (m *marks) note(keys map[hourKey]bool, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.at) > 10_000 {
		clear(m.at)
	}
	for k := range keys {
		m.at[k] = now
	}
}

// mark tells of rows that are about to be written to hours that may be sealed.
func (e *Engine) mark(ctx context.Context, entries []*entry) error {
	now := e.machine.Now()
	late := map[hourKey]bool{}
	marked := map[doorDay]bson.D{}
	for _, en := range entries {
		k := hourOf(&en.scan)
		if now.Before(k.end().Add(unmarked)) || late[k] || e.marks.good(k, now) {
			continue
		}
		late[k] = true
		marked[k.doorDay] = append(marked[k.doorDay], bson.E{Key: "m." + hourName(k.hour), Value: bson.NewDateTimeFromTime(now)})
	}
	if len(late) == 0 {
		return nil
	}
	updates := make([]driver.WriteModel, 0, len(marked))
	for d, hours := range marked {
		updates = append(updates, driver.NewUpdateOneModel().SetFilter(byID(d.id())).SetUpsert(true).SetUpdate(bson.D{
			{Key: "$setOnInsert", Value: bson.D{{Key: "d", Value: string(d.door)}, {Key: "y", Value: int32(d.day)}}},
			{Key: "$inc", Value: bson.D{{Key: "v", Value: int64(1)}}},
			{Key: "$max", Value: hours},
		}))
	}
	for all := false; !all; { // again, if somebody else has made a row at the same moment: it is there now
		var err error
		if all, err = e.change(ctx, updates...); err != nil {
			return err
		}
	}
	e.marks.note(late, now)
	return nil
}

// CountScans counts; see store.ScanLog.
//
// Whole hours come from the hour counts, the rest from the door index. What had
// arrived by T is, with L = store.LateAfter:
//
//	At ≤ T − L       all but the late ones received after T
//	T − L < At ≤ T   counted one by one
//	T < At           only those received by T (a gate's clock runs fast)
//
// On a purged day only whole hours are left to count.
func (e *Engine) CountScans(ctx context.Context, spans []venue.Span, arrivedBy time.Time) (int, error) {
	leave, err := e.enter(ctx)
	if err != nil {
		return 0, fmt.Errorf("count scans: %w", err)
	}
	defer leave()
	c := counter{e: e, ctx: ctx}
	for _, s := range spans {
		from, to := firstMs(s.From), firstMs(s.To)
		if arrivedBy.IsZero() {
			c.all(s.Door, from, to)
			continue
		}
		t := arrivedBy.UnixMilli()
		usual := t - store.LateAfter.Milliseconds() + 1
		c.all(s.Door, from, min(to, usual))
		c.n -= c.some(s.Door, from, min(to, usual), fieldLate, "$gt", t)
		c.n += c.some(s.Door, max(from, usual), min(to, t+1), "r", "$lte", t)
		c.n += c.some(s.Door, max(from, t+1), to, fieldLate, "$lte", t)
	}
	if c.err != nil {
		return 0, fmt.Errorf("count scans: %w", c.err)
	}
	return int(c.n), nil
}

// counter adds up; after an error it does nothing more.
type counter struct {
	e   *Engine
	ctx context.Context
	n   int64
	err error
}

func (c *counter) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// all adds the scans of a door with from ≤ at < to.
func (c *counter) all(door venue.Code, from, to int64) {
	if from >= to {
		return
	}
	first := -floorDiv(-from, hourMs) * hourMs // midnight in venue.Zone is a whole hour in UTC
	last := floorDiv(to, hourMs) * hourMs
	if first >= last {
		c.n += c.some(door, from, to, "", "", 0)
		return
	}
	c.n += c.some(door, from, first, "", "", 0)
	c.hours(door, first, last)
	c.n += c.some(door, last, to, "", "", 0)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// some is how many rows of a door with from ≤ at < to there are; with a field,
// those only whose instant in it compares so with t.
func (c *counter) some(door venue.Code, from, to int64, field, comparison string, t int64) (n int64) {
	if c.err != nil || from >= to {
		return 0
	}
	days, err := c.e.daysIn(c.ctx, from, to)
	c.fail(err)
	filter := atDoor(door, from, to)
	if field != "" {
		filter = append(filter, bson.E{Key: field, Value: bson.D{{Key: comparison, Value: bson.DateTime(t)}}})
	}
	for _, day := range days {
		// Not the count command: on a sharded cluster it counts rows twice that are
		// on their way from one shard to another.
		rows, err := c.e.scans(day).CountDocuments(c.ctx, filter)
		if err != nil {
			c.fail(told(c.ctx, err))
			return 0
		}
		n += rows
	}
	return n
}

// hours adds whole hours.
func (c *counter) hours(door venue.Code, from, to int64) {
	if c.err != nil {
		return
	}
	kept, err := c.e.keptOf(c.ctx, door, venue.DayOf(time.UnixMilli(from)), venue.DayOf(time.UnixMilli(to-1)))
	if c.fail(err); err != nil {
		return
	}
	days, err := c.e.daysIn(c.ctx, from, to)
	c.fail(err)
	for _, day := range days {
		if kept[day] == nil {
			kept[day] = absent(doorDay{door, day})
		}
	}
	for day, row := range kept {
		start := day.Start().UnixMilli()
		low, high := max(0, (from-start)/hourMs), min(dayHours, (to-start)/hourMs)
		n, err := c.e.countHours(c.ctx, row, int(low), int(high))
		c.n += n
		if c.fail(err); c.err != nil {
			return
		}
	}
}

// keptOf reads the hour counts of a door's days.
func (e *Engine) keptOf(ctx context.Context, door venue.Code, first, last venue.Day) (map[venue.Day]*hourRow, error) {
	cursor, err := e.hours.Find(ctx, bson.D{{Key: "d", Value: string(door)},
		{Key: "y", Value: bson.D{{Key: "$gte", Value: int32(first)}, {Key: "$lte", Value: int32(last)}}}})
	if err != nil {
		return nil, told(ctx, err)
	}
	var rows []*hourRow
	if err := cursor.All(ctx, &rows); err != nil {
		return nil, told(ctx, err)
	}
	kept := map[venue.Day]*hourRow{}
	for _, r := range rows {
		kept[venue.Day(r.Day)] = r
	}
	return kept, nil
}

// kept reads the hour counts of a door's day.
func (e *Engine) kept(ctx context.Context, d doorDay) (*hourRow, error) {
	row := absent(d)
	err := e.hours.FindOne(ctx, byID(row.ID)).Decode(row)
	if errors.Is(err, driver.ErrNoDocuments) {
		return row, nil
	}
	return row, told(ctx, err)
}

// countHours counts hours of a day, low ≤ hour < high, and seals those that it
// had to count and that are settled. What is counted from rows and what is kept
// belong together only if the day was not purged in between, so the row of counts
// must not have changed.
func (e *Engine) countHours(ctx context.Context, row *hourRow, low, high int) (n int64, err error) {
	d := row.doorDay()
	for range tries {
		now := e.machine.Now()
		n = 0
		var open []int // hours to be counted
		for h := low; h < high; h++ {
			kept, ok := row.sealed(hourName(h))
			n += kept + row.Gone[hourName(h)]
			if !ok {
				open = append(open, h)
			}
		}
		if len(open) == 0 {
			return n, nil
		}
		counted, err := e.tally(ctx, d.door, d.day, open[0], open[len(open)-1]+1)
		if err != nil {
			return 0, err
		}
		var seal, unmark bson.D
		for _, h := range open {
			n += counted[h]
			if row.settledAt(now, hourKey{d, h}) {
				seal = append(seal, bson.E{Key: "n." + hourName(h), Value: counted[h]})
				unmark = append(unmark, bson.E{Key: "m." + hourName(h), Value: ""})
			}
		}
		if len(seal) > 0 {
			same, err := e.change(ctx, row.change(bson.D{{Key: "$set", Value: seal}, {Key: "$unset", Value: unmark}}))
			if same || err != nil {
				return n, err
			}
		}
		was := row.Rev
		if row, err = e.kept(ctx, d); err != nil || row.Rev == was && len(seal) == 0 {
			return n, err
		}
	}
	return 0, errRestless
}

// tally counts a door's rows hour by hour.
func (e *Engine) tally(ctx context.Context, door venue.Code, day venue.Day, low, high int) (counted [dayHours]int64, err error) {
	start := day.Start().UnixMilli()
	filter := atDoor(door, start+int64(low)*hourMs, start+int64(high)*hourMs)
	only := options.Find().SetProjection(bson.D{{Key: "a", Value: 1}, {Key: fieldID, Value: 0}})
	_, err = e.walk(ctx, day, filter, only, func(raw bson.Raw) (bool, error) {
		at, ok := raw.Lookup("a").DateTimeOK()
		if !ok {
			return false, errors.New("a row without its moment")
		}
		counted[(at-start)/hourMs]++
		return true, e.goOn(ctx)
	})
	return counted, err
}
