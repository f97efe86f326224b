package console

import (
	"cmp"
	"context"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/photo"
)

const (
	// maxSheet is the most bytes of a sheet: 50,000 venues have 2 MB as .xlsx and
	// 10 MB as .csv. From 16 MiB on a form's files are laid on the disk, in clear
	// (fasthttp). A larger one comes by the tool.
	maxSheet = 15 << 20
	// ownSheet is that of a unit's own. Less than a photo, and of another size: the
	// files of many units keep no officer's out (internal/web/held.go).
	ownSheet = 2 << 20
	beside   = 64 << 10 // for the rest of a form
)

// Larger is the limit of a body with a photo or a sheet, where one is taken;
// elsewhere 0.
func Larger(method, path string) int {
	n, _ := larger(method, path)
	return n
}

func larger(method, path string) (n int, need access.Permission) {
	switch {
	case method != fiber.MethodPost:
	case strings.HasPrefix(path, "/console/doors/") && strings.HasSuffix(path, "/posted"):
		return photo.MaxBytes + beside, access.VenuesWrite
	case path == importsPage:
		return maxSheet + beside, access.RegisterSend
	}
	return 0, ""
}

// Admit is web.Options.Larger: whoever has no session, or may not send what is
// larger, can not have more held for them than anybody else.
func (h *Handler) Admit(head web.Head) int {
	n, need := larger(head.Method, head.Path)
	if n == 0 {
		return 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	by, err := h.Access.Authenticate(ctx, cmp.Or(head.Bearer(), head.Cookie(cookie)))
	switch {
	case err != nil || !by.May(need):
		return 0
	case need == access.RegisterSend && !by.May(access.RegisterEnter):
		return ownSheet + beside
	}
	return n
}
