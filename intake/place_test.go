package intake_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/intake"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

const placeHead = "单位统一社会信用代码,场所名称,类别,详细地址,管理人员,管理人员电话,营业时间,经度,纬度,哨点\n"

func placeRow(name, rest string) string {
	return fmt.Sprintf("%s,%s,五,文昌路1号,司马青黛,13900000002,%s\n", uscc(1), name, rest)
}

// TestAFileSaysWhenAndWhereAPlaceIs, an officer's also which are sentinels; in a unit's
// that is refused.
func TestAFileSaysWhenAndWhereAPlaceIs(t *testing.T) {
	text := placeHead + placeRow("一店", `"周一至五8:00-18:00,周末9:00-12:00",112.87705,33.19755,是`) + placeRow("二店", ",,,否") + placeRow("三店", "全天,,,")
	want := map[string]venue.Venue{
		"一店": {Hours: "周一至周五 08:00-18:00；周六、周日 09:00-12:00", Lng: 112.87705, Lat: 33.19755, Sentinel: true}, "二店": {}, "三店": {Hours: "全天"},
	}
	look := func(c *town, sentinels bool) {
		t.Helper()
		doors, err := c.registry.Doors(t.Context())
		if err != nil || len(doors) != len(want) {
			t.Fatalf("%d doors, %v", len(doors), err)
		}
		for _, p := range doors {
			v, w := p.Venue, want[p.Venue.Name]
			if v.Hours != w.Hours || v.Lng != w.Lng || v.Lat != w.Lat || v.Sentinel != (w.Sentinel && sentinels) || v.Radius != 150 {
				t.Errorf("%+v", v)
			}
		}
	}
	officers, _ := asking(t)
	take(t, officers.desk, "venues", text, intake.Options{})
	look(officers, true)

	units, from := asking(t)
	if r := take(t, units.desk, "venues", text, intake.Options{From: from}); r.Bad != 1 || units.all(store.Applications) != 0 ||
		r.Errors[0] != (intake.Problem{Row: 2, Field: "哨点", Message: "哨点由属地、指挥部设定，请留空。"}) {
		t.Errorf("a unit's sentinel: %+v", r)
	}
	if r := take(t, units.desk, "venues", strings.Replace(text, ",是", ",", 1), intake.Options{From: from}); r.OK != 3 {
		t.Errorf("%+v", r)
	}
	look(units, false)
}

// TestEveryFaultOfAPlaceHasItsOwnSentence, at the column that it is in.
func TestEveryFaultOfAPlaceHasItsOwnSentence(t *testing.T) {
	general := map[string]bool{}
	for _, reason := range []string{"shape", "range", "length", "required", registry.ReasonUnknown, "no such reason"} {
		general[intake.Sentence(&venue.Invalid{Field: "no such field", Reason: reason})] = true
	}
	for rest, heading := range map[string]string{
		"白天,,,": "营业时间", "8:00-25:00,,,": "营业时间", "8:00-12:00 11:00-13:00,,,": "营业时间", strings.Repeat("；", 201) + ",,,": "营业时间",
		",33.2,112.8,": "经度", ",112.8,北,": "纬度", ",,,也许": "哨点",
	} {
		c, _ := asking(t)
		r := take(t, c.desk, "venues", placeHead+placeRow("一店", rest), intake.Options{})
		if r.Bad != 1 || r.Errors[0].Field != heading || general[r.Errors[0].Message] {
			t.Errorf("%.20s: %+v", rest, r)
		}
	}
}
