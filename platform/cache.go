package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/silenceper/wechat/v2/credential"
	"golang.org/x/sync/singleflight"

	"github.com/venuecode/venuecode/venue"
)

// Cache keeps access tokens. Memory serves one process; processes that share
// one spare the platforms a fetch each. A Cache that fails is an empty one.
type Cache interface {
	// Get gives what was Set less than its ttl ago.
	Get(key string) (value string, ok bool)
	// Set replaces the value; nothing is kept for ttl ≤ 0.
	Set(key, value string, ttl time.Duration)
	// Delete forgets the value; forgetting twice is harmless.
	Delete(key string)
}

// Memory is a Cache in this process. The SDK's own reads its map without the
// lock and takes the process down.
type Memory struct {
	clock venue.Clock
	mu    sync.Mutex
	m     map[string]entry
}

type entry struct {
	value   string
	expires time.Time
}

// NewMemory makes an empty cache. The clock is the machine's, since platforms
// expire tokens in real time.
func NewMemory(clock venue.Clock) *Memory {
	return &Memory{clock: clock, m: make(map[string]entry)}
}

// Format keeps the tokens out of any print.
func (c *Memory) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "platform.Memory(…)") }

// Get implements Cache.
func (c *Memory) Get(key string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.m[key]
	if !ok || !c.clock.Now().Before(e.expires) {
		return "", false
	}
	return e.value, true
}

// Set implements Cache.
func (c *Memory) Set(key, value string, ttl time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ttl <= 0 {
		delete(c.m, key)
		return
	}
	c.m[key] = entry{value, c.clock.Now().Add(ttl)}
}

// Delete implements Cache.
func (c *Memory) Delete(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.m, key)
}

// sdkCache shows a Cache to the SDK, which wants a Go string or nil back.
type sdkCache struct{ Cache }

func (c sdkCache) Get(key string) any {
	if v, ok := c.Cache.Get(key); ok {
		return v
	}
	return nil
}

func (c sdkCache) Set(key string, v any, ttl time.Duration) error {
	// An answer without a token must not be remembered as one.
	if s, _ := v.(string); s != "" {
		c.Cache.Set(key, s, ttl)
	}
	return nil
}

func (c sdkCache) IsExist(key string) bool { _, ok := c.Cache.Get(key); return ok }

func (c sdkCache) Delete(key string) error { c.Cache.Delete(key); return nil }

// tokens is the access token of one app. The SDK's source fetches under a lock
// that knows no deadline, so with a platform down its callers would fail one
// timeout after the other; here they share one fetch and its outcome.
type tokens struct {
	service service
	source  credential.AccessTokenContextHandle
	cache   Cache
	key     string // the SDK's name for the token in the cache
	flight  singleflight.Group
	mu      sync.Mutex // makes drop's compare-and-delete one step
}

// GetAccessToken implements the SDK's handle for calls without a context.
func (t *tokens) GetAccessToken() (string, error) {
	return t.GetAccessTokenContext(context.Background())
}

// GetAccessTokenContext gives the cached token or fetches one. Every error is
// an *Error with Op "token".
func (t *tokens) GetAccessTokenContext(ctx context.Context) (string, error) {
	if s, ok := t.cache.Get(t.key); ok {
		return s, nil
	}
	// The fetch outlives a caller who leaves, for the others; the transport ends it.
	flight := t.flight.DoChan("", func() (any, error) {
		return t.source.GetAccessTokenContext(context.WithoutCancel(ctx))
	})
	select {
	case r := <-flight:
		if r.Err != nil {
			return "", t.service.fail("token", r.Err)
		}
		if r.Val == "" {
			return "", &Error{Service: t.service.name, Op: "token", Kind: Down, Why: "unreadable answer"}
		}
		return r.Val.(string), nil
	case <-ctx.Done():
		return "", t.service.fail("token", ctx.Err())
	}
}

// do runs call, and once more with a fresh token if the platform has forgotten
// the present one, which no SDK notices. call uses t through its SDK object.
func (t *tokens) do(ctx context.Context, op string, call func() error) error {
	// Most of the SDK's calls take no context; at least none begins too late.
	if err := ctx.Err(); err != nil {
		return t.service.fail(op, err)
	}
	used, err := t.GetAccessTokenContext(ctx)
	if err != nil {
		return err
	}
	err = t.service.fail(op, call())
	var e *Error
	if errors.As(err, &e) && e.Op != "token" && t.service.stale(e.Code) {
		t.drop(used)
		err = t.service.fail(op, call())
	}
	return err
}

// drop forgets a refused token, unless somebody has replaced it already.
func (t *tokens) drop(used string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now, ok := t.cache.Get(t.key); ok && now == used {
		t.cache.Delete(t.key)
	}
}
