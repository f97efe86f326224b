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

// outcome is what became of one of several.
type outcome struct {
	Refusal string `json:"refusal,omitempty"` // why it was not done
}

func (o outcome) refused() bool { return o.Refusal != "" }

// rest are those that were not done.
func rest[T interface{ refused() bool }](all []T) (rest []T) {
	for _, a := range all {
		if a.refused() {
			rest = append(rest, a)
		}
	}
	return rest
}

// each does something for each of n, some at once.
func each(n int, do func(i int)) {
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i := range n {
		g.Go(func() error { do(i); return nil })
	}
	_ = g.Wait()
}

// approved is what became of one of several applications.
type approved struct {
	applicationRow
	outcome
}

type approvals struct {
	Approved     int        `json:"approved"`
	Applications []approved `json:"applications"` // as they were named
}

// Rest are those that were not approved.
func (a approvals) Rest() []approved { return rest(a.Applications) }

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
	each(len(list), func(i int) {
		a := list[i]
		after, err := h.approveOne(c, a)
		if err == nil {
			a = after
		}
		out.Applications[i] = approved{h.applicationRow(a), h.outcomeOf(c.ctx, audit.Object{Kind: "application", ID: a.AuditID()}, err)}
	})
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

// outcomeOf is what an officer reads of one of several. A fault of ours is logged: the
// answer is fine otherwise.
func (h *Handler) outcomeOf(ctx context.Context, of audit.Object, err error) outcome {
	if err == nil {
		return outcome{}
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
	return outcome{sentence}
}
