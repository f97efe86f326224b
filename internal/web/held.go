package web

import (
	"strconv"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
)

// largerHeld is how many bytes of larger bodies of one limit a process holds at a
// time: four sheets, or fifteen photos.
const largerHeld = 64 << 20

// held are the larger bodies that are on their way, or answered just now. One that
// breaks off tells nobody: it counts for as long as it might have taken.
type held struct {
	mu     sync.Mutex
	last   int
	bodies map[string]heldBody
}

type heldBody struct {
	limit int
	until time.Time
}

// markHeader names a body among those held, from its head on. What a client sends
// under the name is dropped.
const markHeader = "X-Held-Body"

// begin makes room for one more, if there is any.
func (h *held) begin(limit int, now time.Time) (mark string, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	sum := limit
	for mark, b := range h.bodies {
		switch {
		case now.After(b.until):
			delete(h.bodies, mark)
		case b.limit == limit:
			sum += limit
		}
	}
	if sum > largerHeld {
		return "", false
	}
	if h.bodies == nil {
		h.bodies = map[string]heldBody{}
	}
	h.last++
	mark = strconv.Itoa(h.last)
	h.bodies[mark] = heldBody{limit, now.Add(BodyTime)}
	return mark, true
}

// end is a handler that gives the room back once the body is answered.
func (h *held) end(c *fiber.Ctx) error {
	mark := c.Get(markHeader)
	if mark == "" {
		return c.Next()
	}
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.bodies, mark)
	}()
	return c.Next()
}
