package daily

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// brief prints a command as the golden files and the tables below have it.
func brief(c Command) string {
	switch c.Intent {
	case IntentReport, IntentCorrect, IntentMakeup:
		return fmt.Sprintf("%s %d", c.Intent, c.Count)
	case IntentAsk:
		return fmt.Sprintf("ask %s", c.Why)
	}
	return strings.TrimSpace(string(c.Intent) + " " + c.Arg)
}

// said is a line from a member of 汝州市第三小学 in a group with two other units.
func said(text string) Line {
	return Line{
		Text:   text,
		Robot:  []string{"扫码上报助手", "机器人"},
		Own:    []string{"汝州市第三小学", "三小"},
		Others: []string{NameKey("汝州市第五小学"), NameKey("五小"), NameKey("汝州市第三小学东校区"), NameKey("ABC大厦")},
	}
}

func TestALineIsUnderstoodOrAskedBack(t *testing.T) {
	for _, group := range []struct {
		rule  string
		cases [][2]string
	}{
		{"the notice's example lines", [][2]string{
			{"@机器人 ３２６次", "report 326"},
			{"三百二十六", "report 326"},
			{"326 人次", "report 326"},
			{"今日扫码 1,234 次", "report 1234"},
			{"326 或 330", "ask several"},
		}},
		{"plain reports", [][2]string{
			{"上报 326", "report 326"}, {"上报326", "report 326"}, {"上报：326", "report 326"}, {"报：326", "report 326"},
			{"326", "report 326"}, {"326次", "report 326"}, {"326！", "report 326"}, {"326。", "report 326"}, {"326👍", "report 326"}, {"📊326👍🏻", "report 326"},
			{"326[强]", "report 326"}, {"326~", "report 326"}, {"今天 326", "report 326"}, {"今日326人", "report 326"}, {"今日0人", "report 0"},
			{"我单位今日共扫码三百二十六人次", "report 326"}, {"截至16:00，扫码326次", "report 326"}, {"截至目前共扫码326人次，一切正常", "report 326"},
			{"领导好，今日扫码326次，请查收，谢谢", "report 326"}, {"今日扫码326次，无异常，特此报告", "report 326"}, {"确认上报 326", "report 326"},
			{"上报\n326", "report 326"}, {"上报0", "report 0"}, {"0", "report 0"}, {"零", "report 0"}, {"上报 1000000", "report 1000000"},
			{"上报 1000001", "ask too_big"}, {"99999999", "ask too_big"}, {"上报一百零一万", "ask too_big"}, {"一百万", "report 1000000"},
			{"落实应扫尽扫，今日326次", "ask unclear"}, {"应扫尽扫，今日326次", "report 326"}, {"附近门店今日扫码326次", "report 326"}, {"收到，今日扫码326次", "report 326"},
		}},
		{"a bound number wins over one that counts something else", [][2]string{
			{"3号楼今日扫码326次", "report 326"}, {"在岗12人，今日扫码326次", "report 326"}, {"今天3个门共扫码326次", "report 326"},
			{"门卫 2，上报326", "report 326"}, {"B3出口扫码326次", "report 326"}, {"12 扫码326", "ask several"},
			{"上报 5 kg", "ask unclear"}, {"上报 326 元", "ask unclear"}, {"上报 326 李老师", "report 326"}, {"326/天", "ask unclear"}, {"今天来了326人", "ask unclear"}, {"今天食堂来了3个人", "ask unclear"}, {"326abc", "ask unclear"},
		}},
		{"dates, times and telephone numbers are no counts", [][2]string{
			{"11月22日扫码326次", "report 326"}, {"2026-11-22 326", "report 326"}, {"2026年11月22日扫码326次", "report 326"}, {"2026.11.22 326次", "report 326"},
			{"11/22 326", "report 326"}, {"17:30 326", "report 326"}, {"１７：３０上报３２６次", "report 326"}, {"16点扫码326次", "report 326"}, {"16点30分 326次", "report 326"},
			{"下班前16时上报326次", "report 326"}, {"22日326次", "report 326"}, {"十一月二十二日扫码三百次", "report 300"}, {"四点半上报326", "report 326"},
			{"上报326次 13812345678", "report 326"}, {"上报326，电话138 1234 5678", "report 326"}, {"上报326，电话0375-1234567", "report 326"}, {"13812345678", "ask none"},
			{"0375", "ask unclear"}, {"17:30", "ask none"}, {"15:00-16:00扫码326次", "report 326"}, {"15:00-16:00 326次", "report 326"}, {"11月累计扫码326次", "ask yesterday"}, {"十一月扫码326次", "ask yesterday"}, {"16点326", "report 326"}, {"16点30", "ask none"}, {"扫码326次的单位可以评优", "ask unclear"}, {"扫码326次，其中外来人员12人", "report 326"}, {"三点五次", "ask decimal"},
		}},
		{"numerals", [][2]string{
			{"三百二", "report 320"}, {"两万三", "report 23000"}, {"一千零五", "report 1005"}, {"三二一", "report 321"}, {"三〇六", "report 306"}, {"〇", "report 0"},
			{"上报五", "report 5"}, {"报：三", "report 3"}, {"五次", "report 5"}, {"两次", "report 2"}, {"十六", "report 16"}, {"三百一十六", "report 316"}, {"三百十六", "report 316"},
			{"3百", "report 300"}, {"3 百", "report 300"}, {"1万2千", "report 12000"}, {"3万", "report 30000"}, {"3 万次", "report 30000"}, {"3w", "report 30000"}, {"5K次", "report 5000"}, {"3千人次", "report 3000"},
			{"1万2", "ask unclear"}, {"三百26", "ask unclear"}, {"3百二", "ask unclear"}, {"一千二十", "ask unclear"}, {"三百零", "ask unclear"}, {"廿六", "ask unclear"},
			{"三百 二十六", "ask several"}, {"三 万", "ask unclear"}, {"3万科", "ask unclear"}, {"3kg", "ask unclear"},
		}},
		{"P1 two numbers bound to different words are asked back, one value twice is one", [][2]string{
			{"扫码326次，共计330次", "ask several"}, {"上报326，扫码330次", "ask several"}, {"共计326次，上报326", "report 326"}, {"扫码326次（三百二十六次）", "report 326"},
			{"扫码300次，反扫26次，共计326次", "ask several"}, {"326、330", "ask several"}, {"326/330", "ask several"}, {"326次 330次", "ask several"}, {"326还是330", "ask several"},
			{"今日扫码326次，扫码人数120人", "ask several"}, {"上报326或者330", "ask several"},
		}},
		{"P2 次 does not bind everywhere", [][2]string{
			{"再报一次", "ask unclear"}, {"重新上报一次", "ask unclear"}, {"上报一次", "ask unclear"}, {"扫码一次", "report 1"}, {"扫了两次都没扫上", "ask unclear"}, {"第326次", "ask none"}, {"第326次扫码", "ask none"}, {"第三中学今日扫码35次", "report 35"}, {"各出入口共扫码35次", "report 35"}, {"各35次", "ask hedge"}, {"一个", "ask none"}, {"扫码三人", "report 3"}, {"每日扫码3次", "ask unclear"}, {"每人扫码两次", "ask unclear"},
			{"又扫码3次", "ask unclear"}, {"再扫3次", "ask unclear"}, {"开会来过3次", "ask unclear"}, {"请大家扫码一次", "ask unclear"}, {"扫码满326次", "ask hedge"}, {"刚扫码两次才成功打开", "ask unclear"},
			{"一共35次", "report 35"}, {"一共扫码35次", "report 35"}, {"统一上报35次", "report 35"}, {"报一下 35", "report 35"}, {"一门一码，今日扫码35次", "report 35"}, {"万达今日扫码35次", "report 35"},
			{"报一下", "ask none"}, {"三码合一，扫码35次", "report 35"}, {"二七万达扫码35次", "report 35"}, {"第一中学今日扫码35次", "report 35"},
		}},
		{"P3 own names, mentions and quotes are removed, other units are asked back", [][2]string{
			{"三小 326", "report 326"}, {"汝州市第三小学今日326次", "report 326"}, {"汝州市第三小学三百二十六", "report 326"}, {"五小 326", "ask other_unit"}, {"替汝州市第五小学报326", "ask other_unit"},
			{"汝州市第三小学东校区 326", "ask other_unit"}, {"abc大厦 326", "ask other_unit"}, {"ＡＢＣ大厦 326", "ask other_unit"},
			{"「五小：今日扫码330次」\n- - - - - - - - - - - - - - -\n326", "report 326"}, {"「上报330」上报326", "report 326"}, {"「上报330", "ask unclear"}, {"上报330」", "ask unclear"}, {"3「」26", "ask several"},
			{"@扫码上报助手\u2005326", "report 326"}, {"@扫码上报助手 326", "report 326"}, {"326 @扫码上报助手", "report 326"}, {"326@机器人", "report 326"}, {"@扫码上报助手326", "report 326"}, {"@机器人三百二十六", "report 326"},
			{"@小助手326", "ask mention"}, {"@小助手三百", "ask mention"}, {"@小助手 326", "report 326"}, {"@3号助手\u2005326", "report 326"}, {"@3号助手 326", "ask mention"}, {"@李三 326", "report 326"}, {"二十三小 326", "ask unclear"},
			{"三小 确认", "confirm"}, {"@机器人 三小 申诉 闸机坏了", "appeal 闸机坏了"},
		}},
		{"P4 hedges", [][2]string{
			{"约326次", "ask hedge"}, {"大概326", "ask hedge"}, {"326左右", "ask hedge"}, {"近326次", "ask hedge"}, {"接近326", "ask hedge"}, {"不到326", "ask hedge"}, {"至少326", "ask hedge"}, {"326以上", "ask hedge"},
			{"300多", "ask hedge"}, {"三百多次", "ask hedge"}, {"326次多", "ask hedge"}, {"300余次", "ask hedge"}, {"300来次", "ask hedge"}, {"几百次", "ask hedge"}, {"十几次", "ask hedge"}, {"三百几", "ask hedge"},
			{"好像326", "ask hedge"}, {"应该326次", "ask hedge"}, {"326+", "ask hedge"}, {"300+26", "ask hedge"}, {"326±5", "ask hedge"}, {"上百次", "ask hedge"}, {"数百次", "ask hedge"}, {"几十次", "ask hedge"}, {"≈326", "ask hedge"},
		}},
		{"P4 ranges", [][2]string{
			{"~326", "ask hedge"}, {"300~330", "ask range"}, {"300～330次", "ask range"}, {"300到330", "ask range"}, {"300次至330次", "ask range"}, {"300-330", "ask range"}, {"300—330", "ask range"}, {"三四百", "ask range"}, {"二三十次", "ask range"}, {"两三次", "ask range"}, {"十八九", "ask range"},
		}},
		{"P4 questions", [][2]string{
			{"326？", "ask question"}, {"326吗", "ask question"}, {"是326吧", "ask question"}, {"为什么是326", "ask question"}, {"为什么没有人扫码", "ask question"}, {"上报多少，326", "ask question"}, {"蓝天网吧今日扫码326次", "report 326"},
		}},
		{"P5 separators", [][2]string{
			{"1,234", "report 1234"}, {"12,345次", "report 12345"}, {"1,000,000", "report 1000000"}, {"上报 1，234", "report 1234"}, {"扫码 1 234 次", "report 1234"}, {"1，234", "ask grouping"}, {"1 234", "ask grouping"}, {"12,34", "ask grouping"},
			{"1234,567", "ask grouping"}, {"1,2345", "ask grouping"}, {"上报1,234，567", "ask grouping"}, {"1'234", "ask grouping"}, {"0,123", "ask grouping"}, {"上报 326 330", "ask grouping"}, {"上报 326 326", "ask grouping"}, {"扫码1，234人", "ask grouping"}, {"上报 12 34", "ask grouping"},
		}},
		{"P6 never cut to digits", [][2]string{
			{"昨天326", "ask yesterday"}, {"昨日扫码326次", "ask yesterday"}, {"前天扫码326次", "ask yesterday"}, {"本月扫码326次", "ask yesterday"}, {"补报326", "ask yesterday"},
			{"更正，由320改为326", "ask several"}, {"由320改为326", "ask several"}, {"98%", "ask percent"}, {"９８％", "ask percent"}, {"扫码率百分之九十八", "ask percent"}, {"12.5", "ask decimal"}, {"326.0次", "ask decimal"}, {"１２．５", "ask decimal"}, {".5", "ask decimal"},
			{"1.2万", "ask decimal"}, {"-5", "ask negative"}, {"上报 −5", "ask negative"}, {"负五", "ask negative"}, {"上报－326", "ask negative"}, {"3e2", "ask exponent"}, {"上报1E3次", "ask exponent"}, {"10^2", "ask exponent"}, {"3×10", "ask exponent"}, {"3*10", "ask exponent"},
			{"10²", "ask digits"}, {"①", "ask digits"}, {"3️⃣2️⃣6️⃣", "ask digits"}, {"٣٤٥", "ask digits"}, {"上报Ⅳ", "ask digits"}, {"🔟", "ask digits"}, {"𝟑𝟐𝟔", "ask digits"},
		}},
		{"P7 zero", [][2]string{
			{"今日零报告", "report 0"}, {"没有人扫码", "report 0"}, {"今日无扫码", "report 0"}, {"无人扫码", "report 0"}, {"零扫码", "report 0"}, {"0报告", "report 0"}, {"扫码为零", "report 0"}, {"零次", "report 0"}, {"我单位今日无人扫码，无异常", "report 0"}, {"更正 零报告", "correct 0"},
			{"不是没有人扫码", "ask unclear"}, {"没有人没扫码", "ask unclear"}, {"没有人扫码是不可能的", "ask hedge"}, {"没有扫码的请抓紧", "ask unclear"}, {"没有扫码禁止进入", "ask unclear"}, {"落实零报告制度", "ask unclear"}, {"没有人扫码，326", "ask several"}, {"没有人不扫码", "ask none"},
			{"叁佰贰拾陆", "report 326"}, {"上报壹仟零伍次", "report 1005"}, {"壹万", "report 10000"}, {"零", "report 0"},
		}},
		{"negations and orders are not reports", [][2]string{
			{"不是326", "ask unclear"}, {"没有326次", "ask unclear"}, {"刚才报错了，326", "ask unclear"}, {"请上报326次", "ask unclear"}, {"任务是扫码326次", "ask unclear"}, {"多报了326", "ask unclear"}, {"应扫350人，实扫326人", "ask unclear"},
		}},
		{"corrections and make-ups", [][2]string{
			{"更正 326", "correct 326"}, {"更正：三百二十六", "correct 326"}, {"更正为326次", "correct 326"}, {"改为326", "correct 326"}, {"更正上报 326", "correct 326"}, {"之前报320，更正326", "ask several"}, {"更正", "ask none"},
			{"昨日 326 补", "makeup 326"}, {"昨天326次补报", "makeup 326"}, {"补昨日 326", "makeup 326"}, {"补报昨天扫码326次", "makeup 326"}, {"昨日零报告补", "makeup 0"}, {"昨日 五 补", "makeup 5"}, {"昨日 326 补，今日 330", "ask yesterday"}, {"更正昨日326", "ask yesterday"}, {"前日 326 补", "ask yesterday"},
		}},
		{"commands", [][2]string{
			{"确认", "confirm"}, {"确认。", "confirm"}, {"“确认”", "confirm"}, {"确认无误", "confirm"}, {"确认？", "ask none"}, {"不确认", "ask none"}, {"好的", "ask none"}, {"查", "query"}, {"查询", "query"}, {"查？", "query"}, {"未报", "missing"}, {"谁没报？", "missing"},
			{"催", "urge"}, {"差异", "difference"}, {"免报", "exempt"}, {"免报 今日闭馆", "exempt 今日闭馆"}, {"免报326", "ask unclear"}, {"免报吗", "ask question"}, {"撤回", "withdraw"}, {"撤销！", "withdraw"}, {"撤回326", "ask unclear"}, {"帮助", "help"}, {"？", "help"}, {"HELP", "help"},
			{"@机器人 ?", "help"}, {"绑定 K7M2QX9A", "bind K7M2QX9A"}, {"绑定：k7m2 qx9a", "bind k7m2qx9a"}, {"绑定Ｋ７Ｍ２", "bind K7M2"}, {"绑定", "ask argument"}, {"绑定 我单位", "ask argument"}, {"申诉 东门闸机16点前掉线，少了12.5%", "appeal 东门闸机16点前掉线，少了12.5%"},
			{"申诉", "ask argument"}, {"申诉怎么写？", "ask question"}, {"申诉 五小的人扫了我们的码", "appeal 五小的人扫了我们的码"}, {"催五小", "ask other_unit"},
		}},
		{"chat", [][2]string{
			{"", "ask none"}, {"   ", "ask none"}, {"大家辛苦了", "ask none"}, {"今天怎么扫码", "ask none"}, {"收到", "ask none"}, {strings.Repeat("好", 201), "ask too_long"}, {strings.Repeat("好", 196) + " 326", "report 326"},
		}},
	} {
		for _, c := range group.cases {
			if got := brief(Parse(said(c[0]))); got != c[1] {
				t.Errorf("%s: %q is %q, want %q", group.rule, c[0], got, c[1])
			}
		}
	}
}

func TestGoldenLines(t *testing.T) {
	files, err := filepath.Glob("testdata/parse/*.txt")
	if err != nil || len(files) < 20 {
		t.Fatalf("found %d golden lines: %v", len(files), err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		got := brief(Parse(said(string(text)))) + "\n"
		wantFile := strings.TrimSuffix(f, ".txt") + ".want"
		if *update {
			if err := os.WriteFile(wantFile, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(wantFile)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: %q is %q, want %q", f, text, got, want)
		}
	}
}

func TestWithoutRobotNamesAGluedNumberIsAskedBack(t *testing.T) {
	if got := brief(Parse(Line{Text: "@扫码上报助手326"})); got != "ask mention" {
		t.Errorf("glued mention is %q, want it asked back", got)
	}
	if got := brief(Parse(Line{Text: "@助手2 26", Robot: []string{"助手", "助手2"}})); got != "report 26" {
		t.Errorf("the longer robot name was not taken: %q", got)
	}
	if got := brief(Parse(Line{Text: "@助手226", Robot: []string{"助手2"}})); got != "ask mention" {
		t.Errorf("a robot name ending in a digit was cut out of a number: %q", got)
	}
}

func TestANameOfNumeralsOnlyIsNeverCutFromALine(t *testing.T) {
	if got := brief(Parse(Line{Text: "上报326", Own: []string{"326", "三"}})); got != "report 326" {
		t.Errorf("got %q, want report 326", got)
	}
}

func TestEveryReportLineIsReadBack(t *testing.T) {
	for n := 0; n <= MaxCount; n += 1 + n/97 {
		for _, line := range []string{FormatReport(n), strconv.Itoa(n) + "次", inChinese(n), "今日扫码" + inChinese(n) + "人次", grouped(n)} {
			if got, want := Parse(said(line)), (Command{Intent: IntentReport, Count: n}); got != want {
				t.Fatalf("%q is %+v, want %+v", line, got, want)
			}
		}
	}
	if got := brief(Parse(said(FormatReport(MaxCount)))); got != "report 1000000" {
		t.Errorf("the largest number is %q", got)
	}
}

// grouped writes 1,234,567.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// inChinese writes 0…99,999,999 in full.
func inChinese(n int) string {
	if n == 0 {
		return "零"
	}
	digits := []rune("零一二三四五六七八九")
	section := func(n int) string {
		var b strings.Builder
		gap := false
		for _, u := range []struct {
			v    int
			name string
		}{{1000, "千"}, {100, "百"}, {10, "十"}, {1, ""}} {
			d := n / u.v % 10
			if d == 0 {
				gap = b.Len() > 0
				continue
			}
			if gap {
				b.WriteRune('零')
				gap = false
			}
			b.WriteRune(digits[d])
			b.WriteString(u.name)
		}
		return b.String()
	}
	s := ""
	if high := n / 10_000; high > 0 {
		s = section(high) + "万"
		if low := n % 10_000; low > 0 && low < 1000 {
			s += "零"
		}
	}
	s += section(n % 10_000)
	if strings.HasPrefix(s, "一十") {
		s = strings.TrimPrefix(s, "一")
	}
	return s
}

func TestChineseNumeralsAreReadAsWritten(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 26))
	formal := strings.NewReplacer("一", "壹", "二", "贰", "三", "叁", "四", "肆", "五", "伍", "六", "陆", "七", "柒", "八", "捌", "九", "玖", "十", "拾", "百", "佰", "千", "仟")
	for range 50_000 {
		n := r.IntN([]int{100, 10_000, 1_000_000, 100_000_000}[r.IntN(4)])
		s := inChinese(n)
		for _, s := range []string{s, formal.Replace(s)} {
			if got, why := chinese([]rune(s)); got != n || why != "" {
				t.Fatalf("%s is %d %s, want %d", s, got, why, n)
			}
		}
	}
}

// FuzzParse holds what must be true of any line.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"上报 326", "@机器人 ３２６次", "三百二十六", "今日扫码 1，234 次", "「引用」326", "昨日 5 补", "零报告", "申诉 一", "绑定 AB", "1.2万", "10²", "3w", "138 1234 5678", "三点五", "-326", "？"} {
		f.Add(s)
	}
	wide := func(r rune) rune {
		switch {
		case r == ' ':
			return '\u3000'
		case r > ' ' && r <= '~' && r != ',':
			return r - '!' + '\uFF01'
		}
		return r
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Parse(said(s))
		if got.Count < 0 || got.Count > MaxCount {
			t.Errorf("%q counts %d", s, got.Count)
		}
		if (got.Intent == IntentAsk) != (got.Why != "") || got.Intent == "" {
			t.Errorf("%q is %+v", s, got)
		}
		if padded := Parse(said(" \u3000" + s + "\n ")); padded != got {
			t.Errorf("%q is %+v, with blanks around it %+v", s, got, padded)
		}
		if utf8.ValidString(s) {
			if folded := Parse(said(strings.Map(wide, s))); folded != got {
				t.Errorf("%q is %+v, in full width %+v", s, got, folded)
			}
		}
		if got.Intent == IntentReport || got.Intent == IntentCorrect || got.Intent == IntentMakeup {
			if or := Parse(said(s + " 或 331")); or.Intent != IntentAsk {
				t.Errorf("%q 或 331 is %+v", s, or)
			}
			if more := Parse(said(s + " 左右")); more.Intent != IntentAsk {
				t.Errorf("%q 左右 is %+v", s, more)
			}
			again := Command{Intent: IntentReport, Count: got.Count}
			if back := Parse(said(FormatReport(got.Count))); back != again {
				t.Errorf("%d is read back as %+v", got.Count, back)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	l := said("@扫码上报助手 我单位11月22日截至16:00今日共扫码一千二百三十四人次，无异常，特此报告")
	b.ReportAllocs()
	for b.Loop() {
		Parse(l)
	}
}

func BenchmarkParseAmongThousandsOfUnits(b *testing.B) {
	l := said("今日扫码326次")
	for i := range 5000 {
		l.Others = append(l.Others, fmt.Sprintf("某街道第%d幼儿园", i))
	}
	for b.Loop() {
		Parse(l)
	}
}

func ExampleParse() {
	own := []string{"汝州市第三小学", "三小"}
	for _, text := range []string{"三小今日扫码三百二十六人次", "更正 ３３０", "大概326吧"} {
		c := Parse(Line{Text: text, Own: own})
		if c.Intent == IntentAsk {
			fmt.Println(c.Intent, c.Why)
			continue
		}
		fmt.Println(c.Intent, c.Count)
	}
	// Output:
	// report 326
	// correct 330
	// ask question
}
