package registry

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"

	"github.com/venuecode/venuecode/venue"
)

// SubjectState is how a subject stands in the register that it comes from.
type SubjectState string

// The states. Only what is active must have a code.
const (
	SubjectActive    SubjectState = "active"    // 存续
	SubjectCancelled SubjectState = "cancelled" // 注销
	SubjectRevoked   SubjectState = "revoked"   // 吊销
	SubjectMoved     SubjectState = "moved"     // 迁出
)

// subjectStates are the states as registers begin to write them: 存续（在营、开业、
// 在册）, 吊销，未注销.
var subjectStates = []struct {
	word  string
	state SubjectState
}{
	{"存续", SubjectActive}, {"在业", SubjectActive}, {"在营", SubjectActive}, {"开业", SubjectActive}, {"正常", SubjectActive},
	{"注销", SubjectCancelled}, {"吊销", SubjectRevoked}, {"迁出", SubjectMoved},
}

// stateOf reads a state; none is 存续.
func stateOf(s string) (SubjectState, bool) {
	s = strings.TrimPrefix(strings.TrimSpace(venue.Fold(s)), "已")
	for _, k := range subjectStates {
		if strings.HasPrefix(s, k.word) {
			return k.state, true
		}
	}
	return SubjectActive, s == ""
}

// Subject 应设主体 is a market entity or organisation of the register: who must
// have a code, whether or not anybody has heard of them. It is the denominator of
// coverage; units are who came.
type Subject struct {
	Name     string
	USCC     venue.USCC // "" if the register has none
	Address  string
	Division venue.Division
	Sector   string // "" if the register has none
	Category venue.Category
	Type     string // of its place; "" if the register has none
	State    SubjectState

	Exempt string    // why it need not have a code; "": it must
	Until  venue.Day // the last day of that; 0: none set

	Gone venue.Day // since when the register does not have it any more; 0: it does
}

// Must tells whether a subject must have a code on a day. An exemption past its
// last day is over.
func (s Subject) Must(on venue.Day) bool {
	exempt := s.Exempt != "" && (s.Until == 0 || on <= s.Until)
	return s.State == SubjectActive && s.Gone == 0 && !exempt
}

// ID is the subject's name in the platform: its USCC, or else made of name,
// address and division, so that the same row of the next register is the same
// subject.
func (s Subject) ID() string {
	if s.USCC != "" {
		return string(s.USCC)
	}
	sum := sha256.Sum256([]byte(likeKey(s.Name) + "\x00" + likeKey(s.Address) + "\x00" + string(s.Division)))
	return "s" + hex.EncodeToString(sum[:12])
}

// SubjectForm is a row of the register as its sheet has it: nothing is checked.
type SubjectForm struct {
	Name     string
	USCC     string
	Address  string
	Division string
	Sector   string
	Category string // see ParseCategory
	Type     string
	State    string // "" is 存续
	Exempt   string
	Until    string // YYYY-MM-DD
}

// The longest texts of a register, in characters.
const (
	subjectNameMax = 120
	subjectTextMax = 200
)

// Check makes a subject of the row, or tells all that is wrong with it. proof
// says that the check character of its USCC is wrong: the register is the proof,
// and it is taken.
func (f SubjectForm) Check() (s Subject, proof bool, faults []*venue.Invalid) {
	fault := func(err error) {
		if invalid, ok := err.(*venue.Invalid); ok {
			faults = append(faults, invalid)
		}
	}
	text := func(field, in string, least, most int) string {
		out, err := venue.ParseTitle(field, in, least, most)
		fault(err)
		return out
	}
	s.Name = text("name", f.Name, 1, subjectNameMax)
	s.Address = text("address", f.Address, 0, subjectTextMax)
	s.Sector = text("sector", f.Sector, 0, subjectTextMax)
	s.Type = text("type", f.Type, 0, subjectTextMax)
	s.Exempt = text("exempt", f.Exempt, 0, subjectTextMax)
	var err error
	if strings.TrimSpace(venue.Fold(f.USCC)) != "" {
		s.USCC, proof, err = venue.ParseUSCC(f.USCC)
		fault(err)
	}
	if s.Division, err = venue.ParseDivision(f.Division); err == nil && s.Division.Level() < venue.LevelCounty {
		err = &venue.Invalid{Field: "division", Reason: "range"}
	}
	fault(err)
	s.Division = s.Division.At(venue.LevelVillage)
	var ok bool
	if s.State, ok = stateOf(f.State); !ok {
		fault(&venue.Invalid{Field: "state", Reason: "unknown"})
	}
	if strings.TrimSpace(venue.Fold(f.Category)) != "" {
		var kind string
		s.Category, kind, err = ParseCategory(f.Category)
		fault(err)
		s.Type = cmp.Or(s.Type, kind)
	}
	if until := strings.TrimSpace(venue.Fold(f.Until)); until != "" {
		if s.Until, err = venue.ParseDay(until); err != nil {
			fault(&venue.Invalid{Field: "until", Reason: "shape"})
		}
	}
	return s, proof, faults
}

// Digest is of all that the register says of a subject: two are the same row if
// theirs are.
func (s Subject) Digest() [16]byte {
	texts := []string{s.Name, string(s.USCC), s.Address, string(s.Division), s.Sector, string(rune(s.Category)), s.Type, string(s.State), s.Exempt, s.Until.String()}
	sum := sha256.Sum256([]byte(strings.Join(texts, "\x00")))
	return [16]byte(sum[:16])
}

// Likeness is how much a unit is like a subject, in percent, and why. It is for a
// person who looks at both; nothing follows from it by itself.
type Likeness struct {
	Name    int // pairs of neighbouring characters that both names have, of all that they have
	Address int // the same of the addresses; 0 if one of them has none
	Total   int // seven parts name, three parts address
}

// likely is the likeness of names from which on a unit is worth a look.
const likely = 45

// Compare tells how much a unit at some addresses is like a subject: the best of
// the addresses counts.
func (s Subject) Compare(unit string, addresses []string) (l Likeness) {
	l.Name = alike(pairsOf(s.Name), pairsOf(unit))
	own := pairsOf(s.Address)
	for _, a := range addresses {
		l.Address = max(l.Address, alike(own, pairsOf(a)))
	}
	l.Total = (7*l.Name + 3*l.Address) / 10
	return l
}

// legalForms end the names of nearly everybody, and say nothing about who it is.
var legalForms = strings.NewReplacer("有限责任公司", "", "股份有限公司", "", "有限公司", "", "个体工商户", "")

// likeKey is a text without what differs from one list to the next.
func likeKey(s string) string {
	return legalForms.Replace(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToUpper(r)
		}
		return -1
	}, venue.Fold(s)))
}

type pair [2]rune

// pairsOf are the pairs of neighbouring characters of a text, each once, in order.
func pairsOf(s string) []pair {
	rs := []rune(likeKey(s))
	if len(rs) == 1 {
		return []pair{{rs[0]}}
	}
	var pairs []pair
	for i := 1; i < len(rs); i++ {
		pairs = append(pairs, pair{rs[i-1], rs[i]})
	}
	slices.SortFunc(pairs, pair.compare)
	return slices.Compact(pairs)
}

func (p pair) compare(o pair) int {
	if p[0] != o[0] {
		return int(p[0]) - int(o[0])
	}
	return int(p[1]) - int(o[1])
}

// alike is Dice's coefficient of two sorted lists, in percent.
func alike(a, b []pair) int {
	both := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch c := a[i].compare(b[j]); {
		case c == 0:
			i, j, both = i+1, j+1, both+1
		case c < 0:
			i++
		default:
			j++
		}
	}
	return dice(both, len(a), len(b))
}

func dice(both, a, b int) int {
	if both == 0 {
		return 0
	}
	return 200 * both / (a + b)
}
