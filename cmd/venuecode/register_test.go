package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestAShopAppliesOnThePageAndIsScanned goes from the public page to a scan at the
// new door, beside what the demo's register shows in every state.
func TestAShopAppliesOnThePageAndIsScanned(t *testing.T) {
	d := quietTown(t)
	town, _ := d.official("township")
	for path, names := range map[string]string{
		"/console/applications":                "文昌路便利店 东街口腔诊所",
		"/console/applications?state=rejected": "春晓理发店",
		"/console/applications?state=approved": "望河书屋 政务培训中心",
	} {
		body := string(d.ask(http.MethodGet, path, town, "").body)
		for _, name := range strings.Fields(names) {
			if !strings.Contains(body, name) {
				t.Errorf("%s lacks %s: %.300s", path, name, body)
			}
		}
	}

	page := string(d.ask(http.MethodGet, "/apply/new", "", "").body)
	_, id, _ := strings.Cut(page, `name="id" value="`)
	id, _, _ = strings.Cut(id, `"`)
	form := url.Values{"id": {id}, "unit_name": {"青禾市晨光早点铺"}, "division": {"419981001"}, "name": {"晨光早点铺"}, "category": {"small_place"}, "address": {"文昌路33号旁"},
		"doors": {"正门"}, "applicant_name": {"江远"}, "applicant_phone": {"19900000021"}, "manager_name": {"舒敏"}, "manager_phone": {"19900000022"}}
	request := newRequest(t, http.MethodPost, d.product+"/apply/new", "", form.Encode())
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if got := send(t, request); !strings.Contains(string(got.body), "等待审核") { // redirected to the application's page
		t.Fatalf("sent in: %d %.300s", got.status, got.body)
	}
	var made struct {
		State, Venue string
		Codes        []string
	}
	d.ask(http.MethodPost, "/console/applications/"+id+"/approve", town, `{}`).json(t, &made)
	if made.State != "approved" || len(made.Codes) != 1 {
		t.Fatalf("approved: %+v", made)
	}
	if sheets := string(d.ask(http.MethodGet, "/apply/"+id+"/posters", "", "").body); strings.Count(sheets, "<svg") != 1 || !strings.Contains(sheets, "晨光早点铺") {
		t.Error("its poster is not to be had")
	}
	shop := door{Code: made.Codes[0], Link: "http://" + strings.TrimPrefix(d.product, "http://") + "/v/" + made.Codes[0]}
	d.scan(d.phone("wechat", d.view.Residents[0]), shop, nil)
	if got := d.ask(http.MethodPost, "/console/venues/"+made.Venue+"/suspend", town, `{"reason":"装修"}`); got.status != http.StatusOK {
		t.Fatalf("suspend: %d %s", got.status, got.body)
	}
	if got := d.tryScan(d.phone("wechat", d.view.Residents[1]), shop, nil); got.status != http.StatusNotFound {
		t.Errorf("a scan while it is suspended: %d", got.status)
	}
}
