package notifier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/venuecode/venuecode/internal/schedule"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

const (
	page     = 200 // rows read at a time
	parallel = 4   // recipients served at a time
)

// Policy is when and how insistently word goes out. Zero fields take the
// defaults named.
type Policy struct {
	RobotPerMinute int // messages per group robot; 18, the platform mutes at 20

	// Quiet hours [QuietFrom, QuietTo), after midnight; the same twice is none.
	QuietFrom, QuietTo time.Duration
	// Deadline of the daily report, after midnight; 16 h. Texts name it.
	Deadline time.Duration

	RetryFirst time.Duration // wait after the first failure, doubled each time; 5 s
	RetryMax   time.Duration // the longest wait; 10 min
	// A message is dead after MaxAttempts failures, or when it fails GiveUp after
	// it was posted. 0 is no such limit; both 0 is 100 attempts.
	MaxAttempts int
	GiveUp      time.Duration

	SendTimeout time.Duration // of the machine, for one call; 10 s
}

// Options of a Notifier. Fresh, Token, Wake and the senders of channels that are
// not in use may be nil.
type Options struct {
	Outbox    store.Collection[store.OutboxRow]
	Clock     venue.Clock // civil
	Policy    Policy
	Directory Directory
	Senders   Senders
	// Fresh brings a reminder or a one tap up to date when its turn has come: it
	// leaves out who has reported since. Not ok: nothing is left to say.
	Fresh func(context.Context, venue.Message) (m venue.Message, ok bool, err error)
	// Token is the fencing token under which this process sends; not ok: it may
	// not. Nil: there is one process.
	Token   func() (token int64, ok bool)
	Wake    func() // tells the runner that something was posted
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Notifier is the outbox: jobs Post to it, and the scheduler runs it as a Work.
type Notifier struct {
	o        Options
	pipeline []Stage
	buckets  buckets
	term     int64 // the token under which the buckets were filled; -1: not yet

	results *prometheus.CounterVec
	oldest  prometheus.Gauge
}

var _ schedule.Work = (*Notifier)(nil)

// New makes a Notifier.
func New(o Options) *Notifier {
	p := &o.Policy
	p.RobotPerMinute = cmp.Or(p.RobotPerMinute, 18)
	p.Deadline = cmp.Or(p.Deadline, 16*time.Hour)
	p.RetryFirst = cmp.Or(p.RetryFirst, 5*time.Second)
	p.RetryMax = cmp.Or(p.RetryMax, 10*time.Minute)
	p.SendTimeout = cmp.Or(p.SendTimeout, 10*time.Second)
	if p.MaxAttempts == 0 && p.GiveUp == 0 {
		p.MaxAttempts = 100
	}
	n := &Notifier{
		o: o, buckets: buckets{perMinute: p.RobotPerMinute}, term: -1,
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "venuecode_messages_total",
			Help: "Attempts to deliver a message, by what came of them: sent, failed, dead, dropped.",
		}, []string{"kind", "channel", "result"}),
		oldest: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "venuecode_outbox_oldest_seconds",
			Help: "Civil time since the message that is next was posted, if it is due or has failed before.",
		}),
	}
	o.Metrics.MustRegister(n.results, n.oldest)
	n.pipeline = []Stage{n.route, n.quietHours, n.once, n.fresh, n.render, n.deliver}
	return n
}

// Post puts messages into the outbox, durably before it returns. An id that is
// there already is the same cause posted again: harmless.
func (n *Notifier) Post(ctx context.Context, messages ...venue.Message) error {
	now := venue.Millis(n.o.Clock.Now())
	for _, m := range messages {
		row := store.OutboxRow{Message: m, State: store.OutboxPending, Due: m.Due, Posted: now}
		if row.Due.IsZero() {
			row.Due = now
		}
		if err := n.o.Outbox.Insert(ctx, m.ID, row); err != nil && !errors.Is(err, venue.ErrExists) {
			return fmt.Errorf("post a %s: %w", m.Kind, err)
		}
	}
	if n.o.Wake != nil && len(messages) > 0 {
		n.o.Wake()
	}
	return nil
}

// Name is the job's name.
func (n *Notifier) Name() string { return "outbox" }

// Next is when the next message is due.
func (n *Notifier) Next(ctx context.Context) (due time.Time, ok bool, err error) {
	rows, err := n.o.Outbox.All(ctx, store.Query{Index: "due", Equal: []any{store.OutboxPending}, Limit: 1})
	if err != nil || len(rows) == 0 {
		n.oldest.Set(0)
		return time.Time{}, false, err
	}
	row := rows[0].Value
	now := n.o.Clock.Now()
	age := time.Duration(0)
	if row.Attempts > 0 || !row.Due.After(now) {
		age = max(0, now.Sub(row.Posted))
	}
	n.oldest.Set(age.Seconds())
	return row.Due, true, nil
}

var errNotLeading = errors.New("another process delivers by now")

// Run delivers what is due, the oldest first; different recipients side by
// side, one recipient's messages in order.
func (n *Notifier) Run(ctx context.Context, now time.Time) (schedule.Result, error) {
	r := run{n: n, held: map[venue.Recipient]*hold{}}
	for {
		var term int64
		if n.o.Token != nil {
			var ok bool
			if term, ok = n.o.Token(); !ok {
				return r.result, errNotLeading
			}
		}
		if term != n.term {
			if err := n.recall(ctx, now); err != nil {
				return r.result, err
			}
			n.term = term
		}
		rows, err := n.o.Outbox.All(ctx, store.Query{
			Index: "due", Equal: []any{store.OutboxPending}, To: now.Add(time.Millisecond), Limit: page,
		})
		if err != nil {
			return r.result, err
		}
		if len(rows) == 0 {
			return r.result, nil
		}
		if err := r.page(ctx, rows); err != nil {
			return r.result, err
		}
		if len(rows) < page {
			return r.result, nil
		}
		// Every row of the page has left the range, so the next page is the first.
	}
}

// run is one Run of the outbox.
type run struct {
	n *Notifier

	mu     sync.Mutex // guards what follows
	result schedule.Result
	held   map[venue.Recipient]*hold
}

// hold says that a recipient can not be reached now, so that the messages
// behind wait their turn.
type hold struct {
	fate    fate
	outcome string
	next    func(behind int) time.Time // when the message that many behind has its turn
	rows    int                        // put off so far
}

func (r *run) page(ctx context.Context, rows []store.Row[store.OutboxRow]) error {
	slices.SortStableFunc(rows, func(a, b store.Row[store.OutboxRow]) int {
		return cmp.Or(a.Value.Due.Compare(b.Value.Due), a.Value.Posted.Compare(b.Value.Posted))
	})
	var order []venue.Recipient
	of := map[venue.Recipient][]store.Row[store.OutboxRow]{}
	for _, row := range rows {
		to := row.Value.Message.To
		if of[to] == nil {
			order = append(order, to)
		}
		of[to] = append(of[to], row)
	}
	var g errgroup.Group
	g.SetLimit(parallel)
	for _, to := range order {
		g.Go(func() error {
			for _, row := range of[to] {
				if err := r.one(ctx, to, row); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// one pushes one message through the pipeline and records what became of it.
func (r *run) one(ctx context.Context, to venue.Recipient, row store.Row[store.OutboxRow]) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	h := r.held[to]
	r.mu.Unlock()
	d := Delivery{Message: row.Value.Message, row: row}
	if h != nil {
		h.rows++
		d.fate, d.until, d.outcome, d.behind = h.fate, h.next(h.rows), h.outcome, true
	} else {
		d = r.n.push(ctx, d)
	}
	if err := ctx.Err(); err != nil && d.fate != sent {
		return err // stopping: the row stays as it is, and goes out later
	}
	if d.fate == overtaken {
		return nil
	}
	if err := r.n.record(ctx, &d); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch d.fate {
	case putOff:
		// Quiet hours hold nobody: an alarm behind a digest goes out at night.
		if d.holds && h == nil {
			r.held[to] = &hold{fate: putOff, outcome: d.outcome, next: d.turns()}
		}
	case failed:
		r.result.Deferred++
		if h == nil {
			r.held[to] = &hold{fate: failed, outcome: outcomeBehind, next: d.turns()}
		}
	default:
		r.result.Ran++
	}
	return nil
}
