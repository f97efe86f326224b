package access

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/venue"
)

// clock is set by hand.
type clock struct{ ms atomic.Int64 }

func (c *clock) Now() time.Time          { return time.UnixMilli(c.ms.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// auditLog keeps events in memory, or fails.
type auditLog struct {
	mu     sync.Mutex
	events []Event
	broken error
	before func(Event) // looks at the world as it is when the event is written
}

func (a *auditLog) Record(_ context.Context, e Event) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.broken != nil {
		return a.broken
	}
	if a.before != nil {
		a.before(e)
	}
	a.events = append(a.events, e)
	return nil
}

func (a *auditLog) last() Event {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.events) == 0 {
		return Event{}
	}
	return a.events[len(a.events)-1]
}

func (a *auditLog) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.events)
}

// box seals with AES-GCM and blinds with HMAC.
type box struct{ key [32]byte }

func (b box) aead() cipher.AEAD {
	block, _ := aes.NewCipher(b.key[:])
	a, _ := cipher.NewGCMWithRandomNonce(block)
	return a
}

func (b box) Seal(use string, plain []byte) ([]byte, error) {
	return b.aead().Seal(nil, nil, plain, []byte(use)), nil
}

func (b box) Open(use string, sealed []byte) ([]byte, error) {
	return b.aead().Open(nil, nil, sealed, []byte(use))
}

func (b box) Blind(kind, value string) string {
	m := hmac.New(sha256.New, b.key[:])
	fmt.Fprintf(m, "%s\x00%s", kind, value)
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:16])
}

// counted counts the writes that reach the documents.
type counted struct {
	store.Documents
	writes atomic.Int64
	hook   func(collection string) // before a replacement
}

func (c *counted) Insert(ctx context.Context, collection, id string, body bson.Raw) error {
	c.writes.Add(1)
	return c.Documents.Insert(ctx, collection, id, body)
}

func (c *counted) Replace(ctx context.Context, collection string, d store.Document) (int64, error) {
	c.writes.Add(1)
	if c.hook != nil {
		c.hook(collection)
	}
	return c.Documents.Replace(ctx, collection, d)
}

// keys are what an account's owner has.
type keys struct{ password, totp string }

type world struct {
	t              testing.TB
	ctx            context.Context
	s              *Service
	docs           *counted
	civil, machine *clock
	audit          *auditLog
	box            box
	keys           map[string]keys
}

var cheap = cost{memory: 8, passes: 1, threads: 1}

func newWorld(t testing.TB) *world {
	t.Helper()
	e, err := embedded.Open(embedded.Options{Dir: t.TempDir(), Schemas: store.Schemas})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	w := &world{t: t, ctx: context.Background(), docs: &counted{Documents: e}, civil: &clock{}, machine: &clock{}, audit: &auditLog{}, keys: map[string]keys{}}
	rand.Read(w.box.key[:])
	w.civil.ms.Store(time.Date(2022, 5, 18, 8, 0, 0, 0, venue.Zone).UnixMilli())
	w.machine.ms.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	w.s = w.process()
	return w
}

// process is one more process over the same documents.
func (w *world) process() *Service {
	w.t.Helper()
	s, err := New(Options{Docs: w.docs, Sealer: w.box, Blinder: w.box, Auditor: w.audit, Random: rand.Reader,
		Civil: w.civil, Machine: w.machine, hash: cheap})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// grantFor is a grant as the role needs it.
func grantFor(roles ...Role) Grant {
	g := Grant{Roles: roles}
	switch roles[0].View() {
	case venue.ScopeTerritory:
		g.Divisions = []venue.Division{"410482"}
	case venue.ScopeSector:
		g.Divisions, g.Sectors = []venue.Division{"410482"}, []string{"教育"}
	case venue.ScopeUnit:
		g.Unit = "u1"
	}
	return g
}

// add makes an account whose owner already chose a password.
func (w *world) add(user string, roles ...Role) {
	w.t.Helper()
	d, err := Draft{user, "测试 " + user, grantFor(roles...)}.check()
	if err != nil {
		w.t.Fatalf("add %s: %v", user, err)
	}
	issued, err := w.s.create(w.ctx, Event{Act: ActCreate}, d, "", "")
	if err != nil {
		w.t.Fatalf("add %s: %v", user, err)
	}
	w.keep(issued)
}

func (w *world) keep(i Issued) {
	k := w.keys[i.User]
	if !i.Password.IsZero() {
		k.password = i.Password.Reveal()
	}
	if !i.TOTP.IsZero() {
		k.totp = i.TOTP.Reveal()
	}
	w.keys[i.User] = k
}

// code is an account's code, that many steps from now.
func (w *world) code(user string, steps int) string {
	w.t.Helper()
	c, err := totp.GenerateCodeCustom(w.keys[user].totp, w.machine.Now().Add(time.Duration(steps)*stepSize), totpOptions)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// tryLogin logs in with a code that was not used before.
func (w *world) tryLogin(user string) (string, Login, error) {
	w.machine.advance(stepSize)
	return w.s.Login(w.ctx, user, w.keys[user].password, w.code(user, 0), "192.0.2.1")
}

func (w *world) login(user string) (string, Login) {
	w.t.Helper()
	token, l, err := w.tryLogin(user)
	if err != nil {
		w.t.Fatalf("login of %s: %v (%+v)", user, err, w.audit.last())
	}
	return token, l
}

func (w *world) as(user string) Login {
	w.t.Helper()
	_, l := w.login(user)
	return l
}

func (w *world) row(user string) store.OfficialRow {
	w.t.Helper()
	row, err := w.s.officials.Get(w.ctx, user)
	if err != nil {
		w.t.Fatalf("row of %s: %v", user, err)
	}
	return row.Value
}

// dump is everything stored.
func (w *world) dump() []byte {
	w.t.Helper()
	var b bytes.Buffer
	for _, schema := range store.Schemas {
		for d, err := range w.docs.Find(w.ctx, schema.Name, store.Query{}) {
			if err != nil {
				w.t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s %s ", schema.Name, d.ID)
			b.Write(d.Body)
		}
	}
	return b.Bytes()
}

func wantRule(t testing.TB, what string, err error, rule Rule) {
	t.Helper()
	var f *Forbidden
	if !errors.As(err, &f) || f.Rule != rule || !errors.Is(err, ErrForbidden) {
		t.Errorf("%s: got %v, want rule %s", what, err, rule)
	}
}

func wantErr(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
