//go:build !race

package audit

// slack is how much longer a test may take.
const slack = 1
