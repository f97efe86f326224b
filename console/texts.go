package console

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/intake"
	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/sheet"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/vault/reveal"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// Everything that officials read is here.

// Refusals of this door.
var (
	errJSON        = &web.Error{Status: fiber.StatusBadRequest, Code: "bad_json", Message: "请求内容无法识别"}
	errLogin       = &web.Error{Status: fiber.StatusUnauthorized, Code: "login_failed", Message: "用户名、口令或动态码不正确，或账号已锁定"}
	errSession     = &web.Error{Status: fiber.StatusUnauthorized, Code: "unauthorized", Message: "登录已失效，请重新登录"}
	errForm        = &web.Error{Status: fiber.StatusBadRequest, Code: "form_stale", Message: "页面已过期，请返回刷新后再提交"}
	errWalking     = &web.Error{Status: fiber.StatusTooManyRequests, Code: "audit_busy", Message: "正在校验或导出审计记录，请稍候再试"}
	errFilling     = &web.Error{Status: fiber.StatusServiceUnavailable, Code: "filling", Message: "系统刚启动，正在汇总应设主体和场所码，约需几秒，请稍候刷新"}
	errPurpose     = &web.Error{Status: fiber.StatusUnprocessableEntity, Code: "purpose_refused", Message: "疫情防控中收集的个人信息仅限用于疫情防控的流行病学调查，任何单位和个人不得用于其他目的（《中华人民共和国个人信息保护法》第六条）"}
	errQuota       = &web.Error{Status: fiber.StatusTooManyRequests, Code: "quota", Message: "今日可查看身份信息的次数已用完，请明日再办理"}
	errNoDoors     = &web.Error{Status: fiber.StatusConflict, Code: "no_doors", Message: "没有在用的场所码可以打印"}
	errNoBlanks    = &web.Error{Status: fiber.StatusConflict, Code: "no_blanks", Message: "这一批空白码已全部启用"}
	errChoose      = &web.Error{Status: fiber.StatusConflict, Code: "ambiguous", Message: "可能是以下单位或场所，请选择"}
	errListed      = &web.Error{Status: fiber.StatusConflict, Code: "merge_listed", Message: "本单位与要并入的单位在应设主体名录里是两家。合并后，名录里的本单位没有对应单位，列为“未找到对应单位”；以后用它的信用代码申领的场所码都归另一单位。确实要合并的，请确认"}
	errPrinting    = &web.Error{Status: fiber.StatusTooManyRequests, Code: "printing_busy", Message: "正在为其他人制作多张码牌，请过几分钟再试；单张码牌可以照常打印"}
	errGroupThere  = &web.Error{Status: fiber.StatusConflict, Code: "group_exists", Message: "这个群编号已经登记"}
	errFilesWait   = &web.Error{Status: fiber.StatusConflict, Code: "files_wait", Message: fmt.Sprintf("您已有 %d 个文件等待核对或导入，请先导入或放弃", intake.MaxWaiting)}
	errFileDecided = &web.Error{Status: fiber.StatusConflict, Code: "file_decided", Message: "这个文件没有可导入的内容，或者已经导入、放弃、过期，请重新上传"}
)

// rules has a sentence for each rule that can stand against an act which the
// account's role allows as such. Of one it does not allow nothing is said: 404.
var rules = map[access.Rule]error{
	access.RuleSelf:       &web.Error{Status: fiber.StatusConflict, Code: "rule_self", Message: "不能变更或审批本人的账号"},
	access.RuleGrant:      &web.Error{Status: fiber.StatusConflict, Code: "rule_grant", Message: "所涉角色不在您可授予或收回的范围内"},
	access.RuleFourEyes:   &web.Error{Status: fiber.StatusConflict, Code: "rule_four_eyes", Message: "申请人与审批人不能是同一人"},
	access.RulePairs:      &web.Error{Status: fiber.StatusConflict, Code: "rule_pairs", Message: "相互监督的角色不能由同一账号兼任"},
	access.RuleOneView:    &web.Error{Status: fiber.StatusConflict, Code: "rule_one_view", Message: "同一账号的各角色可见范围必须一致"},
	access.RuleTwoHolders: &web.Error{Status: fiber.StatusConflict, Code: "rule_two_holders", Message: "参与相互监督的角色至少保留两名持有人"},
	access.RuleFactors:    &web.Error{Status: fiber.StatusConflict, Code: "rule_both_factors", Message: "敏感账号的口令和动态码密钥不能由同一人发放"},
	access.RuleRequester:  &web.Error{Status: fiber.StatusConflict, Code: "rule_requester", Message: "原申请人已无权提出此事项"},
	access.RuleMachine:    &web.Error{Status: fiber.StatusConflict, Code: "rule_machine", Message: "省级平台以签名对接，不设账号"},
}

var errSame = &web.Error{Status: fiber.StatusConflict, Code: "exists", Message: "同名的单位、场所或出入口已经登记，请先核对是否重复"}

// refusals has a sentence for each rule of the register.
var refusals = map[string]error{
	registry.RuleClosed:    &web.Error{Status: fiber.StatusConflict, Code: "register_closed", Message: "已经注销或合并，不能再办理"},
	registry.RuleStatus:    &web.Error{Status: fiber.StatusConflict, Code: "register_status", Message: "目前的状态不能这样办理"},
	registry.RuleProof:     &web.Error{Status: fiber.StatusConflict, Code: "register_proof", Message: "该单位的登记证件尚未核对，请先核对"},
	registry.RuleSelf:      &web.Error{Status: fiber.StatusConflict, Code: "register_self", Message: "不能并入自身或其内部的场所"},
	registry.RuleDoorName:  &web.Error{Status: fiber.StatusConflict, Code: "register_door_name", Message: "同一场所的出入口不能重名"},
	registry.RuleLastDoor:  &web.Error{Status: fiber.StatusConflict, Code: "register_last_door", Message: "场所至少保留一个出入口；不再使用的，请注销场所"},
	registry.RuleAlready:   &web.Error{Status: fiber.StatusConflict, Code: "register_already", Message: "已经是这个状态，无须再办理"},
	registry.RuleDecided:   &web.Error{Status: fiber.StatusConflict, Code: "register_decided", Message: "该申请已经提交或办结，不能再改"},
	registry.RuleUsed:      &web.Error{Status: fiber.StatusConflict, Code: "register_used", Message: "这个空白码已用于其他出入口"},
	registry.RuleAbove:     &web.Error{Status: fiber.StatusConflict, Code: "register_above", Message: "上级没有自行上报的单位，或者没有登记上级单位"},
	registry.RuleDoorCount: &web.Error{Status: fiber.StatusConflict, Code: "register_door_count", Message: "一个场所最多 200 个出入口"},
	registry.RuleSentinel:  &web.Error{Status: fiber.StatusConflict, Code: "register_sentinel", Message: "这个场所是哨点；请先把保留的场所设为哨点，再合并"},
}

var roleNames = map[access.Role]string{
	access.RoleVenueStaff: "场所值守人员", access.RoleUnitAdmin: "单位管理员", access.RoleTownship: "属地管理员",
	access.RoleRegulator: "行业主管部门", access.RoleChecker: "指挥部核查员", access.RoleSigner: "签发人",
	access.RoleTracer: "流调人员", access.RoleApprover: "流调审批人", access.RoleSystemAdmin: "系统管理员",
	access.RoleSecurityAdmin: "安全管理员", access.RoleAuditor: "审计员", access.RoleProvince: "省级平台",
}

var permissionNames = map[access.Permission]string{
	access.PasswordChange: "修改本人口令",
	access.AccountsRead:   "查看账号", access.AccountsWrite: "管理账号", access.AccountsApprove: "审批账号变更",
	access.AuditRead: "查看审计记录", access.AuditVerify: "校验审计记录", access.AuditExport: "导出审计记录",
	access.PurgePlan: "提出数据销毁", access.PurgeApprove: "审批数据销毁", access.SunsetPlan: "提出平台退出", access.SunsetApprove: "审批平台退出",
	access.KeysRotate: "轮换密钥", access.KeysEscrow: "托管密钥", access.EscrowApprove: "审批密钥托管",
	access.RequestsDecide: "办理待批事项", access.DisposalRead: "查看数据销毁", access.SystemRead: "查看运行状态", access.SystemOperate: "运行维护",
	access.UnitsRead: "查看单位", access.UnitsWrite: "维护本单位", access.VenuesWrite: "维护场所和出入口", access.DoorsRead: "查看场所码", access.CodesReview: "审核场所码申请",
	access.RegisterSend: "用表格申领或导入场所", access.RegisterEnter: "导入单位、场所和原码", access.RegisterImport: "导入名录和名册", access.CoverageRead: "查看应设尽设", access.GroupsWrite: "维护上报群", access.DutiesWrite: "编入上报群", access.ScansAssist: "代为登记",
	access.BoardRead: "查看报送看板", access.ReportsApprove: "审批更正", access.ReportsPaste: "补录群消息", access.LedgerRead: "查看台账",
	access.NoticesRead: "查看通报", access.NoticesDraft: "起草通报", access.NoticesSign: "签发通报",
	access.CasesOpen: "提出流调", access.CasesRead: "查看流调申请", access.CasesApprove: "审批流调",
	access.ContactsRead: "查看时空伴随", access.ContactsExport: "导出时空伴随", access.RevealIdentity: "查看身份信息",
	access.ProvinceSync: "省级汇聚",
}

var changeNames = map[string]string{"create": "新建账号", "grant": "变更角色", "enable": "恢复账号"}

var requestNames = map[string]string{"purge": "提前销毁数据", "sunset": "平台退出", "escrow": "托管密钥副本"}

var requestStates = map[string]string{"waiting": "待审批", "approved": "已批准，待执行", "rejected": "已驳回", "used": "已执行"}

var certificateNames = map[string]string{"purge": "数据销毁", "sunset": "平台退出"}

var outcomeNames = map[string]string{"allowed": "允许", "refused": "拒绝", "proposed": "待批"}

// names are values of ours by what they are of.
var names = map[string]map[string]string{
	"state":   {"reported": "已报", "late": "迟报", "missing": "未报", "exempt": "免报", "covered": "由上级统报"},
	"verdict": {"none": "无可比", "pending": "待核", "consistent": "一致", "over": "偏多", "under": "偏少"},
	"duty":    {"reports": "自行上报", "covered": "由上级统报", "exempt": "免报"},
	"status":  {"blank": "空白", "pending": "待审", "active": "在用", "incomplete": "待补全", "suspended": "停用", "closed": "注销"},
	"category": {"0": "未分类", "1": "机构和工商户", "2": "重点场所", "3": "交通和人群流动场所", "4": "大型场所内的功能单元",
		"5": "小场所", "6": "其他公共场所"},
	"message": {"onetap": "一键确认", "reminder": "提醒", "digest": "日报", "difference": "核查", "alarm": "预警"},
	"gap":     {"unit": "未找到对应单位", "code": "未申领场所码", "incomplete": "旧码待补全", "posting": "未确认张贴"},
	"class": {"0": "未分类", "1": "（一）机构和工商户", "2": "（二）重点场所", "3": "（三）交通和人群流动场所", "4": "（四）大型场所内的功能单元",
		"5": "（五）小场所", "6": "（六）其他公共场所"},
	"channel":     {"wecom_robot": "群", "wecom_app": "企业微信", "service_account": "服务号"},
	"finding":     {"posted": "已张贴", "damaged": "破损待换", "missing": "未张贴或被调换"},
	"by":          {registry.Applicant: "申请人自报"},
	"unit":        {"pending": "证件待核", "closed": "注销"},
	"application": {"draft": "草稿", "pending": "待审", "making": "办理中", "approved": "已通过", "rejected": "已退回"},
	"from":        {"console": "管理后台", "miniapp": "小程序", "form": "网页", "import": "导入"},
	"act": {"enter": "登记", "correct": "更正", "complete": "补全", "add_door": "增加出入口", "activate": "启用空白码", "rename_door": "出入口更名", "suspend": "停用",
		"resume": "恢复", "close": "注销", "transfer": "转移", "merge": "合并", "prove": "核对证件", "manager": "绑定负责人", "unmanage": "解除负责人", "post": "确认张贴",
		"sentinel": "设为哨点", "unsentinel": "取消哨点",
		"group": "编入上报群", "cover": "由上级统报", "exempt": "免报"},
	"sheet": {"units": "单位", "venues": "场所和出入口", "subjects": "应设主体名录", "legacy": "原系统的码", "roster": "名册"},
	"upload": {"looking": "正在核对", "ready": "已核对，待导入", "running": "正在导入", "done": "已导入", "discarded": "已放弃", "refused": "不能导入",
		"failed": "没有完成", "expired": "已过期"},
	"delivery": {"pending": "待发", "sent": "已发", "dead": "未送达", "dropped": "已取消"},
}

var findingNames = map[audit.Kind]string{
	audit.Edit: "被改动", audit.Removal: "被删除", audit.Reorder: "顺序被改", audit.Truncation: "末尾被截断",
	audit.ForgedCheckpoint: "检查点系伪造", audit.MissingCheckpoint: "检查点缺失", audit.UnlinkedChain: "来历不明的记录链",
}

var keyNames = map[string]string{"division": "身份信息", "document": "凭据和资料", "index": "检索", "request": "扫码去重", "session": "居民登录"}

var purposeNames = map[reveal.Purpose]string{
	reveal.Tracing: "流行病学调查", reveal.AreaCheck: "区域核查", reveal.CrossDistrict: "跨区域协查",
}

var healthNames = map[venue.Health]string{
	venue.HealthUnknown: "待核验", venue.HealthGreen: "绿码", venue.HealthYellow: "黄码", venue.HealthRed: "红码",
}

var decisionNames = map[venue.Decision]string{
	venue.Admit: "通行", venue.Restrict: "限制", venue.Hold: "待核验", venue.Refuse: "禁止",
}

// words are the short texts of the pages.
var words = map[string]string{
	"site": "场所码管理后台", "login": "登录", "logout": "退出", "home": "首页", "user": "用户名", "password": "口令", "totp": "动态码",
	"login.hint": "动态码为身份验证器显示的六位数字", "must_change": "口令由他人发放，请先设置新口令",
	"roles": "角色", "permissions": "可办理事项", "name": "姓名", "accounts": "账号", "changes": "待批变更", "audit": "审计记录",
	"password.change": "修改口令", "password.old": "原口令", "password.new": "新口令", "password.repeat": "再次输入新口令",
	"password.hint": "不含用户名，不用常见口令。修改后须重新登录", "submit": "提交",
	"state": "状态", "state.on": "正常", "state.off": "已停用", "state.locked": "已锁定", "state.must": "待改口令",
	"places": "范围", "divisions": "区划", "sectors": "行业", "unit": "单位编号", "act": "操作",
	"account.new": "新建账号", "disable": "停用", "enable": "恢复", "reset.password": "重置口令", "reset.totp": "重置动态码", "roles.change": "变更角色",
	"list.hint": "多项以空格分隔；区划填名称或代码", "kind": "事项", "by": "申请人", "at": "时间", "was": "原角色", "will": "新角色", "approve": "批准", "reject": "驳回", "withdraw": "撤回",
	"none": "暂无", "waiting": "已提交，等待另一名安全管理员审批", "issued": "请当面交付以下凭据，离开本页后不再显示",
	"totp.secret": "动态码密钥", "totp.url": "验证器链接", "back": "返回", "refused": "未能办理",
	"actor": "操作人", "action": "行为", "object": "对象", "outcome": "结果", "why": "用途、事由、案件", "reason": "事由", "details": "详情",
	"board": "报送看板", "units": "单位", "doors": "场所码", "ledger": "台账", "unit.name": "单位", "day.before": "前一日", "day.after": "后一日",
	"due": "应报", "reported": "已报", "late": "迟报", "missing": "未报", "exempt": "免报", "covered": "由上级统报", "doubtful": "待核", "awaiting": "更正待批", "total": "上报合计",
	"report": "上报", "raw": "原始", "effective": "有效", "people": "人数", "few": "不足5人", "verdict": "核查",
	"asof": "平台记录截至", "asof.hint": "，此后的部分扫码记录尚未到齐，请勿据此认定。",
	"board.hint": "原始、有效、人数为平台记录：已报的取判定时的数，未报的取截至目前的数。人数不足5人的不显示具体数。",
	"short":      "简称", "uscc": "统一社会信用代码", "headcount": "在册人数", "duty": "报送方式", "until": "截至", "above": "上级单位", "below": "下级单位",
	"venue": "场所", "door": "出入口", "code": "场所码", "type": "类型", "address": "地址", "sentinel": "哨点",
	"towards": "发往", "about": "涉及单位", "attempts": "次数", "message.late": "迟发", "whole.group": "全群",
	"logout.everywhere": "退出全部登录", "audit.verify": "校验审计记录", "audit.export": "导出审计记录", "audit.export.hint": "一次不超过31天", "audit.id": "审计编号",
	"verified.sound": "未发现改动", "verified.found": "发现异常，请保留现场并报告", "verified.rows": "记录", "verified.chains": "记录链", "verified.checkpoints": "检查点",
	"verified.unvouched": "尚无检查点担保的记录", "verified.dropped": "期满销毁的记录链", "verified.findings": "异常", "verified.kind": "异常类别", "verified.where": "位置",
	"requests": "待批事项", "purges": "数据销毁", "certificates": "销毁证书", "subject": "内容", "approver": "批准人",
	"request.purge": "申请提前销毁数据", "request.sunset": "申请平台退出", "request.escrow": "申请托管密钥副本",
	"through": "销毁至（含）", "confirm": "请完整输入平台域名或区划代码", "custodian": "保管人公钥指纹", "days.kept": "保管天数（1至7）",
	"sunset.hint": "退出后全部数据和密钥销毁，不可恢复", "requests.hint": "批准须输入动态码；批准后24小时内由运维人员执行",
	"purges.due": "系统每日凌晨自动销毁至", "purges.latest": "最晚可提前销毁至", "day": "日期", "rows": "记录数", "rows.uncounted": "无法计数", "key": "密钥", "key.yes": "有", "key.no": "已销毁",
	"number": "编号", "days": "天数", "keys.gone": "密钥数", "run.by": "执行人", "ended": "完成时间", "unreadable": "不可读取自", "show": "查看",
	"from": "起始日期", "to": "截止日期", "search": "查询", "next": "下一页", "object.hint": "类别:编号",
	"keys": "密钥", "keys.suite": "算法", "keys.epoch": "纪元", "keys.days": "可读日期", "keys.name": "名称", "keys.newest": "当前编号", "keys.kept": "保留数",
	"keys.rotate": "轮换", "keys.escrows": "有效托管", "keys.made": "制作时间", "keys.expires": "失效时间", "keys.oldest": "最早日期", "keys.approver": "审批人",
	"alarms": "红码告警", "alarms.day": "日期", "alarms.total": "合计", "alarms.venue": "场所", "alarms.door": "出入口", "alarms.address": "地址",
	"alarms.unit": "单位", "alarms.health": "健康码", "alarms.decision": "处置",
	"reveal": "查看身份信息", "reveal.identity": "身份信息", "purpose": "用途", "case": "案件编号",
	"reveal.rule":   "仅限疫情防控的流行病学调查使用。用途、原因和案件编号先记入审计再显示身份信息。",
	"reveal.reason": "4至200字，不得填写证件号码或手机号", "reveal.case": "如 汝流调〔2022〕17号",
	"coverage": "应设尽设", "coverage.have": "已张贴", "coverage.must": "应设", "coverage.lack": "尚缺", "coverage.share": "覆盖率", "coverage.none": "无应设主体",
	"coverage.idle": "无需设码", "coverage.idle.hint": "注销、吊销、迁出、免设或已不在名录", "coverage.outside": "名录外在用场所码", "coverage.outside.hint": "所属单位不在名录中，另列，不计入",
	"coverage.importing": "名录正在导入，或上次导入没有完成，完成前数字可能变动。", "coverage.ranking": "区划排名（由低到高）", "coverage.sectors": "行业（由低到高）", "coverage.classes": "类别",
	"coverage.rows": "区划和行业", "coverage.hint": "一个主体无论有几个出入口只计一次；至少一个在用且已确认张贴的场所码，才计为已张贴。",
	"coverage.missing": "缺码名单", "coverage.deadline": "限期核查", "coverage.trend": "趋势", "coverage.regulators": "行业主管部门", "coverage.draft": "通报草稿", "coverage.silent": "静默场所码", "coverage.subjects": "应设主体名录",
	"coverage.all": "全部", "coverage.nosector": "未填行业", "division": "区划", "sector": "行业", "class": "类别", "gap": "缺项", "subject.name": "名称", "download": "下载表格",
	"deadline.at": "限期", "deadline.hint": "须在该时刻之前完成，该时刻当时完成的不算。含下属单位。", "deadline.units": "单位", "deadline.without_code": "限期前未申领", "deadline.unposted": "限期前已申领、未确认张贴",
	"deadline.coded": "申领时间", "deadline.posted": "张贴确认", "list.here": "本页", "deadline.below": "本单位及下属单位",
	"trend.days": "天数", "trend.hint": "每日 23:55 留存；缺少的日期当时没有留存。当天为目前的数。",
	"regulators.hint": "依据通知的监管分工。一个主体可能有多个主管部门（如建筑工地），各行之和可能大于合计。属地责任始终适用。", "regulators.nobody": "通知未明确主管部门（由属地负责）", "regulators.unnamed": "其中的类型或行业",
	"silent.hint": "在用且已启用满所选天数、期间没有任何扫码记录的场所码。", "silent.days": "天数", "silent.looked": "本页核查了",
	"draft.hint": "按目前数据生成，不保存、不发送。", "subjects.proposals": "待认领的主体", "subjects.proposals.hint": "按名称和地址相似度提出，由人确认或排除，系统不会自动认领。相似度为相邻两字的重合比例：名称占七成，地址占三成。",
	"subjects.units": "可能的单位", "subjects.like": "相似", "subjects.like.name": "名称", "subjects.like.address": "地址", "subjects.confirm": "是同一主体", "subjects.refuse": "不是", "subjects.nobody": "没有相似的单位",
	"subjects.imports": "最近导入", "subjects.import.hint": "名录用表格导入：先核对新增、变更和不再列出的数量，再导入。",
	"imports": "表格导入", "imports.hint": "先上传核对，看过结果再决定是否导入。已经登记的不会改动，同一文件再次导入不会重复。文件加密保存，导入后立即删除，不导入的一天后删除。", "imports.most": "不超过 15 MB。", "imports.apply.most": "不超过 2 MB。", "imports.last": "最近的导入",
	"imports.apply": "用表格申领", "imports.apply.hint": "一个表格可以申领本单位和下属单位的多个场所，每行的管理人员同时作为申请人。导入后和逐个填写申领表一样：按规定自动通过，或者由所属乡镇、街道审核。",
	"import.applied": "已提交，已经登记或正在审核的没有重复提交。审核结果和场所码见",
	"import.kind":    "内容", "import.file": "表格文件（.xlsx 或 .csv）", "import.send": "上传核对", "import.templates": "下载空白表格：",
	"import.rows": "行数", "import.ok": "正确", "import.proof": "需核对证件", "import.bad": "有误", "import.partly": "有误的行未导入", "import.writing": "正在导入", "import.leave": "本页自动刷新。可以离开，稍后从“表格导入”再进来看。",
	"import.failed": "没有完成。请重新上传同一个文件，已经导入的行不会重复；仍不成功的，请联系系统管理员。", "import.expired": "一天内没有决定，文件已经删除。仍要导入的，请重新上传。", "import.again": "核对之后登记情况有变动，没有导入完。以下是重新核对的结果，请再次决定。",
	"import.run": "导入", "import.good": "只导入正确的行", "import.discard": "放弃", "import.bad.hint": "有误的行不能导入。可以下载下面的表格，改好后只上传这些行；也可以改好原文件后整个重新上传。", "import.bad.subjects": "名录是一个区划的全部主体：请改好原文件后整个重新上传，只上传改好的行会把其余主体当作“不再列出”。只导入正确的行时，不会标记任何主体不再列出。",
	"import.problems": "下载有误的行和原因（一天内有效）", "import.problems.first": "较多，只含前",
	"plan.proof": "代码校验位不符（以名录为准）", "plan.new": "新增", "plan.changed": "变更", "plan.same": "未变", "plan.gone": "不再列出",
	"row.number": "行号", "column": "列", "problem": "问题",
	"applications": "申领", "application": "场所码申领", "apply": "申领场所码", "apply.new": "新申领", "apply.save": "存为草稿", "apply.send": "提交申请", "apply.faults": "处需要修改，见各项下的提示",
	"apply.edit": "修改后提交", "proof.needed": "需核对登记证件", "proof.hint": "统一社会信用代码的校验位不符，请核对营业执照、法人证书等登记证件原件。",
	"approve.chosen": "批准选中的", "approve.page": "批准本页全部", "approve.page.hint": "需核对登记证件的除外，请点开单独办理。", "approved.count": "已批准", "approved.not": "没有批准", "approved.unit": "份。", "why.not": "原因",
	"approve.seen": "已核对证件，通过", "approve.unseen": "通过（证件待核）", "reject.back": "退回", "applicant.at": "提交时间", "channel": "渠道", "decider": "办理人", "decided": "办理时间", "by.policy": "按政策自动通过",
	"category": "类别", "history": "历史", "posted": "张贴确认", "posted.not": "未确认", "incomplete": "待补全", "incomplete.hint": "原系统的码，照常可以扫。补全后码不变，不必更换码牌。",
	"venue.correct": "更正场所信息", "venue.complete": "补全场所信息", "venue.act": "办理", "suspend": "停用", "resume": "恢复", "close": "注销", "transfer": "转移", "transfer.to": "转给（名称、信用代码或编号）",
	"merge": "合并", "merge.anyway": "确认合并", "merge.into": "并入（名称、场所码或编号）", "merge.unit": "并入（名称、信用代码或编号）", "whole.venue": "整个场所", "door.add": "增加出入口", "door.name": "出入口名称", "door.code": "空白码（没有不填，自动发码）", "door.rename": "出入口更名",
	"prove": "核对登记证件", "prove.do": "已核对", "short.name": "简称", "zone": "分区或门店编号", "plate": "车牌号", "merged.into": "已并入", "all": "全部", "choose": "请选择", "must": "必填", "place.within": "所在大型场所", "what": "名称", "posting": "确认张贴、现场巡查", "posting.hint": "到门口扫码，核对打开的页面上的名称、编号、域名与码牌一致，再在这里记录。", "postings": "张贴和巡查记录", "finding": "情况", "remark": "备注", "photo": "照片", "photo.hint": "JPEG 或 PNG，不超过 8MB；位置等附带信息不保存",
	"codes": "场所码", "poster": "码牌", "poster.print": "打印", "posters.all": "全部码牌", "poster.code": "二维码图片",
	"blanks": "空白码", "blanks.hint": "提前印制、尚未挂到出入口的场所码。启用前扫码无效。", "blanks.print": "印制一批", "blanks.count": "张数", "blanks.used": "已启用", "blanks.at": "印制时间", "blanks.rest": "打印未启用的",
	"activate": "启用空白码", "activate.hint": "一个空白码只能挂在一个出入口，启用后永不改挂。", "activate.code": "空白码编号或链接", "activate.code.hint": "码牌下方的 16 位编号，或扫码打开的网址", "activate.venue": "场所", "activate.venue.hint": "名称的开头、场所编号，或该场所任一出入口的场所码", "activate.do": "启用",
	"find": "查找", "find.q": "名称、信用代码或场所码", "find.hint": "可以查：单位、场所名称的开头（“青禾市”一类的市名可以不写），完整的统一社会信用代码，场所码的编号或链接，原系统码的内容。名称中间的字查不到。只查本辖区。",
	"find.more": "还有更多，请多输入几个字。", "find.none": "没有找到。", "choose.title": "请选择", "choose.this": "选这个", "choose.of": "所属", "choose.mark": "信用代码或地址",
	"bind.unit": "上报人绑定码", "bind.venue": "负责人绑定码", "bind.unit.make": "生成上报人绑定码", "bind.venue.make": "生成负责人绑定码", "bind.once": "只显示这一次，请当面或电话告知本人", "bind.how": "请本人在企业微信群里 @机器人，或在企业微信应用、公众号里单聊，发送下面这句话：", "bind.until": "有效至", "bind.rule": "只能用一次",
	"bind.unit.what": "绑定后代表单位上报每日扫码次数。", "bind.venue.what": "绑定后，场所有人扫出红码时收到告警。", "hours": "营业时间", "hours.not": "未填", "position": "位置", "position.not": "未填，扫码的人是否在附近无从判断", "position.lng": "东经", "position.lat": "北纬", "position.radius": "半径", "position.metres": "米",
	"sentinel.set": "设为哨点", "sentinel.clear": "取消哨点", "sentinel.hint": "哨点：黄码按更严的规定处置，没有人扫码要查原因。几秒内对全部出入口生效。",
	"managers": "接收红码告警的负责人", "managers.account": "账号", "managers.since": "绑定时间", "managers.remove": "解除",
	"contacts": "联系人", "contacts.hint": "只供审核和联系使用，查看已记入审计。", "contacts.masked": "姓名和手机号已隐去部分内容。", "contacts.applicant": "申请人", "contacts.manager": "管理人员",
	"close.unit": "注销单位", "close.unit.hint": "全部场所和码同时注销，永久失效；不再要求上报；下级单位转到上一级；统一社会信用代码可以重新登记。不能恢复。",
	"posters.hint": "ZIP 压缩包边制作边传送，请等下载完成再打开；没有下载完整的压缩包打不开，请重新下载。包内的“目录”列有每张码牌。同一时间只为一人制作多张码牌。",
	"posters.over": "一次最多", "posters.over.do": "张，请按乡镇、街道分别下载。", "posters.as": "文件", "posters.count": "张数", "posters.minutes": "约需（分钟）", "posters.pdf": "一个 PDF，每页一个出入口", "posters.zip": "每个出入口一个 PDF（ZIP）", "posters.volumes": "PDF，按区划分册（ZIP），每册最多", "posters.volumes.do": "个出入口；要每个出入口一个 PDF，请按乡镇、街道分别下载", "posters.svg": "每个出入口一个 SVG（ZIP，印刷厂用）",
	"companies": "家", "persons": "人", "account": "我的账号", "save": "保存", "unit.doors": "场所和码", "unit.beyond": "辖区外的单位", "place.back": "返回场所", "applications.back": "返回申领列表", "imports.back": "返回表格导入",
	"import.unit": "行", "import.division.hint": "只用于应设主体名录、原系统的码：表格是哪个区划的", "blanks.print.hint": "印制的编号不能撤销，没有用完的不启用即可。", "silent.doors": "个出入口。", "regulators.rows": "主管部门和区划", "choose.hint": "选中后立即办理。",
	"approve.hint": "通过后立即生成每个出入口的场所码。", "approve.unseen.hint": "证件待核的，在单位页面核对后码才能扫。", "reject.hint": "申请人看得到事由，改好可以再交。", "managers.remove.hint": "不再收到告警",
	"venue.stop": "停用、恢复、注销", "venue.stop.of": "对象", "venue.stop.hint": "停用：扫码提示无效，可以恢复。注销：码永久失效，不能恢复。", "transfer.hint": "场所和全部码归新单位，以前的扫码仍算原单位。", "merge.hint": "本场所由另一处代替，两处的码都还能扫。不能撤销。", "merge.unit.hint": "本单位由另一单位代替，场所和码归另一单位。不能撤销。",
	"none.units": "没有单位。", "none.applications": "没有这样的申领。", "none.incomplete": "没有待补全的场所。", "none.blanks": "还没有印制过。", "none.imports": "还没有导入过。", "none.doors": "没有场所码。", "none.contacts": "没有登记联系人。",
	"none.history": "没有办理记录。", "none.missing": "没有缺码的。", "none.deadline": "没有，全部按期完成。", "none.silent": "没有静默的场所码。", "none.proposals": "没有待认领的主体。", "none.managers": "还没有人绑定，扫出红码时场所里没有人收到告警。",
	"groups": "上报群", "group": "上报群", "group.id": "群编号", "group.name": "群名称", "group.count": "单位数", "group.add": "登记上报群", "group.change": "修改", "group.suggested": "建议编入", "groups.back": "返回上报群", "none.groups": "还没有登记上报群。",
	"groups.hint": "办公室主任群：单位在群里上报每日扫码次数，提醒和日报发到群里。单位数是其中本辖区的。", "group.id.hint": "在群里添加机器人，发送“@机器人 帮助”，机器人回复群编号。群编号登记后不能改；换了群的，另行登记，再把原群的单位改编过去。",
	"webhook": "消息推送地址", "webhook.hint": "在群里添加“消息推送”得到的地址，或者其中的 key。加密保存，以后不再显示。", "webhook.keep": "消息推送地址不填不改。",
	"ungrouped": "尚未编入上报群", "ungrouped.hint": "登记了、还没有人要求上报的单位。建议的群按区划和行业得出，由您确定，系统不会自动编入。", "ungrouped.back": "返回尚未编入上报群", "none.ungrouped": "没有，都已编入。",
	"duty.group": "编入上报群，自行上报", "duty.from": "，自", "duty.until": "免报至（含）", "duty.set": "确定报送方式", "duty.set.chosen": "确定选中的", "duty.set.page": "确定本页全部",
	"duty.hint":      "编入上报群的从次日起上报，今天不算未报；已在上报、换一个群的照常上报。由上级统报和免报当即生效，当天截止以后办的从次日起。免报须填最后一天和事由，期满后在原来的群里恢复上报，没有编入群的回到“尚未编入上报群”。",
	"assigned.count": "已办理", "assigned.not": "没有办理", "assigned.unit": "家。",
	"reveal.id": "证件号码", "reveal.phone": "手机号", "reveal.until": "显示至", "reveal.once": "仅显示这一次，到时自动返回列表",
}

// doneWords tell after a form what was done, by the route without parameters.
var doneWords = map[string]string{
	"password":                "口令已修改，请用新口令登录。",
	"applications.id.approve": "已通过，场所码已生成。码牌在场所页面打印。", "applications.id.reject": "已退回。",
	"units.id.prove": "已核对，场所码可以使用。", "units.id.merge": "已合并。", "units.id.close": "单位已注销，场所和码一并失效。",
	"doors.code.posted": "已记录。", "blanks": "已印制，可以打印。", "blanks.activate": "已启用，扫码有效。请在码牌的框里写上或贴上名称。",
	"venues.id.correct": "已更正。", "venues.id.doors": "已增加出入口，请打印码牌。", "venues.id.doors.rename": "已更名。名称变了的码牌请重新打印。",
	"venues.id.suspend": "已停用，扫码提示无效。", "venues.id.resume": "已恢复。", "venues.id.close": "已注销，码永久失效。", "venues.id.sentinel": "已设为哨点。", "venues.id.unsentinel": "已取消哨点。", "venues.id.transfer": "已转移。", "venues.id.merge": "已合并。", "venues.id.managers.remove": "已解除，不再收到告警。",
	"groups": "已登记。", "groups.id": "已修改。", "units.id.duty": "已办理。",
	"subjects.id.confirm": "已认领。", "subjects.id.refuse": "已排除。",
}

type link struct{ Path, Name, Hint string }

type section struct {
	Name  string
	Links []link
}

const doorsPage = "/console/doors"

var coverageLinks = []link{
	{"/console/coverage", "应设尽设", "覆盖率：按区划、行业、类别"},
	{"/console/coverage/missing", "缺码名单", "哪些主体还没有码，缺在哪一步"},
	{"/console/coverage/deadline", "限期核查", "到限期还没有申领、没有确认张贴的单位"},
	{"/console/coverage/trend", "趋势", "覆盖率逐日变化"},
	{"/console/coverage/regulators", "行业主管部门", "按主管部门的覆盖率"},
	{"/console/codes/silent", "静默场所码", "连续几天没有人扫的码"},
	{"/console/coverage/draft", "通报草稿", "按目前数据写成的通报草稿"},
	{"/console/subjects", "应设主体名录", "名录的导入情况，待认领的主体"},
}

// menu is what the home page leads to, most used first.
var menu = []section{
	{"场所码", []link{
		{"/console/applications", "申领", "场所码的申领和审核"},
		{"/console/find", "查找", "按名称、信用代码、场所码查单位和场所"},
		{"/console/units", "单位", "单位、场所、出入口"},
		{doorsPage, "场所码", "本单位的出入口和码牌"},
		{"/console/blanks/activate", "启用空白码", "在门口用手机启用"},
		{"/console/blanks", "空白码", "提前印制一批"},
		{"/console/incomplete", "待补全", "原系统的码，信息还不全的"},
		{"/console/imports", "表格导入", "成批登记或申领场所和出入口"},
		{"/console/posters", "全部码牌", "下载一个区划的全部码牌"},
	}},
	{"应设尽设", coverageLinks},
	{"每日上报", []link{
		{"/console/board", "报送看板", "各单位今天报了没有，与平台记录是否一致"},
		{"/console/ungrouped", "尚未编入上报群", "新登记的单位，编入哪个群上报"},
		{"/console/groups", "上报群", "办公室主任群和其中的单位"},
		{"/console/ledger", "台账", "发出的提醒、日报和预警"},
	}},
	{"疫情处置", []link{{"/console/alarms", "红码告警", "当天扫出红码的记录"}}},
	{"系统", []link{
		{"/console/accounts", "账号", "新建、停用、重置口令"},
		{"/console/changes", "待批变更", "须由另一人批准的账号变更"},
		{"/console/requests", "待批事项", "数据销毁、平台退出、密钥托管的审批"},
		{"/console/purges", "数据销毁", "保存期限，提前销毁"},
		{"/console/certificates", "销毁证书", "已经销毁的"},
		{"/console/audit", "审计记录", "谁在什么时候办了什么"},
		{"/console/keys", "密钥", "轮换和托管"},
	}},
}

var _ = [1]struct{}{}[maxSheet>>20-15] // the hints name them
var _ = [1]struct{}{}[ownSheet>>20-2]

var invalidWords = map[string]string{
	"chat": "群编号", "group_name": "群名称", "webhook": "消息推送地址", "sector": "行业", "group": "上报群", "duty": "报送方式", "until": "免报的最后一天", "q": "查找的内容", "count": "张数", "venue": "场所",
	"photo": "照片", "finding": "情况", "remark": "备注", "sheet": "纸张", "as": "文件类型", "door": "场所码",
	"state": "状态", "id": "编号", "code": "场所码", "doors": "出入口名称",
	"user": "用户名", "name": "姓名", "password": "口令", "roles": "角色", "divisions": "区划", "division": "区划",
	"sectors": "行业", "unit": "单位编号", "from": "起始日期", "to": "截止日期", "actor": "操作人", "object": "对象", "after": "分页位置", "before": "分页位置", "day": "日期", "key": "密钥", "totp": "动态码",
	"class": "类别", "gap": "缺项", "at": "限期", "list": "名单", "file": "文件", "kind": "内容", "partial": "只导入正确的行",
	"into": "并入的单位或场所", "through": "销毁截止日期", "confirm": "平台域名或区划代码", "custodian": "公钥指纹", "days": "保管天数", "subject": "内容", "reason": "事由", "page": "页码", "case": "案件编号",
}

var reasonWords = map[string]string{
	"required": "不能为空", "character": "含有不可见字符", "mixed": "在一个词里混用了形似的外文字母", "check": "校验不通过，请核对",
	"missing": "不能为空", "length": "长度不符合要求", "shape": "格式不正确", "unknown": "不存在", "reserved": "为系统保留",
	"unused": "与所选角色不符", "common": "过于常见", "reused": "近期使用过", "repeat": "两次输入不一致", "private": "含有疑似证件号码或手机号",
	"too_late": "晚于可提前销毁的最晚日期", "range": "不在允许的范围内", "differs": "与本平台不符", "unclear": "不在本辖区或有重名，请填区划代码",
}

// invalidSentences are those that say more than a field and a reason.
var invalidSentences = map[string]string{
	"password user": "口令不能包含用户名",
	"ids missing":   "请先勾选要办理的",
	"ids range":     fmt.Sprintf("一次最多办理 %d 个", mostNamed),
	"until range":   "免报的最后一天最早是今天（已过截止时间的，是明天），最晚是一年以后",
}

func invalidSentence(e *venue.Invalid) string {
	if s, ok := invalidSentences[e.Field+" "+e.Reason]; ok {
		return s
	}
	field, ok := invalidWords[e.Field]
	if !ok {
		field = "填写的内容"
	}
	reason, ok := reasonWords[e.Reason]
	if !ok {
		reason = "有误，请检查"
	}
	return field + reason
}

// Lists as workbooks. Each title says of when it is and, if that is known before
// its last row, how many there are.
const (
	missingTitle    = "%s “场所码”缺码名单（截至 %s，共 %d 家）"
	deadlineTitle   = "%s%s（限期 %s，截至 %s，共 %d 家）"
	silentTitle     = "%s连续 %d 天没有扫码记录的“场所码”（截至 %s）"
	incompleteTitle = "待补全的旧码场所（截至 %s）"
	wholeScope      = "本辖区"
)

var (
	missingList = list{"missing", "缺码名单", []sheet.Column{
		{Heading: "名称", Width: 36}, {Heading: "统一社会信用代码", Width: 22}, {Heading: "地址", Width: 40}, {Heading: "所属区划", Width: 14}, {Heading: "区划名称", Width: 28},
		{Heading: "行业", Width: 16}, {Heading: "缺项", Width: 18}, {Heading: "单位名称", Width: 36},
	}}
	deadlineLists = map[string]list{
		listWithout:  {"deadline-" + listWithout, words["deadline."+listWithout], deadlineColumns},
		listUnposted: {"deadline-" + listUnposted, words["deadline."+listUnposted], deadlineColumns},
	}
	deadlineColumns = []sheet.Column{
		{Heading: "单位名称", Width: 36}, {Heading: "统一社会信用代码", Width: 22}, {Heading: "所属区划", Width: 14}, {Heading: "区划名称", Width: 28}, {Heading: "行业", Width: 16},
		{Heading: "申领时间", Width: 18}, {Heading: "张贴确认", Width: 18},
	}
	silentList = list{"silent", "静默场所码", []sheet.Column{
		{Heading: "单位名称", Width: 36}, {Heading: "场所名称", Width: 36}, {Heading: "出入口", Width: 16}, {Heading: "场所码", Width: 22}, {Heading: "状态"},
		{Heading: "所属区划", Width: 14}, {Heading: "区划名称", Width: 28}, {Heading: "地址", Width: 40},
	}}
	incompleteVenues = list{"incomplete", "待补全", []sheet.Column{
		{Heading: "场所名称", Width: 36}, {Heading: "单位名称", Width: 36}, {Heading: "所属区划", Width: 14}, {Heading: "区划名称", Width: 28}, {Heading: "地址", Width: 40}, {Heading: "类型", Width: 16},
	}}
)

// minuteOf is an instant as lists have it, "" for none.
func minuteOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(venue.Zone).Format("2006-01-02 15:04")
}

// lowest is how many divisions a notice names.
const lowest = 5

// coverageNotice words a notice on low coverage. Each figure is two numbers.
func coverageNotice(q question, s registry.Summary, divisions []coverageRow) string {
	of := q.about()
	var b strings.Builder
	fmt.Fprintf(&b, "【草稿】关于%s“场所码”应设尽设情况的通报\n\n", of)
	fmt.Fprintf(&b, "截至%s，%s", time.Time(q.AsOf).In(venue.Zone).Format("2006年1月2日15时04分"), of)
	if s.Must == 0 {
		b.WriteString("没有应设“场所码”的主体。\n")
	} else {
		fmt.Fprintf(&b, "应设“场所码”主体%d家，已申领并确认张贴%d家，尚缺%d家。", s.Must, s.Have, s.Must-s.Have)
		fmt.Fprintf(&b, "其中：未找到对应单位%d家，未申领%d家，旧码待补全%d家，已申领未确认张贴%d家。\n", s.Lack[registry.GapUnit], s.Lack[registry.GapCode], s.Lack[registry.GapIncomplete], s.Lack[registry.GapPosting])
	}
	n := 0
	for _, d := range divisions {
		if d.Have == d.Must || n == lowest || len(divisions) == 1 {
			continue
		}
		if n++; n == 1 {
			b.WriteString("\n覆盖较低的区划：\n")
		}
		fmt.Fprintf(&b, "%d. %s：应设%d家，已张贴%d家，尚缺%d家\n", n, cmp.Or(d.Place, string(d.Division)), d.Must, d.Have, d.Must-d.Have)
	}
	if s.Outside > 0 {
		fmt.Fprintf(&b, "\n另有名录之外在用“场所码”%d个，不计入以上数字。\n", s.Outside)
	}
	b.WriteString("\n（本文由系统按数据生成，为草稿，未经审核签发，不得对外发布。）\n")
	return b.String()
}

// bindCommand is what somebody sends to be bound by a code.
func bindCommand(code string) string { return "绑定 " + code }

// kept tells of a field what it has now, masked, and that it need not be filled in.
func kept(masked string) string {
	if masked == "" {
		return "没有登记。不填不改"
	}
	return "现为 " + masked + "。不填不改"
}
