package venue

import (
	"iter"
	"slices"
	"time"
)

// Opaque identifiers. They are random, carry no meaning and are never reused.
type (
	UnitID  string
	VenueID string
	GroupID string
)

// Duty says how a unit's daily scan count reaches headquarters.
type Duty string

const (
	DutyReports Duty = "reports" // it reports itself
	DutyCovered Duty = "covered" // its nearest reporting ancestor reports for it
	DutyExempt  Duty = "exempt"  // nobody expects a number, for a recorded reason
)

// UnitKind is what sort of organisation a unit is; "" where nobody said.
type UnitKind string

const (
	UnitGovernment  UnitKind = "government"  // 机关
	UnitInstitution UnitKind = "institution" // 事业单位
	UnitCompany     UnitKind = "company"     // 企业
	UnitHousehold   UnitKind = "household"   // 个体工商户
	UnitAssociation UnitKind = "association" // 社会组织
	UnitCommunity   UnitKind = "community"   // 村（居）委会
	UnitOther       UnitKind = "other"
)

// Unit 单位 is an answerable organisation: a bureau, a school, a company, a
// township. It owns venues, employs staff and, unless covered or exempt,
// reports how often its codes were scanned.
type Unit struct {
	ID        UnitID
	Name      string
	ShortName string // what people call it in the group; may be empty
	USCC      USCC
	Kind      UnitKind
	Parent    UnitID // "" at the top
	Division  Division
	Sectors   []string
	Headcount int     // staff including logistics and property management
	Group     GroupID // the office directors' group it reports in

	Duty       Duty
	DutyReason string
	DutyUntil  Day          // an exemption's last day; 0 = none set
	DutyFrom   Day          // the duty's first day; 0 = since ever
	Former     []FormerDuty // those before it, the oldest first; before them it was exempt

	// Status is StatusPending while its USCC waits for proof from the register,
	// and StatusClosed once it is dissolved or merged; "" stands for StatusActive.
	Status  Status
	Into    UnitID // merged: the unit that stands for it
	Changes int64  // the number of the last change made to it
}

// FormerDuty is a duty that a unit had, from a day on until the next: a day that is
// over stays on the board as it was.
type FormerDuty struct {
	Duty Duty
	From Day
}

// Pending tells whether an officer must see the register before the unit's
// doors may be scanned.
func (u Unit) Pending() bool { return u.Status == StatusPending }

// Closed tells whether the unit is no more, or another stands for it.
func (u Unit) Closed() bool { return u.Status == StatusClosed }

// DutyOn is the duty in force on d. Past its last day an exemption is over, but for a
// unit in no group: nobody would ask it.
func (u Unit) DutyOn(d Day) Duty {
	switch {
	case d < u.DutyFrom:
		for _, was := range slices.Backward(u.Former) {
			if d >= was.From {
				return was.Duty
			}
		}
		return DutyExempt
	case u.Duty == DutyExempt && u.DutyUntil != 0 && d > u.DutyUntil && u.Group != "":
		return DutyReports
	}
	return u.Duty
}

// Above walks upward from a unit, the nearest above first, as get reads them. It ends
// at the top, before a circle closes, or with an error of get.
func Above(u Unit, get func(UnitID) (Unit, error)) iter.Seq2[Unit, error] {
	return func(yield func(Unit, error) bool) {
		above := u
		for seen := map[UnitID]bool{u.ID: true}; above.Parent != "" && !seen[above.Parent]; {
			seen[above.Parent] = true
			var err error
			if above, err = get(above.Parent); !yield(above, err) || err != nil {
				return
			}
		}
	}
}

// Group is an office directors' chat group, bound to a division or a sector.
type Group struct {
	ID       GroupID
	Name     string
	Division Division
	Sector   string
	Webhook  []byte // the message-push key, sealed: whoever has it can post
}

// Binding ties a chat account to the unit it reports for. Chat accounts are
// bound by a one-time code and re-bound when a person is replaced.
type Binding struct {
	Account ChatAccount
	Unit    UnitID
	Name    string // as the group knows the person
	Since   time.Time
}

// Bound is what a one-time code made of an account: one that reports for the unit
// or, if Manages is a venue, one of those who hear of red codes there. That alone
// reports for nobody.
type Bound struct {
	Binding
	Manages Venue
}

// Channel is a way by which words reach a person or a group.
type Channel string

const (
	ChannelRobot     Channel = "wecom_robot"     // group robot; send to a GroupID
	ChannelWeComApp  Channel = "wecom_app"       // WeCom app message; send to a userid
	ChannelService   Channel = "service_account" // WeChat service account, one to one
	ChannelSubscribe Channel = "wechat_mini"     // mini-program subscribe message
	ChannelAlipay    Channel = "alipay_mini"     // Alipay template message
)

// ChatAccount is one person on one chat channel. ID is the WeCom userid (the
// robot and the app share it) or, for the service account, the blind index of
// the openid: an openid never appears in a document in clear.
type ChatAccount struct {
	Channel Channel
	ID      string
}

// Key is the account's document id.
func (a ChatAccount) Key() string { return string(a.Channel) + ":" + a.ID }

// Masked is the account as others see it: of its id the first and the last
// character.
func (a ChatAccount) Masked() string {
	if rs := []rune(a.ID); len(rs) > 2 {
		return string(rs[0]) + "***" + string(rs[len(rs)-1])
	}
	return "***"
}

// Territory 属地 answers for what happens in a division: its officers hear of a
// red code at any of its doors.
type Territory struct {
	Division Division
	Name     string
	Officers []ChatAccount
}
