package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/bot"
	"github.com/venuecode/venuecode/configs"
	"github.com/venuecode/venuecode/health"
	"github.com/venuecode/venuecode/intake"
	"github.com/venuecode/venuecode/internal/schedule"
	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/miniapp"
	"github.com/venuecode/venuecode/notifier"
	"github.com/venuecode/venuecode/platform"
	"github.com/venuecode/venuecode/poster"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/store/mongo"
	"github.com/venuecode/venuecode/store/spool"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/checkin"
	"github.com/venuecode/venuecode/venue/daily"
	"github.com/venuecode/venuecode/venue/registry"
)

// machine is the real clock; the only call of time.Now in the program.
var machine = venue.ClockFunc(time.Now)

// app is the whole platform, wired. Nothing is decided here.
type app struct {
	config *configs.Config
	log    *slog.Logger
	clock  *schedule.Clock

	engine       store.Engine
	spool        *spool.Engine    // nil: the memory is in this process, and never away
	processes    *store.Processes // nil: there is only this one
	recheck      atomic.Pointer[checkin.Recheck]
	vault        *vault.Vault
	registry     *store.Registry
	register     *store.Register
	applying     *registry.Service
	people       *vault.People
	persons      *vault.PersonRetention
	retention    *vault.Retention
	certificates *vault.Certificates
	bindCodes    *store.BindCodes
	signer       *audit.FileSigner
	trail        *audit.Trail
	officials    *access.Service
	census       *store.Census
	coverage     *store.Coverage
	uploads      *intake.Uploads
	health       *health.Client
	lease        *store.Lease // nil: no other process shares the memory
	runner       *schedule.Runner
	reports      *daily.Service
	stages       *daily.Stages

	web, ops *fiber.App
	// Both once it serves.
	visitors, operators *listening
	control             *control
	url                 string
	opsURL              string

	ready   atomic.Bool
	ended   chan struct{} // closed by end: the platform is over, and who serves it stops
	end     func()
	stop    context.CancelFunc
	workers sync.WaitGroup
}

// newApp opens the memory and wires everything to it. The caller serves and
// closes it. A platform that was ended is refused, before a file is touched; so
// is a memory that this program can not work with.
func newApp(config *configs.Config, clock *schedule.Clock, log *slog.Logger) (*app, error) {
	if err := notEnded(config.DataDir, config.KeysDir); err != nil {
		return nil, err
	}
	if err := sameMemory(config); err != nil {
		return nil, err
	}
	if err := poster.Check(venue.Code(strings.Repeat("0", 16)).Link(config.Host)); err != nil {
		return nil, fmt.Errorf("host is too long: a code with its link would not be read from two metres: %w", err)
	}
	return openApp(config, clock, log, fitMemory)
}

// openApp is newApp for whoever says which memory is admitted.
func openApp(config *configs.Config, clock *schedule.Clock, log *slog.Logger, admit func(context.Context, store.Engine) error) (_ *app, err error) {
	a := &app{config: config, log: log, clock: clock, ended: make(chan struct{})}
	a.end = sync.OnceFunc(func() { close(a.ended) })
	if a.vault, err = vault.Open(config.KeysDir, rand.Reader, vault.WithSuite(config.Vault.Suite)); err != nil {
		return nil, fmt.Errorf("open keys: %w", err)
	}
	if err = a.openEngine(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.engine.Close())
		}
	}()
	if err = admit(context.Background(), a.engine); err != nil {
		return nil, err
	}
	if err = rememberKind(config); err != nil {
		return nil, err
	}
	if a.trail, err = a.openTrail(); err != nil {
		return nil, err
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a.registry = store.NewRegistry(a.engine, machine)
	a.register = store.NewRegister(a.engine, a.registry, a.vault, clock)
	a.applying = a.registering()
	a.people = vault.NewPeople(a.vault, a.engine, clock, venue.Division(config.Division))
	a.bindCodes = store.NewBindCodes(a.engine, a.registry, a.vault.Blind, rand.Reader, clock)
	a.bindCodes.Register = a.register
	if err = a.openLease(metrics); err != nil {
		return nil, err
	}
	a.runner = a.scheduler(metrics)

	platforms, err := openPlatforms(config, platform.NewTokens(a.engine, a.vault, machine))
	if err != nil {
		return nil, err
	}
	reporting := store.NewReporting(a.engine, a.vault)
	service, stages := a.daily(reporting)
	a.reports, a.stages = service, stages
	desk, err := a.officialsDoor()
	if err != nil {
		return nil, err
	}
	outbox := a.notifier(platforms, stages, metrics)
	service.Outbox = outbox
	if clock.Mode() == schedule.Real {
		// What the chat platform says it sent before we ran counts from then (D8).
		started := machine.Now()
		service.Down = func(from, _ time.Time) bool { return from.Before(started) }
	}

	check, recheck := a.checkin(outbox)
	replies := store.NewReplies(a.engine, clock)
	a.certificates = vault.NewCertificates(a.engine, a.signer, venue.Division(config.Division))
	a.retention = &vault.Retention{
		Vault: a.vault, Scans: a.engine, Meta: store.NewCollection[store.MetaRow](a.engine, store.Meta), Certificates: a.certificates,
		Record: a.recordDestruction, VisitDays: config.Retention.VisitsDays, Clock: clock,
	}
	ended, err := store.OpenRevocations(context.Background(), a.engine, clock, machine, miniapp.SessionLife)
	if err != nil {
		return nil, err
	}
	persons := a.personRetention(ended)
	a.persons = persons
	a.runner.Add(
		plain{recheck}, plain{stages}, outbox,
		plain{&settling{service: service, clock: clock, late: a.late}},
		plain{&regular{name: "sweep_sessions", every: sweepEvery, clock: clock, run: a.sweep}},
		// Ends what a process that ended has begun: approvals, changes.
		plain{&regular{name: "complete_register", every: completeEvery, clock: clock, run: a.applying.Settle}},
		plain{&completing{uploads: a.uploads, clock: clock}},
		plain{persons}, plain{a.retention}, plain{a.expiry()},
		plain{&store.CoverageTrend{Coverage: a.coverage, Clock: clock}},
	)
	// Keys of days are this process's to know, and it signs the chains that it wrote.
	a.runner.AddEverywhere(plain{&dayKeys{vault: a.vault, clock: clock}}, plain{a.trail})

	residents := a.residents(check, platforms, ended, persons)
	options := web.Options{
		Name: "venuecode", BodyLimit: int(config.Limits.Body), Proxies: config.TrustedProxies,
		Machine: machine, Log: log, Metrics: metrics,
		Larger: func(h web.Head) int { return cmp.Or(desk.Admit(h), residents.Admit(h)) },
	}
	a.web = web.New(options)
	residents.Routes(a.web)
	staff, err := a.staff(service, stages, reporting, replies)
	if err != nil {
		return nil, err
	}
	staff.Routes(a.web)
	desk.Disposal, desk.Identities = disposal{a}, a.identities(desk.Office)
	desk.Routes(a.web)
	a.web.Get("/openapi.json", serveOpenAPI)
	a.ops = a.operations(metrics)
	return a, nil
}

// openTrail opens the audit trail and says where its checkpoints go.
func (a *app) openTrail() (_ *audit.Trail, err error) {
	if a.signer, err = audit.NewFileSigner(a.config.KeysDir, random); err != nil {
		return nil, fmt.Errorf("open the audit trail: %w", err)
	}
	var sinks []audit.Sink
	if path := a.config.Audit.Copy; path != "" {
		sinks = append(sinks, audit.FileSink{Label: auditCopy, Path: path})
	}
	if push := a.config.Audit.Push; push.URL != "" {
		sinks = append(sinks, audit.WebSink{Label: "push", URL: push.URL, Secret: []byte(push.Secret.Reveal())})
	}
	return audit.Open(context.Background(), audit.Options{
		Docs: a.engine, Signer: a.signer, Clock: a.clock, Random: random, Sinks: sinks, Log: a.log,
	})
}

// auditCopy names the file sink.
const auditCopy = "copy"

// platforms are the clients of WeChat, WeCom and Alipay that are switched on.
type platforms struct {
	wechat  *platform.WeChat
	alipay  *platform.Alipay
	service *platform.ServiceAccount
	wecom   *platform.WeCom
}

func openPlatforms(c *configs.Config, tokens *platform.Tokens) (p platforms, err error) {
	reach := platform.HTTP{Base: c.PlatformsBase}
	if err := platform.Install(reach); err != nil {
		return p, err
	}
	var errs []error
	keep := func(err error) { errs = append(errs, err) }
	if c.WeChat.AppID != "" {
		p.wechat, err = platform.NewWeChat(platform.WeChatConfig{AppID: c.WeChat.AppID, Secret: c.WeChat.Secret.Reveal(), Tokens: tokens})
		keep(err)
	}
	if c.ServiceAccount.AppID != "" {
		p.service, err = platform.NewServiceAccount(platform.ServiceConfig{AppID: c.ServiceAccount.AppID, Secret: c.ServiceAccount.Secret.Reveal(), Tokens: tokens})
		keep(err)
	}
	p.wecom, err = platform.NewWeCom(platform.WeComConfig{CorpID: c.WeCom.CorpID, Secret: c.WeCom.Secret.Reveal(), AgentID: c.WeCom.AgentID, Tokens: tokens})
	keep(err)
	if c.Alipay.AppID != "" {
		p.alipay, err = platform.NewAlipay(platform.AlipayConfig{
			AppID: c.Alipay.AppID, PrivateKey: c.Alipay.PrivateKey.Reveal(), AlipayPublicKey: c.Alipay.AlipayPublicKey.Reveal(),
			PhoneKey: c.Alipay.PhoneKey.Reveal(), Gateway: c.Alipay.Gateway, HTTP: reach,
		})
		keep(err)
	}
	return p, errors.Join(errs...)
}

func (a *app) daily(reporting *store.Reporting) (*daily.Service, *daily.Stages) {
	r := a.config.Reports
	policy := daily.DefaultPolicy()
	policy.Deadline = timeOfDay(r.Deadline)
	policy.Window = policy.Deadline.String()
	if r.Window == "midnight" {
		policy.Window = daily.Midnight
	}
	policy.OneTap = []daily.TimeOfDay{timeOfDay(r.OneTap)}
	policy.Reminders = nil
	for _, t := range r.Reminders {
		policy.Reminders = append(policy.Reminders, timeOfDay(t))
	}
	policy.Digest = timeOfDay(r.Digest)
	policy.TolMin, policy.TolPercent = r.Tolerance.Min, r.Tolerance.Percent
	policy.Withdraw, policy.Settle, policy.Max = r.Withdraw, r.Settle, r.Max

	service := &daily.Service{
		Policy: policy, Registry: a.registry, Counter: reporting, Sources: sources{a.incomplete}, Reports: reporting, Clock: a.clock,
	}
	return service, &daily.Stages{Service: service, Directory: a.registry, Log: reporting}
}

func timeOfDay(t configs.TimeOfDay) daily.TimeOfDay {
	hour, minute := t.Clock()
	return daily.TimeOfDay{Hour: hour, Minute: minute}
}

func (a *app) checkin(outbox checkin.Outbox) (*checkin.Service, *checkin.Recheck) {
	c := a.config
	a.health = health.New(health.Options{
		Base: c.Health.Base, Credential: c.Health.Credential.Reveal(), Timeout: c.Health.Timeout,
		Reuse: c.Health.Reuse, BreakerOpen: c.Health.BreakerOpen, Identify: a.people.Identity, Machine: machine, Log: a.log,
	})
	look := time.Duration(0)
	if a.lease != nil {
		look = leaderLook
	}
	alarms := checkin.Alarms{Outbox: outbox, Clock: a.clock, Officers: a.registry.Officers}
	recheck := &checkin.Recheck{
		Scans: a.engine, Outcome: store.NewRechecked(a.engine), Health: a.health, Sealed: a.vault,
		Doors: a.registry, Alarms: alarms, Clock: a.clock, Look: look, Tell: a.tellResident(outbox),
	}
	a.recheck.Store(recheck)
	return &checkin.Service{
		Doors: a.registry, Health: a.health, People: a.people, Sealer: a.vault, Log: a.engine, Alarms: alarms, Clock: a.clock,
		Policy: checkin.Policy{
			SentinelYellow: venue.ParseDecision(c.Scan.SentinelYellow),
			Companions:     c.Scan.Companions,
			Words:          miniapp.Words(func(d venue.Division, h venue.Health) []string { return c.Advice.For(string(d), h) }),
		},
		Unknown: func(t time.Time) { recheck.Waiting(t); a.runner.Wake() },
	}, recheck
}

// tellResident sends word to every mini-program account of a person whose held
// code has been verified.
func (a *app) tellResident(outbox checkin.Outbox) func(context.Context, venue.PersonID, venue.Scan, venue.Reading) error {
	return func(ctx context.Context, person venue.PersonID, scan venue.Scan, reading venue.Reading) error {
		to, err := a.people.Reachable(ctx, person)
		if err != nil {
			return err
		}
		place, err := a.registry.Resolve(ctx, scan.Door)
		if err != nil && !errors.Is(err, venue.ErrNotFound) {
			return err
		}
		var messages []venue.Message
		for i, recipient := range to {
			messages = append(messages, venue.Message{
				ID: fmt.Sprintf("recheck:%s:%d", scan.Key.ID(), i), Kind: venue.MessageRecheck, To: recipient,
				Due: a.clock.Now(), Day: venue.DayOf(scan.At),
				Recheck: &venue.RecheckFacts{Venue: place.Venue.Name, At: scan.At, Health: reading.Health},
			})
		}
		return outbox.Post(ctx, messages...)
	}
}

func (a *app) residents(check *checkin.Service, p platforms, ended *store.Revocations, persons *vault.PersonRetention) *miniapp.Handler {
	c := a.config
	h := &miniapp.Handler{
		Platforms: map[string]miniapp.Platform{}, Tokens: a.vault, Ended: ended, People: a.people, Retention: persons,
		Checkin: check, Doors: a.registry, Places: a.registry, OldCodes: a.registry, Trail: a.trail, Clock: a.clock,
		Host: c.Host, Reply: c.Scan.Reply,
		Consent: c.Consent.Version, ConsentText: c.Consent.Text, Operator: c.Consent.Operator, Contact: c.Consent.Contact,
		DomainChecks: c.DomainChecks, NoOp: c.Test,
	}
	h.Apply = a.publicEntry()
	if p.wechat != nil {
		h.Platforms["wechat"] = opened{p.wechat}
	}
	if p.alipay != nil {
		h.Platforms["alipay"] = opened{p.alipay}
		h.Notification = func(form url.Values) error { _, err := p.alipay.VerifyNotification(form); return err }
	}
	return h
}

// serviceApp is how the service account's followers are told from the
// mini-programs' users among the accounts.
const serviceApp = "service_account"

// staff is the door of those who report in chat.
func (a *app) staff(service *daily.Service, stages *daily.Stages, reporting *store.Reporting, replies *store.Replies) (*bot.Handler, error) {
	c := a.config
	h := &bot.Handler{
		RobotNames: c.WeCom.Robot.Names, Contact: c.Consent.Contact, Policy: service.Policy,
		Desk: service, Roll: stages, Reports: reporting, Directory: a.registry, Binder: a.bindCodes, Names: a.registry,
		Memory: replies,
		// The account keeps the openid sealed, so that word can be sent back.
		Blind: func(openid string) string {
			account, err := a.people.Account(context.Background(), serviceApp, openid)
			if err != nil {
				a.log.Error("service account follower not kept", "error", err)
			}
			return account.ID
		},
		Civil: a.clock, Machine: machine, Random: random, Log: a.log,
	}
	var errs []error
	open := func(token, key configs.Secret, receiver string) *bot.Crypt {
		if token.Reveal() == "" {
			return nil
		}
		crypt, err := bot.NewCrypt(token.Reveal(), key.Reveal(), receiver)
		errs = append(errs, err)
		return crypt
	}
	h.Robot = open(c.WeCom.Robot.Token, c.WeCom.Robot.EncodingAESKey, "")
	h.App = open(c.WeCom.App.Token, c.WeCom.App.EncodingAESKey, c.WeCom.CorpID)
	h.Service = open(c.ServiceAccount.Token, c.ServiceAccount.EncodingAESKey, c.ServiceAccount.AppID)
	return h, errors.Join(errs...)
}

// notifier is the way out for every word.
func (a *app) notifier(p platforms, stages *daily.Stages, metrics prometheus.Registerer) *notifier.Notifier {
	c := a.config.Notify
	sinceMidnight := func(t configs.TimeOfDay) time.Duration { return time.Duration(t) * time.Minute }
	senders := notifier.Senders{}
	if p.wecom != nil {
		senders.Group = p.wecom
		if a.config.WeCom.CorpID != "" {
			senders.App = p.wecom
		}
	}
	if p.service != nil {
		senders.Service = serviceSender{p.service}
	}
	if p.wechat != nil && c.SubscribeTemplates.Recheck != "" {
		senders.Subscribe = cardSender{p.wechat.Subscribe, c.SubscribeTemplates}
	}
	if p.alipay != nil && c.SubscribeTemplates.Recheck != "" {
		senders.Alipay = cardSender{p.alipay.Template, c.SubscribeTemplates}
	}
	var token func() (int64, bool)
	if a.lease != nil {
		token = a.lease.Token
	}
	return notifier.New(notifier.Options{
		Outbox: store.NewCollection[store.OutboxRow](a.engine, store.Outbox), Clock: a.clock, Directory: directory{a},
		Senders: senders, Fresh: stages.Fresh, Token: token, Wake: a.runner.Wake, Log: a.log, Metrics: metrics,
		Policy: notifier.Policy{
			RobotPerMinute: c.RobotPerMinute, QuietFrom: sinceMidnight(c.QuietHours.From), QuietTo: sinceMidnight(c.QuietHours.To),
			Deadline: sinceMidnight(a.config.Reports.Deadline), RetryFirst: c.Retry.First, RetryMax: c.Retry.Max, GiveUp: c.Retry.GiveUp,
		},
	})
}

// opened lets the door have the openid it logs in with; nobody else sees it.
type opened struct {
	platform interface {
		Login(ctx context.Context, code string) (platform.OpenID, error)
		Phone(ctx context.Context, code string) (venue.Phone, error)
	}
}

func (o opened) Login(ctx context.Context, code string) (string, error) {
	id, err := o.platform.Login(ctx, code)
	return id.Reveal(), err
}

func (o opened) Phone(ctx context.Context, code string) (venue.Phone, error) {
	return o.platform.Phone(ctx, code)
}

// plain makes a job that answers in plain numbers a work of the scheduler.
type plain struct {
	job interface {
		Name() string
		Next(context.Context) (time.Time, bool, error)
		Run(ctx context.Context, now time.Time) (ran, deferred int, err error)
	}
}

func (p plain) Name() string                                      { return p.job.Name() }
func (p plain) Next(ctx context.Context) (time.Time, bool, error) { return p.job.Next(ctx) }
func (p plain) Run(ctx context.Context, now time.Time) (schedule.Result, error) {
	ran, deferred, err := p.job.Run(ctx, now)
	return schedule.Result{Ran: ran, Deferred: deferred}, err
}

// regular runs at the start and then at a pace, counted from one run to the next.
type regular struct {
	name  string
	every time.Duration
	clock venue.Clock
	run   func(context.Context) (ran int, err error)
	due   time.Time
}

func (r *regular) Name() string { return r.name }

func (r *regular) Next(context.Context) (time.Time, bool, error) {
	if r.due.IsZero() {
		return r.clock.Now(), true, nil
	}
	return r.due, true, nil
}

func (r *regular) Run(ctx context.Context, now time.Time) (ran, deferred int, err error) {
	r.due = now.Add(r.every)
	ran, err = r.run(ctx)
	return ran, 0, err
}

// settling judges again the reports that wait for a source to deliver, and, when
// scans came late, every report that they may count for.
type settling struct {
	service *daily.Service
	clock   venue.Clock
	late    func() (from, at time.Time)
	due     time.Time
	lateAt  time.Time // what came until then has been seen to
}

const settleEvery = time.Hour

func (s *settling) Name() string { return "settle_reports" }

func (s *settling) Next(context.Context) (time.Time, bool, error) {
	if _, at := s.late(); s.due.IsZero() || at.After(s.lateAt) {
		return s.clock.Now(), true, nil
	}
	return s.due, true, nil
}

func (s *settling) Run(ctx context.Context, now time.Time) (ran, deferred int, err error) {
	s.due = now.Add(settleEvery)
	from, at := s.late()
	late := at.After(s.lateAt)
	today := venue.DayOf(now)
	for day := today - 2; day <= today+1; day++ {
		changed, err := s.service.Settle(ctx, day, late && day >= venue.DayOf(from))
		if err != nil {
			return ran, 1, err
		}
		ran += changed
	}
	s.lateAt = at
	return ran, 0, nil
}

// dayKeys makes tomorrow's key an hour before midnight, so that the first scan
// of a day does not wait for a file.
type dayKeys struct {
	vault *vault.Vault
	clock venue.Clock
	made  venue.Day // the last day known to have a key
}

func (d *dayKeys) Name() string { return "day_keys" }

func (d *dayKeys) Next(context.Context) (time.Time, bool, error) {
	if d.made == 0 {
		return d.clock.Now(), true, nil
	}
	return d.made.At(23, 0), true, nil
}

func (d *dayKeys) Run(_ context.Context, now time.Time) (ran, deferred int, err error) {
	day := venue.DayOf(now.Add(time.Hour))
	if err := d.vault.EnsureDay(day); err != nil {
		return 0, 0, fmt.Errorf("make the key of a day: %w", err)
	}
	d.made = day
	return 1, 0, nil
}

// serve listens and starts the background work. It returns once its addresses
// take connections.
func (a *app) serve(ctx context.Context, listener net.Listener) error {
	ops, err := net.Listen("tcp", a.config.OpsListen)
	if err != nil {
		return errors.Join(fmt.Errorf("listen for operations: %w", err), listener.Close())
	}
	if a.control, err = listenControl(a); err != nil {
		return errors.Join(err, listener.Close(), ops.Close())
	}
	a.url, a.opsURL = "http://"+listener.Addr().String(), "http://"+ops.Addr().String()

	ctx, a.stop = context.WithCancel(ctx)
	a.workers.Go(func() { a.runner.Loop(ctx) })
	a.workers.Go(func() { a.uploads.Work(ctx) })
	if a.spool != nil {
		a.workers.Go(func() {
			if err := a.registry.Warm(ctx); err != nil && ctx.Err() == nil {
				a.log.Warn("doors are known only once they are scanned", "error", err)
			}
		})
	}
	if a.lease != nil {
		a.workers.Go(func() { a.beat(ctx) })
		a.workers.Go(func() { a.watchKeys(ctx) })
	}
	a.visitors, a.operators = listen(a.web, listener, a.log), listen(a.ops, ops, a.log)
	a.ready.Store(true)
	return nil
}

// openStore opens the memory that the configuration names.
func openStore(config *configs.Config, log *slog.Logger) (store.Engine, error) {
	if config.Embedded() {
		return embedded.Open(embedded.Options{
			Dir: filepath.Join(config.DataDir, "store"), Schemas: store.Schemas, Logger: log, Machine: machine,
		})
	}
	return mongo.Open(context.Background(), mongo.Options{
		URI: config.Store.Reveal(), Schemas: store.Schemas, Logger: log, Machine: machine,
		AllowStandalone: config.Test, FullIndexes: config.Test,
	})
}

// close stops in order: no new visitors, requests under way finish, jobs stop,
// the memory closes.
func (a *app) close() error {
	a.ready.Store(false)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var errs []error
	if a.visitors != nil { // it has served
		errs = append(errs, a.visitors.end(ctx), a.control.close())
		a.stop()
		errs = append(errs, a.operators.end(ctx))
	}
	a.workers.Wait()
	return errors.Join(append(errs, a.giveBack(ctx), a.trail.Close(ctx), a.engine.Close())...)
}

// dataDir makes the folders of a data directory.
func dataDir(c *configs.Config) error {
	for _, dir := range []string{c.DataDir, c.KeysDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
	}
	return nil
}

var (
	_ checkin.Health = (*health.Client)(nil)
	_ checkin.Prober = (*health.Client)(nil)
	_ checkin.Log    = store.Engine(nil)
	_ checkin.Doors  = (*store.Registry)(nil)
	_ checkin.Sealer = (*vault.Vault)(nil)
	_ checkin.People = (*vault.People)(nil)
)
