// Package daily turns chat lines into reports, reports into verdicts, and the
// deadline into messages (及时报送).
//
//	line → number → report → compare with the records → tell the reporter
//	deadline → who is missing → remind, one tap, digest
//
// Parse reads a line; it never guesses. Service.Report keeps the number with
// its history and judges it; Stages speaks to the groups at their hours.
//
// The surprising rule: a verdict is no accusation, and it is built so that an
// honest unit cannot be called a liar. A number is measured against two counts
// taken at the instant it was given. The lower one holds only what the unit
// must have known: records half an hour old that had arrived and that nobody
// ever doubted. The upper one holds everything that may have happened by then,
// however late it came. While any source may still deliver something, nothing
// is said but "pending" (待核). What is learnt later can widen the two counts,
// never narrow them, so a verdict can only get better.
//
// Numbers of the form D3 in comments name the rulings on daily reports.
package daily
