package vault_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

func signer(t *testing.T) *audit.FileSigner {
	t.Helper()
	return must[*audit.FileSigner](t)(audit.NewFileSigner(t.TempDir(), rand.Reader))
}

// fuse lets a process die at one of its writes: before it, or behind it.
type fuse struct {
	at, n int
	after bool
	blown bool
}

func (f *fuse) do(call func() error) error {
	if f.blown {
		return errDied
	}
	if f.n++; f.n != f.at {
		return call()
	}
	f.blown = true
	if f.after {
		_ = call() // it was done, and nobody was told
	}
	return errDied
}

type fusedEngine struct {
	store.Engine
	fuse *fuse
}

func (e fusedEngine) Insert(ctx context.Context, collection, id string, body bson.Raw) error {
	return e.fuse.do(func() error { return e.Engine.Insert(ctx, collection, id, body) })
}

func (e fusedEngine) Replace(ctx context.Context, collection string, doc store.Document) (rev int64, err error) {
	err = e.fuse.do(func() error { rev, err = e.Engine.Replace(ctx, collection, doc); return err })
	return rev, err
}

func (e fusedEngine) Delete(ctx context.Context, collection, id string, rev int64) error {
	return e.fuse.do(func() error { return e.Engine.Delete(ctx, collection, id, rev) })
}

func (e fusedEngine) PurgeDay(ctx context.Context, day venue.Day) error {
	return e.fuse.do(func() error { return e.Engine.PurgeDay(ctx, day) })
}

// blindScans can not count one day: a row of it is damaged.
type blindScans struct {
	store.ScanLog
	day venue.Day
	err error
}

func (s blindScans) VerifyCounts(ctx context.Context, from, to venue.Day, progress func(int64)) (store.CountCheck, error) {
	if from <= s.day && s.day <= to {
		return store.CountCheck{}, s.err
	}
	return s.ScanLog.VerifyCounts(ctx, from, to, progress)
}

// TestADamagedRowSavesNoDay: what can not be counted is destroyed, and the
// certificate says so; while the store is away nothing is.
func TestADamagedRowSavesNoDay(t *testing.T) {
	p := newPlace(t)
	p.now = noon.AddDate(0, 0, 40)
	run := func(err error) (int, error) {
		job := p.job(&fuse{})
		job.Scans = blindScans{job.Scans, p.first + 1, err}
		ran, _, err := job.Run(t.Context(), p.now)
		return ran, err
	}
	if ran, err := run(fmt.Errorf("away: %w", venue.ErrUnavailable)); ran != 0 || !errors.Is(err, venue.ErrUnavailable) {
		t.Errorf("with the store away: %d days, %v", ran, err)
	}
	if ran, err := run(errors.New("a row is damaged")); ran != 3 || err != nil {
		t.Fatalf("%d days, %v", ran, err)
	}
	lines := must[[]json.RawMessage](t)(vault.NewCertificates(p.engine, p.signer, "419981").List(t.Context()))
	c := must[vault.Certificate](t)(vault.VerifyCertificate(lines[len(lines)-1], p.signer.Public()))
	want := []vault.CertifiedDay{{Day: p.first, Rows: 3, Key: true}, {Day: p.first + 1, Key: true, Uncounted: true}, {Day: p.first + 2, Rows: 5, Key: true}}
	if !slices.Equal(c.Days, want) || c.Rows != 8 {
		t.Errorf("certified %+v, %d rows", c.Days, c.Rows)
	}
	if left := must[*vault.Vault](t)(vault.Open(p.keys, rand.Reader)).Status().Days; len(left) > 0 {
		t.Errorf("keys are left of %v", left)
	}
}

type fusedKeys struct {
	vault.KeyProvider
	fuse *fuse
}

func (k fusedKeys) Put(name string, key []byte) error {
	return k.fuse.do(func() error { return k.KeyProvider.Put(name, key) })
}

func (k fusedKeys) Delete(name string) error {
	return k.fuse.do(func() error { return k.KeyProvider.Delete(name) })
}

// place is a platform with three days of visits: 3, 4 and 5 rows.
type place struct {
	t      *testing.T
	keys   string
	engine *embedded.Engine
	signer *audit.FileSigner
	first  venue.Day
	now    time.Time
	acts   []string // action and details, as recorded
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{t: t, keys: t.TempDir(), signer: signer(t), first: venue.DayOf(noon), now: noon}
	p.engine = must[*embedded.Engine](t)(embedded.Open(embedded.Options{Dir: t.TempDir(), Schemas: store.Schemas}))
	t.Cleanup(func() { p.engine.Close() })
	v := open(t, p.keys)
	door := must[venue.Code](t)(venue.NewCode(rand.Reader))
	for d := range 3 {
		at := noon.AddDate(0, 0, d)
		for i := range 3 + d {
			key, _, err := v.ScanKey(person(byte(i)), person(byte(i)), at, "r", 0)
			if err != nil {
				t.Fatal(err)
			}
			must[[]store.Outcome](t)(p.engine.Append(t.Context(), []venue.Scan{{
				Key: key, At: at, Received: at, Door: door, Person: must[[]byte](t)(v.SealPerson(venue.DayOf(at), key, person(byte(i))))}}))
		}
	}
	must[int](t)(p.night(&fuse{})) // the first start: nothing is due
	return p
}

// job is a process that opens the place; it dies where the fuse says.
func (p *place) job(f *fuse) *vault.Retention {
	p.t.Helper()
	engine := fusedEngine{p.engine, f}
	return &vault.Retention{
		Vault: must[*vault.Vault](p.t)(vault.Open(p.keys, rand.Reader, vault.WithProvider(fusedKeys{vault.NewFiles(p.keys), f}))),
		Scans: engine, Meta: store.NewCollection[store.MetaRow](engine, store.Meta),
		Certificates: vault.NewCertificates(engine, p.signer, "419981"), VisitDays: 30,
		Clock: venue.ClockFunc(func() time.Time { return p.now }),
		Record: func(_ context.Context, actor, action string, details map[string]string) error {
			return f.do(func() error {
				p.acts = append(p.acts, fmt.Sprint(actor, " ", action, " ", details["certificate"], details["sha256"]))
				return nil
			})
		},
	}
}

func (p *place) night(f *fuse) (int, error) {
	ran, _, err := p.job(f).Run(p.t.Context(), p.now)
	return ran, err
}

func (p *place) certificates() (list []vault.Certificate, lines []json.RawMessage) {
	p.t.Helper()
	lines = must[[]json.RawMessage](p.t)(vault.NewCertificates(p.engine, p.signer, "419981").List(p.t.Context()))
	for _, line := range lines {
		list = append(list, must[vault.Certificate](p.t)(vault.VerifyCertificate(line, p.signer.Public())))
	}
	return list, lines
}

func digest(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

func TestADestructionCutShortAnywhereIsCompletedAndCertifiedOnce(t *testing.T) {
	byHand := vault.Order{Request: "r1", AskedBy: "sys", ApprovedBy: "sec", RunBy: "operator"}
	for _, hand := range []bool{false, true} {
		cut := 0
		for step, after := 1, false; ; {
			p := newPlace(t)
			p.now = noon.AddDate(0, 0, 32) // by itself, two days are due
			if hand {
				p.now = noon.AddDate(0, 0, 16)
			}
			f := &fuse{at: 1 << 20}
			job := p.job(f)
			f.n, f.at, f.after = 0, step, after
			var err error
			if hand {
				_, err = job.Destroy(t.Context(), p.first+1, byHand)
			} else {
				_, _, err = job.Run(t.Context(), p.now)
			}
			name := fmt.Sprintf("by hand %v, cut at %d, done %v", hand, step, after)
			if f.blown != (err != nil) {
				t.Fatalf("%s: %v", name, err)
			}
			if next, _, _ := job.Next(t.Context()); f.blown && !next.Equal(p.now) {
				t.Errorf("%s: it is completed at %s, not now", name, next)
			}
			p.now = p.now.Add(time.Hour)
			for range 2 {
				must[int](t)(p.night(&fuse{}))
			}
			list, lines := p.certificates()
			_, drafted := p.engine.Get(t.Context(), store.Meta.Name, "purge-draft")
			if !errors.Is(drafted, venue.ErrNotFound) {
				t.Errorf("%s: a draft is left", name)
			}
			if hand && len(list) == 0 { // it died before the draft: nothing had begun
				if v := open(t, p.keys); err == nil || len(v.Status().Days) != 3 {
					t.Errorf("%s: %v, days left: %v", name, err, v.Status().Days)
				}
			} else {
				want := []vault.CertifiedDay{{Day: p.first, Rows: 3, Key: true}, {Day: p.first + 1, Rows: 4, Key: true}}
				if len(list) != 1 || !slices.Equal(list[0].Days, want) || list[0].Rows != 7 || list[0].Keys != 2 || list[0].Number != 1 ||
					list[0].EpochBefore != 1 || list[0].EpochAfter != 2 || list[0].Ended.Before(list[0].Began) || !list[0].UnreadableFrom.Equal(list[0].Ended.Add(vault.Noticed)) {
					t.Fatalf("%s: certificates %+v", name, list)
				}
				if c := list[0]; hand && c.Order != byHand || !hand && c.Order != (vault.Order{RunBy: "system"}) {
					t.Errorf("%s: ordered %+v", name, c.Order)
				}
				begun := slices.ContainsFunc(p.acts, func(a string) bool { return strings.Contains(a, "visits.destroy 1") })
				if last := p.acts[len(p.acts)-1]; !begun || !strings.HasSuffix(last, "visits.destroyed 1"+digest(lines[0])) {
					t.Errorf("%s: the trail ends with %s", name, last)
				}
				if v := open(t, p.keys); !slices.Equal(v.Status().Days, []venue.Day{p.first + 2}) {
					t.Errorf("%s: days left: %v", name, v.Status().Days)
				}
				for d, rows := range []int64{0, 0, 5} {
					day := p.first + venue.Day(d)
					if got := must[store.CountCheck](t)(p.engine.VerifyCounts(t.Context(), day, day, nil)); got.Rows != rows {
						t.Errorf("%s: %d rows left of day %d, want %d", name, got.Rows, d, rows)
					}
				}
			}
			if !f.blown {
				break
			}
			cut++
			if after {
				step++
			}
			after = !after
		}
		if cut < 16 {
			t.Errorf("by hand %v: cut short at only %d places", hand, cut)
		}
	}
}

func TestWhatMayBeDestroyedByHand(t *testing.T) {
	p := newPlace(t)
	p.now = noon.AddDate(0, 0, 16)
	job := p.job(&fuse{})
	var invalid *venue.Invalid
	if _, err := job.Destroy(t.Context(), p.first+2, vault.Order{}); !errors.As(err, &invalid) || invalid.Field != "through" {
		t.Errorf("14 days old: %v", err)
	}
	if _, err := job.Destroy(t.Context(), p.first-1, vault.Order{}); !errors.Is(err, venue.ErrNotFound) {
		t.Errorf("before anybody came: %v", err)
	}
	line := must[json.RawMessage](t)(job.Destroy(t.Context(), p.first+1, vault.Order{RunBy: "operator"}))
	if c := must[vault.Certificate](t)(vault.VerifyCertificate(line, p.signer.Public())); c.Rows != 7 {
		t.Errorf("certified %+v", c)
	}
	if _, err := job.Destroy(t.Context(), p.first+1, vault.Order{}); !errors.Is(err, venue.ErrNotFound) {
		t.Errorf("a second time: %v", err)
	}
	p.now = noon.AddDate(0, 0, 33)
	must[int](t)(p.night(&fuse{})) // the third day's turn
	if list, _ := p.certificates(); len(list) != 2 || list[1].Number != 2 || list[1].Rows != 5 || list[1].EpochBefore != 2 {
		t.Errorf("certificates: %+v", list)
	}
}

// TestADayIsCertifiedOnce though the process that runs the nights knew its key
// before another destroyed it by hand.
func TestADayIsCertifiedOnce(t *testing.T) {
	p := newPlace(t)
	night := p.job(&fuse{})
	p.now = noon.AddDate(0, 0, 16)
	must[json.RawMessage](t)(p.job(&fuse{}).Destroy(t.Context(), p.first+1, vault.Order{RunBy: "operator"}))
	p.now = noon.AddDate(0, 0, 33)
	if _, _, err := night.Run(t.Context(), p.now); err != nil {
		t.Fatal(err)
	}
	list, _ := p.certificates()
	if len(list) != 2 || !slices.Equal(list[1].Days, []vault.CertifiedDay{{Day: p.first + 2, Rows: 5, Key: true}}) || list[1].EpochBefore != 2 || list[1].EpochAfter != 3 {
		t.Errorf("certificates: %+v", list)
	}
}

func TestACertificateSaysWhenTheLastCopyOfTheKeysExpires(t *testing.T) {
	for _, c := range []struct {
		name          string
		made, expires int // days from noon
		oldest        int
		counts        bool
	}{
		{"a copy with a destroyed day", 30, 37, 0, true},
		{"a copy that has the last of them only", 30, 37, 1, true},
		{"a copy that begins behind them", 30, 37, 2, false},
		{"a copy that has expired", 20, 27, 0, false},
		{"a copy made before there was a key", -2, 37, -9, false},
	} {
		p := newPlace(t)
		p.now = noon.AddDate(0, 0, 32)
		expires := noon.AddDate(0, 0, c.expires)
		escrows := store.NewCollection[store.EscrowRow](p.engine, store.Escrows)
		if err := escrows.Insert(t.Context(), "e1", store.EscrowRow{Made: noon.AddDate(0, 0, c.made), Expires: expires, Oldest: int32(p.first) + int32(c.oldest)}); err != nil {
			t.Fatal(err)
		}
		must[int](t)(p.night(&fuse{}))
		list, _ := p.certificates()
		want := p.now.Add(vault.Noticed)
		if c.counts {
			want = expires
		}
		if got := list[0].UnreadableFrom; !got.Equal(want) || got.Location() == time.UTC {
			t.Errorf("%s: unreadable from %s, want %s", c.name, got, want)
		}
	}
}

func TestACopyOfTheKeysWaitsForADestruction(t *testing.T) {
	p := newPlace(t)
	p.now = noon.AddDate(0, 0, 16)
	job := p.job(&fuse{})
	certified := make(chan int, 1)
	job.Record = func(context.Context, string, string, map[string]string) error {
		job.Record = nil // this is the first row: nothing is destroyed yet
		go func() {
			_ = job.Still(func() error {
				lines, err := job.Certificates.List(context.Background())
				certified <- len(lines)
				return err
			})
		}()
		time.Sleep(time.Millisecond) // who does not wait is through by now, mostly
		return nil
	}
	must[json.RawMessage](t)(job.Destroy(t.Context(), p.first+1, vault.Order{RunBy: "operator"}))
	if n := <-certified; n != 1 {
		t.Error("keys were copied in the middle of a destruction")
	}
}

func TestATamperedCertificateIsNone(t *testing.T) {
	p := newPlace(t)
	p.now = noon.AddDate(0, 0, 32)
	must[int](t)(p.night(&fuse{}))
	_, lines := p.certificates()
	line, key := []byte(lines[0]), p.signer.Public()
	must[vault.Certificate](t)(vault.VerifyCertificate(append(bytes.Clone(line), '\n'), key))
	refused := func(what string, line []byte, key ed25519.PublicKey) {
		if _, err := vault.VerifyCertificate(line, key); !errors.Is(err, vault.ErrForged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range line {
		for _, bit := range []byte{1, 32} {
			changed := bytes.Clone(line)
			changed[i] ^= bit
			refused(fmt.Sprintf("byte %d changed", i), changed, key)
		}
		refused(fmt.Sprintf("cut off at %d", i), line[:i], key)
	}
	refused("a field more", bytes.Replace(line, []byte(`{"format"`), []byte(`{"x":1,"format"`), 1), key)
	refused("another key", line, signer(t).Public())
	refused("no key", line, nil)
	refused("a checkpoint's signature", must[[]byte](t)(vault.Certificate{Number: 1}.Signed(bareSigner{p.signer})), key)
}

// bareSigner signs for another use than certificates.
type bareSigner struct{ vault.Signer }

func (s bareSigner) Sign(message []byte) ([]byte, error) {
	return s.Signer.Sign(bytes.TrimPrefix(message, []byte("venuecode certificate 1\n")))
}

func TestDestroyedKeysAreAllOfThem(t *testing.T) {
	for _, after := range []bool{false, true} {
		for step := 1; ; step++ {
			base := t.TempDir()
			dir := filepath.Join(base, "keys")
			source := &recorder{}
			v := must[*vault.Vault](t)(vault.Open(dir, source))
			if err := v.EnsureDay(venue.DayOf(noon)); err != nil {
				t.Fatal(err)
			}
			must[[]byte](t)(v.Seal("use", []byte("x")))
			write(t, dir, "epoch-2.key.new", []byte("of a crash"))
			for i := range 5 { // the search wants something to look at
				write(t, base, fmt.Sprint("other", i), []byte("other"))
			}
			f := &fuse{at: step, after: after}
			if err := vault.DestroyKeys(dir, fusedKeys{vault.NewFiles(dir), f}, v.Status().Epoch); f.blown != (err != nil) {
				t.Fatalf("step %d: %v", step, err)
			}
			if err := vault.DestroyKeys(dir, vault.NewFiles(dir), v.Status().Epoch); err != nil {
				t.Fatal(err)
			}
			if left := must[[]os.DirEntry](t)(os.ReadDir(dir)); len(left) != 0 {
				t.Errorf("step %d: left in the folder: %v", step, left)
			}
			keys := source.since()
			for i, key := range keys {
				if onDisk(t, base, key) {
					t.Errorf("step %d: key %d is on the disk", step, i)
				}
			}
			if len(keys) < 6 {
				t.Errorf("only %d keys were made", len(keys))
			}
			if !f.blown {
				break
			}
		}
	}
}
