package storetest

import (
	"context"
	"encoding/binary"
	"iter"
	"reflect"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Noon is an instant to build scans around: 2022-10-12 12:00 in venue.Zone.
var Noon = time.Date(2022, 10, 12, 4, 0, 0, 0, time.UTC)

// Key is a scan key for the n-th scan of a person.
func Key(person, n int) (k venue.ScanKey) {
	binary.BigEndian.PutUint64(k[8:], uint64(person)+1)
	binary.BigEndian.PutUint64(k[24:], uint64(n)+1)
	return k
}

// Pseudonym is the pseudonym in Key(person, …).
func Pseudonym(person int) [16]byte { return Key(person, 0).Pseudonym() }

// Scan is a plausible scan, received as it happened, the n-th of a person. Its
// content hash depends on all its arguments.
func Scan(person, n int, door venue.Code, at time.Time) venue.Scan {
	s := venue.Scan{
		Key:       Key(person, n),
		At:        venue.Millis(at),
		Received:  venue.Millis(at),
		Door:      door,
		Unit:      "unit",
		Direction: venue.In,
		Presence:  venue.PresenceNear,
		Method:    venue.MethodPhone,
		Health:    venue.HealthGreen,
		HealthAt:  venue.Millis(at.Add(-time.Minute)),
		Decision:  venue.Admit,
		Person:    []byte("sealed reference to the person, 60 bytes or so in real life"),
	}
	binary.BigEndian.PutUint64(s.Hash[:], uint64(at.UnixMilli()))
	copy(s.Hash[8:], door)
	return s
}

// Late is s as received some time after it happened.
func Late(s venue.Scan, by time.Duration) venue.Scan {
	s.Received = venue.Millis(s.At.Add(by))
	return s
}

// Colour is s with another colour.
func Colour(s venue.Scan, h venue.Health) venue.Scan {
	s.Health = h
	return s
}

// Append appends and expects every scan to be new.
func Append(t TB, e store.ScanLog, batch ...venue.Scan) {
	t.Helper()
	outcomes, err := e.Append(context.Background(), batch)
	must(t, err)
	for i, o := range outcomes {
		if o.Kind != venue.ScanNew {
			t.Fatalf("scan %d of the batch is %d, want new", i, o.Kind)
		}
	}
}

// TB is what the builders need of a test, so that properties can use them too.
type TB interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// Collect gathers an iteration that must not fail.
func Collect[T any](t TB, seq iter.Seq2[T, error]) (all []T) {
	t.Helper()
	for v, err := range seq {
		must(t, err)
		all = append(all, v)
	}
	return all
}

// Last is the error an iteration ends with.
func Last[T any](seq iter.Seq2[T, error]) (rows int, last error) {
	for _, err := range seq {
		if last = err; err == nil {
			rows++
		}
	}
	return rows, last
}

// Body is a document's body.
func Body(t TB, v any) bson.Raw {
	t.Helper()
	b, err := bson.Marshal(v)
	must(t, err)
	return b
}

// thing is a document of the collection "things".
type thing struct {
	Owner string
	Name  string
	N     int64
	At    time.Time
}

func (x thing) body(t TB) bson.Raw { return Body(t, x) }

func sameScans(t TB, what string, got []venue.Scan, want ...venue.Scan) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d scans, want %d", what, len(got), len(want))
	}
	for i := range got {
		w := want[i]
		w.Prior = venue.ScanKey{}
		if !reflect.DeepEqual(got[i], w) {
			t.Fatalf("%s: scan %d is\n%+v\nwant\n%+v", what, i, got[i], w)
		}
	}
}
