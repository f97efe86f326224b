package audit

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/venuecode/venuecode/internal/durable"
	"github.com/venuecode/venuecode/store"
)

// Sink keeps checkpoints where whoever breaks into this machine can not reach.
type Sink interface {
	// Name tells sinks apart for as long as the trail lives.
	Name() string
	// Send keeps lines, in order, durably before it returns. After an error they
	// are sent again, so a sink may get a line twice.
	Send(ctx context.Context, lines [][]byte) error
}

// FileSink appends lines to a file, say on a mounted share or a disk that can be
// written only once. Several processes share the one file.
type FileSink struct {
	Label string
	Path  string // its folder must be there
}

// Name is the label.
func (s FileSink) Name() string { return s.Label }

// Send appends and syncs. What a crash left of a line that was not acknowledged
// is cut off first.
func (s FileSink) Send(_ context.Context, lines [][]byte) (err error) {
	f, err := os.OpenFile(s.Path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("audit sink %s: %w", s.Label, err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = fmt.Errorf("audit sink %s: %w", s.Label, err)
		}
	}()
	// Until it is closed. Nobody is waited for: a process may stand still with it.
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	end, err := wholeLines(f)
	if err != nil {
		return err
	}
	if err := f.Truncate(end); err != nil {
		return err
	}
	if _, err := f.WriteAt(append(bytes.Join(lines, []byte("\n")), '\n'), end); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if end == 0 {
		return durable.Sync(filepath.Dir(s.Path))
	}
	return nil
}

// wholeLines is how long the file is up to its last newline.
func wholeLines(f *os.File) (int64, error) {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	const step = 4096
	buf := make([]byte, step)
	for end > 0 {
		from := max(0, end-step)
		n, err := f.ReadAt(buf[:end-from], from)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
		end = from
	}
	return 0, nil
}

// SignatureHeader carries the HMAC-SHA-256 of the body, as sha256=hex.
const SignatureHeader = "X-Venuecode-Signature"

// WebSink posts lines as application/x-ndjson. Any 2xx means that the receiver
// keeps them.
type WebSink struct {
	Label   string
	URL     string        `json:"-"` // whoever knows it may post
	Secret  []byte        `json:"-"` // of the HMAC
	Client  *http.Client  // nil: http.DefaultClient
	Timeout time.Duration // of one call; 0: 10 s
}

// Name is the label.
func (s WebSink) Name() string { return s.Label }

// Format keeps the address and the secret out of any print.
func (s WebSink) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "web sink %s", s.Label) }

// Send posts. Its errors carry neither the address nor the receiver's words.
func (s WebSink) Send(ctx context.Context, lines [][]byte) error {
	timeout, client := s.Timeout, s.Client
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	if client == nil {
		client = http.DefaultClient
	}
	// A receiver that sends us on is refused: the next one would be told the
	// address of the first.
	direct := *client
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	body := append(bytes.Join(lines, []byte("\n")), '\n')
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("audit sink %s: its address is not a URL", s.Label)
	}
	mac := hmac.New(sha256.New, s.Secret)
	mac.Write(body)
	request.Header.Set("Content-Type", "application/x-ndjson")
	request.Header.Set(SignatureHeader, "sha256="+hex.EncodeToString(mac.Sum(nil)))
	response, err := direct.Do(request)
	if failure := (*url.Error)(nil); errors.As(err, &failure) {
		return fmt.Errorf("audit sink %s: not reached (timeout: %t)", s.Label, failure.Timeout())
	} else if err != nil {
		return fmt.Errorf("audit sink %s: not reached", s.Label)
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, 64<<10) // so that the connection can be used again
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("audit sink %s: answered %d", s.Label, response.StatusCode)
	}
	return nil
}

// sinkState is a sink and how it is doing.
type sinkState struct {
	Sink
	behind bool      // it may lack something
	retry  time.Time // civil; left alone until then
	failed int       // times in a row
}

// sendBatch is how many lines are sent at once.
const sendBatch = 200

// send gives each sink that is due what it lacks, and says how many got
// everything and how many are put off.
func (t *Trail) send(ctx context.Context, now time.Time) (sent, deferred int) {
	t.draining.Lock()
	defer t.draining.Unlock()
	for _, s := range t.sinks {
		t.mu.Lock()
		due := s.behind && !now.Before(s.retry)
		if due {
			s.behind = false // a checkpoint made meanwhile sets it again
		}
		t.mu.Unlock()
		if !due {
			continue
		}
		err := t.drain(ctx, s)
		t.mu.Lock()
		if err == nil {
			s.failed = 0
			sent++
		} else {
			s.behind, s.retry = true, now.Add(min(time.Minute<<min(s.failed, 6), time.Hour))
			s.failed++
			deferred++
			t.log.WarnContext(ctx, "audit sink is away; its checkpoints wait", "sink", s.Name(), "failures", s.failed, "error", err)
		}
		t.mu.Unlock()
	}
	return sent, deferred
}

// drain sends a sink everything behind its cursor, which moves only when the
// sink has it.
func (t *Trail) drain(ctx context.Context, s *sinkState) error {
	cursors := store.NewCollection[store.MetaRow](t.docs, store.AuditSinks)
	for {
		done, err := sinkCursor(ctx, t.docs, s.Name())
		if err != nil {
			return err
		}
		var lines [][]byte
		full := errors.New("full")
		err = checkpoints(ctx, t.docs, done+1, func(_ store.Document, line []byte) error {
			if len(line) == 0 {
				return errForged
			}
			if lines = append(lines, line); len(lines) == sendBatch {
				return full
			}
			return nil
		})
		if err != nil && !errors.Is(err, full) {
			return err
		}
		if len(lines) == 0 {
			return nil
		}
		if err := s.Send(ctx, lines); err != nil {
			return err
		}
		last, err := readCheckpoint(lines[len(lines)-1], t.signer.Public())
		if err != nil {
			return err
		}
		if _, err := cursors.Update(ctx, s.Name(), true, func(m *store.MetaRow) error {
			m.Value = max(m.Value, last.Number)
			return nil
		}); err != nil {
			return fmt.Errorf("note what audit sink %s has: %w", s.Name(), err)
		}
	}
}

// sinkCursor is the last checkpoint that a sink has acknowledged.
func sinkCursor(ctx context.Context, docs store.Documents, name string) (int64, error) {
	row, err := store.NewCollection[store.MetaRow](docs, store.AuditSinks).Get(ctx, name)
	if err != nil && !isNotFound(err) {
		return 0, fmt.Errorf("read what audit sink %s has: %w", name, err)
	}
	return row.Value.Value, nil
}
