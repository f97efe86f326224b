package main

import (
	"slices"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// registering is the desk at which units apply for codes.
func (a *app) registering() *registry.Service {
	var auto []venue.Category
	for c := venue.CategoryOrganisation; c <= venue.CategoryOther; c++ {
		if slices.Contains(a.config.Register.AutoApprove, registry.Word(c)) {
			auto = append(auto, c)
		}
	}
	return &registry.Service{
		Applications: a.register, Book: a.register, Blanks: a.register,
		Policy: registry.Policy{Auto: auto}, Random: random, Clock: a.clock,
	}
}
