package console

import (
	"regexp"
	"strings"
	"testing"
)

var (
	tables  = regexp.MustCompile(`(?s)<table.*?</table>`)
	headRow = regexp.MustCompile(`<thead><tr>(.*)</tr></thead>`)
	headed  = regexp.MustCompile(`<th[^>]*>(.*?)</th>`)
	cells   = regexp.MustCompile(`<td([^>]*)>`)
	defined = regexp.MustCompile(`(?s)\{\{- define "(coverage\.cells|coverage\.heads)"\}\}(.*?</t[dh]>)\{\{end`)
)

// TestEveryTableIsReadableOnAPhone: there a row is a card, so that each cell but the
// first says what its column says. What acts says it itself.
func TestEveryTableIsReadableOnAPhone(t *testing.T) {
	read := func(name string) string {
		b, err := files.ReadFile("pages/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	var shared []string
	for _, d := range defined.FindAllStringSubmatch(read("frame.html"), -1) {
		shared = append(shared, `{{template "`+d[1]+`"}}`, d[2], `{{template "`+d[1]+`" .}}`, d[2], `{{template "`+d[1]+`" .Data}}`, d[2])
	}
	names, err := files.ReadDir("pages")
	if err != nil || len(shared) != 12 {
		t.Fatal(err, shared)
	}
	seen := 0
	for _, f := range names {
		for _, table := range tables.FindAllString(strings.NewReplacer(shared...).Replace(read(f.Name())), -1) {
			seen++
			head := headRow.FindStringSubmatch(table)
			if head == nil || !strings.HasPrefix(table, "<table>\n<thead>") {
				t.Errorf("%s: a table that does not begin with its thead", f.Name())
				continue
			}
			columns := headed.FindAllStringSubmatch(head[1], -1)
			for _, row := range strings.Split(table, "<tr>")[2:] {
				for i, cell := range cells.FindAllStringSubmatch(row, -1) {
					if i >= len(columns) {
						t.Errorf("%s: a row has more cells than the table columns", f.Name())
						break
					}
					says := columns[i][1]
					if i > 0 && says != "" && says != `{{t "act"}}` && !strings.Contains(cell[1], `data-label="`+says+`"`) {
						t.Errorf("%s: column %s: <td%s>", f.Name(), says, cell[1])
					}
				}
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d tables were seen", seen)
	}
}
