package health_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/venuecode/venuecode/health"
	"github.com/venuecode/venuecode/venue"
)

const (
	idNumber   = "11010519491231002X"
	credential = "a-credential-nobody-may-see"
	timeout    = 150 * time.Millisecond
	asOf       = "2022-10-12T12:00:00.123+08:00"
)

// world is a health-code service with a fault, and a client of it.
type world struct {
	*health.Client
	url    string
	answer atomic.Value // http.HandlerFunc
	asked  atomic.Int64
	ahead  atomic.Int64 // ns that the machine clock has been moved
	log    lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func person(n byte) venue.PersonID { return venue.PersonID{n} }

func newWorld(t *testing.T, change ...func(*health.Options)) *world {
	t.Helper()
	w := &world{}
	w.says("green")
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		w.answer.Load().(http.HandlerFunc)(rw, r.WithContext(context.WithValue(r.Context(), closing{}, done)))
	}))
	t.Cleanup(func() { close(done); server.CloseClientConnections(); server.Close() })
	w.url = server.URL
	o := health.Options{
		Base: server.URL, Credential: credential, Timeout: timeout, Reuse: 15 * time.Second, BreakerOpen: 200 * time.Millisecond,
		Identify: identify,
		Machine:  venue.ClockFunc(func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }),
		Log:      slog.New(slog.NewTextHandler(&w.log, nil)),
	}
	for _, c := range change {
		c(&o)
	}
	w.Client = health.New(o)
	return w
}

type closing struct{}

func identify(context.Context, venue.PersonID) (who venue.Identity, err error) {
	if who.Name, err = venue.ParsePersonName("张三丰"); err == nil {
		who.ID, err = venue.ParseIDNumber(idNumber, 1<<20)
	}
	return who, err
}

func (w *world) says(color string) {
	w.serves(func(rw http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(rw, `{"id_number":%q,"color":%q,"at":%q}`, idNumber, color, asOf)
	})
}

func (w *world) serves(f http.HandlerFunc) { w.answer.Store(f) }

func body(status int, text string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(status)
		io.WriteString(rw, text)
	}
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Value(closing{}).(chan struct{}) }

var ctx = context.Background()

func TestTheColourIsReadWithItsSourceTime(t *testing.T) {
	for word, want := range map[string]venue.Health{"green": venue.HealthGreen, "yellow": venue.HealthYellow, "red": venue.HealthRed} {
		w := newWorld(t)
		w.says(word)
		r := w.Colour(ctx, person(1))
		if at, _ := time.Parse(time.RFC3339, asOf); r.Health != want || !r.At.Equal(at) {
			t.Errorf("%s: got %v", word, r)
		}
	}
}

func TestTheQuestionIsTheContract(t *testing.T) {
	w := newWorld(t)
	w.serves(func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got := r.Method + " " + r.URL.Path + " " + r.Header.Get("Authorization") + " " + string(b)
		if want := `POST /health/v1/query Bearer ` + credential + ` {"id_number":"` + idNumber + `","name":"张三丰"}`; got != want {
			t.Errorf("asked\n%s\nwant\n%s", got, want)
		}
	})
	w.Colour(ctx, person(1))
}

var faults = map[string]http.HandlerFunc{
	"hangs":                    hang,
	"answers late":             func(rw http.ResponseWriter, r *http.Request) { time.Sleep(2 * timeout); body(200, good)(rw, r) },
	"server error":             body(500, `oops `+idNumber),
	"right answer, status 500": body(500, good),
	"rate limited":             body(429, `{"error":"too many requests"}`),
	"bad credential":           body(401, `{"error":"bad credential"}`),
	"redirects": func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, "/elsewhere", http.StatusTemporaryRedirect)
	},
	"garbage":         body(200, `<html>`+idNumber),
	"empty":           body(200, ``),
	"JSON null":       body(200, `null`),
	"another person":  body(200, `{"id_number":"110101199003070134","color":"green","at":"`+asOf+`"}`),
	"nobody":          body(200, `{"color":"green","at":"`+asOf+`"}`),
	"no colour":       body(200, `{"id_number":"`+idNumber+`","at":"`+asOf+`"}`),
	"unheard colour":  body(200, `{"id_number":"`+idNumber+`","color":"GREEN","at":"`+asOf+`"}`),
	"says unknown":    body(200, `{"id_number":"`+idNumber+`","color":"unknown","at":"`+asOf+`"}`),
	"no time":         body(200, `{"id_number":"`+idNumber+`","color":"green"}`),
	"endless":         endless,
	"hangs up":        func(rw http.ResponseWriter, _ *http.Request) { c, _, _ := rw.(http.Hijacker).Hijack(); c.Close() },
	"promises a body": func(rw http.ResponseWriter, _ *http.Request) { rw.Header().Set("Content-Length", "99999999") },
}

const good = `{"id_number":"` + idNumber + `","color":"green","at":"` + asOf + `"}`

func endless(rw http.ResponseWriter, _ *http.Request) {
	io.WriteString(rw, good[:len(good)-1]+`,"more":"`)
	junk := bytes.Repeat([]byte("x"), 4<<10)
	for range 1 << 14 { // 64 MB
		if _, err := rw.Write(junk); err != nil {
			return
		}
	}
}

func TestEveryFaultIsUnknownInTimeAndTellsNothing(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.serves(fault)
			start := time.Now()
			if r := w.Colour(ctx, person(1)); r != (venue.Reading{}) {
				t.Errorf("got %v, want unknown", r)
			}
			if took := time.Since(start); took > 2*timeout {
				t.Errorf("took %s of %s", took, timeout)
			}
			r, err := w.Probe(ctx, person(1))
			if r != (venue.Reading{}) || !errors.Is(err, venue.ErrUnavailable) {
				t.Errorf("probe: %v, %v; want ErrUnavailable", r, err)
			}
			for _, secret := range []string{idNumber, idNumber[6:14], credential, "张三丰", w.url} {
				if strings.Contains(fmt.Sprintf("%v %+v %s", err, err, w.log.String()), secret) {
					t.Errorf("error or log tells %s", secret)
				}
			}
		})
	}
}

func TestARefusedConnectionIsUnknown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	w := newWorld(t, func(o *health.Options) { o.Base = "http://" + l.Addr().String() })
	if r := w.Colour(ctx, person(1)); r != (venue.Reading{}) {
		t.Fatalf("got %v", r)
	}
	if asked, silent := w.Calls(); asked != 1 || silent != 1 {
		t.Fatalf("counted %d calls, %d silent", asked, silent)
	}
}

func TestAVaultThatDoesNotAnswerIsUnknownInTime(t *testing.T) {
	for name, identify := range map[string]func(context.Context, venue.PersonID) (venue.Identity, error){
		"silent": func(ctx context.Context, _ venue.PersonID) (venue.Identity, error) {
			<-ctx.Done()
			return venue.Identity{}, ctx.Err()
		},
		"failing": func(context.Context, venue.PersonID) (venue.Identity, error) {
			return venue.Identity{}, errors.New("sealed")
		},
	} {
		w := newWorld(t, func(o *health.Options) { o.Identify = identify })
		start := time.Now()
		if r := w.Colour(ctx, person(1)); r != (venue.Reading{}) || time.Since(start) > 2*timeout {
			t.Errorf("%s: %v after %s", name, r, time.Since(start))
		}
		if _, err := w.Probe(ctx, person(1)); err == nil || errors.Is(err, venue.ErrUnavailable) {
			t.Errorf("%s: probe says %v: the health service is not to blame", name, err)
		}
		if w.asked.Load() != 0 {
			t.Errorf("%s: asked about nobody", name)
		}
	}
}

func TestAPersonWithoutACodeIsUnknownAndNoFault(t *testing.T) {
	w := newWorld(t)
	w.says("none")
	if r, err := w.Probe(ctx, person(1)); r != (venue.Reading{}) || err != nil {
		t.Fatalf("probe: %v, %v", r, err)
	}
	for range 10 { // nor does it open the breaker
		w.Colour(ctx, person(1))
	}
	w.says("green")
	if r := w.Colour(ctx, person(1)); r.Health != venue.HealthGreen {
		t.Fatalf("after ten without a code: %v", r)
	}
	if _, silent := w.Calls(); silent != 0 {
		t.Fatalf("%d counted as silence", silent)
	}
}

func TestAColourIsReusedUpToFifteenSecondsOfTheMachineClock(t *testing.T) {
	w := newWorld(t)
	w.Colour(ctx, person(1))
	w.says("red")
	for _, c := range []struct {
		after time.Duration
		asked int64
		want  venue.Health
	}{
		{0, 1, venue.HealthGreen},
		{14 * time.Second, 1, venue.HealthGreen},
		{15*time.Second + time.Millisecond, 2, venue.HealthRed},
	} {
		w.ahead.Store(int64(c.after))
		if r := w.Colour(ctx, person(1)); r.Health != c.want || w.asked.Load() != c.asked {
			t.Errorf("after %s: %v with %d calls, want %v with %d", c.after, r.Health, w.asked.Load(), c.want, c.asked)
		}
	}
	if r := w.Colour(ctx, person(2)); r.Health != venue.HealthRed || w.asked.Load() != 3 {
		t.Errorf("another person: %v with %d calls", r.Health, w.asked.Load())
	}
}

func TestAnOlderGreenIsNotTheAnswerToSilence(t *testing.T) {
	w := newWorld(t)
	w.Colour(ctx, person(1))
	w.serves(body(500, ""))
	w.ahead.Store(int64(15*time.Second + time.Millisecond))
	if r := w.Colour(ctx, person(1)); r.Health != venue.HealthUnknown {
		t.Fatalf("got %v", r)
	}
}

func TestUnknownIsNeverRemembered(t *testing.T) {
	for name, fault := range map[string]http.HandlerFunc{"fault": body(500, ""), "no code": body(200, strings.Replace(good, "green", "none", 1))} {
		w := newWorld(t)
		w.serves(fault)
		w.Colour(ctx, person(1))
		w.says("yellow")
		if r := w.Colour(ctx, person(1)); r.Health != venue.HealthYellow {
			t.Errorf("%s: then %v, want yellow", name, r)
		}
	}
}

func TestAHundredWhoAskForOnePersonShareOneCall(t *testing.T) {
	w := newWorld(t, func(o *health.Options) { o.Timeout = 5 * time.Second })
	release := make(chan struct{})
	w.serves(func(rw http.ResponseWriter, r *http.Request) { <-release; body(200, good)(rw, r) })

	first, giveUp := context.WithTimeout(ctx, 100*time.Millisecond) // the one whose call it is has less time
	defer giveUp()
	var wg sync.WaitGroup
	wg.Go(func() { w.Colour(first, person(1)) })
	for w.asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	var green, started atomic.Int64
	for range 99 {
		wg.Go(func() {
			started.Add(1)
			if w.Colour(ctx, person(1)).Health == venue.HealthGreen {
				green.Add(1)
			}
		})
	}
	for started.Load() < 99 {
		time.Sleep(time.Millisecond)
	}
	<-first.Done()
	time.Sleep(50 * time.Millisecond)
	close(release)
	wg.Wait()
	if w.asked.Load() != 1 || green.Load() != 99 {
		t.Fatalf("%d calls, %d green; want 1 and 99", w.asked.Load(), green.Load())
	}
}

func TestTheBreakerOpensAfterFiveFailuresAndClosesAfterOneProbe(t *testing.T) {
	w := newWorld(t)
	w.serves(body(500, ""))
	for i := range byte(20) {
		w.Colour(ctx, person(i))
	}
	if w.asked.Load() != 5 {
		t.Fatalf("%d calls of 20 went out, want 5", w.asked.Load())
	}
	w.says("green")
	if r := w.Colour(ctx, person(1)); r.Health != venue.HealthUnknown {
		t.Fatalf("while it is open: %v", r)
	}
	// Probe goes past it, and past what is remembered.
	if r, err := w.Probe(ctx, person(2)); err != nil || r.Health != venue.HealthGreen {
		t.Fatalf("probe: %v, %v", r, err)
	}
	w.says("red")
	if r, err := w.Probe(ctx, person(2)); err != nil || r.Health != venue.HealthRed {
		t.Fatalf("probe past the cache: %v, %v", r, err)
	}
	time.Sleep(220 * time.Millisecond)
	if r := w.Colour(ctx, person(100)); r.Health != venue.HealthRed {
		t.Fatalf("the probe: %v", r)
	}
	w.serves(body(500, "")) // closed after the one: it takes five failures again
	for i := range byte(4) {
		w.Colour(ctx, person(110+i))
	}
	w.says("red")
	if r := w.Colour(ctx, person(120)); r.Health != venue.HealthRed {
		t.Fatalf("after it closed and failed four times: %v", r)
	}
	if !strings.Contains(w.log.String(), "to=open") || !strings.Contains(w.log.String(), "to=closed") {
		t.Errorf("the log does not tell of it:\n%s", w.log.String())
	}
}

func TestTheBreakerStaysOpenWhileTheServiceIsDown(t *testing.T) {
	w := newWorld(t)
	w.serves(body(500, ""))
	for i := range byte(5) {
		w.Colour(ctx, person(i))
	}
	time.Sleep(220 * time.Millisecond)
	for i := range byte(10) {
		w.Colour(ctx, person(i))
	}
	if w.asked.Load() != 6 {
		t.Fatalf("%d calls, want 5 and one probe", w.asked.Load())
	}
}

func TestAConnectionClosedWhileIdleCostsNoColour(t *testing.T) {
	w := newWorld(t)
	w.Colour(ctx, person(1))
	w.serves(func(rw http.ResponseWriter, r *http.Request) {
		if w.asked.Load() == 2 { // the kept connection dies under the request
			c, _, _ := rw.(http.Hijacker).Hijack()
			c.Close()
			return
		}
		body(200, good)(rw, r)
	})
	if r := w.Colour(ctx, person(2)); r.Health != venue.HealthGreen {
		t.Fatalf("got %v", r)
	}
}
