// Package mongo is the engine for many processes: a MongoDB replica set or
// sharded cluster.
//
// Every write waits for a majority and its journal; every reading is of what a
// majority has, from the primary. Nothing needs a transaction of several
// documents: a document changes only while it has the revision that was read, a
// scan is inserted under an id that is its own, and hour counts are made again
// from the rows, never added to.
//
// documents.go and find.go have the documents, append.go the writing of scans,
// scans.go their reading, counts.go the hour counts and upkeep.go what
// operators start. docs/decisions/0020-mongodb.md tells why.
package mongo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Options say where the memory lies and what is in it.
type Options struct {
	URI      string         // mongodb://… or mongodb+srv://…; a secret, and never told
	Database string         // made if absent; empty: the one that URI names, or "venuecode"
	Schemas  []store.Schema // every collection; indexes that are new are built on opening
	Logger   *slog.Logger   // nil: silent
	Machine  venue.Clock    // real; those of all processes agree within two minutes
	// Timeout is how long one operation may take whose caller sets no deadline;
	// 0 is 10 s.
	Timeout time.Duration
	// AllowStandalone admits a server without replicas, which loses what it
	// acknowledged when its disk is lost. For tests and trials.
	AllowStandalone bool
	// FullIndexes makes indexes over every row where a few would do: for the
	// development server, which has no partial ones.
	FullIndexes bool
}

// Engine keeps the memory in one database of a MongoDB deployment.
type Engine struct {
	client      *driver.Client
	db          *driver.Database
	hours       *driver.Collection
	schemas     []store.Schema
	collections map[string]*collection
	machine     venue.Clock
	timeout     time.Duration
	fullIndexes bool

	queue   chan *request
	workers sync.WaitGroup
	marks   marks
	made    made

	mu      sync.Mutex // guards closing against new users
	closing atomic.Bool
	users   sync.WaitGroup
	closed  error
	close   sync.Once
}

var _ store.Engine = (*Engine)(nil)

const (
	defaultTimeout = 10 * time.Second
	// longTimeout is for what takes as long as there is much: building an index,
	// removing the counts of many days.
	longTimeout = 10 * time.Minute
	poolMax     = 100
	poolMin     = 2
)

// Collections of the engine's own beside those of the scans. The ready
// collection has one document, which Check writes.
const (
	hoursName = "scan_hours"
	readyName = "ready"
)

// Open connects, checks that the deployment keeps what it acknowledges, and
// makes what indexes are missing. It waits for a server no longer than Timeout
// and tells nothing of the URI.
func Open(ctx context.Context, o Options) (_ *Engine, err error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Machine == nil {
		return nil, errors.New("open store: the machine clock is missing")
	}
	settings, err := settings(o)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	e := &Engine{
		schemas:     o.Schemas,
		machine:     o.Machine,
		timeout:     o.Timeout,
		fullIndexes: o.FullIndexes,
		queue:       make(chan *request, queueLen),
		marks:       marks{at: map[hourKey]time.Time{}},
		made:        made{at: map[venue.Day]time.Time{}},
	}
	if e.client, err = driver.Connect(settings); err != nil {
		return nil, errors.New("open store: the MongoDB address or its options are wrong") // err may quote them
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open store: %w", err), told(ctx, e.client.Disconnect(context.Background())))
		}
	}()
	e.db = e.client.Database(cmp.Or(o.Database, databaseOf(o.URI), "venuecode"))
	e.hours = e.db.Collection(hoursName)
	if err := e.greet(ctx, o.AllowStandalone); err != nil {
		return nil, err
	}
	if e.collections, err = declare(e.db, o.Schemas); err != nil {
		return nil, err
	}
	if err := e.makeIndexes(ctx); err != nil {
		return nil, err
	}
	for range writers {
		e.workers.Go(e.writeAll)
	}
	return e, nil
}

// settings are the client's. The driver's own complaints about a URI quote it,
// password and all (CVE-2026-129934).
func settings(o Options) (*options.ClientOptions, error) {
	journaled := true
	s := options.Client().ApplyURI(o.URI).
		SetAppName("venuecode").
		SetServerSelectionTimeout(o.Timeout).
		SetConnectTimeout(min(o.Timeout, 5*time.Second)).
		SetTimeout(o.Timeout).
		SetMaxPoolSize(poolMax).SetMinPoolSize(poolMin).SetMaxConnecting(4).SetMaxConnIdleTime(5 * time.Minute).
		SetRetryWrites(true).SetRetryReads(true).
		SetWriteConcern(&writeconcern.WriteConcern{W: writeconcern.WCMajority, Journal: &journaled}).
		SetReadConcern(readconcern.Majority()).
		SetReadPreference(readpref.Primary()).
		SetServerMonitor(&event.ServerMonitor{TopologyDescriptionChanged: primaryLog(o.Logger)})
	if s.Validate() != nil {
		return nil, &venue.Invalid{Field: "store", Reason: "no MongoDB address that can be used"}
	}
	return s, nil
}

// primaryLog tells operators when the primary goes and comes.
func primaryLog(log *slog.Logger) func(*event.TopologyDescriptionChangedEvent) {
	writable := func(d event.TopologyDescription) bool {
		return slices.ContainsFunc(d.Servers, func(s event.ServerDescription) bool {
			return s.Kind == "RSPrimary" || s.Kind == "Mongos" || s.Kind == "Standalone"
		})
	}
	return func(e *event.TopologyDescriptionChangedEvent) {
		switch before, now := writable(e.PreviousDescription), writable(e.NewDescription); {
		case before && !now:
			log.Warn("store: no MongoDB primary is to be had")
		case now && !before:
			log.Info("store: a MongoDB primary is there")
		}
	}
}

// databaseOf is the database that a URI names: what follows its hosts.
func databaseOf(uri string) string {
	_, uri, _ = strings.Cut(uri, "://")
	uri, _, _ = strings.Cut(uri, "?")
	_, name, _ := strings.Cut(uri, "/")
	return name
}

// greet waits for a server and sees what it is.
func (e *Engine) greet(ctx context.Context, allowStandalone bool) error {
	if err := e.client.Ping(ctx, readpref.Primary()); err != nil {
		return fmt.Errorf("no MongoDB primary answers: %w", told(ctx, err))
	}
	var hello struct {
		SetName string `bson:"setName"`
		Msg     string `bson:"msg"`
	}
	err := e.client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello)
	if err != nil {
		return told(ctx, err)
	}
	if hello.SetName == "" && hello.Msg != "isdbgrid" && !allowStandalone {
		return errors.New("the MongoDB server stands alone: a replica set is needed, or what was acknowledged is lost with one disk")
	}
	return nil
}

// makeIndexes makes those that are missing; the others are left as they are.
func (e *Engine) makeIndexes(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, longTimeout)
	defer cancel()
	for _, c := range e.collections {
		for _, x := range c.indexes {
			if err := makeIndex(ctx, c.Collection, x.model()); err != nil {
				return fmt.Errorf("make index %s of %s: %w", x.Name, c.Name(), err)
			}
		}
	}
	for name, keys := range map[string]bson.D{"door": ascending("d", "y"), "day": ascending("y", "d")} {
		if err := makeIndex(ctx, e.hours, driver.IndexModel{Keys: keys, Options: options.Index().SetName(name)}); err != nil {
			return fmt.Errorf("make index %s of %s: %w", name, hoursName, err)
		}
	}
	return nil
}

// makeIndex makes an index if it is missing. Not many at once: the development
// server fails if some of them are there.
func makeIndex(ctx context.Context, c *driver.Collection, model driver.IndexModel) error {
	_, err := c.Indexes().CreateOne(ctx, model)
	return told(ctx, err)
}

func ascending(fields ...string) (keys bson.D) {
	for _, f := range fields {
		keys = append(keys, bson.E{Key: f, Value: 1})
	}
	return keys
}

// enter lets the caller use the database until it calls leave; Close waits.
func (e *Engine) enter(ctx context.Context) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing.Load() {
		return nil, errClosed
	}
	e.users.Add(1)
	return e.users.Done, nil
}

// goOn is asked before each row.
func (e *Engine) goOn(ctx context.Context) error {
	if e.closing.Load() {
		return errClosed
	}
	return ctx.Err()
}

// Check answers nil while the engine can take a write: it makes one.
func (e *Engine) Check(ctx context.Context) error {
	leave, err := e.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	_, err = e.db.Collection(readyName).UpdateOne(ctx, bson.D{{Key: "_id", Value: "ready"}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "at", Value: bson.NewDateTimeFromTime(e.machine.Now())}}}},
		options.UpdateOne().SetUpsert(true))
	return told(ctx, err)
}

// Drop removes the database and all that is in it, for good. Nothing else may be
// asked of the engine then but Close.
func (e *Engine) Drop(ctx context.Context) error {
	leave, err := e.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if err := told(ctx, e.db.Drop(ctx)); err != nil {
		return fmt.Errorf("drop the memory: %w", err)
	}
	return nil
}

// Close waits for the writes under way and for readers to take notice, then
// lets go of the connections. It must not be called from inside an iteration.
func (e *Engine) Close() error {
	e.close.Do(func() {
		e.mu.Lock()
		e.closing.Store(true)
		e.mu.Unlock()
		e.users.Wait()
		close(e.queue)
		e.workers.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), e.timeout)
		defer cancel()
		if err := told(ctx, e.client.Disconnect(ctx)); err != nil {
			e.closed = fmt.Errorf("close store: %w", err)
		}
	})
	return e.closed
}
