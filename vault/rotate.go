package vault

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/venuecode/venuecode/venue"
)

// series are the keys name/1, name/2 … of one use. The newest seals; every one
// opens what it sealed. It never changes: a rotation puts another in its place.
type series struct {
	newest *sealKey
	all    map[uint32]*sealKey
}

// keys gives a series, beginning it if create; ErrNoKey if there is none.
func (v *Vault) keys(name string, create bool) (*series, error) {
	if s, ok := v.series.Load(name); ok {
		return s.(*series), nil
	}
	if len(v.ring.series(name)) == 0 {
		if create {
			if _, err := v.ring.ensure(name + "/1"); err != nil {
				return nil, err
			}
		} else if _ = v.refresh(); len(v.ring.series(name)) == 0 { // begun by another process?
			return nil, fmt.Errorf("%s: %w", name, ErrNoKey)
		}
	}
	v.rotating.Lock()
	defer v.rotating.Unlock()
	return v.reload(name), nil
}

// reload makes a series of what the keyring has; v.rotating is held.
func (v *Vault) reload(name string) *series {
	s := &series{all: map[uint32]*sealKey{}}
	for n, key := range v.ring.series(name) {
		k := v.ring.suite.sealKey(n, key)
		s.all[n] = k
		if s.newest == nil || n > s.newest.number {
			s.newest = k
		}
	}
	v.series.Store(name, s)
	return s
}

// open opens what some key of a series sealed.
func (v *Vault) open(name string, sealed, bound []byte) ([]byte, error) {
	s, err := v.keys(name, false)
	if err != nil {
		return nil, err
	}
	n, err := numberOf(sealed)
	if err != nil {
		return nil, err
	}
	k := s.all[n]
	if k == nil { // rotated by another process, or forged
		_ = v.refresh()
		if _, err := v.ring.get(fmt.Sprintf("%s/%d", name, n)); err != nil {
			return nil, ErrWrongKey
		}
		v.rotating.Lock()
		k = v.reload(name).all[n]
		v.rotating.Unlock()
	}
	return k.open(sealed, bound)
}

// Rotate makes a new key of a name, by which everything is sealed from then on,
// and gives its number. What older keys sealed still opens, under load as well.
//
// Names are session, document and division/<code>. The index key is changed by
// rebuilding the index; the request key makes a repeated request recognisable
// and is not changed; a day's key is the day's: venue.ErrInvalid for these.
// venue.ErrNotFound if there is no key of that name yet.
func (v *Vault) Rotate(name string) (number uint32, err error) {
	if !rotates(name) {
		return 0, fmt.Errorf("rotate: %w", &venue.Invalid{Field: "key", Reason: "can not be rotated; session, document and division/<code> can"})
	}
	v.rotating.Lock()
	defer v.rotating.Unlock()
	if number, err = v.ring.extend(name); err != nil {
		return 0, err
	}
	v.reload(name)
	return number, nil
}

func rotates(name string) bool {
	return name == "session" || name == "document" || strings.HasPrefix(name, "division/")
}

// KeyStatus tells about the keys of one name.
type KeyStatus struct {
	Name    string `json:"name"`
	Newest  uint32 `json:"newest"` // number of the key that seals
	Kept    int    `json:"kept"`   // keys that still open
	Rotates bool   `json:"rotates"`
}

// Status tells what keys there are, never their bytes.
type Status struct {
	Suite string      `json:"suite"`
	Epoch uint32      `json:"epoch"`
	Keys  []KeyStatus `json:"keys"` // by name
	Days  []venue.Day `json:"days"` // that can be read, oldest first
}

// Status lists what keys there are, those of other processes too unless the
// folder can not be read.
func (v *Vault) Status() Status {
	_ = v.refresh()
	v.ring.mu.RLock()
	defer v.ring.mu.RUnlock()
	s := Status{Suite: v.ring.suite.name, Epoch: v.ring.epoch}
	names := map[string]bool{}
	for full := range v.ring.keys {
		if day, ok := dayNamed(full); ok {
			s.Days = append(s.Days, day)
		} else if i := strings.LastIndexByte(full, '/'); i > 0 {
			names[full[:i]] = true
		}
	}
	slices.Sort(s.Days)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		k := KeyStatus{Name: name, Rotates: rotates(name)}
		for n := range seriesOf(v.ring.keys, name) {
			k.Kept++
			k.Newest = max(k.Newest, n)
		}
		s.Keys = append(s.Keys, k)
	}
	return s
}
