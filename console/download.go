package console

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/sheet"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

// What a file that is taken away may need, more than any other answer.
const (
	downloadWithin = 30 * time.Minute // to be made: the codes of a city as pictures take six, where much else runs
	pieceWithin    = 15 * time.Second // to take a piece of it
)

// How slowly it may be taken on the whole, since others wait for their turn: at a pace,
// in bytes a second, and a minute longer.
const (
	takenAt   = 128 << 10
	takenLate = time.Minute
)

var errDownload = errors.New("making the file panicked")

// stream answers with a file as write makes it: nothing of it is kept. An error
// before its first byte is answered like any other; after that the answer breaks
// off, so that nobody takes it for the whole, and the log says why.
func (h *Handler) stream(c *call, kind, file string, write func(ctx context.Context, w io.Writer) error) error {
	ctx, cancel := web.Deadline(c.Ctx, downloadWithin)
	body, pipe := io.Pipe()
	out := &unhurried{ctx: ctx, to: pipe, conn: c.Context().Conn(), machine: h.Machine, begun: make(chan struct{})}
	ended, route := make(chan error, 1), c.Route().Path
	go func() {
		defer cancel()
		err := errDownload
		defer func() {
			if recover() != nil { // outside the handler nobody else survives it
				h.Log.Error("making a file panicked", "route", route, "stack", string(debug.Stack()))
			}
			select {
			case <-out.begun:
				h.endOf(route, pipe, err)
			default:
				ended <- err
			}
		}()
		err = write(ctx, out)
	}()
	select {
	case <-out.begun:
	case err := <-ended:
		return err
	}
	attach(c, kind, file)
	c.Context().SetBodyStream(body, -1)
	return nil
}

// attach says what the file is that follows.
func attach(c *call, kind, file string) {
	c.Set(fiber.HeaderContentType, kind)
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="`+file+`"`)
}

// endOf ends a file that has begun. The server would write an error that is told
// to it in a form of its own.
func (h *Handler) endOf(route string, pipe *io.PipeWriter, err error) {
	switch {
	case err == nil:
		_ = pipe.Close()
		return
	case errors.Is(err, io.ErrClosedPipe): // nobody reads it any more, or too slowly
		h.Log.Info("download given up", "route", route)
	default:
		h.Log.Error("download cut short", "route", route, "error", err)
	}
	_ = pipe.CloseWithError(io.ErrUnexpectedEOF)
}

// unhurried gives whoever reads time for each piece, until ctx ends or it has waited
// too long in all; the server's own deadline is for a whole answer.
type unhurried struct {
	ctx     context.Context
	to      io.Writer
	conn    net.Conn
	machine venue.Clock
	once    sync.Once
	begun   chan struct{} // closed by the first piece
	taken   int64         // bytes
	waited  time.Duration // for them to be taken: what it takes to make them does not count
}

func (u *unhurried) Write(piece []byte) (int, error) {
	if err := u.ctx.Err(); err != nil { // whoever makes the file may not look
		return 0, err
	}
	if u.waited > takenLate+time.Duration(u.taken/takenAt)*time.Second {
		return 0, io.ErrClosedPipe // as if nobody read it
	}
	since := u.machine.Now()
	if err := u.conn.SetWriteDeadline(since.Add(pieceWithin)); err != nil {
		return 0, err
	}
	u.once.Do(func() { close(u.begun) })
	n, err := u.to.Write(piece)
	u.taken, u.waited = u.taken+int64(n), u.waited+u.machine.Now().Sub(since)
	return n, err
}

// list is one that can be taken away as a workbook.
type list struct {
	file, name string // of the workbook, and of its sheet
	columns    []sheet.Column
}

// beginning begins a workbook with a title, and gives what adds a row to it.
type beginning func(title string) (row func(texts ...string) error, err error)

const xlsxType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

// leaves writes down that a list of what is in scope leaves the platform as a file.
func (h *Handler) leaves(c *call, list string) error {
	details := map[string]string{}
	if d, err := h.division(c, c.Query("division")); err == nil {
		details["division"] = string(d)
	}
	return h.note(c, audit.Event{Action: "list.download", Object: audit.Object{Kind: "list", ID: list}, Details: details})
}

// workbook answers with a list, whole: fill begins it and adds its rows. The last
// line says how many they are.
func (h *Handler) workbook(c *call, l list, fill func(ctx context.Context, begin beginning) error) error {
	if err := h.leaves(c, l.file); err != nil {
		return err
	}
	return h.stream(c, xlsxType, l.file+".xlsx", func(ctx context.Context, out io.Writer) error {
		var w *sheet.Writer
		err := fill(ctx, func(title string) (row func(...string) error, err error) {
			w, err = sheet.NewWriter(out, l.name, l.columns, title)
			return w.Write, err
		})
		if err != nil {
			return err
		}
		return w.Close()
	})
}
