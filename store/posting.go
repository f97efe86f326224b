package store

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// The looks at doors, and their photos: lists are read without.
var (
	PostingRows = Schema{Name: "postings", Indexes: []Index{ // random id, an applicant's code.day.number → PostingRow
		{Name: "venue", Fields: []string{"venue", "at"}},
		{Name: "at", Fields: []string{"at"}},
	}}
	PostingPhotos = Schema{Name: "posting_photos", Indexes: []Index{{Name: "at", Fields: []string{"at"}}}} // id of the look:hash → PostingPhotoRow
)

// PostingRow is a look at a door.
type PostingRow struct {
	Door    string
	Venue   string
	Finding string
	Remark  string
	PhotoID string // "": none
	At      time.Time
	By      string
}

// PostingPhotoRow is the photo of a look. It may show more than a poster, so it is
// sealed.
type PostingPhotoRow struct {
	Sealed []byte
	At     time.Time // the look's
}

const postingUse = "posting/"

// Keep remembers a look at a door; see registry.Postings. The photo is written
// first, under an id of its own: one whose look was cut off, or lost to another of
// the same id, belongs to nobody and goes when its time is over.
func (r *Register) Keep(ctx context.Context, p registry.Posting) error {
	row := PostingRow{Door: string(p.Door), Venue: string(p.Venue), Finding: string(p.Finding), Remark: p.Remark, At: p.At, By: p.By}
	if p.Photo != nil {
		sealed, err := r.sealer.Seal(postingUse+p.ID, p.Photo)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(sealed)
		row.PhotoID = p.ID + ":" + base64.RawURLEncoding.EncodeToString(sum[:16])
		if _, err := insert(ctx, r.photos, row.PhotoID, PostingPhotoRow{sealed, p.At}); err != nil {
			return err
		}
	}
	return r.postings.Insert(ctx, p.ID, row)
}

// Kept tells whether there is a look of an id.
func (r *Register) Kept(ctx context.Context, id string) (bool, error) {
	_, err := r.postings.Get(ctx, id)
	if errors.Is(err, venue.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func posting(row Row[PostingRow]) registry.Posting {
	v := row.Value
	return registry.Posting{ID: row.ID, Door: venue.Code(v.Door), Venue: venue.VenueID(v.Venue), Finding: registry.Finding(v.Finding),
		Remark: v.Remark, Has: v.PhotoID != "", At: v.At.UTC(), By: v.By}
}

// Postings lists the last limit looks at the doors of a venue in scope, the newest
// first, without their photos; venue.ErrNotFound, ErrOutOfScope.
func (o *Office) Postings(ctx context.Context, scope venue.Scope, id venue.VenueID, limit int) (list []registry.Posting, err error) {
	if _, err := o.Venue(ctx, scope, id); err != nil {
		return nil, err
	}
	rows, err := o.register.postings.All(ctx, Query{Index: "venue", Equal: []any{string(id)}, Reverse: true, Limit: limit})
	for _, row := range rows {
		list = append(list, posting(row))
	}
	return list, err
}

// Posting reads a look at a door in scope, with its photo; venue.ErrNotFound,
// ErrOutOfScope.
func (o *Office) Posting(ctx context.Context, scope venue.Scope, id string) (registry.Posting, error) {
	row, err := o.register.postings.Get(ctx, id)
	if err != nil {
		return registry.Posting{}, err
	}
	p := posting(row)
	if _, err := o.Venue(ctx, scope, p.Venue); err != nil {
		return registry.Posting{}, err
	}
	if p.Has {
		photo, err := o.register.photos.Get(ctx, row.Value.PhotoID)
		if err != nil {
			return registry.Posting{}, err
		}
		if p.Photo, err = o.register.sealer.Open(postingUse+id, photo.Value.Sealed); err != nil {
			return registry.Posting{}, err
		}
	}
	return p, nil
}

var _ registry.Postings = (*Register)(nil)
