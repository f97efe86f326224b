package web_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/venue"
)

func TestOnlyTheHeadThatMaySendsMore(t *testing.T) {
	const bearer, session = "Authorization: Bearer token\r\n", "Cookie: other=1; session=token\r\n"
	app := web.New(web.Options{Name: "test", BodyLimit: 1 << 10, Machine: venue.ClockFunc(func() time.Time { return time.Unix(0, 0) }), Log: slog.New(slog.DiscardHandler),
		Larger: func(h web.Head) int {
			if h.Path == "/panic" {
				panic("司马青黛")
			}
			if h.Method == "POST" && h.Path == "/photo" && (h.Bearer() == "token" || h.Cookie("session") == "token") {
				return 100 << 10
			}
			return 0
		}})
	app.Post("/*", func(c *fiber.Ctx) error { return c.SendString(fmt.Sprint(len(c.Body()))) })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = app.Listener(listener) }()
	defer func() { _ = app.Shutdown() }()
	for _, c := range []struct {
		path   string
		who    string
		size   int
		chunks bool
		want   int
	}{
		{"/photo", bearer, 50 << 10, false, 200}, {"/photo?x=1", session, 50 << 10, true, 200}, {"/photo", bearer, 200 << 10, false, 413}, {"/photo", session, 200 << 10, true, 413},
		{"/photo", "", 50 << 10, false, 413}, {"/photo", "", 50 << 10, true, 413}, {"/photo", "Cookie: session=x\r\n", 50 << 10, false, 413}, {"/photo", "", 500, false, 200},
		{"/photo/", bearer, 50 << 10, false, 413}, {"/other?/photo", bearer, 50 << 10, false, 413}, {"/other", bearer, 50 << 10, true, 413}, {"/other", "", 500, false, 200},
		{"/panic", bearer, 50 << 10, false, 413}, {"/panic", bearer, 500, false, 200},
	} {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		body := strings.Repeat("x", c.size)
		head := fmt.Sprintf("Content-Length: %d\r\n\r\n", c.size)
		if c.chunks {
			head, body = "Transfer-Encoding: chunked\r\n\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", c.size, body)
		}
		go func() { _, _ = io.WriteString(conn, "POST "+c.path+" HTTP/1.1\r\nHost: x\r\n"+c.who+head+body) }()
		got, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || got.StatusCode != c.want {
			t.Errorf("%s of %q with %d bytes: %v, %v; want %d", c.path, c.who, c.size, got, err, c.want)
		}
		conn.Close()
	}
}

// TestABodyOnItsWayTakesRoom asks where there is room for one such body.
func TestABodyOnItsWayTakesRoom(t *testing.T) {
	app := web.New(web.Options{Name: "test", BodyLimit: 1 << 10, Machine: venue.ClockFunc(func() time.Time { return time.Unix(0, 0) }), Log: slog.New(slog.DiscardHandler),
		Larger: func(web.Head) int { return 40 << 20 }})
	app.Post("/*", func(c *fiber.Ctx) error { return c.SendString(fmt.Sprint(len(c.Body()))) })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = app.Listener(listener) }()
	defer func() { _ = app.Shutdown() }()
	begin := func(length int) (net.Conn, *bufio.Reader) {
		t.Helper()
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", length)
		r := bufio.NewReader(conn)
		if got, err := http.ReadResponse(r, nil); err != nil || got.StatusCode != 100 {
			t.Fatalf("%v, %v", got, err)
		}
		return conn, r // the head has been seen, the body not
	}
	finish := func(conn net.Conn, r *bufio.Reader) int {
		t.Helper()
		go func() {
			_, _ = io.WriteString(conn, strings.Repeat("x", 5000))
			_ = conn.(*net.TCPConn).CloseWrite()
		}()
		got, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.StatusCode
	}
	for _, first := range []struct{ length, status int }{{5000, 200}, {41 << 20, 413}, {6000, 400}, {5000, 200}} { // whatever came of it makes room
		conn, r := begin(first.length)
		if got := finish(begin(5000)); first.length < 40<<20 && got != 413 {
			t.Errorf("beside one of %d on its way: %d", first.length, got)
		}
		if got := finish(conn, r); got != first.status {
			t.Errorf("%d bytes: %d, want %d", first.length, got, first.status)
		}
	}
}
