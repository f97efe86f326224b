package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

const (
	maxChains       = 64                 // written side by side by one process
	chainLife       = 7 * 24 * time.Hour // a chain takes rows for that long
	checkpointEvery = time.Hour
)

// ActionBegin is the action of a chain's first row: it names the last
// checkpoint and the heads of chains that no checkpoint vouches for, and is
// signed.
const ActionBegin = "chain.begin"

const (
	detailCheckpoint = "checkpoint"
	detailSignature  = "signature"
	detailLink       = "link." // and the chain's id
)

// Options of a Trail. All but Sinks and Log are required.
type Options struct {
	Docs   store.Documents
	Signer Signer
	Clock  venue.Clock // civil
	Random io.Reader   // names chains; crypto/rand.Reader outside tests
	Sinks  []Sink      // where checkpoints go, off the machine
	Log    *slog.Logger
}

// Trail is what this process writes, and a view on what all have written. It is
// safe for concurrent use, and is the job that makes the checkpoints.
type Trail struct {
	docs   store.Documents
	signer Signer
	clock  venue.Clock
	random io.Reader
	log    *slog.Logger

	turns   chan struct{} // as many as chains may be written at once
	signing sync.Mutex    // one checkpoint at a time

	mu       sync.Mutex // guards what follows, and the growth of chains
	closed   bool
	free     []*chain         // last used on top, so that few are in use
	growing  map[string]*Head // by chain: what the next checkpoint says
	last     mark
	first    Head // the first row of this process
	due      time.Time
	sinks    []*sinkState
	draining sync.Mutex
}

// mark is a checkpoint as the next one names it.
type mark struct {
	number int64
	hash   Hash
}

// chain is written by one caller at a time, who has taken it.
type chain struct {
	id      string
	began   time.Time
	at      time.Time // of the last row
	length  int64
	head    Hash
	pending *pendingRow
	lost    bool // somebody else wrote to it
}

// pendingRow is one of which nobody knows whether the store has it. Nothing is
// written behind it until that is known.
type pendingRow struct {
	row  Row
	body bson.Raw
}

// Open begins a chain, linked to all that no checkpoint vouches for yet. It
// fails if the last checkpoint was signed by another key.
func Open(ctx context.Context, o Options) (*Trail, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	t := &Trail{
		docs: o.Docs, signer: o.Signer, clock: o.Clock, random: o.Random, log: o.Log,
		turns: make(chan struct{}, maxChains), growing: map[string]*Head{}, due: o.Clock.Now(),
	}
	for _, s := range o.Sinks {
		t.sinks = append(t.sinks, &sinkState{Sink: s, behind: true, retry: t.due})
	}
	orphans, err := t.orphans(ctx)
	if err != nil {
		return nil, fmt.Errorf("open audit trail: %w", err)
	}
	c := &chain{}
	if err := t.begin(ctx, c, orphans); err != nil {
		return nil, fmt.Errorf("open audit trail: %w", err)
	}
	t.first = Head{c.id, 1, c.head}
	for _, h := range orphans {
		t.growing[h.Chain] = &h
	}
	t.free = []*chain{c}
	return t, nil
}

// orphans reads the last checkpoint and finds the chains that are longer than
// any checkpoint says.
func (t *Trail) orphans(ctx context.Context) (found []Head, err error) {
	vouched, dropped := map[string]int64{}, map[string]bool{}
	err = checkpoints(ctx, t.docs, 1, func(d store.Document, line []byte) error {
		c, err := readCheckpoint(line, t.signer.Public())
		if err != nil {
			return fmt.Errorf("audit checkpoint %s: %w", d.ID, err)
		}
		for _, h := range c.Chains {
			vouched[h.Chain] = max(vouched[h.Chain], h.Length)
		}
		for _, h := range c.Dropped {
			dropped[h.Chain] = true
		}
		t.last = mark{c.Number, sha256.Sum256(line)}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for d, err := range chains(ctx, t.docs) {
		if err != nil {
			return nil, fmt.Errorf("list audit chains: %w", err)
		}
		id, _, _ := strings.Cut(d.ID, ":")
		last, ok, err := lastOf(ctx, t.docs, id)
		if err != nil {
			return nil, err
		}
		if ok && last.Seq > vouched[id] && !dropped[id] {
			found = append(found, Head{id, last.Seq, last.Hash})
		}
	}
	return found, nil
}

// Append writes an event, with At set to now, and returns the row's id. The row
// is durable when it returns; nothing identified is shown before. After an error
// the row may be there or not, and nothing is shown. *venue.Invalid if the event
// may not be in the trail.
func (t *Trail) Append(ctx context.Context, e Event) (id string, err error) {
	if err := e.Check(); err != nil {
		return "", fmt.Errorf("append to audit trail: %w", err)
	}
	c, err := t.take(ctx)
	if err != nil {
		return "", fmt.Errorf("append to audit trail: %w", err)
	}
	defer t.release(c)
	if c.length == 0 || c.lost || t.clock.Now().Sub(c.began) > chainLife {
		links := []Head{t.first}
		if c.length > 0 {
			links = append(links, Head{c.id, c.length, c.head})
		}
		next := &chain{}
		if err := t.begin(ctx, next, links); err != nil {
			return "", fmt.Errorf("append to audit trail: %w", err)
		}
		*c = *next
	}
	row, err := t.write(ctx, c, e.clone())
	if err != nil {
		return "", fmt.Errorf("append to audit trail: %w", err)
	}
	return row.ID(), nil
}

// take waits for a turn and gives the chain used last, or another one.
func (t *Trail) take(ctx context.Context) (*chain, error) {
	select {
	case t.turns <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		<-t.turns
		return nil, fmt.Errorf("it is closed: %w", venue.ErrUnavailable)
	}
	n := len(t.free)
	if n == 0 {
		return &chain{}, nil
	}
	c := t.free[n-1]
	t.free = t.free[:n-1]
	return c, nil
}

func (t *Trail) release(c *chain) {
	t.mu.Lock()
	t.free = append(t.free, c)
	t.mu.Unlock()
	<-t.turns
}

// begin names a chain and writes its first row.
func (t *Trail) begin(ctx context.Context, c *chain, links []Head) error {
	var name [12]byte
	if _, err := io.ReadFull(t.random, name[:]); err != nil {
		return fmt.Errorf("name a chain: %w", err)
	}
	last := t.lastKnown()
	e := Event{
		Actor: ActorSystem, Action: ActionBegin,
		Object:  Object{Kind: "chain", ID: hex.EncodeToString(name[:])},
		Details: map[string]string{detailCheckpoint: formatPoint(last.number, last.hash)},
	}
	for _, h := range links {
		e.Details[detailLink+h.Chain] = formatPoint(h.Length, h.Head)
	}
	signature, err := t.signer.Sign(beginMessage(e))
	if err != nil {
		return fmt.Errorf("sign the beginning of a chain: %w", err)
	}
	e.Details[detailSignature] = base64.StdEncoding.EncodeToString(signature)
	c.id, c.began = e.Object.ID, t.clock.Now()
	_, err = t.write(ctx, c, e)
	return err
}

// beginMessage is what a chain's first row signs: itself, but for the instant
// and the signature.
func beginMessage(e Event) []byte {
	e = e.clone()
	delete(e.Details, detailSignature)
	e.At = time.UnixMilli(0)
	return append([]byte("venuecode audit chain 1\n"), e.encode()...)
}

// formatPoint writes a number and a hash as details do: 12:9f86….
func formatPoint(n int64, h Hash) string { return strconv.FormatInt(n, 10) + ":" + h.String() }

func parsePoint(s string) (n int64, h Hash, ok bool) {
	number, hash, ok := strings.Cut(s, ":")
	n, err := strconv.ParseInt(number, 10, 64)
	ok = ok && err == nil && h.UnmarshalText([]byte(hash)) == nil
	return n, h, ok
}

// write puts an event at the end of a chain that the caller has taken.
func (t *Trail) write(ctx context.Context, c *chain, e Event) (Row, error) {
	if c.pending != nil {
		if err := t.settle(ctx, c); err != nil {
			return Row{}, err
		}
	}
	e.At = venue.Millis(t.clock.Now())
	if e.At.Before(c.at) {
		e.At = c.at
	}
	row, body := newRow(c.id, c.length+1, c.head, e)
	c.pending = &pendingRow{row, body}
	return row, t.settle(ctx, c)
}

var errIntruder = errors.New("somebody else wrote to this chain")

// settle makes the pending row durable, whether or not it was before.
func (t *Trail) settle(ctx context.Context, c *chain) error {
	p := c.pending
	err := t.docs.Insert(ctx, store.Audit.Name, p.row.ID(), p.body)
	if errors.Is(err, venue.ErrExists) {
		var d store.Document
		if d, err = t.docs.Get(ctx, store.Audit.Name, p.row.ID()); err == nil && !bytes.Equal(d.Body, p.body) {
			c.lost, err = true, errIntruder
		}
	}
	if err != nil {
		return err
	}
	c.pending, c.length, c.head, c.at = nil, p.row.Seq, p.row.Hash, p.row.Event.At
	t.mu.Lock()
	defer t.mu.Unlock()
	t.growing[c.id] = &Head{c.id, c.length, c.head}
	return nil
}

// grown lists what the next checkpoint has to say.
func (t *Trail) grown() (heads []Head) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, h := range t.growing {
		heads = append(heads, *h)
	}
	sortHeads(heads)
	return heads
}

// vouched takes off the list what a checkpoint has said.
func (t *Trail) vouched(heads []Head) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, h := range heads {
		if now := t.growing[h.Chain]; now != nil && now.Length == h.Length {
			delete(t.growing, h.Chain)
		}
	}
	for _, s := range t.sinks {
		if !s.behind {
			s.behind, s.retry = true, t.clock.Now()
		}
	}
}

func (t *Trail) lastKnown() mark {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

func (t *Trail) know(m mark) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m.number > t.last.number {
		t.last = m
	}
}

// Close lets the appends under way end, refuses others, makes a last checkpoint
// and sends the sinks what they lack. What a sink could not be sent, the next
// process sends.
func (t *Trail) Close(ctx context.Context) error {
	t.mu.Lock()
	closed := t.closed
	t.closed = true
	t.mu.Unlock()
	if closed {
		return nil
	}
	for range maxChains {
		select {
		case t.turns <- struct{}{}:
			defer func() { <-t.turns }()
		case <-ctx.Done():
			return fmt.Errorf("close audit trail: %w", ctx.Err())
		}
	}
	if err := t.checkpoint(ctx, nil); err != nil {
		return fmt.Errorf("close audit trail: %w", err)
	}
	t.mu.Lock()
	for _, s := range t.sinks {
		s.retry = time.Time{}
	}
	t.mu.Unlock()
	t.send(ctx, t.clock.Now())
	return nil
}
