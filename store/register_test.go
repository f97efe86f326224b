package store_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/venuecode/venuecode/internal/canary"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/storetest"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// xored stands for the vault: what it seals is not in clear, and opens for the
// same use only.
type xored struct{}

func (xored) Seal(use string, plain []byte) ([]byte, error) {
	out := append([]byte(use+"\x00"), plain...)
	for i := range out {
		out[i] ^= 0xA5
	}
	return out, nil
}

func (x xored) Open(use string, sealed []byte) ([]byte, error) {
	out, _ := x.Seal("", sealed)
	plain, ok := bytes.CutPrefix(out[1:], []byte(use+"\x00"))
	if !ok {
		return nil, errors.New("wrong use")
	}
	return plain, nil
}

// crashing is a store whose process ends at a write: it may be done or not, and
// so are none of those that follow.
type crashing struct {
	store.Engine
	left atomic.Int64 // writes until then; never if negative
	torn bool         // the last one is done
}

var errCrashed = fmt.Errorf("crashed: %w", venue.ErrUnavailable)

func (c *crashing) write(do func() error) error {
	switch left := c.left.Add(-1); {
	case left == 0:
		if c.torn {
			_ = do()
		}
		return errCrashed
	case left < 0 && left > -1<<40:
		return errCrashed
	}
	return do()
}

func (c *crashing) calm() { c.left.Store(-1 << 50) }

func (c *crashing) Insert(ctx context.Context, collection, id string, body bson.Raw) error {
	return c.write(func() error { return c.Engine.Insert(ctx, collection, id, body) })
}

// InsertAll ends at any of the documents.
func (c *crashing) InsertAll(ctx context.Context, collection string, docs []store.Document) ([]bool, error) {
	added := make([]bool, len(docs))
	for i, d := range docs {
		err := c.Insert(ctx, collection, d.ID, d.Body)
		if added[i] = err == nil; !added[i] && !errors.Is(err, venue.ErrExists) {
			return nil, err
		}
	}
	return added, nil
}

func (c *crashing) Replace(ctx context.Context, collection string, d store.Document) (rev int64, err error) {
	err = c.write(func() error { rev, err = c.Engine.Replace(ctx, collection, d); return err })
	return rev, err
}

func (c *crashing) Delete(ctx context.Context, collection, id string, rev int64) error {
	return c.write(func() error { return c.Engine.Delete(ctx, collection, id, rev) })
}

// bureau is a register with its desk.
type bureau struct {
	*registry.Service
	engine   *crashing
	registry *store.Registry
	register *store.Register
	clock    *handClock
}

func newBureau(t storetest.TB, engine store.Engine) *bureau {
	b := &bureau{engine: &crashing{Engine: engine}, clock: newClock(noon)}
	b.engine.calm()
	b.registry = store.NewRegistry(b.engine, b.clock)
	b.register = store.NewRegister(b.engine, b.registry, xored{}, b.clock)
	b.Service = &registry.Service{
		Applications: b.register, Book: b.register, Blanks: b.register,
		Policy: registry.Policy{Auto: []venue.Category{venue.CategoryFunctionalUnit, venue.CategorySmallPlace}}, Random: rand.Reader, Clock: b.clock,
	}
	return b
}

var (
	officer  = registry.Who{Account: "lichunmei", Reason: "材料齐全"}
	fromForm = registry.Sender{Channel: "form"}
)

const (
	applicant = "欧阳丹砂"
	manager   = "司马青黛"
)

// uscc makes a good one.
func uscc(n int) string {
	const alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
	s := fmt.Sprintf("91419981MA%07d", n)
	for _, c := range alphabet {
		if _, proof, err := venue.ParseUSCC(s + string(c)); err == nil && !proof {
			return s + string(c)
		}
	}
	panic(s)
}

func form(n int) registry.Form {
	return registry.Form{
		UnitName: fmt.Sprintf("青禾市第%d商贸有限公司", n), USCC: uscc(n), UnitKind: "企业", Division: "419981001", Sectors: "商贸、餐饮",
		Name: fmt.Sprintf("第%d商场", n), ShortName: "商场", Category: "一", Address: "洗月街道文昌路1号", Doors: []string{"南门", "北门"},
		ApplicantName: registry.NewTyped(applicant), ApplicantPhone: registry.NewTyped("13900000001"), ManagerName: registry.NewTyped(manager), ManagerPhone: registry.NewTyped("13900000002"),
	}
}

func TestAnApplicationBecomesDoorsThatAreScanned(t *testing.T) {
	ctx := context.Background()
	b := newBureau(t, openStore(t))
	a, faults, err := b.Submit(ctx, "", form(1), fromForm)
	if err != nil || len(faults) > 0 || a.State != registry.StatePending {
		t.Fatalf("%v %v %v", a.State, faults, err)
	}
	a, err = b.Approve(ctx, a.ID, officer, false)
	if err != nil || a.State != registry.StateApproved || len(a.Made.Codes) != 2 {
		t.Fatalf("%+v, %v", a, err)
	}
	for i, name := range []string{"南门", "北门"} {
		p, err := b.registry.Resolve(ctx, a.Made.Codes[i])
		if err != nil || p.Door.Name != name || p.Venue.Name != "第1商场" || p.Door.Unit != a.Made.Unit {
			t.Fatalf("%+v, %v", p, err)
		}
	}
	if again, err := b.Approve(ctx, a.ID, officer, false); err != nil || !slices.Equal(again.Made.Codes, a.Made.Codes) {
		t.Fatalf("approved twice: %+v, %v", again, err)
	}
	if tenures, err := b.registry.Tenures(ctx, a.Made.Unit); err != nil || len(tenures) != 2 {
		t.Fatalf("%v, %v", tenures, err)
	}
	if found := canary.NewFinder(map[string]string{"applicant": applicant, "manager": manager, "phone": "13900000001"}).Find(everything(t, b.engine)); len(found) > 0 {
		t.Errorf("in clear in the store: %s", found)
	}
}

func TestWhatIsRegisteredLiesInAListedDivision(t *testing.T) {
	ctx := context.Background()
	b := newBureau(t, openStore(t))
	a, _, err := b.Submit(ctx, "", form(1), fromForm) // before anybody had a list
	if err != nil {
		t.Fatal(err)
	}
	if b.Divisions, err = b.Divisions.With(venue.NamedDivision{Code: "419981", Name: "青禾市"}, venue.NamedDivision{Code: "41", Name: "河南省"}, venue.NamedDivision{Code: "419981002", Name: "听雨街道"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ division, place, want string }{
		{"419981002", "", "[]"}, {"419981", "419981002001", "[]"}, {"419981003", "", "[division unknown]"}, {"410482", "419981009", "[division unknown place unknown]"},
		{"419981002", "410482001", "[place unknown]"}, {"4199", "", "[division shape]"},
	} {
		f := form(2)
		f.Division, f.Place = c.division, c.place
		_, faults, err := b.Submit(ctx, "draft", f, fromForm)
		var said []string
		for _, fault := range faults {
			said = append(said, fault.Field+" "+fault.Reason)
		}
		if got := fmt.Sprint(said); err != nil && !errors.Is(err, venue.ErrConflict) || got != c.want {
			t.Errorf("%s, %s: %s, %v; want %s", c.division, c.place, got, err, c.want)
		}
	}
	a, err = b.Approve(ctx, a.ID, officer, false)
	if err != nil || a.State != registry.StateApproved {
		t.Fatalf("sent in before the list: %v, %v", a.State, err)
	}
	f := form(1)
	f.Place = "419981001"
	if _, faults, err := b.Correct(ctx, a.Made.Venue, f, officer); err != nil || len(faults) != 1 || faults[0].Field != "place" {
		t.Errorf("corrected: %v, %v", faults, err)
	}
	if _, faults, err := b.CorrectUnit(ctx, a.Made.Unit, f, officer); err != nil || len(faults) != 1 || faults[0].Field != "division" {
		t.Errorf("the unit corrected: %v, %v", faults, err)
	}
}

// TestWhoIsReachedAlreadyIsNotWrittenAgain: a file that is done again names the same
// persons, thousands of them.
func TestWhoIsReachedAlreadyIsNotWrittenAgain(t *testing.T) {
	ctx := t.Context()
	b := newBureau(t, openStore(t))
	contacts := store.NewCollection[store.ContactRow](b.engine, store.Contacts)
	person := func(name, phone string) (p registry.Person) {
		t.Helper()
		var err, e error
		p.Name, err = venue.ParsePersonName(name)
		p.Phone, e = venue.ParsePhone(phone)
		if err != nil || e != nil {
			t.Fatal(err, e)
		}
		return p
	}
	first, second, nobody := person("江远", "19900000021"), person("舒敏", "19900000022"), registry.Person{}
	for i, c := range []struct {
		applicant, manager registry.Person
		rev                int64
	}{{first, second, 1}, {first, second, 1}, {nobody, second, 1}, {nobody, first, 2}, {first, nobody, 2}} {
		if err := b.register.Reach(ctx, "v1", c.applicant, c.manager); err != nil {
			t.Fatal(err)
		}
		if row, err := contacts.Get(ctx, "venue:v1"); err != nil || row.Rev != c.rev {
			t.Errorf("%d: written %d times, want %d, %v", i, row.Rev, c.rev, err)
		}
	}
	if applicant, manager, err := b.register.Reached(ctx, "v1"); applicant != first || manager != first || err != nil {
		t.Errorf("reached: others, %v", err)
	}
}

func TestAManagerIsBoundByACode(t *testing.T) {
	ctx := context.Background()
	b := newBureau(t, openStore(t))
	a, _, err := b.Submit(ctx, "", form(1), fromForm)
	if err == nil {
		a, err = b.Approve(ctx, a.ID, officer, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	codes := store.NewBindCodes(b.engine, b.registry, func(kind, value string) string { return kind + value }, rand.Reader, b.clock)
	codes.Register = b.register
	code, err := codes.MakeManager(ctx, a.Made.Venue)
	if err != nil {
		t.Fatal(err)
	}
	account := venue.ChatAccount{Channel: venue.ChannelWeComApp, ID: "s001"}
	for range 2 { // the same account may repeat its own
		if got, err := codes.Bind(ctx, account, code); err != nil || got.Manages.ID != a.Made.Venue || got.Manages.Name == "" {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	p, err := b.registry.Resolve(ctx, a.Made.Codes[0])
	if err != nil || !slices.Equal(p.Venue.Managers, []venue.ChatAccount{account}) {
		t.Fatalf("%+v, %v", p.Venue.Managers, err)
	}
	if _, err := b.registry.Binding(ctx, account); !errors.Is(err, venue.ErrNotFound) {
		t.Errorf("a manager reports for the unit: %v", err)
	}
	if _, err := codes.Bind(ctx, venue.ChatAccount{Channel: venue.ChannelWeComApp, ID: "s002"}, code); !errors.Is(err, venue.ErrInvalid) {
		t.Errorf("another account: %v", err)
	}
	if _, err := codes.MakeManager(ctx, "v_none"); !errors.Is(err, venue.ErrNotFound) {
		t.Error(err)
	}
	if err := codes.RemoveManager(ctx, a.Made.Venue, codes.ManagerID("v_other", account), officer); !errors.Is(err, venue.ErrNotFound) {
		t.Errorf("by a name for another venue: %v", err)
	}
	if err := codes.RemoveManager(ctx, a.Made.Venue, codes.ManagerID(a.Made.Venue, account), officer); err != nil {
		t.Fatal(err)
	}
	if _, err := codes.Bind(ctx, account, code); !errors.Is(err, venue.ErrInvalid) {
		t.Errorf("the code of who was removed: %v", err)
	}
	if p, err = b.registry.Resolve(ctx, a.Made.Codes[0]); err != nil || len(p.Venue.Managers) > 0 {
		t.Errorf("who was removed is a manager by the same code: %+v, %v", p.Venue.Managers, err)
	}
	if _, err := b.Close(ctx, a.Made.Venue, "", officer); err != nil {
		t.Fatal(err)
	}
	if _, err := codes.MakeManager(ctx, a.Made.Venue); !refusedBy(err, registry.RuleClosed) {
		t.Errorf("for a closed venue: %v", err)
	}
}

func TestApplications(t *testing.T) {
	ctx := context.Background()
	b := newBureau(t, openStore(t))
	// A draft may be anything; it is sent in once it is whole.
	draft, err := b.Save(ctx, "d1", registry.Form{UnitName: "青禾"}, fromForm)
	if err != nil || draft.State != registry.StateDraft || draft.Form.UnitName != "青禾" {
		t.Fatalf("%v %v", draft.State, err)
	}
	if _, faults, err := b.Submit(ctx, "d1", registry.Form{UnitName: "青禾"}, fromForm); err != nil || len(faults) == 0 {
		t.Fatalf("%v %v", faults, err)
	}
	sent := func(id string, f registry.Form, from registry.Sender) registry.Application {
		t.Helper()
		a, faults, err := b.Submit(ctx, id, f, from)
		if err != nil || len(faults) > 0 {
			t.Fatalf("%v %v", faults, err)
		}
		return a
	}
	sent("d1", form(1), fromForm)
	if a := sent("d1", form(1), fromForm); a.State != registry.StatePending {
		t.Errorf("sent in twice: %s", a.State)
	}
	if _, _, err := b.Submit(ctx, "d1", form(2), fromForm); !errors.Is(err, venue.ErrConflict) {
		t.Errorf("another form under the id of one that waits: %v", err)
	}
	if _, err := b.Reject(ctx, "d1", registry.Who{Account: "hanbo"}); !errors.Is(err, venue.ErrInvalid) {
		t.Errorf("without a reason: %v", err)
	}
	back, err := b.Reject(ctx, "d1", registry.Who{Account: "hanbo", Reason: "地址不详细"})
	if err != nil || back.State != registry.StateRejected || back.Decider.Reason != "地址不详细" || back.Form.UnitName == "" {
		t.Fatalf("%+v %v", back, err)
	}
	if _, err := b.Approve(ctx, "d1", officer, false); !errors.Is(err, venue.ErrConflict) {
		t.Errorf("approved once rejected: %v", err)
	}
	sent("d1", form(1), fromForm)
	first, err := b.Approve(ctx, "d1", officer, false)
	if err != nil || first.State != registry.StateApproved {
		t.Fatal(err)
	}
	if _, err := b.Reject(ctx, "d1", officer); !errors.Is(err, venue.ErrConflict) {
		t.Errorf("rejected once approved: %v", err)
	}
	// The unit is found by its USCC; of a name it has one venue.
	other := form(1)
	other.Name, other.UnitName = "第1商场二店", "名称写错了"
	a, err := b.Approve(ctx, sent("", other, fromForm).ID, officer, false)
	if err != nil || a.Made.Unit != first.Made.Unit {
		t.Errorf("a second unit of one USCC: %+v, %v", a.Made, err)
	}
	again := sent("", form(1), fromForm)
	if got, err := b.Approve(ctx, again.ID, officer, false); !errors.Is(err, venue.ErrExists) || got.State != registry.StatePending {
		t.Errorf("the same venue again: %s, %v", got.State, err)
	}
	// Who answers for the unit gets a small place at once, and nobody else.
	small := form(1)
	small.Category, small.Name = "五", "小卖部"
	if a := sent("", small, fromForm); a.State != registry.StatePending {
		t.Errorf("a stranger's application is %s", a.State)
	}
	small.Name = "小饭店"
	mine := sent("", small, registry.Sender{Channel: "console", Account: "liu", Unit: first.Made.Unit})
	if mine.State != registry.StateApproved || mine.Decider.Account != "" {
		t.Errorf("one's own is %s by %q", mine.State, mine.Decider.Account)
	}
	if _, err := b.registry.Resolve(ctx, mine.Made.Codes[0]); err != nil {
		t.Error(err)
	}
	// A USCC whose check character is wrong waits for an officer, its doors too.
	odd := form(3)
	odd.USCC = odd.USCC[:17] + map[bool]string{true: "1", false: "0"}[odd.USCC[17] == '0']
	unseen, err := b.Approve(ctx, sent("", odd, fromForm).ID, officer, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.registry.Resolve(ctx, unseen.Made.Codes[0]); !errors.Is(err, venue.ErrNotFound) {
		t.Errorf("scanned before the register was seen: %v", err)
	}
	if _, err := b.Prove(ctx, unseen.Made.Unit, officer); err != nil {
		t.Fatal(err)
	}
	if _, err := b.registry.Resolve(ctx, unseen.Made.Codes[0]); err != nil {
		t.Errorf("after the proof: %v", err)
	}
	history, err := b.register.History(ctx, unseen.Made.Unit, 10)
	var acts []string
	for _, c := range history {
		acts = append(acts, string(c.Act)+" "+c.By.Account)
	}
	slices.Sort(acts)
	if want := []string{"enter lichunmei", "enter lichunmei", "prove lichunmei", "prove lichunmei"}; err != nil || !slices.Equal(acts, want) {
		t.Errorf("the history is %v, %v; want %v", acts, err, want)
	}
}

func TestWhatIsOutOfScopeIsAsAbsent(t *testing.T) {
	ctx := context.Background()
	b := newBureau(t, openStore(t))
	office := b.register.Show(store.NewOffice(b.engine, b.registry))
	ids := map[venue.Division][]string{}
	for n, d := range []venue.Division{"419981001", "419981001", "419981001", "419981002"} {
		f := form(n + 1)
		f.Division = string(d)
		a, _, err := b.Submit(ctx, "", f, fromForm)
		if err != nil {
			t.Fatal(err)
		}
		ids[d] = append(ids[d], a.ID)
	}
	street := venue.NewScope(venue.ScopeTerritory, []venue.Division{"419981001"}, nil, "")
	var seen []string
	for after, more := "", true; more; {
		var page []registry.Application
		var err error
		if page, more, err = office.Applications(ctx, street, registry.StatePending, after, 2); err != nil || len(page) == 0 {
			t.Fatal(page, err)
		}
		for _, a := range page {
			seen, after = append(seen, a.ID), a.ID
		}
	}
	slices.Sort(seen)
	slices.Sort(ids["419981001"])
	if !slices.Equal(seen, ids["419981001"]) {
		t.Errorf("the street sees %v, it has %v", seen, ids["419981001"])
	}
	if _, err := office.Application(ctx, street, ids["419981002"][0]); !errors.Is(err, store.ErrOutOfScope) {
		t.Errorf("another street's: %v", err)
	}
	if a, err := office.Application(ctx, street, seen[0]); err != nil || a.Form.ManagerName.Reveal() != manager {
		t.Errorf("its own: %v", err)
	}
	made, err := b.Approve(ctx, ids["419981002"][0], officer, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := office.Venue(ctx, street, made.Made.Venue); !errors.Is(err, store.ErrOutOfScope) {
		t.Errorf("another street's venue: %v", err)
	}
	if _, err := office.History(ctx, street, made.Made.Unit, 1); !errors.Is(err, store.ErrOutOfScope) {
		t.Errorf("another street's history: %v", err)
	}
	own := venue.NewScope(venue.ScopeUnit, nil, nil, made.Made.Unit)
	if p, err := office.Venue(ctx, own, made.Made.Venue); err != nil || len(p.Doors) != 2 {
		t.Errorf("a unit's own venue: %+v, %v", p, err)
	}
	if list, _, err := office.Applications(ctx, venue.Scope{}, registry.StatePending, "", 0); err != nil || len(list) > 0 {
		t.Errorf("no scope: %v, %v", list, err)
	}
}

// everything is all documents as they are kept.
func everything(t storetest.TB, e store.Engine) []byte {
	var all bytes.Buffer
	for _, s := range store.Schemas {
		for d, err := range e.Find(context.Background(), s.Name, store.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			all.WriteString(d.ID)
			all.Write(d.Body)
		}
	}
	return all.Bytes()
}

// do runs an act whose process may end at a write, and runs it again after a
// restart until it comes to its end.
func (b *bureau) do(t *rapid.T, act func() error) error {
	ctx := context.Background()
	b.engine.torn = rapid.Bool().Draw(t, "torn")
	b.engine.left.Store(int64(rapid.IntRange(1, 25).Draw(t, "crash")))
	err := act()
	b.engine.calm()
	if errors.Is(err, errCrashed) {
		b.registry = store.NewRegistry(b.engine, b.clock)
		b.register = store.NewRegister(b.engine, b.registry, xored{}, b.clock)
		b.Applications, b.Book, b.Blanks = b.register, b.register, b.register
		if rapid.Bool().Draw(t, "settled first") {
			if _, err := b.Settle(ctx); err != nil {
				t.Fatalf("settle: %v", err)
			}
		}
		err = act()
	}
	return err
}

// TestNoCodeIsLostWhereverTheProcessEnds does what officers do to a small
// register, with a crash at any write.
func TestNoCodeIsLostWhereverTheProcessEnds(t *testing.T) {
	ctx := context.Background()
	engine := openStore(t)
	n := 0
	look := newClock(noon)
	coverage := func() *store.Coverage {
		office := store.NewOffice(engine, store.NewRegistry(engine, look))
		return store.NewCoverage(engine, office, store.NewCensus(engine, look), look, look)
	}
	kept := coverage()
	rapid.Check(t, func(t *rapid.T) {
		b := newBureau(t, engine)
		var venues []venue.VenueID
		var units []venue.UnitID
		dead := map[venue.Code]bool{} // closed by somebody
		codes := map[venue.Code]bool{}
		some := func(what string) venue.VenueID { return rapid.SampledFrom(venues).Draw(t, what) }
		doorOf := func(id venue.VenueID) venue.Code {
			p, err := b.register.Place(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			choice := []venue.Code{""}
			for _, d := range p.Doors {
				choice = append(choice, d.Code)
			}
			return rapid.SampledFrom(choice).Draw(t, "door")
		}
		for range rapid.IntRange(3, 14).Draw(t, "acts") {
			b.clock.advance(rapid.SampledFrom([]time.Duration{0, time.Minute}).Draw(t, "later"))
			act := rapid.SampledFrom([]string{"apply", "apply", "add", "rename", "suspend", "resume", "close", "transfer", "merge", "merge units", "close unit", "activate", "correct", "correct"}).Draw(t, "act")
			if len(venues) < 2 {
				act = "apply"
			}
			var err error
			switch act {
			case "apply":
				n++
				f := form(n)
				if len(units) > 0 && rapid.Bool().Draw(t, "of a known unit") {
					u, err := b.register.Unit(ctx, rapid.SampledFrom(units).Draw(t, "unit"))
					if err != nil {
						t.Fatal(err)
					}
					f.USCC = string(u.USCC)
				}
				id := fmt.Sprint("a", n)
				err = b.do(t, func() error {
					if _, faults, err := b.Submit(ctx, id, f, fromForm); err != nil || len(faults) > 0 {
						return errors.Join(err, join(faults))
					}
					_, err := b.Approve(ctx, id, officer, false)
					return err
				})
				a, readErr := b.register.Application(ctx, id)
				if err != nil || readErr != nil || a.State != registry.StateApproved {
					t.Fatalf("application: %v %v %v", a.State, err, readErr)
				}
				venues, units = append(venues, a.Made.Venue), append(units, a.Made.Unit)
			case "add":
				id, name := some("venue"), fmt.Sprint("门", rapid.IntRange(0, 3).Draw(t, "name"))
				err = b.do(t, func() error { _, err := b.AddDoor(ctx, id, name, officer); return err })
			case "rename":
				id := some("venue")
				code, name := doorOf(id), fmt.Sprint("门", rapid.IntRange(0, 3).Draw(t, "name"))
				err = b.do(t, func() error { _, err := b.RenameDoor(ctx, id, code, name, officer); return err })
			case "suspend", "resume", "close":
				id := some("venue")
				code := doorOf(id)
				do := map[string]func(context.Context, venue.VenueID, venue.Code, registry.Who) (registry.Change, error){"suspend": b.Suspend, "resume": b.Resume, "close": b.Close}[act]
				p, _ := b.register.Place(ctx, id)
				if err = b.do(t, func() error { _, err := do(ctx, id, code, officer); return err }); act == "close" && refusedOr(err) {
					for _, d := range p.Doors {
						now, _ := b.register.Place(ctx, id)
						i := slices.IndexFunc(now.Doors, func(o venue.Door) bool { return o.Code == d.Code })
						dead[d.Code] = dead[d.Code] || i >= 0 && (now.Doors[i].Status == venue.StatusClosed || now.Venue.Status == venue.StatusClosed && now.Venue.Into == "")
					}
				}
			case "transfer":
				id, to := some("venue"), rapid.SampledFrom(units).Draw(t, "to")
				err = b.do(t, func() error { _, err := b.Transfer(ctx, id, to, officer); return err })
			case "merge":
				from, into := some("from"), some("into")
				err = b.do(t, func() error { _, err := b.Merge(ctx, from, into, officer); return err })
			case "merge units":
				from, into := rapid.SampledFrom(units).Draw(t, "from"), rapid.SampledFrom(units).Draw(t, "into")
				err = b.do(t, func() error { _, err := b.MergeUnits(ctx, from, into, officer); return err })
			case "close unit":
				id := rapid.SampledFrom(units).Draw(t, "unit")
				if err = b.do(t, func() error { _, err := b.CloseUnit(ctx, id, officer); return err }); refusedOr(err) {
					for _, v := range venues {
						if p, err := b.register.Place(ctx, v); err == nil && p.Venue.Unit == id && p.Venue.Status == venue.StatusClosed && p.Venue.Into == "" {
							for _, d := range p.Doors {
								dead[d.Code] = true
							}
						}
					}
				}
			case "correct":
				id, f := some("venue"), form(0)
				f.Place, f.Name = "419981001", rapid.SampledFrom([]string{"甲店", "乙店"}).Draw(t, "new name")
				err = b.do(t, func() error { _, _, err := b.Correct(ctx, id, f, officer); return err })
			case "activate":
				id := some("venue")
				n++
				batch := fmt.Sprint("b", n)
				err = b.do(t, func() error {
					printed, err := b.Print(ctx, batch, "419981001", 2, officer)
					if err == nil {
						_, err = b.Activate(ctx, printed.Codes[0], id, "备用门", officer)
					}
					return err
				})
			}
			var refused *registry.Refused
			if err != nil && !errors.As(err, &refused) && !errors.Is(err, venue.ErrExists) && !errors.Is(err, venue.ErrNotFound) {
				t.Fatalf("%s: %v", act, err)
			}
		}
		if _, err := b.Settle(ctx); err != nil {
			t.Fatal(err)
		}
		b.check(t, venues, codes, dead)

		look.advance(time.Minute)
		other := coverage()
		if err := errors.Join(kept.Fill(ctx), other.Fill(ctx)); err != nil { // who asks does not wait for a busy machine
			t.Fatal(err)
		}
		city := venue.NewScope(venue.ScopeTerritory, []venue.Division{"419981"}, nil, "")
		known, _, err := kept.Deadline(ctx, city, registry.Filter{}, "", look.Now(), registry.Gapped{}, 0)
		anew, _, otherErr := other.Deadline(ctx, city, registry.Filter{}, "", look.Now(), registry.Gapped{}, 0)
		if err := errors.Join(err, otherErr); err != nil || !reflect.DeepEqual(known, anew) {
			t.Fatalf("coverage was kept up as\n%+v\nand is\n%+v, %v", known, anew, err)
		}
	})
}

func refusedOr(err error) bool {
	var refused *registry.Refused
	return err == nil || errors.As(err, &refused)
}

func join(faults registry.Faults) (err error) {
	for _, f := range faults {
		err = errors.Join(err, f)
	}
	return err
}

// check holds a register that nobody is at against its rules.
func (b *bureau) check(t *rapid.T, venues []venue.VenueID, codes, dead map[venue.Code]bool) {
	ctx := context.Background()
	if rows, err := store.NewCollection[store.ChangeRow](b.engine, store.ChangeRows).All(ctx, store.Query{Index: "open", Equal: []any{true}}); err != nil || len(rows) > 0 {
		t.Fatalf("%d changes are not carried out, %v", len(rows), err)
	}
	if ids, err := b.register.Unmade(ctx); err != nil || len(ids) > 0 {
		t.Fatalf("not made: %v, %v", ids, err)
	}
	open := map[venue.Code][]venue.UnitID{}
	for row, err := range store.NewCollection[venue.Tenure](b.engine, store.Tenures).Find(ctx, store.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if row.Value.Until.IsZero() {
			open[row.Value.Door] = append(open[row.Value.Door], row.Value.Unit)
		}
	}
	mine := map[venue.VenueID]bool{}
	changes := store.NewCollection[store.ChangeRow](b.engine, store.ChangeRows)
	names := store.NewCollection[store.RegisterNameRow](b.engine, store.RegisterNames)
	for _, id := range venues {
		mine[id] = true
		p, err := b.register.Place(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("venue:%s:%s\x1f\x1f", p.Venue.Unit, p.Venue.Name)
		if row, err := names.Get(ctx, name); p.Venue.Status != venue.StatusClosed && (err != nil || row.Value.ID != string(id)) {
			t.Fatalf("the name of %s is %s's, %v", id, row.Value.ID, err)
		}
		if p.Venue.Into != "" && len(p.Doors) > 0 {
			t.Fatalf("a merged venue has %d doors", len(p.Doors))
		}
		for n := range p.Venue.Changes + 1 {
			row, err := changes.Get(ctx, fmt.Sprintf("venue:%s:%010d", id, n))
			if err != nil || row.Value.Change.Number != n {
				t.Fatalf("change %d of %d: %v", n, p.Venue.Changes, err)
			}
			for _, d := range row.Value.Change.Doors {
				codes[d.Code] = true
			}
		}
	}
	for code := range codes {
		p, err := b.registry.Place(ctx, code)
		if err != nil {
			t.Fatalf("a door is gone: %v", err)
		}
		if p.Venue.Into != "" || !mine[p.Venue.ID] || p.Door.Unit != p.Venue.Unit && p.Venue.Status != venue.StatusClosed {
			t.Fatalf("the door is %+v at %+v", p.Door, p.Venue)
		}
		if got := open[code]; len(got) != 1 || got[0] != p.Door.Unit {
			t.Fatalf("a door of %s has the tenures of %v", p.Door.Unit, got)
		}
		closed := p.Door.Status == venue.StatusClosed || p.Venue.Status == venue.StatusClosed
		if closed && !dead[code] {
			t.Fatalf("a code died that nobody closed: %+v at %+v", p.Door, p.Venue)
		}
		if _, err := b.registry.Resolve(ctx, code); (err == nil) != (p.Door.Status.Scannable() && p.Venue.Status.Scannable()) {
			t.Fatalf("%+v at %+v: %v", p.Door, p.Venue, err)
		}
		if u, err := b.register.Unit(ctx, p.Door.Unit); err != nil || u.Closed() && !closed {
			t.Fatalf("the door's unit is %+v, %v", u, err)
		}
	}
}
