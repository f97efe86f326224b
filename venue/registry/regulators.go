package registry

import (
	"cmp"
	"slices"
	"strings"

	"github.com/venuecode/venuecode/venue"
)

// Regulators says who regulates which type of place. A type may have several; one
// that the notice gives to nobody is the territory's alone, and shown as such.
type Regulators struct {
	names []string            // in the list's order
	of    map[string][]string // by the type's likeKey
}

// NewRegulators makes the list of them. Types under no name are those that are
// known to have nobody.
func NewRegulators(list []venue.Regulator) *Regulators {
	r := &Regulators{of: map[string][]string{}}
	for _, g := range list {
		if g.Name != "" {
			r.names = append(r.names, g.Name)
		}
		for _, t := range g.Types {
			names := r.of[likeKey(t)]
			if g.Name != "" {
				names = append(names, g.Name)
			}
			r.of[likeKey(t)] = names
		}
	}
	return r
}

// Of names the regulators of a type of place, or of a sector if the list does not
// have the type; none if the notice names none. The territory always answers too.
func (r *Regulators) Of(kind, sector string) []string {
	if names, known := r.of[likeKey(kind)]; known {
		return names
	}
	return r.of[likeKey(sector)]
}

// RegulatorRow is the coverage of what one regulator answers for, in one
// division; Name "" is the row of what no regulator is named for.
type RegulatorRow struct {
	Name     string
	Division venue.Division // "" in a total
	Coverage
}

// ByRegulator is coverage by regulator and division. What has several regulators
// is in the row of each, so these do not add up to the whole; the row without a
// name is what nobody is named for, with its types or sectors.
func (p *Picture) ByRegulator(scope venue.Scope, f Filter, r *Regulators) (rows, totals []RegulatorRow, unnamed []string) {
	type key struct {
		name     string
		division venue.Division
	}
	sums, kinds := map[key]Coverage{}, map[string]bool{}
	part := parts(scope, f)
	for k, c := range p.cells {
		if !f.takes(scope, k) || c.Must == 0 {
			continue
		}
		names := r.Of(k.kind, k.sector)
		if len(names) == 0 {
			names = []string{""}
			kinds[cmp.Or(k.kind, k.sector)] = true
		}
		for _, name := range names {
			for _, d := range []venue.Division{part(k.division), ""} {
				sum := sums[key{name, d}]
				sum.add(c.Coverage)
				sums[key{name, d}] = sum
			}
		}
	}
	for k, sum := range sums {
		row := RegulatorRow{k.name, k.division, sum}
		if k.division == "" {
			totals = append(totals, row)
		} else {
			rows = append(rows, row)
		}
	}
	order := func(a, b RegulatorRow) int {
		return cmp.Or(cmp.Compare(r.place(a.Name), r.place(b.Name)), strings.Compare(string(a.Division), string(b.Division)))
	}
	slices.SortFunc(rows, order)
	slices.SortFunc(totals, order)
	for kind := range kinds {
		unnamed = append(unnamed, kind)
	}
	slices.Sort(unnamed)
	return rows, totals, unnamed
}

// place is where a regulator stands in the list; nobody is last.
func (r *Regulators) place(name string) int {
	if i := slices.Index(r.names, name); i >= 0 {
		return i
	}
	return len(r.names)
}
