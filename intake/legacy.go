package intake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/venuecode/venuecode/sheet"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// Old codes (N12): what a former system's posters hold goes on working, at once
// and for ever. What the new form asks for and the old file does not have makes
// the venue incomplete, not unscannable.
var legacy = Kind{
	Name: "legacy",
	Layout: sheet.Layout{Name: "原码", Notes: []string{noteOld}, Columns: []sheet.Column{
		{Field: "payload", Heading: "原码内容", Aliases: []string{"二维码内容", "原二维码内容"}, Required: true, Help: helpPayload, Example: "https://csm.example.com/q?id=10001", Width: 48},
		{Field: "name", Heading: "场所名称", Required: true, Help: helpName, Example: "示例超市", Width: 30},
		{Field: "unit_name", Heading: "单位名称", Help: helpOldUnit, Example: "示例商贸有限公司", Width: 30},
		{Field: "address", Heading: "详细地址", Aliases: []string{"地址"}, Help: helpAddress, Example: "示例街道文昌路1号", Width: 36},
	}},
	New: func(d *Desk, o Options) Reader {
		return &legacyReader{desk: d, by: o.By, at: map[string]int{}, seen: map[string]bool{}}
	},
}

// oldPlace is a venue of the file with the codes of its doors.
type oldPlace struct {
	unit     string // name
	venue    venue.Venue
	payloads []string
	numbers  []int
	dropped  bool
}

type legacyReader struct {
	desk   *Desk
	by     registry.Who
	places []oldPlace
	at     map[string]int
	seen   map[string]bool // payloads
}

func (r *legacyReader) Row(number int, get func(string) string) (bool, registry.Faults) {
	payload := strings.TrimSpace(get("payload"))
	var faults registry.Faults
	add := func(field, reason string) { faults = append(faults, fault(field, reason)...) }
	switch {
	case payload == "":
		add("payload", registry.ReasonRequired)
	case len(payload) > store.MaxPayload:
		add("payload", "length")
	case !utf8.ValidString(payload) || strings.ContainsFunc(payload, func(r rune) bool { return r < ' ' || r == 0x7F }):
		add("payload", "character")
	case r.own(payload):
		add("payload", "own")
	case r.seen[payload]:
		add("payload", registry.ReasonTwice)
	}
	title := func(field string, least, most int) string {
		if strings.TrimSpace(get(field)) == "" && least > 0 {
			add(field, registry.ReasonRequired)
			return ""
		}
		text, err := venue.ParsePublic(field, get(field), least, most)
		var invalid *venue.Invalid
		if errors.As(err, &invalid) {
			add(field, invalid.Reason)
		}
		return text
	}
	v := venue.Venue{Name: title("name", 1, 100), Address: title("address", 0, 200), Status: venue.StatusIncomplete}
	unit := title("unit_name", 0, 100)
	if len(faults) > 0 {
		return false, faults
	}
	if unit == "" {
		unit = v.Name
	}
	v.ShortName = string([]rune(v.Name)[:min(utf8.RuneCountInString(v.Name), 8)])
	r.seen[payload] = true
	key := unit + "\x1f" + v.Name
	i, ok := r.at[key]
	if !ok {
		i = len(r.places)
		r.at[key] = i
		r.places = append(r.places, oldPlace{unit: unit, venue: v})
	}
	p := &r.places[i]
	if len(p.payloads) == registry.MaxDoors {
		return false, fault("payload", registry.ReasonRange)
	}
	p.payloads, p.numbers = append(p.payloads, payload), append(p.numbers, number)
	return false, nil
}

// own tells whether a payload is the link of a code of ours.
func (r *legacyReader) own(payload string) bool {
	_, err := venue.ParseLink(payload, r.desk.Host)
	return err == nil
}

// Match finds each place's unit by its name. One that there is not is made when
// it is written, and has no USCC: completing the venue finds the right one.
func (r *legacyReader) Match(ctx context.Context, _ map[int]bool) (map[int]registry.Faults, error) {
	type answer struct {
		unit   venue.Unit
		reason string
	}
	found := map[string]*answer{} // each name is asked for once
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(lookups)
	for _, p := range r.places {
		if found[p.unit] != nil {
			continue
		}
		a := new(answer)
		found[p.unit] = a
		g.Go(func() (err error) {
			a.unit, a.reason, err = r.desk.unitNamed(within, p.unit)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	missing := map[int]registry.Faults{}
	for i := range r.places {
		p := &r.places[i]
		a := found[p.unit]
		p.venue.Unit, p.venue.Division = a.unit.ID, a.unit.Division
		if p.dropped = a.reason == reasonSeveral; p.dropped {
			for _, n := range p.numbers {
				missing[n] = fault("unit_name", reasonSeveral)
			}
		}
	}
	return missing, r.fit(ctx, missing)
}

// fit drops the old codes for which venues that are there have no room.
func (r *legacyReader) fit(ctx context.Context, missing map[int]registry.Faults) error {
	var known []*oldPlace
	var venues []venue.Venue
	for i := range r.places {
		if p := &r.places[i]; p.venue.Unit != "" && !p.dropped {
			known, venues = append(known, p), append(venues, p.venue)
		}
	}
	ids, err := r.desk.Register.VenuesOf(ctx, venues)
	if err != nil {
		return err
	}
	var payloads []string
	for i, p := range known {
		if ids[i] != "" {
			payloads = append(payloads, p.payloads...)
		}
	}
	there, err := r.desk.Register.OldDoors(ctx, payloads)
	if err != nil {
		return err
	}
	rooms := make([]int, len(known))
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(lookups)
	for i, p := range known {
		rooms[i] = registry.MaxDoors
		if ids[i] == "" || !slices.ContainsFunc(p.payloads, func(payload string) bool { return !there[payload] }) {
			continue
		}
		g.Go(func() error {
			place, err := r.desk.Register.Place(within, ids[i])
			if errors.Is(err, venue.ErrNotFound) {
				return nil // its writing was cut off
			}
			rooms[i] -= len(place.Doors)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, p := range known {
		p.leaveOut(rooms[i], there, missing)
	}
	return nil
}

// leaveOut drops the old codes that are not there and have no room.
func (p *oldPlace) leaveOut(room int, there map[string]bool, missing map[int]registry.Faults) {
	payloads, numbers := p.payloads, p.numbers
	p.payloads, p.numbers = nil, nil
	for i, payload := range payloads {
		if !there[payload] {
			if room--; room < 0 {
				missing[numbers[i]] = fault("payload", registry.ReasonRange)
				continue
			}
		}
		p.payloads, p.numbers = append(p.payloads, payload), append(p.numbers, numbers[i])
	}
}

func (r *legacyReader) Jobs() int { return len(r.places) }

// Write settles first which code each old one leads to: run again, it finds that
// done and sees to the doors that are not there.
func (r *legacyReader) Write(ctx context.Context, from, to int) error {
	places := slices.DeleteFunc(slices.Clone(r.places[from:to]), func(p oldPlace) bool { return p.dropped })
	codes, err := r.keep(ctx, places)
	if err != nil {
		return err
	}
	var entries []store.VenueEntry
	var unknown []store.UnitEntry
	var of []int // the entry of each unknown unit
	for i, p := range places {
		if len(codes[i]) == 0 {
			continue
		}
		m, err := registry.Draw(r.desk.Random, 0)
		if err != nil {
			return err
		}
		if p.venue.ID = m.Venue; p.venue.Unit == "" {
			of = append(of, len(entries))
			unknown = append(unknown, store.UnitEntry{Unit: venue.Unit{
				ID: m.Unit, Name: p.unit, Division: r.desk.Division, Status: venue.StatusActive,
				Duty: venue.DutyExempt, DutyReason: registry.NotInGroup,
			}})
		}
		e := store.VenueEntry{Entry: registry.Entry{Venue: p.venue}, Codes: codes[i]}
		for n := range e.Codes {
			e.Doors = append(e.Doors, doorNumber(n))
		}
		entries = append(entries, e)
	}
	units, err := r.desk.Register.EnterUnits(ctx, unknown, r.by)
	if err != nil {
		return err
	}
	for n, u := range units {
		v := &entries[of[n]].Venue
		v.Unit, v.Division = u.ID, u.Division
	}
	entered, err := r.desk.Register.EnterVenues(ctx, entries, r.by)
	if err != nil {
		return err
	}
	var late []venue.Code // of venues that were there, or meant, before
	for i, e := range entered {
		if e.Known {
			late = append(late, entries[i].Codes...)
		}
	}
	there, err := r.desk.Register.HaveDoors(ctx, late)
	for i, e := range entered {
		for _, code := range entries[i].Codes {
			if e.Known && err == nil && !there[code] {
				err = r.addDoor(ctx, e.ID, code)
			}
		}
	}
	return err
}

// keep has the old codes of places resolve for ever, and lists for each place
// those to which there is no door yet.
func (r *legacyReader) keep(ctx context.Context, places []oldPlace) ([][]venue.Code, error) {
	var payloads []string
	var codes []venue.Code
	for _, p := range places {
		m, err := registry.Draw(r.desk.Random, len(p.payloads))
		if err != nil {
			return nil, err
		}
		payloads, codes = append(payloads, p.payloads...), append(codes, m.Codes...)
	}
	fresh, err := r.desk.Register.KeepOld(ctx, payloads, codes)
	if err != nil {
		return nil, err
	}
	var old []venue.Code
	for i, code := range codes {
		if !fresh[i] {
			old = append(old, code)
		}
	}
	there, err := r.desk.Register.HaveDoors(ctx, old)
	if err != nil {
		return nil, err
	}
	missing, n := make([][]venue.Code, len(places)), 0
	for i, p := range places {
		for range p.payloads {
			if code := codes[n]; !there[code] {
				missing[i] = append(missing[i], code)
			}
			n++
		}
	}
	return missing, nil
}

// addDoor adds a door to a venue that was there before.
func (r *legacyReader) addDoor(ctx context.Context, id venue.VenueID, code venue.Code) error {
	var refused *registry.Refused
	_, err := r.desk.Register.Change(ctx, id, r.by, func(p registry.Place) (registry.Change, error) {
		for n := 0; ; n++ {
			c, err := p.AddDoor(registry.ActAddDoor, code, doorNumber(n))
			if !errors.As(err, &refused) || refused.Rule != registry.RuleDoorName {
				return c, err
			}
		}
	})
	if errors.As(err, &refused) && refused.Rule == registry.RuleAlready {
		return nil // it was cut off, and that has been completed
	}
	return err
}

// doorNumber names the doors of which nobody says more.
func doorNumber(n int) string {
	if n == 0 {
		return onlyDoor
	}
	return fmt.Sprintf("%s%d", onlyDoor, n+1)
}
