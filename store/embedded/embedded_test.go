package embedded_test

import (
	"path/filepath"
	"testing"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/store/storetest"
)

func open(t testing.TB, dir string) *embedded.Engine {
	t.Helper()
	e, err := embedded.Open(embedded.Options{Dir: dir, Schemas: storetest.Schemas})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestConformance(t *testing.T) {
	dirs := map[store.Engine]string{}
	storetest.Run(t, storetest.Harness{
		Open: func(t *testing.T) store.Engine {
			dir := filepath.Join(t.TempDir(), "data")
			e := open(t, dir)
			dirs[e] = dir
			return e
		},
		Reopen: func(t *testing.T, e store.Engine) store.Engine {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, dirs[e])
		},
	})
}
