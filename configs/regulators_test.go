package configs

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The notice, (二) 加强监管: who is named for what, and for what nobody is.
func TestRegulatorsAreThoseOfTheNotice(t *testing.T) {
	of := func(kind string) (names []string) {
		for _, r := range Regulators() {
			if slices.Contains(r.Types, kind) {
				names = append(names, strings.TrimSuffix(r.Name, "部门"))
			}
		}
		return names
	}
	for want, kinds := range map[string][]string{
		"[卫生健康]": {"医疗卫生机构", "社区卫生服务", "个体诊所"},
		"[交通运输]": {"铁路客运", "公路客运", "水路客运", "机场码头", "城市公共交通", "出租汽车", "网约车"},
		"[交通运输 住房城乡建设 水利]": {"建筑工地"},
		"[水利]":   {"水利工地"},
		"[民政]":   {"养老机构", "儿童福利机构"},
		"[教育]":   {"幼儿园", "职业学校", "中小学", "高等学校"},
		"[文化旅游]": {"旅游景点", "影剧院", "游艺娱乐场所", "上网服务场所"},
		"[商务]":   {"商超", "餐饮", "农贸市场", "批发市场"},
		"[药品监管]": {"药店"},
		"[城市管理]": {"公园绿地", "公共厕所"},
		"[]":     {"监狱", "邮政快递营业点", "写字楼", "宾馆旅店", "健身房", "图书馆"},
	} {
		for _, kind := range kinds {
			if got := fmt.Sprint(of(kind)); got != want {
				t.Errorf("%s: %s, want %s", kind, got, want)
			}
		}
	}
	last := Regulators()[len(Regulators())-1]
	if last.Name != "" || !slices.Contains(last.Types, "监狱") {
		t.Errorf("the last row is %+v", last)
	}
}

func TestAFaultyListOfRegulatorsNamesEveryFault(t *testing.T) {
	_, err := parseRegulators([]byte(`
regulators:
  - {name: 甲, types: [药店, 药店]}
  - {name: 甲, types: [" 学校"]}
  - {name: 乙}
unnamed: [药店]
`))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"药店 stands twice", "甲 stands twice", "no name", "without name or types", "has a regulator and has none"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %q: %v", want, err)
		}
	}
	if _, err := parseRegulators([]byte("regulator: []")); err == nil {
		t.Error("an unknown key was accepted")
	}
}
