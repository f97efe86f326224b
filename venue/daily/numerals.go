package daily

import (
	"regexp"
	"strings"
)

// tooMuch stands for every number from there on: sums stop growing, so that no
// line of digits overflows.
const tooMuch = 1_000_000_000

// cnDigits are the Chinese digits, everyday and 大写.
var cnDigits = map[rune]int{
	'零': 0, '〇': 0, '○': 0, '一': 1, '二': 2, '两': 2, '兩': 2, '三': 3, '四': 4, '五': 5, '六': 6, '七': 7, '八': 8, '九': 9,
	'壹': 1, '贰': 2, '貳': 2, '叁': 3, '參': 3, '肆': 4, '伍': 5, '陆': 6, '陸': 6, '柒': 7, '捌': 8, '玖': 9,
}

// cnUnits are the multipliers, everyday and 大写.
var cnUnits = map[rune]int{
	'十': 10, '百': 100, '千': 1000, '万': 10_000, '亿': 100_000_000,
	'拾': 10, '佰': 100, '仟': 1000, '萬': 10_000, '億': 100_000_000,
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

func isChinese(r rune) bool {
	_, digit := cnDigits[r]
	_, unit := cnUnits[r]
	return digit || unit || strings.ContainsRune("廿卅卌", r)
}

func isNumeral(r rune) bool { return isDigit(r) || isChinese(r) }

// chinese reads a run of Chinese numerals. Accepted are digits in a row
// (三二一 is 321), the full form (一千零五), and the spoken short form that
// drops the last unit (三百二 is 320, 两万三 is 23000). A 零 left out or put
// where none belongs is unclear; two digits side by side before a unit, or
// alone and neighbouring, are a range (三四百, 二三十, 七八).
func chinese(run []rune) (int, Ask) {
	units := false
	for _, r := range run {
		if _, ok := cnUnits[r]; ok {
			units = true
		} else if _, ok := cnDigits[r]; !ok {
			return 0, AskUnclear
		}
	}
	if !units {
		return positional(run)
	}
	for i, r := range run {
		switch cnUnits[r] {
		case 100_000_000:
			return tooMuch, ""
		case 10_000:
			return myriads(run[:i], run[i+1:])
		}
	}
	return section(run)
}

// positional reads digits in a row.
func positional(run []rune) (int, Ask) {
	if len(run) == 1 {
		return cnDigits[run[0]], ""
	}
	rising := true
	for i := 1; i < len(run); i++ {
		a, b := cnDigits[run[i-1]], cnDigits[run[i]]
		rising = rising && a > 0 && (b == a+1 || a == 3 && b == 5)
	}
	n := 0
	for _, r := range run {
		n = min(n*10+cnDigits[r], tooMuch)
	}
	switch {
	case rising && len(run) <= 3:
		return 0, AskRange
	case cnDigits[run[0]] == 0, strings.ContainsAny(string(run), "两兩"):
		return 0, AskUnclear
	}
	return n, ""
}

// myriads reads what stands before and after 万.
func myriads(high, low []rune) (int, Ask) {
	h, why := section(high)
	if why != "" {
		return 0, why
	}
	h *= 10_000
	switch {
	case h == 0:
		return 0, AskUnclear
	case len(low) == 0:
		return h, ""
	case len(low) == 1 && cnDigits[low[0]] > 0 && low[0] != '两' && low[0] != '兩':
		return h + cnDigits[low[0]]*1000, ""
	}
	skipped := cnUnits[low[0]] == 0 && cnDigits[low[0]] == 0
	if skipped {
		low = low[1:]
	}
	n, why := section(low)
	switch {
	case why != "":
		return 0, why
	case n == 0 || skipped != (n < 1000):
		return 0, AskUnclear
	}
	return h + n, ""
}

// section reads numerals below 10,000, or one digit.
func section(run []rune) (int, Ask) {
	if len(run) == 0 {
		return 0, AskUnclear
	}
	const none = -1
	n, last, digit, zero, two := 0, 10_000, none, false, false
	for _, r := range run {
		if d, ok := cnDigits[r]; ok {
			switch {
			case d > 0 && digit > 0:
				return 0, AskRange
			case d == 0 && (n == 0 || zero || digit != none):
				if len(run) == 1 {
					return 0, ""
				}
				return 0, AskUnclear
			case d == 0:
				zero = true
			default:
				digit, two = d, r == '两' || r == '兩'
			}
			continue
		}
		u, ok := cnUnits[r]
		switch {
		case !ok, u >= last, two && u == 10:
			return 0, AskUnclear
		case digit == none && (u != 10 || n > 0 && !zero && last > 100):
			return 0, AskUnclear
		case n > 0 && zero != (u*10 < last):
			return 0, AskUnclear
		case digit == none:
			digit = 1
		}
		n += digit * u
		last, digit, zero, two = u, none, false, false
	}
	switch {
	case digit == none && zero, two && n > 0, zero && last == 10:
		return 0, AskUnclear
	case digit == none:
		return n, ""
	case n == 0 || zero || last == 10:
		return n + digit, ""
	}
	return n + digit*last/10, ""
}

// masked matches, at the start of a digit run, what is written with digits and
// is no count: dates, clock times, telephone numbers.
var masked = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`(?:19|20)\d\d(?:年|[-/.])(?:1[0-2]|0?[1-9])(?:月|[-/.])(?:(?:3[01]|[12]\d|0?[1-9])[日号]?)?`,
	`(?:19|20)\d\d年(?:(?:1[0-2]|0?[1-9])月)?`,
	`(?:1[0-2]|0?[1-9])月(?:(?:3[01]|[12]\d|0?[1-9])[日号]?)?`,
	`(?:3[01]|[12]\d|0?[1-9])[日号]`,
	`(?:2[0-4]|[01]?\d)[点时](?:[0-5]?\d分|[0-5]\d|整|半)?`,
	`(?:2[0-4]|[01]?\d):[0-5]\d(?::[0-5]\d)?`,
	`(?:1[0-2]|0?[1-9])/(?:3[01]|[12]\d|0?[1-9])`,
	`1[3-9]\d[- ]?\d{4}[- ]?\d{4}`,
	`0\d{2,3}-?\d{7,8}`,
	`20\d\d(?:1[0-2]|0[1-9])(?:3[01]|[12]\d|0[1-9])`,
}, "|") + `)`)

// maskedAt says where the date, time or telephone number at r[i] ends, or i.
func maskedAt(r []rune, i int) int {
	m := masked.FindString(string(r[i:min(i+24, len(r))]))
	if m == "" {
		return i
	}
	end := i + len([]rune(m))
	if end < len(r) && isDigit(r[end-1]) {
		more := r[end] == '-' && strings.Contains(m, "-") || strings.ContainsRune(":/.", r[end])
		if isDigit(r[end]) || more && end+1 < len(r) && isDigit(r[end+1]) {
			return i
		}
	}
	return end
}

// arabic reads digits, their separators and what multiplies them, from r[i].
// loose tells that ， or blanks grouped them, which only a bound number may do.
func arabic(r []rune, i int) (n int, why Ask, loose bool, end int) {
	n, end = digitsAt(r, i)
	lead, groups := end-i, 0
	var sep rune
	for end+1 < len(r) && strings.ContainsRune(",， '’_·", r[end]) && isDigit(r[end+1]) && maskedAt(r, end+1) == end+1 {
		if groups > 0 && r[end] != sep || !strings.ContainsRune(",， ", r[end]) {
			why = AskGrouping
		}
		sep = r[end]
		g, next := digitsAt(r, end+1)
		if next-end-1 != 3 {
			why = AskGrouping
		}
		n, groups, end = min(n*1000+g, tooMuch), groups+1, next
	}
	loose = groups > 0 && sep != ','
	switch {
	case groups > 0 && (lead > 3 || r[i] == '0' || loose && lead > 2):
		why = AskGrouping
	case groups == 0 && lead > 1 && r[i] == '0':
		why = AskUnclear
	}
	if end+1 < len(r) && r[end] == '.' && isDigit(r[end+1]) {
		why = AskDecimal
		for end < len(r) && (isDigit(r[end]) || r[end] == '.' && end+1 < len(r) && isDigit(r[end+1])) {
			end++
		}
	}
	n, multiplied, end := multiply(r, n, end)
	if why == "" {
		why = multiplied
	}
	return n, why, loose, end
}

// digitsAt reads plain digits, saturating.
func digitsAt(r []rune, i int) (n, end int) {
	for end = i; end < len(r) && isDigit(r[end]); end++ {
		n = min(n*10+int(r[end]-'0'), tooMuch)
	}
	return n, end
}

// multiply reads the 万, 千, 百, w or k behind n, and the parts that may follow
// it with falling multipliers: 3百, 1万2千. Anything else mixed is unclear.
func multiply(r []rune, n, end int) (int, Ask, int) {
	total, last := 0, tooMuch
	for parts := 0; ; parts++ {
		at := end
		if at+1 < len(r) && r[at] == ' ' && isMultiplier(r, at+1) {
			at++
		}
		if !isMultiplier(r, at) {
			switch {
			case parts == 0 && end < len(r) && isChinese(r[end]) && shield(r, end) == 0:
				_, end = numeralsAt(r, end)
				return 0, AskUnclear, end
			case parts == 0:
				return n, "", end
			}
			return 0, AskUnclear, end
		}
		u := cnUnits[r[at]]
		switch r[at] {
		case 'w':
			u = 10_000
		case 'k':
			u = 1000
		}
		if parts > 0 && n*u >= last {
			_, end = numeralsAt(r, at)
			return 0, AskUnclear, end
		}
		total, last, end = min(total+n*u, tooMuch), u, at+1
		if end >= len(r) || !isNumeral(r[end]) || shield(r, end) > 0 {
			return total, "", end
		}
		if !isDigit(r[end]) {
			_, end = numeralsAt(r, end)
			return 0, AskUnclear, end
		}
		n, end = digitsAt(r, end)
	}
}

func isMultiplier(r []rune, i int) bool {
	if i >= len(r) {
		return false
	}
	if r[i] == 'w' || r[i] == 'k' {
		return i+1 >= len(r) || !isLatin(r[i+1])
	}
	return cnUnits[r[i]] > 0 && shield(r, i) == 0
}

func isLatin(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '_' }

// numeralsAt takes the run of numerals of any script at r[i], up to a word
// that merely begins with one.
func numeralsAt(r []rune, i int) (run []rune, end int) {
	for end = i; end < len(r) && isNumeral(r[end]) && (end == i || shield(r, end) == 0); end++ {
	}
	return r[i:end], end
}
