//go:build race

package audit

// slack is how much longer a test may take under the race detector, and how much
// less it does.
const slack = 10
