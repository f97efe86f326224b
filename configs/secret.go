package configs

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

const mask = "***"

// Secret is a value that nobody may read by printing it: every verb of fmt,
// JSON, YAML and slog give *** (nothing if it is empty). Only Reveal tells it.
//
// It holds a pointer, because fmt cannot call the methods of an unexported
// field and would print a string held there; of a pointer it prints the address.
type Secret struct{ value *string }

// NewSecret hides s, for tests and demonstrations.
func NewSecret(s string) Secret { return Secret{&s} }

// Reveal is the value itself, for the client that must send it.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Set tells whether there is a value.
func (s Secret) Set() bool { return s.Reveal() != "" }

func (s Secret) String() string {
	if s.Set() {
		return mask
	}
	return ""
}

// Format answers every verb, %#v and %d too, with the mask.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText writes the mask.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON writes the mask.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// LogValue logs the mask.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
