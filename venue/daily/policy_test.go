package daily

import (
	"errors"
	"testing"

	"github.com/venuecode/venuecode/venue"
)

func TestTheDefaultPolicyIsValid(t *testing.T) {
	if err := DefaultPolicy().Validate(); err != nil {
		t.Fatal(err)
	}
	p := DefaultPolicy()
	p.Window, p.Deadline, p.Digest = Midnight, TimeOfDay{24, 0}, TimeOfDay{24, 10}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestAPolicyNamesEveryFault(t *testing.T) {
	for field, spoil := range map[string]func(*Policy){
		"window":            func(p *Policy) { p.Window = "17:00" },
		"deadline":          func(p *Policy) { p.Deadline = TimeOfDay{25, 0}; p.Window = "25:00"; p.Digest = p.Deadline },
		"one tap":           func(p *Policy) { p.OneTap = []TimeOfDay{{16, 0}} },
		"reminders":         func(p *Policy) { p.Reminders = []TimeOfDay{{15, 30}, {15, 0}} },
		"digest":            func(p *Policy) { p.Digest = TimeOfDay{15, 59} },
		"tolerance":         func(p *Policy) { p.TolMin = -1 },
		"tolerance percent": func(p *Policy) { p.TolPercent = 101 },
		"settle":            func(p *Policy) { p.Settle = -1 },
		"withdraw":          func(p *Policy) { p.Withdraw = -1 },
		"source grace":      func(p *Policy) { p.SourceGrace = -1 },
		"max":               func(p *Policy) { p.Max = 0 },
	} {
		p := DefaultPolicy()
		spoil(&p)
		err := p.Validate()
		var invalid *venue.Invalid
		if !errors.As(err, &invalid) || invalid.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	twice := DefaultPolicy()
	twice.Reminders = []TimeOfDay{{15, 0}, {15, 0}}
	if twice.Validate() == nil {
		t.Error("the same reminder twice is accepted")
	}
	p := DefaultPolicy()
	p.TolMin, p.Max = -1, 0
	var many interface{ Unwrap() []error }
	if err := p.Validate(); !errors.As(err, &many) || len(many.Unwrap()) != 2 {
		t.Errorf("two faults told as %v", err)
	}
}

func TestParseTimeOfDay(t *testing.T) {
	for s, want := range map[string]TimeOfDay{"00:00": {}, "15:30": {15, 30}, "24:10": {24, 10}} {
		if got, err := ParseTimeOfDay(s); err != nil || got != want || got.String() != s {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "1530", "15:60", "30:00", "-1:00", "15:3", "+5:30", " 5:30", "15:30:00", "15：30"} {
		if got, err := ParseTimeOfDay(s); !errors.Is(err, venue.ErrInvalid) {
			t.Errorf("%q is read as %v, %v", s, got, err)
		}
	}
}

func TestWindowsFollowOneAnother(t *testing.T) {
	p := DefaultPolicy()
	for _, window := range []string{"16:00", Midnight} {
		p.Window = window
		for d := today; d < today+3; d++ {
			if a, b := p.WindowOn(d), p.WindowOn(d+1); !a.End.Equal(b.Start) || !a.Start.Before(a.End) {
				t.Errorf("%s: %v then %v", window, a, b)
			}
		}
	}
}
