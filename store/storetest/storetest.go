// Package storetest is the conformance suite that every engine passes: each
// sentence of the contract in package store is a case named as that sentence.
package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/venuecode/venuecode/store"
)

// Schemas are the collections that the suite uses; open the engine with them.
var Schemas = []store.Schema{
	{Name: "things", Indexes: []store.Index{
		{Name: "owner", Fields: []string{"owner", "n"}},
		{Name: "at", Fields: []string{"at"}},
		{Name: "name", Fields: []string{"owner", "name"}, Unique: true},
	}},
	{Name: "plain"},
}

// Harness says how the suite gets at an engine.
type Harness struct {
	// Open makes an empty memory with Schemas. The suite closes it.
	Open func(t *testing.T) store.Engine
	// Reopen closes e and opens the same memory again. Nil if that can not be.
	Reopen func(t *testing.T, e store.Engine) store.Engine
	// Slow engines get smaller crowds.
	Slow bool
}

// crowd is n, or less of it for a slow engine.
func (h Harness) crowd(n int) int {
	if h.Slow {
		return max(2, n/4)
	}
	return n
}

// open makes a memory that is closed with the test.
func (h Harness) open(t *testing.T) store.Engine {
	t.Helper()
	e := h.Open(t)
	t.Cleanup(func() { e.Close() })
	return e
}

// Run runs every case against engines of the harness.
func Run(t *testing.T, h Harness) {
	t.Run("documents", func(t *testing.T) { documents(t, h) })
	t.Run("queries", func(t *testing.T) { queries(t, h) })
	t.Run("scans", func(t *testing.T) { scans(t, h) })
	t.Run("counts", func(t *testing.T) { counts(t, h) })
	t.Run("archive", func(t *testing.T) { archive(t, h) })
	t.Run("engine", func(t *testing.T) { engine(t, h) })
}

func must(t TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want one that wraps %v", err, want)
	}
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
