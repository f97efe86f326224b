package registry

import (
	"context"
	"errors"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// Finding is what somebody found who looked at a door.
type Finding string

// The findings.
const (
	FoundPosted  Finding = "posted"  // the code hangs there and can be scanned
	FoundDamaged Finding = "damaged" // it hangs there and wants replacing
	FoundMissing Finding = "missing" // it does not hang there, or another does
)

// Posting is a look at a door: the unit's own, or an inspector's.
type Posting struct {
	ID      string
	Door    venue.Code
	Venue   venue.VenueID
	Finding Finding
	Remark  string // 0 to 200 characters
	Photo   []byte // a JPEG as package photo makes it; nil for none. Sealed where it is kept
	Has     bool   // in lists, which leave the photo out: there is one
	At      time.Time
	By      string // account
}

// Postings keeps them.
type Postings interface {
	// Keep remembers a look, once by its id.
	Keep(ctx context.Context, p Posting) error
}

// Post notes what somebody found at a door. From the first time that its code was
// found there it counts as posted, until it is found missing.
func (s *Service) Post(ctx context.Context, kept Postings, p Posting) (Posting, error) {
	var err error
	switch p.Finding {
	case FoundPosted, FoundDamaged, FoundMissing:
	default:
		return p, &venue.Invalid{Field: "finding", Reason: ReasonUnknown}
	}
	if p.Remark, err = venue.ParseTitle("remark", p.Remark, 0, 200); err != nil {
		return p, err
	}
	if p.ID, err = NewID(s.Random); err != nil {
		return p, err
	}
	p.At = venue.Millis(s.Clock.Now())
	if err := kept.Keep(ctx, p); err != nil {
		return p, err
	}
	since := p.At
	if p.Finding == FoundMissing {
		since = time.Time{}
	}
	_, err = s.Book.Change(ctx, p.Venue, Who{Account: p.By}, func(place Place) (Change, error) { return place.Post(p.Door, since) })
	var refused *Refused
	if errors.As(err, &refused) && refused.Rule == RuleAlready {
		err = nil
	}
	return p, err
}
