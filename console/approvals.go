package console

import (
	"context"
	"errors"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/sync/errgroup"

	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// Of several in one request, each of which is as if alone.
const (
	mostNamed = 500
	atOnce    = 8
)

// notTooMany refuses none, too.
func notTooMany[ID ~string](ids []ID) error {
	switch n := len(ids); {
	case n == 0:
		return &venue.Invalid{Field: "ids", Reason: "missing"}
	case n > mostNamed:
		return &venue.Invalid{Field: "ids", Reason: "range"}
	}
	return nil
}

// approved is what became of one of several applications.
type approved struct {
	applicationRow
	Refusal string `json:"refusal,omitempty"` // why it was not
}

type approvals struct {
	Approved     int        `json:"approved"`
	Applications []approved `json:"applications"` // as they were named
}

// Rest are those that were not approved.
func (a approvals) Rest() (rest []approved) {
	for _, one := range a.Applications {
		if one.Refusal != "" {
			rest = append(rest, one)
		}
	}
	return rest
}

// approveApplications approves several, each as if alone. Where one of them is not
// there, or not in scope, nothing is done.
func (h *Handler) approveApplications(c *call) (answer, error) {
	var q struct{ IDs []string }
	if err := c.read(&q); err != nil {
		return answer{}, err
	}
	if err := notTooMany(q.IDs); err != nil {
		return answer{}, err
	}
	list := make([]registry.Application, len(q.IDs))
	for i, id := range q.IDs {
		var err error
		if list[i], err = h.Office.Application(c.ctx, c.by.Scope(), id); err != nil {
			return answer{}, err
		}
	}
	out := approvals{Applications: make([]approved, len(list))}
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, a := range list {
		g.Go(func() error {
			after, err := h.approveOne(c, a)
			if err == nil {
				a = after
			}
			out.Applications[i] = approved{h.applicationRow(a), h.refusal(c.ctx, audit.Object{Kind: "application", ID: a.AuditID()}, err)}
			return nil
		})
	}
	_ = g.Wait()
	out.Approved = len(list) - len(out.Rest())
	return answer{page: "approved", data: out}, nil
}

// approveOne approves one of several. One whose unit's register entry must be seen
// is looked at alone.
func (h *Handler) approveOne(c *call, a registry.Application) (registry.Application, error) {
	if a.Proof && a.State == registry.StatePending {
		return a, &registry.Refused{Rule: registry.RuleProof}
	}
	if err := h.act(c, "application.approve", "application", a.AuditID(), ""); err != nil {
		return a, err
	}
	return h.Applying.Approve(c.ctx, a.ID, registry.Who{Account: c.by.User()}, false)
}

// refusal is what an officer reads of why something was not done to one of several,
// "" if it was. A fault of ours is logged: the answer is fine otherwise.
func (h *Handler) refusal(ctx context.Context, of audit.Object, err error) string {
	if err == nil {
		return ""
	}
	err = plain(err)
	status, sentence := web.Sentence(err)
	var invalid *venue.Invalid
	if errors.As(err, &invalid) {
		sentence = invalidSentence(invalid)
	}
	if status >= fiber.StatusInternalServerError {
		h.Log.ErrorContext(ctx, "one of several not done", of.Kind, of.ID, "error", err)
	}
	return sentence
}
