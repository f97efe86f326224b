package main

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/venuecode/venuecode/internal/faultproxy"
	"github.com/venuecode/venuecode/internal/mongotest"
)

// outage is how long the store is away, and how often people scan.
type outage struct {
	rate            int // scans a second
	before, away    time.Duration
	answer          time.Duration // 99 of 100 answers take no longer
	direct, drained time.Duration // after the store is back
}

// TestNoScanIsLostOrRefusedWhileTheStoreIsAway: the store goes under load, in each
// of the ways in which it can go, and comes back.
func TestNoScanIsLostOrRefusedWhileTheStoreIsAway(t *testing.T) {
	// The three share two cores, perhaps with others: the times are three times those
	// that must hold.
	o := outage{rate: 40, before: 2 * time.Second, away: 6 * time.Second, answer: 3 * time.Second, direct: 45 * time.Second, drained: 2 * time.Minute}
	if long {
		o = outage{rate: 100, before: 20 * time.Second, away: time.Minute, answer: time.Second, direct: 15 * time.Second, drained: 2 * time.Minute}
	}
	faults := func(f ...faultproxy.Fault) func(*faultproxy.Proxy, bool) {
		return func(p *faultproxy.Proxy, away bool) {
			n := 0
			p.On(func(string) faultproxy.Fault {
				if !away {
					return faultproxy.None
				}
				n++
				return f[n%len(f)]
			})
		}
	}
	for _, way := range []struct {
		name string
		away func(p *faultproxy.Proxy, away bool)
	}{
		{"half-open", faults(faultproxy.Silent)},
		{"refused", (*faultproxy.Proxy).Away},
		{"cut", faults(faultproxy.Lost, faultproxy.Half, faultproxy.Refuse)},
	} {
		t.Run(way.name, func(t *testing.T) {
			if !long {
				t.Parallel()
			}
			s := mongotest.Start(t)
			proxy := faultproxy.Start(t, s.Address())
			o.run(t, newRush(t, proxy.URI(), s.URI()), func(away bool) { way.away(proxy, away) })
		})
	}
}

func (o outage) run(t *testing.T, r *rush, away func(bool)) {
	ctx, end := context.WithCancel(t.Context())
	defer end()
	var crowd sync.WaitGroup
	crowd.Go(func() { r.offer(ctx, o.rate) })
	time.Sleep(o.before)
	away(true)
	gone := machine.Now()
	time.Sleep(o.away / 2)
	ready := send(t, newRequest(t, http.MethodGet, r.server.ops+"/readyz", "", ""))
	want(t, "ready while the store is away", ready.status == http.StatusOK, true)
	time.Sleep(o.away/2 - machine.Now().Sub(gone.Add(o.away/2)))
	back := machine.Now()
	away(false)

	var direct, drained time.Duration
	for direct == 0 || drained == 0 {
		time.Sleep(50 * time.Millisecond)
		since := machine.Now().Sub(back)
		if since > 2*o.drained {
			t.Fatalf("straight to the store after %s, drained after %s; 0 is never", direct, drained)
		}
		metrics := (&town{t: t, ops: r.server.ops}).metrics()
		if direct == 0 && gauge(metrics, "venuecode_store_direct", 1) == 1 && r.any(func(s *scanned) bool { return s.due.After(back) && !s.answered.IsZero() && s.refused == 0 }) {
			direct = since
		}
		if drained == 0 && gauge(metrics, "venuecode_spool_waiting", 0) == 0 && !r.any(func(s *scanned) bool { return s.due.Before(back) && s.answered.IsZero() }) {
			drained = since
		}
	}
	end()
	crowd.Wait()
	r.check()

	meanwhile, refused := 0, 0
	var first []time.Duration
	for _, s := range r.scans {
		first = append(first, s.first)
		if s.refused > 0 {
			refused++
		}
		if s.due.After(gone) && s.due.Before(back) {
			meanwhile++
		}
	}
	slices.Sort(first)
	p99 := first[len(first)*99/100]
	t.Logf("%d scans, %d while the store was away; %d refused; 99 of 100 answered in %s; straight to the store %s after it was back, drained %s", len(r.scans), meanwhile, refused, p99, direct, drained)
	if refused > 0 {
		t.Errorf("%d scans were refused", refused)
	}
	if p99 > o.answer || direct > o.direct || drained > o.drained {
		t.Errorf("want %s, %s and %s at most", o.answer, o.direct, o.drained)
	}
}

// TestWhatAKilledProcessKeptIsBroughtByTheNext: the store is away, the process is
// killed with what it keeps, and started again when the store is back.
func TestWhatAKilledProcessKeptIsBroughtByTheNext(t *testing.T) {
	s := mongotest.Start(t)
	proxy := faultproxy.Start(t, s.Address())
	r := newRush(t, proxy.URI(), s.URI())
	ctx, end := context.WithCancel(t.Context())
	var crowd sync.WaitGroup
	crowd.Go(func() { r.offer(ctx, 40) })
	time.Sleep(time.Second)
	proxy.Away(true)
	waiting := func() float64 {
		return gauge((&town{t: t, ops: r.server.ops}).metrics(), "venuecode_spool_waiting", -1)
	}
	until := func(what string, is func(waiting float64) bool) {
		t.Helper()
		for begun := machine.Now(); !is(waiting()); time.Sleep(20 * time.Millisecond) {
			if machine.Now().Sub(begun) > tooLong {
				t.Fatalf("%s: %v scans wait", what, waiting())
			}
		}
	}
	until("the store is away", func(waiting float64) bool { return waiting >= 40 })
	<-r.heard
	r.server.kill()
	proxy.Away(false)
	r.start()
	end()
	crowd.Wait()
	r.waiting.Wait()
	until("the store is back", func(waiting float64) bool { return waiting == 0 })
	r.check()
}

func (r *rush) any(is func(*scanned) bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.scans, is)
}

// gauge reads a metric without labels; otherwise, if it is not there.
func gauge(metrics, name string, otherwise float64) float64 {
	m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(metrics)
	if m == nil {
		return otherwise
	}
	v, _ := strconv.ParseFloat(m[1], 64)
	return v
}
