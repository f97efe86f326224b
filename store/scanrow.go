package store

import (
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/venuecode/venuecode/venue"
)

// The stored form of a scan, the same in every engine. Names are short because
// there are billions of them:
//
//	_id key · a At · r Received · d door · u unit · i direction · p presence
//	m method · h health · t HealthAt · c decision · s person · x proxy · y hash

// AppendScan appends the stored form of s to dst.
func AppendScan(dst []byte, s *venue.Scan) []byte {
	at, dst := bsoncore.AppendDocumentStart(dst)
	dst = bsoncore.AppendBinaryElement(dst, "_id", 0, s.Key[:])
	dst = bsoncore.AppendDateTimeElement(dst, "a", s.At.UnixMilli())
	dst = bsoncore.AppendDateTimeElement(dst, "r", s.Received.UnixMilli())
	dst = bsoncore.AppendStringElement(dst, "d", string(s.Door))
	dst = bsoncore.AppendStringElement(dst, "u", string(s.Unit))
	dst = bsoncore.AppendInt32Element(dst, "i", int32(s.Direction))
	dst = bsoncore.AppendInt32Element(dst, "p", int32(s.Presence))
	dst = bsoncore.AppendInt32Element(dst, "m", int32(s.Method))
	dst = bsoncore.AppendInt32Element(dst, "h", int32(s.Health))
	if !s.HealthAt.IsZero() {
		dst = bsoncore.AppendDateTimeElement(dst, "t", s.HealthAt.UnixMilli())
	}
	dst = bsoncore.AppendInt32Element(dst, "c", int32(s.Decision))
	dst = bsoncore.AppendBinaryElement(dst, "s", 0, s.Person)
	if len(s.Proxy) > 0 {
		dst = bsoncore.AppendBinaryElement(dst, "x", 0, s.Proxy)
	}
	dst = bsoncore.AppendBinaryElement(dst, "y", 0, s.Hash[:])
	dst, err := bsoncore.AppendDocumentEnd(dst, at)
	if err != nil {
		panic("scan row: " + err.Error()) // only a corrupted index can cause it
	}
	return dst
}

// DecodeScan reads a stored scan. The result shares nothing with raw.
func DecodeScan(raw []byte) (venue.Scan, error) {
	var s venue.Scan
	elements, err := bsoncore.Document(raw).Elements()
	if err != nil {
		return s, errors.New("decode scan row: not BSON") // the driver's error holds the row
	}
	ok := true
	bytes := func(v bsoncore.Value) []byte {
		_, b, good := v.BinaryOK()
		ok = ok && good
		return b
	}
	number := func(v bsoncore.Value) uint8 {
		n, good := v.Int32OK()
		ok = ok && good && n >= 0 && n < 256
		return uint8(n)
	}
	instant := func(v bsoncore.Value) time.Time {
		ms, good := v.DateTimeOK()
		ok = ok && good
		return time.UnixMilli(ms).UTC()
	}
	text := func(v bsoncore.Value) string {
		t, good := v.StringValueOK()
		ok = ok && good
		return t
	}
	for _, e := range elements {
		v := e.Value()
		switch e.Key() {
		case "_id":
			ok = copy(s.Key[:], bytes(v)) == len(s.Key) && ok
		case "a":
			s.At = instant(v)
		case "r":
			s.Received = instant(v)
		case "d":
			s.Door = venue.Code(text(v))
		case "u":
			s.Unit = venue.UnitID(text(v))
		case "i":
			s.Direction = venue.Direction(number(v))
		case "p":
			s.Presence = venue.Presence(number(v))
		case "m":
			s.Method = venue.Method(number(v))
		case "h":
			s.Health = venue.Health(number(v))
		case "t":
			s.HealthAt = instant(v)
		case "c":
			s.Decision = venue.Decision(number(v))
		case "s":
			s.Person = append([]byte(nil), bytes(v)...)
		case "x":
			s.Proxy = append([]byte(nil), bytes(v)...)
		case "y":
			ok = copy(s.Hash[:], bytes(v)) == len(s.Hash) && ok
		}
	}
	if !ok {
		return venue.Scan{}, fmt.Errorf("decode scan row: a field has the wrong type")
	}
	return s, nil
}

// ScanHash reads only the content hash of a stored scan.
func ScanHash(raw []byte) (h [16]byte, ok bool) {
	v, err := bson.Raw(raw).LookupErr("y")
	if err != nil {
		return h, false
	}
	_, b, ok := v.BinaryOK()
	return h, ok && copy(h[:], b) == len(h)
}
