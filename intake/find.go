package intake

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/venuecode/venuecode/venue"
)

// compose writes a text in NFC, as package venue expects it.
func compose(s string) string { return norm.NFC.String(s) }

// clean is a name that something is looked for by.
func clean(s string) string { return strings.TrimSpace(venue.Fold(s)) }

// isName tells a division's name from its code.
func isName(s string) bool {
	s = clean(s)
	return s != "" && !strings.ContainsFunc(s, unicode.IsDigit)
}

// someDivision stands in a form for one whose name is looked up later.
const someDivision = "410482"

// division finds a division by the name that its territory has here;
// venue.ErrNotFound.
func (d *Desk) division(ctx context.Context, name string) (venue.Division, error) {
	return d.Register.DivisionNamed(ctx, clean(name))
}

// unitNamed finds the one unit of a name within reach. The reason is why there is
// none: registry.ReasonUnknown or reasonSeveral.
func (d *Desk) unitNamed(ctx context.Context, name string) (u venue.Unit, reason string, err error) {
	units, err := d.Register.UnitsNamed(ctx, name)
	units = slices.DeleteFunc(units, func(u venue.Unit) bool { return !d.reaches(u.Division) })
	switch {
	case err != nil:
		return u, "", err
	case len(units) == 0:
		return u, reasonUnknown, nil
	case len(units) > 1:
		return u, reasonSeveral, nil
	}
	return units[0], "", nil
}

// noUnit is the fault of a row whose unit is not registered, or not within reach:
// who may not write everywhere is not told which.
func (d *Desk) noUnit() (reason string) {
	if d.Within != nil {
		return reasonOutside
	}
	return reasonNoUnit
}
