package store

import (
	"context"
	"iter"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/venue"
)

// Engine is one way to keep the memory. Its methods are safe for concurrent
// use. Every error that a caller acts on wraps a sentinel of package venue.
type Engine interface {
	Documents
	ScanLog
	Archive

	// Check answers nil while the engine can take a write.
	Check(ctx context.Context) error
	// Close waits for writes under way and lets go of the memory. Later calls
	// fail with venue.ErrUnavailable.
	Close() error
}

// Schema declares a collection.
type Schema struct {
	Name    string
	Indexes []Index
}

// Index orders the documents of a collection by top-level fields, ties by id.
// Every document must have every field of every index. Strings order by their
// bytes, numbers by value, times by instant. A unique index admits one document
// for each tuple of values.
type Index struct {
	Name   string
	Fields []string
	Unique bool
}

// Document is a stored document. Rev counts its changes from 1.
type Document struct {
	ID   string
	Rev  int64
	Body bson.Raw
}

// Query selects documents by an index: equality on its leading fields, then at
// most one range over the next field. Values are string, bool, int, int32,
// int64, []byte or time.Time. With no Index the order is that of the ids and
// the range is over ids.
type Query struct {
	Index    string
	Equal    []any
	From, To any  // From ≤ value < To; nil is open
	Reverse  bool // last first
	// After continues behind the last document of the page before.
	After *Document
	// Limit is the most documents yielded; 0 is no limit.
	Limit int
}

// Documents keeps small documents. Writes are durable when they return.
type Documents interface {
	// Get reads one document; ErrNotFound if there is none.
	Get(ctx context.Context, collection, id string) (Document, error)
	// GetAll reads the documents that there are of some ids, for the price of a few
	// Gets, in no order.
	GetAll(ctx context.Context, collection string, ids []string) ([]Document, error)
	// Insert adds a document with revision 1. ErrExists if the id, or the
	// values of a unique index, are taken; nothing is changed then.
	Insert(ctx context.Context, collection, id string, body bson.Raw) error
	// InsertAll is Insert for many documents, whose Rev is not looked at, for the
	// price of a few. It says of each whether it was added: what Insert refuses as
	// ErrExists is not, and of those that exclude each other one is. They are not one
	// change: after an error any of them may be there.
	InsertAll(ctx context.Context, collection string, docs []Document) (added []bool, err error)
	// Replace writes d.Body over the document if its revision still is d.Rev and
	// returns the new revision. ErrStale if it is not, ErrNotFound if the
	// document is gone, ErrExists if a unique index forbids it.
	Replace(ctx context.Context, collection string, d Document) (rev int64, err error)
	// Delete removes the document if its revision still is rev; any revision if
	// rev is 0. ErrStale, ErrNotFound likewise.
	Delete(ctx context.Context, collection, id string, rev int64) error
	// Find yields documents in the order of the index. It sees a state of each
	// document that was current at some moment of the iteration. An error ends
	// it. An unknown index or collection is an error, never a full scan.
	Find(ctx context.Context, collection string, q Query) iter.Seq2[Document, error]
}

// Stream is how an engine makes an iteration: read hands rows out until yield
// says no. Its error comes as the last pair, unless nobody listens any more.
func Stream[T any](read func(yield func(T) bool) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		stopped := false
		err := read(func(row T) bool {
			stopped = !yield(row, nil)
			return !stopped
		})
		if err != nil && !stopped {
			var none T
			yield(none, err)
		}
	}
}

// Outcome tells of one appended scan.
type Outcome = venue.ScanOutcome

// What became of an appended scan.
const (
	New      = venue.ScanNew
	Repeated = venue.ScanRepeated
	Conflict = venue.ScanConflict
)

// LateAfter is how much later than it happened a scan may arrive without being
// remembered as late. Scans made at the server arrive at once; gate devices and
// the spool bring late ones.
const LateAfter = 5 * time.Minute

// ScanLog keeps scans. Rows never change; a day's rows go together.
type ScanLog interface {
	// Append remembers scans, durably before it returns, and says of each
	// whether it is new, a repeat (with the row already known) or a conflict. A
	// phone that retries is one visit, not two: the same id is looked for under
	// Key on the day of At and under Prior on the day before. Scans of one batch
	// may repeat each other. Concurrent callers share one commit. On an error
	// nothing may be assumed of any scan of the batch: repeat the call.
	Append(ctx context.Context, batch []venue.Scan) ([]Outcome, error)
	// Scan reads one row by its key and the day of its At; ErrNotFound.
	Scan(ctx context.Context, day venue.Day, key venue.ScanKey) (venue.Scan, error)
	// AtDoor yields the scans of one door with from ≤ At < to, oldest first,
	// ties by key. A door nobody passed yields nothing, not ErrNotFound.
	AtDoor(ctx context.Context, door venue.Code, from, to time.Time) iter.Seq2[venue.Scan, error]
	// OfPerson yields the scans made under one pseudonym on its day, oldest
	// first, ties by key.
	OfPerson(ctx context.Context, day venue.Day, pseudonym [16]byte) iter.Seq2[venue.Scan, error]
	// Attention yields the scans of red or unknown health with
	// from ≤ Received < to in the order they were received, ties by key.
	Attention(ctx context.Context, from, to time.Time) iter.Seq2[venue.Scan, error]
	// CountScans is how many scans happened in the spans, each scan once per
	// span. With arrivedBy set, only those received by then (inclusive). Exact,
	// and its cost does not grow with the rows inside whole hours.
	CountScans(ctx context.Context, spans []venue.Span, arrivedBy time.Time) (int, error)
	// PurgeDay removes the rows of scans that happened on day, and every index
	// entry of theirs; hour counts stay. It does not stall writers.
	PurgeDay(ctx context.Context, day venue.Day) error
	// PurgeCounts removes the hour counts of the days before one; these days then
	// count what rows they have. A day that has rows keeps its counts, since they
	// would be missed: PurgeDay comes first. It does not stall writers.
	PurgeCounts(ctx context.Context, before venue.Day) error
	// VerifyCounts recounts the hours of the days [from, to] from the rows and
	// says where the kept counts differ. progress may be nil.
	VerifyCounts(ctx context.Context, from, to venue.Day, progress func(rows int64)) (CountCheck, error)
}

// CountCheck is the result of a recount.
type CountCheck struct {
	Hours  int64      // hour counts compared
	Rows   int64      // rows counted
	Differ []HourDiff // at most 100 are listed
}

// HourDiff is an hour whose kept count is not the number of its rows.
type HourDiff struct {
	Door venue.Code
	Hour time.Time
	Kept int64
	Rows int64
}
