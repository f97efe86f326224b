package web

import (
	"cmp"
	"slices"

	"github.com/venuecode/venuecode/venue"
)

// Fault is what is wrong with a field of an application, for the person who
// filled it in.
type Fault struct {
	Field   string `json:"field"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// FormError is an application with faults, all of them.
type FormError struct{ Faults []Fault }

func (e *FormError) Error() string { return "invalid form" }

func (e *FormError) Unwrap() error { return venue.ErrInvalid }

// NewFormError gives each fault its sentence.
func NewFormError(faults []*venue.Invalid, sentence func(*venue.Invalid) string) *FormError {
	e := &FormError{}
	for _, f := range faults {
		e.Faults = append(e.Faults, Fault{f.Field, f.Reason, sentence(f)})
	}
	return e
}

// FormField is a question of the application form.
type FormField struct {
	Name, Label, Hint string
	Required          bool
	Desk              bool     // not for the page that needs no login: who fills it in has a map at hand
	Lines             bool     // one answer a line
	Max               int      // characters that a browser lets one type
	Keys              string   // the phone's keyboard (inputmode); "" for letters
	Choices           []Choice // to choose from; none: to be typed
	Value, Fault      string   // as it was filled in, and what is wrong with it
}

// Shown is the value as a person reads it.
func (f FormField) Shown() string {
	for _, c := range f.Choices {
		if c.Value == f.Value {
			return c.Label
		}
	}
	return f.Value
}

// Choice is an answer to choose.
type Choice struct{ Value, Label string }

// FormPart is a group of questions.
type FormPart struct {
	Title  string
	Fields []FormField
}

// Form is the application form (rules §1), filled in with values, by field, and
// with what is wrong with them. Of divisions those of the city can be chosen, or
// a code is typed if nobody has listed them.
func Form(values map[string]string, faults []Fault, divisions []Choice) []FormPart {
	wrong := map[string]string{}
	for _, f := range faults {
		wrong[f.Field] = cmp.Or(wrong[f.Field], f.Message)
	}
	parts := make([]FormPart, 0, len(form))
	for _, p := range form {
		part := FormPart{Title: p.Title}
		for _, f := range p.Fields {
			f.Value, f.Fault = values[f.Name], wrong[f.Name]
			if (f.Name == "division" || f.Name == "place") && len(divisions) > 0 {
				f.Choices, f.Hint = divisions, chosenDivision[f.Name]
				if f.Value != "" && !slices.ContainsFunc(divisions, func(c Choice) bool { return c.Value == f.Value }) {
					f.Choices = append(slices.Clone(divisions), Choice{f.Value, f.Value})
				}
			}
			part.Fields = append(part.Fields, f)
		}
		parts = append(parts, part)
	}
	return parts
}

// DivisionChoices lists a county-level city itself and the townships of a city, as its form offers them; the
// counties where no townships are listed.
func DivisionChoices(l *venue.Divisions, city venue.Division) (choices []Choice) {
	var walk func(d venue.Division, name string)
	walk = func(d venue.Division, name string) {
		below := l.Within(d)
		if d.Level() >= venue.LevelCounty && (d.Level() >= venue.LevelTownship || len(below) == 0) {
			choices = append(choices, Choice{string(d), name})
			return
		}
		for _, b := range below {
			walk(b.Code, name+b.Name)
		}
	}
	if l.Len() > 0 && city != "" {
		if city.Level() == venue.LevelCounty {
			choices = append(choices, Choice{string(city), l.Name(city) + "本级"})
		}
		for _, b := range l.Within(city) {
			walk(b.Code, b.Name)
		}
	}
	return choices
}

// What follows is what applicants read.

const formSentence = "有的内容需要修改，请按提示改正后重新提交"

var chosenDivision = map[string]string{"division": "单位所在的乡镇、街道", "place": "与单位不在同一乡镇、街道时选择"}

var form = []FormPart{
	{"单位", []FormField{
		{Name: "unit_name", Label: "单位名称", Hint: "营业执照、法人证书或批准文件上的全称", Required: true, Max: 100},
		{Name: "uscc", Label: "统一社会信用代码", Hint: "18 位。机关、企事业单位、工商户（第一类）必填", Max: 18},
		{Name: "unit_kind", Label: "单位性质", Choices: []Choice{{"government", "机关"}, {"institution", "事业单位"}, {"company", "企业"},
			{"household", "个体工商户"}, {"association", "社会组织"}, {"community", "村（居）委会"}, {"other", "其他"}}},
		{Name: "parent_uscc", Label: "上级单位的统一社会信用代码", Hint: "没有上级单位的不填", Max: 18},
		{Name: "division", Label: "所属区划", Hint: "乡镇、街道的 9 位行政区划代码，也可填 6 位或 12 位", Required: true, Max: 12},
		{Name: "sectors", Label: "行业", Hint: "如 教育、商贸；多个用顿号隔开", Max: 200},
		{Name: "headcount", Label: "在册人数", Hint: "含后勤、物业人员，只填数字", Max: 8, Keys: "numeric"},
	}},
	{"场所", []FormField{
		{Name: "name", Label: "场所名称", Hint: "对外使用的名称", Required: true, Max: 100},
		{Name: "short_name", Label: "简称", Hint: "2–8 个字，印在码牌上；不填取名称的前 8 个字", Max: 8},
		{Name: "category", Label: "类别", Required: true, Choices: []Choice{{"organisation", "一、法人机构、工商户的工作和营商场所"}, {"key_place", "二、重点场所、重点人员工作生活区"},
			{"transit", "三、城市出入口、人员落脚点、人群流动中的场所"}, {"functional_unit", "四、大型场所内的最小功能单元"}, {"small_place", "五、人员聚集性强的小场所"}, {"other", "六、其他公共场所"}}},
		{Name: "type", Label: "类型", Hint: "如 药店、小学、农贸市场、出租汽车", Max: 30},
		{Name: "place", Label: "场所所在区划", Hint: "与单位不同时填写，9 位行政区划代码", Max: 12},
		{Name: "address", Label: "详细地址", Hint: "精确到门牌号或楼层", Required: true, Max: 200},
		{Name: "hours", Label: "营业时间", Hint: "如 08:00-18:00，或 周一至周五 08:00-18:00；周六、周日 09:00-12:00。不关门的填 全天", Max: 200},
		{Name: "lng", Label: "经度", Hint: "在腾讯、高德地图上取的坐标，如 112.87705；和纬度一起填", Desk: true, Max: 20, Keys: "decimal"},
		{Name: "lat", Label: "纬度", Hint: "如 33.19755", Desk: true, Max: 20, Keys: "decimal"},
		{Name: "radius", Label: "半径（米）", Hint: "手机离坐标多远算在场所，10–2000，不填为 150", Desk: true, Max: 6, Keys: "numeric"},
		{Name: "inside", Label: "所在大型场所", Hint: "商场、市场内的店铺、摊位：填写该大型场所任一场所码", Max: 120},
		{Name: "zone", Label: "功能分区、门店或摊位编号", Hint: "第四类和大型场所内的必填", Max: 30},
		{Name: "plate", Label: "车牌号", Hint: "公交车、出租汽车、网约车等车辆必填", Max: 12},
		{Name: "doors", Label: "出入口", Hint: "一门一码，每行写一个，如 南门", Required: true, Lines: true},
	}},
	{"人员（加密保存，仅供审核和联系）", []FormField{
		{Name: "applicant_name", Label: "申请人姓名", Required: true, Max: 50},
		{Name: "applicant_phone", Label: "申请人手机号", Required: true, Max: 20, Keys: "tel"},
		{Name: "manager_name", Label: "管理人员姓名", Hint: "日常管理本场所的人", Required: true, Max: 50},
		{Name: "manager_phone", Label: "管理人员手机号", Required: true, Max: 20, Keys: "tel"},
	}},
}
