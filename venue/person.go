package venue

import (
	"encoding/hex"
	"log/slog"
	"time"
)

// PersonID names a person inside the platform. It is random and means nothing
// outside; it still follows one person through time, so it prints masked and
// reaches a scan row only sealed.
type PersonID [16]byte

func (PersonID) String() string { return "person(…)" }

// GoString masks %#v.
func (p PersonID) GoString() string { return p.String() }

// LogValue masks in logs.
func (p PersonID) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText masks in JSON.
func (p PersonID) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Key is the person's document id.
func (p PersonID) Key() string { return hex.EncodeToString(p[:]) }

// IsZero tells whether it names nobody.
func (p PersonID) IsZero() bool { return p == PersonID{} }

// ParsePersonKey reads a document id.
func ParsePersonKey(s string) (p PersonID, err error) {
	if b, e := hex.DecodeString(s); e != nil || copy(p[:], b) != len(p) || len(b) != len(p) {
		return PersonID{}, &Invalid{Field: "person", Reason: "shape"}
	}
	return p, nil
}

// Identity is what the health-code service is asked with.
type Identity struct {
	Name PersonName
	ID   IDNumber
}

// Reading is what the health-code service said about a person, and when it was
// so. The zero Reading is unknown.
type Reading struct {
	Health Health
	At     time.Time
}
