package audit

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Head is how far a chain has come.
type Head struct {
	Chain  string `json:"chain"`
	Length int64  `json:"length"` // rows, and so the last Seq
	Head   Hash   `json:"head"`   // of the last row
}

// Drop is a chain that retention took away whole.
type Drop struct {
	Head
	From time.Time `json:"from"` // of its first row
	To   time.Time `json:"to"`   // of its last
}

// Checkpoint vouches for the chains that grew since the one before it and,
// through Prev, for all others. Its line is its JSON: what is stored, what goes
// to the sinks and what Prev is the hash of.
type Checkpoint struct {
	Number    int64     `json:"number"` // from 1, without a gap
	At        time.Time `json:"at"`     // civil
	Prev      Hash      `json:"prev"`   // SHA-256 of the line before; zero of the first
	Chains    []Head    `json:"chains,omitempty"`
	Dropped   []Drop    `json:"dropped,omitempty"`
	Signature []byte    `json:"signature,omitempty"` // Ed25519, over the line without it
}

const checkpointDomain = "venuecode audit checkpoint 1\n"

// line is the one way to write a checkpoint.
func (c Checkpoint) line() ([]byte, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode audit checkpoint: %w", err)
	}
	return b, nil
}

// signed returns the checkpoint with its signature, and its line.
func (c Checkpoint) signed(s Signer) (Checkpoint, []byte, error) {
	c.Signature = nil
	b, err := c.line()
	if err != nil {
		return c, nil, err
	}
	if c.Signature, err = s.Sign(append([]byte(checkpointDomain), b...)); err != nil {
		return c, nil, fmt.Errorf("sign audit checkpoint: %w", err)
	}
	b, err = c.line()
	return c, b, err
}

var errForged = errors.New("not signed by this key")

// readCheckpoint reads a line that was signed; errForged for every other.
func readCheckpoint(line []byte, key ed25519.PublicKey) (Checkpoint, error) {
	var c Checkpoint
	if err := json.Unmarshal(line, &c); err != nil {
		return c, errForged
	}
	if again, err := c.line(); err != nil || !bytes.Equal(again, line) {
		return c, errForged
	}
	bare := c
	bare.Signature = nil
	b, err := bare.line()
	if err != nil || !ed25519.Verify(key, append([]byte(checkpointDomain), b...), c.Signature) {
		return c, errForged
	}
	return c, nil
}

// checkpointBody is a checkpoint as it is stored.
type checkpointBody struct{ Line string }

func checkpointID(number int64) string { return fmt.Sprintf("%012d", number) }

// checkpoints yields the stored lines from a number on, in order.
func checkpoints(ctx context.Context, docs store.Documents, from int64, yield func(store.Document, []byte) error) error {
	for d, err := range docs.Find(ctx, store.AuditCheckpoints.Name, store.Query{From: checkpointID(from)}) {
		if err != nil {
			return fmt.Errorf("read audit checkpoints: %w", err)
		}
		var b checkpointBody
		if err := bson.Unmarshal(d.Body, &b); err != nil {
			b.Line = ""
		}
		if again, err := bson.Marshal(b); err != nil || !bytes.Equal(again, d.Body) || d.Rev != 1 {
			b.Line = "" // something was added to it
		}
		if err := yield(d, []byte(b.Line)); err != nil {
			return err
		}
	}
	return nil
}

// checkpoint signs what grew and what was dropped, durably. It does nothing if
// nothing did. The heads of our own chains come from memory: a row that somebody
// took away since it was written is missed.
func (t *Trail) checkpoint(ctx context.Context, dropped []Drop) error {
	t.signing.Lock()
	defer t.signing.Unlock()
	heads := t.grown()
	if len(heads) == 0 && len(dropped) == 0 {
		return nil
	}
	for {
		last := t.lastKnown()
		if err := checkpoints(ctx, t.docs, last.number+1, func(_ store.Document, line []byte) error {
			c, err := readCheckpoint(line, t.signer.Public())
			if err != nil || c.Number != last.number+1 {
				return fmt.Errorf("audit checkpoint behind %d: %w", last.number, errForged)
			}
			last = mark{c.Number, sha256.Sum256(line)} // another process was faster
			return nil
		}); err != nil {
			return err
		}
		t.know(last)
		c, line, err := Checkpoint{
			Number: last.number + 1, At: venue.Millis(t.clock.Now()).In(venue.Zone), Prev: last.hash,
			Chains: heads, Dropped: dropped,
		}.signed(t.signer)
		if err != nil {
			return err
		}
		body, err := bson.Marshal(checkpointBody{string(line)})
		if err != nil {
			return fmt.Errorf("encode audit checkpoint: %w", err)
		}
		err = t.docs.Insert(ctx, store.AuditCheckpoints.Name, checkpointID(c.Number), body)
		if errors.Is(err, venue.ErrExists) {
			continue
		}
		if err != nil {
			return fmt.Errorf("keep audit checkpoint: %w", err)
		}
		t.know(mark{c.Number, sha256.Sum256(line)})
		t.vouched(heads)
		return nil
	}
}

// Name names the job.
func (t *Trail) Name() string { return "audit-checkpoint" }

// Next is the coming hour if any chain grew, or when a sink that was away is to
// be tried again; at once after a start, for the chains of processes that died.
func (t *Trail) Next(context.Context) (due time.Time, ok bool, err error) {
	grown := len(t.grown()) > 0
	t.mu.Lock()
	defer t.mu.Unlock()
	if grown {
		due, ok = t.due, true
	}
	for _, s := range t.sinks {
		if s.behind && (!ok || s.retry.Before(due)) {
			due, ok = s.retry, true
		}
	}
	return due, ok, nil
}

// Run makes a checkpoint if one is due and sends the sinks what they lack. A
// sink that is away is deferred: 1 min, 2, 4 … at most an hour.
func (t *Trail) Run(ctx context.Context, now time.Time) (ran, deferred int, err error) {
	t.mu.Lock()
	due := !now.Before(t.due)
	t.mu.Unlock()
	if due {
		if err := t.checkpoint(ctx, nil); err != nil {
			return 0, 0, err
		}
		t.mu.Lock()
		t.due = now.Truncate(checkpointEvery).Add(checkpointEvery)
		t.mu.Unlock()
		ran++
	}
	sent, deferred := t.send(ctx, now)
	return ran + sent, deferred, ctx.Err()
}

func sortHeads(heads []Head) {
	slices.SortFunc(heads, func(a, b Head) int { return strings.Compare(a.Chain, b.Chain) })
}
