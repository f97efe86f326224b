package leak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/venuecode/venuecode/health"
	"github.com/venuecode/venuecode/notifier"
	"github.com/venuecode/venuecode/platform"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// echo is a service that repeats what it was sent wherever it can.
func echo(status int, format string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		all, _ := json.Marshal(r.URL.String() + " " + string(body) + " " + appSecret + " " + people[0].IDNumber)
		w.Header().Set("Location", "http://127.0.0.1:1/"+r.URL.String())
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, format, all)
	}
}

// hostile are the answers of services that mean no good, by what they are.
var hostile = map[string]http.HandlerFunc{
	"refusal":  echo(200, `{"errcode":40013,"errmsg":%s,"access_token":"","code":"40004","sub_msg":%[1]s}`),
	"quota":    echo(200, `{"errcode":45009,"errmsg":%s}`),
	"down":     echo(500, "%s"),
	"redirect": echo(307, "%s"),
	"garbage":  echo(200, "%s"),
	"types":    echo(200, `{"errcode":%s,"openid":7,"access_token":%[1]s,"expires_in":%[1]s,"color":%[1]s,"at":%[1]s}`),
	"alipay":   echo(200, `{"error_response":{"code":"40002","msg":%s,"sub_code":"isv.`+people[0].IDNumber+`","sub_msg":%[1]s},"sign":"AAAA"}`),
	"sub code": echo(200, `{"error_response":{"code":"40002","msg":%s,"sub_code":"`+people[0].Phone+`"}}`),
	"cut": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "999")
		_, _ = io.WriteString(w, appSecret)
	},
	"token, then refusal": func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cgi-bin/stable_token" || r.URL.Path == "/cgi-bin/gettoken" {
			_, _ = fmt.Fprintf(w, `{"access_token":%q,"expires_in":7200}`, accessKey)
			return
		}
		echo(200, `{"errcode":42001,"errmsg":%s,"invaliduser":%[1]s}`)(w, r)
	},
	"token, then silence": func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cgi-bin/stable_token" || r.URL.Path == "/cgi-bin/gettoken" {
			_, _ = fmt.Fprintf(w, `{"access_token":%q,"expires_in":7200}`, accessKey)
			return
		}
		panic(http.ErrAbortHandler)
	},
}

// platforms: WeChat wants secret and token in the query, so that the addresses
// asked for are no finding; the headers are looked at.
func platforms(o *out) {
	to := must[platform.OpenID](o)(platform.ParseOpenID(openid))
	o.value("openid", to)
	_, err := platform.ParseOpenID(openid + " " + people[0].Name)
	o.failure("openid", err)
	for name, c := range map[string]platform.AlipayConfig{
		"key":        {AppID: "2021", PrivateKey: appSecret, AlipayPublicKey: publicKey},
		"cut key":    {AppID: "2021", PrivateKey: privateKey[:len(privateKey)-9], AlipayPublicKey: publicKey},
		"public key": {AppID: "2021", PrivateKey: privateKey, AlipayPublicKey: appSecret},
		"phone key":  {AppID: "2021", PrivateKey: privateKey, AlipayPublicKey: publicKey, PhoneKey: aesKey},
		"base":       {AppID: "2021", PrivateKey: privateKey, AlipayPublicKey: publicKey, HTTP: platform.HTTP{Base: "://" + appSecret}},
		"no app":     {PrivateKey: privateKey, AlipayPublicKey: publicKey, PhoneKey: phoneKey},
	} {
		_, err := platform.NewAlipay(c)
		o.failure("alipay with a bad "+name, err)
	}
	o.failure("install", platform.Install(platform.HTTP{Base: "://" + appSecret}))

	bases := map[string]string{"nobody there": o.nowhere(), "no host": "http://no-such-host.invalid"}
	for name, answer := range hostile {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := r.Header.Clone()
			h.Del("Authorization")
			o.text("headers", fmt.Append(nil, h))
			answer(w, r)
		}))
		o.Cleanup(s.Close)
		bases[name] = s.URL
	}
	ctx := o.Context()
	for name, base := range bases {
		reach := platform.HTTP{Base: base, Timeout: 300 * time.Millisecond}
		if err := platform.Install(reach); err != nil {
			o.Fatal(err)
		}
		w := newWorld(o) // with no token yet
		tokens := platform.NewTokens(w.engine, w.vault, clock)
		wc := platform.WeChatConfig{AppID: "wx1", Secret: appSecret, Tokens: tokens}
		sc := platform.ServiceConfig{AppID: "wx2", Secret: appSecret, Tokens: tokens}
		cc := platform.WeComConfig{CorpID: "ww1", Secret: appSecret, AgentID: "1", Tokens: tokens}
		ac := platform.AlipayConfig{AppID: "2021", PrivateKey: privateKey, AlipayPublicKey: publicKey, PhoneKey: phoneKey, HTTP: reach}
		wechat := must[*platform.WeChat](o)(platform.NewWeChat(wc))
		service := must[*platform.ServiceAccount](o)(platform.NewServiceAccount(sc))
		wecom := must[*platform.WeCom](o)(platform.NewWeCom(cc))
		alipay := must[*platform.Alipay](o)(platform.NewAlipay(ac))
		for _, v := range []any{wc, sc, cc, ac, &wc, wechat, service, wecom, alipay, tokens} {
			o.printed(fmt.Sprintf("%T", v), v)
		}
		message := platform.Message{To: to, Template: "t", Data: map[string]string{"thing1": "青禾市民中心"}}
		text := "您好，" + people[0].Name
		_, login := wechat.Login(ctx, loginCode)
		_, phone := wechat.Phone(ctx, loginCode)
		_, login2 := alipay.Login(ctx, loginCode)
		_, phone2 := alipay.Phone(ctx, `{"response":"`+phoneKey+`","sign":"`+people[0].Phone+`"}`)
		_, forged := alipay.VerifyNotification(url.Values{"app_id": {"2021"}, "sign_type": {"RSA2"}, "sign": {people[0].Phone}, "biz_content": {people[0].Name}})
		for op, err := range map[string]error{
			"login": login, "phone": phone, "subscribe": wechat.Subscribe(ctx, message),
			"text": service.Send(ctx, to, text), "template": service.Template(ctx, message),
			"app": wecom.SendApp(ctx, "s001", text), "group": wecom.SendGroup(ctx, webhook, text, nil),
			"alipay login": login2, "alipay phone": phone2, "alipay template": alipay.Template(ctx, message), "notification": forged,
			"bad webhook": wecom.SendGroup(ctx, webhook+"&x="+appSecret, text, nil), "bad userid": wecom.SendApp(ctx, people[0].Name, text),
		} {
			o.maybe(name+": "+op, err)
			o.log.Error("x", "error", err)
		}
		for _, code := range []string{people[0].Name, loginCode + "&appid=x", ""} {
			_, err := wechat.Login(ctx, code)
			o.failure("login with another code", err)
			_, err = alipay.Login(ctx, code)
			o.failure("login with another code", err)
		}
		w.rows()
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := platform.Install(platform.HTTP{Base: bases["garbage"]}); err != nil {
		o.Fatal(err)
	}
	wechat := must[*platform.WeChat](o)(platform.NewWeChat(platform.WeChatConfig{AppID: "wx1", Secret: appSecret, Tokens: platform.NewTokens(nil, nil, clock)}))
	_, err = wechat.Phone(gone, loginCode)
	o.failure("canceled", err)
}

func colours(o *out) {
	w := newWorld(o)
	_, person := w.registered(0)
	bases := map[string]string{"nobody there": o.nowhere(), "no address": "://" + appSecret}
	for name, answer := range hostile {
		bases[name] = o.outside(answer).URL
	}
	bases["about another"] = o.outside(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"id_number":%q,"color":"green","at":"2022-10-12T12:00:00+08:00"}`, people[1].IDNumber)
	}).URL
	bases["green"] = o.outside(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"id_number":%q,"color":"green","at":"2022-10-12T12:00:00+08:00"}`, people[0].IDNumber)
	}).URL
	for name, base := range bases {
		options := health.Options{
			Base: base, Credential: appSecret, Timeout: 200 * time.Millisecond, Reuse: time.Second, BreakerOpen: time.Second,
			Identify: w.people.Identity, Machine: venue.ClockFunc(time.Now), Log: o.log,
		}
		c := health.New(options)
		r, err := c.Probe(o.Context(), person)
		o.maybe(name, err)
		_, nobody := c.Probe(o.Context(), venue.PersonID{1})
		o.failure(name+", nobody", nobody)
		for range 7 { // the breaker opens, and says so
			c.Colour(o.Context(), person)
		}
		for _, v := range []any{options, &options, c, r, person} {
			o.printed(fmt.Sprintf("%T", v), v)
		}
	}
	o.logged("breaker")
}

// word goes out under addresses that are secrets.
func word(o *out) {
	w := newWorld(o)
	if err := platform.Install(platform.HTTP{Base: o.nowhere(), Timeout: 300 * time.Millisecond}); err != nil {
		o.Fatal(err)
	}
	for i, cause := range []error{nil, venue.ErrUnavailable, errors.New("gone")} {
		o.metrics = prometheus.NewRegistry() // each notifier has its own
		senders := addresses{cause, must[*platform.WeCom](o)(platform.NewWeCom(platform.WeComConfig{Tokens: platform.NewTokens(w.engine, w.vault, clock)}))}
		outbox := notifier.New(notifier.Options{
			Outbox: store.NewCollection[store.OutboxRow](w.engine, store.Outbox), Clock: clock, Log: o.log, Directory: senders,
			Senders: notifier.Senders{Group: senders, App: senders, Service: senders, Subscribe: senders},
			Metrics: o.metrics, Policy: notifier.Policy{MaxAttempts: 2},
		})
		o.value("notifier", outbox)
		for _, m := range []venue.Message{
			{Kind: venue.MessageReminder, To: venue.Recipient{Channel: venue.ChannelRobot, ID: "g1"}, Units: []venue.UnitMention{{Unit: "u1", Name: "青禾市民中心"}}},
			{Kind: venue.MessageAlarm, To: venue.Recipient{Channel: venue.ChannelService, ID: "blind"}, Alarm: &venue.AlarmFacts{Venue: "v"}},
			{Kind: venue.MessageRecheck, To: venue.Recipient{Channel: venue.ChannelSubscribe, ID: "blind"}, Recheck: &venue.RecheckFacts{Venue: "v", At: noon}},
			{Kind: venue.MessageAlarm, To: venue.Recipient{Channel: venue.ChannelWeComApp, ID: "s001"}},
			{Kind: "unknown", To: venue.Recipient{Channel: venue.ChannelRobot, ID: "g1"}},
		} {
			m.ID, m.Due = fmt.Sprint(i, m.Kind, m.To.Channel), noon
			o.maybe("post", outbox.Post(o.Context(), m))
		}
		for range 3 {
			_, err := outbox.Run(o.Context(), noon.Add(time.Hour))
			o.maybe("run", err)
		}
		w.rows()
	}
	o.logged("message is dead", "message failed")
}

// addresses knows where everybody is. A group is reached through the platform,
// whose address holds the webhook's key; the others fail by a cause.
type addresses struct {
	cause error
	wecom *platform.WeCom
}

func (a addresses) Group(context.Context, venue.GroupID) (string, string, error) {
	return "办公室主任群", webhook, nil
}
func (a addresses) Address(context.Context, venue.Recipient) (string, error) { return openid, nil }
func (a addresses) SendGroup(ctx context.Context, key, text string, mentions []string) error {
	if a.cause == nil {
		return nil
	}
	return a.wecom.SendGroup(ctx, key, text, mentions)
}
func (a addresses) SendApp(context.Context, string, string) error         { return a.cause }
func (a addresses) Send(context.Context, string, string) error            { return a.cause }
func (a addresses) SendCard(context.Context, string, notifier.Card) error { return a.cause }
