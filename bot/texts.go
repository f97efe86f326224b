package bot

import (
	"fmt"
	"strings"
	"time"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/daily"
)

// Every sentence that this door says. None repeats the words of who wrote, and
// none is longer than the 2048 bytes that all three platforms carry. 迟报 is a
// finding: it appears only beside a number that is late.

const (
	textBusy     = "系统繁忙，请稍后再发一次"
	textOnlyText = "目前只能识别文字消息，没有登记。请用文字回复，例如：上报 326"
	textUnbound  = "您还没有绑定单位。请向指挥部领取本单位的绑定码，然后回复“绑定 绑定码”，例如：绑定 8K3M9Q7T"

	textBindWrong = "绑定码不正确，或者已经用过、过期。请核对后重试，或向指挥部重新领取"
	textBindWait  = "绑定码连续多次不正确，请 10 分钟后再试"

	textDifferenceInGroup = "核查结果只单独告知上报人，不在群里发布。请在与本机器人或应用的单聊中回复“差异”"
	textMissingNoGroup    = "未报名单按工作群统计，请在群里@机器人发送“未报”"
)

func textHello(p daily.Policy) string {
	return "您好，这里是场所码日报助手。\n首次使用请先绑定单位：向指挥部领取绑定码，然后回复“绑定 绑定码”。\n\n" + textHelp(p)
}

func textHelp(p daily.Policy) string {
	lines := []string{
		fmt.Sprintf("请在每天%s前上报本单位扫码次数：", p.Deadline),
		"上报 326（没有人扫码请报 0）",
		"更正 320",
		"确认（按平台最近出示的统计数上报）",
	}
	if p.Withdraw > 0 {
		lines = append(lines, fmt.Sprintf("撤回（%s内有效）", span(p.Withdraw)))
	}
	return strings.Join(append(lines,
		"昨日 326 补（补报昨天的数）",
		"查（本单位情况）",
		"差异（核查结果，仅限单聊）",
		"未报（名单，仅限群内）",
		"绑定 绑定码",
	), "\n")
}

func textBound(unit string, p daily.Policy) string {
	return fmt.Sprintf("绑定成功，您现在为%s上报。请在每天%s前回复扫码次数，例如：上报 326。发送“帮助”查看全部用法", quoted(unit), p.Deadline)
}

// textManages greets who hears of red codes at a venue, and reports for nobody by
// that.
func textManages(place string) string {
	return fmt.Sprintf("绑定成功，您已成为“%s”的负责人。有人在该场所扫出红码时，会单独通知您，请及时到现场处置。这与每日上报无关：上报仍由单位绑定的上报人负责", place)
}

// textReceipt acknowledges unit, window, number and time.
func textReceipt(r daily.Receipt, p daily.Policy) string {
	e := r.Entry
	what := fmt.Sprintf("%s %s", r.Unit.Name, dayAndWindow(r.Day, r.Window))
	if e.Awaiting {
		former := "原数"
		if r.Former != nil {
			former = fmt.Sprintf(" %d 次", *r.Former)
		}
		return fmt.Sprintf("更正待批：%s更正为 %d 次，%s 提交。批准前仍按%s计%s。%s",
			what, e.Count, given(r), former, late(r.Late), canWithdraw(p))
	}
	change := ""
	if r.Former != nil && e.Kind != venue.EntryMakeup {
		change = fmt.Sprintf("（原 %d 次）", *r.Former)
	}
	head, verb, mend := "已收到", "上报", "更正 数字"
	switch e.Kind {
	case venue.EntryCorrect:
		head, verb = "已更正", "更正"
	case venue.EntryConfirm:
		head, verb = "已确认", "确认"
	case venue.EntryMakeup:
		head, verb, mend = "已补报", "补报", "昨日 数字 补"
	}
	return fmt.Sprintf("%s：%s扫码 %d 次%s，%s %s%s。如有误请回复“%s”%s",
		head, what, e.Count, change, given(r), verb, late(r.Late), mend, orWithdraw(p))
}

// given is when a number was received, with the day if that is another one, and
// when it was sent if that is what counts.
func given(r daily.Receipt) string {
	e := r.Entry
	at := clock(e.At)
	if venue.DayOf(e.At) != r.Day {
		at = date(venue.DayOf(e.At)) + at
	}
	if e.Kind != venue.EntryConfirm && !e.Sent.IsZero() && e.AsOf.Equal(venue.Millis(e.Sent)) && clock(e.Sent) != clock(e.At) {
		at = fmt.Sprintf("%s 发送、%s", clock(e.Sent), at)
	}
	return at
}

func late(is bool) string {
	if is {
		return "（迟报）"
	}
	return ""
}

func orWithdraw(p daily.Policy) string {
	if p.Withdraw <= 0 {
		return "。"
	}
	return "，" + canWithdraw(p)
}

func canWithdraw(p daily.Policy) string {
	if p.Withdraw <= 0 {
		return ""
	}
	return fmt.Sprintf("%s内可回复“撤回”。", span(p.Withdraw))
}

func textWithdrawal(w daily.Withdrawal, p daily.Policy, at time.Time) string {
	text := fmt.Sprintf("已撤回：%s %s的 %d 次。", w.Unit.Name, dayAndWindow(w.Day, w.Window), w.Removed.Count)
	switch {
	case w.Stands != nil:
		return text + fmt.Sprintf("现在按 %d 次计%s。", w.Stands.Count, late(w.Late))
	case p.Late(w.Day, at):
		return text + "现在没有上报数，请尽快重新上报。"
	}
	return text + fmt.Sprintf("现在没有上报数，请在%s前重新上报。", p.Deadline)
}

func textRefusal(r *daily.Refusal, p daily.Policy) string {
	switch r.Why {
	case daily.RefusedCovered:
		if r.Above == "" {
			return "贵单位的次数由上级单位统一上报，不需要单独上报。"
		}
		return fmt.Sprintf("贵单位的次数由“%s”统一上报，不需要单独上报。", r.Above)
	case daily.RefusedExempt:
		return "贵单位目前免报，不需要上报。"
	case daily.RefusedNotYet:
		return fmt.Sprintf("贵单位自%s起每日上报，在此之前不需要上报。", date(r.From))
	case daily.RefusedNotShown:
		return "平台还没有向贵单位出示统计数，没有可以确认的数。请直接回复次数，例如：上报 326"
	case daily.RefusedNothing:
		return "没有可以撤回的数。只能撤回您本人最近报的一个数。"
	case daily.RefusedTooLate:
		return fmt.Sprintf("上报已过去 %s，超过 %s，不能撤回。需要修改请回复“更正 数字”。",
			span(r.Age.Truncate(time.Second)), span(p.Withdraw))
	}
	return "这一步现在不能办理，没有登记。"
}

// textStatus is for the asker alone.
func textStatus(s daily.Status) string {
	lines := append([]string{s.Unit.Name + " " + dayAndWindow(s.Report.Day, s.Report.Window)}, numbers(s.Report)...)
	if s.Report.Standing() == nil && s.AsOf.Before(s.Deadline) {
		lines = append(lines, fmt.Sprintf("请在%s前上报。", clock(s.Deadline)))
	}
	lines = append(lines, recorded(s))
	if s.Doors && s.Report.Standing() == nil {
		lines = append(lines, fmt.Sprintf("回复“确认”即按 %d 次上报，也可直接回复数字。", s.Counts.Raw))
	}
	return strings.Join(lines, "\n")
}

// textStatusInGroup leaves the platform's numbers out.
func textStatusInGroup(unit string, r venue.Report) string {
	if unit == "" {
		unit = "贵单位"
	}
	lines := append([]string{unit + " " + dayAndWindow(r.Day, r.Window)}, numbers(r)...)
	return strings.Join(append(lines, "平台统计数请在单聊中回复“查”。"), "\n")
}

// numbers says what a unit reported.
func numbers(r venue.Report) []string {
	e := r.Standing()
	if e == nil {
		return []string{"尚未上报。"}
	}
	lines := []string{fmt.Sprintf("扫码 %d 次，%s 上报%s。", e.Count, onDay(e.At, r.Day), late(r.Late))}
	for _, w := range r.Entries {
		if w.Awaiting && w.Withdrawn.IsZero() {
			lines = append(lines, fmt.Sprintf("更正待批：%d 次，%s 提交。", w.Count, onDay(w.At, r.Day)))
		}
	}
	return lines
}

// recorded are the three counts, always together.
func recorded(s daily.Status) string {
	if !s.Doors {
		return "贵单位名下没有在用的场所码，平台没有统计数。"
	}
	return fmt.Sprintf("平台统计截至%s：扫码 %d 次，其中有效 %d 次，共 %d 人。",
		onDay(s.AsOf, s.Report.Day), s.Counts.Raw, s.Counts.Effective, s.Counts.People)
}

// textDifference is for the asker alone.
func textDifference(s daily.Status, p daily.Policy) string {
	head := s.Unit.Name + " " + dayAndWindow(s.Report.Day, s.Report.Window)
	e := s.Report.Standing()
	if e == nil {
		return strings.Join([]string{head, "尚未上报，没有可以核查的数。", recorded(s)}, "\n")
	}
	return strings.Join([]string{
		head,
		fmt.Sprintf("上报 %d 次%s，以%s的记录核查。", e.Count, late(s.Report.Late), onDay(e.AsOf, s.Report.Day)),
		verdict(*e, p),
		recorded(s),
	}, "\n")
}

func verdict(e venue.Entry, p daily.Policy) string {
	if len(e.Judged) == 0 {
		return "核查：待核。"
	}
	a := e.Judged[len(e.Judged)-1]
	between := fmt.Sprintf("平台记录 %d–%d 次", a.Low, a.High)
	if a.Low == a.High {
		between = fmt.Sprintf("平台记录 %d 次", a.High)
	}
	if a.Recent > 0 {
		between += fmt.Sprintf("（含近 %s %d 次）", span(p.Settle), a.Recent)
	}
	switch a.Verdict {
	case venue.VerdictNone:
		return "核查：无可比记录。"
	case venue.VerdictConsistent:
		return fmt.Sprintf("核查：一致。%s。", between)
	case venue.VerdictOver:
		return fmt.Sprintf("核查：偏多 %d 次%s。%s。", a.Distance, percent(a), between)
	case venue.VerdictUnder:
		return fmt.Sprintf("核查：偏少 %d 次%s。%s。", a.Distance, percent(a), between)
	}
	return fmt.Sprintf("核查：待核，还有记录没有传完。初步：%s。", between)
}

func percent(a venue.Assessment) string {
	p, ok := a.Percent()
	if !ok {
		return "（平台为 0）"
	}
	return fmt.Sprintf("（%.1f%%）", p)
}

// listBytes is the room for names in a list.
const listBytes = 1800

// textMissing names those who have not reported. A list too long for one
// message says how many it leaves out.
func textMissing(day venue.Day, units []venue.UnitMention) string {
	if len(units) == 0 {
		return date(day) + "本群没有未报单位。"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s还有 %d 个单位未报：", date(day), len(units))
	for i, u := range units {
		if b.Len()+len(u.Name) > listBytes {
			fmt.Fprintf(&b, "……另有 %d 个单位未列出", len(units)-i)
			break
		}
		if i > 0 {
			b.WriteString("、")
		}
		b.WriteString(u.Name)
	}
	return b.String() + "。"
}

// textGroupUnknown has the number on a line of its own, to be copied.
func textGroupUnknown(group venue.GroupID, contact string) string {
	return "本群还没有登记为上报群。登记时需要下面的群编号，" + turnTo(contact) + "\n" + string(group)
}

func textUnitGone(contact string) string {
	return "没有找到您绑定的单位，可能已有变动，" + turnTo(contact)
}

func textUrge(contact string) string {
	return "催报目前由指挥部统一发出，机器人不能代催，" + turnTo(contact)
}

func textAppeal(contact string) string {
	return "申诉目前由指挥部人工受理，这里没有登记，" + turnTo(contact)
}

func textExempt(contact string) string {
	return "免报目前由指挥部人工审批，这里没有登记，" + turnTo(contact)
}

func turnTo(contact string) string {
	if contact == "" {
		return "请联系指挥部办公室。"
	}
	return "请联系" + contact + "。"
}

func textTooBig(p daily.Policy) string {
	return fmt.Sprintf("次数应在 0 到 %d 之间，没有登记。请核对后回复，例如：上报 326", p.Max)
}

// textAsk asks back. It says that nothing was kept and how to write it.
func textAsk(why daily.Ask, unit string, p daily.Policy) string {
	const example = "，没有登记。请只回复一个准确的次数，例如：上报 326"
	switch why {
	case daily.AskNone:
		return "没有看到次数。请回复例如：上报 326（没有人扫码请报 0）。发送“帮助”查看全部用法"
	case daily.AskSeveral:
		return "看到不止一个数" + example
	case daily.AskRange:
		return "看到的是一个范围" + example
	case daily.AskHedge:
		return "看到的是大概的数" + example
	case daily.AskQuestion:
		return "看上去是一个问题，没有登记。上报请回复例如：上报 326；查询请回复“查”"
	case daily.AskDecimal:
		return "次数应是整数" + example
	case daily.AskNegative:
		return "次数不能是负数" + example
	case daily.AskPercent:
		return "看到的是比例，不是次数" + example
	case daily.AskExponent:
		return "看到的是算式" + example
	case daily.AskGrouping:
		return "数字里的逗号或空格看不清楚，没有登记。请连着写，例如：上报 1326"
	case daily.AskDigits:
		return "看到特殊写法的数字，没有登记。请用普通数字，例如：上报 326"
	case daily.AskTooBig:
		return textTooBig(p)
	case daily.AskYesterday:
		return "没能确定是哪一天的数，没有登记。报今天的请回复例如：上报 326；补报昨天的请回复例如：昨日 326 补"
	case daily.AskOtherUnit:
		return fmt.Sprintf("消息里提到了别的单位，没有登记。您绑定的是%s，只能上报本单位的次数，例如：上报 326", quoted(unit))
	case daily.AskTooLong:
		return "消息太长，没有登记。请只回复一句，例如：上报 326"
	case daily.AskMention:
		return "没能分清@的名字和次数，没有登记。请在@之后空一格再写，例如：上报 326"
	case daily.AskArgument:
		return "“绑定”后面请写绑定码，例如：绑定 8K3M9Q7T；“申诉”后面请写理由"
	}
	return "没能确定次数" + example
}

// quoted is a unit's name as part of a sentence.
func quoted(unit string) string {
	if unit == "" {
		return "本单位"
	}
	return "“" + unit + "”"
}

// dayAndWindow is 5月18日（5月17日16:00–5月18日16:00）.
func dayAndWindow(d venue.Day, w venue.Window) string {
	end := date(venue.DayOf(w.End)) + clock(w.End)
	if last := venue.DayOf(w.End) - 1; w.End.Equal((last + 1).Start()) {
		end = date(last) + "24:00"
	}
	return fmt.Sprintf("%s（%s%s–%s）", date(d), date(venue.DayOf(w.Start)), clock(w.Start), end)
}

// onDay is a time, with its date if that is not d.
func onDay(t time.Time, d venue.Day) string {
	if day := venue.DayOf(t); day != d {
		return date(day) + clock(t)
	}
	return clock(t)
}

func date(d venue.Day) string { return d.Start().In(venue.Zone).Format("1月2日") }

func clock(t time.Time) string { return t.In(venue.Zone).Format("15:04") }

// span is a length of time to the second.
func span(d time.Duration) string {
	m, s := int(d/time.Minute), int(d%time.Minute/time.Second)
	switch {
	case s == 0:
		return fmt.Sprintf("%d 分钟", m)
	case m == 0:
		return fmt.Sprintf("%d 秒", s)
	}
	return fmt.Sprintf("%d 分 %d 秒", m, s)
}
