package sim

import (
	"crypto/subtle"
	"encoding/json"
	"sync"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/venue"
)

// colours is what the provincial service believes. Everyone is green until set.
type colours struct {
	mu sync.RWMutex
	of map[string]string
}

func (b *colours) get(id string) string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if c := b.of[id]; c != "" {
		return c
	}
	return "green"
}

func (b *colours) set(id, color string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of[id] = color
}

func (b *colours) records() []record {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var all []record
	for id, color := range b.of {
		all = append(all, record{Colour: &colourRecord{id, color}})
	}
	return all
}

// somebodyElse is the person of whom a service in the mode wrongperson speaks.
const somebodyElse = "110101199003070134"

// queryHealth answers POST /health/v1/query {"id_number","name"} with
// {"id_number","color","at"}; at is the civil instant of the colour.
//
// A load test asks this as often as it scans: the answer is written by hand.
func (s *Sim) queryHealth(c *fiber.Ctx, wrong bool) error {
	want := "Bearer " + s.keys.Health // never replaced after New
	if subtle.ConstantTimeCompare([]byte(c.Get(fiber.HeaderAuthorization)), []byte(want)) != 1 {
		return c.Status(fiber.StatusUnauthorized).JSON(healthError{"bad credential"})
	}
	var in struct {
		IDNumber string `json:"id_number"`
		Name     string `json:"name"`
	}
	if json.Unmarshal(c.Body(), &in) != nil || !identity(in.IDNumber) {
		return c.Status(fiber.StatusBadRequest).JSON(healthError{"bad request"})
	}
	id, color := in.IDNumber, "green"
	if wrong {
		id = somebodyElse
	} else {
		color = s.colours.get(id)
	}
	b := make([]byte, 0, 96)
	b = append(b, `{"id_number":"`...)
	b = append(b, id...)
	b = append(b, `","color":"`...)
	b = append(b, color...)
	b = append(b, `","at":"`...)
	b = s.civil.Now().In(venue.Zone).AppendFormat(b, venue.InstantFormat)
	b = append(b, `"}`...)
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Send(b)
}

type healthError struct {
	Error string `json:"error"`
}

func healthLimited(c *fiber.Ctx) error {
	c.Set(fiber.HeaderRetryAfter, "1")
	return c.Status(fiber.StatusTooManyRequests).JSON(healthError{"too many requests"})
}

// identity tells whether s looks like an identity number: letters and digits
// only, so that it may stand in a JSON string as it is.
func identity(s string) bool {
	if len(s) < 8 || len(s) > 20 {
		return false
	}
	for _, r := range s {
		if !(r >= '0' && r <= '9' || r >= 'A' && r <= 'Z') {
			return false
		}
	}
	return true
}
