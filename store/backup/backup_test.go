package backup_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/internal/mongotest"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/backup"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/store/mongo"
	"github.com/venuecode/venuecode/store/storetest"
	"github.com/venuecode/venuecode/venue"
)

var (
	noon  = venue.ClockFunc(func() time.Time { return storetest.Noon })
	quiet = func(int64) {}
)

func memory(t testing.TB) *embedded.Engine {
	t.Helper()
	e, err := embedded.Open(embedded.Options{Dir: t.TempDir(), Schemas: storetest.Schemas})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func write(t testing.TB, a store.Archive) (dir string, m backup.Manifest) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "backup")
	m, sum, err := backup.Write(t.Context(), a, dir, backup.Manifest{Schema: 1, Division: "419981"}, noon, quiet)
	if err != nil {
		t.Fatal(err)
	}
	again, sum2, err := backup.Verify(t.Context(), dir, func(int64, int64) {})
	if err != nil || sum != sum2 || !slices.Equal(again.Files, m.Files) {
		t.Fatalf("what was written is %+v, %v", again, err)
	}
	return dir, m
}

// TestAMemoryMovesBetweenEngines: embedded to MongoDB and back, it is the same
// to the byte.
func TestAMemoryMovesBetweenEngines(t *testing.T) {
	from, back := memory(t), memory(t)
	there, err := mongo.Open(t.Context(), mongo.Options{
		URI: mongotest.Start(t).URI(), Schemas: storetest.Schemas, Machine: venue.ClockFunc(time.Now), AllowStandalone: true, FullIndexes: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	storetest.Lived(t, from)
	want := storetest.Dump(t, from)
	for _, move := range []struct{ from, to store.Archive }{{from, there}, {there, back}} {
		dir, m := write(t, move.from)
		var rows int64
		if err := backup.Load(t.Context(), dir, m, move.to, func(n int64) { rows = n }); err != nil {
			t.Fatal(err)
		}
		if rows != m.Rows || rows == 0 {
			t.Errorf("%d of %d rows were loaded", rows, m.Rows)
		}
		storetest.SameDump(t, storetest.Dump(t, move.to), want)
	}
}

// TestDamageIsFound: whatever is changed in a folder, it is not a whole backup.
func TestDamageIsFound(t *testing.T) {
	e := memory(t)
	storetest.Lived(t, e)
	dir, m := write(t, e)
	file := filepath.Join(dir, m.Files[0].Name)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	damaged := func(what string) {
		t.Helper()
		if _, _, err := backup.Verify(t.Context(), dir, func(int64, int64) {}); !errors.Is(err, backup.ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
		if err := os.WriteFile(file, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for at := range whole {
		b := slices.Clone(whole)
		b[at] ^= 1 << rand.N(8)
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		damaged(fmt.Sprintf("byte %d changed", at))
	}
	for _, n := range []int64{0, 1, 3, 4, 5, int64(len(whole)) - 1} {
		if err := os.Truncate(file, n); err != nil {
			t.Fatal(err)
		}
		damaged(fmt.Sprintf("cut off at %d", n))
	}
	if err := os.WriteFile(file, append(slices.Clone(whole), whole...), 0o600); err != nil {
		t.Fatal(err)
	}
	damaged("twice")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	damaged("a file is gone")
	manifest := filepath.Join(dir, backup.ManifestFile)
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	for what, edit := range map[string]func(string) string{
		"another format":      func(s string) string { return strings.Replace(s, "backup-1", "backup-9", 1) },
		"a file elsewhere":    func(s string) string { return strings.Replace(s, `"name": "`, `"name": "../`, 1) },
		"a file less":         func(s string) string { return strings.Replace(s, `"rows": `, `"rows": 1`, 1) },
		"no JSON":             func(s string) string { return s[1:] },
		"another hash's file": func(s string) string { return strings.Replace(s, m.Files[0].SHA256, m.Files[1].SHA256, 1) },
	} {
		if err := os.WriteFile(manifest, []byte(edit(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
		damaged(what)
	}
	if err := os.Remove(manifest); err != nil {
		t.Fatal(err)
	}
	damaged("without its manifest")
}

// failing ends a dump, or a load, after some rows.
type failing struct {
	store.Archive
	left int
}

var errCut = errors.New("cut")

func (f *failing) Load(ctx context.Context, part string, rows []bson.Raw) error {
	if f.left--; f.left < 0 {
		return errCut
	}
	return f.Archive.Load(ctx, part, rows)
}

func (f *failing) Dump(ctx context.Context) iter.Seq2[store.Part, error] {
	return func(yield func(store.Part, error) bool) {
		for part, err := range f.Archive.Dump(ctx) {
			if f.left--; f.left < 0 {
				yield(store.Part{}, errCut)
				return
			}
			if !yield(part, err) {
				return
			}
		}
	}
}

func TestWhatIsCutShortIsDoneAgain(t *testing.T) {
	e := memory(t)
	storetest.Lived(t, e)
	want := storetest.Dump(t, e)
	dir, m := write(t, e)
	cuts := len(m.Files) // a batch each
	for left := range cuts {
		cut := filepath.Join(t.TempDir(), "backup")
		if _, _, err := backup.Write(t.Context(), &failing{e, left}, cut, m, noon, quiet); !errors.Is(err, errCut) {
			t.Fatalf("cut in part %d: %v", left, err)
		}
		if _, err := os.Stat(cut); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a backup that failed left something behind: %v", err)
		}
		c := memory(t)
		if err := backup.Load(t.Context(), dir, m, &failing{c, left}, quiet); !errors.Is(err, errCut) {
			t.Fatalf("cut in batch %d: %v", left, err)
		}
		if err := backup.Load(t.Context(), dir, m, c, quiet); err != nil {
			t.Fatal(err)
		}
		storetest.SameDump(t, storetest.Dump(t, c), want)
	}
	if _, _, err := backup.Write(t.Context(), e, dir, m, noon, quiet); !errors.Is(err, venue.ErrExists) {
		t.Errorf("over another backup: %v", err)
	}
	if _, _, err := backup.Verify(t.Context(), dir, func(int64, int64) {}); err != nil {
		t.Errorf("and the other is damaged: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := backup.Write(ctx, e, filepath.Join(t.TempDir(), "b"), m, noon, quiet); !errors.Is(err, context.Canceled) {
		t.Errorf("when its time is up: %v", err)
	}
}

// BenchmarkBackup writes, verifies and restores a day of 200,000 scans.
//
//	go test -run '^$' -bench Backup -benchtime 1x ./store/backup
func BenchmarkBackup(b *testing.B) {
	const scans, batch = 200_000, 500
	noise := rand.NewChaCha8([32]byte{1})
	random := func(p []byte) { noise.Read(p) }
	e := memory(b)
	for first := 0; first < scans; first += batch {
		var rows []venue.Scan
		for n := first; n < first+batch; n++ {
			var door [8]byte
			door[0] = byte(n % 115)
			s := storetest.Scan(0, n, venue.Code(hex.EncodeToString(door[:])), storetest.Noon.Add(time.Duration(n)*100*time.Millisecond))
			s.Person = make([]byte, 49)
			random(s.Person)
			random(s.Key[:])
			random(s.Hash[:])
			rows = append(rows, s)
		}
		storetest.Append(b, e, rows...)
	}
	for b.Loop() {
		begun := time.Now()
		lap := func(unit string) {
			b.ReportMetric(scans/time.Since(begun).Seconds(), unit)
			begun = time.Now()
		}
		dir, m := filepath.Join(b.TempDir(), "backup"), backup.Manifest{}
		m, _, err := backup.Write(b.Context(), e, dir, m, noon, quiet)
		lap("written/s")
		if err == nil {
			_, _, err = backup.Verify(b.Context(), dir, func(int64, int64) {})
			lap("verified/s")
		}
		if err == nil {
			err = backup.Load(b.Context(), dir, m, memory(b), quiet)
			lap("restored/s")
		}
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(m.Bytes)/scans, "B/scan")
	}
}
