package console

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// sample is one way to call a route. A route of the table without a sample fails
// the tests, and so does a sample without a route. For a new route add a line:
// the route as the table has it; how it is called, if not by its path alone;
// the body of a POST; and what it answers to somebody who may, each time again.
// That is all: who may, and what they may see, the tests know.
//
// UNIT, in path or body, stands for a unit. The route is then called for one in
// the caller's scope, one outside it, one that is not there and one that can not
// be. A route about something else takes another word: add it to objects.
//
// A GET that lists things says so: whatever is in the caller's scope must be in
// the answer. What is not in it must be in no answer of any route.
type sample struct {
	route string
	path  string // "": the route's own
	body  string
	want  int
	lists bool
}

const lists = true

var samples = []sample{
	{"GET /console", "", "", 200, false},
	{"GET /console/password", "", "", 200, false},
	{"POST /console/password", "", `{}`, 422, false},
	{"GET /console/accounts", "", "", 200, false},
	{"POST /console/accounts", "", `{}`, 422, false},
	{"POST /console/accounts/:user/roles", "/console/accounts/target/roles", `{}`, 422, false},
	{"POST /console/accounts/:user/disable", "/console/accounts/target/disable", `{}`, 200, false},
	{"POST /console/accounts/:user/enable", "/console/accounts/target/enable", `{}`, 200, false},
	{"POST /console/accounts/:user/reset-password", "/console/accounts/target/reset-password", `{}`, 200, false},
	{"POST /console/accounts/:user/reset-totp", "/console/accounts/target/reset-totp", `{}`, 200, false},
	{"GET /console/changes", "", "", 200, false},
	{"POST /console/changes/:id/approve", "/console/changes/nosuchchange/approve", `{}`, 422, false},
	{"POST /console/changes/:id/reject", "/console/changes/nosuchchange/reject", `{}`, 404, false},
	{"GET /console/audit", "", "", 200, false},
	{"POST /console/audit/verify", "", `{}`, 200, false},
	{"GET /console/audit/export", "/console/audit/export?from=2022-05-18&to=2022-05-18", "", 200, false},
	{"GET /console/keys", "", "", 200, false},
	{"POST /console/keys/rotate", "", `{}`, 422, false},
	{"GET /console/requests", "", "", 200, false},
	{"POST /console/requests/:id/approve", "/console/requests/nosuchrequest/approve", `{}`, 404, false},
	{"POST /console/requests/:id/reject", "/console/requests/nosuchrequest/reject", `{}`, 404, false},
	{"GET /console/purges", "", "", 200, false},
	{"POST /console/purges", "", `{}`, 422, false},
	{"POST /console/sunset", "", `{}`, 422, false},
	{"POST /console/escrows", "", `{}`, 422, false},
	{"GET /console/certificates", "", "", 200, false},
	{"GET /console/certificates/:number", "/console/certificates/1", "", 200, false},
	{"GET /console/board", "", "", 200, lists},
	{"GET /console/board", "/console/board?day=2022-05-17", "", 200, false},
	{"GET /console/units", "", "", 200, lists},
	{"GET /console/units", "/console/units?after=UNIT", "", 200, false},
	{"GET /console/units/:id", "/console/units/UNIT", "", 200, lists},
	{"GET /console/doors", "/console/doors?unit=UNIT", "", 200, lists},
	{"GET /console/ledger", "", "", 200, lists},
	{"GET /console/alarms", "", "", 200, lists},
	{"GET /console/coverage", "", "", 200, false},
	{"GET /console/coverage/missing", "", "", 200, lists},
	{"GET /console/coverage/missing.xlsx", "", "", 200, false},
	{"GET /console/coverage/deadline", "", "", 200, lists},
	{"GET /console/coverage/deadline", "/console/coverage/deadline?unit=UNIT", "", 200, lists},
	{"GET /console/coverage/deadline", "/console/coverage/deadline?list=unposted&after=410482000-", "", 200, lists},
	{"GET /console/coverage/deadline.xlsx", "", "", 422, false},
	{"GET /console/coverage/deadline.xlsx", "/console/coverage/deadline.xlsx?list=without_code", "", 200, false},
	{"GET /console/coverage/deadline.xlsx", "/console/coverage/deadline.xlsx?list=unposted&unit=UNIT", "", 200, false},
	{"GET /console/coverage/trend", "", "", 200, false},
	{"GET /console/coverage/regulators", "", "", 200, false},
	{"GET /console/coverage/draft", "", "", 200, false},
	{"GET /console/codes/silent", "/console/codes/silent?days=1", "", 200, false},
	{"GET /console/codes/silent", "/console/codes/silent?after=UNIT", "", 200, false},
	{"GET /console/codes/silent.xlsx", "", "", 200, false},
	{"GET /console/subjects", "", "", 200, lists},
	{"POST /console/subjects/:id/confirm", "/console/subjects/UNIT/confirm", `{"unit":"UNIT"}`, 200, false},
	{"POST /console/subjects/:id/refuse", "/console/subjects/UNIT/refuse", `{"unit":"UNIT"}`, 200, false},
	{"POST /console/reveals", "", `{}`, 422, false},
	{"GET /console/imports", "", "", 200, false},
	{"POST /console/imports", "", `{}`, 422, false},
	{"GET /console/imports/template/:kind", "/console/imports/template/venues", "", 200, false},
	{"GET /console/imports/:id", "/console/imports/nosuchimport", "", 404, false},
	{"GET /console/imports/:id/problems.xlsx", "/console/imports/nosuchimport/problems.xlsx", "", 404, false},
	{"POST /console/imports/:id/run", "/console/imports/nosuchimport/run", `{}`, 404, false},
	{"POST /console/imports/:id/discard", "/console/imports/nosuchimport/discard", `{}`, 404, false},
	{"GET /console/applications", "", "", 200, lists},
	{"GET /console/applications", "/console/applications?state=rejected", "", 200, lists},
	{"POST /console/applications", "", `{}`, 422, false},
	{"GET /console/applications/new", "", "", 200, false},
	{"POST /console/applications/approve", "", `{"ids":["APPLICATION"]}`, 200, false},
	{"GET /console/applications/:id", "/console/applications/APPLICATION", "", 200, lists},
	{"POST /console/applications/:id/approve", "/console/applications/APPLICATION/approve", `{}`, 409, false},
	{"POST /console/applications/:id/reject", "/console/applications/APPLICATION/reject", `{}`, 422, false},
	{"GET /console/units/:id/history", "/console/units/UNIT/history", "", 200, false},
	{"POST /console/units/:id/prove", "/console/units/UNIT/prove", `{}`, 422, false},
	{"POST /console/units/:id/merge", "/console/units/UNIT/merge", `{}`, 422, false},
	{"GET /console/incomplete", "", "", 200, false},
	{"GET /console/incomplete.xlsx", "", "", 200, false},
	{"POST /console/doors/:code/posted", "/console/doors/DOOR/posted", `{"finding":"missing"}`, 200, false},
	{"GET /console/postings/:id/photo", "/console/postings/POSTING/photo", "", 200, false},
	{"GET /console/posters", "/console/posters?unit=UNIT&as=png", "", 200, false},
	{"GET /console/posters", "", "", 200, false},
	{"GET /console/venues/:id", "/console/venues/VENUE", "", 200, lists},
	{"GET /console/venues/:id/correct", "/console/venues/VENUE/correct", "", 200, false},
	{"POST /console/venues/:id/correct", "/console/venues/VENUE/correct", `{}`, 422, false},
	{"POST /console/venues/:id/doors", "/console/venues/VENUE/doors", `{}`, 422, false},
	{"POST /console/venues/:id/doors/rename", "/console/venues/VENUE/doors/rename", `{}`, 422, false},
	{"POST /console/venues/:id/suspend", "/console/venues/VENUE/suspend", `{}`, 422, false},
	{"POST /console/venues/:id/resume", "/console/venues/VENUE/resume", `{}`, 422, false},
	{"POST /console/venues/:id/close", "/console/venues/VENUE/close", `{}`, 422, false},
	{"POST /console/venues/:id/sentinel", "/console/venues/VENUE/sentinel", `{}`, 422, false},
	{"POST /console/venues/:id/unsentinel", "/console/venues/VENUE/unsentinel", `{}`, 422, false},
	{"POST /console/venues/:id/transfer", "/console/venues/VENUE/transfer", `{}`, 422, false},
	{"POST /console/venues/:id/merge", "/console/venues/VENUE/merge", `{}`, 422, false},
	{"GET /console/venues/:id/contacts", "/console/venues/VENUE/contacts", "", 200, false},
	{"POST /console/venues/:id/bind-code", "/console/venues/VENUE/bind-code", `{}`, 200, false},
	{"POST /console/venues/:id/managers/remove", "/console/venues/VENUE/managers/remove", `{}`, 404, false},
	{"POST /console/units/:id/bind-code", "/console/units/UNIT/bind-code", `{}`, 200, false},
	{"POST /console/units/:id/close", "/console/units/UNIT/close", `{}`, 422, false},
	{"GET /console/groups", "", "", 200, false},
	{"POST /console/groups", "", `{}`, 422, false},
	{"GET /console/groups/:id", "/console/groups/GROUP", "", 200, lists},
	{"POST /console/groups/:id", "/console/groups/GROUP", `{}`, 422, false},
	{"GET /console/ungrouped", "", "", 200, false},
	{"GET /console/ungrouped", "/console/ungrouped?after=UNIT", "", 200, false},
	{"POST /console/duties", "", `{"ids":["UNIT"],"duty":"reports","group":"group-all"}`, 200, false},
	{"POST /console/units/:id/duty", "/console/units/UNIT/duty", `{}`, 422, false},
	{"GET /console/find", "/console/find?q=%E7%94%B2", "", 200, false},
	{"GET /console/blanks", "", "", 200, false},
	{"POST /console/blanks", "", `{}`, 422, false},
	{"GET /console/blanks/activate", "", "", 200, false},
	{"POST /console/blanks/activate", "", `{}`, 422, false},
	{"GET /console/blanks/:id/posters", "/console/blanks/BATCH/posters?as=png", "", 200, false},
	{"POST /console/logout", "", `{}`, 200, false},
	{"POST /console/logout-everywhere", "", `{}`, 200, false},
}

// call is how a sample is called for an object.
func (s sample) call(object string) (method, path, body string) {
	method, path, _ = strings.Cut(s.route, " ")
	path, body = cmp.Or(s.path, path), s.body
	for word := range objects {
		path, body = strings.ReplaceAll(path, word, object), strings.ReplaceAll(body, word, object)
	}
	return method, path, body
}

// things are what is in the city: a side of the city each is on, and the words
// that give it away. Whoever sees but one unit sees unit-a, or unit-b, alone.
var things = map[string]struct {
	side  string // "a", "b"; "" for what no official sees
	tells []string
}{
	"unit-a":  {"a", []string{"甲校金丝雀", "甲校园金丝雀", "甲路金丝雀", "A0000000000AAA1W"}},
	"kid-a":   {"a", []string{"甲分部金丝雀", "甲分部园金丝雀", "A0000000000AAA2T"}},
	"unit-b":  {"b", []string{"乙院金丝雀", "乙院区金丝雀", "乙路金丝雀", "B0000000000BBB1Z"}},
	"kid-b":   {"b", []string{"乙驻点金丝雀", "乙驻点区金丝雀", "B0000000000BBB2S"}}, // below unit-a
	"group-a": {"a", []string{"甲群金丝雀"}},
	"group-b": {"b", []string{"乙群金丝雀"}},
	"person":  {"", []string{"canary.userid", "canary.account", "canary.message", "canary.scan"}},
}

// objects are what a word in a sample stands for: the things of its kind, and
// what answers as if it were not there. The first such is absent, the others
// can not be.
var objects = map[string]struct{ there, absent []string }{
	"UNIT": {
		[]string{"unit-a", "kid-a", "unit-b", "kid-b"},
		[]string{"nosuchunit", "%00", "%F0%9F%90%A4", "..%2Funit-a", strings.Repeat("u", 300)},
	},
	"VENUE": {
		[]string{"venue-unit-a", "venue-kid-a", "venue-unit-b", "venue-kid-b"},
		[]string{"nosuchvenue", "%00", "..%2Fvenue-unit-a", strings.Repeat("v", 300)},
	},
	"APPLICATION": {
		[]string{"application-unit-a", "application-kid-a", "application-unit-b", "application-kid-b"},
		[]string{"nosuchapplication", "%00", strings.Repeat("a", 300)},
	},
	"DOOR": {
		[]string{"A0000000000AAA1W", "A0000000000AAA2T", "B0000000000BBB1Z", "B0000000000BBB2S"},
		[]string{"A0000000000CCC9E", "A0000000000AAA1A", "x", "%00"}, // nobody's, no code
	},
	"POSTING": {
		[]string{"posting-unit-a", "posting-kid-a", "posting-unit-b", "posting-kid-b"},
		[]string{"nosuchposting", "%00", strings.Repeat("p", 300)},
	},
	"GROUP": {
		[]string{"group-a", "group-b"},
		[]string{"nosuchgroup", "%00", strings.Repeat("g", 300)},
	},
	"BATCH": {
		[]string{"batch-unit-a", "batch-unit-b"},
		[]string{"nosuchbatch", "%00", strings.Repeat("b", 300)},
	},
}

// cityless are routes about the platform, or about a file that is its sender's
// alone, and not about anything in the city, so that nothing they name has a side.
var cityless = []string{"/console/imports/", "/console/accounts/", "/console/changes/", "/console/requests/", "/console/certificates/"}

// thingOf is what an object belongs to: all others to a unit.
func thingOf(object string) string {
	for thing, told := range things {
		if slices.Contains(told.tells, object) {
			return thing
		}
	}
	for _, kind := range []string{"venue-", "application-", "posting-", "batch-"} {
		object = strings.TrimPrefix(object, kind)
	}
	return object
}

// settle builds the city of things, and posts a message about each.
func settle(t *testing.T, engine store.Engine, doors *store.Registry, reporting *store.Reporting) {
	t.Helper()
	at := time.Date(2022, 5, 18, 8, 0, 0, 0, venue.Zone)
	in := store.Registered{Since: at.Add(-48 * time.Hour), Groups: []venue.Group{
		{ID: "group-a", Name: things["group-a"].tells[0], Division: "410482001", Sector: "教育"},
		{ID: "group-b", Name: things["group-b"].tells[0], Division: "410482002", Sector: "卫健"},
		{ID: "group-all", Name: "全市群", Division: "410482", Sector: "机关"},
	}}
	for _, u := range []venue.Unit{
		{ID: "unit-a", Division: "410482001", Sectors: []string{"教育"}, Group: "group-a"},
		{ID: "kid-a", Parent: "unit-a", Division: "410482001", Sectors: []string{"教育"}, Group: "group-a"},
		{ID: "unit-b", Division: "410482002", Sectors: []string{"卫健"}, Group: "group-b"},
		{ID: "kid-b", Parent: "unit-a", Division: "410482002", Sectors: []string{"卫健"}, Group: "group-b"},
	} {
		tells := things[string(u.ID)].tells
		u.Name, u.Duty = tells[0], venue.DutyReports
		v := venue.Venue{ID: venue.VenueID("venue-" + u.ID), Unit: u.ID, Name: tells[1], Address: tells[len(tells)-2], Division: u.Division,
			Category: venue.CategoryKeyPlace, Status: venue.StatusActive, Managers: []venue.ChatAccount{{Channel: venue.ChannelWeComApp, ID: "canary.userid"}}}
		in.Units, in.Venues = append(in.Units, u), append(in.Venues, v)
		in.Doors = append(in.Doors, venue.Door{Code: venue.Code(tells[len(tells)-1]), Venue: v.ID, Unit: u.ID, Name: "正门", Status: venue.StatusActive})
	}
	if err := doors.Put(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	_, err := reporting.Update(t.Context(), "unit-a", venue.DayOf(at), func(r *venue.Report) error {
		*r = venue.Report{Unit: "unit-a", Day: venue.DayOf(at), Policy: "16:00", Entries: []venue.Entry{{
			Kind: venue.EntryReport, Count: 12, At: at, By: venue.ChatAccount{Channel: venue.ChannelWeComApp, ID: "canary.userid"}, Message: "canary.message",
			Judged: []venue.Assessment{{At: at, Low: 3, High: 3, Verdict: venue.VerdictOver, Distance: 9, Counts: venue.Counts{Raw: 3, Effective: 3, People: 2}}},
		}}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	applications := store.NewCollection[store.ApplicationRow](engine, store.Applications)
	for _, u := range in.Units {
		for i, state := range []registry.State{registry.StateRejected, registry.StatePending} {
			id := "application-" + string(u.ID) + strings.Repeat("-pending", i)
			if err := applications.Insert(t.Context(), id, store.ApplicationRow{State: string(state), UnitName: u.Name, Name: "新场所", Division: string(u.Division),
				USCC: string(u.USCC), Category: venue.CategoryOther, Channel: "console", Account: "canary.account", Unit: string(u.ID), At: at}); err != nil {
				t.Fatal(err)
			}
		}
	}
	outbox := store.NewCollection[store.OutboxRow](engine, store.Outbox)
	post := func(m venue.Message, state string) {
		m.ID, m.Day = fmt.Sprintf("canary.message:%s:%v", m.To.ID, m.Units), venue.DayOf(at)
		if err := outbox.Insert(t.Context(), m.ID, store.OutboxRow{Message: m, State: state, Posted: at, Due: at}); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Second)
	}
	var all []venue.UnitMention
	for _, u := range in.Units {
		all = append(all, venue.UnitMention{Unit: u.ID, Name: u.Name, Accounts: []string{"canary.userid"}})
		post(venue.Message{Kind: venue.MessageAlarm, To: venue.Recipient{Channel: venue.ChannelWeComApp, ID: "canary.userid"}, Units: all[len(all)-1:],
			Alarm: &venue.AlarmFacts{Venue: things[string(u.ID)].tells[1], ScanID: "canary.scan"}}, store.OutboxSent)
	}
	post(venue.Message{Kind: venue.MessageReminder, To: venue.Recipient{Channel: venue.ChannelRobot, ID: "group-all"}, Units: all}, store.OutboxPending)
	post(venue.Message{Kind: venue.MessageRecheck, To: venue.Recipient{Channel: venue.ChannelSubscribe, ID: "canary.account"}, Units: all}, store.OutboxPending)
	for _, g := range []string{"group-a", "group-b"} {
		post(venue.Message{Kind: venue.MessageDigest, To: venue.Recipient{Channel: venue.ChannelRobot, ID: g},
			Digest: &venue.Digest{MissingNames: []string{all[0].Name, all[2].Name}}}, store.OutboxDead)
	}
}

// shelve has a look at the door of every unit, and blank codes on both sides.
func shelve(t *testing.T, register *store.Register) {
	t.Helper()
	for _, unit := range []string{"unit-a", "kid-a", "unit-b", "kid-b"} {
		if err := register.Keep(t.Context(), registry.Posting{ID: "posting-" + unit, Venue: venue.VenueID("venue-" + unit), Finding: registry.FoundDamaged, Photo: []byte("JPEG")}); err != nil {
			t.Fatal(err)
		}
	}
	for unit, d := range map[string]venue.Division{"unit-a": "410482001", "unit-b": "410482002"} {
		code, err := venue.NewCode(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := register.Print(t.Context(), registry.Batch{ID: "batch-" + unit, Division: d, Codes: []venue.Code{code}}); err != nil {
			t.Fatal(err)
		}
	}
}

// enlist has a subject for every unit, of its id and name, that nobody knows to be
// the unit.
func enlist(t *testing.T, engine store.Engine) {
	t.Helper()
	subjects := store.NewCollection[registry.Subject](engine, store.Subjects)
	for thing, told := range things {
		if told.side == "" || len(told.tells) < 3 {
			continue
		}
		s := registry.Subject{Name: told.tells[0], Address: told.tells[len(told.tells)-2], State: registry.SubjectActive,
			Division: map[string]venue.Division{"a": "410482001", "b": "410482002"}[told.side], Sector: map[string]string{"a": "教育", "b": "卫健"}[told.side]}
		if err := subjects.Insert(t.Context(), thing, s); err != nil {
			t.Fatal(err)
		}
	}
}

// redden has somebody red at the door of every unit.
func redden(t *testing.T, engine store.Engine, v *vault.Vault) {
	t.Helper()
	at := time.Date(2022, 5, 18, 17, 0, 0, 0, venue.Zone) // behind the deadline: in no count of the day
	for thing, told := range things {
		if len(told.tells) < 3 || told.side == "" {
			continue
		}
		key, _, err := v.ScanKey(venue.PersonID{7}, venue.PersonID{7}, at, thing, 0)
		if err != nil {
			t.Fatal(err)
		}
		person, err := v.SealPerson(venue.DayOf(at), key, venue.PersonID{7})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := engine.Append(t.Context(), []venue.Scan{{Key: key, At: at, Received: at, Unit: venue.UnitID(thing), Person: person,
			Door: venue.Code(told.tells[len(told.tells)-1]), Health: venue.HealthRed, Decision: venue.Refuse}}); err != nil {
			t.Fatal(err)
		}
	}
}

// grantOn lets a role see one side of the city.
func grantOn(side string, r access.Role) access.Grant {
	g := access.Grant{Roles: []access.Role{r}}
	switch r.View() {
	case venue.ScopeTerritory:
		g.Divisions = []venue.Division{map[string]venue.Division{"a": "410482001", "b": "410482002"}[side]}
	case venue.ScopeSector:
		g.Divisions, g.Sectors = []venue.Division{"410482"}, []string{map[string]string{"a": "教育", "b": "卫健"}[side]}
	case venue.ScopeUnit:
		g.Unit = venue.UnitID("unit-" + side)
	}
	return g
}

// clerk is an account of one role on one side of the city.
type clerk struct {
	user, side string
	role       access.Role
}

// sees tells whether a thing is in the clerk's scope.
func (c clerk) sees(thing string) bool {
	if strings.HasPrefix(thing, "batch-") && c.role.View() != venue.ScopeTerritory { // a division's, of no sector and no unit
		return false
	}
	thing = thingOf(thing)
	switch c.role.View() {
	case venue.ScopeNone:
		return false
	case venue.ScopeUnit:
		return thing == "unit-"+c.side
	}
	return things[thing].side == c.side
}

// watched counts the denials that a trail is given. The id of an application, which
// opens it at /apply, is in no row.
type watched struct {
	Trail
	t       *testing.T
	denials []audit.Event
}

func (w *watched) Append(ctx context.Context, e audit.Event) (string, error) {
	for _, id := range objects["APPLICATION"].there {
		if strings.Contains(fmt.Sprint(e), id) {
			w.t.Errorf("the audit is given %s: %+v", id, e)
		}
	}
	id, err := w.Trail.Append(ctx, e)
	if e.Action == denied && err == nil {
		w.denials = append(w.denials, e)
	}
	return id, err
}

func TestEveryRouteHasASampleAndEverySampleARoute(t *testing.T) {
	routes := map[string]bool{}
	for _, r := range table {
		if r.need != public {
			routes[r.method+" "+r.path] = false
		}
	}
	for _, s := range samples {
		if _, ok := routes[s.route]; !ok {
			t.Errorf("a sample is of %s, which is no route with a login", s.route)
		}
		routes[s.route] = true
	}
	for name, sampled := range routes {
		if !sampled {
			t.Errorf("%s has no sample: add a line to samples", name)
		}
	}
}

// TestNobodySeesBeyondTheirScope calls every route as every role, on both sides
// of the city, for every object, as a program and as a browser.
func TestNobodySeesBeyondTheirScope(t *testing.T) {
	d := newDesk(t, access.RoleSecurityAdmin)
	d.add("target", "对象", access.Grant{Roles: []access.Role{access.RoleVenueStaff}, Unit: "unit-c"})
	trail := &watched{Trail: d.trail, t: t}
	d.h.Trail = trail
	needs := map[string]access.Permission{}
	for _, r := range table {
		needs[r.method+" "+r.path] = r.need
	}
	cases := map[string]int{}
	for _, role := range access.Roles() {
		if role == access.RoleProvince {
			continue
		}
		sides := []string{"a", "b"}
		if role.View() == venue.ScopeNone {
			sides = sides[:1]
		}
		for _, side := range sides {
			c := clerk{fmt.Sprintf("%s.%s", strings.ReplaceAll(string(role), "_", "."), side), side, role}
			d.add(c.user, "职员", grantOn(side, role))
			session := d.login(c.user)
			for _, s := range samples {
				need := needs[s.route]
				m := matrix{t: t, d: d, trail: trail, clerk: c, session: session, sample: s,
					may: need == anyone || slices.Contains(role.Permissions(), need), cases: cases}
				m.run()
				if strings.HasPrefix(s.route, "POST /console/logout") {
					session = d.login(c.user)
				}
			}
		}
	}
	for what, least := range map[string]int{"in scope": 100, "out of scope": 150, "absent": 60, "not permitted": 250} {
		if cases[what] < least {
			t.Errorf("only %d cases %s", cases[what], what)
		}
	}
	for _, r := range table {
		if !strings.Contains(r.path, ":") || slices.ContainsFunc(cityless, func(p string) bool { return strings.HasPrefix(r.path, p) }) {
			continue
		}
		for _, where := range []string{"in scope", "out of scope", "absent"} {
			if route := r.method + " " + r.path; cases[route+" "+where] == 0 {
				t.Errorf("%s was called for nothing %s: its sample needs a word of objects", route, where)
			}
		}
	}
}

// matrix is one row and column: a clerk who calls a sample.
type matrix struct {
	t       *testing.T
	d       *desk
	trail   *watched
	clerk   clerk
	session string
	sample  sample
	may     bool
	cases   map[string]int
}

func (m matrix) run() {
	kind := ""
	for word := range objects {
		if strings.Contains(m.sample.path+m.sample.body, word) {
			kind = word
		}
	}
	asks := []func(object string) reply{m.asProgram}
	if strings.HasPrefix(m.sample.route, "GET ") {
		asks = append(asks, m.asBrowser)
	}
	for _, ask := range asks {
		if kind == "" {
			m.expect(ask, "", "in scope", m.sample.want, "")
			continue
		}
		absent := ""
		for _, object := range objects[kind].absent {
			got := m.expect(ask, object, "absent", 404, absent)
			absent = got.body
		}
		for _, object := range objects[kind].there {
			if m.clerk.sees(object) {
				m.expect(ask, object, "in scope", m.sample.want, "")
			} else {
				m.expect(ask, object, "out of scope", 404, absent)
			}
		}
	}
}

// expect asks for an object that is where, and compares the answer: its status,
// its body if one is given, the row of the audit, and what it tells of things.
func (m matrix) expect(ask func(string) reply, object, where string, want int, body string) reply {
	m.t.Helper()
	reason := map[string]string{"out of scope": beyond}[where]
	if !m.may {
		where, want, reason = "not permitted", 404, string(access.RulePermission)
	}
	m.cases[where]++
	if object != "" {
		m.cases[m.sample.route+" "+where]++
	}
	method, path, _ := m.sample.call(object)
	name := fmt.Sprintf("%s: %s %.60s (%s)", m.clerk.user, method, path, where)
	m.trail.denials = nil
	got := ask(object)
	if got.status != want {
		m.t.Errorf("%s: answered %d, want %d: %.200s", name, got.status, want, got.body)
	}
	if body != "" && got.body != body {
		m.t.Errorf("%s: answers other than what is absent: %.200s", name, got.body)
	}
	rows := m.trail.denials
	switch {
	case reason == "" && len(rows) > 0:
		m.t.Errorf("%s: denied: %+v", name, rows)
	case reason != "" && (len(rows) != 1 || rows[0].Reason != reason || rows[0].Actor != m.clerk.user || rows[0].Object.ID != m.sample.route):
		m.t.Errorf("%s: %d rows of the audit, %+v; want one because of %s", name, len(rows), rows, reason)
	}
	for thing, told := range things {
		for _, tell := range told.tells {
			if !m.clerk.sees(thing) && strings.Contains(got.body, tell) {
				m.t.Errorf("%s: tells of %s: %s", name, thing, tell)
			}
		}
		listed := m.sample.lists && where == "in scope" && (thingOf(object) == thing || object == "" && !strings.HasPrefix(thing, "group"))
		if listed && m.clerk.sees(thing) && !strings.Contains(got.body, told.tells[0]) {
			m.t.Errorf("%s: tells nothing of %s: %.300s", name, thing, got.body)
		}
	}
	return got
}

func (m matrix) asProgram(object string) reply {
	method, path, body := m.sample.call(object)
	return m.d.call(method, path, m.session, body)
}

func (m matrix) asBrowser(object string) reply {
	method, path, _ := m.sample.call(object)
	return m.d.browse(method, path, m.session, nil)
}
