package venue

import "time"

// MessageKind says why words go out, and so how they are written.
type MessageKind string

const (
	MessageOneTap     MessageKind = "onetap"     // before the deadline: 回复“确认”或数字
	MessageReminder   MessageKind = "reminder"   // names only the missing
	MessageDigest     MessageKind = "digest"     // the day in numbers
	MessageDifference MessageKind = "difference" // one to one: reported against recorded
	MessageAlarm      MessageKind = "alarm"      // a red code at a door
	MessageRecheck    MessageKind = "recheck"    // to a resident: the held code has been verified
)

// Message is what should go out, posted to an outbox once per cause. The words
// are not in it: the notifier writes them from the facts.
type Message struct {
	ID   string // derived from the cause, so that posting twice is harmless
	Kind MessageKind
	To   Recipient
	Due  time.Time // civil; not before
	Day  Day
	// Late marks a stage sent after its time, because nobody ran: 迟发.
	Late bool

	Units   []UnitMention // reminder: who is missing; one tap: who may confirm; difference, alarm: whose it is
	Digest  *Digest
	Verdict *VerdictFacts
	Alarm   *AlarmFacts
	Recheck *RecheckFacts
}

// Recipient is where a message goes. For a group, ID is its GroupID; for WeCom
// a userid; for the service account a blind index; for the mini-programs the
// document id of the resident's account.
type Recipient struct {
	Channel Channel
	ID      string
}

// UnitMention is a unit and the chat accounts to call by name.
type UnitMention struct {
	Unit     UnitID
	Name     string
	Accounts []string // WeCom userids
	Shown    int      // the platform's number, one tap only
}

// Digest is a group's day in numbers; Due = Reported + Late + Missing. Doubtful
// is a number, not names: an unsigned difference in public would be an
// accusation.
type Digest struct {
	Due, Reported, Late, Missing, Exempt, Covered, Doubtful int
	MissingNames                                            []string
	Total                                                   int // the reported numbers added up
	TopUp                                                   int // corrections that wait for approval
}

// VerdictFacts are the numbers behind one report, for its reporter only.
type VerdictFacts struct {
	Unit     string
	Window   Window
	Kind     EntryKind
	Reported int
	Late     bool
	Result   Assessment
}

// AlarmFacts say that a red code was shown at a door. No identity: who it was
// is asked for with a purpose and is logged.
type AlarmFacts struct {
	Venue, Door, Address string
	At                   time.Time
	ScanID               string
	Recheck              bool // it was unknown at the door and turned out red
}

// RecheckFacts tell a resident what asking again has shown.
type RecheckFacts struct {
	Venue  string
	At     time.Time // of the scan
	Health Health
}
