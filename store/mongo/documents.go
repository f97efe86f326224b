package mongo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// How a document lies: bodies keep their bytes, and indexes over top-level
// fields are ordinary ones.
const (
	fieldID  = store.FieldID
	fieldRev = store.FieldRev
)

type collection struct {
	*driver.Collection
	indexes []*index
}

type index struct{ store.Index }

// declare checks the schemas.
func declare(db *driver.Database, schemas []store.Schema) (map[string]*collection, error) {
	declared := map[string]*collection{}
	good := func(name string) bool { return name != "" && !strings.ContainsAny(name, "\x00$") }
	for _, s := range schemas {
		_, scans := store.ScansDay(s.Name)
		if !good(s.Name) || declared[s.Name] != nil || scans || s.Name == hoursName || s.Name == readyName {
			return nil, fmt.Errorf("collection %q: not a name, one of the engine's own, or declared twice", s.Name)
		}
		c := &collection{Collection: db.Collection(s.Name)}
		for _, x := range s.Indexes {
			if !good(x.Name) || len(x.Fields) == 0 || c.index(x.Name) != nil {
				return nil, fmt.Errorf("index %q of %s: no name, no fields, or declared twice", x.Name, s.Name)
			}
			c.indexes = append(c.indexes, &index{x})
		}
		declared[s.Name] = c
	}
	return declared, nil
}

func (c *collection) index(name string) *index {
	for _, x := range c.indexes {
		if x.Name == name {
			return x
		}
	}
	return nil
}

// order is what the index orders by. No two documents of a unique index tie.
func (x *index) order() []string {
	if x.Unique {
		return x.Fields
	}
	return append(slices.Clone(x.Fields), fieldID)
}

// shape is the name of the index at the server. An index that is declared
// otherwise is another one: processes of both versions find theirs.
func (x *index) shape() string {
	unique := ""
	if x.Unique {
		unique = "unique "
	}
	return fmt.Sprintf("%s: %s%s", x.Name, unique, strings.Join(x.Fields, " "))
}

func (x *index) model() driver.IndexModel {
	o := options.Index().SetName(x.shape())
	if x.Unique {
		o.SetUnique(true)
	}
	return driver.IndexModel{Keys: ascending(x.order()...), Options: o}
}

// encode is a document as it lies, if it has a place in every index.
func (c *collection) encode(id string, rev int64, body bson.Raw) (bson.Raw, error) {
	if err := body.Validate(); err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	for _, reserved := range []string{fieldID, fieldRev} {
		if _, err := body.LookupErr(reserved); err == nil {
			return nil, &venue.Invalid{Field: reserved, Reason: "reserved"}
		}
	}
	for _, x := range c.indexes {
		for _, f := range x.Fields {
			if _, err := indexed(body, f); err != nil {
				return nil, err
			}
		}
	}
	return store.EncodeDocument(make([]byte, 0, len(body)+len(id)+32), store.Document{ID: id, Rev: rev, Body: body}), nil
}

// indexed is the value of a field that an index orders by.
func indexed(body bson.Raw, field string) (bson.RawValue, error) {
	v, err := body.LookupErr(field)
	if err != nil {
		return v, &venue.Invalid{Field: field, Reason: "missing"}
	}
	switch v.Type {
	case bson.TypeBoolean, bson.TypeInt32, bson.TypeInt64, bson.TypeDateTime, bson.TypeString, bson.TypeBinary:
		return v, nil
	}
	return v, &venue.Invalid{Field: field, Reason: "type"}
}

func (e *Engine) collection(name string) (*collection, error) {
	if c := e.collections[name]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("no collection %q is declared", name)
}

func byID(id string) bson.D { return bson.D{{Key: fieldID, Value: id}} }

func byRev(id string, rev int64) bson.D {
	return bson.D{{Key: fieldID, Value: id}, {Key: fieldRev, Value: rev}}
}

// Get reads one document; see store.Documents.
func (e *Engine) Get(ctx context.Context, collection, id string) (d store.Document, err error) {
	c, err := e.collection(collection)
	if err != nil {
		return d, err
	}
	leave, err := e.enter(ctx)
	if err != nil {
		return d, err
	}
	defer leave()
	raw, err := c.FindOne(ctx, byID(id)).Raw()
	if errors.Is(err, driver.ErrNoDocuments) {
		return d, venue.ErrNotFound
	}
	if err != nil {
		return d, told(ctx, err)
	}
	return store.DecodeDocument(raw)
}

// GetAll reads documents; see store.Documents.
func (e *Engine) GetAll(ctx context.Context, collection string, ids []string) (docs []store.Document, err error) {
	c, err := e.collection(collection)
	if err != nil {
		return nil, err
	}
	leave, err := e.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if len(ids) == 0 {
		return nil, nil
	}
	cursor, err := c.Collection.Find(ctx, bson.D{{Key: fieldID, Value: bson.D{{Key: "$in", Value: ids}}}})
	if err != nil {
		return nil, told(ctx, err)
	}
	defer cursor.Close(context.WithoutCancel(ctx))
	for cursor.Next(ctx) {
		d, err := store.DecodeDocument(slices.Clone(cursor.Current))
		if err != nil {
			return nil, err
		}
		docs = append(docs, d)
	}
	return docs, told(ctx, cursor.Err())
}

// Insert adds a document; see store.Documents.
func (e *Engine) Insert(ctx context.Context, collection, id string, body bson.Raw) error {
	c, err := e.collection(collection)
	if err != nil {
		return err
	}
	doc, err := c.encode(id, 1, body)
	if err != nil {
		return err
	}
	leave, err := e.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	_, err = c.InsertOne(ctx, doc)
	return c.told(ctx, err)
}

// InsertAll adds documents; see store.Documents.
func (e *Engine) InsertAll(ctx context.Context, collection string, docs []store.Document) ([]bool, error) {
	c, err := e.collection(collection)
	if err != nil || len(docs) == 0 {
		return nil, errors.Join(err, ctx.Err())
	}
	rows, added := make([]any, len(docs)), make([]bool, len(docs))
	for i, d := range docs {
		if rows[i], err = c.encode(d.ID, 1, d.Body); err != nil {
			return nil, err
		}
		added[i] = true
	}
	leave, err := e.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if _, err := c.InsertMany(ctx, rows, options.InsertMany().SetOrdered(false)); err != nil {
		taken, ok := duplicates(err)
		if !ok {
			return nil, told(ctx, err)
		}
		for _, i := range taken {
			added[i] = false
		}
	}
	return added, nil
}

// Replace writes over a document; see store.Documents.
func (e *Engine) Replace(ctx context.Context, collection string, d store.Document) (rev int64, err error) {
	c, err := e.collection(collection)
	if err != nil {
		return 0, err
	}
	doc, err := c.encode(d.ID, d.Rev+1, d.Body)
	if err != nil {
		return 0, err
	}
	leave, err := e.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	done, err := c.ReplaceOne(ctx, byRev(d.ID, d.Rev), doc)
	if err != nil {
		return 0, c.told(ctx, err)
	}
	if done.MatchedCount == 0 {
		return 0, c.missed(ctx, d.ID)
	}
	return d.Rev + 1, nil
}

// Delete removes a document; see store.Documents.
func (e *Engine) Delete(ctx context.Context, collection, id string, rev int64) error {
	c, err := e.collection(collection)
	if err != nil {
		return err
	}
	leave, err := e.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	filter := byID(id)
	if rev != 0 {
		filter = byRev(id, rev)
	}
	done, err := c.DeleteOne(ctx, filter)
	if err != nil {
		return told(ctx, err)
	}
	if done.DeletedCount == 0 {
		return c.missed(ctx, id)
	}
	return nil
}

// missed says why a write of a revision found nothing to write over. The server
// answers such a write when a majority has what it saw, so this sees it too.
func (c *collection) missed(ctx context.Context, id string) error {
	_, err := c.FindOne(ctx, byID(id), options.FindOne().SetProjection(ascending(fieldID))).Raw()
	if errors.Is(err, driver.ErrNoDocuments) {
		return venue.ErrNotFound
	}
	if err != nil {
		return told(ctx, err)
	}
	return venue.ErrStale
}

// told is ErrExists for an error that says that the id, or the values of a
// declared unique index, are taken. Which values is nobody's business.
func (c *collection) told(ctx context.Context, err error) error {
	fields, ok := duplicateOf(err)
	if !ok {
		return told(ctx, err)
	}
	if len(fields) == 0 || slices.Equal(fields, []string{fieldID}) {
		return venue.ErrExists
	}
	for _, x := range c.indexes {
		if x.Unique && slices.Equal(fields, x.Fields) {
			return fmt.Errorf("%w under another id with the same %s", venue.ErrExists, x.Name)
		}
	}
	return fmt.Errorf("%s has a unique index that nobody declares, over %q", c.Name(), fields)
}
