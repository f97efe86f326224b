package console

import (
	"bytes"
	"image"
	"image/jpeg"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/vault/audit"
)

// phone sends a look at a door as a phone's browser does.
func (d *desk) phone(path, session string, fields map[string]string, photo []byte) reply {
	d.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.WriteField("csrf", formToken(session))
	for k, v := range fields {
		_ = w.WriteField(k, v)
	}
	if photo != nil {
		part, err := w.CreateFormFile("photo", "门口.jpg")
		if err != nil {
			d.t.Fatal(err)
		}
		_, _ = part.Write(photo)
	}
	_ = w.Close()
	r := httptest.NewRequest("POST", path, &b)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.AddCookie(&http.Cookie{Name: cookie, Value: session})
	return d.send(r)
}

func TestSomebodyLooksWhetherTheCodeHangsThere(t *testing.T) {
	d := newDesk(t)
	unit, town := d.login("unit_admin"), d.login("township")
	made := decode[applied](t, d.call("POST", "/console/applications", unit, with(pharmacy, map[string]any{"uscc": ""})), 200)
	made = decode[applied](t, d.call("POST", "/console/applications/"+made.ID+"/approve", town, `{}`), 200)
	place, path := "/console/venues/"+made.Venue, "/console/doors/"+made.Codes[0]+"/posted"
	type page struct {
		Doors    []struct{ Code, Posted string }
		Postings []struct {
			ID, Finding, Remark, By string
			Photo                   bool
		}
	}
	posted := func() string {
		for _, door := range decode[page](t, d.call("GET", place, town, ""), 200).Doors {
			if door.Code == made.Codes[0] {
				return door.Posted
			}
		}
		return "?"
	}
	if posted() != "" {
		t.Fatal("posted before anybody looked")
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewRGBA(image.Rect(0, 0, 2400, 1800)), nil); err != nil {
		t.Fatal(err)
	}
	shot := append([]byte("\xff\xd8\xff\xe1\x00\x1cExif\x00\x00GPS 33.19755N 112.8"), b.Bytes()[2:]...)
	if got := d.phone(path, unit, map[string]string{"finding": "posted", "remark": "正门右侧"}, shot); got.status != 303 || got.header.Get("Location") != place+"?done=doors.code.posted" {
		t.Fatalf("posted: %d %s", got.status, got.body)
	}
	if posted() == "" {
		t.Error("it is not noted as posted")
	}
	d.civil.ms.Add(60_000)
	first := posted()
	if got := d.call("POST", path, town, `{"finding":"damaged","remark":"左下角撕裂"}`); got.status != 200 || posted() != first {
		t.Errorf("damaged: %d, posted %s, want since %s", got.status, posted(), first)
	}
	if got := d.call("POST", path, town, `{"finding":"missing"}`); got.status != 200 || posted() != "" {
		t.Errorf("missing: %d, posted %s", got.status, posted())
	}
	looks := decode[page](t, d.call("GET", place, town, ""), 200).Postings
	if len(looks) != 3 || looks[2].Remark != "正门右侧" || !looks[2].Photo || looks[0].By != "township" {
		t.Fatalf("looks: %+v", looks)
	}
	kept := d.call("GET", "/console/postings/"+looks[2].ID+"/photo", town, "")
	if c, err := jpeg.DecodeConfig(strings.NewReader(kept.body)); err != nil || c.Width != 1600 || strings.Contains(kept.body, "GPS") || kept.header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("the photo kept: %v, %d wide", err, c.Width)
	}
	d.add("far", "远", grantOn("b", access.RoleTownship))
	far := d.login("far")
	for name, got := range map[string]reply{"the photo": d.call("GET", "/console/postings/"+looks[2].ID+"/photo", far, ""), "the door": d.call("POST", path, far, `{}`)} {
		if got.status != 404 {
			t.Errorf("out of scope, %s: %d", name, got.status)
		}
	}
	for name, c := range map[string]struct {
		fields map[string]string
		photo  []byte
		has    string
	}{
		"no picture":      {map[string]string{"finding": "posted"}, []byte("<svg>"), "照片"},
		"no such finding": {map[string]string{"finding": "fine"}, nil, "情况"},
		"a number":        {map[string]string{"remark": "找13812345678"}, nil, "手机号"},
	} {
		if got := d.phone(path, unit, c.fields, c.photo); got.status != 422 || !strings.Contains(got.body, c.has) {
			t.Errorf("%s: %d %.300s", name, got.status, got.body)
		}
	}
	if n := len(d.rows(audit.Filter{Action: "door.posted"})); n < 3 {
		t.Errorf("%d rows of the audit", n)
	}
}
