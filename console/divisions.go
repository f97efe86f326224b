package console

import (
	"cmp"
	"slices"
	"strings"

	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/venue"
)

// division reads a division by its code, or by the name that one alone has in the
// asker's scope: 文昌街道. The reason of a refusal is "unclear".
func (h *Handler) division(c *call, text string) (venue.Division, error) {
	if d, err := venue.ParseDivision(text); err == nil {
		return d, nil
	}
	var found []venue.Division
	for _, own := range c.by.Scope().Divisions() {
		if d, ok := h.Divisions.Named(strings.TrimSpace(text), own); ok {
			found = append(found, d)
		}
	}
	if len(found) != 1 {
		return "", &venue.Invalid{Field: "division", Reason: "unclear"}
	}
	return found[0], nil
}

// divisions are those to choose from: the asker's, what lies in them down to the
// townships, and the one that was asked for. None if nobody has listed any.
func (h *Handler) divisions(c *call, asked venue.Division) (choices []web.Choice) {
	if h.Divisions.Len() == 0 {
		return nil
	}
	add := func(d venue.Division, indent string) {
		choices = append(choices, web.Choice{Value: string(d), Label: indent + cmp.Or(h.Divisions.Name(d), string(d))})
	}
	var walk func(d venue.Division, indent string)
	walk = func(d venue.Division, indent string) {
		add(d, indent)
		if d.Level() < venue.LevelTownship || indent == "" {
			for _, below := range h.Divisions.Within(d) {
				walk(below.Code, indent+"\u3000")
			}
		}
	}
	for _, own := range c.by.Scope().Divisions() {
		walk(own, "")
	}
	if asked != "" && !slices.ContainsFunc(choices, func(o web.Choice) bool { return o.Value == string(asked) }) {
		add(asked, "")
	}
	return choices
}
