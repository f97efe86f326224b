package spool

import (
	"context"
	"iter"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/store"
)

// Nobody waits for a store that is known to be away: a phone that scans would
// wait for a name or a colour with its owner at the door.

func (e *Engine) there() error {
	if e.down.Load() {
		return ErrAway
	}
	return nil
}

// Get reads one document; see store.Documents.
func (e *Engine) Get(ctx context.Context, collection, id string) (store.Document, error) {
	if err := e.there(); err != nil {
		return store.Document{}, err
	}
	return e.Engine.Get(ctx, collection, id)
}

// GetAll reads documents; see store.Documents.
func (e *Engine) GetAll(ctx context.Context, collection string, ids []string) ([]store.Document, error) {
	if err := e.there(); err != nil {
		return nil, err
	}
	return e.Engine.GetAll(ctx, collection, ids)
}

// Insert adds a document; see store.Documents.
func (e *Engine) Insert(ctx context.Context, collection, id string, body bson.Raw) error {
	if err := e.there(); err != nil {
		return err
	}
	return e.Engine.Insert(ctx, collection, id, body)
}

// InsertAll adds documents; see store.Documents.
func (e *Engine) InsertAll(ctx context.Context, collection string, docs []store.Document) ([]bool, error) {
	if err := e.there(); err != nil {
		return nil, err
	}
	return e.Engine.InsertAll(ctx, collection, docs)
}

// Replace writes over a document; see store.Documents.
func (e *Engine) Replace(ctx context.Context, collection string, d store.Document) (rev int64, err error) {
	if err := e.there(); err != nil {
		return 0, err
	}
	return e.Engine.Replace(ctx, collection, d)
}

// Delete removes a document; see store.Documents.
func (e *Engine) Delete(ctx context.Context, collection, id string, rev int64) error {
	if err := e.there(); err != nil {
		return err
	}
	return e.Engine.Delete(ctx, collection, id, rev)
}

// Find yields documents; see store.Documents.
func (e *Engine) Find(ctx context.Context, collection string, q store.Query) iter.Seq2[store.Document, error] {
	if err := e.there(); err != nil {
		return func(yield func(store.Document, error) bool) { yield(store.Document{}, err) }
	}
	return e.Engine.Find(ctx, collection, q)
}
