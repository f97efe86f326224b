package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/venuecode/venuecode/configs"
	"github.com/venuecode/venuecode/intake"
	"github.com/venuecode/venuecode/sheet"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

type importFlags struct {
	toolFlags
	check, dryRun, partial bool
	errors, template       string
	gone                   int
}

// importShort says what each kind of file is.
var importShort = map[string]string{
	"units":    "Units (单位), found again by their USCC",
	"venues":   "Venues of registered units, with their doors (场所、出入口)",
	"subjects": "The register of who must have a code; what it does not list is marked gone (应设主体名录)",
	"legacy":   "Codes of a former system, which go on working (原码)",
	"roster":   "Who belongs to a unit; only blind indexes are kept (名册)",
}

func importCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "import", Args: cobra.ArbitraryArgs, RunE: oneOf,
		Short: "Take a register from an .xlsx or .csv file",
		Long: "Take a register from an .xlsx or .csv file (UTF-8 or GB18030). A file with a bad\n" +
			"row imports nothing unless --partial. What is registered already stays as it is:\n" +
			"the same file again adds nothing, and completes an import that was cut off.",
	}
	for _, kind := range intake.Kinds {
		c.AddCommand(importKindCommand(kind))
	}
	return c
}

func importKindCommand(kind intake.Kind) *cobra.Command {
	var f importFlags
	var headings []string
	for _, column := range kind.Layout.Columns {
		h := column.Heading
		if column.Required {
			h += " *"
		}
		headings = append(headings, h)
	}
	c := &cobra.Command{
		Use:   kind.Name + " FILE",
		Short: importShort[kind.Name],
		Long:  importShort[kind.Name] + ".\n\nHeadings, in any order, * required:\n  " + strings.Join(headings, "\n  "),
		Args: usage(func(c *cobra.Command, args []string) error {
			if f.template != "" {
				return cobra.NoArgs(c, args)
			}
			return cobra.ExactArgs(1)(c, args)
		}),
		RunE: func(c *cobra.Command, args []string) error {
			if f.template != "" {
				return writeSheet(f.template, kind.Layout.Template)
			}
			return f.run(c, kind, args[0])
		},
	}
	f.add(c)
	c.Flags().BoolVar(&f.check, "check", false, "look at each row by itself and import nothing; needs no memory, and --config only for its divisions")
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "look at the whole file beside the register, and import nothing")
	c.Flags().BoolVar(&f.partial, "partial", false, "import the good rows of a file that has bad ones")
	c.Flags().StringVar(&f.errors, "errors", "", "write the bad rows with what is wrong to a new .xlsx file, to be mended and sent again")
	c.Flags().StringVar(&f.template, "template", "", "write an empty sheet with these headings to a new .xlsx file, and no more")
	if kind.Name == intake.Subjects.Name {
		c.Flags().IntVar(&f.gone, "gone", 0, "import a file by which exactly so many subjects are gone; asked for if they are more than 20 and more than a tenth")
	}
	return c
}

// importQuestion is an import as it goes through the socket.
type importQuestion struct {
	Kind    string `json:"kind"`
	File    []byte `json:"file"`
	Partial bool   `json:"partial"`
	DryRun  bool   `json:"dry_run,omitempty"`
	Gone    *int   `json:"gone,omitempty"` // of subjects: as many as somebody has looked at
}

// imported is what became of a file.
type imported struct {
	intake.Result
	Subjects *outcome `json:"subjects,omitempty"`
	// Held: so many subjects would be gone that nothing was imported.
	Held bool `json:"held,omitempty"`
}

// outcome is what differs from the register of subjects before.
type outcome struct {
	New     int `json:"new"`
	Changed int `json:"changed"`
	Same    int `json:"same"`
	Gone    int `json:"gone"`
}

func (f *importFlags) run(c *cobra.Command, kind intake.Kind, name string) error {
	file, err := readSheet(name)
	if err != nil {
		return err
	}
	var result imported
	var answer json.RawMessage
	if f.check {
		desk := &intake.Desk{Divisions: configs.Divisions()}
		if f.config != "" || f.data != "" {
			config, err := f.configuration()
			if err != nil {
				return err
			}
			desk.Division, desk.Divisions, desk.Host = venue.Division(config.Division), config.Divisions, config.Host
		}
		o := intake.Options{Today: venue.DayOf(machine.Now())}
		if result.Result, err = intake.Take(c.Context(), kind, bytes.NewReader(file), int64(len(file)), desk, o); err == nil {
			answer, err = json.Marshal(result)
		}
		err = inWords(err)
	} else {
		q := importQuestion{Kind: kind.Name, File: file, Partial: f.partial, DryRun: f.dryRun}
		if c.Flags().Changed("gone") {
			q.Gone = &f.gone
		}
		answer, err = f.ask(c, "import", q, &result)
	}
	if err != nil {
		return err
	}
	f.print(c, answer, func() string { return importSentence(result, f) })
	if f.errors != "" && result.Bad > 0 {
		if err := writeSheet(f.errors, func(w io.Writer) error {
			return intake.Problems(w, kind, bytes.NewReader(file), int64(len(file)), result.Result)
		}); err != nil {
			return err
		}
	}
	switch {
	case result.Held:
		return fmt.Errorf("%d subjects would be gone; nothing was imported. Look whether it is the right file, and whole; --gone %[1]d imports it all the same", result.Subjects.Gone)
	case result.Bad == 0:
		return nil
	case f.partial && !f.check && !f.dryRun && result.Bad < result.Rows:
		return exitError{exitPartly, fmt.Errorf("%d of %d rows were not imported", result.Bad, result.Rows)}
	}
	return fmt.Errorf("%d of %d rows are bad; nothing was imported", result.Bad, result.Rows)
}

// shownProblems are listed on a terminal; --json and --errors have them all.
const shownProblems = 20

func importSentence(r imported, f *importFlags) string {
	var b strings.Builder
	for i, p := range r.Errors {
		if i == shownProblems {
			fmt.Fprintf(&b, "… and %d more; --errors FILE.xlsx or --json has them all\n", len(r.Errors)-i)
			break
		}
		fmt.Fprintf(&b, "第 %d 行 %s：%s\n", p.Row, p.Field, p.Message)
	}
	fmt.Fprintf(&b, "%d rows: %d good, %d wait for register proof, %d bad", r.Rows, r.OK, r.Proof, r.Bad)
	if s := r.Subjects; s != nil {
		fmt.Fprintf(&b, "; %d new, %d changed, %d the same, %d gone", s.New, s.Changed, s.Same, s.Gone)
	}
	if f.check || f.dryRun {
		b.WriteString("; looked at only")
	}
	return b.String()
}

// readSheet reads a file that is not larger than any that would be taken.
func readSheet(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, sheet.MaxSize+1))
	if err == nil && len(b) > sheet.MaxSize {
		err = fmt.Errorf("%s is larger than %d MB", name, sheet.MaxSize>>20)
	}
	return b, err
}

// writeSheet makes a workbook and writes it to a file that must not be there.
func writeSheet(name string, make func(io.Writer) error) error {
	var b bytes.Buffer
	if err := make(&b); err != nil {
		return err
	}
	return writeNew(name, 0o600, b.Bytes())
}

// inWords says why a whole file was refused, for who sent it.
func inWords(err error) error {
	if text := sheet.Sentence(err); err != nil && text != "" {
		return errors.New(text)
	}
	return err
}

func importTool(ctx context.Context, a *app, question json.RawMessage, say func(progress)) (any, error) {
	var q importQuestion
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	kind, ok := intake.KindOf(q.Kind)
	if !ok {
		return nil, fmt.Errorf("there is no import of %q", q.Kind)
	}
	told := seldom(say)
	o := intake.Options{
		By: registry.Who{Account: operator}, Today: venue.DayOf(a.clock.Now()), Partial: q.Partial, Told: func(done, total int) { told(progress{"entries written", int64(done), int64(total)}) },
	}
	take := func() (r imported, err error) {
		r.Result, err = intake.Take(ctx, kind, bytes.NewReader(q.File), int64(len(q.File)), a.intake(), o)
		if p := r.Plan; p != nil {
			r.Subjects = &outcome{p.New, p.Changed, p.Same, p.Gone}
		}
		return r, inWords(err)
	}
	if q.DryRun || kind.Name == intake.Subjects.Name { // of subjects what is written is what was looked at
		o.DryRun = true
		looked, err := take()
		if p := looked.Plan; p != nil && err == nil && (p.Bad == 0 || q.Partial) {
			looked.Held = p.Sweeping() && q.Gone == nil || q.Gone != nil && *q.Gone != p.Gone
			o.Mark = p.Mark
		}
		if err != nil || looked.Held || q.DryRun {
			return looked, err
		}
		o.DryRun = false
	}
	details := map[string]string{"kind": kind.Name, "bytes": strconv.Itoa(len(q.File)), "partial": strconv.FormatBool(q.Partial)}
	if err := a.record(ctx, "register.import", audit.Object{}, details); err != nil {
		return nil, err
	}
	return take()
}

// intake is where files are taken into.
func (a *app) intake() *intake.Desk {
	return &intake.Desk{
		Register: a.register, Census: a.census, Division: venue.Division(a.config.Division), Divisions: a.config.Divisions,
		Host: a.config.Host, Applying: a.applying, Blind: a.vault.Blind, Random: random,
	}
}
