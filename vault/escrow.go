package vault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// MaxEscrow is the longest life of a copy of the keys (rules §6).
const MaxEscrow = 7 * 24 * time.Hour

// EscrowHead is what a copy of the keys says of itself, in clear. It is bound to
// the copy, but whoever only reads it can not know that.
type EscrowHead struct {
	Version   int       `json:"version"`
	Suite     string    `json:"suite"`
	Custodian string    `json:"custodian"` // PublicKey.Fingerprint
	Made      time.Time `json:"made"`      // civil, as Expires
	Expires   time.Time `json:"expires"`   // from then on it is refused
	Oldest    venue.Day `json:"oldest"`    // the first day whose key is in it
}

const escrowVersion = 1

// Escrow makes a copy of the keyring's keys that only the custodian can open,
// and that is refused from expires on, at most MaxEscrow after made. Keys of
// days before from are left out: give Retention.First of expires, and no regular
// purge meets a living copy that has the key of a day it destroys.
//
// Root and epoch key are not in it either. With them an old keyring file would
// open, and in that are the days left out.
//
// The copy is one line of JSON, an EscrowHead, and behind it the sealed keys.
// *venue.Invalid names custodian or expires.
func (v *Vault) Escrow(custodian PublicKey, from venue.Day, made, expires time.Time) ([]byte, error) {
	made, expires = venue.Millis(made), venue.Millis(expires)
	if custodian.suite != v.ring.suite {
		return nil, &venue.Invalid{Field: "custodian", Reason: "is a key of another suite than the vault's"}
	}
	if life := expires.Sub(made); life <= 0 || life > MaxEscrow {
		return nil, &venue.Invalid{Field: "expires", Reason: "a copy lives longer than nothing and at most seven days"}
	}
	var keys map[string][]byte
	err := v.ring.change(func(all map[string][]byte) (map[string][]byte, error) {
		keys = maps.Clone(all)
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(keys, func(name string, _ []byte) bool {
		day, ok := dayNamed(name)
		return ok && day < from
	})
	plain, err := json.Marshal(keys)
	if err != nil {
		return nil, fmt.Errorf("encode a copy of the keys: %w", err)
	}
	head, err := json.Marshal(EscrowHead{escrowVersion, v.ring.suite.name, custodian.Fingerprint(), made, expires, from})
	if err != nil {
		return nil, fmt.Errorf("encode a copy of the keys: %w", err)
	}
	head = append(head, '\n')
	sealed, err := v.ring.suite.envelope.seal(v.random, custodian.point, plain, head)
	if err != nil {
		return nil, fmt.Errorf("seal a copy of the keys: %w", err)
	}
	return append(head, sealed...), nil
}

// ReadEscrow reads what a copy says of itself; *venue.Invalid if it is none.
func ReadEscrow(copied []byte) (EscrowHead, error) {
	head, _, err := cutEscrow(copied)
	return head, err
}

func cutEscrow(copied []byte) (head EscrowHead, line int, err error) {
	line = bytes.IndexByte(copied, '\n') + 1
	if json.Unmarshal(copied[:line], &head) != nil || head.Version != escrowVersion {
		return EscrowHead{}, 0, &venue.Invalid{Field: "escrow", Reason: "is no copy of keys that this program can read"}
	}
	return head, line, nil
}

// RestoreEscrow makes a new key folder of a copy, with a new root key and epoch
// key, both put with the provider. Open then opens all that the copy has a key
// for. The folder must be empty: venue.ErrExists, also if the provider has a
// root key already. ErrWrongKey if the key is not the custodian's or the copy
// was altered. One that has expired is refused.
//
// Anybody can seal something to a public key: that a copy is the one that was
// made, its hash in the audit trail shows.
//
// Cut short it leaves a folder that Open refuses; begin again in another.
func RestoreEscrow(copied []byte, key PrivateKey, now time.Time, dir string, random io.Reader, choices ...Option) (EscrowHead, error) {
	head, line, err := cutEscrow(copied)
	if err != nil {
		return head, err
	}
	if own := key.Public().Fingerprint(); own != head.Custodian {
		return head, fmt.Errorf("the copy is for the custodian %s, the key is that of %s: %w", head.Custodian, own, ErrWrongKey)
	}
	if !now.Before(head.Expires) {
		return head, fmt.Errorf("the copy expired at %s", venue.FormatInstant(head.Expires))
	}
	plain, err := key.suite.envelope.open(*key.secret, copied[line:], copied[:line])
	if err != nil {
		return head, fmt.Errorf("the copy has been altered: %w", err)
	}
	var keys map[string][]byte
	if err := json.Unmarshal(plain, &keys); err != nil {
		return head, fmt.Errorf("decode a copy of the keys: %w", err)
	}
	for name, key := range keys {
		if len(key) != keySize {
			return head, fmt.Errorf("key %q of the copy: %w", name, ErrWrongKey)
		}
	}
	o := options{dir: dir, random: random, provider: NewFiles(dir)}
	for _, choose := range choices {
		choose(&o)
	}
	return head, restore(o, key.suite, keys)
}

// restore writes a keyring of these keys to an empty folder. The file is written
// last: until then there is a root key without its keyring.
func restore(o options, s *suite, keys map[string][]byte) error {
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return fmt.Errorf("key folder: %w", err)
	}
	unlock, err := lockFolder(o.dir)
	if err != nil {
		return fmt.Errorf("lock key folder: %w", err)
	}
	defer unlock()
	there, err := os.ReadDir(o.dir)
	if err != nil {
		return fmt.Errorf("key folder: %w", err)
	}
	if len(there) > 0 {
		return fmt.Errorf("%s is not empty, keys are restored to an empty folder: %w", o.dir, venue.ErrExists)
	}
	r := &keyring{dir: o.dir, random: o.random, provider: o.provider, suite: s}
	if r.root, err = r.newKey(rootName); err != nil {
		return err
	}
	if err := r.provider.Put(rootName, r.root); err != nil {
		return err
	}
	return r.renew(keys)
}
