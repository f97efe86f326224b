package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/venuecode/venuecode/configs"
	"github.com/venuecode/venuecode/internal/durable"
	"github.com/venuecode/venuecode/internal/schedule"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

// disposal shows the console what is destroyed.
type disposal struct{ a *app }

func (d disposal) Due() (due, latest venue.Day) {
	now := d.a.clock.Now()
	return d.a.retention.Due(now), d.a.retention.Latest(now)
}

func (d disposal) Plan(ctx context.Context, through venue.Day) ([]vault.CertifiedDay, error) {
	return d.a.retention.Plan(ctx, through)
}

func (d disposal) Certificates(ctx context.Context) ([]json.RawMessage, error) {
	return d.a.certificates.List(ctx)
}

func (d disposal) Certificate(ctx context.Context, number int64) (json.RawMessage, error) {
	return d.a.certificates.Line(ctx, number)
}

func (d disposal) Names() []string { return []string{d.a.config.Host, d.a.config.Division} }

func purgeCommand() *cobra.Command {
	var f toolFlags
	var plan, run bool
	var through, request, file string
	c := &cobra.Command{
		Use:   "purge --plan [--through DAY] | --run [--request ID] [--certificate FILE]",
		Short: "Show which days are due to be destroyed, or destroy earlier ones",
		Long: "Show which days are due to be destroyed, and how many rows they have. The server\n" +
			"destroys them itself at half past three.\n\n" +
			"--run destroys earlier ones, at least 15 days old. A system admin asks for it at\n" +
			"/console/purges, a security admin approves at /console/requests, and then there are\n" +
			"24 hours. What was destroyed is said by a signed certificate.",
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case plan == run:
				return exitError{exitUsage, errors.New("say --plan or --run")}
			case plan && (request != "" || file != ""), run && through != "":
				return exitError{exitUsage, errors.New("--through goes with --plan, --request and --certificate with --run")}
			case plan:
				return purgePlan(c, f, through)
			}
			return purgeRun(c, f, request, file)
		},
	}
	f.add(c)
	c.Flags().BoolVar(&plan, "plan", false, "show, and change nothing")
	c.Flags().StringVar(&through, "through", "", "the last day, YYYY-MM-DD (default: the last that is due)")
	c.Flags().BoolVar(&run, "run", false, "destroy what an approved request says")
	c.Flags().StringVar(&request, "request", "", "which request (default: the only one)")
	c.Flags().StringVar(&file, "certificate", "", "write the certificate to this new file too")
	return c
}

func purgePlan(c *cobra.Command, f toolFlags, through string) error {
	var due struct{ Days []vault.CertifiedDay }
	answer, err := f.ask(c, "purge-plan", map[string]string{"through": through}, &due)
	if err != nil {
		return err
	}
	f.print(c, answer, func() string {
		lines := []string{fmt.Sprintf("%d days are due", len(due.Days))}
		if through != "" {
			lines[0] = fmt.Sprintf("%d days through %s", len(due.Days), through)
		}
		for _, d := range due.Days {
			key := "key destroyed already"
			if d.Key {
				key = "key"
			}
			rows := fmt.Sprint(d.Rows)
			if d.Uncounted {
				rows = "uncounted"
			}
			lines = append(lines, fmt.Sprintf("%s: %s rows, %s", d.Day, rows, key))
		}
		return strings.Join(lines, "\n")
	})
	return nil
}

func purgePlanTool(ctx context.Context, a *app, question json.RawMessage, _ func(progress)) (_ any, err error) {
	var q struct {
		Through string `json:"through"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	now := a.clock.Now()
	through := a.retention.Due(now)
	if q.Through != "" {
		if through, err = venue.ParseDay(q.Through); err != nil {
			return nil, err
		}
		if latest := a.retention.Latest(now); through > latest {
			return nil, fmt.Errorf("%s is too late: at most %s", through, latest)
		}
	}
	days, err := a.retention.Plan(ctx, through)
	return map[string]any{"through": through, "days": days}, err
}

func purgeRun(c *cobra.Command, f toolFlags, request, file string) error {
	if _, err := os.Lstat(file); file != "" && err == nil {
		return fmt.Errorf("%s is there already", file)
	}
	var made vault.Certificate
	answer, err := f.ask(c, "purge-run", map[string]string{"request": request}, &made)
	if err != nil {
		return err
	}
	f.print(c, answer, func() string {
		return fmt.Sprintf("certificate %d: %d days, %d rows and %d keys destroyed; unreadable from %s\n%s",
			made.Number, len(made.Days), made.Rows, made.Keys, made.UnreadableFrom.Format(time.RFC3339), answer)
	})
	if file != "" {
		return durable.Replace(file, append(answer, '\n'), 0o600)
	}
	return nil
}

func purgeRunTool(ctx context.Context, a *app, question json.RawMessage, say func(progress)) (any, error) {
	var q struct {
		Request string `json:"request"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	r, err := a.officials.Take(ctx, "purge", q.Request)
	switch {
	case errors.Is(err, venue.ErrNotFound):
		return nil, errors.New("no approved request waits to be run: a system admin asks at /console/purges, a security admin approves at /console/requests, and then there are 24 hours")
	case errors.Is(err, venue.ErrConflict) && q.Request == "":
		return nil, errors.New("several approved requests wait to be run: name one by --request")
	case err != nil:
		return nil, err
	}
	through, err := venue.ParseDay(r.Subject)
	if err != nil {
		return nil, err
	}
	say(progress{Doing: fmt.Sprintf("destroying the days through %s", through)})
	line, err := a.retention.Destroy(ctx, through, vault.Order{Request: r.ID, AskedBy: r.By, ApprovedBy: r.Approver, RunBy: operator})
	if errors.Is(err, venue.ErrNotFound) {
		return nil, fmt.Errorf("nothing is left of the days through %s", through)
	} else if err != nil {
		return nil, fmt.Errorf("%w; if it has begun, the server completes it by itself, and `venuecode certificate list` shows it", err)
	}
	return line, nil
}

func certificateCommand() *cobra.Command {
	var f, one toolFlags
	list := &cobra.Command{
		Use: "list", Short: "List the certificates of what was destroyed", Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			var all struct{ Certificates []vault.Certificate }
			answer, err := f.ask(c, "certificates", struct{}{}, &all)
			if err != nil {
				return err
			}
			f.print(c, answer, func() string {
				lines := []string{fmt.Sprintf("%d certificates", len(all.Certificates))}
				for _, d := range all.Certificates {
					lines = append(lines, fmt.Sprintf("%d: %s by %s, %d days, %d rows, ended %s", d.Number, d.Kind, d.RunBy, len(d.Days), d.Rows, d.Ended.Format(time.RFC3339)))
				}
				return strings.Join(lines, "\n")
			})
			return nil
		},
	}
	f.add(list)
	show := &cobra.Command{
		Use: "show NUMBER", Short: "Print a certificate as it was signed", Args: usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			number, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || number < 1 {
				return exitError{exitUsage, fmt.Errorf("%q is no number of a certificate", args[0])}
			}
			answer, err := one.ask(c, "certificates", map[string]int64{"number": number}, nil)
			if err != nil {
				return err
			}
			one.print(c, answer, func() string { return string(answer) })
			return nil
		},
	}
	one.add(show)
	c := &cobra.Command{Use: "certificate", Short: "Show and verify certificates of destruction", Args: cobra.ArbitraryArgs, RunE: oneOf}
	c.AddCommand(list, show, certificateVerifyCommand())
	return c
}

func certificatesTool(ctx context.Context, a *app, question json.RawMessage, _ func(progress)) (any, error) {
	var q struct {
		Number int64 `json:"number"` // 0: all
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	if q.Number == 0 {
		lines, err := a.certificates.List(ctx)
		if lines == nil {
			lines = []json.RawMessage{}
		}
		return map[string]any{"certificates": lines}, err
	}
	line, err := a.certificates.Line(ctx, q.Number)
	if errors.Is(err, venue.ErrNotFound) {
		return nil, fmt.Errorf("there is no certificate %d", q.Number)
	}
	return line, err
}

func certificateVerifyCommand() *cobra.Command {
	var f toolFlags
	var key string
	c := &cobra.Command{
		Use:   "verify FILE --key PUB",
		Short: "Tell whether a certificate is as it was signed",
		Long:  "Tell whether a certificate is as it was signed. PUB is " + audit.PublicFile + " as it was handed out. Needs no server.",
		Args:  usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if key == "" {
				return exitError{exitUsage, errors.New("verify needs --key, the public key that was handed out")}
			}
			public, err := audit.ReadPublicKey(key)
			if err != nil {
				return err
			}
			line, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			d, err := vault.VerifyCertificate(line, public)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			f.print(c, bytes.TrimSpace(line), func() string {
				return fmt.Sprintf("signed: certificate %d, %s of %s, %d days, %d rows, %d keys; ended %s, unreadable from %s",
					d.Number, d.Kind, d.Division, len(d.Days), d.Rows, d.Keys, d.Ended.Format(time.RFC3339), d.UnreadableFrom.Format(time.RFC3339))
			})
			return nil
		},
	}
	c.Flags().BoolVar(&f.json, "json", false, "answer with one line of JSON: the certificate")
	c.Flags().StringVar(&key, "key", "", "the public key")
	return c
}

// Files of an end, in the data folder.
const (
	endingFile = "SUNSET.begun" // what is left to do
	endedFile  = "SUNSET.json"  // the certificate
)

// What an end leaves in the folder that its --to names, beside the public key.
const (
	endCertificate  = "certificate.json"
	endCertificates = "certificates.jsonl" // the earlier ones
	endTrail        = "audit-trail.jsonl"
)

// notEnded refuses the folders of a platform that was ended, or is being. The
// key folder, which all processes share, tells those that have other data folders.
func notEnded(dirs ...string) error {
	for _, dir := range dirs {
		line, err := os.ReadFile(filepath.Join(dir, endedFile))
		if err == nil {
			return fmt.Errorf("this platform was ended, and nothing of it is left: %s", bytes.TrimSpace(line))
		}
		if errors.Is(err, fs.ErrNotExist) {
			_, err = os.Stat(filepath.Join(dir, endingFile))
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return fmt.Errorf("look whether the platform was ended: %w", err)
		default:
			return errors.New("this platform is being ended: `venuecode sunset --run --resume` completes it")
		}
	}
	return nil
}

// ending is an end on its way: what endingFile holds.
type ending struct {
	Order vault.Order `json:"order"`
	Began time.Time   `json:"began"`
	To    string      `json:"to"`
	// Draft of the certificate, once everything is out that must be kept; from
	// then on things are destroyed.
	Draft *vault.Certificate `json:"draft,omitempty"`
}

// keep writes it down, and where no process of the platform may start any more.
func (e ending) keep(config *configs.Config) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	for _, dir := range []string{config.DataDir, config.KeysDir} {
		if err := durable.Replace(filepath.Join(dir, endingFile), b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func sunsetCommand() *cobra.Command {
	var f toolFlags
	var plan, run, resume bool
	var request, to string
	c := &cobra.Command{
		Use:   "sunset --plan | --run --request ID --to DIR | --run --resume",
		Short: "End the platform: destroy all keys and all data",
		Long: "End the platform: destroy all keys and all data, for good. A system admin asks for it\n" +
			"and types the host or the division out, a signer approves, and then there are 24 hours.\n\n" +
			"The server stops. DIR, a new folder, gets the audit trail with its proof, which the law\n" +
			"wants kept, the certificates and the public key to verify them with. Cut short, it is\n" +
			"completed by --resume; until then nothing starts on the data folder, nor afterwards.",
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case plan == run:
				return exitError{exitUsage, errors.New("say --plan or --run")}
			case plan && (resume || request != "" || to != ""):
				return exitError{exitUsage, errors.New("--plan stands alone")}
			case plan:
				return sunsetPlan(c, f)
			case !resume && (request == "" || to == ""):
				return exitError{exitUsage, errors.New("--run needs --request and --to, or --resume")}
			case resume && (request != "" || to != ""):
				return exitError{exitUsage, errors.New("--resume goes on as it began: without --request and --to")}
			}
			return sunsetRun(c, f, request, to)
		},
	}
	f.add(c)
	c.Flags().BoolVar(&plan, "plan", false, "show what there is to destroy, and change nothing")
	c.Flags().BoolVar(&run, "run", false, "destroy it")
	c.Flags().BoolVar(&resume, "resume", false, "complete what was cut short")
	c.Flags().StringVar(&request, "request", "", "the approved request")
	c.Flags().StringVar(&to, "to", "", "a new folder for what is kept")
	return c
}

// estate is what there is to destroy.
type estate struct {
	Division     string               `json:"division"`
	Days         []vault.CertifiedDay `json:"days"`
	Rows         int64                `json:"rows"`
	Keys         int                  `json:"keys"`
	Persons      int64                `json:"persons"`
	Certificates int                  `json:"certificates"` // of earlier purges; they are kept
	DataDir      string               `json:"data_dir"`
	KeysDir      string               `json:"keys_dir"`
}

func (a *app) estate(ctx context.Context) (e estate, err error) {
	e = estate{Division: a.config.Division, DataDir: a.config.DataDir, KeysDir: a.config.KeysDir}
	if e.Days, err = a.retention.Plan(ctx, venue.DayOf(a.clock.Now())+1); err != nil {
		return e, err
	}
	for _, d := range e.Days {
		e.Rows += d.Rows
	}
	status := a.vault.Status()
	e.Keys = len(status.Days)
	for _, k := range status.Keys {
		e.Keys += k.Kept
	}
	for _, err := range a.engine.Find(ctx, store.Persons.Name, store.Query{}) {
		if err != nil {
			return e, fmt.Errorf("count persons: %w", err)
		}
		e.Persons++
	}
	lines, err := a.certificates.List(ctx)
	e.Certificates = len(lines)
	return e, err
}

func sunsetPlanTool(ctx context.Context, a *app, _ json.RawMessage, _ func(progress)) (any, error) {
	return a.estate(ctx)
}

func sunsetPlan(c *cobra.Command, f toolFlags) error {
	var e estate
	answer, err := f.ask(c, "sunset-plan", struct{}{}, &e)
	if err != nil {
		return err
	}
	f.print(c, answer, func() string {
		return fmt.Sprintf("%d days with %d rows, %d persons, %d keys; everything in %s and %s\nkept: the audit trail, %d certificates, the public key",
			len(e.Days), e.Rows, e.Persons, e.Keys, e.DataDir, e.KeysDir, e.Certificates)
	})
	return nil
}

// sunsetBeginTool uses the request up and notes that the platform ends.
func sunsetBeginTool(ctx context.Context, a *app, question json.RawMessage, _ func(progress)) (any, error) {
	var q struct {
		Request string `json:"request"`
		To      string `json:"to"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	if err := keptFolder(a.config, q.To); err != nil {
		return nil, err
	}
	if err := a.alone(ctx); err != nil {
		return nil, err
	}
	r, err := a.officials.Take(ctx, "sunset", q.Request)
	if errors.Is(err, venue.ErrNotFound) {
		return nil, errors.New("no such approved request: a system admin asks at /console/requests, a signer approves there, and then there are 24 hours")
	} else if err != nil {
		return nil, err
	}
	e := ending{
		Order: vault.Order{Request: r.ID, AskedBy: r.By, ApprovedBy: r.Approver, RunBy: operator},
		Began: venue.Millis(a.clock.Now()).In(venue.Zone), To: q.To,
	}
	return e, e.keep(a.config)
}

// keptFolder makes the new folder for what outlives the platform.
func keptFolder(config *configs.Config, to string) error {
	if err := keptOut(config, to); err != nil {
		return err
	}
	err := os.Mkdir(to, 0o700)
	if errors.Is(err, fs.ErrExist) {
		var there []os.DirEntry
		if there, err = os.ReadDir(to); err == nil && len(there) > 0 {
			err = fmt.Errorf("%s is not empty", to)
		}
	}
	if err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(to)
	if err != nil {
		return err
	}
	return keptOut(config, real)
}

// keptOut refuses a folder in one that is destroyed, whatever links lead there.
func keptOut(config *configs.Config, to string) error {
	for _, dir := range []string{config.DataDir, config.KeysDir} {
		real, err := filepath.EvalSymlinks(dir)
		if err != nil {
			return err
		}
		for _, name := range []string{dir, real} {
			if inside, err := filepath.Rel(name, to); err != nil || inside == "." || filepath.IsLocal(inside) {
				return fmt.Errorf("%s lies in %s, which is destroyed", to, dir)
			}
		}
	}
	return nil
}

func sunsetStopTool(_ context.Context, a *app, _ json.RawMessage, _ func(progress)) (any, error) {
	a.end()
	return map[string]bool{"stopping": true}, nil
}

func sunsetRun(c *cobra.Command, f toolFlags, request, to string) error {
	config, err := f.configuration()
	if err != nil {
		return err
	}
	if request != "" {
		if to, err = filepath.Abs(to); err != nil {
			return err
		}
		if _, err := f.ask(c, "sunset-begin", map[string]string{"request": request, "to": to}, nil); err != nil {
			return err
		}
	}
	d := f.display(c)
	defer d.end()
	s := sunset{config: config, say: d.show}
	if s.clock, err = f.clock(config); err != nil {
		return err
	}
	line, err := s.run(c.Context())
	if errors.Is(err, errNotEnding) {
		return err
	}
	if err != nil {
		return exitError{exitPartly, fmt.Errorf("%w; the end has begun, `venuecode sunset --run --resume` completes it", err)}
	}
	f.print(c, line, func() string { return "ended: " + string(line) })
	return nil
}

// sunset ends a platform that nobody serves any more:
//
//	export → draft → keys → data → certificate → signing key
//
// Each step can be made again; which are left is said by endingFile and by what
// is there.
type sunset struct {
	config *configs.Config
	clock  *schedule.Clock
	say    func(progress)
	cut    func(step string) error // tests die here, behind a step; nil: nobody does
}

var errNotEnding = errors.New("no end has begun here: `venuecode sunset --run --request ID --to DIR` begins it")

func (s sunset) run(ctx context.Context) (line []byte, err error) {
	var e ending
	b, err := os.ReadFile(filepath.Join(s.config.DataDir, endingFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNotEnding
	}
	if err == nil {
		err = json.Unmarshal(b, &e)
	}
	if err != nil {
		return nil, fmt.Errorf("read how far the end has come: %w", err)
	}
	if e.Draft == nil {
		if err := e.keep(s.config); err != nil { // in both folders, though it was cut short between them
			return nil, err
		}
		if err := s.stopServer(ctx); err != nil {
			return nil, err
		}
		s.say(progress{Doing: "writing out what is kept"})
		if err := s.draft(ctx, &e); err != nil {
			return nil, err
		}
	}
	public, err := audit.ReadPublicKey(filepath.Join(e.To, audit.PublicFile))
	if err != nil {
		return nil, err
	}
	for _, each := range []struct {
		name string
		do   func() error
	}{
		{"destroying the keys", func() error {
			return vault.DestroyKeys(s.config.KeysDir, vault.NewFiles(s.config.KeysDir), e.Draft.EpochBefore)
		}},
		{"removing the data", func() error { return s.empty(ctx) }},
		{"signing the certificate", func() error { line, err = s.certify(e); return err }},
		{"destroying the signing key", func() error { return audit.DestroyKey(s.config.KeysDir) }},
	} {
		s.say(progress{Doing: each.name})
		if err := each.do(); err != nil {
			return nil, err
		}
		if err := s.died(each.name); err != nil {
			return nil, err
		}
	}
	if _, err := vault.VerifyCertificate(line, public); err != nil {
		return nil, err
	}
	for _, dir := range []string{s.config.KeysDir, s.config.DataDir} {
		if err := os.Remove(filepath.Join(dir, endingFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if left, err := os.ReadDir(s.config.KeysDir); err == nil && len(left) > 1 { // the certificate stays
		s.say(progress{Doing: fmt.Sprintf("%d files that are not the platform's are left in %s", len(left)-1, s.config.KeysDir)})
	}
	return line, nil
}

func (s sunset) died(step string) error {
	if s.cut == nil {
		return nil
	}
	return s.cut(step)
}

// patience is how long a server may take to let go of the memory.
const patience = 30 * time.Second

// stopServer has the server of the folder stop, if there is one.
func (s sunset) stopServer(ctx context.Context) error {
	for begun := machine.Now(); ; {
		_, err := askServer(ctx, s.config.DataDir, "sunset-stop", struct{}{}, func(progress) {})
		if errors.Is(err, errNoServer) {
			return nil
		}
		if machine.Now().Sub(begun) > patience {
			return errors.Join(errors.New("the server does not stop"), err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// open opens the memory; a server that has closed its door may still hold it.
func (s sunset) open() (*app, error) {
	for begun := machine.Now(); ; {
		a, err := openApp(s.config, s.clock, newLog("warn"), anyMemory)
		var held *embedded.InUseError
		if !errors.As(err, &held) || machine.Now().Sub(begun) > patience {
			return a, err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// draft writes out what is kept and drafts the certificate.
func (s sunset) draft(ctx context.Context, e *ending) (err error) {
	a, err := s.open()
	if err != nil {
		return err
	}
	defer func() {
		if a != nil {
			err = errors.Join(err, a.close())
		}
	}()
	if err := a.alone(ctx); err != nil { // one may have been started since
		return err
	}
	if err := a.record(ctx, "sunset.run", audit.Object{Kind: "request", ID: e.Order.Request}, nil); err != nil {
		return err
	}
	if err := a.retention.Complete(ctx); err != nil { // or two certificates had one number, and the days of one stood in none
		return err
	}
	earlier, err := a.certificates.List(ctx)
	if err != nil {
		return err
	}
	var lines []byte
	for _, line := range earlier {
		lines = append(append(lines, line...), '\n')
	}
	if err := durable.Replace(filepath.Join(e.To, endCertificates), lines, 0o600); err != nil {
		return err
	}
	key, err := os.ReadFile(filepath.Join(s.config.KeysDir, audit.PublicFile))
	if err == nil {
		err = durable.Replace(filepath.Join(e.To, audit.PublicFile), key, 0o600)
	}
	if err != nil {
		return err
	}
	sum, err := a.exportAll(ctx, filepath.Join(e.To, endTrail))
	if err != nil {
		return err
	}
	all, err := a.estate(ctx)
	if err != nil {
		return err
	}
	now := a.clock.Now()
	d, err := a.certificates.Draft(ctx, vault.KindSunset, a.vault, all.Days, e.Order, e.Began)
	if err != nil {
		return err
	}
	d.Keys, d.Persons, d.Trail = all.Keys, all.Persons, sum
	if d.UnreadableFrom, err = a.certificates.Unreadable(ctx, nil, now); err != nil {
		return err
	}
	opened := a
	a = nil
	if err := errors.Join(s.died("writing out"), opened.close()); err != nil {
		return err
	}
	e.Draft = &d
	return e.keep(s.config)
}

// exportAll writes the whole trail with its proof, reads it back as others will,
// and gives its SHA-256.
func (a *app) exportAll(ctx context.Context, path string) (sum string, err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := a.trail.Export(ctx, time.UnixMilli(0), a.clock.Now().Add(24*time.Hour), file); err != nil {
		return "", err
	}
	if err := file.Sync(); err != nil {
		return "", err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	h := sha256.New()
	if _, err := audit.VerifyExport(io.TeeReader(file, h), a.signer.Public()); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// empty removes everything from the data folder but what tells of the end, and
// the memory wherever else it is.
func (s sunset) empty(ctx context.Context) error {
	if !s.config.Embedded() {
		engine, err := openStore(s.config, newLog("warn"))
		if err != nil {
			return err
		}
		if err := errors.Join(engine.(interface{ Drop(context.Context) error }).Drop(ctx), engine.Close()); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(s.config.DataDir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if name := entry.Name(); name != endingFile && name != endedFile {
			if err := os.RemoveAll(filepath.Join(s.config.DataDir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// certify signs the certificate and writes it to both folders; of one that was
// written already, it gives the line that was.
func (s sunset) certify(e ending) ([]byte, error) {
	path := filepath.Join(s.config.DataDir, endedFile)
	line, err := os.ReadFile(path)
	if err == nil {
		return bytes.TrimSpace(line), nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if _, err := audit.ReadPublicKey(filepath.Join(s.config.KeysDir, audit.PublicFile)); err != nil {
		return nil, err // or the signer would make another key
	}
	signer, err := audit.NewFileSigner(s.config.KeysDir, random)
	if err != nil {
		return nil, err
	}
	d := *e.Draft
	if d.Ended = venue.Millis(s.clock.Now()).In(venue.Zone); d.Ended.Before(d.Began) {
		d.Ended = d.Began
	}
	if d.UnreadableFrom.Before(d.Ended) {
		d.UnreadableFrom = d.Ended
	}
	if line, err = d.Signed(signer); err != nil {
		return nil, err
	}
	for _, p := range []string{filepath.Join(e.To, endCertificate), filepath.Join(s.config.KeysDir, endedFile), path} {
		if err := durable.Replace(p, append(bytes.Clone(line), '\n'), 0o600); err != nil {
			return nil, err
		}
	}
	return line, nil
}
