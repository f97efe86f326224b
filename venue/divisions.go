package venue

import (
	"errors"
	"slices"
	"strings"
)

// NamedDivision is a row of a list of divisions. Name is the division's own,
// without those around it: 中原区.
type NamedDivision struct {
	Code Division
	Name string
}

// Divisions is a list of divisions by their names. It ends where its source
// ended: a township that is not listed may exist all the same. It never changes;
// nil is the empty list.
type Divisions struct {
	rows []divisionRow // by stem, so that what lies in a division follows it
}

type divisionRow struct{ stem, name string }

const divisionNameMax = 40 // characters

// RowFault says what is wrong with a row of a list, counted from 0.
type RowFault struct {
	Row int
	Err *Invalid
}

func (f RowFault) Error() string { return f.Err.Error() }

func (f RowFault) Unwrap() error { return f.Err }

// With is the list with rows added; they may come in any order, and one that l
// has is renamed. Codes have 6, 9 or 12 digits, as in Division, or 2 or 4 for a
// province or prefecture. If any row is wrong there is no list, and the error
// joins a RowFault for each. Reasons, of "code": "shape", "repeated", "orphan"
// (what it should lie in is not listed); of "name": those of ParseTitle.
func (l *Divisions) With(rows ...NamedDivision) (*Divisions, error) {
	var faults []error
	fault := func(row int, field, reason string) {
		faults = append(faults, RowFault{row, &Invalid{Field: field, Reason: reason}})
	}
	names := map[string]string{}
	if l != nil {
		for _, r := range l.rows {
			names[r.stem] = r.name
		}
	}
	seen := map[string]bool{}
	stems := make([]string, len(rows))
	for i, r := range rows {
		d, err := ParseDivision(widen(string(r.Code)))
		if err != nil {
			fault(i, "code", "shape")
			continue
		}
		stem := d.stem()
		if seen[stem] {
			fault(i, "code", "repeated")
			continue
		}
		seen[stem], stems[i] = true, stem
		name, err := ParseTitle("name", r.Name, 1, divisionNameMax)
		if invalid := (*Invalid)(nil); errors.As(err, &invalid) {
			fault(i, "name", invalid.Reason)
		}
		names[stem] = name
	}
	for i, stem := range stems {
		if n := around(stem); n > 0 {
			if _, ok := names[stem[:n]]; !ok {
				fault(i, "code", "orphan")
			}
		}
	}
	if len(faults) > 0 {
		slices.SortStableFunc(faults, func(a, b error) int { return a.(RowFault).Row - b.(RowFault).Row })
		return nil, errors.Join(faults...)
	}
	all := &Divisions{rows: make([]divisionRow, 0, len(names))}
	for stem, name := range names {
		all.rows = append(all.rows, divisionRow{stem, name})
	}
	slices.SortFunc(all.rows, func(a, b divisionRow) int { return strings.Compare(a.stem, b.stem) })
	return all, nil
}

// around is how many digits of a stem name what it lies in, 0 for a province.
func around(stem string) int {
	switch len(stem) {
	case 4:
		return 2
	case 6:
		// Counties that lie in the province directly (third and fourth digit from 90
		// on, GB/T 2260) or in a municipality.
		if stem[2:4] >= "90" || slices.Contains([]string{"11", "12", "31", "50"}, stem[:2]) {
			return 2
		}
		return 4
	case 9, 12:
		return len(stem) - 3
	}
	return 0
}

// widen writes the short codes of provinces and prefectures with six digits.
func widen(code string) string {
	code = strings.TrimSpace(Fold(code))
	if len(code) == 2 || len(code) == 4 {
		return code + "0000"[:6-len(code)]
	}
	return code
}

// Len is how many divisions are listed.
func (l *Divisions) Len() int {
	if l == nil {
		return 0
	}
	return len(l.rows)
}

// find is where stem stands, or would.
func (l *Divisions) find(stem string) (int, bool) {
	if l == nil {
		return 0, false
	}
	return slices.BinarySearchFunc(l.rows, stem, func(r divisionRow, stem string) int { return strings.Compare(r.stem, stem) })
}

// Name is the division's own name, "" if it is not listed.
func (l *Divisions) Name(d Division) string {
	if i, ok := l.find(d.stem()); ok {
		return l.rows[i].name
	}
	return ""
}

// Has tells whether there is such a division as far as the list goes: its county
// is listed, and so is its township if the list has any of the county's, and its
// village if it has any of the township's. The empty list knows nothing of
// anybody, and has all.
func (l *Divisions) Has(d Division) bool {
	if l.Len() == 0 {
		return true
	}
	stem := d.stem()
	for _, n := range []int{min(len(stem), 6), 9, 12} {
		if n > len(stem) {
			break
		}
		if _, listed := l.find(stem[:n]); !listed {
			return n > 6 && len(l.Within(Division(stem[:n-3]))) == 0
		}
	}
	return stem != ""
}

// Named finds the one division of a name in another, or that itself; not ok if
// there is none, or more than one.
func (l *Divisions) Named(name string, within Division) (found Division, ok bool) {
	stem := within.stem()
	if l == nil || stem == "" {
		return "", false
	}
	i, _ := l.find(stem)
	for ; i < len(l.rows) && strings.HasPrefix(l.rows[i].stem, stem); i++ {
		if l.rows[i].name != name {
			continue
		}
		if ok {
			return "", false
		}
		found, ok = l.rows[i].named().Code, true
	}
	return found, ok
}

// FullName is its name with those around it, 河南省郑州市中原区, "" if it is not
// listed.
func (l *Divisions) FullName(d Division) string {
	if l.Name(d) == "" {
		return ""
	}
	var b strings.Builder
	for _, r := range l.Path(d) {
		b.WriteString(r.Name)
	}
	return b.String()
}

// Path lists the divisions that d lies in, the province first, and d itself last:
// those of them that are listed.
func (l *Divisions) Path(d Division) (path []NamedDivision) {
	stem := d.stem()
	for _, n := range []int{2, 4, 6, 9, 12} {
		if n > len(stem) {
			break
		}
		if i, ok := l.find(stem[:n]); ok {
			path = append(path, l.rows[i].named())
		}
	}
	return path
}

// Within lists what lies directly in d, by code; of "", the provinces.
func (l *Divisions) Within(d Division) (list []NamedDivision) {
	stem := d.stem()
	if l == nil || stem == "" && d != "" {
		return nil
	}
	i, found := l.find(stem)
	if found {
		i++
	}
	last := " " // no stem begins so
	for ; i < len(l.rows) && strings.HasPrefix(l.rows[i].stem, stem); i++ {
		if r := l.rows[i]; !strings.HasPrefix(r.stem, last) {
			list, last = append(list, r.named()), r.stem
		}
	}
	return list
}

// named writes the code with six digits, or nine, or twelve.
func (r divisionRow) named() NamedDivision {
	return NamedDivision{Division(widen(r.stem)), r.name}
}
