package arch

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strconv"
	"strings"
)

const module = "github.com/venuecode/venuecode"

// Groups of packages. "x/..." is x and everything below; ours are named from
// the module's root.
var (
	doors   = []string{"miniapp", "bot", "console"}
	jobs    = []string{"venue/registry", "venue/checkin", "venue/daily", "venue/trace"}
	engines = []string{"store/embedded/...", "store/mongo/..."}
	drivers = []string{"github.com/cockroachdb/...", "go.mongodb.org/mongo-driver/v2/mongo/..."}
	servers = []string{"github.com/gofiber/...", "github.com/valyala/fasthttp/...", "net/http/..."}
)

// rule is a row of the table "Who may import whom". It binds the files of a
// package that are not tests.
type rule struct {
	of []string
	// ours lists what may be imported of this module; nil allows everything
	// that never does not forbid.
	ours  []string
	never []string
	// bare admits nothing from outside but the standard library.
	bare bool
	why  string
}

var nothing = []string{}

var imports = []rule{
	{of: []string{"venue"}, bare: true, ours: nothing,
		why: "the words and their invariants depend on nothing"},
	{of: jobs, bare: true, ours: []string{"venue"},
		why: "a decision knows the words and the interfaces it declares, no other decision"},
	{of: doors, never: slices.Concat(doors, engines, drivers, []string{"notifier", "internal/schedule"}),
		why: "a door decodes, calls and renders for one surface"},
	{of: []string{"notifier"}, never: slices.Concat(doors, engines, drivers, servers),
		why: "word goes out here, nothing comes in"},
	{of: []string{"platform", "health", "vault", "vault/audit", "access"},
		never: slices.Concat(doors, engines, drivers, jobs, []string{"notifier"}),
		why:   "one outside service or one craft each"},
	{of: []string{"sheet"}, ours: []string{"venue"}, never: slices.Concat(servers, drivers, []string{"github.com/xuri/..."}),
		why: "it knows rows and cells, not what they are about; the library is what its tests compare it with"},
	{of: []string{"poster"}, ours: []string{"venue"}, never: slices.Concat(servers, drivers),
		why: "it prints what it is given"},
	{of: []string{"intake"}, ours: []string{"sheet", "store", "venue", "venue/registry"}, never: slices.Concat(servers, drivers),
		why: "it brings sheets to the register, from whichever surface"},
	{of: []string{"photo"}, ours: []string{"venue"}, bare: true,
		why: "it knows pixels, not what they are of"},
	{of: []string{"vault/reveal"}, ours: []string{"access", "store", "vault", "vault/audit", "venue"}, never: slices.Concat(drivers, servers),
		why: "the one way to a name knows who asks, what for, and where it is written"},
	{of: []string{"store", "store/storetest"}, never: slices.Concat(doors, engines, drivers, servers, []string{"notifier"}),
		why: "the contract does not know who keeps it or who asks"},
	{of: []string{"store/embedded"}, ours: []string{"store", "venue"}, never: drivers[1:],
		why: "one engine sees raw documents and declared indexes, nothing else"},
	{of: []string{"store/mongo"}, ours: []string{"store", "venue"}, never: drivers[:1],
		why: "one engine sees raw documents and declared indexes, nothing else"},
	{of: []string{"store/spool"}, ours: []string{"store", "venue"}, never: drivers,
		why: "it stands before any engine and is given both"},
	{of: []string{"store/backup"}, ours: []string{"internal/durable", "store", "venue"}, never: slices.Concat(servers, drivers),
		why: "a backup is of a memory, whoever keeps it"},
	{of: []string{"configs"}, ours: []string{"venue"}, never: slices.Concat(servers, drivers),
		why: "names, defaults and validation"},
	{of: []string{"internal/sim"}, ours: []string{"internal/durable", "venue"}, never: drivers,
		why: "the other side of the wire shares nothing with ours but the words"},
	{of: []string{"internal/web"}, ours: []string{"venue"}, never: drivers,
		why: "what every door shares belongs to none"},
	{of: []string{"internal/schedule"}, ours: []string{"internal/durable", "venue"}, never: slices.Concat(servers, drivers),
		why: "the scheduler runs what it is given"},
	{of: []string{"internal/city"}, ours: []string{"store", "venue", "venue/registry"}, never: slices.Concat(servers, drivers),
		why: "a city file becomes registry entries"},
	{of: []string{"internal/durable"}, bare: true, ours: nothing, why: "it knows files, not what is in them"},
	{of: []string{"internal/canary"}, ours: nothing, never: slices.Concat(servers, drivers),
		why: "it looks at bytes, not at us"},
	{of: []string{"internal/declared"}, bare: true, ours: nothing, why: "for tests: it reads source"},
	{of: []string{"internal/leak"}, bare: true, ours: nothing, why: "tests only: they know everybody"},
	{of: []string{"internal/mongotest", "internal/faultproxy"}, bare: true, ours: nothing,
		why: "they run a server and break its connections; who talks to it is the test's choice"},
	{of: []string{"deploy"}, bare: true, ours: nothing, why: "tests only: they hold files against the program"},
	{of: []string{"internal/arch"}, bare: true, ours: nothing, why: "it looks on from outside"},
	{of: []string{"cmd/..."}, why: "wiring: nothing is forbidden, nothing is decided"},
}

// demoOnly is reached by nothing but the program: what is simulated must not
// find its way into a city.
var demoOnly = []string{"internal/sim", "internal/city"}

// The SDK's root package drags every product of the platform and a Redis client
// in; its sub-packages are what we use. Tests too.
const sdkRoot = "github.com/silenceper/wechat/v2"

// vague names say nothing about what is inside.
var vague = []string{"util", "utils", "common", "model", "models", "service", "services", "helper", "helpers", "pkg"}

// clockCalls ask the machine what time it is, or wait by it unseen. A timer that
// is held and stopped is allowed: it measures, it does not tell.
var clockCalls = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick"}

// clockless may not use clockCalls: all but the program, and the engines' suite,
// which is a test though its files are not named so.
func clockless(pkg string) bool {
	return !within(pkg, "cmd/...") && pkg != "store/storetest"
}

// file is one Go file, parsed.
type file struct {
	pkg  string // folder from the module's root, "." for the root itself
	name string
	test bool
	ast  *ast.File
}

// fault is one broken rule.
type fault struct {
	rule string // one word for the rule
	text string
}

// faults are the rules that a file breaks.
func faults(f file) []fault {
	return slices.Concat(importFaults(f), nameFaults(f), clockFaults(f), scopeFaults(f), officeFaults(f))
}

func importFaults(f file) (found []fault) {
	broken := func(rule, target, why string) {
		found = append(found, fault{rule, fmt.Sprintf("%s/%s imports %s: %s", f.pkg, f.name, target, why)})
	}
	for _, spec := range f.ast.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			broken("syntax", spec.Path.Value, err.Error())
			continue
		}
		if target == sdkRoot {
			broken("sdk", target, "the root package brings every product in; import the sub-packages")
		}
		if f.test {
			continue
		}
		own, ours := strings.CutPrefix(target, module+"/")
		if ours {
			target = own
		}
		if ours && slices.Contains(demoOnly, target) && !within(f.pkg, "cmd/...") {
			broken("demo", target, "only the program and tests know the simulated city")
		}
		r, ok := ruleOf(f.pkg)
		if !ok {
			continue // nameFaults says so
		}
		switch {
		case target == module:
			broken("ours", target, "the root is no package")
		case ours && r.ours != nil && !slices.Contains(r.ours, target):
			broken("ours", target, r.why)
		case !ours && r.bare && !standard(target):
			broken("bare", target, r.why)
		case slices.ContainsFunc(r.never, func(p string) bool { return within(target, p) }):
			broken("never", target, r.why)
		}
	}
	return found
}

func nameFaults(f file) (found []fault) {
	if name := f.ast.Name.Name; slices.Contains(vague, name) || slices.Contains(vague, path.Base(f.pkg)) {
		found = append(found, fault{"vague", fmt.Sprintf("%s/%s: a package named %s says nothing", f.pkg, f.name, name)})
	}
	if _, ok := ruleOf(f.pkg); !ok {
		found = append(found, fault{"unknown", fmt.Sprintf("%s has no row in the table of imports: who may it import?", f.pkg)})
	}
	return found
}

func clockFaults(f file) (found []fault) {
	if f.test || !clockless(f.pkg) {
		return nil
	}
	for _, name := range mentions(f, "time") {
		if name == "." || slices.Contains(clockCalls, name) {
			found = append(found, fault{"clock", fmt.Sprintf("%s/%s uses time.%s: take a venue.Clock", f.pkg, f.name, name)})
		}
	}
	return found
}

// mentions are the names of a package that a file uses, "." if it imports the
// package under no name. A mention is enough: a function passed on as a value is
// called elsewhere.
func mentions(f file, target string) (names []string) {
	var local string // what this file calls the package
	for _, spec := range f.ast.Imports {
		if spec.Path.Value == strconv.Quote(target) {
			local = path.Base(target)
			if spec.Name != nil {
				local = spec.Name.Name
			}
		}
	}
	if local == "." {
		return []string{"."}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && local != "" && x.Name == local {
				names = append(names, s.Sel.Name)
			}
		}
		return true
	})
	return names
}

// scopeFaults: what somebody may see comes from a login that was checked, and
// only package access has checked one.
func scopeFaults(f file) (found []fault) {
	if f.test || f.pkg == "access" || f.pkg == "venue" {
		return nil
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && id.Name == "NewScope" {
			found = append(found, fault{"scope", fmt.Sprintf("%s/%s makes a Scope: take it from an access.Login", f.pkg, f.name)})
		}
		return true
	})
	return found
}

// officeNames are what the console may use of package store: the Office and the
// Coverage, what these answer and are given, and rows that hold nothing of the city. Everything else there answers without
// asking for a scope.
var officeNames = []string{"Office", "ErrOutOfScope", "Found", "FoundBy", "FoundByCode", "FoundByUSCC", "BindCodeLife", "LedgerLine", "EscrowRow",
	"Coverage", "ErrFilling", "AsOf", "MissingSubject", "CoverageDay", "SubjectCounts",
	"UploadRow", "UploadState", "UploadKept", "UploadLooking", "UploadReady", "UploadRunning"}

func officeFaults(f file) (found []fault) {
	if f.test || f.pkg != "console" {
		return nil
	}
	for _, name := range mentions(f, module+"/store") {
		if !slices.Contains(officeNames, name) {
			found = append(found, fault{"office", fmt.Sprintf("%s/%s uses store.%s: officials read by way of store.Office", f.pkg, f.name, name)})
		}
	}
	return found
}

// ruleOf is the row of a package.
func ruleOf(pkg string) (rule, bool) {
	i := slices.IndexFunc(imports, func(r rule) bool {
		return slices.ContainsFunc(r.of, func(p string) bool { return within(pkg, p) })
	})
	if i < 0 {
		return rule{}, false
	}
	return imports[i], true
}

// within tells whether a package is meant by a pattern.
func within(pkg, pattern string) bool {
	root, tree := strings.CutSuffix(pattern, "/...")
	return pkg == root || tree && strings.HasPrefix(pkg, root+"/")
}

// standard tells whether a package is the standard library's: those of others
// begin with a domain.
func standard(target string) bool {
	first, _, _ := strings.Cut(target, "/")
	return !strings.Contains(first, ".") && target != "C"
}
