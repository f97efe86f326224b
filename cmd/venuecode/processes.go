package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

func processesCommand() *cobra.Command {
	var f toolFlags
	c := &cobra.Command{
		Use:   "processes",
		Short: "List the processes that share a memory in MongoDB, and the scans that each keeps",
		Args:  usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			var answered struct {
				Processes []processLine `json:"processes"`
			}
			answer, err := f.ask(c, "processes", struct{}{}, &answered)
			if err != nil {
				return err
			}
			f.print(c, answer, func() string {
				var lines []string
				for _, p := range answered.Processes {
					state := "running"
					if !p.Running {
						state = "not heard of since " + p.Seen
					}
					if p.Waiting > 0 {
						state += fmt.Sprintf(", keeps %d scans, the oldest of %s", p.Waiting, p.Oldest)
					}
					lines = append(lines, p.Name+" "+state)
				}
				if len(lines) == 0 {
					return "none is running"
				}
				return strings.Join(lines, "\n")
			})
			return nil
		},
	}
	f.add(c)
	forget := &cobra.Command{
		Use:   "forget NAME",
		Short: "Let verdicts wait no longer for a process that is gone for good, and for what it kept",
		Args:  usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			answer, err := f.ask(c, "processes-forget", map[string]string{"name": args[0]}, nil)
			if err != nil {
				return err
			}
			f.print(c, answer, func() string { return args[0] + " is forgotten" })
			return nil
		},
	}
	f.add(forget)
	c.AddCommand(forget)
	return c
}

// processLine is a process as the tool tells of it.
type processLine struct {
	Name    string `json:"name"`
	Running bool   `json:"running"`
	Seen    string `json:"seen"`
	Waiting int    `json:"waiting"`
	Oldest  string `json:"oldest,omitempty"`
}

func processesTool(ctx context.Context, a *app, _ json.RawMessage, _ func(progress)) (any, error) {
	rows, err := store.ListProcesses(ctx, a.engine)
	lines := []processLine{}
	for _, row := range rows {
		line := processLine{Name: row.ID, Running: running(row.Value), Seen: venue.FormatInstant(row.Value.Seen), Waiting: row.Value.Held.Waiting}
		if line.Waiting > 0 {
			line.Oldest = venue.FormatInstant(row.Value.Held.Oldest)
		}
		lines = append(lines, line)
	}
	return map[string]any{"processes": lines}, err
}

// running tells of a process that was heard of lately, by clocks that agree
// within two minutes.
func running(row store.ProcessRow) bool { return machine.Now().Sub(row.Seen) < 3*time.Minute }

func processesForgetTool(ctx context.Context, a *app, question json.RawMessage, _ func(progress)) (any, error) {
	var q struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	rows, err := store.ListProcesses(ctx, a.engine)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row.ID != q.Name {
			continue
		}
		if running(row.Value) {
			return nil, fmt.Errorf("process %s was heard of a moment ago: it is not gone", row.ID)
		}
		if err := a.record(ctx, "process.forget", audit.Object{}, map[string]string{
			"process": row.ID, "waiting": fmt.Sprint(row.Value.Held.Waiting),
		}); err != nil {
			return nil, err
		}
		return map[string]string{"forgotten": row.ID}, store.ForgetProcess(ctx, a.engine, row)
	}
	return nil, errors.New("there is no such process; `venuecode processes` lists them")
}

// complete refuses while a process keeps scans that the memory does not have.
func (a *app) complete(ctx context.Context) error {
	rows, err := store.ListProcesses(ctx, a.engine)
	if err != nil {
		return err
	}
	waiting := a.held().Waiting
	for _, row := range rows {
		if a.processes == nil || row.ID != a.processes.Name() {
			waiting += row.Value.Held.Waiting
		}
	}
	if waiting > 0 {
		return fmt.Errorf("%d scans have not come to the memory yet: `venuecode processes` says who keeps them", waiting)
	}
	return nil
}

// alone refuses while other processes use the memory.
func (a *app) alone(ctx context.Context) error {
	rows, err := store.ListProcesses(ctx, a.engine)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if running(row.Value) && (a.processes == nil || row.ID != a.processes.Name()) {
			return fmt.Errorf("process %s uses the memory too: stop it first, and if it was killed wait three minutes", row.ID)
		}
	}
	return nil
}
