package intake

import (
	"context"
	"errors"
	"strings"

	"github.com/venuecode/venuecode/sheet"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// A roster says who belongs to a unit, for counting those who scanned. Names are
// looked at and dropped; of an ID number only the blind index is kept.
var roster = Kind{
	Name: "roster",
	Layout: sheet.Layout{Name: "名册", Columns: []sheet.Column{
		{Field: "uscc", Heading: "单位统一社会信用代码", Aliases: []string{"统一社会信用代码"}, Required: true, Help: helpUSCC, Example: "11410482005XXXXXXX", Width: 24},
		{Field: "name", Heading: "姓名", Required: true, Help: helpRosterName, Example: "张某"},
		{Field: "id_number", Heading: "证件号码", Aliases: []string{"身份证号", "身份证号码"}, Required: true, Help: helpIDNumber, Example: "41048219XXXXXXXXXX", Width: 22},
	}},
	New: func(d *Desk, o Options) Reader {
		return &rosterReader{desk: d, today: o.Today, seen: map[member]bool{}}
	},
}

type member struct {
	uscc venue.USCC
	id   venue.IDNumber
}

type listed struct {
	member
	number  int
	unit    venue.UnitID
	dropped bool
}

type rosterReader struct {
	desk    *Desk
	today   venue.Day
	members []listed
	seen    map[member]bool
}

func (r *rosterReader) Row(number int, get func(string) string) (proof bool, faults registry.Faults) {
	var m member
	var err error
	check := func(field string, parse func(string) error) {
		if strings.TrimSpace(get(field)) == "" {
			faults = append(faults, fault(field, registry.ReasonRequired)...)
			return
		}
		var invalid *venue.Invalid
		if errors.As(parse(get(field)), &invalid) {
			faults = append(faults, fault(field, invalid.Reason)...)
		}
	}
	check("uscc", func(s string) error { m.uscc, proof, err = registry.ParseUSCC(s); return err })
	check("name", func(s string) error { _, err := venue.ParsePersonName(s); return err })
	check("id_number", func(s string) error { m.id, err = venue.ParseIDNumber(s, r.today); return err })
	if len(faults) > 0 {
		return false, faults
	}
	if r.seen[m] {
		return false, fault("id_number", registry.ReasonTwice)
	}
	r.seen[m] = true
	r.members = append(r.members, listed{member: m, number: number})
	return false, nil // whether the unit was proved is not the roster's affair
}

func (r *rosterReader) Match(ctx context.Context, _ map[int]bool) (map[int]registry.Faults, error) {
	found, err := r.desk.units(ctx, func(yield func(venue.USCC)) {
		for _, m := range r.members {
			yield(m.uscc)
		}
	})
	missing := map[int]registry.Faults{}
	for i := range r.members {
		m := &r.members[i]
		if m.unit = found[m.uscc].ID; m.unit == "" {
			m.dropped = true
			missing[m.number] = fault("uscc", r.desk.noUnit())
		}
	}
	return missing, err
}

func (r *rosterReader) Jobs() int { return len(r.members) }

func (r *rosterReader) Write(ctx context.Context, from, to int) error {
	var staff []store.Staff
	for _, m := range r.members[from:to] {
		if !m.dropped {
			staff = append(staff, store.Staff{Unit: m.unit, Blind: r.desk.Blind("id_number", m.id.Reveal())})
		}
	}
	return r.desk.Register.KeepStaff(ctx, staff)
}
