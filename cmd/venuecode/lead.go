package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/venuecode/venuecode/internal/schedule"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault"
)

// Where several processes share a memory, what one of them records the leader
// finds by looking.
const (
	leaderPoll = 2 * time.Second // for messages: alarms go out within seconds
	leaderLook = 5 * time.Second // for scans that wait for a colour
)

// leasePace is shorter in tests.
var leasePace = store.DefaultLeasePace

// openLease has jobs run under a lease where others may share the memory. The
// embedded engine admits nobody else, and a clock that is moved is one process's.
func (a *app) openLease(metrics prometheus.Registerer) (err error) {
	if !a.config.Embedded() && a.clock.Mode() == schedule.Real {
		if a.lease, err = store.NewLease(a.engine, "jobs", leasePace, machine, random); err != nil {
			return err
		}
		if err = a.joinProcesses(); err != nil {
			return err
		}
	}
	metrics.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "venuecode_leader", Help: "1 if this process runs the jobs."}, func() float64 {
			if a.lease != nil {
				if _, ok := a.lease.Token(); !ok {
					return 0
				}
			}
			return 1
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "venuecode_lease_takeovers_total", Help: "Times that this process took the jobs over from one that had fallen silent."}, func() float64 {
			if a.lease == nil {
				return 0
			}
			return float64(a.lease.Takeovers())
		}),
	)
	return nil
}

// scheduler is the runner of this process's jobs.
func (a *app) scheduler(metrics prometheus.Registerer) *schedule.Runner {
	o := schedule.Options{Clock: a.clock, Log: a.log, Metrics: metrics}
	if a.lease != nil {
		o.Lead, o.Poll = a.lease, leaderPoll
	}
	return schedule.NewRunner(o)
}

// beat keeps the lease until ctx ends, and tells when it is gained or lost.
func (a *app) beat(ctx context.Context) {
	ticker := time.NewTicker(leasePace.Beat)
	defer ticker.Stop()
	led, token, failed := false, int64(0), false
	for ctx.Err() == nil {
		call, cancel := context.WithTimeout(ctx, leasePace.Hold/2)
		err := errors.Join(a.lease.Beat(call), a.processes.Beat(call))
		cancel()
		if err != nil && !failed && ctx.Err() == nil {
			a.log.Warn("lease: a beat did not arrive", "error", err)
		}
		failed = err != nil
		now, leads := a.lease.Token()
		if led && (!leads || now != token) {
			a.log.Warn("jobs: this process does not lead any more", "token", token)
		}
		if leads && (!led || now != token) {
			a.log.Info("jobs: this process leads", "token", now)
			a.runner.Wake()
		}
		led, token = leads, now
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// watchKeys notices what other processes do to the keys, until ctx ends.
func (a *app) watchKeys(ctx context.Context) {
	ticker := time.NewTicker(vault.LookEvery)
	defer ticker.Stop()
	for failed := false; ctx.Err() == nil; {
		err := a.vault.Look(machine)
		if err != nil && !failed {
			a.log.Error("keys: the folder can not be read, soon no scan can be sealed", "error", err)
		}
		if err == nil && failed {
			a.log.Info("keys: the folder is there again")
		}
		failed = err != nil
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// giveBack lets another process lead at once. Its jobs have ended.
func (a *app) giveBack(ctx context.Context) error {
	if a.lease == nil {
		return nil
	}
	if err := errors.Join(a.processes.Leave(ctx), a.lease.Release(ctx)); err != nil {
		return fmt.Errorf("stop leading: %w", err)
	}
	return nil
}
