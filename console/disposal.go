package console

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/venue"
)

// Disposal is what the console shows of the destruction of data. It destroys
// nothing: what is approved here is run by an operator.
type Disposal interface {
	// Due is the last day that is destroyed by itself, Latest the last that may
	// be by hand.
	Due() (due, latest venue.Day)
	// Plan lists the days through one of which something is left.
	Plan(ctx context.Context, through venue.Day) ([]vault.CertifiedDay, error)
	// Certificates are the signed lines, oldest first; Certificate is one:
	// venue.ErrNotFound.
	Certificates(ctx context.Context) ([]json.RawMessage, error)
	Certificate(ctx context.Context, number int64) (json.RawMessage, error)
	// Names of the platform, one of which is typed out to end it.
	Names() []string
}

const requestsPage = "/console/requests"

// request is an act that waits for a second account.
type request struct {
	ID       string     `json:"id"`
	Act      string     `json:"act"`
	Subject  string     `json:"subject"`
	Reason   string     `json:"reason"`
	By       string     `json:"by"`
	At       time.Time  `json:"at"`
	State    string     `json:"state"`
	Approver string     `json:"approver,omitempty"`
	Approved *time.Time `json:"approved,omitempty"`
	Open     bool       `json:"-"` // can be approved or dropped by whoever looks
	Own      bool       `json:"-"` // and withdrawn
}

type requestList struct {
	Requests []request `json:"requests"`
}

func requestOf(r access.Request) request {
	q := request{ID: r.ID, Act: r.Act, Subject: r.Subject, Reason: r.Reason, By: r.By, At: r.At.In(venue.Zone), State: r.State, Approver: r.Approver}
	if !r.Approved.IsZero() {
		at := r.Approved.In(venue.Zone)
		q.Approved = &at
	}
	return q
}

func (h *Handler) requests(c *call) (answer, error) {
	list, err := h.Access.Requests(c.ctx, c.by)
	if err != nil {
		return answer{}, err
	}
	out := requestList{Requests: []request{}}
	for _, r := range list {
		row := requestOf(r)
		pair, _ := access.PairFor(r.Act)
		row.Own = r.By == c.by.User()
		row.Open = !row.Own && c.by.May(pair.Check)
		out.Requests = append(out.Requests, row)
	}
	return answer{page: "requests", data: out}, nil
}

// decided answers what became of a request; a browser goes back to the list.
func (c *call) decided(r access.Request, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	if !c.json {
		return answer{to: requestsPage}, nil
	}
	return answer{data: requestOf(r)}, nil
}

func (h *Handler) approveRequest(c *call) (answer, error) {
	var q struct{ TOTP string }
	if err := c.read(&q); err != nil {
		return answer{}, err
	}
	return c.decided(h.Access.ApproveRequest(c.ctx, c.by, c.Params("id"), q.TOTP))
}

func (h *Handler) rejectRequest(c *call) (answer, error) {
	return c.decided(h.Access.RejectRequest(c.ctx, c.by, c.Params("id")))
}

// purgePlan is what would be destroyed through a day.
type purgePlan struct {
	Due     venue.Day            `json:"due"`    // the last day that is destroyed by itself
	Latest  venue.Day            `json:"latest"` // the last that may be by hand
	Through venue.Day            `json:"through"`
	Days    []vault.CertifiedDay `json:"days"`
}

func (h *Handler) purges(c *call) (answer, error) {
	var out purgePlan
	var err error
	out.Due, out.Latest = h.Disposal.Due()
	out.Through = out.Due
	if text := c.Query("through"); text != "" {
		if out.Through, err = h.through(text); err != nil {
			return answer{}, err
		}
	}
	out.Days, err = h.Disposal.Plan(c.ctx, out.Through)
	return answer{page: "purges", data: out}, err
}

// through reads the last day of what is to be destroyed.
func (h *Handler) through(text string) (venue.Day, error) {
	day, err := venue.ParseDay(text)
	if err != nil {
		return 0, &venue.Invalid{Field: "through", Reason: "shape"}
	}
	if _, latest := h.Disposal.Due(); day > latest {
		return 0, &venue.Invalid{Field: "through", Reason: "too_late"}
	}
	return day, nil
}

func (h *Handler) askPurge(c *call) (answer, error) {
	var q struct{ Through, Reason string }
	if err := c.read(&q); err != nil {
		return answer{}, err
	}
	day, err := h.through(q.Through)
	if err != nil {
		return answer{}, err
	}
	return c.decided(h.Access.Ask(c.ctx, c.by, "purge", day.String(), q.Reason))
}

func (h *Handler) askSunset(c *call) (answer, error) {
	var q struct{ Confirm, Reason string }
	if err := c.read(&q); err != nil {
		return answer{}, err
	}
	if q.Confirm == "" || !slices.Contains(h.Disposal.Names(), q.Confirm) {
		return answer{}, &venue.Invalid{Field: "confirm", Reason: "differs"}
	}
	return c.decided(h.Access.Ask(c.ctx, c.by, "sunset", q.Confirm, q.Reason))
}

// askEscrow asks for a copy of the keys: its subject is the days, a blank and
// the fingerprint of the custodian's key.
func (h *Handler) askEscrow(c *call) (answer, error) {
	var q struct {
		Days              json.Number
		Custodian, Reason string
	}
	if err := c.read(&q); err != nil {
		return answer{}, err
	}
	days, err := strconv.Atoi(q.Days.String())
	if err != nil || days < 1 || time.Duration(days)*24*time.Hour > vault.MaxEscrow {
		return answer{}, &venue.Invalid{Field: "days", Reason: "range"}
	}
	fingerprint := strings.TrimSpace(q.Custodian)
	if !vault.IsFingerprint(fingerprint) { // it goes into the trail, and somebody pastes the private key
		return answer{}, &venue.Invalid{Field: "custodian", Reason: "shape"}
	}
	return c.decided(h.Access.Ask(c.ctx, c.by, "escrow", fmt.Sprintf("%d %s", days, fingerprint), q.Reason))
}

// certificateList is all certificates as they were signed, the newest first.
type certificateList struct {
	Certificates []json.RawMessage   `json:"certificates"`
	Read         []vault.Certificate `json:"-"`
}

func (h *Handler) certificates(c *call) (answer, error) {
	lines, err := h.Disposal.Certificates(c.ctx)
	if err != nil {
		return answer{}, err
	}
	out := certificateList{Certificates: []json.RawMessage{}}
	for _, line := range slices.Backward(lines) {
		var read vault.Certificate
		if err := json.Unmarshal(line, &read); err != nil {
			return answer{}, fmt.Errorf("read a certificate: %w", err)
		}
		out.Certificates, out.Read = append(out.Certificates, line), append(out.Read, read)
	}
	return answer{page: "certificates", data: out}, nil
}

func (h *Handler) certificate(c *call) (answer, error) {
	number, err := strconv.ParseInt(c.Params("number"), 10, 64)
	if err != nil {
		return answer{}, venue.ErrNotFound
	}
	line, err := h.Disposal.Certificate(c.ctx, number)
	if err != nil {
		return answer{}, err
	}
	return answer{data: line}, nil
}
