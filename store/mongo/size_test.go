package mongo

import (
	"testing"
	"time"

	"github.com/venuecode/venuecode/store/storetest"
	"github.com/venuecode/venuecode/venue"
)

// TestARowIsAsLongAsTheSizingSays: docs/scale.md counts disks by these lengths.
func TestARowIsAsLongAsTheSizingSays(t *testing.T) {
	green := storetest.Scan(1, 1, "0123456789ABCDEF", storetest.Noon)
	green.Unit = "u_0123456789abcdef"
	green.Person = make([]byte, 49) // a sealed reference: head 5, nonce 12, id 16, tag 16
	unknown := storetest.Colour(green, venue.HealthUnknown)
	unknown.HealthAt = time.Time{}
	companion := green
	companion.Proxy = green.Person
	for _, c := range []struct {
		what string
		scan venue.Scan
		want int
	}{
		{"green", green, 246},
		{"unknown", unknown, 246},
		{"a companion's", companion, 303},
	} {
		if got := len(makeEntry(c.scan).row); got != c.want {
			t.Errorf("the row of a scan, %s, has %d bytes, docs/scale.md counts %d", c.what, got, c.want)
		}
	}
}
