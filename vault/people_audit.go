package vault

import "github.com/venuecode/venuecode/venue"

// AuditID names a person in the audit trail, the object of rows about them. It
// stays the same, so that they can be told who looked; without the key it leads
// to nobody, and it is no other name of theirs.
func (p *People) AuditID(id venue.PersonID) string { return p.vault.Blind("audit-person", id.Key()) }

// ApplicationID is under what a person's request for codes is kept: the same for the
// same request, and nobody else can work it out, since it opens the application.
func (p *People) ApplicationID(id venue.PersonID, request string) string {
	return p.vault.Blind("application", id.Key()+"\x1f"+request)
}
