package venue

import "strings"

// USCC is a unified social credit code 统一社会信用代码 (GB 32100-2015): 18
// characters in upper case.
type USCC string

const (
	usccLength   = 18
	usccAlphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
)

// ParseUSCC reads a code, full-width and lower case allowed. The reason of a
// refusal is "shape".
//
// proof says that the shape is right and the check character is not. Genuine
// codes of an early Fujian pilot are so; they hold once an officer has seen
// the register, and until then the unit is pending.
func ParseUSCC(s string) (u USCC, proof bool, err error) {
	s = upper(strings.TrimSpace(Fold(s)))
	if len(s) != usccLength {
		return "", false, &Invalid{Field: "uscc", Reason: "shape"}
	}
	// The weights are 3^i mod 31 and the last one closes the sum: with check
	// (31 − Σ mod 31) mod 31, sum and check together are 0 mod 31.
	sum, weight := 0, 1
	for i := range usccLength {
		d := strings.IndexByte(usccAlphabet, s[i])
		if d < 0 {
			return "", false, &Invalid{Field: "uscc", Reason: "shape"}
		}
		if i == usccLength-1 {
			weight = 1
		}
		sum += d * weight
		weight = weight * 3 % 31
	}
	return USCC(s), sum%31 != 0, nil
}
