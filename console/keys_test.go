package console

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

// keysOf is the desk's vault and its list of copies.
type keysOf struct {
	*vault.Vault
	d *desk
}

func (k keysOf) Escrows(ctx context.Context) (living []store.EscrowRow, err error) {
	rows, err := k.d.copies.All(ctx, store.Query{Index: "expires", From: k.d.civil.Now()})
	for _, r := range rows {
		living = append(living, r.Value)
	}
	return living, err
}

func TestKeysAreShownAndRotated(t *testing.T) {
	d := newDesk(t)
	token := d.login("secadmin")
	look := func() (out keyList) {
		t.Helper()
		got := d.call("GET", "/console/keys", token, "")
		if got.status != 200 || json.Unmarshal([]byte(got.body), &out) != nil {
			t.Fatalf("%d %s", got.status, got.body)
		}
		return out
	}
	if first := look(); first.Suite != "intl" || first.Epoch != 1 || first.Days == nil || first.Escrows == nil ||
		!slices.Contains(first.Keys, vault.KeyStatus{Name: "session", Newest: 1, Kept: 1, Rotates: true}) {
		t.Errorf("at first %+v", first)
	}
	now := d.civil.Now()
	copied := store.EscrowRow{Made: now, Expires: now.Add(time.Hour), Oldest: int32(venue.DayOf(now)), By: "secadmin", Approver: "other"}
	if err := d.copies.Insert(t.Context(), "r1", copied); err != nil {
		t.Fatal(err)
	}
	if got := look().Escrows; len(got) != 1 || !got[0].Expires.Equal(copied.Expires) || got[0].Oldest.String() != "2022-05-18" || got[0].Approver != "other" {
		t.Errorf("copies %+v", got)
	}

	if got := d.call("POST", "/console/keys/rotate", token, `{"key":"session"}`); got.status != 200 || got.body != `{"key":"session","newest":2}` {
		t.Errorf("rotated: %d %s", got.status, got.body)
	}
	for _, key := range []string{"index", "request", "day/2022-05-18", "division/410482", "", "张三"} {
		got := d.call("POST", "/console/keys/rotate", token, `{"key":"`+key+`"}`)
		if got.status != 422 {
			t.Errorf("%q rotated: %d %s", key, got.status, got.body)
		}
	}
	got := d.browse("POST", "/console/keys/rotate", token, url.Values{"csrf": {formToken(token)}, "key": {"session"}})
	if got.status != 303 || got.header.Get("Location") != "/console/keys" {
		t.Errorf("a browser: %d %s", got.status, got.body)
	}
	if page := d.browse("GET", "/console/keys", token, nil); page.status != 200 || !strings.Contains(page.body, ">3</td>") || !strings.Contains(page.body, "2022-05-18 10:00:00") {
		t.Errorf("the page: %d %s", page.status, page.body)
	}
	rows := d.rows(audit.Filter{Actor: "secadmin", Action: "keys.rotate"})
	if len(rows) != 2 || rows[0].Event.Details["key"] != "session" {
		t.Errorf("in the trail: %+v", rows)
	}
}
