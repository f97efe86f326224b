package main

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/venuecode/venuecode/intake"
	"github.com/venuecode/venuecode/miniapp"
	"github.com/venuecode/venuecode/poster"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/daily"
	"github.com/venuecode/venuecode/venue/registry"
)

// registering is the desk at which units apply for codes.
func (a *app) registering() *registry.Service {
	var auto []venue.Category
	for c := venue.CategoryOrganisation; c <= venue.CategoryOther; c++ {
		if slices.Contains(a.config.Register.AutoApprove, registry.Word(c)) {
			auto = append(auto, c)
		}
	}
	return &registry.Service{
		Applications: a.register, Book: a.register, Blanks: a.register,
		Policy: registry.Policy{Auto: auto}, Divisions: a.config.Divisions, Random: random, Clock: a.clock,
		Resolve: func(ctx context.Context, code venue.Code) (venue.VenueID, error) {
			p, err := a.registry.Resolve(ctx, code)
			return p.Venue.ID, err
		},
		Late: daily.Policy{Deadline: timeOfDay(a.config.Reports.Deadline)}.Late,
	}
}

const completeEvery = 10 * time.Minute

// completing looks after the files that are being imported, while there are any: a
// clock that is moved by weeks does not stop at each of its runs.
type completing struct {
	uploads *intake.Uploads
	clock   venue.Clock
	due     time.Time
}

// uploadsEvery is also how long whoever works on a file may be silent. It is shorter
// in tests.
var uploadsEvery = 30 * time.Second

func (c *completing) Name() string { return "complete_uploads" }

func (c *completing) Next(ctx context.Context) (time.Time, bool, error) {
	busy, err := c.uploads.Busy(ctx)
	if c.due.IsZero() {
		return c.clock.Now(), busy, err
	}
	return c.due, busy, err
}

func (c *completing) Run(ctx context.Context, now time.Time) (ran, deferred int, err error) {
	c.due = now.Add(uploadsEvery)
	ran, err = c.uploads.Complete(ctx)
	return ran, 0, err
}

// paper is what all posters have in common.
func (a *app) paper() poster.Paper {
	c := a.config
	return poster.Paper{
		Host: c.Host, Hotline: c.Apply.Hotline, Operator: c.Consent.Operator, Contact: c.Consent.Contact,
		KeptDays: c.Retention.VisitsDays, Apps: poster.Apps{WeChat: c.WeChat.AppID != "", Alipay: c.Alipay.AppID != ""}, Divisions: c.Divisions,
	}
}

// publicEntry is where units apply without a login.
func (a *app) publicEntry() miniapp.Apply {
	c := a.config
	entry := miniapp.Apply{Desk: a.applying, Rows: a.register, Postings: a.register, Payload: a.registry.Payload, Paper: a.paper(), City: venue.Division(c.Division)}
	for _, d := range slices.Sorted(maps.Keys(c.Apply.Channels)) {
		group := miniapp.Channels{Division: cmp.Or(c.Divisions.FullName(venue.Division(d)), d)}
		for _, channel := range c.Apply.For(d) {
			group.List = append(group.List, miniapp.Channel(channel))
		}
		entry.Channels = append(entry.Channels, group)
	}
	return entry
}
