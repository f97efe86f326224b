package vault

// LastDay is what one look at a person costs.
var LastDay = History.lastDay
