package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

func TestAProcessIsForgottenOnlyWhenItIsGone(t *testing.T) {
	a := idleApp(t)
	ctx, now := t.Context(), machine.Now()
	rows := store.NewCollection[store.ProcessRow](a.engine, store.ProcessRows)
	for name, row := range map[string]store.ProcessRow{
		"gone":  {Seen: now.Add(-time.Hour), Held: store.Held{Waiting: 7, Oldest: now.Add(-2 * time.Hour)}},
		"alive": {Seen: now.Add(-time.Second)},
	} {
		if err := rows.Insert(ctx, name, row); err != nil {
			t.Fatal(err)
		}
	}
	list := func() string {
		t.Helper()
		answer, err := processesTool(ctx, a, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		line, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		return string(line)
	}
	forget := func(name string) error {
		_, err := processesForgetTool(ctx, a, json.RawMessage(`{"name":"`+name+`"}`), nil)
		return err
	}
	before := list()
	if !strings.Contains(before, `{"name":"alive","running":true`) || !strings.Contains(before, `"waiting":7,"oldest"`) {
		t.Errorf("listed %s", before)
	}
	for _, name := range []string{"alive", "nobody"} {
		if forget(name) == nil {
			t.Errorf("%s is forgotten", name)
		}
	}
	if err := a.complete(ctx); err == nil || !strings.Contains(err.Error(), "7 scans") {
		t.Errorf("a backup would lack some: %v", err)
	}
	if err := a.alone(ctx); err == nil || !strings.Contains(err.Error(), "alive") {
		t.Errorf("the end would begin: %v", err)
	}
	if err := forget("gone"); err != nil {
		t.Fatal(err)
	}
	if after := list(); strings.Contains(after, "gone") || !strings.Contains(after, "alive") {
		t.Errorf("left %s", after)
	}
	if err := rows.Delete(ctx, "alive", 0); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.alone(ctx), a.complete(ctx)); err != nil {
		t.Error(err)
	}
	written, _, err := a.trail.By(ctx, audit.Filter{Action: "process.forget"}, audit.Page{})
	if err != nil || len(written) != 1 || written[0].Event.Details["waiting"] != "7" {
		t.Errorf("the trail has %v, %v", written, err)
	}
}

func TestSourcesWaitForWhatHappenedBefore(t *testing.T) {
	noon := time.Date(2022, 10, 13, 4, 0, 0, 0, time.UTC)
	for since, want := range map[time.Time]int{{}: 0, noon.Add(-time.Second): 1, noon: 1, noon.Add(time.Millisecond): 0} {
		names, err := sources{func() time.Time { return since }}.Waiting(t.Context(), nil, noon)
		if err != nil || len(names) != want || want > 0 && names[0] != venue.SourceSpool {
			t.Errorf("missing since %v: %v, %v", since, names, err)
		}
	}
}
