package venue

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func divisionList(t *testing.T, l *Divisions, rows ...string) *Divisions {
	t.Helper()
	list, err := l.With(named(rows...)...)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func named(rows ...string) (list []NamedDivision) {
	for _, r := range rows {
		code, name, _ := strings.Cut(r, " ")
		list = append(list, NamedDivision{Division(code), name})
	}
	return list
}

func TestDivisionsByName(t *testing.T) {
	shipped := divisionList(t, nil, "419001 济源市", "410000 河南省", "4101 郑州市", "410102 中原区", "410104 管城回族区", "410400 平顶山市", "50 重庆市", "500101 万州区")
	l := divisionList(t, shipped, "410102005000 绿东村街道", "410102001 林山寨街道", "410102001001 中原区林山寨社区", "410104 管城区")
	for _, c := range []struct {
		d          Division
		name, full string
		within     string
	}{
		{"", "", "", "[{410000 河南省} {500000 重庆市}]"},
		{"410000", "河南省", "河南省", "[{410100 郑州市} {410400 平顶山市} {419001 济源市}]"},
		{"410100", "郑州市", "河南省郑州市", "[{410102 中原区} {410104 管城区}]"},
		{"410102000000", "中原区", "河南省郑州市中原区", "[{410102001 林山寨街道} {410102005 绿东村街道}]"},
		{"410102001", "林山寨街道", "河南省郑州市中原区林山寨街道", "[{410102001001 中原区林山寨社区}]"},
		{"410102001001", "中原区林山寨社区", "河南省郑州市中原区林山寨街道中原区林山寨社区", "[]"},
		{"419001", "济源市", "河南省济源市", "[]"},
		{"500101", "万州区", "重庆市万州区", "[]"},
		{"410482", "", "", "[]"},
		{"410102002", "", "", "[]"},
		{"999999", "", "", "[]"},
		{"41", "", "", "[]"},
	} {
		if got := l.Name(c.d); got != c.name {
			t.Errorf("%s: name %q, want %q", c.d, got, c.name)
		}
		if got := l.FullName(c.d); got != c.full {
			t.Errorf("%s: full name %q, want %q", c.d, got, c.full)
		}
		if got := fmt.Sprint(l.Within(c.d)); got != c.within {
			t.Errorf("%s: within %s, want %s", c.d, got, c.within)
		}
	}
	if got := fmt.Sprint(l.Path("410102002")); got != "[{410000 河南省} {410100 郑州市} {410102 中原区}]" {
		t.Errorf("a township that is not listed lies in %s", got)
	}
	if got := shipped.Name("410104"); got != "管城回族区" || shipped.Len() != 8 || l.Len() != 11 {
		t.Errorf("adding has changed the list: %q, %d, %d", got, shipped.Len(), l.Len())
	}
	var none *Divisions
	if none.Name("410000") != "" || none.FullName("410000") != "" || none.Path("410000") != nil || none.Within("") != nil || none.Len() != 0 {
		t.Error("the empty list is not empty")
	}
}

func TestAListHasWhatItEndsAbove(t *testing.T) {
	l := divisionList(t, nil, "41 河南省", "4101 郑州市", "410102 中原区", "410102001 林山寨街道", "410102005 城关镇", "410102001001 新民社区", "410103 二七区", "419001 济源市", "419001001 沁园街道", "419001002 城关镇")
	for d, want := range map[Division]bool{
		"410102": true, "410102000000": true, "410103": true, "410104": false, "419001": true, "999999": false, "": false, "41": false,
		"410102001": true, "410102002": false, // of a county whose townships are listed
		"410103001": true, "410103001001": true, // of one of which none is
		"410102001001": true, "410102001002": false,
		"410102005001": true, "410102002001": false,
		"410000": true, "410100": true, "410400": false, "500000": false,
	} {
		if got := l.Has(d); got != want {
			t.Errorf("has %s: %v", d, got)
		}
		if none := (*Divisions)(nil); !none.Has(d) {
			t.Errorf("a list of nothing knows better than %s", d)
		}
	}
	for _, c := range []struct {
		name   string
		within Division
		want   Division
	}{
		{"林山寨街道", "410102", "410102001"}, {"林山寨街道", "410000", "410102001"}, {"林山寨街道", "410103", ""}, {"中原区", "410102", "410102"},
		{"城关镇", "410000", ""}, {"城关镇", "419001", "419001002"}, {"新民社区", "410102", "410102001001"}, {"", "410102", ""}, {"林山寨街道", "", ""}, {"林山寨", "410102", ""},
	} {
		if got, ok := l.Named(c.name, c.within); got != c.want || ok != (c.want != "") {
			t.Errorf("%s in %s is %q, want %q", c.name, c.within, got, c.want)
		}
	}
	if _, ok := (*Divisions)(nil).Named("中原区", "410102"); ok {
		t.Error("a list of nothing has a name")
	}
}

func TestEveryFaultOfAListIsNamed(t *testing.T) {
	base := divisionList(t, nil, "41 河南省", "410100 郑州市", "410102 中原区")
	got, err := base.With(named("41010 五位", "410103 二七区", "410103000 二七区", "410482001 汝州的街道", "410102001 ", "410102002 "+strings.Repeat("长", 41), "410102003 左\u202e右",
		"410200001 无县", "410482 汝州市", "420000 湖北省", "429004 仙桃市", "4190 x", "410102001001 村", "abc 名", " 名", "411700 驻马店市", "4117 驻马店市")...)
	if got != nil {
		t.Error("a faulty list is a list")
	}
	var all []string
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		var f RowFault
		if !errors.As(e, &f) || !errors.Is(e, ErrInvalid) {
			t.Fatalf("%v is no RowFault", e)
		}
		all = append(all, fmt.Sprint(f.Row, " ", f.Err))
	}
	want := []string{"0 code: shape", "2 code: repeated", "4 name: length", "5 name: length", "6 name: character", "7 code: orphan", "8 code: orphan", "13 code: shape", "14 code: shape", "16 code: repeated"}
	if !slices.Equal(all, want) {
		t.Errorf("got  %q\nwant %q", all, want)
	}
}
