package reveal_test

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/internal/canary"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/vault/reveal"
	"github.com/venuecode/venuecode/venue"
)

const (
	name  = "欧阳明德"
	id    = "11010519491231002X"
	phone = "13812348000"
	door  = "D1"
)

var noon = time.Date(2022, 5, 18, 12, 0, 0, 0, venue.Zone)

// faulty is a store that fails to write to, or read from, one collection, and
// notes what is done to those that a reveal touches.
type faulty struct {
	store.Engine
	mu         sync.Mutex
	fail       string
	failReads  string
	happenings []string
}

var errDown = fmt.Errorf("store: %w", venue.ErrUnavailable)

func (f *faulty) set(write, read string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail, f.failReads, f.happenings = write, read, nil
}

func (f *faulty) note(act, c, failing string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Contains([]string{"write official_quotas", "write audit", "read persons"}, act+" "+c) {
		f.happenings = append(f.happenings, act+" "+c)
	}
	if c == failing {
		return errDown
	}
	return nil
}

func (f *faulty) Get(ctx context.Context, c, id string) (store.Document, error) {
	if err := f.note("read", c, f.failReads); err != nil {
		return store.Document{}, err
	}
	return f.Engine.Get(ctx, c, id)
}

func (f *faulty) Insert(ctx context.Context, c, id string, body bson.Raw) error {
	if err := f.note("write", c, f.fail); err != nil {
		return err
	}
	return f.Engine.Insert(ctx, c, id, body)
}

func (f *faulty) Replace(ctx context.Context, c string, d store.Document) (int64, error) {
	if err := f.note("write", c, f.fail); err != nil {
		return 0, err
	}
	return f.Engine.Replace(ctx, c, d)
}

// office is a county with one resident, who is red at a door of it.
type office struct {
	*reveal.Service
	t       *testing.T
	docs    *faulty
	vault   *vault.Vault
	trail   *audit.Trail
	access  *access.Service
	machine atomic.Int64
	person  venue.PersonID
}

const quota = 50

type discard struct{}

func (discard) Record(context.Context, access.Event) error { return nil }

func newOffice(t *testing.T) *office {
	t.Helper()
	ctx := t.Context()
	engine, err := embedded.Open(embedded.Options{Dir: t.TempDir(), Schemas: store.Schemas})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	keys := t.TempDir()
	o := &office{t: t, docs: &faulty{Engine: engine}}
	o.machine.Store(noon.UnixMilli())
	civil := venue.ClockFunc(func() time.Time { return noon })
	machine := venue.ClockFunc(func() time.Time { return time.UnixMilli(o.machine.Load()) })
	if o.vault, err = vault.Open(keys, rand.Reader); err != nil {
		t.Fatal(err)
	}
	signer, err := audit.NewFileSigner(keys, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if o.trail, err = audit.Open(ctx, audit.Options{Docs: o.docs, Signer: signer, Clock: civil, Random: rand.Reader}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.trail.Close(context.Background()) })
	if o.access, err = access.New(access.Options{Docs: o.docs, Sealer: o.vault, Blinder: o.vault, Auditor: discard{}, Random: rand.Reader, Civil: civil, Machine: machine}); err != nil {
		t.Fatal(err)
	}
	registry := store.NewRegistry(o.docs, machine)
	err = registry.Put(ctx, store.Registered{
		Units: []venue.Unit{{ID: "u1", Name: "一中", Division: "410482001"}, {ID: "u2", Name: "邻县医院", Division: "410481001"}},
		Venues: []venue.Venue{{ID: "v1", Unit: "u1", Name: "教学楼", Address: "广成路1号", Status: venue.StatusActive},
			{ID: "v2", Unit: "u2", Name: "门诊", Status: venue.StatusActive}},
		Doors: []venue.Door{{Code: door, Venue: "v1", Unit: "u1", Name: "东门", Status: venue.StatusActive},
			{Code: "D2", Venue: "v2", Unit: "u2", Name: "正门", Status: venue.StatusActive}},
		Since: noon.Add(-time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	people := vault.NewPeople(o.vault, o.docs, civil, "410482")
	o.Service = &reveal.Service{Office: store.NewOffice(o.docs, registry), Vault: o.vault, People: people,
		Quota: access.NewQuota(o.docs, quota, civil), Trail: o.trail, Clock: civil}
	o.person = o.register()
	o.scan(o.person, "r1", door, "u1", venue.HealthRed, noon)
	return o
}

func (o *office) register() venue.PersonID {
	o.t.Helper()
	var r vault.Registration
	var errs [3]error
	r.Name, errs[0] = venue.ParsePersonName(name)
	r.ID, errs[1] = venue.ParseIDNumber(id, venue.DayOf(noon))
	r.Phone, errs[2] = venue.ParsePhone(phone)
	account, err := o.People.Account(o.t.Context(), "wechat", "o-1")
	if err := errors.Join(append(errs[:], err)...); err != nil {
		o.t.Fatal(err)
	}
	person, err := o.People.Register(o.t.Context(), account.ID, r)
	if err != nil {
		o.t.Fatal(err)
	}
	return person
}

func (o *office) scan(who venue.PersonID, request string, at venue.Code, unit venue.UnitID, colour venue.Health, received time.Time) {
	o.t.Helper()
	key, _, err := o.vault.ScanKey(who, who, noon, request, 0)
	if err != nil {
		o.t.Fatal(err)
	}
	sealed, err := o.vault.SealPerson(venue.DayOf(noon), key, who)
	if err != nil {
		o.t.Fatal(err)
	}
	row := venue.Scan{Key: key, At: noon, Received: received, Door: at, Unit: unit, Health: colour, Decision: venue.Refuse, Person: sealed}
	if _, err := o.docs.Append(o.t.Context(), []venue.Scan{row}); err != nil {
		o.t.Fatal(err)
	}
}

// login makes an account with a role in a division, and logs in.
func (o *office) login(user string, role access.Role, division venue.Division) access.Login {
	o.t.Helper()
	g := access.Grant{Roles: []access.Role{role}}
	switch role.View() {
	case venue.ScopeTerritory:
		g.Divisions = []venue.Division{division}
	case venue.ScopeSector:
		g.Divisions, g.Sectors = []venue.Division{division}, []string{"教育"}
	case venue.ScopeUnit:
		g.Unit = "u1"
	}
	password, secret := rand.Text(), base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(rand.Text())[:20])
	if err := o.access.Seed(o.t.Context(), access.Draft{User: user, Name: user, Grant: g}, password, secret); err != nil {
		o.t.Fatal(err)
	}
	code, err := totp.GenerateCode(secret, time.UnixMilli(o.machine.Load()))
	if err != nil {
		o.t.Fatal(err)
	}
	_, by, err := o.access.Login(o.t.Context(), user, password, code, "")
	if err != nil {
		o.t.Fatal(err)
	}
	return by
}

func (o *office) tracer(user string) access.Login {
	o.t.Helper()
	return o.login(user, access.RoleTracer, "410482")
}

// handle is what by is given for the first alarm of the day.
func (o *office) handle(by access.Login) string {
	o.t.Helper()
	list, err := o.Alarms(o.t.Context(), by, 0, 1)
	if err != nil || len(list.Rows) == 0 {
		o.t.Fatalf("alarms: %d rows, %v", len(list.Rows), err)
	}
	return list.Rows[0].Person
}

func ask(handle string) reveal.Request {
	return reveal.Request{Handle: handle, Purpose: reveal.Tracing, Reason: "核实红码人员去向", Case: "汝流调〔2022〕17号"}
}

// rows are the reveals in the audit, the newest first.
func (o *office) rows() (events []audit.Event) {
	o.t.Helper()
	rows, _, err := o.trail.By(o.t.Context(), audit.Filter{Action: reveal.Action}, audit.Page{})
	if err != nil {
		o.t.Fatal(err)
	}
	for _, r := range rows {
		events = append(events, r.Event)
	}
	return events
}

func (o *office) used(by access.Login) int {
	o.t.Helper()
	row, err := store.NewCollection[store.OfficialQuotaRow](o.docs, store.OfficialQuotas).Get(o.t.Context(), by.User()+":"+venue.DayOf(noon).String())
	if err != nil && !errors.Is(err, venue.ErrNotFound) {
		o.t.Fatal(err)
	}
	return row.Value.Used
}

func TestARevealIsWrittenBeforeItIsShown(t *testing.T) {
	o := newOffice(t)
	by := o.tracer("liu.diao")
	handle := o.handle(by)
	o.docs.set("", "")
	who, err := o.Reveal(t.Context(), by, ask(handle))
	if err != nil {
		t.Fatal(err)
	}
	if who.Name.Reveal() != name || who.ID.Reveal() != id || who.Phone.Reveal() != phone || !who.Until.Equal(noon.Add(2*time.Minute)) {
		t.Errorf("somebody else was shown, or until %v", who.Until)
	}
	if got := strings.Join(o.docs.happenings, ", "); got != "write official_quotas, write audit, read persons" {
		t.Errorf("the order was: %s", got)
	}
	rows := o.rows()
	if len(rows) != 1 {
		t.Fatalf("%d rows of the audit, want 1", len(rows))
	}
	want := audit.Event{At: rows[0].At, Actor: "liu.diao", Action: reveal.Action, Object: audit.Object{Kind: audit.KindPerson, ID: o.People.AuditID(o.person)},
		Purpose: "tracing", Reason: "核实红码人员去向", Case: "汝流调〔2022〕17号", Outcome: "allowed",
		Details: map[string]string{"role": "tracer", "fields": "name,id_number,phone"}}
	if got, want := fmt.Sprintf("%+v", rows[0]), fmt.Sprintf("%+v", want); got != want {
		t.Errorf("the row is\n%s, want\n%s", got, want)
	}
	b, _ := json.Marshal(rows)
	printed := fmt.Sprintf("%v %+v %#v", who, who, who)
	masked, _ := json.Marshal(who)
	finder := canary.NewFinder(map[string]string{"name": name, "id": id, "phone": phone, "person": o.person.Key(), "key": string(o.person[:])})
	if found := finder.Find(slices.Concat(b, masked, []byte(printed), []byte(handle))); len(found) > 0 {
		t.Errorf("in the audit, the handle or a print: %v", found)
	}
	seen, _, err := o.trail.By(t.Context(), audit.Filter{Object: audit.Object{Kind: audit.KindPerson, ID: o.People.AuditID(o.person)}}, audit.Page{})
	if err != nil || len(seen) != 1 {
		t.Errorf("the person finds %d looks at them, %v", len(seen), err)
	}
}

func TestFaultsShowNobody(t *testing.T) {
	for _, c := range []struct {
		name, write, read string
		used              int
		outcomes          string // of the rows of the audit
	}{
		{"the trail fails", store.Audit.Name, "", 1, ""},
		{"the quota can not be written", store.OfficialQuotas.Name, "", 0, "refused:unavailable"},
		{"the quota can not be read", "", store.OfficialQuotas.Name, 0, "refused:unavailable"},
		{"the record can not be read", "", store.Persons.Name, 1, "allowed:核实红码人员去向"},
		{"the unit can not be read", "", store.Units.Name, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOffice(t)
			by := o.tracer("liu.diao")
			handle := o.handle(by)
			o.docs.set(c.write, c.read)
			who, err := o.Reveal(t.Context(), by, ask(handle))
			o.docs.set("", "")
			if !errors.Is(err, venue.ErrUnavailable) || who != (reveal.Identity{}) {
				t.Errorf("got %v, %v", who, err)
			}
			var outcomes []string
			for _, e := range o.rows() {
				outcomes = append(outcomes, e.Outcome+":"+e.Reason)
			}
			if got := strings.Join(outcomes, " "); got != c.outcomes || o.used(by) != c.used {
				t.Errorf("the audit has %q and the quota %d, want %q and %d", got, o.used(by), c.outcomes, c.used)
			}
			if _, err := o.Reveal(t.Context(), by, ask(handle)); err != nil {
				t.Errorf("once it works again: %v", err)
			}
		})
	}
}

func TestTheQuotaHoldsForCallersAtOnce(t *testing.T) {
	o := newOffice(t)
	by := o.tracer("liu.diao")
	handle := o.handle(by)
	var shown, refused atomic.Int64
	var all sync.WaitGroup
	for range 4 * quota {
		all.Go(func() {
			switch _, err := o.Reveal(t.Context(), by, ask(handle)); {
			case err == nil:
				shown.Add(1)
			case errors.Is(err, access.ErrQuota):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	outcomes := map[string]int{}
	for _, e := range o.rows() {
		outcomes[e.Outcome]++
		if (e.Outcome == "allowed") != (e.Object != audit.Object{}) {
			t.Error("a row names a person who was not shown, or does not name one who was")
		}
	}
	if shown.Load() != quota || refused.Load() != 3*quota || outcomes["allowed"] != quota || outcomes["refused"] != 3*quota || o.used(by) != quota {
		t.Errorf("%d shown, %d refused, rows %v, %d used", shown.Load(), refused.Load(), outcomes, o.used(by))
	}
	other := o.tracer("liu.diao.er")
	if _, err := o.Reveal(t.Context(), other, ask(o.handle(other))); err != nil {
		t.Errorf("another account's quota: %v", err)
	}
}

func TestAHandleIsGoodForItsAccountAlone(t *testing.T) {
	o := newOffice(t)
	by, other := o.tracer("liu.diao"), o.tracer("liu.diao.er")
	handle := o.handle(by)
	if handle == o.handle(by) || handle == o.handle(other) {
		t.Error("two handles are the same")
	}
	flipped := []byte(handle)
	flipped[len(flipped)/2] ^= 1
	session, err := o.vault.SealToken(make([]byte, 36))
	if err != nil {
		t.Fatal(err)
	}
	short, err := o.vault.Seal("reveal/liu.diao", []byte("short"))
	if err != nil {
		t.Fatal(err)
	}
	for what, forged := range map[string]string{
		"another account's": o.handle(other), "a flipped bit": string(flipped), "cut short": handle[:len(handle)-3], "longer": handle + "AAAA",
		"none": "", "no base64": "%%%", "one byte": "AQ", "a session's token": session, "too little inside": base64.RawURLEncoding.EncodeToString(short),
	} {
		before := len(o.rows())
		if _, err := o.Reveal(t.Context(), by, ask(forged)); !errors.Is(err, venue.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
		if rows := o.rows(); len(rows) != before+1 || rows[0].Outcome != "refused" || rows[0].Reason != "handle" {
			t.Errorf("%s: the attempt is not in the audit", what)
		}
	}
	if o.used(by) != 0 {
		t.Errorf("attempts used %d of the quota", o.used(by))
	}
}

func TestWhatIsOutOfScopeIsNotThere(t *testing.T) {
	o := newOffice(t)
	neighbour := o.login("lin.xian", access.RoleTracer, "410481")
	if list, err := o.Alarms(t.Context(), neighbour, 0, 1); err != nil || list.Total != 0 || len(list.Rows) != 0 {
		t.Errorf("a neighbour lists %d of %d, %v", len(list.Rows), list.Total, err)
	}
	// A handle from when the account still had the county.
	plain := binary.BigEndian.AppendUint32(nil, uint32(venue.DayOf(noon)))
	key, _, err := o.vault.ScanKey(o.person, o.person, noon, "r1", 0)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := o.vault.Seal("reveal/lin.xian", append(plain, key[:]...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Reveal(t.Context(), neighbour, ask(base64.RawURLEncoding.EncodeToString(sealed))); !errors.Is(err, store.ErrOutOfScope) || !errors.Is(err, venue.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if rows := o.rows(); len(rows) != 1 || rows[0].Outcome != "refused" || rows[0].Reason != "scope" {
		t.Errorf("the attempt is not in the audit: %+v", rows)
	}
	if o.used(neighbour) != 0 {
		t.Error("it used the quota")
	}
}

func TestADestroyedDayHasNobodyLeft(t *testing.T) {
	o := newOffice(t)
	by := o.tracer("liu.diao")
	handle := o.handle(by)
	if _, err := o.vault.ForgetThrough(venue.DayOf(noon)); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Reveal(t.Context(), by, ask(handle)); !errors.Is(err, venue.ErrNotFound) || len(o.rows()) != 0 || o.used(by) != 0 {
		t.Errorf("%v, %d rows, %d used", err, len(o.rows()), o.used(by))
	}
}

func TestOtherPurposesAreRefused(t *testing.T) {
	o := newOffice(t)
	by := o.tracer("liu.diao")
	handle := o.handle(by)
	for _, c := range []struct{ purpose, recorded string }{
		{"law_enforcement", "law_enforcement"}, {"debt", "debt"}, {"petition", "petition"}, {"marketing", "marketing"},
		{"", "other"}, {"TRACING ", "other"}, {"Tracing", "other"}, {"tracing\x00", "other"}, {"流调", "other"}, {phone, "other"}, {strings.Repeat("a", 33), "other"},
	} {
		q := ask(handle)
		q.Purpose = reveal.Purpose(c.purpose)
		before := len(o.rows())
		var refused *reveal.PurposeRefused
		if _, err := o.Reveal(t.Context(), by, q); !errors.As(err, &refused) {
			t.Errorf("%q: %v", c.purpose, err)
		}
		if rows := o.rows(); len(rows) != before+1 || rows[0].Outcome != "refused" || rows[0].Reason != "purpose" || rows[0].Purpose != c.recorded || rows[0].Case != "" {
			t.Errorf("%q: not in the audit as it should be: %+v", c.purpose, rows[0])
		}
	}
	if o.used(by) != 0 {
		t.Errorf("refusals used %d of the quota", o.used(by))
	}
	for _, p := range reveal.Purposes {
		q := ask(handle)
		q.Purpose = p
		if _, err := o.Reveal(t.Context(), by, q); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func TestReasonAndCase(t *testing.T) {
	o := newOffice(t)
	by := o.tracer("liu.diao")
	handle := o.handle(by)
	const reason, number = "核实红码人员去向", "2022-017"
	for _, c := range []struct{ name, reason, number, want string }{
		{"no reason", "  ", number, "reason: missing"},
		{"three characters", "查一下", number, "reason: length"},
		{"201 characters", strings.Repeat("查", 201), number, "reason: length"},
		{"a line break", "核实红码\n人员去向", number, "reason: shape"},
		{"a mark that turns the writing", "核实红码\u202e人员去向", number, "reason: shape"},
		{"no text", "核实红码\xff人员", number, "reason: shape"},
		{"a phone number", "联系 " + phone + " 核实", number, "reason: private"},
		{"a phone number in groups", "联系 138 1234 8000 核实", number, "reason: private"},
		{"an ID number", "核实" + id, number, "reason: private"},
		{"no case", reason, "", "case: missing"},
		{"a long case", reason, strings.Repeat("1", 65), "case: length"},
		{"a case in words", reason, "17号 案", "case: shape"},
		{"markup for a case", reason, "<b>1</b>", "case: shape"},
		{"a formula for a case", reason, "=1+1", "case: shape"},
		{"a phone number for a case", reason, phone, "case: private"},
		{"an ID number for a case", reason, id, "case: private"},
		{"four characters", "核实去向", "A", ""},
		{"200 characters", strings.Repeat("查", 200), strings.Repeat("1", 5) + strings.Repeat("号", 59), ""},
		{"a case in full width", reason, "汝流调〔2022〕（１）号_/-", ""},
	} {
		before := len(o.rows())
		q := reveal.Request{Handle: handle, Purpose: reveal.Tracing, Reason: c.reason, Case: c.number}
		_, err := o.Reveal(t.Context(), by, q)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		var invalid *venue.Invalid
		if !errors.As(err, &invalid) || invalid.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
		if len(o.rows()) != before {
			t.Errorf("%s: something was recorded", c.name)
		}
	}
	if o.used(by) != 3 {
		t.Errorf("the quota has %d, want 3", o.used(by))
	}
	if rows := o.rows(); rows[0].Case != "汝流调〔2022〕(1)号_/-" {
		t.Errorf("the case was written as %s", rows[0].Case)
	}
}

func TestOnlyTracersReveal(t *testing.T) {
	o := newOffice(t)
	handle := o.handle(o.tracer("liu.diao"))
	for _, role := range access.Roles() {
		if role == access.RoleTracer || role == access.RoleProvince {
			continue
		}
		by := o.login("the."+string(role), role, "410482")
		if _, err := o.Alarms(t.Context(), by, 0, 1); !errors.Is(err, access.ErrForbidden) {
			t.Errorf("%s lists alarms: %v", role, err)
		}
		if _, err := o.Reveal(t.Context(), by, ask(handle)); !errors.Is(err, access.ErrForbidden) {
			t.Errorf("%s reveals: %v", role, err)
		}
		if rows := o.rows(); rows[0].Actor != "the."+string(role) || rows[0].Reason != "permission" || rows[0].Outcome != "refused" {
			t.Errorf("the attempt of %s is not in the audit", role)
		}
	}
	if _, err := o.Reveal(t.Context(), access.Login{}, ask(handle)); err == nil {
		t.Error("nobody reveals")
	}
}

func TestAlarmsAreTheRedOnesOfTheDayInPages(t *testing.T) {
	o := newOffice(t)
	by := o.tracer("liu.diao")
	o.scan(o.person, "elsewhere", "D2", "u2", venue.HealthRed, noon)
	o.scan(o.person, "unknown", door, "u1", venue.HealthUnknown, noon)
	o.scan(o.person, "tomorrow", door, "u1", venue.HealthRed, noon.Add(12*time.Hour))
	o.scan(o.person, "unit unknown", door, "gone", venue.HealthRed, noon)
	o.scan(o.person, "door unknown", "D9", "u1", venue.HealthRed, noon.Add(time.Minute))
	for i := range reveal.PageRows {
		o.scan(o.person, fmt.Sprint("more", i), door, "u1", venue.HealthRed, noon.Add(time.Hour-time.Duration(i)*time.Second))
	}
	seen := map[string]bool{}
	for page, want := range []int{reveal.PageRows, 2, 0} {
		list, err := o.Alarms(t.Context(), by, venue.DayOf(noon), page+1)
		if err != nil || list.Total != reveal.PageRows+2 || len(list.Rows) != want {
			t.Fatalf("page %d: %d of %d, %v", page+1, len(list.Rows), list.Total, err)
		}
		for _, r := range list.Rows {
			seen[r.Person] = true
		}
	}
	if len(seen) != reveal.PageRows+2 {
		t.Errorf("%d handles", len(seen))
	}
	list, err := o.Alarms(t.Context(), by, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	first := list.Rows[0]
	first.Person = ""
	if want := (reveal.Row{At: venue.Millis(noon), Unit: "u1", UnitName: "一中", Venue: "教学楼", Door: "东门", Address: "广成路1号", Health: venue.HealthRed, Decision: venue.Refuse}); first != want {
		t.Errorf("the first row is %+v, want %+v", first, want)
	}
	if second := list.Rows[1]; second.Venue != "" || second.UnitName != "一中" {
		t.Errorf("a door that is gone: %+v", second)
	}
	for _, page := range []int{0, -1, 1 << 40} {
		if _, err := o.Alarms(t.Context(), by, 0, page); !errors.Is(err, venue.ErrInvalid) {
			t.Errorf("page %d: %v", page, err)
		}
	}
	b, _ := json.Marshal(list)
	pseudonym, err := o.vault.Pseudonym(venue.DayOf(noon), o.person)
	if err != nil {
		t.Fatal(err)
	}
	if found := canary.NewFinder(map[string]string{"name": name, "id": id, "phone": phone, "person": o.person.Key(), "pseudonym": string(pseudonym[:])}).Find(b); len(found) > 0 {
		t.Errorf("the list holds %v", found)
	}
}
