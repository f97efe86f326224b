package configs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/venue"
)

// TestTheShippedDivisionsAreThoseOfHenan: the totals of the yearbook, and what one
// knows.
func TestTheShippedDivisionsAreThoseOfHenan(t *testing.T) {
	l := Divisions()
	var prefectures, counties int
	kinds := map[string]int{}
	for _, d := range l.Within("410000") {
		if d.Code.Level() == venue.LevelPrefecture {
			prefectures++
			if len(l.Within(d.Code)) < 5 {
				t.Errorf("%v has hardly a county", d)
			}
		}
		for _, c := range append(l.Within(d.Code), d) {
			if c.Code.Level() == venue.LevelCounty {
				counties++
				rs := []rune(c.Name)
				kinds[string(rs[len(rs)-1])]++
			}
		}
	}
	if prefectures != 17 || counties != 157 || l.Len() != 1+17+157 {
		t.Errorf("%d prefectures, %d counties, %d in all; want 17, 157, 175", prefectures, counties, l.Len())
	}
	if kinds["区"] != 54 || kinds["市"] != 21 || kinds["县"] != 82 {
		t.Errorf("%v; want 54 districts, 21 cities, 82 counties", kinds)
	}
	for code, want := range map[venue.Division]string{
		"410102": "河南省郑州市中原区", "410104": "河南省郑州市管城回族区", "410225": "河南省开封市兰考县", "410307": "河南省洛阳市偃师区", "410482": "河南省平顶山市汝州市",
		"410526": "河南省安阳市滑县", "410783": "河南省新乡市长垣市", "411003": "河南省许昌市建安区", "411381": "河南省南阳市邓州市", "411525": "河南省信阳市固始县",
		"411603": "河南省周口市淮阳区", "411729": "河南省驻马店市新蔡县", "419001": "河南省济源市",
		"410306": "", "410381": "", "410173": "", "419981": "", // abolished in 2021, the Bureau's own, nobody's
	} {
		if got := l.FullName(code); got != want {
			t.Errorf("%s is %q, want %q", code, got, want)
		}
	}
}

func TestAListOfDivisionsIsAdded(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, text := range map[string]string{
		"bare":              "410482001,煤山街道\n410482001001,新民社区\n",
		"heading, BOM, CR":  "\ufeff区划代码,名称\r\n４１０４８２００１,煤山街道\r\n410482001001, 新民社区 \r\n",
		"quotes, 12 digits": "# 2022\ncode,name\n\"410482001001\",\"新民社区\"\n\n410482001000,煤山街道\n",
	} {
		c := load(t, "test: true\ndivisions: "+write("list.csv", text))
		if got := c.Divisions.FullName("410482001001"); got != "河南省平顶山市汝州市煤山街道新民社区" || c.Divisions.Len() != Divisions().Len()+2 {
			t.Errorf("%s: got %q, %d rows", name, got, c.Divisions.Len())
		}
	}
	c, err := LoadBytes(filepath.Join(dir, "venuecode.yaml"), []byte("test: true\ndivisions: list.csv"), nil)
	if err != nil || c.DivisionsFile != filepath.Join(dir, "list.csv") {
		t.Errorf("a path from the configuration's folder: %v", err)
	}
	if c := load(t, "test: true"); c.Divisions != Divisions() {
		t.Error("without a list it is not the shipped one")
	}

	path := write("list.csv", "code,name\n41048,汝州市\n410482001,煤山街道\n410482001,煤山\n410999001,无县街道\n410482002\n410482003,\n410482004,\u0410pple街道\n410482005,甲\u202e街道\n")
	var got []string
	for _, f := range faults(t, "listen: nowhere\ntest: true\ndivisions: "+path) {
		got = append(got, strings.TrimPrefix(f.Error(), path))
	}
	want := []string{
		"venuecode.yaml:1: listen: must be address:port, as in 127.0.0.1:8080",
		"venuecode.yaml:3: divisions: refers to a list with faults",
		":6: must be a code and a name, with a comma between them",
		":2: code: must be a division's code of 2, 4, 6, 9 or 12 digits",
		":4: code: stands in this list twice",
		":5: code: lies in a division that is neither in this list nor in the shipped one",
		":7: name: must be 1 to 40 characters",
		":8: name: mixes letters of different scripts within one word",
		":9: name: holds control, direction or invisible characters",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if f := faults(t, "test: true\ndivisions: "+write("list.csv", "410482001,\xb3\xc7\xb9\xd8\n")); len(f) != 2 || !strings.Contains(f[1].Problem, "UTF-8") {
		t.Errorf("GBK: %v", f)
	}
	if f := faults(t, "test: true\ndivisions: "+write("list.csv", strings.Repeat("x,y\n", 5000))); len(f) != 1+mostRowFaults+1 || !strings.Contains(f[len(f)-1].Problem, "4899 faults more") {
		t.Errorf("%d faults of 4999 rows", len(f))
	}
	for _, path := range []string{filepath.Join(dir, "absent.csv"), dir} {
		if f := faults(t, "test: true\ndivisions: "+path); len(f) != 1 || f[0].Key != "divisions" {
			t.Errorf("%s: %v", path, f)
		}
	}
}

func FuzzDivisionList(f *testing.F) {
	f.Add([]byte("410482001,煤山街道\n\"410482001001\",\"新民\n社区\"\n"))
	f.Add([]byte("code,name\n\"\n,\n#\n,,,"))
	f.Add([]byte("410482004,\u0410pple街道\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, faults := addDivisions(Divisions(), "list.csv", b)
		for _, fault := range faults {
			if fault.Problem == "" {
				t.Fatalf("%+v says nothing", fault)
			}
		}
		if faults == nil && list.Len() < Divisions().Len() {
			t.Fatal("a list has shrunk")
		}
	})
}

func BenchmarkShippedDivisions(b *testing.B) {
	for b.Loop() {
		if _, faults := addDivisions(nil, "divisions.csv", shippedDivisions); faults != nil {
			b.Fatal(faults)
		}
	}
}

func BenchmarkFiftyThousandVillages(b *testing.B) {
	var text bytes.Buffer
	for i := range 500 {
		fmt.Fprintf(&text, "410482%03d,第%d街道\n", i+1, i)
		for j := range 100 {
			fmt.Fprintf(&text, "410482%03d%03d,第%d社区居民委员会\n", i+1, j+1, j)
		}
	}
	for b.Loop() {
		if _, faults := addDivisions(Divisions(), "list.csv", text.Bytes()); faults != nil {
			b.Fatal(faults)
		}
	}
}
