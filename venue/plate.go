package venue

import (
	"regexp"
	"strings"
)

// Plate is the number plate 号牌 of a vehicle, upper case, without the dot:
// 豫D12345.
type Plate string

const (
	plateProvince = `[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼]`
	plateOffice   = `[A-HJ-NP-Z]`
	plateSerial   = `[A-HJ-NP-Z0-9]`
)

var plate = regexp.MustCompile(`^(?:` + strings.Join([]string{
	plateProvince + plateOffice + plateSerial + `{5}`,
	plateProvince + plateOffice + `[DF]` + plateSerial + `\d{4}`, // new energy, small
	plateProvince + plateOffice + `\d{5}[DF]`,                    // new energy, large
	plateProvince + plateOffice + plateSerial + `{4}(?:学|挂|领|电|应急)`,
	plateProvince + `[A-HJ-Z]` + plateSerial + `{4}警`, // O: the province's own police
	plateProvince + `\d{5}[领电]`,
	`粤Z` + plateSerial + `{4}[港澳]`,
	`使\d{6}|\d{6}使`,
}, "|") + `)$`)

// ParsePlate reads a plate, full-width and lower case allowed; middle dots,
// hyphens and blanks are dropped (rulings I2). The reason of a refusal is
// "shape".
func ParsePlate(s string) (Plate, error) {
	s = strings.Map(func(r rune) rune {
		if isMiddleDot(r) {
			return -1
		}
		return r
	}, compact(s))
	if !plate.MatchString(s) {
		return "", &Invalid{Field: "plate", Reason: "shape"}
	}
	return Plate(s), nil
}
