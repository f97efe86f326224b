package intake

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/venuecode/venuecode/sheet"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

var units = Kind{
	Name: "units",
	Layout: sheet.Layout{Name: "单位", Columns: []sheet.Column{
		{Field: "unit_name", Heading: "单位名称", Required: true, Help: helpUnitName, Example: "示例市示例街道办事处", Width: 36},
		{Field: "uscc", Heading: "统一社会信用代码", Aliases: []string{"信用代码", "社会信用代码"}, Required: true, Help: helpUSCC, Example: "11410482005XXXXXXX", Width: 24},
		{Field: "parent", Heading: "上级单位", Aliases: []string{"主管单位"}, Help: helpParent, Example: "示例市人民政府"},
		{Field: "division", Heading: "所属区划", Aliases: []string{"区划代码", "行政区划代码"}, Required: true, Help: helpDivision, Example: "410482001"},
		{Field: "sectors", Heading: "行业", Aliases: []string{"所属行业"}, Help: helpSectors, Example: "机关"},
		{Field: "headcount", Heading: "在册人数", Aliases: []string{"人数"}, Help: helpHeadcount, Example: "32"},
		{Field: "contact_name", Heading: "联系人", Help: helpContact, Example: "张某"},
		{Field: "contact_phone", Heading: "联系电话", Help: helpPhone, Example: "139XXXXXXXX"},
	}},
	New: func(d *Desk, o Options) Reader {
		return &unitReader{desk: d, by: o.By, rows: map[venue.USCC]int{}, named: map[string][]int{}, parents: map[string]parent{}}
	},
}

// unitLine is a good row of units.
type unitLine struct {
	number  int
	unit    venue.Unit
	parent  string // name or USCC as written
	place   string // the name of a division that is not listed: a territory's
	contact registry.Person
	above   int // the line of the parent; -1: none in this file
	dropped bool
}

// parent is what the register knows of one that is not in the file.
type parent struct {
	id     venue.UnitID
	reason string // why there is none
}

type unitReader struct {
	desk    *Desk
	by      registry.Who
	lines   []unitLine
	rows    map[venue.USCC]int // line
	named   map[string][]int   // lines
	parents map[string]parent  // as written; each is asked for once
}

func (r *unitReader) Row(number int, get func(string) string) (bool, registry.Faults) {
	division, place := get("division"), ""
	if isName(division) {
		division, place = someDivision, division
		if d, ok := r.desk.Divisions.Named(clean(place), r.desk.Division); ok {
			division, place = string(d), ""
		}
	}
	u, proof, faults := registry.Form{
		UnitName: get("unit_name"), USCC: get("uscc"), Division: division, Sectors: get("sectors"), Headcount: get("headcount"),
	}.CheckUnit()
	if place == "" && u.Division != "" && !r.desk.Divisions.Has(u.Division) {
		faults = append(faults, fault("division", registry.ReasonUnknown)...)
	}
	contact, more := registry.Contact(get("contact_name"), get("contact_phone"))
	if faults = append(faults, more...); len(faults) > 0 {
		return proof, faults
	}
	if _, twice := r.rows[u.USCC]; twice {
		return proof, fault("uscc", registry.ReasonTwice)
	}
	r.rows[u.USCC] = len(r.lines)
	r.named[u.Name] = append(r.named[u.Name], len(r.lines))
	r.lines = append(r.lines, unitLine{number: number, unit: u, parent: clean(get("parent")), place: place, contact: contact, above: -1})
	return proof, nil
}

func (r *unitReader) Match(ctx context.Context, proof map[int]bool) (map[int]registry.Faults, error) {
	missing := map[int]registry.Faults{}
	drop := func(i int, field, reason string) {
		missing[r.lines[i].number] = append(missing[r.lines[i].number], fault(field, reason)...)
		r.lines[i].dropped = true
	}
	divisions := map[string]venue.Division{} // by name, "" if there is none
	var there map[venue.USCC]venue.Unit
	if r.desk.Within != nil {
		var err error
		if there, err = r.desk.Register.UnitsOf(ctx, slices.Sorted(maps.Keys(r.rows))); err != nil {
			return nil, err
		}
	}
	for i := range r.lines {
		l := &r.lines[i]
		m, err := registry.Draw(r.desk.Random, 0)
		if err != nil {
			return nil, err
		}
		l.unit.ID = m.Unit
		if l.unit.Pending() {
			if u, err := r.desk.Register.UnitOf(ctx, l.unit.USCC); err == nil && !u.Pending() && r.desk.reaches(u.Division) {
				delete(proof, l.number) // it was seen
			} else if err != nil && !errors.Is(err, venue.ErrNotFound) {
				return nil, err
			}
		}
		if l.place != "" {
			d, asked := divisions[l.place]
			if !asked {
				if d, err = r.desk.division(ctx, l.place); err != nil && !errors.Is(err, venue.ErrNotFound) {
					return nil, err
				}
				divisions[l.place] = d
			}
			if l.unit.Division = d; d == "" {
				drop(i, "division", reasonNoName)
			}
		}
		if !l.dropped && !r.desk.reaches(l.unit.Division) {
			drop(i, "division", reasonOutside)
		}
		if u, ok := there[l.unit.USCC]; ok && !l.dropped && !r.desk.reaches(u.Division) {
			drop(i, "uscc", reasonElsewhere)
		}
		if l.parent == "" {
			continue
		}
		if reason, err := r.findParent(ctx, i); err != nil {
			return nil, err
		} else if reason != "" {
			drop(i, "parent", reason)
		}
	}
	r.follow(drop)
	return missing, nil
}

// findParent finds the unit above a line, in the file or else in the register.
func (r *unitReader) findParent(ctx context.Context, i int) (reason string, err error) {
	l := &r.lines[i]
	uscc, _, invalid := registry.ParseUSCC(l.parent)
	if invalid == nil {
		if j, ok := r.rows[uscc]; ok {
			l.above = j
			return "", nil
		}
	} else if lines := r.named[l.parent]; len(lines) == 1 {
		l.above = lines[0]
		return "", nil
	} else if len(lines) > 1 {
		return reasonSeveral, nil
	}
	p, asked := r.parents[l.parent]
	if !asked {
		var u venue.Unit
		if invalid == nil {
			u, err = r.desk.Register.UnitOf(ctx, uscc)
			if errors.Is(err, venue.ErrNotFound) || err == nil && !r.desk.reaches(u.Division) {
				u, p.reason, err = venue.Unit{}, registry.ReasonUnknown, nil
			}
		} else {
			u, p.reason, err = r.desk.unitNamed(ctx, l.parent)
		}
		if err != nil {
			return "", err
		}
		p.id = u.ID
		r.parents[l.parent] = p
	}
	l.unit.Parent = p.id
	return p.reason, nil
}

// follow walks up from each line, once over each: who stands below a line that
// is not taken is not taken either, and nobody stands below themselves.
func (r *unitReader) follow(drop func(i int, field, reason string)) {
	const (
		unseen = iota
		onPath
		settled
	)
	seen := make([]int, len(r.lines))
	for i := range r.lines {
		var path []int
		for j := i; j >= 0 && seen[j] == unseen; j = r.lines[j].above {
			seen[j] = onPath
			path = append(path, j)
			if up := r.lines[j].above; up >= 0 && seen[up] == onPath {
				drop(j, "parent", reasonCircle)
			}
		}
		for k := len(path) - 1; k >= 0; k-- {
			l := r.lines[path[k]]
			if !l.dropped && l.above >= 0 && r.lines[l.above].dropped {
				drop(path[k], "parent", registry.ReasonUnknown)
			}
			seen[path[k]] = settled
		}
	}
}

func (r *unitReader) Jobs() int { return len(r.lines) }

func (r *unitReader) Write(ctx context.Context, from, to int) error {
	lines := slices.DeleteFunc(slices.Clone(r.lines[from:to]), func(l unitLine) bool { return l.dropped })
	if err := r.settleParents(ctx, lines); err != nil {
		return err
	}
	entries := make([]store.UnitEntry, len(lines))
	for i, l := range lines {
		entries[i] = store.UnitEntry{Unit: l.unit, Contact: l.contact}
	}
	_, err := r.desk.Register.EnterUnits(ctx, entries, r.by)
	return err
}

// settleParents fills in the ids of units that stand above some in the file: which
// id one has is settled by whoever comes first.
func (r *unitReader) settleParents(ctx context.Context, lines []unitLine) error {
	at := map[int]int{}
	var above []venue.Unit
	for _, l := range lines {
		if _, ok := at[l.above]; !ok && l.above >= 0 {
			at[l.above] = len(above)
			above = append(above, r.lines[l.above].unit)
		}
	}
	ids, err := r.desk.Register.ClaimUnits(ctx, above)
	for i, l := range lines {
		if l.above >= 0 && err == nil {
			lines[i].unit.Parent = ids[at[l.above]]
		}
	}
	return err
}
