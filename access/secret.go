package access

import (
	"fmt"
	"log/slog"
)

// Secret is shown once, to whoever hands it out. It prints, logs and encodes
// masked. It hides behind a function because fmt calls no method on an
// unexported field of somebody's struct.
type Secret struct{ reveal func() string }

const mask = "******"

func secret(s string) Secret { return Secret{func() string { return s }} }

// Reveal gives the clear text; "" if there is none.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero tells whether there is no secret.
func (s Secret) IsZero() bool { return s.reveal == nil }

// String gives the mask.
func (s Secret) String() string { return mask }

// MarshalText writes the mask.
func (s Secret) MarshalText() ([]byte, error) { return []byte(mask), nil }

// LogValue logs the mask.
func (s Secret) LogValue() slog.Value { return slog.StringValue(mask) }

// Format prints the mask for every verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, mask) }

// Issued is what a new or reset account's owner must be given. The password is
// good for choosing another, and for nothing else.
type Issued struct {
	User     string
	Password Secret // zero if it did not change
	TOTP     Secret // base32; zero if it did not change
	URL      Secret // otpauth:// for a QR code; zero with TOTP
}
