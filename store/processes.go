package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// ProcessRows lists the processes that share the memory, with what each of them
// has recorded that is not in it yet.
var ProcessRows = Schema{Name: "processes", Indexes: []Index{{Name: "seen", Fields: []string{"seen"}}}} // name of the process → ProcessRow

// ProcessRow is one process as it last told of itself.
type ProcessRow struct {
	Seen time.Time // machine; every beat writes it
	Held Held
}

// Held is what a process keeps of scans while the store does not take them.
type Held struct {
	Waiting  int       // scans that wait there
	Oldest   time.Time // when the oldest of them happened
	LateFrom time.Time // of what came late to the store, when the oldest happened …
	LateAt   time.Time // … and when the last of it came, civil; zero: nothing since the process started
}

// Processes is this process's part in the list: it tells of itself and knows of
// the others what they told last. It is safe for concurrent use, but for Beat and
// Leave, which one goroutine calls.
type Processes struct {
	rows    Collection[ProcessRow]
	name    string
	held    func() Held
	machine venue.Clock

	mu     sync.Mutex
	others map[string]process
}

type process struct {
	ProcessRow
	rev    int64
	seenAt time.Time // when this revision was seen first: no two machines' clocks are compared
}

// processSilent is how long nothing is heard of a process that holds an unknown
// number of scans, or is gone.
const processSilent = time.Minute

// NewProcesses makes the part of the process that has a name of its own, the same
// after every start. held tells what it keeps.
func NewProcesses(docs Documents, name string, held func() Held, machine venue.Clock) *Processes {
	return &Processes{
		rows: NewCollection[ProcessRow](docs, ProcessRows), name: name, held: held, machine: machine, others: map[string]process{},
	}
}

// Name is this process's.
func (p *Processes) Name() string { return p.name }

// ListProcesses lists the processes, by name.
func ListProcesses(ctx context.Context, docs Documents) ([]Row[ProcessRow], error) {
	return NewCollection[ProcessRow](docs, ProcessRows).All(ctx, Query{})
}

// ForgetProcess takes a process off the list that is gone for good;
// venue.ErrStale if it is not.
func ForgetProcess(ctx context.Context, docs Documents, row Row[ProcessRow]) error {
	return NewCollection[ProcessRow](docs, ProcessRows).Delete(ctx, row.ID, row.Rev)
}

// Beat tells of this process and looks at the others. Call it every few seconds.
func (p *Processes) Beat(ctx context.Context) error {
	_, err := p.rows.Update(ctx, p.name, true, func(r *ProcessRow) error {
		r.Seen, r.Held = venue.Millis(p.machine.Now()), p.held()
		return nil
	})
	if err != nil {
		return fmt.Errorf("tell of this process: %w", err)
	}
	rows, err := p.rows.All(ctx, Query{})
	if err != nil {
		return fmt.Errorf("look at the other processes: %w", err)
	}
	now, others := p.machine.Now(), map[string]process{}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, row := range rows {
		if row.ID == p.name {
			continue
		}
		o := p.others[row.ID]
		if o.rev != row.Rev {
			o = process{row.Value, row.Rev, now}
		}
		others[row.ID] = o
	}
	p.others = others
	return nil
}

// Incomplete is the earliest instant from which on scans may be missing in the
// memory; zero if all that happened is there. A process that fell silent may
// have recorded what nobody knows of since it was last heard of.
func (p *Processes) Incomplete() (since time.Time) {
	since = p.held().since()
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.machine.Now()
	for _, o := range p.others {
		since = earliest(since, o.Held.since())
		if now.Sub(o.seenAt) > processSilent {
			since = earliest(since, o.Seen.Add(-processSilent))
		}
	}
	return since
}

func (h Held) since() time.Time {
	if h.Waiting == 0 {
		return time.Time{}
	}
	return h.Oldest
}

// earliest is the earlier of two instants; zero is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Late tells what came late to the memory, by way of whatever process: when the
// oldest of it happened, and when the last of it came.
func (p *Processes) Late() (from, at time.Time) {
	h := p.held()
	from, at = h.LateFrom, h.LateAt
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.others {
		from = earliest(from, o.Held.LateFrom)
		if o.Held.LateAt.After(at) {
			at = o.Held.LateAt
		}
	}
	return from, at
}

// Leave takes this process off the list, unless it keeps scans: then nobody may
// believe that all are there until it has been started again.
func (p *Processes) Leave(ctx context.Context) error {
	if p.held().Waiting > 0 {
		return p.Beat(ctx)
	}
	if err := p.rows.Delete(ctx, p.name, 0); err != nil && !errors.Is(err, venue.ErrNotFound) {
		return fmt.Errorf("leave the processes: %w", err)
	}
	return nil
}
