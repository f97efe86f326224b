package venue

// Regulator 行业主管部门 answers for the places of some types, beside the territory
// that they lie in, which always does.
type Regulator struct {
	Name  string
	Types []string // of places, or sectors, as registers and people write them
}
