package console

import (
	"net/url"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/vault/audit"
)

func TestAMergerSaysIntoWhat(t *testing.T) {
	d := newDesk(t, access.RoleTownship)
	town := d.login("township")
	for path, field := range map[string]string{"/console/units/kid-a/merge": "into", "/console/venues/venue-kid-a/merge": "into", "/console/venues/venue-kid-a/transfer": "unit"} {
		for _, body := range []string{`{"reason":"重复登记"}`, `{"reason":"重复登记","into":"","unit":""}`} {
			got := decode[struct{ Error struct{ Code, Field string } }](t, d.call("POST", path, town, body), 422)
			if got.Error.Code != "invalid_field" || got.Error.Field != field {
				t.Errorf("%s %s: %+v", path, body, got)
			}
		}
	}
}

// TestAMergerOfTwoSubjectsIsConfirmed: afterwards one of them has no unit, and nobody
// would have been told.
func TestAMergerOfTwoSubjectsIsConfirmed(t *testing.T) {
	d := newDesk(t, access.RoleTownship, access.RoleChecker)
	checker := d.login("checker")
	town := d.login("township")
	const merge = "/console/units/kid-a/merge"
	for _, id := range []string{"unit-a", "kid-a"} {
		if got := d.call("POST", "/console/subjects/"+id+"/confirm", checker, `{"unit":"`+id+`"}`); got.status != 200 {
			t.Fatalf("%s: %d %s", id, got.status, got.body)
		}
	}
	for _, body := range []string{`{"into":"unit-a","reason":"重复登记"}`, `{"into":"甲校金丝雀","reason":"重复登记","confirm":false}`, `{"into":"unit-a","reason":"重复登记","confirm":""}`} {
		if got := decode[struct {
			Error struct{ Code, Message string }
		}](t, d.call("POST", merge, town, body), 409); got.Error.Code != "merge_listed" || !strings.Contains(got.Error.Message, "未找到对应单位") {
			t.Errorf("%s: %+v", body, got)
		}
	}
	page := d.browse("POST", merge, town, url.Values{"csrf": {formToken(town)}, "into": {"甲校金丝雀"}, "reason": {"机构<改>革"}})
	for _, part := range []string{"应设主体名录", `action="` + merge + `"`, `name="into" value="unit-a"`, `name="reason" value="机构&lt;改&gt;革"`, `name="confirm" value="1"`} {
		if page.status != 409 || !strings.Contains(page.body, part) {
			t.Errorf("%d: the page lacks %s: %s", page.status, part, page.body)
		}
	}
	if u, err := d.registry.Unit(t.Context(), "kid-a"); err != nil || u.Closed() || len(d.rows(audit.Filter{Action: "unit.merge"})) != 0 {
		t.Fatalf("merged already: %+v, %v", u, err)
	}
	page = d.browse("POST", merge, town, url.Values{"csrf": {formToken(town)}, "into": {"甲校金丝雀"}, "reason": {"机构改革"}, "confirm": {"1"}})
	if u, err := d.registry.Unit(t.Context(), "kid-a"); page.status != 303 || err != nil || u.Into != "unit-a" {
		t.Errorf("confirmed: %d, %+v, %v", page.status, u, err)
	}
}

// TestAMergerThatLosesNobodyIsNotAskedAbout: of two units one alone is in the register.
func TestAMergerThatLosesNobodyIsNotAskedAbout(t *testing.T) {
	d := newDesk(t, access.RoleTownship, access.RoleChecker)
	town := d.login("township")
	if got := d.call("POST", "/console/subjects/kid-a/confirm", d.login("checker"), `{"unit":"kid-a"}`); got.status != 200 {
		t.Fatal(got.body)
	}
	if got := d.call("POST", "/console/units/kid-a/merge", town, `{"into":"unit-a","reason":"重复登记"}`); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestTheListOfDoorsSaysWhichArePosted, as each one's page does.
func TestTheListOfDoorsSaysWhichArePosted(t *testing.T) {
	d := newDesk(t, access.RoleUnitAdmin)
	unit := d.login("unit_admin")
	type list struct {
		Doors []struct{ Code, Posted string }
	}
	const day = "2022-05-18"
	if got := decode[list](t, d.call("GET", "/console/doors", unit, ""), 200); got.Doors[0].Posted != "" {
		t.Errorf("%+v", got)
	}
	if page := d.browse("GET", "/console/doors", unit, nil); !strings.Contains(page.body, "未确认") || strings.Contains(page.body, day) {
		t.Error("the page has a door as posted")
	}
	if got := d.call("POST", "/console/doors/A0000000000AAA1W/posted", unit, `{"finding":"posted"}`); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if got := decode[list](t, d.call("GET", "/console/doors", unit, ""), 200); !strings.HasPrefix(got.Doors[0].Posted, day) {
		t.Errorf("%+v", got)
	}
	if page := d.browse("GET", "/console/doors", unit, nil); !strings.Contains(page.body, "已张贴") || !strings.Contains(page.body, day) || strings.Contains(page.body, "未确认") {
		t.Errorf("the page lacks it: %s", page.body)
	}
}
