package audit

import (
	"context"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/venuecode/venuecode/store"
)

// BenchmarkAppend is 64 callers at once.
func BenchmarkAppend(b *testing.B) {
	d := newDesk(b)
	trail := d.open()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range 64 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if _, err := trail.Append(context.Background(), reveal(int(i))); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// A verifier has ten seconds for a million rows. Here a tenth of them has as long,
// since other tests share the machine; with VENUECODE_LONG there are all of them,
// or as many as VENUECODE_AUDIT_ROWS says.
func TestAMillionRowsAreVerifiedInTenSeconds(t *testing.T) {
	t.Parallel()
	rows := 100_000 / slack
	if os.Getenv("VENUECODE_LONG") != "" {
		rows = 1_000_000
	}
	if s := os.Getenv("VENUECODE_AUDIT_ROWS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		rows = n
	}
	d := newDesk(t)
	trail := d.open()
	begin := time.Now()
	d.appendAtOnce(trail, 64, rows/64)
	appending := time.Since(begin)
	if err := trail.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	begin = time.Now()
	r := d.whole(nil)
	took := time.Since(begin)
	t.Logf("%d rows: appended in %v (%.0f rows/s), verified in %v", r.Rows, appending, float64(r.Rows)/appending.Seconds(), took)
	if got := int(r.Rows) - r.Chains; got != rows/64*64 {
		t.Errorf("%d rows, want %d", got, rows/64*64)
	}
	if most := time.Duration(max(rows, 1_000_000)) * 10 * time.Microsecond * slack; took > most {
		t.Errorf("verified in %v, want at most %v", took, most)
	}
	if n := d.count(store.AuditCheckpoints.Name); n != 1 {
		t.Errorf("%d checkpoints, want 1", n)
	}
}
