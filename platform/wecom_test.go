package platform

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/venuecode/venuecode/venue"
)

func newWeCom(t *testing.T) *WeCom {
	t.Helper()
	w, err := NewWeCom(WeComConfig{CorpID: "ww1", Secret: canarySecret, AgentID: "1000002", Tokens: alone()})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWeComWritesTheWireForm(t *testing.T) {
	f := newFar(t)
	bodies := map[string]string{}
	for _, at := range []string{appMessage, webhookSend} {
		f.on(at, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			bodies[at] = r.URL.RawQuery + " " + string(b)
			io.WriteString(w, `{"errcode":0,"errmsg":"ok"}`)
		})
	}
	w := newWeCom(t)
	// WeCom refuses \uXXXX (40033), and JSON writes < > & U+2028 so unless told.
	text := "漏报 <3> & \"更正\"\u2028第二行\x00\xff"
	if err := w.SendApp(t.Context(), "zhang.san", text); err != nil {
		t.Fatal(err)
	}
	if err := w.SendGroup(t.Context(), "k-1", text, []string{"zhang.san"}); err != nil {
		t.Fatal(err)
	}
	content := `"content":"漏报 <3> & \"更正\"\n第二行` + "\ufffd" + `"`
	for at, want := range map[string][]string{
		appMessage:  {"access_token=tok-1 ", `"touser":"zhang.san"`, `"msgtype":"text"`, `"agentid":"1000002"`, content},
		webhookSend: {"key=k-1 ", `"msgtype":"text"`, `"mentioned_list":["zhang.san"]`, `"mentioned_mobile_list":[]`, content},
	} {
		for _, s := range want {
			if !strings.Contains(bodies[at], s) {
				t.Errorf("%s lacks %s: %s", at, s, bodies[at])
			}
		}
	}
}

func TestWeComRefusesWhatWouldReachOthers(t *testing.T) {
	f := newFar(t)
	w := newWeCom(t)
	for _, to := range []string{"", "@all", "a|b", "a b", "张三", strings.Repeat("a", 65)} {
		if err := w.SendApp(t.Context(), to, "x"); !errors.Is(err, venue.ErrInvalid) {
			t.Errorf("userid %q: %v", to, err)
		}
	}
	for _, key := range []string{"", "k&key=other", "k/../x", "k#", strings.Repeat("k", 65)} {
		err := w.SendGroup(t.Context(), key, "x", nil)
		if !errors.Is(err, venue.ErrInvalid) || (key != "" && strings.Contains(err.Error(), key)) {
			t.Errorf("webhook key %q: %v", key, err)
		}
	}
	if err := w.SendGroup(t.Context(), "k", "x", []string{"a|b"}); !errors.Is(err, venue.ErrInvalid) {
		t.Errorf("mention: %v", err)
	}
	for _, text := range []string{"", "\x00", strings.Repeat("报", 683)} {
		if err := w.SendGroup(t.Context(), "k", text, nil); !errors.Is(err, venue.ErrInvalid) {
			t.Errorf("group, %d bytes: %v", len(text), err)
		}
		if err := w.SendApp(t.Context(), "a", text); !errors.Is(err, venue.ErrInvalid) {
			t.Errorf("app, %d bytes: %v", len(text), err)
		}
	}
	if len(f.calls) != 0 {
		t.Errorf("calls went out: %v", f.calls)
	}
}

func TestMemberDroppedByWeComIsGone(t *testing.T) {
	f := newFar(t)
	w := newWeCom(t)
	for _, body := range []string{`{"errcode":0,"invaliduser":"zhangsan"}`, `{"errcode":0,"unlicenseduser":"zhangsan"}`} {
		f.says(appMessage, body)
		err := w.SendApp(t.Context(), "zhangsan", "x")
		wantKind(t, err, Gone, 0)
		if strings.Contains(err.Error(), "zhangsan") {
			t.Errorf("the error names the member: %v", err)
		}
	}
}

func TestGroupsNeedNoApp(t *testing.T) {
	f := newFar(t)
	w, err := NewWeCom(WeComConfig{Tokens: alone()})
	if err != nil {
		t.Fatal(err)
	}
	f.says(webhookSend, `{"errcode":0}`)
	if err := w.SendGroup(t.Context(), "k", "x", nil); err != nil {
		t.Error(err)
	}
	wantKind(t, w.SendApp(t.Context(), "a", "x"), Refused, 0)
	if _, err := NewWeCom(WeComConfig{CorpID: "ww1", Secret: canarySecret, Tokens: alone()}); err == nil {
		t.Error("an app without agent id would share another's token")
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\u2028b\x00\xff<>&")
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\x00\r\b\f\x1b\x7f\u2028\u2029") {
			t.Fatalf("clean(%q) = %q", s, got)
		}
		if clean(got) != got {
			t.Fatalf("clean(%q) is not clean", got)
		}
	})
}
