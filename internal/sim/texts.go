package sim

import "github.com/gofiber/fiber/v2"

// refusal is how /sim/… refuses. All its sentences are here.
type refusal struct {
	status  int
	code    string
	message string
}

func (r *refusal) Error() string { return r.code }

var (
	errBody        = &refusal{fiber.StatusBadRequest, "bad_request", "请求内容不是有效的 JSON 或缺少必填项"}
	errApp         = &refusal{fiber.StatusBadRequest, "bad_app", "没有这个应用"}
	errColour      = &refusal{fiber.StatusBadRequest, "bad_color", "颜色只能是 green、yellow 或 red"}
	errIdentity    = &refusal{fiber.StatusBadRequest, "bad_id_number", "证件号码格式不对"}
	errMode        = &refusal{fiber.StatusBadRequest, "bad_mode", "没有这种故障"}
	errUserID      = &refusal{fiber.StatusBadRequest, "bad_userid", "成员账号格式不对"}
	errChannel     = &refusal{fiber.StatusBadRequest, "bad_channel", "channel 只能是 wecom_app 或 service_account"}
	errClockBody   = &refusal{fiber.StatusBadRequest, "bad_clock", "now（RFC 3339）与 advance（如 90s）须且只须给出一个"}
	errAfter       = &refusal{fiber.StatusBadRequest, "bad_after", "after 应为序号"}
	errNoGroup     = &refusal{fiber.StatusNotFound, "unknown_group", "没有这个群"}
	errNoPhone     = &refusal{fiber.StatusNotFound, "unknown_phone", "没有这部手机"}
	errNoService   = &refusal{fiber.StatusNotFound, "unknown_service", "没有这个服务"}
	errNoRoute     = &refusal{fiber.StatusNotFound, "not_found", "没有这个地址"}
	errMethod      = &refusal{fiber.StatusMethodNotAllowed, "method", "不支持这种请求方法"}
	errEncoding    = &refusal{fiber.StatusUnsupportedMediaType, "encoding", "不接受压缩过的请求"}
	errTooLarge    = &refusal{fiber.StatusRequestEntityTooLarge, "too_large", "请求内容过大"}
	errFixedClock  = &refusal{fiber.StatusConflict, "clock", "时钟不能这样拨动：不能倒退，真实时钟不能拨"}
	errNoProduct   = &refusal{fiber.StatusBadGateway, "product_unreachable", "平台没有应答"}
	errRefused     = &refusal{fiber.StatusBadGateway, "product_refused", "平台拒绝了这条消息"}
	errBadReply    = &refusal{fiber.StatusBadGateway, "bad_reply", "平台的回复无法解密或识别"}
	errBadAnswer   = &refusal{fiber.StatusBadGateway, "bad_answer", "平台的应答无法识别"}
	errNotWritten  = &refusal{fiber.StatusInternalServerError, "internal", "模拟器出错"}
	errUnavailable = &refusal{fiber.StatusServiceUnavailable, "closed", "模拟器正在关闭"}
)
