package audit

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/venuecode/venuecode/store"
)

// exported is an export of the middle of a day of two processes.
func exported(t testing.TB) (file []byte, d *desk, from, to time.Time) {
	d = newDesk(t)
	a, b := d.open(), d.open()
	start := d.Now()
	for range 6 {
		d.append(a, 3)
		d.appendAtOnce(b, 2, 2)
		d.advance(30 * time.Minute)
		d.append(a, 1)
		d.advance(30 * time.Minute)
		d.run(a)
		d.run(b)
	}
	from, to = start.Add(2*time.Hour), start.Add(4*time.Hour)
	var out bytes.Buffer
	if err := a.Export(context.Background(), from, to, &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), d, from, to
}

func TestAnExportCanBeCheckedWithThePublicKeyAlone(t *testing.T) {
	file, d, from, to := exported(t)
	r, err := VerifyExport(bytes.NewReader(file), d.signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	if !r.From.Equal(from) || !r.To.Equal(to) || r.Rows != 16 || r.Unconfirmed != 0 || r.Checkpoints == 0 {
		t.Errorf("the report is %+v; want 16 rows, all confirmed", r)
	}
	if n := bytes.Count(file, []byte(`"event"`)); n != 16 {
		t.Errorf("%d events are told, want 16: others are nobody's business", n)
	}
	var other ed25519.PublicKey = make([]byte, ed25519.PublicKeySize)
	if _, err := VerifyExport(bytes.NewReader(file), other); !errors.Is(err, ErrBroken) {
		t.Errorf("with another key: %v", err)
	}
}

func TestAnExportOfNothingSaysSo(t *testing.T) {
	d := newDesk(t)
	trail := d.open()
	d.append(trail, 1)
	var out bytes.Buffer
	if err := trail.Export(context.Background(), d.Now().Add(-time.Hour), d.Now(), &out); err != nil {
		t.Fatal(err)
	}
	if r, err := VerifyExport(&out, d.signer.Public()); err != nil || r.Rows != 0 {
		t.Errorf("%+v, %v; want no rows", r, err)
	}
}

func TestAnExportOutlivesRetention(t *testing.T) {
	ctx := context.Background()
	d := newDesk(t)
	trail := d.open()
	start := d.Now()
	d.append(trail, 3)
	d.run(trail)
	d.advance(30 * 24 * time.Hour)
	d.append(trail, 3)
	if drops, err := trail.DropBefore(ctx, d.Now().Add(-20*24*time.Hour)); err != nil || len(drops) != 1 {
		t.Fatal(drops, err)
	}
	var out bytes.Buffer
	if err := trail.Export(ctx, start, d.Now().Add(time.Hour), &out); err != nil {
		t.Fatal(err)
	}
	if r, err := VerifyExport(&out, d.signer.Public()); err != nil || r.Rows != 4 {
		t.Errorf("%+v, %v; want the four rows that are left", r, err)
	}
}

func TestATrailThatIsNotWholeIsNotExported(t *testing.T) {
	_, d, from, to := exported(t)
	trail := d.open()
	for doc, err := range d.docs.Find(context.Background(), store.Audit.Name, store.Query{Index: "at", From: from, Limit: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.docs.Replace(context.Background(), store.Audit.Name, doc); err != nil {
			t.Fatal(err)
		}
	}
	if err := trail.Export(context.Background(), from, to, &bytes.Buffer{}); !errors.Is(err, ErrTampered) {
		t.Errorf("exported: %v, want ErrTampered", err)
	}
}

func TestEveryChangeOfAnExportIsFound(t *testing.T) {
	file, d, _, _ := exported(t)
	random := rand.New(rand.NewPCG(1, 2))
	lines := bytes.SplitAfter(file, []byte("\n"))
	lines = lines[:len(lines)-1]
	ways := map[string]func() []byte{
		"a byte": func() []byte {
			b := bytes.Clone(file)
			b[random.IntN(len(b))] ^= byte(1 + random.IntN(255))
			return b
		},
		"cut": func() []byte { return file[:random.IntN(len(file))] },
		"a line gone": func() []byte {
			i := random.IntN(len(lines))
			return bytes.Join(append(append([][]byte{}, lines[:i]...), lines[i+1:]...), nil)
		},
		"a line twice": func() []byte {
			i := random.IntN(len(lines))
			return bytes.Join(append(append([][]byte{}, lines[:i+1]...), lines[i:]...), nil)
		},
		"lines swapped": func() []byte {
			i := random.IntN(len(lines) - 1)
			out := append([][]byte{}, lines...)
			out[i], out[i+1] = out[i+1], out[i]
			return bytes.Join(out, nil)
		},
		"something behind": func() []byte { return append(bytes.Clone(file), "{}\n"...) },
	}
	for way, change := range ways {
		for range 100 {
			if _, err := VerifyExport(bytes.NewReader(change()), d.signer.Public()); !errors.Is(err, ErrBroken) {
				t.Fatalf("%s: %v, want ErrBroken", way, err)
			}
		}
	}
}

// Who holds the key but not the checkpoints outside, or forgot the proof: the
// chain is checked too, not only the seal.
func TestAResealedExportIsStillCheckedAgainstTheChain(t *testing.T) {
	file, d, _, _ := exported(t)
	lines := strings.SplitAfter(string(file), "\n")
	lines = lines[:len(lines)-2] // without the end
	var rows []int
	for i, l := range lines {
		if strings.Contains(l, `"event"`) {
			rows = append(rows, i)
		}
	}
	reseal := func(lines []string, rows int) []byte {
		var out bytes.Buffer
		e := newExporter(&out)
		for _, l := range lines {
			if err := e.raw([]byte(l)); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.end(int64(rows), d.signer); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	if _, err := VerifyExport(bytes.NewReader(reseal(lines, len(rows))), d.signer.Public()); err != nil {
		t.Fatalf("resealed as it was: %v", err)
	}
	for _, i := range rows {
		without := append(append([]string{}, lines[:i]...), lines[i+1:]...)
		if _, err := VerifyExport(bytes.NewReader(reseal(without, len(rows)-1)), d.signer.Public()); !errors.Is(err, ErrBroken) {
			t.Errorf("without line %d: %v", i+1, err)
		}
		edited := append([]string{}, lines...)
		edited[i] = strings.Replace(edited[i], "officer", "nobody", 1)
		if edited[i] == lines[i] {
			continue
		}
		if _, err := VerifyExport(bytes.NewReader(reseal(edited, len(rows))), d.signer.Public()); !errors.Is(err, ErrBroken) {
			t.Errorf("line %d with another actor: %v", i+1, err)
		}
	}
}

// FuzzVerifyExport: what is accepted is to the byte what was written.
func FuzzVerifyExport(f *testing.F) {
	file, d, _, _ := exported(f)
	f.Add(file)
	f.Add([]byte(nil))
	f.Add([]byte(fmt.Sprintf(`{"head":{"format":%q,"from":"2022-05-18T10:00:00+08:00","to":"2022-05-18T11:00:00+08:00"}}`+"\n", exportFormat)))
	f.Add(bytes.Replace(file, []byte(`"rows":16`), []byte(`"rows":15`), 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := VerifyExport(bytes.NewReader(b), d.signer.Public()); err == nil && !bytes.Equal(b, file) {
			t.Error("something else was accepted")
		}
	})
}

// FuzzDecodeEvent: one event has one encoding.
func FuzzDecodeEvent(f *testing.F) {
	f.Add(reveal(1).encode())
	f.Add(Event{}.encode())
	f.Add([]byte{eventFormat})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEvent(b)
		if err == nil && !bytes.Equal(e.encode(), b) {
			t.Errorf("%x is read as %+v, which is written otherwise", b, e)
		}
	})
}

// FuzzReadCheckpoint: nothing is accepted that was not signed.
func FuzzReadCheckpoint(f *testing.F) {
	d := newDesk(f)
	_, line, err := Checkpoint{Number: 3, At: d.Now(), Chains: []Head{{"a", 2, Hash{1}}}, Dropped: []Drop{{Head: Head{"b", 1, Hash{2}}, From: d.Now(), To: d.Now()}}}.signed(d.signer)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add([]byte(`{"number":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := readCheckpoint(b, d.signer.Public()); err == nil && !bytes.Equal(b, line) {
			t.Errorf("accepted %q", b)
		}
	})
}
