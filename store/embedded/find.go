package embedded

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/venuecode/venuecode/store"
)

// Find yields documents by an index, as they were when the iteration began; see
// store.Documents.
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
	if p.upper != nil && bytes.Compare(p.lower, p.upper) >= 0 {
		return nil
	}
	view := e.db.NewSnapshot()
	defer view.Close()
	it, err := view.NewIter(&pebble.IterOptions{LowerBound: p.lower, UpperBound: p.upper})
	if err != nil {
		return err
	}
	defer it.Close()
	begin, step := it.First, it.Next
	if q.Reverse {
		begin, step = it.Last, it.Prev
	}
	rows := 0
	for more := begin(); more; more = step() {
		d, err := c.read(view, it, p.index)
		if err != nil {
			return err
		}
		rows++
		if err := e.goOn(ctx, rows); err != nil {
			return err
		}
		if !yield(d) || rows == q.Limit {
			return nil
		}
	}
	return it.Error()
}

// read is the document that the iterator stands on, or leads to.
func (c *collection) read(view pebble.Reader, it *pebble.Iterator, x *index) (store.Document, error) {
	if x == nil {
		value, err := it.ValueAndErr()
		if err != nil {
			return store.Document{}, err
		}
		return decode(string(it.Key()[len(c.prefix):]), bytes.Clone(value))
	}
	id, err := x.id(it)
	if err != nil {
		return store.Document{}, err
	}
	value, err := get(view, c.key(id))
	if err != nil {
		return store.Document{}, err
	}
	if value == nil {
		return store.Document{}, fmt.Errorf("index %s leads to a document that is not there", x.Name)
	}
	return decode(id, value)
}

// plan is a query as a range of keys, [lower, upper).
type plan struct {
	index        *index // nil: over the ids
	lower, upper []byte
}

func (c *collection) plan(q store.Query) (p plan, err error) {
	head := c.prefix
	if q.Index != "" {
		if p.index = c.index(q.Index); p.index == nil {
			return p, fmt.Errorf("no index %q is declared", q.Index)
		}
		head = p.index.prefix
	}
	fields := 0
	if p.index != nil {
		fields = len(p.index.Fields)
	}
	if len(q.Equal) > fields {
		return p, fmt.Errorf("index %q has %d fields, %d values are given", q.Index, fields, len(q.Equal))
	}
	head = bytes.Clone(head)
	for _, v := range q.Equal {
		if head, err = appendValue(head, v); err != nil {
			return p, err
		}
	}
	p.lower, p.upper = head, behind(head)
	if p.index != nil && (q.From != nil || q.To != nil) && len(q.Equal) == fields {
		return p, fmt.Errorf("index %q has no field left for a range", q.Index)
	}
	// The end that is left open still ends with the type of the other.
	if q.To != nil {
		if p.upper, err = p.end(head, q.To); err != nil {
			return p, err
		}
		if p.index != nil {
			p.lower = p.upper[:len(head)+1]
		}
	}
	if q.From != nil {
		if p.lower, err = p.end(head, q.From); err != nil {
			return p, err
		}
		if q.To == nil && p.index != nil {
			p.upper = behind(p.lower[:len(head)+1])
		}
	}
	return c.after(p, q)
}

// end is where a bound of the range lies.
func (p plan) end(head []byte, bound any) ([]byte, error) {
	head = head[:len(head):len(head)]
	if p.index == nil {
		id, ok := bound.(string)
		if !ok {
			return nil, fmt.Errorf("a range over ids can not end at a %T", bound)
		}
		return append(head, id...), nil
	}
	if t, ok := bound.(time.Time); ok {
		// Whole milliseconds are kept: t ≤ value and the first of them ≤ value agree.
		bound = time.UnixMilli(firstMs(t))
	}
	return appendValue(head, bound)
}

// after cuts off what was on the pages before.
func (c *collection) after(p plan, q store.Query) (plan, error) {
	if q.After == nil {
		return p, nil
	}
	last := c.key(q.After.ID)
	if p.index != nil {
		var err error
		if last, err = p.index.key(q.After.ID, q.After.Body); err != nil {
			return p, fmt.Errorf("continue behind a document: %w", err)
		}
	}
	if q.Reverse {
		if p.upper == nil || bytes.Compare(last, p.upper) < 0 {
			p.upper = last
		}
		return p, nil
	}
	if last = append(last, 0); bytes.Compare(last, p.lower) > 0 { // the least key above
		p.lower = last
	}
	return p, nil
}
