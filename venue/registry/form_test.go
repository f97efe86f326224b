package registry

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/venue"
)

func complete() Form {
	return Form{
		UnitName: "青禾市商贸有限公司", USCC: "91350100M000100Y43", UnitKind: "企业", Division: "419981001", Sectors: "商贸、餐饮，商贸", Headcount: "３２人",
		Name: "青禾商场", ShortName: "青禾商场", Category: "（一）", Address: "洗月街道文昌路１号", Doors: []string{"南门", " 北门 ", ""},
		ApplicantName: NewTyped("欧阳丹砂"), ApplicantPhone: NewTyped("139 0000 0001"), ManagerName: NewTyped("司马青黛"), ManagerPhone: NewTyped("+8613900000002"),
	}
}

func TestAWholeFormIsNormalised(t *testing.T) {
	e, faults := complete().Check()
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if e.Venue.Address != "洗月街道文昌路1号" || e.Unit.Headcount != 32 || !slices.Equal(e.Unit.Sectors, []string{"商贸", "餐饮"}) ||
		!slices.Equal(e.Doors, []string{"南门", "北门"}) || e.Venue.Category != venue.CategoryOrganisation || e.Venue.Division != "419981001" ||
		e.Unit.Kind != venue.UnitCompany || e.Applicant.Phone.Reveal() != "13900000001" || e.Proof || e.Unit.Pending() {
		t.Fatalf("%+v", e)
	}
}

func TestEverythingThatIsWrongIsSaidAtOnce(t *testing.T) {
	const (
		bidi  = "青禾\u202e商场"
		tag   = "青禾\U000E0041商场"
		null  = "青禾\x00商场"
		wrong = "91350100M000100Y44"
	)
	for _, c := range []struct {
		name   string
		change func(*Form)
		want   string // field reason, in the order of the form
	}{
		{"nothing is wrong", func(f *Form) {}, ""},
		{"nothing is filled in", func(f *Form) { *f = Form{} },
			"unit_name required division required doors required category required name required address required applicant_name required applicant_phone required manager_name required manager_phone required"},
		{"an organisation without a USCC", func(f *Form) { f.USCC = "　" }, "uscc required"},
		{"a small place needs none", func(f *Form) { f.USCC, f.Category = "", "小场所" }, ""},
		{"a USCC of 17", func(f *Form) { f.USCC = f.USCC[:17] }, "uscc shape"},
		{"an ID number instead", func(f *Form) { f.USCC = "11010519491231002X" }, "uscc id_number"},
		{"a USCC that only lacks its check character", func(f *Form) { f.USCC = wrong }, ""},
		{"a vehicle without a plate", func(f *Form) { f.Category, f.Type = "三", "出租汽车" }, "plate required"},
		{"a vehicle by its type alone", func(f *Form) { f.Category, f.Plate = "公交车", "豫d·12345" }, ""},
		{"a plate that is none", func(f *Form) { f.Plate = "豫I12345" }, "plate shape"},
		{"inside another, without a number", func(f *Form) { f.Inside = "v_1" }, "zone required"},
		{"a stall without a number", func(f *Form) { f.Category = "四" }, "zone required"},
		{"two doors of a name", func(f *Form) { f.Doors = []string{"南门", "南门 "} }, "doors twice"},
		{"a class there is not", func(f *Form) { f.Category = "七" }, "category unknown"},
		{"a province is nobody's territory", func(f *Form) { f.Division = "410000" }, "division range"},
		{"bidi in the name", func(f *Form) { f.Name = bidi }, "name character"},
		{"tags in the address", func(f *Form) { f.Address = tag + "路1号" }, "address character"},
		{"a control in a door", func(f *Form) { f.Doors = []string{null} }, "doors character"},
		{"ten kilobytes of name", func(f *Form) { f.UnitName = strings.Repeat("店", 3500) }, "unit_name length"},
		{"a megabyte of it", func(f *Form) { f.Address = strings.Repeat("店", 350_000) }, "address length"},
		{"numbers of persons in what is printed", func(f *Form) {
			f.UnitName, f.Name, f.ShortName, f.Address = "张记13900000001", "11010519491231002X的店", "139", "文昌路1号 139 0000 0001"
			f.Zone, f.Doors = "13900000001", []string{"南门", "13900000001"}
		}, "unit_name private doors private name private address private zone private"},
		{"a bar by a number", func(f *Form) { f.Name, f.Address = "110酒吧", "文昌路139号1234室" }, ""},
		{"a formula is text", func(f *Form) { f.Name = `=HYPERLINK("x")` }, ""},
		{"rare characters and emoji are text", func(f *Form) { f.Name, f.ShortName = "𠮷野家🍜", "𠮷野家" }, ""},
		{"a short name of one", func(f *Form) { f.ShortName = "店" }, "short_name length"},
		{"not UTF-8", func(f *Form) { f.Name = "\xff\xfe店" }, "name character"},
		{"half a position", func(f *Form) { f.Lng = "112.8" }, "lat required"},
		{"in the sea", func(f *Form) { f.Lng, f.Lat = "0", "NaN" }, "lng range lat range"},
		{"a whole position", func(f *Form) { f.Lng, f.Lat, f.Radius = "１１２．８７", " 33.2", "80米" }, ""},
		{"latitude for longitude", func(f *Form) { f.Lng, f.Lat = "33.2", "112.87" }, "lng range lat range"},
		{"a radius of a town", func(f *Form) { f.Radius = "2001" }, "radius range"},
		{"a radius of nothing", func(f *Form) { f.Radius = "0" }, "radius range"},
		{"hours", func(f *Form) { f.Hours = "8:00—22:30" }, ""},
		{"hours in words", func(f *Form) { f.Hours = "白天" }, "hours shape"},
		{"hours of another clock", func(f *Form) { f.Hours = "08:00-25:00" }, "hours range"},
		{"the same hours twice", func(f *Form) { f.Hours = "08:00-18:00；周日 09:00-12:00" }, "hours overlap"},
		{"a novel of hours", func(f *Form) { f.Hours = strings.Repeat("8:00-9:00", 10_000) }, "hours length"},
		{"a phone of ten", func(f *Form) { f.ManagerPhone = NewTyped("1390000000") }, "manager_phone shape"},
		{"above itself", func(f *Form) { f.ParentUSCC = f.USCC }, "parent_uscc twice"},
	} {
		f := complete()
		c.change(&f)
		_, faults := f.Check()
		var got []string
		for _, f := range faults {
			got = append(got, f.Field+" "+f.Reason)
		}
		want := strings.Fields(c.want)
		sorted := func(pairs []string) string { slices.Sort(pairs); return strings.Join(pairs, ", ") }
		var wanted []string
		for i := 0; i < len(want); i += 2 {
			wanted = append(wanted, want[i]+" "+want[i+1])
		}
		if sorted(got) != sorted(wanted) {
			t.Errorf("%s: %s\nwant %s", c.name, sorted(got), sorted(wanted))
		}
	}
	f := complete()
	f.USCC = wrong
	if e, faults := f.Check(); len(faults) > 0 || !e.Proof || !e.Unit.Pending() {
		t.Errorf("a wrong check character: %v, proof %v, pending %v", faults, e.Proof, e.Unit.Pending())
	}
}

// TestAVenueIsItsForm: what is mended by the form that describes it is as it was.
func TestAVenueIsItsForm(t *testing.T) {
	f := complete()
	f.Category, f.Plate, f.Inside, f.Zone, f.Hours = "四", "豫D12345", "v_1", "A-12", "周一至周五 8:00-18:00；周末 9:00-12:00"
	for _, where := range [][3]string{{"", "", ""}, {"112.87705", "33.19755", ""}, {"112.87705", "33.19755", "80"}} {
		f.Lng, f.Lat, f.Radius = where[0], where[1], where[2]
		e, faults := f.Check()
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		described := Form{Doors: f.Doors}
		described.Describe(e.Venue)
		again, faults := described.CheckVenue(false)
		if len(faults) > 0 || !reflect.DeepEqual(again.Venue, e.Venue) || e.Venue.Hours == "" || e.Venue.Located() != (where[0] != "") {
			t.Errorf("%+v, %v\nwant %+v", again.Venue, faults, e.Venue)
		}
	}
}

func TestClassesAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]string{
		"一": "organisation", "1": "organisation", "（二）": "key_place", "(3)": "transit", "第四类": "functional_unit", "五类": "small_place", "small_place": "small_place",
		"（五）人员聚集性强的小场所": "small_place", "六、其他公共场所": "other", "重点场所": "key_place", "学校": "key_place 学校", "小饭店": "small_place 小饭店",
		"公园": "other 公园", "（二）公园": "key_place 公园", "剧本杀": "other 剧本杀", "出租汽车": "transit 出租汽车", "二 药店": "key_place 药店",
		"7": "", "七": "", "（七）": "", "第九类": "", "0": "", "(一": "", "（一）小场所": "", "": "",
	} {
		category, of, err := ParseCategory(text)
		if got := strings.TrimSpace(Word(category) + " " + of); got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestOnlyWhoAnswersForAUnitNeedsNoOfficer(t *testing.T) {
	p := Policy{Auto: []venue.Category{venue.CategorySmallPlace}}
	unit := venue.Unit{ID: "u1"}
	small := Entry{Venue: venue.Venue{Category: venue.CategorySmallPlace}}
	for _, c := range []struct {
		name   string
		entry  Entry
		unit   venue.Unit
		sender Sender
		want   bool
	}{
		{"a small place of one's own unit", small, unit, Sender{Unit: "u1"}, true},
		{"another class", Entry{Venue: venue.Venue{Category: venue.CategoryKeyPlace}}, unit, Sender{Unit: "u1"}, false},
		{"without a login", small, unit, Sender{}, false},
		{"of another unit", small, unit, Sender{Unit: "u2"}, false},
		{"a unit that nobody knows", small, venue.Unit{}, Sender{}, false},
		{"a unit that waits for proof", small, venue.Unit{ID: "u1", Status: venue.StatusPending}, Sender{Unit: "u1"}, false},
		{"a merged unit", small, venue.Unit{ID: "u1", Status: venue.StatusClosed}, Sender{Unit: "u1"}, false},
	} {
		if got := p.Automatic(c.entry, c.unit, c.sender); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
