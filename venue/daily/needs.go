package daily

import (
	"context"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// Registry knows the units, who stands above whom, and whose the doors were.
type Registry interface {
	// Unit is the unit, or venue.ErrNotFound.
	Unit(ctx context.Context, id venue.UnitID) (venue.Unit, error)
	// Children are the units directly below; none is no error.
	Children(ctx context.Context, id venue.UnitID) ([]venue.Unit, error)
	// Tenures are all that the unit has or had, ended ones included.
	Tenures(ctx context.Context, unit venue.UnitID) ([]venue.Tenure, error)
}

// Directory knows the groups and the people in them.
type Directory interface {
	Groups(ctx context.Context) ([]venue.Group, error)
	// UnitsOf are the units that report in the group, in the order in which
	// they are to be named.
	UnitsOf(ctx context.Context, group venue.GroupID) ([]venue.Unit, error)
	// Accounts are the chat accounts bound to the unit now.
	Accounts(ctx context.Context, unit venue.UnitID) ([]venue.ChatAccount, error)
}

// Counter counts the records whose event time lies in any of the spans, each
// once. Spans are in order and do not overlap; none counts nothing. A record
// voided is out of every count except as Raw says.
type Counter interface {
	// Raw is all of them, whenever they arrived and whatever was flagged. A
	// record voided later than voidedBy still counts (D4).
	Raw(ctx context.Context, spans []venue.Span, voidedBy time.Time) (int, error)
	// Undoubted is those received at or before arrivedBy, without any that was
	// flagged or voided at any time up to now, even if released since (D1, D4).
	Undoubted(ctx context.Context, spans []venue.Span, arrivedBy time.Time) (int, error)
	// Counts are the three numbers as things stand now.
	Counts(ctx context.Context, spans []venue.Span) (venue.Counts, error)
}

// Sources knows who may still deliver records.
type Sources interface {
	// Waiting names the sources that have not yet delivered everything that
	// happened at the doors of the spans up to and including through (D11): the
	// spool, and the gates active there. The server's own records are always
	// complete.
	Waiting(ctx context.Context, spans []venue.Span, through time.Time) ([]string, error)
}

// Reports keeps one report for a unit and a day.
type Reports interface {
	// Get is the report; not ok if nothing was ever kept.
	Get(ctx context.Context, unit venue.UnitID, day venue.Day) (r venue.Report, ok bool, err error)
	// Update applies change to the report, or to an empty one, and keeps the
	// result unless somebody else was quicker: then it starts again from theirs.
	// change is pure, works on a copy of its own, and may run several times. Its
	// error is returned as it is and nothing is kept.
	Update(ctx context.Context, unit venue.UnitID, day venue.Day, change func(*venue.Report) error) (venue.Report, error)
	// OfDay are all reports of the day, in no order.
	OfDay(ctx context.Context, day venue.Day) ([]venue.Report, error)
}

// Outbox takes messages that should go out. One whose ID it already knows is
// left as it was.
type Outbox interface {
	Post(ctx context.Context, messages ...venue.Message) error
}

// StageLog remembers which stages of which day are over.
type StageLog interface {
	// Since is the instant from which stages are owed: the now of the very first
	// call, ever.
	Since(ctx context.Context, now time.Time) (time.Time, error)
	// Done tells whether Mark was called.
	Done(ctx context.Context, day venue.Day, stage string) (bool, error)
	// Mark notes what became of the stage. Again is harmless, the first stays.
	Mark(ctx context.Context, day venue.Day, stage string, at time.Time, fate Fate) error
}

// Fate is what became of a stage.
type Fate string

const (
	FateSent    Fate = "sent"
	FateLate    Fate = "late"    // 迟发: nobody ran at its time
	FateSkipped Fate = "skipped" // its time was missed and there is no use in it any more
)
