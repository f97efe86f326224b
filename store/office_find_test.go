package store_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

func TestWhatAnOfficialHasInHandIsFoundInScope(t *testing.T) {
	ctx := t.Context()
	e := openStore(t)
	b := newBureau(t, e)
	one := form(1)
	one.UnitName = "青禾市康宁大药房"
	here := b.approved(t, one)
	there := form(2)
	there.UnitName, there.Name, there.Division = "青禾市康宁诊所", "康宁诊所", "419981002"
	other := b.approved(t, there)
	if _, err := b.register.KeepOld(ctx, []string{"QH|0042"}, here.Codes[:1]); err != nil {
		t.Fatal(err)
	}
	office := b.register.Show(store.NewOffice(e, b.registry))
	territory := func(d venue.Division) venue.Scope {
		return venue.NewScope(venue.ScopeTerritory, []venue.Division{d}, nil, "")
	}
	city, town := territory("419981"), territory("419981001")
	sector := venue.NewScope(venue.ScopeSector, []venue.Division{"419981"}, []string{"餐饮"}, "")
	own := venue.NewScope(venue.ScopeUnit, nil, nil, other.Unit)
	typed := strings.ToLower(string(other.Codes[0][:8])) + "-" + string(other.Codes[0][8:])
	for _, c := range []struct {
		name, text string
		scope      venue.Scope
		by         store.FoundBy
		want       string // units / venues
	}{
		{"the beginning of a name", "青禾市康宁", city, store.FoundByName, "青禾市康宁大药房 青禾市康宁诊所 /"},
		{"of the city's name itself", "青禾", town, store.FoundByName, "青禾市康宁大药房 /"},
		{"of a township", "青禾市康宁", town, store.FoundByName, "青禾市康宁大药房 /"},
		{"without the city's name", "康宁", city, store.FoundByName, "青禾市康宁大药房 青禾市康宁诊所 / 康宁诊所"},
		{"full-width blanks around it", "　第1商场 ", city, store.FoundByName, "/ 第1商场"},
		{"a USCC", strings.ToLower(uscc(2)), city, store.FoundByUSCC, "青禾市康宁诊所 / 康宁诊所"},
		{"a USCC of another town", uscc(2), town, store.FoundByUSCC, "/"},
		{"a USCC that nobody has", uscc(9), city, store.FoundByUSCC, "/"},
		{"a serial", typed, city, store.FoundByCode, "青禾市康宁诊所 / 康宁诊所"},
		{"a link, as an app hands it on", "https://elsewhere.example/v/" + string(here.Codes[1]) + "?from=wx#x", town, store.FoundByCode, "青禾市康宁大药房 / 第1商场"},
		{"a code of another town", typed, town, store.FoundByCode, "/"},
		{"what an old code holds", "QH|0042", town, store.FoundByCode, "青禾市康宁大药房 / 第1商场"},
		{"a regulator", "青禾市康宁诊", sector, store.FoundByName, "青禾市康宁诊所 /"},
		{"a unit, itself", "康宁", own, store.FoundByName, "青禾市康宁诊所 / 康宁诊所"},
		{"a unit, another", string(here.Codes[0]), own, store.FoundByCode, "/"},
		{"nothing", "　", city, store.FoundByName, "/"},
		{"without a scope", "康宁", venue.Scope{}, "", "/"},
	} {
		f, err := office.Find(ctx, c.scope, c.text, "青禾市", 10)
		var units, venues []string
		for _, u := range f.Units {
			units = append(units, u.Name)
		}
		for _, v := range f.Venues {
			venues = append(venues, v.Name)
		}
		if got := strings.TrimSpace(strings.Join(units, " ") + " / " + strings.Join(venues, " ")); err != nil || got != c.want || f.By != c.by || f.More {
			t.Errorf("%s: %s by %q, more %t, %v, want %s", c.name, got, f.By, f.More, err, c.want)
		}
	}
	for n := range 5 {
		f := form(10 + n)
		f.UnitName = fmt.Sprintf("青禾市康宁分店%d", n)
		b.approved(t, f)
	}
	if f, err := office.Find(ctx, city, "康宁", "青禾市", 3); err != nil || len(f.Units) != 3 || !f.More {
		t.Errorf("%d of seven, more %t, %v", len(f.Units), f.More, err)
	}
}

func TestBatchesInScopeAreListedTheNewestFirst(t *testing.T) {
	ctx := t.Context()
	e := openStore(t)
	b := newBureau(t, e)
	made := b.approved(t, form(1))
	office := b.register.Show(store.NewOffice(e, b.registry))
	for _, p := range []struct {
		id string
		d  venue.Division
	}{{"old", "419981001"}, {"city", "419981"}, {"new", "419981001"}, {"other", "419981002"}} {
		if _, err := b.Print(ctx, p.id, p.d, 3, officer); err != nil {
			t.Fatal(err)
		}
		b.clock.advance(1e9)
	}
	code := func(id string) venue.Code {
		batch, err := b.register.Batch(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		return batch.Codes[0]
	}
	if _, err := b.Activate(ctx, code("new"), made.Venue, "侧门", officer); err != nil {
		t.Fatal(err)
	}
	town := venue.NewScope(venue.ScopeTerritory, []venue.Division{"419981001"}, nil, "")
	list, more, err := office.Batches(ctx, town, "", 1)
	if err != nil || len(list) != 1 || list[0].ID != "new" || list[0].Used != 1 || !more {
		t.Fatalf("%+v, more %t, %v", list, more, err)
	}
	if list, more, err = office.Batches(ctx, town, "new", 1); err != nil || len(list) != 1 || list[0].ID != "old" || list[0].Used != 0 || more {
		t.Fatalf("%+v, more %t, %v", list, more, err)
	}
	both := venue.NewScope(venue.ScopeTerritory, []venue.Division{"419981002", "419981001"}, nil, "")
	var ids []string
	for after := ""; ; {
		list, more, err := office.Batches(ctx, both, after, 1)
		if err != nil {
			t.Fatal(err)
		}
		after = list[0].ID
		if ids = append(ids, after); !more {
			break
		}
	}
	if got := fmt.Sprint(ids); got != "[other new old]" {
		t.Errorf("paged: %s", got)
	}
	own := venue.NewScope(venue.ScopeUnit, nil, nil, made.Unit)
	for _, c := range []struct {
		name, batch string
		scope       venue.Scope
		ok          bool
	}{
		{"its town's", "old", town, true}, {"the city's, in which it lies", "city", town, true}, {"another town's", "other", town, false},
		{"another town's, for the city", "other", venue.NewScope(venue.ScopeTerritory, []venue.Division{"419981"}, nil, ""), true},
		{"the unit itself", "old", own, true}, {"the unit itself, another town's", "other", own, false}, {"nobody", "old", venue.Scope{}, false},
	} {
		if _, err := office.Blank(ctx, c.scope, code(c.batch), made.Venue); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
