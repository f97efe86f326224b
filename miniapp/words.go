package miniapp

import (
	"fmt"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// titles are what a person reads first, by decision.
var titles = map[venue.Decision]string{
	venue.Admit:    "请通行",
	venue.Restrict: "限制通行",
	venue.Refuse:   "禁止通行",
	venue.Hold:     "请稍候，待核验",
}

// Words gives the title and the advice of a prompt: the title from here, the
// advice as the division wants it. If a companion decided, their masked name
// leads the title.
func Words(advice func(venue.Division, venue.Health) []string) func(venue.Division, venue.Health, venue.Decision, string) (string, []string) {
	return func(d venue.Division, h venue.Health, decision venue.Decision, whose string) (string, []string) {
		title := titles[decision]
		if whose != "" {
			title = "同行人 " + whose + "：" + title
		}
		return title, advice(d, h)
	}
}

// Who looked at a person and for what, by the codes that the audit trail has.
var (
	roleNames    = map[string]string{"tracer": "流调人员"}
	purposeNames = map[string]string{"tracing": "流行病学调查", "area_check": "区域核查", "cross_district": "跨区域协查"}
)

const (
	otherRole    = "工作人员"
	otherPurpose = "疫情防控"
	goneVenue    = "已注销的场所"
)

// stateWords are what became of an application.
var stateWords = map[registry.State]string{
	registry.StateDraft: "尚未提交", registry.StatePending: "已受理，等待审核", registry.StateMaking: "正在办理",
	registry.StateApproved: "已通过", registry.StateRejected: "已退回",
}

// doorWords are what the state of a door, or of its venue, means to whoever
// applied; without a state it is
// not theirs any more.
var doorWords = map[venue.Status]string{
	venue.StatusActive: "可以扫码", venue.StatusIncomplete: "可以扫码", venue.StatusPending: "暂时不能扫码",
	venue.StatusSuspended: "已停用，暂时不能扫码", "": "已注销，或已转给其他单位",
}

// Why a photo of a door was not taken.
var postRefusals = map[string]error{
	registry.RuleClosed: &web.Error{Status: fiber.StatusConflict, Code: "register_closed", Message: "这个出入口已注销，或已转给其他单位，不能再上传照片"},
	registry.RuleProof:  &web.Error{Status: fiber.StatusConflict, Code: "register_proof", Message: "单位的登记证件尚待核对，核对后再张贴、拍照"},
	registry.RuleToday:  &web.Error{Status: fiber.StatusTooManyRequests, Code: "postings_today", Message: fmt.Sprintf("这个出入口今天已上传 %d 张照片，请明天再传", registry.ApplicantDaily)},
}

// errWaiting: one resident has enough waiting.
var errWaiting = &web.Error{Status: fiber.StatusTooManyRequests, Code: "applications_waiting", Message: "您有较多申请尚在审核，请等审核后再提交"}

// withdrawn tells what a withdrawal did; erased is "" if no visit is kept.
func withdrawn(erased string) string {
	if erased == "" {
		return "已撤回同意，手机号码和登录账号已删除，身份信息随即销毁。"
	}
	return "已撤回同意，手机号码和登录账号已删除。依法须保存的到访记录加密封存，除疫情防控外不作他用，" +
		"将于 " + erased + " 到期删除，身份信息同时销毁。"
}
