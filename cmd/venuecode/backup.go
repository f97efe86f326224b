package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/venuecode/venuecode/configs"
	"github.com/venuecode/venuecode/internal/schedule"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/backup"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

func backupCommand() *cobra.Command {
	var f toolFlags
	c := &cobra.Command{
		Use:   "backup FOLDER",
		Short: "Copy the memory to a new folder while the server runs",
		Long: "Copy the memory to a new folder while the server runs. What was acknowledged\n" +
			"before is in the copy. Keys are not: they never lie beside the data. The folder\n" +
			"fits a memory of either kind: a city moves to MongoDB by backup and restore.",
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			to, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			var made backedUp
			answer, err := f.ask(c, "backup", map[string]string{"to": to}, &made)
			if err != nil {
				return err
			}
			f.print(c, answer, func() string {
				return fmt.Sprintf("backup written to %s: %d rows, %d MB, SHA-256 of its manifest %s", to, made.Rows, made.Bytes>>20, made.SHA256)
			})
			return nil
		},
	}
	f.add(c)
	return c
}

type backedUp struct {
	To     string `json:"to"`
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // of the manifest
}

func backupTool(ctx context.Context, a *app, question json.RawMessage, say func(progress)) (any, error) {
	var q struct {
		To string `json:"to"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	if err := a.complete(ctx); err != nil { // what was acknowledged is in a backup
		return nil, err
	}
	if err := a.record(ctx, "backup", audit.Object{}, map[string]string{"to": q.To}); err != nil {
		return nil, err
	}
	tell := seldom(say)
	m, sum, err := backup.Write(ctx, a.engine, q.To, backup.Manifest{
		Schema: migration(a.engine).Newest(), Division: venue.Division(a.config.Division), Keys: keysOf(a.vault),
	}, a.clock, func(rows int64) { tell(progress{Doing: "rows copied", Done: rows}) })
	if errors.Is(err, venue.ErrStale) {
		return nil, fmt.Errorf("%w; begin again when the purge is over", err)
	} else if err != nil {
		return nil, err
	}
	return backedUp{q.To, m.Rows, m.Bytes, sum}, a.record(ctx, "backup.made", audit.Object{}, map[string]string{
		"to": q.To, "rows": strconv.FormatInt(m.Rows, 10), "sha256": sum,
	})
}

// keysOf is the same for every key folder that opens a memory, and tells nothing
// of its keys.
func keysOf(v *vault.Vault) string { return v.Blind("keys", "backup") }

func restoreCommand() *cobra.Command {
	var f toolFlags
	c := &cobra.Command{
		Use:   "restore FOLDER",
		Short: "Put a backup into an empty memory, before a server runs on it",
		Long: "Put a backup into an empty memory: a data folder without one, or an empty database.\n" +
			"The key folder must be there: of the same time as the backup, or later. What was\n" +
			"destroyed since is destroyed again. Cut short, it is run again, with the same folder.",
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			from, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			config, err := f.configuration()
			if err != nil {
				return err
			}
			d := f.display(c)
			r := restore{config: config, from: from, clock: f.clockSince, say: d.show}
			done, err := r.run(c.Context())
			d.end()
			if err != nil {
				return err
			}
			return f.tell(c, done, fmt.Sprintf("%d rows restored, as of %s", done.Rows, done.AsOf.Format(time.RFC3339)))
		},
	}
	f.add(c)
	return c
}

// clockSince is the civil clock of a memory that is restored: of a demo, it
// stands where the backup was made unless it stood later.
func (f *toolFlags) clockSince(config *configs.Config, made time.Time) (*schedule.Clock, error) {
	if f.data == "" {
		return f.clock(config)
	}
	return schedule.NewClock(schedule.Standing, made, filepath.Join(config.DataDir, "clock"), machine)
}

// restoreTool is asked for where a server runs: its memory is not empty.
func restoreTool(context.Context, *app, json.RawMessage, func(progress)) (any, error) {
	return nil, errors.New("a server runs on this memory: a backup is put into an empty one, before the first start")
}

// restore puts a backup into a memory:
//
//	verify → mark → load → record → migrate → destroy again → unmark
//
// The mark keeps everybody else out, and says how far it has come.
type restore struct {
	config *configs.Config
	from   string
	clock  func(config *configs.Config, made time.Time) (*schedule.Clock, error)
	say    func(progress)
	cut    func(step string) error // tests die here, behind a step; nil: nobody does
}

type restored struct {
	Rows int64     `json:"rows"`
	AsOf time.Time `json:"as_of"` // the backup was begun then; some of it may be later
}

// restoringMark names the row of Meta of a memory that is being restored: Text is
// the SHA-256 of the backup's manifest, Value whether it is loaded.
const restoringMark = "restoring"

const (
	loading = 0
	loaded  = 1
)

func restoring(ctx context.Context, e store.Engine) (store.Row[store.MetaRow], error) {
	return store.NewCollection[store.MetaRow](e, store.Meta).Get(ctx, restoringMark)
}

func (r restore) run(ctx context.Context) (done restored, err error) {
	if err := notEnded(r.config.DataDir, r.config.KeysDir); err != nil {
		return done, err
	}
	_, err = askServer(ctx, r.config.DataDir, "restore", struct{}{}, r.say)
	if !errors.Is(err, errNoServer) && !errors.Is(err, fs.ErrNotExist) { // no folder, no server
		return done, err
	}
	said := seldom(r.say)
	m, sum, err := backup.Verify(ctx, r.from, func(rows, of int64) { said(progress{"rows verified", rows, of}) })
	if err != nil {
		return done, err
	}
	if newest := (store.Migration{Steps: store.Steps}).Newest(); m.Schema > newest {
		return done, &store.VersionError{Memory: m.Schema, Program: newest}
	}
	if err := r.keys(m); err != nil {
		return done, err
	}
	if err := dataDir(r.config); err != nil {
		return done, err
	}
	if err := r.load(ctx, m, sum); err != nil {
		return done, err
	}
	return restored{m.Rows, m.Began}, r.finish(ctx, m, sum)
}

func (r restore) died(step string) error {
	if r.cut == nil {
		return nil
	}
	return r.cut(step)
}

// keys refuses a backup whose rows the key folder does not open.
func (r restore) keys(m backup.Manifest) error {
	if _, err := os.Stat(filepath.Join(r.config.KeysDir, vault.KeyringFile)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s has no keys: put the key folder there first, without it nothing opens", r.config.KeysDir)
	} else if err != nil {
		return err
	}
	v, err := vault.Open(r.config.KeysDir, random, vault.WithSuite(r.config.Vault.Suite))
	if err != nil {
		return fmt.Errorf("open keys: %w", err)
	}
	if keysOf(v) != m.Keys {
		return fmt.Errorf("the keys in %s are not those of this backup", r.config.KeysDir)
	}
	return nil
}

func (r restore) load(ctx context.Context, m backup.Manifest, sum string) (err error) {
	engine, err := openStore(r.config, newLog("warn"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	meta := store.NewCollection[store.MetaRow](engine, store.Meta)
	mark, err := restoring(ctx, engine)
	switch {
	case errors.Is(err, venue.ErrNotFound):
		empty, err := store.Empty(ctx, engine)
		if err != nil {
			return err
		}
		if !empty {
			return errors.New("this memory is not empty: a backup is put into a new one")
		}
		mark = store.Row[store.MetaRow]{ID: restoringMark, Rev: 1, Value: store.MetaRow{Value: loading, Text: sum}}
		if err := meta.Insert(ctx, mark.ID, mark.Value); err != nil {
			return err
		}
	case err != nil:
		return err
	case mark.Value.Text != sum:
		return errors.New("another backup was being put into this memory: run that again, or begin with an empty memory")
	case mark.Value.Value == loaded:
		return nil
	}
	if err := r.died("mark"); err != nil {
		return err
	}
	said := seldom(r.say)
	err = backup.Load(ctx, r.from, m, engine, func(rows int64) { said(progress{"rows restored", rows, m.Rows}) })
	if err != nil {
		return err
	}
	if err := r.died("load"); err != nil {
		return err
	}
	mark.Value.Value = loaded
	_, err = meta.Replace(ctx, mark)
	return err
}

// finish has the memory be what it would be now, and lets others have it.
func (r restore) finish(ctx context.Context, m backup.Manifest, sum string) (err error) {
	clock, err := r.clock(r.config, m.Ended)
	if err != nil {
		return err
	}
	a, err := openApp(r.config, clock, newLog("warn"), anyMemory)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if err := a.record(ctx, "restore", audit.Object{}, map[string]string{
		"sha256": sum, "rows": strconv.FormatInt(m.Rows, 10), "as_of": m.Began.Format(time.RFC3339),
	}); err != nil {
		return err
	}
	steps := migration(a.engine)
	plan := migrated{To: steps.Newest()}
	if plan.From, plan.Steps, plan.Leftovers, err = steps.Plan(ctx); err != nil {
		return err
	}
	if plan.From < plan.To {
		if err := a.migrate(ctx, steps, plan, r.say); err != nil {
			return err
		}
	}
	r.say(progress{Doing: "destroying again what was destroyed since"})
	if err := a.destroyAgain(ctx, m); err != nil {
		return fmt.Errorf("destroy again what was destroyed since: %w", err)
	}
	if err := r.died("destroy"); err != nil {
		return err
	}
	return store.NewCollection[store.MetaRow](a.engine, store.Meta).Delete(ctx, restoringMark, 0)
}

// destroyAgain does what the nights since would have done.
func (a *app) destroyAgain(ctx context.Context, m backup.Manifest) error {
	// Who was logged in logs in again: they may have been logged out since.
	for d, err := range a.engine.Find(ctx, store.OfficialSessions.Name, store.Query{}) {
		if err == nil {
			err = a.engine.Delete(ctx, store.OfficialSessions.Name, d.ID, 0)
		}
		if err != nil {
			return err
		}
	}
	if err := a.retention.Again(ctx, m.Days()); err != nil {
		return err
	}
	now := a.clock.Now()
	a.persons.Restored = venue.DayOf(m.Ended)
	for due := now; !due.After(now); { // a batch at a time
		_, _, err := a.persons.Run(ctx, now)
		if err != nil {
			return err
		}
		if due, _, err = a.persons.Next(ctx); err != nil {
			return err
		}
	}
	_, _, err := a.expiry().Run(ctx, now)
	return err
}

func verifyCommand() *cobra.Command {
	var f, counting, reading toolFlags
	var days int
	counts := &cobra.Command{
		Use:   "counts",
		Short: "Recount every hour from the rows and compare with the kept counts",
		Args:  usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			answer, check, err := counting.recount(c, days)
			if err != nil {
				return err
			}
			counting.print(c, answer, func() string { return countedText(check) })
			return countsAgree(check)
		},
	}
	counting.add(counts)
	counts.Flags().IntVar(&days, "days", 60, "how many days back, at most as long as visits are kept")
	folder := &cobra.Command{
		Use:   "backup FOLDER",
		Short: "Hold a backup against its manifest; needs no server",
		Args:  usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			d := reading.display(c)
			said := seldom(d.show)
			m, sum, err := backup.Verify(c.Context(), args[0], func(rows, of int64) { said(progress{"rows verified", rows, of}) })
			d.end()
			if err != nil {
				return err
			}
			return reading.tell(c, map[string]any{"manifest": m, "sha256": sum},
				fmt.Sprintf("whole: %d rows in %d files, as of %s, schema version %d, SHA-256 of its manifest %s", m.Rows, len(m.Files), m.Began.Format(time.RFC3339), m.Schema, sum))
		},
	}
	reading.addJSON(folder)
	c := &cobra.Command{
		Use:   "verify",
		Short: "Check the memory against itself: counts, and the audit trail",
		Long:  "Check the memory against itself: what `verify counts` and `audit verify` do, the\nlatter against audit.copy if there is one.",
		Args:  usage(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return f.verifyAll(c) },
	}
	f.add(c)
	c.AddCommand(counts, folder)
	return c
}

func (f *toolFlags) recount(c *cobra.Command, days int) (answer json.RawMessage, check store.CountCheck, err error) {
	answer, err = f.ask(c, "verify", map[string]int{"days": days}, &check)
	return answer, check, err
}

func countedText(check store.CountCheck) string {
	return fmt.Sprintf("%d rows in %d hours counted; %d hours differ", check.Rows, check.Hours, len(check.Differ))
}

func countsAgree(check store.CountCheck) error {
	if len(check.Differ) > 0 {
		return fmt.Errorf("%d hour counts are not the number of their rows", len(check.Differ))
	}
	return nil
}

func (f *toolFlags) verifyAll(c *cobra.Command) error {
	config, err := f.configuration()
	if err != nil {
		return err
	}
	copied := config.Audit.Copy
	if _, err := os.Stat(copied); err != nil {
		copied = ""
	}
	counted, check, err := f.recount(c, 60)
	if err != nil {
		return err
	}
	var report audit.Report
	trail, err := f.ask(c, "audit-verify", map[string]string{"copy": copied}, &report)
	if err != nil {
		return err
	}
	both := map[string]json.RawMessage{"counts": counted, "audit": trail}
	if err := f.tell(c, both, countedText(check)+"\n"+trailText(report)); err != nil {
		return err
	}
	return errors.Join(countsAgree(check), trailAgrees(c, report))
}

func verifyTool(ctx context.Context, a *app, question json.RawMessage, say func(progress)) (any, error) {
	var q struct {
		Days int `json:"days"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	today := venue.DayOf(a.clock.Now())
	days := min(q.Days, a.config.Retention.VisitsDays) // of older days only the counts are left
	said := seldom(say)
	return a.engine.VerifyCounts(ctx, today-venue.Day(days), today, func(rows int64) { said(progress{Doing: "rows counted", Done: rows}) })
}
