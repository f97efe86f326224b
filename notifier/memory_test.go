package notifier

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// memory is a store.Documents that knows the outbox and its index.
type memory struct {
	mu   sync.Mutex
	docs map[string]store.Document
	fail error // of every Replace, while set
}

func (m *memory) Get(_ context.Context, _, id string) (store.Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.docs[id]
	if !ok {
		return d, venue.ErrNotFound
	}
	return d, nil
}

func (m *memory) Insert(_ context.Context, _, id string, body bson.Raw) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.docs[id]; ok {
		return venue.ErrExists
	}
	m.docs[id] = store.Document{ID: id, Rev: 1, Body: body}
	return nil
}

func (m *memory) GetAll(context.Context, string, []string) ([]store.Document, error) {
	panic("never many")
}

func (m *memory) InsertAll(context.Context, string, []store.Document) ([]bool, error) {
	panic("never many")
}

func (m *memory) Replace(_ context.Context, _ string, d store.Document) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return 0, m.fail
	}
	if m.docs[d.ID].Rev != d.Rev {
		return 0, venue.ErrStale
	}
	d.Rev++
	m.docs[d.ID] = d
	return d.Rev, nil
}

func (m *memory) Delete(_ context.Context, _, id string, _ int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.docs, id)
	return nil
}

func (m *memory) Find(_ context.Context, _ string, q store.Query) iter.Seq2[store.Document, error] {
	m.mu.Lock()
	defer m.mu.Unlock()
	due := func(d store.Document) time.Time { return d.Body.Lookup("due").Time() }
	var found []store.Document
	for _, d := range m.docs {
		from, _ := q.From.(time.Time)
		to, bounded := q.To.(time.Time)
		if !due(d).Before(from) && d.Body.Lookup("state").StringValue() == q.Equal[0] && !(bounded && !due(d).Before(to)) {
			found = append(found, d)
		}
	}
	slices.SortFunc(found, func(a, b store.Document) int {
		if c := due(a).Compare(due(b)); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	if q.Limit > 0 {
		found = found[:min(q.Limit, len(found))]
	}
	return func(yield func(store.Document, error) bool) {
		for _, d := range found {
			if !yield(d, nil) {
				return
			}
		}
	}
}
