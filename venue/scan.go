package venue

import (
	"encoding/hex"
	"time"
)

// Health is a colour of the health code as the provincial service told it.
// Nothing here can set or change one. The zero value is unknown, never green.
type Health uint8

const (
	HealthUnknown Health = iota // 待核验: no answer, no code, or not asked
	HealthGreen
	HealthYellow
	HealthRed
)

var healthWords = [...]string{"unknown", "green", "yellow", "red"}

func (h Health) String() string {
	if int(h) < len(healthWords) {
		return healthWords[h]
	}
	return healthWords[HealthUnknown]
}

// MarshalText writes the colour's word.
func (h Health) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// ParseHealth reads a colour's word; anything else is unknown.
func ParseHealth(s string) Health {
	for h, w := range healthWords {
		if s == w {
			return Health(h)
		}
	}
	return HealthUnknown
}

// Decision is what the door keeper is shown. They are ordered by strictness:
// the decision of a group is the greatest of its members'. Hold stands between
// restrict and refuse: nobody passes before somebody has looked.
type Decision uint8

const (
	DecisionNone Decision = iota
	Admit                 // 通行
	Restrict              // 限制
	Hold                  // 待核验
	Refuse                // 禁止
)

var decisionWords = [...]string{"none", "admit", "restrict", "hold", "refuse"}

func (d Decision) String() string {
	if int(d) < len(decisionWords) {
		return decisionWords[d]
	}
	return decisionWords[DecisionNone]
}

// MarshalText writes the decision's word.
func (d Decision) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// ParseDecision reads a decision's word; anything else is none.
func ParseDecision(s string) Decision {
	for d, w := range decisionWords {
		if s == w {
			return Decision(d)
		}
	}
	return DecisionNone
}

// Direction of a passage. Unknown counts as in where a rule needs one.
type Direction uint8

const (
	DirectionUnknown Direction = iota
	In
	Out
)

// Presence is how sure it is that the person stood at the door.
type Presence uint8

const (
	PresenceStatic  Presence = iota // P0: a printed poster, nothing more known
	PresenceUnknown                 // P1: location denied or not available
	PresenceNear                    // P1: the phone judged itself within the radius
	PresenceFar                     // P1: the phone judged itself outside
	PresenceScreen                  // P2: a rotating on-screen code
	PresenceStaffed                 // P3: staff or a device saw the person
)

// Method is how a visit came to be recorded.
type Method uint8

const (
	MethodPhone     Method = iota // the person's own phone
	MethodCompanion               // scanned by somebody in the same party 同行人/代扫
	MethodStaff                   // staff read a paper code or an ID card 反扫
	MethodSentry                  // a gate device 数字哨兵
)

// ScanKey names a scan in the store: the person's pseudonym on the day of the
// scan (16 bytes), then the scan id (16 bytes). Primary key, person index and
// shard key in one. Without the day key it links nobody to anything.
type ScanKey [32]byte

// Pseudonym is the half that the person's other scans of the day share.
func (k ScanKey) Pseudonym() [16]byte { return [16]byte(k[:16]) }

// ID is the scan's public id: 32 hexadecimal digits.
func (k ScanKey) ID() string { return hex.EncodeToString(k[16:]) }

// Scan 扫码 is one recorded visit: who (sealed), where, when, in which colour
// and with what decision. Rows never change; what is learnt later is kept
// beside them.
type Scan struct {
	Key ScanKey
	// Prior is where a repeat of the same request would lie if it was first
	// sent yesterday. It is looked up, never stored.
	Prior ScanKey

	At       time.Time // when it happened; whole milliseconds UTC
	Received time.Time // when the platform received it
	Door     Code
	Unit     UnitID // owner of the door when it happened

	Direction Direction
	Presence  Presence
	Method    Method
	Health    Health
	HealthAt  time.Time // when the health-code service said so; zero if unknown
	Decision  Decision

	Person []byte   // reference to the person, sealed under the day key
	Proxy  []byte   // reference to who scanned for them, sealed likewise; empty if nobody
	Hash   [16]byte // keyed hash of the request's content: a repeat must agree
}

// Prompt is what a person sees after a scan.
type Prompt struct {
	ScanID     string
	At         time.Time
	Venue      string
	Door       string
	Address    string
	Health     Health
	Decision   Decision
	Title      string
	Advice     []string
	Name       string // masked
	Companions []CompanionPrompt
}

// CompanionPrompt is one companion's part of a prompt.
type CompanionPrompt struct {
	ScanID   string
	Name     string // masked
	Health   Health
	Decision Decision
}

// ScanOutcomeKind says what became of a scan that was to be remembered.
type ScanOutcomeKind uint8

const (
	ScanNew      ScanOutcomeKind = iota + 1 // stored now
	ScanRepeated                            // was there with the same content
	ScanConflict                            // was there with other content; nothing was stored
)

// ScanOutcome tells of one scan; Stored is the row that the memory has.
type ScanOutcome struct {
	Kind   ScanOutcomeKind
	Stored Scan
}
