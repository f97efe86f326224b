package main

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// sent is an upload as the console tells of it.
type sent struct {
	ID, State        string
	Rows, OK, Bad    int
	Written, ToWrite int
}

// sendFile uploads a sheet, as a program does.
func (d *town) sendFile(token, kind, file string) (s sent) {
	d.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.WriteField("kind", kind)
	part, err := w.CreateFormFile("file", "a.csv")
	if err != nil {
		d.t.Fatal(err)
	}
	_, _ = io.WriteString(part, file)
	_ = w.Close()
	request := newRequest(d.t, http.MethodPost, d.product+"/console/imports", token, b.String())
	request.Header.Set("Content-Type", w.FormDataContentType())
	got := send(d.t, request)
	if got.status != http.StatusOK {
		d.t.Fatalf("send %s: %d %s", kind, got.status, got.body)
	}
	got.json(d.t, &s)
	return d.until(token, s.ID, "ready")
}

// until waits for a state of an upload, at most half a minute.
func (d *town) until(token, id, state string) (s sent) {
	d.t.Helper()
	for range 3000 {
		d.ask(http.MethodGet, "/console/imports/"+id, token, "").json(d.t, &s)
		if s.State == state {
			return s
		}
		time.Sleep(10 * time.Millisecond)
	}
	d.t.Fatalf("%s is %+v, want %s", id, s, state)
	return s
}

func (d *town) runFile(token, id string) {
	d.t.Helper()
	if got := d.ask(http.MethodPost, "/console/imports/"+id+"/run", token, `{}`); got.status != http.StatusOK {
		d.t.Fatalf("run: %d %s", got.status, got.body)
	}
}

// shopUSCC is the USCC of the n-th unit that a test makes up.
func shopUSCC(n int) string {
	s := fmt.Sprintf("92419981MA%07d", n)
	for _, c := range "0123456789ABCDEFGHJKLMNPQRTUWXY" {
		if _, proof, err := venue.ParseUSCC(s + string(c)); err == nil && !proof {
			return s + string(c)
		}
	}
	panic(s)
}

func shopUnits() string {
	return "单位名称,统一社会信用代码,所属区划\n青禾市听雨书店," + shopUSCC(1) + ",419981001\n"
}

func shopVenues(n int) string {
	var b strings.Builder
	b.WriteString("单位统一社会信用代码,场所名称,类别,详细地址,管理人员,管理人员电话\n")
	for i := range n {
		fmt.Fprintf(&b, "%s,听雨书店%d部,五,文昌路33号旁,江远,19900000021\n", shopUSCC(1), i+1)
	}
	return b.String()
}

// TestAFileSentInTheConsoleIsImportedAndScanned goes from a township's file to a
// scan at the new door.
func TestAFileSentInTheConsoleIsImportedAndScanned(t *testing.T) {
	d := quietTown(t)
	token, _ := d.official("township")
	units := d.sendFile(token, "units", shopUnits())
	d.runFile(token, units.ID)
	d.until(token, units.ID, "done")
	venues := d.sendFile(token, "venues", shopVenues(1))
	want(t, "good rows", venues.OK, 1)
	d.runFile(token, venues.ID)
	d.until(token, venues.ID, "done")
	unit := d.unitNamed(token, "青禾市听雨书店")
	var doors struct{ Doors []struct{ Code string } }
	d.ask(http.MethodGet, "/console/doors?unit="+unit, token, "").json(t, &doors)
	want(t, "doors", len(doors.Doors), 1)
	shop := door{Code: doors.Doors[0].Code, Link: "http://" + strings.TrimPrefix(d.product, "http://") + "/v/" + doors.Doors[0].Code}
	d.scan(d.phone("wechat", d.view.Residents[0]), shop, nil)
}

// unitNamed finds a unit on the console's list.
func (d *town) unitNamed(token, name string) string {
	d.t.Helper()
	for after := ""; ; {
		var list struct {
			Units []struct{ ID, Name string }
			Next  string
		}
		d.ask(http.MethodGet, "/console/units?after="+after, token, "").json(d.t, &list)
		for _, u := range list.Units {
			if u.Name == name {
				return u.ID
			}
		}
		if after = list.Next; after == "" {
			d.t.Fatalf("no unit %s", name)
		}
	}
}

// TestAKilledImportIsCompleted kills the program while it writes.
func TestAKilledImportIsCompleted(t *testing.T) {
	data := t.TempDir()
	d, kill := spawned(t, data, halfPastTwo)
	token, _ := d.official("township")
	units := d.sendFile(token, "units", shopUnits())
	d.runFile(token, units.ID)
	d.until(token, units.ID, "done")
	const n = 1500
	venues := d.sendFile(token, "venues", shopVenues(n))
	d.runFile(token, venues.ID)
	kill()

	d, _ = spawned(t, data, halfPastTwo)
	if done := d.until(token, venues.ID, "done"); done.OK != n {
		t.Errorf("completed: %+v", done)
	}
	list := d.ask(http.MethodGet, "/console/doors?unit="+d.unitNamed(token, "青禾市听雨书店"), token, "").body
	want(t, "doors", strings.Count(string(list), `"code":`), n)
}
