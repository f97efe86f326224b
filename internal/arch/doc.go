// Package arch holds no code, only tests of what the compiler does not check:
// who may import whom, who may ask what time it is, and that the files which the
// documents name exist.
package arch
