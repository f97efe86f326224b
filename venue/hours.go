package venue

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Hours 营业时间 is when a venue is open, week after week in Zone, as ParseHours
// writes it: 周一至周五 08:00-18:00；周六、周日 09:00-12:00. "" is not known.
type Hours string

// Bounds of Hours (policy).
const (
	hoursMax   = 200 // characters
	periodsMax = 50  // of a week, each of one day
)

// Minutes. A week begins on Monday.
const (
	dayLong  = 24 * 60
	weekLong = 7 * dayLong
)

// opening is a period of the week, in minutes since its beginning: 0 ≤ from <
// weekLong, from < to ≤ from + weekLong.
type opening struct{ from, to int }

const (
	weekday = `(?:周|星期|礼拜)`
	upTo    = ` *[-\x{2010}-\x{2015}\x{2212}~〜至到]+ *`
	daytime = `(\d{1,2})(?::(\d\d)|[点时](半|\d\d分?)?)`
	// betweenHours stands between days and periods.
	betweenHours = " 、,；;:/和及"
)

const longestNight = 18 * 60 // minutes from the day into the next, unless 次日 says so

var (
	someDays   = regexp.MustCompile(`^(?:(每天|每日)|(周末)|` + weekday + `([一二三四五六日天])(?:` + upTo + weekday + `?([一二三四五六日天])|((?:[、,和及]?[一二三四五六日天])+))?)`)
	somePeriod = regexp.MustCompile(`^(?:(全天|24小时)+(?:营业|开放)?|` + daytime + upTo + `(次日|第二天)?` + daytime + `)`)
)

// ParseHours reads opening hours as people write them: periods of every day or,
// with days before them, of these: 8:00—22:30, 周一至周五 08:00-12:00、14:00-18:00；周六
// 全天. A period that ends before it begins ends on the next day, where that says
// so (次日) or within 18 hours: who writes 8点到5点 means 17:00. Periods that touch
// are one; the same hours are the same text. Blank is "". Reasons: "length" (more
// than 200 characters), "shape", "range" (a time that there is not, a period of more
// than a day, of nothing or of such a night, or more than 50 a week), "overlap" (a
// minute twice: which period is meant for 08:00-18:00；周六 09:00-12:00 is not guessed).
func ParseHours(s string) (Hours, error) {
	refuse := func(reason string) (Hours, error) { return "", &Invalid{Field: "hours", Reason: reason} }
	if len(s) > utf8.UTFMax*hoursMax {
		return refuse("length")
	}
	s = strings.Join(strings.Fields(Fold(s)), " ")
	if utf8.RuneCountInString(s) > hoursMax {
		return refuse("length")
	}
	openings, reason := readHours(s)
	if reason != "" {
		return refuse(reason)
	}
	h, periods := writeHours(openings)
	if periods > periodsMax {
		return refuse("range")
	}
	if utf8.RuneCountInString(string(h)) > hoursMax {
		return refuse("length")
	}
	return h, nil
}

// At is the period of opening that contains t, be it begun on the day before or
// ended on the next; false outside of the hours, and if they are not known. Of a venue
// that never closes it reaches a week and more to either side.
func (h Hours) At(t time.Time) (Window, bool) {
	openings, _ := readHours(string(h))
	day := DayOf(t)
	monday := (day - Day(weekdayOf(day))).Start()
	for _, o := range openings {
		if o.to-o.from == weekLong {
			o.from, o.to = -weekLong, 2*weekLong
		}
		for _, before := range []int{0, weekLong} { // what began last week
			at := func(minute int) time.Time { return monday.Add(time.Duration(minute-before) * time.Minute) }
			if w := (Window{Start: at(o.from), End: at(o.to)}); w.Contains(t) {
				return w, true
			}
		}
	}
	return Window{}, false
}

// weekdayOf counts from Monday, 0; the first Day was a Thursday.
func weekdayOf(d Day) int { return (int(d)%7 + 7 + 3) % 7 }

// readHours reads what there is between blanks and folded. The openings are in
// order, and neither meet nor overlap.
func readHours(s string) (all []opening, reason string) {
	const everyDay = 1<<7 - 1
	days, named := everyDay, false // named: and no period of them has come yet
	for s = strings.TrimLeft(s, betweenHours); s != ""; s = strings.TrimLeft(s, betweenHours) {
		if m := someDays.FindStringSubmatch(s); m != nil {
			if !named {
				days, named = 0, true
			}
			days |= daysNamed(m)
			s = s[len(m[0]):]
			continue
		}
		m := somePeriod.FindStringSubmatch(s)
		if m == nil {
			return nil, "shape"
		}
		from, to, ok := periodOf(m)
		if !ok {
			return nil, "range"
		}
		for day := range 7 {
			if days&(1<<day) != 0 {
				all = append(all, opening{day*dayLong + from, day*dayLong + to})
			}
		}
		s, named = s[len(m[0]):], false
	}
	if named {
		return nil, "shape"
	}
	return join(all)
}

// daysNamed are those of a match of someDays, a bit each, Monday's the lowest.
func daysNamed(m []string) (days int) {
	switch {
	case m[1] != "":
		return 1<<7 - 1
	case m[2] != "":
		return 1<<5 | 1<<6
	}
	number := func(s string) int {
		return strings.Index("一二三四五六日", strings.Replace(s, "天", "日", 1)) / len("一")
	}
	for _, day := range m[5] { // 周六、日
		if !strings.ContainsRune(betweenHours, day) {
			days |= 1 << number(string(day))
		}
	}
	first, last := number(m[3]), number(cmp.Or(m[4], m[3]))
	for day := first; ; day = (day + 1) % 7 {
		if days |= 1 << day; day == last {
			return days
		}
	}
}

// periodOf gives the minutes of a match of somePeriod, since the beginning of its
// day; false if there is no such period.
func periodOf(m []string) (from, to int, ok bool) {
	if m[1] != "" {
		return 0, dayLong, true
	}
	minute := func(hour, past, spoken string) int {
		if past = cmp.Or(past, strings.TrimSuffix(spoken, "分"), "00"); past == "半" {
			past = "30"
		}
		h, _ := strconv.Atoi(hour)
		n, _ := strconv.Atoi(past)
		if n >= 60 {
			return dayLong + 1
		}
		return h*60 + n
	}
	from, to = minute(m[2], m[3], m[4]), minute(m[6], m[7], m[8])
	if from >= dayLong || to > dayLong || from == to && m[5] == "" {
		return 0, 0, false
	}
	switch {
	case m[5] != "":
		to += dayLong
	case to < from:
		if to += dayLong; to > dayLong && to-from > longestNight {
			return 0, 0, false
		}
	}
	return from, to, to-from <= dayLong
}

// join makes one of the openings that meet, around the end of the week too.
func join(all []opening) (joined []opening, reason string) {
	slices.SortFunc(all, func(a, b opening) int { return a.from - b.from })
	for i, o := range all {
		if i == len(all)-1 && o.to > all[0].from+weekLong {
			return nil, "overlap"
		}
		last := len(joined) - 1
		switch {
		case i == 0 || joined[last].to < o.from:
			joined = append(joined, o)
		case joined[last].to == o.from:
			joined[last].to = o.to
		default:
			return nil, "overlap"
		}
	}
	if last := len(joined) - 1; last > 0 && joined[last].to == joined[0].from+weekLong {
		joined[last].to = joined[0].to + weekLong
		joined = joined[1:]
	}
	return joined, ""
}

// writeHours writes openings, and counts the periods that they have. What lasts a day
// or longer is parted at midnight.
func writeHours(openings []opening) (h Hours, periods int) {
	var byDay [7][]opening
	for _, o := range openings {
		if o.to-o.from == weekLong {
			o = opening{0, weekLong}
		}
		for long := o.to-o.from >= dayLong; o.from < o.to; periods++ {
			day, end := o.from/dayLong, o.to
			if midnight := (day + 1) * dayLong; long {
				end = min(end, midnight)
			}
			byDay[day%7] = append(byDay[day%7], opening{o.from - day*dayLong, end - day*dayLong})
			o.from = end
		}
	}
	var texts [7]string
	for day, list := range byDay {
		slices.SortFunc(list, func(a, b opening) int { return a.from - b.from })
		var parts []string
		for _, o := range list {
			parts = append(parts, o.String())
		}
		texts[day] = strings.Join(parts, "、")
	}
	var groups []string
	for day, text := range texts {
		if text == "" || slices.Contains(texts[:day], text) {
			continue
		}
		if days := writeDays(func(d int) bool { return texts[d] == text }); days != "" {
			text = days + " " + text
		}
		groups = append(groups, text)
	}
	return Hours(strings.Join(groups, "；")), periods
}

// String writes a period of one day.
func (o opening) String() string {
	if o.from == 0 && o.to == dayLong {
		return "全天"
	}
	next := ""
	if o.to > dayLong {
		if o.to-o.from > longestNight {
			next = "次日"
		}
		o.to -= dayLong
	}
	return fmt.Sprintf("%02d:%02d-%s%02d:%02d", o.from/60, o.from%60, next, o.to/60, o.to%60)
}

// writeDays writes those of the week that are among some; "" for all.
func writeDays(among func(day int) bool) string {
	name := func(day int) string { return "周" + string([]rune("一二三四五六日")[day]) }
	var parts []string
	for day := 0; day < 7; day++ {
		if !among(day) {
			continue
		}
		first := day
		for day < 6 && among(day+1) {
			day++
		}
		switch {
		case first == 0 && day == 6:
			return ""
		case day-first >= 2:
			parts = append(parts, name(first)+"至"+name(day))
		case day > first:
			parts = append(parts, name(first), name(day))
		default:
			parts = append(parts, name(day))
		}
	}
	return strings.Join(parts, "、")
}
