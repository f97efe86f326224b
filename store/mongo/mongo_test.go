package mongo_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/venuecode/venuecode/internal/mongotest"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/mongo"
	"github.com/venuecode/venuecode/store/storetest"
	"github.com/venuecode/venuecode/venue"
)

// server is where tests find a server: the development one, or a real one.
type server struct {
	name        string
	uri         string
	development bool
}

func (s server) options(database string) mongo.Options {
	return mongo.Options{
		URI:             s.uri,
		Database:        database,
		Schemas:         storetest.Schemas,
		Machine:         venue.ClockFunc(time.Now),
		AllowStandalone: s.development,
		FullIndexes:     s.development,
	}
}

// servers are the development server, and the real one that VENUECODE_MONGO
// names.
func servers(t *testing.T) []server {
	t.Helper()
	all := []server{{"development server", mongotest.Start(t).URI(), true}}
	if uri := os.Getenv("VENUECODE_MONGO"); uri != "" {
		all = append(all, server{"real server", uri, false})
	}
	return all
}

func open(t testing.TB, o mongo.Options) *mongo.Engine {
	t.Helper()
	e, err := mongo.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// dropLater drops a database of a real server, which outlives the test.
func (s server) dropLater(t *testing.T, database string) {
	if s.development {
		return
	}
	t.Cleanup(func() {
		client, err := driver.Connect(options.Client().ApplyURI(s.uri))
		if err == nil {
			err = errors.Join(client.Database(database).Drop(context.Background()), client.Disconnect(context.Background()))
		}
		if err != nil {
			t.Errorf("drop %s: %T", database, err) // err may quote the address
		}
	})
}

func database() string { return "venuecode_test_" + rand.Text() }

func TestConformance(t *testing.T) {
	for _, s := range servers(t) {
		t.Run(s.name, func(t *testing.T) {
			opened := map[store.Engine]mongo.Options{}
			var mu sync.Mutex
			again := func(t *testing.T, o mongo.Options) store.Engine {
				e := open(t, o)
				mu.Lock()
				defer mu.Unlock()
				opened[e] = o
				return e
			}
			storetest.Run(t, storetest.Harness{
				Open: func(t *testing.T) store.Engine {
					o := s.options(database())
					s.dropLater(t, o.Database)
					return again(t, o)
				},
				Reopen: func(t *testing.T, e store.Engine) store.Engine {
					if err := e.Close(); err != nil {
						t.Fatal(err)
					}
					return again(t, opened[e])
				},
				Slow: s.development,
			})
		})
	}
}
