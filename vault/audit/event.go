package audit

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/venuecode/venuecode/venue"
)

// Actors that are not accounts.
const (
	ActorSystem   = "system"   // a job of the platform
	ActorResident = "resident" // somebody acting on their own record
)

// Object is what was acted upon. A person's ID is one that the caller has
// blinded.
type Object struct {
	Kind string `json:"kind,omitempty"`
	ID   string `json:"id,omitempty"`
}

// key is the form in which objects are indexed; "" of no object.
func (o Object) key() string {
	if o == (Object{}) {
		return ""
	}
	return o.Kind + ":" + o.ID
}

// Event is something that somebody did, or was refused.
type Event struct {
	At      time.Time         `json:"at"`    // civil, set by Append, never before the row before it
	Actor   string            `json:"actor"` // account id, ActorSystem or ActorResident
	Action  string            `json:"action"`
	Object  Object            `json:"object,omitzero"`
	Purpose string            `json:"purpose,omitempty"`
	Reason  string            `json:"reason,omitempty"`
	Case    string            `json:"case,omitempty"`
	Outcome string            `json:"outcome,omitempty"`
	Details map[string]string `json:"details,omitempty"`
}

// The most that an event holds.
const (
	maxText    = 2048 // bytes of one text
	maxDetails = 64
)

// Check refuses what must not be in the trail: *venue.Invalid with the reason
// "missing", "length", "shape" (not UTF-8) or "private" (looks like an ID or
// phone number).
func (e Event) Check() error {
	texts := []struct{ field, text string }{
		{"actor", e.Actor}, {"action", e.Action}, {"object", e.Object.Kind}, {"object", e.Object.ID},
		{"purpose", e.Purpose}, {"reason", e.Reason}, {"case", e.Case}, {"outcome", e.Outcome},
	}
	if e.Actor == "" {
		return &venue.Invalid{Field: "actor", Reason: "missing"}
	}
	if e.Action == "" {
		return &venue.Invalid{Field: "action", Reason: "missing"}
	}
	if strings.Contains(e.Object.Kind, ":") {
		return &venue.Invalid{Field: "object", Reason: "shape"}
	}
	if len(e.Details) > maxDetails {
		return &venue.Invalid{Field: "details", Reason: "length"}
	}
	for k, v := range e.Details {
		texts = append(texts, struct{ field, text string }{"details", k}, struct{ field, text string }{"details", v})
	}
	for _, t := range texts {
		switch {
		case len(t.text) > maxText:
			return &venue.Invalid{Field: t.field, Reason: "length"}
		case !utf8.ValidString(t.text):
			return &venue.Invalid{Field: t.field, Reason: "shape"}
		case LooksPrivate(t.text):
			return &venue.Invalid{Field: t.field, Reason: "private"}
		}
	}
	return nil
}

// A gap is what people put between the groups of a number.
const gap = `[\s\-.·‐-―−]{0,3}`

var (
	private = regexp.MustCompile(`(?:^|[^0-9])(?:` +
		`(?:0086|86)?` + gap + `1[3-9][0-9]` + gap + `[0-9]{4}` + gap + `[0-9]{4}|` + // mobile
		`[1-9][0-9]{5}` + gap + `(?:18|19|20)[0-9]{2}` + gap + `(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])` + gap + `[0-9]{3}[0-9Xx]|` + // 18
		`[1-9][0-9]{5}` + gap + `[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])` + gap + `[0-9]{3}` + // 15
		`)(?:$|[^0-9])`)
	// A hash may by chance hold eleven digits in a row.
	hashes   = regexp.MustCompile(`\b(?:[0-9]*[a-f][0-9a-f]*|[0-9]*[A-F][0-9A-F]*)\b`)
	romanTen = strings.NewReplacer("Ⅹ", "X", "ⅹ", "x")
)

const hashDigits = 24 // at least, of a hash in hexadecimal

// LooksPrivate tells whether s holds what has the shape of a mobile number or
// of an ID number of 18 or 15 digits, written together or in groups. The check
// character is not asked: a number with a slip of the pen is somebody's too.
func LooksPrivate(s string) bool {
	s = romanTen.Replace(venue.Fold(s))
	s = hashes.ReplaceAllStringFunc(s, func(h string) string {
		if len(h) >= hashDigits {
			return "#"
		}
		return h
	})
	return private.MatchString(s)
}

// clone leaves the caller its map.
func (e Event) clone() Event {
	e.Details = maps.Clone(e.Details)
	return e
}

func detailKeys(e Event) []string { return slices.Sorted(maps.Keys(e.Details)) }
