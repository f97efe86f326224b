package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/vault/audit"
)

func keysCommand() *cobra.Command {
	c := &cobra.Command{Use: "keys", Short: "Show, rotate and copy the keys of the vault", Args: cobra.ArbitraryArgs, RunE: oneOf}
	c.AddCommand(keysStatusCommand(), keysRotateCommand(), keysCustodianCommand(), keysEscrowCommand(), keysRestoreCommand())
	return c
}

func keysStatusCommand() *cobra.Command {
	var f toolFlags
	c := &cobra.Command{
		Use:   "status",
		Short: "List the keys, their numbers and the days that can be read",
		Args:  usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			var s vault.Status
			answer, err := f.ask(c, "keys-status", struct{}{}, &s)
			if err != nil {
				return err
			}
			f.print(c, answer, func() string {
				var b strings.Builder
				fmt.Fprintf(&b, "suite %s, epoch %d\n", s.Suite, s.Epoch)
				for _, k := range s.Keys {
					fmt.Fprintf(&b, "%s: key %d seals, %d open\n", k.Name, k.Newest, k.Kept)
				}
				fmt.Fprintf(&b, "%d days can be read", len(s.Days))
				if n := len(s.Days); n > 0 {
					fmt.Fprintf(&b, ", %s to %s", s.Days[0], s.Days[n-1])
				}
				return b.String()
			})
			return nil
		},
	}
	f.add(c)
	return c
}

func keysStatusTool(_ context.Context, a *app, _ json.RawMessage, _ func(progress)) (any, error) {
	return a.vault.Status(), nil
}

func keysRotateCommand() *cobra.Command {
	var f toolFlags
	c := &cobra.Command{
		Use:   "rotate session|document|division/CODE",
		Short: "Seal with a new key from now on",
		Long: "Seal with a new key from now on. What older keys sealed still opens; nothing is\n" +
			"written anew, and nobody has to log in again.",
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			var made struct {
				Newest uint32 `json:"newest"`
			}
			answer, err := f.ask(c, "keys-rotate", map[string]string{"key": args[0]}, &made)
			if err != nil {
				return err
			}
			f.print(c, answer, func() string { return fmt.Sprintf("%s: key %d seals from now on", args[0], made.Newest) })
			return nil
		},
	}
	f.add(c)
	return c
}

func keysRotateTool(ctx context.Context, a *app, question json.RawMessage, _ func(progress)) (any, error) {
	var q struct {
		Key string `json:"key"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	// What is typed in its place by mistake, a key itself say, must not get into
	// the trail.
	if !slices.ContainsFunc(a.vault.Status().Keys, func(k vault.KeyStatus) bool { return k.Name == q.Key }) {
		return nil, fmt.Errorf("there is no key %q yet", q.Key)
	}
	if err := a.record(ctx, "keys.rotate", audit.Object{}, map[string]string{"key": q.Key}); err != nil {
		return nil, err
	}
	n, err := a.vault.Rotate(q.Key)
	return map[string]any{"key": q.Key, "newest": n}, err
}
