// Package web is what every HTTP door shares: one fiber configuration, one
// place where an error becomes a status and a sentence, and the traps of fiber
// closed once.
package web

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"github.com/venuecode/venuecode/venue"
)

// Options of an app.
type Options struct {
	Name      string
	BodyLimit int // bytes; larger bodies are refused with 413
	// Larger gives the limit of a request that may send more, with BodyTime to do
	// so; 0: BodyLimit. It is asked before a byte of the body is kept. Where as many
	// are held as may be, it is BodyLimit for the next. May be nil.
	Larger  func(Head) int
	Proxies []string
	Machine venue.Clock
	Log     *slog.Logger
	Metrics prometheus.Registerer // nil: none
}

// BodyTime is how long a larger body may take to come.
const BodyTime = time.Minute

// Head is the head of a request whose body has not come yet.
type Head struct {
	Method, Path string

	header *fasthttp.RequestHeader
}

// Bearer is the token of an Authorization header, or "".
func (h Head) Bearer() string { return bearer(string(h.header.Peek(fiber.HeaderAuthorization))) }

// Cookie is the value of a cookie, or "".
func (h Head) Cookie(name string) string { return string(h.header.Cookie(name)) }

// New makes a fiber app.
func New(o Options) *fiber.App {
	var bodies held
	respond := respond(o.Log)
	app := fiber.New(fiber.Config{
		AppName: o.Name, DisableStartupMessage: true,
		Immutable: true, // strings of a request outlive it; without this they alias its buffers
		BodyLimit: o.BodyLimit, ReadBufferSize: 8 << 10,
		ReadTimeout: 10 * time.Second, WriteTimeout: 15 * time.Second, IdleTimeout: 60 * time.Second,
		Concurrency: 20000, CaseSensitive: true,
		ProxyHeader: "X-Real-IP", EnableTrustedProxyCheck: true, TrustedProxies: o.Proxies, EnableIPValidation: true,
		ErrorHandler: func(c *fiber.Ctx, err error) error {
			bodies.end(&c.Request().Header) // fasthttp comes here with what it could not read
			return respond(c, err)
		},
	})
	if o.Larger != nil {
		app.Server().HeaderReceived = func(h *fasthttp.RequestHeader) (more fasthttp.RequestConfig) {
			defer func() {
				if recover() != nil { // no handler is around it
					o.Log.Error("asking for a larger body panicked", "stack", string(debug.Stack()))
				}
			}()
			bodies.end(h) // of the request before, on the same connection or another
			path, _, _ := strings.Cut(string(h.RequestURI()), "?")
			n := o.Larger(Head{string(h.Method()), path, h})
			if n > 0 && bodies.begin(h, n, o.Machine.Now()) {
				more.MaxRequestBodySize, more.ReadTimeout = n, BodyTime
			}
			return more
		}
		app.Use(bodies.answered)
	}
	if o.Metrics != nil {
		app.Use(measure(o.Metrics, o.Machine))
	}
	app.Use(survive(o.Log))
	app.Use(oneLength)
	app.Use(plainBodies)
	return app
}

var errPanicked = errors.New("handler panicked")

// survive makes a panic an error. Its value is dropped: it may hold a person's
// data. The stack holds addresses only.
func survive(log *slog.Logger) fiber.Handler {
	return func(c *fiber.Ctx) (err error) {
		defer func() {
			if recover() != nil {
				log.Error("handler panicked", "route", c.Route().Path, "stack", string(debug.Stack()))
				err = errPanicked
			}
		}()
		return c.Next()
	}
}

// oneLength refuses a body whose end is told in two ways, or in one that only
// resembles chunks. A proxy in front may read it the other way, and would take
// what one of us holds for the body for somebody's next request.
func oneLength(c *fiber.Ctx) error {
	said := 0
	for field := range bytes.Lines(c.Request().Header.RawHeaders()) { // fasthttp has tidied the parsed ones
		name, value, _ := bytes.Cut(field, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte(fiber.HeaderContentLength)):
			said++
		case bytes.EqualFold(name, []byte(fiber.HeaderTransferEncoding)):
			said++
			if !bytes.EqualFold(bytes.TrimSpace(value), []byte("chunked")) {
				said++
			}
		}
	}
	if said > 1 {
		c.Context().SetConnectionClose()
		return fiber.ErrBadRequest
	}
	return c.Next()
}

// plainBodies refuses compressed request bodies: fiber inflates them past the
// body limit (199 KB became 200 MB).
func plainBodies(c *fiber.Ctx) error {
	if len(c.Request().Header.Peek(fiber.HeaderContentEncoding)) > 0 {
		return fiber.ErrUnsupportedMediaType
	}
	return c.Next()
}

func measure(reg prometheus.Registerer, clock venue.Clock) fiber.Handler {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "venuecode_http_seconds", Help: "Time to answer, by route and status class.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
	}, []string{"route", "class"})
	reg.MustRegister(seconds)
	return func(c *fiber.Ctx) error {
		start := clock.Now()
		err := c.Next()
		status := c.Response().StatusCode()
		if err != nil {
			status, _ = statusOf(err)
		}
		seconds.WithLabelValues(c.Route().Path, strconv.Itoa(status/100)+"xx").Observe(clock.Now().Sub(start).Seconds())
		return err
	}
}

// Deadline is the context of a handler: fiber never cancels a request, so the
// deadline is ours to set.
func Deadline(c *fiber.Ctx, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.UserContext(), d)
}

// Error is a refusal with a code of its own that clients may rely on.
type Error struct {
	Status  int
	Code    string
	Message string // Chinese, for the person
}

func (e *Error) Error() string { return e.Code }

// Refusals that no sentinel of package venue stands for.
var (
	ErrBadJSON       = &Error{fiber.StatusBadRequest, "bad_json", "请求内容无法识别，请更新小程序后重试"}
	ErrUnauthorized  = &Error{fiber.StatusUnauthorized, "unauthorized", "登录已失效，请重新打开小程序"}
	ErrNotRegistered = &Error{fiber.StatusForbidden, "not_registered", "请先完成实名登记"}
	ErrCodeInvalid   = &Error{fiber.StatusNotFound, "code_invalid", "场所码无效，请联系场所工作人员"}
)

type errorBody struct {
	Error errorDetail `json:"error"`
}

type errorDetail struct {
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Field   string  `json:"field,omitempty"`
	Reason  string  `json:"reason,omitempty"`
	Fields  []Fault `json:"fields,omitempty"`
}

// errorPage shows the sentence, one of ours, to who came with a browser.
func errorPage(c *fiber.Ctx, sentence string) error {
	c.Type("html", "utf-8")
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; style-src 'unsafe-inline'")
	return c.SendString(`<!doctype html><html lang="zh-CN"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">` +
		`<title>` + pageTitle + `</title><body style="font: 20px/1.6 system-ui, &quot;PingFang SC&quot;, &quot;Noto Sans SC&quot;, &quot;Microsoft YaHei&quot;, sans-serif; max-width: 28em; margin: 15vh auto; padding: 0 20px"><h1 style="font-size: 24px">` + sentence + `</h1><p>` + pageAdvice + `</p></body></html>`)
}

// respond is the one place where an error becomes a status and a sentence. The
// person sees the sentence; the log, for faults of ours, the chain.
func respond(log *slog.Logger) fiber.ErrorHandler {
	return func(c *fiber.Ctx, err error) error {
		status, detail := statusOf(err)
		if status >= 500 {
			log.Error("request failed", "route", c.Route().Path, "status", status, "error", err)
		}
		if status == fiber.StatusServiceUnavailable { // a 429 is a day's quota: seconds change nothing
			c.Set(fiber.HeaderRetryAfter, "2")
		}
		if status == fiber.StatusRequestEntityTooLarge || status == fiber.StatusUnsupportedMediaType {
			c.Context().SetConnectionClose() // the rest of the body must not be read as the next request
		}
		if c.Status(status).Accepts(fiber.MIMEApplicationJSON, fiber.MIMETextHTML) == fiber.MIMETextHTML {
			return errorPage(c, detail.Message)
		}
		return c.JSON(errorBody{detail})
	}
}

// Sentence is the status and the sentence of an error, for a door that shows
// pages.
func Sentence(err error) (status int, sentence string) {
	status, detail := statusOf(err)
	return status, detail.Message
}

func statusOf(err error) (int, errorDetail) {
	var own *Error
	var form *FormError
	var invalid *venue.Invalid
	var frame *fiber.Error
	switch {
	case errors.As(err, &own):
		return own.Status, errorDetail{Code: own.Code, Message: own.Message}
	case errors.As(err, &form):
		return fiber.StatusUnprocessableEntity, errorDetail{Code: "invalid_form", Message: formSentence, Fields: form.Faults}
	case errors.As(err, &invalid):
		return fiber.StatusUnprocessableEntity, errorDetail{Code: "invalid_field", Message: fieldSentence(invalid), Field: invalid.Field, Reason: invalid.Reason}
	case errors.Is(err, venue.ErrInvalid):
		return fiber.StatusUnprocessableEntity, errorDetail{Code: "invalid", Message: "填写的内容有误，请检查后重试"}
	case errors.Is(err, venue.ErrConflict):
		return fiber.StatusConflict, errorDetail{Code: "conflict", Message: "与已有记录不一致，请核对后重试"}
	case errors.Is(err, venue.ErrExists):
		return fiber.StatusConflict, errorDetail{Code: "exists", Message: "已存在，请勿重复提交"}
	case errors.Is(err, venue.ErrNotFound):
		return fiber.StatusNotFound, errorDetail{Code: "not_found", Message: "没有找到"}
	case errors.Is(err, venue.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fiber.StatusServiceUnavailable, errorDetail{Code: "unavailable", Message: "系统繁忙，请稍候重试"}
	case errors.As(err, &frame):
		return frame.Code, frameDetail(frame.Code)
	}
	return fiber.StatusInternalServerError, errorDetail{Code: "internal", Message: "系统出现故障，请稍候重试"}
}

func frameDetail(status int) errorDetail {
	switch status {
	case fiber.StatusNotFound:
		return errorDetail{Code: "not_found", Message: "没有找到"}
	case fiber.StatusMethodNotAllowed:
		return errorDetail{Code: "method_not_allowed", Message: "不支持的请求方式"}
	case fiber.StatusRequestEntityTooLarge:
		return errorDetail{Code: "too_large", Message: "提交的内容过大、登录已失效，或同时提交的人太多，请稍候重试"}
	case fiber.StatusUnsupportedMediaType:
		return errorDetail{Code: "unsupported_encoding", Message: "不接受压缩的请求内容"}
	case fiber.StatusRequestHeaderFieldsTooLarge:
		return errorDetail{Code: "header_too_large", Message: "请求头过大"}
	}
	if status >= 500 {
		return errorDetail{Code: "internal", Message: "系统出现故障，请稍候重试"}
	}
	return errorDetail{Code: "bad_request", Message: "请求无法识别"}
}

// What a page says beside the sentence.
const (
	pageTitle  = "场所码"
	pageAdvice = "请返回上一页，核对后再试。"
)

var fieldNames = map[string]string{
	"name": "姓名", "id_number": "证件号码", "id_type": "证件类型", "phone": "手机号", "phone_code": "手机号授权",
	"consent": "同意告知书", "code": "场所码", "login_code": "登录凭证", "request_id": "请求编号", "app": "应用",
	"direction": "进出方向", "presence": "到场方式", "companions": "同行人", "link": "场所码链接", "reason": "理由", "id": "编号", "doors": "出入口名称", "remark": "备注", "finding": "情况", "before": "分页位置", "after": "分页位置", "limit": "每页条数",
}

var reasonWords = map[string]string{
	"required": "不能为空", "check": "校验不通过，请核对", "date": "中的日期不正确", "future": "中的日期不正确",
	"length": "长度不符合要求", "too_many": "人数超过上限", "twice": "重复填写", "self": "不能填写本人",
	"proof": "未经平台验证", "expired": "已过期，请重新获取", "sequence": "：请提供18位证件号码",
	"character": "含有不能使用的字符", "mixed": "在一个词里混用了形似的外文字母", "host": "不是本平台的链接", "private": "含有疑似证件号码或手机号",
}

// fieldSentences are those that say more about one field.
var fieldSentences = map[venue.Invalid]string{
	{Field: "photo", Reason: "required"}: "请先拍一张照片", {Field: "photo", Reason: "length"}: "照片太大，请选用不超过 8MB 的照片",
	{Field: "photo", Reason: "shape"}: "照片无法识别，请重新拍一张（JPEG 或 PNG 格式）", {Field: "photo", Reason: "range"}: "照片的像素太多，请把相机调到较低的分辨率后重拍",
	{Field: "remark", Reason: "private"}: "备注中不要写手机号码、证件号码", {Field: "remark", Reason: "length"}: "备注最多 200 字",
}

func fieldSentence(e *venue.Invalid) string {
	if s, ok := fieldSentences[*e]; ok {
		return s
	}
	field, ok := fieldNames[e.Field]
	if !ok {
		field = "填写的内容"
	}
	reason, ok := reasonWords[e.Reason]
	if !ok {
		reason = "格式不正确，请检查"
	}
	return field + reason
}

// Bearer is the token of an Authorization header, or "".
func Bearer(c *fiber.Ctx) string { return bearer(c.Get(fiber.HeaderAuthorization)) }

func bearer(header string) string {
	token, ok := strings.CutPrefix(header, "Bearer ")
	if !ok {
		return ""
	}
	return token
}
