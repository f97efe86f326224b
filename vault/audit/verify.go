package audit

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/venuecode/venuecode/store"
)

// Kind says what was done to the trail.
type Kind string

// What Verify can find.
const (
	Edit              Kind = "edit"               // a row or line is not as it was written
	Removal           Kind = "removal"            // rows are gone, or a whole chain
	Reorder           Kind = "reorder"            // a row or line is not where it was written
	Truncation        Kind = "truncation"         // the end of a chain or of a copy is gone
	ForgedCheckpoint  Kind = "forged_checkpoint"  // not signed with the key, or two of one number
	MissingCheckpoint Kind = "missing_checkpoint" // gone, or never made
	UnlinkedChain     Kind = "unlinked_chain"     // begun by somebody without the key
)

// Finding is one thing that is wrong.
type Finding struct {
	Kind  Kind   `json:"kind"`
	Where string `json:"where"` // a row's id, a chain, a checkpoint's number, a copy's line
}

// Report is what Verify saw.
type Report struct {
	Chains      int       `json:"chains"`
	Rows        int64     `json:"rows"`
	Checkpoints int       `json:"checkpoints"`
	Unvouched   int64     `json:"unvouched"` // rows behind the last checkpoint: if the last of them went, nobody could tell
	Dropped     []Drop    `json:"dropped,omitempty"`
	Found       int       `json:"found"`
	Findings    []Finding `json:"findings,omitempty"` // the first 1000
}

// maxFindings is how many are listed; all are counted.
const maxFindings = 1000

// lateCheckpoint is how long a process may write to one chain before it is
// missed that it made no checkpoint.
const lateCheckpoint = 2 * checkpointEvery

// Verify walks all chains and all checkpoints, and compares what the sinks have
// kept: copies by the sink's name, lines as they were sent, possibly twice. It
// may run while the trail is being written. An error means that the trail could
// not be read; what was done to it is in the Report. progress may be nil.
//
// What it can not see: rows that were behind the last checkpoint, at the end of
// the chain of a process that had died, and were removed before the next process
// started (at most an hour's, see Unvouched); and checkpoints removed at the end,
// with the rows that they vouched for, if no copy is given.
func Verify(ctx context.Context, docs store.Documents, key ed25519.PublicKey, copies map[string]io.Reader, progress func(rows int64)) (Report, error) {
	v := newVerifier(docs, key)
	if progress != nil {
		v.progress = progress
	}
	// What grows is read before what it must agree with: cursors, copies, stored
	// checkpoints, rows.
	for _, name := range slices.Sorted(maps.Keys(copies)) {
		cursor, err := sinkCursor(ctx, docs, name)
		if err == nil {
			err = v.copy(name, copies[name], cursor)
		}
		if err != nil {
			return v.report, fmt.Errorf("verify audit trail: %w", err)
		}
	}
	for _, step := range []func(context.Context) error{v.stored, v.compare, v.begins, v.rows, v.droppedMeanwhile} {
		if err := step(ctx); err != nil {
			return v.report, fmt.Errorf("verify audit trail: %w", err)
		}
	}
	v.close()
	return v.report, nil
}

// claim is what somebody says about a row.
type claim struct {
	length int64
	head   Hash
}

// copied is a checkpoint that a sink has kept.
type copied struct {
	where string
	hash  Hash
}

type verifier struct {
	docs     store.Documents
	key      ed25519.PublicKey
	report   Report
	progress func(int64)

	lines   map[int64]Hash     // stored checkpoints that hold
	last    int64              // number of the last stored one
	copies  map[int64][]copied // those that the sinks have
	claims  map[string][]claim
	vouched map[string]int64 // by chain: the greatest length that a checkpoint names
	dropped map[string]Drop
	signed  map[Hash]Checkpoint // by line: a copy's line is mostly one that is stored
	begun   map[string]Hash     // first rows whose signature holds
	at      walk                // the chain being walked
	walked  map[string]bool     // chains of which there are rows
	faulty  map[string][]Finding
}

func newVerifier(docs store.Documents, key ed25519.PublicKey) *verifier {
	return &verifier{
		docs: docs, key: key, progress: func(int64) {},
		lines: map[int64]Hash{}, copies: map[int64][]copied{}, claims: map[string][]claim{},
		vouched: map[string]int64{}, dropped: map[string]Drop{}, walked: map[string]bool{}, faulty: map[string][]Finding{},
		signed: map[Hash]Checkpoint{}, begun: map[string]Hash{},
	}
}

func (v *verifier) found(kind Kind, where string, args ...any) {
	v.report.Found++
	if len(v.report.Findings) < maxFindings {
		v.report.Findings = append(v.report.Findings, Finding{kind, fmt.Sprintf(where, args...)})
	}
}

// inChain keeps a finding until it is known that the chain was not dropped
// meanwhile.
func (v *verifier) inChain(chain string, kind Kind, where string, args ...any) {
	v.faulty[chain] = append(v.faulty[chain], Finding{kind, fmt.Sprintf(where, args...)})
}

// read reads a checkpoint's line.
func (v *verifier) read(line []byte) (Checkpoint, Hash, error) {
	hash := Hash(sha256.Sum256(line))
	if c, ok := v.signed[hash]; ok {
		return c, hash, nil
	}
	c, err := readCheckpoint(line, v.key)
	if err == nil {
		v.signed[hash] = c
	}
	return c, hash, err
}

// trust takes over what a checkpoint says.
func (v *verifier) trust(c Checkpoint) {
	for _, h := range c.Chains {
		v.claims[h.Chain] = append(v.claims[h.Chain], claim{h.Length, h.Head})
		v.vouched[h.Chain] = max(v.vouched[h.Chain], h.Length)
	}
	for _, d := range c.Dropped {
		v.dropped[d.Chain] = d
	}
}

// copy reads what a sink has kept. A line repeats one before it, or is the next.
func (v *verifier) copy(name string, r io.Reader, cursor int64) error {
	in := bufio.NewReader(r)
	seen := map[int64]Hash{}
	last, broken := int64(0), false
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break // what is behind the last newline was never acknowledged
		}
		if err != nil {
			return fmt.Errorf("read the copy of audit sink %s: %w", name, err)
		}
		where := fmt.Sprintf("copy %s, line %d", name, n)
		line = bytes.TrimSuffix(line, []byte("\n"))
		c, hash, err := v.read(line)
		if err != nil {
			v.found(ForgedCheckpoint, "%s", where)
			broken = true
			continue
		}
		known, repeated := seen[c.Number]
		switch {
		case repeated && known != hash:
			v.found(ForgedCheckpoint, "%s: checkpoint %d, once more and different", where, c.Number)
		case repeated:
			continue
		case c.Number < last:
			v.found(Reorder, "%s: checkpoint %d", where, c.Number)
		case c.Number > last+1 && !broken:
			v.found(MissingCheckpoint, "%s: %d follows on %d", where, c.Number, last)
		}
		last, broken, seen[c.Number] = max(last, c.Number), false, hash
		v.copies[c.Number] = append(v.copies[c.Number], copied{where, hash})
		v.trust(c)
	}
	if last < cursor {
		v.found(Truncation, "copy %s: it ends at checkpoint %d and has acknowledged %d", name, last, cursor)
	}
	return nil
}

// stored reads the checkpoints, each against the one before it.
func (v *verifier) stored(ctx context.Context) error {
	prev, whole := Hash{}, true
	return checkpoints(ctx, v.docs, 0, func(d store.Document, line []byte) error {
		v.report.Checkpoints++
		c, hash, err := v.read(line)
		if err != nil {
			v.found(ForgedCheckpoint, "checkpoint %s", d.ID)
			v.last, whole = v.last+1, false
			return nil
		}
		if checkpointID(c.Number) != d.ID {
			v.found(Reorder, "checkpoint %s is number %d", d.ID, c.Number)
			v.last, whole = v.last+1, false
			return nil
		}
		if c.Number != v.last+1 {
			v.found(MissingCheckpoint, "checkpoint %d: %d follows on %d", v.last+1, c.Number, v.last)
			whole = false
		}
		if whole && c.Prev != prev {
			v.found(ForgedCheckpoint, "checkpoint %d does not follow on the one before it", c.Number)
		}
		prev, whole, v.last = hash, true, c.Number
		v.lines[c.Number] = hash
		v.trust(c)
		return nil
	})
}

// compare holds the copies against the stored checkpoints.
func (v *verifier) compare(context.Context) error {
	for _, n := range slices.Sorted(maps.Keys(v.copies)) {
		for _, c := range v.copies[n] {
			if hash, ok := v.lines[n]; !ok {
				v.found(MissingCheckpoint, "checkpoint %d, known from %s", n, c.where)
			} else if hash != c.hash {
				v.found(ForgedCheckpoint, "checkpoint %d is another one in %s", n, c.where)
			}
		}
	}
	return nil
}

// begins collects what the chains' first rows say about other chains.
func (v *verifier) begins(ctx context.Context) error {
	for d, err := range chains(ctx, v.docs) {
		if err != nil {
			return err
		}
		row, err := readRow(d)
		if err != nil || !begun(row, v.key) {
			continue // the walk says so
		}
		v.begun[row.Chain] = row.Hash
		for k, text := range row.Event.Details {
			chain, link := strings.CutPrefix(k, detailLink)
			n, hash, ok := parsePoint(text)
			if link && ok {
				v.claims[chain] = append(v.claims[chain], claim{n, hash})
			}
			if k != detailCheckpoint || n == 0 {
				continue
			}
			if known, ok := v.lines[n]; n > v.last || ok && known != hash {
				v.found(MissingCheckpoint, "checkpoint %d, known from chain %s", n, row.Chain)
			}
		}
	}
	return nil
}

// begun tells whether a chain's first row is signed.
func begun(r Row, key ed25519.PublicKey) bool {
	signature, err := base64.StdEncoding.DecodeString(r.Event.Details[detailSignature])
	return err == nil && r.Seq == 1 && r.Event.Action == ActionBegin && r.Event.Object.ID == r.Chain &&
		ed25519.Verify(key, beginMessage(r.Event), signature)
}

// walk is a walk along one chain.
type walk struct {
	chain     string
	seq       int64 // of the last row
	prev      Hash  // what the next row must name; meaningless if blind
	blind     bool  // the last row could not be read
	claims    []claim
	uncovered time.Time // of the first row that no checkpoint vouches for
	last      time.Time
}

// batch is a part of the rows, read by one goroutine for all.
type batch struct {
	docs []store.Document
	rows []Row
	errs []error
	done chan struct{}
}

const batchSize = 512

// rows walks all chains. Hashing is most of the work and needs no order, so it
// is done beside the walk.
func (v *verifier) rows(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan *batch, 2*runtime.GOMAXPROCS(0))
	var failed error
	go func() {
		defer close(batches)
		b := &batch{done: make(chan struct{})}
		flush := func() bool {
			go b.read()
			select {
			case batches <- b:
			case <-ctx.Done():
				return false
			}
			b = &batch{done: make(chan struct{})}
			return true
		}
		for d, err := range v.docs.Find(ctx, store.Audit.Name, store.Query{}) {
			if err != nil {
				failed = err
				return
			}
			if b.docs = append(b.docs, d); len(b.docs) == batchSize && !flush() {
				return
			}
		}
		flush()
	}()
	for b := range batches {
		<-b.done
		for i, d := range b.docs {
			if err := v.step(ctx, d, b.rows[i], b.errs[i]); err != nil {
				return err
			}
		}
		v.report.Rows += int64(len(b.docs))
		v.progress(v.report.Rows)
	}
	if failed != nil {
		return failed
	}
	v.endChain()
	return ctx.Err()
}

func (b *batch) read() {
	b.rows, b.errs = make([]Row, len(b.docs)), make([]error, len(b.docs))
	for i, d := range b.docs {
		b.rows[i], b.errs[i] = readRow(d)
	}
	close(b.done)
}

// step goes on to the next document.
func (v *verifier) step(ctx context.Context, d store.Document, r Row, wrong error) error {
	chain, seq, ok := splitID(d.ID)
	if !ok {
		v.found(Edit, "row %s: there is no such id", d.ID)
		return nil
	}
	w := &v.at
	if chain != w.chain {
		v.endChain()
		v.beginChain(chain)
	}
	// A row may have come in behind a reader who had passed its place.
	for n := w.seq + 1; n < seq; n++ {
		late, err := v.docs.Get(ctx, store.Audit.Name, rowID(chain, n))
		if isNotFound(err) {
			v.inChain(chain, Removal, "chain %s: row %d follows on %d", chain, seq, w.seq)
			w.seq, w.blind = seq-1, true
			break
		}
		if err != nil {
			return err
		}
		row, wrong := readRow(late)
		v.row(n, row, wrong)
	}
	v.row(seq, r, wrong)
	return nil
}

func (v *verifier) beginChain(chain string) {
	claims := v.claims[chain]
	slices.SortFunc(claims, func(a, b claim) int { return int(a.length - b.length) })
	v.at = walk{chain: chain, claims: claims}
	v.walked[chain] = true
	v.report.Chains++
}

// row takes the next row of the chain.
func (v *verifier) row(seq int64, r Row, wrong error) {
	w := &v.at
	w.seq = seq
	for len(w.claims) > 0 && w.claims[0].length < seq {
		w.claims = w.claims[1:] // of a row that is gone
	}
	if wrong != nil {
		kind := Edit
		if errors.Is(wrong, errPlace) {
			kind = Reorder
		}
		v.inChain(w.chain, kind, "row %s", rowID(w.chain, seq))
		w.blind = true
		return
	}
	switch {
	case seq == 1 && v.begun[r.Chain] != r.Hash && !begun(r, v.key):
		v.inChain(w.chain, UnlinkedChain, "chain %s", w.chain)
	case !w.blind && r.Prev != w.prev:
		v.inChain(w.chain, Edit, "row %s does not follow on the one before it", r.ID())
	case r.Event.At.Before(w.last):
		v.inChain(w.chain, Reorder, "row %s is older than the one before it", r.ID())
	}
	for len(w.claims) > 0 && w.claims[0].length == seq {
		if w.claims[0].head != r.Hash {
			v.inChain(w.chain, Edit, "row %s is not the one that was vouched for", r.ID())
		}
		w.claims = w.claims[1:]
	}
	w.prev, w.blind, w.last = r.Hash, false, r.Event.At
	if seq > v.vouched[w.chain] {
		v.report.Unvouched++
		if w.uncovered.IsZero() {
			w.uncovered = r.Event.At
		}
	}
}

// endChain asks for what should have come yet.
func (v *verifier) endChain() {
	w := &v.at
	if w.chain == "" {
		return
	}
	if n := len(w.claims); n > 0 {
		v.inChain(w.chain, Truncation, "chain %s ends at row %d and had %d", w.chain, w.seq, w.claims[n-1].length)
	}
	if !w.uncovered.IsZero() && w.last.Sub(w.uncovered) > lateCheckpoint {
		v.inChain(w.chain, MissingCheckpoint, "chain %s: none since row %d", w.chain, v.vouched[w.chain])
	}
	*w = walk{}
}

// droppedMeanwhile reads the checkpoints that came while the chains were walked:
// they may have dropped some.
func (v *verifier) droppedMeanwhile(ctx context.Context) error {
	return checkpoints(ctx, v.docs, v.last+1, func(_ store.Document, line []byte) error {
		if c, err := readCheckpoint(line, v.key); err == nil {
			for _, d := range c.Dropped {
				v.dropped[d.Chain] = d
			}
		}
		return nil
	})
}

// close tells what is wrong with chains that were not dropped, and what was
// dropped.
func (v *verifier) close() {
	for chain, claims := range v.claims {
		drop, dropped := v.dropped[chain]
		if !dropped && !v.walked[chain] {
			v.inChain(chain, Removal, "chain %s is gone", chain)
		}
		for _, c := range claims {
			if dropped && (c.length > drop.Length || c.length == drop.Length && c.head != drop.Head.Head) {
				v.found(Truncation, "chain %s was dropped with %d rows and had %d", chain, drop.Length, c.length)
				break
			}
		}
	}
	for _, chain := range slices.Sorted(maps.Keys(v.faulty)) {
		if _, dropped := v.dropped[chain]; dropped {
			continue // its rows are on their way out
		}
		for _, f := range v.faulty[chain] {
			v.found(f.Kind, "%s", f.Where)
		}
	}
	for _, chain := range slices.Sorted(maps.Keys(v.dropped)) {
		v.report.Dropped = append(v.report.Dropped, v.dropped[chain])
	}
}
