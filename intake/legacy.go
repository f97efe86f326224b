package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

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
	case r.seen[payload]:
		add("payload", registry.ReasonTwice)
	}
	title := func(field string, least, most int) string {
		if strings.TrimSpace(get(field)) == "" && least > 0 {
			add(field, registry.ReasonRequired)
			return ""
		}
		text, err := venue.ParseTitle(field, get(field), least, most)
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

// Match finds each place's unit by its name. One that there is not is made when
// it is written, and has no USCC: completing the venue finds the right one.
func (r *legacyReader) Match(ctx context.Context, _ map[int]bool) (map[int]registry.Faults, error) {
	missing := map[int]registry.Faults{}
	for i := range r.places {
		p := &r.places[i]
		id, reason, err := r.desk.unitNamed(ctx, p.unit)
		if err != nil {
			return nil, err
		}
		if p.venue.Unit = id; reason == reasonSeveral {
			p.dropped = true
			for _, n := range p.numbers {
				missing[n] = fault("unit_name", reason)
			}
		}
	}
	return missing, nil
}

func (r *legacyReader) Jobs() int { return len(r.places) }

// Write settles first which code each old one leads to: run again, it finds that
// done and sees to the doors that are not there.
func (r *legacyReader) Write(ctx context.Context, i int) error {
	p := r.places[i]
	if p.dropped {
		return nil
	}
	m, err := registry.Draw(r.desk.Random, len(p.payloads))
	if err != nil {
		return err
	}
	register := r.desk.Register
	var codes []venue.Code
	for i, payload := range p.payloads {
		code, err := register.KeepOld(ctx, payload, m.Codes[i])
		if err != nil {
			return err
		}
		if there, err := register.HasDoor(ctx, code); err != nil {
			return err
		} else if !there {
			codes = append(codes, code)
		}
	}
	if len(codes) == 0 {
		return nil
	}
	v := p.venue
	if v.Unit == "" {
		u := venue.Unit{
			ID: m.Unit, Name: p.unit, Division: r.desk.Division, Status: venue.StatusActive,
			Duty: venue.DutyExempt, DutyReason: registry.NotInGroup,
		}
		if v.Unit, _, err = register.EnterUnit(ctx, u, registry.Person{}, r.by); err != nil {
			return err
		}
	}
	unit, err := register.Unit(ctx, v.Unit)
	if err != nil {
		return err
	}
	v.ID, v.Division = m.Venue, unit.Division
	var doors []string
	for n := range codes {
		doors = append(doors, doorNumber(n))
	}
	id, _, err := register.EnterVenue(ctx, registry.Entry{Venue: v, Doors: doors}, codes, r.by)
	for _, code := range codes {
		if err == nil {
			err = r.addDoor(ctx, id, code)
		}
	}
	return err
}

// addDoor adds a door to a venue that was there before, unless it has it.
func (r *legacyReader) addDoor(ctx context.Context, id venue.VenueID, code venue.Code) error {
	if there, err := r.desk.Register.HasDoor(ctx, code); err != nil || there {
		return err
	}
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
