package vault_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/venue"
)

// dying is a store that takes so many writes and then no more.
type dying struct {
	store.Engine
	left atomic.Int64
}

func (d *dying) write(call func() error) error {
	if d.left.Add(-1) < 0 {
		return errDown
	}
	return call()
}

func (d *dying) Insert(ctx context.Context, c, id string, body bson.Raw) error {
	return d.write(func() error { return d.Engine.Insert(ctx, c, id, body) })
}

func (d *dying) Replace(ctx context.Context, c string, doc store.Document) (rev int64, err error) {
	err = d.write(func() error { rev, err = d.Engine.Replace(ctx, c, doc); return err })
	return rev, err
}

func (d *dying) Delete(ctx context.Context, c, id string, rev int64) error {
	return d.write(func() error { return d.Engine.Delete(ctx, c, id, rev) })
}

// county is a person vault with its scans, its clock and its nights.
type county struct {
	t      testing.TB
	ctx    context.Context
	clock  atomic.Int64 // unix ms
	docs   *dying
	vault  *vault.Vault
	people *vault.People
	ended  *store.Revocations
	job    *vault.PersonRetention
	gone   int // as the audit was told
	scans  int
}

func newCounty(t testing.TB, visitDays, vaultDays int) *county {
	t.Helper()
	e, err := embedded.Open(embedded.Options{Dir: t.TempDir(), Schemas: store.Schemas})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	c := &county{t: t, ctx: context.Background(), docs: &dying{Engine: e}, vault: open(t, t.TempDir())}
	c.heal()
	c.clock.Store(noon.UnixMilli())
	c.people = vault.NewPeople(c.vault, c.docs, c, "419981")
	if c.ended, err = store.OpenRevocations(c.ctx, c.docs, c, c, 30*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	c.job = &vault.PersonRetention{
		History: vault.History{People: c.people, Scans: e}, Sessions: c.ended,
		Record:    func(_ context.Context, n int) error { c.gone += n; return nil },
		VisitDays: visitDays, VaultDays: vaultDays,
	}
	return c
}

func (c *county) Now() time.Time       { return time.UnixMilli(c.clock.Load()) }
func (c *county) today() venue.Day     { return venue.DayOf(c.Now()) }
func (c *county) heal()                { c.docs.left.Store(1 << 40) }
func (c *county) pass(d time.Duration) { c.clock.Add(d.Milliseconds()) }

func (c *county) login(openid string) vault.Account {
	c.t.Helper()
	a, err := c.people.Account(c.ctx, "wechat", openid)
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

func (c *county) register(openid, number string) (vault.Account, venue.PersonID) {
	c.t.Helper()
	a := c.login(openid)
	return a, must[venue.PersonID](c.t)(c.people.Register(c.ctx, a.ID, facts(c.t, zhang, number, phone, true)))
}

// scan puts a visit of a person into the log.
func (c *county) scan(id venue.PersonID, method venue.Method) venue.Scan {
	c.t.Helper()
	c.scans++
	at := c.Now()
	key, _, err := c.vault.ScanKey(id, id, at, fmt.Sprint(c.scans), 0)
	if err != nil {
		c.t.Fatal(err)
	}
	s := venue.Scan{Key: key, At: at, Received: at, Door: "D", Unit: "u", Method: method, Person: []byte{1}}
	if _, err := c.docs.Append(c.ctx, []venue.Scan{s}); err != nil {
		c.t.Fatal(err)
	}
	return s
}

func (c *county) visits(id venue.PersonID) (ids []string) {
	c.t.Helper()
	page := vault.VisitPage{}
	for first := true; first || page.Next != ""; first = false {
		var err error
		if page, err = c.job.Visits(c.ctx, id, page.Next, 3); err != nil {
			c.t.Fatal(err)
		}
		for _, s := range page.Visits {
			ids = append(ids, s.Key.ID())
		}
	}
	return ids
}

// listed tells whether an ID number leads to a record.
func (c *county) listed(number string) bool {
	c.t.Helper()
	_, err := c.docs.Get(c.ctx, store.PersonIDs.Name, c.vault.Blind("id_number", number))
	if err != nil && !errors.Is(err, venue.ErrNotFound) {
		c.t.Fatal(err)
	}
	return err == nil
}

func (c *county) rows(collection string) (n int) {
	c.t.Helper()
	for _, err := range c.docs.Find(c.ctx, collection, store.Query{}) {
		if err != nil {
			c.t.Fatal(err)
		}
		n++
	}
	return n
}

// purge destroys the visits that are old enough, as the other job does at half
// past three.
func (c *county) purge() {
	c.t.Helper()
	last := c.today() - venue.Day(c.job.VisitDays) - 1
	if _, err := c.vault.ForgetThrough(last); err != nil {
		c.t.Fatal(err)
	}
	if err := c.docs.PurgeDay(c.ctx, last); err != nil {
		c.t.Fatal(err)
	}
}

// run has the job do all that is due, and again when requests under way are over.
func (c *county) run() {
	c.t.Helper()
	for range 2 {
		for rounds := 0; ; rounds++ {
			if rounds == 100 {
				c.t.Fatal("the job never rests")
			}
			due, _, err := c.job.Next(c.ctx)
			if err != nil {
				c.t.Fatal(err)
			}
			if due.After(c.Now()) {
				break
			}
			if _, _, err := c.job.Run(c.ctx, c.Now()); err != nil {
				c.t.Fatal(err)
			}
		}
		c.pass(10 * time.Second)
	}
}

// nights lets so many nights pass, but for the purge.
func (c *county) nights(n int) {
	c.t.Helper()
	for range n {
		c.clock.Store((c.today() + 1).At(4, 0).UnixMilli())
		c.run()
	}
}

// number is the nth of many ID numbers.
func number(n int) string {
	body := fmt.Sprintf("11010519%02d0101%03d", 50+n/1000, n%1000)
	sum := 0
	for i, w := range []int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2} {
		sum += w * int(body[i]-'0')
	}
	return body + string("10X98765432"[sum%11])
}

func TestPersonsExistExactlyWhenTheRuleSays(t *testing.T) {
	const visitDays, vaultDays = 14, 30
	type citizen struct {
		number, openid     string
		exists, registered bool
		withdrawn          bool
		id                 venue.PersonID
		account            vault.Account
		lastDay            venue.Day
		days               map[venue.Day]bool // with a scan of the record
		visible            []venue.Scan
	}
	for _, seed := range []uint64{1, 2} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c, chance := newCounty(t, visitDays, vaultDays), rand.New(rand.NewPCG(seed, 7))
			citizens := make([]*citizen, 14)
			for i := range citizens {
				citizens[i] = &citizen{number: number(i), openid: fmt.Sprint("o", i), days: map[venue.Day]bool{}}
			}
			begin := func(p *citizen) {
				if !p.exists {
					p.exists, p.withdrawn, p.days, p.visible = true, false, map[venue.Day]bool{}, nil
				}
				p.lastDay = c.today()
			}
			destroyed := 0
			for range 130 {
				c.clock.Store(c.today().At(8, 0).UnixMilli())
				for range chance.IntN(5) {
					c.pass(time.Duration(1+chance.IntN(100)) * time.Minute)
					p := citizens[chance.IntN(len(citizens))]
					if chance.IntN(len(citizens)) < 4 {
						p = citizens[chance.IntN(3)] // some come often
					}
					switch act := chance.IntN(10); {
					case act < 3 && !p.registered: // a registration
						begin(p)
						p.account, p.id = c.register(p.openid, p.number)
						p.registered, p.withdrawn = true, false
					case act < 4 && p.registered: // a renewal
						begin(p)
						_, p.id = c.register(p.openid, p.number)
					case act < 7 && p.registered:
						begin(p)
						p.days[c.today()] = true
						p.visible = append(p.visible, c.scan(p.id, venue.MethodPhone))
					case act < 9: // as a companion
						begin(p)
						who := facts(t, zhang, p.number, "", false)
						id, sure, err := c.people.Named(c.ctx, venue.Identity{Name: who.Name, ID: who.ID})
						if err != nil || !sure {
							t.Fatalf("named: %v, sure = %v", err, sure)
						}
						p.id, p.days[c.today()] = id, true
						c.scan(p.id, venue.MethodCompanion)
					case p.registered: // a withdrawal
						erased, err := c.job.Withdraw(c.ctx, p.account.ID, p.id)
						if err != nil {
							t.Fatal(err)
						}
						var want venue.Day
						for day := range p.days {
							if day >= c.today()-visitDays {
								want = max(want, day+visitDays+1)
							}
						}
						if erased != want {
							t.Fatalf("erased on %s, want %s", erased, want)
						}
						p.registered, p.withdrawn, p.visible = false, true, nil
						if want == 0 {
							p.exists, destroyed = false, destroyed+1
						}
					}
				}
				c.pass(time.Minute)
				c.run() // whoever withdrew today and left nothing
				for _, p := range citizens {
					var want []string
					for _, s := range slices.Backward(p.visible) {
						if venue.DayOf(s.At) >= c.today()-visitDays {
							want = append(want, s.Key.ID())
						}
					}
					if got := c.visits(p.id); p.exists && !slices.Equal(got, want) {
						t.Fatalf("%s reads %d visits, want %d", p.openid, len(got), len(want))
					}
				}

				c.clock.Store((c.today() + 1).At(3, 30).UnixMilli())
				c.purge()
				c.clock.Store(c.today().At(4, 0).UnixMilli())
				c.run()
				persons, accounts := 0, 0
				for _, p := range citizens {
					over := p.lastDay+vaultDays < c.today()
					if p.withdrawn {
						over = true
						for day := range p.days {
							over = over && day < c.today()-visitDays
						}
					}
					if p.exists && over {
						p.exists, p.registered, p.withdrawn, p.visible = false, false, false, nil
						destroyed++
					}
					if p.exists {
						persons++
					}
					if p.registered {
						accounts++
					}
					if got := c.listed(p.number); got != p.exists {
						t.Fatalf("%s: the number of %s leads somewhere: %v, want %v", c.today(), p.openid, got, p.exists)
					}
				}
				if rows := c.rows(store.Persons.Name); rows != persons {
					t.Fatalf("%s: %d records, want %d", c.today(), rows, persons)
				}
				if rows := c.rows(store.Accounts.Name); rows != accounts {
					t.Fatalf("%s: %d accounts, want %d", c.today(), rows, accounts)
				}
			}
			if c.gone != destroyed || destroyed < 5 {
				t.Errorf("the audit was told of %d records, %d went", c.gone, destroyed)
			}
		})
	}
}

func TestAPlatformThatWasDownDestroysNobodyTooEarly(t *testing.T) {
	const visitDays, vaultDays = 14, 30
	c := newCounty(t, visitDays, vaultDays)
	_, id := c.register("o", number(1))
	first := c.today()
	c.clock.Store((first + 13).At(12, 0).UnixMilli())
	c.scan(id, venue.MethodPhone) // purged before the next look
	scanned := c.today()
	exists := func() bool { return c.listed(number(1)) }
	for day := first + 40; ; day++ {
		c.clock.Store(day.At(3, 30).UnixMilli())
		c.purge()
		c.clock.Store(day.At(4, 0).UnixMilli())
		c.run()
		if !exists() {
			if day <= scanned+vaultDays || day > scanned+vaultDays+1+(first+40-scanned) {
				t.Fatalf("last scan on %s, destroyed on %s", scanned, day)
			}
			return
		}
	}
}

func TestAWithdrawalCutShortAnywhereIsCompleted(t *testing.T) {
	for _, visited := range []bool{false, true} {
		for _, again := range []string{"by the resident", "by the night", "by whoever registers next"} {
			t.Run(fmt.Sprintf("visited %v, %s", visited, again), func(t *testing.T) {
				for writes := int64(0); ; writes++ {
					c := newCounty(t, 30, 60)
					a, id := c.register("o1", idA)
					b, _ := c.register("o2", idA)
					if visited {
						c.scan(id, venue.MethodPhone)
					}
					c.docs.left.Store(writes)
					_, err := c.job.Withdraw(c.ctx, a.ID, id)
					c.heal()
					if err == nil {
						if writes < 5 {
							t.Fatalf("it took %d writes only", writes)
						}
						return
					}
					if !errors.Is(err, venue.ErrUnavailable) {
						t.Fatalf("write %d: %v", writes, err)
					}
					c.pass(3 * time.Second)
					switch again {
					case "by the resident":
						if _, err := c.job.Withdraw(c.ctx, a.ID, id); err != nil && !errors.Is(err, venue.ErrNotFound) {
							t.Fatalf("write %d, again: %v", writes, err)
						}
					case "by whoever registers next":
						if writes == 0 { // nothing happened yet: the number is taken
							continue
						}
						stranger := c.login("stranger")
						other := must[venue.PersonID](t)(c.people.Register(c.ctx, stranger.ID, facts(t, zhang, idA, "13900001111", false)))
						if got := c.login("stranger"); got.Person != other {
							t.Fatalf("write %d: the next to register is not", writes)
						}
						if got := c.visits(other); got != nil {
							t.Fatalf("write %d: a stranger reads %d visits", writes, len(got))
						}
						c.pass(10 * time.Second)
						c.scan(other, venue.MethodPhone)
						if got := c.visits(other); len(got) != 1 {
							t.Fatalf("write %d: the next to register reads %d visits", writes, len(got))
						}
					}
					c.pass(time.Minute)
					c.run()
					if writes == 0 && again == "by the night" {
						continue // nothing was written, nobody has withdrawn
					}
					for _, old := range []vault.Account{a, b} {
						if ended, err := c.ended.Revoked(c.ctx, old.Family); err != nil || !ended {
							t.Errorf("write %d: an earlier session lives on, %v", writes, err)
						}
					}
					for _, openid := range []string{"o1", "o2"} {
						got := c.login(openid)
						if ended, err := c.ended.Revoked(c.ctx, got.Family); !got.Person.IsZero() || ended || err != nil {
							t.Errorf("write %d: login of %s: registered %v, ended %v, %v", writes, openid, !got.Person.IsZero(), ended, err)
						}
					}
					kept := visited || again == "by whoever registers next"
					if c.listed(idA) != kept {
						t.Errorf("write %d: the number leads to a record: %v", writes, !kept)
					}
					if !kept && c.rows(store.Persons.Name) != 0 {
						t.Errorf("write %d: the record is still there", writes)
					}
				}
			})
		}
	}
}

func TestTheDestructionOfARecordCutShortAnywhereIsCompleted(t *testing.T) {
	for writes := int64(0); ; writes++ {
		c := newCounty(t, 14, 30)
		c.register("o1", idA)
		c.nights(30)
		c.clock.Store((c.today() + 1).At(4, 0).UnixMilli())
		c.docs.left.Store(writes)
		for range 2 {
			_, _, _ = c.job.Run(c.ctx, c.Now())
			c.pass(10 * time.Second)
		}
		cut := c.docs.left.Load() < 0
		c.heal()
		// Whoever registers in between is somebody new, or completes what was cut.
		if writes%2 == 1 {
			c.register("o1", idA)
		}
		if _, _, err := c.job.Run(c.ctx, c.Now()); err != nil {
			t.Fatalf("write %d: %v", writes, err)
		}
		c.pass(10 * time.Second)
		if _, _, err := c.job.Run(c.ctx, c.Now()); err != nil {
			t.Fatalf("write %d: %v", writes, err)
		}
		if want := int(writes % 2); c.rows(store.Persons.Name) != want || c.listed(idA) != (want == 1) || c.rows(store.Accounts.Name) != want {
			t.Fatalf("write %d: %d records, %d accounts, listed %v; want %d", writes, c.rows(store.Persons.Name), c.rows(store.Accounts.Name), c.listed(idA), want)
		}
		if !cut {
			return
		}
	}
}

func TestRacedWithdrawalsAndRegistrationsAgree(t *testing.T) {
	for round := range 30 {
		c := newCounty(t, 30, 60)
		a, id := c.register("o1", idA)
		var wg sync.WaitGroup
		for i := range 6 {
			openid := fmt.Sprint("o", i+1)
			wg.Go(func() {
				for range 3 {
					account := c.login(openid)
					_, err := c.people.Register(c.ctx, account.ID, facts(t, zhang, idA, phone, true))
					if err != nil && !errors.Is(err, venue.ErrNotFound) && !errors.Is(err, venue.ErrConflict) {
						t.Error(err)
					}
				}
			})
		}
		wg.Go(func() {
			if _, err := c.job.Withdraw(c.ctx, a.ID, id); err != nil && !errors.Is(err, venue.ErrNotFound) {
				t.Error(err)
			}
		})
		wg.Wait()
		c.pass(time.Minute)
		c.run()
		if ended, err := c.ended.Revoked(c.ctx, a.Family); err != nil || !ended {
			t.Fatalf("round %d: the session that withdrew lives on, %v", round, err)
		}
		// An account leads to the record that the number leads to, or to none.
		for i := range 6 {
			account := c.login(fmt.Sprint("o", i+1))
			if ended, err := c.ended.Revoked(c.ctx, account.Family); ended || err != nil {
				t.Fatalf("round %d: a new session is over, %v", round, err)
			}
			if account.Person.IsZero() {
				continue
			}
			if who, err := c.people.Open(c.ctx, account.Person); err != nil || who.Phone.Reveal() != phone || !c.listed(idA) {
				t.Fatalf("round %d: an account leads to %v, %v", round, who, err)
			}
		}
		if n := c.rows(store.Persons.Name); n > 1 {
			t.Fatalf("round %d: %d records of one number", round, n)
		}
	}
}

func TestAScanUnderWayWhenItsPersonEndsStillPointsAtSomebody(t *testing.T) {
	c := newCounty(t, 30, 60)
	a, id := c.register("o1", idA)
	if erased, err := c.job.Withdraw(c.ctx, a.ID, id); err != nil || erased != 0 {
		t.Fatalf("erased on %s, %v", erased, err)
	}
	c.scan(id, venue.MethodPhone) // its session was checked before
	c.pass(time.Minute)
	c.run()
	if who, err := c.people.Open(c.ctx, id); err != nil || who.ID.Reveal() != idA {
		t.Fatalf("the visit points at nobody: %v", err)
	}
	if c.listed(idA) {
		t.Error("the number still leads to the record")
	}
	_, next := c.register("o1", idA)
	if next == id || c.visits(next) != nil {
		t.Error("the next registration is the old record")
	}
	c.clock.Store((c.today() + 31).At(3, 30).UnixMilli())
	c.purge()
	c.pass(30 * time.Minute)
	c.run()
	if _, err := c.people.Open(c.ctx, id); !errors.Is(err, venue.ErrNotFound) {
		t.Errorf("the visit is purged, the record stayed: %v", err)
	}
}

func TestNothingIsDestroyedThatTheAuditWasNotTold(t *testing.T) {
	c := newCounty(t, 14, 30)
	c.register("o1", idA)
	c.job.Record = func(context.Context, int) error { return errDown }
	c.nights(30)
	c.clock.Store((c.today() + 1).At(4, 0).UnixMilli())
	if _, _, err := c.job.Run(c.ctx, c.Now()); err != nil {
		t.Fatal(err)
	}
	c.pass(10 * time.Second)
	if _, _, err := c.job.Run(c.ctx, c.Now()); !errors.Is(err, venue.ErrUnavailable) || c.rows(store.Persons.Name) != 1 {
		t.Fatalf("%v, %d records", err, c.rows(store.Persons.Name))
	}
}

func TestALongNightIsWorkedOffInBatches(t *testing.T) {
	c := newCounty(t, 14, 30)
	const people = 450
	for i := range people {
		who := facts(t, zhang, number(i), "", false)
		if _, _, err := c.people.Named(c.ctx, venue.Identity{Name: who.Name, ID: who.ID}); err != nil {
			t.Fatal(err)
		}
	}
	c.nights(30)
	c.clock.Store((c.today() + 1).At(4, 0).UnixMilli())
	for range 8 {
		if _, _, err := c.job.Run(c.ctx, c.Now()); err != nil {
			t.Fatal(err)
		}
		if due, _, _ := c.job.Next(c.ctx); due.After(c.Now().Add(10 * time.Second)) {
			break
		}
		c.pass(10 * time.Second)
	}
	if n := c.rows(store.Persons.Name) + c.rows(store.PersonIDs.Name); n != 0 || c.gone != people {
		t.Fatalf("%d rows left, the audit was told of %d", n, c.gone)
	}
}

func TestVisits(t *testing.T) {
	c := newCounty(t, 30, 60)
	who := facts(t, zhang, idA, "", false)
	id, _, err := c.people.Named(c.ctx, venue.Identity{Name: who.Name, ID: who.ID})
	if err != nil {
		t.Fatal(err)
	}
	c.scan(id, venue.MethodPhone) // whoever it was: not since they registered
	c.pass(time.Minute)
	a, _ := c.register("o1", idA)
	if got := c.visits(id); got != nil {
		t.Errorf("visits of before: %d", len(got))
	}
	var want []string
	for day := range 5 {
		for range day {
			for _, method := range []venue.Method{venue.MethodCompanion, venue.MethodStaff, venue.MethodSentry} {
				c.scan(id, method)
			}
			want = append(want, c.scan(id, venue.MethodPhone).Key.ID())
			c.pass(time.Duration(day%2) * time.Hour) // some at one instant
		}
		c.pass(24 * time.Hour)
	}
	got := c.visits(id)
	sorted := func(ids []string) []string { ids = slices.Clone(ids); slices.Sort(ids); return ids }
	if !slices.Equal(sorted(got), sorted(want)) {
		t.Fatalf("%d visits, want %d", len(got), len(want))
	}
	page := must[vault.VisitPage](t)(c.job.Visits(c.ctx, id, "", 0))
	for i, s := range page.Visits[1:] {
		if s.At.After(page.Visits[i].At) {
			t.Error("not the newest first")
		}
	}
	for _, limit := range []int{1, len(want)} {
		page := must[vault.VisitPage](t)(c.job.Visits(c.ctx, id, "", limit))
		if len(page.Visits) != limit || (page.Next == "") != (limit == len(want)) {
			t.Errorf("limit %d: %d visits, next %q", limit, len(page.Visits), page.Next)
		}
	}
	for _, bad := range []string{"x", "1", "-", "1-2", "01-" + got[0], "99999999999999999999-" + got[0], strings.Repeat("1", 70)} {
		var invalid *venue.Invalid
		if _, err := c.job.Visits(c.ctx, id, bad, 0); !errors.As(err, &invalid) || invalid.Field != "before" {
			t.Errorf("before %q: %v", bad, err)
		}
	}
	if _, err := c.job.Withdraw(c.ctx, a.ID, id); err != nil {
		t.Fatal(err)
	}
	if got := c.visits(id); got != nil {
		t.Errorf("after the withdrawal: %d", len(got))
	}
	if _, again := c.register("o1", idA); again != id || c.visits(id) != nil {
		t.Errorf("registered again at the same instant: another record, or %d visits", len(c.visits(id)))
	}
}

// The dearest person is one who did not scan since their record was made: every
// day that has a key is looked at.
func BenchmarkLookingAtAPerson(b *testing.B) {
	for _, scanned := range []int{0, 59} { // days ago
		b.Run(fmt.Sprintf("last scan %d days ago", scanned), func(b *testing.B) {
			c := newCounty(b, 60, 180)
			c.clock.Store((c.today() - 60).At(12, 0).UnixMilli())
			_, id := c.register("o", idA)
			for day := range 60 {
				c.pass(24 * time.Hour)
				if day == 59-scanned {
					c.scan(id, venue.MethodPhone)
				}
				if err := c.vault.EnsureDay(c.today()); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				if _, ok, err := vault.LastDay(c.job.History, c.ctx, id, 0, c.today()); err != nil || !ok {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

// sweeping does something while a run is under way.
type sweeping func(ctx context.Context, now time.Time) (int, error)

func (s sweeping) Sweep(ctx context.Context, now time.Time) (int, error) { return s(ctx, now) }

func TestAWithdrawalDuringARunIsNotLeftForTheNight(t *testing.T) {
	c := newCounty(t, 30, 60)
	account, id := c.register("wx-1", "11010519491231002X")
	c.job.Sessions = sweeping(func(ctx context.Context, now time.Time) (int, error) {
		if _, err := c.job.Withdraw(ctx, account.ID, id); err != nil {
			t.Error(err)
		}
		return c.ended.Sweep(ctx, now)
	})
	if _, _, err := c.job.Run(c.ctx, c.Now()); err != nil {
		t.Fatal(err)
	}
	if next, _, _ := c.job.Next(c.ctx); next.Sub(c.Now()) > 10*time.Second {
		t.Errorf("the record goes at %s, it is %s", next, c.Now())
	}
}
