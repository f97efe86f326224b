package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/valyala/fasthttp"
	"go.yaml.in/yaml/v3"

	"github.com/venuecode/venuecode/configs"
	"github.com/venuecode/venuecode/internal/city"
	"github.com/venuecode/venuecode/internal/schedule"
	"github.com/venuecode/venuecode/internal/sim"
	"github.com/venuecode/venuecode/miniapp"
	"github.com/venuecode/venuecode/store/mongo"
	"github.com/venuecode/venuecode/venue"
)

func benchCommand() *cobra.Command {
	var b scanBench
	scans := &cobra.Command{
		Use:   "scans",
		Short: "Load a server that it starts, over real HTTP, with scans",
		Long: "Load a server that it starts, over real HTTP on loopback, with scans, and compare\n" +
			"with the same server's no-op endpoint in the same run:\n\n" +
			"  no-op   same middleware, session check, body decoding and answer size\n" +
			"  record  scans of people whose colour is remembered\n" +
			"  full    scans that each ask the health-code service\n" +
			"  open    scans offered at a fixed rate; latency counts from when each was due",
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return b.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr()) },
	}
	fs := scans.Flags()
	fs.BoolVar(&b.long, "full", false, "offer scans for 60 s instead of 8 s")
	fs.BoolVar(&b.json, "json", false, "answer with one line of JSON")
	fs.IntVar(&b.rate, "rate", 3000, "scans offered each second, open loop")
	fs.IntVar(&b.callers, "callers", 128, "connections, closed loop")
	fs.IntVar(&b.people, "people", 70_000, "residents who scan, 7 to 100000; two in seven of them are those whose colour is remembered")
	fs.StringVar(&b.store, "store", "embedded", "the memory: embedded, or mongodb://… where the run has a database of its own, which it drops (a user needs authSource)")
	c := &cobra.Command{Use: "bench", Short: "Measure the platform on this machine", Args: cobra.ArbitraryArgs, RunE: oneOf}
	c.AddCommand(scans)
	return c
}

// scanBench is one run. The people of the record part have just been seen, so
// that their colours are remembered; those of the full part never.
type scanBench struct {
	long, json            bool
	rate, callers, people int
	store                 string

	show   *display
	tokens []string
	codes  []venue.Code
	server string
	client *fasthttp.HostClient
	sim    *sim.Sim
	next   atomic.Int64 // request ids
}

const (
	roundTime = 1500 * time.Millisecond
	rounds    = 3
	fullTime  = 5 * time.Second
)

// benchResult is what --json prints.
type benchResult struct {
	People int     `json:"people"`
	Doors  int     `json:"doors"`
	NoOp   float64 `json:"noop_per_s"`
	Record against `json:"record"`
	Full   against `json:"full"`
	Open   offered `json:"open"`
	RSS    int     `json:"rss_mb"`
}

type against struct {
	PerSecond   float64 `json:"per_s"`
	Ratio       float64 `json:"ratio"`
	HealthCalls int64   `json:"health_calls"`
}

type offered struct {
	Offered int     `json:"offered"`
	Done    int     `json:"done"`
	Errors  int     `json:"errors"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	P999    float64 `json:"p999_ms"`
}

func (b *scanBench) run(ctx context.Context, out, progress io.Writer) (err error) {
	b.show = newDisplay(progress, b.json)
	defer b.show.end()
	mongodb := strings.HasPrefix(b.store, "mongodb")
	if !mongodb && b.store != "embedded" || b.people < 7 || b.people > 100_000 {
		return exitError{exitUsage, errors.New("--store must be embedded or mongodb://…, and --people 7 to 100000")}
	}
	dir, err := os.MkdirTemp("", "venuecode-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if mongodb {
		b.store = withDatabase(b.store, "venuecode_bench_"+rand.Text())
		defer func() { err = errors.Join(err, b.drop()) }()
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if b.sim, err = sim.New(sim.Options{Civil: machine, Machine: machine}); err != nil {
		return errors.Join(err, listener.Close())
	}
	simulator := listen(b.sim.App(), listener, slog.New(slog.DiscardHandler))
	defer func() { err = errors.Join(err, b.sim.Close(), simulator.end(context.Background())) }()

	file, err := b.prepare(ctx, dir, "http://"+listener.Addr().String())
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	server, err := b.start(ctx, file)
	if err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	result, err := b.measure(ctx)
	if err == nil {
		result.RSS, err = peakRSS(server.Process.Pid)
	}
	if err = errors.Join(err, server.Process.Signal(syscall.SIGTERM), server.Wait()); err != nil {
		return err
	}
	b.show.end()
	return b.print(out, result)
}

// withDatabase is a MongoDB URI with another database in it.
func withDatabase(uri, name string) string {
	scheme, rest, _ := strings.Cut(uri, "://")
	rest, settings, _ := strings.Cut(rest, "?")
	hosts, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + hosts + "/" + name + "?" + settings
}

// drop removes the database of the run, however it ended.
func (b *scanBench) drop() error {
	ctx := context.Background()
	engine, err := mongo.Open(ctx, mongo.Options{URI: b.store, Machine: machine, AllowStandalone: true})
	if err != nil {
		return fmt.Errorf("drop the database of the run: %w", err)
	}
	return errors.Join(engine.Drop(ctx), engine.Close())
}

// prepare fills a memory with a city and its people and signs everybody in, so
// that nothing of it happens while the clock runs.
func (b *scanBench) prepare(ctx context.Context, dir, simulators string) (file string, err error) {
	town := city.Default()
	keys := b.sim.Keys()
	type section = map[string]any
	text, err := yaml.Marshal(section{
		"test": true, "host": "127.0.0.1:8080", "division": string(town.Division), "listen": "127.0.0.1:0", "ops_listen": "127.0.0.1:0",
		"data_dir": filepath.Join(dir, "data"), "keys_dir": filepath.Join(dir, "keys"), "platforms_base": simulators,
		"store":  b.store,
		"health": section{"base": simulators, "credential": keys.Health},
	})
	if err != nil {
		return "", err
	}
	file = filepath.Join(dir, "venuecode.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return "", err
	}
	config, err := configs.Load(file, nil)
	if err != nil {
		return "", err
	}
	if err := dataDir(config); err != nil {
		return "", err
	}
	clock, err := schedule.NewClock(schedule.Real, time.Time{}, "", machine)
	if err != nil {
		return "", err
	}
	a, err := newApp(config, clock, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	entries, err := a.settle(ctx, town, func(venue.GroupID) string { return "bench" })
	if err != nil {
		return "", err
	}
	for _, d := range entries.Doors {
		b.codes = append(b.codes, d.Code)
	}
	return file, b.signIn(ctx, a, city.People(town.Division, b.people, 1))
}

// signIn makes a person and a session for each resident.
func (b *scanBench) signIn(ctx context.Context, a *app, residents []city.Resident) error {
	b.tokens = make([]string, len(residents))
	errs := make([]error, b.callers)
	said := seldom(b.show.show)
	var done atomic.Int64
	var wg sync.WaitGroup
	for w := range b.callers {
		wg.Go(func() {
			for i := w; i < len(residents); i += b.callers {
				if errs[w] = b.signInOne(ctx, a, i, residents[i]); errs[w] != nil {
					return
				}
				said(progress{"people registered", done.Add(1), int64(len(residents))})
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (b *scanBench) signInOne(ctx context.Context, a *app, i int, r city.Resident) (err error) {
	var who venue.Identity
	if who.Name, err = venue.ParsePersonName(r.Name); err != nil {
		return err
	}
	if who.ID, err = venue.ParseIDNumber(r.IDNumber, venue.DayOf(a.clock.Now())); err != nil {
		return err
	}
	person, _, err := a.people.Named(ctx, who)
	if err != nil {
		return err
	}
	b.tokens[i], err = miniapp.Issue(a.vault, miniapp.Session{
		App: "wechat", Account: a.vault.Blind("account/wechat", strconv.Itoa(i)), Person: person, Expires: a.clock.Now().Add(time.Hour),
	})
	return err
}

// start runs the server as a process of its own and waits until it serves.
func (b *scanBench) start(ctx context.Context, file string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	server := exec.CommandContext(ctx, self, "serve", "--config", file)
	lines, err := server.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := server.Start(); err != nil {
		return nil, err
	}
	for scanner := bufio.NewScanner(lines); scanner.Scan(); {
		var l struct{ Msg, Listen string }
		if json.Unmarshal(scanner.Bytes(), &l) == nil && l.Msg == "serving" {
			b.server = l.Listen
			go func() { _, _ = io.Copy(io.Discard, lines) }()
			b.client = &fasthttp.HostClient{
				Addr: strings.TrimPrefix(l.Listen, "http://"), MaxConns: 4096, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
				NoDefaultUserAgentHeader: true,
			}
			return server, nil
		}
		b.sayf("%s", scanner.Text())
	}
	return nil, errors.Join(errors.New("it ended before it served"), server.Wait())
}

func (b *scanBench) measure(ctx context.Context) (r benchResult, err error) {
	r.People, r.Doors = len(b.tokens), len(b.codes)
	known := int64(b.people) * 2 / 7
	familiar := func(i int64) int { return int(i % known) }
	b.sayf("first scans of %d people", known)
	if _, err := b.closed(ctx, "/api/v1/scans", 0, known, familiar); err != nil {
		return r, err
	}
	before := b.sim.Calls("health")
	var noop, record []float64
	for i := range rounds {
		b.sayf("no-op and record, round %d of %d", i+1, rounds)
		n, err := b.closed(ctx, "/api/v1/noop", roundTime, 0, familiar)
		if err != nil {
			return r, err
		}
		s, err := b.closed(ctx, "/api/v1/scans", roundTime, 0, familiar)
		if err != nil {
			return r, err
		}
		noop, record = append(noop, n), append(record, s)
	}
	r.NoOp = median(noop)
	r.Record = against{median(record), median(record) / r.NoOp, b.sim.Calls("health") - before}

	b.sayf("full")
	before = b.sim.Calls("health")
	strangers := int64(b.people) - known
	stranger := func(i int64) int { return int(known + i%strangers) }
	full, err := b.closed(ctx, "/api/v1/scans", fullTime, strangers, stranger)
	if err != nil {
		return r, err
	}
	r.Full = against{full, full / r.NoOp, b.sim.Calls("health") - before}

	length := 8 * time.Second
	if b.long {
		length = time.Minute
	}
	r.Open = b.open(ctx, length)
	return r, ctx.Err()
}

// closed keeps every caller busy for a time, or until most scans are done, and
// gives the scans per second.
func (b *scanBench) closed(ctx context.Context, path string, length time.Duration, most int64, who func(int64) int) (float64, error) {
	var taken, done atomic.Int64
	var failed atomic.Pointer[error]
	start := machine.Now()
	var wg sync.WaitGroup
	for range b.callers {
		wg.Go(func() {
			for failed.Load() == nil && ctx.Err() == nil && (length == 0 || machine.Now().Sub(start) < length) {
				i := taken.Add(1) - 1
				if most > 0 && i >= most {
					return
				}
				if err := b.post(path, who(i), i); err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(done.Load()) / machine.Now().Sub(start).Seconds(), ctx.Err()
}

// open offers scans at a fixed rate whether or not earlier ones have been
// answered; the latency of each counts from the instant at which it was due.
func (b *scanBench) open(ctx context.Context, length time.Duration) offered {
	total := int(length.Seconds() * float64(b.rate))
	due := make(chan int, total)
	start := machine.Now()
	at := func(i int) time.Time { return start.Add(time.Duration(i) * time.Second / time.Duration(b.rate)) }
	latency := make([]time.Duration, total)
	said := seldom(b.show.show)
	var errs atomic.Int64
	var wg sync.WaitGroup
	for range 4 * b.callers {
		wg.Go(func() {
			for i := range due {
				if b.post("/api/v1/scans", i%len(b.tokens), int64(i)) != nil {
					errs.Add(1)
				}
				latency[i] = machine.Now().Sub(at(i))
			}
		})
	}
	for i := 0; i < total && ctx.Err() == nil; {
		for ; i < total && !at(i).After(machine.Now()); i++ {
			due <- i
		}
		said(progress{fmt.Sprintf("scans offered, %d a second", b.rate), int64(i), int64(total)})
		time.Sleep(500 * time.Microsecond)
	}
	close(due)
	wg.Wait()
	slices.Sort(latency)
	quantile := func(q float64) float64 {
		return float64(latency[min(total-1, int(q*float64(total)))].Microseconds()) / 1000
	}
	return offered{Offered: total, Done: total - int(errs.Load()), Errors: int(errs.Load()), P50: quantile(.5), P99: quantile(.99), P999: quantile(.999)}
}

// post sends one scan; anything but 200 is an error.
func (b *scanBench) post(path string, person int, door int64) error {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI(b.server + path)
	req.Header.SetMethod(http.MethodPost)
	req.Header.SetContentType("application/json")
	req.Header.Set("Authorization", "Bearer "+b.tokens[person])
	body := append(make([]byte, 0, 128), `{"code":"`...)
	body = append(body, b.codes[door%int64(len(b.codes))]...)
	body = append(body, `","request_id":"b`...)
	body = strconv.AppendInt(body, b.next.Add(1), 10)
	body = append(body, `","direction":"in","presence":"near"}`...)
	req.SetBodyRaw(body)
	if err := b.client.Do(req, resp); err != nil {
		return err
	}
	if resp.StatusCode() != http.StatusOK {
		return fmt.Errorf("%s answered %d", path, resp.StatusCode())
	}
	return nil
}

func (b *scanBench) print(out io.Writer, r benchResult) error {
	if b.json {
		return json.NewEncoder(out).Encode(r)
	}
	_, err := fmt.Fprintf(out, "%d people, %d doors\nno-op   %8.0f /s\nrecord  %8.0f /s   %.2f of no-op   %d health calls\nfull    %8.0f /s   %.2f of no-op   %d health calls\n"+
		"open    %d offered, %d done, %d errors   p50 %.1f ms, p99 %.1f ms, p99.9 %.1f ms\nmemory  %d MB\n",
		r.People, r.Doors, r.NoOp, r.Record.PerSecond, r.Record.Ratio, r.Record.HealthCalls, r.Full.PerSecond, r.Full.Ratio, r.Full.HealthCalls,
		r.Open.Offered, r.Open.Done, r.Open.Errors, r.Open.P50, r.Open.P99, r.Open.P999, r.RSS)
	return err
}

func (b *scanBench) sayf(format string, args ...any) {
	b.show.show(progress{Doing: fmt.Sprintf(format, args...)})
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

// peakRSS is the most memory a process has held so far, in MB.
func peakRSS(pid int) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, after, ok := strings.Cut(string(status), "VmHWM:")
	var kb int
	if _, err := fmt.Sscanf(after, "%d kB", &kb); !ok || err != nil {
		return 0, fmt.Errorf("read the server's memory: %w", err)
	}
	return kb >> 10, nil
}
