package miniapp_test

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// shot is a photo as a camera makes it, with where it was taken.
func shot(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewRGBA(image.Rect(0, 0, 640, 480)), nil); err != nil {
		t.Fatal(err)
	}
	return append([]byte("\xff\xd8\xff\xe1\x00\x1cExif\x00\x00GPS 33.19755N 112.8"), b.Bytes()[2:]...)
}

// upload sends a form of several parts, as a phone's browser or mini-program does.
func (w *world) upload(path, token string, fields map[string]string, photo []byte) (int, string, http.Header) {
	w.t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for k, v := range fields {
		_ = form.WriteField(k, v)
	}
	if photo != nil {
		part, err := form.CreateFormFile("photo", "门口.jpg")
		if err != nil {
			w.t.Fatal(err)
		}
		_, _ = part.Write(photo)
	}
	_ = form.Close()
	req, err := http.NewRequest("POST", path, &b)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return w.send(req)
}

// approved is an application with two doors under an id, sent in and approved.
func (w *world) approved(id, name string, from registry.Sender) registry.Application {
	w.t.Helper()
	typed := registry.NewTyped
	form := registry.Form{
		UnitName: "青禾市" + name, Division: "419981001", Name: name, Category: "small_place", Address: "文昌路1号旁", Doors: []string{"正门", "后门"},
		ApplicantName: typed("欧阳明德"), ApplicantPhone: typed("13812345678"), ManagerName: typed("司马青"), ManagerPhone: typed("13887654321"),
	}
	desk := w.handler.Apply.Desk
	a, faults, err := desk.Submit(w.t.Context(), id, form, from)
	if err == nil && len(faults) == 0 {
		a, err = desk.Approve(w.t.Context(), a.ID, registry.Who{Account: "township"}, false)
	}
	if err != nil || len(faults) > 0 {
		w.t.Fatal(err, faults)
	}
	return a
}

func (w *world) looks() (rows []store.PostingRow) {
	w.t.Helper()
	for row, err := range store.NewCollection[store.PostingRow](w.docs, store.PostingRows).Find(context.Background(), store.Query{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		rows = append(rows, row.Value)
	}
	return rows
}

func (w *world) since(code venue.Code) bool {
	w.t.Helper()
	p, err := w.handler.Places.Place(w.t.Context(), code)
	if err != nil {
		w.t.Fatal(err)
	}
	return !p.Door.Posted.IsZero()
}

var public = registry.Sender{Channel: "form"}

func TestWhoAppliedShowsThatTheCodeHangs(t *testing.T) {
	w := newWorld(t)
	a := w.approved("AAAAAAAAAAAAAAAAAAAAAA", "文昌路小卖部", public)
	other := w.approved("BBBBBBBBBBBBBBBBBBBBBB", "东街理发店", public)
	front, back := string(a.Made.Codes[0]), string(a.Made.Codes[1])
	page, path := "/apply/"+a.ID, "/apply/"+a.ID+"/posted"
	if _, body, _ := w.call("GET", page, "", nil); strings.Count(body, `type="file"`) != 2 || !strings.Contains(body, "正门") || strings.Contains(body, "<script") {
		t.Fatalf("before: %s", body)
	}
	for name, c := range map[string]struct {
		fields map[string]string
		photo  []byte
		status int
		has    string
	}{
		"without a photo":      {map[string]string{"door": front}, nil, 422, "请先拍一张照片"},
		"no photo":             {map[string]string{"door": front}, []byte("<svg>"), 422, "照片无法识别"},
		"missing":              {map[string]string{"door": front, "finding": "missing"}, shot(t), 422, "情况"},
		"somebody's number":    {map[string]string{"door": front, "remark": "找 13812345678"}, shot(t), 422, "不要写手机号码"},
		"another's door":       {map[string]string{"door": string(other.Made.Codes[0])}, shot(t), 409, "已转给其他单位"},
		"a door of the city's": {map[string]string{"door": string(w.code)}, shot(t), 409, "已转给其他单位"},
		"no door":              {nil, shot(t), 409, "已转给其他单位"},
	} {
		if status, body, _ := w.upload(path, "", c.fields, c.photo); status != c.status || !strings.Contains(body, c.has) || !strings.Contains(body, "正门") {
			t.Errorf("%s: %d, want %d with %s in %s", name, status, c.status, c.has, body)
		}
	}
	if status, body, _ := w.upload("/apply/CCCCCCCCCCCCCCCCCCCCCC/posted", "", map[string]string{"door": front}, shot(t)); status != 404 || !strings.Contains(body, "没有这个申请") {
		t.Errorf("no such application: %d %s", status, body)
	}
	if len(w.looks()) != 0 || w.since(a.Made.Codes[0]) {
		t.Fatal("something that was refused is kept")
	}

	status, _, header := w.upload(path, "", map[string]string{"door": front, "remark": "正门右侧"}, shot(t))
	if status != 303 || header.Get("Location") != page+"#"+front || !w.since(a.Made.Codes[0]) || w.since(a.Made.Codes[1]) {
		t.Fatalf("posted: %d to %s", status, header.Get("Location"))
	}
	if _, body, _ := w.call("GET", page, "", nil); !strings.Contains(body, "已确认张贴<b>（2022-10-12 12:00）") {
		t.Errorf("afterwards: %s", body)
	}
	rows := w.looks()
	if len(rows) != 1 || rows[0].By != registry.Applicant || rows[0].Remark != "正门右侧" {
		t.Fatalf("kept: %+v", rows)
	}
	kept, err := store.NewCollection[store.PostingPhotoRow](w.docs, store.PostingPhotos).Get(t.Context(), rows[0].PhotoID)
	if err != nil || len(kept.Value.Sealed) == 0 || bytes.Contains(kept.Value.Sealed, []byte("JFIF")) {
		t.Errorf("the photo kept: %d bytes, %v", len(kept.Value.Sealed), err)
	}
	for range registry.ApplicantDaily - 1 {
		if status, body, _ := w.upload(path, "", map[string]string{"door": front, "finding": "damaged"}, shot(t)); status != 303 {
			t.Fatalf("again: %d %s", status, body)
		}
	}
	if status, body, _ := w.upload(path, "", map[string]string{"door": front}, shot(t)); status != 429 || !strings.Contains(body, "请明天再传") {
		t.Errorf("one too many: %d %s", status, body)
	}
	if status, _, _ := w.upload(path, "", map[string]string{"door": back}, shot(t)); status != 303 {
		t.Errorf("the other door: %d", status)
	}
	w.now.Add(24 * 3600_000)
	if status, _, _ := w.upload(path, "", map[string]string{"door": front}, shot(t)); status != 303 {
		t.Errorf("the next day: %d", status)
	}
	if log := w.log.String(); strings.Contains(log, "13812345678") {
		t.Error("somebody's number is in the log")
	}
}

func TestADoorThatIsNotTheirsAnyMoreTakesNoPhoto(t *testing.T) {
	w := newWorld(t)
	a := w.approved("AAAAAAAAAAAAAAAAAAAAAA", "文昌路小卖部", public)
	b := w.approved("BBBBBBBBBBBBBBBBBBBBBB", "东街理发店", public)
	merged := w.approved("CCCCCCCCCCCCCCCCCCCCCC", "东街理发店分店", public)
	desk, by := w.handler.Apply.Desk, registry.Who{Account: "township", Reason: "已搬走"}
	send := func(of registry.Application, door int) int {
		status, _, _ := w.upload("/apply/"+of.ID+"/posted", "", map[string]string{"door": string(of.Made.Codes[door])}, shot(t))
		return status
	}
	if _, err := desk.Close(t.Context(), a.Made.Venue, a.Made.Codes[1], by); err != nil {
		t.Fatal(err)
	}
	if got := send(a, 1); got != 409 {
		t.Errorf("a door that is closed: %d", got)
	}
	if _, err := desk.Suspend(t.Context(), a.Made.Venue, "", by); err != nil {
		t.Fatal(err)
	}
	if got := send(a, 0); got != 303 {
		t.Errorf("a venue that is suspended: %d", got)
	}
	if _, err := desk.RenameDoor(t.Context(), b.Made.Venue, b.Made.Codes[0], "临街门", by); err != nil {
		t.Fatal(err)
	}
	if _, err := desk.Transfer(t.Context(), a.Made.Venue, b.Made.Unit, by); err != nil {
		t.Fatal(err)
	}
	if _, body, _ := w.call("GET", "/apply/"+a.ID, "", nil); send(a, 0) != 409 || strings.Contains(body, "正门") || strings.Count(body, "已转给其他单位") != 2 {
		t.Errorf("a venue that was transferred: %s", body)
	}
	if _, err := desk.Transfer(t.Context(), merged.Made.Venue, b.Made.Unit, by); err != nil {
		t.Fatal(err)
	}
	if _, err := desk.Merge(t.Context(), b.Made.Venue, merged.Made.Venue, by); err != nil {
		t.Fatal(err)
	}
	if got := send(b, 0); got != 303 {
		t.Errorf("a venue that was merged within its unit: %d", got)
	}
	if _, body, _ := w.call("GET", "/apply/"+b.ID, "", nil); !strings.Contains(body, "临街门") {
		t.Errorf("merged: %s", body)
	}
}

func TestAResidentShowsThatTheCodeHangs(t *testing.T) {
	w := newWorld(t)
	token := w.resident("o1")
	other := w.login("wechat", "o2")
	w.ok("PUT", "/api/v1/me", other, registration(m{"name": "司马青", "id_number": "419981196001011211", "phone": "13800000001"}))
	_, body, _ := w.call("POST", "/api/v1/applications", token, kiosk(m{"request_id": "request-1"}))
	id := w.read(body)["id"].(string)
	path := "/api/v1/applications/" + id + "/posted"
	if status, body, _ := w.upload(path, token, nil, shot(t)); status != 409 {
		t.Errorf("before it is approved: %d %s", status, body)
	}
	a, err := w.handler.Apply.Desk.Approve(t.Context(), id, registry.Who{Account: "township"}, false)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{"door": string(a.Made.Codes[0])}
	onPage := w.approved("AAAAAAAAAAAAAAAAAAAAAA", "文昌路小卖部", public)
	for name, c := range map[string]struct {
		path, token string
		status      int
	}{
		"nobody":                 {path, "", 401},
		"another resident":       {path, other, 404},
		"one sent on the page":   {"/api/v1/applications/" + onPage.ID + "/posted", token, 404},
		"on the page, the app's": {"/apply/" + id + "/posted", "", 404},
	} {
		if status, body, _ := w.upload(c.path, c.token, fields, shot(t)); status != c.status {
			t.Errorf("%s: %d %s, want %d", name, status, body, c.status)
		}
	}
	status, body, _ := w.upload(path, token, fields, shot(t))
	if status != 200 || !strings.Contains(body, `"posted":"2022-10-12T12:00:00.000+08:00"`) || !strings.Contains(body, `"name":"正门"`) {
		t.Errorf("posted: %d %s", status, body)
	}
	if _, list, _ := w.call("GET", "/api/v1/applications", token, nil); !strings.Contains(list, `"posted":`) {
		t.Errorf("listed: %s", list)
	}
}

func TestOnlyPhotosMayBeLarge(t *testing.T) {
	w := newWorld(t)
	a := w.approved("AAAAAAAAAAAAAAAAAAAAAA", "文昌路小卖部", public)
	token := w.resident("o1")
	large := bytes.Repeat([]byte("x"), 100<<10)
	for _, c := range []struct {
		path, token string
		status      int
	}{
		{"/apply/" + a.ID + "/posted", "", 422}, // it is no photo
		{"/apply/BBBBBBBBBBBBBBBBBBBBBB/posted", "", 413},
		{"/api/v1/applications/x/posted", token, 404},
		{"/api/v1/applications/x/posted", "", 413},
		{"/apply/new", "", 413}, {"/apply/" + a.ID, "", 413}, {"/api/v1/applications", token, 413}, {"/api/v1/scans", token, 413},
	} {
		if status, _, _ := w.upload(c.path, c.token, map[string]string{"door": string(a.Made.Codes[0])}, large); status != c.status {
			t.Errorf("%s: %d, want %d", c.path, status, c.status)
		}
	}
}
