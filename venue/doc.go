// Package venue is the subject of the platform: the words that the notice, the
// staff and the residents use, each with the invariant that makes it that word.
//
// Everything here parses, validates, prints and masks. Nothing here reads a
// file, a clock or a network, and only the standard library is imported, so
// that every other package can speak these words without a cycle.
//
// Private values (PersonName, IDNumber, Phone) are structs that print masked in every
// way Go has of printing; only Reveal gives the clear text.
package venue
