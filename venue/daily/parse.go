package daily

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/venuecode/venuecode/venue"
)

// MaxCount is the largest number one report may carry; the smallest is 0.
const MaxCount = 1_000_000

// MaxRunes is how much of a chat line is read.
const MaxRunes = 200

// Line is one chat message with what is known about its sender.
type Line struct {
	// Text is the message as received. Of a longer one than MaxRunes nothing
	// is read: it is asked back.
	Text string
	// Robot holds the names that a mention of the robot may carry. Only a name
	// listed here lets a number stand directly behind the mention.
	Robot []string
	// Own holds the full and short names of the sender's bound unit, which are
	// removed before anything is read.
	Own []string
	// Others holds the names of other known units, each already passed through
	// NameKey. A line naming one is asked back. The cost is one
	// strings.Contains a name, some 20 ns: 5,000 names are a tenth of a
	// millisecond.
	Others []string
}

// Intent says what a chat line wants.
type Intent string

// The intents. An unread line has IntentAsk.
const (
	IntentReport     Intent = "report"     // 上报 N
	IntentCorrect    Intent = "correct"    // 更正 N
	IntentConfirm    Intent = "confirm"    // 确认
	IntentMakeup     Intent = "makeup"     // 昨日 N 补
	IntentQuery      Intent = "query"      // 查
	IntentMissing    Intent = "missing"    // 未报
	IntentUrge       Intent = "urge"       // 催
	IntentDifference Intent = "difference" // 差异
	IntentAppeal     Intent = "appeal"     // 申诉 <理由>
	IntentExempt     Intent = "exempt"     // 免报
	IntentBind       Intent = "bind"       // 绑定 <码>
	IntentWithdraw   Intent = "withdraw"   // 撤回
	IntentHelp       Intent = "help"       // 帮助
	IntentAsk        Intent = "ask"        // anything else
)

// Ask says why a line has to be asked back. The surface owns the sentence.
type Ask string

// The reasons for asking back.
const (
	AskNone      Ask = "none"       // no number in it
	AskUnclear   Ask = "unclear"    // a number, but not plainly the one reported
	AskSeveral   Ask = "several"    // more than one value, or one or the other
	AskRange     Ask = "range"      // 300~330, 三四百
	AskHedge     Ask = "hedge"      // 约, 左右, 三百多
	AskQuestion  Ask = "question"   // ？ 吗 吧
	AskDecimal   Ask = "decimal"    // 12.5, 1.2万
	AskNegative  Ask = "negative"   // -5
	AskPercent   Ask = "percent"    // 98%
	AskExponent  Ask = "exponent"   // 3e2, 10^2, 3×10
	AskGrouping  Ask = "grouping"   // 12,34
	AskDigits    Ask = "digits"     // ①, ², ٣, keycap emoji
	AskTooBig    Ask = "too_big"    // above MaxCount
	AskYesterday Ask = "yesterday"  // another day than today, and not 昨日 N 补
	AskOtherUnit Ask = "other_unit" // names a unit that is not the sender's
	AskTooLong   Ask = "too_long"   // above MaxRunes
	AskMention   Ask = "mention"    // "@name326" and nobody knows where the name ends
	AskArgument  Ask = "argument"   // 绑定 without a code, 申诉 without a reason
)

// Command is what a chat line was understood to say.
type Command struct {
	Intent Intent
	// Count is the number of scans, 0…MaxCount, of a report, correct or makeup.
	Count int
	// Arg is the code of a bind, without blanks, in the case it was typed in;
	// the reason of an appeal; the reason of an exempt, which may be empty.
	Arg string
	// Why is set for IntentAsk only.
	Why Ask
}

// FormatReport is the plainest line that reports n.
func FormatReport(n int) string { return "上报 " + strconv.Itoa(n) }

// NameKey is the form in which unit names are compared: full-width forms
// folded, Latin letters lower, no blanks around.
func NameKey(name string) string {
	return lower(strings.TrimSpace(normalise(name)))
}

// Parse reads one chat line. It never fails and never guesses: whatever is not
// one command or exactly one clear value is IntentAsk with the reason, for a
// wrong number stored is an accusation later and a question back costs a
// second.
//
//	fold → mention → quotes → commands → own names → other units → words → value
func Parse(l Line) Command {
	s := strings.TrimSpace(normalise(l.Text))
	if utf8.RuneCountInString(s) > MaxRunes {
		return ask(AskTooLong)
	}
	s, ok := cutMentions(s, l.Robot)
	if !ok {
		return ask(AskMention)
	}
	s, ok = cutQuotes(s)
	if !ok {
		return ask(AskUnclear)
	}
	named := lower(s)
	own := nameKeys(l.Own)
	low := named
	for _, name := range own {
		low = cutName(low, name)
	}
	if c, ok := bare(low); ok {
		return c
	}
	if c, ok := withArgument(s, own); ok {
		return c
	}
	if namesOther(named, low, own, l.Others) {
		return ask(AskOtherUnit)
	}
	return readTokens(lex([]rune(low)))
}

func ask(why Ask) Command { return Command{Intent: IntentAsk, Why: why} }

// gap stands where something was cut out, so that what was apart stays apart.
const gap = "|"

// mentionEnd is the blank that WeChat and WeCom put behind a mention.
const mentionEnd = '\u2005'

// normalise folds full-width forms and blanks and drops what cannot be seen.
// The ideographic comma 「，」 stays itself: it groups digits less readily than
// the ASCII one (P5).
func normalise(s string) string {
	parts := strings.Split(s, "，")
	for i := range parts {
		parts[i] = venue.Fold(parts[i])
	}
	return strings.Map(func(r rune) rune {
		switch {
		case ' ' <= r && r <= '~', '\u4e00' <= r && r <= '\u9fff', r == mentionEnd:
			return r
		case r == '\n' || r == '\r' || r == '\v' || r == '\f' || r == '\u2028' || r == '\u2029':
			return '\n'
		case unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Variation_Selector, r), unicode.IsControl(r):
			return -1
		}
		return r
	}, strings.Join(parts, "，"))
}

// lower lowers ASCII only; other scripts have letters that lower to digits'
// suffixes, such as the Kelvin sign.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// nameKeys are the names worth cutting, longest first: a name of numerals only
// can not be told from a number.
func nameKeys(names []string) []string {
	keys := make([]string, 0, len(names))
	for _, n := range names {
		k := NameKey(n)
		if strings.ContainsFunc(k, func(r rune) bool { return !isNumeral(r) && !unicode.IsSpace(r) }) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b string) int { return len(b) - len(a) })
	return keys
}

// cutName replaces name by a gap, except where a numeral at its edge touches
// another one: 三中 is not named in 二十三中.
func cutName(s, name string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, name)
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		before, after := s[:i], s[i+len(name):]
		b.WriteString(before)
		if touches(before, name) || touches(name, after) {
			b.WriteString(name)
		} else {
			b.WriteString(gap)
		}
		s = after
	}
}

func touches(left, right string) bool {
	a, _ := utf8.DecodeLastRuneInString(left)
	b, _ := utf8.DecodeRuneInString(right)
	return isNumeral(a) && isNumeral(b)
}

// cutMentions removes every mention. A listed name ends where it ends; any
// other ends at a blank or a mark, and must not hold what may be the number.
func cutMentions(s string, robot []string) (string, bool) {
	if !strings.Contains(s, "@") {
		return s, true
	}
	robots := nameKeys(robot)
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "@")
		b.WriteString(before)
		if !found {
			return strings.TrimSpace(b.String()), true
		}
		b.WriteString(gap)
		n := robotPrefix(lower(rest), robots)
		if n == 0 {
			n = strings.IndexFunc(rest, func(r rune) bool {
				return r == mentionEnd || unicode.IsSpace(r) || unicode.IsPunct(r) || unicode.IsSymbol(r)
			})
			if n < 0 {
				n = len(rest)
			}
			exact := strings.HasPrefix(rest[n:], string(mentionEnd))
			if !exact && strings.ContainsFunc(rest[:n], isNumeral) && !endsInBlank(rest, n) {
				return "", false
			}
		}
		s = strings.TrimPrefix(rest[n:], string(mentionEnd))
	}
}

// endsInBlank tells whether a mention of n bytes ends in a blank and holds no
// digit: "@李三 326" is a person, "@机器人326 次" may be a number.
func endsInBlank(rest string, n int) bool {
	return n < len(rest) && (rest[n] == ' ' || rest[n] == '\n') && !strings.ContainsAny(rest[:n], "0123456789")
}

func robotPrefix(rest string, robots []string) int {
	for _, name := range robots {
		if strings.HasPrefix(rest, name) && !touches(name, rest[len(name):]) {
			return len(name)
		}
	}
	return 0
}

// cutQuotes removes 「…」, in which chat programs repeat what is answered to. An
// unclosed one leaves open whose words the line holds.
func cutQuotes(s string) (string, bool) {
	if !strings.ContainsAny(s, "「」") {
		return s, true
	}
	var b strings.Builder
	depth := 0
	for _, r := range s {
		switch {
		case r == '「':
			depth++
		case r == '」' && depth == 0:
			return "", false
		case r == '」':
			depth--
			b.WriteString(gap)
		case depth == 0:
			b.WriteRune(r)
		}
	}
	return b.String(), depth == 0
}

// namesOther tells whether a unit other than the sender's is named: in what is
// left without the own names, or by a longer name around an own one.
func namesOther(named, rest string, own, others []string) bool {
	for _, o := range others {
		if o == "" || !strings.Contains(named, o) || slices.Contains(own, o) {
			continue
		}
		if strings.Contains(rest, o) || slices.ContainsFunc(own, func(n string) bool { return strings.Contains(o, n) }) {
			return true
		}
	}
	return false
}

// bare reads a line that is a command and nothing else.
func bare(s string) (Command, bool) {
	if strings.Trim(s, "? |") == "" && strings.Contains(s, "?") {
		return Command{Intent: IntentHelp}, true
	}
	key := strings.Map(func(r rune) rune {
		if r != '?' && (unicode.IsSpace(r) || unicode.IsPunct(r) || unicode.IsSymbol(r)) && !strings.ContainsRune("+-%~^<>=", r) {
			return -1
		}
		return r
	}, s)
	if i, ok := commands[key]; ok {
		return Command{Intent: i}, true
	}
	asked := strings.TrimRight(key, "?")
	switch i := commands[asked]; i {
	case IntentQuery, IntentMissing, IntentDifference, IntentHelp:
		return Command{Intent: i}, true
	}
	return Command{}, false
}

// withArgument reads 绑定, 申诉 and 免报, whose argument may be any text.
func withArgument(s string, own []string) (Command, bool) {
	s = trimMarks(s)
	for _, name := range own {
		if strings.HasPrefix(lower(s), name) {
			s = trimMarks(s[len(name):])
			break
		}
	}
	for _, p := range []struct {
		word   string
		intent Intent
	}{{"绑定码", IntentBind}, {"绑定", IntentBind}, {"申诉", IntentAppeal}, {"免报", IntentExempt}} {
		rest, ok := strings.CutPrefix(s, p.word)
		if !ok {
			continue
		}
		arg := strings.Trim(rest, gap+" \n\u2005:，,。.“”\"<>《》")
		if p.intent == IntentBind {
			return bind(arg), true
		}
		toks := lex([]rune(lower(arg)))
		switch {
		case p.intent == IntentAppeal && !strings.ContainsFunc(arg, unicode.IsLetter):
			return ask(AskArgument), true
		case has(toks, kQuestion):
			return ask(AskQuestion), true
		case p.intent == IntentExempt && has(toks, kNumber):
			return ask(AskUnclear), true
		}
		return Command{Intent: p.intent, Arg: strings.ReplaceAll(arg, gap, "")}, true
	}
	return Command{}, false
}

func trimMarks(s string) string {
	return strings.TrimLeft(s, gap+" \n\u2005:，,。!")
}

// bind reads a code as it may be printed in groups: ASCII letters and digits.
func bind(arg string) Command {
	code := strings.ReplaceAll(arg, " ", "")
	odd := strings.ContainsFunc(code, func(r rune) bool {
		return r != '-' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
	})
	if code == "" || odd {
		return ask(AskArgument)
	}
	return Command{Intent: IntentBind, Arg: code}
}
