// Package schedule runs what comes due on the civil clock.
//
//	look at every Work → the earliest due → run it → look again → … → wait
//
// A Work keeps its own due time in the store, so a restart forgets nothing.
// Works run one at a time in the order in which they come due, ties in the order
// in which they were added: a run of the day can be told as a story, and what
// one Work posts another one finds.
//
// The surprising rule: nothing sleeps on the civil clock. While it runs, the
// Loop waits on the machine's; while it stands, moving it is discrete-event: the
// clock jumps to the next due instant, everything is run until nobody has
// anything left, and so on up to the target.
package schedule
