package leak

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/internal/canary"
	"github.com/venuecode/venuecode/internal/city"
	"github.com/venuecode/venuecode/venue"
)

// The values that must stay inside. Numbers pass every check; nobody has them.
var (
	people = func() []city.Resident {
		p := city.People("419981", 3, 7)
		for i, name := range []string{"欧阳丹砂", "司马青黛", "诸葛朱鹮"} {
			p[i].Name = name
		}
		return p
	}()

	openid                = "oK3nArYoPeNiD7f2Qx9LmZtVwB5c"
	loginCode             = "0cAnArYlOgInCoDe3v8Jq5Rt1Xb6"
	token                 = "c4n4rySessionTokenUx7Yp2Kd9Wm3Hs6Fq1Nz8Lb5Vr"
	appSecret             = "9f3c5ad17e0b48c26d91be7403fa2c58"
	accessKey             = "57_cAnArYaCcEsSkEn8dFj3Lq0WzXv6TbYh2Rm"
	webhook               = "7c1de0a9-4b52-4f83-9a66-c0ffee31d2b7"
	aesKey                = "cAnArYaEsKeY5Rt8Uj2Wq6Zx1Cv4Bn7Mk9Lp3HdF0Gs"
	phoneKey              = base64.StdEncoding.EncodeToString([]byte("canary-phone-key-of-32-bytes-017"))
	password              = "canary Passphrase 7 麒麟"
	totpSecret            = "JBKFAZLSNNZGC3TBOJ4XI33UOBZWKY3S"
	storeURI              = "mongodb://venue:cAnArY-uRi-pAsSwOrD-52@db.example.org/venue"
	uriSecret             = "cAnArY-uRi-pAsSwOrD-52"
	sinkPath              = "cAnArYsInKpAtHtOkEn83"
	privateKey, publicKey = func() (string, string) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		private, err1 := x509.MarshalPKCS8PrivateKey(key)
		public, err2 := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err := errors.Join(err1, err2); err != nil {
			panic(err)
		}
		return base64.StdEncoding.EncodeToString(private), base64.StdEncoding.EncodeToString(public)
	}()
)

// secrets are all of them by what they are.
var secrets = func() map[string]string {
	all := map[string]string{
		"openid": openid, "login code": loginCode, "session token": token, "AppSecret": appSecret, "access token": accessKey,
		"webhook key": webhook, "EncodingAESKey": aesKey, "phone key": phoneKey, "password": password, "TOTP secret": totpSecret,
		"store URI": storeURI, "password of the store": uriSecret, "address of a sink": sinkPath, "RSA key": privateKey[1000:1060],
	}
	for i, p := range people {
		all[fmt.Sprint("name ", i)], all[fmt.Sprint("ID number ", i)], all[fmt.Sprint("phone ", i)] = p.Name, p.IDNumber, p.Phone
	}
	return all
}()

var finder = sync.OnceValue(func() *canary.Finder { return canary.NewFinder(secrets) })

// noon is when everything here happens, on either clock.
var (
	noon  = time.Date(2022, 10, 12, 4, 0, 0, 0, time.UTC)
	clock = venue.ClockFunc(func() time.Time { return noon })
)

// out collects what could be seen outside.
type out struct {
	*testing.T
	log     *slog.Logger
	metrics *prometheus.Registry

	mu    sync.Mutex
	seen  []sighting
	lines lines
	std   *os.File
}

type sighting struct {
	where string
	bytes []byte
}

type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// newOut also stands in for the process's own outputs until the test ends.
func newOut(t *testing.T) *out {
	t.Helper()
	o := &out{T: t, metrics: prometheus.NewRegistry()}
	all := &slog.HandlerOptions{Level: slog.LevelDebug}
	o.log = slog.New(both{slog.NewTextHandler(&o.lines, all), slog.NewJSONHandler(&o.lines, all)})
	var err error
	if o.std, err = os.CreateTemp(t.TempDir(), "std"); err != nil {
		t.Fatal(err)
	}
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = o.std, o.std
	log.SetOutput(o.std)
	t.Cleanup(func() {
		os.Stdout, os.Stderr = stdout, stderr
		log.SetOutput(stderr)
		_ = o.std.Close()
	})
	return o
}

// both writes each record as text and as JSON.
type both struct{ text, json slog.Handler }

func (b both) Enabled(context.Context, slog.Level) bool { return true }
func (b both) Handle(ctx context.Context, r slog.Record) error {
	return errors.Join(b.text.Handle(ctx, r.Clone()), b.json.Handle(ctx, r))
}
func (b both) WithAttrs(a []slog.Attr) slog.Handler {
	return both{b.text.WithAttrs(a), b.json.WithAttrs(a)}
}
func (b both) WithGroup(g string) slog.Handler { return both{b.text.WithGroup(g), b.json.WithGroup(g)} }

// text notes bytes as they are.
func (o *out) text(where string, b []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, sighting{where, b})
}

// failure notes an error in every form that a caller may give it, down its
// chain. It must be one.
func (o *out) failure(where string, err error) {
	o.Helper()
	if err == nil {
		o.Errorf("%s: no error", where)
		return
	}
	o.maybe(where, err)
}

// maybe is failure where success is as good.
func (o *out) maybe(where string, err error) {
	if err == nil {
		return
	}
	o.text(where, []byte(err.Error()))
	o.value(where, err)
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		o.maybe(where+", unwrapped", e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			o.maybe(where+", unwrapped", err)
		}
	}
}

// value notes a value as prints, logs and encodings show it.
func (o *out) value(where string, v any) {
	o.printed(where, v)
	o.form(where+" as XML", func() ([]byte, error) { return xml.Marshal(v) })
	o.form(where+" as BSON", func() ([]byte, error) { return bson.Marshal(bson.M{"v": v}) })
	o.form(where+" as gob", func() ([]byte, error) {
		var b bytes.Buffer
		err := gob.NewEncoder(&b).Encode(v)
		return b.Bytes(), err
	})
}

func (o *out) form(where string, f func() ([]byte, error)) {
	o.panics(where, func() {
		b, err := f()
		if err != nil {
			b = append(b, err.Error()...)
		}
		o.text(where, b)
	})
}

// printed is value for a package's settings, which hold secrets for it in clear:
// a slip may print or log them, nobody stores them.
func (o *out) printed(where string, v any) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		o.form(where+" as "+verb, func() ([]byte, error) { return fmt.Appendf(nil, verb, v), nil })
	}
	o.form(where+" as JSON", func() ([]byte, error) { return json.Marshal(v) })
	o.log.Info("value", "v", v, slog.Group("g", "v", v))
}

// panics notes the value of a panic, if f has one.
func (o *out) panics(where string, f func()) {
	defer func() {
		if v := recover(); v != nil {
			o.text(where+", panic", fmt.Appendf(nil, "%v %+v %#v", v, v, v))
		}
	}()
	f()
}

// logged requires that the log has these words: without the lines that a fault
// leaves, it proves nothing.
func (o *out) logged(words ...string) {
	o.Helper()
	for _, w := range words {
		if !o.says(w) {
			o.Errorf("no %q in the log", w)
		}
	}
}

// calm requires that no handler has panicked: one that lacks a part would, and
// what is behind that part would not be driven.
func (o *out) calm() {
	o.Helper()
	if o.says("handler panicked") {
		o.Error("a handler panicked")
	}
}

func (o *out) says(word string) bool {
	o.lines.mu.Lock()
	defer o.lines.mu.Unlock()
	return bytes.Contains(o.lines.b.Bytes(), []byte(word))
}

// leaks is what was found in all that was noted.
func (o *out) leaks() (found []string) {
	o.Helper()
	o.lines.mu.Lock()
	o.text("log", o.lines.b.Bytes())
	o.lines.mu.Unlock()
	page := httptest.NewRecorder()
	promhttp.HandlerFor(o.metrics, promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	o.text("metrics", page.Body.Bytes())
	if _, err := o.std.Seek(0, io.SeekStart); err != nil {
		o.Fatal(err)
	}
	printed, err := io.ReadAll(o.std)
	if err != nil {
		o.Fatal(err)
	}
	o.text("stdout or stderr", printed)
	told := map[string]bool{}
	for _, s := range o.seen {
		for _, what := range finder().Find(s.bytes) {
			line := fmt.Sprintf("%s shows the %s", s.where, what)
			if !told[line] {
				told[line] = true
				found = append(found, line)
			}
		}
	}
	return found
}

// outside is a service that answers as answer does. It notes the addresses and
// headers that it is asked with; Authorization is for it.
func (o *out) outside(answer http.HandlerFunc) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.asked(r)
		answer(w, r)
	}))
	o.Cleanup(s.Close)
	return s
}

func (o *out) asked(r *http.Request) {
	o.text("address", []byte(r.Host+r.URL.String()))
	h := r.Header.Clone()
	h.Del("Authorization")
	var b bytes.Buffer
	_ = h.Write(&b)
	o.text("headers", b.Bytes())
}

// nowhere is an address that nobody answers.
func (o *out) nowhere() string {
	s := httptest.NewServer(nil)
	defer s.Close()
	return s.URL
}

func must[T any](o *out) func(v T, err error) T {
	return func(v T, err error) T {
		o.Helper()
		if err != nil {
			o.Fatal(err)
		}
		return v
	}
}

// TestEveryCollectorSees: what gets out on purpose is found, whichever way.
func TestEveryCollectorSees(t *testing.T) {
	secret := people[0].IDNumber
	hidden := struct{ id string }{secret}
	for name, leak := range map[string]func(o *out){
		"error":         func(o *out) { o.failure("x", errors.New("no "+secret)) },
		"wrapped error": func(o *out) { o.failure("x", quiet{errors.New("no " + secret)}) },
		"joined error": func(o *out) {
			o.failure("x", errors.Join(errors.New("a"), &url.Error{Op: "Get", URL: "http://x/?k=" + secret, Err: io.EOF}))
		},
		"print":          func(o *out) { o.value("x", hidden) },
		"bytes":          func(o *out) { o.value("x", struct{ b []byte }{[]byte(secret)}) },
		"JSON":           func(o *out) { o.value("x", struct{ Name string }{people[0].Name}) },
		"log":            func(o *out) { o.log.Debug("x", "id", secret) },
		"group of a log": func(o *out) { o.log.With("p", hidden).WithGroup("g").Info("x") },
		"panic":          func(o *out) { o.panics("x", func() { panic(secret) }) },
		"stdout":         func(*out) { fmt.Println(secret) },
		"stderr":         func(*out) { fmt.Fprintln(os.Stderr, secret) },
		"standard log":   func(*out) { log.Print(secret) },
		"text":           func(o *out) { o.text("x", []byte(secret)) },
		"metric": func(o *out) {
			c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "x"}, []string{"who"})
			o.metrics.MustRegister(c)
			c.WithLabelValues(secret).Inc()
		},
		"address": func(o *out) { get(o, o.outside(func(http.ResponseWriter, *http.Request) {}).URL+"/?id="+secret, "") },
		"header":  func(o *out) { get(o, o.outside(func(http.ResponseWriter, *http.Request) {}).URL, "http://x/"+secret) },
		"audit row": func(o *out) {
			w := newWorld(o)
			if _, err := w.trail.Append(o.Context(), event(people[0].Name)); err != nil {
				o.Error(err)
			}
			w.rows()
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOut(t)
			leak(o)
			if len(o.leaks()) == 0 {
				t.Error("what got out is not found")
			}
		})
	}
	o := newOut(t)
	o.value("x", errors.New("nothing"))
	if found := o.leaks(); len(found) > 0 {
		t.Errorf("found %v where nothing is", found)
	}
}

// quiet hides what it wraps from every print of itself.
type quiet struct{ error }

func (quiet) Error() string                { return "quiet" }
func (q quiet) Unwrap() error              { return q.error }
func (quiet) Format(f fmt.State, _ rune)   { _, _ = io.WriteString(f, "quiet") }
func (quiet) MarshalText() ([]byte, error) { return []byte("quiet"), nil }

func get(o *out, address, referer string) {
	r := must[*http.Request](o)(http.NewRequest(http.MethodGet, address, strings.NewReader("")))
	r.Header.Set("Referer", referer)
	must[*http.Response](o)(http.DefaultClient.Do(r)).Body.Close()
}
