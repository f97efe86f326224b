package console

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/intake"
	"github.com/venuecode/venuecode/internal/canary"
	"github.com/venuecode/venuecode/sheet"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// clerk is a process that works on uploads until the test ends, or stop is called.
func (d *desk) clerk(log *slog.Logger) *intake.Uploads {
	d.t.Helper()
	u, err := intake.NewUploads(d.uploads, d.intake, d.civil, d.machine, log)
	if err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); u.Work(ctx) }()
	d.cut, d.kill = cancel, func() { cancel(); <-ended }
	d.t.Cleanup(d.kill)
	return u
}

// form is a form with a file.
func form(t *testing.T, fields map[string]string, file string) (contentType string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, v := range fields {
		_ = w.WriteField(k, v)
	}
	part, err := w.CreateFormFile("file", "a.csv")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(part, file)
	_ = w.Close()
	return w.FormDataContentType(), b.Bytes()
}

func (d *desk) upload(token string, fields map[string]string, file string) reply {
	d.t.Helper()
	kind, body := form(d.t, fields, file)
	r := httptest.NewRequest(http.MethodPost, importsPage, bytes.NewReader(body))
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Authorization", "Bearer "+token)
	return d.send(r)
}

// settled waits until nobody works on an upload any more.
func (d *desk) settled(token, id string) (out importDetail) {
	d.t.Helper()
	for range 3000 {
		var got struct {
			importDetail
			At    string `json:"at"` // an instant is written, never read
			Ended string `json:"ended"`
		}
		d.fetch(importsPage+"/"+id, token, &got)
		if out = got.importDetail; !out.Busy() {
			return out
		}
		time.Sleep(5 * time.Millisecond)
	}
	d.t.Fatalf("still %s", out.State)
	return out
}

// sent uploads a file and waits for what was found.
func (d *desk) sent(token, kind, file string) importDetail {
	d.t.Helper()
	got := d.upload(token, map[string]string{"kind": kind}, file)
	return d.settled(token, d.idOf(got))
}

func (d *desk) idOf(got reply) string {
	d.t.Helper()
	var made struct{ ID string }
	if json.Unmarshal([]byte(got.body), &made) != nil || got.status != 200 || made.ID == "" {
		d.t.Fatalf("%d %s", got.status, got.body)
	}
	return made.ID
}

// imported has a file imported that was sent.
func (d *desk) imported(token, id, body string) importDetail {
	d.t.Helper()
	if got := d.call("POST", importsPage+"/"+id+"/run", token, body); got.status != 200 {
		d.t.Fatalf("run: %d %s", got.status, got.body)
	}
	return d.settled(token, id)
}

// counts is how many documents there are of what files are imported into.
func (d *desk) counts() string {
	d.t.Helper()
	var b strings.Builder
	for _, s := range []store.Schema{store.Units, store.Venues, store.Doors, store.Tenures, store.Contacts, store.OldCodes, store.Rosters, store.Subjects, store.ChangeRows, store.RegisterNames} {
		fmt.Fprintf(&b, "%s %d ", s.Name, d.count(s))
	}
	return b.String()
}

func (d *desk) count(s store.Schema) (n int) {
	d.t.Helper()
	for _, err := range d.engine.Find(d.t.Context(), s.Name, store.Query{}) {
		if err != nil {
			d.t.Fatal(err)
		}
		n++
	}
	return n
}

func usccOf(n int) string {
	s := fmt.Sprintf("91410482MA%07d", n)
	for _, c := range "0123456789ABCDEFGHJKLMNPQRTUWXY" {
		if _, proof, err := venue.ParseUSCC(s + string(c)); err == nil && !proof {
			return s + string(c)
		}
	}
	panic(s)
}

const (
	unitHeads  = "单位名称,统一社会信用代码,上级单位,所属区划,联系人,联系电话\n"
	venueHeads = "单位统一社会信用代码,场所名称,类别,详细地址,出入口,管理人员,管理人员电话\n"
)

func venueLine(uscc, name string) string {
	return uscc + "," + name + ",五,文昌路1号一层,南门,司马青黛,13900000002\n"
}

// sheets are a file of each kind: its headings, its good rows, a bad row, what is
// said of that, and the bad row mended.
var sheets = []struct{ kind, heads, good, bad, says, mended string }{
	{"units", unitHeads, "青禾商场," + usccOf(1) + ",,410482001,欧阳丹砂,13900000001\n青禾集市," + usccOf(2) + ",青禾商场,410482001,,\n",
		"青禾小店," + usccOf(3) + ",,410482002,,\n", "不在本名录或可办理的区划内", "青禾小店," + usccOf(3) + ",,410482001,,\n"},
	{"venues", venueHeads, venueLine(usccOf(1), "一号店") + venueLine(usccOf(1), "二号店"), venueLine(usccOf(9), "三号店"), "可办理的区划内没有登记该单位", venueLine(usccOf(3), "三号店")},
	{"legacy", "原码内容,场所名称,单位名称,详细地址\n", "https://csm.example.com/q?id=1,旧店,,\n10002,旧店,,\n", "10003,,,\n", "未填写", "10003,又一旧店,,\n"},
	{"roster", "单位统一社会信用代码,姓名,证件号码\n", usccOf(1) + ",诸葛朱鹮,11010519491231002X\n", usccOf(1) + ",诸葛朱鹮,11010519491231002Y\n", "不是有效的证件号码", usccOf(1) + ",诸葛朱鹮,110105194912310038\n"},
	{"subjects", "名称,统一社会信用代码,地址,所属区划,行业\n", "甲店,,东街1号,410482001,餐饮\n乙店,,东街2号,410482001,餐饮\n", "丙店,9141,东街3号,410482001,餐饮\n", "应为 18 位", "丙店,,东街3号,410482001,餐饮\n"},
}

func TestEveryKindOfFileGoesUpAndComesBackAndGoesIn(t *testing.T) {
	d := newDesk(t, access.RoleChecker)
	token := d.login("checker")
	for _, s := range sheets {
		got := d.sent(token, s.kind, s.heads+s.good+s.bad)
		n := strings.Count(s.good, "\n")
		if got.State != store.UploadReady || got.OK+got.Proof != n || got.Bad != 1 || len(got.Errors) != 1 || got.Problems != 1 ||
			got.Errors[0].Row != n+2 || !strings.Contains(got.Errors[0].Message, s.says) {
			t.Fatalf("%s: looked at: %+v", s.kind, got)
		}
		before := d.counts()
		run := importsPage + "/" + got.ID + "/run"
		if r := d.call("POST", run, token, `{}`); r.status != 422 || d.counts() != before {
			t.Errorf("%s: whole, with a bad row: %d %s", s.kind, r.status, r.body)
		}
		if done := d.imported(token, got.ID, `{"partial":true}`); done.State != store.UploadDone || d.counts() == before {
			t.Errorf("%s: its good rows: %+v", s.kind, done)
		}
		// The workbook is there still.
		book := d.call("GET", importsPage+"/"+got.ID+"/problems.xlsx", token, "")
		kind, _ := intake.KindOf(s.kind)
		back, err := sheet.Open(strings.NewReader(book.body), int64(len(book.body)), kind.Layout)
		if err != nil {
			t.Fatalf("%s: workbook: %d %v", s.kind, book.status, err)
		}
		rows := 0
		for row, err := range back.Rows() {
			text, _ := row.Get(kind.Layout.Columns[0].Field)
			if want, _, _ := strings.Cut(s.bad, ","); err != nil || text != want {
				t.Errorf("%s: the workbook has %q, %v", s.kind, text, err)
			}
			rows++
		}
		if rows != 1 {
			t.Errorf("%s: %d rows came back", s.kind, rows)
		}

		mended := s.heads + s.mended
		if s.kind == "subjects" { // it is the whole register
			mended = s.heads + s.good + s.mended
		}
		if got = d.sent(token, s.kind, mended); got.Bad != 0 {
			t.Fatalf("%s: mended: %+v", s.kind, got)
		}
		d.imported(token, got.ID, `{}`)
		after := d.counts()
		whole := d.sent(token, s.kind, s.heads+s.good+s.mended)
		if done := d.imported(token, whole.ID, `{}`); done.State != store.UploadDone || done.Bad != 0 || d.counts() != after {
			t.Errorf("%s: again: %+v\n%s\n%s", s.kind, done, after, d.counts())
		}
		if r := d.call("POST", run, token, `{"partial":true}`); r.status != 200 {
			t.Errorf("%s: imported twice: %d %s", s.kind, r.status, r.body)
		}
		template := d.call("GET", importsPage+"/template/"+s.kind, token, "")
		if _, err := sheet.Open(strings.NewReader(template.body), int64(len(template.body)), kind.Layout); template.status != 200 || err != nil {
			t.Errorf("%s: template: %d %v", s.kind, template.status, err)
		}
	}
	if n := d.count(store.UploadRows); n != 3*len(sheets) {
		t.Errorf("%d uploads are remembered", n)
	}
	for range 1000 { // the sheets go right behind their imports
		if d.count(store.UploadPieces) == len(sheets) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	for row, err := range d.engine.Find(t.Context(), store.UploadPieces.Name, store.Query{}) {
		if err != nil || !strings.Contains(row.ID, ":problems:") {
			t.Errorf("%s is left, %v", row.ID, err)
		}
	}
	var rows []audit.Row
	for _, action := range []string{"register.upload", "register.import"} {
		rows = append(rows, d.rows(audit.Filter{Action: action})...)
	}
	if len(rows) != 6*len(sheets) {
		t.Errorf("%d rows in the audit", len(rows))
	}
}

// TestNoPersonLiesOpenInAnUpload: not in the memory, the audit or the log.
func TestNoPersonLiesOpenInAnUpload(t *testing.T) {
	d := newDesk(t, access.RoleChecker)
	token := d.login("checker")
	finder := canary.NewFinder(map[string]string{"a name": "欧阳丹砂", "a phone": "13900000001"})
	d.sent(token, "units", unitHeads+"青禾商场,"+usccOf(1)+",,410482001,欧阳丹砂,13900000001\n青禾商场,,,410482001,欧阳丹砂,13900000001\n")
	seen := 0
	for _, s := range []store.Schema{store.UploadRows, store.UploadPieces, store.Audit} {
		for row, err := range d.engine.Find(t.Context(), s.Name, store.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			seen++
			for _, found := range finder.Find(row.Body) {
				t.Errorf("%s shows %s", s.Name, found)
			}
		}
	}
	if found := finder.Find([]byte(d.log.String())); len(found) > 0 || seen < 4 {
		t.Errorf("the log shows %v; %d documents", found, seen)
	}
}

// cutting is a store that ends a process at one of its writes to venues, or behind
// one to subjects. From a dead one it hears nothing of its file.
type cutting struct {
	store.Engine
	left atomic.Int64 // writes until then
	cut  func()
	dead atomic.Bool
}

func (c *cutting) Replace(ctx context.Context, collection string, d store.Document) (int64, error) {
	if c.dead.Load() && collection == store.UploadRows.Name {
		return 0, venue.ErrUnavailable
	}
	return c.Engine.Replace(ctx, collection, d)
}

func (c *cutting) InsertAll(ctx context.Context, collection string, docs []store.Document) ([]bool, error) {
	if collection == store.Subjects.Name && c.left.CompareAndSwap(1, 0) {
		defer c.cut()
	}
	if n := int64(len(docs)); collection == store.Venues.Name {
		if left := c.left.Add(-n); left <= 0 && left+n > 0 {
			c.cut()
		}
	}
	return c.Engine.InsertAll(ctx, collection, docs)
}

// lastly is a random source that ends a process when it is read for the second
// time.
type lastly struct {
	io.Reader
	read atomic.Int64
	cut  func()
}

func (l *lastly) Read(b []byte) (int, error) {
	if l.read.Add(1) == 2 {
		l.cut()
	}
	return l.Reader.Read(b)
}

func TestAnImportThatWasCutOffIsCompletedByTheJob(t *testing.T) {
	d := newDesk(t, access.RoleChecker)
	token := d.login("checker")
	d.imported(token, d.sent(token, "units", unitHeads+"青禾商场,"+usccOf(1)+",,410482001,,\n").ID, `{}`)
	d.kill()
	before := d.count(store.Venues)

	d.civil.ms.Add(1000)
	const places = 600
	var file strings.Builder
	file.WriteString(venueHeads)
	for i := range places {
		file.WriteString(venueLine(usccOf(1), fmt.Sprintf("%d号店", i)))
	}
	// One that ends while it looks, and one while it writes.
	dying := func(send func()) {
		d.h.Uploads = d.clerk(slog.New(slog.DiscardHandler))
		cut, kill, ended := d.cut, d.kill, make(chan struct{})
		d.engine.cut = func() { d.engine.dead.Store(true); cut(); close(ended) }
		send()
		<-ended
		kill()
		d.engine.dead.Store(false)
	}
	next := func(state store.UploadState) {
		t.Helper()
		d.h.Uploads = d.clerk(slog.New(slog.DiscardHandler))
		for i, wait := range []time.Duration{0, 29 * time.Second, time.Second} {
			d.machine.ms.Add(wait.Milliseconds())
			if freed, err := d.h.Uploads.Complete(t.Context()); err != nil || freed != i/2 {
				t.Fatalf("%s later %d were freed, %v", wait, freed, err)
			}
		}
		if got := d.settled(token, d.only()); got.State != state || got.OK != places {
			t.Fatalf("completed: %+v", got)
		}
		d.kill()
	}
	random := d.intake.Random
	dying(func() { // the first reading is for the upload's id
		d.intake.Random = &lastly{Reader: random, cut: d.engine.cut}
		d.upload(token, map[string]string{"kind": "venues"}, file.String())
	})
	d.intake.Random = random
	next(store.UploadReady)
	d.engine.left.Store(places / 2)
	dying(func() { d.call("POST", importsPage+"/"+d.only()+"/run", token, `{}`) })
	row, err := d.uploads.Get(t.Context(), "checker", d.only())
	if n := d.count(store.Venues) - before; err != nil || row.State != store.UploadRunning || n == 0 || n == places {
		t.Fatalf("cut off: %s, %d of %d were written, %v", row.State, n, places, err)
	}
	if page := d.browse("GET", importsPage+"/"+d.only(), token, nil); page.status != 200 || !strings.Contains(page.body, `http-equiv="refresh"`) || !strings.Contains(page.body, "正在导入") {
		t.Errorf("the page meanwhile: %d %s", page.status, page.body)
	}
	unit, err := d.intake.Register.UnitOf(t.Context(), venue.USCC(usccOf(1)))
	if got := d.call("GET", "/console/doors?unit="+string(unit.ID), token, ""); err != nil || got.status != 200 {
		t.Errorf("doors of a unit that is being imported: %d %s, %v", got.status, got.body, err)
	}
	next(store.UploadDone)
	if n := d.count(store.Venues) - before; n != places {
		t.Errorf("%d venues, want %d", n, places)
	}
}

// TestAnOrderlyEndIsNoFailure: a file is neither given up for it, nor does it wait
// until its process is taken for dead.
func TestAnOrderlyEndIsNoFailure(t *testing.T) {
	d := newDesk(t, access.RoleChecker)
	token := d.login("checker")
	d.kill()
	random := d.intake.Random
	next := func() (ended chan struct{}) {
		ended = make(chan struct{})
		ready := make(chan struct{})
		stop := func() { <-ready; d.cut(); close(ended) }
		d.intake.Random, d.engine.cut = &lastly{Reader: random, cut: stop}, stop
		d.h.Uploads = d.clerk(slog.New(slog.DiscardHandler))
		close(ready)
		return ended
	}
	d.upload(token, map[string]string{"kind": "units"}, sheets[0].heads+sheets[0].good)
	for range 7 { // the first reading is for the process's name, the second while it looks
		<-next()
		d.kill()
	}
	d.intake.Random = random
	d.h.Uploads = d.clerk(slog.New(slog.DiscardHandler))
	if got := d.settled(token, d.only()); got.State != store.UploadReady {
		t.Errorf("a file that was looked at is %s", got.State)
	}

	d.civil.ms.Add(1000)
	id := d.sent(token, sheets[4].kind, sheets[4].heads+sheets[4].good).ID
	d.kill()
	ended := next()
	d.intake.Random = random
	d.engine.left.Store(1)
	d.call("POST", importsPage+"/"+id+"/run", token, `{}`)
	<-ended
	d.kill()
	written := d.count(store.Subjects)
	d.h.Uploads = d.clerk(slog.New(slog.DiscardHandler))
	if got := d.settled(token, id); got.State != store.UploadDone || got.Again || written == 0 {
		t.Errorf("a register of which %d were written is %+v", written, got)
	}
}

func TestWhoWorksOnAFileIsNotTakenForDead(t *testing.T) {
	d := newDesk(t, access.RoleChecker)
	token := d.login("checker")
	d.imported(token, d.sent(token, "units", unitHeads+"青禾商场,"+usccOf(1)+",,410482001,,\n").ID, `{}`)
	id := d.sent(token, "venues", venueHeads+venueLine(usccOf(1), "一号店")).ID
	within, on := make(chan struct{}), make(chan struct{})
	d.engine.cut = func() { close(within); <-on }
	d.engine.left.Store(1)
	d.call("POST", importsPage+"/"+id+"/run", token, `{}`)
	<-within
	for range 2 { // as long as a store may take nothing
		if freed, err := d.h.Uploads.Complete(t.Context()); freed != 0 || err != nil {
			t.Errorf("%d were freed, %v", freed, err)
		}
		d.machine.ms.Add(time.Minute.Milliseconds())
	}
	close(on)
	if got := d.settled(token, id); got.State != store.UploadDone {
		t.Errorf("the file is %s", got.State)
	}
}

// TestAPlaceThatIsFullTakesNoMore: the rows for which there is no room are bad, when
// they are looked at and also if others came meanwhile.
func TestAPlaceThatIsFullTakesNoMore(t *testing.T) {
	d := newDesk(t, access.RoleTownship)
	token := d.login("township")
	look := func(from, to int) importDetail {
		var file strings.Builder
		file.WriteString("原码内容,场所名称,单位名称,详细地址\n")
		for i := from; i < to; i++ {
			fmt.Fprintf(&file, "old-%d,旧店,青禾旧单位,\n", i)
		}
		return d.sent(token, "legacy", file.String())
	}
	const most = registry.MaxDoors
	if got := d.imported(token, look(0, most-1).ID, `{}`); got.State != store.UploadDone {
		t.Fatalf("%+v", got)
	}
	one, other := look(most-1, most), look(most, most+1)
	if got := d.imported(token, one.ID, `{}`); got.State != store.UploadDone {
		t.Errorf("the last: %+v", got)
	}
	if got := d.imported(token, other.ID, `{}`); got.State != store.UploadReady || !got.Again || got.Bad != 1 || !strings.Contains(got.Errors[0].Message, "200") {
		t.Errorf("another that had room when it was looked at: %+v", got)
	}
	some := look(most-2, most+2)
	if some.OK != 2 || some.Bad != 2 || some.Errors[0].Row != 4 || some.Errors[1].Row != 5 {
		t.Errorf("two that are there and two more: %+v", some)
	}
	before := d.counts()
	if got := d.imported(token, some.ID, `{"partial":true}`); got.State != store.UploadDone || d.counts() != before {
		t.Errorf("those that are there: %+v", got)
	}
}

// only is the newest upload.
func (d *desk) only() (id string) {
	d.t.Helper()
	for row, err := range d.engine.Find(d.t.Context(), store.UploadRows.Name, store.Query{Index: "at", Reverse: true, Limit: 1}) {
		if err != nil {
			d.t.Fatal(err)
		}
		id = row.ID
	}
	return id
}

// bursting is a random source that panics from its second reading on.
type bursting struct {
	io.Reader
	read atomic.Int64
}

func (b *bursting) Read(p []byte) (int, error) {
	if b.read.Add(1) > 1 {
		panic("司马青黛")
	}
	return b.Reader.Read(p)
}

// TestAFileThatPanicsEndsNoProcess: it is tried again, and given up.
func TestAFileThatPanicsEndsNoProcess(t *testing.T) {
	d := newDesk(t, access.RoleChecker)
	token := d.login("checker")
	d.intake.Random = &bursting{Reader: d.intake.Random}
	id := d.idOf(d.upload(token, map[string]string{"kind": "units"}, unitHeads+"青禾商场,"+usccOf(1)+",,410482001,,\n"))
	for range 5 { // tries
		d.logged(`"upload":"` + id)
		if strings.Contains(d.log.String(), "青黛") {
			t.Error("the log has what the panic said")
		}
		d.log.lines.Reset()
		for range 2 {
			if _, err := d.h.Uploads.Complete(t.Context()); err != nil {
				t.Fatal(err)
			}
			d.machine.ms.Add((31 * time.Second).Milliseconds())
		}
		if _, err := d.h.Uploads.Complete(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := d.settled(token, id); got.State != store.UploadFailed {
		t.Errorf("it is %s", got.State)
	}
}

func TestAFileIsItsSendersAlone(t *testing.T) {
	d := newDesk(t, access.RoleChecker, access.RoleTownship)
	d.add("colleague", "同事", grantOn("a", access.RoleChecker))
	d.add("other", "别处", grantOn("b", access.RoleChecker))
	token := d.login("checker")
	bad := d.sent(token, "units", unitHeads+"青禾商场,"+usccOf(1)+",,410482001,,\n,,,,,\n青禾集市,,,410482001,,\n")
	for _, who := range []string{"colleague", "township", "other"} {
		session := d.login(who)
		for _, r := range [][2]string{{"GET", ""}, {"GET", "/problems.xlsx"}, {"POST", "/run"}, {"POST", "/discard"}} {
			absent := d.call(r[0], importsPage+"/nosuchimport"+r[1], session, `{}`)
			if got := d.call(r[0], importsPage+"/"+bad.ID+r[1], session, `{}`); got.status != 404 || got.body != absent.body {
				t.Errorf("%s: %s %s: %d %s", who, r[0], r[1], got.status, got.body)
			}
		}
		if got := d.call("GET", importsPage, session, ""); strings.Contains(got.body, bad.ID) || strings.Contains(got.body, `"by":"checker"`) != (who != "other") {
			t.Errorf("%s is told %s", who, got.body)
		}
	}
	if rows := d.rows(audit.Filter{Actor: "other", Action: denied}); len(rows) != 4 || rows[0].Event.Reason != beyond {
		t.Errorf("the audit has %+v", rows)
	}

	// A page has the rows and the buttons; they need the page's own token.
	page := d.browse("GET", importsPage+"/"+bad.ID, token, nil)
	if page.status != 200 || !strings.Contains(page.body, "只导入正确的行") || !strings.Contains(page.body, "problems.xlsx") {
		t.Errorf("the page: %d %s", page.status, page.body)
	}
	for _, act := range []string{"run", "discard"} {
		if got := d.browse("POST", importsPage+"/"+bad.ID+"/"+act, token, url.Values{"partial": {"true"}}); got.status != 400 {
			t.Errorf("%s by another page: %d", act, got.status)
		}
	}
	kind, body := form(t, map[string]string{"kind": "units"}, unitHeads)
	r := httptest.NewRequest("POST", importsPage, bytes.NewReader(body))
	r.Header.Set("Content-Type", kind)
	r.AddCookie(&http.Cookie{Name: cookie, Value: token})
	if got := d.send(r); got.status != 400 {
		t.Errorf("sent by another page: %d", got.status)
	}
	got := d.browse("POST", importsPage+"/"+bad.ID+"/discard", token, url.Values{"csrf": {formToken(token)}})
	if got.status != 303 || got.header.Get("Location") != importsPage+"/"+bad.ID || d.count(store.UploadPieces) != 0 {
		t.Errorf("discarded: %d, %d pieces are left", got.status, d.count(store.UploadPieces))
	}
	if left := d.settled(token, bad.ID); left.State != store.UploadDiscarded || left.Problems != 0 || len(left.Errors) != 0 {
		t.Errorf("what is left of it: %+v", left)
	}
	if got := d.call("POST", importsPage+"/"+bad.ID+"/run", token, `{"partial":true}`); got.status != 409 || !strings.Contains(got.body, "file_decided") {
		t.Errorf("imported after all: %d %s", got.status, got.body)
	}
	if page := d.browse("GET", importsPage, token, nil); page.status != 200 || !strings.Contains(page.body, "已放弃") {
		t.Errorf("the list: %d %s", page.status, page.body)
	}
}

func TestATownshipWritesInItsDivisionAlone(t *testing.T) {
	d := newDesk(t, access.RoleChecker, access.RoleTownship)
	d.add("other", "别处", grantOn("b", access.RoleChecker))
	theirs := d.login("other")
	d.imported(theirs, d.sent(theirs, "units", unitHeads+"乙商场,"+usccOf(1)+",,410482002,,\n").ID, `{}`)
	before := d.counts()

	token := d.login("township")
	faults := func(kind, file string) (all []string) {
		t.Helper()
		got := d.sent(token, kind, file)
		if got.Bad == 0 || got.OK > 0 {
			t.Errorf("%s: %+v", kind, got)
		}
		for _, f := range got.Errors {
			all = append(all, f.Field+" "+f.Message)
		}
		d.call("POST", importsPage+"/"+got.ID+"/discard", token, `{}`)
		return all
	}
	// What is there elsewhere and what is not there are one answer.
	for _, c := range []struct{ kind, there, absent string }{
		{"venues", venueHeads + venueLine(usccOf(1), "店"), venueHeads + venueLine(usccOf(2), "店")},
		{"units", unitHeads + "丙商行," + usccOf(3) + ",乙商场,410482001,,\n", unitHeads + "丙商行," + usccOf(3) + ",没有的,410482001,,\n"},
		{"units", unitHeads + "丙商行," + usccOf(3) + "," + usccOf(1) + ",410482001,,\n", unitHeads + "丙商行," + usccOf(3) + "," + usccOf(2) + ",410482001,,\n"},
		{"units", unitHeads + "乙商场," + usccOf(1) + ",,410482002,,\n", unitHeads + "丙商行," + usccOf(2) + ",,410482,,\n"},
	} {
		there, absent := faults(c.kind, c.there), faults(c.kind, c.absent)
		if len(there) != 1 || !slices.Equal(there, absent) {
			t.Errorf("%s: %q and %q", c.kind, there, absent)
		}
	}
	// A row of one's own file that names a unit of elsewhere is not that unit's place:
	// it would be taken, write nothing, and have others hang below it.
	hung := faults("units", unitHeads+"乙商场,"+usccOf(1)+",,410482001,,\n丙商行,"+usccOf(3)+","+usccOf(1)+",410482001,,\n")
	if len(hung) != 2 || !strings.Contains(hung[0], "其他区划") || !strings.Contains(hung[1], "未找到上级单位") {
		t.Errorf("below a unit of elsewhere: %q", hung)
	}
	// An old code of a unit that has the name of one elsewhere makes a unit here.
	got := d.sent(token, "legacy", "原码内容,场所名称,单位名称,详细地址\n77,旧店,乙商场,\n")
	if done := d.imported(token, got.ID, `{}`); done.State != store.UploadDone {
		t.Fatalf("%+v", done)
	}
	units, err := d.intake.Register.UnitsNamed(t.Context(), "乙商场")
	if err != nil || len(units) != 2 || units[0].Division == units[1].Division {
		t.Errorf("%+v, %v", units, err)
	}
	before = d.counts()
	for kind, fields := range map[string]map[string]string{"roster": {}, "subjects": {}, "legacy": {"division": "410482"}, "units": {"division": "410482002"}} {
		fields["kind"] = kind
		if got := d.upload(token, fields, "x"); got.status != 404 {
			t.Errorf("%s: %d %s", kind, got.status, got.body)
		}
		if got := d.call("GET", importsPage+"/template/"+kind, token, ""); (got.status == 404) != (kindNeeds[kind] == access.RegisterImport) {
			t.Errorf("template of %s: %d", kind, got.status)
		}
	}
	if got := d.upload(token, map[string]string{"kind": "people"}, "x"); got.status != 422 {
		t.Errorf("no kind: %d %s", got.status, got.body)
	}
	if d.counts() != before || d.count(store.UploadPieces) != 0 {
		t.Error("something was written, or is kept")
	}
}

func TestARegisterThatChangedIsLookedAtAgain(t *testing.T) {
	d := newDesk(t, access.RoleChecker)
	token := d.login("checker")
	const heads = "名称,统一社会信用代码,地址,所属区划,行业,状态\n"
	first := d.sent(token, "subjects", heads+"甲店,,东街1号,410482001,餐饮,存续\n乙店,,东街2号,410482001,餐饮,注销\n")
	if first.New != 2 || first.Gone != 2 || first.Division != "410482001" {
		t.Fatalf("%+v", first)
	}
	// Headings alone are a register of nobody: all others would be gone.
	if none := d.sent(token, "subjects", heads); none.State != store.UploadRefused || !strings.HasPrefix(none.Refusal, "文件里没有内容") {
		t.Errorf("an empty register: %+v", none)
	}
	second := d.sent(token, "subjects", heads+"丙店,,东街3号,410482001,餐饮,存续\n")
	d.imported(token, second.ID, `{}`)
	again := d.imported(token, first.ID, `{}`)
	if again.State != store.UploadReady || !again.Again || again.Gone != 1 {
		t.Fatalf("after another import: %+v", again)
	}
	if page := d.browse("GET", importsPage+"/"+first.ID, token, nil); !strings.Contains(page.body, "请再次决定") {
		t.Error("the page does not say so")
	}
	if done := d.imported(token, first.ID, `{}`); done.State != store.UploadDone || done.Gone != 1 {
		t.Errorf("looked at again: %+v", done)
	}
	d.machine.ms.Add(time.Minute.Milliseconds())
	var got struct{ Must int }
	if d.fetch("/console/coverage", d.login("checker"), &got); got.Must != 1 {
		t.Errorf("%d must, want 1", got.Must)
	}
}

func TestAFileWaitsADayForItsSender(t *testing.T) {
	d := newDesk(t, access.RoleTownship)
	token := d.login("township")
	file := unitHeads + "青禾商场," + usccOf(1) + ",,410482001,,\n"
	var last importDetail
	for range 5 {
		last = d.sent(token, "units", file)
	}
	if got := d.upload(token, map[string]string{"kind": "units"}, file); got.status != 409 || !strings.Contains(got.body, "files_wait") {
		t.Errorf("a sixth: %d %s", got.status, got.body)
	}
	d.civil.ms.Add((store.UploadKept + time.Second).Milliseconds())
	token = d.login("township")
	if got := d.settled(token, last.ID); got.State != expired {
		t.Errorf("a day later it is %s", got.State)
	}
	if page := d.browse("GET", importsPage+"/"+last.ID, token, nil); !strings.Contains(page.body, "文件已经删除") {
		t.Errorf("the page does not say so: %d %s", page.status, page.body)
	}
	if got := d.call("POST", importsPage+"/"+last.ID+"/run", token, `{}`); got.status != 409 {
		t.Errorf("imported a day later: %d %s", got.status, got.body)
	}
	d.sent(token, "units", file) // there is room again

	// Cut off, and nobody there for a day: the file is gone, and that is said.
	if _, err := d.uploads.Update(t.Context(), last.ID, func(r *store.UploadRow) error { r.State = store.UploadRunning; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, k := range store.Kinds(d.engine, store.Keep{}) {
		if k.Name == "upload_pieces" {
			if err := k.Forget(t.Context(), d.civil.Now().Add(-k.Keep), func(n int) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := d.h.Uploads.Complete(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := d.settled(token, last.ID); got.State != store.UploadFailed {
		t.Errorf("without its file it is %s", got.State)
	}
}

// bombs are files that are refused as a whole, at once.
func bombs(t *testing.T) map[string]string {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range []string{"[Content_Types].xml", "xl/workbook.xml", "xl/worksheets/sheet1.xml"} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(make([]byte, 30<<20))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"文件过大":        b.String(),
		"超过 300000 行": unitHeads + strings.Repeat("青禾商场,x,,410482001,,\n", sheet.MaxRows+1),
		"实际是网页":       "<html>",
		"缺少列":         "甲,乙\n1,2\n",
	}
}

func TestABombIsRefusedAtOnce(t *testing.T) {
	d := newDesk(t, access.RoleTownship)
	token := d.login("township")
	for says, file := range bombs(t) {
		start := time.Now()
		got := d.upload(token, map[string]string{"kind": "units"}, file)
		if got.status != 422 || !strings.Contains(got.body, "sheet_refused") || !strings.Contains(got.body, says) {
			t.Errorf("%s: %d %s", says, got.status, got.body)
		}
		t.Logf("%s: %d bytes refused after %s", says, len(file), time.Since(start))
	}
	if d.count(store.UploadPieces) != 0 || d.count(store.UploadRows) != 0 {
		t.Error("something of it is kept")
	}
}

// TestOnlyASessionMaySendMore asks over a connection: who may not, is refused
// before their body is read.
func TestOnlyASessionMaySendMore(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "nosuchfolder")) // a form laid on the disk would be an error
	d := newDesk(t, access.RoleTownship, access.RoleUnitAdmin, access.RoleAuditor)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = d.app.Listener(listener) }()
	t.Cleanup(func() { _ = d.app.Shutdown() })
	ask := func(head string, body io.Reader, length int) int {
		t.Helper()
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n", importsPage, head, length); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.Copy(conn, body) }()
		got, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%q: %v", head, err)
		}
		return got.StatusCode
	}
	township, auditor := d.login("township"), d.login("auditor")
	for _, head := range []string{"", "Cookie: " + cookie + "=x\r\n", "Authorization: Bearer " + strings.Repeat("A", 43) + "\r\n", "Authorization: Bearer " + auditor + "\r\n"} {
		if got := ask(head, strings.NewReader(""), 1<<20); got != 413 {
			t.Errorf("%q: %d", head, got)
		}
	}
	bearer := "Authorization: Bearer " + township + "\r\n"
	if got := ask(bearer, strings.NewReader(""), maxSheet+beside+1); got != 413 {
		t.Errorf("larger than any: %d", got)
	}
	if got := ask("Authorization: Bearer "+d.login("unit_admin")+"\r\n", strings.NewReader(""), ownSheet+beside+1); got != 413 {
		t.Errorf("larger than a unit's may be: %d", got)
	}
	kind, body := form(t, map[string]string{"kind": "units"}, unitHeads+"青禾商场,"+usccOf(1)+",,410482001,,\n"+strings.Repeat(strings.Repeat(" ", 1023)+"\n", maxSheet>>10-1))
	if got := ask(bearer+"Content-Type: "+kind+"\r\n", bytes.NewReader(body), len(body)); got != 200 {
		t.Errorf("as large as may be: %d", got)
	}
}

// TestAnImportOfFiftyThousandVenues measures; the issue allows 15 s.
func TestAnImportOfFiftyThousandVenues(t *testing.T) {
	rows := 2_000
	if os.Getenv("VENUECODE_LONG") != "" {
		rows = 50_000
	}
	d := newDesk(t, access.RoleChecker)
	token := d.login("checker")
	var units, venues strings.Builder
	units.WriteString(unitHeads)
	venues.WriteString(venueHeads)
	for i := range rows {
		if i%5 == 0 {
			fmt.Fprintf(&units, "青禾市第%d商贸有限公司,%s,,410482001,司马青黛,139%08d\n", i, usccOf(i), i)
		}
		venues.WriteString(venueLine(usccOf(i-i%5), fmt.Sprintf("青禾市第%d便民服务商业中心（示范店）", i)))
	}
	d.imported(token, d.sent(token, "units", units.String()).ID, `{}`)
	for _, what := range []string{"new", "again"} {
		start := time.Now()
		got := d.sent(token, "venues", venues.String())
		looked := time.Since(start)
		start = time.Now()
		done := d.imported(token, got.ID, `{}`)
		t.Logf("%d venues, %d bytes, %s: looked at in %s, imported in %s", rows, venues.Len(), what, looked, time.Since(start))
		if done.State != store.UploadDone || done.OK != rows {
			t.Errorf("%+v", done)
		}
	}
}
