package audit

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// ErrBroken: an export is not what the trail is, or was changed since.
var ErrBroken = errors.New("audit export is broken")

const exportFormat = "venuecode-audit-export-1"

// exportLine is one line of an export: exactly one of its parts. First Head,
// then the checkpoints, then the chains' rows, then End.
type exportLine struct {
	Head       *exportHead     `json:"head,omitempty"`
	Checkpoint json.RawMessage `json:"checkpoint,omitempty"` // a checkpoint's line
	Drop       json.RawMessage `json:"drop,omitempty"`       // of one, later, that dropped chains
	Row        *exportRow      `json:"row,omitempty"`
	End        *exportEnd      `json:"end,omitempty"`
}

type exportHead struct {
	Format string    `json:"format"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
}

// exportRow is a row inside the window with its event, or one outside with the
// digest of its event, which proves its place and tells nothing else.
type exportRow struct {
	Chain  string    `json:"chain"`
	Seq    int64     `json:"seq"`
	At     time.Time `json:"at"`
	Event  *Event    `json:"event,omitempty"`
	Digest *Hash     `json:"digest,omitempty"`
	Prev   Hash      `json:"prev"`
	Hash   Hash      `json:"hash"`
}

// exportEnd says how much there was; the signature is over the SHA-256 of all
// lines before.
type exportEnd struct {
	Rows      int64  `json:"rows"`
	Lines     int64  `json:"lines"`
	Signature []byte `json:"signature"`
}

const exportDomain = "venuecode audit export 1\n"

// ExportReport says what an export holds.
type ExportReport struct {
	From, To    time.Time
	Rows        int64 // with events
	Chains      int   // that have such rows
	Checkpoints int
	Unconfirmed int64 // rows that no checkpoint vouches for: another process's of the last hour
}

// exporter writes lines and remembers what it wrote.
type exporter struct {
	w     *bufio.Writer
	sum   hash.Hash
	lines int64
}

func newExporter(w io.Writer) *exporter {
	return &exporter{w: bufio.NewWriter(w), sum: sha256.New()}
}

func (x *exporter) write(l exportLine) error {
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return x.raw(append(b, '\n'))
}

func (x *exporter) raw(line []byte) error {
	x.sum.Write(line)
	x.lines++
	_, err := x.w.Write(line)
	return err
}

// end writes the last line.
func (x *exporter) end(rows int64, s Signer) error {
	end := &exportEnd{Rows: rows, Lines: x.lines}
	var err error
	if end.Signature, err = s.Sign(x.sum.Sum([]byte(exportDomain))); err != nil {
		return err
	}
	if err := x.write(exportLine{End: end}); err != nil {
		return err
	}
	return x.w.Flush()
}

// span is a part of a chain.
type span struct{ first, last int64 }

// Export writes the rows with from ≤ At < to as JSON lines, with the proof by
// which somebody who has nothing but the public key can check them: the
// checkpoints from then until all these rows are vouched for, and of the rows
// between the hashes. It makes a checkpoint first.
func (t *Trail) Export(ctx context.Context, from, to time.Time, w io.Writer) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("export audit trail: %w", err)
		}
	}()
	from, to = venue.Millis(from).In(venue.Zone), venue.Millis(to).In(venue.Zone)
	if err := t.checkpoint(ctx, nil); err != nil {
		return err
	}
	spans := map[string]span{}
	for d, err := range t.docs.Find(ctx, store.Audit.Name, store.Query{Index: "at", From: from, To: to}) {
		if err != nil {
			return err
		}
		chain, seq, ok := splitID(d.ID)
		if !ok {
			return fmt.Errorf("row %s: %w", d.ID, ErrTampered)
		}
		grow(spans, chain, seq)
	}
	x := newExporter(w)
	if err := x.write(exportLine{Head: &exportHead{exportFormat, from, to}}); err != nil {
		return err
	}
	if err := t.exportCheckpoints(ctx, x, from, to, spans); err != nil {
		return err
	}
	rows := int64(0)
	for _, chain := range slices.Sorted(maps.Keys(spans)) {
		s := spans[chain]
		first := max(1, s.first-1) // the row before shows that it is older
		for d, err := range t.docs.Find(ctx, store.Audit.Name, store.Query{From: rowID(chain, first), To: rowID(chain, s.last+1)}) {
			if err != nil {
				return err
			}
			r, err := readRow(d)
			if err != nil {
				return fmt.Errorf("row %s: %w", d.ID, ErrTampered)
			}
			line := &exportRow{Chain: r.Chain, Seq: r.Seq, At: r.Event.At.In(venue.Zone), Prev: r.Prev, Hash: r.Hash}
			if r.Event.At.Before(from) || !r.Event.At.Before(to) {
				digest := Hash(sha256.Sum256(r.Event.encode()))
				line.Digest = &digest
			} else {
				r.Event.At = line.At
				line.Event = &r.Event
				rows++
			}
			if err := x.write(exportLine{Row: line}); err != nil {
				return err
			}
		}
	}
	return x.end(rows, t.signer)
}

func grow(spans map[string]span, chain string, seq int64) {
	s, ok := spans[chain]
	if !ok {
		s = span{seq, seq}
	}
	spans[chain] = span{min(s.first, seq), max(s.last, seq)}
}

// exportCheckpoints writes those from the first at or after from until one is at
// or after to and every span is vouched for, and widens the spans to the rows
// that these name: a chain can not be left out. Later ones are written only if
// they dropped chains.
func (t *Trail) exportCheckpoints(ctx context.Context, x *exporter, from, to time.Time, spans map[string]span) error {
	open := map[string]int64{}
	for chain, s := range spans {
		open[chain] = s.last
	}
	var included []Checkpoint
	var lines, drops [][]byte
	dropped, beyond := map[string]bool{}, false
	err := checkpoints(ctx, t.docs, 0, func(d store.Document, line []byte) error {
		c, err := readCheckpoint(line, t.signer.Public())
		if err != nil {
			return fmt.Errorf("checkpoint %s: %w", d.ID, ErrTampered)
		}
		for _, d := range c.Dropped {
			dropped[d.Chain] = true
		}
		switch {
		case c.At.Before(from):
		case len(open) > 0 || !beyond:
			beyond = beyond || !c.At.Before(to)
			included, lines = append(included, c), append(lines, line)
			for _, h := range c.Chains {
				if n, ok := open[h.Chain]; ok && n <= h.Length {
					delete(open, h.Chain)
				}
			}
		case len(c.Dropped) > 0:
			drops = append(drops, line)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, c := range included {
		for _, h := range c.Chains {
			if !dropped[h.Chain] {
				grow(spans, h.Chain, h.Length)
			}
		}
	}
	for _, line := range lines {
		if err := x.write(exportLine{Checkpoint: line}); err != nil {
			return err
		}
	}
	for _, line := range drops {
		if err := x.write(exportLine{Drop: line}); err != nil {
			return err
		}
	}
	return nil
}

// maxExportLine bounds what a hostile file can make us hold.
const maxExportLine = 16 << 20

// VerifyExport checks an export with the public key alone: that it is whole and
// unchanged since it was written, that each chain's rows follow on one another
// and that the checkpoints vouch for them. ErrBroken, with the line, if not.
func VerifyExport(r io.Reader, key ed25519.PublicKey) (ExportReport, error) {
	v := exportCheck{key: key, sum: sha256.New(), heads: map[string]map[int64]Hash{}, vouched: map[string]int64{}, dropped: map[string]bool{}, seen: map[string]bool{}}
	in := bufio.NewScanner(r)
	in.Buffer(nil, maxExportLine)
	in.Split(terminatedLines)
	for in.Scan() {
		if err := v.line(in.Bytes()); err != nil {
			return v.report, fmt.Errorf("line %d: %w: %s", v.lines+1, ErrBroken, err)
		}
	}
	if errors.Is(in.Err(), bufio.ErrTooLong) || errors.Is(in.Err(), io.ErrUnexpectedEOF) {
		return v.report, fmt.Errorf("line %d: %w: it has no end", v.lines+1, ErrBroken)
	}
	if err := in.Err(); err != nil {
		return v.report, fmt.Errorf("read audit export: %w", err)
	}
	if !v.ended {
		return v.report, fmt.Errorf("line %d: %w: the end is missing", v.lines+1, ErrBroken)
	}
	return v.report, nil
}

// terminatedLines splits as bufio.ScanLines, but knows only "\n" and wants it
// after the last line too.
func terminatedLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return 0, nil, nil
}

// exportCheck reads an export line by line.
type exportCheck struct {
	key    ed25519.PublicKey
	report ExportReport
	sum    hash.Hash
	lines  int64
	begun  bool
	ended  bool

	prev    Hash  // of the last checkpoint's line
	number  int64 // of the last checkpoint; 0 before the first
	heads   map[string]map[int64]Hash
	vouched map[string]int64
	dropped map[string]bool

	row  *exportRow // the last
	seen map[string]bool
	full bool // the chain has had a row with its event
}

func (v *exportCheck) line(b []byte) error {
	var l exportLine
	if err := json.Unmarshal(b, &l); err != nil {
		return errors.New("no line of an export")
	}
	if again, err := json.Marshal(l); err != nil || !bytes.Equal(again, b) {
		return errors.New("not as it was written")
	}
	if v.ended || v.begun == (l.Head != nil) {
		return errors.New("not where it was written")
	}
	var err error
	switch {
	case l.Head != nil && l.Checkpoint == nil && l.Drop == nil && l.Row == nil && l.End == nil:
		err = v.head(*l.Head)
	case l.Checkpoint != nil && l.Drop == nil && l.Row == nil && l.End == nil:
		err = v.checkpoint(l.Checkpoint)
	case l.Drop != nil && l.Row == nil && l.End == nil:
		err = v.drop(l.Drop)
	case l.Row != nil && l.End == nil:
		err = v.next(l.Row)
	case l.End != nil && l.Row == nil:
		err = v.end(*l.End)
	default:
		err = errors.New("more than one thing in a line, or none")
	}
	v.lines++
	v.sum.Write(b)
	v.sum.Write([]byte("\n"))
	return err
}

func (v *exportCheck) head(h exportHead) error {
	if h.Format != exportFormat {
		return errors.New("another format")
	}
	v.begun, v.report.From, v.report.To = true, h.From, h.To
	return nil
}

func (v *exportCheck) checkpoint(line []byte) error {
	c, err := readCheckpoint(line, v.key)
	if err != nil {
		return err
	}
	if v.row != nil || c.At.Before(v.report.From) || v.number > 0 && (c.Number != v.number+1 || c.Prev != v.prev) {
		return errors.New("checkpoint not where it was written")
	}
	v.number, v.prev = c.Number, sha256.Sum256(line)
	v.report.Checkpoints++
	for _, h := range c.Chains {
		if v.heads[h.Chain] == nil {
			v.heads[h.Chain] = map[int64]Hash{}
		}
		if known, ok := v.heads[h.Chain][h.Length]; ok && known != h.Head {
			return errors.New("two heads of one chain")
		}
		v.heads[h.Chain][h.Length] = h.Head
		v.vouched[h.Chain] = max(v.vouched[h.Chain], h.Length)
	}
	for _, d := range c.Dropped {
		v.dropped[d.Chain] = true
	}
	return nil
}

func (v *exportCheck) drop(line []byte) error {
	c, err := readCheckpoint(line, v.key)
	if err != nil || v.row != nil {
		return errForged
	}
	for _, d := range c.Dropped {
		v.dropped[d.Chain] = true
	}
	return nil
}

func (v *exportCheck) next(r *exportRow) error {
	inside := !r.At.Before(v.report.From) && r.At.Before(v.report.To)
	if inside != (r.Event != nil) || inside == (r.Digest != nil) {
		return errors.New("an event outside the window, or none inside")
	}
	var digest Hash
	if inside {
		if !r.Event.At.Equal(r.At) {
			return errors.New("two instants")
		}
		digest = sha256.Sum256(r.Event.encode())
	} else {
		digest = *r.Digest
	}
	if r.Hash != hashRow(r.Chain, r.Seq, r.At, r.Prev, digest) {
		return errors.New("hash of the row")
	}
	switch last := v.row; {
	case last == nil || last.Chain < r.Chain:
		if err := v.endChain(); err != nil {
			return err
		}
		if inside && r.Seq != 1 {
			return errors.New("a chain without the row before the window")
		}
		if r.Seq == 1 && r.Prev != (Hash{}) {
			return errors.New("something before the first row")
		}
	case last.Chain > r.Chain || r.Seq != last.Seq+1 || r.Prev != last.Hash || r.At.Before(last.At):
		return errors.New("row does not follow on the one before it")
	}
	if head, ok := v.heads[r.Chain][r.Seq]; ok {
		if head != r.Hash {
			return errors.New("not the row that was vouched for")
		}
		delete(v.heads[r.Chain], r.Seq)
	}
	v.row, v.seen[r.Chain] = r, true
	if inside {
		v.report.Rows++
		if !v.full {
			v.full = true
			v.report.Chains++
		}
		if r.Seq > v.vouched[r.Chain] {
			v.report.Unconfirmed++
		}
	}
	return nil
}

// endChain asks for the rows that the checkpoints name and that have not come.
func (v *exportCheck) endChain() error {
	if v.row != nil && len(v.heads[v.row.Chain]) > 0 && !v.dropped[v.row.Chain] {
		return errors.New("a row that was vouched for is missing")
	}
	v.full = false
	return nil
}

func (v *exportCheck) end(e exportEnd) error {
	if err := v.endChain(); err != nil {
		return err
	}
	for chain := range v.heads {
		if !v.seen[chain] && !v.dropped[chain] {
			return errors.New("a chain that was vouched for is missing")
		}
	}
	if e.Rows != v.report.Rows || e.Lines != v.lines {
		return errors.New("the numbers of rows and lines")
	}
	if !ed25519.Verify(v.key, v.sum.Sum([]byte(exportDomain)), e.Signature) {
		return errForged
	}
	v.ended = true
	return nil
}
