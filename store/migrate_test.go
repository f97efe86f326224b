package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/venue"
)

var errCut = errors.New("cut")

// doubling is a step that doubles each group's name, and dies after some of them.
func doubling(to int64, dieAfter int) store.Step {
	groups := func(e store.Engine) store.Collection[venue.Group] {
		return store.NewCollection[venue.Group](e, store.Groups)
	}
	short := func(g venue.Group) bool { return len(g.Name) < 1<<to }
	return store.Step{
		To: to, What: "names are twice as long",
		Left: func(ctx context.Context, e store.Engine) (n int64, err error) {
			for row, err := range groups(e).Find(ctx, store.Query{}) {
				if err != nil {
					return n, err
				}
				if short(row.Value) {
					n++
				}
			}
			return n, nil
		},
		Do: func(ctx context.Context, e store.Engine, progress func(int64)) error {
			all, err := groups(e).All(ctx, store.Query{})
			if err != nil {
				return err
			}
			for i, row := range all {
				if i == dieAfter {
					return errCut
				}
				if _, err := groups(e).Update(ctx, row.ID, false, func(g *venue.Group) error {
					if short(*g) {
						g.Name += g.Name
					}
					return nil
				}); err != nil {
					return err
				}
				progress(int64(i + 1))
			}
			return nil
		},
	}
}

func TestAMigrationIsCutAnywhereAndDoneAgain(t *testing.T) {
	ctx := t.Context()
	const n, never = 4, 99
	for cut := range 2 * n {
		e, err := embedded.Open(embedded.Options{Dir: t.TempDir(), Schemas: store.Schemas})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		groups := store.NewCollection[venue.Group](e, store.Groups)
		for i := range n {
			id := fmt.Sprintf("g%d", i)
			if err := groups.Insert(ctx, id, venue.Group{ID: venue.GroupID(id), Name: "ab"}); err != nil {
				t.Fatal(err)
			}
		}
		whole := store.Migration{Engine: e, Steps: []store.Step{doubling(2, never), doubling(3, never)}}
		var old *store.VersionError
		if err := whole.Fit(ctx); !errors.As(err, &old) || old.Memory != 1 || old.Program != 3 {
			t.Fatalf("a memory of nobody knows when: %v", err)
		}
		cutShort := store.Migration{Engine: e, Steps: []store.Step{doubling(2, never), doubling(3, never)}}
		cutShort.Steps[cut/n] = doubling(int64(cut/n+2), cut%n)
		if err := cutShort.Run(ctx, func(store.Step, int64) {}); !errors.Is(err, errCut) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		version, plan, leftovers, err := whole.Plan(ctx)
		if err != nil || version != int64(cut/n+1) || len(plan) != 2-cut/n || plan[0].Left != int64(n-cut%n) || len(leftovers) != 0 {
			t.Errorf("cut at %d: version %d, plan %+v, %v", cut, version, plan, err)
		}
		if err := whole.Fit(ctx); !errors.As(err, &old) {
			t.Errorf("a memory in between: %v", err)
		}
		told := int64(0)
		if err := whole.Run(ctx, func(_ store.Step, done int64) { told += done }); err != nil || told == 0 {
			t.Fatalf("run again: %d, %v", told, err)
		}
		if err := whole.Fit(ctx); err != nil {
			t.Error(err)
		}
		for row, err := range groups.Find(ctx, store.Query{}) {
			if err != nil || row.Value.Name != "abababab" {
				t.Errorf("cut at %d: %q, %v", cut, row.Value.Name, err)
			}
		}
		for _, steps := range [][]store.Step{nil, whole.Steps[:1]} {
			older := store.Migration{Engine: e, Steps: steps}
			if err := older.Fit(ctx); !errors.As(err, &old) || old.Memory != 3 || old.Program != int64(len(steps)+1) {
				t.Errorf("an older program: %v", err)
			}
			if err := older.Run(ctx, nil); !errors.As(err, &old) {
				t.Errorf("an older program migrates: %v", err)
			}
		}
	}
}

func TestANewMemoryIsOfTheNewestVersion(t *testing.T) {
	for _, steps := range [][]store.Step{nil, {doubling(2, 0)}} {
		e, err := embedded.Open(embedded.Options{Dir: t.TempDir(), Schemas: store.Schemas})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		m := store.Migration{Engine: e, Steps: steps}
		for range 2 {
			if err := m.Fit(t.Context()); err != nil {
				t.Errorf("%d steps: %v", len(steps), err)
			}
		}
	}
}
