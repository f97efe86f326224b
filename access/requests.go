package access

import (
	"context"
	"fmt"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// Request is an act that one account asks for and another must approve before
// anybody can do it: see Pairs.
type Request struct {
	ID       string
	Act      string // of a Pair: "purge", "sunset", "escrow"
	Subject  string // what exactly, in the act's own words
	Reason   string
	By       string
	At       time.Time // civil
	State    string
	Approver string
	Approved time.Time // zero until then
}

// Take uses an approved request, once: whoever takes it does the act now.
// venue.ErrNotFound if there is none of that act and id that waits to be done.
func (s *Service) Take(context.Context, string, string) (Request, error) {
	return Request{}, fmt.Errorf("request: %w", venue.ErrNotFound)
}
