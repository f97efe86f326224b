package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/venuecode/venuecode/venue"
)

// Step brings a memory to the next version. It can be cut off anywhere and done
// again, and nobody else uses the memory meanwhile.
type Step struct {
	To   int64  // the version that the memory has then
	What string // for operators, as "reports get their window"
	// Left is how many documents are still to be changed.
	Left func(ctx context.Context, e Engine) (int64, error)
	Do   func(ctx context.Context, e Engine, progress func(done int64)) error
}

// Steps are those that this program knows, in order. There are none yet: every
// memory is of version 1.
var Steps []Step

// Migration brings a memory to the version that a program works with. The
// memory says its own; one that does not is of version 1.
type Migration struct {
	Engine Engine
	Steps  []Step // in order, the first To is 2
}

// schemaVersion names the row of Meta that has the version.
const schemaVersion = "schema"

// VersionError: the memory is of another version than the program.
type VersionError struct{ Memory, Program int64 }

func (e *VersionError) Error() string {
	if e.Memory > e.Program {
		return fmt.Sprintf("the memory has schema version %d, this program knows %d at most: run a newer one", e.Memory, e.Program)
	}
	return fmt.Sprintf("the memory has schema version %d, this program needs %d: run `venuecode migrate`", e.Memory, e.Program)
}

// Newest is the version that the program works with.
func (m Migration) Newest() int64 {
	if len(m.Steps) == 0 {
		return 1
	}
	return m.Steps[len(m.Steps)-1].To
}

// Fit admits a memory of the newest version, and makes an empty one that.
// *VersionError for any other.
func (m Migration) Fit(ctx context.Context) error {
	version, err := m.version(ctx)
	if err != nil {
		return err
	}
	if version != m.Newest() {
		return &VersionError{version, m.Newest()}
	}
	return nil
}

// version reads the memory's version, and writes it down if nobody has.
func (m Migration) version(ctx context.Context) (int64, error) {
	meta := NewCollection[MetaRow](m.Engine, Meta)
	for {
		row, err := meta.Get(ctx, schemaVersion)
		if !errors.Is(err, venue.ErrNotFound) {
			return row.Value.Value, err
		}
		version := int64(1)
		if m.Newest() > 1 {
			empty, err := Empty(ctx, m.Engine)
			if err != nil {
				return 0, fmt.Errorf("look whether the memory is empty: %w", err)
			}
			if empty {
				version = m.Newest()
			}
		}
		err = meta.Insert(ctx, schemaVersion, MetaRow{Value: version})
		if !errors.Is(err, venue.ErrExists) { // or another process was faster
			return version, err
		}
	}
}

// Planned is a step that is to be done.
type Planned struct {
	To   int64  `json:"to"`
	What string `json:"what"`
	Left int64  `json:"left"` // documents to change
}

// Plan lists the steps that Run would do, and what lies there unused, and
// changes nothing. *VersionError for a memory that is newer.
func (m Migration) Plan(ctx context.Context) (version int64, steps []Planned, leftovers []string, err error) {
	if version, err = m.version(ctx); err != nil {
		return 0, nil, nil, err
	}
	if version > m.Newest() {
		return version, nil, nil, &VersionError{version, m.Newest()}
	}
	for _, s := range m.Steps {
		if s.To <= version {
			continue
		}
		left, err := s.Left(ctx, m.Engine)
		if err != nil {
			return version, nil, nil, fmt.Errorf("count for version %d: %w", s.To, err)
		}
		steps = append(steps, Planned{s.To, s.What, left})
	}
	leftovers, err = m.Engine.Leftovers(ctx)
	return version, steps, leftovers, err
}

// Run does the steps that are left, notes the version after each, and drops the
// indexes that nobody declares any more. Cut off anywhere, it is run again.
func (m Migration) Run(ctx context.Context, progress func(step Step, done int64)) error {
	version, err := m.version(ctx)
	if err != nil {
		return err
	}
	if version > m.Newest() {
		return &VersionError{version, m.Newest()}
	}
	meta := NewCollection[MetaRow](m.Engine, Meta)
	for _, s := range m.Steps {
		if s.To <= version {
			continue
		}
		if err := s.Do(ctx, m.Engine, func(done int64) { progress(s, done) }); err != nil {
			return fmt.Errorf("bring the memory to version %d: %w", s.To, err)
		}
		if _, err := meta.Update(ctx, schemaVersion, true, func(v *MetaRow) error { v.Value = s.To; return nil }); err != nil {
			return fmt.Errorf("note version %d: %w", s.To, err)
		}
	}
	return m.Engine.DropLeftovers(ctx)
}
