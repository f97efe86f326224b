package intake_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/configs"
	"github.com/venuecode/venuecode/intake"
	"github.com/venuecode/venuecode/internal/canary"
	"github.com/venuecode/venuecode/sheet"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

var (
	noon  = time.Date(2022, 5, 18, 4, 0, 0, 0, time.UTC)
	clock = venue.ClockFunc(func() time.Time { return noon })
	today = venue.DayOf(noon)
)

// failing is a store that ends at a write.
type failing struct {
	store.Engine
	left atomic.Int64 // writes until then; never if negative
}

func (f *failing) Insert(ctx context.Context, collection, id string, body bson.Raw) error {
	if f.left.Load() >= 0 && f.left.Add(-1) < 0 {
		f.left.Store(0)
		return fmt.Errorf("ended: %w", venue.ErrUnavailable)
	}
	return f.Engine.Insert(ctx, collection, id, body)
}

// InsertAll ends at any of the documents.
func (f *failing) InsertAll(ctx context.Context, collection string, docs []store.Document) ([]bool, error) {
	if f.left.Load() < 0 {
		return f.Engine.InsertAll(ctx, collection, docs)
	}
	added := make([]bool, len(docs))
	for i, d := range docs {
		err := f.Insert(ctx, collection, d.ID, d.Body)
		if added[i] = err == nil; !added[i] && !errors.Is(err, venue.ErrExists) {
			return nil, err
		}
	}
	return added, nil
}

type town struct {
	t        *testing.T
	engine   *failing
	desk     *intake.Desk
	registry *store.Registry
}

func newTown(t *testing.T) *town {
	engine, err := embedded.Open(embedded.Options{Dir: t.TempDir(), Schemas: store.Schemas})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	keys, err := vault.Open(t.TempDir(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &town{t: t, engine: &failing{Engine: engine}}
	c.engine.left.Store(-1)
	c.registry = store.NewRegistry(c.engine, clock)
	c.desk = &intake.Desk{Register: store.NewRegister(c.engine, c.registry, keys, clock), Census: store.NewCensus(c.engine, clock), Division: "419981", Blind: keys.Blind, Random: rand.Reader}
	err = c.registry.Put(t.Context(), store.Registered{Territories: []venue.Territory{{Division: "419981001", Name: "洗月街道"}}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A link of our own stands for its door: as an old code it would lead nowhere, and
// the posters of its venue would show another's code.
func TestALinkOfOurOwnIsNoOldCode(t *testing.T) {
	code, err := venue.NewCode(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	desk := &intake.Desk{Host: "code.example.gov.cn"}
	rows := legacyHead
	for _, payload := range []string{code.Link(desk.Host), code.Link(desk.Host) + "?from=wechat", code.Link("old.example.gov.cn"), string(code)} {
		rows += payload + ",旧店" + payload[len(payload)-3:] + ",,\n"
	}
	r := take(t, desk, "legacy", rows, intake.Options{})
	if r.Bad != 2 || len(r.Errors) != 2 || r.Errors[1].Row != 3 || r.Errors[0].Message != "这是本平台的场所码，不是原系统的。" {
		t.Errorf("%+v", r)
	}
}

// TestARowWithAPersonsNumberIsNotPrinted: of a former system as of ours.
func TestARowWithAPersonsNumberIsNotPrinted(t *testing.T) {
	for kind, rows := range map[string]string{
		"legacy": legacyHead + "QH|1,张记13912345678,,\nQH|2,旧店,,东街1号 139-1234-5678\nQH|3,110酒吧,,东街139号\n",
		"units":  "单位名称,统一社会信用代码,所属区划\n张记11010519491231002X," + uscc(1) + ",419981001\n李记13912345678," + uscc(2) + ",419981001\n王记," + uscc(3) + ",419981001\n",
	} {
		r := take(t, &intake.Desk{}, kind, rows, intake.Options{})
		if r.Bad != 2 || len(r.Errors) != 2 || r.Errors[0].Row != 2 || r.Errors[1].Row != 3 || r.Errors[0].Message != "含有疑似证件号码或手机号，会印在码牌上，请删除。" {
			t.Errorf("%s: %+v", kind, r)
		}
	}
}

func kindOf(name string) intake.Kind {
	k, ok := intake.KindOf(name)
	if !ok {
		panic(name)
	}
	return k
}

func take(t *testing.T, d *intake.Desk, kind, text string, o intake.Options) intake.Result {
	t.Helper()
	o.Today = today
	r, err := intake.Take(t.Context(), kindOf(kind), strings.NewReader(text), int64(len(text)), d, o)
	if err != nil {
		t.Fatal(err)
	}
	if r.OK+r.Proof+r.Bad != r.Rows {
		t.Fatalf("%+v does not add up", r)
	}
	return r
}

// all counts the documents of a collection.
func (c *town) all(s store.Schema) (n int) {
	for _, err := range c.engine.Find(c.t.Context(), s.Name, store.Query{}) {
		if err != nil {
			c.t.Fatal(err)
		}
		n++
	}
	return n
}

func (c *town) counts() string {
	var b strings.Builder
	for _, s := range store.Schemas {
		if s.Name != store.Meta.Name {
			fmt.Fprintf(&b, "%s %d ", s.Name, c.all(s))
		}
	}
	return b.String()
}

func uscc(n int) string {
	s := fmt.Sprintf("91419981MA%07d", n)
	for _, c := range "0123456789ABCDEFGHJKLMNPQRTUWXY" {
		if _, proof, err := venue.ParseUSCC(s + string(c)); err == nil && !proof {
			return s + string(c)
		}
	}
	panic(s)
}

// unproved has a wrong check character.
func unproved(n int) string {
	s := uscc(n)
	last := "0"
	if strings.HasSuffix(s, last) {
		last = "1"
	}
	return s[:17] + last
}

const (
	unitHead   = "单位名称,统一社会信用代码,上级单位,所属区划,行业,在册人数,联系人,联系电话\n"
	venueHead  = "单位统一社会信用代码,场所名称,简称,类别,详细地址,出入口,车牌号,功能分区,门店编号,管理人员,管理人员电话\n"
	legacyHead = "原码内容,场所名称,单位名称,详细地址\n"
	rosterHead = "单位统一社会信用代码,姓名,证件号码\n"
)

func unitRows() string {
	return unitHead +
		"青禾市商务局," + uscc(1) + ",,洗月街道,机关,30,欧阳丹砂,13900000001\n" +
		"青禾市商场," + uscc(2) + ",青禾市商务局,419981001,商贸、没听说过的行业,,,\n" +
		"青禾市老店," + unproved(3) + "," + uscc(2) + ",419981001,,,,\n"
}

func venueRows() string {
	return venueHead +
		uscc(2) + ",青禾商场,,一,文昌路1号一层,南门,,,,司马青黛,13900000002\n" +
		uscc(2) + ",青禾商场,,一,文昌路1号一层,北门,,,,司马青黛,13900000002\n" +
		uscc(2) + ",鱼摊,,四,文昌路1号一层,,,海鲜区,A-12,司马青黛,13900000002\n" +
		uscc(2) + ",班车,,出租汽车,文昌路1号一层,,豫D12345,,,司马青黛,13900000002\n" +
		unproved(3) + ",老店,,五,文昌路2号一层,,,,,司马青黛,13900000002\n"
}

func TestARegisterIsTakenOnce(t *testing.T) {
	c := newTown(t)
	ctx := t.Context()
	want := func(what string, got intake.Result, rows, ok, proof int) {
		t.Helper()
		if got.Rows != rows || got.OK != ok || got.Proof != proof || got.Bad != 0 {
			t.Fatalf("%s: %+v", what, got)
		}
	}
	want("units", take(t, c.desk, "units", unitRows(), intake.Options{}), 3, 2, 1)
	want("venues", take(t, c.desk, "venues", venueRows(), intake.Options{}), 5, 4, 1)
	legacyRows := legacyHead + "https://csm.example.com/q?id=1,旧店,,\n10002,旧店,,\n10003,青禾商场,青禾市商场,\n"
	want("legacy", take(t, c.desk, "legacy", legacyRows, intake.Options{}), 3, 3, 0)
	rosterRows := rosterHead + uscc(2) + ",诸葛朱鹮,11010519491231002X\n"
	want("roster", take(t, c.desk, "roster", rosterRows, intake.Options{}), 1, 1, 0)

	before := c.counts()
	for kind, text := range map[string]string{"units": unitRows(), "venues": venueRows(), "legacy": legacyRows, "roster": rosterRows} {
		take(t, c.desk, kind, text, intake.Options{})
	}
	if after := c.counts(); after != before {
		t.Errorf("the same again adds something:\n%s\n%s", before, after)
	}

	shop, err := c.desk.Register.UnitOf(ctx, venue.USCC(uscc(2)))
	if err != nil {
		t.Fatal(err)
	}
	office, err := c.desk.Register.UnitOf(ctx, venue.USCC(uscc(1)))
	if err != nil || shop.Parent != office.ID || office.Division != "419981001" || !slices.Equal(shop.Sectors, []string{"商贸", "没听说过的行业"}) {
		t.Errorf("%+v below %+v, %v", shop, office, err)
	}
	if who, err := c.desk.Register.ReachedUnit(ctx, office.ID); err != nil || who.Phone.Reveal() != "13900000001" {
		t.Errorf("%v, %v", who, err)
	}
	doors := map[string][]string{}
	all, err := c.registry.Doors(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		doors[p.Venue.Name] = append(doors[p.Venue.Name], p.Door.Name)
		_, err := c.registry.Resolve(ctx, p.Door.Code)
		if waits := p.Venue.Name == "老店"; (err == nil) == waits {
			t.Errorf("%s: %v", p.Venue.Name, err)
		}
	}
	for name, want := range map[string]string{"青禾商场": "出入口 北门 南门", "旧店": "出入口 出入口2", "鱼摊": "出入口", "班车": "出入口", "老店": "出入口"} {
		slices.Sort(doors[name])
		if got := strings.Join(doors[name], " "); got != want {
			t.Errorf("%s has the doors %s, want %s", name, got, want)
		}
	}

	// The old code leads to the same door before and after it is completed.
	for payload, name := range map[string]string{"https://csm.example.com/q?id=1": "旧店", "10003": "青禾商场"} {
		code, err := c.registry.Old(ctx, payload)
		if err != nil || code == "" {
			t.Fatalf("%s: %q, %v", name, code, err)
		}
		place, err := c.registry.Resolve(ctx, code)
		if err != nil || place.Venue.Name != name {
			t.Fatalf("%s: %+v, %v", name, place, err)
		}
		if kept, err := c.registry.Payload(ctx, code); err != nil || kept != payload {
			t.Errorf("%s: the QR code of %q, %v", name, kept, err)
		}
		if name == "青禾商场" {
			continue
		}
		if place.Venue.Status != venue.StatusIncomplete {
			t.Errorf("%s is %s", name, place.Venue.Status)
		}
		desk := &registry.Service{Applications: c.desk.Register, Book: c.desk.Register, Blanks: c.desk.Register, Random: rand.Reader, Clock: clock}
		faults, err := desk.Complete(ctx, place.Venue.ID, registry.Form{
			UnitName: "青禾市商场", USCC: uscc(2), Division: "419981001", Name: "旧店（文昌路店）", Category: "五", Address: "文昌路3号一层",
			ApplicantName: registry.NewTyped("欧阳丹砂"), ApplicantPhone: registry.NewTyped("13900000001"), ManagerName: registry.NewTyped("司马青黛"), ManagerPhone: registry.NewTyped("13900000002"),
		}, registry.Who{Account: "hanbo"})
		if err != nil || len(faults) > 0 {
			t.Fatalf("%v %v", faults, err)
		}
		after, err := c.registry.Resolve(ctx, code)
		if err != nil || after.Venue.Status != venue.StatusActive || after.Door.Unit != shop.ID || after.Venue.Name != "旧店(文昌路店)" || after.Venue.Radius == 0 || after.Door.Code != place.Door.Code {
			t.Errorf("completed: %+v, %v", after, err)
		}
	}

	// Once the register entry was seen, what waited is scanned.
	old, err := c.desk.Register.UnitOf(ctx, venue.USCC(unproved(3)))
	if err != nil || !old.Pending() {
		t.Fatalf("%+v, %v", old, err)
	}
	if _, err := c.desk.Register.ChangeUnit(ctx, old.ID, registry.Who{Account: "hanbo"}, registry.Prove); err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if _, err := c.registry.Resolve(ctx, p.Door.Code); err != nil {
			t.Errorf("after the proof, %s: %v", p.Venue.Name, err)
		}
	}
	want("proved", take(t, c.desk, "units", unitRows(), intake.Options{}), 3, 3, 0)

	var everything bytes.Buffer
	for _, s := range store.Schemas {
		for d, err := range c.engine.Find(ctx, s.Name, store.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			everything.WriteString(d.ID)
			everything.Write(d.Body)
		}
	}
	private := map[string]string{"contact": "欧阳丹砂", "manager": "司马青黛", "staff": "诸葛朱鹮", "phone": "13900000001", "another": "13900000002", "ID number": "11010519491231002X"}
	if found := canary.NewFinder(private).Find(everything.Bytes()); len(found) > 0 {
		t.Errorf("in clear in the store: %s", found)
	}
}

func TestABadRowKeepsTheFileOut(t *testing.T) {
	c := newTown(t)
	text := unitRows() + "无码," + ",,419981001,,,,\n" + "坏码,91419981MA,不存在的局,x1,,-1,张某,1\n" + "重复," + uscc(1) + ",,419981001,,,,\n" +
		"孤儿," + uscc(9) + ",不存在的局,419981001,,,,\n" + "孙辈," + uscc(10) + "," + uscc(9) + ",419981001,,,,\n" +
		"甲店," + uscc(11) + "," + uscc(12) + ",419981001,,,,\n" + "乙店," + uscc(12) + "," + uscc(11) + ",419981001,,,,\n"
	r := take(t, c.desk, "units", text, intake.Options{})
	if r.Rows != 10 || r.OK != 2 || r.Proof != 1 || r.Bad != 7 || c.all(store.Units) != 0 {
		t.Fatalf("%+v, %d units", r, c.all(store.Units))
	}
	var said []string
	for _, p := range r.Errors {
		said = append(said, fmt.Sprintf("%d %s", p.Row, p.Field))
		if p.Message == "" || strings.Contains(p.Message, "91419981MA") {
			t.Errorf("row %d says %q", p.Row, p.Message)
		}
	}
	want := "5 统一社会信用代码, 6 统一社会信用代码, 6 所属区划, 6 在册人数, 6 联系电话, 7 统一社会信用代码, 8 上级单位, 9 上级单位, 10 上级单位, 11 上级单位"
	slices.Sort(said)
	wanted := strings.Split(want, ", ")
	slices.Sort(wanted)
	if !slices.Equal(said, wanted) {
		t.Errorf("said %s\nwant %s", said, wanted)
	}
	var mended bytes.Buffer
	if err := intake.Problems(&mended, kindOf("units"), strings.NewReader(text), int64(len(text)), r); err != nil {
		t.Fatal(err)
	}
	s, err := sheet.Open(bytes.NewReader(mended.Bytes()), int64(mended.Len()), kindOf("units").Layout)
	if err != nil || s.Len < 7 {
		t.Fatalf("the workbook of bad rows: %+v, %v", s, err)
	}
	if r := take(t, c.desk, "units", text, intake.Options{Partial: true}); r.Bad != 7 || c.all(store.Units) != 3 {
		t.Errorf("partly: %+v, %d units", r, c.all(store.Units))
	}
	// Without a register each row is looked at by itself.
	if r := take(t, &intake.Desk{}, "units", text, intake.Options{}); r.Bad != 3 || r.OK != 6 || r.Proof != 1 {
		t.Errorf("checked only: %+v", r)
	}
}

// TestARowNamesADivisionThatThereIs: by code, or by a name that the list or a
// territory has once in the city.
func TestARowNamesADivisionThatThereIs(t *testing.T) {
	c := newTown(t)
	list, err := configs.Divisions().With(venue.NamedDivision{Code: "419981", Name: "青禾市"}, venue.NamedDivision{Code: "419981002", Name: "听雨街道"},
		venue.NamedDivision{Code: "419981003", Name: "城关镇"}, venue.NamedDivision{Code: "419981004", Name: "城关镇"})
	if err != nil {
		t.Fatal(err)
	}
	text := unitHead
	for i, place := range []string{"419981002", "419981002001", "419981", "听雨街道", " 洗月街道", "中原区", "城关镇", "419981009", "410102001", "119999"} {
		text += fmt.Sprintf("第%d店,%s,,%s,,,,\n", i, uscc(i), place)
	}
	said := func(d *intake.Desk) (all []string) {
		for _, p := range take(t, d, "units", text, intake.Options{Partial: true}).Errors {
			if p.Field != "所属区划" {
				t.Errorf("%+v", p)
			}
			all = append(all, fmt.Sprint(p.Row, p.Message))
		}
		return all
	}
	const code, name = "没有这个区划代码，请核对。", "没有这个区划名称，或有多个同名的，请改填行政区划代码。"
	if got := said(&intake.Desk{Division: "419981", Divisions: list}); !slices.Equal(got, []string{"9" + code, "11" + code}) {
		t.Errorf("checked only: %q", got)
	}
	c.desk.Divisions = list
	if got := said(c.desk); !slices.Equal(got, []string{"7" + name, "8" + name, "9" + code, "11" + code}) {
		t.Errorf("%q", got)
	}
	for i, want := range []venue.Division{"419981002", "419981002001", "419981", "419981002", "419981001"} {
		if u, err := c.desk.Register.UnitOf(t.Context(), venue.USCC(uscc(i))); err != nil || u.Division != want {
			t.Errorf("row %d lies in %s, %v", i+2, u.Division, err)
		}
	}
}

// TestAnImportThatWasCutOffIsCompleted ends the process at each write of the
// four files, one after the other, and takes them again.
func TestAnImportThatWasCutOffIsCompleted(t *testing.T) {
	files := []struct{ kind, text string }{
		{"units", unitRows()}, {"venues", venueRows()}, {"legacy", legacyHead + "1,旧店,,\n2,旧店,,\n3,青禾商场,青禾市商场,\n"}, {"roster", rosterHead + uscc(2) + ",诸葛朱鹮,11010519491231002X\n"},
	}
	whole := newTown(t)
	for _, f := range files {
		take(t, whole.desk, f.kind, f.text, intake.Options{})
	}
	want := whole.counts()
	for cut := 1; cut < 120; cut += 3 {
		c := newTown(t)
		c.engine.left.Store(int64(cut))
		ended := false
		for _, f := range files {
			_, err := intake.Take(t.Context(), kindOf(f.kind), strings.NewReader(f.text), int64(len(f.text)), c.desk, intake.Options{Today: today})
			if err != nil {
				if !errors.Is(err, venue.ErrUnavailable) {
					t.Fatal(err)
				}
				ended = true
				break
			}
		}
		c.engine.left.Store(-1)
		for _, f := range files {
			if r := take(t, c.desk, f.kind, f.text, intake.Options{}); r.Bad > 0 {
				t.Fatalf("cut at %d: %+v", cut, r)
			}
		}
		if got := c.counts(); got != want {
			t.Errorf("cut at %d:\n%s\nwant\n%s", cut, got, want)
		}
		if !ended {
			return
		}
	}
	t.Error("it never came to an end")
}
