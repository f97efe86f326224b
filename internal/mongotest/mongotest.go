// Package mongotest starts the development server of internal/devmongo for
// tests, as a process of its own that can be killed and started again.
package mongotest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Server is a running development server. Its methods are not safe for
// concurrent use.
type Server struct {
	program, dir string
	address      string
	process      *exec.Cmd
	alive        io.Closer // the server ends when this is closed
}

// Start starts a server with an empty memory, which ends with the test. It
// fails the test if there is none to be had: a suite that was skipped says
// nothing.
func Start(t testing.TB) *Server {
	t.Helper()
	program, err := build()
	if err != nil {
		t.Fatalf("the development server can not be built: %v", err)
	}
	s := &Server{program: program, dir: t.TempDir(), address: "127.0.0.1:0"}
	s.Restart(t)
	t.Cleanup(s.Kill)
	return s
}

// URI is where the server listens. It stays the same when it is started again.
func (s *Server) URI() string { return "mongodb://" + s.address + "/" }

// Address is the host and port of URI.
func (s *Server) Address() string { return s.address }

// Kill ends the server at once, as a power cut would.
func (s *Server) Kill() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill()
	_ = s.process.Wait() // tells that it was killed
	_ = s.alive.Close()
	s.process = nil
}

// Restart starts the server on what it has kept, after Kill.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Kill()
	var complaint strings.Builder
	p := exec.Command(s.program, "-dir", s.dir, "-listen", s.address)
	p.Stderr = &complaint
	in, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	s.process, s.alive = p, in
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		s.Kill()
		t.Fatalf("the development server did not start: %v %s", err, &complaint)
	}
	s.address = strings.TrimSpace(line)
}

// build makes the program and tells where it is. The go command keeps it among
// its own files, so that only the first time is long.
var build = sync.OnceValues(func() (program string, err error) {
	dir, err := os.Getwd() // tests run in their package's folder
	if err != nil {
		return "", err
	}
	module := filepath.Join("internal", "devmongo")
	for !exists(filepath.Join(dir, module, "go.mod")) {
		up := filepath.Dir(dir)
		if up == dir {
			return "", os.ErrNotExist
		}
		dir = up
	}
	var complaint strings.Builder
	c := exec.Command("go", "tool", "-n", "devmongo")
	c.Dir = filepath.Join(dir, module)
	c.Stderr = &complaint
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, &complaint)
	}
	return strings.TrimSpace(string(out)), nil
})

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
