package console

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/intake"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// The units of the mall, by the number of their USCC: itself, its branch in the
// other town, the branch's shop, and one that is nobody's of these.
const (
	mall = iota + 1
	branch
	shop
	stranger
)

// mallDesk is a desk with a mall, its branch and a stranger, each with an admin.
func mallDesk(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t, access.RoleChecker, access.RoleTownship)
	d.add("city", "市级", access.Grant{Roles: []access.Role{access.RoleChecker}, Divisions: []venue.Division{"410482"}})
	d.add("other", "别处", grantOn("b", access.RoleTownship))
	city := d.login("city")
	units := unitHeads + "青禾商场," + usccOf(mall) + ",,410482001,,\n青禾商场分店," + usccOf(branch) + ",青禾商场,410482002,,\n" +
		"分店小卖部," + usccOf(shop) + ",青禾商场分店,410482002,,\n路人商行," + usccOf(stranger) + ",,410482001,,\n"
	if done := d.imported(city, d.sent(city, "units", units).ID, `{}`); done.OK != 4 {
		t.Fatalf("%+v", done)
	}
	for user, n := range map[string]int{"mall": mall, "mate": mall, "branch": branch, "stranger": stranger} {
		d.add(user, "联络员", access.Grant{Roles: []access.Role{access.RoleUnitAdmin}, Unit: d.unit(n)})
	}
	return d
}

func (d *desk) unit(n int) venue.UnitID {
	d.t.Helper()
	u, err := d.intake.Register.UnitOf(d.t.Context(), venue.USCC(usccOf(n)))
	if err != nil {
		d.t.Fatal(err)
	}
	return u.ID
}

// listed are the applications that somebody is shown of a state, page after page.
func (d *desk) listed(token, state string) (all []applied) {
	d.t.Helper()
	for after := ""; ; {
		page := decode[struct {
			Applications []applied
			Next         string
		}](d.t, d.call("GET", "/console/applications?state="+state+"&after="+after, token, ""), 200)
		all = append(all, page.Applications...)
		if after = page.Next; after == "" {
			return all
		}
	}
}

func idsOf(list []applied) (ids []string) {
	for _, a := range list {
		ids = append(ids, a.ID)
	}
	return ids
}

// several are applications that somebody approves in one go.
type several struct {
	Approved     int
	Applications []struct {
		applied
		Refusal string
	}
}

func (d *desk) approves(token string, ids ...string) several {
	d.t.Helper()
	body, _ := json.Marshal(map[string]any{"ids": ids})
	return decode[several](d.t, d.call("POST", "/console/applications/approve", token, string(body)), 200)
}

// TestAUnitAsksForThreeHundredCodesWithAFile, and its township approves them at once.
func TestAUnitAsksForThreeHundredCodesWithAFile(t *testing.T) {
	d := mallDesk(t)
	unit, town := d.login("mall"), d.login("township")
	const shops = 300
	var file strings.Builder
	file.WriteString(venueHeads)
	for i := range shops {
		file.WriteString(venueLine(usccOf(mall), fmt.Sprintf("%d号柜台", i)))
	}
	before := d.counts()
	got := d.sent(unit, "venues", file.String())
	if got.State != store.UploadReady || got.OK != shops || !got.Applies || d.count(store.Applications) != 8 {
		t.Fatalf("looked at: %+v, %d applications", got, d.count(store.Applications))
	}
	if done := d.imported(unit, got.ID, `{}`); done.State != store.UploadDone || done.OK != shops {
		t.Fatalf("%+v", done)
	}
	if d.counts() != before {
		t.Errorf("a place came in without an officer:\n%s\n%s", before, d.counts())
	}
	waiting := d.listed(unit, "pending")
	if len(waiting) != shops {
		t.Fatalf("%d wait", len(waiting))
	}
	seen := decode[applied](t, d.call("GET", "/console/applications/"+waiting[0].ID, town, ""), 200)
	if seen.Form["applicant_phone"] != "13900000002" || seen.Form["manager_name"] != "司马青黛" || seen.Form["uscc"] != usccOf(mall) || seen.Form["category"] != "small_place" {
		t.Errorf("the officer is shown %v", seen.Form)
	}
	again := func(when string) {
		t.Helper()
		counts, applications := d.counts(), d.count(store.Applications)
		if done := d.imported(unit, d.sent(unit, "venues", file.String()).ID, `{}`); done.State != store.UploadDone || done.OK != shops {
			t.Errorf("%s: %+v", when, done)
		}
		if d.counts() != counts || d.count(store.Applications) != applications {
			t.Errorf("%s the same file adds something", when)
		}
	}
	again("while they wait")

	page := d.browse("GET", "/console/applications", town, nil)
	if n := strings.Count(page.body, `type="checkbox" name="ids[]"`); n != applicationsPage {
		t.Errorf("%d boxes on the page", n)
	}
	all := d.approves(town, idsOf(waiting)...)
	if all.Approved != shops || len(all.Applications) != shops {
		t.Fatalf("%d of %d were approved", all.Approved, len(all.Applications))
	}
	for i, a := range all.Applications {
		if a.ID != waiting[i].ID || a.State != "approved" || len(a.Codes) != 1 || a.Refusal != "" {
			t.Fatalf("%d: %+v", i, a)
		}
		if p, err := d.registry.Resolve(t.Context(), venue.Code(a.Codes[0])); err != nil || p.Venue.Unit != d.unit(mall) || p.Door.Name != "南门" {
			t.Fatalf("%d leads to %+v, %v", i, p, err)
		}
	}
	if rows := d.rows(audit.Filter{Actor: "township", Action: "application.approve"}); len(rows) != shops {
		t.Errorf("%d rows in the audit", len(rows))
	}
	again("once they are approved")
}

// TestAUnitsFileReachesNoFurtherThanTheUnit: what is another's answers as if it were
// not there, and what stands below is asked for like what is its own.
func TestAUnitsFileReachesNoFurtherThanTheUnit(t *testing.T) {
	d := mallDesk(t)
	d.h.Applying.Policy.Auto = []venue.Category{venue.CategorySmallPlace}
	unit, town, other := d.login("mall"), d.login("township"), d.login("other")
	said := func(user string, of int) (all []string) {
		t.Helper()
		got := d.sent(d.login(user), "venues", venueHeads+venueLine(usccOf(of), "店"))
		for _, f := range got.Errors {
			all = append(all, f.Field+" "+f.Message)
		}
		return all
	}
	absent := said("mall", 99)
	if len(absent) != 1 || !slices.Equal(absent, said("mall", stranger)) || !slices.Equal(absent, said("branch", mall)) {
		t.Errorf("who is not there is %q, another %q, the unit above %q", absent, said("mall", stranger), said("branch", mall))
	}

	// Its own small place is approved by policy, the others' below it by an officer.
	file := venueHeads + venueLine(usccOf(mall), "总店小铺") + venueLine(usccOf(branch), "分店小铺") + venueLine(usccOf(shop), "小卖部")
	d.imported(unit, d.sent(unit, "venues", file).ID, `{}`)
	mine := d.listed(unit, "")
	at := slices.IndexFunc(mine, func(a applied) bool { return a.State == "approved" })
	if len(mine) != 3 || at < 0 || len(d.listed(unit, "pending")) != 2 {
		t.Fatalf("%+v", mine)
	}
	if p, err := d.registry.Resolve(t.Context(), venue.Code(mine[at].Codes[0])); err != nil || p.Venue.Unit != d.unit(mall) {
		t.Errorf("by policy: %+v, %v", p, err)
	}
	waiting := idsOf(d.listed(unit, "pending"))
	if here := d.listed(town, "pending"); len(here) != 2 { // those of the desk
		t.Errorf("the mall's township has the branch's before it: %+v", here)
	}
	for _, a := range d.approves(other, waiting...).Applications {
		p, err := d.intake.Register.Place(t.Context(), venue.VenueID(a.Venue))
		if err != nil || p.Venue.Unit != d.unit(branch) && p.Venue.Unit != d.unit(shop) {
			t.Errorf("what stands below is %+v, %v", p.Venue, err)
		}
	}

	// A place elsewhere is its own township's to decide about; an officer enters none
	// where they may not.
	d.h.Applying.Policy.Auto = nil
	elsewhere := strings.TrimSuffix(venueHeads, "\n") + ",所在区划\n" + strings.TrimSuffix(venueLine(usccOf(mall), "西街柜台"), "\n") + ",410482002\n"
	d.imported(unit, d.sent(unit, "venues", elsewhere).ID, `{}`)
	if here, there := d.listed(town, "pending"), d.listed(other, "pending"); len(here) != 2 || len(there) != 3 {
		t.Errorf("a place elsewhere waits here: %+v, there: %+v", here, there)
	}
	if got := d.sent(town, "venues", elsewhere); got.Bad != 1 || got.Errors[0].Field != "所在区划" {
		t.Errorf("an officer enters a place elsewhere: %+v", got)
	}
	if got := d.sent(unit, "venues", strings.ReplaceAll(elsewhere, "410482002", "月球街道")); got.Bad != 1 || got.Errors[0].Field != "所在区划" {
		t.Errorf("a place nowhere: %+v", got)
	}

	// Files are for those who answer for the unit, and of venues alone.
	mate := d.call("GET", importsPage, d.login("mate"), "")
	if !strings.Contains(mate.body, `"by":"mall"`) || !strings.Contains(mate.body, `"kinds":["venues"]`) || strings.Contains(mate.body, `"by":"city"`) {
		t.Errorf("a colleague is told %s", mate.body)
	}
	for _, who := range []string{"township", "city", "branch", "stranger"} {
		if got := d.call("GET", importsPage, d.login(who), ""); got.status != 200 || strings.Contains(got.body, `"by":"mall"`) {
			t.Errorf("%s is told %s", who, got.body)
		}
	}
	for _, k := range intake.Kinds {
		want := 404
		if k.Name == "venues" {
			want = 200
		} else if got := d.upload(unit, map[string]string{"kind": k.Name}, "x"); got.status != 404 {
			t.Errorf("%s: %d %s", k.Name, got.status, got.body)
		}
		if got := d.call("GET", importsPage+"/template/"+k.Name, unit, ""); got.status != want {
			t.Errorf("template of %s: %d", k.Name, got.status)
		}
	}
	page := d.browse("GET", importsPage, unit, nil)
	if !strings.Contains(page.body, "用表格申领") || !strings.Contains(page.body, "template/venues") || strings.Contains(page.body, `name="division"`) || strings.Contains(page.body, "template/units") {
		t.Errorf("the page: %d %s", page.status, page.body)
	}
	if home := d.browse("GET", "/console", unit, nil); !strings.Contains(home.body, `href="/console/imports"`) {
		t.Error("the menu does not lead there")
	}

	// Who answers for another unit by now has another unit's file before them.
	left := d.sent(unit, "venues", venueHeads+venueLine(usccOf(mall), "新店"))
	if _, err := d.uploads.Update(t.Context(), left.ID, func(r *store.UploadRow) error { r.Unit = d.unit(branch); return nil }); err != nil {
		t.Fatal(err)
	}
	if got := d.call("POST", importsPage+"/"+left.ID+"/run", unit, `{}`); got.status != 404 {
		t.Errorf("another unit's file: %d %s", got.status, got.body)
	}
}

// TestARowIsWorthWhatItsFormIsWorth: what waits, came back or was approved once is
// said of the row, and the other rows go in if the sender says so.
func TestARowIsWorthWhatItsFormIsWorth(t *testing.T) {
	d := mallDesk(t)
	unit, town := d.login("mall"), d.login("township")
	first := venueHeads + venueLine(usccOf(mall), "一号店") + venueLine(usccOf(mall), "二号店") + venueLine(usccOf(mall), "三号店")
	bad := "," + "四号店,五,文昌路1号一层,南门,司马青黛,13900000002\n"
	got := d.sent(unit, "venues", first+bad)
	if got.OK != 3 || got.Bad != 1 {
		t.Fatalf("%+v", got)
	}
	if whole := d.call("POST", importsPage+"/"+got.ID+"/run", unit, `{}`); whole.status != 422 {
		t.Errorf("whole, with a bad row: %d %s", whole.status, whole.body)
	}
	if done := d.imported(unit, got.ID, `{"partial":true}`); done.State != store.UploadDone || len(d.listed(unit, "pending")) != 3 {
		t.Fatalf("its good rows: %+v", done)
	}
	at := map[string]string{}
	for _, a := range d.listed(unit, "pending") {
		form := decode[applied](t, d.call("GET", "/console/applications/"+a.ID, unit, ""), 200).Form
		at[form["name"].(string)] = a.ID
	}
	made := d.approves(town, at["一号店"])
	if got := d.call("POST", "/console/venues/"+made.Applications[0].Venue+"/close", town, `{"reason":"停业"}`); got.status != 200 {
		t.Fatalf("closed: %d %s", got.status, got.body)
	}
	if got := d.call("POST", "/console/applications/"+at["二号店"]+"/reject", town, `{"reason":"门牌号不完整"}`); got.status != 200 {
		t.Fatalf("sent back: %d %s", got.status, got.body)
	}
	moved := strings.ReplaceAll(first, "文昌路1号一层", "文昌路1号二层")
	for _, c := range []struct {
		what, file string
		says       []string
	}{
		{"as it was", first, []string{"2 场所名称 这个场所以前申领过", "3 场所名称 已被退回"}},
		{"mended", moved, []string{"2 场所名称 这个场所以前申领过", "4 场所名称 内容与正在等待审核的申领不同"}},
	} {
		got := d.sent(unit, "venues", c.file)
		var said []string
		for _, f := range got.Errors {
			said = append(said, fmt.Sprint(f.Row, " ", f.Field, " ", f.Message))
		}
		if len(said) != len(c.says) {
			t.Fatalf("%s: %q", c.what, said)
		}
		for i := range said {
			if !strings.HasPrefix(said[i], c.says[i]) {
				t.Errorf("%s: %q, want %q", c.what, said, c.says)
			}
		}
		if done := d.imported(unit, got.ID, `{"partial":true}`); done.State != store.UploadDone {
			t.Errorf("%s: %+v", c.what, done)
		}
	}
	back := decode[applied](t, d.call("GET", "/console/applications/"+at["二号店"], unit, ""), 200)
	if back.State != "pending" || back.Form["address"] != "文昌路1号二层" || len(d.listed(unit, "pending")) != 2 {
		t.Errorf("mended: %+v", back)
	}

	// A shop lies in a mall that is there; one that waits itself is there later.
	heads := strings.TrimSuffix(venueHeads, "\n") + ",功能分区,所属场所\n"
	inside := func(name, zone, in string) string {
		return strings.TrimSuffix(venueLine(usccOf(mall), name), "\n") + "," + zone + "," + in + "\n"
	}
	file := heads + inside("青禾广场", "", "") + inside("花店", "一层A1", "青禾广场") + inside("书店", "", "青禾广场")
	got = d.sent(unit, "venues", file)
	if got.OK != 1 || got.Bad != 2 || !strings.Contains(got.Errors[0].Message, "请先申领它") {
		t.Fatalf("before the mall is there: %+v", got)
	}
	d.imported(unit, got.ID, `{"partial":true}`)
	d.approves(town, idsOf(d.listed(unit, "pending"))...)
	got = d.sent(unit, "venues", file)
	if got.OK != 2 || got.Bad != 1 || got.Errors[0].Field != "功能分区" {
		t.Fatalf("once it is there: %+v", got)
	}
	d.imported(unit, got.ID, `{"partial":true}`)
	flowers := d.approves(town, idsOf(d.listed(unit, "pending"))...).Applications
	place, err := d.intake.Register.Place(t.Context(), venue.VenueID(flowers[0].Venue))
	if err != nil || place.Venue.Parent == "" || place.Venue.Zone != "一层A1" || place.Venue.Name != "花店" {
		t.Errorf("%+v, %v", place.Venue, err)
	}
	applicant, manager, err := d.intake.Register.Reached(t.Context(), place.Venue.ID)
	if err != nil || applicant != manager || manager.Phone.Reveal() != "13900000002" {
		t.Errorf("whom to reach: %v %v %v", applicant, manager, err)
	}
}

// TestSeveralAreApprovedEachAsIfAlone: what stands against one does not stand
// against the others.
func TestSeveralAreApprovedEachAsIfAlone(t *testing.T) {
	d := newDesk(t)
	town := d.login("township")
	submit := func(changes map[string]any) string {
		t.Helper()
		a, faults, err := d.h.Applying.Submit(t.Context(), "", formOf(t, with(pharmacy, changes)), registry.Sender{Channel: "form"})
		if err != nil || len(faults) > 0 {
			t.Fatal(faults, err)
		}
		return a.ID
	}
	good := submit(map[string]any{"name": "东街一店"})
	done := submit(map[string]any{"name": "东街二店"})
	same := submit(map[string]any{"name": "东街二店"})
	proof := submit(map[string]any{"name": "东街三店", "uscc": "91410482MA00000017", "unit_name": "青禾市康安大药房"})
	back := submit(map[string]any{"name": "东街四店"})
	away := submit(map[string]any{"name": "西街店", "uscc": "", "unit_name": "西街药铺", "division": "410482002"})
	d.approves(town, done)
	if got := d.call("POST", "/console/applications/"+back+"/reject", town, `{"reason":"门牌号不完整"}`); got.status != 200 {
		t.Fatal(got.body)
	}

	page := d.browse("GET", "/console/applications", town, nil)
	box := func(id string) bool {
		return strings.Contains(page.body, `<input type="checkbox" name="ids[]" value="`+id+`"`)
	}
	if !box(good) || !box(same) || box(proof) || !strings.Contains(page.body, "批准本页全部") {
		t.Errorf("the page: %s", page.body)
	}
	for _, refused := range []struct {
		ids  []string
		want int
	}{{nil, 422}, {slices.Repeat([]string{good}, mostNamed+1), 422}, {[]string{good, away}, 404}, {[]string{good, "nosuchapplication"}, 404}} {
		body, _ := json.Marshal(map[string]any{"ids": refused.ids})
		if got := d.call("POST", "/console/applications/approve", town, string(body)); got.status != refused.want {
			t.Errorf("%d of them: %d, want %d", len(refused.ids), got.status, refused.want)
		}
	}
	if state := decode[applied](t, d.call("GET", "/console/applications/"+good, town, ""), 200).State; state != "pending" {
		t.Errorf("by requests that were refused it is %s", state)
	}
	if rows := d.rows(audit.Filter{Actor: "township", Action: denied}); len(rows) != 1 || rows[0].Event.Reason != beyond {
		t.Errorf("what is another township's: %+v", rows)
	}

	got := d.approves(town, good, done, same, proof, back)
	var became []string
	for _, a := range got.Applications {
		became = append(became, a.State+" "+a.Refusal)
	}
	want := []string{"approved ", "approved ", "pending 同名的单位、场所或出入口已经登记，请先核对是否重复", "pending 该单位的登记证件尚未核对，请先核对", "rejected 目前的状态不能这样办理"}
	if got.Approved != 2 || !slices.Equal(became, want) {
		t.Errorf("%d approved\n%q\nwant\n%q", got.Approved, became, want)
	}
	if rows := d.rows(audit.Filter{Object: audit.Object{Kind: "application", ID: registry.Application{ID: good}.AuditID()}, Action: "application.approve"}); len(rows) != 1 {
		t.Errorf("%d rows in the audit", len(rows))
	}
	result := d.browse("POST", "/console/applications/approve", town, url.Values{"csrf": {formToken(town)}, "ids[]": {good, same}})
	for _, says := range []string{"已批准 1 份", "没有批准 1 份", "东街二店", "请先核对是否重复"} {
		if result.status != 200 || !strings.Contains(result.body, says) {
			t.Errorf("the result lacks %s: %d %s", says, result.status, result.body)
		}
	}
	if got := d.browse("POST", "/console/applications/approve", town, url.Values{"ids[]": {good}}); got.status != 400 {
		t.Errorf("by another page: %d", got.status)
	}
}
