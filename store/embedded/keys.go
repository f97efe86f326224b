package embedded

import (
	"encoding/binary"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// One ordered key space holds everything. day is the civil day of At, written
// like every number here so that byte order is number order; times are Unix
// milliseconds; text is a string in its escaped form (tuple.go); / only
// separates the parts in this table.
//
//	s / day / key                       → the row (store.AppendScan)
//	d / day / door text / at / key      → delay: Received − At in ms, a varint
//	l / day / door text / at / key      → the same, only where the delay is unusual
//	a / day / received / key            → nothing; red or unknown health only
//	h / day / door text / hour of day   → number of rows, kept by the merger
//	c / collection 0 id                 → revision (8 bytes), body
//	i / collection 0 index 0 tuple / id → nothing
//	i / collection 0 index 0 tuple      → id, if the index is unique
//	m / name                            → what the engine knows about itself
//
// All that belongs to a day's rows begins with a letter and the day, so that a
// purge is four range deletions. Hour counts are not among them: they go later.
const (
	prefixRow       = 's'
	prefixDoor      = 'd'
	prefixUnusual   = 'l'
	prefixAttention = 'a'
	prefixHour      = 'h'
	prefixDocument  = 'c'
	prefixIndex     = 'i'
	prefixMeta      = 'm'
)

const (
	dayLen    = 4
	momentLen = 8
	keyLen    = len(venue.ScanKey{})
)

// rowKey is a whole key of prefixRow.
type rowKey [1 + dayLen + keyLen]byte

func makeRowKey(day venue.Day, key venue.ScanKey) (k rowKey) {
	appendDay(k[:0], prefixRow, day)
	copy(k[1+dayLen:], key[:])
	return k
}

func appendDay(dst []byte, prefix byte, day venue.Day) []byte {
	return binary.BigEndian.AppendUint32(append(dst, prefix), uint32(day)^1<<31)
}

// dayOfKey reads the day behind the first letter.
func dayOfKey(k []byte) venue.Day {
	return venue.Day(binary.BigEndian.Uint32(k[1:]) ^ 1<<31)
}

func appendMoment(dst []byte, ms int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(ms)^1<<63)
}

func momentAt(b []byte) int64 { return int64(binary.BigEndian.Uint64(b) ^ 1<<63) }

// appendDoor is what the keys of a door on a day begin with.
func appendDoor(dst []byte, prefix byte, day venue.Day, door venue.Code) []byte {
	return appendText(appendDay(dst, prefix, day), string(door))
}

func appendHour(dst []byte, door venue.Code, day venue.Day, ms int64) []byte {
	dst = appendDoor(dst, prefixHour, day, door)
	return append(dst, byte((ms-dayStart(day))/hourMs))
}

// tail splits moment and scan key off the end of a key that closes with them.
func tail(k []byte) (ms int64, key venue.ScanKey, ok bool) {
	i := len(k) - keyLen - momentLen
	if i < 0 {
		return 0, key, false
	}
	return momentAt(k[i:]), venue.ScanKey(k[i+momentLen:]), true
}

const (
	hourMs = int64(time.Hour / time.Millisecond)
	dayMs  = 24 * hourMs
)

func dayStart(d venue.Day) int64 { return d.Start().UnixMilli() }

// firstMs is the first whole millisecond that is not before t. The stores keep
// whole milliseconds, so that from ≤ At and firstMs(from) ≤ At ms agree.
func firstMs(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++
	}
	return ms
}

// behind is the least key above every key that begins with prefix.
func behind(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil // no upper end
}
