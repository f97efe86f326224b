package intake

import (
	"cmp"

	"github.com/venuecode/venuecode/sheet"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// onlyDoor is the name of a door of which nobody says more.
const onlyDoor = "出入口"

// Reasons of this package.
const (
	reasonUnknown   = registry.ReasonUnknown
	reasonSeveral   = "several"   // more than one unit of the name
	reasonCircle    = "circle"    // above itself
	reasonNoUnit    = "no_unit"   // units come first
	reasonNoName    = "no_name"   // no division, or several, of the name
	reasonOutside   = "outside"   // where the sender may not write
	reasonElsewhere = "elsewhere" // registered where the sender may not write

	// Of a unit's own file.
	reasonOffice   = "office"   // an officer's to say
	reasonForeign  = "foreign"  // neither the sender's unit nor below it
	reasonLater    = "later"    // the venue around comes first
	reasonFormer   = "former"   // approved once, and under its name no more
	reasonRejected = "rejected" // sent back, and not mended
	reasonPending  = "pending"  // another form waits
)

const (
	helpUnitName   = "营业执照、事业单位法人证书或批准文件上的全称。"
	helpUSCC       = "18 位，由数字和大写字母组成，不含 I、O、Z、S、V。校验位不符的须由工作人员核对登记证件后生效。"
	helpParent     = "上级单位的统一社会信用代码或全称；没有上级单位的不填。"
	helpDivision   = "所在乡镇、街道的 9 位行政区划代码，也可填写 6 位县级或 12 位村级代码，或本市的区划名称。"
	helpSectors    = "可填写多个，用顿号隔开；按填写的文字保存。"
	helpHeadcount  = "含后勤、物业人员，只填数字。"
	helpContact    = "填写联系人的，须同时填写联系电话。"
	helpPhone      = "11 位手机号码。"
	helpName       = "场所对外的名称，100 字以内。"
	helpShortName  = "2–8 个字，印在码牌上；不填时取场所名称的前 8 个字。"
	helpCategory   = "通知所列六类之一：一 法人机构、工商户的工作和营商场所；二 重点场所；三 城市出入口、人员落脚点、人群流动中的场所；四 大型场所内的最小功能单元；五 小场所；六 其他公共场所。也可以填写场所类型，如学校、药店、出租汽车。"
	helpAddress    = "精确到门牌号或楼层。"
	helpDoors      = "一门一码。多个出入口用顿号隔开，或每个出入口填写一行；不填为“出入口”。"
	helpPlate      = "公交车、出租汽车、网约车等必填。"
	helpZone       = "大型场所内的功能分区、门店或摊位编号；第四类必填其一。"
	helpManager    = "场所的管理人员，加密保存。"
	helpInside     = "所在大型场所的名称，须属于同一单位。"
	helpHours      = "每周的营业时间，如 08:00-18:00，或 周一至周五 08:00-12:00、14:00-18:00；周六 09:00-12:00。过零点的写 18:00-02:00，不关门的写 全天。"
	helpPosition   = "在腾讯、高德地图上取的坐标（GCJ-02），经度、纬度都填或都不填；用来判断扫码的人是否在附近。"
	helpSentinel   = "是、否，不填为否。由属地、指挥部设定，单位的表格不填。"
	helpPlace      = "场所所在乡镇、街道的区划代码或名称；不填为单位的所属区划。"
	helpPayload    = "用手机扫原二维码得到的全部内容，一字不改；最长 512 个英文字符，一个汉字按三个算。"
	helpOldUnit    = "平台中已有的单位全称；没有的，先以此名称登记，待补全。"
	helpRosterName = "只用于核对，不保存。"
	helpIDNumber   = "18 位居民身份证或居住证号码，只保存不能还原成号码的编码。"

	helpSubjectName     = "营业执照或机构登记上的全称。"
	helpSubjectUSCC     = "18 位；没有的留空，此时按名称、地址和区划识别。"
	helpSubjectAddress  = "经营或办公地址。"
	helpSubjectDivision = "6 位县级、9 位乡级或 12 位村级代码，或本市的区划名称。"
	helpSubjectSector   = "按登记填写。"
	helpSubjectCategory = "通知的六类，填一至六；可留空。"
	helpSubjectType     = "如药店、建筑工地；用于确定主管部门，可留空。"
	helpSubjectState    = "存续、注销、吊销、迁出；留空为存续。"
	helpSubjectExempt   = "无需设码的写明原因，否则留空。"
	helpSubjectUntil    = "免设的最后一天；留空为长期。"
	noteSubjectsWhole   = "一个文件是一个区划的完整名录：上次有、这次没有的主体标记为“已不在名录”，不会删除。"

	noteDoors = "同一场所的多个出入口可以分行填写，单位、场所名称、分区和车牌号相同的视为同一场所。"
	noteOld   = "原码导入后立即可以扫码；缺少的信息列入待补全清单，补全后原二维码不变。"
)

var sentences = map[string]string{
	reasonOutside:           "不在本名录或可办理的区划内。",
	registry.ReasonRequired: "未填写。",
	registry.ReasonTwice:    "重复，前面已经有一行相同的。",
	registry.ReasonUnknown:  "未找到，请核对。",
	registry.ReasonRange:    "超出允许的范围，请核对。",
	registry.ReasonExists:   "已经登记过。",
	"shape":                 "格式不正确，请核对。",
	"length":                "字数过多或过少，请核对。",
	"character":             "含有看不见的特殊字符，请删除后重新输入。",
	"mixed":                 "一个词里混用了形似的外文字母，请用同一种文字重新填写。",
	"private":               "含有疑似证件号码或手机号，会印在码牌上，请删除。",
	"check":                 "号码的最后一位与前面对不上，请对照证件核对。",
	"date":                  "号码中的日期不存在。",
	"sequence":              "请填写 18 位证件号码。",
	reasonSeveral:           "有多个同名单位，请改填统一社会信用代码，或先合并重复的单位。",
	reasonCircle:            "上级的上级又回到了本行，请核对。",
	reasonNoUnit:            "该单位尚未登记，请先导入单位。",
}

// particular are the sentences that say more about one field.
var particular = map[string]string{
	"uscc shape":            "应为 18 位，由数字和大写字母组成，不含 I、O、Z、S、V。",
	"uscc id_number":        "这是身份证号码。请填写营业执照或登记证书上的统一社会信用代码。",
	"uscc twice":            "与前面一行的单位相同。",
	"uscc foreign":          "不是本单位或本单位的下属单位，或者尚未登记，请核对。",
	"inside later":          "未找到所在的大型场所。还没有场所码的，请先申领它，通过后再传这一行。",
	"name former":           "这个场所以前申领过，后来更名、转移或注销了。仍需要场所码的，请用申领表申领。",
	"name rejected":         "已被退回。请在“申领”里看退回的事由，改好这一行再传。",
	"name pending":          "内容与正在等待审核的申领不同。等待期间不能改，请等审核结果。",
	"uscc elsewhere":        "该单位已由其他区划登记，请由其所属区划办理。",
	"uscc outside":          "可办理的区划内没有登记该单位。请先导入单位，或由其所属区划办理。",
	"parent_uscc twice":     "上级单位不能是本单位。",
	"parent unknown":        "未找到上级单位：本文件正确的行里没有，平台中也没有登记。",
	"division shape":        "应为 6、9 或 12 位行政区划代码。",
	"division range":        "应为县级或以下的行政区划代码。",
	"division unknown":      "没有这个区划代码，请核对。",
	"division no_name":      "没有这个区划名称，或有多个同名的，请改填行政区划代码。",
	"place no_name":         "没有这个区划名称，或有多个同名的，请改填行政区划代码。",
	"place unknown":         "没有这个区划代码，请核对。",
	"state unknown":         "应为 存续、注销、吊销、迁出 之一。",
	"until shape":           "应为日期，如 2022-06-30。",
	"headcount range":       "应为 0–1,000,000 的整数。",
	"sectors range":         "最多 10 个行业。",
	"category unknown":      "不是通知所列六类之一，请填写一至六，或场所类型。",
	"short_name length":     "应为 2–8 个字。",
	"address length":        "应为 5–200 个字，精确到门牌号或楼层。",
	"zone required":         "第四类场所和大型场所内的场所，须填写功能分区或门店编号。",
	"plate required":        "车辆须填写车牌号。",
	"plate shape":           "不是有效的车牌号。",
	"doors twice":           "同一场所的出入口不能重名。",
	"doors range":           "一个场所最多 200 个出入口。",
	"inside unknown":        "未找到所在的大型场所，请核对。",
	"inside circle":         "所属场所不能是它自己，也不能是另一个场所里面的场所。",
	"payload length":        "太长：最多 512 个英文字符，一个汉字按三个算。",
	"payload own":           "这是本平台的场所码，不是原系统的。",
	"payload twice":         "与前面一行的原码相同。",
	"payload range":         "一个场所最多 200 个出入口，连同已登记的已经满了。请把这一行改为另一个场所名称。",
	"contact_phone shape":   "应为 11 位手机号码。",
	"manager_phone shape":   "应为 11 位手机号码。",
	"applicant_phone shape": "应为 11 位手机号码。",
	"id_number shape":       "不是有效的证件号码。",
	"id_number twice":       "同一单位的名册中重复。",
	"count range":           "一批为 1–2000 个。",
	"lng range":             "应为东经 73–136 度。",
	"lat range":             "应为北纬 3–54 度。",
	"radius range":          "应为 10–2000 的整数，单位是米。",
	"hours shape":           "看不懂。请写成 08:00-18:00，或 周一至周五 08:00-18:00；周六 09:00-12:00，不关门的写 全天。节假日不写。",
	"hours range":           "有的时间不对，或者时间段太多。时间按 24 小时写，下午 5 点写 17:00；过零点的写 18:00-02:00，不关门的写 全天。",
	"hours overlap":         "同一时间写了两次。各天不同的，请分别写明是周几；过零点的时间段算到次日。",
	"hours length":          "最多 200 个字。",
	"sentinel unknown":      "应为 是 或 否。",
	"sentinel office":       "哨点由属地、指挥部设定，请留空。",
	"reason required":       "请填写理由。",
}

// refusals say what stood against a file while it was written.
var refusals = map[string]string{
	registry.RuleDoorCount: "导入期间有场所增加了出入口，加上文件里的超过了 200 个，其余的行可能已经导入。请把这个文件再上传一次：多出的行会列为有误，已经导入的不会重复。",
	registry.RuleClosed:    "导入期间有场所被注销，其余的行可能已经导入。请把这个文件再上传一次，已经导入的不会重复。",
}

// Sentence tells a person what is wrong with a field: of a sheet, or of a
// registry.Form.
func Sentence(e *venue.Invalid) string {
	return cmp.Or(particular[e.Field+" "+e.Reason], sheet.Sentence(e), sentences[e.Reason], "不正确，请核对。")
}

var _ = [1]struct{}{}[store.MaxPayload-512] // the sentences name it
var _ = [1]struct{}{}[registry.MaxDoors-200]
