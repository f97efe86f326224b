package storetest

import (
	"context"
	"errors"
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
		_, err = Last(e.Dump(ctx))
		wantErr(t, err, venue.ErrUnavailable)
		wantErr(t, e.Load(ctx, "plain", []bson.Raw{store.EncodeDocument(nil, store.Document{ID: "2", Rev: 1, Body: Body(t, bson.M{})})}), venue.ErrUnavailable)
		wantErr(t, e.DropLeftovers(ctx), venue.ErrUnavailable)
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
}
