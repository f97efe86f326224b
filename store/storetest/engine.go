package storetest

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

func engine(t *testing.T, h Harness) {
	ctx := context.Background()
	today := venue.DayOf(Noon)

	t.Run("Check answers nil while a write can be taken", func(t *testing.T) {
		must(t, h.open(t).Check(ctx))
	})
	t.Run("after Close every call is ErrUnavailable", func(t *testing.T) {
		e := h.open(t)
		Append(t, e, full())
		must(t, e.Close())
		wantErr(t, e.Check(ctx), venue.ErrUnavailable)
		_, err := e.Append(ctx, []venue.Scan{full()})
		wantErr(t, err, venue.ErrUnavailable)
		_, err = e.Scan(ctx, today, full().Key)
		wantErr(t, err, venue.ErrUnavailable)
		_, err = Last(e.AtDoor(ctx, "D", Noon, Noon.Add(time.Hour)))
		wantErr(t, err, venue.ErrUnavailable)
		_, err = Last(e.OfPerson(ctx, today, Pseudonym(1)))
		wantErr(t, err, venue.ErrUnavailable)
		_, err = Last(e.Attention(ctx, Noon, Noon.Add(time.Hour)))
		wantErr(t, err, venue.ErrUnavailable)
		_, err = e.CountScans(ctx, nil, time.Time{})
		wantErr(t, err, venue.ErrUnavailable)
		_, err = e.VerifyCounts(ctx, today, today, nil)
		wantErr(t, err, venue.ErrUnavailable)
		wantErr(t, e.PurgeDay(ctx, today), venue.ErrUnavailable)
		wantErr(t, e.PurgeCounts(ctx, today), venue.ErrUnavailable)
		_, err = e.Get(ctx, "plain", "1")
		wantErr(t, err, venue.ErrUnavailable)
		wantErr(t, e.Insert(ctx, "plain", "1", Body(t, bson.M{})), venue.ErrUnavailable)
		_, err = e.Replace(ctx, "plain", store.Document{ID: "1", Rev: 1, Body: Body(t, bson.M{})})
		wantErr(t, err, venue.ErrUnavailable)
		wantErr(t, e.Delete(ctx, "plain", "1", 0), venue.ErrUnavailable)
		_, err = Last(e.Find(ctx, "plain", store.Query{}))
		wantErr(t, err, venue.ErrUnavailable)
		must(t, e.Close()) // closing twice is harmless
	})
	t.Run("Close waits for writes under way", func(t *testing.T) {
		e := h.open(t)
		acknowledged := make([]int, 8)
		started := make(chan struct{}, len(acknowledged))
		done := make(chan error, 1)
		go func() {
			<-started
			done <- e.Close()
		}()
		inParallel(t, len(acknowledged), func(i int) error {
			for n := 0; ; n++ {
				if _, err := e.Append(ctx, []venue.Scan{Scan(i, n, "D", Noon)}); err != nil {
					if !errors.Is(err, venue.ErrUnavailable) {
						return err
					}
					return nil
				}
				acknowledged[i]++
				select {
				case started <- struct{}{}:
				default:
				}
			}
		})
		must(t, <-done)
		if h.Reopen == nil {
			return
		}
		e = h.Reopen(t, e)
		defer e.Close()
		for i, n := range acknowledged {
			if rows := len(Collect(t, e.OfPerson(ctx, today, Pseudonym(i)))); rows < n {
				t.Fatalf("%d rows of writer %d, %d were acknowledged", rows, i, n)
			}
		}
	})
	if h.OpenBackup == nil {
		t.Run("Backup is left to the engine's own tools", func(t *testing.T) {
			wantErr(t, h.open(t).Backup(ctx, filepath.Join(t.TempDir(), "copy"), nil), store.ErrUnsupported)
		})
		return
	}
	t.Run("a backup taken while writing has all that was acknowledged before and works", func(t *testing.T) {
		e := h.open(t)
		dir := filepath.Join(t.TempDir(), "copy")
		must(t, e.Insert(ctx, "plain", "before", Body(t, bson.M{"v": 1})))
		Append(t, e, full())
		var acknowledged atomic.Int64
		stop := make(chan struct{})
		written := make(chan error, 1)
		go func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					written <- nil
					return
				default:
				}
				if _, err := e.Append(ctx, []venue.Scan{Scan(7, n, "D", Noon)}); err != nil {
					written <- err
					return
				}
				acknowledged.Store(int64(n + 1))
			}
		}()
		for acknowledged.Load() < 20 {
			time.Sleep(time.Millisecond)
		}
		before := acknowledged.Load()
		bytes := int64(0)
		must(t, e.Backup(ctx, dir, func(n int64) { bytes = n }))
		close(stop)
		must(t, <-written)
		if bytes == 0 {
			t.Fatal("no progress was told")
		}
		wantErr(t, e.Backup(ctx, dir, nil), venue.ErrExists)

		c := h.OpenBackup(t, dir)
		defer c.Close()
		if n := int64(len(Collect(t, c.OfPerson(ctx, today, Pseudonym(7))))); n < before {
			t.Fatalf("the copy has %d rows, %d were acknowledged before", n, before)
		}
		wantOutcome(t, c, full(), venue.ScanRepeated, full())
		_, err := c.Get(ctx, "plain", "before")
		must(t, err)
		check, err := c.VerifyCounts(ctx, today, today, nil)
		must(t, err)
		if len(check.Differ) > 0 {
			t.Fatalf("the copy's counts differ: %+v", check.Differ)
		}
		Append(t, c, Scan(8, 1, "D", Noon))
		_, err = e.Scan(ctx, today, Key(8, 1))
		wantErr(t, err, venue.ErrNotFound) // the copy is a memory of its own
	})
}
