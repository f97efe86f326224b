package vault_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/internal/canary"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/venue"
)

const (
	zhang = "张三丰"
	idA   = "11010519491231002X"
	idB   = "110101199003070134"
	phone = "13812348000"
)

type town struct {
	*vault.People
	t    testing.TB
	docs *faulty
}

// faulty is a store whose writes to one collection can be made to fail.
type faulty struct {
	store.Engine
	fail string
}

var errDown = fmt.Errorf("store: %w", venue.ErrUnavailable)

func (f *faulty) Insert(ctx context.Context, c, id string, body bson.Raw) error {
	if c == f.fail {
		return errDown
	}
	return f.Engine.Insert(ctx, c, id, body)
}

func (f *faulty) Replace(ctx context.Context, c string, d store.Document) (int64, error) {
	if c == f.fail {
		return 0, errDown
	}
	return f.Engine.Replace(ctx, c, d)
}

func newTown(t testing.TB) *town {
	t.Helper()
	e, err := embedded.Open(embedded.Options{Dir: t.TempDir(), Schemas: store.Schemas})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	docs := &faulty{Engine: e}
	clock := venue.ClockFunc(func() time.Time { return noon })
	return &town{vault.NewPeople(open(t, t.TempDir()), docs, clock, "419981"), t, docs}
}

func (w *town) account(app, openid string) string {
	w.t.Helper()
	account, err := w.Account(context.Background(), app, openid)
	if err != nil {
		w.t.Fatal(err)
	}
	return account.ID
}

// owner is whose an account is, to the sessions that it gives out now.
func (w *town) owner(app, openid string) (venue.PersonID, error) {
	w.t.Helper()
	account, err := w.Account(context.Background(), app, openid)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.OfAccount(context.Background(), account.ID, account.Family)
}

func facts(t testing.TB, name, id, phone string, proven bool) vault.Registration {
	t.Helper()
	r := vault.Registration{Proven: proven, Consent: "2022-05"}
	r.Name = must[venue.PersonName](t)(venue.ParsePersonName(name))
	r.ID = must[venue.IDNumber](t)(venue.ParseIDNumber(id, venue.DayOf(noon)))
	if phone != "" {
		r.Phone = must[venue.Phone](t)(venue.ParsePhone(phone))
	}
	return r
}

func TestRegistering(t *testing.T) {
	ctx := context.Background()
	type step struct {
		openid, name, id, phone string
		proven                  bool
		conflict                bool
	}
	cases := []struct {
		name      string
		companion bool // idA was scanned for before
		steps     []step
		persons   int
	}{
		{"a resident registers", false, []step{{"o1", zhang, idA, phone, false, false}}, 1},
		{"again with the same facts", false, []step{{"o1", zhang, idA, phone, false, false}, {"o1", zhang, idA, phone, false, false}}, 1},
		{"a resident corrects name and phone", false, []step{{"o1", zhang, idA, phone, false, false}, {"o1", "张三", idA, "13900001111", false, false}}, 1},
		{"somebody known as a companion registers", true, []step{{"o1", zhang, idA, phone, false, false}}, 1},
		{"the second app, phone proven", false, []step{{"o1", zhang, idA, phone, true, false}, {"o2", zhang, idA, phone, true, false}}, 1},
		{"the second app, phone typed in", false, []step{{"o1", zhang, idA, phone, true, false}, {"o2", zhang, idA, phone, false, true}}, 1},
		{"another phone, proven", false, []step{{"o1", zhang, idA, phone, false, false}, {"o2", zhang, idA, "13900001111", true, true}}, 1},
		{"another name, phone proven", false, []step{{"o1", zhang, idA, phone, true, false}, {"o2", "李四", idA, phone, true, true}}, 1},
		{"an account takes another's number", false, []step{{"o1", zhang, idA, phone, true, false}, {"o1", zhang, idB, phone, true, true}}, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newTown(t)
			if c.companion {
				who := facts(t, "张丰", idA, "", false)
				if _, _, err := w.Named(ctx, venue.Identity{Name: who.Name, ID: who.ID}); err != nil {
					t.Fatal(err)
				}
			}
			persons := map[venue.PersonID]bool{}
			for i, s := range c.steps {
				account := w.account("wechat", s.openid)
				id, err := w.Register(ctx, account, facts(t, s.name, s.id, s.phone, s.proven))
				if errors.Is(err, venue.ErrConflict) != s.conflict || err != nil && !s.conflict {
					t.Fatalf("step %d: %v, conflict expected: %v", i, err, s.conflict)
				}
				if err != nil {
					continue
				}
				persons[id] = true
				who, err := w.Open(ctx, id)
				if err != nil || who.Name.Reveal() != s.name || who.ID.Reveal() != s.id || who.Phone.Reveal() != s.phone || who.Consent != "2022-05" {
					t.Fatalf("step %d: opened %v, %v", i, who, err)
				}
				if got, err := w.owner("wechat", s.openid); err != nil || got != id {
					t.Fatalf("step %d: the account leads elsewhere, %v", i, err)
				}
			}
			if len(persons) != c.persons || w.rows(store.Persons.Name) != c.persons {
				t.Fatalf("%d persons, %d rows; want %d", len(persons), w.rows(store.Persons.Name), c.persons)
			}
		})
	}
}

func TestARefusedRegistrationChangesNothing(t *testing.T) {
	ctx := context.Background()
	w := newTown(t)
	mine := w.account("wechat", "mine")
	must[venue.PersonID](t)(w.Register(ctx, mine, facts(t, zhang, idA, phone, false)))
	// The holder of one record can not lock a stranger out of theirs.
	if _, err := w.Register(ctx, mine, facts(t, "李四", idB, phone, true)); !errors.Is(err, venue.ErrConflict) {
		t.Fatalf("took a second number: %v", err)
	}
	if _, err := w.Register(ctx, w.account("wechat", "theirs"), facts(t, "李四", idB, "13900001111", false)); err != nil {
		t.Fatalf("the number's owner was locked out: %v", err)
	}
	// Nor does a refused claim leave a trace in the record.
	if _, err := w.Register(ctx, w.account("alipay", "thief"), facts(t, zhang, idA, "13900002222", true)); !errors.Is(err, venue.ErrConflict) {
		t.Fatal(err)
	}
	id, _ := w.owner("wechat", "mine")
	if who, err := w.Open(ctx, id); err != nil || who.Phone.Reveal() != phone {
		t.Fatalf("the record now has %v, %v", who.Phone, err)
	}
	if _, err := w.owner("alipay", "thief"); !errors.Is(err, venue.ErrNotFound) {
		t.Fatalf("the thief's account leads somewhere: %v", err)
	}
}

func TestARegistrationCutShortCanBeMadeAgain(t *testing.T) {
	ctx := context.Background()
	for _, collection := range []string{store.Persons.Name, store.PersonIDs.Name, store.Accounts.Name} {
		t.Run(collection, func(t *testing.T) {
			w := newTown(t)
			account := w.account("wechat", "o1")
			w.docs.fail = collection
			if _, err := w.Register(ctx, account, facts(t, zhang, idA, phone, false)); !errors.Is(err, venue.ErrUnavailable) {
				t.Fatalf("with the store down: %v", err)
			}
			if _, err := w.owner("wechat", "o1"); !errors.Is(err, venue.ErrNotFound) {
				t.Fatalf("half registered: %v", err)
			}
			w.docs.fail = ""
			// Somebody else, with a phone of theirs, does not walk into the gap.
			if collection == store.Accounts.Name {
				if _, err := w.Register(ctx, w.account("wechat", "o2"), facts(t, zhang, idA, "13900001111", true)); !errors.Is(err, venue.ErrConflict) {
					t.Fatalf("a stranger: %v", err)
				}
			}
			if _, err := w.Register(ctx, account, facts(t, zhang, idA, phone, false)); err != nil {
				t.Fatalf("again: %v", err)
			}
		})
	}
}

func TestRacedRegistrationsMakeOnePerson(t *testing.T) {
	ctx := context.Background()
	w := newTown(t)
	ids := make([]venue.PersonID, 12)
	var wg sync.WaitGroup
	for i := range ids {
		account := w.account([]string{"wechat", "alipay"}[i%2], fmt.Sprint(i))
		wg.Go(func() {
			var err error
			if i%3 == 2 {
				who := facts(t, zhang, idA, "", false)
				ids[i], _, err = w.Named(ctx, venue.Identity{Name: who.Name, ID: who.ID})
			} else {
				ids[i], err = w.Register(ctx, account, facts(t, zhang, idA, phone, true))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, id := range ids {
		if id != ids[0] {
			t.Fatalf("caller %d got another person", i)
		}
	}
	if n := w.rows(store.Persons.Name); n != 1 {
		t.Fatalf("%d person rows, want 1: the losers' must go", n)
	}
	if to, err := w.Reachable(ctx, ids[0]); err != nil || len(to) != 8 {
		t.Fatalf("reachable at %d accounts, %v; want 8", len(to), err)
	}
}

func TestACompanionsNameMustGoWithTheNumber(t *testing.T) {
	ctx := context.Background()
	w := newTown(t)
	named := func(name, id string) (venue.PersonID, bool) {
		t.Helper()
		r := facts(t, name, id, "", false)
		p, sure, err := w.Named(ctx, venue.Identity{Name: r.Name, ID: r.ID})
		if err != nil {
			t.Fatal(err)
		}
		return p, sure
	}
	if _, sure := named("王王", idA); !sure {
		t.Error("a new companion: not sure")
	}
	id, sure := named(zhang, idA) // the name was mistyped the first time
	if !sure {
		t.Error("a corrected name: not sure")
	}
	if who, err := w.Identity(ctx, id); err != nil || who.Name.Reveal() != zhang {
		t.Errorf("asked as %v, %v", who.Name, err)
	}
	must[venue.PersonID](t)(w.Register(ctx, w.account("wechat", "o1"), facts(t, zhang, idA, phone, false)))
	if _, sure := named(zhang, idA); !sure {
		t.Error("a registered person under their name: not sure")
	}
	if p, sure := named("李四", idA); sure || p != id {
		t.Errorf("a registered number under another name: sure = %v", sure)
	}
	if who, err := w.Open(ctx, id); err != nil || who.Name.Reveal() != zhang || who.Phone.IsZero() {
		t.Errorf("a companion's name changed a resident's record: %v, %v", who, err)
	}
}

func TestTheMaskedNameFollowsARegistration(t *testing.T) {
	ctx := context.Background()
	w := newTown(t)
	account := w.account("wechat", "o1")
	id := must[venue.PersonID](t)(w.Register(ctx, account, facts(t, zhang, idA, phone, false)))
	for range 2 {
		if name, err := w.Masked(ctx, id); err != nil || name != "张*" {
			t.Fatalf("masked %q, %v", name, err)
		}
	}
	must[venue.PersonID](t)(w.Register(ctx, account, facts(t, "李四", idA, phone, false)))
	if name, err := w.Masked(ctx, id); err != nil || name != "李*" {
		t.Fatalf("after a change of name %q, %v", name, err)
	}
}

func TestAStoreHoldsNoClearText(t *testing.T) {
	ctx := context.Background()
	w := newTown(t)
	must[venue.PersonID](t)(w.Register(ctx, w.account("wechat", "oABCDEFGH12345"), facts(t, zhang, idA, phone, true)))
	companion := facts(t, "欧阳修文", idB, "", false)
	if _, _, err := w.Named(ctx, venue.Identity{Name: companion.Name, ID: companion.ID}); err != nil {
		t.Fatal(err)
	}

	secrets := map[string]string{}
	for i, s := range []string{zhang, idA, idA[:17], phone, "欧阳修文", idB, "oABCDEFGH12345"} {
		secrets[fmt.Sprint("secret ", i)] = s
	}
	finder := canary.NewFinder(secrets)
	seen := 0
	for _, schema := range store.Schemas {
		for d, err := range w.docs.Find(ctx, schema.Name, store.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			seen++
			for _, what := range append(finder.Find(d.Body), finder.Find([]byte(d.ID))...) {
				t.Errorf("a document of %s holds %s", schema.Name, what)
			}
		}
	}
	if seen < 5 {
		t.Fatalf("looked at %d documents only", seen)
	}
}

func TestAnOpenIDIsFoundAgainAndOpens(t *testing.T) {
	ctx := context.Background()
	w := newTown(t)
	a, b := w.account("wechat", "same"), w.account("alipay", "same")
	if a == b || a != w.account("wechat", "same") {
		t.Fatal("accounts are told apart by app and openid")
	}
	if got, err := w.OpenID(ctx, a); err != nil || got != "same" {
		t.Fatalf("opened %q, %v", got, err)
	}
}

func TestARecordOpensUnderItsOwnNameOnly(t *testing.T) {
	ctx := context.Background()
	w := newTown(t)
	one := must[venue.PersonID](t)(w.Register(ctx, w.account("wechat", "1"), facts(t, zhang, idA, phone, false)))
	two := must[venue.PersonID](t)(w.Register(ctx, w.account("wechat", "2"), facts(t, "李四", idB, phone, false)))
	rows := store.NewCollection[store.PersonRow](w.docs, store.Persons)
	stolen := must[store.Row[store.PersonRow]](t)(rows.Get(ctx, one.Key()))
	if _, err := rows.Update(ctx, two.Key(), false, func(r *store.PersonRow) error { *r = stolen.Value; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Open(ctx, two); !errors.Is(err, vault.ErrWrongKey) {
		t.Fatalf("one person's row under another's name: %v", err)
	}
	_, err := rows.Update(ctx, one.Key(), false, func(r *store.PersonRow) error { r.Phone = r.Name; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Open(ctx, one); !errors.Is(err, vault.ErrWrongKey) {
		t.Fatalf("one field's text in another's place: %v", err)
	}
}

func (w *town) rows(collection string) (n int) {
	w.t.Helper()
	for _, err := range w.docs.Find(context.Background(), collection, store.Query{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		n++
	}
	return n
}
