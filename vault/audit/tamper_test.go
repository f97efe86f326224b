package audit

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/store"
)

// lab is a trail of two processes, one of which died, vouched for to its last
// row, and what is done to it.
type lab struct {
	*desk
	random  *rand.Rand
	docs    map[string]map[string]store.Document // collection → id → as written
	copy    []byte                               // what the sink has
	altered map[string]map[string]bson.Raw       // what is not as written
}

func newLab(t *testing.T) *lab {
	d := newDesk(t)
	sink := d.fileSink("outside")
	d.sinks = []Sink{sink}
	first := d.open()
	both := func(trail *Trail, n int) { // into two chains
		busy, err := trail.take(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		d.append(trail, n)
		trail.release(busy)
		d.append(trail, n)
	}
	both(first, 5)
	d.run(first)
	d.append(first, 5) // behind its last checkpoint
	second := d.open()
	for range 3 {
		both(second, 3)
		d.advance(3600e9)
		d.run(second)
	}
	if err := second.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	l := &lab{desk: d, random: rand.New(rand.NewPCG(2022, 518)), docs: map[string]map[string]store.Document{}, altered: map[string]map[string]bson.Raw{}, copy: d.copyOf(sink)}
	for _, c := range []string{store.Audit.Name, store.AuditCheckpoints.Name} {
		l.docs[c] = map[string]store.Document{}
		for doc, err := range d.docs.Find(context.Background(), c, store.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			l.docs[c][doc.ID] = doc
		}
	}
	return l
}

func (l *lab) copies(b []byte) map[string]io.Reader {
	return map[string]io.Reader{"outside": bytes.NewReader(b)}
}

// put makes the documents of a collection what after says, nil being none, and
// all others what they were. An intruder who knows the engine leaves no trace in
// the revision.
func (l *lab) put(collection string, after map[string]bson.Raw) {
	var wg sync.WaitGroup
	ctx := context.Background()
	target := maps.Clone(after)
	for id := range l.altered[collection] {
		if _, ok := after[id]; !ok {
			if target == nil {
				target = map[string]bson.Raw{}
			}
			target[id] = l.body(collection, id) // nil if it was put there
		}
	}
	for id, body := range target {
		wg.Go(func() {
			if err := l.desk.docs.Delete(ctx, collection, id, 0); err != nil && !isNotFound(err) {
				l.t.Error(err)
			}
			if body == nil {
				return
			}
			if err := l.desk.docs.Insert(ctx, collection, id, body); err != nil {
				l.t.Error(err)
			}
		})
	}
	wg.Wait()
	l.altered[collection] = after
}

// do does something to the trail, and undoes what was done before.
func (l *lab) do(c change) {
	l.put(store.Audit.Name, c.docs[store.Audit.Name])
	l.put(store.AuditCheckpoints.Name, c.docs[store.AuditCheckpoints.Name])
}

// ids are those of a collection, or of one chain, in order.
func (l *lab) ids(collection, prefix string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(l.docs[collection])), func(id string) bool { return !strings.HasPrefix(id, prefix) })
}

func (l *lab) any(ids []string) string { return ids[l.random.IntN(len(ids))] }

func (l *lab) body(collection, id string) bson.Raw { return l.docs[collection][id].Body }

// chainOfAny is the ids of the chain of a random row: long ones more often.
func (l *lab) chainOfAny() []string {
	chain, _, _ := strings.Cut(l.any(l.ids(store.Audit.Name, "")), ":")
	return l.ids(store.Audit.Name, chain+":")
}

// flip changes some bits of one byte.
func (l *lab) flip(b []byte) []byte {
	b = bytes.Clone(b)
	b[l.random.IntN(len(b))] ^= byte(1 + l.random.IntN(255))
	return b
}

// storable tells whether an engine would take it.
func storable(collection string, body bson.Raw) bool {
	if body.Validate() != nil {
		return false
	}
	if collection != store.Audit.Name {
		return true
	}
	at, okAt := body.Lookup("at").DateTimeOK()
	_, okActor := body.Lookup("actor").StringValueOK()
	_, okObject := body.Lookup("object").StringValueOK()
	return okAt && okActor && okObject && at != 0
}

// change is what was done: documents by collection, and the copy.
type change struct {
	docs map[string]map[string]bson.Raw
	copy []byte
}

func (l *lab) changed(collection string, after map[string]bson.Raw) change {
	return change{map[string]map[string]bson.Raw{collection: after}, l.copy}
}

// ways to do something to the trail. A way that happens to change nothing gives
// the zero change and is tried again.
var ways = map[string]func(*lab) change{
	"edit: a byte of a row":                      func(l *lab) change { return l.editByte(store.Audit.Name) },
	"edit: a byte of a checkpoint":               func(l *lab) change { return l.editByte(store.AuditCheckpoints.Name) },
	"edit: an event, hash made anew":             func(l *lab) change { return l.rewrite(1) },
	"edit: an event, chain made anew to its end": func(l *lab) change { return l.rewrite(1 << 30) },
	"removal: a row":                             func(l *lab) change { return l.remove(store.Audit.Name, l.ids(store.Audit.Name, ""), 1) },
	"removal: some rows in a row": func(l *lab) change {
		return l.remove(store.Audit.Name, l.ids(store.Audit.Name, ""), 1+l.random.IntN(6))
	},
	"removal: a row, the rest moved up, made anew": (*lab).close,
	"removal: a chain": func(l *lab) change {
		after := map[string]bson.Raw{}
		for _, id := range l.chainOfAny() {
			after[id] = nil
		}
		return l.changed(store.Audit.Name, after)
	},
	"removal: a checkpoint": func(l *lab) change {
		return l.remove(store.AuditCheckpoints.Name, l.ids(store.AuditCheckpoints.Name, ""), 1)
	},
	"removal: a checkpoint and its line in the copy": (*lab).removeEverywhere,
	"reorder: two rows":            func(l *lab) change { return l.swap(store.Audit.Name, l.ids(store.Audit.Name, "")) },
	"reorder: two rows of a chain": func(l *lab) change { return l.swap(store.Audit.Name, l.chainOfAny()) },
	"reorder: two checkpoints": func(l *lab) change {
		return l.swap(store.AuditCheckpoints.Name, l.ids(store.AuditCheckpoints.Name, ""))
	},
	"reorder: two events, chain made anew": (*lab).swapEvents,
	"truncation: the end of a chain":       func(l *lab) change { return l.truncate(store.Audit.Name, l.chainOfAny()) },
	"truncation: the last checkpoints": func(l *lab) change {
		return l.truncate(store.AuditCheckpoints.Name, l.ids(store.AuditCheckpoints.Name, ""))
	},
	"truncation: the end of a chain and all that vouches for it": (*lab).truncateEverywhere,
	"copy: a byte": func(l *lab) change { return change{copy: l.flip(l.copy)} },
	"copy: a line gone": func(l *lab) change {
		return l.lines(func(s [][]byte, i, _ int) [][]byte { return slices.Delete(s, i, i+1) })
	},
	"copy: two lines swapped": func(l *lab) change {
		return l.lines(func(s [][]byte, i, j int) [][]byte { s[i], s[j] = s[j], s[i]; return s })
	},
	"copy: cut":                func(l *lab) change { return change{copy: l.copy[:l.random.IntN(len(l.copy))]} },
	"insertion: an odd row":    (*lab).insert,
	"insertion: a whole chain": (*lab).insertChain,
}

func (l *lab) editByte(collection string) change {
	id := l.any(l.ids(collection, ""))
	body := l.flip(l.body(collection, id))
	if !storable(collection, body) {
		return change{}
	}
	return l.changed(collection, map[string]bson.Raw{id: body})
}

func (l *lab) remove(collection string, ids []string, n int) change {
	i := l.random.IntN(len(ids))
	after := map[string]bson.Raw{}
	for _, id := range ids[i:min(i+n, len(ids))] {
		after[id] = nil
	}
	return l.changed(collection, after)
}

func (l *lab) truncate(collection string, ids []string) change {
	return l.remove(collection, ids[l.random.IntN(len(ids)):], len(ids))
}

func (l *lab) swap(collection string, ids []string) change {
	a, b := l.any(ids), l.any(ids)
	if a == b {
		return change{}
	}
	return l.changed(collection, map[string]bson.Raw{a: l.body(collection, b), b: l.body(collection, a)})
}

// events reads a chain.
func (l *lab) events(ids []string) (rows []Row) {
	for _, id := range ids {
		r, err := readRow(l.docs[store.Audit.Name][id])
		if err != nil {
			l.t.Fatal(err)
		}
		rows = append(rows, r)
	}
	return rows
}

// again writes events into a chain from row i on, n of them, each hash made
// anew.
func (l *lab) again(rows []Row, i, n int) change {
	after := map[string]bson.Raw{}
	prev := Hash{}
	if i > 0 {
		prev = rows[i-1].Hash
	}
	for _, r := range rows[i:min(len(rows), i+min(n, len(rows)))] {
		made, body := newRow(r.Chain, r.Seq, prev, r.Event)
		prev, after[made.ID()] = made.Hash, body
	}
	return l.changed(store.Audit.Name, after)
}

func (l *lab) rewrite(n int) change {
	rows := l.events(l.chainOfAny())
	i := l.random.IntN(len(rows))
	e := rows[i].Event.clone()
	switch l.random.IntN(5) {
	case 0:
		e.Actor += "x"
	case 1:
		e.Object.ID = "somebody else"
	case 2:
		e.Reason = "另一个理由"
	case 3:
		e.At = e.At.Add(1e6)
	case 4:
		e.Details["n"] = "12345"
	}
	rows[i].Event = e
	return l.again(rows, i, n)
}

// close takes a row out and closes the ranks.
func (l *lab) close() change {
	rows := l.events(l.chainOfAny())
	i, last := l.random.IntN(len(rows)), rows[len(rows)-1].ID()
	rows = slices.Delete(rows, i, i+1)
	for j := i; j < len(rows); j++ {
		rows[j].Seq--
	}
	c := l.again(rows, i, len(rows))
	c.docs[store.Audit.Name][last] = nil
	return c
}

func (l *lab) swapEvents() change {
	rows := l.events(l.chainOfAny())
	i, j := l.random.IntN(len(rows)), l.random.IntN(len(rows))
	if bytes.Equal(rows[i].Event.encode(), rows[j].Event.encode()) {
		return change{}
	}
	rows[i].Event, rows[j].Event = rows[j].Event, rows[i].Event
	return l.again(rows, min(i, j), len(rows))
}

func (l *lab) split() [][]byte { return bytes.SplitAfter(l.copy, []byte("\n")) }

func (l *lab) lines(do func(lines [][]byte, i, j int) [][]byte) change {
	lines := l.split()
	lines = slices.Clone(lines[:len(lines)-1]) // what is behind the last newline is nothing
	i, j := l.random.IntN(len(lines)), l.random.IntN(len(lines))
	return change{copy: bytes.Join(do(lines, i, j), nil)}
}

func (l *lab) removeEverywhere() change {
	i := l.random.IntN(len(l.docs[store.AuditCheckpoints.Name]))
	c := l.changed(store.AuditCheckpoints.Name, map[string]bson.Raw{checkpointID(int64(i + 1)): nil})
	c.copy = bytes.Join(slices.Delete(slices.Clone(l.split()), i, i+1), nil)
	return c
}

// truncateEverywhere cuts chain, checkpoints and copy; the sink's cursor stays.
func (l *lab) truncateEverywhere() change {
	c := l.truncate(store.Audit.Name, l.chainOfAny())
	n := l.random.IntN(len(l.docs[store.AuditCheckpoints.Name]))
	c.docs[store.AuditCheckpoints.Name] = map[string]bson.Raw{}
	for i := n; i < len(l.docs[store.AuditCheckpoints.Name]); i++ {
		c.docs[store.AuditCheckpoints.Name][checkpointID(int64(i+1))] = nil
	}
	c.copy = bytes.Join(l.split()[:n], nil)
	return c
}

func (l *lab) insert() change {
	ids := l.chainOfAny()
	rows := l.events(ids)
	last := rows[len(rows)-1]
	r, body := newRow(last.Chain, last.Seq+2, last.Hash, reveal(1))
	return l.changed(store.Audit.Name, map[string]bson.Raw{l.any([]string{r.ID(), r.ID() + "x", "nobody", last.ID() + ":1"}): body})
}

func (l *lab) insertChain() change {
	after := map[string]bson.Raw{}
	var prev Hash
	name := fmt.Sprintf("%024x", l.random.Uint64())
	begin := l.events(l.chainOfAny())[0].Event
	begin.Object.ID = l.any([]string{name, begin.Object.ID})
	for i := range 1 + l.random.IntN(4) {
		e := reveal(i)
		if i == 0 {
			e = begin
		}
		r, body := newRow(name, int64(i+1), prev, e)
		prev, after[r.ID()] = r.Hash, body
	}
	return l.changed(store.Audit.Name, after)
}

// Ten thousand random edits, removals, reorders and truncations of rows,
// checkpoints and copies are all found.
func TestEveryTamperingIsFound(t *testing.T) {
	t.Parallel()
	n := 2000 / slack
	if os.Getenv("VENUECODE_LONG") != "" {
		n = 10_000
	}
	l := newLab(t)
	if r := l.whole(l.copies(l.copy)); r.Unvouched != 0 || r.Chains < 4 {
		t.Fatalf("%d rows in %d chains, %d not vouched for: a poor laboratory", r.Rows, r.Chains, r.Unvouched)
	}
	names := slices.Sorted(maps.Keys(ways))
	done := map[string]int{}
	for i := range n {
		way := names[i%len(names)]
		var c change
		for c.docs == nil && (c.copy == nil || bytes.Equal(c.copy, l.copy)) || len(c.docs) > 0 && l.same(c) {
			c = ways[way](l)
		}
		l.do(c)
		if r := l.verify(l.copies(c.copy)); r.Found == 0 {
			t.Errorf("%d: not found: %s", i, way)
		}
		done[way]++
	}
	l.do(change{})
	l.whole(l.copies(l.copy)) // the undoing was complete, so each was found by itself
	t.Logf("%d found, of each way at least %d", n, slices.Min(slices.Collect(maps.Values(done))))
}

// same tells whether nothing was done.
func (l *lab) same(c change) bool {
	for collection, after := range c.docs {
		for id, body := range after {
			if !bytes.Equal(body, l.docs[collection][id].Body) {
				return false
			}
		}
	}
	return bytes.Equal(c.copy, l.copy)
}

func TestAFindingSaysWhatWasDone(t *testing.T) {
	l := newLab(t)
	for way, want := range map[string]Kind{
		"edit: an event, hash made anew":                             Edit,
		"edit: an event, chain made anew to its end":                 Edit,
		"removal: a chain":                                           Removal,
		"reorder: two rows of a chain":                               Reorder,
		"truncation: the end of a chain and all that vouches for it": Truncation,
		"removal: a checkpoint":                                      MissingCheckpoint,
		"reorder: two checkpoints":                                   Reorder,
		"insertion: a whole chain":                                   UnlinkedChain,
		"copy: cut":                                                  Truncation,
		"copy: a line gone":                                          MissingCheckpoint,
	} {
		var c change
		for c.docs == nil && (c.copy == nil || bytes.Equal(c.copy, l.copy)) {
			c = ways[way](l)
		}
		if way == "copy: a line gone" { // of one that is not the last
			c.copy = bytes.Join(slices.Delete(slices.Clone(l.split()), 0, 1), nil)
		}
		if strings.HasPrefix(way, "edit: an event") { // of a row that is not the signed first
			rows := l.events(l.chainOfAny())
			rows[len(rows)-1].Event.Reason = "另"
			c = l.again(rows, len(rows)-1, 1)
		}
		l.do(c)
		if got := kinds(l.verify(l.copies(c.copy))); !slices.Contains(got, want) {
			t.Errorf("%s: found %v, want %s", way, got, want)
		}
	}
}

func TestARowWrittenOverWithTheSameIsFound(t *testing.T) {
	l := newLab(t)
	for _, collection := range []string{store.Audit.Name, store.AuditCheckpoints.Name} {
		d := l.docs[collection][l.any(l.ids(collection, ""))]
		if _, err := l.desk.docs.Replace(context.Background(), collection, d); err != nil {
			t.Fatal(err)
		}
	}
	if got := kinds(l.verify(nil)); !slices.Contains(got, Edit) || !slices.Contains(got, ForgedCheckpoint) {
		t.Errorf("found %v, want both", got)
	}
}
