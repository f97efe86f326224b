package console

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/poster"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

func TestPostersOfWhatIsInScope(t *testing.T) {
	d := newDesk(t)
	unit, town := d.login("unit_admin"), d.login("township")
	const door = "A0000000000AAA1W"
	for _, c := range []struct {
		who, query string
		status     int
		kind, has  string
	}{
		{unit, "unit=unit-a", 200, "text/html; charset=utf-8", "甲校园金丝雀"},
		{unit, "unit=unit-a&as=pdf&sheet=a5", 200, "application/pdf", "%PDF-"},
		{unit, "door=" + door + "&as=html", 200, "text/html; charset=utf-8", "@page{size:A4;margin:0}"},
		{unit, "door=" + door + "&as=html&sheet=a5", 200, "text/html; charset=utf-8", "@page{size:A5;margin:0}"}, // as long to the byte
		{unit, "door=" + door + "&as=html&sheet=A5", 200, "text/html; charset=utf-8", "请用微信“扫一扫”"},
		{unit, "unit=unit-a&as=zip", 200, "application/zip", "PK"},
		{unit, "unit=unit-a&as=svg", 200, "image/svg+xml", "<svg"},
		{unit, "unit=unit-b", 404, "", ""},
		{town, "division=410482001&as=pdf", 200, "application/pdf", "%PDF-"},
		{town, "division=410482002&as=pdf", 404, "", ""},
		{town, "division=410482001&as=svg", 200, "application/zip", "PK"},
		{town, "door=" + door, 200, "text/html; charset=utf-8", "甲校园金丝雀"},
		{town, "door=B0000000000BBB1Z", 404, "", ""},
		{town, "door=A0000000000AAA1A", 404, "", ""}, // no code: the check fails
		{town, "unit=unit-a&as=gif", 422, "", ""},
		{town, "unit=unit-a&sheet=a3", 422, "", ""},
	} {
		got := d.call("GET", "/console/posters?"+c.query, c.who, "")
		if got.status != c.status || c.kind != "" && (got.header.Get("Content-Type") != c.kind || !strings.Contains(got.body, c.has)) {
			t.Errorf("%s: %d %s %.100q", c.query, got.status, got.header.Get("Content-Type"), got.body)
		}
		if strings.HasPrefix(c.kind, "text/html") && got.header.Get("Content-Security-Policy") != poster.Policy {
			t.Errorf("%s: the page's own style is not allowed", c.query)
		}
	}
	// One alone comes whole: the printer is free before anybody reads it.
	if got := d.call("GET", "/console/posters?as=zip&door="+door, town, ""); got.status != 200 || got.header.Get("Content-Length") == "" || !strings.HasPrefix(got.body, "PK") {
		t.Errorf("one in an archive: %d %v", got.status, got.header)
	}
	got := d.call("GET", "/console/posters?division=410482001&as=zip", town, "")
	z, err := zip.NewReader(bytes.NewReader([]byte(got.body)), int64(len(got.body)))
	if err != nil || len(z.File) != 3 {
		t.Errorf("the archive of a town: %v, %d files, want two doors and a list", err, len(z.File))
	}
	left := d.rows(audit.Filter{Actor: "township", Action: "list.download"})
	if len(left) != 3 || left[0].Event.Details["division"] != "410482001" { // a division's posters, not a unit's or a door's
		t.Errorf("the audit has %+v", left)
	}
	page := d.browse("GET", "/console/posters?division=410482001", town, nil)
	for _, want := range []string{`>2</td><td class="n" data-label="约需（分钟）">1</td>`, "/console/posters?division=410482001&amp;sheet=A5&amp;as=zip", words["posters.hint"]} {
		if page.status != 200 || !strings.Contains(page.body, want) {
			t.Errorf("the page of a division: %d, lacks %s", page.status, want)
		}
	}
	if got := d.call("GET", "/console/posters?division=410482002", town, ""); got.status != 404 {
		t.Errorf("how many another town has: %d", got.status)
	}
	d.h.printer.many.Lock()
	if got := d.call("GET", "/console/posters?unit=unit-a", unit, ""); got.status != 200 {
		t.Errorf("one, while others print many: %d", got.status)
	}
	if got := d.call("GET", "/console/posters?division=410482001&as=zip", town, ""); got.status != 429 || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, errPrinting.Message) {
		t.Errorf("many, while others print many: %d %s", got.status, got.body)
	}
}

// crowd gives a division n doors.
func (d *desk) crowd(division venue.Division, n int) {
	d.t.Helper()
	for i := 0; i < n; {
		in := store.Registered{Since: d.civil.Now()}
		for ; i < n && len(in.Doors) < 1000; i++ {
			code := fmt.Sprintf("Q%015d", i)
			v := venue.Venue{ID: venue.VenueID("v" + code), Unit: "unit-a", Name: fmt.Sprintf("%c%c商行%d", 0x4E00+i%8000, 0x5000+i%5000, i), Address: "文昌路" + strconv.Itoa(i) + "号", Division: division, Status: venue.StatusActive}
			in.Venues = append(in.Venues, v)
			in.Doors = append(in.Doors, venue.Door{Code: venue.Code(code), Venue: v.ID, Unit: v.Unit, Name: "正门", Status: venue.StatusActive})
		}
		if err := d.registry.Put(d.t.Context(), in); err != nil {
			d.t.Fatal(err)
		}
	}
}

// TestPostersOfADivisionAreOneFile takes the posters of a town, and of a city with
// VENUECODE_LONG, as they are taken: over a connection, piece by piece.
func TestPostersOfADivisionAreOneFile(t *testing.T) {
	n := map[string]int{"pdf": poster.Largest + 1, "zip": 60, "svg": 300, "png": 100}
	if os.Getenv("VENUECODE_LONG") != "" {
		n = map[string]int{"pdf": postersMost, "zip": poster.Largest, "svg": postersMost, "png": postersMost}
	}
	for as, n := range n {
		t.Run(as, func(t *testing.T) {
			d := newDesk(t, access.RoleTownship)
			d.crowd("410482001003", n)
			token, address := d.login("township"), d.serve()
			const division = "division=410482001003"
			told := decode[struct {
				Doors   int
				Seconds map[string]int
			}](t, d.call("GET", "/console/posters?"+division, token, ""), 200)
			if told.Doors != n || told.Seconds[as] < n/1000 {
				t.Errorf("the page announces %+v", told)
			}
			page := d.browse("GET", "/console/posters?"+division, token, nil).body
			if each := n <= poster.Largest; strings.Contains(page, "as=zip") != each || strings.Contains(page, words["posters.volumes"]) == each {
				t.Errorf("the page of %d offers %s", n, page)
			}
			path := filepath.Join(t.TempDir(), "posters.zip")
			file, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
			before, began := resident(t), time.Now()
			response := d.take(address+"/console/posters?as="+as+"&"+division, token)
			if got := d.call("GET", "/console/posters?as=zip&"+division, token, ""); n == postersMost && (got.status != 429 || !strings.Contains(got.body, errPrinting.Message)) {
				t.Errorf("meanwhile: %d %.100q", got.status, got.body)
			}
			size, err := io.Copy(file, response.Body)
			if err != nil || response.StatusCode != 200 {
				t.Fatalf("%d, %d bytes: %v", response.StatusCode, size, err)
			}
			t.Logf("%d posters: %s, %d MB of file, %d MB of memory and %d before", n, time.Since(began).Round(10*time.Millisecond), size>>20, resident(t), before)
			z, err := zip.OpenReader(path)
			files := n + 1 // and the list
			if as == "pdf" {
				files = (n+poster.PerVolume-1)/poster.PerVolume + 1
			}
			if err != nil || len(z.File) != files {
				t.Fatalf("%v, want %d files", err, files)
			}
			z.Close()
			if resident(t) > before+150 {
				t.Errorf("%d MB more memory", resident(t)-before)
			}
			if strings.Contains(d.log.String(), "download") {
				t.Errorf("the log speaks of a file that came whole: %s", d.log)
			}
		})
	}
}

// resident is the greatest resident size of the process since it was cleared, in
// MB.
func resident(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(string(regexp.MustCompile(`VmHWM:\s+(\d+)`).FindSubmatch(b)[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n >> 10
}

// TestAnArchiveCutShortDoesNotOpen: what came of it opens nowhere, and the
// next who asks finds the printer free.
func TestAnArchiveCutShortDoesNotOpen(t *testing.T) {
	d := newDesk(t, access.RoleTownship)
	d.crowd("410482001003", 200)
	token, address := d.login("township"), d.serve()
	codes := d.h.OldCodes
	d.h.OldCodes = lost{"Q000000000000150"}
	const path = "/console/posters?as=svg&division=410482001003"
	response := d.take(address+path, token)
	b, err := io.ReadAll(response.Body)
	if response.StatusCode != 200 || err == nil {
		t.Errorf("%d, read to its end", response.StatusCode)
	}
	if _, err := zip.NewReader(bytes.NewReader(b), int64(len(b))); err == nil {
		t.Error("half an archive opens")
	}
	d.logged(`"msg":"download cut short","route":"/console/posters","error":"unavailable"`)
	d.h.OldCodes = lost{"Q000000000000000"}
	if got := d.call("GET", path, token, ""); got.status != 503 {
		t.Errorf("one that fails at once: %d %.100q", got.status, got.body)
	}
	d.h.OldCodes = codes
	if got := d.call("GET", path, token, ""); got.status != 200 {
		t.Errorf("afterwards: %d %s", got.status, got.body)
	}
}

// lost are old codes of which one can not be read.
type lost struct{ door venue.Code }

func (l lost) Payload(_ context.Context, door venue.Code) (string, error) {
	if door == l.door {
		return "", venue.ErrUnavailable
	}
	return "", nil
}
