package registry

import (
	"errors"
	"testing"
	"time"

	"github.com/venuecode/venuecode/venue"
)

func TestWhatIsClosedStaysAsItIs(t *testing.T) {
	manager := venue.ChatAccount{Channel: venue.ChannelWeComApp, ID: "s001"}
	place := func(status venue.Status) Place {
		return Place{
			Venue: venue.Venue{ID: "v", Unit: "u", Status: status, Managers: []venue.ChatAccount{manager}},
			Doors: []venue.Door{{Code: "A", Name: "南门", Status: venue.StatusActive}, {Code: "B", Name: "北门", Status: venue.StatusActive}},
		}
	}
	acts := map[string]func(Place) (Change, error){
		"correct":    func(p Place) (Change, error) { return p.Correct(venue.Venue{Name: "新名"}) },
		"add a door": func(p Place) (Change, error) { return p.AddDoor(ActAddDoor, "C", "侧门") },
		"rename":     func(p Place) (Change, error) { return p.RenameDoor("A", "侧门") },
		"post":       func(p Place) (Change, error) { return p.Post("A", time.Unix(1, 0)) },
		"suspend":    func(p Place) (Change, error) { return p.Suspend("") },
		"close":      func(p Place) (Change, error) { return p.Close("A") },
		"transfer":   func(p Place) (Change, error) { return p.Transfer(venue.Unit{ID: "w"}) },
		"merge": func(p Place) (Change, error) {
			return p.Merge(Place{Venue: venue.Venue{ID: "w", Status: venue.StatusActive}})
		},
		"sentinel": func(p Place) (Change, error) { return p.SetSentinel(true) },
		"manage":   func(p Place) (Change, error) { return p.Manage(venue.ChatAccount{ID: "s002"}) },
		"unmanage": func(p Place) (Change, error) { return p.Unmanage(manager) },
	}
	for name, act := range acts {
		if _, err := act(place(venue.StatusActive)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var refused *Refused
		if _, err := act(place(venue.StatusClosed)); !errors.As(err, &refused) || refused.Rule != RuleClosed {
			t.Errorf("%s of a closed venue: %v", name, err)
		}
	}
	if c, err := acts["transfer"](place(venue.StatusPending)); err != nil || c.Venue.Status != venue.StatusActive {
		t.Errorf("given to a unit that was seen, a place is %s, %v", c.Venue.Status, err)
	}
	p := place(venue.StatusActive)
	p.Venue.Sentinel, p.Venue.Hours, p.Venue.Lng = true, "全天", 112.9
	if c, err := p.Correct(venue.Venue{Name: "新名", Hours: "08:00-18:00", Lng: 113, Lat: 33, Radius: 80}); err != nil || !c.Venue.Sentinel || c.Venue.Hours != "08:00-18:00" || c.Venue.Lng != 113 || c.Venue.Radius != 80 {
		t.Errorf("corrected: %+v, %v", c.Venue, err)
	}
	if c, err := p.SetSentinel(false); err != nil || c.Act != ActUnsentinel || c.Venue.Sentinel || !p.Venue.Sentinel {
		t.Errorf("no sentinel any longer: %+v, %v", c, err)
	}
	var refused *Refused
	if _, err := p.SetSentinel(true); !errors.As(err, &refused) || refused.Rule != RuleAlready {
		t.Errorf("a sentinel again: %v", err)
	}
	other := Place{Venue: venue.Venue{ID: "w", Status: venue.StatusActive}}
	if _, err := p.Merge(other); !errors.As(err, &refused) || refused.Rule != RuleSentinel {
		t.Errorf("a sentinel becomes a part of what is none: %v", err)
	}
	if _, err := other.Merge(p); err != nil {
		t.Errorf("a part of a sentinel: %v", err)
	}
	if c, err := p.Unmanage(manager); err != nil || len(c.Venue.Managers) != 0 || len(p.Venue.Managers) != 1 {
		t.Errorf("%+v of %+v, %v", c.Venue.Managers, p.Venue.Managers, err)
	}
}
