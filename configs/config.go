package configs

import (
	_ "embed"
	"maps"
	"slices"
	"time"

	"github.com/venuecode/venuecode/venue"
)

//go:embed default.yaml
var defaults []byte

// DefaultYAML is default.yaml: every option, explained, with its default.
func DefaultYAML() []byte { return slices.Clone(defaults) }

// Config is what the platform runs by. default.yaml explains each option; the
// tags here hold its name, its range (both ends allowed) and its words.
type Config struct {
	Test           bool     `koanf:"test"`
	Host           string   `koanf:"host"`
	Division       string   `koanf:"division"`
	DivisionsFile  string   `koanf:"divisions"` // absolute once loaded
	Listen         string   `koanf:"listen"`
	OpsListen      string   `koanf:"ops_listen"`
	TrustedProxies []string `koanf:"trusted_proxies" count:"0..64"`
	DataDir        string   `koanf:"data_dir"` // absolute once loaded
	KeysDir        string   `koanf:"keys_dir"` // absolute once loaded
	Store          Secret   `koanf:"store" literal:"public"`
	Log            Log      `koanf:"log"`

	PlatformsBase  string         `koanf:"platforms_base"`
	WeChat         WeChat         `koanf:"wechat"`
	ServiceAccount ServiceAccount `koanf:"service_account"`
	WeCom          WeCom          `koanf:"wecom"`
	Alipay         Alipay         `koanf:"alipay"`
	Health         Health         `koanf:"health"`

	Scan         Scan              `koanf:"scan"`
	Consent      Consent           `koanf:"consent"`
	Advice       Advice            `koanf:"advice"`
	Reports      Reports           `koanf:"reports"`
	Notify       Notify            `koanf:"notify"`
	DomainChecks map[string]string `koanf:"domain_checks"` // file name → content

	Vault     Vault     `koanf:"vault"`
	Retention Retention `koanf:"retention"`
	Audit     Audit     `koanf:"audit"`
	Officials Officials `koanf:"officials"`
	Register  Register  `koanf:"register"`
	Apply     Apply     `koanf:"apply"`
	Limits    Limits    `koanf:"limits"`

	Divisions *venue.Divisions // no option: the shipped list with DivisionsFile's
}

// Embedded tells whether the store is the embedded engine rather than a
// MongoDB URI.
func (c *Config) Embedded() bool { return c.Store.Reveal() == embedded }

const embedded = "embedded"

// Log is how much is written.
type Log struct {
	Level string `koanf:"level" oneof:"debug|info|warn|error"`
}

// WeChat is the WeChat mini-program; off while AppID is empty.
type WeChat struct {
	AppID  string `koanf:"app_id"`
	Secret Secret `koanf:"secret"`
}

// ServiceAccount is the WeChat service account; off while AppID is empty.
type ServiceAccount struct {
	AppID          string `koanf:"app_id"`
	Secret         Secret `koanf:"secret"`
	Token          Secret `koanf:"token"`
	EncodingAESKey Secret `koanf:"encoding_aes_key"`
}

// WeCom is the corp, its app and its robot; off while CorpID is empty.
type WeCom struct {
	CorpID  string   `koanf:"corp_id"`
	AgentID string   `koanf:"agent_id"`
	Secret  Secret   `koanf:"secret"`
	App     Callback `koanf:"app"`
	Robot   Robot    `koanf:"robot"`
}

// Callback opens and seals the messages of one WeCom callback.
type Callback struct {
	Token          Secret `koanf:"token"`
	EncodingAESKey Secret `koanf:"encoding_aes_key"`
}

// Robot is the smart robot; off while Token is empty.
type Robot struct {
	Token          Secret   `koanf:"token"`
	EncodingAESKey Secret   `koanf:"encoding_aes_key"`
	Names          []string `koanf:"names" count:"1..8"`
}

// Alipay is the Alipay mini-program; off while AppID is empty.
type Alipay struct {
	AppID           string `koanf:"app_id"`
	PrivateKey      Secret `koanf:"private_key"`
	AlipayPublicKey Secret `koanf:"alipay_public_key"`
	PhoneKey        Secret `koanf:"phone_key"`
	Gateway         string `koanf:"gateway"`
}

// Health is the province's health-code service (rules: ≤ 300 ms, a colour is
// re-used ≤ 15 s, held scans are re-checked ≤ 60 s).
type Health struct {
	Base        string        `koanf:"base"`
	Credential  Secret        `koanf:"credential"`
	Timeout     time.Duration `koanf:"timeout" range:"10ms..300ms"`
	Reuse       time.Duration `koanf:"reuse" range:"0s..15s"`
	BreakerOpen time.Duration `koanf:"breaker_open" range:"100ms..2s"`
}

// Scan is the policy at a door.
type Scan struct {
	Reply          time.Duration `koanf:"reply" range:"100ms..800ms"`
	Companions     int           `koanf:"companions" range:"0..5"`
	SentinelYellow string        `koanf:"sentinel_yellow" oneof:"restrict|hold|refuse"` // a venue.Decision's word
}

// Consent is the notice that residents agree to.
type Consent struct {
	Version  string `koanf:"version"`
	Operator string `koanf:"operator"`
	Contact  string `koanf:"contact"`
	Text     string `koanf:"text"` // placeholders filled in once loaded
}

// Advice is what people are told to do, by colour.
type Advice struct {
	Default   Texts            `koanf:"default"`
	Divisions map[string]Texts `koanf:"divisions"` // division code → the colours that differ
}

// Texts are sentences per colour.
type Texts struct {
	Green   []string `koanf:"green" count:"0..6"`
	Yellow  []string `koanf:"yellow" count:"0..6"`
	Red     []string `koanf:"red" count:"0..6"`
	Unknown []string `koanf:"unknown" count:"0..6"`
}

func (t Texts) of(h venue.Health) []string {
	switch h {
	case venue.HealthGreen:
		return t.Green
	case venue.HealthYellow:
		return t.Yellow
	case venue.HealthRed:
		return t.Red
	}
	return t.Unknown
}

// For is the advice for a colour in a division (6, 9 or 12 digits): that of the
// narrowest division that has some for the colour, else the default.
func (a Advice) For(division string, h venue.Health) []string {
	for _, code := range widening(division) {
		if lines := a.Divisions[code].of(h); len(lines) > 0 {
			return lines
		}
	}
	return a.Default.of(h)
}

// widening lists the division and those around it: village, township, county,
// city, province.
func widening(division string) []string {
	var codes []string
	for _, n := range []int{12, 9, 6} {
		if len(division) >= n {
			codes = append(codes, division[:n])
		}
	}
	if len(division) >= 6 {
		codes = append(codes, division[:4]+"00", division[:2]+"0000")
	}
	return codes
}

// Reports is the policy of the daily report (rules §3).
type Reports struct {
	Window    string        `koanf:"window" oneof:"deadline|midnight"`
	Deadline  TimeOfDay     `koanf:"deadline"`
	OneTap    TimeOfDay     `koanf:"one_tap"`
	Reminders []TimeOfDay   `koanf:"reminders" count:"0..6"`
	Digest    TimeOfDay     `koanf:"digest"`
	Tolerance Tolerance     `koanf:"tolerance"`
	Withdraw  time.Duration `koanf:"withdraw" range:"0s..10m"`
	Settle    time.Duration `koanf:"settle" range:"0s..2h"`
	Max       int           `koanf:"max" range:"1000..1000000"`
}

// Tolerance is max(Min scans, Percent of the raw count rounded up).
type Tolerance struct {
	Min     int `koanf:"min" range:"0..100"`
	Percent int `koanf:"percent" range:"0..20"`
}

// Notify is when and how insistently word goes out.
type Notify struct {
	RobotPerMinute     int                `koanf:"robot_per_minute" range:"1..19"`
	QuietHours         QuietHours         `koanf:"quiet_hours"`
	Retry              Retry              `koanf:"retry"`
	SubscribeTemplates SubscribeTemplates `koanf:"subscribe_templates"`
}

// QuietHours is [From, To), across midnight if From is the later; equal: none.
type QuietHours struct {
	From TimeOfDay `koanf:"from"`
	To   TimeOfDay `koanf:"to"`
}

// Covers tells whether t is quiet.
func (q QuietHours) Covers(t TimeOfDay) bool {
	if q.From <= q.To {
		return q.From <= t && t < q.To
	}
	return q.From <= t || t < q.To
}

// Retry doubles the wait from First up to Max, until GiveUp has passed.
type Retry struct {
	First  time.Duration `koanf:"first" range:"1s..1m"`
	Max    time.Duration `koanf:"max" range:"10s..1h"`
	GiveUp time.Duration `koanf:"give_up" range:"10m..72h"`
}

// SubscribeTemplates are template ids by kind of message; empty: not sent.
type SubscribeTemplates struct {
	Recheck string `koanf:"recheck"`
}

// Vault is how identities are sealed.
type Vault struct {
	Suite string `koanf:"suite" oneof:"intl|gm"`
}

// Retention is how long things are kept (rules §6), in days where so named.
type Retention struct {
	VisitsDays   int           `koanf:"visits_days" range:"14..60"`
	VaultDays    int           `koanf:"vault_days" range:"30..180"`
	CountsDays   int           `koanf:"counts_days" range:"30..800"`
	MessagesDays int           `koanf:"messages_days" range:"30..800"`
	AuditDays    int           `koanf:"audit_days" range:"180..3650"`
	Idempotency  time.Duration `koanf:"idempotency" range:"24h..168h"`
}

// Audit is where the trail's checkpoints go.
type Audit struct {
	Copy string `koanf:"copy"` // absolute once loaded
	Push Push   `koanf:"push"`
}

// Push is an address that takes checkpoints; off while URL is empty.
type Push struct {
	URL    string `koanf:"url"`
	Secret Secret `koanf:"secret"`
}

// Officials is what an account may do.
type Officials struct {
	RevealsPerDay int `koanf:"reveals_per_day" range:"1..200"`
}

// Register is how places come by their codes.
type Register struct {
	AutoApprove []string `koanf:"auto_approve" count:"0..6" oneof:"organisation|key_place|transit|functional_unit|small_place|other"`
}

// Apply is what people are told who apply for codes, or stand before one.
type Apply struct {
	Hotline  string                       `koanf:"hotline"`
	Channels map[string]map[string]string `koanf:"channels"` // division code → name → address of a page or place
}

// Channel is a way to apply.
type Channel struct{ Name, At string }

// For lists the channels of a division, by name: those of the narrowest one that
// has some; none: this platform alone.
func (a Apply) For(division string) (channels []Channel) {
	for _, code := range widening(division) {
		for _, name := range slices.Sorted(maps.Keys(a.Channels[code])) {
			channels = append(channels, Channel{name, a.Channels[code][name]})
		}
		if len(channels) > 0 {
			break
		}
	}
	return channels
}

// Limits are the largest request bodies, in bytes.
type Limits struct {
	Body Size `koanf:"body" range:"16KiB..256KiB"`
}
