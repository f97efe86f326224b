package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/venuecode/venuecode/venue"
)

// Alarm is a scan in red, and where it was.
type Alarm struct {
	Scan  venue.Scan
	Unit  venue.Unit  // that owned the door then
	Venue venue.Venue // zero, as Door, if it is no longer in the registry
	Door  venue.Door
}

// Alarms lists the scans in red that were received on a day, in the order of
// receipt, without the first skip and at most limit of them, and says how many
// there are in all. Rows only ever come in at the end, so that a page stays the
// page it was.
func (o *Office) Alarms(ctx context.Context, scope venue.Scope, day venue.Day, skip, limit int) (alarms []Alarm, total int, err error) {
	units, venues, doors := remember(o.registry.units), remember(o.registry.venues), remember(o.registry.doors)
	for scan, err := range o.engine.Attention(ctx, day.Start(), (day + 1).Start()) {
		if err != nil {
			return nil, 0, fmt.Errorf("list alarms: %w", err)
		}
		if scan.Health != venue.HealthRed {
			continue
		}
		unit, err := units(ctx, string(scan.Unit))
		if err != nil {
			return nil, 0, fmt.Errorf("list alarms: %w", err)
		}
		if !scope.Covers(unit) {
			continue
		}
		if total++; total <= skip || len(alarms) >= limit {
			continue
		}
		door, err := doors(ctx, string(scan.Door))
		if err != nil {
			return nil, 0, fmt.Errorf("list alarms: %w", err)
		}
		at, err := venues(ctx, string(door.Venue))
		if err != nil {
			return nil, 0, fmt.Errorf("list alarms: %w", err)
		}
		alarms = append(alarms, Alarm{Scan: scan, Unit: unit, Venue: at, Door: door})
	}
	return alarms, total, nil
}

// Scan reads one scan; venue.ErrNotFound, or ErrOutOfScope if the unit that
// owned the door is.
func (o *Office) Scan(ctx context.Context, scope venue.Scope, day venue.Day, key venue.ScanKey) (venue.Scan, error) {
	scan, err := o.engine.Scan(ctx, day, key)
	if err != nil {
		return venue.Scan{}, err
	}
	unit, err := remember(o.registry.units)(ctx, string(scan.Unit))
	if err != nil {
		return venue.Scan{}, fmt.Errorf("read the unit of a scan: %w", err)
	}
	if !scope.Covers(unit) {
		return venue.Scan{}, fmt.Errorf("read scan: %w", ErrOutOfScope)
	}
	return scan, nil
}

// remember reads each document once. One that is not there is the zero value,
// which no scope covers.
func remember[T any](c Collection[T]) func(ctx context.Context, id string) (T, error) {
	known := map[string]T{}
	return func(ctx context.Context, id string) (T, error) {
		v, ok := known[id]
		if ok || id == "" {
			return v, nil
		}
		row, err := c.Get(ctx, id)
		if err != nil && !errors.Is(err, venue.ErrNotFound) {
			return v, err
		}
		known[id] = row.Value
		return row.Value, nil
	}
}
