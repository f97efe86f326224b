package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/venue"
)

// Index keys are tuples of values whose bytes compare as the values do. A value
// is a tag for its type and a form that no other value's form begins with:
// whole numbers and times 8 bytes with the sign flipped, truth values one byte,
// strings and bytes with 00 written as 00 FF and closed by 00 01.
const (
	tagBool   = 0x10
	tagNumber = 0x20
	tagTime   = 0x30
	tagString = 0x40
	tagBytes  = 0x50
)

// appendValue appends one value of the types that store.Query admits.
func appendValue(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case bool:
		b := byte(0)
		if v {
			b = 1
		}
		return append(dst, tagBool, b), nil
	case int:
		return appendMoment(append(dst, tagNumber), int64(v)), nil
	case int32:
		return appendMoment(append(dst, tagNumber), int64(v)), nil
	case int64:
		return appendMoment(append(dst, tagNumber), v), nil
	case time.Time:
		return appendMoment(append(dst, tagTime), v.UnixMilli()), nil
	case string:
		return appendText(append(dst, tagString), v), nil
	case []byte:
		return appendText(append(dst, tagBytes), string(v)), nil
	}
	return nil, fmt.Errorf("an index knows no values of type %T", v)
}

// appendField appends the value of a document's top-level field.
func appendField(dst []byte, body bson.Raw, field string) ([]byte, error) {
	v, err := body.LookupErr(field)
	if err != nil {
		return nil, &venue.Invalid{Field: field, Reason: "missing"}
	}
	switch v.Type {
	case bson.TypeBoolean:
		return appendValue(dst, v.Boolean())
	case bson.TypeInt32:
		return appendValue(dst, v.Int32())
	case bson.TypeInt64:
		return appendValue(dst, v.Int64())
	case bson.TypeDateTime:
		return appendMoment(append(dst, tagTime), v.DateTime()), nil
	case bson.TypeString:
		return appendValue(dst, v.StringValue())
	case bson.TypeBinary:
		_, b := v.Binary()
		return appendValue(dst, b)
	}
	return nil, &venue.Invalid{Field: field, Reason: "type"}
}

// appendText escapes and closes s.
func appendText(dst []byte, s string) []byte {
	for {
		i := strings.IndexByte(s, 0)
		if i < 0 {
			return append(append(dst, s...), 0, 1)
		}
		dst = append(append(dst, s[:i]...), 0, 0xFF)
		s = s[i+1:]
	}
}

var errTuple = errors.New("index key is not a tuple")

// cutText undoes appendText at the start of b and returns what follows.
func cutText(b []byte) (s string, rest []byte, err error) {
	var text strings.Builder
	for i := 0; i+1 < len(b); i++ {
		if b[i] != 0 {
			text.WriteByte(b[i])
			continue
		}
		i++
		switch b[i] {
		case 0xFF:
			text.WriteByte(0)
		case 1:
			return text.String(), b[i+1:], nil
		default:
			return "", nil, errTuple
		}
	}
	return "", nil, errTuple
}

// cutValue undoes appendValue at the start of b; numbers come back as int64,
// times in UTC.
func cutValue(b []byte) (v any, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, errTuple
	}
	tag, b := b[0], b[1:]
	switch tag {
	case tagBool:
		if len(b) < 1 || b[0] > 1 {
			return nil, nil, errTuple
		}
		return b[0] == 1, b[1:], nil
	case tagNumber, tagTime:
		if len(b) < momentLen {
			return nil, nil, errTuple
		}
		n := momentAt(b)
		if tag == tagTime {
			return time.UnixMilli(n).UTC(), b[momentLen:], nil
		}
		return n, b[momentLen:], nil
	case tagString, tagBytes:
		s, rest, err := cutText(b)
		if err != nil {
			return nil, nil, err
		}
		if tag == tagBytes {
			return []byte(s), rest, nil
		}
		return s, rest, nil
	}
	return nil, nil, errTuple
}

// cutTuple skips n values; what follows them in an index key is the id.
func cutTuple(b []byte, n int) (rest []byte, err error) {
	for range n {
		if _, b, err = cutValue(b); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// appendDelay writes Received − At in milliseconds.
func appendDelay(dst []byte, ms int64) []byte { return binary.AppendVarint(dst, ms) }

func delayOf(b []byte) (ms int64, err error) {
	ms, n := binary.Varint(b)
	if n <= 0 || n != len(b) {
		return 0, errors.New("door index entry: no delay")
	}
	return ms, nil
}
