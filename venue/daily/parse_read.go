package daily

import (
	"strings"
	"unicode"
)

// token is a word, a mark or a number of the line.
type token struct {
	kind  kind
	text  string // of words and commas
	blank bool   // a mark that is a blank
	n     int    // of numbers
	why   Ask    // the number can not be read
	loose bool   // grouped by ， or blanks (P5)
	lone  bool   // one Chinese numeral by itself: 一 in 报一下 is none
}

// lex cuts a line into tokens.
func lex(r []rune) []token {
	toks := make([]token, 0, len(r)/2+2)
	for i := 0; i < len(r); {
		t, end := next(r, i)
		if last := len(toks) - 1; t.kind == kText && last >= 0 && toks[last].kind == kText {
			i = end
			continue
		}
		toks = append(toks, t)
		i = end
	}
	return lone(toks)
}

// next reads the token at r[i].
func next(r []rune, i int) (token, int) {
	c := r[i]
	if i+1 < len(r) && r[i+1] == '\u20e3' || c == '\u20e3' || c == '🔟' || oddDigit(c) {
		return token{kind: kNumber, why: AskDigits}, i + 1
	}
	switch {
	case isDigit(c):
		return digitToken(r, i)
	case c == '.' && i+1 < len(r) && isDigit(r[i+1]):
		_, end := digitsAt(r, i+1)
		return token{kind: kNumber, why: AskDecimal}, end
	case c == '[':
		if end := sticker(r, i); end > i {
			return token{kind: kMark}, end
		}
	case isDash(c):
		return dashes(r, i)
	case c == '第' && i+1 < len(r) && isNumeral(r[i+1]):
		_, end := numeralsAt(r, i+1)
		return token{kind: kText}, end // 第三次 is no count (P2)
	}
	if w, ok := wordAt(r, i); ok {
		if w.kind == kHedge && isChinese(w.runes[len(w.runes)-1]) {
			return token{kind: kNumber, why: AskHedge}, i + len(w.runes) // 上百, 数十
		}
		return token{kind: w.kind, text: string(w.runes)}, i + len(w.runes)
	}
	switch {
	case isChinese(c):
		return chineseToken(r, i)
	case isLatin(c) || unicode.IsLetter(c) && c < 0x2E80:
		end := i
		for end < len(r) && (isLatin(r[end]) || isDigit(r[end]) || unicode.IsLetter(r[end]) && r[end] < 0x2E80) {
			end++
		}
		return token{kind: kText, text: latinText}, end
	case strings.ContainsRune("¥￥$€£°℃℉№#&\ufffd", c):
		return token{kind: kText}, i + 1
	case strings.ContainsRune("。;!", c):
		return token{kind: kEnd}, i + 1
	case c == ',' || c == '，':
		return token{kind: kMark, text: ","}, i + 1
	case unicode.IsSpace(c):
		return token{kind: kMark, blank: c != '\n'}, i + 1
	case unicode.IsPunct(c), unicode.IsSymbol(c), unicode.IsMark(c):
		return token{kind: kMark}, i + 1
	}
	return token{kind: kText, text: string(c)}, i + 1
}

// measures are what a blank before it does not part from a number.
const measures = latinText + "元块份台辆家户倍成折页张件栋楼层米度岁天年分"

// latinText stands for any Latin letters.
const latinText = "a"

// oddDigit tells the digits that are never read: ①, ², ½, Ⅳ, ٣, 𝟑.
func oddDigit(c rune) bool {
	return c > unicode.MaxASCII && unicode.IsNumber(c) && !isChinese(c)
}

func isDash(c rune) bool { return c == '-' || c == '−' || '\u2010' <= c && c <= '\u2015' }

// dashes reads a rule drawn with dashes as a mark and a single one as a dash.
func dashes(r []rune, i int) (token, int) {
	end, n, long := i, 0, 0
	for j := i; j < len(r) && (isDash(r[j]) || r[j] == ' '); j++ {
		if isDash(r[j]) {
			n, end = n+1, j+1
			if r[j] == '—' || r[j] == '―' {
				long++
			}
		}
	}
	if n >= 3 || long == 2 && n == 2 {
		return token{kind: kEnd}, end
	}
	return token{kind: kDash}, i + 1
}

// sticker reads [强], the text form of a WeChat emoji.
func sticker(r []rune, i int) int {
	for j := i + 1; j < len(r) && j-i <= 6; j++ {
		switch {
		case r[j] == ']':
			return j + 1
		case isNumeral(r[j]) || !unicode.IsLetter(r[j]):
			return i
		}
	}
	return i
}

func digitToken(r []rune, i int) (token, int) {
	if end := maskedAt(r, i); end > i {
		return maskToken(r[end-1]), end
	}
	n, why, loose, end := arabic(r, i)
	return numberToken(r, i, end, token{kind: kNumber, n: n, why: why, loose: loose})
}

// maskText tells a masked date or time from other marks.
const maskText = "0"

// maskToken is a date or time by its last character. A month or a year without
// a day is another time than the reported one.
func maskToken(last rune) token {
	if last == '年' || last == '月' {
		return token{kind: kOtherDay}
	}
	return token{kind: kMark, text: maskText}
}

func chineseToken(r []rune, i int) (token, int) {
	run, end := numeralsAt(r, i)
	if cnUnits[run[0]] > 10 {
		// 百 without a digit before it is a hedge in 几百 and a word elsewhere.
		if i > 0 && strings.ContainsRune("几数上好成", r[i-1]) {
			return token{kind: kNumber, why: AskHedge}, end
		}
		if i > 1 && r[i-1] == ' ' && isNumeral(r[i-2]) {
			return token{kind: kNumber, why: AskUnclear}, end
		}
		return token{kind: kText}, end
	}
	t := token{kind: kNumber, lone: len(run) == 1}
	t.n, t.why = chinese(run)
	if strings.ContainsFunc(string(run), isDigit) {
		t.why = AskUnclear
	}
	if end+1 < len(r) && r[end] == '.' && isNumeral(r[end+1]) {
		t.why = AskDecimal
	}
	if end+1 < len(r) && r[end] == '点' && isNumeral(r[end+1]) && t.why == "" {
		minute, after := numeralsAt(r, end+1)
		if !strings.ContainsAny(string(minute), "十拾") && (after >= len(r) || r[after] != '分') {
			t.why, t.lone = AskDecimal, false // 三点五 is no time
			return t, after
		}
		return token{kind: kMark, text: maskText}, after
	}
	return numberToken(r, i, end, t)
}

// numberToken decides by the neighbours whether the number is one at all.
func numberToken(r []rune, i, end int, t token) (token, int) {
	if end >= len(r) {
		return t, end
	}
	switch c := r[end]; {
	case strings.ContainsRune("年月", c) && end+1 < len(r) && isNumeral(r[end+1]):
		return token{kind: kMark, text: maskText}, end + 1
	case strings.ContainsRune("年月日号点时", c):
		return maskToken(c), end + 1
	case strings.ContainsRune("x×*^e", c) && end+1 < len(r) && (isNumeral(r[end+1]) || strings.ContainsRune("+-*^", r[end+1])):
		t.why = AskExponent
		return t, end + 1
	case oddDigit(c):
		t.why = AskDigits
		return t, end + 1
	}
	return t, end
}

// lone makes text of every Chinese numeral that stands alone and is not
// plainly a number: followed by what is counted, or with nothing at either side.
func lone(toks []token) []token {
	for i, t := range toks {
		if !t.lone || t.why != "" {
			continue
		}
		before, after := kindAt(toks, i-1), kindAt(toks, i+1)
		if after == kMark && i+2 < len(toks) && toks[i+1].blank && toks[i+2].kind == kUnit {
			after = kUnit
		}
		switch after {
		case kHead:
			if before == kBind || before == kFix {
				continue
			}
		case kUnit, kHedge, kAfter, kSpan, kDash, kOr, kQuestion, kPercent:
			continue
		case kMark, kEnd, kMakeup:
			switch before {
			case kMark, kEnd, kFill, kToday, kOtherDay, kBind, kFix, kMakeup, kHedge, kBefore, kSpan, kDash, kMinus, kOr:
				continue
			}
		}
		toks[i].kind = kText
	}
	return toks
}

// kindAt is a token's kind; beyond the line stands its end.
func kindAt(toks []token, i int) kind {
	if i < 0 || i >= len(toks) {
		return kEnd
	}
	return toks[i].kind
}

func has(toks []token, k kind) bool {
	for _, t := range toks {
		if t.kind == k {
			return true
		}
	}
	return false
}

// readTokens finds the one value of a line, or why there is none.
func readTokens(toks []token) Command {
	var in [kPower + 1]bool
	for _, t := range toks {
		in[t.kind] = true
	}
	if !in[kNumber] && !in[kZero] {
		return ask(AskNone)
	}
	for _, t := range toks {
		if t.why == AskDigits {
			return ask(AskDigits)
		}
	}
	intent := IntentReport
	switch {
	case in[kFix]:
		intent = IntentCorrect
	case in[kMakeup]:
		intent = IntentMakeup
	}
	switch {
	case in[kQuestion]:
		return ask(AskQuestion)
	case in[kMakeup] && (in[kFix] || !yesterday(toks) || in[kToday]),
		in[kOtherDay] && intent != IntentMakeup:
		return ask(AskYesterday)
	case in[kHedge]:
		return ask(AskHedge)
	case in[kPercent]:
		return ask(AskPercent)
	}
	if why := around(toks); why != "" {
		return ask(why)
	}
	if in[kNot] || in[kOrder] {
		return ask(AskUnclear)
	}
	n, why := value(toks, in[kFix])
	if why != "" {
		return ask(why)
	}
	return Command{Intent: intent, Count: n}
}

// yesterday tells whether 昨天 or 昨日 is the only other day named.
func yesterday(toks []token) bool {
	named := false
	for _, t := range toks {
		if t.kind == kOtherDay {
			if t.text != "昨天" && t.text != "昨日" {
				return false
			}
			named = true
		}
	}
	return named
}

// around looks at what stands next to each number and makes it none: a sign, a
// range, a hedge, a second value.
func around(toks []token) Ask {
	for i, t := range toks {
		if t.kind != kNumber {
			switch left := prevNumber(toks, i); {
			case t.kind != kOr:
			case t.text != "/" && t.text != "、", left && nextNumber(toks, i):
				return AskSeveral
			case left && t.text == "/":
				return AskUnclear // 5/天
			}
			continue
		}
		if t.why != "" {
			return t.why
		}
		before, after := skipMarks(toks, i, -1), skipMarks(toks, i, +1)
		switch kindAt(toks, before) {
		case kSpan, kDash:
			if prevNumber(toks, before) {
				return AskRange
			}
			if kindAt(toks, before) == kDash {
				return AskNegative
			}
			return AskHedge // ~326, 到326
		case kMinus:
			return AskNegative
		case kBefore:
			return AskHedge
		case kPower:
			if prevNumber(toks, before) {
				return AskExponent
			}
		case kNumber:
			if toks[before].n != t.n || t.loose {
				return AskSeveral
			}
		}
		if k := kindAt(toks, after); k == kUnit || k == kHead {
			after = skipMarks(toks, after, +1)
		}
		if kindAt(toks, after) == kAfter {
			return AskHedge
		}
	}
	return ""
}

func prevNumber(toks []token, i int) bool {
	i = skipMarks(toks, i, -1)
	if k := kindAt(toks, i); k == kUnit || k == kHead {
		i = skipMarks(toks, i, -1)
	}
	return kindAt(toks, i) == kNumber
}

func nextNumber(toks []token, i int) bool { return kindAt(toks, skipMarks(toks, i, +1)) == kNumber }

// skipMarks is the next token from i in the direction that is no mark. The end
// of a sentence and a masked time are not skipped.
func skipMarks(toks []token, i, step int) int {
	for i += step; kindAt(toks, i) == kMark && toks[i].text != maskText; i += step {
	}
	return i
}

// value weighs the numbers: one that is bound wins over those that count
// something else; without a bound one the line must hold nothing else.
func value(toks []token, fix bool) (int, Ask) {
	plain := true // nothing in the line but known words
	scan := false // it speaks of reporting or scanning
	for _, t := range toks {
		plain = plain && t.kind != kText && t.kind != kAgain && t.kind != kAfter && t.kind != kBefore && t.kind != kPower
		scan = scan || t.kind == kBind || t.kind == kFix
	}
	// bare numbers stand for nothing but themselves and so rival a bound one.
	var bound, bare, all []token
	for i, t := range toks {
		switch {
		case t.kind == kZero && !plain:
			return 0, AskUnclear
		case t.kind == kZero:
			bound, all = append(bound, token{}), append(all, token{})
		case t.kind == kNumber:
			all = append(all, t)
			switch {
			case !counts(toks, i):
				plain = false
			case boundLeft(toks, i), scan && boundRight(toks, i):
				if t.loose && kindAt(toks, skipMarks(toks, i, +1)) == kHead {
					return 0, AskGrouping
				}
				bound = append(bound, t)
			case t.loose:
				return 0, AskGrouping
			case !named(toks, i):
				bare = append(bare, t)
			}
		}
	}
	switch {
	case fix && !same(all):
		return 0, AskSeveral
	case len(bound) > 0:
		bound = append(bound, bare...)
	case plain:
		bound = all
	default:
		return 0, AskUnclear
	}
	switch {
	case !same(bound):
		return 0, AskSeveral
	case bound[0].n > MaxCount:
		return 0, AskTooBig
	}
	return bound[0].n, ""
}

func same(toks []token) bool {
	for _, t := range toks {
		if t.n != toks[0].n {
			return false
		}
	}
	return true
}

// counts is false for a number that runs into unknown text, such as 3号楼,
// 5家, B2, or whose 次 is that of 再, 每日, 又, or of reporting once.
func counts(toks []token, i int) bool {
	if i > 0 && toks[i].lone && kindAt(toks, i+1) == kUnit {
		if b := toks[i-1]; b.kind == kFix || b.kind == kBind && strings.Contains(b.text, "报") {
			return false
		}
	}
	after := i + 1
	if kindAt(toks, after) == kMark && toks[after].blank && (kindAt(toks, after+1) == kUnit || kindAt(toks, after+1) == kHead) {
		after++
	}
	for kindAt(toks, after) == kUnit || kindAt(toks, after) == kHead {
		after++
	}
	if kindAt(toks, after) == kFill && toks[after].text == "的" {
		return false // 扫码326次的单位
	}
	for kindAt(toks, after) == kFill {
		after++
	}
	if kindAt(toks, after) == kMark && toks[after].blank && kindAt(toks, after+1) == kText {
		if t := toks[after+1].text; t != "" && strings.Contains(measures, t) {
			return false // 5 kg
		}
	}
	if kindAt(toks, after) == kText {
		return false
	}
	for j := i - 1; kindAt(toks, j) != kEnd; j-- {
		if kindAt(toks, j) == kAgain {
			return false
		}
		if kindAt(toks, j) == kNumber || toks[j].text == "," {
			break
		}
	}
	return true
}

// named tells a number that says what it counts, and that it is not scans:
// 12人, or 在岗 12.
func named(toks []token, i int) bool {
	return kindAt(toks, skipMarks(toks, i, +1)) == kHead || kindAt(toks, skipMarks(toks, i, -1)) == kText
}

// boundLeft tells whether a word of reporting or scanning leads to the number,
// with nothing but filling words between.
func boundLeft(toks []token, i int) bool {
	for j := i - 1; j >= 0; j-- {
		switch toks[j].kind {
		case kBind, kFix:
			return true
		case kMark, kFill, kToday, kUnit, kOtherDay, kMakeup:
		default:
			return false
		}
	}
	return false
}

// boundRight tells whether 次 or 人次 follows.
func boundRight(toks []token, i int) bool {
	return kindAt(toks, skipMarks(toks, i, +1)) == kUnit
}
