package configs

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/venuecode/venuecode/venue"
)

// production is a file that may be used, with secrets by reference.
const production = `
host: code.ruzhou.gov.cn
division: "410482"
wechat: {app_id: wx0123456789abcdef, secret: "env:WX"}
health: {base: https://health.henan.example, credential: "env:HEALTH"}
consent: {operator: 汝州市疫情防控指挥部, contact: 0375-0000000}
`

var productionEnv = []string{"WX=0123456789abcdef0123456789abcdef", "HEALTH=credential-of-the-city", "PATH=/bin"}

func load(t *testing.T, text string, env ...string) *Config {
	t.Helper()
	c, err := LoadBytes("venuecode.yaml", []byte(text), env)
	if err != nil {
		t.Fatalf("a good configuration is refused:\n%v", err)
	}
	return c
}

func faults(t *testing.T, text string, env ...string) Faults {
	t.Helper()
	c, err := LoadBytes("venuecode.yaml", []byte(text), env)
	var f Faults
	if !errors.As(err, &f) || c != nil {
		t.Fatalf("got (%v, %v), want faults only", c, err)
	}
	if !errors.Is(err, venue.ErrInvalid) {
		t.Errorf("faults are no venue.ErrInvalid")
	}
	return f
}

func TestDefaultsOfATestAreComplete(t *testing.T) {
	c := load(t, "test: true")
	for what, check := range map[string]bool{
		"quiet from 22:00":       c.Notify.QuietHours.From.String() == "22:00",
		"deadline 16:00":         c.Reports.Deadline == 16*60,
		"three reminders":        fmt.Sprint(c.Reports.Reminders) == "[15:00 15:30 15:50]",
		"300 ms for a colour":    c.Health.Timeout == 300*time.Millisecond,
		"800 ms for an answer":   c.Scan.Reply == 800*time.Millisecond,
		"64 KiB for a body":      c.Limits.Body == 64<<10,
		"embedded":               c.Embedded(),
		"the rules' times":       c.Retention == Retention{30, 60, 400, 400, 400, 48 * time.Hour},
		"50 reveals a day":       c.Officials.RevealsPerDay == 50,
		"days filled in":         strings.Contains(c.Consent.Text, "到访记录 30 天") && !strings.Contains(c.Consent.Text, "{"),
		"absolute folders":       filepath.IsAbs(c.DataDir) && filepath.IsAbs(c.KeysDir),
		"two scans, one percent": c.Reports.Tolerance == Tolerance{Min: 2, Percent: 1},
	} {
		if !check {
			t.Errorf("not so by default: %s", what)
		}
	}
}

func TestTheDefaultFileIsItselfAConfiguration(t *testing.T) {
	text := strings.Replace(string(DefaultYAML()), "\ntest: false\n", "\ntest: true\n", 1)
	if got, want := load(t, text), load(t, "test: true"); fmt.Sprintf("%+v", *got) != fmt.Sprintf("%+v", *want) {
		t.Errorf("the default file, given as file, changes something")
	}
}

func TestDefaultsAloneAreNoProduction(t *testing.T) {
	for _, text := range []string{"", "# nothing yet\n", string(DefaultYAML())} {
		got := keys(faults(t, text))
		slices.Sort(got)
		want := []string{"consent.contact", "consent.operator", "division", "health.base", "health.credential", "host", "wechat.app_id"}
		if !slices.Equal(got, want) {
			t.Errorf("got faults %v, want %v", got, want)
		}
	}
}

func keys(f Faults) []string {
	var k []string
	for _, fault := range f {
		k = append(k, fault.Key)
	}
	return k
}

// TestEveryOptionIsExplained walks default.yaml and Config side by side.
func TestEveryOptionIsExplained(t *testing.T) {
	var doc yaml.Node
	if err := yaml.Unmarshal(DefaultYAML(), &doc); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, n *yaml.Node, typ reflect.Type)
	walk = func(path string, n *yaml.Node, typ reflect.Type) {
		var names []string
		for i := 0; i < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			names = append(names, key.Value)
			at := join(path, key.Value)
			j := slices.Index(fieldsOf(typ), key.Value)
			if j < 0 {
				t.Errorf("line %d: %s is in default.yaml but not in %s", key.Line, at, typ)
				continue
			}
			field := typ.Field(j)
			if field.Type.Kind() == reflect.Struct && field.Type != secretType {
				walk(at, value, field.Type)
				continue
			}
			comment := key.HeadComment
			if comment == "" {
				t.Errorf("line %d: %s has no comment", key.Line, at)
			}
			if r := field.Tag.Get("range"); r != "" {
				if !strings.Contains(comment, "Range "+r) {
					t.Errorf("line %d: the comment of %s does not say Range %s", key.Line, at, r)
				}
				low, high, _ := strings.Cut(r, "..")
				m := measures[field.Type]
				if a, errA := m.read(low); errA != nil {
					t.Errorf("%s: bad tag %q", at, r)
				} else if b, errB := m.read(high); errB != nil || a >= b {
					t.Errorf("%s: bad tag %q", at, r)
				}
			}
			if field.Type == secretType && field.Tag.Get("literal") == "" && !strings.HasPrefix(comment, "# Secret: ") {
				t.Errorf("line %d: the comment of %s does not begin with Secret:", key.Line, at)
			}
			for word := range strings.SplitSeq(field.Tag.Get("oneof"), "|") {
				if !strings.Contains(comment, word) {
					t.Errorf("line %d: the comment of %s does not name %q", key.Line, at, word)
				}
			}
			if field.Type.Kind() == reflect.Slice && field.Tag.Get("count") == "" {
				t.Errorf("%s has no count", at)
			}
		}
		for _, name := range fieldsOf(typ) {
			if !slices.Contains(names, name) {
				t.Errorf("%s is an option but not in default.yaml", join(path, name))
			}
		}
	}
	walk("", doc.Content[0], reflect.TypeFor[Config]())
}

func TestTenFaultsAreTenLines(t *testing.T) {
	f := faults(t, `test: true
listen: nowhere
scna: {reply: 1s}
scan:
  companions: six
  reply: 2s
health:
  timout: 1s
  reuse: 16s
reports:
  deadline: 4pm
retention:
  visits_days: 13
limits:
  body: 64KB
log:
  level: loud
`)
	want := []string{
		"venuecode.yaml:2: listen: must be address:port, as in 127.0.0.1:8080",
		"venuecode.yaml:3: scna: is no option; did you mean scan?",
		"venuecode.yaml:5: scan.companions: must be a whole number, 0..5",
		"venuecode.yaml:6: scan.reply: must be within 100ms..800ms",
		"venuecode.yaml:8: health.timout: is no option; did you mean health.timeout?",
		"venuecode.yaml:9: health.reuse: must be within 0s..15s",
		"venuecode.yaml:11: reports.deadline: must be a time of the day, 00:00 to 23:59",
		"venuecode.yaml:13: retention.visits_days: must be within 14..60",
		"venuecode.yaml:15: limits.body: must be a size such as 64KiB or 4MiB, 16KiB..256KiB",
		"venuecode.yaml:17: log.level: must be one of debug, info, warn, error",
	}
	if got := f.Error(); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

func TestOneFaultInATestConfiguration(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a transposed name", "lisetn: a:1", "lisetn: is no option; did you mean listen?"},
		{"a name of another section", "reuse: 1s", "reuse: is no option; did you mean health.reuse?"},
		{"a name like no other", "zebra_crossing: 1", "zebra_crossing: is no option"},
		{"a path as name", "wechat.secret: x", "wechat.secret: must be written as sections"},
		{"a value without blank after the colon", "wechat: {secret:canary}", "wechat.?: is no option"},
		{"a name given twice", "host: a.example\nhost: b.example", "host: is given again on line 3"},
		{"an anchor", "host: &h a.example\nlog: {level: *h}", "log.level: anchors and aliases"},
		{"a value where a section belongs", "scan: 3", "scan: is a section"},
		{"a section where a value belongs", "listen: {a: 1}", "listen: must be one value"},
		{"a value where a list belongs", "trusted_proxies: 10.0.0.1", "trusted_proxies: must be a list"},
		{"a value where a table belongs", "domain_checks: a", "domain_checks: must be a table"},
		{"a list where a value belongs", "host: [a]", "host: must be one value"},
		{"a name without value", "listen:", "listen: must be one value"},
		{"an empty list entry", `trusted_proxies: [""]`, "trusted_proxies: has an empty entry"},
		{"a direction character", `consent: {operator: "a\u202eb"}`, "consent.operator: holds control"},
		{"yes for true", "limits: {body: yes}", "limits.body: must be a size"},
		{"a quoted port alone", `listen: "8080"`, "listen: must be address:port"},
		{"a port too large", "listen: 127.0.0.1:65536", "listen: must be address:port"},
		{"both addresses the same", "ops_listen: 127.0.0.1:8080", "ops_listen: must differ from listen"},
		{"trust in everybody", "trusted_proxies: [0.0.0.0/0]", "trusted_proxies: trusts nearly everybody"},
		{"trust in a name", "trusted_proxies: [nginx]", "trusted_proxies: must be addresses"},
		{"a host with scheme", "host: https://a.example", "host: must be a domain name"},
		{"keys inside the data", "data_dir: d\nkeys_dir: d/keys", "keys_dir: must lie apart"},
		{"data inside the keys", "data_dir: d/data\nkeys_dir: d", "keys_dir: must lie apart"},
		{"keys and data in one", "data_dir: d\nkeys_dir: ./d/", "keys_dir: must lie apart"},
		{"an unknown store", "store: mysql://x", "store: must be embedded"},
		{"companions beyond the rule", "scan: {companions: 6}", "scan.companions: must be within 0..5"},
		{"a negative number", "scan: {companions: -1}", "scan.companions: must be within 0..5"},
		{"a colour kept too long", "health: {reuse: 15001ms}", "health.reuse: must be within 0s..15s"},
		{"a duration without unit", "health: {reuse: 15}", "health.reuse: must be a duration"},
		{"no time for the colour within the answer", "scan: {reply: 300ms}", "health.timeout: must be less than scan.reply"},
		{"a time of one digit", "reports: {digest: 17:5}", "reports.digest: must be a time"},
		{"a time past midnight", `reports: {digest: "24:00"}`, "reports.digest: must be a time"},
		{"a reminder at the deadline", `reports: {reminders: ["15:00", "16:00"]}`, "reports.reminders: must be before"},
		{"reminders that fall", `reports: {reminders: ["15:30", "15:00"]}`, "reports.reminders: must rise"},
		{"the digest at the deadline", `reports: {digest: "16:00"}`, "reports.digest: must be after"},
		{"the one tap too late", `reports: {one_tap: "16:00"}`, "reports.one_tap: must be before"},
		{"the digest at night", `reports: {digest: "22:00"}`, "reports.digest: falls into notify.quiet_hours"},
		{"a copy of the trail beside the data", "data_dir: d\nkeys_dir: k\naudit: {copy: d/copy}", "audit.copy: must be a file apart"},
		{"a push without secret", "audit: {push: {url: http://a.example}}", "audit.push: needs both url and secret"},
		{"visits kept too short", "retention: {visits_days: 13}", "retention.visits_days: must be within 14..60"},
		{"visits kept too long", "retention: {visits_days: 61}", "retention.visits_days: must be within 14..60"},
		{"persons kept too short", "retention: {vault_days: 29}", "retention.vault_days: must be within 30..180"},
		{"persons kept too long", "retention: {vault_days: 181}", "retention.vault_days: must be within 30..180"},
		{"persons that go before their visits", "retention: {visits_days: 60, vault_days: 59}", "retention.vault_days: must not be less than retention.visits_days"},
		{"counts kept too short", "retention: {counts_days: 29}", "retention.counts_days: must be within 30..800"},
		{"counts kept too long", "retention: {counts_days: 801}", "retention.counts_days: must be within 30..800"},
		{"counts that go before their visits", "retention: {visits_days: 60, counts_days: 59}", "retention.counts_days: must not be less than retention.visits_days"},
		{"the ledger kept too short", "retention: {messages_days: 29}", "retention.messages_days: must be within 30..800"},
		{"the ledger kept too long", "retention: {messages_days: 801}", "retention.messages_days: must be within 30..800"},
		{"the trail kept too short", "retention: {audit_days: 179}", "retention.audit_days: must be within 180..3650"},
		{"the trail kept too long", "retention: {audit_days: 3651}", "retention.audit_days: must be within 180..3650"},
		{"replies kept too short", "retention: {idempotency: 23h59m}", "retention.idempotency: must be within 24h..168h"},
		{"replies kept too long", "retention: {idempotency: 168h1s}", "retention.idempotency: must be within 24h..168h"},
		{"reveals without end", "officials: {reveals_per_day: 201}", "officials.reveals_per_day: must be within 1..200"},
		{"a division of five digits", "advice: {divisions: {41048: {}}}", "advice.divisions.41048: must be a division"},
		{"channels of no division", "apply: {channels: {x: {a: b}}}", "apply.channels.x: must be a division"},
		{"a channel that is not https", "apply: {channels: {410482001: {a: \"http://example.org\"}}}", "apply.channels.410482001: must have pages that are https"},
		{"a channel that is nowhere", "apply: {channels: {410482001: {a: \"\"}}}", "apply.channels.410482001: must have names"},
		{"a hotline of two lines", "apply: {hotline: \"1\\n2\"}", "apply.hotline: must be one line"},
		{"a colour nobody knows", "advice: {divisions: {410482: {orange: [a]}}}", "advice.divisions.410482.orange: is no option"},
		{"no advice for red", "advice: {default: {red: []}}", "advice.default.red: must have at least one"},
		{"a consent placeholder nobody fills", "consent: {text: '{days}'}", "consent.text: has a placeholder"},
		{"a check file outside its folder", "domain_checks: {../x.txt: a}", "domain_checks.?: must be a file name"},
		{"a short AES key", "wecom: {app: {encoding_aes_key: abc}}", "wecom.app.encoding_aes_key: must be the 43"},
		{"a private key that is none", "alipay: {private_key: abc}", "alipay.private_key: must be an RSA private key"},
		{"a missing secret file", "wechat: {secret: file:/nowhere/at/all}", "wechat.secret: refers to a file that does not exist"},
		{"a folder for a secret", "wechat: {secret: file:/}", "wechat.secret: refers to a file that cannot be read"},
		{"a device for a secret", "wechat: {secret: file:/dev/zero}", "wechat.secret: refers to a file that cannot be read"},
		{"a variable not set", "wechat: {secret: env:NOWHERE}", "wechat.secret: refers to a variable that is not set"},
		{"a platform's address with a query", "platforms_base: http://a.example/?x=1", "platforms_base: must have no user, query"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := faults(t, "test: true\n"+c.text+"\n")
			if len(f) != 1 || !strings.Contains(f.Error(), ": "+c.want) {
				t.Errorf("got\n%v\nwant one fault: %s", f, c.want)
			}
		})
	}
}

func TestProduction(t *testing.T) {
	c := load(t, production, productionEnv...)
	if got := c.WeChat.Secret.Reveal(); got != "0123456789abcdef0123456789abcdef" {
		t.Errorf("the secret did not arrive")
	}
	if !strings.Contains(c.Consent.Text, "处理者：汝州市疫情防控指挥部。联系方式：0375-0000000。") {
		t.Errorf("the notice does not name the operator: %s", c.Consent.Text)
	}
}

func TestProductionRefuses(t *testing.T) {
	for _, c := range []struct{ name, variable, value, want string }{
		{"a loopback WeChat", "PLATFORMS_BASE", "https://127.0.0.1:8081", "platforms_base: points at this machine"},
		{"a plain http WeChat", "PLATFORMS_BASE", "http://api.weixin.qq.com", "platforms_base: must be https"},
		{"simulators for WeChat", "PLATFORMS_BASE", "https://sim.example", "platforms_base: stands for simulators"},
		{"a loopback Alipay", "ALIPAY__GATEWAY", "https://[::1]/gateway.do", "alipay.gateway: points at this machine"},
		{"an Alipay called localhost", "ALIPAY__GATEWAY", "https://LOCALHOST./gateway.do", "alipay.gateway: points at this machine"},
		{"a mapped loopback", "ALIPAY__GATEWAY", "https://[::ffff:127.0.0.1]", "alipay.gateway: points at this machine"},
		{"a loopback in short", "ALIPAY__GATEWAY", "https://127.1", "alipay.gateway: points at this machine"},
		{"a loopback as one number", "ALIPAY__GATEWAY", "https://2130706433", "alipay.gateway: points at this machine"},
		{"a loopback in hexadecimal", "ALIPAY__GATEWAY", "https://0x7f.1", "alipay.gateway: points at this machine"},
		{"the unspecified address", "ALIPAY__GATEWAY", "https://0.0.0.0", "alipay.gateway: points at this machine"},
		{"a plain http health service", "HEALTH__BASE", "http://10.1.2.3", "health.base: must be https"},
		{"no health service", "HEALTH__BASE", "", "health.base: is missing"},
		{"metrics for everybody", "OPS_LISTEN", "0.0.0.0:9090", "ops_listen: must be a loopback address"},
		{"metrics on every interface", "OPS_LISTEN", ":9090", "ops_listen: must be a loopback address"},
		{"a port of chance", "LISTEN", "127.0.0.1:0", "listen: must name a port"},
		{"a host with port", "HOST", "code.example:8080", "host: must be a domain name"},
		{"a host of digits", "HOST", "10.0.0.1", "host: must be a domain name"},
		{"a service account without secrets", "SERVICE_ACCOUNT__APP_ID", "wx1", "service_account.secret: is missing"},
		{"a robot without corp", "WECOM__ROBOT__TOKEN", "abc123", "wecom.corp_id: is missing"},
		{"a division in no list", "DIVISION", "419981", "division: is in no list"},
		{"no platform for residents", "WECHAT__APP_ID", "", "wechat.app_id: is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := faults(t, production, append([]string{prefix + c.variable + "=" + c.value}, productionEnv...)...)
			if !strings.Contains(f.Error(), ": "+c.want) {
				t.Errorf("got\n%v\nwant %s", f, c.want)
			}
		})
	}
	// The intranet of a government is not this machine.
	load(t, production, append([]string{"VENUECODE_HEALTH__BASE=https://10.1.2.3/health"}, productionEnv...)...)
	// A test may do all of it.
	load(t, "test: true\nhost: 127.0.0.1:8080\nops_listen: 127.0.0.1:0\nlisten: 127.0.0.1:0\nplatforms_base: http://127.0.0.1:8081\nwechat: {app_id: a, secret: clear}")
}

func TestSecretsByReference(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"wx": "from-a-file\n", "empty": "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "venuecode.yaml")
	read := func(value string) (*Config, error) {
		t.Helper()
		text := strings.Replace(production, `"env:WX"`, value, 1)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return Load(path, append([]string{"VENUECODE_OWN=from-a-variable", "EMPTY="}, productionEnv...))
	}
	for _, c := range []struct{ name, value, want, fault string }{
		{"a file beside the configuration", "file:wx", "from-a-file", "$VENUECODE_OWN: sets no option"},
		{"a file by full path", "file:" + dir + "/wx", "from-a-file", "$VENUECODE_OWN: sets no option"},
		{"a variable of our prefix is no stranger", "env:VENUECODE_OWN", "from-a-variable", ""},
		{"an empty file", "file:empty", "", "wechat.secret: refers to an empty file"},
		{"a missing file", "file:gone", "", "wechat.secret: refers to a file that does not exist"},
		{"an empty variable", "env:EMPTY", "", "wechat.secret: refers to a variable that is empty"},
		{"a literal", "in-clear", "", "wechat.secret: is a secret in clear: put it in a file"},
		{"nothing", `""`, "", "wechat.secret: is missing (wechat.app_id is set)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := read(c.value)
			if c.fault == "" {
				if err != nil || got.WeChat.Secret.Reveal() != c.want {
					t.Errorf("got %v, %v; want the secret", got, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("got %v, want %s", err, c.fault)
			}
			if n := strings.Count(err.Error(), "wechat.secret"); c.want == "" && n != 1 {
				t.Errorf("the secret is faulted %d times:\n%v", n, err)
			}
		})
	}
	if _, err := Load(filepath.Join(dir, "absent.yaml"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want not exist", err)
	}
}

func TestVariablesWinOverTheFile(t *testing.T) {
	c := load(t, production+"\nlisten: 127.0.0.1:1111\n", append([]string{
		"VENUECODE_LISTEN=0.0.0.0:8443",
		"VENUECODE_WECHAT__SECRET=secretoverride",
		"VENUECODE_REPORTS__REMINDERS=14:45, 15:15",
		"VENUECODE_TRUSTED_PROXIES=",
		"VENUECODE_ALIPAY__APP_ID=",
		"VENUECODE_MONGO=mongodb://test",
		"VENUECODE_SERVICE_HOST=10.0.0.1", "VENUECODE_PORT=tcp://10.0.0.1:80", "VENUECODE_PORT_80_TCP=x",
	}, productionEnv...)...)
	if c.Listen != "0.0.0.0:8443" || c.WeChat.Secret.Reveal() != "secretoverride" ||
		fmt.Sprint(c.Reports.Reminders) != "[14:45 15:15]" || len(c.TrustedProxies) != 0 {
		t.Errorf("a variable did not win: %+v", c)
	}
	f := faults(t, "test: true", "VENUECODE_WECHAT_SECRET=x", "VENUECODE_SCAN__REPLY=9s", "VENUECODE_ZZZ=1")
	want := "$VENUECODE_WECHAT_SECRET: sets no option; did you mean VENUECODE_WECHAT__SECRET?"
	if len(f) != 3 || !strings.Contains(f.Error(), want) ||
		!strings.Contains(f.Error(), "$VENUECODE_SCAN__REPLY: scan.reply: must be within") {
		t.Errorf("got\n%v\nwant three faults, one of them\n%s", f, want)
	}
}

const canary = "canary0123456789canary0123456789"

func TestASecretIsNeverPrinted(t *testing.T) {
	text := "test: true\nstore: mongodb://u:" + canary + "@h/db\n" +
		"wechat: {app_id: wx1, secret: " + canary + "}\nhealth: {credential: " + canary + "}\n"
	c := load(t, text)
	if c.WeChat.Secret.Reveal() != canary {
		t.Fatal("Reveal does not tell the secret")
	}
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	hidden := struct{ inner Secret }{c.WeChat.Secret}
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "c", c, "s", c.WeChat.Secret, "h", hidden)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "c", c, "s", c.WeChat.Secret, "h", hidden)
	printed := string(asJSON) + string(asYAML) + logged.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%p"} {
		printed += fmt.Sprintf(verb, *c) + fmt.Sprintf(verb, c) + fmt.Sprintf(verb, c.WeChat) +
			fmt.Sprintf(verb, c.WeChat.Secret) + fmt.Sprintf(verb, &c.WeChat.Secret) + fmt.Sprintf(verb, hidden) + fmt.Sprintf(verb, &hidden)
	}
	if strings.Contains(printed, canary) || strings.Contains(printed, fmt.Sprintf("%x", canary)) {
		t.Errorf("the secret is printed")
	}
	if !strings.Contains(string(asJSON), `"Secret":"***"`) {
		t.Errorf("a set secret does not show as ***: %s", asJSON)
	}
}

// slips are ways to get a configuration wrong around a secret.
var slips = []string{
	"wechat: {app_id: wx1, secret: %s}",
	"wechat: {secret:%s}",
	"wechat: {secret: [%s]}",
	"wechat: {secret: {%s}}",
	"wechat: {secret: {a: %s}}",
	"wechat: %s",
	"wechat:\n  secret:%s",
	"wechat:\n\tsecret: %s",
	"wechat: {secret: *%s}",
	"wechat: {secret: &%s}",
	"wechat: {secret: !%s x}",
	"wechat: {secret: !a!%s x}",
	"wechat: {secret: '%s}",
	"wechat: {secret: \"%s\\q\"}",
	"wechat: {secret: @%s}",
	"wechat: {secret: `%s`}",
	"wechat: {secret: 'file:%s'}",
	"wechat: {secret: 'env: %s'}",
	"wechat: {secrte: %s}",
	"wechat: {app_id: '%s !'}",
	"host: '%s !'",
	"listen: %s",
	"log: {level: %s}",
	"store: mongodb://root:%s@h/db",
	"store: %s",
	"health: {base: 'http://u:%s@h/?q=%[1]s', timeout: %[1]s}",
	"scan: {companions: %s, reply: %[1]s}",
	"reports: {deadline: %s, reminders: [%[1]s]}",
	"limits: {body: %s}",
	"test: %s",
	"service_account: {token: '%s!', encoding_aes_key: %[1]s}",
	"alipay: {private_key: %s, alipay_public_key: %[1]s, phone_key: %[1]s}",
	"%%TAG ! %s\n---\na: !x 1",
	"? [%s]\n: x",
	"%s",
	"- %s",
	"<<: %s",
}

func TestAFaultNeverQuotesAValue(t *testing.T) {
	for _, slip := range slips {
		_, err := LoadBytes("venuecode.yaml", fmt.Appendf(nil, slip, canary), []string{
			"VENUECODE_HEALTH__CREDENTIAL=" + canary + " !", "VENUECODE_SCAN__REPLY=" + canary, "VENUECODE_NOTHING=" + canary})
		if err == nil {
			t.Errorf("%q is taken", slip)
		} else if strings.Contains(err.Error(), canary) {
			t.Errorf("%q: the fault quotes it: %v", slip, err)
		}
	}
}

func TestABrokenFileIsOneFault(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a tab", "a:\n\tb: 1", "venuecode.yaml:2: is not YAML: "},
		{"an open bracket", "trusted_proxies: [a\nb: c", "is not YAML: "},
		{"two documents", "test: true\n---\ntest: false", "venuecode.yaml: holds more than one document"},
		{"a list", "- a", "venuecode.yaml:1: must be options"},
		{"GB18030 bytes", "host: \xb3\xa1\xcb\xf9", "is not YAML: "},
	} {
		if f := faults(t, c.text); len(f) != 1 || !strings.Contains(f.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, f, c.want)
		}
	}
}

func TestTextStaysWhatWasWritten(t *testing.T) {
	c := load(t, "test: true\nalipay: {app_id: 0021003141592653}\nconsent: {version: 1.10}\n"+
		"domain_checks: {MP_verify_ab.txt: 0123}\nscan:\n")
	if c.Alipay.AppID != "0021003141592653" || c.Consent.Version != "1.10" || c.DomainChecks["MP_verify_ab.txt"] != "0123" {
		t.Errorf("digits were taken for a number: %q %q %q", c.Alipay.AppID, c.Consent.Version, c.DomainChecks)
	}
	if c.Scan.Companions != 5 {
		t.Errorf("a section without options loses its defaults")
	}
}

func TestAdviceOfTheNarrowestDivision(t *testing.T) {
	c := load(t, `test: true
advice:
  default: {green: [默认]}
  divisions:
    410000: {green: [省], yellow: [省黄]}
    "410482": {green: [县]}
    410482001: {green: [乡]}
`)
	for _, x := range []struct {
		division string
		colour   venue.Health
		want     string
	}{
		{"410482001003", venue.HealthGreen, "乡"},
		{"410482002", venue.HealthGreen, "县"},
		{"410482001003", venue.HealthYellow, "省黄"},
		{"411000", venue.HealthGreen, "省"},
		{"420100", venue.HealthGreen, "默认"},
		{"", venue.HealthGreen, "默认"},
	} {
		if got := c.Advice.For(x.division, x.colour); len(got) != 1 || got[0] != x.want {
			t.Errorf("%s %s: got %v, want %s", x.division, x.colour, got, x.want)
		}
	}
	if got := c.Advice.For("410482", venue.HealthUnknown); len(got) == 0 || !strings.Contains(got[0], "暂未查询到") {
		t.Errorf("unknown: got %v", got)
	}
}

func TestQuietHours(t *testing.T) {
	night := QuietHours{From: 22 * 60, To: 7 * 60}
	noon := QuietHours{From: 12 * 60, To: 13 * 60}
	for _, c := range []struct {
		q     QuietHours
		at    TimeOfDay
		quiet bool
	}{
		{night, 22 * 60, true}, {night, 0, true}, {night, 7*60 - 1, true}, {night, 7 * 60, false}, {night, 22*60 - 1, false},
		{noon, 12 * 60, true}, {noon, 13 * 60, false}, {QuietHours{}, 0, false},
	} {
		if got := c.q.Covers(c.at); got != c.quiet {
			t.Errorf("%v covers %v: got %v, want %v", c.q, c.at, got, c.quiet)
		}
	}
}

func TestATimeOfDayOnADay(t *testing.T) {
	d, err := venue.ParseDay("2022-05-18")
	if err != nil {
		t.Fatal(err)
	}
	if got := venue.FormatInstant(TimeOfDay(16 * 60).On(d)); got != "2022-05-18T16:00:00.000+08:00" {
		t.Errorf("got %s", got)
	}
}

// FuzzLoad: whatever the file, there is a Config or there are faults, the same
// ones twice, and a secret that is read by nobody else is quoted by none.
func FuzzLoad(f *testing.F) {
	f.Add(string(DefaultYAML()))
	f.Add(production)
	for _, slip := range slips {
		f.Add(fmt.Sprintf(slip, "x"))
	}
	env := append([]string{"VENUECODE_HEALTH__CREDENTIAL=" + canary}, productionEnv...)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := LoadBytes("f.yaml", []byte(text), env)
		_, again := LoadBytes("f.yaml", []byte(text), env)
		if (c == nil) == (err == nil) || fmt.Sprint(err) != fmt.Sprint(again) {
			t.Fatalf("got %v, %v, then %v", c, err, again)
		}
		if c != nil && strings.Contains(fmt.Sprintf("%+v", c), canary) || err != nil && strings.Contains(err.Error(), canary) {
			t.Fatal("the secret is printed")
		}
	})
}

func TestPlatformKeysInTheirUsualForms(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pkix, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := x509.MarshalPKCS1PrivateKey(key)
	bare := base64.StdEncoding.EncodeToString
	block := func(name string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: name, Bytes: b}))
	}
	for _, private := range []string{bare(pkcs1), bare(pkcs8), block("RSA PRIVATE KEY", pkcs1), block("PRIVATE KEY", pkcs8)} {
		for _, public := range []string{bare(pkix), block("PUBLIC KEY", pkix)} {
			load(t, production, append([]string{
				"VENUECODE_ALIPAY__APP_ID=2021003141592653",
				"VENUECODE_ALIPAY__PRIVATE_KEY=" + private,
				"VENUECODE_ALIPAY__ALIPAY_PUBLIC_KEY=" + public,
				"VENUECODE_ALIPAY__PHONE_KEY=" + bare(make([]byte, 16)),
				"VENUECODE_WECOM__CORP_ID=ww0123456789", "VENUECODE_WECOM__AGENT_ID=1000002", "VENUECODE_WECOM__SECRET=s-e_cret",
				"VENUECODE_WECOM__APP__TOKEN=abc123", "VENUECODE_WECOM__APP__ENCODING_AES_KEY=" + strings.Repeat("z", 43),
			}, productionEnv...)...)
		}
	}
	if f := faults(t, "test: true", "VENUECODE_ALIPAY__PRIVATE_KEY="+bare(pkix)); keys(f)[0] != "alipay.private_key" {
		t.Errorf("a public key passes for a private one: %v", f)
	}
}

func TestTheEdgesOfRetentionAreAllowed(t *testing.T) {
	for text, want := range map[string]Retention{
		"visits_days: 14, vault_days: 30, counts_days: 30, messages_days: 30, audit_days: 180, idempotency: 24h":      {14, 30, 30, 30, 180, 24 * time.Hour},
		"visits_days: 60, vault_days: 60, counts_days: 60":                                                            {60, 60, 60, 400, 400, 48 * time.Hour},
		"visits_days: 60, vault_days: 180, counts_days: 800, messages_days: 800, audit_days: 3650, idempotency: 168h": {60, 180, 800, 800, 3650, 168 * time.Hour},
	} {
		if got := load(t, "test: true\nretention: {"+text+"}").Retention; got != want {
			t.Errorf("%s: %+v", text, got)
		}
	}
}
