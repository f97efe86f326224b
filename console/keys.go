package console

import (
	"context"
	"slices"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

// Keys are the keys of the vault: what there is, never their bytes.
type Keys interface {
	Status() vault.Status
	Rotate(name string) (newest uint32, err error)
	// Escrows lists the copies that have not expired, the first to expire first.
	Escrows(ctx context.Context) ([]store.EscrowRow, error)
}

// keyList is vault.Status, with the copies that somebody else holds.
type keyList struct {
	Suite   string            `json:"suite"`
	Epoch   uint32            `json:"epoch"`
	Keys    []vault.KeyStatus `json:"keys"`
	Days    []venue.Day       `json:"days"`
	Escrows []escrow          `json:"escrows"`
}

type escrow struct {
	Made     time.Time `json:"made"`
	Expires  time.Time `json:"expires"`
	Oldest   venue.Day `json:"oldest"`
	By       string    `json:"by"`
	Approver string    `json:"approver"`
}

func (h *Handler) keys(c *call) (answer, error) {
	copies, err := h.Keys.Escrows(c.ctx)
	if err != nil {
		return answer{}, err
	}
	s := h.Keys.Status()
	out := keyList{s.Suite, s.Epoch, s.Keys, append([]venue.Day{}, s.Days...), []escrow{}}
	for _, r := range copies {
		out.Escrows = append(out.Escrows, escrow{r.Made.In(venue.Zone), r.Expires.In(venue.Zone), venue.Day(r.Oldest), r.By, r.Approver})
	}
	return answer{page: "keys", data: out}, nil
}

// rotateKey begins a new key of a name that is there: no other text gets into
// the trail.
func (h *Handler) rotateKey(c *call) (answer, error) {
	var q struct{ Key string }
	if err := c.read(&q); err != nil {
		return answer{}, err
	}
	if !slices.ContainsFunc(h.Keys.Status().Keys, func(k vault.KeyStatus) bool { return k.Rotates && k.Name == q.Key }) {
		return answer{}, &venue.Invalid{Field: "key", Reason: "unknown"}
	}
	if err := h.note(c, audit.Event{Action: "keys.rotate", Details: map[string]string{"key": q.Key}}); err != nil {
		return answer{}, err
	}
	newest, err := h.Keys.Rotate(q.Key)
	if err != nil {
		return answer{}, err
	}
	a := answer{to: "/console/keys"}
	if c.json {
		a.data = struct {
			Key    string `json:"key"`
			Newest uint32 `json:"newest"`
		}{q.Key, newest}
	}
	return a, nil
}
