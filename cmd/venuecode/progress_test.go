package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestATerminalHasABar(t *testing.T) {
	var out bytes.Buffer
	d := display{out: &out, terminal: true, program: true}
	for done := range int64(5) {
		d.show(progress{"rows restored", done * 10, 40})
	}
	d.show(progress{"rows restored", 20, 40}) // it came too late
	if got := out.String(); !strings.Contains(got, "rows restored") || !strings.Contains(got, "/40") || strings.Contains(got, "\n") {
		t.Errorf("the bar: %q", got)
	}
	out.Reset()
	d.show(progress{Doing: "destroying the keys"})
	if got := out.String(); !strings.HasSuffix(got, "\rdestroying the keys\n") {
		t.Errorf("a sentence after it: %q", got)
	}
	out.Reset()
	d.show(progress{Doing: "rows walked", Done: 7})
	d.end()
	d.end()
	if got := out.String(); !strings.Contains(got, "rows walked") || !strings.HasSuffix(got, "\r") {
		t.Errorf("of nobody knows how many: %q", got)
	}
}

func TestElsewhereThereIsALineASecond(t *testing.T) {
	for _, c := range []struct {
		name    string
		program bool
		want    string
	}{
		{"a person reads", false, "destroying the keys\nrows copied: 5\nrows restored: 30 of 40\n"},
		{"a program reads", true, "destroying the keys\n"},
	} {
		var out bytes.Buffer
		d := newDisplay(&out, c.program)
		later := func() { d.said = machine.Now().Add(-2 * time.Second) }
		d.show(progress{"rows copied", 4, 0}) // within the first second
		d.show(progress{Doing: "destroying the keys"})
		later()
		d.show(progress{"rows copied", 5, 0})
		d.show(progress{"rows copied", 6, 0})
		later()
		d.show(progress{"rows restored", 30, 40})
		d.show(progress{"rows restored", 40, 40})
		d.end()
		if out.String() != c.want {
			t.Errorf("%s: %q, want %q", c.name, out.String(), c.want)
		}
	}
}

func TestATerminalIsKnown(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if !newDisplay(terminal, true).terminal || newDisplay(file, false).terminal || newDisplay(&bytes.Buffer{}, false).terminal {
		t.Error("a terminal is taken for something else, or the other way round")
	}
}

func TestACountIsToldSeldom(t *testing.T) {
	var told []progress
	tell := seldom(func(p progress) { told = append(told, p) })
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range int64(1000) {
				tell(progress{"rows", i, 5000})
			}
		})
	}
	wg.Wait()
	tell(progress{"rows", 5000, 5000})
	if len(told) < 2 || len(told) > 1000 || told[len(told)-1].Done != 5000 {
		t.Errorf("%d times, the last %v", len(told), told[len(told)-1])
	}
	b, err := json.Marshal(line{Progress: &told[len(told)-1]})
	if err != nil || string(b) != `{"progress":{"doing":"rows","done":5000,"total":5000}}` {
		t.Errorf("as it travels: %s, %v", b, err)
	}
}
