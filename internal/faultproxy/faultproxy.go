// Package faultproxy stands between a MongoDB driver and its server in tests
// and lets go wrong what goes wrong between machines.
package faultproxy

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// Fault is what becomes of one request.
type Fault int

// The faults. A request may be without answer and yet be done.
const (
	None   Fault = iota
	Refuse       // the connection is closed before anything is passed on
	Half         // half of the request is passed on, then the connection is closed
	Lost         // the request is passed on and done, then the connection is closed without an answer
	Silent       // the request is swallowed, the connection stays open: half-open
)

// Proxy passes requests on. Its methods are safe for concurrent use.
type Proxy struct {
	listener net.Listener
	server   string

	mu     sync.Mutex
	decide func(command string) Fault
	delay  time.Duration
	conns  map[net.Conn]bool
	away   bool
}

// Start starts a proxy before the server at an address; it ends with the test.
func Start(t testing.TB, server string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: l, server: server, conns: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() { p.accept(&running) })
	t.Cleanup(func() {
		_ = l.Close()
		p.Away(true)
		running.Wait()
	})
	return p
}

// URI is where the proxy listens.
func (p *Proxy) URI() string { return "mongodb://" + p.listener.Addr().String() + "/" }

// On decides each request's fate by the name of its command, such as "insert";
// nil lets all pass. decide is called by one goroutine at a time.
func (p *Proxy) On(decide func(command string) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decide = decide
}

// Delay holds each request back for d.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Away cuts every connection and refuses new ones until the server is back.
func (p *Proxy) Away(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
	for c := range p.conns {
		if away {
			_ = c.Close()
		}
	}
}

func (p *Proxy) accept(running *sync.WaitGroup) {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		running.Go(func() {
			defer client.Close()
			if p.keep(client) {
				defer p.forget(client)
				p.pass(client)
			}
		})
	}
}

func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		return false
	}
	p.conns[c] = true
	return true
}

func (p *Proxy) forget(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// pass serves one connection until either side, or a fault, ends it.
func (p *Proxy) pass(client net.Conn) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	for {
		request, err := read(client)
		if err != nil {
			return
		}
		fault, delay := p.fate(request)
		if delay > 0 {
			wait := time.NewTimer(delay)
			<-wait.C
		}
		switch fault {
		case Refuse:
			return
		case Half:
			_, _ = server.Write(request[:len(request)/2])
			return
		case Silent:
			continue
		}
		if _, err := server.Write(request); err != nil {
			return
		}
		reply, err := read(server)
		if err != nil || fault == Lost {
			return
		}
		if _, err := client.Write(reply); err != nil {
			return
		}
	}
}

func (p *Proxy) fate(request []byte) (Fault, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.decide == nil {
		return None, p.delay
	}
	return p.decide(command(request)), p.delay
}

const (
	headerLen = 16
	commandAt = headerLen + 4 + 1 + 4 + 1 // behind flags, kind, the document's length, its first field's type
	maxLen    = 48 << 20
)

// command is the name of the first field of a request's document.
func command(request []byte) string {
	if len(request) < commandAt {
		return ""
	}
	name, _, _ := strings.Cut(string(request[commandAt:]), "\x00")
	return name
}

func read(from io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n < headerLen || n > maxLen {
		return nil, errors.New("no message")
	}
	m := make([]byte, n)
	copy(m, head[:])
	_, err := io.ReadFull(from, m[len(head):])
	return m, err
}
