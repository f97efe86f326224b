package web

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// largerHeld is how many bytes of larger bodies of one limit a process holds at a
// time: four sheets, or fifteen photos.
const largerHeld = 64 << 20

// held are the larger bodies that are on their way, or being answered, by the head
// in the connection's buffers. One whose sender leaves before its first byte tells
// nobody: it counts for as long as it might have taken.
type held struct {
	some   atomic.Bool // there may be any: most requests need not ask
	mu     sync.Mutex
	bodies map[*fasthttp.RequestHeader]heldBody
}

type heldBody struct {
	limit int
	until time.Time
}

// begin makes room for one more, if there is any.
func (h *held) begin(head *fasthttp.RequestHeader, limit int, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	sum := limit
	for other, b := range h.bodies {
		switch {
		case now.After(b.until):
			delete(h.bodies, other)
		case b.limit == limit:
			sum += limit
		}
	}
	if sum > largerHeld {
		return false
	}
	if h.bodies == nil {
		h.bodies = map[*fasthttp.RequestHeader]heldBody{}
	}
	h.bodies[head] = heldBody{limit, now.Add(BodyTime)}
	h.some.Store(true)
	return true
}

// end gives the room back, if there is any to give.
func (h *held) end(head *fasthttp.RequestHeader) {
	if !h.some.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.bodies, head)
	h.some.Store(len(h.bodies) > 0)
}

// answered is a handler that gives the room back behind all others.
func (h *held) answered(c *fiber.Ctx) error {
	defer h.end(&c.Request().Header)
	return c.Next()
}
