package leak

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/venuecode/venuecode/configs"
	"github.com/venuecode/venuecode/internal/schedule"
	"github.com/venuecode/venuecode/miniapp"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/checkin"
	"github.com/venuecode/venuecode/venue/daily"
)

// words: whatever a reader is given, it does not say it again.
func words(o *out) {
	today := venue.DayOf(noon)
	for what, secret := range secrets {
		for _, s := range []string{secret, secret + "\x00", "x" + secret, secret[:len(secret)-1], "https://h/v/" + secret, "￥" + secret, strings.Repeat(secret, 9)} {
			name, e1 := venue.ParsePersonName(s)
			id, e2 := venue.ParseIDNumber(s, today)
			phone, e3 := venue.ParsePhone(s)
			_, e4 := venue.ParsePlate(s)
			_, _, e5 := venue.ParseUSCC(s)
			_, e6 := venue.ParseCode(s)
			_, e7 := venue.ParseLink(s, "h")
			_, e8 := venue.ParseDivision(s)
			_, e9 := venue.ParseDay(s)
			_, e10 := venue.ParsePersonKey(s)
			_, e11 := venue.ParseTitle("name", s, 1, 2)
			for _, err := range []error{e1, e2, e3, e4, e5, e6, e7, e8, e9, e10, e11} {
				o.maybe("reading of "+what, err)
			}
			o.value("what is read of "+what, []any{name, id, phone, venue.Identity{Name: name, ID: id}, venue.ParseHealth(s), venue.ParseDecision(s)})
		}
	}
	o.value("scan", venue.Scan{Person: []byte("sealed")})
	o.value("scope", venue.Scope{})
}

// scans: the door's service with a memory that is gone.
func scans(o *out) {
	w := newWorld(o)
	_, person := w.registered(0)
	service := checkins(w)
	request := checkin.Request{Person: person, Code: w.door, RequestID: "one", Companions: []venue.Identity{identity(o, 1), identity(o, 2)}}
	o.value("request", request)
	prompt, err := service.Checkin(o.Context(), request)
	if err != nil {
		o.Fatal(err)
	}
	o.value("prompt", prompt)
	for name, change := range map[string]func(r *checkin.Request){
		"content":    func(r *checkin.Request) { r.Companions = r.Companions[:1] },
		"twice":      func(r *checkin.Request) { r.Companions[1] = r.Companions[0] },
		"request id": func(r *checkin.Request) { r.RequestID = people[0].Name },
		"code":       func(r *checkin.Request) { r.Code = venue.Code(people[0].IDNumber) },
		"too many":   func(r *checkin.Request) { r.Companions = make([]venue.Identity, 9) },
	} {
		r := request
		r.Companions = append([]venue.Identity{}, request.Companions...)
		change(&r)
		_, err := service.Checkin(o.Context(), r)
		o.failure(name, err)
	}
	recheck := &checkin.Recheck{
		Scans: w.engine, Outcome: store.NewRechecked(w.engine), Health: silent{}, Sealed: w.vault, Doors: w.registry, Alarms: service.Alarms, Clock: clock,
		Tell: func(context.Context, venue.PersonID, venue.Scan, venue.Reading) error { return venue.ErrUnavailable },
	}
	_, _, err = recheck.Run(o.Context(), noon.Add(time.Minute))
	o.maybe("recheck", err)
	w.rows()
	if err := w.engine.Close(); err != nil {
		o.Fatal(err)
	}
	request.RequestID = "two"
	_, err = service.Checkin(o.Context(), request)
	o.failure("a memory that is gone", err)
	_, _, err = recheck.Run(o.Context(), noon.Add(time.Hour))
	o.maybe("recheck of a memory that is gone", err)
}

func checkins(w *world) *checkin.Service {
	return &checkin.Service{
		Doors: w.registry, Health: silent{}, People: w.people, Sealer: w.vault, Log: w.engine, Clock: clock, Unknown: func(time.Time) {},
		Alarms: checkin.Alarms{Outbox: silent{}, Officers: w.registry.Officers, Clock: clock},
		Policy: checkin.Policy{SentinelYellow: venue.Hold, Companions: 5, Words: miniapp.Words(func(venue.Division, venue.Health) []string { return nil })},
	}
}

// silent is a service outside that says nothing, and an outbox that is full.
type silent struct{}

func (silent) Colour(context.Context, venue.PersonID) venue.Reading { return venue.Reading{} }
func (silent) Probe(context.Context, venue.PersonID) (venue.Reading, error) {
	return venue.Reading{}, venue.ErrUnavailable
}
func (silent) Post(context.Context, ...venue.Message) error { return venue.ErrUnavailable }

// reports: what is written in chat is read and not repeated.
func reports(o *out) {
	w := newWorld(o)
	for what, secret := range secrets {
		for _, line := range []string{"上报 12 " + secret, secret, "今日 " + secret + " 人次", "上报 " + secret + " 次 3 或 4", "@x " + secret + " 更正 99999999999"} {
			c := daily.Parse(daily.Line{Text: line, Robot: []string{"x"}, Own: []string{"青禾市民中心"}})
			o.value("command of a line with a "+what, c)
		}
	}
	service, reporting := w.reports()
	account := venue.ChatAccount{Channel: venue.ChannelWeComApp, ID: "s001"}
	submit := func(where string, unit venue.UnitID, kind venue.EntryKind, n int) {
		r, err := service.Report(o.Context(), daily.Submission{Unit: unit, By: account, Message: where, Kind: kind, Count: n, At: noon, Sent: noon})
		o.maybe(where, err)
		o.value(where, r)
	}
	submit("report", "u1", venue.EntryReport, 3)
	submit("range", "u1", venue.EntryReport, -1)
	submit("unit", "nobody", venue.EntryReport, 3)
	submit("confirmation", "u1", venue.EntryConfirm, 0)
	_, err := service.Withdraw(o.Context(), "u1", account, "w", noon.Add(time.Hour))
	o.failure("withdrawal", err)
	w.rows()
	_ = w.engine.Close()
	submit("a memory that is gone", "u1", venue.EntryReport, 3)
	stages := &daily.Stages{Service: service, Directory: w.registry, Log: reporting}
	_, _, err = stages.Run(o.Context(), noon.Add(8*time.Hour))
	o.failure("stages", err)
}

type arrived struct{}

func (arrived) Waiting(context.Context, []venue.Span, time.Time) ([]string, error) { return nil, nil }

// configuration: whoever writes a secret where it does not belong, or what is
// not YAML around it, reads a fault and not the secret.
func configuration(o *out) {
	dir := o.TempDir()
	load := func(where, text string, env ...string) *configs.Config {
		c, err := configs.LoadBytes(filepath.Join(dir, "venue.yaml"), []byte(text), env)
		if err != nil {
			o.text(where, fmt.Appendf(nil, "%v %#v", err, err))
		}
		return c
	}
	var options []string
	var defaults yaml.Node
	if err := yaml.Unmarshal(configs.DefaultYAML(), &defaults); err != nil {
		o.Fatal(err)
	}
	var walk func(path string, n *yaml.Node)
	walk = func(path string, n *yaml.Node) {
		if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
			options = append(options, strings.TrimPrefix(path, "."))
			return
		}
		for i := 0; i < len(n.Content); i += 2 {
			walk(path+"."+n.Content[i].Value, n.Content[i+1])
		}
	}
	walk("", defaults.Content[0])
	if len(options) < 40 {
		o.Fatalf("only %d options", len(options))
	}
	value := func(path, v string) string { // as YAML
		parts := strings.Split(path, ".")
		var b strings.Builder
		for i, p := range parts {
			b.WriteString(strings.Repeat("  ", i) + p + ":")
			if i+1 < len(parts) {
				b.WriteString("\n")
			}
		}
		return b.String() + " " + v + "\n"
	}
	held := []string{appSecret, aesKey, webhook, storeURI, privateKey, password, people[0].IDNumber}
	for i, option := range options {
		secret := held[i%len(held)]
		quoted := fmt.Sprintf("%q", secret)
		for _, v := range []string{
			quoted, "[" + quoted + "]", "{" + quoted + ": x}", "{a: " + quoted + "}", "env:" + secret, `"file:` + secret + `"`,
		} {
			load(option+" with "+v[:1], value(option, v))
		}
		load("variable of "+option, "", "VENUECODE_"+strings.ToUpper(strings.ReplaceAll(option, ".", "__"))+"="+secret)
		load("test with "+option, "test: true\n"+value(option, quoted))
	}
	file := filepath.Join(dir, "secret")
	if err := os.WriteFile(file, []byte(appSecret+"\n"), 0o600); err != nil {
		o.Fatal(err)
	}
	for _, secret := range held {
		for _, broken := range []string{
			`"` + secret, "'" + secret, "*" + secret, "&" + secret + " x", "!" + secret + " x", "|\n" + secret, "{" + secret, "[" + secret, "\t" + secret, "- " + secret,
			secret + "\n  " + secret + ": " + secret, ">" + secret, "%" + secret, "@" + secret, "`" + secret, secret + ": " + secret, "!!int " + secret, "!!binary " + secret, "*a\n  b: &a " + secret,
			"x\n  secret: " + secret, "file:" + file + "\n  secrt: " + secret,
		} {
			load("broken", "wechat:\n  secret: "+broken+"\n")
		}
		load("a name", secret+": x\n")
		load("a name in a section", "wechat:\n  "+secret+": x\n")
		load("a name twice", "wechat:\n  "+secret+": x\n  "+secret+": y\n")
		load("a variable", "", "VENUECODE_X="+secret)
	}
	good := load("good", "test: true\nhost: 127.0.0.1:1\ndivision: \"419981\"\nstore: "+storeURI+"\nwechat: {app_id: wx0123456789abcdef, secret: "+appSecret+"}\n"+
		"wecom: {corp_id: ww0123456789abcdef, agent_id: \"1\", secret: "+appSecret+", app: {token: abc, encoding_aes_key: "+aesKey+"}}\n"+
		"health: {base: \"http://127.0.0.1:1\", credential: \""+token+"\"}\naudit: {push: {url: \"https://h.example.org/audit\", secret: "+appSecret+"}}\nconsent: {operator: 甲, contact: 乙}\n")
	if good == nil {
		o.Fatal("the good one is none")
	}
	o.value("configuration", good)
	o.value("configuration", *good)
	_, err := configs.LoadBytes("venue.yaml", []byte("wechat: {secret: "+appSecret+"}\nstore: "+storeURI+"\n"), nil)
	o.failure("faults", err)
	_, err = configs.Load(filepath.Join(dir, "absent.yaml"), nil)
	o.failure("absent", err)
	o.value("secret", configs.NewSecret(appSecret))
}

// jobs: what a job says, its log says; the rest is times.
func jobs(o *out) {
	dir := o.TempDir()
	c := must[*schedule.Clock](o)(schedule.NewClock(0, noon, filepath.Join(dir, "clock"), clock))
	r := schedule.NewRunner(schedule.Options{Clock: c, Log: o.log, Metrics: o.metrics})
	r.Add(broken{})
	_, err := r.MoveTo(o.Context(), noon.Add(-time.Hour))
	o.failure("backwards", err)
	o.panics("move", func() { _, err = r.Advance(o.Context(), time.Minute) })
	o.maybe("move", err)
	o.logged("job failed")
}

type broken struct{}

func (broken) Name() string                                  { return "broken" }
func (broken) Next(context.Context) (time.Time, bool, error) { return noon, true, nil }
func (broken) Run(context.Context, time.Time) (schedule.Result, error) {
	return schedule.Result{}, errors.New("it is broken")
}
