package daily

import "strings"

// kind is what a word of a chat line does to the number in it.
type kind uint8

const (
	kText     kind = iota // anything unknown
	kMark                 // blank, punctuation, emoji, a masked date or time
	kEnd                  // a mark that ends a sentence: nothing binds across it
	kFill                 // says nothing about the number
	kNumber               // a number, or what looks like one
	kZero                 // a phrase that is 0: 无扫码
	kBind                 // a word of reporting or scanning: binds the number after it
	kFix                  // 更正: binds, and makes a correction
	kUnit                 // 次, 人次: binds the number before it
	kHead                 // 人, 个: counts something, binds nothing
	kAgain                // 再, 每日: 次 does not bind behind it
	kMakeup               // 补
	kToday                // 今天
	kOtherDay             // 昨天, 本月
	kHedge                // 约, 左右
	kBefore               // 近: a hedge directly before a number
	kAfter                // 多, 余: a hedge directly behind a number
	kSpan                 // 到, 至, ~: a range between two numbers
	kDash                 // -: a range between two numbers, minus before one
	kMinus                // 负: minus before a number
	kOr                   // 或
	kQuestion             // ? 吗 吧
	kNot                  // 不, 没有: nothing in the line is plain any more
	kOrder                // 请, 满, 目标: speaks about numbers that are not the report
	kPercent              // %
	kPower                // ×, ^: between numbers
)

// words is the vocabulary. The longest word at a place wins, so that a longer
// harmless word shields the dangerous one in it: 收到 is not a range, 网吧 no
// question, 一共 no number.
var words = vocabulary(map[kind]string{
	kText: `各种 各类 各级 各界 公共 共同 共享 中共 共青团 共产党 共建 共和 次日 其次 次要 首次 本次 此次 依次 批次 车次 班次 层次
		网吧 酒吧 水吧 书吧 茶吧 氧吧 吧台 迪吧 附近 最近 近期 近日 临近 靠近 多媒体 多功能 多种 很多 许多 多数 其余 业余 余额 剩余
		来访 来人 来宾 来客 外来 本来 原来 近来 往来 未来 特别 分别 区别 级别 别墅 非常 不锈钢 不动产 无线电 无纺布 无锡
		到岗 到访 报到 直到 到位 周到 迟到 到场 甚至 冬至 夏至 预约 节约 约谈 合约 签约
		补充 补贴 补习 补助 候补 修补 补丁 日报社 报社 报刊 报纸 报告厅 报警 扫地 扫雪 扫黑 扫墓 清扫 打扫 扫除 扫尾
		二维码 一码通 一门一码 一店一码 统一 一律 一直 一定 一般 一样 一起 一楼 唯一 第一 万达 万科 百货 百姓 百度 十分钟
		大厅 上级 上海 破产 满意 不夜城 是非 非遗 报废 报名 报销 举报 海报 画报 情报 警报 通报 报复 预报 谎报`,
	kFill: `是 为 了 的 有 数 量 总 在 达 达到 到达 计 已 已经 仅 只 只有 就 才 于 由于 现 现在 目前 截至 截止 至今 止 到目前 到目前为止 为止 整 完毕 完成 结束
		我单位 本单位 我们单位 我们 我校 我院 我局 我社区 我村 我店 我公司 我处 我所 我站 我办 我镇 我乡 本校 本院 本局 本店 本村 单位 门店 学校 医院 社区 公司 全校 全院 全局 全村 全单位
		领导 各位领导 各位 老师 主任 领导好 上午好 下午好 晚上好 您好 你好 大家好 收到 谢谢 感谢 辛苦了 辛苦 特此 特此报告 请查收 请审阅 请审核 请核 请知悉 请领导审阅 请确认 好的 好 嗯 哦 啊 呀 哈 啦 ok 确认 确认无误
		情况 情况如下 如下 数据 数据如下 信息 正常 一切正常 无异常 无异常情况 没有异常 无特殊情况 无其他情况 无误 核对无误 无遗漏 无漏报 没问题 没有问题 无问题 不好意思 打扰了 分别为
		人员 职工 干部职工 全体 师生 群众 来访人员 系统 平台 场所码 健康码 码 进出 出入 进入 一下 登记 应扫尽扫 应设尽设 逢进必扫 逢扫必验`,
	kMark:  `其中 其 `,
	kToday: `全天 今天 今日 当日 本日 今儿 当天`,
	kZero: `无扫码 无人扫码 没有扫码 没扫码 没有人扫码 没人扫码 没有人扫 没人扫 无人扫 零扫码 零报告 零上报 零扫描 无人员扫码 没有人员扫码 暂无扫码 暂无人扫码
		无扫码记录 没有扫码记录 无扫码数据 无扫码人员 无扫码情况`,
	kBind: `上报 上报数 上报数量 上报次数 扫码 扫码数 扫码量 扫码数量 扫码次数 扫码人次 扫码人数 扫码总数 扫码总量 扫码总次数 扫描 扫 扫了 亮码扫码 场所码扫码
		共计 合计 总计 累计 一共 总共 共 共有 共扫 次数 总次数 总数 总量 报 报告 汇报 填报 申报 报送 报数 日报 呈报 重报 重新上报 再次上报 报码`,
	kFix:      `更正 更正为 更正上报 更改为 改为 改成 改报 修改为 修正为 纠正为 订正 订正为 变更为`,
	kUnit:     `次 人次 人/次 个次 频次`,
	kHead:     `人 个 名 位 个人 人员 名人员`,
	kAgain:    `再 又 还 还有 另 另外 每 每人 每天 每日 每次 每周 每月 各自 各扫 各扫码 各报 各有 平均 人均 日均 另有 除 除了 多扫 多报 少报 少扫`,
	kMakeup:   `补 补报 补交 补上 补录 补填 补一下`,
	kOtherDay: `昨天 昨日 昨 昨晚 前天 前日 明天 明日 后天 上周 本周 这周 下周 上月 本月 上个月 这个月 当月 去年 今年 全年 全月 全周 一周 一周以来 以来 近日来 往日 平时 近期以来`,
	kHedge: `约 大约 大约是 大概 左右 上下 以上 以下 以内 之内 不到 不足 不止 不少于 不低于 不超过 不多于 接近 将近 近乎 几乎 至少 最少 至多 最多 起码 顶多 超过 多于 多达 少于 高于 低于 大于 小于
		几 好几 若干 数十 数百 数千 数万 上百 上千 上万 成百 成千 好像 好象 似乎 仿佛 应该 应当 应为 应是 可能 估计 预计 预估 估摸 也许 或许 大致 大体 差不多 差点 出头 开外 + ± ≈ ≥ ≤ > < ≧ ≦ ≒`,
	kBefore:   `近 逾 超 破 满 够 仅剩 差 各`,
	kAfter:    `多 余 来 许 把 有余 有多 不等 多一点 半`,
	kSpan:     `到 至 ~ 〜 ∼ ～`,
	kMinus:    `负 减 减去 零下`,
	kOr:       `或 或者 或是 还是 要么 / 、`,
	kQuestion: `? ⁇ ⁈ ⁉ ❓ ❔ 吗 吧 么 嘛 呢 为什么 为何 怎么 怎样 如何 多少 是否 是不是 对不对 行不行 能不能 有没有 可不可以 可否 能否 咋 哪 哪个 谁 啥 什么`,
	kNot:      `不 没 没有 无 未 非 并非 别 勿 莫 否 取消 作废 撤回 撤销 报错 错报 误报 漏报 瞒报 虚报 多算 算错 写错 错了 有误 错误 删除`,
	kOrder:    `请 请各单位 务必 必须 需要 需 要求 任务 目标 计划 争取 力争 如果 假如 要是 若 达标 应扫 应到 规定 标准 提醒 通知 下达 我扫 他扫 她扫 补充上报 排名 名次 倍 说`,
	kPercent:  `% ‰ 百分之 千分之 万分之 ％`,
	kPower:    `× * ^ ✖ ÷`,
})

// vocabulary sorts the words by their first rune, longest first.
func vocabulary(lists map[kind]string) map[rune][]word {
	v := map[rune][]word{}
	for k, list := range lists {
		for _, w := range strings.Fields(list) {
			r := []rune(w)
			v[r[0]] = insert(v[r[0]], word{r, k})
		}
	}
	return v
}

type word struct {
	runes []rune
	kind  kind
}

// insert keeps longer words first and, of one word, the kind that asks back.
func insert(ws []word, w word) []word {
	for i, o := range ws {
		switch {
		case string(o.runes) == string(w.runes):
			ws[i].kind = max(o.kind, w.kind)
			return ws
		case len(o.runes) < len(w.runes):
			return append(ws[:i:i], append([]word{w}, ws[i:]...)...)
		}
	}
	return append(ws, w)
}

// wordAt finds the longest known word at r[i].
func wordAt(r []rune, i int) (word, bool) {
next:
	for _, w := range words[r[i]] {
		if len(w.runes) > len(r)-i {
			continue
		}
		for j, c := range w.runes {
			if r[i+j] != c {
				continue next
			}
		}
		return w, true
	}
	return word{}, false
}

// shield is the length of the known word at r[i] that begins with a numeral
// and goes on with something else, so that 一共 ends the numeral before it.
func shield(r []rune, i int) int {
	if !isChinese(r[i]) {
		return 0
	}
	w, ok := wordAt(r, i)
	if !ok {
		return 0
	}
	return len(w.runes)
}

// commands are the lines that are a command and nothing else, without marks.
var commands = bareCommands(map[Intent]string{
	IntentConfirm:    `确认 确认无误 确认上报 确认上报无误 确认数据 确认统计 无误确认`,
	IntentQuery:      `查 查询 查一下 查看 查数 查今日 查询今日 查今天 我要查 查上报 查我单位`,
	IntentMissing:    `未报 未报名单 未报单位 未上报 未上报单位 未上报名单 查未报 谁没报 谁未报 还有谁没报 谁还没报 哪些单位没报 哪些单位未报 哪些没报 没报的单位 漏报`,
	IntentUrge:       `催 催报 催一下 催办 催一催 催未报 催报未报 提醒未报 催促`,
	IntentDifference: `差异 查差异 看差异 差异明细 查看差异 差异查询 我的差异`,
	IntentExempt:     `免报 申请免报 今日免报 今天免报`,
	IntentWithdraw:   `撤回 撤销 撤回上报 撤销上报 撤回上一条 撤回更正 撤销更正`,
	IntentHelp:       `帮助 help 菜单 指令 命令 使用说明 使用帮助 说明 怎么用 如何使用 怎么报 怎么上报 如何上报`,
})

func bareCommands(lists map[Intent]string) map[string]Intent {
	m := map[string]Intent{}
	for i, list := range lists {
		for _, w := range strings.Fields(list) {
			m[w] = i
		}
	}
	return m
}
