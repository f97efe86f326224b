package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/venuecode/venuecode/configs"
	"github.com/venuecode/venuecode/internal/schedule"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

var random io.Reader = rand.Reader

// webhookUse is what a group's message-push key is sealed for.
const webhookUse = "webhook"

// toolFlags say on which memory a tool works and how it answers.
type toolFlags struct {
	config, data, store string
	json                bool
	open                opener // of a memory that nobody serves; nil: newApp
}

type opener func(*configs.Config, *schedule.Clock, *slog.Logger) (*app, error)

func (f *toolFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.config, "config", "", "the server's configuration file")
	c.Flags().StringVar(&f.data, "data", "", "or the folder of a demo (its --data)")
	c.Flags().StringVar(&f.store, "store", "", "with --data, where the demo's memory is if not in its folder: mongodb://…, or file:PATH of a file that says so")
	f.addJSON(c)
}

// addJSON is for a tool that works on no memory.
func (f *toolFlags) addJSON(c *cobra.Command) {
	c.Flags().BoolVar(&f.json, "json", false, "answer with one line of JSON")
}

// ask has a tool run, in the server that holds the memory, or here if nobody
// does, and reads the answer into a value, unless that is nil.
func (f *toolFlags) ask(c *cobra.Command, name string, question, into any) (json.RawMessage, error) {
	answer, err := f.answer(c, name, question)
	if err != nil || into == nil {
		return answer, err
	}
	return answer, json.Unmarshal(answer, into)
}

func (f *toolFlags) answer(c *cobra.Command, name string, question any) (json.RawMessage, error) {
	config, err := f.configuration()
	if err != nil {
		return nil, err
	}
	d := f.display(c)
	defer d.end()
	answer, err := askServer(c.Context(), config.DataDir, name, question, d.show)
	if !errors.Is(err, errNoServer) {
		return answer, err
	}
	clock, err := f.clock(config)
	if err != nil {
		return nil, err
	}
	open := f.open
	if open == nil {
		open = newApp
	}
	a, err := open(config, clock, newLog("warn"))
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(question)
	if err != nil {
		return nil, errors.Join(err, a.close())
	}
	result, err := tools[name](c.Context(), a, raw, d.show)
	if err = errors.Join(err, a.close()); err != nil {
		return nil, err
	}
	return json.Marshal(result)
}

// display shows progress beside the answer.
func (f *toolFlags) display(c *cobra.Command) *display { return newDisplay(c.ErrOrStderr(), f.json) }

// clock is the civil clock of a memory that nobody serves: of a demo, it stands
// where it was left.
func (f *toolFlags) clock(config *configs.Config) (*schedule.Clock, error) {
	file, mode := filepath.Join(config.DataDir, "clock"), schedule.Real
	if _, err := os.Stat(file); f.data != "" && err == nil {
		mode = schedule.Standing
	}
	return schedule.NewClock(mode, time.Time{}, file, machine)
}

func (f *toolFlags) print(c *cobra.Command, answer json.RawMessage, sentence func() string) {
	if f.json {
		fmt.Fprintln(c.OutOrStdout(), string(answer))
		return
	}
	fmt.Fprintln(c.OutOrStdout(), sentence())
}

// tell prints what was done here.
func (f *toolFlags) tell(c *cobra.Command, answer any, sentence string) error {
	raw, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	f.print(c, raw, func() string { return sentence })
	return nil
}

func bindCodeCommand() *cobra.Command {
	var f toolFlags
	c := &cobra.Command{
		Use:   "bind-code UNIT",
		Short: "Make a one-time code by which a chat account is bound to a unit",
		Long:  "Make a one-time code by which a chat account is bound to a unit.\nUNIT is its id, name or short name. The person writes “绑定 <码>” to the robot, the app or the service account.",
		Args:  usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			var made struct {
				Code string `json:"code"`
			}
			answer, err := f.ask(c, "bind-code", map[string]string{"unit": args[0]}, &made)
			if err != nil {
				return err
			}
			f.print(c, answer, func() string { return made.Code })
			return nil
		},
	}
	f.add(c)
	return c
}

func bindCodeTool(ctx context.Context, a *app, question json.RawMessage, _ func(progress)) (any, error) {
	var q struct {
		Unit string `json:"unit"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	unit, err := a.unitNamed(ctx, q.Unit)
	if err != nil {
		return nil, err
	}
	if err := a.record(ctx, "bind_code.make", audit.Object{Kind: "unit", ID: string(unit)}, nil); err != nil {
		return nil, err
	}
	code, err := a.bindCodes.Make(ctx, unit)
	return map[string]string{"code": code, "unit": string(unit), "expires_in": store.BindCodeLife.String()}, err
}

// unitNamed finds a unit by its id, name or short name.
func (a *app) unitNamed(ctx context.Context, text string) (venue.UnitID, error) {
	names, err := a.registry.UnitNames(ctx)
	if err != nil {
		return "", err
	}
	var found []venue.UnitID
	for id, names := range names {
		if string(id) == text || slices.Contains(names, text) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("there is no unit %q", text)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%d units are called %q: name the one by its id or full name", len(found), text)
}

func correctionCommand() *cobra.Command {
	var f toolFlags
	var day string
	decide := func(use, short string, accept bool) *cobra.Command {
		return &cobra.Command{
			Use: use + " UNIT", Short: short, Args: usage(cobra.ExactArgs(1)),
			RunE: func(c *cobra.Command, args []string) error {
				var made struct {
					Unit     string `json:"unit"`
					Standing *int   `json:"standing"`
				}
				answer, err := f.ask(c, "decide", map[string]any{"unit": args[0], "day": day, "accept": accept}, &made)
				if err != nil {
					return err
				}
				f.print(c, answer, func() string {
					if made.Standing == nil {
						return made.Unit + ": no number stands"
					}
					return fmt.Sprintf("%s: %d stands", made.Unit, *made.Standing)
				})
				return nil
			},
		}
	}
	c := &cobra.Command{
		Use: "correction", Args: cobra.ArbitraryArgs, RunE: oneOf,
		Short: "Decide on a correction that came after the deadline (更正待批)",
		Long:  "Decide on a correction that came after the deadline (更正待批). UNIT is a unit's id,\nname or short name. Until then the former number stands.",
	}
	c.AddCommand(decide("accept", "The correction stands from now on", true), decide("refuse", "The former number goes on standing", false))
	for _, sub := range c.Commands() {
		f.add(sub)
		sub.Flags().StringVar(&day, "day", "", "the day the report is for, YYYY-MM-DD (default: today)")
	}
	return c
}

func decideTool(ctx context.Context, a *app, question json.RawMessage, _ func(progress)) (any, error) {
	var q struct {
		Unit   string `json:"unit"`
		Day    string `json:"day"`
		Accept bool   `json:"accept"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	unit, err := a.unitNamed(ctx, q.Unit)
	if err != nil {
		return nil, err
	}
	day := venue.DayOf(a.clock.Now())
	if q.Day != "" {
		if day, err = venue.ParseDay(q.Day); err != nil {
			return nil, err
		}
	}
	report, ok, err := a.reports.Reports.Get(ctx, unit, day)
	if err != nil {
		return nil, err
	}
	waiting := -1
	for i, e := range report.Entries {
		if e.Awaiting && e.Withdrawn.IsZero() {
			waiting = i
		}
	}
	if !ok || waiting < 0 {
		return nil, fmt.Errorf("no correction of %q waits for %s", q.Unit, day)
	}
	decision := map[string]string{"day": day.String(), "accept": strconv.FormatBool(q.Accept)}
	if err := a.record(ctx, "correction.decide", audit.Object{Kind: "unit", ID: string(unit)}, decision); err != nil {
		return nil, err
	}
	if report, err = a.reports.Decide(ctx, unit, day, waiting, q.Accept, "by an operator"); err != nil {
		return nil, err
	}
	if _, err := a.reports.Rejudge(ctx, unit, day); err != nil {
		return nil, err
	}
	answer := map[string]any{"unit": unit, "day": day}
	if e := report.Standing(); e != nil {
		answer["standing"] = e.Count
	}
	return answer, nil
}

func loadCommand() *cobra.Command {
	var f toolFlags
	var webhooks string
	c := &cobra.Command{
		Use:   "load CITY.yaml",
		Short: "Fill an empty registry from a city file",
		Long: "Fill an empty registry with the units, venues, doors, staff and groups of a city\n" +
			"file. The demo's own, internal/city/city.yaml, is the documented example.",
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			keys := map[string]string{}
			if webhooks != "" {
				b, err := os.ReadFile(webhooks)
				if err != nil {
					return err
				}
				if yaml.Unmarshal(b, &keys) != nil {
					return fmt.Errorf("%s is not a list of “group id: key”", webhooks)
				}
			}
			var n struct{ Units, Venues, Doors int }
			answer, err := f.ask(c, "load", map[string]any{"city": string(text), "webhooks": keys}, &n)
			if err != nil {
				return err
			}
			f.print(c, answer, func() string {
				return fmt.Sprintf("%d units, %d venues and %d doors are registered", n.Units, n.Venues, n.Doors)
			})
			return nil
		},
	}
	f.add(c)
	c.Flags().StringVar(&webhooks, "webhooks", "", "a YAML file of “group id: message-push key”, kept apart because keys are secrets")
	return c
}
