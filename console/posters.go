package console

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/poster"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/checkin"
)

// postersMost bounds one archive.
const postersMost = 20_000

// posterTakes is about how long one takes where nothing else runs, by ?as=.
var posterTakes = map[string]time.Duration{"pdf": 2 * time.Millisecond, "zip": 20 * time.Millisecond, "png": 8 * time.Millisecond, "svg": 2 * time.Millisecond}

// printer bounds the memory and the time that posters take.
type printer struct {
	many sync.Mutex // held while more than one are made: whoever else asks for so many is told
	one  sync.Mutex // held for the 20 ms of one: whoever else asks for one waits
}

// posters sends what hangs at a door, at all doors in use of a unit, or at those
// of a division. One is made at a time: a thousand take a second and 70 MB.
//
// Without any of it, or ?as=, a page says what a division's come to; else see print.
func (h *Handler) posters(c *call) (answer, error) {
	if c.Query("as") == "" && c.Query("door") == "" && c.Query("unit") == "" {
		return h.printRun(c)
	}
	places, name, err := h.postered(c)
	if err == nil && len(places) == 0 {
		err = errNoDoors
	}
	if err == nil && c.Query("door") == "" && c.Query("unit") == "" {
		err = h.leaves(c, "posters")
	}
	if err != nil {
		return answer{}, err
	}
	// A division's are handed out together.
	slices.SortStableFunc(places, func(a, b checkin.Place) int { return cmp.Compare(a.Venue.Division, b.Venue.Division) })
	return h.print(c, name, len(places), func(ctx context.Context) iter.Seq2[poster.Door, error] { return h.printed(ctx, places) })
}

// print sends n posters, one or more.
//
// ?as= html, to print from a browser; pdf; zip of PDFs; svg and png, of many as a
// ZIP. More than poster.Largest are a ZIP however they are asked for, of volumes
// where it would be of PDFs.
func (h *Handler) print(c *call, name string, n int, posters func(context.Context) iter.Seq2[poster.Door, error]) (answer, error) {
	sheet, ok := map[string]poster.Sheet{"": poster.A4, "a4": poster.A4, "a5": poster.A5}[strings.ToLower(c.Query("sheet"))]
	if !ok {
		return answer{}, &venue.Invalid{Field: "sheet", Reason: "unknown"}
	}
	as := c.Query("as", "html")
	if !slices.Contains([]string{"html", "pdf", "zip", "svg", "png"}, as) {
		return answer{}, &venue.Invalid{Field: "as", Reason: "unknown"}
	}
	at, turn := h.Clock.Now(), &h.printer.one
	if n == 1 {
		turn.Lock()
	} else if turn = &h.printer.many; !turn.TryLock() {
		c.Set(fiber.HeaderRetryAfter, "60")
		return answer{}, errPrinting
	}
	if n > 1 && as != "html" && as != "pdf" || n > poster.Largest {
		return answer{}, h.stream(c, "application/zip", name+".zip", func(ctx context.Context, w io.Writer) error {
			defer turn.Unlock()
			switch {
			case as == "svg" || as == "png":
				return poster.Archive(w, sheet, poster.Kind(as), at, posters(ctx))
			case n > poster.Largest:
				return poster.Volumes(w, sheet, at, posters(ctx))
			}
			return poster.Archive(w, sheet, poster.KindPDF, at, posters(ctx))
		})
	}
	defer turn.Unlock() // of one nothing is streamed: a slow reader would have the others wait
	doors := make([]poster.Door, 0, n)
	for d, err := range posters(c.ctx) {
		if err != nil {
			return answer{}, err
		}
		doors = append(doors, d)
	}
	var b bytes.Buffer
	var kind string
	var err error
	switch as {
	case "html":
		c.Set(fiber.HeaderContentSecurityPolicy, poster.Policy)
		kind, err = fiber.MIMETextHTMLCharsetUTF8, poster.HTML(&b, sheet, doors...)
	case "pdf":
		kind, err = "application/pdf", poster.PDF(&b, sheet, doors...)
	case "svg":
		kind, err = "image/svg+xml", poster.SVG(&b, sheet, doors[0])
	case "zip":
		kind, err = "application/zip", poster.Archive(&b, sheet, poster.KindPDF, at, func(yield func(poster.Door, error) bool) { yield(doors[0], nil) })
	case "png":
		kind, err = "image/png", poster.PNG(&b, doors[0].Link, pngPixels)
	}
	if err != nil {
		return answer{}, err
	}
	if as != "html" {
		c.Attachment(name + "." + as)
	}
	c.Set(fiber.HeaderContentType, kind)
	return answer{}, c.Send(b.Bytes())
}

// printRun is what the posters of a division come to.
type printRun struct {
	Division venue.Division `json:"division,omitempty"`
	Place    string         `json:"division_name,omitempty"`
	Doors    int            `json:"doors"`
	Most     int            `json:"most"`    // in one file: more are to be asked for by smaller divisions
	Seconds  map[string]int `json:"seconds"` // by ?as=
	Places   []web.Choice   `json:"-"`       // to choose from
	Asked    bool           `json:"-"`       // else the division is what the form begins with
}

// Over tells whether they are too many for one file.
func (p printRun) Over() bool { return p.Doors > p.Most }

// Volumes is how many posters a PDF has at most; 0 if one has them all.
func (p printRun) Volumes() int {
	if p.Doors <= poster.Largest {
		return 0
	}
	return poster.PerVolume
}

// Minutes is about how long they take, rounded up.
func (p printRun) Minutes(as string) int { return (p.Seconds[as] + 59) / 60 }

func (h *Handler) printRun(c *call) (answer, error) {
	out := printRun{Most: postersMost, Seconds: map[string]int{}}
	if c.Query("division") == "" {
		out.Division = h.about(c)
		out.Place, out.Places = h.Divisions.FullName(out.Division), h.divisions(c, out.Division)
		return answer{page: "posters", data: out}, nil
	}
	d, err := h.division(c, c.Query("division"))
	if err != nil {
		return answer{}, err
	}
	places, _, err := h.Office.DoorsIn(c.ctx, c.by.Scope(), d, postersMost+1)
	if err != nil {
		return answer{}, err
	}
	out.Division, out.Place, out.Places, out.Doors, out.Asked = d, h.Divisions.FullName(d), h.divisions(c, d), len(places), true
	for as, takes := range posterTakes {
		out.Seconds[as] = int((takes*time.Duration(out.Doors) + time.Second - 1) / time.Second)
	}
	if out.Volumes() > 0 {
		out.Seconds["zip"] = out.Seconds["pdf"] // which is the same then
	}
	return answer{page: "posters", data: out}, nil
}

const pngPixels = 20 // a module

// postered are the doors that are asked for, and what the file is called.
func (h *Handler) postered(c *call) (places []checkin.Place, name string, err error) {
	scope := c.by.Scope()
	switch code, unit, division := c.Query("door"), c.Query("unit"), c.Query("division"); {
	case code != "":
		parsed, err := venue.ParseCode(code)
		if err != nil {
			return nil, "", venue.ErrNotFound // like any door that is not there
		}
		p, err := h.Office.Door(c.ctx, scope, parsed)
		if err == nil && !inUse(p) {
			err = errNoDoors
		}
		return []checkin.Place{p}, string(parsed), err
	case unit != "":
		places, err = h.Office.Doors(c.ctx, scope, venue.UnitID(unit))
		return slices.DeleteFunc(places, func(p checkin.Place) bool { return !inUse(p) }), "posters", err
	case division != "":
		d, err := h.division(c, division)
		if err != nil {
			return nil, "", err
		}
		places, more, err := h.Office.DoorsIn(c.ctx, scope, d, postersMost)
		if err == nil && more {
			err = &venue.Invalid{Field: "division", Reason: "range"}
		}
		return places, "posters-" + string(d), err
	}
	return nil, "", &venue.Invalid{Field: "door", Reason: "missing"}
}

func inUse(p checkin.Place) bool { return p.Door.Status.Scannable() && p.Venue.Status.Scannable() }

// printed makes posters of places, one after the other.
func (h *Handler) printed(ctx context.Context, places []checkin.Place) iter.Seq2[poster.Door, error] {
	return func(yield func(poster.Door, error) bool) {
		for _, p := range places {
			payload, err := h.OldCodes.Payload(ctx, p.Door.Code)
			if !yield(h.Paper.Door(p.Venue, p.Door, payload), err) || err != nil {
				return
			}
		}
	}
}
