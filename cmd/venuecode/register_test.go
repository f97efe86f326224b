package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/internal/mongotest"
	"github.com/venuecode/venuecode/venue"
)

// TestTheRegister is what units, officials and residents do with the register,
// one journey after the other in one town.
func TestTheRegister(t *testing.T) { theRegister(t, embeddedMemory) }

// TestTheRegisterOnMongoDB is the same in the other memory.
func TestTheRegisterOnMongoDB(t *testing.T) {
	t.Run("development server", func(t *testing.T) { theRegister(t, mongotest.Start(t).URI()) })
	if uri := os.Getenv("VENUECODE_MONGO"); uri != "" {
		t.Run("real server", func(t *testing.T) { theRegister(t, scratch(t, uri)) })
	}
}

func theRegister(t *testing.T, memory string) {
	d, _ := spawnedOn(t, memory, t.TempDir(), halfPastTwo)
	for _, journey := range []struct {
		name string
		walk func(t *testing.T, d *town)
	}{
		{"the town opens with something in every state", everyState},
		{"a shop applies and its code hangs", aShopApplies},
		{"what is approved at once, and what is sent back", unitsAndResidentsApply},
		{"a number that needs proof", needsProof},
		{"old codes", oldCodes},
		{"blank codes", blankCodes},
		{"what is done to places", placesChange},
		{"when and where places are", placesAreDescribed},
		{"a unit that is no more", aUnitCloses},
		{"people in chat", peopleInChat},
		{"a unit comes into a group", func(t *testing.T, d *town) { aUnitComesIntoAGroup(t, d) }},
		{"what an official has in hand", inHand},
		{"an official of another town", anotherTown},
		{"files that officials send", filesSent},
		{"a file that a unit sends", aUnitSendsAFile},
		{"what auditors take away", theTrailOpensNothing},
		{"the register of subjects", subjects},
		{"lists to take away", lists},
	} {
		t.Run(journey.name, func(t *testing.T) {
			here := *d
			here.t = t
			journey.walk(t, &here)
		})
	}
}

// applied is an application as whoever sent it, or an official, is shown it.
type applied struct {
	ID, State, Reason, Unit, Venue string
	AuditID                        string `json:"audit_id"`
	UnitName                       string `json:"unit_name"`
	Name                           string
	Proof                          bool
	Codes                          []string
}

// place is a venue as the console shows it.
type place struct {
	ID, Name, Status, Into string
	Unit                   struct{ ID, Name string }
	Doors                  []struct{ Code, Name, Status, Posted string }
	Postings               []struct {
		ID, Finding, By string
		Photo           bool
	}
	History []change
}

type change struct{ Act, By, Reason string }

// acts are what was done, the first thing first.
func acts(history []change) (list []string) {
	for _, c := range slices.Backward(history) {
		list = append(list, c.Act)
	}
	return list
}

func (d *town) place(id string) place {
	d.t.Helper()
	return shown[place](d, "checker", "/console/venues/"+id)
}

// placesOf are the ids of a unit's venues, by name.
func (d *town) placesOf(unit string) map[string]string {
	d.t.Helper()
	list := shown[struct {
		Doors []struct{ Venue struct{ ID, Name string } }
	}](d, "checker", "/console/doors?unit="+unit)
	ids := map[string]string{}
	for _, o := range list.Doors {
		ids[o.Venue.Name] = o.Venue.ID
	}
	return ids
}

// units are all that the checker sees: ids by name.
func (d *town) units() map[string]string {
	d.t.Helper()
	ids := map[string]string{}
	for after := ""; ; {
		page := shown[struct {
			Units []struct{ ID, Name string }
			Next  string
		}](d, "checker", "/console/units?after="+after)
		for _, u := range page.Units {
			ids[u.Name] = u.ID
		}
		if after = page.Next; after == "" {
			return ids
		}
	}
}

// covered is coverage as the console shows it.
type covered struct {
	Have, Must int
	Rows       []struct {
		Division, Sector string
		Have, Must       int
	}
	Lack    map[string]int
	Idle    int `json:"not_required"`
	Outside int `json:"outside_register"`
}

// covers waits until coverage is as it must be: in a memory that is slow, a look at it
// all, and ten times as long before the next.
func (d *town) covers(what string, so func(c covered) bool) (c covered) {
	d.t.Helper()
	until(d.t, tooLong, what, func() bool {
		c = shown[covered](d, "checker", "/console/coverage")
		return so(c)
	})
	return c
}

// acted are the actions that the audit has of something, the first thing first.
func (d *town) acted(object string) (actions []string) {
	d.t.Helper()
	list := shown[struct {
		Rows []struct {
			Event struct{ Actor, Action, Reason string }
		}
	}](d, "auditor", "/console/audit?object="+url.QueryEscape(object))
	for _, row := range slices.Backward(list.Rows) {
		actions = append(actions, strings.TrimSpace(say(row.Event.Actor, row.Event.Action, row.Event.Reason)))
	}
	return actions
}

// hung is a door of which a phone knows what its poster says.
func (d *town) hung(code string) door {
	return door{Code: code, Link: d.product + "/v/" + code}
}

// scanned waits for a phone to be answered so at a door.
func (d *town) scanned(phone string, at door, status int) (p prompt) {
	d.t.Helper()
	until(d.t, everywhere, fmt.Sprintf("%d at %s", status, at.Link), func() bool {
		r := d.tryScan(phone, at, nil)
		if r.status == status && status == http.StatusOK {
			r.json(d.t, &p)
		}
		return r.status == status
	})
	return p
}

// imports has an operator import a file while the demo runs; any exit code but
// the one expected ends the test.
func (d *town) imports(code int, kind, text string, more ...string) (r imported) {
	d.t.Helper()
	file := filepath.Join(d.t.TempDir(), kind+".csv")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	out, stderr, got := runs(d.t, d.importing(kind, file, append(more, "--json")...)...)
	if got != code {
		d.t.Fatalf("import %s: %d %s\n%s", kind, got, stderr, out)
	}
	oneLine(d.t, "import "+kind, out, &r)
	return r
}

// importing is the command that imports a file.
func (d *town) importing(kind, file string, more ...string) []string {
	args := append([]string{"import", kind, file, "--data", d.data}, more...)
	if d.memory != embeddedMemory {
		args = append(args, "--store", d.memory)
	}
	return args
}

// uscc is one for each number below ten million.
func uscc(n int) string {
	s := fmt.Sprintf("91419981MA%07d", n)
	for _, c := range "0123456789ABCDEFGHJKLMNPQRTUWXY" {
		if _, proof, err := venue.ParseUSCC(s + string(c)); err == nil && !proof {
			return s + string(c)
		}
	}
	panic(s)
}

// unproved is one whose check character is wrong.
func unproved(n int) string {
	s, last := uscc(n), "0"
	if strings.HasSuffix(s, last) {
		last = "1"
	}
	return s[:len(s)-1] + last
}
