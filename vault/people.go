package vault

import (
	"context"
	"errors"
	"fmt"
	"io"

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
	clock    venue.Clock
	division venue.Division

	masks *lru.Cache[venue.PersonID, string] // masked names only
	known *lru.Cache[string, venue.PersonID] // account → person, once registered
}

// NewPeople opens the person vault. New persons are sealed under the key of
// division, the one that runs this platform.
func NewPeople(v *Vault, docs store.Documents, clock venue.Clock, division venue.Division) *People {
	masks, _ := lru.New[venue.PersonID, string](1 << 16)
	known, _ := lru.New[string, venue.PersonID](1 << 16)
	return &People{
		vault:    v,
		persons:  store.NewCollection[store.PersonRow](docs, store.Persons),
		ids:      store.NewCollection[store.PersonIDRow](docs, store.PersonIDs),
		accounts: store.NewCollection[store.AccountRow](docs, store.Accounts),
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

// Account finds or makes the account of an openid of an app ("wechat",
// "alipay") and says whose it is; the person is zero until registered.
func (p *People) Account(ctx context.Context, app, openid string) (id string, person venue.PersonID, err error) {
	id = p.vault.Blind("account/"+app, openid)
	row, err := p.accounts.Get(ctx, id)
	if errors.Is(err, venue.ErrNotFound) {
		sealed, err := p.vault.Seal("openid/"+id, []byte(openid))
		if err != nil {
			return "", person, err
		}
		err = p.accounts.Insert(ctx, id, store.AccountRow{App: app, OpenID: sealed, Created: p.clock.Now()})
		if err == nil || errors.Is(err, venue.ErrExists) {
			return id, person, nil
		}
		return "", person, err
	} else if err != nil {
		return "", person, err
	}
	if row.Value.Person == "" {
		return id, person, nil
	}
	person, err = venue.ParsePersonKey(row.Value.Person)
	return id, person, err
}

// OfAccount says whose an account is; venue.ErrNotFound until registered.
func (p *People) OfAccount(ctx context.Context, id string) (venue.PersonID, error) {
	if person, ok := p.known.Get(id); ok {
		return person, nil
	}
	row, err := p.accounts.Get(ctx, id)
	if err != nil {
		return venue.PersonID{}, err
	}
	if row.Value.Person == "" {
		return venue.PersonID{}, fmt.Errorf("account without a person: %w", venue.ErrNotFound)
	}
	person, err := venue.ParsePersonKey(row.Value.Person)
	if err == nil {
		p.known.Add(id, person)
	}
	return person, err
}

// Register ties an account to the person that the resident says they are.
//
// An ID number that is registered already is taken over only by somebody with
// the same name and the same phone, which the platform has verified: name and
// number alone must never open a stranger's record. venue.ErrConflict
// otherwise, and if the account belongs to another person; nothing is changed
// then. Cut short anywhere, it can be called again.
func (p *People) Register(ctx context.Context, account string, r Registration) (venue.PersonID, error) {
	row, err := p.accounts.Get(ctx, account)
	if err != nil {
		return venue.PersonID{}, err
	}
	if own := row.Value.Person; own != "" { // before anything is written for a stranger's number
		known, err := p.find(ctx, r.ID)
		if err != nil && !errors.Is(err, venue.ErrNotFound) {
			return known, err
		}
		if err != nil || known.Key() != own {
			return venue.PersonID{}, fmt.Errorf("account has another person: %w", venue.ErrConflict)
		}
	}
	id, created, err := p.findOrCreate(ctx, r)
	if err == nil && !created {
		err = p.claim(ctx, id, r, row.Value.Person == id.Key())
	}
	if err != nil {
		return id, err
	}
	_, err = p.accounts.Update(ctx, account, false, func(a *store.AccountRow) error {
		if a.Person != "" && a.Person != id.Key() {
			return fmt.Errorf("account has another person: %w", venue.ErrConflict)
		}
		a.Person = id.Key()
		return nil
	})
	if err != nil {
		return id, err
	}
	p.masks.Remove(id)
	return id, nil
}

// Named finds or makes the person that a companion's name and ID number stand
// for, and tells whether the name goes with the number. sure is false if the
// number is registered under another name: then nothing about its owner may be
// told, or a number alone would ask for a stranger's colour. The
// name of somebody who never registered is the one last given; the health-code
// service judges it.
func (p *People) Named(ctx context.Context, who venue.Identity) (id venue.PersonID, sure bool, err error) {
	id, created, err := p.findOrCreate(ctx, Registration{Name: who.Name, ID: who.ID})
	if err != nil || created {
		return id, err == nil, err
	}
	known, err := p.Open(ctx, id)
	if err != nil || known.Name == who.Name || !known.Phone.IsZero() {
		return id, err == nil && known.Name == who.Name, err
	}
	_, err = p.persons.Update(ctx, id.Key(), false, func(row *store.PersonRow) error {
		if sure = len(row.Phone) == 0; !sure {
			return nil // registered in the meantime
		}
		return p.fill(row, id, Registration{Name: who.Name, ID: who.ID})
	})
	p.masks.Remove(id)
	return id, sure && err == nil, err
}

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
	rows, err := p.accounts.All(ctx, store.Query{Index: "person", Equal: []any{id.Key()}})
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

func (p *People) findOrCreate(ctx context.Context, r Registration) (id venue.PersonID, created bool, err error) {
	if id, err = p.find(ctx, r.ID); !errors.Is(err, venue.ErrNotFound) {
		return id, false, err
	}
	if id, err = p.create(ctx, r); !errors.Is(err, venue.ErrExists) {
		return id, err == nil, err
	}
	id, err = p.find(ctx, r.ID) // somebody was faster
	return id, false, err
}

// create writes the record, then the index that leads to it. Of two that race
// the index's winner stays; the other's record goes, and it gets ErrExists.
func (p *People) create(ctx context.Context, r Registration) (id venue.PersonID, err error) {
	if _, err := io.ReadFull(p.vault.random, id[:]); err != nil {
		return id, fmt.Errorf("make person: %w", err)
	}
	row, err := p.sealNew(id, r)
	if err != nil {
		return id, err
	}
	if err := p.persons.Insert(ctx, id.Key(), row); err != nil {
		return id, err
	}
	err = p.ids.Insert(ctx, p.vault.Blind("id_number", r.ID.Reveal()), store.PersonIDRow{Person: id.Key(), Epoch: IndexEpoch})
	if errors.Is(err, venue.ErrExists) {
		return id, errors.Join(err, p.persons.Delete(ctx, id.Key(), 0))
	}
	return id, err
}

// claim lets a resident register as a person that is known already: one whom a
// companion's scan made, or their own from the other app.
func (p *People) claim(ctx context.Context, id venue.PersonID, r Registration, own bool) error {
	// A record that no account leads to is a registration cut short.
	held, err := p.accounts.All(ctx, store.Query{Index: "person", Equal: []any{id.Key()}, Limit: 1})
	if err != nil {
		return err
	}
	proven := r.Proven || len(held) == 0
	_, err = p.persons.Update(ctx, id.Key(), false, func(row *store.PersonRow) error {
		who, err := p.open(id, *row)
		if err != nil {
			return err
		}
		same := who.Name == r.Name && who.Phone == r.Phone
		if !who.Phone.IsZero() && !own && !(same && proven) {
			return fmt.Errorf("registered with another name or phone: %w", venue.ErrConflict)
		}
		return p.fill(row, id, r)
	})
	return err
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
	row.LastDay = int32(venue.DayOf(p.clock.Now()))
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
