package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// collection is a declared collection with the beginnings of its keys.
type collection struct {
	prefix  []byte // of documents
	indexes []*index
}

type index struct {
	store.Index
	name   string // collection 0 index
	prefix []byte
}

// declare checks the schemas: names are part of keys.
func declare(schemas []store.Schema) (map[string]*collection, error) {
	declared := map[string]*collection{}
	good := func(name string) bool { return name != "" && !strings.ContainsRune(name, 0) }
	for _, s := range schemas {
		if !good(s.Name) || declared[s.Name] != nil {
			return nil, fmt.Errorf("collection %q: no name, or declared twice", s.Name)
		}
		c := &collection{prefix: fmt.Appendf(nil, "%c%s\x00", prefixDocument, s.Name)}
		for _, x := range s.Indexes {
			if !good(x.Name) || len(x.Fields) == 0 || c.index(x.Name) != nil {
				return nil, fmt.Errorf("index %q of %s: no name, no fields, or declared twice", x.Name, s.Name)
			}
			name := s.Name + "\x00" + x.Name
			c.indexes = append(c.indexes, &index{x, name, fmt.Appendf(nil, "%c%s\x00", prefixIndex, name)})
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

func (c *collection) key(id string) []byte { return append(bytes.Clone(c.prefix), id...) }

// keys are a document's index keys, in the order of the indexes.
func (c *collection) keys(id string, body bson.Raw) ([][]byte, error) {
	keys := make([][]byte, len(c.indexes))
	for i, x := range c.indexes {
		k, err := x.key(id, body)
		if err != nil {
			return nil, err
		}
		keys[i] = k
	}
	return keys, nil
}

func (x *index) key(id string, body bson.Raw) (key []byte, err error) {
	key = bytes.Clone(x.prefix)
	for _, f := range x.Fields {
		if key, err = appendField(key, body, f); err != nil {
			return nil, err
		}
	}
	if !x.Unique {
		key = append(key, id...)
	}
	return key, nil
}

// id reads the document's id back from an index entry.
func (x *index) id(it *pebble.Iterator) (string, error) {
	if x.Unique {
		v, err := it.ValueAndErr()
		return string(v), err
	}
	id, err := cutTuple(it.Key()[len(x.prefix):], len(x.Fields))
	return string(id), err
}

// errBody stands for the driver's error, which holds the body.
var errBody = errors.New("body is not BSON")

const revLen = 8

func encode(rev int64, body bson.Raw) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, revLen+len(body)), uint64(rev)), body...)
}

func decode(id string, value []byte) (store.Document, error) {
	if len(value) < revLen {
		return store.Document{}, errors.New("document without revision")
	}
	return store.Document{
		ID:   id,
		Rev:  int64(binary.BigEndian.Uint64(value)),
		Body: bson.Raw(value[revLen:]),
	}, nil
}

func (e *Engine) collection(name string) (*collection, error) {
	if c := e.collections[name]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("no collection %q is declared", name)
}

// Get reads one document; see store.Documents.
func (e *Engine) Get(ctx context.Context, collection, id string) (store.Document, error) {
	var d store.Document
	c, err := e.collection(collection)
	if err != nil {
		return d, err
	}
	leave, err := e.enter(ctx)
	if err != nil {
		return d, err
	}
	defer leave()
	value, err := get(e.db, c.key(id))
	if err != nil {
		return d, err
	}
	if value == nil {
		return d, venue.ErrNotFound
	}
	return decode(id, value)
}

// GetAll reads documents; see store.Documents. Keys that follow each other are
// found faster.
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
	it, err := newLookup(e.db)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	for i, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		value, err := lookUp(it, c.key(id))
		if err == nil {
			err = e.goOn(ctx, i)
		}
		if err != nil {
			return nil, err
		}
		if value == nil {
			continue
		}
		d, err := decode(id, value)
		if err != nil {
			return nil, err
		}
		docs = append(docs, d)
	}
	return docs, nil
}

// newcomer is a document on its way in with all its keys, made by the caller so
// that the committer only looks up and copies.
type newcomer struct {
	id         string
	key, value []byte
	keys       [][]byte
}

func (c *collection) newcomer(id string, body bson.Raw) (n newcomer, err error) {
	if err := body.Validate(); err != nil {
		return n, errBody
	}
	n = newcomer{id: id, key: c.key(id), value: encode(1, body)}
	n.keys, err = c.keys(id, body)
	return n, err
}

// add puts a document in, or refuses it with venue.ErrExists.
func (c *collection) add(g *group, n *newcomer) error {
	there, err := g.get(n.key)
	if err != nil {
		return err
	}
	if there != nil {
		return venue.ErrExists
	}
	if err := c.free(g, n.keys, nil); err != nil {
		return err
	}
	g.set(n.key, n.value)
	c.reindex(g, n.id, nil, n.keys)
	return nil
}

// Insert adds a document; see store.Documents.
func (e *Engine) Insert(ctx context.Context, collection, id string, body bson.Raw) error {
	c, err := e.collection(collection)
	if err != nil {
		return err
	}
	n, err := c.newcomer(id, body)
	if err != nil {
		return err
	}
	if err := e.room(); err != nil {
		return err
	}
	return e.write(ctx, func(g *group) error { return c.add(g, &n) })
}

// InsertAll adds documents; see store.Documents. They share a commit.
func (e *Engine) InsertAll(ctx context.Context, collection string, docs []store.Document) ([]bool, error) {
	c, err := e.collection(collection)
	if err != nil || len(docs) == 0 {
		return nil, errors.Join(err, ctx.Err())
	}
	all := make([]newcomer, len(docs))
	for i, d := range docs {
		if all[i], err = c.newcomer(d.ID, d.Body); err != nil {
			return nil, err
		}
	}
	if err := e.room(); err != nil {
		return nil, err
	}
	added := make([]bool, len(all))
	err = e.write(ctx, func(g *group) error {
		for i := range all {
			err := c.add(g, &all[i])
			if added[i] = err == nil; !added[i] && !errors.Is(err, venue.ErrExists) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return added, nil
}

// Replace writes over a document; see store.Documents.
func (e *Engine) Replace(ctx context.Context, collection string, d store.Document) (rev int64, err error) {
	c, err := e.collection(collection)
	if err != nil {
		return 0, err
	}
	if err := d.Body.Validate(); err != nil {
		return 0, errBody
	}
	keys, err := c.keys(d.ID, d.Body)
	if err != nil {
		return 0, err
	}
	if err := e.room(); err != nil {
		return 0, err
	}
	key, value := c.key(d.ID), encode(d.Rev+1, d.Body)
	err = e.write(ctx, func(g *group) error {
		old, err := c.present(g, key, d.ID, d.Rev)
		if err != nil {
			return err
		}
		if err := c.free(g, keys, old); err != nil {
			return err
		}
		g.set(key, value)
		c.reindex(g, d.ID, old, keys)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return d.Rev + 1, nil
}

// Delete removes a document; see store.Documents.
func (e *Engine) Delete(ctx context.Context, collection, id string, rev int64) error {
	c, err := e.collection(collection)
	if err != nil {
		return err
	}
	key := c.key(id)
	return e.write(ctx, func(g *group) error {
		if rev == 0 {
			rev = anyRev
		}
		old, err := c.present(g, key, id, rev)
		if err != nil {
			return err
		}
		g.delete(key)
		c.reindex(g, id, old, nil)
		return nil
	})
}

const anyRev = -1

// present checks that a document is there at a revision and returns its index
// keys.
func (c *collection) present(g *group, key []byte, id string, rev int64) (keys [][]byte, err error) {
	value, err := g.get(key)
	if err != nil {
		return nil, err
	}
	if value == nil {
		return nil, venue.ErrNotFound
	}
	d, err := decode(id, value)
	if err != nil {
		return nil, err
	}
	if rev != anyRev && d.Rev != rev {
		return nil, venue.ErrStale
	}
	return c.keys(id, d.Body)
}

// free checks that no other document has the values of a unique index; old are
// the keys that the document itself has, nil if it is new.
func (c *collection) free(g *group, keys, old [][]byte) error {
	for i, x := range c.indexes {
		if !x.Unique || old != nil && bytes.Equal(keys[i], old[i]) {
			continue
		}
		owner, err := g.get(keys[i])
		if err != nil {
			return err
		}
		if owner != nil {
			return fmt.Errorf("%w under another id with the same %s", venue.ErrExists, x.Name)
		}
	}
	return nil
}

// reindex moves a document's index entries from old to keys; nil is none.
func (c *collection) reindex(g *group, id string, old, keys [][]byte) {
	for i, x := range c.indexes {
		if old != nil && keys != nil && bytes.Equal(old[i], keys[i]) {
			continue
		}
		if old != nil && x.Unique {
			g.delete(old[i])
		} else if old != nil {
			_ = g.batch.Delete(old[i], nil) // fails only on a closed batch
		}
		if keys != nil && x.Unique {
			g.set(keys[i], []byte(id))
		} else if keys != nil {
			_ = g.batch.Set(keys[i], nil, nil)
		}
	}
}

// formatVersion of the key space; a folder of another version is not opened.
const formatVersion = "1"

// prepare checks the folder's version, drops indexes that are no longer
// declared and builds those that are new or have changed.
func (e *Engine) prepare() error {
	format := append([]byte{prefixMeta}, "format"...)
	if v, err := get(e.db, format); err != nil {
		return err
	} else if v == nil {
		if err := e.db.Set(format, []byte(formatVersion), pebble.Sync); err != nil {
			return err
		}
	} else if string(v) != formatVersion {
		return fmt.Errorf("the folder has format %q, this program reads %q", v, formatVersion)
	}

	declared := map[string]*index{}
	owner := map[string]*collection{}
	for _, c := range e.collections {
		for _, x := range c.indexes {
			declared[x.name], owner[x.name] = x, c
		}
	}
	built := map[string]bool{}
	head := append([]byte{prefixMeta}, "index/"...)
	it, err := e.within(e.db, head)
	if err != nil {
		return err
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		name := string(it.Key()[len(head):])
		if x := declared[name]; x != nil && x.shape() == string(it.Value()) {
			built[name] = true
			continue
		}
		entries := fmt.Appendf(nil, "%c%s\x00", prefixIndex, name)
		if err := e.db.DeleteRange(entries, behind(entries), pebble.Sync); err != nil {
			return err
		}
		if err := e.db.Delete(it.Key(), pebble.Sync); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return err
	}
	for name, x := range declared {
		if built[name] {
			continue
		}
		if err := e.build(owner[name], x); err != nil {
			return fmt.Errorf("build index %s: %w", x.Name, err)
		}
		if err := e.db.Set(append(bytes.Clone(head), name...), []byte(x.shape()), pebble.Sync); err != nil {
			return err
		}
	}
	return nil
}

// shape is what an index must be built again for.
func (x *index) shape() string { return fmt.Sprintf("%t %q", x.Unique, x.Fields) }

// build writes the entries of an index for the documents that are there.
func (e *Engine) build(c *collection, x *index) error {
	it, err := e.within(e.db, c.prefix)
	if err != nil {
		return err
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		id := string(it.Key()[len(c.prefix):])
		d, err := decode(id, it.Value())
		if err != nil {
			return err
		}
		key, err := x.key(id, d.Body)
		if err != nil {
			return fmt.Errorf("a document has no place in it: %w", err)
		}
		var value []byte
		if x.Unique {
			if taken, err := get(e.db, key); err != nil {
				return err
			} else if taken != nil && string(taken) != id {
				return fmt.Errorf("two documents have the same values: %w", venue.ErrExists)
			}
			value = []byte(id)
		}
		if err := e.db.Set(key, value, pebble.NoSync); err != nil {
			return err
		}
	}
	return it.Error()
}
