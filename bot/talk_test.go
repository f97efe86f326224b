package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/venuecode/venuecode/internal/sim"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/daily"
)

func TestEachCommandAsksTheDeskForItsOwn(t *testing.T) {
	for _, tc := range []struct {
		text string
		kind venue.EntryKind
		n    int
	}{
		{"上报 326", venue.EntryReport, 326},
		{"今日扫码326人次", venue.EntryReport, 326},
		{"０", venue.EntryReport, 0},
		{"更正 320", venue.EntryCorrect, 320},
		{"确认", venue.EntryConfirm, 0},
		{"昨日 300 补", venue.EntryMakeup, 300},
	} {
		w := newWorld(t)
		w.say(sim.AppPath, "wanglei", tc.text)
		if s := w.desk.last; w.desk.calls != 1 || s.Kind != tc.kind || s.Count != tc.n {
			t.Errorf("%s: %d calls, handed in %s %d", tc.text, w.desk.calls, s.Kind, s.Count)
		}
	}
}

func TestANumberIsTakenBack(t *testing.T) {
	w := newWorld(t)
	if got := w.say(sim.AppPath, "wanglei", "撤回"); got != textRefusal(&daily.Refusal{Why: daily.RefusedNothing}, w.h.Policy) {
		t.Error(got)
	}
	w.say(sim.RobotPath, "wanglei", "上报 326")
	m := w.message("wanglei", "撤回")
	if got := w.answerOf(w.build(sim.AppPath, m)); !strings.Contains(got, "已撤回") || !strings.Contains(got, "16:00前") {
		t.Error(got)
	}
	if w.desk.withdrawn != "wecom_app:"+m.MsgID {
		t.Errorf("withdrawn by message %q", w.desk.withdrawn)
	}
}

func TestAGroupNeverHearsWhatThePlatformCounted(t *testing.T) {
	w := newWorld(t)
	w.say(sim.RobotPath, "wanglei", "上报 326")
	for _, text := range []string{"上报 326", "更正 320", "确认", "昨日 300 补", "查", "差异", "未报", "撤回", "帮助", "？", "申诉 数字不对", "约300"} {
		if got := w.say(sim.RobotPath, "wanglei", "@场所码助手 "+text); strings.Contains(got, "777") || got == "" {
			t.Errorf("%s: %s", text, got)
		}
	}
	if w.desk.shown != 0 {
		t.Errorf("numbers that nobody saw were taken as shown %d times", w.desk.shown)
	}
	for _, path := range paths[1:] {
		if got := w.say(path, from(path), "查"); !strings.Contains(got, "扫码 777002 次，其中有效 777001 次，共 777000 人") {
			t.Errorf("%s: %s", path, got)
		}
		if got := w.say(path, from(path), "差异"); !strings.Contains(got, "777002") {
			t.Errorf("%s: %s", path, got)
		}
	}
}

func TestInAGroupAUnitSeesWhatItReported(t *testing.T) {
	w := newWorld(t)
	if got := w.say(sim.RobotPath, "wanglei", "查"); !strings.Contains(got, "市教育体育局 5月18日") || !strings.Contains(got, "尚未上报") {
		t.Error(got)
	}
	w.say(sim.RobotPath, "wanglei", "上报 326")
	if got := w.say(sim.RobotPath, "wanglei", "查"); !strings.Contains(got, "扫码 326 次，15:42 上报") {
		t.Error(got)
	}
	w.civil.Add((24 * time.Hour).Milliseconds())
	if got := w.say(sim.RobotPath, "wanglei", "查"); !strings.Contains(got, "5月19日") || !strings.Contains(got, "尚未上报") {
		t.Error(got)
	}
}

func TestARobotAloneWithSomebodyIsNotAGroup(t *testing.T) {
	w := newWorld(t)
	plain := `{"msgid":"s1","chattype":"single","from":{"userid":"wanglei"},"msgtype":"text","text":{"content":"查"}}`
	if got := w.answerOf(w.raw(sim.RobotPath, plain)); !strings.Contains(got, "777002") {
		t.Error(got)
	}
	nowhere := `{"msgid":"s2","chattype":"group","from":{"userid":"wanglei"},"msgtype":"text","text":{"content":"查"}}`
	if status, _ := w.call(w.raw(sim.RobotPath, nowhere)); status != 400 {
		t.Errorf("a group without an id: %d", status)
	}
}

func TestLatenessIsSaidOnlyOfWhatIsLate(t *testing.T) {
	w := newWorld(t)
	for _, text := range []string{"上报 326", "更正 320", "确认", "查", "差异", "未报", "帮助", "撤回", "免报", "约300", "绑定", "催"} {
		for _, path := range paths {
			if got := w.say(path, from(path), text); strings.Contains(got, "迟报") {
				t.Errorf("%s at 15:42: %s", text, got)
			}
		}
	}
	w = newWorld(t)
	w.civil.Store(time.Date(2022, 5, 18, 16, 0, 0, 0, venue.Zone).UnixMilli())
	if got := w.say(sim.AppPath, "wanglei", "上报 326"); !strings.Contains(got, "16:00 上报（迟报）") {
		t.Error(got)
	}
}

func TestACorrectionAfterTheDeadlineWaits(t *testing.T) {
	w := newWorld(t)
	w.say(sim.AppPath, "wanglei", "上报 326")
	w.civil.Store(time.Date(2022, 5, 18, 16, 20, 0, 0, venue.Zone).UnixMilli())
	got := w.say(sim.RobotPath, "wanglei", "更正 320")
	if !strings.Contains(got, "更正待批") || !strings.Contains(got, "仍按 326 次计") || strings.Contains(got, "迟报") {
		t.Error(got)
	}
}

func TestTwoUnitsReportEachForItself(t *testing.T) {
	w := newWorld(t)
	if got := w.say(sim.RobotPath, "wanglei", "教体局上报 10"); !strings.Contains(got, "市教育体育局") {
		t.Error(got)
	}
	if got := w.say(sim.RobotPath, "chenjing", "一高 上报 20"); !strings.Contains(got, "市第一高级中学") {
		t.Error(got)
	}
	if w.desk.last.Unit != school || w.desk.calls != 2 {
		t.Errorf("%d calls, last for %s", w.desk.calls, w.desk.last.Unit)
	}
	if got := w.say(sim.RobotPath, "chenjing", "教体局 20次"); !strings.Contains(got, "别的单位") || !strings.Contains(got, "“市第一高级中学”") || w.desk.calls != 2 {
		t.Error(got)
	}
}

func TestTheWeComChannelsShareABindingAndTheServiceAccountDoesNot(t *testing.T) {
	w := newWorld(t)
	if got := w.say(sim.RobotPath, "newcomer", "绑定 GOOD1"); !strings.Contains(got, "绑定成功") || !strings.Contains(got, "市第一高级中学") {
		t.Error(got)
	}
	if got := w.say(sim.AppPath, "newcomer", "上报 5"); !strings.Contains(got, "扫码 5 次") {
		t.Error(got)
	}
	if got := w.say(sim.ServicePath, "newcomer", "上报 5"); got != textUnbound {
		t.Error(got)
	}
	// Somebody already bound is re-bound.
	w.say(sim.AppPath, "wanglei", "绑定 GOOD1")
	w.say(sim.AppPath, "wanglei", "上报 7")
	if w.desk.last.Unit != school {
		t.Errorf("reported for %s", w.desk.last.Unit)
	}
}

func TestAStrangerCanBindAndGetHelpAndNothingElse(t *testing.T) {
	for _, path := range paths {
		w := newWorld(t)
		for _, text := range []string{"上报 326", "确认", "查", "未报", "差异", "撤回", "免报", "你好", "昨日 3 补"} {
			if got := w.say(path, "stranger", text); got != textUnbound {
				t.Errorf("%s: %s: %s", path, text, got)
			}
		}
		if got := w.say(path, "stranger", "帮助"); !strings.Contains(got, "绑定码") {
			t.Errorf("%s: %s", path, got)
		}
		if w.desk.called() != 0 {
			t.Errorf("%s: the desk was called", path)
		}
	}
}

func TestAManagerIsGreetedAsOneAndReportsForNobody(t *testing.T) {
	for _, path := range paths {
		w := newWorld(t)
		if got := w.say(path, "boss", "绑定 PLACE1"); got != textManages("青禾市民中心") {
			t.Errorf("%s: %s", path, got)
		}
		for _, text := range []string{"上报 326", "确认", "昨日 3 补", "查", "差异", "撤回"} {
			if got := w.say(path, "boss", text); got != textUnbound {
				t.Errorf("%s: %s: %s", path, text, got)
			}
		}
		if w.desk.called() != 0 {
			t.Errorf("%s: the desk was called", path)
		}
		w.say(path, from(path), "绑定 PLACE1")
		if w.say(path, from(path), "上报 5"); w.desk.last.Unit != edu || w.desk.last.Count != 5 {
			t.Errorf("%s: who manages a place too reports for %s", path, w.desk.last.Unit)
		}
	}
}

func TestAWrongCodeIsNotExplainedAndFiveAreEnough(t *testing.T) {
	w := newWorld(t)
	for i, code := range []string{"USED1", "OLD1", "NONE1", "NONE2"} {
		if got := w.say(sim.AppPath, "newcomer", "绑定 "+code); got != textBindWrong {
			t.Errorf("try %d: %s", i+1, got)
		}
	}
	if got := w.say(sim.AppPath, "newcomer", "绑定 DOWN1"); got != textBusy {
		t.Error("a fault of ours:", got)
	}
	w.say(sim.RobotPath, "newcomer", "绑定 NONE5") // the same person
	if got := w.say(sim.AppPath, "newcomer", "绑定 GOOD1"); got != textBindWait {
		t.Error("a sixth try:", got)
	}
	if got := w.say(sim.AppPath, "other", "绑定 GOOD1"); !strings.Contains(got, "绑定成功") {
		t.Error("somebody else:", got)
	}
	w.machine.Add((10*time.Minute - time.Millisecond).Milliseconds())
	if got := w.say(sim.AppPath, "newcomer", "绑定 GOOD1"); got != textBindWait {
		t.Error("just before ten minutes:", got)
	}
	w.civil.Add(time.Hour.Milliseconds()) // moving the civil clock helps nobody
	if got := w.say(sim.AppPath, "newcomer", "绑定 GOOD1"); got != textBindWait {
		t.Error("after an hour of the civil clock:", got)
	}
	w.machine.Add(2)
	if got := w.say(sim.AppPath, "newcomer", "绑定 GOOD1"); !strings.Contains(got, "绑定成功") {
		t.Error("after ten minutes:", got)
	}
}

func TestManyTriesAtOnceAreNoMoreThanFive(t *testing.T) {
	var b tryBook
	var wg sync.WaitGroup
	var mu sync.Mutex
	admitted := 0
	for range 50 {
		wg.Go(func() {
			if _, ok := b.take("a", machine); ok {
				mu.Lock()
				admitted++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if admitted != maxTries {
		t.Errorf("%d tries got through", admitted)
	}
	for i := range 2 * maxTriers {
		b.take(fmt.Sprint(i), machine)
	}
	if len(b.of) > maxTriers {
		t.Errorf("%d accounts are kept", len(b.of))
	}
}

func TestATryTakenBackLeavesTheOthers(t *testing.T) {
	var b tryBook
	for i := range maxTries - 1 {
		b.take("a", machine.Add(time.Duration(i)))
	}
	for range 20 {
		back, ok := b.take("a", machine.Add(time.Minute))
		if !ok {
			t.Fatal("a try taken back still counts")
		}
		back()
	}
	b.take("a", machine.Add(time.Minute))
	if _, ok := b.take("a", machine.Add(time.Minute)); ok {
		t.Error("a sixth wrong try")
	}
}

func TestTheMissingAreNamedInTheirGroup(t *testing.T) {
	w := newWorld(t)
	if got := w.say(sim.RobotPath, "wanglei", "未报"); got != "5月18日本群没有未报单位。" {
		t.Error(got)
	}
	w.desk.missing = []venue.UnitMention{{Name: "市第一高级中学"}, {Name: "市图书馆"}}
	if got := w.say(sim.RobotPath, "wanglei", "还有谁没报？"); got != "5月18日还有 2 个单位未报：市第一高级中学、市图书馆。" {
		t.Error(got)
	}
	if got := w.say(sim.AppPath, "wanglei", "未报"); got != textMissingNoGroup {
		t.Error(got)
	}
}

// TestAGroupThatIsNotRegisteredIsToldItsNumber, which headquarters register it by.
func TestAGroupThatIsNotRegisteredIsToldItsNumber(t *testing.T) {
	w := newWorld(t)
	const chat = "wrUnknown"
	for _, from := range []string{"wanglei", "nobody"} {
		for _, text := range []string{"未报", "帮助"} {
			m := w.message(from, text)
			m.Chat = chat
			got := w.answerOf(w.build(sim.RobotPath, m))
			if strings.HasSuffix(got, "\n"+chat) == (from == "nobody" && text == "未报") { // they hear how to be bound
				t.Errorf("%s, %s: %s", from, text, got)
			}
			if got := w.say(sim.RobotPath, from, text); strings.Contains(got, string(group)) {
				t.Errorf("%s, %s, in a group that is registered: %s", from, text, got)
			}
		}
	}
	m := w.message("wanglei", "上报 5")
	if m.Chat = chat; !strings.Contains(w.answerOf(w.build(sim.RobotPath, m)), "5 次") {
		t.Error("a number counts wherever it is given")
	}
}

func TestALongListSaysHowManyItLeavesOut(t *testing.T) {
	var units []venue.UnitMention
	for i := range 300 {
		units = append(units, venue.UnitMention{Name: fmt.Sprintf("市第%03d号单位", i)})
	}
	got := textMissing(venue.DayOf(afternoon), units)
	named := strings.Count(got, "号单位")
	if len(got) > 2048 || !strings.Contains(got, "还有 300 个单位") || !strings.Contains(got, fmt.Sprintf("另有 %d 个单位未列出", 300-named)) {
		t.Errorf("%d bytes, %d named: %s", len(got), named, got)
	}
}

func TestWhatIsNotDoneHereIsSaidSo(t *testing.T) {
	w := newWorld(t)
	for _, text := range []string{"催", "申诉 数字不对", "免报 放假"} {
		if got := w.say(sim.AppPath, "wanglei", text); !strings.Contains(got, "0375-0000000") || w.desk.called() != 0 {
			t.Errorf("%s: %s", text, got)
		}
	}
}

func TestARefusalIsToldAndAVanishedUnitTurnedToHeadquarters(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("wrapped: %w", &daily.Refusal{Why: daily.RefusedCovered, Above: "市卫健委"}), "“市卫健委”统一上报"},
		{&daily.Refusal{Why: daily.RefusedExempt}, "免报"},
		{&venue.Invalid{Field: "count", Reason: "range"}, "0 到 1000000"},
		{fmt.Errorf("unit: %w", venue.ErrNotFound), "没有找到您绑定的单位"},
	} {
		w := newWorld(t)
		w.desk.fail = tc.err
		if got := w.say(sim.AppPath, "wanglei", "上报 326"); !strings.Contains(got, tc.want) {
			t.Errorf("%v: %s", tc.err, got)
		}
	}
}

type countingNames struct {
	mu    sync.Mutex
	reads int
	err   error
}

func (n *countingNames) UnitNames(context.Context) (map[venue.UnitID][]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.reads++
	return unitNames, n.err
}

func TestNamesAreReadEveryTenSeconds(t *testing.T) {
	w := newWorld(t)
	names := &countingNames{}
	w.h.Names = names
	for _, tc := range []struct {
		wait time.Duration
		want int
	}{{0, 1}, {0, 1}, {9999 * time.Millisecond, 1}, {time.Millisecond, 2}, {time.Second, 2}} {
		w.machine.Add(tc.wait.Milliseconds())
		w.say(sim.AppPath, "wanglei", "上报 1")
		if names.reads != tc.want {
			t.Errorf("%s later: %d reads, want %d", tc.wait, names.reads, tc.want)
		}
	}
	w.machine.Add(nameAge.Milliseconds())
	names.err = errors.New("away")
	before := w.desk.called()
	if got := w.say(sim.AppPath, "wanglei", "上报 1"); got != textBusy || w.desk.called() != before {
		t.Error("without names nothing can be told from another unit's:", got)
	}
}

func TestOtherNamesLeaveOutWhatAnOwnNameHolds(t *testing.T) {
	w := newWorld(t)
	own, others, err := w.h.unitNames(context.Background(), edu)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(others)
	if !slices.Equal(own, unitNames[edu]) || !slices.Equal(others, []string{"一高", "市第一高级中学"}) {
		t.Errorf("own %q, others %q", own, others)
	}
}
