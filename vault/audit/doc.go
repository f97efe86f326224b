// Package audit keeps the trail of who did what to whom, and can show that
// nothing has been taken out of it.
//
//	Append → a row of a hash chain, durable → only now is anything shown
//	hourly → a signed checkpoint of every chain that grew → sinks off the machine
//	Verify → walks all chains, all checkpoints and the sinks' copies
//
// A row's hash covers the row before it, so rows can not be changed, removed or
// put in another order without breaking the chain; a checkpoint names length and
// head of each chain, so a chain can not be cut short or made anew; a checkpoint
// names the one before it and leaves the machine, so checkpoints can not be taken
// away either. Rows behind the last checkpoint of a process that died are vouched
// for by nobody until the next process links to them.
//
// The surprising rule: a process writes several chains side by side, as many as
// it has callers at one moment and at most 64. In a chain a row is written only
// when the one before it is durable, so a crash never leaves a gap, and the
// callers of different chains share the store's commits.
//
// A chain takes rows for a week, then another goes on. Retention drops whole
// chains, and a signed checkpoint says which.
//
// No private value is in a row: people are named by identifiers that the caller
// has blinded, and texts that look like an ID or phone number are refused.
package audit
