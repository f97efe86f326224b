package intake

import (
	"context"
	"errors"
	"iter"

	"github.com/venuecode/venuecode/sheet"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// Subjects is the register of who must have a code. It is compared with the one
// before as a whole, so that it is not taken row by row.
var Subjects = Kind{Name: "subjects", whole: takeSubjects, Layout: subjectLayout}

var subjectLayout = sheet.Layout{
	Name: "应设主体名录",
	Columns: []sheet.Column{
		{Field: "name", Heading: "名称", Aliases: []string{"主体名称", "企业名称", "单位名称", "机构名称"}, Required: true, Help: helpSubjectName, Example: "青禾供销超市有限公司", Width: 36},
		{Field: "uscc", Heading: "统一社会信用代码", Aliases: []string{"信用代码", "社会信用代码"}, Help: helpSubjectUSCC, Example: "91419981MA0000001X", Width: 24},
		{Field: "address", Heading: "地址", Aliases: []string{"住所", "经营场所", "经营地址", "详细地址"}, Help: helpSubjectAddress, Example: "洗月街道文昌路1号", Width: 36},
		{Field: "division", Heading: "所属区划", Aliases: []string{"区划", "区划代码", "行政区划代码"}, Required: true, Help: helpSubjectDivision, Example: "419981001", Width: 16},
		{Field: "sector", Heading: "行业", Aliases: []string{"所属行业", "行业门类"}, Help: helpSubjectSector, Example: "餐饮", Width: 14},
		{Field: "category", Heading: "类别", Help: helpSubjectCategory, Example: "一"},
		{Field: "type", Heading: "类型", Aliases: []string{"场所类型"}, Help: helpSubjectType, Example: "小超市"},
		{Field: "state", Heading: "状态", Aliases: []string{"登记状态", "经营状态", "企业状态"}, Help: helpSubjectState, Example: "存续"},
		{Field: "exempt", Heading: "免设原因", Help: helpSubjectExempt, Width: 24},
		{Field: "until", Heading: "免设截止", Aliases: []string{"免设截止日期"}, Help: helpSubjectUntil, Width: 14},
	},
	Notes: []string{noteSubjectsWhole},
}

// SubjectRows are the rows of such a sheet, for a store.SubjectFile. One without any
// is refused: it would be the register of a city where nobody must have a code.
func SubjectRows(s *sheet.Sheet) iter.Seq2[store.SubjectRow, error] {
	return func(yield func(store.SubjectRow, error) bool) {
		none := true
		for row, err := range s.Rows() {
			none = false
			if err != nil {
				yield(store.SubjectRow{}, err)
				return
			}
			out := store.SubjectRow{Number: row.Number}
			get := func(field string) string {
				text, err := row.Get(field)
				var lost *venue.Invalid
				if errors.As(err, &lost) {
					out.Faults = append(out.Faults, lost)
				}
				return compose(text)
			}
			out.Form = registry.SubjectForm{
				Name: get("name"), USCC: get("uscc"), Address: get("address"), Division: get("division"), Sector: get("sector"),
				Category: get("category"), Type: get("type"), State: get("state"), Exempt: get("exempt"), Until: get("until"),
			}
			if !yield(out, nil) {
				return
			}
		}
		if none {
			yield(store.SubjectRow{}, &sheet.Refusal{Reason: sheet.ReasonEmpty})
		}
	}
}

// takeSubjects takes the register of the city.
func takeSubjects(ctx context.Context, s *sheet.Sheet, d *Desk, o Options) (Result, error) {
	r := Result{Errors: []Problem{}}
	add := func(row int, f *venue.Invalid) {
		r.Errors = append(r.Errors, Problem{row, heading(subjectLayout, f.Field), Sentence(f)})
	}
	file := store.SubjectFile{Rows: SubjectRows(s), Division: d.Division, Divisions: d.Divisions, Partial: o.Partial, By: o.By.Account, Mark: o.Mark, Progress: o.Told}
	if d.Census == nil {
		for row, err := range file.Rows {
			if err != nil {
				return r, err
			}
			_, proof, faults := file.Subject(row.Form)
			if len(row.Faults) > 0 {
				faults = row.Faults
			}
			switch r.Rows++; {
			case len(faults) > 0:
				r.Bad++
			case proof:
				r.Proof++
			default:
				r.OK++
			}
			for _, f := range faults {
				add(row.Number, f)
			}
		}
		return r, nil
	}
	take := d.Census.Import
	if o.DryRun {
		take = d.Census.Plan
	}
	p, err := take(ctx, file)
	if p != nil {
		r.Plan, r.Rows, r.OK, r.Proof, r.Bad = p, p.Rows, p.OK, p.Proof, p.Bad
		for _, f := range p.Faults {
			add(f.Row, f.Invalid)
		}
	}
	return r, err
}
