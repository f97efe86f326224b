package console

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

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
	beside   = 64 << 10 // for the rest of a form

	maxBodies = 4 // of sheets in a process at a time
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
	case path == "/console/imports":
		return maxSheet + beside, access.RegisterEnter
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
	if err != nil || !by.May(need) || n > maxSheet && !h.bodies.begin(h.Machine.Now()) {
		return 0
	}
	return n
}

// bodies are the sheets on their way. One that breaks off tells nobody: it counts
// for as long as it might have taken.
type bodies struct {
	mu    sync.Mutex
	until []time.Time
}

// begin tells whether there is room for one more.
func (b *bodies) begin(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.until = slices.DeleteFunc(b.until, now.After)
	if len(b.until) == maxBodies {
		return false
	}
	b.until = append(b.until, now.Add(web.BodyTime))
	return true
}

func (b *bodies) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.until) > 0 {
		b.until = b.until[1:]
	}
}
