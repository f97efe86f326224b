package leak

import (
	"bytes"
	"io"
	"strings"
	"time"

	"github.com/venuecode/venuecode/poster"
)

// posters: what can not be printed is not repeated. Who fills a field with what
// does not belong there sees it on the wall.
func posters(o *out) {
	door := poster.Door{
		Link: "https://code.example.org/v/0", Serial: "0", Venue: "青禾市民中心", Door: "南门", Address: "文昌路1号",
		Operator: "青禾市疫情防控指挥部", Contact: "0398-6660000", KeptDays: 30,
	}
	for what, secret := range secrets {
		long := strings.Repeat(secret, 80)
		for field, change := range map[string]func(d *poster.Door){
			"link":    func(d *poster.Door) { d.Link = "https://" + secret + "/" + long },
			"venue":   func(d *poster.Door) { d.Venue = long },
			"door":    func(d *poster.Door) { d.Door = long },
			"contact": func(d *poster.Door) { d.Contact = long },
		} {
			d := door
			change(&d)
			where := what + " as " + field
			var b bytes.Buffer
			o.failure(where, poster.SVG(&b, poster.A4, d))
			o.failure(where, poster.HTML(&b, poster.A4, door, d))
			o.failure(where, poster.PDF(&b, poster.A4, d))
			o.failure(where, poster.Archive(io.Discard, poster.A4, poster.KindSVG, time.Time{}, func(yield func(poster.Door, error) bool) { yield(d, nil) }))
			o.text(where, b.Bytes())
		}
		o.failure(what+" as kind", poster.Archive(io.Discard, poster.A4, poster.Kind(secret), time.Time{}, func(yield func(poster.Door, error) bool) { yield(door, nil) }))
		o.failure(what+" as code", poster.PNG(io.Discard, long, 1))
	}
}
