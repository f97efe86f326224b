package vault

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// Kinds of certificates.
const (
	KindPurge  = "purge"  // days of visits
	KindSunset = "sunset" // everything: the emergency is over
)

// CertifiedDay is a day of visits as a purge finds it.
type CertifiedDay struct {
	Day  venue.Day `json:"day"`
	Rows int64     `json:"rows"`
	Key  bool      `json:"key"` // there was one to destroy
	// Uncounted: its rows can not be read, so Rows is 0 and the sums are without
	// them. They go all the same.
	Uncounted bool `json:"uncounted,omitempty"`
}

// Certificate says what was destroyed, on whose decision, and from when on
// nobody can read it. Its line is its JSON: what is signed, stored and handed out.
type Certificate struct {
	Format   string         `json:"format"`
	Number   int64          `json:"number"` // from 1, without a gap
	Kind     string         `json:"kind"`
	Division venue.Division `json:"division"`
	Suite    string         `json:"suite"`

	Days    []CertifiedDay `json:"days"` // oldest first
	Rows    int64          `json:"rows"`
	Keys    int            `json:"keys"`              // of days; of a sunset, all there were
	Persons int64          `json:"persons,omitempty"` // sunset only
	Trail   string         `json:"trail,omitempty"`   // sunset only: SHA-256 of the exported audit trail, hexadecimal

	Order
	Began       time.Time `json:"began"` // civil, as all instants here
	Ended       time.Time `json:"ended"`
	EpochBefore uint32    `json:"epoch_before"`
	EpochAfter  uint32    `json:"epoch_after"` // 0 of a sunset: there is none
	// UnreadableFrom is the instant from which no process, and no copy of keys
	// that was handed out, reads any of it: when all have noticed that the keys
	// are gone (of a sunset, Ended), or when the last such copy expires.
	UnreadableFrom time.Time `json:"unreadable_from"`

	Signature []byte `json:"signature,omitempty"` // Ed25519, over the line without it
}

// Order is who had something destroyed. The nightly job has no asker: the
// retention that is configured is its order.
type Order struct {
	Request    string `json:"request,omitempty"` // its id
	AskedBy    string `json:"asked_by,omitempty"`
	ApprovedBy string `json:"approved_by,omitempty"`
	RunBy      string `json:"run_by"`
}

const (
	certificateFormat = "venuecode-certificate-1"
	certificateDomain = "venuecode certificate 1\n"
)

// Signer signs certificates, by Ed25519.
type Signer interface {
	Sign(message []byte) ([]byte, error)
}

// ErrForged: not a certificate, or not one that this key signed.
var ErrForged = errors.New("not a certificate signed by this key")

// Signed gives the certificate's line, signed.
func (c Certificate) Signed(s Signer) ([]byte, error) {
	c.Format, c.Signature = certificateFormat, nil
	bare, err := json.Marshal(c)
	if err == nil {
		c.Signature, err = s.Sign(append([]byte(certificateDomain), bare...))
	}
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	return json.Marshal(c)
}

// VerifyCertificate reads a line that was signed, with or without a line feed
// behind it; ErrForged for every other.
func VerifyCertificate(line []byte, key ed25519.PublicKey) (Certificate, error) {
	var c Certificate
	line = bytes.TrimSuffix(line, []byte("\n"))
	if json.Unmarshal(line, &c) != nil || c.Format != certificateFormat {
		return Certificate{}, ErrForged
	}
	if again, err := json.Marshal(c); err != nil || !bytes.Equal(again, line) {
		return Certificate{}, ErrForged
	}
	bare := c
	bare.Signature = nil
	b, err := json.Marshal(bare)
	if err != nil || len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, append([]byte(certificateDomain), b...), c.Signature) {
		return Certificate{}, ErrForged
	}
	return c, nil
}

// Certificates are those of a platform, by number.
type Certificates struct {
	rows     store.Collection[store.CertificateRow]
	escrows  store.Collection[store.EscrowRow]
	signer   Signer
	division venue.Division
}

// NewCertificates signs in the name of a division.
func NewCertificates(docs store.Documents, signer Signer, division venue.Division) *Certificates {
	return &Certificates{
		rows:    store.NewCollection[store.CertificateRow](docs, store.Certificates),
		escrows: store.NewCollection[store.EscrowRow](docs, store.Escrows),
		signer:  signer, division: division,
	}
}

// List reads the lines, oldest first.
func (c *Certificates) List(ctx context.Context) (lines []json.RawMessage, err error) {
	for row, err := range c.rows.Find(ctx, store.Query{}) {
		if err != nil {
			return nil, fmt.Errorf("list certificates: %w", err)
		}
		lines = append(lines, row.Value.Line)
	}
	return lines, nil
}

// Line reads one; venue.ErrNotFound.
func (c *Certificates) Line(ctx context.Context, number int64) (json.RawMessage, error) {
	row, err := c.rows.Get(ctx, certificateID(number))
	return row.Value.Line, err
}

func certificateID(number int64) string { return fmt.Sprintf("%012d", number) }

// Draft begins a certificate: the next number, and the totals of the days.
func (c *Certificates) Draft(ctx context.Context, kind string, v *Vault, days []CertifiedDay, o Order, began time.Time) (Certificate, error) {
	status := v.Status()
	d := Certificate{
		Format: certificateFormat, Number: 1, Kind: kind, Division: c.division, Suite: status.Suite, Days: days, Order: o,
		Began: civil(began), EpochBefore: status.Epoch,
	}
	for _, day := range days {
		d.Rows += day.Rows
		if day.Key {
			d.Keys++
		}
	}
	for row, err := range c.rows.Find(ctx, store.Query{Reverse: true, Limit: 1}) {
		if err != nil {
			return d, fmt.Errorf("number a certificate: %w", err)
		}
		last, err := strconv.ParseInt(row.ID, 10, 64)
		if err != nil {
			return d, errors.New("number a certificate: the last has none") // strconv would quote what it has
		}
		d.Number = last + 1
	}
	return d, nil
}

// Unreadable is the instant from which no copy of keys reads any of the days
// that no process reads from an instant on: that one, or when the last copy that holds the key of one of them expires. With
// no days named every copy counts.
func (c *Certificates) Unreadable(ctx context.Context, days []CertifiedDay, gone time.Time) (time.Time, error) {
	from := civil(gone)
	for row, err := range c.escrows.Find(ctx, store.Query{Index: "expires", From: venue.Millis(gone)}) {
		if err != nil {
			return from, fmt.Errorf("look for copies of keys: %w", err)
		}
		e := row.Value
		newest := venue.DayOf(e.Made) + 1 // a day's key is made the evening before
		holds := days == nil || slices.ContainsFunc(days, func(d CertifiedDay) bool { return d.Day >= venue.Day(e.Oldest) && d.Day <= newest })
		if holds && e.Expires.After(from) {
			from = civil(e.Expires)
		}
	}
	return from, nil
}

// issue signs and keeps a certificate and gives its line; of one that was kept
// already, the line that was.
func (c *Certificates) issue(ctx context.Context, d Certificate) (json.RawMessage, error) {
	line, err := d.Signed(c.signer)
	if err != nil {
		return nil, err
	}
	err = c.rows.Insert(ctx, certificateID(d.Number), store.CertificateRow{Line: line})
	if errors.Is(err, venue.ErrExists) {
		return c.Line(ctx, d.Number)
	}
	return line, err
}

func civil(t time.Time) time.Time { return venue.Millis(t).In(venue.Zone) }
