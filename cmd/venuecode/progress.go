package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress is how far a tool has come.
type progress struct {
	Doing string `json:"doing"`           // what is going on; a sentence by itself if nothing is counted
	Done  int64  `json:"done,omitempty"`  // how many of what Doing says
	Total int64  `json:"total,omitempty"` // of how many; 0: nobody knows yet
}

func (p progress) String() string {
	switch {
	case p.Total > 0:
		return fmt.Sprintf("%s: %d of %d", p.Doing, p.Done, p.Total)
	case p.Done > 0:
		return fmt.Sprintf("%s: %d", p.Doing, p.Done)
	}
	return p.Doing
}

func (p progress) counted() bool { return p.Done > 0 || p.Total > 0 }

// seldom lets a count through ten times a second. Many may count at once.
func seldom(say func(progress)) func(progress) {
	var mu sync.Mutex
	var said time.Time
	return func(p progress) {
		mu.Lock()
		defer mu.Unlock()
		if now := machine.Now(); now.Sub(said) >= 100*time.Millisecond || p.Done == p.Total {
			said = now
			say(p)
		}
	}
}

// display shows how far long work has come: a bar on a terminal, elsewhere a line
// a second.
type display struct {
	out      io.Writer
	terminal bool
	program  bool                     // asks for JSON: counts are only for a terminal
	bar      *progressbar.ProgressBar // on a terminal, while something is counted
	last     progress
	said     time.Time
}

func newDisplay(out io.Writer, program bool) *display {
	file, ok := out.(*os.File)
	return &display{out: out, program: program, terminal: ok && term.IsTerminal(int(file.Fd())), said: machine.Now()}
}

// show shows what has come further; not for many at once.
func (d *display) show(p progress) {
	another := p.Doing != d.last.Doing || p.Total != d.last.Total
	if !another && p.Done < d.last.Done { // of two that counted at once the later came first
		return
	}
	d.last = p
	switch now := machine.Now(); {
	case !p.counted():
		d.end()
		fmt.Fprintln(d.out, p)
	case d.terminal:
		if another || d.bar == nil {
			d.end()
			d.bar = newBar(d.out, p)
		}
		_ = d.bar.Set64(p.Done) // whoever closed the terminal sees nothing
	case !d.program && now.Sub(d.said) > time.Second:
		d.said = now
		fmt.Fprintln(d.out, p)
	}
}

// end takes the bar away: what comes next begins on an empty line.
func (d *display) end() {
	if d.bar != nil {
		_ = d.bar.Clear()
		d.bar = nil
	}
}

func newBar(out io.Writer, p progress) *progressbar.ProgressBar {
	total := p.Total
	if total == 0 {
		total = -1 // a spinner
	}
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(p.Doing), progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetSpinnerChangeInterval(0), // it turns as the count does
	)
}
