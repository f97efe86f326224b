package leak

import (
	"bytes"
	"strings"

	"github.com/venuecode/venuecode/sheet"
)

// sheets: a roster goes wrong in every place, with somebody in each cell.
func sheets(o *out) {
	layout := sheet.Layout{Name: "名册", Columns: []sheet.Column{{Field: "name", Heading: "姓名", Required: true}, {Field: "id", Heading: "证件号码"}}}
	person := people[0].Name + "," + people[0].IDNumber + "," + people[0].Phone + "\n"
	var workbook bytes.Buffer
	w := must[*sheet.Writer](o)(sheet.NewWriter(&workbook, layout.Name, layout.Columns))
	o.maybe("write", w.Write(people[0].Name, people[0].IDNumber))
	o.maybe("close", w.Close())
	whole := workbook.String()
	w = must[*sheet.Writer](o)(sheet.NewWriter(&workbook, layout.Name, layout.Columns))
	o.failure("too long", w.Write(strings.Repeat(people[0].Name, 20_000)))
	for name, text := range map[string]string{
		"good":          "姓名,证件号码\n" + person,
		"workbook":      whole,
		"no headings":   person + person,
		"two of one":    "姓名,姓名 \n" + person,
		"others":        "姓名,证件号码," + people[0].Name + "\n" + person,
		"lost digits":   "姓名,证件号码\n" + people[0].Name + "," + people[0].IDNumber[:1] + ".1E+17\n",
		"quotes":        "姓名,证件号码\n\"" + person,
		"quotes inside": "姓名,证件号码\nx\"" + person,
		"encoding":      "姓名,证件号码\n" + person + "\xff\xff\n",
		"long cell":     "姓名,证件号码\n" + strings.Repeat(people[0].IDNumber, 2000),
		"page":          "<p>" + person,
		"cut workbook":  whole[:len(whole)/2],
		"mixed":         strings.Replace(whole, "PK\x01\x02", people[0].Name, 1),
	} {
		s, err := sheet.Open(strings.NewReader(text), int64(len(text)), layout)
		o.maybe(name, err)
		o.text(name+", sentence", []byte(sheet.Sentence(err)))
		if err != nil {
			continue
		}
		for row, err := range s.Rows() {
			o.maybe(name, err)
			o.value(name, row)
			_, err = row.Get("id")
			o.maybe(name, err)
		}
	}
}
