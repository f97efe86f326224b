package console

import (
	"context"
	"io"
	"time"

	"github.com/gofiber/fiber/v2"

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
	exportDays   = 31 // the most in one file
)

// walk writes to the trail that somebody is about to walk it, and keeps others
// from it until end is called.
func (h *Handler) walk(c *call, action string, details map[string]string) (end func(), err error) {
	if !h.walking.TryLock() {
		c.Set(fiber.HeaderRetryAfter, "30")
		return nil, errWalking
	}
	if err = h.note(c, audit.Event{Action: action, Details: details}); err != nil {
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

// exportAudit streams. A file that was cut short has no end, and the reader of
// exports says so.
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
	file := "audit-" + first.String() + "-" + last.String() + ".jsonl"
	return answer{}, h.stream(c, "application/x-ndjson", file, func(ctx context.Context, w io.Writer) error {
		defer end()
		return h.Proof.Export(ctx, first.Start(), (last + 1).Start(), w)
	})
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

func (h *Handler) logoutEverywhere(c *call) (answer, error) {
	if err := h.Access.LogoutEverywhere(c.ctx, c.by); err != nil {
		return answer{}, err
	}
	h.setCookie(c, "")
	return answer{to: "/console/login"}, nil
}
