package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// The files that officials send to be imported. A file lies in pieces, because a
// document of MongoDB holds 16 MB, and sealed: it is full of names and phones.
var (
	UploadPieces = Schema{Name: "upload_pieces", Indexes: []Index{{Name: "at", Fields: []string{"at"}}}} // upload:part:number → UploadPieceRow
	UploadRows   = Schema{Name: "uploads", Indexes: []Index{                                             // random id → UploadRow
		{Name: "at", Fields: []string{"at"}},
		{Name: "unit", Fields: []string{"unit", "at"}},
		{Name: "state", Fields: []string{"state", "at"}},
		{Name: "by", Fields: []string{"by", "state"}},
	}}
)

// UploadPieceRow is a piece of a file.
type UploadPieceRow struct {
	At    time.Time // civil
	Bytes []byte    // sealed
}

// UploadPart is one of the files of an upload.
type UploadPart string

// The parts.
const (
	UploadSheet    UploadPart = "sheet"    // as it was sent; gone once it is imported
	UploadProblems UploadPart = "problems" // its bad rows, to be mended
)

const (
	uploadUse   = "upload/"
	uploadPiece = 1 << 20 // bytes

	// UploadKept is how long a file waits for its sender.
	UploadKept = 24 * time.Hour
)

// UploadState is how far an upload is.
type UploadState string

// The states. Looking and running are work; of the others only ready becomes
// another.
const (
	UploadLooking   UploadState = "looking"
	UploadReady     UploadState = "ready" // looked at; its sender decides
	UploadRunning   UploadState = "running"
	UploadDone      UploadState = "done"
	UploadDiscarded UploadState = "discarded"
	UploadRefused   UploadState = "refused" // as a whole; Refusal says why
	UploadFailed    UploadState = "failed"  // given up; sent again it is completed
)

// UploadRow is an upload and what became of it.
type UploadRow struct {
	Kind     string           // of the sheet
	By       string           // account
	Unit     venue.UnitID     // for which the sender answers, whose file asks for codes; "" of officers, whose files enter
	Within   []venue.Division // where an officer may write
	Division venue.Division   // what the file is about, where it does not say
	At       time.Time        // civil
	Ended    time.Time        // civil; zero until then

	State    UploadState
	Partial  bool   // the good rows of a file that has bad ones
	Sheet    int    // bytes of it
	Problems int    // bytes of them; 0: none
	Mark     string // of a register of subjects that was looked at
	Again    bool   // what was looked at is no more: this is another look

	SubjectCounts
	Faults  []UploadFault // the first
	Listed  int           // rows in the problems
	Refusal string        // a sentence

	// Whoever works on it writes the row again every second: while its revision
	// grows, they live.
	Holder      string // "": nobody
	Tries       int    // times that the work was begun, and not cut off by an orderly end
	Done, Total int    // rows written
}

// UploadFault is what is wrong with a row. It does not repeat what stands there.
type UploadFault struct {
	Row     int
	Field   string // as the sheet calls it
	Message string
}

// Expired tells whether the file has gone before its sender decided.
func (r UploadRow) Expired(now time.Time) bool {
	return r.State == UploadReady && now.Sub(r.At) > UploadKept
}

// Uploads keeps uploads.
type Uploads struct {
	rows   Collection[UploadRow]
	pieces Collection[UploadPieceRow]
	sealer Sealer
	civil  venue.Clock
}

// NewUploads opens it.
func NewUploads(docs Documents, sealer Sealer, civil venue.Clock) *Uploads {
	return &Uploads{NewCollection[UploadRow](docs, UploadRows), NewCollection[UploadPieceRow](docs, UploadPieces), sealer, civil}
}

// Add keeps a new upload, its file first: what is cut off is a file that nobody
// knows, and expires.
func (u *Uploads) Add(ctx context.Context, id string, row UploadRow, file []byte) error {
	if err := u.PutPart(ctx, id, UploadSheet, file); err != nil {
		return err
	}
	row.At, row.Sheet = venue.Millis(u.civil.Now()), len(file)
	return u.rows.Insert(ctx, id, row)
}

// Get reads an account's upload; venue.ErrNotFound, and ErrOutOfScope for that of
// another.
func (u *Uploads) Get(ctx context.Context, by, id string) (UploadRow, error) {
	row, err := u.rows.Get(ctx, id)
	if err == nil && row.Value.By != by {
		return UploadRow{}, ErrOutOfScope
	}
	return row.Value, err
}

// Recent lists the last limit uploads that could write nowhere out of scope, the
// newest first: of a unit's scope the unit's own.
func (u *Uploads) Recent(ctx context.Context, scope venue.Scope, limit int) (list []Row[UploadRow], err error) {
	outside := func(d venue.Division) bool { return !scope.CoversDivision(d) }
	own, _ := scope.Reach()
	for row, err := range u.rows.Find(ctx, Query{Index: "unit", Equal: []any{string(own)}, Reverse: true}) {
		if err != nil || len(list) == limit {
			return list, err
		}
		if !slices.ContainsFunc(row.Value.Within, outside) {
			list = append(list, row)
		}
	}
	return list, nil
}

// Waiting counts an account's uploads whose files are kept.
func (u *Uploads) Waiting(ctx context.Context, by string) (n int, err error) {
	for _, state := range []UploadState{UploadLooking, UploadReady, UploadRunning} {
		for row, err := range u.rows.Find(ctx, Query{Index: "by", Equal: []any{by, string(state)}}) {
			if err != nil {
				return n, err
			}
			if !row.Value.Expired(u.civil.Now()) {
				n++
			}
		}
	}
	return n, nil
}

// Work lists what is to be looked at or imported, the oldest first.
func (u *Uploads) Work(ctx context.Context) (list []Row[UploadRow], err error) {
	for _, state := range []UploadState{UploadLooking, UploadRunning} {
		rows, err := u.rows.All(ctx, Query{Index: "state", Equal: []any{string(state)}})
		if err != nil {
			return nil, err
		}
		list = append(list, rows...)
	}
	slices.SortStableFunc(list, func(a, b Row[UploadRow]) int { return a.Value.At.Compare(b.Value.At) })
	return list, nil
}

// Update reads, changes and writes back; see Collection.Update.
func (u *Uploads) Update(ctx context.Context, id string, change func(*UploadRow) error) (UploadRow, error) {
	row, err := u.rows.Update(ctx, id, false, change)
	return row.Value, err
}

func pieceID(id string, part UploadPart, n int) string { return fmt.Sprintf("%s:%s:%04d", id, part, n) }

// PutPart keeps a part in place of what there was of it.
func (u *Uploads) PutPart(ctx context.Context, id string, part UploadPart, file []byte) error {
	n := 0
	for piece := range slices.Chunk(file, uploadPiece) {
		name := pieceID(id, part, n)
		sealed, err := u.sealer.Seal(uploadUse+name, piece)
		if err == nil {
			err = set(ctx, u.pieces, name, UploadPieceRow{At: venue.Millis(u.civil.Now()), Bytes: sealed})
		}
		if err != nil {
			return fmt.Errorf("keep a piece of an upload: %w", err)
		}
		n++
	}
	return nil
}

// Part reads a part of so many bytes; venue.ErrNotFound once it is gone.
func (u *Uploads) Part(ctx context.Context, id string, part UploadPart, size int) ([]byte, error) {
	file := make([]byte, 0, size)
	for n := 0; len(file) < size; n++ {
		name := pieceID(id, part, n)
		row, err := u.pieces.Get(ctx, name)
		if err != nil {
			return nil, err
		}
		piece, err := u.sealer.Open(uploadUse+name, row.Value.Bytes)
		if err != nil {
			return nil, fmt.Errorf("open a piece of an upload: %w", err)
		}
		file = append(file, piece...)
	}
	return file, nil
}

// Drop removes a part.
func (u *Uploads) Drop(ctx context.Context, id string, part UploadPart) error {
	for row, err := range u.pieces.Find(ctx, Query{From: pieceID(id, part, 0), To: id + ":" + string(part) + ";"}) { // the byte behind the colon
		if err == nil {
			err = u.pieces.Delete(ctx, row.ID, 0)
		}
		if err != nil && !errors.Is(err, venue.ErrNotFound) {
			return fmt.Errorf("drop a piece of an upload: %w", err)
		}
	}
	return nil
}
