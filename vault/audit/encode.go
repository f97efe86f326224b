package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// Hash is a SHA-256.
type Hash [sha256.Size]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes 64 hexadecimal digits.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what MarshalText wrote, nothing else.
func (h *Hash) UnmarshalText(b []byte) error {
	var v Hash
	if n, err := hex.Decode(v[:], b[:min(len(b), 2*len(v))]); err != nil || n != len(v) || v.String() != string(b) {
		return &venue.Invalid{Field: "hash", Reason: "shape"}
	}
	*h = v
	return nil
}

const eventFormat = 1

var errEncoding = errors.New("not the canonical encoding of an event")

// encode is the one way to write an event: a format byte; At in milliseconds
// since 1970, 8 bytes; Actor, Action, Object.Kind, Object.ID, Purpose, Reason,
// Case, Outcome, each as its length in 4 bytes and its UTF-8; the number of
// details in 4 bytes and each as key and value, keys ascending by bytes. All
// numbers are big endian.
func (e Event) encode() []byte {
	b := make([]byte, 0, 256)
	b = append(b, eventFormat)
	b = binary.BigEndian.AppendUint64(b, uint64(e.At.UnixMilli()))
	for _, s := range []string{e.Actor, e.Action, e.Object.Kind, e.Object.ID, e.Purpose, e.Reason, e.Case, e.Outcome} {
		b = appendText(b, s)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.Details)))
	for _, k := range detailKeys(e) {
		b = appendText(appendText(b, k), e.Details[k])
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// decodeEvent reads what encode wrote and nothing else.
func decodeEvent(b []byte) (e Event, err error) {
	r := reader{b: b}
	if r.byte() != eventFormat {
		return e, errEncoding
	}
	e.At = time.UnixMilli(int64(r.uint64())).UTC()
	for _, s := range []*string{&e.Actor, &e.Action, &e.Object.Kind, &e.Object.ID, &e.Purpose, &e.Reason, &e.Case, &e.Outcome} {
		*s = r.text()
	}
	last := ""
	for i, n := uint32(0), r.uint32(); i < n && !r.bad; i++ {
		k, v := r.text(), r.text()
		if i > 0 && k <= last {
			return Event{}, errEncoding
		}
		if e.Details == nil {
			e.Details = map[string]string{}
		}
		last, e.Details[k] = k, v
	}
	if r.bad || len(r.b) != 0 {
		return Event{}, errEncoding
	}
	return e, nil
}

// reader cuts values off; after the first that is not there it is bad.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	head := r.b[:n]
	r.b = r.b[n:]
	return head
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) text() string { return string(r.take(uint64(r.uint32()))) }

// rowDomain keeps a row's hash from being the hash of anything else.
const rowDomain = "venuecode audit row 1\n"

// hashRow is SHA-256 of the domain, the chain's id as a text, seq, at in
// milliseconds, the hash of the row before (zeros of the first) and the SHA-256
// of the event's encoding. With the digest in the event's place, a proof can
// lead past rows that its reader may not see.
func hashRow(chain string, seq int64, at time.Time, prev, digest Hash) Hash {
	b := make([]byte, 0, 192)
	b = appendText(append(b, rowDomain...), chain)
	b = binary.BigEndian.AppendUint64(b, uint64(seq))
	b = binary.BigEndian.AppendUint64(b, uint64(at.UnixMilli()))
	b = append(append(b, prev[:]...), digest[:]...)
	return sha256.Sum256(b)
}

// rowID orders the rows of a chain as the chain does.
func rowID(chain string, seq int64) string { return fmt.Sprintf("%s:%012d", chain, seq) }
