package access

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/argon2"

	"github.com/venuecode/venuecode/venue"
)

// cost is what one argon2id run takes.
type cost struct {
	memory  uint32 // KiB
	passes  uint32
	threads uint8
}

// standard is OWASP's first choice for argon2id.
var standard = cost{memory: 19 * 1024, passes: 2, threads: 1}

// Bounds on what is read back: a row that asks for more is not one of ours.
const (
	maxMemory  = 256 * 1024 // KiB
	maxPasses  = 16
	maxThreads = 8
	saltSize   = 16
	sumSize    = 32
)

const (
	hashesAtOnce = 2  // of standard.memory each
	hashesQueued = 64 // and no more may wait
)

// hasher runs argon2id, few at a time: a flood of logins waits or is turned
// away, it does not fill the memory.
type hasher struct {
	cost   cost
	random io.Reader
	slots  chan struct{}
	queued atomic.Int32
	runs   atomic.Int64 // counted for tests: equal work is a promise
}

func newHasher(c cost, random io.Reader) *hasher {
	return &hasher{cost: c, random: random, slots: make(chan struct{}, hashesAtOnce)}
}

// sum runs argon2id once; venue.ErrUnavailable if there is no room in time.
func (h *hasher) sum(ctx context.Context, password string, salt []byte, c cost, size uint32) ([]byte, error) {
	if h.queued.Add(1) > hashesQueued+hashesAtOnce {
		h.queued.Add(-1)
		return nil, fmt.Errorf("check password: too many at once: %w", venue.ErrUnavailable)
	}
	defer h.queued.Add(-1)
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("check password: %w: %w", venue.ErrUnavailable, ctx.Err())
	}
	defer func() { <-h.slots }()
	h.runs.Add(1)
	return argon2.IDKey([]byte(password), salt, c.passes, c.memory, c.threads, size), nil
}

// make hashes a password with a new salt.
func (h *hasher) make(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(h.random, salt); err != nil {
		return "", fmt.Errorf("make salt: %w", err)
	}
	sum, err := h.sum(ctx, normal(password), salt, h.cost, sumSize)
	return hash{h.cost, salt, sum}.String(), err
}

// matches tells whether a password has the hash. One run, whatever the answer.
func (h *hasher) matches(ctx context.Context, password, encoded string) (bool, error) {
	want, err := parseHash(encoded)
	if err != nil {
		return false, err
	}
	got, err := h.sum(ctx, normal(password), want.salt, want.cost, uint32(len(want.sum)))
	return err == nil && subtle.ConstantTimeCompare(got, want.sum) == 1, err
}

// hash is an argon2id hash with all that is needed to repeat it.
type hash struct {
	cost cost
	salt []byte
	sum  []byte
}

// String writes the usual form: $argon2id$v=19$m=…,t=…,p=…$salt$sum.
func (h hash) String() string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		h.cost.memory, h.cost.passes, h.cost.threads, b.EncodeToString(h.salt), b.EncodeToString(h.sum))
}

var errHash = errors.New("not a password hash of ours")

// parseHash reads what String wrote, and nothing else.
func parseHash(s string) (hash, error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 {
		return hash{}, errHash
	}
	var h hash
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.cost.memory, &h.cost.passes, &h.cost.threads); err != nil {
		return hash{}, errHash
	}
	var err1, err2 error
	h.salt, err1 = base64.RawStdEncoding.DecodeString(parts[4])
	h.sum, err2 = base64.RawStdEncoding.DecodeString(parts[5])
	c := h.cost
	if err1 != nil || err2 != nil || len(h.salt) != saltSize || len(h.sum) != sumSize ||
		c.memory > maxMemory || c.passes < 1 || c.passes > maxPasses || c.threads < 1 || c.threads > maxThreads ||
		h.String() != s {
		return hash{}, errHash
	}
	return h, nil
}
