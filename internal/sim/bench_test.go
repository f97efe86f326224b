package sim

import (
	"testing"

	"github.com/valyala/fasthttp"
)

// The two calls on a load test's path, without the network.

func BenchmarkQueryHealth(b *testing.B) {
	s := benchWorld(b)
	h := s.App().Handler()
	b.RunParallel(func(p *testing.PB) {
		var c fasthttp.RequestCtx
		for p.Next() {
			c.Request.Reset()
			c.Response.Reset()
			c.Request.Header.SetMethod("POST")
			c.Request.SetRequestURI("/health/v1/query")
			c.Request.Header.Set("Authorization", "Bearer "+s.keys.Health)
			c.Request.SetBodyString(`{"id_number":"11010119900307803X","name":"张三"}`)
			h(&c)
			if c.Response.StatusCode() != 200 {
				b.Fatal(c.Response.String())
			}
		}
	})
}

func BenchmarkCode2Session(b *testing.B) {
	s := benchWorld(b)
	h := s.App().Handler()
	id, err := s.NewPhone("wechat", "张三", "11010119900307803X", "13800138000")
	if err != nil {
		b.Fatal(err)
	}
	k := s.keys.Wechat
	base := "/sns/jscode2session?appid=" + k.AppID + "&secret=" + k.Secret + "&grant_type=authorization_code&js_code="
	b.RunParallel(func(p *testing.PB) {
		var c fasthttp.RequestCtx
		for p.Next() {
			c.Request.Reset()
			c.Response.Reset()
			c.Request.SetRequestURI(base + s.LoginCode(id))
			c.Request.Header.Set(OrigHost, weixinHost)
			h(&c)
			if c.Response.StatusCode() != 200 {
				b.Fatal(c.Response.String())
			}
		}
	})
}

func benchWorld(b *testing.B) *Sim {
	b.Helper()
	s, err := New(Options{Civil: newClock(), Machine: newClock(), City: testCity, Keys: testKeys()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}
