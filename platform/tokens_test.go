package platform

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/internal/canary"
	"github.com/venuecode/venuecode/internal/mongotest"
	"github.com/venuecode/venuecode/internal/sim"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/store/mongo"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/venue"
)

// hand is a clock that stands until moved.
type hand struct{ ms atomic.Int64 }

func (h *hand) Now() time.Time { return time.UnixMilli(h.ms.Load()) }

func (h *hand) pass(d time.Duration) { h.ms.Add(d.Milliseconds()) }

// outside is the simulators, and what was fetched from them.
type outside struct {
	*hand
	keys  sim.Keys
	url   string
	first chan struct{} // if there is one, the next fetch is answered when it is closed

	mu      sync.Mutex
	fetched map[string]int // app → fetches
	tokens  map[string]string
}

func newOutside(t *testing.T) *outside {
	t.Helper()
	o := &outside{hand: &hand{}, fetched: map[string]int{}, tokens: map[string]string{}}
	o.ms.Store(1652855400_000)
	s, err := sim.New(sim.Options{Civil: o, Machine: o})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.App().Listener(l) }()
	to, _ := url.Parse("http://" + l.Addr().String())
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ModifyResponse = o.note
	front := httptest.NewServer(proxy)
	t.Cleanup(func() {
		front.Close()
		_ = s.Close()
		_ = s.App().Shutdown()
	})
	o.keys, o.url = s.Keys(), front.URL
	if err := Install(HTTP{Base: front.URL}); err != nil {
		t.Fatal(err)
	}
	return o
}

// note counts the fetches.
func (o *outside) note(r *http.Response) error {
	app, ok := map[string]string{"/cgi-bin/stable_token": "wechat", "/cgi-bin/gettoken": "wecom"}[r.Request.URL.Path]
	if !ok {
		return nil
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(r.Body); err != nil {
		return err
	}
	r.Body = struct {
		*bytes.Reader
		closer
	}{Reader: bytes.NewReader(b.Bytes())}
	var answer struct {
		Token string `json:"access_token"`
	}
	_ = json.Unmarshal(b.Bytes(), &answer)
	o.mu.Lock()
	o.fetched[app]++
	o.tokens[fmt.Sprintf("token %d of %s", len(o.tokens), app)] = answer.Token
	hold := o.first
	o.first = nil
	o.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return nil
}

type closer struct{}

func (closer) Close() error { return nil }

func (o *outside) fetches(app string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.fetched[app]
}

func (o *outside) holdNext() (release func()) {
	hold := make(chan struct{})
	o.mu.Lock()
	o.first = hold
	o.mu.Unlock()
	return sync.OnceFunc(func() { close(hold) })
}

// expire has the platforms forget their tokens.
func (o *outside) expire(t *testing.T) {
	t.Helper()
	for _, app := range []string{"wechat", "wecom"} {
		r, err := http.Post(o.url+"/sim/tokens/expire", "application/json", strings.NewReader(`{"app":"`+app+`"}`))
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("tokens of %s do not expire: %v", app, err)
		}
		_ = r.Body.Close()
	}
}

// process is what one process has of the platforms.
type process struct {
	calls map[string]func(context.Context) error // app → a call that needs its token
}

func (o *outside) process(t *testing.T, docs store.Documents, keys string) *process {
	t.Helper()
	v, err := vault.Open(keys, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tokens := NewTokens(docs, v, o)
	wx, err := NewWeChat(WeChatConfig{AppID: o.keys.Wechat.AppID, Secret: o.keys.Wechat.Secret, Tokens: tokens})
	if err != nil {
		t.Fatal(err)
	}
	wc, err := NewWeCom(WeComConfig{CorpID: o.keys.WeCom.CorpID, Secret: o.keys.WeCom.Secret, AgentID: o.keys.WeCom.AgentID, Tokens: tokens})
	if err != nil {
		t.Fatal(err)
	}
	nobody := openID(t)
	return &process{map[string]func(context.Context) error{
		// Nobody has that openid: the token was good.
		"wechat": func(ctx context.Context) error {
			err := wx.Subscribe(ctx, Message{To: nobody, Template: "t"})
			if e := (*Error)(nil); errors.As(err, &e) && e.Kind == Gone {
				return nil
			}
			return err
		},
		"wecom": func(ctx context.Context) error { return wc.SendApp(ctx, "wanglei", "今日未上报") },
	}}
}

// only is the process with one app.
func (p *process) only(app string) *process {
	return &process{map[string]func(context.Context) error{app: p.calls[app]}}
}

// together has twenty callers in every process make a call of every app.
func together(t *testing.T, processes ...*process) {
	t.Helper()
	var all sync.WaitGroup
	for _, p := range processes {
		for app, call := range p.calls {
			for range 20 {
				all.Go(func() {
					if err := call(t.Context()); err != nil {
						t.Errorf("%s: %v", app, err)
					}
				})
			}
		}
	}
	all.Wait()
}

func embeddedStore(t *testing.T) *embedded.Engine {
	t.Helper()
	e, err := embedded.Open(embedded.Options{Dir: filepath.Join(t.TempDir(), "store"), Schemas: store.Schemas})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func TestProcessesShareOneFetch(t *testing.T) {
	engines := map[string]func(t *testing.T) (first, second store.Documents){
		"embedded": func(t *testing.T) (first, second store.Documents) {
			e := embeddedStore(t)
			return e, e
		},
		"mongo": func(t *testing.T) (first, second store.Documents) {
			uri := mongotest.Start(t).URI()
			open := func() store.Documents {
				e, err := mongo.Open(t.Context(), mongo.Options{
					URI: uri, Schemas: []store.Schema{store.PlatformTokens}, Machine: venue.ClockFunc(time.Now), AllowStandalone: true, FullIndexes: true,
				})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = e.Close() })
				return e
			}
			return open(), open()
		},
	}
	for name, open := range engines {
		t.Run(name, func(t *testing.T) {
			first, second := open(t)
			o, keys := newOutside(t), t.TempDir()
			a, b := o.process(t, first, keys), o.process(t, second, keys)
			want := 0
			fetchedOnce := func(what string) {
				t.Helper()
				want++
				for app := range a.calls {
					if n := o.fetches(app); n != want {
						t.Errorf("%s: %d fetches of %s, want %d", what, n, app, want)
					}
				}
			}
			together(t, a, b)
			fetchedOnce("at first")

			o.pass(2*time.Hour + time.Second)
			together(t, a, b)
			fetchedOnce("when they had expired")

			o.expire(t)
			together(t, a, b)
			fetchedOnce("when they were refused")

			o.expire(t) // and the first to notice is alone
			for app, call := range a.calls {
				if err := call(t.Context()); err != nil {
					t.Errorf("%s: %v", app, err)
				}
			}
			together(t, b, o.process(t, second, keys))
			fetchedOnce("when one had replaced them")

			// WeCom gives the same token until its end, of which the SDK takes off
			// 25 minutes.
			o.pass(time.Hour + 45*time.Minute)
			together(t, a, b)
			o.pass(30 * time.Second)
			together(t, a, b)
			if n := o.fetches("wecom"); n != want+1 {
				t.Errorf("%d fetches of a token about to expire, want 1", n-want)
			}

			rows, finder := 0, canary.NewFinder(o.tokens)
			for d, err := range first.Find(t.Context(), store.PlatformTokens.Name, store.Query{}) {
				if err != nil {
					t.Fatal(err)
				}
				rows++
				if found := finder.Find(d.Body); len(found) > 0 {
					t.Errorf("in the store: %v", found)
				}
			}
			if rows != len(a.calls) {
				t.Errorf("%d tokens in the store", rows)
			}
		})
	}
}

// TestAnotherFetchesWhenOneDies: the first process claims, and is not heard of
// for long.
func TestAnotherFetchesWhenOneDies(t *testing.T) {
	e, o, keys := embeddedStore(t), newOutside(t), t.TempDir()
	if err := Install(HTTP{Base: o.url, Timeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	a, b := o.process(t, e, keys), o.process(t, e, keys)
	release := o.holdNext()
	defer release()
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- a.calls["wecom"](t.Context()) }()
	for o.fetches("wecom") == 0 {
		time.Sleep(time.Millisecond)
	}
	go func() { second <- b.calls["wecom"](t.Context()) }()
	select {
	case err := <-second:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(5 * lookEvery):
	}
	if n := o.fetches("wecom"); n != 1 {
		t.Fatalf("%d fetches while one is under way", n)
	}
	o.pass(fetchWithin)
	if err := <-second; err != nil {
		t.Fatal(err)
	}
	row := func() int64 {
		d, err := e.Get(t.Context(), store.PlatformTokens.Name, "wecom:"+o.keys.WeCom.CorpID+":"+o.keys.WeCom.AgentID)
		if err != nil {
			t.Fatal(err)
		}
		return d.Rev
	}
	rev := row()
	release() // it lives
	if err := <-first; err != nil {
		t.Error(err)
	}
	if now := row(); now != rev {
		t.Errorf("it wrote over what had been fetched since: revision %d, was %d", now, rev)
	}
	together(t, a.only("wecom"), b.only("wecom"))
	if n := o.fetches("wecom"); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}
}

// cut is a store that fails at one call and from then on: before it has done it,
// or after.
type cut struct {
	store.Documents
	left  int
	after bool
}

func cutCall[T any](c *cut, call func() (T, error)) (none T, err error) {
	c.left--
	if c.left < 0 && !(c.left == -1 && c.after) {
		return none, venue.ErrUnavailable
	}
	v, err := call()
	if c.left == -1 {
		return none, venue.ErrUnavailable
	}
	return v, err
}

func (c *cut) Get(ctx context.Context, collection, id string) (store.Document, error) {
	return cutCall(c, func() (store.Document, error) { return c.Documents.Get(ctx, collection, id) })
}

func (c *cut) Insert(ctx context.Context, collection, id string, body bson.Raw) error {
	_, err := cutCall(c, func() (struct{}, error) { return struct{}{}, c.Documents.Insert(ctx, collection, id, body) })
	return err
}

func (c *cut) Replace(ctx context.Context, collection string, d store.Document) (int64, error) {
	return cutCall(c, func() (int64, error) { return c.Documents.Replace(ctx, collection, d) })
}

// TestTheStoreIsCutOff: at each call of the first process. It has a token all
// the same, and the next process is not kept from one.
func TestTheStoreIsCutOff(t *testing.T) {
	for calls := range 5 { // get, insert, get, claim, keep
		for _, after := range []bool{false, true} {
			e, o, keys := embeddedStore(t), newOutside(t), t.TempDir()
			a := o.process(t, &cut{e, calls, after}, keys).only("wecom")
			b := o.process(t, e, keys).only("wecom")
			together(t, a)
			if n := o.fetches("wecom"); n != 1 {
				t.Errorf("cut at call %d: %d fetches, want 1", calls, n)
			}
			ended := make(chan struct{})
			go func() { together(t, b); close(ended) }()
			for waiting := true; waiting; {
				select {
				case <-ended:
					waiting = false
				case <-time.After(lookEvery):
					o.pass(fetchWithin)
				}
			}
			if n := o.fetches("wecom"); n > 2 {
				t.Errorf("cut at call %d: %d fetches, want 2 at most", calls, n)
			}
		}
	}
}

func TestATokenSealedUnderOtherKeysIsReplaced(t *testing.T) {
	e, o := embeddedStore(t), newOutside(t)
	together(t, o.process(t, e, t.TempDir()))
	keys := t.TempDir()
	together(t, o.process(t, e, keys), o.process(t, e, keys))
	if n := o.fetches("wecom"); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}
}

// TestAFailedFetchLetsTheNextTry: a claim that came to nothing keeps nobody.
func TestAFailedFetchLetsTheNextTry(t *testing.T) {
	f, e := newFar(t), embeddedStore(t)
	call := func() error {
		wx, err := NewWeChat(WeChatConfig{AppID: "wx1", Secret: canarySecret, Tokens: NewTokens(e, seals{}, venue.ClockFunc(time.Now))})
		if err != nil {
			t.Fatal(err)
		}
		return wx.Subscribe(t.Context(), Message{To: openID(t)})
	}
	good := f.routes[stableToken]
	f.says(subscribing, `{"errcode":0}`)
	f.says(stableToken, `{"errcode":-1}`)
	begun := time.Now()
	wantKind(t, call(), Down, -1)
	f.on(stableToken, good)
	if err := call(); err != nil || time.Since(begun) > fetchWithin/2 {
		t.Errorf("after %s: %v", time.Since(begun), err)
	}
}

// seals is a vault that does not.
type seals struct{}

func (seals) Seal(_ string, b []byte) ([]byte, error) { return b, nil }

func (seals) Open(_ string, b []byte) ([]byte, error) { return b, nil }
