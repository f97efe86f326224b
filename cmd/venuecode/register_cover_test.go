package main

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/venuecode/venuecode/venue"
)

const subjectHead = "名称,统一社会信用代码,地址,所属区划,行业,类别,类型,状态,免设原因,免设截止\n"

// subjects: the denominator comes as a file, and everything about it can be
// counted by hand.
func subjects(t *testing.T, d *town) {
	const (
		matched  = "洗月街道办事处,114199810000058331,洗月街道和平路2号,419981001,属地,六,社区服务中心,,,\n" // by its USCC; posted
		proposed = "仁和大药房连锁有限公司,91419981MA00052363,洗月街道文昌路27号,419981001,药品监管,二,药店,存续,,\n"
		refused  = "青禾供销超市有限公司,91419981MA00053104,钟楼街道鼓楼路55号,419981002,商务,二,大型商超,存续,,\n"
		prison   = "青禾市第二看守所,11419981000099001W,石坡镇环山路8号,419981102,,二,监狱,在营,,\n"
		exempt   = "柳河镇水库管理站,12419981000099009J,柳河镇库区路1号,419981101,水利,一,,存续,无固定场所,\n"
		ended    = "青禾市旧城供销社,93419981MA00770063,钟楼街道鼓楼路12号,419981002,商务,五,小超市,注销,,\n"
	)
	bad := d.imports(exitFailed, "subjects", subjectHead+matched+"坏行,9141,东街,419981001,,,,,,\n")
	want(t, "a bad row", say(bad.Rows, bad.Bad, bad.Errors[0].Row, bad.Errors[0].Field), "2 1 3 统一社会信用代码")
	whole := subjectHead + matched + proposed + refused + prison + exempt + ended
	gone := d.imports(exitFailed, "subjects", whole).Subjects.Gone // the demo's own
	for _, gone := range []int{gone, 0} {                          // the same file again is the same register
		want(t, "imported", d.imports(0, "subjects", whole, "--gone", strconv.Itoa(gone)).OK, 6)
		c := d.covers("the new register", func(c covered) bool { return c.Must == 4 })
		want(t, "coverage", say(c.Have, c.Lack["unit"]), "1 3")
		have, must := 0, 0
		for _, row := range c.Rows {
			have, must = have+row.Have, must+row.Must
		}
		want(t, "the sum of its rows", say(have, must, len(c.Rows)), "1 4 4")
		if c.Outside == 0 || c.Idle < 2 {
			t.Errorf("beside it: %d outside the register, %d that need none", c.Outside, c.Idle)
		}
	}

	// Of names that are alike a person decides.
	type proposals struct {
		Rows []struct {
			ID, Name string
			Units    []struct{ ID, Name string }
		}
	}
	proposal := func(subject string) (id, unit string) {
		t.Helper()
		for _, row := range shown[proposals](d, "checker", "/console/subjects").Rows {
			if row.Name == subject && len(row.Units) > 0 {
				return row.ID, row.Units[0].ID
			}
		}
		return "", ""
	}
	names := d.units()
	chain, unit := proposal("仁和大药房连锁有限公司")
	want(t, "who it may be", unit, names["仁和大药房连锁公司"])
	d.does("checker", "/console/subjects/"+chain+"/confirm", object{"unit": unit})
	d.covers("the confirmed one", func(c covered) bool { return c.Have == 2 && c.Must == 4 })
	market, unit := proposal("青禾供销超市有限公司")
	want(t, "who it may be", unit, names["青禾供销超市公司"])
	d.does("checker", "/console/subjects/"+market+"/refuse", object{"unit": unit})
	until(t, tooLong, "the refused proposal", func() bool {
		_, again := proposal("青禾供销超市有限公司")
		return again != unit
	})
	d.covers("the refused one", func(c covered) bool { return c.Have == 2 && c.Lack["unit"] == 2 })
	want(t, "the decisions in the audit", say(d.acted("subject:"+chain), d.acted("subject:"+market)), "[checker subject.confirm] [checker subject.refuse]")

	// Nobody is named for a prison; somebody is for a pharmacy.
	regulators := shown[struct {
		Have, Must int
		Totals     []struct {
			Regulator  string
			Have, Must int
		}
		Unnamed []string
	}](d, "checker", "/console/coverage/regulators")
	nobody := slices.IndexFunc(regulators.Totals, func(r struct {
		Regulator  string
		Have, Must int
	}) bool {
		return r.Regulator == ""
	})
	if nobody < 0 || regulators.Totals[nobody].Must == 0 || !slices.Contains(regulators.Unnamed, "监狱") || slices.Contains(regulators.Unnamed, "药店") {
		t.Errorf("regulators: %+v", regulators)
	}
	wantText(t, "the page of regulators", d.page("checker", "/console/coverage/regulators"), "监狱", "药品监")
	wantText(t, "the draft", d.page("checker", "/console/coverage/draft"), "【草稿】", "应设“场所码”主体4家，已申领并确认张贴2家，尚缺2家", "未找到对应单位2家", "另有名录之外在用“场所码”", "不得对外发布")

	// Who is no longer in the file is gone, and does not count.
	want(t, "imported", d.imports(0, "subjects", subjectHead+matched+proposed+refused+exempt+ended).OK, 5)
	c := d.covers("the register without the prison", func(c covered) bool { return c.Must == 3 })
	want(t, "have", c.Have, 2)
	wantNo(t, "the list of the missing", d.page("checker", "/console/coverage/missing"), "看守所")

	// By an announced instant: before is strictly before.
	now := d.now()
	d.imports(0, "units", unitHead+"青禾市限期茶庄,"+uscc(9101)+",,419981001,商务,5,张三丰,13900000001\n")
	d.imports(0, "venues", venueHead+uscc(9101)+",限期茶庄,五,文昌路91号,正门,舒敏,19900000041\n")
	until(t, tooLong, "the new unit", func() bool { return strings.Contains(d.overdue(now, "without_code"), "限期茶庄") })
	wantNo(t, "without a posted code at the instant itself", d.overdue(now, "unposted"), "限期茶庄")
	wantNo(t, "without a code a second later", d.overdue(now.Add(time.Second), "without_code"), "限期茶庄")
	wantText(t, "without a posted code a second later", d.overdue(now.Add(time.Second), "unposted"), "限期茶庄")
}

// overdue are the names on a list of who had not done it before an instant.
func (d *town) overdue(at time.Time, list string) string {
	d.t.Helper()
	lists := shown[map[string]any](d, "checker", "/console/coverage/deadline?at="+url.QueryEscape(venue.FormatInstant(at)))
	return fmt.Sprint(lists[list])
}
