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

// KeepOld has an old code resolve to a door for ever, and answers to which: the
// one that it has already, or else code.
func (r *Register) KeepOld(ctx context.Context, payload string, code venue.Code) (venue.Code, error) {
	id := oldCodeID(payload)
	added, err := insert(ctx, r.reg.oldCodes, id, OldCodeRow{Door: string(code), Payload: payload, At: venue.Millis(r.clock.Now())})
	if err != nil || added {
		return code, err
	}
	row, err := r.reg.oldCodes.Get(ctx, id)
	return venue.Code(row.Value.Door), err
}

// HasDoor tells whether there is a door of a code, in use or not, with its venue:
// that is written last.
func (r *Register) HasDoor(ctx context.Context, code venue.Code) (bool, error) {
	_, err := r.reg.Place(ctx, code)
	if errors.Is(err, venue.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// KeepStaff puts somebody of whom only the blind index is known on a unit's
// roster.
func (r *Register) KeepStaff(ctx context.Context, unit venue.UnitID, blind string) error {
	_, err := insert(ctx, r.rosters, string(unit)+":"+blind, RosterRow{Unit: string(unit), At: venue.Millis(r.clock.Now())})
	return err
}
