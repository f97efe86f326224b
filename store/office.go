package store

import (
	"fmt"

	"github.com/venuecode/venuecode/venue"
)

// ErrOutOfScope: it is there, but not for whoever asks. It is a
// venue.ErrNotFound to them; their door writes the attempt down.
var ErrOutOfScope = fmt.Errorf("out of scope: %w", venue.ErrNotFound)

// Office is the memory as officials read it. Every method takes the scope of
// whoever asks, and none answers without one: what lies outside is
// ErrOutOfScope, or left out of a list.
type Office struct {
	engine   Engine
	registry *Registry
}

// NewOffice opens it.
func NewOffice(engine Engine, registry *Registry) *Office {
	return &Office{engine: engine, registry: registry}
}
