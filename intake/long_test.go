package intake_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/venuecode/venuecode/intake"
)

// TestAnImportOfACity takes 50,000 rows of each kind and says what they cost
// (docs/performance.md).
func TestAnImportOfACity(t *testing.T) {
	if os.Getenv("VENUECODE_LONG") == "" {
		t.Skip("VENUECODE_LONG=1")
	}
	const rows = 50_000
	c := newTown(t)
	var units, venues, legacy strings.Builder
	units.WriteString(unitHead)
	venues.WriteString(venueHead)
	legacy.WriteString(legacyHead)
	for i := range rows {
		fmt.Fprintf(&units, "青禾市%d号商店,%s,,419981001,商贸,3,欧阳丹砂,139%08d\n", i, uscc(i), i)
		fmt.Fprintf(&venues, "%s,商店%d,,五,文昌路%d号一层,南门、北门,,,,司马青黛,139%08d\n", uscc(i), i, i, i)
		fmt.Fprintf(&legacy, "https://csm.example.com/q?id=%d,旧店%d,,文昌路%d号\n", i, i, i)
	}
	for _, f := range []struct{ what, kind, text string }{
		{"units", "units", units.String()}, {"venues with two doors", "venues", venues.String()}, {"old codes", "legacy", legacy.String()},
		{"units again", "units", units.String()}, {"venues again", "venues", venues.String()}, {"old codes again", "legacy", legacy.String()},
	} {
		began, used := time.Now(), processorTime(t)
		if r := take(t, c.desk, f.kind, f.text, intake.Options{}); r.OK != rows {
			t.Fatalf("%s: %+v", f.what, r)
		}
		t.Logf("%-22s %5.1f s of processor time in %5.1f s", f.what, (processorTime(t) - used).Seconds(), time.Since(began).Seconds())
	}
}

func processorTime(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
