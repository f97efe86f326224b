package console

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/daily"
)

func (d *desk) fetch(path, token string, into any) {
	d.t.Helper()
	got := d.call("GET", path, token, "")
	if got.status != 200 {
		d.t.Fatalf("%s: %d %s", path, got.status, got.body)
	}
	if err := json.Unmarshal([]byte(got.body), into); err != nil {
		d.t.Fatalf("%s: %v", path, err)
	}
}

func TestTheBoardHidesFewPeopleFromAllButTheirUnit(t *testing.T) {
	d := newDesk(t, access.RoleTownship, access.RoleChecker, access.RoleRegulator, access.RoleUnitAdmin)
	for user, hidden := range map[string]bool{"township": true, "checker": true, "regulator": true, "unit_admin": false} {
		var got struct {
			Day                          string
			Due, Reported, Late, Missing int
			Rows                         []struct {
				Unit, State, Verdict             string
				Reported, Raw, Effective, People *int
				Few                              bool `json:"people_suppressed"`
			}
		}
		d.fetch("/console/board", d.login(user), &got)
		if got.Day != "2022-05-18" || got.Due != got.Reported+got.Late+got.Missing || got.Due != len(got.Rows) || got.Reported != 1 {
			t.Errorf("%s: %+v", user, got)
		}
		for _, row := range got.Rows {
			switch {
			case row.Unit == "unit-a" && (row.Raw == nil || *row.Raw != 3 || *row.Effective != 3 || *row.Reported != 12 || row.Verdict != "over"):
				t.Errorf("%s: %+v", user, row)
			case row.Unit == "unit-a" && (row.Few != hidden || (row.People == nil) != hidden):
				t.Errorf("%s: people %v, suppressed %v; want hidden %v", user, row.People, row.Few, hidden)
			case row.Unit != "unit-a" && (row.Reported != nil || row.People == nil || *row.People != 0 || row.Few || row.State != "missing" || row.Verdict != "none"):
				t.Errorf("%s: %+v", user, row)
			}
		}
	}
}

func TestTheBoardSaysUpToWhenItIsComplete(t *testing.T) {
	d := newDesk(t, access.RoleChecker)
	token := d.login("checker")
	for since, want := range map[time.Time]string{
		{}: "",
		time.Date(2022, 5, 18, 8, 41, 7, 0, venue.Zone): "2022-05-18T08:41:07.000+08:00",
		time.Date(2022, 5, 19, 0, 0, 0, 0, venue.Zone):  "",
	} {
		d.incomplete = since.UTC()
		var got struct {
			AsOf string `json:"as_of"`
		}
		d.fetch("/console/board", token, &got)
		page := d.browse("GET", "/console/board", token, nil).body
		if got.AsOf != want || strings.Contains(page, "平台记录截至 05-18 08:41:07，此后的部分扫码记录尚未到齐") != (want != "") {
			t.Errorf("incomplete since %v: as of %q", since, got.AsOf)
		}
	}
}

func TestDaysAndPagesThatCanNotBeAreRefused(t *testing.T) {
	d := newDesk(t, access.RoleChecker)
	token := d.login("checker")
	for path, want := range map[string]int{
		"/console/board?day=2022-05-17": 200, "/console/board?day=18.5.": 422, "/console/ledger?day=2022-02-30": 422, "/console/ledger?before=noon": 422,
		"/console/doors": 422, "/console/units?after=nosuchunit": 404,
	} {
		if got := d.call("GET", path, token, ""); got.status != want {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	page := d.browse("GET", "/console/board", token, nil).body
	if !strings.Contains(page, `href="?day=2022-05-17"`) || strings.Contains(page, "2022-05-19") {
		t.Error("the page leads to a day to come, or not to the day before")
	}
}

func TestDivisionsAreShownByName(t *testing.T) {
	d := newDesk(t, access.RoleTownship)
	token := d.login("township")
	var row struct {
		Division     venue.Division
		DivisionName string `json:"division_name"`
	}
	d.fetch("/console/units/unit-a", token, &row)
	if row.Division == "" || row.DivisionName != "" {
		t.Errorf("not listed: %+v", row)
	}
	list, err := d.h.Divisions.With(venue.NamedDivision{Code: "41", Name: "河南省"}, venue.NamedDivision{Code: "4104", Name: "平顶山市"},
		venue.NamedDivision{Code: "410482", Name: "汝州市"}, venue.NamedDivision{Code: row.Division, Name: "煤山街道"})
	if err != nil {
		t.Fatal(err)
	}
	d.h.Divisions = list
	d.fetch("/console/units/unit-a", token, &row)
	if row.DivisionName != "河南省平顶山市汝州市煤山街道" {
		t.Errorf("listed: %+v", row)
	}
	for _, path := range []string{"/console/units", "/console/units/unit-a"} {
		if page := d.browse("GET", path, token, nil).body; !strings.Contains(page, row.DivisionName) {
			t.Errorf("%s does not say the name", path)
		}
	}
}

func TestWhoHasOneUnitNeedNotNameIt(t *testing.T) {
	d := newDesk(t, access.RoleVenueStaff)
	var got doorList
	d.fetch("/console/doors", d.login("venue_staff"), &got)
	if got.Unit.ID != "unit-a" || len(got.Doors) != 1 || got.Doors[0].Code != "A0000000000AAA1W" || got.Doors[0].Venue.Category != venue.CategoryKeyPlace {
		t.Errorf("%+v", got)
	}
}

func TestTheLedgerSaysWhatBecameOfAMessage(t *testing.T) {
	d := newDesk(t, access.RoleTownship)
	token := d.login("township")
	var got ledgerAnswer
	d.fetch("/console/ledger", token, &got)
	var kinds []string
	for _, l := range got.Lines {
		kinds = append(kinds, l.Kind+" "+l.Group+" "+l.State)
	}
	if s := strings.Join(kinds, ", "); s != "digest 甲群金丝雀 dead, reminder 全市群 pending, alarm  sent, alarm  sent" || got.Next != "" {
		t.Errorf("%s, next %q", s, got.Next)
	}
	if first := got.Lines[0]; len(first.Units) != 0 || !strings.HasPrefix(first.Posted, "2022-05-18T08:00:") || !strings.HasSuffix(first.Posted, ".000+08:00") {
		t.Errorf("%+v", first)
	}
	before := got.Lines[1].Posted
	d.fetch("/console/ledger?before="+url.QueryEscape(before), token, &got)
	if len(got.Lines) != 2 || got.Lines[0].Kind != "alarm" {
		t.Errorf("behind %s: %+v", before, got)
	}
}

type ledgerAnswer struct {
	Lines []struct {
		Kind, Group, State, Posted string
		Units                      []struct{ ID string }
	}
	Next string
}

func TestListsAreReadInPages(t *testing.T) {
	d := newDesk(t, access.RoleTownship)
	in := store.Registered{Since: d.civil.Now()}
	for i := range unitsPage {
		in.Units = append(in.Units, venue.Unit{ID: venue.UnitID(fmt.Sprintf("more-%03d", i)), Name: "单位", Division: "410482001", Duty: venue.DutyReports})
	}
	if err := d.registry.Put(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	token := d.login("township")
	var first, second struct {
		Units []struct{ ID string }
		Next  string
	}
	d.fetch("/console/units", token, &first)
	d.fetch("/console/units?after="+first.Next, token, &second)
	if len(first.Units) != unitsPage || len(second.Units) != 2 || second.Next != "" { // with unit-a and kid-a
		t.Errorf("%d units, then %d, then %q", len(first.Units), len(second.Units), second.Next)
	}
	if page := d.browse("GET", "/console/units", token, nil).body; !strings.Contains(page, `href="?after=`+first.Next+`"`) {
		t.Error("the page does not lead to the next")
	}
}

func TestAnAttemptBeyondTheScopeIsInTheAudit(t *testing.T) {
	d := newDesk(t, access.RoleTownship)
	d.call("GET", "/console/units/unit-b", d.login("township"), "")
	rows := d.rows(audit.Filter{Actor: "township", Action: denied})
	if len(rows) != 1 || rows[0].Event.Reason != "scope" || rows[0].Event.Outcome != string(access.Refused) || rows[0].Event.Object.ID != "GET /console/units/:id" {
		t.Errorf("%+v", rows)
	}
}

func TestHomeLeadsOnlyWhereTheAccountMayGo(t *testing.T) {
	d := newDesk(t)
	for user := range d.officials {
		token := d.login(user)
		home := d.browse("GET", "/console", token, nil).body
		for _, r := range table {
			if leads := strings.Contains(home, `href="`+r.path+`"`); r.method == "GET" && leads && r.need != anyone && r.need != public {
				if got := d.browse("GET", r.path, token, nil); got.status != 200 {
					t.Errorf("%s is led to %s: %d", user, r.path, got.status)
				}
			}
		}
	}
}

// TestTheMenuHasEveryPage but those that another page leads to.
func TestTheMenuHasEveryPage(t *testing.T) {
	left := []string{"/console/style.css", "/console/login", "/console", "/console/password", "/console/audit/export", "/console/applications/new"}
	for _, s := range menu {
		for _, l := range s.Links {
			if needs[l.Path] == "" {
				t.Errorf("the menu leads to %s, which is no page", l.Path)
			}
			left = append(left, l.Path)
		}
	}
	for _, r := range table {
		if r.method == "GET" && !slices.Contains(left, r.path) && !strings.Contains(r.path, ":") && !strings.HasSuffix(r.path, ".xlsx") {
			t.Errorf("nobody finds %s", r.path)
		}
	}
}

func TestThePageAfterAFormTellsWhatWasDone(t *testing.T) {
	told := 0
	for _, r := range table {
		if r.method == "POST" && said(r.path) != "" {
			told++
		}
	}
	if told != len(doneWords) {
		t.Errorf("%d of %d sentences are of a form", told, len(doneWords))
	}
	d := newDesk(t)
	token := d.login("township")
	for query, want := range map[string]bool{said("/console/venues/:id/close"): true, "?done=<b>": false, "": false} {
		page := d.browse("GET", "/console/units"+query, token, nil).body
		if strings.Contains(page, doneWords["venues.id.close"]) != want || strings.Contains(page, `role="status"`) != want || strings.Contains(page, "<b>") {
			t.Errorf("%q: %s", query, page)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 12345: "12,345", 1234567: "1,234,567"} {
		if one, other := thousands(n), thousands(&n); one != want || other != want {
			t.Errorf("%d: %s, %s", n, one, other)
		}
	}
}

func TestValuesHaveNames(t *testing.T) {
	want := map[string][]string{
		"state":    texts(daily.StateReported, daily.StateLate, daily.StateMissing, daily.StateExempt, daily.StateCovered),
		"verdict":  texts(venue.VerdictNone, venue.VerdictPending, venue.VerdictConsistent, venue.VerdictOver, venue.VerdictUnder),
		"duty":     texts(venue.DutyReports, venue.DutyCovered, venue.DutyExempt),
		"status":   texts(venue.StatusBlank, venue.StatusPending, venue.StatusActive, venue.StatusIncomplete, venue.StatusSuspended, venue.StatusClosed),
		"category": texts(venue.CategoryNone, venue.CategoryOrganisation, venue.CategoryKeyPlace, venue.CategoryTransit, venue.CategoryFunctionalUnit, venue.CategorySmallPlace, venue.CategoryOther),
		"message":  texts(venue.MessageOneTap, venue.MessageReminder, venue.MessageDigest, venue.MessageDifference, venue.MessageAlarm),
		"channel":  texts(venue.ChannelRobot, venue.ChannelWeComApp, venue.ChannelService),
		"delivery": texts(store.OutboxPending, store.OutboxSent, store.OutboxDead, store.OutboxDropped),
	}
	for of, values := range want {
		if len(names[of]) != len(values) {
			t.Errorf("%s: %d names for %d values", of, len(names[of]), len(values))
		}
		for _, v := range values {
			if names[of][v] == "" {
				t.Errorf("%s %q has no name", of, v)
			}
		}
	}
}

func texts[T any](values ...T) (list []string) {
	for _, v := range values {
		list = append(list, fmt.Sprint(v))
	}
	return list
}
