package venue

import "strings"

// IDNumber is a citizen identity number 公民身份号码 (GB 11643-1999) or the
// number of a residence permit (81, 82, 83), which has the same form: 18
// characters, upper case. It prints as 4****************8.
type IDNumber struct{ private }

var idWeights = [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}

// ParseIDNumber reads a number of 18 characters, or of a 15-digit card, which
// it upgrades. Blanks and hyphens are dropped, Ⅹ is X, the address code is not
// looked up and no year is too early (rulings I1). Reasons: "shape"; "sequence"
// (15 digits ending in 996–999: born before 1900, ask for 18 digits); "date"
// (not in the calendar, or after today); "check".
func ParseIDNumber(s string, today Day) (IDNumber, error) {
	refuse := func(reason string) (IDNumber, error) {
		return IDNumber{}, &Invalid{Field: "id_number", Reason: reason}
	}
	s = compact(romanTen.Replace(s))
	switch len(s) {
	case 15:
		if !isDigits(s) {
			return refuse("shape")
		}
		if s[12:] >= "996" {
			return refuse("sequence")
		}
		s = s[:6] + "19" + s[6:]
		s += string(idCheck(s))
	case 18:
		if !isDigits(s[:17]) || !isDigits(s[17:]) && s[17] != 'X' {
			return refuse("shape")
		}
	default:
		return refuse("shape")
	}
	born, err := ParseDay(s[6:10] + "-" + s[10:12] + "-" + s[12:14])
	if err != nil || born > today {
		return refuse("date")
	}
	if s[17] != idCheck(s[:17]) {
		return refuse("check")
	}
	return IDNumber{conceal(s, s[:1]+strings.Repeat("*", 16)+s[17:])}, nil
}

var romanTen = strings.NewReplacer("Ⅹ", "X", "ⅹ", "X")

// idCheck is the check character of the first 17 digits.
func idCheck(digits string) byte {
	sum := 0
	for i, weight := range idWeights {
		sum += weight * int(digits[i]-'0')
	}
	return "10X98765432"[sum%11]
}

// isDigits tells whether s is not empty and all ASCII digits.
func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
