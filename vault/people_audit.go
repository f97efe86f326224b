package vault

import "github.com/venuecode/venuecode/venue"

// AuditID names a person in the audit trail, the object of rows about them. It
// stays the same, so that they can be told who looked; without the key it leads
// to nobody, and it is no other name of theirs.
func (p *People) AuditID(id venue.PersonID) string { return p.vault.Blind("audit-person", id.Key()) }
