package daily

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/venuecode/venuecode/venue"
)

const (
	// slack is how long after its time a stage is not yet called late.
	slack = 2 * time.Minute
	// stale is the age at which yesterday's digest is of no use any more.
	stale = 12 * time.Hour
	// horizon is how many days ahead a day that is not off is looked for.
	horizon = 40
)

// Stages speaks to the groups at the hours of the policy: one tap, reminders,
// digest. The deadline itself is arithmetic and needs no stage.
//
// Each stage of a day runs once; a group gets one message from it, whose id is
// stage, day and group, so that a second attempt is harmless. After a time in
// which nobody ran, what is still of use goes out once, marked late: of several
// reminders the latest, as long as the digest is not due; the one tap before
// the deadline; a digest up to twelve hours old. It is a job for a scheduler.
type Stages struct {
	Service   *Service
	Directory Directory
	Log       StageLog
	Off       func(venue.Day) bool // holidays, on which nobody is asked; nil: none

	mu   sync.Mutex
	over map[string]bool // what Log said is done; that never changes
}

// stage is one hour of the policy on a day.
type stage struct {
	kind venue.MessageKind
	day  venue.Day
	at   time.Time
	name string // unique within a day, e.g. "reminder-15:30"
}

// Name is the job's name.
func (g *Stages) Name() string { return "daily_stages" }

// Next is the earliest instant with a stage to run. It lies in the past if one
// was missed.
func (g *Stages) Next(ctx context.Context) (time.Time, bool, error) {
	now := g.Service.Clock.Now()
	due, err := g.due(ctx, now)
	if err != nil {
		return time.Time{}, false, err
	}
	if len(due) > 0 {
		return due[0].at, true, nil
	}
	// A late hour of one day may come after an early one of the next.
	var next time.Time
	for d := venue.DayOf(now) - 1; d <= venue.DayOf(now)+horizon && (next.IsZero() || !d.Start().After(next)); d++ {
		for _, st := range g.of(d) {
			if st.at.After(now) && (next.IsZero() || st.at.Before(next)) {
				next = st.at
			}
		}
	}
	return next, !next.IsZero(), nil
}

// Run sends what is due at now and still of use, and marks it and the rest as
// over. On an error nothing after it is marked; running again repeats no
// message.
func (g *Stages) Run(ctx context.Context, now time.Time) (ran, deferred int, err error) {
	due, err := g.due(ctx, now)
	if err != nil {
		return 0, 0, err
	}
	for i, st := range due {
		fate := g.fate(st, due[i+1:], now)
		if fate != FateSkipped {
			if err := g.send(ctx, st, fate == FateLate, now); err != nil {
				return ran, 0, fmt.Errorf("%s of %s: %w", st.name, st.day, err)
			}
		}
		if err := g.Log.Mark(ctx, st.day, st.name, now, fate); err != nil {
			return ran, 0, fmt.Errorf("mark %s of %s: %w", st.name, st.day, err)
		}
		ran++
	}
	return ran, 0, nil
}

// of are the stages of a day in their order.
func (g *Stages) of(day venue.Day) []stage {
	if g.Off != nil && g.Off(day) {
		return nil
	}
	p := g.Service.Policy
	var out []stage
	add := func(kind venue.MessageKind, times ...TimeOfDay) {
		for _, t := range times {
			out = append(out, stage{kind: kind, day: day, at: t.On(day), name: string(kind) + "-" + t.String()})
		}
	}
	add(venue.MessageOneTap, p.OneTap...)
	add(venue.MessageReminder, p.Reminders...)
	add(venue.MessageDigest, p.Digest)
	slices.SortStableFunc(out, func(a, b stage) int { return a.at.Compare(b.at) })
	return out
}

// due are the stages of yesterday and today whose time has come and that are
// not over. What came before the platform's first start was never owed, and
// what is older than yesterday is of no use.
func (g *Stages) due(ctx context.Context, now time.Time) ([]stage, error) {
	since, err := g.Log.Since(ctx, now)
	if err != nil {
		return nil, fmt.Errorf("since when stages are owed: %w", err)
	}
	today := venue.DayOf(now)
	var out []stage
	for _, st := range slices.Concat(g.of(today-1), g.of(today)) {
		if st.at.After(now) || st.at.Before(since) {
			continue
		}
		over, err := g.isOver(ctx, st)
		if err != nil {
			return nil, err
		}
		if !over {
			out = append(out, st)
		}
	}
	slices.SortStableFunc(out, func(a, b stage) int { return a.at.Compare(b.at) })
	return out, nil
}

func (g *Stages) isOver(ctx context.Context, st stage) (bool, error) {
	key := st.day.String() + " " + st.name
	g.mu.Lock()
	over := g.over[key]
	g.mu.Unlock()
	if over {
		return true, nil
	}
	over, err := g.Log.Done(ctx, st.day, st.name)
	if err != nil {
		return false, fmt.Errorf("whether %s of %s is over: %w", st.name, st.day, err)
	}
	if over {
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(g.over) > 100 { // some days' worth; only the last two are asked for
			clear(g.over)
		}
		if g.over == nil {
			g.over = make(map[string]bool)
		}
		g.over[key] = true
	}
	return over, nil
}

// fate decides whether a stage that is due is still of use. behind are the due
// stages after it.
func (g *Stages) fate(st stage, behind []stage, now time.Time) Fate {
	if st.kind != venue.MessageDigest && slices.ContainsFunc(behind, func(o stage) bool {
		return o.kind == st.kind && o.day == st.day
	}) {
		return FateSkipped
	}
	if !now.Before(g.useless(st.kind, st.day)) {
		return FateSkipped
	}
	if now.Sub(st.at) > slack {
		return FateLate
	}
	return FateSent
}

// useless is the instant from which a message of a day has no use any more.
func (g *Stages) useless(kind venue.MessageKind, day venue.Day) time.Time {
	p := g.Service.Policy
	switch kind {
	case venue.MessageOneTap:
		return p.Deadline.On(day)
	case venue.MessageReminder:
		return p.Digest.On(day)
	}
	return p.Digest.On(day).Add(stale + tick)
}

// send posts a stage's message to every group that has something to hear.
func (g *Stages) send(ctx context.Context, st stage, late bool, now time.Time) error {
	groups, err := g.Directory.Groups(ctx)
	if err != nil {
		return fmt.Errorf("groups: %w", err)
	}
	reported, err := g.Service.reported(ctx, st.day)
	if err != nil {
		return err
	}
	var out []venue.Message
	for _, group := range groups {
		units, err := g.Directory.UnitsOf(ctx, group.ID)
		if err != nil {
			return fmt.Errorf("units of group %s: %w", group.ID, err)
		}
		m := venue.Message{
			ID:   fmt.Sprintf("%s:%s:%s", st.name, st.day, group.ID),
			Kind: st.kind,
			To:   venue.Recipient{Channel: venue.ChannelRobot, ID: string(group.ID)},
			Due:  now, Day: st.day, Late: late,
		}
		switch st.kind {
		case venue.MessageDigest:
			if len(units) > 0 {
				m.Digest = digest(board(st.day, units, reported))
			}
		case venue.MessageReminder:
			m.Units, err = g.mentions(ctx, missing(st.day, units, reported))
		case venue.MessageOneTap:
			m.Units, err = g.oneTap(ctx, st, missing(st.day, units, reported), now)
		}
		if err != nil {
			return err
		}
		if m.Digest != nil || len(m.Units) > 0 {
			out = append(out, m)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return g.Service.Outbox.Post(ctx, out...)
}

func digest(b Board) *venue.Digest {
	d := &venue.Digest{
		Due: b.Due, Reported: b.Reported, Late: b.Late, Missing: b.Missing,
		Exempt: b.Exempt, Covered: b.Covered, Doubtful: b.Doubtful,
		Total: b.Total, TopUp: b.Awaiting,
	}
	for _, r := range b.Rows {
		if r.State == StateMissing {
			d.MissingNames = append(d.MissingNames, r.Name)
		}
	}
	return d
}

// mentions names the units and the WeCom people bound to them, once each.
func (g *Stages) mentions(ctx context.Context, units []venue.Unit) ([]venue.UnitMention, error) {
	var out []venue.UnitMention
	for _, u := range units {
		accounts, err := g.Directory.Accounts(ctx, u.ID)
		if err != nil {
			return nil, fmt.Errorf("accounts of unit %s: %w", u.ID, err)
		}
		m := venue.UnitMention{Unit: u.ID, Name: u.Name}
		for _, a := range accounts {
			if a.Channel != venue.ChannelService && !slices.Contains(m.Accounts, a.ID) {
				m.Accounts = append(m.Accounts, a.ID)
			}
		}
		out = append(out, m)
	}
	return out, nil
}

// oneTap counts for each unit and remembers what it was shown, so that 确认
// means it. A unit without a door has nothing to confirm.
func (g *Stages) oneTap(ctx context.Context, st stage, units []venue.Unit, now time.Time) ([]venue.UnitMention, error) {
	s := g.Service
	now = venue.Millis(now)
	var with []venue.Unit
	shown := make(map[venue.UnitID]int)
	for _, u := range units {
		r, err := s.report(ctx, u.ID, st.day)
		if err != nil {
			return nil, err
		}
		// An attempt that ended halfway has shown its number already.
		if r.ShownAt.Before(st.at) {
			spans, err := s.doors(ctx, u.ID, r.Window, now)
			if err != nil {
				return nil, err
			}
			if len(spans) == 0 {
				continue
			}
			count, err := s.Counter.Raw(ctx, within(spans, s.Policy.limits(r.Window, venue.EntryReport, now).high), now)
			if err != nil {
				return nil, fmt.Errorf("count for unit %s: %w", u.ID, err)
			}
			r, err = s.Reports.Update(ctx, u.ID, st.day, func(r *venue.Report) error {
				s.open(r, u.ID, st.day)
				show(r, count, now, spans)
				return nil
			})
			if err != nil {
				return nil, fmt.Errorf("remember the number shown to %s: %w", u.ID, err)
			}
		}
		with, shown[u.ID] = append(with, u), r.Shown
	}
	out, err := g.mentions(ctx, with)
	for i := range out {
		out[i].Shown = shown[out[i].Unit]
	}
	return out, err
}

// Missing are the units of a group that have not reported for the window that a
// report now would belong to (未报), with the people to call.
func (g *Stages) Missing(ctx context.Context, group venue.GroupID) ([]venue.UnitMention, error) {
	day, _ := g.Service.Policy.WindowOf(g.Service.Clock.Now())
	units, err := g.Directory.UnitsOf(ctx, group)
	if err != nil {
		return nil, fmt.Errorf("units of group %s: %w", group, err)
	}
	reported, err := g.Service.reported(ctx, day)
	if err != nil {
		return nil, err
	}
	return g.mentions(ctx, missing(day, units, reported))
}

// Fresh looks at a message again when it is about to go out. From a reminder or
// a one tap it drops who has reported since, and puts in the number that 确认
// means by now. Not ok: there is no use in the message any more.
func (g *Stages) Fresh(ctx context.Context, m venue.Message) (fresh venue.Message, ok bool, err error) {
	switch m.Kind {
	case venue.MessageOneTap, venue.MessageReminder:
		if !g.Service.Clock.Now().Before(g.useless(m.Kind, m.Day)) {
			return m, false, nil
		}
	default:
		return m, true, nil
	}
	var still []venue.UnitMention
	for _, mention := range m.Units {
		u, err := g.Service.Registry.Unit(ctx, mention.Unit)
		if errors.Is(err, venue.ErrNotFound) {
			continue // it is gone, and nobody waits for its number
		}
		if err != nil {
			return m, false, fmt.Errorf("unit %s: %w", mention.Unit, err)
		}
		r, err := g.Service.report(ctx, mention.Unit, m.Day)
		if err != nil {
			return m, false, err
		}
		if state(u, m.Day, r) != StateMissing {
			continue
		}
		if m.Kind == venue.MessageOneTap {
			mention.Shown = r.Shown
		}
		still = append(still, mention)
	}
	m.Units = still
	return m, len(still) > 0, nil
}
