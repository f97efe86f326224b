package notifier

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/venuecode/venuecode/internal/declared"
	"github.com/venuecode/venuecode/venue"
)

var update = flag.Bool("update", false, "rewrite the golden texts")

func TestEveryKindHasItsWords(t *testing.T) {
	for _, k := range declared.Of(t, "../venue", "MessageKind") {
		if tags[venue.MessageKind(k)] == "" {
			t.Errorf("a message of kind %s does not say what it is", k)
		}
	}
	for _, k := range declared.Of(t, "../venue", "EntryKind") {
		if entryWords[venue.EntryKind(k)] == "" {
			t.Errorf("an entry of kind %s has no word", k)
		}
	}
}

var alarm = &venue.AlarmFacts{
	Venue: "汝州市人民医院", Door: "门诊楼东门", Address: "望嵩路 118 号",
	At: day.At(14, 3).Add(5 * time.Second), ScanID: "3f2a9c1b77e04d55a1b2c3d4e5f60718",
}

func facts(change func(*venue.VerdictFacts)) *venue.VerdictFacts {
	v := &venue.VerdictFacts{
		Unit: "市教体局", Window: venue.Window{Start: (day - 1).At(16, 0), End: day.At(16, 0)},
		Kind: venue.EntryReport, Reported: 120,
		Result: venue.Assessment{
			At: day.At(15, 20), Low: 118, High: 131, Recent: 6, Tolerance: 2, Verdict: venue.VerdictConsistent,
			Counts: venue.Counts{Raw: 131, Effective: 124, People: 97},
		},
	}
	if change != nil {
		change(v)
	}
	return v
}

func difference(change func(*venue.VerdictFacts)) venue.Message {
	return venue.Message{Kind: venue.MessageDifference, Verdict: facts(change)}
}

var units = []venue.UnitMention{{Name: "市教体局", Accounts: []string{"qian"}, Shown: 128}, {Name: "市医保局\n【通报】", Accounts: []string{"zhao", "li"}}}

var recheckAlarm = func() *venue.AlarmFacts { a := *alarm; a.Recheck = true; return &a }()

var golden = map[string]venue.Message{
	"onetap":        {Kind: venue.MessageOneTap, Units: units},
	"onetap-late":   {Kind: venue.MessageOneTap, Units: units[:1], Late: true},
	"reminder":      {Kind: venue.MessageReminder, Units: units},
	"reminder-late": {Kind: venue.MessageReminder, Units: units[:1], Late: true},
	"digest": {Kind: venue.MessageDigest, Digest: &venue.Digest{Due: 42, Reported: 39, Late: 1, Missing: 2, Exempt: 3, Covered: 4, Doubtful: 1,
		MissingNames: []string{"市教体局", "市医保局"}, Total: 12345, TopUp: 1}},
	"digest-all":            {Kind: venue.MessageDigest, Late: true, Digest: &venue.Digest{Due: 42, Reported: 42, Total: 12345}},
	"digest-nobody":         {Kind: venue.MessageDigest, Digest: &venue.Digest{}},
	"difference-consistent": difference(nil),
	"difference-over": difference(func(v *venue.VerdictFacts) {
		v.Reported = 145
		v.Result.Verdict = venue.VerdictOver
		v.Result.Distance = 14
	}),
	"difference-under": difference(func(v *venue.VerdictFacts) {
		v.Reported = 18
		v.Kind = venue.EntryCorrect
		v.Result.Verdict = venue.VerdictUnder
		v.Result.Distance = 100
		v.Result.Waiting = []string{"东门闸机"}
	}),
	"difference-late-makeup": difference(func(v *venue.VerdictFacts) { v.Kind = venue.EntryMakeup; v.Late = true }),
	"difference-zero": difference(func(v *venue.VerdictFacts) {
		v.Reported = 5
		v.Result = venue.Assessment{Tolerance: 2, Verdict: venue.VerdictOver, Distance: 5}
	}),
	"difference-none": difference(func(v *venue.VerdictFacts) { v.Result = venue.Assessment{Verdict: venue.VerdictNone} }),
	"difference-pending": difference(func(v *venue.VerdictFacts) {
		v.Kind = venue.EntryConfirm
		v.Result.Verdict = venue.VerdictPending
		v.Result.Distance = 3
		v.Result.Waiting = []string{"东门闸机", "西门闸机"}
	}),
	"difference-spool": difference(func(v *venue.VerdictFacts) {
		v.Result.Verdict = venue.VerdictPending
		v.Result.Waiting = []string{venue.SourceSpool, "东门闸机"}
	}),
	"alarm":         {Kind: venue.MessageAlarm, Alarm: alarm},
	"alarm-recheck": {Kind: venue.MessageAlarm, Alarm: recheckAlarm, Late: true},
	"recheck":       {Kind: venue.MessageRecheck, Recheck: &venue.RecheckFacts{Venue: "汝州市人民医院", At: day.At(14, 3), Health: venue.HealthRed}},
	"recheck-bare":  {Kind: venue.MessageRecheck},
}

func TestTheTextsAreAsAgreed(t *testing.T) {
	for name, m := range golden {
		t.Run(name, func(t *testing.T) {
			m.ID, m.Day = name, day
			got, err := Text(m, 16*time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got+"\n" != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			for _, bad := range []string{"瞒报", "虚报", "谎报", "不实", "\n【"} {
				if strings.Contains(got, bad) {
					t.Errorf("the text contains %q", bad)
				}
			}
			if m.Kind == venue.MessageDifference {
				if !strings.Contains(strings.SplitN(got, "\n", 2)[0], "初步") {
					t.Error("not marked 初步")
				}
				if strings.Contains(got, "迟报") != m.Verdict.Late {
					t.Errorf("迟报 is said of a report that is late: %v", m.Verdict.Late)
				}
			}
			if m.Late != strings.Contains(got, "（迟发）") {
				t.Error("the late mark is wrong")
			}
		})
	}
}

func TestThePartsInARowAreTheText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(4, 300).Draw(t, "limit")
		texts := rapid.SliceOf(rapid.OneOf(rapid.StringN(0, 40, -1), rapid.StringOfN(rapid.RuneFrom([]rune("单位编号A1𠮷")), 0, 200, -1))).Draw(t, "texts")
		var lines []line
		whole, fits := "", true
		for i, s := range texts {
			s = strings.ToValidUTF8(strings.ReplaceAll(s, "\n", " "), "")
			lines = append(lines, line{s, []string{string(rune('a' + i%26))}})
			whole += s + "\n"
			fits = fits && len(s)+1 <= limit
		}
		joined := ""
		for _, p := range split(lines, limit) {
			joined += p.text
			if len(p.text) > limit || len(p.text) == 0 || !utf8.ValidString(p.text) {
				t.Fatalf("part %q of %d bytes, limit %d", p.text, len(p.text), limit)
			}
			if fits && !strings.HasSuffix(p.text, "\n") {
				t.Fatalf("cut inside a line: %q", p.text)
			}
		}
		if joined != whole {
			t.Fatalf("got %q, want %q", joined, whole)
		}
	})
}

func TestAPersonIsCalledOnlyWhereTheirUnitIsNamed(t *testing.T) {
	parts := split([]line{{"甲", []string{"a"}}, {"乙", []string{"b", "a"}}, {"丙", []string{"c"}}}, 8)
	if len(parts) != 2 || !slices.Equal(parts[0].mentions, []string{"a", "b"}) || !slices.Equal(parts[1].mentions, []string{"c"}) {
		t.Errorf("got %+v", parts)
	}
}

func TestNoTextOfAnyLengthIsTooLong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := venue.Message{ID: "x", Kind: venue.MessageReminder, Day: day, Late: rapid.Bool().Draw(t, "late")}
		for range rapid.IntRange(1, 400).Draw(t, "units") {
			m.Units = append(m.Units, venue.UnitMention{Name: rapid.StringOfN(rapid.RuneFrom([]rune("市教体局A")), 1, 60, -1).Draw(t, "name")})
		}
		lines, err := write(m, 16*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range paginate(tags[m.Kind], Number(m.ID), lines) {
			if len(p.text) > maxBytes || !strings.HasPrefix(p.text, "【提醒】") || !strings.Contains(p.text, "编号 "+Number("x")) {
				t.Fatalf("part of %d bytes: %s", len(p.text), p.text)
			}
		}
	})
}

func TestANumberIsStable(t *testing.T) {
	if a, b := Number("digest:2022-05-22:g1"), Number("digest:2022-05-22:g1"); a != b || len(a) != 6 {
		t.Errorf("got %s and %s", a, b)
	}
	seen := map[string]bool{}
	for i := range 1000 {
		seen[Number(string(rune(i)))] = true
	}
	if len(seen) < 999 {
		t.Errorf("%d numbers of 1000 messages", len(seen))
	}
}
