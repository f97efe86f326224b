package store

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// TestAPersonIsAsLongAsTheSizingSays: docs/scale.md counts disks by these lengths.
func TestAPersonIsAsLongAsTheSizingSays(t *testing.T) {
	sealed := func(n int) []byte { return make([]byte, 33+n) } // head 5, nonce 12, tag 16
	now := time.UnixMilli(0)
	const id = "ABCDEFGHIJKLMNOPQRSTUV" // 128 bits in base64
	for _, c := range []struct {
		what string
		row  any
		want int
	}{
		{"person", PersonRow{
			Key: sealed(32), Name: sealed(9), IDType: "resident_id", IDNumber: sealed(18), Phone: sealed(11),
			Division: "419981", Consent: "1", Created: now, Registered: now}, 423},
		{"entry of an ID number", PersonIDRow{Person: id, Epoch: 1}, 51},
		{"account", AccountRow{App: "wechat", OpenID: sealed(28), Created: now, Person: id, Registered: now}, 183},
	} {
		if b, err := bson.Marshal(c.row); err != nil || len(b) != c.want {
			t.Errorf("the row of a %s has %d bytes, docs/scale.md counts %d; %v", c.what, len(b), c.want, err)
		}
	}
}
