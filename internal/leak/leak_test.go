package leak

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

// entry drives what a package exports, through its failures as well as its
// successes, and hands to out all that could be seen outside.
type entry struct {
	drive func(o *out)
	why   string // instead of drive
	file  string // instead of drive: a test that does it where it can
}

func driven(f func(o *out)) entry { return entry{drive: f} }
func none(why string) entry       { return entry{why: why} }
func elsewhere(file string) entry { return entry{file: file} }

// table has a row for every package that is not only tests.
var table = map[string]entry{
	"access":            driven(officials),
	"bot":               driven(chat),
	"cmd/venuecode":     elsewhere("cmd/venuecode/leak_test.go"),
	"configs":           driven(configuration),
	"console":           driven(desk),
	"health":            driven(colours),
	"intake":            driven(intakes),
	"miniapp":           driven(phones),
	"notifier":          driven(word),
	"platform":          driven(platforms),
	"photo":             driven(photos),
	"poster":            driven(posters),
	"sheet":             driven(sheets),
	"store":             driven(collections),
	"store/backup":      driven(backups),
	"store/embedded":    driven(engine),
	"store/spool":       elsewhere("store/spool/spool_test.go"),
	"store/mongo":       elsewhere("store/mongo/engine_test.go"),
	"vault":             driven(persons),
	"vault/audit":       driven(trail),
	"vault/reveal":      driven(identities),
	"venue":             driven(words),
	"venue/checkin":     driven(scans),
	"venue/daily":       driven(reports),
	"venue/registry":    driven(registers),
	"internal/web":      driven(pages),
	"internal/schedule": driven(jobs),

	"store/storetest":   none("a test of engines: its rows are made of ids and numbers"),
	"internal/arch":     none("it reads the source, no value of anybody"),
	"internal/declared": none("tests only: it reads the source"),
	"internal/durable":  none("its errors name the file, never what is in it"),
	"internal/canary":   none("it is what searches here, and reports labels only"),
	"internal/leak":     none("these tests"),

	"internal/faultproxy": none("tests only: it moves bytes that it does not read"),
	"internal/mongotest":  none("tests only: it starts a server on an empty folder"),
	"internal/city":       none("its people are made up, and only demo and tests have them"),
	"internal/sim":        none("it plays the platforms, whose values these are, and only demo and tests have it"),
}

func TestNothingPrivateComesOut(t *testing.T) {
	for name, e := range table {
		if e.drive == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			o := newOut(t)
			e.drive(o)
			if len(o.seen) == 0 {
				t.Error("nothing came out at all: the entry proves nothing")
			}
			for _, found := range o.leaks() {
				t.Error(found)
			}
		})
	}
}

// TestEveryPackageHasAnEntry walks the tree itself: see internal/arch.
func TestEveryPackageHasAnEntry(t *testing.T) {
	packages := map[string]bool{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, e := os.Stat(filepath.Join(name, "go.mod"))
			if name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || e == nil) {
				return fs.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			pkg, err := filepath.Rel(root, filepath.Dir(name))
			packages[filepath.ToSlash(pkg)] = true
			return err
		}
		return nil
	})
	if err != nil || len(packages) < 20 {
		t.Fatalf("%d packages: is %s the root? %v", len(packages), root, err)
	}
	for name := range packages {
		if _, ok := table[name]; !ok {
			t.Errorf("%s has no entry: what could come out of it?", name)
		}
	}
	for name, e := range table {
		if !packages[name] {
			t.Errorf("%s has an entry and is no package", name)
		}
		if e.drive == nil && e.why == "" {
			if _, err := os.Stat(filepath.Join(root, e.file)); e.file == "" || err != nil {
				t.Errorf("%s: no entry, no reason and no test elsewhere", name)
			}
		}
	}
}
