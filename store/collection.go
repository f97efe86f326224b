package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/venue"
)

// Row is a typed document.
type Row[T any] struct {
	ID    string
	Rev   int64
	Value T
}

// Collection is a named set of documents of one type, over any engine.
type Collection[T any] struct {
	docs   Documents
	schema Schema
}

// NewCollection binds a declared collection to its type. It panics if T holds a
// private value: those reach the store only sealed, and the driver would
// silently write a masking struct as nothing.
func NewCollection[T any](docs Documents, schema Schema) Collection[T] {
	if path := privateField(reflect.TypeFor[T](), nil); path != "" {
		panic(fmt.Sprintf("store: collection %s: %s can not be stored in clear", schema.Name, path))
	}
	return Collection[T]{docs, schema}
}

// Get reads one; venue.ErrNotFound.
func (c Collection[T]) Get(ctx context.Context, id string) (Row[T], error) {
	d, err := c.docs.Get(ctx, c.schema.Name, id)
	if err != nil {
		return Row[T]{}, fmt.Errorf("get %s: %w", c.schema.Name, err)
	}
	return c.decode(d)
}

// GetAll reads, by id, those that there are, each once however often it is named.
func (c Collection[T]) GetAll(ctx context.Context, ids []string) (map[string]T, error) {
	found := make(map[string]T, len(ids))
	for some := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(ids))), atOnce) {
		docs, err := c.docs.GetAll(ctx, c.schema.Name, some)
		if err != nil {
			return nil, fmt.Errorf("get %s: %w", c.schema.Name, err)
		}
		for _, d := range docs {
			row, err := c.decode(d)
			if err != nil {
				return nil, err
			}
			found[d.ID] = row.Value
		}
	}
	return found, nil
}

// Insert adds one; venue.ErrExists.
func (c Collection[T]) Insert(ctx context.Context, id string, v T) error {
	body, err := bson.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", c.schema.Name, err)
	}
	if err := c.docs.Insert(ctx, c.schema.Name, id, body); err != nil {
		return fmt.Errorf("insert %s: %w", c.schema.Name, err)
	}
	return nil
}

// InsertAll adds those whose id, or whose values of a unique index, nobody has,
// and says which: see Documents. Rev is not looked at.
func (c Collection[T]) InsertAll(ctx context.Context, rows []Row[T]) (added []bool, err error) {
	for some := range slices.Chunk(rows, atOnce) {
		docs := make([]Document, len(some))
		for i, r := range some {
			docs[i].ID = r.ID
			if docs[i].Body, err = bson.Marshal(r.Value); err != nil {
				return nil, fmt.Errorf("encode %s: %w", c.schema.Name, err)
			}
		}
		more, err := c.docs.InsertAll(ctx, c.schema.Name, docs)
		if err != nil {
			return nil, fmt.Errorf("insert %s: %w", c.schema.Name, err)
		}
		added = append(added, more...)
	}
	return added, nil
}

// atOnce is how many documents an engine is given at once.
const atOnce = 500

// Replace writes r.Value over the document read as r and returns the row as it
// is now; venue.ErrStale, venue.ErrNotFound.
func (c Collection[T]) Replace(ctx context.Context, r Row[T]) (Row[T], error) {
	body, err := bson.Marshal(r.Value)
	if err != nil {
		return r, fmt.Errorf("encode %s: %w", c.schema.Name, err)
	}
	rev, err := c.docs.Replace(ctx, c.schema.Name, Document{ID: r.ID, Rev: r.Rev, Body: body})
	if err != nil {
		return r, fmt.Errorf("replace %s: %w", c.schema.Name, err)
	}
	r.Rev = rev
	return r, nil
}

// Update reads, changes and writes back, again if somebody else was faster.
// change must depend on nothing but its argument; its error ends the update
// and nothing is written. Put semantics: with create, an absent document starts
// as the zero value.
func (c Collection[T]) Update(ctx context.Context, id string, create bool, change func(*T) error) (Row[T], error) {
	for {
		row, err := c.Get(ctx, id)
		absent := errors.Is(err, venue.ErrNotFound)
		if absent && create {
			row = Row[T]{ID: id}
		} else if err != nil {
			return row, err
		}
		if err := change(&row.Value); err != nil {
			return row, err
		}
		if absent {
			err = c.Insert(ctx, id, row.Value)
			row.Rev = 1
		} else {
			row, err = c.Replace(ctx, row)
		}
		retry := errors.Is(err, venue.ErrStale) ||
			absent && errors.Is(err, venue.ErrExists)
		if !retry || ctx.Err() != nil {
			return row, err
		}
	}
}

// Delete removes one at a revision, or at any if rev is 0; venue.ErrNotFound,
// venue.ErrStale.
func (c Collection[T]) Delete(ctx context.Context, id string, rev int64) error {
	if err := c.docs.Delete(ctx, c.schema.Name, id, rev); err != nil {
		return fmt.Errorf("delete %s: %w", c.schema.Name, err)
	}
	return nil
}

// Find yields rows in the order of the query's index.
func (c Collection[T]) Find(ctx context.Context, q Query) iter.Seq2[Row[T], error] {
	return func(yield func(Row[T], error) bool) {
		for d, err := range c.docs.Find(ctx, c.schema.Name, q) {
			var row Row[T]
			if err == nil {
				row, err = c.decode(d)
			}
			if err != nil {
				yield(row, fmt.Errorf("find %s: %w", c.schema.Name, err))
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// All collects what Find yields.
func (c Collection[T]) All(ctx context.Context, q Query) ([]Row[T], error) {
	var rows []Row[T]
	for row, err := range c.Find(ctx, q) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (c Collection[T]) decode(d Document) (Row[T], error) {
	row := Row[T]{ID: d.ID, Rev: d.Rev}
	if err := bson.Unmarshal(d.Body, &row.Value); err != nil {
		return row, fmt.Errorf("decode %s: %w", c.schema.Name, err)
	}
	return row, nil
}

// privateField finds a struct inside t that the codec would write as nothing.
func privateField(t reflect.Type, seen map[reflect.Type]bool) string {
	if seen[t] {
		return ""
	}
	if seen == nil {
		seen = map[reflect.Type]bool{}
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return privateField(t.Elem(), seen)
	case reflect.Struct:
		if t.PkgPath() == "time" {
			return ""
		}
		exported := 0
		for f := range t.Fields() {
			if !f.IsExported() {
				continue
			}
			exported++
			if p := privateField(f.Type, seen); p != "" {
				return f.Name + "." + p
			}
		}
		if exported == 0 {
			return t.String()
		}
	}
	return ""
}
