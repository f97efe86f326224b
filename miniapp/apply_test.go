package miniapp_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/venue/registry"
)

// kiosk is an application without faults.
func kiosk(changes m) m {
	form := m{"unit_name": "青禾市便民小卖部", "division": "419981001", "name": "文昌路小卖部", "category": "small_place", "address": "文昌路1号旁", "doors": []string{"正门"},
		"applicant_name": "欧阳明德", "applicant_phone": "13812345678", "manager_name": "司马青", "manager_phone": "13887654321"}
	for k, v := range changes {
		form[k] = v
	}
	return form
}

func (w *world) post(path string, form url.Values) (int, string, http.Header) {
	w.t.Helper()
	req, err := http.NewRequest("POST", path, strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.send(req)
}

func TestAResidentAppliesInTheMiniProgram(t *testing.T) {
	w := newWorld(t)
	token := w.resident("o1")
	other := w.login("wechat", "o2")
	w.ok("PUT", "/api/v1/me", other, registration(m{"name": "司马青", "id_number": "419981196001011211", "phone": "13800000001"}))

	status, body, _ := w.call("POST", "/api/v1/applications", token, kiosk(m{"request_id": "request-1"}))
	first := w.read(body)
	if status != 200 || first["state"] != "pending" {
		t.Fatalf("sent in: %d %s", status, body)
	}
	if _, again, _ := w.call("POST", "/api/v1/applications", token, kiosk(m{"request_id": "request-1"})); w.read(again)["id"] != first["id"] {
		t.Errorf("the same again is another: %s", again)
	}
	for name, c := range map[string]struct {
		token  string
		body   m
		status int
		has    string
	}{
		"nobody":                    {"", kiosk(m{"request_id": "request-1"}), 401, "unauthorized"},
		"changed while it waits":    {token, kiosk(m{"request_id": "request-1", "address": "文昌路2号旁"}), 409, "conflict"},
		"without a request's id":    {token, kiosk(nil), 422, "request_id"},
		"somebody else's":           {other, kiosk(m{"id": first["id"]}), 404, "not_found"},
		"an application of nowhere": {token, kiosk(m{"id": "x"}), 404, "not_found"},
		"with faults":               {token, kiosk(m{"request_id": "request-2", "doors": []string{}, "manager_phone": "1"}), 422, `"field":"manager_phone"`},
	} {
		if status, body, _ := w.call("POST", "/api/v1/applications", c.token, c.body); status != c.status || !strings.Contains(body, c.has) {
			t.Errorf("%s: %d %s, want %d", name, status, body, c.status)
		}
	}
	if _, list, _ := w.call("GET", "/api/v1/applications", other, nil); strings.Contains(list, "小卖部") {
		t.Errorf("somebody else sees %s", list)
	}
	if _, err := w.handler.Apply.Desk.Approve(t.Context(), first["id"].(string), registry.Who{Account: "township"}, false); err != nil {
		t.Fatal(err)
	}
	if _, list, _ := w.call("GET", "/api/v1/applications", token, nil); !strings.Contains(list, `"approved"`) || !strings.Contains(list, "https://code.example.gov.cn/v/") {
		t.Errorf("approved: %s", list)
	}
	last := 0
	for i := range 21 {
		last, body, _ = w.call("POST", "/api/v1/applications", other, kiosk(m{"request_id": "request-" + strings.Repeat("x", i+1), "name": "第" + strings.Repeat("一", i+1)}))
	}
	if last != 429 || !strings.Contains(body, "applications_waiting") {
		t.Errorf("the 21st that waits: %d %s", last, body)
	}
	if strings.Contains(w.log.String(), "13812345678") {
		t.Error("somebody's number is in the log")
	}
}

func TestWhoHasNoLoginAppliesOnThePage(t *testing.T) {
	w := newWorld(t)
	about, page, header := w.call("GET", "/apply", "", nil)
	for _, has := range []string{"谁要申领", "/apply/new", "洗月街道", "便民服务中心：文昌路2号", `href="https://example.org/a"`, "0375-0000000"} {
		if about != 200 || !strings.Contains(page, has) {
			t.Errorf("/apply: %d, lacks %s", about, has)
		}
	}
	if strings.Contains(page, "<script") || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Error("/apply runs scripts")
	}
	id := "AAAAAAAAAAAAAAAAAAAAAA"
	form := url.Values{"id": {id}, "doors": {"正门\r\n后门"}}
	for k, v := range kiosk(nil) {
		if s, ok := v.(string); ok {
			form.Set(k, s)
		}
	}
	wrong := url.Values{}
	for k, v := range form {
		wrong[k] = v
	}
	wrong.Set("name", `小卖部"><script>`)
	wrong.Set("manager_phone", "12")
	status, page, _ := w.post("/apply/new", wrong)
	for _, has := range []string{`小卖部&#34;&gt;&lt;script&gt;`, "欧阳明德", "应为 11 位手机号码", "正门"} {
		if status != 422 || !strings.Contains(page, has) {
			t.Errorf("with faults: %d, lacks %s", status, has)
		}
	}
	for range 2 {
		if status, _, header := w.post("/apply/new", form); status != 303 || header.Get("Location") != "/apply/"+id {
			t.Fatalf("sent in: %d %s", status, header.Get("Location"))
		}
	}
	if status, page, _ := w.call("GET", "/apply/"+id, "", nil); status != 200 || !strings.Contains(page, "等待审核") || strings.Contains(page, "欧阳明德") || strings.Contains(page, "13812345678") {
		t.Errorf("waiting: %d %s", status, page)
	}
	if status, _, _ := w.call("GET", "/apply/"+id+"/posters", "", nil); status != 404 {
		t.Errorf("posters before it is approved: %d", status)
	}
	if _, err := w.handler.Apply.Desk.Reject(t.Context(), id, registry.Who{Account: "township", Reason: "地址不完整"}); err != nil {
		t.Fatal(err)
	}
	if _, page, _ := w.call("GET", "/apply/"+id, "", nil); !strings.Contains(page, "地址不完整") {
		t.Errorf("sent back: %s", page)
	}
	if _, page, _ := w.call("GET", "/apply/new?id="+id, "", nil); !strings.Contains(page, "文昌路1号旁") || !strings.Contains(page, "地址不完整") || strings.Contains(page, "欧阳明德") || strings.Contains(page, "13812345678") {
		t.Error("the form of one that was sent back has not the place, or has the people")
	}
	form.Set("address", "文昌路1号旁一层")
	if status, _, _ := w.post("/apply/new", form); status != 303 {
		t.Fatalf("sent in again: %d", status)
	}
	if _, err := w.handler.Apply.Desk.Approve(t.Context(), id, registry.Who{Account: "township"}, false); err != nil {
		t.Fatal(err)
	}
	if status, page, _ := w.call("GET", "/apply/"+id+"/posters", "", nil); status != 200 || strings.Count(page, "<svg") != 2 || !strings.Contains(page, "文昌路1号旁一层") {
		t.Errorf("posters: %d, %d sheets", status, strings.Count(page, "<svg"))
	}
	_, absent, _ := w.call("GET", "/apply/BBBBBBBBBBBBBBBBBBBBBB", "", nil)
	if status, page, _ := w.call("GET", "/apply/x", "", nil); status != 404 || page != absent {
		t.Errorf("an application that is not there: %d", status)
	}
}
