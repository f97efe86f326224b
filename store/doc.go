// Package store is the memory: the contract that every engine keeps, in prose
// and types, the stored rows, and one codec.
//
// There are two kinds of memory. Documents are few (units, venues, doors,
// reports, messages): each lies in a named collection, is read and changed
// whole, and is guarded by a revision. Scans are many and never change: they
// lie in the ScanLog.
//
// No operation needs a transaction over several documents. Whatever is wider is
// made re-runnable: an id is derived from the cause, so that doing it twice is
// harmless, and every cause can be found again.
//
// Engines see raw documents and declared indexes only; above them, the typed
// collections of this package are what the rest of the program uses.
package store
