// Package health asks the provincial health-code service for a colour.
//
// Silence is an answer here: no reply, a late one, an error, a garbled one or
// one about somebody else all mean unknown, never an older green. A colour is
// re-used for a few seconds at most, callers who ask for the same person share
// one call, and a breaker keeps a dead service from costing every scan its
// whole budget.
package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/sony/gobreaker/v2"
	"github.com/valyala/fasthttp"
	"golang.org/x/sync/singleflight"

	"github.com/venuecode/venuecode/venue"
)

// Options of a Client.
type Options struct {
	// Base is the service's address; Credential its bearer secret.
	Base, Credential string
	// Timeout is the budget of one call: at most 300 ms (rules §2).
	Timeout time.Duration
	// Reuse is how long a colour may be re-used: at most 15 s (rules §2).
	Reuse time.Duration
	// BreakerOpen is how long nobody asks after repeated failures: at most 2 s.
	BreakerOpen time.Duration
	// Identify tells whom to ask about. It runs only when a call is made.
	Identify func(context.Context, venue.PersonID) (venue.Identity, error)
	// Machine is the real clock: colours age in real time.
	Machine venue.Clock
	Log     *slog.Logger
}

// Format keeps the credential out of any print.
func (o Options) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "health.Options(…)") }

// Client asks the health-code service. It is safe for concurrent use.
type Client struct {
	o       Options
	url     string
	http    *fasthttp.Client
	breaker *gobreaker.CircuitBreaker[venue.Reading]
	flight  singleflight.Group
	recent  *lru.Cache[venue.PersonID, remembered]
	calls   atomic.Int64
	silent  atomic.Int64
}

type remembered struct {
	venue.Reading
	until int64 // unix ms, machine clock
}

// Format keeps what the client holds out of any print.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "health.Client(…)") }

// The cache's bound: a county's rush for the time a colour may be re-used.
const remembers = 1 << 17

// failuresToOpen consecutive failures open the breaker.
const failuresToOpen = 5

// New makes a client.
func New(o Options) *Client {
	recent, _ := lru.New[venue.PersonID, remembered](remembers)
	c := &Client{
		o: o, url: o.Base + "/health/v1/query", recent: recent,
		http: &fasthttp.Client{
			Name: "venuecode", NoDefaultUserAgentHeader: true, MaxConnsPerHost: 512,
			ReadTimeout: o.Timeout, WriteTimeout: o.Timeout, MaxConnWaitTimeout: o.Timeout,
			MaxResponseBodySize: 16 << 10,
			// Asking is safe to repeat: a kept connection that the service closed in
			// the meantime costs a second try, not an unknown colour.
			MaxIdemponentCallAttempts: 2, RetryIf: func(*fasthttp.Request) bool { return true },
		},
	}
	c.breaker = gobreaker.NewCircuitBreaker[venue.Reading](gobreaker.Settings{
		Name:        "health",
		MaxRequests: 1, // one good answer is enough to ask for everybody again
		Timeout:     o.BreakerOpen,
		ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= failuresToOpen },
		IsSuccessful: func(err error) bool {
			return err == nil || errors.Is(err, errIdentity) // no fault of the service's
		},
		OnStateChange: func(_ string, from, to gobreaker.State) {
			o.Log.Warn("health service breaker", "from", from.String(), "to", to.String())
		},
	})
	return c
}

var (
	errIdentity = errors.New("identify person")
	errAnswer   = errors.New("health service gave no usable answer")
)

// Colour is what the service says of a person, now or up to Reuse ago. It never
// fails: whatever goes wrong, the answer is unknown, within Timeout.
func (c *Client) Colour(ctx context.Context, person venue.PersonID) venue.Reading {
	if r, ok := c.recent.Get(person); ok && c.o.Machine.Now().UnixMilli() < r.until {
		return r.Reading
	}
	v, err, _ := c.flight.Do(string(person[:]), func() (any, error) {
		ctx := context.WithoutCancel(ctx) // the others who wait have not hung up
		return c.breaker.Execute(func() (venue.Reading, error) { return c.ask(ctx, person) })
	})
	if err != nil {
		c.silent.Add(1)
		return venue.Reading{}
	}
	return v.(venue.Reading)
}

// Probe asks past cache and breaker, for somebody whose colour was unknown.
// venue.ErrUnavailable while the service does not answer; an unknown reading
// without error means that it has no colour for this person.
func (c *Client) Probe(ctx context.Context, person venue.PersonID) (venue.Reading, error) {
	r, err := c.ask(ctx, person)
	if err != nil && !errors.Is(err, errIdentity) {
		err = fmt.Errorf("%w: %w", err, venue.ErrUnavailable)
	}
	return r, err
}

// Calls is how often the service was asked, and how often it said nothing.
func (c *Client) Calls() (asked, silent int64) { return c.calls.Load(), c.silent.Load() }

type question struct {
	ID   string `json:"id_number"`
	Name string `json:"name"`
}

type answer struct {
	ID    string `json:"id_number"`
	Color string `json:"color"`
	At    string `json:"at"`
}

func (c *Client) ask(ctx context.Context, person venue.PersonID) (venue.Reading, error) {
	deadline := c.o.Machine.Now().Add(c.o.Timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	who, err := c.o.Identify(ctx, person)
	if err != nil {
		return venue.Reading{}, fmt.Errorf("%w: %w", errIdentity, err)
	}
	body, err := json.Marshal(question{ID: who.ID.Reveal(), Name: who.Name.Reveal()})
	if err != nil {
		return venue.Reading{}, fmt.Errorf("%w: %w", errIdentity, err)
	}
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI(c.url)
	req.Header.SetMethod(fasthttp.MethodPost)
	req.Header.SetContentType("application/json")
	req.Header.Set("Authorization", "Bearer "+c.o.Credential)
	req.SetBodyRaw(body)

	c.calls.Add(1)
	if err := c.http.DoDeadline(req, resp, deadline); err != nil {
		return venue.Reading{}, fmt.Errorf("%w: no reply", errAnswer)
	}
	if resp.StatusCode() != fasthttp.StatusOK {
		return venue.Reading{}, fmt.Errorf("%w: status %d", errAnswer, resp.StatusCode())
	}
	var a answer
	if json.Unmarshal(resp.Body(), &a) != nil {
		return venue.Reading{}, fmt.Errorf("%w: not JSON", errAnswer)
	}
	if a.ID != who.ID.Reveal() {
		return venue.Reading{}, fmt.Errorf("%w: about another person", errAnswer)
	}
	at, err := time.Parse(time.RFC3339, a.At)
	colour := venue.ParseHealth(a.Color)
	if err != nil || colour == venue.HealthUnknown && a.Color != "none" {
		return venue.Reading{}, fmt.Errorf("%w: no colour", errAnswer)
	}
	r := venue.Reading{Health: colour, At: venue.Millis(at)}
	if colour == venue.HealthUnknown {
		return venue.Reading{}, nil // the service has no code for this person
	}
	c.recent.Add(person, remembered{r, c.o.Machine.Now().Add(c.o.Reuse).UnixMilli()})
	return r, nil
}
