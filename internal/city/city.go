// Package city makes the town that the demo, the tests and the benchmark use:
// a file that says who there is becomes a registry, and a seed becomes
// residents whose papers pass every check and belong to nobody.
package city

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

//go:embed city.yaml
var defaultCity []byte

// City is a town as its file describes it; city.yaml is the documented example.
type City struct {
	Name      string         `yaml:"name"`
	Division  venue.Division `yaml:"division"`
	Robot     string         `yaml:"robot"`
	Residents struct {
		Count int    `yaml:"count"`
		Seed  uint64 `yaml:"seed"`
	} `yaml:"residents"`
	Territories []struct {
		Division venue.Division `yaml:"division"`
		Name     string         `yaml:"name"`
		Officer  Staff          `yaml:"officer"`
	} `yaml:"territories"`
	Groups []struct {
		ID       venue.GroupID  `yaml:"id"`
		Name     string         `yaml:"name"`
		Division venue.Division `yaml:"division"`
		Sector   string         `yaml:"sector"`
	} `yaml:"groups"`
	Units    []Unit    `yaml:"units"`
	Subjects []Subject `yaml:"subjects"`
}

// Subject is a row of the register of who must have a code.
type Subject struct {
	Name     string `yaml:"name"`
	USCC     string `yaml:"uscc"`
	Address  string `yaml:"address"`
	Division string `yaml:"division"`
	Sector   string `yaml:"sector"`
	Category string `yaml:"category"`
	Type     string `yaml:"type"`
	State    string `yaml:"state"`  // left out: 存续
	Exempt   string `yaml:"exempt"` // why it need not have one
	Until    string `yaml:"until"`  // the last day of that
}

// Unit is a unit of the file, with its people and places.
type Unit struct {
	Name      string         `yaml:"name"`
	USCC      venue.USCC     `yaml:"uscc"`
	Short     string         `yaml:"short"`
	Group     venue.GroupID  `yaml:"group"`
	Division  venue.Division `yaml:"division"` // left out: the city's
	Duty      venue.Duty     `yaml:"duty"`
	Reason    string         `yaml:"reason"`
	Headcount int            `yaml:"headcount"`
	Sectors   []string       `yaml:"sectors"`
	Parent    string         `yaml:"parent"` // another unit's name
	Staff     []Staff        `yaml:"staff"`
	Venues    []Venue        `yaml:"venues"`
}

// Staff is somebody with a WeCom account.
type Staff struct {
	UserID string `yaml:"userid"`
	Name   string `yaml:"name"`
}

// Venue is a place of a unit, with its doors.
type Venue struct {
	Name     string         `yaml:"name"`
	Type     string         `yaml:"type"`
	Category venue.Category `yaml:"category"`
	Division venue.Division `yaml:"division"`
	Address  string         `yaml:"address"`
	Lng      float64        `yaml:"lng"`
	Lat      float64        `yaml:"lat"`
	Hours    string         `yaml:"hours"` // see venue.ParseHours
	Sentinel bool           `yaml:"sentinel"`
	Posted   bool           `yaml:"posted"`
	Doors    []string       `yaml:"doors"`
}

// Default is the town that comes with the program.
func Default() *City {
	c, err := Parse(defaultCity)
	if err != nil {
		panic("city.yaml: " + err.Error()) // embedded, and tested
	}
	return c
}

// Parse reads a city file; the error names every fault in it.
func Parse(b []byte) (*City, error) {
	var c City
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("city file: %w", err)
	}
	return &c, c.validate()
}

// Divisions are the city and its territories by name, to be added to a list of
// divisions that knows nothing of a city that was invented.
func (c *City) Divisions() []venue.NamedDivision {
	list := []venue.NamedDivision{{Code: c.Division, Name: c.Name}}
	for _, t := range c.Territories {
		if t.Division != c.Division {
			list = append(list, venue.NamedDivision{Code: t.Division, Name: t.Name})
		}
	}
	return list
}

func (c *City) validate() error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf("city file: "+format, args...)) }
	division := func(what string, d venue.Division) {
		if _, err := venue.ParseDivision(string(d)); err != nil {
			fault("%s: division %q is not one", what, d)
		}
	}
	division("the city", c.Division)
	groups, units, users := map[venue.GroupID]bool{}, map[string]bool{}, map[string]bool{}
	user := func(s Staff) {
		if s.UserID == "" || users[s.UserID] {
			fault("userid %q is empty or used twice", s.UserID)
		}
		users[s.UserID] = true
	}
	for _, t := range c.Territories {
		division(t.Name, t.Division)
		user(t.Officer)
	}
	for _, g := range c.Groups {
		groups[g.ID] = true
	}
	for _, u := range c.Units {
		if units[u.Name] {
			fault("unit %s stands twice", u.Name)
		}
		units[u.Name] = true
	}
	for _, u := range c.Units {
		for _, o := range c.Units {
			if o.Name != u.Name && strings.Contains(o.Name, u.Name) {
				fault("the name of %s is part of %s", u.Name, o.Name)
			}
		}
		if !groups[u.Group] {
			fault("unit %s: no group %q", u.Name, u.Group)
		}
		if u.Parent != "" && !units[u.Parent] {
			fault("unit %s: no unit %q above it", u.Name, u.Parent)
		}
		if u.Duty != venue.DutyReports && u.Duty != venue.DutyCovered && u.Duty != venue.DutyExempt {
			fault("unit %s: duty %q is not reports, covered or exempt", u.Name, u.Duty)
		}
		if u.Division != "" {
			division(u.Name, u.Division)
		}
		if _, proof, err := venue.ParseUSCC(string(u.USCC)); u.USCC != "" && (proof || err != nil) {
			fault("unit %s: uscc is none", u.Name)
		}
		for _, s := range u.Staff {
			user(s)
		}
		for _, v := range u.Venues {
			division(v.Name, v.Division)
			if v.Category < venue.CategoryOrganisation || v.Category > venue.CategoryOther {
				fault("venue %s: category %d is not 1–6", v.Name, v.Category)
			}
			if _, err := venue.ParseHours(v.Hours); err != nil {
				fault("venue %s: %v", v.Name, err)
			}
			if len(v.Doors) == 0 || v.Address == "" {
				fault("venue %s: doors and address are required", v.Name)
			}
		}
	}
	for row := range c.Register() {
		if _, proof, faults := row.Form.Check(); proof || len(faults) > 0 {
			fault("subject %s: %v", row.Form.Name, faults)
		}
	}
	if c.Residents.Count < 0 || c.Residents.Count > 100_000 {
		fault("residents.count must be 0…100000")
	}
	return errors.Join(errs...)
}

// Register are the subjects as rows of a register.
func (c *City) Register() iter.Seq2[store.SubjectRow, error] {
	return func(yield func(store.SubjectRow, error) bool) {
		for i, s := range c.Subjects {
			if !yield(store.SubjectRow{Number: i + 1, Form: registry.SubjectForm(s)}, nil) {
				return
			}
		}
	}
}

// id makes the opaque id of a unit or venue: the same for the same file.
func (c *City) id(kind, name string) string {
	sum := sha256.Sum256([]byte(string(c.Division) + "\x00" + kind + "\x00" + name))
	return kind + "_" + hex.EncodeToString(sum[:8])
}

// UnitID is the id of a unit of the file.
func (c *City) UnitID(name string) venue.UnitID { return venue.UnitID(c.id("u", name)) }

// Registered turns the file into registry entries. Door codes are random, so
// each call makes others: call it once for each memory. webhook seals a group's
// message-push key.
func (c *City) Registered(random io.Reader, since time.Time, webhook func(venue.GroupID) ([]byte, error)) (store.Registered, error) {
	r := store.Registered{Since: since}
	for _, t := range c.Territories {
		officer := venue.ChatAccount{Channel: venue.ChannelWeComApp, ID: t.Officer.UserID}
		r.Territories = append(r.Territories, venue.Territory{Division: t.Division, Name: t.Name, Officers: []venue.ChatAccount{officer}})
	}
	for _, g := range c.Groups {
		sealed, err := webhook(g.ID)
		if err != nil {
			return r, fmt.Errorf("webhook of group %s: %w", g.ID, err)
		}
		r.Groups = append(r.Groups, venue.Group{ID: g.ID, Name: g.Name, Division: g.Division, Sector: g.Sector, Webhook: sealed})
	}
	for _, u := range c.Units {
		unit := venue.Unit{
			ID: c.UnitID(u.Name), Name: u.Name, USCC: u.USCC, ShortName: u.Short, Division: cmp.Or(u.Division, c.Division),
			Sectors: u.Sectors, Headcount: u.Headcount, Group: u.Group, Duty: u.Duty, DutyReason: u.Reason,
		}
		if u.Parent != "" {
			unit.Parent = c.UnitID(u.Parent)
		}
		r.Units = append(r.Units, unit)
		for _, s := range u.Staff {
			r.Bindings = append(r.Bindings, venue.Binding{
				Account: venue.ChatAccount{Channel: venue.ChannelWeComApp, ID: s.UserID}, Unit: unit.ID, Name: s.Name, Since: since,
			})
		}
		for _, v := range u.Venues {
			if err := c.addVenue(&r, random, unit.ID, u.Staff, v, since); err != nil {
				return r, err
			}
		}
	}
	return r, nil
}

// nearMetres is the radius within which a phone counts as being at a venue.
const nearMetres = 150

func (c *City) addVenue(r *store.Registered, random io.Reader, unit venue.UnitID, staff []Staff, v Venue, since time.Time) error {
	id := venue.VenueID(c.id("v", v.Name))
	short := []rune(v.Name)
	hours, err := venue.ParseHours(v.Hours)
	if err != nil {
		return fmt.Errorf("venue %s: %w", v.Name, err)
	}
	entry := venue.Venue{
		ID: id, Unit: unit, Name: v.Name, ShortName: string(short[:min(len(short), 8)]), Category: v.Category, Type: v.Type,
		Division: v.Division, Address: v.Address, Lng: v.Lng, Lat: v.Lat, Radius: nearMetres, Hours: hours, Sentinel: v.Sentinel, Status: venue.StatusActive,
	}
	if len(staff) > 0 {
		entry.Managers = []venue.ChatAccount{{Channel: venue.ChannelWeComApp, ID: staff[0].UserID}}
	}
	r.Venues = append(r.Venues, entry)
	for _, name := range v.Doors {
		code, err := venue.NewCode(random)
		if err != nil {
			return fmt.Errorf("code for a door of %s: %w", v.Name, err)
		}
		door := venue.Door{Code: code, Venue: id, Unit: unit, Name: name, Status: venue.StatusActive}
		if v.Posted {
			door.Posted = since
		}
		r.Doors = append(r.Doors, door)
	}
	return nil
}

// Resident is a made-up person, in clear because nobody is behind it.
type Resident struct {
	Name     string `json:"name"`
	IDNumber string `json:"id_number"`
	Phone    string `json:"phone"`
}

// People makes the city's residents: the same for the same file.
func (c *City) People() []Resident { return People(c.Division, c.Residents.Count, c.Residents.Seed) }

// People makes n residents of a division from a seed. No two share an ID number
// or a phone, up to 100,000 of them.
func People(division venue.Division, n int, seed uint64) []Resident {
	surnames, given := []rune("王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜"), []rune("志远雅琴建国文静晓峰丽华强思源海燕永康春梅立新秀兰子轩玉芬长河明月少红霞振宇嘉怡欣悦浩然俊杰雨桐佳慧天佑若曦博诗涵")
	rng := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
	out := make([]Resident, n)
	for i := range out {
		name := string(surnames[rng.IntN(len(surnames))]) + string(given[rng.IntN(len(given))])
		if rng.IntN(3) > 0 {
			name += string(given[rng.IntN(len(given))])
		}
		born := time.Date(1940, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, i%27_000)
		number := fmt.Sprintf("%.6s%s%03d", division, born.Format("20060102"), i/27_000*100+rng.IntN(100))
		out[i] = Resident{Name: name, IDNumber: number + checkDigit(number), Phone: fmt.Sprintf("199%08d", 10_000_000+i*37%80_000_000)}
	}
	return out
}

// checkDigit is the 18th character of a GB 11643 number.
func checkDigit(first17 string) string {
	sum := 0
	for i, w := range []int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2} {
		sum += int(first17[i]-'0') * w
	}
	return string("10X98765432"[sum%11])
}
