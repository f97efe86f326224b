package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/venuecode/venuecode/internal/canary"
)

// party is how many others each who registers takes along: of 2,000 residents
// 400 have a phone, and everybody is in the memory.
const party = 4

// TestNoResidentLiesOpen: whoever has the data folder or the log has no name,
// number or phone of anybody, while the city runs, after a clean stop and after
// a power cut.
func TestNoResidentLiesOpen(t *testing.T) {
	d := quietTown(t)
	hall := d.doorOf("青禾市民中心")
	s := searchFor(t, d, hall.Venue)
	drive(t, d)

	s.text("the metrics", []byte(d.metrics()))
	s.text("openapi.json", []byte(d.ask(http.MethodGet, "/openapi.json", "", "").body))
	s.text("the log of a running demo", []byte(d.log.String()))
	data := filepath.Join(d.data, "data")
	s.folder("running", data)
	copied, export := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "trail")
	for _, args := range [][]string{{"backup", copied}, {"audit", "export", export}} {
		if _, stderr, code := runs(t, append(args, "--data", d.data)...); code != 0 {
			t.Fatalf("%s: %d %s", args[0], code, stderr)
		}
	}
	s.folder("backup", copied)
	trail, err := os.ReadFile(export)
	if err != nil || !bytes.Contains(trail, []byte("console.denied")) {
		t.Errorf("the export of the trail: %v", err)
	}
	s.text("the audit export", trail)

	d.stop()
	s.text("the log of a stopped demo", []byte(d.log.String()))
	wantText(t, "the log", d.log.String(), "request failed", "message failed")
	s.folder("stopped", data)
	s.memory("stopped", filepath.Join(data, "store"))

	again, kill := spawned(t, d.data, halfPastTwo)
	visit(t, again, again.view.Residents[len(again.view.Residents)-40:], 1)
	kill()
	for _, found := range s.finder.Find([]byte(again.log.String())) {
		t.Errorf("the log of a killed demo holds %s", found)
	}
	s.folder("killed", data)
	s.memory("killed", filepath.Join(data, "store"))

	// Controls: what may lie open is found everywhere, and so is what may not.
	for _, what := range []string{"running", "backup", "stopped", "killed"} {
		if s.open[what] == 0 {
			t.Errorf("%s: nothing open was found, so the search is blind", what)
		}
	}
	for what, content := range map[string]string{"a name": s.planted.Name, "an ID number": s.planted.ID, "a phone": s.planted.Phone} {
		planted := t.TempDir()
		if err := os.WriteFile(filepath.Join(planted, "planted"), []byte("\x00\x01"+content+"\x02"), 0o600); err != nil {
			t.Fatal(err)
		}
		if len(s.find(what, planted)) == 0 {
			t.Errorf("%s that lies open is not found", what)
		}
	}
}

// drive lets everybody who lives here be seen once: they register, take others
// along, are of every colour, and meet every fault; staff report, officials look.
func drive(t *testing.T, d *town) {
	t.Helper()
	people := d.view.Residents
	hall := d.doorOf("青禾市民中心")
	for i, r := range people {
		switch i % 25 {
		case 7:
			d.colour(r.ID, "yellow")
		case 11:
			d.colour(r.ID, "red")
		}
	}
	visit(t, d, people, party)

	d.fault("health", "500")
	visit(t, d, people[:20], 0)
	d.fault("health", "none")
	d.pass("2m")
	phone := d.phone("wechat", people[0])
	token, _ := d.login("wechat", phone)
	me := func(r resident) string {
		b, _ := json.Marshal(object{"name": r.Name, "id_type": "resident_id", "id_number": r.ID, "phone": r.Phone, "consent": true})
		return string(b)
	}
	for _, body := range []string{me(people[5]), me(resident{people[6].Name, people[6].ID[:17], people[6].Phone}), "{" + me(people[7]), me(resident{people[8].ID, people[8].Name, people[8].ID})} {
		if r := d.ask(http.MethodPut, "/api/v1/me", token, body); r.status/100 != 4 {
			t.Errorf("a false registration: %d", r.status)
		}
	}
	for _, path := range []string{"/api/v1/codes/", "/v/", "/api/v1/", "/console/accounts/"} {
		d.ask(http.MethodGet, path+people[9].ID+"?name="+people[9].Phone, token, "")
	}
	for _, service := range []string{"wechat", "alipay"} {
		for _, mode := range []string{"500", "garbage", "refuse"} {
			d.fault(service, mode)
			d.try(http.MethodPost, "/sim/phones", object{"app": service, "name": people[12].Name, "id_number": people[12].ID, "phone": people[12].Phone})
		}
		d.fault(service, "none")
	}

	d.fault("wecom", "garbage")
	for i, text := range []string{"上报 12", "3 或 4", "更正 15", "申诉 有人重复扫码", "查"} {
		d.inGroup("g-gov", "s003", text)
		d.alone("s001", []string{wecomChat, serviceChat}[i%2], text)
	}
	d.at("15:51:00")
	d.fault("wecom", "none")
	d.at("16:12:00")

	for _, l := range demoOnes(t, d.data) {
		token := d.logIn(l.User, l.Password, codeOf(t, l.TOTP, 0))
		for _, path := range []string{"/console", "/console/accounts", "/console/changes", "/console/audit"} {
			d.ask(http.MethodGet, path, token, "")
		}
		d.tryLogIn(people[13].Phone, people[13].Name, "000000")
	}
	d.ask(http.MethodPost, "/api/v1/scans", token, fmt.Sprintf(`{"code":%q,"request_id":%q}`, hall.Code, people[14].Name))
}

// visit gives one in so many of the people a phone, and has each scan with some
// of the others.
func visit(t *testing.T, d *town, people []resident, with int) {
	t.Helper()
	hosts := len(people) / (1 + with)
	next := make(chan int)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for i := range next {
				app := []string{"wechat", "alipay"}[i%2]
				var made struct{ ID string }
				if r := d.try(http.MethodPost, "/sim/phones", object{"app": app, "name": people[i].Name, "id_number": people[i].ID, "phone": people[i].Phone}); r.status == http.StatusOK {
					r.json(t, &made)
				}
				var r reply
				got := struct{ Status int }{http.StatusServiceUnavailable} // as a server says that is busy
				for n := 0; n < 10 && got.Status == http.StatusServiceUnavailable; n++ {
					r = d.try(http.MethodPost, "/sim/phones/"+made.ID+"/scans", object{
						"link": d.view.Doors[i%len(d.view.Doors)].Link, "companions": people[hosts+i*with : hosts+(i+1)*with],
					})
					r.json(t, &got)
				}
				if got.Status != http.StatusOK {
					t.Errorf("scan of resident %d: %s", i, r.body)
				}
			}
		})
	}
	for i := range hosts {
		next <- i
	}
	close(next)
	wg.Wait()
}

// search looks for all residents at once: 6,000 values in some 15 MB. That chance
// makes one of the shortest forms, a name's UTF-16, is one run in thousands.
type search struct {
	t       *testing.T
	finder  *canary.Finder
	public  []byte         // a text that may lie open
	open    map[string]int // where it was found
	planted resident
}

func searchFor(t *testing.T, d *town, public string) *search {
	t.Helper()
	// What the city publishes of itself: a resident who shares the name of a
	// member of staff can not be told from them.
	city := d.view
	city.Residents = nil
	published, err := json.Marshal(city)
	if err != nil {
		t.Fatal(err)
	}
	values, left := map[string]string{}, 0
	s := &search{t: t, public: []byte(public), open: map[string]int{}}
	for i, r := range d.view.Residents {
		values[fmt.Sprintf("the ID number of resident %d", i)] = r.ID
		values[fmt.Sprintf("the phone of resident %d", i)] = r.Phone
		if bytes.Contains(published, []byte(r.Name)) {
			left++
			continue
		}
		values[fmt.Sprintf("the name of resident %d", i)] = r.Name
		s.planted = r
	}
	if n := len(d.view.Residents); n < 2000 || left*10 >= n {
		t.Fatalf("of %d residents %d have a name that is published", n, left)
	}
	s.finder = canary.NewFinder(values)
	return s
}

func (s *search) text(what string, b []byte) {
	s.t.Helper()
	if len(b) == 0 {
		s.t.Errorf("%s is empty", what)
	}
	for _, found := range s.finder.Find(b) {
		s.t.Errorf("%s holds %s", what, found)
	}
}

// find gives what the files of a folder hold, each by its name.
func (s *search) find(what, folder string) (found []string) {
	s.t.Helper()
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // a running store throws files away
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		} else if err != nil {
			return err
		}
		if bytes.Contains(content, s.public) {
			s.open[what]++
		}
		for _, value := range s.finder.Find(content) {
			found = append(found, e.Name()+" holds "+value)
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

func (s *search) folder(what, folder string) {
	s.t.Helper()
	for _, found := range s.find(what, folder) {
		s.t.Errorf("%s: %s", what, found)
	}
}

// memory opens a copy of the store beneath its engine, since tables are
// compressed, and searches every key and value.
func (s *search) memory(what, store string) {
	s.t.Helper()
	copied := filepath.Join(s.t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(store)); err != nil {
		s.t.Fatal(err)
	}
	db, err := pebble.Open(copied, &pebble.Options{ReadOnly: true, Merger: appending, Logger: silent{}})
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			s.t.Error(err)
		}
	}()
	rows, err := db.NewIter(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	kinds := map[byte]int{}
	for rows.First(); rows.Valid(); rows.Next() {
		kinds[rows.Key()[0]]++
		for _, b := range [][]byte{rows.Key(), rows.Value()} {
			if bytes.Contains(b, s.public) {
				s.open[what]++
			}
			for _, found := range s.finder.Find(b) {
				s.t.Errorf("%s: a row of %q holds %s", what, rows.Key()[0], found)
			}
		}
	}
	if err := rows.Close(); err != nil {
		s.t.Fatal(err)
	}
	if kinds['s'] < 2000 || kinds['c'] < 2000 {
		s.t.Errorf("%s: only %d scans and %d documents", what, kinds['s'], kinds['c'])
	}
}

// appending stands for the engine's merger, which adds up the counts of hours.
var appending = &pebble.Merger{Name: "venuecode.add", Merge: pebble.DefaultMerger.Merge}

type silent struct{}

func (silent) Infof(string, ...any)              {}
func (silent) Errorf(string, ...any)             {}
func (silent) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
