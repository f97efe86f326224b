package leak

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/bot"
	"github.com/venuecode/venuecode/internal/sim"
	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/miniapp"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/vault/reveal"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/daily"
	"github.com/venuecode/venuecode/venue/registry"
)

// pages: what every door shares, asked as badly as can be.
func pages(o *out) {
	w := &world{out: o}
	for _, secret := range secrets {
		app := web.New(web.Options{Name: "test", BodyLimit: 64 << 10, Machine: clock, Log: o.log})
		app.Post("/panic/:it", func(c *fiber.Ctx) error { panic(fmt.Sprint(c.Params("it"), string(c.Body()), secret)) })
		app.Post("/error/:it", func(*fiber.Ctx) error { return errors.New("a fault of ours") })
		app.Post("/field/:it", func(*fiber.Ctx) error { return &venue.Invalid{Field: "name", Reason: "shape"} })
		for _, path := range []string{"/panic/", "/error/", "/field/", "/nowhere/"} {
			w.ask(app, http.MethodPost, path+url.PathEscape(secret)+"?q="+url.QueryEscape(secret), secret, secret, false)
			w.ask(app, http.MethodPut, path+url.PathEscape(secret), secret, strings.Repeat(secret, 100), false)
		}
	}
	// Below fiber, where a broken request is quoted in errors.
	app := w.serve(func(r fiber.Router) { r.Get("/x", func(*fiber.Ctx) error { return nil }) })
	listener := must[net.Listener](o)(net.Listen("tcp", "127.0.0.1:0"))
	ended := make(chan error, 1)
	go func() { ended <- app.Listener(listener) }()
	for _, s := range secrets {
		line := strings.ReplaceAll(s, " ", "-")
		for _, request := range []string{
			s + "\r\n\r\n", "GET\r\n" + s + "\r\n\r\n", "GET /" + line + " HTTP/9\r\n\r\n", "GET /" + line + " HTTP/1.1\r\n" + s + "\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: " + s + "\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + s + "\r\n",
			"GET /" + line + " HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat(s, 9<<10/len(s)) + "\r\n\r\n", line + " / HTTP/1.1\r\nHost: " + line + "\r\n\r\n",
			"POST /" + line + " HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n" + s,
		} {
			c := must[net.Conn](o)(net.Dial("tcp", listener.Addr().String()))
			_ = c.SetDeadline(time.Now().Add(2 * time.Second))
			_, _ = io.WriteString(c, request)
			_ = c.(*net.TCPConn).CloseWrite()
			answer, _ := io.ReadAll(c)
			o.text("answer to a broken request", answer)
			_ = c.Close()
		}
	}
	if err := app.ShutdownWithTimeout(time.Second); err != nil {
		o.Error(err)
	}
	<-ended
	o.logged("handler panicked", "request failed")
}

// apps are the platforms of the mini-programs; a code that begins with "away"
// finds them away.
type apps struct{}

func (apps) Login(_ context.Context, code string) (string, error) {
	switch {
	case strings.HasPrefix(code, "away"):
		return "", venue.ErrUnavailable
	case code == loginCode:
		return openid, nil
	}
	return "", &venue.Invalid{Field: "login_code", Reason: "refused"}
}

func (a apps) Phone(ctx context.Context, code string) (venue.Phone, error) {
	if _, err := a.Login(ctx, code); err != nil {
		return venue.Phone{}, err
	}
	return venue.ParsePhone(people[0].Phone)
}

func phones(o *out) {
	w := newWorld(o)
	letting, ended := w.letting()
	rows := store.NewRegister(w.engine, w.registry, w.vault, clock)
	h := &miniapp.Handler{
		Platforms: map[string]miniapp.Platform{"wechat": apps{}}, Tokens: w.vault, Ended: ended, People: w.people, Retention: letting,
		Places: w.registry, OldCodes: w.registry, Trail: w.trail, Checkin: checkins(w), Doors: w.registry, Clock: clock,
		Host: "code.example.org", Reply: 5 * time.Second, Consent: "1", ConsentText: "告知书", Operator: "指挥部", Contact: "12345",
		Apply:        miniapp.Apply{Desk: &registry.Service{Applications: rows, Book: rows, Blanks: rows, Random: rand.Reader, Clock: clock}, Rows: rows, Postings: rows, Payload: w.registry.Payload},
		Notification: func(url.Values) error { return &venue.Invalid{Field: "notification", Reason: "sign"} },
	}
	o.value("handler", h)
	app := w.serve(h.Routes)
	login := func(code string, own bool) string {
		_, body := w.ask(app, http.MethodPost, "/api/v1/sessions", "", object{"app": "wechat", "login_code": code}, own)
		var session struct{ Token string }
		decode(o, body, &session)
		return session.Token
	}
	session := login(loginCode, true) // the one answer that holds a token
	if session == "" {
		o.Fatal("nobody could log in")
	}
	known := map[string]string{"session": session}
	register := func(change object) {
		me := object{"name": people[0].Name, "id_number": people[0].IDNumber, "phone_code": loginCode, "consent": true}
		for k, v := range change {
			me[k] = v
		}
		// A fresh token may come with the answer: that is the asker's own.
		_, body := w.ask(app, http.MethodPut, "/api/v1/me", session, me, true)
		var got struct{ Token string }
		decode(o, body, &got)
		if got.Token != "" {
			body = strings.Replace(body, got.Token, "", 1)
		}
		o.text("answer to a registration", []byte(body))
	}
	scan := func(body any) { w.ask(app, http.MethodPost, "/api/v1/scans", session, body, false) }
	everything := func() {
		for _, code := range []string{people[0].Name, "away " + token, loginCode + "x"} {
			login(code, false)
		}
		register(nil)
		for _, change := range []object{
			{"name": people[1].Name}, {"name": people[1].Name + "\u202e"}, {"id_number": people[1].Phone}, {"id_number": people[1].IDNumber[:17] + "?"}, {"id_type": people[1].Name},
			{"phone_code": "away " + people[1].Phone}, {"phone_code": people[1].Phone}, {"phone_code": "", "phone": people[1].IDNumber}, {"consent": people[1].Name},
			{"name": object{people[1].Name: people[1].Phone}}, {"name": people[1].Name, "id_number": people[1].IDNumber, "phone_code": "", "phone": people[1].Phone},
		} {
			register(change)
		}
		w.ask(app, http.MethodPut, "/api/v1/me", session, `{"name":"`+people[0].Name, false)
		w.ask(app, http.MethodGet, "/api/v1/me", session, nil, false)
		w.ask(app, http.MethodGet, "/api/v1/me?token="+session, token, nil, false)
		companions := []object{{"name": people[1].Name, "id_number": people[1].IDNumber}, {"name": people[2].Name, "id_number": people[2].IDNumber}}
		for i, body := range []object{
			{"companions": companions}, {"companions": append(companions, companions[0])}, {"companions": []object{{"name": people[1].IDNumber, "id_number": people[1].Name}}},
			{"request_id": people[1].Name}, {"code": people[1].IDNumber}, {"link": "https://code.example.org/v/" + people[1].Phone}, {"direction": people[1].Name}, {"presence": people[1].Name},
		} {
			for k, v := range (object{"code": w.door, "request_id": fmt.Sprint("r", i)}) {
				if body[k] == nil {
					body[k] = v
				}
			}
			scan(body)
		}
		scan(`{"code":"` + people[1].Name)
		for _, secret := range secrets {
			q := url.QueryEscape(secret)
			for _, path := range []string{"scans?before=" + q, "scans?limit=" + q, "scans?limit=2&before=1665547200000-" + q, "accesses?after=" + q, "accesses?after=" + q + "-1"} {
				w.ask(app, http.MethodGet, "/api/v1/me/"+path, session, nil, false)
			}
		}
		for _, secret := range secrets {
			w.ask(app, http.MethodPost, "/api/v1/applications", session, object{"request_id": "request-" + secret, "name": secret, "uscc": secret, "applicant_name": secret, "manager_phone": secret, "inside": secret}, false)
			w.ask(app, http.MethodPost, "/api/v1/applications", session, object{"id": secret}, false)
			w.ask(app, http.MethodGet, "/apply/"+url.PathEscape(secret), "", nil, false)
			w.ask(app, http.MethodPost, "/apply/"+url.PathEscape(secret)+"/posted", "", "door="+url.QueryEscape(secret), false)
			w.ask(app, http.MethodPost, "/api/v1/applications/"+url.PathEscape(secret)+"/posted", "", "door="+url.QueryEscape(secret), false)
			w.ask(app, http.MethodGet, "/apply/new?id="+url.QueryEscape(secret), "", nil, false)
		}
		w.ask(app, http.MethodGet, "/api/v1/applications", session, nil, false)
		for _, path := range []string{"/v/", "/api/v1/codes/", "/"} {
			w.ask(app, http.MethodGet, path+people[1].IDNumber, "", nil, false)
			w.ask(app, http.MethodGet, path+people[1].IDNumber+".txt?name="+people[1].Phone, "", nil, false)
		}
		r := must[*http.Request](o)(http.NewRequest(http.MethodPost, "/callbacks/alipay", strings.NewReader("sign="+people[1].Phone+"&biz_content="+url.QueryEscape(people[1].Name))))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w.do(app, r, false)
	}
	everything()
	person, _, err := w.people.Named(o.Context(), identity(o, 0))
	if err != nil {
		o.Fatal(err)
	}
	if _, err := w.trail.Append(o.Context(), audit.Event{
		Actor: "tracer", Action: reveal.Action, Object: audit.Object{Kind: audit.KindPerson, ID: w.people.AuditID(person)}, Purpose: string(reveal.Tracing), Outcome: "allowed",
	}); err != nil {
		o.Fatal(err)
	}
	for path, holds := range map[string]string{"/api/v1/me/scans": "南门", "/api/v1/me/accesses": "流行病学调查"} {
		if _, body := w.ask(app, http.MethodGet, path, session, nil, false); !strings.Contains(body, holds) {
			o.Errorf("nothing to see at %s: %s", path, body)
		}
	}
	withdraw := func() int {
		status, _ := w.ask(app, http.MethodDelete, "/api/v1/me?name="+url.QueryEscape(people[0].Name), session, object{"phone": people[0].Phone}, false)
		return status
	}
	if status := withdraw(); status != http.StatusOK {
		o.Errorf("nobody could withdraw: %d", status)
	}
	everything() // of a session that is over
	session = login(loginCode, true)
	known["session after the withdrawal"] = session
	register(nil)
	w.rows()
	if err := w.engine.Close(); err != nil { // and once more with the memory gone
		o.Fatal(err)
	}
	everything()
	withdraw()
	_, _, err = letting.Run(o.Context(), noon.Add(48*time.Hour))
	o.failure("letting go with the memory gone", err)
	finderOf(o, known)()
	o.logged("request failed")
	o.calm()
}

// chat: three ways in, each with what the platforms would and would not send.
func chat(o *out) {
	w := newWorld(o)
	keys := sim.Keys{
		Service: sim.ServiceKeys{AppID: "wx0123456789abcdef", Account: "gh_0123456789ab", Token: token[:32], AESKey: aesKey},
		WeCom:   sim.WeComKeys{CorpID: "ww0123456789abcdef", AgentID: "1000002", Token: token[:32], AESKey: aesKey},
		Robot:   sim.RobotKeys{ID: "aib0123456789", Token: token[:32], AESKey: aesKey},
	}
	check := finderOf(o, map[string]string{"callback token": token[:32]})
	crypt := func(receiver string) *bot.Crypt {
		c := must[*bot.Crypt](o)(bot.NewCrypt(token[:32], aesKey, receiver))
		o.value("crypt", c)
		o.value("crypt", *c)
		return c
	}
	for _, key := range []string{aesKey[:42], appSecret, aesKey[:40] + "===", privateKey} {
		_, err := bot.NewCrypt(token, key, "")
		o.failure("a bad key", err)
	}
	blind := func(id string) string { return w.vault.Blind("account", id) }
	for _, account := range []string{"wecom_app:s001", "service_account:" + blind(openid)} {
		channel, id, _ := strings.Cut(account, ":")
		if err := w.registry.Bind(o.Context(), venue.Binding{Account: venue.ChatAccount{Channel: venue.Channel(channel), ID: id}, Unit: "u1", Name: "员", Since: noon}); err != nil {
			o.Fatal(err)
		}
	}
	service, reporting := w.reports()
	h := &bot.Handler{
		Robot: crypt(""), App: crypt(keys.WeCom.CorpID), Service: crypt(keys.Service.AppID),
		RobotNames: []string{"场所码助手"}, Blind: blind, Contact: "指挥部", Policy: service.Policy,
		Desk: service, Roll: &daily.Stages{Service: service, Directory: w.registry, Log: reporting}, Reports: reporting, Directory: w.registry,
		Binder: store.NewBindCodes(w.engine, w.registry, w.vault.Blind, rand.Reader, clock), Names: w.registry, Memory: store.NewReplies(w.engine, clock),
		Civil: clock, Machine: clock, Random: rand.Reader, Log: o.log,
	}
	o.value("handler", h)
	app := w.serve(h.Routes)
	n, replies := 0, 0
	everything := func() {
		for path, build := range map[string]func(sim.Keys, sim.Incoming) (sim.Callback, error){
			sim.RobotPath: sim.RobotCallback, sim.AppPath: sim.AppCallback, sim.ServicePath: sim.ServiceCallback,
		} {
			for _, from := range []string{"s001", "stranger", openid} {
				for _, text := range []string{
					people[0].Name + people[0].Phone, "上报 12 " + people[0].Name, "上报 " + people[0].IDNumber, "绑定 " + webhook, "绑定 " + people[0].Name, "查", "撤回", "申诉 " + people[0].Name, "未报", "更正 9999999999",
				} {
					n++
					c := must[sim.Callback](o)(build(keys, sim.Incoming{MsgID: fmt.Sprint(1000 + n), From: from, Chat: "g1", Text: text, Sent: noon, At: noon, Nonce: fmt.Sprint("n", n)}))
					call := func(c sim.Callback) (int, string) {
						return w.do(app, must[*http.Request](o)(c.Request(o.Context(), "http://door.example")), false)
					}
					if status, body := call(c); status == http.StatusOK && body != "" && body != "success" {
						said, err := sim.OpenReply(keys, path, []byte(body))
						if err != nil {
							o.Fatal(err)
						}
						o.text("reply to "+from+" in "+path, []byte(said))
						replies++
					}
					for _, body := range []string{text, "<xml><Encrypt>" + text, `{"encrypt":"` + text + `"}`, "<xml>" + text + "</xml>", `{"encrypt":` + text + `}`} {
						bad := c
						bad.Body = []byte(body)
						call(bad)
					}
					inner := must[*sim.Crypt](o)(sim.NewCrypt(token[:32], aesKey, map[string]string{sim.AppPath: keys.WeCom.CorpID, sim.ServicePath: keys.Service.AppID}[path]))
					for i, plain := range []string{text, "<xml><Content>" + text + "</xml>", `{"text":` + text, `{"msgid":7,"from":"` + text + `"}`} {
						bad := c
						n++
						q := url.Values{"timestamp": c.Query["timestamp"], "nonce": {fmt.Sprint("b", n, i)}}
						sealed := inner.Seal([]byte(plain))
						q.Set("msg_signature", inner.Sign(q.Get("timestamp"), q.Get("nonce"), sealed))
						for k, v := range c.Query {
							if !q.Has(k) {
								q[k] = v
							}
						}
						bad.Query, bad.Body = q, []byte("<xml><Encrypt>"+sealed+"</Encrypt></xml>")
						if path == sim.RobotPath {
							bad.Body = []byte(`{"encrypt":"` + sealed + `"}`)
						}
						call(bad)
					}
				}
			}
		}
	}
	everything()
	w.rows()
	if err := w.engine.Close(); err != nil {
		o.Fatal(err)
	}
	everything()
	check()
	o.logged("message not answered")
	if replies < 100 {
		o.Errorf("only %d replies", replies)
	}
}
