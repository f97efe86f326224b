package audit

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// away is a sink that can not be reached until it is.
type away struct {
	mu    sync.Mutex
	there bool
	lost  bool // keeps lines and does not say so
	kept  bytes.Buffer
}

func (s *away) Name() string { return "away" }

func (s *away) Send(_ context.Context, lines [][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.there && !s.lost {
		return errors.New("no route")
	}
	s.kept.Write(append(bytes.Join(lines, []byte("\n")), '\n'))
	if s.lost {
		return errors.New("cut off")
	}
	return nil
}

func TestASinkThatIsAwayGetsEverythingLater(t *testing.T) {
	ctx := context.Background()
	d := newDesk(t)
	file, far := d.fileSink("file"), &away{}
	d.sinks = []Sink{file, far}
	trail := d.open()
	for i := range 5 {
		d.append(trail, 2)
		if _, deferred := d.run(trail); deferred != 1 {
			t.Errorf("hour %d: %d deferred, want 1", i, deferred)
		}
		d.advance(time.Hour)
	}
	if due, ok, err := trail.Next(ctx); err != nil || !ok || due.After(d.Now()) {
		t.Errorf("the next try is at %v, %v, %v", due, ok, err)
	}
	d.run(trail)
	if err := trail.Close(ctx); err != nil {
		t.Fatal(err)
	}
	far.there = true
	next := d.open() // another process goes on
	d.run(next)
	if _, ok, _ := next.Next(ctx); ok {
		t.Error("something is left to do")
	}
	here, there := d.copyOf(file), far.kept.Bytes()
	if !bytes.Equal(here, there) {
		t.Errorf("the sink that was away has %d bytes, the other %d", len(there), len(here))
	}
	r := d.whole(map[string]io.Reader{"file": bytes.NewReader(here), "away": bytes.NewReader(there)})
	if n := bytes.Count(there, []byte("\n")); n != r.Checkpoints {
		t.Errorf("%d lines, want %d", n, r.Checkpoints)
	}
}

func TestASinkThatIsAwayIsTriedLessOften(t *testing.T) {
	d := newDesk(t)
	d.sinks = []Sink{&away{}}
	trail := d.open()
	var waits []time.Duration
	for range 9 {
		if _, deferred := d.run(trail); deferred != 1 {
			t.Fatalf("after %v: not tried", waits)
		}
		due, ok, err := trail.Next(context.Background())
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		waits = append(waits, due.Sub(d.Now()))
		d.advance(waits[len(waits)-1])
	}
	if waits[0] != time.Minute || waits[3] != 8*time.Minute || waits[8] != time.Hour {
		t.Errorf("waits %v; want 1 min, doubled, at most an hour", waits)
	}
}

func TestALineSentTwiceIsNoFinding(t *testing.T) {
	d := newDesk(t)
	far := &away{lost: true}
	d.sinks = []Sink{far}
	trail := d.open()
	for range 3 {
		d.append(trail, 1)
		d.run(trail)
		d.advance(2 * time.Hour)
	}
	far.mu.Lock()
	far.there, far.lost = true, false
	far.mu.Unlock()
	d.run(trail)
	if n := bytes.Count(far.kept.Bytes(), []byte("\n")); n < 6 {
		t.Fatalf("%d lines: nothing was sent twice", n)
	}
	d.whole(map[string]io.Reader{"away": bytes.NewReader(far.kept.Bytes())})
}

func TestAFileSinkCutsOffWhatACrashLeft(t *testing.T) {
	ctx := context.Background()
	s := FileSink{"f", filepath.Join(t.TempDir(), "f.jsonl")}
	if err := s.Send(ctx, [][]byte{[]byte("one"), []byte("two")}); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(s.Path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(strings.Repeat("torn", 3000)); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := s.Send(ctx, [][]byte{[]byte("three")}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(s.Path); err != nil || string(b) != "one\ntwo\nthree\n" {
		t.Errorf("the file holds %q, %v", b[:min(len(b), 80)], err)
	}
	if err := (FileSink{"f", filepath.Join(t.TempDir(), "no", "folder")}).Send(ctx, nil); err == nil {
		t.Error("a folder that is not there was no error")
	}
}

func TestAWebSinkSignsWhatItPosts(t *testing.T) {
	secret := []byte("between us two")
	var got []byte
	status := http.StatusNoContent
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, secret)
		mac.Write(got)
		if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); r.Method != http.MethodPost || r.Header.Get(SignatureHeader) != want {
			t.Errorf("%s with signature %q, want %q", r.Method, r.Header.Get(SignatureHeader), want)
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	s := WebSink{Label: "w", URL: server.URL + "/in?token=canary-secret", Secret: secret, Timeout: time.Second}
	if err := s.Send(context.Background(), [][]byte{[]byte("one"), []byte("two")}); err != nil || string(got) != "one\ntwo\n" {
		t.Errorf("posted %q, %v", got, err)
	}
	status = http.StatusBadGateway
	if err := s.Send(context.Background(), [][]byte{[]byte("one")}); err == nil {
		t.Error("502 was taken for kept")
	}
}

func TestAWebSinkThatHangsIsLeftAlone(t *testing.T) {
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-stop }))
	defer server.Close()
	defer close(stop)
	s := WebSink{Label: "w", URL: server.URL + "/in?token=canary-secret", Timeout: 50 * time.Millisecond}
	err := s.Send(context.Background(), [][]byte{[]byte("one")})
	if err == nil || !strings.Contains(err.Error(), "timeout: true") {
		t.Errorf("a hanging sink: %v", err)
	}
}

// TestAFileThatAnotherProcessWritesIsNotWaitedFor: it may stand still with it.
func TestAFileThatAnotherProcessWritesIsNotWaitedFor(t *testing.T) {
	ctx := context.Background()
	d := newDesk(t)
	sink := d.fileSink("file")
	if err := sink.Send(ctx, [][]byte{[]byte("one")}); err != nil {
		t.Fatal(err)
	}
	other, err := os.OpenFile(sink.Path, os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(other.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if err := sink.Send(ctx, [][]byte{[]byte("two")}); !errors.Is(err, syscall.EWOULDBLOCK) {
		t.Errorf("beside another: %v", err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if err := sink.Send(ctx, [][]byte{[]byte("two")}); err != nil {
		t.Fatal(err)
	}
	if got := string(d.copyOf(sink)); got != "one\ntwo\n" {
		t.Errorf("the file has %q", got)
	}
}
