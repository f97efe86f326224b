package store

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/venuecode/venuecode/venue"
)

// MaxPayload is the most bytes of an old code: what a former system's QR code
// held, be it an address, a number or JSON.
const MaxPayload = 512

// oldCodeID is under what an old code is kept. A hash, because an engine may not
// take any bytes of any length for an id; without a key, because whoever has a
// payload has a poster.
func oldCodeID(payload string) string {
	sum := sha256.Sum256([]byte(payload))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Old finds the door of a code that a former system printed, "" if there is none
// (N12). That never changes, so what was found is kept without looking again; a
// payload that is none of these costs what an unknown code costs.
func (r *Registry) Old(ctx context.Context, payload string) (venue.Code, error) {
	id := absentKey
	if payload = strings.TrimSpace(payload); payload != "" && len(payload) <= MaxPayload {
		id = oldCodeID(payload)
	}
	if code, ok := r.old.Get(id); ok {
		return code, nil
	}
	row, err := r.oldCodes.Get(ctx, id)
	if errors.Is(err, venue.ErrNotFound) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	code := venue.Code(row.Value.Door)
	r.old.Add(id, code)
	return code, nil
}

// Payload is what the QR code of a door holds that came with an old code, so that
// a new poster has the same; "" if the door has none of its own.
func (r *Registry) Payload(ctx context.Context, door venue.Code) (string, error) {
	rows, err := r.oldCodes.All(ctx, Query{Index: "door", Equal: []any{string(door)}, Limit: 1})
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return rows[0].Value.Payload, nil
}

// KeepOld has old codes resolve to doors for ever. It puts into codes what they had
// already, and says which are kept anew.
func (r *Register) KeepOld(ctx context.Context, payloads []string, codes []venue.Code) (kept []bool, err error) {
	rows := make([]Row[OldCodeRow], len(payloads))
	now := venue.Millis(r.clock.Now())
	for i, payload := range payloads {
		rows[i] = Row[OldCodeRow]{ID: oldCodeID(payload), Value: OldCodeRow{Door: string(codes[i]), Payload: payload, At: now}}
	}
	if kept, err = r.reg.oldCodes.InsertAll(ctx, rows); err != nil {
		return nil, err
	}
	var there []string
	for _, row := range whose(rows, kept, false) {
		there = append(there, row.ID)
	}
	found, err := r.reg.oldCodes.GetAll(ctx, there)
	for i, row := range rows {
		if old, ok := found[row.ID]; ok && !kept[i] {
			codes[i] = venue.Code(old.Door)
		}
	}
	return kept, err
}

// OldDoors lists the old codes that lead to a door already.
func (r *Register) OldDoors(ctx context.Context, payloads []string) (map[string]bool, error) {
	ids := make([]string, len(payloads))
	for i, payload := range payloads {
		ids[i] = oldCodeID(payload)
	}
	rows, err := r.reg.oldCodes.GetAll(ctx, ids)
	if err != nil {
		return nil, err
	}
	var codes []venue.Code
	for _, row := range rows {
		codes = append(codes, venue.Code(row.Door))
	}
	there, err := r.HaveDoors(ctx, codes)
	lead := map[string]bool{}
	for _, row := range rows {
		lead[row.Payload] = there[venue.Code(row.Door)]
	}
	return lead, err
}

// HaveDoors lists the codes of which there is a door, in use or not, with its
// venue: that is written last.
func (r *Register) HaveDoors(ctx context.Context, codes []venue.Code) (map[venue.Code]bool, error) {
	ids := make([]string, len(codes))
	for i, code := range codes {
		ids[i] = string(code)
	}
	doors, err := r.reg.doors.GetAll(ctx, ids)
	if err != nil {
		return nil, err
	}
	var at []string
	for _, d := range doors {
		at = append(at, string(d.Venue))
	}
	venues, err := r.reg.venues.GetAll(ctx, at)
	have := map[venue.Code]bool{}
	for _, d := range doors {
		if _, ok := venues[string(d.Venue)]; ok {
			have[d.Code] = true
		}
	}
	return have, err
}

// Staff is one of a unit's staff, of whom only the blind index is known.
type Staff struct {
	Unit  venue.UnitID
	Blind string
}

// KeepStaff puts people on the rosters of their units.
func (r *Register) KeepStaff(ctx context.Context, staff []Staff) error {
	rows, now := make([]Row[RosterRow], len(staff)), venue.Millis(r.clock.Now())
	for i, s := range staff {
		rows[i] = Row[RosterRow]{ID: string(s.Unit) + ":" + s.Blind, Value: RosterRow{Unit: string(s.Unit), At: now}}
	}
	_, err := r.rosters.InsertAll(ctx, rows)
	return err
}
