// Package leak holds no code, only the test that no package lets a private value
// out: not in an error, a log line, a metric, a panic, an audit row, an address
// or a header that it sends, nor in a print of what it holds.
package leak
