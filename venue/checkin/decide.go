package checkin

import (
	"github.com/venuecode/venuecode/venue"
)

// Policy is what a division may decide about check-in (rules §2).
type Policy struct {
	// SentinelYellow is the decision for a yellow code at a sentinel venue.
	SentinelYellow venue.Decision
	// Companions is how many people one may scan for: at most 5.
	Companions int
	// Words gives the title and the advice for what was decided in a division.
	// whose is the masked name of the companion that decided it, or "".
	Words func(division venue.Division, health venue.Health, decision venue.Decision, whose string) (title string, advice []string)
}

// Decide is the table colour × kind of venue → decision. A colour that is not
// known is never green: somebody has to look first.
func (p Policy) Decide(h venue.Health, sentinel bool) venue.Decision {
	switch h {
	case venue.HealthGreen:
		return venue.Admit
	case venue.HealthYellow:
		if sentinel {
			return p.SentinelYellow
		}
		return venue.Restrict
	case venue.HealthRed:
		return venue.Refuse
	default:
		return venue.Hold
	}
}
