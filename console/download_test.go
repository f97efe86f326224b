package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

// workbookOf opens a workbook by other means than ours.
func workbookOf(t *testing.T, got reply) (rows [][]string) {
	t.Helper()
	if got.status != 200 || got.header.Get("Content-Type") != xlsxType || !strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment; filename=") {
		t.Fatalf("answered %d %v %.200s", got.status, got.header, got.body)
	}
	f, err := excelize.OpenReader(strings.NewReader(got.body))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if rows, err = f.GetRows(f.GetSheetName(0)); err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestTheListsOfADeadlineAreReadWhole: in pages and as workbooks, each with its
// total and all of its own rows.
func TestTheListsOfADeadlineAreReadWhole(t *testing.T) {
	d := newDesk(t, access.RoleChecker)
	in := store.Registered{Since: d.civil.Now()}
	for i := range 2*deadlinePage + 3 {
		u := venue.Unit{ID: venue.UnitID(fmt.Sprintf("late-%03d", i)), Name: fmt.Sprintf("迟单位%03d", i), Parent: "unit-a", Division: venue.Division(fmt.Sprintf("41048200100%d", i%3)), Sectors: []string{"教育"}}
		in.Units = append(in.Units, u)
		if i%2 == 1 {
			v := venue.Venue{ID: venue.VenueID("v" + u.ID), Unit: u.ID, Name: u.Name, Address: "路1号", Division: u.Division, Status: venue.StatusActive}
			in.Venues = append(in.Venues, v)
			in.Doors = append(in.Doors, venue.Door{Code: venue.Code(fmt.Sprintf("L%015d", i)), Venue: v.ID, Unit: u.ID, Name: "正门", Status: venue.StatusActive})
		}
	}
	if err := d.registry.Put(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	token := d.login("checker")
	type page struct {
		Total int
		Rows  []struct{ ID string }
		Next  string
	}
	ask := func(query string) (j struct {
		Units    int
		Without  page `json:"without_code"`
		Unposted page
	}) {
		t.Helper()
		d.fetch("/console/coverage/deadline?unit=unit-a"+query, token, &j)
		return j
	}
	both := ask("")
	if both.Units != 2*deadlinePage+5 || both.Without.Total != deadlinePage+2 || both.Unposted.Total != deadlinePage+3 || both.Without.Next == "" || both.Unposted.Next == "" {
		t.Fatalf("%d units, %d without, %d unposted", both.Units, both.Without.Total, both.Unposted.Total)
	}
	for kind, want := range map[string]int{listWithout: deadlinePage + 2, listUnposted: deadlinePage + 3} {
		var seen []string
		for next := ""; ; {
			j := ask("&list=" + kind + next)
			p, other := j.Without, j.Unposted
			if kind == listUnposted {
				p, other = other, p
			}
			if p.Total != want || len(other.Rows) != 0 || other.Total == 0 {
				t.Fatalf("%s: a page of %d, beside it %d rows of %d", kind, p.Total, len(other.Rows), other.Total)
			}
			for _, r := range p.Rows {
				seen = append(seen, r.ID)
			}
			if p.Next == "" {
				break
			}
			next = "&after=" + url.QueryEscape(p.Next)
		}
		if len(seen) != want || len(slices.Compact(slices.Sorted(slices.Values(seen)))) != want {
			t.Errorf("%s: %d rows in its pages, want %d", kind, len(seen), want)
		}
		rows := workbookOf(t, d.call("GET", "/console/coverage/deadline.xlsx?unit=unit-a&list="+kind, token, ""))
		if title := rows[0][0]; !strings.Contains(title, fmt.Sprintf("限期 2022-05-19 00:00，截至 2022-05-18 09:00，共 %d 家", want)) || !strings.Contains(title, words["deadline."+kind]) {
			t.Errorf("%s: title %q", kind, title)
		}
		if len(rows) != want+3 || !strings.Contains(rows[len(rows)-1][0], fmt.Sprint(want)) {
			t.Errorf("%s: %d lines in the workbook, the last %q", kind, len(rows), rows[len(rows)-1])
		}
	}
	html := d.browse("GET", "/console/coverage/deadline?unit=unit-a&at=2022-05-18T10:00", token, nil).body
	for _, want := range []string{fmt.Sprintf("合计 %d 家 · 本页 %d 家", deadlinePage+2, deadlinePage), "deadline.xlsx?list=unposted&amp;at=2022-05-18T10%3a00&amp;division=&amp;sector=&amp;unit=unit-a", "?list=without_code&amp;after=410482001002-late-"} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if one := d.browse("GET", "/console/coverage/deadline?list=unposted", token, nil).body; strings.Count(one, "<h2>") != 1 {
		t.Error("a page of one list shows the other")
	}
	for query, want := range map[string]int{"deadline?list=x": 422, "deadline?after=410482001-x": 422, "deadline.xlsx": 422, "deadline.xlsx?list=unposted&unit=unit-b": 404, "deadline.xlsx?list=unposted&division=410482": 404} {
		if got := d.call("GET", "/console/coverage/"+query, token, ""); got.status != want {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
}

func TestSilentAndIncompleteCodesAreWorkbooks(t *testing.T) {
	d := newDesk(t, access.RoleChecker)
	in := store.Registered{Since: d.civil.Now().AddDate(0, 0, -30)}
	for i := range unitsPage + 2 {
		v := venue.Venue{ID: venue.VenueID(fmt.Sprintf("old-%03d", i)), Unit: "unit-a", Name: fmt.Sprintf("旧店%03d", i), Division: "410482001", Status: venue.StatusIncomplete}
		in.Venues = append(in.Venues, v)
		in.Doors = append(in.Doors, venue.Door{Code: venue.Code(fmt.Sprintf("L%015d", i)), Venue: v.ID, Unit: v.Unit, Name: "=正门", Status: venue.StatusIncomplete})
	}
	if err := d.registry.Put(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	token := d.login("checker")
	for path, want := range map[string]struct {
		rows int
		has  string
	}{
		"/console/incomplete.xlsx":            {unitsPage + 2, "甲校金丝雀"},
		"/console/codes/silent.xlsx?days=7":   {unitsPage + 2, "'=正门"},
		"/console/codes/silent.xlsx?days=60":  {0, "60 天"},
		"/console/coverage/missing.xlsx?gap=": {2, "未找到对应单位"},
	} {
		rows := workbookOf(t, d.call("GET", path, token, ""))
		if len(rows) != want.rows+3 || !strings.Contains(fmt.Sprint(rows), want.has) {
			t.Errorf("%s: %d lines, want %d and %s: %v", path, len(rows), want.rows+3, want.has, rows[:min(len(rows), 4)])
		}
	}
	if left := d.rows(audit.Filter{Actor: "checker", Action: "list.download"}); len(left) != 4 {
		t.Errorf("%d lists left by the audit, want 4", len(left))
	}
}

// TestAFileIsTakenAtAPace: what a piece takes to be made does not count.
func TestAFileIsTakenAtAPace(t *testing.T) {
	const piece = 64 << 10
	for _, c := range []struct {
		makes, takes time.Duration // each piece
		pieces       int           // that are taken, of 10,000
	}{
		{0, time.Second * piece / takenAt, 10_000},
		{time.Second, time.Second * piece / takenAt, 10_000},
		{0, 2 * time.Second * piece / takenAt, 121},
		{0, 10 * time.Second, 7},
	} {
		now := time.Now()
		conn, other := net.Pipe()
		defer other.Close()
		u := &unhurried{ctx: t.Context(), conn: conn, begun: make(chan struct{}), machine: venue.ClockFunc(func() time.Time { return now }),
			to: writer(func(b []byte) (int, error) { now = now.Add(c.takes); return len(b), nil })}
		n := 0
		for ; n < 10_000; n++ {
			now = now.Add(c.makes)
			if _, err := u.Write(make([]byte, piece)); errors.Is(err, io.ErrClosedPipe) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if n != c.pieces {
			t.Errorf("made in %s, taken in %s each: %d pieces, want %d", c.makes, c.takes, n, c.pieces)
		}
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

// TestAFileIsNotMadeForEver: whoever reads a piece in time does not hold the
// printer past the time that a file has.
func TestAFileIsNotMadeForEver(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	u := &unhurried{ctx: ctx, begun: make(chan struct{})}
	if _, err := u.Write([]byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("a piece after the end: %v", err)
	}
}
