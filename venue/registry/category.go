package registry

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/venuecode/venuecode/venue"
)

// classes are the notice's six, with the names people write for them and the
// types of place that it gives as examples.
var classes = []struct {
	category venue.Category
	word     string // in configuration and JSON
	names    []string
	types    []string
}{
	{venue.CategoryOrganisation, "organisation",
		[]string{"法人机构", "法人机构、工商户的工作和营商场所", "工作和营商场所", "机关企事业单位", "单位"},
		[]string{"机关", "机关办公楼", "政务服务大厅", "企业", "公司", "工商户"}},
	{venue.CategoryKeyPlace, "key_place",
		[]string{"重点场所", "重点场所、重点人员工作生活区", "重点人员工作生活区"},
		[]string{"医疗机构", "医院", "诊所", "药店", "学校", "小学", "中学", "高等学校", "职业学校", "幼儿园", "托幼机构", "教培机构", "景区", "监狱", "养老机构", "养老院", "儿童福利机构",
			"大型商超", "商场", "超市", "农贸市场", "工厂", "建筑工地", "邮政快递营业点", "展览馆", "体育馆", "图书馆", "博物馆", "文化馆", "影剧院", "电影院", "娱乐场所", "网吧", "写字楼", "办公场所"}},
	{venue.CategoryTransit, "transit",
		[]string{"城市出入口", "人员落脚点", "人群流动中的场所", "城市出入口、人员落脚点、人群流动中的场所"},
		[]string{"码头", "口岸", "铁路客运站", "火车站", "道路客运站", "汽车站", "高速出入口", "民航", "机场", "居民小区", "小区", "行政村", "宾馆", "旅店", "酒店", "民宿",
			"公交车", "城市公共汽车", "城市公共汽（电）车", "城市轨道交通", "地铁", "出租车", "出租汽车", "网约车"}},
	{venue.CategoryFunctionalUnit, "functional_unit",
		[]string{"最小功能单元", "大型场所内的最小功能单元", "功能单元"},
		[]string{"功能分区", "商户", "个体商户", "摊位", "店铺"}},
	{venue.CategorySmallPlace, "small_place",
		[]string{"小场所", "人员聚集性强的小场所"},
		[]string{"小超市", "小饭店", "小旅馆", "流动小商贩", "小歌舞娱乐场所", "小网吧", "小美容洗浴场所", "小生产加工场所", "小棋牌室", "小麻将馆"}},
	{venue.CategoryOther, "other",
		[]string{"其他", "其他公共场所"},
		[]string{"公园", "公共厕所", "快递领取点", "公共书坊", "公共驿站", "社区服务中心"}},
}

// numbered is the number of a class before its name: （五）小场所, 五、小场所, 第五类, 5.
var numbered = regexp.MustCompile(`^(?:\(([一二三四五六七八九十\d]+)\)|第([一二三四五六七八九十\d]+)类|([一二三四五六七八九十\d]+)类?(?:[、.: ]|$))[、.: ]*(.*)$`)

// ParseCategory reads the class of a place as people write it: 五, （五）, 5, its
// name, its word in the configuration, with or without the number before it, or
// the type of a place, which is then told too. A type that the notice does not
// name is of the sixth class, as it says; a number that is none of the six is
// refused ("unknown").
func ParseCategory(s string) (category venue.Category, of string, err error) {
	name, err := venue.ParseTitle("category", s, 1, nameMax)
	if err != nil {
		return 0, "", err
	}
	unknown := &venue.Invalid{Field: "category", Reason: ReasonUnknown}
	if m := numbered.FindStringSubmatch(name); m != nil {
		number := m[1] + m[2] + m[3]
		for i, c := range classes {
			if number == strconv.Itoa(i+1) || number == string([]rune("一二三四五六")[i]) {
				category = c.category
			}
		}
		if category == 0 {
			return 0, "", unknown
		}
		if name = m[4]; name == "" {
			return category, "", nil
		}
	}
	for _, c := range classes {
		switch {
		case name == c.word || slices.Contains(c.names, name):
			if category != 0 && category != c.category {
				return 0, "", unknown
			}
			return c.category, "", nil
		case category == 0 && slices.Contains(c.types, name):
			return c.category, name, nil
		}
	}
	switch {
	case strings.HasPrefix(name, "(") || utf8.RuneCountInString(name) > partMax:
		return 0, "", unknown
	case category == 0:
		category = venue.CategoryOther
	}
	return category, name, nil
}

// Word is a class's name in configuration and JSON: organisation, key_place,
// transit, functional_unit, small_place, other; "" for none.
func Word(category venue.Category) string {
	for _, c := range classes {
		if c.category == category {
			return c.word
		}
	}
	return ""
}

// vehicles are the types of place that have a number plate.
var vehicles = []string{"公交车", "城市公共汽车", "公共汽车", "公共电车", "城市公共汽（电）车", "城市公共汽(电)车", "城市公共汽电车", "出租车", "出租汽车", "网约车", "巡游出租汽车", "网络预约出租汽车", "客运班车", "旅游客车", "校车"}

// IsVehicle tells whether a type of place is a vehicle, and so has a plate.
func IsVehicle(kind string) bool { return slices.Contains(vehicles, kind) }
