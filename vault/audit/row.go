package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/venuecode/venuecode/store"
)

// Row is an event in its place.
type Row struct {
	Chain string
	Seq   int64 // from 1
	Event Event
	Prev  Hash // of the row before; zero of the first
	Hash  Hash
}

// ID names the row in the whole trail.
func (r Row) ID() string { return rowID(r.Chain, r.Seq) }

// newRow puts an event behind the row whose hash is prev.
func newRow(chain string, seq int64, prev Hash, e Event) (Row, bson.Raw) {
	event := e.encode()
	r := Row{Chain: chain, Seq: seq, Event: e, Prev: prev}
	r.Hash = hashRow(chain, seq, e.At, prev, sha256.Sum256(event))
	return r, r.body(event)
}

// body is the one way to store a row. at, actor and object repeat the event for
// the indexes, chain and seq the id, so that a row knows its place.
func (r Row) body(event []byte) bson.Raw {
	at, b := bsoncore.AppendDocumentStart(make([]byte, 0, 512))
	b = bsoncore.AppendStringElement(b, "chain", r.Chain)
	b = bsoncore.AppendInt64Element(b, "seq", r.Seq)
	b = bsoncore.AppendDateTimeElement(b, "at", r.Event.At.UnixMilli())
	b = bsoncore.AppendStringElement(b, "actor", r.Event.Actor)
	b = bsoncore.AppendStringElement(b, "object", r.Event.Object.key())
	b = bsoncore.AppendBinaryElement(b, "event", 0, event)
	b = bsoncore.AppendBinaryElement(b, "prev", 0, r.Prev[:])
	b = bsoncore.AppendBinaryElement(b, "hash", 0, r.Hash[:])
	b, _ = bsoncore.AppendDocumentEnd(b, at) // at is where it started
	return b
}

// What is wrong with a stored row by itself.
var (
	errAltered = errors.New("not as it was written")
	errPlace   = errors.New("not where it was written")
)

// readRow reads a document back. errAltered unless it is, to the byte, what
// newRow makes of its event in its place; errPlace if it was written for another
// place.
func readRow(d store.Document) (Row, error) {
	chain, seq, ok := splitID(d.ID)
	if !ok {
		return Row{}, errPlace
	}
	event, okEvent := field(d.Body, "event")
	prev, okPrev := field(d.Body, "prev")
	e, err := decodeEvent(event)
	if !okEvent || !okPrev || err != nil || len(prev) != len(Hash{}) || d.Rev != 1 {
		return Row{}, errAltered
	}
	r := Row{Chain: chain, Seq: seq, Event: e, Prev: Hash(prev)}
	r.Hash = hashRow(chain, seq, e.At, r.Prev, sha256.Sum256(event))
	if bytes.Equal(r.body(event), d.Body) {
		return r, nil
	}
	if own, ok := d.Body.Lookup("seq").Int64OK(); ok && own != seq {
		return Row{}, errPlace
	}
	if own, ok := d.Body.Lookup("chain").StringValueOK(); ok && own != chain {
		return Row{}, errPlace
	}
	return Row{}, errAltered
}

func field(body bson.Raw, name string) ([]byte, bool) {
	_, b, ok := body.Lookup(name).BinaryOK()
	return b, ok
}

// splitID cuts a document's id into chain and number; not ok if it is none of
// ours.
func splitID(id string) (chain string, seq int64, ok bool) {
	chain, number, ok := strings.Cut(id, ":")
	seq, err := strconv.ParseInt(number, 10, 64)
	return chain, seq, ok && err == nil && rowID(chain, seq) == id && seq > 0
}

// chains yields the first document of each chain, by id.
func chains(ctx context.Context, docs store.Documents) iter.Seq2[store.Document, error] {
	return func(yield func(store.Document, error) bool) {
		from := ""
		for {
			found := false
			for d, err := range docs.Find(ctx, store.Audit.Name, store.Query{From: from, Limit: 1}) {
				if !yield(d, err) || err != nil {
					return
				}
				chain, _, ok := strings.Cut(d.ID, ":")
				from = chain + ";" // the byte after the colon
				if !ok {
					from = d.ID + "\x00"
				}
				found = true
			}
			if !found {
				return
			}
		}
	}
}

// rowsOf yields the documents of a chain from seq on, in order.
func rowsOf(ctx context.Context, docs store.Documents, chain string, from int64) iter.Seq2[store.Document, error] {
	return docs.Find(ctx, store.Audit.Name, store.Query{From: rowID(chain, from), To: chain + ";"})
}

// lastOf reads the last row of a chain; not ok if there is none that can be
// read.
func lastOf(ctx context.Context, docs store.Documents, chain string) (r Row, ok bool, err error) {
	q := store.Query{From: chain + ":", To: chain + ";", Reverse: true, Limit: 1}
	for d, err := range docs.Find(ctx, store.Audit.Name, q) {
		if err != nil {
			return Row{}, false, fmt.Errorf("read the end of chain %s: %w", chain, err)
		}
		if r, err := readRow(d); err == nil {
			return r, true, nil
		}
	}
	return Row{}, false, nil
}
