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

const aDay venue.Day = 19_000

func TestAUnitIsDueFromTheDayAfterItJoinedAGroup(t *testing.T) {
	for _, c := range []struct {
		name string
		was  venue.Unit
		from venue.Day // the first day on which it is due; 0: it always was
		rule string
	}{
		{"a new one", venue.Unit{Duty: venue.DutyExempt, DutyReason: NotInGroup}, aDay + 1, ""},
		{"a covered one", venue.Unit{Duty: venue.DutyCovered, Group: "g"}, aDay + 1, ""},
		{"one whose exemption ends today", venue.Unit{Duty: venue.DutyExempt, DutyUntil: aDay, Group: "g"}, aDay + 1, ""},
		{"one whose exemption is over", venue.Unit{Duty: venue.DutyExempt, DutyUntil: aDay - 2, Group: "old"}, aDay - 1, ""},
		{"one whose exemption is over, in no group", venue.Unit{Duty: venue.DutyExempt, DutyUntil: aDay - 2}, aDay + 1, ""},
		{"one that reports elsewhere", venue.Unit{Duty: venue.DutyReports, Group: "old"}, 0, ""},
		{"one that is to report elsewhere from tomorrow", venue.Unit{Duty: venue.DutyReports, Group: "old", DutyFrom: aDay + 1}, aDay + 1, ""},
		{"one that reports there", venue.Unit{Duty: venue.DutyReports, Group: "g"}, 0, RuleAlready},
		{"a pending one", venue.Unit{Duty: venue.DutyExempt, Status: venue.StatusPending}, 0, RuleProof},
		{"a closed one", venue.Unit{Duty: venue.DutyExempt, Status: venue.StatusClosed}, 0, RuleClosed},
	} {
		change, err := JoinGroup(c.was, "g", aDay)
		if ruleOf(err) != c.rule {
			t.Errorf("%s: %v, want the rule %q", c.name, err, c.rule)
		}
		if err != nil {
			continue
		}
		u := *change.Unit
		if u.Group != "g" || u.Duty != venue.DutyReports || u.DutyReason != "" || u.DutyUntil != 0 || u.DutyFrom != c.from {
			t.Errorf("%s: %+v", c.name, u)
		}
		if today, tomorrow := u.DutyOn(aDay), u.DutyOn(aDay+1); (today == venue.DutyReports) != (c.from <= aDay) || tomorrow != venue.DutyReports {
			t.Errorf("%s: %s today, %s tomorrow", c.name, today, tomorrow)
		}
	}
}

func TestWhatBeginsTomorrowIsTakenBack(t *testing.T) {
	was := venue.Unit{Duty: venue.DutyReports, Group: "g"}
	exempted, err1 := Exempt(was, "停业", aDay+3, aDay+1)
	covered, err2 := Cover(was, venue.Unit{Duty: venue.DutyReports}, aDay+1)
	for _, u := range []*venue.Unit{exempted.Unit, covered.Unit} {
		c, err := JoinGroup(*u, "g", aDay)
		if err != nil || err1 != nil || err2 != nil {
			t.Fatal(err, err1, err2)
		}
		for day := aDay - 1; day < aDay+6; day++ {
			if duty := c.Unit.DutyOn(day); duty != venue.DutyReports {
				t.Errorf("%s from tomorrow, taken back: %s on day %d", u.Duty, duty, day-aDay)
			}
		}
	}
}

func TestOnlyWhoReportsCovers(t *testing.T) {
	for _, c := range []struct {
		name  string
		above venue.Unit
		rule  string
	}{
		{"one that reports", venue.Unit{Duty: venue.DutyReports}, ""},
		{"one that begins tomorrow", venue.Unit{Duty: venue.DutyReports, DutyFrom: aDay + 1}, ""},
		{"one whose exemption is over", venue.Unit{Duty: venue.DutyExempt, DutyUntil: aDay - 1, Group: "g"}, ""},
		{"an exempt one", venue.Unit{Duty: venue.DutyExempt}, RuleAbove},
		{"none", venue.Unit{}, RuleAbove},
	} {
		change, err := Cover(venue.Unit{Duty: venue.DutyExempt, DutyReason: NotInGroup, DutyUntil: aDay}, c.above, aDay)
		if ruleOf(err) != c.rule {
			t.Errorf("%s: %v, want the rule %q", c.name, err, c.rule)
		}
		if err == nil && (change.Unit.DutyOn(aDay) != venue.DutyCovered || change.Unit.DutyReason != "" || change.Unit.DutyUntil != 0) {
			t.Errorf("%s: %+v", c.name, change.Unit)
		}
	}
	reports := venue.Unit{Duty: venue.DutyReports}
	if _, err := Cover(venue.Unit{Duty: venue.DutyCovered}, reports, aDay); ruleOf(err) != RuleAlready {
		t.Error(err)
	}
	if _, err := Cover(venue.Unit{Status: venue.StatusClosed}, reports, aDay); ruleOf(err) != RuleClosed {
		t.Error(err)
	}
}

func TestAnExemptionEndsInTheGroupInWhichItBegan(t *testing.T) {
	change, err := Exempt(venue.Unit{Duty: venue.DutyReports, Group: "g", DutyFrom: aDay + 1}, "停业装修", aDay+3, aDay)
	if err != nil {
		t.Fatal(err)
	}
	for d, want := range map[venue.Day]venue.Duty{aDay: venue.DutyExempt, aDay + 3: venue.DutyExempt, aDay + 4: venue.DutyReports} {
		if got := change.Unit.DutyOn(d); got != want {
			t.Errorf("day %d: %s, want %s", d-aDay, got, want)
		}
	}
	if change, err = Exempt(venue.Unit{Duty: venue.DutyExempt, DutyReason: NotInGroup}, "停业装修", aDay, aDay); err != nil || change.Unit.DutyOn(aDay+1) != venue.DutyExempt {
		t.Errorf("a unit in no group is due after its exemption: %+v, %v", change.Unit, err)
	}
	if _, err := Exempt(venue.Unit{Status: venue.StatusClosed}, "停业装修", aDay, aDay); ruleOf(err) != RuleClosed {
		t.Error(err)
	}
}

// TestADayThatIsOverKeepsItsDuty: the board of yesterday says tomorrow what it says
// today.
func TestADayThatIsOverKeepsItsDuty(t *testing.T) {
	above := venue.Unit{Duty: venue.DutyReports, Group: "g"}
	changes := map[string]func(u venue.Unit) (Change, error){
		"exempt":  func(u venue.Unit) (Change, error) { return Exempt(u, "停业装修", aDay+3, aDay) },
		"covered": func(u venue.Unit) (Change, error) { return Cover(u, above, aDay) },
		"joined":  func(u venue.Unit) (Change, error) { return JoinGroup(u, "other", aDay) },
	}
	for _, was := range []venue.Unit{
		above,
		{Duty: venue.DutyReports, Group: "g", DutyFrom: aDay - 1},
		{Duty: venue.DutyCovered, Group: "g"},
		{Duty: venue.DutyExempt, DutyUntil: aDay - 2, Group: "g"},
		{Duty: venue.DutyExempt, DutyReason: NotInGroup},
	} {
		for name, change := range changes {
			c, err := change(was)
			if ruleOf(err) == RuleAlready {
				continue
			} else if err != nil {
				t.Fatal(err)
			}
			for d := aDay - 2; d < aDay; d++ {
				if got, want := c.Unit.DutyOn(d), was.DutyOn(d); got != want {
					t.Errorf("%s, of %+v: day %d is %s, was %s", name, was, d-aDay, got, want)
				}
			}
		}
	}
	c, err := Exempt(venue.Unit{Duty: venue.DutyCovered, Group: "g"}, "停业装修", aDay, aDay)
	if err != nil || c.Unit.DutyOn(aDay+1) == venue.DutyReports {
		t.Errorf("a covered unit is due after an exemption: %+v, %v", c.Unit, err)
	}
}

// TestWhatIsMendedKeepsItsDuty, and what ends has none.
func TestWhatIsMendedKeepsItsDuty(t *testing.T) {
	was := venue.Unit{ID: "u", Duty: venue.DutyReports, Group: "g", DutyFrom: aDay}
	change, err := CorrectUnit(was, venue.Unit{Name: "新名", Duty: venue.DutyExempt, DutyReason: NotInGroup})
	if u := change.Unit; err != nil || u.Duty != was.Duty || u.Group != "g" || u.DutyFrom != aDay || u.DutyReason != "" {
		t.Errorf("%+v, %v", u, err)
	}
	if change, err = CloseUnit(was); err != nil || change.Unit.Group != "" || change.Unit.DutyOn(aDay+9) != venue.DutyExempt {
		t.Errorf("%+v, %v", change.Unit, err)
	}
	if u := Orphan(venue.Unit{Duty: venue.DutyCovered, Group: "g"}, ""); u.Group != "" || u.DutyReason != NotInGroup {
		t.Errorf("%+v is in no list", u)
	}
}

// ruleOf is the rule that refused, "" if none did.
func ruleOf(err error) string {
	var refused *Refused
	errors.As(err, &refused)
	if refused == nil {
		return ""
	}
	return refused.Rule
}
