package console

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/vault/audit"
)

// describedPlace is what the page of a venue says of it.
type describedPlace struct {
	Name, Hours      string
	Lng, Lat, Radius float64
	Sentinel         bool
	History          []struct{ Act, By, Reason string }
}

func TestWhenAndWhereAPlaceIsStaysWhenItsNameIsMended(t *testing.T) {
	d := newDesk(t, access.RoleUnitAdmin, access.RoleTownship)
	unit, town := d.login("unit_admin"), d.login("township")
	made := decode[applied](t, d.call("POST", "/console/applications", unit, with(pharmacy, map[string]any{"uscc": "", "hours": "8:00—22:30", "lng": "112.87705", "lat": "33.19755"})), 200)
	page := d.browse("GET", "/console/applications/"+made.ID, town, nil)
	for _, shown := range []string{"营业时间", "8:00—22:30", "经度", "112.87705"} {
		if !strings.Contains(page.body, shown) {
			t.Errorf("the officer does not read %s", shown)
		}
	}
	made = decode[applied](t, d.call("POST", "/console/applications/"+made.ID+"/approve", town, `{}`), 200)
	path := "/console/venues/" + made.Venue
	place := func() describedPlace { return decode[describedPlace](t, d.call("GET", path, unit, ""), 200) }
	if p := place(); p.Hours != "08:00-22:30" || p.Lng != 112.87705 || p.Lat != 33.19755 || p.Radius != 150 {
		t.Fatalf("%+v", p)
	}

	// Whoever mends the name sends back the page's form as it is filled in.
	form := decode[map[string]any](t, d.call("GET", path+"/correct", town, ""), 200)
	form["name"], form["radius"] = "康宁大药房东街总店", "80"
	body, _ := json.Marshal(form)
	if got := d.call("POST", path+"/correct", town, string(body)); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if p := place(); p.Name != "康宁大药房东街总店" || p.Hours != "08:00-22:30" || p.Lng != 112.87705 || p.Radius != 80 {
		t.Errorf("%+v", p)
	}
	page = d.browse("GET", path+"/correct", town, nil)
	for _, filled := range []string{`name="hours" value="08:00-22:30"`, `name="lng" value="112.87705"`, `name="lat" value="33.19755"`, `name="radius" value="80"`} {
		if !strings.Contains(page.body, filled) {
			t.Errorf("the form has no %s", filled)
		}
	}
	form["hours"], form["lat"] = "08:00-22:30；周日 10:00-12:00", ""
	body, _ = json.Marshal(form)
	if got := d.call("POST", path+"/correct", town, string(body)); got.status != 422 || !strings.Contains(got.body, "同一时间写了两次") || !strings.Contains(got.body, `"field":"lat","reason":"required"`) {
		t.Errorf("two answers: %d %s", got.status, got.body)
	}
}

func TestAnOfficerMakesASentinelAndAUnitDoesNot(t *testing.T) {
	d := newDesk(t, access.RoleUnitAdmin, access.RoleTownship, access.RoleChecker, access.RoleSigner)
	unit, town, checker := d.login("unit_admin"), d.login("township"), d.login("checker")
	made := d.opened(unit, town)
	path := "/console/venues/" + made.Venue
	place := func() describedPlace { return decode[describedPlace](t, d.call("GET", path, unit, ""), 200) }
	reason := `{"reason":"发热患者购药较多"}`
	for _, who := range []string{unit, d.login("signer")} {
		if got := d.call("POST", path+"/sentinel", who, reason); got.status != 404 {
			t.Errorf("by who may not: %d %s", got.status, got.body)
		}
	}
	if strings.Contains(d.browse("GET", path, unit, nil).body, path+"/sentinel") || place().Sentinel {
		t.Error("the unit is offered it, or it is one")
	}
	set := d.browse("POST", path+"/sentinel", town, url.Values{"csrf": {formToken(town)}, "reason": {"发热患者购药较多"}})
	if set.status != 303 || !place().Sentinel {
		t.Fatalf("%d %s", set.status, set.body)
	}
	page := d.browse("GET", path, town, nil)
	if !strings.Contains(page.body, ">哨点<") || !strings.Contains(page.body, path+"/unsentinel") || strings.Contains(page.body, path+"/sentinel") {
		t.Errorf("the page of a sentinel: %s", page.body)
	}
	if got := d.call("POST", path+"/sentinel", checker, reason); got.status != 409 || !strings.Contains(got.body, "register_already") {
		t.Errorf("again: %d %s", got.status, got.body)
	}
	if got := d.call("POST", path+"/unsentinel", checker, `{"reason":"已设专门门诊"}`); got.status != 200 || place().Sentinel {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := fmt.Sprint(place().History[:2]); got != "[{unsentinel checker 已设专门门诊} {sentinel township 发热患者购药较多}]" {
		t.Errorf("its history: %s", got)
	}
	for _, action := range []string{"venue.sentinel", "venue.unsentinel"} {
		if rows := d.rows(audit.Filter{Action: action}); len(rows) == 0 || rows[0].Event.Object.ID != made.Venue {
			t.Errorf("%s in the audit: %+v", action, rows)
		}
	}
}
