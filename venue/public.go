package venue

import "regexp"

// ParsePublic is ParseTitle for what hangs at a door for all to read: whoever
// fills in their own number where a name or an address belongs is told. One more
// reason: "private" (it holds a mobile or ID number).
func ParsePublic(field, s string, least, most int) (string, error) {
	s, err := ParseTitle(field, s, least, most)
	if err == nil && holdsNumber(s) {
		return "", &Invalid{Field: field, Reason: "private"}
	}
	return s, err
}

// A number stands for itself: digits before or behind it make it something else.
var (
	ownPhone = regexp.MustCompile(`(?:^|[^0-9])(?:(?:00)?86)?[ -]?1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}(?:[^0-9]|$)`)
	ownID    = regexp.MustCompile(`(?:^|[^0-9])([1-8][0-9]{5}[ -]?(?:18|19|20)[0-9]{6}[ -]?[0-9]{3}[0-9XxⅩⅹ])(?:[^0-9]|$)`)
)

// holdsNumber is surer than the trail's audit.LooksPrivate, which may refuse too
// much: an ID number must be one, or USCCs and goods' numbers would be refused.
func holdsNumber(s string) bool {
	if ownPhone.MatchString(s) {
		return true
	}
	for {
		at := ownID.FindStringSubmatchIndex(s)
		if at == nil {
			return false
		}
		if _, err := ParseIDNumber(s[at[2]:at[3]], Day(1<<30)); err == nil {
			return true
		}
		s = s[at[3]:]
	}
}
