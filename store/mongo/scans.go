package mongo

import (
	"bytes"
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

const (
	hourMs   = int64(time.Hour / time.Millisecond)
	dayHours = 24
)

func (e *Engine) scans(day venue.Day) *driver.Collection {
	return e.db.Collection(store.ScansName(day))
}

// firstMs is the first whole millisecond that is not before t. The stores keep
// whole milliseconds, so that from ≤ At and firstMs(from) ≤ At ms agree.
func firstMs(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++
	}
	return ms
}

// days are those that have a collection, the first one first.
func (e *Engine) days(ctx context.Context) (days []venue.Day, err error) {
	names, err := e.db.ListCollectionNames(ctx, bson.D{})
	if err != nil {
		return nil, told(ctx, err)
	}
	for _, name := range names {
		if day, ok := store.ScansDay(name); ok {
			days = append(days, day)
		}
	}
	slices.Sort(days)
	return days, nil
}

// daysIn are the days that [from, to) meets; of a span without sensible ends,
// those that have a collection.
func (e *Engine) daysIn(ctx context.Context, from, to int64) (days []venue.Day, err error) {
	if from >= to {
		return nil, nil
	}
	first, last := venue.DayOf(time.UnixMilli(from)), venue.DayOf(time.UnixMilli(to-1))
	if last-first > 31 {
		days, err := e.days(ctx)
		return slices.DeleteFunc(days, func(d venue.Day) bool { return d < first || d > last }), err
	}
	for d := first; d <= last; d++ {
		days = append(days, d)
	}
	return days, nil
}

// moments is the condition from ≤ field < to.
func moments(from, to int64) bson.D {
	return bson.D{{Key: "$gte", Value: bson.DateTime(from)}, {Key: "$lt", Value: bson.DateTime(to)}}
}

func atDoor(door venue.Code, from, to int64) bson.D {
	return bson.D{{Key: "d", Value: string(door)}, {Key: "a", Value: moments(from, to)}}
}

// Scan reads one row; see store.ScanLog.
func (e *Engine) Scan(ctx context.Context, day venue.Day, key venue.ScanKey) (venue.Scan, error) {
	s, err := e.scan(ctx, day, key)
	if err != nil {
		return venue.Scan{}, fmt.Errorf("read scan: %w", err)
	}
	return s, nil
}

func (e *Engine) scan(ctx context.Context, day venue.Day, key venue.ScanKey) (s venue.Scan, err error) {
	leave, err := e.enter(ctx)
	if err != nil {
		return s, err
	}
	defer leave()
	raw, err := e.scans(day).FindOne(ctx, bson.D{{Key: fieldID, Value: bson.Binary{Data: key[:]}}}).Raw()
	if errors.Is(err, driver.ErrNoDocuments) {
		return s, venue.ErrNotFound
	}
	if err != nil {
		return s, told(ctx, err)
	}
	return store.DecodeScan(raw)
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
		var gaveUp error
		err = read(func(s venue.Scan) bool {
			if gaveUp = e.goOn(ctx); gaveUp != nil {
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

// walk hands out the documents of a day that a filter finds, until visit says
// no. Of a day that is purged meanwhile, the rest is gone.
func (e *Engine) walk(ctx context.Context, day venue.Day, filter bson.D, o *options.FindOptionsBuilder, visit func(bson.Raw) (more bool, err error)) (more bool, err error) {
	cursor, err := e.scans(day).Find(ctx, filter, o)
	if err != nil {
		return false, told(ctx, err)
	}
	defer cursor.Close(context.WithoutCancel(ctx))
	for cursor.Next(ctx) {
		if more, err := visit(cursor.Current); !more || err != nil {
			return false, err
		}
	}
	if err := cursor.Err(); !vanished(err) {
		return err == nil, told(ctx, err)
	}
	return true, nil
}

// AtDoor yields the scans of a door; see store.ScanLog.
func (e *Engine) AtDoor(ctx context.Context, door venue.Code, from, to time.Time) iter.Seq2[venue.Scan, error] {
	return e.stream(ctx, "scans at door", func(yield func(venue.Scan) bool) error {
		days, err := e.daysIn(ctx, firstMs(from), firstMs(to))
		if err != nil {
			return err
		}
		filter, order := atDoor(door, firstMs(from), firstMs(to)), options.Find().SetSort(ascending("a", fieldID))
		for _, day := range days {
			more, err := e.walk(ctx, day, filter, order, func(raw bson.Raw) (bool, error) {
				s, err := store.DecodeScan(raw)
				return err == nil && yield(s), err
			})
			if !more || err != nil {
				return err
			}
		}
		return nil
	})
}

// OfPerson yields a person's scans of a day; see store.ScanLog. They lie side by
// side but in the order of their ids, and are few.
func (e *Engine) OfPerson(ctx context.Context, day venue.Day, pseudonym [16]byte) iter.Seq2[venue.Scan, error] {
	return e.stream(ctx, "scans of person", func(yield func(venue.Scan) bool) error {
		low, high := venue.ScanKey{}, venue.ScanKey(bytes.Repeat([]byte{0xFF}, len(venue.ScanKey{})))
		copy(low[:], pseudonym[:])
		copy(high[:], pseudonym[:])
		filter := bson.D{{Key: fieldID, Value: bson.D{
			{Key: "$gte", Value: bson.Binary{Data: low[:]}}, {Key: "$lte", Value: bson.Binary{Data: high[:]}}}}}
		var scans []venue.Scan
		_, err := e.walk(ctx, day, filter, options.Find(), func(raw bson.Raw) (bool, error) {
			s, err := store.DecodeScan(raw)
			scans = append(scans, s)
			return true, err
		})
		if err != nil {
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
// They lie by the day they happened on; all days are merged.
func (e *Engine) Attention(ctx context.Context, from, to time.Time) iter.Seq2[venue.Scan, error] {
	return e.stream(ctx, "scans for attention", func(yield func(venue.Scan) bool) error {
		if firstMs(from) >= firstMs(to) {
			return nil
		}
		days, err := e.days(ctx)
		if err != nil {
			return err
		}
		var open []*head
		defer func() {
			for _, h := range open {
				h.cursor.Close(context.WithoutCancel(ctx))
			}
		}()
		filter := bson.D{{Key: fieldAttention, Value: moments(firstMs(from), firstMs(to))}}
		for _, day := range days {
			cursor, err := e.scans(day).Find(ctx, filter, options.Find().SetSort(ascending(fieldAttention, fieldID)))
			if err != nil {
				return told(ctx, err)
			}
			h := &head{cursor: cursor}
			open = append(open, h)
			if err := h.next(ctx); err != nil {
				return err
			}
		}
		for {
			var first *head
			for _, h := range open {
				if h.more && (first == nil || h.before(first)) {
					first = h
				}
			}
			if first == nil || !yield(first.scan) {
				return nil
			}
			if err := first.next(ctx); err != nil {
				return err
			}
		}
	})
}

// head is the next scan of one of the cursors that are merged.
type head struct {
	cursor *driver.Cursor
	scan   venue.Scan
	more   bool
}

func (h *head) next(ctx context.Context) (err error) {
	if h.more = h.cursor.Next(ctx); h.more {
		h.scan, err = store.DecodeScan(h.cursor.Current)
		return err
	}
	if err := h.cursor.Err(); !vanished(err) {
		return told(ctx, err)
	}
	return nil
}

func (h *head) before(other *head) bool {
	return cmp.Or(h.scan.Received.Compare(other.scan.Received), bytes.Compare(h.scan.Key[:], other.scan.Key[:])) < 0
}
