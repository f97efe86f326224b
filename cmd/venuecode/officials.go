package main

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/configs"
	"github.com/venuecode/venuecode/console"
	"github.com/venuecode/venuecode/intake"
	"github.com/venuecode/venuecode/internal/city"
	"github.com/venuecode/venuecode/internal/durable"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/vault/reveal"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// officialsDoor wires accounts and the console, over what is open already.
func (a *app) officialsDoor() (*console.Handler, error) {
	officials, err := access.New(access.Options{
		Docs: a.engine, Sealer: a.vault, Blinder: a.vault, Auditor: auditor{a.trail}, Random: random, Civil: a.clock, Machine: machine,
	})
	if err != nil {
		return nil, fmt.Errorf("open accounts: %w", err)
	}
	a.officials = officials
	office := store.NewOffice(a.engine, a.registry)
	a.census = store.NewCensus(a.engine, a.clock)
	a.coverage = store.NewCoverage(a.engine, office, a.census, a.clock, machine)
	if a.uploads, err = intake.NewUploads(store.NewUploads(a.engine, a.vault, a.clock), a.intake(), a.clock, machine, a.log); err != nil {
		return nil, err
	}
	a.uploads.Alone, a.uploads.Silent = a.lease == nil, uploadsEvery
	return &console.Handler{
		Access: officials, Trail: a.trail, Proof: proof{a.trail, a}, Keys: officeKeys{a.vault, a}, Machine: machine,
		Office: a.register.Show(office), Coverage: a.coverage, Regulators: registry.NewRegulators(configs.Regulators()), Boards: a.reports, Incomplete: a.incomplete, Clock: a.clock,
		Divisions: a.config.Divisions, Division: venue.Division(a.config.Division), Applying: a.applying, ChatCodes: a.bindCodes, OldCodes: a.registry, Postings: a.register, Groups: a.registry, SealWebhook: a.sealWebhook, Paper: a.paper(),
		Uploads: a.uploads, Log: a.log, Insecure: a.config.Test,
	}, nil
}

// proof lets auditors verify the trail, against the copy that has left the
// machine if there is one, and export it.
type proof struct {
	*audit.Trail
	app *app
}

func (p proof) Verify(ctx context.Context) (audit.Report, error) {
	path := p.app.config.Audit.Copy
	if path == "" {
		return p.app.verifyTrail(ctx, nil, nil)
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) { // whatever it was sent is gone
		return p.app.verifyTrail(ctx, strings.NewReader(""), nil)
	} else if err != nil {
		return audit.Report{}, fmt.Errorf("open the copy of the checkpoints: %w", err)
	}
	defer file.Close()
	return p.app.verifyTrail(ctx, file, nil)
}

// identities wires the way from a pseudonym to a name.
func (a *app) identities(office *store.Office) *reveal.Service {
	return &reveal.Service{
		Office: office, Vault: a.vault, People: a.people,
		Quota: access.NewQuota(a.engine, a.config.Officials.RevealsPerDay, a.clock), Trail: a.trail, Clock: a.clock,
	}
}

// auditor writes what happens to accounts into the trail.
type auditor struct{ trail *audit.Trail }

// unknown acts before anybody is known; no account has the name.
const unknown = "unknown"

func (t auditor) Record(ctx context.Context, e access.Event) error {
	actor := e.Actor
	switch {
	case actor != "":
	case e.Act == access.ActBootstrap || e.Act == access.ActSeed || e.Act == access.ActTake:
		actor = operator
	default:
		actor = unknown
	}
	event := audit.Event{Actor: actor, Action: string(e.Act), Outcome: string(e.Outcome), Reason: e.Reason, Details: map[string]string{}}
	if e.Subject != "" {
		event.Object = audit.Object{Kind: "account", ID: e.Subject}
	}
	if e.Request != "" {
		event.Object = audit.Object{Kind: "request", ID: e.Request}
	}
	for name, value := range map[string]string{"asked": e.Detail, "from": e.From} {
		if value != "" {
			event.Details[name] = value
		}
	}
	_, err := t.trail.Append(ctx, event)
	return err
}

const sweepEvery = time.Hour

// sweep forgets the sessions that are too old for anybody.
func (a *app) sweep(ctx context.Context) (int, error) { return 1, a.officials.Sweep(ctx) }

func accountsCommand() *cobra.Command {
	var f toolFlags
	bootstrap := &cobra.Command{
		Use:   "bootstrap USER NAME USER NAME",
		Short: "Make the first two accounts, both of security admins",
		Long: "Make the first two accounts, both of security admins, and print their one-time\n" +
			"passwords and authenticator secrets, this once. They make all others, in the\n" +
			"console. Two, because what one asks for the other approves.",
		Args: usage(cobra.ExactArgs(4)),
		RunE: func(c *cobra.Command, args []string) error {
			var made bootstrapped
			answer, err := f.ask(c, "accounts-bootstrap", []access.Founder{{User: args[0], Name: args[1]}, {User: args[2], Name: args[3]}}, &made)
			if err != nil {
				return err
			}
			f.print(c, answer, func() string {
				var lines []string
				for _, m := range made.Accounts {
					lines = append(lines, fmt.Sprintf("user      %s\npassword  %s\nTOTP      %s\n          %s\n", m.User, m.Password, m.TOTP, m.URL))
				}
				return strings.Join(lines, "\n") + "\nThis is not shown again. The passwords are good for choosing others, at /console/login."
			})
			return nil
		},
	}
	f.add(bootstrap)
	c := &cobra.Command{Use: "accounts", Short: "Begin with the officials' accounts", Args: cobra.ArbitraryArgs, RunE: oneOf}
	c.AddCommand(bootstrap)
	return c
}

// bootstrapped is the answer of the tool: secrets in clear, through a socket
// that only the server's owner may open.
type bootstrapped struct {
	Accounts []handedOut `json:"accounts"`
}

type handedOut struct {
	User     string `json:"user"`
	Password string `json:"password"`
	TOTP     string `json:"totp_secret"`
	URL      string `json:"totp_url"`
}

func bootstrapTool(ctx context.Context, a *app, question json.RawMessage, _ func(progress)) (any, error) {
	var q [2]access.Founder
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	issued, err := a.officials.Bootstrap(ctx, q[0], q[1])
	if errors.Is(err, venue.ErrExists) {
		return nil, errors.New("there are accounts already: security admins make others in the console")
	} else if err != nil {
		return nil, err
	}
	var made bootstrapped
	for _, i := range issued {
		made.Accounts = append(made.Accounts, handedOut{i.User, i.Password.Reveal(), i.TOTP.Reveal(), i.URL.Reveal()})
	}
	return made, nil
}

// demoLogin is an official of the demo.
type demoLogin struct {
	Role     access.Role `json:"role"`
	User     string      `json:"user"`
	Password string      `json:"password"`
	TOTP     string      `json:"totp_secret"`
}

// demoOfficials are made at the first start. A second security admin, so that
// what one asks for can be approved.
var demoOfficials = []struct {
	role       access.Role
	user, name string
}{
	{access.RoleTownship, "township", "属地（演示）"},
	{access.RoleUnitAdmin, "unit", "单位管理员（演示）"},
	{access.RoleRegulator, "regulator", "行业主管（演示）"},
	{access.RoleChecker, "checker", "核查员（演示）"},
	{access.RoleSigner, "signer", "签发人（演示）"},
	{access.RoleTracer, "tracer", "流调（演示）"},
	{access.RoleApprover, "approver", "流调审批（演示）"},
	{access.RoleAuditor, "auditor", "审计（演示）"},
	{access.RoleSystemAdmin, "sysadmin", "系统管理（演示）"},
	{access.RoleSecurityAdmin, "secadmin", "安全管理（演示）"},
	{access.RoleSecurityAdmin, "secadmin2", "安全管理二（演示）"},
}

// demoLogins makes the demo's officials, or finds those that this folder has. The
// file is written first: an account whose password nobody knows is of no use.
func (a *app) demoLogins(ctx context.Context, town *city.City, world string) ([]demoLogin, error) {
	file := filepath.Join(world, "logins.json")
	var logins []demoLogin
	b, err := os.ReadFile(file)
	switch {
	case err == nil:
		if err := json.Unmarshal(b, &logins); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	case errors.Is(err, fs.ErrNotExist):
		for _, o := range demoOfficials {
			logins = append(logins, demoLogin{o.role, o.user, rand.Text(), base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(rand.Text())[:20])})
		}
		if b, err = json.MarshalIndent(logins, "", "  "); err != nil {
			return nil, err
		}
		if err := durable.Replace(file, b, 0o600); err != nil {
			return nil, err
		}
	default:
		return nil, err
	}
	names := map[string]string{}
	for _, o := range demoOfficials {
		names[o.user] = o.name
	}
	for _, l := range logins {
		if err := a.officials.Seed(ctx, access.Draft{User: l.User, Name: names[l.User], Grant: demoGrant(l.Role, town)}, l.Password, l.TOTP); err != nil {
			return nil, fmt.Errorf("make the demo's officials: %w", err)
		}
	}
	return logins, nil
}

// demoGrant lets an official see the whole city; the township's the first town
// that has a unit, the regulator the first sector.
func demoGrant(r access.Role, town *city.City) access.Grant {
	g := access.Grant{Roles: []access.Role{r}}
	switch r.View() {
	case venue.ScopeTerritory:
		g.Divisions = []venue.Division{town.Division}
		if r == access.RoleTownship {
			g.Divisions[0] = demoTown(town)
		}
	case venue.ScopeUnit:
		g.Unit = town.UnitID(town.Units[0].Name)
	case venue.ScopeSector:
		g.Divisions, g.Sectors = []venue.Division{town.Division}, []string{"机关"}
		for _, u := range town.Units {
			if len(u.Sectors) > 0 {
				g.Sectors = u.Sectors[:1]
				break
			}
		}
	}
	return g
}
