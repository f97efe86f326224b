// Package platform speaks to WeChat, WeCom and Alipay: one file each, one token
// each, shared by the doors and the notifier.
//
//	login code → OpenID      phone code → venue.Phone      text → one person or one group
//
// The calls go through the platforms' SDKs; this package adds what they leave
// out: a deadline and a bound on every answer, one token fetch however many
// callers and processes wait, one retry when a platform forgot the token, and
// errors that say what to do next and never carry a secret.
//
// The surprising rule: the WeChat SDK has one HTTP client for the whole process,
// so Install must run before the first client is made.
//
// Nothing here waits, queues or limits rates. A call is tried once (twice with a
// forgotten token), and the caller, who has a durable outbox, decides the rest.
package platform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unique"

	"github.com/silenceper/wechat/v2/util"
	"github.com/sirupsen/logrus"

	"github.com/venuecode/venuecode/venue"
)

const (
	// DefaultTimeout bounds one call, from dialling to the last byte.
	DefaultTimeout = 4 * time.Second
	// maxAnswer bounds one answer; the largest real one is a few KiB. The SDKs
	// read whatever they are sent.
	maxAnswer = 1 << 20
)

// HTTP says how the platforms are reached.
type HTTP struct {
	// Base, such as http://127.0.0.1:8081, takes every call instead of the real
	// hosts; the header X-Orig-Host then names the host that was meant. Empty
	// means the real hosts.
	Base string
	// Timeout of one call; 0 means DefaultTimeout.
	Timeout time.Duration
}

// Install sets the HTTP client of the WeChat SDK, which is global to the
// process, and silences the SDK's logger, which prints decrypted messages.
// Calling it again replaces the client; that is for tests, between calls.
func Install(h HTTP) error {
	c, err := h.client()
	if err != nil {
		return err
	}
	logrus.SetOutput(io.Discard)
	// A new client, not a changed http.DefaultClient: others in the process use
	// that one.
	util.DefaultHTTPClient = c
	return nil
}

func installed() error {
	if _, ok := util.DefaultHTTPClient.Transport.(*transport); !ok {
		return errors.New("platform: Install must come first")
	}
	return nil
}

func (h HTTP) client() (*http.Client, error) {
	next := http.DefaultTransport.(*http.Transport).Clone()
	// Two idle connections per host, the default, would dial anew for most of a
	// morning's logins.
	next.MaxIdleConnsPerHost = 64
	t := &transport{timeout: h.Timeout, next: next}
	if t.timeout <= 0 {
		t.timeout = DefaultTimeout
	}
	if h.Base != "" {
		u, err := url.Parse(h.Base)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, errors.New("platform: base is not an http address")
		}
		t.base = u
	}
	return &http.Client{Transport: t}, nil
}

// printed is all that a print shows of an app's settings.
func printed(f fmt.State, name, id string) { _, _ = fmt.Fprintf(f, "platform.%s(%s, …)", name, id) }

// transport is the only way out. It redirects to a base, ends each call in time,
// and reads the whole answer itself: the SDKs neither bound an answer nor, some
// of them, look at its status.
type transport struct {
	base    *url.URL
	timeout time.Duration
	next    http.RoundTripper
}

func (t *transport) RoundTrip(q *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(q.Context(), t.timeout)
	defer cancel()
	n := q.Clone(ctx)
	if t.base != nil {
		n.Header.Set("X-Orig-Host", q.URL.Host)
		n.URL.Scheme, n.URL.Host, n.Host = t.base.Scheme, t.base.Host, t.base.Host
		n.URL.Path = strings.TrimSuffix(t.base.Path, "/") + q.URL.Path
	}
	r, err := t.next.RoundTrip(n)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		// Redirections end here too: following one would carry a secret along.
		return nil, status(r.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxAnswer {
		return nil, errTooLong
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	return r, nil
}

type status int

func (s status) Error() string { return fmt.Sprintf("status %d", int(s)) }

var errTooLong = errors.New("answer too long")

// Kind says what the caller does about a failed call.
type Kind int

const (
	// Refused: the platform said no, and will again. Do not retry; alarm.
	Refused Kind = iota
	// BadCode: the login or phone code is wrong, used or expired. The app asks
	// the person again.
	BadCode
	// RateLimited: wait at least 60 s.
	RateLimited
	// Gone: this recipient can not be reached any more: no subscription left,
	// not followed, group robot removed. Drop the message and mark the recipient.
	Gone
	// Token: our credentials are refused, even with a fresh token. An operator
	// must look.
	Token
	// Down: no usable answer. What was sent may have arrived; retry.
	Down
)

func (k Kind) String() string {
	return [...]string{"refused", "bad code", "rate limited", "gone", "token", "down"}[k]
}

// Error is every failure of a platform, without secrets: nothing that an SDK or
// the network said is kept but codes and stable words, since their texts quote
// URLs with app secrets, tokens and webhook keys.
type Error struct {
	Service string // wechat, service, wecom, alipay
	Op      string // login, phone, token, subscribe, template, text, app, group
	Kind    Kind
	Code    int64  // the platform's errcode; 0 when there is none
	Why     string // a stable word or the platform's sub-code; may be empty
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s", e.Service, e.Op, e.Kind)
	if e.Code != 0 {
		fmt.Fprintf(&b, " (errcode %d)", e.Code)
	}
	if e.Why != "" {
		b.WriteString(": " + e.Why)
	}
	return b.String()
}

// Retry tells whether a send is worth trying again, and after how long at the
// least; 0 leaves the wait to the caller.
func (e *Error) Retry() (after time.Duration, again bool) {
	switch e.Kind {
	case RateLimited:
		return time.Minute, true
	case Down, Token:
		return 0, true
	}
	return 0, false
}

// Unwrap gives the sentinel a caller acts on: venue.ErrInvalid for BadCode,
// venue.ErrUnavailable for Down and RateLimited.
func (e *Error) Unwrap() error {
	switch e.Kind {
	case BadCode:
		return &venue.Invalid{Field: e.Op + "_code", Reason: "refused"}
	case Down, RateLimited:
		return venue.ErrUnavailable
	}
	return nil
}

// outage turns a failure that carries no errcode into a kind and a stable word.
func outage(err error) (Kind, string) {
	var s status
	var n net.Error
	var u *url.Error
	switch {
	case errors.As(err, &s) && s == http.StatusTooManyRequests:
		return RateLimited, s.Error()
	case errors.As(err, &s):
		return Down, s.Error()
	case errors.Is(err, errTooLong):
		return Down, errTooLong.Error()
	case errors.Is(err, context.Canceled):
		return Down, "canceled"
	case errors.As(err, &n) && n.Timeout():
		return Down, "timeout"
	case errors.As(err, &u):
		return Down, "connection"
	}
	return Down, "unreadable answer"
}

// OpenID names a person inside one app of one platform. It prints, logs and
// encodes masked; only Reveal gives the text. Two are equal (==) when their
// texts are.
//
// The text sits behind a handle, not in a string field: of somebody's struct
// with an unexported OpenID, fmt would call no method and print the string.
type OpenID struct{ id unique.Handle[string] }

// ParseOpenID reads an openid as platforms write it: 1 to 128 ASCII letters,
// digits, '-' and '_'.
func ParseOpenID(s string) (OpenID, error) {
	if !word.MatchString(s) {
		return OpenID{}, &venue.Invalid{Field: "openid", Reason: "shape"}
	}
	return OpenID{unique.Make(s)}, nil
}

// Reveal gives the clear openid, for the platform's own wire and for sealing.
// The zero value reveals "".
func (o OpenID) Reveal() string {
	if o.IsZero() {
		return ""
	}
	return o.id.Value()
}

// IsZero tells whether there is no openid.
func (o OpenID) IsZero() bool { return o == OpenID{} }

const maskedOpenID = "openid(…)"

func (o OpenID) String() string   { return maskedOpenID }
func (o OpenID) GoString() string { return maskedOpenID }

// Format masks under every verb; String alone would leave %d to the field.
func (o OpenID) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, maskedOpenID) }

// LogValue masks in logs.
func (o OpenID) LogValue() slog.Value { return slog.StringValue(maskedOpenID) }

// MarshalText masks in JSON and the like.
func (o OpenID) MarshalText() ([]byte, error) { return []byte(maskedOpenID), nil }
