package web_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/venue"
)

const secret = "13812348000"

func newApp(t *testing.T, log io.Writer) (*fiber.App, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	return web.New(web.Options{
		Name: "test", BodyLimit: 1 << 10, Machine: venue.ClockFunc(time.Now), Log: slog.New(slog.NewTextHandler(log, nil)), Metrics: reg,
	}), reg
}

func do(t *testing.T, app *fiber.App, req *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := app.Test(req, 5000)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func get(t *testing.T, path string) *http.Request {
	t.Helper()
	req, err := http.NewRequest("GET", path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestEveryErrorHasAStatusACodeAndASentence(t *testing.T) {
	wrapped := func(err error) error { return fmt.Errorf("record scan: %w", fmt.Errorf("append: %w", err)) }
	cases := []struct {
		name   string
		err    error
		status int
		body   string
		logged bool
	}{
		{"a refusal of its own", web.ErrCodeInvalid, 404, `{"code":"code_invalid","message":"场所码无效，请联系场所工作人员"}`, false},
		{"wrapped", wrapped(web.ErrUnauthorized), 401, `{"code":"unauthorized","message":"登录已失效，请重新打开小程序"}`, false},
		{"not registered", web.ErrNotRegistered, 403, `{"code":"not_registered","message":"请先完成实名登记"}`, false},
		{"not JSON", web.ErrBadJSON, 400, `{"code":"bad_json","message":"请求内容无法识别，请更新小程序后重试"}`, false},
		{"a field", wrapped(&venue.Invalid{Field: "id_number", Reason: "check"}), 422, `{"code":"invalid_field","message":"证件号码校验不通过，请核对","field":"id_number","reason":"check"}`, false},
		{"a 15-digit card of a centenarian", &venue.Invalid{Field: "id_number", Reason: "sequence"}, 422, `{"code":"invalid_field","message":"证件号码：请提供18位证件号码","field":"id_number","reason":"sequence"}`, false},
		{"a field and reason without words", &venue.Invalid{Field: "x", Reason: "y"}, 422, `{"code":"invalid_field","message":"填写的内容格式不正确，请检查","field":"x","reason":"y"}`, false},
		{"invalid without a field", wrapped(venue.ErrInvalid), 422, `{"code":"invalid","message":"填写的内容有误，请检查后重试"}`, false},
		{"conflict", wrapped(venue.ErrConflict), 409, `{"code":"conflict","message":"与已有记录不一致，请核对后重试"}`, false},
		{"exists", wrapped(venue.ErrExists), 409, `{"code":"exists","message":"已存在，请勿重复提交"}`, false},
		{"not found", wrapped(venue.ErrNotFound), 404, `{"code":"not_found","message":"没有找到"}`, false},
		{"unavailable", wrapped(venue.ErrUnavailable), 503, `{"code":"unavailable","message":"系统繁忙，请稍候重试"}`, true},
		{"out of time", wrapped(context.DeadlineExceeded), 503, `{"code":"unavailable","message":"系统繁忙，请稍候重试"}`, true},
		{"stopped", context.Canceled, 503, `{"code":"unavailable","message":"系统繁忙，请稍候重试"}`, true},
		{"anything else", errors.New("dial 10.0.0.7: secret detail"), 500, `{"code":"internal","message":"系统出现故障，请稍候重试"}`, true},
		{"a stale revision nobody handled", venue.ErrStale, 500, `{"code":"internal","message":"系统出现故障，请稍候重试"}`, true},
		{"method", fiber.ErrMethodNotAllowed, 405, `{"code":"method_not_allowed","message":"不支持的请求方式"}`, false},
		{"the framework's words are not shown", fiber.NewError(400, "secret detail"), 400, `{"code":"bad_request","message":"请求无法识别"}`, false},
		{"headers", fiber.ErrRequestHeaderFieldsTooLarge, 431, `{"code":"header_too_large","message":"请求头过大"}`, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			app, _ := newApp(t, &log)
			app.Get("/x", func(*fiber.Ctx) error { return c.err })
			resp, body := do(t, app, get(t, "/x"))
			if resp.StatusCode != c.status || body != `{"error":`+c.body+`}` {
				t.Errorf("got %d %s\nwant %d %s", resp.StatusCode, body, c.status, c.body)
			}
			if (log.Len() > 0) != c.logged {
				t.Errorf("logged %q", log.String())
			}
			if retry := resp.Header.Get("Retry-After"); (retry != "") != (c.status == 503) {
				t.Errorf("Retry-After %q", retry)
			}
		})
	}
}

func TestAPanicIsFiveHundredAndTellsNothing(t *testing.T) {
	for name, v := range map[string]any{
		"a string": "person " + secret, "an error": errors.New(secret), "a status": fiber.NewError(200, secret),
		"a sentinel": fmt.Errorf("%s: %w", secret, venue.ErrNotFound), "a struct": struct{ Phone string }{secret},
	} {
		var log bytes.Buffer
		app, reg := newApp(t, &log)
		app.Get("/x", func(*fiber.Ctx) error { panic(v) })
		resp, body := do(t, app, get(t, "/x"))
		if resp.StatusCode != 500 || body != `{"error":{"code":"internal","message":"系统出现故障，请稍候重试"}}` {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
		if strings.Contains(log.String(), secret) || !strings.Contains(log.String(), "handler panicked") || !strings.Contains(log.String(), "web_test.go") {
			t.Errorf("%s: the log tells the value, or not where it was:\n%s", name, log.String())
		}
		families, err := reg.Gather()
		if err != nil || !strings.Contains(fmt.Sprint(families), "5xx") {
			t.Errorf("%s: not counted: %v, %v", name, families, err)
		}
		app.Get("/y", func(c *fiber.Ctx) error { return c.SendString("fine") })
		if resp, _ := do(t, app, get(t, "/y")); resp.StatusCode != 200 {
			t.Errorf("%s: the next request: %d", name, resp.StatusCode)
		}
	}
}

// serve answers on a real socket, where limits and connections are real.
func serve(t *testing.T, app *fiber.App) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go app.Listener(l)
	t.Cleanup(func() { app.Shutdown() })
	return l.Addr().String()
}

func TestARefusedBodyIsNotReadAsTheNextRequest(t *testing.T) {
	app, _ := newApp(t, io.Discard)
	reached := 0
	app.Post("/x", func(c *fiber.Ctx) error { reached++; return c.SendString("fine") })
	app.Get("/smuggled", func(c *fiber.Ctx) error { reached++; return c.SendString("smuggled") })
	addr := serve(t, app)

	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write(bytes.Repeat([]byte("a"), 1<<19))
	z.Close()
	inner := "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	big := strings.Repeat("x", 4<<10) + inner
	for name, c := range map[string]struct{ request, status, code string }{
		"too large":       {fmt.Sprintf("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(big), big), "413", "too_large"},
		"compressed":      {fmt.Sprintf("POST /x HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", zipped.Len(), zipped.String()), "415", "unsupported_encoding"},
		"says compressed": {fmt.Sprintf("POST /x HTTP/1.1\r\nHost: x\r\nContent-Encoding: identity\r\nContent-Length: %d\r\n\r\n%s", len(inner), inner), "415", "unsupported_encoding"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(5 * time.Second))
			io.WriteString(conn, c.request)
			io.WriteString(conn, inner)
			b, _ := io.ReadAll(conn) // a reset after the answer is as good as an end
			answer := string(b)
			if !strings.HasPrefix(answer, "HTTP/1.1 "+c.status) || !strings.Contains(answer, `"code":"`+c.code+`"`) {
				t.Errorf("answered %s", answer)
			}
			if strings.Count(answer, "HTTP/1.1 ") != 1 || !strings.Contains(answer, "Connection: close") {
				t.Errorf("the connection lives on:\n%s", answer)
			}
		})
	}
	if reached != 0 {
		t.Fatalf("%d requests reached a handler", reached)
	}
}

func TestAHandlerThatTakesTooLongIsUnavailable(t *testing.T) {
	app, _ := newApp(t, io.Discard)
	app.Get("/x", func(c *fiber.Ctx) error {
		ctx, cancel := web.Deadline(c, 20*time.Millisecond)
		defer cancel()
		<-ctx.Done()
		return fmt.Errorf("read doors: %w", ctx.Err())
	})
	start := time.Now()
	resp, body := do(t, app, get(t, "/x"))
	if resp.StatusCode != 503 || !strings.Contains(body, `"unavailable"`) || time.Since(start) > 2*time.Second {
		t.Fatalf("%d %s after %s", resp.StatusCode, body, time.Since(start))
	}
}

func TestARouteThatIsNotThereAnswersInJSON(t *testing.T) {
	app, _ := newApp(t, io.Discard)
	app.Get("/x", func(c *fiber.Ctx) error { return c.SendString("fine") })
	for path, status := range map[string]int{"/nothing": 404, "/X": 404} {
		resp, body := do(t, app, get(t, path))
		var e struct {
			Error struct{ Code, Message string }
		}
		if json.Unmarshal([]byte(body), &e) != nil || resp.StatusCode != status || e.Error.Code != "not_found" || e.Error.Message == "" {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	req := get(t, "/x")
	req.Method = "DELETE"
	if resp, body := do(t, app, req); resp.StatusCode != 405 || !strings.Contains(body, "method_not_allowed") {
		t.Errorf("another method: %d %s", resp.StatusCode, body)
	}
}

func TestABrowserIsShownTheSentence(t *testing.T) {
	app, _ := newApp(t, io.Discard)
	for accept, want := range map[string]string{
		"": "application/json", "*/*": "application/json", "application/json": "application/json",
		"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8": "text/html; charset=utf-8",
	} {
		req := get(t, "/nowhere")
		req.Header.Set("Accept", accept)
		resp, body := do(t, app, req)
		if resp.StatusCode != 404 || resp.Header.Get("Content-Type") != want || !strings.Contains(body, "没有找到") {
			t.Errorf("Accept %q: %d %s %s", accept, resp.StatusCode, resp.Header.Get("Content-Type"), body)
		}
	}
}

func TestBearer(t *testing.T) {
	app, _ := newApp(t, io.Discard)
	app.Get("/x", func(c *fiber.Ctx) error { return c.SendString("[" + web.Bearer(c) + "]") })
	for header, want := range map[string]string{"Bearer abc": "[abc]", "": "[]", "abc": "[]", "Basic abc": "[]", "bearer abc": "[]", "Bearer": "[]"} {
		req := get(t, "/x")
		req.Header.Set("Authorization", header)
		if _, got := do(t, app, req); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

func TestStringsOfARequestOutliveIt(t *testing.T) {
	app, _ := newApp(t, io.Discard)
	var kept []string
	app.Get("/x/:p", func(c *fiber.Ctx) error { kept = append(kept, c.Params("p")+c.Query("q")); return nil })
	addr := serve(t, app)
	var want []string
	for i := range 20 {
		s := fmt.Sprintf("%04d", i)
		resp, err := http.Get("http://" + addr + "/x/" + s + "?q=" + s)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		want = append(want, s+s)
	}
	if fmt.Sprint(kept) != fmt.Sprint(want) {
		t.Fatalf("kept %v", kept)
	}
}
