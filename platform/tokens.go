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

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

const (
	// fetchWithin is longer than any fetch: whoever went for a token and has not
	// come back by then is dead, or stands still.
	fetchWithin = DefaultTimeout + 2*time.Second
	// lookEvery is how often it is looked whether the other one has come back.
	lookEvery = 100 * time.Millisecond
	// shortest is how long a token is used at the least. The SDK takes up to 25
	// minutes off its life, and WeCom gives the same one until it ends; one that
	// ends sooner is refused then, and replaced.
	shortest = time.Minute
)

// Sealer is the vault: what was sealed for one use opens for no other.
type Sealer interface {
	Seal(use string, plain []byte) ([]byte, error)
	Open(use string, sealed []byte) ([]byte, error)
}

// Tokens keeps the platforms' access tokens, sealed in the store, so that all
// processes on one memory fetch one, and a restart none. Each has a copy, and
// asks the store when that has expired or was refused.
//
//	copy → the store's → claim, fetch, keep
//
// Who claims, by compare-and-swap, fetches; the others look every 100 ms, and if
// nothing comes within six seconds of their own clock, one of them claims anew.
// No two clocks are compared but by the expiry, and the SDK has taken five
// minutes off that; operations.md allows clocks two.
//
// A store that fails is an empty one: each process fetches for itself. That is
// harmless, since a stable token of WeChat and a token of WeCom that is asked for
// again is the same one; it only counts against the platform's daily limit.
type Tokens struct {
	rows    store.Collection[store.PlatformTokenRow]
	sealer  Sealer
	machine venue.Clock
	flights singleflight.Group

	mu     sync.Mutex
	copies map[string]tokenCopy
}

type tokenCopy struct {
	token   string
	expires time.Time
	refused string // instead of a token: the one that the store may still have
}

// NewTokens opens them. The clock is the machine's, since platforms expire
// tokens in real time.
func NewTokens(docs store.Documents, sealer Sealer, machine venue.Clock) *Tokens {
	return &Tokens{
		rows: store.NewCollection[store.PlatformTokenRow](docs, store.PlatformTokens), sealer: sealer, machine: machine,
		copies: map[string]tokenCopy{},
	}
}

// Format keeps the tokens out of any print.
func (t *Tokens) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "platform.Tokens(…)") }

// fetch gets a token from its platform, and says for how long it is good.
type fetch func(context.Context) (token string, life time.Duration, err error)

// get gives the token of an app, fetched once however many ask. The fetch
// outlives a caller who leaves, for the others; the transport ends it.
func (t *Tokens) get(ctx context.Context, app string, f fetch) (string, error) {
	if c := t.copy(app); c.token != "" {
		return c.token, nil
	}
	flight := t.flights.DoChan(app, func() (any, error) { return t.obtain(context.WithoutCancel(ctx), app, f) })
	select {
	case r := <-flight:
		return r.Val.(string), r.Err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// refuse forgets a token that its platform does not take any more, unless it has
// been replaced already. The store's goes when another is fetched.
func (t *Tokens) refuse(app, token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.copies[app].token == token {
		t.copies[app] = tokenCopy{refused: token}
	}
}

// copy is what this process knows; the token is "" once it has expired.
func (t *Tokens) copy(app string) tokenCopy {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.copies[app]
	if !t.machine.Now().Before(c.expires) {
		c.token = ""
	}
	return c
}

func (t *Tokens) obtain(ctx context.Context, app string, f fetch) (string, error) {
	c := t.copy(app)
	if c.token != "" {
		return c.token, nil // the flight before this one
	}
	c, claim := t.turn(ctx, app, c.refused)
	if c.token == "" {
		begun := t.machine.Now()
		token, life, err := f(ctx)
		if err == nil && token == "" {
			err = errors.New("an answer without a token")
		}
		if err == nil {
			c = tokenCopy{token: token, expires: begun.Add(max(life, shortest))}
		}
		t.keep(ctx, app, c, claim)
		if err != nil {
			return "", err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.copies[app] = c
	return c.token, nil
}

// turn gives the store's token, unless it is the refused one, or else waits
// until it is this process's turn to fetch: with its claim, or none if the store
// fails.
func (t *Tokens) turn(ctx context.Context, app, refused string) (c tokenCopy, claim *store.Row[store.PlatformTokenRow]) {
	var rev int64       // of the claim of another …
	var since time.Time // … and when it was seen first
	for {
		row, err := t.rows.Get(ctx, app)
		if errors.Is(err, venue.ErrNotFound) {
			err = t.rows.Insert(ctx, app, row.Value)
			if err == nil || errors.Is(err, venue.ErrExists) {
				continue
			}
		}
		if err != nil {
			return c, nil
		}
		now := t.machine.Now()
		if now.Before(row.Value.Expires) {
			// One that does not open, after a change of keys, is none.
			if b, err := t.sealer.Open(tokenUse+app, row.Value.Token); err == nil && string(b) != refused {
				return tokenCopy{token: string(b), expires: row.Value.Expires}, nil
			}
		}
		if row.Rev != rev {
			rev, since = row.Rev, now
		}
		if row.Value.Fetching && now.Sub(since) < fetchWithin {
			wait := time.NewTimer(lookEvery)
			<-wait.C
			continue
		}
		row.Value = store.PlatformTokenRow{Fetching: true}
		row, err = t.rows.Replace(ctx, row)
		if errors.Is(err, venue.ErrStale) {
			continue // somebody was faster
		}
		if err != nil {
			return c, nil
		}
		return c, &row
	}
}

const tokenUse = "platform_token/" // in the vault

// keep puts what was fetched in the place of the claim; no token lets the next
// one try. Whoever came back too late finds it changed, and keeps nothing.
func (t *Tokens) keep(ctx context.Context, app string, c tokenCopy, claim *store.Row[store.PlatformTokenRow]) {
	if claim == nil {
		return
	}
	claim.Value = store.PlatformTokenRow{}
	if c.token != "" {
		if sealed, err := t.sealer.Seal(tokenUse+app, []byte(c.token)); err == nil {
			claim.Value = store.PlatformTokenRow{Token: sealed, Expires: c.expires}
		}
	}
	_, _ = t.rows.Replace(ctx, *claim) // nobody else has it then, and fetches
}

// access is one app's way to its token.
type access struct {
	service service
	app     string // the name of its token
	tokens  *Tokens
	source  credential.AccessTokenContextHandle
	noted   noted
}

// GetAccessToken implements the SDK's handle for calls without a context.
func (a *access) GetAccessToken() (string, error) {
	return a.GetAccessTokenContext(context.Background())
}

// GetAccessTokenContext gives the token. Every error is an *Error with Op
// "token".
func (a *access) GetAccessTokenContext(ctx context.Context) (string, error) {
	token, err := a.tokens.get(ctx, a.app, func(ctx context.Context) (string, time.Duration, error) {
		token, err := a.source.GetAccessTokenContext(ctx)
		return token, a.noted.life, err
	})
	return token, a.service.fail("token", err)
}

// do runs call, and once more with a fresh token if the platform has forgotten
// the present one, which no SDK notices. call uses a through its SDK object.
func (a *access) do(ctx context.Context, op string, call func() error) error {
	for again := false; ; again = true {
		// Most of the SDK's calls take no context; at least none begins too late.
		if err := ctx.Err(); err != nil {
			return a.service.fail(op, err)
		}
		used, err := a.GetAccessTokenContext(ctx)
		if err != nil {
			return err
		}
		err = a.service.fail(op, call())
		var e *Error
		if again || !errors.As(err, &e) || e.Op == "token" || !a.service.stale(e.Code) {
			return err
		}
		a.tokens.refuse(a.app, used)
	}
}

// noted is the cache of an SDK's source of tokens: it keeps none, for Tokens
// does, and notes how long it would have. One fetch of an app runs at a time.
type noted struct{ life time.Duration }

func (n *noted) Get(string) any { return nil }

func (n *noted) Set(_ string, _ any, life time.Duration) error {
	n.life = life
	return nil
}

func (n *noted) IsExist(string) bool { return false }

func (n *noted) Delete(string) error { return nil }
