package console

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/poster"
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
	got := d.call("GET", "/console/posters?division=410482001&as=zip", town, "")
	z, err := zip.NewReader(bytes.NewReader([]byte(got.body)), int64(len(got.body)))
	if err != nil || len(z.File) != 3 {
		t.Errorf("the archive of a town: %v, %d files, want two doors and a list", err, len(z.File))
	}
	d.h.printing.Lock()
	if got := d.call("GET", "/console/posters?unit=unit-a", unit, ""); got.status != 429 {
		t.Errorf("while others print: %d", got.status)
	}
}
