package notifier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// Everything that people read. Short, plain and polite: who reads it is busy,
// and has done nothing wrong as far as we know.

// tags begin each text and say what it is.
var tags = map[venue.MessageKind]string{
	venue.MessageOneTap:     "【一键确认】",
	venue.MessageReminder:   "【提醒】",
	venue.MessageDigest:     "【日报】",
	venue.MessageDifference: "【核查】",
	venue.MessageAlarm:      "【预警】",
	venue.MessageRecheck:    "【核验结果】",
}

const (
	lateMark   = "（迟发）"
	continued  = "（续）"
	numberWord = "编号 "
	pageWords  = "（%d/%d）"
)

// What the ledger says became of a message.
const (
	outcomeQuiet       = "夜间不打扰，早上再发"
	outcomeMinuteFull  = "本分钟条数已满，顺延"
	outcomeBehind      = "前一条未送达，按顺序等候"
	outcomeNothingLeft = "相关单位均已上报，无需再发"
	outcomeNoChannel   = "该渠道未开通或不支持此类消息"
	outcomeNobody      = "收件人不存在或已解绑"
	outcomeNoWords     = "消息内容不完整"
	outcomeRefused     = "平台拒收，请核实收件人和渠道配置"
	outcomeGivenUp     = "多次发送未成功，已停止，请人工处理"
	outcomeTimeout     = "平台未及时答复，稍后重发"
	outcomeAway        = "平台暂不可用，稍后重发"
	outcomeFailed      = "发送未成功，稍后重发"
)

func outcomeOf(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return outcomeTimeout
	case errors.Is(err, venue.ErrUnavailable):
		return outcomeAway
	}
	return outcomeFailed
}

// Text is a message as one text, for a group that admits no robot: to be copied
// by hand. deadline is that of the daily report, after midnight.
func Text(m venue.Message, deadline time.Duration) (string, error) {
	lines, err := write(m, deadline)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.text + "\n")
	}
	return b.String() + numberWord + Number(m.ID), nil
}

// write finds the words for a message, but for its number.
func write(m venue.Message, deadline time.Duration) ([]line, error) {
	tag, ok := tags[m.Kind]
	if !ok {
		return nil, fmt.Errorf("no words for a message of kind %q", m.Kind)
	}
	if m.Late {
		tag += lateMark
	}
	t := &text{}
	switch {
	case m.Kind == venue.MessageOneTap && len(m.Units) > 0:
		t.oneTap(tag, m, deadline)
	case m.Kind == venue.MessageReminder && len(m.Units) > 0:
		t.reminder(tag, m, deadline)
	case m.Kind == venue.MessageDigest && m.Digest != nil:
		t.digest(tag, m.Day, m.Digest)
	case m.Kind == venue.MessageDifference && m.Verdict != nil:
		t.difference(tag, m.Day, m.Verdict)
	case m.Kind == venue.MessageAlarm && m.Alarm != nil:
		t.alarm(tag, m.Alarm)
	case m.Kind == venue.MessageRecheck:
		t.recheck(tag, m.Recheck)
	default:
		return nil, fmt.Errorf("a message of kind %q without its facts", m.Kind)
	}
	return t.lines, nil
}

type text struct{ lines []line }

func (t *text) add(format string, a ...any) {
	t.lines = append(t.lines, line{text: fmt.Sprintf(format, a...)})
}

func (t *text) oneTap(tag string, m venue.Message, deadline time.Duration) {
	t.add("%s%s扫码次数，请核对：", tag, date(m.Day))
	for _, u := range m.Units {
		t.lines = append(t.lines, line{fmt.Sprintf("%s：平台统计 %d 次", oneLine(u.Name), u.Shown), u.Accounts})
	}
	t.add("请在%s前回复“确认”或数字。谢谢！", clock(deadline))
}

func (t *text) reminder(tag string, m venue.Message, deadline time.Duration) {
	t.add("%s%s扫码次数，以下 %d 个单位还没有上报：", tag, date(m.Day), len(m.Units))
	for _, u := range m.Units {
		t.lines = append(t.lines, line{oneLine(u.Name), u.Accounts})
	}
	// A late reminder promises no time: the deadline may be over.
	when := "在" + clock(deadline) + "前"
	if m.Late {
		when = "尽快"
	}
	t.add("请%s回复“上报 数字”；没有人扫码的，回复“上报 0”。辛苦了！", when)
}

func (t *text) digest(tag string, day venue.Day, d *venue.Digest) {
	t.add("%s%s扫码上报情况", tag, date(day))
	t.add("应报 %d，已报 %d，迟报 %d，未报 %d，免报 %d，待核 %d。",
		d.Due, d.Reported, d.Late, d.Missing, d.Exempt, d.Doubtful)
	t.add("上报合计 %d 次。", d.Total)
	if d.Covered > 0 {
		t.add("另有 %d 个单位由上级单位一并上报。", d.Covered)
	}
	if d.TopUp > 0 {
		t.add("另有 %d 条更正待批。", d.TopUp)
	}
	if d.Doubtful > 0 {
		t.add("待核的数字正在核对，会一对一联系报送人。")
	}
	switch {
	case len(d.MissingNames) > 0:
		t.add("未报单位：")
		for _, name := range d.MissingNames {
			t.add("%s", oneLine(name))
		}
		t.add("请以上单位尽快回复“上报 数字”。")
	case d.Due > 0 && d.Missing == 0:
		t.add("各单位均已上报，谢谢大家！")
	}
}

var entryWords = map[venue.EntryKind]string{
	venue.EntryReport:  "上报",
	venue.EntryCorrect: "更正为",
	venue.EntryConfirm: "确认",
	venue.EntryMakeup:  "补报",
}

func (t *text) difference(tag string, day venue.Day, v *venue.VerdictFacts) {
	r := &v.Result
	word, ok := entryWords[v.Kind]
	if !ok {
		word = entryWords[venue.EntryReport]
	}
	t.add("%s%s %s（初步）", tag, oneLine(v.Unit), date(day))
	t.add("统计时段：%s 至 %s", minute(v.Window.Start), minute(v.Window.End))
	late := ""
	if v.Late {
		late = "（迟报）"
	}
	t.add("您%s：%d 次%s", word, v.Reported, late)
	if r.Verdict == venue.VerdictNone {
		t.add("本单位目前没有可对照的场所码，无可比数据。您的上报已收到，无需再做什么。")
		return
	}
	if r.High == 0 {
		t.add("平台为 0；容差 %d 次", r.Tolerance)
	} else {
		t.add("平台记录：%d—%d 次，含近30分钟 %d 次；容差 %d 次", r.Low, r.High, r.Recent, r.Tolerance)
	}
	t.add("三数：原始 %d，有效 %d，人数 %d", r.Counts.Raw, r.Counts.Effective, r.Counts.People)
	switch r.Verdict {
	case venue.VerdictConsistent:
		t.add("结果：一致。谢谢！")
	case venue.VerdictOver, venue.VerdictUnder:
		than := "多"
		if r.Verdict == venue.VerdictUnder {
			than = "少"
		}
		t.add("结果：比平台记录%s %d 次%s。", than, r.Distance, percent(r.Distance, r.High))
		t.add("请您核对。需要改数，回复“更正 数字”；有不同意见，请联系指挥部。")
	default:
		waiting := "部分扫码数据"
		if len(r.Waiting) > 0 {
			waiting = sources(r.Waiting)
		}
		t.add("结果：待核，正在等 %s 的数据到齐。您现在无需再做什么。", waiting)
		return
	}
	if len(r.Waiting) > 0 {
		t.add("以下来源的数据尚未到齐：%s。", sources(r.Waiting))
	}
}

func sources(names []string) string {
	shown := slices.Clone(names)
	for i, name := range shown {
		if name == venue.SourceSpool {
			shown[i] = "平台暂存记录"
		}
	}
	return oneLine(strings.Join(shown, "、"))
}

func (t *text) alarm(tag string, a *venue.AlarmFacts) {
	t.add("%s有人持红码到场，请立即处置", tag)
	t.add("场所：%s", oneLine(a.Venue))
	t.add("出入口：%s", oneLine(a.Door))
	t.add("地址：%s", oneLine(a.Address))
	t.add("时间：%s", a.At.In(venue.Zone).Format("1月2日15:04:05"))
	t.add("扫码编号：%s", a.ScanID[:min(8, len(a.ScanID))])
	if a.Recheck {
		t.add("扫码时为待核验，现已查明为红码，本人可能已进入场所。")
	}
	t.add("请将其拦下，引导至等候区，保持距离，并马上报告所在社区。请勿拍照、外传。")
}

// recheck does not name a colour: a notification may be read by others over a
// shoulder, and the mini-program shows it.
func (t *text) recheck(tag string, r *venue.RecheckFacts) {
	if r == nil {
		t.add("%s您的健康码已完成核验。", tag)
	} else {
		t.add("%s您%s在%s扫码时待核验的健康码，已完成核验。", tag, minute(r.At), oneLine(r.Venue))
	}
	t.add("请打开小程序查看结果，并按页面提示通行。给您添麻烦了。")
}

// cardTitles names the kinds for which the mini-programs have a template.
var cardTitles = map[venue.MessageKind]string{
	venue.MessageRecheck:  "健康码已完成核验",
	venue.MessageAlarm:    "红码到场，请处置",
	venue.MessageReminder: "今日扫码次数待上报",
}

func cardOf(m venue.Message) Card {
	c := Card{Kind: m.Kind, Title: cardTitles[m.Kind]}
	var at time.Time
	switch {
	case m.Kind == venue.MessageRecheck && m.Recheck != nil:
		c.Place, at, c.Note = m.Recheck.Venue, m.Recheck.At, "请打开小程序查看结果"
	case m.Kind == venue.MessageRecheck:
		c.Note = "请打开小程序查看结果"
	case m.Kind == venue.MessageAlarm && m.Alarm != nil:
		c.Place, at, c.Note = m.Alarm.Venue+" "+m.Alarm.Door, m.Alarm.At, "请拦下并引导至等候区，报社区"
	case m.Kind == venue.MessageReminder && len(m.Units) > 0:
		c.Place, at, c.Note = m.Units[0].Name, m.Due, "请回复上报数字"
	}
	if !at.IsZero() {
		c.Time = at.In(venue.Zone).Format("2006-01-02 15:04")
	}
	c.Place = short(oneLine(c.Place), 20)
	return c
}

func date(d venue.Day) string { return d.Start().In(venue.Zone).Format("1月2日") }

func minute(t time.Time) string { return t.In(venue.Zone).Format("1月2日15:04") }

func clock(d time.Duration) string {
	return fmt.Sprintf("%d:%02d", int(d.Hours()), int(d.Minutes())%60)
}

// percent is " （…%）" of hi, nothing if hi is 0 (rulings D12).
func percent(distance, hi int) string {
	if hi == 0 {
		return ""
	}
	return fmt.Sprintf("（%.1f%%）", float64(distance)*100/float64(hi))
}

// oneLine keeps a name from beginning lines of its own.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func short(s string, runes int) string {
	if r := []rune(s); len(r) > runes {
		return string(r[:runes-1]) + "…"
	}
	return s
}
