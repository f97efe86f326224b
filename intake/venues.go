package intake

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/venuecode/venuecode/sheet"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

var venues = Kind{
	Name: "venues",
	Layout: sheet.Layout{Name: "场所", Notes: []string{noteDoors}, Columns: []sheet.Column{
		{Field: "uscc", Heading: "单位统一社会信用代码", Aliases: []string{"统一社会信用代码", "信用代码"}, Required: true, Help: helpUSCC, Example: "11410482005XXXXXXX", Width: 24},
		{Field: "name", Heading: "场所名称", Required: true, Help: helpName, Example: "示例市民中心", Width: 30},
		{Field: "short_name", Heading: "简称", Help: helpShortName, Example: "市民中心"},
		{Field: "category", Heading: "类别", Aliases: []string{"场所类别", "场所类型"}, Required: true, Help: helpCategory, Example: "一"},
		{Field: "address", Heading: "详细地址", Aliases: []string{"场所详细地址", "地址"}, Required: true, Help: helpAddress, Example: "示例街道文昌路1号", Width: 36},
		{Field: "doors", Heading: "出入口", Help: helpDoors, Example: "南门、北门"},
		{Field: "plate", Heading: "车牌号", Aliases: []string{"号牌", "车牌"}, Help: helpPlate},
		{Field: "zone", Heading: "功能分区", Help: helpZone},
		{Field: "shop", Heading: "门店编号", Help: helpZone},
		{Field: "manager_name", Heading: "管理人员", Required: true, Help: helpManager, Example: "张某"},
		{Field: "manager_phone", Heading: "管理人员电话", Aliases: []string{"管理人员联系电话"}, Required: true, Help: helpPhone, Example: "139XXXXXXXX", Width: 18},
		{Field: "hours", Heading: "营业时间", Aliases: []string{"开放时间"}, Help: helpHours, Example: "周一至周五 08:00-18:00；周六 09:00-12:00", Width: 36},
		{Field: "lng", Heading: "经度", Help: helpPosition, Example: "112.87705"},
		{Field: "lat", Heading: "纬度", Help: helpPosition, Example: "33.19755"},
		{Field: "sentinel", Heading: "哨点", Help: helpSentinel, Example: "否"},
		{Field: "inside", Heading: "所属场所", Aliases: []string{"上级场所"}, Help: helpInside},
		{Field: "place", Heading: "所在区划", Aliases: []string{"场所所在区划"}, Help: helpPlace},
	}},
	New: func(d *Desk, o Options) Reader { return newVenueReader(d, o) },
	Apply: func(d *Desk, o Options) Reader {
		return &applyReader{venueReader: newVenueReader(d, o), from: o.From}
	},
}

// place is a venue of a file, with the rows that name doors of it.
type place struct {
	uscc    venue.USCC
	entry   registry.Entry
	inside  string
	above   int   // the place that it lies in; -1: none in this file
	numbers []int // rows
	dropped bool
}

// drop has a place not written, for a reason that its rows say.
func (p *place) drop(missing map[int]registry.Faults, field, reason string) {
	p.dropped = true
	for _, n := range p.numbers {
		missing[n] = append(missing[n], fault(field, reason)...)
	}
}

type venueReader struct {
	desk   *Desk
	by     registry.Who
	places []place
	at     map[string]int // place by what makes it one
}

func newVenueReader(d *Desk, o Options) *venueReader {
	return &venueReader{desk: d, by: o.By, at: map[string]int{}}
}

func (r *venueReader) Row(number int, get func(string) string) (bool, registry.Faults) {
	doors := strings.FieldsFunc(venue.Fold(get("doors")), func(r rune) bool { return strings.ContainsRune("、,;/|\n", r) })
	if len(doors) == 0 {
		doors = []string{onlyDoor}
	}
	division := get("place")
	if isName(division) {
		d, ok := r.desk.Divisions.Named(clean(division), r.desk.Division)
		if !ok {
			return false, fault("place", reasonNoName)
		}
		division = string(d)
	}
	zone := strings.Join(strings.Fields(get("zone")+" "+get("shop")), " ")
	e, faults := registry.Form{
		Name: get("name"), ShortName: get("short_name"), Category: get("category"), Place: division, Address: get("address"), Plate: get("plate"),
		Zone: zone, Doors: doors, Hours: get("hours"), Lng: get("lng"), Lat: get("lat"), ManagerName: registry.NewTyped(get("manager_name")), ManagerPhone: registry.NewTyped(get("manager_phone")),
	}.CheckVenue(true)
	uscc, proof, err := registry.ParseUSCC(get("uscc"))
	if strings.TrimSpace(get("uscc")) == "" {
		faults = append(faults, fault("uscc", registry.ReasonRequired)...)
	} else if invalid := (*venue.Invalid)(nil); errors.As(err, &invalid) {
		faults = append(faults, fault("uscc", invalid.Reason)...)
	}
	switch clean(get("sentinel")) {
	case "", "否":
	case "是":
		e.Venue.Sentinel = true
	default:
		faults = append(faults, fault("sentinel", reasonUnknown)...)
	}
	if d := e.Venue.Division; d != "" && !r.desk.Divisions.Has(d) {
		faults = append(faults, fault("place", reasonUnknown)...)
	}
	if len(faults) > 0 {
		return proof, faults
	}
	key := strings.Join([]string{string(uscc), e.Venue.Name, e.Venue.Zone, string(e.Venue.Plate)}, "\x1f")
	i, more := r.at[key]
	if !more {
		r.at[key] = len(r.places)
		r.places = append(r.places, place{uscc: uscc, entry: e, inside: clean(get("inside")), above: -1, numbers: []int{number}})
		return proof, nil
	}
	p := &r.places[i]
	for _, door := range e.Doors {
		if slices.Contains(p.entry.Doors, door) {
			return proof, fault("doors", registry.ReasonTwice)
		}
	}
	if len(p.entry.Doors)+len(e.Doors) > registry.MaxDoors {
		return proof, fault("doors", registry.ReasonRange)
	}
	p.entry.Doors, p.numbers = append(p.entry.Doors, e.Doors...), append(p.numbers, number)
	return proof, nil
}

func (r *venueReader) Match(ctx context.Context, proof map[int]bool) (map[int]registry.Faults, error) {
	found, err := r.units(ctx)
	if err != nil {
		return nil, err
	}
	missing := map[int]registry.Faults{}
	for i := range r.places {
		p := &r.places[i]
		unit, ok := found[p.uscc]
		if !ok {
			p.drop(missing, "uscc", r.desk.noUnit())
			continue
		}
		m, err := registry.Draw(r.desk.Random, 0)
		if err != nil {
			return nil, err
		}
		v := &p.entry.Venue
		v.ID, v.Unit, v.Division = m.Venue, unit.ID, cmp.Or(v.Division, unit.Division)
		if !r.desk.reaches(v.Division) {
			p.drop(missing, "place", reasonOutside)
			continue
		}
		if unit.Pending() {
			v.Status = venue.StatusPending
			continue
		}
		for _, n := range p.numbers {
			delete(proof, n)
		}
	}
	for i := range r.places {
		p := &r.places[i]
		if p.dropped || p.inside == "" {
			continue
		}
		if reason, err := r.findParent(ctx, p, i); err != nil {
			return nil, err
		} else if reason != "" {
			p.drop(missing, "inside", reason)
		}
	}
	return missing, nil
}

// units are those that the rows name.
func (r *venueReader) units(ctx context.Context) (map[venue.USCC]venue.Unit, error) {
	return r.desk.units(ctx, func(yield func(venue.USCC)) {
		for _, p := range r.places {
			yield(p.uscc)
		}
	})
}

// findParent finds the venue that a place lies in: one of its unit's, itself in
// no other, in the file or else in the register.
func (r *venueReader) findParent(ctx context.Context, p *place, i int) (reason string, err error) {
	if j, ok := r.at[string(p.uscc)+"\x1f"+p.inside+"\x1f\x1f"]; ok && !r.places[j].dropped {
		if j == i || r.places[j].inside != "" {
			return reasonCircle, nil
		}
		p.above = j
		return "", nil
	}
	p.entry.Venue.Parent, err = r.desk.Register.VenueOf(ctx, p.entry.Venue.Unit, p.inside)
	if errors.Is(err, venue.ErrNotFound) {
		return registry.ReasonUnknown, nil
	}
	return "", err
}

func (r *venueReader) Jobs() int { return len(r.places) }

func (r *venueReader) Write(ctx context.Context, from, to int) error {
	places := slices.DeleteFunc(slices.Clone(r.places[from:to]), func(p place) bool { return p.dropped })
	if err := r.settleParents(ctx, places); err != nil {
		return err
	}
	entries := make([]store.VenueEntry, len(places))
	for i, p := range places {
		m, err := registry.Draw(r.desk.Random, len(p.entry.Doors))
		if err != nil {
			return err
		}
		entries[i] = store.VenueEntry{Entry: p.entry, Codes: m.Codes}
	}
	_, err := r.desk.Register.EnterVenues(ctx, entries, r.by)
	return err
}

// settleParents fills in the ids of venues of the file that others lie in: which
// id one has is settled by whoever comes first.
func (r *venueReader) settleParents(ctx context.Context, places []place) error {
	at := map[int]int{}
	var above []venue.Venue
	for _, p := range places {
		if _, ok := at[p.above]; !ok && p.above >= 0 {
			at[p.above] = len(above)
			above = append(above, r.places[p.above].entry.Venue)
		}
	}
	ids, err := r.desk.Register.ClaimVenues(ctx, above)
	for i, p := range places {
		if p.above >= 0 && err == nil {
			places[i].entry.Venue.Parent = ids[at[p.above]]
		}
	}
	return err
}

// units finds the units of many USCCs; those that there are not, that are closed,
// or that are not within reach, are left out.
func (d *Desk) units(ctx context.Context, each func(yield func(venue.USCC))) (map[venue.USCC]venue.Unit, error) {
	asked := map[venue.USCC]bool{}
	each(func(uscc venue.USCC) { asked[uscc] = true })
	found, err := d.Register.UnitsOf(ctx, slices.Sorted(maps.Keys(asked)))
	maps.DeleteFunc(found, func(_ venue.USCC, u venue.Unit) bool { return !d.reaches(u.Division) })
	return found, err
}
