package miniapp

import (
	"net/url"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/internal/web"
)

// errForged refuses a notification that Alipay did not sign.
var errForged = &web.Error{Status: fiber.StatusForbidden, Code: "forged", Message: "签名无效"}

// notified takes what Alipay tells of its own accord. Nothing of it is needed
// yet; it is checked and acknowledged, so that it is not sent again for a day.
func (h *Handler) notified(c *fiber.Ctx) error {
	form := url.Values{}
	c.Request().PostArgs().VisitAll(func(k, v []byte) { form.Add(string(k), string(v)) })
	if err := h.Notification(form); err != nil {
		return errForged
	}
	return c.SendString("success")
}
