// Package reveal shows an official who somebody is (查看身份信息).
//
//	Alarms → handle → Reveal: may they, what for, quota, audit row → the record
//
// What officials list is pseudonymous: each row carries a handle, good for the
// account that was given it and for no other. A name behind it is shown for a
// purpose of the epidemic, with a reason and a case number, and never before the
// row that says so is durable.
//
// The surprising rule: nothing is given back. A reveal that fails behind its
// audit row stays in the trail and in the day's quota, as one that was shown:
// nobody can tell how far it came.
package reveal
