package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Grant is what an account may do, and where.
type Grant struct {
	Roles     []Role
	Divisions []venue.Division // for roles that see a territory or a sector
	Sectors   []string         // for roles that see a sector
	Unit      venue.UnitID     // for roles that see a unit
}

// maxPlaces bounds the divisions and the sectors of one account.
const maxPlaces = 64

// check gives g in its one form, or says what is wrong: *venue.Invalid, or a
// *Forbidden for roles that do not go together. All roles of an account see the
// city in the same way: otherwise what one role may do would be done where
// another may look.
func (g Grant) check() (Grant, error) {
	invalid := func(field, reason string) (Grant, error) {
		return Grant{}, &venue.Invalid{Field: field, Reason: reason}
	}
	g.Roles = tidy(g.Roles)
	if len(g.Roles) == 0 {
		return invalid("roles", "missing")
	}
	for _, r := range g.Roles {
		o, known := offices[r]
		switch {
		case !known:
			return invalid("roles", "unknown")
		case o.machine:
			return Grant{}, &Forbidden{RuleMachine}
		case o.view != offices[g.Roles[0]].view:
			return Grant{}, &Forbidden{RuleOneView}
		}
	}
	may := g.permissions()
	for _, p := range Pairs {
		if p.Asks != p.Checks && slices.Contains(may, p.Ask) && slices.Contains(may, p.Check) {
			return Grant{}, &Forbidden{RulePairs}
		}
	}
	divisions := make([]venue.Division, 0, len(g.Divisions))
	for _, d := range g.Divisions {
		parsed, err := venue.ParseDivision(string(d))
		if err != nil {
			return Grant{}, err
		}
		divisions = append(divisions, parsed)
	}
	g.Divisions = tidy(divisions)
	for i, s := range g.Sectors {
		if s = strings.TrimSpace(s); s == "" || len(s) > 100 {
			return invalid("sectors", "shape")
		} else if s != g.Sectors[i] {
			return invalid("sectors", "blank")
		}
	}
	g.Sectors = tidy(g.Sectors)
	if len(g.Divisions) > maxPlaces {
		return invalid("divisions", "length")
	}
	if len(g.Sectors) > maxPlaces {
		return invalid("sectors", "length")
	}
	if len(g.Unit) > 64 {
		return invalid("unit", "length")
	}
	view := offices[g.Roles[0]].view
	for _, f := range []struct {
		field       string
		given, must bool
	}{
		{"divisions", len(g.Divisions) > 0, view == venue.ScopeTerritory || view == venue.ScopeSector},
		{"sectors", len(g.Sectors) > 0, view == venue.ScopeSector},
		{"unit", g.Unit != "", view == venue.ScopeUnit},
	} {
		if f.must && !f.given {
			return invalid(f.field, "missing")
		}
		if !f.must && f.given { // read by no role, so somebody meant something else
			return invalid(f.field, "unused")
		}
	}
	return g, nil
}

// tidy sorts a copy and drops repeats.
func tidy[T ~string](in []T) []T {
	out := slices.Clone(in)
	slices.Sort(out)
	return slices.Compact(out)
}

func (g Grant) permissions() (may []Permission) {
	for _, r := range g.Roles {
		may = append(may, offices[r].may...)
	}
	return tidy(may)
}

func (g Grant) scope() venue.Scope {
	if len(g.Roles) == 0 {
		return venue.Scope{}
	}
	return venue.NewScope(offices[g.Roles[0]].view, g.Divisions, g.Sectors, g.Unit)
}

func (g Grant) sensitive() bool { return slices.ContainsFunc(g.Roles, Role.Sensitive) }

// within tells whether g gives nothing that o does not.
func (g Grant) within(o Grant) bool {
	return subset(g.Roles, o.Roles) && subset(g.Divisions, o.Divisions) && subset(g.Sectors, o.Sectors) &&
		(g.Unit == "" || g.Unit == o.Unit)
}

func subset[T comparable](part, whole []T) bool {
	return !slices.ContainsFunc(part, func(v T) bool { return !slices.Contains(whole, v) })
}

func (g Grant) equal(o Grant) bool { return g.within(o) && o.within(g) }

// String is for the audit.
func (g Grant) String() string {
	return fmt.Sprintf("roles=%s divisions=%s sectors=%s unit=%s", join(g.Roles), join(g.Divisions), join(g.Sectors), g.Unit)
}

func join[T ~string](in []T) string { return strings.Join(convert[string](in), ",") }

func convert[To, From ~string](in []From) []To {
	out := make([]To, len(in))
	for i, v := range in {
		out[i] = To(v)
	}
	return out
}

func (g Grant) row() store.OfficialGrant {
	return store.OfficialGrant{Roles: convert[string](g.Roles), Divisions: convert[string](g.Divisions), Sectors: slices.Clone(g.Sectors), Unit: string(g.Unit)}
}

func grantOf(r store.OfficialGrant) Grant {
	return Grant{Roles: convert[Role](r.Roles), Divisions: convert[venue.Division](r.Divisions), Sectors: slices.Clone(r.Sectors), Unit: venue.UnitID(r.Unit)}
}
