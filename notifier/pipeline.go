package notifier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Stage is one step of a delivery. It hands the delivery on, or says what
// became of it, which ends the way: stopping is not failing. An error is a
// failure, and the delivery is tried again later.
type Stage func(ctx context.Context, d Delivery) (Delivery, error)

// Delivery is a message on its way.
type Delivery struct {
	Message venue.Message

	row     store.Row[store.OutboxRow]
	group   string // its name
	address string // webhook key, userid or openid: a secret
	parts   []part
	card    Card

	fate    fate
	until   time.Time // putOff, failed: when it is due again
	holds   bool      // putOff: what is behind waits too
	free    func(behind int) time.Time
	behind  bool // it was not tried, the one before it could not go
	outcome string
	err     error
}

// Format keeps the address out of any print.
func (d Delivery) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "delivery %s of a %s", Number(d.Message.ID), d.Message.Kind)
}

type fate int

const (
	underway fate = iota
	sent
	putOff    // not its time; not a failure
	failed    // to be tried again
	dropped   // nothing left to say
	dead      // never deliverable
	overtaken // somebody else has dealt with it
)

// turns says when the messages behind d have theirs. Behind a failure it is the
// same instant, so that they come up together again and in the same order.
func (d *Delivery) turns() func(behind int) time.Time {
	if d.free != nil {
		return d.free
	}
	until := d.until
	return func(int) time.Time { return until }
}

func (n *Notifier) push(ctx context.Context, d Delivery) Delivery {
	for _, stage := range n.pipeline {
		next, err := stage(ctx, d)
		if d = next; err != nil {
			return n.failure(d, err)
		}
		if d.fate != underway {
			break
		}
	}
	return d
}

// route finds the address. A group's webhook key is opened here.
func (n *Notifier) route(ctx context.Context, d Delivery) (_ Delivery, err error) {
	to := d.Message.To
	if !n.o.Senders.reach(to.Channel, d.Message.Kind) {
		d.fate, d.outcome = dead, outcomeNoChannel
		return d, nil
	}
	if to.Channel == venue.ChannelRobot {
		d.group, d.address, err = n.o.Directory.Group(ctx, venue.GroupID(to.ID))
	} else {
		d.address, err = n.o.Directory.Address(ctx, to)
	}
	if errors.Is(err, venue.ErrNotFound) || err == nil && d.address == "" {
		d.fate, d.outcome = dead, outcomeNobody
		return d, nil
	}
	if err != nil {
		return d, fmt.Errorf("find the address: %w", err)
	}
	return d, nil
}

// quietHours puts off to the morning what is not worth waking anybody for.
// Alarms never wait, nor does the answer to somebody who reported just now.
func (n *Notifier) quietHours(_ context.Context, d Delivery) (Delivery, error) {
	switch d.Message.Kind {
	case venue.MessageAlarm, venue.MessageDifference:
		return d, nil
	}
	if until, quiet := n.o.Policy.quietUntil(n.o.Clock.Now()); quiet {
		d.fate, d.until, d.outcome = putOff, until, outcomeQuiet
	}
	return d, nil
}

// quietUntil is the end of the quiet hours in which t falls.
func (p *Policy) quietUntil(t time.Time) (time.Time, bool) {
	day := venue.DayOf(t)
	clock := t.Sub(day.Start())
	from, to := p.QuietFrom, p.QuietTo
	switch {
	case from < to && from <= clock && clock < to, from > to && clock < to:
		return day.Start().Add(to), true
	case from > to && from <= clock:
		return (day + 1).Start().Add(to), true
	}
	return time.Time{}, false
}

// once looks again at what has been done already: the page was read a while
// ago, and another process may have been faster. Where there are others it
// claims the message, so that one that stood still since finds it changed, and
// leaves to a later leader what that has claimed.
func (n *Notifier) once(ctx context.Context, d Delivery) (_ Delivery, err error) {
	if n.o.Token != nil {
		token, ok := n.o.Token()
		if !ok || d.row.Value.Token > token {
			d.fate = overtaken
			return d, nil
		}
		d.row.Value.Token = token
		d.row, err = n.o.Outbox.Replace(ctx, d.row)
		if errors.Is(err, venue.ErrStale) || errors.Is(err, venue.ErrNotFound) {
			d.fate, err = overtaken, nil
		}
		return d, err
	}
	row, err := n.o.Outbox.Get(ctx, d.row.ID)
	if err != nil && !errors.Is(err, venue.ErrNotFound) {
		return d, err
	}
	if err != nil || row.Rev != d.row.Rev {
		d.fate = overtaken
	}
	return d, nil
}

// fresh leaves out who has reported since. A message of which a part is out
// already stays as it was, or the parts would not fit together.
func (n *Notifier) fresh(ctx context.Context, d Delivery) (Delivery, error) {
	kind := d.Message.Kind
	if n.o.Fresh == nil || d.row.Value.Parts > 0 || kind != venue.MessageReminder && kind != venue.MessageOneTap {
		return d, nil
	}
	m, ok, err := n.o.Fresh(ctx, d.Message)
	if err != nil {
		return d, fmt.Errorf("bring up to date: %w", err)
	}
	if !ok {
		d.fate, d.outcome = dropped, outcomeNothingLeft
		return d, nil
	}
	d.Message = m
	// What is sent must be what is recorded, for the parts still to come.
	d.row.Value.Message = m
	return d, nil
}

// render finds the words.
func (n *Notifier) render(_ context.Context, d Delivery) (Delivery, error) {
	lines, err := write(d.Message, n.o.Policy.Deadline)
	if err != nil {
		d.fate, d.outcome, d.err = dead, outcomeNoWords, err
		return d, nil
	}
	d.parts = paginate(tags[d.Message.Kind], Number(d.Message.ID), lines)
	d.card = cardOf(d.Message)
	return d, nil
}

// deliver hands over part after part, each remembered before the next.
func (n *Notifier) deliver(ctx context.Context, d Delivery) (Delivery, error) {
	for i := d.row.Value.Parts; i < len(d.parts); i++ {
		if d.Message.To.Channel == venue.ChannelRobot {
			if free := n.buckets.take(d.address, n.o.Clock.Now()); free != nil {
				d.fate, d.until, d.outcome, d.holds, d.free = putOff, free(0), outcomeMinuteFull, true, free
				return d, nil
			}
		}
		if n.o.Token != nil {
			if token, ok := n.o.Token(); !ok || token != d.row.Value.Token {
				d.fate = overtaken
				return d, nil
			}
		}
		call, cancel := context.WithTimeout(ctx, n.o.Policy.SendTimeout)
		err := n.o.Senders.send(call, d, d.parts[i])
		cancel()
		if err != nil {
			return d, err
		}
		if i+1 == len(d.parts) || cards(d.Message.To.Channel) {
			break
		}
		d.row.Value.Parts = i + 1
		if d.row, err = n.o.Outbox.Replace(context.WithoutCancel(ctx), d.row); err != nil {
			return d, fmt.Errorf("remember a part: %w", err)
		}
	}
	d.fate = sent
	return d, nil
}

// record writes the line of the ledger.
func (n *Notifier) record(ctx context.Context, d *Delivery) error {
	v := &d.row.Value
	v.Outcome = d.outcome
	switch d.fate {
	case sent:
		v.State, v.Sent, v.Parts, v.Outcome = store.OutboxSent, venue.Millis(n.o.Clock.Now()), len(d.parts), ""
		v.Attempts++
	case putOff:
		v.Due = venue.Millis(d.until)
	case failed:
		v.Due = venue.Millis(d.until)
		if !d.behind {
			v.Attempts++
		}
	case dropped:
		v.State = store.OutboxDropped
	case dead:
		v.State = store.OutboxDead
		v.Attempts++
	}
	if v.State != store.OutboxPending {
		v.Due = venue.Millis(n.o.Clock.Now()) // from here on it grows old
		if d.Message.Kind == venue.MessageRecheck {
			// Whose colour it was and where is nobody's business any more.
			v.Message.To.ID, v.Message.Recheck = "", nil
		}
	}
	// Also when we are to stop: what went out and is not recorded goes out again.
	if _, err := n.o.Outbox.Replace(context.WithoutCancel(ctx), d.row); err != nil {
		return fmt.Errorf("record a %s: %w", d.Message.Kind, err)
	}
	n.tell(d)
	return nil
}

var results = map[fate]string{sent: "sent", failed: "failed", dead: "dead", dropped: "dropped"}

func (n *Notifier) tell(d *Delivery) {
	result, ok := results[d.fate]
	if !ok || d.behind {
		return
	}
	m := d.Message
	n.results.WithLabelValues(string(m.Kind), string(m.To.Channel), result).Inc()
	at := []any{"kind", m.Kind, "channel", m.To.Channel, "number", Number(m.ID), "attempts", d.row.Value.Attempts}
	switch {
	case d.fate == dead:
		n.o.Log.Error("message is dead", append(at, "group", d.group, "outcome", d.outcome, "error", d.err)...)
	case d.fate == failed && d.row.Value.Attempts == 1:
		n.o.Log.Warn("message failed, to be tried again", append(at, "error", d.err)...)
	}
}

// failure decides whether a delivery that failed is tried again, and when. An
// error that knows better says so by a method
// Retry() (after time.Duration, again bool).
func (n *Notifier) failure(d Delivery, err error) Delivery {
	p := &n.o.Policy
	now := n.o.Clock.Now()
	wait := min(p.RetryFirst<<min(d.row.Value.Attempts, 20), p.RetryMax)
	again := true
	var knows interface {
		Retry() (after time.Duration, again bool)
	}
	if errors.As(err, &knows) {
		var after time.Duration
		after, again = knows.Retry()
		wait = max(wait, after)
	}
	d.err = err
	switch {
	case !again:
		d.fate, d.outcome = dead, outcomeRefused
	case p.MaxAttempts > 0 && d.row.Value.Attempts+1 >= p.MaxAttempts,
		p.GiveUp > 0 && now.Sub(d.row.Value.Posted) >= p.GiveUp:
		d.fate, d.outcome = dead, outcomeGivenUp
	default:
		d.fate, d.until, d.outcome = failed, now.Add(wait), outcomeOf(err)
	}
	return d
}
