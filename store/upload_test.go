package store_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/venue"
)

func TestAnUploadLiesInSealedPieces(t *testing.T) {
	ctx, e := t.Context(), openStore(t)
	keys, err := vault.Open(t.TempDir(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	uploads := store.NewUploads(e, keys, newClock(noon))
	file := make([]byte, 5<<19) // two pieces and a half
	_, _ = rand.Read(file)
	if err := uploads.Add(ctx, "u", store.UploadRow{By: "a", State: store.UploadLooking}, file); err != nil {
		t.Fatal(err)
	}
	if got, err := uploads.Part(ctx, "u", store.UploadSheet, len(file)); err != nil || !bytes.Equal(got, file) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	pieces := store.NewCollection[store.UploadPieceRow](e, store.UploadPieces)
	rows, err := pieces.All(ctx, store.Query{})
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d pieces, %v", len(rows), err)
	}
	for _, row := range rows {
		if bytes.Contains(row.Value.Bytes, file[:32]) {
			t.Error("a piece lies open")
		}
	}
	// A piece opens at its place only.
	rows[1].Value = rows[0].Value
	if _, err := pieces.Replace(ctx, rows[1]); err != nil {
		t.Fatal(err)
	}
	if _, err := uploads.Part(ctx, "u", store.UploadSheet, len(file)); err == nil {
		t.Error("a piece opens in another's place")
	}

	// A smaller part in place of a larger one is that and no more.
	for _, n := range []int{len(file), 1 << 20, 7} {
		if err := uploads.PutPart(ctx, "u", store.UploadProblems, file[:n]); err != nil {
			t.Fatal(err)
		}
		if got, err := uploads.Part(ctx, "u", store.UploadProblems, n); err != nil || !bytes.Equal(got, file[:n]) {
			t.Errorf("%d bytes of %d, %v", len(got), n, err)
		}
	}
	if err := errors.Join(uploads.Drop(ctx, "u", store.UploadSheet), uploads.Drop(ctx, "u", store.UploadSheet)); err != nil {
		t.Fatal(err)
	}
	if _, err := uploads.Part(ctx, "u", store.UploadSheet, len(file)); !errors.Is(err, venue.ErrNotFound) {
		t.Errorf("a part that was dropped: %v", err)
	}
	if _, err := uploads.Part(ctx, "u", store.UploadProblems, 7); err != nil {
		t.Errorf("the part beside it: %v", err)
	}
	if n, err := uploads.Waiting(ctx, "a"); n != 1 || err != nil {
		t.Errorf("%d wait, %v", n, err)
	}
	if _, err := uploads.Get(ctx, "b", "u"); !errors.Is(err, store.ErrOutOfScope) {
		t.Errorf("another's: %v", err)
	}
}
