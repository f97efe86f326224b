package venue

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestHoursAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]string{
		"":             "",
		" 　\n":         "",
		"08:00-18:00":  "08:00-18:00",
		"8:00—22:30":   "08:00-22:30",
		"８：００～２２：３０":   "08:00-22:30",
		"8点至17点半":      "08:00-17:30",
		"每天9时到21时30分":  "09:00-21:30",
		"全天":           "全天",
		"24小时营业":       "全天",
		"全天24小时":       "全天",
		"0:00-24:00":   "全天",
		"周一至周日 全天":     "全天",
		"18:00-02:00":  "18:00-02:00",
		"18:00-次日2:00": "18:00-02:00",
		"18:00-0:00":   "18:00-24:00",
		"18:00-24:00":  "18:00-24:00",
		"5:00-0:00":    "05:00-24:00",
		"8:00-次日5:00":  "08:00-次日05:00",
		"12:00-6:00":   "12:00-06:00",
		"周一至周五 08:00-18:00；周六、周日 09:00-12:00": "周一至周五 08:00-18:00；周六、周日 09:00-12:00",
		"星期六星期天9:00-12:00，周一到五8:00-18:00":     "周一至周五 08:00-18:00；周六、周日 09:00-12:00",
		"周一至周五：8:00-18:00；周六、日 9:00-12:00":    "周一至周五 08:00-18:00；周六、周日 09:00-12:00",
		"周二四六 9:00-12:00，周日:10:00-12:00":      "周二、周四、周六 09:00-12:00；周日 10:00-12:00",
		"周末 9:00-12:00":               "周六、周日 09:00-12:00",
		"周六至周一 9:00-12:00":            "周一、周六、周日 09:00-12:00",
		"礼拜三 全天":                      "周三 全天",
		"14:00-18:00、8:00-12:00":      "08:00-12:00、14:00-18:00",
		"周一 8:00-12:00；14:00-18:00":   "周一 08:00-12:00、14:00-18:00",
		"8:00-12:00 12:00-18:00":      "08:00-18:00",
		"周一 18:00-24:00；周二 0:00-2:00": "周一 18:00-02:00",
		"周日 18:00-24:00；周一 0:00-2:00": "周日 18:00-02:00",
		"周一 8:00-次日8:00":              "周一 08:00-24:00；周二 00:00-08:00",
		"8:00-次日8:00":                 "全天",
		"周五至周日 全天；周一 0:00-3:00":       "周一 00:00-03:00；周五至周日 全天",

		"早8点到晚10点":                       "shape",
		"周一至周五":                          "shape",
		"周一至 08:00-18:00":                "shape",
		"08:00-18:00，周日":                 "shape",
		"工作日 08:00-18:00":                "shape", // whose holidays?
		"08:00":                          "shape",
		"08:00-18:0":                     "shape",
		"=08:00-18:00":                   "shape",
		"25:00-26:00":                    "range",
		"24:00-02:00":                    "range",
		"08:60-18:00":                    "range",
		"08:00-24:01":                    "range",
		"08:00-08:00":                    "range",
		"08:00-次日09:00":                  "range",
		"8点到5点":                          "range", // 17:00
		"08:00-12:00、11:00-18:00":        "overlap",
		"08:00-18:00；周六 09:00-12:00":     "overlap",
		"周日 18:00-02:00；周一 全天":           "overlap",
		"周五 18:00-02:00；周六 01:00-3:00":   "overlap",
		"全天 全天":                          "overlap",
		strings.Repeat("；", 201):         "length",
		strings.Repeat("8:00-9:00、", 21): "length",
		"0:00-1:00、2:00-3:00、4:00-5:00、6:00-7:00、8:00-9:00、10:00-11:00、12:00-13:00、14:00-15:00": "range",
	} {
		h, err := ParseHours(text)
		got := string(h)
		var invalid *Invalid
		if errors.As(err, &invalid) {
			got = invalid.Reason
		}
		if got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
		if err == nil {
			if again, err := ParseHours(string(h)); again != h || err != nil {
				t.Errorf("%q is written %q, which is read as %q, %v", text, h, again, err)
			}
		}
	}
}

// monday is the first minute of a week.
var monday = Day(19128).Start() // 2022-05-16

func TestTheOpeningAroundAnInstant(t *testing.T) {
	at := func(day, hour, minute int) time.Time {
		return monday.Add(time.Duration(day*24+hour)*time.Hour + time.Duration(minute)*time.Minute)
	}
	for _, c := range []struct {
		hours     Hours
		t         time.Time
		from, end time.Time // zero: closed
	}{
		{"", at(0, 12, 0), time.Time{}, time.Time{}},
		{"no hours", at(0, 12, 0), time.Time{}, time.Time{}},
		{"08:00-18:00", at(2, 7, 59), time.Time{}, time.Time{}},
		{"08:00-18:00", at(2, 8, 0), at(2, 8, 0), at(2, 18, 0)},
		{"08:00-18:00", at(2, 18, 0).Add(-time.Nanosecond), at(2, 8, 0), at(2, 18, 0)},
		{"08:00-18:00", at(2, 18, 0), time.Time{}, time.Time{}},
		{"18:00-02:00", at(2, 1, 0), at(1, 18, 0), at(2, 2, 0)},
		{"18:00-02:00", at(0, 1, 0), at(-1, 18, 0), at(0, 2, 0)},
		{"周日 18:00-02:00", at(7, 1, 0), at(6, 18, 0), at(7, 2, 0)},
		{"周日 18:00-02:00", at(6, 23, 0), at(6, 18, 0), at(7, 2, 0)},
		{"周日 18:00-02:00", at(1, 1, 0), time.Time{}, time.Time{}},
		{"周五至周日 全天", at(5, 12, 0), at(4, 0, 0), at(7, 0, 0)},
		{"周一、周日 全天", at(0, 12, 0), at(-1, 0, 0), at(1, 0, 0)},
	} {
		w, open := c.hours.At(c.t)
		if !w.Start.Equal(c.from) || !w.End.Equal(c.end) || open == c.from.IsZero() {
			t.Errorf("%s at %s: %v %v", c.hours, FormatInstant(c.t), w, open)
		}
	}
	for d := range 14 {
		w, open := Hours("全天").At(at(d-7, 23, 59))
		if !open || w.End.Sub(at(d-7, 23, 59)) < 7*24*time.Hour || at(d-7, 23, 59).Sub(w.Start) < 7*24*time.Hour {
			t.Errorf("what never closes is open %v", w)
		}
	}
}

// TestHoursMeanWhatTheySay writes weeks minute by minute: what is read again is open in
// exactly these, and each opening is as long as it can be.
func TestHoursMeanWhatTheySay(t *testing.T) {
	rng := rand.New(rand.NewPCG(20220518, 16))
	refused := 0
	for range 100 {
		var open [weekLong]bool
		var parts []string
		for range 1 + rng.IntN(6) {
			first := rng.IntN(7)
			last := first + rng.IntN(7)
			from, long := rng.IntN(48)*30, (1+rng.IntN(47))*30
			parts = append(parts, fmt.Sprintf("周%c至周%c %d:%02d-%d:%02d", dayNames[first], dayNames[last%7],
				from/60, from%60, (from+long)%dayLong/60, (from+long)%60))
			for day := first; day <= last; day++ {
				for m := range long {
					minute := (day*dayLong + from + m) % weekLong
					if open[minute] {
						parts[0] = "overlap"
					}
					open[minute] = true
				}
			}
		}
		if parts[0] == "overlap" {
			refused++
			parts[0] = ""
			continue
		}
		h, err := ParseHours(strings.Join(parts, "；"))
		if err != nil { // too much for its bounds
			refused++
			continue
		}
		if again, err := ParseHours(string(h)); again != h || err != nil {
			t.Fatalf("%s is read as %s, %v", h, again, err)
		}
		always := !slices.Contains(open[:], false)
		for minute := range weekLong {
			now := monday.Add(time.Duration(minute)*time.Minute + 59*time.Second)
			w, is := h.At(now)
			if is != open[minute] {
				t.Fatalf("%s is open at %s: %t", h, FormatInstant(now), is)
			}
			if !is || always {
				continue
			}
			back, ahead := minute, minute
			for open[(back+weekLong-1)%weekLong] {
				back--
				if back < 0 {
					back += weekLong
				}
			}
			for open[(ahead+1)%weekLong] {
				ahead = (ahead + 1) % weekLong
			}
			behind, before := (minute-back+weekLong)%weekLong, (ahead+1-minute+weekLong)%weekLong
			at := monday.Add(time.Duration(minute) * time.Minute)
			if !w.Start.Equal(at.Add(-time.Duration(behind)*time.Minute)) || !w.End.Equal(at.Add(time.Duration(before)*time.Minute)) {
				t.Fatalf("%s at %s: %v", h, FormatInstant(now), w)
			}
		}
	}
	if refused > 85 {
		t.Errorf("%d weeks of 100 were not looked at", refused)
	}
}

var dayNames = []rune("一二三四五六日")

func FuzzHours(f *testing.F) {
	for _, s := range []string{"周一至周五 08:00-18:00；周六、周日 09:00-12:00", "18:00-次日2点半", "全天24小时营业", "8:00—22:30 周末", "周日 0:00-24:00、周一 0:00-1:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseHours(s)
		if err != nil {
			if invalid := (*Invalid)(nil); !errors.As(err, &invalid) || h != "" {
				t.Fatalf("%q: %q, %v", s, h, err)
			}
			return
		}
		if again, err := ParseHours(string(h)); again != h || err != nil {
			t.Fatalf("%q is %q, which is read as %q, %v", s, h, again, err)
		}
		for hour := range 7 * 24 {
			at := monday.Add(time.Duration(hour) * time.Hour)
			if w, open := h.At(at); open && (!w.Contains(at) || h == "") {
				t.Fatalf("%q at %s: %v", h, FormatInstant(at), w)
			}
		}
	})
}

func BenchmarkHoursAt(b *testing.B) {
	for b.Loop() {
		Hours("周一至周五 08:00-18:00；周六、周日 09:00-12:00").At(monday)
	}
}
