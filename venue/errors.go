package venue

import "errors"

// The outcomes that callers act on. Everything else is wrapped text.
var (
	// ErrInvalid: what was given can not be what it claims to be. Always
	// reached through an *Invalid that names the field and the reason.
	ErrInvalid = errors.New("invalid")
	// ErrNotFound: nothing by that name, or nothing that the asker may know of.
	ErrNotFound = errors.New("not found")
	// ErrExists: something by that name is there already.
	ErrExists = errors.New("exists already")
	// ErrStale: the document changed since it was read; read again and retry.
	ErrStale = errors.New("stale revision")
	// ErrConflict: the same request id came with other content.
	ErrConflict = errors.New("conflict")
	// ErrUnavailable: a service or the store did not answer in time; nothing
	// can be said, and the caller may try again.
	ErrUnavailable = errors.New("unavailable")
)

// Invalid says which field is wrong and why. Reason is a stable word such as
// "shape", "check", "date", "length"; each surface owns the sentence for it.
// It never carries the offending value, which may be a person's.
type Invalid struct {
	Field  string
	Reason string
}

func (e *Invalid) Error() string { return e.Field + ": " + e.Reason }

func (e *Invalid) Unwrap() error { return ErrInvalid }
