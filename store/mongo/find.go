package mongo

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/venuecode/venuecode/store"
)

// Find yields documents by an index; see store.Documents.
func (e *Engine) Find(ctx context.Context, collection string, q store.Query) iter.Seq2[store.Document, error] {
	return store.Stream(func(yield func(store.Document) bool) error { return e.find(ctx, collection, q, yield) })
}

func (e *Engine) find(ctx context.Context, collection string, q store.Query, yield func(store.Document) bool) error {
	c, err := e.collection(collection)
	if err != nil {
		return err
	}
	p, err := c.plan(q)
	if err != nil {
		return err
	}
	leave, err := e.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	left := q.Limit
	for _, filter := range p.filters {
		more, err := e.findIn(ctx, c, p, filter, &left, yield)
		if !more || err != nil {
			return err
		}
	}
	return nil
}

// findIn yields what one filter finds. left is how many are still wanted, any
// number if the query has no limit.
func (e *Engine) findIn(ctx context.Context, c *collection, p plan, filter bson.D, left *int, yield func(store.Document) bool) (more bool, err error) {
	o := options.Find().SetSort(p.sort).SetHint(p.hint).SetLimit(int64(*left))
	cursor, err := c.Collection.Find(ctx, filter, o)
	if err != nil {
		return false, told(ctx, err)
	}
	defer cursor.Close(context.WithoutCancel(ctx))
	for cursor.Next(ctx) {
		if err := e.goOn(ctx); err != nil {
			return false, err
		}
		d, err := store.DecodeDocument(cursor.Current)
		if err != nil {
			return false, err
		}
		*left--
		if !yield(d) || *left == 0 {
			return false, nil
		}
	}
	return true, told(ctx, cursor.Err())
}

// plan is a query as ranges of one index, to be read one after the other.
type plan struct {
	filters []bson.D
	sort    bson.D
	hint    string
}

func (c *collection) plan(q store.Query) (p plan, err error) {
	order, declared := []string{fieldID}, 0
	p.hint = "_id_"
	if q.Index != "" {
		x := c.index(q.Index)
		if x == nil {
			return p, fmt.Errorf("no index %q is declared", q.Index)
		}
		order, declared, p.hint = x.order(), len(x.Fields), x.shape()
	}
	if len(q.Equal) > declared {
		return p, fmt.Errorf("index %q has %d fields, %d values are given", q.Index, declared, len(q.Equal))
	}
	if q.Index != "" && (q.From != nil || q.To != nil) && len(q.Equal) == declared {
		return p, fmt.Errorf("index %q has no field left for a range", q.Index)
	}
	direction, behind := 1, "$gt"
	if q.Reverse {
		direction, behind = -1, "$lt"
	}
	for _, f := range order {
		p.sort = append(p.sort, bson.E{Key: f, Value: direction})
	}
	equal := bson.D{}
	for i, v := range q.Equal {
		if v, err = value(v); err != nil {
			return p, err
		}
		equal = append(equal, bson.E{Key: order[i], Value: bson.D{{Key: "$eq", Value: v}}})
	}
	within, err := within(q)
	if err != nil {
		return p, err
	}
	free := order[len(q.Equal):]
	if q.After == nil {
		if len(within) > 0 {
			equal = append(equal, bson.E{Key: free[0], Value: within})
		}
		p.filters = []bson.D{equal}
		return p, nil
	}

	// What comes behind a document agrees with it in all free fields but the
	// last, then in all but the last two, and so on: each a range of the index.
	last := make([]any, len(free))
	for i, f := range free {
		if f == fieldID {
			last[i] = q.After.ID
		} else if last[i], err = indexed(q.After.Body, f); err != nil {
			return p, fmt.Errorf("continue behind a document: %w", err)
		}
	}
	for n := len(free) - 1; n >= 0; n-- {
		filter := slices.Clone(equal)
		for i := range n {
			filter = append(filter, bson.E{Key: free[i], Value: bson.D{{Key: "$eq", Value: last[i]}}})
		}
		filter = append(filter, bson.E{Key: free[n], Value: bson.D{{Key: behind, Value: last[n]}}})
		if len(within) > 0 {
			filter = append(filter, bson.E{Key: "$and", Value: bson.A{bson.D{{Key: free[0], Value: within}}}})
		}
		p.filters = append(p.filters, filter)
	}
	return p, nil
}

// within is the query's range as a condition on its field; empty if both ends
// are open.
func within(q store.Query) (condition bson.D, err error) {
	for _, end := range []struct {
		operator string
		at       any
	}{{"$gte", q.From}, {"$lt", q.To}} {
		if end.at == nil {
			continue
		}
		if _, id := end.at.(string); q.Index == "" && !id {
			return nil, fmt.Errorf("a range over ids can not end at a %T", end.at)
		}
		if t, ok := end.at.(time.Time); ok {
			// Whole milliseconds are kept: t ≤ value and the first of them ≤ value agree.
			end.at = time.UnixMilli(firstMs(t))
		}
		v, err := value(end.at)
		if err != nil {
			return nil, err
		}
		condition = append(condition, bson.E{Key: end.operator, Value: v})
	}
	return condition, nil
}

// value is one value of the types that store.Query admits, as it is stored.
func value(v any) (any, error) {
	switch v := v.(type) {
	case bool, int, int32, int64, string:
		return v, nil
	case time.Time:
		return bson.DateTime(v.UnixMilli()), nil
	case []byte:
		return bson.Binary{Data: v}, nil
	}
	return nil, fmt.Errorf("an index knows no values of type %T", v)
}
