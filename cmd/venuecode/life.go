package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/venuecode/venuecode/internal/city"
	"github.com/venuecode/venuecode/venue"
)

// life is the demo's afternoon: residents who scan and staff who report. It
// does what a person at the simulators' page could do, over the same calls, and
// knows nothing else.
type life struct {
	town  *city.City
	clock venue.Clock
	base  string
	http  *http.Client
	rng   *rand.Rand

	mu     sync.Mutex // guards what follows, and rng
	phones []string
	seen   map[string]int // unit → scans that its staff have counted
}

const (
	lifePhones   = 240                    // residents who go out this afternoon
	scanPause    = 90 * time.Millisecond  // between two scans in the city, real time
	askedBack    = 700 * time.Millisecond // until somebody who was asked back answers
	lifeDeadline = 5 * time.Second
)

func newLife(town *city.City, clock venue.Clock, simulators string) *life {
	return &life{
		town: town, clock: clock, base: simulators, http: &http.Client{Timeout: lifeDeadline},
		rng: rand.New(rand.NewPCG(town.Residents.Seed, 7)), seen: map[string]int{},
	}
}

// run lives until ctx ends. A call that fails is a person who gives up.
func (l *life) run(ctx context.Context) {
	defer l.http.CloseIdleConnections()
	var view struct {
		Doors     []struct{ Link, Unit string }
		Residents []struct {
			Name  string
			ID    string `json:"id_number"`
			Phone string
		}
		Staff []struct{ UserID, Unit, Group string }
	}
	if l.call(ctx, http.MethodGet, "/sim/city", nil, &view) != nil || len(view.Doors) == 0 || len(view.Residents) == 0 {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range min(lifePhones, len(view.Residents)) {
			r := view.Residents[i]
			l.addPhone(ctx, i, r.Name, r.ID, r.Phone)
			if ctx.Err() != nil {
				return
			}
		}
	})
	wg.Go(func() {
		for l.wait(ctx, scanPause) {
			l.mu.Lock()
			door := view.Doors[l.rng.IntN(len(view.Doors))]
			l.mu.Unlock()
			l.scan(ctx, door.Link, door.Unit)
		}
	})
	plan := l.plan()
	for _, member := range view.Staff {
		if when, ok := plan[member.UserID]; ok {
			wg.Go(func() { l.report(ctx, member.UserID, member.Unit, member.Group, when) })
		}
	}
	wg.Wait()
}

func (l *life) addPhone(ctx context.Context, i int, name, id, phone string) {
	switch i % 97 { // a few whose code is not green
	case 41:
		_ = l.call(ctx, http.MethodPut, "/sim/health/"+id, map[string]string{"color": "yellow"}, nil)
	case 83:
		_ = l.call(ctx, http.MethodPut, "/sim/health/"+id, map[string]string{"color": "red"}, nil)
	}
	app := "wechat"
	if i%3 == 2 {
		app = "alipay"
	}
	var made struct{ ID string }
	if l.call(ctx, http.MethodPost, "/sim/phones", map[string]string{"app": app, "name": name, "id_number": id, "phone": phone}, &made) == nil && made.ID != "" {
		l.mu.Lock()
		l.phones = append(l.phones, made.ID)
		l.mu.Unlock()
	}
}

func (l *life) scan(ctx context.Context, link, unit string) {
	l.mu.Lock()
	var phone string
	if n := len(l.phones); n > 0 {
		phone = l.phones[l.rng.IntN(n)]
	}
	l.mu.Unlock()
	if phone == "" {
		return
	}
	var got struct{ Status int }
	if l.call(ctx, http.MethodPost, "/sim/phones/"+phone+"/scans", map[string]string{"link": link, "direction": "in"}, &got) == nil && got.Status == http.StatusOK {
		l.mu.Lock()
		l.seen[unit]++
		l.mu.Unlock()
	}
}

// plan says at which minute of the day who reports. Most are in time, a few
// late, a few never.
func (l *life) plan() map[string]time.Duration {
	plan := map[string]time.Duration{}
	for i, u := range l.town.Units {
		if u.Duty != venue.DutyReports || len(u.Staff) == 0 {
			continue
		}
		at := time.Duration(14*60+40+(i*17)%78) * time.Minute
		switch i % 13 {
		case 5: // late
			at = time.Duration(16*60+2+i%5) * time.Minute
		case 11: // never
			continue
		}
		plan[u.Staff[0].UserID] = at
	}
	return plan
}

// report writes one unit's number in its group, as people write numbers.
func (l *life) report(ctx context.Context, user, unit, group string, at time.Duration) {
	day := venue.DayOf(l.clock.Now())
	for l.clock.Now().Before(day.Start().Add(at)) {
		if !l.wait(ctx, 100*time.Millisecond) {
			return
		}
	}
	l.mu.Lock()
	n := l.seen[unit]
	style := l.rng.IntN(9)
	l.mu.Unlock()
	lines := []string{fmt.Sprintf("上报 %d", n)}
	switch style {
	case 0:
		lines[0] = fmt.Sprintf("今日扫码 %d 次", n)
	case 1:
		lines[0] = fmt.Sprintf("我单位今日共扫码%d人次", n)
	case 2:
		lines[0] = fullWidth(fmt.Sprintf("%d次", n))
	case 3: // asked back, then plain
		lines = []string{fmt.Sprintf("%d 或 %d", n, n+4), fmt.Sprintf("上报 %d", n)}
	case 4: // mistyped, then corrected
		lines = []string{fmt.Sprintf("上报 %d", n*10+7), fmt.Sprintf("更正 %d", n)}
	}
	for _, text := range lines {
		_ = l.call(ctx, http.MethodPost, "/sim/groups/"+group+"/messages", map[string]string{"from": user, "text": text}, nil)
		if !l.wait(ctx, askedBack) {
			return
		}
	}
}

func fullWidth(s string) string {
	out := []rune(s)
	for i, r := range out {
		if r >= '0' && r <= '9' {
			out[i] = r - '0' + '０'
		}
	}
	return string(out)
}

func (l *life) wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// call finishes what it has begun even if ctx ends: whoever is stopped in the
// middle leaves the platform and its simulators complaining about each other.
func (l *life) call(ctx context.Context, method, path string, in, out any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(context.WithoutCancel(ctx), method, l.base+path, body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := l.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if out == nil {
		_, err := io.Copy(io.Discard, response.Body)
		return err
	}
	return json.NewDecoder(response.Body).Decode(out)
}
