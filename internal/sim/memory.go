package sim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/venuecode/venuecode/internal/durable"
)

// record is one line of the world's memory: exactly one field is set.
type record struct {
	Phone   *phoneRecord   `json:"phone,omitempty"`
	Colour  *colourRecord  `json:"colour,omitempty"`
	Message *messageRecord `json:"message,omitempty"`
}

type phoneRecord struct {
	ID       string `json:"id"`
	App      string `json:"app"`
	OpenID   string `json:"openid"`
	Name     string `json:"name"`
	IDNumber string `json:"id_number"`
	Phone    string `json:"phone"`
}

type colourRecord struct {
	IDNumber string `json:"id_number"`
	Color    string `json:"color"`
}

type messageRecord struct {
	Talk string `json:"talk"`
	Message
}

const worldFile = "world.jsonl"

var errClosed = errors.New("sim: closed")

// journal appends records to a file and syncs before it says so. Those who
// append at the same time share one sync. Without a file it only forgets.
type journal struct {
	file *os.File

	mu     sync.RWMutex // guards closed against a send on a closed channel
	closed bool
	lines  chan line
	done   chan struct{}
}

type line struct {
	text []byte
	ack  chan error
}

// readWorld gives the records of a world to replay, in order. A
// last line without its end was never acknowledged and is dropped.
func readWorld(world string, replay func(record)) error {
	if world == "" {
		return nil
	}
	f, err := os.Open(filepath.Join(world, worldFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read world: %w", err)
	}
	defer f.Close()
	r := bufio.NewReader(f)
	for n := 1; ; n++ {
		text, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read world: %w", err)
		}
		var rec record
		if err := json.Unmarshal(text, &rec); err != nil {
			return fmt.Errorf("read world: line %d is damaged", n)
		}
		replay(rec)
	}
}

// startJournal rewrites the file to the records given, then appends to it.
func startJournal(world string, live []record) (*journal, error) {
	j := &journal{lines: make(chan line), done: make(chan struct{})}
	if world == "" {
		close(j.done)
		return j, nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, r := range live {
		if err := enc.Encode(r); err != nil {
			return nil, fmt.Errorf("compact world: %w", err)
		}
	}
	path := filepath.Join(world, worldFile)
	if err := durable.Replace(path, b.Bytes(), 0o600); err != nil {
		return nil, fmt.Errorf("compact world: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open world: %w", err)
	}
	j.file = f
	go j.run()
	return j, nil
}

// append returns when the record is on disk. An error means that it may not be.
func (j *journal) append(r record) error {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if j.closed {
		return errClosed
	}
	if j.file == nil {
		return nil
	}
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("remember: %w", err)
	}
	ack := make(chan error, 1)
	j.lines <- line{append(text, '\n'), ack}
	return <-ack
}

func (j *journal) run() {
	defer close(j.done)
	var failed error // a torn line must stay the last one
	for l := range j.lines {
		batch := []line{l}
	collect:
		for {
			select {
			case more, ok := <-j.lines:
				if !ok {
					break collect
				}
				batch = append(batch, more)
			default:
				break collect
			}
		}
		if failed == nil {
			failed = j.write(batch)
		}
		for _, l := range batch {
			l.ack <- failed
		}
	}
}

func (j *journal) write(batch []line) error {
	var b bytes.Buffer
	for _, l := range batch {
		b.Write(l.text)
	}
	if _, err := j.file.Write(b.Bytes()); err != nil {
		return fmt.Errorf("remember: %w", err)
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("remember: %w", err)
	}
	return nil
}

func (j *journal) close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return nil
	}
	j.closed = true
	close(j.lines)
	j.mu.Unlock()
	<-j.done
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}
