// Command venuecode is the venue-code platform of a city: residents scan at
// doors, units report in chat, headquarters is told.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes, the same for every command.
const (
	exitFailed = 1
	exitUsage  = 2
	exitPartly = 3
)

// exitError carries an exit code with an error.
type exitError struct {
	code int
	error
}

func (e exitError) Unwrap() error { return e.error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) int {
	root := &cobra.Command{
		Use:           "venuecode",
		Short:         "场所码 platform: residents scan, units report, headquarters is told",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),
		Args:          cobra.ArbitraryArgs,
		RunE:          oneOf,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return exitError{exitUsage, err} })
	root.AddCommand(demoCommand(), serveCommand(), loadCommand(), importCommand(), backupCommand(), restoreCommand(), verifyCommand(), migrateCommand(), bindCodeCommand(), correctionCommand(), auditCommand(), accountsCommand(), keysCommand(), processesCommand(), purgeCommand(), sunsetCommand(), certificateCommand(), configCommand(), benchCommand())
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "venuecode:", err)
	var coded exitError
	if errors.As(err, &coded) {
		return coded.code
	}
	return exitFailed
}

// usage makes wrong arguments exit with the code for it.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return exitError{exitUsage, err}
		}
		return nil
	}
}

// oneOf is a command that only holds others.
func oneOf(c *cobra.Command, args []string) error {
	switch {
	case len(args) > 0:
		return exitError{exitUsage, fmt.Errorf("there is no command %q; `%s --help` lists them", args[0], c.CommandPath())}
	case c.HasParent():
		return exitError{exitUsage, fmt.Errorf("which command? `%s --help` lists them", c.CommandPath())}
	}
	return c.Help()
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func newLog(level string) *slog.Logger {
	var l slog.Level
	if l.UnmarshalText([]byte(level)) != nil {
		l = slog.LevelInfo
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: l}))
}
