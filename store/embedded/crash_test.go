package embedded_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/store/storetest"
	"github.com/venuecode/venuecode/venue"
)

// The test binary runs itself as another process: the variable says as what.
const roleVariable = "VENUECODE_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "":
		os.Exit(m.Run())
	case "opener":
		_, err := embedded.Open(embedded.Options{Dir: os.Args[1], Schemas: storetest.Schemas})
		fmt.Println(err)
	case "writer":
		writeUntilKilled(os.Args[1], os.Args[2])
	}
}

func child(role string, args ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), roleVariable+"="+role)
	c.Stderr = os.Stderr
	return c
}

func TestASecondProcessHearsWhoHoldsTheFolder(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir)
	defer e.Close()
	out, err := child("opener", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := dir + " is in use by another venuecode process"; !strings.Contains(string(out), want) {
		t.Fatalf("heard %q, want %q", out, want)
	}

	_, err = embedded.Open(embedded.Options{Dir: dir})
	var inUse *embedded.InUseError
	if !errors.As(err, &inUse) || inUse.Dir != dir || !errors.Is(err, venue.ErrUnavailable) {
		t.Fatalf("opening twice in one process: %v", err)
	}
	storetest.Append(t, e, storetest.Scan(1, 1, "D", storetest.Noon)) // the holder is not disturbed
}

func TestAFolderThatCanNotBeMadeIsNotInUse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := embedded.Open(embedded.Options{Dir: filepath.Join(file, "data")})
	var inUse *embedded.InUseError
	if err == nil || errors.As(err, &inUse) {
		t.Fatalf("got %v", err)
	}
}

// writeUntilKilled appends from several goroutines and prints "person n" for
// each scan once it is acknowledged.
func writeUntilKilled(dir, run string) {
	e, err := embedded.Open(embedded.Options{Dir: dir, Schemas: storetest.Schemas})
	if err != nil {
		panic(err)
	}
	var base int
	fmt.Sscan(run, &base)
	for writer := range 8 {
		go func() {
			person := base*100 + writer
			for n := 0; ; n += 2 {
				batch := []venue.Scan{scanOf(person, n), scanOf(person, n+1)}
				if _, err := e.Append(context.Background(), batch); err != nil {
					panic(err)
				}
				fmt.Printf("%d %d\n%d %d\n", person, n, person, n+1) // one write, never torn
			}
		}()
	}
	select {}
}

func scanOf(person, n int) venue.Scan {
	at := storetest.Noon.Add(time.Duration(n) * time.Second)
	return storetest.Colour(storetest.Scan(person, n, venue.Code(fmt.Sprint("door", person%3)), at), venue.Health(n%4))
}

func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	kills := 5
	if os.Getenv("VENUECODE_LONG") == "1" {
		kills = 100
	}
	dir := t.TempDir()
	acknowledged := map[[2]int]bool{}
	for run := range kills {
		c := child("writer", dir, fmt.Sprint(run))
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for first := true; lines.Scan(); first = false {
			var id [2]int
			if _, err := fmt.Sscan(lines.Text(), &id[0], &id[1]); err != nil {
				t.Fatalf("%q: %v", lines.Text(), err)
			}
			acknowledged[id] = true
			if first { // the kill comes at any time after the first answer
				time.AfterFunc(time.Duration(rand.IntN(60))*time.Millisecond, func() { c.Process.Kill() })
			}
		}
		_ = c.Wait() // killed
		verify(t, dir, acknowledged)
	}
}

func verify(t *testing.T, dir string, acknowledged map[[2]int]bool) {
	t.Helper()
	e := open(t, dir)
	defer e.Close()
	ctx := context.Background()
	day := venue.DayOf(storetest.Noon)
	if len(acknowledged) == 0 {
		t.Fatal("nothing was acknowledged")
	}
	for id := range acknowledged {
		if _, err := e.Scan(ctx, day, storetest.Key(id[0], id[1])); err != nil {
			t.Fatalf("acknowledged scan %v of %d: %v", id, len(acknowledged), err)
		}
	}
	check, err := e.VerifyCounts(ctx, day, day+10, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(check.Differ) > 0 || check.Rows < int64(len(acknowledged)) {
		t.Fatalf("%d acknowledged; recount %+v", len(acknowledged), check)
	}
	// Each row once at its door, each red or unknown one once for attention.
	seen := map[venue.ScanKey]int{}
	for door := range 3 {
		code := venue.Code(fmt.Sprint("door", door))
		for _, s := range storetest.Collect(t, e.AtDoor(ctx, code, day.Start(), (day+10).Start())) {
			seen[s.Key]++
			if s.Health == venue.HealthRed || s.Health == venue.HealthUnknown {
				seen[s.Key]++
			}
		}
	}
	if int64(len(seen)) != check.Rows {
		t.Fatalf("%d rows at doors, %d rows", len(seen), check.Rows)
	}
	for _, s := range storetest.Collect(t, e.Attention(ctx, day.Start(), (day+10).Start())) {
		seen[s.Key]--
	}
	for k, n := range seen {
		if n != 1 {
			t.Fatalf("scan %x: %d", k, n)
		}
	}
}
