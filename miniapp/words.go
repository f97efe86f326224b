package miniapp

import "github.com/venuecode/venuecode/venue"

// titles are what a person reads first, by decision.
var titles = map[venue.Decision]string{
	venue.Admit:    "请通行",
	venue.Restrict: "限制通行",
	venue.Refuse:   "禁止通行",
	venue.Hold:     "请稍候，待核验",
}

// Words gives the title and the advice of a prompt: the title from here, the
// advice as the division wants it. If a companion decided, their masked name
// leads the title.
func Words(advice func(venue.Division, venue.Health) []string) func(venue.Division, venue.Health, venue.Decision, string) (string, []string) {
	return func(d venue.Division, h venue.Health, decision venue.Decision, whose string) (string, []string) {
		title := titles[decision]
		if whose != "" {
			title = "同行人 " + whose + "：" + title
		}
		return title, advice(d, h)
	}
}
