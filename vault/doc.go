// Package vault keeps identities sealed.
//
// A person is a random number. Name, phone and ID number lie sealed under a key
// of the person's own; an ID number is found again through a keyed blind index.
// A scan row carries a pseudonym that holds for one day and a reference to the
// person sealed under that day's key, so that without the keys a dump links
// nobody across days, and without a day's key that day can be read by no one.
//
// Keys live in a folder of their own, never beside the data:
//
//	root.key      stands for a hardware module, as does
//	epoch-7.key   which is new each night that days are destroyed
//	keyring.json  keys wrapped under both: index, request, session, document, one
//	              for each division and one, random and underived, for each day
//
// To destroy a day is to write the keyring without it under a new epoch key and
// to delete the old one: no copy of the file made before opens any more.
//
// A custodian may hold a copy of the keys for some days. It is without the days
// that are destroyed in that time, and without root and epoch key, which would
// open an old keyring.json.
//
// Every sealed value names its suite and its key, so that keys can be rotated
// without touching what is stored.
package vault
