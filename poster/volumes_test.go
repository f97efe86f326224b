package poster

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// TestVolumesAreOfOneDivisionEach: what one person hands out is one file.
func TestVolumesAreOfOneDivisionEach(t *testing.T) {
	var doors []Door
	add := func(division string, n int) {
		for range n {
			d := ordinary
			d.Division, d.Venue = division, fmt.Sprint("第", len(doors), "店")
			doors = append(doors, d)
		}
	}
	add("青禾市洗月街道", PerVolume+1)
	add("青禾市文昌街道", 2)
	add("", 1)
	add("../CON:a", 1)
	add("青禾市洗月街道", 3) // comes once more
	var a, b bytes.Buffer
	if err := errors.Join(Volumes(&a, A4, printedAt, doorsOf(doors...)), Volumes(&b, A4, printedAt, doorsOf(doors...))); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the same doors, other bytes")
	}
	z, err := zip.NewReader(bytes.NewReader(a.Bytes()), int64(a.Len()))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	pages := map[string]int{}
	for _, f := range z.File {
		names = append(names, f.Name)
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name != textIndex {
			pages[f.Name] = len(pagesOf(t, text))
			continue
		}
		lines := strings.Split(strings.TrimSuffix(strings.TrimPrefix(string(text), "\ufeff"), "\r\n"), "\r\n")
		if len(lines) != len(doors)+1 || lines[len(doors)] != textTotal(len(doors)) {
			t.Fatalf("the list has %d lines, the last %q", len(lines), lines[len(lines)-1])
		}
		at := PerVolume + 4
		for line, want := range map[int]string{
			0: "青禾市洗月街道_0001-0200.pdf\t第 1 页\t第0店\t", PerVolume: "青禾市洗月街道_0201-0201.pdf\t第 1 页\t第200店\t", at + 2: fmt.Sprintf("青禾市洗月街道_0202-0204.pdf\t第 2 页\t第%d店\t", at+2),
		} {
			if !strings.HasPrefix(lines[line], want) {
				t.Errorf("line %d of the list is %q, want %q", line, lines[line], want)
			}
		}
	}
	want := []string{"青禾市洗月街道_0001-0200.pdf", "青禾市洗月街道_0201-0201.pdf", "青禾市文昌街道_0001-0002.pdf", textPosters + "_0001-0001.pdf", "___CON_a_0001-0001.pdf", "青禾市洗月街道_0202-0204.pdf", textIndex}
	if !slices.Equal(names, want) {
		t.Errorf("files %q, want %q", names, want)
	}
	for i, n := range []int{PerVolume, 1, 2, 1, 1, 3} {
		if pages[want[i]] != n {
			t.Errorf("%s has %d pages, want %d", want[i], pages[want[i]], n)
		}
	}
	broken := errors.New("the store is gone")
	var cut bytes.Buffer
	if err := Volumes(&cut, A4, printedAt, func(yield func(Door, error) bool) { _ = yield(ordinary, nil) && yield(Door{}, broken) }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := zip.NewReader(bytes.NewReader(cut.Bytes()), int64(cut.Len())); err == nil {
		t.Error("an archive that was cut short opens")
	}
}
