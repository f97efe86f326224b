package miniapp

import (
	"slices"
	"testing"

	"github.com/venuecode/venuecode/internal/declared"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

func TestEverythingHasAText(t *testing.T) {
	for d := venue.Admit; d <= venue.Refuse; d++ {
		if titles[d] == "" {
			t.Errorf("decision %s has no title", d)
		}
	}
	for _, s := range declared.Of(t, "../venue/registry", "State") {
		if stateWords[registry.State(s)] == "" {
			t.Errorf("an application that is %s has no words", s)
		}
	}
	never := []venue.Status{venue.StatusBlank, venue.StatusClosed} // of an applicant's own
	for _, s := range declared.Of(t, "../venue", "Status") {
		if doorWords[venue.Status(s)] == "" && !slices.Contains(never, venue.Status(s)) {
			t.Errorf("a door that is %s has no words", s)
		}
	}
	for _, p := range declared.Of(t, "../vault/reveal", "Purpose") {
		if purposeNames[p] == "" {
			t.Errorf("purpose %s has no name", p)
		}
	}
}
