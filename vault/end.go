package vault

import (
	"fmt"
	"path/filepath"

	"github.com/venuecode/venuecode/internal/durable"
)

// DestroyKeys destroys every key there is: nothing sealed opens any more, nor
// with any copy of the keyring. epoch is the last one known. Run again, it
// completes what was left. Nobody may have the folder open.
func DestroyKeys(dir string, p KeyProvider, epoch uint32) error {
	unlock, err := lockFolder(dir)
	if err != nil {
		return fmt.Errorf("lock key folder: %w", err)
	}
	defer unlock()
	names := []string{}
	for n := max(epoch, 2) - 1; n <= epoch+1; n++ { // a change that was cut short leaves a neighbour
		names = append(names, epochName(n))
	}
	for _, name := range append(names, rootName) {
		if err := p.Delete(name); err != nil {
			return fmt.Errorf("destroy key %s: %w", name, err)
		}
	}
	if err := durable.Destroy(filepath.Join(dir, KeyringFile)); err != nil {
		return fmt.Errorf("destroy keyring: %w", err)
	}
	return nil
}
