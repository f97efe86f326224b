package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// keptDays is the longest that visits are kept: no more days have a key than
// these and today.
const keptDays = 60

// History is the visits that somebody made, as they may read them.
type History struct {
	People *People
	Scans  store.ScanLog
}

// VisitPage is a part of a list, the newest first.
type VisitPage struct {
	Visits []venue.Scan
	Next   string // Before of the next page; "" on the last
}

// MostVisits is the longest page.
const MostVisits = 50

// Visits lists what a person scanned with their own phone since they have been
// registered without interruption: nothing proves that an ID number belongs to
// whoever registers it, so nobody is shown a visit that could be another's.
// before is VisitPage.Next; limit is cut to MostVisits, and 0 is that. A person
// that is gone has none.
func (h History) Visits(ctx context.Context, person venue.PersonID, before string, limit int) (page VisitPage, err error) {
	end, err := parsePlace(before)
	if err != nil {
		return page, err
	}
	if limit <= 0 || limit > MostVisits {
		limit = MostVisits
	}
	since, err := h.People.Registered(ctx, person)
	if err != nil || since.IsZero() {
		return page, err
	}
	newest := venue.DayOf(h.People.clock.Now())
	oldest := max(newest-keptDays, venue.DayOf(since))
	if !end.at.IsZero() {
		newest = min(newest, venue.DayOf(end.at))
	}
	for day := newest; day >= oldest; day-- {
		lacking := limit - len(page.Visits)
		visits, err := h.ofDay(ctx, person, day, lacking+1, func(s venue.Scan) bool {
			return s.Method == venue.MethodPhone && !s.At.Before(since) && end.behind(s)
		})
		if err != nil {
			return VisitPage{}, err
		}
		if len(visits) > lacking {
			if lacking > 0 {
				page.Visits = append(page.Visits, visits[:lacking]...)
			}
			page.Next = placeOf(page.Visits[limit-1]).String()
			return page, nil
		}
		page.Visits = append(page.Visits, visits...)
	}
	return page, nil
}

// ofDay is the last most visits of a day that are wanted, the newest first.
func (h History) ofDay(ctx context.Context, person venue.PersonID, day venue.Day, most int, wanted func(venue.Scan) bool) (visits []venue.Scan, err error) {
	pseudonym, err := h.People.vault.Pseudonym(day, person)
	if errors.Is(err, ErrNoKey) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("find the visits of %s: %w", day, err)
	}
	for s, err := range h.Scans.OfPerson(ctx, day, pseudonym) {
		if err != nil {
			return nil, fmt.Errorf("read the visits of %s: %w", day, err)
		}
		if !wanted(s) {
			continue
		}
		if len(visits) == most {
			visits = slices.Delete(visits, 0, 1)
		}
		visits = append(visits, s)
	}
	slices.Reverse(visits)
	return visits, nil
}

// lastDay is the newest day after one on which a person was scanned by anybody,
// as far as today's keys reach; not ok if there is none.
func (h History) lastDay(ctx context.Context, person venue.PersonID, after, today venue.Day) (last venue.Day, ok bool, err error) {
	for day := today; day > after && day >= today-keptDays; day-- {
		pseudonym, err := h.People.vault.Pseudonym(day, person)
		if errors.Is(err, ErrNoKey) {
			continue
		} else if err != nil {
			return 0, false, fmt.Errorf("find the visits of %s: %w", day, err)
		}
		for _, err := range h.Scans.OfPerson(ctx, day, pseudonym) {
			if err != nil {
				return 0, false, fmt.Errorf("read the visits of %s: %w", day, err)
			}
			return day, true, nil
		}
	}
	return 0, false, nil
}

// Registered is since when a person has been registered without interruption;
// zero if they are not.
func (p *People) Registered(ctx context.Context, id venue.PersonID) (time.Time, error) {
	row, err := p.persons.Get(ctx, id.Key())
	if errors.Is(err, venue.ErrNotFound) {
		return time.Time{}, nil
	}
	return row.Value.Registered, err
}

// place is where a list goes on: behind the visit at an instant with an id. The
// zero place is the beginning.
type place struct {
	at time.Time
	id string
}

func placeOf(s venue.Scan) place { return place{s.At, s.Key.ID()} }

func (p place) String() string { return strconv.FormatInt(p.at.UnixMilli(), 10) + "-" + p.id }

// behind tells whether a visit comes behind the place, the newest first.
func (p place) behind(s venue.Scan) bool {
	return p.at.IsZero() || s.At.Before(p.at) || s.At.Equal(p.at) && s.Key.ID() < p.id
}

func parsePlace(text string) (p place, err error) {
	if text == "" {
		return p, nil
	}
	at, id, ok := strings.Cut(text, "-")
	ms, err := strconv.ParseInt(at, 10, 64)
	if p = (place{time.UnixMilli(ms), id}); !ok || err != nil || ms <= 0 || p.String() != text || len(id) != 32 {
		return p, &venue.Invalid{Field: "before", Reason: "shape"}
	}
	return p, nil
}
