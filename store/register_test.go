package store_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/venuecode/venuecode/internal/canary"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/storetest"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// xored stands for the vault: what it seals is not in clear, and opens for the
// same use only.
type xored struct{}

func (xored) Seal(use string, plain []byte) ([]byte, error) {
	out := append([]byte(use+"\x00"), plain...)
	for i := range out {
		out[i] ^= 0xA5
	}
	return out, nil
}

func (x xored) Open(use string, sealed []byte) ([]byte, error) {
	out, _ := x.Seal("", sealed)
	plain, ok := bytes.CutPrefix(out[1:], []byte(use+"\x00"))
	if !ok {
		return nil, errors.New("wrong use")
	}
	return plain, nil
}

// crashing is a store whose process ends at a write: it may be done or not, and
// so are none of those that follow.
type crashing struct {
	store.Engine
	left atomic.Int64 // writes until then; never if negative
	torn bool         // the last one is done
}

var errCrashed = fmt.Errorf("crashed: %w", venue.ErrUnavailable)

func (c *crashing) write(do func() error) error {
	switch left := c.left.Add(-1); {
	case left == 0:
		if c.torn {
			_ = do()
		}
		return errCrashed
	case left < 0 && left > -1<<40:
		return errCrashed
	}
	return do()
}

func (c *crashing) calm() { c.left.Store(-1 << 50) }

func (c *crashing) Insert(ctx context.Context, collection, id string, body bson.Raw) error {
	return c.write(func() error { return c.Engine.Insert(ctx, collection, id, body) })
}

func (c *crashing) Replace(ctx context.Context, collection string, d store.Document) (rev int64, err error) {
	err = c.write(func() error { rev, err = c.Engine.Replace(ctx, collection, d); return err })
	return rev, err
}

func (c *crashing) Delete(ctx context.Context, collection, id string, rev int64) error {
	return c.write(func() error { return c.Engine.Delete(ctx, collection, id, rev) })
}

// bureau is a register with its desk.
type bureau struct {
	*registry.Service
	engine   *crashing
	registry *store.Registry
	register *store.Register
	clock    *handClock
}

func newBureau(t storetest.TB, engine store.Engine) *bureau {
	b := &bureau{engine: &crashing{Engine: engine}, clock: newClock(noon)}
	b.engine.calm()
	b.registry = store.NewRegistry(b.engine, b.clock)
	b.register = store.NewRegister(b.engine, b.registry, xored{}, b.clock)
	b.Service = &registry.Service{
		Applications: b.register, Book: b.register, Blanks: b.register,
		Policy: registry.Policy{Auto: []venue.Category{venue.CategoryFunctionalUnit, venue.CategorySmallPlace}}, Random: rand.Reader, Clock: b.clock,
	}
	return b
}

var (
	officer  = registry.Who{Account: "lichunmei", Reason: "材料齐全"}
	fromForm = registry.Sender{Channel: "form"}
)

const (
	goodUSCC  = "91410482MA9F0000X0" // replaced by usccs
	applicant = "欧阳丹砂"
	manager   = "司马青黛"
)

// uscc makes a good one.
func uscc(n int) string {
	const alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
	s := fmt.Sprintf("91419981MA%07d", n)
	for _, c := range alphabet {
		if _, proof, err := venue.ParseUSCC(s + string(c)); err == nil && !proof {
			return s + string(c)
		}
	}
	panic(s)
}

func form(n int) registry.Form {
	return registry.Form{
		UnitName: fmt.Sprintf("青禾市第%d商贸有限公司", n), USCC: uscc(n), UnitKind: "企业", Division: "419981001", Sectors: "商贸、餐饮",
		Name: fmt.Sprintf("第%d商场", n), ShortName: "商场", Category: "一", Address: "洗月街道文昌路1号", Doors: []string{"南门", "北门"},
		ApplicantName: applicant, ApplicantPhone: "13900000001", ManagerName: manager, ManagerPhone: "13900000002",
	}
}

func TestAnApplicationBecomesDoorsThatAreScanned(t *testing.T) {
	ctx := context.Background()
	b := newBureau(t, openStore(t))
	a, faults, err := b.Submit(ctx, "", form(1), fromForm)
	if err != nil || len(faults) > 0 || a.State != registry.StatePending {
		t.Fatalf("%v %v %v", a.State, faults, err)
	}
	a, err = b.Approve(ctx, a.ID, officer, false)
	if err != nil || a.State != registry.StateApproved || len(a.Made.Codes) != 2 {
		t.Fatalf("%+v, %v", a, err)
	}
	for i, name := range []string{"南门", "北门"} {
		p, err := b.registry.Resolve(ctx, a.Made.Codes[i])
		if err != nil || p.Door.Name != name || p.Venue.Name != "第1商场" || p.Door.Unit != a.Made.Unit {
			t.Fatalf("%+v, %v", p, err)
		}
	}
	if again, err := b.Approve(ctx, a.ID, officer, false); err != nil || !slices.Equal(again.Made.Codes, a.Made.Codes) {
		t.Fatalf("approved twice: %+v, %v", again, err)
	}
	if tenures, err := b.registry.Tenures(ctx, a.Made.Unit); err != nil || len(tenures) != 2 {
		t.Fatalf("%v, %v", tenures, err)
	}
	if found := canary.NewFinder(map[string]string{"applicant": applicant, "manager": manager, "phone": "13900000001"}).Find(everything(t, b.engine)); len(found) > 0 {
		t.Errorf("in clear in the store: %s", found)
	}
}

// everything is all documents as they are kept.
func everything(t storetest.TB, e store.Engine) []byte {
	var all bytes.Buffer
	for _, s := range store.Schemas {
		for d, err := range e.Find(context.Background(), s.Name, store.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			all.WriteString(d.ID)
			all.Write(d.Body)
		}
	}
	return all.Bytes()
}

var _ = rapid.Check
var _ = strings.Contains
