package durable_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/venuecode/venuecode/internal/durable"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func wantOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != len(names) {
		t.Fatalf("in the folder: %v %v, want %q", files, err, names)
	}
	for i, name := range names {
		if files[i].Name() != name {
			t.Errorf("in the folder: %s, want %s", files[i].Name(), name)
		}
	}
}

func TestAReplacedFileHasItsContentAndMode(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	write(t, path+".new", "longer, and left by a crash")
	for _, content := range []string{"first", ""} {
		if err := durable.Replace(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != content {
			t.Errorf("got %q %v, want %q", got, err, content)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Errorf("mode %v %v", info.Mode(), err)
		}
		wantOnly(t, dir, "key")
	}
}

func TestAFileThatCanNotBeReplacedStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	write(t, path, "old")
	if err := os.Mkdir(path+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := durable.Replace(path, []byte("new"), 0o600); err == nil {
		t.Error("replaced through a folder")
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "old" {
		t.Errorf("got %q %v", got, err)
	}
}

// A second name of the same file shows what lies where it was.
func TestADestroyedFileIsOverwritten(t *testing.T) {
	dir, shown := t.TempDir(), t.TempDir()
	for _, name := range []string{"key", "key.new"} {
		write(t, filepath.Join(dir, name), "secret")
		if err := os.Link(filepath.Join(dir, name), filepath.Join(shown, name)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time there is nothing left
		if err := durable.Destroy(filepath.Join(dir, "key")); err != nil {
			t.Fatal(err)
		}
		wantOnly(t, dir)
	}
	for _, name := range []string{"key", "key.new"} {
		if got, err := os.ReadFile(filepath.Join(shown, name)); err != nil || string(got) != "\x00\x00\x00\x00\x00\x00" {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
}
