// Package registry decides which places have a venue code (应设尽设).
//
//	form → check → entry → policy: at once, or by an officer → unit, venue, doors
//
// A Form is what somebody filled in; Check makes an Entry of it or says all that
// is wrong at once. An Application is a form on its way. What approval makes, it
// makes once: run again after being cut anywhere, it completes.
//
// Afterwards whatever is done to a unit or venue is a Change with a number. The
// change with the next number is written down first, once, and then carried out;
// whoever finds one that was not carried out to its end does that before
// anything else. So the history is complete, in order, and never ahead of
// another process's.
package registry
