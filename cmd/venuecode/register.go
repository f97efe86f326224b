package main

import (
	"context"
	"slices"
	"time"

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

// completing ends what a process that ended has begun: approvals, changes.
type completing struct {
	applying *registry.Service
	clock    venue.Clock
	due      time.Time
}

const completeEvery = 10 * time.Minute

func (c *completing) Name() string { return "complete_register" }

func (c *completing) Next(context.Context) (time.Time, bool, error) {
	if c.due.IsZero() {
		return c.clock.Now(), true, nil
	}
	return c.due, true, nil
}

func (c *completing) Run(ctx context.Context, now time.Time) (ran, deferred int, err error) {
	c.due = now.Add(completeEvery)
	ran, err = c.applying.Settle(ctx)
	return ran, 0, err
}
