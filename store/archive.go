package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/venuecode/venuecode/venue"
)

// Archive is how a memory is copied out, and into another one, of the same
// engine or of another. Rows are BSON and look alike from every engine:
//
//	of a collection      EncodeDocument
//	of a day of scans    AppendScan, and EncodeGone for each door of which scans were purged
type Archive interface {
	// Dump yields everything, part by part, while readers and writers go on. What
	// was acknowledged before the call is in it, and whatever something in it was
	// written because of: parts are of one moment, or scans come first and then
	// the collections, last written first (see Schemas).
	Dump(ctx context.Context) iter.Seq2[Part, error]
	// Load adds rows of a part, durably before it returns. Rows that are there
	// stay as they are, so what was cut short is done again. Nobody else may use
	// the memory meanwhile.
	Load(ctx context.Context, part string, rows []bson.Raw) error
	// Leftovers names the indexes that lie there and are not declared any more.
	// DropLeftovers drops them.
	Leftovers(ctx context.Context) ([]string, error)
	DropLeftovers(ctx context.Context) error
}

// Part is a collection, under its name, or a day of scans, under ScansName.
type Part struct {
	Name string
	// Rows yields the rows, each good until the next. With venue.ErrStale a day
	// was purged meanwhile: what it has yielded is void, and it is called again.
	Rows iter.Seq2[bson.Raw, error]
}

const (
	scansPrefix = "scans_"
	scansDay    = "20060102"
)

// ScansName is how a civil day's scans are called: scans_20221013.
func ScansName(day venue.Day) string {
	return scansPrefix + day.Start().In(venue.Zone).Format(scansDay)
}

// ScansDay undoes ScansName; ok is false for every other name.
func ScansDay(name string) (day venue.Day, ok bool) {
	digits, ok := strings.CutPrefix(name, scansPrefix)
	if !ok {
		return 0, false
	}
	t, err := time.ParseInLocation(scansDay, digits, venue.Zone)
	return venue.DayOf(t), err == nil
}

// A document lies as {_id: id, _rev: revision, its body's fields…}. No body has
// fields of these two names.
const (
	FieldID  = "_id"
	FieldRev = "_rev"
)

const lengthLen = 4 // of the number that a BSON document begins with

// EncodeDocument appends a document as it lies to dst.
func EncodeDocument(dst []byte, d Document) bson.Raw {
	at, dst := bsoncore.AppendDocumentStart(dst)
	dst = bsoncore.AppendStringElement(dst, FieldID, d.ID)
	dst = bsoncore.AppendInt64Element(dst, FieldRev, d.Rev)
	dst = append(dst, d.Body[lengthLen:]...)
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-int(at)))
	return dst
}

// DecodeDocument takes a document apart. The result shares nothing with doc.
func DecodeDocument(doc bson.Raw) (d Document, err error) {
	if len(doc) < lengthLen {
		return d, errors.New("document that is none")
	}
	id, rest, ok := bsoncore.ReadElement(doc[lengthLen:])
	if !ok || id.Key() != FieldID {
		return d, errors.New("document without id")
	}
	rev, rest, ok := bsoncore.ReadElement(rest)
	if !ok || rev.Key() != FieldRev {
		return d, errors.New("document without revision")
	}
	if d.ID, ok = id.Value().StringValueOK(); !ok {
		return d, errors.New("document whose id is no string")
	}
	if d.Rev, ok = rev.Value().AsInt64OK(); !ok {
		return d, errors.New("document whose revision is no number")
	}
	d.Body = make(bson.Raw, lengthLen, lengthLen+len(rest))
	d.Body = append(d.Body, rest...)
	binary.LittleEndian.PutUint32(d.Body, uint32(len(d.Body)))
	return d, nil
}

// Gone are a door's scans of a day that were purged, by hour of the day: their
// counts outlive them.
type Gone struct {
	Door  venue.Code
	Hours [24]int64
}

// EncodeGone appends {_id: door, hour: count, …} to dst, without hours of none.
func EncodeGone(dst []byte, g Gone) bson.Raw {
	at, dst := bsoncore.AppendDocumentStart(dst)
	dst = bsoncore.AppendStringElement(dst, FieldID, string(g.Door))
	for h, n := range g.Hours {
		if n != 0 {
			dst = bsoncore.AppendInt64Element(dst, strconv.Itoa(h), n)
		}
	}
	dst, err := bsoncore.AppendDocumentEnd(dst, at)
	if err != nil {
		panic("purged counts: " + err.Error()) // only a corrupted index can cause it
	}
	return dst
}

func decodeGone(raw bson.Raw) (g Gone, err error) {
	elements, err := raw.Elements()
	if err != nil {
		return g, errors.New("purged counts: not BSON")
	}
	for _, e := range elements {
		if e.Key() == FieldID {
			g.Door = venue.Code(e.Value().StringValue())
			continue
		}
		h, err := strconv.Atoi(e.Key())
		n, ok := e.Value().AsInt64OK()
		if err != nil || h < 0 || h >= len(g.Hours) || !ok || n < 0 {
			return g, errors.New("purged counts: an hour without its count")
		}
		g.Hours[h] = n
	}
	return g, nil
}

// LoadScans appends the scans among the rows of a day and gives what else there
// is.
func LoadScans(ctx context.Context, log ScanLog, day venue.Day, rows []bson.Raw) (gone []Gone, err error) {
	var scans []venue.Scan
	for _, raw := range rows {
		if raw.Lookup(FieldID).Type == bson.TypeString {
			g, err := decodeGone(raw)
			if err != nil {
				return nil, err
			}
			gone = append(gone, g)
			continue
		}
		s, err := DecodeScan(raw)
		if err != nil {
			return nil, err
		}
		if venue.DayOf(s.At) != day {
			return nil, fmt.Errorf("a row lies on a day that is not its own: %w", venue.ErrInvalid)
		}
		scans = append(scans, s)
	}
	outcomes, err := log.Append(ctx, scans)
	for _, o := range outcomes {
		if o.Kind == Conflict {
			return nil, fmt.Errorf("another scan lies under the same key: %w", venue.ErrConflict)
		}
	}
	return gone, err
}

// Empty tells whether a memory has no rows at all.
func Empty(ctx context.Context, a Archive) (bool, error) {
	for part, err := range a.Dump(ctx) {
		if err != nil {
			return false, err
		}
		for _, err := range part.Rows {
			return false, err
		}
	}
	return true, nil
}
