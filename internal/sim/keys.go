package sim

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/venuecode/venuecode/internal/durable"
)

// Keys are the ids and secrets that the product and the platforms share, all
// fictional. Encoding AES keys are 43 characters as the platforms print them;
// RSA keys are bare base64, PKCS #8 and PKIX.
type Keys struct {
	Wechat   MiniProgramKeys   `json:"wechat"`
	Service  ServiceKeys       `json:"service_account"`
	WeCom    WeComKeys         `json:"wecom"`
	Robot    RobotKeys         `json:"robot"`
	Alipay   AlipayKeys        `json:"alipay"`
	Webhooks map[string]string `json:"webhooks"` // group id → webhook key
	Health   string            `json:"health"`   // bearer credential of the health-code service
}

// MiniProgramKeys belong to the WeChat mini-program.
type MiniProgramKeys struct {
	AppID  string `json:"app_id"`
	Secret string `json:"secret"`
}

// ServiceKeys belong to the WeChat service account. Account is its gh_ name.
type ServiceKeys struct {
	AppID   string `json:"app_id"`
	Secret  string `json:"secret"`
	Account string `json:"account"`
	Token   string `json:"token"`
	AESKey  string `json:"aes_key"`
}

// WeComKeys belong to the corporation's own application.
type WeComKeys struct {
	CorpID  string `json:"corp_id"`
	Secret  string `json:"secret"`
	AgentID string `json:"agent_id"`
	Token   string `json:"token"`
	AESKey  string `json:"aes_key"`
}

// RobotKeys belong to the smart robot that is mentioned in groups.
type RobotKeys struct {
	ID     string `json:"id"`
	Token  string `json:"token"`
	AESKey string `json:"aes_key"`
}

// AlipayKeys belong to the Alipay mini-program. The product holds AppPrivate
// and AlipayPublic; the platform holds AppPublic and AlipayPrivate. AESKey is
// the base64 key of content encryption.
type AlipayKeys struct {
	AppID         string `json:"app_id"`
	AppPrivate    string `json:"app_private"`
	AppPublic     string `json:"app_public"`
	AlipayPrivate string `json:"alipay_private"`
	AlipayPublic  string `json:"alipay_public"`
	AESKey        string `json:"aes_key"`
}

// String keeps secrets out of whatever prints a Keys by accident.
func (Keys) String() string { return "sim.Keys{…}" }

// GoString does the same for %#v.
func (k Keys) GoString() string { return k.String() }

// LogValue does the same for slog.
func (k Keys) LogValue() slog.Value { return slog.StringValue(k.String()) }

// NewKeys makes a fresh set, without webhooks: a group gets its webhook key
// when the simulator first hears of it.
func NewKeys(random io.Reader) (Keys, error) {
	g := generator{r: random}
	k := Keys{
		Wechat: MiniProgramKeys{AppID: "wx" + g.hex(8), Secret: g.hex(16)},
		Service: ServiceKeys{
			AppID: "wx" + g.hex(8), Secret: g.hex(16), Account: "gh_" + g.hex(6),
			Token: g.hex(12), AESKey: g.encodingKey(),
		},
		WeCom: WeComKeys{
			CorpID: "ww" + g.hex(8), Secret: g.hex(21), AgentID: "1000002",
			Token: g.hex(12), AESKey: g.encodingKey(),
		},
		Robot: RobotKeys{ID: "aib" + g.hex(12), Token: g.hex(12), AESKey: g.encodingKey()},
		Alipay: AlipayKeys{
			AppID:  "2021" + g.digits(12),
			AESKey: base64.StdEncoding.EncodeToString(g.bytes(16)),
		},
		Webhooks: map[string]string{},
		Health:   g.hex(24),
	}
	k.Alipay.AppPrivate, k.Alipay.AppPublic = g.rsaPair()
	k.Alipay.AlipayPrivate, k.Alipay.AlipayPublic = g.rsaPair()
	if g.err != nil {
		return Keys{}, fmt.Errorf("make platform keys: %w", g.err)
	}
	return k, nil
}

// generator keeps the first error, so that a set of keys reads as a list.
type generator struct {
	r   io.Reader
	err error
}

func (g *generator) bytes(n int) []byte {
	b := make([]byte, n)
	if g.err == nil {
		_, g.err = io.ReadFull(g.r, b)
	}
	return b
}

func (g *generator) hex(n int) string { return hex.EncodeToString(g.bytes(n)) }

func (g *generator) digits(n int) string {
	b := g.bytes(n)
	for i := range b {
		b[i] = '0' + b[i]%10
	}
	return string(b)
}

// encodingKey is 32 bytes in base64 without its one padding character. The
// platforms print keys whose last two bits may be anything; ours are canonical.
func (g *generator) encodingKey() string {
	return strings.TrimSuffix(base64.StdEncoding.EncodeToString(g.bytes(32)), "=")
}

func (g *generator) webhookKey() string {
	h := g.hex(16)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func (g *generator) rsaPair() (private, public string) {
	if g.err != nil {
		return "", ""
	}
	key, err := rsa.GenerateKey(g.r, 2048)
	if err != nil {
		g.err = err
		return "", ""
	}
	pri, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		g.err = err
		return "", ""
	}
	pub, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		g.err = err
		return "", ""
	}
	return base64.StdEncoding.EncodeToString(pri), base64.StdEncoding.EncodeToString(pub)
}

const keysFile = "keys.json"

// openKeys gives the keys to use: those given, else those of the world, else
// new ones. A world remembers them, so that a restart keeps every binding.
func openKeys(given Keys, world string) (Keys, error) {
	k := given
	if k.Wechat.AppID == "" && world != "" {
		b, err := os.ReadFile(filepath.Join(world, keysFile))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return Keys{}, fmt.Errorf("read platform keys: %w", err)
		default:
			if err := json.Unmarshal(b, &k); err != nil {
				return Keys{}, fmt.Errorf("read platform keys: %w", err)
			}
		}
	}
	if k.Wechat.AppID == "" {
		var err error
		if k, err = NewKeys(rand.Reader); err != nil {
			return Keys{}, err
		}
	}
	hooks := map[string]string{}
	for g, key := range k.Webhooks {
		hooks[g] = key
	}
	k.Webhooks = hooks
	return k, saveKeys(k, world)
}

func saveKeys(k Keys, world string) error {
	if world == "" {
		return nil
	}
	b, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return fmt.Errorf("write platform keys: %w", err)
	}
	if err := durable.Replace(filepath.Join(world, keysFile), b, 0o600); err != nil {
		return fmt.Errorf("write platform keys: %w", err)
	}
	return nil
}
