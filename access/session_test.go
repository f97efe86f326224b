package access

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

func TestALoginCarriesWhatTheAccountMay(t *testing.T) {
	w := newWorld(t)
	w.add("reg", RoleRegulator)
	token, l := w.login("reg")
	again, err := w.s.Authenticate(w.ctx, token)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []Login{l, again} {
		school, clinic := venue.Unit{Division: "410482001", Sectors: []string{"教育"}}, venue.Unit{Division: "410482001", Sectors: []string{"卫健"}}
		if l.User() != "reg" || l.Name() != "测试 reg" || !l.May(NoticesDraft) || l.May(NoticesSign) || l.May("") ||
			!l.Scope().Covers(school) || l.Scope().Covers(clinic) || len(l.Roles()) != 1 {
			t.Errorf("got %+v", l)
		}
		l.Permissions()[0], l.Roles()[0] = AuditRead, RoleAuditor
		if l.May(AuditRead) || l.Roles()[0] != RoleRegulator {
			t.Error("a login changed through what it lists")
		}
	}
}

func TestTokensThatOpenNothing(t *testing.T) {
	w := newWorld(t)
	w.add("officer", RoleTownship)
	token, _ := w.login("officer")
	other := []byte(token)
	other[0] ^= 1
	for _, bad := range []string{"", "x", token + "A", token[1:], string(other), w.s.sessionID(token)} {
		if l, err := w.s.Authenticate(w.ctx, bad); err != ErrSession || l.User() != "" {
			t.Errorf("%d characters: %+v, %v", len(bad), l, err)
		}
	}
	if _, err := w.s.Authenticate(w.ctx, token); err != nil {
		t.Error(err)
	}
}

func TestASessionEndsIdleOrOldOnTheCivilClock(t *testing.T) {
	w := newWorld(t)
	w.add("officer", RoleTownship)
	for _, c := range []struct {
		name  string
		every time.Duration // between requests
		times int
		last  time.Duration // before the last request
		want  error
	}{
		{"at the idle limit", 0, 0, IdleLimit, nil},
		{"past the idle limit", 0, 0, IdleLimit + time.Second, ErrSession},
		{"busy for an hour", 10 * time.Minute, 6, 14 * time.Minute, nil},
		{"busy, then idle", 10 * time.Minute, 6, IdleLimit + 3*time.Second, ErrSession},
		{"busy to the absolute limit", 10 * time.Minute, 71, 10 * time.Minute, nil},
		{"busy past the absolute limit", 10 * time.Minute, 72, time.Second, ErrSession},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, machine := range []time.Duration{0, freshness} { // remembered, and read again
				token, _ := w.login("officer")
				ask := func(after time.Duration) error {
					w.civil.advance(after)
					w.machine.advance(machine)
					_, err := w.s.Authenticate(w.ctx, token)
					return err
				}
				for i := range c.times {
					if err := ask(c.every); err != nil {
						t.Fatalf("request %d: %v", i, err)
					}
				}
				if err := ask(c.last); !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
				if err := ask(0); c.want != nil && err != ErrSession {
					t.Errorf("an ended session came back: %v", err)
				}
			}
		})
	}
	w.machine.advance(1000 * time.Hour)
	token, _ := w.login("officer")
	w.machine.advance(1000 * time.Hour)
	if _, err := w.s.Authenticate(w.ctx, token); err != nil {
		t.Errorf("the machine clock must not end a session: %v", err)
	}
}

func TestRequestsCloseTogetherReadNothing(t *testing.T) {
	w := newWorld(t)
	w.add("officer", RoleTownship)
	token, _ := w.login("officer")
	must[Login](t)(w.s.Authenticate(w.ctx, token))
	before := w.docs.writes.Load()
	for range 100 {
		must[Login](t)(w.s.Authenticate(w.ctx, token))
	}
	if n := w.docs.writes.Load() - before; n != 0 {
		t.Errorf("%d writes for 100 requests at once", n)
	}
}

func TestWhatEndsSessions(t *testing.T) {
	for _, c := range []struct {
		name string
		act  func(w *world, admin, l Login) error
		all  bool
	}{
		{"logout ends this one", func(w *world, _, l Login) error { return w.s.Logout(w.ctx, l) }, false},
		{"logout everywhere", func(w *world, _, l Login) error { return w.s.LogoutEverywhere(w.ctx, l) }, true},
		{"a new password", func(w *world, _, l Login) error {
			return w.s.ChangePassword(w.ctx, l, w.keys["officer"].password, "correct horse battery")
		}, true},
		{"disabled", func(w *world, admin, _ Login) error { return w.s.Disable(w.ctx, admin, "officer") }, true},
		{"other roles", func(w *world, admin, _ Login) error {
			_, err := w.s.SetRoles(w.ctx, admin, "officer", grantFor(RoleRegulator))
			return err
		}, true},
		{"password reset", func(w *world, admin, _ Login) error {
			_, err := w.s.ResetPassword(w.ctx, admin, "officer")
			return err
		}, true},
		{"TOTP reset", func(w *world, admin, _ Login) error {
			_, err := w.s.ResetTOTP(w.ctx, admin, "officer")
			return err
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.add("officer", RoleTownship)
			w.add("sec", RoleSecurityAdmin)
			elsewhere := w.process()
			admin := w.as("sec")
			first, _ := w.login("officer")
			second, l := w.login("officer")
			for _, token := range []string{first, second} { // both processes remember both
				for _, s := range []*Service{w.s, elsewhere} {
					must[Login](t)(s.Authenticate(w.ctx, token))
				}
			}
			if err := c.act(w, admin, l); err != nil {
				t.Fatal(err)
			}
			check := func(where string, s *Service) {
				t.Helper()
				if _, err := s.Authenticate(w.ctx, second); err != ErrSession {
					t.Errorf("%s: %v", where, err)
				}
				if _, err := s.Authenticate(w.ctx, first); c.all != (err == ErrSession) {
					t.Errorf("%s, the other session: %v", where, err)
				}
			}
			check("here, at once", w.s)
			w.machine.advance(freshness)
			check("in another process, two seconds later", elsewhere)
			if _, err := w.s.current(w.ctx, l); c.all != errors.Is(err, ErrSession) {
				t.Errorf("acting on the old login: %v", err)
			}
		})
	}
}

func TestAnAccountHasFewSessions(t *testing.T) {
	w := newWorld(t)
	w.add("officer", RoleTownship)
	w.add("other", RoleTownship)
	kept, _ := w.login("other")
	var tokens []string
	for range MaxSessions + 2 {
		w.civil.advance(time.Second)
		token, _ := w.login("officer")
		tokens = append(tokens, token)
	}
	for i, token := range tokens {
		if _, err := w.s.Authenticate(w.ctx, token); (i < 2) != (err == ErrSession) {
			t.Errorf("session %d of %d: %v", i+1, len(tokens), err)
		}
	}
	if _, err := w.s.Authenticate(w.ctx, kept); err != nil {
		t.Errorf("somebody else's: %v", err)
	}
	w.civil.advance(AbsoluteLimit + time.Minute)
	fresh, _ := w.login("other")
	if err := w.s.Sweep(w.ctx); err != nil {
		t.Fatal(err)
	}
	rows := must[[]store.Row[store.OfficialSessionRow]](t)(w.s.sessions.All(w.ctx, store.Query{}))
	if len(rows) != 1 || rows[0].Value.User != "other" {
		t.Errorf("%d sessions after the sweep", len(rows))
	}
	must[Login](t)(w.s.Authenticate(w.ctx, fresh))
}

func TestRequestsAndAnEndAtOnce(t *testing.T) {
	w := newWorld(t)
	w.add("officer", RoleTownship)
	w.add("sec", RoleSecurityAdmin)
	admin := w.as("sec")
	token, _ := w.login("officer")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				w.machine.advance(time.Second)
				w.civil.advance(time.Second)
				if _, err := w.s.Authenticate(w.ctx, token); err != nil && err != ErrSession {
					t.Error(err)
				}
			}
		})
	}
	if err := w.s.Disable(w.ctx, admin, "officer"); err != nil {
		t.Error(err)
	}
	wg.Wait()
	w.machine.advance(freshness)
	if _, err := w.s.Authenticate(w.ctx, token); err != ErrSession {
		t.Errorf("after all: %v", err)
	}
}

func TestQuotaIsExactAndOfTheDay(t *testing.T) {
	w := newWorld(t)
	w.add("tracer", RoleTracer)
	l := w.as("tracer")
	var wg sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	for range 4 {
		q := NewQuota(w.docs, 25, w.civil) // a process each
		wg.Go(func() {
			for range 10 {
				if _, err := q.Take(w.ctx, l, 1); err == nil {
					mu.Lock()
					taken++
					mu.Unlock()
				} else if !errors.Is(err, ErrQuota) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if taken != 25 {
		t.Errorf("%d reveals of 25", taken)
	}
	q := NewQuota(w.docs, 25, w.civil)
	w.civil.advance(16*time.Hour - time.Millisecond)
	if _, err := q.Take(w.ctx, l, 1); !errors.Is(err, ErrQuota) {
		t.Errorf("a millisecond before midnight: %v", err)
	}
	w.civil.advance(time.Millisecond)
	for _, c := range []struct {
		n, left int
		want    error
	}{{20, 5, nil}, {6, 5, ErrQuota}, {5, 0, nil}, {1, 0, ErrQuota}, {0, 0, venue.ErrInvalid}, {-3, 0, venue.ErrInvalid}} {
		if left, err := q.Take(w.ctx, l, c.n); left != c.left || !errors.Is(err, c.want) {
			t.Errorf("take %d: %d left, %v; want %d, %v", c.n, left, err, c.left, c.want)
		}
	}
	if _, err := q.Take(w.ctx, Login{}, 1); err != ErrSession {
		t.Errorf("nobody: %v", err)
	}
	if _, err := NewQuota(w.docs, 0, w.civil).Take(w.ctx, Login{user: "x"}, 1); !errors.Is(err, ErrQuota) {
		t.Errorf("no allowance: %v", err)
	}
}

func TestANewSessionIsNeverTheOneThatIsEnded(t *testing.T) {
	w := newWorld(t) // its civil clock stands: all sessions are of one age
	w.add("li.wei", RoleTownship)
	for i := range 3 * MaxSessions {
		token, _ := w.login("li.wei")
		if _, err := w.s.Authenticate(w.ctx, token); err != nil {
			t.Fatalf("session %d: %v", i+1, err)
		}
	}
	if n := len(must[[]store.Row[store.OfficialSessionRow]](t)(w.s.sessions.All(w.ctx, store.Query{}))); n != MaxSessions {
		t.Errorf("%d sessions are left, want %d", n, MaxSessions)
	}
}

func TestASeededAccountLogsInAndStaysAsItWas(t *testing.T) {
	w := newWorld(t)
	const secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
	d := Draft{"li.wei", "李伟", grantFor(RoleSigner)}
	for _, password := range []string{"the first of the two", "the second of the two"} {
		if err := w.s.Seed(w.ctx, d, password, secret); err != nil {
			t.Fatal(err)
		}
	}
	w.keys["li.wei"] = keys{"the first of the two", secret}
	if l := w.as("li.wei"); l.MustChange() || !l.May(NoticesSign) {
		t.Errorf("must change %v, may %v", l.MustChange(), l.Permissions())
	}
	for _, user := range reserved {
		wantErr(t, user, w.s.Seed(w.ctx, Draft{user, "系统", grantFor(RoleSigner)}, "a password", secret), venue.ErrInvalid)
	}
}
