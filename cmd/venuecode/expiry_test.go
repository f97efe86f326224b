package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

func TestWhatHasBeenKeptLongEnoughGoesAndTheTrailSaysSo(t *testing.T) {
	a := idleApp(t)
	ctx, now := t.Context(), a.clock.Now()
	ago := func(days int) time.Time { return venue.Millis(now.Add(-time.Duration(days) * 24 * time.Hour)) }
	replies := store.NewCollection[store.CallbackRow](a.engine, store.Callbacks)
	for id, at := range map[string]time.Time{"old": ago(3), "new": ago(1)} {
		if err := replies.Insert(ctx, id, store.CallbackRow{At: at}); err != nil {
			t.Fatal(err)
		}
	}
	signer, err := audit.NewFileSigner(a.config.KeysDir, random)
	if err != nil {
		t.Fatal(err)
	}
	old, err := audit.Open(ctx, audit.Options{Docs: a.engine, Signer: signer, Clock: venue.ClockFunc(func() time.Time { return ago(401) }), Random: random})
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if ran, _, err := a.expiry().Run(ctx, now); err != nil || ran != 2 {
		t.Fatalf("ran %d, %v", ran, err)
	}
	if rows, err := replies.All(ctx, store.Query{}); err != nil || len(rows) != 1 || rows[0].ID != "new" {
		t.Errorf("left: %v, %v", rows, err)
	}
	rows, _, err := a.trail.By(ctx, audit.Filter{Action: "data.expire"}, audit.Page{})
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]map[string]string{}
	for _, r := range rows {
		want(t, "actor", r.Event.Actor, audit.ActorSystem)
		told[r.Event.Details["kind"]] = r.Event.Details
	}
	for kind, days := range map[string]int{"replies": 2, "audit_chains": 400} {
		want(t, kind+": count", told[kind]["count"], "1")
		want(t, kind+": before", told[kind]["before"], ago(days).In(venue.Zone).Format(time.RFC3339))
	}
	answer, err := auditVerifyTool(ctx, a, json.RawMessage(`{}`), func(progress) {})
	if report, ok := answer.(audit.Report); err != nil || !ok || report.Found != 0 || len(report.Dropped) != 1 {
		t.Errorf("the trail afterwards: %+v, %v", answer, err)
	}
}
