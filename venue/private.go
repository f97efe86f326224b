package venue

import (
	"fmt"
	"log/slog"
	"unique"
)

// private is a value that shows itself only masked; PersonName, IDNumber and
// Phone embed it. Two are equal (==) when their clear texts are.
//
// The clear text sits behind a handle, not in a string field: fmt calls no
// method on an unexported field of somebody's struct, nor for %p or a misplaced
// %w, and would print the string; of a handle it prints an address.
//
// There is no UnmarshalText: only the Parse functions make these values.
type private struct {
	clear unique.Handle[string]
	shown string
}

func conceal(clear, shown string) private { return private{unique.Make(clear), shown} }

// Reveal gives the clear text; the caller writes the audit entry. The zero
// value reveals "".
func (p private) Reveal() string {
	if p.IsZero() {
		return ""
	}
	return p.clear.Value()
}

// IsZero tells whether there is no value.
func (p private) IsZero() bool { return p == private{} }

// String gives the mask.
func (p private) String() string { return p.shown }

// GoString gives the mask.
func (p private) GoString() string { return p.shown }

// MarshalText writes the mask, for JSON and every other text encoding.
func (p private) MarshalText() ([]byte, error) { return []byte(p.shown), nil }

// LogValue logs the mask.
func (p private) LogValue() slog.Value { return slog.StringValue(p.shown) }

// Format prints the mask for every verb, %d and %x included; width holds.
func (p private) Format(f fmt.State, verb rune) {
	if verb != 'q' {
		verb = 's'
	}
	fmt.Fprintf(f, fmt.FormatString(f, verb), p.shown)
}
