package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// ErrTampered: what is to be dropped is not what was written. Run Verify; what
// is wrong is evidence and stays.
var ErrTampered = errors.New("audit chain is not whole")

// DropBefore takes away the chains whose last row is older than at, and says
// which. First a signed checkpoint names them, then the rows go; run again, it
// goes on where it failed. A chain goes whole or stays, so rows stay up to a week
// longer. A chain that is not whole stays for good: the others go, and the error
// is ErrTampered.
func (t *Trail) DropBefore(ctx context.Context, at time.Time) ([]Drop, error) {
	// Whoever writes to a chain begins another after chainLife; a day's grace for
	// clocks that differ.
	if latest := t.clock.Now().Add(-chainLife - 24*time.Hour); at.After(latest) {
		at = latest
	}
	known, err := droppedSoFar(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("drop audit chains: %w", err)
	}
	var leaving []Drop
	var gone []string
	var tampered error
	for d, err := range chains(ctx, t.docs) {
		if err != nil {
			return nil, fmt.Errorf("drop audit chains: %w", err)
		}
		id, _, _ := strings.Cut(d.ID, ":")
		if known.dropped[id] != (Drop{}) {
			gone = append(gone, id)
			continue
		}
		last, ok, err := lastOf(ctx, t.docs, id)
		if err != nil {
			return nil, fmt.Errorf("drop audit chains: %w", err)
		}
		if ok && !last.Event.At.Before(at) {
			continue
		}
		drop, err := known.whole(ctx, id)
		if errors.Is(err, ErrTampered) {
			tampered = errors.Join(tampered, fmt.Errorf("chain %s: %w", id, err))
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("drop audit chains: %w", err)
		}
		leaving, gone = append(leaving, drop), append(gone, id)
	}
	if len(leaving) > 0 {
		if err := t.checkpoint(ctx, leaving); err != nil {
			return nil, fmt.Errorf("drop audit chains: %w", err)
		}
	}
	for _, id := range gone {
		if err := t.remove(ctx, id); err != nil {
			return leaving, fmt.Errorf("drop audit chain %s: %w", id, err)
		}
	}
	return leaving, tampered
}

// droppedSoFar reads all checkpoints.
func droppedSoFar(ctx context.Context, t *Trail) (*verifier, error) {
	v := newVerifier(t.docs, t.signer.Public())
	if err := v.stored(ctx); err != nil {
		return nil, err
	}
	return v, nil
}

// whole walks one chain; ErrTampered if anything is wrong with it.
func (v *verifier) whole(ctx context.Context, chain string) (Drop, error) {
	drop := Drop{Head: Head{Chain: chain}}
	v.beginChain(chain)
	for d, err := range rowsOf(ctx, v.docs, chain, 0) {
		if err != nil {
			return drop, err
		}
		r, wrong := readRow(d)
		if err := v.step(ctx, d, r, wrong); err != nil {
			return drop, err
		}
		if drop.From.IsZero() {
			drop.From = r.Event.At.In(venue.Zone)
		}
		drop.To, drop.Length, drop.Head.Head = r.Event.At.In(venue.Zone), r.Seq, r.Hash
	}
	v.at.uncovered = time.Time{} // the checkpoint that drops it vouches for it
	v.endChain()
	if len(v.faulty[chain]) > 0 || drop.Length == 0 {
		return drop, ErrTampered
	}
	return drop, nil
}

// removals at a time share the store's commits.
const removals = 64

// remove deletes the rows of a chain.
func (t *Trail) remove(ctx context.Context, chain string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(removals)
	for d, err := range rowsOf(ctx, t.docs, chain, 0) {
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		g.Go(func() error {
			if err := t.docs.Delete(ctx, store.Audit.Name, d.ID, 0); err != nil && !isNotFound(err) {
				return err
			}
			return nil
		})
	}
	t.forget(chain)
	return g.Wait()
}

// forget takes a dropped chain off the list of the next checkpoint.
func (t *Trail) forget(chain string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.growing, chain)
}
