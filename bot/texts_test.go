package bot

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/venuecode/venuecode/internal/declared"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/daily"
)

var update = flag.Bool("update", false, "write the golden files")

// said is one reply and when it is given.
type said struct{ when, text string }

func everyReply() []said {
	p := daily.DefaultPolicy()
	midnight := p
	midnight.Window = daily.Midnight
	day := venue.DayOf(afternoon)
	window := p.WindowOn(day)
	name := venue.Unit{Name: "市教育体育局"}
	at := func(h, m int) time.Time { return day.At(h, m) }
	n := func(n int) *int { return &n }
	entry := func(k venue.EntryKind, count int, t time.Time) venue.Entry {
		return venue.Entry{Kind: k, Count: count, At: t, AsOf: t}
	}
	receipt := func(e venue.Entry, change func(*daily.Receipt)) string {
		r := daily.Receipt{Unit: name, Day: day, Window: window, Entry: e}
		if change != nil {
			change(&r)
		}
		return textReceipt(r, p)
	}
	status := func(entries ...venue.Entry) daily.Status {
		return daily.Status{
			Unit: name, Deadline: at(16, 0), AsOf: at(15, 45), Doors: true,
			Counts: venue.Counts{Raw: 330, Effective: 325, People: 280},
			Report: venue.Report{Day: day, Window: window, Entries: entries},
		}
	}
	judged := func(a venue.Assessment) daily.Status {
		e := entry(venue.EntryReport, 326, at(15, 42))
		e.Judged = []venue.Assessment{a}
		return status(e)
	}
	waiting := entry(venue.EntryCorrect, 320, at(16, 20))
	waiting.Awaiting = true
	sent := entry(venue.EntryReport, 326, at(16, 5))
	sent.Sent, sent.AsOf = at(15, 58), at(15, 58)
	noDoors := status()
	noDoors.Doors = false
	lateStatus := status(entry(venue.EntryReport, 326, at(16, 3)), waiting)
	lateStatus.Report.Late = true
	closed := status()
	closed.AsOf = at(17, 0)

	all := []said{
		{"busy", textBusy},
		{"not a text", textOnlyText},
		{"not bound", textUnbound},
		{"wrong code", textBindWrong},
		{"too many wrong codes", textBindWait},
		{"bound", textBound("市教育体育局", p)},
		{"bound, name unknown", textBound("", p)},
		{"bound as a manager", textManages("青禾市民中心")},
		{"hello", textHello(p)},
		{"help", textHelp(p)},
		{"reported", receipt(entry(venue.EntryReport, 326, at(15, 42)), nil)},
		{"reported nothing", receipt(entry(venue.EntryReport, 0, at(9, 5)), nil)},
		{"reported late", receipt(entry(venue.EntryReport, 326, at(16, 0)), func(r *daily.Receipt) { r.Late = true })},
		{"reported while we were down", receipt(sent, nil)},
		{"reported, midnight window", receipt(entry(venue.EntryReport, 326, at(15, 42)), func(r *daily.Receipt) { r.Window = midnight.WindowOn(day) })},
		{"corrected", receipt(entry(venue.EntryCorrect, 320, at(15, 50)), func(r *daily.Receipt) { r.Former = n(326) })},
		{"corrected late, late before", receipt(waiting, func(r *daily.Receipt) { r.Former, r.Late = n(326), true })},
		{"corrected after the deadline", receipt(waiting, func(r *daily.Receipt) { r.Former = n(326) })},
		{"confirmed", receipt(entry(venue.EntryConfirm, 330, at(15, 43)), nil)},
		{"made up", receipt(entry(venue.EntryMakeup, 300, (day+1).At(9, 10)), func(r *daily.Receipt) { r.Late = true })},
		{"withdrawn", textWithdrawal(daily.Withdrawal{Unit: name, Day: day, Window: window, Removed: entry(venue.EntryReport, 326, at(15, 42))}, p, at(15, 43))},
		{"withdrawn after the deadline", textWithdrawal(daily.Withdrawal{Unit: name, Day: day, Window: window, Removed: entry(venue.EntryReport, 326, at(15, 59))}, p, at(16, 0))},
		{"withdrawn, another stands", textWithdrawal(daily.Withdrawal{Unit: name, Day: day, Window: window, Removed: waiting, Stands: &venue.Entry{Count: 326}}, p, at(16, 21))},
		{"withdrawn, a late one stands", textWithdrawal(daily.Withdrawal{Unit: name, Day: day, Window: window, Removed: waiting, Stands: &venue.Entry{Count: 326}, Late: true}, p, at(16, 21))},
		{"refused: covered", textRefusal(&daily.Refusal{Why: daily.RefusedCovered, Above: "市卫健委"}, p)},
		{"refused: covered by nobody known", textRefusal(&daily.Refusal{Why: daily.RefusedCovered}, p)},
		{"refused: exempt", textRefusal(&daily.Refusal{Why: daily.RefusedExempt}, p)},
		{"refused: not yet", textRefusal(&daily.Refusal{Why: daily.RefusedNotYet, From: venue.DayOf(afternoon) + 1}, p)},
		{"refused: nothing shown", textRefusal(&daily.Refusal{Why: daily.RefusedNotShown}, p)},
		{"refused: nothing to withdraw", textRefusal(&daily.Refusal{Why: daily.RefusedNothing}, p)},
		{"refused: too late to withdraw", textRefusal(&daily.Refusal{Why: daily.RefusedTooLate, Age: 185*time.Second + 7*time.Millisecond}, p)},
		{"refused: a reason of tomorrow", textRefusal(&daily.Refusal{Why: "new"}, p)},
		{"status, nothing reported", textStatus(status())},
		{"status, nothing reported, closed", textStatus(closed)},
		{"status, reported", textStatus(status(entry(venue.EntryReport, 326, at(15, 42))))},
		{"status, late, correction waits", textStatus(lateStatus)},
		{"status, no doors", textStatus(noDoors)},
		{"status in a group, nothing reported", textStatusInGroup("市教育体育局", status().Report)},
		{"status in a group, reported", textStatusInGroup("市教育体育局", status(entry(venue.EntryReport, 326, at(15, 42))).Report)},
		{"difference in a group", textDifferenceInGroup},
		{"difference, nothing reported", textDifference(status(), p)},
		{"difference, not judged", textDifference(status(entry(venue.EntryReport, 326, at(15, 42))), p)},
		{"difference: none", textDifference(judged(venue.Assessment{Verdict: venue.VerdictNone}), p)},
		{"difference: pending", textDifference(judged(venue.Assessment{Verdict: venue.VerdictPending, Low: 300, High: 310}), p)},
		{"difference: consistent", textDifference(judged(venue.Assessment{Verdict: venue.VerdictConsistent, Low: 320, High: 330, Recent: 12}), p)},
		{"difference: over", textDifference(judged(venue.Assessment{Verdict: venue.VerdictOver, Low: 300, High: 300, Distance: 26}), p)},
		{"difference: over nothing", textDifference(judged(venue.Assessment{Verdict: venue.VerdictOver, Distance: 326}), p)},
		{"difference: under", textDifference(judged(venue.Assessment{Verdict: venue.VerdictUnder, Low: 340, High: 352, Distance: 14}), p)},
		{"missing: nobody", textMissing(day, nil)},
		{"missing", textMissing(day, []venue.UnitMention{{Name: "市图书馆"}, {Name: "一高"}})},
		{"missing, one to one", textMissingNoGroup},
		{"unknown group", textGroupUnknown("wrkSFfCgAAxxxx", "市指挥部办公室")},
		{"unit gone", textUnitGone("")},
		{"urge", textUrge("市指挥部办公室")},
		{"appeal", textAppeal("市指挥部办公室")},
		{"exempt", textExempt("市指挥部办公室")},
	}
	for _, why := range asks {
		all = append(all, said{"ask: " + string(why), textAsk(why, "市教育体育局", p)})
	}
	return all
}

var asks = []daily.Ask{
	daily.AskNone, daily.AskUnclear, daily.AskSeveral, daily.AskRange, daily.AskHedge, daily.AskQuestion,
	daily.AskDecimal, daily.AskNegative, daily.AskPercent, daily.AskExponent, daily.AskGrouping, daily.AskDigits,
	daily.AskTooBig, daily.AskYesterday, daily.AskOtherUnit, daily.AskTooLong, daily.AskMention, daily.AskArgument,
}

func TestEveryReplyReadsAsWritten(t *testing.T) {
	const file = "testdata/replies.golden"
	var b strings.Builder
	for _, s := range everyReply() {
		fmt.Fprintf(&b, "# %s\n%s\n\n", s.when, s.text)
	}
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, golden := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(got), len(golden)) {
		if i >= len(got) || i >= len(golden) || got[i] != golden[i] {
			t.Fatalf("%s, line %d differs (-update to accept):\n got %s\nwant %s", file, i+1, lineAt(got, i), lineAt(golden, i))
		}
	}
}

func lineAt(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(nothing)"
}

func TestEveryReplyFitsAndOnlyLateOnesSayLate(t *testing.T) {
	for _, s := range everyReply() {
		if len(s.text) > 2048 || !utf8.ValidString(s.text) || strings.TrimSpace(s.text) != s.text {
			t.Errorf("%s: %q", s.when, s.text)
		}
		mayBeLate := strings.Contains(s.when, "late") || s.when == "made up"
		if strings.Contains(s.text, "迟报") && !mayBeLate {
			t.Errorf("%s: %s", s.when, s.text)
		}
	}
}

// What a reply shows as an example must be understood as what it says.
func TestTheExamplesAreUnderstood(t *testing.T) {
	for text, want := range map[string]daily.Intent{
		"上报 326": daily.IntentReport, "上报 0": daily.IntentReport, "更正 320": daily.IntentCorrect, "昨日 326 补": daily.IntentMakeup,
		"确认": daily.IntentConfirm, "撤回": daily.IntentWithdraw, "查": daily.IntentQuery, "差异": daily.IntentDifference,
		"未报": daily.IntentMissing, "绑定 8K3M9Q7T": daily.IntentBind, "帮助": daily.IntentHelp,
	} {
		if c := daily.Parse(daily.Line{Text: text}); c.Intent != want {
			t.Errorf("%s is read as %s (%s)", text, c.Intent, c.Why)
		}
	}
}

func TestAskingBackSaysThatNothingWasKept(t *testing.T) {
	for _, why := range declared.Of(t, "../venue/daily", "Ask") {
		if !slices.Contains(asks, daily.Ask(why)) {
			t.Errorf("no reply is read of %s", why)
		}
	}
	for _, why := range asks {
		if why == daily.AskNone || why == daily.AskArgument { // there was nothing to keep
			continue
		}
		if text := textAsk(why, "", daily.DefaultPolicy()); !strings.Contains(text, "没有登记") {
			t.Errorf("%s: %s", why, text)
		}
	}
}
