package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/venuecode/venuecode/internal/city"
	"github.com/venuecode/venuecode/sheet"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

// The embedded engine admits one process. A tool that wants the memory asks the
// server that has it, through a socket in the data folder that only its owner
// may use; the work is done inside the server.
const controlName = "control.sock"

// control is the server's side.
type control struct {
	server *http.Server
	path   string
}

// tool is one thing that can be asked through the socket: a JSON question, steps
// of progress one after the other, a JSON answer.
type tool func(ctx context.Context, a *app, question json.RawMessage, say func(progress)) (any, error)

var tools = map[string]tool{
	"accounts-bootstrap": bootstrapTool,
	"audit-verify":       auditVerifyTool,
	"audit-export":       auditExportTool,
	"backup":             backupTool,
	"restore":            restoreTool,
	"migrate":            migrateTool,
	"verify":             verifyTool,
	"bind-code":          bindCodeTool,
	"load":               loadTool,
	"decide":             decideTool,
	"keys-status":        keysStatusTool,
	"keys-rotate":        keysRotateTool,
	"keys-escrow":        keysEscrowTool,
	"processes":          processesTool,
	"processes-forget":   processesForgetTool,
	"purge-plan":         purgePlanTool,
	"purge-run":          purgeRunTool,
	"sunset-plan":        sunsetPlanTool,
	"sunset-begin":       sunsetBeginTool,
	"sunset-stop":        sunsetStopTool,
	"certificates":       certificatesTool,
	"import":             importTool,
}

// maxQuestion is the most bytes of a question: a whole sheet in base64.
const maxQuestion = sheet.MaxSize*4/3 + 64<<10

// line is what travels back: progress, then an answer or an error.
type line struct {
	Progress *progress       `json:"progress,omitempty"`
	Answer   json.RawMessage `json:"answer,omitempty"`
	Error    string          `json:"error,omitempty"`
}

func listenControl(a *app) (*control, error) {
	dir, err := os.Open(a.config.DataDir)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	path := filepath.Join(a.config.DataDir, controlName)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("control socket: %w", err), dir.Close())
	}
	old := syscall.Umask(0o177)
	listener, err := net.Listen("unix", socketPath(dir))
	syscall.Umask(old)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("control socket: %w", err), dir.Close())
	}
	mux := http.NewServeMux()
	for name, t := range tools {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) { answerTool(w, r, a, t) })
	}
	c := &control{server: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}, path: path}
	a.workers.Go(func() {
		if err := c.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.log.Error("server ended", "server", "control", "error", err)
		}
		_ = dir.Close() // kept open until here: the socket's address goes through it
	})
	return c, nil
}

// socketPath is the socket's address. A socket's path may have at most 107
// bytes, a folder's may be longer: so it is named through the open folder.
func socketPath(dir *os.File) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), controlName)
}

func (c *control) close() error {
	err := c.server.Close()
	if e := os.Remove(c.path); e != nil && !errors.Is(e, fs.ErrNotExist) {
		err = errors.Join(err, e)
	}
	return err
}

func answerTool(w http.ResponseWriter, r *http.Request, a *app, t tool) {
	out := json.NewEncoder(w)
	send := func(l line) {
		_ = out.Encode(l) // a tool that has gone away needs no answer
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
	}
	question, err := io.ReadAll(io.LimitReader(r.Body, maxQuestion))
	var answer any
	if err == nil {
		answer, err = t(r.Context(), a, question, func(p progress) { send(line{Progress: &p}) })
	}
	var raw json.RawMessage
	if err == nil {
		raw, err = json.Marshal(answer)
	}
	if err != nil {
		send(line{Error: err.Error()})
		return
	}
	send(line{Answer: raw})
}

// errNoServer: nobody holds the data folder.
var errNoServer = errors.New("no server is running on this data folder")

// askServer asks the server that holds the data folder; errNoServer if there is
// none.
func askServer(ctx context.Context, dataDir, name string, question any, say func(progress)) (json.RawMessage, error) {
	dir, err := os.Open(dataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("data folder: %w: `venuecode serve --config FILE` makes it, and the keys, at its first start", err)
	} else if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	defer dir.Close()
	body, err := json.Marshal(question)
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socketPath(dir))
	}}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://control/"+name, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, errNoServer
	} else if err != nil {
		return nil, fmt.Errorf("ask the server: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server does not know %q: is it the same version?", name)
	}
	for lines := json.NewDecoder(response.Body); ; {
		var l line
		if err := lines.Decode(&l); err != nil {
			return nil, fmt.Errorf("the server ended before it answered: %w", err)
		}
		switch {
		case l.Error != "":
			return nil, errors.New(l.Error)
		case l.Progress != nil:
			say(*l.Progress)
		default:
			return l.Answer, nil
		}
	}
}

// loadTool puts a city file into the registry.
func loadTool(ctx context.Context, a *app, question json.RawMessage, say func(progress)) (any, error) {
	var q struct {
		City     string            `json:"city"`
		Webhooks map[string]string `json:"webhooks"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}
	town, err := city.Parse([]byte(q.City))
	if err != nil {
		return nil, err
	}
	if err := a.record(ctx, "registry.load", audit.Object{}, nil); err != nil {
		return nil, err
	}
	known, err := a.registry.Doors(ctx)
	if err != nil {
		return nil, err
	}
	if len(known) > 0 {
		return nil, fmt.Errorf("the registry has %d doors already; a city file only fills an empty one", len(known))
	}
	entries, err := a.settle(ctx, town, func(g venue.GroupID) string { return q.Webhooks[string(g)] })
	if err != nil {
		return nil, err
	}
	return map[string]int{"units": len(entries.Units), "venues": len(entries.Venues), "doors": len(entries.Doors)}, nil
}

// settle writes a city into the registry, webhook keys sealed.
func (a *app) settle(ctx context.Context, town *city.City, webhook func(venue.GroupID) string) (store.Registered, error) {
	entries, err := town.Registered(random, a.clock.Now(), func(g venue.GroupID) ([]byte, error) {
		return a.sealWebhook(webhook(g))
	})
	if err != nil {
		return entries, err
	}
	return entries, a.registry.Put(ctx, entries)
}

func (a *app) sealWebhook(key string) ([]byte, error) { return a.vault.Seal(webhookUse, []byte(key)) }
