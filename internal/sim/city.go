package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// City is the fictional place that GET /sim/city describes. Ids are those of
// the product's own API.
type City struct {
	Units     []CityUnit     `json:"units"`
	Doors     []CityDoor     `json:"doors"`
	Residents []CityResident `json:"residents"`
	Staff     []CityStaff    `json:"staff"`
	Groups    []CityGroup    `json:"groups"`
	// Robot is the name by which staff mention the robot; empty means 场所码助手.
	Robot string `json:"robot,omitempty"`
}

// CityUnit is an answerable organisation. Duty is reports, covered or exempt.
type CityUnit struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Duty string `json:"duty"`
}

// CityDoor is one door with its code and the link printed on its poster.
type CityDoor struct {
	Code     string `json:"code"`
	Link     string `json:"link"`
	Unit     string `json:"unit"`
	Venue    string `json:"venue"`
	Name     string `json:"name"`
	Class    string `json:"class"`
	Sentinel bool   `json:"sentinel"`
	Status   string `json:"status"`
}

// CityResident is somebody who may be given a phone.
type CityResident struct {
	Name     string `json:"name"`
	IDNumber string `json:"id_number"`
	Phone    string `json:"phone"`
}

// CityStaff is a member of the corporation who speaks for a unit in a group.
type CityStaff struct {
	UserID string `json:"userid"`
	Unit   string `json:"unit"`
	Name   string `json:"name"`
	Group  string `json:"group"`
}

// CityGroup is a WeCom group in which the robot sits.
type CityGroup struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

const defaultRobot = "场所码助手"

// ServiceOpenID is the openid by which the service account knows a member of
// staff. It is derived, so that a program may bind staff before they write.
func ServiceOpenID(userid string) string {
	h := sha256.Sum256([]byte(userid))
	return "oa_" + hex.EncodeToString(h[:12])
}

// directory is a City with what is looked up in it; replaced whole.
type directory struct {
	city     City
	groups   map[string]CityGroup
	webhooks map[string]string // webhook key → group
	members  map[string][]string
}

func newDirectory(c City, webhooks map[string]string) *directory {
	d := &directory{
		city:     c,
		groups:   map[string]CityGroup{},
		webhooks: map[string]string{},
		members:  map[string][]string{},
	}
	if d.city.Robot == "" {
		d.city.Robot = defaultRobot
	}
	// An absent list is an empty list to those who read the JSON.
	d.city.Units = notNil(c.Units)
	d.city.Doors = notNil(c.Doors)
	d.city.Residents = notNil(c.Residents)
	d.city.Staff = notNil(c.Staff)
	d.city.Groups = notNil(c.Groups)
	for _, g := range c.Groups {
		d.groups[g.ID] = g
		d.webhooks[webhooks[g.ID]] = g.ID
		d.members[g.ID] = []string{}
	}
	for _, m := range c.Staff {
		if m.Group != "" && !slices.Contains(d.members[m.Group], m.UserID) {
			d.members[m.Group] = append(d.members[m.Group], m.UserID)
		}
	}
	return d
}

func notNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
