package store_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// TestALookIsKeptWithItsPhotoOrNotAtAll ends the process at each write, and sends
// the look again.
func TestALookIsKeptWithItsPhotoOrNotAtAll(t *testing.T) {
	for _, torn := range []bool{false, true} {
		for crash := int64(1); ; crash++ {
			e := openStore(t)
			office := newOffice(t, e)
			b := newBureau(t, e)
			look := registry.Posting{ID: "A000000000000003.2022-10-12.1", Door: "A000000000000003", Venue: "old", Photo: []byte("a photo"), At: noon}
			b.engine.torn = torn
			b.engine.left.Store(crash)
			first := b.register.Keep(t.Context(), look)
			b.engine.calm()
			kept, err := b.register.Kept(t.Context(), look.ID)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := office.Posting(t.Context(), county, look.ID); kept && string(got.Photo) != "a photo" || !kept && !errors.Is(err, venue.ErrNotFound) {
				t.Fatalf("cut off at write %d, kept %t: %q, %v", crash, kept, got.Photo, err)
			}
			for _, photo := range []string{"a photo", "another"} { // as it was, and as somebody else has it
				look.Photo = []byte(photo)
				if err := b.register.Keep(t.Context(), look); kept != errors.Is(err, venue.ErrExists) || !kept && err != nil {
					t.Fatalf("again, kept %t: %v", kept, err)
				}
				kept = true
			}
			if got, err := office.Posting(t.Context(), county, look.ID); err != nil || string(got.Photo) != "a photo" {
				t.Fatalf("in the end: %q, %v", got.Photo, err)
			}
			list, err := office.Postings(t.Context(), county, "old", 10)
			if err != nil || len(list) != 2 || !list[0].Has || list[0].Photo != nil || list[1].Has {
				t.Fatalf("in a list: %+v, %v", list, err)
			}
			if bytes.Contains(everything(t, e), []byte("a photo")) {
				t.Fatal("a photo lies in clear")
			}
			if first == nil {
				break
			}
		}
	}
}

// TestPhotosAreCopiedWithTheirLooks: a copy reads the collections from behind, so
// that whatever a row of it leads to was written before.
func TestPhotosAreCopiedWithTheirLooks(t *testing.T) {
	at := map[string]int{}
	for i, s := range store.Schemas {
		at[s.Name] = i
	}
	if at[store.PostingPhotos.Name] > at[store.PostingRows.Name] {
		t.Error("a copy may have a look without its photo")
	}
}
