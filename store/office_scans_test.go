package store_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

func TestAlarmsOfAScope(t *testing.T) {
	ctx := context.Background()
	e := &counting{Engine: openStore(t)}
	r := store.NewRegistry(e, newClock(noon))
	put(t, r, store.Registered{
		Units: []venue.Unit{{ID: "school", Division: "410482001", Sectors: []string{"教育"}}, {ID: "clinic", Division: "410482002", Sectors: []string{"卫健"}},
			{ID: "next", Division: "410481001", Sectors: []string{"教育"}}},
		Venues: []venue.Venue{{ID: "v1", Unit: "school", Name: "教学楼"}},
		Doors:  []venue.Door{{Code: door, Venue: "v1", Unit: "clinic", Name: "南门"}}, // changed hands since
		Since:  noon,
	})
	day := venue.DayOf(noon)
	var keys []venue.ScanKey
	for i, s := range []struct {
		unit     venue.UnitID
		health   venue.Health
		received time.Duration
	}{
		{"school", venue.HealthRed, 3 * time.Second}, {"clinic", venue.HealthRed, 2 * time.Second}, {"next", venue.HealthRed, time.Second},
		{"school", venue.HealthRed, time.Second}, {"school", venue.HealthUnknown, 0}, {"nobody", venue.HealthRed, 0}, {"school", venue.HealthRed, 24 * time.Hour},
	} {
		key := venue.ScanKey{byte(i)}
		keys = append(keys, key)
		scan := venue.Scan{Key: key, At: noon, Received: noon.Add(s.received), Door: door, Unit: s.unit, Health: s.health}
		if _, err := e.Append(ctx, []venue.Scan{scan}); err != nil {
			t.Fatal(err)
		}
	}
	o := store.NewOffice(e, r)
	county := []venue.Division{"410482"}
	for _, c := range []struct {
		name  string
		scope venue.Scope
		want  []byte // first bytes of the keys
		may   []byte // that may be read one by one
	}{
		{"nothing", venue.Scope{}, nil, nil},
		{"the county", venue.NewScope(venue.ScopeTerritory, county, nil, ""), []byte{3, 1, 0}, []byte{0, 1, 3, 4, 6}},
		{"the other county", venue.NewScope(venue.ScopeTerritory, []venue.Division{"410481"}, nil, ""), []byte{2}, []byte{2}},
		{"a sector", venue.NewScope(venue.ScopeSector, county, []string{"卫健"}, ""), []byte{1}, []byte{1}},
		{"a unit, whose door it was then", venue.NewScope(venue.ScopeUnit, nil, nil, "school"), []byte{3, 0}, []byte{0, 3, 4, 6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []byte
			for skip := 0; ; skip++ { // pages of one
				alarms, total, err := o.Alarms(ctx, c.scope, day, skip, 1)
				if err != nil || total != len(c.want) {
					t.Fatalf("%d alarms, %v; want %d", total, err, len(c.want))
				}
				if len(alarms) == 0 {
					break
				}
				a := alarms[0]
				if got = append(got, a.Scan.Key[0]); a.Unit.ID != a.Scan.Unit || a.Venue.Name != "教学楼" || a.Door.Name != "南门" {
					t.Errorf("alarm %d was at %s, %s of %s", a.Scan.Key[0], a.Venue.Name, a.Door.Name, a.Unit.ID)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			for i, key := range keys {
				_, err := o.Scan(ctx, c.scope, day, key)
				if may := slices.Contains(c.may, byte(i)); may != (err == nil) || !may && !errors.Is(err, store.ErrOutOfScope) {
					t.Errorf("scan %d: %v", i, err)
				}
			}
		})
	}
	if _, err := o.Scan(ctx, venue.NewScope(venue.ScopeTerritory, county, nil, ""), day, venue.ScanKey{99}); !errors.Is(err, venue.ErrNotFound) || errors.Is(err, store.ErrOutOfScope) {
		t.Errorf("a scan that never was: %v", err)
	}
	e.gets.Store(0)
	if _, _, err := o.Alarms(ctx, venue.NewScope(venue.ScopeTerritory, county, nil, ""), day, 0, 9); err != nil || e.gets.Load() != 6 { // four units, a door, a venue
		t.Errorf("%d reads, %v", e.gets.Load(), err)
	}
}
