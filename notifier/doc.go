// Package notifier gets word out: what a job posted becomes a text that reaches
// a group or a person, or a line of the ledger that says why it did not.
//
//	route → quiet hours → once → fresh → render → deliver → record
//
// A Message is durable before Post returns and is delivered at least once. A
// second copy goes out only where nobody can know whether the first arrived —
// a call that timed out, a crash between sending and recording — and carries
// the same number 编号.
//
// The surprising rule: nothing here waits. What can not go now (a robot's
// minute is used up, it is night, the platform is down) is given a later due
// time on the civil clock, and with it everything behind it for the same
// recipient, so that each reads its messages in order.
//
// Every sentence that people read is in texts.go.
package notifier
