package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

// forgetSource: a verdict waits for a source for 24 h behind the end of a window
// of 24 h (rules §3).
const forgetSource = 48 * time.Hour

// expiry forgets what the configuration says has been kept long enough; the
// visits, whose keys go first, are the vault's.
func (a *app) expiry() *store.Expiry {
	r := a.config.Retention
	days := func(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }
	keep := store.Keep{
		Visits: days(r.VisitsDays), Counts: days(r.CountsDays), Messages: days(r.MessagesDays), Audit: days(r.AuditDays), Replies: r.Idempotency,
		Sources: forgetSource,
	}
	return &store.Expiry{
		Kinds:  append(store.Kinds(a.engine, keep), store.Kind{Name: "audit_chains", Keep: keep.Audit, Forget: a.dropChains}),
		Record: a.recordExpiry, Clock: a.clock,
	}
}

// dropChains is announced afterwards: a signed checkpoint names the chains before
// they go.
func (a *app) dropChains(ctx context.Context, before time.Time, announce func(int) error) error {
	drops, err := a.trail.DropBefore(ctx, before)
	if len(drops) > 0 {
		err = errors.Join(err, announce(len(drops)))
	}
	return err
}

// recordExpiry says that what is older than before goes.
func (a *app) recordExpiry(ctx context.Context, kind string, before time.Time, n int) error {
	_, err := a.trail.Append(ctx, audit.Event{
		Actor: audit.ActorSystem, Action: "data.expire",
		Details: map[string]string{"kind": kind, "before": before.In(venue.Zone).Format(time.RFC3339), "count": strconv.Itoa(n)},
	})
	return err
}
