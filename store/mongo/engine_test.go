package mongo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/venuecode/venuecode/internal/mongotest"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/store/mongo"
	"github.com/venuecode/venuecode/store/storetest"
	"github.com/venuecode/venuecode/venue"
)

func TestNoComplaintQuotesTheAddress(t *testing.T) {
	const password = "Canary7Password9Unlikely"
	var log syncBuffer
	for _, uri := range []string{
		"mongodb://root:" + password + "@127.0.0.1:1/?tlsCertificateKeyFilePassword=" + password + "%zz",
		"mongodb://root:" + password + "@127.0.0.1:1:2/",
		"mongodb://root:" + password + "%zz@127.0.0.1/",
		"mongodb://root:" + password + "@127.0.0.1:1/?directConnection=" + password,
		"mongodb://root:" + password + "@127.0.0.1:1/?replicaSet=a&loadBalanced=true",
		"mongodb://root:" + password + "@127.0.0.1:1/", // nobody listens
		password,
	} {
		o := server{uri: uri}.options(database())
		o.Timeout = soon / 4
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		_, err := mongo.Open(context.Background(), o)
		if err == nil {
			t.Fatalf("opened %s", strings.ReplaceAll(uri, password, "…"))
		}
		if said := fmt.Sprintf("%v %#v %s", err, err, log.String()); strings.Contains(said, password) {
			t.Errorf("said: %s", strings.ReplaceAll(said, password, "PASSWORD"))
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			if strings.Contains(e.Error(), password) {
				t.Errorf("said inside: %T", e)
			}
		}
	}
}

func TestAServerThatStandsAloneIsRefusedUnlessAllowed(t *testing.T) {
	o := server{uri: mongotest.Start(t).URI(), development: true}.options(database())
	open(t, o)
	o.AllowStandalone = false
	if _, err := mongo.Open(context.Background(), o); err == nil || !strings.Contains(err.Error(), "replica set") {
		t.Fatalf("got %v", err)
	}
}

func TestBodiesKeepTheirBytesAndTheirNames(t *testing.T) {
	ctx := context.Background()
	e := open(t, server{uri: mongotest.Start(t).URI(), development: true}.options(database()))
	for i, body := range []bson.D{
		{},
		{{Key: "z", Value: int32(1)}, {Key: "a", Value: int64(1)}, {Key: "m", Value: bson.D{{Key: "y", Value: nil}, {Key: "b", Value: bson.A{}}}}},
		{{Key: "bytes", Value: bson.Binary{Data: []byte{0, 255}}}, {Key: "at", Value: bson.DateTime(-1)}, {Key: "id", Value: "阿"}, {Key: "rev", Value: 2.5}},
	} {
		want, id := storetest.Body(t, body), fmt.Sprint(i)
		if err := e.Insert(ctx, "plain", id, want); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Replace(ctx, "plain", store.Document{ID: id, Rev: 1, Body: want}); err != nil {
			t.Fatal(err)
		}
		if d, err := e.Get(ctx, "plain", id); err != nil || !bytes.Equal(d.Body, want) || d.Rev != 2 {
			t.Errorf("got %v %v, want %v", d, err, want)
		}
	}
	for _, reserved := range []string{"_id", "_rev"} {
		err := e.Insert(ctx, "plain", "x", storetest.Body(t, bson.D{{Key: reserved, Value: 1}}))
		if !errors.Is(err, venue.ErrInvalid) {
			t.Errorf("a body with %s: %v, want invalid", reserved, err)
		}
	}
}

// TestSchemasOfTwoVersions: a process that declares an index otherwise does not
// take the older one's away, until an operator says so.
func TestSchemasOfTwoVersions(t *testing.T) {
	ctx := context.Background()
	o := server{uri: mongotest.Start(t).URI(), development: true}.options(database())
	declare := func(fields ...string) []store.Schema {
		return []store.Schema{{Name: "things", Indexes: []store.Index{{Name: "x", Fields: fields}}}}
	}
	o.Schemas = declare("a")
	older := open(t, o)
	o.Schemas = declare("b", "a")
	newer := open(t, o)
	if err := older.Insert(ctx, "things", "1", storetest.Body(t, bson.M{"a": 1, "b": "x"})); err != nil {
		t.Fatal(err)
	}
	if n := len(storetest.Collect(t, older.Find(ctx, "things", store.Query{Index: "x", Equal: []any{1}}))); n != 1 {
		t.Errorf("the older process finds %d, want 1", n)
	}
	if n := len(storetest.Collect(t, newer.Find(ctx, "things", store.Query{Index: "x", Equal: []any{"x"}}))); n != 1 {
		t.Errorf("the newer process finds %d, want 1", n)
	}
	for _, left := range [][]string{{"things: x: a"}, nil} {
		names, err := newer.Leftovers(ctx)
		if err != nil || !slices.Equal(names, left) {
			t.Errorf("left over: %q, %v, want %q", names, err, left)
		}
		if err := newer.DropLeftovers(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(storetest.Collect(t, newer.Find(ctx, "things", store.Query{Index: "x", Equal: []any{"x"}}))); n != 1 {
		t.Errorf("the newer process finds %d afterwards, want 1", n)
	}
	for _, name := range []string{"scans_20221012", "scan_hours", "ready", "a$b", ""} {
		o.Schemas = []store.Schema{{Name: name}}
		if _, err := mongo.Open(ctx, o); err == nil {
			t.Errorf("a collection %q was taken", name)
		}
	}
}

// TestTheNextDayIsMadeAhead: nobody waits for a new collection at midnight.
func TestTheNextDayIsMadeAhead(t *testing.T) {
	ctx := context.Background()
	var clock machine
	o := development(mongotest.Start(t).URI(), &clock)
	storetest.Append(t, open(t, o), storetest.Scan(1, 1, "D", storetest.Noon))
	client, err := driver.Connect(options.Client().ApplyURI(o.URI))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(ctx)
	for _, name := range []string{"scans_20221012", "scans_20221013"} {
		made, err := client.Database(o.Database).Collection(name).Indexes().ListSpecifications(ctx)
		if err != nil || len(made) != 4 {
			t.Errorf("%s has %d indexes, want 4 (%v)", name, len(made), err)
		}
	}
}

// TestBothEnginesAgree gives one day and a half, as a seed makes it, to both:
// repeats, conflicts, late and coloured scans, batches of all sizes.
func TestBothEnginesAgree(t *testing.T) {
	ctx := context.Background()
	local, err := embedded.Open(embedded.Options{Dir: filepath.Join(t.TempDir(), "data"), Schemas: storetest.Schemas})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	remote := open(t, server{uri: mongotest.Start(t).URI(), development: true}.options(database()))

	random := rand.New(rand.NewPCG(7, 30))
	doors := []venue.Code{"D1", "D2", "门"}
	colours := []venue.Health{venue.HealthGreen, venue.HealthGreen, venue.HealthYellow, venue.HealthRed, venue.HealthUnknown}
	var known []venue.Scan
	for len(known) < 500 {
		var batch []venue.Scan
		for range 1 + random.IntN(60) {
			if len(known) > 0 && random.IntN(5) == 0 {
				again := known[random.IntN(len(known))]
				again.Received = again.Received.Add(time.Second)
				again.Hash[0] += byte(random.IntN(2))
				batch = append(batch, again)
				continue
			}
			at := storetest.Noon.Add(time.Duration(random.IntN(36*3600)) * time.Second)
			s := storetest.Scan(random.IntN(300), len(known), doors[random.IntN(len(doors))], at)
			s = storetest.Colour(storetest.Late(s, time.Duration(random.IntN(900))*time.Second), colours[random.IntN(len(colours))])
			if s.Prior = storetest.Key(0, 0); random.IntN(2) == 0 {
				s.Prior = storetest.Key(1000, len(known))
			}
			batch, known = append(batch, s), append(known, s)
		}
		want, err := local.Append(ctx, batch)
		if err != nil {
			t.Fatal(err)
		}
		got, err := remote.Append(ctx, batch)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v after %d scans: other outcomes", err, len(known))
		}
	}

	today, end := venue.DayOf(storetest.Noon), storetest.Noon.Add(48*time.Hour)
	rows := func(e store.Engine) (all [][]venue.Scan) {
		for _, door := range doors {
			all = append(all, storetest.Collect(t, e.AtDoor(ctx, door, storetest.Noon, end)))
		}
		all = append(all, storetest.Collect(t, e.OfPerson(ctx, today, storetest.Pseudonym(7))))
		return append(all, storetest.Collect(t, e.Attention(ctx, storetest.Noon, end)))
	}
	if !reflect.DeepEqual(rows(remote), rows(local)) {
		t.Error("other rows")
	}
	counts := func(e store.Engine) (all []int) {
		for hours := range 12 {
			span := venue.Span{Door: doors[hours%3], From: storetest.Noon.Add(time.Duration(hours*61) * time.Minute), To: end.Add(-time.Duration(hours*119) * time.Minute)}
			for _, by := range []time.Time{{}, span.From.Add(7 * time.Hour)} {
				n, err := e.CountScans(ctx, []venue.Span{span}, by)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, n)
			}
		}
		return all
	}
	if got, want := counts(remote), counts(local); !slices.Equal(got, want) {
		t.Errorf("counts %v, want %v", got, want)
	}
}

func TestADroppedMemoryIsEmpty(t *testing.T) {
	ctx := t.Context()
	o := server{uri: mongotest.Start(t).URI(), development: true}.options(database())
	e := open(t, o)
	scan := venue.Scan{Key: venue.ScanKey{1}, At: time.UnixMilli(1652846400000), Received: time.UnixMilli(1652846400000), Door: "A000000000000001"}
	if _, err := e.Append(ctx, []venue.Scan{scan}); err != nil {
		t.Fatal(err)
	}
	if err := e.Insert(ctx, "plain", "x", storetest.Body(t, bson.D{{Key: "a", Value: 1}})); err != nil {
		t.Fatal(err)
	}
	for range 2 { // again does no harm
		if err := e.Drop(ctx); err != nil {
			t.Fatal(err)
		}
	}
	again := open(t, o)
	if _, err := again.Get(ctx, "plain", "x"); !errors.Is(err, venue.ErrNotFound) {
		t.Errorf("the document: %v", err)
	}
	if _, err := again.Scan(ctx, venue.DayOf(scan.At), scan.Key); !errors.Is(err, venue.ErrNotFound) {
		t.Errorf("the scan: %v", err)
	}
}
