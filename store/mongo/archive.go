package mongo

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Dump yields everything; see store.Archive. Each part is read as it lies,
// without an index; there is no moment that all of it is of.
func (e *Engine) Dump(ctx context.Context) iter.Seq2[store.Part, error] {
	return store.Stream(func(yield func(store.Part) bool) error {
		leave, err := e.enter(ctx)
		if err != nil {
			return fmt.Errorf("dump: %w", err)
		}
		defer leave()
		part := func(name string, read func(yield func(bson.Raw) bool) error) bool {
			return yield(store.Part{Name: name, Rows: store.Stream(func(yield func(bson.Raw) bool) error {
				if err := read(yield); err != nil {
					return fmt.Errorf("dump %s: %w", name, err)
				}
				return nil
			})})
		}
		days, err := e.countedDays(ctx, math.MinInt32, math.MaxInt32-1)
		if err != nil {
			return fmt.Errorf("dump: %w", err)
		}
		for _, day := range days {
			if !part(store.ScansName(day), func(yield func(bson.Raw) bool) error { return e.dumpDay(ctx, day, yield) }) {
				return nil
			}
		}
		for _, s := range slices.Backward(e.schemas) {
			if !part(s.Name, func(yield func(bson.Raw) bool) error { return e.dumpDocuments(ctx, e.collections[s.Name], yield) }) {
				return nil
			}
		}
		return nil
	})
}

// dumpDay yields a day's rows and the counts of those that are gone. They belong
// together if no purge was under way, neither before nor after.
func (e *Engine) dumpDay(ctx context.Context, day venue.Day, yield func(bson.Raw) bool) error {
	before, err := e.gone(ctx, day, func(store.Gone) bool { return true })
	if err != nil {
		return err
	}
	stopped := false
	_, err = e.walk(ctx, day, bson.D{}, options.Find(), func(raw bson.Raw) (bool, error) {
		s, err := store.DecodeScan(raw)
		if err != nil {
			return false, err
		}
		stopped = !yield(store.AppendScan(nil, &s))
		return !stopped, e.goOn(ctx)
	})
	if stopped || err != nil {
		return err
	}
	after, err := e.gone(ctx, day, func(g store.Gone) bool {
		stopped = !yield(store.EncodeGone(nil, g))
		return !stopped
	})
	if err == nil && !stopped && before != after {
		err = venue.ErrStale
	}
	return err
}

// gone visits the counts of a day's purged rows, until visit says no, and adds
// them up. venue.ErrStale while the day is being purged.
func (e *Engine) gone(ctx context.Context, day venue.Day, visit func(store.Gone) bool) (all int64, err error) {
	for row, err := range e.keptWhere(ctx, bson.D{{Key: "y", Value: int32(day)}}) {
		if err != nil {
			return 0, err
		}
		if row.Purged {
			return 0, fmt.Errorf("it is being purged: %w", venue.ErrStale)
		}
		if len(row.Gone) == 0 {
			continue
		}
		g := store.Gone{Door: venue.Code(row.Door)}
		for h := range g.Hours {
			g.Hours[h] = row.Gone[hourName(h)]
			all += g.Hours[h]
		}
		if !visit(g) {
			break
		}
	}
	return all, nil
}

func (e *Engine) dumpDocuments(ctx context.Context, c *collection, yield func(bson.Raw) bool) error {
	// Along the ids: what is written behind the cursor was written later.
	cursor, err := c.Find(ctx, bson.D{}, options.Find().SetSort(ascending(fieldID)).SetHint("_id_"))
	if err != nil {
		return told(ctx, err)
	}
	defer cursor.Close(context.WithoutCancel(ctx))
	for cursor.Next(ctx) {
		if err := e.goOn(ctx); err != nil {
			return err
		}
		if !yield(cursor.Current) {
			return nil
		}
	}
	return told(ctx, cursor.Err())
}

// Load adds rows; see store.Archive.
func (e *Engine) Load(ctx context.Context, part string, rows []bson.Raw) (err error) {
	if day, ok := store.ScansDay(part); ok {
		var gone []store.Gone
		if gone, err = store.LoadScans(ctx, e, day, rows); err == nil {
			err = e.loadGone(ctx, day, gone)
		}
	} else {
		err = e.loadDocuments(ctx, part, rows)
	}
	if err != nil {
		return fmt.Errorf("load %s: %w", part, err)
	}
	return nil
}

func (e *Engine) loadGone(ctx context.Context, day venue.Day, gone []store.Gone) error {
	leave, err := e.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	var changes []driver.WriteModel
	for _, g := range gone {
		hours := map[string]int64{}
		for h, n := range g.Hours {
			if n > 0 {
				hours[strconv.Itoa(h)] = n
			}
		}
		changes = append(changes, driver.NewUpdateOneModel().SetFilter(byID(doorDay{g.Door, day}.id())).SetUpsert(true).SetUpdate(bson.D{
			{Key: "$set", Value: bson.D{{Key: "d", Value: string(g.Door)}, {Key: "y", Value: int32(day)}, {Key: "b", Value: hours}}},
			{Key: "$inc", Value: bson.D{{Key: "v", Value: int64(1)}}},
		}))
	}
	all, err := e.change(ctx, changes...)
	if err == nil && !all {
		err = errRestless
	}
	return err
}

// loadDocuments inserts; a document that is there already stays, but not one
// that is there under another id.
func (e *Engine) loadDocuments(ctx context.Context, name string, rows []bson.Raw) error {
	c, err := e.collection(name)
	if err != nil || len(rows) == 0 {
		return err
	}
	ids, documents := make(bson.A, len(rows)), make([]any, len(rows))
	for i, raw := range rows {
		d, err := store.DecodeDocument(raw)
		if err != nil {
			return err
		}
		if documents[i], err = c.encode(d.ID, d.Rev, d.Body); err != nil {
			return err
		}
		ids[i] = d.ID
	}
	leave, err := e.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	_, err = c.InsertMany(ctx, documents, options.InsertMany().SetOrdered(false))
	repeated, ok := duplicates(err)
	if !ok {
		return told(ctx, err)
	}
	taken := make(bson.A, len(repeated))
	for i, at := range repeated {
		taken[i] = ids[at]
	}
	there, err := c.CountDocuments(ctx, bson.D{{Key: fieldID, Value: bson.D{{Key: "$in", Value: taken}}}})
	if err != nil {
		return told(ctx, err)
	}
	if there != int64(len(taken)) {
		return fmt.Errorf("%w under another id", venue.ErrExists)
	}
	return nil
}

// Leftovers are indexes of collections that no schema declares; see
// store.Archive. Those of the engine's own collections are left alone.
func (e *Engine) Leftovers(ctx context.Context) (names []string, err error) {
	err = e.eachLeftover(ctx, func(c *collection, index string) error {
		names = append(names, c.Name()+": "+index)
		return nil
	})
	return names, err
}

// DropLeftovers drops them; a process of an older version that still looks
// something up by one of them fails.
func (e *Engine) DropLeftovers(ctx context.Context) error {
	return e.eachLeftover(ctx, func(c *collection, index string) error { return told(ctx, c.Indexes().DropOne(ctx, index)) })
}

func (e *Engine) eachLeftover(ctx context.Context, visit func(c *collection, index string) error) error {
	leave, err := e.enter(ctx)
	if err != nil {
		return fmt.Errorf("leftover indexes: %w", err)
	}
	defer leave()
	for _, s := range e.schemas {
		c := e.collections[s.Name]
		there, err := c.Indexes().ListSpecifications(ctx)
		if err = told(ctx, err); err != nil {
			return fmt.Errorf("indexes of %s: %w", s.Name, err)
		}
		for _, x := range there {
			declared := slices.ContainsFunc(c.indexes, func(d *index) bool { return d.shape() == x.Name })
			if declared || x.Name == "_id_" {
				continue
			}
			if err := visit(c, x.Name); err != nil {
				return fmt.Errorf("index %s of %s: %w", x.Name, s.Name, err)
			}
		}
	}
	return nil
}
