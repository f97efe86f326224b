package intake

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/venuecode/venuecode/sheet"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// Uploads takes files that officials send, behind their requests, one at a time
// in a process:
//
//	Send → looked at → Import → imported
//
// State and progress lie in the upload's row, so that any process tells them. A
// process that ends in the middle leaves a row that no longer changes; Complete
// sees that, and the same file is done again, which completes it.
type Uploads struct {
	// Alone: no other process shares the memory. What another held was its last.
	Alone bool
	// Silent is how long whoever works on a file may give no sign of life, which
	// comes every second, before they are taken for dead. NewUploads makes it 30 s.
	Silent time.Duration

	rows           *store.Uploads
	desk           *Desk
	civil, machine venue.Clock
	log            *slog.Logger

	holder string
	at     atomic.Value // the id of the row that is worked on here, or ""
	wake   chan struct{}
	seen   map[string]sight // by Complete alone
}

// sight is since when, by the machine, a row has not changed.
type sight struct {
	row   string // revision and holder
	since time.Time
}

const (
	beatEvery  = time.Second
	mostTries  = 5
	keptFaults = 200 // in the row
)

// MaxWaiting is how many uploads of an account are kept that nobody decided about.
const MaxWaiting = 5

// What stands against an upload. They are venue.ErrConflict.
var (
	ErrWaiting = fmt.Errorf("the account has %d files that wait: %w", MaxWaiting, venue.ErrConflict)
	ErrDecided = fmt.Errorf("the file is not there to be decided about: %w", venue.ErrConflict)
)

var (
	errTaken    = errors.New("taken") // somebody else works on the row
	errPanicked = errors.New("taking the file panicked")
)

// NewUploads opens it over what is kept. Files go to desk, from where their
// senders may write; its Random names them.
func NewUploads(rows *store.Uploads, desk *Desk, civil, machine venue.Clock, log *slog.Logger) (*Uploads, error) {
	u := &Uploads{Silent: 30 * time.Second, rows: rows, desk: desk, civil: civil, machine: machine, log: log, wake: make(chan struct{}, 1), seen: map[string]sight{}}
	var err error
	u.holder, err = u.draw()
	u.rouse() // for what another process left
	return u, err
}

// draw makes an id without a digit 0, 1, 8 or 9: none looks like a phone number.
func (u *Uploads) draw() (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(u.desk.Random, b[:]); err != nil {
		return "", fmt.Errorf("draw an id: %w", err)
	}
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]), nil
}

func (u *Uploads) rouse() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// Send keeps a file to be looked at, once record has written that down. division
// is what the file is about, where it does not say. Whoever answers for a unit sends
// what it applies for. A *sheet.Refusal if it is no file of the kind,
// store.ErrOutOfScope, ErrWaiting.
func (u *Uploads) Send(ctx context.Context, scope venue.Scope, by string, kind Kind, division venue.Division, file []byte, record func(id string) error) (id string, err error) {
	own, _ := scope.Reach()
	row := store.UploadRow{Kind: kind.Name, By: by, Unit: own, Within: scope.Territory(), Division: division, State: store.UploadLooking}
	if own != "" && kind.Apply == nil || !mine(scope, row) {
		return "", store.ErrOutOfScope
	}
	if n, err := u.rows.Waiting(ctx, by); err != nil {
		return "", err
	} else if n >= MaxWaiting {
		return "", ErrWaiting
	}
	if _, err := sheet.Open(bytes.NewReader(file), int64(len(file)), kind.Layout); err != nil {
		return "", err
	}
	if id, err = u.draw(); err == nil {
		err = record(id)
	}
	if err != nil {
		return "", err
	}
	if err := u.rows.Add(ctx, id, row, file); err != nil {
		return "", err
	}
	u.rouse()
	return id, nil
}

// mine tells whether what a file would write is in scope: a unit's own, or of a
// division.
func mine(scope venue.Scope, row store.UploadRow) bool {
	own, _ := scope.Reach()
	return row.Unit == own && (own != "" || scope.CoversDivision(row.Division))
}

// Upload reads an upload of by; venue.ErrNotFound, store.ErrOutOfScope.
func (u *Uploads) Upload(ctx context.Context, by, id string) (store.UploadRow, error) {
	return u.rows.Get(ctx, by, id)
}

// Recent lists the last uploads that could write nowhere out of scope.
func (u *Uploads) Recent(ctx context.Context, scope venue.Scope, limit int) ([]store.Row[store.UploadRow], error) {
	return u.rows.Recent(ctx, scope, limit)
}

// Problems is the workbook of the rows that are bad, to be mended and sent again;
// venue.ErrNotFound where there are none, or not any more.
func (u *Uploads) Problems(ctx context.Context, by, id string) ([]byte, error) {
	row, err := u.rows.Get(ctx, by, id)
	if err == nil && row.Problems == 0 {
		err = venue.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return u.rows.Part(ctx, id, store.UploadProblems, row.Problems)
}

// Import has a file written that was looked at, once record has written that down:
// with partial the good rows of one that has bad ones. Again, it changes nothing.
// ErrDecided if the file is not there any more.
func (u *Uploads) Import(ctx context.Context, scope venue.Scope, by, id string, partial bool, record func(store.UploadRow) error) error {
	row, err := u.rows.Get(ctx, by, id)
	switch {
	case err != nil:
		return err
	case row.State == store.UploadRunning || row.State == store.UploadDone:
		return nil
	case !u.open(row) || row.OK+row.Proof == 0:
		return ErrDecided
	case row.Bad > 0 && !partial:
		return &venue.Invalid{Field: "partial", Reason: "required"}
	case !mine(scope, row):
		return store.ErrOutOfScope
	}
	if err := record(row); err != nil {
		return err
	}
	_, err = u.rows.Update(ctx, id, func(r *store.UploadRow) error {
		if r.State != store.UploadReady {
			return ErrDecided
		}
		r.State, r.Partial, r.Within, r.Holder, r.Tries = store.UploadRunning, partial, scope.Territory(), "", 0
		return nil
	})
	u.rouse()
	return err
}

// Discard drops a file that was looked at, once record has written that down.
// ErrDecided if it is not there any more.
func (u *Uploads) Discard(ctx context.Context, by, id string, record func(store.UploadRow) error) error {
	row, err := u.rows.Get(ctx, by, id)
	if err == nil && !u.open(row) {
		err = ErrDecided
	}
	if err == nil {
		err = record(row)
	}
	if err != nil {
		return err
	}
	if _, err := u.rows.Update(ctx, id, func(r *store.UploadRow) error {
		if r.State != store.UploadReady {
			return ErrDecided
		}
		r.State, r.Problems, r.Faults, r.Ended = store.UploadDiscarded, 0, nil, venue.Millis(u.civil.Now())
		return nil
	}); err != nil {
		return err
	}
	return errors.Join(u.rows.Drop(ctx, id, store.UploadSheet), u.rows.Drop(ctx, id, store.UploadProblems))
}

func (u *Uploads) open(row store.UploadRow) bool {
	return row.State == store.UploadReady && !row.Expired(u.civil.Now())
}

// Work looks at files and imports them as they come, until ctx ends.
func (u *Uploads) Work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-u.wake:
		}
		list, err := u.rows.Work(ctx)
		if err != nil && ctx.Err() == nil {
			u.log.Error("uploads not read", "error", err)
		}
		for _, row := range list {
			if row.Value.Holder != "" {
				continue
			}
			err := u.work(ctx, row.ID)
			if ctx.Err() != nil {
				err = u.giveBack(ctx, row.ID)
			}
			if err != nil && !errors.Is(err, errTaken) {
				u.log.Error("upload not worked on", "upload", row.ID, "kind", row.Value.Kind, "error", err)
			}
			if ctx.Err() != nil {
				return
			}
		}
	}
}

// Busy tells whether a file is being worked on, or should be.
func (u *Uploads) Busy(ctx context.Context) (bool, error) {
	list, err := u.rows.Work(ctx)
	return len(list) > 0, err
}

// Complete gives up the rows that have not changed for Silent, to be worked on
// again. A job calls it, one call after the other.
func (u *Uploads) Complete(ctx context.Context) (freed int, err error) {
	list, err := u.rows.Work(ctx)
	if err != nil {
		return 0, err
	}
	now, still := u.machine.Now(), map[string]sight{}
	for _, row := range list {
		s := sight{fmt.Sprint(row.Rev, row.Value.Holder), now}
		if old := u.seen[row.ID]; old.row == s.row {
			s.since = old.since
		}
		still[row.ID] = s
		last := u.Alone && row.Value.Holder != u.holder
		// Who works here is not dead, however late a store takes the sign of life.
		if row.Value.Holder == "" || row.ID == u.at.Load() || !last && now.Sub(s.since) < u.Silent {
			continue
		}
		_, err := u.rows.Update(ctx, row.ID, func(r *store.UploadRow) error {
			if r.Holder != row.Value.Holder {
				return errTaken
			}
			r.Holder = ""
			return nil
		})
		if err != nil && !errors.Is(err, errTaken) {
			return freed, err
		}
		freed++
	}
	u.seen = still
	if len(list) > 0 {
		u.rouse()
	}
	return freed, nil
}

// giveBack leaves to others what the end of ctx has cut off. That is no failure of
// the file. The mark of its look is asked for no more: the register may have changed
// by what was written.
func (u *Uploads) giveBack(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), beatEvery)
	defer cancel()
	_, err := u.rows.Update(ctx, id, func(r *store.UploadRow) error {
		if r.Holder != u.holder {
			return errTaken
		}
		if r.Holder, r.Tries = "", r.Tries-1; r.State == store.UploadRunning {
			r.Mark = ""
		}
		return nil
	})
	return err
}

// work does what a row waits for.
func (u *Uploads) work(ctx context.Context, id string) error {
	row, err := u.rows.Update(ctx, id, func(r *store.UploadRow) error {
		if r.Holder != "" || r.State != store.UploadLooking && r.State != store.UploadRunning {
			return errTaken
		}
		r.Holder, r.Done, r.Total = u.holder, 0, 0
		r.Tries++
		return nil
	})
	if err != nil {
		return err
	}
	u.at.Store(id)
	defer u.at.Store("")
	if row.Tries > mostTries {
		return u.end(ctx, id, func(r *store.UploadRow) { r.State = store.UploadFailed })
	}
	file, err := u.rows.Part(ctx, id, store.UploadSheet, row.Sheet)
	if errors.Is(err, venue.ErrNotFound) { // expired while nobody could work on it
		return u.end(ctx, id, func(r *store.UploadRow) { r.State = store.UploadFailed })
	} else if err != nil {
		return err
	}
	var done, total atomic.Int64
	working, stop := u.beat(ctx, id, &done, &total)
	result, problems, err := u.take(working, row, file, func(n, of int) { done.Store(int64(n)); total.Store(int64(of)) })
	stop()
	var refusal *sheet.Refusal
	var refused *registry.Refused
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(context.Cause(working), errTaken):
		return errTaken
	case errors.As(err, &refusal):
		return u.end(ctx, id, func(r *store.UploadRow) { r.State, r.Refusal = store.UploadRefused, sheet.Sentence(refusal) })
	case errors.As(err, &refused): // by a place that was there before; the others may be written
		return u.end(ctx, id, func(r *store.UploadRow) { r.State, r.Refusal = store.UploadRefused, refusals[refused.Rule] })
	case errors.Is(err, venue.ErrConflict): // the register is another than was looked at
		_, err := u.rows.Update(ctx, id, func(r *store.UploadRow) error {
			if r.Holder != u.holder {
				return errTaken
			}
			r.State, r.Again, r.Holder, r.Tries = store.UploadLooking, true, "", 0
			return nil
		})
		u.rouse()
		return err
	case err != nil:
		return err
	}
	if err := u.rows.PutPart(ctx, id, store.UploadProblems, problems); err != nil {
		return err
	}
	if row.State == store.UploadRunning && (result.Bad == 0 || row.Partial) {
		return u.end(ctx, id, func(r *store.UploadRow) { result.into(r, len(problems)); r.State = store.UploadDone })
	}
	_, err = u.rows.Update(ctx, id, func(r *store.UploadRow) error {
		if r.Holder != u.holder {
			return errTaken
		}
		result.into(r, len(problems))
		r.State, r.Holder, r.Again = store.UploadReady, "", r.Again || row.State == store.UploadRunning
		return nil
	})
	return err
}

// take looks at a file, or imports it. The second time it may have changed the
// register already, so that the mark of the look is not asked for. A file that has
// this panic is given up like one that fails; the value may hold what stands in it.
func (u *Uploads) take(ctx context.Context, row store.UploadRow, file []byte, told func(done, total int)) (result Result, problems []byte, err error) {
	defer func() {
		if recover() != nil {
			u.log.Error("taking a file panicked", "kind", row.Kind, "stack", string(debug.Stack()))
			err = errPanicked
		}
	}()
	kind, ok := KindOf(row.Kind)
	if !ok {
		return result, nil, fmt.Errorf("kind of upload: %w", venue.ErrNotFound)
	}
	desk := *u.desk
	desk.Division = row.Division
	o := Options{By: registry.Who{Account: row.By}, Today: venue.DayOf(u.civil.Now()), Partial: row.Partial, DryRun: row.State == store.UploadLooking, Told: told}
	if row.State == store.UploadRunning && row.Tries == 1 {
		o.Mark = row.Mark
	}
	if row.Unit != "" {
		o.From = registry.Sender{Channel: "import", Account: row.By, Unit: row.Unit}
	} else {
		desk.Within = func(d venue.Division) bool {
			return slices.ContainsFunc(row.Within, func(own venue.Division) bool { return own.Contains(d) })
		}
	}
	if result, err = Take(ctx, kind, bytes.NewReader(file), int64(len(file)), &desk, o); err != nil || result.Bad == 0 {
		return result, nil, err
	}
	var b bytes.Buffer
	err = Problems(&b, kind, bytes.NewReader(file), int64(len(file)), result)
	return result, b.Bytes(), err
}

// into writes what came of a file into its row.
func (r Result) into(row *store.UploadRow, problems int) {
	row.SubjectCounts = store.SubjectCounts{}
	if r.Plan != nil {
		row.SubjectCounts, row.Mark = r.Plan.SubjectCounts, r.Plan.Mark
	}
	row.Rows, row.OK, row.Proof, row.Bad = r.Rows, r.OK, r.Proof, r.Bad
	row.Problems, row.Faults, row.Listed = problems, nil, 0
	last := 0
	for _, p := range r.Errors {
		if len(row.Faults) < keptFaults {
			row.Faults = append(row.Faults, store.UploadFault(p))
		}
		if p.Row != last {
			row.Listed, last = row.Listed+1, p.Row
		}
	}
}

// end notes what became of an upload, and lets the file go.
func (u *Uploads) end(ctx context.Context, id string, change func(*store.UploadRow)) error {
	_, err := u.rows.Update(ctx, id, func(r *store.UploadRow) error {
		if r.Holder != u.holder {
			return errTaken
		}
		change(r)
		r.Holder, r.Ended = "", venue.Millis(u.civil.Now())
		return nil
	})
	if err != nil {
		return err
	}
	return u.rows.Drop(ctx, id, store.UploadSheet)
}

// beat writes every second how far a file is, which shows that it is worked on.
// The work is over if somebody else has taken it; stop waits for the last beat.
func (u *Uploads) beat(ctx context.Context, id string, done, total *atomic.Int64) (working context.Context, stop func()) {
	working, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(beatEvery)
		defer tick.Stop()
		for {
			select {
			case <-working.Done():
				return
			case <-tick.C:
			}
			_, err := u.rows.Update(working, id, func(r *store.UploadRow) error {
				if r.Holder != u.holder {
					return errTaken
				}
				// Written though nothing came of it: the revision is the sign of life.
				r.Done, r.Total = int(done.Load()), cmp.Or(int(total.Load()), r.Total)
				return nil
			})
			if errors.Is(err, errTaken) || errors.Is(err, venue.ErrNotFound) {
				cancel(errTaken)
			}
		}
	}()
	return working, func() { cancel(nil); <-ended }
}
