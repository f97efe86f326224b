package venue

import "regexp"

// Phone is a mobile number of the mainland: 11 digits, without the country
// code. It prints as 138****8000.
type Phone struct{ private }

var mobile = regexp.MustCompile(`^(?:\+86|0086|86)?(1[3-9]\d{9})$`)

// ParsePhone reads a number, full-width, with blanks and hyphens, and with or
// without +86, 0086 or 86. The reason of a refusal is "shape".
func ParsePhone(s string) (Phone, error) {
	m := mobile.FindStringSubmatch(compact(s))
	if m == nil {
		return Phone{}, &Invalid{Field: "phone", Reason: "shape"}
	}
	digits := m[1]
	return Phone{conceal(digits, digits[:3]+"****"+digits[7:])}, nil
}
