package intake_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/venuecode/venuecode/intake"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// TestAnImportOfACity takes files of many batches, with VENUECODE_LONG of 50,000
// rows, says what they cost (docs/performance.md), and takes them again.
func TestAnImportOfACity(t *testing.T) {
	rows := 600
	if os.Getenv("VENUECODE_LONG") != "" {
		rows = 50_000
	}
	c := newTown(t)
	var units, venues, legacy strings.Builder
	units.WriteString(unitHead)
	venues.WriteString(venueHead)
	legacy.WriteString(legacyHead)
	for i := range rows {
		above := "" // a hundredth of the units stand above the others, further down in the file
		if i%100 < 99 {
			above = uscc(i/100*100 + 99)
		}
		fmt.Fprintf(&units, "青禾市%d号商店,%s,%s,419981001,商贸,3,欧阳丹砂,139%08d\n", i, uscc(i), above, i)
		fmt.Fprintf(&venues, "%s,商店%d,,五,文昌路%d号一层,南门、北门,,,,司马青黛,139%08d\n", uscc(i), i, i, i)
		fmt.Fprintf(&legacy, "https://csm.example.com/q?id=%d,旧店%d,,文昌路%d号\n", i, i, i)
	}
	var counts string
	for i, f := range []struct{ what, kind, text string }{
		{"units", "units", units.String()}, {"venues with two doors", "venues", venues.String()}, {"old codes", "legacy", legacy.String()},
		{"units again", "units", units.String()}, {"venues again", "venues", venues.String()}, {"old codes again", "legacy", legacy.String()},
	} {
		began, used := time.Now(), processorTime(t)
		if r := take(t, c.desk, f.kind, f.text, intake.Options{}); r.OK != rows {
			t.Fatalf("%s: %+v", f.what, r)
		}
		t.Logf("%-22s %5.1f s of processor time in %5.1f s", f.what, (processorTime(t) - used).Seconds(), time.Since(began).Seconds())
		if i == 2 {
			counts = c.counts()
		}
	}
	if again := c.counts(); again != counts {
		t.Errorf("the same again adds something:\n%s\n%s", counts, again)
	}
	if n := c.all(store.Doors); n != 3*rows {
		t.Errorf("%d doors, want %d", n, 3*rows)
	}
	for _, i := range []int{0, rows - 2} {
		u, err := c.desk.Register.UnitOf(t.Context(), venue.USCC(uscc(i)))
		above, err2 := c.desk.Register.UnitOf(t.Context(), venue.USCC(uscc(i/100*100+99)))
		if err != nil || err2 != nil || u.Parent != above.ID {
			t.Errorf("unit %d stands below %q, want %q; %v, %v", i, u.Parent, above.ID, err, err2)
		}
	}
}

func processorTime(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
