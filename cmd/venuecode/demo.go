package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/venuecode/venuecode/configs"
	"github.com/venuecode/venuecode/internal/city"
	"github.com/venuecode/venuecode/internal/schedule"
	"github.com/venuecode/venuecode/internal/sim"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// demoDay is the first day on which the notice's city scanned and reported.
const demoDay = "2022-05-18"

type demoFlags struct {
	listen, simListen, data, city, clock, store string
	speed                                       float64
	quiet, json                                 bool
	log                                         *slog.Logger // nil: warnings to stderr
}

func demoCommand() *cobra.Command {
	var f demoFlags
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run a fictional city on this machine, nothing to configure",
		Long: "Run the whole platform on this machine, with simulators of WeChat, WeCom, Alipay\n" +
			"and the health-code service, and a fictional city whose afternoon is running:\n" +
			"residents scan, staff report, and the 16:00 deadline comes within two minutes.",
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return demo(c.Context(), f, c.OutOrStdout(), nil) },
	}
	fs := c.Flags()
	fs.StringVar(&f.listen, "listen", "127.0.0.1:8080", "address of the platform; port 0 picks a free one")
	fs.StringVar(&f.simListen, "sim-listen", "127.0.0.1:8081", "address of the simulators and their page")
	fs.StringVar(&f.data, "data", "", "keep everything in this folder and continue there at the next start (default: a temporary folder, removed at exit)")
	fs.StringVar(&f.city, "city", "", "another city (YAML; internal/city/city.yaml is the documented example)")
	fs.StringVar(&f.clock, "clock", "", "the civil clock starts at this instant (RFC 3339) and stands still until moved")
	fs.Float64Var(&f.speed, "speed", 0, "virtual seconds per real second; 1 alone is the real clock (default: from 14:30 at 60)")
	fs.BoolVar(&f.quiet, "quiet", false, "no automatic residents or staff: only what you do happens")
	fs.StringVar(&f.store, "store", "embedded", "the memory: embedded, or mongodb://… of a server that may stand alone")
	fs.BoolVar(&f.json, "json", false, "one JSON object a line on stdout; the first says where to look")
	return c
}

// demo runs until ctx ends. ready, if given, is told the addresses; tests use it.
func demo(ctx context.Context, f demoFlags, out io.Writer, ready func(product, simulators string)) (err error) {
	town, err := demoCity(f.city)
	if err != nil {
		return err
	}
	if f.data == "" {
		if f.data, err = os.MkdirTemp("", "venuecode-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(f.data)) }()
	}
	if err := notEnded(filepath.Join(f.data, "data")); err != nil {
		return err
	}
	world := filepath.Join(f.data, "world")
	for _, dir := range []string{filepath.Join(f.data, "data"), filepath.Join(f.data, "keys"), world} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	clock, err := f.civilClock()
	if err != nil {
		return err
	}
	log := f.log
	if log == nil {
		log = newLog("warn")
	}

	listener, err := net.Listen("tcp", f.listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	simListener, err := net.Listen("tcp", f.simListen)
	if err != nil {
		return errors.Join(fmt.Errorf("listen for the simulators: %w", err), listener.Close())
	}
	product, simulators := "http://"+listener.Addr().String(), "http://"+simListener.Addr().String()

	mover := &mover{clock: clock}
	groups := sim.City{Robot: town.Robot}
	for _, g := range town.Groups {
		groups.Groups = append(groups.Groups, sim.CityGroup{ID: string(g.ID), Name: g.Name})
	}
	var a *app
	var simulator *sim.Sim
	simulator, err = sim.New(sim.Options{
		Product: product, World: world, Civil: clock, Machine: machine, City: groups, Control: mover, Log: log,
		Extra: func(r fiber.Router) {
			r.Post("/sim/bind-codes", func(c *fiber.Ctx) error { return demoBindCode(c, a) })
			r.Post("/sim/phones/:id/login-codes", func(c *fiber.Ctx) error { return demoLoginCode(c, simulator) })
		},
	})
	if err != nil {
		return errors.Join(err, listener.Close(), simListener.Close())
	}
	defer func() { err = errors.Join(err, simulator.Close()) }()

	config, err := demoConfig(f, town, simulator.Keys(), listener.Addr().String(), simulators)
	if err != nil {
		return errors.Join(err, listener.Close(), simListener.Close())
	}
	if a, err = newApp(config, clock, log); err != nil {
		return errors.Join(err, listener.Close(), simListener.Close())
	}
	mover.runner = a.runner
	endSimulators := func() {}
	defer func() { endSimulators() }() // after the platform: what it has begun to ask is answered
	defer func() { err = errors.Join(err, a.close()) }()
	if err := a.settleDemo(ctx, town, simulator); err != nil {
		return errors.Join(err, listener.Close(), simListener.Close())
	}
	logins, err := a.demoLogins(ctx, town, world)
	if err != nil {
		return errors.Join(err, listener.Close(), simListener.Close())
	}
	simServer := listen(simulator.App(), simListener, log)
	endSimulators = func() {
		_ = simulator.Close() // lets hanging calls go, or the shutdown would wait for them
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		ended := simServer.end(ctx)
		if errors.Is(ended, context.DeadlineExceeded) {
			ended = nil // a browser that keeps a connection open may; nothing is lost
		}
		err = errors.Join(err, ended)
	}
	if err := a.serve(ctx, listener); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var crowd sync.WaitGroup
	defer crowd.Wait()
	defer cancel()
	f.announce(out, a, town, simulators, logins)
	if ready != nil {
		ready(product, simulators)
	}
	if !f.quiet {
		crowd.Go(func() { newLife(town, clock, simulators).run(ctx) })
	}
	select {
	case <-ctx.Done():
	case <-a.ended:
	}
	if !f.json {
		fmt.Fprintln(out, "再见")
	}
	return nil
}

func demoCity(file string) (*city.City, error) {
	if file == "" {
		return city.Default(), nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, exitError{exitUsage, err}
	}
	town, err := city.Parse(b)
	if err != nil {
		return nil, exitError{exitUsage, err}
	}
	return town, nil
}

// civilClock reads --clock and --speed.
func (f demoFlags) civilClock() (*schedule.Clock, error) {
	file := filepath.Join(f.data, "data", "clock")
	if f.speed < 0 {
		return nil, exitError{exitUsage, errors.New("--speed must be positive")}
	}
	if f.clock == "" {
		if f.speed == 1 {
			return schedule.NewClock(schedule.Real, time.Time{}, file, machine)
		}
		day, err := venue.ParseDay(demoDay)
		if err != nil {
			return nil, err
		}
		speed := f.speed
		if speed == 0 {
			speed = 60
		}
		return schedule.NewClock(schedule.Mode(speed), day.At(14, 30), file, machine)
	}
	start, err := time.Parse(time.RFC3339, f.clock)
	if err != nil {
		return nil, exitError{exitUsage, errors.New("--clock must be an instant as in 2022-05-18T14:30:00+08:00")}
	}
	return schedule.NewClock(schedule.Mode(f.speed), start, file, machine)
}

// demoConfig is the configuration of a demo: a test, with every platform
// simulated.
func demoConfig(f demoFlags, town *city.City, k sim.Keys, host, simulators string) (*configs.Config, error) {
	type section = map[string]any
	text, err := yaml.Marshal(section{
		"test": true, "host": host, "division": string(town.Division), "listen": "127.0.0.1:0", "ops_listen": "127.0.0.1:0",
		"data_dir": filepath.Join(f.data, "data"), "keys_dir": filepath.Join(f.data, "keys"), "store": f.store,
		"log":            section{"level": "warn"},
		"platforms_base": simulators,
		"wechat":         section{"app_id": k.Wechat.AppID, "secret": k.Wechat.Secret},
		"service_account": section{
			"app_id": k.Service.AppID, "secret": k.Service.Secret, "token": k.Service.Token, "encoding_aes_key": k.Service.AESKey,
		},
		"wecom": section{
			"corp_id": k.WeCom.CorpID, "agent_id": k.WeCom.AgentID, "secret": k.WeCom.Secret,
			"app":   section{"token": k.WeCom.Token, "encoding_aes_key": k.WeCom.AESKey},
			"robot": section{"token": k.Robot.Token, "encoding_aes_key": k.Robot.AESKey, "names": []string{town.Robot}},
		},
		"alipay": section{
			"app_id": k.Alipay.AppID, "private_key": k.Alipay.AppPrivate, "alipay_public_key": k.Alipay.AlipayPublic,
			"phone_key": k.Alipay.AESKey, "gateway": simulators + "/gateway.do",
		},
		"health":  section{"base": simulators, "credential": k.Health},
		"apply":   section{"hotline": "0000-12345", "channels": section{string(demoTown(town)): section{"便民服务中心": "文昌路2号，工作日 8:30–17:30"}}},
		"consent": section{"operator": town.Name + "疫情防控指挥部（演示）", "contact": "0000-0000000"},
		"notify":  section{"subscribe_templates": section{"recheck": "demo-recheck"}},
	})
	if err != nil {
		return nil, err
	}
	config, err := configs.LoadBytes("demo", text, nil)
	if err != nil {
		return nil, err
	}
	// A city of another province is shown by its codes, and has any.
	config.Divisions, _ = config.Divisions.With(town.Divisions()...)
	return config, nil
}

// settleDemo fills the registry at the first start and tells the simulators who
// lives here.
func (a *app) settleDemo(ctx context.Context, town *city.City, s *sim.Sim) error {
	places, err := a.registry.Doors(ctx)
	if err != nil {
		return err
	}
	if len(places) == 0 {
		keys := s.Keys()
		if _, err := a.settle(ctx, town, func(g venue.GroupID) string { return keys.Webhooks[string(g)] }); err != nil {
			return err
		}
		if err := a.settleRegister(ctx, town); err != nil {
			return err
		}
		if places, err = a.registry.Doors(ctx); err != nil {
			return err
		}
	}
	if err := a.enlist(ctx, town); err != nil {
		return err
	}
	view := sim.City{Robot: town.Robot}
	for _, g := range town.Groups {
		view.Groups = append(view.Groups, sim.CityGroup{ID: string(g.ID), Name: g.Name})
	}
	for _, u := range town.Units {
		id := town.UnitID(u.Name)
		view.Units = append(view.Units, sim.CityUnit{ID: string(id), Name: u.Name, Duty: string(u.Duty)})
		for _, member := range u.Staff {
			view.Staff = append(view.Staff, sim.CityStaff{UserID: member.UserID, Unit: string(id), Name: member.Name, Group: string(u.Group)})
			if err := a.bindService(ctx, id, member, sim.ServiceOpenID(member.UserID)); err != nil {
				return err
			}
		}
	}
	for _, p := range places {
		if !p.Venue.Status.Scannable() { // suspended, and nobody there
			continue
		}
		view.Doors = append(view.Doors, sim.CityDoor{
			Code: string(p.Door.Code), Link: p.Door.Code.Link(a.config.Host), Unit: string(p.Door.Unit), Venue: p.Venue.Name,
			Name: p.Door.Name, Class: strconv.Itoa(int(p.Venue.Category)), Sentinel: p.Venue.Sentinel, Status: string(p.Door.Status),
		})
	}
	for _, r := range town.People() {
		view.Residents = append(view.Residents, sim.CityResident(r))
	}
	return s.SetCity(view)
}

// enlist imports the city's register of subjects, unless there is one.
func (a *app) enlist(ctx context.Context, town *city.City) error {
	known, err := a.census.Imports(ctx, 1)
	if err != nil || len(known) > 0 || len(town.Subjects) == 0 {
		return err
	}
	_, err = a.census.Import(ctx, store.SubjectFile{Rows: town.Register(), Division: town.Division, By: "demo"})
	return err
}

// bindService lets a member of staff report through the service account too.
func (a *app) bindService(ctx context.Context, unit venue.UnitID, member city.Staff, openid string) error {
	account, err := a.people.Account(ctx, serviceApp, openid)
	if err != nil {
		return err
	}
	return a.registry.Bind(ctx, venue.Binding{
		Account: venue.ChatAccount{Channel: venue.ChannelService, ID: account.ID}, Unit: unit, Name: member.Name, Since: a.clock.Now(),
	})
}

// demoBindCode hands out a one-time code, as headquarters would.
func demoBindCode(c *fiber.Ctx, a *app) error {
	var q struct {
		Unit string `json:"unit"`
	}
	if err := json.Unmarshal(c.Body(), &q); err != nil {
		return fiber.ErrBadRequest
	}
	code, err := a.bindCodes.Make(c.UserContext(), venue.UnitID(q.Unit))
	if errors.Is(err, venue.ErrNotFound) {
		return fiber.ErrNotFound
	} else if err != nil {
		return err
	}
	return c.JSON(fiber.Map{"code": code})
}

// demoLoginCode gives what wx.login or my.getAuthCode gives on a phone, for
// whoever wants to call the API by hand.
func demoLoginCode(c *fiber.Ctx, s *sim.Sim) error {
	code := s.LoginCode(c.Params("id"))
	if code == "" {
		return fiber.ErrNotFound
	}
	return c.JSON(fiber.Map{"login_code": code})
}

// mover lets the simulators' page move the civil clock.
type mover struct {
	clock  *schedule.Clock
	runner *schedule.Runner
}

func (m *mover) Now() time.Time { return m.clock.Now() }

func (m *mover) Set(ctx context.Context, to time.Time) (sim.MoveResult, error) {
	r, err := m.runner.MoveTo(ctx, to)
	return sim.MoveResult(r), err
}

func (m *mover) Advance(ctx context.Context, d time.Duration) (sim.MoveResult, error) {
	r, err := m.runner.Advance(ctx, d)
	return sim.MoveResult(r), err
}

// Speed is 1 for the real clock, 0 for one that stands.
func (m *mover) Speed() float64 {
	if m.clock.Mode() == schedule.Real {
		return 1
	}
	return float64(m.clock.Mode())
}

// announce says where to look.
func (f demoFlags) announce(out io.Writer, a *app, town *city.City, simulators string, logins []demoLogin) {
	if f.json {
		b, _ := json.Marshal(map[string]any{"event": "ready", "url": a.url, "sim": simulators, "operations": a.opsURL, "logins": logins})
		fmt.Fprintln(out, string(b))
		return
	}
	pace := "时钟停在原处，用页面上的按钮拨动"
	switch mode := a.clock.Mode(); {
	case mode == schedule.Real:
		pace = "真实时钟"
	case mode > 0:
		pace = fmt.Sprintf("每秒走 %g 秒", float64(mode))
	}
	doors := 0
	for _, u := range town.Units {
		for _, v := range u.Venues {
			doors += len(v.Doors)
		}
	}
	fmt.Fprintf(out, "%s：%d 个单位，%d 个出入口，%d 位居民。现在是 %s（%s）。\n\n", town.Name, len(town.Units), doors, town.Residents.Count,
		a.clock.Now().In(venue.Zone).Format("2006-01-02 15:04"), pace)
	fmt.Fprintf(out, "  扫码、看群、拨钟、制造故障   %s/\n", simulators)
	fmt.Fprintf(out, "  管理后台                     %s/console\n", a.url)
	fmt.Fprintf(out, "  平台接口                     %s/openapi.json\n", a.url)
	fmt.Fprintf(out, "  运行状态                     %s/metrics\n\n", a.opsURL)
	fmt.Fprintln(out, "管理后台的用户名、口令、动态码密钥：")
	for _, l := range logins {
		fmt.Fprintf(out, "  %-10s %s  %s\n", l.User, l.Password, l.TOTP)
	}
	fmt.Fprintln(out, "\n按 Ctrl-C 结束。")
}
