package vault_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/venue"
)

// environment is a provider of variables of this process. It is for tests only,
// and therefore lies where only tests can reach it: what a process has in its
// environment others can read, and nothing can be destroyed there.
type environment struct{ t testing.TB }

func (e environment) variable(name string) string {
	return "VENUECODE_TEST_KEY_" + strings.ToUpper(strings.ReplaceAll(name, "/", "_"))
}

func (e environment) Put(name string, key []byte) error {
	if _, ok := os.LookupEnv(e.variable(name)); ok {
		return venue.ErrExists
	}
	e.t.Setenv(e.variable(name), base64.StdEncoding.EncodeToString(key))
	return nil
}

func (e environment) Get(name string) ([]byte, error) {
	text, ok := os.LookupEnv(e.variable(name))
	if !ok {
		return nil, vault.ErrNoKey
	}
	return base64.StdEncoding.DecodeString(text)
}

func (e environment) Delete(name string) error { return os.Unsetenv(e.variable(name)) }

func TestEveryProviderPutsGetsAndDeletes(t *testing.T) {
	for name, p := range map[string]vault.KeyProvider{"files": vault.NewFiles(t.TempDir()), "environment": environment{t}} {
		t.Run(name, func(t *testing.T) {
			one, two := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
			for _, k := range []string{"root", "epoch/1"} {
				if _, err := p.Get(k); !errors.Is(err, vault.ErrNoKey) {
					t.Errorf("%s before it is put: %v", k, err)
				}
				if err := p.Delete(k); err != nil {
					t.Errorf("%s deleted before it is put: %v", k, err)
				}
				if err := p.Put(k, one); err != nil {
					t.Fatal(err)
				}
				if err := p.Put(k, two); !errors.Is(err, venue.ErrExists) {
					t.Errorf("%s put twice: %v", k, err)
				}
				if got, err := p.Get(k); err != nil || !bytes.Equal(got, one) {
					t.Errorf("%s: %x, %v", k, got, err)
				}
			}
			if err := p.Delete("epoch/1"); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Get("epoch/1"); !errors.Is(err, vault.ErrNoKey) {
				t.Errorf("deleted: %v", err)
			}
			if _, err := p.Get("root"); err != nil {
				t.Errorf("the other one: %v", err)
			}
			if err := p.Put("epoch/1", two); err != nil {
				t.Errorf("put again: %v", err)
			}
		})
	}
}

func TestAVaultWorksWithItsWrappingKeysElsewhere(t *testing.T) {
	dir, p := t.TempDir(), environment{t}
	v := open(t, dir, vault.WithProvider(p))
	day := venue.DayOf(noon)
	ref := must[[]byte](t)(v.SealPerson(day+1, venue.ScanKey{}, person(1)))
	must[[]byte](t)(v.SealPerson(day, venue.ScanKey{}, person(1)))
	if _, err := v.ForgetThrough(day); err != nil {
		t.Fatal(err)
	}
	if left := names(t, dir); len(left) != 1 {
		t.Errorf("in the folder: %v, want the keyring alone", left)
	}
	if _, err := open(t, dir, vault.WithProvider(p)).OpenPerson(day+1, venue.ScanKey{}, ref); err != nil {
		t.Error(err)
	}
	remove(t, dir, "keyring.json")
	if _, err := vault.Open(dir, nil, vault.WithProvider(p)); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a lost keyring: %v", err)
	}
}

func TestADeletedFileIsOverwrittenInPlace(t *testing.T) {
	dir := t.TempDir()
	p := vault.NewFiles(dir)
	if err := p.Put("epoch/1", bytes.Repeat([]byte{7}, 32)); err != nil {
		t.Fatal(err)
	}
	still := must[*os.File](t)(os.Open(filepath.Join(dir, "epoch-1.key"))) // what the disk had there
	defer still.Close()
	if err := p.Delete("epoch/1"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	n, _ := still.Read(b)
	if n == 0 || !bytes.Equal(b[:n], make([]byte, n)) {
		t.Errorf("%d bytes, not all zero", n)
	}
}

func TestOnlyNamesOfWrappingKeysBecomeFiles(t *testing.T) {
	p := vault.NewFiles(t.TempDir())
	for _, name := range []string{"", "..", "../root", "a/b", "epoch/0", "epoch/01", "Root", "epoch/1/2", "root\x00", "epoch/1\n"} {
		if err := p.Put(name, make([]byte, 32)); !errors.Is(err, venue.ErrInvalid) {
			t.Errorf("put %q: %v", name, err)
		}
		if _, err := p.Get(name); !errors.Is(err, venue.ErrInvalid) {
			t.Errorf("get %q: %v", name, err)
		}
		if err := p.Delete(name); !errors.Is(err, venue.ErrInvalid) {
			t.Errorf("delete %q: %v", name, err)
		}
	}
}
