package configs

import (
	"fmt"
	"strings"

	"github.com/venuecode/venuecode/venue"
)

// Fault is one thing wrong with one option. It never quotes the value.
type Fault struct {
	Key     string // full path, "health.timeout"; empty for the file as a whole
	Source  string // the file's name, or $VARIABLE
	Line    int    // in the file; 0 where there is none to name
	Problem string
}

func (f Fault) Error() string {
	place := f.Source
	if f.Line > 0 {
		place = fmt.Sprintf("%s:%d", f.Source, f.Line)
	}
	if f.Key == "" {
		return place + ": " + f.Problem
	}
	return place + ": " + f.Key + ": " + f.Problem
}

// Faults is everything wrong with a configuration, one line each: those with a
// line in the file first, in its order. It is a venue.ErrInvalid.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes a bad configuration one of the outcomes callers act on.
func (f Faults) Unwrap() error { return venue.ErrInvalid }

// nearest is the name that a misspelt one most likely means, "" if none is
// close: at most a third of its letters, and two, differ.
func nearest(name string, names []string) string {
	best, least := "", max(2, len(name)/3)+1
	for _, n := range names {
		if d := distance(name, n); d < least && d < len(n) {
			best, least = n, d
		}
	}
	return best
}

// distance counts the letters to insert, delete, replace or swap with their
// neighbour to get from a to b.
func distance(a, b string) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			differ := 1
			if a[i] == b[j] {
				differ = 0
			}
			next[j+1] = min(row[j+1]+1, next[j]+1, row[j]+differ)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
