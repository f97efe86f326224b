package mongo

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

func TestOnlyDuplicatesAreRepeats(t *testing.T) {
	duplicate := func(i int) driver.BulkWriteError {
		return driver.BulkWriteError{WriteError: driver.WriteError{Index: i, Code: 11000, Message: "E11000 … dup key: { secret }"}}
	}
	other := driver.BulkWriteError{WriteError: driver.WriteError{Index: 1, Code: 8}}
	for _, c := range []struct {
		name string
		err  error
		want []int // nil: not only duplicates
	}{
		{"two duplicates", driver.BulkWriteException{WriteErrors: []driver.BulkWriteError{duplicate(0), duplicate(3)}}, []int{0, 3}},
		{"a duplicate and another fault", driver.BulkWriteException{WriteErrors: []driver.BulkWriteError{duplicate(0), other}}, nil},
		{"duplicates that no majority has", driver.BulkWriteException{
			WriteErrors: []driver.BulkWriteError{duplicate(0)}, WriteConcernError: &driver.WriteConcernError{Code: 64}}, nil},
		{"no majority", driver.BulkWriteException{WriteConcernError: &driver.WriteConcernError{Code: 64}}, nil},
		{"another error", errors.New("lost"), nil},
		{"none", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, ok := duplicates(c.err)
			if ok != (c.want != nil) || ok && !slices.Equal(at, c.want) {
				t.Fatalf("got %v %v, want %v", at, ok, c.want)
			}
			if err := told(context.Background(), c.err); c.err != nil && (!errors.Is(err, venue.ErrUnavailable) || strings.Contains(err.Error(), "secret")) {
				t.Fatalf("told as %v", err)
			}
		})
	}
}

func TestADuplicateOfADeclaredIndexIsErrExists(t *testing.T) {
	c := &collection{
		Collection: new(driver.Client).Database("d").Collection("doors"),
		indexes:    []*index{{store.Index{Name: "name", Fields: []string{"venue", "name"}, Unique: true}}},
	}
	duplicate := func(pattern any) error {
		raw, err := bson.Marshal(bson.M{"keyPattern": pattern})
		if err != nil {
			t.Fatal(err)
		}
		return driver.WriteException{WriteErrors: []driver.WriteError{{Code: 11000, Message: "dup key: { secret }", Raw: raw}}}
	}
	for _, d := range []struct {
		name  string
		err   error
		exist bool
	}{
		{"the id", duplicate(bson.D{{Key: "_id", Value: 1}}), true},
		{"a declared index", duplicate(bson.D{{Key: "venue", Value: 1}, {Key: "name", Value: 1}}), true},
		{"an index nobody declares", duplicate(bson.D{{Key: "phone", Value: 1}}), false},
		{"a server that does not say which", duplicate(nil), true},
		{"no majority has it", driver.WriteException{
			WriteErrors: []driver.WriteError{{Code: 11000}}, WriteConcernError: &driver.WriteConcernError{Code: 64}}, false},
	} {
		t.Run(d.name, func(t *testing.T) {
			err := c.told(context.Background(), d.err)
			if err == nil || errors.Is(err, venue.ErrExists) != d.exist || strings.Contains(err.Error(), "secret") {
				t.Fatalf("got %v, exists wanted: %v", err, d.exist)
			}
		})
	}
}

// TestWhatIsAskedOfEveryServer: no URI talks the engine out of it.
func TestWhatIsAskedOfEveryServer(t *testing.T) {
	s, err := settings(Options{URI: "mongodb://h/?w=1&journal=false&readConcernLevel=local&readPreference=nearest&retryWrites=false&maxPoolSize=0", Timeout: time.Second,
		Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case s.WriteConcern.W != "majority" || s.WriteConcern.Journal == nil || !*s.WriteConcern.Journal:
		t.Errorf("writes wait for %+v", s.WriteConcern)
	case s.ReadConcern.Level != "majority" || s.ReadPreference.Mode() != readpref.PrimaryMode:
		t.Errorf("readings are %v of %v", s.ReadConcern.Level, s.ReadPreference)
	case !*s.RetryWrites || *s.Timeout != time.Second || *s.ServerSelectionTimeout != time.Second || *s.MaxPoolSize != poolMax:
		t.Error("no retries, no timeouts or no end of connections")
	}
}

func TestDatabaseOfAURI(t *testing.T) {
	for uri, want := range map[string]string{
		"mongodb://a:1,b:2/city?x=/y":    "city",
		"mongodb+srv://u:p@h/city":       "city",
		"mongodb://a:1,b:2/?x=1":         "",
		"mongodb://a:1":                  "",
		"mongodb://u:p%2Fq@h?authSource": "",
	} {
		if got := databaseOf(uri); got != want {
			t.Errorf("%s: %q, want %q", uri, got, want)
		}
	}
}
