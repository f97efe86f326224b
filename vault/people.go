package vault

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
)

// People is the person vault: who somebody is, sealed person by person.
type People struct {
	vault    *Vault
	persons  store.Collection[store.PersonRow]
	ids      store.Collection[store.PersonIDRow]
	accounts store.Collection[store.AccountRow]
	revoked  store.Collection[store.RevocationRow]
	clock    venue.Clock
	division venue.Division

	masks *lru.Cache[venue.PersonID, string] // masked names only
	known *lru.Cache[int64, venue.PersonID]  // family of sessions → person, once registered
}

// NewPeople opens the person vault. New persons are sealed under the key of
// division, the one that runs this platform.
func NewPeople(v *Vault, docs store.Documents, clock venue.Clock, division venue.Division) *People {
	masks, _ := lru.New[venue.PersonID, string](1 << 16)
	known, _ := lru.New[int64, venue.PersonID](1 << 16)
	return &People{
		vault:    v,
		persons:  store.NewCollection[store.PersonRow](docs, store.Persons),
		ids:      store.NewCollection[store.PersonIDRow](docs, store.PersonIDs),
		accounts: store.NewCollection[store.AccountRow](docs, store.Accounts),
		revoked:  store.NewCollection[store.RevocationRow](docs, store.RevocationRows),
		clock:    clock, division: division, masks: masks, known: known,
	}
}

// Registration is what a resident gives, once.
type Registration struct {
	Name    venue.PersonName
	ID      venue.IDNumber
	Phone   venue.Phone
	Proven  bool   // the platform vouches for the phone; it was not typed in
	Consent string // the version of the notice agreed to
}

// Person is an opened record. It prints masked.
type Person struct {
	Name    venue.PersonName
	ID      venue.IDNumber
	Phone   venue.Phone
	Consent string
}

// Account is an openid's place here.
type Account struct {
	ID      string         // blind index of app and openid
	Family  int64          // of the sessions given out for it
	Person  venue.PersonID // zero until registered
	Consent string         // the version that the person agreed to
}

// Account finds or makes the account of an openid of an app ("wechat",
// "alipay") and says whose it is. One whose registration has ended is made anew.
func (p *People) Account(ctx context.Context, app, openid string) (Account, error) {
	id := p.vault.Blind("account/"+app, openid)
	for {
		row, err := p.accounts.Get(ctx, id)
		if errors.Is(err, venue.ErrNotFound) {
			if row.Value, err = p.newAccount(ctx, id, app, openid); errors.Is(err, venue.ErrExists) {
				continue
			}
		}
		a := Account{ID: id, Family: row.Value.Family}
		if err != nil || row.Value.Person == "" {
			return a, err
		}
		person, err := p.tied(ctx, row.Value)
		if err == nil {
			a.Consent = person.Value.Consent
			a.Person, err = venue.ParsePersonKey(person.ID)
			return a, err
		}
		if !errors.Is(err, venue.ErrNotFound) {
			return a, err
		}
		if err := p.dissolve(ctx, row); err != nil {
			return a, err
		}
	}
}

func (p *People) newAccount(ctx context.Context, id, app, openid string) (row store.AccountRow, err error) {
	row = store.AccountRow{App: app, Created: p.clock.Now()}
	if err := binary.Read(p.vault.random, binary.BigEndian, &row.Family); err != nil {
		return row, fmt.Errorf("make account: %w", err)
	}
	if row.OpenID, err = p.vault.Seal("openid/"+id, []byte(openid)); err != nil {
		return row, err
	}
	return row, p.accounts.Insert(ctx, id, row)
}

// tied is the person to whose present registration an account belongs;
// venue.ErrNotFound if there is none, or only one that has ended.
func (p *People) tied(ctx context.Context, a store.AccountRow) (row store.Row[store.PersonRow], err error) {
	if a.Person != "" {
		row, err = p.persons.Get(ctx, a.Person)
	}
	if err == nil && (a.Person == "" || !row.Value.Registered.Equal(a.Registered)) {
		err = fmt.Errorf("account without a person: %w", venue.ErrNotFound)
	}
	return row, err
}

// OfAccount says whose an account is; venue.ErrNotFound until registered, and
// for a family of sessions that is not the account's any more.
func (p *People) OfAccount(ctx context.Context, id string, family int64) (venue.PersonID, error) {
	if person, ok := p.known.Get(family); ok {
		return person, nil
	}
	row, err := p.accounts.Get(ctx, id)
	if err != nil {
		return venue.PersonID{}, err
	}
	if row.Value.Family != family {
		return venue.PersonID{}, fmt.Errorf("account of an earlier session: %w", venue.ErrNotFound)
	}
	owner, err := p.tied(ctx, row.Value)
	if err != nil {
		return venue.PersonID{}, err
	}
	person, err := venue.ParsePersonKey(owner.ID)
	if err == nil {
		p.known.Add(family, person)
	}
	return person, err
}

// Register ties an account to the person that the resident says they are.
//
// An ID number that is registered already is taken over only by somebody with
// the same name and the same phone, which the platform has verified: name and
// number alone must never open a stranger's record. venue.ErrConflict
// otherwise, and if the account belongs to another person; nothing is changed
// then. venue.ErrNotFound if the account is gone, and its sessions with it. Cut
// short anywhere, it can be called again.
func (p *People) Register(ctx context.Context, account string, r Registration) (venue.PersonID, error) {
	row, err := p.accounts.Get(ctx, account)
	if err != nil {
		return venue.PersonID{}, err
	}
	own, err := p.tied(ctx, row.Value)
	switch {
	case err == nil: // before anything is written for a stranger's number
		known, err := p.find(ctx, r.ID)
		if err != nil && !errors.Is(err, venue.ErrNotFound) {
			return known, err
		}
		if err != nil || known.Key() != own.ID {
			return venue.PersonID{}, errOther
		}
	case !errors.Is(err, venue.ErrNotFound):
		return venue.PersonID{}, err
	case row.Value.Person != "":
		return venue.PersonID{}, errors.Join(err, p.dissolve(ctx, row))
	}
	id, registered, err := p.claim(ctx, r, own)
	if err != nil {
		return id, err
	}
	row, err = p.accounts.Update(ctx, account, false, func(a *store.AccountRow) error {
		if a.Person != "" && (a.Person != id.Key() || !a.Registered.Equal(registered)) {
			return errOther
		}
		a.Person, a.Registered = id.Key(), registered
		return nil
	})
	if err != nil {
		return id, err
	}
	p.masks.Remove(id)
	// A withdrawal that begins now finds the account; one that began before the
	// account was tied may have missed it.
	if _, err = p.tied(ctx, row.Value); errors.Is(err, venue.ErrNotFound) {
		err = errors.Join(err, p.dissolve(ctx, row))
	}
	return id, err
}

var errOther = fmt.Errorf("account has another person: %w", venue.ErrConflict)

// Named finds or makes the person that a companion's name and ID number stand
// for, and tells whether the name goes with the number. sure is false if the
// number is registered under another name: then nothing about its owner may be
// told, or a number alone would ask for a stranger's colour. The
// name of somebody who never registered is the one last given; the health-code
// service judges it.
func (p *People) Named(ctx context.Context, who venue.Identity) (id venue.PersonID, sure bool, err error) {
	r := Registration{Name: who.Name, ID: who.ID}
	for {
		id, row, created, err := p.findOrCreate(ctx, r)
		if err != nil || created {
			return id, err == nil, err
		}
		known, err := p.open(id, row.Value)
		if err != nil || known.Name == who.Name || !known.Phone.IsZero() {
			return id, err == nil && known.Name == who.Name, err
		}
		_, err = p.persons.Update(ctx, id.Key(), false, func(row *store.PersonRow) error {
			if !row.Ending.IsZero() {
				return errEnding
			}
			if sure = len(row.Phone) == 0; !sure {
				return nil // registered in the meantime
			}
			return p.fill(row, id, r)
		})
		p.masks.Remove(id)
		if !errors.Is(err, errEnding) {
			return id, sure && err == nil, err
		}
	}
}

// errEnding: the record is about to go, and the number leads to another.
var errEnding = errors.New("the record is ending")

// Open opens a person's record. Whoever shows it has to account for it.
func (p *People) Open(ctx context.Context, id venue.PersonID) (Person, error) {
	row, err := p.persons.Get(ctx, id.Key())
	if err != nil {
		return Person{}, err
	}
	who, err := p.open(id, row.Value)
	if err == nil {
		p.masks.Add(id, who.Name.String())
	}
	return who, err
}

// Identity is what the health-code service is asked with.
func (p *People) Identity(ctx context.Context, id venue.PersonID) (venue.Identity, error) {
	who, err := p.Open(ctx, id)
	return venue.Identity{Name: who.Name, ID: who.ID}, err
}

// Masked is a person's name as a prompt shows it (张*).
func (p *People) Masked(ctx context.Context, id venue.PersonID) (string, error) {
	if name, ok := p.masks.Get(id); ok {
		return name, nil
	}
	who, err := p.Open(ctx, id)
	return who.Name.String(), err
}

// Reachable lists the mini-program accounts of a person, to send them word.
func (p *People) Reachable(ctx context.Context, id venue.PersonID) ([]venue.Recipient, error) {
	row, err := p.persons.Get(ctx, id.Key())
	if errors.Is(err, venue.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	rows, err := p.holders(ctx, row)
	var to []venue.Recipient
	for _, row := range rows {
		channel := venue.ChannelSubscribe
		if row.Value.App == "alipay" {
			channel = venue.ChannelAlipay
		}
		to = append(to, venue.Recipient{Channel: channel, ID: row.ID})
	}
	return to, err
}

// holders are the accounts of a person's present registration.
func (p *People) holders(ctx context.Context, person store.Row[store.PersonRow]) ([]store.Row[store.AccountRow], error) {
	rows, err := p.accounts.All(ctx, store.Query{Index: "person", Equal: []any{person.ID}})
	return slices.DeleteFunc(rows, func(a store.Row[store.AccountRow]) bool {
		return !a.Value.Registered.Equal(person.Value.Registered)
	}), err
}

// OpenID opens the openid of an account, to send a message to it.
func (p *People) OpenID(ctx context.Context, account string) (string, error) {
	row, err := p.accounts.Get(ctx, account)
	if err != nil {
		return "", err
	}
	b, err := p.vault.Open("openid/"+account, row.Value.OpenID)
	return string(b), err
}

func (p *People) find(ctx context.Context, id venue.IDNumber) (venue.PersonID, error) {
	row, err := p.ids.Get(ctx, p.vault.Blind("id_number", id.Reveal()))
	if err != nil {
		return venue.PersonID{}, err
	}
	return venue.ParsePersonKey(row.Value.Person)
}

func (p *People) findOrCreate(ctx context.Context, r Registration) (id venue.PersonID, row store.Row[store.PersonRow], created bool, err error) {
	for {
		if id, err = p.find(ctx, r.ID); errors.Is(err, venue.ErrNotFound) {
			if id, row.Value, err = p.create(ctx, r); errors.Is(err, venue.ErrExists) {
				continue // somebody was faster
			}
			return id, row, err == nil, err
		}
		if err != nil {
			return id, row, false, err
		}
		row, err = p.persons.Get(ctx, id.Key())
		if err == nil && row.Value.Ending.IsZero() || err != nil && !errors.Is(err, venue.ErrNotFound) {
			return id, row, false, err
		}
		if err := p.unlist(ctx, r.ID, id); err != nil {
			return id, row, false, err
		}
	}
}

// create writes the record, then the index that leads to it. Of two that race
// the index's winner stays; the other's record goes, and it gets ErrExists.
func (p *People) create(ctx context.Context, r Registration) (id venue.PersonID, row store.PersonRow, err error) {
	if _, err := io.ReadFull(p.vault.random, id[:]); err != nil {
		return id, row, fmt.Errorf("make person: %w", err)
	}
	if row, err = p.sealNew(id, r); err != nil {
		return id, row, err
	}
	if err := p.persons.Insert(ctx, id.Key(), row); err != nil {
		return id, row, err
	}
	err = p.ids.Insert(ctx, p.vault.Blind("id_number", r.ID.Reveal()), store.PersonIDRow{Person: id.Key(), Epoch: IndexEpoch})
	if errors.Is(err, venue.ErrExists) {
		return id, row, errors.Join(err, p.persons.Delete(ctx, id.Key(), 0))
	}
	return id, row, err
}

// claim makes the record of an ID number the resident's, and says from when on.
// It may be new, one that a companion's scan made, one whose consent was
// withdrawn, or their own, from the other app or from this account.
func (p *People) claim(ctx context.Context, r Registration, own store.Row[store.PersonRow]) (venue.PersonID, time.Time, error) {
	for {
		id, row, created, err := p.findOrCreate(ctx, r)
		if err != nil || created {
			return id, row.Value.Registered, err
		}
		renewal := row.ID == own.ID
		if renewal && !row.Value.Registered.Equal(own.Value.Registered) {
			return id, time.Time{}, fmt.Errorf("withdrawn in the meantime: %w", venue.ErrNotFound)
		}
		who, err := p.open(id, row.Value)
		if err != nil {
			return id, time.Time{}, err
		}
		// A record that no account leads to is a registration cut short.
		held, err := p.holders(ctx, row)
		if err != nil {
			return id, time.Time{}, err
		}
		same, proven := who.Name == r.Name && who.Phone == r.Phone, r.Proven || len(held) == 0
		if !who.Phone.IsZero() && !renewal && !(same && proven) {
			return id, time.Time{}, fmt.Errorf("registered with another name or phone: %w", venue.ErrConflict)
		}
		// Nobody of an earlier registration sees what comes now.
		if !row.Value.Withdrawn.IsZero() {
			if err := p.untie(ctx, row.ID, row.Value.Withdrawn); err != nil {
				return id, time.Time{}, err
			}
		}
		if err := p.fill(&row.Value, id, r); err != nil {
			return id, time.Time{}, err
		}
		if row, err = p.persons.Replace(ctx, row); !errors.Is(err, venue.ErrStale) {
			return id, row.Value.Registered, err
		}
	}
}

// wrapper names the keys that wrap the persons' own keys in a division.
func wrapper(division string) string { return "division/" + division }

func (p *People) sealNew(id venue.PersonID, r Registration) (row store.PersonRow, err error) {
	key := make([]byte, keySize)
	if _, err := io.ReadFull(p.vault.random, key); err != nil {
		return row, fmt.Errorf("make person key: %w", err)
	}
	wrappers, err := p.vault.keys(wrapper(string(p.division)), true)
	if err != nil {
		return row, err
	}
	row = store.PersonRow{IDType: "resident_id", Division: string(p.division), Created: p.clock.Now()}
	if row.Key, err = wrappers.newest.seal(p.vault.random, key, id[:]); err != nil {
		return row, err
	}
	return row, p.fill(&row, id, r)
}

// fill seals what is private of r into row under the person's own key.
func (p *People) fill(row *store.PersonRow, id venue.PersonID, r Registration) (err error) {
	own, err := p.ownKey(id, *row)
	if err != nil {
		return err
	}
	put := func(field, value string) []byte {
		if err != nil || value == "" {
			return nil
		}
		var b []byte
		b, err = own.seal(p.vault.random, []byte(value), []byte(field))
		return b
	}
	row.Name = put("name", r.Name.Reveal())
	row.IDNumber = put("id_number", r.ID.Reveal())
	row.Phone = put("phone", r.Phone.Reveal())
	row.Consent = r.Consent
	now := venue.Millis(p.clock.Now())
	if len(row.Phone) > 0 && row.Registered.IsZero() {
		if row.Registered = now; !row.Withdrawn.IsZero() {
			row.Registered = latest(now, row.Withdrawn.Add(settled))
		}
		row.Withdrawn = time.Time{}
	}
	today := int32(venue.DayOf(now))
	row.LastDay = today
	if row.Check == 0 {
		row.Looked = today
	}
	if first := today + firstLook; row.Check == 0 || row.Check > first {
		row.Check = first
	}
	return err
}

func (p *People) ownKey(id venue.PersonID, row store.PersonRow) (*sealKey, error) {
	key, err := p.vault.open(wrapper(row.Division), row.Key, id[:])
	if err != nil {
		return nil, fmt.Errorf("person key: %w", err)
	}
	if len(key) != keySize {
		return nil, fmt.Errorf("person key: %w", ErrWrongKey)
	}
	return p.vault.ring.suite.sealKey(1, key), nil
}

func (p *People) open(id venue.PersonID, row store.PersonRow) (who Person, err error) {
	own, err := p.ownKey(id, row)
	if err != nil {
		return who, err
	}
	get := func(field string, sealed []byte) string {
		if err != nil || len(sealed) == 0 {
			return ""
		}
		var b []byte
		b, err = own.open(sealed, []byte(field))
		return string(b)
	}
	name, number, phone := get("name", row.Name), get("id_number", row.IDNumber), get("phone", row.Phone)
	if err != nil {
		return who, fmt.Errorf("person record: %w", err)
	}
	who.Consent = row.Consent
	if who.Name, err = venue.ParsePersonName(name); err != nil {
		return who, fmt.Errorf("person record: %w", err)
	}
	if who.ID, err = venue.ParseIDNumber(number, venue.DayOf(p.clock.Now())); err != nil {
		return who, fmt.Errorf("person record: %w", err)
	}
	if phone != "" {
		if who.Phone, err = venue.ParsePhone(phone); err != nil {
			return who, fmt.Errorf("person record: %w", err)
		}
	}
	return who, nil
}
