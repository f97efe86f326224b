package mongo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// PurgeDay removes a day's rows; see store.ScanLog. First each door's counts are
// made from the rows and marked as standing for them, then the collection is
// dropped, then the counts are laid aside for good. It can be run again from
// wherever it was left. A row that comes for the day while it is purged may go
// uncounted.
func (e *Engine) PurgeDay(ctx context.Context, day venue.Day) error {
	if err := e.purgeDay(ctx, day); err != nil {
		return fmt.Errorf("purge %s: %w", day, err)
	}
	return nil
}

func (e *Engine) purgeDay(ctx context.Context, day venue.Day) error {
	leave, err := e.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	b := bulk{e: e, ctx: ctx, again: func(row *hourRow) (driver.WriteModel, error) {
		counted, err := e.tally(ctx, venue.Code(row.Door), day, 0, dayHours)
		return standIn(row, &counted), err
	}}
	err = e.eachDoor(ctx, day, func(row *hourRow, counted *[dayHours]int64) error {
		if *counted == [dayHours]int64{} {
			return nil // nothing goes
		}
		return b.add(row, standIn(row, counted))
	})
	if err != nil {
		return err
	}
	if err := b.flush(); err != nil {
		return err
	}
	if err := e.scans(day).Drop(ctx); err != nil && !vanished(err) {
		return told(ctx, err)
	}
	e.made.forget(day)

	b.again = func(row *hourRow) (driver.WriteModel, error) { return layAside(row), nil }
	for row, err := range e.keptWhere(ctx, bson.D{{Key: "y", Value: int32(day)}, {Key: "p", Value: true}}) {
		if err != nil {
			return err
		}
		if err := b.add(row, layAside(row)); err != nil {
			return err
		}
	}
	return b.flush()
}

// standIn has a door's counts stand for its rows; nil if they do already, since
// a purge that was interrupted.
func standIn(row *hourRow, counted *[dayHours]int64) driver.WriteModel {
	if row.Purged {
		return nil
	}
	sealed := map[string]int64{}
	for h, n := range counted {
		if n > 0 {
			sealed[hourName(h)] = n
		}
	}
	return row.change(bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: sealed}, {Key: "p", Value: true}}}})
}

// layAside lets the counts of purged rows be the counts of what is gone. Rows
// that come later are counted beside them.
func layAside(row *hourRow) driver.WriteModel {
	if !row.Purged {
		return nil
	}
	gone := map[string]int64{}
	for h := range dayHours {
		if n := row.Gone[hourName(h)] + row.Sealed[hourName(h)]; n > 0 {
			gone[hourName(h)] = n
		}
	}
	return row.change(bson.D{
		{Key: "$set", Value: bson.D{{Key: "b", Value: gone}}},
		{Key: "$unset", Value: bson.D{{Key: "n", Value: ""}, {Key: "p", Value: ""}}},
	})
}

// bulk changes rows of counts, many at a time. Those that have changed since they
// were read are read again, one by one.
type bulk struct {
	e      *Engine
	ctx    context.Context
	again  func(row *hourRow) (driver.WriteModel, error) // what is to be done with a row as it is now; nil: nothing
	rows   []*hourRow
	models []driver.WriteModel
}

// add takes a change of a row; nil is none.
func (b *bulk) add(row *hourRow, change driver.WriteModel) error {
	if change == nil {
		return nil
	}
	b.rows, b.models = append(b.rows, row), append(b.models, change)
	if len(b.rows) < changesLen {
		return nil
	}
	return b.flush()
}

func (b *bulk) flush() error {
	rows, models := b.rows, b.models
	b.rows, b.models = nil, nil
	if len(rows) == 0 {
		return nil
	}
	all, err := b.e.change(b.ctx, models...)
	if all || err != nil {
		return err
	}
	for _, row := range rows {
		if err := b.one(row); err != nil {
			return err
		}
	}
	return nil
}

func (b *bulk) one(row *hourRow) error {
	for range tries {
		row, err := b.e.kept(b.ctx, row.doorDay())
		if err != nil {
			return err
		}
		change, err := b.again(row)
		if change == nil || err != nil {
			return err
		}
		if done, err := b.e.change(b.ctx, change); done || err != nil {
			return err
		}
	}
	return errRestless
}

// keptWhere yields rows of counts in the order of their doors.
func (e *Engine) keptWhere(ctx context.Context, filter bson.D) iter.Seq2[*hourRow, error] {
	return func(yield func(*hourRow, error) bool) {
		cursor, err := e.hours.Find(ctx, filter, options.Find().SetSort(ascending("y", "d")))
		if err != nil {
			yield(nil, told(ctx, err))
			return
		}
		defer cursor.Close(context.WithoutCancel(ctx))
		for cursor.Next(ctx) {
			row := &hourRow{}
			if err := cmp.Or(e.goOn(ctx), cursor.Decode(row)); err != nil {
				yield(nil, fmt.Errorf("hour counts: %w", err))
				return
			}
			if !yield(row, nil) {
				return
			}
		}
		if err := cursor.Err(); err != nil {
			yield(nil, told(ctx, err))
		}
	}
}

// eachDoor visits every door of a day that has rows or counts, in order, with
// the counts that are kept and those of its rows.
func (e *Engine) eachDoor(ctx context.Context, day venue.Day, visit func(row *hourRow, counted *[dayHours]int64) error) error {
	next, stop := iter.Pull2(e.keptWhere(ctx, bson.D{{Key: "y", Value: int32(day)}}))
	defer stop()
	kept, err, _ := next()
	if err != nil {
		return err
	}
	take := func(counted *[dayHours]int64) error {
		row := kept
		if kept, err, _ = next(); err != nil {
			return err
		}
		return visit(row, counted)
	}
	err = e.tallyDay(ctx, day, func(door venue.Code, counted *[dayHours]int64) error {
		for kept != nil && kept.Door < string(door) {
			if err := take(new([dayHours]int64)); err != nil {
				return err
			}
		}
		if kept != nil && kept.Door == string(door) {
			return take(counted)
		}
		return visit(absent(doorDay{door, day}), counted)
	})
	for err == nil && kept != nil {
		err = take(new([dayHours]int64))
	}
	return err
}

// tallyDay counts all rows of a day from the door index, one door at a time.
func (e *Engine) tallyDay(ctx context.Context, day venue.Day, visit func(door venue.Code, counted *[dayHours]int64) error) error {
	start := day.Start().UnixMilli()
	var door venue.Code
	var counted [dayHours]int64
	rows := 0
	along := options.Find().SetSort(ascending("d", "a")).
		SetProjection(bson.D{{Key: "d", Value: 1}, {Key: "a", Value: 1}, {Key: fieldID, Value: 0}})
	_, err := e.walk(ctx, day, bson.D{}, along, func(raw bson.Raw) (bool, error) {
		d, ok := raw.Lookup("d").StringValueOK()
		at, ok2 := raw.Lookup("a").DateTimeOK()
		hour := (at - start) / hourMs
		if !ok || !ok2 || at < start || hour >= dayHours {
			return false, errors.New("a row lies on a day that is not its own")
		}
		if rows > 0 && venue.Code(d) != door {
			if err := visit(door, &counted); err != nil {
				return false, err
			}
			counted = [dayHours]int64{}
		}
		door = venue.Code(d)
		counted[hour]++
		rows++
		return true, e.goOn(ctx)
	})
	if err != nil || rows == 0 {
		return err
	}
	return visit(door, &counted)
}

// PurgeCounts removes the hour counts of the days before one; see store.ScanLog.
// A day's row with a mark stays, without its counts: whoever is about to write
// to the hour relies on the mark.
func (e *Engine) PurgeCounts(ctx context.Context, before venue.Day) error {
	if err := e.purgeCounts(ctx, before); err != nil {
		return fmt.Errorf("purge the counts before %s: %w", before, err)
	}
	return nil
}

func (e *Engine) purgeCounts(ctx context.Context, before venue.Day) error {
	leave, err := e.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	days, err := e.days(ctx)
	if err != nil {
		return err
	}
	withRows := bson.A{}
	for _, day := range days {
		if day >= before {
			break
		}
		some, err := e.walk(ctx, day, bson.D{}, options.Find().SetLimit(1), func(bson.Raw) (bool, error) { return false, nil })
		if err != nil {
			return err
		}
		if !some { // the walk was cut short: there is a row
			withRows = append(withRows, int32(day))
		}
	}
	quiet := e.machine.Now().Add(-settled)
	b := bulk{e: e, ctx: ctx, again: func(row *hourRow) (driver.WriteModel, error) { return forget(row, quiet), nil }}
	for row, err := range e.keptWhere(ctx, bson.D{{Key: "y", Value: bson.D{{Key: "$lt", Value: int32(before)}, {Key: "$nin", Value: withRows}}}}) {
		if err != nil {
			return err
		}
		if err := b.add(row, forget(row, quiet)); err != nil {
			return err
		}
	}
	return b.flush()
}

// forget removes a row of counts, or the counts alone if it has been marked
// since quiet; nil if it is gone.
func forget(row *hourRow, quiet time.Time) driver.WriteModel {
	if row.Rev == 0 {
		return nil // somebody else was faster
	}
	for _, at := range row.Marked {
		if !at.Before(quiet) {
			return row.change(bson.D{{Key: "$unset", Value: bson.D{{Key: "n", Value: ""}, {Key: "b", Value: ""}, {Key: "p", Value: ""}}}})
		}
	}
	return driver.NewDeleteOneModel().SetFilter(append(byID(row.ID), bson.E{Key: "v", Value: row.Rev}))
}

// VerifyCounts recounts; see store.ScanLog. Writers go on: an hour that differs
// is looked at again. A purged day differs in every hour: its rows are gone.
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
	days, err := e.countedDays(ctx, from, to)
	if err != nil {
		return check, fmt.Errorf("verify counts: %w", err)
	}
	for _, day := range days {
		if err := e.verifyDay(ctx, day, &check, progress); err != nil {
			return check, fmt.Errorf("verify counts of %s: %w", day, err)
		}
	}
	progress(check.Rows)
	return check, nil
}

// countedDays are the days with rows or hour counts.
func (e *Engine) countedDays(ctx context.Context, from, to venue.Day) ([]venue.Day, error) {
	days, err := e.days(ctx)
	if err != nil {
		return nil, err
	}
	days = slices.DeleteFunc(days, func(d venue.Day) bool { return d < from || d > to })
	first := options.FindOne().SetSort(ascending("y", "d")).SetProjection(ascending("y"))
	for next := from; next <= to; {
		var row hourRow
		filter := bson.D{{Key: "y", Value: bson.D{{Key: "$gte", Value: int32(next)}, {Key: "$lte", Value: int32(to)}}}}
		err := e.hours.FindOne(ctx, filter, first).Decode(&row)
		if errors.Is(err, driver.ErrNoDocuments) {
			break
		}
		if err != nil {
			return nil, told(ctx, err)
		}
		days = append(days, venue.Day(row.Day))
		next = venue.Day(row.Day) + 1
	}
	slices.Sort(days)
	return slices.Compact(days), nil
}

// listed is how many differing hours a CountCheck lists.
const listed = 100

func (e *Engine) verifyDay(ctx context.Context, day venue.Day, check *store.CountCheck, progress func(int64)) error {
	return e.eachDoor(ctx, day, func(row *hourRow, counted *[dayHours]int64) error {
		defer func() { progress(check.Rows) }()
		return e.verifyDoor(ctx, row, counted, check)
	})
}

// verifyDoor compares. What differs because something was written meanwhile does
// not when rows are counted between two looks at one revision of the counts.
func (e *Engine) verifyDoor(ctx context.Context, row *hourRow, counted *[dayHours]int64, check *store.CountCheck) error {
	for still := false; row.differs(counted) && !still; {
		before, err := e.kept(ctx, row.doorDay())
		if err != nil {
			return err
		}
		if *counted, err = e.tally(ctx, venue.Code(row.Door), venue.Day(row.Day), 0, dayHours); err != nil {
			return err
		}
		if row, err = e.kept(ctx, row.doorDay()); err != nil {
			return err
		}
		still = row.Rev == before.Rev
	}
	for h, rows := range counted {
		known := row.keeps(h, rows)
		check.Rows += rows
		if known == 0 && rows == 0 {
			continue
		}
		check.Hours++
		if known != rows && len(check.Differ) < listed {
			check.Differ = append(check.Differ, store.HourDiff{
				Door: venue.Code(row.Door), Hour: venue.Day(row.Day).Start().Add(time.Duration(h) * time.Hour).UTC(), Kept: known, Rows: rows,
			})
		}
	}
	return nil
}

// keeps is the count that is kept of an hour that has so many rows.
func (r *hourRow) keeps(hour int, rows int64) int64 {
	if n, ok := r.sealed(hourName(hour)); ok {
		rows = n
	}
	return rows + r.Gone[hourName(hour)]
}

func (r *hourRow) differs(counted *[dayHours]int64) bool {
	for h, rows := range counted {
		if r.keeps(h, rows) != rows {
			return true
		}
	}
	return false
}
