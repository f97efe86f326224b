package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
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

// Posting is a look at a door: the unit's own, an applicant's, or an inspector's.
type Posting struct {
	ID      string
	Door    venue.Code
	Venue   venue.VenueID
	Finding Finding
	Remark  string // 0 to 200 characters
	Photo   []byte // a JPEG as package photo makes it; nil for none. Sealed where it is kept
	Has     bool   // in lists, which leave the photo out: there is one
	At      time.Time
	By      string // account, or Applicant
}

// Applicant has no account: who applied, and shows that the codes hang.
const Applicant = "applicant"

// ApplicantDaily is how many looks an applicant may send in of one door on one
// day: nobody fills a disk with an application that they got hold of.
const ApplicantDaily = 5

// Postings keeps them.
type Postings interface {
	// Keep remembers a look; venue.ErrExists if there is one of its id.
	Keep(ctx context.Context, p Posting) error
	// Kept tells whether there is one of an id.
	Kept(ctx context.Context, id string) (bool, error)
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
	if p.ID == "" {
		if p.ID, err = NewID(s.Random); err != nil {
			return p, err
		}
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

// Standing is the place that an application made, as it is now, with those of the
// doors that were applied for that are its unit's still and not closed, in the
// form's order. None before it is approved.
func (s *Service) Standing(ctx context.Context, a Application) (p Place, err error) {
	if a.State != StateApproved {
		return p, nil
	}
	for id := a.Made.Venue; id != ""; id = p.Venue.Into {
		if p, err = s.Book.Place(ctx, id); err != nil {
			return p, err
		}
	}
	p.Doors = slices.DeleteFunc(p.Doors, func(d venue.Door) bool {
		return p.open() != nil || d.Status == venue.StatusClosed || d.Unit != a.Made.Unit || !slices.Contains(a.Made.Codes, d.Code)
	})
	slices.SortFunc(p.Doors, func(x, y venue.Door) int {
		return cmp.Compare(slices.Index(a.Made.Codes, x.Code), slices.Index(a.Made.Codes, y.Code))
	})
	return p, nil
}

// Own makes of what an applicant found at a door, posted or damaged, a look that
// Post takes once it has its photo. *Refused: RuleClosed (closed, another unit's,
// or none of the application's), RuleProof, RuleToday.
func (s *Service) Own(ctx context.Context, kept Postings, a Application, p Posting) (Posting, error) {
	if p.Finding != FoundPosted && p.Finding != FoundDamaged {
		return p, &venue.Invalid{Field: "finding", Reason: ReasonUnknown}
	}
	place, err := s.Standing(ctx, a)
	if err != nil {
		return p, err
	}
	if _, err := place.door(p.Door); err != nil {
		return p, refuse(RuleClosed)
	}
	if place.Venue.Status == venue.StatusPending {
		return p, refuse(RuleProof)
	}
	p.Venue, p.By = place.Venue.ID, Applicant
	day := venue.DayOf(s.Clock.Now())
	for n := 1; n <= ApplicantDaily; n++ {
		p.ID = fmt.Sprintf("%s.%s.%d", p.Door, day, n)
		if is, err := kept.Kept(ctx, p.ID); err != nil || !is {
			return p, err
		}
	}
	return p, refuse(RuleToday)
}
