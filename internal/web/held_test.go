package web

import (
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

func TestSoManyBodiesAtATimeAndNoMore(t *testing.T) {
	var h held
	const sheet, photo = 15<<20 + 64<<10, 4<<20 + 64<<10
	now := time.Unix(0, 0)
	fill := func(limit int, now time.Time) (n int) {
		for h.begin(new(fasthttp.RequestHeader), limit, now) {
			n++
		}
		return n
	}
	if n := fill(sheet, now); n != 4 {
		t.Errorf("%d sheets, want 4", n)
	}
	if n := fill(photo, now); n != 15 {
		t.Errorf("%d photos beside the sheets, want 15", n)
	}
	if n := fill(sheet, now.Add(BodyTime)); n != 0 {
		t.Errorf("%d more while the others may be coming", n)
	}
	if n := fill(sheet, now.Add(BodyTime+1)); n != 4 {
		t.Errorf("%d after those that broke off, want 4", n)
	}
}
