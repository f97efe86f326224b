// Package deploy_test holds the files of this folder against the program: what
// they name must be there, and what they set must be accepted.
package deploy_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/venuecode/venuecode/configs"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func parse(t *testing.T, name string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, name)), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// secrets is a folder with a file for each secret, of the shape that its
// platform gives it.
func secrets(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "secrets")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	aesKey := strings.TrimSuffix(base64.StdEncoding.EncodeToString(make([]byte, 32)), "=")
	for name, value := range map[string]string{
		"mongo":  "mongodb://venuecode:password@mongo-1,mongo-2,mongo-3/venuecode?replicaSet=venuecode",
		"wechat": "of-no-account", "wecom": "of-no-account", "health": "of-no-city",
		"app-token": "token1", "app-key": aesKey, "robot-token": "token2", "robot-key": aesKey,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// load loads a copy of venuecode.yaml in dir, and no other environment.
func load(t *testing.T, dir string, env ...string) *configs.Config {
	t.Helper()
	file := filepath.Join(dir, "venuecode.yaml")
	if err := os.WriteFile(file, []byte(read(t, "venuecode.yaml")), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := configs.Load(file, env)
	if err != nil {
		t.Fatalf("the program refuses to start:\n%v", err)
	}
	return c
}

func TestTheExampleIsAConfiguration(t *testing.T) {
	dir := secrets(t)
	if c := load(t, filepath.Dir(dir)); !c.Embedded() || c.Test {
		t.Errorf("want production on the embedded engine, got test %t, embedded %t", c.Test, c.Embedded())
	}
}

// TestTheUnitStartsTheProgram: with the unit's variables, and only the
// credentials that it loads, the configuration is complete.
func TestTheUnitStartsTheProgram(t *testing.T) {
	unit := map[string][]string{} // name → values
	for line := range strings.Lines(read(t, "venuecode.service")) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			unit[name] = append(unit[name], value)
		}
	}
	from, credentials := secrets(t), t.TempDir()
	for _, c := range unit["LoadCredential"] {
		name, source, _ := strings.Cut(c, ":")
		if path.Dir(source) != "/etc/venuecode/secrets" {
			t.Errorf("credential %s is not taken from where venuecode.yaml has it", name)
		}
		if err := os.Link(filepath.Join(from, path.Base(source)), filepath.Join(credentials, name)); err != nil {
			t.Error(err)
		}
	}
	var env []string
	for _, variable := range unit["Environment"] {
		env = append(env, strings.ReplaceAll(variable, "%d", credentials))
	}
	c := load(t, t.TempDir(), env...)

	for _, folder := range []string{c.DataDir, c.KeysDir} {
		if !slices.Contains(strings.Fields(unit["ReadWritePaths"][0]), path.Dir(folder)) {
			t.Errorf("the unit does not let the program write to %s", folder)
		}
	}
	for name, want := range map[string]string{
		"NoNewPrivileges": "yes", "ProtectSystem": "strict", "CapabilityBoundingSet": "", "MemorySwapMax": "0", "LimitCORE": "0",
	} {
		if got := unit[name]; !slices.Equal(got, []string{want}) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

type compose struct {
	Services map[string]service
	Secrets  map[string]struct{ File string }
	Configs  map[string]struct{ File string }
	Volumes  map[string]any
}

type service struct {
	Image, User string
	Command     []string
	Environment map[string]string
	Secrets     []string
	Configs     []struct{ Source, Target string }
	Volumes     []string
	ReadOnly    bool           `yaml:"read_only"`
	CapDrop     []string       `yaml:"cap_drop"`
	SecurityOpt []string       `yaml:"security_opt"`
	DependsOn   map[string]any `yaml:"depends_on"`
	HealthCheck struct{ Test []string }
}

func TestComposeStartsTheProgram(t *testing.T) {
	var c compose
	parse(t, "compose.yaml", &c)
	app := c.Services["app-1"]
	from, mounted := secrets(t), t.TempDir()
	for _, name := range app.Secrets {
		if err := os.Link(filepath.Join(from, name), filepath.Join(mounted, name)); err != nil {
			t.Error(err)
		}
	}
	var env []string
	for name, value := range app.Environment {
		env = append(env, name+"="+strings.Replace(value, "/run/secrets", mounted, 1))
	}
	got := load(t, t.TempDir(), env...)
	if got.Embedded() {
		t.Error("compose does not use the replica set")
	}
	if len(app.HealthCheck.Test) == 0 || !strings.HasSuffix(app.HealthCheck.Test[len(app.HealthCheck.Test)-1], got.OpsListen+"/readyz") {
		t.Errorf("health is asked of %v, the program answers at %s", app.HealthCheck.Test, got.OpsListen)
	}
	for _, folder := range []string{got.DataDir, got.KeysDir} {
		if !slices.ContainsFunc(app.Volumes, func(v string) bool { return strings.HasSuffix(v, ":"+path.Dir(folder)) }) {
			t.Errorf("%s is on no volume", folder)
		}
	}
}

func TestProcessesShareTheirKeysAndNothingElse(t *testing.T) {
	var c compose
	parse(t, "compose.yaml", &c)
	first, second := c.Services["app-1"], c.Services["app-2"]
	if second.Image == "" || second.Image != first.Image {
		t.Fatal("there is no second process")
	}
	if first.Volumes[0] == second.Volumes[0] || first.Volumes[1] != second.Volumes[1] {
		t.Errorf("data must be each one's own and keys everybody's, got %v and %v", first.Volumes, second.Volumes)
	}
	for _, v := range second.Volumes {
		name, _, _ := strings.Cut(v, ":")
		if _, ok := c.Volumes[name]; !ok {
			t.Errorf("volume %s is not declared", name)
		}
	}
}

// TestEveryServiceIsHardened, and names nothing that is not there.
func TestEveryServiceIsHardened(t *testing.T) {
	var c compose
	parse(t, "compose.yaml", &c)
	members := 0
	for name, s := range c.Services {
		if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || strings.HasPrefix(s.User+"0:", "0:") || s.User == "" {
			t.Errorf("%s is not hardened: %+v", name, s)
		}
		if slices.Contains(s.Command, "mongod") {
			members++
			if !slices.Contains(s.Command, "--keyFile") || !slices.Contains(s.Command, "--replSet") {
				t.Errorf("%s takes anybody for a member: %v", name, s.Command)
			}
			if !strings.Contains(read(t, "mongo-init.js"), "'"+name+":27017'") {
				t.Errorf("mongo-init.js does not know %s", name)
			}
		}
		for _, secret := range s.Secrets {
			if c.Secrets[secret].File != "secrets/"+secret {
				t.Errorf("%s asks for the secret %s, which is not secrets/%[2]s", name, secret)
			}
		}
		for _, config := range s.Configs {
			if _, err := os.Stat(c.Configs[config.Source].File); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for other := range s.DependsOn {
			if _, ok := c.Services[other]; !ok {
				t.Errorf("%s waits for %s, which is no service", name, other)
			}
		}
		if name != "mongo-init" && len(s.HealthCheck.Test) == 0 {
			t.Errorf("nobody asks %s how it is", name)
		}
	}
	if members != 3 {
		t.Errorf("the replica set has %d members", members)
	}
}

var (
	location = regexp.MustCompile(`(?m)^ +location (\S+) {[^}]*}`)
	methods  = regexp.MustCompile(`\$request_method !~ \^\(([A-Z|]+)\)\$`)
)

// TestTheProxyKnowsTheRoutes: each location leads to routes, every method that a
// route has passes, and the locations are those of docs/operations.md.
func TestTheProxyKnowsTheRoutes(t *testing.T) {
	var api struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(read(t, "../cmd/venuecode/openapi.json")), &api); err != nil {
		t.Fatal(err)
	}
	conf := read(t, "nginx.conf")
	locations := func(text string) (found []string) {
		for _, m := range location.FindAllStringSubmatch(text, -1) {
			found = append(found, m[1])
		}
		return found
	}
	got := locations(conf)
	for _, prefix := range got {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(api.Paths)), func(p string) bool { return strings.HasPrefix(p, prefix) }) {
			t.Errorf("location %s leads nowhere", prefix)
		}
	}
	if want := locations(read(t, "../docs/operations.md")); len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("nginx.conf has the locations %v, docs/operations.md %v", got, want)
	}
	allowed := strings.Split(methods.FindStringSubmatch(conf)[1], "|")
	for p, operations := range api.Paths {
		for method := range operations {
			if method != "parameters" && !slices.Contains(allowed, strings.ToUpper(method)) {
				t.Errorf("the proxy refuses %s %s", method, p)
			}
		}
	}
	audit := conf[strings.Index(conf, "location /console/audit/"):]
	if !strings.Contains(audit[:strings.Index(audit, "}")], "proxy_read_timeout 130s") {
		t.Error("the proxy gives up on the audit trail too soon")
	}
}
