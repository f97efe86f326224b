package access

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/venuecode/venuecode/venue"
)

func TestWhateverIsWrongTheAnswerAndTheWorkAreTheSame(t *testing.T) {
	w := newWorld(t)
	for _, user := range []string{"plain", "coder", "locked", "gone", "used"} {
		w.add(user, RoleTownship)
	}
	w.add("one", RoleSecurityAdmin)
	w.add("two", RoleSecurityAdmin)
	if err := w.s.Disable(w.ctx, w.as("one"), "gone"); err != nil {
		t.Fatal(err)
	}
	for range maxFailures {
		w.s.Login(w.ctx, "locked", "wrong", "000000", "")
	}
	w.login("used")
	for _, c := range []struct {
		name, user, password, code, reason string
	}{
		{"a name nobody has", "stranger", w.keys["plain"].password, w.code("plain", 0), "unknown"},
		{"another name nobody has", "stranger2", "x", "x", "unknown"},
		{"what is no name", "'; drop", "x", "", "unknown"},
		{"no name", "", "", "", "unknown"},
		{"a wrong password", "plain", "wrong", w.code("plain", 0), "password"},
		{"no password", "plain", "", w.code("plain", 0), "password"},
		{"a huge password", "plain", string(make([]byte, 100_000)), w.code("plain", 0), "password"},
		{"a wrong code", "coder", w.keys["coder"].password, "abcdef", "code"},
		{"no code", "coder", w.keys["coder"].password, "", "code"},
		{"an old code", "coder", w.keys["coder"].password, w.code("coder", -2), "code"},
		{"a used code", "used", w.keys["used"].password, w.code("used", 0), "code_used"},
		{"a locked account, all right", "locked", w.keys["locked"].password, w.code("locked", 0), "locked"},
		{"a locked account, all wrong", "locked", "wrong", "", "locked"},
		{"a disabled account, all right", "gone", w.keys["gone"].password, w.code("gone", 0), "disabled"},
		{"a disabled account, all wrong", "gone", "wrong", "", "disabled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			runs, writes, events := w.s.hasher.runs.Load(), w.docs.writes.Load(), w.audit.count()
			token, l, err := w.s.Login(w.ctx, c.user, c.password, c.code, "192.0.2.9")
			if err != ErrLogin || token != "" || l.User() != "" || len(l.Permissions()) != 0 {
				t.Fatalf("got %q, %+v, %v; want nothing but ErrLogin itself", token, l, err)
			}
			runs, writes, events = w.s.hasher.runs.Load()-runs, w.docs.writes.Load()-writes, w.audit.count()-events
			if runs != 1 || writes != 1 || events != 1 {
				t.Errorf("%d hashes, %d writes, %d records; want one of each", runs, writes, events)
			}
			e := w.audit.last()
			if e.Reason != c.reason || e.Outcome != Refused || e.Actor != "" || e.From != "192.0.2.9" || c.reason == "unknown" && e.Subject != "" {
				t.Errorf("recorded %+v, want reason %s", e, c.reason)
			}
		})
	}
}

func TestTheDecoysAreFewHoweverManyNamesAreTried(t *testing.T) {
	w := newWorld(t)
	before := len(w.dump())
	for range 3 {
		w.s.Login(w.ctx, "stranger", "x", "x", "")
	}
	once := len(w.dump())
	w.s.Login(w.ctx, "stranger", "x", "x", "")
	if len(w.dump()) != once || once == before {
		t.Errorf("stored %d, then %d, then %d bytes for one name", before, once, len(w.dump()))
	}
}

func TestLockoutDoublesUpToADay(t *testing.T) {
	for n, want := range map[int]time.Duration{
		0: 0, 1: 0, 4: 0, 5: 15 * time.Minute, 6: 0, 9: 0, 10: 30 * time.Minute, 15: time.Hour, 20: 2 * time.Hour, 25: 4 * time.Hour,
		30: 8 * time.Hour, 35: 16 * time.Hour, 40: 24 * time.Hour, 45: 24 * time.Hour, 1_000_000: 24 * time.Hour,
	} {
		if got := lockout(n); got != want {
			t.Errorf("after %d failures: got %v, want %v", n, got, want)
		}
	}
}

func TestFiveFailuresLockOnTheMachineClock(t *testing.T) {
	w := newWorld(t)
	w.add("officer", RoleTownship)
	fail := func() { w.s.Login(w.ctx, "officer", "wrong", "", "") }
	for range maxFailures - 1 {
		fail()
	}
	w.login("officer") // the fourth failure is forgiven, and forgotten
	for range maxFailures {
		fail()
	}
	if got := w.audit.last().Detail; got != "locked for 15m0s" {
		t.Errorf("the failure that locks is recorded as %q", got)
	}
	for range 20 {
		fail() // while locked nothing counts: no one can lock for ever
	}
	w.civil.advance(30 * 24 * time.Hour)
	if _, _, err := w.tryLogin("officer"); err != ErrLogin {
		t.Errorf("the civil clock must not unlock: %v", err)
	}
	w.machine.advance(firstLockout - 3*stepSize)
	if _, _, err := w.tryLogin("officer"); err != ErrLogin {
		t.Errorf("30 s before the end: %v", err)
	}
	w.login("officer")
	for range maxFailures {
		fail()
	}
	w.machine.advance(firstLockout)
	for range maxFailures {
		fail()
	}
	w.machine.advance(firstLockout)
	if _, _, err := w.tryLogin("officer"); err != ErrLogin {
		t.Errorf("the second lockout is twice as long: %v", err)
	}
	w.machine.advance(firstLockout)
	w.login("officer")
}

func TestACodeIsGoodOnceAndOneStepEitherWay(t *testing.T) {
	w := newWorld(t)
	w.add("officer", RoleTownship)
	w.machine.advance(10 * time.Hour)
	try := func(steps int) error {
		_, _, err := w.s.Login(w.ctx, "officer", w.keys["officer"].password, w.code("officer", steps), "")
		return err
	}
	for _, c := range []struct {
		steps int
		want  error
	}{{-2, ErrLogin}, {2, ErrLogin}, {-1, nil}, {-1, ErrLogin}, {1, nil}, {0, ErrLogin}, {1, ErrLogin}} {
		if err := try(c.steps); err != c.want {
			t.Errorf("code of step %+d: got %v, want %v", c.steps, err, c.want)
		}
	}
	if e := w.audit.events[len(w.audit.events)-3]; e.Outcome != Allowed || e.Actor != "officer" || e.Subject != "officer" || e.Act != ActLogin {
		t.Errorf("a login is recorded as %+v", e)
	}
	w.machine.advance(2 * stepSize)
	if _, _, err := w.s.Login(w.ctx, " OFFICER ", w.keys["officer"].password, " "+venue.Fold(w.code("officer", 0))[:3]+" "+w.code("officer", 0)[3:], ""); err != nil {
		t.Errorf("a code as an app shows it, 123 456: %v", err)
	}
}

func TestOfManyLoginsWithOneCodeOneComesThrough(t *testing.T) {
	w := newWorld(t)
	w.add("officer", RoleTownship)
	code := w.code("officer", 0)
	h := w.s.hasher
	for range hashesAtOnce { // hold all back until each has read the account
		h.slots <- struct{}{}
	}
	const logins = 12
	var wg sync.WaitGroup
	var good atomic.Int32
	for range logins {
		wg.Go(func() {
			if _, _, err := w.s.Login(w.ctx, "officer", w.keys["officer"].password, code, ""); err == nil {
				good.Add(1)
			} else if err != ErrLogin {
				t.Error(err)
			}
		})
	}
	for h.queued.Load() < logins {
		time.Sleep(time.Millisecond)
	}
	for range hashesAtOnce {
		<-h.slots
	}
	wg.Wait()
	if good.Load() != 1 {
		t.Errorf("%d logins with one code", good.Load())
	}
}

// The password, or the account, goes while a login with the old one is checked.
func TestALoginUnderWayDoesNotOutliveItsAccount(t *testing.T) {
	for name, act := range map[string]func(w *world, admin Login) error{
		"disabled": func(w *world, admin Login) error { return w.s.Disable(w.ctx, admin, "officer") },
		"password reset": func(w *world, admin Login) error {
			_, err := w.process().ResetPassword(w.ctx, admin, "officer")
			return err
		},
		"code reset": func(w *world, admin Login) error {
			_, err := w.process().ResetTOTP(w.ctx, admin, "officer")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.add("officer", RoleTownship)
			w.add("sec", RoleSecurityAdmin)
			admin := w.as("sec")
			h := w.s.hasher
			for range hashesAtOnce {
				h.slots <- struct{}{}
			}
			done := make(chan error)
			go func() {
				_, _, err := w.s.Login(w.ctx, "officer", w.keys["officer"].password, w.code("officer", 0), "")
				done <- err
			}()
			for h.queued.Load() < 1 {
				time.Sleep(time.Millisecond)
			}
			if err := act(w, admin); err != nil {
				t.Error(err)
			}
			for range hashesAtOnce {
				<-h.slots
			}
			if err := <-done; err != ErrLogin {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestParallelGuessesAreAllCounted(t *testing.T) {
	w := newWorld(t)
	w.add("officer", RoleTownship)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, _, err := w.s.Login(w.ctx, "officer", "guess", "", ""); err != ErrLogin {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := w.row("officer"); got.Failed != maxFailures || got.LockedUntil.IsZero() {
		t.Errorf("%d failures counted, locked until %v; want %d, and locked", got.Failed, got.LockedUntil, maxFailures)
	}
}

func TestAFloodOfLoginsIsTurnedAwayNotQueuedForEver(t *testing.T) {
	w := newWorld(t)
	h := w.s.hasher
	for range hashesAtOnce {
		h.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(w.ctx)
	var wg sync.WaitGroup
	for range hashesQueued + hashesAtOnce {
		wg.Go(func() {
			if _, _, err := w.s.Login(ctx, "stranger", "x", "", ""); !errors.Is(err, venue.ErrUnavailable) {
				t.Errorf("a login whose time is up: %v", err)
			}
		})
	}
	for h.queued.Load() < hashesQueued+hashesAtOnce {
		time.Sleep(time.Millisecond)
	}
	if _, _, err := w.s.Login(w.ctx, "stranger", "x", "", ""); !errors.Is(err, venue.ErrUnavailable) || errors.Is(err, ErrLogin) {
		t.Errorf("one too many: got %v, want unavailable", err)
	}
	cancel()
	wg.Wait()
	if h.queued.Load() != 0 {
		t.Errorf("%d still queued", h.queued.Load())
	}
}

func TestHashesAreMadeTwoAtATimeAtTheStandardCost(t *testing.T) {
	if cap(newHasher(standard, nil).slots) != 2 || standard.memory < 19*1024 || standard.passes < 2 || standard.threads < 1 {
		t.Errorf("cost %+v is below OWASP's", standard)
	}
}

func TestAHandedOutPasswordIsGoodForChoosingAnother(t *testing.T) {
	w := newWorld(t)
	w.add("one", RoleSecurityAdmin)
	issued := must[Result](t)(w.s.Create(w.ctx, w.as("one"), Draft{"Newbie", "新人", grantFor(RoleTownship)})).Issued
	w.keep(issued)
	token, l := w.login("newbie")
	if got := l.Permissions(); len(got) != 1 || got[0] != PasswordChange || !l.Scope().IsZero() || !l.MustChange() {
		t.Fatalf("first login may %v, scope %+v", got, l.Scope())
	}
	for _, c := range []struct {
		name, old, new, reason string
		err                    error
	}{
		{"too short", w.keys["newbie"].password, "短密码", "length", venue.ErrInvalid},
		{"the same again", w.keys["newbie"].password, w.keys["newbie"].password, "reused", venue.ErrInvalid},
		{"without knowing the old one", "wrong", "correct horse battery", "", ErrLogin},
	} {
		err := w.s.ChangePassword(w.ctx, l, c.old, c.new)
		var invalid *venue.Invalid
		if !errors.Is(err, c.err) || errors.As(err, &invalid) && invalid.Reason != c.reason {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	if err := w.s.ChangePassword(w.ctx, l, w.keys["newbie"].password, "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.Authenticate(w.ctx, token); err != ErrSession {
		t.Errorf("the session outlived its password: %v", err)
	}
	if err := w.s.ChangePassword(w.ctx, l, "correct horse battery", "another horse battery"); !errors.Is(err, ErrSession) {
		t.Errorf("a login from before: %v", err)
	}
	w.keep(Issued{User: "newbie", Password: secret("correct horse battery")})
	_, l = w.login("newbie")
	if !l.May(BoardRead) || !l.May(PasswordChange) || l.MustChange() || !l.Scope().CoversDivision("410482001") {
		t.Errorf("after the change: %+v", l)
	}
}

func TestTheLastPasswordsDoNotComeBack(t *testing.T) {
	w := newWorld(t)
	w.add("officer", RoleTownship)
	words := []string{"blue lamp sings 0", "blue lamp sings 1", "blue lamp sings 2", "blue lamp sings 3", "blue lamp sings 4", "blue lamp sings 5", "blue lamp sings 6"}
	change := func(to string) error {
		err := w.s.ChangePassword(w.ctx, w.as("officer"), w.keys["officer"].password, to)
		if err == nil {
			w.keep(Issued{User: "officer", Password: secret(to)})
		}
		return err
	}
	for _, word := range words {
		if err := change(word); err != nil {
			t.Fatal(err)
		}
	}
	for _, word := range words[1:] { // the current one and the five before
		wantErr(t, word, change(word), venue.ErrInvalid)
	}
	wantErr(t, "the sixth before is free again", change(words[0]), nil)
	if got := len(w.row("officer").Former); got != keepFormer {
		t.Errorf("%d former passwords kept, want %d", got, keepFormer)
	}
}

func TestGuessingTheOldPasswordLocksToo(t *testing.T) {
	w := newWorld(t)
	w.add("officer", RoleTownship)
	l := w.as("officer")
	for range maxFailures {
		wantErr(t, "guess", w.s.ChangePassword(w.ctx, l, "guess", "correct horse battery"), ErrLogin)
	}
	wantErr(t, "the right one, too late", w.s.ChangePassword(w.ctx, l, w.keys["officer"].password, "correct horse battery"), ErrLogin)
}

func TestConfirmTakesAFreshCodeAndCountsFailures(t *testing.T) {
	w := newWorld(t)
	w.add("signer", RoleSigner)
	code := func() string { w.machine.advance(stepSize); return w.code("signer", 0) }
	l := w.as("signer")
	wantErr(t, "the code of the login", w.s.Confirm(w.ctx, l, w.code("signer", 0)), ErrLogin)
	c := code()
	wantErr(t, "a fresh code", w.s.Confirm(w.ctx, l, c), nil)
	wantErr(t, "again", w.s.Confirm(w.ctx, l, c), ErrLogin)
	wantErr(t, "nobody", w.s.Confirm(w.ctx, Login{}, code()), ErrSession)
	for range maxFailures {
		w.s.Confirm(w.ctx, l, "000")
	}
	wantErr(t, "locked", w.s.Confirm(w.ctx, l, code()), ErrLogin)
}
