package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// TestTreeKeepsTheRules reads every Go file of the module itself, instead of
// asking the go command: a test that is cached is run again when a file it has
// opened changes, but not when one changes that only a child process read.
func TestTreeKeepsTheRules(t *testing.T) {
	files := readTree(t)
	if len(files) < 50 {
		t.Fatalf("read only %d Go files: is %s the root?", len(files), root)
	}
	for _, f := range files {
		for _, fault := range faults(f) {
			t.Errorf("%s: %s", fault.rule, fault.text)
		}
	}
}

func TestTableNamesEachPackageOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range imports {
		for _, p := range r.of {
			if seen[p] {
				t.Errorf("%s has two rows", p)
			}
			seen[p] = true
		}
	}
}

func readTree(t *testing.T) (files []file) {
	t.Helper()
	set := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || nested(name)) {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		parsed, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		pkg, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		files = append(files, file{
			pkg: filepath.ToSlash(pkg), name: d.Name(), test: strings.HasSuffix(name, "_test.go"), ast: parsed,
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// nested tells whether a folder is a module of its own.
func nested(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

// TestEachRuleCanFail breaks every rule once, beside something much like it that
// is allowed.
func TestEachRuleCanFail(t *testing.T) {
	const ours = module + "/"
	for _, c := range []struct {
		name, pkg, file, source string
		want                    string // the rule broken; "" for none
	}{
		{"venue may use the standard library", "venue", "a.go", `import "strings"`, ""},
		{"venue may not use golang.org/x", "venue", "a.go", `import "golang.org/x/text/width"`, "bare"},
		{"venue may not call C", "venue", "a.go", `import "C"`, "bare"},
		{"venue may not know a decision", "venue", "a.go", `import "` + ours + `venue/daily"`, "ours"},
		{"a decision may know the words", "venue/daily", "a.go", `import "` + ours + `venue"`, ""},
		{"a decision may not know another", "venue/daily", "a.go", `import "` + ours + `venue/checkin"`, "ours"},
		{"a decision may not know the store", "venue/checkin", "a.go", `import "` + ours + `store"`, "ours"},
		{"a decision may not use a library", "venue/trace", "a.go", `import "github.com/gofiber/fiber/v2"`, "bare"},
		{"a door may use the vault", "miniapp", "a.go", `import "` + ours + `vault"`, ""},
		{"a door may not know another", "miniapp", "a.go", `import "` + ours + `bot"`, "never"},
		{"a door may not send word", "bot", "a.go", `import "` + ours + `notifier"`, "never"},
		{"a door may not know an engine", "console", "a.go", `import "` + ours + `store/mongo"`, "never"},
		{"the notifier may know the store", "notifier", "a.go", `import "` + ours + `store"`, ""},
		{"the notifier may not know an engine", "notifier", "a.go", `import "` + ours + `store/embedded"`, "never"},
		{"the notifier may not know a door", "notifier", "a.go", `import "` + ours + `bot"`, "never"},
		{"a client may not know a decision", "health", "a.go", `import "` + ours + `venue/checkin"`, "never"},
		{"a craft may not know a door", "access", "a.go", `import "` + ours + `console"`, "never"},
		{"a test of a client may", "health", "a_test.go", `import "` + ours + `venue/checkin"`, ""},
		{"the store may encode documents", "store", "a.go", `import "go.mongodb.org/mongo-driver/v2/bson"`, ""},
		{"the store may not know a driver", "store", "a.go", `import "go.mongodb.org/mongo-driver/v2/mongo"`, "never"},
		{"the store may not know its engine", "store", "a.go", `import "` + ours + `store/embedded"`, "never"},
		{"the store may not serve", "store", "a.go", `import "github.com/gofiber/fiber/v2"`, "never"},
		{"the embedded engine has its own driver", "store/embedded", "a.go", `import "github.com/cockroachdb/pebble/v2"`, ""},
		{"the embedded engine not another's", "store/embedded", "a.go", `import "go.mongodb.org/mongo-driver/v2/mongo/options"`, "never"},
		{"an engine may not know a job", "store/embedded", "a.go", `import "` + ours + `venue/daily"`, "ours"},
		{"an engine may not know the other", "store/mongo", "a.go", `import "` + ours + `store/embedded"`, "ours"},
		{"the Mongo engine may not use Pebble", "store/mongo", "a.go", `import "github.com/cockroachdb/pebble/v2"`, "never"},
		{"configuration may know the words only", "configs", "a.go", `import "` + ours + `notifier"`, "ours"},
		{"configuration may not call out", "configs", "a.go", `import "net/http"`, "never"},
		{"simulators may serve", "internal/sim", "a.go", `import "github.com/gofiber/fiber/v2"`, ""},
		{"simulators may not use our crypt", "internal/sim", "a.go", `import "` + ours + `bot"`, "ours"},
		{"simulators keep no database", "internal/sim", "a.go", `import "github.com/cockroachdb/pebble/v2"`, "never"},
		{"what doors share may not know one", "internal/web", "a.go", `import "` + ours + `miniapp"`, "ours"},
		{"what doors share may not know a database", "internal/web", "a.go", `import "github.com/cockroachdb/pebble/v2"`, "never"},
		{"the scheduler may not know a job", "internal/schedule", "a.go", `import "` + ours + `venue/daily"`, "ours"},
		{"the scheduler may not serve", "internal/schedule", "a.go", `import "github.com/gofiber/fiber/v2"`, "never"},
		{"a city may not know the simulators", "internal/city", "a.go", `import "` + ours + `internal/sim"`, "demo"},
		{"a city may not know an engine", "internal/city", "a.go", `import "` + ours + `store/embedded"`, "ours"},
		{"a city may not serve", "internal/city", "a.go", `import "net/http"`, "never"},
		{"these tests depend on nothing", "internal/arch", "a.go", `import "` + ours + `venue"`, "ours"},
		{"these tests depend on no library", "internal/arch", "a.go", `import "golang.org/x/mod/modfile"`, "bare"},
		{"the product may not know the simulators", "platform", "a.go", `import "` + ours + `internal/sim"`, "demo"},
		{"a test may know the simulators", "bot", "a_test.go", `import "` + ours + `internal/sim"`, ""},
		{"the program may know all", "cmd/venuecode", "a.go", `import "` + ours + `internal/sim"`, ""},
		{"the SDK's parts are used", "platform", "a.go", `import "github.com/silenceper/wechat/v2/work"`, ""},
		{"the SDK's root is not", "platform", "a.go", `import "github.com/silenceper/wechat/v2"`, "sdk"},
		{"not in a test either", "platform", "a_test.go", `import "github.com/silenceper/wechat/v2"`, "sdk"},
		{"a vague folder", "internal/util", "a.go", ``, "vague"},
		{"a vague package", "venue", "a.go", `package helper`, "vague"},
		{"a package without a row", "weather", "a.go", ``, "unknown"},
		{"an instant is asked of the machine", "notifier", "a.go", `import "time"; var _ = time.Now()`, "clock"},
		{"the function is passed on", "vault", "a.go", `import "time"; var now = time.Now`, "clock"},
		{"under another name", "store", "a.go", `import t "time"; var _ = t.Since(t.Time{})`, "clock"},
		{"under no name", "store", "a.go", `import . "time"; var _ = Now()`, "clock"},
		{"somebody sleeps", "health", "a.go", `import "time"; func f() { time.Sleep(1) }`, "clock"},
		{"somebody waits", "bot", "a.go", `import "time"; func f() { <-time.After(1) }`, "clock"},
		{"a clock's own Now is fine", "bot", "a.go", `import "time"; type c struct{ time interface{ Now() time.Time } }; func f(x c) { x.time.Now() }`, ""},
		{"the program may ask", "cmd/venuecode", "a.go", `import "time"; var _ = time.Now`, ""},
		{"a test may sleep", "bot", "a_test.go", `import "time"; func f() { time.Sleep(1) }`, ""},
		{"a door makes its own scope", "console", "a.go", `import "` + ours + `venue"; var _ = venue.NewScope`, "scope"},
		{"the console reads by scope", "console", "a.go", `import "` + ours + `store"; var _ *store.Office`, ""},
		{"the console opens the registry", "console", "a.go", `import "` + ours + `store"; var _ = store.NewRegistry`, "office"},
		{"the console takes an engine", "console", "a.go", `import "` + ours + `store"; func f(e store.Engine) {}`, "office"},
		{"under another name", "console", "a.go", `import s "` + ours + `store"; var _ s.Documents`, "office"},
		{"under no name", "console", "a.go", `import . "` + ours + `store"; var _ Documents`, "office"},
		{"a test of the console may", "console", "a_test.go", `import "` + ours + `store"; var _ = store.NewRegistry`, ""},
		{"another door may", "bot", "a.go", `import "` + ours + `store"; var _ = store.NewRegistry`, ""},
		{"access makes scopes", "access", "a.go", `import "` + ours + `venue"; var _ = venue.NewScope`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			source := c.source
			if !strings.HasPrefix(source, "package ") {
				source = "package sample; " + source
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), c.file, source, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			got := faults(file{pkg: c.pkg, name: c.file, test: strings.HasSuffix(c.file, "_test.go"), ast: parsed})
			broken := slices.ContainsFunc(got, func(f fault) bool { return f.rule == c.want })
			if c.want == "" && len(got) > 0 || c.want != "" && !broken {
				t.Errorf("got %v, want %q", got, c.want)
			}
		})
	}
}
