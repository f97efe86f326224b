package embedded

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/venuecode/venuecode/store/storetest"
	"github.com/venuecode/venuecode/venue"
)

// BenchmarkBytesPerScan is what a kept scan takes on disk, its index and hour
// counts included, once all is compacted: a day of 200,000 scans at 115 doors.
// What is random in a city is random here, for it does not compress.
//
//	go test -run '^$' -bench BytesPerScan -benchtime 1x ./store/embedded
func BenchmarkBytesPerScan(b *testing.B) {
	const scans, doors, batch = 200_000, 115, 500
	noise := rand.NewChaCha8([32]byte{1})
	random := func(n int) []byte {
		p := make([]byte, n)
		noise.Read(p)
		return p
	}
	codes := make([]string, doors)
	for i := range codes {
		codes[i] = hex.EncodeToString(random(8))
	}
	day := venue.DayOf(storetest.Noon).Start()
	for b.Loop() {
		dir := b.TempDir()
		e, err := Open(Options{Dir: dir, Schemas: storetest.Schemas})
		if err != nil {
			b.Fatal(err)
		}
		for first := 0; first < scans; first += batch {
			var rows []venue.Scan
			for n := first; n < first+batch; n++ {
				door := codes[n*7919%doors]
				s := storetest.Scan(0, n, venue.Code(door), day.Add(time.Duration(n)*24*time.Hour/scans))
				s.Unit = venue.UnitID("u_" + door)
				s.Person = random(49) // a sealed reference
				copy(s.Key[:], random(len(s.Key)))
				copy(s.Hash[:], random(len(s.Hash)))
				rows = append(rows, s)
			}
			storetest.Append(b, e, rows...)
		}
		if err := errors.Join(e.db.Flush(), e.db.Compact(context.Background(), []byte{0}, []byte{0xFF}, false)); err != nil {
			b.Fatal(err)
		}
		m := e.db.Metrics()
		written := m.Total().TableBytesFlushed + m.Total().TableBytesCompacted + m.WAL.BytesWritten
		b.ReportMetric(float64(m.Total().TablesSize)/scans, "B/scan")
		b.ReportMetric(float64(written)/scans, "B/scan-written")
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
		if e, err = Open(Options{Dir: dir, Schemas: storetest.Schemas}); err != nil { // lets go of tables and logs that nobody needs
			b.Fatal(err)
		}
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(size(dir))/scans, "B/scan-folder")
	}
}

// size adds up the files of a folder.
func size(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}
