package venue

import "time"

// Verdict 核查 compares what a unit reported with what the platform recorded.
type Verdict string

const (
	VerdictNone       Verdict = "none"       // no door counts for the unit: nothing to compare (rulings D6)
	VerdictPending    Verdict = "pending"    // 待核: a source has not delivered everything yet
	VerdictConsistent Verdict = "consistent" // 一致
	VerdictOver       Verdict = "over"       // 偏多
	VerdictUnder      Verdict = "under"      // 偏少
)

// Counts are the three numbers always shown together where a unit is judged,
// as of an instant.
type Counts struct {
	Raw       int // every record once
	Effective int // without flagged records
	People    int // distinct persons
}

// Assessment is one judging of one number. Later judgings are added, never
// written over it.
type Assessment struct {
	At        time.Time // when it was judged
	Low       int       // lo of rules §3: effective scans that had arrived by t
	High      int       // hi: raw scans that happened up to t
	Recent    int       // raw scans of the last settling time before t ("含近 30 分钟")
	Tolerance int
	Verdict   Verdict
	Distance  int // from Low or High, whichever is nearer; 0 within the tolerance
	Counts    Counts
	Waiting   []string // sources that have not delivered past t: SourceSpool, or what a gate is called
}

// SourceSpool is the source of scans that were recorded while the store was away.
const SourceSpool = "spool"

// Percent is the distance as a percentage of the records. There is none where
// there are no records to take it of (rulings D12).
func (a Assessment) Percent() (percent float64, ok bool) {
	if a.High == 0 {
		return 0, false
	}
	return float64(a.Distance) * 100 / float64(a.High), true
}

// EntryKind says what a line in a report's history is.
type EntryKind string

const (
	EntryReport  EntryKind = "report"  // 上报
	EntryCorrect EntryKind = "correct" // 更正
	EntryConfirm EntryKind = "confirm" // 确认
	EntryMakeup  EntryKind = "makeup"  // 昨日…补
)

// Entry is one number a unit gave, with everything it was judged by.
type Entry struct {
	Kind      EntryKind
	Count     int
	At        time.Time // when the platform received it; the t of the verdict
	Sent      time.Time // the chat platform's own send time; zero if unknown
	AsOf      time.Time // the instant it is compared at (rulings D3, D9)
	Late      bool      // given at or after the deadline (rulings D8)
	By        ChatAccount
	Message   string // the chat platform's id of the message, so that its retry adds nothing
	Spans     []Span // the doors that counted for the unit at AsOf, frozen (rulings D7)
	Judged    []Assessment
	Awaiting  bool      // a correction after the deadline, not yet approved
	Withdrawn time.Time // zero while it stands
	Revoked   string    // id of the message that withdrew it
}

// Report 日报 is what one unit said about one window, with its history.
type Report struct {
	Unit    UnitID
	Day     Day // the day on which the window closes
	Window  Window
	Policy  string // "16:00" or "midnight"
	Entries []Entry

	Late       bool // decided by the first standing message (rulings D9)
	Shown      int  // the platform's number last shown to the unit
	ShownAt    time.Time
	ShownSpans []Span // the doors it was counted at
}

// Standing is the entry that counts now: the last that is neither withdrawn
// nor waiting for approval. Nil if there is none.
func (r *Report) Standing() *Entry {
	for i := len(r.Entries) - 1; i >= 0; i-- {
		if e := &r.Entries[i]; e.Withdrawn.IsZero() && !e.Awaiting {
			return e
		}
	}
	return nil
}
