package console

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

// Proof is what auditors ask of the whole trail: whether it is as it was
// written, and some days of it with what proves them to others.
type Proof interface {
	Verify(ctx context.Context) (audit.Report, error)
	Export(ctx context.Context, from, to time.Time, w io.Writer) error
}

// A walk over the trail takes longer than a request may. There is one at a time.
const (
	verifyWithin = 2 * time.Minute
	exportWithin = 10 * time.Minute
	pieceWithin  = 15 * time.Second // to take a piece of an export
	exportDays   = 31               // the most in one file
)

// walk writes to the trail that somebody is about to walk it, and keeps others
// from it until end is called.
func (h *Handler) walk(c *call, action string, details map[string]string) (end func(), err error) {
	if !h.walking.TryLock() {
		c.Set(fiber.HeaderRetryAfter, "30")
		return nil, errWalking
	}
	_, err = h.Trail.Append(c.ctx, audit.Event{Actor: c.by.User(), Action: action, Outcome: string(access.Allowed), Details: details})
	if err != nil {
		h.walking.Unlock()
		return nil, err
	}
	return h.walking.Unlock, nil
}

func (h *Handler) verifyAudit(c *call) (answer, error) {
	end, err := h.walk(c, "audit.verify", nil)
	if err != nil {
		return answer{}, err
	}
	defer end()
	ctx, cancel := web.Deadline(c.Ctx, verifyWithin)
	defer cancel()
	report, err := h.Proof.Verify(ctx)
	return answer{page: "verified", data: report}, err
}

// exportAudit streams: nothing of it is kept. A file that was cut short has no
// end, and the reader of exports says so.
func (h *Handler) exportAudit(c *call) (answer, error) {
	first, err := queryDay(c, "from")
	if err != nil {
		return answer{}, err
	}
	last, err := queryDay(c, "to")
	if err != nil {
		return answer{}, err
	}
	if last < first || last-first >= exportDays {
		return answer{}, &venue.Invalid{Field: "to", Reason: "range"}
	}
	end, err := h.walk(c, "audit.export", map[string]string{"from": first.String(), "to": last.String()})
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := web.Deadline(c.Ctx, exportWithin)
	body, w := io.Pipe()
	out := unhurried{w, c.Context().Conn(), h.Machine}
	go func() {
		defer end()
		defer cancel()
		defer func() { // outside the handler nobody else survives a panic
			if recover() != nil {
				w.CloseWithError(errors.New("export panicked"))
			}
		}()
		w.CloseWithError(h.Proof.Export(ctx, first.Start(), (last + 1).Start(), out))
	}()
	c.Set(fiber.HeaderContentType, "application/x-ndjson")
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="audit-`+first.String()+`-`+last.String()+`.jsonl"`)
	c.Context().SetBodyStream(body, -1)
	return answer{}, nil
}

// queryDay reads a day that must be there.
func queryDay(c *call, field string) (venue.Day, error) {
	text := c.Query(field)
	if text == "" {
		return 0, &venue.Invalid{Field: field, Reason: "missing"}
	}
	d, err := venue.ParseDay(text)
	if err != nil {
		return 0, &venue.Invalid{Field: field, Reason: "shape"}
	}
	return d, nil
}

// unhurried gives whoever reads time for each piece; the server's own deadline
// is for a whole answer.
type unhurried struct {
	io.Writer
	conn    net.Conn
	machine venue.Clock
}

func (u unhurried) Write(piece []byte) (int, error) {
	if err := u.conn.SetWriteDeadline(u.machine.Now().Add(pieceWithin)); err != nil {
		return 0, err
	}
	return u.Writer.Write(piece)
}

func (h *Handler) logoutEverywhere(c *call) (answer, error) {
	if err := h.Access.LogoutEverywhere(c.ctx, c.by); err != nil {
		return answer{}, err
	}
	h.setCookie(c, "")
	return answer{to: "/console/login"}, nil
}
