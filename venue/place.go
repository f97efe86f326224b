package venue

import "time"

// Category is one of the six classes of places in the notice; Other is its
// sixth, and there is no seventh.
type Category uint8

const (
	CategoryNone           Category = iota
	CategoryOrganisation            // (一) 法人机构、工商户的工作和营商场所
	CategoryKeyPlace                // (二) 重点场所、重点人员工作生活区
	CategoryTransit                 // (三) 城市出入口、人员落脚点、人群流动中的场所
	CategoryFunctionalUnit          // (四) 大型场所内的最小功能单元
	CategorySmallPlace              // (五) 人员聚集性强的小场所
	CategoryOther                   // (六) 其他公共场所
)

// Status is where a venue, or a door, stands between application and end.
type Status string

const (
	StatusBlank      Status = "blank"      // 空白: printed, not yet bound
	StatusPending    Status = "pending"    // 待审
	StatusActive     Status = "active"     // 在用
	StatusIncomplete Status = "incomplete" // 待补全: an old code, scannable, data missing
	StatusSuspended  Status = "suspended"  // 停用
	StatusClosed     Status = "closed"     // 注销
)

// Scannable tells whether a scan at a place of this status is recorded.
func (s Status) Scannable() bool { return s == StatusActive || s == StatusIncomplete }

// Venue 场所 is a place with one or more doors: a building, a shop inside a
// mall, a market zone, a bus. Parent is the venue it lies in.
type Venue struct {
	ID        VenueID
	Unit      UnitID
	Parent    VenueID
	Name      string
	ShortName string // 2–8 characters, printed on the poster
	Category  Category
	Type      string // e.g. 药店, 小学, 出租汽车
	Division  Division
	Address   string
	Hours     Hours
	Lng, Lat  float64 // degrees, GCJ-02 as the mini-programs report; both 0: nobody has said
	Radius    float64 // metres within which a phone counts as near
	Plate     Plate   // vehicles only
	Zone      string  // 功能分区 or 门店编号, inside a parent venue
	Sentinel  bool    // 哨点: stricter at the door, watched for silence
	Status    Status
	Managers  []ChatAccount // who hears of a red code within seconds
	Into      VenueID       // merged: the venue that stands for it
	Changes   int64         // the number of the last change made to it
}

// Located tells whether it is known where the venue is.
func (v Venue) Located() bool { return v.Lng != 0 || v.Lat != 0 }

// Door 出入口 is one entrance with one code: a scan names a door, not only a
// venue. Two doors of one venue never share a name.
type Door struct {
	Code   Code
	Venue  VenueID
	Unit   UnitID // the owner now; its history is in the tenures
	Name   string
	Status Status
	Posted time.Time // when somebody confirmed that the code hangs there; zero: nobody has
	// Changes is the number of the last change of its venue that reached it.
	Changes int64
}

// Tenure says that a unit owned a door from Since on, until Until if that is
// set. A scan counts for the unit that owned the door when it happened
// (rulings D7).
type Tenure struct {
	Door  Code
	Unit  UnitID
	Since time.Time
	Until time.Time // zero: still
}

// In is the part of w that the tenure covers.
func (t Tenure) In(w Window) (Span, bool) {
	s := Span{Door: t.Door, From: w.Start, To: w.End}
	if t.Since.After(s.From) {
		s.From = t.Since
	}
	if !t.Until.IsZero() && t.Until.Before(s.To) {
		s.To = t.Until
	}
	return s, s.From.Before(s.To)
}

// Span is a door during [From, To).
type Span struct {
	Door     Code
	From, To time.Time
}
