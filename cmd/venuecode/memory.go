package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/venuecode/venuecode/configs"
	"github.com/venuecode/venuecode/internal/durable"
	"github.com/venuecode/venuecode/internal/schedule"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

// kindFile, in the data folder, says where the folder's memory is kept. Not the
// address: that has a password.
const kindFile = "memory"

const (
	inFolder = "embedded"
	inMongo  = "mongodb"
)

func kindOf(config *configs.Config) string {
	if config.Embedded() {
		return inFolder
	}
	return inMongo
}

// memoryKind is where the memory of a data folder is kept; "" of a new one.
func memoryKind(dataDir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dataDir, kindFile))
	if err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	if errors.Is(err, fs.ErrNotExist) { // perhaps of a version that did not note it
		if _, err = os.Stat(filepath.Join(dataDir, "store")); err == nil {
			return inFolder, nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return "", err
}

// sameMemory refuses a data folder whose memory is elsewhere: an empty one would
// be made, and nobody would know of the other.
func sameMemory(config *configs.Config) error {
	kind, err := memoryKind(config.DataDir)
	if err != nil {
		return fmt.Errorf("look where the memory is: %w", err)
	}
	if is := kindOf(config); kind != "" && kind != is {
		return fmt.Errorf("the memory of %s is in %s, not in %s: `store` is wrong, or the memory has to be moved, by `venuecode backup` and `restore`", config.DataDir, kindNames[kind], kindNames[is])
	}
	return nil
}

var kindNames = map[string]string{inFolder: "the folder", inMongo: "MongoDB"}

func rememberKind(config *configs.Config) error {
	kind, err := memoryKind(config.DataDir)
	if err != nil || kind == kindOf(config) {
		return err
	}
	return durable.Replace(filepath.Join(config.DataDir, kindFile), []byte(kindOf(config)+"\n"), 0o600)
}

// fitMemory admits what this program can serve.
func fitMemory(ctx context.Context, e store.Engine) error {
	if _, err := restoring(ctx, e); err == nil {
		return errors.New("a restore into this memory was cut short: run `venuecode restore` again, with the same folder")
	} else if !errors.Is(err, venue.ErrNotFound) {
		return err
	}
	return migration(e).Fit(ctx)
}

func anyMemory(context.Context, store.Engine) error { return nil }

func migration(e store.Engine) store.Migration {
	return store.Migration{Engine: e, Steps: store.Steps}
}

func migrateCommand() *cobra.Command {
	f := toolFlags{open: openOld}
	var dry bool
	c := &cobra.Command{
		Use:   "migrate [--dry-run]",
		Short: "Bring the memory to the schema version of this program",
		Long: "Bring the memory to the schema version of this program, and drop the indexes that\n" +
			"it does not use any more. Stop every server of the memory first, and make a backup.\n" +
			"Cut short, it is run again. --dry-run says what would be done.",
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			var done migrated
			answer, err := f.ask(c, "migrate", map[string]bool{"dry": dry}, &done)
			if err != nil {
				return err
			}
			f.print(c, answer, func() string { return done.text(dry) })
			return nil
		},
	}
	f.add(c)
	c.Flags().BoolVar(&dry, "dry-run", false, "say what would be done, and change nothing")
	return c
}

// openOld opens a memory of any version.
func openOld(config *configs.Config, clock *schedule.Clock, log *slog.Logger) (*app, error) {
	if err := errors.Join(notEnded(config.DataDir, config.KeysDir), sameMemory(config)); err != nil {
		return nil, err
	}
	return openApp(config, clock, log, func(ctx context.Context, e store.Engine) error {
		var other *store.VersionError
		if err := fitMemory(ctx, e); !errors.As(err, &other) || other.Memory > other.Program {
			return err
		}
		return nil
	})
}

type migrated struct {
	From      int64           `json:"from"`
	To        int64           `json:"to"`
	Steps     []store.Planned `json:"steps"`
	Leftovers []string        `json:"leftovers"` // indexes
}

func (m migrated) text(dry bool) string {
	lines := []string{fmt.Sprintf("schema version %d, needed %d", m.From, m.To)}
	if !dry {
		lines[0] = fmt.Sprintf("schema version %d", m.To)
	}
	for _, s := range m.Steps {
		lines = append(lines, fmt.Sprintf("version %d: %s: %d documents", s.To, s.What, s.Left))
	}
	for _, x := range m.Leftovers {
		lines = append(lines, "unused index of "+x)
	}
	if dry && len(lines) == 1 {
		lines = append(lines, "nothing is to be done")
	}
	return strings.Join(lines, "\n")
}

func migrateTool(ctx context.Context, a *app, question json.RawMessage, say func(progress)) (any, error) {
	var q struct {
		Dry bool `json:"dry"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	m := migration(a.engine)
	done := migrated{To: m.Newest()}
	var err error
	if done.From, done.Steps, done.Leftovers, err = m.Plan(ctx); err != nil || q.Dry {
		return done, err
	}
	return done, a.migrate(ctx, m, done, say)
}

func (a *app) migrate(ctx context.Context, m store.Migration, plan migrated, say func(progress)) error {
	if err := a.record(ctx, "migrate", audit.Object{}, map[string]string{
		"from": strconv.FormatInt(plan.From, 10), "to": strconv.FormatInt(plan.To, 10), "indexes": strconv.Itoa(len(plan.Leftovers)),
	}); err != nil {
		return err
	}
	said := seldom(say)
	return m.Run(ctx, func(s store.Step, done int64) {
		said(progress{Doing: fmt.Sprintf("documents brought to version %d", s.To), Done: done})
	})
}
