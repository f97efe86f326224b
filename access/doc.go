// Package access says who an official is and what they may do.
//
//	Login: name + password + code → token        Authenticate: token → Login
//	Login.May(permission)                        Login.Scope() → what may be seen
//
// A role is a row of one table; no role sees everything, and whoever keeps the
// machines sees no business data at all. Roles that check each other are declared
// as pairs: nobody holds both sides, and at least two people hold each. A
// venue.Scope is made here and nowhere else, from a login that has been checked.
//
// The surprising rule: an account that fails, is locked, or does not exist gets
// the same answer for the same work. Nobody learns here who works for the city.
//
// Every act and every login is told to the Auditor before it takes effect; if
// that fails, so does the act. Sessions live on the civil clock; lockout and TOTP,
// which guard against machines, on the machine's.
package access
