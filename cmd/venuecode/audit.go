package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

// operator is who uses the tools: whoever may open the control socket.
const operator = "operator"

// record writes what is about to be done to the trail; if it can not be
// written, it must not be done.
func (a *app) record(ctx context.Context, action string, object audit.Object, details map[string]string) error {
	_, err := a.trail.Append(ctx, audit.Event{Actor: operator, Action: action, Object: object, Details: details})
	if err != nil {
		return fmt.Errorf("write to the audit trail: %w", err)
	}
	return nil
}

// recordDestruction writes that visits are destroyed, or were and how that is
// certified.
func (a *app) recordDestruction(ctx context.Context, actor, action string, details map[string]string) error {
	_, err := a.trail.Append(ctx, audit.Event{Actor: actor, Action: action, Details: details})
	return err
}

func auditCommand() *cobra.Command {
	c := &cobra.Command{Use: "audit", Short: "Verify or export the trail of who did what", Args: cobra.ArbitraryArgs, RunE: oneOf}
	c.AddCommand(auditVerifyCommand(), auditExportCommand())
	return c
}

func auditVerifyCommand() *cobra.Command {
	var f toolFlags
	var copied string
	c := &cobra.Command{
		Use:   "verify",
		Short: "Look for rows that were edited, removed, reordered or cut off",
		Long: "Walk every chain of the trail and every signed checkpoint and say what does not\n" +
			"agree. With --copy, the copy of the checkpoints that left the machine is held\n" +
			"against it too: without one, nobody can tell that the last hours are missing.",
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if copied != "" {
				var err error
				if copied, err = filepath.Abs(copied); err != nil {
					return err
				}
			}
			var report audit.Report
			answer, err := f.ask(c, "audit-verify", map[string]string{"copy": copied}, &report)
			if err != nil {
				return err
			}
			f.print(c, answer, func() string { return trailText(report) })
			return trailAgrees(c, report)
		},
	}
	f.add(c)
	c.Flags().StringVar(&copied, "copy", "", "the copy of the checkpoints that left the machine (audit.copy)")
	return c
}

func trailText(r audit.Report) string {
	return fmt.Sprintf("%d rows in %d chains, %d checkpoints; %d rows since the last one; %d findings", r.Rows, r.Chains, r.Checkpoints, r.Unvouched, r.Found)
}

func trailAgrees(c *cobra.Command, r audit.Report) error {
	for _, finding := range r.Findings {
		fmt.Fprintf(c.ErrOrStderr(), "%s: %s\n", finding.Kind, finding.Where)
	}
	if r.Found > 0 {
		return errors.New("the trail has been tampered with")
	}
	return nil
}

func auditVerifyTool(ctx context.Context, a *app, question json.RawMessage, say func(progress)) (any, error) {
	var q struct {
		Copy string `json:"copy"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	var copied io.Reader
	if q.Copy != "" {
		file, err := os.Open(q.Copy)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		copied = file
	}
	said := seldom(say)
	return a.verifyTrail(ctx, copied, func(rows int64) { said(progress{Doing: "rows walked", Done: rows}) })
}

// verifyTrail walks the trail and holds the copy of its checkpoints against it,
// if there is one.
func (a *app) verifyTrail(ctx context.Context, copied io.Reader, progress func(rows int64)) (audit.Report, error) {
	key, err := audit.ReadPublicKey(filepath.Join(a.config.KeysDir, audit.PublicFile))
	if err != nil {
		return audit.Report{}, err
	}
	copies := map[string]io.Reader{}
	if copied != nil {
		copies[auditCopy] = copied
	}
	return audit.Verify(ctx, a.engine, key, copies, progress)
}

func auditExportCommand() *cobra.Command {
	var f toolFlags
	var from, to string
	c := &cobra.Command{
		Use:   "export FILE",
		Short: "Write the trail of some days, with its proof, to a new file",
		Args:  usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			path, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			answer, err := f.ask(c, "audit-export", map[string]string{"to_file": path, "from": from, "to": to}, nil)
			if err != nil {
				return err
			}
			f.print(c, answer, func() string { return "trail written to " + path })
			return nil
		},
	}
	f.add(c)
	c.Flags().StringVar(&from, "from", "", "first day, YYYY-MM-DD (default: 30 days ago)")
	c.Flags().StringVar(&to, "to", "", "last day, YYYY-MM-DD (default: today)")
	return c
}

func auditExportTool(ctx context.Context, a *app, question json.RawMessage, _ func(progress)) (_ any, err error) {
	var q struct {
		File string `json:"to_file"`
		From string `json:"from"`
		To   string `json:"to"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	last := venue.DayOf(a.clock.Now())
	first := last - 30
	if q.From != "" {
		if first, err = venue.ParseDay(q.From); err != nil {
			return nil, err
		}
	}
	if q.To != "" {
		if last, err = venue.ParseDay(q.To); err != nil {
			return nil, err
		}
	}
	if err := a.record(ctx, "audit.export", audit.Object{}, map[string]string{"from": first.String(), "to": last.String()}); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(q.File, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s is there already", q.File)
	} else if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return map[string]string{"file": q.File}, a.trail.Export(ctx, first.Start(), (last + 1).Start(), file)
}
