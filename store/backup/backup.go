// Package backup writes a whole memory into a folder, and a folder into a
// memory, of the same engine or of another.
//
// The folder has a file for each collection and each day of scans, rows of BSON
// one after the other as store.Archive yields them, and a manifest, which is
// written last: without it a folder is not a backup. What is sealed in the
// memory is sealed in the files, and no key is among them.
package backup

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"github.com/venuecode/venuecode/internal/durable"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// ManifestFile is in a folder that is complete.
const ManifestFile = "manifest.json"

const (
	format    = "venuecode-backup-1"
	extension = ".bson"
	rowMax    = 17 << 20 // bytes; no engine takes a row of more than 16 MB
	rowMin    = 5
)

// ErrDamaged: a folder that is not a backup, or not the one that was made.
var ErrDamaged = errors.New("not a whole backup")

// Manifest says what is in a folder.
type Manifest struct {
	Format   string         `json:"format"`
	Schema   int64          `json:"schema"` // version of the memory
	Division venue.Division `json:"division"`
	Keys     string         `json:"keys"`  // tells a key folder that belongs to it; not a secret
	Began    time.Time      `json:"began"` // civil, as Ended
	Ended    time.Time      `json:"ended"`
	Rows     int64          `json:"rows"`
	Bytes    int64          `json:"bytes"`
	Files    []File         `json:"files"`
}

// File is a part of the memory.
type File struct {
	Name   string `json:"name"`
	Rows   int64  `json:"rows"`
	Scans  int64  `json:"scans,omitempty"` // of the rows; the others are no scans, or counts of purged ones
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // hexadecimal
}

func (f File) part() string { return strings.TrimSuffix(f.Name, extension) }

// Days are those of which there are scans, in order.
func (m Manifest) Days() (days []venue.Day) {
	for _, f := range m.Files {
		if day, ok := store.ScansDay(f.part()); ok && f.Scans > 0 {
			days = append(days, day)
		}
	}
	slices.Sort(days)
	return days
}

// Write copies a memory into a new folder while readers and writers go on: what
// was acknowledged before the call is in it. m says of whom; the manifest that
// was written, and its SHA-256, come back. venue.ErrExists if dir is there. A
// failure leaves nothing behind, a crash a folder without a manifest.
func Write(ctx context.Context, a store.Archive, dir string, m Manifest, civil venue.Clock, progress func(rows int64)) (_ Manifest, sum string, err error) {
	if err := os.Mkdir(dir, 0o700); errors.Is(err, fs.ErrExist) {
		return m, "", fmt.Errorf("backup to %s: %w", dir, venue.ErrExists)
	} else if err != nil {
		return m, "", fmt.Errorf("backup: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("backup to %s: %w", dir, errors.Join(err, os.RemoveAll(dir)))
		}
	}()
	m.Format, m.Began = format, venue.Millis(civil.Now()).In(venue.Zone)
	for part, err := range a.Dump(ctx) {
		if err != nil {
			return m, "", err
		}
		f, err := writePart(ctx, dir, part, func(rows int64) { progress(m.Rows + rows) })
		if errors.Is(err, venue.ErrStale) { // its day was purged meanwhile
			f, err = writePart(ctx, dir, part, func(rows int64) { progress(m.Rows + rows) })
		}
		if err != nil {
			return m, "", err
		}
		if f.Rows == 0 {
			if err := os.Remove(filepath.Join(dir, f.Name)); err != nil {
				return m, "", err
			}
			continue
		}
		m.Rows, m.Bytes, m.Files = m.Rows+f.Rows, m.Bytes+f.Bytes, append(m.Files, f)
	}
	m.Ended = venue.Millis(civil.Now()).In(venue.Zone)
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return m, "", err
	}
	if err := durable.Sync(dir); err != nil {
		return m, "", err
	}
	if err := durable.Replace(filepath.Join(dir, ManifestFile), text, 0o600); err != nil {
		return m, "", err
	}
	return m, hexSum(text), durable.Sync(filepath.Dir(dir))
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// every is how often progress is told, in rows.
const every = 1 << 12

func writePart(ctx context.Context, dir string, part store.Part, progress func(rows int64)) (f File, err error) {
	f.Name = part.Name + extension
	file, err := os.OpenFile(filepath.Join(dir, f.Name), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	hash := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(file, hash), 1<<18)
	for row, err := range part.Rows {
		if err != nil {
			return f, err
		}
		if _, err := out.Write(row); err != nil {
			return f, err
		}
		f.Rows, f.Bytes = f.Rows+1, f.Bytes+int64(len(row))
		if row.Lookup(store.FieldID).Type == bson.TypeBinary { // what else there is has a name
			f.Scans++
		}
		if f.Rows%every == 0 {
			progress(f.Rows)
			if err := ctx.Err(); err != nil {
				return f, err
			}
		}
	}
	progress(f.Rows)
	if err := out.Flush(); err != nil {
		return f, err
	}
	f.SHA256 = hex.EncodeToString(hash.Sum(nil))
	return f, file.Sync()
}

// Verify reads a whole folder and holds it against its manifest, which it gives
// with its SHA-256; ErrDamaged. It tells how many rows of the manifest's it has
// read.
func Verify(ctx context.Context, dir string, progress func(rows, of int64)) (m Manifest, sum string, err error) {
	text, err := os.ReadFile(filepath.Join(dir, ManifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return m, "", fmt.Errorf("%s has no %s: %w", dir, ManifestFile, ErrDamaged)
	} else if err != nil {
		return m, "", err
	}
	if json.Unmarshal(text, &m) != nil || m.Format != format {
		return m, "", fmt.Errorf("%s: a manifest that this program does not know: %w", dir, ErrDamaged)
	}
	var rows int64
	for _, f := range m.Files {
		if filepath.Base(f.Name) != f.Name || filepath.Ext(f.Name) != extension {
			return m, "", fmt.Errorf("%s names a file that can be none of it: %w", ManifestFile, ErrDamaged)
		}
		if err := f.read(ctx, dir, func(bson.Raw) error {
			if rows++; rows%every == 0 {
				progress(rows, m.Rows)
			}
			return nil
		}); err != nil {
			return m, "", err
		}
	}
	if rows != m.Rows {
		return m, "", fmt.Errorf("%s: %d rows, the manifest has %d: %w", dir, rows, m.Rows, ErrDamaged)
	}
	progress(rows, m.Rows)
	return m, hexSum(text), nil
}

// read visits the rows of a file, each good until the next. ErrDamaged, in the
// end at the latest, if they are not those of the manifest.
func (f File) read(ctx context.Context, dir string, visit func(bson.Raw) error) error {
	file, err := os.Open(filepath.Join(dir, f.Name))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is missing: %w", f.Name, ErrDamaged)
	} else if err != nil {
		return err
	}
	defer file.Close()
	hash := sha256.New()
	in := bufio.NewReaderSize(io.TeeReader(file, hash), 1<<18)
	var row []byte
	var rows int64
	for {
		head, err := in.Peek(4)
		if errors.Is(err, io.EOF) && len(head) == 0 {
			break
		} else if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		n := 0
		if len(head) == 4 {
			n = int(binary.LittleEndian.Uint32(head))
		}
		if n < rowMin || n > rowMax {
			return fmt.Errorf("%s: row %d is none: %w", f.Name, rows+1, ErrDamaged)
		}
		if cap(row) < n {
			row = make([]byte, n)
		}
		row = row[:n]
		if _, err := io.ReadFull(in, row); errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("%s: row %d is cut off: %w", f.Name, rows+1, ErrDamaged)
		} else if err != nil {
			return err
		}
		if err := visit(row); err != nil {
			return err
		}
		if rows++; rows%every == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if rows != f.Rows || hex.EncodeToString(hash.Sum(nil)) != f.SHA256 {
		return fmt.Errorf("%s is not what was written: %w", f.Name, ErrDamaged)
	}
	return nil
}

const (
	batchRows  = 1000
	batchBytes = 4 << 20
	sideBySide = 4 // batches
)

// Load puts the files of a folder that was verified into a memory that nobody
// else uses. Cut short, it is done again, from the beginning.
func Load(ctx context.Context, dir string, m Manifest, a store.Archive, progress func(rows int64)) error {
	var loaded atomic.Int64
	for _, f := range m.Files {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(sideBySide)
		var batch []bson.Raw
		size := 0
		flush := func() {
			rows := batch
			batch, size = nil, 0
			g.Go(func() error {
				if err := a.Load(ctx, f.part(), rows); err != nil {
					return err
				}
				loaded.Add(int64(len(rows)))
				return nil
			})
		}
		err := f.read(ctx, dir, func(row bson.Raw) error {
			batch, size = append(batch, append(bson.Raw(nil), row...)), size+len(row)
			if len(batch) == batchRows || size >= batchBytes {
				flush()
				progress(loaded.Load())
			}
			return ctx.Err()
		})
		if len(batch) > 0 && err == nil {
			flush()
		}
		if e := g.Wait(); e != nil {
			err = e // what ended the reading, if it was not a fault of the file
		}
		if err != nil {
			return fmt.Errorf("restore from %s: %w", dir, err)
		}
		progress(loaded.Load())
	}
	return nil
}
