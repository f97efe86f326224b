package registry

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/venuecode/venuecode/venue"
)

// Form is an application as somebody filled it in: nothing in it is checked.
// Names of persons are expected in NFC. It prints, logs and marshals as nothing;
// JSON unmarshals into it.
type Form struct {
	UnitName   string `json:"unit_name"`
	USCC       string `json:"uscc"`
	UnitKind   string `json:"unit_kind"` // a venue.UnitKind, or 机关 事业 企业 个体 …
	ParentUSCC string `json:"parent_uscc"`
	Division   string `json:"division"`
	Sectors    string `json:"sectors"` // several with 、 or a comma between them
	Headcount  string `json:"headcount"`

	Name      string   `json:"name"`
	ShortName string   `json:"short_name"` // "": the name's first eight characters
	Category  string   `json:"category"`   // see ParseCategory
	Type      string   `json:"type"`
	Place     string   `json:"place"` // the division of the venue; "": the unit's
	Address   string   `json:"address"`
	Lng       string   `json:"lng"` // GCJ-02; both or neither
	Lat       string   `json:"lat"`
	Radius    string   `json:"radius"` // metres; "": nearMetres
	Hours     string   `json:"hours"`  // see venue.ParseHours
	Inside    string   `json:"inside"` // the id of the venue that it lies in
	Zone      string   `json:"zone"`   // 功能分区 or 门店编号
	Plate     string   `json:"plate"`
	Doors     []string `json:"doors"`

	ApplicantName  Typed `json:"applicant_name"`
	ApplicantPhone Typed `json:"applicant_phone"`
	ManagerName    Typed `json:"manager_name"`
	ManagerPhone   Typed `json:"manager_phone"`
}

// Typed is what somebody filled in where a person's name or number belongs. It
// shows itself to nobody; text unmarshals into it.
type Typed struct{ text *string }

// NewTyped takes what was filled in.
func NewTyped(s string) Typed { return Typed{&s} }

// Reveal gives it back.
func (t Typed) Reveal() string {
	if t.text == nil {
		return ""
	}
	return *t.text
}

// UnmarshalText reads it from JSON.
func (t *Typed) UnmarshalText(b []byte) error { *t = NewTyped(string(b)); return nil }

// MarshalText writes nothing of it.
func (t Typed) MarshalText() ([]byte, error) { return []byte("*"), nil }

// Format keeps what was filled in out of any print.
func (f Form) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, "registry.Form") }

// Masked is the form with its names and numbers masked, and nothing where what
// was filled in is neither.
func (f Form) Masked() Form {
	name := func(t *Typed) {
		n, _ := venue.ParsePersonName(t.Reveal())
		*t = NewTyped(n.String())
	}
	phone := func(t *Typed) {
		p, _ := venue.ParsePhone(t.Reveal())
		*t = NewTyped(p.String())
	}
	name(&f.ApplicantName)
	name(&f.ManagerName)
	phone(&f.ApplicantPhone)
	phone(&f.ManagerPhone)
	return f
}

// MarshalJSON keeps it out of any JSON that it gets into by accident.
func (f Form) MarshalJSON() ([]byte, error) { return []byte(`"registry.Form"`), nil }

// LogValue keeps it out of the log.
func (f Form) LogValue() slog.Value { return slog.StringValue("registry.Form") }

// Reveal gives what was filled in as JSON, which unmarshals into a Form.
// Whoever shows it writes the audit entry.
func (f Form) Reveal() ([]byte, error) {
	type rest Form
	return json.Marshal(struct {
		rest
		ApplicantName  string `json:"applicant_name"`
		ApplicantPhone string `json:"applicant_phone"`
		ManagerName    string `json:"manager_name"`
		ManagerPhone   string `json:"manager_phone"`
	}{rest(f), f.ApplicantName.Reveal(), f.ApplicantPhone.Reveal(), f.ManagerName.Reveal(), f.ManagerPhone.Reveal()})
}

// Describe fills in a venue, without its doors.
func (f *Form) Describe(v venue.Venue) {
	f.Name, f.ShortName, f.Category, f.Type, f.Place, f.Address = v.Name, v.ShortName, Word(v.Category), v.Type, string(v.Division), v.Address
	f.Inside, f.Zone, f.Plate, f.Hours = string(v.Parent), v.Zone, string(v.Plate), string(v.Hours)
	if v.Located() {
		number := func(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
		f.Lng, f.Lat, f.Radius = number(v.Lng), number(v.Lat), number(v.Radius)
	}
}

// Values gives what was filled in by field, each door on a line. Whoever shows it
// writes the audit entry.
func (f Form) Values() map[string]string {
	b, err := f.Reveal()
	fields := map[string]any{}
	if err == nil {
		err = json.Unmarshal(b, &fields)
	}
	values := map[string]string{"doors": strings.Join(f.Doors, "\n")}
	for name, v := range fields {
		if s, ok := v.(string); ok && err == nil {
			values[name] = s
		}
	}
	return values
}

// Person is somebody to be reached about a unit or venue.
type Person struct {
	Name  venue.PersonName
	Phone venue.Phone
}

// Entry is a form that was checked: a unit, a venue of it, doors. What approval
// makes, ids and codes and whose it is, is not in it yet.
type Entry struct {
	Unit       venue.Unit
	ParentUSCC venue.USCC // "": none, or nobody said
	Venue      venue.Venue
	Doors      []string

	Applicant, Manager Person
	// Proof: the USCC's check character is wrong, so an officer must see the
	// register before the unit's doors may be scanned.
	Proof bool
}

// Faults are all that is wrong with a form; none is a good one.
type Faults []*venue.Invalid

// Why a field is refused, beside the reasons of package venue.
const (
	ReasonRequired = "required"
	ReasonTwice    = "twice"   // the same door, or row, again
	ReasonUnknown  = "unknown" // names nothing that there is
	ReasonRange    = "range"
	ReasonExists   = "exists" // something by that name is there already
	ReasonIDNumber = "id_number"
)

// Bounds of what is filled in, in characters. The short name's are printed on
// the poster (rules §1).
const (
	nameMin, nameMax       = 2, 100
	shortMin, shortMax     = 2, 8
	addressMin, addressMax = 5, 200
	partMax                = 30 // type, zone, door
	MaxDoors               = 200
	MaxSectors             = 10
	maxHeadcount           = 1_000_000
	formMax                = 64 << 10 // bytes of a field before it is looked at
)

// checking collects faults.
type checking struct{ faults Faults }

func (c *checking) fault(field, reason string) {
	c.faults = append(c.faults, &venue.Invalid{Field: field, Reason: reason})
}

// failed notes err under the form's name for the field.
func (c *checking) failed(field string, err error) bool {
	if err == nil {
		return false
	}
	reason := "shape"
	if i, ok := err.(*venue.Invalid); ok {
		reason = i.Reason
	}
	c.fault(field, reason)
	return true
}

// title reads a public text; "" where nothing is filled in.
func (c *checking) title(field, s string, required bool, least, most int) string {
	if blank(s) {
		if required {
			c.fault(field, ReasonRequired)
		}
		return ""
	}
	if len(s) > formMax {
		c.fault(field, "length")
		return ""
	}
	s, err := venue.ParsePublic(field, s, least, most)
	c.failed(field, err)
	return s
}

// read parses a field that may be left out unless it is required.
func read[T any](c *checking, field, s string, required bool, parse func(string) (T, error)) (v T) {
	if blank(s) {
		if required {
			c.fault(field, ReasonRequired)
		}
		return v
	}
	if len(s) > formMax {
		c.fault(field, "length")
		return v
	}
	v, err := parse(s)
	if c.failed(field, err) {
		var none T
		return none
	}
	return v
}

// Check makes an entry of the form, or tells everything that is wrong with it
// (rules §1, "which field is required"): USCC of organisations (class 一), plate
// of vehicles, zone or shop number inside another venue, and always names,
// address, a door, applicant and manager.
func (f Form) Check() (Entry, Faults) {
	var c checking
	e := Entry{Unit: c.unit(f), Doors: c.doors(f.Doors)}
	e.ParentUSCC = read(&c, "parent_uscc", f.ParentUSCC, false, uscc)
	c.venue(f, &e)
	e.Proof = c.uscc(f.USCC, e.Venue.Category == venue.CategoryOrganisation, &e.Unit)
	if e.Unit.USCC != "" && e.ParentUSCC == e.Unit.USCC {
		c.fault("parent_uscc", ReasonTwice)
	}
	e.Applicant = c.person("applicant", f.ApplicantName, f.ApplicantPhone)
	e.Manager = c.person("manager", f.ManagerName, f.ManagerPhone)
	return e, c.faults
}

// CheckUnit makes a unit of the form's first part; proof as in Entry. Its USCC
// is required.
func (f Form) CheckUnit() (u venue.Unit, proof bool, faults Faults) {
	var c checking
	u = c.unit(f)
	proof = c.uscc(f.USCC, true, &u)
	return u, proof, c.faults
}

// CheckVenue makes an entry of the form's venue, doors and manager, who may be left
// out unless managed; whose it is is not looked at. A place left blank is the
// caller's to fill in.
func (f Form) CheckVenue(managed bool) (Entry, Faults) {
	var c checking
	e := Entry{Doors: c.doors(f.Doors)}
	c.venue(f, &e)
	if managed || !blank(f.ManagerName.Reveal()) || !blank(f.ManagerPhone.Reveal()) {
		e.Manager = c.person("manager", f.ManagerName, f.ManagerPhone)
	}
	return e, c.faults
}

// NotInGroup is why nobody expects a number of a new unit: it comes to report
// once an official puts it into a group.
const NotInGroup = "尚未编入上报群"

func (c *checking) unit(f Form) venue.Unit {
	return venue.Unit{
		Name:      c.title("unit_name", f.UnitName, true, nameMin, nameMax),
		Kind:      read(c, "unit_kind", f.UnitKind, false, parseKind),
		Division:  read(c, "division", f.Division, true, parseDivision),
		Sectors:   c.sectors(f.Sectors),
		Headcount: read(c, "headcount", f.Headcount, false, parseHeadcount),
		Duty:      venue.DutyExempt, DutyReason: NotInGroup,
		Status: venue.StatusActive,
	}
}

func (c *checking) uscc(s string, required bool, u *venue.Unit) (proof bool) {
	if !blank(s) {
		var err error
		u.USCC, proof, err = ParseUSCC(s)
		c.failed("uscc", err)
	} else if required {
		c.fault("uscc", ReasonRequired)
	}
	if proof {
		u.Status = venue.StatusPending
	}
	return proof
}

func (c *checking) venue(f Form, e *Entry) {
	category := read(c, "category", f.Category, true, func(s string) (class, error) {
		k, kind, err := ParseCategory(s)
		return class{k, kind}, err
	})
	v := venue.Venue{
		Name: c.title("name", f.Name, true, nameMin, nameMax), Category: category.Category,
		Type:     c.title("type", f.Type, false, 1, partMax),
		Division: read(c, "place", f.Place, false, parseDivision),
		Address:  c.title("address", f.Address, true, addressMin, addressMax),
		Parent:   venue.VenueID(c.title("inside", f.Inside, false, 1, 64)),
		Hours:    read(c, "hours", f.Hours, false, venue.ParseHours),
		Radius:   cmp.Or(read(c, "radius", f.Radius, false, parseRadius), nearMetres),
		Status:   venue.StatusActive,
	}
	if v.Type == "" {
		v.Type = category.of
	}
	if v.Division == "" {
		v.Division = e.Unit.Division
	}
	if v.ShortName = c.title("short_name", f.ShortName, false, shortMin, shortMax); blank(f.ShortName) {
		v.ShortName = string([]rune(v.Name)[:min(utf8.RuneCountInString(v.Name), shortMax)])
	}
	v.Zone = c.title("zone", f.Zone, v.Parent != "" || v.Category == venue.CategoryFunctionalUnit, 1, partMax)
	v.Plate = read(c, "plate", f.Plate, IsVehicle(v.Type), venue.ParsePlate)
	v.Lng, v.Lat = c.position(f.Lng, f.Lat)
	e.Venue = v
}

// The radius within which a phone counts as being at a venue, in metres.
const (
	nearMetres           = 150 // of which nobody says more
	radiusMin, radiusMax = 10, 2000
)

type class struct {
	venue.Category
	of string // the type, if a type was named instead of a class
}

func (c *checking) person(who string, name, phone Typed) Person {
	return Person{
		Name:  read(c, who+"_name", name.Reveal(), true, venue.ParsePersonName),
		Phone: read(c, who+"_phone", phone.Reveal(), true, venue.ParsePhone),
	}
}

// Contact reads one person who may be left out; half of one is a fault of the
// other half.
func Contact(name, phone string) (Person, Faults) {
	if blank(name) && blank(phone) {
		return Person{}, nil
	}
	var c checking
	p := c.person("contact", NewTyped(name), NewTyped(phone))
	return p, c.faults
}

func (c *checking) doors(names []string) (doors []string) {
	names = slices.DeleteFunc(slices.Clone(names), blank)
	switch {
	case len(names) == 0:
		c.fault("doors", ReasonRequired)
	case len(names) > MaxDoors:
		c.fault("doors", ReasonRange)
		return nil
	}
	for _, name := range names {
		name = c.title("doors", name, true, 1, partMax)
		if slices.Contains(doors, name) {
			c.fault("doors", ReasonTwice)
			continue
		}
		doors = append(doors, name)
	}
	return doors
}

func (c *checking) sectors(s string) (sectors []string) {
	if len(s) > formMax {
		c.fault("sectors", "length")
		return nil
	}
	for _, name := range strings.FieldsFunc(venue.Fold(s), func(r rune) bool { return strings.ContainsRune("、,;/|\n", r) }) {
		if name = c.title("sectors", name, false, 1, partMax); name != "" && !slices.Contains(sectors, name) {
			sectors = append(sectors, name)
		}
	}
	if len(sectors) > MaxSectors {
		c.fault("sectors", ReasonRange)
	}
	return sectors
}

func (c *checking) position(lng, lat string) (x, y float64) {
	if blank(lng) && blank(lat) {
		return 0, 0
	}
	degrees := func(field, s string, least, most float64) float64 {
		return read(c, field, s, true, func(s string) (float64, error) {
			v, err := strconv.ParseFloat(strings.TrimSpace(venue.Fold(s)), 64)
			if err != nil || !(v >= least && v <= most) {
				return 0, &venue.Invalid{Field: field, Reason: ReasonRange}
			}
			return v, nil
		})
	}
	return degrees("lng", lng, 73, 136), degrees("lat", lat, 3, 54) // the country's
}

func blank(s string) bool { return strings.TrimSpace(venue.Fold(s)) == "" }

func uscc(s string) (venue.USCC, error) {
	u, _, err := ParseUSCC(s)
	return u, err
}

// ParseUSCC is venue.ParseUSCC, but an ID number, which people fill in when they
// have no USCC, is refused ("id_number"): it must not be kept as one.
func ParseUSCC(s string) (u venue.USCC, proof bool, err error) {
	if u, proof, err = venue.ParseUSCC(s); proof {
		if _, notID := venue.ParseIDNumber(s, anyDay); notID == nil {
			return "", false, &venue.Invalid{Field: "uscc", Reason: ReasonIDNumber}
		}
	}
	return u, proof, err
}

const anyDay = venue.Day(1 << 30)

func parseRadius(s string) (float64, error) {
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(venue.Fold(s)), "米"))
	if err != nil || n < radiusMin || n > radiusMax {
		return 0, &venue.Invalid{Field: "radius", Reason: ReasonRange}
	}
	return float64(n), nil
}

// parseDivision wants a county or smaller: nobody's 属地 is a province.
func parseDivision(s string) (venue.Division, error) {
	d, err := venue.ParseDivision(s)
	if err == nil && d.Level() < venue.LevelCounty {
		return "", &venue.Invalid{Field: "division", Reason: ReasonRange}
	}
	return d, err
}

func parseHeadcount(s string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(venue.Fold(s)), "人"))
	if err != nil || n < 0 || n > maxHeadcount {
		return 0, &venue.Invalid{Field: "headcount", Reason: ReasonRange}
	}
	return n, nil
}

var kinds = map[string]venue.UnitKind{
	"机关": venue.UnitGovernment, "事业": venue.UnitInstitution, "事业单位": venue.UnitInstitution, "企业": venue.UnitCompany,
	"个体": venue.UnitHousehold, "个体工商户": venue.UnitHousehold, "社会组织": venue.UnitAssociation, "社会团体": venue.UnitAssociation,
	"村委会": venue.UnitCommunity, "居委会": venue.UnitCommunity, "村（居）委会": venue.UnitCommunity, "其他": venue.UnitOther,
}

func init() {
	for _, k := range []venue.UnitKind{venue.UnitGovernment, venue.UnitInstitution, venue.UnitCompany, venue.UnitHousehold, venue.UnitAssociation, venue.UnitCommunity, venue.UnitOther} {
		kinds[string(k)] = k
	}
}

func parseKind(s string) (venue.UnitKind, error) {
	k, ok := kinds[strings.TrimSpace(s)]
	if !ok {
		return "", &venue.Invalid{Field: "unit_kind", Reason: ReasonUnknown}
	}
	return k, nil
}
