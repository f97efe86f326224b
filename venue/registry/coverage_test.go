package registry

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/venuecode/venuecode/venue"
)

var (
	today      = venue.DayOf(time.Date(2022, 5, 18, 0, 0, 0, 0, venue.Zone))
	everywhere = venue.NewScope(venue.ScopeTerritory, []venue.Division{"410400"}, nil, "")
)

// world is a register with units as a list, which is asked without any thought
// of speed.
type world struct {
	subjects  map[string]Subject
	units     map[venue.UnitID]Holding
	decisions []Decision
}

// covered tells by the words of the rule whether a subject has a posted code.
func (w world) covered(id string) bool {
	for _, h := range w.units {
		_, known := w.subjects[string(h.USCC)]
		is := known && string(h.USCC) == id
		if !known {
			is = slices.ContainsFunc(w.decisions, func(d Decision) bool { return d.Same && d.Unit == h.ID && d.Subject == id && !w.refused(d) })
		}
		if is && h.Codes > 0 && h.Active && !h.Posted.IsZero() {
			return true
		}
	}
	return false
}

func (w world) refused(of Decision) bool {
	return slices.ContainsFunc(w.decisions, func(d Decision) bool { return !d.Same && d.Unit == of.Unit && d.Subject == of.Subject })
}

func (w world) coverage(scope venue.Scope, f Filter, on venue.Day) (c Coverage) {
	for id, s := range w.subjects {
		switch {
		case !scope.CoversSector(s.Division, s.Sector),
			f.Division != "" && !f.Division.Contains(s.Division), f.Sector != "" && f.Sector != s.Sector, f.Category != 0 && f.Category != s.Category,
			s.State != SubjectActive, s.Gone != 0, s.Exempt != "" && (s.Until == 0 || on <= s.Until):
			continue
		}
		c.Must++
		if w.covered(id) {
			c.Have++
		}
	}
	return c
}

// change does one thing at random to the world and to its picture.
func (w *world) change(r *rand.Rand, p *Picture) {
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	divisions := []string{"410482", "410482001", "410482002", "410482002003", "410482001001", "410481", "410481001"}
	switch n := r.IntN(10); {
	case n < 4:
		s := Subject{
			Name: one("甲", "乙"), Division: venue.Division(one(divisions...)), Sector: one("餐饮", "教育", ""), Category: venue.Category(r.IntN(7)), Type: one("药店", ""),
			State: SubjectState(one("active", "active", "active", "cancelled", "revoked", "moved")), Exempt: one("", "", "", "歇业"),
		}
		if r.IntN(2) == 0 {
			s.Until = today + venue.Day(r.IntN(5)) - 2
		}
		if r.IntN(8) == 0 {
			s.Gone = today - 1
		}
		id := fmt.Sprintf("U%d", r.IntN(30))
		w.subjects[id] = s
		p.Subject(id, s)
	case n < 8:
		h := Holding{ID: venue.UnitID(fmt.Sprintf("u%d", r.IntN(30))), USCC: venue.USCC(one("", fmt.Sprintf("U%d", r.IntN(40)))),
			Division: venue.Division(one(divisions...)), Sectors: []string{one("餐饮", "教育")}, Codes: r.IntN(3), Active: r.IntN(4) > 0}
		if r.IntN(2) == 0 {
			h.Posted = today.Start()
		}
		w.units[h.ID] = h
		p.Unit(h)
	default:
		d := Decision{Unit: venue.UnitID(fmt.Sprintf("u%d", r.IntN(30))), Subject: fmt.Sprintf("U%d", r.IntN(30)), Same: r.IntN(3) > 0}
		w.decisions = slices.DeleteFunc(w.decisions, func(o Decision) bool { return o.Unit == d.Unit && (o.Same && d.Same || o.Subject == d.Subject) })
		w.decisions = append(w.decisions, d)
		p.Decided(w.decisions)
	}
}

// TestCoverageIsExactAndItsPartsAddUp holds the picture against the rule's words
// under random changes: for every scope and filter, parts sum to the everywhere, and
// have is never above must.
func TestCoverageIsExactAndItsPartsAddUp(t *testing.T) {
	scopes := []venue.Scope{
		everywhere,
		venue.NewScope(venue.ScopeTerritory, []venue.Division{"410482001", "410481"}, nil, ""),
		venue.NewScope(venue.ScopeSector, []venue.Division{"410482"}, []string{"餐饮"}, ""),
		{},
	}
	filters := []Filter{{}, {Division: "410482"}, {Division: "410482002", Sector: "教育"}, {Category: 3}, {Sector: "餐饮"}}
	some := 0
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		w, p := world{subjects: map[string]Subject{}, units: map[venue.UnitID]Holding{}}, NewPicture()
		for step := range 200 {
			w.change(r, p)
			if step%10 != 0 {
				continue
			}
			on := today + venue.Day(r.IntN(3))
			p.Sum(on)
			for i, scope := range scopes {
				for _, f := range filters {
					got, want := p.Coverage(scope, f), w.coverage(scope, f, on)
					if got.Coverage != want {
						t.Fatalf("seed %d, step %d, scope %d, %+v: got %+v, want %+v", seed, step, i, f, got.Coverage, want)
					}
					some += want.Have
					classes := Coverage{}
					for _, c := range got.Classes {
						classes.add(c)
					}
					for what, sum := range map[string]Coverage{"rows": total(got.Rows), "divisions": total(got.Divisions), "sectors": total(got.Sectors), "classes": classes} {
						if sum != want {
							t.Fatalf("seed %d, step %d, scope %d, %+v: %s add up to %+v, not %+v", seed, step, i, f, what, sum, want)
						}
					}
					// Each part is what is asked for alone.
					parts := map[Filter]Coverage{}
					for _, d := range got.Divisions {
						// Above other rows one is what lies there and no deeper.
						if !slices.ContainsFunc(got.Divisions, func(o CoverageRow) bool { return o != d && d.Division.Contains(o.Division) }) {
							parts[Filter{d.Division, f.Sector, f.Category}] = d.Coverage
						}
					}
					for _, sector := range got.Sectors {
						if sector.Sector != "" {
							parts[Filter{f.Division, sector.Sector, f.Category}] = sector.Coverage
						}
					}
					for class, c := range got.Classes {
						if class > 0 && (f.Category == 0 || int(f.Category) == class) {
							parts[Filter{f.Division, f.Sector, venue.Category(class)}] = c
						}
					}
					for part, got := range parts {
						if want := w.coverage(scope, part, on); got != want || got.Have > got.Must {
							t.Fatalf("seed %d, step %d, scope %d, %+v: the part %+v is %+v, alone %+v", seed, step, i, f, part, got, want)
						}
					}
					lack := 0
					for _, n := range got.Lack {
						lack += n
					}
					list, all := p.Missing(scope, f, "", Gapped{}, 0)
					if want.Have > want.Must || lack != want.Must-want.Have || all != lack || len(list) != all {
						t.Fatalf("seed %d, step %d, scope %d, %+v: %+v, lacking %d, listed %d of %d", seed, step, i, f, want, lack, len(list), all)
					}
					for _, l := range list {
						if w.covered(l.ID) {
							t.Fatalf("%s is listed and covered", l.ID)
						}
					}
				}
			}
		}
	}
	if some == 0 {
		t.Error("nothing was ever covered")
	}
}

func total(rows []CoverageRow) (c Coverage) {
	for _, r := range rows {
		c.add(r.Coverage)
	}
	return c
}

func TestMissingIsReadInPages(t *testing.T) {
	p := NewPicture()
	for i := range 95 {
		p.Subject(fmt.Sprintf("S%02d", i), Subject{Division: venue.Division([]string{"410482002", "410482001"}[i%2]), State: SubjectActive})
	}
	p.Sum(today)
	all, total := p.Missing(everywhere, Filter{}, "", Gapped{}, 0)
	var paged []Gapped
	for after := (Gapped{}); ; {
		list, n := p.Missing(everywhere, Filter{}, GapUnit, after, 10)
		if n != total {
			t.Fatalf("a page says %d in all, not %d", n, total)
		}
		if len(list) == 0 {
			break
		}
		paged, after = append(paged, list...), list[len(list)-1]
	}
	if total != 95 || !slices.Equal(paged, all) || !slices.IsSortedFunc(all, Gapped.compare) {
		t.Errorf("%d in all, pages differ from the list: %v", total, paged)
	}
}

func TestPartsAreOneLevelBelowTheQuestion(t *testing.T) {
	p := NewPicture()
	for i, d := range []venue.Division{"410482", "410482001", "410482001002", "410482000000", "410481003"} {
		s := Subject{Division: d.At(venue.LevelVillage), Sector: "餐饮", State: SubjectActive}
		p.Subject(fmt.Sprint(i), s)
	}
	p.Sum(today)
	names := func(scope venue.Scope, f Filter) (out []string) {
		for _, r := range p.Coverage(scope, f).Rows {
			out = append(out, fmt.Sprintf("%s %d", r.Division, r.Must))
		}
		return out
	}
	for want, got := range map[string][]string{
		"[410481 1 410482 4]":                      names(everywhere, Filter{}),
		"[410482 2 410482001 2]":                   names(everywhere, Filter{Division: "410482"}),
		"[410482001 1 410482001002 1]":             names(everywhere, Filter{Division: "410482001"}),
		"[410481003 1 410482001 1 410482001002 1]": names(venue.NewScope(venue.ScopeTerritory, []venue.Division{"410481", "410482001"}, nil, ""), Filter{}),
	} {
		if fmt.Sprint(got) != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

func TestCodesOutsideTheRegisterStandBeside(t *testing.T) {
	p := NewPicture()
	p.Subject("REG", Subject{Division: "410482001", Sector: "餐饮", State: SubjectActive})
	p.Unit(Holding{ID: "in", USCC: "REG", Division: "410482001", Codes: 7, Active: true, Posted: today.Start()})
	p.Unit(Holding{ID: "out", USCC: "OTHER", Division: "410482001", Sectors: []string{"教育", "餐饮"}, Codes: 300, Active: true, Posted: today.Start()})
	p.Sum(today)
	for _, c := range []struct {
		scope   venue.Scope
		f       Filter
		have    int
		outside int
	}{
		{everywhere, Filter{}, 1, 300},
		{everywhere, Filter{Sector: "教育"}, 0, 300},
		{everywhere, Filter{Division: "410482002"}, 0, 0},
		{venue.NewScope(venue.ScopeSector, []venue.Division{"410482"}, []string{"教育"}, ""), Filter{}, 0, 300},
		{venue.NewScope(venue.ScopeTerritory, []venue.Division{"410481"}, nil, ""), Filter{}, 0, 0},
	} {
		got := p.Coverage(c.scope, c.f)
		if got.Have != c.have || got.Must != c.have || got.Outside != c.outside {
			t.Errorf("%+v: %+v", c, got)
		}
	}
}

func TestTheLowestCoverageRanksFirst(t *testing.T) {
	rows := []CoverageRow{
		{Division: "a", Coverage: Coverage{0, 0}}, {Division: "b", Coverage: Coverage{1, 2}}, {Division: "c", Coverage: Coverage{50, 100}},
		{Division: "d", Coverage: Coverage{0, 1}}, {Division: "e", Coverage: Coverage{3, 3}},
	}
	slices.SortFunc(rows, CoverageRow.byLowest)
	var order string
	for _, r := range rows {
		order += string(r.Division)
	}
	if order != "dcbea" {
		t.Errorf("got %s", order)
	}
}

// The notice: by 18 May 10:00, strictly before.
func TestTheDeadlineIsStrictAndReachesBelow(t *testing.T) {
	at := time.Date(2022, 5, 18, 10, 0, 0, 0, venue.Zone)
	early, ms := at.Add(-time.Hour), time.Millisecond
	p := NewPicture()
	for _, h := range []Holding{
		{ID: "bureau", Codes: 1, Active: true, Coded: early, Posted: at.Add(-ms)},
		{ID: "exactly", Parent: "bureau", Codes: 1, Active: true, Coded: early, Posted: at},
		{ID: "never", Parent: "exactly"},
		{ID: "late", Codes: 1, Active: true, Coded: at, Posted: at.Add(ms)},
		{ID: "unposted", Codes: 1, Active: true, Coded: at.Add(-ms)},
		{ID: "circle", Parent: "circle"},
		{ID: "elsewhere", Division: "420000"},
	} {
		if h.Division == "" {
			h.Division = "410482"
		}
		p.Unit(h)
	}
	p.Sum(today)
	names := func(list []Holding) (s []string) {
		for _, h := range list {
			s = append(s, string(h.ID))
		}
		return s
	}
	d := p.Deadline(everywhere, Filter{}, "", at, Gapped{}, 0)
	if got := fmt.Sprint(d.Units, names(d.WithoutAny.Units), names(d.Unposted.Units)); got != "6 [circle late never] [exactly unposted]" {
		t.Errorf("all: %s", got)
	}
	d = p.Deadline(everywhere, Filter{}, "bureau", at, Gapped{}, 0)
	if got := fmt.Sprint(d.Units, names(d.WithoutAny.Units), names(d.Unposted.Units)); got != "3 [never] [exactly]" {
		t.Errorf("below the bureau: %s", got)
	}
	for limit := 1; limit <= 3; limit++ {
		var read []string
		for after := (Gapped{}); ; {
			page := p.Deadline(everywhere, Filter{}, "", at, after, limit).WithoutAny
			if page.Total != 3 || len(page.Units) > limit {
				t.Fatalf("a page of %d has %d of %d", limit, len(page.Units), page.Total)
			}
			if len(page.Units) == 0 {
				break
			}
			last := page.Units[len(page.Units)-1]
			read, after = append(read, names(page.Units)...), Gapped{ID: string(last.ID), Division: last.Division}
		}
		if got := fmt.Sprint(read); got != "[circle late never]" {
			t.Errorf("in pages of %d: %s", limit, got)
		}
	}
}

// TestASubjectThatHasAnotherUnitIsNotForsaken by the merger of one.
func TestASubjectThatHasAnotherUnitIsNotForsaken(t *testing.T) {
	p := NewPicture()
	for _, id := range []string{"X", "Y"} {
		p.Subject(id, Subject{Division: "410482", State: SubjectActive})
	}
	for id, uscc := range map[venue.UnitID]venue.USCC{"u1": "X", "u2": "", "into": "Y"} {
		p.Unit(Holding{ID: id, USCC: uscc, Division: "410482"})
	}
	for _, others := range []int{0, 1} {
		var said []Decision
		if others == 1 {
			said = []Decision{{Unit: "u2", Subject: "X", Same: true}}
		}
		p.Decided(said)
		p.Sum(today)
		if got := p.Forsakes("u1", "into"); got != (others == 0) {
			t.Errorf("with %d other units of it: %v", others, got)
		}
	}
}

// TestAMergedUnitLeavesItsSubject: whoever merges two units that are one need not know
// which of them the register knows, and what a person said of a unit that is no more
// keeps nobody from saying it of another.
func TestAMergedUnitLeavesItsSubject(t *testing.T) {
	hung := func(id, uscc string) Holding {
		return Holding{ID: venue.UnitID(id), USCC: venue.USCC(uscc), Division: "410482", Codes: 1, Active: true, Posted: today.Start()}
	}
	merged := func(id, uscc, into string) Holding {
		return Holding{ID: venue.UnitID(id), USCC: venue.USCC(uscc), Into: venue.UnitID(into), Ended: true}
	}
	for _, c := range []struct {
		name  string
		units []Holding
		said  []Decision
		want  string // what X lacks, and Y
	}{
		{"into a unit without a USCC", []Holding{merged("u1", "X", "u2"), hung("u2", "")}, nil, "[ unit]"},
		{"over two mergers", []Holding{merged("u1", "X", "u2"), merged("u2", "", "u3"), hung("u3", "")}, nil, "[ unit]"},
		{"what a person said", []Holding{merged("u1", "", "u2"), hung("u2", "")}, []Decision{{Unit: "u1", Subject: "X", Same: true}}, "[ unit]"},
		{"into a unit that stands for another", []Holding{merged("u1", "X", "u2"), hung("u2", "Y")}, nil, "[unit ]"},
		{"two into one", []Holding{merged("u1", "Y", "u3"), merged("u2", "X", "u3"), hung("u3", "")}, nil, "[ unit]"},
		{"two into one, of which one is no more", []Holding{merged("u1", "C", "u3"), merged("u2", "X", "u3"), hung("u3", "")}, nil, "[ unit]"},
		{"a person said no", []Holding{merged("u1", "X", "u2"), hung("u2", "")}, []Decision{{Unit: "u2", Subject: "X"}}, "[unit unit]"},
		{"into a unit that was closed", []Holding{merged("u1", "X", "u2"), {ID: "u2", Ended: true}}, nil, "[unit unit]"},
		{"closed, after a person said who it was", []Holding{{ID: "u1", Ended: true}}, []Decision{{Unit: "u1", Subject: "X", Same: true}}, "[unit unit]"},
		{"in a circle", []Holding{merged("u1", "X", "u2"), merged("u2", "", "u1")}, nil, "[unit unit]"},
	} {
		for _, order := range []func([]Holding){func([]Holding) {}, slices.Reverse[[]Holding]} {
			p := NewPicture()
			for id, state := range map[string]SubjectState{"X": SubjectActive, "Y": SubjectActive, "C": SubjectCancelled} {
				p.Subject(id, Subject{Division: "410482", State: state})
			}
			order(c.units)
			for _, h := range c.units {
				p.Unit(h)
			}
			p.Decided(c.said)
			p.Sum(today)
			lack := map[string]Gap{}
			list, _ := p.Missing(everywhere, Filter{}, "", Gapped{}, 0)
			for _, m := range list {
				lack[m.ID] = m.Gap
			}
			if got := fmt.Sprint([]Gap{lack["X"], lack["Y"]}); got != c.want {
				t.Errorf("%s: %s, want %s", c.name, got, c.want)
			}
		}
	}
}

func TestProposalsAreLikelyAndExplained(t *testing.T) {
	p := NewPicture()
	subject := Subject{Name: "青禾市仁和大药房连锁有限公司", Address: "洗月街道文昌路２７号", Division: "410482001", State: SubjectActive}
	p.Subject(subject.ID(), subject)
	p.Subject("KNOWN", Subject{Name: "x", Division: "410482001", State: SubjectActive})
	for id, name := range map[string]string{
		"like": "仁和大药房连锁公司", "liker": "青禾市仁和大药房连锁", "other": "供销超市公司", "elsewhere": "青禾市仁和大药房连锁", "known": "青禾市仁和大药房连锁", "refused": "青禾市仁和大药房",
	} {
		h := Holding{ID: venue.UnitID(id), Name: name, Division: "410482"}
		switch id {
		case "elsewhere":
			h.Division = "410481"
		case "known":
			h.USCC = "KNOWN"
		}
		p.Unit(h)
	}
	p.Decided([]Decision{{Unit: "refused", Subject: subject.ID()}})
	p.Sum(today)
	var got []string
	for _, h := range p.Candidates(everywhere, []Named{{subject.ID(), subject}})[subject.ID()] {
		got = append(got, string(h.ID))
	}
	if strings.Join(got, " ") != "liker like" {
		t.Errorf("proposed: %v", got)
	}
	l := subject.Compare("青禾市仁和大药房连锁", []string{"钟楼街道", "洗月街道文昌路27号"})
	if l.Name != 100 || l.Address != 100 || l.Total != 100 {
		t.Errorf("the same in other words: %+v", l)
	}
	if l := subject.Compare("供销超市公司", nil); l.Total > 10 || l.Address != 0 {
		t.Errorf("somebody else: %+v", l)
	}
}

func TestRegulatorsOfAType(t *testing.T) {
	r := NewRegulators([]venue.Regulator{{Name: "住建", Types: []string{"建筑工地"}}, {Name: "水利", Types: []string{"建筑工地", "水利工地"}}, {Types: []string{"监狱", "写字楼"}}, {Name: "商务", Types: []string{"餐饮"}}})
	for _, c := range []struct{ kind, sector, want string }{
		{"建筑工地", "", "[住建 水利]"}, {"水利工地", "", "[水利]"}, {"监狱", "餐饮", "[]"}, {"小饭店", "餐 饮", "[商务]"}, {"", "", "[]"}, {"", "写字楼", "[]"},
	} {
		if got := fmt.Sprint(r.Of(c.kind, c.sector)); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	p := NewPicture()
	for i, kind := range []string{"建筑工地", "建筑工地", "水利工地", "监狱", "餐饮"} {
		p.Subject(fmt.Sprint(i), Subject{Type: kind, Division: "410482001", State: SubjectActive})
	}
	p.Sum(today)
	_, totals, unnamed := p.ByRegulator(everywhere, Filter{}, r)
	if got := fmt.Sprint(totals, unnamed); got != "[{住建  {0 2}} {水利  {0 3}} {商务  {0 1}} {  {0 1}}] [监狱]" {
		t.Error(got)
	}
}

func TestARowOfTheRegister(t *testing.T) {
	for _, c := range []struct {
		name  string
		form  SubjectForm
		want  string // reasons by field, or the state
		proof bool
	}{
		{"a good row, with an early Fujian code", SubjectForm{Name: " 甲公司 ", USCC: "91350100m0001tgqxm", Division: "４１０４８２００１", State: "存续（在营、开业、在册）"}, "active", true},
		{"a state with what stands around it", SubjectForm{Name: "甲", Division: "410482", State: "已注销"}, "cancelled", false},
		{"revoked and not cancelled", SubjectForm{Name: "甲", Division: "410482", State: "吊销，未注销"}, "revoked", false},
		{"no state is 存续", SubjectForm{Name: "甲", Division: "410482000000"}, "active", false},
		{"everything at once", SubjectForm{USCC: "123", Division: "41", State: "开心", Category: "七", Until: "明天"},
			"category unknown, division shape, name length, state unknown, until shape, uscc shape", false},
		{"a province is nobody's territory", SubjectForm{Name: "甲", Division: "410000"}, "division range", false},
		{"hostile names", SubjectForm{Name: "甲\u202e乙", Address: "=1+1", Division: "410482"}, "name character", false},
		{"a name of 10 kB", SubjectForm{Name: strings.Repeat("甲", 3400), Division: "410482"}, "name length", false},
	} {
		s, proof, faults := c.form.Check()
		var got []string
		for _, f := range faults {
			got = append(got, f.Field+" "+f.Reason)
		}
		slices.Sort(got)
		if len(got) == 0 {
			got = []string{string(s.State)}
		}
		if strings.Join(got, ", ") != c.want || proof != c.proof {
			t.Errorf("%s: %v, proof %v", c.name, got, proof)
		}
	}
}

func TestASubjectWithoutACodeOfItsOwnKeepsItsID(t *testing.T) {
	a := Subject{Name: "老王烩面 （东街店）", Address: "东街１号", Division: "410482001"}
	b := Subject{Name: "老王烩面(东街店)", Address: "东街 1号", Division: "410482001", State: SubjectRevoked, Sector: "餐饮"}
	c := Subject{Name: "老王烩面(西街店)", Address: "东街 1号", Division: "410482001"}
	if a.ID() != b.ID() || a.ID() == c.ID() || (Subject{USCC: "X", Name: "a"}).ID() != "X" {
		t.Errorf("%s %s %s", a.ID(), b.ID(), c.ID())
	}
}
