package main

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"

	"github.com/venuecode/venuecode/configs"
	"github.com/venuecode/venuecode/internal/schedule"
	"github.com/venuecode/venuecode/internal/web"
)

func serveCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Run the platform for a city",
		Long: "Run the platform for a city, until SIGINT or SIGTERM.\n\n" +
			"It refuses to start on a bad configuration and names every fault at once.\n" +
			"`venuecode config` prints every option with its default and its meaning.",
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return serve(c.Context(), file) },
	}
	c.Flags().StringVar(&file, "config", "", "the configuration file (YAML)")
	return c
}

func serve(ctx context.Context, file string) error {
	if file == "" {
		return exitError{exitUsage, errors.New("serve needs --config FILE; `venuecode config` prints one to begin with")}
	}
	config, err := configs.Load(file, os.Environ())
	if err != nil {
		return err
	}
	if err := dataDir(config); err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		// Scans leave much garbage and little behind: half the collections for some
		// 30 MB more (docs/performance.md).
		debug.SetGCPercent(200)
	}
	log := newLog(config.Log.Level)
	clock, err := schedule.NewClock(schedule.Real, time.Time{}, filepath.Join(config.DataDir, "clock"), machine)
	if err != nil {
		return err
	}
	a, err := newApp(config, clock, log)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", config.Listen)
	if err != nil {
		return errors.Join(fmt.Errorf("listen: %w", err), a.close())
	}
	if err := a.serve(ctx, listener); err != nil {
		return errors.Join(err, a.close())
	}
	log.Info("serving", "listen", a.url, "operations", a.opsURL, "data", config.DataDir)
	select {
	case <-ctx.Done():
	case <-a.ended:
	}
	log.Info("stopping")
	return a.close()
}

func configCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Print every configuration option, explained, with its default",
		Args:  usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(configs.DefaultYAML())
			return err
		},
	}
}

// operations is the app on the loopback address: is it alive, is it ready, how
// is it doing.
func (a *app) operations(metrics *prometheus.Registry) *fiber.App {
	app := web.New(web.Options{Name: "venuecode operations", BodyLimit: 1 << 10, Machine: machine, Log: a.log})
	app.Get("/livez", func(c *fiber.Ctx) error { return c.SendString("ok") })
	app.Get("/readyz", func(c *fiber.Ctx) error {
		ctx, cancel := web.Deadline(c, time.Second)
		defer cancel()
		if !a.ready.Load() {
			return c.Status(fiber.StatusServiceUnavailable).SendString("stopping")
		}
		how, err := a.readiness(ctx)
		if err != nil {
			return c.Status(fiber.StatusServiceUnavailable).SendString("store: not taking writes")
		}
		if err := a.vault.Check(); err != nil {
			return c.Status(fiber.StatusServiceUnavailable).SendString("keys: folder out of reach")
		}
		return c.SendString(how)
	})
	metrics.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "venuecode_health_asked_total", Help: "Questions put to the health-code service."}, func() float64 { n, _ := a.health.Calls(); return float64(n) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "venuecode_health_silent_total", Help: "Colours left unknown for want of an answer."}, func() float64 { _, n := a.health.Calls(); return float64(n) }),
	)
	a.spoolMetrics(metrics)
	app.Get("/metrics", adaptor.HTTPHandler(promhttp.HandlerFor(metrics, promhttp.HandlerOpts{})))
	return app
}

//go:embed openapi.json
var openAPI []byte

func serveOpenAPI(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSONCharsetUTF8)
	return c.Send(openAPI)
}

// configuration is what a tool works on: that of --config, or only the folders
// under --data.
func (f *toolFlags) configuration() (*configs.Config, error) {
	switch {
	case f.config != "" && (f.data != "" || f.store != ""):
		return nil, exitError{exitUsage, errors.New("give --config, or --data and perhaps --store")}
	case f.config != "":
		return configs.Load(f.config, os.Environ())
	case f.data == "":
		return nil, exitError{exitUsage, errors.New("give --config FILE, or --data DIR of a demo")}
	}
	dir := filepath.Join(f.data, "data")
	kind, err := memoryKind(dir)
	if err != nil {
		return nil, err
	}
	if kind == inMongo && f.store == "" {
		return nil, exitError{exitUsage, errors.New("the memory of this demo is in MongoDB, and its folder does not say where: give --store mongodb://…, or file:PATH of a file that says so")}
	}
	text := fmt.Sprintf("test: true\ndata_dir: %q\nkeys_dir: %q\nstore: %q\n", dir, filepath.Join(f.data, "keys"), cmp.Or(f.store, inFolder))
	config, err := configs.LoadBytes("--data", []byte(text), nil)
	if err == nil {
		config.Divisions = nil // nobody has kept which city this was
	}
	return config, err
}
