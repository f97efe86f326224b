package vault

import (
	"fmt"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// Where several processes use one key folder, each looks at it every LookEvery.
// One that can not goes on with the keys of days that it knows for lookTrust. By
// Noticed, with time to spare, no process uses a key that one has destroyed.
const (
	LookEvery = 5 * time.Second
	lookTrust = 30 * time.Second
	Noticed   = time.Minute
)

// look is when the key folder was looked at.
type look struct {
	machine venue.Clock
	at      time.Time
}

// Look notices what other processes have done to the keys: days that one has
// destroyed are gone from memory when it returns, and what one has rotated seals.
// Whoever has once looked must go on: a day's key is refused, with
// venue.ErrUnavailable, half a minute of the machine's clock after the last Look
// that found the folder.
func (v *Vault) Look(machine venue.Clock) error {
	begun := machine.Now()
	if err := v.refresh(); err != nil {
		return err
	}
	v.looked.Store(&look{machine, begun})
	return nil
}

// Check says whether keys of days can be used: venue.ErrUnavailable once the
// folder has not been seen for too long.
func (v *Vault) Check() error { return v.looked.Load().stale() }

// stale is an error once too little is known of the folder. Nobody who never
// looked (nil) shares it. Of the machine's two clocks the one that went further
// decides: the monotonic one stands while a virtual machine does, the other may
// be set back.
func (l *look) stale() error {
	if l == nil {
		return nil
	}
	now := l.machine.Now()
	if age := max(now.Sub(l.at), now.Round(0).Sub(l.at.Round(0))); age > lookTrust {
		return fmt.Errorf("keys of days: the key folder was last seen %s ago: %w", age.Round(time.Second), venue.ErrUnavailable)
	}
	return nil
}

// refresh takes over what another process has changed.
func (v *Vault) refresh() error {
	changed, err := v.ring.refresh()
	if !changed {
		return err
	}
	v.forget()
	v.rotating.Lock() // or who reads a series now would put the old one back
	defer v.rotating.Unlock()
	v.series.Clear()
	return nil
}

// forget drops the keys of days that are not in the keyring any more.
func (v *Vault) forget() {
	v.days.Range(func(day, _ any) bool {
		if _, err := v.ring.get(dayName(day.(venue.Day))); err != nil {
			v.days.Delete(day)
		}
		return true
	})
}
